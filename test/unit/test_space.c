/* vm/space.c: what an app guest has mapped, page by page, against a simple model; accounting; failing allocations. */
#include "test/unit/unit.h"
#include "test/unit/space_model.h"
#include "arch/x86/reg.h"

#define RW (APP_READ | APP_WRITE)
#define MANY 1000000u

static struct model m;

static int setup(void **)
{
    model_init(&m, MANY);
    return 0;
}

/* Whatever a test did, every page has come back. */
static int teardown(void **)
{
    uint64_t image = 0;

    model_fini(&m);
    assert_int_equal(fake_pages_in_use(), image);
    return 0;
}

static void put(struct space *s, uint64_t at, uint64_t value) { assert_int_equal(space_write(s, at, &value, 8), OK); }

static uint64_t get(struct space *s, uint64_t at)
{
    uint64_t value = ~0ull;

    assert_int_equal(space_read(s, at, &value, 8), OK);
    return value;
}

static void memory_costs_nothing_until_it_is_touched(void **)
{
    struct space *s = &m.space[0];
    uint64_t before = fake_pages_in_use();

    assert_int_equal(space_map(s, 0, GIB(3), RW | APP_SMALL), OK);
    assert_int_equal(fake_pages_in_use(), before);
    assert_int_equal(s->mapped, GIB(3) / PAGE_SIZE);
    assert_int_equal(get(s, GIB(2)), 0);
    assert_int_equal(s->used, 0);
    put(s, GIB(2), 7);
    assert_int_equal(s->used, 1);
    assert_int_equal(get(s, GIB(2)), 7);
    assert_int_equal(fake_pages_in_use(), before + 1 + 2);
}

static void a_large_mapping_is_touched_two_mebibytes_at_a_time(void **)
{
    struct space *s = &m.space[0];

    assert_int_equal(space_map(s, MIB(2), MIB(4), RW), OK);
    put(s, MIB(3), 1);
    assert_int_equal(s->used, 512);
    assert_int_equal(s->tables, 2 + 1); /* no table of small pages */
    assert_int_equal(space_unmap(s, MIB(3), PAGE_SIZE), OK); /* and then in pieces */
    put(s, MIB(3) + PAGE_SIZE, 2);
    assert_int_equal(s->used, 511);
    assert_int_equal(space_fault(s, MIB(3), 0), ERR_RANGE);
}

static void where_no_large_page_is_free_small_ones_serve(void **)
{
    struct space *s = &m.space[0];

    assert_int_equal(space_map(s, MIB(2), MIB(2), RW), OK);
    fake_fail_alloc(2); /* the table of 1 GiB's pieces is there; the large page is not */
    assert_int_equal(space_fault(s, MIB(2), SPACE_FAULT_WRITE), OK);
    fake_fail_alloc(0);
    assert_true(s->used == 512 || s->used == 1);
}

static void bad_ranges_and_rights_are_refused(void **)
{
    struct space *s = &m.space[0];

    assert_int_equal(space_map(s, 1, PAGE_SIZE, RW), ERR_INVAL);
    assert_int_equal(space_map(s, 0, 100, RW), ERR_INVAL);
    assert_int_equal(space_map(s, 0, 0, RW), ERR_INVAL);
    assert_int_equal(space_map(s, 0, PAGE_SIZE, 0x40), ERR_INVAL);
    assert_int_equal(space_map(s, APP_TOP, PAGE_SIZE, RW), ERR_RANGE);
    assert_int_equal(space_map(s, APP_TOP - PAGE_SIZE, 2 * PAGE_SIZE, RW), ERR_RANGE);
    assert_int_equal(space_map(s, ~0ull << 12, 2 * PAGE_SIZE, RW), ERR_RANGE);
    assert_int_equal(space_map(s, 0, ~0ull << 12, RW), ERR_RANGE);
    assert_int_equal(space_protect(s, 0, PAGE_SIZE, RW | APP_SMALL), ERR_INVAL);
    assert_int_equal(space_map_image(s, 0, PAGE_SIZE, RW, hpa(1)), ERR_INVAL);
    assert_int_equal(space_unmap(s, PAGE_SIZE - 1, PAGE_SIZE), ERR_INVAL);
    assert_int_equal(space_fault(s, APP_TOP, 0), ERR_RANGE);
    assert_int_equal(space_fault(s, ~0ull, 0), ERR_RANGE);
    assert_int_equal(s->mapped, 0);
}

