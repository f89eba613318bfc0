/* The monitor's life after the menu: takes the machine over, makes the guests, and runs them on every CPU for ever. */
#include <stdatomic.h>

#include "app/app.h"
#include "arch/x86/cpu.h"
#include "base/fmt.h"
#include "base/str.h"
#include "dev/pc.h"
#include "ground/efi/drivers.h"
#include "ground/efi/launch.h"
#include "ground/efi/platform.h"
#include "ground/ground.h"
#include "io/blk.h"
#include "ns/ns.h"
#include "vm/cpu.h"
#include "vm/cpuid.h"
#include "vm/panic.h"
#include "vm/sched.h"
#include "vm/work.h"

#define REAP_RETRY_NS 1000000u /* while a stopping guest's disk requests come home */

static _Atomic bool ready; /* CPU 0 has set up what the others need */

static void cpu_begin(void)
{
    if ((user && user->cpu_start()) || (cpu && cpu->cpu_start()) || (user_vm && user_vm->cpu_start()))
        panic("cpu %u: no memory for the hypervisor's own pages", ground_cpu());
}

/* Finds a guest's disks. One that is missing stays NULL and stops that guest's start with a message. */
static void resolve_disks(struct vm_config *cfg)
{
    for (unsigned i = 0; i < cfg->ndisks; i++)
        cfg->blk[i] = blk_find(cfg->disk[i]);
}

static const struct launch *launch;

/* What `disk` names, for guests that are made at run time: a file is there only if it became a RAM disk at start. */
static struct blk *disk_find(const char *name)
{
    for (unsigned i = 0; *name == '/' && i < launch->nram_disks; i++) {
        char ram[16];
        (void)fmt_text(ram, sizeof ram, "ram%u", i);
        if (str_eq(launch->ram_disk[i].path, name))
            return blk_find(ram);
    }
    return blk_find(name);
}

static void files_init(struct launch *l, const char *no_isolation)
{
    static struct ns_file file[LAUNCH_FILES];
    static struct ns_setup setup = { .file = file, .disk = disk_find, .pc = &machine_pc, .app = &machine_app, .added = drivers_console_add,
                                     .removed = drivers_console_remove };

    setup.no_isolation = no_isolation;
    launch = l;
    for (; setup.nfiles < l->nfiles; setup.nfiles++)
        file[setup.nfiles] = (struct ns_file){ l->file[setup.nfiles].path, l->file[setup.nfiles].blob };
    ns_init(&setup);
}

static void make_guests(struct launch *l)
{
    struct vm *vm;

    for (unsigned i = 0; i < l->nvms; i++) {
        resolve_disks(&l->vm[i]);
        err_t e = ns_guest_add(&l->vm[i], l->vm[i].app ? &machine_app : &machine_pc, &vm);
        if (e)
            ground_log("%s: not added: %s", l->vm[i].name, err_text(e));
    }
}

static uint64_t reap_chore(uint64_t now)
{
    return vm_reap() ? now + ground_ns_to_tsc(REAP_RETRY_NS) : UINT64_MAX;
}

static void boot_main(struct launch *l)
{
    const char *no_systems = drivers_cpu(), *no_apps = drivers_user(false), *no_isolation = drivers_user(true);

    if (no_systems && no_apps)
        panic("no guest can run here: %s; %s", no_systems, no_apps);
    cpuid_init();
    cpu_begin();
    if (app_init())
        panic("no memory for apps");
    sched_init();
    drivers_init(l);
    files_init(l, no_isolation);
    work_init();
    make_guests(l);
    sched_add_chore(reap_chore);
    sched_add_chore(panic_chore);
    atomic_store(&ready, true);
    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(vm))
        if (vm->cfg.autostart)
            (void)vm_start(vm); /* a failure is logged and shown beside the guest */
    sched_run();
}

static void ap_main(unsigned)
{
    while (!atomic_load(&ready))
        cpu_pause();
    cpu_begin();
    sched_run();
}

void monitor_start(struct launch *l)
{
    platform_exit_boot_services(l);
    platform_start(l, boot_main, ap_main);
}
