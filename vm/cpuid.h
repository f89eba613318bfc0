#pragma once
/* What a guest reads by CPUID: the machine's own features less all that is not on the list of what works in a guest, plus
 * KVM's paravirtual leaves. */
#include "base/types.h"

struct vcpu;

void cpuid_init(void); /* once, before the first guest */
/* Answers EXIT_CPUID in v->r. */
void cpuid_exit(struct vcpu *);
/* XCR0 bits a guest may set. */
uint64_t cpuid_xcr0_mask(void); /* 0: XSAVE is not to be used */
