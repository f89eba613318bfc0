/* dev/pci.c, dev/msix.c: configuration space, BARs, MSI-X. */
#include "test/unit/unit.h"
#include "test/unit/virtio_driver.h"

#define SLOT 3
static struct pci_dev dev, other;
#define ID 0x1234, 0x5678, 0x02030407

static err_t test_read(void *p, uint64_t off, unsigned, uint64_t *val)
{
    *val = (uintptr_t)p + off;
    return OK;
}
static err_t test_write(void *, uint64_t, unsigned, uint64_t)
{
    return OK;
}
static const struct bus_ops test_ops = { .read = test_read, .write = test_write };

static int setup(void **)
{
    guest_start(1);
    assert_int_equal(pci_dev_init(&dev, &host, SLOT, ID), OK);
    assert_int_equal(pci_bar_add(&dev, 0, BUS_MMIO, 0x2000, &test_ops, (void *)0x100000), OK);
    assert_int_equal(pci_bar_add(&dev, 1, BUS_PIO, 32, &test_ops, (void *)0x100), OK);
    assert_int_equal(pci_msix_add(&dev, 2, 4), OK);
    return 0;
}

static int teardown(void **)
{
    guest_end();
    return 0;
}

static void header_reads_by_both_mechanisms(void **)
{
    assert_int_equal(cfg_get(SLOT, 0, 4), 0x56781234);
    assert_int_equal(cfg_get(SLOT, 8, 4), 0x02030407);
    assert_int_equal(cfg_get(SLOT, 0x2C, 4), 0x56781234);
    assert_int_equal(cfg_get(SLOT, 0x3D, 1), 0); /* no interrupt pin */
    port_put(0xCF8, 4, 0x80000000 | SLOT << 11 | 8);
    assert_int_equal(port_get(0xCF8, 4), 0x80000000 | SLOT << 11 | 8);
    assert_int_equal(port_get(0xCFC, 4), 0x02030407);
    assert_int_equal(port_get(0xCFE, 2), 0x0203);
    assert_int_equal(port_get(0xCFF, 1), 0x02);
    port_put(0xCF8, 4, 0x80000000 | SLOT << 11 | 0x3C);
    port_put(0xCFC, 1, 0x5A); /* the interrupt line is the guest's to note down */
    assert_int_equal(cfg_get(SLOT, 0x3C, 4), 0x5A);
}

static void absent_functions_read_ones(void **)
{
    static const uint32_t absent[] = { 0x80000000 | 9 << 11, 0x80000000 | SLOT << 11 | 1 << 8, 0x80010000 | SLOT << 11,
                                       SLOT << 11 };
    for (unsigned i = 0; i < ARRAY_LEN(absent); i++) {
        port_put(0xCF8, 4, absent[i]);
        assert_int_equal(port_get(0xCFC, 4), 0xFFFFFFFF);
        port_put(0xCFC, 4, 0);
    }
    assert_int_equal(cfg_get(9, 0, 4), 0xFFFFFFFF);
    assert_int_equal(mmio_get(cfg_at(SLOT, 0x1000), 4), 0xFFFFFFFF); /* function 1 */
    cfg_put(9, 4, 2, 7);
}

static void the_bridge_is_in_slot_0(void **)
{
    assert_int_equal(cfg_get(0, 0, 4), 0x00081B36);
    assert_int_equal(cfg_get(0, 8, 4), 0x06000000);
    assert_int_equal(cfg_get(0, CFG_CAPS, 1), 0);
}

static void odd_accesses_are_harmless(void **)
{
    assert_int_equal(mmio_get(cfg_at(SLOT, 0), 8), 0x0010000356781234); /* decoding on, capabilities present */
    assert_int_equal(cfg_get(SLOT, 0xFE, 4) >> 16, 0);
    assert_int_equal(cfg_get(SLOT, 0x100, 4), 0); /* no extended capabilities */
    assert_int_equal(mmio_get(cfg_at(SLOT, 0xFF8), 8), 0);
    cfg_put(SLOT, 0xFE, 4, 0xFFFFFFFF);
    mmio_put(cfg_at(SLOT, 0xFFC), 8, UINT64_MAX);
    mmio_put(cfg_at(31, 0xFFC), 4, UINT64_MAX);
    port_put(0xCF8, 2, 0x1234); /* the address takes 32 bits only */
    assert_int_equal(port_get(0xCF8, 4), 0);
    assert_int_equal(port_get(0xCF8, 1), 0xFF);
    assert_int_equal(port_get(0xCFA, 4), 0xFFFFFFFF);
    port_put(0xCFA, 4, 0xFFFFFFFF);
    port_put(0xCF8, 4, 0x800000FC | SLOT << 11);
    assert_int_equal(port_get(0xCFF, 1), 0);
}

