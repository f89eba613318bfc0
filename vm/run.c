/* The run loop of one vCPU: inject what waits, enter, answer the exit. The hot path of the monitor: keep it short. */
#include "vm/run.h"
#include "ground/ground.h"
#include "vm/cpu.h"
#include "vm/cpuid.h"
#include "vm/hypercall.h"
#include "vm/mmio.h"
#include "vm/msr.h"
#include "vm/sched.h"
#include "vm/vm.h"

/* What a handler wants next. */
enum next { RUN_ON, END_PREEMPTED, END_YIELDED };

static void skip(struct vcpu *v)
{
    v->r.rip = v->x.next_rip;
    cpu->skip_done(v);
}

/* What a device wants this vCPU to do; false: nothing. Under the lock under which the device was asked, or another vCPU might take it. */
static bool wish_take(struct vm *vm, struct vm_wish *w)
{
    if (!vm->wish.poll && !vm->wish.quiet)
        return false;
    *w = vm->wish;
    vm->wish = (struct vm_wish){ 0 };
    return true;
}

static bool wanted(const struct vcpu *v)
{
    return atomic_load_explicit(&v->kicked, memory_order_relaxed) || sched_others_wait(v);
}

/* Has devices' interrupts held as long as it is quiet. */
static void quiet_update(struct vcpu *v)
{
    if (v->quiet_until <= ground_tsc())
        v->quiet_until = 0;
    if (v->quiet_until == v->quiet_now)
        return;
    ground_irq_hold(v->quiet_until);
    v->quiet_now = v->quiet_until;
    sched_timer_changed(v);
}

/* Waiting here is cheaper than a guest's HLT, an interrupt and the way back. First the CPU looks again and again, then it sleeps; both
 * only while nobody else wants it. */
static enum next await(struct vcpu *v, const struct vm_wish *w)
{
    uint64_t exit = atomic_load(&v->vm->exit_tsc), start = ground_tsc();

    v->quiet_until = 0; /* its end comes by interrupt */
    quiet_update(v);
    while (ground_tsc() - start < VM_SPIN_EXITS * exit && !wanted(v)) /* no PAUSE: for that an emulator takes the lock its disk needs */
        if (w->poll(w->dev, VM_POLL_LOOK))
            return RUN_ON;
    while (!w->poll(w->dev, VM_POLL_SLEEP)) {
        if (ground_tsc() - start > VM_QUIET_EXITS * exit) {
            (void)w->poll(w->dev, VM_POLL_END);
            break;
        }
        if (wanted(v) || !sched_nap(v))
            break;
    }
    return END_PREEMPTED; /* what interrupts brought is the scheduler's */
}

static enum next wish_grant(struct vcpu *v, const struct vm_wish *w)
{
    if (w->quiet)
        v->quiet_until = ground_tsc() + VM_QUIET_EXITS * atomic_load(&v->vm->exit_tsc);
    return w->poll ? await(v, w) : RUN_ON;
}

static enum next emulate(struct vcpu *v)
{
    uint64_t rip = v->r.rip;
    struct sys_regs sys;
    struct vm_wish w;

    cpu->sys_get(v, &sys);
    err_t e = mmio_exit(v, &sys);
    lock_take(&v->vm->lock);
    bool wish = wish_take(v->vm, &w); /* a kick by OUTS: the disk may be mute until somebody looks */
    lock_drop(&v->vm->lock);
    enum next n = wish ? wish_grant(v, &w) : RUN_ON;
    if (v->r.rip != rip)
        cpu->skip_done(v);
    return e ? END_PREEMPTED : n; /* an error has stopped the guest */
}

static enum next on_irq(struct vcpu *) { return END_PREEMPTED; }
static enum next on_window(struct vcpu *) { return RUN_ON; } /* the next deliver() finds the guest ready */

static enum next on_cpuid(struct vcpu *v)
{
    cpuid_exit(v);
    skip(v);
    return RUN_ON;
}

static enum next on_hypercall(struct vcpu *v)
{
    skip(v);
    hypercall_exit(v);
    return RUN_ON;
}

static enum next on_pio(struct vcpu *v)
{
    struct exit *x = &v->x;
    struct vm_wish w;
    uint64_t val = (uint32_t)v->r.gpr[REG_RAX];
    err_t e;

