/* System calls on sockets: arguments and messages between the program's memory and sock.c; and socket options. */
#include "libos/sock.h"
#include "libos/sys.h"

enum { SOL_IP = 0, SOL_SOCKET = 1, SOL_TCP = 6, SOL_UDP = 17, SOL_IPV6 = 41, SOL_NETLINK = 270 };
enum { SCM_RIGHTS = 1, SCM_CREDENTIALS };
#define IOV_MAX 1024u
#define CONTROL_MAX 20480u
#define FLAGS_NEW (O_NONBLOCK | O_CLOEXEC)

struct msghdr {
    uint64_t name;
    uint32_t namelen, pad;
    uint64_t iov, iovlen, control, controllen;
    uint32_t flags, pad2;
};
_Static_assert(sizeof(struct msghdr) == 56, "msghdr");
struct cmsghdr {
    uint64_t len;
    int32_t level, type;
};

static int get(uint64_t fd, struct file **f, struct sock **s)
{
    *f = fd_file(fd);
    *s = sock_of(*f);
    return !*f || (*f)->flags & O_PATH ? -EBADF : *s ? 0 : -ENOTSOCK;
}

static int name_read(user_t at, uint64_t len, struct sockname *n)
{
    *n = (struct sockname){ .len = (uint32_t)len };
    if ((int32_t)len < 0 || len > NAME_BYTES)
        return -EINVAL;
    return user_read(n->bytes, at, len);
}

static int name_write(const struct sockname *n, user_t at, user_t len_at)
{
    int32_t room;

    if (!at)
        return 0;
    if (user_read(&room, len_at, sizeof room))
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    if (user_write(at, n->bytes, min_u64((uint32_t)room, n->len)))
        return -EFAULT;
    return user_write(len_at, &n->len, sizeof n->len);
}

/* --- sockets --------------------------------------------------------------------------------------------------------------------- */
static int make(uint64_t family, uint64_t type, uint64_t protocol, struct sock **s)
{
    if ((type & ~(uint64_t)FLAGS_NEW) > 10 || !(type & SOCK_TYPE))
        return -EINVAL;
    switch (family) {
    case AF_UNIX: return unix_make(type & SOCK_TYPE, (uint32_t)protocol, s);
    case AF_INET:
    case AF_INET6: return inet_make((uint32_t)family, type & SOCK_TYPE, (uint32_t)protocol, s);
    case AF_NETLINK: return netlink_make(type & SOCK_TYPE, (uint32_t)protocol, s);
    }
    return -EAFNOSUPPORT;
}

static int64_t fd_of(struct sock *s, uint64_t type)
{
    struct file *f = sock_file(s, (uint32_t)type & O_NONBLOCK);

    return f ? fd_new(f, type & O_CLOEXEC, 0) : -ENOMEM;
}

SYS(socket)
{
    struct sock *s;
    int e = make((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], &s);

    return e ? e : fd_of(s, a[1]);
}

SYS(socketpair)
{
    struct sock *s[2] = { NULL, NULL };
    int32_t fd[2] = { -1, -1 };
    int e = (uint32_t)a[0] == AF_INET || (uint32_t)a[0] == AF_INET6 ? -EOPNOTSUPP : 0;

    for (unsigned i = 0; i < 2 && !e; i++)
        e = make((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], &s[i]);
    if (!e && (uint32_t)a[0] != AF_UNIX)
        e = -EOPNOTSUPP;
    if (!e)
        sock_pair(s[0], s[1]);
    for (unsigned i = 0; i < 2; i++) {
        if (!e)
            fd[i] = (int32_t)fd_of(s[i], a[1]);
        else if (s[i])
            s[i]->ops->close(s[i]), sock_put(s[i]);
    }
    if (e || (fd[0] >= 0 && fd[1] >= 0 && !user_write(a[3], fd, sizeof fd)))
        return e;
    e = fd[0] < 0 ? fd[0] : fd[1] < 0 ? fd[1] : -EFAULT;
    for (unsigned i = 0; i < 2; i++)
        if (fd[i] >= 0)
            fd_close((uint32_t)fd[i]);
    return e;
}

SYS(bind)
{
    struct file *f;
    struct sock *s;
    struct sockname n;
    int e = get(a[0], &f, &s);

    if (!e)
        e = name_read(a[1], (uint32_t)a[2], &n);
    return e ? e : s->ops->bind(s, &n);
}

