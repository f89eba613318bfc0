/* Descriptors: positions, vectors, holes, copies between files, locks, pipes and FIFOs, counters, timers, signals and events as files; and the errors
 * their man pages promise. Runs in an empty directory. */
#include "show.h"
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <linux/sockios.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>

#define BAD ((void *)8)
static struct stat st;
static struct statfs sfs;
static char buf[70000], text[100];

/* What a splice could not write stays in the pipe. */
static void spliced(void)
{
    struct rlimit lim, old;
    int p[2], fd = open("n", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int64_t at = -1;

    pipe(p);
    write(p[1], "stays", 5);
    SHOW(splice(p[0], NULL, fd, &at, 5, 0));
    at = INT64_MIN;
    SHOW(splice(fd, &at, p[1], NULL, 5, 0));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    lim = (struct rlimit){ 1 << 20, old.rlim_max }; /* more than is printed */
    setrlimit(RLIMIT_FSIZE, &lim);
    lseek(fd, 1 << 20, SEEK_SET);
    SHOW(splice(p[0], NULL, fd, NULL, 5, 0));
    SHOW(ftruncate(fd, (1 << 20) + 1));
    setrlimit(RLIMIT_FSIZE, &old);
    SHOW(read(p[0], text, 9));
    close(fd);
    fd = open("/dev/null", O_RDWR);
    SHOW(lseek(fd, 123, SEEK_SET));
    SHOW(lseek(fd, -5, SEEK_CUR));
    close(fd);
    fd = open("/proc/self/stat", O_RDONLY);
    SHOW(lseek(fd, 0, SEEK_END));
    close(fd);
    SHOW(kill(syscall(SYS_gettid), 0));
    SHOW(syscall(SYS_arch_prctl, 0x1002, 1ul << 63)); /* ARCH_SET_FS */
}

/* Signals for what a descriptor has to tell. */
static volatile int told, told_of, told_band, told_code;
static void told_by(int n, siginfo_t *info, void *context)
{
    told = n;
    told_of = info->si_fd;
    told_code = info->si_code;
    told_band = (int)info->si_band;
}

static void asynchronous(void)
{
    struct sigaction act = { .sa_sigaction = told_by, .sa_flags = SA_SIGINFO };
    struct f_owner_ex own = { F_OWNER_TID, (int)syscall(SYS_gettid) };
    int s[2], on = 1, who = 0;

    sigaction(SIGIO, &act, NULL);
    sigaction(SIGRTMIN, &act, NULL);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    SHOW(fcntl(s[0], F_SETOWN, 12345678));
    SHOW(fcntl(s[0], F_SETOWN_EX, &own));
    SHOW(fcntl(s[0], F_SETSIG, 65));
    SHOW(fcntl(s[0], F_GETSIG));
    SHOW(write(s[1], "x", 1));
    SHOW(told);
    SHOW(fcntl(s[0], F_SETFL, O_ASYNC));
    SHOW(fcntl(s[0], F_GETFL));
    SHOW(write(s[1], "x", 1));
    SHOW(told);
    SHOW(fcntl(s[0], F_SETSIG, SIGRTMIN));
    SHOW(write(s[1], "x", 1));
    SHOW(told);
    SHOW(told_of == s[0]);
    SHOW(told_code);
    SHOW(told_band);
    told = 0;
    SHOW(fcntl(s[0], F_SETFL, 0));
    SHOW(write(s[1], "x", 1));
    SHOW(told);
    SHOW(ioctl(s[0], FIOASYNC, &on));
    SHOW(ioctl(s[0], SIOCGPGRP, &who));
    SHOW(who == getpid());
    SHOW(fcntl(s[0], F_SETOWN_EX, &(struct f_owner_ex){ 3, 1 }));
    SHOW(fcntl(s[0], F_SETOWN, 0));
    SHOW(write(s[1], "x", 1));
    SHOW(told);
    SHOW(ioctl(open("n", O_RDWR | O_CREAT, 0600), FIOASYNC, &on));
    close(s[0]);
    close(s[1]);
}

/* By /proc a pipe is opened again, and tells of itself. */
static void pipe_again(void)
{
    int p[2], fd;

    pipe(p);
    SHOW(fcntl(p[1], F_SETPIPE_SZ, 0));
    SHOW(fcntl(p[1], F_SETPIPE_SZ, INT64_MAX));
    SHOW(pread(p[1], buf, 1, 0));
    SHOW(pwrite(p[0], buf, 1, 0));
    SHOW(pread(p[0], buf, 1, -1));
    snprintf(text, sizeof text, "/proc/self/fd/%d", p[1]);
    SHOW((fd = open(text, O_WRONLY)) > p[1]);
    close(p[1]);
    SHOW(write(fd, "again", 5));
    SHOW(read(p[0], text, 5));
    close(fd);
    SHOW(read(p[0], text, 5));
    snprintf(text, sizeof text, "/proc/self/fd/%d", p[0]);
    SHOW((fd = open(text, O_RDONLY)) > 0); /* does not wait for a writer */
    SHOW(read(fd, text, 5));
    SHOW(fstatfs(fd, &sfs));
    SHOW(sfs.f_type);
    SHOW(statfs("/proc/self", &sfs));
    SHOW(sfs.f_type);
    SHOW(fchmod(fd, 0640));
    fstat(p[0], &st);
    SHOW(st.st_mode);
    SHOW(flock(fd, LOCK_EX | LOCK_NB));
    SHOW(flock(p[0], LOCK_SH | LOCK_NB));
    close(fd);
    snprintf(text, sizeof text, "/proc/self/fdinfo/%d", p[0]);
    SHOW((fd = open(text, O_RDONLY)) > 0);
    SHOW(read(fd, buf, 30) == 30);
    printf("%.20s\n", buf);
    close(p[0]);
    close(fd);
    SHOW(open(text, O_RDONLY));
}

/* No bytes need no memory: musl ends each program with such a writev to its output. */
static void nothing_at_null(void)
{
    struct iovec v[3] = { { NULL, 0 }, { "one", 3 }, { NULL, 0 } }, r[3] = { { NULL, 0 }, { text, 9 }, { NULL, 0 } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 3 };
    int p[2], s[2], fd = open("n", O_RDWR | O_CREAT | O_TRUNC, 0600);

    pipe(p);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    SHOW(writev(p[1], v, 3));
    SHOW(readv(p[0], r, 3));
    SHOW(writev(s[1], v, 3));
    SHOW(readv(s[0], r, 3));
    SHOW(sendmsg(s[1], &m, 0));
    m.msg_iov = r;
    SHOW(recvmsg(s[0], &m, 0));
    SHOW(writev(fd, v, 3));
    SHOW(preadv(fd, r, 3, 0));
    SHOW(write(p[1], NULL, 0));
    SHOW(read(p[0], NULL, 0));
    SHOW(write(s[1], NULL, 0));
    SHOW(send(s[1], NULL, 0, 0));
    SHOW(recv(s[0], NULL, 0, MSG_DONTWAIT));
    SHOW(write(fd, NULL, 0));
    SHOW(read(fd, NULL, 0));
    SHOW(pread(fd, NULL, 0, 0));
    SHOW(write(1, NULL, 0));
    SHOW(syscall(SYS_getrandom, NULL, 0, 0));
    SHOW(syscall(SYS_readlink, "/proc/self/exe", NULL, 0));
    SHOW(syscall(SYS_getcwd, NULL, 0));
    SHOW(syscall(SYS_getdents64, fd, NULL, 0));
    SHOW(syscall(SYS_select, 0, NULL, NULL, NULL, &(struct timeval){ 0 }));
    SHOW(syscall(SYS_poll, NULL, 0, 0));
    SHOW(mincore((void *)4096, 0, NULL));
}

static void vectors(void)
{
    int fd = open("v", O_RDWR | O_CREAT | O_TRUNC, 0600), ro = open("v", O_RDONLY), wo = open("v", O_WRONLY);
    struct iovec v[3] = { { "one", 3 }, { "", 0 }, { "two", 3 } }, r[2] = { { text, 2 }, { text + 10, 20 } }, neg[2] = { { text, 5 }, { text, -1 } };
    static struct iovec many[1025];

    for (int i = 0; i < 1025; i++)
        many[i] = (struct iovec){ text, 0 };
    SHOW(writev(fd, v, 3));
    SHOW(writev(fd, v, 0));
    SHOW(writev(fd, v, -1));
    SHOW(writev(fd, many, 1025));
    SHOW(writev(fd, many, 1024));
    SHOW(writev(fd, BAD, 1));
    SHOW(writev(ro, v, 3));
    SHOW(writev(99, v, 3));
    SHOW(readv(fd, neg, 2));
    SHOW(preadv(fd, r, 2, 1));
    printf("%.2s %.3s\n", text, text + 10);
    SHOW(preadv(fd, r, 2, -1));
    SHOW(pwritev(fd, v, 3, 6));
    SHOW(preadv2(fd, r, 2, -1, 0));
    SHOW(lseek(fd, 2, SEEK_SET));
    SHOW(preadv2(fd, r, 2, -1, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(preadv2(fd, r, 2, 0, 0x1000));
    SHOW(pwritev2(fd, v, 3, 0, RWF_DSYNC));
    SHOW(read(wo, text, 1));
    SHOW(write(ro, text, 1));
    SHOW(pread(fd, text, 1, -1));
    SHOW(pwrite(fd, text, 1, -1));
    SHOW(pread(fd, BAD, 1, 0));
    SHOW(pread(fd, text, 0, 0));
    SHOW(write(fd, BAD, 5));
    SHOW(lseek(fd, 0, 77));
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(lseek(fd, -1ull / 2, SEEK_CUR));
    SHOW(lseek(99, 0, SEEK_SET));
    SHOW(lseek(fd, 5, SEEK_DATA));
    SHOW(lseek(fd, 5, SEEK_HOLE));
    SHOW(lseek(fd, 12, SEEK_DATA));
    SHOW(lseek(fd, 1000, SEEK_HOLE));
    SHOW(fdatasync(fd));
    SHOW(fsync(99));
    SHOW(syncfs(99));
    SHOW(syncfs(fd));
    SHOW(sync_file_range(fd, 0, 0, 7));
    SHOW(sync_file_range(fd, -1, 0, 7));
    SHOW(sync_file_range(fd, 0, 0, 99));
    SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED));
    SHOW(posix_fadvise(fd, 0, 0, 99));
    SHOW(posix_fadvise(99, 0, 0, 0));
    SHOW(readahead(fd, 0, 100));
    SHOW(readahead(wo, 0, 100));
    close(fd);
    close(ro);
    close(wo);
}

static void sizes(void)
{
    int fd = open("s", O_RDWR | O_CREAT | O_TRUNC, 0600), ro = open("s", O_RDONLY), p[2];

    pipe(p);
    SHOW(fallocate(fd, 0, 0, 5000));
    SHOW(fstat(fd, &st));
    SHOW(st.st_size);
    SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 9000));
    memset(buf, 'x', 5000);
    SHOW(pwrite(fd, buf, 5000, 0));
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 3000));
    SHOW(pread(fd, buf, 5000, 0));
    printf("%d %d %d %d\n", buf[999], buf[1000], buf[3999], buf[4000]);
    SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, 4900, 300));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(pread(fd, buf, 400, 4800));
    printf("%d %d %d\n", buf[99], buf[100], buf[399]);
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
    SHOW(fallocate(fd, 0, -1, 5));
    SHOW(fallocate(fd, 0, 0, 0));
    SHOW(fallocate(ro, 0, 0, 5));
    SHOW(fallocate(99, 0, 0, 5));
    SHOW(fallocate(p[1], 0, 0, 5));
    SHOW(ftruncate(fd, -1));
    SHOW(ftruncate(ro, 5));
    SHOW(ftruncate(99, 5));
    SHOW(ftruncate(p[1], 5));
    SHOW(ftruncate(fd, 1ll << 40));
    SHOW(pread(fd, buf, 10, 1ll << 39));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(pwrite(fd, "far", 3, 3ll << 30));
    SHOW(pread(fd, buf, 10, 3ll << 30));
    SHOW(ftruncate(fd, 10));
    SHOW(ftruncate(fd, 20));
    SHOW(pread(fd, buf, 20, 0));
    printf("%d %d\n", buf[9], buf[10]);
    struct rlimit lim = { 15, RLIM_INFINITY };
    signal(SIGXFSZ, SIG_IGN);
    fflush(stdout); /* it may be a file */
    setrlimit(RLIMIT_FSIZE, &lim);
    long r[3] = { pwrite(fd, "0123456789", 10, 10), pwrite(fd, "0123456789", 10, 15) < 0 ? -errno : 0, ftruncate(fd, 30) < 0 ? -errno : 0 };
    lim.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &lim);
    printf("limited: %ld %ld %ld\n", r[0], r[1], r[2]);
    close(fd);
    close(ro);
}

