/* Terminal state as escape sequences. */
#include "console/paint.h"
#include "base/fmt.h"
#include "base/str.h"

static const struct cell plain = { .ch = ' ' };

void paint_text(struct ring *r, const char *s)
{
    while (*s)
        ring_put(r, (uint8_t)*s++);
}

static void PRINTF(2, 3) paint(struct ring *r, const char *fmt, ...)
{
    char text[64];
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(text, sizeof text, fmt, ap);
    va_end(ap);
    paint_text(r, text);
}

static bool same_look(struct cell a, struct cell b) { return a.color == b.color && a.flags == b.flags; }

static void paint_pen(struct ring *r, struct cell pen)
{
    static const struct {
        uint8_t flag;
        char code;
    } attributes[] = { { CELL_BOLD, '1' },      { CELL_DIM, '2' },   { CELL_ITALIC, '3' },
                       { CELL_UNDERLINE, '4' }, { CELL_BLINK, '5' }, { CELL_REVERSE, '7' } };
    unsigned fg = pen.color & 15, bg = pen.color >> 4;

    paint_text(r, "\33[0");
    for (unsigned i = 0; i < ARRAY_LEN(attributes); i++)
        if (pen.flags & attributes[i].flag)
            paint(r, ";%c", attributes[i].code);
    if (pen.flags & CELL_FG)
        paint(r, ";%u", fg < 8 ? 30 + fg : 82 + fg);
    if (pen.flags & CELL_BG)
        paint(r, ";%u", bg < 8 ? 40 + bg : 92 + bg);
    paint_text(r, "m");
}

static void paint_char(struct ring *r, uint16_t ch)
{
    if (ch >= 0x800)
        ring_put(r, (uint8_t)(0xE0 | ch >> 12));
    if (ch >= 0x80)
        ring_put(r, (uint8_t)(ch >= 0x800 ? 0x80 | (ch >> 6 & 0x3F) : 0xC0 | ch >> 6));
    ring_put(r, (uint8_t)(ch >= 0x80 ? 0x80 | (ch & 0x3F) : ch));
}

/* What stands in column x as a terminal must get it: half a wide character is a blank. Returns the columns it takes. */
static unsigned paint_cell(struct ring *r, const struct cell *c, unsigned x, unsigned cols)
{
    if (term_width(c[x].ch) == 2) {
        if (x + 1 < cols && !c[x + 1].ch) {
            paint_char(r, c[x].ch);
            return 2;
        }
        ring_put(r, ' ');
    } else if (!c[x].ch && x && c[x - 1].ch == 0xFFFD) {
        ring_put(r, ' '); /* the right half of a character outside the basic plane */
    } else {
        paint_char(r, c[x].ch ? c[x].ch : ' ');
    }
    return 1;
}

void paint_reset(struct ring *r)
{
    /* nothing wraps while we paint: the terminal may be narrower */
    paint_text(r, PAINT_ABORT "\33[?1049l" PAINT_PLAIN "\33[?7l\33[H\0337\33[2J");
}

unsigned paint_row_end(const struct cell *c, unsigned cols)
{
    while (cols && same_look(c[cols - 1], plain) && c[cols - 1].ch == ' ')
        cols--;
    return cols;
}

void paint_row(struct ring *r, const struct cell *c, unsigned cols, unsigned y)
{
    struct cell pen = plain;
    unsigned end = paint_row_end(c, cols);

    paint(r, "\33[%u;1H", y + 1);
    for (unsigned x = 0; x < end;) {
        if (!same_look(c[x], pen))
            paint_pen(r, c[x]);
        pen = c[x];
        x += paint_cell(r, c, x, cols);
    }
    if (!same_look(pen, plain))
        paint_text(r, "\33[0m");
    if (end < cols)
        paint_text(r, "\33[K");
}

static void paint_charset(struct ring *r, uint8_t charset)
{
    paint(r, "\33(%c\33)%c%c", charset & TERM_GRAPHICS0 ? '0' : 'B', charset & TERM_GRAPHICS1 ? '0' : 'B',
          charset & TERM_SHIFT_OUT ? 0x0E : 0x0F);
}

static void paint_cursor(struct ring *r, const struct term_cursor *c)
{
    paint(r, "\33[%u;%uH", c->y + 1u, c->x + 1u);
    paint_charset(r, c->charset);
    paint_pen(r, c->pen);
}

void paint_alternate(struct ring *r, const struct term *t)
{
    paint_cursor(r, &t->main_cur);
    paint_text(r, "\33[?1049h\33(B\33)B\x0f\33[0m\33[2J");
}

/* Writes the last column again, so that the terminal too waits for the next character before it goes to the next line.
 */
static void paint_pending_wrap(struct ring *r, const struct term *t)
{
    const struct cell *c = term_row(t, t->cur.y, 0);
    unsigned x = t->cur.x;

    if (!c[x].ch && x) {
        x--;
        paint_text(r, "\b");
    }
    while (x < t->cols) {
        paint_pen(r, c[x]);
        x += paint_cell(r, c, x, t->cols);
    }
}

void paint_state(struct ring *r, const struct term *t)
{
    static const struct {
        uint16_t flag;
        const char *text;
    } modes[] = { { TERM_INSERT, "\33[4h" }, { TERM_NEWLINE, "\33[20h" }, { TERM_APP_PAD, "\33=" } };

    paint_cursor(r, &t->saved);
    paint_text(r, "\0337");
    if (t->region_top || t->region_end < t->rows)
        paint(r, "\33[%u;%ur", t->region_top + 1u, t->region_end);
    for (unsigned i = 0; i < TERM_MODES; i++)
        if ((t->modes ^ TERM_CURSOR) & term_modes[i].flag)
            paint(r, "\33[?%u%c", term_modes[i].number, t->modes & term_modes[i].flag ? 'h' : 'l');
    paint(r, "\33(B\x0f\33[%u;%uH", t->cur.y + 1u - (t->modes & TERM_ORIGIN ? t->region_top : 0u), t->cur.x + 1u);
    if (t->cur.wrap)
        paint_pending_wrap(r, t);
    paint_charset(r, t->cur.charset);
    paint_pen(r, t->cur.pen);
    for (unsigned i = 0; i < ARRAY_LEN(modes); i++)
        if (t->modes & modes[i].flag)
            paint_text(r, modes[i].text);
}
