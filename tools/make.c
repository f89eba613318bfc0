/* Makes an app image: a tree of files, an EROFS file system of it, and in front of that the head and the libos (abi/image.h). */
#define _GNU_SOURCE
#include "tools/make.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "abi/app.h"
#include "base/crc.h"
#include "boot/appimage.h"
#include "tools/cache.h"
#include "tools/command.h"
#include "tools/goblin.h"
#include "tools/language.h"
#include "tools/tree.h"
#include "tools/debian.h"
#include "tools/libos.h"

#define PATH_DEFAULT "PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

struct making {
    const struct image_plan *plan;
    char *work, *tree, *fs, *log;
};

/* --- the head ---------------------------------------------------------------------------------------------------------- */
struct head {
    uint8_t bytes[IMAGE_HEAD_MAX];
    size_t used; /* by the head and its strings so far */
};

static bool string_put(struct head *h, const char *s)
{
    size_t n = strlen(s) + 1;

    if (n > sizeof h->bytes - h->used)
        return fail("arguments and variables are longer than %u bytes", IMAGE_HEAD_MAX), false;
    memcpy(h->bytes + h->used, s, n);
    h->used += n;
    return true;
}

static bool strings_put(struct head *h, const struct making *m, const char *program, struct image_head *to)
{
    const struct image_plan *p = m->plan;
    const char *slash = strrchr(program, '/');
    bool path = false, ok = string_put(h, p->name) && string_put(h, program) && string_put(h, p->cwd ? p->cwd : "/") &&
                            string_put(h, p->about ? p->about : "");

    ok = ok && string_put(h, strpbrk(p->command[0], "*[|") ? slash + 1 : p->command[0]);
    to->argc = 1;
    for (char **a = p->command + 1; ok && *a; a++, to->argc++)
        ok = string_put(h, *a);
    for (char **e = p->env; ok && e && *e; e++, to->envc++) {
        ok = string_put(h, *e);
        path = path || strncmp(*e, "PATH=", 5) == 0;
    }
    if (ok && !path) {
        ok = string_put(h, PATH_DEFAULT);
        to->envc++;
    }
    return ok;
}

uint32_t drivers_crc(void)
{
    return crc32_add(crc32_add(0, template_py, (size_t)(template_py_end - template_py)), template_lua, (size_t)(template_lua_end - template_lua));
}

static bool head_make(const struct making *m, struct head *h, const char *program, uint64_t fs_size)
{
    struct image_head to = { .magic = IMAGE_MAGIC, .version = IMAGE_VERSION, .flags = IMAGE_REWRITTEN, .app_version = APP_VERSION,
                             .libos_size = (uint64_t)(libos_image_end - libos_image), .fs_size = fs_size, .memory = m->plan->memory,
                             .made = (uint64_t)time(NULL), .drivers = drivers_crc() };
    struct appimage check;
    const char *why;

    h->used = sizeof to;
    if (!strings_put(h, m, program, &to))
        return false;
    to.strings_size = (uint32_t)(h->used - sizeof to);
    to.head_size = (uint32_t)align_up(h->used, IMAGE_PAGE);
    to.libos_at = to.head_size;
    to.fs_at = align_up(to.libos_at + to.libos_size, IMAGE_PAGE);
    memcpy(h->bytes, &to, sizeof to);
    to.checksum = appimage_checksum(h->bytes, to.head_size);
    memcpy(h->bytes, &to, sizeof to);
    if (appimage_read(h->bytes, to.head_size, to.fs_at + fs_size, &check, &why))
        return fail("the image would be wrong: %s", why), false;
    return true;
}

/* --- the file ------------------------------------------------------------------------------------------------------------ */
static bool all_written(int fd, const void *bytes, size_t n, uint64_t at)
{
    return pwrite(fd, bytes, n, (off_t)at) == (ssize_t)n;
}

static bool file_append(int to, uint64_t at, int from, uint64_t size)
{
    if (lseek(to, (off_t)at, SEEK_SET) < 0)
        return false;
    while (size) {
        ssize_t n = sendfile(to, from, NULL, (size_t)min_u64(size, GIB(1)));
        if (n <= 0)
            return false;
        size -= (uint64_t)n;
    }
    return true;
}

static bool file_write(const struct making *m, const char *program, const char *path)
{
    struct head *h = calloc(1, sizeof *h);
    struct image_head head;
    char *part = text_of("%s.%u.part", path, (unsigned)getpid());
    int fs = open(m->fs, O_RDONLY | O_CLOEXEC), to = -1;
    uint64_t size;
    struct stat st;
    bool ok;

    if (!h || fs < 0 || fstat(fs, &st))
        return fail("cannot read the file system that was made: %m"), false;
    size = align_up((uint64_t)st.st_size, IMAGE_PAGE);
    if (!head_make(m, h, program, size))
        return false;
    memcpy(&head, h->bytes, sizeof head);
    to = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ok = to >= 0 && all_written(to, h->bytes, head.head_size, 0) && all_written(to, libos_image, (size_t)head.libos_size, head.libos_at) &&
         file_append(to, head.fs_at, fs, (uint64_t)st.st_size) && !ftruncate(to, (off_t)(head.fs_at + size)) && !close(to) && !rename(part, path);
    if (!ok) {
        fail("cannot write %s: %m", path);
        unlink(part);
    }
    close(fs);
    free(h);
    return ok;
}

