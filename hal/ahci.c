/* Driver for SATA disks behind an AHCI controller; see ahci.h. Each port with a disk is one of its own (ahciport.c); they share the controller's
 * interrupt, on CPU 0. What the firmware has set up stays: its links are up, and starting them anew takes long. */
#include "hal/ahci.h"

#include "arch/x86/cpu.h"
#include "base/bytes.h"
#include "hal/ahciport.h"
#include "hal/disks.h"

/* Registers of the controller (3.1) and their bits. */
enum { REG_CAP = 0x00, REG_CONTROL = 0x04, REG_EVENTS = 0x08, REG_PORTS = 0x0C, REG_CAP2 = 0x24, REG_HANDOFF = 0x28, REG_END = 0x2C };
#define CAP_64BIT BIT(31)
#define CAP_QUEUED BIT(30)
#define CONTROL_AHCI BIT(31)
#define CONTROL_INTERRUPT BIT(1)
#define CAP2_HANDOFF BIT(0)
#define HANDOFF_FIRMWARE BIT(0)
#define HANDOFF_OURS BIT(1)

/* Of a port. */
enum { PORT_AT = 0x100, PORT_SIZE = 0x80, PORT_COMMAND = 0x18, PORT_SIGNATURE = 0x24, PORT_LINK = 0x28 };
#define COMMAND_POWER (BIT(1) | BIT(2)) /* spin up, power on */
#define LINK_DETECT 0xFu
#define LINK_UP 3u
#define SIGNATURE_DISK 0x101u

#define BAR 5u
#define PORTS 32u
#define HANDOFF_MS 2000u
#define LINK_MS 100u

struct ahci {
    struct hal_pci_dev pci;
    struct mmio regs;
    uint32_t cap, ports; /* ports: there are these */
    struct ahci_port *port[PORTS]; /* with a disk that works; else NULL */
};

/* --- requests -------------------------------------------------------------------------------------------------------------- */
/* The disk gets no more commands and every request ends. If it cannot be stopped, the whole controller is cut off from memory. */
static void port_die(struct ahci_port *p, const char *why)
{
    struct list done = LIST_INIT(done);

    lock_take(&p->lock);
    if (!p->dead) {
        p->dead = true;
        ground_log("%s: %s; it is given up", p->blk.name, why);
        if (!ahciport_stop(p))
            hal_pci_stop(&p->owner->pci);
        ahciport_abort(p, &done);
    }
    lock_drop(&p->lock);
    hal_requests_end(&done);
}

static void port_service(struct ahci_port *p)
{
    struct list done = LIST_INIT(done);
    const char *ails = NULL;

    lock_take(&p->lock);
    if (!p->dead) {
        uint32_t events = ahciport_events(p);
        mmio_write32(&p->owner->regs, REG_EVENTS, BIT(p->number));
        ails = ahciport_reap(p, events, &done) ? "it does not start again after an error" : ahciport_ails(p);
    }
    lock_drop(&p->lock);
    hal_requests_end(&done);
    if (ails)
        port_die(p, ails);
}

static void ahci_service(void *controller)
{
    const struct ahci *d = controller;

    for (unsigned i = 0; i < PORTS; i++)
        if (d->port[i])
            port_service(d->port[i]);
}

static void ahci_poll(struct blk *b) { port_service(container_of(b, struct ahci_port, blk)); }

static void ahci_submit(struct blk *b, struct blk_req *r)
{
    struct ahci_port *p = container_of(b, struct ahci_port, blk);
    err_t e = OK;

    if (blk_refuse(b, r))
        return;
    lock_take(&p->lock);
    if (p->dead)
        e = ERR_IO;
    else
        ahciport_submit(p, r);
    lock_drop(&p->lock);
    if (e)
        r->done(r, e);
}

static const struct blk_ops ahci_ops = { .submit = ahci_submit, .poll = ahci_poll };

