/* hal/pci: enumeration, BARs, capabilities, interrupts. */
#include "test/unit/unit.h"
#include "test/unit/fake_pci.h"
#include "base/bytes.h"
#include "base/str.h"

/* --- a bus system: functions by bus and devfn, at most one page of ids each --- */

static struct {
    uint8_t bus, devfn, header, secondary;
    uint32_t id;
} functions[] = {
    { 0, 0x00, 0, 0, 0x29C08086 },       { 0, 0x08, 0x81, 2, 0x000C1B36 }, /* a bridge, of several functions */
    { 0, 0x0B, 1, 5, 0x000C1B36 },       { 0, 0x11, 0, 0, 0x11111111 },    /* no function 0: not there */
    { 0, 0x18, 0, 0, 0x10001AF4 },       { 0, 0x19, 0, 0, 0x22222222 },    /* function 0 is single: an echo */
    { 2, 0x00, 0, 0, 0x00101B36 },       { 5, 0x00, 1, 6, 0x000C1B36 },
    { 6, 0x00, 0, 0, 0x10421AF4 },       { 9, 0x00, 0, 0, 0x33333333 },    /* behind no bridge */
};

static uint32_t tree_read(const struct hal_pci_access *, struct hal_pci_at at, uint32_t off)
{
    assert_int_equal(at.segment, 7);
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (functions[i].bus == at.bus && functions[i].devfn == at.devfn)
            return off == 0 ? functions[i].id : off == 8 ? 0x01080200 : off == 12 ? (uint32_t)functions[i].header << 16 :
                   off == 24 ? (uint32_t)functions[i].secondary << 8 : 0;
    return UINT32_MAX;
}
static const struct hal_pci_access tree = { .read = tree_read };

static char seen[400];
static void on_found(struct hal_pci_dev *d, void *ctx)
{
    assert_ptr_equal(ctx, seen);
    assert_int_equal(d->class, 0x010802);
    strcat(strcat(seen, d->name + 5), " ");
}

static void functions_behind_bridges_are_found(void **)
{
    struct acpi_buses range = { .segment = 7, .last = 255 };
    seen[0] = 0;
    hal_pci_scan_buses(&tree, range, false, on_found, seen);
    assert_string_equal(seen, "00:00.0 00:01.0 00:01.3 00:03.0 02:00.0 05:00.0 06:00.0 ");
    seen[0] = 0;
    hal_pci_scan_buses(&tree, range, true, on_found, seen);
    assert_string_equal(seen, "00:00.0 00:01.0 00:01.3 00:03.0 02:00.0 05:00.0 06:00.0 09:00.0 ");
    range.last = 4;
    seen[0] = 0;
    hal_pci_scan_buses(&tree, range, true, on_found, seen);
    assert_string_equal(seen, "00:00.0 00:01.0 00:01.3 00:03.0 02:00.0 ");
}

static unsigned ecam_seen;
static void on_ecam(struct hal_pci_dev *d, void *)
{
    ecam_seen++;
    assert_string_equal(d->name, "0001:40:02.0");
    assert_int_equal(d->vendor, 0x1AF4);
    assert_int_equal(d->device, 0x1042);
    hal_pci_write(d, 0x40, 0x12345678);
    assert_int_equal(hal_pci_read(d, 0x40), 0x12345678);
}

static void ecam_windows_are_used_as_acpi_says(void **)
{
    uint8_t *window = aligned_alloc(MIB(1), MIB(1)); /* of bus 0x40 alone */
    struct acpi_info info = { .necams = 1 };
    memset(window, 0xFF, MIB(1));
    memset(window + (2 << 15), 0, 4096);
    put_le32(window + (2 << 15), 0x10421AF4);
    info.ecam[0] = (struct acpi_ecam){ .base = (uintptr_t)window - (0x40ull << 20), .segment = 1, .bus_first = 0x40, .bus_last = 0x40 };
    hal_pci_scan(&info, on_ecam, NULL);
    assert_int_equal(ecam_seen, 1);
    assert_int_equal(get_le32(window + (2 << 15) + 0x40), 0x12345678);
    free(window);
}

static void on_bus(struct hal_pci_dev *d, void *ctx)
{
    ((unsigned *)ctx)[d->at.bus - 0x40]++;
}

