/* The scheduler. Per CPU a run queue under its own lock; see vm/sched.h for the policy.
 *
 * A guest's fair-share clock (vm->vruntime) is the sum of what its vCPUs ran, on any CPU. A vCPU's (v->vruntime) is its guest's at the
 * end of its last turn, or when it woke: so the vCPUs of a guest stand behind each other, a turn apart, and the least of all is the
 * next of its guest, and its guest the next of all. A guest that slept, or has fewer vCPUs than CPUs are due to it, saves nothing up:
 * its clock is behind the least of all that waited by a slice on each CPU at most.
 *
 * A sleeping vCPU (HALTED, OFF) becomes READY by one compare-and-swap; whoever wins it queues the vCPU on its home CPU. The
 * sleeper publishes its state first and then looks once more for a reason to wake; the waker publishes the reason first and
 * then looks at the state: one of the two sees the other.
 *
 * The FPU state of the vCPU that ran last stays in the CPU (`loaded`) until another one runs there, so that one may not be
 * taken to another CPU. */
#include "vm/sched.h"
#include "base/list.h"
#include "ground/ground.h"
#include "vm/cpu.h"
#include "vm/run.h"
#include "vm/vm.h"

#define SLICE_NS 6000000u        /* how long a vCPU runs while others wait */
#define WAKE_GRANULARITY_NS 2000000u /* a woken vCPU that is this far behind goes first */
#define COST_EXITS 16u           /* in one turn tell what an exit costs: a guest that looks for its devices does nothing else */
#define CHORES_MAX 8

struct runq {
    unsigned cpu;                /* fixed */
    struct lock lock;
    /* under lock */
    struct list ready, timed, asleep; /* timed: asleep, with an end */
    struct vcpu *loaded;
    /* any CPU, atomic */
    struct vcpu *_Atomic current;
    _Atomic uint64_t least;      /* smallest vruntime in ready but of loaded; UINT64_MAX: none waits */
    _Atomic bool wake;           /* something for the idle loop */
    _Atomic bool idle;
    _Atomic bool resched;        /* a woken vCPU should go before the current one */
    /* this CPU only */
    struct vcpu *slice_owner;
    uint64_t slice_end, timer, chore_at;
};

static struct runq queues[CPU_MAX];
static uint64_t slice, granularity;
static _Atomic uint64_t floor;   /* the least vruntime of those that wait, on any CPU; never goes back */
static sched_chore chores[CHORES_MAX];
static unsigned nchores, next_home;
static _Atomic bool chores_wanted;

void sched_init(void)
{
    slice = ground_ns_to_tsc(SLICE_NS);
    granularity = ground_ns_to_tsc(WAKE_GRANULARITY_NS);
    nchores = next_home = 0;
    atomic_store(&floor, 0);
    for (unsigned i = 0; i < CPU_MAX; i++) {
        struct runq *q = &queues[i];

        *q = (struct runq){ .cpu = i };
        list_init(&q->ready);
        list_init(&q->timed);
        list_init(&q->asleep);
        atomic_store(&q->least, UINT64_MAX);
    }
}

void sched_add_chore(sched_chore fn)
{
    ASSERT(nchores < CHORES_MAX);
    chores[nchores++] = fn;
}

static struct vcpu *vcpu_of(struct list *n)
{
    return container_of(n, struct vcpu, run_link);
}

static void kick_idle(struct runq *q)
{
    if (!atomic_exchange(&q->wake, true) && q->cpu != ground_cpu())
        ground_cpu_kick(q->cpu);
}

void sched_kick_chores(void)
{
    if (!atomic_exchange(&chores_wanted, true)) {
        atomic_store(&queues[0].wake, true);
        if (ground_cpu() != 0)
            ground_cpu_kick(0);
    }
}

/* --- queueing, all under q->lock --- */

static void update_least(struct runq *q)
{
    uint64_t least = UINT64_MAX;

    list_each(n, &q->ready)
        if (vcpu_of(n) != q->loaded)
            least = min_u64(least, vcpu_of(n)->vruntime);
    atomic_store(&q->least, least);
}

static void enqueue(struct runq *q, struct vcpu *v)
{
    list_remove(&v->run_link);
    list_push_back(&q->ready, &v->run_link);
    update_least(q);
}

static void dequeue(struct runq *q, struct vcpu *v)
{
    list_remove(&v->run_link);
    update_least(q);
}

static void raise(_Atomic uint64_t *clock, uint64_t to)
{
    uint64_t was = atomic_load_explicit(clock, memory_order_relaxed);

    while (was < to && !atomic_compare_exchange_weak(clock, &was, to))
        ;
}

