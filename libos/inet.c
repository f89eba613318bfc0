/* AF_INET and AF_INET6. What one socket of the guest sends to another never leaves it; all else goes to the monitor's /net, which decides what may.
 * Inside, all addresses are IPv6 ones, IPv4 mapped into them. */
#include "base/fmt.h"
#include "libos/sock.h"

#define FIRST_PORT 32768u
#define LAST_PORT 60999u
#define V4_LEN 16u
#define V6_LEN 28u
#define DATAGRAM_MAX 65507u
#define TEXT 80u

typedef struct app_net_addr addr_t;

static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };
static struct list bound = LIST_INIT(bound); /* sockets with a port, by sock->named */

/* --- addresses ------------------------------------------------------------------------------------------------------------------- */
static bool is_v4(const addr_t *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

static bool is_any(const addr_t *a)
{
    static const uint8_t zeros[16];

    return memcmp(a->ip, zeros, 16) == 0 || (is_v4(a) && memcmp(a->ip + 12, zeros, 4) == 0);
}

static bool is_loopback(const addr_t *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    return is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, 16) == 0;
}

static uint16_t port_of(const addr_t *a)
{
    return (uint16_t)(a->port[0] << 8 | a->port[1]);
}

static void port_set(addr_t *a, uint32_t port)
{
    a->port[0] = (uint8_t)(port >> 8);
    a->port[1] = (uint8_t)port;
}

static int addr_take(const struct sock *s, const struct sockname *n, addr_t *a)
{
    *a = (addr_t){ 0 };
    if (n->len < 2 || n->len < (n->family == AF_INET6 ? V6_LEN - 4 : V4_LEN))
        return -EINVAL;
    if (n->family == AF_INET && (s->family == AF_INET || s->type == SOCK_DGRAM)) {
        memcpy(a->ip, mapped, sizeof mapped);
        memcpy(a->ip + 12, n->bytes + 4, 4);
    } else if (n->family == AF_INET6 && s->family == AF_INET6) {
        memcpy(a->ip, n->bytes + 8, 16);
        if (s->options & OPT_V6ONLY && is_v4(a))
            return -ENETUNREACH;
    } else {
        return -EAFNOSUPPORT;
    }
    memcpy(a->port, n->bytes + 2, 2);
    return 0;
}

static struct sockname name_of(const struct sock *s, const addr_t *a)
{
    struct sockname n = { .len = s->family == AF_INET6 ? V6_LEN : V4_LEN, .family = s->family };

    memcpy(n.bytes + 2, a->port, 2);
    if (s->family == AF_INET)
        memcpy(n.bytes + 4, a->ip + 12, 4);
    else
        memcpy(n.bytes + 8, a->ip, 16);
    return n;
}

/* The address in a name of this socket's own making. */
static addr_t addr_of(const struct sock *s, const struct sockname *n)
{
    addr_t a = { 0 };

    if (n->len)
        (void)!addr_take(s, n, &a);
    else if (s->family == AF_INET)
        memcpy(a.ip, mapped, sizeof mapped);
    return a;
}

static void addr_text(const char *verb, const addr_t *a, char text[TEXT])
{
    size_t n = fmt_text(text, TEXT, "%s ", verb);

    if (is_v4(a))
        n += fmt_text(text + n, TEXT - n, "%u.%u.%u.%u", a->ip[12], a->ip[13], a->ip[14], a->ip[15]);
    else
        for (unsigned i = 0; i < 16; i += 2)
            n += fmt_text(text + n, TEXT - n, "%s%x", i ? ":" : "", a->ip[i] << 8 | a->ip[i + 1]);
    fmt_text(text + n, TEXT - n, "!%u", port_of(a));
}

void inet_names(struct sock *s, const struct app_net_pair *p)
{
    s->local = name_of(s, &p->local);
    s->remote = name_of(s, &p->remote);
}

/* --- ports ------------------------------------------------------------------------------------------------------------------------ */
static bool is_udp(const struct sock *s)
{
    return s->type == SOCK_DGRAM;
}

/* Whether what is sent to `to` arrives at the socket that is bound to `at`. */
static bool reaches(const struct sock *s, const addr_t *at, const addr_t *to)
{
    if (port_of(at) != port_of(to))
        return false;
    if (is_any(at))
        return s->family == AF_INET ? is_v4(to) : !(is_v4(to) && s->options & OPT_V6ONLY);
    return memcmp(at->ip, to->ip, 16) == 0;
}

