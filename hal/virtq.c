/* The split virtqueue of the virtio block driver; see virtq.h. */
#include "hal/virtq.h"

#include "base/str.h"

#define NO_NOTIFY 1u    /* used.flags */
#define CHAIN 16u    /* without indirect descriptors: of the ring, for each slot */

uint32_t virtq_init(struct virtq *q, struct virtq_mem *mem, uint16_t size, bool indirect, bool event_idx)
{
    memset(mem, 0, sizeof *mem);
    q->mem = mem;
    q->size = size < VIRTQ_SIZE ? size : VIRTQ_SIZE;
    q->event_idx = event_idx;
    q->chain = indirect ? 0 : q->size < CHAIN ? q->size : CHAIN;
    q->slots = (uint16_t)min_u64(indirect ? q->size : q->size / q->chain, VIRTQ_SLOTS);
    for (q->nfree = 0; q->nfree < q->slots; q->nfree++)
        q->free[q->nfree] = (uint8_t)(q->slots - 1 - q->nfree);
    list_init(&q->waiting);
    return (indirect ? VIRTQ_TABLE : q->chain) - 2u;
}

static void desc_add(struct virtq_desc *t, unsigned base, unsigned *n, hpa_t pa, uint32_t len, unsigned flags)
{
    t[*n] =
        (struct virtq_desc){ .addr = pa.v, .len = len, .flags = (uint16_t)flags, .next = (uint16_t)(base + *n + 1) };
    ++*n;
}

/* Header, data, status. base: index of t[0] in the table it is part of. Returns the count. */
static unsigned chain_fill(struct virtq_slot *s, const struct blk_req *r, struct virtq_desc *t, unsigned base)
{
    unsigned n = 0, dir = r->op == BLK_READ ? VIRTQ_DESC_WRITE : 0;

    desc_add(t, base, &n, hpa_of(&s->header), sizeof s->header, VIRTQ_DESC_NEXT);
    if (r->op == BLK_DISCARD)
        desc_add(t, base, &n, hpa_of(&s->discard), sizeof s->discard, VIRTQ_DESC_NEXT);
    else if (r->op != BLK_FLUSH)
        for (uint32_t i = 0; i < r->nseg; i++)
            desc_add(t, base, &n, r->seg[i].pa, r->seg[i].len, VIRTQ_DESC_NEXT | dir);
    desc_add(t, base, &n, hpa_of(&s->status), 1, VIRTQ_DESC_WRITE);
    return n;
}

static void slot_fill(const struct virtq *q, struct virtq_slot *s, struct blk_req *r)
{
    static const uint32_t types[] = { [BLK_READ] = VIRTIO_BLK_IN, [BLK_WRITE] = VIRTIO_BLK_OUT, [BLK_FLUSH] = VIRTIO_BLK_FLUSH,
                                      [BLK_DISCARD] = VIRTIO_BLK_DISCARD };

    s->header.type = types[r->op];
    s->header.sector = r->op == BLK_READ || r->op == BLK_WRITE ? r->sector : 0;
    s->status = 0xFF;
    if (r->op == BLK_DISCARD) {
        r->drv[1] = min_u64(r->nsectors - r->drv[0], q->discard_max);
        s->discard = (struct virtio_blk_range){ .sector = r->sector + r->drv[0], .nsectors = (uint32_t)r->drv[1] };
    }
}

static void put(struct virtq *q, struct blk_req *r)
{
    unsigned slot = q->free[--q->nfree], head = q->chain ? slot * q->chain : slot, n;
    struct virtq_slot *s = &q->mem->slot[slot];

    if (q->nfree + 1 == q->slots)
        q->progress = ground_tsc();
    q->req[slot] = r;
    slot_fill(q, s, r);
    if (q->chain) {
        chain_fill(s, r, &q->mem->desc[head], head);
    } else {
        n = chain_fill(s, r, q->mem->table[slot], 0);
        q->mem->desc[head] = (struct virtq_desc){ .addr = hpa_of(q->mem->table[slot]).v,
                                                  .len = n * (uint32_t)sizeof(struct virtq_desc),
                                                  .flags = VIRTQ_DESC_INDIRECT };
    }
    atomic_store_explicit(&q->mem->avail.ring[q->avail_idx % q->size], (uint16_t)head, memory_order_relaxed);
    q->avail_idx++;
    atomic_store_explicit(&q->mem->avail.idx, q->avail_idx, memory_order_release);
}

