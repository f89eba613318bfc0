/* io/partition.c against any disk. First byte: bit 0 4 KiB blocks, bit 1 the sums of both headers are made right, so that
 * the fuzzer gets past them. The rest is the disk. */
#include <stdlib.h>
#include "base/panic.h"
#include "base/str.h"
#include "test/unit/gpt.h"
#include "io/partition.h"
#include "io/ramdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_dropped(const struct blk *disk, unsigned number, const char *why)
{
    ASSERT(disk && number && why[0]);
}

static void check(const struct partition_scan *s, const struct blk *disk)
{
    for (unsigned i = 0; i < s->count; i++) {
        const struct partition *p = &s->part[i];

        ASSERT(p->blk.sectors && p->start && p->start < disk->sectors && p->blk.sectors <= disk->sectors - p->start);
        ASSERT(strlen(p->blk.partuuid) == 36);
        for (unsigned k = 0; k < i; k++)
            ASSERT(p->start >= s->part[k].start + s->part[k].blk.sectors ||
                   s->part[k].start >= p->start + p->blk.sectors);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct partition parts[PARTITIONS_MAX];
    static uint8_t work[PARTITION_WORK] ALIGNED(16);
    struct partition_scan s = { .part = parts, .work = work, .dropped = on_dropped };
    struct ramdisk ram;
    uint32_t bs;
    uint64_t blocks;
    uint8_t *disk;

    if (!size)
        return 0;
    bs = data[0] & 1 ? 4096 : 512;
    blocks = (size - 1) / bs;
    if (blocks < 2)
        return 0;
    disk = malloc(blocks * bs); /* exactly: one byte too far is seen */
    memcpy(disk, data + 1, blocks * bs);
    if (data[0] & 2)
        gpt_seal_both(disk, blocks, bs);
    if (!ramdisk_init(&ram, "ram0", disk, blocks * bs)) {
        ram.blk.block_size = bs;
        err_t e = partition_scan(&ram.blk, &s);
        ASSERT(!e || !s.count);
        check(&s, &ram.blk);
    }
    free(disk);
    return 0;
}
