/* base/: formatting, strings, rings, lists. */
#include "test/unit/unit.h"
#include "base/fmt.h"
#include "base/list.h"
#include "base/ring.h"
#include "base/str.h"

#define EXPECT(text, ...)                                     \
    do {                                                      \
        char buf[128];                                        \
        size_t n = fmt_text(buf, sizeof buf, __VA_ARGS__);    \
        assert_string_equal(buf, text);                       \
        assert_int_equal(n, strlen(text));                    \
    } while (0)

static void fmt_agrees_with_printf(void **)
{
    EXPECT("-5 7 ff FF", "%d %u %x %X", -5, 7u, 255u, 255u);
    EXPECT("18446744073709551615", "%" PRIu64, UINT64_MAX);
    EXPECT("-9223372036854775808", "%" PRId64, INT64_MIN);
    EXPECT("00000abc", "%08x", 0xabcu);
    EXPECT("  ab|ab  |a", "%4s|%-4s|%.1s", "ab", "ab", "ab");
    EXPECT("-0012", "%05d", -12);
    EXPECT("c%", "%c%%", 'c');
    EXPECT("   1", "%*d", 4, 1);
    EXPECT("0x1f 0x001f 0", "%#x %#06x %#x", 0x1fu, 0x1fu, 0u);
    EXPECT("-2 4294967294 7", "%d %u %zu", -2, (unsigned)-2, (size_t)7);
}

static void fmt_cuts_and_reports_length(void **)
{
    char buf[4] = "xxx";
    assert_int_equal(fmt_text(buf, sizeof buf, "%s", "hello"), 5);
    assert_string_equal(buf, "hel");
    assert_int_equal(fmt_text(buf, 0, "%s", "hello"), 5);
    assert_string_equal(buf, "hel");
}

static void fmt_leaves_no_half_character(void **)
{
    char buf[4];
    assert_int_equal(fmt_text(buf, sizeof buf, "ab\u00e9"), 4);
    assert_string_equal(buf, "ab");
    EXPECT("a|", "%.2s|", "a\u00e9");
    EXPECT("a\u00e9|", "%.3s|", "a\u00e9b");
    EXPECT("|", "%.3s|", "\U0001f600");
    EXPECT("\x80\x80|", "%.2s|", "\x80\x80\x80"); /* no UTF-8: as it is */
}

static void numbers_parse_and_refuse(void **)
{
    uint64_t v = 1;
    assert_int_equal(str_to_u64("0x1F", &v), OK);
    assert_int_equal(v, 0x1f);
    assert_int_equal(str_to_u64("18446744073709551615", &v), OK);
    assert_int_equal(v, UINT64_MAX);
    assert_int_equal(str_to_u64("18446744073709551616", &v), ERR_RANGE);
    assert_int_equal(str_to_u64("", &v), ERR_FORMAT);
    assert_int_equal(str_to_u64("12x", &v), ERR_FORMAT);
    assert_int_equal(str_to_u64("0x", &v), ERR_FORMAT);
    assert_int_equal(str_to_size("512M", &v), OK);
    assert_int_equal(v, MIB(512));
    assert_int_equal(str_to_size("2gb", &v), ERR_FORMAT);
    assert_int_equal(str_to_size("99999999999T", &v), ERR_RANGE);
    assert_int_equal(str_to_size("4q", &v), ERR_FORMAT);
}

static void strings_compare_and_copy(void **)
{
    char buf[4];
    assert_true(str_copy(buf, sizeof buf, "abc"));
    assert_false(str_copy(buf, sizeof buf, "abcd"));
    assert_string_equal(buf, "abc");
    assert_true(str_eq_nocase("BootX64.efi", "BOOTX64.EFI"));
    assert_false(str_eq_nocase("a", "ab"));
    assert_true(str_starts("PARTLABEL=x", "PARTLABEL="));
}

static void ring_wraps_and_fills(void **)
{
    uint8_t mem[4], b;
    struct ring r;
    ring_init(&r, mem, sizeof mem);
    r.head = r.tail = UINT32_MAX - 1; /* the counters wrap too */
    for (uint8_t i = 0; i < 4; i++)
        assert_true(ring_put(&r, i));
    assert_false(ring_put(&r, 9));
    for (uint8_t i = 0; i < 4; i++) {
        assert_true(ring_take(&r, &b));
        assert_int_equal(b, i);
    }
    assert_false(ring_take(&r, &b));
}

static void list_keeps_order(void **)
{
    struct list head = LIST_INIT(head), a, b;
    list_init(&a);
    list_push_back(&head, &a);
    list_push_back(&head, &b);
    assert_ptr_equal(list_pop_front(&head), &a);
    list_remove(&a); /* on no list: harmless */
    assert_ptr_equal(list_pop_front(&head), &b);
    assert_null(list_pop_front(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fmt_agrees_with_printf),
        cmocka_unit_test(fmt_cuts_and_reports_length),
        cmocka_unit_test(fmt_leaves_no_half_character),
        cmocka_unit_test(numbers_parse_and_refuse),
        cmocka_unit_test(strings_compare_and_copy),
        cmocka_unit_test(ring_wraps_and_fills),
        cmocka_unit_test(list_keeps_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
