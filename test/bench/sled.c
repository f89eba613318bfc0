/* What a system call costs whose number the libos answers by itself: getppid, as stock programs call it. Prints ticks for one, the best of some
 * rounds; under QEMU's -icount they are instructions. The image maker turns its `syscall` into a call of the sled. */
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#define TIMES 1000

static uint64_t round_of(int call)
{
    uint64_t from = __rdtsc();

    for (int i = 0; i < TIMES; i++) {
        long r = SYS_getppid;
        if (call)
            __asm__ volatile("syscall" : "+a"(r)::"rcx", "r11", "memory");
        else
            __asm__ volatile("" : "+a"(r)::"rcx", "r11", "memory");
    }
    return __rdtsc() - from;
}

int main(void)
{
    uint64_t with = UINT64_MAX, without = UINT64_MAX, t;

    for (int i = 0; i < 20; i++) {
        with = (t = round_of(1)) < with ? t : with;
        without = (t = round_of(0)) < without ? t : without;
    }
    printf("SLED %d\n", (int)((with - without) / TIMES));
    return 0;
}
