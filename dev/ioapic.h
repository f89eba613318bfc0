#pragma once
/* The guest's I/O APIC: 24 wires in, messages to local APICs out. One per guest, made by dev/pc.c. Intel 82093AA data
 * sheet, and for version 0x20's EOI register the ICH9 data sheet, 13.5. Everything under vm->lock. */
#include "vm/bus.h"

#define IOAPIC_PINS 24

struct vm;

struct ioapic {
    struct vm *vm;
    uint64_t pin[IOAPIC_PINS]; /* redirection entries */
    uint32_t lines;            /* levels, by pin */
    uint32_t index;            /* the register that the window shows */
    uint32_t id;
};

/* Claims its page at base and becomes vm's irq_chip, so that irq_line() and the local APICs reach it. Errors as bus_add. */
MUST_USE err_t ioapic_init(struct ioapic *, struct vm *, uint64_t base);
