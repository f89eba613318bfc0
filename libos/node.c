/* The tree of files: what has been looked up is kept as nodes, what is not in memory is asked for by 9P. */
#include "libos/node.h"

struct node *root_node;
static uint64_t next_ino = 1ull << 40; /* above the inode numbers of ordinary files */
#define BUCKETS 4096u
static struct node *buckets[BUCKETS];

struct timespec node_now(void)
{
    return timespec_of(time_wall());
}

bool node_direct(const struct mount *m)
{
    return m && !(m->flags & (APP_MOUNT_READONLY | APP_MOUNT_LAYER));
}

/* --- names ---------------------------------------------------------------------------------------------------------- */
static struct node **bucket(const struct node *dir, const char *name, size_t len)
{
    uint64_t h = (uint64_t)dir >> 5;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001B3ull;
    return &buckets[(h ^ h >> 29) % BUCKETS];
}

struct node *node_child(const struct node *dir, const char *name, size_t len)
{
    for (struct node *n = *bucket(dir, name, len); n; n = n->hash)
        if (n->parent == dir && strncmp(n->name, name, len) == 0 && !n->name[len])
            return n;
    return NULL;
}

static void name_attach(struct node *dir, struct node *n)
{
    struct node **b = bucket(dir, n->name, strlen(n->name));

    n->parent = dir;
    n->hash = *b;
    *b = n;
    n->next = dir->children;
    dir->children = n;
}

static void name_detach(struct node *n)
{
    struct node **at = bucket(n->parent, n->name, strlen(n->name));

    while (*at != n)
        at = &(*at)->hash;
    *at = n->hash;
    for (at = &n->parent->children; *at != n;)
        at = &(*at)->next;
    *at = n->next;
}

static struct node *node_new(const char *name, size_t len)
{
    struct node *n = mem_get(sizeof *n);

    if (!n)
        return NULL;
    n->name = mem_text(name, len);
    if (!n->name) {
        mem_put(n);
        return NULL;
    }
    n->fid = n->open_fid = NINEP_NOFID;
    n->nlink = 1;
    waitq_init(&n->wait);
    return n;
}

void fid_clunk(struct mount *m, uint32_t fid)
{
    struct rpc r = { 0 };

    if (fid != NINEP_NOFID)
        p9_call(m, &(struct ninep_msg){ .type = NINEP_TCLUNK, .fid = fid }, &r);
}

static void node_free(struct node *n)
{
    if (n->gone && n->parent)
        node_put(n->parent);
    object_put(n);
    if (n->m) {
        fid_clunk(n->m, n->open_fid);
        fid_clunk(n->m, n->fid);
    }
    node_pages_free(n);
    mem_put(n->window);
    mem_put(n->lower);
    mem_put(n->link);
    mem_put(n->name);
    mem_put(n);
}

void node_get(struct node *n)
{
    n->refs++;
}

void node_put(struct node *n)
{
    if (!--n->refs && n->gone && !n->children)
        node_free(n);
}

/* A directory's links are its own two and one for each directory in it: programs that walk trees rely on it. */
static void links_count(struct node *dir, const struct node *n, int change)
{
    if ((n->mode & S_IFMT) == S_IFDIR && !n->negative && !node_direct(dir->m))
        dir->nlink = (uint32_t)((int)dir->nlink + change);
}

/* The program removed it. */
static void name_gone(struct node *n)
{
    struct node *file = node_real(n);
    bool dir = (n->mode & S_IFMT) == S_IFDIR;

    if (!dir)
        inotify_tell(file, IN_ATTRIB, NULL, 0);
    if (dir || file->nlink <= 1)
        inotify_tell(file, IN_DELETE_SELF, NULL, 0);
    name_tell(n->parent, n, n->name, IN_DELETE, 0);
}

static void node_drop(struct node *n)
{
    struct node *file = node_real(n);

    links_count(n->parent, n, -1);
    name_detach(n);
    n->gone = true;
    node_get(n->parent); /* the path of what is still open leads through it */
    file->nlink = (file->mode & S_IFMT) == S_IFDIR || !file->nlink ? 0 : file->nlink - 1;
    if (!n->negative)
        file->ctime = node_now();
    if (!n->refs && !n->children)
        node_free(n);
    if (file != n)
        node_put(file);
}

struct node *node_add(struct node *dir, const char *name, uint32_t mode)
{
    struct node *n = node_new(name, strlen(name));

