#pragma once
/* A CPU backend for tests: "the guest" is a script of exits; what is injected is recorded. */
#include "vm/cpu.h"

extern const struct cpu_ops cpu_fake;

/* vcpu->hw */
struct fake_vcpu {
    /* Plays one stay in the guest: sets v->x (and v->r). NULL: EXIT_IRQ for ever. */
    void (*script)(struct vcpu *);
    unsigned step;        /* how often script ran; the script may use it */
    struct sys_regs sys;  /* what sys_get returns */
    bool shadow;          /* STI or MOV SS holds interrupts off */
    bool nmi_masked;      /* an NMI handler holds NMIs off */
    bool window, pause;   /* wanted */
    bool holds;           /* an interrupt that is injected waits for IF */
    unsigned resets, loads, unloads;
    bool started;
    uint8_t sipi_vector;
    /* the last event injected, cleared by each run */
    int irq, nmi, exception;
    bool has_error;
    uint32_t error;
    int last_irq, last_exception; /* -1: none yet */
};

static inline struct fake_vcpu *fake_of(struct vcpu *v) { return v->hw; }
/* The script of every vCPU that is made from now on. */
void fake_script(void (*script)(struct vcpu *));
