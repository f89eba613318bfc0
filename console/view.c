/* Views, and the guest's end of them: serial lines in, typed bytes out. */
#include "console/view.h"
#include "base/str.h"
#include "console/console.h"
#include "console/output.h"
#include "console/paint.h"
#include "ground/ground.h"
#include "io/tty.h"
#include "vm/vm.h"

void view_init(struct view *v, unsigned cols, unsigned rows, void *mem, size_t bytes)
{
    *v = (struct view){ .nlines = 0 };
    term_init(&v->term, cols, rows, mem, bytes);
    ring_init(&v->typed, v->typed_bytes, VIEW_TYPED);
}

static void write_from(struct view *v, struct tty *from, const uint8_t *bytes, size_t n)
{
    lock_take(&v->lock);
    if (from)
        v->last = from;
    term_write(&v->term, bytes, n);
    output_bytes(v, bytes, n);
    bool wake = v->term.nreply || output_shown() == v;
    lock_drop(&v->lock);
    if (wake)
        console_wake();
}

void view_write(struct view *v, const uint8_t *bytes, size_t n) { write_from(v, NULL, bytes, n); }
void view_text(struct view *v, const char *text) { view_write(v, (const uint8_t *)text, strlen(text)); }

/* The terminal after whatever the guest ran before: as new, but its text stays. */
#define VIEW_RESET PAINT_ABORT "\33[?1049l\0337" PAINT_PLAIN "\0338\33(B\33)B\x0f\33[m"

/* --- the guest's serial lines: io/tty.h --- */

static void opened(struct tty *t)
{
    struct view *v = t->user_data;

    if (v->nlines == VIEW_LINES)
        return;
    if (!v->nlines)
        view_text(v, VIEW_RESET);
    v->line[v->nlines++] = t;
}

static void closed(struct tty *t)
{
    struct view *v = t->user_data;
    unsigned kept = 0;

    for (unsigned i = 0; i < v->nlines; i++)
        if (v->line[i] != t)
            v->line[kept++] = v->line[i];
    bool ended = v->nlines && !kept;
    v->nlines = kept;
    lock_take(&v->lock);
    if (v->last == t)
        v->last = kept ? v->line[0] : NULL;
    lock_drop(&v->lock);
    if (!ended)
        return;
    v->typed.tail = v->typed.head;
    view_text(v, VIEW_RESET "\r\n\33[7m--- ");
    view_text(v, v->vm->cfg.name);
    view_text(v, ": ");
    view_text(v, vm_why_text(v->vm->why));
    view_text(v, " ---\33[m\r\n");
}

static void output(struct tty *t, const uint8_t *bytes, size_t n) { write_from(t->user_data, t, bytes, n); }

static void drained(struct tty *t)
{
    struct view *v = t->user_data;

    if (atomic_load(&v->waiting))
        console_wake_now();
}

const struct tty_user_ops view_tty_ops = { .opened = opened, .closed = closed, .output = output, .drained = drained };

/* --- typed bytes --- */

void view_type(struct view *v, const uint8_t *bytes, size_t n)
{
    while (n-- && v->nlines)
        ring_put(&v->typed, *bytes++);
}

void view_send(struct view *v, bool answer)
{
    struct tty *to = NULL;
    char reply[sizeof v->term.reply];
    size_t n, took;

    lock_take(&v->lock);
    n = v->term.nreply;
    memcpy(reply, v->term.reply, n);
    v->term.nreply = 0;
    if (v->nlines)
        to = v->last ? v->last : v->line[0];
    lock_drop(&v->lock);
    if (answer)
        view_type(v, (const uint8_t *)reply, n);
    if (!to || !ring_used(&v->typed))
        return;
    atomic_store(&v->waiting, true); /* before asking: room may come at any moment */
    do {
        uint32_t at = v->typed.tail & v->typed.mask;
        n = min_size(ring_used(&v->typed), VIEW_TYPED - at);
        took = to->dev->input(to, v->typed_bytes + at, n);
        v->typed.tail += (uint32_t)took;
    } while (took == n && ring_used(&v->typed));
    atomic_store(&v->waiting, ring_used(&v->typed) != 0);
}
