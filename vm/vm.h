#pragma once
/* One guest: what it was asked to be (config), what it is made of, and how it lives and ends.
 *
 *   OFF --vm_start--> RUNNING --vm_stop--> STOPPING --vm_reap (all vCPUs out, all devices idle)--> OFF
 *                     RUNNING --vm_freeze--> FROZEN --vm_stop--> STOPPING
 *
 * A struct vm is made once per boot entry or clone and stays until it is removed; memory, vCPUs and devices exist only
 * between start and reap. */
#include "arch/x86/lock.h"
#include "base/list.h"
#include "vm/bus.h"
#include "vm/mem.h"

#define VM_NAME_MAX 32
#define VM_VCPUS_MAX 16
#define VM_DISKS_MAX 8
#define VM_INITRDS_MAX 8
#define VM_CMDLINE_MAX 2048
#define VM_SHARES_MAX 8
#define VM_NAMESPACE_MAX 128

struct blk;
struct machine_run;
struct ninep_fs;
struct space;
struct tty;
struct tty_user_ops;
struct vcpu;
struct vm;

/* Bytes that stay where they are for the monitor's life (a file read from the ESP). */
struct blob {
    const uint8_t *data;
    uint64_t size;
};

struct vm_config {
    char name[VM_NAME_MAX];   /* the entry's file name without .conf; unique */
    char title[64];
    bool app;                 /* kernel is an app image or a libos, cmdline more arguments for it: machine_app */
    bool isolate;             /* an app inside a VM: user_vm */
    struct blob kernel;
    struct blob initrd[VM_INITRDS_MAX]; /* concatenated, each padded to 4 bytes */
    unsigned ninitrd;
    char cmdline[VM_CMDLINE_MAX];
    uint64_t memory;          /* bytes, a multiple of MEM_CHUNK */
    unsigned vcpus;           /* 1 .. VM_VCPUS_MAX */
    char disk[VM_DISKS_MAX][64]; /* as written, for the user; "vda2", "PARTLABEL=debian", "/img/file.raw" */
    struct blk *blk[VM_DISKS_MAX];
    unsigned ndisks;
    bool autostart;
    char spaces[VM_NAMESPACE_MAX]; /* its namespace line: "/dev /vm:ro" */
    bool template;            /* an app that shall be frozen where its program says so */
    char from[VM_NAME_MAX];   /* it begins as a clone of that template; "": of kernel */
};

/* A file tree the guest is given: one 9P connection (ns/ns.h). */
struct vm_share {
    char name[12]; /* "vm" */
    struct ninep_fs *fs;
    bool read_only;
};

#define VM_SPIN_EXITS 12u   /* to spin is better than so many exits */
#define VM_QUIET_EXITS 128u /* one exit more in the time of so many costs next to nothing */

/* What a device's handler began at the disk, say, will end soon. Should the vCPU wait for that? Set by the device under vm->lock, taken
 * by the run loop. */
enum vm_poll {
    VM_POLL_LOOK,  /* looks */
    VM_POLL_SLEEP, /* looks, and if there is an end to come yet, an interrupt will tell */
    VM_POLL_END,   /* it takes too long: the guest goes on */
};
struct vm_wish {
    bool (*poll)(void *dev, enum vm_poll); /* the guest has nothing else to do: it waits here until this returns true */
    void *dev;
    bool quiet; /* it goes on, and leaves the CPU for no device's interrupt until it halts, or VM_QUIET_EXITS have passed */
};

enum vm_state { VM_OFF, VM_RUNNING, VM_FROZEN /* a template */, VM_STOPPING };

/* Why it is not running. */
enum vm_why {
    VM_NEVER_RAN,
    VM_POWERED_OFF,  /* the guest's own ACPI S5 */
    VM_REBOOTED,     /* the guest's own reset: starts again by itself */
    VM_EXITED,       /* an app: its program ended */
    VM_PANICKED,     /* it told us through pvpanic, or vm/panic.c saw it */
    VM_TRIPLE_FAULT,
    VM_FAULTED,      /* it broke a rule of ours: see why_text */
    VM_STOPPED,      /* the user, or another guest, stopped it */
    VM_RESET,        /* the user reset it: starts again by itself */
    VM_FAILED,       /* our side could not go on: out of memory, a disk */
};
const char *vm_why_text(enum vm_why);

/* How to build the machine around the vCPUs. dev/pc.c has the PC; tests have smaller ones. */
struct machine {
    const char *name;
    /* Adds devices, loads the kernel, sets vCPU 0 up with vcpu_start_at(). On error everything it made is undone. */
    err_t (*build)(struct vm *);
    /* True when no device has I/O in flight into guest memory. Called again and again once no vCPU runs. */
    bool (*idle)(struct vm *);
    /* Gives back what build made. */
    void (*destroy)(struct vm *);
    /* Asks the guest's system to shut down by itself, as a power button does. May be NULL. CPU 0's loop. */
    void (*power_button)(struct vm *);
    /* Who runs its vCPUs (vm/run.h). NULL: the CPU backend of OS guests, which also has RAM and vCPUs ready for build. A machine with
     * this makes and gives back both by itself, vm->cpu_tsc and vm->exits included. */
    const struct machine_run *run;
    /* A vCPU halts: devices look for work that they were not told of. Under vm->lock. May be NULL. */
    void (*halts)(struct vm *);
    /* The user pressed a key that means a signal, by Linux's number, on the terminal of its /dev. May be NULL. CPU 0's loop. */
    void (*signal)(struct vm *, unsigned signal);
    /* Bytes of the machine's memory a guest that is not OFF holds. NULL: all of cfg.memory. CPU 0's loop. */
    uint64_t (*used)(struct vm *);
    /* Bytes that it has beside that, together with the template it is a clone of. May be NULL. CPU 0's loop. */
    uint64_t (*shared)(struct vm *);
    /* Its memory, where that is a space (vm/space.h). NULL: it is not. From build to destroy. */
    struct space *(*space)(struct vm *);
};

