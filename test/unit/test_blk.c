/* io/blk and io/ramdisk: the registry, the checks on requests, synchronous reads. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "io/blk.h"
#include "io/ramdisk.h"

static uint8_t image[64 * BLK_SECTOR] ALIGNED(16);
static struct ramdisk ram;

static int setup(void **)
{
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i / BLK_SECTOR * 7 + i);
    return ramdisk_init(&ram, "ram0", image, sizeof image);
}

static unsigned dones;
static err_t last;
static void on_done(struct blk_req *, err_t e)
{
    dones++;
    last = e;
}

static err_t run(struct blk *b, enum blk_op op, uint64_t sector, uint64_t nsectors, const struct blk_seg *seg, uint32_t nseg)
{
    struct blk_req r = { .op = op, .sector = sector, .nsectors = nsectors, .seg = seg, .nseg = nseg, .done = on_done };
    unsigned before = dones;

    list_init(&r.link);
    b->ops->submit(b, &r);
    assert_int_equal(dones, before + 1);
    return last;
}

static void ramdisk_writes_and_reads_scattered_segments(void **)
{
    uint8_t a[1024] ALIGNED(4), b[1024] ALIGNED(4);
    struct blk_seg out[] = { { hpa_of(a), 4 }, { hpa_of(a + 4), 1020 } };
    struct blk_seg in[] = { { hpa_of(b + 512), 512 }, { hpa_of(b), 512 } };

    memset(a, 1, 512);
    memset(a + 512, 2, 512);
    assert_int_equal(run(&ram.blk, BLK_WRITE, 62, 0, out, 2), OK);
    assert_int_equal(run(&ram.blk, BLK_READ, 62, 0, in, 2), OK);
    assert_memory_equal(b, a + 512, 512);
    assert_memory_equal(b + 512, a, 512);
    assert_int_equal(run(&ram.blk, BLK_FLUSH, 0, 0, NULL, 0), OK);
}

static void requests_that_break_the_rules_are_refused(void **)
{
    static uint8_t buf[MIB(1) + 512] ALIGNED(16);
    struct blk_seg one = { hpa_of(buf), 512 }, odd = { hpa_of(buf + 2), 512 }, part = { hpa_of(buf), 100 };
    struct blk_seg none = { hpa_of(buf), 0 }, big = { hpa_of(buf), sizeof buf }, uneven[] = { { hpa_of(buf), 510 }, { hpa_of(buf), 2 } };
    struct blk_seg many[129];
    struct blk b = ram.blk;
    uint64_t n;
    struct blk_req r = { .op = BLK_WRITE, .seg = &one, .nseg = 1 };

    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = one;
    assert_int_equal(run(&ram.blk, BLK_READ, 64, 0, &one, 1), ERR_RANGE);
    assert_int_equal(run(&ram.blk, BLK_READ, UINT64_MAX, 0, &one, 1), ERR_RANGE);
    assert_int_equal(run(&ram.blk, BLK_WRITE, 63, 0, many, 2), ERR_RANGE);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, many, 129), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, &odd, 1), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, &part, 1), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, &none, 1), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, &big, 1), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, uneven, 2), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_READ, 0, 0, NULL, 0), ERR_INVAL);
    assert_int_equal(run(&ram.blk, (enum blk_op)9, 0, 0, &one, 1), ERR_INVAL);
    assert_int_equal(run(&ram.blk, BLK_DISCARD, 0, 1, NULL, 0), ERR_UNSUPPORTED);
    b.read_only = true;
    assert_int_equal(blk_check(&b, &r, &n), ERR_UNSUPPORTED);
    b.read_only = false;
    b.block_size = 4096;
    assert_int_equal(blk_check(&b, &r, &n), ERR_INVAL);
    b.can_discard = true;
    r = (struct blk_req){ .op = BLK_DISCARD, .sector = 8, .nsectors = 57 };
    assert_int_equal(blk_check(&b, &r, &n), ERR_INVAL);
    r.nsectors = UINT64_MAX - 7;
    assert_int_equal(blk_check(&b, &r, &n), ERR_RANGE);
    r.nsectors = 56;
    assert_int_equal(blk_check(&b, &r, &n), OK);
    assert_int_equal(n, 56);
}

static void ramdisk_refuses_sizes_that_are_not_sectors(void **)
{
    struct ramdisk d;
    assert_int_equal(ramdisk_init(&d, "x", image, 0), ERR_FORMAT);
    assert_int_equal(ramdisk_init(&d, "x", image, 513), ERR_FORMAT);
    assert_int_equal(ramdisk_init(&d, "a-name-that-is-much-too-long", image, 512), ERR_RANGE);
}

static void disks_are_found_by_name_label_and_uuid(void **)
{
    static struct blk a = { .name = "vdx" }, b = { .name = "vdx1", .partlabel = "root", .partuuid = "aa-bb" };
    struct blk *p = blk_next(NULL);

    assert_null(p);
    blk_register(&a);
    blk_register(&b);
    assert_ptr_equal(blk_next(NULL), &a);
    assert_ptr_equal(blk_next(&a), &b);
    assert_null(blk_next(&b));
    assert_ptr_equal(blk_find("vdx1"), &b);
    assert_ptr_equal(blk_find("PARTLABEL=root"), &b);
    assert_ptr_equal(blk_find("PARTUUID=AA-BB"), &b);
    assert_null(blk_find("PARTLABEL="));
    assert_null(blk_find("PARTUUID="));
    assert_null(blk_find("PARTLABEL=Root"));
    assert_null(blk_find("vd"));
    assert_null(blk_find(""));
    fake_expect_panic();
    if (!setjmp(fake_panic)) {
        blk_register(&a);
        fail_msg("a second disk of the same name must be refused");
    }
}

/* A disk that completes only when polled, some polls later, and at most 1 KiB at a time. */
static struct blk_req *pending;
static unsigned countdown;
static void slow_submit(struct blk *, struct blk_req *r)
{
    assert_null(pending);
    assert_true(r->seg[0].len <= 1024);
    pending = r;
    countdown = 3;
}
static void slow_poll(struct blk *)
{
    struct blk_req *r = pending;
    if (--countdown)
        return;
    pending = NULL;
    if (r->sector >= 8)
        r->done(r, ERR_IO);
    else
        ram.blk.ops->submit(&ram.blk, r);
}
static const struct blk_ops slow_ops = { .submit = slow_submit, .poll = slow_poll };

static void waiting_reads_split_and_report_errors(void **)
{
    struct blk slow = ram.blk;
    uint8_t buf[8 * BLK_SECTOR] ALIGNED(4);

    slow.ops = &slow_ops;
    slow.max_bytes = 1024 + 100; /* not a multiple of the block size */
    assert_int_equal(blk_read_wait(&slow, 1, buf, 7 * BLK_SECTOR), OK);
    assert_memory_equal(buf, image + BLK_SECTOR, 7 * BLK_SECTOR);
    assert_int_equal(blk_read_wait(&slow, 4, buf, 8 * BLK_SECTOR), ERR_IO);
    assert_int_equal(blk_read_wait(&ram.blk, 60, buf, 8 * BLK_SECTOR), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ramdisk_writes_and_reads_scattered_segments, setup),
        cmocka_unit_test_setup(requests_that_break_the_rules_are_refused, setup),
        cmocka_unit_test(ramdisk_refuses_sizes_that_are_not_sectors),
        cmocka_unit_test(disks_are_found_by_name_label_and_uuid),
        cmocka_unit_test_setup(waiting_reads_split_and_report_errors, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
