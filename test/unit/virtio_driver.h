#pragma once
/* A guest for tests of PCI and virtio devices: RAM, the buses, and the driver's half of virtio, which talks to the real
 * device models as a guest would: bus_read, bus_write and bytes in guest memory. What the devices ask of the rest of
 * the monitor (interrupts, stopping the guest) is recorded. One guest at a time. Used by unit tests and the fuzzer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/virtio.h"
#include "dev/pc_map.h"
#include "dev/pci.h"
#include "ground/fake/fake.h"
#include "vm/irq.h"
#include "vm/ram.h"
#include "vm/vm.h"

#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* --- the guest --- */

#ifndef RAM_LOW
#define RAM_LOW MIB(4)
#endif
#define RAM_HIGH MIB(2)

static struct vm vm;
static struct pci_host host;

static struct {
    unsigned count;
    uint64_t addr;
    uint32_t data;
} msi; /* the last one */

static struct {
    unsigned count;
    enum vm_why why;
    char text[128];
} stopped;

void irq_msi(struct vm *v, uint64_t addr, uint32_t data)
{
    MUST(v == &vm);
    msi.count++;
    msi.addr = addr;
    msi.data = data;
}

void vm_stop(struct vm *v, enum vm_why why, const char *fmt, ...)
{
    va_list ap;

    MUST(v == &vm);
    if (stopped.count++)
        return;
    stopped.why = why;
    va_start(ap, fmt);
    vsnprintf(stopped.text, sizeof stopped.text, fmt, ap);
    va_end(ap);
}

static inline void guest_zero(uint64_t at, size_t n)
{
    static const uint8_t zeros[PAGE_SIZE];

    for (size_t done = 0; done < n; done += sizeof zeros)
        MUST(!mem_write(&vm, gpa(at + done), zeros, n - done < sizeof zeros ? n - done : sizeof zeros));
}

/* RAM, an empty PCI bus, nothing recorded. */
static inline void guest_start(unsigned vcpus)
{
    memset(&vm, 0, sizeof vm);
    memset(&msi, 0, sizeof msi);
    memset(&stopped, 0, sizeof stopped);
    vm.cfg.memory = RAM_LOW + RAM_HIGH;
    vm.cfg.vcpus = vcpus;
    MUST(!ram_get(&vm));
    /* as if there were more than 3 GiB */
    vm.low_chunks = RAM_LOW / MEM_CHUNK;
    vm.high = vm.low + vm.low_chunks;
    vm.high_chunks = RAM_HIGH / MEM_CHUNK;
    MUST(!pci_host_init(&host, &vm));
}

/* Takes all devices away, as the machine does; RAM stays. */
static inline void bus_end(void)
{
    vm.pio.count = vm.mmio.count = 0;
}

static inline void guest_end(void)
{
    bus_end();
    ram_put(&vm);
    MUST(fake_pages_in_use() == 0);
}

static inline uint64_t mmio_get(uint64_t at, unsigned size)
{
    uint64_t v = 0;
    MUST(!bus_read(&vm, BUS_MMIO, at, size, &v));
    return size == 8 ? v : v & ((1ull << 8 * size) - 1);
}
static inline err_t mmio_try(uint64_t at, unsigned size, uint64_t v)
{
    return bus_write(&vm, BUS_MMIO, at, size, v);
}
static inline void mmio_put(uint64_t at, unsigned size, uint64_t v)
{
    MUST(!mmio_try(at, size, v));
}
static inline uint64_t port_get(uint16_t at, unsigned size)
{
    uint64_t v = 0;
    MUST(!bus_read(&vm, BUS_PIO, at, size, &v));
    return v & ((1ull << 8 * size) - 1);
}
static inline void port_put(uint16_t at, unsigned size, uint64_t v)
{
    MUST(!bus_write(&vm, BUS_PIO, at, size, v));
}

