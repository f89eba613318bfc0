#pragma once
/* Decodes one x86 instruction that reads or writes memory, in 64-bit code. Pure: bytes in, struct out. Known is what
 * compilers and kernels use on device memory: moves, string moves, ALU, bit and exchange operations on general registers,
 * and INS and OUTS. Only what has run on a CPU is decoded, so bytes that the CPU itself would refuse (a LOCK prefix where
 * there must be none) may be taken for what they look like. Encodings: Intel SDM volume 2, chapter 2 and appendix A. */
#include "arch/x86/reg.h"
#include "base/err.h"

#define INSN_MAX 15 /* bytes */

enum insn_op {
    INSN_NONE, /* not one of ours; never in a decoded struct insn */
    INSN_ADD, INSN_OR, INSN_ADC, INSN_SBB, INSN_AND, INSN_SUB, INSN_XOR, INSN_CMP, /* in the order of the encoding */
    INSN_TEST, INSN_NOT, INSN_NEG, INSN_INC, INSN_DEC,
    INSN_BT, INSN_BTS, INSN_BTR, INSN_BTC,
    INSN_MOV, INSN_MOVZX, INSN_MOVSX, INSN_XCHG, INSN_CMPXCHG,
    INSN_MOVS, INSN_STOS, INSN_LODS, INSN_INS, INSN_OUTS,
};

/* Where the operands are. The destination is named first. */
enum insn_form {
    FORM_M_R, /* memory, register */
    FORM_M_I, /* memory, immediate; an operation on memory alone has the immediate 0 */
    FORM_R_M, /* register, memory */
    FORM_STR, /* MOVS, STOS, LODS, INS, OUTS */
};

/* Segments with a base; the others have none in 64-bit code. */
enum insn_seg { SEG_FLAT, SEG_FS, SEG_GS };

#define INSN_NO_REG 0xFF

struct insn {
    enum insn_op op;
    enum insn_form form;
    uint8_t len;            /* bytes, 1 .. INSN_MAX */
    uint8_t width;          /* of the memory operand, bytes: 1, 2, 4, 8 */
    uint8_t reg_width;      /* of the register operand: differs for MOVZX and MOVSX */
    uint8_t reg;            /* enum reg; FORM_M_R and FORM_R_M */
    bool reg_high;          /* AH, CH, DH, BH: bits 8-15 of reg */
    bool rep;
    uint8_t addr_size;      /* 4, 8 */
    enum insn_seg seg;      /* of the source if a string move */
    uint8_t base, index;    /* enum reg or INSN_NO_REG */
    uint8_t scale;          /* 0 .. 3: index << scale */
    bool rip_relative;      /* add the address of the next instruction */
    int64_t disp;
    int64_t imm;            /* FORM_M_I, sign-extended */
};

/* ERR_FORMAT: the bytes end inside the instruction; ERR_UNSUPPORTED: it is not one of ours, or has no memory operand.
 * *out is then undefined. */
MUST_USE err_t insn_decode(const uint8_t *bytes, unsigned n, struct insn *out);

/* What the instruction computes from its destination operand a and source operand b, both zero-extended from width bytes,
 * and the arithmetic bits of *flags, which it updates as the CPU does (bits it leaves undefined are cleared). For the
 * operations from INSN_ADD to INSN_XCHG; the bit operations take the bit number in b modulo the operand's bits. */
uint64_t insn_alu(enum insn_op op, unsigned width, uint64_t a, uint64_t b, uint64_t *flags);

/* The low width bytes of v. */
static inline uint64_t insn_trim(uint64_t v, unsigned width) { return width == 8 ? v : v & (BIT64(8 * width) - 1); }
/* The same, sign-extended to 64 bits. */
static inline uint64_t insn_extend(uint64_t v, unsigned width)
{
    unsigned unused = 64 - 8 * width;
    return (uint64_t)((int64_t)(v << unused) >> unused);
}
