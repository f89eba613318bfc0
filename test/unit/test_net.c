/* /net on host sockets: what the rules let through, the files of a conversation, the mux, and clients that break every rule there is. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#define WIRE_MSIZE 0x10200u
#include "test/unit/unit.h"
#include "ground/linux/net.h"
#include "test/unit/ninep_wire.h"

#define READ_ALL (WIRE_MSIZE - 24)

static struct net n;
static struct wire w;
static uint32_t root;
static struct ninep_msg a;
static struct guest_config cfg;
static uint16_t host_port[2]; /* of the published TCP and UDP ports, 80 and 53 in the guest */
static unsigned fds_before;

static unsigned open_fds(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static uint16_t port_of_socket(int fd)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

static void start(enum guest_net mode)
{
    fds_before = open_fds();
    cfg = (struct guest_config){ .net = mode, .nports = 2, .ports = { { "127.0.0.1", 0, 80, false }, { "127.0.0.1", 0, 53, true } } };
    assert_int_equal(net_init(&n, &cfg), OK);
    for (unsigned i = 0; i < 2; i++)
        host_port[i] = cfg.ports[i].host = port_of_socket(n.ports[i].fd);
    root = wire_init(&w, &n.tree.fs);
}

static void stop(void)
{
    ninep_server_fini(&w.server);
    net_fini(&n);
    assert_int_equal(open_fds(), fds_before);
}

static struct sockaddr_in host_addr(unsigned i)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(host_port[i]), .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static int host_connect(void)
{
    struct sockaddr_in to = host_addr(0);
    int s = socket(AF_INET, SOCK_STREAM, 0);

    return connect(s, (struct sockaddr *)&to, sizeof to) == 0 ? s : (close(s), -1);
}

/* The next answer that had to wait; its error number. */
static uint32_t late(void)
{
    struct ninep_answer got;
    uint32_t len;

    for (unsigned i = 0; !(len = ninep_server_poll(&w.server, w.r)); i++) {
        struct pollfd p = { .fd = n.epoll, .events = POLLIN };
        assert_true(i < 40);
        poll(&p, 1, 50);
        net_ready(&n);
    }
    assert_int_equal(ninep_client_take(&w.client, w.r, len, &got), OK);
    a = got.msg;
    return a.type == NINEP_RLERROR ? a.ecode : 0;
}

static uint32_t open_path(uint32_t from, const char *path, uint32_t flags, uint32_t *fid)
{
    uint32_t e = wire_walk(&w, from, path, fid);

    return e ? e : ASK(&w, &a, .type = NINEP_TLOPEN, .fid = *fid, .flags = flags);
}

static uint32_t put(uint32_t fid, const char *text)
{
    return ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = text, .count = (uint32_t)strlen(text));
}

static uint32_t clone(const char *path)
{
    uint32_t fid;

    assert_int_equal(open_path(root, path, NINEP_RDWR, &fid), 0);
    return fid;
}

static void number_of(uint32_t ctl, char *text)
{
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = ctl, .count = 16), 0);
    memcpy(text, a.data, a.count);
    text[a.count - 1] = 0;
}

static bool addr(const char *text, struct app_net_addr *to)
{
    return net_addr_parse(text, to);
}

