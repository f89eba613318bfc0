/* Spaces: what is mapped where, objects, clones, life. space_table.c has the tables, space_touch.c what happens when memory is used. */
#include "base/str.h"
#include "vm/space_table.h"

#define CLONE_LARGE pages_of(1) /* a clone that needs little is to stay small */
#define KNOWN (APP_READ | APP_WRITE | APP_EXEC)

/* The bits for a right to anything; reading is always one of them. */
static uint64_t rights_of(unsigned prot)
{
    if (!(prot & KNOWN))
        return PTE_NX;
    return PTE_U | (prot & APP_WRITE ? PTE_W : 0) | (prot & APP_EXEC ? 0 : PTE_NX);
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
    space_entry_put(s, old, level);
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
        err = space_table_own(s, entry, level);
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
            space_split(s, entry, level);
        edit_range(s, e, table_at(*entry), level - 1, at, next);
        if (e->kind == EDIT_UNMAP && table_empty(table_at(*entry))) {
            uint64_t *t = table_at(*entry);
            *entry = 0;
            space_table_put(s, t);
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

void space_objects_put(struct space *s)
{
    for (unsigned n = 0; s->leaving && n < SPACE_OBJECTS; n++) {
        struct space_object *o = &s->object[n];
        uint64_t *t = &top_table(s)[index_of(home_of(n), TOP_LEVEL)];

        if (!o->used || o->open || o->waiting)
            continue;
        for (unsigned i = 0; i < HOME_TOP; i++) {
            space_entry_put(s, t[i], TOP_LEVEL);
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
        err = space_spare_get(s, tables);
    if (err)
        return err;
    if (any)
        space_hold(s);
    edit_range(s, e, top_table(s), TOP_LEVEL, at, at + len);
    space_objects_put(s);
    space_release(s);
    space_spare_drop(s);
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
    space_objects_put(s);
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

/* --- clones -------------------------------------------------------------------------------------------------------------- */
static void clear(struct space *s)
{
    uint64_t *t = top_table(s);

    for (unsigned i = 0; i < ENTRIES; i++) {
        space_entry_put(s, t[i], TOP_LEVEL);
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
        source[i] = space_cow_of(source[i], TOP_LEVEL);
        space_entry_hold(source[i], TOP_LEVEL);
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
    if (space_spare_get(s, 2))
        return ERR_NOMEM;
    root = space_table_take(s);
    table = space_table_take(s);
    root[0] = hpa_of(table).v | PTE_P | PTE_W | PTE_U;
    root[ENTRIES - 1] = top;
    s->root = hpa_of(root);
    return OK;
}

void space_fini(struct space *s)
{
    clear(s);
    ground_free(s->object, SPACE_OBJECTS * sizeof *s->object);
    space_table_put(s, top_table(s));
    space_table_put(s, hpa_ptr(s->root));
    ASSERT(!s->mapped && !s->used && !s->shared && !s->tables && !s->aliases);
}