    if (x->string)
        return emulate(v);
    lock_take(&v->vm->lock);
    e = x->in ? bus_read(v->vm, BUS_PIO, x->port, x->size, &val) : bus_write(v->vm, BUS_PIO, x->port, x->size, val);
    bool wish = wish_take(v->vm, &w);
    lock_drop(&v->vm->lock);
    enum next n = wish ? wish_grant(v, &w) : RUN_ON;
    if (e == ERR_AGAIN)
        return n; /* the device wants the access once more */
    if (e) {
        vm_stop(v->vm, VM_FAULTED, "port %#x: %s", x->port, err_text(e));
        return RUN_ON;
    }
    if (x->in) {
        uint64_t *rax = &v->r.gpr[REG_RAX];
        if (x->size == 4)
            *rax = (uint32_t)val;
        else if (x->size == 2)
            *rax = (*rax & ~0xFFFFull) | (uint16_t)val;
        else
            *rax = (*rax & ~0xFFull) | (uint8_t)val;
    }
    skip(v);
    return n;
}

static enum next on_rdmsr(struct vcpu *v)
{
    uint64_t val = 0;

    if (msr_read(v, (uint32_t)v->r.gpr[REG_RCX], &val)) {
        vcpu_raise(v, VEC_GP, 0);
        return RUN_ON;
    }
    v->r.gpr[REG_RAX] = (uint32_t)val;
    v->r.gpr[REG_RDX] = val >> 32;
    skip(v);
    return RUN_ON;
}

static enum next on_wrmsr(struct vcpu *v)
{
    uint64_t val = (uint32_t)v->r.gpr[REG_RAX] | v->r.gpr[REG_RDX] << 32;

    if (msr_write(v, (uint32_t)v->r.gpr[REG_RCX], val))
        vcpu_raise(v, VEC_GP, 0);
    else
        skip(v);
    return RUN_ON;
}

/* Devices look; how long it is quiet begins anew. */
static void devices_look(struct vcpu *v)
{
    struct vm *vm = v->vm;
    struct vm_wish w;

    v->quiet_until = 0;
    if (!vm->machine->halts)
        return;
    lock_take(&vm->lock);
    vm->machine->halts(vm);
    bool wish = wish_take(vm, &w);
    lock_drop(&vm->lock);
    if (wish)
        (void)wish_grant(v, &w);
}

static enum next on_hlt(struct vcpu *v)
{
    skip(v);
    devices_look(v);
    v->halted = true; /* unless something waits already: the loop looks */
    return RUN_ON;
}

static enum next on_pause(struct vcpu *v)
{
    if (v->r.rip != v->pause_rip) {
        v->pause_rip = v->r.rip;
        v->pause_moves++;
    }
    skip(v);
    return sched_others_wait(v) ? END_YIELDED : RUN_ON;
}

static enum next on_mmio(struct vcpu *v)
{
    if (v->x.fetch)
        vm_stop(v->vm, VM_FAULTED, "vcpu %u: jumped to %#" PRIx64 ", which is no memory", v->id, v->x.gpa.v);
    else
        return emulate(v);
    return RUN_ON;
}

static enum next on_xsetbv(struct vcpu *v)
{
    uint64_t val = (uint32_t)v->r.gpr[REG_RAX] | v->r.gpr[REG_RDX] << 32;

    if (cpu->xsetbv(v, (uint32_t)v->r.gpr[REG_RCX], val))
        vcpu_raise(v, VEC_GP, 0);
    else
        skip(v);
    return RUN_ON;
}

static enum next on_ud(struct vcpu *v)
{
    vcpu_raise(v, VEC_UD, -1);
    return RUN_ON;
}

static enum next on_nop(struct vcpu *v)
{
    skip(v);
    return RUN_ON;
}

static enum next on_shutdown(struct vcpu *v)
{
    vm_stop(v->vm, VM_TRIPLE_FAULT, "vcpu %u at rip %#" PRIx64, v->id, v->r.rip);
    return RUN_ON;
}

static enum next on_dead(struct vcpu *v)
{
    vm_stop(v->vm, VM_FAULTED, "vcpu %u: exit %#" PRIx64 " (%#" PRIx64 ", %#" PRIx64 ") at rip %#" PRIx64, v->id, v->x.info[0],
            v->x.info[1], v->x.info[2], v->r.rip);
    return RUN_ON;
}

