#pragma once
/* For the programs that map memory: what an access does, a fault told with its address. */
#include "show.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGE 4096ul
#define BAD ((void *)8)
#define MAP(len, prot, flags, fd, off) mmap(NULL, len, prot, flags, fd, off)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
#define FAILS(x) SHOW((x) == MAP_FAILED ? -1 : 0)

static sigjmp_buf back;
static volatile int fault_signal, fault_code;
static void *volatile fault_at;

static void on_fault(int n, siginfo_t *i, void *u)
{
    fault_signal = n;
    fault_code = i->si_code;
    fault_at = i->si_addr;
    siglongjmp(back, 1);
}

/* What an access does: 0, or the signal, its code, and whether the address is right. */
static void probe(const char *what, volatile char *p, int write)
{
    if (!sigsetjmp(back, 1)) {
        if (write)
            *p = 1;
        else
            (void)*p;
        printf("%-50s fine\n", what);
    } else
        printf("%-50s signal %d code %d %s\n", what, fault_signal, fault_code, fault_at == p ? "at the address" : "ELSEWHERE");
}

static void faults_begin(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
}
