/* io/partition: GPT tables good, damaged and hostile; requests through partitions. */
#include "test/unit/unit.h"
#include "test/unit/gpt.h"
#include "base/fmt.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "io/partition.h"
#include "io/ramdisk.h"

#define BLOCKS 128u

static uint8_t image[BLOCKS * 4096] ALIGNED(16), work[PARTITION_WORK] ALIGNED(16);
static struct partition parts[PARTITIONS_MAX];
static struct ramdisk ram;
static struct partition_scan scan;
static char drops[512];
static uint32_t bs; /* block size of the disk under test */

static void on_dropped(const struct blk *disk, unsigned number, const char *why)
{
    size_t n = strlen(drops);
    assert_ptr_equal(disk, &ram.blk);
    fmt_text(drops + n, sizeof drops - n, "%u %s;", number, why);
}

static err_t rescan(void)
{
    drops[0] = 0;
    scan = (struct partition_scan){ .part = parts, .work = work, .dropped = on_dropped };
    assert_int_equal(ramdisk_init(&ram, "ram0", image, (uint64_t)BLOCKS * bs), OK);
    ram.blk.block_size = bs;
    return partition_scan(&ram.blk, &scan);
}

static void format(uint32_t block_size)
{
    bs = block_size;
    gpt_format(image, BLOCKS, bs);
    gpt_entry(image, BLOCKS, bs, 0, 8, 15, "ESP");
    gpt_entry(image, BLOCKS, bs, 2, 16, 99, "root");
    gpt_seal_both(image, BLOCKS, bs);
}

static int setup(void **)
{
    format(512);
    return 0;
}

static void partitions_are_found_with_names_and_ids(void **)
{
    for (uint32_t size = 512; size <= 4096; size += 4096 - 512) {
        format(size);
        assert_int_equal(rescan(), OK);
        assert_false(scan.from_backup);
        assert_int_equal(scan.count, 2);
        assert_string_equal(parts[0].blk.name, "ram0p1");
        assert_string_equal(parts[0].blk.partlabel, "ESP");
        assert_string_equal(parts[0].blk.partuuid, "03020100-0504-0706-0809-0a0b0c0d0e0f");
        assert_int_equal(parts[0].start, 8 * size / 512);
        assert_int_equal(parts[0].blk.sectors, 8 * size / 512);
        assert_string_equal(parts[1].blk.name, "ram0p3"); /* the entry's own number */
        assert_int_equal(parts[1].blk.block_size, size);
        assert_string_equal(drops, "");
    }
}

static void a_disk_whose_name_ends_in_a_letter_needs_no_p(void **)
{
    assert_int_equal(rescan(), OK);
    str_copy(ram.blk.name, sizeof ram.blk.name, "vda");
    assert_int_equal(partition_scan(&ram.blk, &scan), OK);
    assert_string_equal(parts[1].blk.name, "vda3");
}

static void a_damaged_primary_falls_back_to_the_backup(void **)
{
    static const uint32_t at[] = { 512, 512 + 16, 512 + 24, 512 + 72, 512 + 91, 1024 + 32, 1024 + 300 };
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        format(512);
        image[at[i]] ^= 0x40;
        assert_int_equal(rescan(), OK);
        assert_true(scan.from_backup);
        assert_int_equal(scan.count, 2);
        assert_string_equal(parts[1].blk.partlabel, "root");
        image[(BLOCKS - 1) * 512 + (at[i] < 1024 ? at[i] - 512 : 20)] ^= 0x40;
        assert_int_equal(rescan(), ERR_FORMAT);
        assert_int_equal(scan.count, 0);
        assert_string_equal(drops, ""); /* nothing is said about entries that do not count */
    }
}

static void no_protective_mbr_means_no_gpt(void **)
{
    image[446 + 4] = 0x83;
    assert_int_equal(rescan(), ERR_NOTFOUND);
    image[446 + 16 + 4] = 0xEE; /* hybrid: any of the four will do */
    assert_int_equal(rescan(), OK);
    image[510] = 0;
    assert_int_equal(rescan(), ERR_NOTFOUND);
}

