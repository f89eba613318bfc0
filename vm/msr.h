#pragma once
/* Model-specific registers of a guest. */
#include "base/err.h"

struct vcpu;

/* ERR_INVAL: #GP. */
MUST_USE err_t msr_read(struct vcpu *, uint32_t msr, uint64_t *val);
MUST_USE err_t msr_write(struct vcpu *, uint32_t msr, uint64_t val);
