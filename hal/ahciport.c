/* A port of an AHCI controller; see ahciport.h. */
#include "hal/ahciport.h"

#include "arch/x86/cpu.h"
#include "base/bytes.h"
#include "base/str.h"
#include "hal/disks.h"

/* Registers of a port (AHCI 3.3) and their bits. */
enum {
    REG_LIST = 0x00, REG_RECEIVED = 0x08, REG_EVENTS = 0x10, REG_ENABLED = 0x14, REG_COMMAND = 0x18, REG_TASK = 0x20,
    REG_LINK = 0x28, REG_LINK_CONTROL = 0x2C, REG_LINK_ERRORS = 0x30, REG_QUEUED = 0x34, REG_ISSUED = 0x38
};
#define COMMAND_START BIT(0)
#define COMMAND_RECEIVE BIT(4)
#define COMMAND_RECEIVES BIT(14)
#define COMMAND_RUNS BIT(15)
#define EVENTS_DONE (BIT(0) | BIT(1) | BIT(2) | BIT(3)) /* each kind of FIS that ends a command */
#define EVENTS_FAILED (BIT(27) | BIT(28) | BIT(29) | BIT(30))
#define TASK_BUSY 0x88u               /* BSY, DRQ */
#define LINK_UP 3u
#define LINK_DETECT 0xFu
#define CONTROL_RESET 1u

enum { ATA_DSM = 0x06, ATA_READ = 0x25, ATA_WRITE = 0x35, ATA_READ_QUEUED = 0x60, ATA_WRITE_QUEUED = 0x61, ATA_FLUSH = 0xEA, ATA_IDENTIFY = 0xEC };
#define DSM_TRIM 1u
#define DEVICE_LBA 0x40u
#define FIS_TO_DEVICE 0x27u
#define FIS_COMMAND 0x80u
#define FIS_DWORDS 5u
#define HEADER_WRITE BIT(6)
#define TRIM_RANGES (BLK_SECTOR / 8)
#define TRIM_RANGE 0xFFFFu /* blocks in one */

#define STOP_MS 500u
#define LINK_MS 1000u
#define SOON_MS 1000u
#define READY_MS 10000u /* a disk with a motor may have to start it */
#define IDENTIFY_MS 5000u

/* --- the port ------------------------------------------------------------------------------------------------------------ */
static bool wait_for(const struct ahci_port *p, unsigned reg, uint32_t mask, uint32_t value, uint64_t ms)
{
    uint64_t begin = ground_tsc();

    while ((mmio_read32(&p->regs, reg) & mask) != value) {
        if (ground_tsc_to_ns(ground_tsc() - begin) > ms * 1000000)
            return false;
        cpu_pause();
    }
    return true;
}

static void command_set(const struct ahci_port *p, uint32_t clear, uint32_t set)
{
    mmio_write32(&p->regs, REG_COMMAND, (mmio_read32(&p->regs, REG_COMMAND) & ~clear) | set);
}

bool ahciport_stop(const struct ahci_port *p)
{
    mmio_write32(&p->regs, REG_ENABLED, 0);
    command_set(p, COMMAND_START, 0);
    if (!wait_for(p, REG_COMMAND, COMMAND_RUNS, 0, STOP_MS))
        return false;
    command_set(p, COMMAND_RECEIVE, 0);
    return wait_for(p, REG_COMMAND, COMMAND_RECEIVES, 0, STOP_MS);
}

/* The link goes down for a millisecond, at which the disk forgets all it was doing. */
static bool link_reset(const struct ahci_port *p)
{
    uint32_t control = mmio_read32(&p->regs, REG_LINK_CONTROL) & ~LINK_DETECT;
    uint64_t begin = ground_tsc();

    mmio_write32(&p->regs, REG_LINK_CONTROL, control | CONTROL_RESET);
    while (ground_tsc_to_ns(ground_tsc() - begin) < 1000000)
        (void)mmio_read32(&p->regs, REG_LINK_CONTROL); /* which drives the write out to it, too */
    mmio_write32(&p->regs, REG_LINK_CONTROL, control);
    return wait_for(p, REG_LINK, LINK_DETECT, LINK_UP, LINK_MS);
}

