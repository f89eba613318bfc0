/* System calls on threads, signals and the process. */
#include "libos/futex.h"
#include "libos/signal.h"
#include "libos/sys.h"
#include "libos/vma.h"

/* --- identity --------------------------------------------------------------------------------------------------------------- */
SYS(getpid) { return (void)a, boot->pid; }
SYS(getppid) { return (void)a, 1; }
SYS(gettid) { return (void)a, current->tid; }
SYS(getuid) { return (void)a, boot->uid; }
SYS(getgid) { return (void)a, boot->gid; }
SYS(getpgid) { return a[0] && a[0] != boot->pid ? -ESRCH : boot->pid; }
SYS(getpgrp) { return (void)a, boot->pid; }
SYS(setpgid) { return (a[0] && a[0] != boot->pid) || (a[1] && a[1] != boot->pid) ? -EPERM : 0; }
SYS(setsid) { return (void)a, -EPERM; /* it leads its process group already */ }

static int64_t three(const uint64_t a[6], uint32_t id)
{
    for (unsigned i = 0; i < 3; i++)
        if (user_write(a[i], &id, sizeof id))
            return -EFAULT;
    return 0;
}

SYS(getresuid) { return three(a, boot->uid); }
SYS(getresgid) { return three(a, boot->gid); }
SYS(getgroups) { return (void)a, 0; }

/* One may become whom one is. */
SYS(setuid) { return (uint32_t)a[0] == boot->uid ? 0 : -EPERM; }
SYS(setgid) { return (uint32_t)a[0] == boot->gid ? 0 : -EPERM; }

struct utsname { char field[6][65]; };

SYS(uname)
{
    struct utsname u = { { "Linux", "", "6.1.0-goblin", "#1 SMP", "x86_64", "(none)" } };

    str_copy(u.field[1], 65, boot->host);
    return user_write(a[0], &u, sizeof u);
}

SYS(sysinfo)
{
    struct {
        int64_t uptime;
        uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
        uint16_t procs, pad;
        uint32_t pad2;
        uint64_t totalhigh, freehigh;
        uint32_t unit, pad3;
    } s = { .uptime = (int64_t)(time_mono() / 1000000000u), .totalram = boot->mem_limit, .procs = (uint16_t)thread_count, .unit = 1 };

    s.freeram = boot->mem_limit > vma_bytes() ? boot->mem_limit - vma_bytes() : 0;
    return user_write(a[0], &s, sizeof s);
}

/* --- threads ---------------------------------------------------------------------------------------------------------------- */
#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

static int64_t thread_clone(uint64_t flags, uint64_t stack, user_t parent_tid, user_t child_tid, uint64_t tls)
{
    struct regs r = *current->regs;
    struct thread *t;

    if ((flags & THREAD_FLAGS) != THREAD_FLAGS || !stack)
        return -ENOSYS; /* fork and its like: not yet */
    r.rsp = stack;
    r.rax = 0;
    t = thread_new(&r);
    if (!t)
        return -EAGAIN;
    thread_fpu_copy(t);
    if (flags & CLONE_SETTLS)
        t->fs = tls;
    if (flags & CLONE_CHILD_CLEARTID)
        t->clear_tid = child_tid;
    if ((flags & CLONE_PARENT_SETTID && user_write(parent_tid, &t->tid, 4)) || (flags & CLONE_CHILD_SETTID && user_write(child_tid, &t->tid, 4)))
        log_line("clone: the thread's number could not be written");
    thread_ready(t);
    thread_slice();
    return t->tid;
}

SYS(clone)
{
    return thread_clone(a[0], a[1], a[2], a[3], a[4]);
}

SYS(clone3)
{
    uint64_t c[8] = { 0 }; /* flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls */

    if (a[1] < sizeof c || user_read(c, a[0], sizeof c))
        return a[1] < sizeof c ? -EINVAL : -EFAULT;
    return thread_clone(c[0], c[5] ? c[5] + c[6] : 0, c[3], c[2], c[7]);
}

