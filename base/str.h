#pragma once
/* C string and memory functions. On a freestanding target base/mem.c supplies them; on a host libc does.
 * The str_* helpers are ours everywhere. */
#include "base/err.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

static inline bool char_is_digit(char c) { return c >= '0' && c <= '9'; }
static inline char char_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; } /* ASCII only */
static inline bool str_eq(const char *a, const char *b) { return strcmp(a, b) == 0; }
static inline bool str_starts(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }
/* Control characters, with which a text of a guest or a file could do things to a terminal, become '?'. */
static inline void str_tame(char *s)
{
    for (; *s; s++)
        if ((uint8_t)*s < 0x20 || *s == 0x7F)
            *s = '?';
}
/* Copies at most size-1 bytes and always ends dst with 0. False if src was cut. size > 0. */
bool str_copy(char *dst, size_t size, const char *src);
/* True if the strings are equal, ASCII letters without regard to case. */
bool str_eq_nocase(const char *a, const char *b);
/* Parses a whole decimal, or 0x hexadecimal, number. ERR_FORMAT: not a number; ERR_RANGE: over 64 bits. */
MUST_USE err_t str_to_u64(const char *s, uint64_t *out);
/* The same with an optional suffix K, M, G or T (powers of 1024): bytes. */
MUST_USE err_t str_to_size(const char *s, uint64_t *out);
