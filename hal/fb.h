#pragma once
/* Text on a linear frame buffer: the firmware's, 32 bits a pixel. CPU 0 only; no lock. */
#include "base/err.h"
#include "io/console.h"

struct fb_mode {
    uint32_t *base;                             /* mapped for writing */
    uint32_t width, height, pitch;              /* pixels, pixels, bytes */
    uint8_t red_shift, green_shift, blue_shift; /* of 8-bit channels in a pixel */
};

struct fb {
    struct screen screen;
    struct fb_mode mode;
    unsigned cols, rows; /* cells that are shown */
    unsigned scale;      /* pixels of the screen for one of the font, each way */
    unsigned left, top;  /* of the text, in pixels: it is in the middle */
    uint32_t color[16];
    struct cell *drawn; /* what stands on the screen now */
    unsigned print_x, print_y;
};

/* Clears the screen for cols x rows cells, as large as whole-number scaling makes them; cells that do not fit are cut.
 * ERR_INVAL: not a mode we can draw in; ERR_NOMEM. */
MUST_USE err_t fb_init(struct fb *, const struct fb_mode *, unsigned cols, unsigned rows);
/* Writes text from where the last fb_print() stopped, over whatever is there: for a panic. Takes no lock. */
void fb_print(struct fb *, const char *text);
