/* RAM disk: copies on the submitting CPU and completes inside submit(). */
#include "io/ramdisk.h"

#include "base/str.h"

#define RAMDISK_SEGS 128
#define RAMDISK_BYTES MIB(1)

static void ramdisk_submit(struct blk *b, struct blk_req *r)
{
    struct ramdisk *d = container_of(b, struct ramdisk, blk);
    uint64_t n;
    err_t e = blk_check(b, r, &n);

    if (!e && r->op != BLK_FLUSH) {
        uint8_t *at = d->data + r->sector * BLK_SECTOR;

        for (uint32_t i = 0; i < r->nseg; i++) {
            void *mem = hpa_ptr(r->seg[i].pa);

            if (r->op == BLK_READ)
                memcpy(mem, at, r->seg[i].len);
            else
                memcpy(at, mem, r->seg[i].len);
            at += r->seg[i].len;
        }
    }
    r->done(r, e);
}

static const struct blk_ops ramdisk_ops = { .submit = ramdisk_submit };

err_t ramdisk_init(struct ramdisk *d, const char *name, void *data, uint64_t bytes)
{
    if (!bytes || bytes % BLK_SECTOR)
        return ERR_FORMAT;
    *d = (struct ramdisk){ .data = data,
                           .blk = { .ops = &ramdisk_ops,
                                    .sectors = bytes / BLK_SECTOR,
                                    .block_size = BLK_SECTOR,
                                    .max_segs = RAMDISK_SEGS,
                                    .max_bytes = RAMDISK_BYTES } };
    list_init(&d->blk.link);
    return str_copy(d->blk.name, sizeof d->blk.name, name) ? OK : ERR_RANGE;
}
