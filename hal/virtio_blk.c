/* Driver for virtio block devices; see virtio_blk.h. One queue per CPU where the device has as many: what a CPU submits
 * completes on that CPU, and no lock is ever contended. */
#include "hal/virtio_blk.h"

#include "abi/virtio_blk.h"
#include "base/fmt.h"
#include "base/str.h"
#include "hal/disks.h"
#include "hal/virtq.h"

#define F_ACCESS_PLATFORM BIT64(33) /* DMA as the platform says: there is no IOMMU in use, so nothing to do */
#define F_WANTED                                                                                                       \
    (VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH |     \
     VIRTIO_BLK_F_MQ | VIRTIO_BLK_F_DISCARD | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 |       \
     F_ACCESS_PLATFORM)

#define RESET_NS 1000000000ull
#define MAX_BYTES MIB(1)
#define SERVICE_TURNS 3u

#define CONFIG(field) offsetof(struct virtio_blk_config, field)

struct vblk {
    struct blk blk;
    struct hal_pci_dev pci;
    struct mmio cfg[VIRTIO_CAP_DEVICE + 1]; /* by VIRTIO_CAP_ */
    uint32_t notify_multiplier;
    uint64_t features;
    _Atomic bool dead;
    unsigned nqueues; /* set up at the device */
    unsigned nused;   /* of them in use: those that have an interrupt */
    struct virtq queue[];
};

/* --- requests --- */

/* The device has failed: nothing more reaches it, and every request ends. */
static void vblk_die(struct vblk *d, const char *why)
{
    struct list done = LIST_INIT(done);

    if (atomic_exchange(&d->dead, true))
        return;
    ground_log("%s: %s; it is given up", d->blk.name, why);
    hal_pci_stop(&d->pci);
    mmio_write8(&d->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_STATUS, 0);
    for (unsigned i = 0; i < d->nqueues; i++) {
        struct virtq *q = &d->queue[i];

        lock_take(&q->lock);
        virtq_abort(q, &done);
        lock_drop(&q->lock);
    }
    hal_requests_end(&done);
}

/* NULL while all is well. Under q->lock. */
static const char *vblk_ails(const struct vblk *d, const struct virtq *q)
{
    uint64_t idle = virtq_idle_ns(q);
    uint8_t status;

    if (q->broken)
        return "the device completed a request nobody made";
    if (idle < HAL_DISK_SUSPECT_NS)
        return NULL;
    if (idle >= HAL_DISK_TIMEOUT_NS)
        return "no answer for 30 s";
    status = mmio_read8(&d->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_STATUS);
    return !(status & VIRTIO_DRIVER_OK) || status & VIRTIO_NEEDS_RESET ? "the device reports a failure" : NULL;
}

/* Ends what is complete and asks for the next interrupt. That comes last, for done() often submits new requests; but they do
 * not keep us here for ever. */
static void queue_service(void *queue)
{
    struct virtq *q = queue;
    struct vblk *d = q->owner;
    struct list done = LIST_INIT(done);
    const char *ails = NULL;
    bool last;

    for (unsigned turns = SERVICE_TURNS; turns; turns = last ? 0 : turns - 1) {
        lock_take(&q->lock);
        if (!d->dead)
            virtq_reap(q, &done);
        last = list_empty(&done) || turns == 1;
        while (last && !d->dead && virtq_ask(q))
            virtq_reap(q, &done);
        ails = d->dead ? NULL : vblk_ails(d, q);
        lock_drop(&q->lock);
        hal_requests_end(&done);
    }
    if (ails)
        vblk_die(d, ails);
}

static void vblk_poll(struct blk *b)
{
    struct vblk *d = container_of(b, struct vblk, blk);

    for (unsigned i = 0; i < d->nqueues; i++)
        queue_service(&d->queue[i]);
}

static void vblk_submit(struct blk *b, struct blk_req *r)
{
    struct vblk *d = container_of(b, struct vblk, blk);
    struct virtq *q = &d->queue[ground_cpu() % d->nused];
    err_t e = OK;

    if (blk_refuse(b, r))
        return;
    if (r->op == BLK_FLUSH && !(d->features & VIRTIO_BLK_F_FLUSH)) { /* the device has no write cache */
        r->done(r, OK);
        return;
    }
    lock_take(&q->lock);
    if (!d->dead) {
        virtq_submit(q, r);
        if (!r->more)
            virtq_kick(q);
    } else {
        e = ERR_IO;
    }
    lock_drop(&q->lock);
    if (e)
        r->done(r, e);
}