static void header_is_read_only(void **)
{
    for (unsigned reg = 0; reg < 0x100; reg += 4)
        if (reg < CFG_COMMAND || (reg > CFG_COMMAND && reg < CFG_BAR) || (reg >= 0x28 && reg != 0x3C && reg < 0x40)) {
            uint32_t before = cfg_get(SLOT, reg, 4);
            cfg_put(SLOT, reg, 4, ~before);
            assert_int_equal(cfg_get(SLOT, reg, 4), before);
        }
    cfg_put(SLOT, CFG_COMMAND, 4, 0xFFFFFFFF);
    assert_int_equal(cfg_get(SLOT, CFG_COMMAND, 4), 0x00100547);
}

static void slots_are_taken_once(void **)
{
    assert_int_equal(pci_dev_init(&other, &host, SLOT, ID), ERR_EXISTS);
    assert_int_equal(cfg_get(SLOT, 0, 4), 0x56781234);
    assert_int_equal(pci_dev_init(&other, &host, 32, ID), ERR_RANGE);
}

static void bars_are_assigned_and_answer(void **)
{
    assert_in_range(bar_at(SLOT, 0), PC_WINDOW_BASE, PC_WINDOW_BASE + PC_WINDOW_SIZE - 0x2000);
    assert_int_equal(bar_at(SLOT, 0) % 0x2000, 0);
    assert_in_range(bar_at(SLOT, 1), PC_IO_WINDOW, PC_IO_WINDOW + PC_IO_WINDOW_SIZE - 32);
    assert_int_equal(mmio_get(bar_at(SLOT, 0) + 0x1FF8, 8), 0x101FF8);
    assert_int_equal(port_get((uint16_t)bar_at(SLOT, 1) + 28, 4), 0x11C);
}

static void bars_are_sized_by_writing_ones(void **)
{
    static const uint32_t want[6] = { 0xFFFFE000, 0xFFFFFFE1, 0xFFFFF000, 0, 0, 0 };
    for (unsigned i = 0; i < 6; i++) {
        uint32_t before = cfg_get(SLOT, CFG_BAR + 4 * i, 4);
        cfg_put(SLOT, CFG_BAR + 4 * i, 4, 0xFFFFFFFF);
        assert_int_equal(cfg_get(SLOT, CFG_BAR + 4 * i, 4), want[i]);
        cfg_put(SLOT, CFG_BAR + 4 * i, 4, before);
    }
    assert_int_equal(mmio_get(bar_at(SLOT, 0), 4), 0x100000);
}

static void bars_move_and_switch_off(void **)
{
    uint64_t old = bar_at(SLOT, 0);
    cfg_put(SLOT, CFG_BAR, 4, 0xD8000000);
    assert_int_equal(mmio_get(old, 4), 0xFFFFFFFF);
    assert_int_equal(mmio_get(0xD8000004, 4), 0x100004);
    cfg_put(SLOT, CFG_BAR + 4, 4, 0x8000);
    assert_int_equal(port_get(0x8010, 1), 0x10);
    cfg_put(SLOT, CFG_COMMAND, 2, 1); /* ports only */
    assert_int_equal(mmio_get(0xD8000004, 4), 0xFFFFFFFF);
    assert_int_equal(port_get(0x8010, 1), 0x10);
    cfg_put(SLOT, CFG_COMMAND, 2, 2); /* memory only */
    assert_int_equal(mmio_get(0xD8000004, 4), 0x100004);
    assert_int_equal(port_get(0x8010, 1), 0xFF);
    cfg_put(SLOT, CFG_BAR, 4, 0); /* address 0 means none */
    assert_int_equal(vm.mmio.count, 2);
}

