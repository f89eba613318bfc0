/* The firmware's memory map as sorted ranges. Called by exit.c; read by pages.c and paging.c. Pure. */
#include "ground/efi/efi.h"
#include "ground/efi/machine.h"

static enum mem_kind kind_of(const struct efi_memory_desc *d)
{
    static const enum mem_kind kind[] = {
        [EFI_MEM_RESERVED] = MEM_DEVICE,   [EFI_MEM_LOADER_CODE] = MEM_KEEP,  [EFI_MEM_LOADER_DATA] = MEM_KEEP,
        [EFI_MEM_BOOT_CODE] = MEM_BOOT,    [EFI_MEM_BOOT_DATA] = MEM_BOOT,    [EFI_MEM_RUNTIME_CODE] = MEM_KEEP,
        [EFI_MEM_RUNTIME_DATA] = MEM_KEEP, [EFI_MEM_CONVENTIONAL] = MEM_FREE, [EFI_MEM_UNUSABLE] = MEM_DEVICE,
        [EFI_MEM_ACPI_RECLAIM] = MEM_KEEP, [EFI_MEM_ACPI_NVS] = MEM_KEEP,
    };
    enum mem_kind k = d->type < ARRAY_LEN(kind) ? kind[d->type] : MEM_DEVICE;

    return k >= MEM_BOOT && !(d->attributes & EFI_MEM_ATTR_WB) ? MEM_DEVICE : k;
}

/* Appends a range that starts no earlier than those there. Where a firmware lists the same memory twice, the kind that
 * allows less wins, and takes with it what lies behind in the other: no page ever gets more than its least kind. */
static void append(struct memmap *m, struct mem_range next)
{
    struct mem_range *last = NULL;

    while (m->count) {
        last = &m->range[m->count - 1];
        if (next.start >= last->end)
            break;
        if (next.kind >= last->kind) {
            next.start = last->end;
            break;
        }
        next.end = max_u64(next.end, last->end);
        last->end = next.start;
        if (last->start < last->end)
            break;
        m->count--; /* nothing of it is left; the one before may reach over too */
        last = NULL;
    }
    if (next.start >= next.end)
        return;
    if (last && last->end == next.start && last->kind == next.kind)
        last->end = next.end;
    else
        m->range[m->count++] = next;
}

void memmap_init(struct memmap *m, void *buf, uint64_t size, uint64_t desc_size)
{
    struct mem_range *r = buf;
    unsigned n = 0;

    /* in place: a range is smaller than a descriptor, so the one read is never one already overwritten */
    _Static_assert(sizeof(struct mem_range) <= sizeof(struct efi_memory_desc), "rewritten in place");
    for (uint64_t at = 0; at + desc_size <= size; at += desc_size) {
        struct efi_memory_desc d = *(const struct efi_memory_desc *)(const void *)((const uint8_t *)buf + at);
        struct mem_range one = { .start = d.physical, .end = d.physical + d.pages * PAGE_SIZE, .kind = kind_of(&d) };
        unsigned i = n;

        if (!d.pages || d.physical % PAGE_SIZE || d.pages > MEM_END / PAGE_SIZE || d.physical >= MEM_END ||
            one.end > MEM_END)
            continue;
        for (; i && r[i - 1].start > one.start; i--)
            r[i] = r[i - 1];
        r[i] = one;
        n++;
    }

    *m = (struct memmap){ .range = r };
    for (unsigned i = 0; i < n; i++)
        append(m, r[i]);
    for (unsigned i = 0; i < m->count; i++)
        r[i].give_end = r[i].end;
}

bool memmap_has_memory(const struct memmap *m, uint64_t start, uint64_t end)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->range[i].kind != MEM_DEVICE && m->range[i].start < end && start < m->range[i].end)
            return true;
    return false;
}
