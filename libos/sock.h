#pragma once
/* Sockets: what all families share is in sock.c; unix.c, inet.c and netlink.c are families, net.c is their way to the monitor's /net.
 *
 * Every socket has one queue of received packets. A local connection is two sockets that put packets into each other's; data of the world comes
 * into the same queue by net.c. So receiving, waiting and polling are the same for all. */
#include "abi/net.h"
#include "libos/file.h"

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
enum { SOCK_STREAM = 1, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET = 5, SOCK_TYPE = 15 };
enum { MSG_OOB = 1, MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_TRUNC = 0x20, MSG_DONTWAIT = 0x40, MSG_EOR = 0x80, MSG_WAITALL = 0x100, MSG_ERRQUEUE = 0x2000,
    MSG_NOSIGNAL = 0x4000, MSG_WAITFORONE = 0x10000, MSG_CMSG_CLOEXEC = 0x40000000 };
enum { SHUT_RD, SHUT_WR, SHUT_RDWR };

#define NAME_BYTES 128u /* struct sockaddr_storage */
struct sockname {
    uint32_t len; /* 0: none */
    union {
        uint8_t bytes[NAME_BYTES];
        uint16_t family;
    };
};

struct ucred {
    uint32_t pid, uid, gid;
};
#define RIGHTS_MAX 253u
struct rights {
    uint32_t n;
    struct file *file[RIGHTS_MAX]; /* each with a hold of its own */
};

struct packet {
    struct list link;
    uint32_t len, at, room; /* bytes; those taken already; what the block holds */
    struct ucred cred;
    struct rights *rights;
    struct sockname *from;
    uint8_t bytes[];
};

/* What one call sends or receives. */
struct message {
    struct iovec *iov;
    uint32_t niov;
    uint64_t len, done;
    struct sockname name; /* whom it goes to, or where it came from */
    struct rights *rights;
    struct ucred cred;
    bool has_cred;
    uint32_t flags; /* MSG_*; of a received one those to be reported, too */
};

enum sock_state { SOCKET_NEW, SOCKET_LISTENING, SOCKET_CONNECTING, SOCKET_CONNECTED, SOCKET_DOWN };
enum { OPT_REUSEADDR = 1, OPT_REUSEPORT = 2, OPT_KEEPALIVE = 4, OPT_BROADCAST = 8, OPT_PASSCRED = 16, OPT_NODELAY = 32, OPT_V6ONLY = 64,
    OPT_OOBINLINE = 128, OPT_TIMESTAMP = 256, OPT_CORK = 512 };

struct sock;
struct sock_ops {
    int (*bind)(struct sock *, const struct sockname *);
    int (*listen)(struct sock *);
    int (*connect)(struct sock *, const struct sockname *); /* once; -EINPROGRESS: state or error will tell; -EAGAIN: try again when woken */
    int (*send)(struct sock *, struct message *);           /* adds to m->done; -EAGAIN: try again when woken */
    bool (*writable)(struct sock *);
    void (*taken)(struct sock *, uint32_t n);               /* the program has received n bytes more */
    void (*shut)(struct sock *, bool read, bool write);
    void (*close)(struct sock *);
};

struct sock {
    const struct sock_ops *ops;
    uint16_t family, type, protocol;
    enum sock_state state;
    uint32_t refs;      /* its file; who waits in it */
    struct waitq wait;
    struct list rx;     /* struct packet */
    uint32_t rx_bytes, rx_limit, rx_count;
    struct sock *peer;  /* of a local connection; NULL: it has gone, or is not local */
    struct sock *blocked_on; /* with -EAGAIN of an operation: whose queue it waits for, if not its own */
    struct list accept, link; /* connections nobody has accepted yet; this one among them */
    uint32_t backlog, waiting;
    struct sockname local, remote;
    struct ucred cred;  /* of the peer */
    int error;          /* an errno to be told once */
    bool rx_end, tx_end, was_connected;
    bool untold;        /* it is connected, and connect() said EINPROGRESS */
    uint32_t options, send_size, linger, linger_on;
    uint64_t rx_timeout, tx_timeout; /* ns, 0: none */
    struct kept_option {
        uint16_t level, name;
        int32_t value;
    } kept[8];          /* options that change nothing here, but are what they were set to */
    /* unix.c, inet.c: those that have a name */
    struct list named;
    struct node *node;
    /* inet.c and net.c */
    uint32_t conv;      /* number at the monitor; 0: none */
    uint32_t may_send, owed;
    int done;           /* of the last command: 1: not yet; else 0 or -errno */
    bool published;     /* the monitor knows it as listening */
    bool autobound;     /* the program has not asked for this address */
};

