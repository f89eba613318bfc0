#pragma once
/* A guest's console as files see it. It stands between the guest's serial lines and the user's console (io/tty.h): keeps the
 * last output for readers of /vm/NAME/cons, and lets writers of it type. */
#include "arch/x86/lock.h"
#include "base/err.h"
#include "io/tty.h"

#define NS_CONS_LINES 4u
#define NS_CONS_BYTES 8192u /* of output that are kept; a power of two */

struct ns_cons {
    /* fixed while the guest runs; CPU 0 */
    const struct tty_user_ops *user; /* the console's, NULL: the guest has no place there */
    void *user_data;
    struct ns_line {
        struct tty *real; /* NULL: free */
        struct tty shown; /* what the console sees in its place */
    } line[NS_CONS_LINES];

    struct lock lock; /* a leaf */
    /* under lock */
    struct tty *last; /* the line that wrote last */
    uint64_t written; /* bytes ever */
    uint8_t text[NS_CONS_BYTES];
};

/* For tty_open(); user_data is the struct ns_cons. */
extern const struct tty_user_ops ns_cons_ops;

/* Where a new reader begins: the oldest byte that is kept. */
uint64_t ns_cons_oldest(struct ns_cons *);
/* Copies what was written from position *at on, at most n bytes; moves *at behind it (over what is lost already). ERR_AGAIN:
 * nothing yet. */
MUST_USE err_t ns_cons_read(struct ns_cons *, uint64_t *at, void *to, uint32_t n, uint32_t *got);
/* Types up to n bytes on the line that wrote last; how many the guest took. CPU 0. */
size_t ns_cons_type(struct ns_cons *, const uint8_t *bytes, size_t n);
