/* The server's operations for trees made of rows. A fid's node is its row, its key the row's key. */
#include "ninep/tree.h"
#include "base/fmt.h"
#include "base/panic.h"
#include "base/str.h"

static struct tree *tree_of(struct ninep_fs *fs)
{
    return container_of(fs, struct tree, fs);
}

static const struct tree_row *row_of(const struct ninep_fid *f)
{
    return f->node;
}

static struct ninep_qid qid_of(const struct tree *t, const struct tree_row *row, uint64_t key)
{
    return (struct ninep_qid){ .type = row->mode & TREE_DIR ? NINEP_QTDIR : NINEP_QTFILE,
                               .path = key * t->nrows + (uint64_t)(row - t->rows) };
}

static void fid_set(const struct tree *t, struct ninep_fid *f, const struct tree_row *row, uint64_t key)
{
    f->node = (void *)(uintptr_t)row;
    f->key = key;
    f->qid = qid_of(t, row, key);
}

static err_t op_attach(struct ninep_req *r)
{
    struct tree *t = tree_of(r->server->fs);

    if (r->in.text[0] && !str_eq(r->in.text, "/"))
        return ERR_NOTFOUND;
    fid_set(t, r->fid, t->rows, 0);
    return OK;
}

static err_t op_clone(struct ninep_fs *, const struct ninep_fid *from, struct ninep_fid *to)
{
    to->node = from->node;
    to->key = from->key;
    return OK;
}

static err_t op_clunk(struct ninep_fs *fs, struct ninep_fid *f)
{
    if (f->open && row_of(f)->close)
        row_of(f)->close(tree_of(fs), f);
    return OK;
}

static bool is_child(const struct tree *t, const struct tree_row *row, const struct tree_row *dir)
{
    return row != t->rows && (&t->rows[row->parent] == dir || (row->nests && row == dir));
}

/* Of a row without a name. */
static err_t key_find(struct tree *t, const struct tree_row *row, uint64_t parent, const char *name, uint64_t *key)
{
    char at[NINEP_NAME_MAX + 1];
    err_t e;

    if (row->find)
        return row->find(t, parent, name, key);
    *key = 0;
    do
        e = row->next(t, parent, *key, key, at);
    while (!e && !str_eq(at, name));
    return e;
}

/* The row and key of a name in a directory. */
static err_t child_find(struct tree *t, const struct ninep_fid *dir, const char *name, const struct tree_row **out, uint64_t *key)
{
    for (const struct tree_row *row = t->rows; row < t->rows + t->nrows; row++) {
        *key = dir->key;
        if (!is_child(t, row, row_of(dir)))
            continue;
        if (row->name ? !str_eq(row->name, name) : key_find(t, row, dir->key, name, key) != OK)
            continue;
        *out = row;
        return OK;
    }
    return ERR_NOTFOUND;
}

static err_t op_walk(struct ninep_req *r, const struct ninep_fid *from, struct ninep_fid *to, const char *name)
{
    struct tree *t = tree_of(r->server->fs);
    const struct tree_row *dir = row_of(from);
    uint64_t key = 0;
    err_t e;

    if (str_eq(name, "..")) {
        key = dir->name ? from->key : dir->up ? dir->up(t, from->key) : 0;
        fid_set(t, to, dir->nests && key ? dir : &t->rows[dir->parent], key);
        return OK;
    }
    e = child_find(t, from, name, &dir, &key);
    if (!e)
        fid_set(t, to, dir, key);
    return e;
}

static err_t op_mkdir(struct ninep_req *r)
{
    struct tree *t = tree_of(r->server->fs);
    const struct tree_row *row;
    uint64_t key;
    err_t e = ERR_UNSUPPORTED;

    if (child_find(t, r->fid, r->in.name, &row, &key) == OK)
        return ERR_EXISTS;
    for (row = t->rows; e == ERR_UNSUPPORTED && row < t->rows + t->nrows; row++)
        if (is_child(t, row, row_of(r->fid)) && row->make)
            e = row->make(t, r->fid->key, r->in.name);
    if (e)
        return e == ERR_UNSUPPORTED ? ninep_fail(r, NINEP_EPERM) : e;
    e = child_find(t, r->fid, r->in.name, &row, &key);
    if (!e)
        r->out->qid = qid_of(t, row, key);
    return e;
}

static err_t op_unlinkat(struct ninep_req *r)
{
    struct tree *t = tree_of(r->server->fs);
    const struct tree_row *row;
    uint64_t key;
    err_t e = child_find(t, r->fid, r->in.name, &row, &key);

    if (e)
        return e;
    if (!(row->mode & TREE_DIR) || !row->drop)
        return ninep_fail(r, NINEP_EPERM);
    return r->in.flags & NINEP_REMOVEDIR ? row->drop(t, key) : ninep_fail(r, NINEP_EISDIR);
}

/* The permission bits hold for everybody alike: who was given the tree may use it. */
static err_t op_open(struct ninep_req *r)
{
    const struct tree_row *row = row_of(r->fid);
    uint32_t access = r->in.flags & NINEP_ACCMODE;

    if ((access != NINEP_WRONLY && !(row->mode & 0444)) || (access != NINEP_RDONLY && !(row->mode & 0222)))
        return ninep_fail(r, NINEP_EACCES);
    r->fid->sized = row->size;
    return row->open ? row->open(r) : OK;
}

void tree_put(struct tree_text *x, const void *bytes, size_t n)
{
    size_t skip = (size_t)min_u64(n, x->skip), copy = min_size(n - skip, x->room);

    memcpy(x->at, (const char *)bytes + skip, copy);
    x->skip -= skip;
    x->at += copy;
    x->room -= copy;
}

