/* What all sockets have in common: their life, the queue of what was received, and local connections, which put into each other's queues. */
#include "libos/sock.h"

#define QUEUE_BYTES 212992u /* as Linux' default of the receive buffer */
#define PACKET_ROOM 464u    /* at least; packet and head fill a block of 512 */
#define COPY KIB(64)

/* --- life ------------------------------------------------------------------------------------------------------------------- */
struct sock *sock_new(const struct sock_ops *ops, uint32_t family, uint32_t type, uint32_t protocol)
{
    struct sock *s = mem_get(sizeof *s);

    if (!s)
        return NULL;
    *s = (struct sock){ .ops = ops, .family = (uint16_t)family, .type = (uint16_t)type, .protocol = (uint16_t)protocol, .refs = 1,
                        .rx_limit = QUEUE_BYTES, .send_size = QUEUE_BYTES };
    waitq_init(&s->wait);
    list_init(&s->rx);
    list_init(&s->accept);
    list_init(&s->link);
    list_init(&s->named);
    return s;
}

void rights_put(struct rights *r)
{
    for (uint32_t i = 0; r && i < r->n; i++)
        file_put(r->file[i]);
    mem_put(r);
}

void packet_free(struct sock *s, struct packet *p)
{
    list_remove(&p->link);
    s->rx_bytes -= p->len - p->at;
    s->rx_count--;
    rights_put(p->rights);
    mem_put(p->from);
    mem_put(p);
}

static void sock_queue_drop(struct sock *s)
{
    while (!list_empty(&s->rx))
        packet_free(s, packet_first(s));
}

void sock_put(struct sock *s)
{
    if (--s->refs)
        return;
    while (!list_empty(&s->accept)) { /* nobody will accept them any more */
        struct sock *c = container_of(list_pop_front(&s->accept), struct sock, link);
        c->ops->close(c);
        sock_put(c);
    }
    sock_queue_drop(s);
    mem_put(s);
}

/* --- messages ----------------------------------------------------------------------------------------------------------------- */
int message_move(const struct message *m, uint64_t at, uint8_t *bytes, uint64_t n, bool to_user)
{
    for (uint32_t i = 0; i < m->niov && n; i++) {
        uint64_t part;
        if (at >= m->iov[i].len) {
            at -= m->iov[i].len;
            continue;
        }
        part = min_u64(n, m->iov[i].len - at);
        if (to_user ? user_write(m->iov[i].base + at, bytes, part) : user_read(bytes, m->iov[i].base + at, part))
            return -EFAULT;
        bytes += part;
        n -= part;
        at = 0;
    }
    return 0;
}

/* --- putting things into a queue ------------------------------------------------------------------------------------------------ */
/* AF_UNIX: what is on its way counts for the sender. */
uint32_t sock_limit(const struct sock *s)
{
    if (!s->peer || (s->family != AF_UNIX && s->type != SOCK_STREAM))
        return s->rx_limit;
    return s->family == AF_UNIX ? s->peer->send_size : (uint32_t)max_u64(s->rx_limit, s->peer->send_size);
}

uint32_t sock_room(const struct sock *s) { return s->rx_bytes < sock_limit(s) ? sock_limit(s) - s->rx_bytes : 0; }

/* A short packet takes room, too. */
bool sock_crowded(const struct sock *s) { return s->rx_count && s->rx_bytes + 64 * s->rx_count > sock_limit(s); }

static void told(struct sock *s) { waitq_tell(&s->wait, POLLIN | POLLRDNORM); }

/* The last packet of a stream takes more while it has room. */
static struct packet *packet_for(struct sock *to, const struct sockname *from, uint32_t n, bool own)
{
    struct packet *p = list_empty(&to->rx) ? NULL : container_of(to->rx.prev, struct packet, link);
    uint32_t room = (uint32_t)max_u64(n, PACKET_ROOM);

    if (p && to->type == SOCK_STREAM && !own && !p->rights && p->room - p->len >= n)
        return p;
    p = mem_get(sizeof *p + room);
    if (!p)
        return NULL;
    p->room = room;
    if (from && from->len) {
        p->from = mem_get(sizeof *from);
        if (!p->from) {
            mem_put(p);
            return NULL;
        }
        *p->from = *from;
    }
    list_push_back(&to->rx, &p->link);
    to->rx_count++;
    return p;
}

static void packet_grow(struct sock *to, struct packet *p, uint32_t n)
{
    p->len += n;
    to->rx_bytes += n;
    told(to);
}

