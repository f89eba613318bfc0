/* POSIX message queues: mq_overview(7). A queue has a name in a space of its own, and lives while it has that or is open. */
#include <linux/mqueue.h>
#include "libos/sys.h"
#include "libos/user.h"

#define PRIORITIES 32768u
#define MESSAGES_MAX 65536 /* as Linux lets root have */
#define SIZE_MAX_EACH 16777216

struct message {
    struct message *next;
    uint32_t priority, len;
    uint8_t bytes[];
};
struct mqueue {
    struct mqueue *next;
    char *name; /* NULL: unlinked */
    uint32_t refs; /* open files */
    struct mq_attr attr;
    struct message *first; /* by priority, then by age */
    struct waitq wait;
    uint32_t receivers; /* that wait */
    bool notifies;      /* once: when a message comes to an empty queue and nobody waits for it */
    struct { uint64_t value; int32_t signo, how; uint8_t pad[48]; } notify; /* struct sigevent */
};
static struct mqueue *queues;

static struct mqueue **place_of(const char *name)
{
    struct mqueue **at = &queues;

    while (*at && !((*at)->name && str_eq((*at)->name, name)))
        at = &(*at)->next;
    return at;
}

static void mq_put(struct mqueue *q)
{
    struct mqueue **at = &queues;

    if (q->refs || q->name)
        return;
    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    for (struct message *m = q->first, *next; m; m = next) {
        next = m->next;
        mem_put(m);
    }
    mem_put(q);
}

static uint32_t mq_poll(struct file *f)
{
    const struct mqueue *q = f->data;

    return (q->attr.mq_curmsgs ? POLLIN | POLLRDNORM : 0) | (q->attr.mq_curmsgs < q->attr.mq_maxmsg ? POLLOUT | POLLWRNORM : 0);
}

static void mq_close(struct file *f)
{
    struct mqueue *q = f->data;

    q->notifies = false;
    q->refs--;
    mq_put(q);
}

static const struct file_ops mq_ops = { .poll = mq_poll, .close = mq_close };

/* --- names --------------------------------------------------------------------------------------------------------------------- */
/* The C library takes the slash that names begin with. */
static int64_t name_read(char name[NAME_MAX + 2], user_t from)
{
    int64_t n = user_text(name, from, NAME_MAX + 2);

    if (n <= 0)
        return n ? n : -ENOENT;
    return n > NAME_MAX ? -ENAMETOOLONG : str_eq(name, ".") || str_eq(name, "..") || strchr(name, '/') ? -EACCES : 0;
}

static int64_t queue_make(const char *name, user_t from, struct mqueue **out)
{
    struct mqueue *q;
    struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };

    if (from && user_read(&attr, from, sizeof attr))
        return -EFAULT;
    if (attr.mq_maxmsg <= 0 || attr.mq_msgsize <= 0 || attr.mq_maxmsg > MESSAGES_MAX || attr.mq_msgsize > SIZE_MAX_EACH)
        return -EINVAL;
    q = mem_get(sizeof *q);
    if (!q)
        return -ENOMEM;
    q->name = mem_text(name, strlen(name));
    if (!q->name) {
        mem_put(q);
        return -ENOMEM;
    }
    q->attr = (struct mq_attr){ .mq_maxmsg = attr.mq_maxmsg, .mq_msgsize = attr.mq_msgsize };
    waitq_init(&q->wait);
    q->next = queues;
    queues = *out = q;
    return 0;
}

SYS(mq_open)
{
    char name[NAME_MAX + 2];
    uint32_t flags = (uint32_t)a[1];
    int64_t e = name_read(name, a[0]);
    struct mqueue *q;

    if (e || (flags & O_ACCMODE) == O_ACCMODE)
        return e ? e : -EINVAL;
    q = *place_of(name);
    if (q && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (!q && !(flags & O_CREAT))
        return -ENOENT;
    e = q ? 0 : queue_make(name, a[3], &q);
    if (e)
        return e;
    q->refs++;
    return fd_special(&mq_ops, q, &q->wait, flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC));
}

SYS(mq_unlink)
{
    char name[NAME_MAX + 2];
    int64_t e = name_read(name, a[0]);
    struct mqueue *q = e ? NULL : *place_of(name);

    if (!q)
        return e ? e : -ENOENT;
    mem_put(q->name);
    q->name = NULL;
    mq_put(q);
    return 0;
}

