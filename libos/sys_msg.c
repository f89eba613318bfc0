/* System calls that send and receive messages between the program's memory and sock.c. */
#include "libos/sys_sock.h"

enum { SCM_RIGHTS = 1, SCM_CREDENTIALS };
#define IOV_MAX 1024u
#define CONTROL_MAX 20480u

struct msghdr {
    uint64_t name;
    uint32_t namelen, pad;
    uint64_t iov, iovlen, control, controllen;
    uint32_t flags, pad2;
};
_Static_assert(sizeof(struct msghdr) == 56, "msghdr");
#define MMSG (sizeof(struct msghdr) + 8) /* struct mmsghdr: the bytes moved, and padding, behind it */
struct cmsghdr {
    uint64_t len;
    int32_t level, type;
};

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

    if (!n)
        return 0;
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
        else if (h.level == SOL_SOCKET && h.type == SCM_CREDENTIALS)
            m->has_cred = true;
        else if (h.level == SOL_SOCKET && h.type != SCM_RIGHTS)
            e = -EINVAL;
        if (e)
            return e;
        step = min_u64(align_up(h.len, 8), len);
        at += step;
        len -= step;
    }
    return 0;
}

static int64_t send_header(struct file *f, struct sock *s, user_t at, uint32_t flags)
{
    struct message m = { .flags = flags };
    struct msghdr h;
    int64_t n = user_read(&h, at, sizeof h);

    if (!n && h.name)
        n = name_read(h.name, h.namelen, &m.name);
    if (!n)
        n = iov_read(&m, h.iov, h.iovlen);
    if (!n && h.control)
        n = control_read(s, &m, h.control, h.controllen);
    if (!n)
        n = sock_send(f, &m);
    mem_put(m.iov);
    rights_put(m.rights);
    return n;
}

SYS_SOCK(sendmsg) { return send_header(f, s, a[1], (uint32_t)a[2]); }

SYS_SOCK(sendto)
{
    struct iovec v = { a[1], min_u64(a[2], 0x7FFFF000) };
    struct message m = { .iov = &v, .niov = 1, .len = v.len, .flags = (uint32_t)a[3] };
    int e = a[4] ? name_read(a[4], (uint32_t)a[5], &m.name) : 0;

    return e ? e : sock_send(f, &m);
}

/* --- receiving --------------------------------------------------------------------------------------------------------------------- */
/* One control message; what does not fit is cut, and said to be. */
static bool control_put(struct msghdr *h, uint64_t *at, int32_t type, const void *bytes, uint64_t n)
{
    struct cmsghdr c = { sizeof c + n, SOL_SOCKET, type };

    if (*at + c.len > h->controllen) {
        h->flags |= MSG_CTRUNC;
        if (*at + sizeof c > h->controllen)
            return true;
        c.len = h->controllen - *at;
        n = c.len - sizeof c;
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

    h->flags = m->flags & (MSG_TRUNC | MSG_CMSG_CLOEXEC);
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

static int64_t recv_header(struct file *f, struct sock *s, user_t at, uint32_t flags)
{
    struct message m = { .flags = flags };
    struct msghdr h;
    int64_t n = user_read(&h, at, sizeof h);

    if (!n)
        n = iov_read(&m, h.iov, h.iovlen);
    if (!n) {
        h.controllen = h.control ? h.controllen : 0;
        n = sock_recv(f, &m);
        if (n >= 0 && header_write(at, &h, s, &m))
            n = -EFAULT;
    }
    mem_put(m.iov);
    rights_put(m.rights);
    return n;
}

SYS_SOCK(recvmsg) { return recv_header(f, s, a[1], (uint32_t)a[2]); }

SYS_SOCK(recvfrom)
{
    struct iovec v = { a[1], min_u64(a[2], 0x7FFFF000) };
    struct message m = { .iov = &v, .niov = 1, .len = v.len, .flags = (uint32_t)a[3] };
    int64_t n = sock_recv(f, &m);
    int e = n >= 0 && a[4] ? name_write(&m.name, a[4], a[5]) : 0;

    rights_put(m.rights);
    return e ? e : n;
}

/* --- several at once ------------------------------------------------------------------------------------------------------------------ */
static int64_t many(struct file *f, const uint64_t a[6], bool out, uint32_t flags, uint64_t end)
{
    uint64_t i = 0, count = min_u64((uint32_t)a[2], IOV_MAX);
    int64_t n = 0;

    for (user_t at = a[1]; i < count; at += MMSG) {
        n = (out ? send_header : recv_header)(f, f->data, at, flags & ~(uint32_t)MSG_WAITFORONE);
        if (n >= 0 && user_write(at + sizeof(struct msghdr), &(uint32_t){ (uint32_t)n }, 4))
            n = -EFAULT;
        if (n < 0)
            break;
        i++;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (end != UINT64_MAX && time_mono() >= end)
            break;
    }
    return i ? (int64_t)i : n;
}

SYS_SOCK(sendmmsg) { return many(f, a, true, (uint32_t)a[3] & ~(uint32_t)MSG_WAITFORONE, UINT64_MAX); }

SYS_SOCK(recvmmsg)
{
    uint64_t ns = 0;
    int e = a[4] ? timespec_read(a[4], &ns) : 0;

    return e ? e : many(f, a, false, (uint32_t)a[3], a[4] ? time_mono() + ns : UINT64_MAX);
}
