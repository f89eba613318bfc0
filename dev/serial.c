/* The guest's UART: dev/serial.h. Everything runs under vm->lock. */
#include "dev/serial.h"

#include "base/str.h"
#include "vm/irq.h"
#include "vm/vm.h"

enum { DATA, IER, IIR, FCR = IIR, LCR, MCR, LSR, MSR, SCRATCH, PORTS };

enum { IER_RX = 1, IER_THRE = 2, IER_LINE = 4, IER_MODEM = 8, IER_BITS = 15 };
enum { IIR_MODEM = 0, IIR_NONE = 1, IIR_THRE = 2, IIR_RX = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFO_ON = 0xC0 };
enum { FCR_ON = 1, FCR_CLEAR_RX = 2, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_DLAB = 0x80 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 16, MCR_BITS = 31 };
enum { LSR_DATA = 1, LSR_OVERRUN = 2, LSR_THRE = 0x20, LSR_IDLE = 0x40 };
enum { MSR_RING_FELL = 4, MSR_CHANGES = 15, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RING = 0x40, MSR_CARRIER = 0x80 };

/* The most urgent thing to report, as IIR names it. */
static uint8_t pending(const struct serial *s)
{
    static const uint8_t trigger[] = { 1, 4, 8, 14 };
    uint32_t used = ring_used(&s->rx);

    if (s->reg[IER] & IER_LINE && s->overrun)
        return IIR_LINE;
    if (s->reg[IER] & IER_RX && used) {
        if (s->reg[FCR] & FCR_ON && used < trigger[s->reg[FCR] >> FCR_TRIGGER_SHIFT])
            return IIR_TIMEOUT; /* fewer than asked for: on a real line no more come for four character times */
        return IIR_RX;
    }
    if (s->reg[IER] & IER_THRE && s->thre)
        return IIR_THRE;
    if (s->reg[IER] & IER_MODEM && s->reg[MSR] & MSR_CHANGES)
        return IIR_MODEM;
    return IIR_NONE;
}

/* OUT2 connects the chip to the interrupt line on a PC; loopback cuts it off. */
static void line_update(struct serial *s)
{
    bool level = pending(s) != IIR_NONE && (s->reg[MCR] & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

    if (level == s->line)
        return;
    s->line = level;
    irq_line(s->vm, s->gsi, level);
}

static void room_tell(struct serial *s)
{
    if (!s->refused || ring_used(&s->rx) > SERIAL_RX / 2)
        return;
    s->refused = false;
    tty_drained(&s->tty);
}

static uint8_t data_read(struct serial *s)
{
    uint8_t byte = 0;

    if (ring_take(&s->rx, &byte))
        room_tell(s);
    return byte;
}

static void data_write(struct serial *s, uint8_t byte)
{
    /* The byte fills the transmitter and leaves it in one step: the request falls and rises, which an edge-triggered
     * line must see. */
    s->thre = false;
    line_update(s);
    if (!(s->reg[MCR] & MCR_LOOP)) {
        tty_output(&s->tty, &byte, 1);
        vm_hear(s->vm, &s->heard, &byte, 1);
    } else if (!ring_put(&s->rx, byte)) {
        s->overrun = true;
    }
    s->thre = true;
}

static void fifo_control(struct serial *s, uint8_t val)
{
    if ((s->reg[FCR] ^ val) & FCR_ON || val & FCR_CLEAR_RX) {
        s->rx.tail = s->rx.head;
        room_tell(s);
    }
    s->reg[FCR] = val & FCR_ON ? val : 0;
}

/* In loopback the modem inputs are wired to the outputs; else the other side is always there and ready. */
static void modem_update(struct serial *s)
{
    uint8_t now = MSR_CTS | MSR_DSR | MSR_CARRIER, changed;

    if (s->reg[MCR] & MCR_LOOP)
        now = (uint8_t)((s->reg[MCR] & MCR_RTS ? MSR_CTS : 0) | (s->reg[MCR] & MCR_DTR ? MSR_DSR : 0) |
            (s->reg[MCR] & MCR_OUT1 ? MSR_RING : 0) | (s->reg[MCR] & MCR_OUT2 ? MSR_CARRIER : 0));
    changed = (uint8_t)((s->reg[MSR] ^ now) >> 4);
    if (now & MSR_RING)
        changed &= (uint8_t)~MSR_RING_FELL;
    s->reg[MSR] = (uint8_t)(now | (s->reg[MSR] & MSR_CHANGES) | changed);
}

static uint8_t reg_read(struct serial *s, unsigned reg)
{
    uint8_t v = s->reg[reg];

    if (s->reg[LCR] & LCR_DLAB && reg <= IER)
        return s->divisor[reg];
    switch (reg) {
    case DATA:
        return data_read(s);
    case IIR:
        v = pending(s);
        if (v == IIR_THRE)
            s->thre = false;
        return v | (s->reg[FCR] & FCR_ON ? IIR_FIFO_ON : 0);
    case LSR:
        v = (uint8_t)(LSR_THRE | LSR_IDLE | (ring_used(&s->rx) ? LSR_DATA : 0) | (s->overrun ? LSR_OVERRUN : 0));
        s->overrun = false;
        return v;
    case MSR:
        s->reg[MSR] &= (uint8_t)~MSR_CHANGES;
        return v;
    }
    return v;
}

static void reg_write(struct serial *s, unsigned reg, uint8_t val)
{
    static const uint8_t writable[PORTS] = { [IER] = IER_BITS, [LCR] = 0xFF, [MCR] = MCR_BITS, [SCRATCH] = 0xFF };

    if (s->reg[LCR] & LCR_DLAB && reg <= IER) {
        s->divisor[reg] = val;
        return;
    }
    if (reg == DATA)
        data_write(s, val);
    if (reg == IER && val & ~s->reg[IER] & IER_THRE)
        s->thre = true; /* newly enabled and the transmitter is empty: report that */
    if (reg == FCR)
        fifo_control(s, val);
    if (writable[reg])
        s->reg[reg] = val & writable[reg];
    if (reg == MCR)
        modem_update(s);
}

static err_t serial_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    struct serial *s = dev;

    *val = UINT64_MAX;
    if (size == 1)
        *val = reg_read(s, (unsigned)off);
    line_update(s);
    return OK;
}

static err_t serial_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct serial *s = dev;

    if (size == 1)
        reg_write(s, (unsigned)off, (uint8_t)val);
    line_update(s);
    return OK;
}

static size_t serial_input(struct tty *t, const uint8_t *bytes, size_t n)
{
    struct serial *s = container_of(t, struct serial, tty);
    size_t took = 0;

    lock_take(&s->vm->lock);
    while (took < n && ring_put(&s->rx, bytes[took]))
        took++;
    s->refused = took < n;
    line_update(s);
    lock_drop(&s->vm->lock);
    return took;
}

err_t serial_init(struct serial *s, struct vm *vm, uint16_t port, unsigned gsi)
{
    static const struct bus_ops bus = { .read = serial_read, .write = serial_write };
    static const struct tty_dev_ops tty = { .input = serial_input };

    *s = (struct serial){ .tty.dev = &tty, .vm = vm, .gsi = gsi, .divisor = { 12, 0 } }; /* 9600 baud */
    s->reg[MSR] = MSR_CTS | MSR_DSR | MSR_CARRIER;
    s->thre = true;
    ring_init(&s->rx, s->rx_bytes, SERIAL_RX);
    return bus_add(vm, BUS_PIO, port, PORTS, &bus, s);
}
