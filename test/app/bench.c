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

/* --- messages to a tree of the monitor's --- */
#define FID_ROOT 1u
#define FID_NULL 2u
#define SLOT 0u

static uint8_t *at; /* the end of the question so far */

static struct app_channel *channel(void) { return (struct app_channel *)app_boot->mount[0].channel; }

static void put(uint64_t value, unsigned bytes)
{
    for (; bytes--; value >>= 8)
        *at++ = (uint8_t)value;
}

static void put_text(const char *s)
{
    put(strlen(s), 2);
    memcpy(at, s, strlen(s));
    at += strlen(s);
}

static void begin(unsigned type)
{
    at = channel()->asks[SLOT] + 4;
    put(type, 1);
    put(SLOT, 2);
}

/* Sends it; the answer, which is of the type that belongs to the question's, is there when the gate's call returns. */
static void rpc(void)
{
    struct app_channel *c = channel();
    uint8_t *ask = c->asks[SLOT];
    uint32_t head = c->ask.head, len = (uint32_t)(at - ask);

    memcpy(ask, &len, sizeof len);
    c->ask.tag[head % APP_CHANNEL_SLOTS] = SLOT;
    c->ask.len[head % APP_CHANNEL_SLOTS] = len;
    __atomic_store_n(&c->ask.head, head + 1, __ATOMIC_RELEASE);
    EXPECT(gate(0, 0, 0, 0, 0, APP_KICK), 0);
    CHECK(__atomic_load_n(&c->answer.head, __ATOMIC_ACQUIRE) == head + 1 && c->answers[SLOT][4] == ask[4] + 1);
    c->answer.tail = head + 1;
}

static void null_open(void)
{
    begin(100); /* Tversion */
    put(APP_CHANNEL_MSIZE, 4);
    put_text("9P2000.L");
    rpc();
    begin(104); /* Tattach */
    put(FID_ROOT, 4);
    put(~0u, 4);
    put_text("");
    put_text("");
    put(0, 4);
    rpc();
    begin(110); /* Twalk */
    put(FID_ROOT, 4);
    put(FID_NULL, 4);
    put(1, 2);
    put_text("null");
    rpc();
    begin(12); /* Tlopen */
    put(FID_NULL, 4);
    put(0, 4);
    rpc();
}

/* Tread of /dev/null: from the first byte of the question to the look at the answer. */
static uint64_t messages(void)
{
    null_open();
    uint64_t from = cpu_tsc();
    for (unsigned i = 0; i < TIMES; i++) {
        begin(116);
        put(FID_NULL, 4);
        put(0, 8);
        put(100, 4);
        rpc();
    }
    return cpu_tsc() - from;
}

int app_main(void)
{
    uint64_t none = empty();

    say("APP gate %" PRIu64 " missed %" PRIu64 " touch %" PRIu64 " message %" PRIu64, (gates() - none) / TIMES, (missed() - none) / TIMES,
        touches() / (PAGES - 1), messages() / TIMES);
    pass();
}
