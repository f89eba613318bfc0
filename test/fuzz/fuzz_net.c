/* Fuzzes /net: the input becomes messages to its 9P server, as fuzz_9p_server.c makes them of theirs: a type, a length n and n bytes for a message
 * with a right header. It begins with the mux open as fid 1 and /net/tcp/clone as fid 2. The rules let nothing out of the process but for a published
 * port on the loopback, to which this end connects now and then. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/panic.h"
#include "ground/linux/net.h"

#define MSIZE 0x10200u
#define FIDS 12u
#define REQS 8u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* As guest.c does: writing to who has gone is an error, not an end. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

static struct net n;
static struct ninep_server s;
static struct ninep_fid fids[FIDS];
static struct ninep_req reqs[REQS];
static uint8_t questions[REQS][MSIZE], answer[2 * MSIZE]; /* a question stays until it is answered: by tag */
static int peer = -1;

static void question(uint8_t type, uint16_t tag, const uint8_t *body, uint32_t len)
{
    uint8_t *q = questions[tag % REQS];
    uint32_t len_r;

    for (unsigned i = 0; i < REQS; i++)
        if (reqs[i].state && reqs[i].in.tag == tag)
            return; /* it waits, and its bytes must stay */
    put_le32(q, NINEP_HEADER + len);
    q[4] = type;
    put_le16(q + 5, tag);
    memcpy(q + NINEP_HEADER, body, len);
    if (ninep_server_take(&s, q, NINEP_HEADER + len, answer, &len_r) != OK)
        return;
    ASSERT(len_r <= sizeof answer);
}

static void message(const struct ninep_msg *m)
{
    static uint8_t bytes[MSIZE];
    uint32_t len;

    if (ninep_encode(m, bytes, sizeof bytes, &len) == OK)
        question(bytes[4], get_le16(bytes + 5), bytes + NINEP_HEADER, len - NINEP_HEADER);
}

static void outside(uint8_t what)
{
    const struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 0, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_in at = to;
    socklen_t len = sizeof at;

    net_ready(&n);
    if (what == 1 && peer < 0) {
        for (unsigned i = 0; i < APP_NET_CONVS; i++)
            if (n.convs[i] && n.convs[i]->port && !getsockname(n.convs[i]->fd, (struct sockaddr *)&at, &len)) {
                peer = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                (void)!connect(peer, (struct sockaddr *)&at, sizeof at);
                break;
            }
    } else if (what == 2 && peer >= 0) {
        (void)!write(peer, "some bytes from outside", 23);
    } else if (what == 3 && peer >= 0) {
        close(peer);
        peer = -1;
    }
    net_ready(&n);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
    static const struct guest_config cfg = { .net = GUEST_NET_NONE, .nports = 1, .ports = { { "127.0.0.1", 0, 80, false } } };

    if (net_init(&n, &cfg)) { /* there is no free port now */
        net_fini(&n);
        return 0;
    }
    memset(fids, 0, sizeof fids);
    memset(reqs, 0, sizeof reqs);
    s = (struct ninep_server){ .fs = &n.tree.fs, .fids = fids, .nfids = FIDS, .reqs = reqs, .nreqs = REQS, .msize_max = MSIZE };
    ninep_server_init(&s);
    message(&(struct ninep_msg){ .type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = MSIZE, .text = NINEP_VERSION });
    message(&(struct ninep_msg){ .type = NINEP_TATTACH, .tag = 1, .fid = 0, .dfid = NINEP_NOFID, .name = "", .text = "" });
    message(&(struct ninep_msg){ .type = NINEP_TWALK, .tag = 1, .fid = 0, .dfid = 1, .nwalk = 1, .wname = { "mux" } });
    message(&(struct ninep_msg){ .type = NINEP_TLOPEN, .tag = 1, .fid = 1, .flags = NINEP_RDWR });
    message(&(struct ninep_msg){ .type = NINEP_TWALK, .tag = 1, .fid = 0, .dfid = 2, .nwalk = 2, .wname = { "tcp", "clone" } });
    message(&(struct ninep_msg){ .type = NINEP_TLOPEN, .tag = 1, .fid = 2, .flags = NINEP_RDWR });
    while (len >= 3) {
        uint8_t type = in[0], tag = in[1] % (REQS - 1);
        uint32_t size = (uint32_t)min_u64(in[2], len - 3);
        if (type < 4)
            outside(type);
        else if (type == 4) /* the rest as records for the mux */
            message(&(struct ninep_msg){ .type = NINEP_TWRITE, .tag = tag, .fid = 1, .data = in + 3, .count = size });
        else if (type == 5)
            message(&(struct ninep_msg){ .type = NINEP_TREAD, .tag = tag, .fid = 1, .count = MSIZE - 24 });
        else if (type == 6)
            message(&(struct ninep_msg){ .type = NINEP_TWRITE, .tag = tag, .fid = 2, .data = in + 3, .count = size });
        else
            question(type, tag, in + 3, size);
        while (ninep_server_poll(&s, answer))
            ;
        in += 3 + size;
        len -= 3 + size;
    }
    ninep_server_fini(&s);
    net_fini(&n);
    if (peer >= 0)
        close(peer);
    peer = -1;
    return 0;
}
