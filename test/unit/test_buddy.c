#include "test/unit/unit.h"
#include <stdlib.h>
#include <string.h>

#include "base/buddy.h"
#include "ground/fake/fake.h"

struct fixture {
    struct buddy b;
    void *meta;
};

static struct fixture *make(uint64_t first, uint64_t pages)
{
    struct fixture *f = calloc(1, sizeof *f);
    uint64_t bytes = buddy_meta_bytes(first, pages);

    f->meta = malloc(bytes); /* exactly that long: the sanitizer sees one word too many */
    memset(f->meta, 0xA5, bytes);
    buddy_init(&f->b, first, pages, f->meta);
    return f;
}

static void drop(struct fixture *f)
{
    free(f->meta);
    free(f);
}

/* How many runs of each order are free, by giving nothing out. */
static void census(const struct buddy *b, uint64_t count[BUDDY_ORDER_MAX + 1])
{
    for (unsigned k = 0; k <= BUDDY_ORDER_MAX; k++) {
        count[k] = 0;
        for (uint64_t n = 0; n <= b->pages >> k; n++)
            count[k] += b->order[k].level[0][n / 64] >> n % 64 & 1;
    }
}

static void nothing_is_free_before_it_is_added(void **)
{
    struct fixture *f = make(0, 4096);
    uint64_t page;

    assert_int_equal(f->b.free, 0);
    for (unsigned k = 0; k <= BUDDY_ORDER_MAX; k++)
        assert_int_equal(buddy_get(&f->b, k, &page), ERR_NOMEM);
    drop(f);
}

static void lowest_page_of_the_smallest_fitting_run_is_given(void **)
{
    struct fixture *f = make(0, 4096);
    uint64_t page;

    buddy_add(&f->b, 0x100, 0x100); /* one run of order 8 */
    buddy_add(&f->b, 0x013, 1);     /* and a single page */
    assert_int_equal(buddy_get(&f->b, 0, &page), OK);
    assert_int_equal(page, 0x013);
    assert_int_equal(buddy_get(&f->b, 0, &page), OK);
    assert_int_equal(page, 0x100);
    assert_int_equal(buddy_get(&f->b, 3, &page), OK);
    assert_int_equal(page, 0x108);
    assert_int_equal(f->b.free, 0x101 - 10);
    drop(f);
}

static void memory_runs_out_and_comes_back(void **)
{
    struct fixture *f = make(0, 1 << 12);
    uint64_t page[64], more;

    buddy_add(&f->b, 0, 1 << 12);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(buddy_get(&f->b, 6, &page[i]), OK);
    assert_int_equal(f->b.free, 0);
    assert_int_equal(buddy_get(&f->b, 0, &more), ERR_NOMEM);
    buddy_put(&f->b, page[17], 6);
    assert_int_equal(buddy_get(&f->b, 7, &more), ERR_NOMEM);
    assert_int_equal(buddy_get(&f->b, 6, &more), OK);
    assert_int_equal(more, page[17]);
    drop(f);
}

static void split_runs_join_again(void **)
{
    struct fixture *f = make(0, 1 << 18);
    uint64_t before[BUDDY_ORDER_MAX + 1], after[BUDDY_ORDER_MAX + 1], page[999];

    buddy_add(&f->b, 0, 1 << 18);
    census(&f->b, before);
    assert_int_equal(before[18], 1);
    for (unsigned i = 0; i < 999; i++)
        assert_int_equal(buddy_get(&f->b, i % 5, &page[i]), OK);
    for (unsigned i = 0; i < 999; i++) /* 7 and 999 share no factor: every index once, out of order */
        buddy_put(&f->b, page[i * 7 % 999], i * 7 % 999 % 5);
    census(&f->b, after);
    assert_memory_equal(before, after, sizeof before);
    drop(f);
}

static void odd_ranges_are_used_to_the_last_page(void **)
{
    static const struct {
        uint64_t first, pages;
    } range[] = {
        { 1, 1 },   { 1, 2 },       { 0x9f, 0x3 }, { 0x7fff, 0x1234 }, { 0x3ffff, 2 }, { 0x40001, 0x7fffd },
        { 63, 65 }, { 4095, 4097 },
    };

    for (unsigned i = 0; i < ARRAY_LEN(range); i++) {
        struct fixture *f = make(range[i].first, range[i].pages);
        uint8_t *seen = calloc(1, range[i].pages);
        uint64_t page;

        buddy_add(&f->b, range[i].first, range[i].pages);
        assert_int_equal(f->b.free, range[i].pages);
        for (uint64_t n = 0; n < range[i].pages; n++) {
            assert_int_equal(buddy_get(&f->b, 0, &page), OK);
            assert_in_range(page, range[i].first, range[i].first + range[i].pages - 1);
            assert_int_equal(seen[page - range[i].first]++, 0);
        }
        assert_int_equal(buddy_get(&f->b, 0, &page), ERR_NOMEM);
        free(seen);
        drop(f);
    }
}

static void holes_are_never_given_out(void **)
{
    struct fixture *f = make(0, 0x10000);
    uint64_t page, total = 0;

    for (uint64_t at = 0; at < 0x10000; at += 0x400) { /* free: 0x3fd of each 0x400 */
        buddy_add(&f->b, at + 2, 0x3fd);
        total += 0x3fd;
    }
    assert_int_equal(f->b.free, total);
    assert_int_equal(buddy_get(&f->b, 10, &page), ERR_NOMEM);
    for (unsigned order = 10; order--;)
        while (buddy_get(&f->b, order, &page) == OK) {
            assert_int_equal(page % (1u << order), 0);
            assert_true(page % 0x400 >= 2 && page % 0x400 + (1u << order) <= 0x3ff);
            total -= 1u << order;
        }
    assert_int_equal(total, 0);
    drop(f);
}

