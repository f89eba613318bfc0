#include "base/panic.h"
#include "test/app/app.h"

struct upcall last;
uint64_t last_address;
unsigned events;
extern uint64_t probe_rsp;
extern const char probe_failed[];
void upcall(struct upcall *);

void say(const char *fmt, ...)
{
    char line[400];
    va_list ap;
    size_t n;

    va_start(ap, fmt);
    n = fmt_vtext(line, sizeof line, fmt, ap);
    va_end(ap);
    gate((uint64_t)line, n, 0, 0, 0, APP_LOG);
}

void leave(uint32_t status)
{
    for (;;)
        gate(status, 0, 0, 0, 0, APP_EXIT);
}

void pass(void)
{
    say("PASS %s", app_name);
    leave(0);
}

void fail(const char *fmt, ...)
{
    char line[300];
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(line, sizeof line, fmt, ap);
    va_end(ap);
    say("FAIL %s: %s", app_name, line);
    leave(1);
}

void upcall(struct upcall *u)
{
    if (u->vector == APP_VEC_EVENT) {
        events++;
        __atomic_store_n(&cpu0.pending, 0, __ATOMIC_SEQ_CST);
        return;
    }
    last = *u;
    last_address = u->vector == VEC_PF ? (uint64_t)gate(0, 0, 0, 0, 0, APP_FAULT) : 0;
    if (!probe_rsp)
        fail("exception %u at %#" PRIx64 ", address %#" PRIx64, (unsigned)u->vector, u->rip, last_address);
    u->rip = (uint64_t)probe_failed;
    u->rflags &= ~RFLAGS_TF;
}

void panic(const char *fmt, ...)
{
    (void)fmt;
    fail("panic");
}

uint64_t now_ns(void)
{
    const volatile struct app_time *t = (const volatile struct app_time *)app_boot->time;

    return t->mono + cpu_mul_shift32(cpu_tsc() - t->tsc_base, t->mult);
}