/* vm/panic.c's view of a guest that may have panicked. */
struct vm_panic {
    _Atomic uint32_t looks;        /* how many more are taken; any CPU */
    unsigned calm;                 /* how many in a row found it standing still */
    uint64_t next, moves, pauses;  /* when, and what the last one saw. CPU 0's loop */
};

struct vm {
    /* fixed after vm_add */
    struct vm_config cfg;
    const struct machine *machine;
    unsigned id;
    struct list link;              /* in the registry */
    struct vm *same_hash;          /* the next one with this name's hash */
    const struct tty_user_ops *tty_user; /* set by whoever called vm_add, before the first start; may be NULL */
    void *tty_user_data;           /* the machine opens its serial lines with both */
    struct tty *line;              /* of its /dev/cons: opened and closed with the others; may be NULL */
    struct vm_share share[VM_SHARES_MAX];
    unsigned nshares;

    /* fixed from start to reap */
    hpa_t *low, *high;             /* RAM chunks, by index; for mem.c only */
    uint64_t low_chunks, high_chunks;
    struct vcpu *vcpu[VM_VCPUS_MAX];
    unsigned nvcpus;
    void *hw;                      /* the CPU backend's */
    void *pc;                      /* the machine's */
    uint64_t tsc_offset;           /* guest TSC = TSC + tsc_offset */
    uint64_t tsc_start;            /* when it started */
    uint64_t tsc_first;            /* when it ran its first instruction; 0: it has not, or nobody looks */

    struct lock ram_lock;          /* mem.c's, taken last: a chunk is zeroed at its first use */

    /* under lock: devices, bus */
    struct lock lock;
    struct vm_wish wish;
    struct bus_space pio, mmio;
    void (*irq_line)(void *chip, unsigned gsi, bool level); /* the I/O APIC's; NULL: none */
    void (*irq_eoi)(void *chip, uint8_t vector);            /* a level-triggered vector's end of interrupt */
    void *irq_chip;

    struct vm_panic panic;

    /* any CPU, atomic */
    _Atomic uint64_t vruntime;     /* TSC ticks that its vCPUs ran, fair-share clock: vm/sched.c */
    _Atomic uint64_t exit_tsc;     /* ticks of an exit and the way back, at least; 0: not known yet */
    _Atomic uint32_t state;        /* enum vm_state */
    _Atomic uint32_t stop_claimed; /* somebody writes why and why_text */

    /* written by the one that moved state to STOPPING */
    enum vm_why why;
    char why_text[96];
    uint64_t starts;               /* how often it was started */
    uint64_t cpu_tsc, exits;       /* of the run that ended last */
};

/* Registers a guest. ERR_EXISTS: the name; ERR_NOMEM; ERR_INVAL: config out of bounds. */
MUST_USE err_t vm_add(const struct vm_config *, const struct machine *, struct vm **out);
/* Forgets a guest and frees it. ERR_BUSY unless OFF. */
MUST_USE err_t vm_remove(struct vm *);
/* ERR_BUSY unless OFF; ERR_NOMEM and whatever machine->build says (text in why_text). */
MUST_USE err_t vm_start(struct vm *);
/* Asks a running guest to end. The first reason wins. Any CPU, any context; returns at once. */
void vm_stop(struct vm *, enum vm_why, const char *fmt, ...) PRINTF(3, 4);
/* A running guest becomes a template: its vCPUs leave, and it stays as it is until it is stopped. False: it is being stopped. Any CPU. */
bool vm_freeze(struct vm *);
/* It is frozen, and none of its vCPUs runs any more. */
bool vm_is_template(const struct vm *);
/* Finishes the stop of every guest that is ready for it, and starts again those that asked for a reset. True if some are
 * not ready yet. CPU 0's loop. */
bool vm_reap(void);

/* A console device passes on here what its guest prints; *matched is the line's own, 0 at first. Any CPU. */
void vm_hear(struct vm *, unsigned *matched, const uint8_t *bytes, size_t n);

struct vm *vm_find(const char *name);
struct vm *vm_next(const struct vm *); /* the first with NULL; NULL at the end */
unsigned vm_running(void);             /* how many are not OFF */

/* For the status screen; sums over the vCPUs. */
struct vm_stats {
    uint64_t cpu_tsc;  /* time spent running, guest and exits together */
    uint64_t exits;
};
void vm_stats(struct vm *, struct vm_stats *);
