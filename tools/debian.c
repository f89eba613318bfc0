/* Debian packages into a directory, with apt-get, dpkg-deb and tar. apt is made to believe that nothing is installed, so it lists all a program
 * needs; the lists of packages are the machine's, or, where it has none, fetched into the user's cache. */
#define _GNU_SOURCE
#include "tools/debian.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/cache.h"
#include "tools/command.h"
#include "tools/goblin.h"

#define PACKAGES_MAX 512
#define OPTIONS 9

struct package {
    char *file; /* its name in the cache */
    char *spec; /* name=version, for apt-get */
    unsigned long long size;
};

struct fetch {
    const char *what, *log;
    const char *options[OPTIONS + 1];
    struct package package[PACKAGES_MAX];
    unsigned n;
    unsigned long long bytes;
};

static void progress(const struct fetch *f, const char *fmt, unsigned i)
{
    bool screen = isatty(2);

    if (!screen && i)
        return; /* a log gets one line */
    fprintf(stderr, "%sgoblin: image %s: ", screen ? "\r\033[K" : "", f->what);
    fprintf(stderr, fmt, f->n, (double)f->bytes / 1e6, i);
    fputs(screen ? "" : "\n", stderr);
}

static bool options_set_up(struct fetch *f, bool own_lists)
{
    char *cache = cache_path("apt/cache/archives/partial/"), *lists = cache_path("apt/state/lists/partial/");
    const char *o[OPTIONS] = { "-qq", "-oAPT::Install-Recommends=false", "-oDir::State::status=/dev/null", "-oDebug::NoLocking=true",
                               "-oAPT::Sandbox::User=root", "-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache=", NULL, NULL };

    if (!cache || !lists || !tree_make(cache) || !tree_make(lists))
        return false;
    o[7] = text_of("-oDir::Cache=%.*s", (int)(strlen(cache) - strlen("archives/partial/")), cache);
    if (own_lists)
        o[8] = text_of("-oDir::State::lists=%.*s", (int)(strlen(lists) - strlen("partial/")), lists);
    memcpy(f->options, o, sizeof o);
    return true;
}

/* The argument list of an apt-get call: its options, the verb, words of packages. */
static const char **apt_get(const struct fetch *f, const char *const *verb, char *packages)
{
    const char **argv = calloc(OPTIONS + PACKAGES_MAX + 16, sizeof *argv);
    unsigned n = 0;

    if (!argv)
        exit(fail("not enough memory"));
    argv[n++] = "apt-get";
    for (unsigned i = 0; f->options[i]; i++)
        argv[n++] = f->options[i];
    while (*verb)
        argv[n++] = *verb++;
    for (char *w = strtok(packages, " "); w && n < OPTIONS + PACKAGES_MAX; w = strtok(NULL, " "))
        argv[n++] = w;
    return argv;
}

/* A line of --print-uris: 'URI' name_version_arch.deb bytes hash */
static bool package_read(struct fetch *f, char *line)
{
    struct package *p = &f->package[f->n];
    char *file = strstr(line, "' "), *end, *version, *arch;

    if (line[0] != '\'' || !file || f->n == PACKAGES_MAX)
        return f->n < PACKAGES_MAX;
    file += 2;
    end = strchr(file, ' ');
    if (!end)
        return true;
    *end = 0;
    p->size = strtoull(end + 1, NULL, 10);
    p->file = text_of("%s", file);
    p->spec = text_of("%s", file);
    version = strchr(p->spec, '_');
    arch = version ? strchr(version + 1, '_') : NULL;
    if (!arch)
        return false;
    *version = '=';
    *arch = 0;
    for (char *c = strstr(p->spec, "%3a"); c; c = NULL) { /* an epoch */
        *c = ':';
        memmove(c + 1, c + 3, strlen(c + 3) + 1);
    }
    f->bytes += p->size;
    f->n++;
    return true;
}

static bool resolve(struct fetch *f, const char *packages, bool own_lists)
{
    static const char *const verb[] = { "--print-uris", "-y", "install", NULL };
    char *list = text_of("%s.list", f->log), *line = NULL;
    const char **argv;
    size_t room = 0;
    FILE *in;
    bool ok;

    f->n = 0;
    f->bytes = 0;
    if (!options_set_up(f, own_lists))
        return false;
    argv = apt_get(f, verb, text_of("%s", packages));
    unlink(list);
    ok = command_run(NULL, list, argv);
    in = fopen(list, "re");
    while (in && getline(&line, &room, in) > 0)
        ok = package_read(f, line) && ok;
    if (in)
        fclose(in);
    free(argv);
    free(line);
    return ok && f->n;
}

