/* Lines, words, UTF-8, patterns and versions in text that others wrote. Pure functions on the caller's memory; called
 * by the parsers of boot/ and, for UTF-16, by the EFI ground. */
#include "boot/text.h"
#include "base/str.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

char *text_line(char **rest)
{
    char *line = *rest, *end;

    if (!*line)
        return NULL;
    for (end = line; *end && *end != '\n';)
        end++;
    *rest = *end ? end + 1 : end;
    while (end > line && is_space(end[-1]))
        end--;
    *end = 0;
    while (is_space(*line))
        line++;
    return line;
}

char *text_after_word(char *line)
{
    while (*line && !is_space(*line))
        line++;
    while (is_space(*line))
        *line++ = 0;
    return line;
}

int32_t text_rune(const char **s)
{
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* shorter forms exist below: not UTF-8 */
    const uint8_t *p = (const uint8_t *)*s;
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    int32_t v = n < 2 ? p[0] : p[0] & (0x7f >> n);

    (*s)++;
    if (n < 2)
        return n ? v : -1;
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return -1;
        v = v << 6 | (p[i] & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return -1;
    *s += n - 1;
    return v;
}

bool text_clean(char *s)
{
    bool clean = true;

    while (*s) {
        const char *next = s;
        int32_t c = text_rune(&next);
        bool bad = c < 0 || (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0);

        for (; s < next; s++)
            if (bad)
                *s = '?';
        clean &= !bad;
    }
    return clean;
}

size_t text_to_utf16(uint16_t *dst, size_t size, const char *s)
{
    size_t n = 0;

    while (*s) {
        int32_t c = text_rune(&s);
        if (c < 0)
            c = '?';
        if (n + 1 + (c > 0xffff) >= size)
            break;
        if (c > 0xffff) {
            dst[n++] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
            dst[n++] = (uint16_t)(0xdc00 + (c & 0x3ff));
        } else {
            dst[n++] = (uint16_t)c;
        }
    }
    dst[n] = 0;
    return n;
}

static size_t put_utf8(char *out, uint32_t c)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(n == 1 ? c : (0xf00u >> n & 0xff) | c);
    return n;
}

void text_from_utf16(char *dst, size_t size, const uint16_t *s, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n && s[i]; i++) {
        uint32_t c = s[i];
        char one[4];
        size_t k;

        if (c >= 0xd800 && c < 0xdc00 && i + 1 < n && s[i + 1] >= 0xdc00 && s[i + 1] < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (s[++i] - 0xdc00u);
        else if (c >= 0xd800 && c < 0xe000)
            c = '?';
        k = put_utf8(one, c);
        if (len + k >= size)
            break;
        memcpy(dst + len, one, k);
        len += k;
    }
    dst[len] = 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* On a mismatch the last star takes one more character, so the time is at most the product of the lengths. */
bool text_glob(const char *p, const char *s)
{
    const char *star = NULL, *from = NULL;

    while (*s) {
        if (*p == '*') {
            star = ++p;
            from = s;
        } else if (*p == '?' || (*p && lower(*p) == lower(*s))) {
            p++;
            s++;
        } else if (star) {
            p = star;
            s = ++from;
        } else {
            return false;
        }
    }
    while (*p == '*')
        p++;
    return !*p;
}

/* Where a character stands in the order of versions. Letters that follow a letter are one word with it, and a word is
 * newer than the same word cut short; elsewhere a number is newer than a word. Other characters only separate: -1. */
static int version_rank(char c, bool in_word)
{
    static const char marks[] = "~\0-^."; /* ~ is older than the end, and the end than the others */
    int rank = 0;

    if (is_alpha(c))
        return 0x100 + c;
    if (is_digit(c))
        return in_word ? 0x10 : 0x200;
    while (rank < (int)sizeof marks - 1 && marks[rank] != c)
        rank++;
    return rank < (int)sizeof marks - 1 ? rank : -1;
}

/* Compares the numbers both strings start with, and moves behind them. */
static int number_cmp(const char **a, const char **b)
{
    const char *x = *a, *y = *b;
    ptrdiff_t longer;

    while (*x == '0')
        x++;
    while (*y == '0')
        y++;
    for (*a = x; is_digit(**a);)
        ++*a;
    for (*b = y; is_digit(**b);)
        ++*b;
    longer = (*a - x) - (*b - y);
    return longer ? (longer < 0 ? -1 : 1) : memcmp(x, y, (size_t)(*a - x));
}

int text_version_cmp(const char *a, const char *b)
{
    for (bool in_word = false;;) {
        int order;

        while (version_rank(*a, false) < 0)
            a++;
        while (version_rank(*b, false) < 0)
            b++;
        if (is_digit(*a) && is_digit(*b)) {
            order = number_cmp(&a, &b);
            in_word = false;
        } else {
            order = version_rank(*a, in_word) - version_rank(*b, in_word);
            if (!order && !*a)
                return 0;
            in_word = is_alpha(*a);
            a++;
            b++;
        }
        if (order)
            return order;
    }
}

bool text_one_slip(const char *a, const char *b)
{
    size_t na, nb;

    while (*a && *a == *b) {
        a++;
        b++;
    }
    na = strlen(a);
    nb = strlen(b);
    while (na && nb && a[na - 1] == b[nb - 1]) {
        na--;
        nb--;
    }
    if (na == 2 && nb == 2)
        return a[0] == b[1] && a[1] == b[0];
    return na <= 1 && nb <= 1 && (na || nb);
}

size_t text_stem(const char *name)
{
    size_t n = strlen(name), at = n;

    while (at && name[at] != '.')
        at--;
    return at ? at : n;
}
