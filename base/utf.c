/* UTF-8 and UTF-16. */
#include "base/utf.h"
#include "base/str.h"

/* Bytes of the character that this one starts; 0 if it starts none. */
static unsigned length(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
}

int32_t utf8_next(const char **s)
{
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 }; /* shorter forms exist below: not UTF-8 */
    const uint8_t *p = (const uint8_t *)*s;
    unsigned n = length(p[0]);
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

size_t utf8_whole(const char *text, size_t n)
{
    for (unsigned back = 1; back < 4 && back <= n; back++)
        if ((text[n - back] & 0xc0) != 0x80)
            return length((uint8_t)text[n - back]) > back ? n - back : n;
    return n;
}

unsigned utf8_cut(char *text, unsigned columns)
{
    unsigned n = 0;

    for (; *text; text++) {
        if ((*text & 0xc0) == 0x80)
            continue;
        if (n == columns) {
            *text = 0;
            break;
        }
        n++;
    }
    return n;
}

size_t utf8_to_utf16(uint16_t *dst, size_t size, const char *s)
{
    size_t n = 0;

    while (*s) {
        int32_t c = utf8_next(&s);
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

void utf8_from_utf16(char *dst, size_t size, const uint16_t *s, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n && s[i]; i++) {
        uint32_t c = s[i];
        char one[4];
        size_t k;

        if (c >= 0xd800 && c < 0xdc00 && i + 1 < n && s[i + 1] >= 0xdc00 && s[i + 1] < 0xe000)
            c = 0x10000 + ((c - 0xd800) << 10) + (s[++i] - 0xdc00u);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000))
            c = '?';
        k = put_utf8(one, c);
        if (len + k >= size)
            break;
        memcpy(dst + len, one, k);
        len += k;
    }
    dst[len] = 0;
}
