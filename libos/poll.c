/* poll, select and epoll: a look at all files; if none is ready, a place in the queue of each. */
#include "libos/file.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)

uint32_t file_poll(struct file *f)
{
    return f->ops->poll ? f->ops->poll(f) : POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
}

/* A place in a file's queue; it holds the file, which may be closed meanwhile. */
struct place {
    struct waiter waiter;
    struct file *file;
};

static void place_take(struct place *p, struct file *f)
{
    list_init(&p->waiter.link);
    p->file = f && f->wait ? f : NULL;
    if (p->file) {
        file_get(f);
        waitq_add(f->wait, &p->waiter);
    }
}

static void place_leave(struct place *p)
{
    waitq_remove(&p->waiter);
    if (p->file)
        file_put(p->file);
}

static int64_t look(struct pollfd *p, uint32_t n)
{
    int64_t ready = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct file *f = p[i].fd < 0 ? NULL : fd_file((uint64_t)p[i].fd);
        uint32_t now = p[i].fd < 0 ? 0 : f ? file_poll(f) : POLLNVAL;
        p[i].revents = (int16_t)(now & ((uint16_t)p[i].events | ALWAYS));
        ready += p[i].revents != 0;
    }
    return ready;
}

int64_t poll_wait(struct pollfd *p, uint32_t n, uint64_t deadline, bool forever)
{
    struct place *w = mem_get((n + 1) * sizeof *w);
    int64_t ready;
    int e = 0;

    if (!w)
        return -ENOMEM;
    while (!(ready = look(p, n)) && !e && (forever || deadline > time_mono())) {
        for (uint32_t i = 0; i < n; i++) {
            struct file *f = p[i].fd < 0 ? NULL : fd_file((uint64_t)p[i].fd);
            place_take(&w[i], f);
        }
        e = thread_block(forever ? 0 : deadline);
        for (uint32_t i = 0; i < n; i++)
            place_leave(&w[i]);
    }
    mem_put(w);
    return ready ? ready : e == -EINTR ? -EINTR : 0;
}

/* --- epoll --------------------------------------------------------------------------------------------------------------- */
#define EPOLLET 0x80000000u
#define EPOLLONESHOT 0x40000000u

struct watch {
    struct watch *next;
    struct file *file;
    uint64_t fd;
    uint32_t events, last; /* last: what was reported, for edges */
    uint64_t data;
    bool off;
};
struct epoll {
    struct watch *watches;
    uint32_t count;
    struct waitq wait;
    struct epoll *next;
};
static struct epoll *epolls;

struct PACKED epoll_event {
    uint32_t events;
    uint64_t data;
};

/* What is new since it was last told, if only edges are wanted. */
static uint32_t watch_look(struct watch *w)
{
    uint32_t now = w->off ? 0 : file_poll(w->file) & (w->events | POLLERR | POLLHUP), fresh = now;

    if (w->events & EPOLLET)
        fresh &= ~w->last;
    w->last = w->events & EPOLLET ? now & w->last : 0; /* what went away may come again */
    return fresh;
}

static uint32_t epoll_poll(struct file *f)
{
    struct epoll *ep = f->data;

    for (struct watch *w = ep->watches; w; w = w->next)
        if (!w->off && file_poll(w->file) & (w->events | POLLERR | POLLHUP) & ~(w->events & EPOLLET ? w->last : 0))
            return POLLIN | POLLRDNORM;
    return 0;
}

static void watch_remove(struct epoll *ep, struct watch **at)
{
    struct watch *w = *at;

    *at = w->next;
    ep->count--;
    mem_put(w);
}

static void epoll_close(struct file *f)
{
    struct epoll *ep = f->data;
    struct epoll **at = &epolls;

    while (*at != ep)
        at = &(*at)->next;
    *at = ep->next;
    while (ep->watches)
        watch_remove(ep, &ep->watches);
    mem_put(ep);
}

