/* Formatting into a caller's buffer. */
#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"

/* Where the text goes; len counts on past size, so that the caller learns the whole length. */
struct sink {
    char *buf;
    size_t size, len;
};

/* One conversion: %[flags][width][.precision][length]letter */
struct spec {
    bool zero, left, alt, upper;
    int width, precision; /* precision < 0: none */
    unsigned bytes;       /* size of the integer argument */
};

static void put(struct sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->buf[s->len] = c;
    s->len++;
}

static void pad(struct sink *s, char c, int n)
{
    while (n-- > 0)
        put(s, c);
}

static void put_field(struct sink *s, const struct spec *sp, const char *text, int n)
{
    if (!sp->left)
        pad(s, ' ', sp->width - n);
    for (int i = 0; i < n; i++)
        put(s, text[i]);
    if (sp->left)
        pad(s, ' ', sp->width - n);
}

static void put_number(struct sink *s, const struct spec *sp, uint64_t v, unsigned radix, bool negative)
{
    const char *digits = sp->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[72];
    bool prefix = sp->alt && radix == 16 && v;
    int at = (int)sizeof text, zeros = sp->zero && !sp->left ? sp->width - negative - 2 * prefix : 0;

    do {
        text[--at] = digits[v % radix];
        v /= radix;
    } while (v);
    if (sp->precision > zeros)
        zeros = sp->precision;
    while ((int)sizeof text - at < zeros && at > 3)
        text[--at] = '0';
    if (prefix) {
        text[--at] = sp->upper ? 'X' : 'x';
        text[--at] = '0';
    }
    if (negative)
        text[--at] = '-';
    put_field(s, sp, text + at, (int)sizeof text - at);
}

static void put_string(struct sink *s, const struct spec *sp, const char *text)
{
    int n = 0;

    if (!text)
        text = "(null)";
    while ((sp->precision < 0 || n < sp->precision) && text[n])
        n++;
    put_field(s, sp, text, n);
}

static int digits(const char **f)
{
    int n = 0;

    for (; **f >= '0' && **f <= '9' && n < 10000; (*f)++)
        n = n * 10 + (**f - '0');
    return n;
}

static unsigned length_bytes(const char **f)
{
    switch (*(*f)++) {
    case 'h':
        if (**f != 'h')
            return 2;
        (*f)++;
        return 1;
    case 'l':
        if (**f != 'l')
            return sizeof(long);
        (*f)++;
        return 8;
    case 'z':
    case 'j':
    case 't':
        return 8;
    }
    (*f)--;
    return 4;
}

/* Arguments narrower than int arrive promoted to int; the cut to their own size happens here. */
static uint64_t cut(uint64_t v, unsigned bytes)
{
    return bytes == 8 ? v : v & ((1ull << bytes * 8) - 1);
}

static int64_t extend(uint64_t v, unsigned bytes)
{
    unsigned shift = 64 - bytes * 8;
    return (int64_t)(v << shift) >> shift;
}

static const char *parse(const char *f, struct spec *sp, va_list *ap)
{
    *sp = (struct spec){ .precision = -1 };
    for (;; f++) {
        if (*f == '0')
            sp->zero = true;
        else if (*f == '-')
            sp->left = true;
        else if (*f == '#')
            sp->alt = true;
        else
            break;
    }
    if (*f == '*') {
        sp->width = va_arg(*ap, int);
        f++;
    } else {
        sp->width = digits(&f);
    }
    if (*f == '.') {
        f++;
        if (*f == '*') {
            sp->precision = va_arg(*ap, int);
            f++;
        } else {
            sp->precision = digits(&f);
        }
    }
    sp->bytes = length_bytes(&f);
    return f;
}

static uint64_t int_arg(const struct spec *sp, va_list *ap)
{
    return sp->bytes == 8 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);
}

static void convert(struct sink *s, struct spec *sp, char letter, va_list *ap)
{
    char c;

    switch (letter) {
    case 'd':
    case 'i': {
        int64_t v = extend(int_arg(sp, ap), sp->bytes);
        put_number(s, sp, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, v < 0);
        break;
    }
    case 'u':
        put_number(s, sp, cut(int_arg(sp, ap), sp->bytes), 10, false);
        break;
    case 'X':
        sp->upper = true;
        put_number(s, sp, cut(int_arg(sp, ap), sp->bytes), 16, false);
        break;
    case 'x':
        put_number(s, sp, cut(int_arg(sp, ap), sp->bytes), 16, false);
        break;
    case 'p':
        sp->alt = true;
        put_number(s, sp, (uintptr_t)va_arg(*ap, void *), 16, false);
        break;
    case 's':
        put_string(s, sp, va_arg(*ap, const char *));
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_field(s, sp, &c, 1);
        break;
    default:
        put(s, letter);
    }
}

size_t fmt_vtext(char *buf, size_t size, const char *f, va_list args)
{
    struct sink s = { buf, size, 0 };
    struct spec sp;
    va_list ap;

    va_copy(ap, args);
    while (*f) {
        if (*f != '%') {
            put(&s, *f++);
            continue;
        }
        f = parse(f + 1, &sp, &ap);
        if (!*f)
            break;
        convert(&s, &sp, *f++, &ap);
    }
    va_end(ap);
    if (size)
        buf[s.len < size ? s.len : size - 1] = 0;
    return s.len;
}

size_t fmt_text(char *buf, size_t size, const char *f, ...)
{
    va_list ap;
    va_start(ap, f);
    size_t n = fmt_vtext(buf, size, f, ap);
    va_end(ap);
    return n;
}

void fmt_guid(char *buf, size_t size, const uint8_t *g)
{
    (void)fmt_text(buf, size, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", get_le32(g), get_le16(g + 4),
                   get_le16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}
