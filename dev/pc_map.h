/* Where things are on the virtual PC. Read by C and by the ASL compiler (dev/dsdt.asl): only plain numbers here.
 * pragma once would be unknown to the latter. */
#ifndef DEV_PC_MAP_H
#define DEV_PC_MAP_H

/* guest-physical memory */
#define PC_ACPI_BASE 0xE0000      /* the tables; Linux also searches here by itself */
#define PC_ACPI_SIZE 0x20000
#define PC_RESET_VECTOR 0xFFFF0   /* real-mode code that resets the machine */
#define PC_WINDOW_BASE 0xD0000000 /* PCI memory BARs */
#define PC_WINDOW_SIZE 0x10000000
#define PC_WINDOW_LAST 0xDFFFFFFF
#define PC_ECAM_BASE 0xE0000000   /* PCI configuration space of bus 0 */
#define PC_ECAM_SIZE 0x00100000
#define PC_IOAPIC_BASE 0xFEC00000
#define PC_APIC_BASE 0xFEE00000

/* ports */
#define PC_KBD_PORT 0x64          /* only to reset the machine */
#define PC_COM1_PORT 0x3F8
#define PC_PVPANIC_PORT 0x505
#define PC_SLEEP_PORT 0x600       /* ACPI sleep control; sleep status is the next port */
#define PC_EVENT_PORT 0x602       /* what happened since it was last read */
#define PC_RESET_PORT 0xCF9       /* answered by dev/pci.c */
#define PC_IO_WINDOW 0x6000       /* PCI I/O BARs */
#define PC_IO_WINDOW_SIZE 0x9F00
#define PC_IO_WINDOW_LAST 0xFEFF

/* values */
#define PC_EVENT_POWER_BUTTON 1   /* in the event port */
#define PC_SLEEP_TYPE_S5 5
#define PC_RESET_VALUE 6

/* wires of the I/O APIC */
#define PC_COM1_GSI 4
#define PC_EVENT_GSI 9

#endif
