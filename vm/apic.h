#pragma once
/* A vCPU's local APIC (Intel SDM vol. 3, chapter 11). It begins as an xAPIC, whose registers are in a page of memory; each access to it is
 * decoded (vm/mmio.c). A system that knows the x2APIC goes over to it early; its registers are MSRs 0x800-0x8FF.
 * Everything but `posted` belongs to the CPU that runs the vCPU. Times are host TSC values. */
#include <stdatomic.h>
#include "base/err.h"

struct vcpu;
struct vm;

#define APIC_WORDS 8 /* 256 vectors */

/* Local vector table, in MSR order from 0x832 (timer) on; CMCI (0x82F) is last. */
enum apic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_CMCI, LVT_COUNT };

struct apic {
    _Atomic uint32_t posted[APIC_WORDS]; /* any CPU: vectors that arrived */
    _Atomic uint32_t posted_words;       /* any CPU: bit n: posted[n] may be non-zero */
    _Atomic uint8_t nmi;                 /* any CPU: NMIs that arrived; two at most, as one may be on its way in */
    _Atomic uint32_t level[APIC_WORDS];  /* any CPU: vectors whose EOI the I/O APIC wants to know */
    _Atomic uint32_t logical;            /* any CPU reads: what the xAPIC answers to, as apic_matches() needs it */
    uint32_t irr_words;                  /* bit n: irr[n] is not zero */
    uint32_t irr[APIC_WORDS], isr[APIC_WORDS];
    uint32_t svr, tpr, esr, esr_new;
    uint32_t lvt[LVT_COUNT];
    uint32_t timer_initial, timer_divide;
    uint32_t ldr, dfr, icr_low, icr_high; /* of the xAPIC */
    bool eoi_waits;                       /* the xAPIC was told of an end of interrupt; apic_page_end() */
    uint64_t base;                       /* IA32_APIC_BASE */
    uint64_t deadline;                   /* next timer interrupt; 0: none */
    uint64_t period;                     /* one-shot and periodic: length of the count in TSC ticks */
    uint64_t pv_eoi;                     /* MSR_KVM_PV_EOI_EN: address | 1 */
    bool pv_eoi_open;                    /* the last interrupt's EOI will be a bit cleared in guest memory */
};

void apic_reset(struct vcpu *);

/* RDMSR/WRMSR 0x800-0x8FF, IA32_APIC_BASE, TSC deadline. ERR_INVAL: #GP. */
MUST_USE err_t apic_read(struct vcpu *, uint32_t msr, uint64_t *val);
MUST_USE err_t apic_write(struct vcpu *, uint32_t msr, uint64_t val);
void apic_set_base(struct vcpu *, uint64_t val); /* IA32_APIC_BASE, checked */
void apic_set_deadline(struct vcpu *, uint64_t guest_tsc);

/* The xAPIC's page, by the vCPU's own CPU. apic_in_page(): is this it, now? The accesses come under vm->lock. An end of interrupt takes
 * that lock itself: one by PV EOI is seen to before, by apic_page_begin(), one that is written after, by apic_page_end(). */
void apic_page_begin(struct vcpu *);
bool apic_in_page(const struct vcpu *, uint64_t at);
uint64_t apic_page_read(struct vcpu *, uint64_t at, unsigned size);
void apic_page_write(struct vcpu *, uint64_t at, unsigned size, uint64_t val);
void apic_page_end(struct vcpu *);

/* The vector to take next, -1 if none is due. apic_accept() then marks it in service. */
int apic_pending(struct vcpu *);
void apic_accept(struct vcpu *, int vector);
/* Takes that back: the guest was not there to take it. */
void apic_unaccept(struct vcpu *, int vector);
/* Fires the timer if it is due. */
void apic_tick(struct vcpu *, uint64_t now);

/* Makes `vector` pending and the vCPU notice. Any CPU. */
void apic_post(struct vcpu *, uint8_t vector, bool level);
void apic_post_nmi(struct vcpu *);
/* By destination as in an MSI or ICR. logical: in the format of the APIC's mode. dest 0xFFFFFFFF (or 0xFF for an MSI): all. */
enum apic_mode { APIC_FIXED = 0, APIC_LOWEST = 1, APIC_SMI = 2, APIC_NMI = 4, APIC_INIT = 5, APIC_SIPI = 6, APIC_EXTINT = 7 };
bool apic_matches(const struct vcpu *, uint32_t dest, bool logical);
