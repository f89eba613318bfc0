/* goblin image: makes, lists, shows and removes app images. */
#define _GNU_SOURCE
#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/str.h"
#include "tools/cache.h"
#include "tools/goblin.h"
#include "tools/make.h"
#include "tools/stock.h"
#include "tools/tree.h"
#include "tools/words.h"

#define LIST_MAX 512

/* A path as it is, a name in the cache, or a language. NULL: told. */
static char *image_path(const char *name)
{
    char *path = strchr(name, '/') || image_looks(name) ? text_of("%s", name) : image_named(name);
    const struct language *l = path ? NULL : language_of_command(name);

    if (l)
        path = image_named(l->name);
    if (!path)
        fail("there is no image %s; `goblin image list` shows those there are", name);
    return path;
}

static int list(int argc, char **)
{
    char *dir = cache_path("images/");
    DIR *d = dir ? opendir(dir) : NULL;

    if (argc > 1)
        return usage_of(&verb_image);
    printf("%-20s %10s  %-16s  %s\n", "NAME", "MB", "MADE", "ABOUT");
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t n = strlen(e->d_name), s = strlen(IMAGE_SUFFIX);
        struct image_file f;
        char when[32];
        if (n <= s || strcmp(e->d_name + n - s, IMAGE_SUFFIX) != 0 || !image_open(text_of("%s%s", dir, e->d_name), &f))
            continue;
        strftime(when, sizeof when, "%Y-%m-%d %H:%M", localtime(&(time_t){ (time_t)f.image.head.made }));
        printf("%-20.*s %10.1f  %-16s  %s\n", (int)(n - s), e->d_name, (double)(f.image.head.fs_at + f.image.head.fs_size) / 1e6, when,
               f.image.about);
        close(f.fd);
    }
    if (d)
        closedir(d);
    puts("\nLanguages an image is made for when it is first needed:");
    languages_print();
    return 0;
}

static int show(int argc, char **argv)
{
    char *path = argc == 2 ? image_path(argv[1]) : NULL;
    struct image_file f;
    const struct image_head *h = &f.image.head;
    const char *s;

    if (argc != 2)
        return usage_of(&verb_image);
    if (!path || !image_open(path, &f))
        return FAILED;
    printf("file      %s\nname      %s\nabout     %s\nprogram   %s\ndirectory %s\n", path, f.image.name, f.image.about, f.image.program, f.image.cwd);
    s = f.image.args;
    for (uint32_t i = 0; i < h->argc + h->envc; i++, s += strlen(s) + 1)
        printf("%s %s\n", i < h->argc ? "argument " : "variable ", s);
    printf("memory    %s\n", h->memory ? text_of("%llu bytes", (unsigned long long)h->memory) : "not said");
    printf("calls     %s\n", h->flags & IMAGE_REWRITTEN ? "rewritten" : "looked for when it runs");
    printf("libos     %llu bytes at %llu\nfiles     %llu bytes at %llu\n", (unsigned long long)h->libos_size, (unsigned long long)h->libos_at,
           (unsigned long long)h->fs_size, (unsigned long long)h->fs_at);
    close(f.fd);
    return 0;
}

static int rm(int argc, char **argv)
{
    int status = argc > 1 ? 0 : usage_of(&verb_image);

    for (int i = 1; i < argc; i++) {
        char *path = image_named(argv[i]);
        if (!path || unlink(path))
            status = path ? fail("cannot remove %s: %m", path) : fail("there is no image %s in the cache", argv[i]);
    }
    return status;
}

/* --- make ------------------------------------------------------------------------------------------------------------ */
struct make {
    struct image_plan plan;
    char *packages, *command[LIST_MAX + 1], *env[LIST_MAX + 1];
    unsigned nenv;
};

static bool make_option(struct make *m, int c, char *value)
{
    char *old = m->packages;

    switch (c) {
    case 'd': m->packages = text_of("%s%s%s", old ? old : "", old ? " " : "", value); break;
    case 'a':
        if (m->plan.ndirs == ARRAY_LEN(m->plan.dirs))
            return fail("too many directories: %zu at most", ARRAY_LEN(m->plan.dirs)), false;
        m->plan.dirs[m->plan.ndirs++] = value;
        break;
    case 'c':
        if (!words_split(value, m->command, LIST_MAX))
            return fail("not a command: %s", value), false;
        break;
    case 'e':
        if (!strchr(value, '=') || m->nenv == LIST_MAX)
            return fail("not NAME=VALUE: %s", value), false;
        m->env[m->nenv++] = value;
        break;
    case 'm':
        if (str_to_size(value, &m->plan.memory) || m->plan.memory < MIB(1))
            return fail("not a size: %s", value), false;
        break;
    case 'w': m->plan.cwd = value; break;
    case 'A': m->plan.about = value; break;
    default: return false;
    }
    for (char *p = m->packages; p && *p; p++)
        *p = *p == ',' ? ' ' : *p;
    return true;
}

