/* virtio-blk. The way of a request: the driver kicks (blk_notify), a chain is taken and checked (request_start), goes
 * to the disk in one or more parts (request_run), and its status and the chain go back (request_end).
 *
 * The disk may call done() from inside submit() or later on any CPU, while vm->lock or another guest's is held or not.
 * So done() takes dev.lock only, and dev.lock is dropped around submit(). A done() that comes before submit() has
 * returned just leaves its result to the submitter, so nothing recurses. */
#include "dev/virtio/blk.h"

#include "base/fmt.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/mem.h"
#include "vm/vm.h"

enum { QUEUE_SIZE = 256, SEGMENT_MAX = 65536 };
/* Drivers that heed size_max and seg_max stay below 16 MiB; firmware reads whole files at once. */
#define REQUEST_MAX MIB(256)
#define SYNC_KICKS 64u  /* that are waited for before the driver is looked at again */
#define DOUBT_MIN 4u    /* kicks and halts until waiting is tried again: twice as many each time it fails */
#define DOUBT_MAX 64u
#define COPY_MAX MIB(1) /* a disk that copies inside submit(): after that much others get their turn */

/* --- to the disk --- */

/* A flush may take long: nothing waits for its end to be looked at. */
static bool moves_data(const struct virtio_blk_io *io)
{
    return io->req.op == BLK_READ || io->req.op == BLK_WRITE;
}

static void request_end(struct virtio_blk_io *io, err_t e)
{
    struct virtio_dev *d = &io->owner->dev;
    uint8_t status = e == OK ? VIRTIO_BLK_OK : e == ERR_UNSUPPORTED ? VIRTIO_BLK_UNSUPP : VIRTIO_BLK_IOERR;
    uint32_t written = e || io->req.op == BLK_WRITE ? 1 : (uint32_t)io->chain.write_len;

    list_push_back(&io->owner->spare, &io->link);
    io->owner->ended++;
    d->inflight--;
    if (io->generation != d->generation)
        return; /* the driver has reset the device since */
    io->queue->inflight -= moves_data(io);
    e = virtq_write(io->queue, &io->chain, io->chain.write_len - 1, &status, 1);
    if (!e)
        virtq_push(io->queue, io->chain.head, written);
}

/* Gathers the next part: as much of the data, from io->pos, as one request to this disk may have. */
static err_t part_fill(struct virtio_blk_io *io)
{
    const struct blk *blk = io->owner->blk;
    const struct virtq_buf *b = io->req.op == BLK_WRITE ? io->chain.buf : io->chain.buf + io->chain.nread;
    uint64_t max = min_u64(io->len - io->pos, align_down(blk->max_bytes, blk->block_size));
    uint64_t off = io->skip + io->pos, bytes = 0, run;
    uint32_t nmax = (uint32_t)min_u64(blk->max_segs, VIRTIO_BLK_SEGS);
    hpa_t pa;

    io->req.nseg = 0;
    while (bytes < max && io->req.nseg < nmax) {
        if (off >= b->len) {
            off -= b++->len;
            continue;
        }
        err_t e = mem_dma(io->owner->dev.vm, gpa(b->at + off), min_u64(b->len - off, max - bytes), &pa, &run);

        if (e)
            return e;
        if ((pa.v | run) & 3)
            return ERR_INVAL; /* no disk can do that; the driver gets an I/O error */
        io->seg[io->req.nseg++] = (struct blk_seg){ .pa = pa, .len = (uint32_t)run };
        bytes += run;
        off += run;
    }
    /* a part ends at a block's end: give back what is over */
    for (uint64_t over = bytes % blk->block_size, take; over; over -= take, bytes -= take) {
        struct blk_seg *last = &io->seg[io->req.nseg - 1];

        take = min_u64(over, last->len);
        last->len -= (uint32_t)take;
        io->req.nseg -= !last->len;
    }
    io->req.sector = io->sector + io->pos / BLK_SECTOR;
    io->pos += bytes;
    return bytes ? OK : ERR_INVAL;
}

/* The driver has reset the device since, or the guest is ending: no more of it. */
static bool stale(const struct virtio_blk_io *io)
{
    return io->generation != io->owner->dev.generation || io->owner->dev.broken;
}

