/* A program that ignores the libos and misuses the gate itself: it may lose its own guest and nothing else. argv[1] chooses how. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int64_t gate(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
    register uint64_t r8 __asm__("r8") = d, r9 __asm__("r9") = e;
    int64_t r;

    __asm__ volatile("out %%eax, $0x47" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r8), "r"(r9) : "memory");
    return r;
}

static void arguments(void)
{
    static const uint64_t values[] = { 0, 1, 4095, 4096, 0x10000, 0x400000, 0x3FFD000000, 0x3FFFFFF000, 0x4000000000, 0x8000000000000000, UINT64_MAX, UINT64_MAX - 4095 };
    enum { N = sizeof values / sizeof *values };
    uint64_t seed = 1;

    /* not EXIT 1, WAIT 8 (would sleep), CPU_STOP, nor maps over what runs: those with the first argument drawn high */
    for (int i = 0; i < 3000; i++) {
        uint64_t a[5], nr;
        for (int k = 0; k < 5; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            a[k] = values[(seed >> 33) % N];
        }
        nr = (seed >> 20) % 20;
        if (nr == 1 || nr == 8)
            continue;
        if (nr >= 2 && nr <= 5 && a[0] < 0x3FFD000000)
            a[0] = 0x2000000000 + (a[0] & 0xFFFFFF);
        if (nr >= 2 && nr <= 5 && a[1] > 1 << 20)
            a[1] |= 0x8000000000000000;
        if (nr >= 2 && nr <= 5 && a[0] >= 0x3FFD000000 && a[0] < 0x4000000000)
            continue;
        if (nr == 0 || nr == 12 || nr == 14)
            continue;
        gate(nr, a[0], a[1], a[2], a[3], a[4]);
    }
    puts("arguments survived");
}