err_t ahciport_start(const struct ahci_port *p)
{
    mmio_write64(&p->regs, REG_LIST, hpa_of(p->mem->list).v);
    mmio_write64(&p->regs, REG_RECEIVED, hpa_of(p->mem->received).v);
    command_set(p, 0, COMMAND_RECEIVE);
    if (!wait_for(p, REG_TASK, TASK_BUSY, 0, SOON_MS) && (!link_reset(p) || !wait_for(p, REG_TASK, TASK_BUSY, 0, READY_MS)))
        return ERR_IO;
    mmio_write32(&p->regs, REG_LINK_ERRORS, UINT32_MAX);
    mmio_write32(&p->regs, REG_EVENTS, UINT32_MAX);
    command_set(p, 0, COMMAND_START);
    mmio_write32(&p->regs, REG_ENABLED, EVENTS_DONE | EVENTS_FAILED);
    return OK;
}

/* --- commands -------------------------------------------------------------------------------------------------------------- */
/* Fills the slot in and gives it to the disk. Of a queued command count is the tag, and features are what count is of others. */
static void issue(struct ahci_port *p, unsigned slot, uint8_t command, uint64_t lba, uint32_t features, uint32_t count, uint32_t nseg)
{
    struct ahci_table *t = &p->mem->table[slot];
    bool writes = command == ATA_WRITE || command == ATA_WRITE_QUEUED || command == ATA_DSM;
    uint8_t *f = t->fis;

    memset(f, 0, sizeof t->fis);
    put_le64(f + 4, (lba & 0xFFFFFF) | (uint64_t)(lba >> 24) << 32);
    f[0] = FIS_TO_DEVICE;
    f[1] = FIS_COMMAND;
    f[2] = command;
    f[3] = (uint8_t)features;
    f[7] = DEVICE_LBA;
    f[11] = (uint8_t)(features >> 8);
    put_le16(f + 12, (uint16_t)count);
    p->mem->list[slot] = (struct ahci_header){ .info = FIS_DWORDS | (writes ? HEADER_WRITE : 0) | nseg << 16, .table = hpa_of(t).v };
    atomic_thread_fence(memory_order_seq_cst); /* the command before the doorbells */
    if (command == ATA_READ_QUEUED || command == ATA_WRITE_QUEUED)
        mmio_write32(&p->regs, REG_QUEUED, BIT(slot));
    mmio_write32(&p->regs, REG_ISSUED, BIT(slot));
}

static void seg_set(struct ahci_port *p, unsigned slot, uint32_t i, uint64_t pa, uint32_t len)
{
    p->mem->table[slot].seg[i] = (struct ahci_seg){ .pa = pa, .last = len - 1 };
}

err_t ahciport_identify(struct ahci_port *p)
{
    seg_set(p, 0, 0, hpa_of(p->mem->data).v, BLK_SECTOR);
    issue(p, 0, ATA_IDENTIFY, 0, 0, 0, 1);
    if (!wait_for(p, REG_ISSUED, BIT(0), 0, IDENTIFY_MS) || mmio_read32(&p->regs, REG_EVENTS) & EVENTS_FAILED)
        return ERR_IO;
    mmio_write32(&p->regs, REG_EVENTS, UINT32_MAX);
    return OK;
}

/* How many sectors the request's next command discards. */
static uint64_t trim_sectors(const struct ahci_port *p, const struct blk_req *r)
{
    return min_u64(r->nsectors - r->drv[0], (uint64_t)TRIM_RANGES * TRIM_RANGE << p->lba_shift);
}

static void trim(struct ahci_port *p, unsigned slot, const struct blk_req *r)
{
    uint64_t at = (r->sector + r->drv[0]) >> p->lba_shift, left = trim_sectors(p, r) >> p->lba_shift;

    for (unsigned i = 0; i < TRIM_RANGES; i++) { /* those of length 0 count for nothing */
        uint64_t n = min_u64(left, TRIM_RANGE);
        put_le64(p->mem->data + 8 * i, n << 48 | at);
        at += n;
        left -= n;
    }
    seg_set(p, slot, 0, hpa_of(p->mem->data).v, BLK_SECTOR);
    issue(p, slot, ATA_DSM, 0, DSM_TRIM, 1, 1);
}

static void transfer(struct ahci_port *p, unsigned slot, const struct blk_req *r)
{
    uint64_t lba = r->sector >> p->lba_shift, bytes = 0;
    uint32_t blocks;

    for (uint32_t i = 0; i < r->nseg; i++) {
        seg_set(p, slot, i, r->seg[i].pa.v, r->seg[i].len);
        bytes += r->seg[i].len;
    }
    blocks = (uint32_t)(bytes / p->blk.block_size);
    if (p->alone)
        issue(p, slot, r->op == BLK_WRITE ? ATA_WRITE : ATA_READ, lba, 0, blocks, r->nseg);
    else
        issue(p, slot, r->op == BLK_WRITE ? ATA_WRITE_QUEUED : ATA_READ_QUEUED, lba, blocks, slot << 3, r->nseg);
}

