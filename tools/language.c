/* The languages goblin knows, and how a script of each is recognised. */
#define _GNU_SOURCE
#include "tools/language.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct language languages[] = {
    { "lua", ".lua", "lua5.4", "/usr/bin/lua5.4", "lua lua5.4", NULL, "lua-socket" },
    { "python", ".py", "python3 libc-bin", "/usr/bin/python3.*[0-9]", "python python3", NULL, "" },
    { "js", ".js .mjs .cjs", "nodejs", "/usr/bin/node", "js node nodejs", NULL, "" },
    { "perl", ".pl", "perl libc-bin", "/usr/bin/perl", "perl", NULL, "" },
    { "ruby", ".rb", "ruby libc-bin", "/usr/bin/ruby[0-9]*", "ruby", NULL, NULL },
    { "tcl", ".tcl", "tcl", "/usr/bin/tclsh[0-9]*", "tcl tclsh", NULL, NULL },
    { "php", ".php", "php-cli libc-bin", "/usr/bin/php[0-9]*", "php", NULL, NULL },
    { "scheme", ".scm", "guile-3.0 libc-bin", "/usr/bin/guile-*|/usr/lib/x86_64-linux-gnu/guile/*/bin/guile", "scheme guile", "--no-auto-compile", NULL },
    { "forth", ".fs .fth", "gforth", "/usr/bin/gforth", "forth gforth", NULL, NULL },
    { "sqlite", "", "sqlite3", "/usr/bin/sqlite3", "sqlite sqlite3", NULL, NULL },
    { "sh", ".sh", "busybox-static", "/usr/bin/busybox", "busybox", "sh", NULL },
};
const size_t languages_count = ARRAY_LEN(languages);

bool word_in(const char *words, const char *word, size_t n)
{
    for (const char *w = words; *w;) {
        size_t len = strcspn(w, " ");
        if (len == n && memcmp(w, word, n) == 0)
            return true;
        w += len;
        w += strspn(w, " ");
    }
    return false;
}

const struct language *language_of_file(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

    for (size_t i = 0; dot && i < languages_count; i++)
        if (word_in(languages[i].suffixes, dot, strlen(dot)))
            return &languages[i];
    return NULL;
}

/* Whether it is a program of its own whose "#!" line asks for something else than the language, perhaps by way of env. */
static bool starts_otherwise(const char *path, const struct language *l)
{
    char line[256] = "", *word, *rest, *slash;
    FILE *f = access(path, X_OK) == 0 ? fopen(path, "re") : NULL;
    bool script = f && fgets(line, sizeof line, f) && line[0] == '#' && line[1] == '!';

    if (f)
        fclose(f);
    if (!script)
        return false;
    word = strtok_r(line + 2, " \t\n", &rest);
    for (; word; word = strtok_r(NULL, " \t\n", &rest)) {
        slash = strrchr(word, '/');
        word = slash ? slash + 1 : word;
        if (strcmp(word, "env") != 0 && word[0] != '-' && !strchr(word, '='))
            break;
    }
    return word && strcmp(word, l->name) != 0 && !word_in(l->commands, word, strlen(word));
}

const struct language *language_of_script(const char *path)
{
    const struct language *l = language_of_file(path);

    return l && !starts_otherwise(path, l) ? l : NULL;
}

const struct language *language_of_command(const char *name)
{
    for (size_t i = 0; i < languages_count; i++)
        if (strcmp(languages[i].name, name) == 0 || word_in(languages[i].commands, name, strlen(name)))
            return &languages[i];
    return NULL;
}

void languages_print(void)
{
    for (size_t i = 0; i < languages_count; i++)
        printf("  %-8s %-16s packages %s\n", languages[i].name, languages[i].suffixes, languages[i].packages);
}
