/* vm/insn: the decoder against the Zydis disassembler, the arithmetic against this CPU. */
#include "test/unit/unit.h"
#include <string.h>
#include <Zydis/Zydis.h>
#include "base/types.h"
#include "vm/insn.h"

static uint64_t seed = 0x9E3779B97F4A7C15;
static uint64_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545F4914F6CDD1D >> 11;
}

/* --- the disassembler's view --- */

static const struct {
    ZydisMnemonic z;
    enum insn_op op;
} names[] = {
    { ZYDIS_MNEMONIC_ADD, INSN_ADD },         { ZYDIS_MNEMONIC_OR, INSN_OR },        { ZYDIS_MNEMONIC_ADC, INSN_ADC },
    { ZYDIS_MNEMONIC_SBB, INSN_SBB },         { ZYDIS_MNEMONIC_AND, INSN_AND },      { ZYDIS_MNEMONIC_SUB, INSN_SUB },
    { ZYDIS_MNEMONIC_XOR, INSN_XOR },         { ZYDIS_MNEMONIC_CMP, INSN_CMP },      { ZYDIS_MNEMONIC_TEST, INSN_TEST },
    { ZYDIS_MNEMONIC_NOT, INSN_NOT },         { ZYDIS_MNEMONIC_NEG, INSN_NEG },      { ZYDIS_MNEMONIC_INC, INSN_INC },
    { ZYDIS_MNEMONIC_DEC, INSN_DEC },         { ZYDIS_MNEMONIC_BT, INSN_BT },        { ZYDIS_MNEMONIC_BTS, INSN_BTS },
    { ZYDIS_MNEMONIC_BTR, INSN_BTR },         { ZYDIS_MNEMONIC_BTC, INSN_BTC },      { ZYDIS_MNEMONIC_XCHG, INSN_XCHG },
    { ZYDIS_MNEMONIC_MOV, INSN_MOV },      { ZYDIS_MNEMONIC_MOVNTI, INSN_MOV },
    { ZYDIS_MNEMONIC_CMPXCHG, INSN_CMPXCHG }, { ZYDIS_MNEMONIC_MOVZX, INSN_MOVZX },  { ZYDIS_MNEMONIC_MOVSX, INSN_MOVSX },
    { ZYDIS_MNEMONIC_MOVSXD, INSN_MOVSX },    { ZYDIS_MNEMONIC_MOVSB, INSN_MOVS },
    { ZYDIS_MNEMONIC_MOVSW, INSN_MOVS },      { ZYDIS_MNEMONIC_MOVSD, INSN_MOVS },   { ZYDIS_MNEMONIC_MOVSQ, INSN_MOVS },
    { ZYDIS_MNEMONIC_STOSB, INSN_STOS },      { ZYDIS_MNEMONIC_STOSW, INSN_STOS },   { ZYDIS_MNEMONIC_STOSD, INSN_STOS },
    { ZYDIS_MNEMONIC_STOSQ, INSN_STOS },      { ZYDIS_MNEMONIC_LODSB, INSN_LODS },   { ZYDIS_MNEMONIC_LODSW, INSN_LODS },
    { ZYDIS_MNEMONIC_LODSD, INSN_LODS },      { ZYDIS_MNEMONIC_LODSQ, INSN_LODS },   { ZYDIS_MNEMONIC_INSB, INSN_INS },
    { ZYDIS_MNEMONIC_INSW, INSN_INS },        { ZYDIS_MNEMONIC_INSD, INSN_INS },     { ZYDIS_MNEMONIC_OUTSB, INSN_OUTS },
    { ZYDIS_MNEMONIC_OUTSW, INSN_OUTS },      { ZYDIS_MNEMONIC_OUTSD, INSN_OUTS },
};

static enum insn_op op_of(ZydisMnemonic z)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].z == z)
            return names[i].op;
    return INSN_NONE;
}

struct view {
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    const ZydisDecodedOperand *mem, *reg, *imm;
    bool reg_first;
};

static ZydisDecoder decoder;

static bool look(const uint8_t *bytes, unsigned n, struct view *v)
{
    memset(v, 0, sizeof *v);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes, n, &v->in, v->op)))
        return false;
    for (unsigned i = 0; i < v->in.operand_count; i++) {
        const ZydisDecodedOperand *o = &v->op[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !v->mem)
            v->mem = o;
        if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            continue;
        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && !v->reg) {
            v->reg = o;
            v->reg_first = !v->mem;
        }
        if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
            v->imm = o;
    }
    return true;
}