/* The least a guest's clock may be. In a slice a guest on all CPUs goes on by so many slices, and its next vCPU is as far away. */
static uint64_t owed_from(void)
{
    uint64_t at = atomic_load_explicit(&floor, memory_order_relaxed), most = slice * ground_cpus();

    return at > most ? at - most : 0;
}

/* Who has run least; one that has just yielded only if it is alone, once: it is owed nothing for having let others go first. */
static struct vcpu *least_run(struct runq *q, bool stealing)
{
    struct vcpu *best = NULL;

    list_each(n, &q->ready) {
        struct vcpu *v = vcpu_of(n);

        if (stealing && v == q->loaded)
            continue;
        if (!best || (best->yielded && !v->yielded) || (best->yielded == v->yielded && v->vruntime < best->vruntime))
            best = v;
    }
    list_each(n, &q->ready) {
        struct vcpu *v = vcpu_of(n);

        if (v->yielded && best) {
            v->vruntime = max_u64(v->vruntime, best->vruntime);
            raise(&v->vm->vruntime, v->vruntime);
        }
        v->yielded = false;
    }
    return best;
}

static bool make_ready(struct vcpu *v)
{
    uint32_t halted = VCPU_HALTED, off = VCPU_OFF;

    return atomic_compare_exchange_strong(&v->state, &halted, VCPU_READY) ||
           atomic_compare_exchange_strong(&v->state, &off, VCPU_READY);
}

static void enqueue_woken(struct runq *q, struct vcpu *v)
{
    raise(&v->vm->vruntime, owed_from());
    v->vruntime = atomic_load(&v->vm->vruntime);
    enqueue(q, v);
}

/* --- placing and waking --- */

void sched_place(struct vcpu *v)
{
    struct runq *q = &queues[next_home++ % ground_cpus()];

    v->cpu = q->cpu;
    raise(&v->vm->vruntime, atomic_load(&floor));
    lock_take(&q->lock);
    list_push_back(&q->asleep, &v->run_link);
    lock_drop(&q->lock);
}

/* A ready vCPU waits behind another: an idle CPU may take it. False: none is idle. */
static bool offer_to_idle(void)
{
    for (unsigned i = 0; i < ground_cpus(); i++)
        if (atomic_load(&queues[i].idle)) {
            kick_idle(&queues[i]);
            return true;
        }
    return false;
}

/* Where it is now, for one that does not hold that CPU's lock. */
static unsigned cpu_of(const struct vcpu *v) { return __atomic_load_n(&v->cpu, __ATOMIC_RELAXED); }

static struct runq *lock_home(struct vcpu *v)
{
    for (;;) {
        struct runq *q = &queues[cpu_of(v)];

        lock_take(&q->lock);
        if (v->cpu == q->cpu)
            return q;
        lock_drop(&q->lock);
    }
}

bool sched_forget(struct vcpu *v)
{
    return atomic_load(&v->state) == VCPU_GONE;
}

bool sched_others_wait(const struct vcpu *v)
{
    return atomic_load_explicit(&queues[v->cpu].least, memory_order_relaxed) != UINT64_MAX;
}

/* --- timer: the earliest of what this CPU waits for --- */

static uint64_t earliest_sleeper(struct runq *q)
{
    uint64_t at = UINT64_MAX;

    list_each(n, &q->timed)
        at = min_u64(at, vcpu_of(n)->wake_at);
    return at;
}

static uint64_t deadline_of(const struct vcpu *v)
{
    const struct machine_run *r = v->vm->machine->run;

    if (r)
        return r->deadline(v);
    return v->quiet_until && v->quiet_until - 1 < v->apic.deadline - 1 ? v->quiet_until : v->apic.deadline; /* 0, none, is the largest */
}

static void arm(struct runq *q, struct vcpu *v)
{
    uint64_t at = earliest_sleeper(q), own = v ? deadline_of(v) : 0;

    if (q->cpu == 0)
        at = min_u64(at, q->chore_at);
    if (own)
        at = min_u64(at, own);
    if (v && atomic_load(&q->least) != UINT64_MAX)
        at = min_u64(at, q->slice_end);
    if (at != q->timer) {
        q->timer = at;
        ground_timer_set(at);
    }
}

void sched_timer_changed(struct vcpu *v)
{
    struct runq *q = &queues[v->cpu];

    if (atomic_load(&q->current) != v || q->cpu != ground_cpu())
        return;
    lock_take(&q->lock);
    arm(q, v);
    lock_drop(&q->lock);
}

