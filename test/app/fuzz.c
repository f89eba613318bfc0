/* Calls the gate and rings the bell with whatever comes, and fills the channels' rings with questions good and bad, for some seconds: the
 * arguments are the seed and the seconds. A second CPU writes into the messages of the first channel all the while. Only this
 * guest may suffer, and what it stands on it leaves alone: itself, the gate, its upcall stack; it does not call EXIT.
 * Which questions a channel gets goes by its number: odd ones get whole rings of noise, which kills them sooner or later. */
#include "test/app/app.h"

const char app_name[] = "fuzz";

#define HEAP 0x10000000ull
#define HEAP_END 0x18000000ull
#define NAMES_MAX 4u

static uint64_t state;
static uint64_t counts[APP_CALLS + 3], rings, questions, faults;
static struct app_cpu second ALIGNED(128);
static uint8_t second_upcalls[2048] ALIGNED(16), second_stack[4096] ALIGNED(16);
static volatile bool done;

static uint64_t next(uint64_t *s) /* xorshift */
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static uint64_t below(uint64_t n) { return next(&state) % n; }

/* Edges and what lies beside them, small numbers, places where something is, noise. */
static uint64_t value(void)
{
    static const uint64_t edges[] = { 0, 0x1000, 0x10000, HEAP, 0x200000, 0x40000000, 0x8000000000, APP_TOP, APP_TOP - 0x1000, BIT64(31), BIT64(32),
        BIT64(47), BIT64(63), 0xFFFF800000000000, 0xFFFFFF8000000000, 0xFEE00000, (uint64_t)APP_IMAGE << 32, BIT64(40) };
    const struct app_mount *m = &app_boot->mount[below(APP_CHANNELS)];

    switch (below(8)) {
    case 0: return edges[below(ARRAY_LEN(edges))];
    case 1: return edges[below(ARRAY_LEN(edges))] + below(5) - 2;
    case 2: return below(20);
    case 3: return below(64) << 12;
    case 4: return HEAP + (below(0x8000) << 12);
    case 5: return m->channel + (below(0x300) << 12);
    case 6: return below(APP_CHANNELS) << 32 | below(8);
    default: return next(&state) >> below(64);
    }
}

/* Whether a change of that memory would end the test instead of testing: all but the heap and the channels from the second on. */
static bool needed(uint64_t at, uint64_t len)
{
    bool heap = at >= HEAP && len <= HEAP_END - HEAP && at + len <= HEAP_END;
    bool channel = app_boot->nmounts > 1 && at >= app_boot->mount[1].channel && at < APP_TOP && len <= APP_TOP - at;

    return !heap && !channel && at < APP_TOP && len && len <= APP_TOP;
}

/* false: one of them would take the ground from under this program */
static bool batch(uint64_t a[5])
{
    static struct app_batched list[4];

    for (unsigned i = 0; i < ARRAY_LEN(list); i++) {
        list[i] = (struct app_batched){ APP_MAP + below(4), { value(), value(), value(), value(), value() } };
        if (needed(list[i].a[0], list[i].a[1]))
            return false;
    }
    a[0] = below(4) ? (uint64_t)list : a[0];
    a[1] = below(ARRAY_LEN(list) + 1);
    return true;
}

static void call(void)
{
    uint64_t n = below(APP_CALLS + 3), a[5];
    int64_t r;

    for (unsigned i = 0; i < 5; i++)
        a[i] = value();
    if (n == APP_EXIT || (n == APP_LOG && below(2000)))
        return;
    if ((n == APP_MAP || n == APP_MAP_FILE || n == APP_UNMAP || n == APP_PROTECT || n == APP_REWRITE) && needed(a[0], a[1]))
        return;
    if (n == APP_BATCH && !batch(a))
        return;
    if (n == APP_WAIT)
        a[0] = now_ns() + below(200000) - 100000; /* no sleep without an end */
    if (n == APP_TIMER && below(2))
        a[0] = now_ns() + below(1000); /* a storm */
    r = gate(a[0], a[1], a[2], a[3], a[4], n);
    CHECK(r >= APP_IO || n == APP_FAULT);
    counts[n]++;
}

static void bell(uint64_t n)
{
    register uint64_t to __asm__("rdi") = n;

    __asm__ volatile("call *%1" : "+r"(to) : "r"(app_boot->bell) : "rax", "memory", "cc");
    rings++;
}

/* --- questions --------------------------------------------------------------------------------------------------------------- */
static uint8_t *at;

static void put(uint64_t v, unsigned n)
{
    for (; n--; v >>= 8)
        *at++ = (uint8_t)v;
}

static void put_name(void)
{
    static const char *const names[] = { "..", ".", "", "/", "vm", "ctl", "linux", "status", "cons", "null", "mem", "dev", "boot", "../..", "9P2000.L", "fuzz" };
    const char *s = names[below(ARRAY_LEN(names))];

    put(strlen(s) + (below(50) ? 0 : below(70000)), 2);
    memcpy(at, s, strlen(s));
    at += strlen(s);
}

/* A body that is right for some kind of question, perhaps for this one. */
static void put_body(uint64_t kind)
{
    put(below(6), 4);
    switch (kind) {
    case 0: put(below(6), 4); put(below(NAMES_MAX + 1), 2); for (unsigned i = 0; i < NAMES_MAX; i++) put_name(); break; /* Twalk */
    case 1: put(below(3), 4); break;                                                            /* Tlopen */
    case 2: put(below(4) ? 0 : value(), 8); put(below(4) ? below(2000) : value(), 4); break;       /* Tread, Treaddir */
    case 3: put(value(), 8); put(below(100), 4); for (unsigned i = 0; i < 12; i++) put(value(), 8); break; /* Twrite */
    case 4: put(~0u, 4); put_name(); put_name(); put(0, 4); break;                                /* Tattach */
    case 5: put_name(); put(value(), 4); put(value(), 4); put(value(), 4); break;                 /* Tlcreate, Tmkdir, Tversion nearly */
    default: for (unsigned i = 0; i < below(40); i++) put(value(), 8);
    }
}

