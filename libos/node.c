/* Nodes: what has been looked up of the file tree is kept, what is not in memory is asked for by 9P. Names to nodes, a node's life, and
 * what the server says about it. Paths are in walk.c, changes of names in name.c, directories' lists in dirlist.c, mounts in mount.c. */
#include "libos/node.h"
#include "libos/user.h"

struct node *root_node;
uint64_t next_ino = 1ull << 40; /* above the inode numbers of ordinary files */
#define BUCKETS 4096u
static struct node *buckets[BUCKETS];

struct timespec node_now(void) { return timespec_of(time_wall()); }

bool node_direct(const struct mount *m) { return m && !(m->flags & (APP_MOUNT_READONLY | APP_MOUNT_LAYER)); }

/* --- names ---------------------------------------------------------------------------------------------------------- */
static struct node **bucket(const struct node *dir, const char *name)
{
    uint64_t h = (uint64_t)dir >> 5;

    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001B3ull;
    return &buckets[(h ^ h >> 29) % BUCKETS];
}

struct node *node_child(const struct node *dir, const char *name)
{
    for (struct node *n = *bucket(dir, name); n; n = n->hash)
        if (n->parent == dir && str_eq(n->name, name))
            return n;
    return NULL;
}

void name_attach(struct node *dir, struct node *n)
{
    struct node **b = bucket(dir, n->name);

    n->parent = dir;
    n->hash = *b;
    *b = n;
    n->next = dir->children;
    dir->children = n;
}

void name_detach(struct node *n)
{
    struct node **at = bucket(n->parent, n->name);

    while (*at != n)
        at = &(*at)->hash;
    *at = n->hash;
    for (at = &n->parent->children; *at != n;)
        at = &(*at)->next;
    *at = n->next;
}

static struct node *node_new(const char *name)
{
    struct node *n = mem_get(sizeof *n);

    if (!n)
        return NULL;
    n->name = mem_text(name, strlen(name));
    if (!n->name) {
        mem_put(n);
        return NULL;
    }
    n->fid = n->open_fid = NINEP_NOFID;
    list_init(&n->held);
    n->nlink = 1;
    waitq_init(&n->wait);
    return n;
}

static void node_free(struct node *n)
{
    if (n->gone && n->parent)
        node_put(n->parent);
    object_put(n);
    list_remove(&n->held);
    if (n->m) {
        fid_clunk(n->m, n->open_fid);
        fid_clunk(n->m, n->fid);
    }
    node_pages_free(n);
    mem_put(n->window);
    mem_put(n->lower);
    mem_put(n->link);
    mem_put(n->name);
    mem_put(n);
}

void node_put(struct node *n)
{
    if (!--n->refs && n->gone && !n->children)
        node_free(n);
}

void links_count(struct node *dir, const struct node *n, int change)
{
    if (node_is(n, S_IFDIR) && !n->negative && !node_direct(dir->m))
        dir->nlink = (uint32_t)((int)dir->nlink + change);
}

void node_drop(struct node *n)
{
    struct node *file = node_real(n);

    links_count(n->parent, n, -1);
    name_detach(n);
    n->gone = true;
    node_get(n->parent); /* the path of what is still open leads through it */
    file->nlink = node_is(file, S_IFDIR) || !file->nlink ? 0 : file->nlink - 1;
    if (!n->negative)
        file->ctime = node_now();
    if (!n->refs && !n->children)
        node_free(n);
    if (file != n)
        node_put(file);
}

void name_drop(struct node *dir, const char *name)
{
    struct node *n = node_child(dir, name);

    if (n)
        node_drop(n);
}

struct node *node_add(struct node *dir, const char *name, uint32_t mode)
{
    struct node *n = node_new(name);

    if (!n)
        return NULL;
    n->mode = mode;
    n->uid = user_id.effective;
    n->gid = group_id.effective;
    n->ino = next_ino++;
    n->nlink = (mode & S_IFMT) == S_IFDIR ? 2 : 1;
    n->memory = true;
    n->atime = n->mtime = n->ctime = node_now();
    if (dir) {
        name_attach(dir, n);
        links_count(dir, n, 1);
    }
    return n;
}

int node_nameless(const char *text, struct node *like, uint32_t mode, struct node **out)
{
    struct node *n = node_add(NULL, text, mode);

    if (!n)
        return -ENOSPC;
    n->m = like ? like->m : NULL;
    n->nlink = 0;
    n->gone = true;
    *out = n;
    return 0;
}

/* --- from the server ------------------------------------------------------------------------------------------------------ */
struct timespec node_time(struct ninep_time t) { return (struct timespec){ (int64_t)t.sec, (int64_t)t.nsec }; }

void attr_take(struct node *n, const struct ninep_msg *a)
{
    n->mode = a->attr.mode;
    n->uid = a->attr.uid;
    n->gid = a->attr.gid;
    n->nlink = (uint32_t)a->attr.nlink;
    n->size = a->attr.size;
    n->blocks = a->attr.blocks;
    n->rdev = a->attr.rdev;
    n->ino = a->qid.path;
    n->atime = node_time(a->attr.atime);
    n->mtime = node_time(a->attr.mtime);
    n->ctime = node_time(a->attr.ctime);
}

int node_refresh(struct node *n)
{
    struct rpc r = { 0 };
    int e;

    if (!node_served(n) || !node_known(n))
        return 0;
    e = node_fid(n);
    if (!e)
        e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TGETATTR, .fid = n->fid, .attr.valid = NINEP_GETATTR_BASIC }, &r);
    if (!e)
        attr_take(n, &r.a.msg);
    return e;
}

static int child_load(struct node *dir, const char *name, struct node **out)
{
    struct node *n = node_new(name);
    struct rpc attr;
    uint32_t fid;
    int e;

    if (!n)
        return -ENOMEM;
    n->m = dir->m;
    e = node_ask(dir, name, &fid, &attr);
    if (e) {
        n->negative = true;
        if (e != -ENOENT || node_direct(n->m)) {
            node_free(n);
            return e;
        }
    } else {
        attr_take(n, &attr.a.msg);
        node_fid_set(n, fid);
    }
    name_attach(dir, n);
    *out = n;
    return n->negative ? -ENOENT : 0;
}

/* In a mount that others may change, a name is looked up each time; the node stays if it is still the same file. */
static int child_check(struct node *dir, struct node *n, struct node **out)
{
    struct rpc attr;
    uint32_t fid;
    int e = node_ask(dir, n->name, &fid, &attr);

    if (!e && attr.a.msg.qid.path == n->ino) {
        attr_take(n, &attr.a.msg);
        if (n->away)
            node_fid_set(n, fid);
        else
            fid_clunk(dir->m, fid);
        *out = n;
        return 0;
    }
    if (!e)
        fid_clunk(dir->m, fid);
    if (!e || e == -ENOENT) {
        char name[NAME_MAX + 1];
        str_copy(name, sizeof name, n->name);
        node_drop(n);
        return e ? e : child_load(dir, name, out);
    }
    return e;
}

int child_get(struct node *dir, const char *name, struct node **out)
{
    struct node *n;

    if (strlen(name) > NAME_MAX)
        return -ENAMETOOLONG;
    if (dir->ops && dir->ops->lookup)
        return dir->ops->lookup(dir, name, out);
    n = node_child(dir, name);
    if (n && node_direct(dir->m) && !n->mounted && !n->ops)
        return child_check(dir, n, out);
    if (n) {
        *out = n;
        return n->negative ? -ENOENT : 0;
    }
    if (dir->lower)
        return image_child(dir, name, out);
    return node_known(dir) ? child_load(dir, name, out) : -ENOENT;
}
