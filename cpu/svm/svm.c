/* The SVM backend: AMD's virtualisation with nested paging; user.c is its other half, for apps. AMD APM volume 2, chapter 15. */
#include "cpu/svm/svm.h"
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/cpuid.h"
#include "vm/vm.h"

#define MSR_VM_CR 0xC0010114u
#define VM_CR_SVMDIS BIT64(4)
#define MSR_VM_HSAVE_PA 0xC0010117u
#define IOPM_SIZE (3 * PAGE_SIZE)
#define MSRPM_SIZE (2 * PAGE_SIZE)
#define FXSAVE_SIZE 512u
#define MXCSR_OFFSET 24
#define MXCSR_RESET 0x1F80u

struct svm_shared svm_shared;

/* One per CPU. */
static struct {
    hpa_t host_vmcb;     /* where VMLOAD finds the monitor's own FS, GS, TR, system-call MSRs, and enter.S its CR0 */
    uint32_t next_asid;
    uint64_t generation; /* of TLB tags; 0: none given yet */
} cpus[CPU_MAX];

const char *svm_lacks(void)
{
    if (cpu_id(0x80000000, 0).eax < 0x8000000A || !(cpu_id(0x80000001, 0).ecx & BIT(2)))
        return "the CPU has no AMD-V (SVM)";
    if (cpu_rdmsr(MSR_VM_CR) & VM_CR_SVMDIS)
        return "AMD-V (SVM) is switched off in the firmware set-up";
    if (!(cpu_id(0x8000000A, 0).edx & BIT(0)))
        return "the CPU's AMD-V has no nested paging";
    return NULL;
}

/* MSRs that VMRUN, VMLOAD and VMSAVE switch, so the guest may have them without an exit. */
static void msr_pass(uint32_t msr)
{
    uint8_t *map = svm_shared.msrpm;
    uint32_t bit = msr < 0x2000 ? msr * 2 : 0x4000 + (msr - 0xC0000000) * 2;

    map[bit / 8] &= (uint8_t)~(3u << bit % 8);
}

static err_t shared_init(void)
{
    static const uint32_t passed[] = { MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR, MSR_LSTAR, MSR_CSTAR,
        MSR_SFMASK, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_TSC_AUX };
    struct svm_shared *s = &svm_shared;
    struct cpuid svm = cpu_id(0x8000000A, 0);

    s->iopm = ground_alloc(IOPM_SIZE);
    s->msrpm = ground_alloc(MSRPM_SIZE);
    if (!s->iopm || !s->msrpm)
        return ERR_NOMEM;
    memset(s->iopm, 0xFF, IOPM_SIZE);
    memset(s->msrpm, 0xFF, MSRPM_SIZE);
    for (unsigned i = 0; i < ARRAY_LEN(passed); i++)
        msr_pass(passed[i]);
    s->xcr0_mask = cpuid_xcr0_mask();
    s->fpu_size = s->xcr0_mask ? cpu_id(0xD, 0).ecx : FXSAVE_SIZE;
    s->asids = svm.ebx;
    s->has_next_rip = svm.edx & BIT(3);
    s->behind_vmrun = (uintptr_t)svm_behind_vmrun;
    return OK;
}

/* Paging features that every system turns on. A CPU may drop translations when they change, QEMU does: so they are on here
 * too, and an exit changes none. The monitor has no pages that SMEP and SMAP would protect from it. */
static uint64_t cr4_like_guests(void)
{
    uint32_t seven = cpu_id(0, 0).eax >= 7 ? cpu_id(7, 0).ebx : 0;

    return CR4_PSE | CR4_PGE | (seven & BIT(7) ? CR4_SMEP : 0) | (seven & BIT(20) ? CR4_SMAP : 0);
}

static err_t cpu_start(void)
{
    unsigned me = ground_cpu();
    void *save = ground_alloc(PAGE_SIZE);
    struct vmcb *host = ground_alloc(PAGE_SIZE);

    if (!save || !host || (me == 0 && shared_init()))
        return ERR_NOMEM; /* there is no monitor without these: nothing is given back */
    cpu_wrmsr(MSR_EFER, cpu_rdmsr(MSR_EFER) | EFER_SVME);
    cpu_wrmsr(MSR_VM_HSAVE_PA, hpa_of(save).v);
    cpu_write_cr4(cpu_read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | cr4_like_guests());
    cpus[me].host_vmcb = hpa_of(host);
    _Static_assert(offsetof(struct vmcb, cr0) == 0x558 && offsetof(struct vmcb, cr4) == 0x548, "enter.S knows them");
    host->cr0 = cpu_read_cr0();
    __asm__ volatile("vmsave" ::"a"(hpa_of(host).v) : "memory");
    return OK;
}

