#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include "ground/linux/space.h"

#define ARENA_AT APP_TOP
#define FILL_START KIB(256) /* before CPUs run: the libos' data, all but a few pages of which it uses */
#define FILL_LEAST KIB(32)
#define FILL_GROWING MIB(8) /* given so far: from here on a program is one that grows */
#define FILL_MOST MIB(2)
#define ARENA_STEP MIB(16)
#define ARENA_FIRST KIB(128) /* what even the smallest program's tables take */
#define ARENA_MAX GIB(1)
#define HOST_RW (PROT_READ | PROT_WRITE)
#define HOST_ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

/* --- copies ---------------------------------------------------------------------------------------------------------- */
static _Thread_local sigjmp_buf copy_failed;
static _Thread_local volatile bool copying;

static void copy_fault(int signal_number)
{
    if (copying)
        siglongjmp(copy_failed, 1);
    signal(signal_number, SIG_DFL); /* ours: die of it when it comes again */
}

void space_guard(void)
{
    struct sigaction sa = { .sa_handler = copy_fault, .sa_flags = SA_NODEFER };

    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
}

bool space_copy(void *dst, const void *src, uint64_t len)
{
    if (sigsetjmp(copy_failed, 0)) {
        copying = false;
        return false;
    }
    copying = true;
    memcpy(dst, src, len);
    copying = false;
    return true;
}

bool space_mapped(struct space *s, uint64_t addr, uint64_t len)
{
    uint64_t end = addr + len;
    unsigned rights;

    if (len > APP_TOP || addr > APP_TOP - len)
        return false;
    while (addr < end)
        if (!tables_get(&s->tables, addr, &rights, &addr) || rights == TABLES_KEPT)
            return false;
    return true;
}

err_t space_read(struct space *s, uint64_t addr, void *dst, uint64_t len)
{
    return space_mapped(s, addr, len) && space_copy(dst, s->base + addr, len) ? OK : ERR_RANGE;
}

err_t space_write(struct space *s, uint64_t addr, const void *src, uint64_t len)
{
    return space_mapped(s, addr, len) && space_copy(s->base + addr, src, len) ? OK : ERR_RANGE;
}

/* --- set-up ---------------------------------------------------------------------------------------------------------- */
/* Of these units. The arena's, from APP_TOP on, are not noted: it knows how long it is. */
static err_t slot_add(struct space *s, uint64_t first, uint64_t end)
{
    err_t e = kvm_machine_memory(s->machine, first * SPACE_UNIT, s->base + first * SPACE_UNIT, (end - first) * SPACE_UNIT);

    for (uint64_t i = first; !e && i < min_u64(end, APP_TOP / SPACE_UNIT); i++)
        s->units[i / 8] |= (uint8_t)BIT(i % 8);
    return e;
}

/* With it, what lies `below`: the host waits for all its CPUs whenever a slot is added, so that one large slot starts sooner than two. */
static err_t arena_grow(struct space *s, uint64_t below)
{
    uint64_t from = ARENA_AT + s->arena - below;
    err_t e;

    if (s->arena + ARENA_STEP > ARENA_MAX)
        return ERR_FULL;
    e = slot_add(s, from / SPACE_UNIT, (from + below + ARENA_STEP) / SPACE_UNIT);
    if (e)
        return e;
    if (!s->arena)
        madvise(s->base + ARENA_AT, ARENA_FIRST, MADV_POPULATE_WRITE);
    s->arena += ARENA_STEP;
    s->tables.size = s->arena;
    return OK;
}

err_t space_init(struct space *s, struct kvm_machine *machine, uint64_t limit, uint64_t used)
{
    uint8_t *at = mmap(NULL, APP_TOP + ARENA_MAX + MIB(2), HOST_RW, HOST_ANON, -1, 0);
    err_t e;

    memset(s, 0, sizeof *s);
    if (at == MAP_FAILED)
        return ERR_NOMEM;
    s->base = (uint8_t *)align_up((uintptr_t)at, MIB(2)); /* so that host and guest can use huge pages alike */
    madvise(s->base, APP_TOP + ARENA_MAX, MADV_NOHUGEPAGE); /* but only where much is mapped at a time: clearing one takes longer than all of the start */
    s->machine = machine;
    s->limit = limit;
    s->tables = (struct tables){ .mem = s->base + ARENA_AT, .gpa = ARENA_AT, .top = APP_TOP };
    e = arena_grow(s, align_up(used, SPACE_UNIT));
    if (!e)
        e = tables_init(&s->tables, KVM_APP_SYSTEM);
    return e;
}

