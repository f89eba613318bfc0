/* The system calls, for syscall.c to make its table of: CALL(number, name) is the function sys_name() of the file above it, AS(number, name, answer)
   is that expression of the arguments a[0] to a[5]. */

/* alarm.c */
CALL(36, getitimer) CALL(37, alarm) CALL(38, setitimer)

/* counter.c */
CALL(283, timerfd_create) CALL(286, timerfd_settime) CALL(287, timerfd_gettime) CALL(290, eventfd2)
AS(284, eventfd, VIA(eventfd2, a[0], 0))

/* epoll.c */
CALL(233, epoll_ctl) CALL(281, epoll_pwait) CALL(291, epoll_create1)
AS(213, epoll_create, (int32_t)a[0] > 0 ? VIA(epoll_create1, 0) : -EINVAL)
AS(232, epoll_wait, VIA(epoll_pwait, a[0], a[1], a[2], a[3], 0))

/* exec.c */
CALL(59, execve) CALL(322, execveat)

/* fd.c */
CALL(16, ioctl) CALL(32, dup) CALL(72, fcntl) CALL(292, dup3) CALL(293, pipe2) CALL(319, memfd_create) CALL(436, close_range)
AS(3, close, fd_close(a[0])) AS(22, pipe, VIA(pipe2, a[0], 0)) AS(33, dup2, fd_dup_to(a[0], a[1], false))

/* inotify.c */
CALL(254, inotify_add_watch) CALL(255, inotify_rm_watch) CALL(294, inotify_init1)
AS(253, inotify_init, VIA(inotify_init1, 0))

/* lock.c */
CALL(73, flock)

/* mqueue.c */
CALL(240, mq_open) CALL(241, mq_unlink) CALL(242, mq_timedsend) CALL(243, mq_timedreceive) CALL(244, mq_notify)
CALL(245, mq_getsetattr)

/* what only the machine's owner may do */
AS(101, ptrace, -EPERM) AS(153, vhangup, -EPERM) AS(155, pivot_root, -EPERM) AS(163, acct, -EPERM) AS(165, mount, -EPERM)
AS(166, umount2, -EPERM) AS(167, swapon, -EPERM) AS(168, swapoff, -EPERM) AS(169, reboot, -EPERM) AS(170, sethostname, -EPERM)
AS(171, setdomainname, -EPERM) AS(172, iopl, -EPERM) AS(173, ioperm, -EPERM) AS(175, init_module, -EPERM)
AS(176, delete_module, -EPERM) AS(308, setns, -EPERM) AS(313, finit_module, -EPERM)

/* signalfd.c */
CALL(289, signalfd4)
AS(282, signalfd, VIA(signalfd4, a[0], a[1], a[2], 0))

/* sys_attr.c */
CALL(91, fchmod) CALL(93, fchown) CALL(95, umask) CALL(132, utime) CALL(188, setxattr) CALL(189, lsetxattr) CALL(190, fsetxattr)
CALL(194, listxattr) CALL(195, llistxattr) CALL(196, flistxattr) CALL(260, fchownat) CALL(261, futimesat) CALL(280, utimensat)
CALL(452, fchmodat2)
AS(90, chmod, VIA(fchmodat2, CWD, a[0], a[1], 0)) AS(92, chown, VIA(fchownat, CWD, a[0], a[1], a[2], 0))
AS(94, lchown, VIA(fchownat, CWD, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW)) AS(191, getxattr, sys_setxattr(a))
AS(192, lgetxattr, sys_lsetxattr(a)) AS(193, fgetxattr, sys_fsetxattr(a)) AS(197, removexattr, sys_setxattr(a))
AS(198, lremovexattr, sys_lsetxattr(a)) AS(199, fremovexattr, sys_fsetxattr(a)) AS(235, utimes, VIA(futimesat, CWD, a[0], a[1]))
AS(268, fchmodat, VIA(fchmodat2, a[0], a[1], a[2], 0))

