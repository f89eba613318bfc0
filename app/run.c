/* A CPU of an app guest: enters it, serves what it comes out for, and makes it enter the libos for faults and events. Run by the
 * scheduler on the CPU it has chosen. */
#include "app/app.h"
#include "app/calls.h"
#include "arch/x86/cpu.h"
#include "ground/ground.h"
#include "vm/run.h"
#include "vm/sched.h"

#define SEL_CS 0x33u /* as in the frames that programs under Linux see */
#define SEL_SS 0x2Bu

struct frame { /* as the processor pushes it */
    uint64_t error; /* for some exceptions */
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The guest's clock begins with the TSC at 0: see boot.c. */
uint64_t app_tsc_of(uint64_t ns)
{
    if (!ns)
        return 0;
    return ns > BIT64(62) ? UINT64_MAX : max_u64(ground_ns_to_tsc(ns) + 1, 1);
}

/* --- telling the guest --------------------------------------------------------------------------------------------------- */
void app_event(struct app_vcpu *c, uint32_t event)
{
    atomic_fetch_or(&c->events, event);
    sched_wake(&c->v);
}

void app_signal(struct app *a, unsigned signal)
{
    atomic_fetch_or(&a->cpu[0]->posted, BIT64(signal - 1));
    app_event(a->cpu[0], APP_EVENT_SIGNAL);
}

/* On the CPU itself: what others have noted goes to the memory it shares with the guest. */
static void events_pass(struct app_vcpu *c)
{
    uint32_t events = atomic_exchange(&c->events, 0);
    uint64_t signals = atomic_exchange(&c->posted, 0);

    if (signals)
        __atomic_fetch_or(c->signals, signals, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&c->head->events, events, __ATOMIC_SEQ_CST);
    __atomic_store_n(&c->head->pending, 1, __ATOMIC_SEQ_CST);
    atomic_store(&c->rung, true); /* the next APP_WAIT does not sleep, even if the guest has taken the event by then */
}

/* Makes the CPU enter the libos as an exception would. */
static void upcall(struct app_vcpu *c, unsigned vector, bool has_error, uint32_t error)
{
    struct regs *r = &c->v.r;
    struct frame f = { error, r->rip, SEL_CS, r->rflags, r->gpr[REG_RSP], SEL_SS };
    uint64_t size = has_error ? sizeof f : sizeof f - sizeof f.error;

    if (space_write(&c->app->space, c->stack_top - size, has_error ? &f.error : &f.rip, size)) {
        vm_stop(c->app->vm, VM_FAULTED, "cpu %u: exception %u at rip %#" PRIx64 ", and no upcall stack", c->v.id, vector, r->rip);
        return;
    }
    r->gpr[REG_RSP] = c->stack_top - size;
    r->rip = c->app->file.libos.upcalls + vector * APP_STUB;
    r->rflags = RFLAGS_FIXED;
}

static bool pending(const struct app_vcpu *c) { return __atomic_load_n(&c->head->pending, __ATOMIC_SEQ_CST); }

static void event_deliver(struct app_vcpu *c)
{
    if (!__atomic_load_n(&c->head->masked, __ATOMIC_RELAXED) && c->v.r.gpr[REG_RSP] - (c->stack_top - c->stack_size) > c->stack_size)
        upcall(c, APP_VEC_EVENT, false, 0);
}

/* --- what it comes out for ------------------------------------------------------------------------------------------------- */
static void exception(struct app_vcpu *c)
{
    const struct user_exit *x = &c->exit;
    err_t e = ERR_RANGE;

    if (x->vector == VEC_PF) {
        c->fault_at = x->address;
        e = space_fault(&c->app->space, x->address, x->error);
    }
    if (e == ERR_NOMEM)
        vm_stop(c->app->vm, VM_FAILED, "the machine has no memory left for it");
    else if (e)
        upcall(c, x->vector, x->has_error, x->error);
}

static void outside(struct app_vcpu *c) { atomic_store_explicit(&c->inside, false, memory_order_release); }

/* Runs the guest until it comes out, unless somebody has to change its memory first. */
static void enter(struct app_vcpu *c)
{
    struct space *s = &c->app->space;

    atomic_store(&c->inside, true);
    while (atomic_load(&s->held)) {
        outside(c);
        while (atomic_load(&s->held))
            cpu_pause();
        atomic_store(&c->inside, true);
    }
    c->app->user->run(&c->v, &c->exit);
    outside(c);
    if (c->exit.kind == USER_UNCLEAR)
        c->app->user->explain(&c->v, &c->exit);
}

/* After a call that was served while the guest was loaded: true if it has nothing to wait for and nothing to be told. What others want
 * of this CPU comes with an interrupt, which is taken as soon as the guest runs. */
static bool goes_on(struct app_vcpu *c)
{
    atomic_store(&c->inside, true);
    bool on = !c->waiting && !c->kicking && !atomic_load_explicit(&c->events, memory_order_relaxed) &&
              atomic_load_explicit(&c->started, memory_order_relaxed) && !atomic_load(&c->app->space.held) &&
              atomic_load_explicit(&c->v.vm->state, memory_order_relaxed) == VM_RUNNING;
    c->v.nexits += on; /* else it comes out, and that is counted */
    return on;
}

bool user_gate(struct vcpu *v)
{
    struct app_vcpu *c = app_vcpu_of(v);

    outside(c);
    app_gate(c);
    return goes_on(c);
}

bool user_bell(struct vcpu *v)
{
    struct app_vcpu *c = app_vcpu_of(v);

    outside(c);
    app_bell(c);
    return goes_on(c);
}

/* Looks at all that may have happened since it last ran. True if it has nothing to do but wait. */
static bool must_wait(struct app_vcpu *c)
{
    if (c->timer && ground_tsc() >= c->timer) {
        c->timer = 0;
        atomic_fetch_or(&c->events, APP_EVENT_TIMER);
    }
    if (atomic_load_explicit(&c->events, memory_order_relaxed))
        events_pass(c);
    if (c->kicking && !atomic_load(&c->served))
        return true;
    c->kicking = false;
    if (!c->waiting)
        return false;
    if (!atomic_exchange(&c->rung, false) && !pending(c) && !(c->wait_end && ground_tsc() >= c->wait_end))
        return true;
    c->waiting = false;
    return false;
}

static enum run_end run(struct vcpu *v)
{
    struct app_vcpu *c = app_vcpu_of(v);

