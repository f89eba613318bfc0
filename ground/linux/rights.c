/* The guest talks to the monitor all the time; if it ever finds a mistake there and takes the process over, this is what is left to it. Needs no
 * privilege itself. Called once by guest.c, after everything is open and before the guest's first instruction. */
#define _GNU_SOURCE
#include "ground/linux/rights.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void rights_close(int keep)
{
    if (keep > 3)
        syscall(SYS_close_range, 3, keep - 1, 0);
    syscall(SYS_close_range, keep < 3 ? 3 : keep + 1, ~0u, 0);
}

/* --- capabilities ---------------------------------------------------------------------------------------------------------- */
static err_t capabilities_drop(bool net)
{
    const uint64_t files = BIT64(CAP_CHOWN) | BIT64(CAP_DAC_OVERRIDE) | BIT64(CAP_DAC_READ_SEARCH) | BIT64(CAP_FOWNER) | BIT64(CAP_FSETID);
    uint64_t keep = files | (net ? BIT64(CAP_NET_BIND_SERVICE) : 0);
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[2];

    if (syscall(SYS_capget, &head, caps))
        return ERR_UNSUPPORTED;
    (void)!prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED); /* root is no more than others; an ordinary user may not, and has nothing to lose */
    for (unsigned i = 0; i < 2; i++) {
        caps[i].permitted &= (uint32_t)(keep >> 32 * i);
        caps[i].effective &= caps[i].permitted;
        caps[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, caps) ? ERR_UNSUPPORTED : OK;
}

/* --- files: Landlock, since Linux 5.13 ------------------------------------------------------------------------------------------ */
#define TREE_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define HANDLED_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* all of the first version */
#define ACCESS_REFER BIT64(13)                             /* of the second: rename and link between directories */
#define ACCESS_TRUNCATE BIT64(14)                          /* of the third */
#define SCOPE_SIGNAL BIT64(1)                              /* of the sixth: only processes with these rights can be signalled */

struct ruleset_6 {
    struct landlock_ruleset_attr files;
    uint64_t net, scoped;
};
_Static_assert(sizeof(struct landlock_ruleset_attr) == 8, "the first version's");

static err_t tree_allow(int rules, const struct rights_tree *t, uint64_t handled)
{
    struct landlock_path_beneath_attr a = { .allowed_access = t->write ? handled & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE : TREE_READ,
                                            .parent_fd = open(t->path, O_PATH | O_CLOEXEC) };
    long failed;

    if (t->remove)
        a.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE | (t->sockets ? LANDLOCK_ACCESS_FS_MAKE_SOCK : 0);
    if (a.parent_fd < 0)
        return OK; /* what is not there needs no right */
    failed = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &a, 0);
    close(a.parent_fd);
    return failed ? ERR_UNSUPPORTED : OK;
}

/* The first version forbids renaming between directories altogether, so it is not used. */
static err_t files_restrict(const struct rights_tree *trees, unsigned n)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset_6 a = { .files.handled_access_fs = HANDLED_1 | ACCESS_REFER | (version >= 3 ? ACCESS_TRUNCATE : 0),
                           .scoped = version >= 6 ? SCOPE_SIGNAL : 0 };
    err_t e = OK;
    int rules;

    if (version < 2)
        return OK;
    rules = (int)syscall(SYS_landlock_create_ruleset, &a, version >= 6 ? sizeof a : sizeof a.files, 0);
    if (rules < 0)
        return ERR_UNSUPPORTED;
    for (unsigned i = 0; !e && i < n; i++)
        e = tree_allow(rules, &trees[i], a.files.handled_access_fs);
    if (!e && syscall(SYS_landlock_restrict_self, rules, 0))
        e = ERR_UNSUPPORTED;
    close(rules);
    return e;
}

