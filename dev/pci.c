/* PCI bus 0 of a guest: configuration space, BARs and where they answer. See dev/pci.h; MSI-X is in dev/msix.c. */
#include "dev/pci.h"

#include "base/bytes.h"
#include "base/panic.h"
#include "base/str.h"
#include "dev/pc_map.h"
#include "vm/vm.h"

/* PCI 6.1: the type 0 header */
enum { CFG_ID = 0, CFG_COMMAND = 4, CFG_STATUS = 6, CFG_CLASS = 8, CFG_BAR = 0x10, CFG_SUBSYSTEM = 0x2C,
    CFG_CAPS = 0x34, CFG_LINE = 0x3C, CFG_HEADER_END = 0x40 };
enum { COMMAND_IO = 1, COMMAND_MEM = 2, COMMAND_MASTER = 4, COMMAND_WRITABLE = 0x547 };
enum { STATUS_CAPS = 0x10 };

/* --- where BARs answer --- */

/* Where the guest wants this BAR now; 0: nowhere. */
static uint64_t bar_wish(const struct pci_dev *d, unsigned i)
{
    uint32_t reg = get_le32(&d->cfg[CFG_BAR + 4 * i]);
    uint16_t command = get_le16(&d->cfg[CFG_COMMAND]);

    if (d->bar[i].kind == BUS_PIO)
        return command & COMMAND_IO ? reg & ~3u : 0;
    return command & COMMAND_MEM ? reg & ~15u : 0;
}

/* Makes every BAR answer where the guest wants it. One that would lie on RAM or on something else answers nowhere until
 * the place is free. That another device's BAR may become free is why all are looked at; moves are rare. */
static void bars_update(struct pci_host *h)
{
    for (unsigned i = 0; i < 2 * PCI_SLOTS * PCI_BARS; i++) {
        bool adds = i >= PCI_SLOTS * PCI_BARS; /* after all have left where they were */
        struct pci_dev *d = h->slot[i / PCI_BARS % PCI_SLOTS];
        struct pci_bar *b = d ? &d->bar[i % PCI_BARS] : NULL;
        uint64_t wish = b && b->ops ? bar_wish(d, i % PCI_BARS) : 0;

        if (!b || b->at == wish)
            continue;
        if (!adds && b->at) {
            bus_remove(h->vm, b->kind, b->at);
            b->at = 0;
        }
        if (adds && !bus_add(h->vm, b->kind, wish, b->size, b->ops, b->dev))
            b->at = wish;
    }
}

err_t pci_bar_add(struct pci_dev *d, unsigned index, enum bus_kind kind, uint32_t size, const struct bus_ops *ops,
                  void *dev)
{
    bool io = kind == BUS_PIO;
    uint64_t *next = io ? &d->host->next_io : &d->host->next_mmio;
    uint64_t end = io ? PC_IO_WINDOW + PC_IO_WINDOW_SIZE : PC_WINDOW_BASE + PC_WINDOW_SIZE;
    uint64_t at = align_up(*next, size);

    ASSERT(index < PCI_BARS && !d->bar[index].ops && size >= (io ? 4 : 16) && !(size & (size - 1)));
    if (at + size > end)
        return ERR_FULL;
    d->bar[index] = (struct pci_bar){ .ops = ops, .dev = dev, .kind = kind, .size = size };
    put_le32(&d->cfg[CFG_BAR + 4 * index], (uint32_t)at | (io ? 1 : 0));
    put_le32(&d->writable[CFG_BAR + 4 * index], ~(size - 1)); /* so that writing all ones reads as the size */
    bars_update(d->host);
    if (!d->bar[index].at) {
        d->bar[index].ops = NULL;
        return ERR_FULL;
    }
    *next = at + size;
    return OK;
}

/* --- configuration space --- */

enum { WINDOW_BAR = 4, WINDOW_OFFSET = 8, WINDOW_LENGTH = 12, WINDOW_DATA = 16 };

void pci_window_add(struct pci_dev *d, uint8_t cap)
{
    d->window = cap;
    d->writable[cap + WINDOW_BAR] = 0xFF;
    memset(&d->writable[cap + WINDOW_OFFSET], 0xFF, WINDOW_DATA + 4 - WINDOW_OFFSET);
}

/* The BAR that an access to the window's data means; NULL: it is no such access, or one that the driver must not make. */
static const struct pci_bar *window_bar(const struct pci_dev *d, unsigned reg, uint32_t *off, uint32_t *len)
{
    const uint8_t *cap = &d->cfg[d->window];

    if (!d->window || reg != d->window + WINDOW_DATA || cap[WINDOW_BAR] >= PCI_BARS)
        return NULL;
    const struct pci_bar *b = &d->bar[cap[WINDOW_BAR]];
    *off = get_le32(cap + WINDOW_OFFSET);
    *len = get_le32(cap + WINDOW_LENGTH);
    bool right = (*len == 1 || *len == 2 || *len == 4) && !(*off % *len) && *off < b->size;
    return b->ops && right ? b : NULL;
}

static err_t config_read(struct pci_dev *d, unsigned reg, unsigned size, uint64_t *val)
{
    uint32_t off, len;
    uint64_t got = 0;
    err_t e = OK;

    *val = d ? 0 : UINT64_MAX;
    if (!d)
        return OK;
    const struct pci_bar *b = window_bar(d, reg, &off, &len);
    if (b) {
        e = b->ops->read(b->dev, off, len, &got);
        for (unsigned i = 0; i < len; i++)
            d->cfg[reg + i] = (uint8_t)(got >> 8 * i);
    }
    for (unsigned i = 0; i < size && reg + i < PCI_CFG_BYTES; i++)
        *val |= (uint64_t)d->cfg[reg + i] << 8 * i;
    return e;
}

