/* The /vm tree: ns/vm.h. */
#include "ns/vm.h"
#include "base/str.h"

enum { ROOT, CTL, GUEST, GUEST_CTL, STATUS, CONS, LOG, WAIT, MEM, NAMESPACE, ROWS };

static struct ns_vm *vm_of(struct tree *t) { return container_of(t, struct ns_vm, tree); }
static struct tree *tree_of(struct ninep_req *r) { return container_of(r->server->fs, struct tree, fs); }
static struct ns_guest *guest_at(struct list *n) { return container_of(n, struct ns_guest, link); }

static struct ns_guest *guest_of(struct tree *t, uint64_t key)
{
    list_each(n, &vm_of(t)->guests)
        if (guest_at(n)->key == key)
            return guest_at(n);
    return NULL;
}

char *ns_word(char *line)
{
    while (*line && *line != ' ' && *line != '\t')
        line++;
    if (!*line)
        return line;
    *line++ = 0;
    while (*line == ' ' || *line == '\t')
        line++;
    return line;
}

/* --- the directory of guests --- */

static err_t guest_next(struct tree *t, uint64_t, uint64_t after, uint64_t *key, char name[NINEP_NAME_MAX + 1])
{
    list_each(n, &vm_of(t)->guests) { /* in the order of their keys */
        if (guest_at(n)->key <= after)
            continue;
        *key = guest_at(n)->key;
        (void)str_copy(name, NINEP_NAME_MAX + 1, guest_at(n)->name);
        return OK;
    }
    return ERR_NOTFOUND;
}

static err_t guest_find(struct tree *t, uint64_t, const char *name, uint64_t *key)
{
    struct ns_guest *g = ns_vm_find(vm_of(t), name);

    if (!g)
        return ERR_NOTFOUND;
    *key = g->key;
    return OK;
}

static err_t guest_make(struct tree *t, uint64_t, const char *name)
{
    struct ns_vm *vm = vm_of(t);

    vm->error[0] = 0;
    return vm->make ? vm->make(vm, name, vm->error) : ERR_UNSUPPORTED;
}

static err_t guest_drop(struct tree *t, uint64_t key)
{
    struct ns_vm *vm = vm_of(t);
    struct ns_guest *g = guest_of(t, key);

    vm->error[0] = 0;
    return !g ? ERR_NOTFOUND : vm->drop ? vm->drop(vm, g, vm->error) : ERR_UNSUPPORTED;
}

/* --- ctl --- */

/* Copies what is written, without the line end, to text. */
static err_t text_take(struct ninep_req *r, char text[NS_TEXT_MAX + 1])
{
    uint32_t n = r->in.count;

    r->out->count = n;
    if (n > NS_TEXT_MAX)
        return ERR_RANGE;
    memcpy(text, r->in.data, n);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n] = 0;
    return strlen(text) == n ? OK : ERR_FORMAT;
}

static const char *text_error(err_t e)
{
    return e == ERR_RANGE ? "more than 4095 bytes in one write; write less at a time" : "a 0 byte in the text; write plain text";
}

static err_t ctl_write(struct ninep_req *r)
{
    static char text[NS_TEXT_MAX + 1]; /* one caller at a time */
    struct tree *t = tree_of(r);
    struct ns_vm *vm = vm_of(t);
    struct ns_guest *g = r->fid->key ? guest_of(t, r->fid->key) : NULL;
    char *why = g ? g->error : vm->error;
    err_t e = r->fid->key && !g ? ERR_NOTFOUND : text_take(r, text);

    if (e == ERR_NOTFOUND)
        return e;
    *why = 0;
    if (e) {
        (void)str_copy(why, NS_WHY_MAX, text_error(e));
        return ERR_INVAL;
    }
    if (!*text) /* the end of a file, an empty line */
        return OK;
    return g ? g->ops->command(g, text, why) : vm->command ? vm->command(vm, text, why) : ERR_UNSUPPORTED;
}

static void error_print(const char *error, struct tree_text *x)
{
    if (*error)
        tree_print(x, "%s\n", error);
}

static err_t root_ctl_print(struct tree *t, uint64_t, struct tree_text *x)
{
    error_print(vm_of(t)->error, x);
    return OK;
}

/* --- texts about a guest --- */

static void status_text(const struct ns_guest *g, const struct ns_status *s, struct tree_text *x)
{
    tree_print(x, "name %s\nkind %s\nstate %s\nwhy %s\nimage %s\n", g->name, s->kind, s->state, s->why, s->image);
    if (s->isolate)
        tree_print(x, "isolate %s\n", s->isolate);
    tree_print(x, "vcpus %u\nmemory %" PRIu64 "\nused %" PRIu64 "\n", s->vcpus, s->memory, s->used);
    tree_print(x, "cpu %u\ncpu_ms %" PRIu64 "\nexits %" PRIu64 "\nexits_per_s %" PRIu64 "\n", s->cpu, s->cpu_ms, s->exits,
               s->exits_per_s);
    tree_print(x, "up_ms %" PRIu64 "\nstarts %" PRIu64 "\n", s->up_ms, s->starts);
    tree_print(x, "shared %" PRIu64 "\ntemplate %s\n", s->shared, s->template);
    if (s->ready_ns)
        tree_print(x, "ready_ns %" PRIu64 "\n", s->ready_ns);
    if (s->pid)
        tree_print(x, "pid %" PRIu64 "\n", s->pid);
}