static void addresses_are_numbers(void **)
{
    static const char *const good[] = { "127.0.0.1!80", "0.0.0.0!0", "2001:db8::1!65535", "::!1", "::1!22" };
    static const char *const bad[] = { "", "!", "127.0.0.1", "127.0.0.1!", "127.0.0.1!65536", "127.0.0.1!x", "localhost!80", "1.2.3!4", "[::1]!80", "a!b!c" };
    struct app_net_addr to;
    char text[NET_ADDR_TEXT];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(addr(good[i], &to));
        net_addr_print(&to, text, sizeof text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(addr(bad[i], &to));
    assert_true(addr("*!80", &to) && net_addr_any(&to));
}

static bool reach(const char *text)
{
    struct app_net_addr to;

    assert_true(addr(text, &to));
    return net_may_reach(&n, &to, false);
}

static void out_does_not_lead_back(void **)
{
    static const char *const refused[] = { "127.0.0.1!80", "127.255.1.2!80", "0.0.0.0!80", "0.1.2.3!80", "::1!80", "::!80", "::ffff:127.0.0.1!80",
                                           "::127.0.0.1!80", "::ffff:0.0.0.0!80", "224.0.0.1!80", "255.255.255.255!80", "ff02::1!80" };

    start(GUEST_NET_OUT);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_false(reach(refused[i]));
    assert_true(reach("192.0.2.1!80"));
    assert_true(reach("2001:db8::1!80"));
    n.nresolvers = 1;
    assert_true(addr("127.0.0.53!53", &n.resolvers[0]));
    assert_true(reach("127.0.0.53!53"));
    assert_false(reach("127.0.0.53!80"));
    assert_false(reach("127.0.0.1!53"));
    n.mode = GUEST_NET_NONE;
    assert_false(reach("192.0.2.1!80"));
    assert_false(reach("127.0.0.53!53"));
    n.mode = GUEST_NET_HOST;
    assert_true(reach("127.0.0.1!80"));
    stop();
}

static void without_rights_nothing_goes_out(void **)
{
    static const char *const lines[] = { "connect 192.0.2.1!80", "connect 127.0.0.1!80", "connect ::1!80" };
    uint32_t tcp, udp, data;
    char number[16], path[40];

    start(GUEST_NET_NONE);
    tcp = clone("tcp/clone");
    udp = clone("udp/clone");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(put(tcp, lines[i]), ENETUNREACH);
        assert_int_equal(put(udp, lines[i]), ENETUNREACH);
    }
    assert_int_equal(put(tcp, "announce *!81"), EACCES);
    assert_int_equal(put(udp, "announce *!80"), EACCES); /* that number is TCP's */
    number_of(udp, number);
    snprintf(path, sizeof path, "udp/%s/data", number);
    assert_int_equal(open_path(root, path, NINEP_RDWR, &data), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = data, .count = 21, .data = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1\0\x35\0\0x"), ENETUNREACH);
    stop();
}

static void ctl_refuses_what_it_does_not_know(void **)
{
    static const char *const lines[] = { "", "connect", "connect ", "connect somewhere!80", "announce", "end now", "nonsense", "hangup x" };
    char line[400];
    uint32_t ctl;

    start(GUEST_NET_OUT);
    ctl = clone("tcp/clone");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(put(ctl, lines[i]), EINVAL);
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = 0;
    assert_int_equal(put(ctl, line), EINVAL);
    assert_int_equal(put(ctl, "keepalive on\n"), 0);
    assert_int_equal(put(ctl, "hangup"), 0);
    assert_int_equal(put(ctl, "connect 192.0.2.1!80"), EISCONN);
    stop();
}

static void rules_are_told(void **)
{
    char text[200];

    start(GUEST_NET_NONE);
    assert_int_equal(wire_cat(&w, root, "rules", text, sizeof text), 0);
    assert_string_equal(text, "none\ntcp 80\nudp 53\n");
    assert_int_equal(wire_ls(&w, root, "", 500, text), 0);
    assert_string_equal(text, "rules mux tcp udp ");
    stop();
}

static void a_conversation_lives_while_it_is_open(void **)
{
    uint32_t ctl, again;
    char number[16], path[40], text[200];

    start(GUEST_NET_NONE);
    ctl = clone("tcp/clone");
    number_of(ctl, number);
    snprintf(path, sizeof path, "tcp/%s/status", number);
    assert_int_equal(wire_cat(&w, root, path, text, sizeof text), 0);
    assert_string_equal(text, "fresh\n");
    snprintf(path, sizeof path, "udp/%s", number);
    assert_int_equal(wire_walk(&w, root, path, &again), NINEP_ENOENT);
    snprintf(path, sizeof path, "tcp/%s/ctl", number);
    assert_int_equal(open_path(root, path, NINEP_RDWR, &again), 0);
    assert_int_equal(wire_clunk(&w, ctl), 0);
    assert_int_equal(put(again, "keepalive on"), 0);
    assert_int_equal(wire_clunk(&w, again), 0);
    assert_int_equal(wire_walk(&w, root, path, &again), NINEP_ENOENT);
    stop();
}

/* A conversation that waits for a call to port 80: its ctl, and the file whose opening waits. */
static void announced(uint32_t *ctl, uint32_t *call)
{
    struct ninep_call *waiting;
    char number[16], path[40];

    *ctl = clone("tcp/clone");
    assert_int_equal(put(*ctl, "announce *!80"), 0);
    number_of(*ctl, number);
    snprintf(path, sizeof path, "tcp/%s/listen", number);
    assert_int_equal(wire_walk(&w, root, path, call), 0);
    assert_int_equal(wire_send(&w, &(struct ninep_msg){ .type = NINEP_TLOPEN, .fid = *call, .flags = NINEP_RDWR }, &waiting), 0);
}

static void a_published_port_leads_in(void **)
{
    uint32_t ctl, call, data, fid;
    struct ninep_call *waiting;
    char number[16], path[40], text[200];
    int s;

    start(GUEST_NET_NONE);
    assert_int_equal(host_connect(), -1); /* bound, but nobody listens */
    announced(&ctl, &call);
    s = host_connect();
    assert_true(s >= 0);
    assert_int_equal(late(), 0);
    number_of(call, number);
    snprintf(path, sizeof path, "tcp/%s/data", number);
    assert_int_equal(open_path(root, path, NINEP_RDWR, &data), 0);
    assert_int_equal(wire_send(&w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = data, .count = 100 }, &waiting), 0);
    assert_int_equal(write(s, "question", 8), 8);
    assert_int_equal(late(), 0);
    assert_int_equal(a.count, 8);
    assert_memory_equal(a.data, "question", 8);
    if (put(data, "answer")) /* it may not have heard yet that it can write */
        assert_int_equal(late(), 0);
    assert_int_equal(read(s, text, sizeof text), 6);
    snprintf(path, sizeof path, "tcp/%s/local", number);
    assert_int_equal(wire_cat(&w, root, path, text, sizeof text), 0);
    assert_string_equal(text, "127.0.0.1!80\n"); /* as the guest knows it */
    snprintf(path, sizeof path, "tcp/%s/remote", number);
    assert_int_equal(wire_cat(&w, root, path, text, sizeof text), 0);
    snprintf(path, sizeof path, "127.0.0.1!%u\n", port_of_socket(s));
    assert_string_equal(text, path);
    assert_int_equal(put(call, "end"), 0);
    assert_int_equal(read(s, text, sizeof text), 0);
    assert_int_equal(wire_send(&w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = data, .count = 100 }, &waiting), 0);
    close(s);
    assert_int_equal(late(), 0);
    assert_int_equal(a.count, 0);
    assert_int_equal(open_path(root, "tcp/clone", NINEP_RDWR, &fid), 0);
    assert_int_equal(put(fid, "announce *!80"), EADDRINUSE);
    assert_int_equal(wire_clunk(&w, ctl), 0);
    assert_int_equal(host_connect(), -1);
    assert_int_equal(put(fid, "announce *!80"), 0); /* it is free again */
    stop();
}

