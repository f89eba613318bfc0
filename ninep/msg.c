/* The layouts of all 9P2000.L messages, and the one encoder and the one decoder that follow them. */
#include "ninep/msg.h"
#include "base/bytes.h"
#include "base/str.h"

enum kind {
    END,
    U8,
    U16,
    U32,
    U64,
    NAME,  /* a file's name */
    TEXT,  /* any text without a 0 byte */
    DATA,  /* count[4] and as many bytes: msg.count, msg.data */
    NAMES, /* n[2] and as many names to walk: msg.nwalk, msg.wname */
    QIDS,  /* n[2] and as many qids: msg.nwalk, msg.wqid */
    REST,  /* 32 bits that older senders leave out: ignored, and not sent */
};

struct field {
    uint8_t kind;
    uint16_t at; /* offset in struct ninep_msg */
};

/* A field whose C type has not the size that the wire needs does not compile. */
#define SIZE_IS(f, n) (0 * sizeof(char[sizeof(((struct ninep_msg *)0)->f) == (n) ? 1 : -1]))
#define FIELD(kind, f, n)                                                                                              \
    {                                                                                                                  \
        kind, (uint16_t)(offsetof(struct ninep_msg, f) + SIZE_IS(f, n))                                                \
    }
#define u8(f) FIELD(U8, f, 1)
#define u16(f) FIELD(U16, f, 2)
#define u32(f) FIELD(U32, f, 4)
#define u64(f) FIELD(U64, f, 8)
#define name(f) FIELD(NAME, f, sizeof(char *))
#define text(f) FIELD(TEXT, f, sizeof(char *))
#define time(f) u64(f.sec), u64(f.nsec)
#define QID_ u8(qid.type), u32(qid.version), u64(qid.path)
#define DATA_ FIELD(DATA, data, sizeof(void *))

/* ROW(TWALK, fields...): what a message carries behind its header, in order. An answer is its question + 1. */
#define ROW(type, ...) [NINEP_##type] = (const struct field[]){ __VA_ARGS__ __VA_OPT__(, ){ END, 0 } }

static const struct field *const layouts[NINEP_TYPES] = {
    ROW(RLERROR, u32(ecode)),
    ROW(TSTATFS, u32(fid)),
    ROW(TSTATFS + 1, u32(statfs.type), u32(statfs.bsize), u64(statfs.blocks), u64(statfs.bfree),
        u64(statfs.bavail), u64(statfs.files), u64(statfs.ffree), u64(statfs.fsid), u32(statfs.namelen)),
    ROW(TLOPEN, u32(fid), u32(flags)),
    ROW(TLOPEN + 1, QID_, u32(iounit)),
    ROW(TLCREATE, u32(fid), name(name), u32(flags), u32(mode), u32(gid)),
    ROW(TLCREATE + 1, QID_, u32(iounit)),
    ROW(TSYMLINK, u32(fid), name(name), text(text), u32(gid)),
    ROW(TSYMLINK + 1, QID_),
    ROW(TMKNOD, u32(fid), name(name), u32(mode), u32(major), u32(minor), u32(gid)),
    ROW(TMKNOD + 1, QID_),
    ROW(TRENAME, u32(fid), u32(dfid), name(name)),
    ROW(TRENAME + 1),
    ROW(TREADLINK, u32(fid)),
    ROW(TREADLINK + 1, text(text)),
    ROW(TGETATTR, u32(fid), u64(attr.valid)),
    ROW(TGETATTR + 1, u64(attr.valid), QID_, u32(attr.mode), u32(attr.uid), u32(attr.gid), u64(attr.nlink),
        u64(attr.rdev), u64(attr.size), u64(attr.blksize), u64(attr.blocks), time(attr.atime), time(attr.mtime),
        time(attr.ctime), time(attr.btime), u64(attr.gen), u64(attr.data_version)),
    ROW(TSETATTR, u32(fid), u32(flags), u32(attr.mode), u32(attr.uid), u32(attr.gid), u64(attr.size),
        time(attr.atime), time(attr.mtime)),
    ROW(TSETATTR + 1),
    ROW(TREADDIR, u32(fid), u64(offset), u32(count)),
    ROW(TREADDIR + 1, DATA_),
    ROW(TFSYNC, u32(fid), { REST, 0 }),
    ROW(TFSYNC + 1),
    ROW(TLOCK, u32(fid), u8(kind), u32(flags), u64(offset), u64(size), u32(pid), text(text)),
    ROW(TLOCK + 1, u8(status)),
    ROW(TGETLOCK, u32(fid), u8(kind), u64(offset), u64(size), u32(pid), text(text)),
    ROW(TGETLOCK + 1, u8(kind), u64(offset), u64(size), u32(pid), text(text)),
    ROW(TLINK, u32(dfid), u32(fid), name(name)),
    ROW(TLINK + 1),
    ROW(TMKDIR, u32(fid), name(name), u32(mode), u32(gid)),
    ROW(TMKDIR + 1, QID_),
    ROW(TRENAMEAT, u32(fid), name(name), u32(dfid), name(text)),
    ROW(TRENAMEAT + 1),
    ROW(TUNLINKAT, u32(fid), name(name), u32(flags)),
    ROW(TUNLINKAT + 1),
    ROW(TVERSION, u32(msize), text(text)),
    ROW(TVERSION + 1, u32(msize), text(text)),
    ROW(TAUTH, u32(dfid), text(name), text(text), u32(uid)),
    ROW(TAUTH + 1, QID_),
    ROW(TATTACH, u32(fid), u32(dfid), text(name), text(text), u32(uid)),
    ROW(TATTACH + 1, QID_),
    ROW(TFLUSH, u16(oldtag)),
    ROW(TFLUSH + 1),
    ROW(TWALK, u32(fid), u32(dfid), { NAMES, 0 }),
    ROW(TWALK + 1, { QIDS, 0 }),
    ROW(TREAD, u32(fid), u64(offset), u32(count)),
    ROW(TREAD + 1, DATA_),
    ROW(TWRITE, u32(fid), u64(offset), DATA_),
    ROW(TWRITE + 1, u32(count)),
    ROW(TCLUNK, u32(fid)),
    ROW(TCLUNK + 1),
    ROW(TREMOVE, u32(fid)),
    ROW(TREMOVE + 1),
};

