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
    /* An exit costs a guest more than a request, so there are few. After a kick the guest may go on in peace until it halts (vm_wish.quiet).
     * A driver that has sent nothing more by then reads one thing after the other: its next `sync` kicks are waited for. One that has
     * gets its answers when half of them are there. A slow disk, or a guest that does not halt, is left alone: `later` kicks and halts from
     * now that is tried again, `doubt` was the number the last time. */
    uint32_t sync, later, doubt;
    bool alone;           /* nothing was added since the last kick */
    bool each;            /* the disk's pace is BLK_EACH: somebody waits for the next answer */
    uint64_t quiet_since; /* TSC: of the last kick that was not waited for, or halt */
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
