/* What a process knows of itself: arguments, clocks, limits, /proc, random, and errors of what is asked wrongly. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define SHOW(x) do { long r_ = (long)(x); printf("%-58s %ld %s\n", #x, r_, r_ < 0 ? strerrorname_np(errno) : ""); } while (0)

/* a syscall instruction in a leaf that keeps its data in the red zone */
__attribute__((noinline)) static long red_zone(long n)
{
    long r, got;

    __asm__ volatile("movq %2, -8(%%rsp)\n movq %2, -16(%%rsp)\n syscall\n movq -8(%%rsp), %1\n addq -16(%%rsp), %1"
                     : "=a"(r), "=r"(got) : "r"(n), "0"((long)SYS_getppid) : "rcx", "r11", "memory");
    return r < 0 ? r : got;
}

static void clocks(void)
{
    struct timespec a, b, c;
    struct timeval v;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 100000; i++) {
        clock_gettime(CLOCK_MONOTONIC, &b);
        if (b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec))
            puts("the clock went back");
        a = b;
    }
    clock_gettime(CLOCK_REALTIME, &c);
    gettimeofday(&v, NULL);
    printf("realtime %d, alike %d\n", c.tv_sec > 1600000000, labs(c.tv_sec - v.tv_sec) < 2);
    clock_gettime(CLOCK_MONOTONIC, &a);
    usleep(10000);
    clock_gettime(CLOCK_MONOTONIC, &b);
    long us = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
    printf("slept %d\n", us >= 10000 && us < 500000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    printf("cpu time %d\n", a.tv_sec < 60);
    SHOW(clock_gettime(99, &a));
    SHOW(syscall(SYS_clock_gettime, CLOCK_REALTIME, 8));
    SHOW(syscall(SYS_nanosleep, &(struct timespec){ 0, 2000000000 }, NULL));
}

int main(int argc, char **argv)
{
    struct utsname u;
    struct rlimit l;
    uint64_t r[2] = { 0, 0 };
    char b[4096], *cwd = getcwd(b, sizeof b);
    FILE *f;

    for (int i = 1; i < argc; i++)
        printf("[%s]", argv[i]);
    printf(" %s\n", getenv("HOST_TEST") ? getenv("HOST_TEST") : "-");
    printf("cwd %d, page %ld, random %d\n", cwd && cwd[0] == '/', sysconf(_SC_PAGESIZE), getauxval(AT_RANDOM) != 0);
    SHOW(red_zone(21));
    SHOW(getpid() == (int)syscall(SYS_gettid));
    SHOW(getuid() == geteuid());
    uname(&u);
    printf("%s %s\n", u.sysname, u.machine);
    SHOW(getrlimit(RLIMIT_STACK, &l));
    SHOW(getrandom(r, sizeof r, 0));
    printf("random %d\n", r[0] != r[1]);
    SHOW(getrandom((void *)8, 8, 0));
    SHOW(syscall(9999));
    SHOW(syscall(SYS_write, 1, 8, 1));
    SHOW(syscall(SYS_uname, 8));
    SHOW(isatty(0));
    SHOW(ioctl(77, 0x5413, b));
    SHOW(getcwd(b, 1));
    clocks();
    f = fopen("/proc/self/cmdline", "r");
    printf("cmdline %d\n", f && fread(b, 1, 4096, f) > 4);
    printf("exe %d\n", readlink("/proc/self/exe", b, sizeof b) > 0);
    printf("maps %d\n", (f = fopen("/proc/self/maps", "r")) && fgets(b, sizeof b, f) && strchr(b, '-'));
    printf("null %d zero %d\n", open("/dev/null", O_RDWR) > 0, open("/dev/zero", O_RDONLY) > 0);
    SHOW(open("/dev/urandom", O_RDONLY) > 0);
    fflush(stdout);
    fprintf(stderr, "to stderr\n");
    f = fopen("/etc/passwd", "r");
    printf("passwd %d\n", f && fgets(b, sizeof b, f) && strncmp(b, "root:", 5) == 0);
    while (fgets(b, sizeof b, stdin))
        printf("in: %s", b);
    return argc;
}
