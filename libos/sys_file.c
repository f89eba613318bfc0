/* System calls on descriptors. */
#include "libos/sys.h"

#define IOV_MAX 1024u

struct file *fd_readable(uint64_t fd, int64_t *e)
{
    struct file *f = fd_file(fd);

    *e = !f || (f->flags & O_ACCMODE) == O_WRONLY || f->flags & O_PATH ? -EBADF : f->ops->read ? 0 : -EINVAL;
    return f;
}

struct file *fd_writable(uint64_t fd, int64_t *e)
{
    struct file *f = fd_file(fd);

    *e = !f || (f->flags & O_ACCMODE) == O_RDONLY || f->flags & O_PATH ? -EBADF : f->ops->write ? 0 : -EINVAL;
    return f;
}

static int64_t transfer(struct file *f, bool out, user_t at, uint64_t len, uint64_t *pos)
{
    int64_t n;

    if (!user_range(at, len) && len)
        return -EFAULT;
    len = min_u64(len, 0x7FFFF000);
    file_get(f); /* it may be closed while this one waits */
    n = out ? f->ops->write(f, at, len, pos) : f->ops->read(f, at, len, pos);
    file_put(f);
    return n;
}

SYS(read)
{
    int64_t e;
    struct file *f = fd_readable(a[0], &e);

    return e ? e : transfer(f, false, a[1], a[2], &f->pos);
}

SYS(write)
{
    int64_t e;
    struct file *f = fd_writable(a[0], &e);

    return e ? e : transfer(f, true, a[1], a[2], &f->pos);
}

static int64_t at_offset(struct file *f, bool out, user_t at, uint64_t len, uint64_t pos)
{
    if ((int64_t)pos < 0)
        return -EINVAL;
    if (!f->node || (f->node->mode & S_IFMT) == S_IFIFO || ((f->node->mode & S_IFMT) == S_IFCHR && f->wait))
        return -ESPIPE;
    return transfer(f, out, at, len, &pos);
}

SYS(pread64)
{
    int64_t e;
    struct file *f = fd_readable(a[0], &e);

    return e ? e : at_offset(f, false, a[1], a[2], a[3]);
}

SYS(pwrite64)
{
    int64_t e;
    struct file *f = fd_writable(a[0], &e);

    return e ? e : at_offset(f, true, a[1], a[2], a[3]);
}

/* As the kernel looks at them before it does anything. */
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
    return 0;
}

/* pos NULL: the file's own */
static int64_t vector(struct file *f, bool out, user_t iov, uint64_t n, const uint64_t *pos)
{
    struct iovec v;
    int64_t done = 0;

    int64_t e = vector_check(iov, n);

    if (e)
        return e;
    if (pos && (int64_t)*pos < 0)
        return -EINVAL;
    file_get(f);
    for (uint64_t i = 0; i < n; i++) {
        int64_t got;
        if (user_read(&v, iov + i * sizeof v, sizeof v))
            got = -EFAULT;
        else if (!v.len)
            continue;
        else
            got = pos ? at_offset(f, out, v.base, v.len, *pos + (uint64_t)done) : transfer(f, out, v.base, v.len, &f->pos);
        if (got < 0) {
            done = done ? done : got;
            break;
        }
        done += got;
        if ((uint64_t)got < v.len || (!out && f->wait))
            break;
    }
    file_put(f);
    return done;
}

/* Writes to a terminal or pipe as one: gathered first, so that lines stay whole and one call carries them. */
static int64_t gather(struct file *f, user_t iov, uint64_t n)
{
    uint8_t *all;
    uint64_t total = 0;
    struct iovec v;
    int64_t e = vector_check(iov, n);

    if (e)
        return e;
    for (uint64_t i = 0; i < n; i++) {
        user_read(&v, iov + i * sizeof v, sizeof v);
        total += v.len;
        if (v.len > 32768 || total > 32768)
            return vector(f, true, iov, n, NULL);
    }
    all = mem_get(total + 1);
    if (!all)
        return -ENOMEM;
    total = 0;
    for (uint64_t i = 0; i < n; i++) {
        user_read(&v, iov + i * sizeof v, sizeof v);
        if (total + v.len > 32768 || user_read(all + total, v.base, v.len)) {
            mem_put(all);
            return -EFAULT;
        }
        total += v.len;
    }
    e = f->ops->write(f, (user_t)all, total, &f->pos);
    mem_put(all);
    return e;
}

