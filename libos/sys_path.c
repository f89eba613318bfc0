/* System calls that find what a path names: open it, look at it, be in it. */
#include <linux/magic.h>
#include "libos/node.h"
#include "libos/sys.h"
#include "libos/user.h"

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
    bool here = path[0] == '/' || (int32_t)fd == AT_FDCWD;
    struct file *f = here ? NULL : fd_file(fd);

    *out = here ? cwd : f ? f->node : NULL;
    return *out ? 0 : f ? -ENOTDIR : -EBADF;
}

int node_at(uint64_t fd, user_t path, uint64_t flags, struct node **out)
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

/* --- looking --------------------------------------------------------------------------------------------------------------- */
struct stat stat_nameless(const struct file *f)
{
    return (struct stat){ .st_dev = 14, .st_ino = (uint64_t)f->data >> 5 & 0xFFFFFFFF, .st_mode = f->mode ? f->mode : 0600, .st_nlink = 1,
                          .st_blksize = 4096, .st_uid = user_id.effective, .st_gid = group_id.effective };
}

static int stat_file(const struct file *f, struct stat *s)
{
    if (f->node)
        return node_stat(f->node, s);
    *s = stat_nameless(f);
    return 0;
}

static int stat_at(uint64_t fd, user_t path, uint64_t flags, struct stat *s)
{
    struct file *f = flags & AT_EMPTY_PATH && (int32_t)fd != AT_FDCWD ? fd_file(fd) : NULL;
    struct node *n = NULL;
    char first;
    int e;

    if (f && !f->node && !user_read(&first, path, 1) && !first)
        return stat_file(f, s);
    e = node_at(fd, path, flags, &n);
    return e ? e : node_stat(n, s);
}

SYS(newfstatat)
{
    struct stat s;
    int e = a[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT) ? -EINVAL : stat_at(a[0], a[1], a[3], &s);

    return e ? e : user_write(a[2], &s, sizeof s);
}

SYS(fstat)
{
    struct file *f = fd_file(a[0]);
    struct stat s;
    int e = f ? stat_file(f, &s) : -EBADF;

    return e ? e : user_write(a[1], &s, sizeof s);
}

static struct statx_timestamp xtime(uint64_t sec, uint64_t nsec) { return (struct statx_timestamp){ .tv_sec = (int64_t)sec, .tv_nsec = (uint32_t)nsec }; }

SYS(statx)
{
    struct stat s;
    struct statx x;
    int e = a[2] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE) ||
            (a[2] & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || a[3] & STATX__RESERVED ? -EINVAL : stat_at(a[0], a[1], a[2], &s);

    if (e)
        return e;
    x = (struct statx){ .stx_mask = STATX_BASIC_STATS, .stx_blksize = 4096, .stx_nlink = (uint32_t)s.st_nlink, .stx_uid = s.st_uid, .stx_gid = s.st_gid,
                        .stx_mode = (uint16_t)s.st_mode, .stx_ino = s.st_ino, .stx_size = (uint64_t)s.st_size, .stx_blocks = (uint64_t)s.st_blocks,
                        .stx_atime = xtime(s.st_atime, s.st_atime_nsec), .stx_mtime = xtime(s.st_mtime, s.st_mtime_nsec),
                        .stx_ctime = xtime(s.st_ctime, s.st_ctime_nsec), .stx_rdev_major = (uint32_t)(s.st_rdev >> 8),
                        .stx_rdev_minor = (uint32_t)(s.st_rdev & 0xFF), .stx_dev_minor = (uint32_t)s.st_dev };
    return user_write(a[4], &x, sizeof x);
}

SYS(faccessat2)
{
    struct node *n = NULL;
    uint32_t mode = (uint32_t)a[2], flags = (uint32_t)a[3], uid, gid, can;
    int e = mode & ~7u || flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH) ? -EINVAL : node_at(a[0], a[1], flags, &n);

    if (e)
        return e;
    if (mode & 2 && !node_may_write(n))
        return -EROFS;
    uid = flags & AT_EACCESS ? user_id.effective : user_id.real;
    gid = flags & AT_EACCESS ? group_id.effective : group_id.real;
    if (uid == 0)
        return mode & 1 && node_is(n, S_IFREG) && !(n->mode & 0111) ? -EACCES : 0;
    can = n->uid == uid ? n->mode >> 6 : n->gid == gid ? n->mode >> 3 : n->mode;
    return mode & ~can & 7 ? -EACCES : 0;
}

