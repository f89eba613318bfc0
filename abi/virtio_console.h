#pragma once
/* The virtio console device with one port. Virtio 1.2, section 5.3. Little-endian. */
#include "base/types.h"

#define VIRTIO_CONSOLE_F_EMERG_WRITE BIT64(2)

enum { VIRTIO_CONSOLE_RX = 0, VIRTIO_CONSOLE_TX = 1 };

struct virtio_console_config {
    uint16_t cols;         /* 0 */
    uint16_t rows;         /* 2 */
    uint32_t max_nr_ports; /* 4 */
    uint32_t emerg_wr;     /* 8: a byte written here is printed, even before any queue works */
};
_Static_assert(sizeof(struct virtio_console_config) == 12, "virtio_console_config");
