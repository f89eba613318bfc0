#pragma once
/* A disk in memory: a file loaded by the boot menu, used in place. What is written changes the memory, never the file,
 * and lasts until the machine is reset. */
#include "io/blk.h"

struct ramdisk {
    struct blk blk;
    uint8_t *data; /* fixed after init; its contents are the users' to keep apart, as on any disk */
};

/* Makes bytes of memory a disk of that name ("ram0"); keeps data. ERR_FORMAT unless bytes is a multiple of BLK_SECTOR
 * and not 0. */
MUST_USE err_t ramdisk_init(struct ramdisk *, const char *name, void *data, uint64_t bytes);
