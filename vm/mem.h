#pragma once
/* A guest's physical memory. RAM lies at 0 .. min(size, 3 GiB) and, what is left, from 4 GiB up; it is made of 2 MiB
 * chunks that need not be contiguous. Everything here checks; nothing here gives out a pointer into guest memory.
 * Copy once, check the copy, use the copy: the guest may still be writing. Any CPU, no lock needed while the guest exists. */
#include "base/err.h"

#define MEM_CHUNK_SHIFT 21
#define MEM_CHUNK ((uint64_t)1 << MEM_CHUNK_SHIFT)
#define MEM_LOW_END 0xC0000000ull    /* RAM below 4 GiB ends here at the latest; devices live above */
#define MEM_HIGH_START 0x100000000ull

struct vm;

/* ERR_GUEST if any byte is outside RAM; then nothing was copied. */
MUST_USE err_t mem_read(struct vm *, gpa_t at, void *dst, size_t n);
MUST_USE err_t mem_write(struct vm *, gpa_t at, const void *src, size_t n);

/* Where the guest's [at, at+len) lies for a device's DMA: the longest piece that is contiguous in the machine, not more
 * than len. ERR_GUEST if `at` is outside RAM or len is 0. The memory stays the guest's until the VM has stopped and every
 * device said it is idle. */
MUST_USE err_t mem_dma(struct vm *, gpa_t at, uint64_t len, hpa_t *out, uint64_t *run);

/* For the backend's page tables: the address of the 2 MiB that hold `at`. ERR_GUEST outside RAM. */
MUST_USE err_t mem_chunk(struct vm *, gpa_t at, hpa_t *out);

/* Whether all of it is RAM. */
bool mem_holds(const struct vm *, gpa_t at, uint64_t n);
uint64_t mem_low_size(const struct vm *);  /* bytes of RAM from 0 */
uint64_t mem_high_size(const struct vm *); /* bytes of RAM from 4 GiB */
