/* AF_UNIX: pairs, names in the file tree and abstract ones, three types, descriptors and credentials passed along, ends and errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void say(const char *what, long n)
{
    if (n < 0)
        printf("%s: %s\n", what, strerror(errno));
    else
        printf("%s: %ld\n", what, n);
}

static int revents(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };
    poll(&p, 1, 0);
    return p.revents;
}

static socklen_t name(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, strlen(path + 1) + 2);
    return offsetof(struct sockaddr_un, sun_path) + strlen(path + 1) + 1 + (path[0] ? 1 : 0);
}

static void pairs(int type)
{
    int s[2];
    char b[64];
    socklen_t n = 64;
    printf("--- type %d\n", type);
    say("pair", socketpair(AF_UNIX, type, 0, s));
    say("send", send(s[0], "hello", 5, 0));
    say("send", send(s[0], "world", 5, 0));
    printf("events %#x %#x\n", revents(s[0]), revents(s[1]));
    say("recv", recv(s[1], b, 3, 0));
    say("recv", recv(s[1], b, 64, 0));
    say("recv", recv(s[1], b, 64, MSG_DONTWAIT));
    say("name", getsockname(s[0], (void *)b, &n));
    printf("length %u\n", n);
    n = 64;
    say("peer", getpeername(s[0], (void *)b, &n));
    printf("length %u\n", n);
    say("empty", send(s[0], "", 0, 0));
    printf("events %#x\n", revents(s[1]));
    say("empty", recv(s[1], b, 64, MSG_DONTWAIT));
    say("shutdown", shutdown(s[0], SHUT_WR));
    say("send after shutdown", send(s[0], "x", 1, MSG_NOSIGNAL));
    say("end", recv(s[1], b, 64, MSG_DONTWAIT));
    say("other way", send(s[1], "back", 4, MSG_NOSIGNAL));
    say("back", recv(s[0], b, 64, MSG_DONTWAIT));
    close(s[1]);
    printf("events %#x\n", revents(s[0]));
    say("closed", send(s[0], "x", 1, MSG_NOSIGNAL));
    say("closed", recv(s[0], b, 64, MSG_DONTWAIT));
    close(s[0]);
}

static void listeners(const char *path, int type)
{
    struct sockaddr_un a, b;
    socklen_t len = name(&a, path), n = sizeof b;
    int l = socket(AF_UNIX, type, 0), c = socket(AF_UNIX, type, 0), s;
    struct ucred cred;
    struct stat st;
    char text[64];
    printf("--- %s, type %d\n", path[0] ? path : "abstract", type);
    say("nobody", connect(c, (void *)&a, len));
    say("listen without a name", listen(l, 1));
    say("bind", bind(l, (void *)&a, len));
    say("bind again", bind(l, (void *)&a, len));
    say("taken", bind(c, (void *)&a, len));
    say("not listening", connect(c, (void *)&a, len));
    say("listen", listen(l, 1));
    if (path[0])
        printf("stat %d, socket %d\n", stat(path, &st), S_ISSOCK(st.st_mode));
    if (path[0])
        say("open", open(path, O_RDWR));
    say("connect", connect(c, (void *)&a, len));
    say("connect again", connect(c, (void *)&a, len));
    printf("events %#x\n", revents(l) & POLLIN);
    s = accept(l, (void *)&b, &n);
    printf("from %u\n", n);
    n = sizeof b;
    getpeername(c, (void *)&b, &n);
    printf("peer's name %u, the same %d\n", n, memcmp(&a, &b, len) == 0);
    n = sizeof cred;
    say("credentials", getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &n));
    printf("mine: %d %d %d\n", cred.pid == getpid(), cred.uid == getuid(), cred.gid == getgid());
    send(c, "over", 4, 0);
    say("recv", recv(s, text, 64, 0));
    say("unread", send(s, "unread", 6, 0));
    close(c);
    say("reset", recv(s, text, 64, MSG_DONTWAIT));
    close(l);
    c = socket(AF_UNIX, type, 0);
    say("after close", connect(c, (void *)&a, len));
    if (path[0])
        say("unlink", unlink(path));
    say("after unlink", connect(c, (void *)&a, len));
    say("wrong type", connect(socket(AF_UNIX, SOCK_DGRAM, 0), (void *)&a, len));
}

static void backlog(void)
{
    struct sockaddr_un a;
    socklen_t len = name(&a, "\0backlog");
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = 0, n = 0;
    bind(l, (void *)&a, len);
    listen(l, 2);
    while (n < 10 && connect(c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), (void *)&a, len) == 0)
        n++;
    printf("waiting %d: %s\n", n, strerror(errno));
    close(accept(l, NULL, NULL));
    say("one more", connect(c, (void *)&a, len));
}

static void datagrams(void)
{
    struct sockaddr_un a, b, from;
    socklen_t la = name(&a, "dgram-a"), lb = name(&b, "\0dgram-b"), n = sizeof from;
    int s = socket(AF_UNIX, SOCK_DGRAM, 0), t = socket(AF_UNIX, SOCK_DGRAM, 0), u = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), i;
    char text[64];
    printf("--- datagrams\n");
    bind(s, (void *)&a, la);
    bind(t, (void *)&b, lb);
    say("sendto", sendto(t, "one", 3, 0, (void *)&a, la));
    say("recvfrom", recvfrom(s, text, 64, 0, (void *)&from, &n));
    printf("from %u, right %d\n", n, n == lb && memcmp(&from, &b, lb) == 0);
    say("nameless", sendto(u, "two", 3, 0, (void *)&a, la));
    n = sizeof from;
    say("recvfrom", recvfrom(s, text, 2, MSG_TRUNC, (void *)&from, &n));
    printf("from %u\n", n);
    say("nobody", send(u, "x", 1, 0));
    say("connect", connect(u, (void *)&a, la));
    for (i = 0; i < 1000 && send(u, "x", 1, 0) == 1; i++)
        ;
    printf("queue has an end: %d, %s\n", i > 3 && i < 1000, strerror(errno));
    say("connected elsewhere", connect(s, (void *)&b, lb));
    say("not its partner", send(u, "x", 1, 0));
    close(s);
    say("gone", send(u, "x", 1, 0));
    unlink("dgram-a");
    say("autobind", bind(u, (void *)&a, sizeof a.sun_family));
    n = sizeof from;
    getsockname(u, (void *)&from, &n);
    printf("name %u %d\n", n, from.sun_path[0]);
}

static int pass(int to, const int *fd, unsigned count, const char *text)
{
    char control[CMSG_SPACE(8 * sizeof(int))] = "";
    struct iovec v = { (void *)text, strlen(text) };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int)) };
    memcpy(CMSG_DATA(c), fd, count * sizeof(int));
    return sendmsg(to, &m, 0);
}

static int take(int from, int *fd, unsigned room, int flags)
{
    char control[CMSG_SPACE(8 * sizeof(int))], text[64];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_LEN(room * sizeof(int)) };
    int n = recvmsg(from, &m, flags), count = 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (n >= 0 && c && c->cmsg_type == SCM_RIGHTS) {
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fd, CMSG_DATA(c), count * sizeof(int));
    }
    printf("took %d bytes, %d descriptors, flags %#x\n", n, count, m.msg_flags & (MSG_CTRUNC | MSG_TRUNC | MSG_CMSG_CLOEXEC));
    return count;
}

static void rights(void)
{
    int s[2], p[2], got[8] = { -1, -1, -1 }, bad = 99, many[3];
    char b[64];
    printf("--- rights\n");
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pipe(p);
    say("pass", pass(s[0], &p[1], 1, "here"));
    close(p[1]);
    send(s[0], "more", 4, 0);
    take(s[1], got, 8, MSG_CMSG_CLOEXEC);
    printf("cloexec %d\n", fcntl(got[0], F_GETFD));
    say("write to it", write(got[0], "through", 7));
    say("read", read(p[0], b, 64));
    say("the rest", recv(s[1], b, 64, 0));
    say("bad", pass(s[0], &bad, 1, "x"));
    many[0] = many[1] = many[2] = p[0];
    pass(s[0], many, 3, "three");
    printf("cut to %d\n", take(s[1], got, 2, 0));
    pass(s[0], many, 1, "a");
    pass(s[0], many, 1, "b");
    take(s[1], got, 8, 0);
    take(s[1], got, 8, 0);
    pass(s[0], many, 1, "dropped");
    say("without room", recv(s[1], b, 64, 0));
    say("a socket through itself", pass(s[0], s, 2, "self"));
    close(s[0]);
    close(s[1]);
}

static void credentials(void)
{
    char control[64], text[8];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    struct ucred *u;
    int s[2], one = 1;
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    send(s[0], "x", 1, 0);
    say("recvmsg", recvmsg(s[1], &m, 0));
    u = (void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
    printf("credentials %d: %d\n", CMSG_FIRSTHDR(&m)->cmsg_type, u->pid == getpid() && u->uid == getuid());
}

/* Who sent it: nobody, if neither side had asked when it was sent. A stream is not read past a change of that. */
static void credentials_late(void)
{
    char control[64], text[8];
    struct iovec v = { text, sizeof text };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control };
    struct ucred *u;
    int s[2], one = 1;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    send(s[0], "x", 1, 0);
    setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof one);
    send(s[0], "y", 1, 0);
    for (int i = 0; i < 2; i++) {
        m.msg_controllen = sizeof control;
        say("recvmsg", recvmsg(s[1], &m, 0));
        u = (void *)CMSG_DATA(CMSG_FIRSTHDR(&m));
        printf("from me %d, nobody %d\n", u->pid == getpid(), u->uid == 65534);
    }
    send(s[0], "z", 1, 0);
    m.msg_controllen = sizeof(struct cmsghdr) + 4;
    say("recvmsg with half the room", recvmsg(s[1], &m, 0));
    printf("%zu bytes, cut %d\n", (size_t)m.msg_controllen, m.msg_flags & MSG_CTRUNC);
    close(s[0]);
    close(s[1]);
}

