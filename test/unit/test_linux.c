/* boot/linux: what is refused and how it is said, where things go, what the kernel is told. */
#define _GNU_SOURCE
#include "test/unit/unit.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/str.h"
#include "boot/linux.h"

#define SETUP (5 * 512u)
#define PAYLOAD 0x4000u

static uint8_t file[SETUP + PAYLOAD];
static struct linux_image im;
static struct linux_plan plan;
static char why[128];
static const struct linux_room room = { .low = MIB(64), .rsdp = 0xE0000, .firmware = 0xE0000, .firmware_size = 0x20000,
    .device = 0xE0000000, .device_size = MIB(1) };

/* A small kernel as today's are: protocol 2.15, at 16 MiB, 8 MiB of init_size. */
static int make_file(void **)
{
    memset(file, 0, sizeof file);
    memset(file + SETUP, 0xC4, PAYLOAD);
    file[0x1F1] = 4;
    put_le32(file + 0x1F4, PAYLOAD / 16);
    put_le16(file + 0x1FE, 0xAA55);
    file[0x200] = 0xEB;
    file[0x201] = 0x6A;
    memcpy(file + 0x202, "HdrS", 4);
    put_le16(file + 0x206, 0x20F);
    put_le32(file + 0x22C, 0x7FFFFFFF);
    put_le32(file + 0x230, 0x200000);
    file[0x234] = 1;
    put_le16(file + 0x236, 0x7F);
    put_le32(file + 0x238, 2047);
    put_le64(file + 0x258, MIB(16));
    put_le32(file + 0x260, (uint32_t)MIB(8));
    why[0] = 0;
    return 0;
}

static err_t parse(void) { return linux_parse(file, sizeof file, &im, why, sizeof why); }
static err_t place(uint64_t low, uint64_t initrd, size_t cmdline)
{
    struct linux_room r = room;

    r.low = low;
    return linux_place(&im, &r, initrd, cmdline, &plan, why, sizeof why);
}

static void a_good_header_is_read(void **)
{
    assert_int_equal(parse(), OK);
    assert_int_equal(im.setup_size, SETUP);
    assert_int_equal(im.load, MIB(16));
    assert_int_equal(im.span, MIB(8));
    assert_int_equal(im.header_end, 0x26C);
    assert_int_equal(im.initrd_end_max, GIB(2));
    assert_int_equal(im.cmdline_max, 2047);
    file[0x1F1] = 0; /* means 4 */
    assert_int_equal(parse(), OK);
    assert_int_equal(im.setup_size, SETUP);
    file[0x201] = 0xFF; /* a header that claims to reach into other fields */
    assert_int_equal(parse(), OK);
    assert_int_equal(im.header_end, 0x290);
}

static void what_is_no_kernel_is_named(void **)
{
    for (uint64_t n = 0; n < 0x264; n++) {
        assert_int_equal(linux_parse(file, n, &im, why, sizeof why), ERR_FORMAT);
        assert_string_equal(why, "not a Linux bzImage: no HdrS at 0x202");
    }
    assert_int_equal(linux_parse(file, sizeof file - 16, &im, why, sizeof why), ERR_FORMAT);
    assert_string_equal(why, "the file is cut short: it has 18928 bytes of 18944");
    assert_int_equal(linux_parse(file, SETUP - 1, &im, why, sizeof why), ERR_FORMAT);
    put_le32(file + 0x1F4, 0);
    assert_int_equal(linux_parse(file, SETUP + 0x200, &im, why, sizeof why), ERR_FORMAT);
    assert_int_equal(linux_parse(file, SETUP + 0x201, &im, why, sizeof why), OK);
    put_le32(file + 0x1F4, UINT32_MAX);
    assert_int_equal(parse(), ERR_FORMAT);
    file[0x203] = 'D';
    assert_int_equal(parse(), ERR_FORMAT);
    assert_string_equal(why, "not a Linux bzImage: no HdrS at 0x202");
}

static void old_32_bit_and_misplaced_kernels_are_refused(void **)
{
    put_le16(file + 0x206, 0x20B);
    assert_int_equal(parse(), ERR_UNSUPPORTED);
    assert_string_equal(why, "boot protocol 2.11 is too old: Linux 3.8 or newer is needed");
    make_file(NULL);
    put_le16(file + 0x236, 0x7E);
    assert_int_equal(parse(), ERR_UNSUPPORTED);
    assert_string_equal(why, "a 32-bit kernel: only 64-bit ones can be started");
    make_file(NULL);
    put_le64(file + 0x258, 0x10000);
    assert_int_equal(parse(), ERR_UNSUPPORTED);
    put_le64(file + 0x258, UINT64_MAX - 4096);
    assert_int_equal(parse(), ERR_UNSUPPORTED);
    assert_string_equal(why, "its load address 0xffffffffffffefff is not between 1 MiB and 4 GiB");
}

