/* Signals: handlers, masks, the alternate stack, registers and vector state across them, timers. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count, last;
static char stack[65536];
static volatile int on_stack;

static void handler(int n)
{
    char c;

    count++;
    last = n;
    on_stack = &c > stack && &c < stack + sizeof stack;
}

static void clobber(int n)
{
    volatile double x[8];

    for (int i = 0; i < 8; i++)
        x[i] = sqrt(n + i);
    __asm__ volatile("pxor %%xmm0, %%xmm0\npxor %%xmm7, %%xmm7\npxor %%xmm15, %%xmm15" ::: "xmm0", "xmm7", "xmm15");
    count++;
}

static void skip(int n, siginfo_t *i, void *v)
{
    ucontext_t *uc = v;

    (void)i;
    last = n;
    uc->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
    uc->uc_mcontext.gregs[REG_RBX] = 77;
}

static void set(int n, void (*fn)(int), int flags)
{
    struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

    sigaction(n, &sa, NULL);
}

static void masks(void)
{
    sigset_t s, old, pending;

    set(SIGUSR1, handler, 0);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, &old);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked: count %d pending %d\n", count, sigismember(&pending, SIGUSR1));
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("unblocked: count %d\n", count);
    kill(getpid(), SIGUSR1);
    printf("killed: count %d last %d\n", count, last == SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    raise(SIGUSR1);
    printf("sigsuspend %d %d", sigsuspend(&old), errno == EINTR);
    printf(" count %d\n", count);
    raise(SIGUSR1);
    printf("sigwaitinfo %d\n", sigwaitinfo(&s, NULL) == SIGUSR1);
    printf("sigtimedwait %d", sigtimedwait(&s, NULL, &(struct timespec){ 0, 1000000 }));
    printf(" %d\n", errno == EAGAIN);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    printf("ignored: count %d\n", count);
}

static void state(void)
{
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    double a = 1.5, b = 2.5;
    struct sigaction sa = { .sa_sigaction = skip, .sa_flags = SA_SIGINFO };
    long rbx = 5;

    sigaltstack(&ss, NULL);
    stack_t none = { .ss_sp = &none, .ss_size = 9999, .ss_flags = SS_DISABLE }, had;
    printf("%d %d", sigaltstack(&none, NULL), sigaltstack(NULL, &had));
    printf(" %p %zu %d\n", had.ss_sp, had.ss_size, had.ss_flags);
    sigaltstack(&ss, NULL);
    set(SIGUSR2, handler, SA_ONSTACK);
    raise(SIGUSR2);
    printf("altstack %d\n", on_stack);
    set(SIGUSR2, clobber, 0);
    for (int i = 0; i < 100; i++) {
        a = a * 1.01 + b;
        raise(SIGUSR2);
    }
    printf("float %.6f\n", a);
    sigaction(SIGILL, &sa, NULL);
    __asm__ volatile("ud2" : "+b"(rbx));
    printf("ud2 %d rbx %ld\n", last == SIGILL, rbx);
    set(SIGTRAP, handler, 0);
    __asm__ volatile("int3");
    printf("int3 %d\n", last == SIGTRAP);
}

static void timers(void)
{
    struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, off = { { 0, 0 }, { 0, 0 } };
    struct timespec left;
    time_t start = time(NULL);

    count = 0;
    set(SIGALRM, handler, 0);
    setitimer(ITIMER_REAL, &it, NULL);
    while (count < 10 && time(NULL) < start + 5) /* no system call that waits */
        ;
    printf("ticks %d\n", count >= 10);
    setitimer(ITIMER_REAL, &off, NULL);
    it = (struct itimerval){ { 0, 0 }, { 0, 5000 } };
    setitimer(ITIMER_REAL, &it, NULL);
    printf("nanosleep %d", nanosleep(&(struct timespec){ 5, 0 }, &left));
    printf(" %d left %ld\n", errno == EINTR, (long)left.tv_sec);
    alarm(100);
    printf("alarm %u\n", alarm(0));
}

static void cut_short(void)
{
    int p[2];
    char c;

    pipe(p);
    setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 3000 } }, NULL);
    printf("read %zd", read(p[0], &c, 1));
    printf(" %d\n", errno == EINTR);
    close(p[0]);
    set(SIGPIPE, handler, 0);
    printf("write %zd", write(p[1], "x", 1));
    printf(" %d %d\n", errno == EPIPE, last == SIGPIPE);
}

/* What the vDSO says, what the system calls say, and numbers that no call has. */
static void clocks(void)
{
    static const clockid_t ids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_MONOTONIC_COARSE, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
    struct timespec a, b;
    struct timeval v;
    unsigned cpu = 99, node = 99;
    int back = 0, unknown = 0;

    printf("vdso %d\n", getauxval(AT_SYSINFO_EHDR) != 0);
    for (int i = 0; i < 2000; i++) { /* one clock, read in two ways, does not go back */
        clock_gettime(CLOCK_MONOTONIC, i & 1 ? &a : &b);
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, i & 1 ? &b : &a);
        back += i & 1 ? b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec) :
                        a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
    }
    printf("back %d\n", back);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        printf("clock %d: %d %d\n", (int)ids[i], clock_gettime(ids[i], &a), clock_getres(ids[i], &a) || a.tv_sec);
    printf("no clock: %d %d\n", clock_gettime(77, &a), errno == EINVAL);
    gettimeofday(&v, NULL);
    clock_gettime(CLOCK_REALTIME, &a);
    printf("time %d %d\n", (int)(a.tv_sec - v.tv_sec) / 2, (int)(time(NULL) - v.tv_sec) / 2);
    printf("getcpu %d %d %u\n", getcpu(&cpu, &node), cpu < 64, node);
    for (long n = 500; n < 700; n++)
        if (n <= 633 || n >= 640)
            unknown += syscall(n) == -1 && errno == ENOSYS;
    printf("unknown calls %d\n", unknown);
}

int main(void)
{
    clocks();
    masks();
    state();
    timers();
    cut_short();
    printf("bad %d %d\n", sigaction(99, NULL, NULL), errno == EINVAL);
    printf("bad %d %d\n", kill(getpid(), 99), errno == EINVAL);
    fflush(stdout);
    raise(SIGTERM);
    return 1;
}
