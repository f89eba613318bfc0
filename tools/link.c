/* 9P over a guest's socket: tools/link.h. One question at a time. */
#define _GNU_SOURCE
#include "tools/link.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/bytes.h"

static bool move_all(int fd, uint8_t *bytes, size_t n, bool in)
{
    while (n) {
        ssize_t moved = in ? recv(fd, bytes, n, 0) : send(fd, bytes, n, MSG_NOSIGNAL);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved == 0)
            errno = ECONNRESET;
        if (moved <= 0)
            return false;
        bytes += moved;
        n -= (size_t)moved;
    }
    return true;
}

static bool damaged(void)
{
    errno = EPROTO;
    return false;
}

/* Asks; the answer in *a. False: errno, also that of an Rlerror. */
static bool ask(struct link *l, const struct ninep_msg *q, struct ninep_msg *a)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t len;

    if (ninep_client_ask(&l->client, q, l->out, sizeof l->out, &len, &call))
        return damaged();
    if (!move_all(l->fd, l->out, len, false) || !move_all(l->fd, l->in, 4, true))
        return false;
    len = get_le32(l->in);
    if (len < NINEP_HEADER || len > sizeof l->in)
        return damaged();
    if (!move_all(l->fd, l->in + 4, len - 4, true))
        return false;
    if (ninep_client_take(&l->client, l->in, len, &got) || got.call != call)
        return damaged();
    *a = got.msg;
    errno = (int)a->ecode;
    return a->type != NINEP_RLERROR;
}

struct link *link_open(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    struct link *l = calloc(1, sizeof *l);
    struct ninep_msg a;

    if (!l)
        return NULL;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    l->client = (struct ninep_client){ .calls = l->calls, .ncalls = 4, .fids = l->fids, .nfids = 64, .msize = LINK_MSIZE };
    ninep_client_init(&l->client);
    if ((size_t)snprintf(at.sun_path, sizeof at.sun_path, "%s", path) >= sizeof at.sun_path)
        errno = ENAMETOOLONG;
    else if (connect(l->fd, (struct sockaddr *)&at, sizeof at) == 0 && ask(l, &(struct ninep_msg){ .type = NINEP_TVERSION }, &a) &&
             !ninep_client_fid(&l->client, &l->root) &&
             ask(l, &(struct ninep_msg){ .type = NINEP_TATTACH, .fid = l->root, .dfid = NINEP_NOFID, .name = "" }, &a))
        return l;
    link_close(l);
    return NULL;
}

void link_close(struct link *l)
{
    int error = errno;

    close(l->fd);
    free(l);
    errno = error;
}

void link_limit(struct link *l, long seconds)
{
    const struct timeval limit = { .tv_sec = seconds, .tv_usec = seconds ? 0 : 1000 }; /* zero would be for ever */

    (void)setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* Opens "NAME/file"; the new fid. */
static bool open_file(struct link *l, const char *file, uint32_t flags, uint32_t *fid)
{
    struct ninep_msg q = { .type = NINEP_TWALK, .fid = l->root, .nwalk = 2 }, a;
    const char *slash = strchr(file, '/');
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)(slash - file), file);
    if (ninep_client_fid(&l->client, fid))
        return damaged();
    q.dfid = *fid;
    q.wname[0] = name;
    q.wname[1] = slash + 1;
    if (!ask(l, &q, &a))
        return false;
    if (a.nwalk < 2) {
        errno = ENOENT;
        return false;
    }
    return ask(l, &(struct ninep_msg){ .type = NINEP_TLOPEN, .fid = *fid, .flags = flags }, &a);
}

/* Keeps errno. */
static void close_file(struct link *l, uint32_t fid)
{
    int error = errno;
    struct ninep_msg a;

    (void)ask(l, &(struct ninep_msg){ .type = NINEP_TCLUNK, .fid = fid }, &a);
    errno = error;
}

long link_read(struct link *l, const char *file, char *text, size_t size)
{
    struct ninep_msg a;
    uint32_t fid;
    bool ok;

    if (!open_file(l, file, NINEP_RDONLY, &fid))
        return -1;
    ok = ask(l, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .count = (uint32_t)min_size(size - 1, LINK_MSIZE - NINEP_WRITE_HEADER - 1) }, &a);
    if (ok) {
        memcpy(text, a.data, a.count);
        text[a.count] = 0;
    }
    close_file(l, fid);
    return ok ? (long)a.count : -1;
}

int link_write(struct link *l, const char *file, const char *text)
{
    struct ninep_msg a;
    uint32_t fid;
    bool ok;

    if (!open_file(l, file, NINEP_WRONLY, &fid))
        return -1;
    ok = ask(l, &(struct ninep_msg){ .type = NINEP_TWRITE, .fid = fid, .count = (uint32_t)strlen(text), .data = text }, &a);
    close_file(l, fid);
    return ok ? 0 : -1;
}

bool link_value(const char *text, const char *key, char *value, size_t size)
{
    size_t n = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n) == 0 && line[n] == ' ') {
            snprintf(value, size, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
            return true;
        }
    }
    snprintf(value, size, "-");
    return false;
}
