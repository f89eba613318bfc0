/* Files, directories and names: every result and errno printed. Runs in an empty directory. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHOW(x) do { long r_ = (long)(x); printf("%-58s %ld %s\n", #x, r_, r_ < 0 ? strerrorname_np(errno) : ""); } while (0)

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path)
{
    char *names[64];
    int n = 0;
    DIR *d = opendir(path);
    struct dirent *e;

    if (!d) {
        printf("opendir %s: %s\n", path, strerrorname_np(errno));
        return;
    }
    while ((e = readdir(d)) && n < 64) {
        names[n] = malloc(300);
        snprintf(names[n++], 300, "%s:%d", e->d_name, e->d_type);
    }
    closedir(d);
    qsort(names, (size_t)n, sizeof *names, by_name);
    for (int i = 0; i < n; i++)
        printf("  %s\n", names[i]);
}

static void contents(void)
{
    char b[64] = { 0 };
    struct iovec v[2] = { { b, 3 }, { b + 8, 4 } };
    int fd;

    SHOW(fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
    SHOW(write(fd, "hello world", 11));
    SHOW(lseek(fd, 6, SEEK_SET));
    SHOW(read(fd, b, 64));
    printf("%s\n", b);
    SHOW(pread(fd, b, 5, 0));
    SHOW(pwrite(fd, "HE", 2, 0));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(readv(fd, v, 2));
    printf("%.3s|%.4s\n", b, b + 8);
    SHOW(lseek(fd, 10000, SEEK_END));
    SHOW(write(fd, "x", 1));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(lseek(fd, -1, SEEK_SET));
    SHOW(pread(fd, b, 4, 5000));
    printf("%d %d\n", b[0], b[3]);
    SHOW(ftruncate(fd, 4));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(ftruncate(fd, 5000));
    SHOW(pread(fd, b, 64, 4990));
    SHOW(pread(fd, b, 8, 0));
    printf("%d %d\n", b[3], b[4]);
    SHOW(write(-1, b, 1));
    SHOW(write(fd, (void *)8, 100000));
    SHOW(read(fd, b, (size_t)-1));
    SHOW(close(fd));
    SHOW(close(fd));
    SHOW(open("a", O_CREAT | O_EXCL, 0600));
    SHOW(fd = open("a", O_WRONLY | O_APPEND));
    SHOW(write(fd, "end", 3));
    SHOW(read(fd, b, 3));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(close(fd));
    SHOW(fd = open("a", O_RDONLY));
    SHOW(write(fd, "n", 1));
    SHOW(ftruncate(fd, 0));
    SHOW(close(fd));
}

static void names(void)
{
    struct stat st;
    char b[300];

    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("no/such", 0755));
    SHOW(symlink("../a", "d/link"));
    SHOW(symlink("loop", "loop"));
    SHOW(open("loop", O_RDONLY));
    SHOW(readlink("d/link", b, sizeof b));
    SHOW(stat("d/link", &st));
    printf("%o %ld\n", st.st_mode, (long)st.st_size);
    SHOW(lstat("d/link", &st));
    printf("%o %ld\n", st.st_mode, (long)st.st_size);
    SHOW(rename("a", "d/b"));
    SHOW(stat("a", &st));
    SHOW(stat("d/link", &st));
    SHOW(rename("d/b", "a"));
    SHOW(rename("none", "other"));
    SHOW(unlink("d"));
    SHOW(rmdir("a"));
    SHOW(rmdir("d"));
    SHOW(open("a/x", O_RDONLY));
    SHOW(open("d/", O_WRONLY));
    SHOW(open("d", O_RDONLY | O_DIRECTORY));
    SHOW(open("a", O_RDONLY | O_DIRECTORY));
    SHOW(open("d/link", O_RDONLY | O_NOFOLLOW));
    SHOW(open("", O_RDONLY));
    memset(b, 'n', 299);
    b[299] = 0;
    SHOW(open(b, O_RDONLY));
    SHOW(chmod("a", 0600));
    SHOW(stat("a", &st));
    printf("%o\n", st.st_mode);
    SHOW(access("a", R_OK | W_OK));
    SHOW(access("none", F_OK));
    SHOW(chdir("d"));
    SHOW(chdir("link"));
    SHOW(stat("../a", &st));
    SHOW(chdir(".."));
    list(".");
    list("d");
    list("none");
    SHOW(unlink("d/link"));
    SHOW(rmdir("d"));
    SHOW(unlink("loop"));
    SHOW(unlink("none"));
    list(".");
}

static void descriptors(void)
{
    int fd = open("a", O_RDWR), two;
    struct stat st;
    char b[16] = { 0 };

    SHOW(two = dup(fd));
    SHOW(lseek(fd, 3, SEEK_SET));
    SHOW(lseek(two, 0, SEEK_CUR));
    SHOW(dup2(fd, 50));
    SHOW(dup2(fd, 1 << 20));
    SHOW(fcntl(50, F_GETFD));
    SHOW(fcntl(50, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(50, F_GETFD));
    SHOW(fcntl(fd, F_GETFL) & O_ACCMODE);
    SHOW(fcntl(fd, F_DUPFD, 20));
    SHOW(fcntl(77, F_GETFD));
    SHOW(unlink("a"));
    SHOW(fstat(fd, &st));
    printf("%ld links\n", (long)st.st_nlink);
    SHOW(pwrite(fd, "gone", 4, 0));
    SHOW(pread(two, b, 4, 0));
    printf("%s\n", b);
    SHOW(close(50));
    SHOW(close(two));
    SHOW(close(fd));
}

static void mapped(void)
{
    int fd = open("m", O_RDWR | O_CREAT, 0600);
    char *p;

    SHOW(ftruncate(fd, 10000));
    SHOW(pwrite(fd, "mapped", 6, 4096));
    p = mmap(NULL, 10000, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("%.6s %d\n", p + 4096, p[9999]);
    SHOW(munmap(p, 10000));
    p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    p[0] = 'M';
    SHOW(pread(fd, p + 8, 6, 4096));
    printf("%.6s %.6s\n", p, p + 8);
    SHOW((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 1));
    SHOW((long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0));
    SHOW((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 99, 0));
    close(fd);
    unlink("m");
}

int main(void)
{
    umask(022);
    contents();
    names();
    descriptors();
    mapped();
    return 7;
}
