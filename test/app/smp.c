/* Several CPUs in one space: what one of them maps, takes away and protects, the others see at once; they start, wake, and stop. With the
 * argument "spin" all of them compute for ever. */
#include "test/app/app.h"

const char app_name[] = "smp";

#define HEAP 0x10000000ull
#define CPUS 4
#define ROUNDS 60

static struct app_cpu cpus[CPUS] ALIGNED(128);
static uint8_t upcall_stacks[CPUS][2048] ALIGNED(16);
static uint8_t stacks[CPUS][8192] ALIGNED(16);
static volatile uint32_t round_at, seen[CPUS], wrong, stopping, counts[CPUS], woken[CPUS];
static unsigned ncpus;

static unsigned self(void)
{
    uint32_t id;

    __asm__ volatile("movl %%gs:4, %0" : "=r"(id));
    return id;
}

/* Reads what CPU 0 has mapped for each round, and says so. */
static void reader(void)
{
    unsigned me = self();
    uint32_t last_round = 0;

    while (!stopping) {
        uint32_t now = round_at;
        counts[me]++;
        if (now == last_round) {
            cpu_pause();
            continue;
        }
        for (unsigned i = 0; i < 4; i++)
            if (*(volatile uint32_t *)(HEAP + i * 0x1000) != now)
                wrong++;
        last_round = now;
        seen[me] = now;
    }
    while (!__atomic_load_n(&cpus[me].pending, __ATOMIC_SEQ_CST)) /* WAKE is the last word */
        gate(0, 0, 0, 0, 0, APP_WAIT);
    woken[me]++;
    cpus[me].pending = 0;
    gate(0, 0, 0, 0, 0, APP_CPU_STOP);
}

static void start_all(void (*fn)(void))
{
    for (unsigned i = 1; i < ncpus; i++) {
        int64_t e;
        cpus[i] = (struct app_cpu){ .masked = 1, .id = i, .stack_top = (uint64_t)(upcall_stacks[i] + sizeof upcall_stacks[i]),
                                    .stack_size = sizeof upcall_stacks[i] };
        do /* one that has just stopped may still be on its way out */
            e = gate(i, (uint64_t)fn, (uint64_t)(stacks[i] + sizeof stacks[i] - 8), (uint64_t)&cpus[i], 0, APP_CPU_START);
        while (e == APP_BUSY);
        EXPECT(e, 0);
    }
}

static void wait_all(volatile uint32_t *what, uint32_t value)
{
    uint64_t from = now_ns();

    for (unsigned i = 1; i < ncpus; i++)
        while (what[i] != value) {
            if (now_ns() - from > 20000000000)
                fail("CPU %u is at %u, not %u", i, what[i], value);
            cpu_pause();
        }
}

static void poke(uint64_t at, uint64_t value) { *(volatile uint8_t *)at = (uint8_t)value; }

static void remap_round(uint32_t n)
{
    EXPECT(gate(HEAP, 0x4000, 3, 0, 0, n % 3 ? APP_MAP : APP_UNMAP), 0);
    if (n % 3 == 0)
        EXPECT(gate(HEAP, 0x4000, 3, 0, 0, APP_PROTECT), 0);
    for (unsigned i = 0; i < 4; i++) {
        CHECK(*(volatile uint32_t *)(HEAP + i * 0x1000) == 0);
        *(volatile uint32_t *)(HEAP + i * 0x1000) = n;
    }
    if (n % 5 == 0) {
        EXPECT(gate(HEAP, 0x2000, 1, 0, 0, APP_PROTECT), 0);
        CHECK(!probe(poke, HEAP, 1));
    }
    round_at = n;
    wait_all(seen, n);
}


static void spin(void)
{
    for (;;)
        counts[self()]++;
}

int app_main(void)
{
    const char *s = (const char *)app_boot->strings;

    ncpus = app_boot->ncpus;
    CHECK(ncpus <= CPUS);
    if (app_boot->argc > 1 && str_eq(s + strlen(s) + 1, "spin")) {
        start_all(spin);
        say("%u CPUs spin", ncpus);
        for (;;)
            EXPECT(gate(HEAP, 0x100000, 3, 0, 0, counts[0]++ % 2 ? APP_MAP : APP_UNMAP), 0);
    }
    CHECK(ncpus >= 2);
    for (unsigned again = 1; again <= 3; again++) {
        stopping = 0;
        round_at = 0; /* or a reader would look at the last round's memory while it is taken away */
        start_all(reader);
        for (uint32_t n = 1; n <= ROUNDS; n++)
            remap_round(again * 1000 + n);
        stopping = 1;
        for (unsigned i = 1; i < ncpus; i++)
            EXPECT(gate(i, 0, 0, 0, 0, APP_WAKE), 0);
        wait_all(woken, again);
    }
    CHECK(!wrong);
    say("%u CPUs, %u rounds", ncpus, 3 * ROUNDS);
    pass();
}
