/* Threads: mutexes, conditions, thread-local data, pre-emption, pipes and poll between them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static __thread int mine = 5;
static volatile int flag;

static void *adder(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
    }
    mine += (int)(long)arg;
    return (void *)(long)mine;
}

static void *spinner(void *arg)
{
    double x = 1;

    (void)arg;
    while (!flag) /* never calls: only pre-emption lets the other one run */
        x = x * 1.0000001 + 1e-9;
    return x > 0 ? "spun" : "?";
}

static void *waiter(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    while (!flag)
        pthread_cond_wait(&cond, &lock);
    counter++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void locks(void)
{
    pthread_t t[8];
    void *r;
    long sum = 0;

    for (long i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, adder, (void *)i);
    for (int i = 0; i < 8; i++) {
        pthread_join(t[i], &r);
        sum += (long)r;
    }
    printf("counter %ld, thread-local sum %ld, mine %d\n", counter, sum, mine);
    pthread_create(&t[0], NULL, spinner, NULL);
    usleep(20000);
    flag = 1;
    pthread_join(t[0], &r);
    printf("%s\n", (char *)r);
    flag = 0;
    counter = 0;
    for (int i = 0; i < 5; i++)
        pthread_create(&t[i], NULL, waiter, NULL);
    usleep(10000);
    pthread_mutex_lock(&lock);
    flag = 1;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 5; i++)
        pthread_join(t[i], NULL);
    printf("woken %ld\n", counter);
}

/* Mutexes with priority inheritance: the kernel knows their owner. */
static pthread_mutex_t heirs;
static void *inherits(void *arg)
{
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&heirs);
        long now = counter;
        if (i % 20 == 0)
            usleep(100);
        counter = now + 1;
        pthread_mutex_unlock(&heirs);
    }
    return NULL;
}

static void *leaves(void *arg)
{
    pthread_mutex_lock(&heirs);
    usleep(20000);
    return NULL; /* and keeps it */
}

static void *too_late(void *arg)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 5000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    printf("inherited: try %d, timed %d\n", pthread_mutex_trylock(&heirs) == EBUSY, pthread_mutex_timedlock(&heirs, &t) == ETIMEDOUT);
    return NULL;
}

static void inheritance(void)
{
    pthread_mutexattr_t a;
    pthread_t t[4];
    uint32_t word = 0;

    pthread_mutexattr_init(&a);
    pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
    printf("inherited: init %d\n", pthread_mutex_init(&heirs, &a));
    counter = 0;
    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, inherits, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    printf("inherited: counter %ld\n", counter);
    pthread_mutex_lock(&heirs);
    pthread_create(t, NULL, too_late, NULL);
    pthread_join(t[0], NULL);
    pthread_mutex_unlock(&heirs);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&heirs, &a);
    pthread_create(t, NULL, leaves, NULL);
    usleep(5000);
    printf("inherited: owner died %d\n", pthread_mutex_lock(&heirs) == EOWNERDEAD);
    pthread_mutex_consistent(&heirs);
    printf("inherited: unlock %d\n", pthread_mutex_unlock(&heirs));
    pthread_join(t[0], NULL);
    printf("unlock what is not mine: %d\n", syscall(SYS_futex, &word, 7, 0, NULL, NULL, 0) < 0 && errno == EPERM);
    printf("lock %ld\n", syscall(SYS_futex, &word, 6, 0, NULL, NULL, 0));
    printf("mine %d\n", word == (uint32_t)syscall(SYS_gettid));
    printf("lock again: %d\n", syscall(SYS_futex, &word, 6, 0, NULL, NULL, 0) < 0 && errno == EDEADLK);
    printf("unlock %ld\n", syscall(SYS_futex, &word, 7, 0, NULL, NULL, 0));
    printf("free %d\n", !word);
}

static void timeouts(void)
{
    struct timespec t;
    sem_t s;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 3000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    pthread_mutex_lock(&lock);
    printf("timedwait %d\n", pthread_cond_timedwait(&cond, &lock, &t) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
    sem_init(&s, 0, 0);
    printf("sem %d %d\n", sem_timedwait(&s, &t), errno == ETIMEDOUT);
}

static int ends[2];

static void *writer(void *arg)
{
    char b[5000];

    memset(b, 'w', sizeof b);
    for (int i = 0; i < 100; i++)
        write(ends[1], b, sizeof b);
    close(ends[1]);
    return arg;
}

static void pipes(void)
{
    pthread_t t;
    char b[777];
    long total = 0;
    ssize_t n;

    pipe(ends);
    pthread_create(&t, NULL, writer, NULL);
    while ((n = read(ends[0], b, sizeof b)) > 0)
        total += n;
    printf("pipe %ld %zd\n", total, n);
    pthread_join(t, NULL);
    close(ends[0]);
    pipe2(ends, O_NONBLOCK);
    printf("empty %zd", read(ends[0], b, 1));
    printf(" %d\n", errno == EAGAIN);
    for (total = 0; (n = write(ends[1], b, sizeof b)) > 0; total += n)
        ;
    printf("full %d %d\n", total > 60000, errno == EAGAIN);
}

static void *later(void *arg)
{
    usleep(3000);
    eventfd_write((int)(long)arg, 3);
    return NULL;
}

static void readiness(void)
{
    int e = eventfd(0, 0), ep = epoll_create1(0);
    struct pollfd p[2] = { { e, POLLIN, 0 }, { ends[0], POLLIN, 0 } };
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 42 }, out;
    eventfd_t v;
    pthread_t t;
    fd_set s;

    printf("poll %d %d %d\n", poll(p, 2, 0), p[0].revents, p[1].revents);
    p[1].fd = -1;
    printf("poll %d\n", poll(p, 2, 5));
    pthread_create(&t, NULL, later, (void *)(long)e);
    printf("poll %d %d\n", poll(p, 2, 2000), p[0].revents);
    pthread_join(t, NULL);
    printf("epoll_ctl %d %d\n", epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev), epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev));
    printf("epoll_wait %d %d\n", epoll_wait(ep, &out, 1, 1000), (int)out.data.u64);
    eventfd_read(e, &v);
    printf("value %d, epoll_wait %d\n", (int)v, epoll_wait(ep, &out, 1, 2));
    pthread_create(&t, NULL, later, (void *)(long)e);
    printf("epoll_wait %d\n", epoll_wait(ep, &out, 1, 2000));
    pthread_join(t, NULL);
    FD_ZERO(&s);
    FD_SET(e, &s);
    printf("select %d %d\n", select(e + 1, &s, NULL, NULL, NULL), FD_ISSET(e, &s) != 0);
    close(e);
    printf("epoll_wait %d\n", epoll_wait(ep, &out, 1, 1));
}

int main(void)
{
    locks();
    timeouts();
    inheritance();
    pipes();
    readiness();
    puts("done");
    pthread_exit(NULL);
}