static const struct field *fields_of(uint8_t type)
{
    return type < NINEP_TYPES ? layouts[type] : NULL;
}

/* The part of a buffer that is not used yet. */
struct span {
    uint8_t *at, *end;
};

/* The next n bytes; NULL if there are not so many. */
static uint8_t *span_take(struct span *s, size_t n)
{
    uint8_t *p = s->at;

    if ((size_t)(s->end - p) < n)
        return NULL;
    s->at += n;
    return p;
}

static err_t string_check(const char *s, size_t n, enum kind kind)
{
    if (strlen(s) != n)
        return ERR_INVAL;
    if (kind == TEXT)
        return n > NINEP_TEXT_MAX ? ERR_RANGE : OK;
    if (n == 0 || strchr(s, '/') || (kind == NAME && (str_eq(s, ".") || str_eq(s, ".."))))
        return ERR_INVAL;
    return n > NINEP_NAME_MAX ? ERR_RANGE : OK;
}

static err_t string_get(struct span *s, const char **out, enum kind kind)
{
    uint8_t *head = span_take(s, 2);
    uint32_t n = head ? get_le16(head) : 0;

    if (!head || !span_take(s, n))
        return ERR_FORMAT;
    memmove(head + 1, head + 2, n);
    head[1 + n] = 0;
    *out = (const char *)head + 1;
    return string_check(*out, n, kind);
}

static err_t string_put(struct span *s, const char *text, enum kind kind)
{
    const char *from = text ? text : "";
    size_t n = strlen(from);
    err_t e = string_check(from, n, kind);
    uint8_t *to;

    if (e)
        return e;
    to = span_take(s, 2 + n);
    if (!to)
        return ERR_FULL;
    put_le16(to, (uint16_t)n);
    memmove(to + 2, from, n); /* a server makes the target of a link near its place */
    return OK;
}

static void qid_get(const uint8_t *p, struct ninep_qid *q)
{
    *q = (struct ninep_qid){ .type = p[0], .version = get_le32(p + 1), .path = get_le64(p + 5) };
}

static void qid_put(uint8_t *p, const struct ninep_qid *q)
{
    p[0] = q->type;
    put_le32(p + 1, q->version);
    put_le64(p + 5, q->path);
}

#define QID_SIZE 13u

