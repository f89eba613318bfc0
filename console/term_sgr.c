/* Select graphic rendition: how colours and attributes get into a cell (ECMA-48 8.3.117, xterm). */
#include "console/term_sgr.h"
#include "console/grid.h"

/* The nearest of the 16 colours. */
static unsigned color_of_rgb(unsigned r, unsigned g, unsigned b)
{
    unsigned high = max_u(r, max_u(g, b)), low = min_u(r, min_u(g, b)), cut = high / 2 + 1;

    if (high - low < 32) /* a grey */
        return high < 48 ? 0 : high < 144 ? 8 : high < 224 ? 7 : 15;
    return (r >= cut ? 1u : 0) | (g >= cut ? 2u : 0) | (b >= cut ? 4u : 0) | (high > 208 ? 8u : 0);
}

/* xterm's 256 colours: 16 named, a cube of 6 x 6 x 6, 24 greys. */
static unsigned color_of_256(unsigned n)
{
    static const uint8_t level[6] = { 0, 95, 135, 175, 215, 255 };
    unsigned grey = 8 + 10 * (n - 232);

    if (n < 16)
        return n;
    if (n >= 232)
        return color_of_rgb(grey, grey, grey);
    n -= 16;
    return color_of_rgb(level[n / 36], level[n / 6 % 6], level[n % 6]);
}

static void set_color(struct cell *pen, bool background, unsigned color)
{
    unsigned shift = background ? 4 : 0;

    pen->color = (uint8_t)((pen->color & (background ? 0x0F : 0xF0)) | color << shift);
    pen->flags |= background ? CELL_BG : CELL_FG;
}

static void set_default(struct cell *pen, bool background)
{
    set_color(pen, background, 0);
    pen->flags &= (uint8_t) ~(background ? CELL_BG : CELL_FG);
}

/* 38 and 48: ;5;n or ;2;r;g;b. Returns how many parameters it took. */
static unsigned set_long_color(struct cell *pen, const uint16_t *p, unsigned n)
{
    bool background = p[0] == 48;

    if (n >= 3 && p[1] == 5) {
        set_color(pen, background, color_of_256(p[2] & 255));
        return 3;
    }
    if (n >= 5 && p[1] == 2) {
        set_color(pen, background, color_of_rgb(p[2] & 255, p[3] & 255, p[4] & 255));
        return 5;
    }
    return n;
}

void term_sgr(struct cell *pen, const uint16_t *param, unsigned n)
{
    static const uint8_t on[8] = { 0,          CELL_BOLD,  CELL_DIM,    CELL_ITALIC, CELL_UNDERLINE,
                                   CELL_BLINK, CELL_BLINK, CELL_REVERSE };

    for (unsigned i = 0, took; i < n; i += took) {
        unsigned p = param[i], tens = p / 10, unit = p % 10;
        took = 1;
        if (p == 0)
            *pen = (struct cell){ .ch = ' ' };
        else if (p < 8)
            pen->flags |= on[p];
        else if (p == 22)
            pen->flags &= (uint8_t) ~(CELL_BOLD | CELL_DIM);
        else if (p >= 20 && p < 28)
            pen->flags &= (uint8_t)~on[unit];
        else if (p == 38 || p == 48)
            took = set_long_color(pen, param + i, n - i);
        else if (p == 39 || p == 49)
            set_default(pen, p == 49);
        else if ((tens == 3 || tens == 4) && unit < 8)
            set_color(pen, tens == 4, unit);
        else if ((tens == 9 || tens == 10) && unit < 8)
            set_color(pen, tens == 10, unit + 8);
    }
}
