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
static bool is_self(uint64_t pid) { return !(uint32_t)pid || (uint32_t)pid == boot->pid; }

SYS(getpgid) { return is_self(a[0]) ? (int64_t)boot->pid : -ESRCH; }
SYS(getpgrp) { return (void)a, boot->pid; }
SYS(setsid) { return (void)a, -EPERM; /* it leads its process group already */ }

SYS(setpgid)
{
    if ((int32_t)a[1] < 0)
        return -EINVAL;
    return !is_self(a[0]) ? -ESRCH : is_self(a[1]) ? 0 : -EPERM;
}

static int64_t three(const uint64_t a[6], uint32_t id)
{
    for (unsigned i = 0; i < 3; i++)
        if (user_write(a[i], &id, sizeof id))
            return -EFAULT;
    return 0;
}

SYS(getresuid) { return three(a, boot->uid); }
SYS(getresgid) { return three(a, boot->gid); }

SYS(getgroups)
{
    if ((int32_t)a[0] < 0)
        return -EINVAL;
    return (int32_t)a[0] && user_write(a[1], &boot->gid, 4) ? -EFAULT : 1;
}

/* One may become whom one is: there is nobody else in a guest. */
static int64_t become(const uint64_t *id, unsigned n, uint32_t now, bool keep)
{
    for (unsigned i = 0; i < n; i++)
        if ((uint32_t)id[i] != now && !(keep && (uint32_t)id[i] == UINT32_MAX))
            return (uint32_t)id[i] == UINT32_MAX ? -EINVAL : -EPERM;
    return 0;
}

SYS(setuid) { return become(a, 1, boot->uid, false); }
SYS(setgid) { return become(a, 1, boot->gid, false); }
SYS(setreuid) { return become(a, 2, boot->uid, true); }
SYS(setregid) { return become(a, 2, boot->gid, true); }
SYS(setresuid) { return become(a, 3, boot->uid, true); }
SYS(setresgid) { return become(a, 3, boot->gid, true); }
SYS(setfsuid) { return (void)a, boot->uid; }
SYS(setfsgid) { return (void)a, boot->gid; }

SYS(setgroups)
{
    uint32_t gid;

    if (boot->uid || a[0] > 65536)
        return boot->uid ? -EPERM : -EINVAL;
    return !a[0] ? 0 : user_read(&gid, a[1], sizeof gid) ? -EFAULT : a[0] == 1 && gid == boot->gid ? 0 : -EPERM;
}

/* Capabilities: none, since nothing they allow can be done in a guest. */
static int64_t caps_version(user_t header, uint32_t h[2])
{
    enum { V1 = 0x19980330, V2 = 0x20071026, V3 = 0x20080522 };

    if (user_read(h, header, 8))
        return -EFAULT;
    if (h[0] != V1 && h[0] != V2 && h[0] != V3)
        return user_write(header, &(uint32_t){ V3 }, 4) ? -EFAULT : -EINVAL;
    return (int32_t)h[1] < 0 ? -EINVAL : is_self(h[1]) || thread_by(h[1]) ? (h[0] == V1 ? 12 : 24) : -ESRCH;
}

SYS(capget)
{
    uint32_t h[2], none[6] = { 0 };
    int64_t n = caps_version(a[0], h);

    if (n == -EINVAL && !a[1])
        return 0; /* only the version was asked for */
    return n < 0 ? n : user_write(a[1], none, (size_t)n);
}

SYS(capset)
{
    uint32_t h[2], set[6] = { 0 };
    int64_t n = caps_version(a[0], h);

    if (n < 0 || user_read(set, a[1], (size_t)n))
        return n < 0 ? n : -EFAULT;
    for (unsigned i = 0; i < 6; i++)
        if (set[i])
            return -EPERM;
    return 0;
}

/* What only the machine's owner may do: mount and its like, the machine's name, power, modules. */
SYS(privileged) { return (void)a, -EPERM; }

SYS(personality)
{
    static uint32_t personality;
    uint32_t old = personality;

    if ((uint32_t)a[0] != UINT32_MAX)
        personality = (uint32_t)a[0];
    return old;
}

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

/* One policy, SCHED_OTHER, and one priority: the libos' turns. */
static int64_t sched_one(uint64_t pid)
{
    return (int32_t)pid < 0 ? -EINVAL : is_self(pid) || thread_by(pid) ? 0 : -ESRCH;
}

static int64_t sched_param(uint64_t pid, uint32_t policy, user_t param)
{
    int32_t priority;
    int64_t e = !param || (int32_t)policy < 0 ? -EINVAL : sched_one(pid);

    policy &= ~0x40000000u; /* SCHED_RESET_ON_FORK */
    if (e || user_read(&priority, param, sizeof priority))
        return e ? e : -EFAULT;
    if (policy > 6 || policy == 4)
        return -EINVAL;
    if (policy == 1 || policy == 2)
        return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
    return priority ? -EINVAL : 0;
}

