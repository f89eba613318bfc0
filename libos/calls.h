/* The system calls, for syscall.c to make its table of: CALL(name) is the function sys_name() of the file above it, AS(name, answer) is that
   expression of the arguments a[0] to a[5]. */

/* alarm.c */
CALL(getitimer) CALL(alarm) CALL(setitimer)

/* counter.c */
CALL(timerfd_create) CALL(timerfd_settime) CALL(timerfd_gettime) CALL(eventfd2)
AS(eventfd, VIA(eventfd2, a[0], 0))

/* epoll.c */
CALL(epoll_ctl) CALL(epoll_pwait) CALL(epoll_create1)
AS(epoll_create, (int32_t)a[0] > 0 ? VIA(epoll_create1, 0) : -EINVAL)
AS(epoll_wait, VIA(epoll_pwait, a[0], a[1], a[2], a[3], 0))

/* exec.c */
CALL(execve) CALL(execveat)

/* fd.c */
CALL(ioctl) CALL(dup) CALL(fcntl) CALL(dup3) CALL(pipe2) CALL(memfd_create) CALL(close_range)
AS(close, fd_close(a[0])) AS(pipe, VIA(pipe2, a[0], 0)) AS(dup2, fd_dup_to(a[0], a[1], false))

/* inotify.c */
CALL(inotify_add_watch) CALL(inotify_rm_watch) CALL(inotify_init1)
AS(inotify_init, VIA(inotify_init1, 0))

/* lock.c */
CALL(flock)

/* mqueue.c */
CALL(mq_open) CALL(mq_unlink) CALL(mq_timedsend) CALL(mq_timedreceive) CALL(mq_notify) CALL(mq_getsetattr)

/* what only the machine's owner may do */
AS(ptrace, -EPERM) AS(vhangup, -EPERM) AS(pivot_root, -EPERM) AS(acct, -EPERM) AS(mount, -EPERM) AS(umount2, -EPERM)
AS(swapon, -EPERM) AS(swapoff, -EPERM) AS(reboot, -EPERM) AS(sethostname, -EPERM) AS(setdomainname, -EPERM) AS(iopl, -EPERM)
AS(ioperm, -EPERM) AS(init_module, -EPERM) AS(delete_module, -EPERM) AS(setns, -EPERM) AS(finit_module, -EPERM)

/* signalfd.c */
CALL(signalfd4)
AS(signalfd, VIA(signalfd4, a[0], a[1], a[2], 0))

/* sys_attr.c */
CALL(fchmod) CALL(fchown) CALL(umask) CALL(utime) CALL(setxattr) CALL(lsetxattr) CALL(fsetxattr) CALL(listxattr)
CALL(llistxattr) CALL(flistxattr) CALL(fchownat) CALL(futimesat) CALL(utimensat) CALL(fchmodat2)
AS(chmod, VIA(fchmodat2, CWD, a[0], a[1], 0)) AS(chown, VIA(fchownat, CWD, a[0], a[1], a[2], 0))
AS(lchown, VIA(fchownat, CWD, a[0], a[1], a[2], AT_SYMLINK_NOFOLLOW)) AS(getxattr, sys_setxattr(a))
AS(lgetxattr, sys_lsetxattr(a)) AS(fgetxattr, sys_fsetxattr(a)) AS(removexattr, sys_setxattr(a))
AS(lremovexattr, sys_lsetxattr(a)) AS(fremovexattr, sys_fsetxattr(a)) AS(utimes, VIA(futimesat, CWD, a[0], a[1]))
AS(fchmodat, VIA(fchmodat2, a[0], a[1], a[2], 0))

/* sys_clock.c */
CALL(nanosleep) CALL(gettimeofday) CALL(time) CALL(clock_settime) CALL(clock_gettime) CALL(clock_getres) CALL(clock_nanosleep)
AS(settimeofday, -EPERM)

/* sys_copy.c */
CALL(sendfile) CALL(splice) CALL(tee) CALL(vmsplice) CALL(copy_file_range)

/* sys_id.c */
CALL(uname) CALL(sysinfo) CALL(setpgid) CALL(getpgid) CALL(capget) CALL(capset) CALL(personality)
AS(getpid, boot->pid) AS(getppid, 1) AS(getpgrp, boot->pid) AS(setsid, -EPERM) AS(getsid, sys_getpgid(a))
AS(gettid, current->tid)

/* sys_io.c */
CALL(read) CALL(write) CALL(lseek) CALL(pread64) CALL(pwrite64) CALL(readv) CALL(writev) CALL(fsync) CALL(truncate)
CALL(ftruncate) CALL(readahead) CALL(fadvise64) CALL(sync_file_range) CALL(fallocate) CALL(preadv) CALL(pwritev) CALL(getrandom)
CALL(preadv2) CALL(pwritev2)
AS(fdatasync, sys_fsync(a)) AS(sync, 0) AS(syncfs, fd_held(a[0]) ? 0 : -EBADF)

/* sys_limit.c */
CALL(getrusage) CALL(times) CALL(getpriority) CALL(setpriority) CALL(sched_setparam) CALL(sched_getparam)
CALL(sched_setscheduler) CALL(sched_getscheduler) CALL(sched_get_priority_max) CALL(sched_get_priority_min)
CALL(sched_rr_get_interval) CALL(prctl) CALL(prlimit64)
AS(getrlimit, VIA(prlimit64, 0, a[0], 0, a[1])) AS(setrlimit, a[1] ? VIA(prlimit64, 0, a[0], a[1], 0) : -EFAULT)

