/* PCI configuration by ports, and a small virtio 1.x driver that polls. */
#include "test/guest/guest.h"

uint32_t pci_read(unsigned slot, unsigned reg)
{
    cpu_out32(0xCF8, 0x80000000 | slot << 11 | (reg & 0xFC));
    return cpu_in32(0xCFC);
}

void pci_write(unsigned slot, unsigned reg, uint32_t val)
{
    cpu_out32(0xCF8, 0x80000000 | slot << 11 | (reg & 0xFC));
    cpu_out32(0xCFC, val);
}

int pci_find(uint32_t device_vendor, unsigned nth)
{
    for (unsigned slot = 0; slot < 32; slot++)
        if (pci_read(slot, 0) == device_vendor && !nth--)
            return (int)slot;
    return -1;
}

/* --- virtio --- */

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };
enum { FEATURE_SELECT = 8, FEATURE = 12, STATUS = 20, QUEUE_SELECT = 22, QUEUE_SIZE = 24, QUEUE_ENABLE = 28, QUEUE_DESC = 32,
    QUEUE_AVAIL = 40, QUEUE_USED = 48 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

static void put8(volatile uint8_t *p, uint8_t v) { *p = v; }
static void put16(volatile uint8_t *p, uint16_t v) { *(volatile uint16_t *)p = v; }
static void put32(volatile uint8_t *p, uint32_t v) { *(volatile uint32_t *)p = v; }
static void put64(volatile uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

/* A BAR's start; *io says which kind. */
static uint64_t bar_at(unsigned slot, unsigned index, bool *io)
{
    uint32_t bar = pci_read(slot, 0x10 + 4 * index);
    uint64_t high = 0;

    *io = bar & 1;
    if (!*io && (bar & 6) == 4)
        high = pci_read(slot, 0x14 + 4 * index);
    return *io ? bar & ~3u : high << 32 | (bar & ~15u);
}

static void cap_take(struct virtio *v, unsigned slot, unsigned at)
{
    uint32_t offset = pci_read(slot, at + 8);
    bool io;
    uint64_t where = bar_at(slot, pci_read(slot, at + 4) & 0xFF, &io) + offset;
    volatile uint8_t *mem = (volatile uint8_t *)(uintptr_t)where;

    switch (pci_read(slot, at) >> 24) {
    case CAP_COMMON:
        v->common = mem;
        break;
    case CAP_ISR:
        v->isr = mem;
        break;
    case CAP_DEVICE:
        v->config = mem;
        break;
    case CAP_NOTIFY:
        v->kick_stride = pci_read(slot, at + 16);
        if (io)
            v->kick_port = (uint16_t)where;
        else
            v->kick_mem = mem;
        break;
    }
}

bool virtio_find(struct virtio *v, unsigned type, unsigned nth)
{
    int slot = pci_find(0x1AF4u | (0x1040 + type) << 16, nth);

    if (slot < 0)
        return false;
    *v = (struct virtio){ .slot = slot };
    pci_write((unsigned)slot, 4, 7); /* ports, memory, bus master */
    for (unsigned at = pci_read((unsigned)slot, 0x34) & 0xFC; at; at = pci_read((unsigned)slot, at) >> 8 & 0xFC)
        if ((pci_read((unsigned)slot, at) & 0xFF) == 9)
            cap_take(v, (unsigned)slot, at);
    return v->common && (v->kick_port || v->kick_mem);
}

uint8_t virtio_status(struct virtio *v) { return v->common[STATUS]; }

void virtio_begin(struct virtio *v, uint64_t features)
{
    put8(v->common + STATUS, 0);
    for (uint64_t end = now_ns() + MS(5000); virtio_status(v);)
        if (now_ns() > end)
            fail("virtio: no end of reset");
    features |= BIT64(32);
    put8(v->common + STATUS, ACKNOWLEDGE | DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        put32(v->common + FEATURE_SELECT, i);
        put32(v->common + FEATURE, (uint32_t)(features >> 32 * i));
    }
    put8(v->common + STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    if (!(virtio_status(v) & FEATURES_OK))
        fail("virtio: features refused");
}

void virtio_queue_raw(struct virtio *v, unsigned index, unsigned size, uint64_t desc, uint64_t avail, uint64_t used)
{
    put16(v->common + QUEUE_SELECT, (uint16_t)index);
    put16(v->common + QUEUE_SIZE, (uint16_t)size);
    put64(v->common + QUEUE_DESC, desc);
    put64(v->common + QUEUE_AVAIL, avail);
    put64(v->common + QUEUE_USED, used);
    put16(v->common + QUEUE_ENABLE, 1);
}

void virtio_queue(struct virtio *v, struct queue *q, unsigned index, unsigned size)
{
    *q = (struct queue){ .dev = v, .index = index, .size = size, .desc = page_get(), .avail = page_get(), .used = page_get() };
    virtio_queue_raw(v, index, size, (uintptr_t)q->desc, (uintptr_t)q->avail, (uintptr_t)q->used);
}

void virtio_go(struct virtio *v) { put8(v->common + STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK); }

void virtio_kick(struct virtio *v, unsigned queue)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (v->kick_port)
        cpu_out16((uint16_t)(v->kick_port + queue * v->kick_stride), (uint16_t)queue);
    else
        put16(v->kick_mem + queue * v->kick_stride, (uint16_t)queue);
}

void queue_offer(struct queue *q, unsigned head)
{
    uint16_t idx = q->avail[1];

    q->avail[2 + idx % q->size] = (uint16_t)head;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    q->avail[1] = (uint16_t)(idx + 1);
    virtio_kick(q->dev, q->index);
}

bool queue_wait(struct queue *q, uint64_t ns, uint32_t *id, uint32_t *len)
{
    uint64_t end = now_ns() + ns;
    volatile uint32_t *slot = (volatile uint32_t *)(q->used + 2) + 2 * (q->seen % q->size);

    while (q->used[1] == q->seen) {
        if (now_ns() > end)
            return false;
        cpu_relax();
    }
    q->seen++;
    if (id)
        *id = slot[0];
    if (len)
        *len = slot[1];
    return true;
}

/* --- a disk --- */

bool disk_open(struct disk *d, unsigned nth)
{
    if (!virtio_find(&d->dev, 2, nth))
        return false;
    virtio_begin(&d->dev, BIT64(9)); /* FLUSH */
    virtio_queue(&d->dev, &d->q, 0, 64);
    virtio_go(&d->dev);
    d->sectors = *(volatile uint32_t *)d->dev.config | (uint64_t)*(volatile uint32_t *)(d->dev.config + 4) << 32;
    return true;
}

uint8_t disk_do(struct disk *d, unsigned type, uint64_t sector, void *buf, uint32_t len)
{
    static struct {
        uint32_t type, reserved;
        uint64_t sector;
    } head;
    static volatile uint8_t status;
    bool writes = type != DISK_WRITE;

    head.type = type;
    head.sector = sector;
    status = 0xFF;
    d->q.desc[0] = (struct ring_desc){ (uintptr_t)&head, 16, DESC_NEXT, len ? 1 : 2 };
    d->q.desc[1] = (struct ring_desc){ (uintptr_t)buf, len, (uint16_t)(DESC_NEXT | (writes ? DESC_WRITE : 0)), 2 };
    d->q.desc[2] = (struct ring_desc){ (uintptr_t)&status, 1, DESC_WRITE, 0 };
    queue_offer(&d->q, 0);
    if (!queue_wait(&d->q, MS(30000), NULL, NULL))
        return 0xFF;
    return status;
}
