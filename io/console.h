#pragma once
/* The console's outer edge: a screen of character cells, a serial port, a keyboard. hal/ has the drivers; the console
 * uses one of each, if there is one. All calls both ways on CPU 0's loop (a driver's interrupt handler is part of it).
 */
#include "base/types.h"

/* One character. The cell {' ', 0, 0} is blank in the default colours. */
struct cell {
    uint16_t ch;   /* Unicode, basic plane; 0: the right half of the wide character before it */
    uint8_t color; /* 4 bits foreground, 4 bits background << 4: 0-7 normal, 8-15 bright; ANSI order (1 is red) */
    uint8_t flags;
};
_Static_assert(sizeof(struct cell) == 4, "cell");

#define CELL_BOLD 0x01
#define CELL_DIM 0x02
#define CELL_ITALIC 0x04
#define CELL_UNDERLINE 0x08
#define CELL_BLINK 0x10
#define CELL_REVERSE 0x20
#define CELL_FG 0x40 /* color's foreground counts, else the terminal's default */
#define CELL_BG 0x80

struct screen {
    const struct screen_ops *ops;
};
struct screen_ops {
    /* Shows n cells as row y, from column 0. What lies outside the screen is cut. */
    void (*draw)(struct screen *, unsigned y, const struct cell *, unsigned n);
};

struct serial_port {
    const struct serial_port_ops *ops;
    bool polled; /* no interrupts: poll() must be called every few milliseconds */
    /* the user's, set before start */
    void (*received)(const uint8_t *bytes, size_t n);
    void (*has_room)(void); /* write() will take more */
};
struct serial_port_ops {
    /* Takes what fits now and returns how much; never waits. After a short count has_room() is called later. */
    size_t (*write)(struct serial_port *, const uint8_t *bytes, size_t n);
    void (*poll)(struct serial_port *); /* looks for input and room now */
};

struct keyboard {
    void (*poll)(struct keyboard *); /* looks for keys now */
    bool polled;
    void (*typed)(const uint8_t *bytes, size_t n); /* one whole key: UTF-8, or an escape sequence as xterm sends it */
};