static void copies(void)
{
    int in = open("in", O_RDWR | O_CREAT | O_TRUNC, 0600), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2], q[2], ap = open("out", O_WRONLY | O_APPEND);
    off_t at = 2, to = 3;

    pipe(p);
    pipe(q);
    pwrite(in, "0123456789", 10, 0);
    SHOW(sendfile(out, in, NULL, 4));
    SHOW(lseek(in, 0, SEEK_CUR));
    SHOW(sendfile(out, in, &at, 100));
    SHOW(at);
    SHOW(lseek(in, 0, SEEK_CUR));
    SHOW(sendfile(p[1], in, NULL, 3));
    SHOW(read(p[0], text, 10));
    at = -1;
    SHOW(sendfile(out, in, &at, 1));
    SHOW(sendfile(out, p[0], NULL, 1));
    SHOW(sendfile(99, in, NULL, 1));
    SHOW(sendfile(in, 99, NULL, 1));
    SHOW(sendfile(out, in, BAD, 1));
    at = 0;
    SHOW(copy_file_range(in, &at, out, &to, 5, 0));
    SHOW(at * 100 + to);
    SHOW(copy_file_range(in, &at, out, &to, 50, 0));
    SHOW(copy_file_range(in, &at, out, &to, 50, 0));
    SHOW(copy_file_range(in, NULL, out, NULL, 50, 1));
    SHOW(copy_file_range(in, NULL, p[1], NULL, 50, 0));
    SHOW(copy_file_range(in, NULL, ap, NULL, 50, 0));
    at = 0, to = 2;
    SHOW(copy_file_range(in, &at, in, &to, 5, 0));
    to = 100;
    SHOW(copy_file_range(in, &at, in, &to, 5, 0));
    at = 0;
    SHOW(splice(in, &at, p[1], NULL, 6, 0));
    SHOW(at);
    SHOW(tee(p[0], q[1], 100, 0));
    SHOW(ioctl(p[0], FIONREAD, &st.st_mode));
    SHOW(splice(p[0], NULL, out, NULL, 4, 0));
    SHOW(read(p[0], text, 100));
    SHOW(read(q[0], text, 100));
    SHOW(splice(p[0], NULL, out, NULL, 4, SPLICE_F_NONBLOCK));
    SHOW(splice(in, NULL, out, NULL, 4, 0));
    SHOW(splice(p[0], &at, out, NULL, 4, 0));
    SHOW(splice(in, NULL, p[1], NULL, 4, 99));
    SHOW(splice(p[0], NULL, p[1], NULL, 4, 0));
    SHOW(splice(99, NULL, p[1], NULL, 4, 0));
    SHOW(tee(p[0], in, 4, 0));
    SHOW(vmsplice(p[1], &(struct iovec){ "pages", 5 }, 1, 0));
    SHOW(splice(p[0], NULL, q[1], NULL, 100, 0));
    SHOW(read(q[0], text, 100));
    close(p[1]);
    SHOW(splice(p[0], NULL, out, NULL, 4, 0));
    close(in);
    close(out);
}

