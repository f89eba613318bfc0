#pragma once
/* MSR access that may fail: a #GP becomes `false` instead of a panic. The ground's exceptions ask safe_fixup(). */
#include "base/types.h"

bool cpu_rdmsr_safe(uint32_t msr, uint64_t *out) __attribute__((sysv_abi)); /* *out is unchanged on failure */
bool cpu_wrmsr_safe(uint32_t msr, uint64_t v) __attribute__((sysv_abi));

/* Where to go on after a #GP at rip; 0: rip is not one of the instructions above. */
uint64_t safe_fixup(uint64_t rip);