SYS(listen)
{
    struct file *f;
    struct sock *s;
    int e = get(a[0], &f, &s);

    if (e)
        return e;
    if (!s->ops->listen || s->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (s->state != SOCKET_NEW && s->state != SOCKET_LISTENING)
        return -EINVAL;
    e = s->state == SOCKET_NEW ? s->ops->listen(s) : 0;
    if (e)
        return e;
    s->backlog = (uint32_t)min_u64((uint32_t)a[1], 4096);
    s->state = SOCKET_LISTENING;
    return 0;
}

SYS(accept4)
{
    struct file *f;
    struct sock *s;
    struct sockname n;
    int64_t fd;
    int e = get(a[0], &f, &s);

    if (e || a[3] & ~(uint64_t)FLAGS_NEW)
        return e ? e : -EINVAL;
    file_get(f);
    fd = sock_accept(f, (uint32_t)a[3], &n);
    file_put(f);
    if (fd >= 0 && (e = name_write(&n, a[1], a[2]))) {
        fd_close((uint64_t)fd);
        return e;
    }
    return fd;
}

SYS(connect)
{
    struct file *f;
    struct sock *s;
    struct sockname n;
    int e = get(a[0], &f, &s);

    if (!e)
        e = name_read(a[1], (uint32_t)a[2], &n);
    if (!e && n.len < 2)
        e = -EINVAL;
    if (e)
        return e;
    file_get(f);
    e = sock_connect(f, &n);
    file_put(f);
    return e;
}

SYS(getsockname)
{
    struct file *f;
    struct sock *s;
    struct sockname n;
    int e = get(a[0], &f, &s);

    if (e)
        return e;
    n = s->local;
    if (!n.len)
        n = (struct sockname){ .len = s->family == AF_INET6 ? 28 : 16, .family = s->family };
    return a[1] ? name_write(&n, a[1], a[2]) : -EFAULT;
}

SYS(getpeername)
{
    struct file *f;
    struct sock *s;
    int e = get(a[0], &f, &s);

    if (!e && s->state != SOCKET_CONNECTED)
        e = -ENOTCONN;
    if (!e && !s->remote.len) /* of a pair */
        return name_write(&(struct sockname){ .len = 2, .family = s->family }, a[1], a[2]);
    return e ? e : a[1] ? name_write(&s->remote, a[1], a[2]) : -EFAULT;
}

SYS(shutdown)
{
    struct file *f;
    struct sock *s;
    int e = get(a[0], &f, &s);

    return e ? e : sock_shutdown(s, a[1]);
}

/* --- messages ----------------------------------------------------------------------------------------------------------------------- */
static void message_free(struct message *m, const struct iovec *own)
{
    if (m->iov != own)
        mem_put(m->iov);
    rights_put(m->rights);
}

static int iov_read(struct message *m, user_t at, uint64_t n)
{
    if (n > IOV_MAX)
        return -EMSGSIZE;
    m->iov = mem_get((n + 1) * sizeof *m->iov);
    m->niov = (uint32_t)n;
    if (!m->iov)
        return -ENOMEM;
    if (user_read(m->iov, at, n * sizeof *m->iov))
        return -EFAULT;
    for (uint64_t i = 0; i < n; i++) {
        if ((int64_t)m->iov[i].len < 0)
            return -EINVAL;
        m->iov[i].len = min_u64(m->iov[i].len, 0x7FFFF000 - m->len);
        m->len += m->iov[i].len;
    }
    return 0;
}

static int rights_read(struct message *m, user_t at, uint64_t bytes)
{
    uint64_t n = bytes / sizeof(int32_t);
    int32_t fd;

    if (!m->rights)
        m->rights = mem_get(sizeof *m->rights);
    if (!m->rights)
        return -ENOMEM;
    if (m->rights->n + n > RIGHTS_MAX)
        return -EINVAL;
    for (uint64_t i = 0; i < n; i++) {
        struct file *f = user_read(&fd, at + 4 * i, sizeof fd) ? NULL : fd_file((uint32_t)fd);
        if (!f)
            return -EBADF;
        file_get(f);
        m->rights->file[m->rights->n++] = f;
    }
    return 0;
}

static int control_read(const struct sock *s, struct message *m, user_t at, uint64_t len)
{
    struct cmsghdr h;

    if (len > CONTROL_MAX)
        return -ENOBUFS;
    while (len >= sizeof h) {
        uint64_t step;
        int e = 0;
        if (user_read(&h, at, sizeof h))
            return -EFAULT;
        if (h.len < sizeof h || h.len > len)
            return -EINVAL;
        if (h.level == SOL_SOCKET && h.type == SCM_RIGHTS && s->family == AF_UNIX)
            e = rights_read(m, at + sizeof h, h.len - sizeof h);
        else if (h.level == SOL_SOCKET && h.type != SCM_RIGHTS && h.type != SCM_CREDENTIALS)
            e = -EINVAL;
        if (e)
            return e;
        step = min_u64(align_up(h.len, 8), len);
        at += step;
        len -= step;
    }
    return 0;
}

static int64_t send_header(uint64_t fd, user_t at, uint32_t flags)
{
    struct message m = { .flags = flags };
    struct msghdr h;
    struct file *f;
    struct sock *s;
    int64_t n = get(fd, &f, &s);

    if (!n && user_read(&h, at, sizeof h))
        n = -EFAULT;
    if (!n && h.name)
        n = name_read(h.name, h.namelen, &m.name);
    if (!n)
        n = iov_read(&m, h.iov, h.iovlen);
    if (!n && h.control)
        n = control_read(s, &m, h.control, h.controllen);
    if (!n) {
        file_get(f);
        n = sock_send(f, &m);
        file_put(f);
    }
    message_free(&m, NULL);
    return n;
}

SYS(sendmsg)
{
    return send_header(a[0], a[1], (uint32_t)a[2]);
}

SYS(sendto)
{
    struct iovec v = { a[1], min_u64(a[2], 0x7FFFF000) };
    struct message m = { .iov = &v, .niov = 1, .len = v.len, .flags = (uint32_t)a[3] };
    struct file *f;
    struct sock *s;
    int64_t n = get(a[0], &f, &s);

    if (!n && a[4])
        n = name_read(a[4], (uint32_t)a[5], &m.name);
    if (n)
        return n;
    file_get(f);
    n = sock_send(f, &m);
    file_put(f);
    return n;
}

/* One control message; what does not fit is cut, and said to be. */
static bool control_put(struct msghdr *h, uint64_t *at, int32_t type, const void *bytes, uint64_t n)
{
    struct cmsghdr c = { sizeof c + n, SOL_SOCKET, type };

    if (*at + c.len > h->controllen) {
        h->flags |= MSG_CTRUNC;
        return true;
    }
    if (user_write(h->control + *at, &c, sizeof c) || user_write(h->control + *at + sizeof c, bytes, n))
        return false;
    *at = min_u64(*at + align_up(c.len, 8), h->controllen);
    return true;
}

static bool rights_write(struct msghdr *h, uint64_t *at, struct message *m)
{
    int32_t fd[RIGHTS_MAX];
    uint32_t n = 0;
    uint64_t room = h->controllen >= *at + sizeof(struct cmsghdr) ? (h->controllen - *at - sizeof(struct cmsghdr)) / sizeof *fd : 0;

    while (n < m->rights->n && n < room) {
        int64_t made;
        file_get(m->rights->file[n]);
        made = fd_new(m->rights->file[n], m->flags & MSG_CMSG_CLOEXEC, 0);
        if (made < 0)
            break;
        fd[n++] = (int32_t)made;
    }
    if (n < m->rights->n)
        h->flags |= MSG_CTRUNC;
    return !n || control_put(h, at, SCM_RIGHTS, fd, n * sizeof *fd);
}

static int header_write(user_t to, struct msghdr *h, const struct sock *s, struct message *m)
{
    uint64_t at = 0;
    uint32_t room = h->namelen;

    h->flags = m->flags & (MSG_TRUNC | MSG_EOR | MSG_CMSG_CLOEXEC);
    if (h->name && m->name.len && user_write(h->name, m->name.bytes, min_u64(room, m->name.len)))
        return -EFAULT;
    h->namelen = m->name.len;
    if (s->options & OPT_PASSCRED && m->has_cred && !control_put(h, &at, SCM_CREDENTIALS, &m->cred, sizeof m->cred))
        return -EFAULT;
    if (m->rights && !rights_write(h, &at, m))
        return -EFAULT;
    h->controllen = at;
    return user_write(to, h, sizeof *h);
}

static int64_t recv_header(uint64_t fd, user_t at, uint32_t flags)
{
    struct message m = { .flags = flags };
    struct msghdr h;
    struct file *f;
    struct sock *s;
    int64_t n = get(fd, &f, &s);

    if (!n && user_read(&h, at, sizeof h))
        n = -EFAULT;
    if (!n)
        n = iov_read(&m, h.iov, h.iovlen);
    if (!n) {
        if (!h.control)
            h.controllen = 0;
        file_get(f);
        sock_get(s);
        n = sock_recv(f, &m);
        if (n >= 0 && header_write(at, &h, s, &m))
            n = -EFAULT;
        sock_put(s);
        file_put(f);
    }
    message_free(&m, NULL);
    return n;
}

SYS(recvmsg)
{
    return recv_header(a[0], a[1], (uint32_t)a[2]);
}

SYS(recvfrom)
{
    struct iovec v = { a[1], min_u64(a[2], 0x7FFFF000) };
    struct message m = { .iov = &v, .niov = 1, .len = v.len, .flags = (uint32_t)a[3] };
    struct file *f;
    struct sock *s;
    int64_t n = get(a[0], &f, &s);
    int e;

    if (n)
        return n;
    file_get(f);
    n = sock_recv(f, &m);
    file_put(f);
    e = n >= 0 && a[4] ? name_write(&m.name, a[4], a[5]) : 0;
    message_free(&m, &v);
    return e ? e : n;
}

/* Several messages: struct mmsghdr is a msghdr, the bytes moved, and padding. */
#define MMSG (sizeof(struct msghdr) + 8)

SYS(sendmmsg)
{
    uint64_t i = 0, count = min_u64((uint32_t)a[2], IOV_MAX);
    int64_t n = 0;

    for (; i < count; i++) {
        n = send_header(a[0], a[1] + i * MMSG, (uint32_t)a[3]);
        if (n >= 0 && user_write(a[1] + i * MMSG + sizeof(struct msghdr), &(uint32_t){ (uint32_t)n }, 4))
            n = -EFAULT;
        if (n < 0)
            break;
    }
    return i ? (int64_t)i : n;
}

SYS(recvmmsg)
{
    uint64_t i = 0, count = min_u64((uint32_t)a[2], IOV_MAX), ns = 0, end;
    uint32_t flags = (uint32_t)a[3];
    int64_t n = 0;

    if (a[4] && (n = timespec_read(a[4], &ns)))
        return n;
    end = a[4] ? time_mono() + ns : UINT64_MAX;
    for (; i < count; i++) {
        n = recv_header(a[0], a[1] + i * MMSG, flags & ~(uint32_t)MSG_WAITFORONE);
        if (n >= 0 && user_write(a[1] + i * MMSG + sizeof(struct msghdr), &(uint32_t){ (uint32_t)n }, 4))
            n = -EFAULT;
        if (n < 0)
            break;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (time_mono() >= end) {
            i++;
            break;
        }
    }
    return i ? (int64_t)i : n;
}

/* --- options ----------------------------------------------------------------------------------------------------------------------------- */
enum { SO_TYPE = 3, SO_ERROR = 4, SO_SNDBUF = 7, SO_RCVBUF = 8, SO_LINGER = 13, SO_PEERCRED = 17, SO_RCVTIMEO = 20, SO_SNDTIMEO = 21,
    SO_ACCEPTCONN = 30, SO_SNDBUFFORCE = 32, SO_RCVBUFFORCE, SO_PROTOCOL = 38, SO_DOMAIN };

/* Those that are a bit; those that are only remembered, with what they are at first. */
static const struct { uint16_t level, name, bit; } bits[] = {
    { SOL_SOCKET, 2, OPT_REUSEADDR }, { SOL_SOCKET, 15, OPT_REUSEPORT }, { SOL_SOCKET, 9, OPT_KEEPALIVE }, { SOL_SOCKET, 6, OPT_BROADCAST },
    { SOL_SOCKET, 16, OPT_PASSCRED }, { SOL_SOCKET, 10, OPT_OOBINLINE }, { SOL_SOCKET, 29, OPT_TIMESTAMP }, { SOL_TCP, 1, OPT_NODELAY },
    { SOL_TCP, 3, OPT_CORK }, { SOL_IPV6, 26, OPT_V6ONLY },
};
static const struct { uint16_t level, name; int32_t value; } kept[] = {
    { SOL_SOCKET, 1, 0 }, { SOL_SOCKET, 5, 0 }, { SOL_SOCKET, 12, 0 }, { SOL_SOCKET, 18, 1 }, { SOL_SOCKET, 36, 0 }, { SOL_SOCKET, 46, 0 },
    { SOL_SOCKET, 49, 0 },
    { SOL_TCP, 2, 536 }, { SOL_TCP, 4, 7200 }, { SOL_TCP, 5, 75 }, { SOL_TCP, 6, 9 }, { SOL_TCP, 7, 6 }, { SOL_TCP, 8, 60 }, { SOL_TCP, 9, 0 },
    { SOL_TCP, 12, 1 }, { SOL_TCP, 18, 0 }, { SOL_TCP, 23, 0 }, { SOL_TCP, 25, 0 }, { SOL_TCP, 30, 0 },
    { SOL_IP, 1, 0 }, { SOL_IP, 2, 64 }, { SOL_IP, 8, 0 }, { SOL_IP, 10, 1 }, { SOL_IP, 11, 0 }, { SOL_IP, 12, 0 }, { SOL_IP, 13, 0 }, { SOL_IP, 15, 0 },
    { SOL_IP, 24, 0 }, { SOL_IP, 33, 1 }, { SOL_IP, 34, 1 }, { SOL_IP, 49, 1 },
    { SOL_IPV6, 16, 64 }, { SOL_IPV6, 18, 64 }, { SOL_IPV6, 19, 1 }, { SOL_IPV6, 23, 1 }, { SOL_IPV6, 25, 0 }, { SOL_IPV6, 49, 0 },
    { SOL_IPV6, 66, 0 }, { SOL_IPV6, 67, 0 },
    { SOL_NETLINK, 1, 0 }, { SOL_NETLINK, 10, 0 }, { SOL_NETLINK, 11, 0 }, { SOL_NETLINK, 12, 0 },
};

static bool applies(const struct sock *s, uint64_t level)
{
    switch (level) {
    case SOL_SOCKET: return true;
    case SOL_TCP: return s->type == SOCK_STREAM && (s->family == AF_INET || s->family == AF_INET6);
    case SOL_IP: return s->family == AF_INET || s->family == AF_INET6;
    case SOL_IPV6: return s->family == AF_INET6;
    case SOL_NETLINK: return s->family == AF_NETLINK;
    }
    return false;
}

static uint32_t bit_of(uint64_t level, uint64_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(bits); i++)
        if (bits[i].level == level && bits[i].name == name)
            return bits[i].bit;
    return 0;
}

