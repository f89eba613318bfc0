/* The address space: every call's results and errors, faults with their addresses, stacks. Runs in an empty directory. */
#include "probe.h"

/* Offsets where numbers end, and a mapping that is both shared and private. */
static void edges(void)
{
    int fd = open("edge", O_RDWR | O_CREAT, 0600);

    SHOW((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, INT64_MAX & -PAGE));
    SHOW((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, -2 * PAGE));
    SHOW((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    close(fd);
}

static void rights(void)
{
    char *p = MAP(8 * PAGE, RW, ANON, -1, 0);

    memset(p, 7, 8 * PAGE);
    SHOW(mprotect(p + PAGE, PAGE, PROT_READ));
    probe("write to read-only", p + PAGE + 5, 1);
    probe("read of read-only", p + PAGE + 5, 0);
    SHOW(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
    probe("read of nothing", p + 2 * PAGE, 0);
    SHOW(mprotect(p + 2 * PAGE, PAGE, RW));
    SHOW(p[2 * PAGE + 9]);
    SHOW(munmap(p + 3 * PAGE, PAGE));
    probe("read of unmapped", p + 3 * PAGE + 1, 0);
    probe("write to unmapped", p + 3 * PAGE + 1, 1);
    probe("write to NULL's page", (char *)16, 1);
    SHOW(mprotect(p + 2 * PAGE, 3 * PAGE, PROT_READ));
    SHOW(mprotect(p + 1, PAGE, RW));
    SHOW(mprotect(p, PAGE, 0x77));
    SHOW(mprotect(p, 0, RW));
    SHOW(munmap(p + 1, PAGE));
    SHOW(munmap(p, 0));
    SHOW(munmap(p + 3 * PAGE, PAGE));
    SHOW(madvise(p, PAGE, MADV_DONTNEED));
    SHOW(p[0]);
    SHOW(p[PAGE - 1]);
    SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
    SHOW(madvise(p, PAGE, 9999));
    SHOW(madvise(p + 3 * PAGE, PAGE, MADV_DONTNEED));
    SHOW(madvise(p + 4 * PAGE, PAGE, MADV_FREE));
    SHOW(madvise(p + 4 * PAGE, PAGE, MADV_WILLNEED));
    SHOW(madvise(p + 4 * PAGE, PAGE, MADV_HUGEPAGE));
    SHOW(munmap(p, 8 * PAGE));
    FAILS(MAP(0, RW, ANON, -1, 0));
    FAILS(MAP(PAGE, RW, MAP_ANONYMOUS, -1, 0));
    FAILS(MAP(PAGE, RW, MAP_PRIVATE, -1, 0));
    FAILS(MAP(1ul << 60, RW, ANON, -1, 0));
    FAILS(mmap((void *)123, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    p = MAP(4 * PAGE, RW, ANON, -1, 0);
    FAILS(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    p[PAGE] = 5;
    SHOW(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + PAGE);
    SHOW(p[PAGE]);
    SHOW((unsigned long)MAP(PAGE, RW, ANON | MAP_32BIT, -1, 0) < 1ul << 31);
    munmap(p, 4 * PAGE);
}

static void calls(void)
{
    unsigned char vec[8];
    char *p = MAP(8 * PAGE, RW, ANON, -1, 0);

    memset(p, 1, 8 * PAGE);
    SHOW(mincore(p, 8 * PAGE, vec));
    SHOW(vec[0] & vec[7] & 1);
    SHOW(mincore(p + 1, PAGE, vec));
    SHOW(mincore(p, PAGE, BAD));
    munmap(p + 4 * PAGE, PAGE);
    SHOW(mincore(p, 8 * PAGE, vec));
    SHOW(msync(p, 8 * PAGE, MS_SYNC));
    SHOW(msync(p, PAGE, MS_SYNC));
    SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
    SHOW(msync(p, PAGE, 99));
    SHOW(msync(p + 1, PAGE, MS_SYNC));
    SHOW(mlock(p, PAGE));
    SHOW(mlock(p, 8 * PAGE));
    SHOW(munlock(p, PAGE));
    SHOW(mlockall(0));
    SHOW(mlockall(99));
    SHOW(munlockall());
    strcpy(p, "moved");
    p = mremap(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    SHOW(p != MAP_FAILED && !strcmp(p, "moved") && p[2 * PAGE] == 0);
    SHOW(mremap(p, 64 * PAGE, PAGE, 0) == p);
    probe("behind a shrunk mapping", p + PAGE, 0);
    FAILS(mremap(p, PAGE, 2 * PAGE, 99));
    FAILS(mremap(p + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    FAILS(mremap(p, PAGE, 0, MREMAP_MAYMOVE));
    FAILS(mremap((void *)(1ul << 45), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    FAILS(mremap(p, PAGE, 2 * PAGE, MREMAP_FIXED, p + 8 * PAGE));
    char *q = MAP(4 * PAGE, RW, ANON, -1, 0);
    SHOW(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
    SHOW(strcmp(q, "moved"));
    munmap(q, 4 * PAGE);
    void *end = sbrk(0);
    SHOW(sbrk(100000) == end);
    memset(end, 1, 100000);
    SHOW(sbrk(-100000) != (void *)-1);
    SHOW(sbrk(100000) == end);
    SHOW(((char *)end)[5000]);
    sbrk(-100000);
    struct rlimit lim = { 1ul << 30, RLIM_INFINITY };
    SHOW(setrlimit(RLIMIT_AS, &lim));
    FAILS(MAP(1ul << 31, RW, ANON, -1, 0));
    lim.rlim_cur = RLIM_INFINITY;
    SHOW(setrlimit(RLIMIT_AS, &lim));
}

static int deep(int n)
{
    volatile char room[1000];

    room[0] = (char)n;
    return n ? deep(n - 1) + room[0] - (char)n + 1 : 0;
}

static int endless(int n)
{
    volatile char room[4000];

    room[n % 4000] = 1;
    return endless(n + 1) + room[0];
}

static void stacks(void)
{
    static char alt[65536];
    stack_t s = { .ss_sp = alt, .ss_size = sizeof alt }, old;

    SHOW(deep(7000));
    SHOW(sigaltstack(&s, NULL));
    SHOW(sigaltstack(NULL, &old));
    SHOW(old.ss_flags);
    if (!sigsetjmp(back, 1))
        endless(0);
    printf("stack overflow: signal %d\n", fault_signal);
    s.ss_size = 100;
    SHOW(sigaltstack(&s, NULL));
    s.ss_flags = 99;
    SHOW(sigaltstack(&s, NULL));
    s = (stack_t){ .ss_flags = SS_DISABLE };
    SHOW(sigaltstack(&s, NULL));
}

static void many(void)
{
    char *p[3000];
    int n;

    for (n = 0; n < 3000; n++) {
        p[n] = MAP(3 * PAGE, RW, ANON, -1, 0);
        if (p[n] == MAP_FAILED)
            break;
        mprotect(p[n] + PAGE, PAGE, PROT_READ);
        p[n][0] = (char)n;
    }
    SHOW(n);
    for (n = 0; n < 3000; n += 2)
        munmap(p[n], 3 * PAGE);
    for (n = 1; n < 3000; n += 2)
        if (p[n][0] != (char)n)
            printf("%d wrong\n", n);
    for (n = 1; n < 3000; n += 2)
        munmap(p[n], 3 * PAGE);
}

/* What is shared with nobody, as there is one process: memory without a file, and the same by its device. */
static void nameless(void)
{
    char *a;

    a = MAP(PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    a[0] = 3;
    SHOW(a[0]);
    int fd = open("/dev/zero", O_RDWR);
    a = MAP(2 * PAGE, RW, MAP_PRIVATE, fd, PAGE);
    SHOW(a != MAP_FAILED && !a[PAGE] && ++a[PAGE]);
    a = MAP(PAGE, RW, MAP_SHARED, fd, 0);
    SHOW(a != MAP_FAILED && !a[0] && ++a[0]);
    a = MAP(PAGE, RW, MAP_PRIVATE, open("/dev/null", O_RDWR), 0);
    SHOW(a == MAP_FAILED);
}

int main(void)
{
    faults_begin();
    rights();
    edges();
    calls();
    nameless();
    stacks();
    many();
    return 0;
}
