/* The options of `goblin run`, a row for each. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "tools/goblin.h"
#include "tools/options.h"
#include "tools/ports.h"

bool env_set(struct options *o, char *entry, bool over)
{
    size_t n = strcspn(entry, "=");

    if (!entry[n]) {
        const char *value = getenv(entry);
        if (!value)
            return true;
        entry = text_of("%s=%s", entry, value);
    }
    for (unsigned i = 0; i < o->cfg.envc; i++)
        if (strncmp(o->env[i], entry, n + 1) == 0) {
            o->env[i] = over ? entry : o->env[i];
            return true;
        }
    if (o->cfg.envc == ENV_MAX)
        return false;
    o->env[o->cfg.envc++] = entry;
    return true;
}

const char *env_get(const struct options *o, const char *name)
{
    size_t n = strlen(name);

    for (unsigned i = 0; i < o->cfg.envc; i++)
        if (strncmp(o->env[i], name, n) == 0 && o->env[i][n] == '=')
            return o->env[i] + n + 1;
    return NULL;
}

/* --- what each does with its value; false: told ------------------------------------------------------------------------ */
static bool set_memory(struct options *o, char *value)
{
    if (str_to_size(value, &o->cfg.memory) || o->cfg.memory < MIB(1))
        return fail("not a size: %s (say 512M or 2G; 1M at least)", value), false;
    return true;
}

static bool set_cpus(struct options *o, char *value)
{
    uint64_t n;

    if (str_to_u64(value, &n) || !n || n > UINT32_MAX)
        return fail("not a number of CPUs: %s", value), false;
    o->cfg.cpus = (unsigned)n;
    return true;
}

static bool set_volume(struct options *o, char *spec)
{
    struct guest_mount *m = &o->cfg.mounts[o->cfg.nmounts];
    char *text = text_of("%s", spec), *at = strchr(text, ':'), *flag = at ? strchr(at + 1, ':') : NULL;

    if (!at || at == text || at[1] != '/')
        return fail("not HOST:AT or HOST:AT:ro: %s", spec), false;
    if (o->cfg.nmounts == APP_CHANNELS - 2)
        return fail("too many volumes: %u at most", APP_CHANNELS - 2), false;
    *at++ = 0;
    if (flag)
        *flag++ = 0;
    if (flag && !str_eq(flag, "ro") && !str_eq(flag, "rw"))
        return fail("not HOST:AT or HOST:AT:ro: %s", spec), false;
    if (strlen(at) >= sizeof(((struct app_mount *)0)->at))
        return fail("too long a path for a volume: %s", at), false;
    *m = (struct guest_mount){ .host = text, .at = at, .read_only = flag && flag[1] == 'o' };
    o->cfg.nmounts++;
    return true;
}

static bool set_publish(struct options *o, char *value)
{
    if (o->cfg.nports == GUEST_PORTS)
        return fail("too many ports: %u at most", GUEST_PORTS), false;
    if (!port_parse(value, &o->cfg.ports[o->cfg.nports]))
        return fail("not [IP:]HOST:GUEST or [IP:]HOST:GUEST/udp: %s", value), false;
    o->cfg.nports++;
    return true;
}

static bool set_net(struct options *o, char *value)
{
    return net_parse(value, &o->cfg.net) ? true : (fail("not a network: %s (none, out or host)", value), false);
}

static bool set_env(struct options *o, char *value)
{
    return env_set(o, value, true) ? true : (fail("too many variables: %u at most", ENV_MAX), false);
}

/* Lines NAME=VALUE or NAME; # begins a comment, as docker has it. */
static bool set_env_file(struct options *o, char *path)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool ok = true;

    if (!f)
        return fail("cannot read %s: %m", path), false;
    while (ok && (n = getline(&line, &room, f)) > 0) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (n && line[0] != '#')
            ok = set_env(o, text_of("%s", line));
    }
    free(line);
    fclose(f);
    return ok;
}

static bool set_workdir(struct options *o, char *value)
{
    o->cwd = value;
    return value[0] == '/' && strlen(value) < sizeof(((struct app_boot *)0)->cwd) ? true : (fail("not an absolute path: %s", value), false);
}

