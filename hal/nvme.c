/* Driver for NVMe disks; see nvme.h. Commands to the admin queue are made one at a time and waited for by polling; I/O
 * goes through one queue pair per CPU (nvmeq.c), as far as the controller has as many. */
#include "hal/nvme.h"

#include "arch/x86/cpu.h"
#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"
#include "hal/disks.h"
#include "hal/nvmeq.h"

/* Controller registers (3.1) and their bits. */
enum {
    REG_CAP = 0x00,
    REG_CONFIG = 0x14,
    REG_STATUS = 0x1C,
    REG_ADMIN_SIZES = 0x24,
    REG_ADMIN_SQ = 0x28,
    REG_ADMIN_CQ = 0x30,
    REG_DOORBELLS = 0x1000
};
#define CONFIG_ENABLE 1u
#define CONFIG_ENTRY_SIZES (6u << 16 | 4u << 20) /* 64-byte commands, 16-byte completions */
#define STATUS_READY 1u
#define STATUS_FATAL 2u

enum { ADMIN_CREATE_SQ = 1, ADMIN_CREATE_CQ = 5, ADMIN_IDENTIFY = 6, ADMIN_SET_FEATURES = 9 };
enum { IDENTIFY_NAMESPACE = 0, IDENTIFY_CONTROLLER = 1, IDENTIFY_ACTIVE = 2 };
#define FEATURE_QUEUES 7u

#define ADMIN_DEPTH 16u
#define ADMIN_NS 5000000000ull
#define NAMESPACES_MAX 16u

/* One run of pages while the driver lives. */
struct admin_mem {
    ALIGNED(4096) struct nvme_cmd sq[ADMIN_DEPTH];
    ALIGNED(4096) struct nvme_cpl cq[ADMIN_DEPTH];
    ALIGNED(4096) uint8_t data[PAGE_SIZE];   /* of the identify command */
    ALIGNED(4096) uint8_t active[PAGE_SIZE]; /* ids of the active namespaces */
};

struct nvme_ns {
    struct blk blk;
    struct nvme *owner;
    struct nvmeq_ns id;
};

struct nvme {
    struct hal_pci_dev pci;
    struct mmio regs, doorbells;
    uint64_t cap;
    size_t bytes; /* of this struct, for ground_free() */
    struct admin_mem *admin;
    uint16_t admin_tail, admin_head, admin_phase;
    /* of the controller */
    uint64_t max_bytes;
    uint32_t namespaces;
    bool has_cache, can_discard;
    _Atomic bool dead;
    struct nvme_ns ns[NAMESPACES_MAX];
    unsigned nns;
    unsigned nqueues; /* created at the controller */
    unsigned nused;   /* of them in use: those that have an interrupt */
    struct nvmeq queue[];
};

/* --- requests --- */

/* The controller has failed: nothing more reaches it, and every request ends. */
static void nvme_die(struct nvme *d, const char *why)
{
    struct list done = LIST_INIT(done);

    if (atomic_exchange(&d->dead, true))
        return;
    ground_log("%s: %s; the controller is given up", d->ns[0].blk.name, why);
    hal_pci_stop(&d->pci);
    mmio_write32(&d->regs, REG_CONFIG, 0);
    for (unsigned i = 0; i < d->nqueues; i++) {
        struct nvmeq *q = &d->queue[i];

        lock_take(&q->lock);
        nvmeq_abort(q, &done);
        lock_drop(&q->lock);
    }
    hal_requests_end(&done);
}

/* NULL while all is well. Under q->lock. */
static const char *nvme_ails(const struct nvme *d, const struct nvmeq *q)
{
    uint64_t idle = nvmeq_idle_ns(q);
    uint32_t status;

    if (q->broken)
        return "the controller completed a command nobody gave";
    if (idle < HAL_DISK_SUSPECT_NS)
        return NULL;
    if (idle >= HAL_DISK_TIMEOUT_NS)
        return "no answer for 30 s";
    status = mmio_read32(&d->regs, REG_STATUS); /* all ones: it is no longer there */
    return status & STATUS_FATAL || !(status & STATUS_READY) ? "the controller reports a fatal failure" : NULL;
}

static void queue_service(void *queue)
{
    struct nvmeq *q = queue;
    struct nvme *d = q->owner;
    struct list done = LIST_INIT(done);
    const char *ails;

    lock_take(&q->lock);
    if (!d->dead)
        nvmeq_reap(q, &done);
    ails = d->dead ? NULL : nvme_ails(d, q);
    lock_drop(&q->lock);
    hal_requests_end(&done);
    if (ails)
        nvme_die(d, ails);
}