/* --- a disk ------------------------------------------------------------------------------------------------------------------ */
/* Takes what IDENTIFY DEVICE said (ATA8-ACS 7.16). NULL, or why the disk cannot be used. */
static const char *disk_learn(struct ahci_port *p)
{
    const uint8_t *w = p->mem->data; /* of 16-bit words */
    uint64_t blocks = get_le64(w + 2 * 100) & (BIT64(48) - 1);
    bool sizes = get_le16(w + 2 * 106) >> 14 == 1 && get_le16(w + 2 * 106) & BIT(12);
    uint32_t size = sizes ? 2 * get_le32(w + 2 * 117) : BLK_SECTOR;

    if (!(get_le16(w + 2 * 83) & BIT(10)) || !blocks)
        return "it has no addresses of 48 bits";
    if (size != 512 && size != 4096)
        return "its blocks have neither 512 nor 4096 bytes";
    p->lba_shift = size == 4096 ? 3 : 0;
    p->queued = p->owner->cap & CAP_QUEUED && get_le16(w + 2 * 76) & BIT(8);
    p->slots = p->queued ? (unsigned)min_u64((p->owner->cap >> 8 & 31) + 1, (get_le16(w + 2 * 75) & 31u) + 1u) : 1;
    p->blk = (struct blk){ .ops = &ahci_ops,
                           .sectors = blocks << p->lba_shift,
                           .block_size = size,
                           .max_segs = AHCI_SEGS,
                           .max_bytes = AHCI_MAX_BYTES,
                           .can_discard = get_le16(w + 2 * 169) & 1 };
    return NULL;
}

static const char *disk_start(struct ahci_port *p)
{
    hpa_t mem;

    if (!ahciport_stop(p))
        return "it does not stop";
    if (ground_pages_get(AHCI_ORDER, &mem))
        return "out of memory";
    p->mem = hpa_ptr(mem);
    if (ahciport_start(p))
        return "it does not get ready";
    if (mmio_read32(&p->regs, PORT_SIGNATURE) != SIGNATURE_DISK)
        return "what is there is no disk";
    return ahciport_identify(p) ? "it does not say what it is" : disk_learn(p);
}

/* The port must not write to memory any more, or the controller must be off. */
static void port_free(struct ahci_port *p)
{
    if (p->mem)
        ground_pages_put(hpa_of(p->mem), AHCI_ORDER);
    ground_free(p, sizeof *p);
}

/* False: the port may still write to memory, so that the controller is to be switched off. */
static bool port_add(struct ahci *d, unsigned number)
{
    uint64_t at = PORT_AT + number * PORT_SIZE;
    struct ahci_port *p = ground_alloc(sizeof *p);
    const char *why = "out of memory";

    if (p) {
        p->owner = d;
        p->number = number;
        p->regs = (struct mmio){ .base = d->regs.base + at, .len = PORT_SIZE, .ops = d->regs.ops };
        list_init(&p->waiting);
        d->port[number] = p;
        why = disk_start(p);
    }
    if (!why)
        return true;
    ground_log("ahci at %s: port %u: %s; it is left out", d->pci.name, number, why);
    if (p && !ahciport_stop(p))
        return false;
    if (p)
        port_free(p);
    d->port[number] = NULL;
    return true;
}

/* --- the controller ------------------------------------------------------------------------------------------------------------ */
static uint32_t port_read(const struct ahci *d, unsigned port, uint64_t reg) { return mmio_read32(&d->regs, PORT_AT + port * PORT_SIZE + reg); }

/* Ports that nobody has powered yet take a while to find their disks. */
static void ports_power(const struct ahci *d)
{
    uint64_t begin = ground_tsc();
    bool news = false;

    for (unsigned i = 0; i < PORTS; i++) {
        uint32_t command = d->ports & BIT(i) ? port_read(d, i, PORT_COMMAND) : COMMAND_POWER;
        if ((command & COMMAND_POWER) == COMMAND_POWER)
            continue;
        mmio_write32(&d->regs, PORT_AT + i * PORT_SIZE + PORT_COMMAND, command | COMMAND_POWER);
        news = news || port_read(d, i, PORT_COMMAND) != command;
    }
    while (news && ground_tsc_to_ns(ground_tsc() - begin) < LINK_MS * 1000000)
        (void)mmio_read32(&d->regs, REG_PORTS); /* which drives the writes out to it, too */
}