static void only_what_is_below_root_buses_is_looked_at(void **)
{
    uint8_t *window = aligned_alloc(MIB(1), 4 * MIB(1)); /* buses 0x40 to 0x43 */
    struct acpi_info info = { .necams = 1, .ecam = { { .base = (uintptr_t)window - (0x40ull << 20), .segment = 1, .bus_first = 0x40, .bus_last = 0x43 } } };
    unsigned n[4] = { 0 };

    memset(window, 0xFF, 4 * MIB(1));
    for (unsigned bus = 0; bus < 4; bus++) {
        memset(window + MIB(bus), 0, 64);
        put_le32(window + MIB(bus), 0x10421AF4);
    }
    put_le32(window + MIB(0) + 12, 1 << 16); /* a bridge to bus 0x41 */
    put_le32(window + MIB(0) + 24, 0x4100);
    hal_pci_scan(&info, on_bus, n); /* nothing is known: everywhere */
    assert_memory_equal(n, ((unsigned[]){ 1, 1, 1, 1 }), sizeof n);
    info.root[info.nroots++] = (struct acpi_buses){ 0, 0, 255 };
    hal_pci_scan(&info, on_bus, n); /* nothing is known of this segment */
    assert_memory_equal(n, ((unsigned[]){ 2, 2, 2, 2 }), sizeof n);
    info.root[info.nroots++] = (struct acpi_buses){ 1, 0x40, 0x42 };
    hal_pci_scan(&info, on_bus, n);
    assert_memory_equal(n, ((unsigned[]){ 3, 3, 2, 2 }), sizeof n);
    info.root[info.nroots++] = (struct acpi_buses){ 1, 0x43, 0xFF }; /* more than the window has */
    info.root[info.nroots++] = (struct acpi_buses){ 1, 0x10, 0x3F }; /* none of it */
    hal_pci_scan(&info, on_bus, n);
    assert_memory_equal(n, ((unsigned[]){ 4, 4, 2, 3 }), sizeof n);
    free(window);
}

static uint64_t no_read(uint64_t off, unsigned)
{
    return off;
}
static void no_write(uint64_t off, unsigned size, uint64_t val) { (void)off, (void)size, (void)val; }

static int setup(void **)
{
    fake_pci_init(0x10421AF4, 0x010000, 3);
    fake_pci.read = no_read;
    fake_pci.write = no_write;
    return 0;
}

static void registers_are_mapped_inside_their_bar_only(void **)
{
    struct mmio m;
    uint32_t before[FAKE_CFG_DWORDS];

    fake_pci.cfg[1] |= BIT(1);
    memcpy(before, fake_pci.cfg, sizeof before);
    assert_int_equal(hal_pci_map(&fake_pci.dev, 0, 0x1000, FAKE_BAR_SIZE - 0x1000, &m), OK);
    assert_ptr_equal((void *)m.base, fake_pci.bar + 0x1000);
    assert_int_equal(mmio_read32(&m, 4), 0x1004);
    assert_memory_equal(before, fake_pci.cfg, sizeof before); /* sizing left no trace */
    assert_int_equal(hal_pci_map(&fake_pci.dev, 0, 0x1000, FAKE_BAR_SIZE - 0xFFF, &m), ERR_RANGE);
    assert_int_equal(hal_pci_map(&fake_pci.dev, 0, UINT64_MAX, 2, &m), ERR_RANGE);
    assert_int_equal(hal_pci_map(&fake_pci.dev, 0, 0, 0, &m), ERR_RANGE);
    assert_int_equal(hal_pci_map(&fake_pci.dev, 6, 0, 4, &m), ERR_NOTFOUND);
    assert_int_equal(hal_pci_map(&fake_pci.dev, 2, 0, 4, &m), ERR_NOTFOUND); /* not implemented */
    fake_pci.cfg[6] = 0xC001;                                                /* an I/O BAR */
    assert_int_equal(hal_pci_map(&fake_pci.dev, 2, 0, 4, &m), ERR_NOTFOUND);
    fake_pci.cfg[9] = 4; /* 64 bits in the last register */
    assert_int_equal(hal_pci_map(&fake_pci.dev, 5, 0, 4, &m), ERR_NOTFOUND);
    fake_pci.cfg[4] = 4;
    fake_pci.cfg[5] = 0;
    assert_int_equal(hal_pci_map(&fake_pci.dev, 0, 0, 4, &m), ERR_UNSUPPORTED);
}

