/* A guest's console between its lines and the user's console: ns/cons.h. */
#include "ns/cons.h"
#include "base/str.h"
#include "vm/work.h"

static struct ns_cons *cons_of(struct tty *t) { return t->user_data; }

static struct ns_line *line_of(struct ns_cons *c, struct tty *real)
{
    for (unsigned i = 0; i < NS_CONS_LINES; i++)
        if (c->line[i].real == real)
            return &c->line[i];
    return NULL;
}

/* --- the console's view of a line --- */

static size_t shown_input(struct tty *t, const uint8_t *bytes, size_t n)
{
    struct tty *real = container_of(t, struct ns_line, shown)->real;

    return real->dev->input(real, bytes, n);
}

static const struct tty_dev_ops shown_ops = { .input = shown_input };

/* --- the guest's lines --- */

static void opened(struct tty *t)
{
    struct ns_cons *c = cons_of(t);
    struct ns_line *line = line_of(c, NULL);

    if (!line)
        return;
    *line = (struct ns_line){ .real = t, .shown.dev = &shown_ops };
    tty_open(&line->shown, c->user, c->user_data);
}

static void closed(struct tty *t)
{
    struct ns_cons *c = cons_of(t);
    struct ns_line *line = line_of(c, t);

    if (!line)
        return;
    tty_close(&line->shown);
    line->real = NULL;
    lock_take(&c->lock);
    if (c->last == t)
        c->last = NULL;
    lock_drop(&c->lock);
}

static void output(struct tty *t, const uint8_t *bytes, size_t n)
{
    struct ns_cons *c = cons_of(t);
    struct ns_line *line = line_of(c, t);

    lock_take(&c->lock);
    c->last = t;
    for (size_t i = 0; i < n; i++)
        c->text[c->written++ % NS_CONS_BYTES] = bytes[i];
    lock_drop(&c->lock);
    if (line)
        tty_output(&line->shown, bytes, n);
    work_changed();
}

static void drained(struct tty *t)
{
    struct ns_line *line = line_of(cons_of(t), t);

    if (line)
        tty_drained(&line->shown);
    work_changed();
}

const struct tty_user_ops ns_cons_ops = { .opened = opened, .closed = closed, .output = output, .drained = drained };

/* --- files --- */

static uint64_t oldest(const struct ns_cons *c) { return c->written > NS_CONS_BYTES ? c->written - NS_CONS_BYTES : 0; }

uint64_t ns_cons_oldest(struct ns_cons *c)
{
    lock_take(&c->lock);
    uint64_t at = oldest(c);
    lock_drop(&c->lock);
    return at;
}

err_t ns_cons_read(struct ns_cons *c, uint64_t *at, void *to, uint32_t n, uint32_t *got)
{
    uint8_t *byte = to;

    lock_take(&c->lock);
    *at = max_u64(*at, oldest(c));
    for (*got = 0; *got < n && *at < c->written; ++*got)
        byte[*got] = c->text[(*at)++ % NS_CONS_BYTES];
    lock_drop(&c->lock);
    return *got || !n ? OK : ERR_AGAIN;
}

size_t ns_cons_type(struct ns_cons *c, const uint8_t *bytes, size_t n)
{
    struct tty *to;

    lock_take(&c->lock);
    to = c->last;
    lock_drop(&c->lock);
    for (unsigned i = 0; !to && i < NS_CONS_LINES; i++)
        to = c->line[i].real;
    return to ? to->dev->input(to, bytes, n) : 0;
}
