#pragma once
/* A RAM disk that completes requests inside submit(), or later one by one when told so, and fails when told so. It
 * checks what a driver may rely on: segments inside guest RAM, lengths, limits. Used by unit tests and the fuzzer. */
#include "io/blk.h"
#include "test/unit/virtio_driver.h"

#ifndef DISK_SECTORS
#define DISK_SECTORS 2048u
#endif

static struct {
    struct blk blk;
    uint8_t data[DISK_SECTORS * BLK_SECTOR];
    bool later; /* keep requests until disk_finish() */
    err_t fail; /* what the next requests get */
    struct list waiting;
    unsigned held, submits, flushes, discards;
    unsigned untold; /* kept requests of which the disk was not told yet */
    uint64_t discard_sector, discard_nsectors;
} disk;

static inline bool in_guest_ram(hpa_t pa, uint32_t len)
{
    for (uint64_t i = 0; i < vm.low_chunks + vm.high_chunks; i++)
        if (pa.v >= vm.low[i].v && pa.v - vm.low[i].v < MEM_CHUNK)
            return pa.v + len <= vm.low[i].v + MEM_CHUNK ||
                   in_guest_ram(hpa(vm.low[i].v + MEM_CHUNK), (uint32_t)(pa.v + len - vm.low[i].v - MEM_CHUNK));
    return false;
}

static inline err_t disk_do(struct blk_req *r)
{
    uint64_t at = r->sector * BLK_SECTOR, len = 0;

    for (uint32_t i = 0; i < r->nseg; i++) {
        MUST(r->seg[i].len && r->seg[i].len % 4 == 0 && r->seg[i].pa.v % 4 == 0);
        MUST(in_guest_ram(r->seg[i].pa, r->seg[i].len));
        len += r->seg[i].len;
    }
    if (r->op == BLK_READ || r->op == BLK_WRITE) {
        MUST(len && len % disk.blk.block_size == 0 && len <= disk.blk.max_bytes && r->nseg <= disk.blk.max_segs);
        MUST(r->sector % (disk.blk.block_size / BLK_SECTOR) == 0);
        MUST(at <= sizeof disk.data && len <= sizeof disk.data - at);
        MUST(r->op == BLK_READ || !disk.blk.read_only);
    }
    if (disk.fail)
        return disk.fail;
    switch (r->op) {
    case BLK_FLUSH:
        disk.flushes++;
        return OK;
    case BLK_DISCARD:
        MUST(r->nsectors && r->sector + r->nsectors <= DISK_SECTORS);
        disk.discards++;
        disk.discard_sector = r->sector;
        disk.discard_nsectors = r->nsectors;
        return OK;
    case BLK_READ:
    case BLK_WRITE:
        break;
    }
    for (uint32_t i = 0; i < r->nseg; at += r->seg[i++].len) {
        if (r->op == BLK_READ)
            memcpy(hpa_ptr(r->seg[i].pa), &disk.data[at], r->seg[i].len);
        else
            memcpy(&disk.data[at], hpa_ptr(r->seg[i].pa), r->seg[i].len);
    }
    return OK;
}

static inline void disk_submit(struct blk *b, struct blk_req *r)
{
    MUST(b == &disk.blk);
    disk.submits++;
    if (!disk.later) {
        r->done(r, disk_do(r));
        return;
    }
    list_push_back(&disk.waiting, &r->link);
    disk.held++;
    disk.untold = r->more ? disk.untold + 1 : 0;
}

static inline void disk_kick(struct blk *b)
{
    MUST(b == &disk.blk);
    disk.untold = 0;
}

/* Completes the oldest request it keeps; false if there is none. */
static inline bool disk_finish(void)
{
    struct list *l = list_pop_front(&disk.waiting);

    MUST(!disk.untold);
    if (!l)
        return false;
    struct blk_req *r = container_of(l, struct blk_req, link);
    disk.held--;
    r->done(r, disk_do(r));
    return true;
}

static inline void disk_make(void)
{
    static const struct blk_ops ops = { .submit = disk_submit, .kick = disk_kick };

    memset(&disk, 0, sizeof disk);
    disk.blk = (struct blk){ .ops = &ops,
                             .name = "ram0",
                             .sectors = DISK_SECTORS,
                             .block_size = 512,
                             .max_segs = 64,
                             .max_bytes = UINT64_MAX,
                             .can_discard = true };
    list_init(&disk.waiting);
    for (unsigned i = 0; i < DISK_SECTORS; i++)
        memset(&disk.data[i * BLK_SECTOR], (int)(i % 251 + 1), BLK_SECTOR);
}