static void nvme_poll(struct blk *b)
{
    struct nvme *d = container_of(b, struct nvme_ns, blk)->owner;

    for (unsigned i = 0; i < d->nqueues; i++)
        queue_service(&d->queue[i]);
}

static void nvme_submit(struct blk *b, struct blk_req *r)
{
    struct nvme_ns *ns = container_of(b, struct nvme_ns, blk);
    struct nvme *d = ns->owner;
    struct nvmeq *q = &d->queue[ground_cpu() % d->nused];
    err_t e = OK;

    if (blk_refuse(b, r))
        return;
    if (r->op == BLK_FLUSH && !d->has_cache) {
        r->done(r, OK);
        return;
    }
    lock_take(&q->lock);
    if (!d->dead) {
        nvmeq_submit(q, &ns->id, r);
        if (!r->more)
            nvmeq_kick(q);
    } else {
        e = ERR_IO;
    }
    lock_drop(&q->lock);
    if (e)
        r->done(r, e);
}

static void nvme_kick(struct blk *b)
{
    struct nvme *d = container_of(b, struct nvme_ns, blk)->owner;
    struct nvmeq *q = &d->queue[ground_cpu() % d->nused];

    lock_take(&q->lock);
    if (!d->dead)
        nvmeq_kick(q);
    lock_drop(&q->lock);
}

static const struct blk_ops nvme_ops = { .submit = nvme_submit, .kick = nvme_kick, .poll = nvme_poll };

/* --- the controller --- */

static uint32_t doorbell_offset(const struct nvme *d, unsigned queue, bool completion)
{
    return (2 * queue + completion) * (4u << (d->cap >> 32 & 0xF));
}

/* Waits for CSTS.RDY to be as asked. The controller says how long that may take, in units of 500 ms. */
static err_t ready_wait(const struct nvme *d, uint32_t ready)
{
    uint64_t limit = (1 + (d->cap >> 24 & 0xFF)) * 500000000, begin = ground_tsc();

    for (;;) {
        uint32_t status = mmio_read32(&d->regs, REG_STATUS);

        if (status == UINT32_MAX || (ready && status & STATUS_FATAL))
            return ERR_IO;
        if ((status & STATUS_READY) == ready)
            return OK;
        if (ground_tsc_to_ns(ground_tsc() - begin) > limit)
            return ERR_IO;
        cpu_pause();
    }
}

/* One admin command, waited for; *result is dword 0 of its completion, may be NULL. */
static err_t admin(struct nvme *d, struct nvme_cmd c, uint32_t *result)
{
    struct nvme_cpl *cpl = &d->admin->cq[d->admin_head];
    uint64_t begin = ground_tsc();
    uint16_t status;

    c.cdw0 |= (uint32_t)d->admin_tail << 16;
    d->admin->sq[d->admin_tail] = c;
    d->admin_tail = (uint16_t)((d->admin_tail + 1) % ADMIN_DEPTH);
    atomic_thread_fence(memory_order_seq_cst);
    mmio_write32(&d->doorbells, doorbell_offset(d, 0, false), d->admin_tail);
    for (;;) {
        status = atomic_load_explicit(&cpl->status, memory_order_acquire);
        if ((status & 1) == d->admin_phase)
            break;
        if (mmio_read32(&d->regs, REG_STATUS) & STATUS_FATAL || ground_tsc_to_ns(ground_tsc() - begin) > ADMIN_NS)
            return ERR_IO;
        cpu_pause();
    }
    if (result)
        *result = cpl->dw0;
    d->admin_head = (uint16_t)((d->admin_head + 1) % ADMIN_DEPTH);
    d->admin_phase ^= d->admin_head == 0;
    mmio_write32(&d->doorbells, doorbell_offset(d, 0, true), d->admin_head);
    return status >> 1 & 0x7FF ? ERR_IO : OK;
}

static err_t identify(struct nvme *d, uint32_t what, uint32_t nsid, void *page)
{
    struct nvme_cmd c = { .cdw0 = ADMIN_IDENTIFY, .nsid = nsid, .prp1 = hpa_of(page).v, .cdw10 = what };

    memset(page, 0, PAGE_SIZE);
    return admin(d, c, NULL);
}

