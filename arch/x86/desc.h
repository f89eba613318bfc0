#pragma once
/* Descriptor tables: segments, gates, the task state segment. AMD APM volume 2, chapters 4, 8 and 12. */
#include "base/types.h"

/* The monitor's GDT, the same on every CPU but for the TSS. SEL_CODE32 is for the way into long mode only. */
enum { SEL_CODE64 = 0x08, SEL_DATA = 0x10, SEL_CODE32 = 0x18, SEL_TSS = 0x20 };
#define GDT_ENTRIES 6 /* the TSS takes two */

#define DESC_CODE64 0x00AF9B000000FFFFull /* present, accessed, ring 0, L */
#define DESC_DATA 0x00CF93000000FFFFull
#define DESC_CODE32 0x00CF9B000000FFFFull

/* Selectors of apps, at CPL 3: those of Linux, which programs may see in a signal frame. */
enum { SEL_USER_DATA = 0x2B, SEL_USER_CODE = 0x33 };
#define DESC_USER_DATA 0x00CFF3000000FFFFull
#define DESC_USER_CODE 0x00AFFB000000FFFFull

struct PACKED desc_ptr {
    uint16_t limit;
    uint64_t base;
};

struct PACKED tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7]; /* IST n is ist[n - 1] */
    uint64_t reserved2;
    uint16_t reserved3, iomap; /* iomap >= the limit: no port bitmap */
};
_Static_assert(sizeof(struct tss) == 104, "APM 12.2.5");

struct gate {
    uint16_t offset0, selector;
    uint8_t ist, type;
    uint16_t offset16;
    uint32_t offset32, reserved;
};
_Static_assert(sizeof(struct gate) == 16, "APM 4.8.4");
#define GATE_INTERRUPT 0x8E /* present, ring 0, interrupts off inside */

static inline struct gate desc_gate(uint64_t handler, uint8_t ist)
{
    return (struct gate){ .offset0 = (uint16_t)handler,
                          .selector = SEL_CODE64,
                          .ist = ist,
                          .type = GATE_INTERRUPT,
                          .offset16 = (uint16_t)(handler >> 16),
                          .offset32 = (uint32_t)(handler >> 32) };
}

/* Both halves of the descriptor of an available 64-bit TSS. */
static inline void desc_tss(uint64_t out[2], const struct tss *t)
{
    uint64_t base = (uintptr_t)t;

    out[0] = (sizeof *t - 1) | (base & 0xFFFFFF) << 16 | 0x89ull << 40 | (base >> 24 & 0xFF) << 56;
    out[1] = base >> 32;
}
