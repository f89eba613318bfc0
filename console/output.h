#pragma once
/* Where the shown view goes: the frame buffer, drawn from the grid, and the serial port, to which a guest's bytes pass
 * unchanged once the terminal there has been painted to the grid's state. A slow line never holds a guest up: what does
 * not fit its ring is left out and the terminal is painted anew. For console/ only. */
#include "console/view.h"

struct serial_port;
struct screen;

#define OUTPUT_RING KIB(64)

/* port and screen may be NULL. mem: OUTPUT_RING bytes, kept. */
void output_init(struct serial_port *, struct screen *, void *mem);
/* Any CPU. */
struct view *output_shown(void);
/* The view's guest wrote bytes, its terminal has them already. Under the view's lock, any CPU. */
void output_bytes(struct view *, const uint8_t *bytes, size_t n);

/* The rest on CPU 0. */
/* Shows a view, `back` lines up in its history; it stays at the same text while the guest writes on. */
void output_show(struct view *, uint32_t back);
uint32_t output_back(void); /* how far back it is now */
bool output_scrolled(void); /* it was shown with back > 0 */
/* True if the user's real terminal on the serial port gets the bytes of this view. */
bool output_live(const struct view *);
/* Draws and sends. True if it did something; *more becomes true if it has more to do: call it again soon. */
bool output_run(bool *more);
bool output_pump(void); /* sends only; there must be a serial port. True if it did */
