/* The guest's ACPI tables: dev/acpi.h. */
#include "dev/acpi.h"

#include "base/bytes.h"
#include "base/panic.h"
#include "base/str.h"
#include "dev/ioapic.h"
#include "dev/pc_map.h"
#include "vm/vm.h"

extern const unsigned char dsdt_aml_code[]; /* from dev/dsdt.asl */

/* Where each table lies, from the base. */
enum { RSDP = 0, XSDT = 0x40, FADT = 0x100, MCFG = 0x240, MADT = 0x300, DSDT = 0x400 };
enum { HEADER = 36, RSDP_SIZE = 36, RSDP_V1_SIZE = 20, FADT_SIZE = 276, MCFG_SIZE = 60 };
enum { MADT_FIXED = 44, MADT_CPU = 8, MADT_IOAPIC = 12 };
_Static_assert(MADT + MADT_FIXED + VM_VCPUS_MAX * MADT_CPU + MADT_IOAPIC <= DSDT, "MADT has room");

static void checksum(uint8_t *table, size_t size, size_t at)
{
    uint8_t sum = 0;

    table[at] = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + table[i]);
    table[at] = (uint8_t)-sum;
}

/* Fills in the header of a table whose body is complete. 5.2.6. */
static void finish(uint8_t *t, const char *signature, uint8_t revision, uint32_t size)
{
    memcpy(t, signature, 4);
    put_le32(t + 4, size);
    t[8] = revision;
    memcpy(t + 10, "GOBLINGOBLINPC", 14); /* OEM id, OEM table id */
    put_le32(t + 24, 1);
    memcpy(t + 28, "GOBL", 4);
    put_le32(t + 32, 1);
    checksum(t, size, 9);
}

static void rsdp_write(uint8_t *t, uint64_t xsdt)
{
    memcpy(t, "RSD PTR ", 8);
    memcpy(t + 9, "GOBLIN", 6);
    t[15] = 2;
    put_le32(t + 20, RSDP_SIZE);
    put_le64(t + 24, xsdt);
    checksum(t, RSDP_V1_SIZE, 8);
    checksum(t, RSDP_SIZE, 32);
}

/* A byte-wide port as a generic address. 5.2.3.2. */
static void port_write(uint8_t *at, uint16_t port)
{
    at[0] = 1; /* system I/O */
    at[1] = 8; /* bits */
    at[3] = 1; /* byte access */
    put_le64(at + 4, port);
}

static void fadt_write(uint8_t *t, uint64_t dsdt)
{
    enum { NO_VGA = BIT(2), NO_RTC = BIT(5) }; /* bit 1, 8042 present, and bit 3, no MSI, stay clear */
    enum { WBINVD = BIT(0), NO_FIXED_POWER_BUTTON = BIT(4), NO_FIXED_SLEEP_BUTTON = BIT(5), RESET_REG = BIT(10),
        HW_REDUCED = BIT(20) };

    put_le32(t + 40, (uint32_t)dsdt);
    put_le16(t + 109, NO_VGA | NO_RTC);
    put_le32(t + 112, WBINVD | NO_FIXED_POWER_BUTTON | NO_FIXED_SLEEP_BUTTON | RESET_REG | HW_REDUCED);
    port_write(t + 116, PC_RESET_PORT);
    t[128] = PC_RESET_VALUE;
    t[131] = 4; /* minor version */
    put_le64(t + 140, dsdt);
    port_write(t + 244, PC_SLEEP_PORT);
    port_write(t + 256, PC_SLEEP_PORT + 1);
    finish(t, "FACP", 6, FADT_SIZE);
}

static void mcfg_write(uint8_t *t)
{
    put_le64(t + 44, PC_ECAM_BASE); /* segment, first and last bus: 0 */
    finish(t, "MCFG", 1, MCFG_SIZE);
}

static void madt_write(uint8_t *t, unsigned vcpus)
{
    uint8_t *p = t + MADT_FIXED;

    put_le32(t + 36, PC_APIC_BASE);
    for (unsigned i = 0; i < vcpus; i++, p += MADT_CPU) {
        p[0] = 0; /* processor local APIC; ids stay below 255 */
        p[1] = MADT_CPU;
        p[2] = p[3] = (uint8_t)i;
        put_le32(p + 4, 1); /* enabled */
    }
    p[0] = 1; /* I/O APIC: id 0, wires from 0 on */
    p[1] = MADT_IOAPIC;
    put_le32(p + 4, PC_IOAPIC_BASE);
    p += MADT_IOAPIC;
    finish(t, "APIC", 5, (uint32_t)(p - t));
}

static void xsdt_write(uint8_t *t, uint64_t base)
{
    static const uint16_t listed[] = { FADT, MADT, MCFG };

    for (size_t i = 0; i < ARRAY_LEN(listed); i++)
        put_le64(t + HEADER + i * 8, base + listed[i]);
    finish(t, "XSDT", 1, HEADER + ARRAY_LEN(listed) * 8);
}

size_t acpi_build(uint8_t buf[ACPI_MAX], uint64_t base, unsigned vcpus)
{
    uint32_t dsdt_size = get_le32(dsdt_aml_code + 4);

    ASSERT(DSDT + dsdt_size <= ACPI_MAX && vcpus <= VM_VCPUS_MAX);
    memset(buf, 0, ACPI_MAX);
    rsdp_write(buf + RSDP, base + XSDT);
    xsdt_write(buf + XSDT, base);
    fadt_write(buf + FADT, base + DSDT);
    mcfg_write(buf + MCFG);
    madt_write(buf + MADT, vcpus);
    memcpy(buf + DSDT, dsdt_aml_code, dsdt_size);
    return DSDT + dsdt_size;
}
