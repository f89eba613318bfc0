#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "arch/x86/reg.h"
#include "cpu/kvm/kvm.h"

_Static_assert(sizeof(struct kvm_regs) == sizeof(struct kvm_regs_app), "kvm_regs");

#define DEVICE "/dev/kvm"
/* Selectors: those of Linux, which programs may see in a signal frame. */
#define SEL_USER_DATA 0x2B
#define SEL_USER_CODE 0x33
#define SEL_TSS(n) (uint16_t)(0x40 + 16 * (n))
#define DESC_USER_DATA 0x00CFF3000000FFFFull
#define DESC_USER_CODE 0x00AFFB000000FFFFull
#define GDT_BYTES (SEL_TSS(KVM_APP_CPUS))
#define IDT_AT PAGE_SIZE
#define TSS_AT (2 * PAGE_SIZE)
#define TSS_BYTES 512u /* 104, and a port bitmap for ports 0 to 255 */
#define TSS_LIMIT (104u + 32u)
#define TRAP_GATE 0x8F   /* present, DPL 0: exceptions may use it, `int` may not */
#define TRAP_GATE_3 0xEF /* int3 and into may */
_Static_assert(GDT_BYTES <= PAGE_SIZE, "one page");
_Static_assert(TSS_LIMIT < TSS_BYTES, "bitmap's last byte");

struct PACKED tss_bytes {
    uint32_t reserved0;
    uint64_t rsp[3], reserved1, ist[7], reserved2;
    uint16_t reserved3, iomap;
    uint8_t ports[33]; /* all zero: allowed; the last must be ones */
};

const char *kvm_machine_missing(void)
{
    int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
        return NULL;
    }
    if (errno == EACCES || errno == EPERM)
        return "this user may not open /dev/kvm: `sudo adduser $USER kvm`, then log in again";
    return "there is no /dev/kvm: turn virtualisation on in the firmware's set-up (SVM or VT-x) and `sudo modprobe kvm_amd` or "
           "`kvm_intel`; in a virtual machine, allow nested virtualisation outside";
}

err_t kvm_machine_init(struct kvm_machine *m, struct tables *t, const char *cpuid)
{
    int size;

    *m = (struct kvm_machine){ .dev = open(DEVICE, O_RDWR | O_CLOEXEC), .vm = -1, .tables = t };
    if (m->dev < 0)
        return ERR_UNSUPPORTED;
    size = ioctl(m->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (ioctl(m->dev, KVM_GET_API_VERSION, 0) != KVM_API_VERSION || size < (int)sizeof(struct kvm_run) ||
        ioctl(m->dev, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) <= 0 ||
        ioctl(m->dev, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0)
        goto fail;
    m->run_size = (unsigned)size;
    m->vm = ioctl(m->dev, KVM_CREATE_VM, 0);
    m->cpuid = m->vm < 0 ? NULL : kvm_cpuid_get(m->dev, cpuid);
    if (!m->cpuid)
        goto fail;
    return OK;
fail:
    kvm_machine_fini(m);
    return ERR_UNSUPPORTED;
}

void kvm_machine_fini(struct kvm_machine *m)
{
    free(m->cpuid);
    if (m->vm >= 0)
        close(m->vm);
    close(m->dev);
    *m = (struct kvm_machine){ .dev = -1, .vm = -1 };
}

err_t kvm_machine_renew(struct kvm_machine *m)
{
    close(m->vm);
    m->slots = 0;
    m->vm = ioctl(m->dev, KVM_CREATE_VM, 0);
    return m->vm < 0 ? ERR_NOMEM : OK;
}

err_t kvm_machine_memory(struct kvm_machine *m, uint64_t gpa, void *at, uint64_t len)
{
    struct kvm_userspace_memory_region r = { .slot = (uint32_t)m->slots,
                                             .guest_phys_addr = gpa,
                                             .memory_size = len,
                                             .userspace_addr = (uintptr_t)at };

    if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &r))
        return errno == ENOMEM ? ERR_NOMEM : ERR_RANGE;
    m->slots++;
    return OK;
}

