#pragma once
/* How a guest switches itself off, resets, says that it panicked, and hears of the power button. One per guest, made by
 * dev/pc.c. ACPI 6.4, 4.8.3.7 (sleep registers), 5.6.9 (generic event device); the panic port is QEMU's pvpanic. The
 * reset register, port 0xCF9, lies among the PCI host's ports: dev/pci.c. */
#include "vm/bus.h"

struct vm;

struct power {
    struct vm *vm;
    uint8_t events; /* under vm->lock: PC_EVENT_* that happened and were not read yet */
};

/* Claims its ports. Errors as bus_add. */
MUST_USE err_t power_init(struct power *, struct vm *);

/* The user presses the button. No lock held. */
void power_button(struct power *);
