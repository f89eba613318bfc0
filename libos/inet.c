/* AF_INET and AF_INET6. What one socket of the guest sends to another never leaves it; all else goes to the monitor's /net, which decides what may. */
#include "libos/inet.h"

#define DATAGRAM_MAX 65507u

/* --- connections ------------------------------------------------------------------------------------------------------------------------- */
/* No address at all means this machine. */
static void here(addr_t *to)
{
    if (is_any(to)) {
        to->ip[12] = is_v4(to) ? 127 : 0;
        to->ip[15] = 1;
    }
}

/* What goes to an address of this machine comes from that one, and all of 127/8 from its first, unless the socket has an address. */
static void source(addr_t *from, const addr_t *to)
{
    if (is_any(from))
        memcpy(from->ip, is_v4(to) && to->ip[12] == 127 ? v4_loopback : to->ip, sizeof from->ip);
}

/* A connection that a listening socket got is set as that one. */
static int accepted_make(const struct sock *listener, struct sock **out)
{
    int e = inet_make(listener->family, SOCK_STREAM, 0, out);

    if (e)
        return e;
    (*out)->options = listener->options;
    (*out)->rx_timeout = listener->rx_timeout;
    (*out)->tx_timeout = listener->tx_timeout;
    return 0;
}

static int local_connect(struct sock *s, struct sock *listener, const addr_t *to)
{
    struct sock *c;
    addr_t from = addr_of(s, &s->local);
    int e = accepted_make(listener, &c);

    if (e)
        return e;
    source(&from, to);
    s->local = name_of(s, &from);
    s->remote = name_of(s, to);
    c->local = name_of(c, to);
    c->remote = name_of(c, &from);
    sock_pair(s, c);
    sock_queue(listener, c);
    return 0;
}

static int stream_connect(struct sock *s, addr_t *to)
{
    struct sock *listener;
    char line[ADDR_TEXT];
    int e = inet_autobind(s);

    here(to);
    listener = e ? NULL : inet_find(false, to, NULL);
    if (e || listener)
        return e ? e : local_connect(s, listener, to);
    if (net_mode() < NET_OUT || (net_mode() == NET_OUT && is_loopback(to) && port_of(to) != 53)) /* the resolver may be there */
        return is_loopback(to) ? -ECONNREFUSED : -ENETUNREACH;
    addr_text("connect", to, line);
    e = net_command(s, false, line);
    if (e)
        return e;
    s->remote = name_of(s, to);
    s->state = SOCKET_CONNECTING;
    return -EINPROGRESS;
}

static int dgram_connect(struct sock *s, addr_t *to)
{
    char line[ADDR_TEXT];
    addr_t at;
    int e = inet_autobind(s);

    if (e)
        return e;
    here(to);
    local_forget(s);
    at = addr_of(s, &s->local);
    if (!is_loopback(to) || (net_mode() == NET_HOST && !inet_find(true, to, NULL))) {
        if (net_mode() < NET_OUT && !s->published)
            return -ENETUNREACH;
        addr_text("connect", to, line);
        e = net_mode() < NET_OUT ? 0 : net_ask(s, true, line); /* DONE tells the local address, too */
        if (e)
            return e;
    } else if (is_any(&at)) {
        source(&at, to);
        local_set(s, &at);
    }
    s->remote = name_of(s, to);
    s->state = SOCKET_CONNECTED;
    return 0;
}

static int inet_connect(struct sock *s, const struct sockname *n)
{
    addr_t to;
    int e;

    if (n->len >= 2 && n->family == AF_UNSPEC) {
        if (is_udp(s) && !s->published)
            net_close(s);
        s->state = is_udp(s) ? SOCKET_NEW : s->state;
        s->remote.len = 0;
        local_forget(s);
        return 0;
    }
    e = addr_take(s, n, &to);
    if (e)
        return e;
    return is_udp(s) ? dgram_connect(s, &to) : stream_connect(s, &to);
}

/* net.c: a listening socket has got a call. */
int inet_accepted(struct sock *listener, const struct app_net_pair *p, uint32_t conv, struct sock **out)
{
    struct sock *c;
    int e = accepted_make(listener, &c);

    if (e)
        return e;
    inet_names(c, p);
    c->conv = conv;
    c->may_send = APP_NET_WINDOW;
    c->state = SOCKET_CONNECTED;
    c->was_connected = true;
    sock_queue(listener, c);
    *out = c;
    return 0;
}

/* --- data ------------------------------------------------------------------------------------------------------------------------------------ */
static int stream_send(struct sock *s, struct message *m)
{
    uint64_t n = min_u64(m->len - m->done, s->may_send);

    if (s->state == SOCKET_NEW || s->state == SOCKET_LISTENING)
        return -EPIPE;
    if (s->peer || !s->conv)
        return sock_peer_send(s, m);
    if (s->state != SOCKET_CONNECTED)
        return s->state == SOCKET_CONNECTING ? -EAGAIN : s->was_connected ? -EPIPE : -ENOTCONN;
    if (m->len == m->done)
        return 0;
    return n ? net_data(s, NULL, m, n) : -EAGAIN;
}

