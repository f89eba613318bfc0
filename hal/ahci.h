#pragma once
/* Driver for SATA disks behind an AHCI controller. Serial ATA AHCI 1.3.1, ATA8-ACS. */
#include "base/err.h"

struct hal_pci_dev;
/* A row of hal_drivers (hal/disks.h). */
MUST_USE err_t hal_ahci_probe(const struct hal_pci_dev *, unsigned index);
