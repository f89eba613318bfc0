#pragma once
/* What the files of hostfs share: a fid's node, and the ways to a file of the host that do not leave the directory that is served. */
#include <errno.h>
#include <stdint.h>
#include "ground/linux/hostfs.h"

#define FILE_MODE 01777u /* no set-id bits: whoever is served must not make programs with its host's rights */
#define DIR_MODE 03777u  /* on a directory the group bit only says which group new files get */

struct node {
    int fd; /* O_PATH until the fid is opened */
    /* The way from the root by which it was reached, "" for the root itself. Only "..", rename and remove of a fid use
     * it, always from the root and under openat2: when someone has moved things meanwhile they miss, but they do not
     * get out. */
    char path[];
};

static inline struct hostfs *hostfs_of(struct ninep_req *r)
{
    return container_of(r->server->fs, struct hostfs, fs);
}

static inline struct node *node_of(const struct ninep_fid *f)
{
    return f->node;
}

/* The outcome of a system call as an operation's result. */
static inline err_t done(struct ninep_req *r, int64_t result)
{
    return result < 0 ? ninep_fail(r, (uint32_t)errno) : OK;
}

/* What they return is a descriptor, or -1 and errno. */
int hostfs_beneath(int dir, const char *path, uint64_t flags, uint32_t mode); /* one or more names below dir, no symbolic links */
/* Opens what an O_PATH descriptor stands for; -1 unless it is a regular file or directory. The type cannot change: the descriptor holds the inode. */
int hostfs_reopen(struct ninep_req *r, int fd, int flags);
/* Splits a node's path in the directory, opened from the root, and the last name, which points into path. *dir is to be freed. */
int hostfs_parent(struct ninep_req *r, const struct node *n, char **dir, const char **name);

struct node *hostfs_node_new(int fd, const char *dir, const char *name); /* NULL: no memory */
/* No fid is deeper than a path can be long: else a client could fill our memory with paths. */
bool hostfs_too_deep(const struct node *n, const char *name);
err_t hostfs_qid(struct ninep_req *r, int fd, struct ninep_qid *qid);

/* --- hostfs_attr.c --- */
err_t hostfs_getattr(struct ninep_req *);
err_t hostfs_setattr(struct ninep_req *);
err_t hostfs_statfs(struct ninep_req *);
err_t hostfs_lock(struct ninep_req *);
err_t hostfs_getlock(struct ninep_req *);

/* --- hostfs_name.c --- */
err_t hostfs_mkdir(struct ninep_req *);
err_t hostfs_symlink(struct ninep_req *);
err_t hostfs_mknod(struct ninep_req *);
err_t hostfs_readlink(struct ninep_req *);
err_t hostfs_link(struct ninep_req *);
err_t hostfs_rename(struct ninep_req *);
err_t hostfs_renameat(struct ninep_req *);
err_t hostfs_unlinkat(struct ninep_req *);
err_t hostfs_remove(struct ninep_req *);
