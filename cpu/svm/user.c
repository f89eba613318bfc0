/* Apps inside SVM guests (`isolate vm`): the same machine at CPL 3 as cpu/ring3 gives, but on the far side of VMRUN. app/run.c calls it.
 *
 * There is no second level of page tables: CR3 is the root of the app's space, which the guest can neither change nor see, and whose
 * tables are the monitor's own already. They map one page that is not the app's, the same for all: constant descriptors, for IRETQ and loads
 * of segment registers. Nothing is delivered inside: every exception and every interrupt ends the guest, so there is no code at CPL 0. */
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "base/str.h"
#include "cpu/svm/svm.h"
#include "ground/ground.h"
#include "vm/fsgs.h"
#include "vm/vm.h"

#define GDT_AT 0xFFFFFF8000000000ull /* begins the last 512 GiB */
#define GDT_BYTES 56u                /* up to SEL_USER_CODE */
#define CALL_BYTES 3u                /* of VMMCALL */
#define CR4_UMIP BIT64(11)
#define CR4_FSGSBASE BIT64(16)
#define FCW_RESET 0x37Fu
#define MXCSR_OFFSET 24
#define MXCSR_RESET 0x1F80u
#define MSR_PRED_CMD 0x49u
#define PRED_CMD_IBPB 1u
#define GP_FROM_IDT 2u /* bit of #GP's error code: by INT n, whose number is in the bits above it */

/* Attributes in the VMCB's packing: see state.c. */
enum { ATTR_USER_CODE = 0xAFB, ATTR_USER_DATA = 0xCF3, ATTR_LDT = 0x082, ATTR_TSS = 0x08B };

static struct {
    bool fsgsbase, barrier;
    uint64_t cr4, top; /* top: entry of a space's root */
} has;

/* --- once ---------------------------------------------------------------------------------------------------------------- */
static err_t descriptors_make(void)
{
    uint64_t *page = ground_alloc(PAGE_SIZE), flags = PTE_P | PTE_A | PTE_NX; /* no U, no W */

    if (!page)
        return ERR_NOMEM;
    page[SEL_USER_DATA / 8] = DESC_USER_DATA;
    page[SEL_USER_CODE / 8] = DESC_USER_CODE;
    for (unsigned shift = PAGE_SHIFT; shift < 39; shift += 9) {
        uint64_t *table = ground_alloc(PAGE_SIZE);
        if (!table)
            return ERR_NOMEM; /* there is no monitor without these: nothing is given back */
        table[GDT_AT >> shift & 511] = hpa_of(page).v | flags;
        flags = PTE_P | PTE_A;
        page = table;
    }
    has.top = hpa_of(page).v | flags;
    return OK;
}

static err_t cpu_start(void)
{
    struct cpuid seven = { 0 };

    if (ground_cpu() != 0)
        return OK;
    if (cpu_id(0, 0).eax >= 7)
        seven = cpu_id(7, 0);
    has.fsgsbase = seven.ebx & 1;
    has.barrier = cpu_id(0x80000000, 0).eax >= 0x80000008 && cpu_id(0x80000008, 0).ebx >> 12 & 1;
    has.cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT | (svm_shared.xcr0_mask ? CR4_OSXSAVE : 0) |
              (has.fsgsbase ? CR4_FSGSBASE : 0) | (seven.ecx >> 2 & 1 ? CR4_UMIP : 0);
    return descriptors_make();
}

static uint64_t top_entry(void) { return has.top; }

/* --- a CPU of a guest ------------------------------------------------------------------------------------------------------ */
/* CPUID, RDTSC and RDPRU are an app's without a VM, too. INT n is not intercepted: the IDT is empty, so it is #GP. */
static void intercepts_set(struct vmcb *b)
{
    b->icept_cr_read = b->icept_cr_write = b->icept_dr_read = b->icept_dr_write = 0xFFFF;
    b->icept_exception = ~BIT(VEC_NMI);
    b->icept1 = ICEPT1_INTR | ICEPT1_NMI | ICEPT1_INIT | ICEPT1_TABLES | ICEPT1_RDPMC | ICEPT1_RSM | ICEPT1_INVD | ICEPT1_HLT |
                ICEPT1_INVLPG | ICEPT1_INVLPGA | ICEPT1_IOIO | ICEPT1_MSR | ICEPT1_TASK | ICEPT1_FERR | ICEPT1_SHUTDOWN;
    b->icept2 = ICEPT2_SVM_INSNS | ICEPT2_ICEBP | ICEPT2_WBINVD | ICEPT2_MONITOR | ICEPT2_MWAIT | ICEPT2_XSETBV;
    b->icept3 = ICEPT3_ALL;
    b->iopm = hpa_of(svm_shared.iopm).v;
    b->msrpm = hpa_of(svm_shared.msrpm).v; /* what it lets through is for CPL 0 only */
    b->vintr = VINTR_MASKING;
}