/* sys_clock.c */
CALL(35, nanosleep) CALL(96, gettimeofday) CALL(201, time) CALL(227, clock_settime) CALL(228, clock_gettime)
CALL(229, clock_getres) CALL(230, clock_nanosleep)
AS(164, settimeofday, -EPERM)

/* sys_copy.c */
CALL(40, sendfile) CALL(275, splice) CALL(276, tee) CALL(278, vmsplice) CALL(326, copy_file_range)

/* sys_id.c */
CALL(63, uname) CALL(99, sysinfo) CALL(109, setpgid) CALL(121, getpgid) CALL(125, capget) CALL(126, capset)
CALL(135, personality)
AS(39, getpid, boot->pid) AS(110, getppid, 1) AS(111, getpgrp, boot->pid) AS(112, setsid, -EPERM) AS(124, getsid, sys_getpgid(a))
AS(186, gettid, current->tid)

/* sys_io.c */
CALL(0, read) CALL(1, write) CALL(8, lseek) CALL(17, pread64) CALL(18, pwrite64) CALL(19, readv) CALL(20, writev) CALL(74, fsync)
CALL(76, truncate) CALL(77, ftruncate) CALL(187, readahead) CALL(221, fadvise64) CALL(277, sync_file_range) CALL(285, fallocate)
CALL(295, preadv) CALL(296, pwritev) CALL(318, getrandom) CALL(327, preadv2) CALL(328, pwritev2)
AS(75, fdatasync, sys_fsync(a)) AS(162, sync, 0) AS(306, syncfs, fd_held(a[0]) ? 0 : -EBADF)

/* sys_limit.c */
CALL(98, getrusage) CALL(100, times) CALL(140, getpriority) CALL(141, setpriority) CALL(142, sched_setparam)
CALL(143, sched_getparam) CALL(144, sched_setscheduler) CALL(145, sched_getscheduler) CALL(146, sched_get_priority_max)
CALL(147, sched_get_priority_min) CALL(148, sched_rr_get_interval) CALL(157, prctl) CALL(302, prlimit64)
AS(97, getrlimit, VIA(prlimit64, 0, a[0], 0, a[1])) AS(160, setrlimit, a[1] ? VIA(prlimit64, 0, a[0], a[1], 0) : -EFAULT)

/* sys_mem.c */
CALL(9, mmap) CALL(10, mprotect) CALL(26, msync) CALL(27, mincore) CALL(149, mlock) CALL(151, mlockall) CALL(325, mlock2)
AS(11, munmap, vma_munmap(a[0], a[1])) AS(12, brk, vma_brk(a[0]))
AS(25, mremap, vma_mremap(a[0], a[1], a[2], (uint32_t)a[3], a[4])) AS(28, madvise, vma_madvise(a[0], a[1], (uint32_t)a[2]))
AS(150, munlock, sys_mlock(a)) AS(152, munlockall, 0)

/* sys_msg.c */
CALL(44, sendto) CALL(45, recvfrom) CALL(46, sendmsg) CALL(47, recvmsg) CALL(299, recvmmsg) CALL(307, sendmmsg)

/* sys_name.c */
CALL(258, mkdirat) CALL(259, mknodat) CALL(263, unlinkat) CALL(265, linkat) CALL(266, symlinkat) CALL(316, renameat2)
AS(82, rename, VIA(renameat2, CWD, a[0], CWD, a[1], 0)) AS(83, mkdir, VIA(mkdirat, CWD, a[0], a[1]))
AS(84, rmdir, VIA(unlinkat, CWD, a[0], AT_REMOVEDIR)) AS(86, link, VIA(linkat, CWD, a[0], CWD, a[1], 0))
AS(87, unlink, VIA(unlinkat, CWD, a[0], 0)) AS(88, symlink, VIA(symlinkat, a[0], CWD, a[1]))
AS(133, mknod, VIA(mknodat, CWD, a[0], a[1], a[2])) AS(264, renameat, VIA(renameat2, a[0], a[1], a[2], a[3], 0))

