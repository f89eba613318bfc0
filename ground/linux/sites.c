/* Turns `syscall` sites of a guest's text into calls. */
#define _GNU_SOURCE
#include <stdlib.h>
#include "ground/linux/guest.h"
#include "ground/linux/rewrite.h"

struct patch {
    struct space *space;
    uint64_t addr;
    unsigned sites;
};

static void patch_site(void *arg, uint64_t site)
{
    struct patch *p = arg;

    p->sites += space_copy(p->space->base + p->addr + site, rewrite_call, sizeof rewrite_call);
}

unsigned rewrite_sites(struct space *space, uint64_t addr, uint64_t len)
{
    struct patch p = { .space = space, .addr = addr };
    uint8_t *text = malloc(len); /* a copy, which the guest cannot change */

    if (text && space_copy(text, space->base + addr, len))
        rewrite_find(text, len, patch_site, &p);
    free(text);
    return p.sites;
}
