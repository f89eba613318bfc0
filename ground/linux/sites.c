/* Turns `syscall` sites of a guest's text into calls. Where the text is a file's, the sites are looked up in, or added to, the user's
 * cache: looking for them takes longer than all else of a program's start. Everything here is under guest->lock.
 *
 * The cache is one file that only grows: records, each written by one write() to the end, so that processes may share it. Who finds a broken
 * record, or the file too long, begins a new file. A site counts only where the text has a `syscall`. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/crc.h"
#include "ground/linux/guest.h"
#include "ground/linux/rewrite.h"

#define CACHE_MAX MIB(4)
#define SITES_MAX 16384u
#define MAGIC 0x73657469u
#define VERSION 1u /* of the way sites are found */
#define TEXT_MAX GIB(1)
#define SETTLED_S 2 /* a file that changed a moment ago may change again without a change of its times */

struct key { /* a piece of a file, as it was */
    uint64_t dev, ino, size, mtime, ctime, offset, len;
};
struct record {
    uint32_t magic, version;
    uint32_t count, crc; /* sites behind it, 4 bytes each; of key and sites */
    struct key key;
};

static int cache_fd = -1;
static uint8_t *cache;
static size_t cache_size;

static struct { /* the piece of a file that was mapped last */
    uint64_t addr;
    struct key key;
    const uint8_t *sites; /* in the cache, or own; NULL: not known */
    uint8_t *own;         /* to be freed: of struct sites */
    uint32_t count;
} mapped;

/* --- the cache ------------------------------------------------------------------------------------------------------- */
static uint32_t record_crc(const struct record *r, const void *sites)
{
    return crc32_add(crc32_add(0, &r->key, sizeof r->key), sites, r->count * sizeof(uint32_t));
}

/* The record at `at`, false if there is none that is whole. */
static bool record_at(size_t at, struct record *r)
{
    if (cache_size - at < sizeof *r)
        return false;
    memcpy(r, cache + at, sizeof *r);
    return r->magic == MAGIC && r->version == VERSION && r->count <= SITES_MAX && r->count * sizeof(uint32_t) <= cache_size - at - sizeof *r;
}

static size_t record_bytes(const struct record *r)
{
    return sizeof *r + r->count * sizeof(uint32_t);
}

/* Reads all of it; false: it has to be begun anew. */
static bool cache_read(int fd)
{
    struct record r;
    struct stat st;
    size_t at = 0;

    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (uint64_t)st.st_size > CACHE_MAX)
        return false;
    cache = malloc((size_t)st.st_size + 1);
    cache_size = cache && pread(fd, cache, (size_t)st.st_size, 0) == st.st_size ? (size_t)st.st_size : 0;
    while (at < cache_size && record_at(at, &r))
        at += record_bytes(&r);
    return at == cache_size;
}

void sites_cache_open(const char *path)
{
    const int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;

    if (!path)
        return;
    cache_fd = open(path, flags, 0600);
    if (cache_fd < 0 || cache_read(cache_fd))
        return;
    close(cache_fd);
    cache_size = 0;
    cache_fd = unlink(path) ? -1 : open(path, flags, 0600);
}

static const uint8_t *cache_find(const struct key *key, uint32_t *count)
{
    struct record r;

    for (size_t at = 0; at < cache_size && record_at(at, &r); at += record_bytes(&r))
        if (memcmp(&r.key, key, sizeof *key) == 0 && record_crc(&r, cache + at + sizeof r) == r.crc) {
            *count = r.count;
            return cache + at + sizeof r;
        }
    return NULL;
}

static void cache_add(const struct key *key, const uint32_t *sites, uint32_t count)
{
    struct record r = { .magic = MAGIC, .version = VERSION, .count = count, .key = *key };
    uint8_t *bytes = malloc(record_bytes(&r));
    uint64_t now = (uint64_t)time(NULL);

    if (bytes && cache_fd >= 0 && now > key->ctime / 1000000000u + SETTLED_S) {
        r.crc = record_crc(&r, sites);
        memcpy(bytes, &r, sizeof r);
        memcpy(bytes + sizeof r, sites, count * sizeof *sites);
        (void)!write(cache_fd, bytes, record_bytes(&r));
    }
    free(bytes);
}

/* --- sites ----------------------------------------------------------------------------------------------------------- */
static uint64_t time_of(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct sites {
    uint32_t count, at[SITES_MAX];
};

static void site_found(void *arg, uint64_t site)
{
    struct sites *s = arg;

    if (s->count < SITES_MAX)
        s->at[s->count++] = (uint32_t)site;
}

/* From the file, not from the guest's memory, which the guest may have changed: others will rely on it. */
static void file_scan(int fd, const struct key *key)
{
    struct sites *found = calloc(1, sizeof *found);
    uint64_t len = min_u64(key->len, key->size - min_u64(key->offset, key->size));
    uint8_t *text = len <= TEXT_MAX ? malloc(len + 1) : NULL;

    if (found && text && pread(fd, text, len, (off_t)key->offset) == (ssize_t)len) {
        rewrite_find(text, len, site_found, found);
        if (found->count < SITES_MAX)
            cache_add(key, found->at, found->count);
        mapped.count = found->count;
        mapped.sites = mapped.own = (uint8_t *)found->at;
    }
    free(text);
    if (!mapped.own)
        free(found);
}

void sites_mapped(uint64_t addr, uint64_t len, int fd, uint64_t offset)
{
    struct key *key = &mapped.key;
    struct stat st;

    free(mapped.own ? container_of(mapped.own, struct sites, at) : NULL);
    mapped.own = NULL;
    mapped.sites = NULL;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return;
    mapped.addr = addr;
    *key = (struct key){ .dev = st.st_dev, .ino = st.st_ino, .size = (uint64_t)st.st_size, .mtime = time_of(st.st_mtim), .ctime = time_of(st.st_ctim),
                         .offset = offset, .len = len };
    mapped.sites = cache_find(key, &mapped.count);
    if (!mapped.sites)
        file_scan(fd, key);
}

static bool site_patch(struct space *s, uint64_t at)
{
    static const uint8_t syscall_bytes[2] = { 0x0F, 0x05 };
    uint8_t *text = s->base + at, had[2];

    return space_copy(had, text, sizeof had) && memcmp(had, syscall_bytes, sizeof had) == 0 && space_copy(text, rewrite_call, sizeof rewrite_call);
}

/* Text of no file, or of a piece of one: found each time. */
static unsigned memory_scan(struct space *space, uint64_t addr, uint64_t len)
{
    struct sites *found = calloc(1, sizeof *found);
    uint8_t *text = len <= TEXT_MAX ? malloc(len) : NULL; /* a copy, which the guest cannot change */
    unsigned done = 0;

    if (found && text && space_copy(text, space->base + addr, len))
        rewrite_find(text, len, site_found, found);
    for (uint32_t i = 0; found && i < found->count; i++)
        done += site_patch(space, addr + found->at[i]);
    free(text);
    free(found);
    return done;
}

unsigned sites_rewrite(struct space *space, uint64_t addr, uint64_t len)
{
    uint32_t site;
    unsigned done = 0;

    if (!mapped.sites || mapped.addr != addr || mapped.key.len != len)
        return memory_scan(space, addr, len);
    for (uint32_t i = 0; i < mapped.count; i++) {
        memcpy(&site, mapped.sites + i * sizeof site, sizeof site);
        done += len >= 2 && site <= len - 2 && site_patch(space, addr + site);
    }
    return done;
}
