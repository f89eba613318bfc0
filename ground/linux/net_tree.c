/* The files of /net, after Plan 9's: a conversation is a numbered directory that lives while one of its files is open. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include "base/fmt.h"
#include "base/str.h"
#include "ground/linux/net.h"

enum { ROOT, RULES, MUX, PROTOCOL, CLONE, CONV, CTL, DATA, LISTEN, LOCAL, REMOTE, STATUS, ROWS };
enum { TCP = 1, UDP }; /* keys of protocols */
enum { WAIT_COMMAND, WAIT_READ, WAIT_WRITE, WAIT_CALL };

static struct net *net_of(struct tree *t)
{
    return container_of(t, struct net, tree);
}

struct net *net_of_req(const struct ninep_req *r)
{
    return net_of(container_of(r->server->fs, struct tree, fs));
}

static struct conv *conv_of(struct ninep_req *r)
{
    return conv_find(net_of_req(r), r->fid->key);
}

int net_errno(struct ninep_req *r, int e)
{
    return (int)ninep_fail(r, (uint32_t)-e);
}

/* --- waiting -------------------------------------------------------------------------------------------------------------- */
static void wait_cancel(struct ninep_req *r)
{
    struct conv *c = r->owner;

    for (size_t i = 0; c && i < ARRAY_LEN(c->waiting); i++)
        if (c->waiting[i] == r)
            c->waiting[i] = NULL;
    if (c && c->connecting == r)
        c->connecting = NULL;
}

static err_t wait_for(struct ninep_req *r, struct conv *c, unsigned what)
{
    if (c->waiting[what] && c->waiting[what] != r)
        return ERR_BUSY;
    c->waiting[what] = r;
    r->owner = c;
    r->cancel = wait_cancel;
    return ERR_AGAIN;
}

static void tree_ready(struct conv *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->waiting); i++) {
        struct ninep_req *r = c->waiting[i];
        c->waiting[i] = NULL;
        if (r)
            ninep_req_ready(r);
    }
}

/* --- opening and closing ---------------------------------------------------------------------------------------------------- */
/* The opened file becomes the control file of this conversation. */
static void become_ctl(struct ninep_req *r, struct conv *c)
{
    struct net *n = c->net;

    c->ready = tree_ready;
    c->opens++;
    r->fid->node = (void *)(uintptr_t)&n->tree.rows[CTL];
    r->fid->key = c->key;
    r->fid->qid.path = c->key * ROWS + CTL;
    r->out->qid = r->fid->qid;
}

static err_t clone_open(struct ninep_req *r)
{
    struct conv *c = conv_new(net_of_req(r), r->fid->key == UDP);

    if (!c)
        return net_errno(r, -ENFILE);
    become_ctl(r, c);
    return OK;
}

static err_t conv_open(struct ninep_req *r)
{
    struct conv *c = conv_of(r);

    if (!c || c->ready != tree_ready) /* the mux' are its own */
        return c ? net_errno(r, -EACCES) : ERR_NOTFOUND;
    c->opens++;
    return OK;
}

static void conv_close(struct tree *t, struct ninep_fid *f)
{
    struct conv *c = conv_find(net_of(t), f->key);

    if (!c || c->ready != tree_ready || --c->opens)
        return;
    for (size_t i = 0; i < ARRAY_LEN(c->waiting); i++)
        if (c->waiting[i]) /* whoever waits for a call finds nothing */
            c->waiting[i]->owner = NULL;
    tree_ready(c);
    conv_free(c);
}

/* Opening `listen` waits for a call and gives its control file. */
static err_t listen_open(struct ninep_req *r)
{
    struct conv *c = conv_of(r), *call;
    int e;

    if (!c || c->ready != tree_ready)
        return ERR_NOTFOUND;
    do
        e = conv_accept(c, &call);
    while (e == -EINTR);
    if (e == -EAGAIN)
        return wait_for(r, c, WAIT_CALL);
    if (e)
        return net_errno(r, e);
    become_ctl(r, call);
    return OK;
}

/* --- files --------------------------------------------------------------------------------------------------------------------- */
static err_t ctl_read(struct ninep_req *r)
{
    char text[16];
    size_t n = fmt_text(text, sizeof text, "%u\n", (unsigned)(r->fid->key % APP_NET_CONVS)), at = min_u64(r->in.offset, n);

    r->out->count = (uint32_t)min_u64(n - at, r->room);
    memcpy(r->data, text + at, r->out->count);
    return OK;
}

static err_t ctl_write(struct ninep_req *r)
{
    struct conv *c = conv_of(r);
    char line[TREE_COMMAND_MAX + 1];
    int e;

    if (!c)
        return ERR_NOTFOUND;
    r->out->count = r->in.count;
    if (c->connecting == r) {
        if (c->state == CONV_CONNECTING)
            return wait_for(r, c, WAIT_COMMAND);
        c->connecting = NULL;
        e = conv_error(c);
        return e ? net_errno(r, e) : OK;
    }
    if (tree_line(r, line))
        return ERR_INVAL;
    e = conv_command(c, line);
    if (e == -EINPROGRESS) {
        c->connecting = r;
        return wait_for(r, c, WAIT_COMMAND);
    }
    return e ? net_errno(r, e) : OK;
}

static err_t data_read(struct ninep_req *r)
{
    struct conv *c = conv_of(r);
    ssize_t n = c ? conv_read(c, r->data, r->room) : -ENOENT;

    if (n == -EAGAIN)
        return wait_for(r, c, WAIT_READ);
    if (n < 0)
        return net_errno(r, (int)n);
    r->out->count = (uint32_t)n;
    return OK;
}

