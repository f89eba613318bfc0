/* A guest's definition: text in the words of boot entries, read by the same parser, to its configuration. Files it names are those the launch has
 * loaded. CPU 0's loop. */
#include "base/str.h"
#include "boot/entry.h"
#include "ns/files.h"
#include "ns/guests.h"

/* What a definition may say. Behind a blank, as "key=value", only what comes after the first two. */
static const char *const keys[] = { "linux", "app", "options", "initrd", "memory", "cpus", "disk", "args", "namespace", "isolate", "template", "title" };
#define OPTIONS 2u

/* In a line that begins with what to start, " key=value" may stand for a line of its own; behind options= all is options. */
static void lines_split(char *line)
{
    for (; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!str_starts(line, "linux ") && !str_starts(line, "app "))
            continue;
        for (char *p = line; *p && *p != '\n'; p++)
            for (unsigned i = OPTIONS; *p == ' ' && i < ARRAY_LEN(keys); i++) {
                size_t n = strlen(keys[i]);
                if (!str_starts(p + 1, keys[i]) || p[1 + n] != '=')
                    continue;
                *p = '\n';
                p[1 + n] = ' ';
                if (i == OPTIONS)
                    return;
            }
    }
}

/* Entry files may have other programs' keys; here a word that means nothing is a mistake. */
static const char *unknown_word(const char *line)
{
    for (; line; line = strchr(line, '\n')) {
        size_t n = 0;
        unsigned i = 0;
        line += *line == '\n';
        while (line[n] && !strchr(" \t\r\n", line[n]))
            n++;
        while (n && i < ARRAY_LEN(keys) && !(strlen(keys[i]) == n && !strncmp(keys[i], line, n)))
            i++;
        if (i == ARRAY_LEN(keys))
            return line;
    }
    return NULL;
}

static err_t file_take(const char *path, struct blob *out, char *why)
{
    const struct ns_file *f = ns_file_find(path);

    if (!f)
        return ns_refuse(why, ERR_NOTFOUND, "%.100s is not among the loaded files; /boot has them", path);
    *out = f->blob;
    return OK;
}

static err_t disk_take(const struct ns_setup *setup, struct vm_config *cfg, const char *name, char *why)
{
    struct blk *blk = setup->disk(name);

    if (!blk)
        return ns_refuse(why, ERR_NOTFOUND, "disk: there is no %.60s; /blk has them all", name);
    (void)str_copy(cfg->disk[cfg->ndisks], sizeof cfg->disk[0], name);
    cfg->blk[cfg->ndisks++] = blk;
    return OK;
}

/* Puts what the entry says into cfg; what it does not say stays. */
static err_t config_change(const struct ns_setup *setup, struct vm_config *cfg, const struct entry *e, char *why)
{
    err_t err = *e->start.path ? file_take(e->start.path, &cfg->kernel, why) : OK;

    if (e->ninitrd)
        cfg->ninitrd = 0;
    for (unsigned i = 0; !err && i < e->ninitrd; i++)
        err = file_take(e->initrd[i].path, &cfg->initrd[cfg->ninitrd++], why);
    if (e->ndisks)
        cfg->ndisks = 0;
    for (unsigned i = 0; !err && i < e->ndisks; i++)
        err = disk_take(setup, cfg, e->disk[i].path, why);
    if (*e->options)
        (void)str_copy(cfg->cmdline, sizeof cfg->cmdline, e->options);
    if (*e->title)
        (void)str_copy(cfg->title, sizeof cfg->title, e->title);
    cfg->memory = e->memory;
    cfg->vcpus = e->cpus;
    if (e->template_line)
        cfg->template = e->template;
    return err;
}

/* The first note that forbids a guest; that nothing is said about what to start is no mistake here. */
static const struct entry_note *mistake_of(const struct entry *e)
{
    for (unsigned i = 0; i < e->nnotes; i++)
        if (e->note[i].forbids & ENTRY_NO_GUEST && (e->note[i].line || *e->start.path))
            return &e->note[i];
    return NULL;
}

err_t ns_define(const struct ns_setup *setup, const char *name, struct vm_config *cfg, char *text, char *why)
{
    static struct entry e; /* large, and this is CPU 0's */
    const char *unknown;

    lines_split(text);
    unknown = unknown_word(text);
    if (unknown)
        return ns_refuse(why, ERR_INVAL, "'%.40s' is no command; write start, stop, reset, power, or lines of a boot entry", unknown);
    entry_init(&e, ENTRY_LINUX, name, "ctl");
    e.cpus = cfg->vcpus;
    e.id[0] = 0; /* so that no title is made up */
    entry_parse(&e, text, strlen(text));
    const struct entry_note *wrong = mistake_of(&e);
    if (wrong)
        return ns_refuse(why, ERR_INVAL, "%s", wrong->text);
    if (e.kind == ENTRY_APP && !setup->app)
        return ns_refuse(why, ERR_UNSUPPORTED, "app: this machine runs no apps");
    if (e.isolate && setup->no_isolation)
        return ns_refuse(why, ERR_UNSUPPORTED, "isolate: %s; write isolate none", setup->no_isolation);
    if (*e.start.path) { /* a new definition */
        cfg->ninitrd = cfg->ndisks = 0;
        cfg->cmdline[0] = 0;
        cfg->app = e.kind == ENTRY_APP;
        cfg->isolate = false;
        cfg->template = false;
        cfg->from[0] = 0;
    } else if (!e.memory_line) {
        e.memory = cfg->memory;
    }
    if (e.isolate_line && !cfg->app)
        return ns_refuse(why, ERR_INVAL, "isolate: only for apps; leave it out");
    if (e.isolate_line)
        cfg->isolate = e.isolate;
    if (*e.spaces && !str_copy(cfg->spaces, sizeof cfg->spaces, e.spaces))
        return ns_refuse(why, ERR_INVAL, "namespace: longer than %u bytes", VM_NAMESPACE_MAX - 1);
    return config_change(setup, cfg, &e, why);
}
