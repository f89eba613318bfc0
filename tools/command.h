#pragma once
/* Other programs that the goblin command uses: apt-get, tar, mkfs.erofs ... They are started directly, never through a shell. */
#include "base/types.h"

/* Runs argv (ends with NULL) with its output going to the file `log`; dir: where, or NULL. True if it ended well. */
bool command_run(const char *dir, const char *log, const char *const *argv);
/* One whose standard output goes to the next one's input. */
bool command_pipe(const char *log, const char *const *from, const char *const *to);
/* Prints the last lines of a log to stderr. */
void log_tail(const char *log);
/* True if the program is in PATH. */
bool command_exists(const char *name);
