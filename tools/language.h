#pragma once
/* The languages goblin knows: a table. */
#include "base/types.h"

struct language {
    const char *name;      /* of the language, and of its stock image */
    const char *suffixes;  /* ".a .b": of its files */
    const char *packages;  /* Debian packages, words */
    const char *program;   /* its path in the image; a shell pattern, since some carry their version */
    const char *commands;  /* names it is started by, words */
    const char *before;    /* arguments before a script's name, words; NULL: none */
    const char *web;       /* more packages that a web app needs (goblin new) */
};
extern const struct language languages[];
extern const size_t languages_count;

const struct language *language_of_file(const char *path);    /* by its suffix; NULL */
const struct language *language_of_script(const char *path);  /* the same; NULL also if its "#!" line asks for something else */
const struct language *language_of_command(const char *name); /* by its own name, or that of a command; NULL */
void languages_print(void);
/* True if word is one of those in words. */
bool word_in(const char *words, const char *word, size_t n);
