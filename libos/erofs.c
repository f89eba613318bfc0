#include "libos/erofs.h"
#include "base/bytes.h"
#include "base/str.h"

#define SUPER_AT 1024u
#define SUPER_BYTES 128u
#define MAGIC 0xE0F5E1E2u
/* incompatible features that change nothing for plain files: padding of compressed data, chunks, prefixes of attributes' names */
#define FEATURES_READ 0x45u
#define SLOT 32u /* a nid counts these */
#define DIRENT 12u

enum { LAYOUT_PLAIN = 0, LAYOUT_INLINE = 2, LAYOUT_CHUNKS = 4 };
#define KIND 0170000u
#define KIND_DIR 0040000u
#define KIND_CHAR 0020000u
#define KIND_BLOCK 0060000u

/* n bytes at `at`, or NULL */
static const uint8_t *bytes_at(const struct erofs *fs, uint64_t at, uint64_t n)
{
    return at <= fs->size && n <= fs->size - at ? fs->at + at : NULL;
}

err_t erofs_open(struct erofs *fs, const void *at, uint64_t size, const char **why)
{
    const uint8_t *s;
    uint32_t features;

    *fs = (struct erofs){ .at = at, .size = size };
    s = bytes_at(fs, SUPER_AT, SUPER_BYTES);
    *why = "byte 1024: no EROFS superblock";
    if (!s || get_le32(s) != MAGIC)
        return ERR_FORMAT;
    features = get_le32(s + 80);
    *why = features & 0x1A ? "byte 1104: it is compressed, which is not supported" : "byte 1104: a feature that is not supported";
    if (features & ~FEATURES_READ)
        return ERR_UNSUPPORTED;
    *why = "byte 1036: its blocks are not of 4 KiB";
    if (s[12] != 12 || s[90])
        return ERR_UNSUPPORTED;
    *why = "byte 1110: it lies on more than one device";
    if (get_le16(s + 86))
        return ERR_UNSUPPORTED;
    fs->root = get_le16(s + 14);
    fs->made = (int64_t)get_le64(s + 24);
    fs->meta = get_le32(s + 40) * (uint64_t)EROFS_BLOCK;
    *why = "byte 1060: it is longer than its place";
    if (get_le32(s + 36) > size / EROFS_BLOCK || fs->meta >= size)
        return ERR_FORMAT;
    *why = "";
    return OK;
}

/* --- inodes ---------------------------------------------------------------------------------------------------------- */
static void inode_compact(struct erofs_inode *i, const uint8_t *p)
{
    i->nlink = get_le16(p + 6);
    i->size = get_le32(p + 8);
    i->uid = get_le16(p + 24);
    i->gid = get_le16(p + 26);
}

static void inode_extended(struct erofs_inode *i, const uint8_t *p)
{
    i->size = get_le64(p + 8);
    i->uid = get_le32(p + 24);
    i->gid = get_le32(p + 28);
    i->mtime = (int64_t)get_le64(p + 32);
    i->mtime_nsec = get_le32(p + 40);
    i->nlink = get_le32(p + 44);
}

/* Where contents lie: u is the inode's word about it, behind the inode with its attributes. */
static err_t inode_layout(const struct erofs *fs, struct erofs_inode *i, uint32_t u, uint64_t behind)
{
    uint64_t blocks = i->size / EROFS_BLOCK + (i->size % EROFS_BLOCK != 0), n;

    i->data = u * (uint64_t)EROFS_BLOCK;
    i->inlined = behind;
    switch (i->layout) {
    case LAYOUT_PLAIN: return bytes_at(fs, i->data, i->size) ? OK : ERR_FORMAT;
    case LAYOUT_INLINE:
        n = blocks ? (blocks - 1) * EROFS_BLOCK : 0;
        return bytes_at(fs, behind, i->size - n) && (!n || bytes_at(fs, i->data, n)) ? OK : ERR_FORMAT;
    case LAYOUT_CHUNKS:
        i->chunk_bits = (uint8_t)(12 + (u & 31));
        i->chunk_wide = u & 32;
        i->data = align_up(behind, i->chunk_wide ? 8 : 4);
        n = (i->size >> i->chunk_bits) + 1;
        return u & ~63u ? ERR_UNSUPPORTED : n <= fs->size && bytes_at(fs, i->data, (n - 1) * (i->chunk_wide ? 8 : 4)) ? OK : ERR_FORMAT;
    default: return ERR_UNSUPPORTED;
    }
}

err_t erofs_inode(const struct erofs *fs, uint64_t nid, struct erofs_inode *i)
{
    uint64_t at = fs->meta + nid * SLOT, attributes;
    const uint8_t *p = nid < fs->size / SLOT ? bytes_at(fs, at, 32) : NULL;
    bool extended = p && get_le16(p) & 1;
    uint32_t kind, u;

    *i = (struct erofs_inode){ .nid = nid, .mtime = fs->made };
    if (!p || (extended && !bytes_at(fs, at, 64)) || get_le16(p) >> 4)
        return ERR_FORMAT;
    i->layout = (uint8_t)(get_le16(p) >> 1 & 7);
    i->mode = get_le16(p + 4);
    if (extended)
        inode_extended(i, p);
    else
        inode_compact(i, p);
    attributes = get_le16(p + 2);
    attributes = attributes ? 12 + 4 * (attributes - 1) : 0;
    u = get_le32(p + 16);
    kind = i->mode & KIND;
    if (kind == KIND_CHAR || kind == KIND_BLOCK) {
        i->rdev = u;
        i->size = 0;
        return OK;
    }
    return i->size > (uint64_t)INT64_MAX ? ERR_FORMAT : i->size ? inode_layout(fs, i, u, at + (extended ? 64 : 32) + attributes) : OK;
}

