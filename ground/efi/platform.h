#pragma once
/* The bare machine under the monitor, from leaving boot services to all CPUs running. monitor_start() calls, in order:
 *     platform_exit_boot_services(l);
 *     platform_start(l, boot_main, ap_main);
 * Everything in ground/ground.h works from boot_main() on; of it only ground_log() and panic() work before. */
#include "base/err.h"
#include "base/types.h"

struct acpi_info;
struct launch;

/* Leaves boot services, keeping the memory map. Interrupts are off and the old interrupt controllers are silent from
 * here on. Panics if the firmware does not let go. */
void platform_exit_boot_services(struct launch *);

/* Takes over memory, paging, exceptions, time and all CPUs. Then calls boot_main(l) on CPU 0 and ap_main(cpu) on each
 * other CPU, all with interrupts off and each on a stack of its own with a guard page below: the caller's stack is the
 * firmware's and is gone. When boot_main begins, ground_cpus() is final and every other CPU is in ap_main or about to
 * enter it. Neither may return. Shares of work that CPU 0 must do first are for the two functions to arrange. */
NORETURN void platform_start(struct launch *, void (*boot_main)(struct launch *), void (*ap_main)(unsigned cpu));

/* The machine's ACPI tables, or what every PC has where they cannot be read. */
const struct acpi_info *platform_acpi(void);

/* From now on each line of ground_log() goes to sink, without a newline, on any CPU. Until then lines go to COM1,
 * polled. */
void platform_log_to(void (*sink)(const char *line));
/* The whole text of a panic screen goes to draw, lines ended by '\n', after it has gone to COM1. May be NULL. Called
 * with all other CPUs stopped, perhaps inside a lock of anybody's: must take none. */
void platform_panic_to(void (*draw)(const char *text));

/* Git revision of the build. */
extern const char build_id[];