/* Each call of the gate with what it must refuse, and the error it must give (docs/app-abi.md). */
static void refused(void)
{
    enum { INVAL = -1, RANGE = -2, NOMEM = -3, UNSUPPORTED = -4, BUSY = -5 };
    const uint64_t here = 0x2000000000, top = 0x4000000000, page = 4096, max = UINT64_MAX;
    uint64_t cpu;
    int wrong = 0;

    __asm__ volatile("rdgsbase %0" : "=r"(cpu));
    cpu &= ~(page - 1);
    const struct {
        const char *what;
        uint64_t call, a[5];
        int64_t error;
    } rows[] = {
        { "log: too long", 0, { 0x400000, 1025 }, INVAL },
        { "log: unmapped", 0, { here, 10 }, RANGE },
        { "map: address", 2, { here + 1, page, 3 }, INVAL },
        { "map: length", 2, { here, 1, 3 }, INVAL },
        { "map: nothing", 2, { here, 0, 3 }, INVAL },
        { "map: prot", 2, { here, page, 0x40 }, INVAL },
        { "map: above the top", 2, { top, page, 3 }, RANGE },
        { "map: over the top", 2, { top - page, 2 * page, 3 }, RANGE },
        { "map: wraps", 2, { max - page + 1, 2 * page, 3 }, RANGE },
        { "map: over the limit", 2, { here, 1ull << 30, 3 }, NOMEM },
        { "map: a CPU in use", 2, { cpu, page, 3 }, BUSY },
        { "map file: channel", 3, { here, page, 1, 99ull << 32, 0 }, INVAL },
        { "map file: fid", 3, { here, page, 1, 4000, 0 }, UNSUPPORTED },
        { "map file: a CPU in use", 3, { cpu, page, 1, 0, 0 }, BUSY },
        { "unmap: address", 4, { here + 8, page }, INVAL },
        { "unmap: above the top", 4, { top, page }, RANGE },
        { "unmap: a CPU in use", 4, { cpu, page }, BUSY },
        { "protect: address", 5, { 12, page, 1 }, INVAL },
        { "protect: prot", 5, { here, page, 0x18 }, INVAL },
        { "protect: wraps", 5, { here, max - page + 1, 1 }, RANGE },
        { "protect: over the limit", 5, { here, 1ull << 30, 1 }, NOMEM },
        { "template: is not to become one", 6, { 0 }, 0 },
        { "kick: channel", 7, { 99 }, INVAL },
        { "kick: channel", 7, { max }, INVAL },
        { "wake: no such CPU", 9, { max }, INVAL },
        { "wake: not started", 9, { 63 }, INVAL },
        { "start: no such CPU", 10, { 64, 0x400000, here, cpu }, INVAL },
        { "start: the boot CPU", 10, { 0, 0x400000, here, cpu }, BUSY },
        { "stop: the boot CPU", 11, { 0 }, INVAL },
        { "rewrite: unmapped", 14, { here, page }, RANGE },
        { "rewrite: above the top", 14, { top, page }, RANGE },
        { "no such call", 99, { 0 }, INVAL },
        { "no such call", max, { 0 }, INVAL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t r = gate(rows[i].call, rows[i].a[0], rows[i].a[1], rows[i].a[2], rows[i].a[3], rows[i].a[4]);
        if (r != rows[i].error) {
            printf("%s: %d instead of %d\n", rows[i].what, (int)r, (int)rows[i].error);
            wrong++;
        }
    }
    printf("calls, wrong: %d\n", wrong);
}

static void bells(void)
{
    static const uint32_t numbers[] = { 0, 1, 2, 15, 16, 255, 256, 257, 319, 320, 0x7FFFFFFF, 0xFFFFFFFF };

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            __asm__ volatile("out %%eax, $0x48" ::"a"(numbers[i]) : "memory");
    puts("bells survived");
}

/* Reads all over what can be mapped, and writes where nothing ever is. */
static sigjmp_buf back;
static void on_fault(int n)
{
    (void)n;
    siglongjmp(back, 1);
}

static void sweep(void)
{
    struct sigaction sa = { .sa_handler = on_fault };
    volatile int faults = 0, written = 0;

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    for (volatile uint64_t at = 0; at < 1ull << 39; at += 256 << 20) {
        if (sigsetjmp(back, 1))
            faults++;
        else
            (void)*(volatile char *)(at + 64);
    }
    for (volatile int bit = 38; bit < 64; bit++)
        for (volatile uint64_t k = 0; k < 8; k++) {
            if (sigsetjmp(back, 1))
                continue;
            *(volatile char *)((1ull << bit) + (k << 12)) = 1;
            written++;
        }
    printf("swept: %d, written: %d\n", faults > 1000, written);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IONBF, 0);
    if (!strcmp(how, "arguments"))
        arguments();
    if (!strcmp(how, "refused"))
        refused();
    if (!strcmp(how, "bells"))
        bells();
    if (!strcmp(how, "sweep"))
        sweep();
    if (!strcmp(how, "number"))
        printf("unknown call %d\n", (int)gate(99, 0, 0, 0, 0, 0));
    if (!strcmp(how, "template"))
        printf("template %d\n", (int)gate(6, 0, 0, 0, 0, 0));
    if (!strcmp(how, "log"))
        printf("log %d %d\n", (int)gate(0, 0x2000000000, 100, 0, 0, 0), (int)gate(0, 0x400000, 5000, 0, 0, 0));
    if (!strcmp(how, "ring")) { /* the channels' rings full of nonsense */
        for (uint64_t at = 0x3FFD400000; at < 0x3FFD400000 + 256; at += 4)
            *(volatile uint32_t *)at = 0xFFFFFFFF;
        printf("kick %d\n", (int)gate(7, 0, 0, 0, 0, 0));
        printf("kick %d\n", (int)gate(7, 0, 0, 0, 0, 0));
    }
    if (!strcmp(how, "unmap")) /* the libos, under one's own feet */
        gate(4, 0x10000, 0x10000, 0, 0, 0);
    if (!strcmp(how, "gdt"))
        *(volatile char *)0x4000000000 = 1; /* the monitor's tables */
    if (!strcmp(how, "cli"))
        __asm__ volatile("hlt");
    if (!strcmp(how, "port"))
        __asm__ volatile("outb %%al, $0x80" ::"a"(1));
    if (!strcmp(how, "bomb")) {
        size_t n = 0;
        char *volatile p;
        while ((p = malloc(1 << 20))) {
            memset(p, 1, 1 << 20);
            n++;
        }
        printf("memory ended %d\n", n > 10 && n < 200);
    }
    if (!strcmp(how, "full")) { /* calls that may be put off are refused where there is no memory for them */
        int fd = open(argv[0], O_RDONLY), refused = 0;
        off_t bytes = lseek(fd, 0, SEEK_END);

        for (size_t n = 1 << 24; n >= 4096; n /= 2)
            while (mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
                ;
        for (int i = 0; i < 40; i++)
            refused += mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == ENOMEM;
        printf("refused %d\n", refused);
    }
    puts("end");
    return 0;
}