static void too_little_memory_names_the_least(void **)
{
    assert_int_equal(parse(), OK);
    assert_int_equal(place(MIB(24), 0, 0), OK);
    assert_int_equal(plan.initrd, 0);
    assert_int_equal(place(MIB(22), 0, 0), ERR_RANGE);
    assert_string_equal(why, "the kernel needs at least 24 MiB of memory, not 22");
    assert_int_equal(place(0, 0, 0), ERR_RANGE);
    assert_int_equal(place(MIB(24), 1, 0), ERR_RANGE);
    assert_string_equal(why, "kernel and initrd need at least 26 MiB of memory, not 24");
    assert_int_equal(place(MIB(34), MIB(10), 0), OK);
    assert_int_equal(place(MIB(34), MIB(10) + 1, 0), ERR_RANGE);
    assert_string_equal(why, "kernel and initrd need at least 36 MiB of memory, not 34");
    assert_int_equal(place(GIB(3), UINT64_MAX, 0), ERR_RANGE);
    assert_int_equal(place(GIB(3), GIB(2), 0), ERR_RANGE);
    assert_string_equal(why, "the initrd of 2048 MiB must end below 2048 MiB and cannot");
    put_le32(file + 0x260, UINT32_MAX);
    assert_int_equal(parse(), OK);
    assert_int_equal(place(GIB(3), 0, 0), ERR_RANGE);
    put_le32(file + 0x260, 0); /* then the file itself says how much */
    assert_int_equal(parse(), OK);
    assert_int_equal(im.span, PAYLOAD);
}

static void long_options_are_refused(void **)
{
    assert_int_equal(parse(), OK);
    assert_int_equal(place(MIB(64), 0, 2047), OK);
    assert_int_equal(place(MIB(64), 0, 2048), ERR_INVAL);
    assert_string_equal(why, "the options have 2048 characters, this kernel takes 2047");
    put_le32(file + 0x238, UINT32_MAX);
    assert_int_equal(parse(), OK);
    assert_int_equal(place(MIB(64), 0, 4095), OK);
    assert_int_equal(place(MIB(64), 0, 4096), ERR_INVAL);
    put_le32(file + 0x238, 0);
    assert_int_equal(parse(), OK);
    assert_int_equal(place(MIB(64), 0, 256), ERR_INVAL);
}

static void the_initrd_lies_high_but_below_its_limit(void **)
{
    assert_int_equal(parse(), OK);
    assert_int_equal(place(MIB(64), 5000, 0), OK);
    assert_int_equal(plan.initrd, MIB(64) - 8192);
    assert_int_equal(plan.initrd_size, 5000);
    assert_int_equal(place(GIB(3), 5000, 0), OK);
    assert_int_equal(plan.initrd, GIB(2) - 8192);
    put_le32(file + 0x22C, 0x37FFF123);
    assert_int_equal(parse(), OK);
    assert_int_equal(place(GIB(3), 4096, 0), OK);
    assert_int_equal(plan.initrd, 0x37FFE000);
}

static void the_map_covers_all_memory(void **)
{
    struct linux_room big = room;

    big.low = GIB(3);
    big.high = GIB(5);
    assert_int_equal(parse(), OK);
    assert_int_equal(linux_place(&im, &big, 0, 0, &plan, why, sizeof why), OK);
    assert_int_equal(plan.nmap, 5);
    assert_int_equal(plan.map[0].base, 0);
    assert_int_equal(plan.map[0].size, 0x9F000);
    assert_int_equal(plan.map[1].base, 0xE0000);
    assert_int_equal(plan.map[1].type, LINUX_RESERVED);
    assert_int_equal(plan.map[2].base, MIB(1));
    assert_int_equal(plan.map[2].size, GIB(3) - MIB(1));
    assert_int_equal(plan.map[3].type, LINUX_RESERVED);
    assert_int_equal(plan.map[4].base, GIB(4));
    assert_int_equal(plan.map[4].size, GIB(5));
    assert_int_equal(place(MIB(64), 0, 0), OK);
    assert_int_equal(plan.nmap, 4);
}

