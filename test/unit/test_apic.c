/* vm/apic.c: priorities, timer, IPIs, PV EOI, on the fake CPU. */
#include "test/unit/vmkit.h"

enum { TPR = 0x808, EOI = 0x80B, LDR = 0x80D, SVR = 0x80F, ISR0 = 0x810, ESR = 0x828, ICR = 0x830, LVT_T = 0x832, INITIAL = 0x838,
    CURRENT = 0x839, DIVIDE = 0x83E, SELF = 0x83F };

static struct vm *vm;
static struct vcpu *v;

static int setup(void **)
{
    fake_set_cpus(1, 0);
    fake_script(NULL);
    sched_init();
    vm = kit_vm(3);
    v = vm->vcpu[0];
    assert_int_equal(apic_write(v, SVR, 0x1FF), OK);
    return 0;
}

static int teardown(void **)
{
    kit_end(vm);
    return 0;
}

static uint64_t get(uint32_t msr)
{
    uint64_t val = 0;
    assert_int_equal(apic_read(v, msr, &val), OK);
    return val;
}

static void higher_priority_goes_first_and_nests(void **)
{
    apic_post(v, 0x41, false);
    apic_post(v, 0x92, false);
    assert_int_equal(apic_pending(v), 0x92);
    apic_accept(v, 0x92);
    assert_int_equal(apic_pending(v), -1); /* 0x41 waits for the end of 0x92 */
    apic_post(v, 0x95, false);
    assert_int_equal(apic_pending(v), -1); /* the same class does not nest */
    apic_post(v, 0xA0, false);
    assert_int_equal(apic_pending(v), 0xA0);
    apic_accept(v, 0xA0);
    assert_int_equal(apic_write(v, EOI, 0), OK);
    assert_int_equal(get(ISR0 + 4), BIT(0x12));
    assert_int_equal(apic_write(v, EOI, 0), OK);
    assert_int_equal(apic_pending(v), 0x95);
    apic_accept(v, 0x95);
    assert_int_equal(apic_write(v, EOI, 0), OK);
    assert_int_equal(apic_pending(v), 0x41);
}

static void tpr_and_svr_hold_interrupts_back(void **)
{
    apic_post(v, 0x41, false);
    assert_int_equal(apic_write(v, TPR, 0x50), OK);
    assert_int_equal(apic_pending(v), -1);
    assert_int_equal(apic_write(v, TPR, 0x30), OK);
    assert_int_equal(apic_pending(v), 0x41);
    assert_int_equal(apic_write(v, SVR, 0xFF), OK);
    assert_int_equal(apic_pending(v), -1);
}

static void illegal_vectors_and_registers_are_refused(void **)
{
    uint64_t val;
    apic_post(v, 15, false);
    assert_int_equal(apic_pending(v), -1);
    assert_int_equal(apic_write(v, ICR, 1ull << 18 | 3), OK); /* to self, vector 3 */
    assert_int_equal(apic_write(v, ESR, 0), OK);
    assert_int_equal(get(ESR), BIT(5));
    assert_int_equal(apic_write(v, EOI, 1), ERR_INVAL);
    assert_int_equal(apic_write(v, 0x802, 0), ERR_INVAL);
    assert_int_equal(apic_write(v, TPR, 0x100), ERR_INVAL);
    assert_int_equal(apic_write(v, SVR, 1ull << 40), ERR_INVAL);
    assert_int_equal(apic_read(v, 0x8FF, &val), ERR_INVAL);
}

static void ipis_reach_whom_they_name(void **)
{
    assert_int_equal(apic_write(v, ICR, 2ull << 32 | 0x55), OK); /* physical, id 2 */
    assert_int_equal(apic_pending(v), -1);
    assert_true(atomic_load(&vm->vcpu[2]->apic.posted_words));
    assert_false(atomic_load(&vm->vcpu[1]->apic.posted_words));
    assert_int_equal(apic_write(v, ICR, 2ull << 32 | 1 << 11 | 0x56), OK); /* logical, mask 2 = id 1 */
    assert_true(atomic_load(&vm->vcpu[1]->apic.posted_words));
    assert_int_equal(apic_write(v, ICR, 3ull << 18 | 0x57), OK); /* all but self */
    assert_int_equal(apic_pending(v), -1);
    assert_int_equal(apic_write(v, ICR, 2ull << 18 | 0x58), OK); /* all */
    assert_int_equal(apic_pending(v), 0x58);
    assert_int_equal(apic_write(v, ICR, 1ull << 32 | APIC_NMI << 8), OK);
    assert_true(atomic_load(&vm->vcpu[1]->apic.nmi));
    assert_int_equal(get(LDR), 1);
}

