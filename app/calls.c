/* The gate's calls, a row each: calls.h. Every address among the arguments is checked by who uses it. docs/app-abi.md has the page. */
#include "app/calls.h"

#define LOG_MAX 1024u
#define RIGHTS (APP_READ | APP_WRITE | APP_EXEC)
#define STACK_MIN 1024u

typedef int64_t call_fn(struct app_vcpu *, const uint64_t a[5]);

static int64_t result_of(err_t e)
{
    switch (e) {
    case OK: return 0;
    case ERR_RANGE: return APP_RANGE;
    case ERR_NOMEM: return APP_NOMEM;
    case ERR_BUSY: return APP_BUSY;
    case ERR_UNSUPPORTED: return APP_UNSUPPORTED;
    case ERR_GUEST:
    case ERR_IO: return APP_IO;
    case ERR_INVAL:
    case ERR_NOTFOUND:
    case ERR_EXISTS:
    case ERR_FORMAT:
    case ERR_FULL:
    case ERR_AGAIN: return APP_INVAL;
    }
    return APP_INVAL;
}

/* True if the range touches a struct app_cpu in use: the monitor has a pointer to it. */
static bool in_use(const struct app_view *v, uint64_t at, uint64_t len)
{
    for (unsigned i = 0; i < v->ncpus; i++) {
        const struct app_vcpu *c = app_cpu_running(v->app, i);
        app_addr_t shared = c ? app_cpu_shared(c) : 0;
        if (c && shared + sizeof(struct app_cpu) > at && (shared < at + len || at + len < at))
            return true;
    }
    return false;
}

static int64_t call_log(struct app_vcpu *c, const uint64_t a[5])
{
    char line[LOG_MAX];

    if (a[1] > sizeof line)
        return APP_INVAL;
    if (space_read(app_view(c).space, a[0], line, a[1]))
        return APP_RANGE;
    for (uint64_t i = 0; i < a[1]; i++) /* it goes to a terminal */
        line[i] = line[i] >= ' ' && line[i] < 0x7F ? line[i] : '?';
    app_log(c, line, a[1]);
    return 0;
}

static int64_t call_exit(struct app_vcpu *c, const uint64_t a[5])
{
    app_end(c, (uint32_t)a[0]);
    return 0;
}

static int64_t call_map(struct app_vcpu *c, const uint64_t a[5])
{
    const struct app_view v = app_view(c);

    if (a[2] >> 32)
        return APP_INVAL;
    return in_use(&v, a[0], a[1]) ? APP_BUSY : result_of(space_map(v.space, a[0], a[1], (unsigned)a[2]));
}

static int64_t call_map_file(struct app_vcpu *c, const uint64_t a[5])
{
    const struct app_view v = app_view(c);
    uint64_t from = a[3] >> 32;
    unsigned prot = (unsigned)a[2];

    if (from != APP_IMAGE && from >= v.nchannels)
        return APP_INVAL;
    if (a[2] >> 32 || a[4] % PAGE_SIZE || !(prot & RIGHTS))
        return APP_INVAL;
    if (from == APP_IMAGE && ((uint32_t)a[3] || prot & APP_SHARED))
        return APP_INVAL;
    if (from == APP_IMAGE && (a[4] > v.image_size || a[1] > v.image_size - a[4]))
        return APP_RANGE;
    if (in_use(&v, a[0], a[1]))
        return APP_BUSY;
    return result_of(from == APP_IMAGE ? app_map_image(v.app, a[0], a[1], prot, a[4]) :
                                         app_map_file(&v.channel[from], (uint32_t)a[3], a[0], a[1], prot, a[4]));
}

static int64_t call_unmap(struct app_vcpu *c, const uint64_t a[5])
{
    const struct app_view v = app_view(c);

    return in_use(&v, a[0], a[1]) ? APP_BUSY : result_of(space_unmap(v.space, a[0], a[1]));
}

static int64_t call_protect(struct app_vcpu *c, const uint64_t a[5])
{
    const struct app_view v = app_view(c);

    if (a[2] >> 32)
        return APP_INVAL;
    return in_use(&v, a[0], a[1]) ? APP_BUSY : result_of(space_protect(v.space, a[0], a[1], (unsigned)a[2]));
}

