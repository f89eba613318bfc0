/* Sockets as the system calls use them: receiving, sending, connecting, with their ways of waiting, and the file in front. */
#include <asm/sockios.h>
#include "libos/sock.h"
#include "libos/user.h"

/* --- waiting ------------------------------------------------------------------------------------------------------------------- */
static uint64_t deadline_of(uint64_t timeout) { return timeout ? time_mono() + timeout : 0; }

/* Until something about s changes, or about whom it is blocked on. -EAGAIN: the time is over. */
static int wait_for(struct sock *s, uint64_t deadline)
{
    struct sock *on = s->blocked_on ? s->blocked_on : s;
    int e;

    s->blocked_on = NULL;
    net_push();
    sock_get(on);
    e = waitq_wait(&on->wait, deadline);
    sock_put(on);
    return e == -ETIMEDOUT ? -EAGAIN : e == -EINTR && !deadline ? -ERESTARTSYS : e;
}

static bool never_waits(const struct file *f, const struct message *m)
{
    return f->flags & O_NONBLOCK || m->flags & MSG_DONTWAIT;
}

static int error_take(struct sock *s)
{
    int e = -s->error;

    s->error = 0;
    return e;
}

/* --- receiving -------------------------------------------------------------------------------------------------------------------- */
static void packet_extras(struct message *m, struct packet *p)
{
    m->cred = p->cred;
    m->has_cred = true;
    if (p->from)
        m->name = *p->from;
    if (p->rights && !m->rights && m->flags & MSG_PEEK) { /* whoever peeks gets descriptors of its own */
        m->rights = mem_get(sizeof *m->rights);
        if (m->rights) {
            *m->rights = *p->rights;
            for (uint32_t i = 0; i < p->rights->n; i++)
                file_get(p->rights->file[i]);
        }
    } else if (p->rights && !m->rights) {
        m->rights = p->rights;
        p->rights = NULL;
    }
}

static void sender_wake(struct sock *s, uint32_t n)
{
    if (s->ops->taken)
        s->ops->taken(s, n);
    if (s->peer && (s->type != SOCK_STREAM || (sock_room(s) >= sock_limit(s) / 3 && sock_room(s) - n < sock_limit(s) / 3 + 4096)))
        waitq_tell(&s->peer->wait, POLLOUT | POLLWRNORM);
    if (s->type == SOCK_DGRAM) /* senders without a connection wait here */
        waitq_tell(&s->wait, 0);
}

static int stream_take(struct sock *s, struct message *m)
{
    uint32_t taken = 0;
    int e = 0;

    for (struct list *l = s->rx.next, *next; l != &s->rx && m->done < m->len; l = next) {
        struct packet *p = container_of(l, struct packet, link);
        uint32_t n = (uint32_t)min_u64(p->len - p->at, m->len - m->done);
        next = l->next;
        if (m->done && s->options & OPT_PASSCRED && memcmp(&m->cred, &p->cred, sizeof p->cred))
            break;
        if (!(m->flags & MSG_TRUNC && s->family != AF_UNIX) && message_move(m, m->done, p->bytes + p->at, n, true)) {
            e = m->done ? 0 : -EFAULT;
            break;
        }
        m->done += n;
        packet_extras(m, p);
        if (m->flags & MSG_PEEK)
            continue;
        p->at += n;
        s->rx_bytes -= n;
        taken += n;
        if (p->at == p->len)
            packet_free(s, p);
        if (m->rights)
            break;
    }
    if (taken)
        sender_wake(s, taken);
    return e;
}

static int packet_take(struct sock *s, struct message *m)
{
    struct packet *p = packet_first(s);
    uint32_t n = (uint32_t)min_u64(p->len, m->len), len = p->len;
    bool whole = m->flags & MSG_TRUNC;

    if (message_move(m, 0, p->bytes, n, true))
        return -EFAULT;
    packet_extras(m, p);
    m->done = whole ? len : n;
    m->flags = (m->flags & ~(uint32_t)MSG_TRUNC) | (n < len ? MSG_TRUNC : 0);
    if (!(m->flags & MSG_PEEK)) {
        packet_free(s, p);
        sender_wake(s, len);
    }
    return 0;
}

/* What recv() says while the queue is empty: 1: wait. */
static int empty_says(struct sock *s)
{
    if (s->error)
        return error_take(s);
    if (s->rx_end)
        return 0;
    if (s->state == SOCKET_DOWN)
        return s->was_connected ? 0 : -ENOTCONN;
    if (s->type != SOCK_DGRAM && s->family != AF_NETLINK && s->state != SOCKET_CONNECTED && s->state != SOCKET_CONNECTING)
        return s->state == SOCKET_LISTENING && s->family == AF_UNIX ? -EINVAL : -ENOTCONN;
    return 1;
}

