#pragma once
/* Driver for NVMe disks. NVM Express Base 1.4 (2.0 controllers keep to it): queues, PRPs, NVM command set. */
#include "base/err.h"

struct hal_pci_dev;
/* A row of hal_drivers (hal/disks.h). */
MUST_USE err_t hal_nvme_probe(const struct hal_pci_dev *, unsigned index);
