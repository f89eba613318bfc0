#pragma once
/* The options of `goblin run`: a table (options.c) that reads the command line and the lines of an app's manifest alike. */
#include "ground/linux/run.h"

#define ENV_MAX 1024

struct options {
    struct guest_config cfg; /* as far as options say; strings of argv are kept */
    char *env[ENV_MAX];      /* cfg.env */
    const char *cwd, *host;  /* NULL: not given */
    const char *image;       /* --image */
    const char *from;        /* --from: a template */
    const char *entrypoint;
};

/* Reads options up to the first argument; its index. Negative: -1 help was asked for, -2 an error was told. */
int options_read(struct options *, int argc, char **argv);
/* One option by its long name; false: an error was told. */
bool options_set(struct options *, const char *name, char *value);
bool options_known(const char *name);
void options_help(void);
/* Sets NAME=VALUE, or passes NAME on. over: also if it is set already. False: too many. */
bool env_set(struct options *, char *entry, bool over);
const char *env_get(const struct options *, const char *name);
