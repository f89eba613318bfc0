/* The gate's memory calls. Those that map something where nothing is lie in a list until it is needed: a program that loads a library maps four or five
 * parts of it before it touches one, and all of them are one call then, made by the next memory call of another kind, or by a fault. So do the rights that
 * a loader takes away at its end, until the program's first system call. */
#include "libos/vma.h"

#define WAIT_BYTES MIB(16) /* what is larger is asked for at once */

static struct app_batched list[APP_BATCH_MAX];
static unsigned waiting;
bool maps_may_wait;

static int64_t ask(void)
{
    unsigned n = waiting;
    const uint64_t *a = list[0].a;

    waiting = 0;
    return n == 1 ? gate(a[0], a[1], a[2], a[3], a[4], list[0].call) : gate((uint64_t)list, n, 0, 0, 0, APP_BATCH);
}

bool maps_flush(void)
{
    bool any = waiting;

    if (any && ask() < 0)
        panic("not enough memory for what the program has mapped");
    return any;
}

bool maps_wait(uint64_t addr, uint64_t len)
{
    for (unsigned i = 0; i < waiting; i++)
        if (list[i].call != APP_PROTECT && addr >= list[i].a[0] && addr + len <= list[i].a[0] + list[i].a[1])
            return true;
    return false;
}

int64_t maps_call(uint64_t call, uint64_t addr, uint64_t len, unsigned prot, uint64_t from, uint64_t offset)
{
    list[waiting++] = (struct app_batched){ call, { addr, len, prot, from, offset } };
    return maps_may_wait && call != APP_UNMAP && len <= WAIT_BYTES && waiting < APP_BATCH_MAX ? 0 : ask();
}
