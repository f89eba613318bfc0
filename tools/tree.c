#define _GNU_SOURCE
#include "tools/tree.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ground/linux/rewrite.h"
#include "libos/elf.h"
#include "tools/cache.h"
#include "tools/command.h"
#include "tools/goblin.h"

/* --- what every root has --------------------------------------------------------------------------------------------- */
static const struct {
    const char *path, *text; /* NULL: a directory */
    mode_t mode;
} basics[] = {
    { "/etc", NULL, 0755 },     { "/usr/bin", NULL, 0755 }, { "/usr/sbin", NULL, 0755 },      { "/usr/lib", NULL, 0755 },
    { "/usr/lib64", NULL, 0755 }, { "/tmp", NULL, 01777 },  { "/var/tmp", NULL, 01777 },      { "/root", NULL, 0700 },
    { "/home", NULL, 0755 },    { "/dev", NULL, 0755 },     { "/proc", NULL, 0755 },          { "/run", NULL, 0755 },
    { "/var/lib", NULL, 0755 }, { "/var/log", NULL, 0755 }, { "/srv", NULL, 0755 },
    { "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n", 0644 },
    { "/etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n", 0644 },
    { "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0644 },
    { "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n", 0644 },
};

static bool text_put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return ok;
}

bool tree_start(const char *tree)
{
    static const char *const links[][2] = { { "usr/bin", "bin" }, { "usr/sbin", "sbin" }, { "usr/lib", "lib" }, { "usr/lib64", "lib64" } };

    for (size_t i = 0; i < ARRAY_LEN(basics); i++) {
        char *path = text_of("%s%s", tree, basics[i].path);
        if (basics[i].text ? !text_put(path, basics[i].text, basics[i].mode) : !tree_make(path) || chmod(path, basics[i].mode))
            return fail("cannot make %s: %m", path), false;
        free(path);
    }
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        if (symlink(links[i][0], text_of("%s/%s", tree, links[i][1])) && errno != EEXIST)
            return fail("cannot make %s/%s: %m", tree, links[i][1]), false;
    return true;
}

/* --- copies of this machine's files -------------------------------------------------------------------------------------- */
static bool copy(const char *from, const char *to, bool follow, const char *log)
{
    const char *const argv[] = { "cp", follow ? "-pL" : "-a", "--no-preserve=ownership", "--reflink=auto", "-T", from, to, NULL };
    char *dir = text_of("%s", to);

    *strrchr(dir, '/') = 0;
    if (!tree_make(dir))
        return false;
    if (command_run(NULL, log, argv))
        return true;
    log_tail(log);
    return fail("cannot copy %s", from), false;
}

bool tree_copy(const char *tree, const char *spec, const char *log)
{
    char *host = text_of("%s", spec), *at = strchr(host, ':'), *base;

    if (at)
        *at++ = 0;
    for (size_t n = strlen(host); n > 1 && host[n - 1] == '/'; n--)
        host[n - 1] = 0;
    base = strrchr(host, '/');
    if (at && at[0] != '/')
        return fail("not HOST:AT with AT beginning with /: %s", spec), false;
    if (!at) {
        struct stat st;
        if (stat(host, &st))
            return fail("cannot read %s: %m", host), false;
        at = S_ISDIR(st.st_mode) ? "/" : text_of("/%s", base ? base + 1 : host);
    }
    return copy(host, text_of("%s%s", tree, at), false, log);
}

/* The C library opens this one by itself when a thread ends early. */
static bool unwinder_copy(const char *tree, const char *libc, const char *log)
{
    char *path = text_of("%.*s/libgcc_s.so.1", (int)(strrchr(libc, '/') - libc), libc);

    return access(path, R_OK) || copy(path, text_of("%s%s", tree, path), true, log);
}

