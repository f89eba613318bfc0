#pragma once
/* The virtio 9P transport, device 9: one queue of requests, each a 9P question that the device reads and room for the answer.
 * Registered in virtio 1.2, section 5; laid out in 1.3, section 5.21. Little-endian. */
#include "base/types.h"

#define VIRTIO_TYPE_9P 9u
#define VIRTIO_9P_F_MOUNT_TAG BIT64(0)

struct virtio_9p_config {
    uint16_t tag_len; /* 0 */
    char tag[14];     /* 2: not ended by 0 */
};
_Static_assert(sizeof(struct virtio_9p_config) == 16, "virtio_9p_config");
