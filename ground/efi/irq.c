/* Interrupt vectors and their handlers. Each CPU has its own pool of vectors, given out and never taken back: drivers
 * live as long as the monitor. `lock` guards the giving out. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "ground/efi/machine.h"

static struct lock lock;

static MUST_USE err_t vector_take(unsigned cpu, void (*fn)(void *), void *arg, uint8_t *vector)
{
    struct percpu *p = percpu_of[cpu];
    unsigned i = 0;

    lock_take(&lock);
    while (i < VECTOR_IRQS && p->irq[i].fn)
        i++;
    if (i < VECTOR_IRQS) {
        p->irq[i].arg = arg;
        atomic_thread_fence(memory_order_release);
        p->irq[i].fn = fn;
    }
    lock_drop(&lock);
    *vector = (uint8_t)(VECTOR_IRQ + i);
    return i < VECTOR_IRQS ? OK : ERR_FULL;
}

err_t ground_irq_msi(unsigned cpu, void (*fn)(void *), void *arg, struct irq_msi *out)
{
    uint8_t vector;
    err_t e;

    if (cpu >= ground_cpus())
        return ERR_INVAL;
    if (percpu_of[cpu]->apic_id > 0xFF) /* the message has 8 bits; more take an IOMMU */
        return ERR_UNSUPPORTED;
    e = vector_take(cpu, fn, arg, &vector);
    if (e)
        return e;
    *out = (struct irq_msi){ .addr = 0xFEE00000u | percpu_of[cpu]->apic_id << 12, .data = vector };
    return OK;
}

err_t ground_irq_isa(unsigned line, void (*fn)(void *), void *arg)
{
    uint8_t vector;
    err_t e = vector_take(0, fn, arg, &vector);

    return e ? e : ioapic_route_isa(line, vector, percpu_of[0]->apic_id);
}

void irq_handle(unsigned vector)
{
    struct percpu *p = percpu_self();
    unsigned slot = vector - VECTOR_IRQ;

    if (vector == VECTOR_TIMER)
        clock_timer_fired();
    else if (slot < VECTOR_IRQS && p->irq[slot].fn)
        p->irq[slot].fn(p->irq[slot].arg);
    else if (vector != VECTOR_KICK && !lapic_in_service(vector))
        return; /* spurious, the APIC's or an 8259's */
    lapic_eoi();
}

void ground_irq_handle(uint8_t vector) { irq_handle(vector); }

void ground_cpu_kick(unsigned cpu)
{
    if (cpu < ground_cpus())
        lapic_ipi(percpu_of[cpu]->apic_id, LAPIC_IPI_FIXED | VECTOR_KICK);
}

void ground_irq_window(void) { __asm__ volatile("sti; nop; cli" ::: "memory"); }

void ground_idle(const _Atomic bool *wake)
{
    /* STI takes effect behind the next instruction: what arrives after the check ends the HLT */
    if (!atomic_load(wake))
        __asm__ volatile("sti; hlt; cli" ::: "memory");
}
