/* Parser of the machine's ACPI tables; see acpi.h. Called once by a ground, before other CPUs run. */
#include "hal/acpi.h"

#include "base/bytes.h"
#include "base/str.h"

#define HEADER_LEN 36u

static const uint8_t *identity_map(void *, uint64_t pa, uint64_t len)
{
    return pa && pa + len > pa ? hpa_ptr(hpa(pa)) : NULL;
}
const struct acpi_mem acpi_identity = { .map = identity_map };

static const uint8_t *map(const struct acpi_mem *mem, uint64_t pa, uint64_t len)
{
    return mem->map(mem->ctx, pa, len);
}

static bool sum_is_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;
    while (n--)
        sum = (uint8_t)(sum + *p++);
    return sum == 0;
}

/* A whole table at pa, whatever its signature. */
static err_t table_map(const struct acpi_mem *mem, uint64_t pa, struct acpi_table *out)
{
    const uint8_t *p = map(mem, pa, HEADER_LEN);
    uint32_t len;

    if (!p)
        return ERR_FORMAT;
    len = get_le32(p + 4);
    if (len < HEADER_LEN || len > ACPI_TABLE_MAX)
        return ERR_FORMAT;
    p = map(mem, pa, len);
    if (!p || !sum_is_zero(p, len))
        return ERR_FORMAT;
    *out = (struct acpi_table){ .bytes = p, .len = len };
    return OK;
}

/* The root table: XSDT with 8-byte entries or, on machines before ACPI 2.0 or when it is broken, RSDT with 4-byte ones.
 */
struct root {
    struct acpi_table table;
    unsigned entry_size;
};

static err_t root_find(const struct acpi_mem *mem, uint64_t rsdp, struct root *out)
{
    const uint8_t *p = map(mem, rsdp, 20);
    uint64_t rsdt, xsdt = 0;

    if (!p || memcmp(p, "RSD PTR ", 8) != 0 || !sum_is_zero(p, 20))
        return ERR_FORMAT;
    rsdt = get_le32(p + 16);
    if (p[15] >= 2) {
        p = map(mem, rsdp, 36);
        if (p && sum_is_zero(p, 36))
            xsdt = get_le64(p + 24);
    }
    if (xsdt && !table_map(mem, xsdt, &out->table) && memcmp(out->table.bytes, "XSDT", 4) == 0) {
        out->entry_size = 8;
        return OK;
    }
    if (rsdt && !table_map(mem, rsdt, &out->table) && memcmp(out->table.bytes, "RSDT", 4) == 0) {
        out->entry_size = 4;
        return OK;
    }
    return ERR_FORMAT;
}

err_t acpi_find(const struct acpi_mem *mem, uint64_t rsdp, const char *signature, struct acpi_table *out)
{
    struct root root;
    err_t e = root_find(mem, rsdp, &root);

    if (e)
        return e;
    for (uint32_t at = HEADER_LEN; at + root.entry_size <= root.table.len; at += root.entry_size) {
        const uint8_t *entry = root.table.bytes + at;
        uint64_t pa = root.entry_size == 8 ? get_le64(entry) : get_le32(entry);
        const uint8_t *p = map(mem, pa, HEADER_LEN);

        if (!p || memcmp(p, signature, 4) != 0)
            continue;
        if (!table_map(mem, pa, out))
            return OK;
        ground_log("acpi: table %.4s at 0x%" PRIx64 " is damaged and left out", signature, pa);
    }
    return ERR_NOTFOUND;
}

static void cpu_add(struct acpi_info *info, uint32_t apic_id, uint32_t flags)
{
    if (!(flags & 1)) /* "online capable" ones are hot-plug slots: nothing is in them now */
        return;
    for (unsigned i = 0; i < info->ncpus; i++)
        if (info->cpu[i].apic_id == apic_id)
            return;
    if (info->ncpus == CPU_MAX)
        info->cpus_ignored++;
    else
        info->cpu[info->ncpus++].apic_id = apic_id;
}

static void madt_lapic(struct acpi_info *info, const uint8_t *p)
{
    if (p[3] != 0xFF) /* the broadcast id */
        cpu_add(info, p[3], get_le32(p + 4));
}

static void madt_x2apic(struct acpi_info *info, const uint8_t *p)
{
    if (get_le32(p + 4) != UINT32_MAX)
        cpu_add(info, get_le32(p + 4), get_le32(p + 8));
}

static void madt_ioapic(struct acpi_info *info, const uint8_t *p)
{
    if (info->nioapics == ACPI_IOAPICS)
        return;
    info->ioapic[info->nioapics++] =
        (struct acpi_ioapic){ .base = get_le32(p + 4), .gsi = get_le32(p + 8) };
}

