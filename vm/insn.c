/* The instruction decoder: tables of opcodes, and the walk over prefixes, opcode, ModRM, SIB, displacement, immediate. */
#include "vm/insn.h"
#include "base/bytes.h"

/* How an opcode is to be read. */
enum {
    BYTE = BIT(0),      /* operands are bytes */
    IMM8 = BIT(1),      /* the immediate is one byte, sign-extended */
    MEM8 = BIT(2),      /* the memory operand is a byte, the register is not */
    MEM16 = BIT(3),     /* ... two bytes */
    MEM32 = BIT(4),     /* ... four bytes at most */
    MAX32 = BIT(9),     /* REX.W does not widen */
    MOFFS = BIT(5),     /* no ModRM: accumulator and an absolute address */
    ONLY64 = BIT(6),    /* something else outside 64-bit mode */
    NOPREFIX = BIT(7),  /* 66, F2 and F3 make it another instruction */
    NOREP = BIT(8),     /* F2 and F3 do */
};

struct opcode {
    uint8_t op;                 /* enum insn_op; INSN_UNDEFINED: not one of ours */
    uint8_t form;               /* enum insn_form */
    uint16_t flags;
    const struct opcode *group; /* eight rows, chosen by ModRM.reg */
};

#define ROW(op, form, flags) { INSN_##op, FORM_##form, (flags), NULL }
#define GROUP(flags, rows) { INSN_OTHER, FORM_M, (flags), (rows) }

/* The group rows. Those of one group share operand size and immediate, which are in the row of the opcode itself. */
static const struct opcode alu_group[8] = {
    ROW(ADD, M_I, 0), ROW(OR, M_I, 0),  ROW(ADC, M_I, 0), ROW(SBB, M_I, 0),
    ROW(AND, M_I, 0), ROW(SUB, M_I, 0), ROW(XOR, M_I, 0), ROW(CMP, M_I, 0),
};
static const struct opcode unary_group[8] = { /* F6, F7; the rest is MUL and DIV */
    ROW(TEST, M_I, 0), ROW(TEST, M_I, 0), ROW(NOT, M, 0),   ROW(NEG, M, 0),
    ROW(OTHER, M, 0),  ROW(OTHER, M, 0),  ROW(OTHER, M, 0), ROW(OTHER, M, 0),
};
static const struct opcode fe_group[8] = { ROW(INC, M, 0), ROW(DEC, M, 0) };
static const struct opcode ff_group[8] = {
    ROW(INC, M, 0),   ROW(DEC, M, 0),   ROW(OTHER, M, 0), ROW(OTHER, M, 0),
    ROW(OTHER, M, 0), ROW(OTHER, M, 0), ROW(OTHER, M, 0), ROW(UNDEFINED, M, 0),
};
static const struct opcode mov_group[8] = { ROW(MOV, M_I, 0) };
static const struct opcode bit_group[8] = {
    [4] = ROW(BT, M_I, 0), ROW(BTS, M_I, 0), ROW(BTR, M_I, 0), ROW(BTC, M_I, 0),
};

#define ALU_ROWS(first, op)                                                                                    \
    [(first)] = ROW(op, M_R, BYTE), [(first) + 1] = ROW(op, M_R, 0), [(first) + 2] = ROW(op, R_M, BYTE),       \
    [(first) + 3] = ROW(op, R_M, 0)

