/* Spaces: one walker over the page tables, which are the only record of what is mapped. Entries, by level: 0 maps 4 KiB, 1 maps
 * 2 MiB, 2 stands for 1 GiB, 3 is the root. AMD APM volume 2, 5.3. */
#include "vm/space.h"
#include "arch/x86/reg.h"
#include "base/str.h"
#include "ground/ground.h"

#define ENTRIES 512u
#define TOP_LEVEL 2u /* of what is mapped: the root has one entry in use, and its table is there from the beginning */

/* Bits of an entry that the processor ignores. Present: */
#define COW BIT64(9)      /* may be written, but not before it has been copied; W is off. Of a table: others use it, too, and nothing in it changes */
#define PART BIT64(10)    /* 4 KiB of a run of 2 MiB, which is what is held: one hold for each entry that points into it */
#define FOREIGN BIT64(11) /* not ours: an image's; never given back */
#define TAKEN BIT64(52)   /* as it was in the space that this one is a clone of; of a table: all that is below it */
#define ALIAS BIT64(53)   /* of an object: a write is seen wherever it is mapped. Not present: the address is that of its home */
#define HOME BIT64(54)    /* of an object, where all of it lies: above APP_TOP, without any right for the guest */
/* Not present: untouched memory of all that the entry stands for, with the rights in W, U and NX */
#define ZERO BIT64(9)
#define LARGE BIT64(10) /* may be touched 2 MiB at a time */

#define HOME_BYTES GIB(4) /* of an object at most: whole entries of the top table */
#define HOME_TOP (HOME_BYTES / GIB(1))
_Static_assert(APP_TOP + SPACE_OBJECTS * HOME_BYTES <= BIT64(39), "the root's one entry");

#define CLONE_LARGE pages_of(1) /* a clone that needs little is to stay small */

#define RIGHTS (PTE_W | PTE_U | PTE_NX | COW)
#define KNOWN (APP_READ | APP_WRITE | APP_EXEC)

static uint64_t size_of(unsigned level) { return (uint64_t)PAGE_SIZE << 9 * level; }
static uint64_t pages_of(unsigned level) { return BIT64(9 * level); }
static unsigned index_of(uint64_t at, unsigned level) { return (unsigned)(at >> (PAGE_SHIFT + 9 * level)) % ENTRIES; }
static uint64_t *table_at(uint64_t entry) { return hpa_ptr(hpa(entry & PTE_ADDR)); }
static bool is_table(uint64_t entry, unsigned level) { return level && entry & PTE_P && !(entry & PTE_PS); }

static uint64_t home_of(unsigned n) { return APP_TOP + n * HOME_BYTES; }
static struct space_object *object_at(const struct space *s, uint64_t home) { return &s->object[(home - APP_TOP) / HOME_BYTES]; }

static uint64_t *top_table(const struct space *s) { return table_at(*(uint64_t *)hpa_ptr(s->root)); }

/* The bits for a right to anything; reading is always one of them. */
static uint64_t rights_of(unsigned prot)
{
    if (!(prot & KNOWN))
        return PTE_NX;
    return PTE_U | (prot & APP_WRITE ? PTE_W : 0) | (prot & APP_EXEC ? 0 : PTE_NX);
}

/* --- pages ----------------------------------------------------------------------------------------------------------- */
/* The run an entry points into. */
static hpa_t run_of(uint64_t entry)
{
    uint64_t at = entry & PTE_ADDR;

    return hpa(entry & (PART | PTE_PS) ? align_down(at, MIB(2)) : at);
}

static unsigned order_of(uint64_t entry) { return entry & (PART | PTE_PS) ? PAGE_ORDER_2M : 0; }

static uint64_t *table_take(struct space *s)
{
    uint64_t *t = hpa_ptr(hpa(s->spare));

    ASSERT(s->spare);
    s->spare = t[0];
    t[0] = 0;
    s->tables++;
    return t;
}

static void table_put(struct space *s, uint64_t *t)
{
    s->tables--;
    ground_pages_put(hpa_of(t), 0);
}