static void misplaced_bars_are_lost_alone_and_come_back(void **)
{
    uint64_t home = bar_at(SLOT, 0), table = bar_at(SLOT, 2);
    static const uint32_t bad[] = { 0x00100000, 0xE0000000, 0xE00FE000 };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) { /* on RAM, on ECAM */
        cfg_put(SLOT, CFG_BAR, 4, bad[i]);
        assert_int_equal(mmio_get(home, 4), 0xFFFFFFFF);
        assert_int_equal(cfg_get(SLOT, 0, 4), 0x56781234);
        cfg_put(SLOT, CFG_BAR, 4, (uint32_t)home);
        assert_int_equal(mmio_get(home, 4), 0x100000);
    }
    cfg_put(SLOT, CFG_BAR, 4, (uint32_t)align_down(table, 0x2000)); /* on the MSI-X table */
    assert_int_equal(mmio_get(table + 12, 4), 1);
    cfg_put(SLOT, CFG_BAR + 8, 4, 0xD9000000); /* out of the way: the other gets its place */
    assert_int_equal(mmio_get(0xD9000000 + 12, 4), 1);
    assert_int_equal(mmio_get(align_down(table, 0x2000) + 0x10, 4), 0x100010);
    cfg_put(SLOT, CFG_BAR + 4, 4, 0xCF8); /* on our own ports: cut to 0xCE0, which is on them */
    assert_int_equal(port_get(0xCF8, 4), 0);
    cfg_put(SLOT, CFG_BAR + 4, 4, 0x10000); /* ports have 16 bits */
    assert_int_equal(vm.pio.count, 1);
}

static void bars_run_out_with_an_error(void **)
{
    err_t e;
    unsigned i;
    assert_int_equal(pci_dev_init(&other, &host, 4, ID), OK);
    assert_int_equal(pci_bar_add(&other, 0, BUS_MMIO, 0x10000000, &test_ops, NULL),
                     ERR_FULL); /* the first bytes are taken */
    assert_int_equal(pci_bar_add(&other, 0, BUS_MMIO, 0x8000000, &test_ops, NULL), OK);
    for (i = 0; !(e = bus_add(&vm, BUS_PIO, i * 4, 4, &test_ops, NULL)); i++)
        ;
    assert_int_equal(e, ERR_FULL);
    assert_int_equal(pci_bar_add(&other, 1, BUS_PIO, 4, &test_ops, NULL), ERR_FULL);
    while (i--)
        bus_remove(&vm, BUS_PIO, i * 4);
    assert_int_equal(pci_bar_add(&other, 1, BUS_PIO, 4, &test_ops, NULL), OK);
}

static void a_second_host_has_no_place(void **)
{
    static struct pci_host second;
    assert_int_equal(pci_host_init(&second, &vm), ERR_EXISTS);
    bus_remove(&vm, BUS_MMIO, PC_ECAM_BASE);
    assert_int_equal(pci_host_init(&second, &vm), ERR_EXISTS); /* the ports */
}

static void reset_port_stops_for_reboot(void **)
{
    port_put(0xCF9, 1, 2);
    assert_int_equal(stopped.count, 0);
    port_put(0xCF9, 1, (uint8_t)port_get(0xCF9, 1) | 6);
    assert_int_equal(stopped.why, VM_REBOOTED);
    assert_int_equal(stopped.count, 1);
}

/* --- MSI-X --- */

static void msix_capability_tells_the_layout(void **)
{
    unsigned cap = cap_find(SLOT, PCI_CAP_MSIX, 0);
    assert_int_not_equal(cap, 0);
    assert_int_equal(cfg_get(SLOT, cap + 2, 2), 3); /* four vectors */
    assert_int_equal(cfg_get(SLOT, cap + 4, 4) & 7, 2);
    for (unsigned v = 0; v < 4; v++)
        assert_int_equal(mmio_get(msix_entry(SLOT, v) + 12, 4), 1); /* masked after reset */
    cfg_put(SLOT, cap + 2, 2, 0xFFFF);
    assert_int_equal(cfg_get(SLOT, cap + 2, 2), 0xC003);
    cfg_put(SLOT, cap + 4, 4, 0);
    assert_int_equal(cfg_get(SLOT, cap + 4, 4) & 7, 2);
}

