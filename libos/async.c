/* Signals for what happens to open files (O_ASYNC): SIGIO, or the one that was asked for. fcntl() and ioctl() call it; all is under the libos' lock. */
#include <asm/fcntl.h>
#include <asm/sockios.h>
#include "libos/signal.h"
#include "libos/sys.h"

#define OWNERS 3u /* F_OWNER_TID, _PID, _PGRP */

struct async {
    struct waiter waiter; /* in the file's queue while O_ASYNC is set */
    struct file *file;
    int32_t type, who; /* who 0: nobody is told */
    uint32_t signal;   /* 0: SIGIO, without saying why */
    uint64_t fd;
};

static bool exists(int32_t type, int32_t who) { return !who || (type == F_OWNER_PGRP ? is_self((uint32_t)who) : is_self((uint32_t)who) || thread_by((uint32_t)who)); }

/* waiter->fire */
static void fire(struct waiter *w, uint32_t events)
{
    struct async *a = container_of(w, struct async, waiter);
    uint32_t now = file_poll(a->file) & (events == UINT32_MAX ? events & ~(uint32_t)(POLLOUT | POLLWRNORM) : events);
    int code = now & (POLLIN | POLLHUP) ? 1 : now & POLLOUT ? 2 : now & POLLERR ? 4 : 0; /* POLL_IN, POLL_OUT, POLL_ERR */
    struct siginfo info = { .signo = (int32_t)a->signal, .code = code, .field = { code == 1 ? 0x41 : code == 2 ? 0x304 : 8, a->fd } };
    struct thread *t = a->type == F_OWNER_TID ? thread_by((uint32_t)a->who) : NULL;

    if (!code || !a->who || (a->type == F_OWNER_TID && !t))
        return;
    signal_post(t, a->signal ? (int)a->signal : SIGIO, a->signal ? &info : NULL);
}

static struct async *async_of(struct file *f)
{
    if (!f->async) {
        f->async = mem_get(sizeof *f->async);
        if (f->async) {
            f->async->file = f;
            f->async->type = F_OWNER_PID;
            list_init(&f->async->waiter.link);
        }
    }
    return f->async;
}

void async_drop(struct file *f)
{
    if (f->async)
        waitq_remove(&f->async->waiter);
    mem_put(f->async);
}

/* Only what waits for others tells of itself: not files, nor counters and their like. */
static bool tells(const struct file *f) { return f->wait && (f->mode || (f->node && !node_is(f->node, S_IFREG))); }

int64_t async_set(struct file *f, uint64_t fd, bool on)
{
    struct async *a;

    if (!tells(f) || on == ((f->flags & FASYNC) != 0))
        return 0;
    a = async_of(f);
    if (!a)
        return -ENOMEM;
    f->flags ^= FASYNC;
    a->fd = fd;
    if (on)
        waitq_watch(f->wait, &a->waiter, fire);
    else
        waitq_remove(&a->waiter);
    return 0;
}

static int64_t owner_set(struct file *f, int32_t type, int32_t who)
{
    struct async *a = exists(type, who) ? async_of(f) : NULL;

    if (!a)
        return exists(type, who) ? -ENOMEM : -ESRCH;
    a->type = type;
    a->who = who;
    return 0;
}

int64_t async_fcntl(struct file *f, uint64_t op, uint64_t arg)
{
    const struct async none = { .type = F_OWNER_PID }, *is = f->async ? f->async : &none;
    int32_t n = (int32_t)arg, owner[2] = { is->type, is->who };
    struct async *a;

    switch (op) {
    case F_GETOWN: return is->type == F_OWNER_PGRP ? -is->who : is->who;
    case F_SETOWN: return n == INT32_MIN ? -EINVAL : owner_set(f, n < 0 ? F_OWNER_PGRP : F_OWNER_PID, n < 0 ? -n : n);
    case F_GETOWN_EX: return user_write(arg, owner, sizeof owner);
    case F_SETOWN_EX:
        if (user_read(owner, arg, sizeof owner))
            return -EFAULT;
        return (uint32_t)owner[0] >= OWNERS ? -EINVAL : owner_set(f, owner[0], owner[1]);
    case F_GETSIG: return is->signal;
    case F_SETSIG:
        a = arg < SIGNALS ? async_of(f) : NULL;
        if (!a)
            return arg < SIGNALS ? -ENOMEM : -EINVAL;
        a->signal = (uint32_t)arg;
    }
    return 0;
}

bool async_asks(const struct file *f, uint32_t request)
{
    return request == FIOASYNC || ((f->mode & S_IFMT) == S_IFSOCK && (request == FIOSETOWN || request == SIOCSPGRP || request == FIOGETOWN || request == SIOCGPGRP));
}

int64_t async_ioctl(struct file *f, uint64_t fd, uint32_t request, user_t arg)
{
    bool get = request == FIOGETOWN || request == SIOCGPGRP;
    int32_t n = get ? (int32_t)async_fcntl(f, F_GETOWN, 0) : 0;

    if (get)
        return user_write(arg, &n, sizeof n);
    if (user_read(&n, arg, sizeof n))
        return -EFAULT;
    if (request == FIOASYNC)
        return tells(f) || !n == !(f->flags & FASYNC) ? async_set(f, fd, n) : -ENOTTY;
    return async_fcntl(f, F_SETOWN, (uint32_t)n);
}
