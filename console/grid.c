/* The grid of a terminal: cells, scrolling, the cursor, writing a character. */
#include "console/grid.h"
#include "base/str.h"

/* Ranges of Unicode that take no column, or two (UAX 11; the blocks Linux programs print). */
static const struct {
    uint32_t first, last;
    unsigned width;
} widths[] = {
    { 0x0300, 0x036F, 0 }, { 0x1100, 0x115F, 2 },   { 0x200B, 0x200F, 0 },   { 0x2028, 0x202E, 0 },
    { 0x2E80, 0x303E, 2 }, { 0x3041, 0xA4CF, 2 },   { 0xAC00, 0xD7A3, 2 },   { 0xF900, 0xFAFF, 2 },
    { 0xFE00, 0xFE0F, 0 }, { 0xFE30, 0xFE6F, 2 },   { 0xFEFF, 0xFEFF, 0 },   { 0xFF00, 0xFF60, 2 },
    { 0xFFE0, 0xFFE6, 2 }, { 0x1F300, 0x1F64F, 2 }, { 0x1F900, 0x1F9FF, 2 }, { 0x20000, 0x3FFFD, 2 },
};

unsigned term_width(uint32_t ch)
{
    for (unsigned i = 0; i < ARRAY_LEN(widths) && ch >= widths[i].first; i++)
        if (ch <= widths[i].last)
            return widths[i].width;
    return 1;
}

const struct cell *term_row(const struct term *t, unsigned y, uint32_t back)
{
    if (back > t->history)
        back = t->history;
    return t->lines + (size_t)((t->top + t->nlines - back + y) % t->nlines) * t->cols;
}

struct cell *grid_row(struct term *t, unsigned y) { return t->lines + (size_t)((t->top + y) % t->nlines) * t->cols; }

void grid_mark(struct term *t, unsigned y) { t->dirty[y] = TERM_DIRTY_ALL; }

void term_dirty_all(struct term *t, unsigned who)
{
    for (unsigned y = 0; y < t->rows; y++)
        t->dirty[y] |= (uint8_t)who;
}

/* Erased cells take the pen's background, as on xterm and the Linux console. */
void grid_erase(struct term *t, unsigned y, unsigned x, unsigned end)
{
    struct cell blank = { ' ', t->cur.pen.color & 0xF0, t->cur.pen.flags & CELL_BG };

    if (!(blank.flags & CELL_BG))
        blank.color = 0;
    for (struct cell *c = grid_row(t, y); x < end; x++)
        c[x] = blank;
    grid_mark(t, y);
}

static void copy_row(struct term *t, unsigned to, unsigned from)
{
    memcpy(grid_row(t, to), grid_row(t, from), t->cols * sizeof(struct cell));
    grid_mark(t, to);
}

/* --- scrolling --- */

/* Row 0 goes up into the history; rows from `end` on stay where they are on the screen. */
static void push_row(struct term *t, unsigned end)
{
    t->top = (t->top + 1) % t->nlines;
    if (t->history < t->nlines - t->rows)
        t->history++;
    t->scrolled++;
    for (unsigned y = t->rows - 1u; y >= end; y--)
        copy_row(t, y, y - 1);
    grid_erase(t, end - 1, 0, t->cols);
}

void grid_delete(struct term *t, unsigned top, unsigned end, unsigned n)
{
    n = min_u(n, end - top);
    for (unsigned y = top; y + n < end; y++)
        copy_row(t, y, y + n);
    for (unsigned y = end - n; y < end; y++)
        grid_erase(t, y, 0, t->cols);
}

void grid_scroll_up(struct term *t, unsigned top, unsigned end, unsigned n)
{
    if (top || t->modes & TERM_ALT) {
        grid_delete(t, top, end, n);
        return;
    }
    for (n = min_u(n, end); n; n--)
        push_row(t, end);
    for (unsigned y = 0; y < end; y++)
        grid_mark(t, y);
}

void grid_scroll_down(struct term *t, unsigned top, unsigned end, unsigned n)
{
    n = min_u(n, end - top);
    for (unsigned y = end; y-- > top + n;)
        copy_row(t, y, y - n);
    for (unsigned y = top; y < top + n; y++)
        grid_erase(t, y, 0, t->cols);
}

