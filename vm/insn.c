/* The instruction decoder: tables of opcodes, and the walk over prefixes, opcode, ModRM, SIB, displacement, immediate. */
#include "vm/insn.h"

/* How an opcode is to be read. Nearly all come in pairs, of which the even one works on bytes. */
enum {
    IMM8 = BIT(0),   /* the immediate is one byte, sign-extended */
    WIDE = BIT(1),   /* not bytes, though the opcode is even */
    MEM8 = BIT(2),   /* the memory operand is a byte, the register is not */
    MEM16 = BIT(3),  /* ... two bytes */
    MEM32 = BIT(4),  /* ... four bytes at most */
    MOFFS = BIT(5),  /* no ModRM: accumulator and an absolute address */
    GROUP = BIT(6),  /* op is a row of groups[], from which ModRM.reg chooses */
};

struct opcode {
    uint8_t op;   /* enum insn_op; INSN_NONE: not one of ours */
    uint8_t form; /* enum insn_form */
    uint8_t flags;
};

enum { GROUP_ALU = 1, GROUP_UNARY, GROUP_STEP, GROUP_MOV, GROUP_BIT };
static const uint8_t groups[][8] = {
    [GROUP_ALU] = { INSN_ADD, INSN_OR, INSN_ADC, INSN_SBB, INSN_AND, INSN_SUB, INSN_XOR, INSN_CMP },
    [GROUP_UNARY] = { INSN_TEST, INSN_TEST, INSN_NOT, INSN_NEG }, /* the rest is MUL and DIV */
    [GROUP_STEP] = { INSN_INC, INSN_DEC },
    [GROUP_MOV] = { INSN_MOV },
    [GROUP_BIT] = { [4] = INSN_BT, INSN_BTS, INSN_BTR, INSN_BTC },
};

#define ALU_ROWS(first, op)                                                                                    \
    [(first) ... (first) + 1] = { op, FORM_M_R, 0 }, [(first) + 2 ... (first) + 3] = { op, FORM_R_M, 0 }

static const struct opcode one_byte[256] = {
    ALU_ROWS(0x00, INSN_ADD),
    ALU_ROWS(0x08, INSN_OR),
    ALU_ROWS(0x10, INSN_ADC),
    ALU_ROWS(0x18, INSN_SBB),
    ALU_ROWS(0x20, INSN_AND),
    ALU_ROWS(0x28, INSN_SUB),
    ALU_ROWS(0x30, INSN_XOR),
    ALU_ROWS(0x38, INSN_CMP),
    [0x63] = { INSN_MOVSX, FORM_R_M, MEM32 },
    [0x6C ... 0x6D] = { INSN_INS, FORM_STR, 0 },
    [0x6E ... 0x6F] = { INSN_OUTS, FORM_STR, 0 },
    [0x80 ... 0x81] = { GROUP_ALU, FORM_M_I, GROUP },
    [0x83] = { GROUP_ALU, FORM_M_I, GROUP | IMM8 },
    [0x84 ... 0x85] = { INSN_TEST, FORM_M_R, 0 },
    [0x86 ... 0x87] = { INSN_XCHG, FORM_M_R, 0 },
    [0x88 ... 0x89] = { INSN_MOV, FORM_M_R, 0 },
    [0x8A ... 0x8B] = { INSN_MOV, FORM_R_M, 0 },
    [0xA0 ... 0xA1] = { INSN_MOV, FORM_R_M, MOFFS },
    [0xA2 ... 0xA3] = { INSN_MOV, FORM_M_R, MOFFS },
    [0xA4 ... 0xA5] = { INSN_MOVS, FORM_STR, 0 },
    [0xAA ... 0xAB] = { INSN_STOS, FORM_STR, 0 },
    [0xAC ... 0xAD] = { INSN_LODS, FORM_STR, 0 },
    [0xC6 ... 0xC7] = { GROUP_MOV, FORM_M_I, GROUP },
    [0xF6 ... 0xF7] = { GROUP_UNARY, FORM_M_I, GROUP },
    [0xFE ... 0xFF] = { GROUP_STEP, FORM_M_I, GROUP },
};
static const struct opcode two_byte[256] = { /* 0F xx */
    [0xB0 ... 0xB1] = { INSN_CMPXCHG, FORM_M_R, 0 },
    [0xB6] = { INSN_MOVZX, FORM_R_M, WIDE | MEM8 },
    [0xB7] = { INSN_MOVZX, FORM_R_M, MEM16 },
    [0xBA] = { GROUP_BIT, FORM_M_I, GROUP | WIDE | IMM8 },
    [0xBE] = { INSN_MOVSX, FORM_R_M, WIDE | MEM8 },
    [0xBF] = { INSN_MOVSX, FORM_R_M, MEM16 },
    [0xC3] = { INSN_MOV, FORM_M_R, 0 }, /* MOVNTI */
};

