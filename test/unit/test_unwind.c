#include "test/unit/unit.h"
#include <string.h>

#include "ground/efi/unwind.c" /* the file is in the EFI program only; the code is pure */

/* A little PE image: headers, two functions' entries, their unwind information. */
#define PE 0x80
#define TABLE 0x400
#define INFO 0x500
#define IMAGE_BYTES 0x4000
static uint8_t image[IMAGE_BYTES] ALIGNED(16);
static uint64_t stack[64];

static bool on_stack(uint64_t at) { return at % 8 == 0 && at - (uintptr_t)stack < sizeof stack; }

static void put32(unsigned at, uint32_t v) { memcpy(image + at, &v, 4); }

/* Function n covers [0x1000 + n * 0x100, + 0x80). */
static void function(unsigned n, const uint8_t *info, unsigned bytes)
{
    put32(TABLE + n * 12, 0x1000 + n * 0x100);
    put32(TABLE + n * 12 + 4, 0x1080 + n * 0x100);
    put32(TABLE + n * 12 + 8, INFO + n * 0x40);
    memcpy(image + INFO + n * 0x40, info, bytes);
    put32(PE + PE_EXCEPTIONS, TABLE);
    put32(PE + PE_EXCEPTIONS + 4, (n + 1) * 12);
}

static int setup(void **)
{
    /* push rbp; push rsi; push rdi; sub rsp, 192 */
    static const uint8_t large[] = { 1, 0x0A, 5, 0, 0x0A, 1, 24, 0, 3, 0x70, 2, 0x60, 1, 0x50 };
    /* push rbx; sub rsp, 32 */
    static const uint8_t plain[] = { 1, 5, 2, 0, 5, 0x32, 1, 0x30 };
    /* an interrupt's entry: machine frame with error code, vector, push rax */
    static const uint8_t entry[] = { 1, 1, 3, 0, 1, 0x00, 0, 0x02, 0, 0x1A };

    /* lea rbp, [rsp + 128]: no code of ours has a frame pointer */
    static const uint8_t framed[] = { 1, 4, 1, 0x85, 4, 3 };

    memset(image, 0, sizeof image);
    memset(stack, 0, sizeof stack);
    put32(PE_OFFSET_AT, PE);
    put32(PE + PE_IMAGE_SIZE, IMAGE_BYTES);
    function(0, large, sizeof large);
    function(1, plain, sizeof plain);
    function(2, entry, sizeof entry);
    function(3, framed, sizeof framed);
    return 0;
}

static uint64_t code(unsigned at) { return (uintptr_t)image + at; }

static void large_frame_leads_to_the_caller(void **)
{
    struct unwind u = { .rip = code(0x1050) };

    u.gpr[REG_RSP] = (uintptr_t)&stack[0];
    stack[24] = 0xD1;
    stack[25] = 0x51;
    stack[26] = 0xB9;
    stack[27] = code(0x1150);
    assert_true(unwind_step(&u, image, on_stack));
    assert_int_equal(u.rip, code(0x1150));
    assert_int_equal(u.gpr[REG_RDI], 0xD1);
    assert_int_equal(u.gpr[REG_RSI], 0x51);
    assert_int_equal(u.gpr[REG_RBP], 0xB9);
    assert_ptr_equal(hpa_ptr(hpa(u.gpr[REG_RSP])), &stack[28]);
}

static void half_run_prologue_is_half_undone(void **)
{
    struct unwind u = { .rip = code(0x1101) }; /* rbx is pushed, rsp not yet lowered */

    u.gpr[REG_RSP] = (uintptr_t)&stack[3];
    stack[3] = 0xB3;
    stack[4] = code(0x1010);
    assert_true(unwind_step(&u, image, on_stack));
    assert_int_equal(u.rip, code(0x1010));
    assert_int_equal(u.gpr[REG_RBX], 0xB3);
}

static void function_without_entry_is_a_leaf(void **)
{
    struct unwind u = { .rip = code(0x3000) };

    u.gpr[REG_RSP] = (uintptr_t)&stack[9];
    stack[9] = code(0x1150);
    assert_true(unwind_step(&u, image, on_stack));
    assert_int_equal(u.rip, code(0x1150));
    u.rip = 0x1234; /* nor is one outside of the image */
    assert_true(unwind_step(&u, image, on_stack) == false);
}

static void interrupt_frame_leads_to_what_was_interrupted(void **)
{
    struct unwind u = { .rip = code(0x1240) };

    u.gpr[REG_RSP] = (uintptr_t)&stack[1];
    stack[1] = 0xAA; /* rax; then vector, error, rip, cs, rflags, rsp */
    stack[4] = code(0x1160);
    stack[7] = (uintptr_t)&stack[40];
    assert_true(unwind_step(&u, image, on_stack));
    assert_int_equal(u.rip, code(0x1160));
    assert_int_equal(u.gpr[REG_RAX], 0xAA);
    assert_ptr_equal(hpa_ptr(hpa(u.gpr[REG_RSP])), &stack[40]);
}

static void unknown_operation_ends_the_chain(void **)
{
    struct unwind u = { .rip = code(0x1350) };

    u.gpr[REG_RSP] = (uintptr_t)&stack[9];
    stack[9] = code(0x1150);
    assert_false(unwind_step(&u, image, on_stack));
}

static void chain_ends_at_zero_and_at_the_stacks_edge(void **)
{
    struct unwind u = { .rip = code(0x3000) };

    u.gpr[REG_RSP] = (uintptr_t)&stack[9];
    assert_false(unwind_step(&u, image, on_stack)); /* the return address is 0 */
    u.rip = code(0x1150);
    u.gpr[REG_RSP] = (uintptr_t)&stack[62];
    assert_false(unwind_step(&u, image, on_stack)); /* rbx would come from behind the stack */
    u.rip = code(0x1150);
    u.gpr[REG_RSP] = 7;
    assert_false(unwind_step(&u, image, on_stack));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(large_frame_leads_to_the_caller, setup),
        cmocka_unit_test_setup(half_run_prologue_is_half_undone, setup),
        cmocka_unit_test_setup(function_without_entry_is_a_leaf, setup),
        cmocka_unit_test_setup(interrupt_frame_leads_to_what_was_interrupted, setup),
        cmocka_unit_test_setup(unknown_operation_ends_the_chain, setup),
        cmocka_unit_test_setup(chain_ends_at_zero_and_at_the_stacks_edge, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
