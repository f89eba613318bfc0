/* A guest's own files on a socket: ctl.h. A connection has a thread of its own; what they share is under `lock`, which also
 * serialises all use of the tree. */
#define _GNU_SOURCE
#include "ground/linux/ctl.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "base/bytes.h"
#include "base/str.h"
#include "ground/linux/guest.h"
#include "ns/vm.h"

#define CONNECTIONS 16u
#define MSIZE 8192u
#define FIDS 64u
#define SAMPLE_NS 500000000u
#define STACK_BYTES KIB(64)

struct connection {
    int fd; /* -1: free */
    struct ninep_server server;
    struct ninep_fid fids[FIDS];
    struct ninep_req reqs[2]; /* one may wait, and there is still room for its Tflush */
    uint8_t ask[2][MSIZE];
    unsigned next; /* which of ask is free */
    uint8_t answer[MSIZE + NINEP_MSIZE_MIN];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    /* fixed after ctl_open() */
    struct app *guest;
    const struct guest_config *cfg;
    int listener, statm;
    char dir[80], name[40];
    struct sockaddr_un at;
    uint64_t began;
    /* under lock */
    struct ns_vm tree;
    struct ns_guest files;
    struct connection *connection[CONNECTIONS];
    bool ended;
    bool late; /* a clone's socket is still to be made. atomically */
    char why[64];
    uint64_t sampled, sampled_cpu;
    unsigned percent;
} ctl = { .listener = -1 };

/* --- the guest as the tree asks for it; under lock --- */