static void what_waits_ends_with_its_conversation(void **)
{
    uint32_t ctl, call;

    start(GUEST_NET_NONE);
    announced(&ctl, &call);
    assert_int_equal(wire_clunk(&w, ctl), 0);
    assert_int_equal(late(), ENOENT);
    stop();
}

/* --- the mux ------------------------------------------------------------------------------------------------------------- */
static uint32_t mux;
static uint8_t out[0x10000];
static uint32_t out_len;

static void record(uint32_t conv, uint16_t op, uint32_t arg, const void *bytes, uint32_t len)
{
    const struct app_net_rec rec = { .conv = conv, .op = op, .arg = arg, .len = len };

    memcpy(out + out_len, &rec, sizeof rec);
    if (len)
        memcpy(out + out_len + sizeof rec, bytes, len);
    out_len += (uint32_t)sizeof rec + len;
}

static uint32_t records_send(void)
{
    uint32_t e = ASK(&w, &a, .type = NINEP_TWRITE, .fid = mux, .data = out, .count = out_len);

    out_len = 0;
    return e;
}

static void line(uint32_t conv, const char *text)
{
    record(conv, APP_NET_COMMAND, 0, text, (uint32_t)strlen(text));
}

static uint8_t in[WIRE_MSIZE];
static uint32_t in_at, in_len;

