/* The table of system calls, and the way each one takes. What has no row answers ENOSYS; docs/syscalls.md is made from the table. */
#include <asm/unistd.h>
#include "libos/futex.h"
#include "libos/load.h"
#include "libos/signal.h"
#include "libos/sock.h"
#include "libos/sys.h"
#include "libos/syscall.h"
#include "libos/user.h"
#include "libos/vma.h"

#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452 /* since Linux 6.6 */
#endif
#define VIA(name, ...) sys_##name((const uint64_t[6]){ __VA_ARGS__ })

#define CALL(name) sys_fn sys_##name;
#define AS(...)
#include "libos/calls.h"
#undef CALL
#undef AS

#define CALL(name)
#define AS(name, ...) static int64_t as_##name(ARGS) { return __VA_ARGS__; }
#include "libos/calls.h"
#undef CALL
#undef AS

#define CALL(name) [__NR_##name] = { #name, sys_##name },
#define AS(name, ...) [__NR_##name] = { #name, as_##name },
#define SYS_MAX 470u
static const struct {
    const char *name;
    sys_fn *fn;
} rows[SYS_MAX] = {
#include "libos/calls.h"
};

bool tracing;

void syscall_trace(bool on) { tracing = on; }

#define PLAIN_MAX 128u /* as in entry.S */
uint32_t plain_answers[PLAIN_MAX];

void syscall_plain(void)
{
    static const uint8_t plain[] = { __NR_getpid, __NR_getuid, __NR_getgid, __NR_geteuid, __NR_getegid, __NR_getppid, __NR_getpgrp };

    memset(plain_answers, 0xFF, sizeof plain_answers);
    for (size_t i = 0; i < sizeof plain && !tracing; i++)
        plain_answers[plain[i]] = (uint32_t)rows[plain[i]].fn(NULL);
}

static void trace(const struct regs *r)
{
    const char *name = r->error < SYS_MAX ? rows[r->error].name : NULL;

    log_line("%u %s(%#llx, %#llx, %#llx, %#llx) = %lld at %#llx", current->tid, name ? name : "?", (unsigned long long)r->rdi,
             (unsigned long long)r->rsi, (unsigned long long)r->rdx, (unsigned long long)r->r10, (long long)r->rax, (unsigned long long)r->rip);
}

void syscall_run(struct regs *r)
{
    const uint64_t a[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };
    uint64_t nr = r->error;
    int64_t result;

    if (program_loading && !program_loads(r->rip)) {
        program_loading = false;
        maps_flush();
    }
    result = nr < SYS_MAX && rows[nr].fn ? rows[nr].fn(a) : -ENOSYS;

    if (r->vector == 256)
        r->rax = (uint64_t)result;
    if (tracing)
        trace(r);
}

bool program_resume(struct regs *r, bool full)
{
    full = full || r->vector != 256;
    while (events_take())
        ;
    net_leave();
    thread_leave();
    if (signal_wanted(current) || current->restore_mask || (int64_t)r->rax == -ERESTARTSYS) {
        if (thread_doomed(current))
            thread_exit();
        signal_deliver(r);
        full = true;
    }
    if (full && !thread_frame_leave(r))
        libos_exit(APP_EXIT_SIGNAL + SIGSEGV);
    libos_unlock();
    return full;
}

/* entry.S: from the sled. */
bool syscall_enter(struct regs *r)
{
    libos_lock();
    syscall_run(r);
    return program_resume(r, false);
}