/* As much as the host takes: the answer's count says how much that was. */
static err_t data_write(struct ninep_req *r)
{
    struct conv *c = conv_of(r);
    ssize_t n = c ? conv_write(c, r->in.data, r->in.count) : -ENOENT;

    if (n == -EAGAIN && !c->udp)
        return wait_for(r, c, WAIT_WRITE);
    if (n < 0 && n != -EAGAIN) /* a datagram for which there is no room is lost */
        return net_errno(r, (int)n);
    r->out->count = n < 0 ? r->in.count : (uint32_t)n;
    return OK;
}

static err_t name_print(struct tree *t, uint64_t key, struct tree_text *x, bool remote)
{
    struct conv *c = conv_find(net_of(t), key);
    struct app_net_pair p;
    char text[NET_ADDR_TEXT];

    if (!c)
        return ERR_NOTFOUND;
    conv_names(c, &p);
    net_addr_print(remote ? &p.remote : &p.local, text, sizeof text);
    tree_print(x, "%s\n", text);
    return OK;
}

static err_t local_print(struct tree *t, uint64_t key, struct tree_text *x) { return name_print(t, key, x, false); }
static err_t remote_print(struct tree *t, uint64_t key, struct tree_text *x) { return name_print(t, key, x, true); }

static err_t status_print(struct tree *t, uint64_t key, struct tree_text *x)
{
    static const char *const names[] = { [CONV_FRESH] = "fresh", [CONV_CONNECTING] = "connecting", [CONV_CONNECTED] = "connected",
                                         [CONV_ANNOUNCED] = "announced", [CONV_CLOSED] = "closed" };
    struct conv *c = conv_find(net_of(t), key);

    if (!c)
        return ERR_NOTFOUND;
    tree_print(x, "%s\n", names[c->state]);
    return OK;
}

static err_t rules_print(struct tree *t, uint64_t, struct tree_text *x)
{
    static const char *const modes[] = { [GUEST_NET_NONE] = "none", [GUEST_NET_OUT] = "out", [GUEST_NET_HOST] = "host" };
    struct net *n = net_of(t);

    tree_print(x, "%s\n", modes[n->mode]);
    for (unsigned i = 0; i < n->nports; i++)
        tree_print(x, "%s %u\n", n->ports[i].port->udp ? "udp" : "tcp", n->ports[i].port->guest);
    return OK;
}

/* --- directories ----------------------------------------------------------------------------------------------------------------- */
static const char *const protocols[] = { [TCP] = "tcp", [UDP] = "udp" };

static err_t protocol_next(struct tree *, uint64_t, uint64_t after, uint64_t *key, char name[NINEP_NAME_MAX + 1])
{
    if (after >= UDP)
        return ERR_NOTFOUND;
    *key = after + 1;
    str_copy(name, NINEP_NAME_MAX + 1, protocols[*key]);
    return OK;
}

static err_t conv_next(struct tree *t, uint64_t parent, uint64_t after, uint64_t *key, char name[NINEP_NAME_MAX + 1])
{
    struct net *n = net_of(t);

    for (unsigned i = after ? (unsigned)(after % APP_NET_CONVS) + 1 : 0; i < APP_NET_CONVS; i++)
        if (n->convs[i] && n->convs[i]->udp == (parent == UDP)) {
            *key = n->convs[i]->key;
            fmt_text(name, NINEP_NAME_MAX + 1, "%u", i);
            return OK;
        }
    return ERR_NOTFOUND;
}

static uint64_t conv_up(struct tree *t, uint64_t key)
{
    struct conv *c = conv_find(net_of(t), key);

    return c && c->udp ? UDP : TCP;
}

static const struct tree_row rows[ROWS] = {
    [ROOT] = { .name = "", .parent = ROOT, .mode = TREE_DIR | 0555 },
    [RULES] = { .name = "rules", .parent = ROOT, .mode = 0444, .print = rules_print },
    [MUX] = { .name = "mux", .parent = ROOT, .mode = 0666, .open = mux_open, .read = mux_read, .write = mux_write, .close = mux_close },
    [PROTOCOL] = { .parent = ROOT, .mode = TREE_DIR | 0555, .next = protocol_next },
    [CLONE] = { .name = "clone", .parent = PROTOCOL, .mode = 0666, .open = clone_open },
    [CONV] = { .parent = PROTOCOL, .mode = TREE_DIR | 0555, .next = conv_next, .up = conv_up },
    [CTL] = { .name = "ctl", .parent = CONV, .mode = 0666, .open = conv_open, .close = conv_close, .read = ctl_read, .write = ctl_write },
    [DATA] = { .name = "data", .parent = CONV, .mode = 0666, .open = conv_open, .close = conv_close, .read = data_read, .write = data_write },
    [LISTEN] = { .name = "listen", .parent = CONV, .mode = 0666, .open = listen_open },
    [LOCAL] = { .name = "local", .parent = CONV, .mode = 0444, .print = local_print },
    [REMOTE] = { .name = "remote", .parent = CONV, .mode = 0444, .print = remote_print },
    [STATUS] = { .name = "status", .parent = CONV, .mode = 0444, .print = status_print },
};

void net_tree_init(struct net *n)
{
    n->tree = (struct tree){ .rows = rows, .nrows = ROWS };
    tree_init(&n->tree);
}
