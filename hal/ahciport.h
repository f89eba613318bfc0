#pragma once
/* One port of an AHCI controller with its disk: turns block requests into ATA commands. AHCI 1.3.1, chapters 3.3, 4 and 5; ATA8-ACS for the
 * commands. Used by hal/ahci.c only; here because it is half of the driver. Its lock guards it. */
#include <stdatomic.h>
#include "arch/x86/lock.h"
#include "ground/ground.h"
#include "hal/mmio.h"
#include "io/blk.h"

#define AHCI_SLOTS 32u
#define AHCI_SEGS 112u /* so that a table is a multiple of 128 bytes, and everything fits one run of AHCI_ORDER */
#define AHCI_ORDER 4u
#define AHCI_MAX_BYTES MIB(4) /* as a segment may have */

struct ahci_seg {
    uint64_t pa;
    uint32_t reserved, last; /* last: offset of the last byte */
};

struct ahci_table {
    uint8_t fis[64], atapi[64];
    struct ahci_seg seg[AHCI_SEGS];
};

struct ahci_header {
    uint32_t info; /* dwords of the FIS; bit 6: a write; segments << 16 */
    uint32_t moved;
    uint64_t table;
    uint32_t reserved[4];
};

struct ahci_mem {
    struct ahci_table table[AHCI_SLOTS];
    ALIGNED(1024) struct ahci_header list[AHCI_SLOTS];
    ALIGNED(256) uint8_t received[256];
    ALIGNED(128) uint8_t data[BLK_SECTOR]; /* of what IDENTIFY says, later the ranges of a discard */
};
_Static_assert(sizeof(struct ahci_table) == 1920 && sizeof(struct ahci_header) == 32, "ahci");
_Static_assert(sizeof(struct ahci_mem) <= (size_t)PAGE_SIZE << AHCI_ORDER, "ahci_mem");

struct ahci_port {
    struct lock lock;
    /* fixed after its start */
    struct blk blk;
    struct ahci *owner;
    struct mmio regs;
    struct ahci_mem *mem;
    unsigned number;
    unsigned slots;     /* requests in flight at most */
    unsigned lba_shift; /* sectors per block: 1 << lba_shift */
    bool queued;        /* NCQ: the disk takes several commands at a time and may end them in any order */
    /* under lock */
    bool dead;
    bool alone;       /* the one command in flight is not a queued one */
    uint32_t busy;    /* slots in flight */
    unsigned careful; /* after an error so many requests go alone, so that the next error says whose it is */
    struct blk_req *req[AHCI_SLOTS];
    struct list waiting;
    uint64_t progress; /* TSC of the last completion, or of the first request after idleness */
};

/* While a request is with the driver, drv[0] counts the sectors done so far (a discard may take several commands); on the list of
 * ahciport_reap(), drv[1] is the err_t. */

/* Stops the port, however the firmware left it. False: it does not stop, and may still write to memory. */
MUST_USE bool ahciport_stop(const struct ahci_port *);
/* Lets the disk take commands. mem, regs and slots must be there. ERR_IO: it does not get ready. */
MUST_USE err_t ahciport_start(const struct ahci_port *);
/* IDENTIFY DEVICE into mem->data, waited for by polling. ERR_IO. */
MUST_USE err_t ahciport_identify(struct ahci_port *);

/* All below: under p->lock. */
/* Takes a checked request. */
void ahciport_submit(struct ahci_port *, struct blk_req *);
/* What has happened; from here on it interrupts again. Comes before ahciport_reap(), and the controller's own note of it goes in between: what
 * happens after a look at the commands must not be lost. */
MUST_USE uint32_t ahciport_events(const struct ahci_port *);
/* Moves what is complete to the list done and starts what was waiting. After an error the port is started anew and what was in flight goes
 * once more. ERR_IO: that failed. */
MUST_USE err_t ahciport_reap(struct ahci_port *, uint32_t events, struct list *done);
/* Takes every request back, as failed; the port must have stopped. */
void ahciport_abort(struct ahci_port *, struct list *done);
/* NULL while all is well, or why this disk is to be given up. */
const char *ahciport_ails(const struct ahci_port *);