SYS(readv)
{
    int64_t e;
    struct file *f = fd_readable(a[0], &e);

    return e ? e : vector(f, false, a[1], a[2], NULL);
}

SYS(writev)
{
    int64_t e;
    struct file *f = fd_writable(a[0], &e);

    if (e)
        return e;
    return f->wait && a[2] <= IOV_MAX ? gather(f, a[1], a[2]) : vector(f, true, a[1], a[2], NULL);
}

SYS(preadv)
{
    int64_t e;
    struct file *f = fd_readable(a[0], &e);

    return e ? e : vector(f, false, a[1], a[2], &a[3]);
}

SYS(pwritev)
{
    int64_t e;
    struct file *f = fd_writable(a[0], &e);

    return e ? e : vector(f, true, a[1], a[2], &a[3]);
}

/* preadv2 and pwritev2: offset -1 is the file's own; of the flags only those that ask for no more than is done anyway. */
static int64_t vector2(const uint64_t a[6], bool out)
{
    enum { RWF_HIPRI = 1, RWF_DSYNC = 2, RWF_SYNC = 4 };
    int64_t e;
    struct file *f = out ? fd_writable(a[0], &e) : fd_readable(a[0], &e);

    if (e)
        return e;
    if (a[5] & ~(uint64_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC))
        return -EOPNOTSUPP;
    return vector(f, out, a[1], a[2], (int64_t)a[3] == -1 ? NULL : &a[3]);
}

SYS(preadv2) { return vector2(a, false); }
SYS(pwritev2) { return vector2(a, true); }

SYS(lseek)
{
    struct file *f = fd_held(a[0]);
    int64_t to = (int64_t)a[1];

    if (!f)
        return -EBADF;
    if (!f->node && !f->mode)
        return 0; /* anonymous files: there is nowhere to go */
    if (!f->node || f->wait)
        return -ESPIPE;
    node_refresh(f->node);
    switch (a[2]) {
    case SEEK_SET: break;
    case SEEK_CUR: to += (int64_t)f->pos; break;
    case SEEK_END: to += (int64_t)(f->text ? f->text_len : f->node->size); break;
    case 3: /* SEEK_DATA: all is data */
    case 4: /* SEEK_HOLE: the only one is the end */
        if (to < 0 || (uint64_t)to >= f->node->size)
            return -ENXIO;
        to = a[2] == 4 ? (int64_t)f->node->size : to;
        break;
    default: return -EINVAL;
    }
    if (to < 0)
        return -EINVAL;
    if ((f->node->mode & S_IFMT) == S_IFDIR && to == 0 && f->list) {
        dirlist_free(f->list);
        mem_put(f->list);
        f->list = NULL;
    }
    f->pos = (uint64_t)to;
    return to;
}

SYS(close)
{
    return fd_close(a[0]);
}

SYS(close_range)
{
    uint64_t last = min_u64((uint32_t)a[1], FILES_MAX - 1);

    if ((uint32_t)a[0] > (uint32_t)a[1] || a[2] & ~6ull)
        return -EINVAL;
    for (uint64_t fd = fd_next((uint32_t)a[0]); fd <= last; fd = fd_next(fd + 1)) {
        if (a[2] & 4) /* CLOSE_RANGE_CLOEXEC */
            fd_flag(fd, 1);
        else
            fd_close(fd);
    }
    return 0;
}

static int64_t dup_from(uint64_t fd, uint64_t from, bool cloexec)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    if ((uint32_t)from >= limits[RLIMIT_NOFILE][0])
        return -EINVAL;
    file_get(f);
    return fd_new(f, cloexec, (uint32_t)from);
}

SYS(dup)
{
    return dup_from(a[0], 0, false);
}

SYS(dup2)
{
    return fd_dup_to(a[0], a[1], false);
}

