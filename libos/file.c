/* Open files and the table of descriptors. */
#include "abi/image.h"
#include "libos/node.h"

struct node *cwd;
uint32_t umask_bits;

static struct {
    struct file *file;
    bool cloexec;
} fds[FILES_MAX];
static uint64_t fds_low; /* none below it is free */

struct file *file_new(const struct file_ops *ops, uint32_t flags)
{
    struct file *f = mem_get(sizeof *f);

    if (f)
        *f = (struct file){ .ops = ops, .flags = flags, .refs = 1 };
    return f;
}

void file_get(struct file *f)
{
    f->refs++;
}

void file_put(struct file *f)
{
    if (--f->refs)
        return;
    if (f->ops->close)
        f->ops->close(f);
    if (f->list)
        dirlist_free(f->list);
    mem_put(f->list);
    mem_put(f->text);
    if (f->node)
        node_put(f->node);
    mem_put(f);
}

struct file *fd_file(uint64_t fd)
{
    return fd < FILES_MAX ? fds[fd].file : NULL;
}

int64_t fd_new(struct file *f, bool cloexec, uint64_t from)
{
    uint64_t fd = max_u64(from, fds_low);

    while (fd < FILES_MAX && fds[fd].file)
        fd++;
    if (fd >= FILES_MAX) {
        file_put(f);
        return -EMFILE;
    }
    if (from <= fds_low)
        fds_low = fd + 1;
    fds[fd].file = f;
    fds[fd].cloexec = cloexec;
    return (int64_t)fd;
}

int64_t fd_close(uint64_t fd)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    fds[fd].file = NULL;
    fds_low = min_u64(fds_low, fd);
    epoll_forget(f, fd);
    file_put(f);
    return 0;
}

int64_t fd_dup_to(uint64_t from, uint64_t to, bool cloexec)
{
    struct file *f = fd_file(from);

    if (!f || to >= FILES_MAX)
        return -EBADF;
    if (from == to)
        return (int64_t)to;
    file_get(f);
    if (fds[to].file)
        fd_close(to);
    fds[to].file = f;
    fds[to].cloexec = cloexec;
    return (int64_t)to;
}

bool fd_flag(uint64_t fd, int set)
{
    if (set >= 0)
        fds[fd].cloexec = set;
    return fds[fd].cloexec;
}

uint64_t fd_next(uint64_t from)
{
    while (from < FILES_MAX && !fds[from].file)
        from++;
    return from;
}

/* --- files with a node ------------------------------------------------------------------------------------------------ */
static int64_t node_file_read(struct file *f, user_t to, uint64_t len, uint64_t *pos)
{
    int64_t n;

    if ((f->node->mode & S_IFMT) == S_IFDIR)
        return -EISDIR;
    if (f->text || f->text_len) {
        n = (int64_t)(*pos >= f->text_len ? 0 : min_u64(len, f->text_len - *pos));
        if (user_write(to, f->text + *pos, (size_t)n))
            return -EFAULT;
    } else {
        n = user_range(to, len) ? node_read(f->node, (void *)to, len, *pos) : -EFAULT;
    }
    if (n > 0)
        *pos += (uint64_t)n;
    return n;
}

static int64_t node_file_write(struct file *f, user_t from, uint64_t len, uint64_t *pos)
{
    int64_t n;

    if (f->node->ops)
        return -EINVAL;
    if (f->flags & O_APPEND)
        *pos = f->node->size;
    n = user_range(from, len) ? node_write(f->node, (const void *)from, len, *pos) : -EFAULT;
    if (n > 0)
        *pos += (uint64_t)n;
    return n;
}

static const struct file_ops node_file_ops = { .read = node_file_read, .write = node_file_write };

static int open_check(struct node *n, uint32_t flags)
{
    uint32_t kind = n->mode & S_IFMT;
    bool write = (flags & O_ACCMODE) != O_RDONLY;

    if (flags & O_PATH)
        return 0;
    if (kind == S_IFLNK)
        return -ELOOP;
    if (flags & O_DIRECTORY && kind != S_IFDIR)
        return -ENOTDIR;
    if (kind == S_IFDIR)
        return write || flags & O_CREAT ? -EISDIR : 0;
    if (kind == S_IFSOCK)
        return -ENXIO;
    if (write && !n->ops && !node_may_write(n))
        return -EROFS;
    if (n->uid != 0 && boot->uid != 0 && n->uid == boot->uid && !n->ops) {
        if ((write && !(n->mode & 0200)) || ((flags & O_ACCMODE) != O_WRONLY && !(n->mode & 0400)))
            return -EACCES;
    }
    return 0;
}

