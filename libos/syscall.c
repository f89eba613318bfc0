/* The table of system calls, and the way each one takes. What has no row answers ENOSYS; docs/syscalls.md is made from this table. */
#include "libos/sock.h"
#include "libos/syscall.h"
#include "libos/sched.h"
#include "libos/sys.h"
#include "libos/vma.h"

#define ROW(number, name, fn, args) [number] = { #name, sys_##fn, args }

sys_fn sys_read, sys_write, sys_open, sys_close, sys_stat, sys_fstat, sys_lstat, sys_poll, sys_lseek, sys_mmap,
    sys_mprotect, sys_munmap, sys_brk, sys_rt_sigaction, sys_rt_sigprocmask, sys_rt_sigreturn, sys_ioctl,
    sys_pread64, sys_pwrite64, sys_readv, sys_writev, sys_access, sys_pipe, sys_select, sys_sched_yield,
    sys_mremap, sys_msync, sys_mincore, sys_madvise, sys_dup, sys_dup2, sys_pause, sys_nanosleep, sys_getitimer,
    sys_alarm, sys_setitimer, sys_getpid, sys_sendfile, sys_clone, sys_exit, sys_wait4, sys_kill, sys_uname,
    sys_fcntl, sys_flock, sys_fsync, sys_truncate, sys_ftruncate, sys_getdents, sys_getcwd, sys_chdir,
    sys_fchdir, sys_rename, sys_mkdir, sys_rmdir, sys_creat, sys_link, sys_unlink, sys_symlink, sys_readlink,
    sys_chmod, sys_fchmod, sys_chown, sys_fchown, sys_lchown, sys_umask, sys_gettimeofday, sys_getrlimit,
    sys_getrusage, sys_sysinfo, sys_times, sys_privileged, sys_getuid, sys_getgid, sys_setuid, sys_setgid,
    sys_setpgid, sys_getppid, sys_getpgrp, sys_setsid, sys_setreuid, sys_setregid, sys_getgroups, sys_setgroups,
    sys_setresuid, sys_getresuid, sys_setresgid, sys_getresgid, sys_getpgid, sys_setfsuid, sys_setfsgid,
    sys_capget, sys_capset, sys_rt_sigpending, sys_rt_sigtimedwait, sys_rt_sigqueueinfo, sys_rt_sigsuspend,
    sys_sigaltstack, sys_utime, sys_mknod, sys_personality, sys_statfs, sys_fstatfs, sys_getpriority,
    sys_setpriority, sys_sched_setparam, sys_sched_getparam, sys_sched_setscheduler, sys_sched_getscheduler,
    sys_sched_get_priority_max, sys_sched_get_priority_min, sys_sched_rr_get_interval, sys_mlock, sys_mlockall,
    sys_munlockall, sys_prctl, sys_arch_prctl, sys_setrlimit, sys_chroot, sys_sync, sys_settimeofday,
    sys_gettid, sys_readahead, sys_setxattr, sys_lsetxattr, sys_fsetxattr, sys_listxattr, sys_llistxattr,
    sys_flistxattr, sys_tkill, sys_time, sys_futex, sys_sched_setaffinity, sys_sched_getaffinity,
    sys_epoll_create, sys_getdents64, sys_set_tid_address, sys_fadvise64, sys_timer_create, sys_timer_settime,
    sys_timer_gettime, sys_timer_getoverrun, sys_timer_delete, sys_clock_settime, sys_clock_gettime,
    sys_clock_getres, sys_clock_nanosleep, sys_exit_group, sys_epoll_wait, sys_epoll_ctl, sys_tgkill,
    sys_utimes, sys_waitid, sys_inotify_init, sys_inotify_add_watch, sys_inotify_rm_watch, sys_openat,
    sys_mkdirat, sys_mknodat, sys_fchownat, sys_futimesat, sys_newfstatat, sys_unlinkat, sys_renameat,
    sys_linkat, sys_symlinkat, sys_readlinkat, sys_fchmodat, sys_faccessat, sys_pselect6, sys_ppoll,
    sys_set_robust_list, sys_get_robust_list, sys_splice, sys_tee, sys_sync_file_range, sys_vmsplice,
    sys_utimensat, sys_epoll_pwait, sys_signalfd, sys_timerfd_create, sys_eventfd, sys_fallocate,
    sys_timerfd_settime, sys_timerfd_gettime, sys_signalfd4, sys_eventfd2, sys_epoll_create1, sys_dup3,
    sys_pipe2, sys_inotify_init1, sys_preadv, sys_pwritev, sys_rt_tgsigqueueinfo, sys_prlimit64, sys_syncfs,
    sys_getcpu, sys_renameat2, sys_getrandom, sys_memfd_create, sys_membarrier, sys_mlock2, sys_copy_file_range,
    sys_preadv2, sys_pwritev2, sys_statx, sys_clone3, sys_close_range, sys_faccessat2, sys_fchmodat2, sys_execve, sys_execveat,
    sys_socket, sys_connect, sys_accept, sys_sendto, sys_recvfrom, sys_sendmsg, sys_recvmsg, sys_shutdown, sys_bind,
    sys_listen, sys_getsockname, sys_getpeername, sys_socketpair, sys_setsockopt, sys_getsockopt, sys_accept4,
    sys_recvmmsg, sys_sendmmsg;

