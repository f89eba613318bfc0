#include "test/unit/unit.h"
#include <string.h>
#include "base/bytes.h"
#include "libos/elf.h"

static uint8_t file[4096];
static struct elf e;

static void segment(unsigned i, uint64_t offset, uint64_t vaddr, uint64_t filesz, uint64_t memsz)
{
    uint8_t *ph = file + 64 + i * 56;

    put_le32(ph, 1);
    put_le32(ph + 4, 5);
    put_le64(ph + 8, offset);
    put_le64(ph + 16, vaddr);
    put_le64(ph + 32, filesz);
    put_le64(ph + 40, memsz);
}

static int good(void **)
{
    memset(file, 0, sizeof file);
    memcpy(file, "\x7F" "ELF\2\1\1", 7);
    put_le16(file + 16, 2);
    put_le16(file + 18, 62);
    put_le64(file + 24, 0x401000);
    put_le64(file + 32, 64);
    put_le16(file + 54, 56);
    put_le16(file + 56, 2);
    segment(0, 0, 0x400000, 0x800, 0x800);
    segment(1, 0x1000, 0x402000, 0x100, 0x5000);
    return 0;
}

static void reads_a_good_program(void **)
{
    assert_int_equal(elf_parse(file, sizeof file, &e), OK);
    assert_int_equal(e.count, 2);
    assert_int_equal(e.entry, 0x401000);
    assert_int_equal(e.low, 0x400000);
    assert_int_equal(e.high, 0x407000);
    assert_int_equal(e.phdr, 0x400040);
    assert_false(e.dynamic);
}

static void refuses_what_is_no_program(void **)
{
    file[0] = 0;
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    good(NULL);
    file[4] = 1; /* 32 bits */
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    good(NULL);
    put_le16(file + 18, 183); /* arm64 */
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    good(NULL);
    assert_int_equal(elf_parse(file, 63, &e), ERR_FORMAT);
}

static void refuses_headers_outside_the_file(void **)
{
    put_le64(file + 32, UINT64_MAX - 10);
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    good(NULL);
    put_le16(file + 56, 0xFFFF);
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
}

static void refuses_segments_that_contradict_themselves(void **)
{
    segment(1, 0x1000, 0x402000, 0x200, 0x100); /* more in the file than in memory */
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    segment(1, 0x1000, 0x400000, 0x100, 0x100); /* over the first */
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    segment(1, 0x1001, 0x402000, 0x100, 0x100); /* not alike within a page */
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    segment(1, 0x1000, UINT64_MAX - 0xFFF, 0x100, 0x2000);
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
}

static void takes_the_interpreters_name_only_whole(void **)
{
    uint8_t *ph = file + 64 + 2 * 56;
    put_le16(file + 56, 3);
    put_le32(ph, 3);
    put_le64(ph + 8, 0x900);
    put_le64(ph + 32, 6);
    memcpy(file + 0x900, "/lib/", 6);
    assert_int_equal(elf_parse(file, sizeof file, &e), OK);
    assert_string_equal(e.interp, "/lib/");
    file[0x905] = 'x';
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
    put_le64(ph + 8, UINT64_MAX);
    assert_int_equal(elf_parse(file, sizeof file, &e), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_a_good_program, good),
        cmocka_unit_test_setup(refuses_what_is_no_program, good),
        cmocka_unit_test_setup(refuses_headers_outside_the_file, good),
        cmocka_unit_test_setup(refuses_segments_that_contradict_themselves, good),
        cmocka_unit_test_setup(takes_the_interpreters_name_only_whole, good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
