/* Who called whom. Code for the PE target keeps no chain of frame pointers; its function table says how to undo each
 * prologue instead. Called by panic.c. Microsoft x64 exception handling: "struct UNWIND_INFO". Only what the compiler
 * makes of this program is known: no frame pointer, no saved XMM registers, no chained parts. Epilogues are not told
 * apart: a return address is never in one, an exception seldom. */
#include "base/bytes.h"
#include "ground/efi/machine.h"

enum { PE_OFFSET_AT = 0x3C, PE_IMAGE_SIZE = 24 + 56, PE_EXCEPTIONS = 24 + 112 + 3 * 8 };
#define FUNCTION_BYTES 12u /* begin, end, unwind information: 32-bit offsets into the image */

enum { OP_PUSH, OP_ALLOC_LARGE, OP_ALLOC_SMALL, OP_MACHINE_FRAME = 10 };

static const uint8_t *pe_header(const uint8_t *image) { return image + get_le32(image + PE_OFFSET_AT); }

bool unwind_inside(const uint8_t *image, uint64_t address)
{
    return address - (uintptr_t)image < get_le32(pe_header(image) + PE_IMAGE_SIZE);
}

static const uint8_t *function_find(const uint8_t *image, uint32_t at)
{
    const uint8_t *dir = pe_header(image) + PE_EXCEPTIONS;
    const uint8_t *f = image + get_le32(dir), *end = f + get_le32(dir + 4);

    for (; f < end; f += FUNCTION_BYTES)
        if (at >= get_le32(f) && at < get_le32(f + 4))
            return f;
    return NULL;
}

struct step {
    struct unwind *u;
    bool (*readable)(uint64_t);
    bool bad, done; /* done: rip is already the caller's */
};

static uint64_t load(struct step *s, uint64_t address)
{
    if (s->bad || !s->readable(address)) {
        s->bad = true;
        return 0;
    }
    return *(const uint64_t *)hpa_ptr(hpa(address));
}

static uint64_t pop(struct step *s)
{
    uint64_t v = load(s, s->u->gpr[REG_RSP]);

    s->u->gpr[REG_RSP] += 8;
    return v;
}

/* Undoes one operation; returns how many 16-bit slots it takes. */
static unsigned undo(struct step *s, const uint8_t *slot, bool ran)
{
    unsigned op = slot[1] & 15, info = slot[1] >> 4;
    unsigned used = op == OP_ALLOC_LARGE ? 2 + (info != 0) : 1;
    uint64_t *gpr = s->u->gpr;

    if (!ran)
        return used;
    switch (op) {
    case OP_PUSH:
        gpr[info] = pop(s);
        break;
    case OP_ALLOC_LARGE:
        gpr[REG_RSP] += info ? get_le32(slot + 2) : get_le16(slot + 2) * 8u;
        break;
    case OP_ALLOC_SMALL:
        gpr[REG_RSP] += info * 8 + 8;
        break;
    case OP_MACHINE_FRAME:
        gpr[REG_RSP] += info * 8; /* an error code */
        s->u->rip = load(s, gpr[REG_RSP]);
        gpr[REG_RSP] = load(s, gpr[REG_RSP] + 24);
        s->done = true;
        break;
    default:
        s->bad = true;
    }
    return used;
}

bool unwind_step(struct unwind *u, const uint8_t *image, bool (*readable)(uint64_t))
{
    struct step s = { .u = u, .readable = readable };
    uint32_t at = (uint32_t)(u->rip - (uintptr_t)image);
    const uint8_t *f = unwind_inside(image, u->rip) ? function_find(image, at) : NULL;

    if (f) {
        const uint8_t *info = image + get_le32(f + 8);

        for (unsigned i = 0; i < info[2];)
            i += undo(&s, info + 4 + 2 * i, at - get_le32(f) >= info[4 + 2 * i]);
    }
    if (!s.done)
        u->rip = pop(&s); /* a function without an entry in the table moves nothing but the return address */
    return !s.bad && u->rip;
}