/* --- contents -------------------------------------------------------------------------------------------------------- */
static err_t chunk_extent(const struct erofs *fs, const struct erofs_inode *i, uint64_t offset, const uint8_t **from, uint64_t *len)
{
    uint64_t width = i->chunk_wide ? 8 : 4, chunk = offset >> i->chunk_bits, in = offset & (BIT64(i->chunk_bits) - 1);
    const uint8_t *entry = bytes_at(fs, i->data + chunk * width, width);
    uint32_t block;

    if (!entry)
        return ERR_FORMAT;
    block = get_le32(entry + (i->chunk_wide ? 4 : 0));
    *len = min_u64(i->size - offset, BIT64(i->chunk_bits) - in);
    *from = NULL;
    if (block == UINT32_MAX) /* a hole */
        return OK;
    *from = bytes_at(fs, block * (uint64_t)EROFS_BLOCK + in, *len);
    return *from ? OK : ERR_FORMAT;
}

err_t erofs_extent(const struct erofs *fs, const struct erofs_inode *i, uint64_t offset, const uint8_t **from, uint64_t *len)
{
    uint64_t blocks = i->layout == LAYOUT_INLINE ? align_down(i->size - 1, EROFS_BLOCK) : i->size;

    if (offset >= i->size)
        return ERR_RANGE;
    if (i->layout == LAYOUT_CHUNKS)
        return chunk_extent(fs, i, offset, from, len);
    *len = offset < blocks ? blocks - offset : i->size - offset;
    *from = bytes_at(fs, offset < blocks ? i->data + offset : i->inlined + (offset - blocks), *len);
    return *from ? OK : ERR_FORMAT;
}

/* --- directories: blocks of entries in order of names, each followed by its names -------------------------------------------- */
struct dir_block {
    const uint8_t *at;
    uint32_t bytes, count;
};

static err_t block_get(const struct erofs *fs, const struct erofs_inode *dir, uint64_t number, struct dir_block *b)
{
    uint64_t len;
    err_t e = erofs_extent(fs, dir, number * EROFS_BLOCK, &b->at, &len);
    uint32_t names;

    if (e)
        return e;
    b->bytes = (uint32_t)min_u64(len, EROFS_BLOCK);
    names = b->at && b->bytes >= DIRENT ? get_le16(b->at + 8) : 0;
    b->count = names / DIRENT;
    return names % DIRENT || !b->count || names > b->bytes ? ERR_FORMAT : OK;
}

static err_t name_get(const struct dir_block *b, uint32_t i, struct erofs_name *n)
{
    const uint8_t *d = b->at + i * (size_t)DIRENT;
    uint32_t from = get_le16(d + 8), to = i + 1 < b->count ? get_le16(d + DIRENT + 8) : b->bytes;

    if (from < b->count * DIRENT || from >= to || to > b->bytes)
        return ERR_FORMAT;
    *n = (struct erofs_name){ .text = (const char *)b->at + from, .nid = get_le64(d), .type = d[10] };
    while (n->len < to - from && n->text[n->len]) /* the last one may be followed by zeros */
        n->len++;
    return n->len ? OK : ERR_FORMAT;
}

static int name_compare(const char *a, size_t na, const struct erofs_name *b)
{
    int c = memcmp(a, b->text, min_size(na, b->len));

    return c ? c : na < b->len ? -1 : na > b->len;
}

/* The last block whose first name is not behind `name`: it is in there or nowhere. */
static err_t block_find(const struct erofs *fs, const struct erofs_inode *dir, const char *name, size_t len, struct dir_block *b)
{
    uint64_t low = 0, high = (dir->size + EROFS_BLOCK - 1) / EROFS_BLOCK;
    struct erofs_name first;
    err_t e;

    while (high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        e = block_get(fs, dir, mid, b);
        if (!e)
            e = name_get(b, 0, &first);
        if (e)
            return e;
        if (name_compare(name, len, &first) < 0)
            high = mid;
        else
            low = mid;
    }
    return block_get(fs, dir, low, b);
}

err_t erofs_lookup(const struct erofs *fs, const struct erofs_inode *dir, const char *name, size_t len, uint64_t *nid)
{
    struct dir_block b = { 0 };
    struct erofs_name n = { 0 };
    uint32_t low = 0, high;
    err_t e;

    if ((dir->mode & KIND) != KIND_DIR || !dir->size)
        return dir->size ? ERR_FORMAT : ERR_NOTFOUND;
    e = block_find(fs, dir, name, len, &b);
    for (high = b.count; !e && low < high;) {
        uint32_t mid = low + (high - low) / 2;
        int c;
        e = name_get(&b, mid, &n);
        if (e)
            break;
        c = name_compare(name, len, &n);
        if (!c) {
            *nid = n.nid;
            return OK;
        }
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return e ? e : ERR_NOTFOUND;
}

err_t erofs_list(const struct erofs *fs, const struct erofs_inode *dir, uint64_t *at, struct erofs_name *out)
{
    uint64_t block = *at / EROFS_BLOCK, i = *at % EROFS_BLOCK; /* a block has fewer entries than bytes */
    struct dir_block b;
    err_t e;

    if ((dir->mode & KIND) != KIND_DIR)
        return ERR_FORMAT;
    if (block * EROFS_BLOCK >= dir->size)
        return ERR_NOTFOUND;
    e = block_get(fs, dir, block, &b);
    if (!e)
        e = name_get(&b, (uint32_t)i, out);
    *at = i + 1 < (e ? 0 : b.count) ? *at + 1 : (block + 1) * EROFS_BLOCK;
    return e;
}
