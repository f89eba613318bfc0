/* PCI: configuration access, enumeration, BARs, MSI-X; see pci.h. */
#include "hal/pci.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "base/fmt.h"
#include "base/str.h"

#define CFG_ID 0x00u
#define CFG_COMMAND 0x04u /* command; status in the upper half, whose bits a 1 clears: write 0 there */
#define CFG_CLASS 0x08u
#define CFG_HEADER 0x0Cu /* type in bits 16-23 */
#define CFG_BAR 0x10u
#define CFG_BUSES 0x18u /* of a bridge: secondary bus in bits 8-15 */
#define CFG_CAPS 0x34u

#define COMMAND_MEMORY BIT(1)
#define COMMAND_MASTER BIT(2)
#define COMMAND_NO_INTX BIT(10)
#define STATUS_CAPS BIT(20) /* in the dword at CFG_COMMAND */

/* --- configuration space of this machine --- */

static struct acpi_ecam windows[ACPI_ECAMS]; /* fixed after hal_pci_scan() */
static unsigned nwindows;

static volatile uint32_t *ecam_reg(struct hal_pci_at at, uint32_t off)
{
    for (unsigned i = 0; i < nwindows; i++) {
        const struct acpi_ecam *w = &windows[i];

        if (w->segment == at.segment && at.bus >= w->bus_first && at.bus <= w->bus_last)
            return hpa_ptr(hpa(w->base + ((uint64_t)at.bus << 20 | (uint64_t)at.devfn << 12 | off)));
    }
    return NULL;
}

static uint32_t ecam_read(const struct hal_pci_access *, struct hal_pci_at at, uint32_t off)
{
    volatile uint32_t *reg = ecam_reg(at, off);
    return reg ? *reg : UINT32_MAX;
}

static void ecam_write(const struct hal_pci_access *, struct hal_pci_at at, uint32_t off, uint32_t val)
{
    volatile uint32_t *reg = ecam_reg(at, off);
    if (reg)
        *reg = val;
}

static struct lock port_lock; /* guards the pair of ports: select, then transfer */

static void port_select(struct hal_pci_at at, uint32_t off)
{
    cpu_out32(0xCF8, BIT(31) | (uint32_t)at.bus << 16 | (uint32_t)at.devfn << 8 | off);
}

static uint32_t port_read(const struct hal_pci_access *, struct hal_pci_at at, uint32_t off)
{
    uint32_t val;
    if (off > 0xFF)
        return UINT32_MAX;
    lock_take(&port_lock);
    port_select(at, off);
    val = cpu_in32(0xCFC);
    lock_drop(&port_lock);
    return val;
}

static void port_write(const struct hal_pci_access *, struct hal_pci_at at, uint32_t off, uint32_t val)
{
    if (off > 0xFF)
        return;
    lock_take(&port_lock);
    port_select(at, off);
    cpu_out32(0xCFC, val);
    lock_drop(&port_lock);
}

static const struct hal_pci_access by_ecam = { .read = ecam_read, .write = ecam_write };
static const struct hal_pci_access by_ports = { .read = port_read, .write = port_write };

uint32_t hal_pci_read(const struct hal_pci_dev *d, uint32_t off)
{
    return d->access->read(d->access, d->at, off);
}

void hal_pci_write(const struct hal_pci_dev *d, uint32_t off, uint32_t val)
{
    d->access->write(d->access, d->at, off, val);
}

/* --- enumeration --- */

static bool dev_init(struct hal_pci_dev *d, const struct hal_pci_access *a, struct hal_pci_at at)
{
    uint32_t id = a->read(a, at, CFG_ID);

    if ((id & 0xFFFF) == 0xFFFF || (id & 0xFFFF) == 0)
        return false;
    *d = (struct hal_pci_dev){ .access = a, .at = at, .vendor = (uint16_t)id, .device = (uint16_t)(id >> 16) };
    d->class = hal_pci_read(d, CFG_CLASS) >> 8;
    fmt_text(d->name, sizeof d->name, "%04x:%02x:%02x.%u", at.segment, at.bus, at.devfn >> 3, at.devfn & 7u);
    return true;
}

