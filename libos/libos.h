#pragma once
/* What all of the libos shares. The libos runs with events masked and under one lock, on one thread's stack at a time, and gives them up only in
 * thread_block() and thread_yield(): between two of those calls nothing else of the libos runs, whatever the number of CPUs, and no other lock is
 * needed. The program's other threads do run meanwhile, and may change its memory. */
#include "abi/app.h"
#include "base/list.h"
#include "base/panic.h"
#include "base/str.h"
#include "libos/linux.h"

#define UNUSED __attribute__((unused))

typedef uint64_t user_t; /* an address in the program: only user_*() reach behind it */

/* --- the program's registers, as entry.S pushes them --- */
struct regs {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;   /* of an upcall; 256: a system call */
    uint64_t error;    /* of an exception; or the number of the system call */
    uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct regs) == 176, "entry.S");

/* --- main.c --- */
extern const struct app_boot *boot;
int64_t gate(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t call);
void bell(uint64_t number); /* see abi/app.h: a channel's number, for whoever does not wait for the answer at once; APP_BELL_CPU + a CPU's */
void log_line(const char *fmt, ...) PRINTF(1, 2);
NORETURN void libos_exit(uint32_t status);
bool events_take(void); /* serves what the monitor has noted; true if there was something */

/* --- upcall.c --- */
void sled_drop(void); /* page 0 becomes empty: each system call is a fault from now on */

/* --- cpu.c --- */
void cpus_init(void);
unsigned cpus_limit(void); /* how many there may be */
uint32_t cpu_number(void); /* of this one */
void libos_lock(void);     /* by whoever comes from the program, or from a wait */
void libos_unlock(void);

/* --- mem.c: the libos' own memory, zeroed; NULL: no more --- */
void *mem_get(size_t bytes);
void mem_put(void *p);
void *mem_grow(void *p, size_t old, size_t bytes); /* moves; the new part is zero; p stays if it fails */
char *mem_text(const char *s, size_t n);           /* a copy with an ending 0 */

/* --- the program's memory: 0 or -EFAULT --- */
int user_copy(void *dst, const void *src, size_t n);
int user_cas(uint32_t *addr, uint32_t *old, uint32_t new);
int user_read(void *dst, user_t from, size_t n);
int user_write(user_t to, const void *src, size_t n);
int64_t user_text(char *dst, user_t from, size_t room); /* its length; -EFAULT, -ENAMETOOLONG */
bool user_range(user_t at, uint64_t n);
int user_clear(user_t to, uint64_t n);

/* --- time.c --- */
uint64_t time_mono(void); /* ns */
uint64_t time_wall(void);
struct timespec timespec_of(uint64_t ns);
/* -EINVAL, -EFAULT; too large becomes UINT64_MAX */
int timespec_read(user_t from, uint64_t *ns);
struct timer {
    struct list link;
    uint64_t at; /* time_mono(); 0: not set */
    void (*fire)(struct timer *);
};
void timer_set(struct timer *, uint64_t at); /* 0 stops it */
void timers_run(void);
uint64_t timers_next(void); /* 0: none */

/* --- random.c --- */
void random_init(const uint8_t *seed, size_t n);
void random_bytes(void *to, size_t n);
