/* The machine's disks; see disks.h. */
#include "hal/disks.h"

#include "base/str.h"
#include "hal/ahci.h"
#include "hal/nvme.h"
#include "hal/virtio_blk.h"
#include "io/partition.h"

/* All disk drivers there are. The first row that matches a PCI function gets it. */
static const struct hal_driver hal_drivers[] = {
    { .name = "virtio-blk", .vendor = 0x1AF4, .device = { 0x1001, 0x1042 }, .probe = hal_virtio_blk_probe },
    { .name = "ahci", .class = 0x010601, .class_mask = 0xFFFFFF, .probe = hal_ahci_probe },
    { .name = "nvme", .class = 0x010802, .class_mask = 0xFFFFFF, .probe = hal_nvme_probe },
};

void hal_size_text(char *buf, size_t size, uint64_t bytes)
{
    static const char units[] = "KMGT";
    unsigned u = 0;

    while (u + 1 < sizeof units - 1 && bytes >= MIB(1)) {
        bytes >>= 10;
        u++;
    }
    fmt_text(buf, size, "%u.%u %ciB", (unsigned)(bytes >> 10), (unsigned)((bytes & 1023) * 10 >> 10), units[u]);
}

static void on_dropped(const struct blk *disk, unsigned number, const char *why)
{
    ground_log("%s: partition %u %s; it is left out", disk->name, number, why);
}

/* Appends "; partitions vda1 PARTLABEL=ESP, vda2"; or why there are none. */
static void partitions_text(char *buf, size_t size, const struct partition_scan *s, err_t e)
{
    size_t n = 0;

    buf[0] = 0;
    if (e && e != ERR_NOTFOUND)
        fmt_text(buf, size, "; its partition table: %s", err_text(e));
    for (unsigned i = 0; i < s->count && n < size; i++) {
        const struct blk *b = &s->part[i].blk;
        const char *before = i ? ", " : s->from_backup ? "; partitions (from the backup table) " : "; partitions ";

        n += fmt_text(buf + n, size - n, "%s%s%s%s", before, b->name, b->partlabel[0] ? " PARTLABEL=" : "",
                      b->partlabel);
    }
}

void hal_disk_add(struct blk *b, const char *detail)
{
    size_t bytes = PARTITIONS_MAX * sizeof(struct partition);
    struct partition_scan s = { .part = ground_alloc(bytes),
                                .work = ground_alloc(PARTITION_WORK),
                                .dropped = on_dropped };
    char parts[400], size[16];
    err_t e = ERR_NOMEM;

    list_init(&b->link);
    blk_register(b);
    if (s.part && s.work)
        e = partition_scan(b, &s);
    for (unsigned i = 0; i < s.count; i++)
        blk_register(&s.part[i].blk);
    hal_size_text(size, sizeof size, b->sectors * BLK_SECTOR);
    partitions_text(parts, sizeof parts, &s, e);
    ground_log("%s: %s, %s, %u-byte blocks%s%s", b->name, detail, size, b->block_size,
               b->read_only ? ", read-only" : "", parts);
    ground_free(s.work, PARTITION_WORK);
    if (!s.count)
        ground_free(s.part, bytes);
}

struct probe {
    unsigned works[ARRAY_LEN(hal_drivers)];
    unsigned functions;
};

static bool driver_matches(const struct hal_driver *r, const struct hal_pci_dev *d)
{
    if (r->vendor)
        return d->vendor == r->vendor && (d->device == r->device[0] || d->device == r->device[1]);
    return (d->class & r->class_mask) == r->class;
}

static void on_found(struct hal_pci_dev *d, void *ctx)
{
    struct probe *p = ctx;

    p->functions++;
    for (size_t i = 0; i < ARRAY_LEN(hal_drivers); i++)
        if (driver_matches(&hal_drivers[i], d)) {
            if (!hal_drivers[i].probe(d, p->works[i]))
                p->works[i]++;
            return;
        }
}

void hal_disks_probe(const struct acpi_info *acpi)
{
    struct probe p = { 0 };

    hal_pci_scan(acpi, on_found, &p);
    ground_log("pci: %u functions, by %s", p.functions, acpi->necams ? "ECAM" : "ports");
}

void hal_disks_watch(void)
{
    for (struct blk *b = blk_next(NULL); b; b = blk_next(b))
        if (b->ops->poll && !b->partuuid[0]) /* a partition's disk is polled itself */
            b->ops->poll(b);
}
