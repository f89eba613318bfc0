/* The 9P client on the monitor's channels: questions go into a slot of shared memory each, answers come back by the ring. */
#include "libos/file.h"

#define CALLS APP_CHANNEL_SLOTS
#define FIDS 4096u

struct mount mounts[APP_CHANNELS];
unsigned nmounts;

static unsigned slot_of(const struct mount *m, const struct ninep_call *c) { return (unsigned)(c - m->client.calls); }

int p9_post(struct mount *m, struct ninep_msg *q, struct rpc *r)
{
    struct app_ring *ring = &m->channel->ask;
    struct ninep_call *call = NULL;
    uint32_t len, at = ring->head % CALLS;
    unsigned slot = 0;
    err_t e;

    *r = (struct rpc){ .thread = current, .notify = r->notify };
    while (slot < m->client.ncalls && m->client.calls[slot].type)
        slot++;
    if (slot == m->client.ncalls)
        return -EAGAIN;
    e = ninep_client_ask(&m->client, q, m->channel->asks[q->type == NINEP_TVERSION ? NINEP_NOTAG % CALLS : slot], APP_CHANNEL_MSIZE, &len, &call);
    if (e)
        return e == ERR_RANGE ? -ENAMETOOLONG : e == ERR_FULL ? -EAGAIN : -EIO;
    call->owner = r;
    ring->tag[at] = (uint16_t)(q->type == NINEP_TVERSION ? NINEP_NOTAG % CALLS : slot_of(m, call));
    ring->len[at] = len;
    __atomic_store_n(&ring->head, ring->head + 1, __ATOMIC_RELEASE);
    return 0;
}

static void collect(struct mount *m)
{
    struct app_ring *ring = &m->channel->answer;

    while (ring->tail != __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE)) {
        uint32_t at = ring->tail++ % CALLS;
        struct ninep_answer a;
        struct rpc *r;
        if (ninep_client_take(&m->client, m->channel->answers[ring->tag[at]], ring->len[at], &a))
            panic("mount %u: a wrong answer", m->number);
        r = a.call->owner;
        r->a = a;
        r->error = a.msg.type == NINEP_RLERROR ? -(int)a.msg.ecode : 0;
        r->done = true;
        if (r->notify)
            r->notify(r);
        else if (r->thread)
            thread_ready(r->thread);
    }
}

void p9_collect(void)
{
    for (unsigned i = 0; i < nmounts; i++)
        collect(&mounts[i]);
}

void p9_kick(struct mount *m)
{
    if (gate(m->number, 0, 0, 0, 0, APP_KICK) < 0)
        panic("mount %u: the monitor does not answer", m->number);
    collect(m);
}

int p9_finish(struct rpc *r)
{
    while (!r->done)
        thread_block_deaf();
    return r->error;
}

int p9_call(struct mount *m, struct ninep_msg *q, struct rpc *r)
{
    int e = p9_post(m, q, r);

    if (e)
        return e;
    p9_kick(m);
    return p9_finish(r);
}

int p9_tell(struct mount *m, struct ninep_msg *q) { return p9_call(m, q, &(struct rpc){ 0 }); }

int p9_open_post(struct mount *m, struct opening *o, const char *name, uint32_t flags, uint32_t *fid)
{
    struct ninep_msg walk = { .type = NINEP_TWALK, .fid = m->root, .nwalk = 1, .wname = { name } };
    int e;

    if (ninep_client_fid(&m->client, fid))
        return -ENFILE;
    walk.dfid = *fid;
    e = p9_post(m, &walk, &o->walk);
    return e ? e : p9_post(m, &(struct ninep_msg){ .type = NINEP_TLOPEN, .fid = *fid, .flags = flags }, &o->open);
}

int p9_open_finish(struct opening *o)
{
    int e = p9_finish(&o->open);

    return p9_finish(&o->walk) ? o->walk.error : e;
}

int p9_open(struct mount *m, const char *name, uint32_t flags, uint32_t *fid)
{
    struct opening o = { 0 };
    int e = p9_open_post(m, &o, name, flags, fid);

    if (e)
        return e;
    p9_kick(m);
    return p9_open_finish(&o);
}

int p9_mount(struct mount *m, unsigned number, const struct app_mount *am)
{
    struct rpc r = { 0 };
    int e;

    *m = (struct mount){ .channel = (struct app_channel *)am->channel, .number = number, .flags = am->flags, .dev = 16 + number };
    m->client = (struct ninep_client){ .ncalls = CALLS, .nfids = FIDS, .msize = APP_CHANNEL_MSIZE };
    list_init(&m->held);
    m->client.calls = mem_get(CALLS * sizeof *m->client.calls);
    m->client.fids = mem_get(FIDS / 8);
    if (!m->client.calls || !m->client.fids)
        return -ENOMEM;
    ninep_client_init(&m->client);
    e = p9_call(m, &(struct ninep_msg){ .type = NINEP_TVERSION, .msize = APP_CHANNEL_MSIZE, .text = NINEP_VERSION }, &r);
    if (e || ninep_client_fid(&m->client, &m->root))
        return e ? e : -ENOMEM;
    m->attach = mem_get(sizeof *m->attach);
    if (!m->attach)
        return -ENOMEM;
    return p9_post(m, &(struct ninep_msg){ .type = NINEP_TATTACH, .fid = m->root, .dfid = NINEP_NOFID, .name = "", .text = "", .uid = boot->uid }, m->attach);
}

void p9_forget(struct mount *m)
{
    mem_put(m->client.calls);
    mem_put(m->client.fids);
    *m = (struct mount){ 0 };
}

int p9_mounted(struct mount *m)
{
    int e = p9_finish(m->attach);

    mem_put(m->attach);
    m->attach = NULL;
    return e;
}