SYS(exit)
{
    futex_robust(current->robust);
    if (thread_count == 1)
        libos_exit((uint32_t)a[0] & 0xFF);
    thread_exit();
}

SYS(exit_group)
{
    libos_exit((uint32_t)a[0] & 0xFF);
}

SYS(set_tid_address)
{
    current->clear_tid = a[0];
    return current->tid;
}

SYS(set_robust_list)
{
    current->robust = a[0];
    return a[1] == 24 ? 0 : -EINVAL;
}

SYS(futex)
{
    return futex_call(a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4], (uint32_t)a[5]);
}

SYS(sched_yield)
{
    (void)a;
    thread_yield();
    return 0;
}

static uint64_t cpus_mask(void)
{
    return cpus_limit() < 64 ? BIT64(cpus_limit()) - 1 : UINT64_MAX;
}

SYS(sched_getaffinity)
{
    uint64_t all = cpus_mask();

    return a[1] < sizeof all || a[1] % 8 ? -EINVAL : user_write(a[2], &all, sizeof all) ? -EFAULT : (int64_t)sizeof all;
}

/* Accepted if it names a CPU; a thread is not held to it. */
SYS(sched_setaffinity)
{
    uint64_t set = 0;

    return a[1] < 1 || user_read(&set, a[2], min_u64(a[1], 8)) ? -EFAULT : set & cpus_mask() ? 0 : -EINVAL;
}

SYS(sched_getscheduler) { return (void)a, 0; }
SYS(sched_setscheduler) { return a[1] ? -EPERM : 0; }
SYS(sched_getparam) { return user_write(a[1], &(int32_t){ 0 }, 4); }
SYS(sched_get_priority_max) { return a[0] == 1 || a[0] == 2 ? 99 : 0; }
SYS(sched_get_priority_min) { return a[0] == 1 || a[0] == 2 ? 1 : 0; }
SYS(getpriority) { return (void)a, 20; }
SYS(setpriority) { return (int32_t)a[2] == 0 ? 0 : -EPERM; }

SYS(getcpu)
{
    uint32_t zero = 0, id = cpu_number();

    return (a[0] && user_write(a[0], &id, 4)) || (a[1] && user_write(a[1], &zero, 4)) ? -EFAULT : 0;
}

SYS(arch_prctl)
{
    enum { SET_FS = 0x1002, GET_FS };
    uint64_t fs;

    switch (a[0]) {
    case SET_FS: __asm__ volatile("wrfsbase %0" ::"r"(a[1])); return 0;
    case GET_FS: __asm__ volatile("rdfsbase %0" : "=r"(fs)); return user_write(a[1], &fs, sizeof fs);
    }
    return -EINVAL;
}

SYS(prctl)
{
    enum { GET_DUMPABLE = 3, SET_DUMPABLE, SET_NAME = 15, GET_NAME, SET_NO_NEW_PRIVS = 38, GET_NO_NEW_PRIVS, SET_PDEATHSIG = 1, SET_TIMERSLACK = 29 };
    char name[16] = { 0 };

    switch (a[0]) {
    case SET_NAME:
        if (user_text(name, a[1], 15) == -EFAULT)
            return -EFAULT;
        memcpy(current->name, name, 15);
        return 0;
    case GET_NAME: return user_write(a[1], current->name, 16);
    case GET_DUMPABLE:
    case GET_NO_NEW_PRIVS: return 1;
    case SET_DUMPABLE:
    case SET_NO_NEW_PRIVS:
    case SET_PDEATHSIG:
    case SET_TIMERSLACK: return 0;
    }
    return -EINVAL;
}

/* --- limits and accounts ------------------------------------------------------------------------------------------------------- */
static int64_t limit_get(uint64_t which, user_t to)
{
    uint64_t v[2] = { UINT64_MAX, UINT64_MAX };

    if (which > 15)
        return -EINVAL;
    if (which == 3) /* stack */
        v[0] = MIB(8);
    if (which == 7) /* files */
        v[0] = v[1] = FILES_MAX;
    if (which == 4) /* core */
        v[0] = v[1] = 0;
    return to ? user_write(to, v, sizeof v) : 0;
}

