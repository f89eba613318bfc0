/* System calls that read and write open files. */
#include <linux/falloc.h>
#include "libos/sys.h"

#define IOV_MAX 1024u
#define GATHER_MAX 32768u

struct file *fd_for(uint64_t fd, bool out, int64_t *e)
{
    struct file *f = fd_file(fd);

    *e = !f || f->flags & O_PATH || (f->flags & O_ACCMODE) == (out ? O_RDONLY : O_WRONLY) ? -EBADF : (out ? f->ops->write : f->ops->read) ? 0 : -EINVAL;
    return f;
}

static int64_t transfer(struct file *f, bool out, user_t at, uint64_t len, uint64_t *pos)
{
    int64_t n;

    if (!user_range(at, len))
        return -EFAULT;
    len = min_u64(len, 0x7FFFF000);
    file_get(f); /* it may be closed while this one waits */
    n = out ? f->ops->write(f, at, len, pos) : f->ops->read(f, at, len, pos);
    file_put(f);
    return n;
}

static inline int64_t plain(const uint64_t a[6], bool out)
{
    int64_t e;
    struct file *f = fd_for(a[0], out, &e);

    return e ? e : transfer(f, out, a[1], a[2], &f->pos);
}

SYS(read) { return plain(a, false); }
SYS(write) { return plain(a, true); }

/* fd_for(), and whether there is a position in it; NULL: none was given. */
static struct file *fd_at(uint64_t fd, bool out, const uint64_t *pos, int64_t *e)
{
    struct file *f = fd_for(fd, out, e);

    if (pos && (int64_t)*pos < 0)
        *e = -EINVAL;
    else if (pos && f && !(f->flags & O_PATH) && (!f->node || node_is(f->node, S_IFIFO) || (node_is(f->node, S_IFCHR) && f->wait)))
        *e = -ESPIPE;
    return f;
}

static inline int64_t positioned(const uint64_t a[6], bool out)
{
    int64_t e;
    uint64_t pos = a[3];
    struct file *f = fd_at(a[0], out, &pos, &e);

    return e ? e : a[2] > INT64_MAX - pos ? -EINVAL : transfer(f, out, a[1], a[2], &pos);
}

SYS(pread64) { return positioned(a, false); }
SYS(pwrite64) { return positioned(a, true); }

/* As the kernel looks at them before it does anything: their bytes, or an error. */
static int64_t vector_check(user_t iov, uint64_t n)
{
    struct iovec v;
    uint64_t total = 0;

    if (n > IOV_MAX)
        return -EINVAL;
    for (uint64_t i = 0; i < n; i++) {
        if (user_read(&v, iov + i * sizeof v, sizeof v))
            return -EFAULT;
        if (v.len > INT64_MAX || (total += v.len) > INT64_MAX)
            return -EINVAL;
    }
    return (int64_t)total;
}

/* pos NULL: the file's own */
static int64_t vector(struct file *f, bool out, user_t iov, uint64_t n, const uint64_t *pos)
{
    struct iovec v;
    int64_t done = 0, e = vector_check(iov, n);

    if (e < 0)
        return e;
    for (uint64_t i = 0, at = pos ? *pos : 0; i < n; i++) {
        int64_t got;
        if (user_read(&v, iov + i * sizeof v, sizeof v))
            got = -EFAULT;
        else if (!v.len)
            continue;
        else
            got = transfer(f, out, v.base, v.len, pos ? &at : &f->pos);
        if (got < 0) {
            done = done ? done : got;
            break;
        }
        done += got;
        if ((uint64_t)got < v.len || (!out && f->wait))
            break;
    }
    return done;
}