static inline void ram_write(uint64_t at, const void *p, size_t n)
{
    MUST(!mem_write(&vm, gpa(at), p, n));
}
static inline void ram_read(uint64_t at, void *p, size_t n)
{
    MUST(!mem_read(&vm, gpa(at), p, n));
}
static inline void ram_put16(uint64_t at, uint16_t v)
{
    ram_write(at, &v, sizeof v);
}
static inline uint16_t ram_get16(uint64_t at)
{
    uint16_t v;
    ram_read(at, &v, sizeof v);
    return v;
}
static inline uint8_t ram_get8(uint64_t at)
{
    uint8_t v;
    ram_read(at, &v, sizeof v);
    return v;
}

/* --- configuration space --- */

enum { CFG_COMMAND = 4, CFG_BAR = 0x10, CFG_CAPS = 0x34 };

static inline uint64_t cfg_at(unsigned slot, unsigned reg)
{
    return PC_ECAM_BASE + slot * 0x8000 + reg;
}
static inline uint32_t cfg_get(unsigned slot, unsigned reg, unsigned size)
{
    return (uint32_t)mmio_get(cfg_at(slot, reg), size);
}
static inline void cfg_put(unsigned slot, unsigned reg, unsigned size, uint32_t v)
{
    mmio_put(cfg_at(slot, reg), size, v);
}
static inline uint64_t bar_at(unsigned slot, unsigned i)
{
    uint32_t v = cfg_get(slot, CFG_BAR + 4 * i, 4);
    return v & 1 ? v & ~3u : v & ~15u;
}
/* The first capability with that id (and, for virtio's, type) or 0. */
static inline unsigned cap_find(unsigned slot, uint8_t id, uint8_t type)
{
    for (unsigned at = cfg_get(slot, CFG_CAPS, 1); at; at = cfg_get(slot, at + 1, 1))
        if (cfg_get(slot, at, 1) == id && (!type || cfg_get(slot, at + 3, 1) == type))
            return at;
    return 0;
}

/* --- MSI-X --- */

static inline uint64_t msix_entry(unsigned slot, unsigned vector)
{
    uint32_t table = cfg_get(slot, cap_find(slot, PCI_CAP_MSIX, 0) + 4, 4);
    return bar_at(slot, table & 7) + (table & ~7u) + vector * 16;
}
static inline uint64_t msix_pending(unsigned slot)
{
    uint32_t pba = cfg_get(slot, cap_find(slot, PCI_CAP_MSIX, 0) + 8, 4);
    return mmio_get(bar_at(slot, pba & 7) + (pba & ~7u), 8);
}
static inline void msix_control(unsigned slot, uint16_t v)
{
    cfg_put(slot, cap_find(slot, PCI_CAP_MSIX, 0) + 2, 2, v);
}
#define MSIX_ENABLE 0x8000
#define MSIX_MASK_ALL 0x4000
#define MSI_ADDR 0xFEE01000u
static inline void msix_route(unsigned slot, unsigned vector, uint32_t data)
{
    mmio_put(msix_entry(slot, vector), 8, MSI_ADDR);
    mmio_put(msix_entry(slot, vector) + 8, 4, data);
    mmio_put(msix_entry(slot, vector) + 12, 4, 0);
}

/* --- the driver's half of virtio --- */

struct drvq {
    uint16_t size, avail, used; /* used: seen up to */
    uint16_t next_desc;
    uint64_t desc, driver, device;
};

static struct drv {
    unsigned slot;
    uint64_t common, isr, config;
    uint16_t notify;
    uint32_t stride;
    uint64_t features;
    struct drvq q[4];
} drv;

static inline uint64_t virtio_cap_at(unsigned slot, uint8_t type)
{
    unsigned cap = cap_find(slot, PCI_CAP_VENDOR, type);
    return cap ? bar_at(slot, cfg_get(slot, cap + 4, 1)) + cfg_get(slot, cap + 8, 4) : 0;
}

