#pragma once
/* PCI devices of the machine: finding them, their registers, their interrupts. PCI Local Bus 3.0, PCI Express Base 5.0.
 * Addresses are those the firmware assigned; nothing is moved. Boot CPU only, before guests run, except hal_pci_stop().
 */
#include "ground/ground.h"
#include "hal/acpi.h"
#include "hal/mmio.h"

struct hal_pci_at {
    uint16_t segment;
    uint8_t bus, devfn;
};

/* How configuration space is reached. off is a multiple of 4. */
struct hal_pci_access {
    uint32_t (*read)(const struct hal_pci_access *, struct hal_pci_at, uint32_t off);
    void (*write)(const struct hal_pci_access *, struct hal_pci_at, uint32_t off, uint32_t val);
    const struct mmio_ops *mmio; /* given to every register window; NULL but in tests */
};

struct hal_pci_dev {
    const struct hal_pci_access *access;
    struct hal_pci_at at;
    uint16_t vendor, device;
    uint32_t class; /* class << 16 | subclass << 8 | programming interface */
    char name[16];  /* "0000:00:03.0", for the log */
    /* set by hal_pci_irq_init() */
    struct mmio msix_table;
    uint8_t msix, msi; /* capability in use; both 0: none */
};

/* Capability ids. */
#define HAL_PCI_CAP_PM 0x01u
#define HAL_PCI_CAP_MSI 0x05u
#define HAL_PCI_CAP_VENDOR 0x09u
#define HAL_PCI_CAP_MSIX 0x11u
#define HAL_PCI_CAPS_MAX 48u /* more do not fit: the list is a loop */

typedef void hal_pci_found_fn(struct hal_pci_dev *, void *ctx); /* may copy the device; it goes away on return */

/* Calls found() for every function of the machine: by the ACPI windows or, if there are none, by ports 0xCF8/0xCFC. Looks below the root
 * buses; where they are not known, on all buses of a window, or below bus 0. */
void hal_pci_scan(const struct acpi_info *, hal_pci_found_fn *found, void *ctx);
/* One segment through any access. all: look on every bus from first to last; else on first and those behind bridges. */
void hal_pci_scan_buses(const struct hal_pci_access *, struct acpi_buses range, bool all, hal_pci_found_fn *found,
                        void *ctx);

uint32_t hal_pci_read(const struct hal_pci_dev *, uint32_t off);
void hal_pci_write(const struct hal_pci_dev *, uint32_t off, uint32_t val);
/* Offset of the first capability with that id after `after` (0: from the start); 0 if there is none. */
uint32_t hal_pci_cap(const struct hal_pci_dev *, uint8_t id, uint32_t after);

/* Powers the device up, lets it decode memory and do DMA; its INTx pin stays off. */
void hal_pci_enable(const struct hal_pci_dev *);
/* Ends all DMA of the device at once, interrupts included. Any CPU. */
void hal_pci_stop(const struct hal_pci_dev *);
/* len bytes of registers at off in BAR bar, made reachable. ERR_NOTFOUND: no such memory BAR; ERR_UNSUPPORTED: the
 * firmware gave it no address; ERR_RANGE: it is smaller. */
MUST_USE err_t hal_pci_map(const struct hal_pci_dev *, unsigned bar, uint64_t off, uint64_t len, struct mmio *out);

/* Switches the device to MSI-X, all vectors masked, and returns how many it has; else to MSI with one; 0 if it has
 * neither. */
unsigned hal_pci_irq_init(struct hal_pci_dev *);
/* Routes vector n (below what irq_init returned) and lets it in. ERR_UNSUPPORTED: the address does not fit. */
MUST_USE err_t hal_pci_irq_set(const struct hal_pci_dev *, unsigned n, const struct irq_msi *);
/* Gives each of count queues, size bytes apart, its interrupt on the CPU of its number; *used counts those that got one, and an error
 * means that none did. Comes last in a probe: a vector cannot be given back. */
MUST_USE err_t hal_pci_irqs_start(const struct hal_pci_dev *, void (*service)(void *queue), void *queues, size_t size, unsigned count,
                                  unsigned *used);
