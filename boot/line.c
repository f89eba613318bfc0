/* The menu's line editor. */
#include "base/str.h"
#include "boot/line.h"

void line_set(struct line *l, const char *text)
{
    (void)str_copy(l->text, sizeof l->text, text);
    l->len = l->at = strlen(l->text);
}

/* Characters of several bytes are stepped over whole. */
static size_t before(const struct line *l, size_t at)
{
    while (at && (l->text[--at] & 0xc0) == 0x80)
        ;
    return at;
}

static size_t behind(const struct line *l, size_t at)
{
    while (at < l->len && (l->text[++at] & 0xc0) == 0x80)
        ;
    return at;
}

static void cut(struct line *l, size_t from, size_t to)
{
    memmove(l->text + from, l->text + to, l->len - to + 1);
    l->len -= to - from;
    l->at = from;
}

static void insert(struct line *l, char c)
{
    if (l->len + 1 >= sizeof l->text)
        return;
    memmove(l->text + l->at + 1, l->text + l->at, l->len - l->at + 1);
    l->text[l->at++] = c;
    l->len++;
}

bool line_key(struct line *l, uint32_t key)
{
    switch (key) {
    case KEY_LEFT:
        l->at = before(l, l->at);
        return true;
    case KEY_RIGHT:
        l->at = behind(l, l->at);
        return true;
    case KEY_HOME:
    case KEY_CTRL('a'):
        l->at = 0;
        return true;
    case KEY_END:
    case KEY_CTRL('e'):
        l->at = l->len;
        return true;
    case KEY_BACKSPACE:
    case 0x7f:
        cut(l, before(l, l->at), l->at);
        return true;
    case KEY_DELETE:
        cut(l, l->at, behind(l, l->at));
        return true;
    }
    if (key < ' ' || key > '~')
        return false;
    insert(l, (char)key);
    return true;
}

unsigned line_view(const struct line *l, unsigned columns, char *buf, size_t size)
{
    size_t left = 0, end;
    unsigned cursor = 0;

    for (size_t i = 0; i < l->at; i = behind(l, i))
        cursor++;
    for (; cursor >= columns; cursor--)
        left = behind(l, left);
    for (end = left; columns && end < l->len && behind(l, end) - left < size; columns--)
        end = behind(l, end);
    memcpy(buf, l->text + left, end - left);
    buf[end - left] = 0;
    return cursor;
}
