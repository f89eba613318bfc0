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
