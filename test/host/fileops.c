/* Prints what operations on files of a directory take, in us: the best of several rounds. */
#define _GNU_SOURCE
#include "measure.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char block[1 << 20];

int main(int argc, char **argv)
{
    struct stat st;
    int fd;

    if (argc < 2 || chdir(argv[1]) || (fd = open("big", O_RDONLY)) < 0)
        return 1;
    MEASURE("read4k", 1e3, 200, pread(fd, block, 4096, i % 16 << 20));
    MEASURE("seq", 1e3, 16, pread(fd, block, sizeof block, (off_t)i << 20));
    MEASURE("stat", 1e3, 200, stat("big", &st));
    MEASURE("create", 1e3, 50, { close(open("new", O_WRONLY | O_CREAT, 0600)); unlink("new"); });
    return 0;
}
