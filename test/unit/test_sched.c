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

/* --- guests with several vCPUs, on several CPUs that run side by side --- */

static uint64_t cpu_clock[4];

/* The CPU that is furthest behind goes next, until all have come to the end. */
static void machine_runs(unsigned cpus, uint64_t ns)
{
    uint64_t end = cpu_clock[0] + ns;

    for (;;) {
        unsigned c = 0;

        for (unsigned i = 1; i < cpus; i++)
            c = cpu_clock[i] < cpu_clock[c] ? i : c;
        if (cpu_clock[c] >= end)
            break;
        fake_set_cpus(cpus, c);
        fake_set_tsc(cpu_clock[c]);
        sched_step();
        if (ground_tsc() == cpu_clock[c])
            advance(MS / 10); /* it idled */
        cpu_clock[c] = ground_tsc();
    }
    for (unsigned i = 0; i < cpus; i++)
        cpu_clock[i] = end;
}

static void vcpu_starts(struct vcpu *v)
{
    atomic_store(&v->startup, STARTUP_INIT | STARTUP_SIPI);
    sched_wake(v);
}

static struct vm *guest(unsigned vcpus, unsigned started, void (*script)(struct vcpu *))
{
    fake_script(script);
    struct vm *vm = kit_vm(vcpus);
    for (unsigned i = 1; i < started; i++)
        vcpu_starts(vm->vcpu[i]);
    return vm;
}

/* What its vCPUs ran since it was asked last, ms; each of them between least and most. */
static uint64_t ran_ms(struct vm *vm, uint64_t least, uint64_t most)
{
    static uint64_t before[64][VM_VCPUS_MAX];
    uint64_t sum = 0;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        uint64_t *was = &before[vm->id % 64][i], ran = vm->vcpu[i]->run_tsc - *was;
        assert_in_range(ran / MS, least, most);
        *was = vm->vcpu[i]->run_tsc;
        sum += ran;
    }
    return sum / MS;
}

static int setup_machine(void **state)
{
    for (unsigned i = 0; i < 4; i++)
        cpu_clock[i] = 10 * MS;
    return setup(state);
}

static void a_guest_gets_no_more_for_more_vcpus(void **state)
{
    struct vm *many, *two, *one;
    (void)state;
    many = guest(16, 16, busy);
    two = guest(2, 2, busy);
    one = guest(1, 1, busy);
    machine_runs(1, 9000ull * MS);
    assert_in_range(ran_ms(many, 150, 225), 2850, 3150);
    assert_in_range(ran_ms(two, 1400, 1600), 2850, 3150);
    assert_in_range(ran_ms(one, 2850, 3150), 2850, 3150);
    kit_end(many);
    kit_end(two);
    kit_end(one);
}

static void a_guest_gets_no_more_for_vcpus_on_all_cpus(void **state)
{
    struct vm *many, *one[3];
    (void)state;
    many = guest(16, 16, busy);
    for (unsigned i = 0; i < 3; i++)
        one[i] = guest(1, 1, busy);
    machine_runs(2, 8000ull * MS); /* 16 s of running: 4 s each */
    assert_in_range(ran_ms(many, 175, 325), 3700, 4300);
    for (unsigned i = 0; i < 3; i++)
        ran_ms(one[i], 3700, 4300);
    for (unsigned i = 0; i < 3; i++)
        kit_end(one[i]);
    kit_end(many);
}

static void what_one_guest_cannot_use_the_others_share(void **state)
{
    struct vm *one, *two, *many;
    (void)state;
    one = guest(1, 1, busy);
    two = guest(2, 2, busy);
    many = guest(16, 16, busy);
    machine_runs(4, 4000ull * MS); /* 4 s, 6 s, 6 s */
    ran_ms(one, 3800, 4000);
    assert_in_range(ran_ms(two, 2700, 3300), 5600, 6400);
    assert_in_range(ran_ms(many, 250, 500), 5600, 6400);
    kit_end(one);
    kit_end(two);
    kit_end(many);
}

static void what_a_guest_could_not_use_is_not_owed_to_it(void **state)
{
    struct vm *late, *many;
    (void)state;
    late = guest(4, 1, busy);
    many = guest(16, 16, busy);
    machine_runs(4, 20000ull * MS); /* it can use one CPU of the two it may have */
    (void)ran_ms(late, 0, UINT64_MAX);
    (void)ran_ms(many, 0, UINT64_MAX);
    for (unsigned i = 1; i < 4; i++)
        vcpu_starts(late->vcpu[i]);
    machine_runs(4, 2000ull * MS);
    assert_in_range(ran_ms(late, 0, UINT64_MAX), 3700, 4300);
    assert_in_range(ran_ms(many, 0, UINT64_MAX), 3700, 4300);
    kit_end(late);
    kit_end(many);
}

#define CROWD 31

static uint64_t last_seen, longest;

/* A system that starts: computes, waits for something now and then. Notes how long it is without a CPU while it has work. */
static void starts_up(struct vcpu *v)
{
    longest = max_u64(longest, ground_tsc() - max_u64(last_seen, v->wake_at));
    advance(MS);
    last_seen = ground_tsc();
    v->apic.lvt[LVT_TIMER] = 0x40;
    v->apic.svr = 0x1FF;
    v->apic.isr[2] = 0;
    v->r.rflags |= RFLAGS_IF;
    if (fake_of(v)->step % 8 == 0) {
        v->apic.deadline = ground_tsc() + 2 * MS;
        v->x.kind = EXIT_HLT;
    }
}

