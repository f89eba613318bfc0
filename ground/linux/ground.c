/* What a ground owes the core, as far as an app guest's monitor uses it: ground.h. Our own bugs end the process: it serves nobody else. */
#define _GNU_SOURCE
#include "ground/ground.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/panic.h"

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("goblin: panic: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    signal(SIGABRT, SIG_DFL);
    syscall(SYS_tgkill, getpid(), gettid(), SIGABRT); /* abort() may not, once the rights are given up */
    _exit(125);
}

void *ground_alloc(size_t bytes) { return calloc(1, bytes); }

void ground_free(void *p, size_t)
{
    free(p);
}

void ground_entropy(void *buf, size_t n)
{
    if (getrandom(buf, n, 0) != (ssize_t)n)
        panic("the kernel has no random bytes");
}