static void vmcb_init(struct vmcb *b, struct vm *vm)
{
    b->icept_cr_read = b->icept_cr_write = BIT(8);
    b->icept_exception = BIT(VEC_DB) | BIT(VEC_AC) | BIT(VEC_MC);
    b->icept1 = ICEPT1_INTR | ICEPT1_NMI | ICEPT1_INIT | ICEPT1_RDPMC | ICEPT1_CPUID | ICEPT1_RSM | ICEPT1_INVD | ICEPT1_HLT |
                ICEPT1_INVLPGA | ICEPT1_IOIO | ICEPT1_MSR | ICEPT1_TASK | ICEPT1_FERR | ICEPT1_SHUTDOWN;
    b->icept2 = ICEPT2_SVM_INSNS | ICEPT2_WBINVD | ICEPT2_MONITOR | ICEPT2_MWAIT | ICEPT2_XSETBV | ICEPT2_RDPRU;
    b->icept3 = ICEPT3_ALL & ~ICEPT3_INVPCID;
    b->iopm = hpa_of(svm_shared.iopm).v;
    b->msrpm = hpa_of(svm_shared.msrpm).v;
    b->tsc_offset = vm->tsc_offset;
    b->np_enable = 1;
    b->ncr3 = hpa_of(vm->hw).v;
}

static size_t vcpu_bytes(void)
{
    return sizeof(struct svm_vcpu) + svm_shared.fpu_size;
}

err_t svm_vcpu_get(struct vcpu *v)
{
    v->hw = ground_alloc(vcpu_bytes());
    return v->hw ? OK : ERR_NOMEM;
}

static err_t vcpu_init(struct vcpu *v)
{
    err_t e = svm_vcpu_get(v);
    struct svm_vcpu *h = v->hw;

    if (e)
        return e;
    memcpy(h->fpu + MXCSR_OFFSET, &(uint32_t){ MXCSR_RESET }, 4);
    h->xcr0 = 1;
    vmcb_init(&h->vmcb, v->vm);
    return OK;
}

void svm_vcpu_put(struct vcpu *v)
{
    ground_free(v->hw, vcpu_bytes());
    v->hw = NULL;
}

/* --- a CPU begins and ends to run a vCPU --- */

/* A TLB tag that no stale translation bears: a new one whenever the vCPU comes to another CPU or the tags were used up. */
static void asid_get(struct svm_vcpu *h)
{
    unsigned me = ground_cpu();

    if (cpus[me].generation && h->asid_cpu == me && h->asid_generation == cpus[me].generation)
        return;
    if (!cpus[me].generation || cpus[me].next_asid >= svm_shared.asids) {
        cpus[me].generation++;
        cpus[me].next_asid = 1; /* 0 is the host's */
        h->vmcb.tlb_control = TLB_FLUSH_ALL;
    }
    h->asid_cpu = me;
    h->asid_generation = cpus[me].generation;
    h->vmcb.asid = cpus[me].next_asid++;
}

void svm_asid_renew(struct svm_vcpu *h)
{
    h->asid_generation = 0;
    asid_get(h);
}

static void fpu_load(struct svm_vcpu *h)
{
    uint64_t mask = svm_shared.xcr0_mask;

    if (mask)
        cpu_xsetbv(0, mask);
    cpu_fpu_load(h->fpu, mask);
    if (mask)
        cpu_xsetbv(0, h->xcr0);
}

static void fpu_unload(struct svm_vcpu *h)
{
    uint64_t mask = svm_shared.xcr0_mask;

    if (mask) {
        h->xcr0 = cpu_xgetbv(0); /* the guest may have set it without an exit: QEMU never takes the XSETBV intercept */
        cpu_xsetbv(0, mask);
    }
    cpu_fpu_save(h->fpu, mask);
}

void svm_load(struct vcpu *v)
{
    struct svm_vcpu *h = v->hw;

    asid_get(h);
    fpu_load(h);
    cpu_wrmsr(MSR_TSC_AUX, h->tsc_aux);
    cpu_write_dr0(h->dr[0]);
    cpu_write_dr1(h->dr[1]);
    cpu_write_dr2(h->dr[2]);
    cpu_write_dr3(h->dr[3]);
}

