/* Names of AF_INET and AF_INET6 sockets: addresses, ports, who has which, and what of it the monitor is told. */
#include "base/fmt.h"
#include "libos/inet.h"

#define FIRST_PORT 32768u
#define LAST_PORT 60999u
#define V4_LEN 16u
#define V6_LEN 28u

static struct list bound = LIST_INIT(bound); /* sockets with a port, by sock->named */

/* --- addresses ------------------------------------------------------------------------------------------------------------------- */
bool is_any(const addr_t *a)
{
    static const uint8_t zeros[16];

    return memcmp(a->ip, zeros, 16) == 0 || (is_v4(a) && memcmp(a->ip + 12, zeros, 4) == 0);
}

bool is_loopback(const addr_t *a)
{
    static const uint8_t one[16] = { [15] = 1 };

    return is_v4(a) ? a->ip[12] == 127 : memcmp(a->ip, one, 16) == 0;
}

static void port_set(addr_t *a, uint32_t port)
{
    a->port[0] = (uint8_t)(port >> 8);
    a->port[1] = (uint8_t)port;
}

int addr_take(const struct sock *s, const struct sockname *n, addr_t *a)
{
    *a = (addr_t){ 0 };
    if (n->len < 2 || n->len < (n->family == AF_INET6 ? V6_LEN - 4 : V4_LEN))
        return -EINVAL;
    if (n->family == AF_INET && (s->family == AF_INET || s->type == SOCK_DGRAM)) {
        memcpy(a->ip, v4_loopback, 12);
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

struct sockname name_of(const struct sock *s, const addr_t *a)
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
addr_t addr_of(const struct sock *s, const struct sockname *n)
{
    addr_t a = { 0 };

    if (n->len)
        (void)!addr_take(s, n, &a);
    else if (s->family == AF_INET)
        memcpy(a.ip, v4_loopback, 12);
    return a;
}

void addr_text(const char *verb, const addr_t *a, char text[ADDR_TEXT])
{
    size_t n = fmt_text(text, ADDR_TEXT, "%s ", verb);

    if (is_v4(a))
        n += fmt_text(text + n, ADDR_TEXT - n, "%u.%u.%u.%u", a->ip[12], a->ip[13], a->ip[14], a->ip[15]);
    else
        for (unsigned i = 0; i < 16; i += 2)
            n += fmt_text(text + n, ADDR_TEXT - n, "%s%x", i ? ":" : "", a->ip[i] << 8 | a->ip[i + 1]);
    fmt_text(text + n, ADDR_TEXT - n, "!%u", port_of(a));
}

void inet_names(struct sock *s, const struct app_net_pair *p)
{
    s->local = name_of(s, &p->local);
    s->remote = name_of(s, &p->remote);
}

/* --- ports ------------------------------------------------------------------------------------------------------------------------ */
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

void local_set(struct sock *s, const addr_t *at)
{
    s->local = name_of(s, at);
    if (list_empty(&s->named))
        list_push_back(&bound, &s->named);
}

/* Who listens, or takes datagrams, there. The more special one wins; of several equal ones the last that came. */
struct sock *inet_find(bool udp, const addr_t *to, const addr_t *from)
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
static int inet_publish(struct sock *s)
{
    addr_t at = addr_of(s, &s->local);
    char line[ADDR_TEXT];
    int e;

    if (s->published || (net_mode() != NET_HOST && !net_published(is_udp(s), port_of(&at))))
        return 0;
    addr_text("announce", &at, line);
    e = net_ask(s, is_udp(s), line);
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
    return is_udp(s) ? inet_publish(s) : 0;
}

int inet_bind(struct sock *s, const struct sockname *n)
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

int inet_autobind(struct sock *s)
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
void local_forget(struct sock *s)
{
    struct sockname was = s->local;

    if (!s->autobound)
        return;
    s->local = (struct sockname){ .len = was.len, .family = was.family };
    memcpy(s->local.bytes + 2, was.bytes + 2, 2); /* the port stays */
}

int inet_listen(struct sock *s)
{
    int e;

    if (is_udp(s))
        return -EOPNOTSUPP;
    e = inet_autobind(s);
    list_each (l, &bound) {
        struct sock *o = container_of(l, struct sock, named);
        addr_t at = addr_of(s, &s->local);
        if (!e && o != s && o->state == SOCKET_LISTENING && collide(s, &at, o))
            e = -EADDRINUSE;
    }
    return e ? e : inet_publish(s);
}