SYS(sched_getscheduler) { return sched_one(a[0]); }
SYS(sched_setscheduler) { return sched_param(a[0], (uint32_t)a[1], a[2]); }
SYS(sched_setparam) { return sched_param(a[0], 0, a[1]); }
SYS(sched_getparam) { return !a[1] ? -EINVAL : sched_one(a[0]) ? sched_one(a[0]) : user_write(a[1], &(int32_t){ 0 }, 4); }

static int64_t priority_of(uint64_t policy, int64_t real_time)
{
    return policy == 1 || policy == 2 ? real_time : policy == 0 || policy == 3 || policy == 5 || policy == 6 ? 0 : -EINVAL;
}

SYS(sched_get_priority_max) { return priority_of(a[0], 99); }
SYS(sched_get_priority_min) { return priority_of(a[0], 1); }

SYS(sched_rr_get_interval)
{
    struct timespec t = { 0, 5000000 };

    return sched_one(a[0]) ? sched_one(a[0]) : user_write(a[1], &t, sizeof t);
}

/* Niceness is kept, and changes nothing: whoever is in a guest is in it together. */
static int32_t nice;

static int64_t whose(uint64_t which, uint64_t who)
{
    if ((uint32_t)which > 2)
        return -EINVAL;
    return which == 2 ? ((uint32_t)who && (uint32_t)who != boot->uid ? -ESRCH : 0) : is_self(who) || (!which && thread_by(who)) ? 0 : -ESRCH;
}

SYS(getpriority) { return whose(a[0], a[1]) ? whose(a[0], a[1]) : 20 - nice; }

SYS(setpriority)
{
    int32_t to = (int32_t)a[2] < -20 ? -20 : (int32_t)a[2] > 19 ? 19 : (int32_t)a[2];
    int64_t e = whose(a[0], a[1]);

    if (!e && to < nice && boot->uid)
        e = -EACCES;
    if (!e)
        nice = to;
    return e;
}

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

/* Settings that are kept and mean nothing more here. */
static const struct prctl_row {
    uint8_t set, get; /* numbers; 0: there is none */
    bool by_address;  /* get writes an int */
    uint32_t max, first;
} prctl_rows[] = {
    { 1, 2, true, NSIG - 1, 0 },     /* PDEATHSIG: there is no parent that could die */
    { 4, 3, false, 1, 1 },           /* DUMPABLE */
    { 8, 7, false, 1, 0 },           /* KEEPCAPS */
    { 14, 13, false, 0, 0 },         /* TIMING */
    { 0, 21, false, 0, 0 },          /* SECCOMP: none */
    { 0, 27, false, 0, 0 },          /* SECUREBITS */
    { 29, 30, false, UINT32_MAX, 50000 }, /* TIMERSLACK */
    { 36, 37, true, UINT32_MAX, 0 }, /* CHILD_SUBREAPER */
    { 38, 39, false, 1, 0 },         /* NO_NEW_PRIVS */
    { 41, 42, false, 1, 0 },         /* THP_DISABLE */
};
static uint32_t prctl_values[ARRAY_LEN(prctl_rows)]; /* less their first ones */

static int64_t prctl_kept(const uint64_t a[6])
{
    uint32_t n = (uint32_t)a[0];

    for (unsigned i = 0; i < ARRAY_LEN(prctl_rows); i++) {
        const struct prctl_row *r = &prctl_rows[i];
        if (n == r->get)
            return r->by_address ? user_write(a[1], &(uint32_t){ r->first + prctl_values[i] }, 4) : r->first + prctl_values[i];
        if (n != r->set)
            continue;
        if (a[1] > r->max || (n == 38 && (a[1] != 1 || a[2] || a[3] || a[4])))
            return -EINVAL;
        prctl_values[i] = n == 29 && !a[1] ? 0 : (uint32_t)a[1] - r->first;
        return 0;
    }
    return -EINVAL;
}

SYS(prctl)
{
    enum { SET_NAME = 15, GET_NAME, CAPBSET_READ = 23, GET_TID_ADDRESS = 40, SET_VMA = 0x53564d41 };
    char name[16] = { 0 };

    switch ((uint32_t)a[0]) {
    case 0: return -EINVAL;
    case SET_NAME:
        if (user_text(name, a[1], 15) == -EFAULT)
            return -EFAULT;
        memcpy(current->name, name, 16);
        return 0;
    case GET_NAME: return user_write(a[1], current->name, 16);
    case CAPBSET_READ: return a[1] > 40 ? -EINVAL : 0;
    case GET_TID_ADDRESS: return user_write(a[1], &current->clear_tid, 8);
    case SET_VMA: return 0; /* a name for memory: for people only */
    }
    return prctl_kept(a);
}

