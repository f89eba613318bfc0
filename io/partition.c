/* GPT parser and the partition block device; see partition.h. The disk's contents are untrusted: a guest wrote them. */
#include "io/partition.h"

#include "base/bytes.h"
#include "base/crc.h"
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"

#define ENTRY_MIN 128u
#define ENTRY_MAX 4096u
#define ENTRIES_MAX 1024u

/* --- the device --- */

static void partition_done(struct blk_req *r, err_t e)
{
    r->sector -= r->drv[3];
    r->done = (void (*)(struct blk_req *, err_t))(uintptr_t)r->drv[2];
    r->done(r, e);
}

static void partition_submit(struct blk *b, struct blk_req *r)
{
    struct partition *p = container_of(b, struct partition, blk);

    if (blk_refuse(b, r))
        return;
    r->drv[2] = (uintptr_t)r->done;
    r->drv[3] = p->start;
    r->done = partition_done;
    r->sector += p->start;
    p->disk->ops->submit(p->disk, r);
}

static void partition_poll(struct blk *b)
{
    struct blk *disk = container_of(b, struct partition, blk)->disk;

    if (disk->ops->poll)
        disk->ops->poll(disk);
}

static void partition_kick(struct blk *b)
{
    struct blk *disk = container_of(b, struct partition, blk)->disk;

    if (disk->ops->kick)
        disk->ops->kick(disk);
}

static void partition_pace(struct blk *b, enum blk_pace pace)
{
    struct blk *disk = container_of(b, struct partition, blk)->disk;

    disk->ops->pace(disk, pace);
}

static const struct blk_ops partition_ops = { .submit = partition_submit, .kick = partition_kick, .poll = partition_poll };
static const struct blk_ops partition_pace_ops = { .submit = partition_submit, .kick = partition_kick, .poll = partition_poll,
                                                   .pace = partition_pace };

/* --- the table --- */

/* All in blocks of the disk's own size. */
struct gpt {
    uint64_t first, last; /* usable by partitions */
    uint64_t table;       /* where the entries start */
    uint32_t count, size; /* of entries */
    uint32_t crc;         /* of all entries */
};

static bool ranges_meet(uint64_t a, uint64_t a_last, uint64_t b, uint64_t b_last)
{
    return a <= b_last && b <= a_last;
}

static bool is_power_of_2(uint32_t v)
{
    return v && !(v & (v - 1));
}

/* Reads and checks the header at a block. */
static err_t header_read(struct blk *disk, uint64_t lba, uint8_t *h, struct gpt *g)
{
    uint64_t blocks = disk->sectors * BLK_SECTOR / disk->block_size, table_blocks;
    uint32_t len, sum;
    err_t e = blk_read_wait(disk, lba * (disk->block_size / BLK_SECTOR), h, disk->block_size);

    if (e)
        return e;
    len = get_le32(h + 12);
    if (memcmp(h, "EFI PART", 8) != 0 || len < 92 || len > disk->block_size)
        return ERR_FORMAT;
    sum = get_le32(h + 16);
    put_le32(h + 16, 0);
    if (crc32_add(0, h, len) != sum || get_le64(h + 24) != lba)
        return ERR_FORMAT;
    *g = (struct gpt){ .first = get_le64(h + 40),
                       .last = get_le64(h + 48),
                       .table = get_le64(h + 72),
                       .count = get_le32(h + 80),
                       .size = get_le32(h + 84),
                       .crc = get_le32(h + 88) };
    if (g->size < ENTRY_MIN || g->size > ENTRY_MAX || !is_power_of_2(g->size) || !g->count || g->count > ENTRIES_MAX)
        return ERR_FORMAT;
    table_blocks = align_up((uint64_t)g->count * g->size, disk->block_size) / disk->block_size;
    if (g->table < 2 || g->table >= blocks || table_blocks > blocks - g->table)
        return ERR_FORMAT;
    /* no partition may hold the table that defines it */
    if (g->first < 2 || g->first > g->last || g->last >= blocks || ranges_meet(lba, lba, g->first, g->last) ||
        ranges_meet(g->table, g->table + table_blocks - 1, g->first, g->last))
        return ERR_FORMAT;
    return OK;
}

