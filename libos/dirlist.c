/* What is in a directory: the server's or the image's names, and those in memory above them. */
#include "libos/node.h"

int dirlist_add(struct dirlist *l, const char *name, uint64_t ino, uint8_t type)
{
    struct dirent_row *more;

    if (l->n == l->room) {
        more = mem_grow(l->row, l->n * sizeof *more, (l->room * 2 + 32) * sizeof *more);
        if (!more)
            return -ENOMEM;
        l->row = more;
        l->room = l->room * 2 + 32;
    }
    l->row[l->n] = (struct dirent_row){ .ino = ino, .type = type, .name = mem_text(name, strlen(name)) };
    return l->row[l->n].name ? (l->n++, 0) : -ENOMEM;
}

void dirlist_free(struct dirlist *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        mem_put(l->row[i].name);
    mem_put(l->row);
    *l = (struct dirlist){ 0 };
}

static __attribute__((noinline)) int fid_clone(struct node *n, uint32_t *fid)
{
    struct rpc unused;

    return node_ask(n, NULL, fid, &unused);
}

static __attribute__((noinline)) int list_lower(struct node *dir, struct dirlist *l)
{
    struct rpc r = { 0 };
    uint64_t offset = 0;
    uint32_t fid = NINEP_NOFID;
    struct ninep_dirent *d = mem_get(sizeof *d);
    int e = d ? fid_clone(dir, &fid) : -ENOMEM;

    if (e) {
        mem_put(d);
        return e;
    }
    e = p9_call(dir->m, &(struct ninep_msg){ .type = NINEP_TLOPEN, .fid = fid, .flags = O_RDONLY | O_DIRECTORY }, &r);
    while (!e) {
        uint32_t used = 0;
        e = p9_call(dir->m, &(struct ninep_msg){ .type = NINEP_TREADDIR, .fid = fid, .offset = offset,
                                                 .count = dir->m->client.msize - NINEP_IO_HEADER }, &r);
        if (e || !r.a.msg.count)
            break;
        while (!e && used < r.a.msg.count) {
            if (ninep_dirent_get(r.a.msg.data, r.a.msg.count, &used, d)) {
                e = -EIO;
                break;
            }
            offset = d->offset;
            if (!str_eq(d->name, ".") && !str_eq(d->name, "..") &&
                (node_direct(dir->m) || !node_child(dir, d->name)))
                e = dirlist_add(l, d->name, d->qid.path, d->type);
        }
    }
    fid_clunk(dir->m, fid);
    mem_put(d);
    return e;
}

static int list_made(struct node *dir, struct dirlist *l)
{
    char name[NAME_MAX + 1];
    uint32_t mode;
    int e = 0;

    for (unsigned i = 0; !e && !dir->ops->list(dir, i, name, &mode); i++)
        e = dirlist_add(l, name, next_ino + i, NINEP_DT(mode));
    return e;
}

int node_list(struct node *dir, struct dirlist *l)
{
    int e = dirlist_add(l, ".", dir->ino, 4);

    if (!e)
        e = dirlist_add(l, "..", dir->parent ? dir->parent->ino : dir->ino, 4);
    if (!e && dir->lower)
        e = image_list(dir, l);
    else if (!e && node_known(dir))
        e = list_lower(dir, l);
    for (struct node *n = dir->ops && dir->ops->list ? NULL : dir->children; !e && n; n = n->next)
        if (!n->negative && (!node_direct(dir->m) || n->mounted || n->memory))
            e = dirlist_add(l, n->name, node_real(n)->ino, NINEP_DT(n->mode));
    return e || !dir->ops || !dir->ops->list ? e : list_made(dir, l);
}

void file_list_drop(struct file *f)
{
    if (f->list)
        dirlist_free(f->list);
    mem_put(f->list);
    f->list = NULL;
}

int file_list(struct file *f)
{
    int e;

    if (f->list || f->node->gone)
        return f->list ? 0 : -ENOENT;
    f->list = mem_get(sizeof *f->list);
    e = f->list ? node_list(f->node, f->list) : -ENOMEM;
    if (e)
        file_list_drop(f);
    return e;
}
