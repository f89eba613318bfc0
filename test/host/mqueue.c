/* POSIX message queues: names, attributes, order, waiting, notes of arrivals. */
#include "show.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>

static mqd_t q;
static volatile int signals, value, code;
static char text[64];

static void on_signal(int n, siginfo_t *i, void *u)
{
    signals++;
    value = i->si_int;
    code = i->si_code;
}

static struct timespec *soon(long ms)
{
    static struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return &t;
}

static void show_attr(void)
{
    struct mq_attr a;

    SHOW(mq_getattr(q, &a));
    printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void names(void)
{
    struct mq_attr bad = { .mq_maxmsg = 0, .mq_msgsize = 1 }, negative = { .mq_maxmsg = 1, .mq_msgsize = -1 };
    char name[300] = "/";

    SHOW(mq_open("/goblin-none", O_RDONLY));
    SHOW(mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
    SHOW(mq_open("/.", O_RDWR));
    SHOW(mq_unlink("/.."));
    SHOW(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
    memset(name + 1, 'x', 270);
    SHOW(mq_open(name, O_RDWR | O_CREAT, 0600, NULL));
    SHOW(mq_unlink(name));
    SHOW(mq_unlink("/goblin-none"));
    SHOW(mq_open("/goblin-bad", O_RDWR | O_CREAT, 0600, &bad));
    SHOW(mq_open("/goblin-bad", O_RDWR | O_CREAT, 0600, &negative));
    SHOW(syscall(SYS_mq_open, 8, O_RDWR, 0, 0));
}

static void messages(void)
{
    struct mq_attr nonblock = { .mq_flags = O_NONBLOCK }, wrong = { .mq_flags = 1 }, old;
    unsigned priority;
    mqd_t reads, writes;

    SHOW(mq_send(q, "low", 4, 1));
    SHOW(mq_send(q, "high", 5, 9));
    SHOW(mq_send(q, "low again", 10, 1));
    show_attr();
    SHOW(mq_send(q, "x", 1, 32768));
    SHOW(mq_send(q, text, 33, 0));
    SHOW(mq_timedsend(q, "full", 5, 0, soon(30)));
    SHOW(mq_timedsend(q, "full", 5, 0, &(struct timespec){ 0, 2000000000 }));
    SHOW(mq_setattr(q, &nonblock, &old));
    SHOW(old.mq_curmsgs);
    SHOW(mq_setattr(q, &wrong, NULL));
    SHOW(mq_send(q, "full", 5, 0));
    SHOW(poll(&(struct pollfd){ q, POLLIN | POLLOUT }, 1, 0));
    for (int i = 0; i < 3; i++) {
        SHOW(mq_receive(q, text, 32, &priority));
        printf("%s %u\n", text, priority);
    }
    SHOW(mq_receive(q, text, 32, NULL));
    SHOW(mq_receive(q, text, 31, NULL));
    SHOW(mq_send(q, (char *)8, 4, 0));
    reads = mq_open("/goblin-test", O_RDONLY);
    writes = mq_open("/goblin-test", O_WRONLY);
    SHOW(mq_send(reads, "x", 1, 0));
    SHOW(mq_receive(writes, text, 32, NULL));
    SHOW(mq_send(writes, "", 0, 0));
    SHOW(mq_receive(reads, text, 32, NULL));
    SHOW(mq_timedreceive(reads, text, 32, NULL, soon(30)));
    SHOW(mq_timedreceive(reads, text, 32, NULL, soon(-30)));
    SHOW(mq_send(0, "x", 1, 0));
    SHOW(mq_getattr(99, &old));
    SHOW(mq_close(reads));
    SHOW(mq_close(writes));
    SHOW(mq_close(writes));
}

static void notes(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42 };

    sigaction(SIGUSR1, &sa, NULL);
    SHOW(mq_notify(q, &ev));
    SHOW(mq_notify(q, &ev));
    SHOW(mq_send(q, "1", 1, 0));
    SHOW(signals == 1 && value == 42 && code == SI_MESGQ);
    SHOW(mq_notify(q, &ev));
    SHOW(mq_send(q, "2", 1, 0)); /* it was not empty */
    SHOW(signals);
    SHOW(mq_notify(q, NULL));
    ev.sigev_signo = 99;
    SHOW(mq_notify(q, &ev));
    SHOW(mq_notify(0, NULL));
    SHOW(mq_receive(q, text, 32, NULL));
    SHOW(mq_receive(q, text, 32, NULL));
}

static void *sender(void *arg)
{
    for (int i = 0; i < 1000; i++)
        mq_send(q, (char *)&i, sizeof i, 0);
    return arg;
}

static void threads(void)
{
    struct mq_attr block = { 0 };
    pthread_t t;
    int wrong = 0, n;

    mq_setattr(q, &block, NULL);
    pthread_create(&t, NULL, sender, NULL);
    for (int i = 0; i < 1000; i++)
        wrong += mq_receive(q, text, 32, NULL) != sizeof n || memcpy(&n, text, sizeof n) != &n || n != i;
    pthread_join(t, NULL);
    SHOW(wrong);
}

int main(void)
{
    struct mq_attr a = { .mq_maxmsg = 3, .mq_msgsize = 32 };

    names();
    mq_unlink("/goblin-test");
    q = mq_open("/goblin-test", O_RDWR | O_CREAT, 0600, NULL);
    show_attr();
    mq_close(q);
    SHOW(mq_unlink("/goblin-test"));
    q = mq_open("/goblin-test", O_RDWR | O_CREAT | O_EXCL, 0600, &a);
    SHOW(mq_open("/goblin-test", O_RDWR | O_CREAT | O_EXCL, 0600, &a));
    show_attr();
    messages();
    notes();
    threads();
    SHOW(mq_unlink("/goblin-test"));
    SHOW(mq_send(q, "still", 6, 0)); /* it lives while it is open */
    SHOW(mq_receive(q, text, 32, NULL));
    SHOW(mq_open("/goblin-test", O_RDWR));
    SHOW(mq_close(q));
    return 0;
}
