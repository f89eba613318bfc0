/* A channel's monitor side: takes questions out of the ring in the guest's memory, has them served, puts the answers back. Each
 * question is copied once to private memory, where the guest cannot change it any more. A guest that breaks the ring's rules loses
 * the channel. One caller at a time: see struct channel. */
#include "app/app.h"
#include "base/bytes.h"
#include "base/str.h"
#include "ground/ground.h"

#define SLOT(tag) ((tag) % APP_CHANNEL_SLOTS)
#define FID_BYTES (CHANNEL_FIDS * sizeof(struct ninep_fid))
#define REQ_BYTES (CHANNEL_REQS * sizeof(struct ninep_req))

/* Room for an answer on its way, one for each CPU: serving it gives up neither the CPU nor lets interrupts in. */
static uint8_t *room[CPU_MAX];

err_t app_init(void)
{
    for (unsigned i = 0; i < ground_cpus(); i++)
        if (!room[i] && !(room[i] = ground_alloc(APP_CHANNEL_MSIZE)))
            return ERR_NOMEM; /* there is no monitor without: nothing is given back */
    return OK;
}

static void wake(struct ninep_server *s)
{
    work_ask(&container_of(s, struct channel, server)->app->work);
}

err_t channel_init(struct app *a, struct ninep_fs *fs, bool read_only, bool here)
{
    struct channel *c = &a->channel[a->nchannels];

    if (a->nchannels == APP_CHANNELS)
        return ERR_FULL;
    *c = (struct channel){ .app = a, .here = here, .at = APP_AREA_CHANNELS + a->nchannels * APP_CHANNEL_BYTES };
    c->server = (struct ninep_server){ .fs = fs, .nfids = CHANNEL_FIDS, .nreqs = CHANNEL_REQS, .msize_max = APP_CHANNEL_MSIZE,
                                       .read_only = read_only, .wake = wake };
    c->server.fids = ground_alloc(FID_BYTES);
    c->server.reqs = ground_alloc(REQ_BYTES);
    if (!c->server.fids || !c->server.reqs ||
        space_map(&a->space, c->at, APP_CHANNEL_BYTES, APP_READ | APP_WRITE | APP_SMALL)) {
        ground_free(c->server.fids, FID_BYTES);
        ground_free(c->server.reqs, REQ_BYTES);
        return ERR_NOMEM;
    }
    ninep_server_init(&c->server);
    a->nchannels++;
    return OK;
}

static void ask_drop(struct channel *c, unsigned slot)
{
    ground_free(c->ask[slot].bytes, c->ask[slot].len);
    c->ask[slot].bytes = NULL;
}

void channel_fini(struct channel *c)
{
    ninep_server_fini(&c->server);
    for (unsigned i = 0; i < APP_CHANNEL_SLOTS; i++)
        ask_drop(c, i);
    ground_free(c->server.fids, FID_BYTES);
    ground_free(c->server.reqs, REQ_BYTES);
}

/* One answer into the guest's memory and its ring. */
static err_t answer_put(struct channel *c, const uint8_t *from, uint32_t len)
{
    struct space *s = &c->app->space;
    uint16_t slot = SLOT(get_le16(from + 5));
    uint32_t at = c->answered % APP_CHANNEL_SLOTS, head = c->answered + 1;
    app_addr_t ring = c->at + offsetof(struct app_channel, answer);
    err_t e = space_write(s, c->at + offsetof(struct app_channel, answers) + slot * (uint64_t)APP_CHANNEL_MSIZE, from, len);

    if (!e)
        e = space_write(s, ring + offsetof(struct app_ring, tag) + 2 * at, &slot, sizeof slot);
    if (!e)
        e = space_write(s, ring + offsetof(struct app_ring, len) + 4 * at, &len, sizeof len);
    if (!e) /* x86 keeps the order of stores, and space_write() takes and drops a lock */
        e = space_write(s, ring + offsetof(struct app_ring, head), &head, sizeof head);
    c->answered = head;
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
    uint8_t *ask, *answer = room[ground_cpu()];
    err_t e;

    if (slot >= APP_CHANNEL_SLOTS || len < NINEP_HEADER || len > APP_CHANNEL_MSIZE || c->ask[slot].bytes)
        return ERR_GUEST;
    ask = ground_alloc(len);
    if (!ask)
        return ERR_NOMEM;
    c->ask[slot].bytes = ask;
    c->ask[slot].len = len;
    e = space_read(&c->app->space, c->at + offsetof(struct app_channel, asks) + slot * (uint64_t)APP_CHANNEL_MSIZE, ask, len);
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
    struct space *s = &c->app->space;
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
    uint8_t *answer = room[ground_cpu()];
    uint32_t len = 1;
    bool any = false;

    ninep_server_retry(&c->server);
    while (!c->dead && len) {
        len = ninep_server_poll(&c->server, answer);
        any = any || len;
        if (len && answers_put(c, answer, len))
            c->dead = true;
    }
    return any;
}
