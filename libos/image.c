/* The root of an app that came as an image: nodes are made from its EROFS file system, which lies in memory, without a call to the monitor.
 * Above it is a layer as above any tree that is not written to. node.c and data.c know what has a file in the image by n->lower. */
#include "libos/erofs.h"
#include "libos/node.h"
#include "libos/vma.h"

static struct erofs image;

static int error_of(err_t e)
{
    return e == OK ? 0 : e == ERR_NOTFOUND ? -ENOENT : e == ERR_UNSUPPORTED ? -EOPNOTSUPP : -EIO;
}

static void lower_take(struct node *n, struct erofs_inode *i)
{
    n->lower = i;
    n->memory = false;
    n->mode = i->mode;
    n->uid = i->uid;
    n->gid = i->gid;
    n->nlink = i->nlink;
    n->size = i->size;
    n->rdev = i->rdev;
    n->ino = i->nid;
    n->atime = n->mtime = n->ctime = (struct timespec){ i->mtime, i->mtime_nsec };
}

int image_root(struct node *root)
{
    struct erofs_inode *i = mem_get(sizeof *i);
    const char *why;
    err_t e = erofs_open(&image, (const void *)boot->image, boot->image_size, &why);

    if (!e && i) {
        e = erofs_inode(&image, image.root, i);
        why = "its root is broken";
    }
    if (e || !i || (i->mode & S_IFMT) != S_IFDIR) {
        log_line("the image's file system cannot be used: %s", e ? why : i ? "its root is no directory" : "not enough memory");
        return i ? -EIO : -ENOMEM;
    }
    lower_take(root, i);
    return 0;
}

int image_child(struct node *dir, const char *name, struct node **out)
{
    struct erofs_inode *i;
    uint64_t nid;
    int e = error_of(erofs_lookup(&image, dir->lower, name, strlen(name), &nid));

    if (e)
        return e;
    i = mem_get(sizeof *i);
    if (!i)
        return -ENOMEM;
    e = error_of(erofs_inode(&image, nid, i));
    *out = e ? NULL : node_add(dir, name, i->mode);
    if (!*out) {
        mem_put(i);
        return e ? e : -ENOMEM;
    }
    lower_take(*out, i);
    return 0;
}

int image_list(struct node *dir, struct dirlist *l)
{
    static const uint8_t types[] = { 0, 8, 4, 2, 6, 1, 12, 10 }; /* the file system's, as getdents has them */
    struct erofs_name n;
    char text[NAME_MAX + 1];
    uint64_t at = 0;
    err_t bad = OK;
    int e = 0;

    while (!e && (bad = erofs_list(&image, dir->lower, &at, &n)) == OK) {
        if (n.len > NAME_MAX)
            return -EIO;
        memcpy(text, n.text, n.len);
        text[n.len] = 0;
        if (!str_eq(text, ".") && !str_eq(text, "..") && !node_child(dir, text))
            e = dirlist_add(l, text, n.nid, n.type < ARRAY_LEN(types) ? types[n.type] : 0);
    }
    return e ? e : bad == ERR_NOTFOUND ? 0 : error_of(bad);
}

int64_t image_read(struct node *n, void *user, uint64_t len, uint64_t at)
{
    static const uint8_t zeros[PAGE_SIZE];
    const uint8_t *from;
    uint64_t have;
    int e = error_of(erofs_extent(&image, n->lower, at, &from, &have));

    if (e)
        return e;
    have = min_u64(len, from ? have : min_u64(have, sizeof zeros));
    e = user_copy(user, from ? from : zeros, have);
    return e ? e : (int64_t)have;
}

int image_link(struct node *n)
{
    const uint8_t *from;
    uint64_t len;
    int e = error_of(erofs_extent(&image, n->lower, 0, &from, &len));

    if (e || !from || len < n->size || len > PATH_MAX)
        return e ? e : -EIO;
    n->link = mem_text((const char *)from, len);
    return n->link ? 0 : -ENOMEM;
}

/* Whole pages that lie one after the other are mapped; what is left, a tail behind the inode or a hole, is copied. */
int64_t image_map(struct node *n, uint64_t addr, uint64_t len, unsigned prot, uint64_t offset)
{
    uint64_t end = addr + len, part, have;
    const uint8_t *from;
    int64_t e = 0;

    for (; addr < end && offset < n->size && !e; addr += part, offset += part) {
        e = error_of(erofs_extent(&image, n->lower, offset, &from, &have));
        if (e)
            return e;
        part = min_u64(align_down(have, PAGE_SIZE), end - addr);
        if (offset + have == n->size && from && (uint64_t)from % PAGE_SIZE == 0)
            part = min_u64(align_up(have, PAGE_SIZE), end - addr);
        if (!part || !from || (uint64_t)from % PAGE_SIZE)
            break;
        e = maps_call(APP_MAP_FILE, addr, part, prot, (uint64_t)APP_IMAGE << 32, (uint64_t)from - boot->image);
    }
    if (e || addr == end)
        return e == APP_NOMEM ? -ENOMEM : e ? -ENODEV : 0;
    e = maps_call(APP_MAP, addr, end - addr, APP_READ | APP_WRITE, 0, 0);
    if (e >= 0)
        e = node_read(n, (void *)addr, end - addr, offset);
    if (e >= 0 && !(prot & APP_WRITE))
        e = maps_call(APP_PROTECT, addr, end - addr, prot, 0, 0);
    return e < 0 ? -ENOMEM : 0;
}
