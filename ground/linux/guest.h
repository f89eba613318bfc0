#pragma once
/* One app guest and the process that monitors it: a thread for each guest CPU, one more that waits for signals and for input.
 * guest->lock guards everything but what is marked; a guest CPU holds it only while its gate call is served. */
#include <pthread.h>
#include <signal.h>
#include "ground/linux/hostfs.h"
#include "ground/linux/net.h"
#include "ground/linux/run.h"
#include "ground/linux/space.h"
#include "ninep/server.h"
#include "ninep/tree.h"

#define CHANNEL_FIDS 4096u       /* files of a host directory that a guest may hold at a time */
#define CHANNEL_FIDS_OWN 512u    /* of the monitor's own trees: the table costs memory in every guest */
#define CHANNEL_REQS (APP_CHANNEL_SLOTS + 1)

struct guest;

/* One 9P connection with a server at this end. */
struct channel {
    struct guest *guest;
    app_addr_t at; /* struct app_channel in the guest */
    struct ninep_server server;
    uint32_t asked, answered;         /* our own indices: the guest's are only read */
    uint32_t news;                    /* answers but those to writes, which nobody waits for where APP_WAIT kicks */
    bool busy[APP_CHANNEL_SLOTS];     /* a question with that tag is under way */
    bool rung;                        /* its bell is in use */
    bool dead;                        /* it broke the protocol; it is not listened to any more */
    uint8_t *ask, *answer;            /* private copies of a message */
};

struct guest_cpu {
    struct kvm_cpu cpu;
    struct guest *guest;
    app_addr_t shared; /* struct app_cpu */
    uint64_t stack_top, stack_size;
    pthread_t thread;
    bool started, stopping, waits;
    bool running;      /* it is in, or about to enter, the guest. atomically */
    int bell;          /* eventfd: it shall not wait, or no longer */
    timer_t timer;
};

struct guest {
    pthread_mutex_t lock;
    struct kvm_machine machine;
    struct space space;
    struct app_image image;
    struct guest_cpu cpus[KVM_APP_CPUS];
    unsigned ncpus;
    unsigned nchannels;
    struct channel channels[APP_CHANNELS];
    struct hostfs hostfs[APP_CHANNELS];
    struct tree devices;
    struct net net;
    struct channel *net_channel; /* its */
    struct guest_cpu *watcher;   /* waits for the network, too; NULL: none */
    bool watch_off;              /* the waiting thread leaves the network alone */
    uint64_t objects; /* bytes of the open files "mem" of devices */
    const struct guest_image *root; /* NULL: none */
    struct app_time time; /* as the guest sees it */
    uint64_t tsc_hz, first_tsc, first_ns, time_next;
    uint32_t status;
    bool exiting; /* atomically */
};

/* gate.c: serves the gate call in the CPU's registers; true: this CPU is to go on. */
bool gate_call(struct guest_cpu *);
/* guest.c */
void guest_end(struct guest *, uint32_t status); /* any thread */
int guest_poke(void); /* makes the waiting thread look anew; the eventfd that does so */
void guest_time(struct guest *); /* keeps the time page current */
uint64_t guest_now(void);        /* CLOCK_MONOTONIC, ns */
/* vcpu.c */
struct app_cpu *cpu_shared(struct guest_cpu *); /* where the monitor sees it */
void guest_cpu_signals(sigset_t *add);          /* how a CPU is stopped; to be blocked in all other threads */
void guest_note(struct guest_cpu *, uint32_t event); /* as guest_event(), but the CPU looks at it by itself soon */
void guest_bell(struct guest *, uint32_t number); /* the bell was rung, and the next time KVM shall do this */
void guest_roots(struct guest *); /* waits until no CPU uses old tables */
/* True if the range touches a struct app_cpu in use, which must stay. */
bool guest_holds(struct guest *, uint64_t addr, uint64_t len);
/* An event for a CPU: APP_EVENT_*. Any thread. */
void guest_event(struct guest_cpu *, uint32_t event);
err_t guest_cpu_start(struct guest *, unsigned number, uint64_t entry, uint64_t rsp, app_addr_t shared, uint64_t rdi);
/* channel.c, under the lock */
err_t channel_init(struct guest *, struct ninep_fs *, uint32_t nfids, bool read_only, app_addr_t at);
void channel_fini(struct channel *);
int64_t channel_kick(struct channel *);
void channel_poll(struct channel *); /* answers that had to wait */
void channel_serve(struct channel *); /* as a kick, but the guest is told of answers by an event */
/* The descriptor behind an open file that can be mapped, or -1. */
int channel_fd(struct channel *, uint32_t fid);
/* watch.c, under the lock, which it gives up while it waits */
/* Sleeps until the CPU's bell is rung, or the deadline, in ns of CLOCK_MONOTONIC; 0: none; serves the network meanwhile. */
void watch_wait(struct guest_cpu *, uint64_t deadline);
int watch_outside(struct guest *); /* how many milliseconds the waiting thread may sleep at most; -1: as it likes */
void watch_look(struct guest *);   /* by that thread */
/* console.c: stdin, stdout, stderr, ttyctl, mem */
int mem_fd(const struct ninep_fid *); /* of an open "mem" */
void console_init(struct guest *);
int console_wanted(struct guest *); /* the descriptor somebody waits to read from, or -1 */
void console_ready(struct guest *);
void console_restore(void);
/* sites.c: turns the `syscall` sites it is sure of in this mapped range into calls; how many */
unsigned sites_rewrite(struct space *, uint64_t addr, uint64_t len);
void sites_mapped(uint64_t addr, uint64_t len, int fd, uint64_t offset); /* a private mapping of a file: its sites may be known */
void sites_cache_open(const char *path); /* NULL, or what cannot be opened: none */