const struct sys_row sys_rows[SYS_MAX] = {
    ROW(0, read, read, "fan"),
    ROW(1, write, write, "fan"),
    ROW(2, open, open, "pxi"),
    ROW(3, close, close, "f"),
    ROW(4, stat, stat, "pa"),
    ROW(5, fstat, fstat, "fa"),
    ROW(6, lstat, lstat, "pa"),
    ROW(7, poll, poll, "ani"),
    ROW(8, lseek, lseek, "fii"),
    ROW(9, mmap, mmap, "anxxfi"),
    ROW(10, mprotect, mprotect, "anx"),
    ROW(11, munmap, munmap, "an"),
    ROW(12, brk, brk, "a"),
    ROW(13, rt_sigaction, rt_sigaction, "iaan"),
    ROW(14, rt_sigprocmask, rt_sigprocmask, "iaan"),
    ROW(15, rt_sigreturn, rt_sigreturn, ""),
    ROW(16, ioctl, ioctl, "fxa"),
    ROW(17, pread64, pread64, "fani"),
    ROW(18, pwrite64, pwrite64, "fani"),
    ROW(19, readv, readv, "fai"),
    ROW(20, writev, writev, "fai"),
    ROW(21, access, access, "px"),
    ROW(22, pipe, pipe, "a"),
    ROW(23, select, select, "iaaaa"),
    ROW(24, sched_yield, sched_yield, ""),
    ROW(25, mremap, mremap, "annxa"),
    ROW(26, msync, msync, "anx"),
    ROW(27, mincore, mincore, "ana"),
    ROW(28, madvise, madvise, "ani"),
    ROW(32, dup, dup, "f"),
    ROW(33, dup2, dup2, "ff"),
    ROW(34, pause, pause, ""),
    ROW(35, nanosleep, nanosleep, "aa"),
    ROW(36, getitimer, getitimer, "ia"),
    ROW(37, alarm, alarm, "i"),
    ROW(38, setitimer, setitimer, "iaa"),
    ROW(39, getpid, getpid, ""),
    ROW(40, sendfile, sendfile, "ffan"),
    ROW(41, socket, socket, "xxi"),
    ROW(42, connect, connect, "fan"),
    ROW(43, accept, accept, "faa"),
    ROW(44, sendto, sendto, "fanxan"),
    ROW(45, recvfrom, recvfrom, "fanxaa"),
    ROW(46, sendmsg, sendmsg, "fax"),
    ROW(47, recvmsg, recvmsg, "fax"),
    ROW(48, shutdown, shutdown, "fi"),
    ROW(49, bind, bind, "fan"),
    ROW(50, listen, listen, "fi"),
    ROW(51, getsockname, getsockname, "faa"),
    ROW(52, getpeername, getpeername, "faa"),
    ROW(53, socketpair, socketpair, "xxia"),
    ROW(54, setsockopt, setsockopt, "fiian"),
    ROW(55, getsockopt, getsockopt, "fiiaa"),
    ROW(56, clone, clone, "xaaaa"),
    ROW(59, execve, execve, "paa"),
    ROW(60, exit, exit, "i"),
    ROW(61, wait4, wait4, "iaia"),
    ROW(62, kill, kill, "ii"),
    ROW(63, uname, uname, "a"),
    ROW(72, fcntl, fcntl, "fia"),
    ROW(73, flock, flock, "fx"),
    ROW(74, fsync, fsync, "f"),
    ROW(75, fdatasync, fsync, "f"),
    ROW(76, truncate, truncate, "pn"),
    ROW(77, ftruncate, ftruncate, "fn"),
    ROW(78, getdents, getdents, "fan"),
    ROW(79, getcwd, getcwd, "an"),
    ROW(80, chdir, chdir, "p"),
    ROW(81, fchdir, fchdir, "f"),
    ROW(82, rename, rename, "pp"),
    ROW(83, mkdir, mkdir, "px"),
    ROW(84, rmdir, rmdir, "p"),
    ROW(85, creat, creat, "px"),
    ROW(86, link, link, "pp"),
    ROW(87, unlink, unlink, "p"),
    ROW(88, symlink, symlink, "pp"),
    ROW(89, readlink, readlink, "pan"),
    ROW(90, chmod, chmod, "px"),
    ROW(91, fchmod, fchmod, "fx"),
    ROW(92, chown, chown, "pii"),
    ROW(93, fchown, fchown, "fii"),
    ROW(94, lchown, lchown, "pii"),
    ROW(95, umask, umask, "x"),
    ROW(96, gettimeofday, gettimeofday, "aa"),
    ROW(97, getrlimit, getrlimit, "ia"),
    ROW(98, getrusage, getrusage, "ia"),
    ROW(99, sysinfo, sysinfo, "a"),
    ROW(100, times, times, "a"),
    ROW(101, ptrace, privileged, "iiaa"),
    ROW(102, getuid, getuid, ""),
    ROW(104, getgid, getgid, ""),
    ROW(105, setuid, setuid, "i"),
    ROW(106, setgid, setgid, "i"),
    ROW(107, geteuid, getuid, ""),
    ROW(108, getegid, getgid, ""),
    ROW(109, setpgid, setpgid, "ii"),
    ROW(110, getppid, getppid, ""),
    ROW(111, getpgrp, getpgrp, ""),
    ROW(112, setsid, setsid, ""),
    ROW(113, setreuid, setreuid, "ii"),
    ROW(114, setregid, setregid, "ii"),
    ROW(115, getgroups, getgroups, "ia"),
    ROW(116, setgroups, setgroups, "na"),
    ROW(117, setresuid, setresuid, "iii"),
    ROW(118, getresuid, getresuid, "aaa"),
    ROW(119, setresgid, setresgid, "iii"),
    ROW(120, getresgid, getresgid, "aaa"),
    ROW(121, getpgid, getpgid, "i"),
    ROW(122, setfsuid, setfsuid, "i"),
    ROW(123, setfsgid, setfsgid, "i"),
    ROW(124, getsid, getpgid, "i"),
    ROW(125, capget, capget, "aa"),
    ROW(126, capset, capset, "aa"),
    ROW(127, rt_sigpending, rt_sigpending, "an"),
    ROW(128, rt_sigtimedwait, rt_sigtimedwait, "aaan"),
    ROW(129, rt_sigqueueinfo, rt_sigqueueinfo, "iia"),
    ROW(130, rt_sigsuspend, rt_sigsuspend, "an"),
    ROW(131, sigaltstack, sigaltstack, "aa"),
    ROW(132, utime, utime, "pa"),
    ROW(133, mknod, mknod, "pxi"),
    ROW(135, personality, personality, "x"),
    ROW(137, statfs, statfs, "pa"),
    ROW(138, fstatfs, fstatfs, "fa"),
    ROW(140, getpriority, getpriority, "ii"),
    ROW(141, setpriority, setpriority, "iii"),
    ROW(142, sched_setparam, sched_setparam, "ia"),
    ROW(143, sched_getparam, sched_getparam, "ia"),
    ROW(144, sched_setscheduler, sched_setscheduler, "iia"),
    ROW(145, sched_getscheduler, sched_getscheduler, "i"),
    ROW(146, sched_get_priority_max, sched_get_priority_max, "i"),
    ROW(147, sched_get_priority_min, sched_get_priority_min, "i"),
    ROW(148, sched_rr_get_interval, sched_rr_get_interval, "ia"),
    ROW(149, mlock, mlock, "an"),
    ROW(150, munlock, mlock, "an"),
    ROW(151, mlockall, mlockall, "x"),
    ROW(152, munlockall, munlockall, ""),
    ROW(153, vhangup, privileged, ""),
    ROW(155, pivot_root, privileged, "pp"),
    ROW(157, prctl, prctl, "iaaaa"),
    ROW(158, arch_prctl, arch_prctl, "ia"),
    ROW(160, setrlimit, setrlimit, "ia"),
    ROW(161, chroot, chroot, "p"),
    ROW(162, sync, sync, ""),
    ROW(163, acct, privileged, "p"),
    ROW(164, settimeofday, settimeofday, "aa"),
    ROW(165, mount, privileged, "pppxa"),
    ROW(166, umount2, privileged, "px"),
    ROW(167, swapon, privileged, "px"),
    ROW(168, swapoff, privileged, "p"),
    ROW(169, reboot, privileged, "xxxa"),
    ROW(170, sethostname, privileged, "an"),
    ROW(171, setdomainname, privileged, "an"),
    ROW(172, iopl, privileged, "i"),
    ROW(173, ioperm, privileged, "iii"),
    ROW(175, init_module, privileged, "anp"),
    ROW(176, delete_module, privileged, "px"),
    ROW(186, gettid, gettid, ""),
    ROW(187, readahead, readahead, "fin"),
    ROW(188, setxattr, setxattr, "ppanx"),
    ROW(189, lsetxattr, lsetxattr, "ppanx"),
    ROW(190, fsetxattr, fsetxattr, "fpanx"),
    ROW(191, getxattr, setxattr, "ppan"),
    ROW(192, lgetxattr, lsetxattr, "ppan"),
    ROW(193, fgetxattr, fsetxattr, "fpan"),
    ROW(194, listxattr, listxattr, "pan"),
    ROW(195, llistxattr, llistxattr, "pan"),
    ROW(196, flistxattr, flistxattr, "fan"),
    ROW(197, removexattr, setxattr, "pp"),
    ROW(198, lremovexattr, lsetxattr, "pp"),
    ROW(199, fremovexattr, fsetxattr, "fp"),
    ROW(200, tkill, tkill, "ii"),
    ROW(201, time, time, "a"),
    ROW(202, futex, futex, "axiaai"),
    ROW(203, sched_setaffinity, sched_setaffinity, "ina"),
    ROW(204, sched_getaffinity, sched_getaffinity, "ina"),
    ROW(213, epoll_create, epoll_create, "i"),
    ROW(217, getdents64, getdents64, "fan"),
    ROW(218, set_tid_address, set_tid_address, "a"),
    ROW(221, fadvise64, fadvise64, "fiii"),
    ROW(222, timer_create, timer_create, "iaa"),
    ROW(223, timer_settime, timer_settime, "ixaa"),
    ROW(224, timer_gettime, timer_gettime, "ia"),
    ROW(225, timer_getoverrun, timer_getoverrun, "i"),
    ROW(226, timer_delete, timer_delete, "i"),
    ROW(227, clock_settime, clock_settime, "ia"),
    ROW(228, clock_gettime, clock_gettime, "ia"),
    ROW(229, clock_getres, clock_getres, "ia"),
    ROW(230, clock_nanosleep, clock_nanosleep, "ixaa"),
    ROW(231, exit_group, exit_group, "i"),
    ROW(232, epoll_wait, epoll_wait, "faii"),
    ROW(233, epoll_ctl, epoll_ctl, "fifa"),
    ROW(234, tgkill, tgkill, "iii"),
    ROW(235, utimes, utimes, "pa"),
    ROW(247, waitid, waitid, "iiaia"),
    ROW(253, inotify_init, inotify_init, ""),
    ROW(254, inotify_add_watch, inotify_add_watch, "fpx"),
    ROW(255, inotify_rm_watch, inotify_rm_watch, "fi"),
    ROW(257, openat, openat, "fpxi"),
    ROW(258, mkdirat, mkdirat, "fpx"),
    ROW(259, mknodat, mknodat, "fpxi"),
    ROW(260, fchownat, fchownat, "fpiix"),
    ROW(261, futimesat, futimesat, "fpa"),
    ROW(262, newfstatat, newfstatat, "fpax"),
    ROW(263, unlinkat, unlinkat, "fpx"),
    ROW(264, renameat, renameat, "fpfp"),
    ROW(265, linkat, linkat, "fpfpx"),
    ROW(266, symlinkat, symlinkat, "pfp"),
    ROW(267, readlinkat, readlinkat, "fpan"),
    ROW(268, fchmodat, fchmodat, "fpx"),
    ROW(269, faccessat, faccessat, "fpx"),
    ROW(270, pselect6, pselect6, "iaaaaa"),
    ROW(271, ppoll, ppoll, "aiaan"),
    ROW(273, set_robust_list, set_robust_list, "an"),
    ROW(274, get_robust_list, get_robust_list, "iaa"),
    ROW(275, splice, splice, "fafanx"),
    ROW(276, tee, tee, "ffnx"),
    ROW(277, sync_file_range, sync_file_range, "fiix"),
    ROW(278, vmsplice, vmsplice, "fanx"),
    ROW(280, utimensat, utimensat, "fpax"),
    ROW(281, epoll_pwait, epoll_pwait, "faiian"),
    ROW(282, signalfd, signalfd, "fan"),
    ROW(283, timerfd_create, timerfd_create, "ix"),
    ROW(284, eventfd, eventfd, "i"),
    ROW(285, fallocate, fallocate, "fiii"),
    ROW(286, timerfd_settime, timerfd_settime, "fxaa"),
    ROW(287, timerfd_gettime, timerfd_gettime, "fa"),
    ROW(288, accept4, accept4, "faax"),
    ROW(289, signalfd4, signalfd4, "fanx"),
    ROW(290, eventfd2, eventfd2, "ix"),
    ROW(291, epoll_create1, epoll_create1, "x"),
    ROW(292, dup3, dup3, "ffx"),
    ROW(293, pipe2, pipe2, "ax"),
    ROW(294, inotify_init1, inotify_init1, "x"),
    ROW(295, preadv, preadv, "faii"),
    ROW(296, pwritev, pwritev, "faii"),
    ROW(297, rt_tgsigqueueinfo, rt_tgsigqueueinfo, "iiia"),
    ROW(299, recvmmsg, recvmmsg, "fanxa"),
    ROW(302, prlimit64, prlimit64, "iiaa"),
    ROW(306, syncfs, syncfs, "f"),
    ROW(307, sendmmsg, sendmmsg, "fanx"),
    ROW(308, setns, privileged, "fx"),
    ROW(309, getcpu, getcpu, "aa"),
    ROW(313, finit_module, privileged, "fpx"),
    ROW(316, renameat2, renameat2, "fpfpx"),
    ROW(318, getrandom, getrandom, "anx"),
    ROW(319, memfd_create, memfd_create, "px"),
    ROW(322, execveat, execveat, "fpaax"),
    ROW(324, membarrier, membarrier, "ixi"),
    ROW(325, mlock2, mlock2, "anx"),
    ROW(326, copy_file_range, copy_file_range, "fafanx"),
    ROW(327, preadv2, preadv2, "faiiix"),
    ROW(328, pwritev2, pwritev2, "faiiix"),
    ROW(332, statx, statx, "fpxxa"),
    ROW(435, clone3, clone3, "an"),
    ROW(436, close_range, close_range, "iix"),
    ROW(439, faccessat2, faccessat2, "fpxx"),
    ROW(452, fchmodat2, fchmodat2, "fpxx"),
};

