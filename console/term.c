/* The terminal's language: bytes become characters, control functions and escape sequences, which act on the grid. */
#include "console/grid.h"
#include "console/term_sgr.h"
#include "base/fmt.h"
#include "base/panic.h"
#include "base/str.h"

enum { TEXT, ESCAPE, SKIP_ONE, CSI, STRING };

const struct term_mode term_modes[TERM_MODES] = {
    { 1, TERM_APP_KEYS },     { 6, TERM_ORIGIN },         { 7, TERM_WRAP },
    { 25, TERM_CURSOR },      { 1000, TERM_MOUSE_PRESS }, { 1002, TERM_MOUSE_DRAG },
    { 1003, TERM_MOUSE_ANY }, { 1006, TERM_MOUSE_SGR },   { 2004, TERM_PASTE },
};

/* DEC special graphics, 0x5F-0x7E (VT220 manual, table 2-4). */
static const uint16_t graphics[32] = {
    ' ',    0x25C6, 0x2592, 0x2409, 0x240C, 0x240D, 0x240A, 0x00B0, 0x00B1, 0x2424, 0x240B,
    0x2518, 0x2510, 0x250C, 0x2514, 0x253C, 0x23BA, 0x23BB, 0x2500, 0x23BC, 0x23BD, 0x251C,
    0x2524, 0x2534, 0x252C, 0x2502, 0x2264, 0x2265, 0x03C0, 0x2260, 0x00A3, 0x00B7,
};

/* --- characters --- */

static void put_ascii(struct term *t, uint8_t c)
{
    uint8_t set = t->cur.charset;
    bool drawing = set & TERM_SHIFT_OUT ? set & TERM_GRAPHICS1 : set & TERM_GRAPHICS0;

    grid_put(t, drawing && c >= 0x5F ? graphics[c - 0x5F] : c);
}

/* One byte of a multi-byte character (RFC 3629). What is wrong becomes U+FFFD. */
static void put_utf8(struct term *t, uint8_t b)
{
    if (b < 0xC0) { /* continuation */
        if (!t->utf8_left) {
            grid_put(t, 0xFFFD);
            return;
        }
        t->utf8 = t->utf8 << 6 | (b & 0x3F);
        if (--t->utf8_left)
            return;
        bool bad = t->utf8 < t->utf8_min || t->utf8 > 0x10FFFF || (t->utf8 >= 0xD800 && t->utf8 < 0xE000);
        if (bad)
            grid_put(t, 0xFFFD);
        else if (t->utf8 >= 0xA0) /* below: C1 controls, not used with UTF-8 */
            grid_put(t, t->utf8);
        return;
    }
    if (b >= 0xF8) {
        grid_put(t, 0xFFFD);
        return;
    }
    t->utf8_left = b < 0xE0 ? 1 : b < 0xF0 ? 2 : 3;
    t->utf8_min = b < 0xE0 ? 0x80 : b < 0xF0 ? 0x800 : 0x10000;
    t->utf8 = b & (0x3Fu >> t->utf8_left);
}

/* --- modes --- */

static void soft_reset(struct term *t)
{
    t->modes = (t->modes & TERM_ALT) | TERM_MODES_DEFAULT;
    t->region_top = 0;
    t->region_end = t->rows;
    t->cur.pen = (struct cell){ .ch = ' ' };
    t->cur.charset = 0;
    t->cur.wrap = false;
    t->saved = (struct term_cursor){ .pen = t->cur.pen };
}

static void set_private_mode(struct term *t, unsigned number, bool on)
{
    if (number == 47 || number == 1047 || number == 1049)
        grid_swap(t, on);
    if (number == 1048 && on)
        grid_cursor_save(t, &t->saved);
    if (number == 1048 && !on)
        grid_cursor_restore(t, &t->saved);
    for (unsigned i = 0; i < TERM_MODES; i++)
        if (term_modes[i].number == number)
            t->modes = (uint16_t)(on ? t->modes | term_modes[i].flag : t->modes & ~term_modes[i].flag);
    if (number == 6)
        grid_go_addressed(t, 0, 0);
    if (number == 7 && !on)
        t->cur.wrap = false;
    if (number == 25)
        grid_mark(t, t->cur.y);
}

static void set_modes(struct term *t, bool on)
{
    for (unsigned i = 0; i < t->nparams; i++) {
        unsigned flag = t->param[i] == 4 ? TERM_INSERT : t->param[i] == 20 ? TERM_NEWLINE : 0;
        if (t->prefix == '?')
            set_private_mode(t, t->param[i], on);
        else
            t->modes = (uint16_t)(on ? t->modes | flag : t->modes & ~flag);
    }
}

