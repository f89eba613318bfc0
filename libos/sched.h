#pragma once
/* What thread.c (whose turn it is) and cpu.c (which CPUs there are) share. All of it is under the libos' lock. */
#include "libos/cpu.h"
#include "libos/thread.h"

struct cpu {
    struct app_cpu *app;
    struct thread idle;   /* runs when no other does: it waits for events. It is in no list */
    struct thread *dying; /* has left its stack at last: free it */
    uint64_t turn_start, turn_end;
    uint64_t timer_at;    /* what its timer is set to; 0: to nothing */
    bool need_resched;    /* the turn is over, and others wait */
};

extern struct list ready; /* of threads, by thread->run */

static inline struct cpu *cpu_self(void) /* not to be kept over a switch */
{
    struct cpu *c;

    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(c) : "i"(CPU_WORD(CPU_SELF)));
    return c;
}

static inline void cpu_word_set(enum cpu_word n, uint64_t v)
{
    cpu_self()->app->guest[n] = v;
}

/* cpu.c. One that is parked may take a thread that is ready; false: there is none. */
bool cpu_wake_parked(void);
bool cpu_start(void); /* one more; false: there are no more */
void cpu_become_boot(void); /* in a clone: there is no other, and it has the boot CPU's number */
bool cpu_alone(void); /* there is one, and no other can be started */
void cpu_interrupt(struct cpu *);
void cpu_wait(void); /* the idle thread: until there may be something to do */
