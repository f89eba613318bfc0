#pragma once
/* A spin lock. Interrupts are off whenever one is held (ground/ground.h), so it needs nothing about them.
 * Lock order: vm->lock, then a run queue's, then a driver's, then a guest's terminal (ns/dev.h), then the console's, then the page
 * allocator's. Operations of file trees begin with none held (vm/work.h), but for an app's own /dev under its vm->lock. */
#include <stdatomic.h>
#include "base/types.h"

struct lock {
    _Atomic uint32_t held;
};

static inline void lock_take(struct lock *l)
{
    while (atomic_exchange_explicit(&l->held, 1, memory_order_acquire))
        while (atomic_load_explicit(&l->held, memory_order_relaxed))
            __builtin_ia32_pause();
}
static inline bool lock_try(struct lock *l)
{
    return !atomic_exchange_explicit(&l->held, 1, memory_order_acquire);
}
static inline void lock_drop(struct lock *l)
{
    atomic_store_explicit(&l->held, 0, memory_order_release);
}