static void spare_drop(struct space *s)
{
    while (s->spare) {
        uint64_t *t = hpa_ptr(hpa(s->spare));
        s->spare = t[0];
        ground_pages_put(hpa_of(t), 0);
    }
}

/* Has n tables ready. ERR_NOMEM: none. */
static err_t spare_get(struct space *s, uint64_t n)
{
    while (n--) {
        uint64_t *t = ground_alloc(PAGE_SIZE);
        if (!t) {
            spare_drop(s);
            return ERR_NOMEM;
        }
        t[0] = s->spare;
        s->spare = hpa_of(t).v;
    }
    return OK;
}

static bool is_held(uint64_t entry) { return entry & PTE_P && !(entry & FOREIGN); }

static void uncount(struct space *s, uint64_t entry, unsigned level, bool taken)
{
    taken = taken || entry & TAKEN;
    if (is_table(entry, level)) {
        for (unsigned i = 0; i < ENTRIES; i++)
            if (table_at(entry)[i])
                uncount(s, table_at(entry)[i], level - 1, taken);
        s->tables -= !taken;
        return;
    }
    if (entry & ALIAS) {
        s->aliases -= pages_of(level);
        if (!(entry & PTE_P))
            object_at(s, entry & PTE_ADDR)->waiting -= pages_of(level);
        return;
    }
    s->mapped -= pages_of(level);
    s->used -= is_held(entry) && !(entry & HOME) ? pages_of(level) : 0;
    s->shared -= is_held(entry) && taken ? pages_of(level) : 0;
}

/* Whoever is the last to have a table gives back what is in it. A page of an object counts until nothing has it. */
static void drop(struct space *s, uint64_t entry, unsigned level)
{
    if (!is_table(entry, level)) {
        if (entry & PTE_P && entry & (ALIAS | HOME))
            s->used -= !ground_pages_shared(run_of(entry));
        if (is_held(entry))
            ground_pages_put(run_of(entry), order_of(entry));
        return;
    }
    if (ground_pages_leave(hpa_of(table_at(entry))))
        return;
    for (unsigned i = 0; i < ENTRIES; i++)
        drop(s, table_at(entry)[i], level - 1);
    ground_pages_put(hpa_of(table_at(entry)), 0);
}

/* Gives back all that is behind an entry, which the caller overwrites. */
static void entry_put(struct space *s, uint64_t entry, unsigned level)
{
    if (!entry)
        return;
    uncount(s, entry, level, false);
    drop(s, entry, level);
}

/* Replaces a leaf by a table of 512 that mean the same. */
static void split(struct space *s, uint64_t *entry, unsigned level)
{
    uint64_t *t = table_take(s), piece = *entry & ~PTE_PS, step = 0;

    if (*entry & PTE_P) {
        step = size_of(level - 1);
        if (!(piece & FOREIGN)) {
            piece |= PART;
            ground_pages_hold(run_of(*entry), ENTRIES - 1);
        }
    } else if (*entry & ALIAS) {
        step = size_of(level - 1);
    }
    for (unsigned i = 0; *entry && i < ENTRIES; i++)
        t[i] = piece + i * step;
    *(volatile uint64_t *)entry = hpa_of(t).v | PTE_P | PTE_W | PTE_U;
}

/* Once no CPU runs the guest it is counted, so whoever enters it afterwards sees that. */
static void hold(struct space *s)
{
    if (s->hold) {
        atomic_store(&s->held, true);
        s->hold(s);
    }
    atomic_fetch_add(&s->edits, 1);
}

static void release(struct space *s)
{
    atomic_store(&s->held, false);
}

/* --- tables that several spaces use ----------------------------------------------------------------------------------------- */
/* An entry as two have it. */
static uint64_t cow_of(uint64_t entry, unsigned level)
{
    return is_table(entry, level) || (entry & PTE_P && entry & PTE_W) ? (entry & ~PTE_W) | COW : entry;
}