/* Takes the controller from the firmware, if that runs it behind our back (10.6). */
static void handoff(const struct ahci *d)
{
    uint64_t begin = ground_tsc();

    if (!(mmio_read32(&d->regs, REG_CAP2) & CAP2_HANDOFF))
        return;
    mmio_write32(&d->regs, REG_HANDOFF, mmio_read32(&d->regs, REG_HANDOFF) | HANDOFF_OURS);
    while (mmio_read32(&d->regs, REG_HANDOFF) & HANDOFF_FIRMWARE && ground_tsc_to_ns(ground_tsc() - begin) < HANDOFF_MS * 1000000ull)
        cpu_pause();
}

static err_t registers_map(struct ahci *d)
{
    err_t e = hal_pci_map(&d->pci, BAR, 0, REG_END, &d->regs);

    if (e)
        return e;
    d->cap = mmio_read32(&d->regs, REG_CAP);
    d->ports = mmio_read32(&d->regs, REG_PORTS);
    if (d->ports == UINT32_MAX && d->cap == UINT32_MAX)
        return ERR_IO;
    return hal_pci_map(&d->pci, BAR, 0, PORT_AT + PORT_SIZE * (d->ports ? 32u - (unsigned)__builtin_clz(d->ports) : 0), &d->regs);
}

static err_t ahci_start(struct ahci *d, const char **why)
{
    unsigned disks = 0, used;

    *why = "its registers cannot be reached";
    hal_pci_enable(&d->pci);
    err_t e = registers_map(d);
    if (e)
        return e;
    *why = "it reaches only the first 4 GiB of memory";
    if (!(d->cap & CAP_64BIT))
        return ERR_UNSUPPORTED;
    handoff(d);
    mmio_write32(&d->regs, REG_CONTROL, CONTROL_AHCI);
    ports_power(d);
    *why = "a port does not stop";
    for (unsigned i = 0; i < PORTS; i++) {
        if (!(d->ports & BIT(i)) || (port_read(d, i, PORT_LINK) & LINK_DETECT) != LINK_UP)
            continue;
        if (!port_add(d, i))
            return ERR_IO;
        disks += d->port[i] != NULL;
    }
    *why = "no disk";
    if (!disks)
        return ERR_NOTFOUND;
    *why = "it cannot interrupt";
    e = hal_pci_irq_init(&d->pci) ? hal_pci_irqs_start(&d->pci, ahci_service, d, 0, 1, &used) : ERR_UNSUPPORTED;
    if (!e)
        mmio_write32(&d->regs, REG_CONTROL, CONTROL_AHCI | CONTROL_INTERRUPT);
    return e;
}

static void ahci_free(struct ahci *d)
{
    hal_pci_stop(&d->pci); /* from here on it writes to no memory of ours, whatever it does */
    for (unsigned i = 0; i < PORTS; i++)
        if (d->port[i])
            port_free(d->port[i]);
    ground_free(d, sizeof *d);
}

err_t hal_ahci_probe(const struct hal_pci_dev *pci, unsigned)
{
    struct ahci *d = ground_alloc(sizeof *d);
    const char *why = "out of memory";
    unsigned name = 0;
    char detail[40];
    err_t e = ERR_NOMEM;

    if (d) {
        d->pci = *pci;
        e = ahci_start(d, &why);
    }
    if (e) {
        if (e != ERR_NOTFOUND) /* a controller without disks is nothing to tell about */
            ground_log("ahci at %s: %s (%s); it is left out", pci->name, why, err_text(e));
        if (d)
            ahci_free(d);
        return e;
    }
    for (unsigned i = 0; i < PORTS; i++) {
        struct ahci_port *p = d->port[i];
        if (!p)
            continue;
        do
            hal_disk_name(&p->blk, "sd", name++);
        while (blk_find(p->blk.name)); /* of another controller */
        fmt_text(detail, sizeof detail, "SATA at port %u, %u command%s at a time", i, p->slots, p->slots == 1 ? "" : "s");
        hal_disk_add(&p->blk, detail);
    }
    return OK;
}
