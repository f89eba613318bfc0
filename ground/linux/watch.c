/* Who waits for the host's sockets. A guest CPU that has nothing to do does it itself: what comes is in the guest's memory when its wait returns, and no
 * other thread had to be woken for it. While a CPU runs, the waiting thread of guest.c looks once a millisecond: that long, at most, a guest that
 * computes leaves something in its ring, or does not see what has come. */
#define _GNU_SOURCE
#include <poll.h>
#include <time.h>
#include <unistd.h>
#include "ground/linux/guest.h"

#define NS_PER_S 1000000000u
#define LOOK_MS 1

static bool in_use(const struct app *g)
{
    return g->net_channel && mux_open_now(&g->net);
}

static bool all_wait(const struct app *g)
{
    for (unsigned i = 0; i < g->ncpus; i++)
        if (g->cpus[i].started && !g->cpus[i].waits)
            return false;
    return true;
}

/* Whatever lies in the network's ring is served. True: there is something the guest waits for. */
static bool ring_serve(struct app *g)
{
    struct channel *ch = g->net_channel;
    uint32_t before = ch->news;

    (void)!channel_serve(ch);
    return ch->news != before || ch->dead;
}

static int bell_wait(struct app_vcpu *c, bool watch, uint64_t deadline, bool *ready)
{
    struct pollfd p[2] = { { .fd = c->bell, .events = POLLIN }, { .fd = watch ? c->guest->net.epoll : -1, .events = POLLIN } };
    uint64_t now = deadline ? guest_now() : 0, left = deadline > now ? deadline - now : 0, count;
    struct timespec t = { .tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S) };
    int n = ppoll(p, 2, deadline ? &t : NULL, NULL);

    *ready = n > 0 && p[1].revents;
    if (n > 0 && p[0].revents)
        (void)!read(c->bell, &count, sizeof count);
    return n > 0 && p[0].revents ? 0 : n;
}

void watch_wait(struct app_vcpu *c, uint64_t deadline)
{
    struct app *g = c->guest;
    bool watch, ready = false, done = in_use(g) && ring_serve(g);
    int n;

    if (done)
        guest_note(c, APP_EVENT_CHANNEL);
    c->waits = true;
    while (!done) {
        watch = in_use(g) && !g->watcher;
        if (watch)
            g->watcher = c;
        pthread_mutex_unlock(&g->lock);
        n = bell_wait(c, watch, deadline, &ready);
        pthread_mutex_lock(&g->lock);
        if (watch)
            g->watcher = NULL;
        if (ready) {
            net_ready(&g->net);
            if (ring_serve(g)) {
                guest_note(c, APP_EVENT_CHANNEL);
                break;
            }
        }
        done = n <= 0 || !ready;
    }
    c->waits = false;
    if (in_use(g) && g->watch_off) { /* nobody looks while this CPU runs */
        g->watch_off = false;
        guest_poke();
    }
}

int watch_outside(struct app *g)
{
    g->watch_off = !in_use(g) || all_wait(g);
    return g->watch_off ? -1 : LOOK_MS;
}

void watch_look(struct app *g)
{
    uint32_t before;

    if (!in_use(g))
        return;
    before = g->net_channel->news;
    if (!g->watcher)
        net_ready(&g->net);
    (void)ring_serve(g);
    if (g->net_channel->news != before)
        app_event(&g->cpus[0], APP_EVENT_CHANNEL);
}
