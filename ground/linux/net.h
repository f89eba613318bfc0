#pragma once
/* /net on Linux: conversations over host sockets, served as files (docs/net.md). What a guest may reach is decided here and only here, from the
 * rules its user gave. One thread at a time (guest->lock); nothing waits but poll on net->epoll. */
#include <sys/socket.h>
#include <sys/types.h>
#include "abi/net.h"
#include "ground/linux/run.h"
#include "ninep/tree.h"

#define NET_PEERS 64u
#define NET_RESOLVERS 4u
#define NET_BUFFER_MAX MIB(64) /* of all unsent data together */

struct net;

/* A published port: its host socket is bound from the start, so that nobody takes it; a conversation borrows it. */
struct net_port {
    const struct guest_port *port;
    int fd; /* -1: a conversation has it */
};

enum conv_state { CONV_FRESH, CONV_CONNECTING, CONV_CONNECTED, CONV_ANNOUNCED, CONV_CLOSED };

struct conv {
    struct net *net;
    uint64_t key; /* of the tree; never used again */
    bool udp, answers_only, keepalive;
    enum conv_state state;
    int fd;    /* -1: none yet */
    int error; /* an errno that was not told yet */
    bool readable, writable, hangup;
    struct app_net_addr bound; /* as the guest asked; port 0: none */
    struct net_port *port;     /* borrowed */
    struct app_net_addr *peers; /* answers_only: who has written, the last NET_PEERS */
    uint32_t npeers;
    /* the owner's: the tree or the mux */
    void (*ready)(struct conv *); /* state, readable or writable may have changed */
    void *owner;
    struct ninep_req *waiting[4];
    struct ninep_req *connecting; /* the command that is under way */
    uint32_t opens;
};

struct mux;
struct net {
    struct tree tree; /* give &net.tree.fs to a server */
    int epoll;        /* readable: call net_ready(); -1: there is nothing to wait for */
    enum guest_net mode;
    struct net_port ports[GUEST_PORTS];
    unsigned nports;
    struct app_net_addr resolvers[NET_RESOLVERS]; /* the host's, which may be on its loopback */
    unsigned nresolvers;
    struct conv *convs[APP_NET_CONVS]; /* by the low bits of the key */
    uint64_t last_key;
    struct mux *mux;
};

/* Binds what is to be published. On error, a line has been written to stderr. */
MUST_USE err_t net_init(struct net *, const struct guest_config *);
void net_fini(struct net *);
/* When nobody uses it: what goes with a process is made anew, the rules stay. ERR_IO. */
MUST_USE err_t net_renew(struct net *);
void net_ready(struct net *);
/* What guests have written goes on to be sent after their end, as a kernel does; ends when all is sent or nothing moves for that long. */
void net_drain(struct net *, int milliseconds);

/* --- net.c: conversations. Results below 0 are -errno --- */
struct conv *conv_new(struct net *, bool udp); /* NULL: too many */
void conv_free(struct conv *);
struct conv *conv_find(struct net *, uint64_t key);
int conv_command(struct conv *, char *line); /* a line of ctl; -EINPROGRESS: when state has changed, conv_error() knows */
int conv_error(struct conv *);               /* 0 or -errno, once */
int conv_accept(struct conv *, struct conv **);
size_t conv_read_room(const struct conv *);       /* what conv_read() needs to give something whole */
ssize_t conv_read(struct conv *, void *, size_t); /* UDP: with an app_net_addr at the front */
ssize_t conv_write(struct conv *, const void *, size_t);
int conv_end(struct conv *); /* nothing more will be written */
void conv_names(struct conv *, struct app_net_pair *);
/* --- net_rules.c --- */
bool net_may_reach(const struct net *, const struct app_net_addr *, bool udp);
struct net_port *net_port_of(struct net *, bool udp, uint16_t guest);
int net_port_open(const struct guest_port *); /* a bound socket, or -errno */
err_t net_rules_init(struct net *, const struct guest_config *);
/* --- net_tree.c, net_mux.c --- */
void net_tree_init(struct net *);
ninep_op mux_open, mux_read, mux_write;
void mux_close(struct tree *, struct ninep_fid *);
void mux_fini(struct net *);
bool mux_drained(const struct mux *);
bool mux_open_now(const struct net *);
int net_errno(struct ninep_req *, int e); /* an answer of -errno */
struct net *net_of_req(const struct ninep_req *);
/* --- net_addr.c --- */
/* ADDRESS!PORT, ADDRESS *, a dotted quad or an IPv6 address; numbers only */
bool net_addr_parse(const char *text, struct app_net_addr *);
void net_addr_print(const struct app_net_addr *, char *text, size_t size);
#define NET_ADDR_TEXT 64u
static inline uint16_t net_port_number(const struct app_net_addr *a) { return (uint16_t)(a->port[0] << 8 | a->port[1]); }
bool net_addr_v4(const struct app_net_addr *);
bool net_addr_any(const struct app_net_addr *);
bool net_addr_loopback(const struct app_net_addr *);
socklen_t net_addr_to(const struct app_net_addr *, struct sockaddr_storage *);
void net_addr_from(const struct sockaddr_storage *, struct app_net_addr *);
