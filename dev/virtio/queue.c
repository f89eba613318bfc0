/* Split virtqueues, the device's side. Virtio 1.2, section 2.7.
 *
 * A queue is three tables in guest memory. The descriptor table holds buffers, linked into chains; a chain is one
 * request. The driver writes the number of a chain's first descriptor into the next slot of the available ring and then
 * raises the ring's index; the device takes it from there, does the work, writes the same number into the next slot of
 * the used ring and raises that one's index. Both indices run freely through 16 bits; slot = index mod size. A chain's
 * last descriptor may instead point to a table of descriptors elsewhere (indirect).
 *
 * Each side says when it wants to hear of the other. With event indices (2.7.7, 2.7.10) the device writes into the used
 * ring's last field "kick me when you add number N", and the driver writes into the available ring's last field
 * "interrupt me when you finish number N". Whoever writes such a wish must look at the other's index once more
 * afterwards, with a full barrier between: the other may have passed N just before.
 *
 * The guest may change all of it at any time. So every index and descriptor is read once, into a local copy, which is
 * checked and used. The rings' place and size were checked by virtq_enable() and stay, hence the assertions. */
#include "base/panic.h"
#include "dev/virtio/virtio.h"
#include "vm/mem.h"
#include "vm/vm.h"

err_t virtq_fault(struct virtq *q, const char *what)
{
    vm_stop(q->dev->vm, VM_FAULTED, "%s: %s in queue %u", q->dev->name, what, q->index);
    q->dev->broken = true;
    return ERR_GUEST;
}

static bool ready(const struct virtq *q)
{
    const struct virtio_dev *d = q->dev;

    return q->enabled && d->status & VIRTIO_DRIVER_OK && !d->broken && d->pci.master;
}

err_t virtq_enable(struct virtq *q)
{
    static const uint8_t align[RINGS] = { 16, 2, 4 };
    uint64_t len[RINGS] = { 16ull * q->size, VIRTQ_AVAIL_BYTES(q->size), VIRTQ_USED_BYTES(q->size) };

    if (!q->size || q->size > q->dev->ops->queue_size || q->size & (q->size - 1))
        return virtq_fault(q, "size is not possible");
    for (unsigned i = 0; i < RINGS; i++)
        if (q->ring[i] % align[i] || !mem_holds(q->dev->vm, gpa(q->ring[i]), len[i]))
            return virtq_fault(q, "ring is outside memory or not aligned");
    q->enabled = true;
    return OK;
}

/* --- single fields of the rings: aligned 16-bit words, which both sides read and write whole --- */

static _Atomic uint16_t *word(struct virtq *q, unsigned ring, uint32_t off)
{
    hpa_t pa;
    uint64_t run;

    if (mem_dma(q->dev->vm, gpa(q->ring[ring] + off), sizeof(uint16_t), &pa, &run))
        panic("%s: queue %u left memory", q->dev->name, q->index);
    return hpa_ptr(pa);
}

static uint16_t word_get(struct virtq *q, unsigned ring, uint32_t off)
{
    return atomic_load_explicit(word(q, ring, off), memory_order_acquire);
}

static void word_put(struct virtq *q, unsigned ring, uint32_t off, uint16_t v)
{
    atomic_store_explicit(word(q, ring, off), v, memory_order_release);
}

/* --- taking --- */

err_t virtq_look(struct virtq *q)
{
    if (!ready(q))
        return OK;
    uint16_t idx = word_get(q, RING_AVAIL, VIRTQ_AVAIL_IDX);

    if ((uint16_t)(idx - q->next_avail) > q->size)
        return virtq_fault(q, "available index jumps");
    q->end_avail = idx;
    return OK;
}

err_t virtq_arm(struct virtq *q)
{
    /* An honest driver's index moves at most `size` times before it has to wait for us. */
    for (unsigned tries = 0; tries <= q->size; tries++) {
        err_t e = virtq_look(q);

        if (e || !ready(q) || !(q->dev->accepted & VIRTIO_F_EVENT_IDX) || q->end_avail == q->armed)
            return e;
        q->armed = q->end_avail;
        word_put(q, RING_USED, VIRTQ_USED_RING(q->size), q->armed);
        atomic_thread_fence(memory_order_seq_cst);
    }
    return virtq_fault(q, "available index runs backwards");
}

static err_t chain_add(struct virtq *q, struct virtq_chain *c, const struct virtq_desc *d)
{
    bool writable = d->flags & VIRTQ_DESC_WRITE;
    unsigned n = c->nread + c->nwrite;
    const char *wrong = n == c->max ? "descriptor chain is too long" :
        !d->len ? "empty descriptor" :
        !mem_holds(q->dev->vm, gpa(d->addr), d->len) ? "descriptor points outside memory" :
        !writable && c->nwrite ? "readable descriptor after a writable one" : NULL;

    if (wrong)
        return virtq_fault(q, wrong);
    c->buf[n] = (struct virtq_buf){ .at = d->addr, .len = d->len };
    *(writable ? &c->nwrite : &c->nread) += 1;
    *(writable ? &c->write_len : &c->read_len) += d->len;
    return OK;
}