/* Sends part after part until one is left with the disk, or all is done. dev.lock is dropped on the way. */
static void request_run(struct virtio_blk_io *io)
{
    struct virtio_blk *b = io->owner;
    bool data = moves_data(io);

    do {
        io->result = data ? part_fill(io) : OK;
        if (io->result)
            break;
        io->phase = PHASE_SUBMITTING;
        lock_drop(&b->dev.lock);
        b->blk->ops->submit(b->blk, &io->req);
        lock_take(&b->dev.lock);
        if (io->phase == PHASE_SUBMITTING) {
            io->phase = PHASE_WAITING; /* request_done() goes on from here */
            return;
        }
    } while (!io->result && io->pos < io->len && !stale(io));
    b->copied += io->result ? 0 : io->pos;
    request_end(io, io->result);
}

/* --- from the driver --- */

static err_t range_check(const struct blk *blk, uint64_t sector, uint64_t nsectors)
{
    uint64_t per_block = blk->block_size / BLK_SECTOR;

    if (sector > blk->sectors || nsectors > blk->sectors - sector)
        return ERR_RANGE;
    return sector % per_block || nsectors % per_block ? ERR_INVAL : OK;
}

static err_t discard_prepare(struct virtio_blk_io *io)
{
    const struct blk *blk = io->owner->blk;
    struct virtio_blk_range r;

    if (!blk->can_discard || blk->read_only)
        return ERR_UNSUPPORTED;
    if (io->chain.read_len != sizeof(struct virtio_blk_head) + sizeof r) /* max_discard_seg is 1 */
        return ERR_INVAL;
    err_t e = virtq_read(io->queue, &io->chain, sizeof(struct virtio_blk_head), &r, sizeof r);
    if (e)
        return e;
    if (r.flags)
        return ERR_UNSUPPORTED;
    io->req.sector = r.sector;
    io->req.nsectors = r.nsectors;
    return r.nsectors ? range_check(blk, r.sector, r.nsectors) : ERR_INVAL;
}

/* Fills io->req from the chain. An error is the request's status. GET_ID is served at once. */
static err_t request_prepare(struct virtio_blk_io *io, const struct virtio_blk_head *head)
{
    const struct virtio_blk *b = io->owner;
    struct virtq_chain *c = &io->chain;

    io->req = (struct blk_req){ .op = BLK_READ, .seg = io->seg, .done = io->req.done, .owner = io };
    io->pos = io->skip = io->len = 0;
    io->sector = head->sector;
    switch (head->type) {
    case VIRTIO_BLK_FLUSH:
        io->req.op = BLK_FLUSH;
        return OK;
    case VIRTIO_BLK_DISCARD:
        io->req.op = BLK_DISCARD;
        return discard_prepare(io);
    case VIRTIO_BLK_GET_ID:
        return virtq_write(io->queue, c, 0, b->serial, min_size(sizeof b->serial, (size_t)c->write_len - 1));
    case VIRTIO_BLK_OUT:
        if (b->blk->read_only)
            return ERR_IO;
        io->req.op = BLK_WRITE;
        io->skip = sizeof *head;
        io->len = c->read_len - sizeof *head;
        break;
    case VIRTIO_BLK_IN:
        io->len = c->write_len - 1;
        break;
    default:
        return ERR_UNSUPPORTED;
    }
    if (!io->len || io->len > REQUEST_MAX || io->len % BLK_SECTOR)
        return ERR_INVAL;
    return range_check(b->blk, io->sector, io->len / BLK_SECTOR);
}

/* A chain that was taken: checks it and sends it on its way. more: a kick of the disk follows. ERR_GUEST only if it has no place for head or status. */
static err_t request_start(struct virtio_blk_io *io, bool more)
{
    struct virtio_dev *d = &io->owner->dev;
    struct virtio_blk_head head;
    err_t e;

    if (virtq_read(io->queue, &io->chain, 0, &head, sizeof head))
        return virtq_fault(io->queue, "request without a whole header");
    if (!io->chain.write_len)
        return virtq_fault(io->queue, "request without a status byte");
    list_remove(&io->link);
    d->inflight++;
    io->generation = d->generation;
    e = request_prepare(io, &head);
    io->req.more = more;
    io->queue->inflight += moves_data(io);
    if (e || head.type == VIRTIO_BLK_GET_ID)
        request_end(io, e);
    else
        request_run(io);
    return OK;
}

