#pragma once
/* A fake physical memory with ACPI tables in it, for the tests and the fuzzer of hal/acpi.c. */
#include <string.h>
#include "base/bytes.h"
#include "hal/acpi.h"

#define ACPI_IMAGE_BASE 0xF0000u /* physical address of byte 0 */

struct acpi_image {
    uint8_t *bytes;
    size_t len;
};

static inline const uint8_t *acpi_image_map(void *ctx, uint64_t pa, uint64_t len)
{
    const struct acpi_image *m = ctx;
    uint64_t off = pa - ACPI_IMAGE_BASE;

    return pa >= ACPI_IMAGE_BASE && off <= m->len && len <= m->len - off ? m->bytes + off : NULL;
}

/* Makes n bytes sum to zero through the byte at p[at]. */
static inline void acpi_seal(uint8_t *p, size_t n, size_t at)
{
    uint8_t sum = 0;

    p[at] = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    p[at] = (uint8_t)-sum;
}