static const struct file_ops epoll_ops = { .poll = epoll_poll, .close = epoll_close };

struct file *epoll_make(void)
{
    struct epoll *ep = mem_get(sizeof *ep);
    struct file *f = ep ? file_new(&epoll_ops, O_RDWR) : NULL;

    if (!f) {
        mem_put(ep);
        return NULL;
    }
    waitq_init(&ep->wait);
    ep->next = epolls;
    epolls = ep;
    f->data = ep;
    f->wait = &ep->wait;
    return f;
}

/* A descriptor was closed: a watch of it ends. */
void epoll_forget(struct file *f, uint64_t fd)
{
    for (struct epoll *ep = epolls; ep; ep = ep->next)
        for (struct watch **at = &ep->watches; *at;) {
            if ((*at)->file == f && (*at)->fd == fd)
                watch_remove(ep, at);
            else
                at = &(*at)->next;
        }
}

int64_t epoll_ctl(struct file *epf, uint64_t op, uint64_t fd, user_t event)
{
    enum { ADD = 1, DEL, MOD };
    struct epoll *ep = epf->data;
    struct file *f = fd_file(fd);
    struct epoll_event ev = { 0 };
    struct watch **at = &ep->watches, *w;

    if (epf->ops != &epoll_ops || f == epf)
        return -EINVAL;
    if (!f)
        return -EBADF;
    if (op != DEL && user_read(&ev, event, sizeof ev))
        return -EFAULT;
    if (!f->ops->poll)
        return -EPERM;
    while (*at && ((*at)->fd != fd || (*at)->file != f))
        at = &(*at)->next;
    if (op == ADD ? *at != NULL : !*at)
        return op == ADD ? -EEXIST : -ENOENT;
    switch (op) {
    case ADD:
        w = mem_get(sizeof *w);
        if (!w)
            return -ENOMEM;
        *w = (struct watch){ .next = ep->watches, .file = f, .fd = fd, .events = ev.events, .data = ev.data };
        ep->watches = w;
        ep->count++;
        break;
    case MOD: **at = (struct watch){ .next = (*at)->next, .file = f, .fd = fd, .events = ev.events, .data = ev.data }; break;
    case DEL: watch_remove(ep, at); break;
    default: return -EINVAL;
    }
    waitq_wake(&ep->wait);
    return 0;
}

static int64_t epoll_take(struct epoll *ep, user_t events, int64_t max)
{
    int64_t n = 0;

    for (struct watch *w = ep->watches; w && n < max; w = w->next) {
        struct epoll_event ev = { .events = watch_look(w), .data = w->data };
        if (!ev.events)
            continue;
        if (user_write(events + (uint64_t)n * sizeof ev, &ev, sizeof ev))
            return n ? n : -EFAULT;
        w->last |= w->events & EPOLLET ? ev.events : 0;
        w->off = w->events & EPOLLONESHOT;
        n++;
    }
    return n;
}

int64_t epoll_wait(struct file *epf, user_t events, int64_t max, uint64_t deadline)
{
    struct epoll *ep = epf->data;
    int64_t n;
    int e = 0;

    if (epf->ops != &epoll_ops || max <= 0)
        return -EINVAL;
    while (!(n = epoll_take(ep, events, max)) && !e && (!deadline || deadline > time_mono())) {
        uint32_t i = 0, count = ep->count;
        struct place *w = mem_get((count + 1) * sizeof *w);
        struct waiter own;
        if (!w)
            return -ENOMEM;
        waitq_add(&ep->wait, &own);
        for (struct watch *x = ep->watches; x; x = x->next, i++)
            place_take(&w[i], x->file);
        e = thread_block(deadline);
        for (i = 0; i < count; i++)
            place_leave(&w[i]);
        waitq_remove(&own);
        mem_put(w);
    }
    return n ? n : e == -EINTR ? -EINTR : 0;
}
