#pragma once
/* A window of device registers. Set-up code reaches registers through these functions, so that a test can put a model
 * of the device behind them; what runs for every request (a doorbell) writes through `base` directly. */
#include "base/types.h"

struct mmio_ops {
    uint64_t (*read)(void *base, uint64_t off, unsigned size);
    void (*write)(void *base, uint64_t off, unsigned size, uint64_t val);
};

struct mmio {
    volatile uint8_t *base;
    uint64_t len;
    const struct mmio_ops *ops; /* NULL: real registers */
};

#define MMIO_ACCESS(bits)                                                                                              \
    static inline uint##bits##_t mmio_read##bits(const struct mmio *m, uint64_t off)                                   \
    {                                                                                                                  \
        if (m->ops)                                                                                                    \
            return (uint##bits##_t)m->ops->read((void *)m->base, off, bits / 8);                                       \
        return *(volatile uint##bits##_t *)(m->base + off);                                                            \
    }                                                                                                                  \
    static inline void mmio_write##bits(const struct mmio *m, uint64_t off, uint##bits##_t v)                          \
    {                                                                                                                  \
        if (m->ops)                                                                                                    \
            m->ops->write((void *)m->base, off, bits / 8, v);                                                          \
        else                                                                                                           \
            *(volatile uint##bits##_t *)(m->base + off) = v;                                                           \
    }
MMIO_ACCESS(8)
MMIO_ACCESS(16)
MMIO_ACCESS(32)
#undef MMIO_ACCESS

/* As two halves, low first: what every device allows. */
static inline uint64_t mmio_read64(const struct mmio *m, uint64_t off)
{
    uint32_t low = mmio_read32(m, off);
    return low | (uint64_t)mmio_read32(m, off + 4) << 32;
}
static inline void mmio_write64(const struct mmio *m, uint64_t off, uint64_t v)
{
    mmio_write32(m, off, (uint32_t)v);
    mmio_write32(m, off + 4, (uint32_t)(v >> 32));
}
