/* What belongs to no exit in particular: reset, start, exceptions. */
#include "vm/vcpu.h"
#include "base/str.h"
#include "vm/cpu.h"

void vcpu_reset(struct vcpu *v)
{
    memset(&v->r, 0, sizeof v->r);
    v->has_exception = v->halted = false;
    v->pvclock = 0;
    apic_reset(v);
    cpu->reset(v);
}

void vcpu_start_at(struct vcpu *v, const struct vcpu_start *at)
{
    v->waits_for_sipi = false;
    v->r.rip = at->rip;
    v->r.rflags = RFLAGS_FIXED;
    v->r.gpr[REG_RSP] = at->rsp;
    v->r.gpr[REG_RSI] = at->rsi;
    cpu->start_at(v, at);
}

void vcpu_raise(struct vcpu *v, unsigned vec, int64_t err)
{
    v->has_exception = true;
    v->exception = (uint8_t)vec;
    v->exception_has_error = err >= 0;
    v->exception_error = err >= 0 ? (uint32_t)err : 0;
}
