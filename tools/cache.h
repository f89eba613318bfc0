#pragma once
/* The user's cache: $XDG_CACHE_HOME/goblin or ~/.cache/goblin. Whatever is in there can be made again. */
#include "base/types.h"

/* A path in the cache; the directories on the way are made. Never freed. NULL: told. */
char *cache_path(const char *fmt, ...) PRINTF(1, 2);
/* The same for what one can do without: NULL and not a word if there can be no cache. */
char *cache_maybe(const char *name);
/* Waits for the lock of that name, so that one process at a time makes a thing; a descriptor to close, or -1: told. */
int cache_lock(const char *name);
/* A fresh directory in the cache; NULL: told. */
char *cache_work(void);
/* Removes a directory and all in it. */
void tree_remove(const char *path);
/* mkdir -p; false: told. */
bool tree_make(const char *path);