static const struct opcode one_byte[256] = {
    ALU_ROWS(0x00, ADD),
    ALU_ROWS(0x08, OR),
    ALU_ROWS(0x10, ADC),
    ALU_ROWS(0x18, SBB),
    ALU_ROWS(0x20, AND),
    ALU_ROWS(0x28, SUB),
    ALU_ROWS(0x30, XOR),
    ALU_ROWS(0x38, CMP),
    [0x63] = ROW(MOVSX, R_M, MEM32 | ONLY64),
    [0x6C] = ROW(INS, STR, BYTE),
    [0x6D] = ROW(INS, STR, MAX32),
    [0x6E] = ROW(OUTS, STR, BYTE),
    [0x6F] = ROW(OUTS, STR, MAX32),
    [0x80] = GROUP(BYTE, alu_group),
    [0x81] = GROUP(0, alu_group),
    [0x83] = GROUP(IMM8, alu_group),
    [0x84] = ROW(TEST, M_R, BYTE),
    [0x85] = ROW(TEST, M_R, 0),
    [0x86] = ROW(XCHG, M_R, BYTE),
    [0x87] = ROW(XCHG, M_R, 0),
    [0x88] = ROW(MOV, M_R, BYTE),
    [0x89] = ROW(MOV, M_R, 0),
    [0x8A] = ROW(MOV, R_M, BYTE),
    [0x8B] = ROW(MOV, R_M, 0),
    [0xA0] = ROW(MOV, R_M, BYTE | MOFFS),
    [0xA1] = ROW(MOV, R_M, MOFFS),
    [0xA2] = ROW(MOV, M_R, BYTE | MOFFS),
    [0xA3] = ROW(MOV, M_R, MOFFS),
    [0xA4] = ROW(MOVS, STR, BYTE),
    [0xA5] = ROW(MOVS, STR, 0),
    [0xAA] = ROW(STOS, STR, BYTE),
    [0xAB] = ROW(STOS, STR, 0),
    [0xAC] = ROW(LODS, STR, BYTE),
    [0xAD] = ROW(LODS, STR, 0),
    [0xC6] = GROUP(BYTE, mov_group),
    [0xC7] = GROUP(0, mov_group),
    [0xF6] = GROUP(BYTE, unary_group),
    [0xF7] = GROUP(0, unary_group),
    [0xFE] = GROUP(BYTE, fe_group),
    [0xFF] = GROUP(0, ff_group),
};
static const struct opcode two_byte[256] = { /* 0F xx */
    [0xA3] = ROW(BT, M_R, 0),
    [0xAB] = ROW(BTS, M_R, 0),
    [0xB0] = ROW(CMPXCHG, M_R, BYTE),
    [0xB1] = ROW(CMPXCHG, M_R, 0),
    [0xB3] = ROW(BTR, M_R, 0),
    [0xB6] = ROW(MOVZX, R_M, MEM8),
    [0xB7] = ROW(MOVZX, R_M, MEM16),
    [0xBA] = GROUP(IMM8, bit_group),
    [0xBB] = ROW(BTC, M_R, 0),
    [0xBE] = ROW(MOVSX, R_M, MEM8),
    [0xBF] = ROW(MOVSX, R_M, MEM16),
    [0xC0] = ROW(XADD, M_R, BYTE),
    [0xC1] = ROW(XADD, M_R, 0),
    [0xC3] = ROW(MOV, M_R, NOPREFIX), /* MOVNTI: a register of 4 or 8 bytes */
};
static const struct opcode movbe_rows[2] = { /* 0F 38 F0, F1 */
    ROW(MOVBE, R_M, NOREP),
    ROW(MOVBE, M_R, NOREP),
};
static const struct opcode not_ours = { INSN_UNDEFINED, FORM_M, 0, NULL };

/* Operations that LOCK may stand before when the destination is memory; before any other it is undefined. */
static const uint32_t lockable = BIT(INSN_ADD) | BIT(INSN_OR) | BIT(INSN_ADC) | BIT(INSN_SBB) | BIT(INSN_AND) |
                                 BIT(INSN_SUB) | BIT(INSN_XOR) | BIT(INSN_NOT) | BIT(INSN_NEG) | BIT(INSN_INC) |
                                 BIT(INSN_DEC) | BIT(INSN_BTS) | BIT(INSN_BTR) | BIT(INSN_BTC) | BIT(INSN_XCHG) |
                                 BIT(INSN_XADD) | BIT(INSN_CMPXCHG);

/* The bytes, and what the prefixes said. */
struct cursor {
    const uint8_t *bytes;
    unsigned n, at;
    enum insn_mode mode;
    bool opsize, addrsize, rep, lock; /* 66, 67, F2 or F3, F0 */
    uint8_t seg;                      /* override, or INSN_NO_REG */
    uint8_t rex;                      /* 0: none */
};

