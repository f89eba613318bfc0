/* Our own bugs end the process: a guest's monitor serves nobody else. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/panic.h"

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("goblin: panic: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}