static bool tracing;

void syscall_trace(bool on)
{
    tracing = on;
}

#define PLAIN_MAX 128u /* as in entry.S */
#define PLAIN_NONE UINT32_MAX
uint32_t plain_answers[PLAIN_MAX];

void syscall_plain(void)
{
    static const uint8_t plain[] = { 39, 102, 104, 107, 108, 110, 111 }; /* getpid, getuid, getgid, geteuid, getegid, getppid, getpgrp */
    static const uint64_t none[6];

    memset(plain_answers, 0xFF, sizeof plain_answers);
    for (size_t i = 0; i < sizeof plain && !tracing; i++)
        plain_answers[plain[i]] = (uint32_t)sys_rows[plain[i]].fn(none);
}

static void trace(const struct regs *r)
{
    const struct sys_row *row = r->error < SYS_MAX ? &sys_rows[r->error] : NULL;

    log_line("%u %s(%#llx, %#llx, %#llx, %#llx) = %lld at %#llx", current->tid, row && row->name ? row->name : "?", (unsigned long long)r->rdi,
             (unsigned long long)r->rsi, (unsigned long long)r->rdx, (unsigned long long)r->r10, (long long)r->rax, (unsigned long long)r->rip);
}

/* r->error is the number. */
static void call(struct regs *r)
{
    const uint64_t a[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };
    uint64_t nr = r->error;
    int64_t result = nr < SYS_MAX && sys_rows[nr].fn ? sys_rows[nr].fn(a) : -ENOSYS;

    if (r->vector == 256)
        r->rax = (uint64_t)result;
    if (tracing)
        trace(r);
}