/* --- system calls ----------------------------------------------------------------------------------------------------------------- */
static const uint16_t always[] = {
    /* the guest's memory */
    SYS_munmap, SYS_madvise, SYS_mremap, SYS_brk, SYS_memfd_create, SYS_ftruncate,
    /* threads, waiting, time */
    SYS_futex, SYS_set_robust_list, SYS_set_tid_address, SYS_rseq, SYS_exit, SYS_exit_group, SYS_sched_yield, SYS_sched_getaffinity, SYS_gettid, SYS_getpid, SYS_getppid, SYS_getuid,
    SYS_geteuid, SYS_getgid, SYS_getegid, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime, SYS_gettimeofday, SYS_timer_create, SYS_timer_settime,
    SYS_timer_delete, SYS_restart_syscall, SYS_getrandom, SYS_prlimit64, SYS_sysinfo, SYS_uname,
    /* signals; to whom is asked below */
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack,
    /* descriptors */
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev, SYS_close, SYS_lseek, SYS_fcntl, SYS_dup, SYS_dup2, SYS_dup3,
    SYS_poll, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait, SYS_eventfd2, SYS_signalfd4, SYS_timerfd_create,
    SYS_timerfd_settime, SYS_pipe2,
    /* files; which, is Landlock's */
    SYS_open, SYS_openat, SYS_openat2, SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs, SYS_getdents64, SYS_readlinkat, SYS_mkdirat, SYS_mknodat,
    SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_utimensat,
    SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_flock, SYS_copy_file_range, SYS_faccessat, SYS_faccessat2, SYS_access, SYS_unlink, SYS_rmdir,
    SYS_accept4, SYS_recvmsg, /* at the sockets of ctl.c and template.c */
    SYS_fgetxattr, SYS_fsetxattr, SYS_flistxattr, SYS_fremovexattr,
};

static const uint16_t with_net[] = {
    SYS_bind, SYS_listen, SYS_connect, SYS_accept, SYS_getsockname, SYS_getpeername, SYS_setsockopt, SYS_getsockopt, SYS_shutdown,
    SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_sendmmsg, SYS_recvmmsg,
};

static const uint16_t with_listen[] = { SYS_bind, SYS_listen }, with_template[] = { SYS_seccomp, SYS_fork };

/* Of these an argument decides: (argument & mask) must be one of the values. */
struct condition {
    uint16_t call, argument;
    uint32_t mask, values[9];
    unsigned count;
    uint16_t error; /* what is answered else; 0: the end */
};

#define PROGRAM_MAX 200
#define WORDS 16u /* of 32 calls each */
struct program {
    struct sock_filter step[PROGRAM_MAX];
    unsigned short n;
};

static void step(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    if (p->n < PROGRAM_MAX)
        p->step[p->n++] = (struct sock_filter){ .code = code, .k = k, .jt = yes, .jf = no };
}

static void give(struct program *p, uint32_t result)
{
    step(p, BPF_RET | BPF_K, result, 0, 0);
}

static void words_set(uint32_t *words, const uint16_t *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        words[calls[i] / 32] |= BIT(calls[i] % 32);
}

/* What is allowed as a bit for each call, looked up in the word that has it: the kernel translates every step of the program when a guest starts, and a
 * comparison for each call would be four times as many. */
static void give_words(struct program *p, const uint32_t *words)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        left += words[i] != 0;
    step(p, BPF_ALU | BPF_AND | BPF_K, 31, 0, 0);
    step(p, BPF_MISC | BPF_TAX, 0, 0, 0);
    step(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    step(p, BPF_ALU | BPF_RSH | BPF_K, 5, 0, 0);
    for (uint32_t i = 0; i < WORDS; i++)
        if (words[i]) {
            step(p, BPF_JMP | BPF_JEQ | BPF_K, i, 0, 2);
            step(p, BPF_LD | BPF_IMM, words[i], 0, 0);
            step(p, BPF_JMP | BPF_JA, 3 * --left + 1, 0, 0); /* to the shift */
        }
    give(p, SECCOMP_RET_TRAP);
    step(p, BPF_ALU | BPF_RSH | BPF_X, 0, 0, 0);
    step(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1);
    give(p, SECCOMP_RET_ALLOW);
    give(p, SECCOMP_RET_TRAP);
}

