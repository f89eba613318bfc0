/* System calls on names. */
#include "libos/sys.h"

int path_get(user_t from, char **out)
{
    char *p = mem_get(PATH_MAX);
    int64_t n = p ? user_text(p, from, PATH_MAX) : -ENOMEM;

    if (n < 0) {
        mem_put(p);
        return (int)n;
    }
    *out = p;
    return 0;
}

int dir_get(uint64_t fd, const char *path, struct node **out)
{
    struct file *f;

    *out = cwd;
    if (path[0] == '/' || (int32_t)fd == AT_FDCWD)
        return 0;
    f = fd_file((uint32_t)fd);
    if (!f)
        return -EBADF;
    if (!f->node)
        return -ENOTDIR;
    *out = f->node;
    return 0;
}

/* What an ...at() call names. flags: AT_*; AT_EMPTY_PATH: the descriptor itself. */
static int node_at(uint64_t fd, user_t path, uint64_t flags, struct node **out)
{
    char *p;
    struct node *dir;
    int e = path_get(path, &p);

    if (e)
        return e;
    e = dir_get(fd, p, &dir);
    if (!e && !p[0] && flags & AT_EMPTY_PATH)
        *out = dir;
    else if (!e)
        e = node_walk(dir, p, flags & AT_SYMLINK_NOFOLLOW ? WALK_NOFOLLOW : 0, out, NULL, NULL);
    mem_put(p);
    return e;
}

/* The directory and the last name of a path; *child is what is there. */
/* flags: WALK_DIR: the name may end with a slash, for a directory. */
static int parent_at(uint64_t fd, user_t path, unsigned flags, struct node **dir, struct node **child, char *last)
{
    char *p;
    int e = path_get(path, &p);

    if (e)
        return e;
    e = dir_get(fd, p, dir);
    if (!e)
        e = node_walk(*dir, p, WALK_PARENT | WALK_NOFOLLOW | flags, dir, child, last);
    if (!e && *child && p[strlen(p) - 1] == '/' && ((*child)->mode & S_IFMT) != S_IFDIR)
        e = -ENOTDIR;
    mem_put(p);
    return e;
}

SYS(openat)
{
    char *p;
    struct node *dir;
    struct file *f = NULL;
    int e = path_get(a[1], &p);

    if (e)
        return e;
    e = dir_get(a[0], p, &dir);
    if (!e)
        e = file_open(dir, p, (uint32_t)a[2], (uint32_t)a[3], &f);
    mem_put(p);
    return e ? e : fd_new(f, a[2] & O_CLOEXEC, 0);
}

SYS(open)
{
    return sys_openat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], a[2] });
}

SYS(creat)
{
    return sys_openat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1] });
}

SYS(memfd_create)
{
    enum { MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_NOEXEC_SEAL = 8, MFD_EXEC = 16 };
    char name[7 + 250] = "memfd:";
    struct node *n;
    struct file *f;
    int64_t e = user_text(name + 6, a[0], 250);

    if (a[1] & ~(uint64_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC) || e == -ENAMETOOLONG)
        return -EINVAL;
    if (e < 0)
        return e;
    e = node_nameless(name, NULL, S_IFREG | (a[1] & MFD_NOEXEC_SEAL ? 0666 : 0777), &n);
    if (e)
        return e;
    n->sealable = true;
    n->seals = a[1] & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) ? 0 : F_SEAL_SEAL;
    f = file_nameless(n, O_RDWR);
    return f ? fd_new(f, a[1] & MFD_CLOEXEC, 0) : -ENOMEM;
}

/* --- looking --------------------------------------------------------------------------------------------------------------- */
struct stat stat_nameless(const struct file *f)
{
    return (struct stat){ .dev = 14, .ino = (uint64_t)f->data >> 5 & 0xFFFFFFFF, .mode = f->mode ? f->mode : 0600, .nlink = 1, .blksize = 4096,
                          .uid = boot->uid, .gid = boot->gid };
}

static int64_t stat_out(struct node *n, user_t to)
{
    struct stat s;
    int e = node_stat(n, &s);

    return e ? e : user_write(to, &s, sizeof s);
}

SYS(newfstatat)
{
    struct node *n = NULL;
    struct file *f;
    int e;

    if (a[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
        return -EINVAL;
    if (a[3] & AT_EMPTY_PATH && (int32_t)a[0] != AT_FDCWD && (f = fd_file((uint32_t)a[0])) && !f->node) {
        uint8_t first;
        struct stat s = stat_nameless(f);
        if (!user_read(&first, a[1], 1) && !first)
            return user_write(a[2], &s, sizeof s);
    }
    e = node_at(a[0], a[1], a[3], &n);
    return e ? e : stat_out(n, a[2]);
}

SYS(stat)
{
    return sys_newfstatat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], 0 });
}

