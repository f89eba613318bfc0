/* /proc: a small and true one, and what of /sys is about CPUs. Texts are made when a file is opened. */
#include "base/fmt.h"
#include "libos/load.h"
#include "libos/node.h"
#include "libos/proc.h"
#include "libos/sys.h"

typedef unsigned long long ull;

static int64_t row_text(struct node *n, char *to, size_t room)
{
    const struct proc_row *row = &proc_rows[(uint32_t)n->arg];
    struct text t = { .to = to, .room = room, .tid = (uint32_t)(n->arg >> 32) };

    if (row->fixed)
        return (int64_t)(str_copy(to, room, row->fixed) ? strlen(row->fixed) : 0);
    row->make(&t);
    return (int64_t)t.used;
}

static const struct node_ops text_ops = { .text = row_text };
static const struct node_ops plain_ops = { 0 };

static int64_t exe_follow(UNUSED struct node *n, char *to, size_t room)
{
    return str_copy(to, room, program_path) ? 0 : -ENAMETOOLONG;
}

static int64_t cwd_follow(UNUSED struct node *n, char *to, size_t room)
{
    int64_t len = node_path(cwd, to, room);

    return len < 0 ? len : 0;
}

static int64_t root_follow(UNUSED struct node *n, char *to, size_t room)
{
    return str_copy(to, room, "/") ? 0 : -ENAMETOOLONG;
}

static int64_t self_follow(UNUSED struct node *n, char *to, size_t room)
{
    fmt_text(to, room, "%u", boot->pid);
    return 0;
}

static int64_t thread_self_follow(UNUSED struct node *n, char *to, size_t room)
{
    fmt_text(to, room, "%u/task/%u", boot->pid, current->tid);
    return 0;
}

static int64_t mounts_follow(UNUSED struct node *n, char *to, size_t room) { return str_copy(to, room, "self/mounts") ? 0 : -ENAMETOOLONG; }

static const struct node_ops thread_self_ops = { .follow = thread_self_follow }, mounts_ops = { .follow = mounts_follow };
static const struct node_ops exe_ops = { .follow = exe_follow }, cwd_ops = { .follow = cwd_follow }, root_ops = { .follow = root_follow },
                             self_ops = { .follow = self_follow };

static struct node *add(struct node *dir, const char *name, uint32_t mode, const struct node_ops *ops)
{
    struct node *n = node_child(dir, name);

    n = n ? n : node_add(dir, name, mode);
    if (n)
        n->ops = ops;
    return n;
}

/* --- /proc/self/fd: links that lead to the open file itself, whatever its name is now --- */
static int64_t fd_follow(struct node *n, char *to, size_t room)
{
    struct file *f = fd_file(n->arg);
    struct stat s;
    int64_t len;

    if (!f)
        return -ENOENT;
    if (!f->node) {
        s = stat_nameless(f);
        fmt_text(to, room, f->mode ? "socket:[%llu]" : "anon_inode:[file]", (ull)s.st_ino);
        return 0;
    }
    if (!f->node->parent && (!f->node->gone || pipe_is(f))) /* or a standard file */
        return fmt_text(to, room, node_is(f->node, S_IFCHR) ? "/dev/pts/0" : "pipe:[%llu]", (ull)f->node->ino), 0;
    len = f->node->parent ? node_path(f->node, to, room) : (int64_t)fmt_text(to, room, "/%s", f->node->name);
    if (len >= 0 && f->node->gone && (size_t)len + 11 < room)
        str_copy(to + len, room - (size_t)len, " (deleted)");
    return len < 0 ? len : 0;
}

static struct node *fd_jump(struct node *n)
{
    struct file *f = fd_file(n->arg);

    return f ? f->node : NULL;
}

static const struct node_ops fd_link_ops = { .follow = fd_follow, .jump = fd_jump };

static int64_t fdinfo_text(struct node *n, char *to, size_t room)
{
    struct file *f = fd_file(n->arg);
    uint32_t flags = !f ? 0 : f->flags | (fd_flag(n->arg, -1) ? O_CLOEXEC : 0);
    char octal[10] = { 0 }, *o = octal + 8;

    do
        *o-- = (char)('0' + (flags & 7));
    while (flags >>= 3);
    *o = '0';
    return f ? (int64_t)fmt_text(to, room, "pos:\t%llu\nflags:\t%s\nmnt_id:\t1\nino:\t%llu\n", (ull)f->pos, o,
                                 (ull)(f->node ? f->node->ino : stat_nameless(f).st_ino)) : -ENOENT;
}

static const struct node_ops fdinfo_text_ops = { .text = fdinfo_text };
static const struct node_ops fdinfo_ops;

