/* System calls on threads. */
#include <asm/prctl.h>
#include <linux/sched.h>
#include "libos/futex.h"
#include "libos/signal.h"
#include "libos/sys.h"

#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

static int64_t thread_clone(uint64_t flags, uint64_t stack, user_t parent_tid, user_t child_tid, uint64_t tls)
{
    struct regs r = *current->regs;
    struct thread *t;

    if (flags & CLONE_SETTLS && tls >= BIT64(47))
        return -EPERM;
    if ((flags & THREAD_FLAGS) != THREAD_FLAGS || !stack)
        return -ENOSYS; /* fork and its like: not yet */
    r.rsp = stack;
    r.rax = 0;
    t = thread_new(&r);
    if (!t)
        return -EAGAIN;
    thread_fpu_copy(t);
    t->barred = current->barred;
    t->fs = flags & CLONE_SETTLS ? tls : fs_get();
    if (flags & CLONE_CHILD_CLEARTID)
        t->clear_tid = child_tid;
    if ((flags & CLONE_PARENT_SETTID && user_write(parent_tid, &t->tid, 4)) || (flags & CLONE_CHILD_SETTID && user_write(child_tid, &t->tid, 4)))
        log_line("clone: the thread's number could not be written");
    thread_ready(t);
    thread_slice();
    return t->tid;
}

SYS(clone) { return thread_clone(a[0], a[1], a[2], a[3], a[4]); }

SYS(clone3)
{
    uint64_t c[8] = { 0 }; /* flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls */

    if (a[1] < sizeof c || user_read(c, a[0], sizeof c))
        return a[1] < sizeof c ? -EINVAL : -EFAULT;
    return thread_clone(c[0], c[5] ? c[5] + c[6] : 0, c[3], c[2], c[7]);
}

struct thread *thread_by(uint64_t tid)
{
    list_each (l, &threads) {
        struct thread *t = container_of(l, struct thread, all);
        if (t->tid == (uint32_t)tid)
            return t;
    }
    return NULL;
}

SYS(exit)
{
    futex_robust(current->robust);
    if (thread_count == 1)
        libos_exit((uint32_t)a[0] & 0xFF);
    ended_ns += cpu_time(current);
    signal_forget(current, 0);
    thread_exit();
}

SYS(set_tid_address)
{
    current->clear_tid = a[0];
    return current->tid;
}

SYS(set_robust_list)
{
    if (a[1] != 24)
        return -EINVAL;
    current->robust = a[0];
    return 0;
}

SYS(get_robust_list)
{
    struct thread *t = (uint32_t)a[0] ? thread_by(a[0]) : current;

    return !t ? -ESRCH : user_write(a[1], &t->robust, 8) || user_write(a[2], &(uint64_t){ 24 }, 8) ? -EFAULT : 0;
}

static uint64_t cpus_mask(void) { return cpus_limit() < 64 ? BIT64(cpus_limit()) - 1 : UINT64_MAX; }

SYS(sched_getaffinity)
{
    const struct thread *t = (uint32_t)a[0] ? thread_by(a[0]) : current;
    uint64_t set = t ? cpus_mask() & ~t->barred : 0;

    if (a[1] < sizeof set || a[1] % 8)
        return -EINVAL;
    return !t ? -ESRCH : user_write(a[2], &set, sizeof set) ? -EFAULT : (int64_t)sizeof set;
}

/* Told back, and to the threads it makes; a thread is not held to it. */
SYS(sched_setaffinity)
{
    struct thread *t = (uint32_t)a[0] ? thread_by(a[0]) : current;
    uint64_t set = 0;

    if (a[1] < 1 || user_read(&set, a[2], min_u64(a[1], 8)))
        return -EFAULT;
    if (!t || !(set & cpus_mask()))
        return t ? -EINVAL : -ESRCH;
    t->barred = ~set;
    return 0;
}

SYS(getcpu)
{
    uint32_t zero = 0, id = cpu_number();

    return (a[0] && user_write(a[0], &id, 4)) || (a[1] && user_write(a[1], &zero, 4)) ? -EFAULT : 0;
}

SYS(arch_prctl)
{
    switch (a[0]) {
    case ARCH_SET_FS:
        if (a[1] >= BIT64(47))
            return -EPERM;
        fs_set(a[1]);
        return 0;
    case ARCH_GET_FS: return user_write(a[1], &(uint64_t){ fs_get() }, 8);
    }
    return -EINVAL;
}
