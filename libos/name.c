/* Making, removing, moving and linking names: in the server's tree where that may be written, else in nodes above it. */
#include "libos/node.h"
#include "libos/user.h"

static int make_lower(struct node *dir, const char *name, uint32_t mode)
{
    struct ninep_msg q = { .type = NINEP_TLCREATE, .name = name, .mode = mode & 07777, .gid = group_id.effective };
    struct rpc attr;
    uint32_t fid;
    int e;

    if ((mode & S_IFMT) != S_IFREG) {
        q.type = (mode & S_IFMT) == S_IFDIR ? NINEP_TMKDIR : NINEP_TMKNOD;
        q.mode = (mode & S_IFMT) == S_IFDIR ? mode & 07777 : mode;
        e = node_fid(dir);
        q.fid = dir->fid;
        return e ? e : p9_tell(dir->m, &q);
    }
    e = node_ask(dir, NULL, &fid, &attr);
    if (e)
        return e;
    q.fid = fid;
    q.flags = O_WRONLY | O_CREAT | O_EXCL;
    e = p9_tell(dir->m, &q);
    fid_clunk(dir->m, fid);
    return e;
}

/* In a layer. */
static struct node *layer_add(struct node *dir, const char *name, uint32_t mode)
{
    struct node *n;

    name_drop(dir, name); /* a negative one */
    n = node_add(dir, name, mode);
    if (n)
        n->m = dir->m;
    dir->mtime = dir->ctime = node_now();
    return n;
}

int node_make(struct node *dir, const char *name, uint32_t mode, struct node **out)
{
    int e;

    if (dir->gone)
        return -ENOENT;
    if (!node_may_write(dir) || dir->ops)
        return dir->ops ? -EACCES : -EROFS;
    if (node_served(dir)) {
        e = make_lower(dir, name, mode);
        e = e ? e : child_get(dir, name, out);
    } else {
        *out = layer_add(dir, name, mode);
        e = *out ? 0 : -ENOSPC;
    }
    if (!e)
        name_tell(dir, *out, name, IN_CREATE, 0);
    return e;
}

int node_symlink(struct node *dir, const char *name, const char *target)
{
    struct node *n;
    int e;

    if (node_served(dir) && (e = node_fid(dir)))
        return e;
    if (node_served(dir))
        return p9_do(dir->m, .type = NINEP_TSYMLINK, .fid = dir->fid, .name = name, .text = target, .gid = group_id.effective);
    e = node_make(dir, name, S_IFLNK | 0777, &n);
    if (e)
        return e;
    n->link = mem_text(target, strlen(target));
    n->size = strlen(target);
    return n->link ? 0 : -ENOSPC;
}

static bool has_entries(struct node *dir)
{
    struct dirlist l = { 0 };
    bool any = node_list(dir, &l) || l.n > 2;

    dirlist_free(&l);
    return any;
}

/* Whether something is there that the server does not know. What it has it judges itself: a guest's directory in /vm can be removed with its files. */
static bool has_own(const struct node *dir)
{
    for (const struct node *n = dir->children; n; n = n->next)
        if (n->mounted || n->memory)
            return true;
    return false;
}

/* The server's file of that name must not show through. */
static void name_hide(struct node *dir, const char *name)
{
    struct node *hide = (!node_known(dir) && !dir->lower) || node_direct(dir->m) || node_child(dir, name) ? NULL : node_add(dir, name, 0);

    if (hide)
        hide->negative = true;
}

/* The program removed it. */
static void name_gone(struct node *n)
{
    struct node *file = node_real(n);
    bool dir = node_is(n, S_IFDIR);

    if (!dir)
        inotify_tell(file, IN_ATTRIB, NULL, 0);
    if (dir || file->nlink <= 1)
        inotify_tell(file, IN_DELETE_SELF, NULL, 0);
    name_tell(n->parent, n, n->name, IN_DELETE, 0);
}

int node_unlink(struct node *dir, struct node *n, bool directory)
{
    char name[NAME_MAX + 1];
    bool lower;
    int e = 0;

    if (!node_may_write(dir) || n->ops || n->mounted)
        return n->mounted ? -EBUSY : n->ops ? -EPERM : -EROFS;
    if (directory != node_is(n, S_IFDIR))
        return directory ? -ENOTDIR : -EISDIR;
    lower = node_direct(dir->m) && !n->memory;
    if (directory && (lower ? has_own(n) : has_entries(n)))
        return -ENOTEMPTY;
    str_copy(name, sizeof name, n->name);
    if (lower && n->refs) /* what loses its name is only known by its fid then */
        (void)node_fid(n);
    if (lower)
        e = node_fid(dir);
    if (lower && !e)
        e = p9_do(dir->m, .type = NINEP_TUNLINKAT, .fid = dir->fid, .name = name, .flags = directory ? NINEP_REMOVEDIR : 0);
    if (e)
        return e;
    name_gone(n);
    node_drop(n);
    if (lower)
        return 0;
    dir->mtime = dir->ctime = node_now();
    name_hide(dir, name);
    return 0;
}

