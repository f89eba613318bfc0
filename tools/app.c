#define _GNU_SOURCE
#include "tools/app.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "tools/goblin.h"
#include "tools/stock.h"
#include "tools/words.h"

#define WORDS_MAX 256

struct manifest {
    const char *dir, *path;
    struct options *o;
    const struct language *language;
    char *packages, *image, *command[WORDS_MAX + 1];
    char *options[WORDS_MAX][2]; /* set after those of the command line, which come first */
    unsigned noptions, line;
};

static int wrong(const struct manifest *m, const char *what, const char *about)
{
    return fail("%s:%u: %s%s%s", m->path, m->line, what, about ? ": " : "", about ? about : "");
}

/* --- keys; 0 or FAILED, told ------------------------------------------------------------------------------------------ */
static int key_language(struct manifest *m, char *value)
{
    m->language = language_of_command(value);
    return m->language ? 0 : wrong(m, "not a language goblin knows (`goblin image list` shows them)", value);
}

static int key_packages(struct manifest *m, char *value)
{
    m->packages = value;
    return 0;
}

static int key_image(struct manifest *m, char *value)
{
    m->image = value[0] == '/' ? value : text_of("%s/%s", m->dir, value);
    return 0;
}

static int key_command(struct manifest *m, char *value)
{
    return words_split(value, m->command, WORDS_MAX) ? 0 : wrong(m, "not a command", value);
}

static int key_option(struct manifest *m, const char *key, char *value)
{
    if (m->noptions == WORDS_MAX)
        return wrong(m, "too many lines", NULL);
    if (str_eq(key, "volume") && value[0] != '/')
        value = text_of("%s/%s", m->dir, value);
    m->options[m->noptions][0] = text_of("%s", key);
    m->options[m->noptions++][1] = value;
    return 0;
}

static const struct {
    const char *name;
    int (*read)(struct manifest *, char *value);
} keys[] = { { "language", key_language }, { "packages", key_packages }, { "image", key_image }, { "command", key_command } };

/* options of `goblin run` that a manifest may hold as well */
static const char *const option_keys[] = { "memory", "volume", "env", "publish", "net", "cpus", "name" };

static int line_read(struct manifest *m, char *line)
{
    char *key = line + strspn(line, " \t"), *value, *end;

    key[strcspn(key, "#\r\n")] = 0;
    if (!*key)
        return 0;
    value = key + strcspn(key, " \t");
    if (*value)
        *value++ = 0;
    value += strspn(value, " \t");
    for (end = value + strlen(value); end > value && strchr(" \t", end[-1]);)
        *--end = 0;
    if (!*value)
        return wrong(m, "a key without a value", key);
    value = text_of("%s", value);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(key, keys[i].name))
            return keys[i].read(m, value);
    for (size_t i = 0; i < ARRAY_LEN(option_keys); i++)
        if (str_eq(key, option_keys[i]))
            return options_known(key) ? key_option(m, key, value) : wrong(m, "this goblin cannot do it", key);
    return wrong(m, "not a key", key);
}

static int manifest_read(struct manifest *m)
{
    FILE *f = fopen(m->path, "re");
    char *line = NULL;
    size_t room = 0;
    int e = 0;

    if (!f)
        return fail("cannot read %s: %m (`goblin new` makes an app)", m->path);
    for (m->line = 1; !e && getline(&line, &room, f) > 0; m->line++)
        e = line_read(m, line);
    fclose(f);
    free(line);
    if (!e && !m->language && !m->image)
        e = fail("%s: a line `language NAME` or `image FILE` is missing", m->path);
    return e;
}

int run_app(struct options *o, const char *dir, char **more, int count)
{
    char *real = realpath(dir, NULL), **argv = calloc(WORDS_MAX + (size_t)count + 1, sizeof *argv);
    struct manifest *m = calloc(1, sizeof *m);
    int n = 0, e;

    if (!real || !m || !argv)
        return fail("cannot read %s: %m", dir);
    *m = (struct manifest){ .dir = real, .path = text_of("%s/" APP_MANIFEST, dir), .o = o };
    e = manifest_read(m);
    if (e)
        return e;
    o->cfg.mounts[o->cfg.nmounts++] = (struct guest_mount){ .host = real, .at = "/app", .read_only = true };
    for (unsigned i = 0; i < m->noptions; i++)
        if (!(str_eq(m->options[i][0], "memory") && o->cfg.memory) && !options_set(o, m->options[i][0], m->options[i][1]))
            return FAILED;
    while (m->command[n])
        argv[n] = m->command[n], n++;
    memcpy(argv + n, more, (size_t)count * sizeof *more);
    if (!o->cwd)
        o->cwd = "/app";
    if (!o->host)
        o->host = strrchr(real, '/') + 1;
    return run_image(o, o->image ? o->image : m->image ? m->image : stock_image(m->language, m->packages), argv, n + count);
}
