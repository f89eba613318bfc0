/* System calls on signals. */
#include "libos/signal.h"
#include "libos/sys.h"
#include "libos/user.h"

SYS(rt_sigaction)
{
    struct sigaction new = { 0 };
    uint64_t n = a[0];

    if (n < 1 || n >= SIGNALS || a[3] != 8 || (a[1] && BIT_OF(n) & UNBLOCKABLE))
        return -EINVAL;
    if ((a[1] && user_read(&new, a[1], sizeof new)) || (a[2] && user_write(a[2], &actions[n], sizeof new)))
        return -EFAULT;
    if (a[1]) {
        new.sa_mask &= ~UNBLOCKABLE;
        actions[n] = new;
        if (signal_ignored((int)n))
            signal_forget(NULL, (int)n);
    }
    return 0;
}

SYS(rt_sigprocmask)
{
    uint64_t set = 0, old = current->mask;

    if (a[3] != 8)
        return -EINVAL;
    if (a[1] && user_read(&set, a[1], sizeof set))
        return -EFAULT;
    if (a[1] && a[0] > SIG_SETMASK)
        return -EINVAL;
    if (a[1])
        current->mask = (a[0] == SIG_BLOCK ? old | set : a[0] == SIG_UNBLOCK ? old & ~set : set) & ~UNBLOCKABLE;
    return a[2] ? user_write(a[2], &old, sizeof old) : 0;
}

SYS(rt_sigpending)
{
    uint64_t p = signal_pending(current) & current->mask;

    return user_write(a[0], &p, sizeof p);
}

int mask_swap(user_t at, uint64_t size)
{
    uint64_t mask;

    if (at && size != sizeof mask)
        return -EINVAL;
    if (!at || user_read(&mask, at, sizeof mask))
        return at ? -EFAULT : 0;
    current->saved_mask = current->mask;
    current->restore_mask = true;
    current->mask = mask & ~UNBLOCKABLE;
    return 0;
}

SYS(pause)
{
    while (thread_block(0) != -EINTR)
        ;
    return -EINTR;
}

SYS(rt_sigsuspend)
{
    int e = a[0] ? mask_swap(a[0], a[1]) : -EFAULT;

    return e ? e : sys_pause(a);
}

SYS(rt_sigtimedwait)
{
    uint64_t set, ns = 0, deadline = 0, mask = current->mask;
    struct siginfo info;
    int n, e = 0;

    if (user_read(&set, a[0], sizeof set))
        return -EFAULT;
    if (a[2]) {
        e = timespec_read(a[2], &ns);
        if (e)
            return e;
        deadline = time_mono() + min_u64(ns, UINT64_MAX / 2);
    }
    while (!(n = signal_take(set, &info))) {
        if (e == -ETIMEDOUT || (a[2] && deadline <= time_mono()))
            return -EAGAIN;
        if (e == -EINTR)
            return -EINTR;
        current->mask &= ~set; /* so that they wake this thread */
        e = thread_block(deadline);
        current->mask = mask;
        if (e == -EINTR && signal_pending(current) & set)
            e = 0;
    }
    return a[1] && user_write(a[1], &info, sizeof info) ? -EFAULT : n;
}

SYS(sigaltstack)
{
    struct sigstack new = { 0 }, old = current->altstack;
    bool on = on_altstack(current->regs->rsp);

    if (a[0] && user_read(&new, a[0], sizeof new))
        return -EFAULT;
    if (a[0] && (on || new.flags & ~SS_DISABLE))
        return on ? -EPERM : -EINVAL;
    if (a[0] && !(new.flags & SS_DISABLE) && new.size < 2048)
        return -ENOMEM;
    old.flags |= on ? SS_ONSTACK : 0;
    if (a[1] && user_write(a[1], &old, sizeof old))
        return -EFAULT;
    if (new.flags & SS_DISABLE)
        new.sp = new.size = 0;
    if (a[0])
        current->altstack = new;
    return 0;
}

/* --- sending --------------------------------------------------------------------------------------------------------------------- */
/* tid 0: to the process. info NULL: as kill() and its like tell. */
static int64_t send(uint64_t tid, uint64_t n, int code, const struct siginfo *info)
{
    struct siginfo own = { .signo = (int32_t)n, .code = code, .field = { boot->pid | (uint64_t)user_id.real << 32 } };
    struct thread *t = tid ? thread_by(tid) : NULL;

    if (tid && !t)
        return -ESRCH;
    if (n >= SIGNALS)
        return -EINVAL;
    if (n)
        signal_post(t, (int)n, info ? info : &own);
    return 0;
}

/* sigqueue(): the program says what is told; not that the kernel or another had sent it. */
static int64_t send_info(uint64_t tid, uint64_t n, user_t from)
{
    struct siginfo info;

    if (user_read(&info, from, sizeof info))
        return -EFAULT;
    if (signal_full())
        return -EAGAIN;
    info.signo = (int32_t)n;
    return send(tid, n, 0, &info);
}

/* Of a thread that is named with its process. */
static int64_t owner_check(uint64_t pid, uint64_t tid)
{
    return (int32_t)pid <= 0 || (int32_t)tid <= 0 ? -EINVAL : (uint32_t)pid == boot->pid ? 0 : -ESRCH;
}

SYS(kill)
{
    uint32_t pid = (uint32_t)a[0];

    if (pid == PARENT && !is_self(pid)) /* on the bare machine a guest may have that number itself */
        return (uint32_t)a[1] >= SIGNALS ? -EINVAL : (uint32_t)a[1] ? -EPERM : 0;
    return is_self(pid) || -pid == boot->pid || thread_by(pid) ? send(0, (uint32_t)a[1], SI_USER, NULL) : -ESRCH;
}

SYS(tkill) { return (int32_t)a[0] <= 0 ? -EINVAL : send((uint32_t)a[0], (uint32_t)a[1], SI_TKILL, NULL); }

SYS(tgkill)
{
    int64_t e = owner_check(a[0], a[1]);

    return e ? e : send((uint32_t)a[1], (uint32_t)a[2], SI_TKILL, NULL);
}

SYS(rt_sigqueueinfo)
{
    uint32_t pid = (uint32_t)a[0];

    return pid == boot->pid || thread_by(pid) ? send_info(pid == boot->pid ? 0 : pid, (uint32_t)a[1], a[2]) : -ESRCH;
}

SYS(rt_tgsigqueueinfo)
{
    int64_t e = owner_check(a[0], a[1]);

    return e ? e : send_info((uint32_t)a[1], (uint32_t)a[2], a[3]);
}