void kvm_machine_bell(struct kvm_machine *m, uint32_t number, int eventfd)
{
    struct kvm_ioeventfd io = { .datamatch = number, .addr = KVM_APP_BELL, .len = 4, .fd = eventfd,
                                .flags = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO };

    (void)!ioctl(m->vm, KVM_IOEVENTFD, &io); /* EEXIST: another CPU was sooner */
}

void kvm_machine_gates(struct kvm_machine *m, const struct app_image *image)
{
    uint64_t *gdt = (uint64_t *)(void *)m->tables->mem;
    uint64_t *idt = (uint64_t *)(void *)(m->tables->mem + IDT_AT);

    gdt[SEL_USER_DATA >> 3] = DESC_USER_DATA;
    gdt[SEL_USER_CODE >> 3] = DESC_USER_CODE;
    gdt[(SEL_USER_CODE >> 3) + 1] = DESC_USER_DATA; /* what `syscall` loads into ss */
    m->missed = image->missed;
    for (unsigned i = 0; i < APP_VEC_EVENT; i++) {
        uint64_t to = image->upcalls + i * APP_STUB;
        uint64_t type = i == 3 || i == 4 ? TRAP_GATE_3 : TRAP_GATE;
        idt[2 * i] = (to & 0xFFFF) | (uint64_t)SEL_USER_CODE << 16 | 1ull << 32 | type << 40 | (to >> 16 & 0xFFFF) << 48;
        idt[2 * i + 1] = to >> 32;
    }
}

/* --- CPUs ---------------------------------------------------------------------------------------------------------- */
static void cpu_tss(struct kvm_cpu *c, uint64_t ist)
{
    struct tables *t = c->m->tables;
    uint64_t at = TSS_AT + c->number * (uint64_t)TSS_BYTES, linear = t->gpa + at;
    struct tss_bytes *tss = (struct tss_bytes *)(void *)(t->mem + at);
    uint64_t *gdt = (uint64_t *)(void *)(t->mem + SEL_TSS(c->number));

    *tss = (struct tss_bytes){ .iomap = 104 };
    tss->ist[0] = ist;
    tss->ports[32] = 0xFF;
    gdt[0] = TSS_LIMIT | (linear & 0xFFFFFF) << 16 | 0x8Bull << 40 | (linear >> 24 & 0xFF) << 56;
    gdt[1] = linear >> 32;
}

static err_t cpu_sregs(struct kvm_cpu *c, uint64_t gs)
{
    struct tables *t = c->m->tables;
    struct kvm_segment data = { .limit = 0xFFFFFFFF, .selector = SEL_USER_DATA, .type = 3, .present = 1, .dpl = 3, .db = 1, .s = 1,
                                .g = 1 };
    struct kvm_segment code = data;
    struct kvm_sregs s;

    if (ioctl(c->fd, KVM_GET_SREGS, &s))
        return ERR_IO;
    code.selector = SEL_USER_CODE;
    code.type = 11;
    code.db = 0;
    code.l = 1;
    s.cs = code;
    s.ss = s.ds = s.es = s.fs = s.gs = data;
    s.gs.base = gs;
    s.tr = (struct kvm_segment){ .base = t->gpa + TSS_AT + c->number * (uint64_t)TSS_BYTES, .limit = TSS_LIMIT,
                                 .selector = SEL_TSS(c->number), .type = 11, .present = 1 };
    s.gdt.base = t->gpa;
    s.gdt.limit = (uint16_t)(GDT_BYTES - 1);
    s.idt.base = t->gpa + IDT_AT;
    s.idt.limit = APP_VEC_EVENT * 16 - 1;
    s.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
    s.cr3 = c->root = t->root;
    s.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | BIT64(16) /* FSGSBASE */ | CR4_OSXSAVE;
    s.efer = EFER_LME | EFER_LMA | EFER_NXE;
    return ioctl(c->fd, KVM_SET_SREGS, &s) ? ERR_UNSUPPORTED : OK;
}

