/* An app guest's life on Linux: set-up, the loop of each CPU, signals and input from outside, the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "app/record.h"
#include "ground/linux/ctl.h"
#include "ground/linux/guest.h"
#include "ground/linux/rights.h"

#define SIGNAL_PATIENCE_MS 1000u
#define NET_PATIENCE_MS 3000
static int poke_fd;

uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t guest_now(void) { return clock_ns(CLOCK_MONOTONIC); }

/* --- events ---------------------------------------------------------------------------------------------------------- */
int guest_poke(void)
{
    uint64_t one = 1;

    (void)!write(poke_fd, &one, sizeof one);
    return poke_fd;
}

int guest_poked(void)
{
    uint64_t count;

    (void)!read(poke_fd, &count, sizeof count);
    return poke_fd;
}

void guest_end(struct app *g, uint32_t status)
{
    if (__atomic_exchange_n(&g->exiting, true, __ATOMIC_SEQ_CST))
        return;
    g->status = status;
    guest_poke();
}

/* --- time ------------------------------------------------------------------------------------------------------------- */
/* A rate measured over the guest's whole life, refreshed each second: between two refreshes the error stays far below a microsecond. */
void guest_time(struct app *g)
{
    uint64_t tsc = __builtin_ia32_rdtsc(), now = guest_now();
    struct app_time t = g->time;

    if (tsc < g->time_next)
        return;
    if (!g->first_tsc) {
        g->first_tsc = tsc;
        g->first_ns = now;
    } else {
        uint64_t here = t.mono + (uint64_t)((unsigned __int128)(tsc - t.tsc_base) * t.mult >> 32);
        if (tsc - g->first_tsc > g->tsc_hz) /* measured for a second at least */
            t.mult = (uint64_t)(((unsigned __int128)(now - g->first_ns) << 32) / (tsc - g->first_tsc));
        now = max_u64(now, here); /* the guest's clock does not go back */
    }
    t.tsc_base = tsc;
    t.mono = now;
    t.wall_offset = (int64_t)(clock_ns(CLOCK_REALTIME) - guest_now());
    t.seq = g->time.seq + 1;
    if (space_write(&g->space, APP_AREA_TIME, &t.seq, sizeof t.seq))
        return;
    (void)!space_write(&g->space, APP_AREA_TIME + sizeof t.seq, &t.pad, sizeof t - sizeof t.seq);
    t.seq++;
    (void)!space_write(&g->space, APP_AREA_TIME, &t.seq, sizeof t.seq);
    g->time = t;
    g->time_next = tsc + g->tsc_hz;
}

/* Ticks a second: as KVM says, else measured. A first value only, guest_time() makes it better. */
static uint64_t tsc_hz(struct app *g)
{
    uint64_t khz = kvm_machine_tsc_khz(&g->machine), tsc = __builtin_ia32_rdtsc(), now = guest_now();

    if (khz)
        return khz * 1000;
    usleep(2000);
    return (uint64_t)((unsigned __int128)(__builtin_ia32_rdtsc() - tsc) * 1000000000u / (guest_now() - now));
}

/* --- set-up ------------------------------------------------------------------------------------------------------------ */
static err_t part_map(void *owner, uint64_t at, uint64_t len, unsigned prot, uint64_t from)
{
    struct app *g = owner;

    return space_map_file(&g->space, at, len, prot, g->cfg->libos_fd, g->cfg->libos_at + from);
}

static err_t libos_load(struct app *g, const struct guest_config *cfg)
{
    struct app_image *i = &g->image;

    if (cfg->libos_size < sizeof *i || pread(cfg->libos_fd, i, sizeof *i, (off_t)cfg->libos_at) != sizeof *i || !libos_sound(i, cfg->libos_size))
        return ERR_FORMAT;
    kvm_machine_gates(&g->machine, i);
    return libos_map(&g->space, i, cfg->libos_size, part_map, g);
}

static struct app_boot boot; /* large */

