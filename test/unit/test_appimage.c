#include "test/unit/unit.h"
#include <stdio.h>
#include <string.h>
#include "abi/app.h"
#include "boot/appimage.h"

#define FILE_SIZE (16u * 4096u)
static _Alignas(8) uint8_t file[8192];
static struct appimage image;
static const char *why;

static struct image_head *head(void)
{
    return (struct image_head *)(void *)file;
}

static void strings_set(const char *s, size_t n)
{
    memcpy(file + sizeof(struct image_head), s, n);
    head()->strings_size = (uint32_t)n;
}
#define STRINGS(s) strings_set(s, sizeof(s))

static err_t read_it(void)
{
    head()->checksum = appimage_checksum(file, max_u64(sizeof(struct image_head), min_u64(head()->head_size, sizeof file)));
    return appimage_read(file, sizeof file, FILE_SIZE, &image, &why);
}

static int good(void **)
{
    memset(file, 0, sizeof file);
    *head() = (struct image_head){ .magic = IMAGE_MAGIC, .version = IMAGE_VERSION, .head_size = 4096, .app_version = APP_VERSION, .libos_at = 4096,
                                   .libos_size = 5000, .fs_at = 3 * 4096, .fs_size = 13 * 4096, .argc = 2, .envc = 1, .memory = MIB(64) };
    STRINGS("hello\0/bin/hello\0/srv\0says hello\0hello\0world\0A=b");
    return 0;
}

static void reads_a_good_head(void **)
{
    assert_int_equal(read_it(), OK);
    assert_string_equal(why, "");
    assert_string_equal(image.name, "hello");
    assert_string_equal(image.program, "/bin/hello");
    assert_string_equal(image.cwd, "/srv");
    assert_string_equal(image.about, "says hello");
    assert_int_equal(image.args_size, sizeof "hello\0world\0A=b");
    assert_memory_equal(image.args, "hello\0world\0A=b", image.args_size);
}

static void refuses_what_is_no_image(void **)
{
    file[0] ^= 1;
    assert_int_equal(read_it(), ERR_FORMAT);
    assert_false(appimage_is(file, sizeof file));
    assert_int_equal(appimage_read(file, 0, 0, &image, &why), ERR_FORMAT);
    good(NULL);
    assert_int_equal(appimage_read(file, 127, 127, &image, &why), ERR_FORMAT);
}

static void refuses_other_versions(void **)
{
    head()->version++;
    assert_int_equal(read_it(), ERR_UNSUPPORTED);
    good(NULL);
    head()->app_version++;
    assert_int_equal(read_it(), ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "byte 8"));
}

static void refuses_a_damaged_head(void **)
{
    assert_int_equal(read_it(), OK);
    file[200] ^= 4;
    assert_int_equal(appimage_read(file, sizeof file, FILE_SIZE, &image, &why), ERR_FORMAT);
    assert_non_null(strstr(why, "checksum"));
}

/* One field at a time is spoilt; the reason must name its byte. */
static void names_the_byte_of_each_impossible_field(void **)
{
    static const struct {
        size_t at, bytes;
        uint64_t value;
    } spoils[] = {
        { 12, 4, 4097 }, { 12, 4, 0 },        { 12, 4, 0x20000 }, { 16, 4, 2 },        { 24, 8, 4097 },  { 24, 8, 0 },   { 32, 8, 8 },
        { 32, 8, GIB(1) }, { 40, 8, 4096 },   { 40, 8, 3 * 4096 + 1 }, { 48, 8, 0 },   { 48, 8, 100 },   { 48, 8, 14 * 4096 },
        { 48, 8, UINT64_MAX & ~4095ull }, { 64, 4, 0 }, { 64, 4, UINT32_MAX }, { 68, 4, UINT32_MAX }, { 72, 4, 4096 }, { 72, 4, UINT32_MAX },
    };
    char byte[16];

    for (size_t i = 0; i < ARRAY_LEN(spoils); i++) {
        good(NULL);
        memcpy(file + spoils[i].at, &spoils[i].value, spoils[i].bytes);
        assert_int_equal(read_it(), ERR_FORMAT);
        snprintf(byte, sizeof byte, "byte %zu:", spoils[i].at);
        if (!strstr(why, byte))
            fail_msg("spoilt %s said: %s", byte, why);
    }
}

static void refuses_strings_that_do_not_add_up(void **)
{
    head()->argc = 3;
    assert_int_equal(read_it(), ERR_FORMAT);
    good(NULL);
    head()->argc = 1;
    assert_int_equal(read_it(), ERR_FORMAT);
    good(NULL);
    head()->strings_size--; /* the last does not end */
    assert_int_equal(read_it(), ERR_FORMAT);
    good(NULL);
    head()->strings_size = 0;
    assert_int_equal(read_it(), ERR_FORMAT);
}

static void refuses_names_and_paths_nobody_can_use(void **)
{
    STRINGS("\0/bin/hello\0/srv\0\0hello\0world\0A=b");
    assert_int_equal(read_it(), ERR_FORMAT);
    STRINGS("../x\0/bin/hello\0/srv\0\0hello\0world\0A=b");
    assert_int_equal(read_it(), ERR_FORMAT);
    STRINGS("hello\0bin/hello\0/srv\0\0hello\0world\0A=b");
    assert_int_equal(read_it(), ERR_FORMAT);
    STRINGS("hello\0/bin/hello\0srv\0\0hello\0world\0A=b");
    assert_int_equal(read_it(), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(reads_a_good_head, good),
        cmocka_unit_test_setup(refuses_what_is_no_image, good),
        cmocka_unit_test_setup(refuses_other_versions, good),
        cmocka_unit_test_setup(refuses_a_damaged_head, good),
        cmocka_unit_test_setup(names_the_byte_of_each_impossible_field, good),
        cmocka_unit_test_setup(refuses_strings_that_do_not_add_up, good),
        cmocka_unit_test_setup(refuses_names_and_paths_nobody_can_use, good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
