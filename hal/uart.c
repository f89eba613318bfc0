/* 16550 driver. The transmitter's interrupt is on only while the writer waits for room; so a port as fast as an
 * emulator's raises none. */
#include "hal/uart.h"
#include "ground/ground.h"

enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCRATCH }; /* registers; with LCR_DLAB the first two are the divisor */
enum { IER_RX = 1, IER_THRE = 2 };
enum { IIR_NONE = 1, IIR_FIFO = 0xC0 };
enum { FCR_ON = 1, FCR_TRIGGER_8 = 0x80 };
enum { LCR_8N1 = 3, LCR_DLAB = 0x80 };
enum { MCR_DTR_RTS = 3, MCR_OUT2 = 8 }; /* OUT2 connects the interrupt on a PC */
enum { LSR_DATA = 1, LSR_THRE = 0x20 };

#define FIFO_BYTES 16u
#define RX_AT_ONCE 256u    /* a line that never runs dry must not hold CPU 0 */

static uint8_t in(const struct uart *u, unsigned reg) { return u->port->in8((uint16_t)(u->base + reg)); }
static void out(const struct uart *u, unsigned reg, unsigned val)
{
    u->port->out8((uint16_t)(u->base + reg), (uint8_t)val);
}

static size_t uart_write(struct serial_port *s, const uint8_t *bytes, size_t n)
{
    struct uart *u = container_of(s, struct uart, serial);
    size_t sent = 0;

    while (sent < n && in(u, LSR) & LSR_THRE)
        for (unsigned room = u->fifo ? FIFO_BYTES : 1; room && sent < n; room--)
            out(u, DATA, bytes[sent++]);
    if (u->waits != (sent < n)) {
        u->waits = sent < n;
        if (!s->polled)
            out(u, IER, u->waits ? IER_RX | IER_THRE : IER_RX);
    }
    return sent;
}

static void uart_receive(struct uart *u)
{
    uint8_t bytes[64];
    unsigned n = 0, total = 0;

    while (total++ < RX_AT_ONCE && in(u, LSR) & LSR_DATA) {
        bytes[n++] = in(u, DATA);
        if (n == sizeof bytes) {
            u->serial.received(bytes, n);
            n = 0;
        }
    }
    if (n)
        u->serial.received(bytes, n);
}

static void uart_poll(struct serial_port *s)
{
    struct uart *u = container_of(s, struct uart, serial);

    uart_receive(u);
    if (u->waits && in(u, LSR) & LSR_THRE)
        s->has_room();
}

/* The line is edge-triggered: go on until the chip has nothing more to say, or it never rises again. */
static void uart_irq(void *arg)
{
    struct uart *u = arg;

    for (unsigned i = 0; i < RX_AT_ONCE && !(in(u, IIR_FCR) & IIR_NONE); i++)
        uart_poll(&u->serial);
}

static const struct serial_port_ops uart_ops = { .write = uart_write, .poll = uart_poll };

err_t uart_init(struct uart *u, const struct port_ops *port, uint16_t base)
{
    *u = (struct uart){ .serial = { .ops = &uart_ops, .polled = true }, .port = port, .base = base };
    out(u, SCRATCH, 0x5A);
    if (in(u, SCRATCH) != 0x5A)
        return ERR_NOTFOUND;
    out(u, SCRATCH, 0xA5);
    if (in(u, SCRATCH) != 0xA5 || in(u, LSR) == 0xFF)
        return ERR_NOTFOUND;
    out(u, LCR, LCR_8N1);
    out(u, IER, 0);
    out(u, LCR, LCR_8N1 | LCR_DLAB);
    out(u, DATA, 1); /* 115200 / 1 */
    out(u, IER, 0);
    out(u, LCR, LCR_8N1);
    out(u, IIR_FCR, FCR_ON | FCR_TRIGGER_8);
    out(u, MCR, MCR_DTR_RTS | MCR_OUT2);
    u->fifo = (in(u, IIR_FCR) & IIR_FIFO) == IIR_FIFO;
    return OK;
}

void uart_start(struct uart *u, unsigned irq)
{
    u->serial.polled = ground_irq_isa(irq, uart_irq, u) != OK;
    if (!u->serial.polled)
        out(u, IER, u->waits ? IER_RX | IER_THRE : IER_RX);
}