static bool collide(const struct sock *a, const addr_t *at, const struct sock *b)
{
    addr_t other = addr_of(b, &b->local);
    bool families = a->family == b->family || !(a->options & OPT_V6ONLY || b->options & OPT_V6ONLY);
    bool same = is_any(at) || is_any(&other) ? families || is_v4(at) == is_v4(&other) : memcmp(at->ip, other.ip, 16) == 0;

    if (a->family != b->family && is_any(at) != is_any(&other) && (a->options | b->options) & OPT_V6ONLY)
        same = false;
    if (port_of(at) != port_of(&other) || is_udp(a) != is_udp(b) || !same)
        return false;
    if (a->options & b->options & OPT_REUSEPORT)
        return false;
    return !(a->options & b->options & OPT_REUSEADDR) || (!is_udp(a) && b->state == SOCKET_LISTENING);
}

static bool port_free(const struct sock *s, const addr_t *at)
{
    list_each (l, &bound)
        if (container_of(l, struct sock, named) != s && collide(s, at, container_of(l, struct sock, named)))
            return false;
    return true;
}

static int port_choose(const struct sock *s, addr_t *at)
{
    static uint32_t next;

    if (!next)
        random_bytes(&next, sizeof next);
    for (uint32_t i = FIRST_PORT; i <= LAST_PORT; i++) {
        port_set(at, FIRST_PORT + next++ % (LAST_PORT + 1 - FIRST_PORT));
        if (port_free(s, at))
            return 0;
    }
    return -EADDRINUSE;
}

static void local_set(struct sock *s, const addr_t *at)
{
    s->local = name_of(s, at);
    if (list_empty(&s->named))
        list_push_back(&bound, &s->named);
}

/* Who listens, or takes datagrams, there. The more special one wins; of several equal ones the last that came. */
static struct sock *local_find(bool udp, const addr_t *to, const addr_t *from)
{
    struct sock *best = NULL;
    unsigned points = 0;

    list_each (l, &bound) {
        struct sock *s = container_of(l, struct sock, named);
        addr_t at = addr_of(s, &s->local), remote;
        unsigned now = 1;
        if (is_udp(s) != udp || (!udp && s->state != SOCKET_LISTENING) || !reaches(s, &at, to))
            continue;
        if (udp && s->state == SOCKET_CONNECTED) {
            remote = addr_of(s, &s->remote);
            if (!from || memcmp(&remote, from, sizeof remote))
                continue;
            now += 2;
        }
        now += !is_any(&at);
        if (now >= points)
            points = now, best = s;
    }
    return best;
}

/* --- naming ---------------------------------------------------------------------------------------------------------------------------- */
/* Makes the monitor listen where this socket does. That it may not is no error: then only the guest itself reaches it. */
static int publish(struct sock *s)
{
    addr_t at = addr_of(s, &s->local);
    char line[TEXT];
    int e;

    if (s->published || (net_mode() != NET_HOST && !net_published(is_udp(s), port_of(&at))))
        return 0;
    addr_text("announce", &at, line);
    e = net_open(s, is_udp(s));
    if (!e)
        e = net_command(s, line);
    if (!e)
        e = net_wait(s);
    s->published = !e;
    if (e)
        net_close(s);
    return net_mode() == NET_HOST && (e == -EADDRINUSE || e == -EADDRNOTAVAIL) ? e : 0;
}

static int name_self(struct sock *s, addr_t *at)
{
    int e = 0;

    if (!port_of(at))
        e = port_choose(s, at);
    else if (!port_free(s, at))
        e = -EADDRINUSE;
    if (e)
        return e;
    local_set(s, at);
    return is_udp(s) ? publish(s) : 0;
}

static int inet_bind(struct sock *s, const struct sockname *n)
{
    addr_t at;
    int e = addr_take(s, n, &at);

    if (e == -EAFNOSUPPORT && n->family == AF_UNSPEC && n->len >= V4_LEN && s->family == AF_INET) {
        struct sockname v4 = *n; /* as Linux: 0.0.0.0 without a family */
        v4.family = AF_INET;
        e = addr_take(s, &v4, &at);
        if (!e && !is_any(&at))
            e = -EAFNOSUPPORT;
    }
    if (e)
        return e;
    if (s->local.len)
        return -EINVAL;
    if (!is_any(&at) && !is_loopback(&at) && net_mode() != NET_HOST)
        return -EADDRNOTAVAIL;
    e = name_self(s, &at);
    if (e && s->local.len) {
        s->local.len = 0;
        list_remove(&s->named);
    }
    return e;
}

static int autobind(struct sock *s)
{
    addr_t at = addr_of(s, &(struct sockname){ 0 });
    int e = s->local.len ? 0 : port_choose(s, &at);

    if (!e && !s->local.len) {
        local_set(s, &at);
        s->autobound = true;
    }
    return e;
}

/* The address that was chosen for one connection does not hold for the next. */
static void local_forget(struct sock *s)
{
    struct sockname was = s->local;

    if (!s->autobound)
        return;
    s->local = (struct sockname){ .len = was.len, .family = was.family };
    memcpy(s->local.bytes + 2, was.bytes + 2, 2); /* the port stays */
}