static err_t config_write(struct pci_dev *d, unsigned reg, unsigned size, uint64_t val)
{
    uint32_t off, len;

    if (!d)
        return OK;
    for (unsigned i = 0; i < size && reg + i < PCI_CFG_BYTES; i++) {
        uint8_t mask = d->writable[reg + i];
        d->cfg[reg + i] = (uint8_t)((d->cfg[reg + i] & ~mask) | (val >> 8 * i & mask));
    }
    d->master = d->cfg[CFG_COMMAND] & COMMAND_MASTER;
    bars_update(d->host);
    pci_msix_update(d);
    const struct pci_bar *b = window_bar(d, reg, &off, &len);
    return b ? b->ops->write(b->dev, off, len, get_le32(&d->cfg[reg]) & (UINT32_MAX >> (32 - 8 * len))) : OK;
}

/* ECAM: bits 15-19 slot, 12-14 function, 0-11 register */
static struct pci_dev *ecam_dev(struct pci_host *h, uint64_t off)
{
    return off >> 12 & 7 ? NULL : h->slot[off >> 15 & 31];
}

static err_t ecam_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    return config_read(ecam_dev(dev, off), off & 0xFFF, size, val);
}

static err_t ecam_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    return config_write(ecam_dev(dev, off), off & 0xFFF, size, val);
}

/* Ports 0xCF8-0xCFF. The address register takes 32-bit accesses only (PCI 3.2.2.3.2): bit 31 enable, 16-23 bus,
 * 11-15 slot, 8-10 function, 2-7 register. A byte written to 0xCF9 is the chipset's reset control. */
enum { PORT_ADDRESS = 0, PORT_RESET = 1, PORT_DATA = 4, PORTS = 8, PORT_BASE = 0xCF8 };
enum { RESET_CPU = 4 };

static struct pci_dev *port_dev(struct pci_host *h)
{
    return (h->address & 0x80FF0700) == 0x80000000 ? h->slot[h->address >> 11 & 31] : NULL;
}

static err_t port_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    struct pci_host *h = dev;

    *val = UINT64_MAX;
    if (off >= PORT_DATA)
        return config_read(port_dev(h), (h->address & 0xFC) + (unsigned)off - PORT_DATA, size, val);
    if (off == PORT_ADDRESS && size == 4)
        *val = h->address;
    else if (off == PORT_RESET && size == 1)
        *val = 0;
    return OK;
}

static err_t port_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct pci_host *h = dev;

    if (off >= PORT_DATA)
        return config_write(port_dev(h), (h->address & 0xFC) + (unsigned)off - PORT_DATA, size, val);
    if (off == PORT_ADDRESS && size == 4)
        h->address = (uint32_t)val & ~3u;
    else if (off == PORT_RESET && size == 1 && val & RESET_CPU)
        vm_stop(h->vm, VM_REBOOTED, "reset through port 0xCF9");
    return OK;
}

/* --- devices --- */

err_t pci_dev_init(struct pci_dev *d, struct pci_host *h, unsigned slot, uint16_t vendor, uint16_t device,
                   uint32_t class_code)
{
    *d = (struct pci_dev){ .vm = h->vm, .slot = slot, .cap_end = CFG_HEADER_END };
    if (slot >= PCI_SLOTS)
        return ERR_RANGE;
    if (h->slot[slot])
        return ERR_EXISTS;
    put_le32(&d->cfg[CFG_ID], (uint32_t)device << 16 | vendor);
    put_le16(&d->cfg[CFG_COMMAND], COMMAND_IO | COMMAND_MEM); /* as firmware leaves it: BARs on, DMA off */
    put_le32(&d->cfg[CFG_CLASS], class_code);
    put_le32(&d->cfg[CFG_SUBSYSTEM], (uint32_t)device << 16 | vendor);
    put_le16(&d->writable[CFG_COMMAND], COMMAND_WRITABLE);
    d->writable[CFG_LINE] = 0xFF;
    d->host = h;
    h->slot[slot] = d;
    return OK;
}

uint8_t pci_cap_add(struct pci_dev *d, uint8_t id, const void *cap, uint8_t len)
{
    uint8_t at = d->cap_end;

    ASSERT(at + len <= PCI_CFG_BYTES);
    memcpy(&d->cfg[at], cap, len);
    d->cfg[at] = id;
    d->cfg[d->cap_last ? d->cap_last + 1 : CFG_CAPS] = at;
    d->cfg[CFG_STATUS] |= STATUS_CAPS;
    d->cap_last = at;
    d->cap_end = (uint8_t)align_up(at + len, 4);
    return at;
}

/* --- the host bridge --- */

err_t pci_host_init(struct pci_host *h, struct vm *vm)
{
    static const struct bus_ops ecam = { .read = ecam_read, .write = ecam_write };
    static const struct bus_ops ports = { .read = port_read, .write = port_write };
    err_t e;

    *h = (struct pci_host){ .vm = vm, .next_io = PC_IO_WINDOW, .next_mmio = PC_WINDOW_BASE };
    e = bus_add(vm, BUS_MMIO, PC_ECAM_BASE, PC_ECAM_SIZE, &ecam, h);
    if (!e)
        e = bus_add(vm, BUS_PIO, PORT_BASE, PORTS, &ports, h);
    /* 1B36:0008 is the id of a host bridge without registers of its own: no driver binds to it and no system has a quirk
     * for it, whereas an Intel chipset's id makes guests poke at registers this machine does not have. */
    return e ? e : pci_dev_init(&h->bridge, h, 0, 0x1B36, 0x0008, 0x06000000);
}
