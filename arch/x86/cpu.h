#pragma once
/* The x86-64 instructions C has no words for. Intel SDM volume 2, AMD APM volume 3. */
#include "base/types.h"

#define CPU_PORT(bits, size)                                                                                           \
    static inline void cpu_out##bits(uint16_t port, uint##bits##_t v)                                                  \
    {                                                                                                                  \
        __asm__ volatile("out" size " %0, %1" ::"a"(v), "Nd"(port));                                                   \
    }                                                                                                                  \
    static inline uint##bits##_t cpu_in##bits(uint16_t port)                                                           \
    {                                                                                                                  \
        uint##bits##_t v;                                                                                              \
        __asm__ volatile("in" size " %1, %0" : "=a"(v) : "Nd"(port));                                                  \
        return v;                                                                                                      \
    }
CPU_PORT(8, "b")
CPU_PORT(16, "w")
CPU_PORT(32, "l")
#undef CPU_PORT

static inline uint64_t cpu_tsc(void)
{
    uint32_t lo, hi;
    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}
static inline uint64_t cpu_rdmsr(uint32_t msr)
{
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}
static inline void cpu_wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" ::"a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(msr) : "memory");
}
static inline uint64_t cpu_xgetbv(uint32_t reg)
{
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(reg));
    return (uint64_t)hi << 32 | lo;
}
static inline void cpu_xsetbv(uint32_t reg, uint64_t v)
{
    __asm__ volatile("xsetbv" ::"a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(reg) : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};
static inline struct cpuid cpu_id(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

#define CPU_REG(name)                                                                                        \
    static inline uint64_t cpu_read_##name(void)                                                             \
    {                                                                                                        \
        uint64_t v;                                                                                          \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(v)::"memory");                                         \
        return v;                                                                                            \
    }                                                                                                        \
    static inline void cpu_write_##name(uint64_t v) { __asm__ volatile("mov %0, %%" #name ::"r"(v) : "memory"); }
CPU_REG(cr0)
CPU_REG(cr2)
CPU_REG(cr3)
CPU_REG(cr4)
CPU_REG(cr8)
CPU_REG(dr0)
CPU_REG(dr1)
CPU_REG(dr2)
CPU_REG(dr3)
CPU_REG(dr6)
CPU_REG(dr7)
#undef CPU_REG

static inline void cpu_cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void cpu_pause(void) { __builtin_ia32_pause(); }
static inline void cpu_invlpg(uint64_t va) { __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory"); }
NORETURN static inline void cpu_halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt" ::: "memory");
}

/* x87, SSE and, unless xcr0 is 0, the other states it names. The area is aligned to 64 bytes. */
static inline void cpu_fpu_save(void *area, uint64_t xcr0)
{
    if (xcr0)
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"((uint32_t)xcr0), "d"(0) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}
static inline void cpu_fpu_load(const void *area, uint64_t xcr0)
{
    if (xcr0)
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"((uint32_t)xcr0), "d"(0) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

/* a * b / c with a 128-bit product. The quotient must fit 64 bits: a * b / c < 2^64, else #DE. */
static inline uint64_t cpu_mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t hi, lo;
    __asm__("mulq %3; divq %4" : "=&a"(lo), "=&d"(hi) : "0"(a), "r"(b), "r"(c) : "cc");
    return lo;
}
/* The upper half of the 128-bit product, shifted: a * b >> 32. */
static inline uint64_t cpu_mul_shift32(uint64_t a, uint64_t b)
{
    uint64_t hi, lo;
    __asm__("mulq %3" : "=a"(lo), "=d"(hi) : "0"(a), "r"(b) : "cc");
    return hi << 32 | lo >> 32;
}
