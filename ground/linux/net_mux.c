/* /net/mux: all conversations of a guest over one open file, so that one message carries the data of many and nothing needs to be asked for
 * conversation by conversation. abi/net.h has the records. What a record says is never trusted: numbers are looked up, credit is counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/list.h"
#include "base/str.h"
#include "ground/linux/net.h"

#define READERS 16u
#define REFUSED 64u
#define DATAGRAM_MAX (65535u + (uint32_t)sizeof(struct app_net_addr))

/* A conversation of the mux. */
struct line {
    struct mux *mux;
    struct conv *conv;
    uint32_t number;   /* 0: the guest has closed it, and it lives until all is sent */
    struct list ready; /* in mux->ready: it may have something to tell */
    uint32_t may_send; /* bytes the guest has room for */
    uint8_t *tx;       /* what the host did not take yet */
    uint32_t tx_at, tx_len;
    uint32_t taken;    /* of which the guest was not told yet */
    int done;          /* of a command: its result + 1 */
    int error;         /* to be told */
    bool busy;         /* a command is under way */
    bool end, ended;   /* the guest has ended its side; the other side has, and the guest was told */
};

struct mux {
    struct net *net;
    struct line *lines[2][APP_NET_CONVS]; /* the guest's numbers, ours */
    struct list ready;
    struct ninep_req *readers[READERS];
    unsigned nreaders;
    bool woken; /* one of them is to be tried again */
    uint32_t last; /* of our numbers */
    uint32_t refused[REFUSED], nrefused; /* what could not be opened, to be told */
    uint64_t unsent;
    unsigned closing;
    bool closed;
};

/* --- lines ------------------------------------------------------------------------------------------------------------------ */
static struct line **place_of(struct mux *m, uint32_t number)
{
    return &m->lines[(number & APP_NET_OURS) != 0][number & APP_NET_SLOT];
}

static struct line *line_find(struct mux *m, uint32_t number)
{
    struct line *l = *place_of(m, number);

    return l && l->number == number ? l : NULL;
}

static void reader_wake(struct mux *m)
{
    struct ninep_req *r = m->nreaders ? m->readers[0] : NULL;

    if (!r || m->woken)
        return;
    m->woken = true;
    memmove(m->readers, m->readers + 1, --m->nreaders * sizeof *m->readers);
    ninep_req_ready(r);
}

static void line_tell(struct line *l)
{
    if (!list_empty(&l->ready) || !l->number)
        return;
    list_push_back(&l->mux->ready, &l->ready);
    reader_wake(l->mux);
}

static void line_free(struct line *l)
{
    struct mux *m = l->mux;

    if (l->number)
        *place_of(m, l->number) = NULL;
    else
        m->closing--;
    m->unsent -= l->tx_len - l->tx_at;
    list_remove(&l->ready);
    conv_free(l->conv);
    free(l->tx);
    free(l);
}

static void tx_go(struct line *l)
{
    while (l->tx_at < l->tx_len) {
        ssize_t n = conv_write(l->conv, l->tx + l->tx_at, l->tx_len - l->tx_at);
        if (n == -EAGAIN)
            return;
        if (n < 0) {
            l->error = (int)-n;
            n = l->tx_len - l->tx_at;
        }
        l->tx_at += (uint32_t)n;
        l->taken += (uint32_t)n;
        l->mux->unsent -= (uint32_t)n;
    }
    free(l->tx);
    l->tx = NULL;
    l->tx_at = l->tx_len = 0;
    if (l->end)
        conv_end(l->conv);
}

/* conv->ready */
static void line_ready(struct conv *c)
{
    struct line *l = c->owner;

    if (l->busy && c->state != CONV_CONNECTING) {
        l->busy = false;
        l->done = -conv_error(c) + 1;
    }
    if (l->tx && c->state == CONV_CONNECTED)
        tx_go(l);
    if (!l->number) {
        if (!l->tx)
            line_free(l);
        return;
    }
    if (c->readable || l->done || l->error || l->taken >= APP_NET_WINDOW / 4)
        line_tell(l);
}

