/* Every gate call, with arguments a hostile guest would choose: each is refused, or does what it says, and the guest goes on. */
#include "test/app/app.h"

const char app_name[] = "gate";

#define HEAP 0x10000000ull /* nothing is there */
#define CALL(n, ...) call6(n, (const uint64_t[5]){ __VA_ARGS__ })

static int64_t call6(uint64_t n, const uint64_t a[5]) { return gate(a[0], a[1], a[2], a[3], a[4], n); }

static const uint64_t wild[] = { 0, 1, 0xFFF, 0x1000, 0x10000, HEAP, 0x3FFFFFF000, APP_TOP, APP_TOP + 0x1000, 0x7FFFFFFFF000, 0x800000000000,
    0xFFFF800000000000, 0xFFFFFF8000000000, 0xFFFFFFFFFFFFF000, ~0ull, BIT64(63), 0xFEE00000, 0x100000, 2, 3, 7, 0x1000000000 };

static void memory_calls(void)
{
    volatile uint64_t *p = (volatile uint64_t *)HEAP;

    EXPECT(CALL(APP_MAP, HEAP + 1, 0x1000, 3), APP_INVAL);
    EXPECT(CALL(APP_MAP, HEAP, 0x1001, 3), APP_INVAL);
    EXPECT(CALL(APP_MAP, HEAP, 0, 3), APP_INVAL);
    EXPECT(CALL(APP_MAP, HEAP, 0x1000, 0x80), APP_INVAL);
    EXPECT(CALL(APP_MAP, HEAP, 0x1000, 3 | BIT64(40)), APP_INVAL);
    EXPECT(CALL(APP_MAP, APP_TOP, 0x1000, 3), APP_RANGE);
    EXPECT(CALL(APP_MAP, HEAP, APP_TOP, 3), APP_RANGE);
    EXPECT(CALL(APP_MAP, HEAP, app_boot->mem_limit + 0x1000, 3), APP_NOMEM);
    EXPECT(CALL(APP_MAP, (uint64_t)&cpu0 & ~0xFFFull, 0x1000, 3), APP_BUSY);
    EXPECT(CALL(APP_UNMAP, (uint64_t)&cpu0 & ~0xFFFull, 0x1000), APP_BUSY);
    EXPECT(CALL(APP_PROTECT, 0, APP_TOP, 0), APP_BUSY);
    EXPECT(CALL(APP_UNMAP, 0, ~0xFFFull), APP_BUSY);
    EXPECT(CALL(APP_MAP_FILE, HEAP, 0x1000, 1, (uint64_t)APP_IMAGE << 32, 0), APP_RANGE); /* there is no file system */
    EXPECT(CALL(APP_MAP_FILE, HEAP, 0x1000, 1, 5ull << 32, 0), APP_INVAL);
    EXPECT(CALL(APP_MAP_FILE, HEAP, 0x1000, APP_SHARED | 1, (uint64_t)APP_IMAGE << 32, 0), APP_INVAL);

    EXPECT(CALL(APP_MAP, HEAP, 0x4000, 3), 0);
    CHECK(*p == 0);
    *p = 42;
    EXPECT(CALL(APP_PROTECT, HEAP, 0x1000, 1), 0);
    CHECK(*p == 42);
    EXPECT(CALL(APP_PROTECT, HEAP, 0x1000, 0), 0);
    EXPECT(CALL(APP_LOG, HEAP, 10), APP_RANGE);
    EXPECT(CALL(APP_PROTECT, HEAP, 0x1000, 3), 0);
    CHECK(*p == 42);
    EXPECT(CALL(APP_UNMAP, HEAP, 0x4000), 0);
    EXPECT(CALL(APP_LOG, HEAP, 10), APP_RANGE);
    EXPECT(CALL(APP_REWRITE, HEAP, 0x1000), APP_RANGE);
    EXPECT(CALL(APP_REWRITE, APP_LIBOS, 0x1000), 0);
}

