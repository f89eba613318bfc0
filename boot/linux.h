#pragma once
/* Loads a Linux bzImage by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst): reads its header, decides
 * where everything lies in guest memory, and makes the bytes of all that is not kernel or initrd. Pure: it reads a file
 * that is already in memory and touches no guest; dev/pc.c copies. The kernel may still move itself (KASLR). */
#include "base/err.h"

/* What a header says. */
struct linux_image {
    const uint8_t *file; /* not owned; must stay while this is used */
    uint64_t size;
    uint32_t setup_size;     /* the protected-mode kernel begins here in the file and goes on to its end */
    uint32_t header_end;     /* the setup header is file[LINUX_HEADER .. header_end) */
    uint64_t load;           /* its preferred address */
    uint64_t span;           /* bytes it uses from there before it knows the memory map */
    uint64_t initrd_end_max; /* the initrd must end at or below */
    uint32_t cmdline_max;    /* characters */
};

/* The guest it is for. */
struct linux_room {
    uint64_t low, high;               /* bytes of RAM from 0 and from 4 GiB */
    uint64_t rsdp;                    /* address of the ACPI root pointer */
    uint64_t firmware, firmware_size; /* reserved below 1 MiB, above LINUX_LOW_END: the ACPI tables */
    uint64_t device, device_size;     /* reserved between low RAM and 4 GiB: PCI configuration space */
};

#define LINUX_HEADER 0x1F1u
#define LINUX_LOW_END 0x9F000u /* RAM that a PC's firmware would leave below the video memory */

/* Page tables, zero page, GDT, options and seed lie together at a fixed place. */
#define LINUX_AREA 0x1000u
#define LINUX_AREA_SIZE 0xA000u
#define LINUX_PAGE_TABLES 0x1000u
#define LINUX_ZERO_PAGE 0x7000u
#define LINUX_GDT 0x8000u
#define LINUX_CMDLINE 0x9000u
#define LINUX_SEED 0xA000u
#define LINUX_STACK 0xB000u /* grows down from here */
#define LINUX_GDT_LIMIT 0x1Fu
#define LINUX_CS 0x10u
#define LINUX_DS 0x18u
#define LINUX_SEED_SIZE 32u

enum linux_e820_type { LINUX_RAM = 1, LINUX_RESERVED = 2 };
struct linux_e820 {
    uint64_t base, size;
    enum linux_e820_type type;
};
#define LINUX_E820_MAX 5

struct linux_plan {
    uint64_t kernel, kernel_end;  /* all it uses; the file's part goes to `kernel` */
    uint64_t entry;               /* 64-bit entry point; RSI = LINUX_ZERO_PAGE */
    uint64_t initrd, initrd_size; /* initrd is 0 if there is none */
    uint64_t rsdp;
    struct linux_e820 map[LINUX_E820_MAX]; /* ascending */
    unsigned nmap;
};

/* On error (ERR_FORMAT: damaged or no bzImage; ERR_UNSUPPORTED: one that we cannot start) `why` is a sentence's part
 * for the user, without the file's name. */
MUST_USE err_t linux_parse(const void *file, uint64_t size, struct linux_image *, char *why, size_t why_size);

/* Where things go. initrd_size: of all initrds together, padding included; cmdline_len: without the final 0.
 * ERR_RANGE: more memory is needed; ERR_INVAL: the options are too long. Both with `why`. */
MUST_USE err_t linux_place(const struct linux_image *, const struct linux_room *, uint64_t initrd_size,
                           size_t cmdline_len, struct linux_plan *, char *why, size_t why_size);

/* The bytes of [LINUX_AREA, LINUX_AREA + LINUX_AREA_SIZE). The seed feeds the kernel's random number generator. */
void linux_area(const struct linux_image *, const struct linux_plan *, const char *cmdline,
                const uint8_t seed[LINUX_SEED_SIZE], uint8_t area[LINUX_AREA_SIZE]);
