#pragma once
/* Guest-virtual to guest-physical, by the guest's own page tables, as the CPU would in 64-bit mode: four or five levels,
 * with their large pages. For the emulation of single instructions. Accessed and dirty bits are left alone, reserved bits
 * and protection keys are not looked at. Intel SDM volume 3, chapter 4. */
#include "vm/vcpu.h"

enum walk_how {
    WALK_READ = 0,
    WALK_WRITE = BIT(0),
    WALK_FETCH = BIT(1), /* of an instruction that has run: the page need only be present */
    WALK_AC = BIT(2),    /* RFLAGS.AC is set: SMAP does not apply */
};

struct walk {
    gpa_t gpa;
    uint64_t run;      /* bytes from gpa to the end of the page */
    uint32_t pf_error; /* after ERR_NOTFOUND: the error code of the #PF the guest should take */
};

/* how: WALK_... bits. ERR_NOTFOUND: not mapped, or not for that; ERR_RANGE: not canonical (#GP); ERR_GUEST: page tables
 * outside RAM. Any CPU; each entry is read once. */
MUST_USE err_t walk_page(struct vm *, const struct sys_regs *, uint64_t va, unsigned how, struct walk *out);