static inline uint32_t common_get(unsigned off, unsigned size)
{
    return (uint32_t)mmio_get(drv.common + off, size);
}
static inline void common_put(unsigned off, unsigned size, uint32_t v)
{
    mmio_put(drv.common + off, size, v);
}
static inline void common_put64(unsigned off, uint64_t v)
{
    common_put(off, 4, (uint32_t)v);
    common_put(off + 4, 4, (uint32_t)(v >> 32));
}
static inline uint8_t status_get(void)
{
    return (uint8_t)common_get(VIRTIO_COMMON_STATUS, 1);
}
static inline void status_add(uint8_t bits)
{
    common_put(VIRTIO_COMMON_STATUS, 1, status_get() | bits);
}

static inline void drv_find(unsigned slot)
{
    drv = (struct drv){ .slot = slot };
    drv.common = virtio_cap_at(slot, VIRTIO_CAP_COMMON);
    drv.isr = virtio_cap_at(slot, VIRTIO_CAP_ISR);
    drv.config = virtio_cap_at(slot, VIRTIO_CAP_DEVICE);
    drv.notify = (uint16_t)virtio_cap_at(slot, VIRTIO_CAP_NOTIFY);
    drv.stride = cfg_get(slot, cap_find(slot, PCI_CAP_VENDOR, VIRTIO_CAP_NOTIFY) + 16, 4);
    MUST(drv.common && drv.isr && drv.notify);
    cfg_put(slot, CFG_COMMAND, 2, 7);
    msix_control(slot, MSIX_ENABLE);
}

static inline uint64_t features_offered(void)
{
    uint64_t v;
    common_put(VIRTIO_COMMON_DEVICE_FEATURE_SELECT, 4, 0);
    v = common_get(VIRTIO_COMMON_DEVICE_FEATURE, 4);
    common_put(VIRTIO_COMMON_DEVICE_FEATURE_SELECT, 4, 1);
    return v | (uint64_t)common_get(VIRTIO_COMMON_DEVICE_FEATURE, 4) << 32;
}

/* Up to FEATURES_OK; true if the device took the features. */
static inline bool drv_negotiate(uint64_t features)
{
    common_put(VIRTIO_COMMON_STATUS, 1, 0);
    MUST(status_get() == 0);
    status_add(VIRTIO_ACKNOWLEDGE);
    status_add(VIRTIO_DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        common_put(VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, i);
        common_put(VIRTIO_COMMON_DRIVER_FEATURE, 4, (uint32_t)(features >> 32 * i));
    }
    status_add(VIRTIO_FEATURES_OK);
    drv.features = features;
    return status_get() & VIRTIO_FEATURES_OK;
}

#define QUEUE_AREA(n) (0x10000u + (n)*0x8000u) /* desc; avail 0x2000 and used 0x4000 behind */

