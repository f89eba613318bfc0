/* console/term.c, grid.c, term_sgr.c, paint.c: bytes to grid, and grid to bytes. */
#include "test/unit/unit.h"
#include <stdio.h>
#include "base/str.h"
#include "console/paint.h"

#define COLS 10u
#define ROWS 4u
#define LINES 40u

static struct cell mem[LINES * COLS];
static struct term t;

static void feed(const char *bytes)
{
    term_write(&t, (const uint8_t *)bytes, strlen(bytes));
}

static int fresh(void **)
{
    term_init(&t, COLS, ROWS, mem, sizeof mem);
    return 0;
}

/* Rows as ASCII, without trailing blanks, one after another with '|' between; no empty rows at the end. '#': another
 * character, '_': its second column. Half a wide character is a blank, as on a real terminal. */
static const char *grid(uint32_t back)
{
    static char text[ROWS * (COLS + 1) + 1];
    size_t n = 0, keep = 0;

    for (unsigned y = 0; y < ROWS; y++) {
        const struct cell *c = term_row(&t, y, back);
        for (unsigned x = 0; x < COLS; x++) {
            bool tail = x && !c[x].ch && c[x - 1].ch > 0x7E,
                 half = term_width(c[x].ch) == 2 && (x + 1 == COLS || c[x + 1].ch);
            text[n++] = tail ? '_' : half || !c[x].ch ? ' ' : c[x].ch > 0x7E ? '#' : (char)c[x].ch;
            if (text[n - 1] != ' ')
                keep = n;
        }
        n = keep > n - COLS ? keep : n - COLS;
        text[n++] = '|';
    }
    text[keep] = 0;
    return text;
}

