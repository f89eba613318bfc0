#pragma once
/* A file system in a struct, as a backend for the 9P server: every operation, small limits, nothing allocated.
 * memfs.hold makes reads of empty files wait, as a console does. */
#include <string.h>
#include "ninep/server.h"

#define MEMFS_INODES 48
#define MEMFS_ENTRIES 64
#define MEMFS_DATA 2048

struct memfs_inode {
    uint32_t mode, nlink, holds; /* names and fids; a file with neither is free */
    uint32_t parent;
    uint32_t size;
    char data[MEMFS_DATA];
};
struct memfs_entry {
    bool used;
    uint32_t dir, inode;
    char name[NINEP_NAME_MAX + 1];
};
struct memfs {
    struct ninep_fs fs;
    struct memfs_inode inode[MEMFS_INODES];
    struct memfs_entry entry[MEMFS_ENTRIES];
    bool hold;
    struct ninep_req *held; /* a request that waits */
    unsigned cancelled;
};

static struct memfs *memfs_of(struct ninep_fs *fs)
{
    return container_of(fs, struct memfs, fs);
}
static struct memfs *memfs_req(struct ninep_req *r)
{
    return memfs_of(r->server->fs);
}
static struct memfs_inode *memfs_inode(struct memfs *m, const struct ninep_fid *f)
{
    return &m->inode[f->key];
}

static struct ninep_qid memfs_qid(struct memfs *m, uint32_t i)
{
    uint32_t kind = m->inode[i].mode & NINEP_S_IFMT;

    return (struct ninep_qid){ .path = i,
                               .type = kind == NINEP_S_IFDIR   ? NINEP_QTDIR
                                       : kind == NINEP_S_IFLNK ? NINEP_QTSYMLINK
                                                               : NINEP_QTFILE };
}

static struct memfs_entry *memfs_lookup(struct memfs *m, uint64_t dir, const char *name)
{
    for (unsigned i = 0; i < MEMFS_ENTRIES; i++)
        if (m->entry[i].used && m->entry[i].dir == dir && !strcmp(m->entry[i].name, name))
            return &m->entry[i];
    return NULL;
}

static bool memfs_empty(struct memfs *m, uint32_t dir)
{
    for (unsigned i = 0; i < MEMFS_ENTRIES; i++)
        if (m->entry[i].used && m->entry[i].dir == dir)
            return false;
    return true;
}

static void memfs_unlink(struct memfs *m, struct memfs_entry *e)
{
    m->inode[e->inode].nlink--;
    e->used = false;
}

static err_t memfs_enter(struct memfs *m, uint32_t dir, const char *name, uint32_t inode)
{
    struct memfs_entry *e = m->entry;

    while (e < m->entry + MEMFS_ENTRIES && e->used)
        e++;
    if (e == m->entry + MEMFS_ENTRIES)
        return ERR_FULL;
    *e = (struct memfs_entry){ .used = true, .dir = dir, .inode = inode };
    strcpy(e->name, name);
    m->inode[inode].nlink++;
    return OK;
}

static err_t memfs_make(struct ninep_req *r, uint32_t mode, const char *data, uint32_t *out)
{
    struct memfs *m = memfs_req(r);
    uint32_t i = 1;
    err_t e;

    if (!memfs_inode(m, r->fid)->nlink)
        return ERR_NOTFOUND;
    if (memfs_lookup(m, r->fid->key, r->in.name))
        return ERR_EXISTS;
    while (i < MEMFS_INODES && (m->inode[i].nlink || m->inode[i].holds))
        i++;
    if (i == MEMFS_INODES || strlen(data) > MEMFS_DATA)
        return ERR_FULL;
    memset(&m->inode[i], 0, sizeof m->inode[i]);
    m->inode[i].mode = mode;
    m->inode[i].parent = (uint32_t)r->fid->key;
    m->inode[i].size = (uint32_t)strlen(data);
    memcpy(m->inode[i].data, data, strlen(data));
    e = memfs_enter(m, (uint32_t)r->fid->key, r->in.name, i);
    if (e)
        return e;
    r->out->qid = memfs_qid(m, i);
    *out = i;
    return OK;
}

static void memfs_fid(struct memfs *m, struct ninep_fid *f, uint32_t i)
{
    m->inode[i].holds++;
    if (f->node)
        memfs_inode(m, f)->holds--;
    f->node = m;
    f->key = i;
    f->qid = memfs_qid(m, i);
}

static err_t memfs_attach(struct ninep_req *r)
{
    if (r->in.text[0] && strcmp(r->in.text, "/"))
        return ERR_NOTFOUND;
    memfs_fid(memfs_req(r), r->fid, 0);
    return OK;
}

