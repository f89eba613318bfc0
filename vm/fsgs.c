/* RDFSBASE, RDGSBASE, WRFSBASE and WRGSBASE for guests on CPUs that do not have them (before Ivy Bridge, before Excavator): the libos
 * and stock programs use them. Intel SDM volume 2: F3 [REX] 0F AE /0 to /3, register form. */
#include "vm/fsgs.h"
#include "vm/space.h"
#include "vm/vcpu.h"

#define REX_W 8u
#define REX_B 1u
#define LONGEST 5u

bool fsgs_emulate(struct vcpu *v, struct space *s, uint64_t base[2])
{
    uint8_t code[LONGEST] = { 0 };
    unsigned at = 1, rex = 0, op;
    uint64_t *reg;

    if (space_read(s, v->r.rip, code, sizeof code) && space_read(s, v->r.rip, code, sizeof code - 1))
        return false; /* the form without REX has four bytes */
    if ((code[at] & 0xF0) == 0x40)
        rex = code[at++];
    op = code[at + 2] >> 3 & 7;
    if (code[0] != 0xF3 || code[at] != 0x0F || code[at + 1] != 0xAE || code[at + 2] < 0xC0 || op > 3)
        return false;
    reg = &v->r.gpr[(code[at + 2] & 7) | (rex & REX_B) << 3];
    if (op < 2) {
        *reg = rex & REX_W ? base[op & 1] : (uint32_t)base[op & 1];
    } else {
        uint64_t value = rex & REX_W ? *reg : (uint32_t)*reg;
        if (value >> 47 && value >> 47 != 0x1FFFF)
            return false; /* no address: it is a fault of another kind, but a fault */
        base[op & 1] = value;
    }
    v->r.rip += at + 3;
    return true;
}
