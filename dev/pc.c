/* The virtual PC: dev/pc.h. Devices never leave it singly: when it ends, its buses are emptied. */
#include "dev/pc.h"

#include "base/fmt.h"
#include "base/str.h"
#include "boot/linux.h"
#include "dev/acpi.h"
#include "dev/ioapic.h"
#include "dev/pc_map.h"
#include "dev/pci.h"
#include "dev/power.h"
#include "dev/serial.h"
#include "dev/virtio/9p.h"
#include "dev/virtio/blk.h"
#include "dev/virtio/console.h"
#include "dev/virtio/rng.h"
#include "ground/ground.h"
#include "io/blk.h"
#include "vm/start.h"

_Static_assert(ACPI_MAX <= LINUX_AREA_SIZE, "one scratch buffer serves both");

#define SLOT_DISKS 1u /* the first disk's; slot 0 is the host bridge */

struct pc {
    struct vm *vm;
    unsigned ndisks, nshares; /* made so far */
    struct ioapic ioapic;
    struct serial serial;
    struct power power;
    struct pci_host pci;
    struct virtio_blk blk[VM_DISKS_MAX];
    struct virtio_console console;
    struct virtio_rng rng;
    struct virtio_9p share[VM_SHARES_MAX];
    struct linux_image image;
    struct linux_plan plan;
};

/* What the user reads: the thing, what is wrong, what to do about it. The guest is named by its entry's file. */
static err_t complain(struct pc *pc, err_t e, const char *what, const char *cure)
{
    fmt_text(pc->vm->why_text, sizeof pc->vm->why_text, "%s: %s in %s.conf", what, cure, pc->vm->cfg.name);
    return e;
}

/* --- devices --- */

static err_t disk_make(struct pc *pc, unsigned i)
{
    const struct vm_config *c = &pc->vm->cfg;
    char text[80], serial[8];
    err_t e;

    fmt_text(text, sizeof text, "disk %s is not there", c->disk[i]);
    if (!c->blk[i])
        return complain(pc, ERR_NOTFOUND, text, "correct `disk`");
    fmt_text(serial, sizeof serial, "disk%u", i);
    e = virtio_blk_init(&pc->blk[i], pc->vm, &pc->pci, SLOT_DISKS + i, c->blk[i], serial);
    if (!e)
        pc->ndisks++;
    return e;
}

static err_t devices_make(struct pc *pc)
{
    struct vm *vm = pc->vm;
    unsigned behind_disks = SLOT_DISKS + vm->cfg.ndisks;
    err_t e = ioapic_init(&pc->ioapic, vm, PC_IOAPIC_BASE);

    if (!e)
        e = serial_init(&pc->serial, vm, PC_COM1_PORT, PC_COM1_GSI);
    if (!e)
        e = power_init(&pc->power, vm);
    if (!e)
        e = pci_host_init(&pc->pci, vm);
    for (unsigned i = 0; !e && i < vm->cfg.ndisks; i++)
        e = disk_make(pc, i);
    if (!e)
        e = virtio_console_init(&pc->console, vm, &pc->pci, behind_disks);
    if (!e)
        e = virtio_rng_init(&pc->rng, vm, &pc->pci, behind_disks + 1);
    for (unsigned i = 0; !e && i < vm->nshares; i++) {
        e = virtio_9p_init(&pc->share[i], vm, &pc->pci, behind_disks + 2 + i, &vm->share[i]);
        pc->nshares += !e;
    }
    return e;
}

/* --- Linux --- */

static uint64_t padded(const struct blob *initrd) { return align_up(initrd->size, 4); }

static err_t linux_plan(struct pc *pc)
{
    const struct vm_config *c = &pc->vm->cfg;
    const struct linux_room room = { .low = mem_low_size(pc->vm), .high = mem_high_size(pc->vm), .rsdp = PC_ACPI_BASE,
        .firmware = PC_ACPI_BASE, .firmware_size = PC_ACPI_SIZE, .device = PC_ECAM_BASE, .device_size = PC_ECAM_SIZE };
    uint64_t initrds = 0;
    char why[80];
    err_t e = linux_parse(c->kernel.data, c->kernel.size, &pc->image, why, sizeof why);

    if (e)
        return complain(pc, e, why, "correct `linux`");
    for (unsigned i = 0; i < c->ninitrd; i++)
        initrds += padded(&c->initrd[i]);
    e = linux_place(&pc->image, &room, initrds, strlen(c->cmdline), &pc->plan, why, sizeof why);
    if (e)
        return complain(pc, e, why, e == ERR_INVAL ? "shorten `options`" : "raise `memory`");
    return OK;
}

