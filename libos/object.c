/* Memory objects: the contents of a file in memory that is mapped shared. The monitor's device "mem" gives memory that can be mapped at several
 * places; one mapping is the libos' own, and reading and writing the file goes through that. Used by data.c and vma.c, through file_map_direct(). */
#include "libos/node.h"
#include "libos/vma.h"

struct object {
    uint32_t fid;
    uint64_t at, room; /* the libos' own mapping */
};

/* --- places for them: powers of two, a list of free ones for each ---------------------------------------------------------- */
#define SMALLEST 16u
#define SIZES 37u
static struct place {
    struct place *next;
    uint64_t at;
} *free_places[SIZES];
static uint64_t fresh = OBJECTS;

static unsigned size_of(uint64_t bytes)
{
    unsigned size = SMALLEST;

    while (1ull << size < bytes)
        size++;
    return size;
}

static uint64_t place_get(unsigned size)
{
    struct place *p = size < SIZES ? free_places[size] : NULL;
    uint64_t at = fresh;

    if (p) {
        at = p->at;
        free_places[size] = p->next;
        mem_put(p);
        return at;
    }
    if (size >= SIZES || OBJECTS_END - fresh < 1ull << size)
        return 0;
    fresh += 1ull << size;
    return at;
}

static void place_put(uint64_t at, uint64_t room)
{
    struct place *p = mem_get(sizeof *p);

    maps_call(APP_UNMAP, at, room, 0, 0, 0);
    if (!p)
        return; /* addresses that will not be used again */
    *p = (struct place){ .next = free_places[size_of(room)], .at = at };
    free_places[size_of(room)] = p;
}

/* --- objects ---------------------------------------------------------------------------------------------------------------- */
static int64_t map_at(const struct object *o, uint64_t at, uint64_t len, unsigned prot, uint64_t offset)
{
    int64_t e = maps_call(APP_MAP_FILE, at, len, prot, (uint64_t)dev_mount()->number << 32 | o->fid, offset);

    return e == 0 ? 0 : e == APP_NOMEM ? -ENOMEM : -ENODEV;
}

static int resize(struct object *o, uint64_t bytes)
{
    unsigned size = size_of(bytes);
    uint64_t at, room = 1ull << size;
    int e;

    if (bytes <= o->room)
        return 0;
    at = place_get(size);
    if (!at)
        return -EFBIG;
    e = p9_do(dev_mount(), .type = NINEP_TWRITE, .fid = o->fid, .count = 8, .data = &room);
    if (!e)
        e = (int)map_at(o, at, room, APP_READ | APP_WRITE | APP_SHARED, 0);
    if (e) {
        place_put(at, room);
        return e == -ENODEV ? -ENOMEM : e;
    }
    if (o->room)
        place_put(o->at, o->room);
    o->at = at;
    o->room = room;
    return 0;
}

void object_put(struct node *n)
{
    struct object *o = n->object;

    if (!o)
        return;
    if (o->room)
        place_put(o->at, o->room);
    fid_clunk(dev_mount(), o->fid);
    mem_put(o);
    n->object = NULL;
}

int object_make(struct node *n)
{
    struct object *o = mem_get(sizeof *o);
    int64_t e = o ? node_copy_up(n) : -ENOMEM;

    if (!e)
        e = p9_open(dev_mount(), "mem", O_RDWR, &o->fid);
    if (e) {
        mem_put(o);
        return e == -ENOENT ? -EOPNOTSUPP : (int)e; /* this monitor has no such memory */
    }
    e = resize(o, max_u64(n->size, 1));
    if (!e && n->size)
        e = node_read(n, (void *)o->at, n->size, 0);
    n->object = o;
    if (e < 0)
        object_put(n);
    else
        node_pages_free(n);
    return e < 0 ? (int)e : 0;
}

int64_t object_map(struct node *n, uint64_t addr, uint64_t len, unsigned prot, uint64_t offset)
{
    int e = resize(n->object, offset + len);

    return e ? e : map_at(n->object, addr, len, prot, offset);
}

int object_copy(struct node *n, void *user, uint64_t len, uint64_t at, bool out)
{
    struct object *o = n->object;
    int e = resize(o, at + len);

    return e ? e : out ? user_copy((void *)(o->at + at), user, len) : user_copy(user, (void *)(o->at + at), len);
}

/* What lies behind the new end is zero when it comes back. */
void object_cut(struct node *n, uint64_t size)
{
    struct object *o = n->object;

    if (size < o->room && size < n->size)
        memset((void *)(o->at + size), 0, min_u64(o->room, align_up(n->size, PAGE_SIZE)) - size);
}
