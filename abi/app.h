#pragma once
/* The app ABI: what a monitor and an app guest agree on. docs/app-abi.md explains it; this header is the law.
 *
 * An app guest runs only at CPL 3, in one flat address space whose page tables belong to the monitor. It starts in the libos,
 * asks the monitor through the gate, and is told of faults, time and events by upcalls. Everything here is little-endian and naturally
 * aligned; addresses of the guest are integers (app_addr_t) on both sides. */
#include "base/types.h"

#define APP_MAGIC 0x6E6C426Fu /* "oBln" */
#define APP_VERSION 4u        /* the monitor starts only a libos with the same number */

typedef uint64_t app_addr_t;

/* --- where things are ------------------------------------------------------------------------------------------------ */
#define APP_SLED 0x0ull             /* one page, a landing for `call *%rax`: a page of the libos' text, mapped here, too */
#define APP_LIBOS 0x10000ull        /* the libos is linked to start here, and ends below APP_PROGRAM */
#define APP_PROGRAM 0x400000ull     /* lowest address of a program */
#define APP_TOP 0x4000000000ull     /* 256 GiB: the end of what can be mapped */

/* --- the libos image: flat bytes at APP_LIBOS that start with this ------------------------------------------------------ */
struct app_image {
    uint32_t magic, version;
    uint64_t entry;    /* boot CPU starts here: rdi = struct app_boot, rsp = stack */
    uint64_t missed;   /* where a `syscall` that was not rewritten may arrive, with rip in rcx and rflags in r11; or it is exception 6 */
    uint64_t upcalls;  /* APP_UPCALLS stubs of APP_STUB bytes, in order of vector */
    uint64_t stack;    /* of the boot CPU's start */
    uint64_t cpu0;     /* its struct app_cpu */
    uint64_t text_end; /* [APP_LIBOS, text_end) is mapped read and execute */
    uint64_t data_end; /* [text_end, data_end) read and write: what the image brings, then zeros */
    uint64_t sled;     /* the page of the text that is mapped at APP_SLED; 0: none */
};

/* --- upcalls ---------------------------------------------------------------------------------------------------------- */
#define APP_UPCALLS 33
#define APP_STUB 16
#define APP_VEC_EVENT 32 /* below: processor exceptions by their numbers, with an error code where the processor pushes one */

/* What the guest and the monitor share about a CPU, in memory of the libos; GS points to it. The stack is that of upcalls: they
 * push ss, rsp, rflags, cs, rip and, for some exceptions, an error code at stack_top, a multiple of 16. The guest must leave it
 * before the next exception. An event comes only while masked is 0 and rsp is outside [stack_top - stack_size, stack_top];
 * otherwise only `pending` is set, and the guest looks at it when it unmasks. Exceptions are not masked. */
struct app_cpu {
    uint8_t masked;      /*  0 guest */
    uint8_t pending;     /*  1 monitor sets it to 1 after `events`, guest clears it before it takes them */
    uint8_t pad[2];
    uint32_t id;         /*  4 */
    uint32_t events;     /*  8 APP_EVENT_*, both sides atomically */
    uint32_t pad2;
    uint64_t signals;    /* 16 bit n - 1: the user's signal n is to be delivered; atomically */
    uint64_t stack_top;  /* 24 */
    uint64_t stack_size; /* 32 */
    uint64_t guest[11];  /* 40 the guest's own */
};
_Static_assert(sizeof(struct app_cpu) == 128, "app_cpu");
#define APP_EVENT_CHANNEL 0x1u /* an answer lies in a channel */
#define APP_EVENT_TIMER 0x2u
#define APP_EVENT_SIGNAL 0x4u
#define APP_EVENT_WAKE 0x8u    /* another CPU called APP_WAKE */

/* --- the gate ----------------------------------------------------------------------------------------------------------
 * Called by `call`, with the number in rax and arguments in rdi, rsi, rdx, r8, r9. Changes rax, rcx, r11 and flags only. The
 * result is >= 0, or an enum app_error. */
enum app_call {
    APP_LOG,        /* (address, bytes up to 1024): a line for the monitor's log */
    APP_EXIT,       /* (status): ends the guest; APP_EXIT_SIGNAL + n for death by signal n */
    APP_MAP,        /* (address, bytes, prot): zeroed memory, in place of what was there */
    APP_MAP_FILE,   /* (address, bytes, prot, channel << 32 | fid, offset): the bytes of an open file; APP_IMAGE << 32: of the image */
    APP_UNMAP,      /* (address, bytes) */
    APP_PROTECT,    /* (address, bytes, prot): contents stay; what was not mapped becomes zeroed memory */
    APP_TEMPLATE,   /* (): freezes a guest with APP_BOOT_TEMPLATE for ever; 1 in each clone of it, which calls again when it is ready to be used: from then
                     * on its boot record says who it is. 0 where nothing happens */
    APP_KICK,       /* (channel): questions lie in the ring */
    APP_WAIT,       /* (deadline, 0: none): sleeps until an event is pending; kicks the channel of APP_MOUNT_NET first */
    APP_WAKE,       /* (cpu): an event for another CPU */
    APP_CPU_START,  /* (number, entry, stack pointer, address of its struct app_cpu) */
    APP_CPU_STOP,   /* (): this CPU; never returns. Not the boot CPU */
    APP_TIMER,      /* (deadline, 0: none): one timer for each CPU */
    APP_FAULT,      /* (): the address of this CPU's last page fault */
    APP_REWRITE,    /* (address, bytes): turns `syscall` into `call *%rax` where that is safe; the number of sites */
    APP_BATCH,      /* (address, n): so many struct app_batched up to APP_BATCH_MAX, one after the other; the first error, or 0 */
    APP_CALLS
};
struct app_batched {
    uint64_t call; /* APP_MAP, APP_MAP_FILE, APP_UNMAP or APP_PROTECT */
    uint64_t a[5]; /* its arguments */
};
#define APP_BATCH_MAX 16u
#define APP_EXIT_SIGNAL 0x100u

