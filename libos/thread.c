/* Threads: made, switched, put to sleep and woken. The CPUs take them from one queue in turns; a timer upcall ends a turn when others are waiting.
 *
 * A thread that becomes ready is first left to the CPU that made it so: most often that one waits a moment later itself, and goes on with
 * the other much sooner than a further CPU could be told. Only if it computes on is a parked CPU woken, and only if a whole turn passes is one more started. */
#include "arch/x86/cpu.h"
#include "libos/sched.h"

#define TURN 5000000u        /* ns */
#define SHORT_TURN 1000000u  /* while there are CPUs that could be started */
#define PATIENCE 200000u     /* a thread that has been ready for longer gets a CPU that waits: before that, the running one may be about to wait itself */

struct list threads = LIST_INIT(threads);
struct list ready = LIST_INIT(ready);
unsigned thread_count;
uint64_t fpu_mask;
uint32_t fpu_size;

static uint32_t next_tid;
static uint64_t ready_since; /* some thread has been ready all the time */
static struct thread *survivor; /* in execve: the others are to end */

void switch_stack(uint64_t *save_rsp, uint64_t rsp);
void thread_begin(void);
void thread_first(struct regs *);

void threads_init(void)
{
    next_tid = boot->pid;
    fpu_size = 512; /* FXSAVE, which a mask of 0 stands for */
    if (!(cpu_id(1, 0).ecx & BIT(27))) /* no XSAVE */
        return;
    fpu_mask = cpu_xgetbv(0) & 0xE7; /* x87, SSE, AVX, AVX-512 */
    fpu_size = cpu_id(0xD, 0).ebx;
}

static void wake_by_timer(struct timer *t)
{
    struct thread *th = container_of(t, struct thread, timer);

    th->timed_out = true;
    thread_ready(th);
}

struct thread *thread_new(const struct regs *r)
{
    struct thread *t = mem_get(sizeof *t);
    uint64_t *stack;

    if (!t)
        return NULL;
    t->kstack = mem_get(KSTACK);
    t->fpu = mem_get(fpu_size + 64);
    t->info = mem_get(sizeof *t->info);
    if (!t->kstack || !t->fpu || !t->info) {
        mem_put(t->kstack);
        mem_put(t->fpu);
        mem_put(t->info);
        mem_put(t);
        return NULL;
    }
    t->regs = (struct regs *)(void *)(t->kstack + KSTACK) - 1;
    *t->regs = *r;
    stack = (uint64_t *)(void *)t->regs;
    *--stack = (uint64_t)thread_begin;
    stack -= 6;
    t->rsp = (uint64_t)stack;
    t->tid = next_tid++;
    t->timer.fire = wake_by_timer;
    t->altstack.flags = SS_DISABLE;
    t->started_ns = time_mono();
    list_init(&t->run);
    list_init(&t->futex_link);
    list_push_back(&threads, &t->all);
    thread_count++;
    memcpy(t->name, current->name, sizeof t->name);
    t->mask = current->mask;
    return t;
}

static void *fpu_area(struct thread *t) { return (void *)align_up((uint64_t)t->fpu, 64); }

void thread_fpu_fresh(struct thread *t)
{
    uint8_t *a = fpu_area(t);
    uint32_t mxcsr = 0x1F80;
    uint16_t fcw = 0x37F;

    memcpy(a, &fcw, sizeof fcw);
    memcpy(a + 24, &mxcsr, sizeof mxcsr);
}

void thread_ready(struct thread *t)
{
    if (!list_empty(&t->run) || t->cpu)
        return;
    if (list_empty(&ready))
        ready_since = time_mono();
    list_push_back(&ready, &t->run);
}

void thread_poke(struct thread *t)
{
    if (t->cpu && t->cpu != cpu_self())
        cpu_interrupt(t->cpu);
}

static uint64_t turn_length(void) { return cpu_alone() ? TURN : SHORT_TURN; }

