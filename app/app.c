/* An app guest's life: what vm_start() and vm_reap() do for it. CPU 0's loop. */
#include "app/app.h"
#include "arch/x86/cpu.h"
#include "base/fmt.h"
#include "ground/ground.h"
#include "io/tty.h"
#include "vm/sched.h"

#define SIGNAL_TERM 15u

const struct user_ops *user, *user_vm;

/* Called with space->held set: makes sure that no other CPU runs the guest. */
static void hold(struct space *s)
{
    struct app *a = container_of(s, struct app, space);

    for (unsigned i = 0; i < a->vm->nvcpus; i++) {
        const struct app_vcpu *c = a->cpu[i];
        bool kicked = false;
        while (atomic_load(&c->inside)) {
            if (!kicked)
                ground_cpu_kick(c->v.cpu);
            kicked = true;
            cpu_pause();
        }
    }
}

/* --- channels ---------------------------------------------------------------------------------------------------------------- */
/* One for each CPU: serving a question gives up neither the CPU nor lets interrupts in. */
static uint8_t *room[CPU_MAX];

uint8_t *channel_room(void) { return room[ground_cpu()]; }

err_t app_init(void)
{
    for (unsigned i = 0; i < ground_cpus(); i++)
        if (!room[i] && !(room[i] = ground_alloc(APP_CHANNEL_MSIZE)))
            return ERR_NOMEM; /* there is no monitor without: nothing is given back */
    return OK;
}

static void wake(struct ninep_server *s)
{
    work_ask(&container_of(s, struct channel, server)->app->work);
}

err_t app_channel_add(struct app *a, struct ninep_fs *fs, bool read_only, bool here)
{
    struct channel *c = &a->channel[a->nchannels];

    if (a->nchannels == APP_CHANNELS)
        return ERR_FULL;
    *c = (struct channel){ .app = a, .space = &a->space, .at = APP_AREA_CHANNELS + a->nchannels * APP_CHANNEL_BYTES, .here = here,
                           .server = { .fs = fs, .nfids = here ? CHANNEL_FIDS_DEV : CHANNEL_FIDS, .read_only = read_only, .wake = wake } };
    err_t e = channel_init(c);
    if (!e)
        a->nchannels++;
    return e;
}

/* One channel's turn in CPU 0's loop. True if the guest is to be told. */
static bool serve_one(struct channel *c)
{
    uint32_t answered = c->answered;
    bool broken = false;

    if (c->here)
        lock_take(&c->app->vm->lock);
    if (atomic_exchange(&c->wanted, false))
        broken = channel_kick(c) != OK;
    if (ninep_server_waits(&c->server)) {
        ninep_server_retry(&c->server);
        channel_poll(c);
    }
    bool told = broken || c->answered != answered;
    if (c->here)
        lock_drop(&c->app->vm->lock);
    return told;
}

/* Channels whose trees belong to CPU 0's loop, and questions of any channel that wait: they are tried again when something changes. */
static bool serve(struct work *w)
{
    struct app *a = container_of(w, struct app, work);
    bool told = false, waits = false, kicking[VM_VCPUS_MAX];

    atomic_store(&a->watched, false);
    for (unsigned i = 0; i < a->vm->nvcpus; i++) /* these have said what they want before they said that they wait for it */
        kicking[i] = !atomic_load(&a->cpu[i]->served);
    for (unsigned i = 0; i < a->nchannels; i++) {
        told |= serve_one(&a->channel[i]);
        waits |= !a->channel[i].dead && ninep_server_waits(&a->channel[i].server);
    }
    atomic_store(&a->watched, waits);
    for (unsigned i = 0; i < a->vm->nvcpus; i++)
        if (kicking[i] && !atomic_exchange(&a->cpu[i]->served, true))
            sched_wake(&a->cpu[i]->v);
    if (told)
        app_event(a->cpu[0], APP_EVENT_CHANNEL);
    return waits;
}

/* --- CPUs ------------------------------------------------------------------------------------------------------------------ */
static void cpus_put(struct app *a)
{
    struct vm *vm = a->vm;

    while (vm->nvcpus) {
        struct app_vcpu *c = a->cpu[--vm->nvcpus];
        vm->cpu_tsc += c->v.run_tsc;
        vm->exits += c->v.nexits;
        a->user->fini(&c->v);
        ground_free(c, sizeof *c);
        vm->vcpu[vm->nvcpus] = NULL;
    }
}

