#pragma once
/* A virtio 1.2 device on the guest's PCI bus: what blk.c, console.c and rng.c share. pci.c is the register interface,
 * queue.c the rings. Modern only: no legacy registers, MSI-X only.
 *
 * Locks: register accesses come under vm->lock; completions and typed keys come on any CPU without it. So each device
 * has dev->lock (order: vm->lock, dev->lock, msix.lock, run queues), and everything marked below is touched under it.
 * It is never held while a disk is asked for something. */
#include "abi/virtio.h"
#include "dev/pci.h"

#define VIRTIO_QUEUES_MAX 4
#define VIRTQ_SIZE_MAX 256

struct virtio_dev;

enum { RING_DESC, RING_AVAIL, RING_USED, RINGS };

struct virtq {
    struct virtio_dev *dev; /* fixed */
    /* under dev->lock; the queue's registers as the driver sees them, in the order of 4.1.4.3, fixed while enabled */
    struct {
        uint16_t size, vector;
        uint16_t enabled;     /* 1: then size is a power of two and the rings lie aligned in RAM */
        uint16_t index;       /* fixed */
        uint64_t ring[RINGS]; /* guest-physical */
    };
    /* under dev->lock; free-running positions */
    uint16_t next_avail; /* the next chain to take */
    uint16_t end_avail;  /* chains before this one may be taken */
    uint16_t armed;      /* the driver kicks when it adds this chain */
    uint16_t next_used;  /* where the next finished chain goes */
    uint16_t told_used;  /* what the driver was told of */
    unsigned inflight;   /* the device's own: chains that will soon make it look again, of this generation */
};

/* A piece of guest memory. Not empty, and inside RAM when virtq_pop() hands it out. */
struct virtq_buf {
    uint64_t at;
    uint32_t len;
};

/* A request: first nread buffers that the device reads, then nwrite that it writes. How the driver cut them up means
 * nothing (2.7.4), so take them as two streams of bytes. */
struct virtq_chain {
    struct virtq_buf *buf; /* the caller's */
    unsigned max;          /* the caller's: how many fit; a longer chain stops the guest */
    unsigned nread, nwrite;
    uint64_t read_len, write_len; /* bytes */
    uint16_t head;
};

struct virtio_ops {
    uint16_t type;         /* VIRTIO_TYPE_ */
    uint16_t queue_size;   /* most entries: a power of two, at most VIRTQ_SIZE_MAX */
    uint32_t class_code;   /* PCI */
    uint32_t config_bytes; /* of dev->config */
    /* The driver kicked a queue, or all of them by DRIVER_OK. Under vm->lock only. ERR_GUEST stops the guest.
     * ERR_AGAIN: this took long enough; the kick is repeated. */
    err_t (*notify)(struct virtio_dev *, unsigned queue);
};

struct virtio_dev {
    struct pci_dev pci;
    /* fixed; the device sets these before virtio_init() */
    const struct virtio_ops *ops;
    char name[40];    /* "virtio-blk vda2", for messages */
    uint64_t offered; /* the device's own feature bits */
    const void *config; /* as the driver reads it; kept */
    /* fixed */
    struct vm *vm;

    struct lock lock;
    /* under lock; the common registers as the driver sees them, in the order of 4.1.4.3 */
    struct {
        uint32_t offered_select, offered_half; /* the half of `offered` that offered_select says */
        uint32_t accepted_select, accepted_half;
        uint16_t config_vector;
        uint16_t nqueues; /* fixed; set before virtio_init() */
        uint8_t status;
        uint8_t config_generation; /* 0: no device changes its configuration */
        uint16_t queue_select;
    };
    /* under lock */
    struct virtq queue[VIRTIO_QUEUES_MAX];
    uint64_t accepted; /* feature bits */
    uint8_t isr;         /* VIRTIO_ISR_ */
    bool broken;         /* the guest broke a rule, or the VM is ending: take no more work */
    bool draining;       /* reset by the driver, which is not told so before inflight is 0 */
    uint32_t generation; /* counts resets: requests of an older one are forgotten */
    unsigned inflight;   /* requests that others (a disk) still work on */
};

/* --- pci.c --- */

/* Puts the device into the slot. Errors as pci_dev_init and pci_bar_add. */
MUST_USE err_t virtio_init(struct virtio_dev *, struct vm *, struct pci_host *, unsigned slot);
/* Once no vCPU runs: takes no more work; true when nothing is in flight. */
bool virtio_idle(struct virtio_dev *);

/* Tells the driver of used buffers. Under dev->lock. */
void virtio_raise(struct virtio_dev *, uint16_t vector);

/* --- queue.c; everything under dev->lock --- */

/* Looks what the driver has added. Without a kick in between it must be called again. ERR_GUEST; a queue that is not in use is
 * simply empty. */
MUST_USE err_t virtq_look(struct virtq *);
/* The same, and asks for a kick at whatever comes after that. */
MUST_USE err_t virtq_arm(struct virtq *);
/* Takes the next chain of those the last look saw. ERR_AGAIN: there is none. ERR_GUEST: it breaks a rule, the guest was
 * stopped with a text that says so. */
MUST_USE err_t virtq_pop(struct virtq *, struct virtq_chain *);
/* Whether virtq_pop() would find another. */
bool virtq_left(const struct virtq *);
/* Gives the chain back, `written` bytes of it filled. The driver sees it at virtq_flush(). */
void virtq_push(struct virtq *, uint16_t head, uint32_t written);
/* Shows the driver what was pushed, with an interrupt if it wants one. Cheap when nothing was. */
void virtq_flush(struct virtq *);
/* Stops the guest because it misused this queue; `what` is the text. Always ERR_GUEST. */
err_t virtq_fault(struct virtq *, const char *what);

/* Copy between p and the chain's readable or writable stream, n bytes at off. ERR_RANGE: the stream is shorter. */
MUST_USE err_t virtq_read(struct virtq *, const struct virtq_chain *, uint64_t off, void *p, size_t n);
MUST_USE err_t virtq_write(struct virtq *, const struct virtq_chain *, uint64_t off, const void *p, size_t n);

/* For pci.c: the driver enables the queue. ERR_GUEST if its size or its rings are impossible. */
MUST_USE err_t virtq_enable(struct virtq *);
