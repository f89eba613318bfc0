#pragma once
/* Integer types, addresses and the few macros every file may use. Pure C: no I/O, no allocation. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clang predefines the right printf length for LP64 (ELF) and LLP64 (PE) alike. */
#undef PRIu64 /* a C library's, on the host */
#undef PRIx64
#undef PRId64
#define PRIu64 __UINT64_FMTu__
#define PRIx64 __UINT64_FMTx__
#define PRId64 __INT64_FMTd__

#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ALIGNED(n) __attribute__((aligned(n)))
#define PACKED __attribute__((packed))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, field) ((type *)(void *)((char *)(p) - offsetof(type, field)))
#define BIT(n) (1u << (n))
#define BIT64(n) (1ull << (n))
#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

#define PAGE_SHIFT 12
#undef PAGE_SIZE
#define PAGE_SIZE 4096u

/* A guest-physical address: not a pointer, not a plain number. */
typedef struct { uint64_t v; } gpa_t;
/* A host-physical address. The monitor maps all memory one to one, so hpa_ptr() is free. */
typedef struct { uint64_t v; } hpa_t;

static inline gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }
static inline hpa_t hpa(uint64_t v) { return (hpa_t){ v }; }
static inline void *hpa_ptr(hpa_t a) { return (void *)(uintptr_t)a.v; }
static inline hpa_t hpa_of(const void *p) { return (hpa_t){ (uintptr_t)p }; }

static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }
static inline int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
/* align is a power of two; the caller has checked that v + align does not wrap. */
static inline uint64_t align_up(uint64_t v, uint64_t align) { return (v + align - 1) & ~(align - 1); }
static inline uint64_t align_down(uint64_t v, uint64_t align) { return v & ~(align - 1); }
