/* The guest's CPUs: the lock under which the libos runs, how a CPU waits, and how more of them come to life.
 *
 * One lock guards all of the libos: a CPU takes it when it comes from the program and gives it back when it returns there, or waits. So between two
 * blocking points nothing else runs, however many CPUs there are. While there is one CPU only, the lock costs nothing. */
#include "libos/file.h"
#include "libos/sched.h"
#include "libos/sock.h"

#define MANY 64u
#define STACK 8192u        /* of an idle thread */
#define UPCALL_STACK 4096u
#define SPIN_LOCK 4000u    /* looks before a CPU waits for the lock by a call */
#define SPIN_IDLE_NS 10000u

extern struct app_cpu cpu0; /* entry.S */
void cpu_entry(void);
NORETURN void cpu_main(void);

static struct cpu boot_cpu;
static struct cpu *cpus[MANY] = { &boot_cpu };
static unsigned count = 1, limit = 1;

/* --- the lock ------------------------------------------------------------------------------------------------------- */
static uint32_t locked;
static uint64_t lock_waiters; /* CPUs that wait in APP_WAIT. atomically */

static bool try_lock(void)
{
    return !__atomic_load_n(&locked, __ATOMIC_RELAXED) && !__atomic_exchange_n(&locked, 1, __ATOMIC_SEQ_CST);
}

void libos_lock(void)
{
    uint64_t me;

    if (count == 1)
        return;
    for (unsigned spin = 0; spin < SPIN_LOCK; spin++) {
        if (try_lock())
            return;
        __builtin_ia32_pause();
    }
    me = BIT64(cpu_self()->app->id);
    for (;;) { /* a wake that came before the wait ends it at once, so none is lost */
        __atomic_fetch_or(&lock_waiters, me, __ATOMIC_SEQ_CST);
        if (try_lock())
            break;
        gate(0, 0, 0, 0, 0, APP_WAIT);
    }
    __atomic_fetch_and(&lock_waiters, ~me, __ATOMIC_SEQ_CST);
}

void libos_unlock(void)
{
    uint64_t waiters;

    if (count == 1)
        return;
    __atomic_store_n(&locked, 0, __ATOMIC_SEQ_CST);
    waiters = __atomic_load_n(&lock_waiters, __ATOMIC_SEQ_CST);
    if (waiters) { /* one, and once: it says so again if it comes too late */
        __atomic_fetch_and(&lock_waiters, ~(waiters & -waiters), __ATOMIC_SEQ_CST);
        bell(APP_BELL_CPU + (unsigned)__builtin_ctzll(waiters));
    }
}

/* --- waiting ------------------------------------------------------------------------------------------------------------ */
static uint64_t parked, rung; /* CPUs that wait for work; those of them that have been told of some */
static struct cpu *guard;     /* the parked CPU that wakes when the first timer is due */
static uint64_t guard_at;

bool cpu_wake_parked(void)
{
    uint64_t can = parked & ~rung;
    unsigned n;

    if (!can)
        return parked != 0;
    n = (unsigned)__builtin_ctzll(can);
    rung |= BIT64(n);
    bell(APP_BELL_CPU + n);
    return true;
}

void cpu_interrupt(struct cpu *c) { gate(c->app->id, 0, 0, 0, 0, APP_WAKE); }

/* The deadline of this CPU's wait: one parked CPU for all watches the timers, and a CPU that runs has set its own. */
static uint64_t guard_take(struct cpu *c)
{
    uint64_t next = timers_next();

    if (!next || (guard && guard_at <= next))
        return 0;
    guard = c;
    guard_at = next;
    return next;
}

static bool work_comes(const struct cpu *c)
{
    uint64_t end = time_mono() + SPIN_IDLE_NS;

    do {
        if (__atomic_load_n(&c->app->pending, __ATOMIC_RELAXED) || __atomic_load_n(&ready.next, __ATOMIC_RELAXED) != &ready)
            return true;
        __builtin_ia32_pause();
    } while (time_mono() < end);
    return false;
}

void cpu_wait(void)
{
    struct cpu *c = cpu_self();
    uint64_t deadline, me = BIT64(c->app->id);
    bool wait;

    if (events_take())
        return;
    net_wait_begin();
    deadline = guard_take(c);
    parked |= me;
    libos_unlock();
    wait = count == 1 || !work_comes(c);
    if (wait)
        gate(deadline, 0, 0, 0, 0, APP_WAIT);
    libos_lock();
    net_wait_end(wait);
    parked &= ~me;
    rung &= ~me;
    if (guard == c)
        guard = NULL;
    timers_run();
}

/* --- life ----------------------------------------------------------------------------------------------------------------- */
static void cpu_init(struct cpu *c, struct app_cpu *app)
{
    c->app = app;
    app->guest[CPU_TIME] = boot->time;
    app->guest[CPU_SELF] = (uint64_t)c;
    app->guest[CPU_CURRENT] = (uint64_t)&c->idle;
    list_init(&c->idle.run);
    c->idle.cpu = c;
}

void cpus_init(void)
{
    cpu_init(&boot_cpu, &cpu0);
    limit = boot->ncpus < MANY ? boot->ncpus : MANY;
}

unsigned cpus_limit(void) { return limit; }

uint32_t cpu_number(void) { return cpu_self()->app->id; }

bool cpu_alone(void) { return limit == 1; }

/* All others wait, and know nothing that is not in memory. */
void cpu_become_boot(void)
{
    struct cpu *c = cpu_self();

    for (unsigned i = 0; i < count; i++)
        if (cpus[i] != c && cpus[i] != &boot_cpu)
            mem_put(cpus[i]->app);
    cpus[0] = c;
    c->app->id = 0;
    c->timer_at = 0;
    count = 1;
    limit = boot->ncpus < MANY ? boot->ncpus : MANY;
    parked = rung = lock_waiters = 0;
    guard = NULL;
}

bool cpu_start(void)
{
    struct {
        struct app_cpu app;
        struct cpu cpu;
        uint8_t stack[STACK], upcalls[UPCALL_STACK];
    } *m;

    if (count == limit)
        return false;
    m = mem_get(sizeof *m);
    if (!m)
        return false;
    m->app = (struct app_cpu){ .masked = 1, .id = count, .stack_top = align_down((uint64_t)(m->upcalls + UPCALL_STACK), 16), .stack_size = UPCALL_STACK - 64 };
    cpu_init(&m->cpu, &m->app);
    cpus[count++] = &m->cpu;
    locked = 1; /* the first time, what was not needed becomes true */
    if (gate(m->app.id, (uint64_t)cpu_entry, align_down((uint64_t)(m->stack + STACK), 16), (uint64_t)&m->app, 0, APP_CPU_START) == 0)
        return true;
    count--;
    limit = count; /* the monitor will not give more */
    mem_put(m);
    return false;
}

/* entry.S: a further CPU, masked. */
void cpu_main(void)
{
    libos_lock();
    thread_idle();
}
