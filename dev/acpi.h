#pragma once
/* The guest's ACPI tables: hardware-reduced, so that no PIC, PIT, PM timer or RTC has to exist. ACPI 6.4, chapter 5. */
#include "base/types.h"

#define ACPI_MAX 0x2000u /* bytes, all tables together */

/* Writes the tables as they must lie at PC_ACPI_BASE; the RSDP comes first. vcpus: 1 to VM_VCPUS_MAX, with APIC ids
 * from 0. Returns how many bytes are used. */
size_t acpi_build(uint8_t buf[ACPI_MAX], unsigned vcpus);
