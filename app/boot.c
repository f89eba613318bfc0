/* What an app guest finds at its start: the libos, the window on its image's file system, and the monitor's part of the space with
 * the boot record in it. docs/app-abi.md and docs/image.md are the pages. */
#include "app/app.h"
#include "app/record.h"
#include "arch/x86/cpu.h"
#include "base/fmt.h"
#include "base/str.h"
#include "boot/appimage.h"
#include "ground/ground.h"

/* The file a guest is made of, taken apart. */
struct parts {
    struct app *app;
    const uint8_t *libos;
    uint64_t libos_size;
    const uint8_t *fs;
    uint64_t fs_size;
    struct appimage image; /* without one: no texts */
};

/* Pages that all guests map, read-only. */
static uint8_t gate_page[2][PAGE_SIZE] ALIGNED(PAGE_SIZE); /* [1]: for `isolate vm` */
static union {
    struct app_time time;
    uint8_t bytes[PAGE_SIZE];
} time_page ALIGNED(PAGE_SIZE);

/* The TSC is the only clock, so one scale serves for ever: it begins with the TSC at 0. */
static void pages_fill(const struct app *a)
{
    uint64_t now = ground_tsc();

    memcpy(gate_page[a->vm->cfg.isolate], a->user->gate, sizeof a->user->gate);
    time_page.time.mult = cpu_mul_div(1000000000ull << 32, 1, ground_tsc_hz());
    time_page.time.wall_offset = (int64_t)(ground_wall_ns() - cpu_mul_shift32(now, time_page.time.mult));
}

static err_t complain(struct vm *vm, err_t e, const char *what)
{
    fmt_text(vm->why_text, sizeof vm->why_text, "%s", what);
    return e;
}

/* An app image, or a bare libos, as tests have it. */
static err_t parts_find(struct app *a, struct parts *p)
{
    struct vm *vm = a->vm;
    const struct blob *b = &vm->cfg.kernel;
    const char *why = "";
    uint32_t magic = 0;

    *p = (struct parts){ .app = a, .libos = b->data, .libos_size = b->size };
    p->image.program = p->image.cwd = "/";
    p->image.args = "";
    if (b->size >= sizeof(struct app_image))
        memcpy(&magic, b->data, sizeof magic);
    if (magic == APP_MAGIC)
        return OK;
    err_t e = appimage_read(b->data, min_u64(b->size, IMAGE_HEAD_MAX), b->size, &p->image, &why);
    if (e)
        return complain(vm, e, why);
    p->libos = b->data + p->image.head.libos_at;
    p->libos_size = p->image.head.libos_size;
    p->fs = b->data + p->image.head.fs_at;
    p->fs_size = p->image.head.fs_size;
    return OK;
}

/* --- the libos ----------------------------------------------------------------------------------------------------------- */
/* Text and data come from the file, shared until they are written; its last page ends in zeros. */
static err_t part_map(void *owner, uint64_t at, uint64_t len, unsigned prot, uint64_t from)
{
    const struct parts *p = owner;

    return space_map_image(&p->app->space, at, len, prot, hpa_of(p->libos + from));
}

static err_t libos_put(struct parts *p)
{
    struct app *a = p->app;

    if (p->libos_size < sizeof a->file.libos || hpa_of(p->libos).v % PAGE_SIZE)
        return complain(a->vm, ERR_FORMAT, "its libos is broken; make the image again");
    memcpy(&a->file.libos, p->libos, sizeof a->file.libos);
    if (!libos_sound(&a->file.libos, p->libos_size))
        return complain(a->vm, ERR_FORMAT, "its libos is of another version, or broken; make the image again");
    return libos_map(&a->space, &a->file.libos, p->libos_size, part_map, p);
}

/* --- the window ------------------------------------------------------------------------------------------------------------ */
/* Where large pages fit, as seen from the file's place in memory. */
static uint64_t window_at(const struct app *a)
{
    return align_down(APP_AREA - a->file.fs_size - MIB(2), MIB(2)) + a->file.fs.v % MIB(2);
}

static err_t window_map(struct app *a, const struct parts *p)
{
    if (!p->fs_size)
        return OK;
    if (p->fs_size > APP_AREA / 2)
        return ERR_RANGE;
    a->file.fs = hpa_of(p->fs);
    a->file.fs_size = p->fs_size;
    return space_map_image(&a->space, window_at(a), p->fs_size, APP_READ, a->file.fs);
}

/* --- strings -------------------------------------------------------------------------------------------------------------- */
static bool blank(char c) { return c == ' ' || c == '\t'; }

/* The words of the entry's `args`: blanks part them, quotation marks of either kind keep them together. */
static void args_put(struct record_strings *s, const char *line)
{
    static char word[VM_CMDLINE_MAX]; /* too large for the stack; CPU 0's loop only */

    for (;;) {
        size_t n = 0;
        char quote = 0;

        while (blank(*line))
            line++;
        if (!*line)
            return;
        for (; *line && (quote || !blank(*line)); line++) {
            if (*line == quote)
                quote = 0;
            else if (!quote && (*line == '"' || *line == '\''))
                quote = *line;
            else
                word[n++] = *line;
        }
        record_string(s, word, n);
    }
}