void hal_pci_scan_buses(const struct hal_pci_access *a, struct acpi_buses range, bool all, hal_pci_found_fn *found,
                        void *ctx)
{
    bool behind_bridge[256] = { false };

    behind_bridge[range.first] = true;
    for (unsigned bus = range.first; bus <= range.last; bus++)
        for (unsigned devfn = 0; devfn < 256 && (all || behind_bridge[bus]); devfn++) {
            struct hal_pci_at at = { .segment = range.segment, .bus = (uint8_t)bus, .devfn = (uint8_t)devfn };
            struct hal_pci_dev d;
            uint32_t header;

            if (!dev_init(&d, a, at)) {
                if (devfn % 8 == 0) /* without function 0 there are no others */
                    devfn += 7;
                continue;
            }
            header = hal_pci_read(&d, CFG_HEADER) >> 16 & 0xFF;
            if ((header & 0x7F) == 1) /* firmware numbers a secondary bus higher than its primary */
                behind_bridge[hal_pci_read(&d, CFG_BUSES) >> 8 & 0xFF] = true;
            found(&d, ctx);
            if (devfn % 8 == 0 && !(header & 0x80))
                devfn += 7;
        }
}

/* What can be reached in one way. all: of a segment whose root buses are not known look on every bus, for a root bus is behind no bridge.
 * That takes some 10 ms; by ports it would be a second. */
static void scan_window(const struct acpi_info *acpi, const struct hal_pci_access *a, struct acpi_buses w, bool all, hal_pci_found_fn *found,
                        void *ctx)
{
    bool known = false;

    for (unsigned i = 0; i < acpi->nroots; i++) {
        struct acpi_buses r = acpi->root[i];

        known |= r.segment == w.segment;
        r.last = (uint8_t)min_u64(r.last, w.last);
        if (r.segment == w.segment && r.first >= w.first && r.first <= r.last)
            hal_pci_scan_buses(a, r, false, found, ctx);
    }
    if (!known)
        hal_pci_scan_buses(a, w, all, found, ctx);
}

void hal_pci_scan(const struct acpi_info *acpi, hal_pci_found_fn *found, void *ctx)
{
    nwindows = acpi->necams;
    memcpy(windows, acpi->ecam, sizeof windows);
    for (unsigned i = 0; i < nwindows; i++) {
        const struct acpi_ecam *w = &windows[i];

        ground_mmio_map(hpa(w->base + ((uint64_t)w->bus_first << 20)), (uint64_t)(w->bus_last - w->bus_first + 1)
                                                                           << 20);
    }
    for (unsigned i = 0; i < nwindows; i++)
        scan_window(acpi, &by_ecam, (struct acpi_buses){ windows[i].segment, windows[i].bus_first, windows[i].bus_last }, true, found, ctx);
    if (!nwindows)
        scan_window(acpi, &by_ports, (struct acpi_buses){ .last = 255 }, false, found, ctx);
}

/* --- one device --- */

uint32_t hal_pci_cap(const struct hal_pci_dev *d, uint8_t id, uint32_t after)
{
    uint32_t at;

    if (!(hal_pci_read(d, CFG_COMMAND) & STATUS_CAPS))
        return 0;
    at = after ? hal_pci_read(d, after) >> 8 & 0xFC : hal_pci_read(d, CFG_CAPS) & 0xFC;
    for (unsigned n = 0; at >= 0x40 && n < HAL_PCI_CAPS_MAX; n++) {
        uint32_t cap = hal_pci_read(d, at);

        if ((cap & 0xFF) == id)
            return at;
        at = cap >> 8 & 0xFC;
    }
    return 0;
}

static void command_set(const struct hal_pci_dev *d, uint32_t set, uint32_t clear)
{
    hal_pci_write(d, CFG_COMMAND, ((hal_pci_read(d, CFG_COMMAND) & 0xFFFF) | set) & ~clear);
}

void hal_pci_enable(const struct hal_pci_dev *d)
{
    uint32_t pm = hal_pci_cap(d, HAL_PCI_CAP_PM, 0);
    uint32_t state = pm ? hal_pci_read(d, pm + 4) : 0;

    if (state & 3) { /* not in D0 */
        uint64_t start = ground_tsc();

        hal_pci_write(d, pm + 4, state & 0x7FFC);
        while (ground_tsc_to_ns(ground_tsc() - start) < 10000000) /* what the specification asks for */
            cpu_pause();
    }
    command_set(d, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX, 0);
}

void hal_pci_stop(const struct hal_pci_dev *d)
{
    command_set(d, COMMAND_NO_INTX, COMMAND_MASTER);
}

/* What the device leaves of a written register that is all ones: its fixed bits are 0. */
static uint32_t bar_probe(const struct hal_pci_dev *d, uint32_t reg)
{
    uint32_t old = hal_pci_read(d, reg), mask;

    hal_pci_write(d, reg, UINT32_MAX);
    mask = hal_pci_read(d, reg);
    hal_pci_write(d, reg, old);
    return mask;
}