static void share(uint64_t entry, unsigned level)
{
    if (is_table(entry, level))
        ground_pages_hold(hpa_of(table_at(entry)), 1);
    else if (is_held(entry))
        ground_pages_hold(run_of(entry), 1);
}

/* Makes the table behind an entry the space's own: a copy, unless the others have gone. Rights to write that it says somebody has are
 * those of the time when it had one owner: pages in it may have more by now. ERR_NOMEM: nothing has changed. */
static err_t table_own(struct space *s, uint64_t *entry, unsigned level)
{
    uint64_t was = *entry, *old = table_at(was), *t = old;

    if (!(was & COW))
        return OK;
    if (ground_pages_shared(hpa_of(old))) {
        if (spare_get(s, 1))
            return ERR_NOMEM;
        t = table_take(s);
        s->tables -= !(was & TAKEN); /* it is in the place of another */
    } else {
        s->tables += was & TAKEN ? 1 : 0;
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t e = old[i];
        if (!e)
            continue;
        e = cow_of(e, level - 1) | (is_held(e) ? was & TAKEN : 0);
        if (t != old)
            share(e, level - 1);
        t[i] = e;
    }
    hold(s);
    *(volatile uint64_t *)entry = hpa_of(t).v | PTE_P | PTE_W | PTE_U;
    release(s);
    if (t != old)
        drop(s, was, level);
    return OK;
}

/* The same for all tables on the way to an address. */
static err_t path_own(struct space *s, uint64_t at)
{
    uint64_t *table = top_table(s), *entry;
    err_t e = OK;

    for (unsigned level = TOP_LEVEL; !e && is_table(*(entry = &table[index_of(at, level)]), level); level--) {
        e = table_own(s, entry, level);
        table = table_at(*entry);
    }
    return e;
}

/* --- changing a range -------------------------------------------------------------------------------------------------- */
enum edit_kind { EDIT_ZERO, EDIT_IMAGE, EDIT_ALIAS, EDIT_UNMAP, EDIT_PROTECT };

struct edit {
    enum edit_kind kind;
    uint64_t flags; /* rights, LARGE, HOME */
    uint64_t from;  /* EDIT_IMAGE, EDIT_ALIAS: what to add to an address of the guest to get the image's, or the object's home */
};

/* Whether an entry that the range covers can be replaced as it is; else what is below it must be. */
static bool edit_fits(const struct edit *e, uint64_t old, unsigned level)
{
    switch (e->kind) {
    case EDIT_ZERO:
    case EDIT_ALIAS:
    case EDIT_UNMAP: return true;
    case EDIT_IMAGE: return level == 0 || (level == 1 && e->from % MIB(2) == 0);
    case EDIT_PROTECT: return !is_table(old, level);
    }
    return false;
}

static uint64_t with_rights(uint64_t entry, uint64_t rights)
{
    bool ours = entry & PTE_W;

    entry = (entry & ~RIGHTS) | rights;
    if (entry & PTE_W && !ours && !(entry & ALIAS) && (entry & FOREIGN || ground_pages_shared(run_of(entry))))
        entry = (entry & ~PTE_W) | COW;
    return entry;
}

static void edit_entry(struct space *s, const struct edit *e, uint64_t *entry, unsigned level, uint64_t at)
{
    uint64_t old = *entry, leaf = PTE_P | PTE_A | PTE_D | FOREIGN | (level ? PTE_PS : 0);

    if (e->kind == EDIT_PROTECT && old) {
        *entry = old & PTE_P ? with_rights(old, e->flags) : (old & (ZERO | LARGE | ALIAS | PTE_ADDR)) | e->flags;
        return;
    }
    *entry = 0;
    entry_put(s, old, level);
    if (e->kind == EDIT_UNMAP)
        return;
    if (e->kind == EDIT_ALIAS) {
        *entry = ALIAS | (at + e->from) | e->flags;
        s->aliases += pages_of(level);
        object_at(s, at + e->from)->waiting += pages_of(level);
        return;
    }
    *entry = e->kind == EDIT_IMAGE ? with_rights((at + e->from) | leaf, e->flags) : ZERO | e->flags;
    s->mapped += pages_of(level);
}