static void vblk_kick(struct blk *b)
{
    struct vblk *d = container_of(b, struct vblk, blk);
    struct virtq *q = &d->queue[ground_cpu() % d->nused];

    lock_take(&q->lock);
    if (!d->dead)
        virtq_kick(q);
    lock_drop(&q->lock);
}

static void vblk_pace(struct blk *b, enum blk_pace pace)
{
    struct vblk *d = container_of(b, struct vblk, blk);
    struct virtq *q = &d->queue[ground_cpu() % d->nused];

    lock_take(&q->lock);
    q->pace = pace;
    bool news = virtq_ask(q);
    lock_drop(&q->lock);
    if (news)
        queue_service(q);
}

static const struct blk_ops vblk_ops = { .submit = vblk_submit, .kick = vblk_kick, .poll = vblk_poll, .pace = vblk_pace };

/* --- set-up --- */

static err_t left_out(const struct vblk *v, const char *why, err_t e)
{
    ground_log("virtio-blk at %s: %s; it is left out", v->pci.name, why);
    return e;
}

/* The first capability of each kind that can be mapped counts (4.1.4). */
static void caps_map(struct vblk *v)
{
    const struct hal_pci_dev *pci = &v->pci;

    uint32_t cap = hal_pci_cap(pci, HAL_PCI_CAP_VENDOR, 0);

    for (unsigned n = 0; cap && n < HAL_PCI_CAPS_MAX; n++, cap = hal_pci_cap(pci, HAL_PCI_CAP_VENDOR, cap)) {
        uint32_t type = hal_pci_read(pci, cap) >> 24, bar = hal_pci_read(pci, cap + 4) & 0xFF;
        uint32_t off = hal_pci_read(pci, cap + 8), len = hal_pci_read(pci, cap + 12);

        if (type >= ARRAY_LEN(v->cfg) || v->cfg[type].base || hal_pci_map(pci, bar, off, len, &v->cfg[type]))
            continue;
        if (type == VIRTIO_CAP_NOTIFY)
            v->notify_multiplier = hal_pci_read(pci, cap + 16);
    }
}

static void status_add(const struct vblk *v, uint8_t bits)
{
    const struct mmio *c = &v->cfg[VIRTIO_CAP_COMMON];
    mmio_write8(c, VIRTIO_COMMON_STATUS, mmio_read8(c, VIRTIO_COMMON_STATUS) | bits);
}

static bool device_reset(const struct vblk *v)
{
    uint64_t start = ground_tsc();

    mmio_write8(&v->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_STATUS, 0);
    while (mmio_read8(&v->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_STATUS))
        if (ground_tsc_to_ns(ground_tsc() - start) > RESET_NS)
            return false;
    return true;
}

static bool features_agree(struct vblk *v)
{
    const struct mmio *c = &v->cfg[VIRTIO_CAP_COMMON];

    for (unsigned half = 0; half < 2; half++) {
        mmio_write32(c, VIRTIO_COMMON_DEVICE_FEATURE_SELECT, half);
        v->features |= (uint64_t)mmio_read32(c, VIRTIO_COMMON_DEVICE_FEATURE) << 32 * half;
    }
    v->features &= F_WANTED;
    for (unsigned half = 0; half < 2; half++) {
        mmio_write32(c, VIRTIO_COMMON_DRIVER_FEATURE_SELECT, half);
        mmio_write32(c, VIRTIO_COMMON_DRIVER_FEATURE, (uint32_t)(v->features >> 32 * half));
    }
    status_add(v, VIRTIO_FEATURES_OK);
    return v->features & VIRTIO_F_VERSION_1 && mmio_read8(c, VIRTIO_COMMON_STATUS) & VIRTIO_FEATURES_OK;
}

/* A field of the configuration that only exists if the feature does. */
static uint32_t config32(const struct vblk *v, uint64_t feature, size_t off, uint32_t otherwise)
{
    bool there = v->features & feature && off + 4 <= v->cfg[VIRTIO_CAP_DEVICE].len;
    return there ? mmio_read32(&v->cfg[VIRTIO_CAP_DEVICE], off) : otherwise;
}

