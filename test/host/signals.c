/* Signals: handlers, masks, the alternate stack, registers and vector state across them, timers. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
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

int main(void)
{
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
