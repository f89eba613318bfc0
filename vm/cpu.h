#pragma once
/* What a CPU backend (cpu/svm, later cpu/vmx ...) gives the core: enter a guest, say why it left, change what only the
 * hardware's control block holds. docs/add-a-cpu-backend.md walks through one. */
#include "vm/start.h"
#include "vm/vcpu.h"

struct cpu_ops {
    const char *name;
    /* NULL if this CPU can run OS guests; else what it lacks, for the user. */
    const char *(*lacks)(void);
    /* Turns virtualisation on, on the calling CPU. Once per CPU. */
    err_t (*cpu_start)(void);

    /* vm->hw: second-level page tables over vm's RAM. ERR_NOMEM. */
    err_t (*vm_init)(struct vm *);
    void (*vm_fini)(struct vm *);
    /* v->hw, in the state after INIT. ERR_NOMEM. */
    err_t (*vcpu_init)(struct vcpu *);
    void (*vcpu_fini)(struct vcpu *);
    void (*start_at)(struct vcpu *, const struct vcpu_start *);
    void (*reset)(struct vcpu *);                 /* INIT */
    void (*sipi)(struct vcpu *, uint8_t vector);  /* start-up IPI: real mode at vector << 12 */

    /* The calling CPU begins, and ends, to run this vCPU: FPU, debug registers, TLB tag. */
    void (*load)(struct vcpu *);
    void (*unload)(struct vcpu *);
    /* Runs the guest until it exits; fills v->r and v->x. Interrupts are off before and after. */
    void (*run)(struct vcpu *);

    /* True if the guest can take an interrupt (or, with nmi, an NMI) at this very moment. */
    bool (*ready)(const struct vcpu *, bool nmi);
    /* True if inject_irq() may be called although the guest takes the interrupt only later. NULL: never. */
    bool (*holds_irq)(const struct vcpu *);
    /* At the next entry. run() sets v->irq_untaken if the guest came out before it took it. */
    void (*inject_irq)(struct vcpu *, uint8_t vector);
    void (*inject_nmi)(struct vcpu *);
    void (*inject_exception)(struct vcpu *, uint8_t vector, bool has_error, uint32_t error);
    /* EXIT_WINDOW as soon as the guest can take an interrupt, or an NMI. */
    void (*want_window)(struct vcpu *, bool irq, bool nmi);
    void (*want_pause)(struct vcpu *, bool on); /* EXIT_PAUSE on PAUSE */
    /* An instruction has been done for the guest: interrupts are no longer held off by STI or MOV SS, a single step ends. */
    void (*skip_done)(struct vcpu *);

    void (*sys_get)(const struct vcpu *, struct sys_regs *);
    /* MSRs the backend keeps (EFER, PAT ...). ERR_NOTFOUND: not one of them; ERR_INVAL: #GP. */
    err_t (*msr_read)(struct vcpu *, uint32_t msr, uint64_t *val);
    err_t (*msr_write)(struct vcpu *, uint32_t msr, uint64_t val);
    err_t (*xsetbv)(struct vcpu *, uint32_t reg, uint64_t val); /* ERR_INVAL: #GP */
};

/* The one in use; set by the ground's drivers.c before the first guest. */
extern const struct cpu_ops *cpu;
