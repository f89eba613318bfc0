#pragma once
/* One virtual CPU: its registers between exits, its local APIC, its place in the scheduler. Owned by the CPU that runs it;
 * others only touch what is marked atomic or under the run queue's lock. */
#include "arch/x86/reg.h"
#include "base/list.h"
#include "vm/apic.h"

struct vm;

/* What the backend keeps current on every exit and takes back on every entry. */
struct regs {
    uint64_t gpr[REG_COUNT]; /* by enum reg */
    uint64_t rip, rflags;
};

/* What is fetched only on slow paths (cpu_ops.sys_get). */
struct sys_regs {
    uint64_t cr0, cr2, cr3, cr4, efer;
    uint64_t fs_base, gs_base;
    bool cs_long; /* CS.L: 64-bit code */
    uint8_t cpl;
};

enum exit_kind {
    EXIT_IRQ,        /* a host interrupt: nothing for the guest */
    EXIT_WINDOW,     /* nothing to answer: the guest may be able to take an event now */
    EXIT_CPUID,
    EXIT_HYPERCALL,
    EXIT_PIO,
    EXIT_RDMSR,
    EXIT_WRMSR,
    EXIT_HLT,
    EXIT_PAUSE,
    EXIT_MMIO,       /* an access to guest-physical memory that is not RAM, or not allowed */
    EXIT_XSETBV,
    EXIT_UD,         /* an instruction this machine does not have: #UD to the guest */
    EXIT_NOP,        /* an instruction that needs nothing done (WBINVD): step over it */
    EXIT_SHUTDOWN,   /* triple fault */
    EXIT_DEAD,       /* the backend cannot go on with this guest: exit.info says why */
    EXIT_KINDS
};

struct exit {
    enum exit_kind kind;
    uint64_t next_rip;  /* behind the instruction, for those that are stepped over */
    /* PIO */
    uint16_t port;
    uint8_t size;       /* 1, 2, 4 */
    bool in, string;
    /* MMIO */
    gpa_t gpa;
    bool write, fetch;
    /* DEAD */
    uint64_t info[3];
};

enum vcpu_state {
    VCPU_OFF,      /* waits for INIT/SIPI; not scheduled */
    VCPU_READY,    /* on a run queue or running */
    VCPU_HALTED,   /* in HLT, waits for an interrupt */
    VCPU_GONE,     /* its VM is stopping and it has left */
};

struct vcpu {
    struct regs r;   /* first: the entry code knows its offset */
    struct exit x;   /* the last exit */
    struct vm *vm;
    unsigned id;     /* also its APIC id */
    void *hw;        /* the CPU backend's */
    struct apic apic;
    uint64_t pvclock;     /* kvm-clock MSR value; bit 0: enabled */
    bool halted;          /* in HLT */
    bool waits_for_sipi;  /* after INIT, and from the start on all but vCPU 0 */
    bool irq_sent;        /* the backend's: an interrupt was given to the guest at this entry */
    bool irq_untaken;     /* set by cpu_ops.run: the guest came out before it took that interrupt */
    uint8_t irq_vector;   /* which one it was */
    bool has_exception, exception_has_error;
    uint8_t exception;    /* to inject at the next entry */
    uint32_t exception_error;
    uint64_t fault_va;         /* what CR2 must hold if it is a page fault */

    /* any CPU, atomic */
    _Atomic uint32_t state;    /* enum vcpu_state */
    _Atomic bool kicked;       /* leave the guest and look again */
    _Atomic bool unhalted;     /* KVM_HC_KICK_CPU: the next HLT ends at once */
    _Atomic uint32_t startup;  /* STARTUP_INIT, STARTUP_SIPI | vector: from another vCPU */

    /* the scheduler's, under the run queue's lock */
    struct list run_link;
    unsigned cpu;              /* where it runs or ran last */
    uint64_t wake_at;          /* halted: its APIC deadline, 0: none */
    bool yielded;              /* let others go first, once */
    uint64_t vruntime;         /* fair-share clock: vm/sched.c */

    /* the CPU that runs it only */
    uint64_t quiet_until;      /* TSC: no device's interrupt ends its turn until then, or until it halts; 0: they do */
    uint64_t quiet_now;        /* the same, of what is in force on this CPU */
    uint64_t run_tsc;          /* ticks spent in it */
    uint64_t nexits;
    uint64_t exits[EXIT_KINDS];
    uint64_t pause_rip, pause_moves; /* where it executed PAUSE last, how often that was another place than before */
};

#define STARTUP_INIT BIT(31)
#define STARTUP_SIPI BIT(30)

/* Has the guest take exception `vec` instead of finishing the instruction. err < 0: no error code. */
void vcpu_raise(struct vcpu *, unsigned vec, int64_t err);
/* Makes it begin as after INIT: registers, APIC. The backend's part included. */
void vcpu_reset(struct vcpu *);
