/* From a path to a node and back: links, "..", what the last name may be. */
#include "libos/node.h"

int node_link_text(struct node *n, char *to, size_t room)
{
    struct rpc r = { 0 };
    int e;

    if (n->ops && n->ops->follow) {
        int64_t len = n->ops->follow(n, to, room);
        return len < 0 ? (int)len : 0;
    }
    if (!n->link && n->lower) {
        e = image_link(n);
        if (e)
            return e;
    }
    if (!n->link) {
        e = node_fid(n);
        if (!e)
            e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TREADLINK, .fid = n->fid }, &r);
        if (e)
            return e;
        n->link = mem_text(r.a.msg.text, strlen(r.a.msg.text));
        if (!n->link)
            return -ENOMEM;
    }
    return str_copy(to, room, n->link) ? 0 : -ENAMETOOLONG;
}

/* A walk over w->rest: `at` is the node reached, `name` the name it was reached by, which may be one more name of it. */
struct walk {
    struct node *at, *name;
    unsigned links;
    bool followed;   /* the last step was a link, and its target is what comes next */
    char *left; /* of rest: still to be walked */
    char rest[PATH_MAX + 1];
};
struct part {
    char *name, *end;
    bool slash, final; /* it is followed by one; by nothing else */
};

/* The next name, which a 0 ends now; false: there is none. */
static bool part_take(struct walk *w, struct part *p)
{
    char *c = w->left;

    while (*c == '/')
        c++;
    p->name = c;
    while (*c && *c != '/')
        c++;
    p->end = c;
    p->slash = *c == '/';
    while (*c == '/')
        c++;
    p->final = !*c;
    w->left = c;
    *p->end = 0;
    return *p->name;
}

/* The link's target takes its name's place in front of what is left. */
static int link_follow(struct walk *w, struct node *link, const char *left)
{
    char *target = mem_get(PATH_MAX + 1);
    size_t n, m = strlen(left);
    int e;

    if (!target)
        return -ENOMEM;
    e = ++w->links > 40 ? -ELOOP : node_link_text(link, target, PATH_MAX);
    n = strlen(target);
    if (!e && n + m > PATH_MAX)
        e = -ENAMETOOLONG;
    if (!e) {
        memmove(w->rest + n, left, m + 1);
        memcpy(w->rest, target, n);
        w->left = w->rest;
        w->at = target[0] == '/' ? root_node : w->at;
        w->followed = true;
    }
    mem_put(target);
    return e;
}

/* One name further. */
static int walk_step(struct walk *w, const struct part *p, bool follow)
{
    struct node *n = NULL;
    int e;

    w->name = w->at;
    w->followed = false;
    if (!node_is(w->at, S_IFDIR))
        return -ENOTDIR;
    if (str_eq(p->name, "."))
        return 0;
    if (str_eq(p->name, "..")) {
        w->name = w->at = w->at->parent ? w->at->parent : w->at;
        return 0;
    }
    e = child_get(w->at, p->name, &n);
    if (e)
        return e;
    if (node_is(n, S_IFLNK) && follow) {
        if (!n->ops || !n->ops->jump) {
            *p->end = p->slash ? '/' : 0; /* again: what is left begins with it */
            return link_follow(w, n, p->end);
        }
        n = n->ops->jump(n);
        if (!n)
            return -ENXIO; /* a pipe or its like cannot be opened again */
    }
    w->name = n;
    w->at = node_real(n);
    return 0;
}

/* The last name need not be there. e: of the step that looked for it in dir. */
static int last_name(const struct walk *w, const struct node *dir, const struct part *p, unsigned flags, int e, struct node **child, char *last)
{
    *child = e ? NULL : w->name;
    if (e == -ENOENT && node_is(dir, S_IFDIR) && (!p->slash || flags & WALK_DIR))
        e = 0;
    if (e)
        return e;
    str_copy(last, NAME_MAX + 1, p->name);
    return 0;
}

static int walk(struct walk *w, unsigned flags, struct node **out, struct node **child, char *last)
{
    struct part p;
    int e = 0;

    while (!e && part_take(w, &p)) {
        bool parent = p.final && flags & WALK_PARENT;
        *out = w->at;
        e = walk_step(w, &p, !(flags & WALK_NOFOLLOW) || !p.final || (p.slash && !parent));
        if (parent && !w->followed)
            return last_name(w, *out, &p, flags, e, child, last);
        if (!e && !w->followed && p.slash && !node_is(w->at, S_IFDIR))
            e = -ENOTDIR;
    }
    *out = w->at;
    if (!e && flags & WALK_PARENT) { /* "/" */
        last[0] = 0;
        *child = w->at;
    }
    return e;
}

int node_walk(struct node *from, const char *path, unsigned flags, struct node **out, struct node **child, char *last)
{
    struct walk *w = mem_get(sizeof *w);
    int e = !w ? -ENOMEM : !path[0] ? -ENOENT : str_copy(w->rest, sizeof w->rest, path) ? 0 : -ENAMETOOLONG;

    if (!e) {
        w->at = path[0] == '/' ? root_node : from;
        w->left = w->rest;
        e = walk(w, flags, out, child, last);
    }
    mem_put(w);
    return e;
}

int64_t node_path(struct node *n, char *to, size_t room)
{
    size_t at = room - 1;

    to[at] = 0;
    for (; n->parent; n = n->parent) {
        size_t len = strlen(n->name);
        if (at < len + 1)
            return -ENAMETOOLONG;
        at -= len;
        memcpy(to + at, n->name, len);
        to[--at] = '/';
    }
    if (at == room - 1)
        to[--at] = '/';
    memmove(to, to + at, room - at);
    return (int64_t)(room - 1 - at);
}