/* The bell, called by `call` with one of these numbers in edi; changes rax and flags. It costs a tenth of a call of the gate, nobody waits for what it
 * brings about, and a number without a meaning has none.
 *   n:                 as APP_KICK of channel n; APP_EVENT_CHANNEL tells of answers, those at once too
 *   APP_BELL_CPU + n:  as APP_WAKE, but for a CPU in APP_WAIT only, and without an event */
#define APP_BELL_CPU 0x100u

/* prot, an argument of its own so that no bit has two meanings */
#define APP_READ 0x1u
#define APP_WRITE 0x2u
#define APP_EXEC 0x4u
#define APP_SMALL 0x10u /* APP_MAP: hardly all of it will be used: no huge pages */
#define APP_SHARED 0x8u /* APP_MAP_FILE: writes go to the file; not with APP_IMAGE */
#define APP_IMAGE 0xFFFFu /* APP_MAP_FILE: not a channel; fid 0 is the image's file system. Pages are the guest's own once written to */

enum app_error {
    APP_INVAL = -1,       /* a bad number, alignment or flag */
    APP_RANGE = -2,       /* an address outside [0, APP_TOP), or an unmapped one */
    APP_NOMEM = -3,       /* over the guest's limit, or the machine has no more */
    APP_UNSUPPORTED = -4, /* this monitor cannot do it */
    APP_BUSY = -5,        /* in use */
    APP_IO = -6,
};

/* --- time: a page the monitor keeps current. ns = mono + ((tsc - tsc_base) * mult >> 32); wall = ns + wall_offset ----------------- */
struct app_time {
    uint32_t seq; /* odd: being changed */
    uint32_t pad;
    uint64_t tsc_base;
    uint64_t mono; /* CLOCK_MONOTONIC in ns; deadlines are of this clock */
    uint64_t mult; /* ns << 32 per tick */
    int64_t wall_offset;
};

/* --- channels: 9P2000.L messages in shared memory ------------------------------------------------------------------------ */
#define APP_CHANNELS 16
#define APP_CHANNEL_SLOTS 16u        /* a power of two; the tag of a message is less than this */
#define APP_CHANNEL_MSIZE 0x10200u   /* the largest message: 64 KiB and headers */
/* A question lies in ask[tag], its answer in answer[tag]. The rings carry tags. Each index runs freely. */
struct app_ring {
    uint32_t head; /* producer */
    uint32_t tail; /* consumer */
    uint16_t tag[APP_CHANNEL_SLOTS];
    uint32_t len[APP_CHANNEL_SLOTS]; /* bytes of the message with that index in the ring */
};
struct app_channel {
    struct app_ring ask;    /* guest to monitor */
    struct app_ring answer; /* monitor to guest */
    uint8_t pad[0x1000 - 2 * sizeof(struct app_ring)];
    uint8_t asks[APP_CHANNEL_SLOTS][APP_CHANNEL_MSIZE];
    uint8_t answers[APP_CHANNEL_SLOTS][APP_CHANNEL_MSIZE];
};
_Static_assert(offsetof(struct app_channel, asks) == 0x1000, "app_channel");

/* --- the boot record ------------------------------------------------------------------------------------------------------ */
struct app_mount {
    char at[128];       /* where in the guest's tree, "/..." */
    app_addr_t channel; /* struct app_channel, its tree is attached with aname "" */
    uint32_t flags;     /* APP_MOUNT_* */
    uint32_t pad;
};
#define APP_MOUNT_READONLY 0x1u
#define APP_MOUNT_LAYER 0x2u /* writes stay in the guest's memory */
#define APP_MOUNT_NET 0x8u   /* abi/net.h: attached by the first socket */
#define APP_MOUNT_DEV 0x4u   /* the monitor's own devices: stdin, stdout, stderr, ttyctl */

#define APP_BOOT_TEMPLATE 0x1u /* the guest is to become a template: APP_TEMPLATE freezes it */

#define APP_TTY_IN 0x1u
#define APP_TTY_OUT 0x2u
#define APP_TTY_ERR 0x4u

struct app_boot {
    uint32_t magic, version;
    uint32_t size;         /* of this struct: a later one only grows */
    uint32_t ncpus;        /* how many CPUs may be started */
    uint64_t mem_limit;    /* bytes that may be mapped at a time */
    app_addr_t gate;
    app_addr_t time;       /* struct app_time */
    app_addr_t free;       /* first address above all that the monitor has put below APP_TOP's end region */
    app_addr_t strings;    /* argc, then envc strings with their ending 0 */
    char program[1024];    /* path of the program */
    uint32_t strings_size;
    uint32_t argc, envc;
    uint32_t tty;          /* APP_TTY_*: which of the standard files are terminals */
    uint32_t uid, gid, pid, umask;
    char cwd[1024];
    char host[64];         /* the guest's own name */
    uint8_t seed[64];
    uint32_t nmounts, pad;
    struct app_mount mount[APP_CHANNELS];
    /* the root of an app that came as an image (abi/image.h); it is a layer: what is written stays in the guest's memory */
    app_addr_t image;      /* its EROFS file system, mapped read-only; 0: none, a mount is the root */
    uint64_t image_size;   /* a multiple of 4 KiB */
    uint32_t image_flags;  /* IMAGE_* */
    uint32_t flags;        /* APP_BOOT_* */
    app_addr_t bell;
};