static void the_limit_counts_pages_and_their_tables(void **)
{
    struct space *s = &m.space[0];

    s->limit = 10 + 2 + 2; /* what it has: the root and the table below it; what 10 pages need: two more */
    assert_int_equal(space_map(s, MIB(4), 11 * PAGE_SIZE, RW), ERR_NOMEM);
    assert_int_equal(space_map(s, MIB(4), 10 * PAGE_SIZE, RW), OK);
    assert_int_equal(space_map(s, MIB(4) + 10 * PAGE_SIZE, PAGE_SIZE, RW), ERR_NOMEM);
    assert_int_equal(space_map(s, MIB(4), 10 * PAGE_SIZE, APP_READ), OK); /* in place of what was there */
    assert_int_equal(space_protect(s, MIB(4), 11 * PAGE_SIZE, APP_READ), ERR_NOMEM);
    assert_int_equal(space_unmap(s, MIB(4), PAGE_SIZE), OK);
    assert_int_equal(space_map(s, MIB(4) + 10 * PAGE_SIZE, PAGE_SIZE, RW), OK);
    assert_int_equal(s->mapped, 10);
}

static void an_image_is_shared_until_it_is_written(void **)
{
    struct space *s = &m.space[0];

    assert_int_equal(space_map_image(s, MIB(2), MIB(4), RW | APP_EXEC, hpa_of(m.image)), OK);
    assert_int_equal(s->tables, 2 + 1); /* large pages */
    assert_int_equal(get(s, MIB(2) + 5 * PAGE_SIZE), model_image_value(5));
    assert_int_equal(s->used, 0);
    put(s, MIB(2) + 5 * PAGE_SIZE, 99);
    assert_int_equal(s->used, 1);
    assert_int_equal(get(s, MIB(2) + 5 * PAGE_SIZE), 99);
    assert_int_equal(get(s, MIB(2) + 6 * PAGE_SIZE), model_image_value(6));
    assert_int_equal(s->mapped, 1024);
}

static void an_image_that_may_not_be_written_is_not_by_the_monitor_either(void **)
{
    struct space *s = &m.space[0];
    uint64_t value = 1;

    assert_int_equal(space_map_image(s, 0, PAGE_SIZE, APP_READ | APP_EXEC, hpa_of(m.image)), OK);
    assert_int_equal(space_write(s, 0, &value, 8), ERR_RANGE);
    assert_int_equal(space_protect(s, 0, PAGE_SIZE, RW), OK);
    assert_int_equal(space_write(s, 0, &value, 8), OK);
}

static void contents_survive_a_time_without_rights(void **)
{
    struct space *s = &m.space[0];
    uint64_t value;

    assert_int_equal(space_map(s, MIB(2), MIB(2), RW), OK);
    put(s, MIB(2) + 8, 4711);
    assert_int_equal(space_protect(s, MIB(2), MIB(2), 0), OK);
    assert_int_equal(space_read(s, MIB(2) + 8, &value, 8), ERR_RANGE);
    assert_int_equal(space_fault(s, MIB(2), 0), ERR_RANGE);
    assert_false(space_mapped(s, MIB(2), PAGE_SIZE));
    assert_int_equal(space_protect(s, MIB(2), MIB(2), RW), OK);
    assert_int_equal(get(s, MIB(2) + 8), 4711);
    assert_true(space_mapped(s, MIB(2), MIB(2)));
    assert_false(space_mapped(s, MIB(2), MIB(2) + 1));
}

static void a_clone_sees_what_was_and_not_what_comes(void **)
{
    struct space *a = &m.space[0], *b = &m.space[1];

    assert_int_equal(space_map(a, 0, MIB(4), RW), OK);
    assert_int_equal(space_map(a, GIB(1), MIB(1), RW | APP_SMALL), OK);
    put(a, MIB(1), 1);
    put(a, GIB(1), 2);
    model_space(&m, 1, MANY);
    space_clone(a, b);
    assert_int_equal(b->mapped, a->mapped);
    assert_int_equal(b->used, a->used);
    put(a, MIB(1), 11);
    put(b, GIB(1), 22);
    assert_int_equal(get(a, MIB(1)), 11);
    assert_int_equal(get(b, MIB(1)), 1);
    assert_int_equal(get(a, GIB(1)), 2);
    assert_int_equal(get(b, GIB(1)), 22);
    model_drop(&m, 0);
    assert_int_equal(get(b, MIB(1)), 1);
    put(b, MIB(1), 3);
    model_space(&m, 0, MANY);
}