static uint8_t number(ZydisRegister r)
{
    switch (r) {
    case ZYDIS_REGISTER_NONE: case ZYDIS_REGISTER_RIP: case ZYDIS_REGISTER_EIP: return INSN_NO_REG;
    case ZYDIS_REGISTER_AH: return REG_RAX;
    case ZYDIS_REGISTER_CH: return REG_RCX;
    case ZYDIS_REGISTER_DH: return REG_RDX;
    case ZYDIS_REGISTER_BH: return REG_RBX;
    default: return (uint8_t)(ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, r)));
    }
}

static bool is_high(ZydisRegister r) { return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH; }

/* Is it an instruction that the decoder must know? */
static bool ours(const struct view *v)
{
    if (op_of(v->in.mnemonic) == INSN_NONE || !v->mem || v->mem->mem.type != ZYDIS_MEMOP_TYPE_MEM)
        return false;
    if (v->reg && ZydisRegisterGetClass(v->reg->reg.value) > ZYDIS_REGCLASS_GPR64)
        return false; /* MOV to and from segment registers, and MOVSD of SSE2 */
    return op_of(v->in.mnemonic) < INSN_BT || op_of(v->in.mnemonic) > INSN_BTC || v->imm; /* no strings of bits */
}

static void hex(const uint8_t *b, unsigned n)
{
    print_message("bytes:");
    for (unsigned i = 0; i < n; i++)
        print_message(" %02x", b[i]);
    print_message("\n");
}

/* Fails with the bytes at hand. */
#define SAME(ours, theirs)                                                                              \
    do {                                                                                                \
        if ((ours) != (theirs)) {                                                                       \
            hex(bytes, in->len);                                                                  \
            fail_msg("line %d: %s is %#llx, not %s %#llx", __LINE__, #ours, (unsigned long long)(ours), \
                     #theirs, (unsigned long long)(theirs));                                            \
        }                                                                                               \
    } while (0)

static enum insn_seg seg_of(const ZydisDecodedOperand *o)
{
    return o->mem.segment == ZYDIS_REGISTER_FS ? SEG_FS : o->mem.segment == ZYDIS_REGISTER_GS ? SEG_GS : SEG_FLAT;
}

static void check_same(const struct view *v, const struct insn *in, const uint8_t *bytes)
{
    SAME(in->len, v->in.length);
    SAME(in->op, op_of(v->in.mnemonic));
    SAME(true, NULL != v->mem);
    if (v->in.mnemonic != ZYDIS_MNEMONIC_MOVSXD || in->reg_width != 2) /* Intel: m16; the disassembler says m32 */
        SAME(in->width * 8, v->mem->size);
    SAME(in->addr_size * 8, v->in.address_width);
    if (in->form == FORM_STR) {
        SAME(in->rep, !!(v->in.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE)));
        const ZydisDecodedOperand *src = in->op == INSN_LODS || in->op == INSN_OUTS || in->op == INSN_MOVS ? &v->op[1] : NULL;
        if (src) {
            SAME(src->type, ZYDIS_OPERAND_TYPE_MEMORY);
            SAME(in->seg, seg_of(src));
        }
        return;
    }
    SAME(in->seg, seg_of(v->mem));
    SAME(in->rip_relative, v->mem->mem.base == ZYDIS_REGISTER_RIP || v->mem->mem.base == ZYDIS_REGISTER_EIP);
    if (!v->in.raw.modrm.mod && v->in.raw.modrm.rm == 4 && v->in.raw.sib.base == 5)
        SAME(in->base, INSN_NO_REG); /* the disassembler has R13 if REX.B is set; the CPU has none */
    else
        SAME(in->base, number(v->mem->mem.base));
    SAME(in->index, number(v->mem->mem.index));
    if (in->index != INSN_NO_REG)
        SAME(1 << in->scale, v->mem->mem.scale);
    uint64_t disp = (uint64_t)(v->in.raw.disp.size ? v->in.raw.disp.value : v->mem->mem.disp.value);
    SAME(insn_trim((uint64_t)in->disp, in->addr_size), insn_trim(disp, in->addr_size));
    if (in->form == FORM_M_R || in->form == FORM_R_M) {
        SAME(true, NULL != v->reg);
        SAME(in->reg, number(v->reg->reg.value));
        SAME(in->reg_high, is_high(v->reg->reg.value));
        SAME(in->reg_width * 8, v->reg->size);
        SAME(in->form == FORM_R_M, v->reg_first);
    }
    if (in->form == FORM_M_I && in->op >= INSN_NOT && in->op <= INSN_DEC) {
        SAME(in->imm, 0);
    } else if (in->form == FORM_M_I) {
        SAME(true, NULL != v->imm);
        if (in->op >= INSN_BT && in->op <= INSN_BTC)
            SAME(in->imm & 0xFF, v->imm->imm.value.u & 0xFF);
        else
            SAME(insn_trim((uint64_t)in->imm, in->width), insn_trim(v->imm->imm.value.u, in->width));
    }
}