/* What a connection tells of its ends. */
static void ends(void)
{
    struct sockaddr_un a, b;
    socklen_t len = name(&a, "\0ends"), n = sizeof b;
    int s[2], l = socket(AF_UNIX, SOCK_STREAM, 0), v = 4096, big = 200000;
    static char bytes[5000];
    char text[8];
    say("raw is dgram", socketpair(AF_UNIX, SOCK_RAW, 0, s));
    n = sizeof v;
    getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n);
    printf("type %d\n", v);
    bind(l, (void *)&a, len);
    listen(l, 1);
    s[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(s[0], (void *)&a, len);
    s[1] = accept(l, NULL, NULL);
    a.sun_path[1] = 'x';
    say("bind late", bind(s[0], (void *)&a, len));
    send(s[0], "hi", 2, 0);
    n = sizeof b;
    say("recvfrom", recvfrom(s[1], text, 8, 0, (void *)&b, &n));
    printf("name of %u bytes, the sender's %d\n", n, n == len && !memcmp(&a, &b, n));
    while (send(s[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    say("full", send(s[0], bytes, sizeof bytes, MSG_DONTWAIT));
    setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    say("shut", shutdown(s[1], SHUT_RDWR));
    printf("events %#x\n", revents(s[0]) & (POLLHUP | POLLRDHUP));
    close(s[0]);
    close(s[1]);
    close(l);
}

static int ring[2];
static void *writer(void *arg)
{
    static char b[100000];
    for (int i = 0; i < 20; i++)
        write(ring[0], b, sizeof b);
    close(ring[0]);
    return NULL;
}

static void bulk(void)
{
    static char b[30000];
    long total = 0, n;
    pthread_t t;
    socketpair(AF_UNIX, SOCK_STREAM, 0, ring);
    pthread_create(&t, NULL, writer, NULL);
    while ((n = read(ring[1], b, sizeof b)) > 0)
        total += n;
    pthread_join(t, NULL);
    printf("bulk %ld\n", total);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    pairs(SOCK_STREAM);
    pairs(SOCK_SEQPACKET);
    pairs(SOCK_DGRAM);
    listeners("sock", SOCK_STREAM);
    listeners("\0abstract", SOCK_STREAM);
    listeners("\0packets", SOCK_SEQPACKET);
    backlog();
    datagrams();
    rights();
    credentials();
    credentials_late();
    ends();
    bulk();
    return 0;
}
