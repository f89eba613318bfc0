/* The page allocator: buddy allocators over the memory the firmware left us, and the objects made of pages. Spans far
 * apart get an allocator each, so that a hole costs no metadata; the metadata is taken from the memory itself.
 * `lock` guards everything. */
#include "arch/x86/lock.h"
#include "base/buddy.h"
#include "base/str.h"
#include "ground/efi/machine.h"

#define ZONES_MAX 16
#define ZONE_GAP GIB(16) /* a hole this big begins a new zone: its metadata would be 4 MiB and more */
#define LOW_END MIB(1)   /* below, firmwares scribble; it is left alone but for the trampoline */

static struct lock lock;
static struct buddy zone[ZONES_MAX]; /* by address */
static uint32_t *holds[ZONES_MAX];   /* for each page: owners beyond the first of the run that starts there */
static unsigned nzones;
static uint64_t total; /* pages */

static bool usable(const struct mem_range *r) { return r->kind >= MEM_BOOT && r->end > LOW_END; }
static uint64_t usable_start(const struct mem_range *r) { return max_u64(r->start, LOW_END); }

static struct buddy *zone_of(uint64_t page)
{
    for (unsigned i = 0; i < nzones; i++)
        if (page - zone[i].first < zone[i].pages)
            return &zone[i];
    return NULL;
}

static uint32_t *holds_of(hpa_t at)
{
    const struct buddy *z = zone_of(at.v / PAGE_SIZE);

    if (!z || at.v % PAGE_SIZE)
        panic("pages: 0x%" PRIx64 " is not ours", at.v);
    return &holds[z - zone][at.v / PAGE_SIZE - z->first];
}

/* Takes bytes from the end of the first free range that has them. */
static void *carve(struct memmap *m, uint64_t bytes)
{
    bytes = align_up(bytes, PAGE_SIZE);
    for (unsigned i = 0; i < m->count; i++) {
        struct mem_range *r = &m->range[i];

        if (r->kind == MEM_FREE && r->give_end > usable_start(r) && r->give_end - usable_start(r) >= bytes) {
            r->give_end -= bytes;
            return hpa_ptr(hpa(r->give_end));
        }
    }
    panic("pages: no room for %" PRIu64 " KiB of page allocator", bytes / 1024);
}

static void zone_make(struct memmap *m, uint64_t start, uint64_t end)
{
    uint64_t first = start / PAGE_SIZE, pages = end / PAGE_SIZE - first;
    struct buddy *z = &zone[nzones];

    buddy_init(z, first, pages, carve(m, buddy_meta_bytes(first, pages)));
    holds[nzones] = memset(carve(m, z->pages * sizeof *holds[0]), 0, z->pages * sizeof *holds[0]);
    nzones++;
}

static void add_kind(const struct memmap *m, enum mem_kind kind)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct mem_range *r = &m->range[i];

        if (r->kind != kind || r->give_end <= usable_start(r))
            continue;
        uint64_t first = usable_start(r) / PAGE_SIZE, pages = r->give_end / PAGE_SIZE - first;
        buddy_add(zone_of(first), first, pages);
        total += pages;
    }
}

void pages_init(struct memmap *m)
{
    uint64_t start = 0, end = 0;

    for (unsigned i = 0; i < m->count; i++) {
        const struct mem_range *r = &m->range[i];

        if (!usable(r))
            continue;
        if (end && r->start - end >= ZONE_GAP && nzones < ZONES_MAX - 1) {
            zone_make(m, start, end);
            end = 0;
        }
        if (!end)
            start = usable_start(r);
        end = r->end;
    }
    zone_make(m, start, end);
    add_kind(m, MEM_FREE);
}

void pages_add_boot(const struct memmap *m) { add_kind(m, MEM_BOOT); }

err_t ground_pages_get(unsigned order, hpa_t *out)
{
    uint64_t page = 0;
    err_t e = ERR_NOMEM;

    if (order > BUDDY_ORDER_MAX)
        return ERR_NOMEM;
    lock_take(&lock);
    for (unsigned i = 0; e && i < nzones; i++)
        e = buddy_get(&zone[i], order, &page);
    lock_drop(&lock);
    if (!e)
        *out = hpa(page * PAGE_SIZE);
    return e;
}

void ground_pages_put(hpa_t at, unsigned order)
{
    uint32_t *more = holds_of(at);

    lock_take(&lock);
    if (*more)
        *more -= 1;
    else
        buddy_put(zone_of(at.v / PAGE_SIZE), at.v / PAGE_SIZE, order);
    lock_drop(&lock);
}

void ground_pages_hold(hpa_t at, uint32_t n)
{
    uint32_t *more = holds_of(at);

    lock_take(&lock);
    ASSERT(*more <= UINT32_MAX - n);
    *more += n;
    lock_drop(&lock);
}

bool ground_pages_shared(hpa_t at)
{
    lock_take(&lock);
    bool shared = *holds_of(at);
    lock_drop(&lock);
    return shared;
}

bool ground_pages_leave(hpa_t at)
{
    lock_take(&lock);
    bool others = *holds_of(at);
    *holds_of(at) -= others;
    lock_drop(&lock);
    return others;
}

uint64_t ground_pages_total(void) { return total; }

uint64_t ground_pages_free(void)
{
    uint64_t n = 0;

    lock_take(&lock);
    for (unsigned i = 0; i < nzones; i++)
        n += zone[i].free;
    lock_drop(&lock);
    return n;
}

void *ground_alloc(size_t bytes)
{
    unsigned order = page_order(bytes);
    hpa_t at;

    if (bytes > (uint64_t)PAGE_SIZE << BUDDY_ORDER_MAX || ground_pages_get(order, &at))
        return NULL;
    return memset(hpa_ptr(at), 0, (size_t)PAGE_SIZE << order);
}

void ground_free(void *p, size_t bytes)
{
    if (p)
        ground_pages_put(hpa_of(p), page_order(bytes));
}
