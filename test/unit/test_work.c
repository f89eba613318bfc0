/* Work for CPU 0's loop: who is called when. */
#include "test/unit/vmkit.h"
#include "vm/work.h"

struct job {
    struct work work;
    unsigned runs;
    bool waits, asks, changes;
    uint64_t takes; /* ns */
    struct work *removes;
};

static bool job_run(struct work *w)
{
    struct job *j = container_of(w, struct job, work);

    j->runs++;
    fake_set_tsc(ground_tsc() + j->takes);
    if (j->asks)
        work_ask(w);
    if (j->changes)
        work_changed();
    if (j->removes)
        work_remove(j->removes);
    j->removes = NULL;
    return j->waits;
}

static struct job a, b;

static int begin(void **)
{
    fake_set_cpus(2, 0);
    sched_init();
    work_init();
    a = b = (struct job){ .work.run = job_run };
    work_add(&a.work);
    work_add(&b.work);
    return 0;
}

static void pass(uint64_t ns)
{
    fake_set_tsc(ground_tsc() + ns);
    sched_step();
}

static void only_what_was_asked_for_runs_once(void **)
{
    work_ask(&a.work);
    work_ask(&a.work);
    pass(1);
    pass(1);
    assert_int_equal(a.runs, 1);
    assert_int_equal(b.runs, 0);
}

static void cpu_0_is_kicked_even_by_itself(void **)
{
    unsigned before = fake_kicks(0);
    work_ask(&a.work); /* a guest that runs on CPU 0 has to be left */
    assert_int_equal(fake_kicks(0), before + 1);
    pass(1);
    fake_set_cpus(2, 1);
    work_ask(&b.work);
    assert_int_equal(fake_kicks(0), before + 2);
    fake_set_cpus(2, 0);
    pass(1);
    assert_int_equal(a.runs + b.runs, 2);
}

static void work_that_asks_for_itself_lets_others_in(void **)
{
    a.asks = true;
    work_ask(&a.work);
    work_ask(&b.work);
    pass(1);
    assert_int_equal(a.runs, 1);
    assert_int_equal(b.runs, 1);
    pass(1);
    assert_int_equal(a.runs, 2);
    a.asks = false;
    pass(1);
}

static void a_change_wakes_those_that_wait_and_no_others(void **)
{
    work_changed();
    pass(10000000);
    assert_int_equal(a.runs + b.runs, 0);
    a.waits = true;
    work_ask(&a.work);
    pass(1);
    assert_int_equal(a.runs, 1);
    work_changed();
    pass(10000000);
    assert_int_equal(a.runs, 2);
    assert_int_equal(b.runs, 0);
    a.waits = false;
    work_changed();
    pass(10000000);
    assert_int_equal(a.runs, 3);
    work_changed();
    pass(10000000);
    assert_int_equal(a.runs, 3);
}

static void many_changes_are_one_every_few_milliseconds(void **)
{
    a.waits = true;
    work_ask(&a.work);
    pass(10000000);
    work_changed();
    pass(1000);
    unsigned after_first = a.runs;
    for (int i = 0; i < 100; i++) {
        work_changed();
        pass(1000);
    }
    assert_int_equal(a.runs, after_first);
    pass(10000000); /* and the last one is not lost */
    assert_int_equal(a.runs, after_first + 1);
    a.waits = false;
    work_ask(&a.work);
    pass(1);
}

static void a_change_while_it_looks_is_not_lost(void **)
{
    a.waits = a.changes = true;
    work_ask(&a.work);
    pass(10000000);
    a.changes = false;
    pass(10000000);
    assert_int_equal(a.runs, 2);
    a.waits = false;
    work_ask(&a.work);
    pass(1);
}

static void work_may_be_removed_by_other_work(void **)
{
    a.removes = &b.work;
    work_ask(&a.work);
    work_ask(&b.work);
    pass(1);
    assert_int_equal(a.runs, 1);
    assert_int_equal(b.runs, 0);
}

static void work_without_end_leaves_half_of_the_time(void **)
{
    a.asks = true;
    a.takes = 1000000;
    work_ask(&a.work);
    pass(20000000); /* a new window of 10 ms begins */
    for (int i = 0; i < 100; i++)
        pass(10000);
    assert_in_range(a.runs, 5, 7);
    assert_true(fake_timer() <= ground_tsc() + 10000000); /* it goes on without anybody's kick */
    pass(10000000);
    assert_in_range(a.runs, 6, 8);
    a.asks = false;
    pass(20000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_what_was_asked_for_runs_once, begin),
        cmocka_unit_test_setup(cpu_0_is_kicked_even_by_itself, begin),
        cmocka_unit_test_setup(work_that_asks_for_itself_lets_others_in, begin),
        cmocka_unit_test_setup(a_change_wakes_those_that_wait_and_no_others, begin),
        cmocka_unit_test_setup(many_changes_are_one_every_few_milliseconds, begin),
        cmocka_unit_test_setup(a_change_while_it_looks_is_not_lost, begin),
        cmocka_unit_test_setup(work_without_end_leaves_half_of_the_time, begin),
        cmocka_unit_test_setup(work_may_be_removed_by_other_work, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
