/* vm/sched.c: fairness, sleeping and waking, moving between CPUs. Time is moved by the fake guest's script. */
#include "test/unit/vmkit.h"

#define MS 1000000u

static void advance(uint64_t ns)
{
    fake_set_tsc(ground_tsc() + ns);
}

/* Runs 1 ms, then a host interrupt. */
static void busy(struct vcpu *v)
{
    (void)v;
    advance(MS);
}

/* Halts at once, its timer set 5 ms ahead. */
static void sleeper(struct vcpu *v)
{
    advance(MS / 10);
    v->apic.deadline = ground_tsc() + 5 * MS;
    v->x.kind = EXIT_HLT;
}

static void spinner(struct vcpu *v)
{
    advance(MS / 10);
    v->x.kind = EXIT_PAUSE;
}

static int setup(void **state)
{
    (void)state;
    fake_set_tsc(10 * MS);
    fake_set_cpus(1, 0);
    sched_init();
    return 0;
}

static uint64_t share(const struct vm *vm)
{
    return vm->vcpu[0]->run_tsc;
}

static void three_guests_on_one_cpu_share_it(void **state)
{
    struct vm *vm[3];
    (void)state;
    fake_script(busy);
    for (unsigned i = 0; i < 3; i++)
        vm[i] = kit_vm(1);
    for (unsigned i = 0; i < 3000; i++)
        sched_step();
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(share(vm[i]), 980ull * MS, 1020ull * MS);
    for (unsigned i = 0; i < 3; i++)
        kit_end(vm[i]);
}

static void three_guests_on_two_cpus_get_two_thirds(void **state)
{
    struct vm *vm[3];
    (void)state;
    fake_set_cpus(2, 0);
    fake_script(busy);
    for (unsigned i = 0; i < 3; i++)
        vm[i] = kit_vm(1);
    for (unsigned i = 0; i < 3000; i++) {
        fake_set_cpus(2, i & 1);
        sched_step();
    }
    for (unsigned i = 0; i < 3; i++) /* fake time is one clock: 3000 ms of running in all */
        assert_in_range(share(vm[i]), 940ull * MS, 1060ull * MS);
    for (unsigned i = 0; i < 3; i++)
        kit_end(vm[i]);
}

static void a_sleeper_wakes_in_time_beside_a_busy_guest(void **state)
{
    struct vm *s, *b;
    (void)state;
    fake_script(sleeper);
    s = kit_vm(1);
    fake_script(busy);
    b = kit_vm(1);
    for (unsigned i = 0; i < 1000; i++) {
        s->vcpu[0]->apic.lvt[LVT_TIMER] = 0x40;
        s->vcpu[0]->apic.svr = 0x1FF;
        sched_step();
        s->vcpu[0]->r.rflags |= RFLAGS_IF;
        s->vcpu[0]->apic.isr[2] = 0; /* the test is its interrupt handler */
    }
    assert_true(fake_of(s->vcpu[0])->step > 100);
    assert_true(share(b) > 700ull * MS);
    kit_end(s);
    kit_end(b);
}

static uint64_t timer_seen;

static void notes_the_timer(struct vcpu *v)
{
    (void)v;
    timer_seen = fake_timer();
}

static void a_deadline_that_has_passed_sets_no_timer(void **state)
{
    struct vm *vm;
    (void)state;
    fake_script(notes_the_timer);
    vm = kit_vm(1);
    vm->vcpu[0]->apic.deadline = ground_tsc() + MS;
    sched_step();
    assert_int_equal(timer_seen, ground_tsc() + MS);
    advance(MS);
    sched_step(); /* the interrupt is in the APIC: nothing is left to wait for */
    assert_int_equal(timer_seen, UINT64_MAX);
    kit_end(vm);
}

static void idle_cpu_sets_the_timer_to_the_next_deadline(void **state)
{
    struct vm *s;
    (void)state;
    fake_script(sleeper);
    s = kit_vm(1);
    sched_step(); /* runs, halts */
    uint64_t deadline = s->vcpu[0]->apic.deadline;
    assert_int_equal(atomic_load(&s->vcpu[0]->state), VCPU_HALTED);
    sched_step(); /* idles */
    assert_int_equal(fake_timer(), deadline);
    unsigned steps = fake_of(s->vcpu[0])->step;
    sched_step();
    assert_int_equal(fake_of(s->vcpu[0])->step, steps);
    kit_end(s);
}

