/* The register interface of every virtio device: virtio over PCI, virtio 1.2, section 4.1. Three BARs:
 *
 *   0  ports: one 16-bit port per queue to kick it (a port exit costs a tenth of a memory exit that has to be decoded)
 *   1  memory: the common configuration, the interrupt status, the device's own configuration
 *   2  memory: the MSI-X table
 *
 * Vector numbers and addresses that the driver writes are kept as they are and checked where they are used. All of it is also
 * reached through configuration space (4.1.4.9), by firmware that cannot map a BAR. */
#include "base/panic.h"
#include "base/bytes.h"
#include "base/str.h"
#include "dev/virtio/virtio.h"

enum { BAR_KICK, BAR_REGS, BAR_MSIX };
enum { KICK_STRIDE = 2, KICK_BYTES = 16 };
enum { REGS_COMMON = 0, REGS_ISR = 0x100, REGS_CONFIG = 0x200, REGS_CONFIG_MAX = 0x100, REGS_BYTES = 4096 };

#define TRANSPORT_FEATURES (VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC)

/* The common configuration is two pieces of memory: the device's registers, then those of the selected queue. */
enum { QUEUE_REGS = VIRTIO_COMMON_QUEUE_SIZE, QUEUE_BYTES = VIRTIO_COMMON_BYTES - QUEUE_REGS };
_Static_assert(offsetof(struct virtio_dev, queue_select) - offsetof(struct virtio_dev, offered_select) ==
               VIRTIO_COMMON_QUEUE_SELECT, "common registers");
_Static_assert(offsetof(struct virtq, ring) + sizeof(uint64_t[RINGS]) - offsetof(struct virtq, size) == QUEUE_BYTES,
               "queue registers");

static uint64_t offered(const struct virtio_dev *d)
{
    return d->offered | TRANSPORT_FEATURES;
}

/* --- reset and status --- */

/* Everything as after power-on. Requests in flight go on, but belong to an older generation now. */
static void reset(struct virtio_dev *d)
{
    for (uint16_t i = 0; i < d->nqueues; i++)
        d->queue[i] = (struct virtq){ .dev = d, .index = i, .size = d->ops->queue_size, .vector = VIRTIO_NO_VECTOR };
    d->accepted = 0;
    d->offered_select = d->accepted_select = 0;
    d->queue_select = 0;
    d->config_vector = VIRTIO_NO_VECTOR;
    d->isr = 0;
    d->generation++;
}

static void status_write(struct virtio_dev *d, uint8_t val)
{
    bool acceptable = !(d->accepted & ~offered(d)) && d->accepted & VIRTIO_F_VERSION_1;

    if (!val) {
        reset(d);
        d->draining = d->inflight;
        d->status = d->draining ? VIRTIO_ACKNOWLEDGE : 0;
        return;
    }
    d->draining = false;
    if (!(d->status & VIRTIO_FEATURES_OK) && !acceptable)
        val &= (uint8_t)~VIRTIO_FEATURES_OK;
    if (!(val & VIRTIO_FEATURES_OK))
        val &= (uint8_t)~VIRTIO_DRIVER_OK;
    d->status = val;
}

/* --- common configuration: 4.1.4.3 --- */

/* The memory that holds a register, and how many bytes of it follow. NULL: the selected queue does not exist. */
static uint8_t *register_at(struct virtio_dev *d, uint64_t off, uint64_t *left)
{
    struct virtq *q = d->queue_select < d->nqueues ? &d->queue[d->queue_select] : NULL;

    *left = (off < QUEUE_REGS ? QUEUE_REGS : VIRTIO_COMMON_BYTES) - off;
    if (off < QUEUE_REGS)
        return (uint8_t *)d + offsetof(struct virtio_dev, offered_select) + off;
    return q ? (uint8_t *)q + offsetof(struct virtq, size) + (off - QUEUE_REGS) : NULL;
}

/* The size a register must be written with; 0 inside one. The 64-bit ones are accessed by halves (4.1.3.1). */
static unsigned common_size(uint64_t off)
{
    bool byte = off == VIRTIO_COMMON_STATUS || off == VIRTIO_COMMON_CONFIG_GENERATION;
    unsigned size = byte ? 1 : off < VIRTIO_COMMON_CONFIG_VECTOR || off >= VIRTIO_COMMON_QUEUE_DESC ? 4 : 2;

    return off % size ? 0 : size;
}