SYS(getrlimit) { return limit_get(a[0], a[1]); }
SYS(setrlimit) { return a[0] > 15 ? -EINVAL : 0; }
SYS(prlimit64) { return a[0] && a[0] != boot->pid ? -ESRCH : limit_get(a[1], a[3]); }

static uint64_t cpu_time(bool process)
{
    uint64_t ns = 0;

    list_each (l, &threads) {
        struct thread *t = container_of(l, struct thread, all);
        if (process || t == current)
            ns += t->used_ns + (t->cpu ? time_mono() - t->started_ns : 0);
    }
    return ns;
}

SYS(getrusage)
{
    uint64_t r[18] = { 0 }, ns = cpu_time((int32_t)a[0] == 0);

    r[0] = ns / 1000000000u;
    r[1] = ns % 1000000000u / 1000;
    r[4] = vma_bytes() / 1024;
    return user_write(a[1], r, sizeof r);
}

SYS(times)
{
    int64_t t[4] = { (int64_t)(cpu_time(true) / 10000000) };

    return a[0] && user_write(a[0], t, sizeof t) ? -EFAULT : (int64_t)(time_mono() / 10000000);
}

/* --- time ------------------------------------------------------------------------------------------------------------------------ */
static int clock_now(uint64_t id, uint64_t *ns)
{
    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE: *ns = time_wall(); return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: *ns = time_mono(); return 0;
    case CLOCK_PROCESS_CPUTIME_ID: *ns = cpu_time(true); return 0;
    case CLOCK_THREAD_CPUTIME_ID: *ns = cpu_time(false); return 0;
    }
    return -EINVAL;
}

SYS(clock_gettime)
{
    struct timespec t;
    uint64_t ns;
    int e = clock_now((uint32_t)a[0], &ns);

    t = timespec_of(e ? 0 : ns);
    return e ? e : user_write(a[1], &t, sizeof t);
}

SYS(clock_getres)
{
    struct timespec t = { 0, 1 };
    uint64_t ns;
    int e = clock_now((uint32_t)a[0], &ns);

    return e || !a[1] ? e : user_write(a[1], &t, sizeof t);
}

SYS(gettimeofday)
{
    uint64_t ns = time_wall();
    struct timeval t = { (int64_t)(ns / 1000000000u), (int64_t)(ns % 1000000000u / 1000) };

    return (a[0] && user_write(a[0], &t, sizeof t)) || (a[1] && user_write(a[1], &(uint64_t){ 0 }, 8)) ? -EFAULT : 0;
}

SYS(time)
{
    int64_t s = (int64_t)(time_wall() / 1000000000u);

    return a[0] && user_write(a[0], &s, sizeof s) ? -EFAULT : s;
}

static int64_t sleep_until(uint64_t deadline, user_t left)
{
    struct timespec t;
    int e = 0;

    while (deadline > time_mono() && (!e || e == -ETIMEDOUT))
        e = thread_block(deadline);
    if (e != -EINTR)
        return 0;
    t = timespec_of(deadline > time_mono() ? deadline - time_mono() : 0);
    return left && user_write(left, &t, sizeof t) ? -EFAULT : -EINTR;
}

SYS(nanosleep)
{
    uint64_t ns;
    int e = timespec_read(a[0], &ns);

    return e ? e : sleep_until(ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : time_mono() + ns, a[1]);
}

SYS(clock_nanosleep)
{
    uint64_t ns, now;
    int e = timespec_read(a[2], &ns);

    if (e)
        return e;
    if (a[0] > CLOCK_BOOTTIME || clock_now(a[0], &now))
        return -EINVAL;
    if (!(a[1] & 1))
        return sleep_until(ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : time_mono() + ns, a[3]);
    return ns <= now ? 0 : sleep_until(ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : time_mono() + (ns - now), 0);
}

/* setitimer: only the one that counts real time. */
static struct timer itimer;
static uint64_t itimer_every;