static struct line *line_new(struct mux *m, struct conv *c, uint32_t number)
{
    struct line *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    *l = (struct line){ .mux = m, .conv = c, .number = number, .may_send = APP_NET_WINDOW };
    list_init(&l->ready);
    c->ready = line_ready;
    c->owner = l;
    *place_of(m, number) = l;
    return l;
}

/* --- from the guest ------------------------------------------------------------------------------------------------------- */
typedef int take_fn(struct mux *, struct line *, const struct app_net_rec *, const uint8_t *bytes);

static int take_open(struct mux *m, struct line *l, const struct app_net_rec *rec, const uint8_t *)
{
    struct conv *c;

    if (l || *place_of(m, rec->conv) || rec->conv & APP_NET_OURS || !rec->conv || rec->arg > 1)
        return -EINVAL;
    c = conv_new(m->net, rec->arg == 1);
    if (c && line_new(m, c, rec->conv))
        return 0;
    if (c)
        conv_free(c);
    if (m->nrefused == REFUSED)
        return -ENFILE;
    m->refused[m->nrefused++] = rec->conv;
    reader_wake(m);
    return 0;
}

static int take_command(struct mux *, struct line *l, const struct app_net_rec *rec, const uint8_t *bytes)
{
    char text[TREE_COMMAND_MAX + 1];
    int e;

    if (!l)
        return 0;
    if (rec->len > TREE_COMMAND_MAX || l->busy)
        return -EINVAL;
    memcpy(text, bytes, rec->len);
    text[rec->len] = 0;
    e = conv_command(l->conv, text);
    l->busy = e == -EINPROGRESS;
    if (!l->busy) {
        l->done = -e + 1;
        line_tell(l);
    }
    return 0;
}

/* Keeps what the host did not take. */
static int tx_keep(struct line *l, const uint8_t *bytes, uint32_t n)
{
    uint8_t *more;

    if (l->tx_at) {
        memmove(l->tx, l->tx + l->tx_at, l->tx_len - l->tx_at);
        l->tx_len -= l->tx_at;
        l->tx_at = 0;
    }
    if (l->tx_len + n > APP_NET_WINDOW || l->mux->unsent + n > NET_BUFFER_MAX)
        return -ENOBUFS;
    more = realloc(l->tx, l->tx_len + n);
    if (!more)
        return -ENOMEM;
    l->tx = more;
    memcpy(l->tx + l->tx_len, bytes, n);
    l->tx_len += n;
    l->mux->unsent += n;
    return 0;
}

static int take_data(struct mux *, struct line *l, const struct app_net_rec *rec, const uint8_t *bytes)
{
    ssize_t n = 0;
    int e = 0;

    if (!l)
        return 0;
    if (!l->tx)
        n = conv_write(l->conv, bytes, rec->len);
    if (n == -EAGAIN)
        n = l->conv->udp ? (ssize_t)rec->len : 0; /* a datagram for which there is no room is lost */
    if (n >= 0 && !l->conv->udp) {
        l->taken += (uint32_t)n;
        if ((size_t)n < rec->len)
            e = tx_keep(l, bytes + n, rec->len - (uint32_t)n);
    }
    if (n < 0 || e) {
        l->error = n < 0 ? (int)-n : -e;
        l->taken += l->conv->udp ? 0 : rec->len;
    }
    if (l->error || l->taken >= APP_NET_WINDOW / 4)
        line_tell(l);
    return 0;
}

static int take_taken(struct mux *, struct line *l, const struct app_net_rec *rec, const uint8_t *)
{
    if (!l)
        return 0;
    l->may_send = (uint32_t)min_u64((uint64_t)l->may_send + rec->arg, UINT32_MAX);
    line_tell(l);
    return 0;
}

static int take_end(struct mux *, struct line *l, const struct app_net_rec *, const uint8_t *)
{
    if (l && !l->end) {
        l->end = true;
        if (!l->tx)
            conv_end(l->conv);
    }
    return 0;
}

static void line_close(struct line *l)
{
    *place_of(l->mux, l->number) = NULL;
    l->number = 0;
    l->mux->closing++;
    list_remove(&l->ready);
    if (!l->tx || l->conv->state != CONV_CONNECTED)
        line_free(l);
}

