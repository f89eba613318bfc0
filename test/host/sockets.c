/* Internet sockets inside one guest: streams and datagrams over the loopback, their names, options, errors, readiness and ends. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SAY(what, n) say(what, (long)(n))

static void say(const char *what, long n)
{
    if (n < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, n);
}

static struct sockaddr_in at(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    return a;
}

static int listener(struct sockaddr_in *a)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t n = sizeof *a;
    *a = at(0);
    bind(s, (void *)a, sizeof *a);
    listen(s, 5);
    getsockname(s, (void *)a, &n);
    return s;
}

static void pair(int s[2])
{
    struct sockaddr_in a;
    int l = listener(&a);
    s[0] = socket(AF_INET, SOCK_STREAM, 0);
    connect(s[0], (void *)&a, sizeof a);
    s[1] = accept(l, NULL, NULL);
    close(l);
}

static int revents(int fd, int events)
{
    struct pollfd p = { .fd = fd, .events = events };
    poll(&p, 1, 0);
    return p.revents;
}

static void names(void)
{
    struct sockaddr_in a, b, c;
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT }, other;
    socklen_t n = sizeof b, n6 = sizeof six;
    char text[64];
    int l = listener(&a), s = socket(AF_INET, SOCK_STREAM, 0), t;
    SAY("unbound name", getsockname(s, (void *)&b, &n));
    printf("%s %d %u\n", inet_ntoa(b.sin_addr), b.sin_port, n);
    SAY("no peer", getpeername(s, (void *)&b, &n));
    SAY("connect", connect(s, (void *)&a, sizeof a));
    n = sizeof b;
    t = accept(l, (void *)&b, &n);
    n = sizeof c;
    getsockname(s, (void *)&c, &n);
    printf("names agree: %d, %s\n", memcmp(&b, &c, 8) == 0, inet_ntoa(c.sin_addr));
    getpeername(s, (void *)&c, &n);
    printf("peer is the listener: %d\n", memcmp(&a, &c, 8) == 0);
    n = 4;
    SAY("cut name", getsockname(t, (void *)&c, &n));
    printf("whole length %u\n", n);
    SAY("bind again", bind(l, (void *)&a, sizeof a));
    SAY("bind a taken port", bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, sizeof a));
    SAY("bind short", bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&a, 4));
    b = a;
    b.sin_family = AF_UNIX;
    SAY("bind a wrong family", bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&b, sizeof b));
    b.sin_family = AF_INET;
    b.sin_addr.s_addr = inet_addr("192.0.2.77");
    SAY("bind a foreign address", bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&b, sizeof b));
    SAY("connect twice", connect(s, (void *)&a, sizeof a));
    SAY("connect a listener", connect(l, (void *)&a, sizeof a));
    close(s);
    close(t);
    close(l);
    l = socket(AF_INET6, SOCK_STREAM, 0);
    SAY("bind6", bind(l, (void *)&six, sizeof six));
    listen(l, 1);
    getsockname(l, (void *)&six, &n6);
    s = socket(AF_INET6, SOCK_STREAM, 0);
    SAY("connect6", connect(s, (void *)&six, sizeof six));
    n6 = sizeof other;
    t = accept(l, (void *)&other, &n6);
    printf("from %s, %u\n", inet_ntop(AF_INET6, &other.sin6_addr, text, sizeof text), n6);
    close(s), close(t), close(l);
    l = socket(AF_INET6, SOCK_STREAM, 0);
    six.sin6_addr = in6addr_any;
    six.sin6_port = 0;
    bind(l, (void *)&six, sizeof six);
    listen(l, 1);
    n6 = sizeof six;
    getsockname(l, (void *)&six, &n6);
    a = at(ntohs(six.sin6_port));
    s = socket(AF_INET, SOCK_STREAM, 0);
    SAY("IPv4 to a socket for both", connect(s, (void *)&a, sizeof a));
    t = accept(l, (void *)&other, &n6);
    printf("from %s\n", inet_ntop(AF_INET6, &other.sin6_addr, text, sizeof text));
}

/* Which of the loopback's addresses something comes from. */
static void sources(void)
{
    struct sockaddr_in a, b = at(0), c;
    socklen_t n = sizeof c;
    int l = listener(&a), s = socket(AF_INET, SOCK_STREAM, 0);
    b.sin_addr.s_addr = inet_addr("127.0.0.2");
    SAY("bind", bind(s, (void *)&b, sizeof b));
    SAY("connect", connect(s, (void *)&a, sizeof a));
    accept(l, (void *)&c, &n);
    printf("comes from %s\n", inet_ntoa(c.sin_addr));
    b.sin_port = a.sin_port;
    s = socket(AF_INET, SOCK_DGRAM, 0);
    SAY("connect", connect(s, (void *)&b, sizeof b));
    getsockname(s, (void *)&c, &n);
    printf("will come from %s\n", inet_ntoa(c.sin_addr));
}