static enum next (*const handlers[EXIT_KINDS])(struct vcpu *) = {
    [EXIT_IRQ] = on_irq,
    [EXIT_WINDOW] = on_window,
    [EXIT_CPUID] = on_cpuid,
    [EXIT_HYPERCALL] = on_hypercall,
    [EXIT_PIO] = on_pio,
    [EXIT_RDMSR] = on_rdmsr,
    [EXIT_WRMSR] = on_wrmsr,
    [EXIT_HLT] = on_hlt,
    [EXIT_PAUSE] = on_pause,
    [EXIT_MMIO] = on_mmio,
    [EXIT_XSETBV] = on_xsetbv,
    [EXIT_UD] = on_ud,
    [EXIT_NOP] = on_nop,
    [EXIT_SHUTDOWN] = on_shutdown,
    [EXIT_DEAD] = on_dead,
};

/* INIT and start-up IPI from another vCPU. False: it now waits for its start-up IPI. */
static bool startup(struct vcpu *v)
{
    uint32_t s = atomic_exchange(&v->startup, 0);

    if (s & STARTUP_INIT) {
        vcpu_reset(v);
        v->waits_for_sipi = true;
    }
    if ((s & STARTUP_SIPI) && v->waits_for_sipi) {
        v->waits_for_sipi = false;
        cpu->sipi(v, (uint8_t)s);
    }
    return !v->waits_for_sipi;
}

/* Puts the next event into the guest's entry: an exception, an NMI, an interrupt, in this order. What has to wait asks the
 * backend for an exit as soon as the guest can take it. */
static void deliver(struct vcpu *v)
{
    if (v->has_exception) {
        v->has_exception = false;
        cpu->inject_exception(v, v->exception, v->exception_has_error, v->exception_error);
    }
    unsigned nmi = atomic_load_explicit(&v->apic.nmi, memory_order_relaxed);
    if (nmi && cpu->ready(v, true)) {
        nmi = atomic_fetch_sub(&v->apic.nmi, 1) - 1;
        cpu->inject_nmi(v);
    } else if (nmi > 1) {
        atomic_store(&v->apic.nmi, 1); /* those that come while none can be taken are one */
    }
    int vec = apic_pending(v);
    bool now = vec >= 0 && (cpu->ready(v, false) || (!nmi && cpu->holds_irq && cpu->holds_irq(v)));
    if (!now) {
        if (vec >= 0 || nmi)
            cpu->want_window(v, vec >= 0, nmi);
        return;
    }
    apic_accept(v, vec);
    v->irq_vector = (uint8_t)vec;
    cpu->inject_irq(v, (uint8_t)vec);
}

static inline bool has_event(const struct vcpu *v)
{
    const struct apic *a = &v->apic;

    return v->has_exception || a->irr_words || a->pv_eoi_open || atomic_load_explicit(&a->posted_words, memory_order_relaxed) ||
           atomic_load_explicit(&a->nmi, memory_order_relaxed);
}

/* HLT ends with an event that the guest takes, or with KVM_HC_KICK_CPU. */
static bool still_halted(struct vcpu *v)
{
    if (atomic_exchange(&v->unhalted, false) || (atomic_load(&v->apic.nmi) && cpu->ready(v, true)))
        return false;
    return apic_pending(v) < 0 || !cpu->ready(v, false);
}

static enum run_end run(struct vcpu *v)
{
    for (;;) {
        if (atomic_load_explicit(&v->kicked, memory_order_relaxed))
            atomic_exchange(&v->kicked, false); /* a full barrier: what it was kicked for is looked at only after this */
        if (atomic_load_explicit(&v->vm->state, memory_order_relaxed) != VM_RUNNING)
            return RUN_GONE;
        if (atomic_load_explicit(&v->startup, memory_order_relaxed) || v->waits_for_sipi)
            if (!startup(v))
                return RUN_OFF;
        if (v->apic.deadline)
            apic_tick(v, ground_tsc());
        if (v->halted) {
            if (v->quiet_until && v->quiet_until <= ground_tsc())
                devices_look(v);
            if (still_halted(v))
                return RUN_HALTED;
            v->halted = false;
        }
        if (v->quiet_until | v->quiet_now)
            quiet_update(v);
        if (has_event(v))
            deliver(v);
        cpu->run(v);
        if (v->irq_untaken) {
            v->irq_untaken = false;
            apic_unaccept(v, v->irq_vector);
        }
        v->nexits++;
        v->exits[v->x.kind]++;
        enum next n = handlers[v->x.kind](v);
        if (n != RUN_ON)
            return n == END_YIELDED ? RUN_YIELDED : RUN_PREEMPTED;
    }
}

enum run_end run_vcpu(struct vcpu *v)
{
    enum run_end end = run(v);

    if (v->quiet_now) { /* the scheduler lets interrupts in */
        v->quiet_now = 0;
        ground_irq_hold(false);
    }
    return end;
}
