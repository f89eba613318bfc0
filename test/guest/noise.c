/* Does what comes, on all CPUs, for `ms` milliseconds (3000): MSRs, ports, PCI configuration, device memory, control and debug registers, IPIs,
 * hypercalls, instructions with random prefixes and operands; all numbers come from `seed`. It may end itself in any way; the test is what stands
 * beside it. With odd=1 device memory is also touched by instructions that the monitor does not emulate, for which it stops the guest. strict=1
 * switches breakpoints on, too: with them QEMU 7.2 itself has crashed twice. */
#include "test/guest/lib/lib.h"

const char guest_name[] = "noise";

/* One for each CPU, which it finds by its stack. */
static struct lane {
    uint64_t rsp, resume;              /* where an exception leads, behind the call of code[]; 0: not there */
    uint64_t rax, rbx, rcx, rdx, rsi, rdi; /* what code[] begins with */
    uint8_t *code;                     /* one instruction and RET */
    uint64_t random, rounds, faults;
} lanes[16];
static uint64_t end, cr0, cr4;
static bool odd, strict;

static uint64_t next(struct lane *l) /* xorshift */
{
    l->random ^= l->random << 13;
    l->random ^= l->random >> 7;
    l->random ^= l->random << 17;
    return l->random * 0x2545F4914F6CDD1D;
}
static uint64_t below(struct lane *l, uint64_t n) { return (next(l) >> 11) % n; }

static uint64_t value(struct lane *l)
{
    static const uint64_t edges[] = { 0, 1, 0xFF, 0x1FF, 0xFFFF, 0xFEE00000, 0xFEE00800, 0xFEE00C00, UINT32_MAX, BIT64(31), BIT64(32), BIT64(47),
                                      BIT64(63), UINT64_MAX, 0xD0000000, 0xE0000000, 0xFFFF800000000000, 0x10000, 0x20000, 0xA0041 };
    uint64_t v = edges[below(l, ARRAY_LEN(edges))];

    switch (below(l, 4)) {
    case 0: return v;
    case 1: return v + below(l, 65) - 32;
    case 2: return below(l, 0x1000);
    default: return next(l) >> below(l, 64);
    }
}

static struct lane *lane_at(uint64_t rsp)
{
    uint64_t off = rsp - (uintptr_t)guest_ap_stacks - 1;

    return &lanes[off < sizeof guest_ap_stacks ? 1 + off / PAGE_SIZE % 15 : 0];
}

static NORETURN void finish(void)
{
    uint64_t rounds = 0, faults = 0;

    for (unsigned i = 0; i < ARRAY_LEN(lanes); i++) {
        rounds += lanes[i].rounds;
        faults += lanes[i].faults;
    }
    __asm__ volatile("cli");
    pass("%" PRIu64 " rounds, %" PRIu64 " exceptions", rounds, faults);
}

static void on_exception(struct trap *t)
{
    struct lane *l = lane_at((uintptr_t)t);

    __asm__ volatile("mov %0, %%dr7" ::"r"(0x400ull));
    l->faults++;
    if (!l->resume && t->vector == VEC_DB)
        return; /* a breakpoint that was met by the way */
    if (!l->resume)
        fail("exception %u at %" PRIx64, (unsigned)t->vector, t->rip);
    t->rip = l->resume;
    t->rsp = l->rsp;
    t->rflags = RFLAGS_FIXED;
}
static void on_nmi(struct trap *t) { (void)t; }
static void on_interrupt(struct trap *t)
{
    if (cpu_tsc() > end && lane_at((uintptr_t)t) == lanes) /* a storm of them may leave no time for anything else */
        finish();
    apic_eoi(); /* an exception if the APIC is off: it leads out of here, too */
}

