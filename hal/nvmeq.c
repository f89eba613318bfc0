/* NVMe I/O queue pair; see nvmeq.h. */
#include "hal/nvmeq.h"

#include "base/str.h"

enum { OP_FLUSH = 0, OP_WRITE = 1, OP_READ = 2, OP_DATASET = 9 };
#define DATASET_DEALLOCATE 4u
#define DISCARD_STEP BIT64(30) /* sectors in one command; the field holds 2^32 - 1 blocks */

void nvmeq_init(struct nvmeq *q, struct nvmeq_mem *mem, unsigned depth)
{
    memset(mem, 0, sizeof *mem);
    q->mem = mem;
    q->depth = (uint16_t)depth;
    q->slots = (uint16_t)(depth - 1);
    q->phase = 1;
    for (q->nfree = 0; q->nfree < q->slots; q->nfree++)
        q->free[q->nfree] = (uint8_t)(q->slots - 1 - q->nfree);
    list_init(&q->waiting);
    list_init(&q->bounce_waiting);
}

static uint64_t total_sectors(const struct blk_req *r)
{
    uint64_t bytes = 0;

    if (r->op == BLK_FLUSH)
        return 0;
    if (r->op == BLK_DISCARD)
        return r->nsectors;
    for (uint32_t i = 0; i < r->nseg; i++)
        bytes += r->seg[i].len;
    return bytes / BLK_SECTOR;
}

/* A list of pages describes the data only if every piece but the first starts, and every one but the last ends, on a
 * page. */
static bool pages_fit(const struct blk_req *r)
{
    if (r->op != BLK_READ && r->op != BLK_WRITE)
        return true;
    for (uint32_t i = 1; i < r->nseg; i++)
        if ((r->seg[i - 1].pa.v + r->seg[i - 1].len) % PAGE_SIZE || r->seg[i].pa.v % PAGE_SIZE)
            return false;
    return true;
}

/* How many sectors the next command of the request covers. */
static uint64_t step_sectors(const struct nvmeq *q, const struct blk_req *r)
{
    uint64_t left = total_sectors(r) - r->drv[0];

    if (r->op == BLK_DISCARD)
        return min_u64(left, DISCARD_STEP);
    return q->bouncing == r ? min_u64(left, NVMEQ_BOUNCE / BLK_SECTOR) : left;
}

/* Copies the part of the request that is in the bounce buffer. */
static void bounce_copy(struct nvmeq *q, const struct blk_req *r, uint64_t sectors)
{
    uint64_t skip = r->drv[0] * BLK_SECTOR, left = sectors * BLK_SECTOR;
    uint8_t *bounce = q->mem->bounce;

    for (uint32_t i = 0; i < r->nseg && left; i++) {
        uint64_t cut = min_u64(skip, r->seg[i].len), n = min_u64(r->seg[i].len - cut, left);
        uint8_t *mem = hpa_ptr(hpa(r->seg[i].pa.v + cut));

        if (r->op == BLK_WRITE)
            memcpy(bounce, mem, n);
        else
            memcpy(mem, bounce, n);
        bounce += n;
        skip -= cut;
        left -= n;
    }
}

/* prp1 is the first page, prp2 the second or, from three on, the list of all but the first. */
static void pages_fill(struct nvme_cmd *c, uint64_t *list, const struct blk_seg *seg, uint32_t nseg)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < nseg; i++)
        for (uint64_t pa = seg[i].pa.v; pa < seg[i].pa.v + seg[i].len; pa = align_down(pa, PAGE_SIZE) + PAGE_SIZE, n++)
            if (n)
                list[n - 1] = pa;
            else
                c->prp1 = pa;
    c->prp2 = n < 2 ? 0 : n == 2 ? list[0] : hpa_of(list).v;
}

static void transfer_fill(struct nvmeq *q, struct nvme_cmd *c, uint64_t *list, const struct blk_req *r,
                          uint64_t sectors)
{
    const struct nvmeq_ns *ns = (const struct nvmeq_ns *)(uintptr_t)r->drv[1];
    struct blk_seg bounce = { .pa = hpa_of(q->mem->bounce), .len = (uint32_t)(sectors * BLK_SECTOR) };
    uint64_t lba = (r->sector + r->drv[0]) >> ns->lba_shift;

    if (q->bouncing != r) {
        pages_fill(c, list, r->seg, r->nseg);
    } else {
        if (r->op == BLK_WRITE)
            bounce_copy(q, r, sectors);
        pages_fill(c, list, &bounce, 1);
    }
    c->cdw10 = (uint32_t)lba;
    c->cdw11 = (uint32_t)(lba >> 32);
    c->cdw12 = (uint32_t)((sectors >> ns->lba_shift) - 1);
}

/* One range: attributes, length, start. */
static void discard_fill(struct nvme_cmd *c, uint64_t *list, const struct blk_req *r, uint64_t sectors)
{
    const struct nvmeq_ns *ns = (const struct nvmeq_ns *)(uintptr_t)r->drv[1];

    list[0] = sectors >> ns->lba_shift << 32;
    list[1] = (r->sector + r->drv[0]) >> ns->lba_shift;
    c->prp1 = hpa_of(list).v;
    c->cdw11 = DATASET_DEALLOCATE;
}

