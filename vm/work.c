/* Work for CPU 0's loop: vm/work.h. One of the scheduler's chores. */
#include "vm/work.h"
#include "ground/ground.h"
#include "vm/sched.h"

#define PERIOD_NS 4000000u /* between two rounds of asking all that wait */
/* Guests that ask without end get at most a part of each window of CPU 0's time, so that its own guests go on. */
#define WINDOW_NS 10000000u
#define WINDOW_PART 2u

#define ROUND_PART 32u /* of those that wait are asked at a time; guests run in between */

/* CPU 0 */
static struct list due = LIST_INIT(due), waiters = LIST_INIT(waiters);
static struct list *cursor = &waiters; /* who is asked next in this round; waiters: there is none. waits_set() keeps it right */
static uint64_t round_at; /* not before then */
static uint64_t window, spent; /* when it began; how much of it went into work */

/* any CPU */
static struct work *_Atomic asked; /* the last one first */
static _Atomic unsigned waiting; /* how many wait */
static _Atomic bool changed;

void work_add(struct work *w)
{
    w->waits = false;
    atomic_store(&w->wanted, false);
    list_init(&w->link);
    list_init(&w->due);
}

/* In the order in which they were asked for. */
static void asked_take(void)
{
    struct list *at = &due;

    for (struct work *w = atomic_exchange(&asked, NULL), *next; w; w = next) {
        next = w->next;
        list_insert_before(at, &w->due);
        at = &w->due;
    }
}

static void waits_set(struct work *w, bool waits)
{
    if (w->waits == waits)
        return;
    w->waits = waits;
    atomic_fetch_add(&waiting, waits ? 1u : -1u);
    if (cursor == &w->link)
        cursor = w->link.next;
    if (waits)
        list_push_back(&waiters, &w->link);
    else
        list_remove(&w->link);
}

void work_remove(struct work *w)
{
    asked_take();
    list_remove(&w->due);
    waits_set(w, false);
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
    if (atomic_exchange(&w->wanted, true))
        return;
    w->next = atomic_load(&asked);
    while (!atomic_compare_exchange_weak(&asked, &w->next, w))
        ;
    kick();
}

void work_changed(void)
{
    if (atomic_load(&waiting) && !atomic_exchange(&changed, true))
        kick();
}

static void run(struct work *w)
{
    waits_set(w, true); /* before it looks, or a change between would be lost */
    if (!w->run(w))
        waits_set(w, false);
}

static uint64_t work_chore(uint64_t now)
{
    uint64_t length = ground_ns_to_tsc(WINDOW_NS);

    if (now - window >= length) {
        window = now;
        spent = 0;
    }
    if (spent > length / WINDOW_PART)
        return window + length;

    if (cursor == &waiters && now >= round_at && atomic_exchange(&changed, false)) {
        round_at = now + ground_ns_to_tsc(PERIOD_NS);
        cursor = waiters.next;
    }
    asked_take();
    for (struct list *l; (l = list_pop_front(&due));) {
        struct work *w = container_of(l, struct work, due);
        atomic_store(&w->wanted, false);
        run(w);
    }
    for (unsigned n = 0; cursor != &waiters && n < ROUND_PART; n++) {
        struct work *w = container_of(cursor, struct work, link);
        cursor = cursor->next;
        run(w);
    }
    spent += ground_tsc() - now;
    return cursor != &waiters ? now : atomic_load(&changed) ? round_at : UINT64_MAX;
}

void work_init(void)
{
    list_init(&due);
    list_init(&waiters);
    cursor = &waiters;
    atomic_store(&asked, NULL);
    atomic_store(&waiting, 0);
    atomic_store(&changed, false);
    round_at = window = spent = 0;
    sched_add_chore(work_chore);
}