static inline err_t queue_enable_at(unsigned n, uint16_t size, uint64_t desc, uint64_t driver, uint64_t device)
{
    common_put(VIRTIO_COMMON_QUEUE_SELECT, 2, n);
    common_put(VIRTIO_COMMON_QUEUE_SIZE, 2, size);
    common_put(VIRTIO_COMMON_QUEUE_VECTOR, 2, n + 1);
    common_put64(VIRTIO_COMMON_QUEUE_DESC, desc);
    common_put64(VIRTIO_COMMON_QUEUE_DRIVER, driver);
    common_put64(VIRTIO_COMMON_QUEUE_DEVICE, device);
    return mmio_try(drv.common + VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
}

static inline void queue_up(unsigned n, uint16_t size)
{
    uint64_t at = QUEUE_AREA(n);

    guest_zero(at, 0x6000);
    drv.q[n] = (struct drvq){ .size = size, .desc = at, .driver = at + 0x2000, .device = at + 0x4000 };
    MUST(!queue_enable_at(n, size, at, at + 0x2000, at + 0x4000));
    msix_route(drv.slot, n + 1, 0x40 + n + 1);
}

/* Reset, all features offered but those in `without`, all queues of that size, DRIVER_OK. */
static inline void drv_start(unsigned slot, uint16_t size, uint64_t without)
{
    drv_find(slot);
    MUST(drv_negotiate(features_offered() & ~without));
    for (unsigned n = 0; n < common_get(VIRTIO_COMMON_NUM_QUEUES, 2); n++)
        queue_up(n, size);
    status_add(VIRTIO_DRIVER_OK);
}

static inline void desc_put(unsigned n, uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
    struct virtq_desc d = { .addr = addr, .len = len, .flags = flags, .next = next };
    ram_write(drv.q[n].desc + 16ull * i, &d, sizeof d);
}

struct piece {
    uint64_t at;
    uint32_t len;
    bool writable;
};

/* Writes a chain of n pieces at the next free descriptors and returns its head. Descriptors are used round and round.
 */
static inline uint16_t chain_put(unsigned n, const struct piece *p, unsigned count)
{
    struct drvq *q = &drv.q[n];
    uint16_t head = q->next_desc;

    for (unsigned i = 0; i < count; i++) {
        uint16_t at = q->next_desc, next = (uint16_t)((at + 1) % q->size);
        uint16_t flags = (uint16_t)((p[i].writable ? VIRTQ_DESC_WRITE : 0) | (i + 1 < count ? VIRTQ_DESC_NEXT : 0));
        desc_put(n, at, p[i].at, p[i].len, flags, next);
        q->next_desc = next;
    }
    return head;
}

/* The same through an indirect table at `table`. */
static inline uint16_t indirect_put(unsigned n, uint64_t table, const struct piece *p, unsigned count)
{
    struct drvq *q = &drv.q[n];
    uint16_t head = q->next_desc;

    for (unsigned i = 0; i < count; i++) {
        struct virtq_desc d = { .addr = p[i].at,
                                .len = p[i].len,
                                .next = (uint16_t)(i + 1),
                                .flags = (uint16_t)((p[i].writable ? VIRTQ_DESC_WRITE : 0) |
                                                    (i + 1 < count ? VIRTQ_DESC_NEXT : 0)) };
        ram_write(table + 16ull * i, &d, sizeof d);
    }
    desc_put(n, head, table, count * 16, VIRTQ_DESC_INDIRECT, 0);
    q->next_desc = (uint16_t)((head + 1) % q->size);
    return head;
}

/* Makes the chain available; true if the device asked for a kick. */
static inline bool avail_put(unsigned n, uint16_t head)
{
    struct drvq *q = &drv.q[n];

    ram_put16(q->driver + VIRTQ_AVAIL_RING(q->avail % q->size), head);
    q->avail++;
    ram_put16(q->driver + VIRTQ_AVAIL_IDX, q->avail);
    if (!(drv.features & VIRTIO_F_EVENT_IDX))
        return !ram_get16(q->device); /* flags */
    return (uint16_t)(q->avail - ram_get16(q->device + VIRTQ_USED_RING(q->size)) - 1) < 1;
}

static unsigned kicks_repeated;
static inline err_t kick(unsigned n)
{
    err_t e;

    while ((e = bus_write(&vm, BUS_PIO, drv.notify + n * drv.stride, 2, n)) == ERR_AGAIN)
        kicks_repeated++; /* as the guest's CPU does */
    return e;
}

/* Adds a chain and kicks if asked to. */
static inline err_t submit(unsigned n, uint16_t head)
{
    return avail_put(n, head) ? kick(n) : OK;
}

/* Takes the next finished chain; false if there is none. */
static inline bool used_take(unsigned n, struct virtq_used_elem *elem)
{
    struct drvq *q = &drv.q[n];

    if (ram_get16(q->device + VIRTQ_USED_IDX) == q->used)
        return false;
    ram_read(q->device + VIRTQ_USED_RING(q->used % q->size), elem, sizeof *elem);
    q->used++;
    ram_put16(q->driver + VIRTQ_AVAIL_RING(q->size), q->used); /* used_event: tell me about the next */
    return true;
}