/* What the dynamic linker says it would load: lines "name => /path (address)" and "/path (address)". */
static bool libraries_copy(const char *tree, const char *program, const char *log)
{
    char *list = text_of("%s.ldd", log), *line = NULL, *path, *end;
    const char *const argv[] = { "ldd", program, NULL };
    size_t room = 0;
    bool ok = true;
    FILE *f;

    unlink(list);
    if (!command_run(NULL, list, argv))
        return true; /* a static one */
    f = fopen(list, "re");
    while (ok && f && getline(&line, &room, f) > 0) {
        if (strstr(line, "not found"))
            ok = (fail("%s needs a library that is not there: %s", program, strtok(line, "\n")), false);
        path = strchr(line, '/');
        end = path ? strstr(path, " (") : NULL;
        if (!ok || !end)
            continue;
        *end = 0;
        ok = copy(path, text_of("%s%s", tree, path), true, log) && (!strstr(path, "/libc.so.6") || unwinder_copy(tree, path, log));
    }
    if (f)
        fclose(f);
    free(line);
    return ok;
}

char *tree_place(const char *program)
{
    const char *slash = strrchr(program, '/');

    return text_of("/usr/bin/%s", slash ? slash + 1 : program);
}

bool tree_program(const char *tree, const char *program, const char *log)
{
    return copy(program, text_of("%s%s", tree, tree_place(program)), true, log) && libraries_copy(tree, program, log);
}

/* --- looking for a program -------------------------------------------------------------------------------------------------- */
static char *pattern_find(const char *tree, const char *pattern)
{
    char *found = NULL, *full = text_of("%s%s", tree, pattern);
    glob_t g;

    if (glob(full, 0, NULL, &g) == 0 && g.gl_pathc)
        found = text_of("%s", g.gl_pathv[0] + strlen(tree));
    globfree(&g);
    free(full);
    return found;
}

char *tree_find(const char *tree, const char *program)
{
    static const char *const dirs[] = { "/usr/local/bin", "/usr/bin", "/usr/sbin", "/usr/games", "" };
    char *one = text_of("%s", program), *found = NULL;

    for (char *p = strtok(one, "|"); p && !found; p = strtok(NULL, "|")) {
        if (p[0] == '/')
            found = pattern_find(tree, p);
        for (size_t i = 0; p[0] != '/' && !found && i < ARRAY_LEN(dirs); i++)
            found = pattern_find(tree, text_of("%s/%s", dirs[i], p));
    }
    free(one);
    return found;
}

/* --- system-call sites ------------------------------------------------------------------------------------------------------ */
static unsigned sites;

static void site_patch(void *text, uint64_t site)
{
    memcpy((uint8_t *)text + site, rewrite_call, sizeof rewrite_call);
    sites++;
}

static void elf_rewrite(const char *path, uint64_t size)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    uint8_t *file = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct elf e;

    if (file != MAP_FAILED && elf_parse(file, min_u64(size, ELF_HEADER), &e) == OK)
        for (unsigned i = 0; i < e.count; i++)
            if (e.seg[i].exec && e.seg[i].offset <= size && e.seg[i].filesz <= size - e.seg[i].offset)
                rewrite_find(file + e.seg[i].offset, e.seg[i].filesz, site_patch, file + e.seg[i].offset);
    if (file != MAP_FAILED)
        munmap(file, size);
    close(fd);
}

static int file_rewrite(const char *path, const struct stat *st, int type, struct FTW *)
{
    char magic[4] = "";
    int fd;

    if (type != FTW_F || !S_ISREG(st->st_mode) || st->st_size < 64)
        return 0;
    if (!(st->st_mode & S_IWUSR))
        (void)!chmod(path, st->st_mode | S_IWUSR);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && read(fd, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0) {
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        elf_rewrite(path, (uint64_t)st->st_size);
        utimensat(AT_FDCWD, path, times, 0);
    }
    close(fd);
    if (!(st->st_mode & S_IWUSR))
        (void)!chmod(path, st->st_mode);
    return 0;
}

unsigned tree_rewrite(const char *tree)
{
    sites = 0;
    nftw(tree, file_rewrite, 16, FTW_PHYS);
    return sites;
}