/* --- sock.c --- */
struct sock *sock_new(const struct sock_ops *, uint32_t family, uint32_t type, uint32_t protocol);
static inline void sock_get(struct sock *s) { s->refs++; }
void sock_put(struct sock *);
struct file *sock_file(struct sock *, uint32_t flags); /* takes the hold; NULL: no memory, and it is put */
struct sock *sock_of(struct file *);                   /* NULL: not a socket */
/* Whoever calls these holds the file: they may wait. */
int64_t sock_send(struct file *, struct message *);
int64_t sock_recv(struct file *, struct message *);
int sock_connect(struct file *, const struct sockname *);
int64_t sock_accept(struct file *, uint32_t flags, struct sockname *);
int sock_shutdown(struct sock *, uint64_t how);
/* Puts bytes of m from m->done on, as many as there is room for and at most n, into to's queue. They stay a packet of their own unless it is a stream. */
int sock_give(struct sock *to, const struct sockname *from, struct message *m, uint64_t n);
int sock_give_bytes(struct sock *to, const struct sockname *from, const void *bytes, uint32_t n);
void sock_give_end(struct sock *); /* nothing more will come */
void sock_fail(struct sock *, int error);
void sock_refuse(struct sock *, int error); /* connecting has failed: nothing comes or goes until the next connect() has said so */
static inline bool sock_refused(const struct sock *s) { return s->state == SOCKET_NEW && s->rx_end; }
void sock_pair(struct sock *a, struct sock *b); /* connects them */
void sock_queue(struct sock *listener, struct sock *); /* takes the hold; to be accepted */
uint32_t sock_limit(const struct sock *);
uint32_t sock_room(const struct sock *); /* bytes that may be put into its queue */
bool sock_crowded(const struct sock *);
bool sock_peer_writable(struct sock *);
int sock_peer_send(struct sock *, struct message *);
void sock_peer_close(struct sock *);
void sock_peer_shut(struct sock *, bool read, bool write);
void rights_put(struct rights *);
/* n bytes of the message's memory from `at` on, to or from bytes. */
int message_move(const struct message *, uint64_t at, uint8_t *bytes, uint64_t n, bool to_user);
static inline int message_copy(const struct message *m, uint64_t at, void *to, uint64_t n) { return message_move(m, at, to, n, false); }
static inline struct packet *packet_first(const struct sock *s) { return container_of(s->rx.next, struct packet, link); }
void packet_free(struct sock *, struct packet *); /* takes it out of the queue */

/* --- families: a new socket of theirs; 0 or -errno --- */
int unix_make(uint32_t type, uint32_t protocol, struct sock **);
int inet_make(uint32_t family, uint32_t type, uint32_t protocol, struct sock **);
int netlink_make(uint32_t type, uint32_t protocol, struct sock **);
int inet_accepted(struct sock *listener, const struct app_net_pair *, uint32_t conv, struct sock **);
void inet_received(struct sock *, const uint8_t *bytes, uint32_t n);
void inet_names(struct sock *, const struct app_net_pair *);

int iface_ioctl(uint64_t request, user_t arg); /* netlink.c: the names of interfaces */

/* --- net.c: the way to /net --- */
enum net_mode { NET_ABSENT, NET_NONE, NET_OUT, NET_HOST };
enum net_mode net_mode(void);
bool net_published(bool udp, uint16_t port);
int net_open(struct sock *, bool udp);
int net_command(struct sock *, bool udp, const char *line); /* opens it if need be; the command's result is in s->done later */
int net_ask(struct sock *, bool udp, const char *line);     /* the same, and waits for the result */
int net_data(struct sock *, const struct app_net_addr *to, struct message *, uint64_t n); /* n bytes of m from m->done on */
void net_taken(struct sock *, uint32_t n);
void net_end(struct sock *);
void net_close(struct sock *);
bool net_idle(void);   /* no socket uses it */
void net_forget(void); /* in a clone: the first socket starts it anew */
void net_push(void);  /* somebody will wait for what was written */
void net_leave(void); /* before a CPU goes back to the program */
void net_flush(void); /* all that was written goes out now */
/* Around a CPU's wait, which kicks; waited: it was not called off. */
void net_wait_begin(void);
void net_wait_end(bool waited);
