/* Clocks by their numbers, and timers on them: POSIX timers, setitimer, alarm; counter.c has timerfd. */
#include "libos/alarm.h"
#include "libos/signal.h"
#include "libos/sys.h"

#define NS 1000000000ull
#define FOREVER (UINT64_MAX / 2)

/* --- clocks ------------------------------------------------------------------------------------------------------------------ */
uint64_t ended_ns;

uint64_t cpu_time(const struct thread *only)
{
    uint64_t ns = 0;

    list_each (l, &threads) {
        struct thread *t = container_of(l, struct thread, all);
        if (!only || t == only)
            ns += t->used_ns + (t->cpu ? time_mono() - t->started_ns : 0);
    }
    return ns + (only ? 0 : ended_ns);
}

/* A clock of a process or thread, as clock_getcpuclockid() makes its number. */
static int cpu_clock(uint32_t clock, uint64_t *ns)
{
    uint32_t id = ~(uint32_t)((int32_t)clock >> 3);
    struct thread *t;

    if ((clock & 3) == 3)
        return -EINVAL;
    if (!(clock & 4)) {
        *ns = cpu_time(NULL);
        return !id || id == boot->pid ? 0 : -EINVAL;
    }
    t = id ? thread_by(id) : current;
    *ns = t ? cpu_time(t) : 0;
    return t ? 0 : -EINVAL;
}

int clock_now(uint32_t clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI: *ns = time_wall(); return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: *ns = time_mono(); return 0;
    case CLOCK_PROCESS_CPUTIME_ID: *ns = cpu_time(NULL); return 0;
    case CLOCK_THREAD_CPUTIME_ID: *ns = cpu_time(current); return 0;
    }
    return (int32_t)clock < 0 ? cpu_clock(clock, ns) : -EINVAL;
}

/* Nothing can wait for it. */
static bool only_read(uint32_t clock)
{
    return clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
}

SYS(clock_gettime)
{
    struct timespec t;
    uint64_t ns;
    int e = clock_now((uint32_t)a[0], &ns);

    t = timespec_of(e ? 0 : ns);
    return e ? e : user_write(a[1], &t, sizeof t);
}

SYS(clock_getres)
{
    bool coarse = (uint32_t)a[0] == CLOCK_REALTIME_COARSE || (uint32_t)a[0] == CLOCK_MONOTONIC_COARSE;
    struct timespec t = { 0, coarse ? 4000000 : 1 };
    uint64_t ns;
    int e = clock_now((uint32_t)a[0], &ns);

    return e || !a[1] ? e : user_write(a[1], &t, sizeof t);
}

SYS(clock_settime)
{
    uint64_t ns;

    return (uint32_t)a[0] != CLOCK_REALTIME ? -EINVAL : timespec_read(a[1], &ns) ? timespec_read(a[1], &ns) : -EPERM;
}

SYS(gettimeofday)
{
    uint64_t ns = time_wall();
    struct timeval t = { (int64_t)(ns / NS), (int64_t)(ns % NS / 1000) };

    return (a[0] && user_write(a[0], &t, sizeof t)) || (a[1] && user_write(a[1], &(uint64_t){ 0 }, 8)) ? -EFAULT : 0;
}

SYS(time)
{
    int64_t s = (int64_t)(time_wall() / NS);

    return a[0] && user_write(a[0], &s, sizeof s) ? -EFAULT : s;
}

/* --- sleeping ---------------------------------------------------------------------------------------------------------------- */
static int64_t sleep_until(uint64_t deadline, user_t left)
{
    struct timespec t;
    int e = 0;

    while (deadline > time_mono() && (!e || e == -ETIMEDOUT))
        e = thread_block(deadline);
    if (e != -EINTR)
        return 0;
    t = timespec_of(deadline > time_mono() ? deadline - time_mono() : 0);
    return left && user_write(left, &t, sizeof t) ? -EFAULT : -EINTR;
}

SYS(nanosleep)
{
    uint64_t ns;
    int e = timespec_read(a[0], &ns);

    return e ? e : sleep_until(ns > FOREVER ? FOREVER : time_mono() + ns, a[1]);
}

/* A process' CPU time passes only while others compute: looked at again and again. */
static int64_t sleep_cpu(uint32_t clock, uint64_t until, user_t left)
{
    uint64_t now = 0;
    int64_t e = 0;

    while (!e && !clock_now(clock, &now) && now < until)
        e = sleep_until(time_mono() + max_u64((until - now) / cpus_limit(), 1000000), left);
    return e;
}