static void an_interrupt_from_elsewhere_wakes_and_kicks(void **state)
{
    struct vm *s;
    (void)state;
    fake_script(sleeper);
    s = kit_vm(1);
    sched_step();
    s->vcpu[0]->apic.svr = 0x1FF;
    fake_set_cpus(2, 1);
    unsigned before = fake_kicks(0);
    apic_post(s->vcpu[0], 0x50, false);
    assert_int_equal(fake_kicks(0), before + 1);
    assert_int_equal(atomic_load(&s->vcpu[0]->state), VCPU_READY);
    fake_set_cpus(2, 0);
    s->vcpu[0]->r.rflags |= RFLAGS_IF;
    sched_step();
    assert_int_equal(fake_of(s->vcpu[0])->last_irq, 0x50);
    kit_end(s);
}

static void a_spinning_vcpu_lets_the_other_go_first(void **state)
{
    struct vm *a, *b;
    (void)state;
    fake_script(spinner);
    a = kit_vm(1);
    fake_script(busy);
    b = kit_vm(1);
    for (unsigned i = 0; i < 200; i++)
        sched_step();
    assert_true(share(b) > 5 * share(a));
    assert_true(fake_of(a->vcpu[0])->step > 20); /* but it is not starved */
    kit_end(a);
    kit_end(b);
}

static void what_it_cannot_take_lets_a_vcpu_sleep(void **state)
{
    struct vm *s;
    (void)state;
    fake_script(sleeper);
    s = kit_vm(2);
    sched_step(); /* vCPU 0 halts with interrupts off; vCPU 1 waits for its start-up IPI */
    fake_of(s->vcpu[0])->nmi_masked = true;
    for (unsigned i = 0; i < 2; i++) {
        s->vcpu[i]->apic.svr = 0x1FF;
        apic_post(s->vcpu[i], 0x50, false);
        apic_post_nmi(s->vcpu[i]);
        for (unsigned steps = 0; steps < 3; steps++)
            sched_step();
    }
    assert_int_equal(atomic_load(&s->vcpu[0]->state), VCPU_HALTED);
    assert_int_equal(atomic_load(&s->vcpu[1]->state), VCPU_OFF);
    assert_int_equal(fake_of(s->vcpu[1])->step, 0);
    kit_end(s);
}

static void loaded_state_does_not_move(void **state)
{
    struct vm *s;
    (void)state;
    fake_script(sleeper);
    s = kit_vm(1);
    fake_set_cpus(2, 0);
    sched_step(); /* halts on CPU 0, still loaded there */
    atomic_store(&s->vcpu[0]->unhalted, true);
    sched_wake(s->vcpu[0]);
    fake_set_cpus(2, 1);
    sched_step(); /* CPU 1 is idle, but may not take it */
    assert_int_equal(s->vcpu[0]->cpu, 0);
    assert_int_equal(fake_of(s->vcpu[0])->loads, 1);
    fake_set_cpus(2, 0);
    kit_end(s);
}

static unsigned chores_done;
static uint64_t chore(uint64_t t)
{
    chores_done++;
    return t + 20 * MS;
}

static void chores_run_when_due_and_when_kicked(void **state)
{
    (void)state;
    sched_add_chore(chore);
    chores_done = 0;
    sched_step();
    assert_int_equal(chores_done, 1);
    assert_int_equal(fake_timer(), ground_tsc() + 20 * MS);
    sched_step();
    assert_int_equal(chores_done, 1);
    sched_kick_chores();
    sched_step();
    assert_int_equal(chores_done, 2);
    advance(20 * MS);
    sched_step();
    assert_int_equal(chores_done, 3);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        T(three_guests_on_one_cpu_share_it), T(three_guests_on_two_cpus_get_two_thirds),
        T(a_deadline_that_has_passed_sets_no_timer), T(a_sleeper_wakes_in_time_beside_a_busy_guest), T(idle_cpu_sets_the_timer_to_the_next_deadline),
        T(an_interrupt_from_elsewhere_wakes_and_kicks), T(a_spinning_vcpu_lets_the_other_go_first),
        T(what_it_cannot_take_lets_a_vcpu_sleep), T(loaded_state_does_not_move), T(chores_run_when_due_and_when_kicked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
