#pragma once
/* The system calls: one function each, arguments as the program's registers held them; results are Linux'. The table is calls.h. */
#include "libos/file.h"

typedef int64_t sys_fn(const uint64_t a[6]);
#define ARGS UNUSED const uint64_t a[6]
#define SYS(name) sys_fn sys_##name; int64_t sys_##name(ARGS)

/* A call on the open file that its first argument names. The file is held meanwhile; one opened with O_PATH will not do. */
#define SYS_FILE(name) \
    static int64_t file_##name(struct file *f, const uint64_t a[6]); \
    SYS(name) { return fd_call(a, file_##name); } \
    static int64_t file_##name(UNUSED struct file *f, ARGS)
static inline int64_t fd_call(const uint64_t a[6], int64_t (*call)(struct file *, const uint64_t a[6]))
{
    struct file *f = fd_held(a[0]);
    int64_t e;

    if (!f)
        return -EBADF;
    file_get(f);
    e = call(f, a);
    file_put(f);
    return e;
}

/* A path argument in the libos' memory; mem_put() it. */
int path_get(user_t from, char **out);
#define CWD ((uint64_t)AT_FDCWD)
int dir_get(uint64_t fd, const char *path, struct node **out); /* where a relative path of an ...at() call begins */
/* What an ...at() call names. flags: AT_*; AT_EMPTY_PATH: the descriptor itself. */
int node_at(uint64_t fd, user_t path, uint64_t flags, struct node **out);

struct thread *thread_by(uint64_t tid); /* NULL: none has that number */
enum { PARENT = 1 };                    /* the number of the process' parent: it is there, and nothing may be done to it */
bool is_self(uint64_t pid);             /* this process, by its number or 0 */
bool is_known(uint64_t pid);            /* that, its parent, or one of its threads */
uint64_t cpu_time(const struct thread *only); /* ns; NULL: the process' */
extern uint64_t ended_ns; /* the CPU time of threads that have ended */
void limits_init(void);
void posix_timers_end(void);
