/* Work for CPU 0's loop: vm/work.h. One of the scheduler's chores. */
#include "vm/work.h"
#include "ground/ground.h"
#include "vm/sched.h"

#define PERIOD_NS 4000000u /* between two rounds of asking all that wait */
/* Guests that ask without end get at most a part of each window of CPU 0's time, so that its own guests go on. */
#define WINDOW_NS 10000000u
#define WINDOW_PART 2u

/* CPU 0 */
static struct list works = LIST_INIT(works);
static struct list *next; /* where the round goes on; work_remove() keeps it right */
static uint64_t round_at; /* not before then */
static uint64_t window, spent; /* when it began; how much of it went into work */

/* any CPU */
static _Atomic unsigned waiting; /* how many wait */
static _Atomic bool changed;

void work_add(struct work *w)
{
    w->waits = false;
    atomic_store(&w->wanted, false);
    list_push_back(&works, &w->link);
}

static void waits_set(struct work *w, bool waits)
{
    if (w->waits != waits)
        atomic_fetch_add(&waiting, waits ? 1u : -1u);
    w->waits = waits;
}

void work_remove(struct work *w)
{
    waits_set(w, false);
    if (next == &w->link)
        next = w->link.next;
    list_remove(&w->link);
}

/* A vCPU that runs on CPU 0 has to leave its guest too, so CPU 0 is kicked even by itself. */
static void kick(void)
{
    sched_kick_chores();
    if (ground_cpu() == 0)
        ground_cpu_kick(0);
}

void work_ask(struct work *w)
{
    if (!atomic_exchange(&w->wanted, true))
        kick();
}

void work_changed(void)
{
    if (atomic_load(&waiting) && !atomic_exchange(&changed, true))
        kick();
}

static uint64_t work_chore(uint64_t now)
{
    uint64_t length = ground_ns_to_tsc(WINDOW_NS);
    bool all = atomic_load(&changed) && now >= round_at;

    if (now - window >= length) {
        window = now;
        spent = 0;
    }
    if (spent > length / WINDOW_PART)
        return window + length;

    if (all) {
        atomic_store(&changed, false);
        round_at = now + ground_ns_to_tsc(PERIOD_NS);
    }
    for (next = works.next; next != &works;) {
        struct work *w = container_of(next, struct work, link);
        next = next->next;
        if (!atomic_exchange(&w->wanted, false) && !(all && w->waits))
            continue;
        waits_set(w, true); /* before it looks, or a change between would be lost */
        if (!w->run(w))
            waits_set(w, false);
    }
    spent += ground_tsc() - now;
    return atomic_load(&changed) ? round_at : UINT64_MAX;
}

void work_init(void)
{
    list_init(&works);
    atomic_store(&waiting, 0);
    atomic_store(&changed, false);
    round_at = window = spent = 0;
    sched_add_chore(work_chore);
}
