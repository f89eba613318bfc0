#pragma once
/* The machine's disks: which drivers there are, and what becomes of a disk one of them found. */
#include "base/fmt.h"
#include "hal/acpi.h"
#include "hal/pci.h"
#include "io/blk.h"

struct hal_driver {
    const char *name;
    uint16_t vendor;            /* 0: match by class */
    uint16_t device[2];         /* either */
    uint32_t class, class_mask; /* of hal_pci_dev.class */
    /* Starts the device and calls hal_disk_add() for each disk it holds; index counts this driver's devices that
     * worked, from 0. On an error, which it has logged, it leaves nothing behind and the device quiet. */
    err_t (*probe)(const struct hal_pci_dev *, unsigned index);
};

/* Finds all disks and partitions and registers them (io/blk.h). Once, on the boot CPU, after the ground's CPUs, timer
 * and interrupts work and before guests run; needs no interrupt to arrive. */
void hal_disks_probe(const struct acpi_info *);
/* To be called about once a second by the ground, on one CPU: picks up lost interrupts, and ends the requests of a disk
 * that has died, with ERR_IO. */
void hal_disks_watch(void);

/* Registers a disk that is ready for requests, and its partitions, for ever, and logs one line. Also for RAM disks.
 * detail: what it is, for the log ("virtio-blk, 2 queues"). */
void hal_disk_add(struct blk *, const char *detail);

/* For drivers: ends requests, each with the err_t in its drv[1]. No lock held. */
static inline void hal_requests_end(struct list *done)
{
    struct list *n;

    while ((n = list_pop_front(done))) {
        struct blk_req *r = container_of(n, struct blk_req, link);
        r->done(r, (err_t)r->drv[1]);
    }
}

/* For drivers: "vda" to "vdz", then "vdaa" to "vdzz". */
static inline void hal_disk_name(struct blk *b, const char *kind, unsigned index)
{
    char first = index < 26 ? 0 : (char)('a' + (index / 26 - 1) % 26), last = (char)('a' + index % 26);

    fmt_text(b->name, sizeof b->name, first ? "%s%c%c" : "%s%c", kind, first ? first : last, last);
}

/* "0 KiB" to "999.9 TiB". */
void hal_size_text(char *buf, size_t size, uint64_t bytes);

/* A device with work to do that completes nothing for so long is dead: no request may hang for ever. */
#define HAL_DISK_TIMEOUT_NS 30000000000ull
/* After so long without a completion its driver looks whether the device itself reports a failure. */
#define HAL_DISK_SUSPECT_NS 1000000000ull
