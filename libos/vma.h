#pragma once
/* What is mapped in the program's address space. */
#include "libos/libos.h"

/* a second region for the libos' own memory, for those that need much */
#define HEAP2 (APP_TOP / 2)
#define HEAP2_END (HEAP2 + GIB(16))
/* and behind it one for files that are mapped shared, object.c */
#define OBJECTS HEAP2_END
#define OBJECTS_END (OBJECTS + GIB(40))
#define PIE_AT 0x800000ull /* where a position-independent program goes */

struct file;
struct vma {
    uint64_t start, end;
    uint32_t prot;       /* PROT_* */
    bool shared, stack, brk;
    bool reserved;       /* address space only: the monitor has not been told of it */
    struct file *file;   /* holds it; NULL: anonymous */
    uint64_t offset;     /* in the file, of start */
    uint64_t lack;       /* from here to the end nothing is mapped: the file was too short; or end */
};

/* maps.c: a memory call of the gate, at once, with all that wait, whose error it may be; or when it is needed */
int64_t maps_call(uint64_t call, uint64_t addr, uint64_t len, unsigned prot, uint64_t from, uint64_t offset);
extern bool maps_may_wait;                   /* what is asked for now may: there is nothing where it goes */
bool maps_wait(uint64_t addr, uint64_t len); /* all that is there waits itself */
bool maps_flush(void);                       /* something waited: whatever faulted may try again */

void vma_init(uint64_t top);
void mem_init(uint64_t from, uint64_t to);
int64_t vma_mmap(uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags, struct file *, uint64_t offset);
int64_t vma_munmap(uint64_t addr, uint64_t len);
int64_t vma_mprotect(uint64_t addr, uint64_t len, uint32_t prot);
int64_t vma_mremap(uint64_t addr, uint64_t old, uint64_t len, uint32_t flags, uint64_t to);
int64_t vma_madvise(uint64_t addr, uint64_t len, uint32_t advice);
/* What is zero at the end of a program, and in the same call what its heap will begin with, if there is room. */
int64_t vma_bss(uint64_t addr, uint64_t len);
void vma_brk_start(uint64_t at);
int64_t vma_brk(uint64_t to);
struct node;
void vma_grown(const struct node *); /* a file that may be mapped has become longer */
/* A fault in a mapped range: 0: try again; or the signal that it is. */
int vma_fault(uint64_t addr);
const struct vma *vma_find(uint64_t addr); /* NULL: nothing is mapped there */
const struct vma *vma_at(unsigned i, unsigned *count); /* in order of addresses */
uint64_t vma_bytes(void);