static void sequences_make_the_grid_they_should(void **)
{
    static const struct {
        const char *bytes, *grid;
        unsigned x, y;
    } cases[] = {
        { "hello", "hello", 5, 0 },
        { "a\r\nb\nc", "a|b| c", 2, 2 },
        { "abc\bX", "abX", 3, 0 },
        { "\b\ba", "a", 1, 0 },
        { "a\tb", "a       b", 9, 0 },
        { "a\t\t\tb", "a        b", 9, 0 },
        { "0123456789", "0123456789", 9, 0 },    /* the cursor waits in the last column */
        { "0123456789x", "0123456789|x", 1, 1 }, /* and goes on in the next line */
        { "0123456789\rx", "x123456789", 1, 0 },
        { "0123456789\r\nx", "0123456789|x", 1, 1 },
        { "0123456789\bx", "01234567x9", 9, 0 },
        { "\33[?7l0123456789x", "012345678x", 9, 0 },
        { "1\n\r2\n\r3\n\r4\n\r5", "2|3|4|5", 1, 3 },
        { "\a\1\177x", "x", 1, 0 },
        { "\33[3;4Hx", "||   x", 4, 2 },
        { "\33[Hx\33[fy", "y", 1, 0 },
        { "\33[99;99Hx", "|||         x", 9, 3 },
        { "\33[3;4H\33[A\33[Dx", "|  x", 3, 1 },
        { "\33[2B\33[3Cx", "||   x", 4, 2 },
        { "ab\33[Ec\33[Fd", "db|c", 1, 0 },
        { "abcdef\33[3Gx\33[5`y", "abxdyf", 5, 0 },
        { "abc\33[3dx", "abc||   x", 4, 2 },
        { "\33[2ax\33[2ey", "  x||   y", 4, 2 },
        { "abcdef\33[3D\33[K", "abc", 3, 0 },
        { "abcdef\33[3D\33[1K", "    ef", 3, 0 },
        { "abcdef\33[3D\33[2K", "", 3, 0 },
        { "a\r\nbcd\r\ne\33[2;2H\33[J", "a|b", 1, 1 },
        { "a\r\nbcd\r\ne\33[2;2H\33[1J", "|  d|e", 1, 1 },
        { "a\r\nbcd\33[2J", "", 3, 1 },
        { "abcdef\33[1;3H\33[2P", "abef", 2, 0 },
        { "abcdef\33[1;3H\33[2@", "ab  cdef", 2, 0 },
        { "abcdef\33[1;3H\33[2X", "ab  ef", 2, 0 },
        { "abcdef\33[1;3H\33[99P\33[99@\33[99X", "ab", 2, 0 },
        { "abc\33[4h\33[1;2Hxy", "axybc", 3, 0 },
        { "a\r\nb\r\nc\33[2;1H\33[L", "a||b|c", 0, 1 },
        { "a\r\nb\r\nc\33[2;1H\33[M", "a|c", 0, 1 },
        { "a\r\nb\r\nc\33[2;1H\33[99M", "a", 0, 1 },
        { "a\r\nb\r\nc\33[S", "b|c", 1, 2 },
        { "a\r\nb\r\nc\33[T", "|a|b|c", 1, 2 },
        { "a\r\nb\r\nc\r\nd\33[2;3r\33[3;1H\nx", "a|c|x|d", 1, 2 }, /* scrolls inside the region */
        { "a\r\nb\r\nc\r\nd\33[2;3r\33[2;1H\33Mx", "a|x|b|d", 1, 1 },
        { "a\r\nb\r\nc\r\nd\33[1;3r\33[3;1H\nx", "b|c|x|d", 1, 2 },
        { "\33[2;3r\33[?6hx\33[9;1Hy", "|x|y", 1, 2 }, /* origin mode */
        { "\33[3;2rx", "x", 1, 0 },                    /* a region upside down is refused */
        { "\33[3;3H\0337\33[Ha\0338b", "a||  b", 3, 2 },
        { "\33[3;3H\33[s\33[Ha\33[ub", "a||  b", 3, 2 },
        { "a\33Db\33Ec\33Md", "a| d|c", 2, 1 },
        { "ab\33cc", "c", 1, 0 },
        { "a\33]0;title\ab\33]2;t\33\\c\33Pq#1\33\\d\33_x\33\\e\33kname\33\\f", "abcdef", 6, 0 },
        { "a\33(Bb\33)0c\33%Gd\33#8e\33=f\33>g", "abcdefg", 7, 0 },
        { "a\33[?25lb\33[?2004hc\33[>cd\33[ qe\33[1$rf", "abcdef", 6, 0 },
        { "\33(0q\33(Bq\16q\33)0q\17q", "#qq#q", 5, 0 },
        { "x\33[3b", "xxxx", 4, 0 },
        { "\33[12\30a\33[1\32b", "ab", 2, 0 }, /* CAN and SUB end a sequence */
        { "\33[2\r;2Hx", "| x", 2, 1 },        /* a control inside one acts at once */
        { "\33[3\33[2Cx", "  x", 3, 0 },       /* ESC begins anew */
        { "\303\251\342\224\200x", "##x", 3, 0 },
        { "\346\274\242x", "#_x", 3, 0 }, /* two columns */
        { "012345678\346\274\242", "012345678|#_", 2, 1 },
        { "e\314\201x", "ex", 2, 0 },          /* a combining mark takes none */
        { "\300\200\377\303x", "###x", 4, 0 }, /* what is not UTF-8 */
        { "\355\240\200\360\237\230\200x", "##_x", 4, 0 },
        { "ab\33[?1049hxyz\33[?1049lc", "abc", 3, 0 },
        { "ab\33[?47hxyz\n\n\n\n\n\33[?47lc", "abc", 3, 0 },
        { "\33[20ha\nb", "a|b", 1, 1 },
        { "\33[4h\33[?6h\33[!pabc\33[1;1Hx", "xbc", 1, 0 },
        { "a\33[5Zb", "b", 1, 0 },
        { "\33[65535;65535H\33[99999999999999Ax", "         x", 9, 0 },
        { "\33[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19mx", "x", 1, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fresh(NULL);
        feed(cases[i].bytes);
        if (strcmp(grid(0), cases[i].grid) || t.cur.x != cases[i].x || t.cur.y != cases[i].y)
            fail_msg("case %zu: \"%s\" at %u,%u, not \"%s\" at %u,%u", i, grid(0), t.cur.x, t.cur.y, cases[i].grid,
                     cases[i].x, cases[i].y);
    }
}

static void one_byte_at_a_time_is_the_same(void **)
{
    const char *bytes = "a\33[1;31m\346\274\242\33[2;2H\33]0;x\33\\y";
    char whole[64];
    feed(bytes);
    str_copy(whole, sizeof whole, grid(0));
    fresh(NULL);
    for (const char *b = bytes; *b; b++)
        term_write(&t, (const uint8_t *)b, 1);
    assert_string_equal(grid(0), whole);
    assert_true(term_between(&t));
    feed("\33[1");
    assert_false(term_between(&t));
    feed("m\342\224");
    assert_false(term_between(&t));
}

static void attributes_get_into_cells(void **)
{
    static const struct {
        const char *sgr;
        uint8_t color, flags;
    } cases[] = {
        { "", 0, 0 },
        { "1", 0, CELL_BOLD },
        { "1;2;3;4;5;7", 0, CELL_BOLD | CELL_DIM | CELL_ITALIC | CELL_UNDERLINE | CELL_BLINK | CELL_REVERSE },
        { "1;2;3;4;5;7;22;23;24;25;27", 0, 0 },
        { "31", 0x01, CELL_FG },
        { "31;44", 0x41, CELL_FG | CELL_BG },
        { "31;44;39", 0x40, CELL_BG },
        { "31;44;49", 0x01, CELL_FG },
        { "97;100", 0x8F, CELL_FG | CELL_BG },
        { "31;0", 0, 0 },
        { "38;5;9", 0x09, CELL_FG },
        { "48;5;21", 0xC0, CELL_BG },
        { "38;5;196;1", 0x09, CELL_FG | CELL_BOLD },
        { "38;5;244", 0x08, CELL_FG },
        { "38;2;0;170;0", 0x02, CELL_FG },
        { "38:5:3", 0x03, CELL_FG },
        { "38;5", 0, 0 },
        { "38", 0, 0 },
        { "77;108;31", 0x01, CELL_FG },
    };
    char bytes[80];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fresh(NULL);
        snprintf(bytes, sizeof bytes, "\33[%smx", cases[i].sgr);
        feed(bytes);
        const struct cell *c = term_row(&t, 0, 0);
        if (c->color != cases[i].color || c->flags != cases[i].flags)
            fail_msg("%s: color 0x%02x flags 0x%02x", cases[i].sgr, c->color, c->flags);
    }
}

