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

/* --- the xAPIC's page --- */

#define PAGE_AT 0xFEE00000u
enum { P_ID = 0x20, P_EOI = 0xB0, P_LDR = 0xD0, P_DFR = 0xE0, P_SVR = 0xF0, P_ICR = 0x300, P_ICR_HIGH = 0x310, P_LVT_T = 0x320, P_SELF = 0x3F0 };

static void page_set(struct vcpu *to, uint64_t off, uint32_t val) { apic_page_write(to, PAGE_AT + off, 4, val); }
static uint32_t page_get(uint64_t off) { return (uint32_t)apic_page_read(v, PAGE_AT + off, 4); }

static void an_xapic_is_a_page_of_registers(void **)
{
    uint64_t val;

    assert_false(apic_in_page(v, PAGE_AT)); /* it is an x2APIC */
    for (unsigned i = 0; i < 3; i++)
        apic_set_base(vm->vcpu[i], PAGE_AT | APIC_BASE_ENABLE);
    assert_true(apic_in_page(v, PAGE_AT) && apic_in_page(v, PAGE_AT + 0xFFF));
    assert_false(apic_in_page(v, PAGE_AT - 1) || apic_in_page(v, PAGE_AT + 0x1000));
    assert_int_equal(apic_read(v, SVR, &val), ERR_INVAL);
    assert_int_equal(apic_page_read(vm->vcpu[2], PAGE_AT + P_ID, 4), 2u << 24);
    assert_int_equal(apic_page_read(vm->vcpu[2], PAGE_AT + P_ID + 3, 1), 2);
    assert_int_equal(page_get(P_SVR), 0x1FF);
    assert_int_equal(page_get(P_SVR + 4), 0);
    page_set(v, P_LVT_T, 0x10055);
    assert_int_equal(page_get(P_LVT_T), 0x10055);
    page_set(v, P_SVR + 4, 0);
    apic_page_write(v, PAGE_AT + P_SVR, 1, 0);
    page_set(v, P_ID, 7 << 24);
    page_set(v, P_SELF, 0x51); /* only the x2APIC has it */
    assert_int_equal(page_get(P_SVR), 0x1FF);
    assert_int_equal(page_get(P_ID), 0);
    assert_int_equal(apic_pending(v), -1);
    apic_set_base(v, PAGE_AT); /* off */
    assert_false(apic_in_page(v, PAGE_AT));
}

static bool posted(unsigned id) { return atomic_exchange(&vm->vcpu[id]->apic.posted_words, 0); }

static void an_xapic_sends_by_id_and_by_the_ids_it_was_given(void **)
{
    for (unsigned i = 0; i < 3; i++) {
        apic_set_base(vm->vcpu[i], PAGE_AT | APIC_BASE_ENABLE);
        page_set(vm->vcpu[i], P_LDR, BIT(30 - i)); /* not the x2APIC's */
    }
    page_set(v, P_ICR_HIGH, 2 << 24);
    page_set(v, P_ICR, 0x41);
    assert_int_equal(page_get(P_ICR), 0x41);
    assert_true(!posted(0) && !posted(1) && posted(2));
    page_set(v, P_ICR_HIGH, 0xFFu << 24);
    page_set(v, P_ICR, 0x42);
    assert_true(posted(0) && posted(1) && posted(2));
    page_set(v, P_ICR_HIGH, 0x50u << 24);
    page_set(v, P_ICR, 0x43 | BIT(11));
    assert_true(posted(0) && !posted(1) && posted(2));
    for (unsigned i = 0; i < 3; i++) {
        page_set(vm->vcpu[i], P_DFR, 0);
        page_set(vm->vcpu[i], P_LDR, i << 28 | 1 << 24); /* a cluster for each */
    }
    page_set(v, P_ICR_HIGH, 0x1Fu << 24);
    page_set(v, P_ICR, 0x44 | BIT(11));
    assert_true(!posted(0) && posted(1) && !posted(2));
}

/* With the guest's lock held, as in an exit: what ends an interrupt would take it again. */
static void an_xapics_end_of_interrupt_comes_when_the_lock_is_free(void **)
{
    apic_set_base(v, PAGE_AT | APIC_BASE_ENABLE);
    apic_post(v, 0x61, true);
    apic_accept(v, apic_pending(v));
    lock_take(&vm->lock);
    page_set(v, P_EOI, 5);
    lock_drop(&vm->lock);
    assert_true(v->apic.eoi_waits);
    assert_int_equal(v->apic.isr[0x61 / 32], BIT(1));
    apic_page_end(v);
    assert_false(v->apic.eoi_waits);
    assert_int_equal(v->apic.isr[0x61 / 32], 0);
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

static void a_timer_counts_on_when_its_mode_changes(void **)
{
    fake_set_tsc(1000000);
    assert_int_equal(apic_write(v, DIVIDE, 0xB), OK);
    assert_int_equal(apic_write(v, LVT_T, 0x60), OK);
    assert_int_equal(apic_write(v, INITIAL, 1000), OK);
    fake_set_tsc(1000400);
    assert_int_equal(apic_write(v, LVT_T, BIT(17) | 0x60), OK); /* periodic from now on */
    assert_int_equal(get(INITIAL), 1000);
    assert_int_equal(get(CURRENT), 600);
    apic_tick(v, 1001000);
    assert_int_equal(v->apic.deadline, 1002000);
    assert_int_equal(apic_write(v, LVT_T, 0x60), OK); /* and only this once more */
    apic_tick(v, 1002000);
    assert_int_equal(v->apic.deadline, 0);
    assert_int_equal(apic_write(v, LVT_T, BIT(18) | 0x60), OK); /* another kind of timer */
    assert_int_equal(get(INITIAL), 0);
    apic_set_deadline(v, 1u << 30);
    assert_int_equal(apic_write(v, LVT_T, BIT(18) | BIT(17) | 0x60), OK); /* a mode that is none */
    assert_int_equal(get(CURRENT), 0);
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
        T(one_shot_and_periodic_timers_count_down), T(a_timer_counts_on_when_its_mode_changes), T(deadline_timer_is_in_guest_time),
        T(pv_eoi_ends_an_interrupt_without_an_exit), T(msi_reaches_by_destination),
        T(an_xapic_is_a_page_of_registers), T(an_xapic_sends_by_id_and_by_the_ids_it_was_given),
        T(an_xapics_end_of_interrupt_comes_when_the_lock_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