SYS(clock_nanosleep)
{
    uint64_t ns = 0, now = 0;
    uint32_t clock = (uint32_t)a[0];
    int e = clock == CLOCK_THREAD_CPUTIME_ID || clock_now(clock, &now) ? -EINVAL : timespec_read(a[2], &ns);

    if (e)
        return e;
    if (only_read(clock))
        return -EOPNOTSUPP;
    if (a[1] & 1) /* TIMER_ABSTIME */
        ns = ns > now ? ns - now : 0;
    if (clock == CLOCK_PROCESS_CPUTIME_ID || (int32_t)clock < 0)
        return sleep_cpu(clock, now + min_u64(ns, FOREVER), a[1] & 1 ? 0 : a[3]);
    return sleep_until(ns > FOREVER ? FOREVER : time_mono() + ns, a[1] & 1 ? 0 : a[3]);
}

/* --- alarms ------------------------------------------------------------------------------------------------------------------- */
#define REPEAT_MIN 50000u /* ns: one that is due more often would leave the program no time; the count of expiries is right all the same */

static void alarm_run(struct alarm *al, uint64_t least)
{
    uint64_t now = 0, left;

    clock_now(al->clock, &now);
    left = max_u64(least, al->at > now ? al->at - now : 0);
    if (al->clock == CLOCK_PROCESS_CPUTIME_ID || al->clock == CLOCK_THREAD_CPUTIME_ID || (int32_t)al->clock < 0)
        left = max_u64(left / cpus_limit(), 100000); /* it may pass that fast, or not at all */
    timer_set(&al->timer, left > FOREVER ? FOREVER : time_mono() + left);
    thread_slice();
}

static void alarm_due(struct timer *t)
{
    struct alarm *al = container_of(t, struct alarm, timer);
    uint64_t now = 0, times = 1;

    clock_now(al->clock, &now);
    if (now >= al->at) {
        times += al->every ? (now - al->at) / al->every : 0;
        al->at = al->every ? al->at + times * al->every : 0;
        al->fire(al, times);
    }
    if (al->at)
        alarm_run(al, REPEAT_MIN);
}

void alarm_set(struct alarm *al, uint64_t at, uint64_t every)
{
    al->timer.fire = alarm_due;
    al->at = at;
    al->every = every;
    timer_set(&al->timer, 0);
    if (at)
        alarm_run(al, 0);
}

uint64_t alarm_left(const struct alarm *al)
{
    uint64_t now = 0;

    clock_now(al->clock, &now);
    return !al->at ? 0 : al->at > now ? al->at - now : 1;
}

int alarm_read(const struct alarm *al, user_t from, bool absolute, uint64_t *at, uint64_t *every)
{
    uint64_t now = 0;
    int e = timespec_read(from, every);

    if (!e)
        e = timespec_read(from + sizeof(struct timespec), at);
    if (e || !*at)
        return e;
    clock_now(al->clock, &now);
    *at = absolute ? *at : now + min_u64(*at, FOREVER);
    return 0;
}

int alarm_write(const struct alarm *al, user_t to)
{
    struct itimerspec s = { timespec_of(al->every), timespec_of(alarm_left(al)) };

    return user_write(to, &s, sizeof s);
}

int alarm_change(struct alarm *al, user_t new, bool absolute, user_t old)
{
    uint64_t at, every;
    int e = alarm_read(al, new, absolute, &at, &every);

    if (!e && old)
        e = alarm_write(al, old);
    if (!e)
        alarm_set(al, at, every);
    return e;
}

/* --- setitimer, alarm ---------------------------------------------------------------------------------------------------------- */
static void itimer_fire(struct alarm *, uint64_t times);
static struct alarm itimers[3] = { { .clock = CLOCK_MONOTONIC, .fire = itimer_fire },
                                   { .clock = CLOCK_PROCESS_CPUTIME_ID, .fire = itimer_fire },
                                   { .clock = CLOCK_PROCESS_CPUTIME_ID, .fire = itimer_fire } };

static void itimer_fire(struct alarm *al, UNUSED uint64_t times)
{
    static const uint8_t signals[3] = { SIGALRM, SIGVTALRM, SIGPROF };

    signal_post(NULL, signals[al - itimers], NULL);
}

static struct timeval timeval_of(uint64_t ns)
{
    ns = (ns + 999) / 1000 * 1000;
    return (struct timeval){ (int64_t)(ns / NS), (int64_t)(ns % NS / 1000) };
}

SYS(getitimer)
{
    struct timeval v[2];

    if ((uint32_t)a[0] > 2)
        return -EINVAL;
    v[0] = timeval_of(itimers[a[0]].every);
    v[1] = timeval_of(alarm_left(&itimers[a[0]]));
    return user_write(a[1], v, sizeof v);
}

SYS(setitimer)
{
    struct timeval v[2] = { 0 };
    struct alarm *al = &itimers[(uint32_t)a[0] % 3];
    uint64_t ns[2], now;

    if ((uint32_t)a[0] > 2)
        return -EINVAL;
    if (a[1] && user_read(v, a[1], sizeof v))
        return -EFAULT;
    for (unsigned i = 0; i < 2; i++) {
        if (v[i].sec < 0 || v[i].usec < 0 || v[i].usec >= 1000000)
            return -EINVAL;
        ns[i] = v[i].sec > 4000000000 ? FOREVER : (uint64_t)v[i].sec * NS + (uint64_t)v[i].usec * 1000;
    }
    if (a[2] && sys_getitimer((const uint64_t[6]){ a[0], a[2] }))
        return -EFAULT;
    clock_now(al->clock, &now);
    alarm_set(al, ns[1] ? now + ns[1] : 0, ns[0]);
    return 0;
}