static void start(struct ahci_port *p, struct blk_req *r)
{
    unsigned slot = (unsigned)__builtin_ctz(~p->busy);

    if (!p->busy)
        p->progress = ground_tsc();
    p->busy |= BIT(slot);
    p->req[slot] = r;
    if (r->op == BLK_DISCARD)
        trim(p, slot, r);
    else if (r->op == BLK_FLUSH)
        issue(p, slot, ATA_FLUSH, 0, 0, 0, 0);
    else
        transfer(p, slot, r);
}

/* Starts what can be: a command that is not a queued one has the disk for itself. */
static void go_on(struct ahci_port *p)
{
    while (!list_empty(&p->waiting)) {
        struct blk_req *r = container_of(p->waiting.next, struct blk_req, link);
        bool alone = !p->queued || p->careful || r->op == BLK_FLUSH || r->op == BLK_DISCARD;

        if (p->busy && (alone || p->alone || p->busy == UINT32_MAX >> (32 - p->slots)))
            return;
        list_remove(&r->link);
        p->alone = alone;
        start(p, r);
    }
}

void ahciport_submit(struct ahci_port *p, struct blk_req *r)
{
    r->drv[0] = 0;
    list_push_back(&p->waiting, &r->link);
    go_on(p);
}

static void take(struct ahci_port *p, unsigned slot, err_t e, struct list *done)
{
    struct blk_req *r = p->req[slot];

    p->busy &= ~BIT(slot);
    p->careful -= p->careful > 0;
    p->progress = ground_tsc();
    if (r->op == BLK_DISCARD && !e) {
        r->drv[0] += trim_sectors(p, r);
        if (r->drv[0] < r->nsectors) {
            list_insert_before(p->waiting.next, &r->link); /* the next part */
            return;
        }
    }
    r->drv[1] = e;
    list_push_back(done, &r->link);
}

/* The disk has dropped whatever it was doing. A command that was alone has failed; queued ones go once more, each alone. */
static err_t recover(struct ahci_port *p, struct list *done)
{
    if (!ahciport_stop(p) || !link_reset(p))
        return ERR_IO;
    for (unsigned slot = AHCI_SLOTS; slot-- > 0;) {
        if (!(p->busy & BIT(slot)))
            continue;
        if (p->alone) {
            take(p, slot, ERR_IO, done);
        } else {
            list_insert_before(p->waiting.next, &p->req[slot]->link);
            p->careful++;
        }
    }
    p->busy = 0;
    return ahciport_start(p);
}

uint32_t ahciport_events(const struct ahci_port *p)
{
    uint32_t events = mmio_read32(&p->regs, REG_EVENTS);

    mmio_write32(&p->regs, REG_EVENTS, events);
    return events;
}

err_t ahciport_reap(struct ahci_port *p, uint32_t events, struct list *done)
{
    uint32_t finished = p->busy & ~(mmio_read32(&p->regs, REG_ISSUED) | mmio_read32(&p->regs, REG_QUEUED));

    if (events & EVENTS_FAILED && p->alone)
        finished = 0;
    for (unsigned slot = 0; slot < AHCI_SLOTS; slot++)
        if (finished & BIT(slot))
            take(p, slot, OK, done);
    if (events & EVENTS_FAILED && recover(p, done))
        return ERR_IO;
    go_on(p);
    return OK;
}

void ahciport_abort(struct ahci_port *p, struct list *done)
{
    for (unsigned slot = 0; slot < AHCI_SLOTS; slot++)
        if (p->busy & BIT(slot))
            list_push_back(&p->waiting, &p->req[slot]->link);
    p->busy = 0;
    for (struct list *l; (l = list_pop_front(&p->waiting));) {
        container_of(l, struct blk_req, link)->drv[1] = ERR_IO;
        list_push_back(done, l);
    }
}

const char *ahciport_ails(const struct ahci_port *p)
{
    uint64_t idle = p->busy ? ground_tsc_to_ns(ground_tsc() - p->progress) : 0;

    if (idle >= HAL_DISK_TIMEOUT_NS)
        return "no answer for 30 s";
    if (idle >= HAL_DISK_SUSPECT_NS && (mmio_read32(&p->regs, REG_LINK) & LINK_DETECT) != LINK_UP)
        return "it is no longer there";
    return NULL;
}
