#pragma once
/* The x86-64 instruction at some bytes of a program's text: how long it is, and what rewrite.c asks about it. Pure functions. */
#include "base/types.h"

enum code_kind { CODE_OTHER, CODE_SYSCALL, CODE_END /* nothing follows it: ret, jmp, ud2, hlt */ };

struct code {
    uint8_t length;
    enum code_kind kind;
    bool below_rsp, below_rbp; /* it uses memory at a negative distance from that register; of rsp, more than its address */
    bool makes_room;           /* subtracts from rsp */
};

/* False: no instruction begins there that this knows. It knows all that compilers make; what a CPU refuses may count as one. */
bool code_read(const uint8_t *at, uint64_t len, struct code *);