static void erased_cells_take_the_background(void **)
{
    feed("\33[41m\33[2J\33[m\33[K");
    assert_int_equal(term_row(&t, 3, 0)->color, 0x10);
    assert_int_equal(term_row(&t, 0, 0)->flags, 0);
}

static void lines_that_leave_the_top_can_be_looked_at(void **)
{
    feed("1\r\n2\r\n3\r\n4\r\n5\r\n6");
    assert_int_equal(t.history, 2);
    assert_string_equal(grid(0), "3|4|5|6");
    assert_string_equal(grid(1), "2|3|4|5");
    assert_string_equal(grid(9), "1|2|3|4"); /* cut to what there is */
    feed("\33[1;3r\33[3;1H\nx"); /* a region at the top feeds the history too, as under apt's progress bar */
    assert_string_equal(grid(1), "3|4|5|x");
    feed("\33[?1049h\33[r\n\n\n\n\n\n\33[?1049l"); /* the alternate screen does not */
    assert_int_equal(t.history, 3);
    feed("\33[3J");
    assert_int_equal(t.history, 0);
}

static void history_is_a_ring(void **)
{
    for (int i = 0; i < 1000; i++)
        feed("x\r\n");
    assert_int_equal(t.history, LINES - 2 * ROWS);
    feed("last");
    assert_string_equal(grid(0), "x|x|x|last");
    assert_int_equal(t.scrolled, 997);
}

