/* A vCPU's register state in its VMCB: after INIT, after a start-up IPI, at a 64-bit entry; MSRs the VMCB holds. */
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "cpu/svm/svm.h"
#include "vm/vm.h"

#define PAT_RESET 0x0007040600070406ull
#define EFER_FFXSR BIT64(14)
#define EFER_GUEST (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_FFXSR)

/* Segment attributes in the VMCB's packing: type, S, DPL, P, then AVL, L, D/B, G. */
enum { ATTR_CODE16 = 0x09B, ATTR_DATA16 = 0x093, ATTR_CODE64 = 0xA9B, ATTR_DATA64 = 0xC93, ATTR_LDT = 0x082, ATTR_TSS16 = 0x083,
    ATTR_TSS = 0x08B };

static struct vmcb_seg seg(uint16_t selector, uint16_t attrib, uint32_t limit, uint64_t base)
{
    return (struct vmcb_seg){ selector, attrib, limit, base };
}

static void set_data_segs(struct vmcb *b, struct vmcb_seg s)
{
    b->ds = b->es = b->fs = b->gs = b->ss = s;
}

/* AMD APM vol. 2, table 14-1. */
void svm_reset(struct vcpu *v)
{
    struct vmcb *b = vmcb_of(v);

    memset(&b->es, 0, sizeof *b - offsetof(struct vmcb, es));
    b->cs = seg(0xF000, ATTR_CODE16, 0xFFFF, 0xFFFF0000);
    set_data_segs(b, seg(0, ATTR_DATA16, 0xFFFF, 0));
    b->gdtr = b->idtr = seg(0, 0, 0xFFFF, 0);
    b->ldtr = seg(0, ATTR_LDT, 0xFFFF, 0);
    b->tr = seg(0, ATTR_TSS16, 0xFFFF, 0);
    b->efer = EFER_SVME; /* hidden from the guest, but VMRUN insists */
    b->cr0 = CR0_ET;
    b->dr6 = 0xFFFF0FF0;
    b->dr7 = 0x400;
    b->pat = PAT_RESET;
    b->shadow = b->event_inj = b->exit_int_info = 0;
    b->vintr = VINTR_MASKING;
    b->icept1 &= ~(ICEPT1_VINTR | ICEPT1_IRET);
    ((struct svm_vcpu *)v->hw)->nmi_masked = false;
    ((struct svm_vcpu *)v->hw)->step = STEP_NONE;
    v->r.rip = 0xFFF0;
    v->r.rflags = RFLAGS_FIXED;
    v->r.gpr[REG_RDX] = cpu_id(1, 0).eax;
}

void svm_sipi(struct vcpu *v, uint8_t vector)
{
    struct vmcb *b = vmcb_of(v);

    b->cs = seg((uint16_t)(vector << 8), ATTR_CODE16, 0xFFFF, (uint64_t)vector << 12);
    v->r.rip = 0;
}

void svm_start_at(struct vcpu *v, const struct vcpu_start *at)
{
    struct vmcb *b = vmcb_of(v);

    b->cs = seg(at->cs, ATTR_CODE64, UINT32_MAX, 0);
    set_data_segs(b, seg(at->ds, ATTR_DATA64, UINT32_MAX, 0));
    b->gdtr = seg(0, 0, at->gdt_limit, at->gdt_base);
    b->idtr = seg(0, 0, 0, 0);
    b->tr = seg(0, ATTR_TSS, 0xFFFF, 0);
    b->efer = EFER_SVME | EFER_LME | EFER_LMA;
    b->cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
    b->cr3 = at->cr3;
    b->cr4 = CR4_PAE;
}

void svm_sys_get(const struct vcpu *v, struct sys_regs *s)
{
    const struct vmcb *b = vmcb_of(v);

    *s = (struct sys_regs){
        .cr0 = b->cr0, .cr2 = b->cr2, .cr3 = b->cr3, .cr4 = b->cr4, .efer = b->efer & ~EFER_SVME,
        .fs_base = b->fs.base, .gs_base = b->gs.base, .cs_long = b->cs.attrib & BIT(9), .cpl = b->cpl,
    };
}

/* The other MSRs that the VMCB holds are the guest's without an exit: see svm.c. */
err_t svm_msr_read(struct vcpu *v, uint32_t msr, uint64_t *val)
{
    const struct vmcb *b = vmcb_of(v);

    if (msr != MSR_EFER && msr != MSR_PAT)
        return ERR_NOTFOUND;
    *val = msr == MSR_PAT ? b->pat : b->efer & ~EFER_SVME;
    return OK;
}

static bool pat_valid(uint64_t pat)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = pat >> 8 * i & 0xFF;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

/* LME may not change while paging is on; LMA follows LME and PG and is the CPU's. */
static err_t efer_write(struct vmcb *b, uint64_t val)
{
    if ((val & ~EFER_GUEST) || ((b->cr0 & CR0_PG) && ((val ^ b->efer) & EFER_LME)))
        return ERR_INVAL;
    b->efer = (val & ~EFER_LMA) | (b->efer & EFER_LMA) | EFER_SVME;
    b->tlb_control = TLB_FLUSH_ALL; /* NXE changes what cached translations allow */
    return OK;
}

err_t svm_msr_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
    struct vmcb *b = vmcb_of(v);

    if (msr == MSR_EFER)
        return efer_write(b, val);
    if (msr != MSR_PAT)
        return ERR_NOTFOUND;
    if (!pat_valid(val))
        return ERR_INVAL;
    b->pat = val;
    return OK;
}

/* Intel SDM vol. 1, 13.3: x87 always, AVX needs SSE, the three AVX-512 states come together and need AVX. */
err_t svm_xsetbv(struct vcpu *v, uint32_t reg, uint64_t val)
{
    const uint64_t avx512 = 0xE0;

    if (reg || vmcb_of(v)->cpl || !(val & 1) || (val & ~svm_shared.xcr0_mask) || ((val & 4) && !(val & 2)) ||
        ((val & avx512) && ((val & avx512) != avx512 || !(val & 4))))
        return ERR_INVAL;
    cpu_xsetbv(0, val);
    return OK;
}