static uint32_t half(uint64_t v, uint32_t select)
{
    return select > 1 ? 0 : (uint32_t)(v >> 32 * select);
}

/* Registers of a queue that does not exist are 0. Status reads as 0 only when a reset is complete, that is when no disk
 * writes to the guest's memory any more (4.1.4.3.1). */
static uint64_t common_read(struct virtio_dev *d, uint64_t off, unsigned size)
{
    uint64_t val = 0, left;
    const uint8_t *at = register_at(d, off, &left);

    d->offered_half = half(offered(d), d->offered_select);
    d->accepted_half = half(d->accepted, d->accepted_select);
    if (d->draining && !d->inflight) {
        d->draining = false;
        d->status = 0;
    }
    if (at && size <= left)
        memcpy(&val, at, size);
    return val;
}

static uint16_t vector_of(const struct virtio_dev *d, uint32_t val)
{
    return val < d->pci.msix.nvectors ? (uint16_t)val : VIRTIO_NO_VECTOR;
}

/* size is the register's own. */
static err_t common_write(struct virtio_dev *d, unsigned off, unsigned size, uint32_t val)
{
    uint64_t left;
    uint8_t *at = register_at(d, off, &left);
    struct virtq *q = at && off >= QUEUE_REGS ? &d->queue[d->queue_select] : NULL;

    switch (off) {
    case VIRTIO_COMMON_DRIVER_FEATURE:
        if (!(d->status & VIRTIO_FEATURES_OK) && d->accepted_select <= 1)
            d->accepted = (d->accepted & ~(0xFFFFFFFFull << 32 * d->accepted_select)) |
                          (uint64_t)val << 32 * d->accepted_select;
        return OK;
    case VIRTIO_COMMON_CONFIG_VECTOR:
        d->config_vector = vector_of(d, val);
        return OK;
    case VIRTIO_COMMON_STATUS:
        status_write(d, (uint8_t)val);
        return OK;
    case VIRTIO_COMMON_QUEUE_VECTOR:
        if (q)
            q->vector = vector_of(d, val);
        return OK;
    case VIRTIO_COMMON_QUEUE_ENABLE:
        return q && val == 1 && !q->enabled ? virtq_enable(q) : OK;
    case VIRTIO_COMMON_DEVICE_FEATURE:
    case VIRTIO_COMMON_NUM_QUEUES:
    case VIRTIO_COMMON_CONFIG_GENERATION:
    case VIRTIO_COMMON_QUEUE_NOTIFY_OFF:
        return OK; /* read only */
    }
    if (off < QUEUE_REGS || (q && !q->enabled)) /* a queue's place is fixed until reset */
        memcpy(at, &val, size);
    return OK;
}

/* --- the BARs --- */

static uint64_t config_read(struct virtio_dev *d, uint64_t off, unsigned size)
{
    uint64_t val = 0;

    if (off < d->ops->config_bytes && size <= d->ops->config_bytes - off)
        memcpy(&val, (const uint8_t *)d->config + off, size);
    return val;
}

/* With MSI-X off this is how a driver that polls learns that something was used: 4.1.4.5. Reading takes it. */
static uint64_t isr_read(struct virtio_dev *d)
{
    uint8_t isr = d->isr;

    d->isr = 0;
    return isr;
}

void virtio_raise(struct virtio_dev *d, uint16_t vector)
{
    if (!d->pci.msix.enabled)
        d->isr = VIRTIO_ISR_QUEUE;
    pci_msix_raise(&d->pci, vector);
}

static uint64_t reg_read(struct virtio_dev *d, uint64_t off, unsigned size)
{
    if (off == REGS_ISR)
        return isr_read(d);
    if (off >= REGS_CONFIG)
        return config_read(d, off - REGS_CONFIG, size);
    return off < VIRTIO_COMMON_BYTES ? common_read(d, off, size) : 0;
}

static err_t regs_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    struct virtio_dev *d = dev;

    lock_take(&d->lock);
    *val = reg_read(d, off, size);
    lock_drop(&d->lock);
    return OK;
}