/* --- control sequences: ESC [ parameters letter; n is the first parameter, at least 1 --- */

static void reply(struct term *t, const char *text)
{
    size_t n = strlen(text);

    if (t->nreply + n > sizeof t->reply)
        return;
    memcpy(t->reply + t->nreply, text, n);
    t->nreply += (uint8_t)n;
}

static unsigned second(const struct term *t) { return t->nparams > 1 && t->param[1] ? t->param[1] : 1; }

static void csi_insert_chars(struct term *t, unsigned n)
{
    t->cur.wrap = false;
    grid_insert(t, n);
}
static void csi_right(struct term *t, unsigned n) { grid_go(t, t->cur.x + n, t->cur.y); }
static void csi_left(struct term *t, unsigned n) { grid_go(t, t->cur.x < n ? 0 : t->cur.x - n, t->cur.y); }
static void csi_next_line(struct term *t, unsigned n)
{
    grid_go_down(t, n);
    t->cur.x = 0;
}
static void csi_previous_line(struct term *t, unsigned n)
{
    grid_go_up(t, n);
    t->cur.x = 0;
}
static void csi_column(struct term *t, unsigned n) { grid_go(t, n - 1, t->cur.y); }
static void csi_row(struct term *t, unsigned n) { grid_go_addressed(t, t->cur.x, n - 1); }
static void csi_position(struct term *t, unsigned n) { grid_go_addressed(t, second(t) - 1, n - 1); }
static void csi_tab(struct term *t, unsigned n) { grid_go(t, (t->cur.x / 8 + n) * 8, t->cur.y); }
static void csi_back_tab(struct term *t, unsigned n)
{
    unsigned stop = (t->cur.x + 7u) / 8;
    grid_go(t, stop < n ? 0 : (stop - n) * 8, t->cur.y);
}
static void csi_erase_screen(struct term *t, unsigned)
{
    unsigned from = 0, end = t->rows, what = t->param[0];

    if (what == 0) {
        grid_erase(t, t->cur.y, t->cur.x, t->cols);
        from = t->cur.y + 1u;
    } else if (what == 1) {
        grid_erase(t, t->cur.y, 0, t->cur.x + 1u);
        end = t->cur.y;
    } else if (what == 3) { /* xterm: the scrollback only */
        t->history = 0;
        return;
    } else if (what != 2) {
        return;
    }
    t->cur.wrap = false;
    for (unsigned y = from; y < end; y++)
        grid_erase(t, y, 0, t->cols);
}
static void csi_erase_line(struct term *t, unsigned)
{
    unsigned what = t->param[0];

    if (what > 2)
        return;
    grid_erase(t, t->cur.y, what == 0 ? t->cur.x : 0, what == 1 ? t->cur.x + 1u : t->cols);
    t->cur.wrap = false;
}
static void csi_insert_lines(struct term *t, unsigned n)
{
    if (t->cur.y < t->region_top || t->cur.y >= t->region_end)
        return;
    grid_scroll_down(t, t->cur.y, t->region_end, n);
    grid_go(t, 0, t->cur.y);
}
static void csi_delete_lines(struct term *t, unsigned n)
{
    if (t->cur.y < t->region_top || t->cur.y >= t->region_end)
        return;
    grid_delete(t, t->cur.y, t->region_end, n);
    grid_go(t, 0, t->cur.y);
}
static void csi_delete_chars(struct term *t, unsigned n)
{
    struct cell *c = grid_row(t, t->cur.y);
    unsigned x = t->cur.x;

    n = min_u(n, t->cols - x);
    memmove(c + x, c + x + n, (t->cols - x - n) * sizeof *c);
    grid_erase(t, t->cur.y, t->cols - n, t->cols);
    t->cur.wrap = false;
}
static void csi_erase_chars(struct term *t, unsigned n)
{
    grid_erase(t, t->cur.y, t->cur.x, min_u(t->cur.x + n, t->cols));
    t->cur.wrap = false;
}
static void csi_scroll_up(struct term *t, unsigned n) { grid_scroll_up(t, t->region_top, t->region_end, n); }
static void csi_scroll_down(struct term *t, unsigned n)
{
    if (t->nparams == 1) /* with more it is mouse tracking */
        grid_scroll_down(t, t->region_top, t->region_end, n);
}
static void csi_repeat(struct term *t, unsigned n)
{
    for (n = min_u(n, t->cols); n && t->last; n--)
        grid_put(t, t->last);
}
static void csi_set_modes(struct term *t, unsigned) { set_modes(t, true); }
static void csi_reset_modes(struct term *t, unsigned) { set_modes(t, false); }
static void csi_region(struct term *t, unsigned n)
{
    unsigned end = t->nparams > 1 && t->param[1] ? t->param[1] : t->rows;

    end = min_u(end, t->rows);
    if (n >= end)
        return;
    t->region_top = (uint16_t)(n - 1);
    t->region_end = (uint16_t)end;
    grid_go_addressed(t, 0, 0);
}
static void csi_save(struct term *t, unsigned) { grid_cursor_save(t, &t->saved); }
static void csi_restore(struct term *t, unsigned) { grid_cursor_restore(t, &t->saved); }
static void csi_rendition(struct term *t, unsigned) { term_sgr(&t->cur.pen, t->param, t->nparams); }
static void csi_report(struct term *t, unsigned n)
{
    char text[24];
    unsigned y = t->cur.y - (t->modes & TERM_ORIGIN ? t->region_top : 0u);

    if (n == 5)
        reply(t, "\33[0n");
    if (n != 6)
        return;
    fmt_text(text, sizeof text, "\33[%u;%uR", y + 1u, t->cur.x + 1u);
    reply(t, text);
}
static void csi_attributes(struct term *t, unsigned) { reply(t, "\33[?62;22c"); } /* a VT220 with ANSI colour */

