/* The libos' own memory: blocks of powers of two with a list of free ones for each size, carved from memory that is mapped in steps. */
#include "libos/libos.h"
#include "libos/vma.h"

#define SMALLEST 5u /* 2^5 bytes, the 16 of the head included */
#define SIZES 32u
#define STEP KIB(256)

struct block {
    uint32_t size, magic; /* log2 of its bytes */
    struct block *next;   /* while free */
};
#define HEAD 16u
#define MAGIC 0x6D656D21u

static struct block *free_list[SIZES];
/* Where blocks are carved from, one after the other; what is left of a region when a block does not fit is lost. The first is part of
 * the image: a small program needs no other, and no call to map it. */
static ALIGNED(4096) uint8_t first[KIB(128)];
static struct region {
    uint64_t from, to;
} regions[] = { { 0 }, { 0 }, { HEAP2, HEAP2_END } };
static unsigned region;
static uint64_t fresh, mapped;

static uint64_t carve(uint64_t bytes)
{
    uint64_t at;

    for (; regions[region].to - fresh < bytes; fresh = mapped = regions[++region].from)
        if (region + 1 == ARRAY_LEN(regions) || HEAP2_END - HEAP2 < bytes)
            return 0;
    if (fresh + bytes > mapped) {
        uint64_t more = min_u64(align_up(fresh + bytes - mapped, STEP), regions[region].to - mapped);
        if (gate(mapped, more, APP_READ | APP_WRITE, 0, 0, APP_MAP) < 0)
            return 0;
        mapped += more;
    }
    at = fresh;
    fresh += bytes;
    return at;
}

void mem_init(uint64_t from, uint64_t to)
{
    fresh = (uint64_t)first;
    mapped = fresh + sizeof first;
    regions[0] = (struct region){ fresh, mapped };
    regions[1] = (struct region){ from, to };
}

void *mem_get(size_t bytes)
{
    unsigned size = SMALLEST;
    struct block *b;

    while ((1ull << size) < bytes + HEAD)
        if (++size == SIZES)
            return NULL;
    b = free_list[size];
    if (b) {
        free_list[size] = b->next;
        memset((uint8_t *)b + HEAD, 0, bytes);
        b->next = NULL;
        return (uint8_t *)b + HEAD;
    }
    b = (struct block *)carve(1ull << size);
    if (!b)
        return NULL;
    *b = (struct block){ .size = size, .magic = MAGIC };
    return (uint8_t *)b + HEAD;
}

void mem_put(void *p)
{
    struct block *b = (struct block *)(void *)((uint8_t *)p - HEAD);

    if (!p)
        return;
    ASSERT(b->magic == MAGIC);
    b->next = free_list[b->size];
    free_list[b->size] = b;
}

void *mem_grow(void *p, size_t old, size_t bytes)
{
    void *n = mem_get(bytes);

    if (n && p) {
        memcpy(n, p, old);
        mem_put(p);
    }
    return n;
}

char *mem_text(const char *s, size_t n)
{
    char *t = mem_get(n + 1);

    if (t)
        memcpy(t, s, n);
    return t;
}

/* --- the program's memory --- */
bool user_range(user_t at, uint64_t n)
{
    return !n || (at >= PAGE_SIZE && n <= boot->free && at <= boot->free - n); /* page 0 is the sled, not the program's */
}

int user_read(void *dst, user_t from, size_t n)
{
    return user_range(from, n) ? user_copy(dst, (const void *)from, n) : -EFAULT;
}

int user_write(user_t to, const void *src, size_t n)
{
    return user_range(to, n) ? user_copy((void *)to, src, n) : -EFAULT;
}

int user_clear(user_t to, uint64_t n)
{
    static const uint8_t zeros[4096];
    int e = 0;

    for (uint64_t part; !e && n; to += part, n -= part) {
        part = min_u64(n, sizeof zeros);
        e = user_write(to, zeros, part);
    }
    return e;
}

int64_t user_text(char *dst, user_t from, size_t room)
{
    for (size_t done = 0; done < room;) {
        size_t n = min_size(room - done, 64 - (from + done) % 64); /* never over the end of a page */
        if (user_read(dst + done, from + done, n))
            return -EFAULT;
        for (size_t i = 0; i < n; i++)
            if (!dst[done + i])
                return (int64_t)(done + i);
        done += n;
    }
    return -ENAMETOOLONG;
}
