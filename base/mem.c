/* The C memory and string functions, for freestanding targets only (a host program takes libc's).
 * The compiler may call memcpy, memmove, memset and memcmp by itself. */
#include "base/str.h"

#define SHORT 64 /* bytes: below this, starting a string instruction costs more than it saves */

typedef uint64_t word_any __attribute__((aligned(1), may_alias));

static void *copy_short(void *dst, const void *src, size_t n)
{
    volatile uint8_t *d = dst; /* volatile: or the loops become calls to memcpy */
    const uint8_t *s = src;

    for (; n >= 8; n -= 8, d += 8, s += 8)
        *(volatile word_any *)d = *(const word_any *)s;
    for (; n; n--)
        *d++ = *s++;
    return dst;
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    void *ret = dst;
    size_t words = n / 8, rest = n % 8;

    if (n < SHORT)
        return copy_short(dst, src, n);

    __asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words)::"memory");
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(rest)::"memory");
    return ret;
}

void *memmove(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;

    if ((uintptr_t)d - (uintptr_t)s >= n)
        return memcpy(dst, src, n);
    while (n--)
        ((volatile uint8_t *)d)[n] = s[n]; /* volatile: or the loop becomes a call to memmove */
    return dst;
}

void *memset(void *dst, int byte, size_t n)
{
    void *ret = dst;
    uint64_t fill = 0x0101010101010101ull * (uint8_t)byte;
    size_t words = n / 8, rest = n % 8;

    __asm__ volatile("rep stosq" : "+D"(dst), "+c"(words) : "a"(fill) : "memory");
    __asm__ volatile("rep stosb" : "+D"(dst), "+c"(rest) : "a"(fill) : "memory");
    return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;

    for (; n; n--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    const volatile char *p = s;

    while (*p)
        p++;
    return (size_t)(p - s);
}

int strcmp(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--)
        a++, b++;
    return n ? (uint8_t)*a - (uint8_t)*b : 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)(uintptr_t)s;
        if (!*s)
            return NULL;
    }
}
