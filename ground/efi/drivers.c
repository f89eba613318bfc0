/* Names the backends and drivers this ground is made of. With main.c the only place that does. */
#include "ground/efi/drivers.h"
#include "base/fmt.h"
#include "console/console.h"
#include "cpu/ring3/ring3.h"
#include "cpu/svm/svm.h"
#include "ground/efi/launch.h"
#include "ground/efi/platform.h"
#include "ground/ground.h"
#include "hal/disks.h"
#include "hal/fb.h"
#include "hal/ps2.h"
#include "hal/uart.h"
#include "io/ramdisk.h"
#include "ns/ns.h"
#include "vm/cpu.h"
#include "vm/sched.h"

#define WATCH_NS 1000000000ull /* between two looks for disks that have died */

static const struct cpu_ops *const cpu_backends[] = { &cpu_svm }; /* the first that works wins */

static struct uart uart;
static struct ps2 ps2;
static struct fb fb;
static bool has_screen;

const char *drivers_cpu(void)
{
    const char *lacks = NULL;

    for (unsigned i = 0; i < ARRAY_LEN(cpu_backends); i++) {
        cpu = cpu_backends[i];
        lacks = cpu->lacks();
        if (!lacks)
            return NULL;
    }
    cpu = NULL;
    return lacks;
}

const char *drivers_user(bool isolated)
{
    const struct user_ops *ops = isolated ? &cpu_svm_user : &cpu_ring3;
    const char *lacks = ops->lacks();

    *(isolated ? &user_vm : &user) = lacks ? NULL : ops;
    return lacks;
}

/* --- console --- */

static void log_line(const char *line)
{
    ns_log(line);
    console_log(line);
}

static void draw_panic(const char *text) { fb_print(&fb, text); }

static void console_start(const struct launch *l)
{
    struct console_config c = { .build_id = build_id, .wake = sched_kick_chores };
    struct fb_mode mode = {
        .base = hpa_ptr(hpa(l->screen.base)), .width = l->screen.width, .height = l->screen.height, .pitch = l->screen.pitch,
        .red_shift = l->screen.red_shift, .green_shift = l->screen.green_shift, .blue_shift = l->screen.blue_shift,
    };
    bool has_uart = !uart_init(&uart, &port_hw, UART_COM1), has_keys = !ps2_init(&ps2, &port_hw);

    has_screen = l->screen.base && !fb_init(&fb, &mode, 80, 24);
    c.serial = has_uart ? &uart.serial : NULL;
    c.keyboard = has_keys ? &ps2.keyboard : NULL;
    c.screen = has_screen ? &fb.screen : NULL;
    if (console_init(&c))
        panic("console: not enough memory");
    platform_log_to(log_line);
    if (has_screen)
        platform_panic_to(draw_panic);
    if (has_uart)
        uart_start(&uart, UART_COM1_IRQ);
    if (has_keys)
        ps2_start(&ps2, PS2_IRQ);
    sched_add_chore(console_run);
}

void drivers_console_add(struct vm *vm)
{
    err_t e = console_add_vm(vm);

    if (e && !*vm->cfg.from) /* of clones there are more than anybody looks at */
        ground_log("%s: no console: %s", vm->cfg.name, err_text(e));
}

void drivers_console_remove(struct vm *vm) { console_remove_vm(vm); }

/* --- disks --- */

static uint64_t watch_chore(uint64_t now)
{
    hal_disks_watch();
    return now + ground_ns_to_tsc(WATCH_NS);
}

static void ram_disk_add(struct ramdisk *r, unsigned n, const char *path, const struct blob *file)
{
    char name[16];

    (void)fmt_text(name, sizeof name, "ram%u", n);
    if (ramdisk_init(r, name, (void *)(uintptr_t)file->data, file->size))
        ground_log("%s: no disk: its size is not a multiple of %u bytes", path, BLK_SECTOR);
    else
        hal_disk_add(&r->blk, path);
}

void drivers_init(struct launch *l)
{
    static struct ramdisk ram_disk[ARRAY_LEN(l->ram_disk)];

    console_start(l);
    hal_disks_probe(platform_acpi());
    for (unsigned i = 0; i < l->nram_disks; i++)
        ram_disk_add(&ram_disk[i], i, l->ram_disk[i].path, &l->ram_disk[i].file);
    sched_add_chore(watch_chore);
}