static int dgram_local(struct sock *s, struct sock *to, const addr_t *at, struct message *m)
{
    addr_t from = addr_of(s, &s->local);
    struct sockname name;

    source(&from, at);
    name = name_of(to, &from);
    if (sock_room(to) < m->len || to->rx_count > 1024 || to->rx_end) { /* lost, as datagrams may be */
        m->done = m->len;
        return 0;
    }
    return sock_give(to, &name, m, m->len);
}

static int dgram_send(struct sock *s, struct message *m)
{
    addr_t to, from;
    struct sock *local;
    int e = m->name.len ? addr_take(s, &m->name, &to) : 0;

    if (!e && !m->name.len) {
        if (s->state != SOCKET_CONNECTED)
            return -EDESTADDRREQ;
        to = addr_of(s, &s->remote);
    }
    if (!e && !port_of(&to))
        e = -EINVAL;
    if (!e && m->len > DATAGRAM_MAX)
        e = -EMSGSIZE;
    if (!e)
        e = inet_autobind(s);
    if (e)
        return e;
    here(&to);
    from = addr_of(s, &s->local);
    here(&from);
    local = is_loopback(&to) || net_mode() == NET_HOST ? inet_find(true, &to, &from) : NULL;
    if (local)
        return dgram_local(s, local, &to, m);
    if (is_v4(&to) && to.ip[12] == 255 && !(s->options & OPT_BROADCAST))
        return -EACCES;
    if (is_loopback(&to) && !s->published && net_mode() != NET_HOST && !(net_mode() == NET_OUT && port_of(&to) == 53)) {
        if (s->state == SOCKET_CONNECTED)
            s->error = ECONNREFUSED; /* as the ICMP message would bring it */
        m->done = m->len;
        return 0;
    }
    if (net_mode() < NET_OUT && !s->published)
        return -ENETUNREACH;
    if (!s->conv)
        e = net_open(s, true);
    return e ? e : net_data(s, &to, m, m->len);
}

static int inet_send(struct sock *s, struct message *m) { return is_udp(s) ? dgram_send(s, m) : stream_send(s, m); }

/* net.c: data of the conversation; of UDP with an address in front. */
void inet_received(struct sock *s, const uint8_t *bytes, uint32_t n)
{
    struct sockname from;
    addr_t a;
    int e = -EINVAL;

    if (!is_udp(s)) {
        if (!s->rx_end && !sock_give_bytes(s, NULL, bytes, n))
            return;
    } else if (n >= sizeof a) {
        memcpy(&a, bytes, sizeof a);
        from = name_of(s, &a);
        if (s->state != SOCKET_CONNECTED || (s->remote.len == from.len && memcmp(s->remote.bytes, from.bytes, 8) == 0))
            e = sock_give_bytes(s, &from, bytes + sizeof a, n - (uint32_t)sizeof a);
        if (!e)
            return;
    }
    net_taken(s, n); /* nobody will read it */
}

static bool inet_writable(struct sock *s)
{
    if (is_udp(s))
        return true;
    return s->conv && !s->peer ? s->may_send >= APP_NET_WINDOW / 3 : sock_peer_writable(s);
}

static void inet_taken(struct sock *s, uint32_t n)
{
    if (s->conv)
        net_taken(s, is_udp(s) ? n + (uint32_t)sizeof(addr_t) : n);
}

static void inet_shut(struct sock *s, bool read, bool write)
{
    if (write && s->conv && !s->peer)
        net_end(s);
    else
        sock_peer_shut(s, read, write);
}

static void inet_close(struct sock *s)
{
    if (s->linger_on && !s->linger && s->conv && s->state == SOCKET_CONNECTED)
        (void)!net_command(s, false, "reset");
    net_close(s);
    if (s->state == SOCKET_LISTENING)
        waitq_wake(&s->wait);
    sock_peer_close(s);
    list_remove(&s->named);
}

static const struct sock_ops inet_ops = { .bind = inet_bind, .listen = inet_listen, .connect = inet_connect, .send = inet_send, .taken = inet_taken,
                                          .writable = inet_writable, .shut = inet_shut, .close = inet_close };

int inet_make(uint32_t family, uint32_t type, uint32_t protocol, struct sock **out)
{
    enum { TCP = 6, UDP = 17 };
    uint32_t only = type == SOCK_STREAM ? TCP : type == SOCK_DGRAM ? UDP : 0;

    if (type == SOCK_RAW)
        return -EPERM;
    if (!only)
        return -ESOCKTNOSUPPORT;
    if (protocol && protocol != only)
        return -EPROTONOSUPPORT;
    *out = sock_new(&inet_ops, family, type, only);
    return *out ? 0 : -ENOMEM;
}