SYS(dup3)
{
    if (a[0] == a[1] || a[2] & ~(uint64_t)O_CLOEXEC)
        return -EINVAL;
    return fd_dup_to(a[0], a[1], a[2] & O_CLOEXEC);
}

static int64_t seals_add(struct file *f, uint64_t more)
{
    if ((f->flags & O_ACCMODE) == O_RDONLY)
        return -EPERM;
    if (!f->node || !f->node->sealable || more & ~31ull)
        return -EINVAL;
    if (f->node->seals & F_SEAL_SEAL)
        return -EPERM;
    f->node->seals |= (uint32_t)more;
    return 0;
}

SYS(fcntl)
{
    enum { CHANGEABLE = O_APPEND | O_NONBLOCK | 020000 | 040000 | 01000000 };
    struct file *f = fd_file(a[0]);
    uint64_t op = (uint32_t)a[1];

    if (!f)
        return -EBADF;
    if (f->flags & O_PATH && op != F_DUPFD && op != F_DUPFD_CLOEXEC && op > F_GETFL)
        return -EBADF;
    switch (op) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return dup_from(a[0], a[2], op == F_DUPFD_CLOEXEC);
    case F_GETFD: return fd_flag(a[0], -1);
    case F_SETFD: fd_flag(a[0], a[2] & 1); return 0;
    case F_GETFL: return f->flags;
    case F_SETFL: f->flags = (f->flags & ~(uint32_t)CHANGEABLE) | ((uint32_t)a[2] & CHANGEABLE); return 0;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW: return lock_fcntl(f, (enum lock_op)(op - F_GETLK), false, a[2]);
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return lock_fcntl(f, (enum lock_op)(op - F_OFD_GETLK), true, a[2]);
    case F_GETOWN: return f->owner;
    case F_SETOWN: f->owner = (int32_t)a[2]; return 0;
    case F_GETSIG: return 0;
    case F_SETPIPE_SZ: return pipe_resize(f, (uint32_t)a[2]);
    case F_GETPIPE_SZ: return pipe_size(f);
    case F_ADD_SEALS: return seals_add(f, a[2]);
    case F_GET_SEALS: return f->node && f->node->sealable ? f->node->seals : -EINVAL;
    }
    return -EINVAL;
}

SYS(ioctl)
{
    enum { FIONREAD = 0x541B, FIONBIO = 0x5421, FIOCLEX = 0x5451, FIONCLEX = 0x5450 };
    struct file *f = fd_held(a[0]);
    int32_t on;

    if (!f)
        return -EBADF;
    switch ((uint32_t)a[1]) {
    case FIOCLEX: fd_flag(a[0], 1); return 0;
    case FIONCLEX: fd_flag(a[0], 0); return 0;
    case FIONBIO:
        if (user_read(&on, a[2], sizeof on))
            return -EFAULT;
        f->flags = on ? f->flags | O_NONBLOCK : f->flags & ~(uint32_t)O_NONBLOCK;
        return 0;
    }
    if ((uint32_t)a[1] == FIONREAD && f->node && (f->node->mode & S_IFMT) == S_IFREG) {
        on = (int32_t)(f->node->size - f->pos);
        return user_write(a[2], &on, sizeof on);
    }
    return f->ops->ioctl ? f->ops->ioctl(f, (uint32_t)a[1], a[2]) : -ENOTTY;
}

SYS(fsync)
{
    struct file *f = fd_held(a[0]);
    struct rpc r = { 0 };

    if (!f)
        return -EBADF;
    if (!f->node || f->wait)
        return -EINVAL;
    if (f->node->memory || !f->node->m || f->node->open_fid == NINEP_NOFID)
        return 0;
    return p9_call(f->node->m, &(struct ninep_msg){ .type = NINEP_TFSYNC, .fid = f->node->open_fid }, &r);
}

SYS(sync) { return (void)a, 0; /* what was written is in the guest's memory, or with the host */ }
SYS(syncfs) { return fd_held(a[0]) ? 0 : -EBADF; }

SYS(sync_file_range)
{
    struct file *f = fd_held(a[0]);

    if (!f)
        return -EBADF;
    if ((int64_t)a[1] < 0 || (int64_t)a[2] < 0 || a[3] & ~7ull)
        return -EINVAL;
    return f->node && !f->wait ? 0 : -ESPIPE;
}

