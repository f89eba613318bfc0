#pragma once
/* A 16550A UART, the guest's COM1: one per guest, made by dev/pc.c. Transmits at once, so its transmitter is always
 * empty; what the user types waits in a receive FIFO deeper than the real one. TI PC16550D data sheet, section 8. */
#include "base/ring.h"
#include "io/tty.h"
#include "vm/bus.h"

#define SERIAL_RX 64 /* power of two */

struct vm;

struct serial {
    struct tty tty;
    /* fixed after init */
    struct vm *vm;
    unsigned gsi;
    /* under vm->lock */
    uint8_t reg[8];     /* by number, as last written or as they will be read; IIR's is FCR */
    uint8_t divisor[2]; /* instead of registers 0 and 1 while LCR says so */
    bool thre;     /* "transmitter empty" is to be reported: set by a write or by enabling it, cleared by reading IIR */
    bool overrun;  /* a byte was lost; only loopback can do that */
    bool refused;  /* the user has more input waiting: say when there is room */
    bool line;     /* level of the interrupt line */
    unsigned heard; /* for vm_hear */
    struct ring rx;
    uint8_t rx_bytes[SERIAL_RX];
};

/* Claims eight ports. tty.dev is set; the caller opens and closes the line. Errors as bus_add. */
MUST_USE err_t serial_init(struct serial *, struct vm *, uint16_t port, unsigned gsi);
