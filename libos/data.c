/* What is in files: read and written through 9P, or in memory once a layer has been written to. */
#include "libos/node.h"
#include "libos/vma.h"

/* --- contents ------------------------------------------------------------------------------------------------------------ */
int node_open(struct node *n, uint32_t flags)
{
    struct rpc attr;
    uint32_t fid, want = node_direct(n->m) ? flags & O_ACCMODE : O_RDONLY;
    int e;

    if (n->memory || !n->m || !node_is(n, S_IFREG))
        return 0;
    if (n->open_fid != NINEP_NOFID && (n->open_flags == want || n->open_flags == O_RDWR))
        return 0;
    e = node_ask(n, NULL, &fid, &attr);
    if (e)
        return e;
    if (n->open_fid != NINEP_NOFID) /* opened for the other half before: both, if it may be */
        want = O_RDWR;
    e = p9_do(n->m, .type = NINEP_TLOPEN, .fid = fid, .flags = want);
    if (e) {
        fid_clunk(n->m, fid);
        return e;
    }
    if (n->open_fid != NINEP_NOFID)
        fid_clunk(n->m, n->open_fid);
    n->open_fid = fid;
    n->open_flags = want;
    return 0;
}

static int64_t fid_read(struct node *n, void *to, uint64_t len, uint64_t at)
{
    struct rpc r = { 0 };
    uint32_t count = (uint32_t)min_u64(len, n->m->client.msize - NINEP_IO_HEADER);
    int e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = n->open_fid, .offset = at, .count = count }, &r);

    if (e)
        return e;
    e = user_copy(to, r.a.msg.data, r.a.msg.count);
    return e ? e : r.a.msg.count;
}

#define WINDOW_FIRST KIB(8) /* with the head, by which programs and libraries are mapped, more may not be wanted */

/* The window over a file that does not change: the bytes around `at`, of which len are wanted. */
static int window_fill(struct node *n, uint64_t at, uint64_t len)
{
    const uint64_t most = align_down(n->m->client.msize - NINEP_IO_HEADER - 64, PAGE_SIZE);
    uint32_t size = (uint32_t)(n->window ? most : min_u64(most, max_u64(WINDOW_FIRST, align_up(at % PAGE_SIZE + len, PAGE_SIZE))));
    int64_t got;

    if (n->window && at >= n->window_at && at < n->window_at + n->window_len)
        return 0;
    if (n->window_room < size) {
        mem_put(n->window);
        n->window = mem_get(size);
        n->window_room = n->window ? size : 0;
    }
    n->window_len = 0;
    if (!n->window)
        return -ENOMEM;
    n->window_at = at - at % PAGE_SIZE;
    got = fid_read(n, n->window, size, n->window_at);
    if (got < 0)
        return (int)got;
    n->window_len = (uint32_t)got;
    return 0;
}

static int64_t read_lower(struct node *n, uint8_t *to, uint64_t len, uint64_t at)
{
    int e = node_open(n, O_RDONLY);
    uint64_t have;

    if (n->lower)
        return image_read(n, to, len, at);
    if (e)
        return e;
    if (node_direct(n->m))
        return fid_read(n, to, len, at);
    e = window_fill(n, at, len);
    if (e)
        return e;
    if (at >= n->window_at + n->window_len)
        return 0;
    have = min_u64(len, n->window_at + n->window_len - at);
    e = user_copy(to, n->window + (at - n->window_at), have);
    return e ? e : (int64_t)have;
}

static int64_t read_memory(struct node *n, uint8_t *to, uint64_t len, uint64_t at)
{
    static const uint8_t zeros[CHUNK];
    uint64_t page = at / CHUNK, off = at % CHUNK, have = min_u64(len, CHUNK - off);
    const uint8_t *from;
    int e;

    if (n->object) {
        e = object_copy(n, to, len, at, false);
        return e ? e : (int64_t)len;
    }
    from = page < n->npages && n->pages[page] ? n->pages[page] : zeros;
    e = user_copy(to, from + off, have);
    return e ? e : (int64_t)have;
}

