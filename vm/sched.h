#pragma once
/* Which vCPU runs where and when. One run queue per CPU; a vCPU stays on its CPU unless an idle or less loaded CPU takes it.
 * Fair share by run time, by guest first: the guest goes next that has run least, however many vCPUs it has, and of its vCPUs the
 * one that has waited longest. For grounds that own the CPUs (EFI); on Linux the kernel's scheduler does this work. */
#include "base/err.h"

struct vcpu;

/* Work that CPU 0 does between guests: returns when (TSC) it wants to be called again at the latest, UINT64_MAX: when
 * kicked only. */
typedef uint64_t (*sched_chore)(uint64_t now);

void sched_init(void);
void sched_add_chore(sched_chore);
/* Runs guests for ever on the calling CPU: sched_step() again and again. */
NORETURN void sched_run(void);
/* Lets interrupts in, does chores, runs one vCPU until it ends its turn, or idles until an interrupt. */
void sched_step(void);

/* A new vCPU, on the next CPU by turns. It is not run before sched_wake(). */
void sched_place(struct vcpu *);
/* Makes a vCPU that is OFF or HALTED run; makes a running one look for interrupts. Any CPU. */
void sched_wake(struct vcpu *);
/* True if no CPU will touch this vCPU again (its VM is stopping and it has left). */
bool sched_forget(struct vcpu *);
/* CPU 0 runs its chores soon. Any CPU. */
void sched_kick_chores(void);

/* Called by the vCPU's own run loop: */
bool sched_others_wait(const struct vcpu *);    /* another vCPU waits for its CPU */
void sched_timer_changed(struct vcpu *);        /* its APIC timer, or quiet_until, was set anew */
/* Halts the CPU in its turn until an interrupt. False: the scheduler has something to do. */
bool sched_nap(struct vcpu *);
