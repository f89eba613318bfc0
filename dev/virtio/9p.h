#pragma once
/* virtio-9p: a file tree of the monitor for the guest, which mounts it by the tree's name:
 *     mount -t 9p -o trans=virtio,version=9p2000.L vm /vm */
#include "abi/virtio_9p.h"
#include "dev/virtio/virtio.h"
#include "ninep/server.h"
#include "vm/vm.h"
#include "vm/work.h"

#define VIRTIO_9P_SLOTS 32u   /* questions at a time; one fewer may wait for their answers */
#define VIRTIO_9P_FIDS 512u
#define VIRTIO_9P_MSIZE 8192u /* the largest message */
#define VIRTIO_9P_BUFS 16u    /* pieces of a message: headers, and the pages of its data */

/* A question that is not answered yet. */
struct virtio_9p_slot {
    bool busy;
    uint16_t tag;
    struct virtq_chain chain;
    struct virtq_buf buf[VIRTIO_9P_BUFS];
};

struct virtio_9p {
    struct virtio_dev dev;
    /* fixed */
    struct virtio_9p_config config;
    struct virtio_9p_mem *mem;
    /* CPU 0's loop: all 9P is served there (vm/work.h), only the ring is under dev.lock */
    struct work work;
    struct ninep_server server;
    uint32_t generation; /* the device's, when this session began */
};

/* Errors as virtio_init; ERR_NOMEM. The share is copied, its tree stays. CPU 0's loop. */
MUST_USE err_t virtio_9p_init(struct virtio_9p *, struct vm *, struct pci_host *, unsigned slot, const struct vm_share *);
/* Ends the session. Once no vCPU runs; CPU 0's loop. */
void virtio_9p_fini(struct virtio_9p *);
