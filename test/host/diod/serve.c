/* Serves a host directory over 9P on a socket, for clients that are not ours. Not part of goblin: the transport here is
 * as simple as it can be (blocking writes), one thread serves all connections. usage: serve [-r] DIRECTORY PATH|PORT
 * -r: read-only. Any aname is the directory. Ends with SIGTERM. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/bytes.h"
#include "base/panic.h"
#include "ground/linux/hostfs.h"
#include "test/host/diod/sock.h"

#define MSIZE 65536u
#define CLIENTS 8
#define FIDS 256
#define REQS 2

struct client {
    int fd;
    struct ninep_server server;
    struct ninep_fid fids[FIDS];
    struct ninep_req reqs[REQS];
    uint8_t in[MSIZE];
    uint32_t used;
};

static struct hostfs host;
static struct ninep_fs_ops ops;
static struct client clients[CLIENTS];
static bool read_only;

static ninep_op *attach_real;

/* diod's tools name the tree they want; here all names mean the same. */
static err_t attach(struct ninep_req *r)
{
    r->in.text = "";
    return attach_real(r);
}

static void client_start(struct client *c, int fd)
{
    c->fd = fd;
    c->used = 0;
    c->server = (struct ninep_server){ .fs = &host.fs,
                                       .fids = c->fids,
                                       .nfids = FIDS,
                                       .reqs = c->reqs,
                                       .nreqs = REQS,
                                       .msize_max = MSIZE,
                                       .read_only = read_only };
    ninep_server_init(&c->server);
}

static void client_end(struct client *c)
{
    ninep_server_fini(&c->server);
    close(c->fd);
    c->fd = -1;
}

static bool send_all(int fd, const uint8_t *p, uint32_t n)
{
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k <= 0)
            return false;
        p += k;
        n -= (uint32_t)k;
    }
    return true;
}

/* False when the connection is over. */
static bool client_input(struct client *c)
{
    static uint8_t out[MSIZE];
    ssize_t n = read(c->fd, c->in + c->used, sizeof c->in - c->used);
    uint32_t at = 0, size, len;

    if (n <= 0)
        return false;
    c->used += (uint32_t)n;
    while (c->used - at >= 4) {
        size = get_le32(c->in + at);
        if (size > MSIZE || size < NINEP_HEADER)
            return false;
        if (c->used - at < size)
            break;
        if (ninep_server_take(&c->server, c->in + at, size, out, &len) || !send_all(c->fd, out, len))
            return false;
        at += size;
    }
    memmove(c->in, c->in + at, c->used - at);
    c->used -= at;
    return true;
}

static void serve(int listener)
{
    for (;;) {
        struct pollfd p[CLIENTS + 1] = { { .fd = listener, .events = POLLIN } };
        for (int i = 0; i < CLIENTS; i++)
            p[i + 1] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
        if (poll(p, CLIENTS + 1, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < CLIENTS; i++)
            if (p[i + 1].revents && !client_input(&clients[i]))
                client_end(&clients[i]);
        if (!(p[0].revents & POLLIN))
            continue;
        int fd = accept(listener, NULL, NULL), i = 0;
        while (i < CLIENTS && clients[i].fd >= 0)
            i++;
        if (i < CLIENTS)
            client_start(&clients[i], fd);
        else
            close(fd);
    }
}

int main(int argc, char **argv)
{
    union sock_address a;
    socklen_t len;
    int fd, one = 1;

    read_only = argc > 1 && !strcmp(argv[1], "-r");
    if (argc - read_only != 3)
        return fprintf(stderr, "usage: serve [-r] DIRECTORY PATH|PORT\n"), 2;
    umask(0);
    if (hostfs_open(&host, argv[argc - 2]))
        return perror(argv[argc - 2]), 1;
    ops = *host.fs.ops;
    attach_real = ops.attach;
    ops.attach = attach;
    host.fs.ops = &ops;
    for (int i = 0; i < CLIENTS; i++)
        clients[i].fd = -1;
    fd = sock_open(argv[argc - 1], &a, &len);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, &a.any, len) < 0 || listen(fd, 8) < 0)
        return perror(argv[argc - 1]), 1;
    printf("serving\n");
    fflush(stdout);
    serve(fd);
    return 1;
}