static const struct {
    char letter;
    bool or_private; /* also with the prefix '?' */
    void (*fn)(struct term *, unsigned n);
} sequences[] = {
    { '@', false, csi_insert_chars },  { 'A', false, grid_go_up },       { 'B', false, grid_go_down },
    { 'C', false, csi_right },         { 'D', false, csi_left },         { 'E', false, csi_next_line },
    { 'F', false, csi_previous_line }, { 'G', false, csi_column },       { 'H', false, csi_position },
    { 'I', false, csi_tab },           { 'J', true, csi_erase_screen },  { 'K', true, csi_erase_line },
    { 'L', false, csi_insert_lines },  { 'M', false, csi_delete_lines }, { 'P', false, csi_delete_chars },
    { 'S', false, csi_scroll_up },     { 'T', false, csi_scroll_down },  { 'X', false, csi_erase_chars },
    { 'Z', false, csi_back_tab },      { '`', false, csi_column },       { 'a', false, csi_right },
    { 'b', false, csi_repeat },        { 'c', false, csi_attributes },   { 'd', false, csi_row },
    { 'e', false, grid_go_down },      { 'f', false, csi_position },     { 'h', true, csi_set_modes },
    { 'l', true, csi_reset_modes },    { 'm', false, csi_rendition },    { 'n', false, csi_report },
    { 'r', false, csi_region },        { 's', false, csi_save },         { 'u', false, csi_restore },
};

static void csi_run(struct term *t, char letter)
{
    if (t->intermediate == '!' && letter == 'p')
        soft_reset(t);
    if (t->intermediate || (t->prefix && t->prefix != '?'))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(sequences); i++)
        if (sequences[i].letter == letter && (!t->prefix || sequences[i].or_private))
            sequences[i].fn(t, max_u(t->param[0], 1));
}

static void csi_byte(struct term *t, uint8_t b)
{
    uint16_t *p = &t->param[t->nparams - 1];

    if (b >= '0' && b <= '9') {
        if (*p < 5000)
            *p = (uint16_t)(*p * 10 + (b - '0'));
    } else if (b == ';' || b == ':') {
        if (t->nparams < TERM_PARAMS)
            t->param[t->nparams++] = 0;
    } else if (b >= '<' && b <= '?') {
        t->prefix = (char)b;
    } else if (b < 0x30) {
        t->intermediate = (char)b;
    } else {
        t->state = TEXT;
        csi_run(t, (char)b);
    }
}

/* --- escape sequences --- */

static void full_reset(struct term *t)
{
    grid_swap(t, false);
    soft_reset(t);
    grid_go(t, 0, 0);
    for (unsigned y = 0; y < t->rows; y++)
        grid_erase(t, y, 0, t->cols);
}

static void set_charset(struct term *t, uint8_t which, bool drawing)
{
    uint8_t bit = which == '(' ? TERM_GRAPHICS0 : which == ')' ? TERM_GRAPHICS1 : 0;

    t->cur.charset = (uint8_t)(drawing ? t->cur.charset | bit : t->cur.charset & ~bit);
}

