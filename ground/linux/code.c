/* Lengths of instructions: Intel's manual, volume 2, chapter 2 and appendix A. What follows an opcode hangs on its map and a class in a table. */
#include "ground/linux/code.h"

#define LENGTH_MAX 15u
enum { REX_B = 1, REX_R = 4, REX_W = 8 };

/* What follows the opcode. */
enum { NONE, BYTE, WORD, LONG, FULL, ADDRESS, FRAME, CALLS, BAD, MODRM = 0x10, M_BYTE, M_LONG = MODRM + LONG, M_CALLS = MODRM + CALLS };
#define X4(a) a, a, a, a
#define X8(a) X4(a), X4(a)
#define X16(a) X8(a), X8(a)
#define ALU X4(MODRM), BYTE, LONG /* LONG: 2 bytes behind a prefix 0x66, else 4 */

static const uint8_t one_byte[256] = {
    /* 00 */ ALU, BAD, BAD, ALU, BAD, BAD,
    /* 10 */ ALU, BAD, BAD, ALU, BAD, BAD,
    /* 20 */ ALU, BAD, BAD, ALU, BAD, BAD,
    /* 30 */ ALU, BAD, BAD, ALU, BAD, BAD,
    /* 40 */ X16(BAD), /* REX prefixes */
    /* 50 */ X16(NONE),
    /* 60 */ BAD, BAD, BAD, MODRM, X4(BAD), LONG, M_LONG, BYTE, M_BYTE, X4(NONE),
    /* 70 */ X16(BYTE),
    /* 80 */ M_BYTE, M_LONG, BAD, M_BYTE, X4(MODRM), X8(MODRM),
    /* 90 */ X8(NONE), NONE, NONE, BAD, X4(NONE), NONE,
    /* a0 */ X4(ADDRESS), X4(NONE), BYTE, LONG, X4(NONE), NONE, NONE,
    /* b0 */ X8(BYTE), X8(FULL),
    /* c0 */ M_BYTE, M_BYTE, WORD, NONE, BAD, BAD, M_BYTE, M_LONG, FRAME, NONE, WORD, NONE, NONE, BYTE, BAD, NONE,
    /* d0 */ X4(MODRM), BAD, BAD, BAD, NONE, X8(MODRM),
    /* e0 */ X8(BYTE), CALLS, CALLS, BAD, BYTE, X4(NONE),
    /* f0 */ BAD, NONE, BAD, BAD, NONE, NONE, MODRM, MODRM, X4(NONE), NONE, NONE, MODRM, MODRM,
};

static const uint8_t two_bytes[256] = {
    /* 00 */ X4(MODRM), BAD, NONE, NONE, NONE, NONE, NONE, BAD, NONE, BAD, MODRM, NONE, M_BYTE,
    /* 10 */ X16(MODRM),
    /* 20 */ X8(BAD), X8(MODRM), /* control and debug registers */
    /* 30 */ X4(NONE), NONE, NONE, BAD, NONE, X8(BAD), /* 38 and 3a lead to more maps */
    /* 40 */ X16(MODRM),
    /* 50 */ X16(MODRM),
    /* 60 */ X16(MODRM),
    /* 70 */ X4(M_BYTE), MODRM, MODRM, MODRM, NONE, X8(MODRM),
    /* 80 */ X16(CALLS),
    /* 90 */ X16(MODRM),
    /* a0 */ NONE, NONE, NONE, MODRM, M_BYTE, MODRM, BAD, BAD, NONE, NONE, NONE, MODRM, M_BYTE, MODRM, MODRM, MODRM,
    /* b0 */ X8(MODRM), MODRM, MODRM, M_BYTE, X4(MODRM), MODRM,
    /* c0 */ MODRM, MODRM, M_BYTE, MODRM, M_BYTE, M_BYTE, M_BYTE, MODRM, X8(NONE),
    /* d0 */ X16(MODRM),
    /* e0 */ X16(MODRM),
    /* f0 */ X16(MODRM),
};

struct reader {
    const uint8_t *at, *end;
    bool over;
    unsigned rex, map, opcode; /* map: 0 one byte, 1 behind 0f, 2 behind 0f 38, 3 behind 0f 3a */
    bool small, short_address; /* 66, 67 */
    bool repeated, vector;     /* f2 or f3; VEX or EVEX */
    uint8_t modrm;
};

static uint8_t take(struct reader *r)
{
    if (r->at < r->end)
        return *r->at++;
    r->over = true;
    return 0;
}

static void skip(struct reader *r, unsigned n)
{
    r->over = r->over || n > (size_t)(r->end - r->at);
    r->at += r->over ? 0 : n;
}