    if (!n)
        return NULL;
    n->mode = mode;
    n->uid = boot->uid;
    n->gid = boot->gid;
    n->ino = next_ino++;
    n->nlink = (mode & S_IFMT) == S_IFDIR ? 2 : 1;
    n->memory = true;
    n->atime = n->mtime = n->ctime = node_now();
    if (dir) {
        name_attach(dir, n);
        links_count(dir, n, 1);
    }
    return n;
}

int node_nameless(const char *text, struct node *like, uint32_t mode, struct node **out)
{
    struct node *n = node_add(NULL, text, mode);

    if (!n)
        return -ENOSPC;
    n->m = like ? like->m : NULL;
    n->nlink = 0;
    n->gone = true;
    *out = n;
    return 0;
}

/* --- from the server ------------------------------------------------------------------------------------------------------ */
struct timespec node_time(struct ninep_time t)
{
    return (struct timespec){ (int64_t)t.sec, (int64_t)t.nsec };
}

static void attr_take(struct node *n, const struct ninep_msg *a)
{
    n->mode = a->attr.mode;
    n->uid = a->attr.uid;
    n->gid = a->attr.gid;
    n->nlink = (uint32_t)a->attr.nlink;
    n->size = a->attr.size;
    n->rdev = a->attr.rdev;
    n->ino = a->qid.path;
    n->atime = node_time(a->attr.atime);
    n->mtime = node_time(a->attr.mtime);
    n->ctime = node_time(a->attr.ctime);
}

int node_refresh(struct node *n)
{
    struct rpc r = { 0 };
    int e;

    if (!node_direct(n->m) || n->memory || n->fid == NINEP_NOFID)
        return 0;
    e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TGETATTR, .fid = n->fid, .attr.valid = NINEP_GETATTR_BASIC }, &r);
    if (!e)
        attr_take(n, &r.a.msg);
    return e;
}

/* A walk by one name, or none, and the attributes of what is there, in one exchange. */
int fid_walk(struct mount *m, uint32_t from, const char *name, uint32_t *fid, struct rpc *attr)
{
    struct ninep_msg walk = { .type = NINEP_TWALK, .fid = from, .nwalk = name ? 1 : 0, .wname = { name } };
    struct rpc r = { 0 };
    int e;

    *attr = (struct rpc){ 0 };
    if (ninep_client_fid(&m->client, fid))
        return -ENFILE;
    walk.dfid = *fid;
    e = p9_post(m, &walk, &r);
    if (e) {
        ninep_client_fid_put(&m->client, *fid);
        return e;
    }
    e = p9_post(m, &(struct ninep_msg){ .type = NINEP_TGETATTR, .fid = *fid, .attr.valid = NINEP_GETATTR_BASIC }, attr);
    p9_kick(m);
    if (!e)
        e = p9_finish(attr);
    return p9_finish(&r) ? r.error : e;
}

static __attribute__((noinline)) int fid_clone(struct node *n, uint32_t *fid)
{
    struct rpc unused;

    return fid_walk(n->m, n->fid, NULL, fid, &unused);
}

static int child_load(struct node *dir, const char *name, size_t len, struct node **out)
{
    char text[NAME_MAX + 1];
    struct node *n = node_new(name, len);
    struct rpc attr;
    int e;

    if (!n)
        return -ENOMEM;
    memcpy(text, name, len);
    text[len] = 0;
    n->m = dir->m;
    e = fid_walk(n->m, dir->fid, text, &n->fid, &attr);
    if (e) {
        n->fid = NINEP_NOFID;
        n->negative = true;
        if (e != -ENOENT || node_direct(n->m)) {
            node_free(n);
            return e;
        }
    } else {
        attr_take(n, &attr.a.msg);
    }
    name_attach(dir, n);
    *out = n;
    return n->negative ? -ENOENT : 0;
}

/* In a mount that others may change, a name is looked up each time; the node stays if it is still the same file. */
static int child_check(struct node *dir, struct node *n, struct node **out)
{
    struct rpc attr;
    uint32_t fid;
    int e = fid_walk(dir->m, dir->fid, n->name, &fid, &attr);

    if (!e && attr.a.msg.qid.path == n->ino) {
        attr_take(n, &attr.a.msg);
        fid_clunk(dir->m, fid);
        *out = n;
        return 0;
    }
    if (!e)
        fid_clunk(dir->m, fid);
    if (!e || e == -ENOENT) {
        size_t len = strlen(n->name);
        char name[NAME_MAX + 1];
        memcpy(name, n->name, len + 1);
        node_drop(n);
        return e ? e : child_load(dir, name, len, out);
    }
    return e;
}