static void compare(const uint8_t *bytes, unsigned n, unsigned *decoded)
{
    struct insn in = { 0 };
    struct view v;
    err_t e = insn_decode(bytes, n, &in);
    bool valid = look(bytes, n, &v);

    if (!valid)
        return; /* the CPU would not have run it */
    if (e && ours(&v)) {
        hex(bytes, n);
        fail_msg("refused an instruction of ours (error %d)", e);
    }
    if (e)
        return;
    check_same(&v, &in, bytes);
    ++*decoded;
}

/* Some prefixes, an opcode that may be ours, and anything. */
static unsigned random_insn(uint8_t *b)
{
    static const uint8_t prefixes[] = { 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, 0x40, 0x48, 0x4C };
    unsigned n = 0, count = rnd() % 4;

    for (unsigned i = 0; i < 20; i++)
        b[i] = (uint8_t)rnd();
    while (n < count)
        b[n++] = prefixes[rnd() % ARRAY_LEN(prefixes)];
    if (rnd() % 4 == 0)
        b[n++] = (uint8_t)(0x40 | (rnd() & 15));
    if (rnd() % 3 == 0)
        b[n++] = 0x0F;
    return rnd() % 8 ? 20 : (unsigned)(rnd() % 16);
}

static void agrees_with_the_disassembler_on_random_bytes(void **)
{
    uint8_t b[24];
    unsigned decoded = 0;

    for (unsigned i = 0; i < 600000; i++) {
        unsigned n = random_insn(b);
        compare(b, n, &decoded);
    }
    print_message("%u decoded\n", decoded);
    assert_true(decoded > 60000);
}

static void agrees_on_every_opcode_and_modrm(void **)
{
    static const uint8_t prefix[] = { 0, 0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x48, 0x41, 0x65, 0x26 };
    unsigned decoded = 0;

    for (unsigned p = 0; p < ARRAY_LEN(prefix); p++)
        for (unsigned op = 0; op < 512; op++)
            for (unsigned modrm = 0; modrm < 256; modrm++) {
                uint8_t b[20] = { 0 };
                unsigned n = 0;
                if (prefix[p])
                    b[n++] = prefix[p];
                if (op >= 256)
                    b[n++] = 0x0F;
                b[n++] = (uint8_t)op;
                b[n++] = (uint8_t)modrm;
                b[n++] = (uint8_t)(modrm * 7);
                compare(b, sizeof b, &decoded);
            }
    print_message("%u decoded\n", decoded);
    assert_true(decoded > 100000);
}

/* --- examples written by hand --- */

static err_t decode64(struct insn *in, unsigned n, const char *bytes)
{
    return insn_decode((const uint8_t *)bytes, n, in);
}
#define DECODE(in, bytes) decode64(in, sizeof bytes - 1, bytes)

static void a_short_instruction_is_refused_at_every_length(void **)
{
    static const uint8_t b[] = { 0x66, 0x64, 0x4A, 0xC7, 0x84, 0x05, 1, 2, 3, 4, 5, 6, 7, 8 };
    struct insn in;

    for (unsigned n = 0; n < sizeof b; n++)
        assert_int_equal(insn_decode(b, n, &in), ERR_FORMAT);
    assert_int_equal(insn_decode(b, sizeof b, &in), OK);
    assert_int_equal(in.len, sizeof b);
    assert_int_equal(in.width, 8);
    assert_int_equal(in.imm, 0x08070605);
    assert_int_equal(in.disp, 0x04030201);
    assert_int_equal(in.seg, SEG_FS);
}

