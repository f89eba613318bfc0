/* System calls that move bytes from one descriptor to another, through the libos' memory. */
#include "libos/sys.h"

sys_fn sys_readv, sys_writev;

#define PIECE 32768u

/* Up to len bytes, in pieces. A file's position moves by what was written; from a pipe only as much is taken as the other side has said
 * it takes. */
static int64_t copy_between(struct file *from, uint64_t *from_pos, struct file *to, uint64_t *to_pos, uint64_t len)
{
    uint8_t *buffer = mem_get(PIECE);
    int64_t done = 0, n = 0;

    if (!buffer)
        return -ENOMEM;
    file_get(from);
    file_get(to);
    while ((uint64_t)done < len) {
        uint64_t pos = *from_pos;
        int64_t want = (int64_t)min_u64(len - (uint64_t)done, PIECE);
        n = want = from->ops->read(from, (user_t)buffer, (uint64_t)want, &pos);
        if (n <= 0)
            break;
        n = to->ops->write(to, (user_t)buffer, (uint64_t)n, to_pos);
        if (n <= 0)
            break;
        *from_pos += (uint64_t)n;
        done += n;
        if (n < want)
            break;
    }
    file_put(from);
    file_put(to);
    mem_put(buffer);
    return done ? done : n;
}

static bool is_regular(const struct file *f)
{
    return f->node && (f->node->mode & S_IFMT) == S_IFREG;
}

SYS(sendfile)
{
    int64_t e, e2, n;
    struct file *to = fd_for(a[0], true, &e), *from = fd_for(a[1], false, &e2);
    uint64_t pos;

    if (e == -EBADF || e2 == -EBADF)
        return -EBADF;
    if (e || e2 || !is_regular(from) || to->flags & O_APPEND)
        return -EINVAL;
    if (!a[2])
        return copy_between(from, &from->pos, to, &to->pos, a[3]);
    if (user_read(&pos, a[2], sizeof pos))
        return -EFAULT;
    if ((int64_t)pos < 0)
        return -EINVAL;
    n = copy_between(from, &pos, to, &to->pos, a[3]);
    return user_write(a[2], &pos, sizeof pos) ? -EFAULT : n;
}

SYS(copy_file_range)
{
    int64_t e, e2, n;
    struct file *from = fd_for(a[0], false, &e), *to = fd_for(a[2], true, &e2);
    uint64_t in, out, len = a[4];

    if (e == -EBADF || e2 == -EBADF)
        return -EBADF;
    in = from->pos;
    out = to->pos;
    if ((a[1] && user_read(&in, a[1], sizeof in)) || (a[3] && user_read(&out, a[3], sizeof out)))
        return -EFAULT;
    for (unsigned i = 0; i < 2; i++)
        if ((i ? to : from)->node && ((i ? to : from)->node->mode & S_IFMT) == S_IFDIR)
            return -EISDIR;
    if (e || e2 || a[5] || !is_regular(from) || !is_regular(to) || (int64_t)in < 0 || (int64_t)out < 0)
        return -EINVAL;
    if (to->flags & O_APPEND)
        return -EBADF;
    len = in >= from->node->size ? 0 : min_u64(len, from->node->size - in);
    if (from->node == to->node && in < out + len && out < in + len)
        return -EINVAL;
    n = copy_between(from, &in, to, &out, len);
    if ((a[1] && user_write(a[1], &in, sizeof in)) || (a[3] && user_write(a[3], &out, sizeof out)))
        return -EFAULT;
    from->pos = a[1] ? from->pos : in;
    to->pos = a[3] ? to->pos : out;
    return n;
}

/* --- pipes ------------------------------------------------------------------------------------------------------------------- */
#define SPLICE_NONBLOCK 2u

/* What of len can pass without waiting: waits for some. */
static int64_t pass(struct file *f, uint64_t len, bool nonblock)
{
    int64_t n = pipe_ready(f, nonblock);

    return n < 0 ? n : (int64_t)min_u64(len, (uint64_t)n);
}

static int64_t splice(struct file *in, uint64_t *in_pos, struct file *out, uint64_t *out_pos, uint64_t len, bool nonblock)
{
    int64_t n = (int64_t)min_u64(len, PIECE);

    if (pipe_is(in))
        n = pass(in, (uint64_t)n, nonblock);
    if (n > 0 && pipe_is(out))
        n = pass(out, (uint64_t)n, nonblock);
    return n <= 0 ? n : copy_between(in, in_pos, out, out_pos, (uint64_t)n);
}

SYS(splice)
{
    int64_t e, e2, n;
    struct file *in = fd_for(a[0], false, &e), *out = fd_for(a[2], true, &e2);
    uint64_t from = 0, to = 0;

    if (a[5] & ~15ull)
        return -EINVAL;
    if (!a[4])
        return 0;
    if (e == -EBADF || e2 == -EBADF)
        return -EBADF;
    if ((pipe_is(in) && a[1]) || (pipe_is(out) && a[3]))
        return -ESPIPE;
    if (e || e2 || (!pipe_is(in) && !pipe_is(out)) || in->data == out->data || out->flags & O_APPEND || (!pipe_is(in) && in->wait && !in->node))
        return -EINVAL;
    if ((a[1] && user_read(&from, a[1], sizeof from)) || (a[3] && user_read(&to, a[3], sizeof to)))
        return -EFAULT;
    n = splice(in, a[1] ? &from : &in->pos, out, a[3] ? &to : &out->pos, a[4], a[5] & SPLICE_NONBLOCK);
    if ((a[1] && user_write(a[1], &from, sizeof from)) || (a[3] && user_write(a[3], &to, sizeof to)))
        return -EFAULT;
    return n;
}

SYS(tee)
{
    int64_t e, e2, n;
    struct file *in = fd_for(a[0], false, &e), *out = fd_for(a[1], true, &e2);
    uint8_t *buffer;

    if (a[3] & ~15ull)
        return -EINVAL;
    if (!a[2])
        return 0;
    if (e == -EBADF || e2 == -EBADF)
        return -EBADF;
    if (e || e2 || !pipe_is(in) || !pipe_is(out) || in->data == out->data)
        return -EINVAL;
    n = pass(in, min_u64(a[2], PIECE), a[3] & SPLICE_NONBLOCK);
    if (n > 0)
        n = pass(out, (uint64_t)n, a[3] & SPLICE_NONBLOCK);
    if (n <= 0)
        return n;
    buffer = mem_get((size_t)n);
    if (!buffer)
        return -ENOMEM;
    n = pipe_peek(in, buffer, (uint32_t)n);
    n = out->ops->write(out, (user_t)buffer, (uint64_t)n, &out->pos);
    mem_put(buffer);
    return n;
}

SYS(vmsplice)
{
    struct file *f = fd_file(a[0]);

    if (a[3] & ~15ull)
        return -EINVAL;
    if (!f || !pipe_is(f))
        return -EBADF;
    return (f->flags & O_ACCMODE) == O_WRONLY ? sys_writev(a) : sys_readv(a);
}
