/* The table of descriptors, and the system calls on them. */
#include <linux/close_range.h>
#include "libos/sys.h"

static struct descriptor {
    struct file *file;
    bool cloexec;
} *fds;
static uint64_t fds_room, fds_low; /* the table's size: it grows; none below fds_low is free */

/* Descriptors are ints: what a register holds above 32 bits is not looked at. */
struct file *fd_file(uint64_t fd) { return (uint32_t)fd < fds_room ? fds[(uint32_t)fd].file : NULL; }

struct file *fd_held(uint64_t fd)
{
    struct file *f = fd_file(fd);

    return f && f->flags & O_PATH ? NULL : f;
}

static bool room_for(uint64_t fd)
{
    uint64_t room = max_u64(64, fds_room);
    struct descriptor *more;

    if (fd < fds_room)
        return true;
    while (room <= fd)
        room *= 2;
    more = mem_grow(fds, fds_room * sizeof *fds, room * sizeof *fds);
    if (!more)
        return false;
    fds = more;
    fds_room = room;
    return true;
}

int64_t fd_new(struct file *f, bool cloexec, uint64_t from)
{
    uint64_t fd = max_u64(from, fds_low);

    while (fd < fds_room && fds[fd].file)
        fd++;
    if (fd >= limits[RLIMIT_NOFILE][0] || !room_for(fd)) {
        file_put(f);
        return -EMFILE;
    }
    if (from <= fds_low)
        fds_low = fd + 1;
    fds[fd] = (struct descriptor){ .file = f, .cloexec = cloexec };
    return (int64_t)fd;
}

int64_t fd_special(const struct file_ops *ops, void *data, struct waitq *wait, uint32_t flags)
{
    struct file *f = data ? file_new(ops, flags & ~(uint32_t)O_CLOEXEC) : NULL;

    if (!f) {
        if (data)
            ops->close(&(struct file){ .data = data });
        return -ENOMEM;
    }
    f->data = data;
    f->wait = wait;
    return fd_new(f, flags & O_CLOEXEC, 0);
}

int64_t fd_pair(struct file *const f[2], bool cloexec, user_t to)
{
    int64_t one = fd_new(f[0], cloexec, 0), two = fd_new(f[1], cloexec, 0);
    int64_t e = one < 0 ? one : two < 0 ? two : user_write(to, (const int32_t[2]){ (int32_t)one, (int32_t)two }, 8);

    if (e && one >= 0)
        fd_close((uint64_t)one);
    if (e && two >= 0)
        fd_close((uint64_t)two);
    return e;
}

int64_t fd_close(uint64_t fd)
{
    struct file *f = fd_file(fd);

    fd = (uint32_t)fd;
    if (!f)
        return -EBADF;
    fds[fd].file = NULL;
    fds_low = min_u64(fds_low, fd);
    epoll_forget(f, fd);
    if (f->node && f->node->locks)
        locks_drop(f->node, NULL); /* so POSIX wants it, whichever descriptor they were made with */
    file_put(f);
    return 0;
}

int64_t fd_dup_to(uint64_t from, uint64_t to, bool cloexec)
{
    struct file *f = fd_file(from);

    to = (uint32_t)to;
    if (!f || to >= limits[RLIMIT_NOFILE][0])
        return -EBADF;
    if ((uint32_t)from == to)
        return (int64_t)to;
    if (!room_for(to))
        return -EMFILE;
    file_get(f);
    if (fds[to].file)
        fd_close(to);
    fds[to] = (struct descriptor){ .file = f, .cloexec = cloexec };
    return (int64_t)to;
}

bool fd_flag(uint64_t fd, int set)
{
    struct descriptor *d = &fds[(uint32_t)fd];

    if (set >= 0)
        d->cloexec = set;
    return d->cloexec;
}

uint64_t fd_next(uint64_t from)
{
    while (from < fds_room && !fds[from].file)
        from++;
    return from < fds_room ? from : FILES_MAX;
}

