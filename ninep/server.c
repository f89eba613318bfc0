/* A 9P connection's state and the checks that are the same for all files. Each message has a row: what must be true
 * before the backend sees it, and who serves it. */
#include "ninep/server.h"
#include "base/bytes.h"
#include "base/panic.h"
#include "base/str.h"

enum {
    REQ_FREE,
    REQ_RUNNING,
    REQ_WAITING,
    REQ_READY,
    REQ_DEAD
}; /* dead: to be answered with ecode, without another try */

/* --- fids --- */

static uint16_t *chain_of(struct ninep_server *s, uint32_t id)
{
    return &s->fids[id % s->nfids].first;
}

struct ninep_fid *ninep_server_fid(struct ninep_server *s, uint32_t id)
{
    uint16_t i = *chain_of(s, id);

    while (i && s->fids[i - 1].id != id)
        i = s->fids[i - 1].next;
    return i ? &s->fids[i - 1] : NULL;
}

/* A new fid of that number. ERR_INVAL: not a fid; ERR_BUSY: the number is taken; ERR_FULL. */
static err_t fid_add(struct ninep_server *s, uint32_t id, struct ninep_fid **out)
{
    uint16_t *chain = chain_of(s, id);
    uint32_t at = id % s->nfids;

    if (id == NINEP_NOFID)
        return ERR_INVAL;
    if (ninep_server_fid(s, id))
        return ERR_BUSY;
    for (uint32_t tries = 0; s->fids[at].used; tries++) {
        if (tries == s->nfids)
            return ERR_FULL;
        at = at + 1 == s->nfids ? 0 : at + 1;
    }
    *out = &s->fids[at];
    **out = (struct ninep_fid){ .id = id, .used = true, .first = (*out)->first, .next = *chain };
    *chain = (uint16_t)(at + 1);
    s->held++;
    return OK;
}

/* Forgets the fid; what it held is the backend's no longer. */
static void fid_drop(struct ninep_server *s, struct ninep_fid *fid)
{
    uint16_t *link = chain_of(s, fid->id);

    while (&s->fids[*link - 1] != fid)
        link = &s->fids[*link - 1].next;
    *link = fid->next;
    fid->used = false;
    s->held--;
}

/* --- requests --- */

static struct ninep_req *req_get(struct ninep_server *s)
{
    for (uint32_t i = 0; i < s->nreqs; i++)
        if (s->reqs[i].state == REQ_FREE)
            return &s->reqs[i];
    return NULL;
}

static bool req_waits(const struct ninep_req *r)
{
    return r->state == REQ_WAITING || r->state == REQ_READY;
}

static struct ninep_req *req_find(struct ninep_server *s, uint16_t tag)
{
    for (uint32_t i = 0; i < s->nreqs; i++)
        if (s->reqs[i].state > REQ_RUNNING && s->reqs[i].in.tag == tag)
            return &s->reqs[i];
    return NULL;
}

static void req_cancel(struct ninep_req *r)
{
    if (req_waits(r) && r->cancel)
        r->cancel(r);
    r->state = REQ_FREE;
}

/* What waits on a fid that goes away ends now. */
static void fid_abort(struct ninep_server *s, const struct ninep_fid *fid)
{
    bool any = false;

    for (uint32_t i = 0; i < s->nreqs; i++) {
        struct ninep_req *r = &s->reqs[i];
        if (!req_waits(r) || (r->fid != fid && r->dfid != fid))
            continue;
        req_cancel(r);
        r->state = REQ_DEAD;
        any = true;
    }
    if (any && s->wake)
        s->wake(s);
}

void ninep_req_ready(struct ninep_req *r)
{
    if (r->state != REQ_WAITING)
        return;
    r->state = REQ_READY;
    if (r->server->wake)
        r->server->wake(r->server);
}

err_t ninep_fail(struct ninep_req *r, uint32_t ecode)
{
    r->ecode = ecode;
    return ERR_IO;
}

static err_t fid_clunk(struct ninep_server *s, struct ninep_fid *fid)
{
    err_t e;

    fid_abort(s, fid);
    e = s->fs->ops->clunk(s->fs, fid);
    fid_drop(s, fid);
    return e;
}

static void session_end(struct ninep_server *s)
{
    for (uint32_t i = 0; i < s->nreqs; i++)
        if (s->reqs[i].state > REQ_RUNNING)
            req_cancel(&s->reqs[i]);
    for (uint32_t i = 0; s->held; i++)
        if (s->fids[i].used)
            (void)fid_clunk(s, &s->fids[i]);
}

