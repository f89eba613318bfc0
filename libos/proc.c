/* /proc: a small and true one. Texts are made when a file is opened. */
#include "base/fmt.h"
#include "libos/file.h"
#include "libos/load.h"
#include "libos/vma.h"

struct text {
    char *to;
    size_t room, used;
};

PRINTF(2, 3) static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = fmt_vtext(t->to + t->used, t->room - t->used, fmt, ap);
    va_end(ap);
    t->used = min_size(t->used + n, t->room - 1);
}

typedef unsigned long long ull;

static void maps(struct text *t)
{
    const struct vma *v;
    unsigned n;

    for (unsigned i = 0; (v = vma_at(i, &n)); i++) {
        char path[256] = "";
        if (v->file && v->file->node)
            node_path(v->file->node, path, sizeof path);
        put(t, "%08llx-%08llx %c%c%c%c %08llx 00:00 %llu %s\n", (ull)v->start, (ull)v->end, v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
            v->prot & PROT_EXEC ? 'x' : '-', v->shared ? 's' : 'p', (ull)v->offset, (ull)(v->file && v->file->node ? v->file->node->ino : 0),
            v->brk ? "[heap]" : v->start <= program_stack && program_stack < v->end ? "[stack]" : path);
    }
}

static void status(struct text *t)
{
    put(t, "Name:\t%s\nState:\tR (running)\nTgid:\t%u\nPid:\t%u\nPPid:\t1\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", current->name, boot->pid, boot->pid, boot->uid,
        boot->uid, boot->uid, boot->uid, boot->gid, boot->gid, boot->gid, boot->gid);
    put(t, "VmSize:\t%8llu kB\nVmRSS:\t%8llu kB\nThreads:\t%u\n", (ull)(vma_bytes() >> 10), (ull)(vma_bytes() >> 10), thread_count);
}

