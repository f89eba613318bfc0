/* System calls on the options of sockets. */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include "libos/sys_sock.h"

#define OPTION_MAX 104u /* struct tcp_info */
enum kind { BIT_OPTION, KEPT, RX_ROOM, TX_ROOM, RX_ROOM_FORCE, TX_ROOM_FORCE, RX_TIME, TX_TIME, LINGER, CONGESTION, TYPE, ERROR, PEERCRED, ACCEPTING, PROTOCOL,
    DOMAIN, STATE };

static const struct option {
    uint16_t level, name;
    uint8_t kind;
    int32_t value; /* of a bit: which; of one that is kept and means nothing here: what it is at first */
} options[] = {
    { SOL_SOCKET, SO_REUSEADDR, BIT_OPTION, OPT_REUSEADDR }, { SOL_SOCKET, SO_REUSEPORT, BIT_OPTION, OPT_REUSEPORT },
    { SOL_SOCKET, SO_KEEPALIVE, BIT_OPTION, OPT_KEEPALIVE }, { SOL_SOCKET, SO_BROADCAST, BIT_OPTION, OPT_BROADCAST },
    { SOL_SOCKET, SO_PASSCRED, BIT_OPTION, OPT_PASSCRED }, { SOL_SOCKET, SO_OOBINLINE, BIT_OPTION, OPT_OOBINLINE },
    { SOL_SOCKET, SO_TIMESTAMP_OLD, BIT_OPTION, OPT_TIMESTAMP }, { SOL_TCP, TCP_NODELAY, BIT_OPTION, OPT_NODELAY },
    { SOL_TCP, TCP_CORK, BIT_OPTION, OPT_CORK }, { SOL_IPV6, IPV6_V6ONLY, BIT_OPTION, OPT_V6ONLY },
    { SOL_SOCKET, SO_TYPE, TYPE, 0 }, { SOL_SOCKET, SO_ERROR, ERROR, 0 }, { SOL_SOCKET, SO_SNDBUF, TX_ROOM, 0 },
    { SOL_SOCKET, SO_RCVBUF, RX_ROOM, 0 }, { SOL_SOCKET, SO_LINGER, LINGER, 0 }, { SOL_SOCKET, SO_PEERCRED, PEERCRED, 0 },
    { SOL_SOCKET, SO_RCVTIMEO_OLD, RX_TIME, 0 }, { SOL_SOCKET, SO_SNDTIMEO_OLD, TX_TIME, 0 },
    { SOL_SOCKET, SO_ACCEPTCONN, ACCEPTING, 0 }, { SOL_SOCKET, SO_SNDBUFFORCE, TX_ROOM_FORCE, 0 },
    { SOL_SOCKET, SO_RCVBUFFORCE, RX_ROOM_FORCE, 0 }, { SOL_SOCKET, SO_PROTOCOL, PROTOCOL, 0 },
    { SOL_SOCKET, SO_DOMAIN, DOMAIN, 0 }, { SOL_TCP, TCP_INFO, STATE, 0 }, { SOL_TCP, TCP_CONGESTION, CONGESTION, 0 },
    { SOL_SOCKET, SO_DEBUG, KEPT, 0 }, { SOL_SOCKET, SO_DONTROUTE, KEPT, 0 }, { SOL_SOCKET, SO_PRIORITY, KEPT, 0 },
    { SOL_SOCKET, SO_RCVLOWAT, KEPT, 1 }, { SOL_SOCKET, SO_MARK, KEPT, 0 }, { SOL_SOCKET, SO_BUSY_POLL, KEPT, 0 },
    { SOL_SOCKET, SO_INCOMING_CPU, KEPT, 0 }, { SOL_SOCKET, SO_NO_CHECK, KEPT, 0 },
    { SOL_TCP, TCP_MAXSEG, KEPT, 536 }, { SOL_TCP, TCP_KEEPIDLE, KEPT, 7200 }, { SOL_TCP, TCP_KEEPINTVL, KEPT, 75 },
    { SOL_TCP, TCP_KEEPCNT, KEPT, 9 }, { SOL_TCP, TCP_SYNCNT, KEPT, 6 }, { SOL_TCP, TCP_LINGER2, KEPT, 60 },
    { SOL_TCP, TCP_DEFER_ACCEPT, KEPT, 0 }, { SOL_TCP, TCP_QUICKACK, KEPT, 1 }, { SOL_TCP, TCP_USER_TIMEOUT, KEPT, 0 },
    { SOL_TCP, TCP_FASTOPEN, KEPT, 0 }, { SOL_TCP, TCP_NOTSENT_LOWAT, KEPT, 0 }, { SOL_TCP, TCP_FASTOPEN_CONNECT, KEPT, 0 },
    { SOL_IP, IP_TOS, KEPT, 0 }, { SOL_IP, IP_TTL, KEPT, 64 }, { SOL_IP, IP_PKTINFO, KEPT, 0 },
    { SOL_IP, IP_MTU_DISCOVER, KEPT, 1 }, { SOL_IP, IP_RECVERR, KEPT, 0 }, { SOL_IP, IP_RECVTTL, KEPT, 0 },
    { SOL_IP, IP_RECVTOS, KEPT, 0 }, { SOL_IP, IP_FREEBIND, KEPT, 0 }, { SOL_IP, IP_BIND_ADDRESS_NO_PORT, KEPT, 0 },
    { SOL_IP, IP_MULTICAST_TTL, KEPT, 1 }, { SOL_IP, IP_MULTICAST_LOOP, KEPT, 1 }, { SOL_IP, IP_MULTICAST_ALL, KEPT, 1 },
    { SOL_IPV6, IPV6_UNICAST_HOPS, KEPT, 64 }, { SOL_IPV6, IPV6_MULTICAST_HOPS, KEPT, 64 },
    { SOL_IPV6, IPV6_MULTICAST_LOOP, KEPT, 1 }, { SOL_IPV6, IPV6_MTU_DISCOVER, KEPT, 1 }, { SOL_IPV6, IPV6_RECVERR, KEPT, 0 },
    { SOL_IPV6, IPV6_RECVPKTINFO, KEPT, 0 }, { SOL_IPV6, IPV6_RECVTCLASS, KEPT, 0 }, { SOL_IPV6, IPV6_TCLASS, KEPT, 0 },
    { SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, KEPT, 0 }, { SOL_NETLINK, NETLINK_CAP_ACK, KEPT, 0 },
    { SOL_NETLINK, NETLINK_EXT_ACK, KEPT, 0 }, { SOL_NETLINK, NETLINK_GET_STRICT_CHK, KEPT, 0 },
};

