#pragma once
#include "base/types.h"

/* Splits a line into words as a shell does: white space, '...', "..." and \ . No variables, no patterns. The words are new; the list ends with
 * NULL. False: none, more than max, or a quote that does not end. */
bool words_split(const char *line, char **words, unsigned max);