static void records_read(void)
{
    struct ninep_call *waiting;
    uint32_t len = wire_send(&w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = mux, .count = READ_ALL }, &waiting);

    if (len) {
        struct ninep_answer got;
        assert_int_equal(ninep_client_take(&w.client, w.r, len, &got), OK);
        a = got.msg;
    } else {
        assert_int_equal(late(), 0);
    }
    assert_int_equal(a.type, NINEP_TREAD + 1);
    memcpy(in, a.data, a.count);
    in_at = 0;
    in_len = a.count;
}

/* The next record; its data is at *bytes. */
static struct app_net_rec record_get(const uint8_t **bytes)
{
    struct app_net_rec rec;

    if (in_at == in_len)
        records_read();
    assert_true(in_len - in_at >= sizeof rec);
    memcpy(&rec, in + in_at, sizeof rec);
    assert_true(rec.len <= in_len - in_at - sizeof rec);
    *bytes = in + in_at + sizeof rec;
    in_at += (uint32_t)sizeof rec + rec.len;
    return rec;
}

static void mux_start(void)
{
    in_at = in_len = 0;
    start(GUEST_NET_NONE);
    assert_int_equal(open_path(root, "mux", NINEP_RDWR, &mux), 0);
}

static void the_mux_is_one(void **)
{
    uint32_t fid;

    mux_start();
    assert_int_equal(open_path(root, "mux", NINEP_RDWR, &fid), EBUSY);
    assert_int_equal(wire_clunk(&w, mux), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDWR), 0);
    stop();
}

static void the_mux_refuses_broken_records(void **)
{
    const struct app_net_rec long_one = { .conv = 1, .op = APP_NET_DATA, .len = 1000 };
    char text[300];

    mux_start();
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = mux, .data = "short", .count = 5), EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = mux, .data = &long_one, .count = sizeof long_one), EINVAL);
    for (uint16_t op = APP_NET_DONE; op < APP_NET_OPS + 2; op++) {
        record(1, op, 0, NULL, 0);
        assert_int_equal(records_send(), EINVAL);
    }
    record(0, APP_NET_OPEN, 0, NULL, 0);
    assert_int_equal(records_send(), EINVAL);
    record(1 | APP_NET_OURS, APP_NET_OPEN, 0, NULL, 0);
    assert_int_equal(records_send(), EINVAL);
    record(1, APP_NET_OPEN, 7, NULL, 0);
    assert_int_equal(records_send(), EINVAL);
    record(1, APP_NET_OPEN, 0, NULL, 0);
    record(1, APP_NET_OPEN, 0, NULL, 0);
    assert_int_equal(records_send(), EINVAL);
    memset(text, 'x', sizeof text);
    record(1, APP_NET_COMMAND, 0, text, sizeof text);
    assert_int_equal(records_send(), EINVAL);
    /* of what is not open, nothing is said */
    record(2, APP_NET_DATA, 0, "x", 1);
    record(2, APP_NET_TAKEN, UINT32_MAX, NULL, 0);
    record(2, APP_NET_END, 0, NULL, 0);
    record(2, APP_NET_CLOSE, 0, NULL, 0);
    record(1 | 0x1000, APP_NET_DATA, 0, "x", 1); /* the same slot, another life */
    assert_int_equal(records_send(), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = mux, .count = 100), EINVAL); /* too small for a datagram */
    stop();
}