static int fd_lookup(struct node *dir, const char *name, struct node **out)
{
    bool info = dir->ops == &fdinfo_ops;
    uint64_t fd;

    if (str_to_u64(name, &fd) || fd >= FILES_MAX || !fd_file(fd))
        return -ENOENT;
    *out = add(dir, name, info ? S_IFREG | 0400 : S_IFLNK | 0700, info ? &fdinfo_text_ops : &fd_link_ops);
    if (!*out)
        return -ENOMEM;
    (*out)->arg = fd;
    return 0;
}

static int fd_list(struct node *dir, unsigned i, char *name, uint32_t *mode)
{
    uint64_t fd = fd_next(0);

    while (i-- && fd < FILES_MAX)
        fd = fd_next(fd + 1);
    if (fd >= FILES_MAX)
        return -ENOENT;
    fmt_text(name, NAME_MAX, "%llu", (ull)fd);
    *mode = dir->ops == &fdinfo_ops ? S_IFREG | 0400 : S_IFLNK | 0700;
    return 0;
}

static const struct node_ops fd_ops = { .lookup = fd_lookup, .list = fd_list };
static const struct node_ops fdinfo_ops = { .lookup = fd_lookup, .list = fd_list };

/* --- /proc/self/task: a directory for each thread --- */
static int task_lookup(struct node *dir, const char *name, struct node **out)
{
    uint64_t tid;

    if (str_to_u64(name, &tid) || tid > UINT32_MAX || !thread_by(tid))
        return -ENOENT;
    *out = add(dir, name, S_IFDIR | 0555, &plain_ops);
    for (unsigned i = 0; *out && i < proc_row_count; i++)
        if (str_eq(proc_rows[i].path, "proc/self/status") || str_eq(proc_rows[i].path, "proc/self/stat") || str_eq(proc_rows[i].path, "proc/self/comm")) {
            struct node *n = add(*out, proc_rows[i].path + strlen("proc/self/"), S_IFREG | 0444, &text_ops);
            if (n)
                n->arg = tid << 32 | i;
        }
    return *out ? 0 : -ENOMEM;
}

static int task_list(UNUSED struct node *dir, unsigned i, char *name, uint32_t *mode)
{
    list_each (l, &threads)
        if (!i--) {
            fmt_text(name, NAME_MAX, "%u", container_of(l, struct thread, all)->tid);
            *mode = S_IFDIR | 0555;
            return 0;
        }
    return -ENOENT;
}

static const struct node_ops task_ops = { .lookup = task_lookup, .list = task_list };

static int row_add(struct node *self, unsigned i)
{
    const char *p = proc_rows[i].path, *slash;
    struct node *dir = root_node;
    char part[32];

    while (dir && (slash = strchr(p, '/'))) {
        size_t len = (size_t)(slash - p);
        memcpy(part, p, len);
        part[len] = 0;
        dir = str_eq(part, "self") ? self : dir == root_node ? node_child(dir, part) : add(dir, part, S_IFDIR | 0555, &plain_ops);
        p = slash + 1;
    }
    dir = dir ? add(dir, p, S_IFREG | 0444, &text_ops) : NULL;
    if (!dir)
        return -ENOMEM;
    dir->arg = i;
    return 0;
}

static struct node *self;

void proc_renumber(void)
{
    char pid[12], *name = mem_text(pid, fmt_text(pid, sizeof pid, "%u", boot->pid));

    if (!name)
        return; /* it stays under the old one */
    name_detach(self);
    mem_put(self->name);
    self->name = name;
    name_attach(self->parent, self);
}

int proc_init(void)
{
    struct node *proc = node_cover(root_node, "proc"), *sys = node_cover(root_node, "sys");
    char pid[12];
    int e = 0;

    fmt_text(pid, sizeof pid, "%u", boot->pid);
    self = proc ? add(proc, pid, S_IFDIR | 0555, &plain_ops) : NULL;
    if (!self || !sys)
        return -ENOMEM;
    proc->ops = sys->ops = &plain_ops;
    for (unsigned i = 0; !e && i < proc_row_count; i++)
        e = row_add(self, i);
    add(proc, "self", S_IFLNK | 0777, &self_ops);
    add(proc, "thread-self", S_IFLNK | 0777, &thread_self_ops);
    add(proc, "mounts", S_IFLNK | 0777, &mounts_ops);
    add(self, "exe", S_IFLNK | 0777, &exe_ops);
    add(self, "cwd", S_IFLNK | 0777, &cwd_ops);
    add(self, "root", S_IFLNK | 0777, &root_ops);
    add(self, "fd", S_IFDIR | 0500, &fd_ops);
    add(self, "fdinfo", S_IFDIR | 0500, &fdinfo_ops);
    add(self, "task", S_IFDIR | 0555, &task_ops);
    return e;
}