static void status_get(struct ns_guest *g, struct ns_status *s)
{
    *s = (struct ns_status){ .kind = "none", .state = "off", .why = "-", .image = "-", .template = "-" };
    g->ops->status(g, s);
}

static err_t status_put(struct ns_guest *g, struct tree_text *x)
{
    struct ns_status s;

    status_get(g, &s);
    status_text(g, &s, x);
    return OK;
}

static err_t ctl_put(struct ns_guest *g, struct tree_text *x)
{
    error_print(g->error, x);
    return OK;
}

static err_t log_put(struct ns_guest *g, struct tree_text *x)
{
    if (g->ops->log)
        g->ops->log(g, x);
    return OK;
}

/* A read from its beginning ends when the guest is off. */
static err_t wait_put(struct ns_guest *g, struct tree_text *x)
{
    struct ns_status s;

    status_get(g, &s);
    if (s.on)
        return x->skip ? OK : ERR_AGAIN;
    tree_print(x, "%s\n", s.why);
    return OK;
}

static err_t mem_put(struct ns_guest *g, struct tree_text *x)
{
    struct ns_status s;

    status_get(g, &s);
    tree_print(x, "limit %" PRIu64 "\nused %" PRIu64 "\n", s.memory, s.used);
    if (g->ops->mem)
        g->ops->mem(g, x);
    return OK;
}

static err_t namespace_put(struct ns_guest *g, struct tree_text *x)
{
    const char *spaces = g->ops->spaces ? g->ops->spaces(g) : "";

    if (spaces && *spaces)
        tree_print(x, "%s\n", spaces);
    return OK;
}

#define PRINTS(name)                                                                                                   \
    static err_t name##_print(struct tree *t, uint64_t key, struct tree_text *x)                                       \
    {                                                                                                                  \
        struct ns_guest *g = guest_of(t, key);                                                                         \
        return g ? name##_put(g, x) : ERR_NOTFOUND;                                                                    \
    }
PRINTS(status)
PRINTS(log)
PRINTS(wait)
PRINTS(mem)
PRINTS(namespace)
PRINTS(ctl)

/* --- the console --- */

static err_t cons_open(struct ninep_req *r)
{
    struct ns_guest *g = guest_of(tree_of(r), r->fid->key);

    if (!g)
        return ERR_NOTFOUND;
    if (!g->ops->read)
        return ERR_UNSUPPORTED;
    r->fid->start = g->ops->oldest(g);
    return OK;
}

/* The reader's offset counts from where it opened the file; what it was too slow for is left out. */
static err_t cons_read(struct ninep_req *r)
{
    struct ns_guest *g = guest_of(tree_of(r), r->fid->key);
    uint64_t at = r->fid->start + r->in.offset;
    err_t e;

    if (!g)
        return ERR_NOTFOUND;
    e = g->ops->read(g, &at, r->data, r->room, &r->out->count);
    if (!e)
        r->fid->start = at - r->in.offset - r->out->count;
    return e;
}

static err_t cons_write(struct ninep_req *r)
{
    struct ns_guest *g = guest_of(tree_of(r), r->fid->key);
    struct ns_status s;

    if (!g)
        return ERR_NOTFOUND;
    status_get(g, &s);
    if (!s.on)
        return ninep_fail(r, NINEP_EIO); /* nobody reads it */
    r->out->count = (uint32_t)g->ops->type(g, r->in.data, r->in.count);
    return r->out->count || !r->in.count ? OK : ERR_AGAIN;
}

/* --- the tree --- */

static const struct tree_row rows[ROWS] = {
    [ROOT] = { .name = "", .parent = ROOT, .mode = TREE_DIR | 0755 },
    [CTL] = { .name = "ctl", .parent = ROOT, .mode = 0644, .print = root_ctl_print, .write = ctl_write },
    [GUEST] = { .parent = ROOT, .mode = TREE_DIR | 0755, .next = guest_next, .find = guest_find, .make = guest_make, .drop = guest_drop },
    [GUEST_CTL] = { .name = "ctl", .parent = GUEST, .mode = 0644, .print = ctl_print, .write = ctl_write },
    [STATUS] = { .name = "status", .parent = GUEST, .mode = 0444, .print = status_print },
    [CONS] = { .name = "cons", .parent = GUEST, .mode = 0644, .open = cons_open, .read = cons_read, .write = cons_write },
    [LOG] = { .name = "log", .parent = GUEST, .mode = 0444, .print = log_print },
    [WAIT] = { .name = "wait", .parent = GUEST, .mode = 0444, .print = wait_print },
    [MEM] = { .name = "mem", .parent = GUEST, .mode = 0444, .print = mem_print },
    [NAMESPACE] = { .name = "namespace", .parent = GUEST, .mode = 0444, .print = namespace_print },
};

void ns_vm_init(struct ns_vm *vm)
{
    vm->tree = (struct tree){ .rows = rows, .nrows = ROWS };
    vm->error[0] = 0;
    list_init(&vm->guests);
    tree_init(&vm->tree);
}

void ns_vm_add(struct ns_vm *vm, struct ns_guest *g)
{
    g->error[0] = 0;
    list_push_back(&vm->guests, &g->link);
}

void ns_vm_remove(struct ns_guest *g) { list_remove(&g->link); }

struct ns_guest *ns_vm_find(struct ns_vm *vm, const char *name)
{
    list_each(n, &vm->guests)
        if (str_eq(guest_at(n)->name, name))
            return guest_at(n);
    return NULL;
}