static void stat_line(struct text *t)
{
    put(t, "%u (%s) R 1 %u %u 0 -1 0 0 0 0 0 0 0 0 0 20 0 %u 0 0 %llu %llu 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        boot->pid, current->name, boot->pid, boot->pid, thread_count, (ull)vma_bytes(), (ull)(vma_bytes() >> 12));
}

static void statm(struct text *t)
{
    put(t, "%llu %llu 0 0 0 %llu 0\n", (ull)(vma_bytes() >> 12), (ull)(vma_bytes() >> 12), (ull)(vma_bytes() >> 12));
}

static void bytes_of(struct text *t, uint64_t from, uint64_t to)
{
    size_t n = min_size(to - from, t->room);

    if (!user_read(t->to, from, n))
        t->used = n;
}

static void cmdline(struct text *t) { bytes_of(t, program_args, program_args_end); }
static void environ(struct text *t) { bytes_of(t, program_args_end, program_env_end); }
static void auxv(struct text *t)
{
    uint64_t n = 0;

    while (program_auxv[n])
        n += 2;
    memcpy(t->to, program_auxv, (n + 2) * 8);
    t->used = (n + 2) * 8;
}
static void comm(struct text *t) { put(t, "%s\n", current->name); }

static void meminfo(struct text *t)
{
    uint64_t total = boot->mem_limit, used = min_u64(vma_bytes(), total);

    put(t, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\nBuffers:               0 kB\nCached:                0 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n",
        (ull)(total >> 10), (ull)((total - used) >> 10), (ull)((total - used) >> 10));
}

static void cpuid_text(struct text *t, uint32_t leaf, bool edx_before_ecx)
{
    uint32_t r[4];

    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
    if (edx_before_ecx) {
        uint32_t v[3] = { r[1], r[3], r[2] };
        put(t, "%.12s", (const char *)v);
    } else {
        put(t, "%.16s", (const char *)r);
    }
}

static void cpuinfo(struct text *t)
{
    put(t, "processor\t: 0\nvendor_id\t: ");
    cpuid_text(t, 0, true);
    put(t, "\nmodel name\t: ");
    for (uint32_t i = 0x80000002; i <= 0x80000004; i++)
        cpuid_text(t, i, false);
    put(t, "\ncpu cores\t: 1\nflags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2\n\n");
}

static void uptime(struct text *t)
{
    uint64_t cs = time_mono() / 10000000;

    put(t, "%llu.%02llu 0.00\n", (ull)(cs / 100), (ull)(cs % 100));
}

static void mounts_text(struct text *t)
{
    for (unsigned i = 0; i < boot->nmounts; i++) {
        const struct app_mount *m = &boot->mount[i];
        put(t, "%s %s %s %s 0 0\n", m->flags & APP_MOUNT_DEV ? "dev" : "9p", m->at, m->flags & APP_MOUNT_DEV ? "devtmpfs" : "9p",
            m->flags & APP_MOUNT_READONLY && !(m->flags & APP_MOUNT_LAYER) ? "ro" : "rw");
    }
    put(t, "proc /proc proc rw 0 0\n");
}

static void version(struct text *t) { put(t, "Linux version 6.1.0-goblin (goblin) #1 SMP\n"); }
static void loadavg(struct text *t) { put(t, "0.00 0.00 0.00 1/%u %u\n", thread_count, boot->pid); }
static void osrelease(struct text *t) { put(t, "6.1.0-goblin\n"); }
static void one(struct text *t) { put(t, "1\n"); }
static void zero(struct text *t) { put(t, "0\n"); }
static void stat_all(struct text *t) { put(t, "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\nbtime %llu\n", (ull)((time_wall() - time_mono()) / 1000000000u)); }

static const struct row {
    const char *path; /* "self" stands for the process' own directory */
    void (*make)(struct text *);
} rows[] = {
    { "self/maps", maps },       { "self/status", status },   { "self/stat", stat_line }, { "self/statm", statm },         { "self/cmdline", cmdline },
    { "self/environ", environ }, { "self/auxv", auxv },       { "self/comm", comm },      { "self/mounts", mounts_text },  { "meminfo", meminfo },
    { "cpuinfo", cpuinfo },      { "uptime", uptime },        { "mounts", mounts_text },  { "version", version },          { "loadavg", loadavg },
    { "stat", stat_all },        { "sys/kernel/osrelease", osrelease }, { "sys/vm/overcommit_memory", one }, { "sys/kernel/randomize_va_space", zero },
};

static int64_t row_text(struct node *n, char *to, size_t room)
{
    struct text t = { .to = to, .room = room };

    rows[n->arg].make(&t);
    return (int64_t)t.used;
}

static const struct node_ops text_ops = { .text = row_text };
static const struct node_ops plain_ops = { 0 };

static int64_t exe_follow(struct node *n, char *to, size_t room)
{
    (void)n;
    return str_copy(to, room, program_path) ? 0 : -ENAMETOOLONG;
}

static int64_t cwd_follow(struct node *n, char *to, size_t room)
{
    int64_t len = node_path(cwd, to, room);

    (void)n;

    return len < 0 ? len : 0;
}

static int64_t root_follow(struct node *n, char *to, size_t room)
{
    return (void)n, str_copy(to, room, "/") ? 0 : -ENAMETOOLONG;
}

static int64_t self_follow(struct node *n, char *to, size_t room)
{
    (void)n;
    fmt_text(to, room, "%u", boot->pid);
    return 0;
}

static const struct node_ops exe_ops = { .follow = exe_follow }, cwd_ops = { .follow = cwd_follow }, root_ops = { .follow = root_follow },
                             self_ops = { .follow = self_follow };

/* --- /proc/self/fd --- */
static int64_t fd_follow(struct node *n, char *to, size_t room)
{
    struct file *f = fd_file(n->arg);

    if (!f)
        return -ENOENT;
    if (f->node && f->node->parent) {
        int64_t len = node_path(f->node, to, room);
        return len < 0 ? len : 0;
    }
    fmt_text(to, room, "pipe:[%llu]", (ull)n->arg);
    return 0;
}

static int fd_open(struct node *n, struct file *f)
{
    struct file *of = fd_file(n->arg);

    if (!of)
        return -ENOENT;
    if (of->node && of->node->ops && of->node->ops->open)
        return of->node->ops->open(of->node, f);
    return -ENXIO;
}

static const struct node_ops fd_link_ops = { .follow = fd_follow, .open = fd_open };

static int fd_lookup(struct node *dir, const char *name, struct node **out)
{
    uint64_t fd;
    struct node *n;
    struct file *f;

    if (str_to_u64(name, &fd) || !(f = fd_file(fd)))
        return -ENOENT;
    if (f->node && !f->node->parent) { /* a standard file: its node itself, so that it can be opened */
        *out = f->node;
        return 0;
    }
    n = node_add(dir, name, S_IFLNK | 0700);
    if (!n)
        return -ENOMEM;
    n->arg = fd;
    n->ops = &fd_link_ops;
    *out = n;
    return 0;
}

static int fd_list(struct node *dir, unsigned i, char *name, uint32_t *mode)
{
    uint64_t fd = fd_next(0);

    (void)dir;
    while (i-- && fd < FILES_MAX)
        fd = fd_next(fd + 1);
    if (fd >= FILES_MAX)
        return -ENOENT;
    fmt_text(name, NAME_MAX, "%llu", (ull)fd);
    *mode = S_IFLNK | 0700;
    return 0;
}

static const struct node_ops fd_ops = { .lookup = fd_lookup, .list = fd_list };

static struct node *add(struct node *dir, const char *name, uint32_t mode, const struct node_ops *ops)
{
    struct node *n = node_add(dir, name, mode);

    if (n)
        n->ops = ops;
    return n;
}

static int row_add(struct node *proc, struct node *self, unsigned i)
{
    const char *p = rows[i].path, *slash;
    struct node *dir = proc, *next;
    char part[32];

    while ((slash = strchr(p, '/'))) {
        size_t len = (size_t)(slash - p);
        memcpy(part, p, len);
        part[len] = 0;
        next = NULL;
        if (dir == proc && str_eq(part, "self"))
            next = self;
        for (struct node *n = dir->children; !next && n; n = n->next)
            if (str_eq(n->name, part))
                next = n;
        if (!next)
            next = add(dir, part, S_IFDIR | 0555, &plain_ops);
        if (!next)
            return -ENOMEM;
        dir = next;
        p = slash + 1;
    }
    next = add(dir, p, S_IFREG | 0444, &text_ops);
    if (!next)
        return -ENOMEM;
    next->arg = i;
    return 0;
}

int proc_init(void)
{
    struct node *proc = node_cover(root_node, "proc"), *self;
    char pid[12];
    int e = 0;

    fmt_text(pid, sizeof pid, "%u", boot->pid);
    self = proc ? add(proc, pid, S_IFDIR | 0555, &plain_ops) : NULL;
    if (!self)
        return -ENOMEM;
    proc->ops = &plain_ops;
    for (unsigned i = 0; !e && i < ARRAY_LEN(rows); i++)
        e = row_add(proc, self, i);
    add(proc, "self", S_IFLNK | 0777, &self_ops);
    add(self, "exe", S_IFLNK | 0777, &exe_ops);
    add(self, "cwd", S_IFLNK | 0777, &cwd_ops);
    add(self, "root", S_IFLNK | 0777, &root_ops);
    add(self, "fd", S_IFDIR | 0500, &fd_ops);
    return e;
}
