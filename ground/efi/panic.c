/* The panic screen: what went wrong, where, and how we got there; on COM1 and wherever platform_panic_to() said. The
 * first CPU to panic stops all others and is the only one that writes here. */
#include "arch/x86/cpu.h"
#include "base/fmt.h"
#include "base/str.h"
#include "ground/efi/machine.h"
#include "ground/efi/platform.h"

#define TEXT_MAX 4096
#define FRAMES_MAX 24
#define FRAMES_PER_LINE 8

static const char *const exception_names[] = {
    "divide error", "debug", "NMI", "breakpoint", "overflow", "bound", "invalid opcode", "no FPU", "double fault", "",
    "invalid TSS", "segment not present", "stack fault", "general protection", "page fault", "", "x87 error",
    "alignment check", "machine check", "SIMD error"
};

static void (*_Atomic draw)(const char *text);
static _Atomic bool someone; /* has panicked */
static uint32_t owner;       /* APIC id of the one */
static char text[TEXT_MAX];
static size_t used;

void platform_panic_to(void (*to)(const char *text)) { atomic_store(&draw, to); }

static void put_args(const char *fmt, va_list ap) PRINTF(1, 0);
static void put_args(const char *fmt, va_list ap)
{
    used = min_size(used + fmt_vtext(text + used, sizeof text - used, fmt, ap), sizeof text - 1);
}

static void put(const char *fmt, ...) PRINTF(1, 2);
static void put(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    put_args(fmt, ap);
    va_end(ap);
}

/* Returns on the one CPU that shall write the screen, with all others stopped. */
static void begin(void)
{
    cpu_cli();
    bool has_cpu = percpu_recover();

    if (atomic_exchange(&someone, true)) {
        if (has_cpu && lapic_id() == owner)
            log_raw(text); /* what the first panic came to say before this one */
        else if (has_cpu)
            atomic_store(&percpu_self()->stopped, true);
        cpu_halt_forever();
    }
    if (has_cpu) {
        owner = lapic_id();
        smp_stop_others(STOP_HALT);
    }
    put("\n*** goblin panic, CPU %u: ", has_cpu ? ground_cpu() : 0);
}

static bool readable(uint64_t address) { return address % 8 == 0 && percpu_place(address) == PLACE_STACK; }

/* With llvm-symbolizer --relative-address and the unstripped program the offsets become names and lines. */
static void put_backtrace(struct unwind *u)
{
    put("at, and called from, as offsets into the image:");
    for (unsigned i = 0; i < FRAMES_MAX; i++) {
        put(i % FRAMES_PER_LINE ? " " : "\n");
        if (unwind_inside(__ImageBase, u->rip))
            put("+0x%" PRIx64, u->rip - (uintptr_t)__ImageBase);
        else
            put("0x%" PRIx64 "(not ours)", u->rip);
        if (!unwind_step(u, __ImageBase, readable))
            break;
    }
    put("\n");
}

static void put_registers(const struct trap *t)
{
    static const char names[REG_COUNT][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                              "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15" };

    put("rip %016" PRIx64 " cs %04x rflags %08x error %" PRIx64 "\n", t->rip, (unsigned)t->cs, (unsigned)t->rflags,
        t->error);
    for (unsigned i = 0; i < REG_COUNT; i++)
        put("%s %016" PRIx64 "%c", names[i], i == REG_RSP ? t->rsp : t->gpr[i], i % 4 == 3 ? '\n' : ' ');
    put("cr0 %08" PRIx64 " cr2 %016" PRIx64 " cr3 %016" PRIx64 " cr4 %08" PRIx64 "\n", cpu_read_cr0(), cpu_read_cr2(),
        cpu_read_cr3(), cpu_read_cr4());
}

NORETURN static void finish(struct unwind *u)
{
    void (*to)(const char *) = atomic_load(&draw);

    put_backtrace(u);
    put("build %s, image at 0x%" PRIx64 ". The machine is halted.\n", build_id, (uint64_t)(uintptr_t)__ImageBase);
    log_raw(text);
    if (to)
        to(text);
    cpu_halt_forever();
}

void panic_trap(const struct trap *t)
{
    struct unwind u = { .rip = t->rip };
    const char *name = t->vector < ARRAY_LEN(exception_names) ? exception_names[t->vector] : "";

    begin();
    put("exception %u (%s)", (unsigned)t->vector, name);
    if (t->vector == VEC_PF)
        put(", %s 0x%" PRIx64, t->error & 16 ? "executing" : t->error & 2 ? "writing" : "reading", cpu_read_cr2());
    if ((t->vector == VEC_PF || t->vector == VEC_DF) && percpu_place(cpu_read_cr2()) == PLACE_GUARD)
        put(": stack overflow");
    put("\n");
    put_registers(t);
    memcpy(u.gpr, t->gpr, sizeof u.gpr);
    u.gpr[REG_RSP] = t->rsp;
    finish(&u);
}

void panic(const char *fmt, ...)
{
    struct unwind u = { 0 };
    va_list ap;

    unwind_here(&u);
    unwind_step(&u, __ImageBase, readable); /* the caller is what matters */
    begin();
    va_start(ap, fmt);
    put_args(fmt, ap);
    va_end(ap);
    put("\n");
    finish(&u);
}