static const int32_t *kept_default(uint64_t level, uint64_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        if (kept[i].level == level && kept[i].name == name)
            return &kept[i].value;
    return NULL;
}

static struct kept_option *kept_find(struct sock *s, uint64_t level, uint64_t name, bool make)
{
    for (size_t i = 0; i < ARRAY_LEN(s->kept); i++) {
        struct kept_option *k = &s->kept[i];
        if (k->name == name && k->level == level)
            return k;
        if (!k->name && make) {
            *k = (struct kept_option){ .level = (uint16_t)level, .name = (uint16_t)name };
            return k;
        }
    }
    return NULL;
}

static int timeout_set(uint64_t *ns, user_t at, uint64_t len)
{
    struct timeval t;

    if (len < sizeof t)
        return -EINVAL;
    if (user_read(&t, at, sizeof t))
        return -EFAULT;
    if (t.usec < 0 || t.usec >= 1000000)
        return -EDOM;
    *ns = t.sec < 0 ? 1 : (uint64_t)min_u64((uint64_t)t.sec, 1u << 30) * 1000000000u + (uint64_t)t.usec * 1000;
    return 0;
}

static int linger_set(struct sock *s, user_t at, uint64_t len)
{
    int32_t v[2];

    if (len < sizeof v)
        return -EINVAL;
    if (user_read(v, at, sizeof v))
        return -EFAULT;
    s->linger_on = v[0] != 0;
    s->linger = (uint32_t)v[1];
    return 0;
}

