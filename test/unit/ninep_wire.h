#pragma once
/* A client and a server joined by two buffers: one function asks and returns the answer. For tests of servers and
 * backends. */
#include <string.h>
#include "test/unit/unit.h"
#include "ninep/client.h"
#include "ninep/server.h"

#ifndef WIRE_MSIZE /* a test may want more */
#define WIRE_MSIZE 8192u
#endif
#define WIRE_FIDS 64u
#define WIRE_REQS 8u

struct wire {
    struct ninep_server server;
    struct ninep_fid fids[WIRE_FIDS];
    struct ninep_req reqs[WIRE_REQS];
    struct ninep_client client;
    struct ninep_call calls[WIRE_REQS];
    uint64_t client_fids[WIRE_FIDS / 64];
    uint8_t t[WIRE_REQS][WIRE_MSIZE], r[WIRE_MSIZE]; /* a question stays in its place until it is answered */
    unsigned wakes;
};

static inline void wire_wake(struct ninep_server *s)
{
    container_of(s, struct wire, server)->wakes++;
}

static inline uint32_t wire_send(struct wire *w, const struct ninep_msg *q, struct ninep_call **call)
{
    uint32_t len, answer;
    static uint8_t t[WIRE_MSIZE];

    assert_int_equal(ninep_client_ask(&w->client, q, t, sizeof t, &len, call), OK);
    memcpy(w->t[*call - w->calls], t, len);
    assert_int_equal(ninep_server_take(&w->server, w->t[*call - w->calls], len, w->r, &answer), OK);
    return answer;
}

/* 0, or the error number of the answer; the answer itself is in *a. */
static inline uint32_t wire_ask(struct wire *w, const struct ninep_msg *q, struct ninep_msg *a)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t len = wire_send(w, q, &call);

    assert_int_not_equal(len, 0);
    assert_int_equal(ninep_client_take(&w->client, w->r, len, &got), OK);
    assert_ptr_equal(got.call, call);
    *a = got.msg;
    return a->type == NINEP_RLERROR ? a->ecode : 0;
}

#define ASK(w, a, ...) wire_ask(w, &(struct ninep_msg){ __VA_ARGS__ }, a)

/* Version and attach; returns the root's fid. */
static inline uint32_t wire_init(struct wire *w, struct ninep_fs *fs)
{
    struct ninep_msg a;
    uint32_t root;

    memset(w, 0, sizeof *w);
    w->server = (struct ninep_server){ .fs = fs,
                                       .fids = w->fids,
                                       .nfids = WIRE_FIDS,
                                       .reqs = w->reqs,
                                       .nreqs = WIRE_REQS,
                                       .msize_max = WIRE_MSIZE,
                                       .wake = wire_wake };
    w->client = (struct ninep_client){
        .calls = w->calls, .ncalls = WIRE_REQS, .fids = w->client_fids, .nfids = WIRE_FIDS, .msize = WIRE_MSIZE
    };
    ninep_server_init(&w->server);
    ninep_client_init(&w->client);
    assert_int_equal(ASK(w, &a, .type = NINEP_TVERSION), 0);
    assert_int_equal(ninep_client_fid(&w->client, &root), OK);
    assert_int_equal(ASK(w, &a, .type = NINEP_TATTACH, .fid = root, .dfid = NINEP_NOFID, .name = "user"), 0);
    assert_int_equal(a.qid.type, NINEP_QTDIR);
    return root;
}

/* Walks from fid along a path with '/' between names to a new fid; 0 or an error number (ENOENT also for half a walk).
 */
static inline uint32_t wire_walk(struct wire *w, uint32_t fid, const char *path, uint32_t *out)
{
    struct ninep_msg q = { .type = NINEP_TWALK, .fid = fid }, a;
    char names[1024], *at = names;
    uint32_t e;

    strcpy(names, path);
    while (at && *at) {
        q.wname[q.nwalk++] = at;
        at = strchr(at, '/');
        if (at)
            *at++ = 0;
    }
    assert_int_equal(ninep_client_fid(&w->client, &q.dfid), OK);
    *out = q.dfid;
    e = wire_ask(w, &q, &a);
    return e ? e : a.nwalk < q.nwalk ? NINEP_ENOENT : 0;
}

static inline uint32_t wire_clunk(struct wire *w, uint32_t fid)
{
    struct ninep_msg a;

    return ASK(w, &a, .type = NINEP_TCLUNK, .fid = fid);
}

/* Reads a whole file of that path into text, which gets an ending 0. */
static inline uint32_t wire_cat(struct wire *w, uint32_t root, const char *path, char *text, size_t size)
{
    struct ninep_msg a;
    uint32_t fid, used = 0, e = wire_walk(w, root, path, &fid);

    if (e)
        return e;
    e = ASK(w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY);
    while (!e) {
        e = ASK(w, &a, .type = NINEP_TREAD, .fid = fid, .offset = used, .count = (uint32_t)(size - 1 - used));
        if (e || !a.count)
            break;
        memcpy(text + used, a.data, a.count);
        used += a.count;
    }
    text[used] = 0;
    wire_clunk(w, fid);
    return e;
}

/* Creates path in the directory fid with that text. */
static inline uint32_t wire_put(struct wire *w, uint32_t dir, const char *name, const char *text)
{
    struct ninep_msg a;
    uint32_t fid, e = wire_walk(w, dir, "", &fid);

    if (!e)
        e = ASK(w, &a, .type = NINEP_TLCREATE, .fid = fid, .name = name, .flags = NINEP_RDWR, .mode = 0644);
    if (!e)
        e = ASK(w, &a, .type = NINEP_TWRITE, .fid = fid, .data = text, .count = (uint32_t)strlen(text));
    wire_clunk(w, fid);
    return e;
}

/* The names in a directory, sorted as the server gives them, each followed by a space; count: bytes asked for at a
 * time. */
static inline uint32_t wire_ls(struct wire *w, uint32_t root, const char *path, uint32_t count, char *names)
{
    struct ninep_msg a;
    struct ninep_dirent d = { 0 };
    uint32_t fid, e = wire_walk(w, root, path, &fid);

    names[0] = 0;
    if (e)
        return e;
    e = ASK(w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY | NINEP_DIRECTORY);
    while (!e) {
        e = ASK(w, &a, .type = NINEP_TREADDIR, .fid = fid, .offset = d.offset, .count = count);
        if (e || !a.count)
            break;
        for (uint32_t at = 0; at < a.count;) {
            assert_int_equal(ninep_dirent_get(a.data, a.count, &at, &d), OK);
            strcat(strcat(names, d.name), " ");
        }
    }
    wire_clunk(w, fid);
    return e;
}
