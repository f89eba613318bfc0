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
    err_t (*read)(struct vcpu *, uint32_t msr, uint64_t *val);  /* NULL: reads as what is in `field`, or else as `value` */
    err_t (*write)(struct vcpu *, uint32_t msr, uint64_t val); /* NULL: ignored */
    uint64_t value;
    uint16_t field; /* offset of a uint64_t in struct vcpu; 0: none */
};

static err_t refuse(struct vcpu *, uint32_t, uint64_t) { return ERR_INVAL; }

static err_t tsc_read(struct vcpu *v, uint32_t, uint64_t *val)
{
    *val = ground_tsc() + v->vm->tsc_offset;
    return OK;
}

/* The ways between xAPIC, x2APIC and off are those of Intel SDM vol. 3, figure 11-27. */
static err_t base_write(struct vcpu *v, uint32_t, uint64_t val)
{
    uint64_t on = APIC_BASE_ENABLE | APIC_BASE_X2APIC, mode = val & on, old = v->apic.base & on;

    if (mode == APIC_BASE_X2APIC || (val & ~0xFFFFFFF00ull) || (old == on && mode == APIC_BASE_ENABLE) || (!old && mode == on))
        return ERR_INVAL;
    apic_set_base(v, val);
    return OK;
}

static err_t deadline_read(struct vcpu *v, uint32_t, uint64_t *val)
{
    *val = v->apic.deadline ? v->apic.deadline + v->vm->tsc_offset : 0;
    return OK;
}

static err_t deadline_write(struct vcpu *v, uint32_t, uint64_t val)
{
    apic_set_deadline(v, val);
    return OK;
}

static err_t clock_write(struct vcpu *v, uint32_t, uint64_t val) { return pvclock_set(v, val); }
static err_t wall_write(struct vcpu *v, uint32_t, uint64_t val) { return pvclock_wall(v, val); }

static err_t pv_eoi_write(struct vcpu *v, uint32_t, uint64_t val)
{
    uint8_t byte;

    if ((val & 1) && mem_read(v->vm, gpa(val & ~1ull), &byte, 1))
        return ERR_INVAL;
    v->apic.pv_eoi = val;
    v->apic.pv_eoi_open = false;
    return OK;
}

#define FIELD(name) offsetof(struct vcpu, name)

static const struct msr_row rows[] = {
    { MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, .read = deadline_read, .write = deadline_write },
    { MSR_X2APIC, MSR_X2APIC + 0xFF, .read = apic_read, .write = apic_write },
    { MSR_TSC, MSR_TSC, .read = tsc_read },
    { MSR_APIC_BASE, MSR_APIC_BASE, .field = FIELD(apic.base), .write = base_write },
    { MSR_KVM_CLOCK, MSR_KVM_CLOCK, .field = FIELD(pvclock), .write = clock_write },
    { MSR_KVM_CLOCK_OLD, MSR_KVM_CLOCK_OLD, .field = FIELD(pvclock), .write = clock_write },
    { MSR_KVM_WALL, MSR_KVM_WALL, .write = wall_write },
    { MSR_KVM_WALL_OLD, MSR_KVM_WALL_OLD, .write = wall_write },
    { MSR_KVM_PV_EOI, MSR_KVM_PV_EOI, .field = FIELD(apic.pv_eoi), .write = pv_eoi_write },
    /* Read by systems that do not ask first whether they are there. */
    { 0x17, 0x17, .write = refuse },     /* platform id */
    { 0x8B, 0x8B, .value = 0 },          /* microcode level */
    { 0xFE, 0xFE, .write = refuse },     /* MTRR capabilities: none */
    { 0x1A0, 0x1A0, .value = 0 },        /* miscellaneous enables */
    { 0xC0010015, 0xC0010015, .value = BIT(24) }, /* AMD's hardware configuration: the TSC counts at the P0 frequency */
    { 0xC0010000, 0xC0011FFF, .value = 0 },       /* the others of AMD's implementation-specific registers */
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

    if (!row)
        return cpu->msr_read(v, msr, val) ? ERR_INVAL : OK;
    if (row->read)
        return row->read(v, msr, val);
    *val = row->field ? *(const uint64_t *)(const void *)((const char *)v + row->field) : row->value;
    return OK;
}

err_t msr_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    const struct msr_row *row = find(msr);

    if (!row)
        return cpu->msr_write(v, msr, val) ? ERR_INVAL : OK;
    return row->write ? row->write(v, msr, val) : OK;
}
