#pragma once
/* Driver for virtio block devices on PCI, modern interface (also of transitional devices). Virtual I/O
 * Device 1.2, 4.1, 5.2. */
#include "base/err.h"

struct hal_pci_dev;
/* A row of hal_drivers (hal/disks.h). */
MUST_USE err_t hal_virtio_blk_probe(const struct hal_pci_dev *, unsigned index);