SYS(lstat)
{
    return sys_newfstatat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], AT_SYMLINK_NOFOLLOW });
}

SYS(fstat)
{
    struct file *f = fd_file(a[0]);
    struct stat s;

    if (!f)
        return -EBADF;
    if (!f->node) {
        s = stat_nameless(f);
        return user_write(a[1], &s, sizeof s);
    }
    return stat_out(f->node, a[1]);
}

static struct statx_time xtime(struct timespec t)
{
    return (struct statx_time){ .sec = t.sec, .nsec = (uint32_t)t.nsec };
}

SYS(statx)
{
    struct node *n = NULL;
    struct stat s;
    struct statx x;
    struct file *f = a[2] & AT_EMPTY_PATH && (int32_t)a[0] != AT_FDCWD ? fd_file((uint32_t)a[0]) : NULL;
    int e;

    if (a[2] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE) ||
        (a[2] & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || a[3] & 0x80000000)
        return -EINVAL;
    e = f && !f->node ? 0 : node_at(a[0], a[1], a[2], &n);
    if (e)
        return e;
    if (f && !f->node)
        s = stat_nameless(f);
    else
        node_stat(n, &s);
    x = (struct statx){ .mask = 0x7FF, .blksize = 4096, .nlink = (uint32_t)s.nlink, .uid = s.uid, .gid = s.gid, .mode = (uint16_t)s.mode, .ino = s.ino,
                        .size = (uint64_t)s.size, .blocks = (uint64_t)s.blocks, .atime = xtime(s.atime), .mtime = xtime(s.mtime),
                        .ctime = xtime(s.ctime), .rdev_major = (uint32_t)(s.rdev >> 8), .rdev_minor = (uint32_t)(s.rdev & 0xFF),
                        .dev_minor = (uint32_t)s.dev };
    return user_write(a[4], &x, sizeof x);
}

static int64_t access_check(uint64_t fd, user_t path, uint64_t mode, uint64_t flags)
{
    struct node *n = NULL;
    int e = mode & ~7ull || flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH) ? -EINVAL : node_at(fd, path, flags, &n);
    uint32_t can;

    if (e)
        return e;
    if (mode & 2 && !node_may_write(n))
        return -EROFS;
    if (boot->uid == 0)
        return mode & 1 && (n->mode & S_IFMT) == S_IFREG && !(n->mode & 0111) ? -EACCES : 0;
    can = n->uid == boot->uid ? n->mode >> 6 : n->gid == boot->gid ? n->mode >> 3 : n->mode;
    return mode & ~can & 7 ? -EACCES : 0;
}

SYS(access)
{
    return access_check((uint64_t)AT_FDCWD, a[0], (uint32_t)a[1], 0);
}

SYS(faccessat)
{
    return access_check(a[0], a[1], (uint32_t)a[2], 0);
}

SYS(faccessat2)
{
    return access_check(a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

SYS(readlinkat)
{
    char *text = mem_get(PATH_MAX);
    struct node *n = NULL;
    int64_t e = !text ? -ENOMEM : (int32_t)a[3] <= 0 ? -EINVAL : node_at(a[0], a[1], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &n);

    if (!e && (n->mode & S_IFMT) != S_IFLNK)
        e = (int32_t)a[0] != AT_FDCWD && fd_file(a[0]) && fd_file(a[0])->node == n ? -ENOENT : -EINVAL; /* an empty path */
    if (!e)
        e = node_link_text(n, text, PATH_MAX);
    if (!e) {
        e = (int64_t)min_u64(strlen(text), a[3]);
        e = user_write(a[2], text, (size_t)e) ? -EFAULT : e;
    }
    mem_put(text);
    return e;
}

SYS(readlink)
{
    return sys_readlinkat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], a[2] });
}

SYS(getcwd)
{
    char *p = mem_get(PATH_MAX);
    int64_t n = p ? node_path(cwd, p, PATH_MAX) : -ENOMEM;

    if (n >= 0 && cwd->gone)
        n = -ENOENT;
    if (n >= 0)
        n = (uint64_t)n + 1 > a[1] ? -ERANGE : user_write(a[0], p, (size_t)n + 1) ? -EFAULT : n + 1;
    mem_put(p);
    return n;
}

