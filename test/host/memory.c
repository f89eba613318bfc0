/* Mappings, protection and what happens when it is broken. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int caught, code;
static void *volatile where;

static void on_fault(int n, siginfo_t *i, void *c)
{
    (void)c;
    caught = n;
    code = i->si_code;
    where = i->si_addr;
    siglongjmp(back, 1);
}

#define TRY(what, p, act) do { caught = 0; if (!sigsetjmp(back, 1)) { act; } \
    printf("%s: signal %d code %d %s\n", what, caught, caught ? code : 0, caught && where == (void *)(p) ? "there" : ""); } while (0)

static int one;
static int *const relocated[] = { &one }; /* written by the loader, then read-only (RELRO) */

static void rights(void)
{
    volatile char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    p[0] = 1;
    p[4096] = 2;
    mprotect((void *)p, 4096, PROT_READ);
    TRY("write to read-only", p, p[0] = 3);
    TRY("read of read-only", p, (void)p[0]);
    mprotect((void *)(p + 4096), 4096, PROT_NONE);
    TRY("read of none", p + 4096, (void)p[4096]);
    mprotect((void *)(p + 4096), 4096, PROT_READ | PROT_WRITE);
    TRY("read again", p + 4096, printf("%d ", p[4096]));
    TRY("write again", p, p[4096] = 5);
    munmap((void *)p, 4096);
    TRY("read of unmapped", p, (void)p[0]);
    TRY("neighbour", p + 4096, printf("%d ", p[4096]));
    TRY("far away", (void *)0x123456789000, (void)*(volatile char *)0x123456789000);
    TRY("write to null", NULL, *(volatile char *)8 = 1);
    TRY("write to relocated", relocated, *(int *volatile *)relocated = NULL);
    munmap((void *)(p + 4096), 8192);
}

static void large(void)
{
    size_t n = 16 << 20;
    unsigned char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long sum = 0;

    for (size_t i = 0; i < n; i += 4096)
        p[i] = (unsigned char)(i >> 12);
    mprotect(p + (5 << 20), 4096, PROT_READ); /* in the middle of a large page */
    for (size_t i = 0; i < n; i += 4096)
        sum += p[i];
    printf("sum %lu\n", sum);
    TRY("middle", p + (5 << 20), p[5 << 20] = 1);
    TRY("beside", p, p[(5 << 20) + 4096] = 1);
    munmap(p + (8 << 20), 2 << 20);
    TRY("hole", p + (9 << 20), (void)*(volatile unsigned char *)(p + (9 << 20)));
    printf("again %d\n", mmap(p + (8 << 20), 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + (8 << 20));
    printf("zero %d %d\n", p[8 << 20], p[(10 << 20) - 1]);
    madvise(p, 4 << 20, MADV_DONTNEED);
    printf("zero %d, kept %d\n", p[4096], p[(4 << 20) + 4096] != 0);
    munmap(p, n);
}

static void moves(int rounds)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;

    strcpy(p, "moved");
    q = mremap(p, 8192, 1 << 20, MREMAP_MAYMOVE);
    printf("mremap %s %d\n", q, q[(1 << 20) - 1]);
    q = mremap(q, 1 << 20, 4096, 0);
    printf("shrunk %s\n", q);
    TRY("cut off", q + 4096, (void)*(volatile char *)(q + 4096));
    printf("brk %d\n", sbrk(0) != (void *)-1 && sbrk(1 << 20) != (void *)-1 && *((char *)sbrk(0) - 1) == 0);
    printf("bad %d %d\n", munmap((void *)1, 4096), errno == EINVAL);
    printf("bad %d %d\n", mprotect((void *)0x70000000, 4096, PROT_READ), errno == ENOMEM);
    for (int i = 0; i < rounds; i++) {
        void *big[20];
        for (int k = 0; k < 20; k++)
            memset(big[k] = malloc((size_t)(1000 * (i * 7 + k))), k, (size_t)(1000 * (i * 7 + k)));
        for (int k = 0; k < 20; k++)
            free(big[k]);
    }
    puts("malloc");
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

    (void)argv;
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    rights();
    large();
    moves(argc > 1 ? 200 : 20); /* few where memory is slow */
    fflush(stdout);
    signal(SIGSEGV, SIG_DFL);
    *(volatile int *)0x123456789000 = 1;
    return 1;
}
