#pragma once
/* Runs one vCPU and answers its exits. */
#include "vm/vcpu.h"

enum run_end {
    RUN_PREEMPTED, /* a host interrupt waits */
    RUN_YIELDED,   /* PAUSE: let others go first */
    RUN_HALTED,    /* HLT, nothing pending */
    RUN_OFF,       /* INIT: waits for a start-up IPI */
    RUN_GONE,      /* its VM stops */
};

/* Runs v on this CPU until one of these ends. cpu_ops.load has been called; interrupts are off all the time. */
enum run_end run_vcpu(struct vcpu *);

/* For machines whose vCPUs are not run by the CPU backend in vm/cpu.h. */
struct machine_run {
    /* The calling CPU begins, and ends, to run this vCPU. */
    void (*load)(struct vcpu *);
    void (*unload)(struct vcpu *);
    enum run_end (*run)(struct vcpu *); /* as run_vcpu() */
    bool (*has_reason)(struct vcpu *);  /* something came after it had decided to sleep. Any CPU */
    uint64_t (*deadline)(const struct vcpu *); /* when it wants to run again, or to be interrupted: TSC; 0: never */
};