void space_fini(struct space *s)
{
    munmap(s->base, APP_TOP + ARENA_MAX);
}

/* --- the guest's memory calls -------------------------------------------------------------------------------------------- */
static err_t range_check(uint64_t addr, uint64_t len)
{
    if (!len || (addr | len) % PAGE_SIZE)
        return ERR_INVAL;
    return len > APP_TOP || addr > APP_TOP - len ? ERR_RANGE : OK;
}

static unsigned rights_of(unsigned prot)
{
    return prot & APP_READ || prot & (APP_WRITE | APP_EXEC) ?
               TABLES_READ | (prot & APP_WRITE ? TABLES_WRITE : 0) | (prot & APP_EXEC ? TABLES_EXEC : 0) :
               0;
}

static bool any_mapped(const struct space *s, uint64_t addr, uint64_t len)
{
    uint64_t end = addr + len;
    unsigned rights;

    while (addr < end)
        if (tables_get(&s->tables, addr, &rights, &addr))
            return true;
    return false;
}

static uint64_t count_mapped(const struct space *s, uint64_t addr, uint64_t len)
{
    uint64_t end = addr + len, next, n = 0;
    unsigned rights;

    for (; addr < end; addr = next)
        if (tables_get(&s->tables, addr, &rights, &next))
            n += min_u64(next, end) - addr;
    return n;
}

static bool unit_ready(const struct space *s, uint64_t unit)
{
    return unit >= APP_TOP / SPACE_UNIT || s->units[unit / 8] & BIT(unit % 8);
}

err_t space_renew(struct space *s)
{
    uint64_t units = (ARENA_AT + s->arena) / SPACE_UNIT;
    err_t e = OK;

    for (uint64_t first = 0, end; !e && first < units; first = end) {
        for (end = first; end < units && unit_ready(s, end);)
            end++;
        if (end > first)
            e = slot_add(s, first, end);
        else
            end++;
    }
    return e;
}

/* Slots over a range: one that is added once CPUs run makes KVM forget all it knew. */
static err_t slots_make(struct space *s, uint64_t addr, uint64_t len)
{
    uint64_t last = (addr + len - 1) / SPACE_UNIT;
    err_t e = OK;

    for (uint64_t first = addr / SPACE_UNIT, end; !e && first <= last; first = end) {
        end = first + 1;
        if (unit_ready(s, first))
            continue;
        while (!unit_ready(s, end) && (end <= last || (s->started && end % SPACE_WIDE)))
            end++;
        while (s->started && first % SPACE_WIDE && !unit_ready(s, first - 1))
            first--;
        e = slot_add(s, first, end);
    }
    return e;
}

/* All that can fail, before anything changes: memory within the limit, slots, room for tables. */
static err_t space_reserve(struct space *s, uint64_t addr, uint64_t len)
{
    uint64_t after = s->tables.pages * PAGE_SIZE + s->tables.used + len - count_mapped(s, addr, len);

    if (after > s->limit)
        return ERR_NOMEM;
    while (s->tables.used + tables_need(&s->tables, addr, len) > s->tables.size)
        if (arena_grow(s, 0))
            return ERR_NOMEM;
    return slots_make(s, addr, len) ? ERR_NOMEM : OK;
}

/* Fresh memory, or none, in the host's mapping; KVM forgets what it knew of it. */
static void host_clear(struct space *s, uint64_t addr, uint64_t len)
{
    (void)!mmap(s->base + addr, len, HOST_RW, HOST_ANON | MAP_FIXED, -1, 0);
    madvise(s->base + addr, len, MADV_NOHUGEPAGE); /* as all around it, so that they stay one mapping */
}

static err_t tables_apply(struct space *s, uint64_t addr, uint64_t len, unsigned rights, bool fresh)
{
    return tables_set(&s->tables, addr, len, rights, fresh) ? ERR_NOMEM : OK;
}

/* A page that the host has already costs the guest an eighth of a fault: KVM takes it with its neighbours. So what is sure to be used is had at once: what
 * is little, and what a program that grows asks for piece by piece. */
static void host_fill(struct space *s, uint64_t addr, uint64_t len)
{
    uint64_t most = !s->started ? FILL_START : s->given < FILL_GROWING ? FILL_LEAST : FILL_MOST;

    s->given += s->started ? len : 0;
    if (len <= most)
        madvise(s->base + addr, len, MADV_POPULATE_WRITE);
}

