/* Conversations: one host socket each, never blocking. Whoever owns one (the tree, the mux) is told by conv->ready when it is worth trying again. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/str.h"
#include "ground/linux/net.h"

#define SLOT(key) ((key) % APP_NET_CONVS)
#define EVENTS 64

struct conv *conv_new(struct net *n, bool udp)
{
    struct conv *c;

    for (unsigned tries = 0; n->convs[SLOT(++n->last_key)] || !SLOT(n->last_key); tries++)
        if (tries == 2 * APP_NET_CONVS)
            return NULL;
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct conv){ .net = n, .key = n->last_key, .udp = udp, .fd = -1 };
    n->convs[SLOT(c->key)] = c;
    return c;
}

struct conv *conv_find(struct net *n, uint64_t key)
{
    struct conv *c = n->convs[SLOT(key)];

    return c && c->key == key ? c : NULL;
}

static void socket_drop(struct conv *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->readable = c->writable = false;
    if (c->port) { /* keep it for the guest's next listener; if somebody was faster, that one is told */
        c->port->fd = net_port_open(c->port->port);
        c->port = NULL;
    }
}

void conv_free(struct conv *c)
{
    socket_drop(c);
    c->net->convs[SLOT(c->key)] = NULL;
    free(c->peers);
    free(c);
}

static int socket_take(struct conv *c, int fd)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = c->key };
    int one = 1;

    if (epoll_ctl(c->net->epoll, EPOLL_CTL_ADD, fd, &ev))
        return -errno;
    c->fd = fd;
    if (!c->udp) /* what is to be sent together comes together */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->keepalive)
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    return 0;
}

static int socket_make(struct conv *c, const struct app_net_addr *like)
{
    struct sockaddr_storage at;
    int fd, e;

    net_addr_to(like, &at);
    fd = socket(at.ss_family, (c->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    e = socket_take(c, fd);
    if (e)
        close(fd);
    return e;
}

static int socket_bind(struct conv *c, const struct app_net_addr *to)
{
    struct sockaddr_storage at;
    socklen_t len = net_addr_to(to, &at);
    int one = 1;

    if (!c->udp)
        setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(c->fd, (struct sockaddr *)&at, len) ? -errno : 0;
}

/* A socket to send to that address from, unless there is one. */
static int socket_need(struct conv *c, const struct app_net_addr *to)
{
    int e = c->fd < 0 ? socket_make(c, to) : 1;

    if (!e && c->net->mode == GUEST_NET_HOST && net_port_number(&c->bound))
        e = socket_bind(c, &c->bound);
    return e < 0 ? e : 0;
}

/* --- commands ------------------------------------------------------------------------------------------------------------- */
static int do_connect(struct conv *c, const char *arg)
{
    struct app_net_addr to;
    struct sockaddr_storage at;
    socklen_t len;
    int e;

    if (!net_addr_parse(arg, &to))
        return -EINVAL;
    if (c->state != CONV_FRESH && !c->udp)
        return -EISCONN;
    if (!net_may_reach(c->net, &to, c->udp))
        return -ENETUNREACH;
    e = socket_need(c, &to);
    if (e)
        return e;
    len = net_addr_to(&to, &at);
    if (connect(c->fd, (struct sockaddr *)&at, len) == 0) {
        c->state = CONV_CONNECTED;
        return 0;
    }
    if (errno == EINPROGRESS)
        c->state = CONV_CONNECTING;
    return -errno;
}

static int do_bind(struct conv *c, const char *arg)
{
    return c->fd >= 0 || !net_addr_parse(arg, &c->bound) ? -EINVAL : 0;
}

/* All addresses: IPv4 ones, too, unless this guest or another program has those already, or the machine has nothing but those. */
static int any_bind(struct conv *c)
{
    struct app_net_addr v4 = c->bound;
    int e = socket_make(c, &c->bound), one = 1;

    if (e) {
        memset(v4.ip + 10, 0xFF, 2);
        e = socket_make(c, &v4);
        return e ? e : socket_bind(c, &v4);
    }
    e = socket_bind(c, &c->bound);
    if (e != -EADDRINUSE)
        return e;
    setsockopt(c->fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    return socket_bind(c, &c->bound);
}

/* The guest's port, as published; else, where the guest may use the machine's ports, a socket of its own. */
static int port_take(struct conv *c)
{
    struct net_port *p = net_port_of(c->net, c->udp, net_port_number(&c->bound));
    int e;

    if (p) {
        if (p->fd < 0)
            p->fd = net_port_open(p->port);
        if (p->fd < 0)
            return -EADDRINUSE;
        e = socket_take(c, p->fd);
        if (e)
            return e;
        p->fd = -1;
        c->port = p;
        c->answers_only = c->udp && c->net->mode == GUEST_NET_NONE;
        return 0;
    }
    if (c->net->mode == GUEST_NET_NONE || (c->net->mode == GUEST_NET_OUT && !c->udp))
        return -EACCES;
    if (c->net->mode == GUEST_NET_HOST && net_addr_any(&c->bound) && !net_addr_v4(&c->bound))
        return any_bind(c);
    e = socket_make(c, &c->bound);
    return e || c->net->mode != GUEST_NET_HOST ? e : socket_bind(c, &c->bound);
}

static int do_announce(struct conv *c, const char *arg)
{
    int e = c->state != CONV_FRESH ? -EINVAL : do_bind(c, arg);

    if (!e)
        e = port_take(c);
    if (!e && !c->udp && listen(c->fd, SOMAXCONN))
        e = -errno;
    if (e)
        socket_drop(c);
    else
        c->state = CONV_ANNOUNCED;
    return e;
}

static int do_keepalive(struct conv *c, const char *arg)
{
    int on = c->keepalive = !str_eq(arg, "off");

    return c->fd < 0 || !setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) ? 0 : -errno;
}

static int do_end(struct conv *c, const char *)
{
    return conv_end(c);
}

/* Ends it at once: the other side is told that it was broken off. */
static int do_reset(struct conv *c, const char *)
{
    const struct linger now = { .l_onoff = 1 };

    if (c->fd >= 0)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    socket_drop(c);
    c->state = CONV_CLOSED;
    return 0;
}

static int do_hangup(struct conv *c, const char *)
{
    socket_drop(c);
    c->state = CONV_CLOSED;
    return 0;
}

static const struct verb {
    const char *name;
    bool arg;
    int (*fn)(struct conv *, const char *arg);
} verbs[] = {
    { "connect", true, do_connect }, { "bind", true, do_bind },    { "announce", true, do_announce }, { "keepalive", true, do_keepalive },
    { "end", false, do_end },        { "reset", false, do_reset }, { "hangup", false, do_hangup },
};

int conv_command(struct conv *c, char *line)
{
    char *arg = strchr(line, ' ');

    if (arg)
        *arg++ = 0;
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_eq(verbs[i].name, line))
            return verbs[i].arg == (arg != NULL) ? verbs[i].fn(c, arg) : -EINVAL;
    return -EINVAL;
}

int conv_error(struct conv *c)
{
    int e = -c->error;

    c->error = 0;
    return e;
}

int conv_end(struct conv *c)
{
    return c->fd >= 0 && !c->udp && shutdown(c->fd, SHUT_WR) ? -errno : 0;
}

/* --- data ------------------------------------------------------------------------------------------------------------------- */
int conv_accept(struct conv *c, struct conv **out)
{
    struct conv *k;
    int fd, e;

    if (c->state != CONV_ANNOUNCED || c->udp)
        return -EINVAL;
    fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        c->readable = c->readable && errno != EAGAIN;
        return errno == ECONNABORTED || errno == EPROTO ? -EINTR : -errno;
    }
    k = conv_new(c->net, false);
    e = k ? socket_take(k, fd) : -ENFILE;
    if (e) {
        close(fd);
        if (k)
            conv_free(k);
        return e;
    }
    k->state = CONV_CONNECTED;
    memcpy(k->bound.port, c->bound.port, 2);
    *out = k;
    return 0;
}