static void more_than_15_bytes_are_no_instruction(void **)
{
    uint8_t b[20];
    struct insn in;

    memset(b, 0x66, sizeof b);
    b[13] = 0x89, b[14] = 0x00; /* mov %ax,(%rax) in 15 bytes */
    assert_int_equal(insn_decode(b, sizeof b, &in), OK);
    assert_int_equal(in.len, 15);
    b[13] = 0x66, b[14] = 0x89, b[15] = 0x00;
    assert_int_equal(insn_decode(b, sizeof b, &in), ERR_FORMAT);
}

static void what_is_not_ours_is_unsupported(void **)
{
    struct insn in;

    assert_int_equal(DECODE(&in, "\x0F\x10\x00"), ERR_UNSUPPORTED);         /* movups */
    assert_int_equal(DECODE(&in, "\x66\x0F\x6F\x00"), ERR_UNSUPPORTED);     /* movdqa */
    assert_int_equal(DECODE(&in, "\xF3\x0F\x7F\x00"), ERR_UNSUPPORTED);     /* movdqu */
    assert_int_equal(DECODE(&in, "\x66\x0F\xE7\x00"), ERR_UNSUPPORTED);     /* movntdq */
    assert_int_equal(DECODE(&in, "\x66\x0F\xD6\x00"), ERR_UNSUPPORTED);     /* movq */
    assert_int_equal(DECODE(&in, "\x89\xC0"), ERR_UNSUPPORTED);             /* mov %eax,%eax: no memory */
    assert_int_equal(DECODE(&in, "\xFF\x10"), ERR_UNSUPPORTED);             /* call *(%rax) */
    assert_int_equal(DECODE(&in, "\xF7\x20"), ERR_UNSUPPORTED);             /* mul */
    assert_int_equal(DECODE(&in, "\xC5\xF8\x10\x00"), ERR_UNSUPPORTED);     /* vmovups */
    assert_int_equal(DECODE(&in, "\xF2\x0F\x38\xF1\x00"), ERR_UNSUPPORTED); /* crc32 */
    assert_int_equal(DECODE(&in, "\x90"), ERR_UNSUPPORTED);
    assert_int_equal(DECODE(&in, "\xFF\x38"), ERR_UNSUPPORTED);         /* no instruction at all */
    assert_int_equal(DECODE(&in, "\xC7\x08\0\0\0\0"), ERR_UNSUPPORTED);
    assert_int_equal(DECODE(&in, "\x0F\xBA\x00\x00"), ERR_UNSUPPORTED);
    assert_int_equal(DECODE(&in, "\x0F\xA3\x00"), ERR_UNSUPPORTED);     /* bt %eax,(%rax): may lie anywhere */
}

static void a_rex_before_another_prefix_does_not_count(void **)
{
    struct insn in;

    assert_int_equal(DECODE(&in, "\x48\x66\x89\x00"), OK);
    assert_int_equal(in.width, 2);
    assert_int_equal(DECODE(&in, "\x66\x48\x89\x00"), OK);
    assert_int_equal(in.width, 8);
    assert_int_equal(DECODE(&in, "\x88\x20"), OK); /* mov %ah,(%rax) */
    assert_true(in.reg_high && in.reg == REG_RAX);
    assert_int_equal(DECODE(&in, "\x40\x88\x20"), OK); /* mov %spl,(%rax) */
    assert_true(!in.reg_high && in.reg == REG_RSP);
}

/* --- arithmetic against the CPU --- */

