#pragma once
/* The page tables of a space, which are the only record of what is mapped: entries and tables, for the space*.c alone. By level: 0 maps 4 KiB, 1 maps
 * 2 MiB, 2 stands for 1 GiB, 3 is the root. AMD APM volume 2, 5.3. All under the space's lock. */
#include "vm/space.h"
#include "arch/x86/reg.h"
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

#define RIGHTS (PTE_W | PTE_U | PTE_NX | COW)

static inline uint64_t size_of(unsigned level) { return (uint64_t)PAGE_SIZE << 9 * level; }
static inline uint64_t pages_of(unsigned level) { return BIT64(9 * level); }
static inline unsigned index_of(uint64_t at, unsigned level) { return (unsigned)(at >> (PAGE_SHIFT + 9 * level)) % ENTRIES; }
static inline uint64_t *table_at(uint64_t entry) { return hpa_ptr(hpa(entry & PTE_ADDR)); }
static inline bool is_table(uint64_t entry, unsigned level) { return level && entry & PTE_P && !(entry & PTE_PS); }

static inline uint64_t home_of(unsigned n) { return APP_TOP + n * HOME_BYTES; }
static inline struct space_object *object_at(const struct space *s, uint64_t home) { return &s->object[(home - APP_TOP) / HOME_BYTES]; }

static inline uint64_t *top_table(const struct space *s) { return table_at(*(uint64_t *)hpa_ptr(s->root)); }

/* The run an entry points into. */
static inline hpa_t run_of(uint64_t entry)
{
    uint64_t at = entry & PTE_ADDR;

    return hpa(entry & (PART | PTE_PS) ? align_down(at, MIB(2)) : at);
}

static inline unsigned order_of(uint64_t entry) { return entry & (PART | PTE_PS) ? PAGE_ORDER_2M : 0; }

static inline bool is_held(uint64_t entry) { return entry & PTE_P && !(entry & FOREIGN); }

/* Tables. Those that a change needs are had ready before it begins, so that nothing fails in its middle. ERR_NOMEM: none. */
MUST_USE err_t space_spare_get(struct space *, uint64_t n);
void space_spare_drop(struct space *);
uint64_t *space_table_take(struct space *);
void space_table_put(struct space *, uint64_t *);

/* Gives back all that is behind an entry, which the caller overwrites. */
void space_entry_put(struct space *, uint64_t entry, unsigned level);
/* Replaces a leaf by a table of 512 that mean the same. */
void space_split(struct space *, uint64_t *entry, unsigned level);
/* Between the two no CPU runs the guest. */
void space_hold(struct space *);
void space_release(struct space *);

/* Tables that several spaces use. An entry as two have it; one more has what is behind it. */
uint64_t space_cow_of(uint64_t entry, unsigned level);
void space_entry_hold(uint64_t entry, unsigned level);
/* Makes the table behind an entry the space's own: a copy, unless the others have gone. path: all tables on the way to an address. ERR_NOMEM:
 * nothing has changed. */
MUST_USE err_t space_table_own(struct space *, uint64_t *entry, unsigned level);
MUST_USE err_t space_path_own(struct space *, uint64_t at);

/* --- space.c --- */
/* Gives back the objects that nothing can reach any more. */
void space_objects_put(struct space *);
