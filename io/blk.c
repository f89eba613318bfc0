/* The registry of block devices, the checks every driver makes on a request, and synchronous reads. */
#include "io/blk.h"

#include "base/panic.h"
#include "base/str.h"

static struct list disks = LIST_INIT(disks);

err_t blk_check(const struct blk *b, const struct blk_req *r, uint64_t *nsectors)
{
    uint64_t bytes = 0, n;

    *nsectors = 0;
    if (r->op == BLK_FLUSH)
        return OK;
    if (b->read_only && r->op != BLK_READ)
        return ERR_UNSUPPORTED;
    if (r->op == BLK_DISCARD) {
        if (!b->can_discard)
            return ERR_UNSUPPORTED;
        n = r->nsectors;
    } else {
        if (r->op > BLK_DISCARD || r->nseg > b->max_segs)
            return ERR_INVAL;
        for (uint32_t i = 0; i < r->nseg; i++) {
            if (!r->seg[i].len || r->seg[i].len % 4 || r->seg[i].pa.v % 4)
                return ERR_INVAL;
            bytes += r->seg[i].len;
        }
        if (bytes > b->max_bytes || bytes % b->block_size)
            return ERR_INVAL;
        n = bytes / BLK_SECTOR;
    }
    if (!n || r->sector % (b->block_size / BLK_SECTOR) || n % (b->block_size / BLK_SECTOR))
        return ERR_INVAL;
    if (r->sector >= b->sectors || n > b->sectors - r->sector)
        return ERR_RANGE;
    *nsectors = n;
    return OK;
}

bool blk_refuse(const struct blk *b, struct blk_req *r)
{
    uint64_t nsectors;
    err_t e = blk_check(b, r, &nsectors);

    if (e)
        r->done(r, e);
    return e;
}

void blk_register(struct blk *b)
{
    ASSERT(!blk_find(b->name));
    list_push_back(&disks, &b->link);
}

struct blk *blk_next(const struct blk *b)
{
    const struct list *n = b ? b->link.next : disks.next;
    return n == &disks ? NULL : container_of(n, struct blk, link);
}

static bool spec_names(const char *spec, const struct blk *b)
{
    static const char label[] = "PARTLABEL=", uuid[] = "PARTUUID=";

    if (str_starts(spec, label))
        return b->partlabel[0] && str_eq(spec + strlen(label), b->partlabel);
    if (str_starts(spec, uuid))
        return b->partuuid[0] && str_eq_nocase(spec + strlen(uuid), b->partuuid);
    return str_eq(spec, b->name);
}

struct blk *blk_find(const char *spec)
{
    for (struct blk *b = blk_next(NULL); b; b = blk_next(b))
        if (spec_names(spec, b))
            return b;
    return NULL;
}

/* done() may run on another CPU, from the disk's interrupt. */
struct wait {
    _Atomic bool over;
    err_t result;
};

static void wait_done(struct blk_req *r, err_t e)
{
    struct wait *w = r->owner;
    w->result = e;
    w->over = true;
}

err_t blk_read_wait(struct blk *b, uint64_t sector, void *buf, uint32_t len)
{
    uint8_t *to = buf;

    while (len) {
        uint32_t n = (uint32_t)min_u64(len, align_down(b->max_bytes, b->block_size));
        struct blk_seg seg = { .pa = hpa_of(to), .len = n };
        struct wait w = { .over = false };
        struct blk_req r = { .op = BLK_READ, .sector = sector, .seg = &seg, .nseg = 1, .done = wait_done, .owner = &w };

        list_init(&r.link);
        b->ops->submit(b, &r);
        /* a driver gives up on a dead disk by itself, in poll(), and then calls done() */
        while (!w.over)
            if (b->ops->poll)
                b->ops->poll(b);
        if (w.result)
            return w.result;
        to += n;
        len -= n;
        sector += n / BLK_SECTOR;
    }
    return OK;
}
