/* The trees of bytes: ns/files.h. All are read only: disks and images belong to the guests that run from them. */
#include "ns/files.h"
#include "base/bytes.h"
#include "base/str.h"
#include "boot/appimage.h"
#include "ground/ground.h"
#include "io/blk.h"
#include "ninep/tree.h"
#include "vm/work.h"

static const struct ns_setup *setup;

const struct ns_file *ns_file_find(const char *path)
{
    for (unsigned i = 0; i < setup->nfiles; i++)
        if (str_eq_nocase(setup->file[i].path, path))
            return &setup->file[i];
    return NULL;
}

const struct ns_file *ns_file_of(const struct blob *b)
{
    for (unsigned i = 0; b->size && i < setup->nfiles; i++)
        if (setup->file[i].blob.data == b->data)
            return &setup->file[i];
    return NULL;
}

/* Bytes from the request's offset on. */
static err_t blob_read(struct ninep_req *r, const struct blob *b)
{
    uint64_t at = min_u64(r->in.offset, b->size);

    r->out->count = (uint32_t)min_u64(r->room, b->size - at);
    memcpy(r->data, b->data + at, r->out->count);
    return OK;
}

/* --- /img: what a guest can be made of. Key: the file's index + 1 --- */

/* A Linux kernel (Documentation/arch/x86/boot.rst: 0x202) or an app image. */
static bool is_image(const struct ns_file *f)
{
    return appimage_is(f->blob.data, (size_t)f->blob.size) || (f->blob.size > 0x206 && !memcmp(f->blob.data + 0x202, "HdrS", 4));
}