static void init_and_sipi_start_a_cpu(void **)
{
    struct vcpu *ap = vm->vcpu[1];
    assert_int_equal(run_vcpu(ap), RUN_OFF);
    assert_int_equal(apic_write(v, ICR, 1ull << 32 | BIT(14) | APIC_SIPI << 8 | 0x9A), OK);
    assert_int_equal(run_vcpu(ap), RUN_PREEMPTED);
    assert_int_equal(fake_of(ap)->sipi_vector, 0x9A);
    assert_int_equal(apic_write(v, ICR, 1ull << 32 | BIT(14) | APIC_SIPI << 8 | 0x11), OK);
    assert_int_equal(run_vcpu(ap), RUN_PREEMPTED); /* it runs already: a second start-up IPI is ignored */
    assert_int_equal(fake_of(ap)->sipi_vector, 0x9A);
    assert_int_equal(apic_write(v, ICR, 1ull << 32 | BIT(14) | APIC_INIT << 8), OK);
    assert_int_equal(run_vcpu(ap), RUN_OFF);
}

static void one_shot_and_periodic_timers_count_down(void **)
{
    fake_set_tsc(1000000);
    assert_int_equal(apic_write(v, DIVIDE, 0xB), OK); /* by 1 */
    assert_int_equal(apic_write(v, LVT_T, 0x60), OK);
    assert_int_equal(apic_write(v, INITIAL, 1000), OK);
    fake_set_tsc(1000400);
    assert_int_equal(get(CURRENT), 600);
    apic_tick(v, 1000999);
    assert_int_equal(apic_pending(v), -1);
    apic_tick(v, 1001000);
    assert_int_equal(apic_pending(v), 0x60);
    apic_accept(v, 0x60);
    assert_int_equal(apic_write(v, EOI, 0), OK);
    apic_tick(v, 1009000);
    assert_int_equal(apic_pending(v), -1); /* once */
    assert_int_equal(apic_write(v, LVT_T, BIT(17) | 0x61), OK);
    assert_int_equal(apic_write(v, INITIAL, 500), OK);
    apic_tick(v, 1000900);
    assert_int_equal(apic_pending(v), 0x61);
    assert_int_equal(v->apic.deadline, 1001400);
    apic_tick(v, 1900000); /* long asleep: missed ticks are not made up for */
    assert_int_equal(v->apic.deadline, 1900500);
}

static void deadline_timer_is_in_guest_time(void **)
{
    assert_int_equal(apic_write(v, LVT_T, BIT(18) | 0x62), OK);
    fake_set_tsc(vm->tsc_start + 50);
    apic_set_deadline(v, 100);
    assert_int_equal(v->apic.deadline, vm->tsc_start + 100);
    apic_tick(v, vm->tsc_start + 100);
    assert_int_equal(apic_pending(v), 0x62);
    assert_int_equal(v->apic.deadline, 0);
    apic_set_deadline(v, UINT64_MAX); /* before its zero, or never: it must not hang for ever on a wrap */
    assert_true(v->apic.deadline != 0);
    apic_set_deadline(v, 0);
    assert_int_equal(v->apic.deadline, 0);
}

static void pv_eoi_ends_an_interrupt_without_an_exit(void **)
{
    uint8_t flag = 0;
    v->apic.pv_eoi = 0x2000 | 1;
    apic_post(v, 0x41, false);
    apic_accept(v, apic_pending(v));
    assert_int_equal(mem_read(vm, gpa(0x2000), &flag, 1), OK);
    assert_int_equal(flag, 1);
    flag = 0; /* the guest's EOI */
    assert_int_equal(mem_write(vm, gpa(0x2000), &flag, 1), OK);
    apic_post(v, 0x42, false);
    assert_int_equal(apic_pending(v), 0x42);
    apic_accept(v, 0x42);
    apic_post(v, 0x43, false); /* something waits: the EOI must exit */
    assert_int_equal(apic_pending(v), -1);
    assert_int_equal(mem_read(vm, gpa(0x2000), &flag, 1), OK);
    assert_int_equal(flag, 0);
    assert_int_equal(apic_write(v, EOI, 0), OK);
    assert_int_equal(apic_pending(v), 0x43);
}

static void msi_reaches_by_destination(void **)
{
    irq_msi(vm, 0xFEE01000, 0x4070);
    assert_true(atomic_load(&vm->vcpu[1]->apic.posted_words));
    irq_msi(vm, 0xFEE00004, 0x4071); /* logical, empty mask: nobody */
    irq_msi(vm, 0x12345678, 0x4071); /* no MSI address */
    assert_int_equal(apic_pending(v), -1);
    irq_msi(vm, 0xFEE00000, 0x4072);
    assert_int_equal(apic_pending(v), 0x72);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(higher_priority_goes_first_and_nests), T(tpr_and_svr_hold_interrupts_back),
        T(illegal_vectors_and_registers_are_refused), T(ipis_reach_whom_they_name), T(init_and_sipi_start_a_cpu),
        T(one_shot_and_periodic_timers_count_down), T(deadline_timer_is_in_guest_time),
        T(pv_eoi_ends_an_interrupt_without_an_exit), T(msi_reaches_by_destination),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