static int take_close(struct mux *, struct line *l, const struct app_net_rec *, const uint8_t *)
{
    if (l)
        line_close(l);
    return 0;
}

static take_fn *const takers[APP_NET_OPS] = {
    [APP_NET_OPEN] = take_open,   [APP_NET_COMMAND] = take_command, [APP_NET_DATA] = take_data,
    [APP_NET_TAKEN] = take_taken, [APP_NET_END] = take_end,         [APP_NET_CLOSE] = take_close,
};

err_t mux_write(struct ninep_req *r)
{
    struct mux *m = net_of_req(r)->mux;
    const uint8_t *at = r->in.data;
    uint32_t left = r->in.count;

    while (left) {
        struct app_net_rec rec;
        int e = -EINVAL;
        if (left < sizeof rec)
            return ERR_INVAL;
        memcpy(&rec, at, sizeof rec);
        if (rec.len > left - sizeof rec || rec.op >= APP_NET_OPS || !takers[rec.op])
            return ERR_INVAL;
        e = takers[rec.op](m, line_find(m, rec.conv), &rec, at + sizeof rec);
        if (e)
            return net_errno(r, e);
        at += sizeof rec + rec.len;
        left -= (uint32_t)sizeof rec + rec.len;
    }
    r->out->count = r->in.count;
    return OK;
}

/* --- to the guest ------------------------------------------------------------------------------------------------------------- */
/* Where an answer is written to. */
struct out {
    uint8_t *at;
    uint32_t room;
};

static bool tell(struct out *o, struct app_net_rec rec, const void *bytes)
{
    if (o->room < sizeof rec + rec.len)
        return false;
    memcpy(o->at, &rec, sizeof rec);
    if (bytes)
        memcpy(o->at + sizeof rec, bytes, rec.len);
    o->at += sizeof rec + rec.len;
    o->room -= (uint32_t)sizeof rec + rec.len;
    return true;
}

static bool tell_names(struct out *o, struct line *of, struct app_net_rec rec)
{
    struct app_net_pair names;

    conv_names(of->conv, &names);
    rec.len = sizeof names;
    return tell(o, rec, &names);
}

/* A new call: a line of its own, whose number goes with the listener's. */
static bool tell_calls(struct out *o, struct line *l)
{
    struct mux *m = l->mux;

    while (l->conv->readable && o->room >= sizeof(struct app_net_rec) + sizeof(struct app_net_pair)) {
        struct conv *c;
        struct line *new;
        int e = conv_accept(l->conv, &c);
        if (e == -EINTR)
            continue;
        if (e)
            return true;
        for (unsigned i = 0; i < APP_NET_CONVS; i++)
            if (!*place_of(m, ++m->last | APP_NET_OURS))
                break;
        new = *place_of(m, m->last | APP_NET_OURS) ? NULL : line_new(m, c, m->last | APP_NET_OURS);
        if (!new) {
            conv_free(c);
            return true;
        }
        tell_names(o, new, (struct app_net_rec){ .conv = l->number, .op = APP_NET_CALL, .arg = new->number });
    }
    return !l->conv->readable;
}

/* Data as far as the guest has room for it. False: more is there than the answer can hold. */
static bool tell_data(struct out *o, struct line *l)
{
    while (l->conv->readable && l->may_send && !l->ended) {
        struct app_net_rec rec = { .conv = l->number, .op = APP_NET_DATA };
        size_t need = conv_read_room(l->conv);
        ssize_t n;
        if (o->room < sizeof rec + need)
            return false;
        n = conv_read(l->conv, o->at + sizeof rec, l->conv->udp ? need : min_u64(o->room - sizeof rec, l->may_send));
        if (n == -EAGAIN)
            return true;
        if (n < 0) {
            rec.op = APP_NET_ERROR;
            rec.error = (uint16_t)-n;
            l->ended = !l->conv->udp;
        } else if (n == 0) {
            rec.op = APP_NET_END;
            l->ended = true;
        } else {
            rec.len = (uint32_t)n;
            l->may_send -= (uint32_t)min_u64((uint64_t)n, l->may_send);
        }
        tell(o, rec, NULL);
    }
    return true;
}

