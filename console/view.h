#pragma once
/* Something the user can look at: a guest's terminal, the monitor's log, the status screen. For console/ only. */
#include "arch/x86/lock.h"
#include "base/ring.h"
#include "console/term.h"

#define VIEW_LINES 4u    /* serial lines of a guest */
#define VIEW_TYPED 1024u /* power of two */

struct tty;
struct vm;

struct view {
    struct lock lock; /* inside vm->lock, outside the serial ring's */
    /* under lock */
    struct term term;
    struct tty *last; /* the line that wrote last */

    /* fixed after init; 0 unless it is a guest's */
    struct vm *vm;
    size_t bytes; /* of it and its terminal */

    /* CPU 0 */
    struct tty *line[VIEW_LINES];
    unsigned nlines;
    struct ring typed; /* what the guest has not taken yet */
    uint8_t typed_bytes[VIEW_TYPED];
    uint64_t cpu_tsc, exits; /* at the last sample */
    unsigned cpu_percent;
    uint64_t exits_per_s;

    _Atomic bool waiting; /* the device refused input: its drained() must wake us */
};

extern const struct tty_user_ops view_tty_ops; /* user_data is the view */

/* mem is kept: for grid and scrollback, see term_init(). */
void view_init(struct view *, unsigned cols, unsigned rows, void *mem, size_t bytes);
/* Any CPU. */
void view_write(struct view *, const uint8_t *bytes, size_t n);
void view_text(struct view *, const char *text);

/* What the user typed, for the guest; dropped when it does not read. CPU 0. */
void view_type(struct view *, const uint8_t *bytes, size_t n);
/* Offers it to the guest, with the terminal's own answers to the guest's questions if `answer`. CPU 0, no lock held. */
void view_send(struct view *, bool answer);
