/* The goblin command: a table of verbs. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/goblin.h"

static int help(int argc, char **argv);
static const struct verb verb_help = { "help", help, "help [VERB]", "explain the command, or a verb", NULL, NULL };
static const struct verb *const verbs[] = { &verb_run, &verb_template, &verb_ps, &verb_stop, &verb_image, &verb_new, &verb_help };

int fail(const char *fmt, ...)
{
    va_list ap;

    fputs("goblin: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return FAILED;
}

char *text_of(const char *fmt, ...)
{
    va_list ap;
    char *s;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        exit(fail("not enough memory"));
    va_end(ap);
    return s;
}

int usage_of(const struct verb *v)
{
    fprintf(stderr, "usage: goblin %s\n`goblin help %s` explains it.\n", v->usage, v->name);
    return FAILED;
}

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static void list(FILE *to)
{
    fputs("Runs programs, each in an OS of its own.\n", to);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        fprintf(to, "  goblin %-42s %s\n", verbs[i]->usage, verbs[i]->about);
}

static int help(int argc, char **argv)
{
    const struct verb *v = argc > 1 ? verb_find(argv[1]) : NULL;

    if (argc > 1 && !v)
        return fail("there is no verb %s; `goblin help` lists them", argv[1]);
    if (!v) {
        list(stdout);
        return 0;
    }
    printf("usage: goblin %s\n%s%s", v->usage, v->help ? v->help : v->about, v->help ? "" : "\n");
    if (v->more)
        v->more();
    return 0;
}

int main(int argc, char **argv)
{
    const struct verb *v = argc > 1 ? verb_find(argv[1]) : NULL;

    if (v)
        return v->call(argc - 1, argv + 1);
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        list(stdout);
        return 0;
    }
    if (argc > 1)
        fail("there is no verb %s", argv[1]);
    list(stderr);
    return FAILED;
}