/* Has those tables for its own in which the edit changes something. */
static err_t edit_own(struct space *s, const struct edit *e, uint64_t *table, unsigned level, uint64_t at, uint64_t end)
{
    uint64_t size = size_of(level);
    err_t err = OK;

    for (uint64_t next; !err && at < end; at = next) {
        uint64_t *entry = &table[index_of(at, level)];

        next = min_u64(align_down(at, size) + size, end);
        if (!is_table(*entry, level) || (next - at == size && edit_fits(e, *entry, level)))
            continue;
        err = table_own(s, entry, level);
        if (!err)
            err = edit_own(s, e, table_at(*entry), level - 1, at, next);
    }
    return err;
}

static bool table_empty(const uint64_t *t)
{
    unsigned i = 0;

    while (i < ENTRIES && !t[i])
        i++;
    return i == ENTRIES;
}

static void edit_range(struct space *s, const struct edit *e, uint64_t *table, unsigned level, uint64_t at, uint64_t end)
{
    uint64_t size = size_of(level);

    for (uint64_t next; at < end; at = next) {
        uint64_t *entry = &table[index_of(at, level)];

        next = min_u64(align_down(at, size) + size, end);
        if (next - at == size && edit_fits(e, *entry, level)) {
            edit_entry(s, e, entry, level, at);
            continue;
        }
        if (!*entry && e->kind == EDIT_UNMAP)
            continue;
        if (!is_table(*entry, level))
            split(s, entry, level);
        edit_range(s, e, table_at(*entry), level - 1, at, next);
        if (e->kind == EDIT_UNMAP && table_empty(table_at(*entry))) {
            uint64_t *t = table_at(*entry);
            *entry = 0;
            table_put(s, t);
        }
    }
}

/* --- what a change needs ------------------------------------------------------------------------------------------------ */
/* Pages with an entry, and those of objects among them. */
static uint64_t count_mapped(const uint64_t *table, unsigned level, uint64_t at, uint64_t end, uint64_t *aliases)
{
    uint64_t size = size_of(level), n = 0;

    for (uint64_t next; at < end; at = next) {
        uint64_t entry = table[index_of(at, level)];

        next = min_u64(align_down(at, size) + size, end);
        if (is_table(entry, level))
            n += count_mapped(table_at(entry), level - 1, at, next, aliases);
        else if (entry)
            n += (next - at) / PAGE_SIZE;
        if (entry & ALIAS && !is_table(entry, level))
            *aliases += (next - at) / PAGE_SIZE;
    }
    return n;
}

/* Tables that one end of a range needs because it lies inside of a large entry, but for those that the other end needs, too. */
static uint64_t end_needs(const struct space *s, uint64_t at, uint64_t other)
{
    const uint64_t *t = top_table(s);
    uint64_t n = 0;

    for (unsigned level = TOP_LEVEL; level && at % size_of(level); level--) {
        uint64_t entry = t ? t[index_of(at, level)] : 0;
        t = is_table(entry, level) ? table_at(entry) : NULL;
        n += !t && !(other % size_of(level) && other / size_of(level) == at / size_of(level));
    }
    return n;
}

/* At least as many tables as the edit makes. */
static uint64_t tables_needed(const struct space *s, const struct edit *e, uint64_t at, uint64_t end)
{
    uint64_t n = end_needs(s, at, 0) + end_needs(s, end, at);

    if (e->kind != EDIT_IMAGE)
        return n;
    for (unsigned level = 1; level <= TOP_LEVEL; level++)
        if (level > 1 || e->from % MIB(2))
            n += align_up(end, size_of(level)) / size_of(level) - at / size_of(level);
    return n;
}

static err_t range_check(uint64_t at, uint64_t len)
{
    if (!len || (at | len) % PAGE_SIZE)
        return ERR_INVAL;
    return len > APP_TOP || at > APP_TOP - len ? ERR_RANGE : OK;
}