/* What there is to do before the program goes on. True: not only rax has changed, and so `leave` will bring it back. */
static bool finish(struct regs *r, bool full)
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
    call(r);
    return finish(r, false);
}

/* A `syscall` that was not rewritten: it trapped, rip is at it. */
static void syscall_missed(struct regs *r)
{
    r->vector = 256;
    r->error = r->rax;
    r->rip += 2;
    r->rcx = r->rip;
    r->r11 = r->rflags;
    call(r);
}

/* --- upcalls ------------------------------------------------------------------------------------------------------------ */
extern const uint8_t user_copy_end[], user_copy_fault[], pending_short[], pending_full[], pending_full_next[];

static void page_fault(struct regs *r)
{
    uint64_t at = (uint64_t)gate(0, 0, 0, 0, 0, APP_FAULT);
    const struct vma *v = vma_find(at);
    uint32_t need = r->error & 2 ? PROT_WRITE : r->error & 16 ? PROT_EXEC : PROT_READ;

    /* the processor may have remembered less than is allowed now: then it is enough to try again */
    if (v && (v->prot & need || (need == PROT_READ && v->prot))) {
        if (vma_fault(at))
            signal_fault(r, SIGBUS, BUS_ADRERR, at);
        return;
    }
    signal_fault(r, SIGSEGV, v ? SEGV_ACCERR : SEGV_MAPERR, at);
}

