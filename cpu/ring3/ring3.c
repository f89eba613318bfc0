/* The CPL 3 backend: app guests under page tables of the monitor's own, without any virtualisation.
 *
 * What of the monitor a guest's tables map is its CPU's area (ring3.h), for CPL 0 only, and that of the other CPUs. A CPU that lets CPL 3 read
 * such memory speculatively (Meltdown) shows a guest those pages: addresses of the monitor's, and one register of whoever runs
 * on another CPU; nothing else of the machine is mapped. SMEP, SMAP and UMIP are on where the CPU has them (smap_broken()). */
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "cpu/ring3/ring3.h"
#include "ground/ground.h"
#include "vm/cpuid.h"
#include "vm/fsgs.h"

#define CR4_TSD BIT64(2)
#define CR4_PCE BIT64(8)
#define CR4_UMIP BIT64(11)
#define CR4_FSGSBASE BIT64(16)
#define FCW_RESET 0x37Fu
#define MXCSR_OFFSET 24
#define MXCSR_RESET 0x1F80u
#define FXSAVE_BYTES 512u
#define CANONICAL_BITS 47
/* What a guest's flags may hold; interrupts are always on, IOPL is 0. */
#define RFLAGS_GUEST (RFLAGS_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_AC | BIT64(16) /* RF */ | BIT64(21) /* ID */)

static struct {
    bool xsave, fsgsbase, tsc_aux, barrier, broken_smap;
    uint64_t xcr0;
    uint32_t fpu_bytes;
} has;

#define MSR_PRED_CMD 0x49u
#define PRED_CMD_IBPB 1u

static const char *lacks(void)
{
    if (cpu_id(0x80000000, 0).eax < 0x80000001 || !(cpu_id(0x80000001, 0).edx >> 11 & 1))
        return "the CPU has no SYSCALL instruction";
    return NULL;
}

/* QEMU's own emulation (seen in 7.2) takes the stack of an IRETQ at CPL 3 for a supervisor's, which SMAP forbids: the libos could not
 * return from an upcall. Nothing rests on SMAP alone: no table that the monitor works under maps a guest's pages for CPL 3. */
static bool smap_broken(void)
{
    struct cpuid who = cpu_id(0x40000000, 0);

    return cpu_id(1, 0).ecx >> 31 && who.ebx == 0x54474354 && who.ecx == 0x43544743; /* "TCGTCGTCGTCG" */
}

static void features_read(void)
{
    struct cpuid one = cpu_id(1, 0), seven = { 0 };

    if (cpu_id(0, 0).eax >= 7)
        seven = cpu_id(7, 0);
    has.xsave = one.ecx >> 27 & 1; /* if the ground could switch it on */
    has.fsgsbase = seven.ebx & 1;
    has.barrier = seven.edx >> 26 & 1;
    has.tsc_aux = cpu_id(0x80000001, 0).edx >> 27 & 1;
    has.broken_smap = smap_broken();
    has.xcr0 = has.xsave ? cpuid_xcr0_mask() : 0;
    has.fpu_bytes = has.xsave ? cpu_id(0xD, 0).ecx : FXSAVE_BYTES;
}

static void controls_set(void)
{
    struct cpuid seven = { 0 };
    uint64_t cr4 = cpu_read_cr4() & ~(CR4_TSD | CR4_PCE);

    if (cpu_id(0, 0).eax >= 7)
        seven = cpu_id(7, 0);
    cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | (has.xsave ? CR4_OSXSAVE : 0) | (has.fsgsbase ? CR4_FSGSBASE : 0);
    cr4 |= (seven.ebx >> 7 & 1 ? CR4_SMEP : 0) | (seven.ebx >> 20 & 1 ? CR4_SMAP : 0) | (seven.ecx >> 2 & 1 ? CR4_UMIP : 0);
    cpu_write_cr4(cr4);
    cpu_write_cr0((cpu_read_cr0() | CR0_MP | CR0_NE) & ~(CR0_EM | CR0_TS));
}

static err_t cpu_start(void)
{
    if (ground_cpu() == 0) {
        features_read();
        if (area_make_all())
            return ERR_NOMEM;
    }
    controls_set();
    area_load();
    return OK;
}

/* --- a CPU of a guest --------------------------------------------------------------------------------------------------- */
static size_t bytes(void) { return sizeof(struct ring3_vcpu) + has.fpu_bytes; }

static err_t init(struct vcpu *v, struct space *s, uint64_t gate)
{
    struct ring3_vcpu *h = v->hw = ground_alloc(bytes());

    if (!h)
        return ERR_NOMEM;
    h->space = s;
    h->gate_return = gate + cpu_ring3.gate_return;
    h->bell_return = gate + cpu_ring3.bell_return;
    return OK;
}

static void fini(struct vcpu *v)
{
    ground_free(v->hw, bytes());
    v->hw = NULL;
}

static void reset(struct vcpu *v, uint64_t gs)
{
    struct ring3_vcpu *h = v->hw;

    h->fs = 0;
    h->gs = gs;
    memset(h->fpu, 0, has.fpu_bytes);
    memcpy(h->fpu, &(uint16_t){ FCW_RESET }, 2);
    memcpy(h->fpu + MXCSR_OFFSET, &(uint32_t){ MXCSR_RESET }, 4);
}

