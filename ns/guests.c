/* The monitor's guests behind the /vm tree: made, looked at, commanded, cloned, removed. What a definition means is in define.c, a namespace line
 * in spaces.c; log.c has the lines of the log. CPU 0's loop. */
#include "base/fmt.h"
#include "base/str.h"
#include "ground/ground.h"
#include "ns/dev.h"
#include "ns/files.h"
#include "ns/guests.h"
#include "vm/work.h"

#define SAMPLE_NS 500000000ull /* at least, between two looks at a guest's figures */
#define MEMORY_DEFAULT MIB(512)

struct guest {
    struct ns_guest g;
    struct vm *vm;
    struct ns_cons cons;
    struct ns_dev dev;
    struct { /* for the figures of status: at the last look but one, and what came of it */
        uint64_t tsc, cpu_tsc, exits;
        unsigned percent;
        uint64_t exits_per_s;
    } sample;
};

static struct ns_setup setup;
static struct ns_vm tree;

static struct guest *guest_of(struct ns_guest *g) { return container_of(g, struct guest, g); }
/* ns_guest_add() has put its console there. */
static struct guest *guest_of_vm(const struct vm *vm) { return container_of((struct ns_cons *)vm->tty_user_data, struct guest, cons); }
static bool is_off(const struct guest *g) { return atomic_load(&g->vm->state) == VM_OFF; }

err_t ns_refuse(char *why, err_t e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fmt_vtext(why, NS_WHY_MAX, fmt, ap);
    va_end(ap);
    return e;
}

/* --- status --- */

static void sample_take(struct guest *g, uint64_t now, const struct vm_stats *s)
{
    uint64_t ticks = now - g->sample.tsc;

    if (g->sample.tsc < g->vm->tsc_start) { /* it was started since */
        g->sample.tsc = g->vm->tsc_start;
        g->sample.cpu_tsc = g->sample.exits = 0;
        ticks = now - g->sample.tsc;
    }
    if (ticks < ground_ns_to_tsc(SAMPLE_NS))
        return;
    g->sample.percent = (unsigned)((s->cpu_tsc - g->sample.cpu_tsc) * 100 / ticks);
    g->sample.exits_per_s = (s->exits - g->sample.exits) * 1000 / max_u64(ground_tsc_to_ns(ticks) / 1000000, 1);
    g->sample.tsc = now;
    g->sample.cpu_tsc = s->cpu_tsc;
    g->sample.exits = s->exits;
}

static void status_why(const struct guest *g, char *why)
{
    const struct vm *vm = g->vm;

    if (!is_off(g))
        return;
    (void)fmt_text(why, NS_WHY_MAX, "%s%s%s", vm_why_text(vm->why), *vm->why_text ? ": " : "", vm->why_text);
    str_tame(why); /* a reason may quote a guest */
}

static void guest_status(struct ns_guest *ng, struct ns_status *s)
{
    static const char *const states[] = { [VM_OFF] = "off", [VM_RUNNING] = "running", [VM_FROZEN] = "template",
                                         [VM_STOPPING] = "stopping" };
    struct guest *g = guest_of(ng);
    struct vm *vm = g->vm;
    const struct ns_file *file = ns_file_of(&vm->cfg.kernel);
    struct vm_stats stats;
    uint64_t now = ground_tsc();

    vm_stats(vm, &stats);
    s->state = states[atomic_load(&vm->state)];
    s->on = !is_off(g);
    s->kind = !vm->cfg.kernel.size ? "none" : vm->cfg.app ? "app" : "linux";
    s->isolate = !vm->cfg.app ? NULL : vm->cfg.isolate ? "vm" : "none";
    status_why(g, s->why);
    if (file)
        (void)str_copy(s->image, sizeof s->image, file->path);
    s->vcpus = vm->cfg.vcpus;
    s->memory = vm->cfg.memory;
    (void)str_copy(s->template, sizeof s->template, *vm->cfg.from ? vm->cfg.from : "-");
    s->used = !s->on ? 0 : vm->machine->used ? vm->machine->used(vm) : vm->cfg.memory;
    s->cpu_ms = ground_tsc_to_ns(stats.cpu_tsc) / 1000000;
    s->exits = stats.exits;
    s->starts = vm->starts;
    if (!s->on)
        return;
    sample_take(g, now, &stats);
    s->shared = vm->machine->shared ? vm->machine->shared(vm) : 0;
    s->ready_ns = vm->tsc_first ? ground_tsc_to_ns(vm->tsc_first - vm->tsc_start) : 0;
    s->up_ms = ground_tsc_to_ns(now - vm->tsc_start) / 1000000;
    s->cpu = g->sample.percent;
    s->exits_per_s = g->sample.exits_per_s;
}

static const char *guest_spaces(struct ns_guest *g) { return guest_of(g)->vm->cfg.spaces; }
static uint64_t guest_oldest(struct ns_guest *g) { return ns_cons_oldest(&guest_of(g)->cons); }
static err_t guest_read(struct ns_guest *g, uint64_t *at, void *to, uint32_t n, uint32_t *got)
{
    return ns_cons_read(&guest_of(g)->cons, at, to, n, got);
}
static size_t guest_type(struct ns_guest *g, const uint8_t *bytes, size_t n) { return ns_cons_type(&guest_of(g)->cons, bytes, n); }