static void capabilities_are_walked_in_order(void **)
{
    unsigned a = fake_pci_cap(HAL_PCI_CAP_VENDOR, (uint32_t[]){ 1 }, 1), b = fake_pci_cap(HAL_PCI_CAP_VENDOR, (uint32_t[]){ 2 }, 1);

    assert_int_equal(hal_pci_cap(&fake_pci.dev, HAL_PCI_CAP_VENDOR, 0), b);
    assert_int_equal(hal_pci_cap(&fake_pci.dev, HAL_PCI_CAP_VENDOR, b), a);
    assert_int_equal(hal_pci_cap(&fake_pci.dev, HAL_PCI_CAP_VENDOR, a), 0);
    assert_int_equal(hal_pci_cap(&fake_pci.dev, 0x42, 0), 0);
    fake_pci.cfg[0x40 / 4] |= b << 8; /* a loop */
    assert_int_equal(hal_pci_cap(&fake_pci.dev, 0x42, 0), 0);
    fake_pci.cfg[1] = 0; /* the device says it has none */
    assert_int_equal(hal_pci_cap(&fake_pci.dev, HAL_PCI_CAP_VENDOR, 0), 0);
}

static void an_enabled_device_may_do_dma_until_it_is_stopped(void **)
{
    unsigned pm = fake_pci_cap(HAL_PCI_CAP_PM, (uint32_t[]){ 0, 0x8100 }, 2);

    fake_pci.cfg[1] |= 0xF9000000; /* error bits that a 1 would clear */
    hal_pci_enable(&fake_pci.dev);
    assert_int_equal(fake_pci.cfg[pm / 4 + 1], 0x8100); /* awake already: left alone */
    assert_int_equal(fake_pci.cfg[1] & 0xFFFF, 0x406);
    hal_pci_stop(&fake_pci.dev);
    assert_int_equal(fake_pci.cfg[1] & 0xFFFF, 0x402);
}

static void msix_vectors_are_masked_until_they_are_set(void **)
{
    struct irq_msi m = { .addr = 0x1FEE01000, .data = 0x51 };
    uint8_t *table = fake_pci.bar + FAKE_MSIX_TABLE;

    assert_int_equal(hal_pci_irq_init(&fake_pci.dev), 3);
    assert_int_equal(fake_pci.cfg[0x40 / 4] >> 30, 2); /* on, not masked as a whole */
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(get_le32(table + 16 * i + 12), 1);
    assert_int_equal(hal_pci_irq_set(&fake_pci.dev, 1, &m), OK);
    assert_int_equal(get_le64(table + 16), m.addr);
    assert_int_equal(get_le32(table + 24), m.data);
    assert_int_equal(get_le32(table + 28), 0);
    assert_int_equal(get_le32(table + 12), 1);
}

static void msi_is_the_second_choice(void **)
{
    struct irq_msi low = { .addr = 0xFEE01000, .data = 0x51 }, high = { .addr = 0x1FEE01000, .data = 0x51 };
    unsigned cap;

    fake_pci_init(0x10421AF4, 0x010000, 0);
    assert_int_equal(hal_pci_irq_init(&fake_pci.dev), 0);
    assert_int_equal(hal_pci_irq_set(&fake_pci.dev, 0, &low), ERR_UNSUPPORTED);
    cap = fake_pci_cap(HAL_PCI_CAP_MSI, (uint32_t[]){ 0x00300000, 0, 0 }, 3); /* 32-bit address */
    assert_int_equal(hal_pci_irq_init(&fake_pci.dev), 1);
    assert_int_equal(hal_pci_irq_set(&fake_pci.dev, 0, &high), ERR_UNSUPPORTED);
    assert_int_equal(hal_pci_irq_set(&fake_pci.dev, 0, &low), OK);
    assert_int_equal(fake_pci.cfg[cap / 4] >> 16, 1); /* on, one message */
    assert_int_equal(fake_pci.cfg[cap / 4 + 1], low.addr);
    assert_int_equal(fake_pci.cfg[cap / 4 + 2], low.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_behind_bridges_are_found),
        cmocka_unit_test(ecam_windows_are_used_as_acpi_says),
        cmocka_unit_test(only_what_is_below_root_buses_is_looked_at),
        cmocka_unit_test_setup(registers_are_mapped_inside_their_bar_only, setup),
        cmocka_unit_test_setup(capabilities_are_walked_in_order, setup),
        cmocka_unit_test_setup(an_enabled_device_may_do_dma_until_it_is_stopped, setup),
        cmocka_unit_test_setup(msix_vectors_are_masked_until_they_are_set, setup),
        cmocka_unit_test_setup(msi_is_the_second_choice, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
