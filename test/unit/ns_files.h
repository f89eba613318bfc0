#pragma once
/* A client of a tree, for tests of ns/: whole files by name. */
#include <stdio.h>
#include "test/unit/ninep_wire.h"

struct files {
    struct wire w;
    uint32_t root;
};

static inline void files_attach(struct files *f, struct ninep_fs *fs) { f->root = wire_init(&f->w, fs); }

static inline void files_detach(struct files *f) { ninep_server_fini(&f->w.server); }

/* Walks "a/b/c" to a new fid; 0 or an error number. */
static inline uint32_t files_walk(struct files *f, const char *path, uint32_t *fid)
{
    static char copy[256];
    struct ninep_msg q = { .type = NINEP_TWALK, .fid = f->root }, a;
    uint32_t e;

    snprintf(copy, sizeof copy, "%s", path);
    for (char *name = strtok(copy, "/"); name; name = strtok(NULL, "/"))
        q.wname[q.nwalk++] = name;
    assert_int_equal(ninep_client_fid(&f->w.client, fid), OK);
    q.dfid = *fid;
    e = wire_ask(&f->w, &q, &a);
    return e ? e : a.nwalk < q.nwalk ? NINEP_ENOENT : 0;
}

static inline uint32_t files_open(struct files *f, const char *path, uint32_t flags, uint32_t *fid)
{
    struct ninep_msg a;
    uint32_t e = files_walk(f, path, fid);

    if (e)
        return e;
    e = ASK(&f->w, &a, .type = NINEP_TLOPEN, .fid = *fid, .flags = flags);
    if (e)
        assert_int_equal(ASK(&f->w, &a, .type = NINEP_TCLUNK, .fid = *fid), 0);
    return e;
}

static inline void files_close(struct files *f, uint32_t fid)
{
    struct ninep_msg a;

    (void)ASK(&f->w, &a, .type = NINEP_TCLUNK, .fid = fid);
}

static inline uint32_t files_write(struct files *f, const char *path, const char *text)
{
    struct ninep_msg a;
    uint32_t fid, e = files_open(f, path, NINEP_WRONLY, &fid);

    if (e)
        return e;
    e = ASK(&f->w, &a, .type = NINEP_TWRITE, .fid = fid, .count = (uint32_t)strlen(text), .data = text);
    files_close(f, fid);
    return e;
}

/* All of a file, up to where it ends or would wait, as a string in a static buffer. NULL: it cannot be opened or read. */
static inline const char *files_read(struct files *f, const char *path)
{
    static char text[65536];
    struct ninep_msg a;
    uint32_t fid, n = 0;

    if (files_open(f, path, NINEP_RDONLY, &fid))
        return NULL;
    do {
        if (ASK(&f->w, &a, .type = NINEP_TREAD, .fid = fid, .offset = n, .count = 4000)) {
            files_close(f, fid);
            return NULL;
        }
        memcpy(text + n, a.data, a.count);
        n += a.count;
    } while (a.count && n < 60000);
    files_close(f, fid);
    text[n] = 0;
    return text;
}

/* The names in a directory, each with a blank behind it. */
static inline const char *files_list(struct files *f, const char *path)
{
    static char text[4096];
    struct ninep_dirent d;
    struct ninep_msg a;
    uint32_t fid, used;
    uint64_t offset = 0;

    text[0] = 0;
    if (files_open(f, path, NINEP_RDONLY, &fid))
        return NULL;
    for (;;) {
        assert_int_equal(ASK(&f->w, &a, .type = NINEP_TREADDIR, .fid = fid, .offset = offset, .count = 300), 0);
        if (!a.count)
            break;
        for (used = 0; used < a.count;) {
            assert_int_equal(ninep_dirent_get(a.data, a.count, &used, &d), OK);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", d.name);
            offset = d.offset;
        }
    }
    files_close(f, fid);
    return text;
}
