/* Why the guest left: from exit code and information fields to struct exit. */
#include "cpu/svm/svm.h"
#include "ground/ground.h"
#include "vm/vm.h"
#include "vm/walk.h"

/* Exit kind and instruction length by exit code. The length serves CPUs without nRIP (the first with SVM, and emulators):
 * a redundant prefix is then not skipped, which harms only the guest that uses one. */
struct row {
    uint8_t kind, len;
};
static const struct row rows[SVM_EXIT_END] = {
    [SVM_EXIT_CPUID] = { EXIT_CPUID, 2 },
    [SVM_EXIT_VMMCALL] = { EXIT_HYPERCALL, 3 },
    [SVM_EXIT_HLT] = { EXIT_HLT, 1 },
    [SVM_EXIT_PAUSE] = { EXIT_PAUSE, 2 },
    [SVM_EXIT_INVD] = { EXIT_NOP, 2 },
    [SVM_EXIT_WBINVD] = { EXIT_NOP, 2 },
    [SVM_EXIT_XSETBV] = { EXIT_XSETBV, 3 },
    [SVM_EXIT_SHUTDOWN] = { EXIT_SHUTDOWN, 0 },
};

static void dead(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);

    v->x.kind = EXIT_DEAD;
    v->x.info[0] = b->exit_code;
    v->x.info[1] = b->exit_info1;
    v->x.info[2] = b->exit_info2;
}

/* EXITINFO1: APM vol. 2, figure 15-2. EXITINFO2 is the address of the next instruction. */
static void decode_io(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    struct exit *x = &v->x;
    uint64_t info = b->exit_info1;

    x->kind = EXIT_PIO;
    x->next_rip = b->exit_info2;
    x->port = (uint16_t)(info >> 16);
    x->in = info & 1;
    x->string = info >> 2 & 1;
    x->size = info >> 4 & 7;
}

bool svm_code_read(const struct vcpu *v, uint8_t *b, unsigned size)
{
    struct sys_regs sys;
    struct walk w;
    unsigned have = 0, n;

    for (svm_sys_get(v, &sys); have < size; have += n) {
        if (walk_page(v->vm, &sys, v->r.rip + have, WALK_FETCH, &w))
            break;
        n = (unsigned)min_u64(size - have, w.run);
        if (mem_read(v->vm, w.gpa, b + have, n))
            break;
    }
    return have;
}

/* MOV to or from CR8: the task priority is the APIC model's, not the hardware's. 44 0F 20/22 /r, maybe behind prefixes. */
static void do_cr8(struct vcpu *v, bool write)
{
    uint8_t b[8] = { 0 };
    unsigned at = 0;

    if (!svm_code_read(v, b, sizeof b)) {
        dead(v);
        return;
    }
    while (at < 3 && (b[at] & 0xF0) != 0x40 && b[at] != 0x0F)
        at++;
    unsigned rex_b = (b[at] & 0xF0) == 0x40 ? b[at++] & 1 : 0;
    unsigned reg = (b[at + 2] & 7) | rex_b << 3;
    if (write)
        v->apic.tpr = (uint32_t)(v->r.gpr[reg] & 0xF) << 4;
    else
        v->r.gpr[reg] = v->apic.tpr >> 4;
    v->x.kind = EXIT_NOP;
    v->x.next_rip = v->r.rip + at + 3;
}

/* #DB, also the one behind a step of ours, which is not the guest's unless it steps itself or has breakpoints there. */
static void do_debug(struct vcpu *v)
{
    struct svm_vcpu *h = v->hw;
    uint64_t *dr6 = &h->vmcb.dr6;
    bool done = *dr6 & DR6_BS, ours = h->step && done && !h->step_own;

    if (h->step)
        svm_step_end(v, done);
    if (ours)
        *dr6 &= ~(uint64_t)DR6_BS;
    if (!ours || *dr6 & DR6_HITS)
        vcpu_raise(v, VEC_DB, -1);
    v->x.kind = EXIT_WINDOW;
}

