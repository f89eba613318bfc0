#pragma once
/* The gate's calls: their table, and all checks of arguments that are the same on all grounds. What is behind them is the ground's. */
#include "app/channel.h"

struct app_vcpu;

/* Serves a call of this CPU, which calls it itself; the result for rax. Arguments are copies in registers. */
int64_t app_call(struct app_vcpu *, uint64_t number, const uint64_t a[5]);
/* A copy of the struct app_cpu that a CPU is to be started with. ERR_RANGE: it, the stack in it or the entry. */
MUST_USE err_t app_cpu_check(struct space *, uint64_t entry, app_addr_t shared, struct app_cpu *);

/* --- the ground's: app/gate.c, ground/linux/gate.c ------------------------------------------------------------------------------ */
/* What the table must know of a guest. */
struct app_view {
    struct app *app;
    struct space *space;
    struct channel *channel;
    unsigned nchannels, ncpus;
    uint64_t image_size; /* of the image's file system; 0: none */
};
struct app_view app_view(const struct app_vcpu *);
void app_log(struct app_vcpu *, const char *line, size_t n);
void app_end(struct app_vcpu *, uint32_t status);
/* Part of the image's file system; a file of a channel. ERR_UNSUPPORTED: that has no pages of its own. */
MUST_USE err_t app_map_image(struct app *, uint64_t at, uint64_t len, unsigned prot, uint64_t from);
MUST_USE err_t app_map_file(struct channel *, uint32_t fid, uint64_t at, uint64_t len, unsigned prot, uint64_t from);
bool app_template(struct app_vcpu *); /* see APP_TEMPLATE: true in a clone */
MUST_USE err_t app_kick(struct app_vcpu *, unsigned channel);
void app_wait(struct app_vcpu *, uint64_t deadline);
struct app_vcpu *app_cpu_running(const struct app *, uint64_t number); /* NULL: it does not run, or there is none */
app_addr_t app_cpu_shared(const struct app_vcpu *);                    /* its struct app_cpu */
void app_event(struct app_vcpu *, uint32_t event);                     /* APP_EVENT_*. Any CPU */
MUST_USE err_t app_cpu_wanted(struct app *, uint64_t number, uint64_t entry, uint64_t rsp, app_addr_t shared);
MUST_USE err_t app_cpu_stop(struct app_vcpu *);
MUST_USE err_t app_timer(struct app_vcpu *, uint64_t deadline);
uint64_t app_fault_at(struct app_vcpu *);
unsigned app_rewrite(struct app *, uint64_t at, uint64_t len); /* how many */
