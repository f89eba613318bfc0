/* A program that ignores the libos and misuses the gate itself: it may lose its own guest and nothing else. argv[1] chooses how. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IONBF, 0);
    if (!strcmp(how, "arguments"))
        arguments();
    if (!strcmp(how, "number"))
        printf("unknown call %d\n", (int)gate(99, 0, 0, 0, 0, 0));
    if (!strcmp(how, "clone"))
        printf("clone %d\n", (int)gate(6, 0, 0, 0, 0, 0));
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
    puts("end");
    return 0;
}
