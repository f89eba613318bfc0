/* Names in a directory of the host: made, moved, read and taken away. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ground/linux/hostfs_node.h"
#include "base/str.h"

/* What has just been made under in.name, told in the answer. */
static err_t made(struct ninep_req *r, int result)
{
    int fd;
    err_t e;

    if (result < 0)
        return done(r, -1);
    fd = hostfs_beneath(node_of(r->fid)->fd, r->in.name, O_PATH, 0);
    if (fd < 0)
        return done(r, -1);
    e = hostfs_qid(r, fd, &r->out->qid);
    close(fd);
    return e;
}

err_t hostfs_mkdir(struct ninep_req *r)
{
    return made(r, mkdirat(node_of(r->fid)->fd, r->in.name, r->in.mode & DIR_MODE));
}

err_t hostfs_symlink(struct ninep_req *r)
{
    return made(r, symlinkat(r->in.text, node_of(r->fid)->fd, r->in.name));
}

/* FIFOs and sockets may stand there as names; device nodes may not. */
err_t hostfs_mknod(struct ninep_req *r)
{
    if (S_ISCHR(r->in.mode) || S_ISBLK(r->in.mode))
        return ninep_fail(r, EPERM);
    return made(r, mknodat(node_of(r->fid)->fd, r->in.name, r->in.mode & (S_IFMT | FILE_MODE), 0));
}

err_t hostfs_readlink(struct ninep_req *r)
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

err_t hostfs_link(struct ninep_req *r)
{
    char number[16];

    if (r->fid->qid.type & NINEP_QTDIR)
        return ninep_fail(r, EPERM);
    snprintf(number, sizeof number, "%d", node_of(r->fid)->fd);
    return done(r, linkat(hostfs_of(r)->proc, number, node_of(r->dfid)->fd, r->in.name, AT_SYMLINK_FOLLOW));
}

err_t hostfs_renameat(struct ninep_req *r)
{
    return done(r, renameat(node_of(r->fid)->fd, r->in.name, node_of(r->dfid)->fd, r->in.text));
}

err_t hostfs_unlinkat(struct ninep_req *r)
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
    dir = hostfs_parent(r, n, &text, name);
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

err_t hostfs_rename(struct ninep_req *r)
{
    const char *name;
    int dir = place_of(r, &name), to = node_of(r->dfid)->fd;
    struct node *moved;
    err_t e;

    if (dir < 0)
        return done(r, -1);
    moved = hostfs_node_new(node_of(r->fid)->fd, node_of(r->dfid)->path, r->in.name);
    e = moved ? done(r, renameat(dir, name, to, r->in.name)) : ERR_NOMEM;
    close(dir);
    if (!e) {
        free(r->fid->node);
        r->fid->node = moved;
    } else
        free(moved);
    return e;
}

err_t hostfs_remove(struct ninep_req *r)
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
