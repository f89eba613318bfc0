/* Timers on any clock, and two of their users: setitimer and alarm. counter.c has timerfd, sys_timer.c POSIX timers. */
#include "libos/alarm.h"
#include "libos/sys.h"

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

/* 0: it does not run. */
static uint64_t alarm_left(const struct alarm *al)
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
        if (v[i].tv_sec < 0 || v[i].tv_usec < 0 || v[i].tv_usec >= 1000000)
            return -EINVAL;
        ns[i] = v[i].tv_sec > 4000000000 ? FOREVER : (uint64_t)v[i].tv_sec * NS + (uint64_t)v[i].tv_usec * 1000;
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
