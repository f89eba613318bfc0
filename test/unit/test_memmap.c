#include "test/unit/unit.h"
#include <stdlib.h>
#include <string.h>

#include "ground/efi/memmap.c" /* the file is in the EFI program only; the code is pure */

#define WB EFI_MEM_ATTR_WB
#define K4(n) ((uint64_t)(n) << PAGE_SHIFT)

/* As a firmware gives it: descriptors longer than the struct. */
#define DESC_SIZE 48u

struct row {
    uint32_t type;
    uint64_t page, pages, attributes;
};

static struct memmap make(const struct row *rows, unsigned n)
{
    uint8_t *buf = malloc(n * DESC_SIZE);
    struct memmap m;

    for (unsigned i = 0; i < n; i++) {
        struct efi_memory_desc d = {
            .type = rows[i].type, .physical = K4(rows[i].page), .pages = rows[i].pages, .attributes = rows[i].attributes
        };

        memset(buf + i * DESC_SIZE, 0xEE, DESC_SIZE);
        memcpy(buf + i * DESC_SIZE, &d, sizeof d);
    }
    memmap_init(&m, buf, n * DESC_SIZE, DESC_SIZE);
    assert_ptr_equal(m.range, buf);
    return m;
}

static void assert_range(const struct memmap *m, unsigned i, enum mem_kind kind, uint64_t first, uint64_t end)
{
    assert_true(i < m->count);
    assert_int_equal(m->range[i].kind, kind);
    assert_int_equal(m->range[i].start, K4(first));
    assert_int_equal(m->range[i].end, K4(end));
    assert_int_equal(m->range[i].give_end, K4(end));
}

static void ranges_are_sorted_and_joined(void **)
{
    static const struct row rows[] = {
        { EFI_MEM_CONVENTIONAL, 0x200, 0x100, WB }, { EFI_MEM_BOOT_DATA, 0x20, 0x10, WB },
        { EFI_MEM_BOOT_CODE, 0x10, 0x10, WB },      { EFI_MEM_CONVENTIONAL, 0x100, 0x100, WB },
        { EFI_MEM_LOADER_DATA, 0x300, 1, WB },      { EFI_MEM_LOADER_CODE, 0x301, 1, WB },
        { EFI_MEM_RUNTIME_CODE, 0x302, 1, WB },
    };
    struct memmap m = make(rows, ARRAY_LEN(rows));

    assert_int_equal(m.count, 3);
    assert_range(&m, 0, MEM_BOOT, 0x10, 0x30);
    assert_range(&m, 1, MEM_FREE, 0x100, 0x300);
    assert_range(&m, 2, MEM_KEEP, 0x300, 0x303);
    assert_true(memmap_has_memory(&m, K4(0x2ff), K4(0x304)));
    assert_false(memmap_has_memory(&m, K4(0x303), K4(0x1000)));
    free(m.range);
}

static void only_what_is_surely_free_is_free(void **)
{
    static const struct row rows[] = {
        { EFI_MEM_RESERVED, 0, 1, WB },     { EFI_MEM_RUNTIME_DATA, 1, 1, WB }, { EFI_MEM_UNUSABLE, 2, 1, WB },
        { EFI_MEM_ACPI_RECLAIM, 3, 1, WB }, { EFI_MEM_ACPI_NVS, 4, 1, WB },     { EFI_MEM_MMIO, 5, 1, 1 },
        { EFI_MEM_MMIO_PORTS, 6, 1, 1 },    { EFI_MEM_PAL_CODE, 7, 1, WB },     { EFI_MEM_PERSISTENT, 8, 1, WB },
        { EFI_MEM_UNACCEPTED, 9, 1, WB },   { EFI_MEM_CONVENTIONAL, 10, 1, 1 }, /* uncacheable only */
        { 0x70000001, 11, 1, WB },                                              /* a maker's own type */
        { 0xFFFFFFFF, 12, 1, WB },
    };
    struct memmap m = make(rows, ARRAY_LEN(rows));

    for (unsigned i = 0; i < m.count; i++)
        assert_true(m.range[i].kind < MEM_BOOT);
    assert_true(memmap_has_memory(&m, K4(3), K4(5)));
    assert_false(memmap_has_memory(&m, K4(8), K4(13)));
    free(m.range);
}

static void overlaps_give_nothing_out_twice(void **)
{
    static const struct row rows[] = {
        { EFI_MEM_CONVENTIONAL, 0x100, 0x100, WB },
        { EFI_MEM_RUNTIME_DATA, 0x180, 0x10, WB }, /* inside: the rest behind it is not free either */
        { EFI_MEM_RUNTIME_CODE, 0x300, 0x10, WB },
        { EFI_MEM_CONVENTIONAL, 0x308, 0x10, WB }, /* half of it is the firmware's */
        { EFI_MEM_CONVENTIONAL, 0x400, 0x10, WB },
        { EFI_MEM_LOADER_DATA, 0x400, 0x10, WB }, /* the same twice */
    };
    struct memmap m = make(rows, ARRAY_LEN(rows));

    assert_int_equal(m.count, 5);
    assert_range(&m, 0, MEM_FREE, 0x100, 0x180);
    assert_range(&m, 1, MEM_KEEP, 0x180, 0x200);
    assert_range(&m, 2, MEM_KEEP, 0x300, 0x310);
    assert_range(&m, 3, MEM_FREE, 0x310, 0x318);
    assert_range(&m, 4, MEM_KEEP, 0x400, 0x410);
    free(m.range);
}

static void nonsense_is_left_out(void **)
{
    static const struct row rows[] = {
        { EFI_MEM_CONVENTIONAL, 0x100, 0, WB },
        { EFI_MEM_CONVENTIONAL, 0x200, 1ull << 52, WB },       /* wraps in bytes */
        { EFI_MEM_CONVENTIONAL, 0xFFFFFFFFFFFFF, 0x1000, WB }, /* wraps around the top */
        { EFI_MEM_CONVENTIONAL, 1ull << 28, 1ull << 20, WB },  /* 1 TiB: fine */
    };
    struct memmap m = make(rows, ARRAY_LEN(rows));

    assert_int_equal(m.count, 1);
    assert_range(&m, 0, MEM_FREE, 1ull << 28, (1ull << 28) + (1ull << 20));
    free(m.range);
}

/* Whatever a firmware says: sorted, disjoint, and every page of the least kind any descriptor gives it, or less. */
static void random_maps_stay_sound(void **)
{
    srand(3);
    for (unsigned round = 0; round < 2000; round++) {
        struct row rows[24];
        struct memmap m;

        for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
            rows[i] = (struct row){ (uint32_t)rand() % 16, (uint32_t)rand() % 512, (uint32_t)rand() % 40, WB };
        m = make(rows, ARRAY_LEN(rows));
        for (unsigned i = 0; i < m.count; i++) {
            assert_true(m.range[i].start < m.range[i].end);
            assert_true(!i || m.range[i - 1].end <= m.range[i].start);
            for (unsigned k = 0; k < ARRAY_LEN(rows); k++) {
                struct efi_memory_desc d = { .type = rows[k].type, .attributes = WB };
                if (rows[k].pages && K4(rows[k].page) < m.range[i].end &&
                    m.range[i].start < K4(rows[k].page + rows[k].pages))
                    assert_true(m.range[i].kind <= kind_of(&d));
            }
        }
        free(m.range);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_sorted_and_joined),    cmocka_unit_test(only_what_is_surely_free_is_free),
        cmocka_unit_test(overlaps_give_nothing_out_twice), cmocka_unit_test(nonsense_is_left_out),
        cmocka_unit_test(random_maps_stay_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
