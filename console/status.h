#pragma once
/* The status screen: the machine, a row per guest, keys, and below them the log. It is a view like a guest's, written
 * to with escape sequences. For console/ only; CPU 0. */
#include "console/view.h"

struct status {
    struct view view;
    struct view *const *guest;
    unsigned nguests; /* the console sets these four and calls status_refresh() */
    unsigned unlisted; /* guests there is no place for */
    unsigned selected;
    const char *question; /* waits for an answer; NULL: none */
    const char *build_id;
    unsigned laid_out; /* for how many guests; the log begins below */
    unsigned log_row;
    uint32_t hash[TERM_ROWS_MAX]; /* of what stands in each row */
    uint64_t sampled;             /* TSC of the last sample */
};

#define STATUS_BYTES KIB(192)

/* mem: STATUS_BYTES, kept. */
void status_init(struct status *, unsigned cols, unsigned rows, void *mem, const char *build_id);
/* Brings the screen up to date; `log` is what was logged so far. */
void status_refresh(struct status *, struct view *log, uint64_t now);
/* Takes CPU time and exits of all guests, if the last time was long enough ago. */
void status_sample(struct status *, uint64_t now);
/* One row of the table that programs read, without newline. */
void status_plain_row(const struct view *, char *buf, size_t size);