/* Gives back the objects that nothing can reach any more. */
static void objects_put(struct space *s)
{
    for (unsigned n = 0; s->leaving && n < SPACE_OBJECTS; n++) {
        struct space_object *o = &s->object[n];
        uint64_t *t = &top_table(s)[index_of(home_of(n), TOP_LEVEL)];

        if (!o->used || o->open || o->waiting)
            continue;
        for (unsigned i = 0; i < HOME_TOP; i++) {
            entry_put(s, t[i], TOP_LEVEL);
            t[i] = 0;
        }
        *o = (struct space_object){ 0 };
        s->leaving--;
        s->objects--;
    }
}

/* Under the lock. Pages of objects count where their home is; elsewhere only the tables. */
static err_t change(struct space *s, const struct edit *e, uint64_t at, uint64_t len)
{
    uint64_t aliases = 0, any = count_mapped(top_table(s), TOP_LEVEL, at, at + len, &aliases), before = any - aliases;
    uint64_t after = len / PAGE_SIZE, tables = tables_needed(s, e, at, at + len);
    err_t err = OK;

    if (e->kind == EDIT_UNMAP && !any)
        return OK;
    if (e->kind == EDIT_UNMAP || e->kind == EDIT_ALIAS)
        after = 0;
    if (e->kind == EDIT_PROTECT)
        after -= aliases;
    if ((after > before || e->kind == EDIT_ALIAS) && s->mapped + (after > before ? after - before : 0) + s->tables + tables > s->limit)
        err = ERR_NOMEM;
    if (!err)
        err = edit_own(s, e, top_table(s), TOP_LEVEL, at, at + len);
    if (!err)
        err = spare_get(s, tables);
    if (err)
        return err;
    if (any)
        hold(s);
    edit_range(s, e, top_table(s), TOP_LEVEL, at, at + len);
    objects_put(s);
    release(s);
    spare_drop(s);
    return OK;
}

static err_t edit(struct space *s, const struct edit *e, uint64_t at, uint64_t len)
{
    err_t err = range_check(at, len);

    if (err)
        return err;
    lock_take(&s->lock);
    err = change(s, e, at, len);
    lock_drop(&s->lock);
    return err;
}

err_t space_map(struct space *s, uint64_t at, uint64_t len, unsigned prot)
{
    const struct edit e = { .kind = EDIT_ZERO, .flags = rights_of(prot) | (prot & APP_SMALL ? 0 : LARGE) };

    if (prot & ~(KNOWN | APP_SMALL))
        return ERR_INVAL;
    return prot & KNOWN ? edit(s, &e, at, len) : space_unmap(s, at, len);
}

err_t space_map_image(struct space *s, uint64_t at, uint64_t len, unsigned prot, hpa_t from)
{
    const struct edit e = { .kind = EDIT_IMAGE, .flags = rights_of(prot), .from = from.v - at };

    return prot & ~KNOWN || from.v % PAGE_SIZE ? ERR_INVAL : edit(s, &e, at, len);
}

err_t space_unmap(struct space *s, uint64_t at, uint64_t len)
{
    const struct edit e = { .kind = EDIT_UNMAP };

    return edit(s, &e, at, len);
}

err_t space_protect(struct space *s, uint64_t at, uint64_t len, unsigned prot)
{
    const struct edit e = { .kind = EDIT_PROTECT, .flags = rights_of(prot) };

    return prot & ~KNOWN ? ERR_INVAL : edit(s, &e, at, len);
}

/* --- objects ------------------------------------------------------------------------------------------------------------- */
err_t space_object_open(struct space *s, unsigned *n)
{
    err_t e = ERR_FULL;

    lock_take(&s->lock);
    if (!s->object)
        s->object = ground_alloc(SPACE_OBJECTS * sizeof *s->object);
    for (*n = 0; s->object && e && *n < SPACE_OBJECTS; *n += e != OK)
        e = s->object[*n].used ? ERR_FULL : OK;
    if (!e)
        s->object[*n] = (struct space_object){ .used = true, .open = true };
    s->objects += e == OK;
    bool none = !s->object;
    lock_drop(&s->lock);
    return none ? ERR_NOMEM : e;
}