/* --- messages that are more than one call of the backend --- */

static err_t do_version(struct ninep_req *r)
{
    struct ninep_server *s = r->server;

    if (r->in.msize < NINEP_MSIZE_MIN)
        return ERR_INVAL;
    session_end(s);
    r->out->msize = (uint32_t)min_u64(r->in.msize, s->msize_max);
    r->out->text = str_eq(r->in.text, NINEP_VERSION) ? NINEP_VERSION : "unknown";
    s->msize = r->out->text[0] == '9' ? r->out->msize : 0;
    return OK;
}

/* ENOENT is how clients are told that none is needed: whoever has the channel may use it. */
static err_t do_auth(struct ninep_req *) { return ERR_NOTFOUND; }

static err_t do_attach(struct ninep_req *r)
{
    err_t e;

    if (r->in.dfid != NINEP_NOFID)
        return ninep_fail(r, NINEP_EBADF);
    e = fid_add(r->server, r->in.fid, &r->fid);
    if (e)
        return e;
    e = r->server->fs->ops->attach(r);
    if (e) {
        fid_drop(r->server, r->fid);
        r->fid = NULL;
        return e;
    }
    r->out->qid = r->fid->qid;
    return OK;
}

/* What it cancels, ninep_server_take() has cancelled before. */
static err_t do_flush(struct ninep_req *) { return OK; }

/* One step from `at`, which is r->fid's place (held: at holds a node of its own, which is given up). */
static err_t walk_step(struct ninep_req *r, struct ninep_fid *at, bool held, const char *name)
{
    struct ninep_fs *fs = r->server->fs;
    struct ninep_fid next = { .id = NINEP_NOFID };
    err_t e = fs->ops->walk(r, held ? at : r->fid, &next, name);

    if (e)
        return e;
    if (held)
        (void)fs->ops->clunk(fs, at);
    *at = next;
    return OK;
}

/* Makes the empty at what in.wname leads to from r->fid. On error it holds nothing. */
static err_t walk_names(struct ninep_req *r, struct ninep_fid *at)
{
    struct ninep_fs *fs = r->server->fs;
    bool held = false;
    err_t e = OK;

    at->qid = r->fid->qid;
    for (unsigned i = 0; i < r->in.nwalk && !e; i++) {
        if (!(at->qid.type & NINEP_QTDIR)) {
            e = ninep_fail(r, NINEP_ENOTDIR);
        } else if (!str_eq(r->in.wname[i], ".")) {
            e = walk_step(r, at, held, r->in.wname[i]);
            held = held || !e;
        }
        if (!e)
            r->out->wqid[r->out->nwalk++] = at->qid;
    }
    if (!e && !held)
        e = fs->ops->clone(fs, r->fid, at);
    if (e && held)
        (void)fs->ops->clunk(fs, at);
    return e;
}

/* A walk that fails behind its first name is an answer, not an error; but there is no new fid then. An open directory
 * may be walked from (diod's tools do), but not moved. */
static err_t do_walk(struct ninep_req *r)
{
    struct ninep_server *s = r->server;
    struct ninep_fid at = { .id = NINEP_NOFID }, *to = r->fid;
    err_t e;

    if (r->in.dfid == r->in.fid)
        e = r->fid->open ? ninep_fail(r, NINEP_EBADF) : OK;
    else
        e = fid_add(s, r->in.dfid, &to);
    if (e)
        return e;
    e = walk_names(r, &at);
    if (e)
        goto drop_new;
    if (to == r->fid) {
        fid_abort(s, to);
        (void)s->fs->ops->clunk(s->fs, to);
    }
    to->node = at.node;
    to->key = at.key;
    to->qid = at.qid;
    return OK;
drop_new:
    if (to != r->fid)
        fid_drop(s, to);
    return e != ERR_AGAIN && r->out->nwalk ? OK : e;
}

static err_t do_open(struct ninep_req *r)
{
    uint32_t flags = r->in.flags;
    err_t e;

    if ((flags & NINEP_ACCMODE) == NINEP_ACCMODE)
        return ERR_INVAL;
    if (r->fid->qid.type & NINEP_QTDIR) {
        if ((flags & NINEP_ACCMODE) != NINEP_RDONLY || flags & NINEP_TRUNC)
            return ninep_fail(r, NINEP_EISDIR);
    } else if (flags & NINEP_DIRECTORY) {
        return ninep_fail(r, NINEP_ENOTDIR);
    }
    r->out->qid = r->fid->qid;
    e = r->server->fs->ops->open(r);
    if (e)
        return e;
    r->fid->open = true;
    r->fid->flags = flags;
    return OK;
}

