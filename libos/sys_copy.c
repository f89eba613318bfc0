/* System calls that move bytes from one descriptor to another, through the libos' memory. */
#include "libos/sys.h"

sys_fn sys_readv, sys_writev;

#define PIECE 32768u

/* The two ends of a call, held meanwhile. */
struct ends {
    struct file *in, *out;
    int64_t e; /* 0, or -EINVAL: one of them cannot be read or written, which is not always the first thing to be said */
};

static int64_t ends_call(uint64_t in, uint64_t out, const uint64_t a[6], int64_t (*call)(const struct ends *, const uint64_t a[6]))
{
    int64_t e, e2;
    struct ends p = { .in = fd_for(in, false, &e), .out = fd_for(out, true, &e2) };

    if (e == -EBADF || e2 == -EBADF)
        return -EBADF;
    p.e = e ? e : e2;
    file_get(p.in);
    file_get(p.out);
    e = call(&p, a);
    file_put(p.in);
    file_put(p.out);
    return e;
}

/* A position of the program's own, or at 0 the file's. */
static int pos_read(user_t at, uint64_t *pos) { return at ? user_read(pos, at, sizeof *pos) : 0; }
static int pos_write(user_t at, const uint64_t *pos) { return at ? user_write(at, pos, sizeof *pos) : 0; }

/* Up to len bytes, in pieces. A file's position moves by what was written; from a pipe only as much is taken as the other side has said
 * it takes. */
static int64_t copy(const struct ends *p, uint64_t *from_pos, uint64_t *to_pos, uint64_t len)
{
    uint8_t *buffer = mem_get(PIECE);
    bool pipe = pipe_is(p->in);
    int64_t done = 0, n = 0;

    if (!buffer)
        return -ENOMEM;
    while ((uint64_t)done < len) {
        uint64_t pos = *from_pos;
        int64_t want = (int64_t)min_u64(len - (uint64_t)done, PIECE);
        n = want = pipe ? pipe_peek(p->in, buffer, (uint32_t)want) : p->in->ops->read(p->in, (user_t)buffer, (uint64_t)want, &pos);
        if (n > 0)
            n = p->out->ops->write(p->out, (user_t)buffer, (uint64_t)n, to_pos);
        if (n <= 0)
            break;
        if (pipe && pipe_peek(p->in, buffer, 1)) /* others may have read it while this one waited to write */
            p->in->ops->read(p->in, (user_t)buffer, (uint64_t)n, &pos);
        *from_pos += (uint64_t)n;
        done += n;
        if (n < want)
            break;
    }
    mem_put(buffer);
    return done ? done : n;
}

static bool is_regular(const struct file *f) { return f->node && node_is(f->node, S_IFREG); }

static int64_t sendfile(const struct ends *p, const uint64_t a[6])
{
    uint64_t pos = p->in->pos;
    int64_t n;

    if (p->e || !is_regular(p->in) || p->out->flags & O_APPEND)
        return -EINVAL;
    if (pos_read(a[2], &pos))
        return -EFAULT;
    if ((int64_t)pos < 0 || a[3] > INT64_MAX - pos)
        return -EINVAL;
    n = copy(p, a[2] ? &pos : &p->in->pos, &p->out->pos, a[3]);
    return pos_write(a[2], &pos) ? -EFAULT : n;
}

SYS(sendfile) { return ends_call(a[1], a[0], a, sendfile); }

static int64_t copy_range(const struct ends *p, const uint64_t a[6])
{
    struct file *from = p->in, *to = p->out;
    uint64_t in = from->pos, out = to->pos, len = a[4];
    int64_t n;

    if (pos_read(a[1], &in) || pos_read(a[3], &out))
        return -EFAULT;
    if ((from->node && node_is(from->node, S_IFDIR)) || (to->node && node_is(to->node, S_IFDIR)))
        return -EISDIR;
    if (p->e || a[5] || !is_regular(from) || !is_regular(to) || (int64_t)in < 0 || (int64_t)out < 0)
        return -EINVAL;
    if (to->flags & O_APPEND)
        return -EBADF;
    len = in >= from->node->size ? 0 : min_u64(len, from->node->size - in);
    if (from->node == to->node && in < out + len && out < in + len)
        return -EINVAL;
    n = copy(p, &in, &out, len);
    if (pos_write(a[1], &in) || pos_write(a[3], &out))
        return -EFAULT;
    from->pos = a[1] ? from->pos : in;
    to->pos = a[3] ? to->pos : out;
    return n;
}

SYS(copy_file_range) { return ends_call(a[0], a[2], a, copy_range); }

/* --- pipes ------------------------------------------------------------------------------------------------------------------- */
enum { SPLICE_NONBLOCK = 2, SPLICE_FLAGS = 15 };

/* What of len can pass without waiting: waits for some. What is no pipe is always ready. */
static int64_t pass(const struct ends *p, uint64_t len, bool nonblock)
{
    int64_t n = (int64_t)min_u64(len, PIECE), can;
    struct file *const end[2] = { p->in, p->out };

    for (unsigned i = 0; i < 2 && n > 0; i++) {
        can = pipe_is(end[i]) ? pipe_ready(end[i], nonblock) : n;
        n = min_i64(n, can);
    }
    return n;
}

static int64_t splice(const struct ends *p, const uint64_t a[6])
{
    struct file *in = p->in, *out = p->out;
    uint64_t from = 0, to = 0;
    int64_t n;

    if ((pipe_is(in) && a[1]) || (pipe_is(out) && a[3]))
        return -ESPIPE;
    if (p->e || (!pipe_is(in) && !pipe_is(out)) || in->data == out->data || out->flags & O_APPEND || (!pipe_is(in) && in->wait && !in->node))
        return -EINVAL;
    if (pos_read(a[1], &from) || pos_read(a[3], &to))
        return -EFAULT;
    if ((int64_t)from < 0 || (int64_t)to < 0)
        return -EINVAL;
    n = pass(p, a[4], a[5] & SPLICE_NONBLOCK);
    if (n > 0)
        n = copy(p, a[1] ? &from : &in->pos, a[3] ? &to : &out->pos, (uint64_t)n);
    return pos_write(a[1], &from) || pos_write(a[3], &to) ? -EFAULT : n;
}

SYS(splice) { return a[5] & ~(uint64_t)SPLICE_FLAGS ? -EINVAL : !a[4] ? 0 : ends_call(a[0], a[2], a, splice); }

static int64_t tee(const struct ends *p, const uint64_t a[6])
{
    uint8_t *buffer;
    int64_t n;

    if (p->e || !pipe_is(p->in) || !pipe_is(p->out) || p->in->data == p->out->data)
        return -EINVAL;
    n = pass(p, a[2], a[3] & SPLICE_NONBLOCK);
    if (n <= 0)
        return n;
    buffer = mem_get((size_t)n);
    if (!buffer)
        return -ENOMEM;
    n = pipe_peek(p->in, buffer, (uint32_t)n);
    n = p->out->ops->write(p->out, (user_t)buffer, (uint64_t)n, &p->out->pos);
    mem_put(buffer);
    return n;
}

SYS(tee) { return a[3] & ~(uint64_t)SPLICE_FLAGS ? -EINVAL : !a[2] ? 0 : ends_call(a[0], a[1], a, tee); }

SYS_FILE(vmsplice)
{
    if (a[3] & ~(uint64_t)SPLICE_FLAGS)
        return -EINVAL;
    return !pipe_is(f) ? -EBADF : (f->flags & O_ACCMODE) == O_WRONLY ? sys_writev(a) : sys_readv(a);
}