void space_object_close(struct space *s, unsigned n)
{
    lock_take(&s->lock);
    s->object[n].open = false;
    s->leaving++;
    objects_put(s);
    lock_drop(&s->lock);
}

err_t space_object_grow(struct space *s, unsigned n, uint64_t bytes)
{
    const struct edit more = { .kind = EDIT_ZERO, .flags = PTE_NX | HOME };
    err_t e = OK;

    lock_take(&s->lock);
    uint64_t had = s->object[n].pages * PAGE_SIZE;
    if (bytes % PAGE_SIZE || bytes < had)
        e = ERR_INVAL;
    else if (bytes > HOME_BYTES)
        e = ERR_NOMEM;
    else if (bytes > had)
        e = change(s, &more, home_of(n) + had, bytes - had);
    if (!e)
        s->object[n].pages = bytes / PAGE_SIZE;
    lock_drop(&s->lock);
    return e;
}

err_t space_map_object(struct space *s, uint64_t at, uint64_t len, unsigned prot, unsigned n, uint64_t from)
{
    const struct edit e = { .kind = EDIT_ALIAS, .flags = rights_of(prot), .from = home_of(n) + from - at };
    err_t err = prot & ~KNOWN || from % PAGE_SIZE ? ERR_INVAL : range_check(at, len);

    if (err)
        return err;
    lock_take(&s->lock);
    uint64_t size = s->object[n].pages * PAGE_SIZE;
    err = from > size || len > size - from ? ERR_RANGE : change(s, &e, at, len);
    lock_drop(&s->lock);
    return err;
}

bool space_shares(struct space *s)
{
    lock_take(&s->lock);
    bool any = s->objects || s->aliases;
    lock_drop(&s->lock);
    return any;
}

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
    err_t e = spare_get(s, *level);

    if (e)
        return e;
    while (*level) {
        split(s, *entry, *level);
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

    if (level == TOP_LEVEL && *entry & LARGE && !spare_get(s, 1)) {
        split(s, entry, level);
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
    objects_put(s);
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
    hold(s);
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
    release(s);
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
        if (path_own(s, at))
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

/* --- clones -------------------------------------------------------------------------------------------------------------- */
static void clear(struct space *s)
{
    uint64_t *t = top_table(s);

    for (unsigned i = 0; i < ENTRIES; i++) {
        entry_put(s, t[i], TOP_LEVEL);
        t[i] = 0;
    }
}

void space_clone(struct space *from, struct space *to)
{
    uint64_t *source = top_table(from), *t = top_table(to);

    ASSERT(!from->objects && !from->aliases);
    lock_take(&from->lock);
    for (unsigned i = 0; i < ENTRIES; i++) {
        if (!source[i])
            continue;
        source[i] = cow_of(source[i], TOP_LEVEL);
        share(source[i], TOP_LEVEL);
        t[i] = source[i] | (is_held(source[i]) ? TAKEN : 0);
    }
    to->mapped = from->mapped;
    to->used = to->shared = from->used;
    to->large_from = CLONE_LARGE;
    atomic_fetch_add(&from->edits, 1);
    lock_drop(&from->lock);
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */
err_t space_init(struct space *s, uint64_t limit, uint64_t top)
{
    uint64_t *root, *table;

    *s = (struct space){ .limit = limit };
    if (spare_get(s, 2))
        return ERR_NOMEM;
    root = table_take(s);
    table = table_take(s);
    root[0] = hpa_of(table).v | PTE_P | PTE_W | PTE_U;
    root[ENTRIES - 1] = top;
    s->root = hpa_of(root);
    return OK;
}

void space_fini(struct space *s)
{
    clear(s);
    ground_free(s->object, SPACE_OBJECTS * sizeof *s->object);
    table_put(s, top_table(s));
    table_put(s, hpa_ptr(s->root));
    ASSERT(!s->mapped && !s->used && !s->shared && !s->tables && !s->aliases);
}