static err_t memfs_clone(struct ninep_fs *fs, const struct ninep_fid *from, struct ninep_fid *to)
{
    struct ninep_qid qid = to->qid;

    memfs_fid(memfs_of(fs), to, (uint32_t)from->key);
    to->qid = qid;
    return OK;
}

static err_t memfs_clunk(struct ninep_fs *fs, struct ninep_fid *f)
{
    memfs_inode(memfs_of(fs), f)->holds--;
    return OK;
}

static err_t memfs_walk(struct ninep_req *r, const struct ninep_fid *from, struct ninep_fid *to, const char *name)
{
    struct memfs *m = memfs_req(r);
    struct memfs_entry *e = memfs_lookup(m, from->key, name);

    if (!strcmp(name, ".."))
        memfs_fid(m, to, memfs_inode(m, from)->parent);
    else if (e)
        memfs_fid(m, to, e->inode);
    else
        return ERR_NOTFOUND;
    return OK;
}

static err_t memfs_open(struct ninep_req *r)
{
    struct memfs_inode *i = memfs_inode(memfs_req(r), r->fid);

    if ((i->mode & NINEP_S_IFMT) == NINEP_S_IFLNK)
        return ninep_fail(r, NINEP_ELOOP);
    if (r->in.flags & NINEP_TRUNC)
        i->size = 0;
    return OK;
}

static err_t memfs_create(struct ninep_req *r)
{
    uint32_t i;
    err_t e = memfs_make(r, NINEP_S_IFREG | (r->in.mode & 0777), "", &i);

    if (!e)
        memfs_fid(memfs_req(r), r->fid, i);
    return e;
}

static void memfs_cancel(struct ninep_req *r)
{
    memfs_req(r)->held = NULL;
    memfs_req(r)->cancelled++;
}

static err_t memfs_wait(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);

    if (m->held && m->held != r)
        return ERR_BUSY;
    m->held = r;
    r->cancel = memfs_cancel;
    return ERR_AGAIN;
}

static err_t memfs_read(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);
    struct memfs_inode *i = memfs_inode(m, r->fid);

    if (m->hold && !i->size)
        return memfs_wait(r);
    if (m->held == r)
        m->held = NULL;
    if (r->in.offset < i->size)
        r->out->count = (uint32_t)min_u64(r->room, i->size - r->in.offset);
    memcpy(r->data, i->data + (r->out->count ? r->in.offset : 0), r->out->count);
    return OK;
}

static err_t memfs_write(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);
    struct memfs_inode *i = memfs_inode(m, r->fid);
    uint64_t at = r->fid->flags & NINEP_APPEND ? i->size : r->in.offset;

    if (at > MEMFS_DATA || r->in.count > MEMFS_DATA - at)
        return ninep_fail(r, 28 /* ENOSPC */);
    if (at > i->size)
        memset(i->data + i->size, 0, at - i->size);
    memcpy(i->data + at, r->in.data, r->in.count);
    i->size = (uint32_t)max_u64(i->size, at + r->in.count);
    r->out->count = r->in.count;
    if (m->held)
        ninep_req_ready(m->held);
    return OK;
}

static err_t memfs_readdir(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);

    for (uint64_t i = r->in.offset; i < MEMFS_ENTRIES; i++) {
        const struct memfs_entry *e = &m->entry[i];
        if (!e->used || e->dir != r->fid->key)
            continue;
        const struct ninep_qid q = memfs_qid(m, e->inode);
        if (!ninep_dirent_put(r->data, r->room, &r->out->count, &q, i + 1, NINEP_DT(m->inode[e->inode].mode), e->name))
            return r->out->count ? OK : ERR_INVAL;
    }
    return OK;
}

static err_t memfs_getattr(struct ninep_req *r)
{
    const struct memfs_inode *i = memfs_inode(memfs_req(r), r->fid);

    r->out->attr =
        (struct ninep_attr){ .valid = r->in.attr.valid, .mode = i->mode, .size = i->size, .nlink = i->nlink };
    return OK;
}

static err_t memfs_setattr(struct ninep_req *r)
{
    struct memfs_inode *i = memfs_inode(memfs_req(r), r->fid);

    if (r->in.flags & NINEP_SET_SIZE) {
        if (r->in.attr.size > MEMFS_DATA || (i->mode & NINEP_S_IFMT) != NINEP_S_IFREG)
            return ERR_INVAL;
        if (r->in.attr.size > i->size)
            memset(i->data + i->size, 0, r->in.attr.size - i->size);
        i->size = (uint32_t)r->in.attr.size;
    }
    if (r->in.flags & NINEP_SET_MODE)
        i->mode = (i->mode & NINEP_S_IFMT) | (r->in.attr.mode & 0777);
    return OK;
}

static err_t memfs_mkdir(struct ninep_req *r)
{
    uint32_t i;

    return memfs_make(r, NINEP_S_IFDIR | (r->in.mode & 0777), "", &i);
}

