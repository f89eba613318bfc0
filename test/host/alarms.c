/* Clocks, sleeps and timers; limits, priorities, identity and the rest of a process' settings; signals that carry values. */
#include "show.h"
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#define BAD ((void *)8)
static volatile int hits, last_value, last_code, overrun;
static timer_t timer;

static void on_signal(int n, siginfo_t *i, void *u)
{
    if (!hits++ && i->si_code == SI_TIMER)
        overrun = i->si_overrun == timer_getoverrun(timer) ? i->si_overrun : -1;
    last_value = i->si_int;
    last_code = i->si_code;
}

static void nap(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

static void burn(long ms)
{
    struct timespec from, t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    do {
        for (volatile int i = 0; i < 10000; i++) /* mostly in user mode, which is all that ITIMER_VIRTUAL counts */
            ;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    } while ((t.tv_sec - from.tv_sec) * 1000 + (t.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

static void clocks(void)
{
    struct timespec t = { 0, 1000000000 }, now;
    clockid_t id;

    for (int i = 0; i < 14; i++)
        printf("clock %d: %ld %ld\n", i, syscall(SYS_clock_gettime, i, &now), syscall(SYS_clock_getres, i, NULL));
    SHOW(syscall(SYS_clock_gettime, 0, BAD));
    SHOW(nanosleep(&t, NULL));
    t.tv_nsec = -1;
    SHOW(nanosleep(&t, NULL));
    SHOW(nanosleep(BAD, NULL));
    t = (struct timespec){ 0, 1000 };
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL));
    SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    SHOW(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
    SHOW(clock_nanosleep(99, 0, &t, NULL));
    SHOW(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t));
    SHOW(syscall(SYS_clock_settime, CLOCK_REALTIME, BAD));
    SHOW(clock_getcpuclockid(0, &id));
    SHOW(clock_gettime(id, &now));
    SHOW(pthread_getcpuclockid(pthread_self(), &id));
    SHOW(clock_gettime(id, &now));
    SHOW(time(NULL) > 1600000000);
    SHOW(gettimeofday(NULL, NULL));
}

static void timers(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77 };
    struct itimerspec t = { { 0, 2000000 }, { 0, 5000000 } }, left;
    struct itimerval v = { { 0, 3000 }, { 0, 5000 } }, old;
    timer_t id;
    sigset_t set;

    sigfillset(&sa.sa_mask); /* one handler does not interrupt another, which counts too */
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGALRM, &sa, NULL);
    sigaction(SIGVTALRM, &sa, NULL);
    sigaction(SIGPROF, &sa, NULL);
    SHOW(timer_create(CLOCK_MONOTONIC, &ev, &id));
    SHOW(timer_gettime(id, &left));
    SHOW(left.it_value.tv_nsec);
    timer = id;
    SHOW(timer_settime(id, 0, &t, NULL));
    for (int i = 0; i < 100 && hits <= 5; i++)
        nap(20);
    SHOW(hits > 5 && last_value == 77 && last_code == SI_TIMER);
    SHOW(timer_gettime(id, &left));
    SHOW(left.it_interval.tv_nsec == 2000000 && left.it_value.tv_nsec <= 2000000);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    nap(150);
    hits = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    SHOW(overrun > 3);
    t = (struct itimerspec){ { 0, 1 }, { 0, 1 } }; /* as often as can be said */
    sigprocmask(SIG_BLOCK, &set, NULL);
    SHOW(timer_settime(id, 0, &t, NULL));
    nap(5);
    t = (struct itimerspec){ 0 };
    SHOW(timer_settime(id, 0, &t, NULL));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    t = (struct itimerspec){ 0 };
    SHOW(timer_settime(id, 0, &t, NULL));
    hits = 0;
    nap(10);
    SHOW(hits);
    t.it_value.tv_nsec = 1000000000;
    SHOW(timer_settime(id, 0, &t, NULL));
    SHOW(timer_settime(id, 0, NULL, NULL));
    SHOW(timer_delete(id));
    SHOW(syscall(SYS_timer_delete, 55));
    SHOW(syscall(SYS_timer_settime, 55, 0, &left, NULL));
    SHOW(syscall(SYS_timer_gettime, 55, &left));
    SHOW(syscall(SYS_timer_getoverrun, 55));
    SHOW(timer_create(99, &ev, &id));
    ev.sigev_signo = 99;
    SHOW(timer_create(CLOCK_REALTIME, &ev, &id));
    ev.sigev_notify = 99;
    SHOW(timer_create(CLOCK_REALTIME, &ev, &id));
    hits = 0;
    SHOW(setitimer(ITIMER_REAL, &v, NULL));
    for (int i = 0; i < 100 && hits <= 3; i++)
        nap(20);
    SHOW(getitimer(ITIMER_REAL, &old));
    SHOW(hits > 3 && old.it_interval.tv_usec == 3000 && old.it_value.tv_usec <= 3000);
    v = (struct itimerval){ 0 };
    SHOW(setitimer(ITIMER_REAL, &v, &old));
    v.it_value.tv_usec = 20000;
    hits = 0;
    SHOW(setitimer(ITIMER_PROF, &v, NULL));
    SHOW(setitimer(ITIMER_VIRTUAL, &v, NULL));
    for (int i = 0; i < 20 && hits < 2; i++)
        burn(100);
    SHOW(hits);
    v.it_value.tv_usec = 1000000;
    SHOW(setitimer(ITIMER_REAL, &v, NULL));
    SHOW(setitimer(99, &v, NULL));
    SHOW(getitimer(99, &v));
    SHOW(getitimer(0, BAD));
    SHOW(alarm(10));
    SHOW(alarm(0));
    SHOW(alarm(0));
}

