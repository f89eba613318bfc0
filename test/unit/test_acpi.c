/* hal/acpi: real-looking tables, broken ones, hostile ones. */
#include <stdlib.h>
#include "test/unit/unit.h"
#include "test/unit/acpi_image.h"
#include "base/str.h"
#include "ground/fake/fake.h"

/* Where the tables lie in the fake memory; odd on purpose: firmware aligns nothing. */
enum { RSDP = 0x10, XSDT = 0x101, RSDT = 0x201, MADT = 0x303, MCFG = 0xD05, FADT = 0xE07, END = 0x1000 };

static uint8_t bytes[END];
static struct acpi_image image = { bytes, END };
static const struct acpi_mem mem = { acpi_image_map, &image };
static struct acpi_info info;
static uint32_t madt_len;

static uint64_t at(uint32_t off) { return ACPI_IMAGE_BASE + off; }

static void table(uint32_t off, const char *sig, uint32_t len)
{
    memcpy(bytes + off, sig, 4);
    put_le32(bytes + off + 4, len);
    acpi_seal(bytes + off, len, 9);
}

static void madt_put(const uint8_t *entry, uint8_t len)
{
    memcpy(bytes + MADT + madt_len, entry, len);
    madt_len += len;
}

static void madt_cpu(uint8_t id, uint8_t flags)
{
    madt_put((uint8_t[]){ 0, 8, id, id, flags, 0, 0, 0 }, 8);
}

static void madt_x2cpu(uint32_t id, uint8_t flags)
{
    uint8_t e[16] = { 9, 16, 0, 0, 0, 0, 0, 0, flags };
    put_le32(e + 4, id);
    madt_put(e, 16);
}

static void seal_all(void)
{
    table(MADT, "APIC", madt_len);
    table(MCFG, "MCFG", 44 + 32);
    table(FADT, "FACP", 244);
    put_le64(bytes + XSDT + 36, at(MADT));
    put_le64(bytes + XSDT + 44, at(MCFG));
    put_le64(bytes + XSDT + 52, at(FADT));
    table(XSDT, "XSDT", 60);
    put_le32(bytes + RSDT + 36, (uint32_t)at(MADT));
    table(RSDT, "RSDT", 40);
    memcpy(bytes + RSDP, "RSD PTR ", 8);
    bytes[RSDP + 15] = 2;
    put_le32(bytes + RSDP + 16, (uint32_t)at(RSDT));
    put_le64(bytes + RSDP + 24, at(XSDT));
    acpi_seal(bytes + RSDP, 20, 8);
    acpi_seal(bytes + RSDP, 36, 32);
}

static int setup(void **)
{
    memset(bytes, 0, sizeof bytes);
    madt_len = 44;
    put_le32(bytes + MADT + 36, 0xFEE00000);
    put_le32(bytes + MADT + 40, 1);
    madt_cpu(0, 1);
    madt_cpu(4, 1);
    madt_cpu(5, 2);    /* a hot-plug slot */
    madt_cpu(0xFF, 1); /* broadcast */
    madt_x2cpu(4, 1);  /* said twice */
    madt_x2cpu(300, 1);
    madt_x2cpu(UINT32_MAX, 1);
    madt_put((uint8_t[]){ 1, 12, 7, 0, 0, 0, 0xC0, 0xFE, 24, 0, 0, 0 }, 12);
    madt_put((uint8_t[]){ 2, 10, 0, 0, 2, 0, 0, 0, 0, 0 }, 10);
    madt_put((uint8_t[]){ 2, 10, 0, 9, 9, 0, 0, 0, 15, 0 }, 10);
    madt_put((uint8_t[]){ 2, 10, 0, 16, 9, 0, 0, 0, 15, 0 }, 10); /* no such ISA line */
    madt_put((uint8_t[]){ 200, 3, 1 }, 3);                         /* of a later standard */
    put_le64(bytes + MCFG + 44, 0xB0000000);
    bytes[MCFG + 44 + 11] = 255;
    put_le64(bytes + MCFG + 60, 0x123);
    put_le32(bytes + FADT + 76, 0x608);
    bytes[FADT + 91] = 4;
    bytes[FADT + 8] = 3;
    put_le16(bytes + FADT + 109, 2);
    put_le32(bytes + FADT + 112, BIT(8));
    seal_all();
    return 0;
}