static uint64_t capacity_read(const struct vblk *v)
{
    uint64_t sectors;
    uint8_t generation;

    do { /* a disk that is being resized must not give one half of each size; it is not resized for ever */
        generation = mmio_read8(&v->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_CONFIG_GENERATION);
        sectors = mmio_read64(&v->cfg[VIRTIO_CAP_DEVICE], CONFIG(capacity));
    } while (generation != mmio_read8(&v->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_CONFIG_GENERATION));
    return sectors;
}

/* What the configuration says about the disk. */
static err_t geometry_read(struct vblk *v)
{
    uint32_t block = config32(v, VIRTIO_BLK_F_BLK_SIZE, CONFIG(blk_size), BLK_SECTOR);
    uint32_t size_max = config32(v, VIRTIO_BLK_F_SIZE_MAX, CONFIG(size_max), UINT32_MAX);

    if (block < 512 || block > 4096 || block & (block - 1))
        return left_out(v, "its block size is not 512 to 4096 bytes", ERR_UNSUPPORTED);
    if (size_max < PAGE_SIZE)
        return left_out(v, "it cannot transfer a whole page", ERR_UNSUPPORTED);
    v->blk.ops = &vblk_ops;
    v->blk.block_size = block == 512 ? 512 : 4096;
    v->blk.sectors = align_down(capacity_read(v), v->blk.block_size / BLK_SECTOR);
    v->blk.max_segs = config32(v, VIRTIO_BLK_F_SEG_MAX, CONFIG(seg_max), 1);
    v->blk.max_bytes = min_u64(MAX_BYTES, align_down(size_max, PAGE_SIZE)); /* so no segment can be over size_max */
    v->blk.read_only = v->features & VIRTIO_BLK_F_RO;
    v->blk.can_discard =
        !v->blk.read_only && config32(v, VIRTIO_BLK_F_DISCARD, CONFIG(max_discard_sectors), 0) >= v->blk.block_size / BLK_SECTOR;
    if (!v->blk.sectors || !v->blk.max_segs)
        return left_out(v, "it has no blocks", ERR_UNSUPPORTED);
    return OK;
}

/* One queue at the device and in memory. */
static err_t queue_start(struct vblk *d, unsigned i)
{
    const struct mmio *c = &d->cfg[VIRTIO_CAP_COMMON];
    struct virtq *q = &d->queue[i];
    uint64_t notify;
    uint16_t size;
    hpa_t mem;
    err_t e;

    mmio_write16(c, VIRTIO_COMMON_QUEUE_SELECT, (uint16_t)i);
    size = mmio_read16(c, VIRTIO_COMMON_QUEUE_SIZE);
    notify = (uint64_t)mmio_read16(c, VIRTIO_COMMON_QUEUE_NOTIFY_OFF) * d->notify_multiplier;
    if (size < 4 || size & (size - 1) || notify + 2 > d->cfg[VIRTIO_CAP_NOTIFY].len)
        return ERR_UNSUPPORTED;
    mmio_write16(c, VIRTIO_COMMON_QUEUE_VECTOR, (uint16_t)i);
    if (mmio_read16(c, VIRTIO_COMMON_QUEUE_VECTOR) != i)
        return ERR_FULL;
    e = ground_pages_get(VIRTQ_ORDER, &mem);
    if (e)
        return e;
    q->owner = d;
    q->index = (uint16_t)i;
    q->doorbell = (volatile uint16_t *)(d->cfg[VIRTIO_CAP_NOTIFY].base + notify);
    q->discard_max = align_down(config32(d, VIRTIO_BLK_F_DISCARD, CONFIG(max_discard_sectors), 0), d->blk.block_size / BLK_SECTOR);
    d->blk.max_segs = (uint32_t)min_u64(
        d->blk.max_segs, virtq_init(q, hpa_ptr(mem), size, d->features & VIRTIO_F_INDIRECT_DESC, d->features & VIRTIO_F_EVENT_IDX));
    mmio_write16(c, VIRTIO_COMMON_QUEUE_SIZE, q->size);
    mmio_write64(c, VIRTIO_COMMON_QUEUE_DESC, hpa_of(q->mem->desc).v);
    mmio_write64(c, VIRTIO_COMMON_QUEUE_DRIVER, hpa_of(&q->mem->avail).v);
    mmio_write64(c, VIRTIO_COMMON_QUEUE_DEVICE, hpa_of(&q->mem->used).v);
    mmio_write16(c, VIRTIO_COMMON_QUEUE_ENABLE, 1);
    return OK;
}

