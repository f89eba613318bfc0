/* The guest's memory calls in any order, with any arguments, against a model that keeps rights and contents page by page. */
#include <stdlib.h>
#include <string.h>
#include "base/panic.h"
#include "ground/linux/space.h"

#define WINDOW MIB(0x4000) /* where most calls go; a multiple of 1 GiB */
#define PAGES 2048u        /* of it, 4 large ones */
#define LIMIT_PAGES 1500u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct space space;
static struct {
    bool mapped;    /* it has contents */
    uint8_t prot, byte;
} model[PAGES];
static uint64_t tables_at_start;

err_t kvm_machine_memory(struct kvm_machine *m, uint64_t gpa, void *at, uint64_t len)
{
    (void)m;
    ASSERT(at && len && gpa % PAGE_SIZE == 0);
    return OK;
}

static unsigned rights_of(unsigned prot)
{
    return !prot ? TABLES_KEPT : TABLES_READ | (prot & APP_WRITE ? TABLES_WRITE : 0) | (prot & APP_EXEC ? TABLES_EXEC : 0);
}

static void check(void)
{
    uint64_t mapped = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        uint64_t end;
        unsigned rights;
        bool there = tables_get(&space.tables, WINDOW + i * (uint64_t)PAGE_SIZE, &rights, &end);
        uint8_t byte = 0;
        ASSERT(there == model[i].mapped);
        ASSERT(!there || rights == rights_of(model[i].prot));
        mapped += there;
        if (there && rights != TABLES_KEPT)
            ASSERT(space_read(&space, WINDOW + i * (uint64_t)PAGE_SIZE + 5, &byte, 1) == OK && byte == model[i].byte);
    }
    ASSERT(space.tables.pages == mapped);
    ASSERT(space.tables.used <= space.tables.size);
}

/* One call on pages of the window. */
static void act(unsigned what, unsigned first, unsigned n, unsigned prot)
{
    uint64_t at = WINDOW + first * (uint64_t)PAGE_SIZE, len = n * (uint64_t)PAGE_SIZE;
    err_t r = what == 0 ? space_map(&space, at, len, prot) : what == 1 ? space_unmap(&space, at, len) : space_protect(&space, at, len, prot);

    ASSERT(r == OK || r == ERR_NOMEM);
    for (unsigned i = first; !r && i < first + n; i++) {
        bool gone = what == 1 || (what == 0 && !prot);
        if (what != 2 || !model[i].mapped)
            model[i].byte = 0;
        model[i].mapped = !gone;
        model[i].prot = (uint8_t)prot;
    }
}

static void mark(unsigned page, uint8_t byte)
{
    if (model[page].mapped && model[page].prot) {
        ASSERT(space_write(&space, WINDOW + page * (uint64_t)PAGE_SIZE + 5, &byte, 1) == OK);
        model[page].byte = byte;
    } else {
        ASSERT(space_write(&space, WINDOW + page * (uint64_t)PAGE_SIZE + 5, &byte, 1) == ERR_RANGE);
    }
}

/* Arguments as they come: refused, or harmless because they are outside of the window. */
static void wild(unsigned what, uint64_t at, uint64_t len, unsigned prot)
{
    bool bad = !len || (at | len) % PAGE_SIZE || len > APP_TOP || at > APP_TOP - len || (what != 1 && prot & ~7u);
    err_t r;

    if (!bad)
        return; /* the model is for the window only */
    r = what == 0 ? space_map(&space, at, len, prot & ~APP_SMALL) : what == 1 ? space_unmap(&space, at, len) : space_protect(&space, at, len, prot);
    ASSERT(r == ERR_INVAL || r == ERR_RANGE || (prot & APP_SMALL && what == 0));
}

static void fresh(void)
{
    if (space.base)
        space_fini(&space);
    ASSERT(space_init(&space, NULL, UINT64_MAX, 0) == OK);
    tables_at_start = space.tables.used;
    space.limit = tables_at_start + LIMIT_PAGES * (uint64_t)PAGE_SIZE + MIB(1);
    memset(model, 0, sizeof model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool guarded;

    if (!guarded)
        space_guard();
    guarded = true;
    fresh();
    for (; size >= 8; data += 8, size -= 8) {
        unsigned first = (data[1] | data[2] << 8u) % PAGES, n = 1 + (data[3] | data[4] << 8u) % (PAGES - first);
        uint64_t at, len;
        switch (data[0] % 8) {
        case 0:
        case 1:
        case 2: act(data[0] % 8, first, n, data[5] & 7); break;
        case 3: act(0, first & ~511u, 512, data[5] & 7); break; /* a whole large page */
        case 4: act(1 + data[6] % 2, first, 1 + data[3] % 4 <= PAGES - first ? 1 + data[3] % 4 : 1, data[5] & 7); break;
        case 5: mark(first, data[5]); break;
        default:
            memcpy(&at, data, sizeof at);
            len = at << (data[6] % 60);
            wild(data[7] % 3, at >> (data[5] % 60), len, data[3]);
        }
    }
    check();
    return 0;
}
