/* virtio-9p. A kick only asks for work on CPU 0's loop (serve), where every tree's operations run with no lock held: so a
 * guest may start and stop others, and itself, from any CPU. Each question is copied out of the guest once, into the slot
 * it keeps until it is answered; the lock is held for the ring alone. A reset by the driver makes a new generation: what
 * was asked before it is never answered. */
#include "dev/virtio/9p.h"

#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"
#include "ground/ground.h"

enum { QUEUE_SIZE = 128 };
#define ANSWER_BYTES (VIRTIO_9P_MSIZE + NINEP_MSIZE_MIN) /* with the end of what a Tflush has cancelled */

struct virtio_9p_mem {
    struct virtio_9p_slot slot[VIRTIO_9P_SLOTS];
    struct ninep_fid fids[VIRTIO_9P_FIDS];
    struct ninep_req reqs[VIRTIO_9P_SLOTS];
    uint8_t ask[VIRTIO_9P_SLOTS][VIRTIO_9P_MSIZE];
    uint8_t answer[ANSWER_BYTES];
};

static struct virtq *ring(struct virtio_9p *p) { return &p->dev.queue[0]; }

static struct virtio_9p_slot *slot_free(struct virtio_9p *p)
{
    for (unsigned i = 0; i < VIRTIO_9P_SLOTS; i++)
        if (!p->mem->slot[i].busy)
            return &p->mem->slot[i];
    return NULL;
}

static struct virtio_9p_slot *slot_of_tag(struct virtio_9p *p, uint16_t tag, const struct virtio_9p_slot *but)
{
    for (unsigned i = 0; i < VIRTIO_9P_SLOTS; i++) {
        struct virtio_9p_slot *s = &p->mem->slot[i];
        if (s->busy && s != but && s->tag == tag)
            return s;
    }
    return NULL;
}

static uint8_t *ask_of(struct virtio_9p *p, const struct virtio_9p_slot *s) { return p->mem->ask[s - p->mem->slot]; }

/* --- answers --- */

/* Gives a slot's chain back with the answer in it. One that does not fit becomes an error; so do not believe the guest's
 * word for how much room there is. */
static void answer_put(struct virtio_9p *p, struct virtio_9p_slot *s, const uint8_t *answer, uint32_t len)
{
    const struct ninep_msg full = { .type = NINEP_RLERROR, .tag = s->tag, .ecode = NINEP_ENOBUFS };
    uint8_t small[NINEP_IO_HEADER];

    s->busy = false;
    if (len > s->chain.write_len && !ninep_encode(&full, small, sizeof small, &len))
        answer = small;
    lock_take(&p->dev.lock);
    if (p->dev.generation == p->generation) {
        if (len > s->chain.write_len || (len && virtq_write(ring(p), &s->chain, 0, answer, len)))
            len = 0;
        virtq_push(ring(p), s->chain.head, len);
    }
    lock_drop(&p->dev.lock);
}

/* Sorts the messages in the answer buffer to their slots. The last one belongs to the question just taken, if any. */
static void answers_put(struct virtio_9p *p, struct virtio_9p_slot *now, uint32_t len)
{
    const uint8_t *m = p->mem->answer;

    for (uint32_t n; len; m += n, len -= n) {
        struct virtio_9p_slot *s;
        n = get_le32(m);
        s = now && n == len ? now : slot_of_tag(p, get_le16(m + 5), now);
        if (s)
            answer_put(p, s, m, n);
    }
}

/* --- questions --- */

/* Takes the next question off the ring into a slot. ERR_AGAIN: there is none, or no slot is free. */
static err_t slot_take(struct virtio_9p *p, struct virtio_9p_slot **out)
{
    struct virtio_9p_slot *s = slot_free(p);
    err_t e;

    if (!s)
        return ERR_AGAIN;
    s->chain = (struct virtq_chain){ .buf = s->buf, .max = VIRTIO_9P_BUFS };
    lock_take(&p->dev.lock);
    e = virtq_arm(ring(p));
    if (!e)
        e = virtq_pop(ring(p), &s->chain);
    if (!e && s->chain.read_len > VIRTIO_9P_MSIZE)
        e = virtq_fault(ring(p), "9P message is too long");
    if (!e && s->chain.read_len < NINEP_HEADER)
        e = virtq_fault(ring(p), "9P message without a whole header");
    if (!e)
        e = virtq_read(ring(p), &s->chain, 0, ask_of(p, s), (size_t)s->chain.read_len);
    lock_drop(&p->dev.lock);
    *out = s;
    return e;
}

