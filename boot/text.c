/* Lines, words, patterns and versions in text that others wrote. Pure functions on the caller's memory. */
#include "boot/text.h"
#include "base/str.h"
#include "base/utf.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
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

bool text_clean(char *s)
{
    bool clean = true;

    while (*s) {
        const char *next = s;
        int32_t c = utf8_next(&next);
        bool bad = c < 0 || (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0);

        for (; s < next; s++)
            if (bad)
                *s = '?';
        clean &= !bad;
    }
    return clean;
}

char *text_flat(char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++)
        if (s[i] > 0 && s[i] < ' ')
            s[i] = ' ';
    while (n && s[n - 1] == ' ')
        s[--n] = 0;
    while (*s == ' ')
        s++;
    return s;
}

/* On a mismatch the last star takes one more character, so the time is at most the product of the lengths. */
bool text_glob(const char *p, const char *s)
{
    const char *star = NULL, *from = NULL;

    while (*s) {
        if (*p == '*') {
            star = ++p;
            from = s;
        } else if (*p == '?' || (*p && char_lower(*p) == char_lower(*s))) {
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
    if (char_is_digit(c))
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
    for (*a = x; char_is_digit(**a);)
        ++*a;
    for (*b = y; char_is_digit(**b);)
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
        if (char_is_digit(*a) && char_is_digit(*b)) {
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
