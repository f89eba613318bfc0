#pragma once
/* How long a call takes: MEASURE() prints the best of several rounds. */
#include <stdio.h>
#include <time.h>

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

/* unit: in ns. `call` may use i, the number of the call in its round. */
#define MEASURE(name, unit, times, call)                \
    do {                                                \
        double best = 1e18;                             \
        for (int round = 0; round < 7; round++) {       \
            double start = now_ns(), each;              \
            for (int i = 0; i < times; i++)             \
                call;                                   \
            each = (now_ns() - start) / times;          \
            best = each < best ? each : best;           \
        }                                               \
        printf("%s %.2f\n", name, best / unit);         \
    } while (0)
