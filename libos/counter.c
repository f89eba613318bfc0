/* Counters that are read as files, 8 bytes at a time: eventfd's, which writing counts up, and timerfd's, which an alarm does. */
#include "libos/alarm.h"
#include "libos/sys.h"

struct counter {
    struct waitq wait;
    uint64_t count;
    bool semaphore;     /* eventfd: each read takes one */
    struct alarm alarm; /* timerfd */
};

static int64_t counter_read(struct file *f, user_t to, uint64_t len, UNUSED uint64_t *pos)
{
    struct counter *c = f->data;
    uint64_t n;
    int64_t e = len < sizeof n ? -EINVAL : c->count ? 0 : file_await(f, POLLIN);

    if (e)
        return e;
    n = c->semaphore ? 1 : c->count;
    c->count -= n;
    waitq_tell(&c->wait, POLLOUT | POLLWRNORM);
    return user_write(to, &n, sizeof n) ? -EFAULT : (int64_t)sizeof n;
}

static int64_t event_write(struct file *f, user_t from, uint64_t len, UNUSED uint64_t *pos)
{
    struct counter *c = f->data;
    uint64_t n;
    int64_t e = 0;

    if (len < sizeof n || user_read(&n, from, sizeof n))
        return len < sizeof n ? -EINVAL : -EFAULT;
    if (n == UINT64_MAX)
        return -EINVAL;
    while (!e && (c->count + n < n || c->count + n == UINT64_MAX))
        e = file_wait(f);
    if (e)
        return e;
    c->count += n;
    waitq_tell(&c->wait, POLLIN | POLLRDNORM);
    return sizeof n;
}

static uint32_t timer_poll(struct file *f) { return ((struct counter *)f->data)->count ? POLLIN | POLLRDNORM : 0; }

static uint32_t event_poll(struct file *f)
{
    return timer_poll(f) | (((struct counter *)f->data)->count < UINT64_MAX - 1 ? POLLOUT | POLLWRNORM : 0);
}

static void counter_close(struct file *f)
{
    struct counter *c = f->data;

    alarm_set(&c->alarm, 0, 0);
    mem_put(c);
}

static const struct file_ops event_ops = { .read = counter_read, .write = event_write, .poll = event_poll, .close = counter_close };
static const struct file_ops timer_ops = { .read = counter_read, .poll = timer_poll, .close = counter_close };

static int64_t counter_make(const struct file_ops *ops, struct counter first, uint64_t flags)
{
    struct counter *c = mem_get(sizeof *c);

    if (!c)
        return -ENOMEM;
    *c = first;
    waitq_init(&c->wait);
    return fd_special(ops, c, &c->wait, O_RDWR | ((uint32_t)flags & (O_CLOEXEC | O_NONBLOCK)));
}

SYS(eventfd2)
{
    enum { EFD_SEMAPHORE = 1 };

    if (a[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
        return -EINVAL;
    return counter_make(&event_ops, (struct counter){ .count = (uint32_t)a[0], .semaphore = a[1] & EFD_SEMAPHORE }, a[1]);
}

/* --- timerfd -------------------------------------------------------------------------------------------------------------------- */
static void due(struct alarm *al, uint64_t times)
{
    struct counter *c = container_of(al, struct counter, alarm);

    c->count += times;
    waitq_tell(&c->wait, POLLIN | POLLRDNORM);
}

SYS(timerfd_create)
{
    uint32_t clock = (uint32_t)a[0];

    if (a[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME))
        return -EINVAL;
    return counter_make(&timer_ops, (struct counter){ .alarm = { .clock = clock, .fire = due } }, a[1]);
}

SYS(timerfd_settime)
{
    struct file *f = fd_held(a[0]);
    struct counter *c = f && f->ops == &timer_ops ? f->data : NULL;
    uint64_t at = 0, every = 0;
    int64_t e = a[1] & ~3ull ? -EINVAL : alarm_read(&(struct alarm){ 0 }, a[2], true, &at, &every); /* first what was passed */

    if (!e && !c)
        e = f ? -EINVAL : -EBADF;
    if (!e)
        e = alarm_change(&c->alarm, a[2], a[1] & 1, a[3]);
    if (!e)
        c->count = 0;
    return e;
}

SYS_FILE(timerfd_gettime) { return f->ops == &timer_ops ? alarm_write(&((struct counter *)f->data)->alarm, a[1]) : -EINVAL; }