static const char *base_name(const char *path)
{
    const char *base = path;

    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

/* Of two with one name the first shows. */
static bool img_shows(uint64_t i)
{
    for (uint64_t k = 0; k < i; k++)
        if (is_image(&setup->file[k]) && str_eq(base_name(setup->file[k].path), base_name(setup->file[i].path)))
            return false;
    return is_image(&setup->file[i]);
}

static err_t img_next(struct tree *, uint64_t, uint64_t after, uint64_t *key, char name[NINEP_NAME_MAX + 1])
{
    while (after < setup->nfiles && !img_shows(after))
        after++;
    if (after >= setup->nfiles)
        return ERR_NOTFOUND;
    (void)str_copy(name, NINEP_NAME_MAX + 1, base_name(setup->file[after].path));
    *key = after + 1;
    return OK;
}

static err_t img_read(struct ninep_req *r) { return blob_read(r, &setup->file[r->fid->key - 1].blob); }

static uint64_t img_size(struct tree *, uint64_t key)
{
    return setup->file[key - 1].blob.size;
}

static const struct tree_row img_rows[] = {
    { .name = "", .parent = 0, .mode = TREE_DIR | 0555 },
    { .parent = 0, .mode = 0444, .next = img_next, .read = img_read, .size = img_size },
};

/* --- /boot: files under their own paths. A directory's key is the first file in it, and its depth --- */

#define DEPTH_SHIFT 16
static uint64_t dir_key(unsigned file, unsigned depth) { return (file + 1) | (uint64_t)depth << DEPTH_SHIFT; }
static unsigned key_file(uint64_t key) { return (unsigned)(key & 0xFFFF) - 1; }
static unsigned key_depth(uint64_t key) { return (unsigned)(key >> DEPTH_SHIFT); }

/* What follows the first `depth` folders of a path "/a/b/c". */
static const char *path_behind(const char *path, unsigned depth)
{
    for (path++; depth && *path; path++)
        depth -= *path == '/';
    return path;
}

static size_t name_len(const char *path)
{
    const char *slash = strchr(path, '/');

    return slash ? (size_t)(slash - path) : strlen(path);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = name_len(a);

    if (n != name_len(b))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((a[i] | 0x20) != (b[i] | 0x20)) /* FAT: no difference between cases */
            return false;
    return true;
}

/* Whether the first `depth` folders of both paths are the same. */
static bool same_dir(const char *a, const char *b, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        if (!same_name(path_behind(a, i), path_behind(b, i)))
            return false;
    return true;
}

/* The entry that file i makes in the directory: a file, or the folder on the way to it if it is the first in that. */
static bool boot_entry(uint64_t dir, unsigned i, bool folder, uint64_t *key)
{
    unsigned depth = key_depth(dir);
    const char *path = setup->file[i].path, *rest = path_behind(path, depth);

    if ((dir && !same_dir(path, setup->file[key_file(dir)].path, depth)) || (strchr(rest, '/') != NULL) != folder)
        return false;
    for (unsigned k = 0; k < i; k++) /* two volumes may have files of one name: the first shows */
        if (same_dir(path, setup->file[k].path, depth) && same_name(rest, path_behind(setup->file[k].path, depth)) &&
            (strchr(path_behind(setup->file[k].path, depth), '/') != NULL) == folder)
            return false;
    *key = folder ? dir_key(i, depth + 1) : dir_key(i, depth);
    return true;
}

static err_t boot_next(uint64_t parent, uint64_t after, uint64_t *key, char *name, bool folder)
{
    for (unsigned i = after ? key_file(after) + 1 : 0; i < setup->nfiles; i++) {
        const char *rest = path_behind(setup->file[i].path, key_depth(parent));
        if (!boot_entry(parent, i, folder, key))
            continue;
        (void)str_copy(name, min_size(name_len(rest), NINEP_NAME_MAX) + 1, rest);
        return OK;
    }
    return ERR_NOTFOUND;
}

static err_t boot_find(uint64_t parent, const char *name, uint64_t *key, bool folder)
{
    for (unsigned i = 0; i < setup->nfiles; i++)
        if (boot_entry(parent, i, folder, key) && same_name(path_behind(setup->file[i].path, key_depth(parent)), name))
            return OK;
    return ERR_NOTFOUND;
}

static err_t boot_dir_next(struct tree *, uint64_t parent, uint64_t after, uint64_t *key, char *name)
{
    return boot_next(parent, after, key, name, true);
}
static err_t boot_dir_find(struct tree *, uint64_t parent, const char *name, uint64_t *key)
{
    return boot_find(parent, name, key, true);
}
static err_t boot_file_next(struct tree *, uint64_t parent, uint64_t after, uint64_t *key, char *name)
{
    return boot_next(parent, after, key, name, false);
}
static err_t boot_file_find(struct tree *, uint64_t parent, const char *name, uint64_t *key)
{
    return boot_find(parent, name, key, false);
}

static uint64_t boot_up(struct tree *, uint64_t key)
{
    unsigned depth = key_depth(key) - 1;

    for (unsigned i = 0; depth; i++) /* the first file in that folder stands for it */
        if (same_dir(setup->file[i].path, setup->file[key_file(key)].path, depth))
            return dir_key(i, depth);
    return 0;
}

static err_t boot_read(struct ninep_req *r) { return blob_read(r, &setup->file[key_file(r->fid->key)].blob); }

static uint64_t boot_size(struct tree *, uint64_t key)
{
    return setup->file[key_file(key)].blob.size;
}

enum { BOOT_ROOT, BOOT_DIR, BOOT_TOP_FILE, BOOT_FILE, BOOT_ROWS };
static const struct tree_row boot_rows[BOOT_ROWS] = {
    [BOOT_ROOT] = { .name = "", .parent = BOOT_ROOT, .mode = TREE_DIR | 0555 },
    [BOOT_DIR] = { .parent = BOOT_ROOT, .nests = true, .mode = TREE_DIR | 0555, .next = boot_dir_next, .find = boot_dir_find, .up = boot_up },
    [BOOT_TOP_FILE] = { .parent = BOOT_ROOT, .mode = 0444, .next = boot_file_next, .find = boot_file_find, .read = boot_read, .size = boot_size },
    [BOOT_FILE] = { .parent = BOOT_DIR, .mode = 0444, .next = boot_file_next, .find = boot_file_find, .read = boot_read, .size = boot_size },
};

/* --- /blk: disks and partitions, a directory each. Key: its place in the registry, from 1 --- */

static struct blk *blk_at(uint64_t key)
{
    struct blk *b = blk_next(NULL);

    while (b && --key)
        b = blk_next(b);
    return b;
}

static err_t blk_dir_next(struct tree *, uint64_t, uint64_t after, uint64_t *key, char *name)
{
    const struct blk *b = blk_at(*key = after + 1);

    if (!b)
        return ERR_NOTFOUND;
    (void)str_copy(name, NINEP_NAME_MAX + 1, b->name);
    return OK;
}

static err_t blk_info(struct tree *, uint64_t key, struct tree_text *x)
{
    const struct blk *b = blk_at(key);

    tree_print(x, "name %s\nbytes %" PRIu64 "\nblock_size %u\nread_only %s\n", b->name, b->sectors * BLK_SECTOR, b->block_size,
               b->read_only ? "yes" : "no");
    if (b->whole)
        tree_print(x, "disk %s\npartlabel %s\npartuuid %s\n", b->whole->name, b->partlabel, b->partuuid);
    return OK;
}

static uint64_t blk_size(struct tree *, uint64_t key)
{
    return blk_at(key)->sectors * BLK_SECTOR;
}

/* One read is under way at a time, through one buffer; whoever else reads comes again when it is over. */
#define BUFFER_ORDER 4
#define BUFFER_BYTES (PAGE_SIZE << BUFFER_ORDER)
static struct {
    enum { IDLE, AT_DISK, FILLED } _Atomic state; /* any CPU moves it from AT_DISK to FILLED; else CPU 0's */
    const struct blk *blk;
    uint64_t from; /* byte of the disk */
    uint32_t len;
    err_t result;
    uint64_t since; /* TSC when it was asked for */
    hpa_t buffer;   /* 0: not yet */
    struct blk_seg seg;
    struct blk_req req;
} reading;

static void read_done(struct blk_req *, err_t e)
{
    reading.result = e;
    atomic_store(&reading.state, FILLED);
    work_changed();
}

static err_t read_begin(struct blk *b, uint64_t from, uint64_t len)
{
    if (!reading.buffer.v && ground_pages_get(BUFFER_ORDER, &reading.buffer))
        return ERR_NOMEM;
    reading.blk = b;
    reading.since = ground_tsc();
    reading.from = align_down(from, b->block_size);
    len = align_up(from + len, b->block_size) - reading.from;
    reading.len = (uint32_t)min_u64(min_u64(len, BUFFER_BYTES), align_down(b->max_bytes, b->block_size));
    reading.seg = (struct blk_seg){ .pa = reading.buffer, .len = reading.len };
    reading.req = (struct blk_req){ .op = BLK_READ, .sector = reading.from / BLK_SECTOR, .seg = &reading.seg, .nseg = 1, .done = read_done };
    atomic_store(&reading.state, AT_DISK);
    b->ops->submit(b, &reading.req);
    return OK;
}

/* Whether the buffer has what is asked for. */
static bool read_fits(const struct blk *b, uint64_t at)
{
    return reading.blk == b && at >= reading.from && at < reading.from + reading.len;
}

static err_t blk_data(struct ninep_req *r)
{
    struct blk *b = blk_at(r->fid->key);
    uint64_t size = b->sectors * BLK_SECTOR, at = min_u64(r->in.offset, size), n = min_u64(r->room, size - at);
    err_t e;

    if (!n)
        return OK;
    if (atomic_load(&reading.state) == FILLED && (!read_fits(b, at) || ground_tsc() - reading.since > ground_tsc_hz()))
        atomic_store(&reading.state, IDLE); /* whoever wanted it has gone */
    if (atomic_load(&reading.state) == IDLE) {
        e = read_begin(b, at, n);
        if (e)
            return e;
    }
    if (atomic_load(&reading.state) != FILLED || !read_fits(b, at))
        return ERR_AGAIN;
    atomic_store(&reading.state, IDLE); /* the next read is to see what the disk has then */
    if (reading.result)
        return reading.result;
    r->out->count = (uint32_t)min_u64(n, reading.from + reading.len - at);
    memcpy(r->data, (const uint8_t *)hpa_ptr(reading.buffer) + (at - reading.from), r->out->count);
    return OK;
}

enum { BLK_ROOT, BLK_DIR, BLK_INFO, BLK_DATA, BLK_ROWS };
static const struct tree_row blk_rows[BLK_ROWS] = {
    [BLK_ROOT] = { .name = "", .parent = BLK_ROOT, .mode = TREE_DIR | 0555 },
    [BLK_DIR] = { .parent = BLK_ROOT, .mode = TREE_DIR | 0555, .next = blk_dir_next },
    [BLK_INFO] = { .name = "info", .parent = BLK_DIR, .mode = 0444, .print = blk_info },
    [BLK_DATA] = { .name = "data", .parent = BLK_DIR, .mode = 0444, .read = blk_data, .size = blk_size },
};

/* --- all three --- */

static struct tree img = { .rows = img_rows, .nrows = ARRAY_LEN(img_rows) };
static struct tree boot = { .rows = boot_rows, .nrows = BOOT_ROWS };
static struct tree blk = { .rows = blk_rows, .nrows = BLK_ROWS };

struct ninep_fs *ns_img_fs(void) { return &img.fs; }
struct ninep_fs *ns_blk_fs(void) { return &blk.fs; }
struct ninep_fs *ns_boot_fs(void) { return &boot.fs; }

void ns_files_init(const struct ns_setup *s)
{
    setup = s;
    tree_init(&img);
    tree_init(&boot);
    tree_init(&blk);
}