static void load(struct vcpu *v)
{
    struct ring3_vcpu *h = v->hw;

    if (has.broken_smap)
        cpu_write_cr4(cpu_read_cr4() & ~CR4_SMAP);
    if (has.barrier)
        cpu_wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB); /* branches learnt from another guest do not lead this one */
    area_of[ground_cpu()]->guest_cr3 = h->space->root.v;
    __asm__ volatile("movw %w0, %%ds; movw %w0, %%es; movw %w0, %%fs" ::"r"(0));
    cpu_wrmsr(MSR_FS_BASE, h->fs);
    cpu_wrmsr(MSR_KERNEL_GS_BASE, h->gs);
    if (has.tsc_aux)
        cpu_wrmsr(MSR_TSC_AUX, v->id);
    if (!has.xsave) {
        __asm__ volatile("fxrstor64 (%0)" ::"r"(h->fpu) : "memory");
        return;
    }
    cpu_xsetbv(0, has.xcr0);
    __asm__ volatile("xrstor64 (%0)" ::"r"(h->fpu), "a"((uint32_t)has.xcr0), "d"(0) : "memory");
}

static void unload(struct vcpu *v)
{
    struct ring3_vcpu *h = v->hw;

    h->fs = cpu_rdmsr(MSR_FS_BASE);
    h->gs = cpu_rdmsr(MSR_KERNEL_GS_BASE);
    if (has.xsave)
        __asm__ volatile("xsave64 (%0)" ::"r"(h->fpu), "a"((uint32_t)has.xcr0), "d"(0) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(h->fpu) : "memory");
    if (has.broken_smap)
        controls_set();
}

/* What the processor would do at a rip that is no address: IRETQ would do it at CPL 0. */
static void refuse_rip(struct user_exit *x)
{
    *x = (struct user_exit){ .kind = USER_EXCEPTION, .vector = VEC_GP, .has_error = true };
}

/* An instruction that this CPU does not have. The guest's GS is swapped away while the monitor runs. */
static void explain(struct vcpu *v, struct user_exit *x)
{
    uint64_t base[2] = { cpu_rdmsr(MSR_FS_BASE), cpu_rdmsr(MSR_KERNEL_GS_BASE) };

    x->kind = USER_EXCEPTION;
    if (!fsgs_emulate(v, ((struct ring3_vcpu *)v->hw)->space, base))
        return;
    cpu_wrmsr(MSR_FS_BASE, base[0]);
    cpu_wrmsr(MSR_KERNEL_GS_BASE, base[1]);
    x->kind = USER_NOTHING;
}

static bool has_error(uint64_t vector) { return 0x60227D00u >> vector & 1; }

/* A guest that single-steps goes back by IRETQ: SYSRET would be one instruction late. */
__attribute__((sysv_abi)) bool ring3_served(struct regs *r)
{
    struct vcpu *v = container_of(r, struct vcpu, r);
    const struct ring3_vcpu *h = v->hw;
    bool on = r->rip == h->gate_return ? user_gate(v) : r->rip == h->bell_return && user_bell(v);

    return on && !(r->rflags & RFLAGS_TF);
}

static void run(struct vcpu *v, struct user_exit *x)
{
    const struct ring3_vcpu *h = v->hw;
    unsigned cpu = ground_cpu();
    struct ring3_area *a = area_of[cpu];

    v->r.rflags = (v->r.rflags & RFLAGS_GUEST) | RFLAGS_FIXED | RFLAGS_IF;
    if (v->r.rip >> CANONICAL_BITS) {
        refuse_rip(x);
        return;
    }
    area_enter(cpu)(&v->r);
    if (a->vector == RING3_SYSCALL) {
        x->kind = v->r.rip == h->gate_return || v->r.rip == h->bell_return ? USER_NOTHING : USER_SYSCALL;
    } else if (a->vector >= 32) {
        x->kind = USER_IRQ;
        x->vector = (uint8_t)a->vector;
    } else {
        enum user_exit_kind kind = a->vector == VEC_UD && !has.fsgsbase ? USER_UNCLEAR : USER_EXCEPTION;
        *x = (struct user_exit){ kind, (uint8_t)a->vector, has_error(a->vector), (uint32_t)a->error, cpu_read_cr2() };
    }
}

const struct user_ops cpu_ring3 = {
    .name = "ring3",
    .lacks = lacks,
    .cpu_start = cpu_start,
    .top_entry = area_top_entry,
    .gate = { 0x0F, 0x05, 0xC3, /* syscall; ret */
              [USER_BELL_AT] = 0x51, 0x41, 0x53, 0x0F, 0x05, 0x41, 0x5B, 0x59, 0xC3 }, /* push rcx, r11; syscall; pop r11, rcx; ret */
    .gate_return = 2,
    .bell_return = USER_BELL_AT + 5,
    .init = init,
    .fini = fini,
    .reset = reset,
    .load = load,
    .unload = unload,
    .run = run,
    .explain = explain,
};
