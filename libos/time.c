/* Clocks, read from the processor's counter and the monitor's page without a call; and timers. */
#include "libos/clock.h"
#include "libos/libos.h"

static uint64_t clock_read(int64_t *wall_offset)
{
    return clock_page_read((const volatile struct app_time *)boot->time, wall_offset);
}

uint64_t time_mono(void)
{
    int64_t unused;

    return clock_read(&unused);
}

uint64_t time_wall(void)
{
    int64_t offset;
    uint64_t ns = clock_read(&offset);

    return ns + (uint64_t)offset;
}

struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (int64_t)(ns / 1000000000u), .tv_nsec = (int64_t)(ns % 1000000000u) };
}

int timespec_read(user_t from, uint64_t *ns)
{
    struct timespec t;

    if (user_read(&t, from, sizeof t))
        return -EFAULT;
    if (t.tv_sec < 0 || t.tv_nsec < 0 || t.tv_nsec >= 1000000000)
        return -EINVAL;
    *ns = t.tv_sec > 4000000000 ? UINT64_MAX : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return 0;
}

/* --- timers, in order of time --- */
static struct list timers = LIST_INIT(timers);

void timer_set(struct timer *t, uint64_t at)
{
    struct list *before = &timers;

    if (!t->link.next)
        list_init(&t->link);
    list_remove(&t->link);
    t->at = at;
    if (!at)
        return;
    list_each (l, &timers)
        if (container_of(l, struct timer, link)->at > at) {
            before = l;
            break;
        }
    list_insert_before(before, &t->link);
}

void timers_run(void)
{
    while (!list_empty(&timers)) {
        struct timer *t = container_of(timers.next, struct timer, link);
        if (t->at > time_mono())
            return;
        timer_set(t, 0);
        t->fire(t);
    }
}

uint64_t timers_next(void) { return list_empty(&timers) ? 0 : container_of(timers.next, struct timer, link)->at; }
