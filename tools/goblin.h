#pragma once
/* What the verbs of the goblin command share. */
#include "base/types.h"

#define FAILED 125 /* as docker and env say: goblin itself failed, not the program */

/* A verb is called with argv[0] its own name; the result is the exit status. */
struct verb {
    const char *name;
    int (*call)(int argc, char **argv);
    const char *usage;       /* what follows "goblin " */
    const char *about;       /* one line */
    const char *help;        /* the rest, may be NULL */
    void (*more)(void);      /* prints what is kept in tables, may be NULL */
};
extern const struct verb verb_run, verb_template, verb_image, verb_new, verb_ps, verb_stop;

/* Writes "goblin: " and the text to stderr; FAILED. */
int fail(const char *fmt, ...) PRINTF(1, 2);
/* Writes a verb's usage to stderr; FAILED. */
int usage_of(const struct verb *);
/* In a buffer of its own that is never freed; exits if there is no memory. */
char *text_of(const char *fmt, ...) PRINTF(1, 2);
