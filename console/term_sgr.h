#pragma once
/* ESC [ ... m: for console/term.c. */
#include "io/console.h"

/* Applies n parameters to the pen. */
void term_sgr(struct cell *pen, const uint16_t *param, unsigned n);