/* --- the tree -------------------------------------------------------------------------------------------------------------- */
static bool tree_fill(const struct making *m)
{
    const struct image_plan *p = m->plan;

    if (!tree_start(m->tree) || (p->packages && p->packages[0] && !debian_unpack(p->what, p->packages, m->tree, m->log)))
        return false;
    for (unsigned i = 0; i < p->ndirs; i++)
        if (!tree_copy(m->tree, p->dirs[i], m->log))
            return false;
    return !p->program || tree_program(m->tree, p->program, m->log);
}

/* Languages that can become templates bring the program for it. */
static bool drivers_put(const struct making *m)
{
    static const struct {
        const char *package, *file;
        const uint8_t *from, *end;
    } drivers[] = { { "python3", "template.py", template_py, template_py_end }, { "lua5.4", "template.lua", template_lua, template_lua_end } };
    char *dir = text_of("%s/usr/lib/goblin", m->tree);

    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        size_t n = (size_t)(drivers[i].end - drivers[i].from);
        int fd;
        if (!m->plan->packages || !word_in(m->plan->packages, drivers[i].package, strlen(drivers[i].package)))
            continue;
        (void)mkdir(dir, 0755);
        fd = open(text_of("%s/%s", dir, drivers[i].file), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (fd < 0 || write(fd, drivers[i].from, n) != (ssize_t)n || close(fd))
            return fail("cannot write %s/%s: %m", dir, drivers[i].file), false;
    }
    return true;
}

static bool fs_make(const struct making *m)
{
    /* Every file in pages of its own, so that all of it can be mapped: an end that lies behind an inode has to be copied, which takes two more calls for each
     * library at each start. Images are a few per cent larger. */
    const char *const argv[] = { "mkfs.erofs", "-Enoinline_data", "-x-1", "--all-root", "--quiet", m->fs, m->tree, NULL };
    const char *const old[] = { "mkfs.erofs", "-x-1", "--all-root", m->fs, m->tree, NULL }; /* before erofs-utils 1.6 */
    const char *path = getenv("PATH");

    setenv("PATH", text_of("%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin"), 1);
    if (!command_exists("mkfs.erofs"))
        return fail("images need the program mkfs.erofs: `sudo apt-get install erofs-utils`"), false;
    unlink(m->fs);
    if (command_run(NULL, m->log, argv))
        return true;
    unlink(m->fs);
    if (command_run(NULL, m->log, old))
        return true;
    log_tail(m->log);
    return fail("mkfs.erofs failed"), false;
}

/* Debian compiles Python's modules when a package is installed; here a guest does, in the image itself, whatever that runs later. */
static bool bytecode_make(const struct making *m, const char *program)
{
    char *image = text_of("%s/first.img", m->work), *self = text_of("/proc/%u/exe", (unsigned)getpid());
    char *volume = text_of("%s/usr/lib:/compiled", m->tree);
    const char *const argv[] = { self, "run", "-v", volume, "--entrypoint", "python3", image, "-m", "compileall", "-q", "-j1", "-s", "/compiled", "-p", "/usr/lib",
                                 "--invalidation-mode", "unchecked-hash", "-x", "/(test|idlelib|lib2to3|turtledemo)/", "/compiled", NULL };

    if (!fs_make(m) || !file_write(m, program, image))
        return false;
    if (!command_run(NULL, m->log, argv))
        fprintf(stderr, "goblin: image %s: its Python modules could not all be compiled; it will start slowly\n", m->plan->what);
    unlink(image);
    return true;
}

bool image_make(const struct image_plan *p, const char *path)
{
    struct making m = { .plan = p, .work = cache_work() };
    char *program;
    bool ok;

    if (!m.work)
        return false;
    m.tree = text_of("%s/tree", m.work);
    m.fs = text_of("%s/fs", m.work);
    m.log = text_of("%s/log", m.work);
    ok = tree_make(m.tree) && tree_fill(&m) && drivers_put(&m);
    program = ok ? tree_find(m.tree, p->command[0]) : NULL;
    if (ok && !program)
        ok = (fail("there is no program %s in the image", p->command[0]), false);
    if (ok) {
        tree_rewrite(m.tree);
        ok = (!p->bytecode || bytecode_make(&m, program)) && fs_make(&m) && file_write(&m, program, path);
    }
    tree_remove(m.work);
    return ok;
}