SYS(alarm)
{
    uint64_t left = alarm_left(&itimers[0]);

    alarm_set(&itimers[0], (uint32_t)a[0] ? time_mono() + (uint32_t)a[0] * NS : 0, 0);
    return (int64_t)(left && left < NS ? 1 : (left + NS / 2) / NS);
}

/* --- POSIX timers --------------------------------------------------------------------------------------------------------------- */
#define TIMERS 256u
struct posix_timer {
    struct alarm alarm;
    int32_t signo, notify;
    uint32_t tid; /* of whom it tells; 0: the process */
    uint64_t value;
    uint64_t missed, overrun; /* expiries behind the first: of the signal that is pending, of the last one taken */
};
static struct posix_timer *posix_timers[TIMERS];

static struct posix_timer *timer_by(uint64_t id) { return (uint32_t)id < TIMERS ? posix_timers[(uint32_t)id] : NULL; }

static void posix_fire(struct alarm *al, uint64_t times)
{
    struct posix_timer *t = container_of(al, struct posix_timer, alarm);
    struct thread *to = t->tid ? thread_by(t->tid) : NULL;
    uint64_t id = 0;

    while (posix_timers[id] != t)
        id++;
    if (t->notify == SIGEV_NONE || (t->tid && !to))
        return;
    if (signal_pending(to ? to : current) & 1ull << (t->signo - 1)) { /* the last one was not taken yet */
        t->missed += times;
        return;
    }
    t->missed = times - 1;
    signal_post(to, t->signo, &(struct siginfo){ .signo = t->signo, .code = SI_TIMER, .field = { id, t->value } });
}

void posix_timer_taken(struct siginfo *info)
{
    struct posix_timer *t = timer_by(info->field[0]);

    if (!t)
        return;
    t->overrun = min_u64(t->missed, INT32_MAX);
    t->missed = 0;
    info->field[0] = (uint32_t)info->field[0] | t->overrun << 32;
}

SYS(timer_create)
{
    struct { uint64_t value; int32_t signo, notify; uint32_t tid; } ev = { .signo = SIGALRM };
    struct posix_timer *t;
    uint32_t id = 0;
    uint64_t now;

    if (clock_now((uint32_t)a[0], &now) || only_read((uint32_t)a[0]))
        return -EINVAL;
    if (a[1] && user_read(&ev, a[1], 20))
        return -EFAULT;
    if (ev.notify & ~SIGEV_THREAD_ID && ev.notify != SIGEV_NONE && ev.notify != SIGEV_THREAD)
        return -EINVAL;
    if (ev.notify != SIGEV_NONE && (ev.signo < 1 || ev.signo >= NSIG))
        return -EINVAL;
    if (ev.notify == SIGEV_THREAD_ID && !thread_by(ev.tid))
        return -EINVAL;
    while (id < TIMERS && posix_timers[id])
        id++;
    t = id < TIMERS ? mem_get(sizeof *t) : NULL;
    if (!t)
        return -EAGAIN;
    *t = (struct posix_timer){ .alarm.clock = (uint32_t)a[0], .alarm.fire = posix_fire, .signo = ev.signo, .notify = ev.notify,
                               .tid = ev.notify == SIGEV_THREAD_ID ? ev.tid : 0, .value = a[1] ? ev.value : id };
    if (user_write(a[2], &id, sizeof id)) {
        mem_put(t);
        return -EFAULT;
    }
    posix_timers[id] = t;
    return 0;
}

SYS(timer_settime)
{
    struct posix_timer *t = timer_by(a[0]);
    int e = !a[2] || !t ? -EINVAL : alarm_change(&t->alarm, a[2], a[1] & 1, a[3]);

    if (!e)
        t->missed = t->overrun = 0;
    return e;
}

SYS(timer_gettime) { return timer_by(a[0]) ? alarm_write(&timer_by(a[0])->alarm, a[1]) : -EINVAL; }
SYS(timer_getoverrun) { return timer_by(a[0]) ? (int64_t)timer_by(a[0])->overrun : -EINVAL; }

SYS(timer_delete)
{
    struct posix_timer *t = timer_by(a[0]);

    if (!t)
        return -EINVAL;
    alarm_set(&t->alarm, 0, 0);
    posix_timers[(uint32_t)a[0]] = NULL;
    mem_put(t);
    return 0;
}

void posix_timers_end(void)
{
    for (uint64_t id = 0; id < TIMERS; id++)
        (void)sys_timer_delete(&id);
}
