#pragma once
/* An app as a directory: its manifest goblin.app says how it is run. Lines are a key and a value; # begins a comment. */
#include "tools/options.h"

#define APP_MANIFEST "goblin.app"

/* Runs the app in dir; more arguments come behind the manifest's. */
int run_app(struct options *, const char *dir, char **more, int count);
/* run.c: runs an image; a NULL path: told already */
int run_image(struct options *, const char *path, char **more, int count);
