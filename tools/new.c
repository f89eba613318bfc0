/* goblin new: a working web app to begin with, a directory for `goblin run`. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "tools/app.h"
#include "tools/goblin.h"
#include "tools/language.h"

/* tools/new/texts.S */
extern const char new_lua[], new_python[], new_js[];

static const struct {
    const char *language, *file, *text;
} apps[] = {
    { "lua", "main.lua", new_lua },
    { "python", "main.py", new_python },
    { "js", "main.js", new_js },
};

static bool text_write(const char *dir, const char *name, const char *text)
{
    char *path = text_of("%s/%s", dir, name);
    FILE *f = fopen(path, "wxe");
    bool ok = f && fputs(text, f) >= 0;

    ok = (!f || fclose(f) == 0) && ok;
    if (!ok)
        fail("cannot write %s: %m", path);
    free(path);
    return ok;
}

static int app_new(const char *dir, const struct language *l, const char *file, const char *text)
{
    char *packages = l->web[0] ? text_of("packages %s\n", l->web) : "";
    char *manifest = text_of("# How `goblin run %s` runs this app; `goblin help new` lists the keys.\n"
                             "language %s\n%s"
                             "command  %s\n"
                             "volume   data:/data\n"
                             "publish  8080:8080\n"
                             "memory   256M\n", dir, l->name, packages, file);

    if (mkdir(dir, 0755))
        return fail("cannot make the directory %s: %m", dir);
    if (mkdir(text_of("%s/data", dir), 0755))
        return fail("cannot make the directory %s/data: %m", dir);
    if (!text_write(dir, APP_MANIFEST, manifest) || !text_write(dir, file, text))
        return FAILED;
    printf("%s: a web app in %s. Run it with\n\n    goblin run %s\n\nand look at http://localhost:8080/\n", dir, l->name, dir);
    return 0;
}

static int new(int argc, char **argv)
{
    const struct language *l = argc == 3 ? language_of_command(argv[1]) : NULL;

    if (argc != 3)
        return usage_of(&verb_new);
    for (size_t i = 0; l && i < ARRAY_LEN(apps); i++)
        if (strcmp(apps[i].language, l->name) == 0)
            return app_new(argv[2], l, apps[i].file, apps[i].text);
    return fail("no app to begin with in %s; there are lua, python and js", argv[1]);
}

const struct verb verb_new = {
    .name = "new",
    .call = new,
    .usage = "new LANGUAGE NAME",
    .about = "begin a web app in a directory NAME",
    .help = "\n"
            "LANGUAGE is lua, python or js. The directory gets the app's program, a directory data for what shall stay, and goblin.app:\n"
            "  language NAME         whose image it runs in\n"
            "  packages NAME...      more Debian packages in that image\n"
            "  image FILE            an image of its own instead\n"
            "  command WORD...       what the language's program is given\n"
            "  volume HOST:AT[:ro]   a directory, relative to the app's\n"
            "  publish, memory, env, cpus, net, name   as the options of `goblin run`\n"
            "The app's directory is /app in the guest, read-only, and where it starts.\n",
};
