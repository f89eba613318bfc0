/* MSI-X of a guest's PCI device: the vector table and the pending bits, in a BAR of their own. PCI Local
 * Bus 3.0, 6.8.2. Devices raise vectors on any CPU, so the state has a lock of its own. */
#include "base/bytes.h"
#include "base/panic.h"
#include "base/str.h"
#include "dev/pci.h"
#include "vm/irq.h"

enum { CAP_CONTROL = 2, CAP_TABLE = 4, CAP_PBA = 8, CAP_BYTES = 12 };
enum { CONTROL_MASK = 0x40, CONTROL_ENABLE = 0x80 }; /* in the control word's upper byte */
enum { BAR_SIZE = 4096, TABLE_AT = 0, PBA_AT = 0x800 };
enum { ENTRY_ADDR = 0, ENTRY_DATA = 8, ENTRY_CONTROL = 12, ENTRY_BYTES = 16 };
enum { ENTRY_MASKED = 1 };

/* Sends what is pending and may go. */
static void pending_send(struct pci_dev *d)
{
    struct pci_msix *m = &d->msix;

    if (!m->live)
        return;
    for (uint32_t left = m->pending; left; left &= left - 1) {
        unsigned vector = (unsigned)__builtin_ctz(left);
        const uint8_t *entry = &m->table[vector * ENTRY_BYTES];

        if (entry[ENTRY_CONTROL] & ENTRY_MASKED)
            continue;
        m->pending &= ~BIT(vector);
        irq_msi(d->vm, get_le64(entry + ENTRY_ADDR), get_le32(entry + ENTRY_DATA));
    }
}

void pci_msix_raise(struct pci_dev *d, unsigned vector)
{
    struct pci_msix *m = &d->msix;

    lock_take(&m->lock);
    if (m->enabled && vector < m->nvectors) {
        m->pending |= BIT(vector);
        pending_send(d);
    }
    lock_drop(&m->lock);
}

void pci_msix_update(struct pci_dev *d)
{
    struct pci_msix *m = &d->msix;
    uint8_t control = m->cap ? d->cfg[m->cap + CAP_CONTROL + 1] : 0;

    lock_take(&m->lock);
    m->enabled = control & CONTROL_ENABLE;
    m->live = m->enabled && !(control & CONTROL_MASK) && d->master;
    if (!m->enabled)
        m->pending = 0;
    pending_send(d);
    lock_drop(&m->lock);
}

static err_t table_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    struct pci_msix *m = &((struct pci_dev *)dev)->msix;

    *val = 0;
    lock_take(&m->lock);
    if (off < m->nvectors * ENTRY_BYTES)
        memcpy(val, &m->table[off], min_size(size, m->nvectors * ENTRY_BYTES - off));
    else if (off == PBA_AT)
        *val = m->pending;
    lock_drop(&m->lock);
    return OK;
}

static err_t table_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    /* the bits of an entry that exist: the message address is a multiple of 4, the control word has the mask only */
    static const uint8_t writable[ENTRY_BYTES] = { 0xFC, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 };
    struct pci_dev *d = dev;
    struct pci_msix *m = &d->msix;

    lock_take(&m->lock);
    for (unsigned i = 0; i < size && off + i < m->nvectors * ENTRY_BYTES; i++)
        m->table[off + i] = (uint8_t)(val >> 8 * i & writable[(off + i) % ENTRY_BYTES]);
    pending_send(d);
    lock_drop(&m->lock);
    return OK;
}

err_t pci_msix_add(struct pci_dev *d, unsigned bar, unsigned nvectors)
{
    static const struct bus_ops ops = { .read = table_read, .write = table_write };
    struct pci_msix *m = &d->msix;
    uint8_t cap[CAP_BYTES] = { 0 };
    err_t e;

    ASSERT(nvectors && nvectors <= PCI_MSIX_VECTORS && !m->cap);
    e = pci_bar_add(d, bar, BUS_MMIO, BAR_SIZE, &ops, d);
    if (e)
        return e;
    put_le16(cap + CAP_CONTROL, (uint16_t)(nvectors - 1));
    put_le32(cap + CAP_TABLE, TABLE_AT | bar);
    put_le32(cap + CAP_PBA, PBA_AT | bar);
    m->cap = pci_cap_add(d, PCI_CAP_MSIX, cap, sizeof cap);
    d->writable[m->cap + CAP_CONTROL + 1] = CONTROL_MASK | CONTROL_ENABLE;
    for (unsigned i = 0; i < nvectors; i++)
        m->table[i * ENTRY_BYTES + ENTRY_CONTROL] = ENTRY_MASKED;
    m->nvectors = nvectors;
    return OK;
}
