#pragma once
/* What surrounds a disk driver in its test: the disks it adds, requests, and how they ended. The test has the model of the device, hw_run(). */
#include "test/unit/unit.h"
#include "hal/disks.h"

static void hw_run(void); /* the device does what it was told */

static struct blk *disk[8]; /* in the order in which the driver added them */
static unsigned ndisks;
void hal_disk_add(struct blk *b, const char *)
{
    assert_true(ndisks < ARRAY_LEN(disk));
    disk[ndisks++] = b;
}

static unsigned dones, failed;
static err_t last;

/* Of a request that has an owner, that is where its error goes. */
static void on_done(struct blk_req *r, err_t e)
{
    dones++;
    failed += e != OK;
    last = e;
    if (r->owner)
        *(err_t *)r->owner = e;
}

static struct blk_req make(enum blk_op op, uint64_t sector, const struct blk_seg *seg, uint32_t nseg)
{
    return (struct blk_req){ .op = op, .sector = sector, .seg = seg, .nseg = nseg, .done = on_done };
}

/* One request, until it ends; of a discard nseg is the number of sectors. */
static err_t disk_run(struct blk *b, enum blk_op op, uint64_t sector, const struct blk_seg *seg, uint32_t nseg)
{
    struct blk_req r = make(op, sector, seg, nseg);
    unsigned before = dones;

    r.nsectors = nseg;
    b->ops->submit(b, &r);
    for (unsigned i = 0; i < 100 && dones == before; i++)
        hw_run();
    assert_int_equal(dones, before + 1);
    return last;
}
