/* Pipes, with a name (FIFO) or without. */
#include "base/ring.h"
#include "libos/file.h"

#define PIPE_BYTES 65536u
#define PIPE_MAX 1048576u /* as /proc/sys/fs/pipe-max-size says */

struct pipe {
    struct ring ring;
    struct waitq wait;
    unsigned readers, writers, opened;
    bool written; /* there has been a writer */
    struct node *node; /* its file, which keeps the pipe in `arg` */
};
static const struct file_ops read_end, write_end, both_ends;

static bool reads(const struct file *f) { return f->ops != &write_end; }
static bool writes(const struct file *f) { return f->ops != &read_end; }

/* n bytes from place `at` on, as far as they lie in one piece. */
static uint64_t one_piece(const struct ring *r, uint32_t at, uint64_t n) { return min_u64(n, r->mask + 1 - (at & r->mask)); }

int64_t file_wait(struct file *f)
{
    int e;

    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    e = waitq_wait(f->wait, 0);
    return e == -EINTR ? -ERESTARTSYS : 0;
}

int64_t file_await(struct file *f, uint32_t events)
{
    int64_t e = 0;

    while (!e && !(f->ops->poll(f) & events))
        e = file_wait(f);
    return e;
}

static int64_t pipe_read(struct file *f, user_t to, uint64_t len, UNUSED uint64_t *pos)
{
    struct pipe *p = f->data;
    uint64_t n = 0;
    bool full;

    while (!ring_used(&p->ring)) {
        int64_t e;
        if (!p->writers || !len)
            return 0;
        e = file_wait(f);
        if (e)
            return e;
    }
    full = ring_room(&p->ring) < PIPE_BUF;
    while (n < len && ring_used(&p->ring)) {
        uint64_t part = one_piece(&p->ring, p->ring.tail, min_u64(len - n, ring_used(&p->ring)));
        if (user_write(to + n, p->ring.buf + (p->ring.tail & p->ring.mask), part))
            return n ? (int64_t)n : -EFAULT;
        p->ring.tail += (uint32_t)part;
        n += part;
    }
    if (full)
        waitq_tell(&p->wait, POLLOUT | POLLWRNORM);
    return (int64_t)n;
}

static int64_t pipe_write(struct file *f, user_t from, uint64_t len, UNUSED uint64_t *pos)
{
    struct pipe *p = f->data;
    uint64_t n = 0;

    while (n < len) {
        uint64_t part = one_piece(&p->ring, p->ring.head, min_u64(len - n, ring_room(&p->ring)));
        if (!p->readers) {
            signal_post(current, SIGPIPE, NULL);
            return n ? (int64_t)n : -EPIPE;
        }
        if (!part || (len <= PIPE_BUF && ring_room(&p->ring) < len - n)) { /* short writes are whole or wait */
            int64_t e = file_wait(f);
            if (e)
                return n ? (int64_t)n : e;
            continue;
        }
        if (user_read(p->ring.buf + (p->ring.head & p->ring.mask), from + n, part))
            return n ? (int64_t)n : -EFAULT;
        p->ring.head += (uint32_t)part;
        n += part;
        waitq_tell(&p->wait, POLLIN | POLLRDNORM);
    }
    return (int64_t)n;
}

static uint32_t pipe_poll(struct file *f)
{
    const struct pipe *p = f->data;
    bool alone = reads(f) != writes(f); /* else the other side is this file, too */

    return (reads(f) && ring_used(&p->ring) ? POLLIN | POLLRDNORM : 0) | (writes(f) && ring_room(&p->ring) >= PIPE_BUF ? POLLOUT | POLLWRNORM : 0) |
           (alone && reads(f) && !p->writers && p->written ? POLLHUP : 0) | (alone && writes(f) && !p->readers ? POLLERR : 0);
}

static int64_t pipe_ioctl(struct file *f, uint64_t request, user_t arg)
{
    struct pipe *p = f->data;
    int32_t n = (int32_t)ring_used(&p->ring);

    return request == FIONREAD ? user_write(arg, &n, sizeof n) : -ENOTTY;
}

static void pipe_close(struct file *f)
{
    struct pipe *p = f->data;

    p->readers -= reads(f);
    p->writers -= writes(f);
    waitq_wake(&p->wait);
    if (p->readers || p->writers)
        return;
    p->node->arg = 0;
    mem_put(p->ring.buf);
    mem_put(p);
}

static const struct file_ops read_end = { .read = pipe_read, .poll = pipe_poll, .ioctl = pipe_ioctl, .close = pipe_close };
static const struct file_ops write_end = { .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl, .close = pipe_close };
static const struct file_ops both_ends = { .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl, .close = pipe_close };