/* It runs, or is about to. It may have gone to another CPU before it was marked, where nobody else would kick it now. */
static void kick_running(struct vcpu *v)
{
    struct runq *q = &queues[cpu_of(v)];

    if (q->cpu != ground_cpu() && atomic_load(&q->current) == v && !atomic_exchange(&v->kicked, true))
        ground_cpu_kick(cpu_of(v));
}

/* A vCPU waits where one had the CPU for itself, with no end of its slice, and might go on for ever. */
static void end_slice(struct runq *q)
{
    if (q->cpu != ground_cpu()) {
        ground_cpu_kick(q->cpu);
        return;
    }
    lock_take(&q->lock);
    arm(q, atomic_load(&q->current));
    lock_drop(&q->lock);
}

void sched_wake(struct vcpu *v)
{
    if (!make_ready(v)) {
        kick_running(v);
        return;
    }
    struct runq *q = lock_home(v);
    struct vcpu *cur = atomic_load(&q->current);
    bool others = atomic_load(&q->least) != UINT64_MAX;
    enqueue_woken(q, v);
    bool first = cur && v->vruntime + granularity < cur->vruntime;
    lock_drop(&q->lock);
    if (!cur) {
        kick_idle(q);
        return;
    }
    bool offered = offer_to_idle(), kick = first && !atomic_exchange(&q->resched, true);
    if (kick && q->cpu != ground_cpu())
        ground_cpu_kick(q->cpu);
    else if (!offered && !others)
        end_slice(q);
}

/* --- the loop --- */

static void wake_due(struct runq *q, uint64_t now)
{
    list_each_safe(n, next, &q->timed) {
        struct vcpu *v = vcpu_of(n);

        if (!v->wake_at || v->wake_at > now || !make_ready(v))
            continue;
        enqueue_woken(q, v);
        if (q->slice_owner && v->vruntime + granularity < q->slice_owner->vruntime)
            atomic_store(&q->resched, true);
    }
}

/* Takes a vCPU from the CPU where one waits that has run less than `than`, by a slice at least. than: UINT64_MAX if nothing waits here. */
static struct vcpu *steal(struct runq *q, uint64_t than)
{
    struct runq *from = q;
    uint64_t least = than;

    for (unsigned i = 0; i < ground_cpus(); i++) {
        uint64_t at = atomic_load(&queues[i].least);

        if (at < least) {
            least = at;
            from = &queues[i];
        }
    }
    if (least != UINT64_MAX)
        raise(&floor, least);
    if (from == q || least + slice >= than || !lock_try(&from->lock))
        return NULL;
    struct vcpu *v = least_run(from, true);
    if (v && v->vruntime + slice < than) {
        dequeue(from, v);
        v->cpu = q->cpu;
    } else {
        v = NULL;
    }
    lock_drop(&from->lock);
    return v;
}

static struct vcpu *pick(struct runq *q, uint64_t now)
{
    struct vcpu *v, *stolen;

    lock_take(&q->lock);
    wake_due(q, now);
    v = q->slice_owner;
    bool keep = v && now < q->slice_end && !v->yielded && !atomic_load(&q->resched);
    if (!keep) {
        atomic_store(&q->resched, false);
        v = least_run(q, false);
    }
    if (v)
        dequeue(q, v);
    stolen = keep ? NULL : steal(q, v ? v->vruntime : UINT64_MAX);
    if (stolen) {
        if (v)
            enqueue(q, v);
        v = stolen;
    }
    if (v && !keep)
        q->slice_end = now + slice;
    atomic_store(&q->current, v);
    lock_drop(&q->lock);
    return v;
}

/* Something that came after it had looked, and that it does not sleep through: after INIT only a start-up IPI counts, in an
 * NMI handler no NMI does. */
static bool has_reason(struct vcpu *v)
{
    if (v->vm->machine->run)
        return v->vm->machine->run->has_reason(v);
    if (atomic_load(&v->startup) || atomic_load(&v->vm->state) != VM_RUNNING)
        return true;
    return !v->waits_for_sipi && (atomic_load(&v->apic.posted_words) || atomic_load(&v->unhalted) ||
                                  (atomic_load(&v->apic.nmi) && cpu->ready(v, true)));
}