static void itimer_fire(struct timer *t)
{
    signal_post(NULL, SIGALRM, NULL);
    if (itimer_every)
        timer_set(t, time_mono() + itimer_every);
}

static void itimer_read(struct timeval out[2])
{
    uint64_t left = itimer.at > time_mono() ? itimer.at - time_mono() : itimer.at ? 1000 : 0;

    out[0] = (struct timeval){ (int64_t)(itimer_every / 1000000000u), (int64_t)(itimer_every % 1000000000u / 1000) };
    out[1] = (struct timeval){ (int64_t)(left / 1000000000u), (int64_t)((left % 1000000000u + 999) / 1000) };
}

SYS(getitimer)
{
    struct timeval v[2];

    if (a[0])
        return a[0] < 3 ? user_write(a[1], &(struct timeval[2]){ 0 }, sizeof v) : -EINVAL;
    itimer_read(v);
    return user_write(a[1], v, sizeof v);
}

SYS(setitimer)
{
    struct timeval v[2], old[2];
    uint64_t ns;

    if (a[0])
        return a[0] < 3 ? -ENOSYS : -EINVAL;
    if (user_read(v, a[1], sizeof v))
        return -EFAULT;
    for (unsigned i = 0; i < 2; i++)
        if (v[i].sec < 0 || v[i].usec < 0 || v[i].usec >= 1000000 || v[i].sec > 4000000000)
            return -EINVAL;
    itimer_read(old);
    itimer.fire = itimer_fire;
    itimer_every = (uint64_t)v[0].sec * 1000000000u + (uint64_t)v[0].usec * 1000;
    ns = (uint64_t)v[1].sec * 1000000000u + (uint64_t)v[1].usec * 1000;
    timer_set(&itimer, ns ? time_mono() + ns : 0);
    thread_slice();
    return a[2] && user_write(a[2], old, sizeof old) ? -EFAULT : 0;
}

SYS(alarm)
{
    struct timeval old[2];

    itimer_read(old);
    itimer.fire = itimer_fire;
    itimer_every = 0;
    timer_set(&itimer, (uint32_t)a[0] ? time_mono() + (uint32_t)a[0] * 1000000000ull : 0);
    thread_slice();
    return old[1].sec + (old[1].usec ? 1 : 0);
}

/* --- signals ------------------------------------------------------------------------------------------------------------------------ */
SYS(rt_sigaction)
{
    struct sigaction new = { 0 };
    uint64_t n = a[0];

    if (n < 1 || n >= NSIG || a[3] != 8 || (a[1] && (n == SIGKILL || n == SIGSTOP)))
        return -EINVAL;
    if (a[1] && user_read(&new, a[1], sizeof new))
        return -EFAULT;
    if (a[2] && user_write(a[2], &actions[n], sizeof new))
        return -EFAULT;
    if (a[1])
        actions[n] = new;
    return 0;
}

SYS(rt_sigprocmask)
{
    uint64_t set = 0, old = current->mask;

    if (a[3] != 8)
        return -EINVAL;
    if (a[1] && user_read(&set, a[1], sizeof set))
        return -EFAULT;
    if (a[1]) {
        if (a[0] > 2)
            return -EINVAL;
        set = a[0] == 0 ? old | set : a[0] == 1 ? old & ~set : set;
        current->mask = set & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1));
    }
    return a[2] ? user_write(a[2], &old, sizeof old) : 0;
}

SYS(rt_sigreturn)
{
    (void)a;
    return signal_return(current->regs);
}

SYS(rt_sigpending)
{
    uint64_t p = signal_pending(current) & current->mask;

    return user_write(a[0], &p, sizeof p);
}

SYS(rt_sigsuspend)
{
    uint64_t mask;
    int e = 0;

    if (user_read(&mask, a[0], sizeof mask))
        return -EFAULT;
    current->saved_mask = current->mask;
    current->restore_mask = true;
    current->mask = mask & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1));
    while (e != -EINTR)
        e = thread_block(0);
    return -EINTR;
}