static int option_set(struct sock *s, uint64_t level, uint64_t name, int32_t v)
{
    struct kept_option *k;
    uint32_t bit = bit_of(level, name);

    if (bit == OPT_V6ONLY && s->local.len)
        return -EINVAL;
    if (bit) {
        s->options = v ? s->options | bit : s->options & ~bit;
        return 0;
    }
    if (level == SOL_SOCKET && (name == SO_RCVBUF || name == SO_RCVBUFFORCE)) {
        s->rx_limit = (uint32_t)max_u64(2304, 2 * min_u64((uint32_t)v, 212992));
        return 0;
    }
    if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_SNDBUFFORCE)) {
        s->send_size = (uint32_t)max_u64(4608, 2 * min_u64((uint32_t)v, 212992));
        return 0;
    }
    if (!kept_default(level, name))
        return -ENOPROTOOPT;
    k = kept_find(s, level, name, true);
    if (k)
        k->value = v;
    return 0;
}

SYS(setsockopt)
{
    uint64_t level = (uint32_t)a[1], name = (uint32_t)a[2], len = (uint32_t)a[4];
    struct file *f;
    struct sock *s;
    int32_t v = 0;
    int e = get(a[0], &f, &s);

    if (e)
        return e;
    if (!applies(s, level))
        return level == SOL_UDP || level == SOL_TCP || level == SOL_IPV6 ? -ENOPROTOOPT : s->family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        return timeout_set(name == SO_RCVTIMEO ? &s->rx_timeout : &s->tx_timeout, a[3], len);
    if (level == SOL_SOCKET && name == SO_LINGER)
        return linger_set(s, a[3], len);
    if (level == SOL_TCP && name == 13) /* congestion control: any will do */
        return 0;
    if (len < sizeof v && !(level == SOL_IP && len)) /* there, a byte is enough */
        return -EINVAL;
    if (user_read(&v, a[3], min_u64(len, sizeof v)))
        return -EFAULT;
    return option_set(s, level, name, v);
}