static bool peer_known(const struct conv *c, const struct app_net_addr *a)
{
    for (uint32_t i = 0; i < min_u64(c->npeers, NET_PEERS); i++)
        if (memcmp(&c->peers[i], a, sizeof *a) == 0)
            return true;
    return false;
}

static void peer_note(struct conv *c, const struct app_net_addr *a)
{
    if (!c->peers)
        c->peers = calloc(NET_PEERS, sizeof *c->peers);
    if (c->peers && !peer_known(c, a))
        c->peers[c->npeers++ % NET_PEERS] = *a;
}

static ssize_t datagram_read(struct conv *c, void *to, size_t n)
{
    struct sockaddr_storage from;
    struct app_net_addr a;
    socklen_t len = sizeof from;
    ssize_t got;

    if (n < sizeof a)
        return -EINVAL;
    got = recvfrom(c->fd, (uint8_t *)to + sizeof a, n - sizeof a, 0, (struct sockaddr *)&from, &len);
    if (got < 0)
        return -errno;
    net_addr_from(&from, &a);
    if (c->answers_only)
        peer_note(c, &a);
    memcpy(to, &a, sizeof a);
    return got + (ssize_t)sizeof a;
}

size_t conv_read_room(const struct conv *c)
{
    int next = 0;

    if (!c->udp)
        return 512; /* less is not worth a call */
    if (ioctl(c->fd, FIONREAD, &next) || next < 0)
        next = 65535;
    return (size_t)next + sizeof(struct app_net_addr);
}

ssize_t conv_read(struct conv *c, void *to, size_t n)
{
    ssize_t got;

    if (c->state == CONV_FRESH || (c->state == CONV_ANNOUNCED && !c->udp))
        return -ENOTCONN;
    if (c->fd < 0)
        return 0;
    if (!c->readable)
        return -EAGAIN;
    if (c->udp)
        got = datagram_read(c, to, n);
    else if ((got = recv(c->fd, to, n, 0)) < 0)
        got = -errno;
    if (got == -EAGAIN || (!c->udp && got > 0 && (size_t)got < n && !c->hangup))
        c->readable = false; /* the next edge will tell */
    return got;
}

