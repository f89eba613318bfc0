/* boot/text.c and boot/line.c: lines, UTF-8, patterns, versions, editing. */
#include "test/unit/unit.h"
#include <string.h>
#include "boot/line.h"
#include "base/utf.h"
#include "boot/text.h"

static void lines_end_with_lf_crlf_or_nothing(void **)
{
    char text[] = "one\r\n  two \n\nlast\t";
    char *rest = text;

    assert_string_equal(text_line(&rest), "one");
    assert_string_equal(text_line(&rest), "two");
    assert_string_equal(text_line(&rest), "");
    assert_string_equal(text_line(&rest), "last");
    assert_null(text_line(&rest));
}

static void words_are_split_at_white_space(void **)
{
    char text[] = "key \t value with spaces", lone[] = "key";

    assert_string_equal(text_after_word(text), "value with spaces");
    assert_string_equal(text, "key");
    assert_string_equal(text_after_word(lone), "");
}

static void bad_bytes_become_question_marks(void **)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "plain", "plain" },
        { "tab\tstays", "tab\tstays" },
        { "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80" },
        { "latin\xfc", "latin?" },
        { "esc\x1b[2J", "esc?[2J" },
        { "cut\xe2\x82", "cut??" },
        { "overlong\xc0\xaf", "overlong??" },
        { "surrogate\xed\xa0\x80", "surrogate???" },
        { "high\xf4\x90\x80\x80", "high????" },
        { "c1\xc2\x9b", "c1??" },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        strcpy(text, rows[i].in);
        assert_int_equal(text_clean(text), strcmp(rows[i].in, rows[i].out) == 0);
        assert_string_equal(text, rows[i].out);
    }
}

static void several_lines_become_one(void **)
{
    char text[] = " \n a b\r\nc\td \xc3\xbc \n", blank[] = " \n", empty[1] = "";

    assert_string_equal(text_flat(text), "a b  c d \xc3\xbc");
    assert_string_equal(text_flat(blank), "");
    assert_string_equal(text_flat(empty), "");
}

static void utf16_and_back(void **)
{
    const char *text = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z";
    uint16_t wide[16], lone[] = { 'x', 0xd83d, 'y', 0xde00 }, tiny[3];
    char back[32], small[5];

    assert_int_equal(utf8_to_utf16(wide, ARRAY_LEN(wide), text), 6);
    assert_int_equal(wide[3], 0xd83d);
    utf8_from_utf16(back, sizeof back, wide, ARRAY_LEN(wide));
    assert_string_equal(back, text);
    utf8_from_utf16(back, sizeof back, lone, ARRAY_LEN(lone));
    assert_string_equal(back, "x?y?");
    utf8_from_utf16(small, sizeof small, wide, 6); /* a character that does not fit whole is left out */
    assert_string_equal(small, "a\xc3\xbc");
    assert_int_equal(utf8_to_utf16(tiny, ARRAY_LEN(tiny), "a\xf0\x9f\x98\x80"), 1);
    assert_int_equal(tiny[1], 0);
}

static void patterns_match_whole_names(void **)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        { "debian.conf", "debian.conf", true },
        { "debian", "debian.conf", false },
        { "DEBIAN*", "debian.conf", true },
        { "*", "", true },
        { "", "", true },
        { "", "x", false },
        { "a?c", "abc", true },
        { "a?c", "ac", false },
        { "*-*.conf", "a-b-c.conf", true },
        { "a*b*c", "aXbYbZc", true },
        { "a*b*c", "aXbYbZ", false },
        { "x*", "x", true },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (text_glob(rows[i].pattern, rows[i].text) != rows[i].match)
            fail_msg("%s against %s", rows[i].pattern, rows[i].text);
}

static void many_stars_take_no_exponential_time(void **)
{
    char pattern[400], text[4000];

    for (unsigned i = 0; i + 1 < sizeof pattern; i += 2)
        memcpy(pattern + i, "*a", 2);
    strcpy(pattern + 396, "*b");
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 0;
    assert_false(text_glob(pattern, text));
}

/* The examples of the version format specification, and their order. */
static void versions_are_ordered_by_the_specification(void **)
{
    static const char *const ascending[] = {
        "122.1~rc1", "122.1",   "123~rc1-1", "123~rc2", "123",     "123-a",  "123-a.1",
        "123-1",     "123-1.1", "123^post1", "123.a-1", "123.1-1", "123a-1", "124-1",
    };

    for (unsigned i = 0; i < ARRAY_LEN(ascending); i++)
        for (unsigned j = 0; j < ARRAY_LEN(ascending); j++) {
            int order = text_version_cmp(ascending[i], ascending[j]);
            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("%s against %s: %d", ascending[i], ascending[j], order);
        }
    assert_int_equal(text_version_cmp("6.1.007", "6.1.7"), 0);
    assert_int_equal(text_version_cmp("a_b", "a+b"), 0);
    assert_true(text_version_cmp("6.10", "6.9") > 0);
    assert_true(text_version_cmp("99999999999999999999999", "99999999999999999999998") > 0);
}

