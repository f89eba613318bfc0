#pragma once
/* Our own bugs end here; a guest's fault never does (ERR_GUEST). Each ground supplies panic(). */
#include "base/types.h"

NORETURN void panic(const char *fmt, ...) PRINTF(1, 2);

#define ASSERT(x)                                                  \
    do {                                                           \
        if (!(x))                                                  \
            panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #x); \
    } while (0)