void svm_unload(struct vcpu *v)
{
    struct svm_vcpu *h = v->hw;

    fpu_unload(h);
    h->tsc_aux = cpu_rdmsr(MSR_TSC_AUX);
    h->dr[0] = cpu_read_dr0();
    h->dr[1] = cpu_read_dr1();
    h->dr[2] = cpu_read_dr2();
    h->dr[3] = cpu_read_dr3();
}

/* QEMU 7.2 rarely puts the monitor's state into the VMCB where the guest's should be (docs/testing.md). The guest's is gone: it cannot go
 * on, and must not be entered with ours. A guest with a program at the same address is none of these. */
static void check_state(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    if (b->cr3 != cpu_read_cr3() || b->cpl)
        return;
    ground_log("%s: vmcb %#" PRIx64 ", hsave %#" PRIx64 ", event %#" PRIx64 ", vintr %#" PRIx64 ", rflags %#" PRIx64
               ", rsp %#" PRIx64 ", rax %#" PRIx64 ", rbx %#" PRIx64, v->vm->cfg.name, hpa_of(b).v, cpu_rdmsr(MSR_VM_HSAVE_PA), b->exit_int_info,
               b->vintr, b->rflags, b->rsp, b->rax, v->r.gpr[REG_RBX]);
    vm_stop(v->vm, VM_FAILED, "vcpu %u on CPU %u: the processor lost its state at exit %#" PRIx64 " (%#" PRIx64 ", %#" PRIx64 "): it kept the monitor's",
            v->id, ground_cpu(), b->exit_code, b->exit_info1, b->exit_info2);
    b->exit_code = SVM_EXIT_INTR; /* nothing to answer: the run loop sees that it is stopped */
    b->exit_int_info = 0;
}

void svm_go(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    b->rax = v->r.gpr[REG_RAX];
    b->rsp = v->r.gpr[REG_RSP];
    b->rip = v->r.rip;
    b->rflags = v->r.rflags;
    svm_enter(&v->r, hpa_of(b), cpus[v->cpu].host_vmcb);
    b->tlb_control = TLB_KEEP;
    b->event_inj = 0;
    v->r.gpr[REG_RAX] = b->rax;
    v->r.gpr[REG_RSP] = b->rsp;
    v->r.rip = b->rip;
    v->r.rflags = b->rflags;
    if (__builtin_expect(v->r.rip == svm_shared.behind_vmrun, 0))
        check_state(v);
}

static void run(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    svm_go(v);
    if (v->irq_sent) {
        v->irq_sent = false;
        v->irq_untaken = b->vintr & VINTR_IRQ;
        b->vintr &= ~VINTR_WINDOW;
    }
    svm_decode_exit(v);
}

/* --- events --- */

/* Interrupts go in as virtual interrupts: the CPU takes them at the first boundary of an instruction. EVENTINJ would do, too,
 * but QEMU 7.2 then keeps the vector as a pending exception and may deliver it a second time, at any later moment. */
static bool ready(const struct vcpu *v, bool nmi)
{
    const struct svm_vcpu *h = v->hw;

    if (h->vmcb.event_inj || h->vmcb.shadow & 1 || (h->step && v->r.rflags & RFLAGS_TF))
        return false;
    return nmi ? !h->nmi_masked : v->r.rflags & RFLAGS_IF;
}

/* A virtual interrupt waits in the VMCB until the guest sets IF. QEMU 7.2 forgets the shadow of STI at VMRUN. */
static bool holds_irq(const struct vcpu *v)
{
    const struct svm_vcpu *h = v->hw;

    return !h->vmcb.event_inj && !(h->vmcb.shadow & 1) && !h->step;
}

void svm_step_begin(struct vcpu *v, enum svm_step step)
{
    struct svm_vcpu *h = v->hw;

    h->step = step;
    h->step_own = v->r.rflags & RFLAGS_TF;
    v->r.rflags |= RFLAGS_TF;
}

void svm_step_end(struct vcpu *v, bool done)
{
    struct svm_vcpu *h = v->hw;
    bool returned = h->step == STEP_IRET && done; /* RFLAGS are those that IRET brought */

    if (!returned && !h->step_own)
        v->r.rflags &= ~(uint64_t)RFLAGS_TF;
    if (returned)
        h->nmi_masked = false;
    else if (h->step == STEP_IRET)
        h->vmcb.icept1 |= ICEPT1_IRET;
    h->step = STEP_NONE;
}

