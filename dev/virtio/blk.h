#pragma once
/* virtio-blk: a struct blk (disk, partition, RAM disk) as the guest's /dev/vdX. Virtio 1.2, section 5.2. The disk's DMA
 * goes straight into the guest's buffers. One queue per vCPU, up to VIRTIO_QUEUES_MAX. */
#include "abi/virtio_blk.h"
#include "dev/virtio/virtio.h"
#include "io/blk.h"

#define VIRTIO_BLK_INFLIGHT 64   /* requests at the disk at a time; more wait in their queue */
#define VIRTIO_BLK_DATA_SEGS 254 /* what the driver is told; with head and status it fills a queue of 256 */
#define VIRTIO_BLK_BUFS (VIRTIO_BLK_DATA_SEGS + 4) /* head and status may be cut up or joined with data */
#define VIRTIO_BLK_SEGS 256                        /* pieces of machine memory at a time */

struct virtio_blk;

enum virtio_blk_phase { PHASE_SUBMITTING, PHASE_WAITING, PHASE_DONE };

/* A request on its way. A large one goes to the disk in parts, one after the other. */
struct virtio_blk_io {
    struct list link; /* in virtio_blk.spare */
    struct virtio_blk *owner;
    /* under dev.lock */
    struct virtq *queue;
    uint32_t generation; /* of the device when the request came */
    struct virtq_chain chain;
    uint64_t skip;     /* bytes of the stream before the data */
    uint64_t len, pos; /* of the data: all of it, and how much the parts before this one had */
    uint64_t sector;   /* where the data begins on the disk */
    enum virtio_blk_phase phase;
    err_t result;
    struct blk_req req; /* the disk's from submit to done */
    struct blk_seg seg[VIRTIO_BLK_SEGS];
    struct virtq_buf buf[VIRTIO_BLK_BUFS];
};

struct virtio_blk {
    struct virtio_dev dev;
    /* fixed */
    struct blk *blk;
    struct virtio_blk_config config;
    char serial[VIRTIO_BLK_ID_BYTES]; /* ends with 0 only if it is shorter */
    struct virtio_blk_io *pool;
    /* under dev.lock */
    struct list spare;
    uint64_t ended;  /* requests ever */
    uint64_t awaited; /* value of `ended` that a poll waits for */
    /* A driver that halts after a kick, or sends nothing more before a fast answer, reads one block after the other: its next
     * kicks are waited for (`sync`). One that sends more, or a slow disk, is left alone; `later` kicks from now it is looked at
     * again. */
    uint32_t sync, later;
    bool alone;         /* the request in flight is the only one since its kick */
    bool each;          /* the disk's pace is BLK_EACH: a vCPU has halted since the last kick */
    uint64_t kicked_at; /* TSC */
    uint64_t copied; /* bytes moved inside submit() since a queue's turn began */
    bool starved;    /* a queue may hold chains that were left when spare was empty */
};

/* Offers blk, which must stay, to the guest. serial: up to 20 characters. ERR_NOMEM, or as virtio_init. */
MUST_USE err_t virtio_blk_init(struct virtio_blk *, struct vm *, struct pci_host *, unsigned slot, struct blk *,
                               const char *serial);
/* A vCPU halts: what was added without a kick goes to the disk now, and the guest is told of each completion. Under vm->lock. */
void virtio_blk_halts(struct virtio_blk *);
/* Only once virtio_idle() has said yes. */
void virtio_blk_fini(struct virtio_blk *);