#define RUN2(name, suffix, type)                                                                                  \
    static uint64_t name##_##type(uint64_t a, uint64_t b, uint64_t *flags)                                        \
    {                                                                                                             \
        type x = (type)a, y = (type)b;                                                                            \
        __asm__ volatile("push %1\n popf\n" #name suffix " %2, %0\n pushf\n pop %1" : "+r"(x), "+r"(*flags) : "r"(y) : "cc"); \
        return x;                                                                                                 \
    }
#define RUN1(name, suffix, type)                                                                                  \
    static uint64_t name##_##type(uint64_t a, uint64_t b, uint64_t *flags)                                        \
    {                                                                                                             \
        type x = (type)a;                                                                                         \
        (void)b;                                                                                                  \
        __asm__ volatile("push %1\n popf\n" #name suffix " %0\n pushf\n pop %1" : "+r"(x), "+r"(*flags)::"cc");   \
        return x;                                                                                                 \
    }
#define SIZES(run, name) run(name, "b", uint8_t) run(name, "w", uint16_t) run(name, "l", uint32_t) run(name, "q", uint64_t)
#define WIDE_SIZES(run, name) run(name, "w", uint16_t) run(name, "l", uint32_t) run(name, "q", uint64_t)
SIZES(RUN2, add) SIZES(RUN2, or) SIZES(RUN2, adc) SIZES(RUN2, sbb) SIZES(RUN2, and) SIZES(RUN2, sub) SIZES(RUN2, xor)
SIZES(RUN2, cmp) SIZES(RUN2, test) SIZES(RUN1, not) SIZES(RUN1, neg) SIZES(RUN1, inc) SIZES(RUN1, dec)
WIDE_SIZES(RUN2, bt) WIDE_SIZES(RUN2, bts) WIDE_SIZES(RUN2, btr) WIDE_SIZES(RUN2, btc)

#define ROW4(name, op) { op, { name##_uint8_t, name##_uint16_t, name##_uint32_t, name##_uint64_t } }
#define ROW3(name, op) { op, { NULL, name##_uint16_t, name##_uint32_t, name##_uint64_t } }
static const struct {
    enum insn_op op;
    uint64_t (*run[4])(uint64_t a, uint64_t b, uint64_t *flags);
} real[] = {
    ROW4(add, INSN_ADD), ROW4(or, INSN_OR), ROW4(adc, INSN_ADC), ROW4(sbb, INSN_SBB), ROW4(and, INSN_AND),
    ROW4(sub, INSN_SUB), ROW4(xor, INSN_XOR), ROW4(cmp, INSN_CMP), ROW4(test, INSN_TEST), ROW4(not, INSN_NOT),
    ROW4(neg, INSN_NEG), ROW4(inc, INSN_INC), ROW4(dec, INSN_DEC), ROW3(bt, INSN_BT), ROW3(bts, INSN_BTS),
    ROW3(btr, INSN_BTR), ROW3(btc, INSN_BTC),
};

/* Numbers near the edges of all widths more often than others. */
static uint64_t number_of_interest(void)
{
    static const uint64_t edges[] = { 0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, UINT32_MAX,
                                      INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX };
    return rnd() & 1 ? edges[rnd() % ARRAY_LEN(edges)] + rnd() % 3 - 1 : rnd() ^ rnd() << 40;
}

static void arithmetic_is_the_cpus(void **)
{
    for (unsigned i = 0; i < ARRAY_LEN(real) * 20000; i++) {
        unsigned row = i % ARRAY_LEN(real), size = rnd() % 4, width = 1u << size;
        if (!real[row].run[size])
            continue;
        uint64_t a = insn_trim(number_of_interest(), width), b = insn_trim(number_of_interest(), width);
        uint64_t mask = RFLAGS_ARITH, before = (rnd() & RFLAGS_ARITH) | RFLAGS_FIXED | RFLAGS_IF, want_flags = before, flags = before;
        enum insn_op op = real[row].op;
        uint64_t want = real[row].run[size](a, b, &want_flags);
        uint64_t got = insn_alu(op, width, a, b, &flags);
        if (op == INSN_OR || op == INSN_AND || op == INSN_XOR || op == INSN_TEST)
            mask &= ~RFLAGS_AF; /* undefined */
        if (op >= INSN_BT && op <= INSN_BTC)
            mask = RFLAGS_CF | RFLAGS_ZF;
        if (op != INSN_CMP && op != INSN_TEST && op != INSN_BT)
            assert_int_equal(got, want);
        if ((flags & mask) != (want_flags & mask))
            fail_msg("op %u width %u %llx, %llx: flags %llx, the CPU has %llx", op, width, (unsigned long long)a,
                     (unsigned long long)b, (unsigned long long)flags, (unsigned long long)want_flags);
        assert_int_equal(flags & ~RFLAGS_ARITH, before & ~RFLAGS_ARITH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_disassembler_on_random_bytes),
        cmocka_unit_test(agrees_on_every_opcode_and_modrm),
        cmocka_unit_test(a_short_instruction_is_refused_at_every_length),
        cmocka_unit_test(more_than_15_bytes_are_no_instruction),
        cmocka_unit_test(what_is_not_ours_is_unsupported),
        cmocka_unit_test(a_rex_before_another_prefix_does_not_count),
        cmocka_unit_test(arithmetic_is_the_cpus),
    };

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