static void escape_byte(struct term *t, uint8_t b)
{
    t->state = TEXT;
    switch (b) {
    case '[':
        t->state = CSI;
        t->prefix = t->intermediate = 0;
        t->nparams = 1;
        t->param[0] = 0;
        break;
    case ']': /* OSC, DCS, SOS, PM, APC: text up to ESC \ or BEL, none of it for us */
    case 'P':
    case 'X':
    case 'k': /* screen's title */
    case '^':
    case '_':
        t->state = STRING;
        break;
    case '7':
        grid_cursor_save(t, &t->saved);
        break;
    case '8':
        grid_cursor_restore(t, &t->saved);
        break;
    case 'D':
        grid_index_down(t);
        break;
    case 'E':
        grid_index_down(t);
        t->cur.x = 0;
        break;
    case 'M':
        grid_index_up(t);
        break;
    case 'c':
        full_reset(t);
        break;
    case '=':
        t->modes |= TERM_APP_PAD;
        break;
    case '>':
        t->modes &= (uint16_t)~TERM_APP_PAD;
        break;
    default:
        if (b >= 0x20 && b < 0x30) { /* ESC ( 0 and its like: one more byte */
            t->intermediate = (char)b;
            t->state = SKIP_ONE;
        }
    }
}

/* --- bytes --- */

static void control(struct term *t, uint8_t b)
{
    switch (b) {
    case '\b':
        if (t->cur.x)
            t->cur.x--;
        t->cur.wrap = false;
        break;
    case '\t':
        if (!t->cur.wrap)
            csi_tab(t, 1);
        break;
    case '\n':
    case '\v':
    case '\f':
        grid_index_down(t);
        if (t->modes & TERM_NEWLINE)
            t->cur.x = 0;
        break;
    case '\r':
        t->cur.x = 0;
        t->cur.wrap = false;
        break;
    case 0x0E:
        t->cur.charset |= TERM_SHIFT_OUT;
        break;
    case 0x0F:
        t->cur.charset &= (uint8_t)~TERM_SHIFT_OUT;
        break;
    case 0x18: /* CAN, SUB: forget the sequence */
    case 0x1A:
        t->state = TEXT;
        break;
    case 0x1B:
        t->state = ESCAPE;
        break;
    }
}

static void text_byte(struct term *t, uint8_t b)
{
    if (t->utf8_left && (b & 0xC0) != 0x80) {
        t->utf8_left = 0;
        grid_put(t, 0xFFFD);
    }
    if (b >= 0x80)
        put_utf8(t, b);
    else if (b >= 0x20 && b != 0x7F)
        put_ascii(t, b);
    else
        control(t, b);
}

static void byte(struct term *t, uint8_t b)
{
    if (t->state == TEXT) {
        text_byte(t, b);
    } else if (t->state == STRING) {
        if (b == 7 || b == 0x18 || b == 0x1A || b == 0x1B)
            t->state = b == 0x1B ? ESCAPE : TEXT; /* ESC \ is then an escape that does nothing */
    } else if (b < 0x20) {
        control(t, b); /* acts in the middle of a sequence, as on a VT220 */
    } else if (b >= 0x7F) {
        t->state = b == 0x7F ? t->state : TEXT;
    } else if (t->state == ESCAPE) {
        escape_byte(t, b);
    } else if (t->state == SKIP_ONE) {
        t->state = TEXT;
        set_charset(t, (uint8_t)t->intermediate, b == '0');
    } else {
        csi_byte(t, b);
    }
}

bool term_between(const struct term *t) { return t->state == TEXT && !t->utf8_left; }

void term_write(struct term *t, const uint8_t *bytes, size_t n)
{
    while (n--)
        byte(t, *bytes++);
}

void term_init(struct term *t, unsigned cols, unsigned rows, void *mem, size_t bytes)
{
    size_t lines = bytes / (cols * sizeof(struct cell));

    ASSERT(cols >= 2 && cols <= TERM_COLS_MAX && rows >= 2 && rows <= TERM_ROWS_MAX && lines > 2 * rows);
    *t = (struct term){ .cols = (uint16_t)cols, .rows = (uint16_t)rows, .lines = mem };
    t->nlines = (uint32_t)(lines - rows);
    t->main = t->lines + (size_t)t->nlines * cols;
    full_reset(t);
}
