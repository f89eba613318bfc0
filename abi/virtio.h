#pragma once
/* What a virtio 1.2 driver and device agree on: identities, status and feature bits, the split ring, the PCI layout.
 * Names and numbers: OASIS "Virtual I/O Device (VIRTIO) Version 1.2", sections beside each. Little-endian. */
#include "base/types.h"

/* 5: device types, and 4.1.2: how PCI shows them */
#define VIRTIO_TYPE_BLK 2u
#define VIRTIO_TYPE_CONSOLE 3u
#define VIRTIO_TYPE_RNG 4u
#define VIRTIO_PCI_VENDOR 0x1AF4u
#define VIRTIO_PCI_DEVICE 0x1040u /* + type */
#define VIRTIO_PCI_REVISION 1u

/* 2.1: device status */
#define VIRTIO_ACKNOWLEDGE 1u
#define VIRTIO_DRIVER 2u
#define VIRTIO_DRIVER_OK 4u
#define VIRTIO_FEATURES_OK 8u
#define VIRTIO_NEEDS_RESET 64u
#define VIRTIO_FAILED 128u

/* 6: feature bits of every device */
#define VIRTIO_F_INDIRECT_DESC BIT64(28)
#define VIRTIO_F_EVENT_IDX BIT64(29)
#define VIRTIO_F_VERSION_1 BIT64(32)

/* 2.7.5: the descriptor table */
#define VIRTQ_DESC_NEXT 1u
#define VIRTQ_DESC_WRITE 2u
#define VIRTQ_DESC_INDIRECT 4u
struct virtq_desc {
    uint64_t addr;  /* 0: guest-physical */
    uint32_t len;   /* 8 */
    uint16_t flags; /* 12 */
    uint16_t next;  /* 14: valid with VIRTQ_DESC_NEXT */
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtq_desc");

/* 2.7.6: the available ring, written by the driver: u16 flags, u16 idx, u16 ring[size], u16 used_event */
#define VIRTQ_AVAIL_NO_INTERRUPT 1u
#define VIRTQ_AVAIL_FLAGS 0u
#define VIRTQ_AVAIL_IDX 2u
#define VIRTQ_AVAIL_RING(i) (4u + 2u * (i)) /* i = size: used_event */
#define VIRTQ_AVAIL_BYTES(size) (6u + 2u * (size))

/* 2.7.8: the used ring, written by the device: u16 flags, u16 idx, struct virtq_used_elem[size], u16 avail_event */
#define VIRTQ_USED_IDX 2u
#define VIRTQ_USED_RING(i) (4u + 8u * (i)) /* i = size: avail_event */
#define VIRTQ_USED_BYTES(size) (6u + 8u * (size))
struct virtq_used_elem {
    uint32_t id;  /* 0: head of the chain */
    uint32_t len; /* 4: bytes the device wrote */
};
_Static_assert(sizeof(struct virtq_used_elem) == 8, "virtq_used_elem");

/* 4.1.4: vendor capabilities that say where the parts of the device are */
enum { VIRTIO_CAP_COMMON = 1, VIRTIO_CAP_NOTIFY = 2, VIRTIO_CAP_ISR = 3, VIRTIO_CAP_DEVICE = 4, VIRTIO_CAP_PCI = 5 };
enum { VIRTIO_ISR_QUEUE = 1 }; /* bits of the interrupt status */
struct virtio_pci_cap {
    uint8_t id;      /* 0: PCI_CAP_VENDOR */
    uint8_t next;    /* 1 */
    uint8_t cap_len; /* 2 */
    uint8_t type;    /* 3: VIRTIO_CAP_ */
    uint8_t bar;     /* 4 */
    uint8_t padding[3];
    uint32_t offset; /* 8 */
    uint32_t length; /* 12 */
    uint32_t extra;  /* 16: NOTIFY: bytes from one queue's address to the next; PCI: the data window; else absent */
};
_Static_assert(sizeof(struct virtio_pci_cap) == 20, "virtio_pci_cap");

/* 4.1.4.3: the common configuration: offsets, all accessed in their own size, the 64-bit ones also by halves */
enum {
    VIRTIO_COMMON_DEVICE_FEATURE_SELECT = 0, /* u32 */
    VIRTIO_COMMON_DEVICE_FEATURE = 4,        /* u32, read only */
    VIRTIO_COMMON_DRIVER_FEATURE_SELECT = 8, /* u32 */
    VIRTIO_COMMON_DRIVER_FEATURE = 12,       /* u32 */
    VIRTIO_COMMON_CONFIG_VECTOR = 16,        /* u16 */
    VIRTIO_COMMON_NUM_QUEUES = 18,           /* u16, read only */
    VIRTIO_COMMON_STATUS = 20,               /* u8 */
    VIRTIO_COMMON_CONFIG_GENERATION = 21,    /* u8, read only */
    VIRTIO_COMMON_QUEUE_SELECT = 22,         /* u16 */
    VIRTIO_COMMON_QUEUE_SIZE = 24,           /* u16 */
    VIRTIO_COMMON_QUEUE_VECTOR = 26,         /* u16 */
    VIRTIO_COMMON_QUEUE_ENABLE = 28,         /* u16 */
    VIRTIO_COMMON_QUEUE_NOTIFY_OFF = 30,     /* u16, read only */
    VIRTIO_COMMON_QUEUE_DESC = 32,           /* u64 */
    VIRTIO_COMMON_QUEUE_DRIVER = 40,         /* u64: the available ring */
    VIRTIO_COMMON_QUEUE_DEVICE = 48,         /* u64: the used ring */
    VIRTIO_COMMON_BYTES = 56
};
#define VIRTIO_NO_VECTOR 0xFFFFu