static void state_set(struct vmcb *b, uint64_t root, uint64_t gs)
{
    b->cs = (struct vmcb_seg){ SEL_USER_CODE, ATTR_USER_CODE, UINT32_MAX, 0 };
    b->ss = (struct vmcb_seg){ SEL_USER_DATA, ATTR_USER_DATA, UINT32_MAX, 0 };
    b->fs = (struct vmcb_seg){ 0 };
    b->gs = (struct vmcb_seg){ .base = gs };
    b->gdtr = (struct vmcb_seg){ .limit = GDT_BYTES - 1, .base = GDT_AT };
    b->ldtr = (struct vmcb_seg){ .attrib = ATTR_LDT };
    b->tr = (struct vmcb_seg){ .attrib = ATTR_TSS }; /* so short that it permits no port */
    b->cpl = 3;
    b->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE; /* SVME: VMRUN insists. No SCE: SYSCALL is #UD */
    b->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
    b->cr3 = root;
    b->cr4 = has.cr4;
    b->dr6 = 0xFFFF0FF0;
    b->dr7 = 0x400;
}

static err_t init(struct vcpu *v, struct space *s, uint64_t gate)
{
    err_t e = svm_vcpu_get(v);
    struct svm_vcpu *h = v->hw;

    if (e)
        return e;
    h->space = s;
    h->gate = gate;
    h->xcr0 = svm_shared.xcr0_mask; /* a CPU that was never started is loaded, too: to find out that it is to go */
    intercepts_set(&h->vmcb);
    return OK;
}

static void reset(struct vcpu *v, uint64_t gs)
{
    struct svm_vcpu *h = v->hw;

    h->tsc_aux = v->id;
    memset(h->fpu, 0, svm_shared.fpu_size);
    memcpy(h->fpu, &(uint16_t){ FCW_RESET }, 2);
    memcpy(h->fpu + MXCSR_OFFSET, &(uint32_t){ MXCSR_RESET }, 4);
    state_set(&h->vmcb, h->space->root.v, gs);
}

static void load(struct vcpu *v)
{
    if (has.barrier)
        cpu_wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB); /* branches learnt from another guest do not lead this one */
    svm_load(v);
}

/* --- why it came out ---------------------------------------------------------------------------------------------------------- */
static bool has_error(unsigned vector) { return 0x60227D00u >> vector & 1; }

static void raise(struct user_exit *x, uint8_t vector, uint32_t error)
{
    *x = (struct user_exit){ .kind = USER_EXCEPTION, .vector = vector, .has_error = has_error(vector), .error = error };
}

/* Exceptions by an instruction of their own are traps: rip is to be behind it. */
static void trap(struct vcpu *v, struct user_exit *x, uint8_t vector, unsigned bytes)
{
    uint64_t next = vmcb_of(v)->next_rip;

    v->r.rip = next ? next : v->r.rip + bytes;
    raise(x, vector, 0);
}

static bool code_read(struct vcpu *v, uint8_t code[2])
{
    struct space *s = ((struct svm_vcpu *)v->hw)->space;

    code[1] = 0;
    return !space_read(s, v->r.rip, code, 2) || !space_read(s, v->r.rip, code, 1);
}

/* Every INT n is #GP but 3, which programs may execute. QEMU 7.2 has INT3 come here, too, not with the exit of #BP; and it gets the error
 * code wrong for an IDT that is too short. */
static void software_interrupt(struct vcpu *v, struct user_exit *x)
{
    uint8_t code[2];

    if (!code_read(v, code))
        return;
    if (code[0] == 0xCC || (code[0] == 0xCD && code[1] == VEC_BP))
        trap(v, x, VEC_BP, code[0] == 0xCC ? 1 : 2);
    else if (code[0] == 0xCD)
        x->error = code[1] * 8u | GP_FROM_IDT;
}

/* SYSCALL, which is #UD here, leaves its registers as the instruction does. */
static bool syscall_serve(struct vcpu *v)
{
    uint8_t code[2];

    if (!code_read(v, code) || code[0] != 0x0F || code[1] != 0x05)
        return false;
    v->r.rip += sizeof code;
    v->r.gpr[REG_RCX] = v->r.rip;
    v->r.gpr[REG_R11] = v->r.rflags;
    return true;
}

