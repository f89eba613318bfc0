/* The terminal against a hostile guest. Input: columns, rows, where to cut, then the guest's bytes.
 * Besides the sanitizers' rules: the cursor stays on the screen; and a second terminal that gets what console/paint.c
 * makes of the first shows the same and then reacts to the rest of the bytes in the same way. */
#include <stdio.h>
#include <stdlib.h>
#include "base/str.h"
#include "console/paint.h"

#define MEM (256 * TERM_COLS_MAX * sizeof(struct cell))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void check_bounds(const struct term *t)
{
    check(t->cur.x < t->cols && t->cur.y < t->rows, "cursor");
    check(t->saved.x < t->cols && t->saved.y < t->rows, "saved cursor");
    check(t->region_top < t->region_end && t->region_end <= t->rows, "region");
    check(t->history <= t->nlines - t->rows && t->top < t->nlines, "history");
    check(t->nreply <= sizeof t->reply, "reply");
    if (t->modes & TERM_ORIGIN)
        check(t->cur.y >= t->region_top && t->cur.y < t->region_end, "cursor in origin mode");
}

/* What a row looks like: halves of wide characters left alone are blanks. */
static void normalise(const struct cell *from, struct cell *to, unsigned cols)
{
    for (unsigned x = 0; x < cols; x++) {
        bool pair = x + 1 < cols && term_width(from[x].ch) == 2 && !from[x + 1].ch;
        to[x] = from[x];
        if (pair) {
            to[x + 1] = from[x];
            to[x + 1].ch = 0;
            x++;
        } else if (!from[x].ch || term_width(from[x].ch) != 1) {
            to[x].ch = ' ';
        }
    }
}

static void check_same(const struct term *a, const struct term *b)
{
    static struct cell x[TERM_COLS_MAX], y[TERM_COLS_MAX];

    for (unsigned i = 0; i < a->rows; i++) {
        normalise(term_row(a, i, 0), x, a->cols);
        normalise(term_row(b, i, 0), y, b->cols);
        check(!memcmp(x, y, a->cols * sizeof *x), "rows differ");
    }
    check(a->cur.x == b->cur.x && a->cur.y == b->cur.y && a->cur.wrap == b->cur.wrap, "cursors differ");
    check(!memcmp(&a->cur.pen, &b->cur.pen, sizeof a->cur.pen), "pens differ");
    check(a->cur.charset == b->cur.charset, "character sets differ");
    check(a->modes == b->modes, "modes differ");
    check(a->region_top == b->region_top && a->region_end == b->region_end, "regions differ");
}

static void replay(struct ring *r, struct term *to)
{
    uint8_t b;

    while (ring_take(r, &b))
        term_write(to, &b, 1);
}

static void paint_all(const struct term *t, struct ring *r, struct term *to)
{
    paint_reset(r);
    replay(r, to);
    if (t->modes & TERM_ALT) {
        for (unsigned y = 0; y < t->rows; y++) {
            paint_row(r, t->main + y * t->cols, t->cols, y);
            check(ring_used(r) <= paint_row_max(t->cols), "row too long");
            replay(r, to);
        }
        paint_alternate(r, t);
        replay(r, to);
    }
    for (unsigned y = 0; y < t->rows; y++) {
        paint_row(r, term_row(t, y, 0), t->cols, y);
        check(ring_used(r) <= paint_row_max(t->cols), "row too long");
        replay(r, to);
    }
    paint_state(r, t);
    check(ring_used(r) <= PAINT_STATE_MAX, "state too long");
    replay(r, to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t mem[2][MEM], bytes[8192];
    static struct term a, b;
    struct ring r;

    if (size < 4)
        return 0;
    unsigned cols = 2 + data[0] % (TERM_COLS_MAX - 1), rows = 2 + data[1] % (TERM_ROWS_MAX - 1);
    size_t cut = data[2] * (size - 3) / 256, n = size - 3;
    data += 3;
    ring_init(&r, bytes, sizeof bytes);
    term_init(&a, cols, rows, mem[0], MEM);
    term_init(&b, cols, rows, mem[1], MEM);
    term_write(&b, (const uint8_t *)"junk\33[3;1H\33[4h\33]0;cut", 22); /* whatever the user's terminal was left in */
    term_write(&a, data, cut);
    check_bounds(&a);
    while (cut < n && !term_between(&a))
        term_write(&a, data + cut++, 1);
    if (term_between(&a)) {
        paint_all(&a, &r, &b);
        check_same(&a, &b);
        a.last = b.last = ' '; /* what REP would repeat is not painted */
        a.nreply = b.nreply = 0;
        term_write(&b, data + cut, n - cut);
    }
    term_write(&a, data + cut, n - cut);
    check_bounds(&a);
    if (term_between(&a) && term_between(&b))
        check_same(&a, &b);
    return 0;
}