static unsigned queues_wanted(struct vblk *v)
{
    unsigned n = 1, vectors = hal_pci_irq_init(&v->pci);

    if (v->features & VIRTIO_BLK_F_MQ && v->cfg[VIRTIO_CAP_DEVICE].len >= CONFIG(num_queues) + 2)
        n = mmio_read16(&v->cfg[VIRTIO_CAP_DEVICE], CONFIG(num_queues));
    n = (unsigned)min_u64(n, mmio_read16(&v->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_NUM_QUEUES));
    n = (unsigned)min_u64(n, ground_cpus());
    return (unsigned)min_u64(n, v->pci.msix ? vectors : 0); /* queues cannot use MSI (4.1.4.3) */
}

/* The device knows features and geometry: queues, memory, interrupts. */
static err_t disk_start(const struct vblk *v, unsigned nqueues, unsigned index)
{
    size_t bytes = sizeof *v + nqueues * sizeof v->queue[0];
    struct vblk *d = ground_alloc(bytes);
    char detail[48];
    err_t e = ERR_NOMEM;

    if (!d)
        return left_out(v, err_text(e), e);
    *d = *v;
    mmio_write16(&d->cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_CONFIG_VECTOR, VIRTIO_NO_VECTOR);
    for (; d->nqueues < nqueues; d->nqueues++) {
        e = queue_start(d, d->nqueues);
        if (e)
            goto put_queues;
    }
    e = hal_pci_irqs_start(&d->pci, queue_service, d->queue, sizeof d->queue[0], d->nqueues, &d->nused);
    if (e)
        goto put_queues;
    status_add(d, VIRTIO_DRIVER_OK);
    hal_disk_name(&d->blk, "vd", index);
    fmt_text(detail, sizeof detail, "virtio-blk, %u queue%s", d->nused, d->nused == 1 ? "" : "s");
    hal_disk_add(&d->blk, detail);
    return OK;
put_queues:
    hal_pci_stop(&d->pci);
    if (!device_reset(d))
        ground_log("virtio-blk at %s: does not stop", d->pci.name);
    while (d->nqueues)
        ground_pages_put(hpa_of(d->queue[--d->nqueues].mem), VIRTQ_ORDER);
    ground_free(d, bytes);
    return left_out(v, err_text(e), e);
}

err_t hal_virtio_blk_probe(const struct hal_pci_dev *pci, unsigned index)
{
    struct vblk v = { .pci = *pci };
    unsigned nqueues;
    err_t e;

    hal_pci_enable(&v.pci);
    caps_map(&v);
    if (v.cfg[VIRTIO_CAP_COMMON].len < VIRTIO_COMMON_BYTES || v.cfg[VIRTIO_CAP_NOTIFY].len < 2 || v.cfg[VIRTIO_CAP_DEVICE].len < 8)
        return left_out(&v, "it has no virtio 1.0 interface", ERR_UNSUPPORTED);
    if (!device_reset(&v))
        return left_out(&v, "it does not reset", ERR_IO);
    status_add(&v, VIRTIO_ACKNOWLEDGE);
    status_add(&v, VIRTIO_DRIVER);
    if (!features_agree(&v)) {
        e = left_out(&v, "it does not accept our features", ERR_UNSUPPORTED);
        goto fail;
    }
    e = geometry_read(&v);
    if (e)
        goto fail;
    nqueues = queues_wanted(&v);
    if (!nqueues) {
        e = left_out(&v, "it has no MSI-X interrupts", ERR_UNSUPPORTED);
        goto fail;
    }
    e = disk_start(&v, nqueues, index);
    if (!e)
        return OK;
fail:
    mmio_write8(&v.cfg[VIRTIO_CAP_COMMON], VIRTIO_COMMON_STATUS, VIRTIO_FAILED);
    hal_pci_stop(&v.pci);
    return e;
}