static int child_get(struct node *dir, const char *name, size_t len, struct node **out)
{
    struct node *n;

    if (len > NAME_MAX)
        return -ENAMETOOLONG;
    n = dir->ops && dir->ops->lookup ? NULL : node_child(dir, name, len);
    if (n && node_direct(dir->m) && !n->mounted && !n->ops)
        return child_check(dir, n, out);
    if (n) {
        *out = n;
        return n->negative ? -ENOENT : 0;
    }
    if (dir->ops && dir->ops->lookup) {
        char text[NAME_MAX + 1];
        memcpy(text, name, len);
        text[len] = 0;
        return dir->ops->lookup(dir, text, out);
    }
    if (dir->lower)
        return image_child(dir, name, len, out);
    return dir->fid == NINEP_NOFID ? -ENOENT : child_load(dir, name, len, out);
}

/* --- paths ------------------------------------------------------------------------------------------------------------- */
int node_link_text(struct node *n, char *to, size_t room)
{
    struct rpc r = { 0 };
    int e;

    if (n->ops && n->ops->follow) {
        int64_t len = n->ops->follow(n, to, room);
        return len < 0 ? (int)len : 0;
    }
    if (!n->link && n->lower) {
        e = image_link(n);
        if (e)
            return e;
    }
    if (!n->link) {
        e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TREADLINK, .fid = n->fid }, &r);
        if (e)
            return e;
        n->link = mem_text(r.a.msg.text, strlen(r.a.msg.text));
        if (!n->link)
            return -ENOMEM;
    }
    return str_copy(to, room, n->link) ? 0 : -ENAMETOOLONG;
}

struct walk {
    struct node *at, *name; /* name: by which it was reached */
    unsigned links;
    char rest[PATH_MAX + 1]; /* still to be walked */
};

/* Replaces the link's name by its target in front of what is left. */
static int link_follow(struct walk *w, struct node *link, const char *left)
{
    char *target = mem_get(PATH_MAX + 1);
    size_t n, m = strlen(left);
    int e;

    if (!target)
        return -ENOMEM;
    e = ++w->links > 40 ? -ELOOP : node_link_text(link, target, PATH_MAX);
    n = strlen(target);
    if (!e && n + m > PATH_MAX)
        e = -ENAMETOOLONG;
    if (!e) {
        memmove(w->rest + n, left, m + 1);
        memcpy(w->rest, target, n);
        if (target[0] == '/')
            w->at = root_node;
    }
    mem_put(target);
    return e;
}

/* One name further. *again: w->rest has been replaced. */
static int walk_step(struct walk *w, const char *name, size_t len, const char *left, bool follow, bool *again)
{
    struct node *n = NULL;
    int e;

    *again = false;
    w->name = w->at;
    if ((w->at->mode & S_IFMT) != S_IFDIR)
        return -ENOTDIR;
    if (len == 1 && name[0] == '.')
        return 0;
    if (len == 2 && name[0] == '.' && name[1] == '.') {
        w->name = w->at = w->at->parent ? w->at->parent : w->at;
        return 0;
    }
    e = child_get(w->at, name, len, &n);
    if (e)
        return e;
    if ((n->mode & S_IFMT) == S_IFLNK && follow && n->ops && n->ops->jump) {
        n = n->ops->jump(n);
        if (!n)
            return -ENXIO; /* a pipe or its like cannot be opened again */
    } else if ((n->mode & S_IFMT) == S_IFLNK && follow) {
        *again = true;
        return link_follow(w, n, left);
    }
    w->name = n;
    w->at = node_real(n);
    return 0;
}

