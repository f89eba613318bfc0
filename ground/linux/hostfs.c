/* 9P operations on a host directory. A fid's node is its own struct node, never shared, so opening a file can just
 * exchange the descriptor. See hostfs.h for what keeps the client inside. */
#define _GNU_SOURCE
#include <dirent.h>
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
#include <unistd.h>
#include "ground/linux/hostfs_node.h"
#include "base/str.h"

int hostfs_beneath(int dir, const char *path, uint64_t flags, uint32_t mode)
{
    const struct open_how how = {
        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
    };

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}

/* --- nodes --- */

struct node *hostfs_node_new(int fd, const char *dir, const char *name)
{
    size_t dir_len = strlen(dir), name_len = strlen(name);
    struct node *n = malloc(sizeof *n + dir_len + 1 + name_len + 1);

    if (!n)
        return NULL;
    n->fd = fd;
    snprintf(n->path, dir_len + name_len + 2, "%s%s%s", dir, dir_len && name_len ? "/" : "", name);
    return n;
}

bool hostfs_too_deep(const struct node *n, const char *name)
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

err_t hostfs_qid(struct ninep_req *r, int fd, struct ninep_qid *qid)
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
    e = hostfs_qid(r, fd, &qid);
    if (e)
        goto close_fd;
    n = hostfs_node_new(fd, dir, name);
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

int hostfs_reopen(struct ninep_req *r, int fd, int flags)
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
    to->node = hostfs_node_new(fd, node_of(from)->path, "");
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

int hostfs_parent(struct ninep_req *r, const struct node *n, char **dir, const char **name)
{
    char *slash;

    *dir = strdup(n->path);
    if (!*dir)
        return -1;
    slash = strrchr(*dir, '/');
    *name = slash ? n->path + (slash - *dir) + 1 : n->path;
    *(slash ? slash : *dir) = 0;
    return hostfs_beneath(hostfs_of(r)->root, **dir ? *dir : ".", O_PATH | O_DIRECTORY, 0);
}

static err_t op_walk(struct ninep_req *r, const struct ninep_fid *from, struct ninep_fid *to, const char *name)
{
    const struct node *n = node_of(from);
    const char *last;
    char *dir;
    err_t e;

    if (hostfs_too_deep(n, name))
        return ninep_fail(r, ENAMETOOLONG);
    if (!str_eq(name, ".."))
        return fid_become(r, to, hostfs_beneath(n->fd, name, O_PATH, 0), n->path, name);
    int fd = hostfs_parent(r, n, &dir, &last);
    e = fid_become(r, to, fd, dir ? dir : "", "");
    free(dir);
    return e;
}

/* --- files --- */

#define OPEN_FLAGS (NINEP_ACCMODE | NINEP_TRUNC | NINEP_APPEND | NINEP_DSYNC | NINEP_SYNC)
_Static_assert(O_TRUNC == NINEP_TRUNC && O_APPEND == NINEP_APPEND && O_DSYNC == NINEP_DSYNC,
               "the protocol's are x86 Linux'");

static err_t op_open(struct ninep_req *r)
{
    struct node *n = node_of(r->fid);
    int fd = hostfs_reopen(r, n->fd, (int)(r->in.flags & OPEN_FLAGS));

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

    if (hostfs_too_deep(n, r->in.name))
        return ninep_fail(r, ENAMETOOLONG);
    for (int tries = 0; fd < 0 && tries < 10; tries++) {
        fd = hostfs_beneath(n->fd, r->in.name, flags | O_CREAT | O_EXCL, r->in.mode & FILE_MODE);
        if (fd >= 0 || errno != EEXIST || r->in.flags & NINEP_EXCL)
            break;
        path = hostfs_beneath(n->fd, r->in.name, O_PATH, 0);
        if (path < 0 && errno == ENOENT) /* it has just been removed */
            continue;
        fd = path < 0 ? -1 : hostfs_reopen(r, path, (int)flags);
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
        ssize_t n = getdents64(fd, (void *)h->dir_buf, want);
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
    .getattr = hostfs_getattr,
    .setattr = hostfs_setattr,
    .mkdir = hostfs_mkdir,
    .symlink = hostfs_symlink,
    .mknod = hostfs_mknod,
    .readlink = hostfs_readlink,
    .link = hostfs_link,
    .rename = hostfs_rename,
    .renameat = hostfs_renameat,
    .unlinkat = hostfs_unlinkat,
    .remove = hostfs_remove,
    .statfs = hostfs_statfs,
    .fsync = op_fsync,
    .lock = hostfs_lock,
    .getlock = hostfs_getlock,
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
    try = hostfs_beneath(h->proc, ".", O_PATH, 0);
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