/* EFER.SCE is off, so that `syscall` is an invalid opcode; a KVM without hardware virtualisation goes to LSTAR all the same, at CPL 3. */
static err_t cpu_msrs(struct kvm_cpu *c)
{
    const struct kvm_msr_entry entries[3] = {
        { .index = MSR_STAR, .data = (uint64_t)(SEL_USER_CODE & ~3) << 32 },
        { .index = MSR_LSTAR, .data = c->m->missed },
        { .index = MSR_SFMASK },
    };
    union {
        struct kvm_msrs head;
        uint8_t bytes[sizeof(struct kvm_msrs) + sizeof entries];
    } m = { .head.nmsrs = ARRAY_LEN(entries) };

    memcpy(m.bytes + sizeof m.head, entries, sizeof entries);
    return ioctl(c->fd, KVM_SET_MSRS, &m) == ARRAY_LEN(entries) ? OK : ERR_UNSUPPORTED;
}

/* All vector registers the machine has and Linux hands out without asking; not AMX, whose state is large. */
static err_t cpu_xcr0(struct kvm_cpu *c)
{
    const struct kvm_cpuid2 *id = c->m->cpuid;
    struct kvm_xcrs x = { .nr_xcrs = 1 };

    x.xcrs[0].value = 3;
    for (unsigned i = 0; i < id->nent; i++)
        if (id->entries[i].function == 0xD && id->entries[i].index == 0)
            x.xcrs[0].value = id->entries[i].eax & 0xE7;
    return ioctl(c->fd, KVM_SET_XCRS, &x) ? ERR_UNSUPPORTED : OK;
}

/* The guest's time stamps shall be the host's. KVM has the attribute since Linux 5.16; where it cannot be set, the
 * host's shows through. */
static void cpu_tsc(struct kvm_cpu *c)
{
    uint64_t zero = 0;
    struct kvm_device_attr a = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&zero };

    (void)!ioctl(c->fd, KVM_SET_DEVICE_ATTR, &a);
}

static err_t cpu_create(struct kvm_cpu *c)
{
    struct kvm_machine *m = c->m;

    c->fd = ioctl(m->vm, KVM_CREATE_VCPU, c->number);
    if (c->fd < 0)
        return ERR_NOMEM;
    c->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
    if (c->run == MAP_FAILED)
        goto close_fd;
    if (ioctl(c->fd, KVM_SET_CPUID2, m->cpuid) || cpu_msrs(c) || cpu_xcr0(c))
        goto unmap;
    cpu_tsc(c);
    c->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
    c->regs = (struct kvm_regs_app *)(void *)&c->run->s.regs.regs;
    return OK;
unmap:
    munmap(c->run, m->run_size);
close_fd:
    close(c->fd);
    return ERR_UNSUPPORTED;
}

err_t kvm_cpu_init(struct kvm_cpu *c, struct kvm_machine *m, unsigned number, uint64_t gs, uint64_t ist)
{
    bool fresh = !c->m;
    err_t e = OK;

    if (fresh) {
        *c = (struct kvm_cpu){ .m = m, .number = number };
        e = cpu_create(c);
    }
    if (e) {
        c->m = NULL;
        return e;
    }
    cpu_tss(c, ist);
    e = cpu_sregs(c, gs);
    if (e && fresh)
        kvm_cpu_fini(c);
    return e;
}

void kvm_cpu_fini(struct kvm_cpu *c)
{
    munmap(c->run, c->m->run_size);
    close(c->fd);
    c->m = NULL;
}

