/* Spaces: what happens when memory is used. Untouched memory gets a page, a shared one a copy; and the monitor's own reading and writing. */
#include "base/str.h"
#include "vm/space_table.h"

/* --- touching ------------------------------------------------------------------------------------------------------------ */
/* The entry that says what is at `at`, its level, and whether a table on the way there is shared with clones. */
static uint64_t *walk(const struct space *s, uint64_t at, unsigned *level, bool *shared)
{
    uint64_t *entry = &top_table(s)[index_of(at, TOP_LEVEL)], tables = 0;
    unsigned l = TOP_LEVEL;

    for (; is_table(*entry, l); entry = &table_at(*entry)[index_of(at, --l)])
        tables |= *entry;
    *level = l;
    *shared = tables & COW;
    return entry;
}

static uint64_t *leaf_of(const struct space *s, uint64_t at, unsigned *level)
{
    bool shared;

    return walk(s, at, level, &shared);
}

static bool allows(uint64_t entry, unsigned error)
{
    uint64_t writable = entry & PTE_P ? PTE_W | COW : PTE_W;

    return entry & PTE_U && !(error & SPACE_FAULT_WRITE && !(entry & writable)) &&
           !(error & SPACE_FAULT_FETCH && entry & PTE_NX);
}

/* Splits the leaf at `at` until it stands for 4 KiB. */
static err_t split_down(struct space *s, uint64_t at, uint64_t **entry, unsigned *level)
{
    err_t e = space_spare_get(s, *level);

    if (e)
        return e;
    while (*level) {
        space_split(s, *entry, *level);
        *entry = leaf_of(s, at, level);
    }
    return OK;
}

static void fill(struct space *s, uint64_t *entry, unsigned level, hpa_t page)
{
    memset(hpa_ptr(page), 0, size_of(level));
    s->used += pages_of(level);
    *(volatile uint64_t *)entry = page.v | (*entry & (PTE_W | PTE_U | PTE_NX | HOME)) | PTE_P | PTE_A | PTE_D | (level ? PTE_PS : 0);
}

static err_t touch(struct space *s, uint64_t at, uint64_t *entry, unsigned level)
{
    hpa_t page = hpa(0);
    err_t e;

    if (level == TOP_LEVEL && *entry & LARGE && !space_spare_get(s, 1)) {
        space_split(s, entry, level);
        entry = leaf_of(s, at, &level);
    }
    if (level == 1 && *entry & LARGE && s->used - s->shared >= s->large_from && !ground_pages_get(PAGE_ORDER_2M, &page)) {
        fill(s, entry, level, page);
        return OK;
    }
    e = level ? split_down(s, at, &entry, &level) : OK;
    if (!e)
        e = ground_pages_get(0, &page);
    if (!e)
        fill(s, entry, 0, page);
    return e;
}

/* A page of an object: first at its home. Its home is large enough; the tables on the way here have not been counted yet. */
static err_t touch_alias(struct space *s, uint64_t at, uint64_t *entry, unsigned level)
{
    err_t e = level && s->mapped + s->tables + level > s->limit ? ERR_NOMEM : level ? split_down(s, at, &entry, &level) : OK;
    uint64_t from = *entry & PTE_ADDR, *home = leaf_of(s, from, &level);

    if (!e && !(*home & PTE_P)) {
        e = touch(s, from, home, level);
        home = leaf_of(s, from, &level);
    }
    if (e)
        return e;
    object_at(s, from)->waiting--;
    ground_pages_hold(run_of(*home), 1);
    *(volatile uint64_t *)entry = (*home & PTE_ADDR) | (*entry & (PTE_W | PTE_U | PTE_NX)) | ALIAS | PTE_P | PTE_A | PTE_D;
    space_objects_put(s);
    return OK;
}

/* A write to a page that others may see, too. */
static err_t copy(struct space *s, uint64_t at, uint64_t *entry, unsigned level)
{
    uint64_t old;
    hpa_t page = hpa(0);
    err_t e;

    if (!(*entry & FOREIGN) && !ground_pages_shared(run_of(*entry))) {
        s->shared -= *entry & TAKEN ? pages_of(level) : 0;
        *entry = (*entry & ~(COW | TAKEN)) | PTE_W; /* the others have gone */
        return OK;
    }
    space_hold(s);
    e = split_down(s, at, &entry, &level);
    if (!e)
        e = ground_pages_get(0, &page);
    if (e)
        goto out;
    old = *entry;
    memcpy(hpa_ptr(page), hpa_ptr(hpa(old & PTE_ADDR)), PAGE_SIZE);
    *(volatile uint64_t *)entry = page.v | (old & (PTE_U | PTE_NX)) | PTE_P | PTE_A | PTE_D | PTE_W;
    s->used += old & FOREIGN ? 1 : 0;
    s->shared -= old & TAKEN ? 1 : 0;
    if (!(old & FOREIGN))
        ground_pages_put(run_of(old), order_of(old));
out:
    space_release(s);
    return e;
}