static void a_clone_costs_what_it_changes(void **)
{
    struct space *a = &m.space[0], *b = &m.space[1];
    uint64_t pages, image = hpa_of(m.image).v;

    a->large_from = UINT64_MAX;
    assert_int_equal(space_map(a, 0, MIB(4), RW), OK);
    assert_int_equal(space_map_image(a, MIB(6), MIB(1), RW, hpa(image)), OK);
    for (uint64_t at = 0; at < MIB(4); at += PAGE_SIZE)
        put(a, at, at);
    assert_int_equal(a->used, 1024);
    model_space(&m, 1, MANY);
    pages = fake_pages_in_use();
    space_clone(a, b);
    assert_int_equal(fake_pages_in_use(), pages);
    assert_int_equal(b->used, 1024);
    assert_int_equal(b->shared, 1024);
    assert_int_equal(b->tables, 2);
    put(b, MIB(2), 1); /* a page, and the two tables on the way to it */
    assert_int_equal(fake_pages_in_use(), pages + 3);
    assert_int_equal(b->used - b->shared, 1);
    assert_int_equal(b->tables, 4);
    put(b, MIB(6), 2); /* the image's */
    assert_int_equal(b->used, 1025);
    assert_int_equal(b->shared, 1023);
    assert_int_equal(space_unmap(b, 0, MIB(1)), OK);
    assert_int_equal(b->shared, 1023 - 256);
    assert_int_equal(space_unmap(b, 0, MIB(8)), OK);
    assert_int_equal(b->used + b->shared + b->mapped, 0);
    assert_int_equal(get(a, MIB(2)), MIB(2));
    model_drop(&m, 1);
    assert_int_equal(fake_pages_in_use(), pages - 2);
}

static void a_clone_has_small_pages_until_it_has_many(void **)
{
    struct space *a = &m.space[0], *b = &m.space[1];

    assert_int_equal(space_map(a, 0, MIB(8), RW), OK);
    model_space(&m, 1, MANY);
    space_clone(a, b);
    put(b, 0, 1);
    assert_int_equal(b->used, 1);
    for (uint64_t at = 0; at < MIB(2); at += PAGE_SIZE)
        put(b, at, at);
    put(b, MIB(2), 1);
    assert_int_equal(b->used, 1024);
}

static void a_clones_clone_outlives_both(void **)
{
    struct space *a = &m.space[0], *b = &m.space[1], *c = &m.space[2];

    assert_int_equal(space_map(a, 0, MIB(4), RW | APP_SMALL), OK);
    put(a, 0, 1);
    put(a, MIB(2), 2);
    model_space(&m, 1, MANY);
    space_clone(a, b);
    put(b, 0, 3);
    model_space(&m, 2, MANY);
    space_clone(b, c);
    put(a, 0, 4);
    put(b, MIB(2), 5);
    model_drop(&m, 1);
    assert_int_equal(get(a, 0), 4);
    assert_int_equal(get(c, 0), 3);
    model_drop(&m, 0);
    assert_int_equal(get(c, MIB(2)), 2);
    put(c, MIB(2), 6);
    put(c, 0, 7);
    assert_int_equal(c->used, 2);
    assert_int_equal(c->shared, 0);
    model_space(&m, 0, MANY);
}

static void the_last_owner_of_a_page_does_not_copy_it(void **)
{
    struct space *a = &m.space[0], *b = &m.space[1];
    uint64_t pages;

    assert_int_equal(space_map(a, 0, MIB(1), RW), OK);
    put(a, 0, 5);
    model_space(&m, 1, MANY);
    space_clone(a, b);
    model_drop(&m, 1);
    pages = fake_pages_in_use();
    put(a, 0, 6);
    assert_int_equal(fake_pages_in_use(), pages);
}

