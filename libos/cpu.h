#pragma once
/* What the libos keeps for each CPU: words of its struct app_cpu, which GS points to. entry.S names the first two by their offsets. */
#include "abi/app.h"

enum cpu_word {
    CPU_SCRATCH, /* 40: for entry.S */
    CPU_STACK,   /* 48: where the running thread enters the libos */
    CPU_TIME,    /* the clock page, for the vDSO */
    CPU_CURRENT, /* struct thread: the one it runs */
    CPU_SELF,    /* struct cpu */
};

#define CPU_WORD(n) (offsetof(struct app_cpu, guest) + 8 * (n))