static int make(int argc, char **argv)
{
    static const struct option longs[] = { { "deb", 1, NULL, 'd' }, { "add", 1, NULL, 'a' },     { "cmd", 1, NULL, 'c' }, { "env", 1, NULL, 'e' },
                                           { "memory", 1, NULL, 'm' }, { "workdir", 1, NULL, 'w' }, { "about", 1, NULL, 'A' }, { 0 } };
    static struct make m;
    const struct language *l;
    char *path, *slash, *dot;
    int c;

    while ((c = getopt_long(argc, argv, "d:a:c:e:m:w:", longs, NULL)) != -1)
        if (!make_option(&m, c, optarg))
            return usage_of(&verb_image);
    if (optind == argc || argc - optind > 2)
        return usage_of(&verb_image);
    l = argc - optind == 1 && !m.packages && !m.plan.ndirs ? language_of_command(argv[optind]) : NULL;
    if (l)
        return stock_image(l, NULL) ? 0 : FAILED;
    /* a name goes into the cache, a path where it says */
    path = strchr(argv[optind], '/') || strstr(argv[optind], IMAGE_SUFFIX) ? argv[optind] : cache_path("images/%s" IMAGE_SUFFIX, argv[optind]);
    slash = path ? strrchr(path, '/') : NULL;
    m.plan.what = m.plan.name = text_of("%s", slash ? slash + 1 : argv[optind]);
    dot = strrchr(m.plan.name, '.');
    if (dot && str_eq(dot, IMAGE_SUFFIX))
        *dot = 0;
    if (argc - optind == 2) {
        m.plan.program = argv[optind + 1];
        if (!m.command[0])
            m.command[0] = tree_place(m.plan.program);
    }
    if (!path)
        return FAILED;
    if (!m.command[0])
        return fail("what shall the image run? --cmd 'PROGRAM ARGUMENT...' says it");
    if (m.plan.cwd && m.plan.cwd[0] != '/')
        return fail("not an absolute path: %s", m.plan.cwd);
    m.plan.packages = m.packages;
    m.plan.command = m.command;
    m.plan.env = m.env;
    m.plan.bytecode = m.packages && strstr(m.packages, "python3");
    return image_make(&m.plan, path) ? 0 : FAILED;
}

static int image(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*call)(int argc, char **argv);
    } subs[] = { { "list", list }, { "ls", list }, { "make", make }, { "show", show }, { "rm", rm } };

    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(subs); i++)
        if (str_eq(argv[1], subs[i].name))
            return subs[i].call(argc - 1, argv + 1);
    return usage_of(&verb_image);
}

const struct verb verb_image = {
    .name = "image",
    .call = image,
    .usage = "image list | make | show | rm ...",
    .about = "make and look after app images",
    .help = "\n"
            "  goblin image list                      those in the cache, and the languages goblin knows\n"
            "  goblin image show IMAGE                what is in its head\n"
            "  goblin image rm NAME...                remove from the cache\n"
            "  goblin image make LANGUAGE             the stock image of a language\n"
            "  goblin image make IMAGE [OPTION...] [PROGRAM]\n"
            "\n"
            "IMAGE is a file name with a / or ending in .img, or a name in the cache. PROGRAM is one of this machine, which comes into the\n"
            "image with the libraries it needs. Options of make:\n"
            "  -d, --deb PACKAGE[,PACKAGE...]   Debian packages and all they need\n"
            "  -a, --add HOST[:AT]              a directory's contents, or a file (default AT: /)\n"
            "  -c, --cmd 'PROGRAM ARGUMENT...'  what it runs (default: PROGRAM)\n"
            "  -e, --env NAME=VALUE             a variable\n"
            "  -m, --memory SIZE                memory it may use\n"
            "  -w, --workdir DIR                where it starts (default: /)\n"
            "      --about TEXT                 a line for `goblin image list`\n",
};
