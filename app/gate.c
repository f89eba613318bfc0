/* What is behind the gate where the monitor owns the machine, and behind the bell: see calls.h. Called by the CPU itself. */
#include "app/app.h"
#include "app/calls.h"
#include "base/utf.h"
#include "ground/ground.h"
#include "vm/sched.h"

#define LOG_PART 200u /* bytes of it in one line of the monitor's log */

/* A line may be long: it goes out in parts, so that none of them is cut. */
void app_log(struct app_vcpu *c, const char *line, size_t n)
{
    for (size_t at = 0, part; at < n; at += part) {
        part = utf8_whole(line + at, min_size(n - at, LOG_PART));
        part += !part;
        ground_log("%s: %.*s", c->app->vm->cfg.name, (int)part, line + at);
    }
}

void app_end(struct app_vcpu *c, uint32_t status)
{
    if (status & APP_EXIT_SIGNAL)
        vm_stop(c->app->vm, VM_EXITED, "killed by signal %u", status & 0x7F);
    else
        vm_stop(c->app->vm, VM_EXITED, "status %u", status & 0xFF);
}

err_t app_map_image(struct app *a, uint64_t at, uint64_t len, unsigned prot, uint64_t from)
{
    return space_map_image(&a->space, at, len, prot, hpa(a->file.fs.v + from));
}

/* Of all files of channels only an open `mem` of the guest's devices has pages of its own; no other file there has a key. Others, and
 * private mappings, the libos copies. */
err_t app_map_file(struct channel *c, uint32_t fid, uint64_t at, uint64_t len, unsigned prot, uint64_t from)
{
    err_t e = ERR_UNSUPPORTED;

    lock_take(&c->app->vm->lock);
    const struct ninep_fid *f = c->here && prot & APP_SHARED ? ninep_server_fid(&c->server, fid) : NULL;
    if (f && f->open && f->key)
        e = space_map_object(c->space, at, len, prot & ~APP_SHARED, (unsigned)f->key - 1, from);
    lock_drop(&c->app->vm->lock);
    return e;
}

/* The result of a guest that is frozen here is what its clones see. */
bool app_template(struct app_vcpu *c)
{
    if (!c->app->vm->cfg.template || space_shares(&c->app->space)) /* memory that both would write to is no copy */
        return false;
    c->app->frozen = c;
    return vm_freeze(c->app->vm);
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
err_t app_kick(struct app_vcpu *c, unsigned n)
{
    c->kicking = !c->app->channel[n].here;
    atomic_store(&c->served, false);
    return kick(c->app, n);
}

void app_wait(struct app_vcpu *c, uint64_t deadline)
{
    c->wait_end = app_tsc_of(deadline);
    c->waiting = true;
}

struct app_vcpu *app_cpu_running(const struct app *a, uint64_t number)
{
    return number < a->vm->nvcpus && atomic_load(&a->cpu[number]->started) ? a->cpu[number] : NULL;
}

/* Under the guest's lock, so that two calls do not start one CPU twice. A CPU that has called CPU_STOP may still be on its way out. */
err_t app_cpu_wanted(struct app *a, uint64_t number, uint64_t entry, uint64_t rsp, app_addr_t shared)
{
    err_t e = ERR_BUSY;

    if (number >= a->vm->nvcpus)
        return ERR_INVAL;
    struct app_vcpu *c = a->cpu[number];
    lock_take(&a->vm->lock);
    if (!atomic_load(&c->started) && atomic_load(&c->v.state) == VCPU_OFF)
        e = app_cpu_start(c, entry, rsp, shared, 0);
    lock_drop(&a->vm->lock);
    if (!e)
        sched_wake(&c->v);
    return e;
}

app_addr_t app_cpu_shared(const struct app_vcpu *c) { return c->shared; }

err_t app_cpu_stop(struct app_vcpu *c)
{
    if (c->v.id == 0)
        return ERR_INVAL;
    atomic_store(&c->started, false);
    return OK;
}

err_t app_timer(struct app_vcpu *c, uint64_t deadline)
{
    c->timer = app_tsc_of(deadline);
    sched_timer_changed(&c->v);
    return OK;
}

uint64_t app_fault_at(struct app_vcpu *c) { return c->fault_at; }

/* Sites in images were rewritten when the image was made; elsewhere a `syscall` goes to the libos' `missed`, which costs an entry. */
unsigned app_rewrite(struct app *, uint64_t, uint64_t)
{
    return 0;
}

struct app_view app_view(const struct app_vcpu *c)
{
    struct app *a = c->app;

    return (struct app_view){ .app = a, .space = &a->space, .channel = a->channel, .nchannels = a->nchannels, .ncpus = a->vm->nvcpus,
                              .image_size = a->file.fs_size };
}

void app_gate(struct app_vcpu *c)
{
    uint64_t *r = c->v.r.gpr;
    const uint64_t a[5] = { r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R8], r[REG_R9] };

    r[REG_RAX] = (uint64_t)app_call(c, r[REG_RAX], a);
}

void app_bell(struct app_vcpu *c)
{
    uint32_t n = (uint32_t)c->v.r.gpr[REG_RDI];
    struct app_vcpu *other = n >= APP_BELL_CPU ? app_cpu_running(c->app, n - APP_BELL_CPU) : NULL;

    if (n < c->app->nchannels) {
        (void)!kick(c->app, n); /* a channel that is dead stays silent */
        if (c->app->channel[n].here)
            app_event(c->app->cpu[0], APP_EVENT_CHANNEL);
    } else if (other) {
        atomic_store(&other->rung, true);
        sched_wake(&other->v);
    }
}