static err_t do_create(struct ninep_req *r)
{
    err_t e;

    if ((r->in.flags & NINEP_ACCMODE) == NINEP_ACCMODE)
        return ERR_INVAL;
    fid_abort(r->server, r->fid);
    e = r->server->fs->ops->create(r);
    if (e)
        return e;
    r->fid->open = true;
    r->fid->flags = r->in.flags;
    r->out->qid = r->fid->qid;
    return OK;
}

/* What to tell a client that asks until its buffer is full: see refills. One that asked for as much as a message holds may
 * have more room than it said. */
static err_t refill(struct ninep_req *r, err_t e)
{
    struct ninep_fid *f = r->fid;

    if (e == ERR_AGAIN && f->gave && !f->sized) {
        f->gave = false;
        r->out->count = 0;
        return OK;
    }
    if (!e)
        f->gave = r->out->count && (r->out->count < r->in.count || r->in.count + NINEP_WRITE_HEADER + 1 >= r->server->msize);
    return e;
}

/* Read and readdir: the data go straight to their place in the answer. */
static err_t do_read(struct ninep_req *r)
{
    const struct ninep_fs_ops *ops = r->server->fs->ops;
    err_t e;

    r->room = (uint32_t)min_u64(r->in.count, r->room);
    r->out->data = r->data;
    e = r->in.type == NINEP_TREAD ? ops->read(r) : ops->readdir(r);
    ASSERT(e || r->out->count <= r->room);
    return r->server->refills && r->in.type == NINEP_TREAD ? refill(r, e) : e;
}

static err_t do_getattr(struct ninep_req *r)
{
    r->out->qid = r->fid->qid;
    return r->server->fs->ops->getattr(r);
}

static err_t do_getlock(struct ninep_req *r)
{
    r->out->kind = r->in.kind;
    r->out->offset = r->in.offset;
    r->out->size = r->in.size;
    r->out->pid = r->in.pid;
    r->out->text = r->in.text;
    return r->server->fs->ops->getlock(r);
}

static err_t do_clunk(struct ninep_req *r)
{
    return fid_clunk(r->server, r->fid);
}

static err_t do_remove(struct ninep_req *r)
{
    ninep_op *remove = r->server->fs->ops->remove;
    err_t e = r->server->read_only ? ninep_fail(r, NINEP_EROFS) : remove ? remove(r) : ERR_UNSUPPORTED;

    if (e != ERR_AGAIN)
        (void)fid_clunk(r->server, r->fid);
    return e;
}

/* --- the rows --- */

#define FID 0x01u      /* in.fid is a fid */
#define OPEN 0x02u     /* it is open */
#define SHUT 0x04u     /* it is not open */
#define DIR 0x08u      /* it is a directory */
#define NOTDIR 0x10u   /* it is not */
#define READS 0x20u    /* it is open for reading */
#define WRITES 0x40u   /* it is open for writing */
#define TODIR 0x80u    /* in.dfid is a fid, and a directory */
#define CHANGES 0x100u /* not on a read-only server */