/* Runs l->code with the registers in *l, until its RET or an exception. */
static void run(struct lane *l)
{
    register struct lane *r15 __asm__("r15") = l;

    __asm__ volatile("pushq %%rbp\n pushq %%r15\n movq %%rsp, (%%r15)\n leaq 1f(%%rip), %%rax\n movq %%rax, 8(%%r15)\n"
                     "movq 16(%%r15), %%rax\n movq 24(%%r15), %%rbx\n movq 32(%%r15), %%rcx\n movq 40(%%r15), %%rdx\n"
                     "movq 48(%%r15), %%rsi\n movq 56(%%r15), %%rdi\n callq *64(%%r15)\n"
                     "1: popq %%r15\n movq $0, 8(%%r15)\n popq %%rbp\n pushq $2\n popfq"
                     : "+r"(r15)::"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "memory", "cc");
}

static void put(struct lane *l, const uint8_t *insn, unsigned n)
{
    memset(l->code, 0x90, 24);
    memcpy(l->code, insn, n);
    l->code[24] = 0xC3;
    run(l);
}
#define PUT(l, ...)                                       \
    do {                                                  \
        const uint8_t bytes_[] = { __VA_ARGS__ };         \
        put(l, bytes_, sizeof bytes_);                    \
    } while (0)

/* --- what is done --- */

static void any_msr(struct lane *l)
{
    static const struct {
        uint32_t first, count;
    } ranges[] = { { 0, 0x20 }, { 0x10, 4 }, { MSR_APIC_BASE, 1 }, { 0x174, 3 }, { 0x200, 0x100 }, { MSR_TSC_DEADLINE, 1 }, { MSR_X2APIC, 0x40 },
                   { MSR_X2APIC, 0x100 }, { 0x4B564D00, 8 }, { 0xC0000080, 5 }, { 0xC0000100, 4 }, { 0xC0010000, 0x2000 }, { 0, 0x2000 } };
    unsigned i = (unsigned)below(l, ARRAY_LEN(ranges));
    uint64_t v = value(l);

    l->rcx = ranges[i].first + below(l, ranges[i].count);
    if (l->rcx == MSR_X2APIC + APIC_ICR && ((v >> 8 & 7) - 5 < 2 || below(l, 2)))
        v = 1ull << 32 | (v & 0x30FF) | 5 << 8; /* INIT to CPU 1 only */
    l->rax = (uint32_t)v;
    l->rdx = v >> 32;
    if (below(l, 3))
        PUT(l, 0x0F, 0x30); /* WRMSR */
    else
        PUT(l, 0x0F, 0x32);
}

static void any_port(struct lane *l)
{
    static const uint16_t near[] = { 0, 0x20, 0x40, 0x60, 0x70, 0x3F8, 0x500, 0x600, 0xCF8, 0x6000, 0x6100, 0xFFF0 };
    static const uint8_t in[] = { 0xEC, 0xED }, string[] = { 0x6C, 0x6D, 0x6E, 0x6F };
    uint64_t port = (near[below(l, ARRAY_LEN(near))] + below(l, 16)) & 0xFFFF;
    bool ends_it = port == 0x64 || (port >= 0x3F5 && port <= 0x3FF) || (port >= 0x502 && port <= 0x608) || (port >= 0xCF6 && port <= 0xCF9);

    l->rdx = below(l, 2) ? port : below(l, 0x300);
    l->rax = value(l);
    l->rcx = below(l, 16);
    l->rsi = l->rdi = below(l, 2) ? (uintptr_t)l->code + PAGE_SIZE / 2 : value(l);
    ends_it |= l->rdx != port && (l->rdx == 0x64 || l->rdx == 0x61);
    if (below(l, 4) == 0)
        PUT(l, 0xF3, string[below(l, ends_it ? 2 : 4)]);
    else if (ends_it || below(l, 2))
        PUT(l, in[below(l, 2)]);
    else
        PUT(l, 0xEE + (uint8_t)below(l, 2));
}

static void any_config(struct lane *l)
{
    unsigned slot = (unsigned)below(l, 8), reg = (unsigned)below(l, 64) * 4;

    if (below(l, 2))
        pci_write(slot, reg, (uint32_t)value(l));
    else
        (void)pci_read(slot, reg);
}

/* A memory operand, in RDI and RSI, where devices are or nobody is. */
static void any_device(struct lane *l)
{
    static const uint8_t plain[] = { 0x88, 0x89, 0x8A, 0x8B, 0x00, 0x01, 0x09, 0x21, 0x31, 0x39, 0x84, 0x87, 0xA4, 0xA5, 0xAA, 0xAB, 0xAC, 0xC6, 0xC7 };
    static const uint8_t prefixes[] = { 0x66, 0xF2, 0xF3, 0xF0, 0x67, 0x64, 0x2E };
    static const uint64_t places[] = { 0xD0000000, 0xD0001000, 0xD0004000, 0xE0000000, 0xE0008000, 0xE0010000, 0xFEC00000, 0xFEE00000, 0xF0000000 };
    uint8_t insn[16] = { 0 };
    unsigned n = 0;

    l->rdi = places[below(l, ARRAY_LEN(places))] + below(l, 0x1000);
    l->rsi = below(l, 2) ? l->rdi : places[below(l, ARRAY_LEN(places))] + below(l, 0x4000);
    l->rax = value(l);
    l->rcx = below(l, 16);
    while (odd && below(l, 3) == 0 && n < 4)
        insn[n++] = prefixes[below(l, ARRAY_LEN(prefixes))];
    if (below(l, 2))
        insn[n++] = 0x48;
    if (odd && below(l, 8) == 0) {
        insn[n++] = 0x0F;
        insn[n++] = 0x10 + (uint8_t)below(l, 0xF0);
    } else {
        insn[n++] = plain[below(l, ARRAY_LEN(plain))];
    }
    if (insn[n - 1] < 0xA4 || insn[n - 1] > 0xAC || odd) /* else a string */
        insn[n] = (uint8_t)(7 | (insn[n - 1] >= 0xC6 ? 0 : below(l, 4) << 3)), n++; /* (%rdi) */
    put(l, insn, n);
}

/* MOV to and from control and debug registers, XSETBV, the instructions of 0F 01. Values that a CPU must refuse QEMU lets pass, and the guest
 * ends at its next entry: guest crs has those. */
static void any_system(struct lane *l)
{
    uint64_t flips[] = { CR0_TS, BIT64(1), BIT64(2), BIT64(5), BIT64(16), BIT64(18), BIT64(30) };

    l->rbx = l->rsi = value(l);
    l->rcx = below(l, 4);
    l->rdx = 0;
    switch (below(l, 10)) {
    case 0: l->rax = cr0 ^ flips[below(l, ARRAY_LEN(flips))]; PUT(l, 0x0F, 0x22, 0xC0); break;
    case 1: l->rax = cr4 ^ (next(l) & 0x4078F); PUT(l, 0x0F, 0x22, 0xE0); break;
    case 2: l->rax = value(l); PUT(l, 0x44, 0x0F, 0x22, 0xC0); break; /* CR8 */
    case 3: PUT(l, 0x44, 0x0F, 0x20, 0xC0); break;
    case 4: l->rax = (uintptr_t)l->code + below(l, 32); PUT(l, 0x0F, 0x23, (uint8_t)(0xC0 | below(l, 4) << 3)); break; /* DR0-3 */
    case 5: l->rax = (next(l) & (strict ? 0xFFFF00FF : 0xFFFF0000)) | 0x400; PUT(l, 0x0F, 0x23, 0xF8, 0x90, 0x90); break; /* DR7 */
    case 6: l->rax = value(l); PUT(l, 0x0F, 0x01, 0xD1); break; /* XSETBV */
    case 7: l->rax = below(l, 16); PUT(l, 0x0F, 0x01, 0xD9); break; /* VMMCALL */
    case 8: PUT(l, 0x0F, 0x01, 0xC0 | (uint8_t)(below(l, 64) & (uint64_t)~4)); break; /* SMSW not to RSP */
    default: l->rax = value(l); PUT(l, 0x0F, 0xA2); break; /* CPUID */
    }
}

/* With interrupts on or in a shadow, with TF set, across an exit. */
static void any_flow(struct lane *l)
{
    l->rax = 0x40400;
    l->rcx = MSR_X2APIC + APIC_ICR;
    l->rdx = below(l, 2);
    switch (below(l, 5)) {
    case 0: PUT(l, 0xFB, 0x90, 0x90, 0x90); break;
    case 1: PUT(l, 0xFB, 0x0F, 0x30, 0x90); break;                              /* STI; WRMSR: an NMI */
    case 2: PUT(l, 0x9C, 0x81, 0x0C, 0x24, 0, 1, 0, 0, 0x9D, 0x0F, 0x30, 0x90); break; /* TF; WRMSR */
    case 3: PUT(l, 0x8C, 0xD0, 0x8E, 0xD0, 0x0F, 0xA2); break;                  /* MOV SS; CPUID */
    default: PUT(l, 0xF3, 0x90, 0x0F, 0x09); break;                             /* PAUSE; WBINVD */
    }
}

/* So that it goes on for a while. */
static void mend(struct lane *l)
{
    cpu_write_cr0(cr0);
    cpu_write_cr4(cr4);
    trap_load();
    l->rax = APIC_BASE_ENABLE | 0xFEE00000u;
    l->rdx = 0;
    l->rcx = MSR_APIC_BASE;
    PUT(l, 0x0F, 0x30, 0x0D, 0, 4, 0, 0, 0x0F, 0x30); /* on, then x2APIC */
    l->rax = 0x1FF;
    l->rcx = MSR_X2APIC + APIC_SVR;
    PUT(l, 0x0F, 0x30);
    l->rax = 0;
    PUT(l, 0x44, 0x0F, 0x22, 0xC0);
    if (l != lanes || below(l, 8))
        return;
    ap_count = 0; /* CPU 1 begins anew, whatever it did */
    l->rcx = MSR_X2APIC + APIC_ICR;
    l->rdx = 1;
    l->rax = 0x4500;
    PUT(l, 0x0F, 0x30);
    l->rax = 0x4620;
    PUT(l, 0x0F, 0x30);
}

static void work(unsigned cpu)
{
    static void (*const kinds[])(struct lane *) = { any_msr, any_port, any_config, any_device, any_system, any_flow };
    struct lane *l = lane_at((uintptr_t)&cpu);

    while (cpu_tsc() < end || l != lanes) {
        if (l->rounds++ % 64 == 0)
            mend(l);
        kinds[below(l, ARRAY_LEN(kinds))](l);
    }
    finish();
}

void guest_main(void)
{
    uint64_t seed = arg("seed", 1);

    odd = arg("odd", 0);
    strict = arg("strict", 0);
    apic_on();
    cr0 = cpu_read_cr0();
    cr4 = cpu_read_cr4();
    for (unsigned i = 0; i < 32; i++)
        trap_handler[i] = on_exception;
    trap_handler[VEC_NMI] = on_nmi;
    for (unsigned i = 32; i < 256; i++)
        trap_handler[i] = on_interrupt;
    for (unsigned i = 0; i < ARRAY_LEN(lanes); i++) {
        lanes[i].random = (seed * ARRAY_LEN(lanes) + i) * 0x9E3779B97F4A7C15 | 1;
        lanes[i].code = page_get();
    }
    end = cpu_tsc() + arg("ms", 3000) * (tsc_hz() / 1000);
    if (cpu_count() > 1)
        cpus_start(work);
    say("BEGIN noise: seed %" PRIu64, seed);
    work(0);
}
