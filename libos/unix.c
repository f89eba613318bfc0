/* AF_UNIX: entirely within the guest. Names are nodes of the file tree, or, abstract ones, bytes that live as long as their socket. */
#include "base/fmt.h"
#include "libos/sock.h"
#include "libos/user.h"

#define PATH_ROOM 108u
#define HEAD 2u /* of struct sockaddr_un: the family */

static struct list all = LIST_INIT(all); /* by sock->named */

static bool is_abstract(const struct sockname *n) { return n->len > HEAD && !n->bytes[HEAD]; }

static bool name_check(const struct sockname *n)
{
    return n->len >= HEAD && n->family == AF_UNIX && n->len <= HEAD + PATH_ROOM;
}

static void path_of(const struct sockname *n, char path[PATH_ROOM + 1])
{
    memcpy(path, n->bytes + HEAD, n->len - HEAD);
    path[n->len - HEAD] = 0;
}

/* Whose name that is, or -errno. */
static int find(const struct sockname *n, uint16_t type, struct sock **out)
{
    char path[PATH_ROOM + 1];
    struct node *node = NULL;
    bool wrong = false;
    int e;

    if (!name_check(n) || n->len == HEAD)
        return -EINVAL;
    if (!is_abstract(n)) {
        path_of(n, path);
        e = node_walk(cwd, path, 0, &node, NULL, NULL);
        if (e)
            return e;
    }
    list_each (l, &all) {
        struct sock *s = container_of(l, struct sock, named);
        if (node ? s->node != node : s->node || s->local.len != n->len || memcmp(s->local.bytes, n->bytes, n->len))
            continue;
        *out = s;
        if (s->type == type)
            return 0;
        wrong = node != NULL; /* abstract names are each type's own */
    }
    return wrong ? -EPROTOTYPE : -ECONNREFUSED;
}

static void autobind(struct sock *s)
{
    static uint32_t next;
    char digits[6];

    fmt_text(digits, sizeof digits, "%05x", ++next & 0xFFFFF);
    s->local = (struct sockname){ .len = HEAD + 6, .family = AF_UNIX };
    memcpy(s->local.bytes + HEAD + 1, digits, 5);
}

static int unix_bind(struct sock *s, const struct sockname *n)
{
    char path[PATH_ROOM + 1], last[NAME_MAX + 1];
    struct node *dir, *child;
    struct sock *other;
    int e;

    if (!name_check(n) || (s->local.len > HEAD && (n->len == HEAD || is_abstract(n))))
        return -EINVAL;
    if (n->len == HEAD) {
        autobind(s);
        return 0;
    }
    if (is_abstract(n)) {
        if (find(n, s->type, &other) == 0)
            return -EADDRINUSE;
    } else {
        path_of(n, path);
        e = node_walk(cwd, path, WALK_PARENT | WALK_NOFOLLOW, &dir, &child, last);
        if (!e && child)
            e = -EADDRINUSE;
        if (!e && s->local.len > HEAD)
            e = -EINVAL;
        if (!e)
            e = node_make(dir, last, S_IFSOCK | (0777 & ~umask_bits), &child);
        if (e)
            return e == -EEXIST ? -EADDRINUSE : e;
        s->node = child;
        node_get(child);
    }
    s->local = *n;
    if (s->node)
        s->local.len = HEAD + (uint32_t)strlen(path) + 1;
    return 0;
}

static int unix_listen(struct sock *s) { return s->local.len > HEAD ? 0 : -EINVAL; }

static int stream_connect(struct sock *s, const struct sockname *n)
{
    struct sock *to = NULL, *c;
    int e = find(n, s->type, &to);

    if (e)
        return e;
    if (to->state != SOCKET_LISTENING)
        return -ECONNREFUSED;
    if (to->waiting > to->backlog) {
        s->blocked_on = to;
        return -EAGAIN;
    }
    e = unix_make(s->type, 0, &c);
    if (e)
        return e;
    c->local = to->local;
    c->remote = s->local;
    s->remote = to->local;
    c->options |= to->options & OPT_PASSCRED;
    sock_pair(s, c);
    sock_queue(to, c);
    return 0;
}

