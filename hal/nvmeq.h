#pragma once
/* One NVMe I/O queue pair with all its memory: turns block requests into commands. NVM Express Base 1.4, chapters 4
 * and 6. Used by hal/nvme.c only; here because it is half of the driver. Its lock guards it. */
#include <stdatomic.h>
#include "arch/x86/lock.h"
#include "ground/ground.h"
#include "io/blk.h"

#define NVMEQ_DEPTH 128u /* entries of either queue at most, so that everything fits one run of NVMEQ_ORDER */
#define NVMEQ_SLOTS (NVMEQ_DEPTH - 1) /* a queue is full with one entry unused */
#define NVMEQ_ORDER 5u
#define NVMEQ_LIST 64u /* page addresses in a request's list; the first page is not in it */
#define NVMEQ_MAX_BYTES (NVMEQ_LIST * PAGE_SIZE)
#define NVMEQ_MAX_SEGS NVMEQ_LIST
#define NVMEQ_BOUNCE (13 * PAGE_SIZE)

struct nvme_cmd {
    uint32_t cdw0; /* opcode; command id << 16 */
    uint32_t nsid;
    uint64_t reserved, metadata;
    uint64_t prp1, prp2;
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_cmd) == 64, "nvme_cmd");

struct nvme_cpl {
    uint32_t dw0, reserved;
    uint16_t sq_head, sq_id, cid;
    _Atomic uint16_t status; /* bit 0: phase */
};
_Static_assert(sizeof(struct nvme_cpl) == 16, "nvme_cpl");

struct nvmeq_mem {
    struct nvme_cmd sq[NVMEQ_DEPTH];
    ALIGNED(4096) struct nvme_cpl cq[NVMEQ_DEPTH];
    ALIGNED(4096) uint64_t list[NVMEQ_SLOTS][NVMEQ_LIST]; /* 512 bytes each: none crosses a page */
    ALIGNED(4096) uint8_t bounce[NVMEQ_BOUNCE];
};
_Static_assert(sizeof(struct nvmeq_mem) <= (size_t)PAGE_SIZE << NVMEQ_ORDER, "nvmeq_mem");

/* What a queue must know of a namespace. */
struct nvmeq_ns {
    uint32_t nsid;
    uint32_t lba_shift; /* sectors per block: 1 << lba_shift */
};

struct nvmeq {
    struct lock lock;
    /* fixed after init */
    void *owner;
    struct nvmeq_mem *mem;
    volatile uint32_t *sq_doorbell, *cq_doorbell;
    uint16_t id, depth, slots;
    /* under lock */
    uint16_t sq_tail, sq_told, cq_head, phase; /* phase: 1 or 0, of the next new completion */
    uint16_t nfree;
    uint8_t free[NVMEQ_SLOTS];
    bool broken;                      /* the controller completed what nobody asked */
    struct blk_req *req[NVMEQ_SLOTS]; /* in flight; NULL: the slot is free */
    struct list waiting;              /* requests for which there was no slot */
    /* Segments that do not meet at page boundaries cannot be told to the controller: their data goes through
     * mem->bounce, one request at a time, in as many commands as it takes. */
    struct blk_req *bouncing;
    struct list bounce_waiting;
    uint64_t progress; /* TSC of the last completion, or of the first request after idleness */
};

/* While a request is with the driver, drv[0] counts the sectors done so far (discards and bounced transfers take
 * several commands) and drv[1] points to its struct nvmeq_ns; on the list of nvmeq_reap(), drv[1] is the err_t. */

/* Fills in all but owner, id and the doorbells, and the memory; the struct was zero. depth: at most NVMEQ_DEPTH, at
 * least 2. */
void nvmeq_init(struct nvmeq *, struct nvmeq_mem *, unsigned depth);

/* All below: under q->lock. */
/* Queues a checked request or lets it wait. nvmeq_kick() must follow. */
void nvmeq_submit(struct nvmeq *, const struct nvmeq_ns *, struct blk_req *);
void nvmeq_kick(struct nvmeq *);
/* Moves what is complete to the list done, submits what was waiting. */
void nvmeq_reap(struct nvmeq *, struct list *done);
/* Takes every request back, as failed; the controller must have stopped. */
void nvmeq_abort(struct nvmeq *, struct list *done);
/* Nanoseconds since the controller last completed something, if it has something to do; else 0. */
uint64_t nvmeq_idle_ns(const struct nvmeq *);
