/* Interrupt vectors and their handlers. Each CPU has its own pool of vectors, given out and never taken back: drivers
 * live as long as the monitor. `lock` guards the giving out. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "ground/efi/machine.h"

#define RESCUE_NS 10000000u /* so late an interrupt counts as lost */

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

    if (vector == VECTOR_KICK)
        atomic_store(&p->kick_sent, 0);
    if (vector == VECTOR_TIMER)
        clock_timer_fired();
    else if (slot < VECTOR_IRQS && p->irq[slot].fn)
        p->irq[slot].fn(p->irq[slot].arg);
    else if (vector != VECTOR_KICK && !lapic_in_service(vector))
        return; /* spurious, the APIC's or an 8259's */
    lapic_eoi();
}

void ground_irq_handle(uint8_t vector) { irq_handle(vector); }

static void kick(struct percpu *p) { lapic_ipi(p->apic_id, LAPIC_IPI_FIXED | VECTOR_KICK); }

void ground_cpu_kick(unsigned cpu)
{
    if (cpu >= ground_cpus())
        return;
    if (!atomic_load_explicit(&percpu_of[cpu]->kick_sent, memory_order_relaxed))
        atomic_store(&percpu_of[cpu]->kick_sent, cpu_tsc());
    kick(percpu_of[cpu]);
}

/* QEMU 7.2 can lose an interrupt: at a VMRUN with a virtual interrupt, its CPU's thread sets a bit in the word of what is pending without
 * the lock under which other threads set theirs, so that theirs can be gone. The APIC still has the interrupt, and offers it again with the
 * next one. A CPU that got none would run a guest that waits for others for ever, so the CPUs look after each other, each time their own
 * timer fires, which is once a second at least (clock.c). */
void irq_rescue(void)
{
    uint64_t now = cpu_tsc(), late = ground_ns_to_tsc(RESCUE_NS);

    for (unsigned i = 0; i < ground_cpus(); i++) {
        struct percpu *p = percpu_of[i];
        uint64_t sent = atomic_load(&p->kick_sent), deadline = atomic_load(&p->deadline);

        if (p == percpu_self() || !((sent && now > sent + late) || (deadline != UINT64_MAX && now > deadline && now - deadline > late)))
            continue;
        atomic_store(&p->kick_sent, now);
        kick(p);
    }
}

void ground_irq_hold(bool hold) { cpu_write_cr8(hold ? VECTOR_TIMER / 16 - 1 : 0); } /* by priority: of the upper 4 bits of the vector */

void ground_irq_window(void) { __asm__ volatile("sti; nop; cli" ::: "memory"); }

void ground_idle(const _Atomic bool *wake)
{
    /* STI takes effect behind the next instruction: what arrives after the check ends the HLT */
    if (!atomic_load(wake))
        __asm__ volatile("sti; hlt; cli" ::: "memory");
}