/* The chain may be longer than the message in it says; never shorter. */
static void slot_serve(struct virtio_9p *p, struct virtio_9p_slot *s)
{
    uint8_t *ask = ask_of(p, s);
    uint32_t len = (uint32_t)min_u64(get_le32(ask), s->chain.read_len), answered = 0;
    bool version = ask[4] == NINEP_TVERSION;

    s->busy = true;
    s->tag = get_le16(ask + 5);
    if (ninep_server_take(&p->server, ask, len, p->mem->answer, &answered)) {
        const struct ninep_msg bad = { .type = NINEP_RLERROR, .tag = s->tag, .ecode = NINEP_EPROTO };
        if (ninep_encode(&bad, p->mem->answer, ANSWER_BYTES, &answered))
            answered = 0;
    }
    for (unsigned i = 0; version && i < VIRTIO_9P_SLOTS; i++) /* a new session forgets what waits */
        if (p->mem->slot[i].busy && &p->mem->slot[i] != s && !ninep_server_waits(&p->server))
            answer_put(p, &p->mem->slot[i], NULL, 0);
    answers_put(p, s, answered);
}

/* The driver has reset the device since: the session is over, and the chains are its own again. */
static void session_check(struct virtio_9p *p)
{
    lock_take(&p->dev.lock);
    uint32_t generation = p->dev.generation;
    lock_drop(&p->dev.lock);
    if (generation == p->generation)
        return;
    p->generation = generation;
    ninep_server_fini(&p->server);
    for (unsigned i = 0; i < VIRTIO_9P_SLOTS; i++)
        p->mem->slot[i].busy = false;
}

/* For CPU 0's loop: tries what waits anew, then takes what is in the ring, so much at a time. */
static bool serve(struct work *w)
{
    struct virtio_9p *p = container_of(w, struct virtio_9p, work);
    struct virtio_9p_slot *s;
    uint32_t len;

    session_check(p);
    ninep_server_retry(&p->server);
    while ((len = ninep_server_poll(&p->server, p->mem->answer)))
        answers_put(p, NULL, len);
    for (unsigned i = 0; i < VIRTIO_9P_SLOTS && slot_take(p, &s) == OK; i++)
        slot_serve(p, s);
    lock_take(&p->dev.lock);
    virtq_flush(ring(p));
    bool more = virtq_left(ring(p)) && slot_free(p);
    lock_drop(&p->dev.lock);
    if (more)
        work_ask(w);
    return ninep_server_waits(&p->server);
}

static err_t notify(struct virtio_dev *d, unsigned)
{
    work_ask(&container_of(d, struct virtio_9p, dev)->work);
    return OK;
}

static const struct virtio_ops ops = {
    .type = VIRTIO_TYPE_9P,
    .class_code = 0x018000, /* mass storage, other */
    .queue_size = QUEUE_SIZE,
    .config_bytes = sizeof(struct virtio_9p_config),
    .notify = notify,
};

/* --- life --- */

err_t virtio_9p_init(struct virtio_9p *p, struct vm *vm, struct pci_host *host, unsigned slot, const struct vm_share *share)
{
    err_t e;

    *p = (struct virtio_9p){ .dev = { .ops = &ops, .nqueues = 1, .offered = VIRTIO_9P_F_MOUNT_TAG }, .work.run = serve };
    fmt_text(p->dev.name, sizeof p->dev.name, "virtio-9p %s", share->name);
    p->config.tag_len = (uint16_t)strlen(share->name);
    memcpy(p->config.tag, share->name, p->config.tag_len);
    p->dev.config = &p->config;
    p->mem = ground_alloc(sizeof *p->mem);
    if (!p->mem)
        return ERR_NOMEM;
    p->server = (struct ninep_server){ .fs = share->fs, .fids = p->mem->fids, .nfids = VIRTIO_9P_FIDS, .reqs = p->mem->reqs,
                                       .nreqs = VIRTIO_9P_SLOTS, .msize_max = VIRTIO_9P_MSIZE, .read_only = share->read_only, .refills = true };
    ninep_server_init(&p->server);
    e = virtio_init(&p->dev, vm, host, slot);
    if (e) {
        ground_free(p->mem, sizeof *p->mem);
        return e;
    }
    p->generation = p->dev.generation;
    work_add(&p->work);
    return OK;
}

void virtio_9p_fini(struct virtio_9p *p)
{
    work_remove(&p->work);
    ninep_server_fini(&p->server);
    ground_free(p->mem, sizeof *p->mem);
}