static void impossible_headers_are_refused(void **)
{
    static const struct {
        uint32_t off;
        uint64_t value;
        bool wide;
    } bad[] = {
        { 12, 91, false },           { 12, 513, false },      { 24, 2, true },        { 40, 1, true },
        { 40, 5, true } /* table */, { 40, 125, true },       { 48, BLOCKS, true },   { 48, UINT64_MAX, true },
        { 72, 0, true },             { 72, BLOCKS, true },    { 72, UINT64_MAX, true }, { 72, BLOCKS - 1, true },
        { 72, 8, true },             { 80, 0, false },        { 80, 1025, false },    { 80, UINT32_MAX, false },
        { 84, 0, false },            { 84, 64, false },       { 84, 192, false },     { 84, 8192, false },
        { 84, UINT32_MAX, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        format(512);
        memset(image + (BLOCKS - 1) * 512, 0, 512);
        if (bad[i].wide)
            put_le64(image + 512 + bad[i].off, bad[i].value);
        else
            put_le32(image + 512 + bad[i].off, (uint32_t)bad[i].value);
        gpt_seal(image, BLOCKS, 512, 1);
        if (rescan() != ERR_FORMAT)
            fail_msg("header with %" PRIu64 " at %u was accepted", bad[i].value, bad[i].off);
    }
}

static void entries_outside_or_overlapping_are_dropped_with_a_reason(void **)
{
    gpt_entry(image, BLOCKS, 512, 1, 15, 20, "overlaps 1");
    gpt_entry(image, BLOCKS, 512, 3, 5, 5, "in the table");
    gpt_entry(image, BLOCKS, 512, 4, 100, UINT64_MAX, "past the end");
    gpt_entry(image, BLOCKS, 512, 5, 110, 109, "backwards");
    gpt_entry(image, BLOCKS, 512, 6, 99, 100, "overlaps 3");
    gpt_entry(image, BLOCKS, 512, 7, 100, 100, "one block");
    gpt_seal_both(image, BLOCKS, 512);
    assert_int_equal(rescan(), OK);
    assert_int_equal(scan.count, 3);
    assert_string_equal(parts[1].blk.name, "ram0p3"); /* the earlier entry wins: 2 went */
    assert_string_equal(parts[2].blk.name, "ram0p8");
    assert_int_equal(parts[2].blk.sectors, 1);
    assert_string_equal(drops, "2 overlaps another;4 is outside the disk's usable blocks;"
                               "5 is outside the disk's usable blocks;6 is outside the disk's usable blocks;"
                               "7 overlaps another;");
}

static void labels_become_utf8_that_fits_and_is_harmless(void **)
{
    static const uint16_t text[] = { 'a', 0xE9, 0x20AC, 0xD83D, 0xDE00, 0x1B, 0xDC00, 'b', 0xD83D, 'c', 0x9B, 0 };
    uint8_t *e = image + 2 * 512;

    for (unsigned i = 0; i < ARRAY_LEN(text); i++)
        put_le16(e + 56 + 2 * i, text[i]);
    for (unsigned i = 0; i < 36; i++)
        put_le16(e + 2 * 128 + 56 + 2 * i, 0x20AC);
    gpt_seal(image, BLOCKS, 512, 1);
    assert_int_equal(rescan(), OK);
    assert_string_equal(parts[0].blk.partlabel, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80??b?c?");
    assert_int_equal(strlen(parts[1].blk.partlabel), 39); /* 13 whole characters of 3 bytes */
}

static err_t last;
static struct blk_req *last_req;
static void on_done(struct blk_req *r, err_t e)
{
    last_req = r;
    last = e;
}

static void requests_move_by_the_start_and_come_back_unchanged(void **)
{
    uint8_t buf[1024] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), sizeof buf };
    struct blk_req r = { .op = BLK_WRITE, .sector = 82, .seg = &seg, .nseg = 1, .done = on_done, .owner = &seg };
    struct blk *p = &parts[1].blk;

    assert_int_equal(rescan(), OK);
    memset(buf, 0x5A, sizeof buf);
    p->ops->submit(p, &r);
    assert_int_equal(last, OK);
    assert_memory_equal(image + (16 + 82) * 512, buf, sizeof buf);
    assert_int_equal(r.sector, 82);
    assert_true(r.done == on_done && r.owner == &seg && last_req == &r);
    r.sector = 83;
    p->ops->submit(p, &r);
    assert_int_equal(last, ERR_RANGE);
    assert_int_equal(r.sector, 83);
    assert_int_equal(image[100 * 512], 0); /* the block after the partition */
    r = (struct blk_req){ .op = BLK_FLUSH, .done = on_done };
    p->ops->submit(p, &r);
    assert_int_equal(last, OK);
    p->ops->poll(p);
}

/* A disk that fails the N-th read. */
static unsigned fail_at, reads;
static void failing_submit(struct blk *, struct blk_req *r)
{
    if (++reads == fail_at)
        r->done(r, ERR_IO);
    else
        ram.blk.ops->submit(&ram.blk, r);
}
static void failing_poll(struct blk *b) { (void)b; }
static const struct blk_ops failing_ops = { .submit = failing_submit, .poll = failing_poll };

static void every_read_may_fail(void **)
{
    struct blk disk;

    assert_int_equal(rescan(), OK);
    disk = ram.blk;
    disk.ops = &failing_ops;
    scan.dropped = NULL;
    for (fail_at = 1; fail_at <= 4; fail_at++) {
        reads = 0;
        /* 1 is the MBR; the others are the primary's, and the backup serves */
        assert_int_equal(partition_scan(&disk, &scan), fail_at == 1 ? ERR_IO : OK);
        assert_int_equal(scan.count, fail_at == 1 ? 0 : 2);
        assert_int_equal(scan.from_backup, fail_at != 1);
    }
    parts[0].blk.ops->poll(&parts[0].blk);
}

static void a_tiny_disk_has_no_gpt(void **)
{
    struct blk b;
    assert_int_equal(rescan(), OK);
    b = ram.blk;
    b.sectors = 5;
    assert_int_equal(partition_scan(&b, &scan), ERR_NOTFOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(partitions_are_found_with_names_and_ids, setup),
        cmocka_unit_test_setup(a_disk_whose_name_ends_in_a_letter_needs_no_p, setup),
        cmocka_unit_test_setup(a_damaged_primary_falls_back_to_the_backup, setup),
        cmocka_unit_test_setup(no_protective_mbr_means_no_gpt, setup),
        cmocka_unit_test_setup(impossible_headers_are_refused, setup),
        cmocka_unit_test_setup(entries_outside_or_overlapping_are_dropped_with_a_reason, setup),
        cmocka_unit_test_setup(labels_become_utf8_that_fits_and_is_harmless, setup),
        cmocka_unit_test_setup(requests_move_by_the_start_and_come_back_unchanged, setup),
        cmocka_unit_test_setup(every_read_may_fail, setup),
        cmocka_unit_test_setup(a_tiny_disk_has_no_gpt, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
