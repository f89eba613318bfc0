/* Power, reset, panic: dev/power.h. Handlers run under vm->lock. */
#include "dev/power.h"

#include "dev/pc_map.h"
#include "ground/ground.h"
#include "vm/irq.h"
#include "vm/vm.h"

enum { SLEEP_ENABLE = 0x20, SLEEP_TYPE_SHIFT = 2, SLEEP_TYPE_MASK = 7 };
enum { PVPANIC_PANICKED = 1, PVPANIC_CRASH_LOADED = 2 };
enum { KBD_RESET_MASK = 0xF1, KBD_RESET = 0xF0 }; /* commands F0-FE pulse output lines; bit 0 clear: the reset line */

static err_t power_read(void *dev, uint64_t off, unsigned, uint64_t *val)
{
    struct power *p = dev;

    *val = 0; /* sleep status: never woke up; keyboard status: ready for a command */
    if (off == PC_EVENT_PORT - PC_SLEEP_PORT) {
        *val = p->events;
        p->events = 0;
    }
    return OK;
}

static err_t sleep_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    struct power *p = dev;

    if (off == 0 && size == 1 && val & SLEEP_ENABLE && (val >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == PC_SLEEP_TYPE_S5)
        vm_stop(p->vm, VM_POWERED_OFF, "by ACPI");
    return OK;
}

static err_t kbd_write(void *dev, uint64_t, unsigned, uint64_t val)
{
    struct power *p = dev;

    if ((val & KBD_RESET_MASK) == KBD_RESET)
        vm_stop(p->vm, VM_REBOOTED, "by the keyboard controller");
    return OK;
}

static err_t pvpanic_read(void *, uint64_t, unsigned, uint64_t *val)
{
    *val = PVPANIC_PANICKED | PVPANIC_CRASH_LOADED; /* the events it knows */
    return OK;
}

static err_t pvpanic_write(void *dev, uint64_t, unsigned, uint64_t val)
{
    struct power *p = dev;

    if (val & PVPANIC_PANICKED)
        vm_stop(p->vm, VM_PANICKED, "its last words are on its console");
    else if (val & PVPANIC_CRASH_LOADED)
        ground_log("%s: panicked, its crash kernel takes over", p->vm->cfg.name);
    return OK;
}

err_t power_init(struct power *p, struct vm *vm)
{
    static const struct bus_ops kbd = { power_read, kbd_write }, sleep = { power_read, sleep_write };
    static const struct bus_ops pvpanic = { pvpanic_read, pvpanic_write };
    err_t e;

    *p = (struct power){ .vm = vm };
    e = bus_add(vm, BUS_PIO, PC_KBD_PORT, 1, &kbd, p);
    if (!e)
        e = bus_add(vm, BUS_PIO, PC_PVPANIC_PORT, 1, &pvpanic, p);
    if (!e)
        e = bus_add(vm, BUS_PIO, PC_SLEEP_PORT, PC_EVENT_PORT + 1 - PC_SLEEP_PORT, &sleep, p);
    return e;
}

void power_button(struct power *p)
{
    lock_take(&p->vm->lock);
    p->events |= PC_EVENT_POWER_BUTTON;
    irq_line(p->vm, PC_EVENT_GSI, true); /* an edge */
    irq_line(p->vm, PC_EVENT_GSI, false);
    lock_drop(&p->vm->lock);
}