/* --- limits and accounts ------------------------------------------------------------------------------------------------------- */
void limits_init(void)
{
    for (unsigned i = 0; i < RLIMITS; i++)
        limits[i][0] = limits[i][1] = UINT64_MAX;
    limits[RLIMIT_STACK][0] = MIB(8);
    limits[RLIMIT_CORE][0] = 0;
    limits[RLIMIT_NOFILE][0] = 1024;
    limits[RLIMIT_NOFILE][1] = FILES_MAX;
    limits[RLIMIT_NPROC][0] = limits[RLIMIT_NPROC][1] = 32768;
    for (unsigned i = RLIMIT_NICE; i <= RLIMIT_RTPRIO; i++)
        limits[i][0] = limits[i][1] = 0;
}

SYS(prlimit64)
{
    uint64_t new[2], old[2];
    uint32_t which = (uint32_t)a[1];

    if (which >= RLIMITS)
        return -EINVAL;
    if ((uint32_t)a[0] && (uint32_t)a[0] != boot->pid)
        return -ESRCH;
    memcpy(old, limits[which], sizeof old);
    if (a[2] && user_read(new, a[2], sizeof new))
        return -EFAULT;
    if (a[2] && new[0] > new[1])
        return -EINVAL;
    if (a[2] && new[1] > old[1] && (boot->uid || which == RLIMIT_NOFILE))
        return -EPERM;
    if (a[2])
        memcpy(limits[which], new, sizeof new);
    return a[3] ? user_write(a[3], old, sizeof old) : 0;
}

SYS(getrlimit) { return sys_prlimit64((const uint64_t[6]){ 0, a[0], 0, a[1] }); }
SYS(setrlimit) { return a[1] ? sys_prlimit64((const uint64_t[6]){ 0, a[0], a[1], 0 }) : -EFAULT; }

SYS(getrusage)
{
    enum { CHILDREN = -1, SELF, THREAD };
    uint64_t r[18] = { 0 }, ns = 0;
    int32_t who = (int32_t)a[0];

    if (who != SELF && who != CHILDREN && who != THREAD)
        return -EINVAL;
    if (who != CHILDREN) {
        ns = cpu_time(who == SELF ? NULL : current);
        r[4] = vma_bytes() / 1024;
    }
    r[0] = ns / 1000000000u;
    r[1] = ns % 1000000000u / 1000;
    return user_write(a[1], r, sizeof r);
}

SYS(times)
{
    int64_t t[4] = { (int64_t)(cpu_time(NULL) / 10000000) };

    return a[0] && user_write(a[0], t, sizeof t) ? -EFAULT : (int64_t)(time_mono() / 10000000);
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
    if (a[1]) {
        new.mask &= ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1));
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

/* tid 0: to the process. info NULL: as kill() and its like tell. */
static int64_t send(uint64_t tid, uint64_t n, int code, const struct siginfo *info)
{
    struct siginfo own = { .signo = (int32_t)n, .code = code, .field = { boot->pid | (uint64_t)boot->uid << 32 } };
    struct thread *t = tid ? thread_by(tid) : NULL;

    if (tid && !t)
        return -ESRCH;
    if (n >= NSIG)
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

SYS(kill)
{
    int32_t pid = (int32_t)a[0];

    return pid == 0 || (uint32_t)pid == boot->pid || (uint32_t)-pid == boot->pid ? send(0, (uint32_t)a[1], SI_USER, NULL) : -ESRCH;
}

SYS(tkill) { return (int32_t)a[0] <= 0 ? -EINVAL : send((uint32_t)a[0], (uint32_t)a[1], SI_TKILL, NULL); }

SYS(tgkill)
{
    if ((int32_t)a[0] <= 0 || (int32_t)a[1] <= 0)
        return -EINVAL;
    return (uint32_t)a[0] == boot->pid ? send((uint32_t)a[1], (uint32_t)a[2], SI_TKILL, NULL) : -ESRCH;
}

SYS(rt_sigqueueinfo) { return (uint32_t)a[0] == boot->pid ? send_info(0, (uint32_t)a[1], a[2]) : thread_by(a[0]) ? send_info((uint32_t)a[0], (uint32_t)a[1], a[2]) : -ESRCH; }

SYS(rt_tgsigqueueinfo)
{
    if ((int32_t)a[0] <= 0 || (int32_t)a[1] <= 0)
        return -EINVAL;
    return (uint32_t)a[0] == boot->pid ? send_info((uint32_t)a[1], (uint32_t)a[2], a[3]) : -ESRCH;
}

/* There are no children. */
SYS(wait4) { return a[2] & ~0xE000000Bull ? -EINVAL : -ECHILD; }
SYS(waitid) { return (uint32_t)a[0] > 3 || a[3] & ~0xE100000Full || !(a[3] & 0xE) ? -EINVAL : -ECHILD; }

SYS(membarrier)
{
    return (uint32_t)a[0] == 0 && !(uint32_t)a[1] ? 0 : -EINVAL; /* no command is offered */
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