    for (;;) {
        if (atomic_load_explicit(&v->kicked, memory_order_relaxed))
            atomic_exchange(&v->kicked, false);
        if (atomic_load_explicit(&v->vm->state, memory_order_relaxed) != VM_RUNNING)
            return RUN_GONE;
        if (!atomic_load_explicit(&c->started, memory_order_relaxed))
            return RUN_OFF;
        if (must_wait(c))
            return RUN_HALTED;
        if (pending(c))
            event_deliver(c);
        enter(c);
        v->nexits++;
        switch (c->exit.kind) {
        case USER_NOTHING:
        case USER_UNCLEAR: break;
        case USER_IRQ:
            ground_irq_handle(c->exit.vector);
            return RUN_PREEMPTED;
        case USER_IRQ_WAITS: return RUN_PREEMPTED;
        case USER_SYSCALL: v->r.rip = c->app->file.libos.missed; break;
        case USER_EXCEPTION: exception(c); break;
        }
    }
}

/* --- for the scheduler ------------------------------------------------------------------------------------------------------ */
static bool has_reason(struct vcpu *v)
{
    struct app_vcpu *c = app_vcpu_of(v);

    if (atomic_load(&v->vm->state) != VM_RUNNING || atomic_load(&c->events))
        return true;
    if (c->kicking)
        return atomic_load(&c->served);
    return c->waiting ? atomic_load(&c->rung) : atomic_load(&c->started);
}

static uint64_t deadline(const struct vcpu *v)
{
    const struct app_vcpu *c = container_of(v, const struct app_vcpu, v);
    uint64_t end = c->waiting ? c->wait_end : 0;

    return c->timer && end ? min_u64(c->timer, end) : c->timer | end;
}

static void load(struct vcpu *v)
{
    struct app_vcpu *c = app_vcpu_of(v);

    if (c->reset)
        c->app->user->reset(v, c->shared);
    if (!v->vm->tsc_first)
        v->vm->tsc_first = ground_tsc();
    c->reset = false;
    c->app->user->load(v);
}

static void unload(struct vcpu *v) { app_vcpu_of(v)->app->user->unload(v); }

const struct machine_run app_machine_run = {
    .load = load,
    .unload = unload,
    .run = run,
    .has_reason = has_reason,
    .deadline = deadline,
};

/* --- start --------------------------------------------------------------------------------------------------------------- */
static err_t cpu_set_going(struct app_vcpu *c, app_addr_t shared, uint64_t stack_top, uint64_t stack_size, const struct regs *r)
{
    hpa_t head = hpa(0), signals = hpa(0);
    err_t e = space_pin(&c->app->space, shared, &head);

    if (!e)
        e = space_pin(&c->app->space, shared + offsetof(struct app_cpu, signals), &signals);
    if (e)
        return e;
    c->shared = shared;
    c->head = hpa_ptr(head);
    c->signals = hpa_ptr(signals);
    c->stack_top = stack_top;
    c->stack_size = stack_size;
    c->timer = c->wait_end = c->fault_at = 0;
    c->waiting = c->kicking = false;
    c->reset = true;
    atomic_store(&c->events, 0);
    c->v.r = *r;
    atomic_store(&c->started, true);
    return OK;
}

err_t app_cpu_start(struct app_vcpu *c, uint64_t entry, uint64_t rsp, app_addr_t shared, uint64_t rdi)
{
    struct space *s = &c->app->space;
    struct app_cpu cpu;

    err_t e = app_cpu_check(s, entry, shared, &cpu);
    if (e)
        return e;
    struct regs r = { .rip = entry, .rflags = RFLAGS_FIXED };
    r.gpr[REG_RSP] = rsp;
    r.gpr[REG_RDI] = rdi;
    return cpu_set_going(c, shared, cpu.stack_top, cpu.stack_size, &r);
}

err_t app_cpu_go_on(struct app_vcpu *c, const struct app_vcpu *as)
{
    return cpu_set_going(c, as->shared, as->stack_top, as->stack_size, &as->v.r);
}
