#include "test/unit/unit.h"
#include <stdlib.h>

#include "ground/efi/pagetable.c" /* the file is in the EFI program only; the code is pure */
#include "ground/fake/fake.h"

#define RW (PTE_P | PTE_W | PTE_NX)
#define RX (PTE_P)
#define FLAGS (PTE_P | PTE_W | PTE_NX | PTE_PWT | PTE_PCD)

static uint64_t root;

/* The entry that maps an address, 0 if none does. *size: of its page. */
static uint64_t look(uint64_t at, uint64_t *size)
{
    uint64_t entry = root;

    for (unsigned level = 4; level--;) {
        *size = level_size(level);
        entry = table_at(entry)[at / *size % ENTRIES];
        if (!(entry & PTE_P) || entry & PTE_PS)
            break;
    }
    return entry;
}

static int setup(void **)
{
    fake_fail_alloc(0);
    return pagetable_make(&root);
}

/* Tables are never given back: free them all by walking. */
static void drop(uint64_t table, unsigned level)
{
    for (unsigned i = 0; level && i < ENTRIES; i++) {
        uint64_t e = table_at(table)[i];
        if (e & PTE_P && !(e & PTE_PS))
            drop(e & PTE_ADDR, level - 1);
    }
    ground_pages_put(hpa(table), 0);
}

static int teardown(void **)
{
    fake_fail_alloc(0);
    drop(root, 3);
    assert_int_equal(fake_pages_in_use(), 0);
    return 0;
}

static void assert_maps(uint64_t at, uint64_t flags, uint64_t page_size)
{
    uint64_t size, entry = look(at, &size);

    assert_int_equal(entry & FLAGS, flags);
    assert_int_equal(size, page_size);
    if (flags)
        assert_int_equal(entry & PTE_ADDR & ~(size - 1), at & ~(size - 1));
}

static void largest_pages_that_fit_are_used(void **)
{
    assert_int_equal(pagetable_map(root, GIB(1) - MIB(2) - 4096, GIB(3) + MIB(4), RW), OK);
    assert_maps(GIB(1) - MIB(2) - 4096, RW, 4096);
    assert_maps(GIB(1) - MIB(2) - 4097, 0, 4096);
    assert_maps(GIB(1) - 1, RW, MIB(2));
    assert_maps(GIB(1), RW, MIB(2));
    assert_maps(GIB(3) - 1, RW, MIB(2));
    assert_maps(GIB(3), RW, MIB(2));
    assert_maps(GIB(3) + MIB(4), 0, MIB(2));
    assert_maps(GIB(512), 0, GIB(512));
}

static void one_page_is_cut_out_of_a_large_one(void **)
{
    const uint64_t guard = GIB(1) + MIB(6) + 4096 * 3;

    assert_int_equal(pagetable_map(root, 0, GIB(4), RW), OK);
    assert_int_equal(pagetable_map(root, guard, guard + 4096, 0), OK);
    assert_maps(guard, 0, 4096);
    assert_maps(guard - 1, RW, 4096);
    assert_maps(guard + 4096, RW, 4096);
    assert_maps(GIB(1) + MIB(4), RW, MIB(2));
    assert_maps(GIB(1) + MIB(8), RW, MIB(2));
    assert_maps(GIB(2) - 1, RW, MIB(2));
    assert_maps(GIB(2), RW, MIB(2));
    assert_maps(0, RW, MIB(2));
}

static void later_mapping_wins(void **)
{
    assert_int_equal(pagetable_map(root, 0, GIB(4), RW | PTE_PCD | PTE_PWT), OK);
    assert_int_equal(pagetable_map(root, MIB(1), MIB(300), RW), OK);
    assert_int_equal(pagetable_map(root, MIB(2), MIB(2) + 8192, RX), OK);
    assert_maps(MIB(1) - 1, RW | PTE_PCD | PTE_PWT, 4096);
    assert_maps(MIB(1), RW, 4096);
    assert_maps(MIB(2), RX, 4096);
    assert_maps(MIB(2) + 8192, RW, 4096);
    assert_maps(MIB(4), RW, MIB(2));
    assert_maps(MIB(300), RW | PTE_PCD | PTE_PWT, MIB(2));
    assert_maps(GIB(1), RW | PTE_PCD | PTE_PWT, MIB(2));
    /* over tables that are there already, in one piece */
    assert_int_equal(pagetable_map(root, 0, GIB(1), RX), OK);
    for (uint64_t at = 0; at < GIB(1); at += MIB(1)) {
        uint64_t size;
        assert_int_equal(look(at, &size) & FLAGS, RX);
    }
}

static void addresses_of_terabytes_work(void **)
{
    const uint64_t top = 1ull << 46;

    assert_int_equal(pagetable_map(root, top - GIB(1), top, RW), OK);
    assert_maps(top - 1, RW, MIB(2));
    assert_maps(top, 0, GIB(512));
}

static void every_failing_allocation_is_reported_and_nothing_lies(void **)
{
    unsigned failures = 0;

    assert_int_equal(pagetable_map(root, 0, GIB(2), RW), OK);
    for (unsigned n = 1;; n++) {
        fake_fail_alloc(n);
        err_t e = pagetable_map(root, MIB(2) * n - 4096, GIB(1) + MIB(2) * n + 4096, RX);

        fake_fail_alloc(0);
        if (!e)
            break;
        failures++;
        assert_int_equal(e, ERR_NOMEM);
        for (uint64_t at = 0; at < GIB(2); at += MIB(1)) { /* what is mapped is still mapped to itself */
            uint64_t size, entry = look(at, &size);
            assert_true(entry & PTE_P);
            assert_int_equal(entry & PTE_ADDR & ~(size - 1), at & ~(size - 1));
        }
    }
    assert_true(failures >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(largest_pages_that_fit_are_used, setup, teardown),
        cmocka_unit_test_setup_teardown(one_page_is_cut_out_of_a_large_one, setup, teardown),
        cmocka_unit_test_setup_teardown(later_mapping_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_of_terabytes_work, setup, teardown),
        cmocka_unit_test_setup_teardown(every_failing_allocation_is_reported_and_nothing_lies, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