void kvm_cpu_dirty(struct kvm_cpu *c)
{
    c->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

void kvm_cpu_start(struct kvm_cpu *c, const struct kvm_regs_app *at)
{
    *c->regs = *at;
    kvm_cpu_dirty(c);
}

/* The tables have a new root: see tables.h. */
static void cpu_root(struct kvm_cpu *c)
{
    uint64_t root = __atomic_load_n(&c->m->tables->root, __ATOMIC_SEQ_CST);
    struct kvm_sregs s;

    if (c->root == root || ioctl(c->fd, KVM_GET_SREGS, &s))
        return;
    s.cr3 = root;
    if (!ioctl(c->fd, KVM_SET_SREGS, &s))
        __atomic_store_n(&c->root, root, __ATOMIC_SEQ_CST);
}

bool kvm_cpu_current(const struct kvm_cpu *c)
{
    return __atomic_load_n(&c->root, __ATOMIC_SEQ_CST) == c->m->tables->root;
}

bool kvm_cpu_faulting(const struct kvm_cpu *c)
{
    struct kvm_vcpu_events ev;

    return ioctl(c->fd, KVM_GET_VCPU_EVENTS, &ev) == 0 && (ev.exception.injected || ev.exception.pending);
}

enum kvm_stop kvm_cpu_run(struct kvm_cpu *c, bool finish, const char **why)
{
    struct kvm_run *r = c->run;

    cpu_root(c);
    if (finish)
        __atomic_store_n(&r->immediate_exit, 1, __ATOMIC_RELAXED);
    if (ioctl(c->fd, KVM_RUN, 0) < 0) {
        int error = errno;
        __atomic_store_n(&r->immediate_exit, 0, __ATOMIC_RELAXED);
        *why = "the host has no memory for a page, or a mapped file became shorter";
        if (error == EINTR || error == EAGAIN)
            return KVM_STOP_KICK;
        return error == EFAULT || error == ENOMEM ? KVM_STOP_MEMORY : (*why = strerror(error), KVM_STOP_DEAD);
    }
    switch (r->exit_reason) {
    case KVM_EXIT_IO:
        if (r->io.direction == KVM_EXIT_IO_OUT && (r->io.port == KVM_APP_PORT || r->io.port == KVM_APP_BELL) && r->io.size == 4 && r->io.count == 1)
            return r->io.port == KVM_APP_PORT ? KVM_STOP_GATE : KVM_STOP_BELL;
        if (r->io.direction == KVM_EXIT_IO_IN) /* other ports read as on an empty bus */
            memset((uint8_t *)r + r->io.data_offset, 0xFF, (size_t)r->io.size * r->io.count);
        return KVM_STOP_KICK;
    case KVM_EXIT_INTR: return KVM_STOP_KICK;
    case KVM_EXIT_SHUTDOWN: *why = "a fault in the handler of a fault"; return KVM_STOP_DEAD;
    case KVM_EXIT_MMIO: *why = "an access outside of its memory"; return KVM_STOP_DEAD;
    case KVM_EXIT_HLT: *why = "hlt"; return KVM_STOP_DEAD;
    case KVM_EXIT_INTERNAL_ERROR: *why = "an instruction that KVM cannot emulate"; return KVM_STOP_DEAD;
    default: *why = "an exit of a kind that should not happen"; return KVM_STOP_DEAD;
    }
}

void kvm_cpu_interrupt(struct kvm_cpu *c)
{
    __atomic_store_n(&c->run->immediate_exit, 1, __ATOMIC_RELAXED);
}

uint64_t kvm_cpu_fault(struct kvm_cpu *c)
{
    struct kvm_sregs s;

    return ioctl(c->fd, KVM_GET_SREGS, &s) ? 0 : s.cr2;
}

uint64_t kvm_machine_tsc_khz(struct kvm_machine *m)
{
    int khz = ioctl(m->vm, KVM_GET_TSC_KHZ, 0); /* of the machine since Linux 5.18 */

    return khz > 0 ? (uint64_t)khz : 0;
}
