#pragma once
/* What the monitor needs from whatever owns the hardware below it. ground/efi implements it on the bare machine after
 * leaving boot services, ground/fake in a test program (pages counted, failures injected, time moved by hand).
 *
 * The one rule of interrupts: the monitor runs with interrupts off. They are let in only by ground_irq_window() and
 * ground_idle(), at the scheduler's loop, where no lock is held. So an interrupt handler is ordinary code: it may take
 * any lock, complete I/O, wake a vCPU. It must not call ground_irq_window() itself. */
#include <stdarg.h>
#include "base/err.h"
#include "base/panic.h"

#define CPU_MAX 64

/* --- memory: runs of 2^order pages, aligned to their size, contents undefined. Any CPU. --- */
#define PAGE_ORDER_2M 9
MUST_USE err_t ground_pages_get(unsigned order, hpa_t *out); /* ERR_NOMEM */
void ground_pages_put(hpa_t at, unsigned order);
/* A run may have several owners: n more of them, each of which puts it once. at: as ground_pages_get() gave it. Any CPU. */
void ground_pages_hold(hpa_t at, uint32_t n);
bool ground_pages_shared(hpa_t at); /* it has more than one */
bool ground_pages_leave(hpa_t at);  /* one owner fewer, if others stay; false: the caller is the only one, and still is */
uint64_t ground_pages_free(void);  /* count of free 4 KiB pages */
uint64_t ground_pages_total(void); /* count of all the ground gives out */

/* Smallest order whose run holds bytes. */
static inline unsigned page_order(uint64_t bytes)
{
    unsigned order = 0;
    while ((uint64_t)PAGE_SIZE << order < bytes)
        order++;
    return order;
}
/* Zeroed memory for a monitor object, at set-up time only; NULL when out of memory. Page granular. */
MUST_USE void *ground_alloc(size_t bytes);
void ground_free(void *p, size_t bytes); /* p may be NULL; bytes as given to ground_alloc */
/* Makes a device's registers reachable, uncached, at their physical address. May be asked again. Boot CPU. */
void ground_mmio_map(hpa_t at, uint64_t len);

/* The page table of the last 512 GiB of the address space, the same in all page tables the monitor runs on. Empty: a CPU backend
 * puts there what its guests' tables must map, too. */
hpa_t ground_top_table(void);

/* --- CPUs --- */
unsigned ground_cpus(void);         /* how many run; numbered from 0, the boot CPU */
unsigned ground_cpu(void);          /* the one this runs on */
void ground_cpu_kick(unsigned cpu); /* makes it leave the guest or idle soon; any CPU */

/* --- time: the TSC, the same on all CPUs --- */
uint64_t ground_tsc(void);
uint64_t ground_tsc_hz(void);
uint64_t ground_wall_ns(void); /* nanoseconds since 1970, UTC, now */
uint64_t ground_tsc_to_ns(uint64_t tsc); /* a difference or a value */
uint64_t ground_ns_to_tsc(uint64_t ns);
/* An interrupt on this CPU at or soon after the deadline (TSC; UINT64_MAX: none), and perhaps some before it. Replaces the one before. */
void ground_timer_set(uint64_t deadline);

/* --- interrupts --- */
struct irq_msi {
    uint64_t addr;
    uint32_t data;
};
/* A vector of its own on that CPU for a message-signalled interrupt. ERR_FULL. fn runs on that CPU. */
MUST_USE err_t ground_irq_msi(unsigned cpu, void (*fn)(void *), void *arg, struct irq_msi *out);
/* Routes an ISA line (0-15) through the I/O APIC to CPU 0. ERR_UNSUPPORTED if there is none. */
MUST_USE err_t ground_irq_isa(unsigned line, void (*fn)(void *), void *arg);
void ground_irq_window(void); /* lets pending interrupts in, once */
/* Devices' interrupts on this CPU wait (true) or come (false). The timer's and kicks always come. */
void ground_irq_hold(bool);
/* An interrupt came while a guest ran that takes none itself, and ended it: serves it. Called once for each, at once, with no lock
 * held. */
void ground_irq_handle(uint8_t vector);
/* Halts until an interrupt. Returns at once if *wake is true: the check and the halt are one step, no kick is lost. */
void ground_idle(const _Atomic bool *wake);

/* --- the rest --- */
/* One line to the monitor's log (screen, serial, log buffer), without the newline: "area: what happened". */
void ground_log(const char *fmt, ...) PRINTF(1, 2);
void ground_entropy(void *buf, size_t n); /* random bytes; any CPU */
NORETURN void ground_reset(void);
NORETURN void ground_power_off(void);