/* The CPU's timer, for what comes first: the end of the turn, or the first timer of all. */
void thread_slice(void)
{
    struct cpu *c = cpu_self();
    uint64_t at = timers_next(), now = time_mono();

    if (!list_empty(&ready) && c->turn_end <= now)
        c->need_resched = true; /* no timer needed for what is due */
    else if (!list_empty(&ready) && (!at || c->turn_end < at))
        at = c->turn_end;
    if (at && (c->timer_at == 0 || at < c->timer_at || c->timer_at < now)) {
        gate(at, 0, 0, 0, 0, APP_TIMER);
        c->timer_at = at;
    }
}

/* Events: the monitor's timer has fired, so whatever it was for is to be looked at. */
void thread_timer_event(void)
{
    struct cpu *c = cpu_self();

    c->timer_at = 0;
    timers_run();
    if (!list_empty(&ready) && time_mono() >= c->turn_end)
        c->need_resched = cpu_wake_parked() || cpu_start() || true;
    thread_slice();
}

/* Again, if the turn is over by the time the thread is back: no timer has been set for an end that is past. */
static void resched(void)
{
    while (cpu_self()->need_resched)
        thread_yield();
}

void thread_leave(void)
{
    struct cpu *c = cpu_self();

    if (!list_empty(&ready)) {
        if (time_mono() - ready_since > PATIENCE)
            cpu_wake_parked();
        if (!c->timer_at || c->timer_at > c->turn_end)
            thread_slice();
    }
    resched();
}

static void thread_reap(void)
{
    struct thread *dying = cpu_self()->dying;

    if (dying) {
        cpu_self()->dying = NULL;
        mem_put(dying->kstack);
        mem_put(dying->fpu);
        mem_put(dying->info);
        mem_put(dying);
    }
}

static void turn_begin(struct cpu *c, uint64_t now)
{
    c->turn_start = now;
    c->turn_end = now + turn_length();
    c->need_resched = false;
}

/* The CPU goes on with that one. */
static void thread_dispatch(struct thread *t)
{
    struct cpu *c = cpu_self();
    struct thread *was = current;
    uint64_t now = time_mono();

    turn_begin(c, now);
    if (t == was)
        return;
    if (!was->dead && was->fpu) {
        fpu_save(fpu_area(was), fpu_mask);
        was->fs = fs_get();
    }
    was->used_ns += now - was->started_ns;
    was->cpu = NULL;
    t->started_ns = now;
    t->cpu = c;
    cpu_word_set(CPU_CURRENT, (uint64_t)t);
    cpu_word_set(CPU_STACK, (uint64_t)(t->kstack + KSTACK));
    if (t->fpu) {
        fpu_load(fpu_area(t), fpu_mask);
        fs_set(t->fs);
    }
    switch_stack(&was->rsp, t->rsp);
    thread_reap();
}

static struct thread *next_ready(void)
{
    struct list *l = list_pop_front(&ready);

    return l ? container_of(l, struct thread, run) : NULL;
}

/* The CPU goes on with the next one, or with its idle thread; that one itself only waits for an event. */
static void schedule(void)
{
    struct cpu *c = cpu_self();
    struct thread *t;

    if (current == &c->idle) {
        cpu_wait();
        return;
    }
    t = next_ready();
    thread_dispatch(t ? t : &c->idle);
}

void thread_idle(void)
{
    for (;;) {
        struct thread *t = next_ready();
        if (t)
            thread_dispatch(t);
        else
            cpu_wait();
    }
}

void thread_first(UNUSED struct regs *r)
{
    thread_reap();
    thread_slice();
    resched();
    if (thread_doomed(current))
        thread_exit();
    if (!thread_frame_leave(current->regs))
        libos_exit(APP_EXIT_SIGNAL + SIGSEGV);
    libos_unlock();
}

void thread_fpu_copy(struct thread *t) { fpu_save(fpu_area(t), fpu_mask); }

void thread_yield(void)
{
    if (list_empty(&ready)) {
        turn_begin(cpu_self(), time_mono());
        return;
    }
    list_push_back(&ready, &current->run);
    schedule();
    thread_slice();
}

