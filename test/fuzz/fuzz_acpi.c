/* hal/acpi.c against any memory. First byte: bit 0 makes the sums of RSDP, root and tables right, so that the fuzzer gets
 * past them. The rest is the memory at ACPI_IMAGE_BASE, with the RSDP first. */
#include <stdlib.h>
#include "base/panic.h"
#include "test/unit/acpi_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The length of the table at pa, its sum made right; 0 if it does not lie in the image. */
static uint32_t table_seal(const struct acpi_image *m, uint64_t pa)
{
    uint64_t off = pa - ACPI_IMAGE_BASE;
    uint32_t len;

    if (pa < ACPI_IMAGE_BASE || off > m->len || m->len - off < 36)
        return 0;
    len = get_le32(m->bytes + off + 4);
    if (len < 36 || len > m->len - off)
        return 0;
    acpi_seal(m->bytes + off, len, 9);
    return len;
}

static void root_seal(const struct acpi_image *m, uint64_t pa, unsigned entry)
{
    uint32_t len = table_seal(m, pa);

    for (uint32_t at = 36; at + entry <= len; at += entry) {
        const uint8_t *p = m->bytes + (pa - ACPI_IMAGE_BASE) + at;
        table_seal(m, entry == 8 ? get_le64(p) : get_le32(p));
    }
    table_seal(m, pa);
}

static void all_seal(const struct acpi_image *m)
{
    if (m->len < 36)
        return;
    root_seal(m, get_le64(m->bytes + 24), 8);
    root_seal(m, get_le32(m->bytes + 16), 4);
    acpi_seal(m->bytes, 20, 8);
    acpi_seal(m->bytes, 36, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct acpi_info info;
    struct acpi_image image;
    struct acpi_mem mem = { acpi_image_map, &image };

    if (size < 2)
        return 0;
    image = (struct acpi_image){ malloc(size - 1), size - 1 }; /* exactly: one byte too far is seen */
    memcpy(image.bytes, data + 1, size - 1);
    if (data[0] & 1)
        all_seal(&image);
    if (!acpi_read(&mem, ACPI_IMAGE_BASE, &info)) {
        ASSERT(info.ncpus && info.ncpus <= CPU_MAX && info.nioapics <= ACPI_IOAPICS && info.necams <= ACPI_ECAMS);
        for (unsigned i = 0; i < info.necams; i++)
            ASSERT(info.ecam[i].bus_first <= info.ecam[i].bus_last && info.ecam[i].base);
        for (unsigned i = 0; i < info.ncpus; i++)
            for (unsigned k = 0; k < i; k++)
                ASSERT(info.cpu[i].apic_id != info.cpu[k].apic_id);
    }
    free(image.bytes);
    return 0;
}