int64_t node_read(struct node *n, void *user, uint64_t len, uint64_t at)
{
    uint64_t done = 0;

    while (done < len) {
        uint8_t *to = (uint8_t *)user + done;
        uint64_t from = at + done, want = len - done;
        int64_t got;
        if (!node_served(n))
            want = from < n->size ? min_u64(want, n->size - from) : 0;
        got = !want ? 0 : n->memory ? read_memory(n, to, want, from) : read_lower(n, to, want, from);
        if (got <= 0)
            return done ? (int64_t)done : got;
        done += (uint64_t)got;
    }
    return (int64_t)done;
}

static int pages_need(struct node *n, uint64_t bytes)
{
    uint64_t want = (bytes + CHUNK - 1) / CHUNK, room;
    uint8_t **more;

    if (want <= n->npages)
        return 0;
    if (bytes > GIB(64))
        return -EFBIG;
    room = max_u64(want, n->npages * 2);
    more = mem_grow(n->pages, n->npages * sizeof *more, room * sizeof *more);
    if (!more)
        return -ENOSPC;
    n->pages = more;
    n->npages = room;
    return 0;
}

static int64_t write_memory(struct node *n, const uint8_t *from, uint64_t len, uint64_t at)
{
    uint64_t done = 0;
    int e = n->object ? object_copy(n, (void *)from, len, at, true) : pages_need(n, at + len);

    if (e)
        return e;
    if (n->object)
        done = len;
    while (done < len) {
        uint64_t page = (at + done) / CHUNK, off = (at + done) % CHUNK, part = min_u64(len - done, CHUNK - off);
        if (!n->pages[page])
            n->pages[page] = mem_get(CHUNK);
        if (!n->pages[page])
            return done ? (int64_t)done : -ENOSPC;
        e = user_copy(n->pages[page] + off, from + done, part);
        if (e)
            return done ? (int64_t)done : e;
        done += part;
    }
    n->size = max_u64(n->size, at + len);
    return (int64_t)done;
}

/* The first write to a file of a layer: all of it comes into memory. */
int node_copy_up(struct node *n)
{
    uint64_t size = n->size, at = 0;
    uint8_t *buffer;
    int64_t got = 0;

    if (n->memory)
        return 0;
    buffer = mem_get(32768);
    if (!buffer)
        return -ENOMEM;
    while (at < size && (got = node_read(n, buffer, 32768, at)) > 0) {
        n->memory = true; /* for the moment of writing */
        got = write_memory(n, buffer, (uint64_t)got, at);
        n->memory = false;
        if (got < 0)
            break;
        at += (uint64_t)got;
    }
    mem_put(buffer);
    if (got < 0)
        return (int)got;
    n->memory = true;
    mem_put(n->window);
    n->window = NULL;
    return 0;
}

static int64_t write_lower(struct node *n, const uint8_t *from, uint64_t len, uint64_t at)
{
    struct rpc r = { 0 };
    int e = node_open(n, O_WRONLY);
    uint32_t count = (uint32_t)min_u64(len, ninep_client_io_max(&n->m->client));
    uint8_t *copy;

    if (e)
        return e;
    copy = mem_get(count);
    if (!copy)
        return -ENOMEM;
    e = user_copy(copy, from, count);
    if (!e)
        e = p9_call(n->m, &(struct ninep_msg){ .type = NINEP_TWRITE, .fid = n->open_fid, .offset = at, .count = count, .data = copy }, &r);
    mem_put(copy);
    if (e)
        return e;
    n->size = max_u64(n->size, at + r.a.msg.count);
    return r.a.msg.count;
}

bool node_may_write(const struct node *n)
{
    return !n->m || !(n->m->flags & APP_MOUNT_READONLY) || n->m->flags & APP_MOUNT_LAYER;
}

int64_t node_write(struct node *n, const void *user, uint64_t len, uint64_t at)
{
    int64_t done = 0, put = 1;

    if (!node_served(n)) {
        done = node_copy_up(n);
        n->mtime = n->ctime = node_now();
        done = done ? done : write_memory(n, user, len, at);
    }
    while (node_served(n) && (uint64_t)done < len && put > 0) {
        put = write_lower(n, (const uint8_t *)user + done, len - (uint64_t)done, at + (uint64_t)done);
        done = put > 0 ? done + put : done ? done : put;
    }
    vma_grown(n);
    return done;
}