static void prefixes(struct reader *r)
{
    for (;; r->at++) {
        uint8_t b = r->at < r->end ? *r->at : 0;
        if (b >= 0x40 && b < 0x50) {
            r->rex = b;
            continue;
        }
        if (b != 0x66 && b != 0x67 && b != 0xF0 && b != 0xF2 && b != 0xF3 && b != 0x2E && b != 0x36 && b != 0x3E && b != 0x26 && b != 0x64 && b != 0x65)
            return;
        r->rex = 0; /* one that no opcode follows has no effect */
        r->small = r->small || b == 0x66;
        r->short_address = r->short_address || b == 0x67;
        r->repeated = r->repeated || b == 0xF2 || b == 0xF3;
    }
}

/* VEX and EVEX: prefixes that say the map, and the bits of REX turned around. */
static bool vector_prefix(struct reader *r)
{
    uint8_t first = take(r), a = take(r), w = first == 0xC5 ? a : take(r);

    r->map = first == 0xC5 ? 1 : a & (first == 0x62 ? 7 : 31);
    r->rex = (a & 0x80 ? 0 : REX_R) | (first == 0xC5 || a & 0x20 ? 0 : REX_B) | (first != 0xC5 && w & 0x80 ? REX_W : 0);
    if (first == 0x62)
        take(r);
    r->opcode = take(r);
    r->vector = true;
    return r->map >= 1 && r->map <= 3;
}

static bool opcode_take(struct reader *r)
{
    uint8_t next = r->at < r->end ? *r->at : 0;

    if (next == 0xC4 || next == 0xC5 || next == 0x62)
        return vector_prefix(r);
    r->opcode = take(r);
    if (r->opcode != 0x0F)
        return true;
    r->map = 1;
    r->opcode = take(r);
    if (r->opcode == 0x38 || r->opcode == 0x3A) {
        r->map = r->opcode == 0x38 ? 2 : 3;
        r->opcode = take(r);
    }
    return r->opcode != 0x78 || r->map != 1 || !(r->small || r->repeated); /* SSE4a: has more bytes */
}

/* The operand that may be memory: skips it, and says where it lies. */
static void operand(struct reader *r, struct code *c)
{
    unsigned mod, base;

    r->modrm = take(r);
    mod = r->modrm >> 6;
    base = r->modrm & 7;
    if (mod == 3)
        return;
    if (base == 4)
        base = take(r) & 7;
    skip(r, mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0);
    if (!mod || r->over || r->rex & REX_B || !(r->at[-1] & 0x80))
        return;
    c->below_rsp = base == 4 && (r->map || r->opcode != 0x8D); /* lea */
    c->below_rbp = base == 5;
}

static unsigned class_of(const struct reader *r)
{
    return r->map == 0 ? one_byte[r->opcode] : r->map == 1 ? two_bytes[r->opcode] : r->map == 2 ? MODRM : M_BYTE;
}

static void immediate(struct reader *r, unsigned class)
{
    unsigned opcode = r->map ? 0 : r->opcode, z = r->small && !(r->rex & REX_W) ? 2 : 4;

    switch (class & 0xF) {
    case BYTE: skip(r, 1); break;
    case WORD: skip(r, 2); break;
    case LONG: skip(r, z); break;
    case FULL: skip(r, r->rex & REX_W ? 8 : z); break;
    case ADDRESS: skip(r, r->short_address ? 4 : 8); break;
    case FRAME: skip(r, 3); break;
    case CALLS: skip(r, 4); break;
    }
    if ((opcode == 0xF6 || opcode == 0xF7) && (r->modrm >> 3 & 7) < 2) /* test, unlike the others of its group */
        skip(r, opcode == 0xF6 ? 1 : z);
}

static void meaning(const struct reader *r, struct code *c)
{
    unsigned reg = r->modrm >> 3 & 7, o = r->opcode;
    bool rm_is_rsp = r->modrm >> 6 == 3 && (r->modrm & 7) == 4 && !(r->rex & REX_B);

    if (r->map == 1 && !r->vector)
        c->kind = o == 0x05 ? CODE_SYSCALL : o == 0x0B ? CODE_END : CODE_OTHER;
    if (r->map)
        return;
    if (o == 0xC2 || o == 0xC3 || o == 0xCA || o == 0xCB || o == 0xE9 || o == 0xEB || o == 0xF4 || (o == 0xFF && (reg == 4 || reg == 5)))
        c->kind = CODE_END;
    c->makes_room = r->rex & REX_W && (((o == 0x81 || o == 0x83) && reg == 5 && rm_is_rsp) || (o == 0x29 && rm_is_rsp) ||
                                       (o == 0x2B && reg == 4 && !(r->rex & REX_R)));
}

bool code_read(const uint8_t *at, uint64_t len, struct code *c)
{
    struct reader r = { .at = at, .end = at + min_u64(len, LENGTH_MAX) };
    unsigned class;

    *c = (struct code){ 0 };
    prefixes(&r);
    if (!opcode_take(&r))
        return false;
    class = class_of(&r);
    if (class & MODRM)
        operand(&r, c);
    immediate(&r, class);
    meaning(&r, c);
    c->length = (uint8_t)(r.at - at);
    return class != BAD && !r.over && (r.map || r.opcode != 0x8F || !(r.modrm >> 3 & 7)); /* 8f: pop, else XOP */
}
