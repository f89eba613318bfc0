/* Open files: their life, and those that have a node. Descriptors are in fd.c. */
#include "abi/image.h"
#include "libos/node.h"
#include "libos/user.h"
#include "libos/vma.h"

struct node *cwd;
uint32_t umask_bits;
uint64_t limits[RLIMITS][2];

struct file *file_new(const struct file_ops *ops, uint32_t flags)
{
    struct file *f = mem_get(sizeof *f);

    if (f)
        *f = (struct file){ .ops = ops, .flags = flags, .refs = 1 };
    return f;
}

void file_free(struct file *f)
{
    if (f->node && f->node->locks)
        locks_drop(f->node, f);
    if (f->node && !(f->flags & O_PATH))
        node_tell(f->node, (f->flags & O_ACCMODE) == O_RDONLY ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE);
    async_drop(f);
    if (f->ops->close)
        f->ops->close(f);
    file_list_drop(f);
    mem_put(f->text);
    if (f->node)
        node_put(f->node);
    mem_put(f);
}

/* --- files with a node ------------------------------------------------------------------------------------------------ */
static int64_t node_file_read(struct file *f, user_t to, uint64_t len, uint64_t *pos)
{
    int64_t n;

    if (node_is(f->node, S_IFDIR))
        return -EISDIR;
    if (f->text || f->text_len) {
        n = (int64_t)(*pos >= f->text_len ? 0 : min_u64(len, f->text_len - *pos));
        if (user_write(to, f->text + *pos, (size_t)n))
            return -EFAULT;
    } else {
        n = user_range(to, len) ? node_read(f->node, (void *)to, len, *pos) : -EFAULT;
    }
    if (n > 0) {
        *pos += (uint64_t)n;
        node_tell(f->node, IN_ACCESS);
    }
    return n;
}

/* What keeps bytes from being written there; a write over the size limit is cut short. */
static int64_t write_check(const struct node *n, uint64_t pos, uint64_t *len)
{
    uint64_t limit = limits[RLIMIT_FSIZE][0];

    if (n->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) || (n->seals & F_SEAL_GROW && pos + *len > n->size))
        return -EPERM;
    if ((int64_t)pos < 0)
        return -EINVAL;
    if (pos + *len > INT64_MAX)
        return pos >= INT64_MAX ? -EFBIG : -EINVAL;
    if (*len && pos + *len > limit) {
        if (pos >= limit)
            signal_post(current, SIGXFSZ, NULL);
        *len = pos < limit ? limit - pos : 0;
    }
    return *len || pos < limit ? 0 : -EFBIG;
}

static int64_t node_file_write(struct file *f, user_t from, uint64_t len, uint64_t *pos)
{
    int64_t n;

    if (f->node->ops)
        return -EINVAL;
    if (f->flags & O_APPEND) {
        node_refresh(f->node);
        *pos = f->node->size;
    }
    n = write_check(f->node, *pos, &len);
    if (n)
        return n;
    n = user_range(from, len) ? node_write(f->node, (const void *)from, len, *pos) : -EFAULT;
    if (n > 0) {
        *pos += (uint64_t)n;
        node_tell(f->node, IN_MODIFY);
    }
    return n;
}

static const struct file_ops node_file_ops = { .read = node_file_read, .write = node_file_write };

static int open_check(struct node *n, uint32_t flags)
{
    uint32_t kind = n->mode & S_IFMT;
    bool write = (flags & O_ACCMODE) != O_RDONLY;

    if (flags & O_DIRECTORY && kind != S_IFDIR)
        return -ENOTDIR;
    if (flags & O_PATH)
        return 0;
    if (kind == S_IFLNK)
        return -ELOOP;
    if (kind == S_IFDIR)
        return write || flags & O_CREAT ? -EISDIR : 0;
    if (kind == S_IFSOCK || ((kind == S_IFCHR || kind == S_IFBLK) && !n->ops))
        return -ENXIO; /* the host's devices are not the guest's; its FIFOs' names may be used, as on NFS, among those in the guest */
    if (write && !n->ops && !node_may_write(n))
        return -EROFS;
    if (n->uid != 0 && n->uid == user_id.effective && !n->ops) {
        if ((write && !(n->mode & 0200)) || ((flags & O_ACCMODE) != O_WRONLY && !(n->mode & 0400)))
            return -EACCES;
    }
    return 0;
}