/* --- definitions --- */

static err_t spaces_set(struct guest *g, const char *line, char *why)
{
    struct ninep_fs *const fs[NS_TREES] = { &g->dev.tree.fs, &tree.tree.fs, ns_img_fs(), ns_blk_fs(), ns_boot_fs() };
    struct vm_share share[NS_TREES];
    unsigned count;
    err_t e = ns_spaces_read(fs, line, share, &count, why, NS_WHY_MAX);

    if (e)
        return e;
    memcpy(g->vm->share, share, count * sizeof share[0]);
    g->vm->nshares = count;
    return OK;
}

static err_t guest_define(struct guest *g, char *text, char *why)
{
    static struct vm_config cfg; /* large, and this is CPU 0's */
    err_t e;

    cfg = g->vm->cfg;
    e = ns_define(&setup, g->g.name, &cfg, text, why);
    if (!e && !is_off(g))
        return ns_refuse(why, ERR_BUSY, "%s runs; stop it first", g->g.name);
    if (!e)
        e = spaces_set(g, cfg.spaces, why);
    if (e)
        return e;
    g->vm->cfg = cfg;
    g->vm->machine = cfg.app ? setup.app : setup.pc;
    return OK;
}

/* --- verbs --- */

static err_t do_start(struct guest *g, char *why)
{
    err_t e = g->vm->cfg.kernel.size ? vm_start(g->vm) : ERR_INVAL;

    if (e == ERR_BUSY && !is_off(g))
        return ns_refuse(why, e, "%s runs already", g->g.name);
    if (e)
        return ns_refuse(why, e, "%s", g->vm->cfg.kernel.size ? g->vm->why_text : "nothing to start; write linux /FILE or app /FILE first");
    return OK;
}

static err_t do_end(struct guest *g, enum vm_why how, char *why)
{
    if (is_off(g))
        return ns_refuse(why, ERR_INVAL, "%s does not run", g->g.name);
    vm_stop(g->vm, how, "by its ctl file");
    return OK;
}

static err_t do_stop(struct guest *g, char *why) { return do_end(g, VM_STOPPED, why); }
static err_t do_reset(struct guest *g, char *why) { return do_end(g, VM_RESET, why); }

static err_t do_power(struct guest *g, char *why)
{
    if (atomic_load(&g->vm->state) != VM_RUNNING)
        return ns_refuse(why, ERR_INVAL, "%s does not run", g->g.name);
    if (!g->vm->machine->power_button)
        return ns_refuse(why, ERR_UNSUPPORTED, "%s has no power button; use stop", g->g.name);
    g->vm->machine->power_button(g->vm);
    return OK;
}

static const struct {
    const char *name;
    err_t (*run)(struct guest *, char *why);
} verbs[] = { { "start", do_start }, { "stop", do_stop }, { "reset", do_reset }, { "power", do_power } };

static err_t clone(struct guest *from, char *name, char *why);

static err_t guest_command(struct ns_guest *g, char *text, char *why)
{
    if (str_starts(text, "clone "))
        return clone(guest_of(g), ns_word(text), why);
    for (unsigned i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_eq(text, verbs[i].name))
            return verbs[i].run(guest_of(g), why);
    return guest_define(guest_of(g), text, why);
}

static const struct ns_guest_ops guest_ops = {
    .status = guest_status,
    .command = guest_command,
    .log = ns_log_of,
    .spaces = guest_spaces,
    .oldest = guest_oldest,
    .read = guest_read,
    .type = guest_type,
};

/* --- making and removing --- */

err_t ns_guest_add(const struct vm_config *cfg, const struct machine *machine, struct vm **out)
{
    struct guest *g = ground_alloc(sizeof *g);
    char why[NS_WHY_MAX];
    err_t e;

    if (!g)
        return ERR_NOMEM;
    e = vm_add(cfg, machine, &g->vm);
    if (e)
        goto put_guest;
    ns_dev_init(&g->dev, g->vm);
    e = spaces_set(g, cfg->spaces, why);
    if (e) {
        ground_log("%s: %s", cfg->name, why);
        goto remove_vm;
    }
    if (setup.added)
        setup.added(g->vm);
    g->cons.user = g->vm->tty_user;
    g->cons.user_data = g->vm->tty_user_data;
    g->vm->tty_user = &ns_cons_ops;
    g->vm->tty_user_data = &g->cons;
    for (unsigned i = 0; i < g->vm->nshares; i++)
        if (g->vm->share[i].fs == &g->dev.tree.fs)
            g->vm->line = &g->dev.tty;
    g->g = (struct ns_guest){ .ops = &guest_ops, .name = g->vm->cfg.name, .key = g->vm->id };
    ns_vm_add(&tree, &g->g);
    *out = g->vm;
    return OK;
remove_vm:
    (void)vm_remove(g->vm);
put_guest:
    ground_free(g, sizeof *g);
    return e;
}

