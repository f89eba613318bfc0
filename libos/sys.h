#pragma once
/* The system calls: one function each, arguments as the program's registers held them; results are Linux'. The rows are in syscall.c. */
#include "libos/file.h"

typedef int64_t sys_fn(const uint64_t a[6]);

#define SYS_MAX 470u
struct sys_row {
    const char *name;
    sys_fn *fn;
    const char *args; /* one letter each: f descriptor, i number, x flags, p path, a address, n length */
};
extern const struct sys_row sys_rows[SYS_MAX];

/* A path argument in the libos' memory; mem_put() it. */
int path_get(user_t from, char **out);
int dir_get(uint64_t fd, const char *path, struct node **out); /* where a relative path of an ...at() call begins */

struct thread *thread_by(uint64_t tid); /* NULL: none has that number */
uint64_t cpu_time(const struct thread *only); /* ns; NULL: the process' */
extern uint64_t ended_ns; /* the CPU time of threads that have ended */
void limits_init(void);
void posix_timers_end(void);

#define SYS(name) sys_fn sys_##name; int64_t sys_##name(const uint64_t a[6])
sys_fn sys_readv, sys_writev;
