/* POSIX timers: alarms that send a signal. */
#include "libos/alarm.h"
#include "libos/signal.h"
#include "libos/sys.h"

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

    if (clock_now((uint32_t)a[0], &now) || clock_only_read((uint32_t)a[0]))
        return -EINVAL;
    if (a[1] && user_read(&ev, a[1], 20))
        return -EFAULT;
    if (ev.notify & ~SIGEV_THREAD_ID && ev.notify != SIGEV_NONE && ev.notify != SIGEV_THREAD)
        return -EINVAL;
    if (ev.notify != SIGEV_NONE && (ev.signo < 1 || ev.signo >= SIGNALS))
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
