/* The way to the monitor's /net: one open file, /net/mux, carries the records of all sockets (abi/net.h). Some reads of it are always under way, so
 * data comes without being asked for; what is written gathers and goes out when the guest waits, or soon after. */
#include "libos/sock.h"

#define READS 4u
#define WRITES 11u          /* one slot is left for whatever else */
#define BATCH 65600u        /* holds the largest datagram */
#define READ_BYTES (APP_CHANNEL_MSIZE - NINEP_IO_HEADER)

static struct {
    struct mount *m;        /* NULL: not started, or there is none */
    bool started, dead;
    bool unkicked;          /* questions lie in the ring, and the monitor does not know */
    bool hurry;             /* a thread waits for what they bring */
    unsigned idle_reads;    /* of the reads, the monitor does not know of so many */
    enum net_mode mode;
    uint32_t fid;
    char rules[2048];
    struct rpc reads[READS], writes[WRITES];
    uint8_t *batch;
    uint32_t len;
    struct sock **lines[2]; /* by number: ours, the monitor's */
    uint32_t last;
} net;

/* --- start ------------------------------------------------------------------------------------------------------------------------- */
static void read_post(struct rpc *);
static void write_came(struct rpc *);

static int rules_read(void)
{
    struct rpc r = { 0 };
    uint32_t fid;
    int e = p9_open(net.m, "rules", O_RDONLY, &fid);

    if (!e)
        e = p9_call(net.m, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .count = sizeof net.rules - 1 }, &r);
    if (e)
        return e;
    memcpy(net.rules, r.a.msg.data, r.a.msg.count);
    net.mode = str_starts(net.rules, "host") ? NET_HOST : str_starts(net.rules, "out") ? NET_OUT : NET_NONE;
    return p9_do(net.m, .type = NINEP_TCLUNK, .fid = fid);
}

/* The first socket that needs it starts it; without a network in the boot record, the guest has its loopback only. */
static void start(void)
{
    uint32_t i = 0;
    int e;

    net.started = true;
    while (i < boot->nmounts && !(boot->mount[i].flags & APP_MOUNT_NET))
        i++;
    if (i == boot->nmounts)
        return;
    net.m = &mounts[i];
    e = p9_mount(net.m, i, &boot->mount[i]);
    nmounts = (unsigned)max_u64(nmounts, i + 1);
    if (!e) {
        p9_kick(net.m);
        e = p9_mounted(net.m);
    }
    if (!e)
        e = rules_read();
    if (!e)
        e = p9_open(net.m, "mux", O_RDWR, &net.fid);
    net.batch = mem_get(BATCH);
    net.lines[0] = mem_get(APP_NET_CONVS * sizeof *net.lines[0]);
    net.lines[1] = mem_get(APP_NET_CONVS * sizeof *net.lines[1]);
    if (e || !net.batch || !net.lines[0] || !net.lines[1]) {
        log_line("there is no network: error %d", e ? -e : ENOMEM);
        net.mode = NET_ABSENT;
        net.dead = true;
        return;
    }
    for (unsigned w = 0; w < WRITES; w++)
        net.writes[w] = (struct rpc){ .done = true, .notify = write_came };
    for (unsigned r = 0; r < READS; r++)
        read_post(&net.reads[r]);
}

bool net_idle(void)
{
    for (unsigned i = 0; net.lines[0] && net.lines[1] && i < APP_NET_CONVS; i++)
        if (net.lines[0][i] || net.lines[1][i])
            return false;
    return true;
}

void net_forget(void)
{
    mem_put(net.batch);
    mem_put(net.lines[0]);
    mem_put(net.lines[1]);
    memset(&net, 0, sizeof net);
}

enum net_mode net_mode(void)
{
    if (!net.started)
        start();
    return net.mode;
}

bool net_published(bool udp, uint16_t port)
{
    const char *line = net.rules;
    uint64_t number;
    char digits[8];

    if (net_mode() == NET_ABSENT)
        return false;
    while ((line = strchr(line, '\n')) && *++line) {
        size_t n = 0;
        if (!str_starts(line, udp ? "udp " : "tcp "))
            continue;
        for (const char *d = line + 4; *d >= '0' && *d <= '9' && n < sizeof digits - 1; d++)
            digits[n++] = *d;
        digits[n] = 0;
        if (!str_to_u64(digits, &number) && number == port)
            return true;
    }
    return false;
}

/* --- from the monitor ------------------------------------------------------------------------------------------------------------------- */
static struct sock **place_of(uint32_t number)
{
    return &net.lines[(number & APP_NET_OURS) != 0][number & APP_NET_SLOT];
}

static struct sock *line_find(uint32_t number)
{
    struct sock *s = *place_of(number);