bool pipe_is(const struct file *f) { return f->ops == &read_end || f->ops == &write_end || f->ops == &both_ends; }

static struct pipe *pipe_new(void)
{
    struct pipe *p = mem_get(sizeof *p);
    uint8_t *bytes = mem_get(PIPE_BYTES);

    if (!p || !bytes) {
        mem_put(p);
        mem_put(bytes);
        return NULL;
    }
    ring_init(&p->ring, bytes, PIPE_BYTES);
    waitq_init(&p->wait);
    return p;
}

static void file_join(struct file *f, struct pipe *p)
{
    f->data = p;
    f->wait = &p->wait;
    p->readers += reads(f);
    p->writers += writes(f);
    p->written = p->written || p->writers;
}

int pipe_make(struct file *ends[2], uint32_t flags)
{
    struct pipe *p = pipe_new();
    struct node *n = NULL;

    ends[0] = file_new(&read_end, O_RDONLY | flags);
    ends[1] = file_new(&write_end, O_WRONLY | flags);
    if (!p || !ends[0] || !ends[1] || node_nameless("pipe:", NULL, S_IFIFO | 0600, &n)) {
        mem_put(p ? p->ring.buf : NULL);
        mem_put(p);
        mem_put(ends[0]);
        mem_put(ends[1]);
        return -ENOMEM;
    }
    p->node = n;
    n->arg = (uint64_t)p;
    n->nlink = 1;
    for (unsigned i = 0; i < 2; i++) {
        ends[i]->node = n;
        node_get(n);
        file_join(ends[i], p);
    }
    return 0;
}

/* A node keeps its pipe in `arg` while it is open anywhere. Opening one with a name waits for the other side, but for O_RDWR; one
 * without is opened again by /proc/self/fd. */
int fifo_open(struct node *n, struct file *f)
{
    struct pipe *p = (struct pipe *)n->arg;
    uint32_t access = f->flags & O_ACCMODE;
    bool named = n->parent;
    uint64_t seen;
    int e = 0;

    if (named && access == O_WRONLY && f->flags & O_NONBLOCK && !(p && p->readers))
        return -ENXIO;
    p = p ? p : pipe_new();
    if (!p)
        return -ENOMEM;
    n->arg = (uint64_t)p;
    p->node = n;
    f->ops = access == O_RDONLY ? &read_end : access == O_WRONLY ? &write_end : &both_ends;
    file_join(f, p);
    p->opened++;
    waitq_wake(&p->wait);
    seen = p->opened;
    while (!e && named && !(f->flags & O_NONBLOCK) && access != O_RDWR && !(access == O_RDONLY ? p->writers : p->readers) && p->opened == seen)
        e = waitq_wait(&p->wait, 0);
    if (!e)
        return 0;
    pipe_close(f);
    return -ERESTARTSYS;
}

int64_t pipe_size(const struct file *f)
{
    return pipe_is(f) ? ((const struct pipe *)f->data)->ring.mask + 1ll : -EBADF;
}

int64_t pipe_resize(struct file *f, uint64_t bytes)
{
    struct pipe *p = f->data;
    uint32_t size = PIPE_BUF, used;
    uint8_t *more;

    if (!pipe_is(f))
        return -EBADF;
    if (bytes > PIPE_MAX)
        return bytes > BIT64(31) ? -EINVAL : -EPERM;
    while (size < bytes)
        size *= 2;
    used = ring_used(&p->ring);
    if (used > size)
        return -EBUSY;
    more = mem_get(size);
    if (!more)
        return -ENOMEM;
    pipe_peek(f, more, used);
    mem_put(p->ring.buf);
    ring_init(&p->ring, more, size);
    p->ring.head = used;
    waitq_wake(&p->wait);
    return size;
}

uint32_t pipe_peek(const struct file *f, uint8_t *to, uint32_t len)
{
    const struct pipe *p = f->data;

    len = (uint32_t)min_u64(len, ring_used(&p->ring));
    for (uint32_t i = 0; i < len; i++)
        to[i] = p->ring.buf[(p->ring.tail + i) & p->ring.mask];
    return len;
}

int64_t pipe_ready(struct file *f, bool nonblock)
{
    struct pipe *p = f->data;
    bool out = !reads(f);
    int64_t e = 0;

    while (!e) {
        uint32_t n = out ? ring_room(&p->ring) : ring_used(&p->ring);
        if (out && !p->readers) {
            signal_post(current, SIGPIPE, NULL);
            return -EPIPE;
        }
        if (n || (!out && !p->writers))
            return n;
        e = nonblock ? -EAGAIN : file_wait(f);
    }
    return e;
}
