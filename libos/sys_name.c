/* System calls that make, remove and move names. */
#include "libos/sys.h"

/* The directory and the last name of a path, and what is there: a node or NULL. */
struct place {
    struct node *dir, *child;
    char last[NAME_MAX + 1];
};

/* flags: WALK_DIR: the name may end with a slash, for a directory. */
static int place_at(uint64_t fd, user_t path, unsigned flags, struct place *at)
{
    char *p;
    int e = path_get(path, &p);

    if (e)
        return e;
    e = dir_get(fd, p, &at->dir);
    if (!e)
        e = node_walk(at->dir, p, WALK_PARENT | WALK_NOFOLLOW | flags, &at->dir, &at->child, at->last);
    if (!e && at->child && p[strlen(p) - 1] == '/' && !node_is(at->child, S_IFDIR))
        e = -ENOTDIR;
    mem_put(p);
    return e;
}

/* Where there is nothing yet. */
static int place_new(uint64_t fd, user_t path, unsigned flags, struct place *at)
{
    int e = place_at(fd, path, flags, at);

    return e ? e : at->child ? -EEXIST : 0;
}

static bool is_dots(const char *name) { return !name[0] || str_eq(name, ".") || str_eq(name, ".."); }

SYS(mkdirat)
{
    struct place p;
    int e = place_new(a[0], a[1], WALK_DIR, &p);

    return e ? e : node_make(p.dir, p.last, S_IFDIR | ((uint32_t)a[2] & 01777 & ~umask_bits), &p.child);
}

SYS(mknodat)
{
    struct place p;
    uint32_t kind = (uint32_t)a[2] & S_IFMT;
    int e = place_new(a[0], a[1], 0, &p);

    if (!e && kind && kind != S_IFREG && kind != S_IFIFO && kind != S_IFSOCK)
        e = kind == S_IFCHR || kind == S_IFBLK || kind == S_IFDIR ? -EPERM : -EINVAL;
    return e ? e : node_make(p.dir, p.last, (kind ? kind : S_IFREG) | ((uint32_t)a[2] & 07777 & ~umask_bits), &p.child);
}

SYS(linkat)
{
    struct node *n = NULL;
    struct place p;
    int e = a[4] & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) ? -EINVAL :
            node_at(a[0], a[1], (a[4] & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW) | (a[4] & AT_EMPTY_PATH), &n);

    if (!e)
        e = place_new(a[2], a[3], 0, &p);
    return e ? e : node_link(n, p.dir, p.last);
}

SYS(symlinkat)
{
    struct place p;
    char *target;
    int e = path_get(a[0], &target);

    if (e)
        return e;
    e = target[0] ? place_new(a[1], a[2], 0, &p) : -ENOENT;
    if (!e)
        e = node_symlink(p.dir, p.last, target);
    mem_put(target);
    return e;
}

SYS(unlinkat)
{
    struct place p;
    int e = place_at(a[0], a[1], WALK_DIR, &p);

    if (a[2] & ~(uint64_t)AT_REMOVEDIR || e)
        return e ? e : -EINVAL;
    if (!p.child)
        return -ENOENT;
    if (is_dots(p.last))
        return !(a[2] & AT_REMOVEDIR) ? -EISDIR : str_eq(p.last, ".") ? -EINVAL : p.last[0] ? -ENOTEMPTY : -EBUSY;
    return node_unlink(p.dir, p.child, a[2] & AT_REMOVEDIR);
}

SYS(renameat2)
{
    struct place from, to;
    int e = place_at(a[0], a[1], WALK_DIR, &from);

    if (e || a[4] & ~(uint64_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) || a[4] == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return e ? e : -EINVAL;
    e = place_at(a[2], a[3], WALK_DIR, &to);
    if (e)
        return e;
    if (is_dots(to.last) || is_dots(from.last))
        return -EBUSY;
    if (!from.child || (a[4] & RENAME_EXCHANGE && !to.child))
        return -ENOENT;
    if (to.child && a[4] & RENAME_NOREPLACE)
        return -EEXIST;
    return a[4] & RENAME_EXCHANGE ? node_exchange(from.child, to.child) : node_rename(from.dir, from.child, to.dir, to.last, to.child);
}
