/* Prints how long the same work takes, in ms, by one thread and shared by two. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define WORK 200000000l

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

static void *work(void *rounds)
{
    volatile unsigned long x = 1;

    for (long i = 0; i < (long)rounds; i++)
        x = x * 3 + 1;
    return NULL;
}

static double measure(int threads)
{
    double start = now();
    pthread_t t[2];

    for (int i = 0; i < threads; i++)
        pthread_create(&t[i], NULL, work, (void *)(WORK / threads));
    for (int i = 0; i < threads; i++)
        pthread_join(t[i], NULL);
    return now() - start;
}

int main(void)
{
    for (int i = 0; i < 3; i++)
        printf("one %.3f\ntwo %.3f\n", measure(1), measure(2));
    return 0;
}
