#pragma once
/* The SVM backend's own structs; nothing outside cpu/svm sees them. */
#include "cpu/svm/vmcb.h"
#include "vm/cpu.h"
#include "vm/user.h"

extern const struct cpu_ops cpu_svm;
extern const struct user_ops cpu_svm_user; /* user.c; only beside cpu_svm */

/* The guest runs one instruction with TF set, because of which an event has to wait: NMIs have no window of their own. */
enum svm_step { STEP_NONE, STEP_SHADOW /* the one behind STI or MOV SS */, STEP_IRET /* of an NMI handler */ };

/* vcpu->hw: whole pages, contiguous in the machine */
struct svm_vcpu {
    struct vmcb vmcb;
    uint64_t xcr0, tsc_aux, dr[4];
    bool nmi_masked;       /* an NMI handler runs: until IRET */
    enum svm_step step;
    bool step_own;         /* the guest itself is single-stepping there */
    /* TLB tag: valid on asid_cpu while that CPU's generation is still this */
    unsigned asid_cpu;
    uint64_t asid_generation;
    /* of an app */
    struct space *space;
    uint64_t edits;        /* of the space, when it got its TLB tag */
    uint64_t gate;         /* the address of the gate page */
    _Alignas(64) uint8_t fpu[]; /* XSAVE area while not loaded */
};

/* What all guests share: permission maps, features. */
struct svm_shared {
    void *iopm, *msrpm;
    uint64_t xcr0_mask;
    uint32_t fpu_size, asids;
    bool has_next_rip;
    uint64_t behind_vmrun;     /* where the monitor goes on after an exit: an address no guest's state should hold */
};
extern struct svm_shared svm_shared;

/* cpu/svm/svm.c: what systems and apps have in common. */
const char *svm_lacks(void);
MUST_USE err_t svm_vcpu_get(struct vcpu *);  /* v->hw, all zeros; ERR_NOMEM */
void svm_vcpu_put(struct vcpu *);
void svm_load(struct vcpu *);
void svm_unload(struct vcpu *);
void svm_asid_renew(struct svm_vcpu *);      /* what the TLB knows of it counts no more */
void svm_step_begin(struct vcpu *, enum svm_step);
void svm_step_end(struct vcpu *, bool done); /* not done: an exception came instead */
bool svm_code_read(const struct vcpu *, uint8_t *to, unsigned size); /* exit.c: the code at RIP, as far as it is there. False: there is none */
void svm_go(struct vcpu *);                  /* until the next #VMEXIT, which is in the VMCB */

/* cpu/svm/npt.c: nested page tables over a guest's RAM; vm->hw is their top table. */
MUST_USE err_t npt_init(struct vm *);
void npt_fini(struct vm *);
bool npt_map(struct vm *, gpa_t at); /* lets the guest at the 2 MiB around it; false: no RAM */

/* cpu/svm/state.c: register state of a vCPU. */
void svm_reset(struct vcpu *);
void svm_start_at(struct vcpu *, const struct vcpu_start *);
void svm_sipi(struct vcpu *, uint8_t vector);
void svm_sys_get(const struct vcpu *, struct sys_regs *);
err_t svm_msr_read(struct vcpu *, uint32_t msr, uint64_t *val);
err_t svm_msr_write(struct vcpu *, uint32_t msr, uint64_t val);
err_t svm_xsetbv(struct vcpu *, uint32_t reg, uint64_t val);

/* cpu/svm/exit.c: from the VMCB's exit code to v->x. */
void svm_decode_exit(struct vcpu *);

static inline struct vmcb *vmcb_of(const struct vcpu *v)
{
    return &((struct svm_vcpu *)v->hw)->vmcb;
}

/* cpu/svm/enter.S: runs the guest until its next exit, with GIF and IF as VMRUN wants them. The general registers but
 * RAX and RSP go through *r. Interrupts are off before and after. */
__attribute__((sysv_abi)) void svm_enter(struct regs *r, hpa_t vmcb, hpa_t host_vmcb);
extern const uint8_t svm_behind_vmrun[];