static err_t name_check(const char *name, char *why)
{
    const char *c = name;

    while ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("-_.", *c) != NULL) {
        if (!*c)
            break;
        c++;
    }
    if (!*name || *c || *name == '.' || c - name >= VM_NAME_MAX || str_eq(name, "ctl"))
        return ns_refuse(why, ERR_INVAL, "'%.40s' cannot be a guest's name; use up to %u of a-z A-Z 0-9 - _ .", name, VM_NAME_MAX - 1);
    return OK;
}

static struct vm_config copied; /* large, and this is CPU 0's */

/* A new guest of that configuration, which may be `copied`, but for its name. */
static err_t guest_make_like(const struct vm_config *like, const struct machine *machine, const char *name, struct vm **out, char *why)
{
    err_t e = name_check(name, why);

    if (e)
        return e;
    copied = *like;
    copied.autostart = false;
    (void)str_copy(copied.name, sizeof copied.name, name);
    e = ns_guest_add(&copied, machine, out);
    return e ? ns_refuse(why, e, e == ERR_EXISTS ? "%s: there is a guest of that name" : "%s: no memory for another guest", name) : OK;
}

static err_t tree_make(struct ns_vm *, const char *name, char *why)
{
    static const struct vm_config empty = { .memory = MEMORY_DEFAULT, .vcpus = 1 };

    struct vm *vm;

    return guest_make_like(&empty, setup.pc, name, &vm, why);
}

static err_t tree_drop(struct ns_vm *, struct ns_guest *ng, char *why)
{
    struct guest *g = guest_of(ng);

    if (!is_off(g))
        return ns_refuse(why, ERR_BUSY, "%s runs; stop it first", ng->name);
    if (setup.removed)
        setup.removed(g->vm);
    ns_vm_remove(ng);
    (void)vm_remove(g->vm);
    ground_free(g, sizeof *g);
    work_changed(); /* whoever waits for it */
    return OK;
}

/* A template's clone is set going; of any other guest the definition is copied. */
static err_t clone(struct guest *from, char *name, char *why)
{
    uint64_t asked = ground_tsc();
    const char *args = ns_word(name);
    const struct vm *t = from->vm;
    struct vm_config *cfg = &copied;
    char unused[NS_WHY_MAX];
    struct vm *new;

    *cfg = t->cfg;
    if (is_off(from) || !cfg->template)
        return *args ? ns_refuse(why, ERR_INVAL, "'%.40s %.40s' cannot be a guest's name; only clones of templates are given arguments", name, args) :
                       guest_make_like(cfg, t->machine, name, &new, why);
    if (!vm_is_template(t))
        return ns_refuse(why, ERR_BUSY, "%s is not a template yet: its program has not opened /dev/template", cfg->name);
    (void)str_copy(cfg->from, sizeof cfg->from, t->cfg.name);
    cfg->template = false;
    if (!str_copy(cfg->cmdline, sizeof cfg->cmdline, args))
        return ns_refuse(why, ERR_INVAL, "more than %u bytes of arguments; make them shorter", VM_CMDLINE_MAX - 1);
    err_t e = guest_make_like(cfg, t->machine, name, &new, why);
    if (e)
        return e;
    e = vm_start(new);
    new->tsc_start = asked;
    if (e) {
        (void)ns_refuse(why, e, "%s", new->why_text);
        (void)tree_drop(&tree, &guest_of_vm(new)->g, unused);
    }
    return e;
}

static err_t do_create(char *name, char *rest, char *why) { return *rest ? ERR_INVAL : tree_make(&tree, name, why); }

static err_t do_clone(char *name, char *rest, char *why)
{
    struct ns_guest *from = ns_vm_find(&tree, name);

    if (!from)
        return ns_refuse(why, ERR_NOTFOUND, "there is no guest %.40s", name);
    return clone(guest_of(from), rest, why);
}

static err_t do_remove(char *name, char *rest, char *why)
{
    struct ns_guest *g = ns_vm_find(&tree, name);

    if (!g)
        return ns_refuse(why, ERR_NOTFOUND, "there is no guest %.40s", name);
    return *rest ? ERR_INVAL : tree_drop(&tree, g, why);
}

static err_t tree_command(struct ns_vm *, char *text, char *why)
{
    static const struct {
        const char *name;
        err_t (*run)(char *name, char *rest, char *why);
    } commands[] = { { "create", do_create }, { "clone", do_clone }, { "remove", do_remove } };
    char *name = ns_word(text), *rest = ns_word(name);
    err_t e = ERR_INVAL;

    for (unsigned i = 0; i < ARRAY_LEN(commands); i++)
        if (str_eq(text, commands[i].name) && *name)
            e = commands[i].run(name, rest, why);
    if (e && !*why)
        return ns_refuse(why, e, "'%.40s' is no command; write create NAME, clone GUEST NEW [ARGUMENT...] or remove NAME", text);
    return e;
}

void ns_init(const struct ns_setup *s)
{
    setup = *s;
    tree = (struct ns_vm){ .command = tree_command, .make = tree_make, .drop = tree_drop };
    ns_vm_init(&tree);
    ns_files_init(s);
}