static void a_pinned_place_is_the_guests_own(void **)
{
    struct space *a = &m.space[0], *b = &m.space[1];
    hpa_t one, two;

    assert_int_equal(space_map(a, 0, PAGE_SIZE, RW), OK);
    assert_int_equal(space_pin(a, 16, &one), OK);
    put(a, 16, 77);
    assert_int_equal(*(uint64_t *)hpa_ptr(one), 77);
    model_space(&m, 1, MANY);
    space_clone(a, b);
    assert_int_equal(space_pin(a, 16, &one), OK);
    assert_int_equal(space_pin(b, 16, &two), OK);
    assert_int_not_equal(one.v, two.v);
    assert_int_equal(space_pin(a, PAGE_SIZE, &one), ERR_RANGE);
}

static unsigned holds;
static unsigned object(struct space *s, uint64_t bytes)
{
    unsigned n;

    assert_int_equal(space_object_open(s, &n), OK);
    assert_int_equal(space_object_grow(s, n, bytes), OK);
    return n;
}

static void an_object_is_the_same_wherever_it_is_mapped(void **)
{
    struct space *s = &m.space[0];
    unsigned n = object(s, MIB(4));

    assert_int_equal(s->mapped, 1024); /* once, mapped or not */
    assert_int_equal(space_map_object(s, MIB(2), MIB(4), RW, n, 0), OK);
    assert_int_equal(space_map_object(s, GIB(1) + PAGE_SIZE, MIB(2), RW, n, MIB(1)), OK);
    assert_int_equal(space_map_object(s, GIB(2), PAGE_SIZE, APP_READ, n, MIB(1)), OK);
    assert_int_equal(s->mapped, 1024);
    assert_int_equal(get(s, GIB(2)), 0);
    assert_int_equal(s->used, 0);
    put(s, MIB(3) + 8, 7);
    assert_int_equal(get(s, GIB(1) + PAGE_SIZE + 8), 7); /* not touched there yet */
    assert_int_equal(space_fault(s, GIB(2), 0), OK);
    put(s, GIB(1) + PAGE_SIZE + 8, 8);
    assert_int_equal(get(s, GIB(2) + 8), 8);
    assert_int_equal(get(s, MIB(3) + 8), 8);
    assert_int_equal(s->used, 1);
    assert_int_equal(space_fault(s, GIB(2), SPACE_FAULT_WRITE), ERR_RANGE);
    assert_int_equal(space_protect(s, GIB(2), PAGE_SIZE, RW), OK); /* and no copy is made */
    put(s, GIB(2) + 8, 9);
    assert_int_equal(get(s, MIB(3) + 8), 9);
    assert_int_equal(space_protect(s, MIB(2), MIB(4), 0), OK);
    assert_int_equal(space_fault(s, MIB(3), 0), ERR_RANGE);
    assert_int_equal(space_protect(s, MIB(2), MIB(4), RW), OK);
    put(s, MIB(3) + 8, 10);
    put(s, MIB(6) - 8, 11); /* one that had no rights before it was touched */
    assert_int_equal(get(s, GIB(2) + 8), 10);
    assert_int_equal(s->used, 2);
    assert_int_equal(space_map(s, MIB(3), PAGE_SIZE, RW), OK); /* memory in its place */
    assert_int_equal(get(s, MIB(3) + 8), 0);
    assert_int_equal(s->mapped, 1025);
    assert_int_equal(get(s, GIB(2) + 8), 10);
    assert_int_equal(space_fault(s, APP_TOP + MIB(1), 0), ERR_RANGE); /* its home is no place for the guest */
    space_object_close(s, n);
}