int thread_block(uint64_t deadline)
{
    struct thread *t = current;

    if (signal_wanted(t))
        return -EINTR;
    t->timed_out = false;
    if (deadline)
        timer_set(&t->timer, deadline);
    schedule();
    timer_set(&t->timer, 0);
    thread_slice();
    if (t->timed_out)
        return -ETIMEDOUT;
    return signal_wanted(t) ? -EINTR : 0;
}

void thread_block_deaf(void)
{
    schedule();
    thread_slice();
}

void thread_exit(void)
{
    struct thread *t = current;

    if (t->clear_tid) {
        uint32_t zero = 0;
        user_write(t->clear_tid, &zero, sizeof zero);
        futex_wake(t->clear_tid, 1, UINT32_MAX);
    }
    timer_set(&t->timer, 0);
    list_remove(&t->all);
    thread_count--;
    t->dead = true;
    cpu_self()->dying = t;
    if (survivor)
        thread_ready(survivor);
    schedule();
    __builtin_unreachable();
}

bool thread_frame_leave(struct regs *r)
{
    uint64_t at[2] = { r->rflags, r->rip };

    return !user_write(r->rsp - 144, at, sizeof at);
}

/* --- a template and its clones --- */
/* A clone has the general registers of the call only. Where glibc's fork() would have its child's number written, its copy of the number is. */
int64_t thread_freeze(void)
{
    struct thread *t = current;
    uint32_t known, old = t->tid;
    int64_t cloned;

    fpu_save(fpu_area(t), fpu_mask);
    t->fs = fs_get();
    cloned = gate(0, 0, 0, 0, 0, APP_TEMPLATE);
    if (cloned != 1)
        return cloned;
    fpu_load(fpu_area(t), fpu_mask);
    fs_set(t->fs);
    cpu_become_boot();
    t->tid = boot->pid;
    if (next_tid <= t->tid)
        next_tid = t->tid + 1;
    if (t->clear_tid && !user_read(&known, t->clear_tid, sizeof known) && known == old)
        user_write(t->clear_tid, &t->tid, sizeof t->tid);
    thread_born();
    return cloned;
}

void thread_born(void)
{
    current->used_ns = 0;
    current->started_ns = time_mono();
    turn_begin(cpu_self(), current->started_ns);
}

/* --- another program in their place --- */
bool thread_doomed(const struct thread *t) { return survivor && t != survivor; }

void threads_end_others(void)
{
    survivor = current;
    while (thread_count > 1) {
        list_each (l, &threads) {
            struct thread *t = container_of(l, struct thread, all);
            if (t != current) {
                thread_ready(t);
                thread_poke(t);
            }
        }
        thread_block_deaf();
    }
    survivor = NULL;
    current->tid = boot->pid;
}

void thread_renew(void)
{
    memset(fpu_area(current), 0, fpu_size);
    thread_fpu_fresh(current);
    fpu_load(fpu_area(current), fpu_mask);
    fs_set(0);
    current->clear_tid = current->robust = 0;
}

void thread_name(struct thread *t, const char *path)
{
    const char *slash = path;

    for (const char *s = path; *s; s++)
        slash = *s == '/' ? s + 1 : slash;
    (void)str_copy(t->name, sizeof t->name, slash);
}

/* --- queues of waiting threads --- */
void waitq_add(struct waitq *q, struct waiter *w)
{
    w->thread = current;
    w->fire = NULL;
    list_push_back(&q->list, &w->link);
}

void waitq_watch(struct waitq *q, struct waiter *w, void (*fire)(struct waiter *, uint32_t events))
{
    w->fire = fire;
    list_push_back(&q->list, &w->link);
}

void waitq_tell(struct waitq *q, uint32_t events)
{
    list_each (l, &q->list) {
        struct waiter *w = container_of(l, struct waiter, link);
        if (w->fire)
            w->fire(w, events);
        else
            thread_ready(w->thread);
    }
}

int waitq_wait(struct waitq *q, uint64_t deadline)
{
    struct waiter w;
    int e;

    waitq_add(q, &w);
    e = thread_block(deadline);
    waitq_remove(&w);
    return e;
}