static ssize_t datagram_write(struct conv *c, const void *from, size_t n)
{
    struct app_net_addr a;
    struct sockaddr_storage at;
    socklen_t len;
    int e;

    if (n < sizeof a)
        return -EINVAL;
    memcpy(&a, from, sizeof a);
    memset(a.pad, 0, sizeof a.pad);
    if (!net_port_number(&a) && c->state == CONV_CONNECTED)
        return send(c->fd, (const uint8_t *)from + sizeof a, n - sizeof a, MSG_NOSIGNAL) < 0 ? -errno : (ssize_t)n;
    if (c->answers_only ? !peer_known(c, &a) : !net_may_reach(c->net, &a, true))
        return -ENETUNREACH;
    if (c->fd < 0) {
        e = socket_need(c, &a);
        if (e)
            return e;
        c->state = CONV_ANNOUNCED;
    }
    len = net_addr_to(&a, &at);
    return sendto(c->fd, (const uint8_t *)from + sizeof a, n - sizeof a, MSG_NOSIGNAL, (struct sockaddr *)&at, len) < 0 ? -errno : (ssize_t)n;
}

ssize_t conv_write(struct conv *c, const void *from, size_t n)
{
    ssize_t done;

    if (c->udp)
        return c->state == CONV_CLOSED ? -EPIPE : datagram_write(c, from, n);
    if (c->state != CONV_CONNECTED)
        return c->state == CONV_CLOSED ? -EPIPE : -ENOTCONN;
    if (!c->writable)
        return -EAGAIN;
    done = send(c->fd, from, n, MSG_NOSIGNAL);
    if (done < 0)
        done = -errno;
    if (done == -EAGAIN || (done >= 0 && (size_t)done < n))
        c->writable = false;
    return done;
}

void conv_names(struct conv *c, struct app_net_pair *p)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;

    *p = (struct app_net_pair){ .local = c->bound };
    if (c->fd < 0)
        return;
    if (getsockname(c->fd, (struct sockaddr *)&at, &len) == 0)
        net_addr_from(&at, &p->local);
    if (net_port_number(&c->bound)) /* the guest knows its own number, not the one it is published as */
        memcpy(p->local.port, c->bound.port, 2);
    len = sizeof at;
    if (getpeername(c->fd, (struct sockaddr *)&at, &len) == 0)
        net_addr_from(&at, &p->remote);
}

/* --- events -------------------------------------------------------------------------------------------------------------------- */
static void conv_event(struct conv *c, uint32_t events)
{
    socklen_t len = sizeof c->error;

    if (c->fd < 0)
        return;
    if (c->state == CONV_CONNECTING && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->error, &len);
        c->state = c->error ? CONV_FRESH : CONV_CONNECTED;
        if (c->error)
            socket_drop(c);
    }
    c->hangup = c->hangup || events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
    c->readable = c->fd >= 0 && (c->readable || events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR));
    c->writable = c->fd >= 0 && (c->writable || events & (EPOLLOUT | EPOLLHUP | EPOLLERR));
    if (c->ready)
        c->ready(c);
}

void net_ready(struct net *n)
{
    struct epoll_event ev[EVENTS];
    int count = epoll_wait(n->epoll, ev, EVENTS, 0);

    for (int i = 0; i < count; i++) {
        struct conv *c = conv_find(n, ev[i].data.u64);
        if (c)
            conv_event(c, ev[i].events);
    }
}

void net_drain(struct net *n, int milliseconds)
{
    struct pollfd p = { .fd = n->epoll, .events = POLLIN };

    while (n->mux && !mux_drained(n->mux) && poll(&p, 1, milliseconds) > 0)
        net_ready(n);
}

err_t net_init(struct net *n, const struct guest_config *cfg)
{
    struct rlimit files;

    *n = (struct net){ .epoll = epoll_create1(EPOLL_CLOEXEC) };
    if (n->epoll < 0)
        return ERR_IO;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = min_u64(files.rlim_max, 4 * APP_NET_CONVS);
        setrlimit(RLIMIT_NOFILE, &files);
    }
    net_tree_init(n);
    return net_rules_init(n, cfg);
}

err_t net_renew(struct net *n)
{
    mux_fini(n);
    close(n->epoll);
    n->epoll = epoll_create1(EPOLL_CLOEXEC);
    return n->epoll < 0 ? ERR_IO : OK;
}

void net_fini(struct net *n)
{
    mux_fini(n);
    for (unsigned i = 0; i < APP_NET_CONVS; i++)
        if (n->convs[i])
            conv_free(n->convs[i]);
    for (unsigned i = 0; i < n->nports; i++)
        if (n->ports[i].fd >= 0)
            close(n->ports[i].fd);
    close(n->epoll);
}