static err_t cpus_get(struct app *a)
{
    struct vm *vm = a->vm;

    for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
        struct app_vcpu *c = ground_alloc(sizeof *c);
        if (!c)
            return ERR_NOMEM;
        c->app = a;
        c->v.vm = vm;
        c->v.id = i;
        list_init(&c->v.run_link);
        atomic_store(&c->v.state, VCPU_OFF);
        atomic_store(&c->served, true);
        if (a->user->init(&c->v, &a->space, APP_AREA_GATE)) {
            ground_free(c, sizeof *c);
            return ERR_NOMEM;
        }
        a->cpu[i] = c;
        vm->vcpu[vm->nvcpus++] = &c->v;
    }
    return OK;
}

/* --- the machine ------------------------------------------------------------------------------------------------------------ */
static void parts_put(struct app *a)
{
    struct vm *vm = a->vm;

    work_remove(&a->work);
    while (a->nchannels)
        channel_fini(&a->channel[--a->nchannels]);
    cpus_put(a);
    space_fini(&a->space);
    vm->pc = NULL;
    ground_free(a, sizeof *a);
}

static err_t clone(struct app *a)
{
    struct vm *of = vm_find(a->vm->cfg.from);

    if (of && of->machine == &machine_app && vm_is_template(of) && a->user == ((struct app *)of->pc)->user)
        return app_boot_clone(a, of->pc);
    fmt_text(a->vm->why_text, sizeof a->vm->why_text, "there is no template %s", a->vm->cfg.from);
    return ERR_NOTFOUND;
}

static err_t build(struct vm *vm)
{
    const struct user_ops *ops = vm->cfg.isolate ? user_vm : user;
    struct app *a;
    err_t e;

    if (!ops) {
        fmt_text(vm->why_text, sizeof vm->why_text, "this CPU cannot run apps%s", vm->cfg.isolate ? " inside a VM" : "");
        return ERR_UNSUPPORTED;
    }
    a = ground_alloc(sizeof *a);
    if (!a)
        return ERR_NOMEM;
    if (space_init(&a->space, UINT64_MAX, ops->top_entry())) {
        ground_free(a, sizeof *a);
        return ERR_NOMEM;
    }
    a->vm = vm;
    a->user = ops;
    a->work.run = serve;
    vm->pc = a;
    work_add(&a->work);
    e = cpus_get(a);
    if (!e)
        e = *vm->cfg.from ? clone(a) : app_boot(a);
    if (e) {
        parts_put(a);
        return e;
    }
    a->space.hold = hold;
    if (vm->line)
        tty_open(vm->line, vm->tty_user, vm->tty_user_data);
    return OK;
}

static bool idle(struct vm *)
{
    return true; /* nothing of it is in a device's hands */
}

static void destroy(struct vm *vm)
{
    if (vm->line)
        tty_close(vm->line);
    parts_put(vm->pc);
}

static void signal(struct vm *vm, unsigned n)
{
    if (vm->pc && n >= 1 && n <= 64)
        app_signal(vm->pc, n);
}

static uint64_t used(struct vm *vm)
{
    struct space *s = &((struct app *)vm->pc)->space;

    lock_take(&s->lock);
    uint64_t pages = s->used - s->shared + s->tables;
    lock_drop(&s->lock);
    return pages * PAGE_SIZE;
}

static uint64_t shared(struct vm *vm)
{
    struct space *s = &((struct app *)vm->pc)->space;

    lock_take(&s->lock);
    uint64_t pages = s->shared;
    lock_drop(&s->lock);
    return pages * PAGE_SIZE;
}

static struct space *space(struct vm *vm) { return &((struct app *)vm->pc)->space; }

static void power_button(struct vm *vm) { signal(vm, SIGNAL_TERM); }

const struct machine machine_app = {
    .name = "app",
    .build = build,
    .idle = idle,
    .destroy = destroy,
    .power_button = power_button,
    .signal = signal,
    .used = used,
    .shared = shared,
    .space = space,
    .run = &app_machine_run,
};
