/* many DIR: more files than a server has fids (4,096) in a directory that has f00000 to f04999 and sub/deep/file: what was looked up long ago,
 * or is open, is right when it is asked for again. Leaves the directory as it was. */
#include "show.h" /* first: it asks for all of Linux */
#include <dirent.h>

#define FILES 5000

static void all(const char *when)
{
    int found = 0;
    long bytes = 0;
    struct stat s;
    char name[32];

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "f%05d", i);
        if (stat(name, &s) == 0) {
            found++;
            bytes += s.st_size;
        }
    }
    printf("%s: %d files, %ld bytes\n", when, found, bytes);
}

static void show(const char *path)
{
    char text[40] = "";
    int fd = open(path, O_RDONLY);

    printf("%s: %s\n", path, fd < 0 ? strerror(errno) : read(fd, text, sizeof text - 1) < 0 ? "not read" : text);
    close(fd);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    write(fd, text, strlen(text));
    close(fd);
}

static void still(const char *what, int fd)
{
    struct stat s = { 0 };
    char text[40] = "";

    pread(fd, text, sizeof text - 1, 0);
    printf("%s: fstat %d, %ld links, %s\n", what, fstat(fd, &s), (long)s.st_nlink, text);
}

static int entries(const char *path)
{
    DIR *d = opendir(path);
    int n = 0;

    while (d && readdir(d))
        n++;
    closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    int fd, dir, path;

    (void)argc;
    SHOW(chdir(argv[1]));
    show("sub/deep/file");
    put("gone", "its name is gone");
    put("over", "written over");
    put("new", "the new one");
    symlink("sub/deep", "link");
    fd = open("gone", O_RDONLY);
    path = open("over", O_PATH);
    dir = open("sub", O_RDONLY | O_DIRECTORY);
    all("first");
    show("link/file");
    all("again");
    SHOW(rename("sub/deep", "sub/moved"));
    show("sub/deep/file");
    show("link/file");
    all("after the rename");
    show("sub/moved/file");
    SHOW(unlink("gone"));
    SHOW(rename("new", "over"));
    still("gone", fd);
    still("over", openat(AT_FDCWD, "over", O_RDONLY));
    struct stat s = { 0 };
    printf("the old one: fstat %d, %ld links\n", fstat(path, &s), (long)s.st_nlink);
    fd = openat(dir, "moved/file", O_RDONLY);
    still("by its directory", fd);
    SHOW(chdir("sub"));
    show("moved/file");
    SHOW(chdir(".."));
    all("once more");
    put("sub/moved/more", "made in a moved directory");
    show("sub/moved/more");
    printf("%d and %d entries\n", entries("."), entries("sub/moved"));
    SHOW(unlink("sub/moved/more"));
    SHOW(rename("sub/moved", "sub/deep"));
    show("link/file");
    SHOW(unlink("link"));
    SHOW(unlink("over"));
    return 0;
}