/* Hints about what will be read. */
SYS(fadvise64)
{
    struct file *f = fd_held(a[0]);

    return !f ? -EBADF : !f->node || f->wait ? -ESPIPE : (int64_t)a[2] < 0 || a[3] > 5 ? -EINVAL : 0;
}

SYS(readahead)
{
    int64_t e;
    struct file *f = fd_readable(a[0], &e);

    return e == -EBADF ? e : !f->node || (f->node->mode & S_IFMT) != S_IFREG ? -EINVAL : 0;
}

/* Why a file must not get that size; 0: it may. */
static int64_t size_check(const struct node *n, uint64_t size)
{
    if ((n->mode & S_IFMT) != S_IFREG)
        return -EINVAL;
    if (n->seals & (size < n->size ? F_SEAL_SHRINK : size > n->size ? F_SEAL_GROW : 0))
        return -EPERM;
    return size > limits[RLIMIT_FSIZE][0] ? -EFBIG : 0;
}

SYS(ftruncate)
{
    struct file *f = fd_held(a[0]);
    int64_t e;

    if ((int64_t)a[1] < 0)
        return -EINVAL;
    if (!f)
        return -EBADF;
    if (!f->node || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    e = size_check(f->node, a[1]);
    return e ? e : node_truncate(f->node, a[1]);
}

SYS(fallocate)
{
    enum { KEEP_SIZE = 1, PUNCH_HOLE = 2, ZERO_RANGE = 0x10 };
    static const uint8_t zeros[4096];
    int64_t e;
    struct file *f = fd_writable(a[0], &e);
    uint64_t end = a[2] + a[3], mode = (uint32_t)a[1], n;

    if (e)
        return e;
    if ((int64_t)a[2] < 0 || (int64_t)a[3] <= 0)
        return -EINVAL;
    if (!f->node || f->wait)
        return -ESPIPE;
    if ((f->node->mode & S_IFMT) != S_IFREG)
        return -ENODEV;
    if (mode != 0 && mode != KEEP_SIZE && mode != (PUNCH_HOLE | KEEP_SIZE) && mode != ZERO_RANGE && mode != (ZERO_RANGE | KEEP_SIZE))
        return -EOPNOTSUPP;
    if ((int64_t)end < 0)
        return -EFBIG;
    if (mode & PUNCH_HOLE && f->node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return -EPERM;
    for (uint64_t at = a[2]; mode & (PUNCH_HOLE | ZERO_RANGE) && !e && at < min_u64(end, f->node->size); at += n) {
        n = min_u64(min_u64(end, f->node->size) - at, sizeof zeros);
        e = min_i64(node_write(f->node, zeros, n, at), 0);
    }
    if (!e && !(mode & KEEP_SIZE) && end > f->node->size)
        e = size_check(f->node, end);
    return e || mode & KEEP_SIZE || end <= f->node->size ? e : node_truncate(f->node, end);
}

static int64_t list_of(struct file *f)
{
    int64_t e;

    if (f->list)
        return 0;
    if (f->node->gone)
        return -ENOENT;
    f->list = mem_get(sizeof *f->list);
    e = f->list ? node_list(f->node, f->list) : -ENOMEM;
    if (e && f->list) {
        dirlist_free(f->list);
        mem_put(f->list);
        f->list = NULL;
    }
    return e;
}

/* old: the type is the last byte, behind the name. */
static int64_t entries(uint64_t fd, user_t to, uint64_t room, bool old)
{
    struct file *f = fd_held(fd);
    uint64_t used = 0;
    int64_t e;

    if (!f)
        return -EBADF;
    if (!f->node || (f->node->mode & S_IFMT) != S_IFDIR)
        return -ENOTDIR;
    e = list_of(f);
    for (; !e && f->pos < f->list->n; f->pos++) {
        struct PACKED {
            uint64_t ino, off;
            uint16_t len;
            uint8_t type;
        } d;
        const struct dirent_row *row = &f->list->row[f->pos];
        size_t n = strlen(row->name) + 1;
        d.ino = row->ino;
        d.off = f->pos + 1;
        d.len = (uint16_t)align_up(19 + n, 8);
        d.type = row->type;
        if (used + d.len > room)
            return used ? (int64_t)used : -EINVAL;
        if (user_write(to + used, &d, 19) || user_write(to + used + (old ? 18 : 19), row->name, n) ||
            (old && user_write(to + used + d.len - 1, &d.type, 1)))
            return used ? (int64_t)used : -EFAULT;
        used += d.len;
    }
    return e ? e : (int64_t)used;
}

SYS(getdents64) { return entries(a[0], a[1], (uint32_t)a[2], false); }
SYS(getdents) { return entries(a[0], a[1], (uint32_t)a[2], true); }

/* --- new descriptors ------------------------------------------------------------------------------------------------------- */
SYS(pipe2)
{
    struct file *ends[2];
    int32_t fd[2];
    int e;

    if (a[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK)) /* packets (O_DIRECT): no */
        return -EINVAL;
    e = pipe_make(ends, (uint32_t)a[1] & O_NONBLOCK);
    if (e)
        return e;
    fd[0] = (int32_t)fd_new(ends[0], a[1] & O_CLOEXEC, 0);
    fd[1] = (int32_t)fd_new(ends[1], a[1] & O_CLOEXEC, 0);
    if (fd[0] >= 0 && fd[1] >= 0 && !user_write(a[0], fd, sizeof fd))
        return 0;
    e = fd[0] < 0 || fd[1] < 0 ? -EMFILE : -EFAULT;
    for (unsigned i = 0; i < 2; i++)
        if (fd[i] >= 0)
            fd_close((uint64_t)fd[i]);
    return e;
}

SYS(pipe)
{
    return sys_pipe2((const uint64_t[6]){ a[0] });
}

/* --- waiting ---------------------------------------------------------------------------------------------------------------- */
static int64_t poll_user(user_t at, uint32_t n, uint64_t deadline, bool forever)
{
    struct pollfd *p;
    int64_t ready;

    if (n > FILES_MAX)
        return -EINVAL;
    p = mem_get(n * sizeof *p + 1);
    if (!p)
        return -ENOMEM;
    ready = user_read(p, at, n * sizeof *p) ? -EFAULT : poll_wait(p, n, deadline, forever);
    if (ready >= 0 && user_write(at, p, n * sizeof *p))
        ready = -EFAULT;
    mem_put(p);
    return ready;
}

SYS(poll)
{
    int32_t ms = (int32_t)a[2];

    return poll_user(a[0], (uint32_t)a[1], ms > 0 ? time_mono() + (uint64_t)ms * 1000000 : 0, ms < 0);
}

static void mask_swap(uint64_t mask)
{
    current->saved_mask = current->mask;
    current->restore_mask = true;
    current->mask = mask & ~(1ull << 8 | 1ull << 18); /* not KILL, STOP */
}

static int timeout_of(user_t at, uint64_t *deadline, bool *forever)
{
    uint64_t ns;
    int e;

    *forever = !at;
    if (!at)
        return 0;
    e = timespec_read(at, &ns);
    *deadline = ns > UINT64_MAX / 2 ? UINT64_MAX : ns ? time_mono() + ns : 0;
    return e;
}

SYS(ppoll)
{
    uint64_t deadline = 0, mask = 0;
    bool forever;
    int e = timeout_of(a[2], &deadline, &forever);

    if (e)
        return e;
    if (a[3] && user_read(&mask, a[3], sizeof mask))
        return -EFAULT;
    if (a[3])
        mask_swap(mask);
    return poll_user(a[0], (uint32_t)a[1], deadline, forever);
}

#define SET_WORDS (FILES_MAX / 64)
enum { IN_EVENTS = POLLIN | POLLHUP | POLLERR, OUT_EVENTS = POLLOUT | POLLERR };

static int64_t select_sets(uint32_t n, const user_t set[3], uint64_t deadline, bool forever)
{
    uint64_t *bits = mem_get(3 * SET_WORDS * 8);
    struct pollfd *p = mem_get((n + 1) * sizeof *p);
    size_t bytes = (n + 63) / 64 * 8;
    int64_t ready = bits && p ? 0 : -ENOMEM, total = 0;
    uint32_t count = 0;

    for (unsigned s = 0; !ready && s < 3; s++)
        if (set[s] && user_read(bits + s * SET_WORDS, set[s], bytes))
            ready = -EFAULT;
    for (uint32_t fd = 0; !ready && fd < n; fd++) {
        uint64_t w = fd / 64, b = BIT64(fd % 64);
        bool in = bits[w] & b, out = bits[SET_WORDS + w] & b, ex = bits[2 * SET_WORDS + w] & b;
        if (!in && !out && !ex)
            continue;
        if (!fd_file(fd))
            ready = -EBADF;
        p[count++] = (struct pollfd){ .fd = (int32_t)fd, .events = (int16_t)((in ? POLLIN : 0) | (out ? POLLOUT : 0) | (ex ? POLLPRI : 0)) };
    }
    if (!ready)
        ready = poll_wait(p, count, deadline, forever);
    if (ready >= 0) {
        memset(bits, 0, 3 * SET_WORDS * 8);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t fd = (uint32_t)p[i].fd, got = (uint16_t)p[i].revents, want = (uint16_t)p[i].events;
            bool hit[3] = { want & POLLIN && got & IN_EVENTS, want & POLLOUT && got & OUT_EVENTS, want & POLLPRI && got & POLLPRI };
            for (unsigned s = 0; s < 3; s++)
                if (hit[s])
                    bits[s * SET_WORDS + fd / 64] |= BIT64(fd % 64), total++;
        }
        ready = total;
        for (unsigned s = 0; s < 3; s++)
            if (set[s] && user_write(set[s], bits + s * SET_WORDS, bytes))
                ready = -EFAULT;
    }
    mem_put(bits);
    mem_put(p);
    return ready;
}

SYS(select)
{
    struct timeval t;
    uint64_t deadline = 0;

    if (a[0] > FILES_MAX)
        return -EINVAL;
    if (a[4] && user_read(&t, a[4], sizeof t))
        return -EFAULT;
    if (a[4] && (t.sec || t.usec))
        deadline = time_mono() + (uint64_t)t.sec * 1000000000u + (uint64_t)t.usec * 1000;
    return select_sets((uint32_t)a[0], a + 1, deadline, !a[4]);
}

SYS(pselect6)
{
    uint64_t deadline = 0, arg[2] = { 0 }, mask = 0;
    bool forever;
    int e = timeout_of(a[4], &deadline, &forever);

    if (e || a[0] > FILES_MAX)
        return e ? e : -EINVAL;
    if (a[5] && (user_read(arg, a[5], sizeof arg) || (arg[0] && user_read(&mask, arg[0], sizeof mask))))
        return -EFAULT;
    if (arg[0])
        mask_swap(mask);
    return select_sets((uint32_t)a[0], a + 1, deadline, forever);
}

SYS(epoll_create1)
{
    struct file *f = epoll_make();

    return f ? fd_new(f, a[0] & O_CLOEXEC, 0) : -ENOMEM;
}

SYS(epoll_create)
{
    return (int32_t)a[0] > 0 ? sys_epoll_create1((const uint64_t[6]){ 0 }) : -EINVAL;
}

SYS(epoll_ctl)
{
    struct file *f = fd_file(a[0]);

    return f ? epoll_ctl(f, a[1], a[2], a[3]) : -EBADF;
}

SYS(epoll_pwait)
{
    struct file *f = fd_file(a[0]);
    int32_t ms = (int32_t)a[3];
    uint64_t mask = 0;
    int64_t n;

    if (!f)
        return -EBADF;
    if (a[4] && user_read(&mask, a[4], sizeof mask))
        return -EFAULT;
    if (a[4])
        mask_swap(mask);
    file_get(f);
    n = epoll_wait(f, a[1], (int32_t)a[2], ms < 0 ? 0 : time_mono() + (uint64_t)ms * 1000000);
    file_put(f);
    return n;
}

SYS(epoll_wait)
{
    return sys_epoll_pwait((const uint64_t[6]){ a[0], a[1], a[2], a[3] });
}