SYS(readlinkat)
{
    char *text = mem_get(PATH_MAX);
    struct node *n = NULL;
    int64_t e = !text ? -ENOMEM : (int32_t)a[3] <= 0 ? -EINVAL : node_at(a[0], a[1], AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, &n);

    if (!e && !node_is(n, S_IFLNK))
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

/* Which kind of file system programs take it for. */
static int64_t magic(const struct node *n)
{
    const struct node *top = n;

    while (top->parent && top->parent != root_node)
        top = top->parent;
    if (!n->m && top->parent)
        return str_eq(top->name, "proc") ? PROC_SUPER_MAGIC : str_eq(top->name, "sys") ? SYSFS_MAGIC : TMPFS_MAGIC;
    return n->m ? V9FS_MAGIC : node_is(n, S_IFIFO) ? PIPEFS_MAGIC : TMPFS_MAGIC;
}

static int64_t statfs_out(struct node *n, user_t to)
{
    struct statfs s = { .f_type = magic(n), .f_bsize = 4096, .f_namelen = NAME_MAX, .f_frsize = 4096,
                        .f_blocks = (int64_t)(boot->mem_limit / 4096), .f_bfree = (int64_t)(boot->mem_limit / 8192),
                        .f_bavail = (int64_t)(boot->mem_limit / 8192), .f_files = 1 << 20, .f_ffree = 1 << 20 };
    struct rpc r = { 0 };

    if (n->m && !n->memory && !node_fid(n) && !p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TSTATFS, .fid = n->fid }, &r)) {
        const struct ninep_statfs *f = &r.a.msg.statfs;
        s.f_bsize = s.f_frsize = f->bsize;
        s.f_blocks = (int64_t)f->blocks;
        s.f_bfree = (int64_t)f->bfree;
        s.f_bavail = (int64_t)f->bavail;
        s.f_files = (int64_t)f->files;
        s.f_ffree = (int64_t)f->ffree;
    }
    return user_write(to, &s, sizeof s);
}

SYS(statfs)
{
    struct node *n = NULL;
    int e = node_at(CWD, a[0], 0, &n);

    return e ? e : statfs_out(n, a[1]);
}

SYS(fstatfs)
{
    struct file *f = fd_file(a[0]);

    return !f ? -EBADF : statfs_out(f->node ? f->node : root_node, a[1]);
}

/* --- directories --------------------------------------------------------------------------------------------------------------- */
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
    if (!node_is(n, S_IFDIR))
        return -ENOTDIR;
    node_get(n);
    if (cwd)
        node_put(cwd);
    cwd = n;
    return 0;
}

void cwd_start(void)
{
    struct node *n;

    if (node_walk(root_node, boot->cwd, 0, &n, NULL, NULL) || cwd_set(n))
        (void)cwd_set(root_node);
}

SYS(chdir)
{
    struct node *n = NULL;
    int e = node_at(CWD, a[0], 0, &n);

    return e ? e : cwd_set(n);
}

SYS(fchdir)
{
    struct file *f = fd_file(a[0]);

    return !f ? -EBADF : !f->node ? -ENOTDIR : cwd_set(f->node);
}

SYS(chroot)
{
    struct node *n = NULL;
    int e = node_at(CWD, a[0], 0, &n);

    return e ? e : !node_is(n, S_IFDIR) ? -ENOTDIR : -EPERM; /* a guest has one root */
}

/* old: the type is the last byte, behind the name. */
static int64_t entries(struct file *f, user_t to, uint64_t room, bool old)
{
    uint64_t used = 0;
    int64_t e = !f->node || !node_is(f->node, S_IFDIR) ? -ENOTDIR : file_list(f);

    if (!e)
        node_tell(f->node, IN_ACCESS);
    for (; !e && f->pos < f->list->n; f->pos++) {
        const struct dirent_row *row = &f->list->row[f->pos];
        size_t n = strlen(row->name) + 1;
        struct PACKED {
            uint64_t ino, off;
            uint16_t len;
            uint8_t type;
        } d = { row->ino, f->pos + 1, (uint16_t)align_up(19 + n, 8), row->type };
        if (used + d.len > room)
            return used ? (int64_t)used : -EINVAL;
        if (user_write(to + used, &d, 19) || user_write(to + used + (old ? 18 : 19), row->name, n) ||
            (old && user_write(to + used + d.len - 1, &d.type, 1)))
            return used ? (int64_t)used : -EFAULT;
        used += d.len;
    }
    return e ? e : (int64_t)used;
}

SYS_FILE(getdents64) { return entries(f, a[1], (uint32_t)a[2], false); }
SYS_FILE(getdents) { return entries(f, a[1], (uint32_t)a[2], true); }
