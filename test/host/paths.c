/* Names: the calls with ...at, flags of open, links, renames, times, owners, and the errors their man pages promise. Runs in an empty directory. */
#include "show.h"
#include <dirent.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static struct stat st;
static char buf[PATH_MAX + 10], text[64];
#define BAD ((void *)8)

static int touch(const char *name, const char *with)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
    write(fd, with, strlen(with));
    return close(fd);
}

static void opens(void)
{
    int fd, dir;

    mkdir("d", 0755);
    touch("f", "hello");
    symlink("f", "l");
    symlink("none", "dangling");
    SHOW(open("f/", O_RDONLY));
    SHOW(open("f", O_RDONLY | O_DIRECTORY));
    SHOW(open("d", O_WRONLY));
    SHOW(open("d", O_RDONLY | O_CREAT, 0600));
    SHOW(open("new/", O_RDWR | O_CREAT, 0600));
    SHOW(open("none/new", O_RDWR | O_CREAT, 0600));
    SHOW(open("f/new", O_RDWR | O_CREAT, 0600));
    SHOW(open("l", O_RDONLY | O_NOFOLLOW));
    SHOW(open("dangling", O_RDONLY));
    SHOW(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(open("l", O_RDWR | O_CREAT | O_EXCL, 0600));
    SHOW(close(open("dangling", O_RDWR | O_CREAT, 0600)));
    SHOW(stat("none", &st));
    SHOW(unlink("none"));
    SHOW(open(BAD, O_RDONLY));
    memset(buf, 'x', PATH_MAX + 5);
    SHOW(open(buf, O_RDONLY));
    buf[NAME_MAX + 1] = 0;
    SHOW(open(buf, O_RDONLY));
    SHOW(mkdir(buf, 0700));
    SHOW(openat(-1, "f", O_RDONLY));
    SHOW(openat(99, "f", O_RDONLY));
    fd = open("f", O_RDONLY);
    SHOW(openat(fd, "f", O_RDONLY));
    dir = open("d", O_RDONLY | O_DIRECTORY);
    SHOW(close(openat(dir, "../f", O_RDONLY)));
    SHOW(close(openat(fd, getcwd(buf, sizeof buf), O_RDONLY)));
    SHOW(fcntl(fd, F_GETFL));
    SHOW(fcntl(dir, F_GETFL) & ~0200000);
    close(fd);
    SHOW(open("f", O_PATH | O_DIRECTORY));
    SHOW(open("l", O_PATH | O_DIRECTORY));
    SHOW(open("l", O_PATH | O_DIRECTORY | O_NOFOLLOW));
    SHOW(open("l", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    SHOW(close(open("d", O_PATH | O_DIRECTORY)));
    fd = open("f", O_PATH);
    SHOW(fcntl(fd, F_GETFL));
    SHOW(read(fd, text, 1));
    SHOW(write(fd, text, 1));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(fchmod(fd, 0600));
    SHOW(fchown(fd, -1, -1));
    SHOW(ftruncate(fd, 0));
    SHOW(fsync(fd));
    SHOW(ioctl(fd, 0x541B, &st));
    SHOW((long)mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
    SHOW(fstat(fd, &st));
    SHOW(st.st_size);
    SHOW(fgetxattr(fd, "user.x", text, 4));
    SHOW(flock(fd, LOCK_SH));
    close(fd);
    fd = open("l", O_PATH | O_NOFOLLOW);
    SHOW(readlinkat(fd, "", text, sizeof text));
    SHOW(fstat(fd, &st));
    SHOW(S_ISLNK(st.st_mode));
    SHOW(fstatat(fd, "", &st, AT_EMPTY_PATH));
    close(fd);
    fd = open("f", O_WRONLY | O_TRUNC);
    SHOW(fstat(fd, &st));
    SHOW(st.st_size);
    SHOW(write(fd, "1", 1));
    close(fd);
    fd = open("f", O_RDONLY | O_TRUNC);
    SHOW(fstat(fd, &st));
    SHOW(st.st_size);
    close(fd);
    fd = open("f", O_RDWR | O_APPEND);
    SHOW(pwrite(fd, "abc", 3, 0));
    SHOW(pwrite(fd, "def", 3, 0));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(write(fd, "ghi", 3));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(fcntl(fd, F_SETFL, 0));
    SHOW(pwrite(fd, "X", 1, 1));
    SHOW(pread(fd, text, 20, 0));
    printf("%.9s\n", text);
    close(fd);
    SHOW(open("f", O_TMPFILE | O_RDWR, 0600));
    SHOW(open("d", O_TMPFILE | O_RDONLY, 0600));
    close(dir);
}

static void links(void)
{
    int fd = open("f", O_RDWR), dir = open("d", O_RDONLY);

    SHOW(link("f", "f2"));
    SHOW(link("f", "f2"));
    SHOW(link("none", "f3"));
    SHOW(link("d", "d2"));
    SHOW(link("f", "none/f3"));
    SHOW(link("f/", "f3"));
    SHOW(fstat(fd, &st));
    SHOW(st.st_nlink);
    SHOW(pwrite(fd, "LINK", 4, 0));
    SHOW(unlink("f"));
    SHOW(stat("f2", &st));
    SHOW(st.st_nlink);
    SHOW(rename("f2", "f"));
    SHOW(linkat(dir, "../f", dir, "f4", 0));
    SHOW(rename("f", "d/f4"));
    SHOW(stat("f", &st));
    SHOW(unlink("d/f4"));
    SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "l2", 0));
    SHOW(lstat("l2", &st));
    SHOW(S_ISLNK(st.st_mode));
    SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "l3", AT_SYMLINK_FOLLOW));
    SHOW(lstat("l3", &st));
    SHOW(S_ISREG(st.st_mode));
    SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "l4", 77));
    SHOW(unlink("l2"));
    SHOW(unlink("l3"));
    SHOW(symlink("", "e"));
    SHOW(symlink("x", "f"));
    SHOW(symlink("x", "none/f"));
    SHOW(symlink("x", ""));
    SHOW(readlink("f", text, 5));
    SHOW(readlink("l", text, 0));
    SHOW(readlink("l", text, 1));
    SHOW(readlink("none", text, 5));
    SHOW(readlink("l", BAD, 5));
    SHOW(readlink("l/", text, 5));
    for (int i = 0; i < 45; i++) {
        snprintf(buf, 20, "s%d", i);
        snprintf(text, 20, i ? "s%d" : "f", i - 1);
        symlink(text, buf);
    }
    SHOW(stat("s39", &st));
    SHOW(stat("s40", &st));
    for (int i = 0; i < 45; i++) {
        snprintf(buf, 20, "s%d", i);
        unlink(buf);
    }
    close(fd);
    close(dir);
}

