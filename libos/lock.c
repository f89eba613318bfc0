/* Locks on files: fcntl's, which belong to the process or (OFD) to an open file, and flock's. In the guest they are kept in lists of the file;
 * those of a `-v` volume are also the host's, so that guests and programs of the host that share a file keep each other out. */
#include "libos/node.h"
#include "libos/sys.h"

struct lock {
    struct lock *next;
    const struct file *owner; /* NULL: the process */
    bool flock, write;
    uint64_t start, end;      /* end: the last byte */
};
struct want {
    struct file *file;
    const struct file *owner;
    bool flock, write, unlock;
    uint64_t start, end;
};

static struct waitq waiting = { LIST_INIT(waiting.list) }; /* for any lock to go */

static bool against(const struct lock *l, const struct want *w)
{
    return l->flock == w->flock && l->owner != w->owner && l->start <= w->end && l->end >= w->start && (l->write || w->write);
}

static struct lock *conflict(const struct want *w)
{
    for (struct lock *l = w->file->node->locks; l; l = l->next)
        if (against(l, w))
            return l;
    return NULL;
}

/* Takes the range out of the owner's locks. spare: for the one lock that may become two. */
static void range_clear(struct node *n, const struct want *w, struct lock **spare)
{
    for (struct lock **at = &n->locks, *l; (l = *at);) {
        if (l->flock != w->flock || l->owner != w->owner || l->start > w->end || l->end < w->start) {
            at = &l->next;
        } else if (l->start < w->start && l->end > w->end) {
            **spare = *l;
            (*spare)->start = w->end + 1;
            l->end = w->start - 1;
            l->next = *spare;
            *spare = NULL;
        } else if (l->start < w->start) {
            l->end = w->start - 1;
        } else if (l->end > w->end) {
            l->start = w->end + 1;
        } else {
            *at = l->next;
            mem_put(l);
        }
    }
}

/* --- the host's ------------------------------------------------------------------------------------------------------------- */
static int host_call(struct node *n, uint8_t type, uint8_t kind, uint64_t start, uint64_t end, struct rpc *r)
{
    return p9_call(n->m, &(struct ninep_msg){ .type = type, .fid = n->open_fid, .kind = kind, .offset = start,
                                              .size = end == INT64_MAX ? 0 : end - start + 1, .pid = boot->pid, .text = boot->host }, r);
}

static int host_ask(struct node *n, uint8_t kind, uint64_t start, uint64_t end)
{
    struct rpc r = { 0 };
    int e = host_call(n, NINEP_TLOCK, kind, start, end, &r);

    return e ? e : r.a.msg.status == NINEP_LOCK_OK ? 0 : -EAGAIN;
}

/* Tells the host what the guest holds of the range now, piece by piece: the strongest of all its owners, and of `more`. */
static int host_tell(struct node *n, uint64_t start, uint64_t end, const struct want *more)
{
    int e = 0;

    if (!node_served(n) || n->open_fid == NINEP_NOFID)
        return 0;
    for (uint64_t at = start, last; !e; at = last + 1) {
        uint8_t kind = !more ? NINEP_LOCK_NONE : more->write ? NINEP_LOCK_WRITE : NINEP_LOCK_READ;
        last = end;
        for (const struct lock *l = n->locks; l; l = l->next) {
            if (l->start > at)
                last = min_u64(last, l->start - 1);
            else if (l->end >= at)
                last = min_u64(last, l->end);
            if (l->start <= at && l->end >= at && kind != NINEP_LOCK_WRITE)
                kind = l->write ? NINEP_LOCK_WRITE : NINEP_LOCK_READ;
        }
        e = host_ask(n, kind, at, last);
        if (last >= end)
            break;
    }
    return e;
}

/* --- set and ask -------------------------------------------------------------------------------------------------------------- */
static int try_lock(const struct want *w)
{
    struct node *n = w->file->node;
    struct lock *new = mem_get(sizeof *new), *spare = mem_get(sizeof *spare);
    int e = !new || !spare ? -ENOMEM : w->unlock ? 0 : conflict(w) ? -EAGAIN : host_tell(n, w->start, w->end, w);

    if (!e) {
        range_clear(n, w, &spare);
        if (!w->unlock) {
            *new = (struct lock){ .next = n->locks, .owner = w->owner, .flock = w->flock, .write = w->write, .start = w->start, .end = w->end };
            n->locks = new;
            new = NULL;
        }
        if (w->unlock)
            e = host_tell(n, w->start, w->end, NULL);
        waitq_wake(&waiting);
    }
    mem_put(new);
    mem_put(spare);
    return e;
}