static void madt_override(struct acpi_info *info, const uint8_t *p)
{
    uint16_t flags = get_le16(p + 8);

    if (p[2] != 0 || p[3] >= ACPI_ISA_LINES) /* bus 0 is ISA, there is no other */
        return;
    /* polarity in bits 0-1, trigger mode in bits 2-3: 3 is low and level; 0, "as the bus", is high and edge for ISA */
    info->isa[p[3]] = (struct acpi_isa_line){ .gsi = get_le32(p + 4),
                                              .active_low = (flags & 3) == 3,
                                              .level = (flags >> 2 & 3) == 3 };
}

static void madt_lapic_address(struct acpi_info *info, const uint8_t *p)
{
    info->lapic = get_le64(p + 4);
}

static const struct {
    uint8_t type, len;
    void (*take)(struct acpi_info *, const uint8_t *entry);
} madt_entries[] = {
    { 0, 8, madt_lapic },          { 1, 12, madt_ioapic }, { 2, 10, madt_override },
    { 5, 12, madt_lapic_address }, { 9, 16, madt_x2apic },
};

static void madt_read(const struct acpi_table *t, struct acpi_info *info)
{
    if (t->len < 44)
        return;
    info->lapic = get_le32(t->bytes + 36);
    for (uint32_t at = 44; at + 2 <= t->len;) {
        const uint8_t *entry = t->bytes + at;
        uint8_t len = entry[1];

        if (len < 2 || len > t->len - at) {
            ground_log("acpi: MADT entry at offset %u has length %u; the rest is left out", at, len);
            return;
        }
        for (size_t i = 0; i < ARRAY_LEN(madt_entries); i++)
            if (entry[0] == madt_entries[i].type && len >= madt_entries[i].len)
                madt_entries[i].take(info, entry);
        at += len;
    }
}

static void mcfg_read(const struct acpi_table *t, struct acpi_info *info)
{
    for (uint32_t at = HEADER_LEN + 8; at + 16 <= t->len && info->necams < ACPI_ECAMS; at += 16) {
        const uint8_t *p = t->bytes + at;
        struct acpi_ecam e = { .base = get_le64(p), .segment = get_le16(p + 8), .bus_first = p[10], .bus_last = p[11] };

        if (!e.base || e.base % MIB(1) || e.base > BIT64(52) || e.bus_first > e.bus_last) {
            ground_log("acpi: MCFG window at 0x%" PRIx64 ", buses %u-%u, makes no sense and is left out", e.base,
                       e.bus_first, e.bus_last);
            continue;
        }
        info->ecam[info->necams++] = e;
    }
}

static void fadt_read(const struct acpi_table *t, struct acpi_info *info)
{
    uint32_t flags;

    if (t->len < 116) /* the ACPI 1.0 length */
        return;
    flags = get_le32(t->bytes + 112);
    bool hw_reduced = flags >> 20 & 1;
    if (!hw_reduced && t->bytes[91] == 4 && get_le32(t->bytes + 76) <= UINT16_MAX) {
        info->pm_timer_port = (uint16_t)get_le32(t->bytes + 76);
        info->pm_timer_32bit = flags >> 8 & 1;
    }
}

err_t acpi_read(const struct acpi_mem *mem, uint64_t rsdp, struct acpi_info *out)
{
    struct acpi_table t;
    err_t e = acpi_find(mem, rsdp, "APIC", &t);

    if (e)
        return e;
    *out = (struct acpi_info){ 0 };
    for (unsigned i = 0; i < ACPI_ISA_LINES; i++)
        out->isa[i].gsi = i;
    madt_read(&t, out);
    if (!out->ncpus)
        return ERR_FORMAT;
    if (!acpi_find(mem, rsdp, "MCFG", &t))
        mcfg_read(&t, out);
    if (!acpi_find(mem, rsdp, "FACP", &t))
        fadt_read(&t, out);
    return OK;
}

#define RESOURCE_LARGE BIT(7)
#define RESOURCE_END 0x0Fu /* of a small one, in bits 3-6 */
#define RESOURCE_QWORD 0x8Au /* address space: type at 3, first at 14, last at 22 */
#define RESOURCE_QWORD_LEN 43u
#define RESOURCE_BUS 2u

err_t acpi_bus_numbers(const uint8_t *list, size_t size, uint8_t *first, uint8_t *last)
{
    for (size_t at = 0, len; at + 3 <= size; at += len) {
        const uint8_t *p = list + at;

        if (!(*p & RESOURCE_LARGE) && *p >> 3 == RESOURCE_END)
            return ERR_NOTFOUND;
        len = *p & RESOURCE_LARGE ? 3u + get_le16(p + 1) : 1u + (*p & 7u);
        if (len > size - at)
            break;
        if (*p == RESOURCE_QWORD && len >= 3 + RESOURCE_QWORD_LEN && p[3] == RESOURCE_BUS) {
            if (get_le64(p + 14) > get_le64(p + 22) || get_le64(p + 22) > UINT8_MAX)
                return ERR_FORMAT;
            *first = p[14];
            *last = p[22];
            return OK;
        }
    }
    return ERR_FORMAT;
}