enum { REX_B = BIT(0), REX_X = BIT(1), REX_R = BIT(2), REX_W = BIT(3) };

static bool take(struct cursor *c, uint8_t *b)
{
    if (c->at >= c->n)
        return false;
    *b = c->bytes[c->at++];
    return true;
}

/* A little-endian number of size bytes (0 to 8), sign-extended. */
static bool take_number(struct cursor *c, unsigned size, int64_t *out)
{
    uint64_t v = 0;

    if (size > c->n - c->at)
        return false;
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)c->bytes[c->at++] << 8 * i;
    *out = size ? (int64_t)insn_extend(v, size) : 0;
    return true;
}

/* True if b is a legacy prefix, noted. In 64-bit mode the ES, CS, SS and DS overrides do nothing at all. */
static bool note_prefix(struct cursor *c, uint8_t b)
{
    switch (b) {
    case 0x26: case 0x2E: case 0x36: case 0x3E:
        if (c->mode != INSN_64)
            c->seg = b >> 3 & 3;
        return true;
    case 0x64: case 0x65:
        c->seg = (uint8_t)(SEG_FS + (b & 1));
        return true;
    case 0x66:
        return c->opsize = true;
    case 0x67:
        return c->addrsize = true;
    case 0xF0:
        return c->lock = true;
    case 0xF2: case 0xF3:
        return c->rep = true;
    }
    return false;
}

/* Takes prefixes; *b is then the first opcode byte. A REX that is not the last of them does not count. */
static bool take_prefixes(struct cursor *c, uint8_t *b)
{
    for (;;) {
        if (!take(c, b))
            return false;
        if (note_prefix(c, *b))
            c->rex = 0;
        else if (c->mode == INSN_64 && (*b & 0xF0) == 0x40)
            c->rex = *b;
        else
            return true;
    }
}

/* The opcode's row; INSN_UNDEFINED in it if not one of ours. NULL: the bytes end. */
static const struct opcode *take_opcode(struct cursor *c)
{
    uint8_t b;

    if (!take_prefixes(c, &b))
        return NULL;
    if (b != 0x0F)
        return &one_byte[b];
    if (!take(c, &b))
        return NULL;
    if (b != 0x38)
        return &two_byte[b];
    if (!take(c, &b))
        return NULL;
    return (b & 0xFE) == 0xF0 ? &movbe_rows[b & 1] : &not_ours;
}

static unsigned operand_size(const struct cursor *c)
{
    if (c->rex & REX_W)
        return 8;
    return c->opsize == (c->mode == INSN_16) ? 4 : 2;
}

static uint8_t address_size(const struct cursor *c)
{
    if (c->mode == INSN_64)
        return c->addrsize ? 4 : 8;
    return c->addrsize == (c->mode == INSN_16) ? 4 : 2;
}

/* Base and index registers of 16-bit addresses, by ModRM.rm. */
static const uint8_t pairs16[8][2] = {
    { REG_RBX, REG_RSI },     { REG_RBX, REG_RDI },     { REG_RBP, REG_RSI },     { REG_RBP, REG_RDI },
    { REG_RSI, INSN_NO_REG }, { REG_RDI, INSN_NO_REG }, { REG_RBP, INSN_NO_REG }, { REG_RBX, INSN_NO_REG },
};

static unsigned address16(struct insn *in, unsigned mod, unsigned rm)
{
    if (mod == 0 && rm == 6)
        return 2; /* a displacement alone */
    in->base = pairs16[rm][0];
    in->index = pairs16[rm][1];
    return mod;
}

/* Returns the size of the displacement. sib is only looked at if rm says that there is one. */
static unsigned address32(const struct cursor *c, struct insn *in, unsigned mod, unsigned rm, unsigned sib)
{
    unsigned base = rm == 4 ? sib & 7 : rm;

    if (rm == 4) {
        unsigned index = (sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0);
        if (index != REG_RSP)
            in->index = (uint8_t)index;
        in->scale = (uint8_t)(sib >> 6);
    }
    if (base == REG_RBP && mod == 0) {
        in->rip_relative = rm != 4 && c->mode == INSN_64;
        return 4;
    }
    in->base = (uint8_t)(base | (c->rex & REX_B ? 8 : 0));
    return mod == 2 ? 4 : mod;
}

