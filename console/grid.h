#pragma once
/* What a terminal does to its cells; for console/term*.c only. Coordinates count from 0 and must lie in the grid unless
 * it says otherwise; n is at least 1 and may be too large. */
#include "console/term.h"

static inline unsigned min_u(unsigned a, unsigned b)
{
    return a < b ? a : b;
}
static inline unsigned max_u(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

struct cell *grid_row(struct term *, unsigned y);
void grid_mark(struct term *, unsigned y); /* the row changed */
/* Columns [x, end) of row y become blank. */
void grid_erase(struct term *, unsigned y, unsigned x, unsigned end);

/* Rows [top, end) move; what goes out at the top of the main screen becomes history. */
void grid_scroll_up(struct term *, unsigned top, unsigned end, unsigned n);
/* The same without history: lines are deleted. */
void grid_delete(struct term *, unsigned top, unsigned end, unsigned n);
void grid_scroll_down(struct term *, unsigned top, unsigned end, unsigned n);

/* The cursor; positions and steps are cut to the screen and, going up and down, to the scroll region. */
void grid_go(struct term *, unsigned x, unsigned y);
void grid_go_addressed(struct term *, unsigned x, unsigned y); /* y counts from the region's top in origin mode */
void grid_go_up(struct term *, unsigned n);
void grid_go_down(struct term *, unsigned n);
void grid_index_down(struct term *); /* one down, scrolling at the region's end */
void grid_index_up(struct term *);
void grid_cursor_save(struct term *, struct term_cursor *to);
void grid_cursor_restore(struct term *, const struct term_cursor *from);

void grid_insert(struct term *, unsigned n); /* n blanks at the cursor */
void grid_put(struct term *, uint32_t ch);   /* writes a character and moves on */
void grid_swap(struct term *, bool alt);     /* shows the alternate screen, or the main one again */
