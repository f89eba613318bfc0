/* Cells to pixels. Only cells that changed are drawn: the frame buffer is slow to write and slower to read. */
#include "hal/fb.h"
#include "base/str.h"
#include "ground/ground.h"
#include "hal/font.h"

/* The colours of a PC's text mode, in ANSI order. */
static const uint8_t palette[16][3] = {
    { 0, 0, 0 },     { 170, 0, 0 },     { 0, 170, 0 },    { 170, 85, 0 },    { 0, 0, 170 },   { 170, 0, 170 },
    { 0, 170, 170 }, { 170, 170, 170 }, { 85, 85, 85 },   { 255, 85, 85 },   { 85, 255, 85 }, { 255, 255, 85 },
    { 85, 85, 255 }, { 255, 85, 255 },  { 85, 255, 255 }, { 255, 255, 255 },
};

static const uint8_t *glyph(uint16_t ch)
{
    unsigned low = 0, high = font_glyphs;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (font_code[mid] < ch)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < font_glyphs && font_code[low] == ch)
        return font_rows[low];
    return ch ? glyph('?') : glyph(' ');
}

static void cell_colors(const struct fb *f, struct cell c, uint32_t *fg, uint32_t *bg)
{
    unsigned fore = c.flags & CELL_FG ? c.color & 15 : 7, back = c.flags & CELL_BG ? c.color >> 4 : 0, swap;

    if (c.flags & CELL_BOLD && fore < 8)
        fore += 8;
    else if (c.flags & CELL_DIM)
        fore = 8;
    if (c.flags & CELL_REVERSE) {
        swap = fore;
        fore = back;
        back = swap;
    }
    *fg = f->color[fore];
    *bg = f->color[back];
}

static void draw_cell(struct fb *f, unsigned x, unsigned y, struct cell c)
{
    const uint8_t *rows = glyph(c.ch);
    unsigned n = f->scale;
    uint8_t *line = (uint8_t *)f->mode.base + (size_t)(f->top + y * FONT_HEIGHT * n) * f->mode.pitch;
    uint32_t fg, bg;

    cell_colors(f, c, &fg, &bg);
    for (unsigned i = 0; i < FONT_HEIGHT * n; i++, line += f->mode.pitch) {
        uint32_t *pixel = (uint32_t *)(void *)line + f->left + x * FONT_WIDTH * n;
        uint8_t bits = c.flags & CELL_UNDERLINE && i / n == FONT_HEIGHT - 2 ? 0xFF : rows[i / n];
        for (unsigned j = 0; j < FONT_WIDTH * n; j++)
            pixel[j] = bits >> (7 - j / n) & 1 ? fg : bg;
    }
}

static void draw_at(struct fb *f, unsigned x, unsigned y, struct cell c)
{
    struct cell *drawn = &f->drawn[y * f->cols + x];

    if (!memcmp(drawn, &c, sizeof c))
        return;
    *drawn = c;
    draw_cell(f, x, y, c);
}

static void fb_draw(struct screen *s, unsigned y, const struct cell *cells, unsigned n)
{
    struct fb *f = container_of(s, struct fb, screen);

    for (unsigned x = 0; y < f->rows && x < n && x < f->cols; x++)
        draw_at(f, x, y, cells[x]);
}

static const struct screen_ops fb_ops = { .draw = fb_draw };

static bool mode_usable(const struct fb_mode *m)
{
    return m->base && m->width >= FONT_WIDTH && m->width <= 32768 && m->height >= FONT_HEIGHT && m->height <= 32768 &&
           m->pitch / 4 >= m->width && m->pitch % 4 == 0 && m->red_shift <= 24 && m->green_shift <= 24 &&
           m->blue_shift <= 24;
}

err_t fb_init(struct fb *f, const struct fb_mode *mode, unsigned cols, unsigned rows)
{
    if (!mode_usable(mode) || !cols || !rows)
        return ERR_INVAL;
    unsigned fit_x = mode->width / (cols * FONT_WIDTH), fit_y = mode->height / (rows * FONT_HEIGHT);
    unsigned scale = (unsigned)max_u64(min_u64(fit_x, fit_y), 1);
    *f = (struct fb){ .screen.ops = &fb_ops, .mode = *mode, .scale = scale };
    f->cols = (unsigned)min_u64(cols, mode->width / (FONT_WIDTH * scale));
    f->rows = (unsigned)min_u64(rows, mode->height / (FONT_HEIGHT * scale));
    f->left = (mode->width - f->cols * FONT_WIDTH * scale) / 2;
    f->top = (mode->height - f->rows * FONT_HEIGHT * scale) / 2;
    f->drawn = ground_alloc(f->cols * f->rows * sizeof *f->drawn);
    if (!f->drawn)
        return ERR_NOMEM;
    for (unsigned i = 0; i < 16; i++)
        f->color[i] = (uint32_t)palette[i][0] << mode->red_shift | (uint32_t)palette[i][1] << mode->green_shift |
                      (uint32_t)palette[i][2] << mode->blue_shift;
    for (unsigned y = 0; y < mode->height; y++)
        memset((uint8_t *)mode->base + (size_t)y * mode->pitch, 0, mode->width * 4);
    for (unsigned i = 0; i < f->cols * f->rows; i++)
        f->drawn[i] = (struct cell){ .ch = ' ' };
    return OK;
}

void fb_print(struct fb *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n' || f->print_x == f->cols) {
            while (f->print_x < f->cols)
                draw_at(f, f->print_x++, f->print_y, (struct cell){ .ch = ' ' });
            f->print_x = 0;
            f->print_y = (f->print_y + 1) % f->rows;
        }
        if (*text != '\n')
            draw_at(f, f->print_x++, f->print_y, (struct cell){ .ch = (uint8_t)*text });
    }
}
