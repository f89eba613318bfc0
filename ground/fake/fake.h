#pragma once
/* The ground for test programs: real memory from the host, counted and made to fail on demand; time moved by hand. */
#include "ground/ground.h"

/* The n-th page or object allocation from now fails (1: the next); 0: none does. */
void fake_fail_alloc(unsigned n);
uint64_t fake_pages_in_use(void);
void fake_set_tsc(uint64_t tsc);      /* ground_tsc_hz() is 1e9, so ticks are nanoseconds */
void fake_set_cpus(unsigned count, unsigned current);
uint64_t fake_timer(void);            /* the last ground_timer_set() of the current CPU */
unsigned fake_kicks(unsigned cpu);    /* how often it was kicked */
bool fake_irqs_held(void);            /* ground_irq_hold() */
/* Makes the handler registered for that MSI run. False if nobody has it. */
bool fake_irq_fire(const struct irq_msi *);
const char *fake_last_log(void);
/* panic() returns here: if (setjmp(fake_panic)) ... after fake_expect_panic(). */
#include <setjmp.h>
extern jmp_buf fake_panic;
void fake_expect_panic(void);
