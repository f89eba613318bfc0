/* What is behind the gate on Linux: see app/calls.h. Called by the CPU's own thread, which holds guest->lock but while it sleeps. */
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>
#include "ground/linux/guest.h"

#define NS_PER_S 1000000000ull

struct app_view app_view(const struct app_vcpu *c)
{
    struct app *g = c->guest;

    return (struct app_view){ .app = g, .space = &g->space, .channel = g->channels, .nchannels = g->nchannels, .ncpus = g->ncpus,
                              .image_size = g->root ? g->root->size : 0 };
}

void app_log(struct app_vcpu *, const char *line, size_t n)
{
    fprintf(stderr, "goblin: %.*s\n", (int)n, line);
}

void app_end(struct app_vcpu *c, uint32_t status) { guest_end(c->guest, status); }

err_t app_map_image(struct app *g, uint64_t at, uint64_t len, unsigned prot, uint64_t from)
{
    return space_map_file(&g->space, at, len, prot, g->root->fd, g->root->at + from);
}

/* In the template no CPU goes on; its clones return from the call: template.c. They call again when they have come as far as all clones come. */
bool app_template(struct app_vcpu *c)
{
    if (c->guest->ahead) {
        template_wait(c->guest);
        return true;
    }
    if (!c->guest->template || c->guest->frozen)
        return false;
    __atomic_store_n(&c->guest->frozen, c, __ATOMIC_SEQ_CST);
    guest_poke();
    return true;
}

err_t app_kick(struct app_vcpu *c, unsigned n)
{
    struct app *g = c->guest;

    guest_time(g);
    err_t e = channel_serve(&g->channels[n]);
    if (console_wanted(g) >= 0)
        guest_poke();
    return e;
}

void app_wait(struct app_vcpu *c, uint64_t deadline)
{
    watch_wait(c, deadline);
    guest_time(c->guest);
}

struct app_vcpu *app_cpu_running(const struct app *g, uint64_t number)
{
    return number < g->ncpus && g->cpus[number].started ? (struct app_vcpu *)&g->cpus[number] : NULL;
}

err_t app_cpu_wanted(struct app *g, uint64_t number, uint64_t entry, uint64_t rsp, app_addr_t shared)
{
    if (number >= g->ncpus)
        return ERR_INVAL;
    return g->cpus[number].started ? ERR_BUSY : guest_cpu_start(g, (unsigned)number, &(struct kvm_regs_app){ .rip = entry, .rsp = rsp, .rflags = KVM_APP_RFLAGS }, shared);
}

app_addr_t app_cpu_shared(const struct app_vcpu *c) { return c->shared; }

err_t app_cpu_stop(struct app_vcpu *c)
{
    if (c->cpu.number == 0)
        return ERR_INVAL;
    c->stopping = true;
    return OK;
}

err_t app_timer(struct app_vcpu *c, uint64_t deadline)
{
    const struct itimerspec when = { .it_value = { (time_t)(deadline / NS_PER_S), (long)(deadline % NS_PER_S) } };

    return timer_settime(c->timer, TIMER_ABSTIME, &when, NULL) ? ERR_INVAL : OK;
}

uint64_t app_fault_at(struct app_vcpu *c) { return kvm_cpu_fault(&c->cpu); }

unsigned app_rewrite(struct app *g, uint64_t at, uint64_t len) { return sites_rewrite(&g->space, at, len); }

bool gate_call(struct app_vcpu *c)
{
    struct kvm_regs_app *r = c->cpu.regs;
    const uint64_t a[5] = { r->rdi, r->rsi, r->rdx, r->r8, r->r9 };

    /* the number is in rax: rcx is taken by the C convention's fourth argument, which the gate's code has moved to r8 */
    r->rax = (uint64_t)app_call(c, r->rax, a);
    kvm_cpu_dirty(&c->cpu);
    guest_roots(c->guest);
    return !c->stopping && !guest_over(c->guest);
}
