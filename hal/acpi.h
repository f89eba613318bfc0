#pragma once
/* The machine's own ACPI tables: which CPUs, I/O APICs, interrupt overrides and PCI configuration windows there are.
 * Pure: memory is seen only through struct acpi_mem, nothing is kept but copies, and every length is checked, so the
 * parser runs on the host against a fake memory too. ACPI 6.5 chapter 5; MCFG: PCI Firmware Specification 3.3, 4.1.2.
 */
#include "ground/ground.h"

struct acpi_mem {
    /* len readable bytes at a physical address, any alignment, or NULL where there are none; valid until acpi_read()
     * or the use of acpi_find()'s result is over. len is at most ACPI_TABLE_MAX. */
    const uint8_t *(*map)(void *ctx, uint64_t pa, uint64_t len);
    void *ctx;
};
/* For the monitor, which maps all memory one to one. */
extern const struct acpi_mem acpi_identity;

#define ACPI_TABLE_MAX MIB(4)
#define ACPI_IOAPICS 16
#define ACPI_ECAMS 8
#define ACPI_ROOTS 64
#define ACPI_ISA_LINES 16

struct acpi_cpu {
    uint32_t apic_id;
};

struct acpi_ioapic {
    uint64_t base;
    uint32_t gsi; /* the global interrupt number of its pin 0 */
};

/* How an ISA line reaches the I/O APICs. */
struct acpi_isa_line {
    uint32_t gsi;
    bool active_low, level;
};

/* A window of PCI configuration space: 4 KiB per function, 1 MiB per bus; base is where bus 0 would be. */
struct acpi_ecam {
    uint64_t base;
    uint16_t segment;
    uint8_t bus_first, bus_last;
};

/* The buses below one host bridge: the root bus is the first. ACPI has them as code (_CRS), which we do not run: the ground asks the
 * firmware. */
struct acpi_buses {
    uint16_t segment;
    uint8_t first, last;
};

struct acpi_info {
    uint64_t lapic;               /* physical address of the xAPIC registers */
    struct acpi_cpu cpu[CPU_MAX]; /* usable ones, each APIC id once, in MADT order (the boot CPU need not be first) */
    unsigned ncpus;
    unsigned cpus_ignored; /* usable, but more than CPU_MAX */
    struct acpi_ioapic ioapic[ACPI_IOAPICS];
    unsigned nioapics;
    struct acpi_isa_line isa[ACPI_ISA_LINES]; /* all 16; without an override gsi = line, high, edge */
    struct acpi_ecam ecam[ACPI_ECAMS];
    unsigned necams;
    struct acpi_buses root[ACPI_ROOTS]; /* filled by the ground; of a segment either all or none */
    unsigned nroots;
    /* FADT; all 0 if there is none */
    uint16_t pm_timer_port; /* 0: none. Counts 3,579,545 per second */
    bool pm_timer_32bit;    /* else 24 bits */
};

struct acpi_table {
    const uint8_t *bytes; /* with its 36-byte header; checksum verified */
    uint32_t len;
};

/* Fills *out from MADT, MCFG and FADT. ERR_NOTFOUND: no MADT. ERR_FORMAT: no valid RSDP or root table at rsdp, or a
 * MADT without a usable CPU. MCFG and FADT are optional; a broken one is logged and left out. */
MUST_USE err_t acpi_read(const struct acpi_mem *, uint64_t rsdp, struct acpi_info *out);

/* The bus numbers in a list of resource descriptors (6.4) of at most `size` bytes, as a host bridge has them. ERR_NOTFOUND: there are none;
 * ERR_FORMAT: the list is broken, or its buses have no numbers below 256. */
MUST_USE err_t acpi_bus_numbers(const uint8_t *list, size_t size, uint8_t *first, uint8_t *last);

/* The first valid table with that signature ("APIC", "MCFG", "FACP", "SPCR" ...). ERR_NOTFOUND, ERR_FORMAT (root). */
MUST_USE err_t acpi_find(const struct acpi_mem *, uint64_t rsdp, const char *signature, struct acpi_table *out);
