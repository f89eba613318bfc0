/* Fids: a server has only so many. When it, or our own numbers, run out, the nodes that nobody uses give theirs up, the longest unused first;
 * a node that needs one again gets it by its names, and is the same file or gone. Used by all that asks a server about a node. */
#include "libos/node.h"

#define TRIES 4096u

void fid_clunk(struct mount *m, uint32_t fid)
{
    if (fid != NINEP_NOFID)
        p9_do(m, .type = NINEP_TCLUNK, .fid = fid);
}

int fid_walk(struct mount *m, uint32_t from, const char *name, uint32_t *fid, struct rpc *attr)
{
    struct ninep_msg walk = { .type = NINEP_TWALK, .fid = from, .nwalk = name ? 1 : 0, .wname = { name } };
    struct rpc r = { 0 };
    int e;

    *attr = (struct rpc){ 0 };
    if (ninep_client_fid(&m->client, fid))
        return -ENFILE;
    walk.dfid = *fid;
    e = p9_post(m, &walk, &r);
    if (e) {
        ninep_client_fid_put(&m->client, *fid);
        return e;
    }
    e = p9_post(m, &(struct ninep_msg){ .type = NINEP_TGETATTR, .fid = *fid, .attr.valid = NINEP_GETATTR_BASIC }, attr);
    p9_kick(m);
    if (!e)
        e = p9_finish(attr);
    return p9_finish(&r) ? r.error : e;
}

static void give_up(struct mount *m, uint32_t *fid, struct rpc *r, unsigned *posted)
{
    if (*fid != NINEP_NOFID && !p9_post(m, &(struct ninep_msg){ .type = NINEP_TCLUNK, .fid = *fid }, &r[*posted]))
        ++*posted;
    *fid = NINEP_NOFID;
}

/* As many as there is room for questions at once. False: none. */
static bool fids_give_up(struct mount *m)
{
    struct rpc *r = mem_get(APP_CHANNEL_SLOTS * sizeof *r);
    unsigned room = 0, posted = 0;

    for (unsigned i = 0; i < m->client.ncalls; i++)
        room += !m->client.calls[i].type;
    list_each_safe (l, next, &m->held) {
        struct node *n = container_of(l, struct node, held);
        if (!r || posted + 2 > room)
            break;
        if (n->refs || n->gone || n->moved)
            continue;
        list_remove(&n->held);
        n->away = true;
        give_up(m, &n->open_fid, r, &posted);
        give_up(m, &n->fid, r, &posted);
    }
    if (posted)
        p9_kick(m);
    for (unsigned i = 0; i < posted; i++)
        p9_finish(&r[i]);
    mem_put(r);
    return posted;
}

void node_fid_set(struct node *n, uint32_t fid)
{
    n->fid = fid;
    n->away = false;
    list_push_back(&n->m->held, &n->held);
}

/* The same where all fids may be in use. */
static int held_walk(struct node *from, const char *name, uint32_t *fid, struct rpc *attr)
{
    int e;

    node_get(from); /* so that it is not the one to give up */
    do
        e = fid_walk(from->m, from->fid, name, fid, attr);
    while ((e == -ENFILE || e == -EMFILE) && fids_give_up(from->m));
    node_put(from);
    return e;
}

/* Whether what is there now may go on as that node. A file of a layer may have been replaced behind it. */
static bool is_same(struct node *n, const struct ninep_msg *a)
{
    if (a->qid.path == n->ino)
        return true;
    if (node_direct(n->m) || !node_is(n, S_IFREG) || (a->attr.mode & S_IFMT) != S_IFREG)
        return false;
    attr_take(n, a);
    n->window_len = 0;
    return true;
}

/* A new fid for a node whose directory has one. Meanwhile another thread may have been faster. */
static int fid_again(struct node *n)
{
    struct rpc attr;
    uint32_t fid;
    int e;

    node_get(n);
    e = held_walk(n->parent, n->name, &fid, &attr);
    if (!e && n->away && is_same(n, &attr.a.msg)) {
        node_fid_set(n, fid);
    } else if (!e) {
        fid_clunk(n->m, fid);
        e = n->away ? -ENOENT : 0;
    }
    node_put(n);
    return e;
}

int node_fid(struct node *n)
{
    int e = 0;

    for (unsigned tries = 0; !e && n->away; tries++) {
        struct node *top = n;
        while (top->parent->away)
            top = top->parent;
        e = tries < TRIES ? fid_again(top) : -ENFILE;
    }
    if (!e && !list_empty(&n->held)) {
        list_remove(&n->held);
        list_push_back(&n->m->held, &n->held);
    }
    return e;
}

int node_ask(struct node *from, const char *name, uint32_t *fid, struct rpc *attr)
{
    int e = node_fid(from);

    return e ? e : held_walk(from, name, fid, attr);
}