/* The machine's lists first; then those in the cache, fetched anew. */
static bool find_packages(struct fetch *f, const char *packages)
{
    static const char *const update[] = { "update", NULL };
    const char **argv;

    if (resolve(f, packages, false))
        return true;
    if (!options_set_up(f, true))
        return false;
    f->n = 0;
    progress(f, "updating the list of packages", 0);
    argv = apt_get(f, update, text_of("%s", ""));
    (void)command_run(NULL, f->log, argv);
    free(argv);
    if (resolve(f, packages, true))
        return true;
    log_tail(text_of("%s.list", f->log));
    return fail("apt cannot find all of: %s. Is this Debian with a network? Try `sudo apt-get update`", packages), false;
}

static bool is_there(const struct package *p, const char *dir)
{
    struct stat st;
    char *path = text_of("%s%s", dir, p->file);
    bool there = stat(path, &st) == 0 && (unsigned long long)st.st_size == p->size;

    free(path);
    return there;
}

static bool fetch_packages(struct fetch *f, const char *dir)
{
    static const char *const verb[] = { "download", NULL };

    char *missing = text_of("%s", "");
    const char **argv;

    for (unsigned i = 0; i < f->n; i++)
        if (!is_there(&f->package[i], dir))
            missing = text_of("%s %s", missing, f->package[i].spec);
    if (!missing[0])
        return true;
    progress(f, "fetching %u packages, %.1f MB", 0);
    argv = apt_get(f, verb, missing); /* all in one call: each reads the lists anew */
    (void)command_run(dir, f->log, argv);
    free(argv);
    for (unsigned i = 0; i < f->n; i++)
        if (!is_there(&f->package[i], dir)) {
            log_tail(f->log);
            return fail("cannot fetch the package %s", f->package[i].spec), false;
        }
    return true;
}

static bool unpack(const struct fetch *f, const struct package *p, const char *dir, const char *tree)
{
    char *deb = text_of("%s%s", dir, p->file);
    const char *const from[] = { "dpkg-deb", "--fsys-tarfile", deb, NULL };
    const char *const to[] = { "tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", tree, "--exclude=./usr/share/doc/*",
                               "--exclude=./usr/share/man/*", "--exclude=./usr/share/info/*", "--exclude=./usr/share/locale/*",
                               "--exclude=./usr/share/lintian/*", "--exclude=./usr/share/bug/*", "--exclude=./usr/share/doc-base/*",
                               "--exclude=./usr/share/menu/*", "--exclude=./usr/share/pixmaps/*", NULL };
    bool ok = command_pipe(f->log, from, to);

    if (!ok) {
        log_tail(f->log);
        fail("cannot unpack %s", deb);
    }
    free(deb);
    return ok;
}

bool debian_unpack(const char *what, const char *packages, const char *tree, const char *log)
{
    static const char *const needs[] = { "apt-get", "dpkg-deb", "tar" };
    struct fetch *f = calloc(1, sizeof *f);
    char *dir = cache_path("debs/");
    bool ok = f && dir && tree_make(dir);
    int lock = ok ? cache_lock("debs") : -1;

    for (size_t i = 0; i < ARRAY_LEN(needs); i++)
        if (ok && !command_exists(needs[i]))
            ok = (fail("images of Debian packages need the program %s", needs[i]), false);
    ok = ok && lock >= 0;
    if (ok) {
        *f = (struct fetch){ .what = what, .log = log };
        progress(f, "looking for packages", 0);
        ok = find_packages(f, packages) && fetch_packages(f, dir);
    }
    for (unsigned i = 0; ok && i < f->n; i++) {
        progress(f, "unpacking %u packages, %.1f MB: number %u", i + 1);
        ok = unpack(f, &f->package[i], dir, tree);
    }
    if (isatty(2))
        fputs("\r\033[K", stderr);
    if (lock >= 0)
        close(lock);
    free(f);
    return ok;
}
