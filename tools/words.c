#include "tools/words.h"
#include <stdlib.h>
#include <string.h>

/* The word at *from, unquoted to `to`; false: a quote does not end. */
static bool word_take(const char **from, char *to)
{
    const char *p = *from;
    char quote = 0;

    for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
        if (quote ? *p == quote : *p == '\'' || *p == '"')
            quote = quote ? 0 : *p;
        else if (*p == '\\' && p[1] && quote != '\'')
            *to++ = *++p;
        else
            *to++ = *p;
    }
    *to = 0;
    *from = p;
    return !quote;
}

bool words_split(const char *line, char **words, unsigned max)
{
    unsigned n = 0;

    for (;;) {
        line += strspn(line, " \t\n");
        if (!*line)
            break;
        if (n == max)
            return false;
        words[n] = malloc(strlen(line) + 1);
        if (!words[n] || !word_take(&line, words[n]))
            return false;
        n++;
    }
    words[n] = NULL;
    return n > 0;
}
