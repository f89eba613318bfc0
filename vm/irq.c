/* From a device's interrupt to the vCPUs it is meant for. */
#include "vm/irq.h"
#include "vm/apic.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

void irq_line(struct vm *vm, unsigned gsi, bool level)
{
    if (vm->irq_line)
        vm->irq_line(vm->irq_chip, gsi, level);
}

/* Address: 0xFEE, destination bits 12-19, redirection hint 3, logical 2. Data: vector 0-7, mode 8-10, level 14, trigger 15.
 * The guest's APIC ids are below 255, so the extended destination bits stay unused. */
void irq_msi(struct vm *vm, uint64_t addr, uint32_t data)
{
    uint32_t dest = addr >> 12 & 0xFF, mode = data >> 8 & 7;
    bool logical = addr & BIT(2), one = mode == APIC_LOWEST || (addr & BIT(3));

    if (addr >> 20 != 0xFEE)
        return;
    if (dest == 0xFF)
        dest = UINT32_MAX;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct vcpu *v = vm->vcpu[i];

        if (!apic_matches(v, dest, logical))
            continue;
        if (mode == APIC_NMI)
            apic_post_nmi(v);
        else if (mode == APIC_FIXED || mode == APIC_LOWEST)
            apic_post(v, (uint8_t)data, data & BIT(15));
        if (one)
            return;
    }
}
