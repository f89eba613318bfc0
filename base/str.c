/* String helpers that are the same on every target. */
#include "base/str.h"

bool str_copy(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src), take = min_size(n, size - 1);

    memcpy(dst, src, take);
    dst[take] = 0;
    return take == n;
}

bool str_eq_nocase(const char *a, const char *b)
{
    while (*a && char_lower(*a) == char_lower(*b))
        a++, b++;
    return char_lower(*a) == char_lower(*b);
}

static int digit(char c)
{
    c = char_lower(c);
    if (char_is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Parses digits at *s and leaves *s behind them. */
static err_t number(const char **s, uint64_t *out)
{
    const char *p = *s;
    unsigned radix = 10;
    uint64_t v = 0;

    if (p[0] == '0' && char_lower(p[1]) == 'x') {
        radix = 16;
        p += 2;
    }
    if ((unsigned)digit(*p) >= radix)
        return ERR_FORMAT;
    for (; (unsigned)digit(*p) < radix; p++) {
        uint64_t d = (uint64_t)digit(*p);
        if (v > (UINT64_MAX - d) / radix)
            return ERR_RANGE;
        v = v * radix + d;
    }
    *s = p;
    *out = v;
    return OK;
}

err_t str_to_u64(const char *s, uint64_t *out)
{
    uint64_t v;
    err_t e = number(&s, &v);

    if (e)
        return e;
    if (*s)
        return ERR_FORMAT;
    *out = v;
    return OK;
}

err_t str_to_size(const char *s, uint64_t *out)
{
    static const char suffixes[] = "kmgt";
    uint64_t v;
    err_t e = number(&s, &v);

    if (e)
        return e;
    if (*s) {
        const char *at = strchr(suffixes, char_lower(*s));
        if (!at || s[1])
            return ERR_FORMAT;
        unsigned shift = 10 * (unsigned)(at - suffixes + 1);
        if (v > UINT64_MAX >> shift)
            return ERR_RANGE;
        v <<= shift;
    }
    *out = v;
    return OK;
}