err_t space_map(struct space *s, uint64_t addr, uint64_t len, unsigned prot)
{
    err_t e = range_check(addr, len);
    unsigned rights = rights_of(prot);

    if (e || prot & ~(APP_READ | APP_WRITE | APP_EXEC | APP_SMALL))
        return e ? e : ERR_INVAL;
    if (!rights)
        return space_unmap(s, addr, len);
    e = space_reserve(s, addr, len);
    if (e)
        return e;
    if (any_mapped(s, addr, len))
        host_clear(s, addr, len);
    if (len >= MIB(2) && !(prot & APP_SMALL))
        madvise(s->base + addr, len, MADV_HUGEPAGE);
    else if (rights & TABLES_WRITE && !(prot & APP_SMALL))
        host_fill(s, addr, len);
    return tables_apply(s, addr, len, rights, !(prot & APP_SMALL));
}

err_t space_map_file(struct space *s, uint64_t addr, uint64_t len, unsigned prot, int fd, uint64_t offset)
{
    err_t e = range_check(addr, len);
    unsigned rights = rights_of(prot);
    int shared = prot & APP_SHARED ? MAP_SHARED : MAP_PRIVATE;
    void *at;

    if (e || !rights || offset % PAGE_SIZE || prot & ~(APP_READ | APP_WRITE | APP_EXEC | APP_SHARED))
        return e ? e : ERR_INVAL;
    e = space_reserve(s, addr, len);
    if (e)
        return e;
    at = mmap(s->base + addr, len, HOST_RW, shared | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset);
    if (at == MAP_FAILED && errno == EACCES && !(prot & APP_WRITE)) /* a file that is open for reading only */
        at = mmap(s->base + addr, len, PROT_READ, shared | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset);
    if (at == MAP_FAILED)
        return errno == EACCES || errno == ENODEV ? ERR_UNSUPPORTED : ERR_NOMEM;
    if (rights & TABLES_WRITE && !(prot & APP_SHARED) && len <= FILL_MOST) /* a program's data: most of it will be written */
        madvise(s->base + addr, len, MADV_POPULATE_WRITE);
    return tables_apply(s, addr, len, rights, false);
}

err_t space_window(struct space *s, uint64_t addr, uint64_t len, int fd, uint64_t offset)
{
    err_t e = range_check(addr, len);

    if (!e)
        e = space_reserve(s, addr, len);
    if (e)
        return e;
    if (mmap(s->base + addr, len, PROT_READ, MAP_SHARED | MAP_FIXED, fd, (off_t)offset) == MAP_FAILED)
        return ERR_NOMEM;
    return tables_apply(s, addr, len, TABLES_READ, true);
}

err_t space_unmap(struct space *s, uint64_t addr, uint64_t len)
{
    err_t e = range_check(addr, len);

    if (e || !any_mapped(s, addr, len))
        return e;
    while (s->tables.used + tables_need(&s->tables, addr, len) > s->tables.size)
        if (arena_grow(s, 0))
            return ERR_NOMEM;
    e = tables_apply(s, addr, len, 0, false);
    host_clear(s, addr, len);
    return e;
}

/* Makes KVM drop its translations of the range, so that it looks at the tables again: each change of the host's rights does. */
static void host_touch(struct space *s, uint64_t addr, uint64_t len)
{
    if (!mprotect(s->base + addr, len, PROT_NONE) && mprotect(s->base + addr, len, HOST_RW))
        (void)!mprotect(s->base + addr, len, PROT_READ); /* a file that is shared for reading */
}

/* True if a page of the range has a right that is not among `rights`. */
static bool any_lost(const struct space *s, uint64_t addr, uint64_t len, unsigned rights)
{
    uint64_t end = addr + len;
    unsigned had;

    while (addr < end)
        if (tables_get(&s->tables, addr, &had, &addr) && had & ~(rights | TABLES_KEPT))
            return true;
    return false;
}

err_t space_protect(struct space *s, uint64_t addr, uint64_t len, unsigned prot)
{
    err_t e = range_check(addr, len);
    unsigned rights = rights_of(prot);
    bool lost;

    if (e || prot & ~(APP_READ | APP_WRITE | APP_EXEC))
        return e ? e : ERR_INVAL;
    e = space_reserve(s, addr, len);
    if (e)
        return e;
    lost = any_lost(s, addr, len, rights);
    e = tables_apply(s, addr, len, rights ? rights : TABLES_KEPT, false);
    if (!e && lost)
        host_touch(s, addr, len);
    return e;
}