/* Takes what names the memory operand after the ModRM byte. */
static bool take_address(struct cursor *c, struct insn *in, unsigned modrm)
{
    unsigned mod = modrm >> 6, rm = modrm & 7, disp_size;
    uint8_t sib = 0;

    if (in->addr_size == 2) {
        disp_size = address16(in, mod, rm);
    } else {
        if (rm == 4 && !take(c, &sib))
            return false;
        disp_size = address32(c, in, mod, rm, sib);
    }
    if (in->base == REG_RBP || in->base == REG_RSP)
        in->seg = SEG_SS;
    return take_number(c, disp_size, &in->disp);
}

static void set_widths(const struct cursor *c, struct insn *in, unsigned flags)
{
    unsigned size = operand_size(c);

    if (flags & BYTE)
        size = 1;
    if (flags & MAX32 && size == 8)
        size = 4;
    if (flags & NOPREFIX && size == 2)
        size = 4; /* MOVNTI in 16-bit code */
    in->reg_width = in->width = (uint8_t)size;
    if (flags & MEM8)
        in->width = 1;
    if (flags & MEM16)
        in->width = 2;
    if (flags & MEM32 && size == 8)
        in->width = 4;
}

static void set_register(const struct cursor *c, struct insn *in, unsigned modrm, unsigned flags)
{
    in->reg = (uint8_t)((modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0));
    if (flags & BYTE && !c->rex && in->reg >= 4) {
        in->reg -= 4;
        in->reg_high = true;
    }
}

/* Takes ModRM and all that follows. */
static err_t take_operands(struct cursor *c, struct insn *in, const struct opcode *row)
{
    unsigned flags = row->flags;
    uint8_t modrm;

    if (!take(c, &modrm))
        return ERR_FORMAT;
    if (row->group)
        row = &row->group[modrm >> 3 & 7];
    if (modrm >> 6 == 3 || row->op == INSN_OTHER)
        return ERR_UNSUPPORTED;
    if (row->op == INSN_UNDEFINED)
        return ERR_FORMAT;
    in->op = row->op;
    in->form = row->form;
    set_register(c, in, modrm, flags);
    if (!take_address(c, in, modrm))
        return ERR_FORMAT;
    if (in->form == FORM_M_I && !take_number(c, flags & IMM8 ? 1 : in->width == 8 ? 4 : in->width, &in->imm))
        return ERR_FORMAT;
    return OK;
}

err_t insn_decode(const uint8_t *bytes, unsigned n, enum insn_mode mode, struct insn *out)
{
    struct cursor c = { .bytes = bytes, .n = n < INSN_MAX ? n : INSN_MAX, .mode = mode, .seg = INSN_NO_REG };
    const struct opcode *row = take_opcode(&c);
    err_t e = OK;

    if (!row)
        return ERR_FORMAT;
    if (row->op == INSN_UNDEFINED || (row->flags & ONLY64 && mode != INSN_64))
        return ERR_UNSUPPORTED;
    if (row->flags & (NOPREFIX | NOREP) && (c.rep || (row->flags & NOPREFIX && c.opsize)))
        return ERR_UNSUPPORTED;
    *out = (struct insn){ .op = row->op, .form = row->form, .rep = c.rep, .lock = c.lock, .seg = SEG_DS,
                          .base = INSN_NO_REG, .index = INSN_NO_REG, .addr_size = address_size(&c) };
    set_widths(&c, out, row->flags);
    if (row->flags & MOFFS)
        e = take_number(&c, out->addr_size, &out->disp) ? OK : ERR_FORMAT;
    else if (row->form != FORM_STR)
        e = take_operands(&c, out, row);
    if (e)
        return e;
    if (c.lock && (!(lockable & BIT(out->op)) || out->form == FORM_R_M))
        return ERR_FORMAT;
    if (c.seg != INSN_NO_REG)
        out->seg = c.seg;
    out->len = (uint8_t)c.at;
    return OK;
}

