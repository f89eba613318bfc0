/* Model-specific registers of a guest: a table of ranges, first match wins; what is not in it is #GP. */
#include "vm/msr.h"
#include "arch/x86/reg.h"
#include "ground/ground.h"
#include "vm/cpu.h"
#include "vm/pvclock.h"
#include "vm/vm.h"

/* Linux Documentation/virt/kvm/x86/msr.rst */
#define MSR_KVM_WALL_OLD 0x11u
#define MSR_KVM_CLOCK_OLD 0x12u
#define MSR_KVM_WALL 0x4B564D00u
#define MSR_KVM_CLOCK 0x4B564D01u
#define MSR_KVM_PV_EOI 0x4B564D04u

struct msr_row {
    uint32_t first, last;
    err_t (*read)(struct vcpu *, uint32_t msr, uint64_t *val);
    err_t (*write)(struct vcpu *, uint32_t msr, uint64_t val);
};

static err_t zero(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)v;
    (void)msr;
    *val = 0;
    return OK;
}

static err_t ignore(struct vcpu *v, uint32_t msr, uint64_t val)
{
    (void)v;
    (void)msr;
    (void)val;
    return OK;
}

static err_t refuse(struct vcpu *v, uint32_t msr, uint64_t val)
{
    (void)v;
    (void)msr;
    (void)val;
    return ERR_INVAL;
}

/* Hardware configuration: bit 24 says that the TSC counts at the P0 frequency, which Linux asks for. */
static err_t hwcr_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)v;
    (void)msr;
    *val = BIT(24);
    return OK;
}

static err_t tsc_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)msr;
    *val = ground_tsc() + v->vm->tsc_offset;
    return OK;
}

static err_t base_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)msr;
    *val = v->apic.base;
    return OK;
}

/* x2APIC stays on, or goes off and comes back through the states of Intel SDM vol. 3, figure 11-27. There is no xAPIC window. */
static err_t base_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    uint64_t mode = val & (APIC_BASE_ENABLE | APIC_BASE_X2APIC), old = v->apic.base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);

    (void)msr;
    if (mode == APIC_BASE_X2APIC || (val & ~0xFFFFFFF00ull) || (old == (APIC_BASE_ENABLE | APIC_BASE_X2APIC) && mode == APIC_BASE_ENABLE) ||
        (!old && mode == (APIC_BASE_ENABLE | APIC_BASE_X2APIC)))
        return ERR_INVAL;
    v->apic.base = val;
    return OK;
}

static err_t deadline_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)msr;
    *val = v->apic.deadline ? v->apic.deadline + v->vm->tsc_offset : 0;
    return OK;
}

static err_t deadline_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    (void)msr;
    apic_set_deadline(v, val);
    return OK;
}

static err_t clock_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)msr;
    *val = v->pvclock;
    return OK;
}

static err_t clock_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    (void)msr;
    return pvclock_set(v, val);
}

static err_t wall_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    (void)msr;
    return pvclock_wall(v, val);
}

static err_t pv_eoi_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    (void)msr;
    *val = v->apic.pv_eoi;
    return OK;
}

static err_t pv_eoi_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    uint8_t byte;

    (void)msr;
    if ((val & 1) && mem_read(v->vm, gpa(val & ~1ull), &byte, 1))
        return ERR_INVAL;
    v->apic.pv_eoi = val;
    v->apic.pv_eoi_open = false;
    return OK;
}

static const struct msr_row rows[] = {
    { MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, deadline_read, deadline_write },
    { MSR_X2APIC, MSR_X2APIC + 0xFF, apic_read, apic_write },
    { MSR_TSC, MSR_TSC, tsc_read, ignore },
    { MSR_APIC_BASE, MSR_APIC_BASE, base_read, base_write },
    { MSR_KVM_CLOCK, MSR_KVM_CLOCK, clock_read, clock_write },
    { MSR_KVM_CLOCK_OLD, MSR_KVM_CLOCK_OLD, clock_read, clock_write },
    { MSR_KVM_WALL, MSR_KVM_WALL, zero, wall_write },
    { MSR_KVM_WALL_OLD, MSR_KVM_WALL_OLD, zero, wall_write },
    { MSR_KVM_PV_EOI, MSR_KVM_PV_EOI, pv_eoi_read, pv_eoi_write },
    /* Read as zero by systems that do not ask first whether they are there. */
    { 0x17, 0x17, zero, refuse },             /* platform id */
    { 0x8B, 0x8B, zero, ignore },             /* microcode level */
    { 0xFE, 0xFE, zero, refuse },             /* MTRR capabilities: none */
    { 0x1A0, 0x1A0, zero, ignore },           /* miscellaneous enables */
    { 0xC0010015, 0xC0010015, hwcr_read, ignore },
    { 0xC0010000, 0xC0011FFF, zero, ignore }, /* AMD's implementation-specific registers */
};

static const struct msr_row *find(uint32_t msr)
{
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        if (msr - rows[i].first <= rows[i].last - rows[i].first)
            return &rows[i];
    return NULL;
}

err_t msr_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    const struct msr_row *row = find(msr);

    if (row)
        return row->read(v, msr, val);
    return cpu->msr_read(v, msr, val) ? ERR_INVAL : OK;
}

err_t msr_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    const struct msr_row *row = find(msr);

    if (row)
        return row->write(v, msr, val);
    return cpu->msr_write(v, msr, val) ? ERR_INVAL : OK;
}