static void renames(void)
{
    mkdir("d/e", 0755);
    touch("d/e/x", "x");
    touch("g", "g");
    SHOW(rename("d", "d/e/d"));
    SHOW(rename("d", "g"));
    SHOW(rename("g", "d"));
    SHOW(mkdir("full", 0755));
    touch("full/x", "");
    SHOW(rename("d", "full"));
    SHOW(rename("none", "x"));
    SHOW(rename("g", "none/x"));
    SHOW(rename("g", "f/x"));
    SHOW(rename(".", "x"));
    SHOW(rename("d/..", "x"));
    SHOW(rename("g", ""));
    SHOW(rename("g/", "h"));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "f", 1));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "h", 1));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "h", AT_FDCWD, "d", 2));
    SHOW(stat("d", &st));
    SHOW(S_ISREG(st.st_mode));
    SHOW(stat("h/e/x", &st));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "h", AT_FDCWD, "none", 2));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "h", AT_FDCWD, "d", 3));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "h", AT_FDCWD, "d", 2));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "h", AT_FDCWD, "i", 64));
    SHOW(rename("d/e", "moved"));
    SHOW(stat("moved/x", &st));
    SHOW(stat("d/e", &st));
    SHOW(stat(".", &st));
    SHOW(st.st_nlink);
    SHOW(stat("d", &st));
    SHOW(st.st_nlink);
    SHOW(mkdir("d/e", 0755));
    SHOW(rename("moved", "d/e"));
    SHOW(stat("d/e/x", &st));
    SHOW(unlink("full/x"));
    SHOW(rename("d/e", "full"));
    SHOW(stat("full/x", &st));
    SHOW(rmdir("full"));
    SHOW(rmdir("none"));
    SHOW(rmdir("f"));
    SHOW(rmdir("full/."));
    SHOW(rmdir("full/.."));
    SHOW(rmdir("/"));
    SHOW(rmdir(""));
    SHOW(unlink("full"));
    SHOW(unlink("f/"));
    SHOW(unlink(""));
    SHOW(unlink(BAD));
    SHOW(unlinkat(AT_FDCWD, "f", 99));
    SHOW(mkdir("f/x", 0755));
    SHOW(mkdir("/", 0755));
    SHOW(mkdir("", 0755));
    SHOW(mkdir("x/.", 0755));
    SHOW(mkdir("full/.", 0755));
    SHOW(mkdir("slash/", 0700));
    SHOW(rmdir("slash/"));
    unlink("full/x");
    SHOW(rmdir("full"));
    SHOW(unlink("h"));
    SHOW(rmdir("d"));
}

