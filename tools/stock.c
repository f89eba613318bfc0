#define _GNU_SOURCE
#include "tools/stock.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/crc.h"
#include "tools/cache.h"
#include "tools/goblin.h"
#include "tools/libos.h"
#include "tools/make.h"

bool image_looks(const char *path)
{
    uint8_t magic[8];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool looks = fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic && appimage_is(magic, sizeof magic);

    close(fd);
    return looks;
}

/* why: NULL if nothing shall be told */
static bool head_read(const char *path, struct image_file *f, const char **why)
{
    struct stat st;
    ssize_t n = -1;

    *f = (struct image_file){ .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
    *why = NULL;
    if (f->fd < 0)
        return false;
    f->bytes = malloc(IMAGE_HEAD_MAX);
    if (f->bytes && !fstat(f->fd, &st) && S_ISREG(st.st_mode))
        n = pread(f->fd, f->bytes, IMAGE_PAGE, 0); /* enough for most heads, and always for their size */
    if (n == IMAGE_PAGE && appimage_is(f->bytes, IMAGE_PAGE) && ((struct image_head *)f->bytes)->head_size > IMAGE_PAGE)
        n = pread(f->fd, f->bytes, IMAGE_HEAD_MAX, 0);
    *why = "not a file that can be read";
    if (n >= 0 && !appimage_read(f->bytes, (size_t)n, (uint64_t)st.st_size, &f->image, why))
        return true;
    close(f->fd);
    free(f->bytes);
    return false;
}

bool image_open(const char *path, struct image_file *f)
{
    const char *why;

    if (head_read(path, f, &why))
        return true;
    return why ? fail("%s: %s", path, why) : fail("cannot open the image %s: %m", path), false;
}

char *image_named(const char *name)
{
    char *path = strchr(name, '/') ? NULL : cache_path("images/%s" IMAGE_SUFFIX, name);

    return path && access(path, R_OK) == 0 ? path : NULL;
}

/* An image goes with the libos inside this command: a newer goblin makes it anew. */
static bool is_current(const char *path)
{
    struct image_file f;
    const char *why;
    size_t size = (size_t)(libos_image_end - libos_image);
    bool same = head_read(path, &f, &why);
    void *libos;

    if (!same)
        return false;
    libos = f.image.head.libos_size == size ? mmap(NULL, size, PROT_READ, MAP_SHARED, f.fd, (off_t)f.image.head.libos_at) : MAP_FAILED; /* libos_at: whole pages */
    same = f.image.head.drivers == drivers_crc() && libos != MAP_FAILED && memcmp(libos, libos_image, size) == 0;
    if (libos != MAP_FAILED)
        munmap(libos, size);
    close(f.fd);
    free(f.bytes);
    return same;
}

char *stock_image(const struct language *l, const char *more)
{
    char *packages = text_of("%s %s", l->packages, more ? more : "");
    char *name = more && more[0] ? text_of("%s-%08x", l->name, crc32_add(0, packages, strlen(packages))) : text_of("%s", l->name);
    char *path = cache_path("images/%s" IMAGE_SUFFIX, name);
    char *const command[] = { (char *)(uintptr_t)l->program, NULL };
    char *const env[] = { "HOME=/root", "LANG=C.UTF-8", NULL };
    const struct image_plan plan = { .what = name, .name = name, .about = text_of("%s from the Debian packages %s", l->name, packages),
                                     .packages = packages, .command = (char **)(uintptr_t)command, .env = (char **)(uintptr_t)env,
                                     .bytecode = strcmp(l->name, "python") == 0 };
    int lock;

    if (!path || is_current(path))
        return path;
    lock = cache_lock(name);
    if (lock < 0)
        return NULL;
    if (!is_current(path) && !image_make(&plan, path)) /* another goblin may have made it meanwhile */
        path = NULL;
    close(lock);
    return path;
}
