#pragma once
/* A guest's port and memory-mapped I/O: address ranges and the device behind each. Filled while the VM is built (PCI BARs
 * move later), looked up on every I/O exit. Handlers run under vm->lock, on the CPU of the vCPU that exited. */
#include "base/err.h"

struct vm;

struct bus_ops {
    /* off: from the start of the range; size: 1, 2, 4 or 8 (memory only); the access lies inside the range.
     * *val is the value read, upper bits ignored. ERR_GUEST stops the guest. ERR_AGAIN, from a write that has much to do:
     * the guest executes the instruction again, so that interrupts and other guests get their turn between. */
    err_t (*read)(void *dev, uint64_t off, unsigned size, uint64_t *val);
    err_t (*write)(void *dev, uint64_t off, unsigned size, uint64_t val);
};

struct bus_range {
    uint64_t base, len;
    const struct bus_ops *ops;
    void *dev;
};

#define BUS_RANGES 48
/* Sorted by base, no overlaps. */
struct bus_space {
    struct bus_range range[BUS_RANGES];
    unsigned count;
    unsigned last; /* the range that was found last: guests stay with a device for a while */
};

enum bus_kind { BUS_PIO, BUS_MMIO };

/* ERR_FULL; ERR_EXISTS if it overlaps another. Memory ranges must lie outside RAM (ERR_RANGE). */
MUST_USE err_t bus_add(struct vm *, enum bus_kind, uint64_t base, uint64_t len, const struct bus_ops *, void *dev);
/* Takes out the range that starts at base; no effect if there is none. */
void bus_remove(struct vm *, enum bus_kind, uint64_t base);

/* What nobody claims reads as all ones and ignores writes. An access that crosses the end of a range counts as unclaimed. */
MUST_USE err_t bus_read(struct vm *, enum bus_kind, uint64_t addr, unsigned size, uint64_t *val);
MUST_USE err_t bus_write(struct vm *, enum bus_kind, uint64_t addr, unsigned size, uint64_t val);
