/* A guest CPU on Linux: a thread that runs it, the events it is told of, how it waits, and what the others must know before a call of its returns.
 * Called by the gate (gate.c), by the guest's set-up and by whoever has an event for it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "ground/linux/guest.h"

#define KICK_SIGNAL SIGUSR1
#define TIMER_SIGNAL SIGUSR2

static _Thread_local struct app_vcpu *self;

struct app_cpu *cpu_shared(struct app_vcpu *c)
{
    return (struct app_cpu *)(void *)(c->guest->space.base + c->shared);
}

/* --- events ---------------------------------------------------------------------------------------------------------- */
void guest_note(struct app_vcpu *c, uint32_t event)
{
    struct app_cpu *s = cpu_shared(c);

    __atomic_fetch_or(&s->events, event, __ATOMIC_SEQ_CST);
    __atomic_store_n(&s->pending, 1, __ATOMIC_SEQ_CST);
}

static void bell_ring(struct app_vcpu *c)
{
    uint64_t one = 1;

    (void)!write(c->bell, &one, sizeof one);
}

void app_event(struct app_vcpu *c, uint32_t event)
{
    guest_note(c, event);
    bell_ring(c);
    if (c != self && __atomic_load_n(&c->running, __ATOMIC_SEQ_CST))
        thread_signal(c->tid, KICK_SIGNAL);
}

/* Both run in the CPU's own thread: a KVM_RUN that has not begun yet must not begin, nor a wait. */
static void on_kick(int)
{
    if (self)
        kvm_cpu_interrupt(&self->cpu);
}

static void on_timer(int n)
{
    on_kick(n);
    if (self) {
        guest_note(self, APP_EVENT_TIMER);
        bell_ring(self);
    }
}

void guest_cpu_signals(sigset_t *add)
{
    struct sigaction kick = { .sa_handler = on_kick }, timer = { .sa_handler = on_timer };

    sigaction(KICK_SIGNAL, &kick, NULL);
    sigaction(TIMER_SIGNAL, &timer, NULL);
    sigaddset(add, KICK_SIGNAL);
    sigaddset(add, TIMER_SIGNAL);
}

/* Makes the stopped CPU enter its event upcall, if it may be interrupted now. */
static void event_deliver(struct app_vcpu *c)
{
    struct app_cpu *s = cpu_shared(c);
    struct kvm_regs_app *r = c->cpu.regs;
    uint64_t frame[5] = { r->rip, 0x33, r->rflags, r->rsp, 0x2B };

    if (!__atomic_load_n(&s->pending, __ATOMIC_SEQ_CST) || s->masked || r->rsp - (c->stack_top - c->stack_size) <= c->stack_size ||
        kvm_cpu_faulting(&c->cpu))
        return;
    if (space_write(&c->guest->space, c->stack_top - sizeof frame, frame, sizeof frame)) {
        guest_end(c->guest, APP_EXIT_SIGNAL + SIGSEGV);
        return;
    }
    r->rsp = c->stack_top - sizeof frame;
    r->rip = c->guest->image.upcalls + APP_VEC_EVENT * APP_STUB;
    r->rflags = KVM_APP_RFLAGS;
    kvm_cpu_dirty(&c->cpu);
}

/* --- the loop ----------------------------------------------------------------------------------------------------------- */
/* One stop; false: this CPU ends. *half: KVM has something to complete before registers may be set. */
static bool cpu_step(struct app_vcpu *c, bool *half)
{
    struct app *g = c->guest;
    const char *why = "";
    bool pending, go = true;

    __atomic_store_n(&c->running, true, __ATOMIC_SEQ_CST);
    pending = __atomic_load_n(&cpu_shared(c)->pending, __ATOMIC_SEQ_CST) && !cpu_shared(c)->masked;
    if (pending && !*half)
        event_deliver(c);
    switch (kvm_cpu_run(&c->cpu, pending && *half, &why)) {
    case KVM_STOP_GATE:
        __atomic_store_n(&c->running, false, __ATOMIC_SEQ_CST);
        pthread_mutex_lock(&g->lock);
        go = gate_call(c);
        pthread_mutex_unlock(&g->lock);
        *half = true;
        break;
    case KVM_STOP_BELL:
        __atomic_store_n(&c->running, false, __ATOMIC_SEQ_CST);
        pthread_mutex_lock(&g->lock);
        guest_bell(g, (uint32_t)c->cpu.regs->rax);
        pthread_mutex_unlock(&g->lock);
        *half = true;
        break;
    case KVM_STOP_KICK: *half = false; break;
    case KVM_STOP_MEMORY:
    case KVM_STOP_DEAD:
        if (!g->exiting)
            fprintf(stderr, "goblin: the guest was stopped: %s (at %#llx)\n", why, (unsigned long long)c->cpu.regs->rip);
        guest_end(g, APP_EXIT_SIGNAL + SIGBUS);
    }
    return go;
}

