#pragma once
/* How a device interrupts its guest. Any CPU, any lock below vm->lock. */
#include "base/types.h"

struct vm;

/* A message-signalled interrupt as PCI writes it: address 0xFEExxxxx, data (Intel SDM vol. 3, 11.11). Bad ones are dropped. */
void irq_msi(struct vm *, uint64_t addr, uint32_t data);
/* A wire into the I/O APIC. Does nothing until the machine has one. Under vm->lock. */
void irq_line(struct vm *, unsigned gsi, bool level);
