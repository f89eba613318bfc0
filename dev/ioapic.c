/* The guest's I/O APIC: dev/ioapic.h. */
#include "dev/ioapic.h"

#include "base/str.h"
#include "vm/irq.h"
#include "vm/vm.h"

enum { REG_INDEX = 0x00, REG_WINDOW = 0x10, REG_EOI = 0x40, REG_SPAN = 0x1000 };
enum { IX_ID = 0, IX_VERSION = 1, IX_ARBITRATION = 2, IX_PINS = 0x10 };

#define VERSION (0x20u | (IOAPIC_PINS - 1) << 16)
#define ID_BITS 0x0F000000u

/* A redirection entry. The low 11 bits are laid out as MSI data has them: vector, delivery mode. */
#define PIN_MSI_DATA 0x7FFull
#define PIN_LOGICAL BIT64(11)
#define PIN_REMOTE_IRR BIT64(14)
#define PIN_LEVEL BIT64(15)
#define PIN_MASKED BIT64(16)
#define PIN_DEST_SHIFT 56
#define PIN_WRITABLE 0xFF0000000001AFFFull /* not delivery status (always idle here) and not remote IRR */

#define MSI_BASE 0xFEE00000u
#define MSI_DEST_SHIFT 12
#define MSI_LOGICAL BIT(2)
#define MSI_ASSERT BIT(14)
#define MSI_LEVEL BIT(15)

static void pin_send(struct ioapic *io, unsigned n)
{
    uint64_t pin = io->pin[n];
    uint32_t data = (uint32_t)(pin & PIN_MSI_DATA);

    if (pin & PIN_LEVEL) {
        data |= MSI_ASSERT | MSI_LEVEL;
        io->pin[n] |= PIN_REMOTE_IRR;
    }
    irq_msi(io->vm, MSI_BASE | pin >> PIN_DEST_SHIFT << MSI_DEST_SHIFT | (pin & PIN_LOGICAL ? MSI_LOGICAL : 0), data);
}

/* Sends a level-triggered pin's interrupt if its wire asks for one and the last one is over. */
static void level_check(struct ioapic *io, unsigned n)
{
    if ((io->pin[n] & (PIN_LEVEL | PIN_MASKED | PIN_REMOTE_IRR)) == PIN_LEVEL && io->lines & BIT(n))
        pin_send(io, n);
}

/* vm->irq_line. An edge on a masked pin is lost, as on the chip. */
static void ioapic_line(void *chip, unsigned n, bool level)
{
    struct ioapic *io = chip;
    uint32_t before = io->lines;

    if (n >= IOAPIC_PINS)
        return;
    io->lines = level ? before | BIT(n) : before & ~BIT(n);
    if (io->pin[n] & PIN_LEVEL)
        level_check(io, n);
    else if (io->lines & ~before && !(io->pin[n] & PIN_MASKED))
        pin_send(io, n);
}

/* vm->irq_eoi: a local APIC has seen the end of that vector; level-triggered pins that sent it may send again. */
static void ioapic_eoi(void *chip, uint8_t vector)
{
    struct ioapic *io = chip;

    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        if (!(io->pin[n] & PIN_REMOTE_IRR) || (uint8_t)io->pin[n] != vector)
            continue;
        io->pin[n] &= ~PIN_REMOTE_IRR;
        level_check(io, n);
    }
}

static uint32_t window_read(const struct ioapic *io)
{
    uint32_t n = (io->index - IX_PINS) / 2;

    if (io->index == IX_ID || io->index == IX_ARBITRATION)
        return io->id;
    if (io->index == IX_VERSION)
        return VERSION;
    if (io->index < IX_PINS || n >= IOAPIC_PINS)
        return 0;
    return (uint32_t)(io->index & 1 ? io->pin[n] >> 32 : io->pin[n]);
}

static void window_write(struct ioapic *io, uint32_t val)
{
    unsigned n = (io->index - IX_PINS) / 2, shift = io->index & 1 ? 32 : 0;
    uint64_t set;

    if (io->index == IX_ID)
        io->id = val & ID_BITS;
    if (io->index < IX_PINS || n >= IOAPIC_PINS)
        return;
    set = (uint64_t)UINT32_MAX << shift & PIN_WRITABLE;
    io->pin[n] = (io->pin[n] & ~set) | ((uint64_t)val << shift & set);
    if (!(io->pin[n] & PIN_LEVEL))
        io->pin[n] &= ~PIN_REMOTE_IRR; /* an edge has no end to wait for; software frees a stuck pin this way */
    level_check(io, n);
}

/* The chip takes 32-bit accesses; of narrower ones only the low byte of the index makes sense. */
static err_t ioapic_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    struct ioapic *io = dev;

    *val = 0;
    if (off == REG_INDEX)
        *val = io->index;
    else if (off == REG_WINDOW && size >= 4)
        *val = window_read(io);
    return OK;
}

static err_t ioapic_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct ioapic *io = dev;

    if (off == REG_INDEX)
        io->index = (uint8_t)val;
    else if (off == REG_WINDOW && size >= 4)
        window_write(io, (uint32_t)val);
    else if (off == REG_EOI && size >= 4)
        ioapic_eoi(io, (uint8_t)val);
    return OK;
}

err_t ioapic_init(struct ioapic *io, struct vm *vm, uint64_t base)
{
    static const struct bus_ops bus = { .read = ioapic_read, .write = ioapic_write };

    *io = (struct ioapic){ .vm = vm };
    for (unsigned n = 0; n < IOAPIC_PINS; n++)
        io->pin[n] = PIN_MASKED;
    vm->irq_chip = io;
    vm->irq_line = ioapic_line;
    vm->irq_eoi = ioapic_eoi;
    return bus_add(vm, BUS_MMIO, base, REG_SPAN, &bus, io);
}
