/* Clocks by their numbers: what time it is by them, and sleeping. */
#include "libos/alarm.h"
#include "libos/sys.h"

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

bool clock_only_read(uint32_t clock)
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
    if (clock_only_read(clock))
        return -EOPNOTSUPP;
    if (a[1] & 1) /* TIMER_ABSTIME */
        ns = ns > now ? ns - now : 0;
    if (clock == CLOCK_PROCESS_CPUTIME_ID || (int32_t)clock < 0)
        return sleep_cpu(clock, now + min_u64(ns, FOREVER), a[1] & 1 ? 0 : a[3]);
    return sleep_until(ns > FOREVER ? FOREVER : time_mono() + ns, a[1] & 1 ? 0 : a[3]);
}