static void decode_other(struct vcpu *v, uint64_t code)
{
    struct vmcb *b = vmcb_of(v);

    switch (code) {
    case SVM_EXIT_INTR: case SVM_EXIT_NMI: case SVM_EXIT_INIT: v->x.kind = EXIT_IRQ; break;
    case SVM_EXIT_VINTR:
        b->vintr &= ~VINTR_WINDOW;
        b->icept1 &= ~ICEPT1_VINTR;
        v->x.kind = EXIT_WINDOW;
        break;
    case SVM_EXIT_NPF: /* EXITINFO1 is the page-fault error code, EXITINFO2 the guest-physical address */
        v->x.kind = EXIT_MMIO;
        v->x.gpa = gpa(b->exit_info2);
        v->x.write = b->exit_info1 & BIT(1);
        v->x.fetch = b->exit_info1 & BIT(4);
        if (npt_map(v->vm, v->x.gpa))
            v->x.kind = EXIT_WINDOW;
        else if (b->exit_int_info & EVENT_VALID)
            dead(v); /* no instruction did this: the guest's IDT or stack is in no memory */
        break;
    case SVM_EXIT_CR8_READ: do_cr8(v, false); break;
    case SVM_EXIT_CR8_WRITE: do_cr8(v, true); break;
    case SVM_EXIT_IRET: /* an NMI handler returns: the next NMI may come, behind that IRET */
        b->icept1 &= ~ICEPT1_IRET;
        svm_step_begin(v, STEP_IRET);
        v->x.kind = EXIT_WINDOW;
        break;
    /* These are intercepted only because a guest can make the CPU deliver them for ever; it gets them all the same. */
    case SVM_EXIT_DB: do_debug(v); break;
    case SVM_EXIT_AC:
        vcpu_raise(v, VEC_AC, 0);
        v->x.kind = EXIT_WINDOW;
        break;
    case SVM_EXIT_MC: panic("machine check while a guest ran");
    default:
        if (code >= SVM_EXIT_RDPMC && code < SVM_EXIT_END)
            v->x.kind = EXIT_UD; /* an instruction that is intercepted because no guest may have it */
        else
            dead(v);
    }
}

/* An event whose delivery to the guest was cut short by the exit is given to it again. Software interrupts are not: their
 * instruction runs again. Interrupts go back to the local APIC; QEMU 7.2 calls them exceptions here. */
static void keep_event(struct vcpu *v)
{
    uint64_t e = vmcb_of(v)->exit_int_info;
    uint8_t vec = (uint8_t)e;
    bool exception = EVENT_TYPE(e) == EVENT_EXCEPTION;

    if (EVENT_TYPE(e) == EVENT_INTR || (exception && vec >= 32))
        v->irq_untaken = true;
    else if (EVENT_TYPE(e) != EVENT_SOFT_INT && !(exception && (vec == VEC_BP || vec == VEC_OF)))
        vmcb_of(v)->event_inj = e;
}

void svm_decode_exit(struct vcpu *v)
{
    const struct vmcb *b = vmcb_of(v);
    uint64_t code = b->exit_code;

    if (__builtin_expect((b->exit_int_info & EVENT_VALID) != 0, 0))
        keep_event(v);
    if (code == SVM_EXIT_IOIO) {
        decode_io(v);
    } else if (code == SVM_EXIT_MSR) {
        v->x.kind = b->exit_info1 & 1 ? EXIT_WRMSR : EXIT_RDMSR;
        v->x.next_rip = svm_shared.has_next_rip ? b->next_rip : v->r.rip + 2;
    } else if (code < SVM_EXIT_END && rows[code].kind) {
        v->x.kind = rows[code].kind;
        v->x.next_rip = svm_shared.has_next_rip ? b->next_rip : v->r.rip + rows[code].len;
    } else {
        decode_other(v, code);
    }
}