/* --- messages ------------------------------------------------------------------------------------------------------------------ */
/* Waits for POLLIN or POLLOUT, until a time of the machine's clock. */
static int64_t mq_await(struct file *f, uint32_t events, user_t until)
{
    uint64_t at = 0, wall;
    int64_t e = until ? timespec_read(until, &at) : 0;
    struct mqueue *q = f->data;

    if (mq_poll(f) & events)
        return 0;
    if (e || f->flags & O_NONBLOCK)
        return e ? e : -EAGAIN;
    wall = time_wall();
    if (until && at <= wall)
        return -ETIMEDOUT;
    q->receivers += events == POLLIN;
    while (!e && !(mq_poll(f) & events))
        e = waitq_wait(&q->wait, until ? time_mono() + (at - wall) : 0);
    q->receivers -= events == POLLIN;
    return e == -EINTR && !until ? -ERESTARTSYS : e;
}

static void tell(struct mqueue *q)
{
    struct siginfo info = { .signo = q->notify.signo, .code = SI_MESGQ, .field = { boot->pid | (uint64_t)user_id.real << 32, q->notify.value } };

    if (q->notifies && q->attr.mq_curmsgs == 1 && !q->receivers) {
        q->notifies = false;
        if (q->notify.how == SIGEV_SIGNAL)
            signal_post(NULL, info.signo, &info);
    }
    waitq_tell(&q->wait, POLLIN | POLLRDNORM);
}

SYS_FILE(mq_timedsend)
{
    struct mqueue *q = f->data;
    uint64_t len = a[2];
    struct message *m, **at;
    int64_t e;

    if (f->ops != &mq_ops || (f->flags & O_ACCMODE) == O_RDONLY)
        return -EBADF;
    if (a[3] >= PRIORITIES || len > (uint64_t)q->attr.mq_msgsize)
        return a[3] >= PRIORITIES ? -EINVAL : -EMSGSIZE;
    m = mem_get(sizeof *m + len);
    if (!m)
        return -ENOMEM;
    *m = (struct message){ .priority = (uint32_t)a[3], .len = (uint32_t)len };
    e = user_read(m->bytes, a[1], len) ? -EFAULT : mq_await(f, POLLOUT, a[4]);
    if (e) {
        mem_put(m);
        return e;
    }
    for (at = &q->first; *at && (*at)->priority >= m->priority; at = &(*at)->next)
        ;
    m->next = *at;
    *at = m;
    q->attr.mq_curmsgs++;
    tell(q);
    return 0;
}

SYS_FILE(mq_timedreceive)
{
    struct mqueue *q = f->data;
    struct message *m;
    int64_t e;

    if (f->ops != &mq_ops || (f->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (a[2] < (uint64_t)q->attr.mq_msgsize)
        return -EMSGSIZE;
    e = mq_await(f, POLLIN, a[4]);
    if (e)
        return e;
    m = q->first;
    e = user_write(a[1], m->bytes, m->len) || (a[3] && user_write(a[3], &m->priority, 4)) ? -EFAULT : (int64_t)m->len;
    q->first = m->next;
    q->attr.mq_curmsgs--;
    mem_put(m);
    waitq_tell(&q->wait, POLLOUT | POLLWRNORM);
    return e;
}

/* A thread that is started by the C library asks for a socket's message instead: there are none. */
SYS_FILE(mq_notify)
{
    struct mqueue *q = f->data;

    if (f->ops != &mq_ops)
        return -EBADF;
    if (!a[1]) {
        q->notifies = false;
        return 0;
    }
    if (q->notifies)
        return -EBUSY;
    if (user_read(&q->notify, a[1], sizeof q->notify))
        return -EFAULT;
    if ((q->notify.how != SIGEV_SIGNAL && q->notify.how != SIGEV_NONE) || (q->notify.how == SIGEV_SIGNAL && (uint32_t)q->notify.signo - 1 >= SIGNALS - 1))
        return -EINVAL;
    q->notifies = true;
    return 0;
}

SYS_FILE(mq_getsetattr)
{
    struct mq_attr new = { 0 }, old;

    if (f->ops != &mq_ops)
        return -EBADF;
    old = ((struct mqueue *)f->data)->attr;
    old.mq_flags = f->flags & O_NONBLOCK;
    if (a[1] && user_read(&new, a[1], sizeof new))
        return -EFAULT;
    if (a[1] && new.mq_flags & ~(int64_t)O_NONBLOCK)
        return -EINVAL;
    if (a[2] && user_write(a[2], &old, sizeof old))
        return -EFAULT;
    if (a[1])
        f->flags = (f->flags & ~(uint32_t)O_NONBLOCK) | (uint32_t)new.mq_flags;
    return 0;
}