static void *thread_timer(void *arg)
{
    return NULL;
}

static void queued(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    siginfo_t info;
    sigset_t set;
    struct timespec none = { 0, 0 };

    sigaction(SIGRTMIN, &sa, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 5; i++)
        SHOW(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i * 10 }));
    sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 1 });
    sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 2 });
    for (int i = 0; i < 8; i++) {
        int n = sigtimedwait(&set, &info, &none);
        printf("%d %d %s\n", n < 0 ? n : n - (n >= SIGRTMIN ? SIGRTMIN : 0), n < 0 ? 0 : info.si_int, n < 0 ? strerrorname_np(errno) : "");
    }
    for (int i = 0; i < 3; i++)
        sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
    hits = 0;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    SHOW(hits);
    SHOW(sigqueue(getpid(), 99, (union sigval){ 0 }));
    SHOW(kill(getpid(), 0));
    SHOW(kill(getpid(), 99));
    SHOW(kill(999999, 0));
    SHOW(kill(999999, 99));
    SHOW(tgkill(getpid(), 999999, 0));
    SHOW(tgkill(-1, 1, 0));
    SHOW(syscall(SYS_tkill, -1, 0));
    SHOW(raise(99));
    none.tv_nsec = 1000000000;
    SHOW(sigtimedwait(&set, &info, &none));
    SHOW(wait(NULL));
    SHOW(waitpid(-1, NULL, WNOHANG));
    SHOW(waitpid(999999, NULL, 0));
    SHOW(waitpid(-1, NULL, 0x7777));
    SHOW(waitid(P_ALL, 0, &info, WEXITED));
    SHOW(waitid(P_ALL, 0, &info, 0));
    SHOW(waitid(99, 0, &info, WEXITED));
}

