/* The ground for test programs. Single-threaded. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fmt.h"
#include "base/str.h"
#include "ground/fake/fake.h"

#define FAKE_IRQS 64

static unsigned fail_in;
static uint64_t pages_used;
static uint64_t tsc = 1000000;
static unsigned cpus = 1, current;
static uint64_t timers[CPU_MAX];
static unsigned kicks[CPU_MAX];
static char last_log[512];
static bool panic_expected;
jmp_buf fake_panic;

static struct {
    void (*fn)(void *);
    void *arg;
} irqs[FAKE_IRQS];
static unsigned nirqs;

void fake_fail_alloc(unsigned n) { fail_in = n; }
uint64_t fake_pages_in_use(void) { return pages_used; }
void fake_set_tsc(uint64_t v) { tsc = v; }
uint64_t fake_timer(void) { return timers[current]; }
unsigned fake_kicks(unsigned cpu) { return kicks[cpu]; }
const char *fake_last_log(void) { return last_log; }
void fake_expect_panic(void) { panic_expected = true; }

void fake_set_cpus(unsigned count, unsigned cur)
{
    cpus = count;
    current = cur;
}

static bool must_fail(void)
{
    return fail_in && --fail_in == 0;
}

err_t ground_pages_get(unsigned order, hpa_t *out)
{
    size_t bytes = (size_t)PAGE_SIZE << order;
    void *p = must_fail() ? NULL : aligned_alloc(bytes, bytes);

    if (!p)
        return ERR_NOMEM;
    memset(p, 0xA5, bytes);
    pages_used += 1ull << order;
    *out = hpa_of(p);
    return OK;
}

/* Owners beyond the first: a hash table of runs, open addressing, nothing is ever taken out. */
static struct {
    uint64_t at;
    uint32_t more;
} held[1 << 16];

static uint32_t *holds_of(hpa_t at)
{
    size_t i = at.v / PAGE_SIZE * 2654435761u % ARRAY_LEN(held);

    while (held[i].at && held[i].at != at.v)
        i = (i + 1) % ARRAY_LEN(held);
    held[i].at = at.v;
    return &held[i].more;
}

void ground_pages_hold(hpa_t at, uint32_t n) { *holds_of(at) += n; }
bool ground_pages_shared(hpa_t at) { return *holds_of(at); }

bool ground_pages_leave(hpa_t at)
{
    bool others = *holds_of(at);

    *holds_of(at) -= others;
    return others;
}

void ground_pages_put(hpa_t at, unsigned order)
{
    uint32_t *more = holds_of(at);

    if (*more) {
        *more -= 1;
        return;
    }
    pages_used -= 1ull << order;
    free(hpa_ptr(at));
}

uint64_t ground_pages_total(void) { return GIB(4) / PAGE_SIZE; }
uint64_t ground_pages_free(void) { return ground_pages_total() - pages_used; }

void *ground_alloc(size_t bytes)
{
    hpa_t p;

    if (ground_pages_get(page_order(bytes), &p))
        return NULL;
    memset(hpa_ptr(p), 0, (size_t)PAGE_SIZE << page_order(bytes));
    return hpa_ptr(p);
}

void ground_free(void *p, size_t bytes)
{
    if (p)
        ground_pages_put(hpa_of(p), page_order(bytes));
}

void ground_mmio_map(hpa_t at, uint64_t len) { (void)at, (void)len; }

unsigned ground_cpus(void) { return cpus; }
unsigned ground_cpu(void) { return current; }
void ground_cpu_kick(unsigned cpu) { kicks[cpu]++; }
uint64_t ground_tsc(void) { return tsc; }
uint64_t ground_tsc_hz(void) { return 1000000000; }
uint64_t ground_wall_ns(void) { return 1700000000ull * 1000000000 + tsc; }
uint64_t ground_tsc_to_ns(uint64_t t) { return t; }
uint64_t ground_ns_to_tsc(uint64_t ns) { return ns; }
void ground_timer_set(uint64_t deadline) { timers[current] = deadline; }

static err_t irq_add(void (*fn)(void *), void *arg, unsigned *index)
{
    if (nirqs == FAKE_IRQS)
        return ERR_FULL;
    irqs[nirqs].fn = fn;
    irqs[nirqs].arg = arg;
    *index = nirqs++;
    return OK;
}

err_t ground_irq_msi(unsigned cpu, void (*fn)(void *), void *arg, struct irq_msi *out)
{
    unsigned n;
    err_t e = irq_add(fn, arg, &n);

    if (e)
        return e;
    *out = (struct irq_msi){ .addr = 0xFEE00000u | cpu << 12, .data = n };
    return OK;
}

err_t ground_irq_isa(unsigned, void (*fn)(void *), void *arg)
{
    unsigned n;

    return irq_add(fn, arg, &n);
}

bool fake_irq_fire(const struct irq_msi *m)
{
    if (m->data >= nirqs)
        return false;
    irqs[m->data].fn(irqs[m->data].arg);
    return true;
}

static bool irqs_held;
void ground_irq_hold(bool hold) { irqs_held = hold; }
bool fake_irqs_held(void) { return irqs_held; }
void ground_irq_window(void) { }
void ground_irq_handle(uint8_t vector) { (void)vector; }
hpa_t ground_top_table(void)
{
    static uint64_t table[512] ALIGNED(4096);
    return hpa_of(table);
}
void ground_idle(const _Atomic bool *wake) { (void)wake; }

void ground_log(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fmt_vtext(last_log, sizeof last_log, fmt, ap);
    va_end(ap);
}

void ground_entropy(void *buf, size_t n)
{
    static uint8_t next = 1;
    for (uint8_t *p = buf; n--; p++)
        *p = next++;
}

void panic(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fmt_vtext(last_log, sizeof last_log, fmt, ap);
    va_end(ap);
    if (panic_expected) {
        panic_expected = false;
        longjmp(fake_panic, 1);
    }
    fprintf(stderr, "panic: %s\n", last_log);
    abort();
}

void ground_reset(void) { panic("ground_reset"); }
void ground_power_off(void) { panic("ground_power_off"); }
