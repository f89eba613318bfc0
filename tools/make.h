#pragma once
/* Making an app image. */
#include "base/types.h"

struct image_plan {
    const char *what;      /* for progress lines */
    const char *name;      /* of the image */
    const char *about;
    const char *packages;  /* Debian packages, words; NULL */
    const char *dirs[16];  /* "HOST" or "HOST:AT": directories and files copied in */
    unsigned ndirs;
    const char *program;   /* a program of this machine, copied with its libraries; NULL */
    char **command;        /* the program in the image (a path, a name, or a shell pattern), arguments; NULL at the end */
    char **env;            /* NULL at the end */
    const char *cwd;
    uint64_t memory;
    bool bytecode;         /* Python's modules are compiled */
};

uint32_t drivers_crc(void); /* of the programs it puts into images of languages: head.drivers */
/* Makes the file at path, in one step at the end: nobody sees a half-made image. False: told. */
bool image_make(const struct image_plan *, const char *path);
