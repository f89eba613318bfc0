/* Formatting into a caller's buffer. */
#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"

/* Where the text goes; len counts on past size, so that the caller learns the whole length. */
struct sink {
    char *buf;
    size_t size, len;
};

/* One conversion: %[flags][width][.precision][length]letter */
struct spec {
    bool zero, left, alt, wide; /* wide: a 64-bit number */
    int width, precision;       /* precision < 0: none */
    char letter;
};

static void put(struct sink *s, char c)
{
    if (s->len + 1 < s->size)
        s->buf[s->len] = c;
    s->len++;
}

static void pad(struct sink *s, int n)
{
    while (n-- > 0)
        put(s, ' ');
}

static void put_field(struct sink *s, const struct spec *sp, const char *text, int n)
{
    if (!sp->left)
        pad(s, sp->width - n);
    for (int i = 0; i < n; i++)
        put(s, text[i]);
    if (sp->left)
        pad(s, sp->width - n);
}

static void put_number(struct sink *s, const struct spec *sp, uint64_t v)
{
    const char *digits = sp->letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    bool decimal = sp->letter == 'd' || sp->letter == 'u', negative = sp->letter == 'd' && (int64_t)v < 0, prefix = sp->alt && v;
    char text[72];
    int at = (int)sizeof text, zeros = sp->zero && !sp->left ? sp->width - negative - 2 * prefix : 0;

    if (negative)
        v = -v;
    do {
        text[--at] = digits[v % (decimal ? 10 : 16)];
        v /= decimal ? 10 : 16;
    } while (v);
    while ((int)sizeof text - at < zeros && at > 3)
        text[--at] = '0';
    if (prefix) {
        text[--at] = 'x';
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
    put_field(s, sp, text, n == sp->precision ? (int)utf8_whole(text, (size_t)n) : n);
}

/* A width or a precision. */
static int size_parse(const char **f, va_list *ap)
{
    int n = 0;

    if (**f == '*') {
        ++*f;
        return va_arg(*ap, int);
    }
    for (; char_is_digit(**f) && n < 10000; ++*f)
        n = n * 10 + (**f - '0');
    return n;
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
    sp->width = size_parse(&f, ap);
    if (*f == '.') {
        f++;
        sp->precision = size_parse(&f, ap);
    }
    if (*f == 'z' || *f == 'l') {
        sp->wide = *f == 'z' || f[1] == 'l' || sizeof(long) == 8;
        f += f[1] == 'l' ? 2 : 1;
    }
    sp->letter = *f;
    return f + (*f != 0);
}

static void convert(struct sink *s, const struct spec *sp, va_list *ap)
{
    char c;

    switch (sp->letter) {
    case 'd':
        put_number(s, sp, (uint64_t)(sp->wide ? va_arg(*ap, int64_t) : va_arg(*ap, int)));
        break;
    case 'u':
    case 'x':
    case 'X':
        put_number(s, sp, sp->wide ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned));
        break;
    case 's':
        put_string(s, sp, va_arg(*ap, const char *));
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_field(s, sp, &c, 1);
        break;
    case 0:
        break;
    default:
        put(s, sp->letter);
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
        convert(&s, &sp, &ap);
    }
    va_end(ap);
    if (size)
        buf[s.len < size ? s.len : utf8_whole(buf, size - 1)] = 0;
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
