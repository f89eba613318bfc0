/* Which calls are outstanding, which fids are in use, and whether an answer may be believed. */
#include "ninep/client.h"
#include "base/panic.h"
#include "base/str.h"

void ninep_client_fid_put(struct ninep_client *c, uint32_t fid)
{
    if (fid < c->nfids)
        c->fids[fid / 64] &= ~BIT64(fid % 64);
}

err_t ninep_client_fid(struct ninep_client *c, uint32_t *fid)
{
    for (uint32_t i = 0; i < c->nfids / 64; i++) {
        if (c->fids[i] == UINT64_MAX)
            continue;
        *fid = i * 64 + (uint32_t)__builtin_ctzll(~c->fids[i]);
        c->fids[i] |= BIT64(*fid % 64);
        return OK;
    }
    return ERR_FULL;
}

void ninep_client_init(struct ninep_client *c)
{
    ASSERT(c->ncalls > 0 && c->ncalls <= NINEP_NOTAG && c->nfids % 64 == 0 && c->msize >= NINEP_MSIZE_MIN);
    c->ready = false;
    memset(c->fids, 0, c->nfids / 8);
    for (uint32_t i = 0; i < c->ncalls; i++)
        c->calls[i] = (struct ninep_call){ 0 };
}

static struct ninep_call *call_free(struct ninep_client *c)
{
    for (uint32_t i = 0; i < c->ncalls; i++)
        if (!c->calls[i].type)
            return &c->calls[i];
    return NULL;
}

/* Tversion ends everything before it. */
static bool version_allowed(const struct ninep_client *c)
{
    for (uint32_t i = 0; i < c->ncalls; i++)
        if (c->calls[i].type)
            return false;
    return true;
}

/* What the answer needs of the agreed size, as far as the question decides it. */
static bool answer_fits(const struct ninep_client *c, const struct ninep_msg *q)
{
    if (q->type == NINEP_TREAD || q->type == NINEP_TREADDIR)
        return q->count <= c->msize - NINEP_IO_HEADER;
    return true;
}

err_t ninep_client_ask(struct ninep_client *c, const struct ninep_msg *q, void *bytes, uint32_t room, uint32_t *len,
                       struct ninep_call **out)
{
    struct ninep_call *call = call_free(c);
    struct ninep_msg m = *q;
    err_t e;

    if (q->type & 1 || (q->type == NINEP_TVERSION ? !version_allowed(c) : !c->ready))
        return ERR_INVAL;
    if (!call || !answer_fits(c, q))
        return ERR_FULL;
    m.tag = q->type == NINEP_TVERSION ? NINEP_NOTAG : (uint16_t)(call - c->calls);
    if (q->type == NINEP_TVERSION) {
        m.msize = c->msize;
        m.text = NINEP_VERSION;
    }
    e = ninep_encode(&m, bytes, (uint32_t)min_u64(room, c->msize), len);
    if (e)
        return e;
    *call = (struct ninep_call){ .type = m.type, .nwalk = m.nwalk, .fid = m.fid, .dfid = m.dfid, .count = m.count };
    c->ready = c->ready && m.type != NINEP_TVERSION;
    *out = call;
    return OK;
}

err_t ninep_client_flush(struct ninep_client *c, struct ninep_call *of, void *bytes, uint32_t room, uint32_t *len,
                         struct ninep_call **out)
{
    struct ninep_msg q = { .type = NINEP_TFLUSH, .oldtag = (uint16_t)(of - c->calls) };
    err_t e;

    if (of->flushed || !of->type || of->type == NINEP_TFLUSH || of->type == NINEP_TVERSION)
        return ERR_INVAL;
    e = ninep_client_ask(c, &q, bytes, room, len, out);
    if (e)
        return e;
    (*out)->flushes = q.oldtag;
    of->flushed = true;
    return OK;
}

/* The new fid of a question that makes one. */
static uint32_t fid_made(const struct ninep_call *call)
{
    if (call->type == NINEP_TATTACH)
        return call->fid;
    return call->type == NINEP_TWALK && call->dfid != call->fid ? call->dfid : NINEP_NOFID;
}

/* Whether the answer is one the question can have. */
static bool answer_right(struct ninep_client *c, const struct ninep_call *call, const struct ninep_msg *a)
{
    if (a->type == NINEP_RLERROR)
        return a->ecode != 0 && call->type != NINEP_TFLUSH;
    if (a->type != call->type + 1)
        return false;
    switch (call->type) {
    case NINEP_TVERSION:
        return a->msize <= c->msize && a->msize >= NINEP_MSIZE_MIN && str_eq(a->text, NINEP_VERSION);
    case NINEP_TWALK:
        return a->nwalk <= call->nwalk && (a->nwalk || !call->nwalk);
    case NINEP_TREAD:
    case NINEP_TREADDIR:
    case NINEP_TWRITE:
        return a->count <= call->count;
    }
    return true;
}

/* Which fids there are after the answer. */
static void fids_update(struct ninep_client *c, const struct ninep_call *call, const struct ninep_msg *a)
{
    bool failed = a->type == NINEP_RLERROR || (call->type == NINEP_TWALK && a->nwalk < call->nwalk);

    if (failed)
        ninep_client_fid_put(c, fid_made(call));
    if (call->type == NINEP_TCLUNK || call->type == NINEP_TREMOVE)
        ninep_client_fid_put(c, call->fid);
}

static void flush_end(struct ninep_client *c, const struct ninep_call *flush, struct ninep_answer *a)
{
    struct ninep_call *old = &c->calls[flush->flushes];

    if (!old->answered) {
        ninep_client_fid_put(c, fid_made(old));
        a->ended = old;
    }
    old->type = 0;
}

err_t ninep_client_take(struct ninep_client *c, void *bytes, uint32_t len, struct ninep_answer *a)
{
    struct ninep_call *call = NULL;
    err_t e = len <= c->msize ? ninep_decode(bytes, len, &a->msg) : ERR_FORMAT;

    a->call = a->ended = NULL;
    if (e)
        return ERR_FORMAT;
    if (a->msg.tag == NINEP_NOTAG || a->msg.tag < c->ncalls)
        call = &c->calls[a->msg.tag == NINEP_NOTAG ? 0 : a->msg.tag];
    if (!call || !call->type || call->answered || !answer_right(c, call, &a->msg))
        return ERR_FORMAT;
    if ((call->type == NINEP_TVERSION) != (a->msg.tag == NINEP_NOTAG))
        return ERR_FORMAT;
    if (call->type == NINEP_TVERSION && a->msg.type != NINEP_RLERROR) {
        c->msize = a->msg.msize;
        c->ready = true;
        memset(c->fids, 0, c->nfids / 8);
    }
    fids_update(c, call, &a->msg);
    a->call = call;
    if (call->type == NINEP_TFLUSH)
        flush_end(c, call, a);
    if (call->flushed)
        call->answered = true;
    else
        call->type = 0;
    return OK;
}
