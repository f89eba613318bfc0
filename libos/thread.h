#pragma once
/* Threads of the program, run in turns by the libos, on as many CPUs as there is work for. */
#include "libos/cpu.h"
#include "libos/libos.h"

#define KSTACK 16384u

struct waitq {
    struct list list; /* of struct waiter */
};
struct waiter {
    struct list link; /* self-linked while not in a queue */
    struct thread *thread;
    void (*fire)(struct waiter *, uint32_t events); /* is called, and no thread woken; or NULL */
};

struct thread {
    struct list all, run;   /* run: self-linked while not runnable */
    uint32_t tid;
    uint64_t rsp;           /* while another one runs */
    uint8_t *kstack;
    void *fpu;
    uint64_t fs;
    struct regs *regs;      /* at the top of kstack */
    bool timed_out, dead;
    struct cpu *cpu;        /* the one it runs on; NULL: none */
    struct timer timer;     /* of a sleep with an end */
    user_t clear_tid, robust;
    uint64_t barred;        /* CPUs it asked not to run on: only told back */
    char name[16];
    uint64_t started_ns, used_ns;
    /* signals */
    uint64_t mask, pending, saved_mask;
    bool restore_mask;
    struct siginfo *info;   /* of the last fault */
    struct sigstack altstack;
    /* futex.c */
    struct list futex_link;
    user_t futex_at;
    uint32_t futex_bits;
};

#define current thread_current()
static inline struct thread *thread_current(void)
{
    struct thread *t;

    __asm__ volatile("mov %%gs:%c1, %0" : "=r"(t) : "i"(CPU_WORD(CPU_CURRENT)));
    return t;
}
extern struct list threads; /* all of them, by thread->all */
extern unsigned thread_count;

void threads_init(void);
/* A thread that will start in the program with these registers. NULL: no memory. It is not runnable yet. */
struct thread *thread_new(const struct regs *);
void thread_ready(struct thread *); /* it is to run, if it does not */
NORETURN void thread_exit(void); /* the current one */
void thread_yield(void);
/* Sleeps until thread_ready() or the deadline (time_mono(), 0: none). 0; -ETIMEDOUT; -EINTR: a signal is to be handled. Whoever wakes sees to it
 * that it is only woken for what it waits for, or it looks again. */
int thread_block(uint64_t deadline);
void thread_block_deaf(void); /* for what cannot be cut short */
void thread_poke(struct thread *); /* it shall look at its signals, even if it computes on another CPU */
void thread_slice(void);       /* sees to it that the current one's turn will end */
void thread_leave(void);       /* before the CPU goes back to the program: others may wait */
NORETURN void thread_idle(void); /* what a CPU does that has nothing to do */
void thread_timer_event(void);
int64_t thread_freeze(void); /* APP_TEMPLATE by the only thread; 1: this is a clone, and it has the number of the boot record */
void thread_born(void); /* in a clone: its CPU time begins now */
void thread_name(struct thread *, const char *path); /* the last part of it */
/* For execve: all threads but this one end before it returns, and this one has the process' number. */
void threads_end_others(void);
bool thread_doomed(const struct thread *); /* it is to end, not to go back to the program */
void thread_renew(void); /* no vector registers, no FS base, no robust list: as at a program's start */
void thread_fpu_copy(struct thread *); /* the new thread's vector registers are those of now */
void thread_fpu_fresh(struct thread *); /* they are as a program finds them at its start */
bool thread_frame_leave(struct regs *); /* prepares entry.S' leave(); false: the stack is gone */
static inline void fs_set(uint64_t v) { __asm__ volatile("wrfsbase %0" ::"r"(v)); }
static inline uint64_t fs_get(void)
{
    uint64_t v;

    __asm__ volatile("rdfsbase %0" : "=r"(v));
    return v;
}
extern uint64_t fpu_mask;
extern uint32_t fpu_size;
void fpu_save(void *area, uint64_t mask);
void fpu_load(const void *area, uint64_t mask);

static inline void waitq_init(struct waitq *q) { list_init(&q->list); }
void waitq_add(struct waitq *, struct waiter *); /* for the current thread */
static inline void waitq_remove(struct waiter *w) { list_remove(&w->link); }
void waitq_watch(struct waitq *, struct waiter *, void (*fire)(struct waiter *, uint32_t events));
void waitq_tell(struct waitq *, uint32_t events); /* these POLL* may have come to hold */
static inline void waitq_wake(struct waitq *q) { waitq_tell(q, UINT32_MAX); } /* any */
/* Adds, blocks, removes. Results as thread_block(). */
int waitq_wait(struct waitq *, uint64_t deadline);

/* signal.c */
void signal_post(struct thread *, int n, const struct siginfo *); /* thread NULL: the process */
bool signal_wanted(const struct thread *);                      /* one is pending that is not masked */
void signal_deliver(struct regs *);                             /* before going back to the program */
void signal_fault(int n, int code, uint64_t address);
void signalfd_tell(void); /* signalfd.c: a signal has been posted */
/* Result of a call that a signal cut short and that starts again if the handler says SA_RESTART. */
#define ERESTARTSYS 512

/* futex.c */
int64_t futex_wake(user_t at, uint32_t count, uint32_t bits);
