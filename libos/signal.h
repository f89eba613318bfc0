#pragma once
/* Signals, for the system calls that are about them. */
#include "libos/thread.h"

#define BIT_OF(n) (1ull << ((n) - 1))
#define UNBLOCKABLE (BIT_OF(SIGKILL) | BIT_OF(SIGSTOP))

extern struct sigaction actions[SIGNALS];
int64_t signal_return(struct regs *);
void signals_reset(void); /* handlers and the alternate stack go; what is ignored stays so */
uint64_t signal_pending(const struct thread *);
int mask_swap(user_t at, uint64_t size); /* until this call ends the thread has the mask at `at`; 0: its own */
bool on_altstack(uint64_t sp);
int signal_take(uint64_t among, struct siginfo *info); /* for sigtimedwait; 0: none */
bool signal_ignored(int n);
bool signal_full(void); /* no more can be queued: for sigqueue() */
void signal_forget(const struct thread *, int n); /* all that are pending for a thread that ends; or, NULL, all n of all */
