/* What is behind the gate: one row for each call. Arguments are copies in registers; every address among them is checked by who uses
 * it. Called by the CPU itself. docs/app-abi.md has the page. */
#include "app/app.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/sched.h"

#define LOG_MAX 1024u
#define LOG_PART 200u /* bytes of it in one line of the monitor's log */

typedef int64_t gate_fn(struct app_vcpu *, const uint64_t a[5]);

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

/* A line may be long: it goes out in parts, so that none of them is cut. */
static int64_t gate_log(struct app_vcpu *c, const uint64_t a[5])
{
    char part[LOG_PART];

    if (a[1] > LOG_MAX)
        return APP_INVAL;
    if (!space_mapped(&c->app->space, a[0], a[1]))
        return APP_RANGE;
    for (uint64_t at = 0, n; at < a[1]; at += n) {
        n = min_u64(a[1] - at, sizeof part);
        if (space_read(&c->app->space, a[0] + at, part, n))
            return APP_RANGE;
        for (uint64_t i = 0; i < n; i++) /* it goes to a terminal */
            part[i] = part[i] >= ' ' && part[i] < 0x7F ? part[i] : '?';
        ground_log("%s: %.*s", c->app->vm->cfg.name, (int)n, part);
    }
    return 0;
}

static int64_t gate_exit(struct app_vcpu *c, const uint64_t a[5])
{
    uint32_t status = (uint32_t)a[0];

    if (status & APP_EXIT_SIGNAL)
        vm_stop(c->app->vm, VM_EXITED, "killed by signal %u", status & 0x7F);
    else
        vm_stop(c->app->vm, VM_EXITED, "status %u", status & 0xFF);
    return 0;
}

/* True if the range touches a struct app_cpu in use: the monitor has a pointer to it. */
static bool holds_cpu(const struct app *a, uint64_t at, uint64_t len)
{
    for (unsigned i = 0; i < a->vm->nvcpus; i++) {
        const struct app_vcpu *c = a->cpu[i];
        if (atomic_load(&c->started) && c->shared + sizeof(struct app_cpu) > at && (c->shared < at + len || at + len < at))
            return true;
    }
    return false;
}

static int64_t gate_map(struct app_vcpu *c, const uint64_t a[5])
{
    if (a[2] >> 32)
        return APP_INVAL;
    return result_of(holds_cpu(c->app, a[0], a[1]) ? ERR_BUSY : space_map(&c->app->space, a[0], a[1], (unsigned)a[2]));
}

/* Files of channels have no pages of their own here: the libos then copies. */
static int64_t gate_map_file(struct app_vcpu *c, const uint64_t a[5])
{
    const struct app *app = c->app;

    if (a[3] >> 32 != APP_IMAGE)
        return a[3] >> 32 < app->nchannels ? APP_UNSUPPORTED : APP_INVAL;
    if ((uint32_t)a[3] || a[2] >> 32 || a[2] & APP_SHARED || a[4] % PAGE_SIZE || !(a[2] & (APP_READ | APP_WRITE | APP_EXEC)))
        return APP_INVAL;
    if (a[4] > app->fs_size || a[1] > app->fs_size - a[4])
        return APP_RANGE;
    if (holds_cpu(app, a[0], a[1]))
        return APP_BUSY;
    return result_of(space_map_image(&c->app->space, a[0], a[1], (unsigned)a[2], hpa(app->fs.v + a[4])));
}

static int64_t gate_unmap(struct app_vcpu *c, const uint64_t a[5])
{
    return result_of(holds_cpu(c->app, a[0], a[1]) ? ERR_BUSY : space_unmap(&c->app->space, a[0], a[1]));
}

static int64_t gate_protect(struct app_vcpu *c, const uint64_t a[5])
{
    if (a[2] >> 32)
        return APP_INVAL;
    return result_of(holds_cpu(c->app, a[0], a[1]) ? ERR_BUSY : space_protect(&c->app->space, a[0], a[1], (unsigned)a[2]));
}

/* No guest becomes a template yet. */
static int64_t gate_template(struct app_vcpu *c, const uint64_t a[5])
{
    (void)c;
    (void)a;
    return 0;
}

static err_t kick(struct app *app, unsigned n)
{
    struct channel *ch = &app->channel[n];
    err_t e = OK;

    if (ch->here) {
        lock_take(&app->vm->lock);
        e = channel_kick(ch);
        bool waits = ninep_server_waits(&ch->server);
        lock_drop(&app->vm->lock);
        if (waits && !atomic_load(&app->watched))
            work_ask(&app->work);
    } else {
        atomic_store(&ch->wanted, true);
        work_ask(&app->work);
    }
    return e;
}

