#pragma once
/* Block devices: what a disk driver, a RAM disk or a partition offers and a guest's virtio-blk uses.
 * Asynchronous: submit() returns at once, done() is called later, or from inside submit(). */
#include "base/err.h"
#include "base/list.h"

#define BLK_SECTOR 512u /* the unit of every sector number here, whatever the disk's own block size */

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD };

/* A piece of physical memory; the disk's DMA goes straight there. */
struct blk_seg {
    hpa_t pa;
    uint32_t len; /* bytes, not 0; pa and len are multiples of 4, the sum over a request one of the block size */
};

struct blk_req {
    enum blk_op op;
    uint64_t sector;            /* first sector; READ, WRITE, DISCARD */
    uint64_t nsectors;          /* DISCARD only; READ and WRITE take the sum of the segments */
    const struct blk_seg *seg;  /* READ, WRITE; kept until done() */
    uint32_t nseg;              /* at most blk.max_segs */
    bool more;                  /* kick() will follow, on this CPU: the disk need not be told of this one before */
    void (*done)(struct blk_req *, err_t); /* with no lock of the driver held; may submit again */
    void *owner;                /* for whoever submitted it */
    /* the driver's, from submit to done */
    struct list link;
    uint64_t drv[4]; /* 0, 1: the disk driver's; 2, 3: the partition's above it */
};

/* When completions of what one CPU submitted raise an interrupt. */
enum blk_pace {
    BLK_EACH, /* each of them; so it is at the start */
    BLK_HALF, /* when half of what is in flight is done: costs less with many requests, while there is other work to do */
    BLK_NONE, /* never: somebody polls */
};

struct blk;
struct blk_ops {
    /* Queues the request; every error goes to done(), ERR_RANGE for sectors the disk does not have, ERR_UNSUPPORTED,
     * ERR_IO. Any CPU, interrupts off. Waits inside if the hardware queue is full (keeps it in its own list). */
    void (*submit)(struct blk *, struct blk_req *);
    /* Tells the disk of what was submitted with `more`. NULL: submit() always has. */
    void (*kick)(struct blk *);
    /* Looks for completions now, without waiting for the interrupt. May be NULL (RAM disk). */
    void (*poll)(struct blk *);
    /* Sets the pace for the calling CPU; completions that are due by it are ended at once. NULL: the disk has BLK_EACH only. */
    void (*pace)(struct blk *, enum blk_pace);
};

struct blk {
    const struct blk_ops *ops;
    char name[24];          /* "vda", "nvme0n1", "vda2", "ram0"; unique */
    uint64_t sectors;       /* of BLK_SECTOR bytes */
    uint32_t block_size;    /* the smallest unit of transfer: 512 or 4096 */
    uint32_t max_segs;
    uint64_t max_bytes;     /* per request */
    bool read_only, can_discard;
    /* for partitions: the disk it lies on, and how a user may name it; NULL and empty strings on a whole disk */
    const struct blk *whole;
    char partlabel[40];     /* UTF-8 */
    char partuuid[40];      /* lower-case, with dashes */
    struct list link;       /* in the registry */
};

/* For drivers: whether b can take the request, and how many sectors it covers (0: FLUSH). ERR_RANGE: sectors the disk does
 * not have; ERR_UNSUPPORTED: a write to a read-only disk, an op it lacks; ERR_INVAL: against the rules above. */
MUST_USE err_t blk_check(const struct blk *b, const struct blk_req *, uint64_t *nsectors);
/* For submit(): true if the request breaks a rule; then it has ended, with blk_check()'s error. */
MUST_USE bool blk_refuse(const struct blk *, struct blk_req *);

/* The disks and partitions of the machine, in the order they were found. Registered on the boot CPU before guests run, for
 * ever; read without a lock. The name must be new (panics). */
void blk_register(struct blk *);
/* By name ("vda2"), "PARTLABEL=x", "PARTUUID=x"; NULL if there is none. */
struct blk *blk_find(const char *spec);
/* The first with NULL, then the next; NULL at the end. */
struct blk *blk_next(const struct blk *);

/* True if writes to one may change the other: the same, or a disk and its partition. */
static inline bool blk_overlap(const struct blk *a, const struct blk *b)
{
    return a == b || a->whole == b || b->whole == a;
}

/* Reads synchronously by polling; for partition tables and tests, before guests run. len: multiple of the block size. */
MUST_USE err_t blk_read_wait(struct blk *, uint64_t sector, void *buf, uint32_t len);
