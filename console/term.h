#pragma once
/* A terminal: the bytes a guest writes become a grid of cells with scrollback. It understands what Linux consoles,
 * systemd, agetty, readline and full-screen programs send to a vt220, linux or xterm terminal (ECMA-48, xterm's
 * ctlseqs). It keeps all state a real terminal would keep, so that console/paint.c can bring a real one to the same
 * state. No locking, no allocation: the owner's lock guards it, the owner gives the memory. The input is hostile. */
#include "io/console.h"

#define TERM_COLS_MAX 240
#define TERM_ROWS_MAX 80
#define TERM_PARAMS 16

/* who wants to know which rows changed: bits of term.dirty[] */
#define TERM_DIRTY_SCREEN 1u
#define TERM_DIRTY_SERIAL 2u
#define TERM_DIRTY_ALL 3u

/* term.modes */
#define TERM_APP_KEYS BIT(0) /* cursor keys send ESC O A, not ESC [ A */
#define TERM_ORIGIN BIT(1)   /* cursor positions count from the scroll region */
#define TERM_WRAP BIT(2)
#define TERM_CURSOR BIT(3) /* the cursor shows */
#define TERM_MOUSE_PRESS BIT(4)
#define TERM_MOUSE_DRAG BIT(5)
#define TERM_MOUSE_ANY BIT(6)
#define TERM_MOUSE_SGR BIT(7)
#define TERM_PASTE BIT(8)
#define TERM_APP_PAD BIT(9)
#define TERM_INSERT BIT(10)
#define TERM_NEWLINE BIT(11) /* line feed returns the carriage too */
#define TERM_ALT BIT(12)     /* the alternate screen shows */
#define TERM_MODES_DEFAULT (TERM_WRAP | TERM_CURSOR)

/* The modes that are set by ESC [ ? number h and reset by ... l. */
struct term_mode {
    uint16_t number;
    uint16_t flag;
};
#define TERM_MODES 9
extern const struct term_mode term_modes[TERM_MODES];

#define TERM_GRAPHICS0 1u /* charset bits: G0 is the line-drawing set; G1 is; G1 is in use (shift out) */
#define TERM_GRAPHICS1 2u
#define TERM_SHIFT_OUT 4u

struct term_cursor {
    uint16_t x, y;
    struct cell pen; /* what is written looks like this; ch is always ' ' */
    uint8_t charset;
    bool wrap; /* the last column was written: the next character goes to the next line */
};

struct term {
    /* fixed after init */
    uint16_t cols, rows;
    struct cell *lines; /* a ring of nlines lines; the screen is the `rows` lines from `top` on */
    uint32_t nlines;
    struct cell *main; /* the main screen's rows while the alternate one shows */

    uint32_t top;
    uint32_t history;  /* lines above the screen that may be looked at */
    uint32_t swaps;    /* how often the two screens were swapped */
    uint64_t scrolled; /* how many lines have ever gone up there */
    struct term_cursor cur, saved, main_cur;
    uint16_t region_top, region_end; /* the rows that scroll; end is exclusive */
    uint16_t modes;
    uint8_t dirty[TERM_ROWS_MAX];

    /* parser */
    uint8_t state;
    char prefix, intermediate;
    uint8_t nparams;
    uint16_t param[TERM_PARAMS];
    uint8_t utf8_left; /* continuation bytes still to come */
    uint32_t utf8, utf8_min;
    uint16_t last; /* the last character written, for REP */

    /* answers to the guest's questions, until the owner takes them */
    char reply[32];
    uint8_t nreply;
};

/* 2 <= cols <= TERM_COLS_MAX, 2 <= rows <= TERM_ROWS_MAX; mem is kept and holds at least 2 * rows + 1 lines of cells:
 * what is above that is scrollback. */
void term_init(struct term *, unsigned cols, unsigned rows, void *mem, size_t bytes);
void term_write(struct term *, const uint8_t *bytes, size_t n);
/* Row y of the screen as it was `back` lines ago; back is cut to term.history. */
const struct cell *term_row(const struct term *, unsigned y, uint32_t back);
/* False in the middle of a sequence or a character. */
bool term_between(const struct term *);
void term_dirty_all(struct term *, unsigned who);
/* Columns a character takes: 0, 1 or 2. */
unsigned term_width(uint32_t ch);
