/* System calls that make, name and connect sockets. */
#include "libos/sys_sock.h"

#define FLAGS_NEW (O_NONBLOCK | O_CLOEXEC)

int name_read(user_t at, uint64_t len, struct sockname *n)
{
    *n = (struct sockname){ .len = (uint32_t)len };
    if ((int32_t)len < 0 || len > NAME_BYTES)
        return -EINVAL;
    return user_read(n->bytes, at, len);
}

int name_write(const struct sockname *n, user_t at, user_t len_at)
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

SYS(socket)
{
    struct sock *s;
    struct file *f;
    int e = make((uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2], &s);

    if (e)
        return e;
    f = sock_file(s, (uint32_t)a[1] & O_NONBLOCK);
    return f ? fd_new(f, a[1] & O_CLOEXEC, 0) : -ENOMEM;
}

SYS(socketpair)
{
    struct sock *s[2] = { NULL, NULL };
    struct file *f[2] = { NULL, NULL };
    uint32_t family = (uint32_t)a[0];
    int64_t e = family == AF_INET || family == AF_INET6 ? -EOPNOTSUPP : 0;

    for (unsigned i = 0; i < 2 && !e; i++) {
        e = make(family, (uint32_t)a[1], (uint32_t)a[2], &s[i]);
        f[i] = e ? NULL : sock_file(s[i], (uint32_t)a[1] & O_NONBLOCK);
        e = e ? e : !f[i] ? -ENOMEM : family != AF_UNIX ? -EOPNOTSUPP : 0;
    }
    if (!e) {
        sock_pair(s[0], s[1]);
        return fd_pair(f, a[1] & O_CLOEXEC, a[3]);
    }
    for (unsigned i = 0; i < 2; i++)
        if (f[i])
            file_put(f[i]);
    return e;
}

SYS_SOCK(bind)
{
    struct sockname n;
    int e = name_read(a[1], (uint32_t)a[2], &n);

    return e ? e : s->ops->bind(s, &n);
}

SYS_SOCK(listen)
{
    int e;

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

SYS_SOCK(accept4)
{
    struct sockname n;
    int64_t fd = a[3] & ~(uint64_t)FLAGS_NEW ? -EINVAL : sock_accept(f, (uint32_t)a[3], &n);
    int e = fd < 0 ? 0 : name_write(&n, a[1], a[2]);

    if (e)
        fd_close((uint64_t)fd);
    return e ? e : fd;
}

SYS_SOCK(connect)
{
    struct sockname n;
    int e = name_read(a[1], (uint32_t)a[2], &n);

    return e ? e : n.len < 2 ? -EINVAL : sock_connect(f, &n);
}

SYS_SOCK(getsockname)
{
    const struct sockname none = { .len = s->family == AF_INET6 ? 28 : 16, .family = s->family };

    return a[1] ? name_write(s->local.len ? &s->local : &none, a[1], a[2]) : -EFAULT;
}

SYS_SOCK(getpeername)
{
    const struct sockname of_pair = { .len = 2, .family = s->family };

    if (s->state != SOCKET_CONNECTED)
        return -ENOTCONN;
    return s->remote.len && !a[1] ? -EFAULT : name_write(s->remote.len ? &s->remote : &of_pair, a[1], a[2]);
}

SYS_SOCK(shutdown) { return sock_shutdown(s, a[1]); }
