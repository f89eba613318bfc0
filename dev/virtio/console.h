#pragma once
/* virtio-console with one port, the guest's hvc0. Virtio 1.2, section 5.3. The caller opens and closes the line. */
#include "abi/virtio_console.h"
#include "dev/virtio/virtio.h"
#include "io/tty.h"

struct virtio_console {
    struct virtio_dev dev;
    struct tty tty;
    unsigned heard; /* for vm_hear; under dev.lock */
    bool refused; /* the user has more input waiting: say when there is room; under dev.lock */
};

/* Errors as virtio_init. Nothing is ever in flight. */
MUST_USE err_t virtio_console_init(struct virtio_console *, struct vm *, struct pci_host *, unsigned slot);
