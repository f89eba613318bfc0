#define _GNU_SOURCE
#include "tools/command.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/goblin.h"

extern char **environ;

/* in, out: descriptors, or -1 for /dev/null and the log. */
static pid_t command_start(const char *dir, const char *log, const char *const *argv, int in, int out)
{
    pid_t pid = fork();
    int null, to;

    if (pid)
        return pid;
    null = open("/dev/null", O_RDWR);
    to = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if ((dir && chdir(dir)) || null < 0 || to < 0)
        _exit(126);
    dup2(in < 0 ? null : in, 0);
    dup2(out < 0 ? to : out, 1);
    dup2(to, 2);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("DEBIAN_FRONTEND", "noninteractive", 1);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(2, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool command_wait(pid_t pid)
{
    int status = 0;

    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool command_run(const char *dir, const char *log, const char *const *argv)
{
    return command_wait(command_start(dir, log, argv, -1, -1));
}

bool command_pipe(const char *log, const char *const *from, const char *const *to)
{
    int ends[2];
    pid_t a, b;
    bool ok;

    if (pipe2(ends, O_CLOEXEC))
        return false;
    a = command_start(NULL, log, from, -1, ends[1]);
    b = command_start(NULL, log, to, ends[0], -1);
    close(ends[0]);
    close(ends[1]);
    ok = command_wait(a);
    return command_wait(b) && ok;
}

void log_tail(const char *log)
{
    char bytes[1024];
    int fd = open(log, O_RDONLY | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, size > (off_t)sizeof bytes ? size - (off_t)sizeof bytes : 0);

    if (n > 0)
        (void)!write(2, bytes, (size_t)n);
    close(fd);
}

bool command_exists(const char *name)
{
    const char *path = getenv("PATH");
    char at[1024];

    for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        snprintf(at, sizeof at, "%.*s/%s", (int)n, p, name);
        if (access(at, X_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}
