#pragma once
/* One PCI function for driver tests: a configuration space that answers BAR sizing, a 64-bit BAR 0 of real memory (so that
 * doorbells, which drivers write directly, land somewhere), hooks for the registers behind it, and an MSI-X table. BAR 5, of 32 bits, is the same
 * memory, if a test that needs it has set fake_pci.bar to some below 4 GiB. */
#include <stdlib.h>
#include <string.h>
#include "ground/fake/fake.h"
#include "hal/pci.h"

#define FAKE_BAR_SIZE 0x8000u
#define FAKE_MSIX_TABLE 0x6000u /* in the BAR */
#define FAKE_CFG_DWORDS 64u

struct fake_pci {
    struct hal_pci_access access;
    struct hal_pci_dev dev; /* what a scan would hand to the driver */
    uint32_t cfg[FAKE_CFG_DWORDS];
    uint8_t *bar;
    unsigned caps_end; /* where the next capability goes */
    /* The device: off is in the BAR. The table of vectors is handled here. */
    uint64_t (*read)(uint64_t off, unsigned size);
    void (*write)(uint64_t off, unsigned size, uint64_t val);
};
extern struct fake_pci fake_pci; /* the one there is; defined below */
struct fake_pci fake_pci;

static uint32_t fake_cfg_read(const struct hal_pci_access *a, struct hal_pci_at at, uint32_t off)
{
    (void)a, (void)at;
    return off / 4 < FAKE_CFG_DWORDS ? fake_pci.cfg[off / 4] : UINT32_MAX;
}

static void fake_cfg_write(const struct hal_pci_access *a, struct hal_pci_at at, uint32_t off, uint32_t val)
{
    (void)a, (void)at;
    if (off == 0x10)
        fake_pci.cfg[4] = (val & ~(FAKE_BAR_SIZE - 1)) | 4;
    else if (off == 0x24)
        fake_pci.cfg[9] = val & ~(FAKE_BAR_SIZE - 1);
    else if (off == 0x04)
        fake_pci.cfg[1] = (fake_pci.cfg[1] & 0xFFFF0000) | (val & 0xFFFF);
    else if (off == 0x14 || off >= 0x40)
        fake_pci.cfg[off / 4] = val;
}

static uint64_t fake_reg_read(void *base, uint64_t off, unsigned size)
{
    uint64_t at = (uint64_t)((uint8_t *)base - fake_pci.bar) + off, v = 0;

    if (at + size > FAKE_BAR_SIZE)
        abort();
    if (at < FAKE_MSIX_TABLE)
        return fake_pci.read(at, size);
    memcpy(&v, fake_pci.bar + at, size);
    return v;
}

static void fake_reg_write(void *base, uint64_t off, unsigned size, uint64_t val)
{
    uint64_t at = (uint64_t)((uint8_t *)base - fake_pci.bar) + off;

    if (at + size > FAKE_BAR_SIZE)
        abort();
    if (at < FAKE_MSIX_TABLE)
        fake_pci.write(at, size, val);
    else
        memcpy(fake_pci.bar + at, &val, size);
}

static const struct mmio_ops fake_mmio = { .read = fake_reg_read, .write = fake_reg_write };

/* Appends a capability of n dwords, of which the first gets id and link. Returns its offset. */
static inline unsigned fake_pci_cap(uint8_t id, const uint32_t *body, unsigned n)
{
    unsigned at = fake_pci.caps_end;

    memcpy(&fake_pci.cfg[at / 4], body, 4 * n);
    fake_pci.cfg[at / 4] = (body[0] & 0xFFFF0000) | (fake_pci.cfg[13] & 0xFF) << 8 | id;
    fake_pci.cfg[13] = at;
    fake_pci.cfg[1] |= BIT(20);
    fake_pci.caps_end += 4 * n;
    return at;
}

/* vectors: 0 for a device without MSI-X. */
static inline void fake_pci_init(uint32_t id, uint32_t class, unsigned vectors)
{
    uint8_t *bar = fake_pci.bar ? fake_pci.bar : aligned_alloc(FAKE_BAR_SIZE, FAKE_BAR_SIZE);

    memset(bar, 0, FAKE_BAR_SIZE);
    fake_pci = (struct fake_pci){ .bar = bar, .caps_end = 0x40 };
    fake_pci.access = (struct hal_pci_access){ .read = fake_cfg_read, .write = fake_cfg_write, .mmio = &fake_mmio };
    fake_pci.cfg[0] = id;
    fake_pci.cfg[2] = class << 8;
    fake_pci.cfg[4] = (uint32_t)(uintptr_t)bar | 4;
    fake_pci.cfg[5] = (uint32_t)((uintptr_t)bar >> 32);
    fake_pci.cfg[9] = (uint32_t)(uintptr_t)bar;
    fake_pci.dev = (struct hal_pci_dev){ .access = &fake_pci.access, .vendor = (uint16_t)id,
                                         .device = (uint16_t)(id >> 16), .class = class, .name = "fake" };
    if (vectors)
        fake_pci_cap(HAL_PCI_CAP_MSIX, (uint32_t[]){ (vectors - 1) << 16, FAKE_MSIX_TABLE, 0 }, 3);
}

/* The device signals vector n. False if it is masked or nobody listens. */
static inline bool fake_pci_interrupt(unsigned n)
{
    uint32_t entry[4];
    struct irq_msi m;

    memcpy(entry, fake_pci.bar + FAKE_MSIX_TABLE + 16 * n, 16);
    m = (struct irq_msi){ .addr = entry[0] | (uint64_t)entry[1] << 32, .data = entry[2] };
    return !(entry[3] & 1) && fake_irq_fire(&m);
}

static inline bool fake_pci_may_dma(void) { return fake_pci.cfg[1] & BIT(2); }