int node_walk(struct node *from, const char *path, unsigned flags, struct node **out, struct node **child, char *last)
{
    struct walk *w = mem_get(sizeof *w);
    const char *p;
    int e = 0;

    if (!w)
        return -ENOMEM;
    w->at = path[0] == '/' ? root_node : from;
    e = !path[0] ? -ENOENT : str_copy(w->rest, sizeof w->rest, path) ? 0 : -ENAMETOOLONG;
    for (p = w->rest; !e;) {
        const char *name, *end;
        bool final, again, slash;
        while (*p == '/')
            p++;
        if (!*p)
            break;
        for (name = end = p; *end && *end != '/';)
            end++;
        for (p = end; *p == '/';)
            p++;
        slash = *end == '/';
        final = !*p;
        if (final && flags & WALK_PARENT) {
            size_t len = (size_t)(end - name);
            struct node *dir = w->at;
            if (len > NAME_MAX) {
                e = -ENAMETOOLONG;
                break;
            }
            memcpy(last, name, len);
            last[len] = 0;
            *child = NULL;
            e = walk_step(w, name, len, p, !(flags & WALK_NOFOLLOW), &again);
            if (!e && again) {
                p = w->rest;
                continue;
            }
            if (!e)
                *child = w->name;
            if (e == -ENOENT && (dir->mode & S_IFMT) == S_IFDIR && !(slash && !(flags & WALK_DIR)))
                e = 0;
            *out = dir;
            mem_put(w);
            return e;
        }
        e = walk_step(w, name, (size_t)(end - name), end, !final || slash || !(flags & WALK_NOFOLLOW), &again);
        if (!e && again)
            p = w->rest;
        if (!e && !again && slash && (w->at->mode & S_IFMT) != S_IFDIR)
            e = -ENOTDIR;
    }
    if (!e && flags & WALK_PARENT) { /* "/" */
        last[0] = 0;
        *child = w->at;
    }
    *out = w->at;
    mem_put(w);
    return e;
}

int64_t node_path(struct node *n, char *to, size_t room)
{
    size_t at = room - 1;

    to[at] = 0;
    for (; n->parent; n = n->parent) {
        size_t len = strlen(n->name);
        if (at < len + 1)
            return -ENAMETOOLONG;
        at -= len;
        memcpy(to + at, n->name, len);
        to[--at] = '/';
    }
    if (at == room - 1)
        to[--at] = '/';
    memmove(to, to + at, room - at);
    return (int64_t)(room - 1 - at);
}

/* --- making and removing names ------------------------------------------------------------------------------------------------- */
static int make_lower(struct node *dir, const char *name, uint32_t mode)
{
    struct ninep_msg q = { .type = NINEP_TMKDIR, .fid = dir->fid, .name = name, .mode = mode & 07777, .gid = boot->gid };
    struct rpc attr = { 0 }, r = { 0 };
    uint32_t fid;
    int e;

    if ((mode & S_IFMT) == S_IFDIR)
        return p9_call(dir->m, &q, &r);
    if ((mode & S_IFMT) != S_IFREG) {
        q.type = NINEP_TMKNOD;
        q.mode = mode;
        return p9_call(dir->m, &q, &r);
    }
    e = fid_walk(dir->m, dir->fid, NULL, &fid, &attr);
    if (e)
        return e;
    q.type = NINEP_TLCREATE;
    q.fid = fid;
    q.flags = O_WRONLY | O_CREAT | O_EXCL;
    e = p9_call(dir->m, &q, &r);
    fid_clunk(dir->m, fid);
    return e;
}

static void name_negative(struct node *n) /* what the server has under this name is hidden */
{
    n->negative = true;
}

int node_make(struct node *dir, const char *name, uint32_t mode, struct node **out)
{
    struct node *old = node_child(dir, name, strlen(name));
    int e;

    if (dir->gone)
        return -ENOENT;
    if (!node_may_write(dir) || dir->ops)
        return dir->ops ? -EACCES : -EROFS;
    if (node_direct(dir->m) && !dir->memory) {
        e = make_lower(dir, name, mode);
        if (!e)
            e = child_get(dir, name, strlen(name), out);
        if (!e)
            name_tell(dir, *out, name, IN_CREATE, 0);
        return e;
    }
    if (old)
        node_drop(old);
    *out = node_add(dir, name, mode);
    if (!*out)
        return -ENOSPC;
    (*out)->m = dir->m;
    dir->mtime = dir->ctime = node_now();
    name_tell(dir, *out, name, IN_CREATE, 0);
    return 0;
}

static bool has_entries(struct node *dir)
{
    struct dirlist l = { 0 };
    bool any = node_list(dir, &l) || l.n > 2;

    dirlist_free(&l);
    return any;
}

/* The server's file of that name must not show through. */
static void name_hide(struct node *dir, const char *name)
{
    struct node *hide = (dir->fid == NINEP_NOFID && !dir->lower) || node_direct(dir->m) || node_child(dir, name, strlen(name)) ? NULL : node_add(dir, name, 0);

    if (hide)
        name_negative(hide);
}