static void one_slip_of_the_pen_is_seen(void **)
{
    static const char *const slips[] = { "memroy", "memmory", "memor", "emory", "memoryx", "nemory", "mmeory" };
    static const char *const others[] = { "memory", "nemorx", "", "mem", "memroxy", "averyveryverylongkey", "yromem" };

    for (unsigned i = 0; i < ARRAY_LEN(slips); i++)
        assert_true(text_one_slip(slips[i], "memory") && text_one_slip("memory", slips[i]));
    for (unsigned i = 0; i < ARRAY_LEN(others); i++)
        assert_false(text_one_slip(others[i], "memory") || text_one_slip("memory", others[i]));
    assert_true(text_one_slip("", "x"));
}

static void a_stem_is_a_name_without_its_last_suffix(void **)
{
    assert_int_equal(text_stem("a.b.conf"), 3);
    assert_int_equal(text_stem("noext"), 5);
    assert_int_equal(text_stem(".conf"), 5);
    assert_int_equal(text_stem(""), 0);
}

static void type(struct line *l, const char *s)
{
    while (*s)
        assert_true(line_key(l, (uint8_t)*s++));
}

static void a_line_is_edited_at_the_cursor(void **)
{
    struct line l;

    line_set(&l, "root=/dev/vda");
    type(&l, "2");
    assert_true(line_key(&l, KEY_HOME));
    type(&l, "ro ");
    assert_string_equal(l.text, "ro root=/dev/vda2");
    line_key(&l, KEY_END);
    line_key(&l, KEY_BACKSPACE);
    line_key(&l, KEY_LEFT);
    line_key(&l, KEY_DELETE);
    assert_string_equal(l.text, "ro root=/dev/vd");
    line_key(&l, KEY_CTRL('a'));
    line_key(&l, KEY_BACKSPACE); /* nothing before the cursor */
    line_key(&l, KEY_RIGHT);
    line_key(&l, KEY_BACKSPACE);
    assert_string_equal(l.text, "o root=/dev/vd");
    line_key(&l, KEY_CTRL('e'));
    while (l.len)
        line_key(&l, KEY_BACKSPACE);
    assert_string_equal(l.text, "");
    line_key(&l, KEY_DELETE);
    line_key(&l, KEY_LEFT);
    line_key(&l, KEY_RIGHT);
    assert_int_equal(l.len, 0);
    assert_false(line_key(&l, KEY_UP));
    assert_false(line_key(&l, 1000));
}

static void characters_of_several_bytes_are_one_step(void **)
{
    struct line l;
    char view[32];

    line_set(&l, "a\xe2\x82\xac"
                 "b");
    line_key(&l, KEY_LEFT);
    assert_int_equal(line_view(&l, 10, view, sizeof view), 2);
    line_key(&l, KEY_BACKSPACE);
    assert_string_equal(l.text, "ab");
}

static void a_full_line_takes_no_more(void **)
{
    struct line l;

    line_set(&l, "");
    for (unsigned i = 0; i < ENTRY_OPTIONS + 10; i++)
        line_key(&l, 'x');
    assert_int_equal(l.len, ENTRY_OPTIONS - 1);
    assert_int_equal(strlen(l.text), l.len);
}

static void the_view_follows_the_cursor(void **)
{
    struct line l;
    char view[16];

    line_set(&l, "0123456789abcdef");
    assert_int_equal(line_view(&l, 8, view, sizeof view), 7);
    assert_string_equal(view, "9abcdef");
    line_key(&l, KEY_HOME);
    assert_int_equal(line_view(&l, 8, view, sizeof view), 0);
    assert_string_equal(view, "01234567");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_with_lf_crlf_or_nothing),
        cmocka_unit_test(words_are_split_at_white_space),
        cmocka_unit_test(bad_bytes_become_question_marks),
        cmocka_unit_test(several_lines_become_one),
        cmocka_unit_test(utf16_and_back),
        cmocka_unit_test(patterns_match_whole_names),
        cmocka_unit_test(many_stars_take_no_exponential_time),
        cmocka_unit_test(versions_are_ordered_by_the_specification),
        cmocka_unit_test(one_slip_of_the_pen_is_seen),
        cmocka_unit_test(a_stem_is_a_name_without_its_last_suffix),
        cmocka_unit_test(a_line_is_edited_at_the_cursor),
        cmocka_unit_test(characters_of_several_bytes_are_one_step),
        cmocka_unit_test(a_full_line_takes_no_more),
        cmocka_unit_test(the_view_follows_the_cursor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
