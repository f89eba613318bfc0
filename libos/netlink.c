/* AF_NETLINK, as far as asking for interfaces and addresses goes: what getifaddrs() and if_nameindex() do; and the older ioctls for the same. */
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include "libos/sock.h"

/* The loopback, and, where the world can be reached, one that stands for the way there: the guest has no address of its own in it. */
static const struct iface {
    const char *name;
    int32_t index;
    uint32_t flags, mtu;
    uint16_t kind; /* ARPHRD_* */
    uint8_t v4[4], v4_bits;
} ifaces[] = {
    { "lo", 1, 0x10049, 65536, 772, { 127, 0, 0, 1 }, 8 },
    { "eth0", 2, 0x11043, 1500, 1, { 10, 0, 2, 15 }, 24 },
};

static unsigned iface_count(void) { return net_mode() >= NET_OUT ? 2 : 1; }

/* --- messages ---------------------------------------------------------------------------------------------------------------- */
struct reply {
    uint32_t len, at, seq; /* at: where the last message begins */
    uint8_t bytes[1024];
};

/* More of the last message. */
static void add(struct reply *r, const void *bytes, uint32_t n)
{
    uint32_t len;

    memcpy(r->bytes + r->len, bytes, n);
    r->len += (uint32_t)align_up(n, 4);
    len = r->len - r->at;
    memcpy(r->bytes + r->at, &len, sizeof len); /* nlmsg_len */
}

static void message(struct reply *r, uint16_t type, const void *body, uint32_t n)
{
    const struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_MULTI, .nlmsg_seq = r->seq, .nlmsg_pid = boot->pid };

    r->at = r->len;
    add(r, &head, sizeof head);
    add(r, body, n);
}

static void attr(struct reply *r, uint16_t kind, const void *value, uint32_t n)
{
    add(r, (const uint16_t[2]){ (uint16_t)(n + 4), kind }, 4);
    add(r, value, n);
}

static void links_tell(struct reply *r)
{
    for (unsigned i = 0; i < iface_count(); i++) {
        const struct iface *f = &ifaces[i];
        const struct ifinfomsg body = { .ifi_type = f->kind, .ifi_index = f->index, .ifi_flags = f->flags };
        const uint8_t mac[6] = { i ? 2 : 0, 0, 0, 0, 0, i ? 1 : 0 };
        message(r, RTM_NEWLINK, &body, sizeof body);
        attr(r, IFLA_IFNAME, f->name, (uint32_t)strlen(f->name) + 1);
        attr(r, IFLA_MTU, &f->mtu, 4);
        attr(r, IFLA_ADDRESS, mac, sizeof mac);
    }
}

static void address_tell(struct reply *r, const struct iface *f, uint8_t family, const uint8_t *ip, uint8_t bits)
{
    const struct ifaddrmsg body = { .ifa_family = family, .ifa_prefixlen = bits, .ifa_flags = IFA_F_PERMANENT,
                                    .ifa_scope = f->index == 1 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE, .ifa_index = (uint32_t)f->index };
    uint32_t n = family == AF_INET ? 4 : 16;

    message(r, RTM_NEWADDR, &body, sizeof body);
    attr(r, IFA_ADDRESS, ip, n);
    if (family == AF_INET) {
        attr(r, IFA_LOCAL, ip, n);
        attr(r, IFA_LABEL, f->name, (uint32_t)strlen(f->name) + 1);
    }
}

static void addresses_tell(struct reply *r)
{
    static const uint8_t one[16] = { [15] = 1 };

    for (unsigned i = 0; i < iface_count(); i++)
        address_tell(r, &ifaces[i], AF_INET, ifaces[i].v4, ifaces[i].v4_bits);
    address_tell(r, &ifaces[0], AF_INET6, one, 128);
}

/* --- the socket ----------------------------------------------------------------------------------------------------------------- */
static struct sockname name(uint32_t pid)
{
    struct sockname n = { .len = 12, .family = AF_NETLINK };

    memcpy(n.bytes + 4, &pid, 4);
    return n;
}

static int netlink_bind(struct sock *s, const struct sockname *n)
{
    if (n->len < 12 || n->family != AF_NETLINK)
        return -EINVAL;
    s->local = name(boot->pid);
    return 0;
}