static void the_mux_carries_conversations(void **)
{
    const uint8_t *bytes;
    struct app_net_pair names;
    struct app_net_rec rec;
    char text[100];
    int s;

    mux_start();
    record(1, APP_NET_OPEN, 0, NULL, 0);
    line(1, "connect 192.0.2.1!80");
    assert_int_equal(records_send(), 0);
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_DONE);
    assert_int_equal(rec.error, ENETUNREACH);
    line(1, "announce *!80");
    assert_int_equal(records_send(), 0);
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_DONE);
    assert_int_equal(rec.error, 0);
    s = host_connect();
    assert_true(s >= 0);
    assert_int_equal(write(s, "early", 5), 5);
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_CALL);
    assert_int_equal(rec.conv, 1);
    assert_true(rec.arg & APP_NET_OURS);
    assert_int_equal(rec.len, sizeof names);
    memcpy(&names, bytes, sizeof names);
    assert_int_equal(net_port_number(&names.local), 80);
    assert_int_equal(net_port_number(&names.remote), port_of_socket(s));
    const uint32_t conv = rec.arg;
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_DATA);
    assert_int_equal(rec.conv, conv);
    assert_memory_equal(bytes, "early", 5);
    record(conv, APP_NET_DATA, 0, "re", 2);
    record(conv, APP_NET_DATA, 0, "ply", 3);
    record(conv, APP_NET_END, 0, NULL, 0);
    assert_int_equal(records_send(), 0);
    for (unsigned got = 0; got < 5;)
        got += (unsigned)read(s, text, 5 - got);
    assert_int_equal(read(s, text, 5), 0);
    close(s);
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_END);
    record(conv, APP_NET_CLOSE, 0, NULL, 0);
    record(conv, APP_NET_DATA, 0, "x", 1);
    assert_int_equal(records_send(), 0);
    stop();
}

static uint32_t call_get(int *s)
{
    const uint8_t *bytes;

    record(1, APP_NET_OPEN, 0, NULL, 0);
    line(1, "announce *!80");
    assert_int_equal(records_send(), 0);
    assert_int_equal(record_get(&bytes).op, APP_NET_DONE);
    *s = host_connect();
    return record_get(&bytes).arg;
}

static void a_greedy_guest_is_cut_off(void **)
{
    static uint8_t block[30000];
    const uint8_t *bytes;
    struct app_net_rec rec;
    uint32_t conv, sent = 0;
    int s, small = 4096;

    mux_start();
    conv = call_get(&s);
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (; sent < MIB(16) && n.mux; sent += sizeof block) { /* nobody reads, and no room was given back */
        record(conv, APP_NET_DATA, 0, block, sizeof block);
        assert_int_equal(records_send(), 0);
        net_ready(&n);
    }
    do
        rec = record_get(&bytes);
    while (rec.op == APP_NET_TAKEN);
    assert_int_equal(rec.op, APP_NET_ERROR);
    assert_int_equal(rec.error, ENOBUFS);
    close(s);
    stop();
}

static void room_is_counted(void **)
{
    static uint8_t block[APP_NET_WINDOW + 100000];
    const uint8_t *bytes;
    struct app_net_rec rec;
    uint32_t conv, got = 0;
    int s;

    mux_start();
    conv = call_get(&s);
    fcntl(s, F_SETFL, O_NONBLOCK);
    for (size_t done = 0; done < sizeof block;) {
        ssize_t part = write(s, block + done, sizeof block - done);
        done += part > 0 ? (size_t)part : 0;
        net_ready(&n);
        if (got < APP_NET_WINDOW) {
            rec = record_get(&bytes);
            assert_int_equal(rec.op, APP_NET_DATA);
            got += rec.len;
        } else if (part < 0) {
            break; /* it does not take more than there is room for */
        }
    }
    while (got < APP_NET_WINDOW)
        got += record_get(&bytes).len;
    assert_int_equal(got, APP_NET_WINDOW);
    record(conv, APP_NET_TAKEN, 10, NULL, 0);
    assert_int_equal(records_send(), 0);
    assert_int_equal(record_get(&bytes).len, 10);
    close(s);
    stop();
}

