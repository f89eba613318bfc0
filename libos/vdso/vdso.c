/* The vDSO: a small shared object in the libos' text that the C library finds by AT_SYSINFO_EHDR. It tells the time from the monitor's page, and the
 * CPU's number, without entering the libos; an event may come at any point of it, as in the program. What else is asked goes on to the libos. */
#include <asm/unistd.h>
#include "libos/clock.h"
#include "libos/cpu.h"
#include "libos/linux.h"

#define NS 1000000000u

int __vdso_clock_gettime(int, struct timespec *);
int __vdso_clock_getres(int, struct timespec *);
int __vdso_gettimeofday(struct timeval *, void *);
int64_t __vdso_time(int64_t *);
int __vdso_getcpu(uint32_t *, uint32_t *, void *);

/* As a rewritten `syscall`: compiled without a red zone, so the return address may lie below. */
static int call(int64_t number, uint64_t a, const void *b)
{
    __asm__ volatile("call *%%rax" : "+a"(number) : "D"(a), "S"(b) : "rcx", "r11", "memory");
    return (int)number;
}

static uint64_t now(int64_t *wall_offset)
{
    const volatile struct app_time *page;

    __asm__("mov %%gs:%c1, %0" : "=r"(page) : "i"(CPU_WORD(CPU_TIME)));
    return clock_page_read(page, wall_offset);
}

int __vdso_clock_gettime(int id, struct timespec *t)
{
    int64_t offset;
    uint64_t ns;

    switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        ns = now(&offset);
        ns += (uint64_t)offset;
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME: ns = now(&offset); break;
    default: return call(__NR_clock_gettime, (uint64_t)id, t);
    }
    t->tv_sec = (int64_t)(ns / NS);
    t->tv_nsec = (int64_t)(ns % NS);
    return 0;
}

int __vdso_clock_getres(int id, struct timespec *t)
{
    if (id < CLOCK_REALTIME || id > CLOCK_BOOTTIME)
        return call(__NR_clock_getres, (uint64_t)id, t);
    if (t)
        *t = (struct timespec){ 0, 1 };
    return 0;
}

int __vdso_gettimeofday(struct timeval *t, void *zone)
{
    int64_t offset;
    uint64_t ns;

    if (zone)
        return call(__NR_gettimeofday, (uint64_t)t, zone);
    ns = now(&offset) + (uint64_t)offset;
    if (t)
        *t = (struct timeval){ (int64_t)(ns / NS), (int64_t)(ns % NS / 1000) };
    return 0;
}

int64_t __vdso_time(int64_t *to)
{
    int64_t offset, s;
    uint64_t ns = now(&offset);

    s = (int64_t)((ns + (uint64_t)offset) / NS);
    if (to)
        *to = s;
    return s;
}

int __vdso_getcpu(uint32_t *cpu, uint32_t *node, void *unused)
{
    (void)unused;
    if (cpu)
        __asm__ volatile("mov %%gs:%c1, %0" : "=r"(*cpu) : "i"(offsetof(struct app_cpu, id)));
    if (node)
        *node = 0;
    return 0;
}
