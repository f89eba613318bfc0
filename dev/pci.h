#pragma once
/* The guest's PCI: one host bridge, bus 0, 32 slots of one function each. Configuration space is reached through ECAM
 * and through ports 0xCF8/0xCFC. There is no firmware in the guest, so BARs come with addresses; the guest may move
 * them. PCI Local Bus 3.0 ("PCI" below), PCI Firmware 3.2 for ECAM. Made by dev/pc.c; devices add themselves. No INTx:
 * a device interrupts through MSI-X only. Everything here runs under vm->lock, or while the VM is built;
 * pci_msix_raise() anywhere. */
#include <stdatomic.h>
#include "arch/x86/lock.h"
#include "vm/bus.h"

#define PCI_SLOTS 32
#define PCI_BARS 6
#define PCI_CFG_BYTES 256

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11
#define PCI_MSIX_VECTORS 16

struct vm;
struct pci_dev;

struct pci_bar {
    const struct bus_ops *ops; /* NULL: no such BAR */
    void *dev;
    enum bus_kind kind;
    uint32_t size;
    uint64_t at; /* where it answers now; 0: nowhere */
};

struct pci_msix {
    struct lock lock; /* a leaf but for irq_msi() */
    uint8_t cap;      /* offset of the capability; 0: the device has none */
    unsigned nvectors;
    bool enabled, live; /* live: not held back by the function mask or a clear bus-master bit */
    uint32_t pending;   /* by vector */
    uint8_t table[PCI_MSIX_VECTORS * 16];
};

struct pci_dev {
    struct pci_host *host;
    struct vm *vm;
    unsigned slot;
    uint8_t cfg[PCI_CFG_BYTES];
    uint8_t writable[PCI_CFG_BYTES]; /* bits the guest can change */
    uint8_t cap_last, cap_end;       /* newest capability; first free byte */
    uint8_t window;                  /* the capability that is a window to the BARs; 0: none */
    struct pci_bar bar[PCI_BARS];
    struct pci_msix msix;
    _Atomic bool master; /* the guest allows DMA */
};

struct pci_host {
    struct vm *vm;
    struct pci_dev *slot[PCI_SLOTS];
    struct pci_dev bridge;
    uint32_t address;            /* the register at port 0xCF8 */
    uint64_t next_io, next_mmio; /* the next free address for a BAR */
};

/* Claims the ECAM window and the ports and puts the bridge in slot 0. Errors as bus_add. */
MUST_USE err_t pci_host_init(struct pci_host *, struct vm *);

/* Fills the header and takes the slot: ERR_EXISTS, ERR_RANGE. Keeps the struct. class_code: base class << 24 |
 * subclass << 16 | interface << 8 | revision. The subsystem has the same vendor and device. */
MUST_USE err_t pci_dev_init(struct pci_dev *, struct pci_host *, unsigned slot, uint16_t vendor, uint16_t device,
                            uint32_t class_code);
/* size: a power of two, memory from 16, ports from 4. ERR_FULL: no address or no bus range is left. */
MUST_USE err_t pci_bar_add(struct pci_dev *, unsigned index, enum bus_kind, uint32_t size, const struct bus_ops *,
                           void *dev);
/* Appends a capability of len bytes, read only, and returns its offset. Its id and link are filled in here. */
uint8_t pci_cap_add(struct pci_dev *, uint8_t id, const void *cap, uint8_t len);
/* Puts an MSI-X table of 1 .. PCI_MSIX_VECTORS vectors behind a memory BAR of its own. Errors as pci_bar_add. */
MUST_USE err_t pci_msix_add(struct pci_dev *, unsigned bar, unsigned nvectors);

/* Makes a capability virtio's window to the BARs (virtio 1.2, 4.1.4.9): bar at 4, offset at 8 and length at 12 are the driver's; what it
 * reads and writes at 16 is read and written there. */
void pci_window_add(struct pci_dev *, uint8_t cap);

/* Sends the vector's message, or keeps it pending while it is masked. A vector that does not exist is ignored.
 * Any CPU; vm->lock may be held, no run queue's lock. */
void pci_msix_raise(struct pci_dev *, unsigned vector);
/* For pci.c: the command register or the capability's control word may have changed. */
void pci_msix_update(struct pci_dev *);
