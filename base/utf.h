#pragma once
/* UTF-8, and UTF-16 as firmwares and partition tables have it. */
#include "base/types.h"

/* The next character of UTF-8 text; -1 for a byte that starts none (it is skipped alone). *s must not be at the end. */
int32_t utf8_next(const char **s);
/* How many of text's first n bytes are left when a character that n cuts in two goes whole. n if nothing was cut. */
size_t utf8_whole(const char *text, size_t n);
/* Cuts text to so many characters, a column each, and returns how many it has. */
unsigned utf8_cut(char *text, unsigned columns);
/* UTF-8 to UTF-16, bad bytes as '?'. Writes at most size units, the last one 0; returns units written without the 0. */
size_t utf8_to_utf16(uint16_t *dst, size_t size, const char *s);
/* Back; s ends at n units or at a 0. Half a surrogate pair, and what a terminal would obey, becomes '?'. dst always ends with 0. */
void utf8_from_utf16(char *dst, size_t size, const uint16_t *s, size_t n);
