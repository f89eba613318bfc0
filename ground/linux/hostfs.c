/* 9P operations on a host directory. A fid's node is its own struct node, never shared, so opening a file can just
 * exchange the descriptor. See hostfs.h for what keeps the client inside. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "ground/linux/hostfs.h"
#include "base/str.h"

struct node {
    int fd; /* O_PATH until the fid is opened */
    /* The way from the root by which it was reached, "" for the root itself. Only "..", rename and remove of a fid use
     * it, always from the root and under openat2: when someone has moved things meanwhile they miss, but they do not
     * get out. */
    char path[];
};

static struct hostfs *hostfs_of(struct ninep_req *r)
{
    return container_of(r->server->fs, struct hostfs, fs);
}

static struct node *node_of(const struct ninep_fid *f)
{
    return f->node;
}

/* The outcome of a system call as an operation's result. */
static err_t done(struct ninep_req *r, int64_t result)
{
    return result < 0 ? ninep_fail(r, (uint32_t)errno) : OK;
}

static int open_beneath(int dir, const char *path, uint64_t flags, uint32_t mode)
{
    const struct open_how how = {
        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* --- nodes --- */

static struct node *node_new(int fd, const char *dir, const char *name)
{
    size_t dir_len = strlen(dir), name_len = strlen(name);
    struct node *n = malloc(sizeof *n + dir_len + 1 + name_len + 1);

    if (!n)
        return NULL;
    n->fd = fd;
    snprintf(n->path, dir_len + name_len + 2, "%s%s%s", dir, dir_len && name_len ? "/" : "", name);
    return n;
}

/* No fid is deeper than a path can be long: else a client could fill our memory with paths. */
static bool too_deep(const struct node *n, const char *name)
{
    return strlen(n->path) + strlen(name) >= PATH_MAX;
}

static void node_free(struct node *n)
{
    close(n->fd);
    free(n);
}

static struct ninep_qid qid_of(const struct hostfs *h, uint64_t dev, uint64_t ino, uint32_t mode)
{
    /* file systems mounted below the root have inode numbers of their own: keep them apart from the root's */
    return (struct ninep_qid){
        .type = S_ISDIR(mode)   ? NINEP_QTDIR
                : S_ISLNK(mode) ? NINEP_QTSYMLINK
                                : NINEP_QTFILE,
        .path = ino ^ ((dev - h->root_dev) * 0x9E3779B97F4A7C15ull),
    };
}

/* /proc has this very process' memory as a file: whoever shares a directory with a /proc in it does not mean that. */
static bool is_proc(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC;
}

static err_t fd_qid(struct ninep_req *r, int fd, struct ninep_qid *qid)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return done(r, -1);
    if (st.st_dev != hostfs_of(r)->root_dev && is_proc(fd))
        return ninep_fail(r, EACCES);
    *qid = qid_of(hostfs_of(r), st.st_dev, st.st_ino, st.st_mode);
    qid->version = (uint32_t)st.st_mtim.tv_sec ^ (uint32_t)st.st_mtim.tv_nsec ^ (uint32_t)st.st_size << 8;
    return OK;
}

/* Makes f the file behind fd, which is closed if that fails. What f was before is closed if it succeeds. */
static err_t fid_become(struct ninep_req *r, struct ninep_fid *f, int fd, const char *dir, const char *name)
{
    struct ninep_qid qid;
    struct node *n;
    err_t e;

    if (fd < 0)
        return done(r, -1);
    e = fd_qid(r, fd, &qid);
    if (e)
        goto close_fd;
    n = node_new(fd, dir, name);
    if (!n) {
        e = ERR_NOMEM;
        goto close_fd;
    }
    if (f->node)
        node_free(f->node);
    f->node = n;
    f->qid = qid;
    return OK;
close_fd:
    close(fd);
    return e;
}

/* Opens what an O_PATH descriptor stands for; -1 unless it is a regular file or directory. The type cannot change: the
 * descriptor holds the inode. */
static int reopen(struct ninep_req *r, int fd, int flags)
{
    char number[16];
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        errno = S_ISLNK(st.st_mode) ? ELOOP : EACCES;
        return -1;
    }
    snprintf(number, sizeof number, "%d", fd);
    return openat(hostfs_of(r)->proc, number, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static err_t op_attach(struct ninep_req *r)
{
    if (r->in.text[0] && !str_eq(r->in.text, "/"))
        return ERR_NOTFOUND;
    return fid_become(r, r->fid, fcntl(hostfs_of(r)->root, F_DUPFD_CLOEXEC, 3), "", "");
}

static err_t op_clone(struct ninep_fs *, const struct ninep_fid *from, struct ninep_fid *to)
{
    int fd = fcntl(node_of(from)->fd, F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return ERR_FULL;
    to->node = node_new(fd, node_of(from)->path, "");
    if (!to->node)
        close(fd);
    return to->node ? OK : ERR_NOMEM;
}

static err_t op_clunk(struct ninep_fs *, struct ninep_fid *f)
{
    node_free(f->node);
    f->node = NULL;
    return OK;
}

/* Splits a node's path in the directory, opened from the root, and the last name, which points into path. */
static int parent_open(struct ninep_req *r, const struct node *n, char **dir, const char **name)
{
    char *slash;

    *dir = strdup(n->path);
    if (!*dir)
        return -1;
    slash = strrchr(*dir, '/');
    *name = slash ? n->path + (slash - *dir) + 1 : n->path;
    *(slash ? slash : *dir) = 0;
    return open_beneath(hostfs_of(r)->root, **dir ? *dir : ".", O_PATH | O_DIRECTORY, 0);
}

static err_t op_walk(struct ninep_req *r, const struct ninep_fid *from, struct ninep_fid *to, const char *name)
{
    const struct node *n = node_of(from);
    const char *last;
    char *dir;
    err_t e;

    if (too_deep(n, name))
        return ninep_fail(r, ENAMETOOLONG);
    if (!str_eq(name, ".."))
        return fid_become(r, to, open_beneath(n->fd, name, O_PATH, 0), n->path, name);
    int fd = parent_open(r, n, &dir, &last);
    e = fid_become(r, to, fd, dir ? dir : "", "");
    free(dir);
    return e;
}

/* --- files --- */

#define OPEN_FLAGS (NINEP_ACCMODE | NINEP_TRUNC | NINEP_APPEND | NINEP_DSYNC | NINEP_SYNC)
_Static_assert(O_TRUNC == NINEP_TRUNC && O_APPEND == NINEP_APPEND && O_DSYNC == NINEP_DSYNC,
               "the protocol's are x86 Linux'");
#define FILE_MODE 01777u /* no set-id bits: whoever is served must not make programs with its host's rights */
#define DIR_MODE 03777u  /* on a directory the group bit only says which group new files get */

static err_t op_open(struct ninep_req *r)
{
    struct node *n = node_of(r->fid);
    int fd = reopen(r, n->fd, (int)(r->in.flags & OPEN_FLAGS));

    if (fd < 0)
        return done(r, -1);
    close(n->fd);
    n->fd = fd;
    return OK;
}

/* An existing file is never opened with O_CREAT: it may be a FIFO or a device. */
static err_t op_create(struct ninep_req *r)
{
    struct node *n = node_of(r->fid);
    uint32_t flags = r->in.flags & OPEN_FLAGS;
    int fd = -1, path;

    if (too_deep(n, r->in.name))
        return ninep_fail(r, ENAMETOOLONG);
    for (int tries = 0; fd < 0 && tries < 10; tries++) {
        fd = open_beneath(n->fd, r->in.name, flags | O_CREAT | O_EXCL, r->in.mode & FILE_MODE);
        if (fd >= 0 || errno != EEXIST || r->in.flags & NINEP_EXCL)
            break;
        path = open_beneath(n->fd, r->in.name, O_PATH, 0);
        if (path < 0 && errno == ENOENT) /* it has just been removed */
            continue;
        fd = path < 0 ? -1 : reopen(r, path, (int)flags);
        int saved = errno;
        if (path >= 0)
            close(path);
        errno = saved;
        break;
    }
    return fid_become(r, r->fid, fd, n->path, r->in.name);
}

static err_t op_read(struct ninep_req *r)
{
    ssize_t n = pread(node_of(r->fid)->fd, r->data, r->room, (off_t)r->in.offset);

    r->out->count = n < 0 ? 0 : (uint32_t)n;
    return done(r, n);
}

static err_t op_write(struct ninep_req *r)
{
    ssize_t n = pwrite(node_of(r->fid)->fd, r->in.data, r->in.count, (off_t)r->in.offset);

    r->out->count = n < 0 ? 0 : (uint32_t)n;
    return done(r, n);
}

static err_t op_fsync(struct ninep_req *r)
{
    return done(r, fsync(node_of(r->fid)->fd));
}

static bool entry_put(struct ninep_req *r, const struct dirent64 *d)
{
    const struct node *n = node_of(r->fid);
    struct ninep_qid qid = qid_of(hostfs_of(r), hostfs_of(r)->root_dev, d->d_ino, DTTOIF(d->d_type));
    uint8_t type = d->d_type;
    struct stat st;

    if (!*n->path && str_eq(d->d_name, "..")) /* what is above the root is none of the client's business */
        qid = r->fid->qid;
    else if (type == DT_UNKNOWN && fstatat(n->fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        type = (uint8_t)IFTODT(st.st_mode);
        qid = qid_of(hostfs_of(r), st.st_dev, st.st_ino, st.st_mode);
    }
    return ninep_dirent_put(r->data, r->room, &r->out->count, &qid, (uint64_t)d->d_off, type, d->d_name);
}

static err_t op_readdir(struct ninep_req *r)
{
    struct hostfs *h = hostfs_of(r);
    size_t want = max_u64(min_u64(r->room, sizeof h->dir_buf), 1024); /* one entry has at most 280 bytes */
    int fd = node_of(r->fid)->fd;

    if (lseek(fd, (off_t)r->in.offset, SEEK_SET) < 0)
        return done(r, -1);
    for (;;) {
        ssize_t n = getdents64(fd, h->dir_buf, want);
        if (n <= 0)
            return r->out->count ? OK : done(r, n);
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *d = (const void *)((const char *)h->dir_buf + at);
            if (!entry_put(r, d))
                return r->out->count ? OK : ERR_INVAL;
            at += d->d_reclen;
        }
    }
}

/* --- attributes --- */

static struct ninep_time time_of(struct statx_timestamp t)
{
    return (struct ninep_time){ (uint64_t)t.tv_sec, t.tv_nsec };
}

static err_t op_getattr(struct ninep_req *r)
{
    struct statx s;

    if (statx(node_of(r->fid)->fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME, &s) < 0)
        return done(r, -1);
    r->out->attr = (struct ninep_attr){
        .valid = NINEP_GETATTR_BASIC | (s.stx_mask & STATX_BTIME ? NINEP_GETATTR_BTIME : 0),
        .mode = s.stx_mode,
        .uid = s.stx_uid,
        .gid = s.stx_gid,
        .nlink = s.stx_nlink,
        .rdev = makedev(s.stx_rdev_major, s.stx_rdev_minor),
        .size = s.stx_size,
        .blksize = s.stx_blksize,
        .blocks = s.stx_blocks,
        .atime = time_of(s.stx_atime),
        .mtime = time_of(s.stx_mtime),
        .ctime = time_of(s.stx_ctime),
        .btime = time_of(s.stx_btime),
    };
    return OK;
}

static struct timespec time_to(const struct ninep_msg *m, uint32_t bit, uint32_t bit_to, struct ninep_time t)
{
    struct timespec ts = { .tv_nsec = UTIME_OMIT };

    if (m->flags & bit)
        ts.tv_nsec = UTIME_NOW;
    if (m->flags & bit && m->flags & bit_to)
        ts = (struct timespec){ (time_t)t.sec, t.nsec < 1000000000 ? (long)t.nsec : -1 };
    return ts;
}

/* A descriptor with O_PATH can be cut to a size only through another one. */
static int set_size(struct ninep_req *r, int fd, off_t size)
{
    int result, wr;

    if (r->fid->open && (r->fid->flags & NINEP_ACCMODE) != NINEP_RDONLY)
        return ftruncate(fd, size);
    wr = reopen(r, fd, O_WRONLY);
    if (wr < 0)
        return -1;
    result = ftruncate(wr, size);
    int saved = errno;
    close(wr);
    errno = saved;
    return result;
}

static err_t op_setattr(struct ninep_req *r)
{
    const struct ninep_msg *m = &r->in;
    const struct timespec times[2] = { time_to(m, NINEP_SET_ATIME, NINEP_SET_ATIME_TO, m->attr.atime),
                                       time_to(m, NINEP_SET_MTIME, NINEP_SET_MTIME_TO, m->attr.mtime) };
    uint32_t mode_mask = r->fid->qid.type & NINEP_QTDIR ? DIR_MODE : FILE_MODE;
    int fd = node_of(r->fid)->fd;
    char number[16];

    snprintf(number, sizeof number, "%d", fd);
    if (m->flags & (NINEP_SET_UID | NINEP_SET_GID) &&
        fchownat(fd, "", m->flags & NINEP_SET_UID ? m->attr.uid : (uid_t)-1,
                 m->flags & NINEP_SET_GID ? m->attr.gid : (gid_t)-1, AT_EMPTY_PATH) < 0)
        return done(r, -1);
    if (m->flags & NINEP_SET_MODE && fchmodat(hostfs_of(r)->proc, number, m->attr.mode & mode_mask, 0) < 0)
        return done(r, -1);
    if (m->flags & NINEP_SET_SIZE && set_size(r, fd, (off_t)m->attr.size) < 0)
        return done(r, -1);
    if (m->flags & (NINEP_SET_ATIME | NINEP_SET_MTIME) && utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
        return done(r, -1);
    return OK;
}

static err_t op_statfs(struct ninep_req *r)
{
    struct statfs s;

    if (fstatfs(node_of(r->fid)->fd, &s) < 0)
        return done(r, -1);
    r->out->statfs = (struct ninep_statfs){
        .type = (uint32_t)s.f_type,
        .bsize = (uint32_t)s.f_bsize,
        .blocks = s.f_blocks,
        .bfree = s.f_bfree,
        .bavail = s.f_bavail,
        .files = s.f_files,
        .ffree = s.f_ffree,
        .namelen = (uint32_t)s.f_namelen,
    };
    return OK;
}

/* Locks belong to the open file, so two fids of one client stand against each other. */
static struct flock lock_of(const struct ninep_msg *m)
{
    static const short kinds[] = { F_RDLCK, F_WRLCK, F_UNLCK };

    return (struct flock){
        .l_type = kinds[m->kind], .l_whence = SEEK_SET, .l_start = (off_t)m->offset, .l_len = (off_t)m->size
    };
}

static err_t op_lock(struct ninep_req *r)
{
    struct flock l;

    if (r->in.kind > NINEP_LOCK_NONE)
        return ERR_INVAL;
    l = lock_of(&r->in);
    r->out->status = NINEP_LOCK_OK;
    if (fcntl(node_of(r->fid)->fd, F_OFD_SETLK, &l) == 0)
        return OK;
    r->out->status = NINEP_LOCK_BLOCKED; /* the client asks again */
    return errno == EAGAIN || errno == EACCES ? OK : done(r, -1);
}

static err_t op_getlock(struct ninep_req *r)
{
    struct flock l;

    if (r->in.kind > NINEP_LOCK_WRITE)
        return ERR_INVAL;
    l = lock_of(&r->in);
    if (fcntl(node_of(r->fid)->fd, F_OFD_GETLK, &l) < 0)
        return done(r, -1);
    r->out->kind = l.l_type == F_RDLCK ? NINEP_LOCK_READ : l.l_type == F_WRLCK ? NINEP_LOCK_WRITE : NINEP_LOCK_NONE;
    if (l.l_type == F_UNLCK)
        return OK;
    r->out->offset = (uint64_t)l.l_start;
    r->out->size = (uint64_t)l.l_len;
    return OK;
}

/* --- names --- */

/* What has just been made under in.name, told in the answer. */
static err_t made(struct ninep_req *r, int result)
{
    int fd;
    err_t e;

    if (result < 0)
        return done(r, -1);
    fd = open_beneath(node_of(r->fid)->fd, r->in.name, O_PATH, 0);
    if (fd < 0)
        return done(r, -1);
    e = fd_qid(r, fd, &r->out->qid);
    close(fd);
    return e;
}

static err_t op_mkdir(struct ninep_req *r)
{
    return made(r, mkdirat(node_of(r->fid)->fd, r->in.name, r->in.mode & DIR_MODE));
}

static err_t op_symlink(struct ninep_req *r)
{
    return made(r, symlinkat(r->in.text, node_of(r->fid)->fd, r->in.name));
}

/* FIFOs and sockets may stand there as names; device nodes may not. */
static err_t op_mknod(struct ninep_req *r)
{
    if (S_ISCHR(r->in.mode) || S_ISBLK(r->in.mode))
        return ninep_fail(r, EPERM);
    return made(r, mknodat(node_of(r->fid)->fd, r->in.name, r->in.mode & (S_IFMT | FILE_MODE), 0));
}

static err_t op_readlink(struct ninep_req *r)
{
    ssize_t n = readlinkat(node_of(r->fid)->fd, "", r->data, r->room);

    if (n < 0)
        return errno == ENOENT ? ERR_INVAL : done(r, -1); /* ENOENT: not a symbolic link */
    if (n >= r->room)
        return ninep_fail(r, ENAMETOOLONG);
    ((char *)r->data)[n] = 0;
    r->out->text = r->data;
    return OK;
}

static err_t op_link(struct ninep_req *r)
{
    char number[16];

    if (r->fid->qid.type & NINEP_QTDIR)
        return ninep_fail(r, EPERM);
    snprintf(number, sizeof number, "%d", node_of(r->fid)->fd);
    return done(r, linkat(hostfs_of(r)->proc, number, node_of(r->dfid)->fd, r->in.name, AT_SYMLINK_FOLLOW));
}

static err_t op_renameat(struct ninep_req *r)
{
    return done(r, renameat(node_of(r->fid)->fd, r->in.name, node_of(r->dfid)->fd, r->in.text));
}

static err_t op_unlinkat(struct ninep_req *r)
{
    return done(r, unlinkat(node_of(r->fid)->fd, r->in.name, r->in.flags & NINEP_REMOVEDIR ? AT_REMOVEDIR : 0));
}

/* The directory and name of a fid, if the file still stands there; -1 and errno. */
static int place_of(struct ninep_req *r, const char **name)
{
    const struct node *n = node_of(r->fid);
    struct stat here, there;
    char *text;
    int dir;

    if (!*n->path) {
        errno = EBUSY; /* the root */
        return -1;
    }
    dir = parent_open(r, n, &text, name);
    free(text);
    if (dir < 0)
        return -1;
    if (fstat(n->fd, &here) == 0 && fstatat(dir, *name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
        here.st_ino == there.st_ino && here.st_dev == there.st_dev)
        return dir;
    close(dir);
    errno = ENOENT;
    return -1;
}

static err_t op_rename(struct ninep_req *r)
{
    const char *name;
    int dir = place_of(r, &name), to = node_of(r->dfid)->fd;
    struct node *moved;
    err_t e;

    if (dir < 0)
        return done(r, -1);
    moved = node_new(node_of(r->fid)->fd, node_of(r->dfid)->path, r->in.name);
    e = moved ? done(r, renameat(dir, name, to, r->in.name)) : ERR_NOMEM;
    close(dir);
    if (!e) {
        free(r->fid->node);
        r->fid->node = moved;
    } else
        free(moved);
    return e;
}

static err_t op_remove(struct ninep_req *r)
{
    const char *name;
    int dir = place_of(r, &name);
    err_t e;

    if (dir < 0)
        return done(r, -1);
    e = done(r, unlinkat(dir, name, r->fid->qid.type & NINEP_QTDIR ? AT_REMOVEDIR : 0));
    close(dir);
    return e;
}

static const struct ninep_fs_ops hostfs_ops = {
    .attach = op_attach,
    .clone = op_clone,
    .walk = op_walk,
    .clunk = op_clunk,
    .open = op_open,
    .create = op_create,
    .read = op_read,
    .write = op_write,
    .readdir = op_readdir,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .mkdir = op_mkdir,
    .symlink = op_symlink,
    .mknod = op_mknod,
    .readlink = op_readlink,
    .link = op_link,
    .rename = op_rename,
    .renameat = op_renameat,
    .unlinkat = op_unlinkat,
    .remove = op_remove,
    .statfs = op_statfs,
    .fsync = op_fsync,
    .lock = op_lock,
    .getlock = op_getlock,
};

err_t hostfs_open(struct hostfs *h, const char *path)
{
    struct stat st;
    err_t e = ERR_UNSUPPORTED;
    int try;

    h->fs.ops = &hostfs_ops;
    h->proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (h->proc < 0)
        return ERR_UNSUPPORTED;
    if (!is_proc(h->proc))
        goto close_proc;
    h->root = open(path, O_PATH | O_CLOEXEC);
    if (h->root < 0 || fstat(h->root, &st) < 0) {
        e = errno == ENOENT || errno == ENOTDIR ? ERR_NOTFOUND : ERR_IO;
        goto close_proc;
    }
    if ((!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) || is_proc(h->root)) {
        e = ERR_INVAL;
        goto close_root;
    }
    h->root_dev = st.st_dev;
    try = open_beneath(h->proc, ".", O_PATH, 0);
    if (try < 0)
        goto close_root; /* no openat2() */
    close(try);
    return OK;
close_root:
    close(h->root);
close_proc:
    close(h->proc);
    return e;
}

void hostfs_close(struct hostfs *h)
{
    close(h->root);
    close(h->proc);
}
