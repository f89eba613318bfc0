/* poll, select and epoll on pipes and event counters: what is reported, in which order and how often; edges, one shot, nesting, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int ep;

static void add(int fd, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.u64 = (uint64_t)fd };
    if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
        printf("add: %s\n", strerror(errno));
}

static void show(const char *what)
{
    struct epoll_event ev[8];
    int n = epoll_wait(ep, ev, 8, 0);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++)
        printf(" %u:%#x", (unsigned)ev[i].data.u64 % 100, ev[i].events);
    printf("\n");
}

static void edges(void)
{
    int p[2];
    char b[100];
    ep = epoll_create1(EPOLL_CLOEXEC);
    pipe2(p, O_NONBLOCK);
    add(p[0], EPOLLIN | EPOLLET);
    show("edge, empty");
    write(p[1], "abc", 3);
    show("edge, first");
    show("edge, again");
    write(p[1], "def", 3);
    show("edge, more");
    read(p[0], b, 2);
    show("edge, after a partial read");
    read(p[0], b, 100);
    show("edge, emptied");
    write(p[1], "x", 1);
    show("edge, anew");
    close(p[1]);
    show("edge, closed");
    show("edge, closed again");
    close(p[0]);
    show("edge, gone");
    close(ep);
}

static void edge_out(void)
{
    int p[2];
    char b[65536];
    ep = epoll_create1(0);
    pipe2(p, O_NONBLOCK);
    add(p[1], EPOLLOUT | EPOLLET);
    show("out");
    show("out again");
    memset(b, 1, sizeof b);
    printf("filled %d\n", (int)write(p[1], b, sizeof b));
    show("out full");
    read(p[0], b, sizeof b);
    show("out after a read");
    close(p[0]);
    show("out broken");
    close(p[1]);
    close(ep);
}

static void oneshot(void)
{
    int v = eventfd(0, EFD_NONBLOCK);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = (uint64_t)v };
    uint64_t one = 1;
    ep = epoll_create1(0);
    add(v, EPOLLIN | EPOLLONESHOT);
    write(v, &one, 8);
    show("oneshot");
    write(v, &one, 8);
    show("oneshot again");
    epoll_ctl(ep, EPOLL_CTL_MOD, v, &ev);
    show("oneshot rearmed");
    close(v);
    close(ep);
}

static void levels(void)
{
    int a = eventfd(1, 0), b = eventfd(1, 0), c = eventfd(0, 0), outer = epoll_create1(0), inner;
    struct epoll_event ev[2];
    struct pollfd p = { .events = POLLIN };
    uint64_t n;
    ep = epoll_create1(0);
    add(a, EPOLLIN);
    add(b, EPOLLIN);
    add(c, EPOLLIN | EPOLLOUT);
    show("level");
    show("level again");
    printf("one at a time:");
    for (int i = 0; i < 4; i++) {
        epoll_wait(ep, ev, 1, 0);
        printf(" %d", (int)ev[0].data.u64 - a);
    }
    printf("\n");
    read(a, &n, 8);
    show("level, one less");
    inner = ep;
    ep = outer;
    add(inner, EPOLLIN);
    p.fd = outer;
    printf("nested: poll %d\n", poll(&p, 1, 0));
    show("nested");
    ep = inner;
    printf("loop %d %s\n", epoll_ctl(inner, EPOLL_CTL_ADD, outer, &ev[0]), strerror(errno));
    printf("self %d %s\n", epoll_ctl(inner, EPOLL_CTL_ADD, inner, &ev[0]), strerror(errno));
    printf("twice %d %s\n", epoll_ctl(inner, EPOLL_CTL_ADD, b, &ev[0]), strerror(errno));
    printf("unknown %d %s\n", epoll_ctl(inner, EPOLL_CTL_MOD, 77, &ev[0]), strerror(errno));
    printf("remove %d\n", epoll_ctl(inner, EPOLL_CTL_DEL, b, NULL));
    printf("remove again %d %s\n", epoll_ctl(inner, EPOLL_CTL_DEL, b, NULL), strerror(errno));
    printf("not an epoll %d %s\n", epoll_ctl(a, EPOLL_CTL_DEL, b, NULL), strerror(errno));
    printf("no room %d %s\n", epoll_wait(inner, ev, 0, 0), strerror(errno));
    close(inner);
    p.fd = outer;
    printf("inner closed: poll %d\n", poll(&p, 1, 0));
}

static int late[2];

static void *writer(void *arg)
{
    usleep(20000);
    write(late[1], "x", 1);
    return NULL;
}

static void waits(void)
{
    struct epoll_event ev[1];
    struct pollfd p = { .events = POLLIN };
    pthread_t t;
    fd_set set;
    struct timeval tv = { 2, 0 };
    char b;
    ep = epoll_create1(0);
    pipe(late);
    add(late[0], EPOLLIN | EPOLLET);
    pthread_create(&t, NULL, writer, NULL);
    printf("epoll_wait %d\n", epoll_wait(ep, ev, 1, 2000));
    pthread_join(t, NULL);
    pthread_create(&t, NULL, writer, NULL);
    printf("epoll_wait, not read %d\n", epoll_wait(ep, ev, 1, 2000));
    pthread_join(t, NULL);
    read(late[0], &b, 1);
    read(late[0], &b, 1);
    pthread_create(&t, NULL, writer, NULL);
    p.fd = late[0];
    printf("poll %d %#x\n", poll(&p, 1, 2000), p.revents);
    pthread_join(t, NULL);
    read(late[0], &b, 1);
    pthread_create(&t, NULL, writer, NULL);
    FD_ZERO(&set);
    FD_SET(late[0], &set);
    printf("select %d %d\n", select(late[0] + 1, &set, NULL, NULL, &tv), FD_ISSET(late[0], &set) != 0);
    pthread_join(t, NULL);
    printf("timeout %d\n", epoll_wait(ep, ev, 0 + 1, 0));
}

static void *closer(void *arg)
{
    usleep(20000);
    close(late[1]);
    return NULL;
}

static void ends(void)
{
    struct pollfd p[3] = { { .fd = -1 }, { .fd = 99, .events = POLLIN }, { .events = POLLIN } };
    pthread_t t;
    pipe(late);
    p[2].fd = late[0];
    printf("bad descriptor: %d %#x %#x\n", poll(p, 3, -1), p[1].revents, p[2].revents);
    pthread_create(&t, NULL, closer, NULL);
    printf("hangup: %d %#x\n", poll(p + 2, 1, 2000), p[2].revents);
    pthread_join(t, NULL);
}

static volatile sig_atomic_t rang;
static void ring(int n) { rang = n; }

/* A call's own mask: what it keeps back comes right behind it. The time that is left is told. */
static void masked(void)
{
    struct timespec t = { 0, 3000000 };
    struct timeval v = { 5, 0 };
    fd_set set;
    sigset_t usr1;
    int p[2];
    signal(SIGUSR1, ring);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    printf("kept back: %ld, came %d\n", syscall(SYS_ppoll, NULL, 0, &t, &usr1, 8), rang != 0);
    printf("left %ld %ld\n", (long)t.tv_sec, t.tv_nsec);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    printf("came %d\n", rang != 0);
    rang = 0;
    pthread_kill(pthread_self(), 0);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    sigemptyset(&usr1);
    t = (struct timespec){ 5, 0 };
    printf("let in: %ld %d, came %d\n", syscall(SYS_ppoll, NULL, 0, &t, &usr1, 8), errno == EINTR, rang != 0);
    printf("left %d\n", t.tv_sec == 4);
    printf("size of a mask: %ld %d\n", syscall(SYS_ppoll, NULL, 0, &t, &usr1, 128), errno == EINVAL);
    pipe(p);
    FD_ZERO(&set);
    FD_SET(p[1], &set);
    printf("select %d", select(p[1] + 1, NULL, &set, NULL, &v));
    printf(", left %d\n", v.tv_sec == 4 || (v.tv_sec == 5 && !v.tv_usec));
}

/* A signal that is let in by nobody but the end of a call with a mask of its own. */
static void *later(void *arg)
{
    usleep(5000);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

static void masked_later(void)
{
    struct timespec t = { 0, 50000000 };
    pthread_t self = pthread_self(), other;
    sigset_t usr1;
    long n;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    rang = 0;
    pthread_create(&other, NULL, later, &self);
    n = syscall(SYS_ppoll, NULL, 0, &t, &usr1, 8);
    n = n * 10 + (rang != 0);
    printf("at its end: %ld\n", n);
    pthread_join(other, NULL);
}

int main(void)
{
    edges();
    edge_out();
    oneshot();
    levels();
    waits();
    ends();
    masked();
    masked_later();
    return 0;
}
