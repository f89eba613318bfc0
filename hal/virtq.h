#pragma once
/* One split virtqueue of a virtio block device, with all its memory. Virtual I/O Device 1.2, section 2.7. Used by
 * hal/virtio_blk.c only; here because it is half of the driver. Its lock guards it; one CPU's requests, or several
 * CPUs'. */
#include <stdatomic.h>
#include "abi/virtio.h"
#include "abi/virtio_blk.h"
#include "arch/x86/lock.h"
#include "ground/ground.h"
#include "io/blk.h"

#define VIRTQ_SIZE 128u  /* ring entries at most, so that everything below fits one run of VIRTQ_ORDER */
#define VIRTQ_SLOTS 60u  /* requests in flight at most */
#define VIRTQ_ORDER 6u
#define VIRTQ_TABLE 256u /* descriptors of one request: header, segments, status; so a Linux guest's 1 MiB is not cut up once more */

/* One request's part of the memory, beside its table. */
struct virtq_slot {
    struct virtio_blk_head header;
    struct virtio_blk_range discard;
    uint8_t status;
    uint8_t unused[31];
};
_Static_assert(sizeof(struct virtq_slot) == 64, "virtq_slot");

/* What the device reads and writes. In a ring of fewer entries the event field follows the last one used. */
struct virtq_mem {
    struct virtq_desc desc[VIRTQ_SIZE];
    struct {
        _Atomic uint16_t flags, idx;
        _Atomic uint16_t ring[VIRTQ_SIZE + 1]; /* [size]: used_event, up to where the device need not interrupt */
    } avail;
    struct {
        _Atomic uint16_t flags, idx;
        struct virtq_used_elem ring[VIRTQ_SIZE + 1]; /* [size]: avail_event, up to where we need not notify */
    } used;
    ALIGNED(64) struct virtq_slot slot[VIRTQ_SLOTS];
    ALIGNED(4096) struct virtq_desc table[VIRTQ_SLOTS][VIRTQ_TABLE]; /* unused if the device has no indirect descriptors */
};
_Static_assert(sizeof(struct virtq_mem) <= (size_t)PAGE_SIZE << VIRTQ_ORDER, "virtq_mem");
_Static_assert(offsetof(struct virtq_mem, used) % 4 == 0, "virtq_mem.used");

struct virtq {
    struct lock lock;
    /* fixed after init */
    void *owner;
    struct virtq_mem *mem;
    volatile uint16_t *doorbell;
    uint16_t index, size, slots;
    uint16_t chain; /* 0: indirect; else how many descriptors of the ring belong to each slot */
    bool event_idx;
    uint64_t discard_max; /* sectors in one command */
    /* under lock */
    uint16_t avail_idx, kicked_idx, used_idx; /* free-running, as in the rings */
    uint16_t nfree;
    uint8_t free[VIRTQ_SLOTS];
    enum blk_pace pace;
    bool broken;                      /* the device answered what nobody asked */
    struct blk_req *req[VIRTQ_SLOTS]; /* in flight; NULL: the slot is free */
    struct list waiting;              /* requests for which there was no slot */
    uint64_t progress;                /* TSC of the last completion, or of the first request after idleness */
};

/* While a request is with the driver, drv[0] counts the sectors discarded so far (a big discard takes several
 * commands); drv[1] is those of the command in flight and, on the list of virtq_reap(), the err_t. */

/* Fills in the struct, all zero but owner, index, doorbell and discard_max, and the memory. size: the device's ring
 * entries, a power of two. Returns how many segments a request may have. */
uint32_t virtq_init(struct virtq *, struct virtq_mem *, uint16_t size, bool indirect, bool event_idx);

/* All below: under q->lock. */
/* Queues a checked request, or puts it on q->waiting. virtq_kick() must follow, under the same lock or later. */
void virtq_submit(struct virtq *, struct blk_req *);
/* Tells the device about new requests if it wants to know. */
void virtq_kick(struct virtq *);
/* Moves what is complete to the list done and submits what was waiting. */
void virtq_reap(struct virtq *, struct list *done);
/* Asks for an interrupt as q->pace says. True: so much is complete already, and there may be none: virtq_reap() it. */
MUST_USE bool virtq_ask(struct virtq *);
/* Takes every request back, as failed; the device must have stopped. */
void virtq_abort(struct virtq *, struct list *done);
/* Nanoseconds since the device last did something, if it has something to do; else 0. */
uint64_t virtq_idle_ns(const struct virtq *);
