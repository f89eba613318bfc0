/* Finds `syscall` instructions in a program's text that can be turned into `call *%rax`, of the same two bytes' length, because two things are
 * sure: it is an instruction and not a part of one (the code around it is disassembled from two starts that agree), and
 * nothing lives in the red zone there, which the call's return address would overwrite. What is left alone still works, slowly:
 * it traps. Text may come from a hostile file: the work is bounded by its length. */
#define _GNU_SOURCE
#include <Zydis/Zydis.h>
#include <string.h>
#include "ground/linux/rewrite.h"

#define BACK 1024u   /* how far a function's start is looked for */
#define FORWARD 96u  /* how far behind the site uses of the red zone are looked for */
#define STEPS 400u

struct scan {
    ZydisDecoder decoder;
    const uint8_t *text;
    uint64_t len;
};

static bool ends_function(const ZydisDecodedInstruction *in)
{
    return in->mnemonic == ZYDIS_MNEMONIC_RET || in->mnemonic == ZYDIS_MNEMONIC_JMP || in->mnemonic == ZYDIS_MNEMONIC_UD2 ||
           in->mnemonic == ZYDIS_MNEMONIC_HLT;
}

/* True if padding, or an instruction that nothing follows, ends right before at: one-byte forms, and the long no-operations, which end in zeros. */
static bool padding_before(const struct scan *s, uint64_t at)
{
    static const struct {
        uint8_t len, bytes[8];
    } nops[] = { { 3, { 0x0F, 0x1F, 0x00 } },
                 { 4, { 0x0F, 0x1F, 0x40, 0x00 } },
                 { 5, { 0x0F, 0x1F, 0x44, 0x00, 0x00 } },
                 { 7, { 0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00 } },
                 { 8, { 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 } } };
    uint8_t last = s->text[at - 1];

    for (size_t i = 0; i < ARRAY_LEN(nops); i++)
        if (at >= nops[i].len && memcmp(s->text + at - nops[i].len, nops[i].bytes, nops[i].len) == 0)
            return true;
    return last == 0x90 || last == 0xCC || last == 0xC3;
}

/* Compilers align functions to 16 bytes with padding between them. Looking back from site, finds the n-th such place. */
static uint64_t start_before(const struct scan *s, uint64_t site, unsigned n)
{
    uint64_t low = site > BACK ? site - BACK : 0;

    for (uint64_t at = site & ~15ull; at > low; at -= 16)
        if (padding_before(s, at) && n-- == 0)
            return at;
    return low;
}

struct use {
    bool reached; /* the site is an instruction, as seen from this start */
    bool red_zone;
};

/* Notes whether an operand lies below the stack pointer, or below a frame pointer that may be the stack pointer. */
static void operands_look(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op, bool *below_rsp, bool *below_rbp, bool *makes_room)
{
    for (unsigned i = 0; i < in->operand_count_visible; i++) {
        if (op[i].type != ZYDIS_OPERAND_TYPE_MEMORY || !op[i].mem.disp.has_displacement || op[i].mem.disp.value >= 0)
            continue;
        *below_rsp |= op[i].mem.base == ZYDIS_REGISTER_RSP && in->mnemonic != ZYDIS_MNEMONIC_LEA;
        *below_rbp |= op[i].mem.base == ZYDIS_REGISTER_RBP;
    }
    if (in->mnemonic == ZYDIS_MNEMONIC_SUB && op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && op[0].reg.value == ZYDIS_REGISTER_RSP)
        *makes_room = true;
}

static struct use walk(const struct scan *s, uint64_t from, uint64_t site)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    bool rsp = false, rbp = false, room = false;
    struct use u = { false, false };

    for (unsigned step = 0; step < STEPS && from < s->len && from < site + FORWARD; step++) {
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&s->decoder, s->text + from, s->len - from, &in, op))) {
            if (from >= site)
                break;
            from++; /* data between functions */
            continue;
        }
        u.reached |= from == site && in.mnemonic == ZYDIS_MNEMONIC_SYSCALL;
        operands_look(&in, op, &rsp, &rbp, &room);
        from += in.length;
        if (from > site && (!u.reached || ends_function(&in)))
            break;
    }
    u.red_zone = rsp || (rbp && !room);
    return u;
}

/* Two starts must agree that it is an instruction. The nearer one decides about the red zone: the farther one may lie in another function. */
static bool site_safe(const struct scan *s, uint64_t site)
{
    struct use near = walk(s, start_before(s, site, 0), site);
    struct use far = walk(s, start_before(s, site, 1), site);

    return near.reached && far.reached && !near.red_zone;
}

const uint8_t rewrite_call[2] = { 0xFF, 0xD0 };

void rewrite_find(const uint8_t *text, uint64_t len, void (*found)(void *arg, uint64_t site), void *arg)
{
    struct scan s = { .text = text, .len = len };
    const uint8_t *at = text;

    ZydisDecoderInit(&s.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    while ((at = memchr(at, 0x05, (size_t)(text + len - at)))) {
        uint64_t site = (uint64_t)(at - text);
        at++;
        if (site && text[site - 1] == 0x0F && site_safe(&s, site - 1))
            found(arg, site - 1);
    }
}