/* All that there is to tell of one line; false: there was no room for some of it. */
static bool line_report(struct out *o, struct line *l)
{
    if (l->done) {
        if (!tell_names(o, l, (struct app_net_rec){ .conv = l->number, .op = APP_NET_DONE, .error = (uint16_t)(l->done - 1) }))
            return false;
        l->done = 0;
    }
    if (l->taken >= APP_NET_WINDOW / 4 || (l->taken && l->error)) {
        if (!tell(o, (struct app_net_rec){ .conv = l->number, .op = APP_NET_TAKEN, .arg = l->taken }, NULL))
            return false;
        l->taken = 0;
    }
    if (l->conv->state == CONV_ANNOUNCED && !l->conv->udp)
        return tell_calls(o, l);
    if (l->conv->state != CONV_FRESH && l->conv->state != CONV_CONNECTING && !tell_data(o, l))
        return false;
    if (l->error) {
        if (!tell(o, (struct app_net_rec){ .conv = l->number, .op = APP_NET_ERROR, .error = (uint16_t)l->error }, NULL))
            return false;
        l->error = 0;
    }
    return true;
}

static void reader_cancel(struct ninep_req *r)
{
    struct mux *m = r->owner;

    m->woken = false;
    for (unsigned i = 0; i < m->nreaders; i++)
        if (m->readers[i] == r) {
            memmove(m->readers + i, m->readers + i + 1, (--m->nreaders - i) * sizeof *m->readers);
            return;
        }
}

err_t mux_read(struct ninep_req *r)
{
    struct mux *m = net_of_req(r)->mux;
    struct out o = { r->data, r->room };

    m->woken = false;
    if (r->room < sizeof(struct app_net_rec) + DATAGRAM_MAX)
        return ERR_INVAL;
    while (m->nrefused && tell(&o, (struct app_net_rec){ .conv = m->refused[m->nrefused - 1], .op = APP_NET_DONE, .error = ENFILE }, NULL))
        m->nrefused--;
    while (!list_empty(&m->ready)) {
        struct line *l = container_of(m->ready.next, struct line, ready);
        list_remove(&l->ready);
        if (!line_report(&o, l)) {
            list_push_back(&m->ready, &l->ready);
            if (o.room < r->room)
                break; /* the next answer has room */
        }
    }
    r->out->count = r->room - o.room;
    if (r->out->count) {
        if (!list_empty(&m->ready))
            reader_wake(m);
        return OK;
    }
    if (m->nreaders == READERS)
        return ERR_BUSY;
    m->readers[m->nreaders++] = r;
    r->owner = m;
    r->cancel = reader_cancel;
    return ERR_AGAIN;
}

/* --- its life ------------------------------------------------------------------------------------------------------------------- */
err_t mux_open(struct ninep_req *r)
{
    struct net *n = net_of_req(r);

    if (n->mux && !n->mux->closed)
        return ERR_BUSY;
    if (!n->mux)
        n->mux = calloc(1, sizeof *n->mux);
    if (!n->mux)
        return ERR_NOMEM;
    n->mux->net = n;
    n->mux->closed = false;
    list_init(&n->mux->ready);
    return OK;
}

void mux_close(struct tree *t, struct ninep_fid *)
{
    struct mux *m = container_of(t, struct net, tree)->mux;

    for (unsigned i = 0; i < 2 * APP_NET_CONVS; i++)
        if (m->lines[i / APP_NET_CONVS][i % APP_NET_CONVS])
            line_close(m->lines[i / APP_NET_CONVS][i % APP_NET_CONVS]);
    m->closed = true;
}

void mux_fini(struct net *n)
{
    for (unsigned i = 0; i < APP_NET_CONVS; i++)
        if (n->convs[i] && n->convs[i]->ready == line_ready)
            line_free(n->convs[i]->owner);
    free(n->mux);
    n->mux = NULL;
}

bool mux_drained(const struct mux *m)
{
    return m->unsent == 0;
}

bool mux_open_now(const struct net *n)
{
    return n->mux && !n->mux->closed;
}
