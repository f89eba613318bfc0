/* A template on Linux: the guest is frozen, and its process serves its clones from then on. A clone is a fork of that process: the kernel shares the
 * guest's memory until it is written to. A few are made ahead, each with a machine of KVM's over that memory, in which the guest has got its files anew and
 * asks the gate who it is; that call waits at the template's socket: whichever gets a connection is the clone that was asked for.
 * docs/goblin-template.md is the page.
 *
 * The template's process looks after the socket's name, after `goblin ps` and `stop`, and makes new ones; what waits dies with it, what runs does not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ground/linux/clone.h"
#include "ground/linux/ctl.h"
#include "ground/linux/guest.h"
#include "ground/linux/rights.h"

#define POOL 2u
#define BACKLOG 64
#define FAILED_REST_MS 1000
#define REST_MS 20 /* before the next one is made: the one that was just taken has the CPU first */

static int ready = -1, listener = -1, null = -1;
static char path[108];
static pid_t parent;  /* the template's process */
static int taken;     /* a clone's end of its pipe in the pool */
static int pool[POOL]; /* from each that waits: a byte when it was taken, the end when it is no more; -1: to be made */

/* --- becoming one --------------------------------------------------------------------------------------------------------------- */
int template_part(void)
{
    int ends[2], status;
    pid_t before = getpid(), pid;
    char byte;

    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC))
        return 125;
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        ready = ends[1];
        setsid();
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != before)
            _exit(125);
        return -1;
    }
    close(ends[1]);
    if (pid > 0 && read(ends[0], &byte, 1) == 1)
        return 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 125)
        return 125; /* it has said why */
    fprintf(stderr, "goblin: no template: the program ended before it opened /dev/template\n");
    return 125;
}

err_t template_open(const struct guest_config *cfg)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char *slash;

    if (!ctl_dir() || !clone_path(cfg->name, path, sizeof path)) {
        fprintf(stderr, "goblin: no directory for the template's socket: set XDG_RUNTIME_DIR to one that only you can use\n");
        return ERR_UNSUPPORTED;
    }
    slash = strrchr(path, '/');
    *slash = 0;
    (void)mkdir(path, 0700);
    *slash = '/';
    memcpy(at.sun_path, path, sizeof path);
    if (!socket_free(&at)) {
        fprintf(stderr, "goblin: there is a template %s already; `goblin stop %s` ends it\n", cfg->name, cfg->name);
        path[0] = 0;
        return ERR_EXISTS;
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (null < 0 || listener < 0 || bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, BACKLOG)) {
        fprintf(stderr, "goblin: cannot make %s: %s\n", path, strerror(errno));
        return ERR_IO;
    }
    return OK; /* whoever is sooner than the template waits */
}

void template_end(struct app *g, int status, int killed)
{
    const struct clone_answer a = { status, killed };

    if (g->client >= 0) {
        (void)!write(g->client, &a, sizeof a);
        hot_tell(g);
    }
    if (listener >= 0 && !g->ahead)
        (void)unlink(path);
}

/* --- a clone ----------------------------------------------------------------------------------------------------------------------- */
static _Noreturn void give_up(struct app *g, const char *why)
{
    dprintf(2, "goblin: no clone: %s\n", why);
    template_end(g, 125, 0);
    _exit(125);
}

/* The question, with its three descriptors in the places of ours. */
static bool ask_take(int fd, struct clone_ask *ask)
{
    union clone_files files;
    struct iovec v = { ask, sizeof *ask };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &files, .msg_controllen = sizeof files };
    int got[3];

    if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof *ask || ask->magic != CLONE_MAGIC || !m.msg_controllen ||
        files.head.cmsg_type != SCM_RIGHTS || files.head.cmsg_len != CMSG_LEN(sizeof got))
        return false;
    memcpy(got, CMSG_DATA(&files.head), sizeof got);
    for (int i = 0; i < 3; i++) {
        dup3(got[i], i, 0);
        close(got[i]);
    }
    return ask->bytes && ask->bytes <= CLONE_TEXT_MAX && ask->count && ask->count <= ask->bytes;
}

/* What the clone is to be, from the question; false: it is no question. */
static bool config_take(int fd, struct guest_config *cfg)
{
    struct clone_ask ask;
    char *text, **argv, *at;

    if (!ask_take(fd, &ask))
        return false;
    text = malloc(ask.bytes);
    argv = calloc(ask.count, sizeof *argv);
    if (!text || !argv || !receive_all(fd, text, ask.bytes) || text[ask.bytes - 1])
        return false;
    at = text;
    for (unsigned i = 0; i < ask.count; i++, at += strlen(at) + 1) {
        if (at == text + ask.bytes)
            return false;
        argv[i] = at;
    }
    cfg->name = argv[0] = (char *)(uintptr_t)ctl_renew(argv[0]);
    cfg->argv = argv;
    cfg->argc = ask.count;
    cfg->envc = 0;
    return at == text + ask.bytes;
}

