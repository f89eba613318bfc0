#pragma once
/* An app guest: what stands behind the ABI of abi/app.h. A machine beside dev/pc.c: it has a space instead of RAM and devices, its
 * CPUs run only at CPL 3 (vm/user.h), and its channels are 9P servers of the trees its namespace names. vm->pc is its struct app.
 *
 * The parts: app.c its life, boot.c what it finds at its start, run.c its CPUs, gate.c what it can call, channel.c its files. */
#include "app/area.h"
#include "app/channel.h"
#include "vm/user.h"
#include "vm/vm.h"
#include "vm/work.h"

extern const struct machine machine_app;

#define CHANNEL_FIDS 512u
#define CHANNEL_FIDS_DEV 64u /* its own devices are few */

/* A CPU of an app guest. */
struct app_vcpu {
    struct vcpu v;
    struct app *app;
    struct user_exit exit;
    /* its own CPU, and CPU_START before it runs */
    app_addr_t shared;                 /* its struct app_cpu */
    struct app_cpu *head;              /* the first 16 bytes of that, pinned */
    uint64_t *signals;                 /* its field of that name, pinned */
    uint64_t stack_top, stack_size;
    uint64_t fault_at;                 /* APP_FAULT */
    uint64_t timer, wait_end;          /* TSC; 0: none */
    bool waiting;                      /* in APP_WAIT */
    bool kicking;                      /* in APP_KICK of a channel that CPU 0's loop serves */
    bool reset;                        /* the backend's registers are to be those of a start */
    /* any CPU, atomic */
    _Atomic bool served;               /* that has been done */
    _Atomic bool started;              /* between CPU_START and CPU_STOP */
    _Atomic bool rung;                 /* the bell, or an event: APP_WAIT ends, or the next one */
    _Atomic bool inside;               /* it runs the guest, or is about to */
    _Atomic uint32_t events;           /* APP_EVENT_*: to be told to the guest */
    _Atomic uint64_t posted;           /* signals: the same */
};

/* What is known of the file it is made of; of a clone, that of its template. */
struct app_file {
    struct app_image libos;            /* where the libos wants to be called */
    hpa_t fs;                          /* the image's file system */
    uint64_t fs_size;
    uint32_t fs_flags;                 /* IMAGE_* */
    const char *program, *cwd;
    uint64_t given;                    /* pages that do not count */
};

struct app {
    struct vm *vm;
    const struct user_ops *user;       /* what runs its CPUs */
    struct space space;
    struct app_file file;
    struct app_vcpu *frozen;           /* of a template: the CPU that its clones go on as */
    struct app_vcpu *cpu[VM_VCPUS_MAX];
    unsigned nchannels;
    struct channel channel[APP_CHANNELS]; /* those served here: under vm->lock; the others: CPU 0's loop */
    struct work work;                  /* serves the others, and what waits in any of them */
    _Atomic bool watched;              /* the work looks again when something changes */
};

static inline struct app_vcpu *app_vcpu_of(struct vcpu *v) { return container_of(v, struct app_vcpu, v); }

/* --- boot.c --- */
/* Maps libos, image and the monitor's part, and makes the boot CPU ready to start. ERR_FORMAT, ERR_UNSUPPORTED: the image, with the
 * reason in vm->why_text; ERR_NOMEM, ERR_RANGE, ERR_FULL. What was made before an error stays for the caller to undo. */
MUST_USE err_t app_boot(struct app *);
/* The same for a clone of a template (vm_is_template). */
MUST_USE err_t app_boot_clone(struct app *, struct app *of);

/* --- run.c --- */
extern const struct machine_run app_machine_run;
/* Tells a CPU of the guest that something has happened: APP_EVENT_*. Any CPU, any lock. */
void app_event(struct app_vcpu *, uint32_t event);
void app_signal(struct app *, unsigned signal); /* to the boot CPU */
uint64_t app_tsc_of(uint64_t ns);               /* a deadline of the guest's clock; 0 stays 0 */
/* Sets a CPU going. ERR_INVAL, ERR_RANGE: its struct app_cpu, or the stack in it. The CPU does not run. */
MUST_USE err_t app_cpu_start(struct app_vcpu *, uint64_t entry, uint64_t rsp, app_addr_t shared, uint64_t rdi);
/* Sets a clone's CPU going where one of its template has stopped. ERR_NOMEM. */
MUST_USE err_t app_cpu_go_on(struct app_vcpu *, const struct app_vcpu *as);

/* --- gate.c --- */
/* Serves the call in the CPU's registers. */
void app_gate(struct app_vcpu *);
void app_bell(struct app_vcpu *); /* the same for the bell */

/* --- app.c --- */
/* Once, before the first guest, when ground_cpus() is final. ERR_NOMEM. */
MUST_USE err_t app_init(void);
/* One more channel, for this tree. here: see struct channel. */
MUST_USE err_t app_channel_add(struct app *, struct ninep_fs *, bool read_only, bool here);
