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
        e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TREADLINK, .fid = n->fid }, &r);
        if (e)
            return e;
        n->link = mem_text(r.a.msg.text, strlen(r.a.msg.text));
        if (!n->link)
            return -ENOMEM;
    }
    return str_copy(to, room, n->link) ? 0 : -ENAMETOOLONG;
}

struct walk {
    struct node *at, *name; /* name: by which it was reached */
    unsigned links;
    char rest[PATH_MAX + 1]; /* still to be walked */
};

/* Replaces the link's name by its target in front of what is left. */
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
        if (target[0] == '/')
            w->at = root_node;
    }
    mem_put(target);
    return e;
}

/* One name further. *again: w->rest has been replaced. */
static int walk_step(struct walk *w, const char *name, size_t len, const char *left, bool follow, bool *again)
{
    struct node *n = NULL;
    int e;

    *again = false;
    w->name = w->at;
    if ((w->at->mode & S_IFMT) != S_IFDIR)
        return -ENOTDIR;
    if (len == 1 && name[0] == '.')
        return 0;
    if (len == 2 && name[0] == '.' && name[1] == '.') {
        w->name = w->at = w->at->parent ? w->at->parent : w->at;
        return 0;
    }
    e = child_get(w->at, name, len, &n);
    if (e)
        return e;
    if ((n->mode & S_IFMT) == S_IFLNK && follow && n->ops && n->ops->jump) {
        n = n->ops->jump(n);
        if (!n)
            return -ENXIO; /* a pipe or its like cannot be opened again */
    } else if ((n->mode & S_IFMT) == S_IFLNK && follow) {
        *again = true;
        return link_follow(w, n, left);
    }
    w->name = n;
    w->at = node_real(n);
    return 0;
}

int node_walk(struct node *from, const char *path, unsigned flags, struct node **out, struct node **child, char *last)
{
    struct walk *w = mem_get(sizeof *w);
    const char *p;
    int e = 0;

    if (!w)
        return -ENOMEM;
    w->at = path[0] == '/' ? root_node : from;
    e = !path[0] ? -ENOENT : str_copy(w->rest, sizeof w->rest, path) ? 0 : -ENAMETOOLONG;
    for (p = w->rest; !e;) {
        const char *name, *end;
        bool final, again, slash;
        while (*p == '/')
            p++;
        if (!*p)
            break;
        for (name = end = p; *end && *end != '/';)
            end++;
        for (p = end; *p == '/';)
            p++;
        slash = *end == '/';
        final = !*p;
        if (final && flags & WALK_PARENT) {
            size_t len = (size_t)(end - name);
            struct node *dir = w->at;
            if (len > NAME_MAX) {
                e = -ENAMETOOLONG;
                break;
            }
            memcpy(last, name, len);
            last[len] = 0;
            *child = NULL;
            e = walk_step(w, name, len, p, !(flags & WALK_NOFOLLOW), &again);
            if (!e && again) {
                p = w->rest;
                continue;
            }
            if (!e)
                *child = w->name;
            if (e == -ENOENT && (dir->mode & S_IFMT) == S_IFDIR && !(slash && !(flags & WALK_DIR)))
                e = 0;
            *out = dir;
            mem_put(w);
            return e;
        }
        e = walk_step(w, name, (size_t)(end - name), end, !final || slash || !(flags & WALK_NOFOLLOW), &again);
        if (!e && again)
            p = w->rest;
        if (!e && !again && slash && (w->at->mode & S_IFMT) != S_IFDIR)
            e = -ENOTDIR;
    }
    if (!e && flags & WALK_PARENT) { /* "/" */
        last[0] = 0;
        *child = w->at;
    }
    *out = w->at;
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
