/* The interrupt descriptor table, one for all CPUs, and what happens first on every exception and interrupt. */
#include "arch/x86/safe.h"
#include "ground/efi/machine.h"

extern const uint8_t idt_entries[]; /* idt_entry.S */
#define ENTRY_BYTES 16u

static struct gate idt[256] ALIGNED(16);

void trap_handle(struct trap *t) __attribute__((sysv_abi));

void idt_init(void)
{
    static const uint8_t ist[32] = { [VEC_NMI] = IST_NMI, [VEC_DF] = IST_DF, [VEC_MC] = IST_MC };

    for (unsigned i = 0; i < ARRAY_LEN(idt); i++)
        idt[i] = desc_gate((uintptr_t)idt_entries + i * ENTRY_BYTES, i < ARRAY_LEN(ist) ? ist[i] : 0);
}

void idt_load(void)
{
    struct desc_ptr p = { sizeof idt - 1, (uintptr_t)idt };

    __asm__ volatile("lidt %0" ::"m"(p) : "memory");
}

void trap_handle(struct trap *t)
{
    if (t->vector >= 32) {
        irq_handle((unsigned)t->vector);
        return;
    }
    uint64_t fixup = t->vector == VEC_GP ? safe_fixup(t->rip) : 0;
    if (fixup) {
        t->rip = fixup;
        return;
    }
    if (atomic_load(&runtime_ending) && t->vector != VEC_NMI)
        runtime_failed();
    if (t->vector == VEC_NMI)
        smp_nmi(t);
    panic_trap(t);
}