static void partition_init(struct partition *p, struct blk *disk, unsigned number, const uint8_t *entry)
{
    size_t n = strlen(disk->name);
    bool digit = n && char_is_digit(disk->name[n - 1]);
    uint16_t label[36];

    p->disk = disk;
    p->blk = *disk;
    p->blk.ops = disk->ops->pace ? &partition_pace_ops : &partition_ops;
    p->blk.whole = disk;
    list_init(&p->blk.link);
    /* counted from 1 by its place in the table, as other systems do: vda3 stays vda3 */
    fmt_text(p->blk.name, sizeof p->blk.name, "%s%s%u", disk->name, digit ? "p" : "", number);
    fmt_guid(p->blk.partuuid, sizeof p->blk.partuuid, entry + 16);
    memcpy(label, entry + 56, sizeof label);
    utf8_from_utf16(p->blk.partlabel, sizeof p->blk.partlabel, label, ARRAY_LEN(label));
}

static void entry_take(struct blk *disk, const struct gpt *g, const uint8_t *entry, unsigned number,
                       struct partition_scan *s)
{
    static const uint8_t unused[16];
    uint64_t first = get_le64(entry + 32), last = get_le64(entry + 40), per_block = disk->block_size / BLK_SECTOR;
    struct partition *p;
    const char *why = NULL;

    if (memcmp(entry, unused, sizeof unused) == 0)
        return;
    if (first < g->first || last > g->last || first > last)
        why = "is outside the disk's usable blocks";
    for (unsigned i = 0; i < s->count && !why; i++)
        if (ranges_meet(first * per_block, last * per_block, s->part[i].start,
                        s->part[i].start + s->part[i].blk.sectors - 1))
            why = "overlaps another";
    if (!why && s->count == PARTITIONS_MAX)
        why = "is one too many";
    if (why) {
        if (s->dropped)
            s->dropped(disk, number, why);
        return;
    }
    p = &s->part[s->count++];
    partition_init(p, disk, number, entry);
    p->start = first * per_block;
    p->blk.sectors = (last - first + 1) * per_block;
}

/* One pass over the entries: sums them up, or takes them. */
static err_t entries_read(struct blk *disk, const struct gpt *g, struct partition_scan *s, bool take)
{
    uint64_t left = (uint64_t)g->count * g->size, sector = g->table * (disk->block_size / BLK_SECTOR);
    uint32_t crc = 0;
    unsigned number = 1;

    while (left) {
        uint32_t n = (uint32_t)min_u64(left, PARTITION_WORK);
        err_t e = blk_read_wait(disk, sector, s->work, (uint32_t)align_up(n, disk->block_size));

        if (e)
            return e;
        crc = crc32_add(crc, s->work, n);
        for (uint32_t at = 0; take && at < n; at += g->size)
            entry_take(disk, g, (uint8_t *)s->work + at, number++, s);
        left -= n;
        sector += n / BLK_SECTOR;
    }
    return take || crc == g->crc ? OK : ERR_FORMAT;
}

static err_t table_read(struct blk *disk, uint64_t lba, struct partition_scan *s)
{
    struct gpt g;
    err_t e = header_read(disk, lba, s->work, &g);

    if (!e)
        e = entries_read(disk, &g, s, false);
    return e ? e : entries_read(disk, &g, s, true);
}

/* A GPT counts only under a protective MBR: without one, another system has since partitioned the disk its own way. */
static err_t mbr_check(struct blk *disk, uint8_t *mbr)
{
    err_t e = blk_read_wait(disk, 0, mbr, disk->block_size);

    if (e)
        return e;
    if (get_le16(mbr + 510) == 0xAA55)
        for (unsigned i = 0; i < 4; i++)
            if (mbr[446 + 16 * i + 4] == 0xEE)
                return OK;
    return ERR_NOTFOUND;
}

err_t partition_scan(struct blk *disk, struct partition_scan *s)
{
    uint64_t blocks = disk->sectors * BLK_SECTOR / disk->block_size;
    err_t e;

    s->count = 0;
    s->from_backup = false;
    if (blocks < 6) /* MBR, two headers, two tables, one block */
        return ERR_NOTFOUND;
    e = mbr_check(disk, s->work);
    if (e)
        return e;
    e = table_read(disk, 1, s);
    if (e) {
        s->from_backup = true;
        e = table_read(disk, blocks - 1, s);
    }
    if (e)
        s->count = 0;
    return e;
}
