/* inotify: what the program itself does to files, told to those who watch them. What others do to a `-v` volume is not seen. */
#include "libos/sys.h"

#define EVENTS_MAX 16384u

struct event {
    struct event *next;
    struct inotify_event head; /* as the program reads it, with the name */
};
struct inotify {
    struct waitq wait;
    struct event *first, *last;
    uint32_t count, bytes;
    int32_t next_wd;
};
static struct watch {
    struct watch *next;
    struct inotify *in;
    struct node *node;
    uint32_t mask;
    int32_t wd;
} *watches; /* of all */

static bool same(const struct event *a, const struct event *b)
{
    return a && a->head.wd == b->head.wd && a->head.mask == b->head.mask && a->head.cookie == b->head.cookie && a->head.len == b->head.len &&
           str_eq(a->head.name, b->head.name);
}

static void event_put(struct inotify *in, int32_t wd, uint32_t mask, uint32_t cookie, const char *name)
{
    size_t n = name ? align_up(strlen(name) + 1, 16) : 0;
    struct event *e = mem_get(sizeof *e + n + 1);

    if (!e)
        return;
    e->head.wd = in->count < EVENTS_MAX ? wd : -1;
    e->head.mask = in->count < EVENTS_MAX ? mask : IN_Q_OVERFLOW;
    e->head.cookie = cookie;
    if (name && in->count < EVENTS_MAX) {
        e->head.len = (uint32_t)n;
        str_copy(e->head.name, n, name);
    }
    if (same(in->last, e)) { /* once is enough; so it is when they are too many */
        mem_put(e);
        return;
    }
    *(in->last ? &in->last->next : &in->first) = e;
    in->last = e;
    in->count++;
    in->bytes += (uint32_t)sizeof e->head + e->head.len;
    waitq_tell(&in->wait, POLLIN | POLLRDNORM);
}

static void watch_end(struct watch **at)
{
    struct watch *w = *at;

    event_put(w->in, w->wd, IN_IGNORED, 0, NULL);
    *at = w->next;
    node_put(w->node);
    mem_put(w);
}

void inotify_tell(struct node *n, uint32_t mask, const char *name, uint32_t cookie)
{
    for (struct watch **at = &watches, *w; (w = *at);) {
        bool hit = w->node == n && mask & w->mask & IN_ALL_EVENTS;
        if (hit)
            event_put(w->in, w->wd, mask, cookie, name);
        if (w->node == n && ((hit && w->mask & IN_ONESHOT) || mask & IN_DELETE_SELF))
            watch_end(at);
        else
            at = &w->next;
    }
}

void node_tell(struct node *n, uint32_t mask)
{
    if (!watches)
        return;
    mask |= node_is(n, S_IFDIR) ? IN_ISDIR : 0;
    if (n->parent && !n->gone)
        inotify_tell(n->parent, mask, n->name, 0);
    inotify_tell(n, mask, NULL, 0);
}

/* A name came, went or moved: the directory's watchers are told. */
void name_tell(struct node *dir, const struct node *n, const char *name, uint32_t mask, uint32_t cookie)
{
    if (watches)
        inotify_tell(dir, mask | (node_is(n, S_IFDIR) ? IN_ISDIR : 0), name, cookie);
}

static int64_t events_read(struct file *f, user_t to, uint64_t len, UNUSED uint64_t *pos)
{
    struct inotify *in = f->data;
    uint64_t done = 0;
    int64_t error = file_await(f, POLLIN);

    if (error)
        return error;
    while (in->first && done + sizeof in->first->head + in->first->head.len <= len) {
        struct event *e = in->first;
        if (user_write(to + done, &e->head, sizeof e->head + e->head.len))
            return done ? (int64_t)done : -EFAULT;
        done += sizeof e->head + e->head.len;
        in->first = e->next;
        in->last = in->first ? in->last : NULL;
        in->count--;
        in->bytes -= (uint32_t)sizeof e->head + e->head.len;
        mem_put(e);
    }
    return done ? (int64_t)done : -EINVAL;
}

static uint32_t events_poll(struct file *f) { return ((struct inotify *)f->data)->first ? POLLIN | POLLRDNORM : 0; }

static int64_t events_ioctl(struct file *f, uint64_t request, user_t arg)
{
    return request == FIONREAD ? user_write(arg, &((struct inotify *)f->data)->bytes, 4) : -ENOTTY;
}

static void events_close(struct file *f)
{
    struct inotify *in = f->data;

    for (struct watch **at = &watches; *at;) {
        if ((*at)->in == in)
            watch_end(at);
        else
            at = &(*at)->next;
    }
    for (struct event *e = in->first, *next; e; e = next) {
        next = e->next;
        mem_put(e);
    }
    mem_put(in);
}

static const struct file_ops inotify_ops = { .read = events_read, .poll = events_poll, .ioctl = events_ioctl, .close = events_close };

SYS(inotify_init1)
{
    struct inotify *in = a[0] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) ? NULL : mem_get(sizeof *in);

    if (!in)
        return a[0] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) ? -EINVAL : -ENOMEM;
    in->next_wd = 1;
    waitq_init(&in->wait);
    return fd_special(&inotify_ops, in, &in->wait, (uint32_t)a[0]);
}

static int64_t watch_add(struct inotify *in, struct node *n, uint32_t mask)
{
    struct watch *w = watches;

    while (w && (w->in != in || w->node != n))
        w = w->next;
    if (w && mask & IN_MASK_CREATE)
        return -EEXIST;
    if (w) {
        w->mask = mask & IN_MASK_ADD ? w->mask | mask : mask;
        return w->wd;
    }
    w = mem_get(sizeof *w);
    if (!w)
        return -ENOMEM;
    *w = (struct watch){ .next = watches, .in = in, .node = n, .mask = mask, .wd = in->next_wd++ };
    node_get(n);
    watches = w;
    return w->wd;
}

SYS_FILE(inotify_add_watch)
{
    struct node *n = NULL;
    uint32_t mask = (uint32_t)a[2];
    int64_t e = f->ops != &inotify_ops || !(mask & IN_ALL_EVENTS) || (mask & IN_MASK_CREATE && mask & IN_MASK_ADD) ? -EINVAL :
                node_at(CWD, a[1], mask & IN_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0, &n);

    if (!e && mask & IN_ONLYDIR && !node_is(n, S_IFDIR))
        e = -ENOTDIR;
    return e ? e : watch_add(f->data, n, mask);
}

SYS_FILE(inotify_rm_watch)
{
    for (struct watch **at = &watches; f->ops == &inotify_ops && *at; at = &(*at)->next)
        if ((*at)->in == f->data && (*at)->wd == (int32_t)a[1])
            return watch_end(at), 0;
    return -EINVAL;
}