static void a_closed_object_goes_with_its_last_mapping(void **)
{
    struct space *s = &m.space[0];
    uint64_t before = fake_pages_in_use();
    unsigned n = object(s, MIB(2));

    assert_int_equal(space_map_object(s, 0, MIB(2), RW, n, 0), OK);
    assert_int_equal(space_map_object(s, MIB(2), 2 * PAGE_SIZE, RW, n, 0), OK);
    put(s, 0, 1);
    space_object_close(s, n);
    assert_int_equal(s->objects, 1);
    assert_true(space_shares(s));
    put(s, MIB(2) + PAGE_SIZE, 2); /* it can still be touched */
    assert_int_equal(get(s, PAGE_SIZE), 2);
    assert_int_equal(get(s, MIB(2)), 1);
    assert_int_equal(space_unmap(s, 2 * PAGE_SIZE, MIB(2) - 2 * PAGE_SIZE), OK); /* nothing waits but three pages */
    assert_int_equal(s->objects, 1);
    assert_int_equal(space_fault(s, MIB(2), 0), OK);
    assert_int_equal(space_fault(s, PAGE_SIZE, 0), OK);
    assert_int_equal(s->objects, 0); /* all that was mapped has been touched: pages know themselves */
    assert_int_equal(s->mapped, 0);
    assert_int_equal(s->used, 2);
    put(s, PAGE_SIZE, 3);
    assert_int_equal(get(s, MIB(2) + PAGE_SIZE), 3);
    assert_true(space_shares(s));
    assert_int_equal(space_unmap(s, 0, MIB(2)), OK);
    assert_int_equal(s->used, 2);
    assert_int_equal(space_unmap(s, MIB(2), MIB(2)), OK);
    assert_int_equal(s->used, 0);
    assert_false(space_shares(s));
    assert_int_equal(fake_pages_in_use(), before + 1); /* where objects are listed */
    n = object(s, MIB(2)); /* a new one has nothing of the old */
    assert_int_equal(space_map_object(s, 0, MIB(2), RW, n, 0), OK);
    assert_int_equal(get(s, 0), 0);
    space_object_close(s, n);
    assert_int_equal(space_unmap(s, 0, MIB(2)), OK); /* never touched */
    assert_int_equal(s->objects, 0);
    model_space(&m, 1, MANY);
    space_clone(s, &m.space[1]);
}

static void objects_have_limits(void **)
{
    struct space *s = &m.space[0];
    unsigned n = object(s, 16 * PAGE_SIZE), other = 0, count = 1;

    s->limit = s->mapped + s->tables + 4; /* a home and three tables */
    assert_int_equal(space_object_grow(s, n, 15 * PAGE_SIZE), ERR_INVAL);
    assert_int_equal(space_object_grow(s, n, 16 * PAGE_SIZE + 1), ERR_INVAL);
    assert_int_equal(space_object_grow(s, n, MIB(1)), ERR_NOMEM);
    assert_int_equal(space_object_grow(s, n, GIB(4) + PAGE_SIZE), ERR_NOMEM);
    assert_int_equal(space_map_object(s, 0, 16 * PAGE_SIZE, RW, n, PAGE_SIZE), ERR_RANGE);
    assert_int_equal(space_map_object(s, 0, PAGE_SIZE, RW, n, ~0xFFFull), ERR_RANGE);
    assert_int_equal(space_map_object(s, 0, PAGE_SIZE, RW, n, 5), ERR_INVAL);
    assert_int_equal(space_map_object(s, 5, PAGE_SIZE, RW, n, 0), ERR_INVAL);
    assert_int_equal(space_map_object(s, APP_TOP, PAGE_SIZE, RW, n, 0), ERR_RANGE);
    assert_int_equal(space_map_object(s, 0, PAGE_SIZE, RW | APP_SMALL, n, 0), ERR_INVAL);
    assert_int_equal(space_map_object(s, 0, PAGE_SIZE, RW, n, 15 * PAGE_SIZE), OK); /* two tables */
    assert_int_equal(space_map_object(s, GIB(1), PAGE_SIZE, RW, n, 0), OK);
    assert_int_equal(space_map_object(s, GIB(2), PAGE_SIZE, RW, n, 0), ERR_NOMEM); /* tables count */
    s->limit = MANY;
    assert_int_equal(space_object_grow(s, n, GIB(2)), OK);
    assert_int_equal(space_map_object(s, GIB(2), GIB(2), RW, n, 0), OK); /* no table */
    s->limit = s->mapped + s->tables + 1;
    assert_int_equal(space_fault(s, GIB(3), SPACE_FAULT_WRITE), ERR_NOMEM);
    assert_int_equal(get(s, GIB(3)), 0);
    while (!space_object_open(s, &other))
        count++;
    assert_int_equal(count, SPACE_OBJECTS);
    for (unsigned i = 0; i < SPACE_OBJECTS; i++)
        space_object_close(s, i);
}

