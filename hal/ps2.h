#pragma once
/* The PS/2 keyboard behind an i8042 (or firmware's and emulators' model of one), US layout. CPU 0 only; no lock. */
#include "base/err.h"
#include "hal/port.h"
#include "io/console.h"

#define PS2_IRQ 1u

struct ps2 {
    struct keyboard keyboard;
    const struct port_ops *port;
    uint8_t held; /* modifiers: shift 1, alt 2, ctrl 4 */
    bool caps, num;
    uint8_t prefix; /* 0xE0 or 0xE1 was read; 0: none */
    uint8_t skip;   /* bytes of the Pause key still to come */
};

/* Finds the controller and lets the keyboard scan, interrupts off. Disturbs as little as can be of what the firmware
 * set up. ERR_NOTFOUND, ERR_IO. */
MUST_USE err_t ps2_init(struct ps2 *, const struct port_ops *);
/* Takes the interrupt. Without one keyboard.polled is set. After keyboard.typed is set. */
void ps2_start(struct ps2 *, unsigned irq);
/* One byte of scan code set 1, as the controller translates it. */
void ps2_scan(struct ps2 *, uint8_t byte);