static int text_make(struct file *f)
{
    enum { TEXT_MAX = 65536 };
    char *text = mem_get(TEXT_MAX);
    int64_t n;

    if (!text)
        return -ENOMEM;
    n = f->node->ops->text(f->node, text, TEXT_MAX);
    if (n < 0) {
        mem_put(text);
        return (int)n;
    }
    f->text = text;
    f->text_len = (uint64_t)n;
    return 0;
}

static int file_of(struct node *n, uint32_t flags, bool made, struct file **out)
{
    struct file *f = file_new(&node_file_ops, flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC));
    int e = 0;

    if (!f)
        return -ENOMEM;
    f->node = n;
    node_get(n);
    if (flags & O_PATH)
        goto done;
    if (n->ops && n->ops->open)
        e = n->ops->open(n, f);
    else if (n->ops && n->ops->text)
        e = text_make(f);
    else if (!n->ops && flags & O_TRUNC && !made)
        e = node_truncate(n, 0);
    else if (!n->ops)
        e = node_open(n, flags & O_ACCMODE);
    if (e) {
        f->ops = &node_file_ops;
        file_put(f);
        return e;
    }
done:
    *out = f;
    return 0;
}

int file_open(struct node *from, const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
    char last[NAME_MAX + 1];
    struct node *n, *child;
    bool made = false;
    int e;

    if ((flags & O_TMPFILE) == O_TMPFILE)
        return -EOPNOTSUPP;
    if (flags & O_CREAT) {
        e = node_walk(from, path, WALK_PARENT | (flags & (O_NOFOLLOW | O_EXCL) ? WALK_NOFOLLOW : 0), &n, &child, last);
        if (!e && child && flags & O_EXCL)
            e = -EEXIST;
        if (!e && !child) {
            e = node_make(n, last, S_IFREG | (mode & 07777 & ~umask_bits), &child);
            made = true;
        }
        n = child;
    } else {
        e = node_walk(from, path, flags & O_NOFOLLOW ? WALK_NOFOLLOW : 0, &n, NULL, NULL);
    }
    if (!e && !made)
        e = open_check(n, flags);
    return e ? e : file_of(n, flags, made, out);
}

int64_t file_read_at(struct file *f, void *to, uint64_t len, uint64_t offset)
{
    if (!f->node || (f->node->mode & S_IFMT) != S_IFREG)
        return -ENODEV;
    return node_read(f->node, to, len, offset);
}

bool file_rewritten(const struct file *f)
{
    return f && f->node && f->node->lower && !f->node->memory && boot->image_flags & IMAGE_REWRITTEN;
}

int64_t file_map_direct(struct file *f, uint64_t addr, uint64_t len, unsigned prot, bool shared, uint64_t offset)
{
    struct node *n = f->node;
    int64_t e;

    if (!n || n->ops || (n->mode & S_IFMT) != S_IFREG)
        return -ENODEV;
    /* what may be written through the mapping, or by others while it is mapped */
    if (shared && !node_direct(n->m) && !n->object && (n->memory || (f->flags & O_ACCMODE) != O_RDONLY)) {
        e = object_make(n);
        if (e)
            return e;
    }
    if (n->object)
        return object_map(n, addr, len, prot | (shared ? APP_SHARED : 0), offset);
    if (n->lower && !n->memory)
        return shared && prot & APP_WRITE ? -ENODEV : image_map(n, addr, len, prot, offset);
    if (n->memory || !n->m)
        return -ENODEV;
    e = node_open(n, shared && prot & APP_WRITE ? O_RDWR : O_RDONLY);
    if (e)
        return e;
    if (shared && n->m->flags & (APP_MOUNT_LAYER | APP_MOUNT_READONLY) && prot & APP_WRITE)
        return -ENODEV;
    e = gate(addr, len, prot | (shared ? APP_SHARED : 0), (uint64_t)n->m->number << 32 | n->open_fid, offset, APP_MAP_FILE);
    return e == 0 ? 0 : e == APP_NOMEM ? -ENOMEM : -ENODEV;
}