static void one_more_beside_a_crowd_gets_what_each_gets(void **state)
{
    struct vm *crowd[CROWD], *late;
    (void)state;
    for (unsigned i = 0; i < CROWD; i++)
        crowd[i] = guest(i ? 4 : 16, i ? 4 : 16, busy);
    machine_runs(2, 8000ull * MS);
    late = guest(1, 1, starts_up);
    last_seen = ground_tsc();
    longest = 0;
    machine_runs(2, 16000ull * MS); /* 32 s of running: 1 s each */
    ran_ms(late, 900, 1100);
    assert_true(longest < 250 * MS);
    for (unsigned i = 0; i < CROWD; i++)
        vm_stop(crowd[i], VM_STOPPED, "%s", "");
    kit_end(late);
    for (unsigned i = 0; i < CROWD; i++)
        kit_end(crowd[i]);
}

/* Runs 5 ms, wakes the next vCPU of its guest, sleeps. */
static void hands_on(struct vcpu *v)
{
    advance(5 * MS);
    struct vcpu *next = v->vm->vcpu[(v->id + 1) % v->vm->nvcpus];
    atomic_store(&next->unhalted, true);
    if (atomic_load(&next->state) == VCPU_OFF)
        vcpu_starts(next);
    else
        sched_wake(next);
    v->x.kind = EXIT_HLT;
}

static void vcpus_that_run_by_turns_are_one_guest(void **state)
{
    struct vm *relay, *one;
    (void)state;
    relay = guest(16, 1, hands_on);
    one = guest(1, 1, busy);
    machine_runs(1, 4000ull * MS);
    assert_in_range(ran_ms(relay, 80, 170), 1900, 2100);
    ran_ms(one, 1900, 2100);
    kit_end(relay);
    kit_end(one);
}

static void one_that_lets_others_go_first_does_not_save_up(void **state)
{
    struct vm *spins, *b, *wakes;
    (void)state;
    spins = guest(1, 1, spinner);
    b = guest(1, 1, busy);
    machine_runs(1, 5000ull * MS);
    wakes = guest(1, 1, busy);
    (void)ran_ms(b, 0, UINT64_MAX);
    machine_runs(1, 500ull * MS);
    ran_ms(b, 200, 260); /* not after all that the spinner did not use */
    fake_of(spins->vcpu[0])->script = busy;
    machine_runs(1, 600ull * MS);
    ran_ms(b, 170, 230);
    kit_end(spins);
    kit_end(b);
    kit_end(wakes);
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

/* Waits for its sibling without PAUSE, without timers of its own; the host's timer may end its turn. */
static void waits_for_sibling(struct vcpu *v)
{
    struct vcpu *sibling = v->vm->vcpu[1];

    advance(MS);
    if (fake_of(v)->step == 0)
        vcpu_starts(sibling);
    if (fake_of(sibling)->step || fake_timer() <= ground_tsc() || fake_of(v)->step > 100)
        return;
    v->x.kind = EXIT_CPUID;
}

static void one_that_is_woken_behind_the_only_one_gets_a_turn(void **state)
{
    struct vm *vm;
    (void)state;
    fake_script(waits_for_sibling);
    vm = kit_vm(2);
    for (unsigned i = 0; i < 4; i++)
        sched_step();
    assert_in_range(fake_of(vm->vcpu[0])->step, 1, 20);
    assert_true(fake_of(vm->vcpu[1])->step > 0);
    kit_end(vm);
}

static unsigned kicks_seen;

/* Another CPU wakes its sibling, which is at home where it runs. */
static void is_waited_for(struct vcpu *v)
{
    unsigned before = fake_kicks(0);

    advance(MS);
    if (fake_of(v)->step)
        return;
    fake_set_cpus(2, 1);
    vcpu_starts(v->vm->vcpu[1]);
    fake_set_cpus(2, 0);
    kicks_seen = fake_kicks(0) - before;
}

static void a_cpu_that_runs_one_alone_hears_of_another(void **state)
{
    struct vm *vm;
    (void)state;
    fake_script(is_waited_for);
    vm = kit_vm(2);
    sched_step();
    assert_int_equal(kicks_seen, 1);
    fake_set_cpus(1, 0);
    for (unsigned i = 0; i < 20; i++)
        sched_step();
    assert_true(fake_of(vm->vcpu[1])->step > 0);
    kit_end(vm);
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
#define M(f) cmocka_unit_test_setup(f, setup_machine)
        M(a_guest_gets_no_more_for_more_vcpus), M(a_guest_gets_no_more_for_vcpus_on_all_cpus),
        M(what_one_guest_cannot_use_the_others_share), M(what_a_guest_could_not_use_is_not_owed_to_it),
        M(one_more_beside_a_crowd_gets_what_each_gets), M(vcpus_that_run_by_turns_are_one_guest), M(one_that_lets_others_go_first_does_not_save_up),
        T(three_guests_on_one_cpu_share_it), T(three_guests_on_two_cpus_get_two_thirds),
        T(a_deadline_that_has_passed_sets_no_timer), T(a_sleeper_wakes_in_time_beside_a_busy_guest), T(idle_cpu_sets_the_timer_to_the_next_deadline),
        T(an_interrupt_from_elsewhere_wakes_and_kicks), T(a_spinning_vcpu_lets_the_other_go_first),
        T(what_it_cannot_take_lets_a_vcpu_sleep), T(loaded_state_does_not_move),
        T(one_that_is_woken_behind_the_only_one_gets_a_turn), T(a_cpu_that_runs_one_alone_hears_of_another), T(chores_run_when_due_and_when_kicked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