static int text_make(struct file *f)
{
    for (size_t room = 16384; room <= MIB(64); room *= 4) {
        char *text = mem_get(room);
        int64_t n = text ? f->node->ops->text(f->node, text, room) : -ENOMEM;
        if (n >= 0 && (size_t)n < room - 1) {
            f->text = text;
            f->text_len = (uint64_t)n;
            return 0;
        }
        mem_put(text); /* it did not fit, perhaps */
        if (n < 0)
            return (int)n;
    }
    return -ENOMEM;
}

static int contents_open(struct node *n, struct file *f, uint32_t flags, bool made)
{
    if (n->ops && n->ops->open)
        return n->ops->open(n, f);
    if (n->ops && n->ops->text)
        return text_make(f);
    if (node_is(n, S_IFIFO))
        return fifo_open(n, f);
    if (n->ops)
        return 0;
    return flags & O_TRUNC && !made ? node_truncate(n, 0) : node_open(n, flags & O_ACCMODE);
}

static int file_of(struct node *n, uint32_t flags, bool made, struct file **out)
{
    struct file *f = file_new(&node_file_ops, (flags & ~(uint32_t)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_NOCTTY)) | (flags & O_PATH ? 0 : O_LARGEFILE));
    int e;

    if (!f)
        return -ENOMEM;
    f->node = n;
    node_get(n);
    e = flags & O_PATH ? 0 : contents_open(n, f, flags, made);
    if (e) {
        f->ops = &node_file_ops;
        file_put(f);
        return e;
    }
    if (!(flags & O_PATH))
        node_tell(n, IN_OPEN);
    *out = f;
    return 0;
}

struct file *file_nameless(struct node *n, uint32_t flags)
{
    struct file *f = NULL;

    return file_of(n, flags, true, &f) ? NULL : f;
}

static int tmpfile_open(struct node *from, const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
    struct node *dir = NULL, *n = NULL;
    int e = (flags & O_ACCMODE) == O_RDONLY ? -EINVAL : node_walk(from, path, 0, &dir, NULL, NULL);

    if (!e && !node_is(dir, S_IFDIR))
        e = -ENOTDIR;
    if (!e && (node_direct(dir->m) || dir->ops))
        e = -EOPNOTSUPP;
    if (!e)
        e = !node_may_write(dir) ? -EROFS : node_nameless("#tmpfile", dir, S_IFREG | (mode & 07777 & ~umask_bits), &n);
    return e ? e : file_of(n, flags & ~(uint32_t)O_TMPFILE, true, out);
}

int file_open(struct node *from, const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
    char last[NAME_MAX + 1];
    struct node *n, *child;
    bool made = false;
    int e;

    if ((flags & O_TMPFILE) == O_TMPFILE)
        return tmpfile_open(from, path, flags, mode, out);
    if (flags & O_PATH) /* nothing else counts but these */
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (flags & O_CREAT && flags & O_DIRECTORY)
        return -EINVAL;
    if (flags & O_CREAT && path[0] && path[strlen(path) - 1] == '/')
        return -EISDIR;
    if (flags & O_CREAT) {
        e = node_walk(from, path, WALK_PARENT | (flags & (O_NOFOLLOW | O_EXCL) ? WALK_NOFOLLOW : 0), &n, &child, last);
        if (!e && child && flags & O_EXCL)
            e = -EEXIST;
        if (!e && !child) {
            e = node_make(n, last, S_IFREG | (mode & 07777 & ~umask_bits), &child);
            made = true;
        }
        n = e ? NULL : node_real(child);
    } else {
        e = node_walk(from, path, flags & O_NOFOLLOW ? WALK_NOFOLLOW : 0, &n, NULL, NULL);
    }
    if (!e && !made)
        e = open_check(n, flags);
    return e ? e : file_of(n, flags, made, out);
}

int64_t file_read_at(struct file *f, void *to, uint64_t len, uint64_t offset)
{
    if (!f->node || !node_is(f->node, S_IFREG))
        return -ENODEV;
    return node_read(f->node, to, len, offset);
}

bool file_in_image(const struct file *f) { return f && f->node && f->node->lower && !f->node->memory && !f->node->object; }
bool file_rewritten(const struct file *f) { return file_in_image(f) && boot->image_flags & IMAGE_REWRITTEN; }

int64_t file_map_direct(struct file *f, uint64_t addr, uint64_t len, unsigned prot, bool shared, uint64_t offset)
{
    struct node *n = f->node;
    int64_t e;

    if (!n || n->ops || !node_is(n, S_IFREG))
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
    e = maps_call(APP_MAP_FILE, addr, len, prot | (shared ? APP_SHARED : 0), (uint64_t)n->m->number << 32 | n->open_fid, offset);
    return e == 0 ? 0 : e == APP_NOMEM ? -ENOMEM : -ENODEV;
}
