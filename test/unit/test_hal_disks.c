/* hal/disks: what becomes of a disk once it is found. */
#include "test/unit/unit.h"
#include <stdlib.h>
#include "test/unit/gpt.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "hal/disks.h"
#include "io/ramdisk.h"

#define BLOCKS 64u

static uint8_t image[BLOCKS * 512] ALIGNED(16);

static struct ramdisk *add(const char *name)
{
    struct ramdisk *r = calloc(1, sizeof *r); /* registered for ever */

    assert_int_equal(ramdisk_init(r, name, image, sizeof image), OK);
    hal_disk_add(&r->blk, "a test");
    return r;
}

static void a_disk_and_its_partitions_are_registered_and_logged(void **)
{
    uint64_t before = fake_pages_in_use();

    gpt_format(image, BLOCKS, 512);
    gpt_entry(image, BLOCKS, 512, 0, 8, 15, "ESP");
    gpt_entry(image, BLOCKS, 512, 1, 16, 20, "");
    gpt_seal_both(image, BLOCKS, 512);
    add("ram0");
    assert_string_equal(fake_last_log(), "ram0: a test, 32.0 KiB, 512-byte blocks; partitions ram0p1 PARTLABEL=ESP, ram0p2");
    assert_non_null(blk_find("ram0"));
    assert_ptr_equal(blk_find("PARTLABEL=ESP"), blk_find("ram0p1"));
    assert_int_equal(fake_pages_in_use() - before, 8); /* the partitions; the scratch memory is back */
    image[512] = 0;
    add("ram1");
    assert_string_equal(fake_last_log(), "ram1: a test, 32.0 KiB, 512-byte blocks; partitions (from the backup table) "
                                         "ram1p1 PARTLABEL=ESP, ram1p2");
}

static void a_disk_without_partitions_costs_nothing_more(void **)
{
    uint64_t before = fake_pages_in_use();

    memset(image, 0, sizeof image);
    add("ram2");
    assert_string_equal(fake_last_log(), "ram2: a test, 32.0 KiB, 512-byte blocks");
    gpt_format(image, BLOCKS, 512);
    image[512] = image[(BLOCKS - 1) * 512] = 0;
    add("ram3");
    assert_non_null(strstr(fake_last_log(), "; its partition table: "));
    for (unsigned n = 1; n <= 2; n++) { /* without memory the disk is there, its partitions are not */
        fake_fail_alloc(n);
        add(n == 1 ? "ram4" : "ram5");
        assert_non_null(blk_find(n == 1 ? "ram4" : "ram5"));
        assert_non_null(strstr(fake_last_log(), "memory"));
    }
    assert_int_equal(fake_pages_in_use(), before);
}

static unsigned polls;
static void counting_submit(struct blk *b, struct blk_req *r)
{
    uint64_t n;
    err_t e = blk_check(b, r, &n);

    if (!e && r->op == BLK_READ)
        memcpy(hpa_ptr(r->seg[0].pa), image + r->sector * 512, r->seg[0].len);
    r->done(r, e);
}
static void counting_poll(struct blk *)
{
    polls++;
}
static const struct blk_ops counting_ops = { .submit = counting_submit, .poll = counting_poll };

static void the_watch_polls_each_disk_once(void **)
{
    static struct blk b = { .ops = &counting_ops, .name = "vdz", .sectors = BLOCKS, .block_size = 512, .max_segs = 1,
                            .max_bytes = 65536 };

    gpt_format(image, BLOCKS, 512);
    gpt_entry(image, BLOCKS, 512, 0, 8, 15, "one");
    gpt_entry(image, BLOCKS, 512, 1, 16, 17, "two");
    gpt_seal_both(image, BLOCKS, 512);
    hal_disk_add(&b, "counts polls");
    assert_non_null(blk_find("vdz2"));
    polls = 0;
    hal_disks_watch();
    assert_int_equal(polls, 1);
}

static void a_machine_without_disks_says_so(void **)
{
    uint8_t *window = aligned_alloc(MIB(1), MIB(1));
    struct acpi_info info = { .necams = 1, .ecam = { { .base = (uintptr_t)window } } };

    memset(window, 0xFF, MIB(1));
    put_le32(window, 0x12345678); /* a function nobody drives */
    put_le32(window + 8, 0x06000000);
    put_le32(window + 12, 0);
    hal_disks_probe(&info);
    assert_string_equal(fake_last_log(), "pci: 1 functions, by ECAM");
    free(window);
}

static void sizes_are_readable(void **)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = { { 0, "0.0 KiB" }, { 512, "0.5 KiB" }, { MIB(1) - 512, "1023.5 KiB" }, { MIB(1), "1.0 MiB" }, { GIB(4), "4.0 GiB" },
                 { 1000204886016, "931.5 GiB" }, { GIB(1024) * 3 / 2, "1.5 TiB" }, { UINT64_MAX, "16777215.9 TiB" } };
    char buf[24];

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        hal_size_text(buf, sizeof buf, rows[i].bytes);
        assert_string_equal(buf, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_and_its_partitions_are_registered_and_logged),
        cmocka_unit_test(a_disk_without_partitions_costs_nothing_more),
        cmocka_unit_test(the_watch_polls_each_disk_once),
        cmocka_unit_test(a_machine_without_disks_says_so),
        cmocka_unit_test(sizes_are_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
