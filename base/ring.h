#pragma once
/* A byte ring of a power-of-two size. No locking: the owner's lock guards it. */
#include "base/types.h"

struct ring {
    uint8_t *buf;
    uint32_t mask;       /* size - 1 */
    uint32_t head, tail; /* free-running; head - tail bytes are stored */
};

static inline void ring_init(struct ring *r, void *buf, uint32_t size_pow2)
{
    *r = (struct ring){ .buf = buf, .mask = size_pow2 - 1 };
}
static inline uint32_t ring_used(const struct ring *r) { return r->head - r->tail; }
static inline uint32_t ring_room(const struct ring *r) { return r->mask + 1 - ring_used(r); }

/* False if there was no room. */
static inline bool ring_put(struct ring *r, uint8_t b)
{
    if (!ring_room(r))
        return false;
    r->buf[r->head++ & r->mask] = b;
    return true;
}
/* False if empty. */
static inline bool ring_take(struct ring *r, uint8_t *b)
{
    if (!ring_used(r))
        return false;
    *b = r->buf[r->tail++ & r->mask];
    return true;
}
