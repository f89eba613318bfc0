/* Addresses of /net: as text, as the host's sockets want them, and what kind they are. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "base/str.h"
#include "ground/linux/net.h"

static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

bool net_addr_v4(const struct app_net_addr *a)
{
    return memcmp(a->ip, mapped, sizeof mapped) == 0;
}

bool net_addr_any(const struct app_net_addr *a)
{
    static const uint8_t none[16];

    return memcmp(a->ip, none, 16) == 0 || (net_addr_v4(a) && memcmp(a->ip + 12, none, 4) == 0);
}

/* Whatever a kernel may take for this machine itself: also 0.0.0.0 and ::, and IPv4 addresses in their old IPv6 forms. */
bool net_addr_loopback(const struct app_net_addr *a)
{
    static const uint8_t zeros[16];
    bool low = memcmp(a->ip, zeros, 12) == 0;

    return net_addr_any(a) || ((net_addr_v4(a) || low) && (a->ip[12] == 127 || a->ip[12] == 0));
}

bool net_addr_parse(const char *text, struct app_net_addr *a)
{
    char host[NET_ADDR_TEXT];
    const char *bang = strrchr(text, '!');
    uint64_t port;

    memset(a, 0, sizeof *a);
    if (!bang || (size_t)(bang - text) >= sizeof host || str_to_u64(bang + 1, &port) || port > 65535)
        return false;
    memcpy(host, text, (size_t)(bang - text));
    host[bang - text] = 0;
    a->port[0] = (uint8_t)(port >> 8);
    a->port[1] = (uint8_t)port;
    if (str_eq(host, "*"))
        return true;
    if (inet_pton(AF_INET6, host, a->ip) == 1)
        return true;
    memcpy(a->ip, mapped, sizeof mapped);
    return inet_pton(AF_INET, host, a->ip + 12) == 1;
}

void net_addr_print(const struct app_net_addr *a, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (net_addr_v4(a))
        inet_ntop(AF_INET, a->ip + 12, host, sizeof host);
    else
        inet_ntop(AF_INET6, a->ip, host, sizeof host);
    snprintf(text, size, "%s!%u", host, net_port_number(a));
}

socklen_t net_addr_to(const struct app_net_addr *a, struct sockaddr_storage *to)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)to;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)to;

    memset(to, 0, sizeof *to);
    if (net_addr_v4(a)) {
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_port, a->port, 2);
        memcpy(&v4->sin_addr, a->ip + 12, 4);
        return sizeof *v4;
    }
    v6->sin6_family = AF_INET6;
    memcpy(&v6->sin6_port, a->port, 2);
    memcpy(&v6->sin6_addr, a->ip, 16);
    return sizeof *v6;
}

void net_addr_from(const struct sockaddr_storage *from, struct app_net_addr *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)from;

    memset(a, 0, sizeof *a);
    if (from->ss_family == AF_INET) {
        memcpy(a->ip, mapped, sizeof mapped);
        memcpy(a->ip + 12, &v4->sin_addr, 4);
        memcpy(a->port, &v4->sin_port, 2);
    } else if (from->ss_family == AF_INET6) {
        memcpy(a->ip, &v6->sin6_addr, 16);
        memcpy(a->port, &v6->sin6_port, 2);
    }
}
