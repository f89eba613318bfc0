/* dev/ioapic: what leaves as a message, and when. irq_msi() here only notes what it is given. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "dev/ioapic.h"
#include "vm/irq.h"
#include "vm/vm.h"

#define BASE 0xFEC00000ull
#define MASKED 0x10000u
#define LEVEL 0x8000u
#define REMOTE_IRR 0x4000u

static struct vm vm;
static struct ioapic io;
static unsigned sent;
static uint64_t last_addr;
static uint32_t last_data;

void irq_msi(struct vm *to, uint64_t addr, uint32_t data)
{
    assert_ptr_equal(to, &vm);
    sent++;
    last_addr = addr;
    last_data = data;
}
void irq_line(struct vm *to, unsigned gsi, bool level) { to->irq_line(to->irq_chip, gsi, level); }

static void reg_write(unsigned index, uint32_t val)
{
    assert_int_equal(bus_write(&vm, BUS_MMIO, BASE, 4, index), OK);
    assert_int_equal(bus_write(&vm, BUS_MMIO, BASE + 0x10, 4, val), OK);
}
static uint32_t reg_read(unsigned index)
{
    uint64_t v;
    assert_int_equal(bus_write(&vm, BUS_MMIO, BASE, 4, index), OK);
    assert_int_equal(bus_read(&vm, BUS_MMIO, BASE, 4, &v), OK);
    assert_int_equal(v, index);
    assert_int_equal(bus_read(&vm, BUS_MMIO, BASE + 0x10, 4, &v), OK);
    return (uint32_t)v;
}
static void pin_set(unsigned pin, uint32_t low, uint8_t dest)
{
    reg_write(0x11 + pin * 2, (uint32_t)dest << 24);
    reg_write(0x10 + pin * 2, low);
}
static uint32_t pin_low(unsigned pin) { return reg_read(0x10 + pin * 2); }
static void eoi(uint8_t vector) { vm.irq_eoi(vm.irq_chip, vector); }

static int set_up(void **)
{
    memset(&vm, 0, sizeof vm);
    sent = 0;
    assert_int_equal(ioapic_init(&io, &vm, BASE), OK);
    return 0;
}

static void registers_read_as_the_chip_says(void **)
{
    uint64_t v;

    assert_int_equal(reg_read(1), 0x00170020);
    reg_write(0, 0xFFFFFFFF);
    assert_int_equal(reg_read(0), 0x0F000000);
    assert_int_equal(reg_read(2), 0x0F000000);
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        assert_int_equal(pin_low(i), MASKED);
    reg_write(0x10, 0xFFFFFFFF); /* delivery status and remote IRR cannot be written */
    reg_write(0x11, 0xFFFFFFFF);
    assert_int_equal(reg_read(0x10), 0x1AFFF);
    assert_int_equal(reg_read(0x11), 0xFF000000);
    reg_write(0x40, 0xFFFFFFFF); /* behind the last pin */
    assert_int_equal(reg_read(0x40), 0);
    assert_int_equal(reg_read(0xFF), 0);
    assert_int_equal(reg_read(3), 0);
    assert_int_equal(bus_read(&vm, BUS_MMIO, BASE + 0x20, 4, &v), OK);
    assert_int_equal(v, 0);
    assert_int_equal(sent, 0);
}

static void an_edge_is_one_message(void **)
{
    pin_set(4, 0x0031, 2);
    irq_line(&vm, 4, true);
    assert_int_equal(sent, 1);
    assert_int_equal(last_addr, 0xFEE02000);
    assert_int_equal(last_data, 0x31);
    irq_line(&vm, 4, true);
    assert_int_equal(sent, 1);
    irq_line(&vm, 4, false);
    irq_line(&vm, 4, true);
    assert_int_equal(sent, 2);
    eoi(0x31); /* nothing to an edge */
    assert_int_equal(sent, 2);
    assert_int_equal(pin_low(4), 0x31);
}

static void logical_lowest_priority_is_passed_on(void **)
{
    pin_set(23, 0x0800 | 0x100 | 0x42, 0xFF);
    irq_line(&vm, 23, true);
    assert_int_equal(last_addr, 0xFEEFF004);
    assert_int_equal(last_data, 0x142);
}

static void an_edge_on_a_masked_pin_is_lost(void **)
{
    irq_line(&vm, 4, true);
    pin_set(4, 0x31, 0);
    assert_int_equal(sent, 0);
    irq_line(&vm, 4, false);
    irq_line(&vm, 4, true);
    assert_int_equal(sent, 1);
}

static void a_level_is_sent_again_after_its_end(void **)
{
    pin_set(10, LEVEL | 0x55, 1);
    irq_line(&vm, 10, true);
    assert_int_equal(sent, 1);
    assert_int_equal(last_addr, 0xFEE01000);
    assert_int_equal(last_data, 0xC055);
    assert_int_equal(pin_low(10), LEVEL | REMOTE_IRR | 0x55);
    irq_line(&vm, 10, false);
    irq_line(&vm, 10, true);
    assert_int_equal(sent, 1); /* not before the end */
    eoi(0x54);
    assert_int_equal(sent, 1);
    eoi(0x55);
    assert_int_equal(sent, 2);
    irq_line(&vm, 10, false);
    eoi(0x55);
    assert_int_equal(sent, 2);
    assert_int_equal(pin_low(10), LEVEL | 0x55);
}

static void a_masked_level_is_sent_when_unmasked(void **)
{
    pin_set(10, MASKED | LEVEL | 0x55, 0);
    irq_line(&vm, 10, true);
    assert_int_equal(sent, 0);
    pin_set(10, LEVEL | 0x55, 0);
    assert_int_equal(sent, 1);
}

static void the_eoi_register_and_a_turn_to_edge_free_a_pin(void **)
{
    pin_set(10, LEVEL | 0x55, 0);
    irq_line(&vm, 10, true);
    irq_line(&vm, 10, false);
    assert_int_equal(bus_write(&vm, BUS_MMIO, BASE + 0x40, 4, 0x55), OK);
    assert_int_equal(pin_low(10), LEVEL | 0x55);
    irq_line(&vm, 10, true);
    assert_int_equal(pin_low(10), LEVEL | REMOTE_IRR | 0x55);
    reg_write(0x10 + 20, MASKED | 0x55); /* what Linux does to a stuck one */
    assert_int_equal(pin_low(10), MASKED | 0x55);
}

static void wires_that_do_not_exist_do_nothing(void **)
{
    irq_line(&vm, 24, true);
    irq_line(&vm, UINT32_MAX, true);
    assert_int_equal(sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registers_read_as_the_chip_says, set_up),
        cmocka_unit_test_setup(an_edge_is_one_message, set_up),
        cmocka_unit_test_setup(logical_lowest_priority_is_passed_on, set_up),
        cmocka_unit_test_setup(an_edge_on_a_masked_pin_is_lost, set_up),
        cmocka_unit_test_setup(a_level_is_sent_again_after_its_end, set_up),
        cmocka_unit_test_setup(a_masked_level_is_sent_when_unmasked, set_up),
        cmocka_unit_test_setup(the_eoi_register_and_a_turn_to_edge_free_a_pin, set_up),
        cmocka_unit_test_setup(wires_that_do_not_exist_do_nothing, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
