#pragma once
/* Brings a real terminal to the state of a struct term: its text, then its modes, scroll region, character sets and
 * cursor, so that the guest's further bytes can go to it unchanged. Pure: appends to a ring that must have the room
 * said. */
#include "base/ring.h"
#include "console/term.h"

#define PAINT_RESET_MAX 192u
#define PAINT_STATE_MAX 256u
/* The most a row may take: each cell with colours of its own. */
static inline unsigned paint_row_max(unsigned cols)
{
    return 28 * cols + 32;
}

#define PAINT_ABORT "\x18\33\\" /* ends a sequence or string the terminal is in the middle of */
/* Every mode to its default; the cursor goes anywhere. */
#define PAINT_PLAIN "\33[4l\33[20l\33[?1;6;1000;1002;1003;1006;2004l\33[?7;25h\33>\33(B\33)B\x0f\33[r\33[m"

/* Ends whatever sequence the terminal is in the middle of, sets every mode to its default, clears the screen. */
void paint_reset(struct ring *);
/* Where the blanks at the end of a row begin. */
unsigned paint_row_end(const struct cell *, unsigned cols);
/* Row y, after paint_reset(). */
void paint_row(struct ring *, const struct cell *, unsigned cols, unsigned y);
/* After the main screen's rows, when the guest is on the alternate screen: goes there. */
void paint_alternate(struct ring *, const struct term *);
/* The rest, after all rows. */
void paint_state(struct ring *, const struct term *);
void paint_text(struct ring *, const char *);