/* Chains the driver added before DRIVER_OK are found without a kick. What is too much for now waits for one. */
static err_t kick_all(struct virtio_dev *d)
{
    err_t e = OK;

    for (unsigned i = 0; i < d->nqueues && e != ERR_GUEST; i++)
        e = d->ops->notify(d, i);
    return e == ERR_AGAIN ? OK : e;
}

static err_t regs_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct virtio_dev *d = dev;
    bool stopped, started;
    err_t e;

    if (off >= VIRTIO_COMMON_BYTES || common_size(off) != size)
        return OK;
    lock_take(&d->lock);
    stopped = !(d->status & VIRTIO_DRIVER_OK);
    e = common_write(d, (unsigned)off, size, (uint32_t)val);
    started = stopped && d->status & VIRTIO_DRIVER_OK;
    lock_drop(&d->lock);
    return e || !started ? e : kick_all(d);
}

static err_t kick_read(void *, uint64_t, unsigned, uint64_t *val)
{
    *val = 0;
    return OK;
}

/* The port says which queue. */
static err_t kick_write(void *dev, uint64_t off, unsigned, uint64_t)
{
    struct virtio_dev *d = dev;
    unsigned queue = (unsigned)off / KICK_STRIDE;

    return queue < d->nqueues ? d->ops->notify(d, queue) : OK;
}

/* --- capabilities: 4.1.4 --- */

static void cap_add(struct virtio_dev *d, uint8_t type, uint8_t bar, uint32_t offset, uint32_t length)
{
    struct virtio_pci_cap cap = { .type = type, .bar = bar, .offset = offset, .length = length };
    bool longer = type == VIRTIO_CAP_NOTIFY || type == VIRTIO_CAP_PCI;

    cap.cap_len = longer ? sizeof cap : offsetof(struct virtio_pci_cap, extra);
    cap.extra = type == VIRTIO_CAP_NOTIFY ? KICK_STRIDE : 0; /* the window's: its data */
    uint8_t at = pci_cap_add(&d->pci, PCI_CAP_VENDOR, &cap, cap.cap_len);
    if (type == VIRTIO_CAP_PCI)
        pci_window_add(&d->pci, at);
}

static void caps_add(struct virtio_dev *d)
{
    cap_add(d, VIRTIO_CAP_COMMON, BAR_REGS, REGS_COMMON, VIRTIO_COMMON_BYTES);
    cap_add(d, VIRTIO_CAP_ISR, BAR_REGS, REGS_ISR, 1);
    if (d->ops->config_bytes)
        cap_add(d, VIRTIO_CAP_DEVICE, BAR_REGS, REGS_CONFIG, d->ops->config_bytes);
    cap_add(d, VIRTIO_CAP_NOTIFY, BAR_KICK, 0, KICK_STRIDE * d->nqueues);
    cap_add(d, VIRTIO_CAP_PCI, BAR_KICK, 0, 0);
}

/* --- life --- */

err_t virtio_init(struct virtio_dev *d, struct vm *vm, struct pci_host *host, unsigned slot)
{
    static const struct bus_ops kick = { .read = kick_read, .write = kick_write };
    static const struct bus_ops regs = { .read = regs_read, .write = regs_write };
    err_t e;

    ASSERT(d->nqueues <= VIRTIO_QUEUES_MAX && d->ops->config_bytes <= REGS_CONFIG_MAX);
    d->vm = vm;
    reset(d);
    e = pci_dev_init(&d->pci, host, slot, VIRTIO_PCI_VENDOR, (uint16_t)(VIRTIO_PCI_DEVICE + d->ops->type),
                     d->ops->class_code << 8 | VIRTIO_PCI_REVISION);
    if (e)
        return e;
    e = pci_bar_add(&d->pci, BAR_KICK, BUS_PIO, KICK_BYTES, &kick, d);
    if (!e)
        e = pci_bar_add(&d->pci, BAR_REGS, BUS_MMIO, REGS_BYTES, &regs, d);
    if (!e)
        e = pci_msix_add(&d->pci, BAR_MSIX, d->nqueues + 1); /* one for configuration changes */
    if (!e)
        caps_add(d);
    return e;
}

bool virtio_idle(struct virtio_dev *d)
{
    bool idle;

    lock_take(&d->lock);
    d->broken = true;
    idle = !d->inflight;
    lock_drop(&d->lock);
    return idle;
}