/* Writes to a terminal or pipe as one: gathered first, so that lines stay whole and one call carries them. */
static int64_t gather(struct file *f, user_t iov, uint64_t n)
{
    struct iovec v;
    uint64_t used = 0;
    int64_t e = vector_check(iov, n);
    uint8_t *all;

    if (e < 0 || e > GATHER_MAX)
        return e < 0 ? e : vector(f, true, iov, n, NULL);
    all = mem_get((uint64_t)e + 1);
    if (!all)
        return -ENOMEM;
    for (uint64_t i = 0, room = (uint64_t)e; i < n && e >= 0; i++) { /* the program may be changing them */
        if (user_read(&v, iov + i * sizeof v, sizeof v) || v.len > room - used || user_read(all + used, v.base, v.len))
            e = -EFAULT;
        else
            used += v.len;
    }
    if (e >= 0)
        e = f->ops->write(f, (user_t)all, used, &f->pos);
    mem_put(all);
    return e;
}

/* What comes in pieces is read as one, and handed out: a packet is not cut where a buffer ends. */
static int64_t scatter(struct file *f, user_t iov, uint64_t n)
{
    struct iovec v;
    int64_t e = vector_check(iov, n);
    uint64_t room = min_u64((uint64_t)e, 65536), at = 0;
    uint8_t *all = e < 0 ? NULL : mem_get(room + 1);

    if (!all)
        return e < 0 ? e : -ENOMEM;
    e = f->ops->read(f, (user_t)all, room, &f->pos);
    for (uint64_t i = 0, part; e > 0 && i < n && at < (uint64_t)e; i++, at += part) {
        if (user_read(&v, iov + i * sizeof v, sizeof v))
            v = (struct iovec){ 0, UINT64_MAX };
        part = min_u64(v.len, (uint64_t)e - at);
        if (user_write(v.base, all + at, part))
            e = -EFAULT;
    }
    mem_put(all);
    return e;
}

static inline int64_t vectored(const uint64_t a[6], bool out, const uint64_t *pos)
{
    int64_t e;
    struct file *f = fd_at(a[0], out, pos, &e);

    if (e)
        return e;
    file_get(f);
    e = !pos && f->wait && a[2] > 1 && a[2] <= IOV_MAX ? (out ? gather : scatter)(f, a[1], a[2]) : vector(f, out, a[1], a[2], pos);
    file_put(f);
    return e;
}

SYS(readv) { return vectored(a, false, NULL); }
SYS(writev) { return vectored(a, true, NULL); }
SYS(preadv) { return vectored(a, false, &a[3]); }
SYS(pwritev) { return vectored(a, true, &a[3]); }

