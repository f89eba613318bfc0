/* A channel's monitor side: takes questions out of the ring in the guest's memory, has them served, puts the answers back. Each
 * question is copied once to private memory, where the guest cannot change it any more. A guest that breaks the ring's rules loses
 * the channel. One caller at a time: see struct channel. */
#include "app/channel.h"
#include "app/area.h"
#include "base/bytes.h"
#include "ground/ground.h"

#define SLOT(tag) ((tag) % APP_CHANNEL_SLOTS)
#define REQS (APP_CHANNEL_SLOTS + 1)
#define REQ_BYTES (REQS * sizeof(struct ninep_req))
#define SMALL_BYTES (APP_CHANNEL_SLOTS * CHANNEL_SMALL)

_Static_assert(offsetof(struct app_ring, len) - offsetof(struct app_ring, tag) == sizeof(((struct channel *)0)->out.tag), "app_ring");

static size_t fid_bytes(const struct channel *c) { return c->server.nfids * sizeof(struct ninep_fid); }

static void memory_put(struct channel *c)
{
    ground_free(c->server.fids, fid_bytes(c));
    ground_free(c->server.reqs, REQ_BYTES);
    ground_free(c->small, SMALL_BYTES);
    ground_free(c->spare.bytes, c->spare.size);
}

err_t channel_init(struct channel *c)
{
    struct ninep_server *s = &c->server;

    s->nreqs = REQS;
    s->msize_max = APP_CHANNEL_MSIZE;
    s->fids = ground_alloc(fid_bytes(c));
    s->reqs = ground_alloc(REQ_BYTES);
    c->small = ground_alloc(SMALL_BYTES);
    if (!s->fids || !s->reqs || !c->small || space_map(c->space, c->at, APP_CHANNEL_BYTES, APP_READ | APP_WRITE | APP_SMALL)) {
        memory_put(c);
        return ERR_NOMEM;
    }
    ninep_server_init(s);
    return OK;
}

/* Room for a question of `len` bytes. The spare serves one large question after another: a fresh page costs more than the copy into it. */
static err_t ask_room(struct channel *c, struct channel_ask *a, uint32_t len)
{
    if (len <= CHANNEL_SMALL) {
        *a = (struct channel_ask){ .bytes = c->small[a - c->ask] };
        return OK;
    }
    *a = c->spare;
    c->spare = (struct channel_ask){ 0 };
    if (a->size >= len)
        return OK;
    ground_free(a->bytes, a->size);
    a->bytes = ground_alloc(len);
    a->size = a->bytes ? len : 0;
    return a->bytes ? OK : ERR_NOMEM;
}

static void ask_drop(struct channel *c, unsigned slot)
{
    struct channel_ask a = c->ask[slot];

    c->ask[slot] = (struct channel_ask){ 0 };
    if (a.size > c->spare.size) {
        struct channel_ask less = c->spare;

        c->spare = a;
        a = less;
    }
    if (a.size)
        ground_free(a.bytes, a.size);
}

void channel_fini(struct channel *c)
{
    ninep_server_fini(&c->server);
    for (unsigned i = 0; i < APP_CHANNEL_SLOTS; i++)
        ask_drop(c, i);
    memory_put(c);
}

/* One answer into the guest's memory and its ring. */
static err_t answer_put(struct channel *c, const uint8_t *from, uint32_t len)
{
    struct space *s = c->space;
    uint16_t slot = SLOT(get_le16(from + 5));
    uint32_t at = c->answered % APP_CHANNEL_SLOTS, head = c->answered + 1;
    app_addr_t ring = c->at + offsetof(struct app_channel, answer);
    err_t e = space_write(s, c->at + offsetof(struct app_channel, answers) + slot * (uint64_t)APP_CHANNEL_MSIZE, from, len);

    c->out.tag[at] = slot;
    c->out.len[at] = len;
    if (!e)
        e = space_write(s, ring + offsetof(struct app_ring, tag), &c->out, sizeof c->out);
    if (!e) /* x86 keeps the order of stores, and space_write() is no inline function */
        e = space_write(s, ring + offsetof(struct app_ring, head), &head, sizeof head);
    c->answered = head;
    c->news += from[4] != NINEP_TWRITE + 1;
    ask_drop(c, slot);
    return e;
}

static err_t answers_put(struct channel *c, const uint8_t *from, uint32_t len)
{
    err_t e = OK;

    for (uint32_t n; !e && len; from += n, len -= n) {
        n = get_le32(from);
        e = answer_put(c, from, n);
    }
    return e;
}

static err_t ask_take(struct channel *c, const struct app_ring *ring)
{
    uint32_t at = c->asked % APP_CHANNEL_SLOTS, len = ring->len[at], answered = 0;
    uint16_t slot = ring->tag[at];
    uint8_t *ask, *answer = channel_room();
    err_t e;

    if (slot >= APP_CHANNEL_SLOTS || len < NINEP_HEADER || len > APP_CHANNEL_MSIZE || c->ask[slot].bytes)
        return ERR_GUEST;
    e = ask_room(c, &c->ask[slot], len);
    if (e)
        return e;
    ask = c->ask[slot].bytes;
    e = space_read(c->space, c->at + offsetof(struct app_channel, asks) + slot * (uint64_t)APP_CHANNEL_MSIZE, ask, len);
    if (e || SLOT(get_le16(ask + 5)) != slot)
        return ERR_GUEST;
    bool anew = ask[4] == NINEP_TVERSION;
    e = ninep_server_take(&c->server, ask, len, answer, &answered);
    for (unsigned i = 0; anew && i < APP_CHANNEL_SLOTS; i++)
        if (i != slot)
            ask_drop(c, i); /* what waited has been forgotten */
    return e ? e : answers_put(c, answer, answered);
}

err_t channel_kick(struct channel *c)
{
    struct space *s = c->space;
    struct app_ring ring;

    if (c->dead || space_read(s, c->at, &ring, sizeof ring) || ring.head - c->asked > APP_CHANNEL_SLOTS)
        goto broken;
    for (; c->asked != ring.head; c->asked++)
        if (ask_take(c, &ring))
            goto broken;
    if (space_write(s, c->at + offsetof(struct app_ring, tail), &c->asked, sizeof c->asked))
        goto broken;
    return OK;
broken:
    c->dead = true;
    return ERR_GUEST;
}

bool channel_poll(struct channel *c)
{
    uint8_t *answer = channel_room();
    uint32_t len = 1;
    bool any = false;

    while (!c->dead && len) {
        len = ninep_server_poll(&c->server, answer);
        any = any || len;
        if (len && answers_put(c, answer, len))
            c->dead = true;
    }
    return any;
}
