/* A file system from a hostile file: everything that can be reached is read, and all of it must lie inside. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "libos/erofs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct erofs fs;
static unsigned budget; /* of inodes: directories may contain themselves */
static volatile uint8_t sink;

static void contents(const struct erofs_inode *i)
{
    uint64_t at = 0, len = 0;
    const uint8_t *from;

    for (unsigned n = 0; n < 64 && at < i->size; n++, at += len) {
        if (erofs_extent(&fs, i, at, &from, &len))
            return;
        assert(len && len <= i->size - at);
        if (from) {
            assert(from >= fs.at && len <= fs.size && (uint64_t)(from - fs.at) <= fs.size - len);
            sink = from[0];
            sink = from[len - 1];
        }
    }
}

static void walk(uint64_t nid)
{
    struct erofs_inode i;
    struct erofs_name n;
    uint64_t at = 0, found;

    if (!budget || erofs_inode(&fs, nid, &i))
        return;
    budget--;
    contents(&i);
    for (unsigned k = 0; k < 200; k++) {
        err_t e = erofs_list(&fs, &i, &at, &n);
        if (e == ERR_NOTFOUND)
            break;
        if (e)
            continue;
        assert(n.len && (const uint8_t *)n.text >= fs.at && (const uint8_t *)n.text + n.len <= fs.at + fs.size);
        (void)!erofs_lookup(&fs, &i, n.text, n.len, &found);
        walk(n.nid);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why;

    budget = 40;
    if (erofs_open(&fs, data, size, &why) == OK)
        walk(fs.root);
    else
        assert(why[0]);
    return 0;
}
