#pragma once
/* Linux' user interface on x86-64: the kernel's headers for programs; where those have pointers or the C library's types, its structs as numbers. */
#include <asm/errno.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/stat.h>
#include <linux/time.h>
#include "base/types.h"

struct iovec { uint64_t base, len; };

enum { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 4 };

/* signals */
#define SIGNALS 65 /* one more than the largest number */
struct siginfo {
    int32_t signo, error, code, pad;
    uint64_t field[14]; /* by kind: pid and uid, or an address */
};
_Static_assert(sizeof(struct siginfo) == 128, "siginfo");
struct sigstack { uint64_t sp; int32_t flags, pad; uint64_t size; };
enum { SS_ONSTACK = 1, SS_DISABLE = 2 };
struct sigcontext {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};
struct ucontext {
    uint64_t flags, link;
    struct sigstack stack;
    struct sigcontext mc;
    uint64_t sigmask;
};
enum { SI_USER = 0, SI_KERNEL = 0x80, SI_TIMER = -2, SI_MESGQ = -3, SI_TKILL = -6, SEGV_MAPERR = 1, SEGV_ACCERR = 2, FPE_INTDIV = 1, FPE_FLTDIV = 3, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV, ILL_ILLOPN = 2, BUS_ADRALN = 1, BUS_ADRERR,
    TRAP_BRKPT = 1 };
