/* A channel's monitor side: takes questions out of the ring in the guest's memory, has them served, puts the answers back. Each message is
 * copied once to private memory, where the guest cannot change it any more. A guest that breaks the ring's rules loses the channel. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/bytes.h"
#include "ground/linux/guest.h"

#define SLOT(tag) ((tag) % APP_CHANNEL_SLOTS)
#define BUFFERS ((APP_CHANNEL_SLOTS + 2) * (size_t)APP_CHANNEL_MSIZE) /* an ask for each slot, then room for two answers */

static struct space *space_of(struct channel *c)
{
    return &c->guest->space;
}

err_t channel_init(struct guest *g, struct ninep_fs *fs, uint32_t nfids, bool read_only, app_addr_t at)
{
    struct channel *c = &g->channels[g->nchannels];
    uint8_t *buffers = mmap(NULL, BUFFERS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (buffers == MAP_FAILED)
        return ERR_NOMEM;
    *c = (struct channel){ .guest = g, .at = at, .ask = buffers };
    c->answer = buffers + APP_CHANNEL_SLOTS * (size_t)APP_CHANNEL_MSIZE;
    c->server = (struct ninep_server){ .fs = fs, .nfids = nfids, .nreqs = CHANNEL_REQS, .msize_max = APP_CHANNEL_MSIZE,
                                       .read_only = read_only };
    c->server.fids = calloc(nfids, sizeof *c->server.fids);
    c->server.reqs = calloc(CHANNEL_REQS, sizeof *c->server.reqs);
    if (!c->server.fids || !c->server.reqs) {
        free(c->server.fids);
        free(c->server.reqs);
        munmap(buffers, BUFFERS);
        return ERR_NOMEM;
    }
    ninep_server_init(&c->server);
    g->nchannels++;
    return OK;
}

void channel_fini(struct channel *c)
{
    ninep_server_fini(&c->server);
    free(c->server.fids);
    free(c->server.reqs);
    munmap(c->ask, BUFFERS);
}

/* One answer, at from, into the guest's memory and its ring. */
static err_t answer_put(struct channel *c, const uint8_t *from, uint32_t len)
{
    uint16_t tag = get_le16(from + 5), slot = SLOT(tag);
    uint32_t at = c->answered % APP_CHANNEL_SLOTS, head = c->answered + 1;
    app_addr_t ring = c->at + offsetof(struct app_channel, answer);
    err_t e = space_write(space_of(c), c->at + offsetof(struct app_channel, answers) + slot * (uint64_t)APP_CHANNEL_MSIZE,
                          from, len);

    if (!e)
        e = space_write(space_of(c), ring + offsetof(struct app_ring, tag) + 2 * at, &slot, sizeof slot);
    if (!e)
        e = space_write(space_of(c), ring + offsetof(struct app_ring, len) + 4 * at, &len, sizeof len);
    if (!e) /* x86 keeps the order of stores, and the copies are calls the compiler does not look into */
        e = space_write(space_of(c), ring + offsetof(struct app_ring, head), &head, sizeof head);
    c->answered = head;
    c->news += from[4] != NINEP_TWRITE + 1;
    c->busy[slot] = false;
    return e;
}

static err_t answers_put(struct channel *c, uint32_t len)
{
    const uint8_t *from = c->answer;

    while (len) {
        uint32_t n = get_le32(from);
        err_t e = answer_put(c, from, n);
        if (e)
            return e;
        from += n;
        len -= n;
    }
    return OK;
}

static err_t ask_take(struct channel *c, const struct app_ring *ring)
{
    uint32_t at = c->asked % APP_CHANNEL_SLOTS, len = ring->len[at], answered = 0;
    uint16_t slot = ring->tag[at];
    uint8_t *ask = c->ask + slot * (size_t)APP_CHANNEL_MSIZE;
    err_t e;

    if (slot >= APP_CHANNEL_SLOTS || len < NINEP_HEADER || len > APP_CHANNEL_MSIZE || c->busy[slot])
        return ERR_GUEST;
    e = space_read(space_of(c), c->at + offsetof(struct app_channel, asks) + slot * (uint64_t)APP_CHANNEL_MSIZE, ask, len);
    if (e || SLOT(get_le16(ask + 5)) != slot)
        return ERR_GUEST;
    c->busy[slot] = true;
    e = ninep_server_take(&c->server, ask, len, c->answer, &answered);
    return e ? e : answers_put(c, answered);
}

/* Answers that had to wait, as far as they are ready. True: there was one. */
static bool late_put(struct channel *c)
{
    uint32_t len = 1;
    bool any = false;

    while (!c->dead && len) {
        len = ninep_server_poll(&c->server, c->answer);
        any = any || len;
        if (len && answers_put(c, len))
            c->dead = true;
    }
    return any;
}

int64_t channel_kick(struct channel *c)
{
    struct app_ring ring;
    uint32_t tail;

    if (c->dead || space_read(space_of(c), c->at, &ring, sizeof ring) || ring.head - c->asked > APP_CHANNEL_SLOTS)
        goto broken;
    for (; c->asked != ring.head; c->asked++)
        if (ask_take(c, &ring))
            goto broken;
    late_put(c); /* what a question has made ready; whoever kicks looks at all answers */
    tail = c->asked;
    if (space_write(space_of(c), c->at + offsetof(struct app_ring, tail), &tail, sizeof tail))
        goto broken;
    return 0;
broken:
    c->dead = true;
    return APP_IO;
}

void channel_serve(struct channel *c)
{
    uint32_t before = c->answered;

    if (!c->dead)
        (void)channel_kick(c);
    if (c->answered != before || c->dead)
        guest_event(&c->guest->cpus[0], APP_EVENT_CHANNEL);
}

void channel_poll(struct channel *c)
{
    if (late_put(c))
        guest_event(&c->guest->cpus[0], APP_EVENT_CHANNEL);
}

static bool is_hostfs(const struct channel *c)
{
    for (unsigned i = 0; i < c->guest->nchannels; i++)
        if (c->server.fs == &c->guest->hostfs[i].fs)
            return true;
    return false;
}

int channel_fd(struct channel *c, uint32_t fid)
{
    const struct ninep_server *s = &c->server;

    for (uint32_t i = 0; i < s->nfids; i++) {
        const struct ninep_fid *f = &s->fids[i];
        if (f->id != fid || !f->open || fid == NINEP_NOFID)
            continue;
        if (is_hostfs(c))
            return *(const int *)f->node; /* struct node of hostfs.c begins with its descriptor */
        return s->fs == &c->guest->devices.fs ? mem_fd(f) : -1;
    }
    return -1;
}