int node_unlink(struct node *dir, struct node *n, bool directory)
{
    struct rpc r = { 0 };
    char name[NAME_MAX + 1];
    int e;

    if (!node_may_write(dir) || n->ops || n->mounted)
        return n->mounted ? -EBUSY : n->ops ? -EPERM : -EROFS;
    if (directory != ((n->mode & S_IFMT) == S_IFDIR))
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && has_entries(n))
        return -ENOTEMPTY;
    str_copy(name, sizeof name, n->name);
    if (node_direct(dir->m) && !n->memory) {
        e = p9_call(dir->m, &(struct ninep_msg){ .type = NINEP_TUNLINKAT, .fid = dir->fid, .name = name,
                                                 .flags = directory ? NINEP_REMOVEDIR : 0 }, &r);
        if (!e) {
            name_gone(n);
            node_drop(n);
        }
        return e;
    }
    name_gone(n);
    node_drop(n);
    dir->mtime = dir->ctime = node_now();
    name_hide(dir, name);
    return 0;
}

/* A moved node keeps its fid, so all that is below it in the lower tree moves with it. */
static int rename_check(struct node *from, const struct node *n, struct node *to, struct node *over)
{
    bool dir = (n->mode & S_IFMT) == S_IFDIR;

    if (from->m != to->m || n->mounted)
        return n->mounted ? -EBUSY : -EXDEV;
    if (!node_may_write(from) || n->ops || to->ops)
        return -EROFS;
    if (to->gone)
        return -ENOENT;
    for (const struct node *up = to; dir && up; up = up->parent)
        if (up == n)
            return -EINVAL;
    if (over && dir != ((over->mode & S_IFMT) == S_IFDIR))
        return dir ? -ENOTDIR : -EISDIR;
    for (const struct node *up = from; over && up; up = up->parent)
        if (up == over)
            return -ENOTEMPTY;
    return over && dir && has_entries(over) ? -ENOTEMPTY : 0;
}

int node_rename(struct node *from, struct node *n, struct node *to, const char *name, struct node *over)
{
    static uint32_t cookie;
    struct rpc r = { 0 };
    char *copy, *old = n->name;
    int e;

    if (over && node_real(over) == node_real(n))
        return 0;
    e = rename_check(from, n, to, over);
    if (e)
        return e;
    copy = mem_text(name, strlen(name));
    if (!copy)
        return -ENOMEM;
    if (node_direct(from->m) && !n->memory)
        e = p9_call(from->m, &(struct ninep_msg){ .type = NINEP_TRENAMEAT, .fid = from->fid, .name = n->name, .dfid = to->fid, .text = name }, &r);
    if (e) {
        mem_put(copy);
        return e;
    }
    cookie++;
    name_tell(from, n, n->name, IN_MOVED_FROM, cookie);
    name_tell(to, n, name, IN_MOVED_TO, cookie);
    inotify_tell(node_real(n), IN_MOVE_SELF, NULL, 0);
    if (over)
        node_drop(over);
    else if (node_child(to, name, strlen(name)))
        node_drop(node_child(to, name, strlen(name))); /* a negative one */
    links_count(from, n, -1);
    links_count(to, n, 1);
    name_detach(n);
    n->name = copy;
    name_attach(to, n);
    name_hide(from, old);
    mem_put(old);
    node_real(n)->ctime = from->mtime = from->ctime = to->mtime = to->ctime = node_now();
    return 0;
}

/* RENAME_EXCHANGE, in a layer. */
int node_exchange(struct node *a, struct node *b)
{
    struct node *a_dir = a->parent, *b_dir = b->parent;
    char *name = a->name;
    int e = rename_check(a_dir, a, b_dir, NULL);

    if (!e)
        e = rename_check(b_dir, b, a_dir, NULL);
    if (e || node_direct(a_dir->m))
        return e ? e : -EINVAL;
    links_count(a_dir, a, -1);
    links_count(a_dir, b, 1);
    links_count(b_dir, b, -1);
    links_count(b_dir, a, 1);
    name_detach(a);
    name_detach(b);
    a->name = b->name;
    b->name = name;
    name_attach(b_dir, a);
    name_attach(a_dir, b);
    return 0;
}

