/* timerfd: a timer that is waited for as a file. */
#include "libos/alarm.h"
#include "libos/sys.h"

struct timer_file {
    struct alarm alarm;
    struct waitq wait;
    uint64_t times; /* it was due and has not been read */
};

static void due(struct alarm *al, uint64_t times)
{
    struct timer_file *t = container_of(al, struct timer_file, alarm);

    t->times += times;
    waitq_tell(&t->wait, POLLIN | POLLRDNORM);
}

static int64_t timer_read(struct file *f, user_t to, uint64_t len, uint64_t *pos)
{
    struct timer_file *t = f->data;
    uint64_t n;

    (void)pos;
    if (len < sizeof n)
        return -EINVAL;
    while (!t->times) {
        int64_t e = file_wait(f);
        if (e)
            return e;
    }
    n = t->times;
    t->times = 0;
    return user_write(to, &n, sizeof n) ? -EFAULT : (int64_t)sizeof n;
}

static uint32_t timer_poll(struct file *f)
{
    return ((struct timer_file *)f->data)->times ? POLLIN | POLLRDNORM : 0;
}

static void timer_close(struct file *f)
{
    alarm_set(f->data, 0, 0);
    mem_put(f->data);
}

static const struct file_ops timer_ops = { .read = timer_read, .poll = timer_poll, .close = timer_close };

SYS(timerfd_create)
{
    struct timer_file *t;
    struct file *f;
    uint32_t clock = (uint32_t)a[0];

    if (a[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME))
        return -EINVAL;
    t = mem_get(sizeof *t);
    f = t ? file_new(&timer_ops, O_RDWR | ((uint32_t)a[1] & O_NONBLOCK)) : NULL;
    if (!f) {
        mem_put(t);
        return -ENOMEM;
    }
    t->alarm = (struct alarm){ .clock = clock, .fire = due };
    waitq_init(&t->wait);
    f->data = t;
    f->wait = &t->wait;
    return fd_new(f, a[1] & O_CLOEXEC, 0);
}

static int64_t timer_of(uint64_t fd, struct timer_file **t)
{
    struct file *f = fd_file(fd);

    *t = f && f->ops == &timer_ops ? f->data : NULL;
    return *t ? 0 : f ? -EINVAL : -EBADF;
}

SYS(timerfd_settime)
{
    struct timer_file *t = NULL;
    uint64_t at = 0, every = 0;
    int64_t e = a[1] & ~3ull ? -EINVAL : alarm_read(&(struct alarm){ 0 }, a[2], true, &at, &every); /* first what was passed */

    if (!e)
        e = timer_of(a[0], &t);
    if (!e)
        e = alarm_read(&t->alarm, a[2], a[1] & 1, &at, &every);
    if (!e && a[3])
        e = alarm_write(&t->alarm, a[3]);
    if (e)
        return e;
    t->times = 0;
    alarm_set(&t->alarm, at, every);
    return 0;
}

SYS(timerfd_gettime)
{
    struct timer_file *t = NULL;
    int64_t e = timer_of(a[0], &t);

    return e ? e : alarm_write(&t->alarm, a[1]);
}