/* There is a free slot, and the bounce buffer is free or r's if r needs it. */
static void put(struct nvmeq *q, struct blk_req *r)
{
    static const uint8_t ops[] = {
        [BLK_READ] = OP_READ, [BLK_WRITE] = OP_WRITE, [BLK_FLUSH] = OP_FLUSH, [BLK_DISCARD] = OP_DATASET
    };
    unsigned slot = q->free[--q->nfree];
    struct nvme_cmd *c = &q->mem->sq[q->sq_tail];
    uint64_t *list = q->mem->list[slot], sectors;

    if (q->nfree + 1 == q->slots)
        q->progress = ground_tsc();
    if (!pages_fit(r))
        q->bouncing = r;
    q->req[slot] = r;
    *c = (struct nvme_cmd){ .cdw0 = ops[r->op] | slot << 16,
                            .nsid = ((const struct nvmeq_ns *)(uintptr_t)r->drv[1])->nsid };
    sectors = step_sectors(q, r);
    if (r->op == BLK_DISCARD)
        discard_fill(c, list, r, sectors);
    else if (r->op != BLK_FLUSH)
        transfer_fill(q, c, list, r, sectors);
    q->sq_tail = (uint16_t)((q->sq_tail + 1) % q->depth);
}

static void start(struct nvmeq *q, struct blk_req *r)
{
    if (q->bouncing && !pages_fit(r))
        list_push_back(&q->bounce_waiting, &r->link);
    else
        put(q, r);
}

void nvmeq_submit(struct nvmeq *q, const struct nvmeq_ns *ns, struct blk_req *r)
{
    r->drv[0] = 0;
    r->drv[1] = (uintptr_t)ns;
    if (q->nfree && list_empty(&q->waiting))
        start(q, r);
    else
        list_push_back(&q->waiting, &r->link);
}

void nvmeq_kick(struct nvmeq *q)
{
    if (q->sq_told == q->sq_tail)
        return;
    q->sq_told = q->sq_tail;
    atomic_thread_fence(memory_order_seq_cst); /* the commands before the doorbell */
    *q->sq_doorbell = q->sq_tail;
}

static err_t status_error(uint16_t status)
{
    static const struct {
        uint16_t code; /* type << 8 | code */
        err_t e;
    } known[] = { { 0x000, OK }, { 0x001, ERR_UNSUPPORTED }, { 0x020, ERR_UNSUPPORTED }, { 0x080, ERR_RANGE } };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if ((status >> 1 & 0x7FF) == known[i].code)
            return known[i].e;
    return ERR_IO;
}

static void take(struct nvmeq *q, uint16_t slot, err_t e, struct list *done)
{
    struct blk_req *r = slot < q->slots ? q->req[slot] : NULL;
    uint64_t sectors;

    if (!r) {
        q->broken = true;
        return;
    }
    q->req[slot] = NULL;
    q->free[q->nfree++] = (uint8_t)slot;
    if (!e) {
        sectors = step_sectors(q, r);
        if (q->bouncing == r && r->op == BLK_READ)
            bounce_copy(q, r, sectors);
        r->drv[0] += sectors;
        if (r->drv[0] < total_sectors(r)) {
            put(q, r); /* the next part; its slot is free */
            return;
        }
    }
    if (q->bouncing == r)
        q->bouncing = NULL;
    r->drv[1] = e;
    list_push_back(done, &r->link);
}

static struct blk_req *pop(struct list *l)
{
    return container_of(list_pop_front(l), struct blk_req, link);
}

void nvmeq_reap(struct nvmeq *q, struct list *done)
{
    bool news = false;

    while (!q->broken) {
        struct nvme_cpl *c = &q->mem->cq[q->cq_head];
        uint16_t status = atomic_load_explicit(&c->status, memory_order_acquire);

        if ((status & 1) != q->phase)
            break;
        take(q, c->cid, status_error(status), done);
        q->cq_head = (uint16_t)((q->cq_head + 1) % q->depth);
        q->phase ^= q->cq_head == 0;
        news = true;
    }
    if (news) {
        *q->cq_doorbell = q->cq_head;
        q->progress = ground_tsc();
    }
    while (q->nfree && !q->bouncing && !list_empty(&q->bounce_waiting))
        put(q, pop(&q->bounce_waiting));
    while (q->nfree && !list_empty(&q->waiting))
        start(q, pop(&q->waiting));
    nvmeq_kick(q);
}

void nvmeq_abort(struct nvmeq *q, struct list *done)
{
    for (unsigned i = 0; i < q->slots; i++)
        if (q->req[i]) {
            list_push_back(&q->waiting, &q->req[i]->link);
            q->req[i] = NULL;
        }
    while (!list_empty(&q->bounce_waiting))
        list_push_back(&q->waiting, list_pop_front(&q->bounce_waiting));
    while (!list_empty(&q->waiting)) {
        struct blk_req *r = pop(&q->waiting);

        r->drv[1] = ERR_IO;
        list_push_back(done, &r->link);
    }
    q->bouncing = NULL;
}

uint64_t nvmeq_idle_ns(const struct nvmeq *q)
{
    return q->nfree == q->slots ? 0 : ground_tsc_to_ns(ground_tsc() - q->progress);
}
