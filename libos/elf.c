#include "base/bytes.h"
#include "base/str.h"
#include "libos/elf.h"

enum { PT_LOAD = 1, PT_INTERP = 3, PT_NOTE, PT_PHDR = 6, PT_GNU_STACK = 0x6474E551, PHDR = 56 };
#define ADDRESS_MAX (1ull << 46)

static err_t segment_add(struct elf *e, const uint8_t *ph)
{
    uint32_t flags = get_le32(ph + 4);
    struct elf_segment s = { .offset = get_le64(ph + 8), .vaddr = get_le64(ph + 16), .filesz = get_le64(ph + 32), .memsz = get_le64(ph + 40),
                             .read = flags & 4, .write = flags & 2, .exec = flags & 1 };

    if (!s.memsz)
        return OK;
    if (e->count == ELF_SEGMENTS)
        return ERR_UNSUPPORTED;
    if (s.filesz > s.memsz || s.vaddr > ADDRESS_MAX || s.memsz > ADDRESS_MAX || s.offset > ADDRESS_MAX ||
        s.vaddr % PAGE_SIZE != s.offset % PAGE_SIZE)
        return ERR_FORMAT;
    if (e->count && align_down(s.vaddr, PAGE_SIZE) < e->high)
        return ERR_FORMAT; /* segments must not share pages, and must be in order */
    if (!e->count)
        e->low = align_down(s.vaddr, PAGE_SIZE);
    e->high = align_up(s.vaddr + s.memsz, PAGE_SIZE);
    e->seg[e->count++] = s;
    return OK;
}

static err_t interp_take(struct elf *e, const uint8_t *bytes, size_t n, const uint8_t *ph)
{
    uint64_t at = get_le64(ph + 8), len = get_le64(ph + 32);

    if (len < 2 || len > sizeof e->interp || at > n || len > n - at || bytes[at + len - 1])
        return ERR_FORMAT;
    memcpy(e->interp, bytes + at, len);
    return OK;
}

err_t elf_parse(const void *bytes, size_t n, struct elf *e)
{
    const uint8_t *h = bytes;
    uint64_t phoff;
    uint16_t type;

    memset(e, 0, sizeof *e);
    e->exec_stack = true;
    if (n < 64 || memcmp(h, "\x7F" "ELF\2\1\1", 7))
        return ERR_FORMAT;
    type = get_le16(h + 16);
    phoff = get_le64(h + 32);
    e->phnum = get_le16(h + 56);
    if ((type != 2 && type != 3) || get_le16(h + 18) != 62 || get_le16(h + 54) != PHDR || phoff > n ||
        e->phnum * (uint64_t)PHDR > n - phoff)
        return ERR_FORMAT;
    e->dynamic = type == 3;
    e->entry = get_le64(h + 24);
    for (unsigned i = 0; i < e->phnum; i++) {
        const uint8_t *ph = h + phoff + i * PHDR;
        uint32_t kind = get_le32(ph);
        err_t err = kind == PT_LOAD ? segment_add(e, ph) : kind == PT_INTERP ? interp_take(e, h, n, ph) : OK;
        if (err)
            return err;
        if (kind == PT_GNU_STACK)
            e->exec_stack = get_le32(ph + 4) & 1;
    }
    if (!e->count || e->entry > ADDRESS_MAX)
        return ERR_FORMAT;
    for (unsigned i = 0; i < e->count; i++)
        if (phoff >= e->seg[i].offset && phoff + e->phnum * (uint64_t)PHDR <= e->seg[i].offset + e->seg[i].filesz)
            e->phdr = e->seg[i].vaddr + (phoff - e->seg[i].offset);
    return OK;
}

bool elf_note(const void *bytes, size_t n, const char *owner)
{
    const uint8_t *h = bytes;
    uint64_t phoff;

    if (n < 64 || memcmp(h, "\x7F" "ELF\2\1\1", 7) || get_le16(h + 54) != PHDR)
        return false;
    phoff = get_le64(h + 32);
    if (phoff > n || get_le16(h + 56) * (uint64_t)PHDR > n - phoff)
        return false;
    for (unsigned i = 0; i < get_le16(h + 56); i++) {
        const uint8_t *ph = h + phoff + i * PHDR;
        uint64_t at = get_le64(ph + 8);
        if (get_le32(ph) == PT_NOTE && at <= n && n - at >= 16 && get_le32(h + at) == 4 && !memcmp(h + at + 12, owner, 4))
            return true;
    }
    return false;
}