/* Takes what the last look saw, as long as there are spare requests and not more than copy_max bytes were copied. */
static err_t queue_serve(struct virtio_blk *b, struct virtq *q, uint64_t copy_max)
{
    bool more = false; /* the disk was not told of all that it was sent */
    err_t e = OK;

    for (b->copied = 0; !e && !list_empty(&b->spare) && b->copied < copy_max;) {
        struct virtio_blk_io *io = container_of(b->spare.next, struct virtio_blk_io, link);

        io->queue = q;
        io->chain = (struct virtq_chain){ .buf = io->buf, .max = VIRTIO_BLK_BUFS };
        e = virtq_pop(q, &io->chain);
        if (e)
            break;
        more |= virtq_left(q);
        e = request_start(io, virtq_left(q));
    }
    if (more && b->blk->ops->kick)
        b->blk->ops->kick(b->blk);
    if (list_empty(&b->spare))
        b->starved = true;
    virtq_flush(q);
    return e == ERR_GUEST ? e : OK;
}

/* Takes what the driver has added. It is asked to kick for more only if no data is in flight: else a completion, or a vCPU that
 * halts, makes us look again. */
static err_t queue_turn(struct virtio_blk *b, struct virtq *q, uint64_t copy_max)
{
    err_t e = virtq_look(q);

    b->alone &= !virtq_left(q);
    if (!e)
        e = queue_serve(b, q, copy_max);
    if (!e && !q->inflight && !virtq_left(q)) {
        e = virtq_arm(q);
        if (!e)
            e = queue_serve(b, q, copy_max);
    }
    return e;
}

/* Goes on with queues that were left for want of spare requests. It may run in a completion, where nobody takes an
 * error: a guest that breaks a rule was stopped by virtq_fault(). */
static void queues_resume(struct virtio_blk *b)
{
    while (b->starved && !list_empty(&b->spare)) {
        b->starved = false;
        for (unsigned i = 0; i < b->dev.nqueues; i++)
            (void)queue_turn(b, &b->dev.queue[i], UINT64_MAX);
    }
}

/* --- who waits for what (blk.h tells) --- */

/* Looks what the disk has done; it interrupts at that pace from now on, if it knows one. */
static void disk_look(struct virtio_blk *b, enum blk_pace pace)
{
    const struct blk_ops *ops = b->blk->ops;

    if (ops->pace)
        ops->pace(b->blk, pace);
    else if (ops->poll)
        ops->poll(b->blk);
}

/* The disk is slow, or the guest has other things to do. Under dev.lock. */
static void wait_failed(struct virtio_blk *b)
{
    b->later = b->doubt = (uint32_t)min_u64(max_u64(2 * b->doubt, DOUBT_MIN), DOUBT_MAX);
    b->sync = 0;
}

/* For the run loop: true when all that was sent is back. */
static bool blk_poll(void *dev, enum vm_poll what)
{
    struct virtio_blk *b = dev;

    if (what == VM_POLL_LOOK)
        b->blk->ops->poll(b->blk);
    else
        disk_look(b, BLK_EACH);
    lock_take(&b->dev.lock);
    bool over = b->ended >= b->awaited;
    if (over)
        b->doubt = 0;
    else if (what == VM_POLL_END)
        wait_failed(b);
    b->each = !over;
    lock_drop(&b->dev.lock);
    if (over)
        disk_look(b, BLK_HALF);
    return over;
}

/* The guest goes on while the disk works. Under dev.lock. */
static void quiet_wish(struct virtio_blk *b)
{
    b->dev.vm->wish.quiet |= !b->later && b->dev.inflight;
    b->later -= b->later > 0;
    b->quiet_since = ground_tsc();
}

void virtio_blk_halts(struct virtio_blk *b)
{
    uint64_t too_long = VM_QUIET_EXITS * atomic_load(&b->dev.vm->exit_tsc);

    lock_take(&b->dev.lock);
    for (unsigned i = 0; i < b->dev.nqueues && b->dev.inflight; i++)
        (void)queue_turn(b, &b->dev.queue[i], COPY_MAX);
    bool busy = b->dev.inflight;
    if (busy && !b->later && ground_tsc() - b->quiet_since > too_long)
        wait_failed(b);
    else if (busy && b->alone && b->blk->ops->pace)
        b->sync = SYNC_KICKS;
    b->each = b->later || b->alone;
    enum blk_pace pace = b->each ? BLK_EACH : BLK_HALF;
    lock_drop(&b->dev.lock);
    if (!busy)
        return;
    disk_look(b, pace);
    lock_take(&b->dev.lock);
    quiet_wish(b);
    lock_drop(&b->dev.lock);
}

/* A kick comes: is the driver to wait for what it sends? Under dev.lock. */
static bool kick_waits(struct virtio_blk *b)
{
    if (!b->sync || b->dev.inflight)
        return false;
    b->sync--;
    return true;
}