/* Bytes on the wire of numbers, which lie in memory as there, and of the counts that other kinds begin with. */
static const uint8_t fixed_size[] = {
    [U8] = 1, [U16] = 2, [U32] = 4, [U64] = 8, [DATA] = 4, [NAMES] = 2, [QIDS] = 2, [REST] = 0,
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied");

static err_t list_get(struct span *s, struct ninep_msg *m, enum kind kind)
{
    err_t e = m->nwalk > NINEP_WALK_MAX ? ERR_FORMAT : OK;

    for (unsigned i = 0; i < m->nwalk && !e; i++) {
        uint8_t *p = kind == QIDS ? span_take(s, QID_SIZE) : NULL;

        if (p)
            qid_get(p, &m->wqid[i]);
        else
            e = kind == QIDS ? ERR_FORMAT : string_get(s, &m->wname[i], NAMES);
    }
    return e;
}

static err_t list_put(struct span *s, const struct ninep_msg *m, enum kind kind)
{
    err_t e = m->nwalk > NINEP_WALK_MAX ? ERR_INVAL : OK;

    for (unsigned i = 0; i < m->nwalk && !e; i++) {
        uint8_t *p = kind == QIDS ? span_take(s, QID_SIZE) : NULL;

        if (p)
            qid_put(p, &m->wqid[i]);
        else
            e = kind == QIDS ? ERR_FULL : string_put(s, m->wname[i], NAMES);
    }
    return e;
}

static err_t field_get(struct span *s, const struct field *f, struct ninep_msg *m)
{
    void *to = (char *)m + f->at;
    uint8_t *p;

    if (f->kind == NAME || f->kind == TEXT)
        return string_get(s, to, f->kind);
    p = span_take(s, fixed_size[f->kind]);
    if (!p)
        return ERR_FORMAT;
    switch (f->kind) {
    case DATA:
        m->count = get_le32(p);
        m->data = span_take(s, m->count);
        return m->data ? OK : ERR_FORMAT;
    case NAMES:
    case QIDS:
        m->nwalk = get_le16(p);
        return list_get(s, m, f->kind);
    case REST:
        return s->at == s->end || span_take(s, 4) ? OK : ERR_FORMAT;
    }
    memcpy(to, p, fixed_size[f->kind]);
    return OK;
}

static err_t field_put(struct span *s, const struct field *f, const struct ninep_msg *m)
{
    const void *from = (const char *)m + f->at;
    uint8_t *p, *data;

    if (f->kind == NAME || f->kind == TEXT)
        return string_put(s, *(const char *const *)from, f->kind);
    p = span_take(s, fixed_size[f->kind]);
    if (!p)
        return ERR_FULL;
    switch (f->kind) {
    case DATA:
        put_le32(p, m->count);
        data = span_take(s, m->count);
        if (!data)
            return ERR_FULL;
        if (m->count && m->data != data)
            memcpy(data, m->data, m->count);
        return OK;
    case NAMES:
    case QIDS:
        put_le16(p, m->nwalk);
        return list_put(s, m, f->kind);
    }
    memcpy(p, from, fixed_size[f->kind]);
    return OK;
}

err_t ninep_decode(void *bytes, uint32_t len, struct ninep_msg *m)
{
    struct span s = { bytes, (uint8_t *)bytes + len };
    const uint8_t *head = span_take(&s, NINEP_HEADER);
    const struct field *f;
    err_t e;

    *m = (struct ninep_msg){ .tag = NINEP_NOTAG };
    if (!head)
        return ERR_FORMAT;
    m->type = head[4];
    m->tag = get_le16(head + 5);
    if (get_le32(head) != len)
        return ERR_FORMAT;
    f = fields_of(m->type);
    if (!f)
        return ERR_UNSUPPORTED;
    for (; f->kind != END; f++) {
        e = field_get(&s, f, m);
        if (e)
            return e;
    }
    return s.at == s.end ? OK : ERR_FORMAT;
}

err_t ninep_encode(const struct ninep_msg *m, void *bytes, uint32_t room, uint32_t *len)
{
    struct span s = { bytes, (uint8_t *)bytes + room };
    uint8_t *head = span_take(&s, NINEP_HEADER);
    const struct field *f = fields_of(m->type);
    err_t e;

    if (!f)
        return ERR_UNSUPPORTED;
    if (!head)
        return ERR_FULL;
    for (; f->kind != END; f++) {
        e = field_put(&s, f, m);
        if (e)
            return e;
    }
    *len = (uint32_t)(s.at - head);
    put_le32(head, *len);
    head[4] = m->type;
    put_le16(head + 5, m->tag);
    return OK;
}

#define DIRENT_HEAD (QID_SIZE + 8 + 1 + 2)

bool ninep_dirent_put(void *data, uint32_t room, uint32_t *used, const struct ninep_qid *qid, uint64_t offset,
                      uint8_t type, const char *entry)
{
    uint8_t *p = (uint8_t *)data + *used;
    size_t n = strlen(entry);

    if (n > NINEP_NAME_MAX || *used > room || room - *used < DIRENT_HEAD + n)
        return false;
    qid_put(p, qid);
    put_le64(p + QID_SIZE, offset);
    p[QID_SIZE + 8] = type;
    put_le16(p + QID_SIZE + 9, (uint16_t)n);
    memcpy(p + DIRENT_HEAD, entry, n);
    *used += DIRENT_HEAD + (uint32_t)n;
    return true;
}

err_t ninep_dirent_get(const void *data, uint32_t count, uint32_t *used, struct ninep_dirent *d)
{
    const uint8_t *p = (const uint8_t *)data + *used;
    uint32_t n;

    if (*used > count || count - *used < DIRENT_HEAD)
        return ERR_FORMAT;
    qid_get(p, &d->qid);
    d->offset = get_le64(p + QID_SIZE);
    d->type = p[QID_SIZE + 8];
    n = get_le16(p + QID_SIZE + 9);
    if (n > count - *used - DIRENT_HEAD)
        return ERR_FORMAT;
    if (n > NINEP_NAME_MAX)
        return ERR_RANGE;
    memcpy(d->name, p + DIRENT_HEAD, n);
    d->name[n] = 0;
    *used += DIRENT_HEAD + n;
    return strlen(d->name) != n || !n || strchr(d->name, '/') ? ERR_INVAL : OK;
}
