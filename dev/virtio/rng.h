#pragma once
/* virtio-rng: random bytes for the guest. Virtio 1.2, section 5.4. */
#include "dev/virtio/virtio.h"

struct virtio_rng {
    struct virtio_dev dev;
};

/* Errors as virtio_init. Nothing is ever in flight. */
MUST_USE err_t virtio_rng_init(struct virtio_rng *, struct vm *, struct pci_host *, unsigned slot);