    return s && s->conv == number ? s : NULL;
}

typedef void come_fn(struct sock *, const struct app_net_rec *, const uint8_t *bytes);

static void put(const struct app_net_rec *, const void *bytes);

static void come_done(struct sock *s, const struct app_net_rec *rec, const uint8_t *bytes)
{
    struct app_net_pair names;

    s->done = -(int)rec->error;
    if (s->state == SOCKET_CONNECTING && rec->error) {
        sock_refuse(s, (int)rec->error);
    } else if (s->state == SOCKET_CONNECTING) {
        s->state = SOCKET_CONNECTED;
        s->was_connected = true;
    }
    if (!rec->error && s->state != SOCKET_LISTENING && !s->published && rec->len == sizeof names) {
        memcpy(&names, bytes, sizeof names);
        if (s->state == SOCKET_CONNECTED || s->type == SOCK_DGRAM)
            inet_names(s, &names);
    }
    waitq_wake(&s->wait);
}

static void come_data(struct sock *s, const struct app_net_rec *rec, const uint8_t *bytes)
{
    inet_received(s, bytes, rec->len);
}

static void come_taken(struct sock *s, const struct app_net_rec *rec, UNUSED const uint8_t *bytes)
{
    s->may_send += rec->arg;
    waitq_tell(&s->wait, POLLOUT | POLLWRNORM);
}

static void come_end(struct sock *s, UNUSED const struct app_net_rec *rec, UNUSED const uint8_t *bytes)
{
    sock_give_end(s);
}

static void come_error(struct sock *s, const struct app_net_rec *rec, UNUSED const uint8_t *bytes)
{
    if (s->type == SOCK_STREAM)
        s->rx_end = s->tx_end = true;
    sock_fail(s, rec->error);
}

static void come_call(struct sock *s, const struct app_net_rec *rec, const uint8_t *bytes)
{
    struct app_net_pair names;
    struct sock *c;

    if (rec->len == sizeof names)
        memcpy(&names, bytes, sizeof names);
    if (rec->len == sizeof names && s && s->state == SOCKET_LISTENING && !inet_accepted(s, &names, rec->arg, &c))
        *place_of(rec->arg) = c;
    else
        put(&(struct app_net_rec){ .conv = rec->arg, .op = APP_NET_CLOSE }, NULL);
}

static come_fn *const comers[APP_NET_OPS] = {
    [APP_NET_DONE] = come_done, [APP_NET_DATA] = come_data,   [APP_NET_TAKEN] = come_taken,
    [APP_NET_END] = come_end,   [APP_NET_ERROR] = come_error, [APP_NET_CALL] = come_call,
};

static void records_take(const uint8_t *at, uint32_t left)
{
    while (left >= sizeof(struct app_net_rec)) {
        struct app_net_rec rec;
        struct sock *s;
        memcpy(&rec, at, sizeof rec);
        if (rec.len > left - sizeof rec || rec.op >= APP_NET_OPS || !comers[rec.op])
            panic("/net/mux: a wrong record");
        s = line_find(rec.conv);
        if (s || rec.op == APP_NET_CALL)
            comers[rec.op](s, &rec, at + sizeof rec);
        at += sizeof rec + rec.len;
        left -= (uint32_t)sizeof rec + rec.len;
    }
}

/* rpc->notify */
static void read_came(struct rpc *r)
{
    if (r->error) {
        net.dead = true;
        return;
    }
    records_take(r->a.msg.data, r->a.msg.count);
    read_post(r);
}

static void read_post(struct rpc *r)
{
    r->notify = read_came;
    if (p9_post(net.m, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = net.fid, .count = READ_BYTES }, r))
        panic("/net/mux: no slot for a read");
    net.unkicked = net.unkicked || ++net.idle_reads >= READS / 2;
}

/* --- to the monitor -------------------------------------------------------------------------------------------------------------------------- */
/* rpc->notify: nobody waits for it, least of all the thread that happened to post it. */
static void write_came(struct rpc *r) { net.dead = net.dead || r->error; }

static void kicked(void)
{
    net.unkicked = net.hurry = false;
    net.idle_reads = 0;
}

static struct rpc *write_free(void)
{
    p9_collect();
    for (unsigned i = 0; i < WRITES; i++)
        if (net.writes[i].done)
            return &net.writes[i];
    return NULL;
}

/* False: no slot is free, and the batch stays. */
static bool batch_post(void)
{
    struct rpc *w = net.len ? write_free() : NULL;

    if (!w)
        return !net.len;
    if (p9_post(net.m, &(struct ninep_msg){ .type = NINEP_TWRITE, .fid = net.fid, .count = net.len, .data = net.batch }, w))
        panic("/net/mux: no slot for a write");
    net.len = 0;
    net.unkicked = true;
    return true;
}

