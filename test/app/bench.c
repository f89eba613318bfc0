/* Counts ticks of what an app does most; under QEMU's -icount they are instructions. */
#include "test/app/app.h"

const char app_name[] = "bench";

#define TIMES 4000u
#define HEAP 0x10000000ull
#define PAGES 2000u

static uint64_t empty(void)
{
    uint64_t from = cpu_tsc();

    for (unsigned i = 0; i < TIMES; i++)
        __asm__ volatile("" ::: "memory");
    return cpu_tsc() - from;
}

static uint64_t gates(void)
{
    uint64_t from = cpu_tsc();

    for (unsigned i = 0; i < TIMES; i++)
        gate(0, 0, 0, 0, 0, APP_FAULT);
    return cpu_tsc() - from;
}

static uint64_t missed(void)
{
    uint64_t from = cpu_tsc();

    for (unsigned i = 0; i < TIMES; i++)
        syscall_here(1);
    return cpu_tsc() - from;
}

static uint64_t touches(void)
{
    uint64_t from;

    EXPECT(gate(HEAP, PAGES * 0x1000ull, 3 | APP_SMALL, 0, 0, APP_MAP), 0);
    *(volatile uint8_t *)HEAP = 1; /* the tables */
    from = cpu_tsc();
    for (unsigned i = 1; i < PAGES; i++)
        *(volatile uint8_t *)(HEAP + i * 0x1000ull) = 1;
    return cpu_tsc() - from;
}

int app_main(void)
{
    uint64_t none = empty();

    say("APP gate %" PRIu64 " missed %" PRIu64 " touch %" PRIu64, (gates() - none) / TIMES, (missed() - none) / TIMES,
        touches() / (PAGES - 1));
    pass();
}