static int cwd_set(struct node *n)
{
    if ((n->mode & S_IFMT) != S_IFDIR)
        return -ENOTDIR;
    node_get(n);
    node_put(cwd);
    cwd = n;
    return 0;
}

SYS(chroot)
{
    struct node *n = NULL;
    int e = node_at((uint64_t)AT_FDCWD, a[0], 0, &n);

    return e ? e : (n->mode & S_IFMT) != S_IFDIR ? -ENOTDIR : -EPERM; /* a guest has one root */
}

SYS(chdir)
{
    struct node *n = NULL;
    int e = node_at((uint64_t)AT_FDCWD, a[0], 0, &n);

    return e ? e : cwd_set(n);
}

SYS(fchdir)
{
    struct file *f = fd_file(a[0]);

    return !f ? -EBADF : !f->node ? -ENOTDIR : cwd_set(f->node);
}

static int64_t statfs_out(const struct node *n, user_t to)
{
    struct statfs s = { .type = n->m ? 0x01021997 : 0x01021994, .bsize = 4096, .namelen = NAME_MAX, .frsize = 4096,
                        .blocks = (int64_t)(boot->mem_limit / 4096), .bfree = (int64_t)(boot->mem_limit / 8192), .bavail = (int64_t)(boot->mem_limit / 8192),
                        .files = 1 << 20, .ffree = 1 << 20 };
    struct rpc r = { 0 };

    if (n->m && !n->memory && !p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TSTATFS, .fid = n->fid }, &r)) {
        const struct ninep_statfs *f = &r.a.msg.statfs;
        s.bsize = s.frsize = f->bsize;
        s.blocks = (int64_t)f->blocks;
        s.bfree = (int64_t)f->bfree;
        s.bavail = (int64_t)f->bavail;
        s.files = (int64_t)f->files;
        s.ffree = (int64_t)f->ffree;
    }
    return user_write(to, &s, sizeof s);
}

SYS(statfs)
{
    struct node *n = NULL;
    int e = node_at((uint64_t)AT_FDCWD, a[0], 0, &n);

    return e ? e : statfs_out(n, a[1]);
}

SYS(fstatfs)
{
    struct file *f = fd_file(a[0]);

    return !f ? -EBADF : statfs_out(f->node ? f->node : root_node, a[1]);
}

/* --- changing ---------------------------------------------------------------------------------------------------------------- */
SYS(mkdirat)
{
    struct node *dir = NULL, *child = NULL;
    char last[NAME_MAX + 1];
    int e = parent_at(a[0], a[1], WALK_DIR, &dir, &child, last);

    if (!e)
        e = child ? -EEXIST : node_make(dir, last, S_IFDIR | ((uint32_t)a[2] & 01777 & ~umask_bits), &child);
    return e;
}

SYS(mkdir)
{
    return sys_mkdirat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1] });
}

SYS(mknodat)
{
    struct node *dir = NULL, *child = NULL;
    char last[NAME_MAX + 1];
    uint32_t kind = (uint32_t)a[2] & S_IFMT;
    int e = parent_at(a[0], a[1], 0, &dir, &child, last);

    if (!e && child)
        e = -EEXIST;
    if (!e && kind && kind != S_IFREG && kind != S_IFIFO && kind != S_IFSOCK)
        e = kind == S_IFCHR || kind == S_IFBLK || kind == S_IFDIR ? -EPERM : -EINVAL;
    return e ? e : node_make(dir, last, (kind ? kind : S_IFREG) | ((uint32_t)a[2] & 07777 & ~umask_bits), &child);
}

SYS(mknod)
{
    return sys_mknodat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], a[2] });
}

SYS(linkat)
{
    struct node *n = NULL, *dir = NULL, *child = NULL;
    char last[NAME_MAX + 1];
    int e = a[4] & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) ? -EINVAL :
            node_at(a[0], a[1], (a[4] & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) | (a[4] & AT_EMPTY_PATH), &n);

    if (!e)
        e = parent_at(a[2], a[3], 0, &dir, &child, last);
    return e ? e : child ? -EEXIST : node_link(n, dir, last);
}

SYS(link)
{
    return sys_linkat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], (uint64_t)AT_FDCWD, a[1] });
}

SYS(unlinkat)
{
    struct node *dir = NULL, *child = NULL;
    char last[NAME_MAX + 1];
    int e = parent_at(a[0], a[1], WALK_DIR, &dir, &child, last);

    if (a[2] & ~(uint64_t)AT_REMOVEDIR || e)
        return e ? e : -EINVAL;
    if (!child)
        return -ENOENT;
    if (!last[0] || str_eq(last, ".") || str_eq(last, ".."))
        return !(a[2] & AT_REMOVEDIR) ? -EISDIR : str_eq(last, ".") ? -EINVAL : last[0] ? -ENOTEMPTY : -EBUSY;
    return node_unlink(dir, child, a[2] & AT_REMOVEDIR);
}