void virtq_submit(struct virtq *q, struct blk_req *r)
{
    r->drv[0] = 0;
    if (q->nfree && list_empty(&q->waiting))
        put(q, r);
    else
        list_push_back(&q->waiting, &r->link);
}

/* True if event lies in (old, new]: the other side wants to hear that the index passed it. */
static bool event_passed(uint16_t event, uint16_t old, uint16_t new)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

void virtq_kick(struct virtq *q)
{
    uint16_t old = q->kicked_idx;
    _Atomic uint16_t *avail_event = (_Atomic uint16_t *)(void *)&q->mem->used.ring[q->size];
    bool wanted;

    if (old == q->avail_idx)
        return;
    q->kicked_idx = q->avail_idx;
    atomic_thread_fence(memory_order_seq_cst); /* avail.idx is visible before we look whether the device sleeps */
    if (q->event_idx)
        wanted = event_passed(atomic_load_explicit(avail_event, memory_order_relaxed), old, q->avail_idx);
    else
        wanted = !(atomic_load_explicit(&q->mem->used.flags, memory_order_relaxed) & NO_NOTIFY);
    if (wanted)
        *q->doorbell = q->index;
}

static err_t slot_result(const struct virtq_slot *s)
{
    uint8_t status = *(const volatile uint8_t *)&s->status;
    return status == VIRTIO_BLK_OK ? OK : status == VIRTIO_BLK_UNSUPP ? ERR_UNSUPPORTED : ERR_IO;
}

static void take(struct virtq *q, uint32_t id, struct list *done)
{
    uint32_t slot = q->chain ? id / q->chain : id;
    struct blk_req *r = slot < q->slots ? q->req[slot] : NULL;
    err_t e;

    if (!r || (q->chain && id % q->chain)) {
        q->broken = true;
        return;
    }
    e = slot_result(&q->mem->slot[slot]);
    q->req[slot] = NULL;
    q->free[q->nfree++] = (uint8_t)slot;
    if (r->op == BLK_DISCARD && !e) {
        r->drv[0] += r->drv[1];
        if (r->drv[0] < r->nsectors) {
            put(q, r); /* the next part; its slot is free */
            return;
        }
    }
    r->drv[1] = e;
    list_push_back(done, &r->link);
}

/* How many completions the device has told of that were not taken yet. */
static uint16_t used_news(const struct virtq *q)
{
    return (uint16_t)(atomic_load_explicit(&q->mem->used.idx, memory_order_acquire) - q->used_idx);
}

bool virtq_ask(struct virtq *q)
{
    uint16_t inflight = (uint16_t)(q->slots - q->nfree);
    uint16_t wait = q->pace == BLK_HALF && inflight > 3 ? inflight / 2 : 1;
    uint16_t event = (uint16_t)(q->used_idx + (q->pace == BLK_NONE ? 0 : wait) - 1);

    if (q->event_idx)
        atomic_store_explicit(&q->mem->avail.ring[q->size], event, memory_order_relaxed);
    else
        atomic_store_explicit(&q->mem->avail.flags, q->pace == BLK_NONE ? VIRTQ_AVAIL_NO_INTERRUPT : 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* the device sees it, or we see what it completed before */
    return q->pace != BLK_NONE && !q->broken && used_news(q) >= (q->event_idx ? wait : 1);
}

void virtq_reap(struct virtq *q, struct list *done)
{
    for (; used_news(q) && !q->broken; q->used_idx++) {
        take(q, *(volatile uint32_t *)&q->mem->used.ring[q->used_idx % q->size].id, done);
        q->progress = ground_tsc();
    }
    while (q->nfree && !list_empty(&q->waiting))
        put(q, container_of(list_pop_front(&q->waiting), struct blk_req, link));
    virtq_kick(q);
}

void virtq_abort(struct virtq *q, struct list *done)
{
    struct list *n;

    for (unsigned i = 0; i < q->slots; i++)
        if (q->req[i]) {
            list_push_back(&q->waiting, &q->req[i]->link);
            q->req[i] = NULL;
        }
    while ((n = list_pop_front(&q->waiting))) {
        container_of(n, struct blk_req, link)->drv[1] = ERR_IO;
        list_push_back(done, n);
    }
}

uint64_t virtq_idle_ns(const struct virtq *q)
{
    return q->nfree == q->slots ? 0 : ground_tsc_to_ns(ground_tsc() - q->progress);
}