static int inet_listen(struct sock *s)
{
    int e;

    if (is_udp(s))
        return -EOPNOTSUPP;
    e = autobind(s);
    list_each (l, &bound) {
        struct sock *o = container_of(l, struct sock, named);
        addr_t at = addr_of(s, &s->local);
        if (!e && o != s && o->state == SOCKET_LISTENING && collide(s, &at, o))
            e = -EADDRINUSE;
    }
    return e ? e : publish(s);
}

/* --- connections ------------------------------------------------------------------------------------------------------------------------- */
static void here(const struct sock *s, addr_t *to)
{
    (void)s;
    if (!is_any(to))
        return;
    if (is_v4(to)) {
        to->ip[12] = 127;
        to->ip[15] = 1;
    } else {
        to->ip[15] = 1;
    }
}

static int local_connect(struct sock *s, struct sock *listener, const addr_t *to)
{
    struct sock *c;
    addr_t from = addr_of(s, &s->local), ours = *to;
    int e = inet_make(listener->family, SOCK_STREAM, 0, &c);

    if (e)
        return e;
    memcpy(from.ip, to->ip, 16); /* this side has the same address of the loopback */
    if (is_v4(to)) {
        static const uint8_t v4[4] = { 127, 0, 0, 1 };
        memcpy(from.ip + 12, v4, 4);
    }
    s->local = name_of(s, &from);
    s->remote = name_of(s, to);
    c->local = name_of(c, &ours);
    c->remote = name_of(c, &from);
    c->options = listener->options;
    c->rx_timeout = listener->rx_timeout;
    c->tx_timeout = listener->tx_timeout;
    sock_pair(s, c);
    sock_queue(listener, c);
    return 0;
}

static int stream_connect(struct sock *s, addr_t *to)
{
    struct sock *listener;
    char line[TEXT];
    int e = autobind(s);

    here(s, to);
    listener = e ? NULL : local_find(false, to, NULL);
    if (e || listener)
        return e ? e : local_connect(s, listener, to);
    if (net_mode() < NET_OUT || (net_mode() == NET_OUT && is_loopback(to) && port_of(to) != 53)) /* the resolver may be there */
        return is_loopback(to) ? -ECONNREFUSED : -ENETUNREACH;
    addr_text("connect", to, line);
    e = s->conv ? 0 : net_open(s, false);
    if (!e)
        e = net_command(s, line);
    if (e)
        return e;
    s->remote = name_of(s, to);
    s->state = SOCKET_CONNECTING;
    return -EINPROGRESS;
}

static int dgram_connect(struct sock *s, addr_t *to)
{
    char line[TEXT];
    addr_t at;
    int e = autobind(s);

    if (e)
        return e;
    here(s, to);
    local_forget(s);
    at = addr_of(s, &s->local);
    if (!is_loopback(to) || (net_mode() == NET_HOST && !local_find(true, to, NULL))) {
        if (net_mode() < NET_OUT && !s->published)
            return -ENETUNREACH;
        addr_text("connect", to, line);
        e = s->conv || net_mode() < NET_OUT ? 0 : net_open(s, true);
        if (!e && s->conv && net_mode() >= NET_OUT)
            e = net_command(s, line);
        if (!e && s->conv && net_mode() >= NET_OUT)
            e = net_wait(s); /* DONE tells the local address, too */
        if (e)
            return e;
    } else if (is_any(&at)) {
        memcpy(at.ip, to->ip, 16);
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
    int e = inet_make(listener->family, SOCK_STREAM, 0, &c);

    if (e)
        return e;
    inet_names(c, p);
    c->conv = conv;
    c->may_send = APP_NET_WINDOW;
    c->state = SOCKET_CONNECTED;
    c->was_connected = true;
    c->options = listener->options;
    c->rx_timeout = listener->rx_timeout;
    c->tx_timeout = listener->tx_timeout;
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

    if (is_any(&from))
        memcpy(from.ip, is_v4(at) && at->ip[12] == 127 ? (const uint8_t[16]){ [10] = 0xFF, [11] = 0xFF, [12] = 127, [15] = 1 } : at->ip, 16);
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
        e = autobind(s);
    if (e)
        return e;
    here(s, &to);
    from = addr_of(s, &s->local);
    here(s, &from);
    local = is_loopback(&to) || net_mode() == NET_HOST ? local_find(true, &to, &from) : NULL;
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

static int inet_send(struct sock *s, struct message *m)
{
    return is_udp(s) ? dgram_send(s, m) : stream_send(s, m);
}

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
        (void)!net_command(s, "reset");
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