/* Which of the floating-point exceptions that are not masked it was. */
static int float_code(bool x87)
{
    static const uint8_t codes[6] = { FPE_FLTINV, FPE_FLTUND, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES }; /* by bits: the first that is set */
    uint32_t mxcsr, raised;
    uint16_t control, state;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    __asm__ volatile("fnstcw %0" : "=m"(control));
    __asm__ volatile("fnstsw %0" : "=m"(state));
    raised = x87 ? state & ~(uint32_t)control : mxcsr & ~(mxcsr >> 7);
    return raised & 63 ? codes[__builtin_ctz(raised & 63)] : 0;
}

static void exception(struct regs *r)
{
    static const struct { uint8_t vector, signal, code; } rows[] = {
        { 0, SIGFPE, FPE_INTDIV }, { 1, SIGTRAP, 2 }, { 3, SIGTRAP, SI_KERNEL }, { 4, SIGSEGV, SI_KERNEL }, { 5, SIGSEGV, SI_KERNEL },
        { 6, SIGILL, ILL_ILLOPN }, { 12, SIGBUS, SI_KERNEL }, { 16, SIGFPE, 0 }, { 17, SIGBUS, BUS_ADRALN }, { 19, SIGFPE, 0 },
    };
    int n = SIGSEGV, code = SI_KERNEL;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].vector == r->vector) {
            n = rows[i].signal;
            code = rows[i].code;
        }
    if (n == SIGFPE && r->vector)
        code = float_code(r->vector == 16);
    signal_fault(r, n, code, n == SIGSEGV || n == SIGTRAP ? 0 : r->rip);
}