static int64_t recv_loop(struct file *f, struct sock *s, struct message *m)
{
    uint64_t deadline = deadline_of(s->rx_timeout);
    int e = 0;

    for (;;) {
        if (!list_empty(&s->rx)) {
            e = s->type == SOCK_STREAM ? stream_take(s, m) : packet_take(s, m);
            if (e || s->type != SOCK_STREAM || m->done == m->len || !(m->flags & MSG_WAITALL) || m->flags & MSG_PEEK || m->rights)
                return e ? e : (int64_t)m->done;
        }
        e = empty_says(s);
        if (e <= 0)
            return m->done ? (int64_t)m->done : e;
        e = never_waits(f, m) ? -EAGAIN : wait_for(s, deadline);
        if (e)
            return m->done ? (int64_t)m->done : e;
    }
}

int64_t sock_recv(struct file *f, struct message *m)
{
    struct sock *s = f->data;
    uint32_t report = m->flags & MSG_CMSG_CLOEXEC;
    int64_t n;

    if (m->flags & (MSG_OOB | MSG_ERRQUEUE))
        return m->flags & MSG_OOB ? -EINVAL : -EAGAIN;
    n = recv_loop(f, s, m);
    m->flags = (s->type == SOCK_STREAM ? 0 : m->flags & MSG_TRUNC) | report;
    return n;
}

/* --- sending ------------------------------------------------------------------------------------------------------------------------ */
static int64_t send_loop(struct file *f, struct sock *s, struct message *m)
{
    uint64_t deadline = deadline_of(s->tx_timeout);
    int e;

    do {
        e = s->error ? error_take(s) : s->tx_end ? -EPIPE : s->ops->send(s, m);
        if (e == -EAGAIN && !never_waits(f, m))
            e = wait_for(s, deadline);
    } while (!e && m->done < m->len);
    return m->done ? (int64_t)m->done : e;
}

int64_t sock_send(struct file *f, struct message *m)
{
    struct sock *s = f->data;
    int64_t n;

    if (m->flags & MSG_OOB)
        return -EOPNOTSUPP;
    m->cred = (struct ucred){ boot->pid, user_id.effective, group_id.effective };
    m->has_cred = m->has_cred || s->options & OPT_PASSCRED;
    n = send_loop(f, s, m);
    if (n == -EPIPE && s->type != SOCK_DGRAM && !(m->flags & MSG_NOSIGNAL))
        signal_post(current, SIGPIPE, NULL);
    return n;
}

/* --- connections ---------------------------------------------------------------------------------------------------------------------- */
int sock_connect(struct file *f, const struct sockname *to)
{
    struct sock *s = f->data;
    uint64_t deadline = deadline_of(s->tx_timeout);
    int e;

    if (s->state == SOCKET_LISTENING)
        return s->family == AF_UNIX ? -EINVAL : -EISCONN;
    if (s->state == SOCKET_CONNECTING) {
        if (f->flags & O_NONBLOCK)
            return -EALREADY;
    } else if (s->type != SOCK_DGRAM && s->state == SOCKET_CONNECTED) {
        e = s->untold ? 0 : -EISCONN;
        s->untold = false;
        return e;
    } else if (s->type != SOCK_DGRAM && (s->error || sock_refused(s))) {
        e = s->error ? error_take(s) : -ECONNABORTED; /* the error has been told by another call */
        s->rx_end = s->tx_end = false;
        return e;
    } else {
        while ((e = s->ops->connect(s, to)) == -EAGAIN && !(f->flags & O_NONBLOCK) && !(e = wait_for(s, deadline)))
            ;
        if ((!e || e == -ECONNREFUSED) && f->flags & O_NONBLOCK && s->type == SOCK_STREAM && s->family != AF_UNIX) {
            if (e)
                sock_refuse(s, -e);
            e = -EINPROGRESS; /* as over a wire: programs count on it */
        }
        if (e != -EINPROGRESS)
            return e;
    }
    net_push();
    s->untold = f->flags & O_NONBLOCK;
    if (s->untold)
        return -EINPROGRESS;
    for (e = 0; !e && s->state == SOCKET_CONNECTING;)
        e = wait_for(s, deadline);
    if (!e && s->state == SOCKET_NEW)
        s->rx_end = s->tx_end = false; /* this call tells it */
    return e == -EAGAIN ? -EINPROGRESS : e ? e : error_take(s);
}