static err_t strings_write(struct app *g, const struct guest_config *cfg, struct app_boot *b)
{
    struct record_strings s = { .space = &g->space, .at = APP_AREA_STRINGS };

    for (unsigned i = 0; i < cfg->argc; i++)
        record_string(&s, cfg->argv[i], strlen(cfg->argv[i]));
    for (unsigned i = 0; i < cfg->envc; i++)
        record_string(&s, cfg->env[i], strlen(cfg->env[i]));
    b->strings_size = (uint32_t)(s.at - APP_AREA_STRINGS);
    b->argc = cfg->argc;
    b->envc = cfg->envc;
    return s.e;
}

static err_t mount_add(struct app *g, struct app_boot *b, struct ninep_fs *fs, const struct guest_mount *m, uint32_t flags)
{
    struct channel *c = &g->channels[g->nchannels];
    struct app_mount *to = &b->mount[b->nmounts++];
    err_t e;

    *c = (struct channel){ .app = g, .space = &g->space, .at = APP_AREA_CHANNELS + g->nchannels * APP_CHANNEL_BYTES };
    c->server = (struct ninep_server){ .fs = fs, .nfids = flags & (APP_MOUNT_DEV | APP_MOUNT_NET) ? CHANNEL_FIDS_OWN : CHANNEL_FIDS,
                                       .read_only = m->read_only || m->layer };
    e = channel_init(c);
    g->nchannels += !e;
    *to = (struct app_mount){ .channel = c->at, .flags = flags };
    snprintf(to->at, sizeof to->at, "%s", m->at);
    return e;
}

static err_t mounts_make(struct app *g, const struct guest_config *cfg, struct app_boot *b)
{
    static const struct guest_mount dev = { .at = "/dev" }, net = { .at = "/net" };
    err_t e = OK;

    for (unsigned i = 0; !e && i < cfg->nmounts; i++) {
        const struct guest_mount *m = &cfg->mounts[i];
        e = hostfs_open(&g->hostfs[i], m->host);
        if (e) {
            fprintf(stderr, "goblin: cannot serve %s: %s\n", m->host, e == ERR_IO ? strerror(errno) : err_text(e));
            return e;
        }
        e = mount_add(g, b, &g->hostfs[i].fs, m, (m->read_only ? APP_MOUNT_READONLY : 0) | (m->layer ? APP_MOUNT_LAYER : 0));
    }
    console_init(g);
    if (!e)
        e = mount_add(g, b, &g->devices.fs, &dev, APP_MOUNT_DEV);
    if (!e)
        e = mount_add(g, b, &g->net.tree.fs, &net, APP_MOUNT_NET);
    g->net_channel = e ? NULL : &g->channels[g->nchannels - 1];
    return e;
}

/* The bytes below APP_TOP that are used at the start: the monitor's, the image's, and below them what the guest maps first. */
static uint64_t start_bytes(const struct app *g)
{
    return APP_TOP - APP_AREA + align_up(g->root ? g->root->size : 0, SPACE_UNIT) + MIB(8) + SPACE_UNIT;
}

/* Where the file system of an image is: below everything else of the monitor's; below that the guest will begin to map. */
static void root_place(const struct app *g, struct app_boot *b)
{
    b->image_size = g->root ? g->root->size : 0;
    b->image_flags = g->root ? g->root->flags : 0;
    b->free = APP_AREA - align_up(b->image_size, SPACE_UNIT);
    b->image = g->root ? b->free : 0;
}

