#pragma once
/* Where the monitor's part of a guest's memory is, the same on all grounds: boot record, gate, clock, strings, channels; below it the
 * image's window. */
#include "abi/app.h"

#define APP_AREA (APP_TOP - MIB(48))
#define APP_AREA_GATE (APP_AREA + 0x4000)
#define APP_AREA_TIME (APP_AREA + 0x5000)
#define APP_AREA_STRINGS (APP_AREA + 0x10000)
#define APP_AREA_STRINGS_MAX MIB(2)
#define APP_AREA_CHANNELS (APP_AREA + MIB(4))
#define APP_CHANNEL_BYTES align_up(sizeof(struct app_channel), PAGE_SIZE)
_Static_assert(sizeof(struct app_boot) <= 0x4000, "boot record");
_Static_assert(MIB(4) + APP_CHANNELS * (sizeof(struct app_channel) + PAGE_SIZE) <= MIB(48), "area");
