/* Guests: registry, start, stop, reap. vm_add, vm_remove, vm_start and vm_reap belong to CPU 0's loop; vm_stop to everybody. */
#include "vm/vm.h"
#include "base/fmt.h"
#include "base/str.h"
#include "ground/ground.h"
#include "io/blk.h"
#include "vm/cpu.h"
#include "vm/cpuid.h"
#include "vm/ram.h"
#include "vm/sched.h"
#include "vm/work.h"

#define NAMES 1024u

static struct list vms = LIST_INIT(vms);
static struct vm *names[NAMES]; /* by the hash of their names; clones may be thousands */
static _Atomic unsigned stopping; /* how many are STOPPING */
static unsigned next_id = 1;
const struct cpu_ops *cpu;

const char *vm_why_text(enum vm_why why)
{
    static const char *const texts[] = {
        [VM_NEVER_RAN] = "not started",
        [VM_POWERED_OFF] = "powered off",
        [VM_REBOOTED] = "rebooted",
        [VM_EXITED] = "ended",
        [VM_PANICKED] = "panicked",
        [VM_TRIPLE_FAULT] = "triple fault",
        [VM_FAULTED] = "broke a rule",
        [VM_STOPPED] = "stopped by the user",
        [VM_RESET] = "reset by the user",
        [VM_FAILED] = "failed to start",
    };
    return texts[why];
}

/* FNV-1a */
static struct vm **place_of(const char *name)
{
    uint32_t hash = 2166136261u;

    while (*name)
        hash = (hash ^ (uint8_t)*name++) * 16777619u;
    return &names[(hash ^ hash >> 16) % NAMES];
}

static err_t config_check(const struct vm_config *c)
{
    if (!c->name[0] || !c->vcpus || c->vcpus > VM_VCPUS_MAX || !c->memory || c->memory % MEM_CHUNK ||
        c->ndisks > VM_DISKS_MAX || c->ninitrd > VM_INITRDS_MAX)
        return ERR_INVAL;
    return vm_find(c->name) ? ERR_EXISTS : OK;
}

err_t vm_add(const struct vm_config *cfg, const struct machine *machine, struct vm **out)
{
    err_t e = config_check(cfg);
    struct vm *vm;

    if (e)
        return e;
    vm = ground_alloc(sizeof *vm);
    if (!vm)
        return ERR_NOMEM;
    vm->cfg = *cfg;
    vm->machine = machine;
    vm->id = next_id++;
    vm->same_hash = *place_of(vm->cfg.name);
    *place_of(vm->cfg.name) = vm;
    list_push_back(&vms, &vm->link);
    *out = vm;
    return OK;
}

err_t vm_remove(struct vm *vm)
{
    if (atomic_load(&vm->state) != VM_OFF)
        return ERR_BUSY;
    struct vm **at = place_of(vm->cfg.name);
    while (*at != vm)
        at = &(*at)->same_hash;
    *at = vm->same_hash;
    list_remove(&vm->link);
    ground_free(vm, sizeof *vm);
    return OK;
}

struct vm *vm_next(const struct vm *vm)
{
    struct list *n = vm ? vm->link.next : vms.next;

    return n == &vms ? NULL : container_of(n, struct vm, link);
}

struct vm *vm_find(const char *name)
{
    struct vm *vm = *place_of(name);

    while (vm && !str_eq(vm->cfg.name, name))
        vm = vm->same_hash;
    return vm;
}

unsigned vm_running(void)
{
    unsigned n = 0;

    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        n += atomic_load(&vm->state) != VM_OFF;
    return n;
}

/* --- start --- */

static void vcpus_put(struct vm *vm)
{
    while (vm->nvcpus) {
        struct vcpu *v = vm->vcpu[--vm->nvcpus];

        vm->cpu_tsc += v->run_tsc;
        vm->exits += v->nexits;
        cpu->vcpu_fini(v);
        ground_free(v, sizeof *v);
        vm->vcpu[vm->nvcpus] = NULL;
    }
}

static err_t vcpus_get(struct vm *vm)
{
    for (unsigned i = 0; i < vm->cfg.vcpus; i++) {
        struct vcpu *v = ground_alloc(sizeof *v);

        if (!v)
            return ERR_NOMEM;
        v->vm = vm;
        v->id = i;
        list_init(&v->run_link);
        if (cpu->vcpu_init(v)) {
            ground_free(v, sizeof *v);
            return ERR_NOMEM;
        }
        vm->vcpu[vm->nvcpus++] = v;
        vcpu_reset(v);
        v->waits_for_sipi = true;
        atomic_store(&v->state, VCPU_OFF);
    }
    return OK;
}

/* Two systems that write to one disk destroy it: a guest starts only if no other that runs has one of its disks. */
static err_t disks_free(struct vm *vm)
{
    for (struct vm *other = vm_next(NULL); other; other = vm_next(other)) {
        if (other == vm || atomic_load(&other->state) == VM_OFF)
            continue;
        for (unsigned i = 0; i < vm->cfg.ndisks * other->cfg.ndisks; i++) {
            const struct blk *a = vm->cfg.blk[i / other->cfg.ndisks], *b = other->cfg.blk[i % other->cfg.ndisks];
            if (!a || !b || !blk_overlap(a, b) || (a->read_only && b->read_only))
                continue;
            fmt_text(vm->why_text, sizeof vm->why_text, "%s has disk %s in use; stop it first", other->cfg.name, b->name);
            return ERR_BUSY;
        }
    }
    return OK;
}

