/* Prints what operations on files of a directory take, in us: the best of several rounds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

#define MEASURE(name, times, call)                      \
    do {                                                \
        double best = 1e18;                             \
        for (int round = 0; round < 7; round++) {       \
            double start = now(), each;                 \
            for (int i = 0; i < times; i++)             \
                call;                                   \
            each = (now() - start) / times;             \
            best = each < best ? each : best;           \
        }                                               \
        printf("%s %.2f\n", name, best);                \
    } while (0)

static char block[1 << 20];

int main(int argc, char **argv)
{
    struct stat st;
    int fd;

    if (argc < 2 || chdir(argv[1]) || (fd = open("big", O_RDONLY)) < 0)
        return 1;
    MEASURE("read4k", 200, pread(fd, block, 4096, i % 16 << 20));
    MEASURE("seq", 16, pread(fd, block, sizeof block, (off_t)i << 20));
    MEASURE("stat", 200, stat("big", &st));
    MEASURE("create", 50, { close(open("new", O_WRONLY | O_CREAT, 0600)); unlink("new"); });
    return 0;
}
