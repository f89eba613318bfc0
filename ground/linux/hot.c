/* The pages that a template's clones write to. The first one that ends tells the template which they were; those that are made afterwards get copies of
 * these while they wait, so that writing to them costs nothing any more. Which pages they are is a guess about the next clone, and nothing
 * else: what a clone tells is checked for size only. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "ground/linux/guest.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since Linux 5.14; an older one refuses it, and nothing is lost */
#endif
#define PAGES_MAX 8192u /* copied ahead at most */
#define NEAR 3u          /* pages between two of them that are copied, too, so that there are fewer runs */
#define BLOCK MIB(2)
#define ENTRIES (BLOCK / PAGE_SIZE)
/* an entry of /proc/self/pagemap */
#define PRESENT BIT64(63)
#define FILES BIT64(61)
#define ALONE BIT64(56) /* nobody else has the page */

struct run {
    uint32_t page, count;
};
/* All in one write to a pipe, which is not torn apart: PIPE_BUF is 4,096. */
static struct run runs[4096 / sizeof(struct run)];
static unsigned nruns;
static struct block {
    uint32_t number;
    uint64_t had[ENTRIES / 64];
} blocks[256];
static unsigned nblocks;
static int pagemap;
static uint64_t map[ENTRIES]; /* of a block */

static void run_add(uint64_t page)
{
    struct run *last = nruns ? &runs[nruns - 1] : NULL;

    if (last && page - (last->page + last->count) <= NEAR)
        last->count = (uint32_t)page + 1 - last->page;
    else if (nruns < ARRAY_LEN(runs))
        runs[nruns++] = (struct run){ (uint32_t)page, 1 };
}

static bool map_read(const struct app *g, uint64_t block)
{
    const uint64_t at = ((uintptr_t)g->space.base + block * BLOCK) / PAGE_SIZE * sizeof *map;

    return pread(pagemap, map, sizeof map, (off_t)at) == sizeof map;
}

/* What it has of the template before it begins. */
static void blocks_note(const struct app *g)
{
    unsigned rights;

    pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    for (uint64_t at = 0, next; pagemap >= 0 && at < APP_AREA && nblocks < ARRAY_LEN(blocks); at = next) {
        struct block *b = &blocks[nblocks];
        if (!tables_get(&g->space.tables, at, &rights, &next) || !(rights & TABLES_WRITE))
            continue;
        next = align_down(at, BLOCK) + BLOCK;
        *b = (struct block){ .number = (uint32_t)(at / BLOCK) };
        if (!map_read(g, b->number))
            return;
        for (unsigned i = 0; i < ENTRIES; i++)
            b->had[i / 64] |= (map[i] & (PRESENT | FILES)) == PRESENT ? BIT64(i % 64) : 0;
        nblocks++;
    }
}

/* Of that, what has a copy now, or is no more, which is written to before it is given back. */
void hot_tell(const struct app *g, int to)
{
    for (const struct block *b = blocks; b < blocks + nblocks && map_read(g, b->number); b++)
        for (unsigned i = 0; i < ENTRIES; i++)
            if (b->had[i / 64] & BIT64(i % 64) && (!(map[i] & PRESENT) || map[i] & ALONE))
                run_add(b->number * (uint64_t)ENTRIES + i);
    if (nblocks && nruns)
        (void)!write(to, runs, nruns * sizeof *runs);
}

void hot_hear(int from)
{
    static struct run heard[ARRAY_LEN(runs)];
    ssize_t n = read(from, heard, sizeof heard);
    uint64_t pages = 0;

    if (nruns || n <= 0) /* one is enough */
        return;
    for (unsigned i = 0; i < (size_t)n / sizeof *heard; i++) {
        pages += heard[i].count;
        if (pages > PAGES_MAX || ((uint64_t)heard[i].page + heard[i].count) * PAGE_SIZE > APP_AREA)
            break;
        runs[nruns++] = heard[i];
    }
}

void hot_touch(struct app *g)
{
    if (!nruns)
        blocks_note(g);
    for (unsigned i = 0; i < nruns; i++) {
        uint64_t at = runs[i].page * (uint64_t)PAGE_SIZE, len = runs[i].count * (uint64_t)PAGE_SIZE;
        if (space_mapped(&g->space, at, len))
            (void)madvise(g->space.base + at, len, MADV_POPULATE_WRITE);
    }
}