/* In a process of its own: makes all that can be made ahead, and lets the guest come to template_wait(). */
static void clone_begin(struct app *g)
{
    static struct guest_config cfg;
    const unsigned rights = RIGHTS_LISTEN | (g->cfg->net != GUEST_NET_NONE ? RIGHTS_NET : 0);

    ctl_leave();
    cfg = *g->cfg;
    cfg.argc = cfg.envc = 0;
    g->template = false;
    g->ahead = true;
    g->cpus[0].shared = g->frozen->shared;
    g->frozen = NULL;
    if (ready >= 0)
        close(ready);
    ready = -1;
    if (guest_renew(g, &cfg) || rights_renew(rights))
        give_up(g, "not enough memory, or too many files are open");
    hot_touch(g);
    if (guest_go(g))
        give_up(g, "not enough memory");
}

void template_wait(struct app *g)
{
    static struct guest_config cfg;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent) /* this thread's word goes for the process */
        _exit(125);
    while ((g->client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
        if (errno != EINTR && errno != ECONNABORTED)
            _exit(125);
    (void)!write(taken, "", 1);
    close(taken);
    close(listener);
    (void)prctl(PR_SET_PDEATHSIG, 0);
    listener = -1;
    cfg = *g->cfg;
    if (!config_take(g->client, &cfg))
        _exit(125);
    if (guest_tell(g, &cfg))
        give_up(g, "not enough memory");
    g->ahead = false;
    guest_poke(); /* there is a client to look after, and a socket */
}

/* --- the template ------------------------------------------------------------------------------------------------------------------ */
/* Nothing of it runs any more, and nothing is open for it. */
static void guest_rest(struct app *g)
{
    guest_cpus_end(g);
    while (g->nchannels)
        channel_fini(&g->channels[--g->nchannels]);
    for (unsigned i = 0; i < g->cfg->nmounts; i++)
        hostfs_close(&g->hostfs[i]);
    for (int fd = 0; fd < 3; fd++)
        dup3(null, fd, 0);
}

/* Makes those that are missing; true in one that was just made. */
static bool pool_fill(struct app *g)
{
    parent = getpid();
    for (unsigned i = 0; i < POOL; i++) {
        int ends[2];
        if (pool[i] >= 0 || pipe2(ends, O_CLOEXEC))
            continue;
        if (fork() == 0) { /* if it fails, the pipe's end tells */
            for (unsigned k = 0; k < POOL; k++)
                if (pool[k] >= 0)
                    close(pool[k]);
            close(ends[0]);
            taken = ends[1];
            clone_begin(g);
            return true;
        }
        close(ends[1]);
        pool[i] = ends[0];
    }
    if (ready >= 0) {
        (void)prctl(PR_SET_PDEATHSIG, 0);
        (void)!write(ready, "", 1);
        close(ready);
        ready = -1;
    }
    return false;
}

/* How many are missing; one that ended without being taken makes the rest long. */
static unsigned pool_look(const struct pollfd *p, int *rest)
{
    unsigned missing = 0;
    char byte;

    *rest = REST_MS;
    for (unsigned i = 0; i < POOL; i++) {
        if (p[i].revents) {
            *rest = read(pool[i], &byte, 1) == 1 ? *rest : FAILED_REST_MS;
            close(pool[i]);
            pool[i] = -1;
        }
        missing += pool[i] < 0;
    }
    return missing;
}

static void signals_take(struct app *g, int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof info) == sizeof info)
        if (info.ssi_signo != SIGWINCH && info.ssi_signo != SIGCONT)
            guest_end(g, 0);
}

void template_serve(struct app *g, int signals)
{
    bool wanting = true;
    unsigned missing = 0;
    int rest = REST_MS, n;

    guest_rest(g);
    signal(SIGCHLD, SIG_IGN); /* they leave nothing behind */
    memset(pool, -1, sizeof pool);
    hot_share();
    while (!__atomic_load_n(&g->exiting, __ATOMIC_SEQ_CST)) {
        struct pollfd p[3 + POOL] = { { .fd = signals, .events = POLLIN }, { .fd = ctl_fd(), .events = POLLIN }, { .fd = guest_poked(), .events = POLLIN } };
        if (wanting && pool_fill(g))
            return;
        for (unsigned i = 0; i < POOL; i++)
            p[3 + i] = (struct pollfd){ .fd = pool[i], .events = POLLIN };
        n = poll(p, ARRAY_LEN(p), missing && !wanting ? rest : -1);
        if (p[0].revents)
            signals_take(g, signals);
        if (p[1].revents)
            ctl_ready();
        missing = pool_look(p + 3, &rest);
        wanting = missing && (n == 0 || (missing == POOL && rest == REST_MS));
    }
}