/* --- system calls ----------------------------------------------------------------------------------------------------------- */
SYS(close_range)
{
    uint64_t last = min_u64((uint32_t)a[1], FILES_MAX - 1);

    if ((uint32_t)a[0] > (uint32_t)a[1] || a[2] & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
        return -EINVAL;
    for (uint64_t fd = fd_next((uint32_t)a[0]); fd <= last; fd = fd_next(fd + 1)) {
        if (a[2] & CLOSE_RANGE_CLOEXEC)
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

SYS(dup) { return dup_from(a[0], 0, false); }
SYS(dup3) { return a[0] == a[1] || a[2] & ~(uint64_t)O_CLOEXEC ? -EINVAL : fd_dup_to(a[0], a[1], a[2] & O_CLOEXEC); }

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
    enum { CHANGEABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME };
    struct file *f = fd_file(a[0]);
    uint64_t op = (uint32_t)a[1];

    if (!f || (f->flags & O_PATH && op != F_DUPFD && op != F_DUPFD_CLOEXEC && op > F_GETFL))
        return -EBADF;
    switch (op) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: return dup_from(a[0], a[2], op == F_DUPFD_CLOEXEC);
    case F_GETFD: return fd_flag(a[0], -1);
    case F_SETFD: fd_flag(a[0], a[2] & 1); return 0;
    case F_GETFL: return f->flags;
    case F_SETFL: f->flags = (f->flags & ~(uint32_t)CHANGEABLE) | ((uint32_t)a[2] & CHANGEABLE); return async_set(f, a[0], a[2] & FASYNC);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW: return lock_fcntl(f, (enum lock_op)(op - F_GETLK), false, a[2]);
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return lock_fcntl(f, (enum lock_op)(op - F_OFD_GETLK), true, a[2]);
    case F_GETOWN:
    case F_SETOWN:
    case F_GETOWN_EX:
    case F_SETOWN_EX:
    case F_GETSIG:
    case F_SETSIG: return async_fcntl(f, op, a[2]);
    case F_SETPIPE_SZ: return pipe_resize(f, a[2]);
    case F_GETPIPE_SZ: return pipe_size(f);
    case F_ADD_SEALS: return seals_add(f, a[2]);
    case F_GET_SEALS: return f->node && f->node->sealable ? f->node->seals : -EINVAL;
    }
    return -EINVAL;
}

SYS_FILE(ioctl)
{
    uint32_t request = (uint32_t)a[1];
    int32_t n;

    if (request == FIOCLEX || request == FIONCLEX)
        return fd_flag(a[0], request == FIOCLEX), 0;
    if (request == FIONBIO) {
        if (user_read(&n, a[2], sizeof n))
            return -EFAULT;
        f->flags = n ? f->flags | O_NONBLOCK : f->flags & ~(uint32_t)O_NONBLOCK;
        return 0;
    }
    if (async_asks(f, request))
        return async_ioctl(f, a[0], request, a[2]);
    if (request == FIONREAD && f->node && node_is(f->node, S_IFREG)) {
        n = (int32_t)(f->node->size - f->pos);
        return user_write(a[2], &n, sizeof n);
    }
    return f->ops->ioctl ? f->ops->ioctl(f, request, a[2]) : -ENOTTY;
}

SYS(pipe2)
{
    struct file *ends[2];
    int e = a[1] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) /* packets (O_DIRECT): no */ ? -EINVAL : pipe_make(ends, (uint32_t)a[1] & O_NONBLOCK);

    return e ? e : fd_pair(ends, a[1] & O_CLOEXEC, a[0]);
}

SYS(memfd_create)
{
    enum { MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_NOEXEC_SEAL = 8, MFD_EXEC = 16 };
    char name[7 + 250] = "memfd:";
    struct node *n = NULL;
    struct file *f;
    int64_t e = user_text(name + 6, a[0], 250);

    if (a[1] & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC) || e == -ENAMETOOLONG)
        return -EINVAL;
    if (e >= 0)
        e = node_nameless(name, NULL, S_IFREG | (a[1] & MFD_NOEXEC_SEAL ? 0666 : 0777), &n);
    if (e)
        return e;
    n->sealable = true;
    n->seals = a[1] & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) ? 0 : F_SEAL_SEAL;
    f = file_nameless(n, O_RDWR);
    return f ? fd_new(f, a[1] & MFD_CLOEXEC, 0) : -ENOMEM;
}