static int64_t lock_set(const struct want *w, bool wait)
{
    enum { HOST_TICK = 10000000 }; /* ns: the host does not say when its locks go */
    bool host = node_direct(w->file->node->m);
    int64_t e;

    file_get(w->file);
    while ((e = try_lock(w)) == -EAGAIN && wait) {
        e = waitq_wait(&waiting, host ? time_mono() + HOST_TICK : 0);
        if (e == -EINTR) {
            e = -ERESTARTSYS;
            break;
        }
    }
    file_put(w->file);
    return e;
}

void locks_drop(struct node *n, const struct file *owner)
{
    struct want w = { .owner = owner, .end = INT64_MAX };
    bool any = n->locks;

    for (unsigned i = 0; i < 2 && n->locks; i++) {
        w.flock = i;
        range_clear(n, &w, NULL); /* all of it: nothing is split */
    }
    if (any) {
        host_tell(n, 0, INT64_MAX, NULL);
        waitq_wake(&waiting);
    }
}

static int range_of(const struct flock *u, struct want *w)
{
    int64_t start = u->l_start;

    if (u->l_whence == SEEK_CUR)
        start += (int64_t)w->file->pos;
    else if (u->l_whence == SEEK_END)
        start += (int64_t)w->file->node->size;
    else if (u->l_whence != SEEK_SET)
        return -EINVAL;
    if (u->l_len > 0 && start > INT64_MAX - u->l_len + 1)
        return -EOVERFLOW;
    w->start = (uint64_t)(u->l_len < 0 ? start + u->l_len : start);
    w->end = u->l_len < 0 ? (uint64_t)start - 1 : u->l_len ? (uint64_t)(start + u->l_len - 1) : INT64_MAX;
    return (int64_t)w->start < 0 ? -EINVAL : 0;
}

/* Who keeps it out: pid -1 is not a process of this guest. */
static struct flock flock_of(bool write, uint64_t start, uint64_t len, int32_t pid)
{
    return (struct flock){ .l_type = write ? F_WRLCK : F_RDLCK, .l_start = (int64_t)start, .l_len = (int64_t)len, .l_pid = pid };
}

/* The first lock that is in the way, here or at the host. */
static int64_t lock_get(const struct want *w, struct flock *u)
{
    struct node *n = w->file->node;
    const struct lock *l = conflict(w);
    struct rpc r = { 0 };
    int e = 0;

    u->l_type = F_UNLCK;
    if (l) {
        *u = flock_of(l->write, l->start, l->end == INT64_MAX ? 0 : l->end - l->start + 1, l->owner ? -1 : (int32_t)boot->pid);
    } else if (node_direct(n->m) && n->open_fid != NINEP_NOFID) {
        e = host_call(n, NINEP_TGETLOCK, w->write ? NINEP_LOCK_WRITE : NINEP_LOCK_READ, w->start, w->end, &r);
        if (!e && r.a.msg.kind != NINEP_LOCK_NONE)
            *u = flock_of(r.a.msg.kind == NINEP_LOCK_WRITE, r.a.msg.offset, r.a.msg.size, -1);
    }
    return e;
}

/* fcntl: F_SETLK and its like; ofd: the lock belongs to the open file. */
int64_t lock_fcntl(struct file *f, enum lock_op op, bool ofd, user_t at)
{
    struct want w = { .file = f, .owner = ofd ? f : NULL };
    struct flock u;
    int64_t e;

    if (user_read(&u, at, sizeof u))
        return -EFAULT;
    if (!f->node || f->flags & O_PATH)
        return -EBADF;
    if (u.l_type < F_RDLCK || u.l_type > F_UNLCK || (op == LOCK_GET && u.l_type == F_UNLCK) || (ofd && u.l_pid))
        return -EINVAL;
    e = range_of(&u, &w);
    if (e)
        return e;
    w.write = u.l_type == F_WRLCK;
    w.unlock = u.l_type == F_UNLCK;
    if (op != LOCK_GET) {
        if ((u.l_type == F_RDLCK && (f->flags & O_ACCMODE) == O_WRONLY) || (w.write && (f->flags & O_ACCMODE) == O_RDONLY))
            return -EBADF;
        return lock_set(&w, op == LOCK_WAIT);
    }
    e = lock_get(&w, &u);
    return e ? e : user_write(at, &u, sizeof u);
}

SYS_FILE(flock)
{
    uint64_t op = a[1] & ~(uint64_t)LOCK_NB;
    struct want w = { .file = f, .owner = f, .flock = true, .write = op == LOCK_EX, .unlock = op == LOCK_UN, .end = INT64_MAX };

    if (op != LOCK_SH && op != LOCK_EX && op != LOCK_UN)
        return -EINVAL;
    return f->node ? lock_set(&w, !(a[1] & LOCK_NB)) : -EBADF;
}