static err_t files_write(struct pc *pc)
{
    const struct vm_config *c = &pc->vm->cfg;
    uint64_t at = pc->plan.initrd;
    err_t e = mem_write(pc->vm, gpa(pc->plan.kernel), c->kernel.data + pc->image.setup_size,
                        c->kernel.size - pc->image.setup_size);

    for (unsigned i = 0; i < c->ninitrd && !e; i++) { /* what pads them is zero already: the guest's memory is new */
        e = mem_write(pc->vm, gpa(at), c->initrd[i].data, c->initrd[i].size);
        at += padded(&c->initrd[i]);
    }
    return e;
}

/* What a PC's firmware has where a processor begins. On a hardware-reduced machine Linux resets by EFI or, without it, by a
 * jump to there in real mode: mov $PC_RESET_PORT, %dx; mov $PC_RESET_VALUE, %al; out %al, %dx; hlt. */
static const uint8_t reset_code[] = { 0xBA, PC_RESET_PORT & 0xFF, PC_RESET_PORT >> 8, 0xB0, PC_RESET_VALUE, 0xEE, 0xF4 };

static err_t tables_write(struct pc *pc, uint8_t *scratch)
{
    uint8_t seed[LINUX_SEED_SIZE];
    err_t e;

    ground_entropy(seed, sizeof seed);
    linux_area(&pc->image, &pc->plan, pc->vm->cfg.cmdline, seed, scratch);
    e = mem_write(pc->vm, gpa(LINUX_AREA), scratch, LINUX_AREA_SIZE);
    if (e)
        return e;
    e = mem_write(pc->vm, gpa(PC_RESET_VECTOR), reset_code, sizeof reset_code);
    if (e)
        return e;
    return mem_write(pc->vm, gpa(PC_ACPI_BASE), scratch, acpi_build(scratch, pc->vm->nvcpus));
}

static err_t linux_make(struct pc *pc)
{
    uint8_t *scratch;
    err_t e = linux_plan(pc);
    const struct vcpu_start start = { .rip = pc->plan.entry, .rsp = LINUX_STACK, .rsi = LINUX_ZERO_PAGE,
        .cr3 = LINUX_PAGE_TABLES, .gdt_base = LINUX_GDT, .gdt_limit = LINUX_GDT_LIMIT, .cs = LINUX_CS, .ds = LINUX_DS };

    if (e)
        return e;
    scratch = ground_alloc(LINUX_AREA_SIZE);
    if (!scratch)
        return ERR_NOMEM;
    e = tables_write(pc, scratch);
    ground_free(scratch, LINUX_AREA_SIZE);
    if (!e)
        e = files_write(pc);
    if (!e)
        vcpu_start_at(pc->vm->vcpu[0], &start);
    return e;
}

/* --- the machine --- */

static void pc_destroy(struct vm *vm)
{
    struct pc *pc = vm->pc;

    if (vm->line)
        tty_close(vm->line);
    tty_close(&pc->console.tty);
    tty_close(&pc->serial.tty);
    vm->pio.count = vm->mmio.count = 0;
    vm->irq_line = NULL;
    vm->irq_eoi = NULL;
    while (pc->nshares)
        virtio_9p_fini(&pc->share[--pc->nshares]);
    while (pc->ndisks)
        virtio_blk_fini(&pc->blk[--pc->ndisks]);
    vm->pc = NULL;
    ground_free(pc, sizeof *pc);
}

static err_t pc_build(struct vm *vm)
{
    struct pc *pc = ground_alloc(sizeof *pc);
    err_t e;

    if (!pc)
        return ERR_NOMEM;
    pc->vm = vm;
    vm->pc = pc;
    e = devices_make(pc);
    if (!e)
        e = linux_make(pc);
    if (e) {
        pc_destroy(vm);
        return e;
    }
    /* last, so that the console only ever sees lines of a guest that does start */
    tty_open(&pc->serial.tty, vm->tty_user, vm->tty_user_data);
    tty_open(&pc->console.tty, vm->tty_user, vm->tty_user_data);
    if (vm->line)
        tty_open(vm->line, vm->tty_user, vm->tty_user_data);
    return OK;
}

/* Asks all, so that each one stops taking work at once. */
static void pc_halts(struct vm *vm)
{
    struct pc *pc = vm->pc;

    for (unsigned i = 0; i < pc->ndisks; i++)
        virtio_blk_halts(&pc->blk[i]);
}

static bool pc_idle(struct vm *vm)
{
    struct pc *pc = vm->pc;
    bool idle = true;

    for (unsigned i = 0; i < pc->ndisks; i++)
        idle &= virtio_idle(&pc->blk[i].dev);
    for (unsigned i = 0; i < pc->nshares; i++)
        idle &= virtio_idle(&pc->share[i].dev);
    return idle;
}

static void pc_power_button(struct vm *vm)
{
    struct pc *pc = vm->pc;

    if (pc) /* it may have ended just now */
        power_button(&pc->power);
}

const struct machine machine_pc = {
    .name = "pc",
    .build = pc_build,
    .idle = pc_idle,
    .halts = pc_halts,
    .destroy = pc_destroy,
    .power_button = pc_power_button,
};