static uint64_t bar_size(const struct hal_pci_dev *d, uint32_t reg, bool wide)
{
    uint32_t command = hal_pci_read(d, CFG_COMMAND) & 0xFFFF;
    uint64_t mask;

    hal_pci_write(d, CFG_COMMAND, command & ~COMMAND_MEMORY); /* it would claim strange addresses meanwhile */
    mask = bar_probe(d, reg) & ~0xFu;
    if (wide)
        mask |= (uint64_t)bar_probe(d, reg + 4) << 32;
    hal_pci_write(d, CFG_COMMAND, command);
    return mask & -mask; /* the lowest bit that can be set */
}

err_t hal_pci_map(const struct hal_pci_dev *d, unsigned bar, uint64_t off, uint64_t len, struct mmio *out)
{
    uint32_t reg = CFG_BAR + 4 * bar, low;
    uint64_t base, size;
    bool wide;

    if (bar > 5)
        return ERR_NOTFOUND;
    low = hal_pci_read(d, reg);
    wide = (low >> 1 & 3) == 2;
    if (low & 1 || (wide && bar == 5))
        return ERR_NOTFOUND;
    size = bar_size(d, reg, wide);
    if (!size)
        return ERR_NOTFOUND;
    base = low & ~0xFu;
    if (wide)
        base |= (uint64_t)hal_pci_read(d, reg + 4) << 32;
    if (!base)
        return ERR_UNSUPPORTED;
    if (!len || off > size || len > size - off)
        return ERR_RANGE;
    ground_mmio_map(hpa(base + off), len);
    *out = (struct mmio){ .base = hpa_ptr(hpa(base + off)), .len = len, .ops = d->access->mmio };
    return OK;
}

/* --- interrupts --- */

#define MSIX_ENABLE BIT(31) /* in the dword at the capability */
#define MSIX_MASK_ALL BIT(30)
#define MSI_ENABLE BIT(16)
#define MSI_64BIT BIT(23)

unsigned hal_pci_irq_init(struct hal_pci_dev *d)
{
    uint32_t cap = hal_pci_cap(d, HAL_PCI_CAP_MSIX, 0), control, table;
    unsigned count;

    d->msix = d->msi = 0;
    if (cap) {
        control = hal_pci_read(d, cap) & ~(MSIX_ENABLE | MSIX_MASK_ALL);
        table = hal_pci_read(d, cap + 4);
        count = (control >> 16 & 0x7FF) + 1;
        if (!hal_pci_map(d, table & 7, table & ~7u, count * 16, &d->msix_table)) {
            hal_pci_write(d, cap, control | MSIX_ENABLE | MSIX_MASK_ALL);
            for (unsigned i = 0; i < count; i++)
                mmio_write32(&d->msix_table, i * 16 + 12, 1);
            hal_pci_write(d, cap, control | MSIX_ENABLE);
            d->msix = (uint8_t)cap;
            return count;
        }
    }
    d->msi = (uint8_t)hal_pci_cap(d, HAL_PCI_CAP_MSI, 0);
    return d->msi ? 1 : 0;
}

static err_t msi_set(const struct hal_pci_dev *d, const struct irq_msi *m)
{
    uint32_t control = hal_pci_read(d, d->msi) & ~(MSI_ENABLE | 7u << 20); /* one message */
    bool wide = control & MSI_64BIT;

    if ((!wide && m->addr >> 32) || m->data >> 16)
        return ERR_UNSUPPORTED;
    hal_pci_write(d, d->msi, control);
    hal_pci_write(d, d->msi + 4u, (uint32_t)m->addr);
    if (wide)
        hal_pci_write(d, d->msi + 8u, (uint32_t)(m->addr >> 32));
    hal_pci_write(d, d->msi + (wide ? 12u : 8u), m->data);
    hal_pci_write(d, d->msi, control | MSI_ENABLE);
    return OK;
}

err_t hal_pci_irq_set(const struct hal_pci_dev *d, unsigned n, const struct irq_msi *m)
{
    if (!d->msix)
        return d->msi ? msi_set(d, m) : ERR_UNSUPPORTED;
    mmio_write32(&d->msix_table, n * 16 + 12, 1);
    mmio_write64(&d->msix_table, n * 16, m->addr);
    mmio_write32(&d->msix_table, n * 16 + 8, m->data);
    mmio_write32(&d->msix_table, n * 16 + 12, 0);
    return OK;
}

err_t hal_pci_irqs_start(const struct hal_pci_dev *d, void (*service)(void *queue), void *queues, size_t size, unsigned count,
                         unsigned *used)
{
    for (*used = 0; *used < count; ++*used) {
        struct irq_msi msi;
        err_t e = ground_irq_msi(*used, service, (char *)queues + *used * size, &msi);

        if (!e)
            e = hal_pci_irq_set(d, *used, &msi);
        if (e)
            return *used ? OK : e; /* some will do */
    }
    return OK;
}