SYS(pause)
{
    (void)a;
    while (thread_block(0) != -EINTR)
        ;
    return -EINTR;
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
    uint64_t sp = current->regs->rsp;
    bool on = !(old.flags & SS_DISABLE) && sp > old.sp && sp - old.sp <= old.size;

    if (a[0] && user_read(&new, a[0], sizeof new))
        return -EFAULT;
    if (a[0] && on)
        return -EPERM;
    if (a[0] && new.flags & ~SS_DISABLE)
        return -EINVAL;
    if (a[0] && !(new.flags & SS_DISABLE) && new.size < 2048)
        return -ENOMEM;
    old.flags |= on ? SS_ONSTACK : 0;
    if (a[1] && user_write(a[1], &old, sizeof old))
        return -EFAULT;
    if (a[0])
        current->altstack = new;
    return 0;
}

static int64_t send(uint64_t tid, uint64_t n, bool process, int code)
{
    struct siginfo info = { .signo = (int32_t)n, .code = code, .field = { boot->pid | (uint64_t)boot->uid << 32 } };

    if (n >= NSIG)
        return -EINVAL;
    if (process)
        return n ? signal_post(NULL, (int)n, &info), 0 : 0;
    list_each (l, &threads) {
        struct thread *t = container_of(l, struct thread, all);
        if (t->tid == tid)
            return n ? signal_post(t, (int)n, &info), 0 : 0;
    }
    return -ESRCH;
}

SYS(kill)
{
    int32_t pid = (int32_t)a[0];

    return pid == 0 || pid == -1 || (uint32_t)pid == boot->pid || (uint32_t)-pid == boot->pid ? send(0, a[1], true, SI_USER) : -ESRCH;
}

SYS(tkill) { return send((uint32_t)a[0], a[1], false, SI_TKILL); }
SYS(tgkill) { return (uint32_t)a[0] == boot->pid ? send((uint32_t)a[1], a[2], false, SI_TKILL) : -ESRCH; }
SYS(wait4) { return (void)a, -ECHILD; }
SYS(waitid) { return (void)a, -ECHILD; }

/* --- memory ---------------------------------------------------------------------------------------------------------------------------- */
SYS(brk) { return vma_brk(a[0]); }
SYS(munmap) { return vma_munmap(a[0], a[1]); }
SYS(mprotect) { return vma_mprotect(a[0], a[1], (uint32_t)a[2]); }
SYS(mremap) { return vma_mremap(a[0], a[1], a[2], (uint32_t)a[3], a[4]); }
SYS(madvise) { return vma_madvise(a[0], a[1], (uint32_t)a[2]); }
SYS(msync) { return vma_find(a[0]) ? 0 : -ENOMEM; /* what is shared is shared with the file at once */ }
SYS(mlock) { return (void)a, 0; }

SYS(mmap)
{
    struct file *f = a[3] & MAP_ANONYMOUS ? NULL : fd_file((uint32_t)a[4]);
    uint64_t type = a[3] & MAP_TYPE;

    if (type < MAP_SHARED || type > 3)
        return -EINVAL;
    if (!(a[3] & MAP_ANONYMOUS) && (!f || f->flags & O_PATH))
        return -EBADF;
    if (f && ((f->flags & O_ACCMODE) == O_WRONLY || (type != MAP_PRIVATE && a[2] & PROT_WRITE && (f->flags & O_ACCMODE) != O_RDWR)))
        return -EACCES;
    return vma_mmap(a[0], a[1], (uint32_t)a[2], (uint32_t)a[3], f, f ? a[5] : 0);
}

SYS(membarrier)
{
    return a[0] == 0 ? 0 : -EINVAL; /* no command is offered */
}

SYS(getrandom)
{
    uint8_t part[256];

    if (a[2] & ~7ull)
        return -EINVAL;
    for (uint64_t done = 0, n; done < a[1]; done += n) {
        n = min_u64(a[1] - done, sizeof part);
        random_bytes(part, n);
        if (user_write(a[0] + done, part, n))
            return done ? (int64_t)done : -EFAULT;
    }
    return (int64_t)a[1];
}