/* Resets the controller and sets up its admin queue. *why says what is wrong. */
static err_t controller_start(struct nvme *d, const char **why)
{
    *why = "it has no NVM command set or no 4 KiB pages";
    if (!(d->cap >> 37 & 1) || d->cap >> 48 & 0xF)
        return ERR_UNSUPPORTED;
    *why = "it does not stop";
    mmio_write32(&d->regs, REG_CONFIG, 0);
    if (ready_wait(d, 0))
        return ERR_IO;
    *why = "it does not start";
    memset(d->admin, 0, sizeof *d->admin);
    d->admin_phase = 1;
    mmio_write32(&d->regs, REG_ADMIN_SIZES, (ADMIN_DEPTH - 1) << 16 | (ADMIN_DEPTH - 1));
    mmio_write64(&d->regs, REG_ADMIN_SQ, hpa_of(d->admin->sq).v);
    mmio_write64(&d->regs, REG_ADMIN_CQ, hpa_of(d->admin->cq).v);
    mmio_write32(&d->regs, REG_CONFIG, CONFIG_ENTRY_SIZES | CONFIG_ENABLE);
    return ready_wait(d, STATUS_READY);
}

static err_t controller_identify(struct nvme *d)
{
    const uint8_t *p = d->admin->data;
    err_t e = identify(d, IDENTIFY_CONTROLLER, 0, d->admin->data);
    uint8_t mdts = p[77]; /* as a power of two, of 4 KiB pages; 0: no limit */

    if (e)
        return e;
    d->max_bytes = mdts && mdts < 16 ? min_u64(NVMEQ_MAX_BYTES, (uint64_t)PAGE_SIZE << mdts) : NVMEQ_MAX_BYTES;
    d->namespaces = get_le32(p + 516);
    d->can_discard = p[520] & BIT(2);
    d->has_cache = p[525] & 1;
    return OK;
}

/* Takes a namespace if its format is one we can use. */
static void namespace_take(struct nvme *d, uint32_t nsid)
{
    const uint8_t *p = d->admin->data, *format;
    struct nvme_ns *ns = &d->ns[d->nns];
    uint64_t blocks;

    if (identify(d, IDENTIFY_NAMESPACE, nsid, d->admin->data) || !get_le64(p))
        return;
    blocks = get_le64(p);
    format = p + 128 + 4 * (p[26] & 0xF);
    if ((format[2] != 9 && format[2] != 12) || get_le16(format) || blocks > UINT64_MAX / 4096) {
        ground_log("nvme at %s: namespace %u has 2^%u-byte blocks and %u bytes of metadata; it is left out",
                   d->pci.name, nsid, format[2], get_le16(format));
        return;
    }
    ns->owner = d;
    ns->id = (struct nvmeq_ns){ .nsid = nsid, .lba_shift = format[2] - 9u };
    ns->blk = (struct blk){ .ops = &nvme_ops,
                            .sectors = blocks << ns->id.lba_shift,
                            .block_size = 1u << format[2],
                            .max_segs = NVMEQ_MAX_SEGS,
                            .max_bytes = d->max_bytes,
                            .read_only = p[99] & 1,
                            .can_discard = d->can_discard && !(p[99] & 1) };
    d->nns++;
}

static void namespaces_find(struct nvme *d)
{
    uint8_t *active = d->admin->active;
    bool listed = !identify(d, IDENTIFY_ACTIVE, 0, active); /* since 1.1 */

    for (uint32_t i = 0; i < PAGE_SIZE / 4; i++) {
        uint32_t nsid = listed ? get_le32(active + 4 * i) : i < d->namespaces ? i + 1 : 0;

        if (!nsid)
            return;
        if (d->nns == NAMESPACES_MAX) {
            ground_log("nvme at %s: only %u namespaces are used", d->pci.name, NAMESPACES_MAX);
            return;
        }
        namespace_take(d, nsid);
    }
}

/* --- I/O queues --- */

/* Tells the controller about a queue pair: both contiguous, interrupting by vector id - 1. */
static err_t queue_create(struct nvme *d, const struct nvmeq *q)
{
    uint32_t size = (q->depth - 1u) << 16, id = q->id;
    struct nvme_cmd cq = { .cdw0 = ADMIN_CREATE_CQ, .prp1 = hpa_of(q->mem->cq).v };
    struct nvme_cmd sq = { .cdw0 = ADMIN_CREATE_SQ, .prp1 = hpa_of(q->mem->sq).v };
    err_t e;

    cq.cdw10 = sq.cdw10 = size | id;
    cq.cdw11 = (id - 1) << 16 | 3;
    sq.cdw11 = id << 16 | 1; /* the completion queue it uses */
    e = admin(d, cq, NULL);
    return e ? e : admin(d, sq, NULL);
}