/* What is a guest's own, at its start or a clone's. */
static err_t record_make(struct app *g, const struct guest_config *cfg)
{
    struct app_boot *b = &boot;
    err_t e = strings_write(g, cfg, b);

    record_fill(b, cfg->program, cfg->cwd, cfg->name);
    root_place(g, b);
    b->ncpus = g->ncpus;
    b->mem_limit = cfg->memory;
    b->bell = APP_AREA_GATE + 3;
    b->tty = (isatty(0) ? APP_TTY_IN : 0) | (isatty(1) ? APP_TTY_OUT : 0) | (isatty(2) ? APP_TTY_ERR : 0);
    b->uid = getuid();
    b->gid = getgid();
    b->pid = (uint32_t)getpid();
    b->umask = g->umask;
    b->flags = g->template ? APP_BOOT_TEMPLATE : 0;
    if (e || !g->ahead)
        return e ? e : record_write(&g->space, b);
    return space_write(&g->space, APP_AREA, b, sizeof *b);
}

static err_t boot_make(struct app *g, const struct guest_config *cfg)
{
    static const uint8_t gates[] = { 0xE7, KVM_APP_PORT, 0xC3,              /* the gate: out %eax, $port; ret */
                                     0x89, 0xF8, 0xE7, KVM_APP_BELL, 0xC3, /* the bell: mov %edi, %eax; out %eax, $port; ret */
                                     0x48, 0xAD, 0x8A, 0x10, 0xE2, 0xFA, 0xE7, KVM_APP_PORT }; /* GATE_TOUCH: 1: lodsq; mov (%rax), %dl; loop 1b; out */
    err_t e = space_map(&g->space, APP_AREA_GATE, PAGE_SIZE, APP_READ | APP_EXEC | APP_SMALL);

    if (!e)
        e = space_map(&g->space, APP_AREA_TIME, PAGE_SIZE, APP_READ | APP_SMALL);
    if (!e)
        e = space_write(&g->space, APP_AREA_GATE, gates, sizeof gates);
    if (!e)
        e = net_init(&g->net, cfg);
    if (!e)
        e = mounts_make(g, cfg, &boot);
    if (!e)
        e = record_make(g, cfg);
    return e || !g->root ? e : space_window(&g->space, boot.image, boot.image_size, g->root->fd, g->root->at);
}

static err_t poke_make(void)
{
    poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return poke_fd < 0 ? ERR_IO : OK;
}

/* What is shared with the process it was forked from stays that one's. */
err_t guest_renew(struct app *g, const struct guest_config *cfg)
{
    err_t e;

    pthread_mutex_init(&g->lock, NULL);
    close(poke_fd);
    e = poke_make();
    if (!e)
        e = kvm_machine_renew(&g->machine);
    if (!e)
        e = space_renew(&g->space);
    if (!e)
        e = net_renew(&g->net);
    if (!e)
        e = space_unmap(&g->space, APP_AREA_STRINGS, APP_AREA_STRINGS_MAX);
    boot = (struct app_boot){ 0 };
    if (!e)
        e = mounts_make(g, cfg, &boot);
    if (!e)
        e = guest_tell(g, cfg);
    return e ? e : guest_cpu_make(g, 0, g->kept.rip, g->cpus[0].shared);
}

err_t guest_go(struct app *g) { return guest_cpu_start(g, 0, &g->kept, g->cpus[0].shared); }

err_t guest_tell(struct app *g, const struct guest_config *cfg)
{
    g->cfg = cfg;
    guest_time(g);
    return record_make(g, cfg);
}

/* --- from outside -------------------------------------------------------------------------------------------------------- */
static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCONT };

