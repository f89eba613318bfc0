/* vm/walk: the guest's page tables. */
#include "test/unit/unit.h"
#include <string.h>
#include "ground/fake/fake.h"
#include "vm/ram.h"
#include "vm/vm.h"
#include "vm/walk.h"

static struct vm vm;
static struct sys_regs sys;
static struct walk got;

#define RW (PTE_P | PTE_W)
#define RWU (PTE_P | PTE_W | PTE_U)

static int set_up(void **)
{
    memset(&vm, 0, sizeof vm);
    vm.cfg.memory = 2 * MEM_CHUNK;
    return ram_get(&vm);
}
static int tear_down(void **)
{
    ram_put(&vm);
    return fake_pages_in_use() != 0;
}

static void entry64(uint64_t table, unsigned index, uint64_t pte)
{
    assert_int_equal(mem_write(&vm, gpa(table + index * 8), &pte, 8), OK);
}
static void mode_long(void)
{
    sys = (struct sys_regs){ .cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LME | EFER_LMA };
    entry64(0x1000, 0x1A5, 0x2000 | RWU);
    entry64(0x2000, 0x003, 0x3000 | RWU);
    entry64(0x3000, 0x0FF, 0x4000 | RWU);
    entry64(0x4000, 0x111, 0x123456789000 | RWU | PTE_NX);
}
/* Of the four indices above. */
#define VA 0xFFFFD280DFF11ABCull

#define WALKS(va, how, want)                                        \
    do {                                                            \
        assert_int_equal(walk_page(&vm, &sys, va, how, &got), OK);  \
        assert_int_equal(got.gpa.v, want);                          \
    } while (0)
#define FAULTS(va, how, code)                                               \
    do {                                                                    \
        assert_int_equal(walk_page(&vm, &sys, va, how, &got), ERR_NOTFOUND); \
        assert_int_equal(got.pf_error, code);                               \
    } while (0)

static void four_levels_lead_to_a_page(void **)
{
    mode_long();
    WALKS(VA, WALK_WRITE, 0x123456789ABC);
    assert_int_equal(got.run, 0x1000 - 0xABC);
}

static void each_level_may_be_absent(void **)
{
    static const struct { uint64_t table; unsigned index; } at[] = { { 0x1000, 0x1A5 }, { 0x2000, 3 }, { 0x3000, 0xFF }, { 0x4000, 0x111 } };

    for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
        mode_long();
        entry64(at[i].table, at[i].index, 0x5000 | PTE_W | PTE_U);
        FAULTS(VA, WALK_READ, 0);
        FAULTS(VA, WALK_WRITE, 2);
        sys.cpl = 3;
        FAULTS(VA, WALK_FETCH, 0x14);
    }
}

static void each_level_may_forbid_user_and_write(void **)
{
    static const struct { uint64_t table; unsigned index; uint64_t to; } at[] = {
        { 0x1000, 0x1A5, 0x2000 }, { 0x2000, 3, 0x3000 }, { 0x3000, 0xFF, 0x4000 }, { 0x4000, 0x111, 0x7000 } };

    for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
        mode_long();
        sys.cpl = 3;
        entry64(at[i].table, at[i].index, at[i].to | RW);
        FAULTS(VA, WALK_READ, 5);
        entry64(at[i].table, at[i].index, at[i].to | PTE_P | PTE_U);
        FAULTS(VA, WALK_WRITE, 7);
        assert_int_equal(walk_page(&vm, &sys, VA, WALK_READ, &got), OK);
        sys.cpl = 0;
        FAULTS(VA, WALK_WRITE, 3);
        sys.cr0 &= ~CR0_WP;
        assert_int_equal(walk_page(&vm, &sys, VA, WALK_WRITE, &got), OK);
    }
}

static void smap_keeps_the_kernel_from_user_pages(void **)
{
    mode_long();
    sys.cr4 |= CR4_SMAP;
    FAULTS(VA, WALK_READ, 1);
    WALKS(VA, WALK_READ | WALK_AC, 0x123456789ABC);
    WALKS(VA, WALK_FETCH, 0x123456789ABC);
    sys.cpl = 3;
    WALKS(VA, WALK_READ, 0x123456789ABC);
}

static void large_pages_end_the_walk(void **)
{
    mode_long();
    entry64(0x3000, 0xFF, 0x8000200000 | RWU | PTE_PS | BIT64(12)); /* bit 12 is PAT here */
    WALKS(VA, WALK_WRITE, 0x8000200000 | (VA & 0x1FFFFF));
    assert_int_equal(got.run, 0x200000 - (VA & 0x1FFFFF));
    entry64(0x2000, 3, 0x40000000 | RWU | PTE_PS);
    WALKS(VA, WALK_WRITE, 0x40000000 | (VA & 0x3FFFFFFF));
    assert_int_equal(got.run, 0x40000000 - (VA & 0x3FFFFFFF));
}

static void addresses_must_be_canonical(void **)
{
    mode_long();
    assert_int_equal(walk_page(&vm, &sys, VA ^ BIT64(63), WALK_READ, &got), ERR_RANGE);
    assert_int_equal(walk_page(&vm, &sys, BIT64(47), WALK_READ, &got), ERR_RANGE);
    sys.cr4 |= CR4_LA57;
    FAULTS(BIT64(47), WALK_READ, 0);
    assert_int_equal(walk_page(&vm, &sys, BIT64(56), WALK_READ, &got), ERR_RANGE);
}

static void five_levels_lead_to_a_page(void **)
{
    mode_long();
    sys.cr4 |= CR4_LA57;
    sys.cr3 = 0x6000;
    entry64(0x6000, 0x1FF, 0x1000 | RWU);
    WALKS(VA, WALK_READ, 0x123456789ABC);
}

static void tables_outside_ram_are_the_guests_fault(void **)
{
    mode_long();
    entry64(0x3000, 0xFF, 0xFFFFF000 | RWU);
    assert_int_equal(walk_page(&vm, &sys, VA, WALK_READ, &got), ERR_GUEST);
    sys.cr3 = PTE_ADDR;
    assert_int_equal(walk_page(&vm, &sys, VA, WALK_READ, &got), ERR_GUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(four_levels_lead_to_a_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_level_may_be_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_level_may_forbid_user_and_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(smap_keeps_the_kernel_from_user_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_pages_end_the_walk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses_must_be_canonical, set_up, tear_down),
        cmocka_unit_test_setup_teardown(five_levels_lead_to_a_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_outside_ram_are_the_guests_fault, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