/* sys_path.c */
CALL(5, fstat) CALL(78, getdents) CALL(79, getcwd) CALL(80, chdir) CALL(81, fchdir) CALL(137, statfs) CALL(138, fstatfs)
CALL(161, chroot) CALL(217, getdents64) CALL(257, openat) CALL(262, newfstatat) CALL(267, readlinkat) CALL(332, statx)
CALL(439, faccessat2)
AS(2, open, VIA(openat, CWD, a[0], a[1], a[2])) AS(4, stat, VIA(newfstatat, CWD, a[0], a[1], 0))
AS(6, lstat, VIA(newfstatat, CWD, a[0], a[1], AT_SYMLINK_NOFOLLOW)) AS(21, access, VIA(faccessat2, CWD, a[0], a[1], 0))
AS(85, creat, VIA(openat, CWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1]))
AS(89, readlink, VIA(readlinkat, CWD, a[0], a[1], a[2])) AS(269, faccessat, VIA(faccessat2, a[0], a[1], a[2], 0))

/* sys_poll.c */
CALL(7, poll) CALL(23, select) CALL(270, pselect6) CALL(271, ppoll)

/* sys_signal.c */
CALL(13, rt_sigaction) CALL(14, rt_sigprocmask) CALL(34, pause) CALL(62, kill) CALL(127, rt_sigpending)
CALL(128, rt_sigtimedwait) CALL(129, rt_sigqueueinfo) CALL(130, rt_sigsuspend) CALL(131, sigaltstack) CALL(200, tkill)
CALL(234, tgkill) CALL(297, rt_tgsigqueueinfo)
AS(15, rt_sigreturn, signal_return(current->regs))

/* sys_sock.c */
CALL(41, socket) CALL(42, connect) CALL(48, shutdown) CALL(49, bind) CALL(50, listen) CALL(51, getsockname) CALL(52, getpeername)
CALL(53, socketpair) CALL(288, accept4)
AS(43, accept, VIA(accept4, a[0], a[1], a[2], 0))

/* sys_sockopt.c */
CALL(54, setsockopt) CALL(55, getsockopt)

/* sys_thread.c */
CALL(56, clone) CALL(60, exit) CALL(158, arch_prctl) CALL(203, sched_setaffinity) CALL(204, sched_getaffinity)
CALL(218, set_tid_address) CALL(273, set_robust_list) CALL(274, get_robust_list) CALL(309, getcpu) CALL(435, clone3)
AS(24, sched_yield, (thread_yield(), 0)) AS(61, wait4, a[2] & ~0xE000000Bull ? -EINVAL : -ECHILD)
AS(202, futex, futex_call(a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4], (uint32_t)a[5]))
AS(231, exit_group, (libos_exit((uint32_t)a[0] & 0xFF), 0))
AS(247, waitid, (uint32_t)a[0] > 3 || a[3] & ~0xE100000Full || !(a[3] & 0xE) ? -EINVAL : -ECHILD)
AS(324, membarrier, (uint32_t)a[0] || (uint32_t)a[1] ? -EINVAL : 0)

/* sys_timer.c */
CALL(222, timer_create) CALL(223, timer_settime) CALL(224, timer_gettime) CALL(225, timer_getoverrun) CALL(226, timer_delete)

/* sys_user.c */
CALL(105, setuid) CALL(106, setgid) CALL(113, setreuid) CALL(114, setregid) CALL(115, getgroups) CALL(116, setgroups)
CALL(117, setresuid) CALL(118, getresuid) CALL(119, setresgid) CALL(120, getresgid)
AS(102, getuid, user_id.real) AS(104, getgid, group_id.real) AS(107, geteuid, user_id.effective)
AS(108, getegid, group_id.effective) AS(122, setfsuid, user_id.effective) AS(123, setfsgid, group_id.effective)
