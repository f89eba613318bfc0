/* goblin run: finds out what is to be run, and in which root, and runs it. */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/str.h"
#include "tools/app.h"
#include "tools/cache.h"
#include "tools/goblin.h"
#include "tools/libos.h"
#include "tools/options.h"
#include "tools/stock.h"

extern char **environ;

/* Dies as the program died, so that whoever started goblin sees the same. */
static void die_by(int signal_number)
{
    const struct rlimit none = { 0, 0 };
    sigset_t one;

    setrlimit(RLIMIT_CORE, &none);
    signal(signal_number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, signal_number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    syscall(SYS_tgkill, getpid(), gettid(), signal_number); /* raise() asks for more than the rights that are left */
}

static int ended(int status, int killed)
{
    fflush(NULL);
    if (killed)
        die_by(killed);
    return status;
}

static int start(struct options *o)
{
    int status = 0, killed = 0;
    char host[64] = "";

    if (!o->host && gethostname(host, sizeof host - 1) == 0)
        o->host = host;
    o->cfg.name = o->host;
    o->cfg.cwd = o->cwd;
    o->cfg.env = o->env;
    o->cfg.cpuid = cache_maybe("cpuid");
    if (!o->cfg.memory)
        o->cfg.memory = (uint64_t)sysconf(_SC_PHYS_PAGES) / 2 * (uint64_t)sysconf(_SC_PAGESIZE);
    if (guest_run(&o->cfg, &status, &killed))
        return FAILED;
    return ended(status, killed);
}

static const char *here(void)
{
    char *cwd = getcwd(NULL, 0);

    if (!cwd)
        exit(fail("the current directory: %m"));
    return cwd;
}

/* --- this machine's files as the root -------------------------------------------------------------------------------- */
/* As a shell finds a command. scripts: also those that only start another program. */
static char *command_find(const char *name, bool scripts)
{
    const char *path = getenv("PATH");
    struct stat st;

    if (strchr(name, '/'))
        return text_of("%s", name);
    for (const char *p = path ? path : "/usr/local/bin:/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        char *at = text_of("%.*s/%s", (int)n, p, name), head[2] = "";
        FILE *f = stat(at, &st) == 0 && S_ISREG(st.st_mode) && access(at, X_OK) == 0 ? fopen(at, "re") : NULL;
        bool script = f && fread(head, 1, 2, f) == 2 && head[0] == '#' && head[1] == '!';
        if (f)
            fclose(f);
        if (f && (scripts || !script))
            return at;
        free(at);
        p += n + (p[n] == ':');
    }
    return NULL;
}

/* Where in this command's file the libos is: guests map it from there, and share it. */
static uint64_t libos_at(void)
{
    extern const Elf64_Ehdr __ehdr_start; /* the linker's */
    const Elf64_Phdr *p = (const Elf64_Phdr *)(const void *)((const char *)&__ehdr_start + __ehdr_start.e_phoff);
    const uint64_t at = (uintptr_t)libos_image - (uintptr_t)&__ehdr_start;

    while (p->p_type != PT_LOAD || at - p->p_vaddr >= p->p_filesz)
        p++;
    return p->p_offset + at - p->p_vaddr;
}

static int run_host(struct options *o, const char *program, char **argv, int argc)
{
    struct guest_config *c = &o->cfg;

    memmove(c->mounts + 1, c->mounts, c->nmounts * sizeof c->mounts[0]);
    c->mounts[0] = (struct guest_mount){ .host = "/", .at = "/", .read_only = true, .layer = true };
    c->nmounts++;
    for (char **env = environ; *env; env++)
        env_set(o, *env, false);
    c->sites = cache_maybe("sites");
    c->libos_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (c->libos_fd < 0)
        return fail("/proc/self/exe, in which the libos is: %m");
    c->libos_at = libos_at();
    c->libos_size = (size_t)(libos_image_end - libos_image);
    c->program = program;
    c->argv = argv;
    c->argc = (unsigned)argc;
    if (!o->cwd)
        o->cwd = here();
    return start(o);
}

/* --- an image as the root ------------------------------------------------------------------------------------------------ */
/* The program's name first, then the image's own arguments, then those in `more`. */
static void arguments(struct options *o, const struct image_file *f, char **more, int count)
{
    uint32_t own = f->image.head.argc, n = 0;
    char **argv = calloc(own + (size_t)count + 2, sizeof *argv);
    char *s = (char *)(uintptr_t)f->image.args;

    if (!argv)
        exit(fail("not enough memory"));
    for (uint32_t i = 0; i < own; i++, s += strlen(s) + 1)
        if (!o->entrypoint)
            argv[n++] = s;
    if (o->entrypoint)
        argv[n++] = (char *)(uintptr_t)o->entrypoint;
    for (int i = 0; i < count; i++)
        argv[n++] = more[i];
    o->cfg.argv = argv;
    o->cfg.argc = n;
    for (uint32_t i = 0; i < f->image.head.envc; i++, s += strlen(s) + 1)
        env_set(o, s, false);
}

int run_image(struct options *o, const char *path, char **more, int count)
{
    static struct image_file f;
    static struct guest_image root;
    const struct image_head *h = &f.image.head;

    if (!path || !image_open(path, &f))
        return FAILED;
    root = (struct guest_image){ .fd = f.fd, .at = h->fs_at, .size = h->fs_size, .flags = h->flags };
    arguments(o, &f, more, count);
    env_set(o, text_of("%s", "TERM"), false);
    o->cfg.libos_fd = f.fd;
    o->cfg.libos_at = h->libos_at;
    o->cfg.libos_size = (size_t)h->libos_size;
    o->cfg.image = &root;
    o->cfg.program = f.image.program;
    if (o->entrypoint)
        o->cfg.program = o->entrypoint[0] == '/' ? o->entrypoint : text_of("/usr/bin/%s", o->entrypoint);
    if (!o->cwd)
        o->cwd = f.image.cwd;
    if (!o->cfg.memory)
        o->cfg.memory = h->memory;
    return start(o);
}

/* --- a script: its language's image, and its directory in the same place --------------------------------------------------------- */
static int run_script(struct options *o, const struct language *l, char **argv, int argc)
{
    char *real = realpath(argv[0], NULL), **more = calloc((size_t)argc + 8, sizeof *more), *slash;
    int n = 0;

    if (!real || access(real, R_OK))
        return fail("cannot read %s: %m", argv[0]);
    if (!more)
        return fail("not enough memory");
    slash = strrchr(real, '/');
    *slash = 0;
    if (o->cfg.nmounts == APP_CHANNELS - 2)
        return fail("too many volumes");
    memmove(o->cfg.mounts + 1, o->cfg.mounts, o->cfg.nmounts * sizeof o->cfg.mounts[0]); /* volumes may lie in it */
    o->cfg.mounts[0] = (struct guest_mount){ .host = real[0] ? real : "/", .at = real[0] ? real : "/script", .read_only = true };
    o->cfg.nmounts++;
    if (strlen(o->cfg.mounts[0].at) >= sizeof(((struct app_mount *)0)->at))
        return fail("the path of %s is too long", argv[0]);
    for (char *w = l->before ? strtok(text_of("%s", l->before), " ") : NULL; w; w = strtok(NULL, " "))
        more[n++] = w;
    memcpy(more + n, argv, (size_t)argc * sizeof *argv);
    if (!o->cwd)
        o->cwd = here();
    return run_image(o, o->image ? o->image : stock_image(l, NULL), more, n + argc);
}

/* --- what it is ------------------------------------------------------------------------------------------------------- */
/* --image: a file, a language, whose image is made anew where this goblin is newer, or a name in the cache. */
static char *image_wanted(const char *name)
{
    bool file = strchr(name, '/') || image_looks(name);
    const struct language *l = file ? NULL : language_of_command(name);
    char *path = file ? text_of("%s", name) : l ? stock_image(l, NULL) : image_named(name);

    if (!path && !l)
        fail("there is no image %s; `goblin image list` shows those there are", name);
    return path;
}

static int run_first(struct options *o, char **argv, int argc)
{
    const struct language *l = language_of_script(argv[0]);
    struct stat st;
    bool there = stat(argv[0], &st) == 0;
    char *program;

    if (there && S_ISDIR(st.st_mode) && strchr(argv[0], '/') == NULL && command_find(argv[0], true))
        there = false; /* a command of that name, as in a shell */
    if (there && S_ISDIR(st.st_mode))
        return run_app(o, argv[0], argv + 1, argc - 1);
    if (there && S_ISREG(st.st_mode) && image_looks(argv[0]))
        return run_image(o, argv[0], argv + 1, argc - 1);
    if (there && l)
        return run_script(o, l, argv, argc);
    l = strchr(argv[0], '/') ? NULL : language_of_command(argv[0]);
    program = o->cfg.template && l ? NULL : command_find(argv[0], !l); /* a template's root is an image */
    if (program)
        return run_host(o, program, argv, argc);
    if (l)
        return run_image(o, stock_image(l, NULL), argv + 1, argc - 1);
    if (image_named(argv[0]))
        return run_image(o, image_named(argv[0]), argv + 1, argc - 1);
    fprintf(stderr, "goblin: %s: command not found\n", argv[0]);
    return 127;
}

/* A clone has what its template has. */
static int run_clone(struct options *o, char **argv, int argc)
{
    const struct guest_config *c = &o->cfg;
    int status, killed;

    if (c->memory || c->cpus || c->nmounts || c->nports || c->net || c->envc || o->cwd || o->image || o->entrypoint)
        return fail("a clone has the memory, CPUs, volumes, network, variables and directory of its template: give those to `goblin template`");
    return guest_clone(o->from, o->host ? o->host : "", argv, (unsigned)argc, &status, &killed) ? FAILED : ended(status, killed);
}

static int run_any(struct options *o, char **argv, int argc)
{
    if (o->image && !str_eq(o->image, "none")) {
        o->image = image_wanted(o->image);
        if (!o->image)
            return FAILED;
        if (argc && access(argv[0], R_OK) == 0 && language_of_file(argv[0]))
            return run_script(o, language_of_file(argv[0]), argv, argc);
        return run_image(o, o->image, argv, argc);
    }
    if (!argc)
        return usage_of(o->cfg.template ? &verb_template : &verb_run);
    if (o->image) {
        char *program = command_find(argv[0], true);
        return program ? run_host(o, program, argv, argc) : (fprintf(stderr, "goblin: %s: command not found\n", argv[0]), 127);
    }
    return run_first(o, argv, argc);
}

static int options_take(struct options *o, const struct verb *v, int argc, char **argv)
{
    int first = options_read(o, argc, argv);

    if (first == -1) {
        printf("usage: goblin %s\n%s", v->usage, v->help);
        options_help();
        exit(0);
    }
    return first;
}

static int run(int argc, char **argv)
{
    static struct options o;
    int first = options_take(&o, &verb_run, argc, argv);

    if (first < 0)
        return usage_of(&verb_run);
    return (o.from ? run_clone : run_any)(&o, argv + first, argc - first);
}

static int template(int argc, char **argv)
{
    static struct options o;
    char *name = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    int first = options_take(&o, &verb_template, name ? argc - 1 : argc, name ? argv + 1 : argv);

    if (first < 0 || !name)
        return usage_of(&verb_template);
    if (o.from || o.cfg.nports)
        return fail("a template %s", o.from ? "is not made from another one" : "cannot publish ports: each of its clones would want them");
    if (!options_set(&o, "name", name))
        return FAILED;
    o.cfg.template = true;
    return run_any(&o, argv + 1 + first, argc - 1 - first);
}

const struct verb verb_run = {
    .name = "run",
    .call = run,
    .usage = "run [OPTION...] WHAT [ARGUMENT...]",
    .about = "run something in an OS of its own",
    .help = "\n"
            "WHAT is looked at in this order:\n"
            "  a directory with a file goblin.app   an app (`goblin new` makes one)\n"
            "  an image file                        the app in it; arguments come behind its own\n"
            "  a file hello.lua, hello.py ...       a script: its language's image, with the script's directory, read-only, in the same place\n"
            "                                       (unless it is executable and its #! line asks for another program)\n"
            "  a path, or a command in PATH         a Linux program for x86-64, with this machine's files below it, read-only\n"
            "  the name of an image in the cache    the app in it\n"
            "  a language or its command            its image; made from Debian packages when it is first needed\n"
            "What it writes stays in its memory, but for volumes. Its exit status is the program's; 128 + n if signal n ended it;\n"
            "125 if goblin itself failed, 126 and 127 as a shell's.\n",
    .more = options_help,
};

const struct verb verb_template = {
    .name = "template",
    .call = template,
    .usage = "template NAME [OPTION...] WHAT [ARGUMENT...]",
    .about = "start something up to where clones of it go on",
    .help = "\n"
            "WHAT and the options are those of `goblin run`; it must be in an image. It runs until it opens /dev/template, and is frozen there. Then this command\n"
            "returns, and `goblin run --from NAME [ARGUMENT...]` runs a clone of it: with arguments, standard files and randomness of its own.\n"
            "`goblin ps` shows the template; `goblin stop NAME` ends it, and not the clones that run.\n",
    .more = options_help,
};