static const struct row {
    uint16_t needs;
    uint16_t op;   /* the slot in struct ninep_fs_ops that must be there; + 1, 0: none */
    ninep_op *run; /* NULL: just that slot */
} rows[NINEP_TYPES] = {
#define SLOT(name) (uint16_t)(offsetof(struct ninep_fs_ops, name) + 1)
    [NINEP_TVERSION] = { 0, 0, do_version },
    [NINEP_TAUTH] = { 0, 0, do_auth },
    [NINEP_TATTACH] = { 0, 0, do_attach },
    [NINEP_TFLUSH] = { 0, 0, do_flush },
    [NINEP_TWALK] = { FID, 0, do_walk },
    [NINEP_TCLUNK] = { FID, 0, do_clunk },
    [NINEP_TREMOVE] = { FID, 0, do_remove },
    [NINEP_TLOPEN] = { FID | SHUT, SLOT(open), do_open },
    [NINEP_TLCREATE] = { FID | SHUT | DIR | CHANGES, SLOT(create), do_create },
    [NINEP_TREAD] = { FID | OPEN | NOTDIR | READS, SLOT(read), do_read },
    [NINEP_TWRITE] = { FID | OPEN | NOTDIR | WRITES, SLOT(write), NULL },
    [NINEP_TREADDIR] = { FID | OPEN | DIR, SLOT(readdir), do_read },
    [NINEP_TGETATTR] = { FID, SLOT(getattr), do_getattr },
    [NINEP_TSETATTR] = { FID | CHANGES, SLOT(setattr), NULL },
    [NINEP_TMKDIR] = { FID | DIR | CHANGES, SLOT(mkdir), NULL },
    [NINEP_TSYMLINK] = { FID | DIR | CHANGES, SLOT(symlink), NULL },
    [NINEP_TMKNOD] = { FID | DIR | CHANGES, SLOT(mknod), NULL },
    [NINEP_TREADLINK] = { FID, SLOT(readlink), NULL },
    [NINEP_TLINK] = { FID | TODIR | CHANGES, SLOT(link), NULL },
    [NINEP_TRENAME] = { FID | TODIR | CHANGES, SLOT(rename), NULL },
    [NINEP_TRENAMEAT] = { FID | DIR | TODIR | CHANGES, SLOT(renameat), NULL },
    [NINEP_TUNLINKAT] = { FID | DIR | CHANGES, SLOT(unlinkat), NULL },
    [NINEP_TSTATFS] = { FID, SLOT(statfs), NULL },
    [NINEP_TFSYNC] = { FID | OPEN, SLOT(fsync), NULL },
    [NINEP_TLOCK] = { FID | OPEN | NOTDIR, SLOT(lock), NULL },
    [NINEP_TGETLOCK] = { FID | OPEN | NOTDIR, SLOT(getlock), do_getlock },
};

static bool changes_on_open(const struct ninep_msg *in)
{
    return in->type == NINEP_TLOPEN && ((in->flags & NINEP_ACCMODE) != NINEP_RDONLY || in->flags & NINEP_TRUNC);
}

/* 0, or the error number to answer. */
static uint32_t needs_check(struct ninep_server *s, struct ninep_req *r, uint32_t needs)
{
    const struct ninep_fid *f = NULL;

    r->fid = needs & FID ? ninep_server_fid(s, r->in.fid) : NULL;
    r->dfid = needs & TODIR ? ninep_server_fid(s, r->in.dfid) : NULL;
    f = r->fid;
    if ((needs & FID && !f) || (needs & TODIR && !r->dfid))
        return NINEP_EBADF;
    if ((needs & OPEN && !f->open) || (needs & SHUT && f->open))
        return NINEP_EBADF;
    if (needs & NOTDIR && f->qid.type & NINEP_QTDIR)
        return NINEP_EISDIR;
    if ((needs & READS && (f->flags & NINEP_ACCMODE) == NINEP_WRONLY) ||
        (needs & WRITES && (f->flags & NINEP_ACCMODE) == NINEP_RDONLY))
        return NINEP_EBADF;
    if ((needs & DIR && !(f->qid.type & NINEP_QTDIR)) || (needs & TODIR && !(r->dfid->qid.type & NINEP_QTDIR)))
        return NINEP_ENOTDIR;
    return s->read_only && (needs & CHANGES || changes_on_open(&r->in)) ? NINEP_EROFS : 0;
}

static err_t req_run(struct ninep_req *r)
{
    struct ninep_server *s = r->server;
    const struct row *row = &rows[r->in.type];
    ninep_op *op = NULL;

    if (!row->needs && !row->run)
        return ERR_UNSUPPORTED;
    if (!s->msize && r->in.type != NINEP_TVERSION)
        return ERR_FORMAT;
    r->ecode = needs_check(s, r, row->needs);
    if (r->ecode)
        return ERR_IO;
    if (row->op) {
        op = *(ninep_op *const *)(const void *)((const char *)s->fs->ops + row->op - 1);
        if (!op)
            return ERR_UNSUPPORTED;
    }
    return row->run ? row->run(r) : op(r);
}

static uint32_t error_put(uint16_t tag, uint32_t ecode, void *to)
{
    const struct ninep_msg m = { .type = NINEP_RLERROR, .tag = tag, .ecode = ecode };
    uint32_t len = 0;
    err_t e = ninep_encode(&m, to, NINEP_MSIZE_MIN, &len);

    ASSERT(e == OK);
    return len;
}