static void the_area_has_what_the_protocol_wants(void **)
{
    static uint8_t area[LINUX_AREA_SIZE], seed[LINUX_SEED_SIZE] = { 1, 2, 3, [31] = 99 };
    const uint8_t *zero = area + LINUX_ZERO_PAGE - LINUX_AREA, *pml4 = area, *gdt = area + LINUX_GDT - LINUX_AREA;
    uint64_t va = GIB(3) + MIB(2) * 7, at;

    memset(area, 0xEE, sizeof area);
    assert_int_equal(parse(), OK);
    assert_int_equal(place(MIB(64), 5000, 6), OK);
    linux_area(&im, &plan, "quiet!", seed, area);
    assert_memory_equal(zero + 0x1F1, file + 0x1F1, 0x1F);
    assert_int_equal(zero[0], 0);
    assert_int_equal(zero[0x26C], 0);
    assert_int_equal(zero[0x210], 0xFF);
    assert_int_equal(zero[0x211] & 1, 1);
    assert_int_equal(get_le32(zero + 0x218), plan.initrd);
    assert_int_equal(get_le32(zero + 0x21C), 5000);
    assert_int_equal(get_le32(zero + 0x228), LINUX_CMDLINE);
    assert_int_equal(get_le64(zero + 0x070), 0xE0000);
    assert_int_equal(zero[0x1E8], 4);
    assert_int_equal(get_le64(zero + 0x2D0 + 2 * 20), MIB(1));
    assert_int_equal(get_le32(zero + 0x2D0 + 2 * 20 + 16), 1);
    assert_string_equal((const char *)area + LINUX_CMDLINE - LINUX_AREA, "quiet!");
    at = get_le64(zero + 0x250) - LINUX_AREA;
    assert_int_equal(get_le64(area + at), 0);
    assert_int_equal(get_le32(area + at + 8), 9);
    assert_int_equal(get_le32(area + at + 12), 32);
    assert_memory_equal(area + at + 16, seed, 32);
    assert_int_equal(get_le64(gdt), 0);
    assert_int_equal(gdt[LINUX_CS + 6] >> 4, 0xA);
    assert_int_equal(gdt[LINUX_CS + 5], 0x9B);
    assert_int_equal(gdt[LINUX_DS + 5], 0x93);
    assert_int_equal(LINUX_GDT_LIMIT, LINUX_DS + 7);
    /* an address above 3 GiB walks to itself */
    at = (get_le64(pml4) & ~0xFFFull) - LINUX_AREA;
    at = (get_le64(area + at + (va >> 30) * 8) & ~0xFFFull) - LINUX_AREA;
    assert_int_equal(get_le64(area + at + (va >> 21 & 511) * 8), va | 0x83);
}

/* A stock kernel: $GOBLIN_KERNEL, the one that the image is made with, or the host's. */
static void a_real_kernel_is_placed(void **)
{
    const char *const where[] = { getenv("GOBLIN_KERNEL"), "out/cache/vmlinuz", "/boot/vmlinuz-*" };
    glob_t found = { 0 };
    uint8_t *bytes;
    long size;
    FILE *f;

    for (size_t i = 0; i < ARRAY_LEN(where); i++)
        if (where[i])
            glob(where[i], found.gl_pathc ? GLOB_APPEND : 0, NULL, &found);
    if (!found.gl_pathc) {
        globfree(&found);
        print_message("no $GOBLIN_KERNEL, out/cache/vmlinuz or /boot/vmlinuz-*\n");
        skip();
    }
    f = fopen(found.gl_pathv[0], "rb");
    globfree(&found);
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    bytes = malloc((size_t)size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, f), size);
    fclose(f);
    assert_int_equal(linux_parse(bytes, (uint64_t)size, &im, why, sizeof why), OK);
    assert_true(im.span > (uint64_t)size - im.setup_size);
    assert_int_equal(place(MIB(512), MIB(30), 100), OK);
    assert_int_equal(place(MIB(32), 0, 0), ERR_RANGE);
    assert_int_equal(linux_parse(bytes, (uint64_t)size / 2, &im, why, sizeof why), ERR_FORMAT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_good_header_is_read, make_file),
        cmocka_unit_test_setup(what_is_no_kernel_is_named, make_file),
        cmocka_unit_test_setup(old_32_bit_and_misplaced_kernels_are_refused, make_file),
        cmocka_unit_test_setup(too_little_memory_names_the_least, make_file),
        cmocka_unit_test_setup(long_options_are_refused, make_file),
        cmocka_unit_test_setup(the_initrd_lies_high_but_below_its_limit, make_file),
        cmocka_unit_test_setup(the_map_covers_all_memory, make_file),
        cmocka_unit_test_setup(the_area_has_what_the_protocol_wants, make_file),
        cmocka_unit_test(a_real_kernel_is_placed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
