/* dev/acpi: the tables, byte by byte where it matters, and as Intel's disassembler reads them. */
#define _GNU_SOURCE
#include "test/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/str.h"
#include "dev/acpi.h"
#include "dev/pc_map.h"
#include "vm/vm.h"

static uint8_t buf[ACPI_MAX];
static size_t used;

static void sum_is_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;
    while (n--)
        sum = (uint8_t)(sum + *p++);
    assert_int_equal(sum, 0);
}

/* The table as a guest finds it: by its address in the XSDT. */
static const uint8_t *table(const char *signature)
{
    const uint8_t *xsdt = buf + (get_le64(buf + 24) - PC_ACPI_BASE);

    for (uint32_t at = 36; at < get_le32(xsdt + 4); at += 8) {
        const uint8_t *t = buf + (get_le64(xsdt + at) - PC_ACPI_BASE);

        assert_in_range(t - buf, 0, used - 36);
        sum_is_zero(t, get_le32(t + 4));
        if (!memcmp(t, signature, 4))
            return t;
    }
    return NULL;
}

static int build(void **)
{
    memset(buf, 0xEE, sizeof buf);
    used = acpi_build(buf, 3);
    return 0;
}

static void the_root_leads_to_every_table(void **)
{
    assert_in_range(used, 0x400, ACPI_MAX);
    assert_memory_equal(buf, "RSD PTR ", 8);
    sum_is_zero(buf, 20);
    sum_is_zero(buf, 36);
    assert_int_equal(buf[15], 2);
    assert_int_equal(get_le32(buf + 16), 0);
    sum_is_zero(buf + (get_le64(buf + 24) - PC_ACPI_BASE), get_le32(buf + (get_le64(buf + 24) - PC_ACPI_BASE) + 4));
    assert_non_null(table("FACP"));
    assert_non_null(table("APIC"));
    assert_non_null(table("MCFG"));
    assert_null(table("HPET"));
}

static void the_fadt_is_hardware_reduced(void **)
{
    const uint8_t *t = table("FACP"), *dsdt;

    assert_int_equal(get_le32(t + 4), 276);
    assert_int_equal(t[8], 6);
    assert_int_equal(get_le16(t + 109), 0x24);
    assert_int_equal(get_le32(t + 112), 0x100431);
    assert_int_equal(t[116], 1);
    assert_int_equal(get_le64(t + 120), PC_RESET_PORT);
    assert_int_equal(t[128], 6);
    assert_int_equal(get_le64(t + 248), 0x600);
    assert_int_equal(get_le64(t + 260), 0x601);
    assert_int_equal(get_le32(t + 40), get_le64(t + 140));
    dsdt = buf + (get_le64(t + 140) - PC_ACPI_BASE);
    assert_memory_equal(dsdt, "DSDT", 4);
    sum_is_zero(dsdt, get_le32(dsdt + 4));
    assert_int_equal(dsdt + get_le32(dsdt + 4) - buf, used);
}

static void the_madt_lists_every_cpu_and_the_io_apic(void **)
{
    for (unsigned cpus = 1; cpus <= VM_VCPUS_MAX; cpus++) {
        const uint8_t *t, *p;

        used = acpi_build(buf, cpus);
        t = table("APIC");
        p = t + 44;
        for (unsigned i = 0; i < cpus; i++, p += 8) {
            assert_int_equal(p[0], 0);
            assert_int_equal(p[1], 8);
            assert_int_equal(p[3], i);
            assert_int_equal(get_le32(p + 4), 1);
        }
        assert_int_equal(p[0], 1);
        assert_int_equal(p[1], 12);
        assert_int_equal(get_le32(p + 4), PC_IOAPIC_BASE);
        assert_int_equal(get_le32(p + 8), 0);
        assert_ptr_equal(p + 12, t + get_le32(t + 4));
    }
}

static void the_mcfg_has_one_bus(void **)
{
    const uint8_t *t = table("MCFG");

    assert_int_equal(get_le32(t + 4), 60);
    assert_int_equal(get_le64(t + 44), PC_ECAM_BASE);
    assert_int_equal(get_le32(t + 52), 0);
}

/* Runs a shell command and returns its output in text. */
static int run(const char *cmd, char *text, size_t size)
{
    FILE *f = popen(cmd, "r");
    size_t n;

    assert_non_null(f);
    n = fread(text, 1, size - 1, f);
    text[n] = 0;
    return pclose(f);
}

static void file_write(const char *dir, const char *name, const uint8_t *t)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s.dat", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(t, 1, get_le32(t + 4), f), get_le32(t + 4));
    fclose(f);
}

static void iasl_finds_no_error(void **)
{
    static const char *const expect[] = { "Hardware Reduced (V5) : 1", "8042 Present on ports 60/64 (V2) : 0",
        "Reset Register Supported (V2) : 1", "Value to cause reset : 06", "\"QEMU0001\"", "\"ACPI0013\"",
        "EisaId (\"PNP0A08\")", "Base Address : 00000000E0000000" };
    static char text[65536];
    char dir[] = "/tmp/acpi-XXXXXX", cmd[256];

    if (run("command -v iasl", text, sizeof text)) {
        print_message("iasl is not installed (Debian package acpica-tools)\n");
        skip();
    }
    assert_non_null(mkdtemp(dir));
    file_write(dir, "facp", table("FACP"));
    file_write(dir, "apic", table("APIC"));
    file_write(dir, "mcfg", table("MCFG"));
    file_write(dir, "dsdt", buf + (get_le64(table("FACP") + 140) - PC_ACPI_BASE));
    snprintf(cmd, sizeof cmd, "cd %s && for t in facp apic mcfg dsdt; do iasl -d $t.dat 2>&1 || echo FAILED; done", dir);
    run(cmd, text, sizeof text);
    assert_null(strstr(text, "FAILED"));
    assert_null(strstr(text, "rror"));
    assert_null(strstr(text, "nvalid"));
    snprintf(cmd, sizeof cmd, "cd %s && cat *.dsl | tr -s ' '", dir);
    run(cmd, text, sizeof text);
    assert_null(strstr(text, "Invalid"));
    for (size_t i = 0; i < ARRAY_LEN(expect); i++)
        if (!strstr(text, expect[i]))
            fail_msg("the disassembly lacks: %s", expect[i]);
    snprintf(cmd, sizeof cmd, "rm -r %s", dir);
    run(cmd, text, sizeof text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_root_leads_to_every_table, build),
        cmocka_unit_test_setup(the_fadt_is_hardware_reduced, build),
        cmocka_unit_test_setup(the_madt_lists_every_cpu_and_the_io_apic, build),
        cmocka_unit_test_setup(the_mcfg_has_one_bus, build),
        cmocka_unit_test_setup(iasl_finds_no_error, build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