static void *unlocker(void *arg)
{
    usleep(30000);
    flock(*(int *)arg, LOCK_UN);
    return NULL;
}

static void locks(void)
{
    int a = open("k", O_RDWR | O_CREAT, 0600), b = open("k", O_RDWR), ro = open("k", O_RDONLY), d;
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
    pthread_t t;

    SHOW(flock(a, LOCK_EX));
    SHOW(flock(b, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(a, LOCK_SH));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    SHOW(flock(a, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_UN));
    SHOW(flock(a, LOCK_EX | LOCK_NB));
    pthread_create(&t, NULL, unlocker, &a);
    SHOW(flock(b, LOCK_EX));
    pthread_join(t, NULL);
    d = dup(b);
    close(b);
    SHOW(flock(a, LOCK_EX | LOCK_NB));
    close(d);
    SHOW(flock(a, LOCK_EX | LOCK_NB));
    SHOW(flock(a, 77));
    SHOW(flock(99, LOCK_EX));
    b = open("k", O_RDWR);
    SHOW(fcntl(a, F_SETLK, &l));
    SHOW(fcntl(b, F_SETLK, &l));
    SHOW(fcntl(b, F_GETLK, &l));
    SHOW(l.l_type);
    l = (struct flock){ .l_type = F_WRLCK, .l_start = 15, .l_len = 1 };
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    SHOW(fcntl(b, F_OFD_GETLK, &l));
    printf("%d %ld %ld %d\n", l.l_type, l.l_start, l.l_len, l.l_pid == getpid());
    l = (struct flock){ .l_type = F_UNLCK, .l_start = 13, .l_len = 4 };
    SHOW(fcntl(a, F_SETLK, &l));
    l = (struct flock){ .l_type = F_WRLCK, .l_start = 13, .l_len = 4 };
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    l = (struct flock){ .l_type = F_RDLCK, .l_start = 0, .l_len = 0 };
    SHOW(fcntl(a, F_GETLK, &l));
    printf("%d %ld %ld %d\n", l.l_type, l.l_start, l.l_len, l.l_pid);
    l = (struct flock){ .l_type = F_RDLCK, .l_start = 17, .l_len = 100 };
    SHOW(fcntl(ro, F_OFD_SETLK, &l));
    l.l_type = F_RDLCK;
    l.l_start = 30;
    SHOW(fcntl(ro, F_OFD_SETLK, &l));
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    l.l_type = F_WRLCK;
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    SHOW(fcntl(ro, F_SETLK, &l));
    l.l_type = 9;
    SHOW(fcntl(a, F_SETLK, &l));
    l = (struct flock){ .l_type = F_RDLCK, .l_whence = 9 };
    SHOW(fcntl(a, F_SETLK, &l));
    l = (struct flock){ .l_type = F_RDLCK, .l_start = -5 };
    SHOW(fcntl(a, F_SETLK, &l));
    l = (struct flock){ .l_type = F_RDLCK, .l_start = 5, .l_len = -3 };
    SHOW(fcntl(a, F_SETLK, &l));
    l = (struct flock){ .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    l = (struct flock){ .l_type = F_WRLCK, .l_start = 2, .l_len = 1 };
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    close(open("k", O_RDONLY)); /* loses all of the process' */
    SHOW(fcntl(b, F_OFD_SETLK, &l));
    SHOW(fcntl(a, F_SETLK, BAD));
    SHOW(fcntl(99, F_SETLK, &l));
    close(a);
    close(b);
    close(ro);
}

static void *opener(void *arg)
{
    int fd = open("fifo", O_WRONLY);

    usleep(20000);
    write(fd, "through", 7);
    close(fd);
    return NULL;
}

static void pipes(void)
{
    int p[2], fd;
    pthread_t t;

    SHOW(pipe2(p, 0x123));
    SHOW(pipe2(BAD, 0));
    SHOW(pipe2(p, O_NONBLOCK | O_CLOEXEC));
    SHOW(fcntl(p[0], F_GETFD));
    SHOW(fcntl(p[0], F_GETFL));
    SHOW(fcntl(p[1], F_GETFL));
    SHOW(read(p[0], buf, 5));
    SHOW(read(p[0], buf, 0));
    SHOW(write(p[1], buf, sizeof buf));
    SHOW(write(p[1], buf, 1));
    SHOW(fcntl(p[0], F_GETPIPE_SZ));
    SHOW(fcntl(p[0], F_SETPIPE_SZ, 4096));
    SHOW(fcntl(p[0], F_SETPIPE_SZ, 100000));
    SHOW(write(p[1], buf, 70000));
    SHOW(fcntl(1, F_GETPIPE_SZ) < 0 && errno == EBADF);
    fd = open("v", O_RDONLY);
    SHOW(fcntl(fd, F_GETPIPE_SZ));
    close(fd);
    SHOW(lseek(p[0], 0, SEEK_CUR));
    SHOW(pread(p[0], buf, 1, 0));
    SHOW(fsync(p[1]));
    SHOW(read(p[1], buf, 1));
    SHOW(write(p[0], buf, 1));
    SHOW(fstat(p[0], &st));
    SHOW(st.st_mode);
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write(p[1], "x", 1));
    close(p[1]);
    mkfifo("fifo", 0600);
    pthread_create(&t, NULL, opener, NULL);
    SHOW((fd = open("fifo", O_RDONLY)) >= 0);
    SHOW(read(fd, text, 50));
    SHOW(read(fd, text, 50));
    pthread_join(t, NULL);
    close(fd);
    SHOW((fd = open("fifo", O_RDWR)) >= 0);
    SHOW(write(fd, "self", 4));
    SHOW(read(fd, text, 10));
    close(fd);
    SHOW((fd = open("fifo", O_RDONLY | O_NONBLOCK)) >= 0);
    SHOW(read(fd, text, 10));
    SHOW(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0));
    close(fd);
    unlink("fifo");
}