/* What some may be set to; those with `reset` are as at first after -1. */
static const struct range {
    uint16_t level, name;
    int32_t least, most;
    bool reset;
} ranges[] = {
    { SOL_IP, IP_TTL, 1, 255, true }, { SOL_IP, IP_MULTICAST_TTL, 0, 255, true }, { SOL_IP, IP_MTU_DISCOVER, 0, 5, false },
    { SOL_IPV6, IPV6_UNICAST_HOPS, 0, 255, true }, { SOL_IPV6, IPV6_MULTICAST_HOPS, 0, 255, true }, { SOL_IPV6, IPV6_TCLASS, 0, 255, true },
    { SOL_IPV6, IPV6_MTU_DISCOVER, 0, 5, false }, { SOL_TCP, TCP_KEEPIDLE, 1, 32767, false }, { SOL_TCP, TCP_KEEPINTVL, 1, 32767, false },
    { SOL_TCP, TCP_KEEPCNT, 1, 127, false }, { SOL_TCP, TCP_SYNCNT, 1, 127, false }, { SOL_TCP, TCP_USER_TIMEOUT, 0, INT32_MAX, false },
};

static int range_check(const struct option *o, int32_t *v)
{
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        const struct range *r = &ranges[i];
        if (r->level != o->level || r->name != o->name)
            continue;
        if (*v == -1 && r->reset)
            *v = o->value;
        return *v < r->least || *v > r->most ? -EINVAL : 0;
    }
    if (o->level == SOL_IP && o->name == IP_TOS)
        *v &= 255;
    return 0;
}

static const struct option *option_find(uint64_t level, uint64_t name)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (options[i].level == level && options[i].name == name)
            return &options[i];
    return NULL;
}

static bool applies(const struct sock *s, uint64_t level)
{
    bool inet = s->family == AF_INET || s->family == AF_INET6;

    switch (level) {
    case SOL_SOCKET: return true;
    case SOL_TCP: return s->type == SOCK_STREAM && inet;
    case SOL_IP: return inet;
    case SOL_IPV6: return s->family == AF_INET6;
    case SOL_NETLINK: return s->family == AF_NETLINK;
    }
    return false;
}

/* Its value; NULL: it was never set, and there is no room if `make` says it will be. */
static int32_t *kept_find(struct sock *s, const struct option *o, bool make)
{
    for (size_t i = 0; i < ARRAY_LEN(s->kept); i++) {
        struct kept_option *k = &s->kept[i];
        if (!k->name && make)
            *k = (struct kept_option){ .level = o->level, .name = o->name };
        if (k->name == o->name && k->level == o->level)
            return &k->value;
    }
    return NULL;
}

