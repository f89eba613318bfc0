/* Wanting a clone: asks a template for one, hands over the standard files, passes signals on and waits for the end. It is all that stands between a user
 * and the clone, so nothing is done here that is not needed. */
#define _GNU_SOURCE
#include "ground/linux/clone.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include "ground/linux/run.h"

static int sock;

static void on_signal(int n)
{
    const uint8_t byte = (uint8_t)n;
    int saved = errno;

    (void)!send(sock, &byte, 1, MSG_NOSIGNAL);
    errno = saved;
}

static void signals_pass(void)
{
    static const int passed[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT };
    const struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        sigaction(passed[i], &sa, NULL);
}

bool clone_path(const char *name, char *path, size_t size)
{
    char dir[80];

    return !strchr(name, '/') && guest_dir(dir, sizeof dir) && (size_t)snprintf(path, size, "%s/.templates/%s", dir, name) < size;
}

static err_t ask_send(const char *name, char *const *argv, unsigned argc)
{
    struct clone_ask ask = { .magic = CLONE_MAGIC, .bytes = (uint32_t)strlen(name) + 1, .count = argc + 1 };
    union clone_files files = { .head = { .cmsg_len = CMSG_LEN(3 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    struct iovec v = { &ask, sizeof ask };
    const struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &files, .msg_controllen = sizeof files };
    char *text, *at;
    size_t left;

    for (unsigned i = 0; i < argc; i++)
        ask.bytes += (uint32_t)min_u64(strlen(argv[i]) + 1, CLONE_TEXT_MAX);
    if (ask.bytes > CLONE_TEXT_MAX)
        return ERR_FULL;
    memcpy(CMSG_DATA(&files.head), (const int[]){ 0, 1, 2 }, 3 * sizeof(int));
    text = malloc(ask.bytes);
    if (!text)
        return ERR_NOMEM;
    at = stpcpy(text, name) + 1;
    for (unsigned i = 0; i < argc; i++)
        at = stpcpy(at, argv[i]) + 1;
    if (sendmsg(sock, &m, MSG_NOSIGNAL) != sizeof ask)
        return ERR_IO;
    for (at = text, left = ask.bytes; left;) {
        ssize_t n = send(sock, at, left, MSG_NOSIGNAL);
        if (n <= 0)
            return ERR_IO;
        at += n;
        left -= (size_t)n;
    }
    free(text);
    return OK;
}

static err_t template_find(const char *from)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    bool there = clone_path(from, at.sun_path, sizeof at.sun_path);

    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (there && sock >= 0 && connect(sock, (struct sockaddr *)&at, sizeof at) == 0)
        return OK;
    fprintf(stderr, "goblin: there is no template %s; `goblin template %s ...` makes one\n", from, from);
    return ERR_NOTFOUND;
}

err_t guest_clone(const char *from, const char *name, char *const *argv, unsigned argc, int *status, int *killed)
{
    struct clone_answer answer = { .killed = SIGKILL };
    struct termios tty;
    err_t e = template_find(from);
    bool terminal = tcgetattr(0, &tty) == 0;

    if (e)
        return e;
    signals_pass();
    e = ask_send(name, argv, argc);
    if (e) {
        fprintf(stderr, "goblin: %s could not be asked for a clone: %s\n", from, e == ERR_FULL ? "too many arguments" : strerror(errno));
        return e;
    }
    (void)!recv(sock, &answer, sizeof answer, MSG_WAITALL);
    if (answer.killed == SIGKILL && terminal) /* it could not put the terminal back itself */
        tcsetattr(0, TCSANOW, &tty);
    *killed = answer.killed;
    *status = answer.killed ? 128 + answer.killed : answer.status;
    return OK;
}
