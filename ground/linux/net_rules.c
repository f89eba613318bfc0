/* What a guest may reach, and the host ports that are published for it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "ground/linux/net.h"

/* GUEST_NET_OUT: anything but this machine itself; but for its resolver, without which there are no names. */
bool net_may_reach(const struct net *n, const struct app_net_addr *a, bool)
{
    bool multicast = net_addr_v4(a) ? a->ip[12] >= 224 : a->ip[0] == 0xFF;

    if (n->mode == GUEST_NET_NONE)
        return false;
    if (n->mode == GUEST_NET_HOST)
        return true;
    for (unsigned i = 0; i < n->nresolvers; i++)
        if (memcmp(&n->resolvers[i], a, sizeof *a) == 0)
            return true;
    return !net_addr_loopback(a) && !multicast;
}

struct net_port *net_port_of(struct net *n, bool udp, uint16_t guest)
{
    for (unsigned i = 0; i < n->nports; i++)
        if (n->ports[i].port->udp == udp && n->ports[i].port->guest == guest)
            return &n->ports[i];
    return NULL;
}

int net_port_open(const struct guest_port *p)
{
    struct sockaddr_storage at;
    struct app_net_addr a;
    char text[NET_ADDR_TEXT];
    socklen_t len;
    int fd, one = 1;

    snprintf(text, sizeof text, "%s!%u", p->address[0] ? p->address : "0.0.0.0", p->host);
    if (!net_addr_parse(text, &a))
        return -EINVAL;
    len = net_addr_to(&a, &at);
    fd = socket(at.ss_family, (p->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (!p->udp) /* a port that was used a minute ago is free; with UDP the option would let two have it */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, len)) {
        int e = -errno;
        close(fd);
        return e;
    }
    return fd;
}

static void resolvers_read(struct net *n)
{
    FILE *f = fopen("/etc/resolv.conf", "re");
    char line[256], host[NET_ADDR_TEXT - 8], text[NET_ADDR_TEXT];

    while (f && n->nresolvers < NET_RESOLVERS && fgets(line, sizeof line, f)) {
        if (sscanf(line, " nameserver %55s", host) != 1)
            continue;
        snprintf(text, sizeof text, "%s!53", host);
        if (net_addr_parse(text, &n->resolvers[n->nresolvers]))
            n->nresolvers++;
    }
    if (f)
        fclose(f);
}

err_t net_rules_init(struct net *n, const struct guest_config *cfg)
{
    n->mode = cfg->net;
    for (unsigned i = 0; i < cfg->nports; i++) {
        const struct guest_port *p = &cfg->ports[i];
        int fd = net_port_open(p);
        if (fd < 0) {
            fprintf(stderr, "goblin: cannot publish port %s%s%u/%s: %s\n", p->address, p->address[0] ? ":" : "", p->host, p->udp ? "udp" : "tcp",
                    strerror(-fd));
            return ERR_IO;
        }
        n->ports[n->nports++] = (struct net_port){ .port = p, .fd = fd };
    }
    if (n->mode == GUEST_NET_OUT)
        resolvers_read(n);
    return OK;
}
