#define _GNU_SOURCE
#include "tools/cache.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/goblin.h"

static bool tree_try(const char *path)
{
    char *copy = text_of("%s", path);
    bool ok = true;

    for (char *p = copy + 1; ok && *p; p++)
        if (*p == '/') {
            *p = 0;
            ok = mkdir(copy, 0755) == 0 || errno == EEXIST;
            *p = '/';
        }
    ok = ok && (mkdir(copy, 0755) == 0 || errno == EEXIST);
    free(copy);
    return ok;
}

bool tree_make(const char *path)
{
    return tree_try(path) ? true : (fail("cannot make the directory %s: %m", path), false);
}

static const char *cache_root(void)
{
    static char *root;
    const char *x = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (!root)
        root = x && x[0] == '/' ? text_of("%s/goblin", x) : home && home[0] == '/' ? text_of("%s/.cache/goblin", home) :
               text_of("/tmp/goblin-cache-%u", getuid());
    return root;
}

char *cache_maybe(const char *name)
{
    return tree_try(cache_root()) ? text_of("%s/%s", cache_root(), name) : NULL;
}

char *cache_path(const char *fmt, ...)
{
    char *name, *path, *slash;
    va_list ap;
    bool ok;

    va_start(ap, fmt);
    if (vasprintf(&name, fmt, ap) < 0)
        exit(fail("not enough memory"));
    va_end(ap);
    path = text_of("%s/%s", cache_root(), name);
    free(name);
    slash = strrchr(path, '/');
    *slash = 0;
    ok = access(path, W_OK) == 0 || tree_make(path);
    *slash = '/';
    return ok ? path : NULL;
}

int cache_lock(const char *name)
{
    char *path = cache_path("lock/%s", name);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return path ? fail("cannot open %s: %m", path), -1 : -1;
    while (flock(fd, LOCK_EX))
        if (errno != EINTR)
            return fail("cannot lock %s: %m", path), close(fd), -1;
    return fd;
}

char *cache_work(void)
{
    char *path = cache_path("work/XXXXXX");

    if (path && !mkdtemp(path))
        return fail("cannot make a directory in the cache, %s: %m", path), NULL;
    return path;
}

static int remove_one(const char *path, const struct stat *, int, struct FTW *)
{
    remove(path);
    return 0;
}

static int open_up(const char *path, const struct stat *st, int type, struct FTW *)
{
    if (type == FTW_D || type == FTW_DNR)
        (void)!chmod(path, st->st_mode | 0700);
    return 0;
}

void tree_remove(const char *path)
{
    nftw(path, open_up, 16, FTW_PHYS); /* packages bring directories that not even their owner may write to */
    nftw(path, remove_one, 16, FTW_PHYS | FTW_DEPTH);
}