static void allow_if(struct program *p, const struct condition *c)
{
    step(p, BPF_JMP | BPF_JEQ | BPF_K, c->call, 0, (uint8_t)(3 + 2 * c->count));
    step(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args) + 8u * c->argument, 0, 0);
    step(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
    for (unsigned i = 0; i < c->count; i++) {
        step(p, BPF_JMP | BPF_JEQ | BPF_K, c->values[i], 0, 1);
        give(p, SECCOMP_RET_ALLOW);
    }
    give(p, c->error ? SECCOMP_RET_ERRNO | c->error : SECCOMP_RET_TRAP);
}

static void program_make(struct program *p, unsigned flags)
{
    const uint32_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    const uint32_t worlds = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    const bool net = flags & RIGHTS_NET, listen = flags & RIGHTS_LISTEN, template = flags & RIGHTS_TEMPLATE;
    const struct condition conditions[] = {
        { SYS_ioctl, 1, UINT32_MAX, { TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, FIONREAD, FIONBIO }, 7, ENOTTY },
        { SYS_mmap, 2, PROT_EXEC, { 0 }, 1, EACCES },
        { SYS_mprotect, 2, PROT_EXEC, { 0 }, 1, EACCES },
        { SYS_clone, 0, thread | worlds, { thread, 0 }, template ? 2 : 1, 0 },
        { SYS_clone3, 0, 0, { 1 }, 1, ENOSYS }, /* its flags cannot be seen: the C library then takes clone */
        { SYS_prctl, 0, UINT32_MAX, { PR_SET_NAME, PR_SET_PDEATHSIG }, 2, EINVAL },
        { SYS_tgkill, 0, template ? 0 : UINT32_MAX, { template ? 0 : (uint32_t)getpid() }, 1, 0 }, /* a clone has another number */
        { SYS_socket, 0, UINT32_MAX, { listen ? AF_UNIX : AF_INET, AF_INET, AF_INET6 }, net ? 3 : listen, EAFNOSUPPORT },
    };
    uint32_t words[WORDS] = { 0 };

    p->n = 0;
    step(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    step(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    give(p, SECCOMP_RET_KILL_PROCESS);
    step(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    /* the call that is made most: an ioctl with KVM's letter, whatever its size and number */
    step(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5);
    step(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]), 0, 0);
    step(p, BPF_ALU | BPF_AND | BPF_K, 0xFF00, 0, 0);
    step(p, BPF_JMP | BPF_JEQ | BPF_K, 0xAE00, 0, 1);
    give(p, SECCOMP_RET_ALLOW);
    step(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
        allow_if(p, &conditions[i]);
    words_set(words, always, ARRAY_LEN(always));
    if (net)
        words_set(words, with_net, ARRAY_LEN(with_net));
    if (listen)
        words_set(words, with_listen, ARRAY_LEN(with_listen));
    if (template)
        words_set(words, with_template, ARRAY_LEN(with_template));
    give_words(p, words);
}

static void on_forbidden(int n, siginfo_t *info, void *)
{
    char line[96];
    int len = snprintf(line, sizeof line, "goblin: ended: its monitor tried system call %d, which it has no right to\n", info->si_syscall);

    (void)!write(2, line, (size_t)len);
    signal(n, SIG_DFL);
    syscall(SYS_tgkill, getpid(), gettid(), n);
}

err_t rights_renew(unsigned flags)
{
    static struct program p;
    struct sock_fprog f = { .filter = p.step };
    struct sigaction sa = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO | SA_NODEFER };

    program_make(&p, flags);
    f.len = p.n;
    if (p.n == PROGRAM_MAX)
        return ERR_FULL;
    sigaction(SIGSYS, &sa, NULL);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &f) ? ERR_UNSUPPORTED : OK;
}

err_t rights_drop(const struct rights_tree *trees, unsigned n, unsigned flags)
{
    err_t e = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? ERR_UNSUPPORTED : OK;

    if (!e)
        e = capabilities_drop(flags & RIGHTS_NET);
    if (!e)
        e = files_restrict(trees, n);
    return e ? e : rights_renew(flags);
}