static const char *strings_put(struct record_strings *s, const char *texts, uint32_t n)
{
    for (; n--; texts += strlen(texts) + 1)
        record_string(s, texts, strlen(texts));
    return texts;
}

/* p NULL: a clone's, which are its name and its arguments. */
static err_t strings_make(struct app *a, const struct parts *p, struct app_boot *b)
{
    struct record_strings s = { .space = &a->space, .at = APP_AREA_STRINGS };
    const char *env = p ? strings_put(&s, p->image.args, p->image.head.argc) : NULL;

    if (!s.count)
        record_string(&s, a->vm->cfg.name, strlen(a->vm->cfg.name));
    args_put(&s, a->vm->cfg.cmdline);
    b->argc = s.count;
    if (p)
        strings_put(&s, env, p->image.head.envc);
    b->envc = s.count - b->argc;
    b->strings_size = (uint32_t)(s.at - APP_AREA_STRINGS);
    return s.e;
}

/* --- the boot record --------------------------------------------------------------------------------------------------------- */
static err_t mount_make(struct app *a, struct app_boot *b, const struct vm_share *share, bool dev)
{
    struct app_mount *m = &b->mount[b->nmounts++];
    err_t e = app_channel_add(a, share->fs, share->read_only, dev);

    *m = (struct app_mount){ .flags = (dev ? APP_MOUNT_DEV : 0) | (share->read_only ? APP_MOUNT_READONLY : 0) };
    m->channel = e ? 0 : a->channel[a->nchannels - 1].at;
    fmt_text(m->at, sizeof m->at, "/%s", share->name);
    b->tty |= dev ? APP_TTY_IN | APP_TTY_OUT | APP_TTY_ERR : 0;
    return e;
}

/* The libos takes the last one for its devices. */
static err_t mounts_make(struct app *a, struct app_boot *b)
{
    err_t e = OK;

    for (unsigned last = 0; last < 2; last++)
        for (unsigned i = 0; !e && i < a->vm->nshares; i++)
            if (str_eq(a->vm->share[i].name, "dev") == last)
                e = mount_make(a, b, &a->vm->share[i], last);
    return e;
}

/* No two guests have one number, so that who looks for a fork by it finds one. */
static uint32_t pid_of(const struct app *a) { return *a->vm->cfg.from ? a->vm->id + 1 : 1; }

static void record_own(struct app *a, struct app_boot *b)
{
    b->ncpus = a->vm->cfg.vcpus;
    b->mem_limit = a->vm->cfg.memory;
    b->bell = APP_AREA_GATE + USER_BELL_AT;
    b->free = a->file.fs_size ? align_down(window_at(a), MIB(2)) : APP_AREA;
    b->pid = pid_of(a);
    b->umask = 022;
    b->image = a->file.fs_size ? window_at(a) : 0;
    b->image_size = a->file.fs_size;
    b->image_flags = a->file.fs_flags;
    b->flags = a->vm->cfg.template ? APP_BOOT_TEMPLATE : 0;
    record_fill(b, a->file.program, a->file.cwd, a->vm->cfg.name);
}

static err_t record_make(struct app *a, const struct parts *p)
{
    struct app_boot *b = ground_alloc(sizeof *b);
    err_t e;

    if (!b)
        return ERR_NOMEM;
    e = strings_make(a, p, b);
    if (!e)
        e = mounts_make(a, b);
    record_own(a, b);
    if (!e)
        e = record_write(&a->space, b);
    ground_free(b, sizeof *b);
    return e;
}

err_t app_boot(struct app *a)
{
    struct parts p;
    err_t e = parts_find(a, &p);

    if (e)
        return e;
    pages_fill(a);
    a->file.program = p.image.program;
    a->file.cwd = p.image.cwd;
    a->file.fs_flags = p.image.head.flags;
    e = libos_put(&p);
    if (!e)
        e = window_map(a, &p);
    if (!e)
        e = space_map_image(&a->space, APP_AREA_GATE, PAGE_SIZE, APP_READ | APP_EXEC,
                            hpa_of(gate_page[a->vm->cfg.isolate]));
    if (!e)
        e = space_map_image(&a->space, APP_AREA_TIME, PAGE_SIZE, APP_READ, hpa_of(&time_page));
    if (!e)
        e = record_make(a, &p);
    if (e)
        return e;
    a->file.given = a->space.mapped + a->space.tables;
    a->space.limit = a->vm->cfg.memory / PAGE_SIZE + a->file.given;
    return app_cpu_start(a->cpu[0], a->file.libos.entry, a->file.libos.stack, a->file.libos.cpu0, APP_AREA);
}

err_t app_boot_clone(struct app *a, struct app *of)
{
    err_t e;

    a->file = of->file;
    space_clone(&of->space, &a->space);
    e = record_make(a, NULL);
    if (e)
        return e;
    a->space.limit = a->vm->cfg.memory / PAGE_SIZE + a->file.given;
    return app_cpu_go_on(a->cpu[0], of->frozen);
}