static void streams(void)
{
    int s[2], n;
    char b[64] = "";
    struct iovec v[2] = { { "gathered ", 9 }, { "bytes", 5 } };
    pair(s);
    SAY("send", send(s[0], "hello", 5, 0));
    ioctl(s[1], FIONREAD, &n);
    printf("waiting %d\n", n);
    SAY("peek", recv(s[1], b, 3, MSG_PEEK));
    SAY("recv", recv(s[1], b, 64, 0));
    printf("%.5s\n", b);
    SAY("nothing", recv(s[1], b, 64, MSG_DONTWAIT));
    SAY("writev", writev(s[1], v, 2));
    SAY("waitall", recv(s[0], b, 14, MSG_WAITALL));
    printf("%.14s\n", b);
    send(s[1], "discard", 7, 0);
    SAY("truncate", recv(s[0], NULL, 7, MSG_TRUNC));
    SAY("urgent", recv(s[0], b, 1, MSG_OOB));
    SAY("zero bytes", recv(s[0], b, 0, MSG_DONTWAIT));
    SAY("write zero", write(s[0], b, 0));
    printf("events %#x\n", revents(s[0], POLLIN | POLLOUT | POLLRDHUP));
    SAY("shutdown", shutdown(s[1], SHUT_WR));
    printf("events %#x\n", revents(s[0], POLLIN | POLLOUT | POLLRDHUP));
    SAY("end", recv(s[0], b, 64, 0));
    SAY("other way", send(s[0], "still", 5, 0));
    SAY("read", read(s[1], b, 64));
    SAY("write after shutdown", send(s[1], "x", 1, MSG_NOSIGNAL));
    SAY("shutdown", shutdown(s[0], SHUT_RDWR));
    printf("events %#x\n", revents(s[0], POLLIN | POLLOUT | POLLRDHUP));
    SAY("bad shutdown", shutdown(s[0], 7));
    close(s[0]);
    close(s[1]);
    pair(s);
    send(s[0], "unread", 6, 0);
    close(s[1]);
    usleep(1000);
    SAY("after the other's close", recv(s[0], b, 64, 0));
    SAY("send to nobody", send(s[0], "x", 1, MSG_NOSIGNAL));
    close(s[0]);
}

static int pipes;
static void on_pipe(int n)
{
    pipes++;
}

static void broken(void)
{
    static char big[8 << 20];
    int s[2];
    signal(SIGPIPE, on_pipe);
    pair(s);
    close(s[1]);
    usleep(1000);
    send(s[0], "x", 1, 0);
    usleep(1000);
    SAY("write", write(s[0], "x", 1));
    SAY("write, no signal", send(s[0], "x", 1, MSG_NOSIGNAL));
    printf("signals %d\n", pipes);
    signal(SIGPIPE, SIG_DFL);
    pair(s);
    close(s[1]);
    printf("more than it can hold %d\n", send(s[0], big, sizeof big, MSG_NOSIGNAL) == sizeof big);
}