/* The monitor answers writes at once, so a kick makes room. */
static void batch_flush(void)
{
    if (batch_post())
        return;
    p9_kick(net.m);
    kicked();
    if (!batch_post())
        panic("/net/mux: writes are not answered");
}

/* Room for a record with n bytes. */
static uint8_t *batch_room(uint32_t n)
{
    if (net.len + sizeof(struct app_net_rec) + n > BATCH)
        batch_flush();
    return net.batch + net.len;
}

static void put(const struct app_net_rec *rec, const void *bytes)
{
    uint8_t *at = batch_room(rec->len);

    memcpy(at, rec, sizeof *rec);
    if (rec->len)
        memcpy(at + sizeof *rec, bytes, rec->len);
    net.len += (uint32_t)sizeof *rec + rec->len;
}

void net_push(void) { net.hurry = net.hurry || net.len || net.unkicked; }

/* The monitor looks into the ring at the next wait, and each millisecond while the program computes; if that is not enough, the bell tells it. */
void net_leave(void)
{
    bool fits;

    if (!net.len && !net.hurry)
        return;
    fits = batch_post();
    if ((net.hurry && net.unkicked) || !fits) {
        bell(net.m->number);
        kicked();
    }
}

void net_flush(void)
{
    if (!net.len && !net.unkicked)
        return;
    batch_flush();
    p9_kick(net.m);
    kicked();
}

void net_wait_begin(void)
{
    if (net.len)
        batch_flush();
    kicked();
}

void net_wait_end(bool waited)
{
    if (!waited && net.m)
        net.unkicked = net.hurry = true;
}

/* --- conversations ------------------------------------------------------------------------------------------------------------------------- */
int net_open(struct sock *s, bool udp)
{
    uint32_t number = 0;

    if (net_mode() == NET_ABSENT || net.dead)
        return -ENETUNREACH;
    for (uint32_t i = 0; i < APP_NET_CONVS && !number; i++) {
        number = ++net.last & ~APP_NET_OURS;
        if (!(number & APP_NET_SLOT) || *place_of(number))
            number = 0;
    }
    if (!number)
        return -ENFILE;
    *place_of(number) = s;
    s->conv = number;
    s->may_send = APP_NET_WINDOW;
    s->owed = 0;
    put(&(struct app_net_rec){ .conv = number, .op = APP_NET_OPEN, .arg = udp }, NULL);
    return 0;
}

int net_command(struct sock *s, bool udp, const char *line)
{
    int e = s->conv ? 0 : net_open(s, udp);

    if (e)
        return e;
    s->done = 1;
    put(&(struct app_net_rec){ .conv = s->conv, .op = APP_NET_COMMAND, .len = (uint32_t)strlen(line) }, line);
    return 0;
}

int net_ask(struct sock *s, bool udp, const char *line)
{
    struct waiter w;
    int e = net_command(s, udp, line);

    if (e)
        return e;
    net_flush();
    while (s->done == 1 && !net.dead) {
        waitq_add(&s->wait, &w);
        thread_block_deaf();
        waitq_remove(&w);
    }
    return s->done;
}

int net_data(struct sock *s, const struct app_net_addr *to, struct message *m, uint64_t n)
{
    uint32_t head = to ? (uint32_t)sizeof *to : 0, part;
    struct app_net_rec rec = { .conv = s->conv, .op = APP_NET_DATA };

    do {
        uint8_t *at;
        part = (uint32_t)min_u64(n, BATCH - sizeof rec - head);
        rec.len = head + part;
        at = batch_room(rec.len);
        memcpy(at, &rec, sizeof rec);
        if (to)
            memcpy(at + sizeof rec, to, head);
        if (message_copy(m, m->done, at + sizeof rec + head, part))
            return -EFAULT;
        net.len += (uint32_t)sizeof rec + rec.len;
        s->may_send -= to ? 0 : part;
        m->done += part;
        n -= part;
    } while (n);
    return 0;
}

void net_taken(struct sock *s, uint32_t n)
{
    s->owed += n;
    if (!s->conv || s->owed < APP_NET_WINDOW / 4)
        return;
    put(&(struct app_net_rec){ .conv = s->conv, .op = APP_NET_TAKEN, .arg = s->owed }, NULL);
    s->owed = 0;
}

void net_end(struct sock *s) { put(&(struct app_net_rec){ .conv = s->conv, .op = APP_NET_END }, NULL); }

void net_close(struct sock *s)
{
    if (!s->conv)
        return;
    put(&(struct app_net_rec){ .conv = s->conv, .op = APP_NET_CLOSE }, NULL);
    *place_of(s->conv) = NULL;
    s->conv = 0;
    s->published = false;
}