static err_t queue_start(struct nvme *d, unsigned i)
{
    struct nvmeq *q = &d->queue[i];
    unsigned depth = (unsigned)min_u64(NVMEQ_DEPTH, (d->cap & 0xFFFF) + 1);
    uint32_t id = i + 1;
    hpa_t mem;
    err_t e;

    if (depth < 2)
        return ERR_UNSUPPORTED;
    e = ground_pages_get(NVMEQ_ORDER, &mem);
    if (e)
        return e;
    nvmeq_init(q, hpa_ptr(mem), depth);
    q->owner = d;
    q->id = (uint16_t)id;
    q->sq_doorbell = (volatile uint32_t *)(d->doorbells.base + doorbell_offset(d, id, false));
    q->cq_doorbell = (volatile uint32_t *)(d->doorbells.base + doorbell_offset(d, id, true));
    e = queue_create(d, q);
    d->nqueues++; /* its memory is freed with the others', once the controller has stopped */
    return e;
}

static err_t queues_start(struct nvme *d)
{
    unsigned wanted = (unsigned)min_u64(ground_cpus(), hal_pci_irq_init(&d->pci));
    struct nvme_cmd c = { .cdw0 = ADMIN_SET_FEATURES, .cdw10 = FEATURE_QUEUES };
    uint32_t got = 0; /* granted: as in cdw11 */
    err_t e;

    if (!wanted)
        return ERR_UNSUPPORTED;
    c.cdw11 = (wanted - 1) << 16 | (wanted - 1);
    e = admin(d, c, &got);
    wanted = (unsigned)min_u64(wanted, min_u64(got & 0xFFFF, got >> 16) + 1);
    while (!e && d->nqueues < wanted)
        e = queue_start(d, d->nqueues);
    return e;
}

/* --- start and end --- */

static void nvme_free(struct nvme *d)
{
    hal_pci_stop(&d->pci); /* from here on it writes to no memory of ours, whatever it does */
    if (d->regs.base)
        mmio_write32(&d->regs, REG_CONFIG, 0);
    while (d->nqueues)
        ground_pages_put(hpa_of(d->queue[--d->nqueues].mem), NVMEQ_ORDER);
    ground_free(d->admin, sizeof *d->admin);
    ground_free(d, d->bytes);
}

static err_t nvme_start(struct nvme *d, const char **why)
{
    err_t e;

    *why = "its registers cannot be reached";
    hal_pci_enable(&d->pci);
    e = hal_pci_map(&d->pci, 0, 0, REG_DOORBELLS, &d->regs);
    if (e)
        return e;
    d->cap = mmio_read64(&d->regs, REG_CAP);
    e = hal_pci_map(&d->pci, 0, REG_DOORBELLS, doorbell_offset(d, ground_cpus() + 1, false), &d->doorbells);
    if (e)
        return e;
    *why = "out of memory";
    d->admin = ground_alloc(sizeof *d->admin);
    if (!d->admin)
        return ERR_NOMEM;
    e = controller_start(d, why);
    if (e)
        return e;
    *why = "it does not say what it is";
    e = controller_identify(d);
    if (e)
        return e;
    *why = "it has no namespace that can be used";
    namespaces_find(d);
    if (!d->nns)
        return ERR_NOTFOUND;
    *why = "its queues cannot be made";
    e = queues_start(d);
    if (e)
        return e;
    *why = "it cannot interrupt";
    return hal_pci_irqs_start(&d->pci, queue_service, d->queue, sizeof d->queue[0], d->nqueues, &d->nused);
}

err_t hal_nvme_probe(const struct hal_pci_dev *pci, unsigned index)
{
    size_t bytes = sizeof(struct nvme) + ground_cpus() * sizeof(struct nvmeq);
    struct nvme *d = ground_alloc(bytes);
    const char *why = "out of memory";
    char detail[32];
    err_t e = ERR_NOMEM;

    if (d) {
        d->pci = *pci;
        d->bytes = bytes;
        e = nvme_start(d, &why);
    }
    if (e) {
        ground_log("nvme at %s: %s (%s); it is left out", pci->name, why, err_text(e));
        if (d)
            nvme_free(d);
        return e;
    }
    fmt_text(detail, sizeof detail, "NVMe, %u queue%s", d->nused, d->nused == 1 ? "" : "s");
    for (unsigned i = 0; i < d->nns; i++) {
        fmt_text(d->ns[i].blk.name, sizeof d->ns[i].blk.name, "nvme%un%u", index, d->ns[i].id.nsid);
        hal_disk_add(&d->ns[i].blk, detail);
    }
    return OK;
}