static bool option_get(struct sock *s, uint64_t level, uint64_t name, int32_t *v)
{
    struct kept_option *k;
    uint32_t bit = bit_of(level, name);

    if (bit) {
        *v = (s->options & bit) != 0;
        return true;
    }
    k = kept_find(s, level, name, false);
    if (k || kept_default(level, name)) {
        *v = k ? k->value : *kept_default(level, name);
        return true;
    }
    if (level != SOL_SOCKET)
        return false;
    switch (name) {
    case SO_TYPE: *v = s->type; return true;
    case SO_ERROR:
        *v = s->error;
        s->error = 0;
        return true;
    case SO_SNDBUF: *v = (int32_t)s->send_size; return true;
    case SO_RCVBUF: *v = (int32_t)s->rx_limit; return true;
    case SO_ACCEPTCONN: *v = s->state == SOCKET_LISTENING; return true;
    case SO_PROTOCOL: *v = s->protocol; return true;
    case SO_DOMAIN: *v = s->family; return true;
    }
    return false;
}

/* Options that are more than a number: their bytes, 0: it is none of them. */
static uint64_t struct_get(const struct sock *s, uint64_t level, uint64_t name, uint8_t bytes[104])
{
    uint64_t ns = name == SO_RCVTIMEO ? s->rx_timeout : s->tx_timeout;
    const struct timeval t = { (int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u / 1000) };
    const struct ucred nobody = { 0, UINT32_MAX, UINT32_MAX };
    const int32_t linger[2] = { (int32_t)s->linger_on, (int32_t)s->linger };

    memset(bytes, 0, 104);
    if (level == SOL_SOCKET && name == SO_LINGER)
        return memcpy(bytes, linger, sizeof linger), sizeof linger;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))
        return memcpy(bytes, &t, sizeof t), sizeof t;
    if (level == SOL_SOCKET && name == SO_PEERCRED)
        return memcpy(bytes, s->family == AF_UNIX && s->state != SOCKET_NEW ? &s->cred : &nobody, sizeof s->cred), sizeof s->cred;
    if (level == SOL_TCP && name == 13)
        return memcpy(bytes, "cubic", 5), 16;
    if (level == SOL_TCP && name == 11) { /* struct tcp_info: its state, and nothing known of the rest */
        bytes[0] = s->state == SOCKET_CONNECTED ? 1 : s->state == SOCKET_LISTENING ? 10 : 7;
        return 104;
    }
    return 0;
}

SYS(getsockopt)
{
    uint64_t level = (uint32_t)a[1], name = (uint32_t)a[2], n;
    uint8_t bytes[104];
    struct file *f;
    struct sock *s;
    int32_t v, room;
    int e = get(a[0], &f, &s);

    if (e)
        return e;
    if (user_read(&room, a[4], sizeof room))
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    if (!applies(s, level))
        return s->family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
    n = struct_get(s, level, name, bytes);
    if (!n) {
        if (!option_get(s, level, name, &v))
            return -ENOPROTOOPT;
        memcpy(bytes, &v, sizeof v);
        n = sizeof v;
    }
    n = min_u64(n, (uint32_t)room);
    v = (int32_t)n;
    return user_write(a[3], bytes, n) || user_write(a[4], &v, sizeof v) ? -EFAULT : 0;
}