static int64_t call_template(struct app_vcpu *c, const uint64_t[5])
{
    return app_template(c);
}

static int64_t call_kick(struct app_vcpu *c, const uint64_t a[5])
{
    return a[0] < app_view(c).nchannels ? result_of(app_kick(c, (unsigned)a[0])) : APP_INVAL;
}

static int64_t call_wait(struct app_vcpu *c, const uint64_t a[5])
{
    app_wait(c, a[0]);
    return 0;
}

static int64_t call_wake(struct app_vcpu *c, const uint64_t a[5])
{
    struct app_vcpu *other = app_cpu_running(app_view(c).app, a[0]);

    if (!other)
        return APP_INVAL;
    app_event(other, APP_EVENT_WAKE);
    return 0;
}

static int64_t call_cpu_start(struct app_vcpu *c, const uint64_t a[5])
{
    return result_of(app_cpu_wanted(app_view(c).app, a[0], a[1], a[2], a[3]));
}

static int64_t call_cpu_stop(struct app_vcpu *c, const uint64_t[5])
{
    return result_of(app_cpu_stop(c));
}

static int64_t call_timer(struct app_vcpu *c, const uint64_t a[5])
{
    return result_of(app_timer(c, a[0]));
}

static int64_t call_fault(struct app_vcpu *c, const uint64_t[5])
{
    return (int64_t)app_fault_at(c);
}

static int64_t call_rewrite(struct app_vcpu *c, const uint64_t a[5])
{
    const struct app_view v = app_view(c);

    return space_mapped(v.space, a[0], a[1]) ? (int64_t)app_rewrite(v.app, a[0], a[1]) : APP_RANGE;
}

/* Copied one at a time: what the first ones map may be where the others lie. */
static int64_t call_batch(struct app_vcpu *c, const uint64_t a[5])
{
    static call_fn *const allowed[APP_CALLS] = { [APP_MAP] = call_map, [APP_MAP_FILE] = call_map_file, [APP_UNMAP] = call_unmap, [APP_PROTECT] = call_protect };
    int64_t e = a[1] <= APP_BATCH_MAX ? 0 : APP_INVAL;

    for (uint64_t i = 0; e >= 0 && i < a[1]; i++) {
        struct app_batched b;
        if (space_read(app_view(c).space, a[0] + i * sizeof b, &b, sizeof b))
            return APP_RANGE;
        e = b.call < APP_CALLS && allowed[b.call] ? allowed[b.call](c, b.a) : APP_INVAL;
    }
    return e;
}

static call_fn *const calls[APP_CALLS] = {
    [APP_LOG] = call_log,           [APP_EXIT] = call_exit,       [APP_MAP] = call_map,     [APP_MAP_FILE] = call_map_file,
    [APP_UNMAP] = call_unmap,       [APP_PROTECT] = call_protect, [APP_TEMPLATE] = call_template, [APP_KICK] = call_kick,
    [APP_WAIT] = call_wait,         [APP_WAKE] = call_wake,       [APP_CPU_START] = call_cpu_start,
    [APP_CPU_STOP] = call_cpu_stop, [APP_TIMER] = call_timer,     [APP_FAULT] = call_fault, [APP_REWRITE] = call_rewrite,
    [APP_BATCH] = call_batch,
};

int64_t app_call(struct app_vcpu *c, uint64_t number, const uint64_t a[5])
{
    return number < APP_CALLS ? calls[number](c, a) : APP_INVAL;
}

err_t app_cpu_check(struct space *s, uint64_t entry, app_addr_t shared, struct app_cpu *cpu)
{
    if (entry >= APP_TOP || shared % 16 || space_read(s, shared, cpu, sizeof *cpu))
        return ERR_RANGE;
    if (cpu->stack_top % 16 || cpu->stack_size < STACK_MIN || cpu->stack_size > cpu->stack_top ||
        !space_mapped(s, cpu->stack_top - cpu->stack_size, cpu->stack_size))
        return ERR_RANGE;
    return OK;
}