/* A descriptor that stands for a table of them (2.7.5.3). */
static err_t indirect_check(struct virtq *q, const struct virtq_desc *d, bool inside)
{
    const char *wrong = !(q->dev->accepted & VIRTIO_F_INDIRECT_DESC) ? "indirect descriptor without the feature" :
        inside || d->flags & VIRTQ_DESC_NEXT ? "indirect descriptor inside or before others" :
        !d->len || d->len % sizeof *d ? "indirect table of odd length" :
        !mem_holds(q->dev->vm, gpa(d->addr), d->len) ? "indirect table outside memory" : NULL;

    return wrong ? virtq_fault(q, wrong) : OK;
}

static err_t chain_walk(struct virtq *q, struct virtq_chain *c)
{
    uint64_t table = q->ring[RING_DESC];
    uint32_t entries = q->size, i = c->head, seen = 0;
    bool indirect = false;
    struct virtq_desc d;
    err_t e;

    for (;;) {
        if (i >= entries)
            return virtq_fault(q, "descriptor number past the table");
        if (seen++ == entries)
            return virtq_fault(q, "descriptor loop");
        e = mem_read(q->dev->vm, gpa(table + i * sizeof d), &d, sizeof d);
        ASSERT(!e);
        i = d.next;
        if (d.flags & VIRTQ_DESC_INDIRECT) {
            e = indirect_check(q, &d, indirect);
            indirect = true;
            table = d.addr;
            entries = d.len / sizeof d;
            i = seen = 0;
        } else {
            e = chain_add(q, c, &d);
            if (!e && !(d.flags & VIRTQ_DESC_NEXT))
                return OK;
        }
        if (e)
            return e;
    }
}

bool virtq_left(const struct virtq *q)
{
    return ready(q) && q->next_avail != q->end_avail;
}

err_t virtq_pop(struct virtq *q, struct virtq_chain *c)
{
    if (!virtq_left(q))
        return ERR_AGAIN;
    c->head = word_get(q, RING_AVAIL, VIRTQ_AVAIL_RING(q->next_avail & (q->size - 1u)));
    q->next_avail++;
    c->nread = c->nwrite = 0;
    c->read_len = c->write_len = 0;
    return chain_walk(q, c);
}

/* --- giving back --- */

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
    struct virtq_used_elem elem = { .id = head, .len = written };
    uint64_t at = q->ring[RING_USED] + VIRTQ_USED_RING(q->next_used & (q->size - 1u));
    err_t e = mem_write(q->dev->vm, gpa(at), &elem, sizeof elem);

    ASSERT(!e);
    q->next_used++;
}

static bool wants_interrupt(struct virtq *q, uint16_t old)
{
    uint16_t event;

    if (!(q->dev->accepted & VIRTIO_F_EVENT_IDX))
        return !(word_get(q, RING_AVAIL, VIRTQ_AVAIL_FLAGS) & VIRTQ_AVAIL_NO_INTERRUPT);
    event = word_get(q, RING_AVAIL, VIRTQ_AVAIL_RING(q->size));
    return (uint16_t)(q->next_used - event - 1) < (uint16_t)(q->next_used - old);
}

void virtq_flush(struct virtq *q)
{
    uint16_t old = q->told_used;

    if (q->next_used == old)
        return;
    word_put(q, RING_USED, VIRTQ_USED_IDX, q->next_used);
    q->told_used = q->next_used;
    atomic_thread_fence(memory_order_seq_cst);
    if (wants_interrupt(q, old))
        virtio_raise(q->dev, q->vector);
}

/* --- what is in a chain --- */

enum direction { FROM_GUEST, TO_GUEST };

static err_t stream_copy(struct vm *vm, const struct virtq_buf *b, unsigned nbufs, uint64_t off, uint8_t *p, size_t n,
                         enum direction dir)
{
    for (; n && nbufs; b++, nbufs--) {
        if (off >= b->len) {
            off -= b->len;
            continue;
        }
        size_t take = min_size(n, b->len - (size_t)off);
        gpa_t at = gpa(b->at + off);
        err_t e = dir == FROM_GUEST ? mem_read(vm, at, p, take) : mem_write(vm, at, p, take);

        if (e)
            return e;
        p += take;
        n -= take;
        off = 0;
    }
    return n ? ERR_RANGE : OK;
}

err_t virtq_read(struct virtq *q, const struct virtq_chain *c, uint64_t off, void *p, size_t n)
{
    return stream_copy(q->dev->vm, c->buf, c->nread, off, p, n, FROM_GUEST);
}

err_t virtq_write(struct virtq *q, const struct virtq_chain *c, uint64_t off, const void *p, size_t n)
{
    return stream_copy(q->dev->vm, c->buf + c->nread, c->nwrite, off, (uint8_t *)(uintptr_t)p, n, TO_GUEST);
}