void tree_print(struct tree_text *x, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = fmt_vtext(line, sizeof line, fmt, ap);
    va_end(ap);
    tree_put(x, line, min_size(n, sizeof line - 1));
}

static err_t op_read(struct ninep_req *r)
{
    const struct tree_row *row = row_of(r->fid);
    struct tree_text x = { r->data, r->room, r->in.offset };
    err_t e;

    if (row->read)
        return row->read(r);
    if (!row->print)
        return ERR_UNSUPPORTED;
    e = row->print(tree_of(r->server->fs), r->fid->key, &x);
    r->out->count = r->room - (uint32_t)x.room;
    return e;
}

err_t tree_line(const struct ninep_req *r, char line[TREE_COMMAND_MAX + 1])
{
    uint32_t n = r->in.count;

    if (n && ((const char *)r->in.data)[n - 1] == '\n')
        n--;
    if (n > TREE_COMMAND_MAX)
        return ERR_INVAL;
    memcpy(line, r->in.data, n);
    line[n] = 0;
    return strlen(line) == n ? OK : ERR_INVAL;
}

static err_t op_write(struct ninep_req *r)
{
    const struct tree_row *row = row_of(r->fid);
    char line[TREE_COMMAND_MAX + 1];

    if (row->write)
        return row->write(r);
    if (!row->command)
        return ERR_UNSUPPORTED;
    if (tree_line(r, line))
        return ERR_INVAL;
    r->out->count = r->in.count;
    return row->command(tree_of(r->server->fs), r->fid->key, line);
}

/* Where a directory is read on: which row comes next, and of a row without a name which key. The cookie behind an entry
 * must hold both, so keys in a directory are limited; a key that does not fit ends the listing. */
#define COOKIE_KEY_MAX (UINT64_MAX >> 16)

static err_t op_readdir(struct ninep_req *r)
{
    struct tree *t = tree_of(r->server->fs);
    uint64_t i = r->in.offset & 0xFFFF, after = r->in.offset >> 16;
    char name[NINEP_NAME_MAX + 1];

    while (i < t->nrows) {
        const struct tree_row *row = &t->rows[i];
        uint64_t key = r->fid->key, next;

        if (!is_child(t, row, row_of(r->fid)) ||
            (!row->name && (row->next(t, r->fid->key, after, &key, name) != OK || key > COOKIE_KEY_MAX))) {
            after = 0;
            i++;
            continue;
        }
        next = row->name ? i + 1 : i | key << 16;
        const struct ninep_qid qid = qid_of(t, row, key);
        if (!ninep_dirent_put(r->data, r->room, &r->out->count, &qid, next, row->mode & TREE_DIR ? 4 : 8,
                              row->name ? row->name : name))
            break;
        i = next & 0xFFFF;
        after = next >> 16;
    }
    return r->out->count || i == t->nrows ? OK : ERR_INVAL;
}

static err_t op_getattr(struct ninep_req *r)
{
    const struct tree *t = tree_of(r->server->fs);
    const struct tree_row *row = row_of(r->fid);
    const struct ninep_time time = { .sec = t->time };

    r->out->attr = (struct ninep_attr){
        .valid = NINEP_GETATTR_BASIC,
        .mode = row->mode | (row->mode & TREE_DIR ? 0 : NINEP_S_IFREG),
        .uid = t->uid,
        .gid = t->gid,
        .nlink = 1,
        .size = row->size ? row->size(tree_of(r->server->fs), r->fid->key) : 0,
        .blksize = PAGE_SIZE,
        .atime = time,
        .mtime = time,
        .ctime = time,
    };
    return OK;
}

/* A shell's "> ctl" truncates: that and new times are taken and mean nothing. */
static err_t op_setattr(struct ninep_req *r)
{
    return r->in.flags & (NINEP_SET_MODE | NINEP_SET_UID | NINEP_SET_GID) ? ninep_fail(r, NINEP_EPERM) : OK;
}

static err_t op_refuse(struct ninep_req *r) { return ninep_fail(r, NINEP_EPERM); }

static err_t op_statfs(struct ninep_req *r)
{
    r->out->statfs = (struct ninep_statfs){ .type = 0x01021997, .bsize = PAGE_SIZE, .namelen = NINEP_NAME_MAX };
    return OK;
}

static err_t op_fsync(struct ninep_req *) { return OK; }

static const struct ninep_fs_ops tree_ops = {
    .attach = op_attach,
    .clone = op_clone,
    .walk = op_walk,
    .clunk = op_clunk,
    .open = op_open,
    .create = op_refuse,
    .read = op_read,
    .write = op_write,
    .readdir = op_readdir,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .mkdir = op_mkdir,
    .symlink = op_refuse,
    .mknod = op_refuse,
    .link = op_refuse,
    .rename = op_refuse,
    .renameat = op_refuse,
    .unlinkat = op_unlinkat,
    .remove = op_refuse,
    .statfs = op_statfs,
    .fsync = op_fsync,
};

void tree_init(struct tree *t)
{
    ASSERT(t->nrows > 0 && t->rows[0].mode & TREE_DIR);
    for (uint16_t i = 0; i < t->nrows; i++) {
        const struct tree_row *row = &t->rows[i];
        ASSERT(row->parent < t->nrows && t->rows[row->parent].mode & TREE_DIR);
        ASSERT(row->name || row->next);
    }
    t->fs.ops = &tree_ops;
}
