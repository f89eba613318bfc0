#pragma once
/* Reading the monitor's clock page; for the libos and for the vDSO. */
#include "abi/app.h"

/* CLOCK_MONOTONIC in ns; wall clock minus that in *wall_offset. */
static inline uint64_t clock_page_read(const volatile struct app_time *t, int64_t *wall_offset)
{
    uint64_t ns;
    uint32_t seq;

    do {
        uint64_t tsc;
        seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE);
        __asm__ volatile("lfence\nrdtsc\nshl $32, %%rdx\nor %%rdx, %%rax" : "=a"(tsc) : : "rdx", "memory"); /* in order: not before what came before */
        tsc = tsc > t->tsc_base ? tsc - t->tsc_base : 0; /* CPUs' counters may differ by little */
        ns = t->mono + (uint64_t)((unsigned __int128)tsc * t->mult >> 32);
        *wall_offset = t->wall_offset;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (seq & 1 || seq != t->seq);
    return ns;
}