/* sys_mem.c */
CALL(mmap) CALL(mprotect) CALL(msync) CALL(mincore) CALL(mlock) CALL(mlockall) CALL(mlock2)
AS(munmap, vma_munmap(a[0], a[1])) AS(brk, vma_brk(a[0])) AS(mremap, vma_mremap(a[0], a[1], a[2], (uint32_t)a[3], a[4]))
AS(madvise, vma_madvise(a[0], a[1], (uint32_t)a[2])) AS(munlock, sys_mlock(a)) AS(munlockall, 0)

/* sys_msg.c */
CALL(sendto) CALL(recvfrom) CALL(sendmsg) CALL(recvmsg) CALL(recvmmsg) CALL(sendmmsg)

/* sys_name.c */
CALL(mkdirat) CALL(mknodat) CALL(unlinkat) CALL(linkat) CALL(symlinkat) CALL(renameat2)
AS(rename, VIA(renameat2, CWD, a[0], CWD, a[1], 0)) AS(mkdir, VIA(mkdirat, CWD, a[0], a[1]))
AS(rmdir, VIA(unlinkat, CWD, a[0], AT_REMOVEDIR)) AS(link, VIA(linkat, CWD, a[0], CWD, a[1], 0))
AS(unlink, VIA(unlinkat, CWD, a[0], 0)) AS(symlink, VIA(symlinkat, a[0], CWD, a[1]))
AS(mknod, VIA(mknodat, CWD, a[0], a[1], a[2])) AS(renameat, VIA(renameat2, a[0], a[1], a[2], a[3], 0))

/* sys_path.c */
CALL(fstat) CALL(getdents) CALL(getcwd) CALL(chdir) CALL(fchdir) CALL(statfs) CALL(fstatfs) CALL(chroot) CALL(getdents64)
CALL(openat) CALL(newfstatat) CALL(readlinkat) CALL(statx) CALL(faccessat2)
AS(open, VIA(openat, CWD, a[0], a[1], a[2])) AS(stat, VIA(newfstatat, CWD, a[0], a[1], 0))
AS(lstat, VIA(newfstatat, CWD, a[0], a[1], AT_SYMLINK_NOFOLLOW)) AS(access, VIA(faccessat2, CWD, a[0], a[1], 0))
AS(creat, VIA(openat, CWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, a[1])) AS(readlink, VIA(readlinkat, CWD, a[0], a[1], a[2]))
AS(faccessat, VIA(faccessat2, a[0], a[1], a[2], 0))

/* sys_poll.c */
CALL(poll) CALL(select) CALL(pselect6) CALL(ppoll)

/* sys_signal.c */
CALL(rt_sigaction) CALL(rt_sigprocmask) CALL(pause) CALL(kill) CALL(rt_sigpending) CALL(rt_sigtimedwait) CALL(rt_sigqueueinfo)
CALL(rt_sigsuspend) CALL(sigaltstack) CALL(tkill) CALL(tgkill) CALL(rt_tgsigqueueinfo)
AS(rt_sigreturn, signal_return(current->regs))

/* sys_sock.c */
CALL(socket) CALL(connect) CALL(shutdown) CALL(bind) CALL(listen) CALL(getsockname) CALL(getpeername) CALL(socketpair)
CALL(accept4)
AS(accept, VIA(accept4, a[0], a[1], a[2], 0))

/* sys_sockopt.c */
CALL(setsockopt) CALL(getsockopt)

/* sys_thread.c */
CALL(clone) CALL(exit) CALL(arch_prctl) CALL(sched_setaffinity) CALL(sched_getaffinity) CALL(set_tid_address)
CALL(set_robust_list) CALL(get_robust_list) CALL(getcpu) CALL(clone3)
AS(sched_yield, (thread_yield(), 0)) AS(wait4, a[2] & ~0xE000000Bull ? -EINVAL : -ECHILD)
AS(futex, futex_call(a[0], (uint32_t)a[1], (uint32_t)a[2], a[3], a[4], (uint32_t)a[5]))
AS(exit_group, (libos_exit((uint32_t)a[0] & 0xFF), 0))
AS(waitid, (uint32_t)a[0] > 3 || a[3] & ~0xE100000Full || !(a[3] & 0xE) ? -EINVAL : -ECHILD)
AS(membarrier, (uint32_t)a[0] || (uint32_t)a[1] ? -EINVAL : 0)

/* sys_timer.c */
CALL(timer_create) CALL(timer_settime) CALL(timer_gettime) CALL(timer_getoverrun) CALL(timer_delete)

/* sys_user.c */
CALL(setuid) CALL(setgid) CALL(setreuid) CALL(setregid) CALL(getgroups) CALL(setgroups) CALL(setresuid) CALL(getresuid)
CALL(setresgid) CALL(getresgid)
AS(getuid, user_id.real) AS(getgid, group_id.real) AS(geteuid, user_id.effective) AS(getegid, group_id.effective)
AS(setfsuid, user_id.effective) AS(setfsgid, group_id.effective)