/* Runs the request and writes its answer to to; 0: it waits. */
static uint32_t req_serve(struct ninep_req *r, void *to)
{
    struct ninep_server *s = r->server;
    uint32_t len = 0, room = s->msize ? s->msize : NINEP_MSIZE_MIN;
    err_t e;

    r->out = &s->out;
    *r->out = (struct ninep_msg){ .type = (uint8_t)(r->in.type + 1), .tag = r->in.tag };
    r->data = (uint8_t *)to + NINEP_IO_HEADER;
    r->room = room - NINEP_IO_HEADER;
    r->cancel = NULL;
    r->state = REQ_RUNNING;
    e = req_run(r);
    if (e == ERR_AGAIN) {
        r->state = REQ_WAITING;
        if (req_get(s)) /* there is still a place, so a Tflush can get through */
            return 0;
        req_cancel(r);
    }
    r->state = REQ_FREE;
    if (!e)
        e = ninep_encode(r->out, to, room, &len);
    if (e == ERR_FULL && !r->ecode && r->out->text)
        r->ecode = NINEP_ENAMETOOLONG;
    return e ? error_put(r->in.tag, r->ecode ? r->ecode : ninep_errno(e), to) : len;
}

void ninep_server_init(struct ninep_server *s)
{
    ASSERT(s->nfids > 0 && s->nfids < 0xFFFF && s->nreqs > 1 && s->msize_max >= NINEP_MSIZE_MIN);
    s->msize = 0;
    s->order = 0;
    s->held = 0;
}

void ninep_server_fini(struct ninep_server *s)
{
    session_end(s);
    s->msize = 0;
}

/* A flush ends the request it names with EINTR; the length of that answer, or 0. */
static uint32_t flush_old(struct ninep_server *s, const struct ninep_msg *in, void *to)
{
    struct ninep_req *old = in->type == NINEP_TFLUSH ? req_find(s, in->oldtag) : NULL;

    if (!old)
        return 0;
    req_cancel(old);
    return error_put(in->oldtag, NINEP_EINTR, to);
}

static err_t message_read(struct ninep_server *s, void *t, uint32_t len, struct ninep_req *r)
{
    err_t e = ninep_decode(t, len, &r->in);

    r->server = s;
    r->ecode = e == ERR_RANGE ? NINEP_ENAMETOOLONG : 0;
    if (!e && r->in.type & 1)
        return ERR_UNSUPPORTED;
    return !e && s->msize && len > s->msize ? ERR_FORMAT : e;
}

err_t ninep_server_take(struct ninep_server *s, void *t, uint32_t len, void *answer, uint32_t *len_r)
{
    struct ninep_req *r = req_get(s); /* never NULL: req_serve() keeps one free */
    uint16_t tag;
    uint32_t n;
    err_t e;

    *len_r = 0;
    if (len < NINEP_HEADER || len > s->msize_max || get_le32(t) != len)
        return ERR_FORMAT;
    tag = get_le16((uint8_t *)t + 5);
    if (req_find(s, tag)) {
        *len_r = error_put(tag, NINEP_EINVAL, answer);
        return OK;
    }
    e = message_read(s, t, len, r);
    if (e) {
        *len_r = error_put(tag, r->ecode ? r->ecode : ninep_errno(e), answer);
        return OK;
    }
    r->order = s->order++;
    n = flush_old(s, &r->in, answer);
    *len_r = n + req_serve(r, (uint8_t *)answer + n);
    return OK;
}

uint32_t ninep_server_poll(struct ninep_server *s, void *answer)
{
    uint32_t len = 0;

    while (!len) {
        struct ninep_req *next = NULL;
        for (uint32_t i = 0; i < s->nreqs; i++)
            if (s->reqs[i].state >= REQ_READY && (!next || s->reqs[i].order < next->order))
                next = &s->reqs[i];
        if (!next)
            break;
        if (next->state == REQ_DEAD) {
            next->state = REQ_FREE;
            return error_put(next->in.tag, NINEP_EINTR, answer);
        }
        len = req_serve(next, answer);
    }
    return len;
}

void ninep_server_retry(struct ninep_server *s)
{
    for (uint32_t i = 0; i < s->nreqs; i++)
        if (s->reqs[i].state == REQ_WAITING)
            s->reqs[i].state = REQ_READY;
}

bool ninep_server_waits(const struct ninep_server *s)
{
    for (uint32_t i = 0; i < s->nreqs; i++)
        if (s->reqs[i].state > REQ_RUNNING)
            return true;
    return false;
}
