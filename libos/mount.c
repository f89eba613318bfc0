/* The tree at the start: the root, and what the boot record says is mounted where. */
#include "libos/node.h"

struct node *node_cover(struct node *dir, const char *name)
{
    struct node *n;

    name_drop(dir, name);
    n = node_add(dir, name, S_IFDIR | 0755);
    if (n)
        n->mounted = true;
    return n;
}

/* The directory at path; what is missing of it is made, in memory. */
static int path_make(const char *path, struct node **out)
{
    char last[NAME_MAX + 1], *part = mem_text(path, strlen(path));
    struct node *dir, *child = root_node;
    int e = part ? 0 : -ENOMEM;

    for (size_t n = 1; !e && path[n - 1]; n++) {
        if (path[n] && path[n] != '/')
            continue;
        memcpy(part, path, n);
        part[n] = 0;
        e = node_walk(root_node, part, WALK_PARENT | WALK_DIR, &dir, &child, last);
        if (e || child)
            continue;
        name_drop(dir, last); /* a negative one */
        child = node_add(dir, last, S_IFDIR | 0755);
        e = child ? 0 : -ENOMEM;
    }
    mem_put(part);
    *out = child;
    return e;
}

static int mount_put(unsigned number, const struct app_mount *am)
{
    struct mount *m = &mounts[number];
    struct rpc attr = { 0 };
    struct node *at = root_node;
    char last[NAME_MAX + 1];
    uint32_t fid;
    int e = p9_mount(m, number, am);

    nmounts = number + 1;
    if (e || am->flags & APP_MOUNT_DEV)
        return e;
    if (!str_eq(am->at, "/")) {
        e = path_make(am->at, &at);
        if (e)
            return e;
        str_copy(last, sizeof last, at->name);
        at = at->parent ? node_cover(at->parent, last) : NULL;
        if (!at)
            return -ENOMEM;
    }
    e = fid_walk(m, m->root, NULL, &fid, &attr);
    if (p9_mounted(m) || e)
        return e ? e : -EIO;
    attr_take(at, &attr.a.msg);
    at->m = m;
    at->fid = fid;
    at->memory = false;
    at->mounted = true;
    m->at = at;
    return 0;
}

static int mounts_put(void)
{
    for (unsigned i = 0; i < boot->nmounts && !(boot->mount[i].flags & APP_MOUNT_NET); i++) {
        int e = mount_put(i, &boot->mount[i]);
        if (e)
            return log_line("cannot mount %s: error %d", boot->mount[i].at, -e), e;
    }
    return 0;
}

/* Their fids are no more, so nobody is told. Nobody holds them, either: template.c has looked. */
static void below_forget(struct node *n)
{
    while (n->children) {
        struct node *child = n->children;
        for (unsigned i = 0; i < nmounts; i++)
            if (mounts[i].at == child)
                mounts[i].at = NULL;
        child->fid = child->open_fid = NINEP_NOFID;
        below_forget(child);
        node_drop(child);
    }
}

int mounts_renew(void)
{
    for (unsigned i = 0; i < nmounts; i++) {
        struct node *at = mounts[i].at;
        if (at) {
            at->fid = at->open_fid = NINEP_NOFID;
            at->m = NULL;
            at->memory = true; /* an empty directory, if it is not mounted again */
            below_forget(at);
        }
        p9_forget(&mounts[i]);
    }
    nmounts = 0;
    return mounts_put();
}

int node_init(void)
{
    root_node = node_add(NULL, "", S_IFDIR | 0755);
    if (!root_node)
        return -ENOMEM;
    node_get(root_node);
    if (boot->image && image_root(root_node))
        return -EIO;
    int e = mounts_put();
    return e || !boot->image ? e : path_make(boot->cwd, &(struct node *){ NULL });
}