static bool fsgs_serve(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);
    uint64_t base[2] = { b->fs.base, b->gs.base };

    if (has.fsgsbase || !fsgs_emulate(v, ((struct svm_vcpu *)v->hw)->space, base))
        return false;
    b->fs.base = base[0];
    b->gs.base = base[1];
    return true;
}

static void exception(struct vcpu *v, struct user_exit *x, unsigned vector)
{
    const struct vmcb *b = vmcb_of(v);

    if (vector == VEC_MC)
        panic("machine check while an app ran");
    raise(x, (uint8_t)vector, (uint32_t)b->exit_info1);
    x->address = b->exit_info2;
    if (vector == VEC_BP)
        trap(v, x, VEC_BP, 1);
    else if (vector == VEC_UD || (vector == VEC_GP && x->error & GP_FROM_IDT))
        x->kind = USER_UNCLEAR;
}

static void explain(struct vcpu *v, struct user_exit *x)
{
    x->kind = USER_EXCEPTION;
    if (x->vector == VEC_GP)
        software_interrupt(v, x);
    else if (syscall_serve(v))
        x->kind = USER_SYSCALL;
    else if (fsgs_serve(v))
        x->kind = USER_NOTHING;
}

/* VMMCALL is the gate's instruction; anywhere else there is no such instruction. True: the guest goes on at once. */
static bool call(struct vcpu *v, struct user_exit *x)
{
    uint64_t at = v->r.rip - ((const struct svm_vcpu *)v->hw)->gate;

    if (at != 0 && at != USER_BELL_AT) {
        raise(x, VEC_UD, 0);
        return false;
    }
    x->kind = USER_NOTHING;
    v->r.rip += CALL_BYTES;
    return at ? user_bell(v) : user_gate(v);
}

/* The CPU cannot go on with it: the VMCB was refused, or worse. */
static void dead(struct vcpu *v, struct user_exit *x)
{
    const struct vmcb *b = vmcb_of(v);

    vm_stop(v->vm, VM_FAILED, "cpu %u: SVM exit %#" PRIx64 ", %#" PRIx64 ", %#" PRIx64 " at rip %#" PRIx64, v->id, b->exit_code,
            b->exit_info1, b->exit_info2, v->r.rip);
    x->kind = USER_NOTHING;
}

static void decode(struct vcpu *v, struct user_exit *x)
{
    uint64_t code = vmcb_of(v)->exit_code;

    switch (code) {
    case SVM_EXIT_INTR: case SVM_EXIT_NMI: case SVM_EXIT_INIT: x->kind = USER_IRQ_WAITS; break;
    case SVM_EXIT_ICEBP: trap(v, x, VEC_DB, 1); break;
    case SVM_EXIT_RSM: case SVM_EXIT_MONITOR: case SVM_EXIT_MWAIT: case SVM_EXIT_MWAIT_ARMED: case SVM_EXIT_MCOMMIT:
        raise(x, VEC_UD, 0);
        break;
    default:
        if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_INTR)
            exception(v, x, (unsigned)code - SVM_EXIT_EXCEPTION);
        else if (code < SVM_EXIT_END && code != SVM_EXIT_SHUTDOWN)
            raise(x, VEC_GP, 0); /* an instruction for CPL 0 */
        else
            dead(v, x);
    }
}

static void run(struct vcpu *v, struct user_exit *x)
{
    struct svm_vcpu *h = v->hw;

    v->r.rflags |= RFLAGS_IF;
    do {
        uint64_t edits = atomic_load_explicit(&h->space->edits, memory_order_relaxed);
        if (h->edits != edits) {
            h->edits = edits;
            svm_asid_renew(h);
        }
        svm_go(v);
        if (h->vmcb.exit_code != SVM_EXIT_VMMCALL) {
            decode(v, x);
            return;
        }
    } while (call(v, x));
}

const struct user_ops cpu_svm_user = {
    .name = "svm",
    .lacks = svm_lacks,
    .cpu_start = cpu_start,
    .top_entry = top_entry,
    .gate = { 0x0F, 0x01, 0xD9, 0xC3, [USER_BELL_AT] = 0x0F, 0x01, 0xD9, 0xC3 }, /* vmmcall; ret */
    .init = init,
    .fini = svm_vcpu_put,
    .reset = reset,
    .load = load,
    .unload = svm_unload,
    .run = run,
    .explain = explain,
};