static bool set_name(struct options *o, char *value)
{
    o->host = value;
    return value[0] && strlen(value) < sizeof(((struct app_boot *)0)->host) && !strchr(value, '/') ? true : (fail("not a name: %s", value), false);
}

static bool set_image(struct options *o, char *value)
{
    o->image = value;
    return true;
}

static bool set_from(struct options *o, char *value)
{
    o->from = value;
    return true;
}

static bool set_entrypoint(struct options *o, char *value)
{
    o->entrypoint = value;
    return value[0] ? true : (fail("--entrypoint wants a program"), false);
}

static bool set_nothing(struct options *, char *)
{
    return true;
}

static const struct row {
    char letter; /* 0: none */
    const char *name, *value;
    bool (*set)(struct options *, char *value);
    const char *about;
} rows[] = {
    { 'm', "memory", "SIZE", set_memory, "memory it may use: 512M, 2G (default: the image's, or half of this machine's)" },
    { 0, "cpus", "NUMBER", set_cpus, "CPUs it may use (default: all of this machine's)" },
    { 'v', "volume", "HOST:AT[:ro]", set_volume, "show a directory of this machine at AT" },
    { 'p', "publish", "[IP:]HOST:GUEST[/udp]", set_publish, "let this machine's port HOST lead to its port GUEST" },
    { 0, "net", "none|out|host", set_net, "what it may reach: nothing (default), all but this machine, all" },
    { 'e', "env", "NAME[=VALUE]", set_env, "set, or pass on, an environment variable" },
    { 0, "env-file", "FILE", set_env_file, "the same for each line of FILE" },
    { 'w', "workdir", "DIR", set_workdir, "where it starts (default: the image's, or the current directory)" },
    { 0, "name", "NAME", set_name, "its host name" },
    { 0, "image", "IMAGE", set_image, "the image to run it in: a file, a name, a language, or `none` for this machine's files" },
    { 0, "from", "TEMPLATE", set_from, "run a clone of that template (`goblin template`); what follows are its arguments" },
    { 0, "entrypoint", "PROGRAM", set_entrypoint, "run this program of the image, not the image's own command" },
    { 'i', "interactive", NULL, set_nothing, "accepted: standard input is always passed on" },
    { 't', "tty", NULL, set_nothing, "accepted: it has a terminal if goblin has" },
    { 0, "rm", NULL, set_nothing, "accepted: nothing of a guest stays but its volumes" },
};

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(rows[i].name, name))
            return &rows[i];
    return NULL;
}

bool options_known(const char *name)
{
    return row_find(name);
}

bool options_set(struct options *o, const char *name, char *value)
{
    const struct row *r = row_find(name);

    return r ? r->set(o, value) : (fail("no such option: %s", name), false);
}

int options_read(struct options *o, int argc, char **argv)
{
    struct option longs[ARRAY_LEN(rows) + 2] = { [ARRAY_LEN(rows)] = { "help", 0, NULL, 'h' } };
    char letters[3 * ARRAY_LEN(rows) + 8] = "+h", *l = letters + 2;
    int c, index = -1;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        longs[i] = (struct option){ rows[i].name, rows[i].value != NULL, NULL, 0 };
        if (!rows[i].letter)
            continue;
        *l++ = rows[i].letter;
        if (rows[i].value)
            *l++ = ':';
    }
    *l = 0;
    while (!o->from && (c = getopt_long(argc, argv, letters, longs, &index)) != -1) {
        const struct row *r = c ? NULL : &rows[index];
        if (c == 'h')
            return -1;
        for (size_t i = 0; !r && i < ARRAY_LEN(rows); i++)
            r = rows[i].letter == c ? &rows[i] : NULL;
        if (!r)
            return -2;
        if (!r->set(o, optarg))
            return -2;
    }
    return optind;
}

void options_help(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char left[64], letter[4] = { '-', rows[i].letter, ',', 0 };
        snprintf(left, sizeof left, "%-3s --%s %s", rows[i].letter ? letter : "", rows[i].name, rows[i].value ? rows[i].value : "");
        printf("  %-32s %s\n", left, rows[i].about);
    }
}