static void counters(void)
{
    int fd = eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE), tick;
    uint64_t n = 0;
    struct itimerspec t = { { 0, 5000000 }, { 0, 10000000 } }, old;

    SHOW(read(fd, &n, 8));
    SHOW(n);
    SHOW(read(fd, &n, 4));
    n = -1ull;
    SHOW(write(fd, &n, 8));
    n = -4ull;
    SHOW(write(fd, &n, 8));
    SHOW(write(fd, &n, 8));
    SHOW(write(fd, &n, 7));
    SHOW(read(fd, &n, 8));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(fstat(fd, &st));
    SHOW(st.st_mode & S_IFMT);
    SHOW(eventfd(0, 0x77777));
    close(fd);
    SHOW(timerfd_create(77, 0));
    SHOW(timerfd_create(CLOCK_MONOTONIC, 0x77));
    SHOW((tick = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)) >= 0);
    SHOW(read(tick, &n, 8));
    SHOW(timerfd_settime(tick, 0, &t, &old));
    SHOW(old.it_value.tv_nsec);
    SHOW(timerfd_gettime(tick, &old));
    SHOW(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 10000000 && old.it_interval.tv_nsec == 5000000);
    SHOW(poll(&(struct pollfd){ .fd = tick, .events = POLLIN }, 1, 2000));
    usleep(20000);
    SHOW(read(tick, &n, 8));
    SHOW(n >= 4 && n < 1000);
    SHOW(read(tick, &n, 4));
    t.it_value.tv_nsec = 1000000000;
    SHOW(timerfd_settime(tick, 0, &t, NULL));
    SHOW(timerfd_settime(tick, 0x77, &t, NULL));
    SHOW(timerfd_settime(tick, 0, BAD, NULL));
    SHOW(timerfd_settime(99, 0, &t, NULL));
    SHOW(timerfd_settime(0, 0, &old, NULL));
    t = (struct itimerspec){ 0 };
    SHOW(timerfd_settime(tick, 0, &t, NULL));
    SHOW(read(tick, &n, 8));
    clock_gettime(CLOCK_REALTIME, &t.it_value);
    close(tick);
    tick = timerfd_create(CLOCK_REALTIME, 0);
    t.it_value.tv_sec -= 5;
    SHOW(timerfd_settime(tick, TFD_TIMER_ABSTIME, &t, NULL));
    SHOW(read(tick, &n, 8));
    SHOW(n);
    close(tick);
}

