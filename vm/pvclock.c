/* kvm-clock. The factors never change: all CPUs share one TSC and a guest's TSC is 0 when it starts. */
#include "vm/pvclock.h"
#include "ground/ground.h"
#include "vm/mem.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

#define ENABLE 1ull
#define FLAG_TSC_STABLE 1

struct time_info {
    uint32_t version;       /* 0x00: odd while being written */
    uint32_t pad;           /* 0x04 */
    uint64_t tsc_timestamp; /* 0x08 */
    uint64_t system_time;   /* 0x10: ns at tsc_timestamp */
    uint32_t mul;           /* 0x18: ns = (ticks << shift) * mul >> 32 */
    int8_t shift;           /* 0x1C */
    uint8_t flags;          /* 0x1D */
    uint8_t pad2[2];        /* 0x1E */
};
_Static_assert(sizeof(struct time_info) == 32, "pvclock_vcpu_time_info");

struct wall_clock {
    uint32_t version; /* 0x00 */
    uint32_t sec;     /* 0x04 */
    uint32_t nsec;    /* 0x08 */
};
_Static_assert(sizeof(struct wall_clock) == 12, "pvclock_wall_clock");

/* 10^9 / hz as a 32-bit fraction with its top bit set, and the shift that makes it so. */
static void scale(uint64_t hz, uint32_t *mul, int8_t *shift)
{
    uint64_t ns = 1000000000;
    int s = 0;

    for (; ns >= hz; s++)
        ns >>= 1;
    for (; ns < hz / 2; s--)
        hz >>= 1;
    *mul = (uint32_t)((ns << 32) / hz);
    *shift = (int8_t)s;
}

err_t pvclock_set(struct vcpu *v, uint64_t val)
{
    struct time_info t = { .version = 2, .flags = FLAG_TSC_STABLE };

    v->pvclock = val;
    if (!(val & ENABLE))
        return OK;
    scale(ground_tsc_hz(), &t.mul, &t.shift);
    return mem_write(v->vm, gpa(val & ~ENABLE), &t, sizeof t) ? ERR_INVAL : OK;
}

err_t pvclock_wall(struct vcpu *v, uint64_t at)
{
    uint64_t start = ground_wall_ns() - ground_tsc_to_ns(ground_tsc() - v->vm->tsc_start);
    struct wall_clock w = { .version = 2, .sec = (uint32_t)(start / 1000000000), .nsec = (uint32_t)(start % 1000000000) };

    return mem_write(v->vm, gpa(at), &w, sizeof w) ? ERR_INVAL : OK;
}
