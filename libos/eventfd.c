/* eventfd: a counter that can be waited for. */
#include "libos/sys.h"

struct event {
    struct waitq wait;
    uint64_t count;
    bool semaphore;
};

static int64_t event_read(struct file *f, user_t to, uint64_t len, uint64_t *pos)
{
    struct event *v = f->data;
    uint64_t n;

    (void)pos;
    if (len < sizeof n)
        return -EINVAL;
    while (!v->count) {
        int64_t e = file_wait(f);
        if (e)
            return e;
    }
    n = v->semaphore ? 1 : v->count;
    v->count -= n;
    waitq_tell(&v->wait, POLLOUT | POLLWRNORM);
    return user_write(to, &n, sizeof n) ? -EFAULT : (int64_t)sizeof n;
}

static int64_t event_write(struct file *f, user_t from, uint64_t len, uint64_t *pos)
{
    struct event *v = f->data;
    uint64_t n;

    (void)pos;
    if (len < sizeof n || user_read(&n, from, sizeof n))
        return len < sizeof n ? -EINVAL : -EFAULT;
    if (n == UINT64_MAX)
        return -EINVAL;
    while (v->count + n < n || v->count + n == UINT64_MAX) {
        int64_t e = file_wait(f);
        if (e)
            return e;
    }
    v->count += n;
    waitq_tell(&v->wait, POLLIN | POLLRDNORM);
    return sizeof n;
}

static uint32_t event_poll(struct file *f)
{
    struct event *v = f->data;

    return (v->count ? POLLIN | POLLRDNORM : 0) | (v->count < UINT64_MAX - 1 ? POLLOUT | POLLWRNORM : 0);
}

static void event_close(struct file *f)
{
    mem_put(f->data);
}

static const struct file_ops event_ops = { .read = event_read, .write = event_write, .poll = event_poll, .close = event_close };

SYS(eventfd2)
{
    enum { EFD_SEMAPHORE = 1 };
    struct event *v;
    struct file *f;

    if (a[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE))
        return -EINVAL;
    v = mem_get(sizeof *v);
    f = v ? file_new(&event_ops, O_RDWR | ((uint32_t)a[1] & O_NONBLOCK)) : NULL;
    if (!f) {
        mem_put(v);
        return -ENOMEM;
    }
    *v = (struct event){ .count = (uint32_t)a[0], .semaphore = a[1] & EFD_SEMAPHORE };
    waitq_init(&v->wait);
    f->data = v;
    f->wait = &v->wait;
    return fd_new(f, a[1] & O_CLOEXEC, 0);
}

SYS(eventfd)
{
    return sys_eventfd2((const uint64_t[6]){ a[0] });
}
