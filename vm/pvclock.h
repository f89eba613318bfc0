#pragma once
/* kvm-clock: the guest computes its time from the TSC with factors we write into its memory once
 * (Linux Documentation/virt/kvm/x86/msr.rst). Times are nanoseconds since the guest started. */
#include "base/err.h"

struct vcpu;

/* MSR_KVM_SYSTEM_TIME_NEW: address | enable. ERR_INVAL: not in RAM. */
MUST_USE err_t pvclock_set(struct vcpu *, uint64_t msr_value);
/* MSR_KVM_WALL_CLOCK_NEW: where to write the UTC time of the guest's start. */
MUST_USE err_t pvclock_wall(struct vcpu *, uint64_t at);