static err_t failed(struct vm *vm, err_t e, const char *what)
{
    vm->why = VM_FAILED;
    if (!vm->why_text[0])
        fmt_text(vm->why_text, sizeof vm->why_text, "%s: %s", what, err_text(e));
    ground_log("%s: not started: %s", vm->cfg.name, vm->why_text);
    return e;
}

static err_t build(struct vm *vm, const char **what)
{
    err_t e;

    *what = "app";
    if (vm->machine->run)
        return vm->machine->build(vm);
    *what = "this machine";
    if (!cpu)
        return ERR_UNSUPPORTED;
    *what = "disks";
    e = disks_free(vm);
    if (e)
        return e;
    *what = "memory of the guest";
    e = ram_get(vm);
    if (e)
        return e;
    *what = "second-level page tables";
    e = cpu->vm_init(vm);
    if (e)
        goto put_ram;
    *what = "vCPUs";
    e = vcpus_get(vm);
    if (e)
        goto put_vcpus;
    *what = "machine";
    e = vm->machine->build(vm);
    if (e)
        goto put_vcpus;
    return OK;
put_vcpus:
    vcpus_put(vm);
    cpu->vm_fini(vm);
put_ram:
    ram_put(vm);
    return e;
}

err_t vm_start(struct vm *vm)
{
    const char *what;

    if (atomic_load(&vm->state) != VM_OFF)
        return ERR_BUSY;
    vm->why_text[0] = 0;
    vm->pio.count = vm->mmio.count = 0;
    vm->irq_line = NULL;
    vm->irq_eoi = NULL;
    vm->cpu_tsc = vm->exits = 0;
    vm->panic = (struct vm_panic){ 0 };
    vm->tsc_start = ground_tsc();
    vm->tsc_first = 0;
    vm->tsc_offset = 0 - vm->tsc_start;
    err_t e = build(vm, &what);
    if (e)
        return failed(vm, e, what);
    vm->starts++;
    atomic_store(&vm->stop_claimed, 0);
    atomic_store(&vm->state, VM_RUNNING);
    for (unsigned i = 0; i < vm->nvcpus; i++)
        sched_place(vm->vcpu[i]);
    ground_log("%s: started, %" PRIu64 " MiB, %u vCPU%s%s", vm->cfg.name, vm->cfg.memory >> 20, vm->nvcpus,
               vm->nvcpus == 1 ? "" : "s", vm->cfg.isolate ? ", isolated" : "");
    sched_wake(vm->vcpu[0]); /* the others wait for their start-up IPI */
    return OK;
}

/* --- stop --- */

void vm_stop(struct vm *vm, enum vm_why why, const char *fmt, ...)
{
    va_list ap;

    uint32_t state = atomic_load(&vm->state);

    if ((state != VM_RUNNING && state != VM_FROZEN) || atomic_exchange(&vm->stop_claimed, 1))
        return;
    vm->why = why;
    va_start(ap, fmt);
    fmt_vtext(vm->why_text, sizeof vm->why_text, fmt, ap);
    va_end(ap);
    atomic_fetch_add(&stopping, 1);
    atomic_store(&vm->state, VM_STOPPING);
    for (unsigned i = 0; i < vm->nvcpus; i++)
        sched_wake(vm->vcpu[i]);
    sched_kick_chores();
}

bool vm_freeze(struct vm *vm)
{
    uint32_t running = VM_RUNNING;

    if (!atomic_compare_exchange_strong(&vm->state, &running, VM_FROZEN))
        return false;
    for (unsigned i = 0; i < vm->nvcpus; i++)
        sched_wake(vm->vcpu[i]);
    ground_log("%s: a template now", vm->cfg.name);
    return true;
}

static bool all_gone(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->nvcpus; i++)
        if (!sched_forget(vm->vcpu[i]))
            return false;
    return true;
}

bool vm_is_template(const struct vm *vm) { return atomic_load(&vm->state) == VM_FROZEN && all_gone(vm); }

static void reap(struct vm *vm)
{
    vm->machine->destroy(vm);
    if (!vm->machine->run) {
        vcpus_put(vm);
        cpu->vm_fini(vm);
        ram_put(vm);
    }
    atomic_fetch_sub(&stopping, 1);
    atomic_store(&vm->state, VM_OFF);
    work_changed();
    ground_log("%s: %s%s%s", vm->cfg.name, vm_why_text(vm->why), vm->why_text[0] ? ": " : "", vm->why_text);
    if ((vm->why == VM_REBOOTED || vm->why == VM_RESET) && vm_start(vm))
        ground_log("%s: could not start again", vm->cfg.name);
}

bool vm_reap(void)
{
    bool waiting = false;

    if (!atomic_load(&stopping))
        return false;
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm)) {
        if (atomic_load(&vm->state) != VM_STOPPING)
            continue;
        if (all_gone(vm) && vm->machine->idle(vm))
            reap(vm);
        else
            waiting = true;
    }
    return waiting;
}

void vm_stats(struct vm *vm, struct vm_stats *s)
{
    *s = (struct vm_stats){ vm->cpu_tsc, vm->exits };
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        s->cpu_tsc += vm->vcpu[i]->run_tsc;
        s->exits += vm->vcpu[i]->nexits;
    }
}