static void what_was_sent_before_close_goes_out(void **)
{
    static uint8_t block[60000], got[60000];
    uint32_t conv, total = 0;
    int s, small = 4096;
    ssize_t part;

    mux_start();
    conv = call_get(&s);
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    for (unsigned i = 0; i < 4; i++) {
        record(conv, APP_NET_DATA, 0, block, sizeof block);
        assert_int_equal(records_send(), 0);
    }
    record(conv, APP_NET_CLOSE, 0, NULL, 0);
    assert_int_equal(records_send(), 0);
    do {
        net_drain(&n, 1);
        part = read(s, got, sizeof got);
        total += part > 0 ? (uint32_t)part : 0;
    } while (part > 0);
    assert_int_equal(total, 4 * sizeof block);
    close(s);
    stop();
}

static void udp_answers_only_those_who_asked(void **)
{
    struct sockaddr_in to = host_addr(0);
    uint8_t m[40] = { [10] = 0xFF, [11] = 0xFF, [12] = 127, [15] = 1, [20] = 'x' };
    const uint8_t *bytes;
    struct app_net_rec rec;
    char text[10];
    int s;

    mux_start();
    to = host_addr(1);
    s = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(connect(s, (struct sockaddr *)&to, sizeof to), 0);
    m[16] = (uint8_t)(port_of_socket(s) >> 8);
    m[17] = (uint8_t)port_of_socket(s);
    record(1, APP_NET_OPEN, 1, NULL, 0);
    line(1, "announce *!53");
    assert_int_equal(records_send(), 0);
    assert_int_equal(record_get(&bytes).op, APP_NET_DONE);
    record(1, APP_NET_DATA, 0, m, 21);
    assert_int_equal(records_send(), 0);
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_ERROR);
    assert_int_equal(rec.error, ENETUNREACH);
    assert_int_equal(send(s, "ask", 3, 0), 3);
    rec = record_get(&bytes);
    assert_int_equal(rec.op, APP_NET_DATA);
    assert_int_equal(rec.len, 23);
    assert_memory_equal(bytes, m, 20);
    record(1, APP_NET_DATA, 0, m, 21);
    assert_int_equal(records_send(), 0);
    assert_int_equal(recv(s, text, sizeof text, 0), 1);
    record(1, APP_NET_DATA, 0, m, 3); /* not even an address */
    assert_int_equal(records_send(), 0);
    close(s);
    stop();
}

static void a_taken_port_is_an_error(void **)
{
    struct net other;
    int err = dup(2), null = open("/dev/null", O_WRONLY);

    start(GUEST_NET_NONE);
    dup2(null, 2); /* it says so */
    assert_int_equal(net_init(&other, &cfg), ERR_IO);
    dup2(err, 2);
    net_fini(&other);
    stop();
    close(err);
    close(null);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_numbers),
        cmocka_unit_test(out_does_not_lead_back),
        cmocka_unit_test(without_rights_nothing_goes_out),
        cmocka_unit_test(ctl_refuses_what_it_does_not_know),
        cmocka_unit_test(rules_are_told),
        cmocka_unit_test(a_conversation_lives_while_it_is_open),
        cmocka_unit_test(a_published_port_leads_in),
        cmocka_unit_test(what_waits_ends_with_its_conversation),
        cmocka_unit_test(the_mux_is_one),
        cmocka_unit_test(the_mux_refuses_broken_records),
        cmocka_unit_test(the_mux_carries_conversations),
        cmocka_unit_test(a_greedy_guest_is_cut_off),
        cmocka_unit_test(room_is_counted),
        cmocka_unit_test(what_was_sent_before_close_goes_out),
        cmocka_unit_test(udp_answers_only_those_who_asked),
        cmocka_unit_test(a_taken_port_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
