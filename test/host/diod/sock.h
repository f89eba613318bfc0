#pragma once
/* Sockets for the interoperability programs: an address is a path (Unix) or a number (TCP port on the loopback). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union sock_address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
};

/* A new socket for the address; -1 on error. */
static inline int sock_open(const char *text, union sock_address *a, socklen_t *len)
{
    memset(a, 0, sizeof *a);
    if (strchr(text, '/')) {
        a->un.sun_family = AF_UNIX;
        strncpy(a->un.sun_path, text, sizeof a->un.sun_path - 1);
        *len = sizeof a->un;
    } else {
        a->in.sin_family = AF_INET;
        a->in.sin_port = htons((uint16_t)atoi(text));
        a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *len = sizeof a->in;
    }
    return socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}