int sock_give_bytes(struct sock *to, const struct sockname *from, const void *bytes, uint32_t n)
{
    struct packet *p = packet_for(to, from, n, false);

    if (!p)
        return -ENOMEM;
    memcpy(p->bytes + p->len, bytes, n);
    packet_grow(to, p, n);
    return 0;
}

int sock_give(struct sock *to, const struct sockname *from, struct message *m, uint64_t n)
{
    const struct ucred cred = m->has_cred || to->options & OPT_PASSCRED ? m->cred : (struct ucred){ 0, 65534, 65534 };
    const struct packet *last = list_empty(&to->rx) ? NULL : container_of(to->rx.prev, struct packet, link);
    struct packet *p = packet_for(to, from, (uint32_t)n, m->rights || (last && memcmp(&last->cred, &cred, sizeof cred)));

    if (!p)
        return -ENOMEM;
    if (message_copy(m, m->done, p->bytes + p->len, n)) {
        if (!p->len)
            packet_free(to, p);
        return -EFAULT;
    }
    p->cred = cred;
    p->rights = m->rights ? m->rights : p->rights;
    m->rights = NULL;
    m->done += n;
    packet_grow(to, p, (uint32_t)n);
    return 0;
}

void sock_give_end(struct sock *s)
{
    s->rx_end = true;
    waitq_wake(&s->wait);
}

void sock_fail(struct sock *s, int error)
{
    s->error = error;
    waitq_wake(&s->wait);
}

void sock_refuse(struct sock *s, int error)
{
    s->state = SOCKET_NEW;
    s->rx_end = s->tx_end = true;
    sock_fail(s, error);
}

void sock_queue(struct sock *listener, struct sock *c)
{
    list_push_back(&listener->accept, &c->link);
    listener->waiting++;
    told(listener);
}

/* --- local connections ---------------------------------------------------------------------------------------------------------- */
void sock_pair(struct sock *a, struct sock *b)
{
    a->peer = b;
    b->peer = a;
    a->state = b->state = SOCKET_CONNECTED;
    a->was_connected = b->was_connected = true;
    waitq_wake(&a->wait);
}

bool sock_peer_writable(struct sock *s) { return s->tx_end || !s->peer || sock_room(s->peer) >= sock_limit(s->peer) / 3; }

int sock_peer_send(struct sock *s, struct message *m)
{
    struct sock *to = s->peer;
    const struct sockname *from = s->family == AF_UNIX && s->local.len > sizeof s->local.family ? &s->local : NULL;
    uint64_t left = m->len - m->done, n = left;

    if (!to && s->family != AF_UNIX && s->state == SOCKET_CONNECTED && !s->tx_end) {
        m->done += min_u64(left, s->send_size); /* over a wire, the first write would only find out that nobody is there */
        s->tx_end = true;
        return 0;
    }
    if (!to || to->rx_end || s->tx_end)
        return s->state == SOCKET_CONNECTED || s->state == SOCKET_DOWN ? -EPIPE : -ENOTCONN;
    if (s->type == SOCK_STREAM) {
        n = min_u64(min_u64(left, sock_room(to)), COPY);
        if (left && (!n || (n < left && n < 4096)))
            return -EAGAIN;
        return left ? sock_give(to, from, m, n) : 0;
    }
    if (n > s->send_size)
        return -EMSGSIZE;
    if (sock_room(to) < n || sock_crowded(to))
        return -EAGAIN;
    return sock_give(to, from, m, n);
}

void sock_peer_shut(struct sock *s, bool read, bool write)
{
    if (write && s->peer && s->type != SOCK_DGRAM)
        sock_give_end(s->peer);
    if (read && s->peer) { /* it cannot write any more */
        s->peer->tx_end = s->peer->tx_end || (s->family == AF_UNIX && s->type != SOCK_DGRAM);
        waitq_wake(&s->peer->wait);
    }
}

void sock_peer_close(struct sock *s)
{
    struct sock *p = s->peer;

    s->peer = NULL;
    s->state = SOCKET_DOWN;
    if (!p)
        return;
    if (p->peer == s)
        p->peer = NULL;
    if (s->type == SOCK_DGRAM) {
        waitq_wake(&p->wait);
        return;
    }
    if (!list_empty(&s->rx) || (s->family != AF_UNIX && s->linger_on && !s->linger)) { /* what it has sent was never read; or a reset is asked for */
        p->error = p->rx_end && s->family != AF_UNIX ? EPIPE : ECONNRESET;
        p->state = s->family == AF_UNIX ? p->state : SOCKET_DOWN;
    }
    p->tx_end = s->family == AF_UNIX || p->error;
    sock_give_end(p);
}