static void put(struct runq *q, struct vcpu *v, enum run_end end)
{
    static const enum vcpu_state states[] = { [RUN_PREEMPTED] = VCPU_READY, [RUN_YIELDED] = VCPU_READY,
        [RUN_HALTED] = VCPU_HALTED, [RUN_OFF] = VCPU_OFF, [RUN_GONE] = VCPU_GONE };
    bool sleeps = end == RUN_HALTED || end == RUN_OFF;

    lock_take(&q->lock);
    atomic_store(&q->current, NULL);
    v->yielded = end == RUN_YIELDED;
    v->wake_at = end == RUN_HALTED ? deadline_of(v) : 0;
    q->slice_owner = states[end] == VCPU_READY ? v : NULL;
    if (states[end] == VCPU_READY)
        enqueue(q, v);
    else if (sleeps)
        list_push_back(v->wake_at ? &q->timed : &q->asleep, &v->run_link);
    else if (q->loaded == v)
        q->loaded = NULL;
    atomic_store(&v->state, states[end]); /* from here on a GONE vCPU may vanish */
    lock_drop(&q->lock);
    if (sleeps && has_reason(v))
        sched_wake(v);
}

static void load(struct vcpu *v)
{
    if (v->vm->machine->run)
        v->vm->machine->run->load(v);
    else
        cpu->load(v);
}

static void unload(struct vcpu *v)
{
    if (v->vm->machine->run)
        v->vm->machine->run->unload(v);
    else
        cpu->unload(v);
}

static void switch_to(struct runq *q, struct vcpu *v)
{
    if (q->loaded == v)
        return;
    if (q->loaded)
        unload(q->loaded);
    load(v);
    lock_take(&q->lock);
    q->loaded = v;
    update_least(q);
    lock_drop(&q->lock);
}

static void charge(struct vcpu *v, uint64_t ran)
{
    v->run_tsc += ran;
    raise(&v->vm->vruntime, owed_from());
    v->vruntime = atomic_fetch_add(&v->vm->vruntime, ran) + ran;
}

static void run_one(struct runq *q, struct vcpu *v)
{
    const struct machine_run *r = v->vm->machine->run;
    uint64_t start = ground_tsc();

    if (!r && v->apic.deadline)
        apic_tick(v, start); /* a deadline that has passed is none to arm the timer for */
    switch_to(q, v);
    if (!r)
        cpu->want_pause(v, (v->vm->nvcpus > 1 && sched_others_wait(v)) || atomic_load(&v->vm->panic.looks));
    lock_take(&q->lock);
    arm(q, v);
    lock_drop(&q->lock);
    uint64_t exits = v->nexits;
    enum run_end end = r ? r->run(v) : run_vcpu(v);
    uint64_t ran = ground_tsc() - start;
    exits = v->nexits - exits;
    if (exits >= COST_EXITS && ran / exits < atomic_load(&v->vm->exit_tsc) - 1) /* 0, not known yet, is the largest */
        atomic_store(&v->vm->exit_tsc, ran / exits);
    charge(v, ran);
    put(q, v, end);
}

static void do_chores(struct runq *q, uint64_t now)
{
    if (!atomic_exchange(&chores_wanted, false) && now < q->chore_at)
        return;
    q->chore_at = UINT64_MAX;
    for (unsigned i = 0; i < nchores; i++)
        q->chore_at = min_u64(q->chore_at, chores[i](now));
}

static bool somebody_waits(const struct runq *q)
{
    for (unsigned i = 0; i < ground_cpus(); i++)
        if (i != q->cpu && atomic_load(&queues[i].least) != UINT64_MAX && atomic_load(&queues[i].current))
            return true;
    return false;
}

static void idle(struct runq *q)
{
    lock_take(&q->lock);
    arm(q, NULL);
    lock_drop(&q->lock);
    atomic_store(&q->idle, true);
    if (!somebody_waits(q)) /* looked at again after saying that we are idle */
        ground_idle(&q->wake);
    atomic_store(&q->idle, false);
}

void sched_step(void)
{
    struct runq *q = &queues[ground_cpu()];

    ground_irq_window();
    uint64_t now = ground_tsc();
    if (now >= q->timer)
        q->timer = 0; /* it has fired: arm() must set it anew */
    atomic_store(&q->wake, false);
    if (q->cpu == 0)
        do_chores(q, now);
    struct vcpu *v = pick(q, now);
    if (v)
        run_one(q, v);
    else
        idle(q);
}

bool sched_nap(struct vcpu *v)
{
    struct runq *q = &queues[v->cpu];

    ground_idle(&q->wake);
    return !atomic_load(&q->wake) && ground_tsc() < q->timer;
}

void sched_run(void)
{
    for (;;)
        sched_step();
}
