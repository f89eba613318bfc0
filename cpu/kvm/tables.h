#pragma once
/* The page tables of an app guest: linear address = guest-physical address, user pages of 4 KiB and, where a whole
 * aligned block is mapped at a time, of 2 MiB. The monitor writes them; the guest cannot see them. They lie in an arena of
 * guest-physical memory of their own.
 *
 * A KVM with shadow paging does not notice what is written here. It looks anew when it has no translation of its own, so whoever takes
 * rights away must make KVM drop it through the host mapping (ground/linux/space.c), and an upper level may never turn from one
 * present form into another in place: splitting a 2 MiB page copies the path down to it into fresh pages and changes the root.
 *
 * One caller at a time. */
#include "base/err.h"

struct tables {
    uint8_t *mem;   /* the arena, as the monitor sees it */
    uint64_t gpa;   /* and as the guest's processor does */
    uint64_t size;  /* bytes of the arena that may be used */
    uint64_t used;
    uint64_t root;  /* guest-physical: for CR3 */
    uint64_t top;   /* linear addresses end here; a multiple of 1 GiB, up to 512 GiB */
    uint64_t pages; /* 4 KiB pages that are mapped or kept now */
};

#define TABLES_READ 0x1u
#define TABLES_WRITE 0x2u
#define TABLES_EXEC 0x4u
#define TABLES_KEPT 0x8u /* alone: no rights, but its contents are kept */

/* mem .. top set by the caller. skip bytes at the start of the arena are the caller's; they are mapped for the
 * processor only, at linear address = gpa, which lies at or above top. ERR_FULL: the arena is too small. */
MUST_USE err_t tables_init(struct tables *, uint64_t skip);
/* How many bytes of arena a tables_set() of that range may take at most. */
uint64_t tables_need(const struct tables *, uint64_t addr, uint64_t len);
/* Gives [addr, addr + len), page-aligned and below top, those rights; 0 unmaps it. fresh: the range may get 2 MiB
 * pages. ERR_FULL: the arena has not tables_need() bytes left; nothing is changed then. */
MUST_USE err_t tables_set(struct tables *, uint64_t addr, uint64_t len, unsigned rights, bool fresh);
/* The rights of the page at addr; false: neither mapped nor kept. *end: the pages up to there are alike. */
bool tables_get(const struct tables *, uint64_t addr, unsigned *rights, uint64_t *end);
/* Before CPUs run: from now on they note what they read and write. */
void tables_clean(struct tables *);
/* TABLES_READ, TABLES_WRITE: what was done with the page at addr, whose end is *end, be it unmapped again; fresh pages count as written. */
unsigned tables_used(const struct tables *, uint64_t addr, uint64_t *end);