/* What a socket says after its connection has failed or was reset, and when the program may try again. */
static void ended(const char *what, int fd)
{
    struct sockaddr_in a;
    int error = -1;
    socklen_t n = sizeof error, len = sizeof a;
    char b[8];
    printf("%s %#x\n", what, revents(fd, POLLIN | POLLOUT | POLLRDHUP));
    SAY("peer", getpeername(fd, (void *)&a, &len));
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    printf("error %d %#x\n", error, revents(fd, POLLIN | POLLOUT | POLLRDHUP));
    SAY("data", recv(fd, b, sizeof b, 0));
    SAY("end", recv(fd, b, sizeof b, 0));
    SAY("send", send(fd, b, 1, MSG_NOSIGNAL));
}

static void failed(void)
{
    struct sockaddr_in a = at(1), open;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), s[2];
    SAY("not yet refused", connect(fd, (void *)&a, sizeof a));
    ended("refused", fd);
    SAY("again", connect(fd, (void *)&a, sizeof a));
    listener(&open);
    SAY("elsewhere", connect(fd, (void *)&open, sizeof open));
    printf("connected %#x\n", revents(fd, POLLIN | POLLOUT | POLLRDHUP));
    for (int shut = 0; shut < 2; shut++) {
        pair(s);
        setsockopt(s[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
        SAY("sent", send(s[1], "last", 4, 0));
        if (shut)
            shutdown(s[1], SHUT_WR);
        close(s[1]);
        ended("reset", s[0]);
        SAY("shutdown", shutdown(s[0], SHUT_WR));
    }
}

static void waits(void)
{
    struct sockaddr_in a;
    struct timeval t = { 0, 20000 };
    struct timespec from, to;
    socklen_t n = sizeof t;
    char b[8];
    int l = listener(&a), s[2], fd, error = -1;
    fcntl(l, F_SETFL, O_NONBLOCK);
    SAY("accept, nobody", accept(l, NULL, NULL));
    printf("listener %#x\n", revents(l, POLLIN | POLLOUT));
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    printf("flags %#x %#x\n", fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
    printf("fresh %#x\n", revents(fd, POLLIN | POLLOUT));
    error = connect(fd, (void *)&a, sizeof a);
    printf("connect %d\n", error == 0 || errno == EINPROGRESS);
    printf("writable %#x\n", revents(fd, POLLOUT));
    n = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    printf("error %d\n", error);
    printf("listener %#x\n", revents(l, POLLIN));
    s[0] = accept4(l, NULL, NULL, SOCK_NONBLOCK);
    printf("accepted flags %#x\n", fcntl(s[0], F_GETFL));
    a = at(1);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    SAY("nobody listens", connect(fd, (void *)&a, sizeof a));
    SAY("not connected", recv(fd, b, 1, 0));
    SAY("not connected", send(fd, b, 1, MSG_NOSIGNAL));
    pair(s);
    SAY("timeout", setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    clock_gettime(CLOCK_MONOTONIC, &from);
    SAY("in vain", recv(s[0], b, 1, 0));
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("it took its time: %d\n", (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 >= 19);
    n = sizeof t;
    getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, &n);
    printf("timeout %ld.%06ld\n", (long)t.tv_sec, (long)t.tv_usec);
}

static void full(void)
{
    static char block[65536];
    struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
    int s[2], ep = epoll_create1(0);
    long total = 0, n;
    pair(s);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev);
    printf("edge %d\n", epoll_wait(ep, &ev, 1, 0));
    while ((n = send(s[0], block, sizeof block, 0)) > 0)
        total += n;
    SAY("full", n);
    printf("much fits: %d, writable %#x, edge %d\n", total >= 65536, revents(s[0], POLLOUT), epoll_wait(ep, &ev, 1, 0));
    while (total > 0)
        total -= recv(s[1], block, sizeof block, 0);
    printf("all read %ld, writable %#x, edge %d\n", total, revents(s[0], POLLOUT), epoll_wait(ep, &ev, 1, 1000));
}

#define MUCH (8 << 20)
static void *sender(void *arg)
{
    int *s = arg;
    char *all = malloc(MUCH);
    for (long i = 0; i < MUCH; i++)
        all[i] = (char)(i * 7 + i / 4096);
    for (long done = 0; done < MUCH;) {
        long n = send(s[0], all + done, MUCH - done, 0);
        if (n <= 0)
            break;
        done += n;
    }
    shutdown(s[0], SHUT_WR);
    free(all);
    return NULL;
}

static void bulk(void)
{
    static char b[50000];
    int s[2];
    long total = 0, wrong = 0, n;
    pthread_t t;
    pair(s);
    pthread_create(&t, NULL, sender, s);
    while ((n = recv(s[1], b, sizeof b, 0)) > 0) {
        for (long i = 0; i < n; i++)
            wrong += b[i] != (char)((total + i) * 7 + (total + i) / 4096);
        total += n;
    }
    pthread_join(t, NULL);
    printf("bulk %ld, wrong %ld\n", total, wrong);
}

static void files(void)
{
    int s[2], fd = open("/etc/passwd", O_RDONLY);
    off_t from = 5;
    struct stat st;
    char b[64], c[64];
    FILE *f;
    pair(s);
    SAY("sendfile", sendfile(s[0], fd, &from, 20));
    recv(s[1], b, 20, MSG_WAITALL);
    pread(fd, c, 20, 5);
    printf("the same: %d, offset %ld\n", memcmp(b, c, 20) == 0, (long)from);
    fstat(s[0], &st);
    printf("socket: %d\n", S_ISSOCK(st.st_mode));
    SAY("seek", lseek(s[0], 0, SEEK_SET));
    SAY("pread", pread(s[0], b, 1, 0));
    f = fdopen(s[0], "r+");
    fprintf(f, "a line\n");
    fflush(f);
    recv(s[1], b, 7, MSG_WAITALL);
    printf("%.7s", b);
    SAY("not a socket", send(fd, "x", 1, 0));
    SAY("not open", send(77, "x", 1, 0));
}

static void datagrams(void)
{
    struct sockaddr_in a = at(0), b, from;
    struct mmsghdr m[3] = { 0 };
    struct iovec v[3];
    socklen_t n = sizeof a;
    char buf[3][100];
    int u = socket(AF_INET, SOCK_DGRAM, 0), w = socket(AF_INET, SOCK_DGRAM, 0);
    bind(u, (void *)&a, sizeof a);
    getsockname(u, (void *)&a, &n);
    SAY("no address", send(w, "x", 1, 0));
    SAY("sendto", sendto(w, "one", 3, 0, (void *)&a, sizeof a));
    getsockname(w, (void *)&b, &n);
    printf("autobound %d\n", b.sin_port != 0);
    n = sizeof from;
    SAY("recvfrom", recvfrom(u, buf[0], 100, 0, (void *)&from, &n));
    printf("%.3s from %s, right port %d, %u\n", buf[0], inet_ntoa(from.sin_addr), from.sin_port == b.sin_port, n);
    sendto(w, "0123456789", 10, 0, (void *)&a, sizeof a);
    SAY("cut", recv(u, buf[0], 4, 0));
    sendto(w, "0123456789", 10, 0, (void *)&a, sizeof a);
    SAY("cut, told", recv(u, buf[0], 4, MSG_TRUNC));
    sendto(w, "0123456789", 10, 0, (void *)&a, sizeof a);
    for (int i = 0; i < 3; i++)
        v[i] = (struct iovec){ buf[i], 3 };
    SAY("readv", readv(u, v, 3));
    printf("%.3s %.3s %.3s\n", buf[0], buf[1], buf[2]);
    SAY("empty", sendto(w, "", 0, 0, (void *)&a, sizeof a));
    printf("readable %#x\n", revents(u, POLLIN | POLLOUT));
    SAY("empty", recv(u, buf[0], 4, 0));
    printf("readable %#x\n", revents(u, POLLIN | POLLOUT));
    SAY("too long", sendto(w, buf, 65508, 0, (void *)&a, sizeof a));
    SAY("connect", connect(w, (void *)&a, sizeof a));
    for (int i = 0; i < 3; i++) {
        v[i] = (struct iovec){ buf[i], (size_t)i + 1 };
        m[i].msg_hdr.msg_iov = &v[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    SAY("sendmmsg", sendmmsg(w, m, 3, 0));
    v[0].iov_len = v[1].iov_len = v[2].iov_len = 2;
    SAY("recvmmsg", recvmmsg(u, m, 3, MSG_DONTWAIT, NULL));
    printf("%u %u %u, flags %#x %#x\n", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[0].msg_hdr.msg_flags, m[2].msg_hdr.msg_flags);
    sendto(u, "stranger", 8, 0, (void *)&b, sizeof b);
    close(u);
    SAY("stranger's", recv(w, buf[0], 100, MSG_DONTWAIT));
    send(w, "lost", 4, 0);
    usleep(2000);
    SAY("refused", send(w, "x", 1, 0));
    SAY("listen", listen(w, 1));
    SAY("accept", accept(w, NULL, NULL));
}

static void number(const char *what, int s, int level, int name)
{
    int v = -1;
    socklen_t n = sizeof v;
    if (getsockopt(s, level, name, &v, &n))
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %d (%u)\n", what, v, n);
}

static void options(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET6, SOCK_DGRAM, 0), one = 1, v;
    struct linger l = { 1, 5 };
    socklen_t n = sizeof l;
    struct sockaddr_in a;
    number("type", s, SOL_SOCKET, SO_TYPE);
    number("type", u, SOL_SOCKET, SO_TYPE);
    number("domain", u, SOL_SOCKET, SO_DOMAIN);
    number("protocol", s, SOL_SOCKET, SO_PROTOCOL);
    number("listening", s, SOL_SOCKET, SO_ACCEPTCONN);
    number("listening", listener(&a), SOL_SOCKET, SO_ACCEPTCONN);
    number("reuse", s, SOL_SOCKET, SO_REUSEADDR);
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    number("reuse", s, SOL_SOCKET, SO_REUSEADDR);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    number("nodelay", s, IPPROTO_TCP, TCP_NODELAY);
    number("nodelay of UDP", u, IPPROTO_TCP, TCP_NODELAY);
    number("v6only", u, IPPROTO_IPV6, IPV6_V6ONLY);
    setsockopt(u, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    number("v6only", u, IPPROTO_IPV6, IPV6_V6ONLY);
    setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    l = (struct linger){ 0 };
    getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &n);
    printf("linger %d %d\n", l.l_onoff, l.l_linger);
    v = 5000;
    setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, sizeof v);
    number("buffer", s, SOL_SOCKET, SO_RCVBUF);
    v = 60;
    setsockopt(s, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v);
    number("keepidle", s, IPPROTO_TCP, TCP_KEEPIDLE);
    number("ttl", s, IPPROTO_IP, IP_TTL);
    for (int i = -1; i < 300; i += 100) {
        printf("ttl %d: %d\n", i, setsockopt(s, IPPROTO_IP, IP_TTL, &i, sizeof i));
        number("ttl", s, IPPROTO_IP, IP_TTL);
    }
    v = -1;
    SAY("tos", setsockopt(s, IPPROTO_IP, IP_TOS, &v, 1));
    SAY("no retries", setsockopt(s, IPPROTO_TCP, TCP_SYNCNT, &(int){ 0 }, sizeof v));
    SAY("no check", setsockopt(u, SOL_SOCKET, SO_NO_CHECK, &(int){ 1 }, sizeof v));
    number("no check", u, SOL_SOCKET, SO_NO_CHECK);
    SAY("unknown", setsockopt(s, SOL_SOCKET, 999, &one, sizeof one));
    SAY("short", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, 1));
    SAY("no family", socket(99, SOCK_STREAM, 0));
    SAY("no type", socket(AF_INET, 9, 0));
    SAY("no protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
}

static void lookups(void)
{
    struct ifaddrs *all, *i;
    int lo = 0;
    getifaddrs(&all);
    for (i = all; i; i = i->ifa_next)
        lo |= i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !strcmp(i->ifa_name, "lo") &&
              ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    printf("the loopback is there: %d %u\n", lo, if_nametoindex("lo"));
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    names();
    sources();
    streams();
    broken();
    failed();
    waits();
    full();
    bulk();
    files();
    datagrams();
    options();
    lookups();
    return 0;
}