/* Makes `at` present for such an access. Under the lock. */
static err_t reach(struct space *s, uint64_t at, unsigned error)
{
    unsigned level;
    uint64_t *entry;
    bool shared;

    if (at >= APP_TOP)
        return ERR_RANGE;
    entry = walk(s, at, &level, &shared);
    if (!allows(*entry, error))
        return ERR_RANGE;
    if (shared && (!(*entry & PTE_P) || error & SPACE_FAULT_WRITE)) {
        if (space_path_own(s, at))
            return ERR_NOMEM;
        entry = leaf_of(s, at, &level);
    }
    if (!(*entry & PTE_P))
        return *entry & ALIAS ? touch_alias(s, at, entry, level) : touch(s, at, entry, level);
    if (error & SPACE_FAULT_WRITE && *entry & COW)
        return copy(s, at, entry, level);
    return OK; /* another CPU was faster */
}

err_t space_fault(struct space *s, uint64_t at, unsigned error)
{
    lock_take(&s->lock);
    err_t e = reach(s, at, error);
    lock_drop(&s->lock);
    return e;
}

/* --- copies -------------------------------------------------------------------------------------------------------------- */
static uint8_t *place_of(uint64_t entry, unsigned level, uint64_t at)
{
    return (uint8_t *)hpa_ptr(hpa(entry & PTE_ADDR & ~(size_of(level) - 1))) + at % size_of(level);
}

static uint8_t *locate(const struct space *s, uint64_t at)
{
    unsigned level;
    uint64_t entry = *leaf_of(s, at, &level);

    return place_of(entry, level, at);
}

static err_t read_page(struct space *s, uint64_t at, void *dst, uint64_t n)
{
    unsigned level;
    uint64_t entry;

    if (at >= APP_TOP)
        return ERR_RANGE;
    entry = *leaf_of(s, at, &level);
    if (!allows(entry, 0))
        return ERR_RANGE;
    if (entry & ALIAS && !(entry & PTE_P)) {
        at = (entry & PTE_ADDR) + at % size_of(level);
        entry = *leaf_of(s, at, &level);
    }
    if (entry & PTE_P)
        memcpy(dst, place_of(entry, level, at), n);
    else
        memset(dst, 0, n);
    return OK;
}

/* Where `at` lies, if it can be written as it is; else NULL. */
static uint8_t *writable(const struct space *s, uint64_t at)
{
    const uint64_t needs = PTE_P | PTE_W | PTE_U;
    unsigned level = 0;
    bool shared = false;
    uint64_t entry = at < APP_TOP ? *walk(s, at, &level, &shared) : 0;

    return !shared && (entry & (needs | COW)) == needs ? place_of(entry, level, at) : NULL;
}

static err_t write_page(struct space *s, uint64_t at, const void *src, uint64_t n)
{
    uint8_t *to = writable(s, at);
    err_t e = to ? OK : reach(s, at, SPACE_FAULT_WRITE);

    if (!e)
        memcpy(to ? to : locate(s, at), src, n);
    return e;
}

err_t space_read(struct space *s, uint64_t at, void *dst, uint64_t len)
{
    err_t e = OK;

    lock_take(&s->lock);
    for (uint64_t n; !e && len; at += n, dst = (uint8_t *)dst + n, len -= n) {
        n = min_u64(len, PAGE_SIZE - at % PAGE_SIZE);
        e = read_page(s, at, dst, n);
    }
    lock_drop(&s->lock);
    return e;
}

err_t space_write(struct space *s, uint64_t at, const void *src, uint64_t len)
{
    err_t e = OK;

    lock_take(&s->lock);
    for (uint64_t n; !e && len; at += n, src = (const uint8_t *)src + n, len -= n) {
        n = min_u64(len, PAGE_SIZE - at % PAGE_SIZE);
        e = write_page(s, at, src, n);
    }
    lock_drop(&s->lock);
    return e;
}

bool space_mapped(struct space *s, uint64_t at, uint64_t len)
{
    bool all = len <= APP_TOP && at <= APP_TOP - len;
    unsigned level;

    lock_take(&s->lock);
    for (uint64_t end = at + len; all && at < end; at = align_down(at, size_of(level)) + size_of(level))
        all = allows(*leaf_of(s, at, &level), 0);
    lock_drop(&s->lock);
    return all;
}

err_t space_pin(struct space *s, uint64_t at, hpa_t *out)
{
    lock_take(&s->lock);
    err_t e = reach(s, at, SPACE_FAULT_WRITE);
    if (!e)
        *out = hpa_of(locate(s, at));
    lock_drop(&s->lock);
    return e;
}