static void signals_as_files(void)
{
    struct signalfd_siginfo s[3];
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    SHOW((fd = signalfd(-1, &set, SFD_NONBLOCK)) >= 0);
    SHOW(read(fd, s, sizeof s));
    SHOW(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0));
    kill(getpid(), SIGUSR1);
    sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 42 });
    SHOW(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0));
    SHOW(read(fd, s, 10));
    SHOW(read(fd, s, sizeof s));
    printf("%d %d %d; %d %d %d\n", s[0].ssi_signo, s[0].ssi_code, s[0].ssi_pid == getpid(), s[1].ssi_signo, s[1].ssi_code, s[1].ssi_int);
    SHOW(read(fd, s, sizeof s));
    sigdelset(&set, SIGUSR2);
    SHOW(signalfd(fd, &set, 0) == fd);
    raise(SIGUSR2);
    SHOW(read(fd, s, sizeof s));
    SHOW(signalfd(99, &set, 0));
    SHOW(signalfd(0, &set, 0));
    SHOW(signalfd(-1, &set, 0x77));
    sigaddset(&set, SIGUSR2);
    SHOW(sigwaitinfo(&set, NULL));
    close(fd);
}

static void events_show(int fd)
{
    char raw[4096];
    ssize_t n = read(fd, raw, sizeof raw);

    if (n < 0)
        printf("  %s\n", strerrorname_np(errno));
    for (ssize_t at = 0; at < n;) {
        struct inotify_event *e = (void *)(raw + at);
        printf("  %d %#x %s%s\n", e->wd, e->mask, e->len ? e->name : "", e->cookie ? " cookie" : "");
        at += (ssize_t)sizeof *e + e->len;
    }
}