int node_setattr(struct node *n, const struct ninep_attr *a, uint32_t set)
{
    int e = 0;

    if (!node_may_write(n))
        return -EROFS;
    if (node_served(n))
        e = node_fid(n);
    if (node_served(n) && !e)
        e = p9_do(n->m, .type = NINEP_TSETATTR, .fid = n->fid, .flags = set, .attr = *a);
    if (e)
        return e;
    if (set & NINEP_SET_MODE)
        n->mode = (n->mode & S_IFMT) | (a->mode & 07777);
    if (set & NINEP_SET_UID)
        n->uid = a->uid;
    if (set & NINEP_SET_GID)
        n->gid = a->gid;
    if (set & NINEP_SET_ATIME)
        n->atime = set & NINEP_SET_ATIME_TO ? node_time(a->atime) : node_now();
    if (set & NINEP_SET_MTIME)
        n->mtime = set & NINEP_SET_MTIME_TO ? node_time(a->mtime) : node_now();
    if (set & NINEP_SET_SIZE)
        n->size = a->size;
    n->ctime = node_now();
    node_tell(n, set & NINEP_SET_SIZE ? IN_MODIFY : IN_ATTRIB);
    return 0;
}

void node_pages_free(struct node *n)
{
    for (uint64_t i = 0; i < n->npages; i++)
        mem_put(n->pages[i]);
    mem_put(n->pages);
    n->pages = NULL;
    n->npages = 0;
}

/* In memory: what lies behind the new end is zero when it comes back. */
static int cut(struct node *n, uint64_t size)
{
    uint64_t last = size / CHUNK;
    int e;

    if (!size) { /* nothing of it is needed */
        n->memory = true;
        n->size = 0;
    }
    e = node_may_write(n) ? node_copy_up(n) : -EROFS;
    if (e)
        return e;
    if (n->object)
        object_cut(n, size);
    for (uint64_t i = (size + CHUNK - 1) / CHUNK; i < n->npages; i++) {
        mem_put(n->pages[i]);
        n->pages[i] = NULL;
    }
    if (size % CHUNK && last < n->npages && n->pages[last])
        memset(n->pages[last] + size % CHUNK, 0, CHUNK - size % CHUNK);
    n->size = size;
    n->mtime = n->ctime = node_now();
    node_tell(n, IN_MODIFY);
    return 0;
}

int node_truncate(struct node *n, uint64_t size)
{
    int e;

    if (!node_is(n, S_IFREG))
        return node_is(n, S_IFDIR) ? -EISDIR : -EINVAL;
    e = node_served(n) ? node_setattr(n, &(struct ninep_attr){ .size = size }, NINEP_SET_SIZE) : cut(n, size);
    if (!e)
        vma_grown(n);
    return e;
}

int node_stat(struct node *n, struct stat *s)
{
    int e = node_refresh(n);
    uint64_t blocks = n->m && !n->memory && !n->lower ? n->blocks : node_is(n, S_IFREG) ? align_up(n->size, 4096) / 512 : 0;

    *s = (struct stat){ .st_dev = n->m ? n->m->dev : 15, .st_ino = n->ino, .st_nlink = n->nlink, .st_mode = n->mode, .st_uid = n->uid, .st_gid = n->gid,
                        .st_rdev = n->rdev, .st_size = (int64_t)n->size, .st_blksize = 4096, .st_blocks = (int64_t)blocks,
                        .st_atime = (uint64_t)n->atime.tv_sec, .st_atime_nsec = (uint64_t)n->atime.tv_nsec, .st_mtime = (uint64_t)n->mtime.tv_sec,
                        .st_mtime_nsec = (uint64_t)n->mtime.tv_nsec, .st_ctime = (uint64_t)n->ctime.tv_sec, .st_ctime_nsec = (uint64_t)n->ctime.tv_nsec };
    return e;
}

