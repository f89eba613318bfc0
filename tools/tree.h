#pragma once
/* The directory tree an image is made of. All paths in the tree begin with "/"; false: told. */
#include "base/types.h"

bool tree_start(const char *tree);                                                     /* what every root has */
bool tree_copy(const char *tree, const char *spec, const char *log);                   /* "HOST" or "HOST:AT" */
bool tree_program(const char *tree, const char *program, const char *log);             /* with the libraries it needs */
char *tree_place(const char *program);                                                 /* where that is then */
char *tree_find(const char *tree, const char *program);                                /* a path, name or pattern; NULL: not there */
unsigned tree_rewrite(const char *tree); /* turns the system-call sites of all programs into calls; how many */
