/* System calls that change what is noted of a file: its mode, owner and times; extended attributes, which none has. */
#include "libos/sys.h"
#include "libos/user.h"

enum { UTIME_NOW = 0x3FFFFFFF, UTIME_OMIT = 0x3FFFFFFE, PATH_FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH };

static int64_t setattr_at(uint64_t fd, user_t path, uint64_t flags, const struct ninep_attr *attr, uint32_t set)
{
    struct node *n = NULL;
    int e = flags & ~(uint64_t)PATH_FLAGS ? -EINVAL : node_at(fd, path, flags, &n);

    return e ? e : n->ops && set & (NINEP_SET_MODE | NINEP_SET_UID | NINEP_SET_GID) && user_id.effective ? -EPERM : node_setattr(n, attr, set);
}

static int64_t setattr_file(struct file *f, const struct ninep_attr *attr, uint32_t set) { return f->node ? node_setattr(f->node, attr, set) : 0; }

#define MODE(v) &(struct ninep_attr){ .mode = (uint32_t)(v) & 07777 }

SYS(fchmodat2) { return setattr_at(a[0], a[1], a[3], MODE(a[2]), NINEP_SET_MODE); }
SYS_FILE(fchmod) { return setattr_file(f, MODE(a[1]), NINEP_SET_MODE); }

#define OWNER(user, group) &(struct ninep_attr){ .uid = (uint32_t)(user), .gid = (uint32_t)(group) }

/* -1: that one stays. */
static uint32_t owner_set(uint64_t uid, uint64_t gid)
{
    return ((uint32_t)uid != UINT32_MAX ? NINEP_SET_UID : 0) | ((uint32_t)gid != UINT32_MAX ? NINEP_SET_GID : 0);
}

SYS(fchownat) { return setattr_at(a[0], a[1], a[4], OWNER(a[2], a[3]), owner_set(a[2], a[3])); }
SYS_FILE(fchown) { return setattr_file(f, OWNER(a[1], a[2]), owner_set(a[1], a[2])); }

/* --- times: path 0 is the descriptor itself -------------------------------------------------------------------------------------- */
static int64_t times_set(uint64_t fd, user_t path, uint64_t flags, const struct timespec t[2])
{
    struct ninep_attr attr = { .atime = { (uint64_t)t[0].tv_sec, (uint64_t)t[0].tv_nsec }, .mtime = { (uint64_t)t[1].tv_sec, (uint64_t)t[1].tv_nsec } };
    struct file *f;
    uint32_t set = 0;

    for (unsigned i = 0; i < 2; i++)
        if (t[i].tv_nsec != UTIME_NOW && t[i].tv_nsec != UTIME_OMIT && (t[i].tv_nsec < 0 || t[i].tv_nsec > 999999999))
            return -EINVAL;
    if (flags & ~(uint64_t)PATH_FLAGS)
        return -EINVAL;
    if (t[0].tv_nsec != UTIME_OMIT)
        set |= NINEP_SET_ATIME | (t[0].tv_nsec == UTIME_NOW ? 0 : NINEP_SET_ATIME_TO);
    if (t[1].tv_nsec != UTIME_OMIT)
        set |= NINEP_SET_MTIME | (t[1].tv_nsec == UTIME_NOW ? 0 : NINEP_SET_MTIME_TO);
    if (!set || path)
        return set ? setattr_at(fd, path, flags, &attr, set) : 0;
    f = fd_held(fd);
    return (int32_t)fd == AT_FDCWD ? -EFAULT : !f ? -EBADF : flags ? -EINVAL : setattr_file(f, &attr, set);
}

/* Two times: seconds, and a part of one in units of that many ns. At 0: now. */
static int times_read(user_t at, int64_t unit, struct timespec t[2])
{
    t[0] = t[1] = (struct timespec){ 0, UTIME_NOW };
    if (!at)
        return 0;
    if (user_read(t, at, 2 * sizeof *t))
        return -EFAULT;
    for (unsigned i = 0; unit != 1 && i < 2; i++) {
        if (t[i].tv_nsec < 0 || t[i].tv_nsec >= 1000000000 / unit)
            return -EINVAL;
        t[i].tv_nsec *= unit;
    }
    return 0;
}

SYS(utimensat)
{
    struct timespec t[2];
    int e = times_read(a[2], 1, t);

    return e ? e : times_set(a[0], a[1], a[3], t);
}

SYS(futimesat)
{
    struct timespec t[2];
    int e = times_read(a[2], 1000, t);

    return e ? e : times_set(a[0], a[1], 0, t);
}

SYS(utime)
{
    int64_t sec[2] = { 0 }, nsec = a[1] ? 0 : UTIME_NOW;

    if (a[1] && user_read(sec, a[1], sizeof sec))
        return -EFAULT;
    return times_set(CWD, a[0], 0, (const struct timespec[2]){ { sec[0], nsec }, { sec[1], nsec } });
}

SYS(umask)
{
    uint32_t old = umask_bits;

    umask_bits = (uint32_t)a[0] & 0777;
    return old;
}

/* --- extended attributes: no file has any, and none can be given, as on a file system without them ---------------------------- */
static int64_t xattr_path(user_t path, uint64_t flags, int64_t answer)
{
    struct node *n;
    int e = node_at(CWD, path, flags, &n);

    return e ? e : answer;
}

SYS(setxattr) { return xattr_path(a[0], 0, -EOPNOTSUPP); }
SYS(lsetxattr) { return xattr_path(a[0], AT_SYMLINK_NOFOLLOW, -EOPNOTSUPP); }
SYS_FILE(fsetxattr) { return -EOPNOTSUPP; }
SYS(listxattr) { return xattr_path(a[0], 0, 0); }
SYS(llistxattr) { return xattr_path(a[0], AT_SYMLINK_NOFOLLOW, 0); }
SYS_FILE(flistxattr) { return 0; }
