#pragma once
/* Work for CPU 0's loop. Whatever starts, ends, makes or asks about guests runs there and nowhere else, one piece after the
 * other and with no lock held, so it needs no lock of its own and cannot deadlock with a vCPU's exit. An exit, on any CPU,
 * only leaves its request where run() finds it, and calls work_ask(). However much is asked for, it takes at most half of
 * CPU 0's time. */
#include <stdatomic.h>
#include "base/list.h"

struct work {
    /* CPU 0's loop, no lock held; must not remove itself. True: it waits for something of which work_changed() will tell. */
    bool (*run)(struct work *);
    /* CPU 0 */
    bool waits;
    struct list link; /* of those that wait; else self-linked */
    struct list due;  /* of those asked for that CPU 0 knows of; else self-linked */
    /* any CPU */
    _Atomic bool wanted;
    struct work *next; /* asked for, and not yet known to CPU 0 */
};

/* Before the first work_add(), after sched_init(). */
void work_init(void);
/* CPU 0. run is set; the struct stays until it is removed. */
void work_add(struct work *);
void work_remove(struct work *);
/* run() is called soon. Any CPU, any lock. */
void work_ask(struct work *);
/* What somebody may wait for has happened: a guest ended, text came. All work that waits is asked, not more often than every
 * few milliseconds. Any CPU, any lock. Cheap when nobody waits. */
void work_changed(void);
