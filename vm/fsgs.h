#pragma once
/* What app guests may execute and an old CPU has not: called by a backend of vm/user.h for an invalid instruction. */
#include "base/types.h"

struct space;
struct vcpu;

/* Does RDFSBASE and its like, at v's rip, on base[0], FS, and base[1], GS. False: it was something else, nothing has changed. */
bool fsgs_emulate(struct vcpu *v, struct space *, uint64_t base[2]);