/* Offset -1 is the file's own; of the flags only those that ask for no more than is done anyway. */
static int64_t vectored2(const uint64_t a[6], bool out)
{
    int64_t e;

    fd_for(a[0], out, &e);
    if (e || a[5] & ~(uint64_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
        return e ? e : -EOPNOTSUPP;
    return vectored(a, out, (int64_t)a[3] == -1 ? NULL : &a[3]);
}

SYS(preadv2) { return vectored2(a, false); }
SYS(pwritev2) { return vectored2(a, true); }

SYS_FILE(lseek)
{
    int64_t to = (int64_t)a[1];

    if (!f->node && !f->mode)
        return 0; /* anonymous files: there is nowhere to go */
    if (!f->node || f->wait)
        return -ESPIPE;
    if (node_is(f->node, S_IFCHR))
        return 0;
    if (f->text && a[2] == SEEK_END)
        return -EINVAL;
    node_refresh(f->node);
    switch (a[2]) {
    case SEEK_SET: break;
    case SEEK_CUR: to += (int64_t)f->pos; break;
    case SEEK_END: to += (int64_t)f->node->size; break;
    case SEEK_DATA: /* all is data */
    case SEEK_HOLE: /* the only one is the end */
        if (to < 0 || (uint64_t)to >= f->node->size)
            return -ENXIO;
        to = a[2] == SEEK_HOLE ? (int64_t)f->node->size : to;
        break;
    default: return -EINVAL;
    }
    if (to < 0)
        return -EINVAL;
    if (node_is(f->node, S_IFDIR) && to == 0)
        file_list_drop(f);
    f->pos = (uint64_t)to;
    return to;
}

/* --- what is to be written, and hints about what will be read ------------------------------------------------------------------ */
SYS_FILE(fsync)
{
    const struct node *n = f->node;

    if (!n || f->wait)
        return -EINVAL;
    return n->memory || !n->m || n->open_fid == NINEP_NOFID ? 0 : p9_do(n->m, .type = NINEP_TFSYNC, .fid = n->open_fid);
}

SYS_FILE(sync_file_range)
{
    if ((int64_t)a[1] < 0 || (int64_t)a[2] < 0 || (int64_t)(a[1] + a[2]) < 0 || a[3] & ~7ull)
        return -EINVAL;
    return f->node && !f->wait ? 0 : -ESPIPE;
}

SYS_FILE(fadvise64) { return !f->node || f->wait ? -ESPIPE : (int64_t)a[2] < 0 || a[3] > 5 ? -EINVAL : 0; }

SYS(readahead)
{
    int64_t e;
    struct file *f = fd_for(a[0], false, &e);

    return e == -EBADF ? e : !f->node || !node_is(f->node, S_IFREG) ? -EINVAL : 0;
}

SYS(getrandom)
{
    uint8_t part[256];

    if (a[2] & ~7ull)
        return -EINVAL;
    for (uint64_t done = 0, n; done < a[1]; done += n) {
        n = min_u64(a[1] - done, sizeof part);
        random_bytes(part, n);
        if (user_write(a[0] + done, part, n))
            return done ? (int64_t)done : -EFAULT;
    }
    return (int64_t)a[1];
}

/* --- size ---------------------------------------------------------------------------------------------------------------------- */
/* Why a file must not get that size; 0: it may. */
static int64_t size_check(const struct node *n, uint64_t size)
{
    if (!node_is(n, S_IFREG))
        return -EINVAL;
    if (n->seals & (size < n->size ? F_SEAL_SHRINK : size > n->size ? F_SEAL_GROW : 0))
        return -EPERM;
    if (size <= limits[RLIMIT_FSIZE][0])
        return 0;
    signal_post(current, SIGXFSZ, NULL);
    return -EFBIG;
}

SYS(truncate)
{
    struct node *n = NULL;
    int e = (int64_t)a[1] < 0 ? -EINVAL : node_at(CWD, a[0], 0, &n);

    if (e)
        return e;
    return a[1] > limits[RLIMIT_FSIZE][0] ? -EFBIG : !node_may_write(n) ? -EROFS : node_truncate(n, a[1]);
}

SYS(ftruncate)
{
    struct file *f = fd_held(a[0]);
    int64_t e = (int64_t)a[1] < 0 ? -EINVAL : !f ? -EBADF : !f->node || (f->flags & O_ACCMODE) == O_RDONLY ? -EINVAL : size_check(f->node, a[1]);

    return e ? e : node_truncate(f->node, a[1]);
}

SYS(fallocate)
{
    static const uint8_t zeros[4096];
    int64_t e;
    struct file *f = fd_for(a[0], true, &e);
    uint64_t end = a[2] + a[3], mode = (uint32_t)a[1], n;

    if (e)
        return e;
    if ((int64_t)a[2] < 0 || (int64_t)a[3] <= 0)
        return -EINVAL;
    if (!f->node || f->wait)
        return -ESPIPE;
    if (!node_is(f->node, S_IFREG))
        return -ENODEV;
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) && mode != FALLOC_FL_ZERO_RANGE && mode != (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if ((int64_t)end < 0)
        return -EFBIG;
    if (mode & FALLOC_FL_PUNCH_HOLE && f->node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return -EPERM;
    for (uint64_t at = a[2]; mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && !e && at < min_u64(end, f->node->size); at += n) {
        n = min_u64(min_u64(end, f->node->size) - at, sizeof zeros);
        e = min_i64(node_write(f->node, zeros, n, at), 0);
    }
    if (!e && !(mode & FALLOC_FL_KEEP_SIZE) && end > f->node->size)
        e = size_check(f->node, end);
    return e || mode & FALLOC_FL_KEEP_SIZE || end <= f->node->size ? e : node_truncate(f->node, end);
}