SYS(unlink)
{
    return sys_unlinkat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], 0 });
}

SYS(rmdir)
{
    return sys_unlinkat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], AT_REMOVEDIR });
}

SYS(renameat2)
{
    enum { NOREPLACE = 1, EXCHANGE = 2 };
    struct node *from, *to, *n = NULL, *over = NULL;
    char last[NAME_MAX + 1], name[NAME_MAX + 1];
    int e = parent_at(a[0], a[1], WALK_DIR, &from, &n, last);

    if (e || a[4] & ~(uint64_t)(NOREPLACE | EXCHANGE) || a[4] == (NOREPLACE | EXCHANGE))
        return e ? e : -EINVAL;
    e = parent_at(a[2], a[3], WALK_DIR, &to, &over, name);
    if (e)
        return e;
    if (!name[0] || !last[0] || str_eq(name, ".") || str_eq(name, "..") || str_eq(last, ".") || str_eq(last, ".."))
        return -EBUSY;
    if (!n || (a[4] & EXCHANGE && !over))
        return -ENOENT;
    if (over && a[4] & NOREPLACE)
        return -EEXIST;
    return a[4] & EXCHANGE ? node_exchange(n, over) : node_rename(from, n, to, name, over);
}

SYS(renameat)
{
    return sys_renameat2((const uint64_t[6]){ a[0], a[1], a[2], a[3], 0 });
}

SYS(rename)
{
    return sys_renameat2((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], (uint64_t)AT_FDCWD, a[1], 0 });
}

SYS(symlinkat)
{
    struct node *dir = NULL, *child = NULL;
    char last[NAME_MAX + 1], *target;
    struct rpc r = { 0 };
    int e = path_get(a[0], &target);

    if (e)
        return e;
    e = target[0] ? parent_at(a[1], a[2], 0, &dir, &child, last) : -ENOENT;
    if (!e && child)
        e = -EEXIST;
    if (!e && dir->m && !dir->memory && !(dir->m->flags & (APP_MOUNT_READONLY | APP_MOUNT_LAYER))) {
        e = p9_call(dir->m, &(struct ninep_msg){ .type = NINEP_TSYMLINK, .fid = dir->fid, .name = last, .text = target, .gid = boot->gid }, &r);
    } else if (!e) {
        e = node_make(dir, last, S_IFLNK | 0777, &child);
        if (!e) {
            child->link = mem_text(target, strlen(target));
            child->size = strlen(target);
            e = child->link ? 0 : -ENOSPC;
        }
    }
    mem_put(target);
    return e;
}

SYS(symlink)
{
    return sys_symlinkat((const uint64_t[6]){ a[0], (uint64_t)AT_FDCWD, a[1] });
}

static int64_t setattr_at(uint64_t fd, user_t path, uint64_t flags, const struct ninep_attr *attr, uint32_t set)
{
    struct node *n = NULL;
    int e = node_at(fd, path, flags, &n);

    return e ? e : n->ops && set & (NINEP_SET_MODE | NINEP_SET_UID | NINEP_SET_GID) && boot->uid ? -EPERM : node_setattr(n, attr, set);
}

SYS(fchmodat)
{
    return setattr_at(a[0], a[1], 0, &(struct ninep_attr){ .mode = (uint32_t)a[2] & 07777 }, NINEP_SET_MODE);
}

SYS(fchmodat2)
{
    if (a[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return setattr_at(a[0], a[1], a[3], &(struct ninep_attr){ .mode = (uint32_t)a[2] & 07777 }, NINEP_SET_MODE);
}

SYS(chmod)
{
    return sys_fchmodat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1] });
}

SYS(fchmod)
{
    struct file *f = fd_held(a[0]);

    return !f ? -EBADF : !f->node ? 0 : node_setattr(f->node, &(struct ninep_attr){ .mode = (uint32_t)a[1] & 07777 }, NINEP_SET_MODE);
}

static uint32_t owners(uint64_t uid, uint64_t gid)
{
    return ((uint32_t)uid != UINT32_MAX ? NINEP_SET_UID : 0) | ((uint32_t)gid != UINT32_MAX ? NINEP_SET_GID : 0);
}

