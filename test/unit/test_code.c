/* ground/linux/code against the Zydis disassembler: all of this machine's C library, and random bytes. */
#define _GNU_SOURCE
#include "test/unit/unit.h"
#include <Zydis/Zydis.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ground/linux/code.h"

struct view {
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};
static ZydisDecoder decoder;

static bool zydis_reads(const uint8_t *at, size_t n, struct view *v)
{
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, at, n, &v->in, v->op));
}

static void expect(const struct view *v, struct code *c)
{
    ZydisMnemonic m = v->in.mnemonic;

    *c = (struct code){ .length = v->in.length };
    c->kind = m == ZYDIS_MNEMONIC_SYSCALL ? CODE_SYSCALL : m == ZYDIS_MNEMONIC_RET || m == ZYDIS_MNEMONIC_JMP || m == ZYDIS_MNEMONIC_UD2 ||
              m == ZYDIS_MNEMONIC_HLT ? CODE_END : CODE_OTHER;
    for (unsigned i = 0; i < v->in.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &v->op[i];
        bool below = o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.disp.has_displacement && o->mem.disp.value < 0;
        c->below_rsp |= below && (o->mem.base == ZYDIS_REGISTER_RSP || o->mem.base == ZYDIS_REGISTER_ESP) && m != ZYDIS_MNEMONIC_LEA;
        c->below_rbp |= below && (o->mem.base == ZYDIS_REGISTER_RBP || o->mem.base == ZYDIS_REGISTER_EBP);
    }
    c->makes_room = m == ZYDIS_MNEMONIC_SUB && v->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER && v->op[0].reg.value == ZYDIS_REGISTER_RSP;
}

static void agree(const uint8_t *at, const struct view *v, const struct code *ours)
{
    struct code c;

    expect(v, &c);
    if (c.length == ours->length && c.kind == ours->kind && c.below_rsp == ours->below_rsp && c.below_rbp == ours->below_rbp && c.makes_room == ours->makes_room)
        return;
    for (unsigned i = 0; i < 15; i++)
        printf("%02x ", at[i]);
    fail_msg("%s: length %u kind %d rsp %d rbp %d room %d, ours %u %d %d %d %d", ZydisMnemonicGetString(v->in.mnemonic), c.length, c.kind, c.below_rsp,
             c.below_rbp, c.makes_room, ours->length, ours->kind, ours->below_rsp, ours->below_rbp, ours->makes_room);
}

static int text_of_libc(struct dl_phdr_info *i, size_t, void *arg)
{
    uint64_t *text = arg;

    if (strstr(i->dlpi_name, "libc.so"))
        for (unsigned n = 0; n < i->dlpi_phnum; n++)
            if (i->dlpi_phdr[n].p_flags & PF_X) {
                text[0] = i->dlpi_addr + i->dlpi_phdr[n].p_vaddr;
                text[1] = i->dlpi_phdr[n].p_memsz;
            }
    return 0;
}

static void reads_the_c_library(void **)
{
    uint64_t text[2] = { 0 };
    const uint8_t *at, *end;
    unsigned read = 0;
    struct view v;
    struct code c;

    dl_iterate_phdr(text_of_libc, text);
    at = (const uint8_t *)text[0];
    end = at + text[1];
    while (at < end) {
        if (!zydis_reads(at, (size_t)(end - at), &v)) {
            at++;
            continue;
        }
        if (!code_read(at, (size_t)(end - at), &c))
            fail_msg("%s at %#zx is not read", ZydisMnemonicGetString(v.in.mnemonic), (size_t)(at - (const uint8_t *)text[0]));
        agree(at, &v, &c);
        at += v.in.length;
        read++;
    }
    assert_true(read > 100000);
}

/* Whatever both take for an instruction is the same to both. */
static void agrees_about_random_bytes(void **)
{
    unsigned both = 0, only = 0;
    uint8_t bytes[16];
    struct view v;
    struct code c;

    srand(1);
    for (unsigned n = 0; n < 3000000; n++) {
        unsigned at = 0;
        if (n & 1)
            bytes[at++] = (uint8_t)(n & 2 ? 0x0F : 0x48 | (rand() & 7));
        for (; at < sizeof bytes; at++)
            bytes[at] = (uint8_t)rand();
        if (!zydis_reads(bytes, 15, &v))
            continue;
        if (!code_read(bytes, 15, &c)) {
            only++;
            continue;
        }
        agree(bytes, &v, &c);
        both++;
    }
    print_message("both %u, only Zydis %u\n", both, only);
    assert_true(both > 1000000 && only < both / 50);
}

static void never_reads_beyond_the_end(void **)
{
    struct code c;

    srand(2);
    for (unsigned n = 0; n < 300000; n++) {
        size_t len = (size_t)rand() % 16;
        uint8_t *exact = malloc(len + !len); /* the sanitizer looks */
        for (size_t i = 0; i < len; i++)
            exact[i] = (uint8_t)rand();
        if (code_read(exact, len, &c))
            assert_in_range(c.length, 1, len);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_c_library),
        cmocka_unit_test(agrees_about_random_bytes),
        cmocka_unit_test(never_reads_beyond_the_end),
    };

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