static uint64_t cpu_now(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* What the process has of the machine's memory: the guest's and the monitor's own. */
static uint64_t resident(void)
{
    char text[64] = "";
    unsigned long long size = 0, pages = 0;

    if (pread(ctl.statm, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%llu %llu", &size, &pages) != 2)
        return 0;
    return pages * PAGE_SIZE;
}

static void status(struct ns_guest *, struct ns_status *s)
{
    uint64_t now = guest_now(), cpu = cpu_now();

    if (now - ctl.sampled >= SAMPLE_NS) {
        ctl.percent = (unsigned)((cpu - ctl.sampled_cpu) * 100 / (now - ctl.sampled));
        ctl.sampled = now;
        ctl.sampled_cpu = cpu;
    }
    s->kind = "app";
    s->on = !ctl.ended;
    s->state = ctl.ended ? "off" : ctl.guest->frozen ? "template" : "running";
    if (ctl.ended)
        (void)str_copy(s->why, sizeof s->why, ctl.why);
    (void)str_copy(s->image, sizeof s->image, ctl.cfg->program);
    s->vcpus = ctl.guest->ncpus;
    s->memory = ctl.cfg->memory;
    s->used = resident();
    s->cpu = ctl.percent;
    s->cpu_ms = cpu / 1000000;
    s->up_ms = (now - ctl.began) / 1000000;
    s->starts = 1;
    s->pid = (uint64_t)getpid();
}

static err_t command(struct ns_guest *, char *text, char *why)
{
    if (str_eq(text, "power"))
        return thread_signal(getpid(), SIGTERM) ? OK : ERR_IO; /* the main thread gets the process's signals */
    if (str_eq(text, "stop")) {
        guest_end(ctl.guest, APP_EXIT_SIGNAL + SIGKILL);
        return OK;
    }
    snprintf(why, NS_WHY_MAX, "'%.40s' is no command here; write power (ends it by SIGTERM) or stop (ends it at once)", text);
    return ERR_INVAL;
}

static const struct ns_guest_ops ops = { .status = status, .command = command };

/* --- a connection --- */

/* Under lock, so it never waits: who does not read what it asked for loses the connection. */
static bool send_all(int fd, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t sent = write(fd, bytes, n);
        if (sent <= 0 && errno != EINTR)
            return false;
        bytes += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

bool receive_all(int fd, void *to, size_t n)
{
    uint8_t *bytes = to;

    while (n) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t got = read(fd, bytes, n);
        if (got < 0 && errno == EAGAIN)
            (void)poll(&p, 1, -1);
        else if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        bytes += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* One question; false: the connection is over. */
static bool serve_one(struct connection *c)
{
    uint8_t *ask = c->ask[c->next];
    uint32_t n, len;
    bool ok;

    if (!receive_all(c->fd, ask, 4))
        return false;
    n = get_le32(ask);
    if (n < NINEP_HEADER || n > MSIZE || !receive_all(c->fd, ask + 4, n - 4))
        return false;
    pthread_mutex_lock(&lock);
    ok = !ninep_server_take(&c->server, ask, n, c->answer, &len);
    if (ok && !len) /* it waits, in its place */
        c->next = !c->next;
    ok = ok && send_all(c->fd, c->answer, len);
    pthread_mutex_unlock(&lock);
    return ok;
}

static void *serve(void *arg)
{
    struct connection *c = arg;

    while (serve_one(c))
        ;
    pthread_mutex_lock(&lock);
    ninep_server_fini(&c->server);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (ctl.connection[i] == c)
            ctl.connection[i] = NULL;
    close(c->fd);
    pthread_mutex_unlock(&lock);
    free(c);
    return NULL;
}

void ctl_ready(void)
{
    int fd = accept4(ctl.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    unsigned i = 0;

    pthread_mutex_lock(&lock);
    while (i < CONNECTIONS && ctl.connection[i])
        i++;
    if (c && i < CONNECTIONS) {
        c->fd = fd;
        c->server = (struct ninep_server){ .fs = &ctl.tree.tree.fs, .fids = c->fids, .nfids = FIDS, .reqs = c->reqs, .nreqs = 2, .msize_max = MSIZE };
        ninep_server_init(&c->server);
        if (thread_start(serve, c, STACK_BYTES)) {
            ctl.connection[i] = c;
            c = NULL;
            fd = -1;
        }
    }
    pthread_mutex_unlock(&lock);
    free(c);
    if (fd >= 0)
        close(fd);
}

/* --- the socket --- */

bool guest_dir(char *path, size_t size)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    struct stat st;
    int n;

    if (run && run[0] == '/')
        n = snprintf(path, size, "%s/goblin", run);
    else
        n = snprintf(path, size, "/tmp/goblin-%u", (unsigned)getuid());
    if (n < 0 || (size_t)n >= size || (mkdir(path, 0700) && errno != EEXIST))
        return false;
    /* whoever else could write there could pretend to be our guests */
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid() && !(st.st_mode & 077);
}

static void name_set(const char *name)
{
    snprintf(ctl.name, sizeof ctl.name - 11, "%s", name); /* there may come a number behind it */
    for (char *c = ctl.name; *c; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", *c))
            *c = '_';
    if (!ctl.name[0] || ctl.name[0] == '.')
        ctl.name[0] = '_';
}

static void name_number(void)
{
    size_t n = strlen(ctl.name);

    snprintf(ctl.name + n, sizeof ctl.name - n, "-%d", (int)getpid());
}

static void path_set(void)
{
    snprintf(ctl.at.sun_path, sizeof ctl.at.sun_path, "%s/%.30s", ctl.dir, ctl.name);
}

/* The name it was given; else, when that is only this machine's, the program's. */
static void name_choose(const struct guest_config *cfg)
{
    const char *slash = strrchr(cfg->program, '/'), *name = cfg->name;
    char host[64] = "";

    (void)gethostname(host, sizeof host - 1);
    if (!*name || str_eq(name, host))
        name = slash ? slash + 1 : cfg->program;
    name_set(name);
}

/* A connection that is refused comes from a process that was killed. */
bool socket_free(const struct sockaddr_un *at)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool live = probe >= 0 && connect(probe, (const struct sockaddr *)at, sizeof *at) == 0;

    if (probe >= 0)
        close(probe);
    if (!live)
        (void)unlink(at->sun_path);
    return !live;
}

/* The socket of that name; -1: there is one already. */
static int socket_listen(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    path_set();
    if (fd < 0 || (bind(fd, (struct sockaddr *)&ctl.at, sizeof ctl.at) == 0 && listen(fd, CONNECTIONS) == 0))
        return fd;
    close(fd);
    return -1;
}

/* From here on it is this guest's. */
static void begin(void)
{
    ctl.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ctl.began = ctl.sampled = guest_now();
    ctl.sampled_cpu = cpu_now();
}

void ctl_open(struct app *g, const struct guest_config *cfg)
{
    if (!guest_dir(ctl.dir, sizeof ctl.dir - 4))
        return;
    name_choose(cfg);
    ctl.at.sun_family = AF_UNIX;
    ctl.listener = socket_listen();
    if (ctl.listener < 0) {
        if (!socket_free(&ctl.at))
            name_number();
        ctl.listener = socket_listen();
    }
    if (ctl.listener < 0)
        return;
    ctl.guest = g;
    ctl.cfg = cfg;
    begin();
    ns_vm_init(&ctl.tree);
    ctl.files = (struct ns_guest){ .ops = &ops, .name = ctl.name, .key = 1 };
    ns_vm_add(&ctl.tree, &ctl.files);
}

void ctl_leave(void)
{
    if (ctl.listener < 0)
        return;
    close(ctl.listener);
    close(ctl.statm);
    ctl.listener = -1;
    pthread_mutex_init(&lock, NULL);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (ctl.connection[i]) {
            close(ctl.connection[i]->fd);
            ctl.connection[i] = NULL;
        }
}

const char *ctl_renew(const char *name)
{
    if (!ctl.guest)
        return *name ? name : "clone";
    if (*name)
        name_set(name);
    ctl.listener = *name ? socket_listen() : -1;
    if (ctl.listener < 0)
        name_number();
    __atomic_store_n(&ctl.late, true, __ATOMIC_SEQ_CST);
    return ctl.name;
}

int ctl_fd(void)
{
    if (!__atomic_exchange_n(&ctl.late, false, __ATOMIC_SEQ_CST))
        return ctl.listener;
    begin();
    if (ctl.listener < 0)
        ctl.listener = socket_listen();
    if (ctl.listener < 0 && unlink(ctl.at.sun_path) == 0) /* our number: nobody else's that lives */
        ctl.listener = socket_listen();
    return ctl.listener;
}

const char *ctl_dir(void) { return ctl.listener < 0 ? NULL : ctl.dir; }

void ctl_close(int status, int killed)
{
    if (ctl.listener < 0)
        return;
    (void)unlink(ctl.at.sun_path);
    pthread_mutex_lock(&lock); /* for ever: the process ends */
    ctl.ended = true;
    snprintf(ctl.why, sizeof ctl.why, killed ? "ended by signal %d" : "ended with status %d", killed ? killed : status);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        struct connection *c = ctl.connection[i];
        if (!c)
            continue;
        ninep_server_retry(&c->server);
        uint32_t len = ninep_server_poll(&c->server, c->answer);
        (void)send_all(c->fd, c->answer, len);
    }
}