/* --- setting ---------------------------------------------------------------------------------------------------------------------- */
static int timeout_set(uint64_t *ns, user_t at, uint64_t len)
{
    struct timeval t;

    if (len < sizeof t)
        return -EINVAL;
    if (user_read(&t, at, sizeof t))
        return -EFAULT;
    if (t.tv_usec < 0 || t.tv_usec >= 1000000)
        return -EDOM;
    *ns = t.tv_sec < 0 ? 1 : (uint64_t)min_u64((uint64_t)t.tv_sec, 1u << 30) * 1000000000u + (uint64_t)t.tv_usec * 1000;
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

static int number_set(struct sock *s, const struct option *o, int32_t v)
{
    uint32_t bit = (uint32_t)o->value;
    uint64_t room = 2 * min_u64((uint32_t)v, 212992);
    int32_t *kept;

    switch (o->kind) {
    case BIT_OPTION:
        if (bit == OPT_V6ONLY && s->local.len)
            return -EINVAL;
        s->options = v ? s->options | bit : s->options & ~bit;
        return 0;
    case KEPT:
        if (range_check(o, &v))
            return -EINVAL;
        kept = kept_find(s, o, true);
        if (kept)
            *kept = v;
        return 0;
    case RX_ROOM: s->rx_limit = (uint32_t)max_u64(2304, room); return 0;
    case TX_ROOM:
        s->send_size = (uint32_t)max_u64(4608, room);
        waitq_wake(&s->wait);
        return 0;
    case RX_ROOM_FORCE:
    case TX_ROOM_FORCE: return -EPERM; /* over the limit for all */
    }
    return -ENOPROTOOPT;
}

SYS_SOCK(setsockopt)
{
    uint64_t level = (uint32_t)a[1], len = (uint32_t)a[4];
    const struct option *o = option_find(level, (uint32_t)a[2]);
    int32_t v = 0;

    if (!applies(s, level))
        return s->family == AF_UNIX && level != SOL_UDP && level != SOL_TCP && level != SOL_IPV6 ? -EOPNOTSUPP : -ENOPROTOOPT;
    if (o && (o->kind == RX_TIME || o->kind == TX_TIME))
        return timeout_set(o->kind == RX_TIME ? &s->rx_timeout : &s->tx_timeout, a[3], len);
    if (o && o->kind == LINGER)
        return linger_set(s, a[3], len);
    if (o && o->kind == CONGESTION)
        return 0; /* any will do */
    if (len < sizeof v && level != SOL_IP) /* there, a byte is enough */
        return -EINVAL;
    if (user_read(&v, a[3], min_u64(len, sizeof v)))
        return -EFAULT;
    return o ? number_set(s, o, v) : -ENOPROTOOPT;
}

/* --- asking ----------------------------------------------------------------------------------------------------------------------- */
static int32_t number_get(struct sock *s, const struct option *o)
{
    const int32_t *kept = kept_find(s, o, false);
    int32_t v = kept ? *kept : o->value;

    switch (o->kind) {
    case BIT_OPTION: return (s->options & (uint32_t)o->value) != 0;
    case TX_ROOM: return (int32_t)s->send_size;
    case RX_ROOM: return (int32_t)s->rx_limit;
    case TYPE: return s->type;
    case ACCEPTING: return s->state == SOCKET_LISTENING;
    case PROTOCOL: return s->protocol;
    case DOMAIN: return s->family;
    case ERROR:
        v = s->error;
        s->error = 0;
    }
    return v;
}

static uint64_t put(uint8_t *bytes, const void *from, size_t n) { return memcpy(bytes, from, n), n; }

/* Its bytes; 0: there is no such option, or it can only be set. */
static uint64_t option_get(struct sock *s, const struct option *o, uint8_t bytes[OPTION_MAX])
{
    const struct ucred nobody = { 0, UINT32_MAX, UINT32_MAX };
    uint64_t ns = o->kind == RX_TIME ? s->rx_timeout : s->tx_timeout;

    memset(bytes, 0, OPTION_MAX);
    switch (o->kind) {
    case LINGER: return put(bytes, (const int32_t[2]){ (int32_t)s->linger_on, (int32_t)s->linger }, 8);
    case RX_TIME:
    case TX_TIME: return put(bytes, &(struct timeval){ (int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u / 1000) }, sizeof(struct timeval));
    case PEERCRED: return put(bytes, s->family == AF_UNIX && s->state != SOCKET_NEW ? &s->cred : &nobody, sizeof nobody);
    case CONGESTION: return memcpy(bytes, "cubic", 5), 16;
    case STATE: /* struct tcp_info: its state, and nothing known of the rest */
        bytes[0] = s->state == SOCKET_CONNECTED ? 1 : s->state == SOCKET_LISTENING ? 10 : 7;
        return OPTION_MAX;
    case RX_ROOM_FORCE:
    case TX_ROOM_FORCE: return 0;
    }
    return put(bytes, &(int32_t){ number_get(s, o) }, sizeof(int32_t));
}

SYS_SOCK(getsockopt)
{
    const struct option *o = option_find((uint32_t)a[1], (uint32_t)a[2]);
    uint8_t bytes[OPTION_MAX];
    int32_t room;
    uint64_t n;

    if (user_read(&room, a[4], sizeof room))
        return -EFAULT;
    if (room < 0)
        return -EINVAL;
    if (!applies(s, (uint32_t)a[1]))
        return s->family == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
    n = o ? option_get(s, o, bytes) : 0;
    if (!n)
        return -ENOPROTOOPT;
    room = (int32_t)min_u64(n, (uint32_t)room);
    return user_write(a[3], bytes, (uint32_t)room) || user_write(a[4], &room, sizeof room) ? -EFAULT : 0;
}
