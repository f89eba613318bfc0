/* RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE for guests on CPUs that do not have them (before Ivy Bridge, before Excavator): the libos
 * and stock programs use them. Intel SDM volume 2: F3 [REX] 0F AE /0 to /3, register form. */
#include "arch/x86/cpu.h"
#include "cpu/ring3/ring3.h"

#define REX_W 8u
#define REX_B 1u
#define LONGEST 5u

bool fsgs_emulate(struct vcpu *v)
{
    const struct ring3_vcpu *h = v->hw;
    uint8_t code[LONGEST] = { 0 };
    unsigned at = 1, rex = 0, op;
    uint64_t *reg;
    uint32_t msr;

    if (space_read(h->space, v->r.rip, code, sizeof code) && space_read(h->space, v->r.rip, code, sizeof code - 1))
        return false; /* the form without REX has four bytes */
    if ((code[at] & 0xF0) == 0x40)
        rex = code[at++];
    op = code[at + 2] >> 3 & 7;
    if (code[0] != 0xF3 || code[at] != 0x0F || code[at + 1] != 0xAE || code[at + 2] < 0xC0 || op > 3)
        return false;
    reg = &v->r.gpr[(code[at + 2] & 7) | (rex & REX_B) << 3];
    msr = op & 1 ? MSR_KERNEL_GS_BASE : MSR_FS_BASE; /* the guest's GS is swapped away while the monitor runs */
    if (op < 2) {
        *reg = rex & REX_W ? cpu_rdmsr(msr) : (uint32_t)cpu_rdmsr(msr);
    } else {
        uint64_t value = rex & REX_W ? *reg : (uint32_t)*reg;
        if (value >> 47 && value >> 47 != 0x1FFFF)
            return false; /* no address: it is a fault of another kind, but a fault */
        cpu_wrmsr(msr, value);
    }
    v->r.rip += at + 3;
    return true;
}