/* --- the cursor --- */

void grid_go(struct term *t, unsigned x, unsigned y)
{
    t->cur.x = (uint16_t)min_u(x, t->cols - 1u);
    t->cur.y = (uint16_t)min_u(y, t->rows - 1u);
    t->cur.wrap = false;
}

/* To a row as the guest counts it: from the region's top in origin mode. */
void grid_go_addressed(struct term *t, unsigned x, unsigned y)
{
    if (t->modes & TERM_ORIGIN)
        y = min_u(t->region_top + y, t->region_end - 1u);
    grid_go(t, x, y);
}

void grid_go_up(struct term *t, unsigned n)
{
    unsigned limit = t->cur.y >= t->region_top ? t->region_top : 0;
    grid_go(t, t->cur.x, t->cur.y - limit < n ? limit : t->cur.y - n);
}

void grid_go_down(struct term *t, unsigned n)
{
    unsigned limit = t->cur.y < t->region_end ? t->region_end - 1u : t->rows - 1u;
    grid_go(t, t->cur.x, min_u(t->cur.y + n, limit));
}

void grid_index_down(struct term *t)
{
    t->cur.wrap = false;
    if (t->cur.y + 1u == t->region_end)
        grid_scroll_up(t, t->region_top, t->region_end, 1);
    else
        grid_go_down(t, 1);
}

void grid_index_up(struct term *t)
{
    t->cur.wrap = false;
    if (t->cur.y == t->region_top)
        grid_scroll_down(t, t->region_top, t->region_end, 1);
    else
        grid_go_up(t, 1);
}

void grid_cursor_save(struct term *t, struct term_cursor *to)
{
    *to = t->cur;
    to->wrap = false;
}

void grid_cursor_restore(struct term *t, const struct term_cursor *from)
{
    unsigned y = from->y;

    t->cur = *from;
    if (t->modes & TERM_ORIGIN)
        t->cur.y = (uint16_t)max_u(t->region_top, min_u(y, t->region_end - 1u));
}

/* --- characters --- */

void grid_insert(struct term *t, unsigned n)
{
    struct cell *c = grid_row(t, t->cur.y);
    unsigned x = t->cur.x;

    n = min_u(n, t->cols - x);
    memmove(c + x + n, c + x, (t->cols - x - n) * sizeof *c);
    grid_erase(t, t->cur.y, x, x + n);
}

void grid_put(struct term *t, uint32_t ch)
{
    unsigned w = term_width(ch);
    struct cell *c;

    if (!w)
        return;
    if (t->cur.wrap || t->cur.x + w > t->cols) {
        if (t->modes & TERM_WRAP) {
            grid_index_down(t);
            t->cur.x = 0;
        }
        t->cur.x = (uint16_t)min_u(t->cur.x, t->cols - w);
    }
    if (t->modes & TERM_INSERT)
        grid_insert(t, w);
    c = grid_row(t, t->cur.y) + t->cur.x;
    c[0] = c[w - 1] = t->cur.pen;
    c[w - 1].ch = 0;
    c[0].ch = t->last = ch > 0xFFFF ? 0xFFFD : (uint16_t)ch;
    grid_mark(t, t->cur.y);
    t->cur.wrap = t->cur.x + w == t->cols && (t->modes & TERM_WRAP);
    t->cur.x = (uint16_t)min_u(t->cur.x + w, t->cols - 1u);
}

/* --- the alternate screen --- */

void grid_swap(struct term *t, bool alt)
{
    size_t bytes = t->cols * sizeof(struct cell);

    if (alt == !!(t->modes & TERM_ALT))
        return;
    t->modes ^= TERM_ALT;
    t->swaps++;
    if (alt)
        grid_cursor_save(t, &t->main_cur);
    for (unsigned y = 0; y < t->rows; y++) {
        if (alt)
            memcpy(t->main + y * t->cols, grid_row(t, y), bytes);
        else
            memcpy(grid_row(t, y), t->main + y * t->cols, bytes);
        if (alt)
            grid_erase(t, y, 0, t->cols);
    }
    if (!alt)
        grid_cursor_restore(t, &t->main_cur);
    term_dirty_all(t, TERM_DIRTY_ALL);
}
