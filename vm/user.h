#pragma once
/* What runs an app guest's CPU at CPL 3: enter it, say why it came out. app/run.c calls it; cpu/ring3 is one, cpu/svm/user.c, for apps
 * with `isolate vm`, another. The CPU's general registers are in struct vcpu; its page tables are those of its struct space. */
#include "vm/space.h"
#include "vm/vcpu.h"

enum user_exit_kind {
    USER_NOTHING,   /* the backend has done for it what there was to do */
    USER_IRQ,       /* a host interrupt, for ground_irq_handle(): nothing for the guest */
    USER_IRQ_WAITS, /* the same, but the CPU has not taken it: the scheduler lets it in */
    USER_SYSCALL,   /* a system call that is none of the gate: rip is behind it, and in rcx; rflags is in r11 */
    USER_UNCLEAR,   /* an exception that explain() has to look at */
    USER_EXCEPTION, /* rip is the instruction's, or behind it if the processor says so */
};

struct user_exit {
    enum user_exit_kind kind;
    uint8_t vector;   /* of an exception or an interrupt */
    bool has_error;
    uint32_t error;
    uint64_t address; /* of a page fault */
};

#define USER_BELL_AT 16u

struct user_ops {
    const char *name;
    /* NULL if this CPU can run app guests; else what it lacks, for the user. */
    const char *(*lacks)(void);
    /* The calling CPU can from now on. CPU 0 first. `user` before a struct cpu_ops is started there, `user_vm` after that. */
    MUST_USE err_t (*cpu_start)(void);
    uint64_t (*top_entry)(void); /* for space_init() */
    /* The code of the gate page: the gate at 0, the bell at USER_BELL_AT; where in it each comes out */
    uint8_t gate[32];
    uint64_t gate_return, bell_return;

    /* v->hw: registers that are not in struct vcpu. `gate` is the address of the gate page. ERR_NOMEM. */
    MUST_USE err_t (*init)(struct vcpu *, struct space *, uint64_t gate);
    void (*fini)(struct vcpu *);
    void (*reset)(struct vcpu *, uint64_t gs); /* as at a CPU's start; it is not loaded anywhere */
    /* The calling CPU begins, and ends, to run this one. */
    void (*load)(struct vcpu *);
    void (*unload)(struct vcpu *);
    /* Runs it until it comes out. Interrupts are off before and after. It serves the gate and the bell by the two functions below, and
     * touches nothing else that the space's lock guards: whoever has that may wait for this CPU to be out. */
    void (*run)(struct vcpu *, struct user_exit *);
    /* Behind run(): makes of USER_UNCLEAR what it is. NULL: run() is always clear. */
    void (*explain)(struct vcpu *, struct user_exit *);
};

/* app/run.c: serves a call of the gate, of the bell; of the registers only rax changes. True: the guest may go on at once. False: run() is to come
 * out, with USER_NOTHING. */
bool user_gate(struct vcpu *);
bool user_bell(struct vcpu *);

/* Those in use, user_vm for `isolate vm`; set by the ground's drivers.c before the first guest. NULL: no such app guests here. */
extern const struct user_ops *user, *user_vm;
