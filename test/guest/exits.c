/* How long a round trip into the monitor takes, in TSC ticks, the empty loop taken off. Arguments: n, how many of each
 * (100,000). Prints `EXITS vmmcall N cpuid N port N mmio N` and the fastest of each kind. */
#include "test/guest/guest.h"

const char guest_name[] = "exits";

static uint64_t n;
static volatile uint8_t *page;

static void nothing(void) { __asm__ volatile("" ::: "memory"); }
static void vmmcall(void)
{
    uint64_t rax = 0xFFFFFFFF; /* a hypercall that does not exist */

    __asm__ volatile("vmmcall" : "+a"(rax)::"rbx", "rcx", "rdx", "rsi", "memory");
}
static void cpuid(void)
{
    uint32_t a = 0, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}
static void port(void) { (void)cpu_in8(0x3FF); } /* the UART's scratch register */
static void mmio(void) { (void)*(volatile uint32_t *)page; }

struct result {
    uint64_t average, fastest;
};

/* fn is inlined into a loop of its own at each call. */
__attribute__((always_inline)) static inline struct result measure(void (*fn)(void), uint64_t loops)
{
    uint64_t all = cpu_tsc(), best = UINT64_MAX;

    for (uint64_t i = 0; i < loops; i++)
        fn();
    all = cpu_tsc() - all;
    for (uint64_t i = 0; i < loops / 10 + 1; i++) {
        uint64_t t = cpu_tsc();
        fn();
        best = min_u64(best, cpu_tsc() - t);
    }
    return (struct result){ all / loops, best };
}

static void vmmcall_once(uint64_t a, uint64_t b)
{
    (void)a, (void)b;
    vmmcall();
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

void guest_main(void)
{
    struct result empty, calls = { 0 }, ids, ports, mem = { 0 };
    struct virtio v;

    n = max_u64(arg("n", 100000), 1);
    empty = measure(nothing, n);
    if (try_call(vmmcall_once, 0, 0) == -1) /* not on a bare machine */
        calls = measure(vmmcall, n);
    ids = measure(cpuid, n);
    ports = measure(port, n);
    if (virtio_find(&v, 4, 0) || virtio_find(&v, 3, 0) || virtio_find(&v, 2, 0)) {
        page = v.common; /* a virtio device's registers: a decoded memory access */
        mem = measure(mmio, n);
    }
    say("EXITS vmmcall %" PRIu64 " cpuid %" PRIu64 " port %" PRIu64 " mmio %" PRIu64, less(calls.average, empty.average),
        less(ids.average, empty.average), less(ports.average, empty.average), less(mem.average, empty.average));
    say("EXITS-MIN vmmcall %" PRIu64 " cpuid %" PRIu64 " port %" PRIu64 " mmio %" PRIu64, less(calls.fastest, empty.fastest),
        less(ids.fastest, empty.fastest), less(ports.fastest, empty.fastest), less(mem.fastest, empty.fastest));
    pass("%" PRIu64 " of each", n);
}