static void here(void)
{
    int fd;

    mkdir("w", 0755);
    SHOW(chdir("f"));
    SHOW(chdir("none"));
    SHOW(chdir(BAD));
    fd = open("f", O_RDONLY);
    SHOW(fchdir(fd));
    SHOW(fchdir(99));
    close(fd);
    fd = open(".", O_RDONLY);
    SHOW(syscall(SYS_getcwd, buf, 1));
    SHOW(syscall(SYS_getcwd, BAD, 100));
    SHOW(chdir("w"));
    SHOW(rmdir("../w"));
    SHOW(syscall(SYS_getcwd, buf, sizeof buf));
    SHOW(open("x", O_CREAT | O_RDWR, 0600));
    SHOW(mkdir("x", 0600));
    SHOW(stat(".", &st));
    SHOW(st.st_nlink);
    SHOW(fchdir(fd));
    SHOW(stat("f", &st));
    close(fd);
}

static void attributes(void)
{
    struct timespec t[2] = { { 1000, 5 }, { 2000, 6 } };
    struct timeval v[2] = { { 3000, 7 }, { 4000, 8 } };
    struct utimbuf u = { 5000, 6000 };
    int fd = open("f", O_RDWR);

#define TIMES(name) do { lstat(name, &st); printf("%ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec); } while (0)
    SHOW(utimensat(AT_FDCWD, "f", t, 0));
    TIMES("f");
    t[0].tv_nsec = UTIME_OMIT;
    t[1].tv_sec = 2222;
    SHOW(utimensat(AT_FDCWD, "f", t, 0));
    TIMES("f");
    SHOW(utimensat(AT_FDCWD, "l", (struct timespec[2]){ { 11, 1 }, { 12, 2 } }, AT_SYMLINK_NOFOLLOW));
    TIMES("l");
    t[0].tv_nsec = 1000000000;
    SHOW(utimensat(AT_FDCWD, "f", t, 0));
    t[0].tv_nsec = 0;
    SHOW(utimensat(AT_FDCWD, "f", t, 77));
    SHOW(utimensat(AT_FDCWD, "none", t, 0));
    SHOW(utimensat(AT_FDCWD, "f", BAD, 0));
    SHOW(utimensat(99, "f", t, 0));
    SHOW(futimens(fd, t));
    TIMES("f");
    SHOW(utimes("f", v));
    TIMES("f");
    v[0].tv_usec = 1000000;
    SHOW(utimes("f", v));
    SHOW(utime("f", &u));
    TIMES("f");
    SHOW(utime("f", NULL));
    lstat("f", &st);
    SHOW(st.st_mtime > 1000000000);
    SHOW(chmod("f", 04751));
    SHOW(stat("f", &st));
    SHOW(st.st_mode);
    SHOW(fchmod(fd, 0600));
    SHOW(chmod("none", 0));
    SHOW(fchmodat(AT_FDCWD, "l", 0640, 0));
    SHOW(stat("f", &st));
    SHOW(st.st_mode);
    SHOW(chown("f", -1, -1));
    SHOW(lchown("dangling", getuid(), getgid()));
    SHOW(chown("dangling", getuid(), getgid()));
    SHOW(fchownat(AT_FDCWD, "f", -1, -1, 77));
    SHOW(fchownat(fd, "", getuid(), -1, AT_EMPTY_PATH));
    SHOW(umask(077));
    SHOW(close(open("um", O_CREAT | O_RDWR, 0666)));
    SHOW(stat("um", &st));
    SHOW(st.st_mode);
    SHOW(umask(022));
    SHOW(unlink("um"));
    SHOW(access("f", 8));
    SHOW(access("f", X_OK));
    SHOW(access("none", F_OK));
    SHOW(access("f/x", F_OK));
    SHOW(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 4));
    SHOW(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    SHOW(truncate("f", 3));
    SHOW(truncate("f", -1));
    SHOW(truncate(".", 3));
    SHOW(truncate("none", 3));
    SHOW(stat("f", &st));
    SHOW(st.st_size);
    SHOW(fstatat(AT_FDCWD, "f", &st, 0x4000000));
    SHOW(stat("f", BAD));
    SHOW(stat("", &st));
    SHOW(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    SHOW(S_ISDIR(st.st_mode));
    SHOW(fstat(99, &st));
    struct statx x;
    SHOW(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
    SHOW(x.stx_size);
    SHOW(x.stx_mode);
    SHOW((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    SHOW(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &x));
    SHOW(statx(AT_FDCWD, "f", 0, STATX__RESERVED, &x));
    SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
    struct statfs fs;
    SHOW(statfs(".", &fs));
    SHOW(fs.f_namelen);
    SHOW(statfs("none", &fs));
    SHOW(fstatfs(99, &fs));
    SHOW(mknod("fifo", S_IFIFO | 0600, 0));
    SHOW(mknod("fifo", S_IFIFO | 0600, 0));
    SHOW(stat("fifo", &st));
    SHOW(st.st_mode);
    SHOW(mknod("plain", 0644, 0));
    SHOW(stat("plain", &st));
    SHOW(st.st_mode);
    SHOW(mknod("wrong", S_IFDIR | 0600, 0));
    SHOW(open("fifo", O_WRONLY | O_NONBLOCK));
    SHOW(close(open("fifo", O_RDONLY | O_NONBLOCK)));
    SHOW(unlink("fifo"));
    SHOW(unlink("plain"));
    close(fd);
}

static void lists(void)
{
    struct dirent *e;
    DIR *d;
    char raw[1024];
    long at[40];
    int n = 0, fd;

    mkdir("many", 0755);
    for (int i = 0; i < 300; i++) {
        snprintf(buf, 40, "many/file%d", i);
        touch(buf, "");
    }
    d = opendir("many");
    while ((e = readdir(d)))
        n++;
    SHOW(n);
    rewinddir(d);
    for (n = 0; n < 10; n++) {
        at[n] = telldir(d);
        e = readdir(d);
        if (n == 5)
            snprintf(text, sizeof text, "%s", e->d_name);
    }
    seekdir(d, at[5]);
    SHOW(strcmp(readdir(d)->d_name, text));
    rewinddir(d);
    for (n = 0; (e = readdir(d));) /* removing while reading */
        if (e->d_name[0] == 'f') {
            snprintf(buf, 300, "many/%s", e->d_name);
            n += unlink(buf) == 0;
        }
    SHOW(n);
    closedir(d);
    fd = open("many", O_RDONLY);
    SHOW(syscall(SYS_getdents64, fd, raw, 10));
    SHOW(syscall(SYS_getdents64, fd, BAD, 1000));
    SHOW(syscall(SYS_getdents64, fd, raw, 1024) > 0);
    SHOW(syscall(SYS_getdents64, fd, raw, 1024));
    SHOW(syscall(SYS_getdents64, 99, raw, 1024));
    SHOW(rmdir("many"));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(syscall(SYS_getdents64, fd, raw, 1024));
    close(fd);
    fd = open("f", O_RDONLY);
    SHOW(syscall(SYS_getdents64, fd, raw, 1024));
    SHOW(read(open(".", O_RDONLY), raw, 10));
    close(fd);
}

static void odd_names(void)
{
    char path[PATH_MAX], *p = path;

    SHOW(close(open("\xff\xfe bad \n utf8", O_CREAT | O_RDWR, 0600)));
    SHOW(stat("\xff\xfe bad \n utf8", &st));
    SHOW(unlink("\xff\xfe bad \n utf8"));
    SHOW(mkdir("deep", 0755));
    p += sprintf(p, "deep");
    for (int i = 0; i < 15; i++) {
        memset(p, '/', 1);
        memset(p + 1, 'a' + i, 200);
        p += 201;
        *p = 0;
        if (mkdir(path, 0755))
            printf("mkdir %d: %s\n", i, strerrorname_np(errno));
    }
    SHOW(chdir(path));
    SHOW(strlen(getcwd(path, sizeof path)) > 3000);
    SHOW(close(open("file", O_CREAT | O_RDWR, 0600)));
    SHOW(unlink("file"));
    for (int i = 14; i >= 0; i--) {
        memset(buf, 'a' + i, 200);
        buf[200] = 0;
        chdir("..");
        if (rmdir(buf))
            printf("rmdir %d: %s\n", i, strerrorname_np(errno));
    }
    SHOW(chdir(".."));
    SHOW(rmdir("deep"));
    SHOW(stat("./././//f", &st));
    SHOW(stat("./f/.", &st));
    SHOW(stat("/../../..", &st));
}

int main(void)
{
    umask(022);
    opens();
    links();
    renames();
    here();
    attributes();
    lists();
    odd_names();
    return 0;
}
