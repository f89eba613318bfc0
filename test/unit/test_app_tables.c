#include "test/unit/unit.h"
#include <stdlib.h>
#include "arch/x86/reg.h"
#include "cpu/kvm/tables.h"

#define TOP GIB(256)
#define ARENA MIB(4)

static struct tables t;
static uint8_t *arena;

static int set_up(void **)
{
    arena = calloc(1, ARENA);
    t = (struct tables){ .mem = arena, .gpa = TOP, .size = ARENA, .top = TOP };
    return tables_init(&t, 0x8000) != OK;
}

static int tear_down(void **)
{
    free(arena);
    return 0;
}

/* As the processor walks from CR3; 0: not present. */
static uint64_t walk(uint64_t root, uint64_t addr)
{
    uint64_t e = root | PTE_P;

    for (int shift = 39; shift >= 12; shift -= 9) {
        e = ((uint64_t *)(void *)(arena + ((e & PTE_ADDR) - TOP)))[addr >> shift & 511];
        if (!(e & PTE_P) || (shift == 21 && e & PTE_PS))
            break;
    }
    return e & PTE_P ? e : 0;
}

static void maps_small_pages_with_their_rights(void **)
{
    assert_int_equal(tables_set(&t, 0x400000, 0x3000, TABLES_READ | TABLES_EXEC, true), OK);
    assert_int_equal(t.pages, 3);
    assert_int_equal(walk(t.root, 0x401000) & PTE_ADDR, 0x401000);
    assert_true(walk(t.root, 0x400000) & PTE_U);
    assert_false(walk(t.root, 0x400000) & (PTE_W | PTE_NX));
    assert_int_equal(walk(t.root, 0x403000), 0);
}

static void maps_a_whole_block_as_one_large_page(void **)
{
    assert_int_equal(tables_set(&t, MIB(64), MIB(2), TABLES_READ | TABLES_WRITE, true), OK);
    assert_true(walk(t.root, MIB(65)) & PTE_PS);
    assert_true(walk(t.root, MIB(65)) & PTE_NX);
    assert_int_equal(t.pages, 512);
}

static void splits_a_large_page_into_fresh_upper_levels(void **)
{
    uint64_t old;
    assert_int_equal(tables_set(&t, MIB(64), MIB(2), TABLES_READ | TABLES_WRITE, true), OK);
    old = t.root;
    assert_int_equal(tables_set(&t, MIB(64) + 0x5000, 0x1000, TABLES_READ, false), OK);
    assert_true(t.root != old);
    assert_true(walk(old, MIB(64)) & PTE_PS); /* whoever still uses the old root sees what was */
    assert_false(walk(t.root, MIB(64) + 0x5000) & PTE_W);
    assert_true(walk(t.root, MIB(64) + 0x6000) & PTE_W);
    assert_int_equal(t.pages, 512);
}

static void a_block_that_was_large_is_not_split_in_place_later(void **)
{
    uint64_t old;
    assert_int_equal(tables_set(&t, MIB(64), MIB(2), TABLES_READ, true), OK);
    assert_int_equal(tables_set(&t, MIB(64), MIB(2), 0, false), OK);
    assert_int_equal(t.pages, 0);
    old = t.root;
    assert_int_equal(tables_set(&t, MIB(64), 0x1000, TABLES_READ, true), OK);
    assert_true(t.root != old);
}

static void kept_pages_count_but_are_not_present(void **)
{
    unsigned rights;
    uint64_t end;
    assert_int_equal(tables_set(&t, 0x400000, 0x2000, TABLES_KEPT, true), OK);
    assert_int_equal(t.pages, 2);
    assert_int_equal(walk(t.root, 0x400000), 0);
    assert_true(tables_get(&t, 0x400000, &rights, &end));
    assert_int_equal(rights, TABLES_KEPT);
    assert_false(tables_get(&t, 0x402000, &rights, &end));
}

static void refuses_when_the_arena_is_full_and_changes_nothing(void **)
{
    uint64_t pages;
    for (uint64_t at = GIB(1); !tables_set(&t, at, PAGE_SIZE, TABLES_READ, true); at += GIB(1))
        assert_true(at < TOP + GIB(512));
    pages = t.pages;
    assert_true(t.used <= t.size);
    assert_int_equal(tables_set(&t, 0x400000, MIB(512), TABLES_READ, true), ERR_FULL);
    assert_int_equal(t.pages, pages);
}

static void tells_what_was_used_even_where_nothing_is_any_more(void **)
{
    uint64_t end, *table;
    assert_int_equal(tables_set(&t, 0x400000, 0x3000, TABLES_READ | TABLES_WRITE, true), OK);
    assert_int_equal(tables_used(&t, 0x400000, &end), TABLES_READ | TABLES_WRITE);
    tables_clean(&t);
    assert_int_equal(tables_used(&t, 0x400000, &end), 0);
    assert_int_equal(end, 0x401000);
    table = (uint64_t *)(void *)(arena + t.used - PAGE_SIZE); /* the last one that was made */
    table[1] |= PTE_A | PTE_D;                                /* as the processor does */
    table[2] |= PTE_A;
    assert_int_equal(tables_set(&t, 0x401000, 0x1000, 0, false), OK);
    assert_int_equal(walk(t.root, 0x401000), 0);
    assert_int_equal(t.pages, 2);
    assert_int_equal(tables_used(&t, 0x401000, &end), TABLES_READ | TABLES_WRITE);
    assert_int_equal(tables_used(&t, 0x402000, &end), TABLES_READ);
    assert_int_equal(tables_used(&t, GIB(3), &end), 0);
    assert_int_equal(end, GIB(4));
}

static void the_system_area_is_not_the_users(void **)
{
    uint64_t *pdpt = (uint64_t *)(void *)(arena + ((((uint64_t *)(void *)(arena + (t.root - TOP)))[0] & PTE_ADDR) - TOP));
    assert_true(pdpt[256] & PTE_P);
    assert_false(pdpt[256] & PTE_U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(maps_small_pages_with_their_rights, set_up, tear_down),
        cmocka_unit_test_setup_teardown(maps_a_whole_block_as_one_large_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(splits_a_large_page_into_fresh_upper_levels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_block_that_was_large_is_not_split_in_place_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_pages_count_but_are_not_present, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_when_the_arena_is_full_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_what_was_used_even_where_nothing_is_any_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_system_area_is_not_the_users, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
