#pragma once
/* One app guest and the process that monitors it: a thread for each guest CPU, one more that waits for signals and for input.
 * guest->lock guards everything but what is marked; a guest CPU holds it only while its gate call is served. */
#include <pthread.h>
#include <signal.h>
#include "app/area.h"
#include "app/calls.h"
#include "ground/linux/hostfs.h"
#include "ground/linux/net.h"
#include "ground/linux/run.h"
#include "ground/linux/space.h"
#include "ninep/tree.h"

#define GATE_TOUCH 8u            /* in the gate's page: reads a byte at each of the rcx addresses at rsi */
#define CHANNEL_FIDS 4096u       /* files of a host directory that a guest may hold at a time */
#define CHANNEL_FIDS_OWN 512u    /* of the monitor's own trees: the table costs memory in every guest */

struct app_vcpu {
    struct kvm_cpu cpu;
    struct app *guest;
    app_addr_t shared; /* struct app_cpu */
    uint64_t stack_top, stack_size;
    pid_t tid;         /* of its thread, once that is there */
    bool started, stopping, waits;
    bool running;      /* it is in, or about to enter, the guest. atomically */
    int bell;          /* eventfd: it shall not wait, or no longer */
    timer_t timer;
};

struct app {
    pthread_mutex_t lock;
    struct kvm_machine machine;
    struct space space;
    struct app_image image;
    struct app_vcpu cpus[KVM_APP_CPUS];
    unsigned ncpus;
    unsigned nchannels;
    struct channel channels[APP_CHANNELS];
    struct hostfs hostfs[APP_CHANNELS];
    struct tree devices;
    struct net net;
    struct channel *net_channel; /* its */
    struct app_vcpu *watcher;   /* waits for the network, too; NULL: none */
    bool watch_off;              /* the waiting thread leaves the network alone */
    uint64_t objects; /* bytes of the open files "mem" of devices */
    const struct guest_config *cfg;
    const struct guest_image *root; /* NULL: none */
    struct app_time time; /* as the guest sees it */
    uint64_t tsc_hz, first_tsc, first_ns, time_next;
    uint32_t status, umask;
    bool exiting; /* atomically */
    bool template;           /* it is to become one */
    bool ahead;              /* a clone that nobody wants yet */
    struct app_vcpu *frozen; /* it has: the CPU that said so. atomically */
    struct kvm_regs_app kept; /* that CPU's */
    int client;              /* of a clone: the socket of whoever wanted it; -1: none */
};

/* No CPU of it goes on. */
static inline bool guest_over(const struct app *g)
{
    return __atomic_load_n(&g->exiting, __ATOMIC_SEQ_CST) || __atomic_load_n(&g->frozen, __ATOMIC_SEQ_CST);
}

/* gate.c: serves the gate call in the CPU's registers; true: this CPU is to go on. */
bool gate_call(struct app_vcpu *);
/* guest.c */
void guest_end(struct app *, uint32_t status); /* any thread */
int guest_poke(void); /* makes the waiting thread look anew; the eventfd that does so */
int guest_poked(void); /* the same eventfd, and what was poked is forgotten */
void guest_time(struct app *); /* keeps the time page current */
uint64_t clock_ns(clockid_t);
uint64_t guest_now(void);        /* CLOCK_MONOTONIC, ns */
/* For a clone: all but its memory, as if it were new; then its CPU goes on; then, when its name and arguments are known, its boot record tells them. */
MUST_USE err_t guest_renew(struct app *, const struct guest_config *);
MUST_USE err_t guest_go(struct app *);
MUST_USE err_t guest_tell(struct app *, const struct guest_config *);
/* template.c */
/* Splits the process: the command's waits until the template is ready, its exit status; the one that becomes it: -1. */
int template_part(void);
MUST_USE err_t template_open(const struct guest_config *); /* before rights_drop(). On an error a line has been written */
/* Serves a frozen guest: returns in each clone, whose CPU runs, and in the template when it is to end. */
void template_serve(struct app *, int signals);
/* By the CPU of a clone that has made all that can be made ahead, under the lock: returns when somebody wants this clone. */
void template_wait(struct app *);
void template_end(struct app *, int status, int killed); /* told to whoever wanted this clone; the template's name is free */
/* hot.c: pages that clones use */
void hot_share(void);                /* by the template, before there are any */
void hot_tell(const struct app *);   /* by one that ends */
void hot_touch(struct app *);        /* by one that is made, before its CPU goes on */
/* vcpu.c */
bool thread_signal(pid_t tid, int n); /* a thread of this process; false: there is none */
bool thread_start(void *(*)(void *), void *arg, size_t stack); /* one that nobody waits for. stack 0: the system's choice */
struct app_cpu *cpu_shared(struct app_vcpu *); /* where the monitor sees it */
void guest_cpu_signals(sigset_t *add);          /* how a CPU is stopped; to be blocked in all other threads */
void guest_note(struct app_vcpu *, uint32_t event); /* as app_event(), but the CPU looks at it by itself soon */
void guest_bell(struct app *, uint32_t number); /* the bell was rung, and the next time KVM shall do this */
void guest_roots(struct app *); /* waits until no CPU uses old tables */
MUST_USE err_t guest_cpu_make(struct app *, unsigned number, uint64_t entry, app_addr_t shared); /* all but its start */
MUST_USE err_t guest_cpu_start(struct app *, unsigned number, const struct kvm_regs_app *, app_addr_t shared);
void guest_cpu_touch(struct app *, const uint64_t *pages, uint64_t n); /* the first CPU, which was made, reads of each, and KVM knows it; all are mapped */
void guest_cpus_end(struct app *); /* when it is over: waits for all CPUs, and takes them away */
/* channel.c, under the lock */
MUST_USE err_t channel_serve(struct channel *);  /* as a kick of the guest's: with answers that had to wait */
void channel_tell(struct channel *, bool kick);  /* the same if kick, and an event for the guest if there are answers */
/* watch.c, under the lock, which it gives up while it waits */
/* Sleeps until the CPU's bell is rung, or the deadline, in ns of CLOCK_MONOTONIC; 0: none; serves the network meanwhile. */
void watch_wait(struct app_vcpu *, uint64_t deadline);
int watch_outside(struct app *); /* how many milliseconds the waiting thread may sleep at most; -1: as it likes */
void watch_look(struct app *);   /* by that thread */
/* console.c: stdin, stdout, stderr, ttyctl, mem */
int mem_fd(const struct ninep_fid *); /* of an open "mem" */
void console_init(struct app *);
int console_wanted(struct app *); /* the descriptor somebody waits to read from, or -1 */
void console_ready(struct app *);
void console_restore(void);
/* sites.c: turns the `syscall` sites it is sure of in this mapped range into calls; how many */
unsigned sites_rewrite(struct space *, uint64_t addr, uint64_t len);
void sites_mapped(uint64_t addr, uint64_t len, int fd, uint64_t offset); /* a private mapping of a file: its sites may be known */
void sites_cache_open(const char *path); /* NULL, or what cannot be opened: none */