int64_t sock_accept(struct file *f, uint32_t flags, struct sockname *name)
{
    struct sock *s = f->data, *c;
    struct list *l;
    struct file *made;
    uint64_t deadline = deadline_of(s->rx_timeout);

    if (s->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    while (!(l = s->state == SOCKET_LISTENING ? list_pop_front(&s->accept) : NULL)) {
        int e = s->state != SOCKET_LISTENING ? -EINVAL : s->error ? error_take(s) : f->flags & O_NONBLOCK ? -EAGAIN : wait_for(s, deadline);
        if (e)
            return e;
    }
    c = container_of(l, struct sock, link);
    s->waiting--;
    if (s->family == AF_UNIX)
        waitq_tell(&s->wait, 0); /* connectors wait for room */
    *name = c->remote;
    made = sock_file(c, O_RDWR | (flags & O_NONBLOCK));
    return made ? fd_new(made, flags & O_CLOEXEC, 0) : -ENOMEM;
}

int sock_shutdown(struct sock *s, uint64_t how)
{
    bool read = how != SHUT_WR, write = how != SHUT_RD;

    if (how > SHUT_RDWR)
        return -EINVAL;
    if (s->state == SOCKET_LISTENING && s->family != AF_UNIX && read) {
        s->state = SOCKET_DOWN;
        s->ops->close(s);
        waitq_wake(&s->wait);
        return 0;
    }
    if (s->state != SOCKET_CONNECTED && s->state != SOCKET_CONNECTING && !(s->family == AF_UNIX && s->type == SOCK_DGRAM))
        return s->was_connected && s->family == AF_UNIX ? 0 : -ENOTCONN;
    write = write && !s->tx_end;
    s->rx_end = s->rx_end || read;
    s->tx_end = s->tx_end || write;
    if (s->ops->shut)
        s->ops->shut(s, read, write);
    net_push();
    waitq_wake(&s->wait);
    return 0;
}

/* --- the file ------------------------------------------------------------------------------------------------------------------------- */
static int64_t file_io(struct file *f, user_t at, uint64_t len, bool out)
{
    struct iovec v = { at, len };
    struct message m = { .iov = &v, .niov = 1, .len = len };
    int64_t n = out ? sock_send(f, &m) : sock_recv(f, &m);

    rights_put(m.rights);
    return n;
}

static int64_t sock_read(struct file *f, user_t to, uint64_t len, UNUSED uint64_t *pos)
{
    return len || ((struct sock *)f->data)->type != SOCK_STREAM ? file_io(f, to, len, false) : 0;
}

static int64_t sock_write(struct file *f, user_t from, uint64_t len, UNUSED uint64_t *pos)
{
    return file_io(f, from, len, true);
}

static uint32_t sock_poll(struct file *f)
{
    struct sock *s = f->data;
    uint32_t now = s->error ? POLLERR : 0;

    if (s->state == SOCKET_LISTENING)
        return now | (list_empty(&s->accept) ? 0 : POLLIN | POLLRDNORM);
    if (s->state == SOCKET_CONNECTING)
        return now;
    if (!list_empty(&s->rx) || s->rx_end || s->error)
        now |= POLLIN | POLLRDNORM;
    if (s->rx_end)
        now |= POLLRDHUP;
    if (s->rx_end && s->tx_end)
        now |= POLLHUP;
    if (s->type != SOCK_DGRAM && s->family != AF_NETLINK && s->state != SOCKET_CONNECTED && !s->was_connected)
        return now | POLLHUP | (s->family == AF_UNIX || s->family == AF_INET || s->family == AF_INET6 ? POLLOUT | POLLWRNORM : 0);
    if (s->tx_end || s->ops->writable(s))
        now |= POLLOUT | POLLWRNORM;
    return now;
}

static int64_t sock_ioctl(struct file *f, uint64_t request, user_t arg)
{
    struct sock *s = f->data;
    int32_t n = 0;

    switch (request) {
    case FIONREAD:
        if (s->state == SOCKET_LISTENING)
            return -EINVAL;
        n = (int32_t)(s->type == SOCK_STREAM ? s->rx_bytes : list_empty(&s->rx) ? 0 : packet_first(s)->len);
        return user_write(arg, &n, sizeof n);
    case TIOCOUTQ:
        n = s->peer ? (int32_t)s->peer->rx_bytes : s->conv && s->may_send < APP_NET_WINDOW ? (int32_t)(APP_NET_WINDOW - s->may_send) : 0;
        return user_write(arg, &n, sizeof n);
    case SIOCATMARK: return user_write(arg, &n, sizeof n);
    }
    return iface_ioctl(request, arg);
}

static void sock_close(struct file *f)
{
    struct sock *s = f->data;

    s->ops->close(s);
    sock_put(s);
}

static const struct file_ops sock_file_ops = { .read = sock_read, .write = sock_write, .poll = sock_poll, .ioctl = sock_ioctl, .close = sock_close };

struct file *sock_file(struct sock *s, uint32_t flags)
{
    struct file *f = file_new(&sock_file_ops, O_RDWR | flags);

    if (!f) {
        s->ops->close(s);
        sock_put(s);
        return NULL;
    }
    f->mode = S_IFSOCK | 0777;
    f->data = s;
    f->wait = &s->wait;
    return f;
}

struct sock *sock_of(struct file *f) { return f && f->ops == &sock_file_ops ? f->data : NULL; }
