/* Entries and tables of a space's page tables; see space_table.h. */
#include "vm/space_table.h"

uint64_t *space_table_take(struct space *s)
{
    uint64_t *t = hpa_ptr(hpa(s->spare));

    ASSERT(s->spare);
    s->spare = t[0];
    t[0] = 0;
    s->tables++;
    return t;
}

void space_table_put(struct space *s, uint64_t *t)
{
    s->tables--;
    ground_pages_put(hpa_of(t), 0);
}

void space_spare_drop(struct space *s)
{
    while (s->spare) {
        uint64_t *t = hpa_ptr(hpa(s->spare));
        s->spare = t[0];
        ground_pages_put(hpa_of(t), 0);
    }
}

err_t space_spare_get(struct space *s, uint64_t n)
{
    while (n--) {
        uint64_t *t = ground_alloc(PAGE_SIZE);
        if (!t) {
            space_spare_drop(s);
            return ERR_NOMEM;
        }
        t[0] = s->spare;
        s->spare = hpa_of(t).v;
    }
    return OK;
}

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

void space_entry_put(struct space *s, uint64_t entry, unsigned level)
{
    if (!entry)
        return;
    uncount(s, entry, level, false);
    drop(s, entry, level);
}

void space_split(struct space *s, uint64_t *entry, unsigned level)
{
    uint64_t *t = space_table_take(s), piece = *entry & ~PTE_PS, step = 0;

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
void space_hold(struct space *s)
{
    if (s->hold) {
        atomic_store(&s->held, true);
        s->hold(s);
    }
    atomic_fetch_add(&s->edits, 1);
}

void space_release(struct space *s)
{
    atomic_store(&s->held, false);
}

/* --- tables that several spaces use ----------------------------------------------------------------------------------------- */
uint64_t space_cow_of(uint64_t entry, unsigned level)
{
    return is_table(entry, level) || (entry & PTE_P && entry & PTE_W) ? (entry & ~PTE_W) | COW : entry;
}

void space_entry_hold(uint64_t entry, unsigned level)
{
    if (is_table(entry, level))
        ground_pages_hold(hpa_of(table_at(entry)), 1);
    else if (is_held(entry))
        ground_pages_hold(run_of(entry), 1);
}

/* Rights to write that a table says somebody has are those of the time when it had one owner: pages in it may have more by now. */
err_t space_table_own(struct space *s, uint64_t *entry, unsigned level)
{
    uint64_t was = *entry, *old = table_at(was), *t = old;

    if (!(was & COW))
        return OK;
    if (ground_pages_shared(hpa_of(old))) {
        if (space_spare_get(s, 1))
            return ERR_NOMEM;
        t = space_table_take(s);
        s->tables -= !(was & TAKEN); /* it is in the place of another */
    } else {
        s->tables += was & TAKEN ? 1 : 0;
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t e = old[i];
        if (!e)
            continue;
        e = space_cow_of(e, level - 1) | (is_held(e) ? was & TAKEN : 0);
        if (t != old)
            space_entry_hold(e, level - 1);
        t[i] = e;
    }
    space_hold(s);
    *(volatile uint64_t *)entry = hpa_of(t).v | PTE_P | PTE_W | PTE_U;
    space_release(s);
    if (t != old)
        drop(s, was, level);
    return OK;
}

err_t space_path_own(struct space *s, uint64_t at)
{
    uint64_t *table = top_table(s), *entry;
    err_t e = OK;

    for (unsigned level = TOP_LEVEL; !e && is_table(*(entry = &table[index_of(at, level)]), level); level--) {
        e = space_table_own(s, entry, level);
        table = table_at(*entry);
    }
    return e;
}
