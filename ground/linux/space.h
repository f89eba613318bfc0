#pragma once
/* The memory of an app guest on Linux: one reserved range of the monitor's address space, guest address + base, in which memory and
 * files are mapped; KVM slots over it, made when needed; page tables that carry the guest's rights. All of it is under guest->lock, but for
 * the copies, which any thread may make: a page that cannot be read (a mapped file became shorter) is an error, not a fault. */
#include <sys/mman.h>
#include "app/memory.h"
#include "cpu/kvm/kvm.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since Linux 5.14; an older one refuses it, and nothing is lost */
#endif

#define SPACE_UNIT MIB(16) /* KVM slots are multiples of it: their cost grows with their size ... */
#define SPACE_WIDE 4u      /* ... and with their number, once CPUs run: then as many units at a time, where they are free */

struct space {
    struct kvm_machine *machine;
    struct tables tables;
    uint8_t *base;
    uint64_t limit; /* bytes that may be mapped */
    uint64_t arena; /* bytes of the tables' arena that have slots */
    uint64_t given; /* bytes of writable memory, in all its calls */
    bool started; /* CPUs run */
    uint8_t units[APP_TOP / SPACE_UNIT / 8]; /* those that have slots */
};

/* Reserves address space, the first piece of arena, and a slot for the `used` bytes below APP_TOP. ERR_NOMEM, ERR_FULL. machine is kept. */
MUST_USE err_t space_init(struct space *, struct kvm_machine *machine, uint64_t limit, uint64_t used);
void space_fini(struct space *);
/* The slots of a machine that has none yet. ERR_NOMEM, ERR_RANGE. */
MUST_USE err_t space_renew(struct space *);

/* As app/memory.h has them; these are its, too: copies go whatever the guest's rights, and space_map() of no rights is space_unmap(). */
/* fd is open for what prot asks and not kept. ERR_UNSUPPORTED: it cannot be mapped so. */
MUST_USE err_t space_map_file(struct space *, uint64_t addr, uint64_t len, unsigned prot, int fd, uint64_t offset);
/* A file to be read only, shared with whoever else maps it. */
MUST_USE err_t space_window(struct space *, uint64_t addr, uint64_t len, int fd, uint64_t offset);

/* memcpy that survives a page that is not there; false then. */
bool space_copy(void *dst, const void *src, uint64_t len);
/* To be called once in the process: how space_copy() survives. */
void space_guard(void);
