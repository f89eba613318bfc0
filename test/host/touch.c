/* Prints how long it takes, in ms, to touch memory for the first time. */
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

int main(void)
{
    size_t n = 256 << 20;
    double start = now();
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(p, n, MADV_HUGEPAGE); /* natively it may be needed */
    for (size_t i = 0; i < n; i += 4096)
        p[i] = 1;
    printf("touch %.3f\n", now() - start);
    return 0;
}
