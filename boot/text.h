#pragma once
/* Text of strangers: what entry files, loader.conf and os-release have in common. Everything works in the caller's
 * buffer. */
#include "base/types.h"

/* Splits the next line off *rest, without its end (LF or CR LF) and the white space around it. NULL when none is left.
 */
char *text_line(char **rest);
/* Ends the first word of line with 0 and returns what follows, without leading white space; "" if there is nothing. */
char *text_after_word(char *line);
/* Replaces control bytes and whatever is not UTF-8 by '?'. False if there was any. */
bool text_clean(char *s);

/* Makes one line of several, without the white space around it: what breaks lines becomes a blank. */
char *text_flat(char *s);

/* Shell pattern of the whole string: * and ?. ASCII case does not matter, as on the FAT file system. */
bool text_glob(const char *pattern, const char *s);
/* The order of versions: negative if a is older than b. UAPI group, "Version Format Specification". */
int text_version_cmp(const char *a, const char *b);
/* True if one letter added, dropped, changed, or swapped with its neighbour makes b of a. */
bool text_one_slip(const char *a, const char *b);
/* Bytes of a file name without its suffix. */
size_t text_stem(const char *name);