static void cpus_and_interrupt_routes_are_read(void **)
{
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.ncpus, 3);
    assert_int_equal(info.cpu[0].apic_id, 0);
    assert_int_equal(info.cpu[1].apic_id, 4);
    assert_int_equal(info.cpu[2].apic_id, 300);
    assert_int_equal(info.cpus_ignored, 0);
    assert_int_equal(info.lapic, 0xFEE00000);
    assert_int_equal(info.nioapics, 1);
    assert_int_equal(info.ioapic[0].base, 0xFEC00000);
    assert_int_equal(info.ioapic[0].gsi, 24);
    assert_int_equal(info.isa[0].gsi, 2);
    assert_false(info.isa[0].active_low || info.isa[0].level);
    assert_int_equal(info.isa[9].gsi, 9);
    assert_true(info.isa[9].active_low && info.isa[9].level);
    assert_int_equal(info.isa[4].gsi, 4);
}

static void pci_windows_and_timer_are_read(void **)
{
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.necams, 1); /* the second makes no sense */
    assert_int_equal(info.ecam[0].base, 0xB0000000);
    assert_int_equal(info.ecam[0].bus_last, 255);
    assert_int_equal(info.pm_timer_port, 0x608);
    assert_true(info.pm_timer_32bit);
}

static void hw_reduced_machines_have_no_pm_timer(void **)
{
    put_le32(bytes + FADT + 112, BIT(20));
    seal_all();
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.pm_timer_port, 0);
}

static void lapic_address_override_wins(void **)
{
    madt_put((uint8_t[]){ 5, 12, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 }, 12);
    seal_all();
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.lapic, 0x100000000ull);
}

static void more_cpus_than_fit_are_counted(void **)
{
    for (uint32_t i = 0; i < CPU_MAX; i++)
        madt_x2cpu(1000 + i, 1);
    seal_all();
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.ncpus, CPU_MAX);
    assert_int_equal(info.cpus_ignored, 3);
}

static void the_rsdt_serves_where_the_xsdt_is_broken_or_absent(void **)
{
    bytes[XSDT + 40]++;
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.ncpus, 3);
    assert_int_equal(info.necams, 0); /* this RSDT names the MADT only */
    setup(NULL);
    bytes[RSDP + 15] = 0;
    acpi_seal(bytes + RSDP, 20, 8);
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    setup(NULL);
    bytes[RSDP + 32]++; /* the extended checksum */
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.necams, 0);
}

static void broken_roots_are_refused(void **)
{
    assert_int_equal(acpi_read(&mem, 0, &info), ERR_FORMAT);
    assert_int_equal(acpi_read(&mem, UINT64_MAX - 4, &info), ERR_FORMAT);
    assert_int_equal(acpi_read(&mem, at(END - 10), &info), ERR_FORMAT);
    bytes[RSDP + 8]++;
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), ERR_FORMAT);
    setup(NULL);
    bytes[RSDP] = 'X';
    acpi_seal(bytes + RSDP, 20, 8);
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), ERR_FORMAT);
    setup(NULL);
    bytes[XSDT]++; /* neither root has its signature and sum */
    bytes[RSDT]++;
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), ERR_FORMAT);
}

static void tables_of_impossible_length_are_left_out(void **)
{
    static const uint32_t lens[] = { 0, 35, END, ACPI_TABLE_MAX + 1, UINT32_MAX };
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        setup(NULL);
        put_le32(bytes + MADT + 4, lens[i]);
        assert_int_equal(acpi_read(&mem, at(RSDP), &info), ERR_NOTFOUND);
        assert_non_null(strstr(fake_last_log(), "APIC"));
        setup(NULL);
        put_le32(bytes + MCFG + 4, lens[i]);
        assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
        assert_int_equal(info.necams, 0);
    }
}