/* A moved node keeps its fid, so all that is below it in the lower tree moves with it. */
static int rename_check(struct node *from, const struct node *n, struct node *to, struct node *over)
{
    bool dir = node_is(n, S_IFDIR);

    if (from->m != to->m || n->mounted)
        return n->mounted ? -EBUSY : -EXDEV;
    if (!node_may_write(from) || n->ops || to->ops)
        return -EROFS;
    if (to->gone)
        return -ENOENT;
    for (const struct node *up = to; dir && up; up = up->parent)
        if (up == n)
            return -EINVAL;
    if (over && dir != node_is(over, S_IFDIR))
        return dir ? -ENOTDIR : -EISDIR;
    for (const struct node *up = from; over && up; up = up->parent)
        if (up == over)
            return -ENOTEMPTY;
    return over && dir && has_entries(over) ? -ENOTEMPTY : 0;
}

/* Both at the same time. */
static int fids_have(struct node *a, struct node *b)
{
    int e;

    node_get(a);
    e = node_fid(a);
    if (!e)
        e = node_fid(b);
    node_put(a);
    return e;
}

int node_rename(struct node *from, struct node *n, struct node *to, const char *name, struct node *over)
{
    static uint32_t cookie;
    char *copy, *old = n->name;
    int e;

    if (over && node_real(over) == node_real(n))
        return 0;
    e = rename_check(from, n, to, over);
    if (e)
        return e;
    copy = mem_text(name, strlen(name));
    if (!copy)
        return -ENOMEM;
    if (over && over->refs)
        (void)node_fid(over);
    e = node_direct(from->m) ? fids_have(from, to) : node_fid(n);
    if (!e && node_direct(from->m) && !n->memory)
        e = p9_do(from->m, .type = NINEP_TRENAMEAT, .fid = from->fid, .name = n->name, .dfid = to->fid, .text = name);
    if (e) {
        mem_put(copy);
        return e;
    }
    cookie++;
    name_tell(from, n, n->name, IN_MOVED_FROM, cookie);
    name_tell(to, n, name, IN_MOVED_TO, cookie);
    inotify_tell(node_real(n), IN_MOVE_SELF, NULL, 0);
    n->moved = !node_direct(from->m);
    name_drop(to, name); /* `over`, or a negative one */
    links_count(from, n, -1);
    links_count(to, n, 1);
    name_detach(n);
    n->name = copy;
    name_attach(to, n);
    name_hide(from, old);
    mem_put(old);
    node_real(n)->ctime = from->mtime = from->ctime = to->mtime = to->ctime = node_now();
    return 0;
}

/* RENAME_EXCHANGE, in a layer. */
int node_exchange(struct node *a, struct node *b)
{
    struct node *a_dir = a->parent, *b_dir = b->parent;
    char *name = a->name;
    int e = rename_check(a_dir, a, b_dir, NULL);

    if (!e)
        e = rename_check(b_dir, b, a_dir, NULL);
    if (e || node_direct(a_dir->m))
        return e ? e : -EINVAL;
    e = fids_have(a, b);
    if (e)
        return e;
    a->moved = b->moved = true;
    links_count(a_dir, a, -1);
    links_count(a_dir, b, 1);
    links_count(b_dir, b, -1);
    links_count(b_dir, a, 1);
    name_detach(a);
    name_detach(b);
    a->name = b->name;
    b->name = name;
    name_attach(b_dir, a);
    name_attach(a_dir, b);
    return 0;
}

int node_link(struct node *file, struct node *dir, const char *name)
{
    struct node *n;
    int e = dir->gone ? -ENOENT : node_is(file, S_IFDIR) ? -EPERM : file->m != dir->m || (!file->m && file->ops) ? -EXDEV :
            !node_may_write(dir) || dir->ops ? -EROFS : 0;

    if (e)
        return e;
    if (node_served(dir)) {
        e = fids_have(file, dir);
        e = e ? e : p9_do(dir->m, .type = NINEP_TLINK, .dfid = dir->fid, .fid = file->fid, .name = name);
        e = e ? e : node_refresh(file);
    } else {
        n = layer_add(dir, name, file->mode);
        if (!n)
            return -ENOSPC;
        n->real = file;
        node_get(file);
        file->nlink++;
        file->ctime = node_now();
    }
    if (!e)
        name_tell(dir, file, name, IN_CREATE, 0);
    return e;
}