static void only_rows_that_changed_are_dirty(void **)
{
    memset(t.dirty, 0, sizeof t.dirty);
    feed("\33[2;1Hx");
    assert_int_equal(t.dirty[0], 0);
    assert_int_equal(t.dirty[1], TERM_DIRTY_ALL);
    assert_int_equal(t.dirty[2], 0);
    feed("\33[4;1H\n");
    assert_int_equal(t.dirty[0], TERM_DIRTY_ALL);
    assert_int_equal(t.dirty[3], TERM_DIRTY_ALL);
}

static void questions_are_answered_into_a_small_buffer(void **)
{
    feed("\33[5n\33[2;3H\33[6n\33[c");
    assert_memory_equal(t.reply, "\33[0n\33[2;3R\33[?62;22c", t.nreply);
    assert_int_equal(t.nreply, 4 + 6 + 9);
    for (int i = 0; i < 100; i++)
        feed("\33[6n");
    assert_true(t.nreply <= sizeof t.reply);
    feed("\33[?6n\33[>c"); /* not ours */
}

static void a_painted_terminal_goes_on_like_the_first(void **)
{
    static const char *const before[] = {
        "plain\r\ntext",
        "\33[1;31mred\33[44m blue\33[7m",
        "0123456789", /* waits in the last column */
        "01234567\346\274\242",
        "\33[2;4r\33[?6h\33[2;4H",
        "\33[3;5H\33[1m\0337\33[m\33[H", /* a saved cursor */
        "\33(0lqk\33)0\16x",
        "\33[4h\33[?7l\33[?25l\33[?1;2004;1000;1006h\33=\33[20h",
        "main\33[2;2H\33[?1049h\33[Halt\33[32m",
        "\346\274\242\b\346\274\242\b\bx",
    };
    static const char *const after[] = { "z", "more\33[31mcolour\r\n\n\n\nend", "\0338X\33Mx\33[5;5Hy",
                                         "\33[?1049lq\n\16q" };
    static struct cell mem2[LINES * COLS];
    static uint8_t bytes[8192];
    struct term first, second;
    struct ring r;
    uint8_t b;
    for (size_t i = 0; i < ARRAY_LEN(before) * ARRAY_LEN(after); i++) {
        char want[64];
        fresh(NULL);
        feed(before[i / ARRAY_LEN(after)]);
        ring_init(&r, bytes, sizeof bytes);
        paint_reset(&r);
        for (unsigned y = 0; t.modes & TERM_ALT && y < ROWS; y++)
            paint_row(&r, t.main + y * COLS, COLS, y);
        if (t.modes & TERM_ALT)
            paint_alternate(&r, &t);
        for (unsigned y = 0; y < ROWS; y++)
            paint_row(&r, term_row(&t, y, 0), COLS, y);
        paint_state(&r, &t);
        feed(after[i % ARRAY_LEN(after)]);
        first = t;
        str_copy(want, sizeof want, grid(0));
        term_init(&t, COLS, ROWS, mem2, sizeof mem2);
        feed("left over\33[3;4r\33[?6h\33[4h\33[7m\33]0;open");
        while (ring_take(&r, &b))
            term_write(&t, &b, 1);
        feed(after[i % ARRAY_LEN(after)]);
        second = t;
        assert_string_equal(grid(0), want);
        assert_int_equal(first.cur.x, second.cur.x);
        assert_int_equal(first.cur.y, second.cur.y);
        assert_int_equal(first.modes, second.modes);
        assert_memory_equal(&first.cur.pen, &second.cur.pen, sizeof first.cur.pen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sequences_make_the_grid_they_should, fresh),
        cmocka_unit_test_setup(one_byte_at_a_time_is_the_same, fresh),
        cmocka_unit_test_setup(attributes_get_into_cells, fresh),
        cmocka_unit_test_setup(erased_cells_take_the_background, fresh),
        cmocka_unit_test_setup(lines_that_leave_the_top_can_be_looked_at, fresh),
        cmocka_unit_test_setup(history_is_a_ring, fresh),
        cmocka_unit_test_setup(only_rows_that_changed_are_dirty, fresh),
        cmocka_unit_test_setup(questions_are_answered_into_a_small_buffer, fresh),
        cmocka_unit_test_setup(a_painted_terminal_goes_on_like_the_first, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