static void question(struct app_channel *c, unsigned slot)
{
    static const uint8_t types[] = { 110, 12, 116, 118, 104, 14, 40, 120, 108, 72, 76, 74, 24, 26, 8, 22, 50, 16, 18, 20, 70, 122, 52, 54, 30, 32 };
    uint8_t *ask = c->asks[slot];
    uint64_t kind = below(8);
    uint32_t len;

    at = ask + 4;
    put(below(8) ? types[below(4) ? kind : below(ARRAY_LEN(types))] : below(256), 1);
    put(slot, 2);
    put_body(kind);
    len = (uint32_t)(at - ask) + (below(20) ? 0 : (uint32_t)value());
    memcpy(ask, &len, sizeof len);
    c->ask.len[c->ask.head % APP_CHANNEL_SLOTS] = (uint32_t)(at - ask);
    c->ask.tag[c->ask.head % APP_CHANNEL_SLOTS] = (uint16_t)slot;
    c->ask.head++;
    questions++;
}

static void noise(struct app_channel *c)
{
    uint64_t *word = (uint64_t *)c;

    for (uint64_t i = below(8); i--;)
        word[below(sizeof(struct app_ring) / 4)] = value();
    for (uint64_t i = below(200); i--;)
        c->asks[below(APP_CHANNEL_SLOTS)][below(64)] = (uint8_t)value();
}

static void hello(struct app_channel *c)
{
    static const uint8_t version[] = { 21, 0, 0, 0, 100, 0, 0, 0, 2, 1, 0, 8, 0, '9', 'P', '2', '0', '0', '0', '.', 'L' };
    static const uint8_t attach[] = { 23, 0, 0, 0, 104, 1, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0 };
    const uint8_t *const texts[] = { version, attach };

    for (unsigned i = 0; i < 2; i++) {
        memcpy(c->asks[i], texts[i], texts[i][0]);
        c->ask.len[c->ask.head % APP_CHANNEL_SLOTS] = texts[i][0];
        c->ask.tag[c->ask.head++ % APP_CHANNEL_SLOTS] = (uint16_t)i;
    }
}

/* probe() has it: the memory may have been taken away. */
static void ask(uint64_t n, uint64_t how)
{
    struct app_channel *c = (struct app_channel *)app_boot->mount[n].channel;

    if (!below(50))
        hello(c);
    if (n & 1 && !below(200))
        noise(c);
    for (uint64_t i = below(4); i--;)
        question(c, (unsigned)below(APP_CHANNEL_SLOTS));
    c->answer.tail = c->answer.head;
    if (how)
        bell(n);
    else
        gate(n, 0, 0, 0, 0, APP_KICK);
}

static void scribble(void)
{
    volatile struct app_channel *c = (volatile struct app_channel *)app_boot->mount[0].channel;
    uint64_t s = state;

    while (!done) {
        uint64_t r = next(&s);
        c->asks[r % APP_CHANNEL_SLOTS][r / 16 % 40] = (uint8_t)(r >> 32);
        if (r >> 50 == 0)
            gate(r, 0, 0, 0, 0, APP_WAKE);
    }
    gate(0, 0, 0, 0, 0, APP_CPU_STOP);
}

static uint64_t number(unsigned argument)
{
    const char *s = (const char *)app_boot->strings;
    uint64_t n = 0;

    for (unsigned i = 0; i < argument && i < app_boot->argc; i++)
        s += strlen(s) + 1;
    while (argument < app_boot->argc && *s >= '0' && *s <= '9')
        n = n * 10 + (uint64_t)(*s++ - '0');
    return n;
}

int app_main(void)
{
    uint64_t seed = number(1), end = now_ns() + number(2) * 1000000000, calls = 0;

    CHECK(app_boot->nmounts > 1 && app_boot->ncpus > 1 && number(2));
    state = seed * 0x9E3779B97F4A7C15 + 1;
    second = (struct app_cpu){ .masked = 1, .id = 1, .stack_top = (uint64_t)(second_upcalls + sizeof second_upcalls), .stack_size = sizeof second_upcalls };
    EXPECT(gate(1, (uint64_t)scribble, (uint64_t)(second_stack + sizeof second_stack - 8), (uint64_t)&second, 0, APP_CPU_START), 0);
    while (now_ns() < end) {
        for (unsigned i = 0; i < 100; i++)
            call();
        for (unsigned i = 0; i < 20; i++)
            bell(value());
        for (unsigned i = 0; i < 20; i++)
            faults += !probe(ask, below(app_boot->nmounts), below(2));
        cpu0.masked = (uint8_t)below(2);
        cpu0.events = 0;
    }
    cpu0.masked = 1;
    done = true;
    for (unsigned i = 0; i < APP_CALLS + 3; i++) {
        calls += counts[i];
        CHECK(counts[i] || i == APP_EXIT || i == APP_LOG);
    }
    EXPECT(gate(HEAP, 0x1000, APP_READ | APP_WRITE, 0, 0, APP_MAP), 0); /* and all is as it was */
    CHECK(*(volatile uint64_t *)HEAP == 0);
    CHECK(questions && rings);
    say("seed %" PRIu64 ": %" PRIu64 " calls, %" PRIu64 " rings of the bell, %" PRIu64 " questions, %" PRIu64 " faults", seed, calls, rings, questions, faults);
    pass();
}
