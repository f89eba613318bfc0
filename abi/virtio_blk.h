#pragma once
/* The virtio block device's features, configuration and requests. Virtio 1.2, section 5.2. Little-endian. */
#include "base/types.h"

#define VIRTIO_BLK_F_SIZE_MAX BIT64(1)
#define VIRTIO_BLK_F_SEG_MAX BIT64(2)
#define VIRTIO_BLK_F_RO BIT64(5)
#define VIRTIO_BLK_F_BLK_SIZE BIT64(6)
#define VIRTIO_BLK_F_FLUSH BIT64(9)
#define VIRTIO_BLK_F_TOPOLOGY BIT64(10)
#define VIRTIO_BLK_F_MQ BIT64(12)
#define VIRTIO_BLK_F_DISCARD BIT64(13)

struct virtio_blk_config {
    uint64_t capacity;            /* 0: sectors of 512 bytes */
    uint32_t size_max;            /* 8: bytes in one segment */
    uint32_t seg_max;             /* 12: data segments in one request */
    uint8_t geometry[4];          /* 16 */
    uint32_t blk_size;            /* 20 */
    uint8_t physical_block_exp;   /* 24: blk_size << this is the physical block */
    uint8_t alignment_offset;     /* 25 */
    uint16_t min_io_size;         /* 26: blocks */
    uint32_t opt_io_size;         /* 28: blocks */
    uint8_t writeback;            /* 32 */
    uint8_t unused0;              /* 33 */
    uint16_t num_queues;          /* 34 */
    uint32_t max_discard_sectors; /* 36 */
    uint32_t max_discard_seg;     /* 40 */
    uint32_t discard_alignment;   /* 44: sectors */
};
_Static_assert(sizeof(struct virtio_blk_config) == 48, "virtio_blk_config");

enum { VIRTIO_BLK_IN = 0, VIRTIO_BLK_OUT = 1, VIRTIO_BLK_FLUSH = 4, VIRTIO_BLK_GET_ID = 8, VIRTIO_BLK_DISCARD = 11 };
enum { VIRTIO_BLK_OK = 0, VIRTIO_BLK_IOERR = 1, VIRTIO_BLK_UNSUPP = 2 };
#define VIRTIO_BLK_ID_BYTES 20u

/* The driver's part of a request, before the data. The device's part, after the data, is one status byte. */
struct virtio_blk_head {
    uint32_t type;     /* 0 */
    uint32_t reserved; /* 4 */
    uint64_t sector;   /* 8 */
};
_Static_assert(sizeof(struct virtio_blk_head) == 16, "virtio_blk_head");

struct virtio_blk_range { /* the data of DISCARD */
    uint64_t sector;      /* 0 */
    uint32_t nsectors;    /* 8 */
    uint32_t flags;       /* 12: bit 0 is for WRITE_ZEROES only */
};
_Static_assert(sizeof(struct virtio_blk_range) == 16, "virtio_blk_range");