/* Terabytes: addresses are only numbers to the allocator. */
static void huge_spans_work_above_a_terabyte(void **)
{
    const uint64_t first = (5ull << 40) >> PAGE_SHIFT, pages = ((1ull << 40) >> PAGE_SHIFT) + 12345;
    struct fixture *f = make(first + 77, pages);
    uint64_t page, low, count = 0;

    assert_true(buddy_meta_bytes(first + 77, pages) < pages * 9 / 32); /* < 2.25 bits per page */
    buddy_add(&f->b, first + 77, pages);
    assert_int_equal(buddy_get(&f->b, 0, &low), OK);
    assert_int_equal(low, first + 77);
    while (buddy_get(&f->b, 18, &page) == OK) {
        assert_int_equal(page % (1 << 18), 0);
        count++;
    }
    assert_int_equal(count, 1023);
    assert_int_equal(page, first + (1023ull << 18));
    buddy_put(&f->b, page, 18);
    buddy_put(&f->b, low, 0);
    assert_int_equal(f->b.free, pages - (1022ull << 18));
    drop(f);
}

/* 64 TiB would take 4.2 GiB of metadata: enough, and no more. */
static void metadata_of_64_tib_fits_its_levels(void **)
{
    uint64_t bytes = buddy_meta_bytes(0, 1ull << 34);

    assert_in_range(bytes, 1ull << 32, (1ull << 32) + (1ull << 27));
}

#define MODEL_PAGES 3000
#define MODEL_FIRST 0x12345

/* Random gets and puts against an array that knows who has each page. */
static void random_use_never_overlaps_and_never_loses_a_page(void **)
{
    static uint8_t owned[MODEL_PAGES];
    static struct {
        uint64_t page;
        unsigned order;
    } held[MODEL_PAGES];
    struct fixture *f = make(MODEL_FIRST, MODEL_PAGES);
    uint64_t before[BUDDY_ORDER_MAX + 1], after[BUDDY_ORDER_MAX + 1], used = 0;
    unsigned nheld = 0;

    srand(1);
    buddy_add(&f->b, MODEL_FIRST, MODEL_PAGES);
    census(&f->b, before);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned order = (unsigned)rand() % 8, run = 1u << order;
        uint64_t page;

        if ((unsigned)rand() % MODEL_PAGES * 2 > used && buddy_get(&f->b, order, &page) == OK) {
            assert_int_equal(page % run, 0);
            assert_in_range(page, MODEL_FIRST, MODEL_FIRST + MODEL_PAGES - run);
            for (unsigned i = 0; i < run; i++)
                assert_int_equal(owned[page - MODEL_FIRST + i]++, 0);
            held[nheld].page = page;
            held[nheld++].order = order;
            used += run;
        } else if (nheld) {
            unsigned i = (unsigned)rand() % nheld;

            for (unsigned k = 0; k < 1u << held[i].order; k++)
                owned[held[i].page - MODEL_FIRST + k] = 0;
            buddy_put(&f->b, held[i].page, held[i].order);
            used -= 1u << held[i].order;
            held[i] = held[--nheld];
        }
        assert_int_equal(f->b.free, MODEL_PAGES - used);
    }
    while (nheld--)
        buddy_put(&f->b, held[nheld].page, held[nheld].order);
    census(&f->b, after);
    assert_memory_equal(before, after, sizeof before);
    drop(f);
}

static void bad_puts_panic(void **)
{
    static const struct {
        uint64_t page;
        unsigned order;
    } bad[] = {
        { 0x200, 0 },   /* never taken */
        { 0x204, 2 },   /* inside a free run */
        { 0x101, 1 },   /* not aligned */
        { 0x40000, 0 }, /* behind the span */
        { 0x3fff0, 5 }, /* not aligned, across the end */
        { 0, 19 },      /* no such order */
    };
    struct fixture *f = make(0, 0x40000);

    buddy_add(&f->b, 0x200, 0x200);
    for (volatile unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        if (setjmp(fake_panic) == 0) {
            fake_expect_panic();
            buddy_put(&f->b, bad[i].page, bad[i].order);
            fail_msg("row %u was accepted", i);
        }
        assert_int_equal(f->b.free, 0x200);
    }
    drop(f);
}

static void freeing_twice_panics(void **)
{
    struct fixture *f = make(0, 1024);
    uint64_t page;

    buddy_add(&f->b, 0, 1024);
    assert_int_equal(buddy_get(&f->b, 4, &page), OK);
    buddy_put(&f->b, page, 4);
    if (setjmp(fake_panic) == 0) {
        fake_expect_panic();
        buddy_put(&f->b, page, 4);
        fail_msg("accepted");
    }
    drop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_free_before_it_is_added),
        cmocka_unit_test(lowest_page_of_the_smallest_fitting_run_is_given),
        cmocka_unit_test(memory_runs_out_and_comes_back),
        cmocka_unit_test(split_runs_join_again),
        cmocka_unit_test(odd_ranges_are_used_to_the_last_page),
        cmocka_unit_test(holes_are_never_given_out),
        cmocka_unit_test(huge_spans_work_above_a_terabyte),
        cmocka_unit_test(metadata_of_64_tib_fits_its_levels),
        cmocka_unit_test(random_use_never_overlaps_and_never_loses_a_page),
        cmocka_unit_test(bad_puts_panic),
        cmocka_unit_test(freeing_twice_panics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
