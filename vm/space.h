#pragma once
/* An app guest's address space: what is mapped at [0, APP_TOP), held in x86-64 page tables and nowhere else. An entry that is not
 * present still says what belongs there (memory that nobody has touched yet), at the highest level where that is true of the
 * whole entry, so a mapping costs no more than the tables at its two ends.
 *
 * Memory comes on the first touch. Pages of an image are shared by all who map them, and pages of a clone by both sides, until
 * somebody writes. Every function takes space->lock. Called by the guest's own CPUs (gate calls, faults) and by whoever sets it up. */
#include <stdatomic.h>

#include "abi/app.h"
#include "arch/x86/lock.h"
#include "base/err.h"

#define SPACE_OBJECTS 64u

/* Memory that the guest may map at several places. */
struct space_object {
    uint64_t pages;
    uint64_t waiting; /* pages mapped somewhere and not touched there yet: they will be looked for here */
    bool used, open;  /* closed and still used: pages wait */
};

struct space {
    struct lock lock; /* below vm->lock, above the page allocator's */
    /* fixed after space_init */
    hpa_t root;       /* for CR3 */
    uint64_t limit;   /* pages: mapped and tables */
    /* Keeps the guest's other CPUs from running, until `held` is false again, and returns when none does. Set by the owner
     * before the first of them runs; NULL: none does. Called with the lock held. */
    void (*hold)(struct space *);
    /* under lock */
    uint64_t mapped;  /* pages, touched or not; those of objects once, wherever they are mapped */
    uint64_t aliases; /* pages of objects that are mapped, each place counted */
    struct space_object *object; /* SPACE_OBJECTS; NULL until the first is opened */
    unsigned objects, leaving;   /* in use; of those: closed */
    uint64_t used;    /* pages of memory behind them */
    uint64_t shared;  /* of those: pages of the space it is a clone of, which neither has written to since */
    uint64_t tables;  /* pages of page tables; of a clone: those it does not share */
    uint64_t large_from; /* large pages are used when it has so many of its own */
    uint64_t spare;   /* tables for the change under way, a list through their first words */
    /* any CPU, atomic */
    _Atomic bool held; /* who runs the guest looks at it after saying that it runs */
    _Atomic uint64_t edits; /* grows when something is taken away: what a TLB knew before that is wrong */
};

/* What a page fault wanted: the processor's error code. */
#define SPACE_FAULT_WRITE BIT(1)
#define SPACE_FAULT_FETCH BIT(4)

/* An empty space. top: an entry for the last 512 GiB of the address space, as it is in all spaces; 0: none. ERR_NOMEM. */
MUST_USE err_t space_init(struct space *, uint64_t limit, uint64_t top);
void space_fini(struct space *);

/* These four are atomic: on an error nothing has changed. ERR_INVAL: not whole pages, or an unknown bit in prot (APP_READ ...);
 * ERR_RANGE: outside of [0, APP_TOP); ERR_NOMEM: over the limit, or no memory for tables. Rights other than none include reading. */
/* Zeroed memory in place of what was there. No rights: as space_unmap(). */
MUST_USE err_t space_map(struct space *, uint64_t at, uint64_t len, unsigned prot);
/* Pages that stay as they are for the monitor's life, from `from` on; the guest's writes go to copies. */
MUST_USE err_t space_map_image(struct space *, uint64_t at, uint64_t len, unsigned prot, hpa_t from);
MUST_USE err_t space_unmap(struct space *, uint64_t at, uint64_t len);
/* Contents stay, also without any right. What was not mapped becomes zeroed memory. */
MUST_USE err_t space_protect(struct space *, uint64_t at, uint64_t len, unsigned prot);

/* Objects: memory that every place where it is mapped sees the same of. They count once, whether mapped or not. open: ERR_FULL, ERR_NOMEM. n is
 * of one that is open. A closed one goes when nothing of it is mapped any more. grow: to so many bytes, zeros at first; ERR_INVAL: less than it
 * has, or not whole pages; ERR_NOMEM. map: atomic as those above; ERR_RANGE: beyond its end, too. */
MUST_USE err_t space_object_open(struct space *, unsigned *n);
void space_object_close(struct space *, unsigned n);
MUST_USE err_t space_object_grow(struct space *, unsigned n, uint64_t bytes);
MUST_USE err_t space_map_object(struct space *, uint64_t at, uint64_t len, unsigned prot, unsigned n, uint64_t from);
bool space_shares(struct space *); /* it has an object, or what is left of one */

/* Serves a page fault: touches untouched memory, copies a shared page. OK: run the instruction again. ERR_RANGE: the guest had no
 * right to it. ERR_NOMEM: the machine has no page left. */
MUST_USE err_t space_fault(struct space *, uint64_t at, unsigned error);

/* Copies, with the guest's rights. ERR_RANGE: some of it cannot be read or written; a part may have been copied. ERR_NOMEM. */
MUST_USE err_t space_read(struct space *, uint64_t at, void *dst, uint64_t len);
MUST_USE err_t space_write(struct space *, uint64_t at, const void *src, uint64_t len);
/* Whether all of it is mapped with some right. */
bool space_mapped(struct space *, uint64_t at, uint64_t len);
/* Where `at` lies, as writable memory that stays there until it is unmapped, protected or cloned: for the few bytes that the
 * monitor and a guest's CPU share. Does not reach over a page's end. ERR_RANGE, ERR_NOMEM. */
MUST_USE err_t space_pin(struct space *, uint64_t at, hpa_t *out);

/* Fills `to`, which is fresh from space_init(), with all of `from`: memory and page tables are shared until one of them changes something.
 * Pins of both are void. The guest of `from` does not run, and has no objects (space_shares()). */
void space_clone(struct space *from, struct space *to);