static int reply_give(struct sock *s, const struct reply *r)
{
    const struct sockname kernel = name(0);

    return sock_give_bytes(s, &kernel, r->bytes, r->len);
}

static int netlink_send(struct sock *s, struct message *m)
{
    struct nlmsghdr q;
    struct reply r = { 0 };
    int e = 0;

    if (m->len < sizeof q || message_copy(m, 0, &q, sizeof q))
        return -EINVAL;
    m->done = m->len;
    r.seq = q.nlmsg_seq;
    if (q.nlmsg_type == RTM_GETLINK)
        links_tell(&r);
    if (q.nlmsg_type == RTM_GETADDR)
        addresses_tell(&r);
    if (r.len) {
        e = reply_give(s, &r);
        r.len = 0;
        message(&r, NLMSG_DONE, &(int32_t){ 0 }, sizeof(int32_t));
    } else {
        message(&r, NLMSG_ERROR, &(int32_t){ -EOPNOTSUPP }, sizeof(int32_t));
        add(&r, &q, sizeof q);
    }
    return e ? e : reply_give(s, &r);
}

static bool netlink_writable(UNUSED struct sock *s) { return true; }

static void netlink_close(struct sock *s) { (void)s; }

static const struct sock_ops netlink_ops = { .bind = netlink_bind, .connect = netlink_bind, .send = netlink_send, .writable = netlink_writable,
                                             .close = netlink_close };

int netlink_make(uint32_t type, uint32_t protocol, struct sock **out)
{
    if (type != SOCK_RAW && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol != 0) /* NETLINK_ROUTE */
        return -EPROTONOSUPPORT;
    *out = sock_new(&netlink_ops, AF_NETLINK, SOCK_DGRAM, protocol);
    if (!*out)
        return -ENOMEM;
    (*out)->local = name(boot->pid);
    return 0;
}

/* --- ioctls ------------------------------------------------------------------------------------------------------------------------ */
struct ifreq {
    char name[16];
    union {
        int32_t number;
        uint8_t bytes[24];
    };
};

static void v4_put(uint8_t *to, const struct iface *f)
{
    const uint16_t family = AF_INET;

    memset(to, 0, 16);
    memcpy(to, &family, sizeof family);
    memcpy(to + 4, f->v4, 4);
}

static int list_put(user_t arg)
{
    struct {
        int32_t len, pad;
        uint64_t at;
    } conf;
    unsigned i = 0;

    if (user_read(&conf, arg, sizeof conf))
        return -EFAULT;
    for (; i < iface_count() && (!conf.at || (i + 1) * sizeof(struct ifreq) <= (uint32_t)conf.len); i++) {
        struct ifreq r = { 0 };
        str_copy(r.name, sizeof r.name, ifaces[i].name);
        v4_put(r.bytes, &ifaces[i]);
        if (conf.at && user_write(conf.at + i * sizeof r, &r, sizeof r))
            return -EFAULT;
    }
    conf.len = (int32_t)(i * sizeof(struct ifreq));
    return user_write(arg, &conf, sizeof conf);
}

int iface_ioctl(uint64_t request, user_t arg)
{
    struct ifreq r;
    const struct iface *f = NULL;

    if (request >> 8 != 0x89)
        return -ENOTTY;
    if (request == SIOCGIFCONF)
        return list_put(arg);
    if (user_read(&r, arg, sizeof r))
        return -EFAULT;
    r.name[sizeof r.name - 1] = 0;
    for (unsigned i = 0; i < iface_count(); i++)
        if (request == SIOCGIFNAME ? ifaces[i].index == r.number : str_eq(ifaces[i].name, r.name))
            f = &ifaces[i];
    if (!f)
        return -ENODEV;
    switch (request) {
    case SIOCGIFNAME: str_copy(r.name, sizeof r.name, f->name); break;
    case SIOCGIFFLAGS: r.number = (int32_t)(f->flags & 0xFFFF); break;
    case SIOCGIFMTU: r.number = (int32_t)f->mtu; break;
    case SIOCGIFINDEX: r.number = f->index; break;
    case SIOCGIFADDR: v4_put(r.bytes, f); break;
    default: return -EPERM;
    }
    return user_write(arg, &r, sizeof r);
}
