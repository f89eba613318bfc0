#pragma once
/* What test programs for the app ABI share: they stand where the libos stands, and talk to the monitor alone. A program says lines
 * by APP_LOG and ends with pass() or fail(). test/qemu/test_apps.py starts them. */
#include "abi/app.h"
#include "arch/x86/cpu.h"
#include "arch/x86/reg.h"
#include "base/fmt.h"
#include "base/str.h"

struct upcall { /* as start.S pushes it */
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

extern const struct app_boot *app_boot;
extern struct app_cpu cpu0;
extern uint64_t missed_number;
extern const char app_name[];

int app_main(void);
int64_t gate(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t call);
void syscall_here(uint64_t number);

void say(const char *fmt, ...) PRINTF(1, 2);
NORETURN void leave(uint32_t status);
NORETURN void pass(void);
NORETURN void fail(const char *fmt, ...) PRINTF(1, 2);
#define CHECK(x) do { if (!(x)) fail("%s:%d: %s", __FILE__, __LINE__, #x); } while (0)
#define EXPECT(call, want) do { int64_t got_ = (call); if (got_ != (want)) fail("%s:%d: %s is %" PRId64, __FILE__, __LINE__, #call, got_); } while (0)

/* Calls fn(a, b). False if an exception came; last tells which. */
bool probe(void *fn, uint64_t a, uint64_t b);
extern struct upcall last;
extern uint64_t last_address; /* of a page fault */
extern unsigned events;       /* how many event upcalls came */
uint64_t now_ns(void);        /* by the clock page */