static void msix_sends_what_the_table_says(void **)
{
    cfg_put(SLOT, CFG_COMMAND, 2, 7);
    msix_control(SLOT, MSIX_ENABLE);
    msix_route(SLOT, 2, 0x4321);
    mmio_put(msix_entry(SLOT, 2) + 4, 4, 0x11223344); /* 64-bit addresses */
    pci_msix_raise(&dev, 2);
    assert_int_equal(msi.count, 1);
    assert_int_equal(msi.addr, 0x11223344FEE01000);
    assert_int_equal(msi.data, 0x4321);
    pci_msix_raise(&dev, 4); /* no such vectors */
    pci_msix_raise(&dev, 0xFFFF);
    assert_int_equal(msi.count, 1);
    assert_int_equal(msix_pending(SLOT), 0);
}

static void msix_masks_keep_vectors_pending(void **)
{
    cfg_put(SLOT, CFG_COMMAND, 2, 7);
    pci_msix_raise(&dev, 1); /* not enabled: lost */
    msix_control(SLOT, MSIX_ENABLE);
    assert_int_equal(msix_pending(SLOT), 0);
    msix_route(SLOT, 0, 0x50);
    pci_msix_raise(&dev, 1); /* masked in the table */
    pci_msix_raise(&dev, 1);
    assert_int_equal(msix_pending(SLOT), 2);
    mmio_put(msix_entry(SLOT, 1), 8, MSI_ADDR);
    mmio_put(msix_entry(SLOT, 1) + 8, 4, 0x51);
    assert_int_equal(msi.count, 0);
    mmio_put(msix_entry(SLOT, 1) + 12, 4, 0);
    assert_int_equal(msi.count, 1); /* once */
    assert_int_equal(msi.data, 0x51);
    msix_control(SLOT, MSIX_ENABLE | MSIX_MASK_ALL);
    pci_msix_raise(&dev, 0);
    assert_int_equal(msix_pending(SLOT), 1);
    msix_control(SLOT, MSIX_ENABLE);
    assert_int_equal(msi.count, 2);
    assert_int_equal(msi.data, 0x50);
    cfg_put(SLOT, CFG_COMMAND, 2, 3); /* no bus master: no messages */
    pci_msix_raise(&dev, 0);
    assert_int_equal(msi.count, 2);
    cfg_put(SLOT, CFG_COMMAND, 2, 7);
    assert_int_equal(msi.count, 3);
    mmio_put(msix_entry(SLOT, 0) + 12, 4, 1);
    pci_msix_raise(&dev, 0);
    msix_control(SLOT, 0); /* switched off: forgotten */
    msix_control(SLOT, MSIX_ENABLE);
    mmio_put(msix_entry(SLOT, 0) + 12, 4, 0);
    assert_int_equal(msi.count, 3);
}

static void msix_table_takes_any_access(void **)
{
    uint64_t bar = bar_at(SLOT, 2);
    for (uint64_t at = bar; at < bar + 4096; at += 8) /* the whole page, also where there is nothing */
        mmio_put(at, 8, UINT64_MAX);
    assert_int_equal(mmio_get(msix_entry(SLOT, 3), 8), 0xFFFFFFFFFFFFFFFC);
    assert_int_equal(mmio_get(msix_entry(SLOT, 3) + 8, 8), 0x1FFFFFFFF);
    assert_int_equal(mmio_get(msix_entry(SLOT, 4), 8), 0); /* behind the table */
    assert_int_equal(msix_pending(SLOT), 0);               /* read only */
    mmio_put(msix_entry(SLOT, 3) + 1, 1, 0);
    assert_int_equal(mmio_get(msix_entry(SLOT, 3), 4), 0xFFFF00FC);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(header_reads_by_both_mechanisms),
        T(absent_functions_read_ones),
        T(the_bridge_is_in_slot_0),
        T(odd_accesses_are_harmless),
        T(header_is_read_only),
        T(slots_are_taken_once),
        T(bars_are_assigned_and_answer),
        T(bars_are_sized_by_writing_ones),
        T(bars_move_and_switch_off),
        T(misplaced_bars_are_lost_alone_and_come_back),
        T(bars_run_out_with_an_error),
        T(a_second_host_has_no_place),
        T(reset_port_stops_for_reboot),
        T(msix_capability_tells_the_layout),
        T(msix_sends_what_the_table_says),
        T(msix_masks_keep_vectors_pending),
        T(msix_table_takes_any_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