int node_link(struct node *file, struct node *dir, const char *name)
{
    struct rpc r = { 0 };
    struct node *n, *old = node_child(dir, name, strlen(name));
    int e = dir->gone ? -ENOENT : (file->mode & S_IFMT) == S_IFDIR ? -EPERM : file->m != dir->m || (!file->m && file->ops) ? -EXDEV :
            !node_may_write(dir) || dir->ops ? -EROFS : 0;

    if (e)
        return e;
    if (node_direct(dir->m) && !dir->memory) {
        e = p9_call(dir->m, &(struct ninep_msg){ .type = NINEP_TLINK, .dfid = dir->fid, .fid = file->fid, .name = name }, &r);
        if (!e)
            name_tell(dir, file, name, IN_CREATE, 0);
        return e ? e : node_refresh(file);
    }
    if (old)
        node_drop(old);
    n = node_add(dir, name, file->mode);
    if (!n)
        return -ENOSPC;
    n->m = dir->m;
    n->real = file;
    node_get(file);
    file->nlink++;
    name_tell(dir, file, name, IN_CREATE, 0);
    file->ctime = dir->mtime = dir->ctime = node_now();
    return 0;
}

/* --- lists --------------------------------------------------------------------------------------------------------------- */
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
                (node_direct(dir->m) || !node_child(dir, d->name, strlen(d->name))))
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
    else if (!e && dir->fid != NINEP_NOFID)
        e = list_lower(dir, l);
    for (struct node *n = dir->ops && dir->ops->list ? NULL : dir->children; !e && n; n = n->next)
        if (!n->negative && (!node_direct(dir->m) || n->mounted || n->memory))
            e = dirlist_add(l, n->name, node_real(n)->ino, NINEP_DT(n->mode));
    return e || !dir->ops || !dir->ops->list ? e : list_made(dir, l);
}

struct node *node_cover(struct node *dir, const char *name)
{
    struct node *n, *old = node_child(dir, name, strlen(name));

    if (old)
        node_drop(old);
    n = node_add(dir, name, S_IFDIR | 0755);
    if (n)
        n->mounted = true;
    return n;
}

/* --- set-up ------------------------------------------------------------------------------------------------------------- */
/* The directory at path; what is missing of it is made, in memory. */
static int path_make(const char *path, struct node **out)
{
    char last[NAME_MAX + 1], *part = mem_text(path, strlen(path));
    struct node *dir, *child = root_node;
    int e = part ? 0 : -ENOMEM;

    for (size_t n = 1; !e && path[n - 1]; n++) {
        if (path[n] && path[n] != '/')
            continue;
        memcpy(part, path, n);
        part[n] = 0;
        e = node_walk(root_node, part, WALK_PARENT | WALK_DIR, &dir, &child, last);
        if (e || child)
            continue;
        if (node_child(dir, last, strlen(last)))
            node_drop(node_child(dir, last, strlen(last))); /* a negative one */
        child = node_add(dir, last, S_IFDIR | 0755);
        e = child ? 0 : -ENOMEM;
    }
    mem_put(part);
    *out = child;
    return e;
}

static int mount_put(unsigned number, const struct app_mount *am)
{
    struct mount *m = &mounts[number];
    struct rpc attr = { 0 };
    struct node *at = root_node;
    char last[NAME_MAX + 1];
    uint32_t fid;
    int e = p9_mount(m, number, am);

    nmounts = number + 1;
    if (e || am->flags & APP_MOUNT_DEV)
        return e;
    if (!str_eq(am->at, "/")) {
        e = path_make(am->at, &at);
        if (e)
            return e;
        str_copy(last, sizeof last, at->name);
        at = at->parent ? node_cover(at->parent, last) : NULL;
        if (!at)
            return -ENOMEM;
    }
    e = fid_walk(m, m->root, NULL, &fid, &attr);
    if (p9_mounted(m) || e)
        return e ? e : -EIO;
    attr_take(at, &attr.a.msg);
    at->m = m;
    at->fid = fid;
    at->memory = false;
    at->mounted = true;
    return 0;
}

int node_init(void)
{
    root_node = node_add(NULL, "", S_IFDIR | 0755);
    if (!root_node)
        return -ENOMEM;
    node_get(root_node);
    if (boot->image && image_root(root_node))
        return -EIO;
    for (unsigned i = 0; i < boot->nmounts && !(boot->mount[i].flags & APP_MOUNT_NET); i++) {
        int e = mount_put(i, &boot->mount[i]);
        if (e)
            return log_line("cannot mount %s: error %d", boot->mount[i].at, -e), e;
    }
    return boot->image ? path_make(boot->cwd, &(struct node *){ NULL }) : 0;
}
