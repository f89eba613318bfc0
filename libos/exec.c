/* execve: another program in the same process. Everything that can fail is done before the old one is touched. */
#include "libos/load.h"
#include "libos/signal.h"
#include "libos/sys.h"
#include "libos/vma.h"

#define STRING_MAX KIB(128)
#define TEXT_MAX MIB(2)
#define TEXT_STEP KIB(16)

struct text {
    char *at;
    size_t used, room;
};

static int text_add(struct text *t, user_t from)
{
    for (;;) {
        int64_t n = t->room > t->used ? user_text(t->at + t->used, from, min_size(t->room - t->used, STRING_MAX)) : -ENAMETOOLONG;
        size_t room = t->room ? 2 * t->room : TEXT_STEP;
        char *more;

        if (n >= 0) {
            t->used += (size_t)n + 1;
            return 0;
        }
        if (n != -ENAMETOOLONG)
            return (int)n;
        if (t->room - t->used >= STRING_MAX || t->room >= TEXT_MAX)
            return -E2BIG;
        more = mem_grow(t->at, t->room, room);
        if (!more)
            return -ENOMEM;
        t->at = more;
        t->room = room;
    }
}

/* A list of addresses that ends with 0; list 0: empty. */
static int list_read(struct text *t, user_t list, uint32_t *count)
{
    for (*count = 0; list; *count += 1, list += 8) {
        user_t from;
        int e = user_read(&from, list, sizeof from);

        if (e || !from)
            return e;
        e = text_add(t, from);
        if (e)
            return e;
    }
    return 0;
}

/* Threads, memory, files and signal handlers that a new program must not find. */
static void old_program_end(void)
{
    const struct vma *v;
    unsigned n;

    threads_end_others();
    for (uint64_t fd = fd_next(0); fd < FILES_MAX; fd = fd_next(fd + 1))
        if (fd_flag(fd, -1))
            fd_close(fd);
    while ((v = vma_at(0, &n)))
        if (vma_munmap(v->start, v->end - v->start))
            panic("execve: no memory to unmap the old program");
    signals_reset();
    posix_timers_end();
    thread_renew();
}

static int64_t exec(const char *path, user_t argv, user_t envp)
{
    struct program *p = mem_get(sizeof *p);
    struct program_args args = { 0 };
    struct text t = { 0 };
    struct regs r;
    int e = p ? list_read(&t, argv, &args.argc) : -ENOMEM;

    if (!e)
        e = list_read(&t, envp, &args.envc);
    args.text = t.at;
    args.size = (uint32_t)t.used;
    if (!e)
        e = program_find(path, &args, p);
    if (!e) {
        thread_name(current, path);
        old_program_end();
        if (program_map(p, &r))
            libos_exit(APP_EXIT_SIGNAL + SIGKILL); /* as Linux does: there is nothing to go back to */
        *current->regs = r;
    }
    if (p)
        program_free(p);
    mem_put(p);
    mem_put(t.at);
    return e;
}

/* The path of what an ...at() call names. */
static int path_at(uint64_t fd, const char *path, uint64_t flags, char *to)
{
    struct node *dir;
    struct file *f = *path ? NULL : fd_file(fd);
    int64_t n;
    int e;

    if (!*path) {
        if (!(flags & AT_EMPTY_PATH))
            return -ENOENT;
        return !f ? -EBADF : !f->node ? -EACCES : (n = node_path(f->node, to, PATH_MAX)) < 0 ? (int)n : 0;
    }
    if (*path == '/' || (int32_t)fd == AT_FDCWD)
        return str_copy(to, PATH_MAX, path) ? 0 : -ENAMETOOLONG;
    e = dir_get(fd, path, &dir);
    n = e ? e : node_path(dir, to, PATH_MAX);
    if (n < 0)
        return (int)n;
    to[n++] = '/';
    return str_copy(to + n, PATH_MAX - (size_t)n, path) ? 0 : -ENAMETOOLONG;
}

static int64_t exec_at(uint64_t fd, user_t path, user_t argv, user_t envp, uint64_t flags)
{
    char *given, *full;
    int64_t e = path_get(path, &given);

    if (e)
        return e;
    full = mem_get(PATH_MAX + 1);
    e = full ? path_at(fd, given, flags, full) : -ENOMEM;
    if (!e)
        e = exec(full, argv, envp);
    mem_put(full);
    mem_put(given);
    return e;
}

SYS(execve)
{
    return exec_at((uint64_t)AT_FDCWD, a[0], a[1], a[2], 0);
}

SYS(execveat)
{
    if (a[4] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return exec_at(a[0], a[1], a[2], a[3], a[4]);
}
