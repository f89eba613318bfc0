/* Pipes and event counters. */
#include "base/ring.h"
#include "libos/file.h"

#define PIPE_BYTES 65536u
#define PIPE_BUF 4096u

struct pipe {
    struct ring ring;
    struct waitq wait;
    unsigned readers, writers;
    uint8_t *bytes;
};

static int64_t wait_for(struct file *f)
{
    int e;

    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    e = waitq_wait(f->wait, 0);
    return e == -EINTR ? -ERESTARTSYS : 0;
}

static int64_t pipe_read(struct file *f, user_t to, uint64_t len, uint64_t *pos)
{
    struct pipe *p = f->data;
    uint64_t n = 0;
    bool full;

    (void)pos;
    while (!ring_used(&p->ring)) {
        int64_t e;
        if (!p->writers || !len)
            return 0;
        e = wait_for(f);
        if (e)
            return e;
    }
    full = ring_room(&p->ring) < PIPE_BUF;
    while (n < len && ring_used(&p->ring)) {
        uint32_t at = p->ring.tail & p->ring.mask;
        uint64_t part = min_u64(min_u64(len - n, ring_used(&p->ring)), p->ring.mask + 1 - at);
        if (user_write(to + n, p->bytes + at, part))
            return n ? (int64_t)n : -EFAULT;
        p->ring.tail += (uint32_t)part;
        n += part;
    }
    if (full)
        waitq_tell(&p->wait, POLLOUT | POLLWRNORM);
    return (int64_t)n;
}

static int64_t pipe_write(struct file *f, user_t from, uint64_t len, uint64_t *pos)
{
    struct pipe *p = f->data;
    uint64_t n = 0;

    (void)pos;
    while (n < len) {
        uint32_t at = p->ring.head & p->ring.mask;
        uint64_t part = min_u64(min_u64(len - n, ring_room(&p->ring)), p->ring.mask + 1 - at);
        if (!p->readers) {
            signal_post(current, SIGPIPE, NULL);
            return n ? (int64_t)n : -EPIPE;
        }
        if (!part || (len <= PIPE_BUF && ring_room(&p->ring) < len - n)) { /* short writes are whole or wait */
            int64_t e = wait_for(f);
            if (e)
                return n ? (int64_t)n : e;
            continue;
        }
        if (user_read(p->bytes + at, from + n, part))
            return n ? (int64_t)n : -EFAULT;
        p->ring.head += (uint32_t)part;
        n += part;
        waitq_tell(&p->wait, POLLIN | POLLRDNORM);
    }
    return (int64_t)n;
}

static uint32_t pipe_poll_read(struct file *f)
{
    struct pipe *p = f->data;

    return (ring_used(&p->ring) ? POLLIN | POLLRDNORM : 0) | (p->writers ? 0 : POLLHUP);
}

static uint32_t pipe_poll_write(struct file *f)
{
    struct pipe *p = f->data;

    return (ring_room(&p->ring) >= PIPE_BUF ? POLLOUT | POLLWRNORM : 0) | (p->readers ? 0 : POLLERR);
}

static int64_t pipe_ioctl(struct file *f, uint64_t request, user_t arg)
{
    enum { FIONREAD = 0x541B };
    struct pipe *p = f->data;
    int32_t n = (int32_t)ring_used(&p->ring);

    return request == FIONREAD ? user_write(arg, &n, sizeof n) : -ENOTTY;
}

static void pipe_close(struct pipe *p, unsigned *end)
{
    --*end;
    waitq_wake(&p->wait);
    if (!p->readers && !p->writers) {
        mem_put(p->bytes);
        mem_put(p);
    }
}

static void pipe_close_read(struct file *f)
{
    pipe_close(f->data, &((struct pipe *)f->data)->readers);
}

static void pipe_close_write(struct file *f)
{
    pipe_close(f->data, &((struct pipe *)f->data)->writers);
}

static const struct file_ops read_end = { .read = pipe_read, .poll = pipe_poll_read, .ioctl = pipe_ioctl, .close = pipe_close_read };
static const struct file_ops write_end = { .write = pipe_write, .poll = pipe_poll_write, .ioctl = pipe_ioctl, .close = pipe_close_write };

int pipe_make(struct file *ends[2], uint32_t flags)
{
    struct pipe *p = mem_get(sizeof *p);

    ends[0] = file_new(&read_end, O_RDONLY | flags);
    ends[1] = file_new(&write_end, O_WRONLY | flags);
    if (p)
        p->bytes = mem_get(PIPE_BYTES);
    if (!p || !p->bytes || !ends[0] || !ends[1]) {
        mem_put(p ? p->bytes : NULL);
        mem_put(p);
        mem_put(ends[0]);
        mem_put(ends[1]);
        return -ENOMEM;
    }
    ring_init(&p->ring, p->bytes, PIPE_BYTES);
    waitq_init(&p->wait);
    p->readers = p->writers = 1;
    for (unsigned i = 0; i < 2; i++) {
        ends[i]->data = p;
        ends[i]->wait = &p->wait;
    }
    return 0;
}

/* --- event counters ----------------------------------------------------------------------------------------------------- */
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
        int64_t e = wait_for(f);
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
        int64_t e = wait_for(f);
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

struct file *event_make(uint32_t count, uint32_t flags)
{
    struct event *v = mem_get(sizeof *v);
    struct file *f = v ? file_new(&event_ops, O_RDWR | (flags & O_NONBLOCK)) : NULL;

    if (!f) {
        mem_put(v);
        return NULL;
    }
    *v = (struct event){ .count = count, .semaphore = flags & 1 };
    waitq_init(&v->wait);
    f->data = v;
    f->wait = &v->wait;
    return f;
}
