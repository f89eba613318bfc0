/* ELF headers from a hostile file: whatever is accepted must be consistent. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "libos/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct elf e;
    uint64_t last = 0;

    if (elf_parse(data, size, &e))
        return 0;
    assert(e.count && e.count <= ELF_SEGMENTS && e.low < e.high && memchr(e.interp, 0, sizeof e.interp));
    for (unsigned i = 0; i < e.count; i++) {
        assert(e.seg[i].filesz <= e.seg[i].memsz && e.seg[i].vaddr >= last && e.seg[i].vaddr + e.seg[i].memsz <= e.high);
        last = e.seg[i].vaddr + e.seg[i].memsz;
    }
    return 0;
}