static void madt_entries_that_lie_end_the_walk(void **)
{
    for (unsigned len = 0; len < 256; len += 255) {
        setup(NULL);
        bytes[MADT + 44 + 8 + 1] = (uint8_t)len; /* the second CPU's */
        seal_all();
        assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
        assert_int_equal(info.ncpus, 1);
    }
    bytes[MADT + 44 + 1] = 2; /* too short for its type: skipped, and what follows is not an entry */
    seal_all();
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), ERR_FORMAT);
}

static void short_tables_say_nothing(void **)
{
    madt_len = 40;
    seal_all();
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), ERR_FORMAT);
    setup(NULL);
    table(FADT, "FACP", 100);
    assert_int_equal(acpi_read(&mem, at(RSDP), &info), OK);
    assert_int_equal(info.pm_timer_port, 0);
}

static void any_table_is_found_by_signature(void **)
{
    struct acpi_table t;
    assert_int_equal(acpi_find(&mem, at(RSDP), "MCFG", &t), OK);
    assert_ptr_equal(t.bytes, bytes + MCFG);
    assert_int_equal(t.len, 76);
    assert_int_equal(acpi_find(&mem, at(RSDP), "SPCR", &t), ERR_NOTFOUND);
}

static void bus_numbers_are_found_in_resources(void **)
{
    uint8_t list[9 + 3 + 46 + 3] = { 0x87, 6, 0, 2 }, first = 0, last = 0; /* one that is not looked at, and a small one, come first */
    uint8_t *bus = list + 12;

    list[9] = 0x22;
    bus[0] = 0x8A;
    bus[1] = 43;
    bus[3] = 2;
    put_le64(bus + 14, 0x40);
    put_le64(bus + 22, 0x7F);
    bus[46] = 0x79;
    assert_int_equal(acpi_bus_numbers(list, sizeof list, &first, &last), OK);
    assert_int_equal(first, 0x40);
    assert_int_equal(last, 0x7F);
    put_le64(bus + 22, 0x100);
    assert_int_equal(acpi_bus_numbers(list, sizeof list, &first, &last), ERR_FORMAT);
    put_le64(bus + 22, 0x3F);
    assert_int_equal(acpi_bus_numbers(list, sizeof list, &first, &last), ERR_FORMAT);
    bus[3] = 0;
    assert_int_equal(acpi_bus_numbers(list, sizeof list, &first, &last), ERR_NOTFOUND);
    for (size_t n = 0; n < sizeof list - 3; n++) { /* cut anywhere */
        uint8_t *cut = memcpy(malloc(n + 1), list, n);
        assert_int_equal(acpi_bus_numbers(cut, n, &first, &last), ERR_FORMAT);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cpus_and_interrupt_routes_are_read, setup),
        cmocka_unit_test_setup(pci_windows_and_timer_are_read, setup),
        cmocka_unit_test_setup(hw_reduced_machines_have_no_pm_timer, setup),
        cmocka_unit_test_setup(lapic_address_override_wins, setup),
        cmocka_unit_test_setup(more_cpus_than_fit_are_counted, setup),
        cmocka_unit_test_setup(the_rsdt_serves_where_the_xsdt_is_broken_or_absent, setup),
        cmocka_unit_test_setup(broken_roots_are_refused, setup),
        cmocka_unit_test_setup(tables_of_impossible_length_are_left_out, setup),
        cmocka_unit_test_setup(madt_entries_that_lie_end_the_walk, setup),
        cmocka_unit_test_setup(short_tables_say_nothing, setup),
        cmocka_unit_test_setup(any_table_is_found_by_signature, setup),
        cmocka_unit_test(bus_numbers_are_found_in_resources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
