/* vm/panic.c: a kernel that says it panicked and stands still is found; one of the two alone is not enough. */
#include "test/unit/vmkit.h"
#include "vm/panic.h"

#define KERNEL_RIP 0xFFFFFFFF81000000ull
#define LAST_LINE "---[ end Kernel panic - not syncing: no root ]---\n"

static struct vm *vm;
static unsigned matched;

static int setup(void **)
{
    fake_set_cpus(1, 0);
    fake_set_tsc(5000);
    sched_init();
    fake_script(NULL);
    vm = kit_vm(3);
    matched = 0;
    /* as Linux leaves them: vCPU 0 waits in the kernel, 1 sleeps with interrupts off, 2 was never started */
    vm->vcpu[0]->pause_rip = KERNEL_RIP;
    atomic_store(&vm->vcpu[1]->state, VCPU_HALTED);
    return 0;
}

static int teardown(void **)
{
    vm->vcpu[1]->r.rflags = 0;
    atomic_store(&vm->vcpu[1]->state, VCPU_OFF);
    kit_end(vm);
    return 0;
}

static void hear(const char *text) { vm_hear(vm, &matched, (const uint8_t *)text, strlen(text)); }

/* That many seconds; each half second vCPU 0 pauses and `also` happens. */
static bool found_after(unsigned seconds, void (*also)(void))
{
    for (unsigned i = 0; i < 2 * seconds; i++) {
        fake_set_tsc(ground_tsc() + 500000000);
        vm->vcpu[0]->exits[EXIT_PAUSE] += 1000;
        if (also)
            also();
        (void)panic_chore(ground_tsc());
        (void)panic_chore(ground_tsc()); /* other chores make it run more often */
    }
    return atomic_load(&vm->state) == VM_STOPPING && vm->why == VM_PANICKED;
}

static void the_last_line_and_stillness_are_a_panic(void **)
{
    hear("[    1.0] ---[ end Kernel pa");
    hear("nic - not syncing: no root ]---\r\n");
    assert_false(found_after(2, NULL));
    assert_true(found_after(2, NULL));
}

static void the_line_is_found_behind_its_own_beginning(void **)
{
    hear("end Kernel panic - not eend Kernel panic - not syncing");
    assert_true(found_after(4, NULL));
}

static void stillness_without_the_line_is_none(void **)
{
    hear("end Kernel panic - not sinking");
    assert_false(found_after(60, NULL));
    assert_true(panic_chore(ground_tsc()) == UINT64_MAX);
}

static void halts(void) { vm->vcpu[0]->exits[EXIT_HLT]++; }
static void pauses_elsewhere(void) { vm->vcpu[0]->pause_moves++; }
static void never_pauses(void) { vm->vcpu[0]->exits[EXIT_PAUSE] -= 1000; }
static void pauses_in_a_program(void) { vm->vcpu[0]->pause_rip = 0x400000; }
static void another_takes_interrupts(void) { vm->vcpu[1]->r.rflags = RFLAGS_IF; }
static void another_runs(void) { atomic_store(&vm->vcpu[1]->state, VCPU_READY); }

static void the_line_in_a_healthy_guest_is_none(void **state)
{
    void (*const signs[])(void) = { halts, pauses_elsewhere, never_pauses, pauses_in_a_program, another_takes_interrupts, another_runs };

    for (unsigned i = 0; i < ARRAY_LEN(signs); i++) {
        hear(LAST_LINE);
        assert_false(found_after(40, signs[i]));
        assert_true(panic_chore(ground_tsc()) == UINT64_MAX); /* it has given up */
        teardown(state);
        setup(state);
    }
}

static void a_new_start_knows_nothing_of_the_last(void **state)
{
    (void)state;
    hear(LAST_LINE);
    assert_false(found_after(2, NULL));
    teardown(state);
    assert_int_equal(vm_start(vm), OK);
    vm->vcpu[0]->pause_rip = KERNEL_RIP;
    assert_false(found_after(40, NULL));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_last_line_and_stillness_are_a_panic), T(the_line_is_found_behind_its_own_beginning),
        T(stillness_without_the_line_is_none), T(the_line_in_a_healthy_guest_is_none), T(a_new_start_knows_nothing_of_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