static err_t memfs_symlink(struct ninep_req *r)
{
    uint32_t i;

    return memfs_make(r, NINEP_S_IFLNK | 0777, r->in.text, &i);
}

static err_t memfs_readlink(struct ninep_req *r)
{
    const struct memfs_inode *i = memfs_inode(memfs_req(r), r->fid);

    if ((i->mode & NINEP_S_IFMT) != NINEP_S_IFLNK)
        return ERR_INVAL;
    if (i->size >= r->room)
        return ninep_fail(r, NINEP_ENAMETOOLONG);
    memcpy(r->data, i->data, i->size);
    ((char *)r->data)[i->size] = 0;
    r->out->text = r->data;
    return OK;
}

static err_t memfs_link(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);

    if (r->fid->qid.type & NINEP_QTDIR || !memfs_inode(m, r->fid)->nlink)
        return ninep_fail(r, NINEP_EPERM);
    if (!memfs_inode(m, r->dfid)->nlink)
        return ERR_NOTFOUND;
    if (memfs_lookup(m, r->dfid->key, r->in.name))
        return ERR_EXISTS;
    return memfs_enter(m, (uint32_t)r->dfid->key, r->in.name, (uint32_t)r->fid->key);
}

static bool memfs_below(struct memfs *m, uint32_t dir, uint32_t above)
{
    for (; dir; dir = m->inode[dir].parent)
        if (dir == above)
            return true;
    return above == 0;
}

static err_t memfs_renameat(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);
    struct memfs_entry *from = memfs_lookup(m, r->fid->key, r->in.name);
    struct memfs_entry *to = memfs_lookup(m, r->dfid->key, r->in.text);
    bool dir = from && memfs_qid(m, from->inode).type & NINEP_QTDIR;

    if (!from || !memfs_inode(m, r->dfid)->nlink)
        return ERR_NOTFOUND;
    if (to && to->inode == from->inode)
        return OK;
    if (dir && memfs_below(m, (uint32_t)r->dfid->key, from->inode))
        return ERR_INVAL;
    if (to && dir != !!(memfs_qid(m, to->inode).type & NINEP_QTDIR))
        return ninep_fail(r, dir ? NINEP_ENOTDIR : NINEP_EISDIR);
    if (to && dir && !memfs_empty(m, to->inode))
        return ninep_fail(r, NINEP_ENOTEMPTY);
    if (to)
        memfs_unlink(m, to);
    from->dir = (uint32_t)r->dfid->key;
    strcpy(from->name, r->in.text);
    if (dir)
        m->inode[from->inode].parent = from->dir;
    return OK;
}

static err_t memfs_unlinkat(struct ninep_req *r)
{
    struct memfs *m = memfs_req(r);
    struct memfs_entry *e = memfs_lookup(m, r->fid->key, r->in.name);
    bool dir = e && memfs_qid(m, e->inode).type & NINEP_QTDIR;

    if (!e)
        return ERR_NOTFOUND;
    if (dir != !!(r->in.flags & NINEP_REMOVEDIR))
        return ninep_fail(r, dir ? NINEP_EISDIR : NINEP_ENOTDIR);
    if (dir && !memfs_empty(m, e->inode))
        return ninep_fail(r, NINEP_ENOTEMPTY);
    memfs_unlink(m, e);
    return OK;
}

static err_t memfs_statfs(struct ninep_req *r)
{
    r->out->statfs = (struct ninep_statfs){ .type = 0x12345678, .bsize = 4096, .files = MEMFS_INODES, .namelen = 255 };
    return OK;
}

static err_t memfs_fsync(struct ninep_req *)
{
    return OK;
}

static const struct ninep_fs_ops memfs_ops = {
    .attach = memfs_attach,
    .clone = memfs_clone,
    .walk = memfs_walk,
    .clunk = memfs_clunk,
    .open = memfs_open,
    .create = memfs_create,
    .read = memfs_read,
    .write = memfs_write,
    .readdir = memfs_readdir,
    .getattr = memfs_getattr,
    .setattr = memfs_setattr,
    .mkdir = memfs_mkdir,
    .symlink = memfs_symlink,
    .readlink = memfs_readlink,
    .link = memfs_link,
    .renameat = memfs_renameat,
    .unlinkat = memfs_unlinkat,
    .statfs = memfs_statfs,
    .fsync = memfs_fsync,
};

static void memfs_init(struct memfs *m)
{
    memset(m, 0, sizeof *m);
    m->fs.ops = &memfs_ops;
    m->inode[0].mode = NINEP_S_IFDIR | 0755;
    m->inode[0].nlink = 1;
}

/* How many fids hold anything: 0 when all were clunked. */
static inline unsigned memfs_holds(const struct memfs *m)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MEMFS_INODES; i++)
        n += m->inode[i].holds;
    return n;
}