static void watches(void)
{
    int fd = inotify_init1(IN_NONBLOCK), w, f;

    mkdir("watched", 0755);
    SHOW(inotify_add_watch(fd, "none", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(99, "watched", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(0, "watched", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(fd, "watched", 0));
    SHOW(inotify_add_watch(fd, "v", IN_ONLYDIR | IN_OPEN));
    SHOW(w = inotify_add_watch(fd, "watched", IN_ALL_EVENTS));
    SHOW(inotify_add_watch(fd, "watched", IN_ALL_EVENTS | IN_MASK_CREATE));
    SHOW(inotify_add_watch(fd, "watched", IN_ALL_EVENTS));
    f = open("watched/file", O_CREAT | O_RDWR, 0600);
    write(f, "text", 4);
    write(f, "text", 4);
    pread(f, text, 4, 0);
    fchmod(f, 0644);
    ftruncate(f, 2);
    close(f);
    events_show(fd);
    rename("watched/file", "watched/other");
    mkdir("watched/dir", 0755);
    link("watched/other", "watched/hard");
    unlink("watched/hard");
    rename("watched/other", "out2");
    rename("out2", "watched/back");
    events_show(fd);
    SHOW(inotify_add_watch(fd, "watched/back", IN_ALL_EVENTS));
    unlink("watched/back");
    rmdir("watched/dir");
    events_show(fd);
    SHOW(read(fd, text, 100));
    SHOW(inotify_rm_watch(fd, 77));
    SHOW(inotify_rm_watch(fd, w));
    events_show(fd);
    rmdir("watched");
    SHOW(inotify_init1(0x77));
    close(fd);
}

static void tables(void)
{
    struct rlimit lim = { 64, 0 };
    int fd = -1, n = 0;

    getrlimit(RLIMIT_NOFILE, &lim);
    lim.rlim_cur = 40;
    SHOW(setrlimit(RLIMIT_NOFILE, &lim));
    while ((fd = dup(0)) >= 0)
        n = fd;
    SHOW(n);
    SHOW(dup(0));
    SHOW(open("v", O_RDONLY));
    SHOW(pipe((int[2]){ 0 }));
    SHOW(dup2(0, 40));
    SHOW(dup2(0, -1));
    SHOW(dup2(99, 5));
    SHOW(dup2(5, 5));
    SHOW(dup3(5, 5, 0));
    SHOW(dup3(5, 6, 0x77));
    SHOW(fcntl(0, F_DUPFD, 40));
    SHOW(fcntl(0, F_DUPFD, -1));
    SHOW(fcntl(0, 0x7777, 0));
    lim.rlim_cur = 4000;
    SHOW(setrlimit(RLIMIT_NOFILE, &lim));
    SHOW(syscall(SYS_close_range, 10, 5, 0));
    SHOW(syscall(SYS_close_range, 10, 20, 99));
    SHOW(syscall(SYS_close_range, 10, ~0u, 0));
    SHOW(dup2(0, 3500));
    SHOW(fcntl(0, F_DUPFD_CLOEXEC, 3000));
    SHOW(fcntl(3000, F_GETFD));
    for (n = 0; n < 2000; n++)
        if (open("v", O_RDONLY) < 0)
            break;
    SHOW(n);
    SHOW(dup(0));
    close_range(3, ~0u, 0);
}

static void memory_files(void)
{
    int fd;

    SHOW((fd = memfd_create("name", MFD_ALLOW_SEALING)) >= 0);
    SHOW(write(fd, "sealed", 6));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    SHOW(ftruncate(fd, 3));
    SHOW(ftruncate(fd, 30));
    SHOW(pwrite(fd, "S", 1, 0));
    SHOW(pwrite(fd, "S", 1, 6));
    SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
    SHOW(pwrite(fd, "S", 1, 0));
    SHOW((long)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    SHOW(fcntl(fd, F_ADD_SEALS, 0));
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(fstat(fd, &st));
    SHOW(st.st_nlink);
    SHOW(st.st_mode);
    close(fd);
    fd = memfd_create("", 0);
    SHOW(fcntl(fd, F_GET_SEALS));
    SHOW(memfd_create("x", 0x7777));
    SHOW(memfd_create(BAD, 0));
    close(fd);
}

int main(void)
{
    umask(022);
    nothing_at_null();
    vectors();
    sizes();
    copies();
    locks();
    pipes();
    pipe_again();
    asynchronous();
    spliced();
    counters();
    signals_as_files();
    watches();
    tables();
    memory_files();
    return 0;
}