/* What CPU 0's loop serves it answers before the call returns, too. */
static int64_t gate_kick(struct app_vcpu *c, const uint64_t a[5])
{
    if (a[0] >= c->app->nchannels)
        return APP_INVAL;
    c->kicking = !c->app->channel[a[0]].here;
    atomic_store(&c->served, false);
    return result_of(kick(c->app, (unsigned)a[0]));
}

static int64_t gate_wait(struct app_vcpu *c, const uint64_t a[5])
{
    c->wait_end = app_tsc_of(a[0]);
    c->waiting = true;
    return 0;
}

/* A CPU of the guest that runs, by its number; NULL: there is none. */
static struct app_vcpu *cpu_of(const struct app *a, uint64_t number)
{
    return number < a->vm->nvcpus ? a->cpu[number] : NULL;
}

static int64_t gate_wake(struct app_vcpu *c, const uint64_t a[5])
{
    struct app_vcpu *other = cpu_of(c->app, a[0]);

    if (!other || !atomic_load(&other->started))
        return APP_INVAL;
    app_event(other, APP_EVENT_WAKE);
    return 0;
}

/* Under the guest's lock, so that two calls do not start one CPU twice. A CPU that has called CPU_STOP may still be on its way out. */
static int64_t gate_cpu_start(struct app_vcpu *c, const uint64_t a[5])
{
    struct app_vcpu *other = cpu_of(c->app, a[0]);
    err_t e = ERR_BUSY;

    if (!other)
        return APP_INVAL;
    lock_take(&c->app->vm->lock);
    if (!atomic_load(&other->started) && atomic_load(&other->v.state) == VCPU_OFF)
        e = app_cpu_start(other, a[1], a[2], a[3], 0);
    lock_drop(&c->app->vm->lock);
    if (!e)
        sched_wake(&other->v);
    return result_of(e);
}

static int64_t gate_cpu_stop(struct app_vcpu *c, const uint64_t a[5])
{
    (void)a;
    if (c->v.id == 0)
        return APP_INVAL;
    atomic_store(&c->started, false);
    return 0;
}

static int64_t gate_timer(struct app_vcpu *c, const uint64_t a[5])
{
    c->timer = app_tsc_of(a[0]);
    sched_timer_changed(&c->v);
    return 0;
}

static int64_t gate_fault(struct app_vcpu *c, const uint64_t a[5])
{
    (void)a;
    return (int64_t)c->fault_at;
}

/* Sites in images were rewritten when the image was made; elsewhere a `syscall` goes to the libos' `missed`, which costs an entry. */
static int64_t gate_rewrite(struct app_vcpu *c, const uint64_t a[5])
{
    return space_mapped(&c->app->space, a[0], a[1]) ? 0 : APP_RANGE;
}

static gate_fn *const calls[APP_CALLS] = {
    [APP_LOG] = gate_log,           [APP_EXIT] = gate_exit,   [APP_MAP] = gate_map,     [APP_MAP_FILE] = gate_map_file,
    [APP_UNMAP] = gate_unmap,       [APP_PROTECT] = gate_protect, [APP_TEMPLATE] = gate_template, [APP_KICK] = gate_kick,
    [APP_WAIT] = gate_wait,         [APP_WAKE] = gate_wake,   [APP_CPU_START] = gate_cpu_start,
    [APP_CPU_STOP] = gate_cpu_stop, [APP_TIMER] = gate_timer, [APP_FAULT] = gate_fault, [APP_REWRITE] = gate_rewrite,
};

void app_gate(struct app_vcpu *c)
{
    uint64_t *r = c->v.r.gpr;
    const uint64_t a[5] = { r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R8], r[REG_R9] };

    r[REG_RAX] = r[REG_RAX] < APP_CALLS ? (uint64_t)calls[r[REG_RAX]](c, a) : (uint64_t)(int64_t)APP_INVAL;
}

void app_bell(struct app_vcpu *c)
{
    uint32_t n = (uint32_t)c->v.r.gpr[REG_RDI];
    struct app_vcpu *other = n >= APP_BELL_CPU ? cpu_of(c->app, n - APP_BELL_CPU) : NULL;

    if (n < c->app->nchannels) {
        (void)!kick(c->app, n); /* a channel that is dead stays silent */
        if (c->app->channel[n].here)
            app_event(c->app->cpu[0], APP_EVENT_CHANNEL);
    } else if (other && atomic_load(&other->started)) {
        atomic_store(&other->rung, true);
        sched_wake(&other->v);
    }
}