static void *cpu_thread(void *arg)
{
    struct app_vcpu *c = arg;
    struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = TIMER_SIGNAL };
    const char *why;
    bool half = false;
    sigset_t open;

    self = c;
    c->tid = ev.sigev_notify_thread_id = gettid();
    sigemptyset(&open);
    sigaddset(&open, KICK_SIGNAL);
    sigaddset(&open, TIMER_SIGNAL);
    if (timer_create(CLOCK_MONOTONIC, &ev, &c->timer)) {
        guest_end(c->guest, APP_EXIT_SIGNAL + SIGKILL);
        return NULL;
    }
    pthread_sigmask(SIG_UNBLOCK, &open, NULL);
    while (!guest_over(c->guest) && cpu_step(c, &half))
        ;
    __atomic_store_n(&c->running, false, __ATOMIC_SEQ_CST);
    pthread_sigmask(SIG_BLOCK, &open, NULL);
    if (half)
        (void)kvm_cpu_run(&c->cpu, true, &why); /* so that it may be started anew, and its registers are final */
    if (c->guest->frozen == c)
        c->guest->kept = *c->cpu.regs;
    self = NULL;
    timer_delete(c->timer);
    pthread_mutex_lock(&c->guest->lock);
    c->started = c->stopping = false;
    pthread_mutex_unlock(&c->guest->lock);
    return NULL;
}

/* The C library's way to do it needs tkill, which reaches every process. */
bool thread_signal(pid_t tid, int n) { return syscall(SYS_tgkill, getpid(), tid, n) == 0; }

bool thread_start(void *(*run)(void *), void *arg, size_t stack)
{
    pthread_t thread;
    pthread_attr_t a;
    bool ok;

    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    if (stack)
        pthread_attr_setstacksize(&a, stack);
    ok = pthread_create(&thread, &a, run, arg) == 0;
    pthread_attr_destroy(&a);
    return ok;
}

err_t guest_cpu_make(struct app *g, unsigned number, uint64_t entry, app_addr_t shared)
{
    struct app_vcpu *c = &g->cpus[number];
    struct app_cpu s;
    err_t e = app_cpu_check(&g->space, entry, shared, &s);

    if (e)
        return e;
    c->guest = g;
    c->shared = shared;
    c->stack_top = s.stack_top;
    c->stack_size = s.stack_size;
    c->stopping = false;
    if (!c->cpu.m)
        c->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return c->bell < 0 || kvm_cpu_init(&c->cpu, &g->machine, number, shared, s.stack_top) ? ERR_NOMEM : OK;
}

err_t guest_cpu_start(struct app *g, unsigned number, const struct kvm_regs_app *at, app_addr_t shared)
{
    struct app_vcpu *c = &g->cpus[number];
    err_t e = guest_cpu_make(g, number, at->rip, shared);

    if (e)
        return e;
    kvm_cpu_start(&c->cpu, at);
    c->started = true;
    c->started = thread_start(cpu_thread, c, 0);
    return c->started ? OK : ERR_NOMEM;
}

void guest_cpu_touch(struct app *g, const uint64_t *pages, uint64_t n)
{
    const struct kvm_regs_app at = { .rip = APP_AREA_GATE + GATE_TOUCH, .rsi = APP_AREA_STRINGS, .rcx = n, .rflags = KVM_APP_RFLAGS };
    const uint64_t len = align_up(n * sizeof *pages, PAGE_SIZE);
    struct kvm_cpu *c = &g->cpus[0].cpu;
    enum kvm_stop stop;
    const char *why;

    if (!n || space_map(&g->space, APP_AREA_STRINGS, len, APP_READ | APP_SMALL) || space_write(&g->space, APP_AREA_STRINGS, pages, n * sizeof *pages))
        return;
    kvm_cpu_start(c, &at);
    do
        stop = kvm_cpu_run(c, false, &why);
    while (stop == KVM_STOP_KICK);
    if (stop == KVM_STOP_GATE)
        (void)kvm_cpu_run(c, true, &why);
    (void)!space_unmap(&g->space, APP_AREA_STRINGS, len);
}

void guest_cpus_end(struct app *g)
{
    for (unsigned i = 0; i < g->ncpus; i++) {
        struct app_vcpu *c = &g->cpus[i];
        pthread_mutex_lock(&g->lock);
        while (c->started) { /* and so its thread is there */
            thread_signal(c->tid, KICK_SIGNAL);
            bell_ring(c);
            pthread_mutex_unlock(&g->lock);
            nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
            pthread_mutex_lock(&g->lock);
        }
        if (c->cpu.m) {
            kvm_cpu_fini(&c->cpu);
            close(c->bell);
        }
        pthread_mutex_unlock(&g->lock);
    }
}

void guest_bell(struct app *g, uint32_t number)
{
    struct app_vcpu *c = number >= APP_BELL_CPU ? app_cpu_running(g, number - APP_BELL_CPU) : NULL;

    if (number < g->nchannels) {
        g->channels[number].wanted = true;
        kvm_machine_bell(&g->machine, number, guest_poke());
    } else if (c) {
        bell_ring(c);
        kvm_machine_bell(&g->machine, number, c->bell);
    }
}

/* What a CPU reads of the tables hangs on their root. One that is in the guest is stopped and takes the new one before it goes on. */
void guest_roots(struct app *g)
{
    for (unsigned i = 0; i < g->ncpus; i++) {
        struct app_vcpu *c = &g->cpus[i];
        while (c != self && c->started && __atomic_load_n(&c->running, __ATOMIC_SEQ_CST) && !kvm_cpu_current(&c->cpu) &&
               !guest_over(g)) {
            thread_signal(c->tid, KICK_SIGNAL);
            nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        }
    }
}