/* EXIT_WINDOW when IF is set. */
static void want_if(struct vcpu *v, bool on)
{
    struct vmcb *b = vmcb_of(v);

    b->vintr = on ? b->vintr | VINTR_WINDOW : b->vintr & ~VINTR_WINDOW;
    b->icept1 = on ? b->icept1 | ICEPT1_VINTR : b->icept1 & ~ICEPT1_VINTR;
}

/* PUSHF under a step of ours would keep its TF for the guest: before it the event comes one instruction early. */
static bool pushes_flags(const struct vcpu *v)
{
    uint8_t b[2] = { 0 };

    (void)svm_code_read(v, b, sizeof b);
    return b[b[0] == 0x66] == 0x9C;
}

static void want_window(struct vcpu *v, bool irq, bool nmi)
{
    struct svm_vcpu *h = v->hw;

    nmi &= !h->nmi_masked; /* else IRET exits */
    if (h->step && !(v->r.rflags & RFLAGS_TF))
        svm_step_end(v, true); /* an exception of the guest's own has taken it elsewhere */
    if (h->step)
        return;
    if (h->vmcb.shadow & 1 && pushes_flags(v))
        h->vmcb.shadow = 0;
    if (h->vmcb.shadow & 1 && (nmi || (irq && v->r.rflags & RFLAGS_IF)))
        svm_step_begin(v, STEP_SHADOW);
    else
        want_if(v, irq || nmi);
}

static void inject_irq(struct vcpu *v, uint8_t vector)
{
    struct vmcb *b = vmcb_of(v);

    want_if(v, false);
    b->vintr = (b->vintr & ~VINTR_VECTOR) | VINTR_WINDOW | (uint64_t)vector << 32;
    v->irq_sent = true;
}

static void inject_nmi(struct vcpu *v)
{
    struct svm_vcpu *h = v->hw;

    h->nmi_masked = true;
    h->vmcb.icept1 |= ICEPT1_IRET;
    h->vmcb.event_inj = EVENT_VALID | EVENT_NMI << 8 | VEC_NMI;
}

static void inject_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    if (((struct svm_vcpu *)v->hw)->step)
        svm_step_end(v, false);
    if (vector == VEC_PF)
        vmcb_of(v)->cr2 = v->fault_va;
    vmcb_of(v)->event_inj =
        EVENT_VALID | EVENT_EXCEPTION << 8 | vector | (has_error ? EVENT_ERROR | (uint64_t)error << 32 : 0);
}

static void want_pause(struct vcpu *v, bool on)
{
    struct vmcb *b = vmcb_of(v);

    b->icept1 = on ? b->icept1 | ICEPT1_PAUSE : b->icept1 & ~ICEPT1_PAUSE;
}

/* The trap behind an instruction that was done for the guest, if the single step is the guest's. */
static __attribute__((noinline)) void skip_stepped(struct vcpu *v)
{
    struct svm_vcpu *h = v->hw;

    if (h->step)
        svm_step_end(v, true);
    if (v->r.rflags & RFLAGS_TF) {
        h->vmcb.dr6 |= DR6_BS;
        vcpu_raise(v, VEC_DB, -1);
    }
}

static void skip_done(struct vcpu *v)
{
    vmcb_of(v)->shadow = 0;
    if (__builtin_expect((v->r.rflags & RFLAGS_TF) != 0, 0))
        skip_stepped(v);
}

const struct cpu_ops cpu_svm = {
    .name = "svm",
    .lacks = svm_lacks,
    .cpu_start = cpu_start,
    .vm_init = npt_init,
    .vm_fini = npt_fini,
    .vcpu_init = vcpu_init,
    .vcpu_fini = svm_vcpu_put,
    .start_at = svm_start_at,
    .reset = svm_reset,
    .sipi = svm_sipi,
    .load = svm_load,
    .unload = svm_unload,
    .run = run,
    .ready = ready,
    .holds_irq = holds_irq,
    .inject_irq = inject_irq,
    .inject_nmi = inject_nmi,
    .inject_exception = inject_exception,
    .want_window = want_window,
    .want_pause = want_pause,
    .skip_done = skip_done,
    .sys_get = svm_sys_get,
    .msr_read = svm_msr_read,
    .msr_write = svm_msr_write,
    .xsetbv = svm_xsetbv,
};