static void signals_set_up(sigset_t *outside)
{
    sigset_t all;

    space_guard();
    signal(SIGPIPE, SIG_IGN); /* a write's error is enough */
    sigemptyset(outside);
    for (size_t i = 0; i < ARRAY_LEN(forwarded); i++)
        sigaddset(outside, forwarded[i]);
    all = *outside;
    guest_cpu_signals(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void signal_post(struct app *g, uint32_t n)
{
    __atomic_fetch_or(&cpu_shared(&g->cpus[0])->signals, 1ull << (n - 1), __ATOMIC_SEQ_CST);
    app_event(&g->cpus[0], APP_EVENT_SIGNAL);
}

static void signal_forward(struct app *g, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == sizeof info)
        signal_post(g, info.ssi_signo);
}

/* Whoever wanted this clone sends the numbers of its signals, and wants it no more when it is gone. */
static void client_ready(struct app *g)
{
    uint8_t n;

    if (read(g->client, &n, 1) != 1)
        guest_end(g, APP_EXIT_SIGNAL + SIGKILL);
    else if (n >= 1 && n <= 64)
        signal_post(g, n);
}

/* A guest that does not even look at a signal that ends programs is stuck: it ends by force. Milliseconds to wait, -1: nothing pends. */
static int signals_overdue(struct app *g, uint64_t since)
{
    const uint64_t ends = 1ull << (SIGINT - 1) | 1ull << (SIGTERM - 1) | 1ull << (SIGHUP - 1) | 1ull << (SIGQUIT - 1);
    uint64_t left = __atomic_load_n(&cpu_shared(&g->cpus[0])->signals, __ATOMIC_SEQ_CST) & ends, waited = (guest_now() - since) / 1000000;

    if (!since || !left)
        return -1;
    if (waited < SIGNAL_PATIENCE_MS)
        return (int)(SIGNAL_PATIENCE_MS - waited) + 1;
    guest_end(g, APP_EXIT_SIGNAL + (uint32_t)__builtin_ctzll(left) + 1);
    return 0;
}

/* Channels whose bell was rung once: their later rings come here without a word from the CPU. */
static void channels_rung(struct app *g)
{
    pthread_mutex_lock(&g->lock);
    for (unsigned i = 0; i < g->nchannels; i++)
        if (g->channels[i].wanted)
            channel_tell(&g->channels[i], true);
    pthread_mutex_unlock(&g->lock);
}

static void serve_outside(struct app *g, int signals)
{
    uint64_t since = 0;

    while (!guest_over(g)) {
        struct pollfd p[5] = { { .fd = poke_fd, .events = POLLIN }, { .fd = signals, .events = POLLIN }, { .fd = -1, .events = POLLIN },
                               { .fd = ctl_fd(), .events = POLLIN }, { .fd = g->client, .events = POLLIN } };
        int overdue = signals_overdue(g, since), look;
        uint64_t count;
        pthread_mutex_lock(&g->lock);
        p[2].fd = console_wanted(g);
        look = watch_outside(g);
        pthread_mutex_unlock(&g->lock);
        if (poll(p, 5, look >= 0 && (overdue < 0 || look < overdue) ? look : overdue) < 0)
            continue;
        if (p[0].revents && read(poke_fd, &count, sizeof count) > 0)
            channels_rung(g);
        if (p[1].revents)
            signal_forward(g, signals), since = guest_now();
        if (p[4].revents)
            client_ready(g), since = guest_now();
        if (p[3].revents)
            ctl_ready();
        if (look >= 0) {
            pthread_mutex_lock(&g->lock);
            watch_look(g);
            pthread_mutex_unlock(&g->lock);
        }
        if (p[2].revents) {
            pthread_mutex_lock(&g->lock);
            console_ready(g);
            for (unsigned i = 0; i < g->nchannels; i++)
                channel_tell(&g->channels[i], false);
            pthread_mutex_unlock(&g->lock);
        }
    }
}

/* From here on the monitor can do what serving this guest takes. */
static err_t rights_end(const struct guest_config *cfg)
{
    struct rights_tree trees[APP_CHANNELS + 3];
    unsigned n = 0;

    for (; n < cfg->nmounts; n++)
        trees[n] = (struct rights_tree){ .path = cfg->mounts[n].host, .write = !cfg->mounts[n].read_only };
    if (cfg->state)
        trees[n++] = (struct rights_tree){ .path = cfg->state, .write = true };
    if (ctl_dir())
        trees[n++] = (struct rights_tree){ .path = ctl_dir(), .remove = true, .sockets = cfg->template };
    if (cfg->template) /* each clone looks how much memory it has */
        trees[n++] = (struct rights_tree){ .path = "/proc" };
    return rights_drop(trees, n, (cfg->net != GUEST_NET_NONE || cfg->nports ? RIGHTS_NET : 0) | (cfg->template ? RIGHTS_TEMPLATE | RIGHTS_LISTEN : 0));
}

static err_t guest_start(struct app *g, const struct guest_config *cfg)
{
    err_t e = kvm_machine_init(&g->machine, &g->space.tables, cfg->cpuid);
    const char *missing = e ? kvm_machine_missing() : NULL;

    if (e) {
        fprintf(stderr, "goblin: %s\n", missing ? missing : "this /dev/kvm lacks what goblin needs (Linux 4.17 or newer)");
        return e;
    }
    e = space_init(&g->space, &g->machine, UINT64_MAX, start_bytes(g));
    if (!e)
        e = libos_load(g, cfg);
    if (!e)
        e = boot_make(g, cfg);
    if (e)
        goto failed;
    g->space.limit = cfg->memory + g->space.tables.pages * PAGE_SIZE + g->space.tables.used;
    g->tsc_hz = tsc_hz(g);
    g->time.mult = (uint64_t)(((unsigned __int128)1000000000u << 32) / g->tsc_hz);
    guest_time(g);
    ctl_open(g, cfg);
    e = cfg->template ? template_open(cfg) : OK;
    if (e)
        return e;
    e = rights_end(cfg);
    if (e)
        goto failed;
    g->space.started = true;
    e = guest_cpu_start(g, 0, &(struct kvm_regs_app){ .rip = g->image.entry, .rsp = g->image.stack, .rdi = APP_AREA, .rflags = KVM_APP_RFLAGS },
                        g->image.cpu0);
    if (!e)
        return OK;
failed:
    fprintf(stderr, "goblin: the guest could not be set up: %s\n", err_text(e));
    return e;
}

/* As many as the process may use itself, unless fewer are asked for. */
static unsigned cpus_wanted(const struct guest_config *cfg)
{
    cpu_set_t set;
    unsigned have = sched_getaffinity(0, sizeof set, &set) ? 1 : (unsigned)CPU_COUNT(&set);
    unsigned most = have < KVM_APP_CPUS ? have : KVM_APP_CPUS;

    return cfg->cpus && cfg->cpus < most ? cfg->cpus : most;
}

err_t guest_run(const struct guest_config *cfg, int *status, int *killed)
{
    struct app *g = calloc(1, sizeof *g);
    sigset_t outside;
    err_t e;
    int signals;

    if (!g)
        return ERR_NOMEM;
    rights_close(cfg->libos_fd);
    *killed = 0;
    *status = cfg->template ? template_part() : -1;
    if (*status >= 0)
        return OK;
    pthread_mutex_init(&g->lock, NULL);
    g->cfg = cfg;
    g->template = cfg->template;
    g->client = -1;
    g->umask = umask(0); /* the guest applies its own */
    g->root = cfg->image;
    sites_cache_open(cfg->sites);
    g->ncpus = cpus_wanted(cfg);
    signals_set_up(&outside);
    signals = signalfd(-1, &outside, SFD_CLOEXEC | SFD_NONBLOCK);
    e = poke_make() || signals < 0 ? ERR_IO : guest_start(g, cfg);
    if (e)
        return e;
    serve_outside(g, signals);
    if (g->frozen)
        template_serve(g, signals);
    serve_outside(g, signals);
    console_restore();
    pthread_mutex_lock(&g->lock); /* no CPU of it does anything any more */
    net_drain(&g->net, NET_PATIENCE_MS);
    *killed = g->status & APP_EXIT_SIGNAL ? (int)(g->status & 0x7F) : 0;
    *status = *killed ? 128 + *killed : (int)(g->status & 0xFF);
    template_end(g, *status, *killed);
    ctl_close(*status, *killed);
    return OK; /* threads and memory end with the process */
}