static bool is_syscall(uint64_t rip)
{
    uint8_t code[2];

    return !user_read(code, rip, sizeof code) && code[0] == 0x0F && code[1] == 0x05;
}

static bool sled_gone;

void sled_drop(void)
{
    if (!sled_gone)
        gate(APP_SLED, PAGE_SIZE, 0, 0, 0, APP_UNMAP);
    sled_gone = true;
}

/* A number too large for the sled, or there is no sled: `call *%rax` went somewhere in page 0, or where nothing is. */
static bool could_be_number(uint64_t n) /* and not the address of a function that is not there */
{
    return n < APP_LIBOS || n >= (uint64_t)-4096 || (n >= 0x40000000 && n < 0x40001000); /* the last: x32 */
}

static bool wild_number(struct regs *r)
{
    uint64_t back;
    uint8_t code[2];

    if ((r->rax <= SLED_END && !sled_gone) || !could_be_number(r->rax) || (r->rip != r->rax && r->rip != r->rax + 1) || user_read(&back, r->rsp, sizeof back) ||
        user_read(code, back - 2, sizeof code) || code[0] != 0xFF || code[1] != 0xD0)
        return false;
    r->vector = 256;
    r->error = r->rax;
    r->rip = back;
    r->rsp += 8;
    call(r);
    return true;
}