static void settings(void)
{
    struct rlimit lim;
    struct rusage ru;
    struct sched_param sp = { 0 };
    struct timespec t;
    struct utsname u;
    struct sysinfo si;
    char name[16];
    int n = 0;

    SHOW(getrlimit(99, &lim));
    SHOW(getrlimit(RLIMIT_STACK, BAD));
    SHOW(getrlimit(RLIMIT_STACK, &lim));
    SHOW(lim.rlim_cur);
    lim = (struct rlimit){ 100, 50 };
    SHOW(setrlimit(RLIMIT_CPU, &lim));
    SHOW(prlimit(999999, RLIMIT_CPU, NULL, &lim));
    SHOW(getrusage(RUSAGE_SELF, &ru));
    SHOW(getrusage(RUSAGE_THREAD, &ru));
    SHOW(getrusage(RUSAGE_CHILDREN, &ru));
    SHOW(ru.ru_utime.tv_sec);
    SHOW(getrusage(99, &ru));
    SHOW(times(NULL) > 0);
    SHOW(setpriority(PRIO_PROCESS, 0, 15)); /* first: the host's is its caller's */
    SHOW(getpriority(PRIO_PROCESS, 0));
    SHOW(getpriority(99, 0));
    SHOW(getpriority(PRIO_PROCESS, 999999));
    SHOW(setpriority(99, 0, 0));
    cpu_set_t one, set;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    SHOW(sched_getaffinity(-1, sizeof set, &set));
    SHOW(sched_setaffinity(-1, sizeof one, &one));
    SHOW(sched_setaffinity(0, sizeof one, &one));
    SHOW(sched_getaffinity(0, sizeof set, &set));
    SHOW(CPU_EQUAL(&one, &set));
    SHOW(sched_getaffinity(gettid(), 4, &set));
    CPU_ZERO(&one);
    SHOW(sched_setaffinity(0, sizeof one, &one));
    SHOW(sched_getscheduler(0));
    SHOW(sched_getscheduler(-1));
    SHOW(sched_getscheduler(999999));
    SHOW(sched_setscheduler(0, SCHED_OTHER, &sp));
    SHOW(sched_setscheduler(0, 99, &sp));
    SHOW(sched_setscheduler(0, SCHED_OTHER, NULL));
    SHOW(sched_getparam(0, &sp));
    SHOW(sched_getparam(0, NULL));
    SHOW(sched_get_priority_max(SCHED_FIFO));
    SHOW(sched_get_priority_min(SCHED_RR));
    SHOW(sched_get_priority_max(99));
    SHOW(sched_rr_get_interval(0, &t));
    SHOW(sched_rr_get_interval(-1, &t));
    SHOW(sched_yield());
    SHOW(getpgid(0) == getpgrp());
    SHOW(getpgid(999999));
    SHOW(getpgid(getppid()) > 0);
    SHOW(kill(getppid(), 0));
    SHOW(kill(getppid(), 99));
    SHOW(sched_getscheduler(getppid()));
    SHOW(getsid(999999));
    SHOW(setpgid(0, -1));
    SHOW(setpgid(999999, 0));
    SHOW(setuid(getuid()));
    SHOW(setresuid(-1, getuid(), -1));
    SHOW(setregid(-1, -1));
    SHOW(getgroups(-1, NULL));
    SHOW(syscall(SYS_setfsuid, getuid()) == getuid());
    SHOW(prctl(PR_SET_NAME, "a name much too long"));
    SHOW(prctl(PR_GET_NAME, name));
    puts(name);
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 0));
    SHOW(prctl(PR_GET_DUMPABLE));
    SHOW(prctl(PR_SET_DUMPABLE, 99));
    SHOW(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    SHOW(prctl(PR_GET_PDEATHSIG, &n));
    SHOW(n);
    SHOW(prctl(PR_SET_PDEATHSIG, 99));
    SHOW(prctl(PR_GET_TIMERSLACK));
    SHOW(prctl(PR_SET_TIMERSLACK, 1000));
    SHOW(prctl(PR_GET_TIMERSLACK));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    SHOW(prctl(PR_GET_KEEPCAPS));
    SHOW(prctl(PR_SET_CHILD_SUBREAPER, 1));
    SHOW(prctl(PR_GET_CHILD_SUBREAPER, &n));
    SHOW(n);
    SHOW(prctl(9999));
    SHOW(personality(0xFFFFFFFF));
    SHOW(personality(ADDR_NO_RANDOMIZE));
    SHOW(personality(0xFFFFFFFF));
    SHOW(uname(BAD));
    SHOW(uname(&u));
    puts(u.sysname);
    puts(u.machine);
    SHOW(sysinfo(&si));
    SHOW(si.totalram > 0 && si.mem_unit == 1);
    struct __user_cap_header_struct h = { 0x77, 0 };
    SHOW(syscall(SYS_capget, &h, NULL));
    SHOW(h.version == _LINUX_CAPABILITY_VERSION_3);
    SHOW(syscall(SYS_capget, &h, BAD));
    SHOW(syscall(SYS_set_robust_list, NULL, 5));
    SHOW(syscall(SYS_getrandom, &n, 4, 0));
    SHOW(syscall(SYS_getrandom, &n, 4, 99));
    SHOW(syscall(SYS_getrandom, BAD, 4, 0));
    SHOW(syscall(SYS_membarrier, 0, 99, 0));
    SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
    SHOW(syscall(9999));
    SHOW(syscall(SYS_getcpu, NULL, NULL, NULL));
}

int main(void)
{
    clocks();
    timers();
    queued();
    settings();
    return 0;
}
