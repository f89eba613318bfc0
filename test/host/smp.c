/* Many threads at once, on one CPU or several: locks, conditions, barriers, pipes, signals, exits, memory that comes and goes. The output does not
 * depend on who ran when. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, robust;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t t[THREADS];
static long count;
static atomic_long sum, arrived;
static atomic_bool stop;

static void *run_all(void *(*fn)(void *), int n)
{
    void *r = NULL;

    for (long i = 0; i < n; i++)
        if (pthread_create(&t[i], NULL, fn, (void *)i))
            puts("pthread_create failed");
    for (int i = 0; i < n; i++)
        pthread_join(t[i], &r);
    return r;
}

static void *locker(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        count++;
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

/* One slot between makers and takers. No pthread_cond_signal(): glibc 2.25 to 2.40 loses a wake now and then (its bug 25847). */
static int slot;
static void *maker(void *arg)
{
    for (int i = 1; i <= 3000; i++) {
        pthread_mutex_lock(&lock);
        while (slot)
            pthread_cond_wait(&empty, &lock);
        slot = i;
        pthread_cond_broadcast(&full);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void *taker(void *arg)
{
    for (int i = 0; i < 3000; i++) {
        pthread_mutex_lock(&lock);
        while (!slot)
            pthread_cond_wait(&full, &lock);
        sum += slot;
        slot = 0;
        pthread_cond_broadcast(&empty);
        pthread_mutex_unlock(&lock);
    }
    return arg;
}

static void *make_or_take(void *arg)
{
    return (long)arg % 2 ? maker(arg) : taker(arg);
}

static void *meeter(void *arg)
{
    long wrong = 0;

    for (int i = 0; i < 500; i++) {
        arrived++;
        pthread_barrier_wait(&barrier);
        wrong += arrived != (i + 1) * 4;
        pthread_barrier_wait(&barrier);
    }
    sum += wrong;
    return arg;
}

/* --- signals to threads that compute ------------------------------------------------------------------------------------- */
static atomic_int caught[2];
static __thread long number;

static void on_signal(int n)
{
    (void)n;
    caught[number]++;
}

static void *computer(void *arg)
{
    double x = 1;

    number = (long)arg;
    arrived++;
    while (!stop)
        x = x * 1.0000001 + 1e-9;
    return x > 0 ? "computed" : NULL;
}

static void signals(void)
{
    struct sigaction sa = { .sa_handler = on_signal };

    sigaction(SIGUSR1, &sa, NULL);
    arrived = 0;
    for (long i = 0; i < 2; i++)
        pthread_create(&t[i], NULL, computer, (void *)i);
    while (arrived < 2)
        usleep(1000);
    for (int i = 0; i < 200; i++) {
        int before = caught[i % 2];
        pthread_kill(t[i % 2], SIGUSR1);
        while (caught[i % 2] == before)
            sched_yield();
    }
    stop = true;
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    printf("signals %d %d\n", caught[0], caught[1]);
    stop = false;
}

/* --- memory that is taken away while another thread uses it --------------------------------------------------------------- */
static char *volatile page;
static atomic_int step, faults;
static __thread sigjmp_buf back;

static void on_fault(int n)
{
    (void)n;
    siglongjmp(back, 1);
}

static void *toucher(void *arg)
{
    for (int seen = 0; seen < 300;) {
        while (step == seen * 2) /* our turn when it is odd */
            sched_yield();
        if (sigsetjmp(back, 1))
            faults++;
        else if (seen % 3 == 2)
            (void)*(volatile char *)page; /* has no rights at all */
        else
            page[4096 * (seen % 2)] = 1; /* unmapped, or read-only */
        seen++;
        step++;
    }
    return arg;
}

static void memory(void)
{
    struct sigaction sa = { .sa_handler = on_fault };
    pthread_t one;
    size_t size = 4 << 20;

    sigaction(SIGSEGV, &sa, NULL);
    pthread_create(&one, NULL, toucher, NULL);
    for (int i = 0; i < 300; i++) {
        char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        page = (char *)(((uintptr_t)at + (2 << 20) - 1) & ~(uintptr_t)((2 << 20) - 1)); /* of a large page, if there are any */
        memset(page, 1, 8192);
        if (i % 3 == 0)
            munmap(page, 8192);
        else
            mprotect(page, 8192, i % 3 == 1 ? PROT_READ : PROT_NONE);
        step++;
        while (step % 2)
            sched_yield();
        munmap(at, size);
    }
    pthread_join(one, NULL);
    printf("faults %d\n", faults);
}

static void *mapper(void *arg)
{
    long wrong = 0;

    for (int i = 1; i <= 150; i++) {
        size_t n = (size_t)(1 + (i * 7 + (long)arg) % 60) * 4096;
        unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t k = 0; k < n; k += 4096) {
            wrong += p[k] != 0; /* nobody else's */
            p[k] = (unsigned char)i;
        }
        munmap(p, n);
    }
    sum += wrong;
    return arg;
}

/* --- the rest --------------------------------------------------------------------------------------------------------------- */
static void *brief(void *arg)
{
    sum++;
    return arg;
}

static void *dies_with_lock(void *arg)
{
    pthread_mutex_lock(&robust);
    return arg;
}

static void *sleeper(void *arg)
{
    for (int i = 0; i < 20; i++)
        nanosleep(&(struct timespec){ 0, 200000 * (1 + (long)arg) }, NULL);
    return arg;
}

static int ends[2][2];
static void *player(void *arg)
{
    long me = (long)arg;
    char c = 0;

    for (int i = 0; i < 2000; i++) {
        if (me == 0)
            write(ends[0][1], &c, 1);
        read(ends[me ? 0 : 1][0], &c, 1);
        if (me)
            c++, write(ends[1][1], &c, 1);
    }
    return (void *)(long)(unsigned char)c;
}

int main(int argc, char **argv)
{
    pthread_mutexattr_t a;

    (void)argc, (void)argv;
    setvbuf(stdout, NULL, _IONBF, 0);
    run_all(locker, THREADS);
    printf("locks %ld\n", count);
    run_all(make_or_take, THREADS);
    printf("slot %ld\n", (long)sum);
    sum = 0;
    pthread_barrier_init(&barrier, NULL, 4);
    run_all(meeter, 4);
    printf("barriers, wrong: %ld\n", (long)sum);
    signals();
    memory();
    sum = 0;
    run_all(mapper, 4);
    printf("mappings, wrong: %ld\n", (long)sum);
    for (int i = 0; i < 50; i++)
        run_all(brief, THREADS);
    printf("exits %ld\n", (long)sum);
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &a);
    run_all(dies_with_lock, 1);
    printf("robust %d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);
    run_all(sleeper, THREADS);
    pipe(ends[0]);
    pipe(ends[1]);
    printf("ping-pong %ld\n", (long)run_all(player, 2));
    return 0;
}