/* The bytes, and what the prefixes said. */
struct cursor {
    const uint8_t *bytes;
    unsigned n, at;
    bool ended;                       /* more bytes were asked for than there are */
    bool opsize, addrsize, rep;       /* 66, 67, F2 or F3 */
    enum insn_seg seg;
    uint8_t rex;                      /* 0: none */
};

enum { REX_B = BIT(0), REX_X = BIT(1), REX_R = BIT(2), REX_W = BIT(3) };

/* Bit 3 of a register's number. */
static unsigned high_bit(const struct cursor *c, unsigned rex) { return c->rex & rex ? 8 : 0; }

static uint8_t take(struct cursor *c)
{
    if (c->at < c->n)
        return c->bytes[c->at++];
    c->ended = true;
    return 0;
}

/* A little-endian number of size bytes (0 to 8), sign-extended. */
static int64_t take_number(struct cursor *c, unsigned size)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)take(c) << 8 * i;
    return size ? (int64_t)insn_extend(v, size) : 0;
}

/* True if b is a prefix but REX, noted. LOCK needs nothing done: emulation is under vm->lock. */
static bool note_prefix(struct cursor *c, uint8_t b)
{
    switch (b) {
    case 0x26: case 0x2E: case 0x36: case 0x3E: case 0xF0:
        return true;
    case 0x64:
        c->seg = SEG_FS;
        return true;
    case 0x65:
        c->seg = SEG_GS;
        return true;
    case 0x66:
        return c->opsize = true;
    case 0x67:
        return c->addrsize = true;
    case 0xF2: case 0xF3:
        return c->rep = true;
    }
    return false;
}

/* Takes prefixes and the first opcode byte. A REX that is not the last of the prefixes does not count. */
static uint8_t take_prefixes(struct cursor *c)
{
    for (;;) {
        uint8_t b = take(c);

        if (note_prefix(c, b))
            c->rex = 0;
        else if ((b & 0xF0) == 0x40)
            c->rex = b;
        else
            return b;
    }
}

static void set_widths(const struct cursor *c, struct insn *in, uint8_t opcode, unsigned flags)
{
    uint8_t size = c->rex & REX_W ? 8 : c->opsize ? 2 : 4;

    if (!(opcode & 1) && !(flags & WIDE))
        size = 1;
    if (in->op >= INSN_INS && size == 8 && in->form == FORM_STR)
        size = 4;
    in->reg_width = in->width = size;
    if (flags & MEM8)
        in->width = 1;
    if (flags & MEM16)
        in->width = 2;
    if (flags & MEM32 && size == 8)
        in->width = 4;
}

/* Takes what names the memory operand after the ModRM byte. */
static void take_address(struct cursor *c, struct insn *in, unsigned modrm)
{
    unsigned mod = modrm >> 6, base = modrm & 7, disp_size = mod == 2 ? 4 : mod;
    bool has_sib = base == REG_RSP;

    if (has_sib) {
        uint8_t sib = take(c);
        unsigned index = (sib >> 3 & 7) | high_bit(c, REX_X);

        if (index != REG_RSP)
            in->index = (uint8_t)index;
        in->scale = sib >> 6;
        base = sib & 7;
    }
    if (base == REG_RBP && mod == 0) {
        in->rip_relative = !has_sib;
        disp_size = 4;
    } else {
        in->base = (uint8_t)(base | high_bit(c, REX_B));
    }
    in->disp = take_number(c, disp_size);
}

static unsigned imm_size(const struct insn *in, unsigned flags)
{
    if (in->form != FORM_M_I || (in->op >= INSN_NOT && in->op <= INSN_DEC))
        return 0;
    return flags & IMM8 ? 1 : in->width == 8 ? 4 : in->width;
}

/* Takes ModRM and all that follows. */
static err_t take_operands(struct cursor *c, struct insn *in, const struct opcode *row)
{
    uint8_t modrm = take(c), reg = modrm >> 3 & 7;

    if (row->flags & GROUP)
        in->op = groups[row->op][reg];
    if (modrm >> 6 == 3 || !in->op)
        return ERR_UNSUPPORTED;
    in->reg_high = in->reg_width == 1 && !c->rex && reg >= 4;
    in->reg = in->reg_high ? reg - 4 : (uint8_t)(reg | high_bit(c, REX_R));
    take_address(c, in, modrm);
    in->imm = take_number(c, imm_size(in, row->flags));
    return OK;
}