/* entry.S: an upcall while the program ran. */
void upcall_program(struct regs *r)
{
    libos_lock();
    if (r->rip == (uint64_t)pending_short) {
        r->rip = r->rcx;
        r->vector = APP_VEC_EVENT;
    } else if (r->rip == (uint64_t)pending_full) {
        r->rip = (uint64_t)pending_full_next;
        r->vector = APP_VEC_EVENT;
    } else if ((r->vector == 3 || r->vector == 14 || r->vector == 13) && wild_number(r)) {
        /* done */
    } else if (r->vector == 14) {
        page_fault(r);
    } else if (r->vector == 6 && is_syscall(r->rip)) {
        syscall_missed(r);
    } else if (r->vector != APP_VEC_EVENT) {
        exception(r);
    }
    if (tracing && r->vector < 32)
        log_line("exception %llu at %#llx, error %#llx, address %#llx", (unsigned long long)r->vector, (unsigned long long)r->rip,
                 (unsigned long long)r->error, (unsigned long long)gate(0, 0, 0, 0, 0, APP_FAULT));
    finish(r, true);
}

/* entry.S: a fault in the libos. Only copies from and to the program may. */
void upcall_libos(struct regs *r)
{
    if (r->vector == 14 && r->rip >= (uint64_t)user_copy && r->rip < (uint64_t)user_copy_end) {
        r->rip = (uint64_t)user_copy_fault;
        return;
    }
    panic("exception %llu in the libos at %#llx, error %#llx, address %#llx", (unsigned long long)r->vector, (unsigned long long)r->rip,
          (unsigned long long)r->error, (unsigned long long)gate(0, 0, 0, 0, 0, APP_FAULT));
}
