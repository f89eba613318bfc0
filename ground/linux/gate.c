/* What is behind the gate on Linux: one row for each call. Arguments are copies in registers; every address among them is checked by who
 * uses it. Called by the CPU's own thread, which holds guest->lock but while it sleeps. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include "ground/linux/guest.h"

#define NS_PER_S 1000000000ull

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

typedef int64_t gate_fn(struct guest_cpu *, const uint64_t a[5]);

static int64_t gate_log(struct guest_cpu *c, const uint64_t a[5])
{
    char line[1024];

    if (a[1] > sizeof line)
        return APP_INVAL;
    if (space_read(&c->guest->space, a[0], line, a[1]))
        return APP_RANGE;
    for (uint64_t i = 0; i < a[1]; i++) /* it may go to a terminal */
        line[i] = (line[i] >= ' ' && line[i] < 0x7F) || line[i] == '\n' ? line[i] : '?';
    fprintf(stderr, "goblin: %.*s\n", (int)a[1], line);
    return 0;
}

static int64_t gate_exit(struct guest_cpu *c, const uint64_t a[5])
{
    guest_end(c->guest, (uint32_t)a[0]);
    return 0;
}

static int64_t gate_map(struct guest_cpu *c, const uint64_t a[5])
{
    if (guest_holds(c->guest, a[0], a[1]))
        return APP_BUSY;
    return space_map(&c->guest->space, a[0], a[1], (unsigned)a[2]);
}

static int64_t gate_map_file(struct guest_cpu *c, const uint64_t a[5])
{
    struct guest *g = c->guest;
    int64_t e;
    int fd;

    if (guest_holds(g, a[0], a[1]))
        return APP_BUSY;
    if (g->root && a[3] == (uint64_t)APP_IMAGE << 32)
        return a[2] & APP_SHARED || a[4] > g->root->size || a[1] > g->root->size - a[4] ?
                   APP_INVAL : space_map_file(&g->space, a[0], a[1], (unsigned)a[2], g->root->fd, g->root->at + a[4]);
    if (a[3] >> 32 >= g->nchannels)
        return APP_INVAL;
    fd = channel_fd(&g->channels[a[3] >> 32], (uint32_t)a[3]);
    e = fd < 0 ? APP_UNSUPPORTED : space_map_file(&g->space, a[0], a[1], (unsigned)a[2], fd, a[4]);
    if (!e && (a[2] & (APP_EXEC | APP_SHARED)) == APP_EXEC)
        sites_mapped(a[0], a[1], fd, a[4]);
    return e;
}

static int64_t gate_unmap(struct guest_cpu *c, const uint64_t a[5])
{
    if (guest_holds(c->guest, a[0], a[1]))
        return APP_BUSY;
    return space_unmap(&c->guest->space, a[0], a[1]);
}

static int64_t gate_protect(struct guest_cpu *c, const uint64_t a[5])
{
    if (guest_holds(c->guest, a[0], a[1]))
        return APP_BUSY;
    return space_protect(&c->guest->space, a[0], a[1], (unsigned)a[2]);
}

/* No guest becomes a template here. */
static int64_t gate_template(struct guest_cpu *c, const uint64_t a[5])
{
    (void)c;
    (void)a;
    return 0;
}

static int64_t gate_kick(struct guest_cpu *c, const uint64_t a[5])
{
    int64_t e;

    if (a[0] >= c->guest->nchannels)
        return APP_INVAL;
    guest_time(c->guest);
    e = channel_kick(&c->guest->channels[a[0]]);
    if (console_wanted(c->guest) >= 0)
        guest_poke();
    return e;
}

static int64_t gate_wait(struct guest_cpu *c, const uint64_t a[5])
{
    watch_wait(c, a[0]);
    guest_time(c->guest);
    return 0;
}

static int64_t gate_wake(struct guest_cpu *c, const uint64_t a[5])
{
    if (a[0] >= c->guest->ncpus || !c->guest->cpus[a[0]].started)
        return APP_INVAL;
    guest_event(&c->guest->cpus[a[0]], APP_EVENT_WAKE);
    return 0;
}

static int64_t gate_cpu_start(struct guest_cpu *c, const uint64_t a[5])
{
    err_t e;

    if (a[0] >= c->guest->ncpus)
        return APP_INVAL;
    if (c->guest->cpus[a[0]].started)
        return APP_BUSY;
    e = guest_cpu_start(c->guest, (unsigned)a[0], a[1], a[2], a[3], 0);
    return e == OK ? 0 : e == ERR_RANGE ? APP_RANGE : APP_NOMEM;
}

static int64_t gate_cpu_stop(struct guest_cpu *c, const uint64_t a[5])
{
    (void)a;
    if (c->cpu.number == 0)
        return APP_INVAL;
    c->stopping = true;
    return 0;
}

static int64_t gate_timer(struct guest_cpu *c, const uint64_t a[5])
{
    struct itimerspec when = { .it_value = timespec_of(a[0]) };

    return timer_settime(c->timer, TIMER_ABSTIME, &when, NULL) ? APP_INVAL : 0;
}

static int64_t gate_fault(struct guest_cpu *c, const uint64_t a[5])
{
    (void)a;
    return (int64_t)kvm_cpu_fault(&c->cpu);
}

static int64_t gate_rewrite(struct guest_cpu *c, const uint64_t a[5])
{
    struct space *s = &c->guest->space;

    if (!space_mapped(s, a[0], a[1]))
        return APP_RANGE;
    return sites_rewrite(s, a[0], a[1]);
}

static gate_fn *const calls[APP_CALLS] = {
    [APP_LOG] = gate_log,           [APP_EXIT] = gate_exit,         [APP_MAP] = gate_map,         [APP_MAP_FILE] = gate_map_file,
    [APP_UNMAP] = gate_unmap,       [APP_PROTECT] = gate_protect,   [APP_TEMPLATE] = gate_template, [APP_KICK] = gate_kick,
    [APP_WAIT] = gate_wait,         [APP_WAKE] = gate_wake,         [APP_CPU_START] = gate_cpu_start,
    [APP_CPU_STOP] = gate_cpu_stop, [APP_TIMER] = gate_timer,       [APP_FAULT] = gate_fault,     [APP_REWRITE] = gate_rewrite,
};

bool gate_call(struct guest_cpu *c)
{
    struct kvm_regs_app *r = c->cpu.regs;
    const uint64_t a[5] = { r->rdi, r->rsi, r->rdx, r->r8, r->r9 };

    /* the number is in rax: rcx is taken by the C convention's fourth argument, which the gate's code has moved to r8 */
    r->rax = r->rax < APP_CALLS ? (uint64_t)calls[r->rax](c, a) : (uint64_t)(int64_t)APP_INVAL;
    kvm_cpu_dirty(&c->cpu);
    guest_roots(c->guest);
    return !c->stopping && !c->guest->exiting;
}
