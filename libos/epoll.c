/* epoll: files that are watched all the time, and the list of those that are ready. */
#include <linux/eventpoll.h>
#include "libos/signal.h"
#include "libos/sock.h"
#include "libos/sys.h"

#define NESTED_MAX 5u

/* A file somebody wants to hear of. It stands in the file's queue all the time, and comes into the list of the ready ones when that is woken:
 * there it stays while the file is ready, or, for edges, until it was told. */
struct watch {
    struct waiter waiter;
    struct list link, ready;
    struct epoll *ep;
    struct file *file;
    uint64_t fd;
    uint32_t events;
    uint64_t data;
    bool off; /* EPOLLONESHOT has been told */
};
struct epoll {
    struct list watches, ready;
    struct waitq wait;
    struct list link; /* in epolls */
};
static struct list epolls = LIST_INIT(epolls);

static uint32_t watch_look(const struct watch *w)
{
    return w->off ? 0 : file_poll(w->file) & (w->events | POLLERR | POLLHUP);
}

static void watch_ready(struct watch *w)
{
    if (!list_empty(&w->ready) || w->off)
        return;
    list_push_back(&w->ep->ready, &w->ready);
    waitq_tell(&w->ep->wait, POLLIN);
}

/* waiter->fire */
static void watch_fire(struct waiter *waiter, uint32_t events)
{
    struct watch *w = container_of(waiter, struct watch, waiter);

    if (events & (w->events | POLLERR | POLLHUP))
        watch_ready(w);
}

static uint32_t epoll_poll(struct file *f)
{
    struct epoll *ep = f->data;

    list_each_safe (l, next, &ep->ready) {
        if (watch_look(container_of(l, struct watch, ready)))
            return POLLIN | POLLRDNORM;
        list_remove(l);
    }
    return 0;
}

static void watch_remove(struct watch *w)
{
    waitq_remove(&w->waiter);
    list_remove(&w->link);
    list_remove(&w->ready);
    mem_put(w);
}

static void epoll_close(struct file *f)
{
    struct epoll *ep = f->data;

    list_remove(&ep->link);
    while (!list_empty(&ep->watches))
        watch_remove(container_of(ep->watches.next, struct watch, link));
    mem_put(ep);
}

static const struct file_ops epoll_ops = { .poll = epoll_poll, .close = epoll_close };

SYS(epoll_create1)
{
    struct epoll *ep = mem_get(sizeof *ep);

    if (!ep)
        return -ENOMEM;
    waitq_init(&ep->wait);
    list_init(&ep->watches);
    list_init(&ep->ready);
    list_push_back(&epolls, &ep->link);
    return fd_special(&epoll_ops, ep, &ep->wait, O_RDWR | ((uint32_t)a[0] & O_CLOEXEC));
}

/* A descriptor was closed: a watch of it ends. */
void epoll_forget(struct file *f, uint64_t fd)
{
    list_each (e, &epolls)
        list_each_safe (l, next, &container_of(e, struct epoll, link)->watches) {
            struct watch *w = container_of(l, struct watch, link);
            if (w->file == f && w->fd == fd)
                watch_remove(w);
        }
}

/* How deep the tree of epolls in epolls below f is; over NESTED_MAX if `above` is in it, too. */
static unsigned nested(const struct file *f, const struct file *above, unsigned depth)
{
    unsigned most = depth;

    if (f->ops != &epoll_ops)
        return depth;
    if (f == above || depth > NESTED_MAX)
        return NESTED_MAX + 1;
    list_each (l, &((struct epoll *)f->data)->watches)
        most = (unsigned)max_u64(most, nested(container_of(l, struct watch, link)->file, above, depth + 1));
    return most;
}

static int64_t watch_add(struct epoll *ep, struct file *f, uint64_t fd, const struct epoll_event *ev)
{
    struct watch *w = mem_get(sizeof *w);

    if (!w)
        return -ENOMEM;
    *w = (struct watch){ .ep = ep, .file = f, .fd = fd, .events = ev->events, .data = ev->data };
    list_init(&w->ready);
    list_init(&w->waiter.link);
    list_push_back(&ep->watches, &w->link);
    if (f->wait)
        waitq_watch(f->wait, &w->waiter, watch_fire);
    watch_ready(w); /* whoever takes it looks */
    return 0;
}

static struct watch *watch_find(struct epoll *ep, const struct file *f, uint64_t fd)
{
    list_each (l, &ep->watches) {
        struct watch *w = container_of(l, struct watch, link);
        if (w->fd == fd && w->file == f)
            return w;
    }
    return NULL;
}

SYS_FILE(epoll_ctl)
{
    struct epoll *ep = f->data;
    struct file *of = fd_file(a[2]);
    uint64_t op = a[1];
    struct epoll_event ev = { 0 };
    struct watch *w;

    if (!of)
        return -EBADF;
    if (f->ops != &epoll_ops || of == f)
        return -EINVAL;
    if (op != EPOLL_CTL_DEL && user_read(&ev, a[3], sizeof ev))
        return -EFAULT;
    if (!of->ops->poll)
        return -EPERM;
    w = watch_find(ep, of, a[2]);
    if (op == EPOLL_CTL_ADD && !w && of->ops == &epoll_ops && nested(of, f, 0) > NESTED_MAX)
        return -ELOOP;
    switch (op) {
    case EPOLL_CTL_ADD: return w ? -EEXIST : watch_add(ep, of, a[2], &ev);
    case EPOLL_CTL_MOD:
        if (!w)
            return -ENOENT;
        w->events = ev.events;
        w->data = ev.data;
        w->off = false;
        watch_ready(w);
        return 0;
    case EPOLL_CTL_DEL:
        if (w)
            watch_remove(w);
        return w ? 0 : -ENOENT;
    }
    return -EINVAL;
}

static int64_t epoll_take(struct epoll *ep, user_t events, int64_t max)
{
    struct list again = LIST_INIT(again);
    int64_t n = 0, e = 0;

    while (n < max && !list_empty(&ep->ready)) {
        struct watch *w = container_of(ep->ready.next, struct watch, ready);
        struct epoll_event ev = { .events = watch_look(w), .data = w->data };
        if (ev.events && user_write(events + (uint64_t)n * sizeof ev, &ev, sizeof ev)) {
            e = -EFAULT;
            break;
        }
        list_remove(&w->ready);
        if (!ev.events)
            continue;
        n++;
        w->off = w->events & EPOLLONESHOT;
        if (!(w->events & (EPOLLONESHOT | EPOLLET)))
            list_push_back(&again, &w->ready);
    }
    while (!list_empty(&again)) /* behind those that had no turn */
        list_push_back(&ep->ready, list_pop_front(&again));
    return n ? n : e;
}

SYS_FILE(epoll_pwait)
{
    struct epoll *ep = f->data;
    int32_t ms = (int32_t)a[3];
    uint64_t deadline = ms > 0 ? time_mono() + (uint64_t)ms * 1000000 : 0;
    int64_t n;
    int e = mask_swap(a[4], a[5]);

    if (e || f->ops != &epoll_ops || (int32_t)a[2] <= 0)
        return e ? e : -EINVAL;
    while (!(n = epoll_take(ep, a[1], (int32_t)a[2])) && !e && ms && (!deadline || deadline > time_mono())) {
        net_push();
        e = waitq_wait(&ep->wait, deadline);
    }
    return n ? n : e == -EINTR ? -EINTR : 0;
}