SYS(fchownat)
{
    if (a[4] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return setattr_at(a[0], a[1], a[4], &(struct ninep_attr){ .uid = (uint32_t)a[2], .gid = (uint32_t)a[3] }, owners(a[2], a[3]));
}

SYS(chown)
{
    return sys_fchownat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], a[2], 0 });
}

SYS(lchown)
{
    return sys_fchownat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW });
}

SYS(fchown)
{
    struct file *f = fd_held(a[0]);

    return !f ? -EBADF : !f->node ? 0 : node_setattr(f->node, &(struct ninep_attr){ .uid = (uint32_t)a[1], .gid = (uint32_t)a[2] }, owners(a[1], a[2]));
}

SYS(truncate)
{
    struct node *n = NULL;
    int e = (int64_t)a[1] < 0 ? -EINVAL : node_at((uint64_t)AT_FDCWD, a[0], 0, &n);

    if (e)
        return e;
    return a[1] > limits[RLIMIT_FSIZE][0] ? -EFBIG : !node_may_write(n) ? -EROFS : node_truncate(n, a[1]);
}

enum { UTIME_NOW = 0x3FFFFFFF, UTIME_OMIT = 0x3FFFFFFE };

/* path 0: the descriptor itself */
static int64_t times_set(uint64_t fd, user_t path, uint64_t flags, const struct timespec t[2])
{
    struct ninep_attr attr = { .atime = { (uint64_t)t[0].sec, (uint64_t)t[0].nsec }, .mtime = { (uint64_t)t[1].sec, (uint64_t)t[1].nsec } };
    struct file *f;
    uint32_t set = 0;

    for (unsigned i = 0; i < 2; i++)
        if (t[i].nsec != UTIME_NOW && t[i].nsec != UTIME_OMIT && (t[i].nsec < 0 || t[i].nsec > 999999999))
            return -EINVAL;
    if (flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (t[0].nsec != UTIME_OMIT)
        set |= NINEP_SET_ATIME | (t[0].nsec == UTIME_NOW ? 0 : NINEP_SET_ATIME_TO);
    if (t[1].nsec != UTIME_OMIT)
        set |= NINEP_SET_MTIME | (t[1].nsec == UTIME_NOW ? 0 : NINEP_SET_MTIME_TO);
    if (!set)
        return 0;
    if (path)
        return setattr_at(fd, path, flags, &attr, set);
    f = fd_held((uint32_t)fd);
    return (int32_t)fd == AT_FDCWD ? -EFAULT : !f ? -EBADF : flags ? -EINVAL : !f->node ? 0 : node_setattr(f->node, &attr, set);
}

SYS(utimensat)
{
    struct timespec t[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

    if (a[2] && user_read(t, a[2], sizeof t))
        return -EFAULT;
    return times_set(a[0], a[1], a[3], t);
}

SYS(futimesat)
{
    struct timespec t[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };

    if (a[2] && user_read(t, a[2], sizeof t))
        return -EFAULT;
    for (unsigned i = 0; a[2] && i < 2; i++) {
        if (t[i].nsec < 0 || t[i].nsec > 999999)
            return -EINVAL;
        t[i].nsec *= 1000;
    }
    return times_set(a[0], a[1], 0, t);
}

SYS(utimes)
{
    return sys_futimesat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1] });
}

SYS(utime)
{
    struct timespec t[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
    int64_t sec[2];

    if (a[1] && user_read(sec, a[1], sizeof sec))
        return -EFAULT;
    for (unsigned i = 0; a[1] && i < 2; i++)
        t[i] = (struct timespec){ sec[i], 0 };
    return times_set((uint64_t)AT_FDCWD, a[0], 0, t);
}

SYS(umask)
{
    uint32_t old = umask_bits;

    umask_bits = (uint32_t)a[0] & 0777;
    return old;
}

/* --- extended attributes: no file has any, and none can be given, as on a file system without them ---------------------------- */
static int64_t xattr_of(uint64_t fd, user_t path, bool follow, int64_t answer)
{
    struct node *n;
    int e = path ? node_at((uint64_t)AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, &n) : fd_held(fd) ? 0 : -EBADF;

    return e ? e : answer;
}

SYS(setxattr) { return xattr_of(0, a[0], true, -EOPNOTSUPP); }
SYS(lsetxattr) { return xattr_of(0, a[0], false, -EOPNOTSUPP); }
SYS(fsetxattr) { return xattr_of(a[0], 0, true, -EOPNOTSUPP); }
SYS(listxattr) { return xattr_of(0, a[0], true, 0); }
SYS(llistxattr) { return xattr_of(0, a[0], false, 0); }
SYS(flistxattr) { return xattr_of(a[0], 0, true, 0); }