static err_t decode(struct cursor *c, struct insn *out)
{
    const struct opcode *row = one_byte;
    uint8_t b = take_prefixes(c);
    err_t e = OK;

    if (b == 0x0F) {
        row = two_byte;
        b = take(c);
    }
    row += b;
    if (!row->op)
        return ERR_UNSUPPORTED;
    *out = (struct insn){ .op = row->op, .form = row->form, .rep = c->rep, .seg = c->seg, .base = INSN_NO_REG,
                          .index = INSN_NO_REG, .addr_size = c->addrsize ? 4 : 8 };
    set_widths(c, out, b, row->flags);
    if (row->flags & MOFFS)
        out->disp = take_number(c, out->addr_size);
    else if (row->form != FORM_STR)
        e = take_operands(c, out, row);
    out->len = (uint8_t)c->at;
    return e;
}

err_t insn_decode(const uint8_t *bytes, unsigned n, struct insn *out)
{
    struct cursor c = { .bytes = bytes, .n = n < INSN_MAX ? n : INSN_MAX };
    err_t e = decode(&c, out);

    return c.ended ? ERR_FORMAT : e;
}

/* The flags that belong to a result and to the carry (or borrow) out of each of its bits. Overflow is where the carries
 * into and out of the sign bit differ. */
static uint64_t flags_of(unsigned width, uint64_t r, uint64_t carries)
{
    unsigned sign = 8 * width - 1;

    return (carries >> sign & 1 ? RFLAGS_CF : 0) | (__builtin_parity(r & 0xFF) ? 0 : RFLAGS_PF) |
           (carries & 8 ? RFLAGS_AF : 0) | (insn_trim(r, width) ? 0 : RFLAGS_ZF) | (r >> sign & 1 ? RFLAGS_SF : 0) |
           ((carries >> sign ^ carries >> (sign - 1)) & 1 ? RFLAGS_OF : 0);
}

/* a + b + carry; with minus a - b - carry, which is a + ~b + !carry with every carry turned into a borrow. */
static uint64_t sum(uint64_t a, uint64_t b, bool carry, bool minus, uint64_t *carries)
{
    uint64_t turn = minus ? UINT64_MAX : 0, r;

    b ^= turn;
    r = a + b + (carry ^ minus);
    *carries = ((a & b) | ((a | b) & ~r)) ^ turn;
    return r;
}

/* BT and its family change CF and nothing else. */
static uint64_t bit_op(enum insn_op op, uint64_t a, uint64_t mask, uint64_t *flags)
{
    *flags = (*flags & ~RFLAGS_CF) | (a & mask ? RFLAGS_CF : 0);
    return op == INSN_BTS ? a | mask : op == INSN_BTR ? a & ~mask : op == INSN_BTC ? a ^ mask : a;
}

uint64_t insn_alu(enum insn_op op, unsigned width, uint64_t a, uint64_t b, uint64_t *flags)
{
    uint64_t r = a, carries = 0, touched = RFLAGS_ARITH;
    bool carry = *flags & RFLAGS_CF;

    if (op >= INSN_BT && op <= INSN_BTC)
        return bit_op(op, a, BIT64(b & (8 * width - 1)), flags);
    if (op == INSN_MOV || op == INSN_MOVZX || op == INSN_XCHG)
        return b;
    if (op == INSN_MOVSX)
        return insn_extend(b, width);
    if (op == INSN_NOT)
        return insn_trim(~a, width);
    if (op == INSN_INC || op == INSN_DEC) {
        b = 1;
        touched &= ~RFLAGS_CF;
    }
    switch ((unsigned)op) {
    case INSN_ADD: case INSN_INC: r = sum(a, b, false, false, &carries); break;
    case INSN_ADC: r = sum(a, b, carry, false, &carries); break;
    case INSN_SUB: case INSN_CMP: case INSN_DEC: r = sum(a, b, false, true, &carries); break;
    case INSN_SBB: r = sum(a, b, carry, true, &carries); break;
    case INSN_NEG: r = sum(0, a, false, true, &carries); break;
    case INSN_OR: r = a | b; break;
    case INSN_XOR: r = a ^ b; break;
    case INSN_AND: case INSN_TEST: r = a & b; break;
    }
    *flags = (*flags & ~touched) | (flags_of(width, r, carries) & touched);
    return insn_trim(r, width);
}