static int dgram_connect(struct sock *s, const struct sockname *n)
{
    struct sock *to = NULL;
    int e = n->family == AF_UNSPEC ? 0 : find(n, s->type, &to);

    if (e)
        return e;
    if (to && to->peer && to->peer != s)
        return -EPERM;
    s->peer = to;
    s->state = to ? SOCKET_CONNECTED : SOCKET_NEW;
    s->remote = to ? to->local : (struct sockname){ 0 };
    return 0;
}

static int unix_connect(struct sock *s, const struct sockname *n)
{
    return s->type == SOCK_DGRAM ? dgram_connect(s, n) : stream_connect(s, n);
}

/* A reader that does not answer gets as many as Linux queues. */
static bool dgram_full(const struct sock *s, const struct sock *to) { return to->peer == s ? sock_crowded(to) : to->rx_count > 10; }

static int dgram_send(struct sock *s, struct message *m)
{
    struct sock *to = s->peer;
    int e = 0;

    if (m->name.len)
        e = find(&m->name, s->type, &to);
    else if (!to)
        e = s->state == SOCKET_CONNECTED ? -ECONNREFUSED : -ENOTCONN;
    if (e)
        return e;
    if (to->peer && to->peer != s)
        return -EPERM;
    if (to->rx_end)
        return -EPIPE;
    if (m->len > s->send_size)
        return -EMSGSIZE;
    if (sock_room(to) < m->len || dgram_full(s, to)) {
        s->blocked_on = to;
        return -EAGAIN;
    }
    return sock_give(to, s->local.len > HEAD ? &s->local : NULL, m, m->len);
}

static int unix_send(struct sock *s, struct message *m)
{
    if (s->type == SOCK_DGRAM)
        return dgram_send(s, m);
    if (m->name.len && s->type == SOCK_STREAM)
        return s->state == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
    return sock_peer_send(s, m);
}

static bool unix_writable(struct sock *s)
{
    if (s->type == SOCK_DGRAM)
        return !s->peer || (sock_room(s->peer) && !dgram_full(s, s->peer));
    return sock_peer_writable(s);
}

static void unix_close(struct sock *s)
{
    struct sock *p = s->peer;

    if (s->node)
        node_put(s->node);
    s->node = NULL;
    if (s->state == SOCKET_LISTENING) {
        s->state = SOCKET_DOWN;
        waitq_wake(&s->wait);
    }
    sock_peer_close(s);
    list_remove(&s->named);
    if (s->type != SOCK_DGRAM)
        return;
    list_each (l, &all) { /* those that send here without being sent to */
        struct sock *o = container_of(l, struct sock, named);
        if (o->peer == s || o == p) {
            o->peer = o->peer == s ? NULL : o->peer;
            waitq_wake(&o->wait);
        }
    }
}

static const struct sock_ops unix_ops = { .bind = unix_bind, .listen = unix_listen, .connect = unix_connect, .send = unix_send,
                                          .writable = unix_writable, .shut = sock_peer_shut, .close = unix_close };

int unix_make(uint32_t type, uint32_t protocol, struct sock **out)
{
    struct sock *s;

    type = type == SOCK_RAW ? SOCK_DGRAM : type; /* as on Linux */
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    if (protocol && protocol != AF_UNIX)
        return -EPROTONOSUPPORT;
    s = sock_new(&unix_ops, AF_UNIX, type, 0);
    if (!s)
        return -ENOMEM;
    s->cred = (struct ucred){ boot->pid, user_id.effective, group_id.effective };
    s->local = (struct sockname){ .len = HEAD, .family = AF_UNIX };
    list_push_back(&all, &s->named);
    *out = s;
    return 0;
}