/* The sign bit, and the bit below it, of an operand. */
static unsigned top_bits(uint64_t v, unsigned width) { return (unsigned)(v >> (8 * width - 2)) & 3; }

/* Flags from the result alone: PF, ZF, SF. */
static uint64_t result_flags(uint64_t r, unsigned width)
{
    uint64_t flags = 0;

    if (!(__builtin_popcount((unsigned)r & 0xFF) & 1))
        flags |= RFLAGS_PF;
    if (insn_trim(r, width) == 0)
        flags |= RFLAGS_ZF;
    if (top_bits(r, width) & 2)
        flags |= RFLAGS_SF;
    return flags;
}

/* Flags from the carry (or borrow) out of each bit position: CF, AF, and OF, which is set where the carries into and out
 * of the sign bit differ. */
static uint64_t carry_flags(uint64_t carries, unsigned width)
{
    unsigned top = top_bits(carries, width);
    uint64_t flags = 0;

    if (top & 2)
        flags |= RFLAGS_CF;
    if (carries & 8)
        flags |= RFLAGS_AF;
    if (top == 1 || top == 2)
        flags |= RFLAGS_OF;
    return flags;
}

static uint64_t add(unsigned width, uint64_t a, uint64_t b, uint64_t carry, uint64_t *set)
{
    uint64_t r = a + b + carry;

    *set = result_flags(r, width) | carry_flags((a & b) | ((a | b) & ~r), width);
    return insn_trim(r, width);
}

static uint64_t subtract(unsigned width, uint64_t a, uint64_t b, uint64_t borrow, uint64_t *set)
{
    uint64_t r = a - b - borrow;

    *set = result_flags(r, width) | carry_flags((~a & b) | ((~a | b) & r), width);
    return insn_trim(r, width);
}

static uint64_t logic(unsigned width, uint64_t r, uint64_t *set)
{
    *set = result_flags(r, width);
    return r;
}

/* BT and its family change CF and nothing else. */
static uint64_t bit_op(enum insn_op op, unsigned width, uint64_t a, uint64_t b, uint64_t *flags)
{
    uint64_t mask = BIT64(b & (8 * width - 1));

    *flags = (*flags & ~RFLAGS_CF) | (a & mask ? RFLAGS_CF : 0);
    if (op == INSN_BTS)
        return a | mask;
    if (op == INSN_BTR)
        return a & ~mask;
    return op == INSN_BTC ? a ^ mask : a;
}

uint64_t insn_alu(enum insn_op op, unsigned width, uint64_t a, uint64_t b, uint64_t *flags)
{
    uint64_t r = a, set = 0, touched = RFLAGS_ARITH, carry = *flags & RFLAGS_CF;

    if (op >= INSN_BT && op <= INSN_BTC)
        return bit_op(op, width, a, b, flags);
    switch ((unsigned)op) {
    case INSN_ADD: case INSN_XADD: r = add(width, a, b, 0, &set); break;
    case INSN_ADC: r = add(width, a, b, carry, &set); break;
    case INSN_SBB: r = subtract(width, a, b, carry, &set); break;
    case INSN_SUB: case INSN_CMP: r = subtract(width, a, b, 0, &set); break;
    case INSN_NEG: r = subtract(width, 0, a, 0, &set); break;
    case INSN_OR: r = logic(width, a | b, &set); break;
    case INSN_XOR: r = logic(width, a ^ b, &set); break;
    case INSN_AND: case INSN_TEST: r = logic(width, a & b, &set); break;
    case INSN_INC: r = add(width, a, 1, 0, &set); touched &= ~RFLAGS_CF; break;
    case INSN_DEC: r = subtract(width, a, 1, 0, &set); touched &= ~RFLAGS_CF; break;
    case INSN_NOT: r = insn_trim(~a, width); touched = 0; break;
    }
    *flags = (*flags & ~touched) | (set & touched);
    return r;
}