static void other_calls(void)
{
    EXPECT(CALL(APP_LOG, APP_LIBOS, 1025), APP_INVAL);
    EXPECT(CALL(APP_LOG, ~0ull - 5, 1000), APP_RANGE);
    EXPECT(CALL(APP_LOG, APP_TOP - 5, 1000), APP_RANGE);
    EXPECT(CALL(APP_KICK, 16), APP_INVAL);
    EXPECT(CALL(APP_KICK, ~0ull), APP_INVAL);
    EXPECT(CALL(APP_WAKE, 1), APP_INVAL);
    EXPECT(CALL(APP_WAKE, ~0ull), APP_INVAL);
    EXPECT(CALL(APP_CPU_START, 0, APP_LIBOS, HEAP, (uint64_t)&cpu0), APP_BUSY);
    EXPECT(CALL(APP_CPU_START, 64, APP_LIBOS, HEAP, (uint64_t)&cpu0), APP_INVAL);
    EXPECT(CALL(APP_CPU_STOP, 0), APP_INVAL);
    EXPECT(CALL(APP_TEMPLATE, 0), 0); /* it is not to become one */
    EXPECT(CALL(APP_CALLS, 0), APP_INVAL);
    EXPECT(CALL(~0ull, 0), APP_INVAL);
    EXPECT(CALL(BIT64(32), 0), APP_INVAL); /* not APP_LOG */
}

/* All calls but those that end or stop this CPU, with all pairs of wild numbers. */
static void wild_calls(void)
{
    unsigned calls = 0;

    for (uint64_t n = 0; n < APP_CALLS + 2; n++) {
        if (n == APP_EXIT || n == APP_WAIT || n == APP_UNMAP || n == APP_MAP || n == APP_PROTECT || n == APP_LOG)
            continue; /* with good luck these would take away what the test stands on, or say too much */
        for (unsigned i = 0; i < ARRAY_LEN(wild); i++)
            for (unsigned k = 0; k < ARRAY_LEN(wild); k++, calls++)
                CALL(n, wild[i], wild[k], wild[(i + k) % ARRAY_LEN(wild)], wild[(i * k) % ARRAY_LEN(wild)], wild[k]);
    }
    EXPECT(CALL(APP_TIMER, 0), 0);
    say("%u wild calls", calls);
}

static void wild_maps(void)
{
    static const uint64_t calls[] = { APP_MAP, APP_UNMAP, APP_PROTECT };

    for (unsigned n = 0; n < ARRAY_LEN(calls); n++)
        for (unsigned i = 0; i < ARRAY_LEN(wild); i++)
            for (unsigned k = 0; k < ARRAY_LEN(wild); k++)
                if (wild[i] >= 0x1000000 || wild[k] < 0x1000) /* not where the program is */
                    CALL(calls[n], wild[i], wild[i] < APP_TOP - MIB(64) ? min_u64(wild[k], 0x100000) : wild[k] | 1, wild[(i + k) % 4]);
}

/* A raw `syscall` arrives at `missed`, whatever its number, and is no gate call. */
static void raw_syscalls(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(wild); i++) {
        syscall_here(wild[i]);
        CHECK(missed_number == wild[i]);
    }
}

static void clocks_and_waits(void)
{
    uint64_t from = now_ns();

    cpu0.pending = 0; /* of the wild timers */
    cpu0.events = 0;
    EXPECT(CALL(APP_WAIT, 1), 0); /* the first wait behind an event does not sleep */
    EXPECT(CALL(APP_WAIT, from + 20000000), 0);
    CHECK(now_ns() - from >= 19000000);
    from = now_ns();
    EXPECT(CALL(APP_TIMER, from + 10000000), 0);
    EXPECT(CALL(APP_WAIT, 0), 0);
    CHECK(now_ns() - from >= 9000000);
    CHECK(cpu0.pending && cpu0.events == APP_EVENT_TIMER && !events);
    cpu0.events = 0;
    EXPECT(CALL(APP_WAIT, 1), 0); /* long ago */
    cpu0.pending = 0;
    cpu0.masked = 0;
    EXPECT(CALL(APP_TIMER, now_ns() + 5000000), 0);
    for (from = now_ns(); !events && now_ns() - from < 1000000000;)
        cpu_pause(); /* the event interrupts this loop */
    CHECK(events == 1 && cpu0.events == APP_EVENT_TIMER);
    cpu0.masked = 1;
}

int app_main(void)
{
    memory_calls();
    other_calls();
    wild_calls();
    wild_maps();
    raw_syscalls();
    clocks_and_waits();
    pass();
}
