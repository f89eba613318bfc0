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
static int parent_at(uint64_t fd, user_t path, struct node **dir, struct node **child, char *last)
{
    char *p;
    int e = path_get(path, &p);

    if (e)
        return e;
    e = dir_get(fd, p, dir);
    if (!e)
        e = node_walk(*dir, p, WALK_PARENT | WALK_NOFOLLOW | WALK_DIR, dir, child, last);
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

/* --- looking --------------------------------------------------------------------------------------------------------------- */
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

    if (a[3] & AT_EMPTY_PATH && (int32_t)a[0] != AT_FDCWD && (f = fd_file((uint32_t)a[0])) && !f->node) {
        uint8_t first;
        if (!user_read(&first, a[1], 1) && !first)
            return user_write(a[2], &(struct stat){ .mode = S_IFIFO | 0600, .nlink = 1, .blksize = 4096 }, sizeof(struct stat));
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

    if (!f)
        return -EBADF;
    if (!f->node)
        return user_write(a[1], &(struct stat){ .mode = S_IFIFO | 0600, .nlink = 1, .blksize = 4096 }, sizeof(struct stat));
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
    int e = f && !f->node ? 0 : node_at(a[0], a[1], a[2], &n);

    if (e)
        return e;
    if (f && !f->node)
        s = (struct stat){ .mode = S_IFIFO | 0600, .nlink = 1, .blksize = 4096 };
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
    int e = node_at(fd, path, flags, &n);
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
    return access_check((uint64_t)AT_FDCWD, a[0], a[1], 0);
}

SYS(faccessat)
{
    return access_check(a[0], a[1], a[2], 0);
}

SYS(faccessat2)
{
    return access_check(a[0], a[1], a[2], a[3]);
}

SYS(readlinkat)
{
    char *text = mem_get(PATH_MAX);
    struct node *n = NULL;
    int64_t e = text ? node_at(a[0], a[1], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &n) : -ENOMEM;

    if (!e && (n->mode & S_IFMT) != S_IFLNK)
        e = -EINVAL;
    if (!e && (int32_t)a[3] <= 0)
        e = -EINVAL;
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
    int e = parent_at(a[0], a[1], &dir, &child, last);

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
    int e = parent_at(a[0], a[1], &dir, &child, last);

    if (!e && kind && kind != S_IFREG)
        e = -EPERM;
    if (!e)
        e = child ? -EEXIST : node_make(dir, last, S_IFREG | ((uint32_t)a[2] & 07777 & ~umask_bits), &child);
    return e;
}

SYS(unlinkat)
{
    struct node *dir = NULL, *child = NULL;
    char last[NAME_MAX + 1];
    int e = parent_at(a[0], a[1], &dir, &child, last);

    if (e)
        return e;
    if (!child)
        return -ENOENT;
    if (!last[0] || str_eq(last, ".") || str_eq(last, ".."))
        return str_eq(last, ".") ? -EINVAL : a[2] & AT_REMOVEDIR ? -ENOTEMPTY : -EISDIR;
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
    struct node *from, *to, *n = NULL, *over = NULL;
    char last[NAME_MAX + 1], name[NAME_MAX + 1];
    int e = parent_at(a[0], a[1], &from, &n, last);

    if (e || a[4] & ~1ull)
        return e ? e : -EINVAL;
    if (!n)
        return -ENOENT;
    e = parent_at(a[2], a[3], &to, &over, name);
    if (e)
        return e;
    if (over && a[4] & 1)
        return -EEXIST;
    if (!name[0] || str_eq(name, ".") || str_eq(name, "..") || str_eq(last, ".") || str_eq(last, ".."))
        return -EBUSY;
    return node_rename(from, n, to, name, over);
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
    e = parent_at(a[1], a[2], &dir, &child, last);
    if (!e && (child || !target[0]))
        e = child ? -EEXIST : -ENOENT;
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

    return e ? e : node_setattr(n, attr, set);
}

SYS(fchmodat)
{
    return setattr_at(a[0], a[1], 0, &(struct ninep_attr){ .mode = (uint32_t)a[2] & 07777 }, NINEP_SET_MODE);
}

SYS(chmod)
{
    return sys_fchmodat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1] });
}

SYS(fchmod)
{
    struct file *f = fd_file(a[0]);

    return !f || !f->node ? -EBADF : node_setattr(f->node, &(struct ninep_attr){ .mode = (uint32_t)a[1] & 07777 }, NINEP_SET_MODE);
}

static uint32_t owners(uint64_t uid, uint64_t gid)
{
    return ((uint32_t)uid != UINT32_MAX ? NINEP_SET_UID : 0) | ((uint32_t)gid != UINT32_MAX ? NINEP_SET_GID : 0);
}

SYS(fchownat)
{
    return setattr_at(a[0], a[1], a[4], &(struct ninep_attr){ .uid = (uint32_t)a[2], .gid = (uint32_t)a[3] }, owners(a[2], a[3]));
}

SYS(chown)
{
    return sys_fchownat((const uint64_t[6]){ (uint64_t)AT_FDCWD, a[0], a[1], a[2], 0 });
}

SYS(fchown)
{
    struct file *f = fd_file(a[0]);

    return !f || !f->node ? -EBADF :
                            node_setattr(f->node, &(struct ninep_attr){ .uid = (uint32_t)a[1], .gid = (uint32_t)a[2] }, owners(a[1], a[2]));
}

SYS(truncate)
{
    struct node *n = NULL;
    int e = node_at((uint64_t)AT_FDCWD, a[0], 0, &n);

    return e ? e : (int64_t)a[1] < 0 ? -EINVAL : !node_may_write(n) ? -EROFS : node_truncate(n, a[1]);
}

SYS(utimensat)
{
    enum { UTIME_NOW = 0x3FFFFFFF, UTIME_OMIT = 0x3FFFFFFE };
    struct timespec t[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
    struct ninep_attr attr = { 0 };
    struct file *f;
    uint32_t set = 0;

    if (a[2] && user_read(t, a[2], sizeof t))
        return -EFAULT;
    attr.atime = (struct ninep_time){ (uint64_t)t[0].sec, (uint64_t)t[0].nsec };
    attr.mtime = (struct ninep_time){ (uint64_t)t[1].sec, (uint64_t)t[1].nsec };
    if (t[0].nsec != UTIME_OMIT)
        set |= NINEP_SET_ATIME | (t[0].nsec == UTIME_NOW ? 0 : NINEP_SET_ATIME_TO);
    if (t[1].nsec != UTIME_OMIT)
        set |= NINEP_SET_MTIME | (t[1].nsec == UTIME_NOW ? 0 : NINEP_SET_MTIME_TO);
    if (a[1])
        return setattr_at(a[0], a[1], a[3], &attr, set);
    f = fd_file((uint32_t)a[0]);
    return !f || !f->node ? -EBADF : node_setattr(f->node, &attr, set);
}

SYS(umask)
{
    uint32_t old = umask_bits;

    umask_bits = (uint32_t)a[0] & 0777;
    return old;
}
