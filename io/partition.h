#pragma once
/* GPT partitions as block devices of their own: UEFI specification 2.10, chapter 5. A partition checks the range, adds
 * its start and hands the request on to the disk; it has no queue and no lock. */
#include "io/blk.h"

#define PARTITIONS_MAX 128
#define PARTITION_WORK 16384u /* bytes of scratch memory for partition_scan() */

struct partition {
    struct blk blk;
    struct blk *disk;
    uint64_t start;  /* in sectors of the disk */
};

struct partition_scan {
    struct partition *part; /* in: room for PARTITIONS_MAX; out: count of them, ready for blk_register() */
    void *work;             /* in: PARTITION_WORK bytes, a multiple of 4 aligned, only used during the scan */
    /* in: told of each entry that is left out and why; may be NULL */
    void (*dropped)(const struct blk *disk, unsigned number, const char *why);
    unsigned count;
    bool from_backup; /* out: the primary table is damaged */
};

/* Reads the disk's partition table, waiting for the disk. ERR_NOTFOUND: no GPT; ERR_FORMAT: it says GPT, but neither
 * copy of the table is valid; ERR_IO. Keeps disk in every partition. */
MUST_USE err_t partition_scan(struct blk *disk, struct partition_scan *);
