/* The goblin command. `goblin run PROGRAM ARGS` runs a program in an OS of its own. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/str.h"
#include "ground/linux/run.h"

extern const uint8_t libos_image[], libos_image_end[];
extern char **environ;

#define ENV_MAX 1024
#define FAILED 125 /* as docker and env say: goblin itself failed, not the program */

static const char usage[] =
    "usage: goblin run [OPTION...] PROGRAM [ARGUMENT...]\n"
    "       goblin help\n"
    "Runs a Linux program for x86-64 in an OS of its own, with this machine's files below it, read-only.\n"
    "  -m, --memory SIZE         memory it may use: 512M, 2G (default: half of this machine's)\n"
    "      --cpus NUMBER         CPUs it may use (default: all of this machine's)\n"
    "  -v, --volume HOST:AT[:ro] show a directory of this machine at AT\n"
    "  -e, --env NAME[=VALUE]    set, or pass on, an environment variable\n"
    "  -w, --workdir DIR         where it starts (default: the current directory)\n"
    "      --name NAME           its host name\n"
    "Its exit status is the program's; 128 + n if signal n ended it; 125 if goblin itself failed.\n";

struct options {
    struct guest_config cfg;
    char *env[ENV_MAX];
    char cwd[1024], host[64], path[1024];
};

static int fail(const char *what, const char *about)
{
    fprintf(stderr, "goblin: %s%s%s\n", what, about ? ": " : "", about ? about : "");
    return FAILED;
}

static bool env_set(struct options *o, char *entry)
{
    size_t n = strcspn(entry, "=");

    if (!entry[n]) {
        const char *value = getenv(entry);
        char *copy;
        if (!value)
            return true;
        if (asprintf(&copy, "%s=%s", entry, value) < 0)
            return false;
        entry = copy;
    }
    for (unsigned i = 0; i < o->cfg.envc; i++)
        if (strncmp(o->env[i], entry, n + 1) == 0) {
            o->env[i] = entry;
            return true;
        }
    if (o->cfg.envc == ENV_MAX)
        return false;
    o->env[o->cfg.envc++] = entry;
    return true;
}

/* HOST:AT[:ro] */
static bool volume_add(struct options *o, char *spec)
{
    struct guest_mount *m = &o->cfg.mounts[o->cfg.nmounts];
    char *at = strchr(spec, ':'), *flag = at ? strchr(at + 1, ':') : NULL;

    if (!at || at == spec || at[1] != '/' || o->cfg.nmounts == APP_CHANNELS - 2)
        return false;
    *at++ = 0;
    if (flag) {
        *flag++ = 0;
        if (strcmp(flag, "ro") != 0 && strcmp(flag, "rw") != 0)
            return false;
    }
    if (strlen(at) >= sizeof(((struct app_mount *)0)->at))
        return false;
    *m = (struct guest_mount){ .host = spec, .at = at, .read_only = flag && flag[0] == 'r' && flag[1] == 'o' };
    o->cfg.nmounts++;
    return true;
}

static uint64_t half_of_memory(void)
{
    return (uint64_t)sysconf(_SC_PHYS_PAGES) / 2 * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int options_read(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = { { "memory", 1, NULL, 'm' }, { "volume", 1, NULL, 'v' }, { "env", 1, NULL, 'e' }, { "workdir", 1, NULL, 'w' },
                                           { "name", 1, NULL, 'n' },   { "cpus", 1, NULL, 'c' },   { "help", 0, NULL, 'h' },   { 0 } };
    uint64_t cpus;
    int c;

    while ((c = getopt_long(argc, argv, "+m:v:e:w:h", longs, NULL)) != -1) {
        switch (c) {
        case 'm':
            if (str_to_size(optarg, &o->cfg.memory) || o->cfg.memory < MIB(1))
                return fail("not a size", optarg);
            break;
        case 'c':
            if (str_to_u64(optarg, &cpus) || !cpus || cpus > UINT32_MAX)
                return fail("not a number of CPUs", optarg);
            o->cfg.cpus = (unsigned)cpus;
            break;
        case 'v':
            if (!volume_add(o, optarg))
                return fail("not HOST:AT or HOST:AT:ro", optarg);
            break;
        case 'e':
            if (!env_set(o, optarg))
                return fail("too many variables", NULL);
            break;
        case 'w': snprintf(o->cwd, sizeof o->cwd, "%s", optarg); break;
        case 'n': snprintf(o->host, sizeof o->host, "%s", optarg); break;
        case 'h': fputs(usage, stdout); return -1;
        default: fputs(usage, stderr); return FAILED;
        }
    }
    if (optind == argc) {
        fputs(usage, stderr);
        return FAILED;
    }
    return 0;
}

/* As a shell finds a command. */
static const char *command_find(struct options *o, const char *name)
{
    const char *path = getenv("PATH");
    struct stat st;

    if (strchr(name, '/'))
        return name;
    for (const char *p = path ? path : "/usr/local/bin:/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        snprintf(o->path, sizeof o->path, "%.*s/%s", (int)n, p, name);
        if (stat(o->path, &st) == 0 && S_ISREG(st.st_mode) && access(o->path, X_OK) == 0)
            return o->path;
        p += n + (p[n] == ':');
    }
    return NULL;
}

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
    raise(signal_number);
}

static int run(int argc, char **argv)
{
    static struct options o;
    int status = 0, killed = 0, e;
    const char *program;

    o.cfg = (struct guest_config){ .libos = libos_image, .libos_size = (size_t)(libos_image_end - libos_image), .memory = half_of_memory() };
    o.cfg.mounts[o.cfg.nmounts++] = (struct guest_mount){ .host = "/", .at = "/", .read_only = true, .layer = true };
    for (char **env = environ; *env && o.cfg.envc < ENV_MAX; env++)
        o.env[o.cfg.envc++] = *env;
    if (!getcwd(o.cwd, sizeof o.cwd) || gethostname(o.host, sizeof o.host - 1))
        return fail("the current directory", strerror(errno));
    e = options_read(&o, argc, argv);
    if (e)
        return e < 0 ? 0 : e;
    argv += optind;
    program = command_find(&o, argv[0]);
    if (!program) {
        fprintf(stderr, "goblin: %s: command not found\n", argv[0]);
        return 127;
    }
    o.cfg.argv = argv;
    o.cfg.argc = (unsigned)(argc - optind);
    o.cfg.program = program;
    o.cfg.env = o.env;
    o.cfg.cwd = o.cwd;
    o.cfg.name = o.host;
    if (guest_run(&o.cfg, &status, &killed))
        return FAILED;
    fflush(NULL);
    if (killed)
        die_by(killed);
    return status;
}

int main(int argc, char **argv)
{
    int status = FAILED;

    if (argc > 1 && strcmp(argv[1], "run") == 0)
        status = run(argc - 1, argv + 1);
    else if (argc > 1 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0))
        status = fputs(usage, stdout) < 0;
    else
        fputs(usage, stderr);
    fflush(NULL);
    _exit(status);
}