static void count_hold(struct space *s)
{
    assert_true(atomic_load(&s->held));
    holds++;
}

static void other_cpus_are_held_while_something_is_taken_away(void **)
{
    struct space *s = &m.space[0];

    s->hold = count_hold;
    holds = 0;
    uint64_t edits = atomic_load(&s->edits);
    assert_int_equal(space_map(s, 0, MIB(1), RW), OK);
    put(s, 0, 1);
    assert_int_equal(holds, 0);
    assert_int_equal(atomic_load(&s->edits), edits);
    assert_int_equal(space_protect(s, 0, PAGE_SIZE, APP_READ), OK);
    assert_int_equal(space_unmap(s, 0, PAGE_SIZE), OK);
    assert_int_equal(holds, 2);
    assert_false(atomic_load(&s->held));
    s->hold = NULL;
}

/* What a TLB has learnt is wrong: whoever runs the space sees it by the count, also where one CPU alone runs it. */
static void all_that_is_taken_away_is_counted(void **)
{
    struct space *s = &m.space[0];
    uint64_t edits;

#define COUNTED(what) (edits = atomic_load(&s->edits), (what), atomic_load(&s->edits) != edits)
    assert_int_equal(space_map(s, 0, MIB(1), RW), OK);
    put(s, 0, 1);
    assert_false(COUNTED(put(s, PAGE_SIZE, 1))); /* a first touch */
    model_space(&m, 1, MANY);
    assert_true(COUNTED(space_clone(s, &m.space[1]))); /* writable pages are no more */
    assert_true(COUNTED(put(s, 0, 2))); /* a page goes to another place */
    assert_true(COUNTED(assert_int_equal(space_protect(s, 0, PAGE_SIZE, APP_READ), OK)));
    assert_true(COUNTED(assert_int_equal(space_map(s, 0, PAGE_SIZE, RW), OK)));
    assert_true(COUNTED(assert_int_equal(space_unmap(s, 0, MIB(1)), OK)));
    assert_false(COUNTED(assert_int_equal(space_unmap(s, 0, MIB(1)), OK)));
}

static uint32_t random_state;
static uint8_t random_byte(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint8_t)(random_state >> 24);
}

static void random_steps(uint32_t seed, unsigned steps, unsigned failing)
{
    uint8_t in[8];

    random_state = seed;
    for (unsigned i = 0; i < steps; i++) {
        for (unsigned k = 0; k < sizeof in; k++)
            in[k] = random_byte();
        if (failing && i % 3 == 0)
            fake_fail_alloc(random_byte() % failing + 1);
        model_step(&m, in);
        fake_fail_alloc(0);
        if (i % 200 == 0)
            model_check_all(&m);
    }
    model_check_all(&m);
}

static void random_changes_agree_with_the_model(void **)
{
    random_steps(1, 3000, 0);
}

static void a_failed_allocation_changes_nothing(void **)
{
    random_steps(2, 3000, 6);
}

static void a_narrow_limit_changes_nothing(void **)
{
    m.space[0].limit = 300;
    random_steps(3, 3000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_costs_nothing_until_it_is_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_mapping_is_touched_two_mebibytes_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(where_no_large_page_is_free_small_ones_serve, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_ranges_and_rights_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit_counts_pages_and_their_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(an_image_is_shared_until_it_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(an_image_that_may_not_be_written_is_not_by_the_monitor_either, setup, teardown),
        cmocka_unit_test_setup_teardown(contents_survive_a_time_without_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clone_sees_what_was_and_not_what_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clone_costs_what_it_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clone_has_small_pages_until_it_has_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clones_clone_outlives_both, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_owner_of_a_page_does_not_copy_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pinned_place_is_the_guests_own, setup, teardown),
        cmocka_unit_test_setup_teardown(an_object_is_the_same_wherever_it_is_mapped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_object_goes_with_its_last_mapping, setup, teardown),
        cmocka_unit_test_setup_teardown(objects_have_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(other_cpus_are_held_while_something_is_taken_away, setup, teardown),
        cmocka_unit_test_setup_teardown(all_that_is_taken_away_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(random_changes_agree_with_the_model, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_allocation_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_narrow_limit_changes_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