static err_t blk_notify(struct virtio_dev *d, unsigned queue)
{
    struct virtio_blk *b = container_of(d, struct virtio_blk, dev);
    struct virtq *q = &d->queue[queue];
    err_t e;

    lock_take(&d->lock);
    bool first = !d->inflight, waits = kick_waits(b), again = b->each && !waits;
    b->each &= !again;
    if (waits)
        b->blk->ops->pace(b->blk, BLK_NONE);
    e = queue_turn(b, q, COPY_MAX);
    queues_resume(b);
    if (!e && virtq_left(q) && !list_empty(&b->spare))
        e = ERR_AGAIN;
    b->awaited = b->ended + d->inflight;
    if (!waits) {
        b->alone = first && !b->later;
        quiet_wish(b);
    }
    lock_drop(&d->lock);
    if (again)
        disk_look(b, BLK_HALF);
    if (waits) {
        d->vm->wish.poll = blk_poll;
        d->vm->wish.dev = b;
    }
    return e;
}

static void request_done(struct blk_req *req, err_t e)
{
    struct virtio_blk_io *io = req->owner;
    struct virtio_blk *b = io->owner;

    lock_take(&b->dev.lock);
    io->result = e;
    io->req.more = false;
    if (io->phase == PHASE_SUBMITTING) {
        io->phase = PHASE_DONE;
        lock_drop(&b->dev.lock);
        return;
    }
    if (!e && io->pos < io->len && !stale(io))
        request_run(io);
    else
        request_end(io, e);
    virtq_flush(io->queue);
    (void)queue_turn(b, io->queue, UINT64_MAX); /* a guest that breaks a rule was stopped by virtq_fault() */
    queues_resume(b);
    lock_drop(&b->dev.lock);
}

static const struct virtio_ops blk_ops = {
    .type = VIRTIO_TYPE_BLK,
    .class_code = 0x018000, /* mass storage, other */
    .queue_size = QUEUE_SIZE,
    .config_bytes = sizeof(struct virtio_blk_config),
    .notify = blk_notify,
};

/* --- life --- */

static uint64_t config_fill(struct virtio_blk_config *c, const struct blk *blk, uint16_t nqueues)
{
    uint64_t features = VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH |
                        (nqueues > 1 ? VIRTIO_BLK_F_MQ : 0);

    *c = (struct virtio_blk_config){ .capacity = blk->sectors,
                                     .size_max = SEGMENT_MAX,
                                     .seg_max = VIRTIO_BLK_DATA_SEGS,
                                     .blk_size = blk->block_size,
                                     .num_queues = nqueues };
    if (blk->read_only)
        return features | VIRTIO_BLK_F_RO;
    if (!blk->can_discard)
        return features;
    c->max_discard_sectors = (uint32_t)align_down(min_u64(blk->sectors, UINT32_MAX), blk->block_size / BLK_SECTOR);
    c->max_discard_seg = 1;
    c->discard_alignment = blk->block_size / BLK_SECTOR;
    return features | VIRTIO_BLK_F_DISCARD;
}

err_t virtio_blk_init(struct virtio_blk *b, struct vm *vm, struct pci_host *host, unsigned slot, struct blk *blk,
                      const char *serial)
{
    uint16_t nqueues = (uint16_t)min_u64(max_u64(vm->cfg.vcpus, 1), VIRTIO_QUEUES_MAX);
    err_t e;

    *b = (struct virtio_blk){ .blk = blk, .each = true, .dev = { .ops = &blk_ops, .nqueues = nqueues } };
    list_init(&b->spare);
    b->dev.config = &b->config;
    b->dev.offered = config_fill(&b->config, blk, nqueues);
    fmt_text(b->dev.name, sizeof b->dev.name, "virtio-blk %s", blk->name);
    memcpy(b->serial, serial, min_size(strlen(serial), sizeof b->serial));
    b->pool = ground_alloc(VIRTIO_BLK_INFLIGHT * sizeof b->pool[0]);
    if (!b->pool)
        return ERR_NOMEM;
    for (unsigned i = 0; i < VIRTIO_BLK_INFLIGHT; i++) {
        b->pool[i].owner = b;
        b->pool[i].req.done = request_done;
        list_push_back(&b->spare, &b->pool[i].link);
    }
    e = virtio_init(&b->dev, vm, host, slot);
    if (e)
        ground_free(b->pool, VIRTIO_BLK_INFLIGHT * sizeof b->pool[0]);
    return e;
}

void virtio_blk_fini(struct virtio_blk *b)
{
    ground_free(b->pool, VIRTIO_BLK_INFLIGHT * sizeof b->pool[0]);
}
