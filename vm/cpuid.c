/* CPUID for guests. Leaves that are the same for all are made once into tables; the rest is patched per exit.
 * Intel SDM vol. 2 (CPUID), AMD APM vol. 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst. */
#include "vm/cpuid.h"
#include "arch/x86/cpu.h"
#include "base/str.h"
#include "vm/cpu.h"
#include "vm/vm.h"

#define STD_LEAVES 0x20u
#define EXT_LEAVES 0x22u
#define HV_BASE 0x40000000u
#define EXT_BASE 0x80000000u

/* Features that work in a guest as they do on the machine. Intel and AMD share the bit numbers. */
#define LEAF1_ECX (BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(17) | BIT(19) | BIT(20) | BIT(22) | BIT(23) | BIT(25) | \
        BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define LEAF1_ECX_ALWAYS (BIT(21) | BIT(24) | BIT(31)) /* x2APIC, TSC deadline, hypervisor: ours */
#define LEAF1_ECX_OSXSAVE BIT(27)                                 /* on the machine: the ground has switched XSAVE on */
#define LEAF1_ECX_XSAVE (BIT(12) | BIT(26) | BIT(28) | BIT(29))   /* FMA, XSAVE, AVX, F16C */
#define LEAF1_EDX (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(11) | BIT(13) | \
        BIT(15) | BIT(16) | BIT(17) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26)) /* no MCE, MCA, MTRR */
#define LEAF1_EDX_APIC BIT(9)
#define LEAF1_EDX_HTT BIT(28)
#define LEAF7_EBX (BIT(0) | BIT(3) | BIT(5) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(16) | BIT(17) | BIT(18) | BIT(19) | \
        BIT(20) | BIT(21) | BIT(23) | BIT(24) | BIT(28) | BIT(29) | BIT(30) | BIT(31))
#define LEAF7_ECX (BIT(1) | BIT(2) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14) | BIT(22))
#define LEAF7_EDX BIT(4)
#define EXT1_ECX (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(8))
#define EXT1_ECX_CMP_LEGACY BIT(1)
#define EXT1_EDX (LEAF1_EDX | BIT(20) | BIT(22) | BIT(26) | BIT(27) | BIT(29) | BIT(11))
#define EXT8_EBX (BIT(0) | BIT(2))
#define XSAVE_OPT_COMPACT_XGETBV1 7u
#define XCR0_STATES 0xE7ull /* x87, SSE, AVX, AVX-512 */

/* kvm-clock (old, new, stable), no I/O delay, PV EOI, PV unhalt, PV send IPI. */
#define KVM_FEATURES (BIT(0) | BIT(1) | BIT(3) | BIT(6) | BIT(7) | BIT(11) | BIT(24))

static struct cpuid std[STD_LEAVES], ext[EXT_LEAVES], hv[2];

uint64_t cpuid_xcr0_mask(void)
{
    struct cpuid r = cpu_id(0xD, 0);

    return cpu_id(1, 0).ecx & LEAF1_ECX_OSXSAVE ? ((uint64_t)r.edx << 32 | r.eax) & XCR0_STATES : 0;
}

static void keep(uint32_t *reg, uint32_t mask)
{
    *reg &= mask;
}

void cpuid_init(void)
{
    uint32_t std_max = cpu_id(0, 0).eax, ext_max = cpu_id(EXT_BASE, 0).eax;

    memset(std, 0, sizeof std);
    memset(ext, 0, sizeof ext);
    for (uint32_t i = 0; i <= std_max && i < STD_LEAVES; i++)
        if (i <= 2 || i == 7)
            std[i] = cpu_id(i, 0);
    std[0].eax = 0xD;
    keep(&std[1].ecx, LEAF1_ECX);
    std[1].ecx |= LEAF1_ECX_ALWAYS;
    if (!cpuid_xcr0_mask())
        keep(&std[1].ecx, ~LEAF1_ECX_XSAVE);
    keep(&std[1].edx, LEAF1_EDX);
    std[6].eax = BIT(2); /* the APIC timer never stops */
    std[7].eax = 0;
    keep(&std[7].ebx, LEAF7_EBX);
    keep(&std[7].ecx, LEAF7_ECX);
    keep(&std[7].edx, LEAF7_EDX);

    for (uint32_t i = 0; EXT_BASE + i <= ext_max && i < EXT_LEAVES; i++)
        if (i <= 8 || i == 0x19 || i == 0x1A)
            ext[i] = cpu_id(EXT_BASE + i, 0);
    ext[0].eax = EXT_BASE + (uint32_t)min_u64(ext_max & 0xFF, EXT_LEAVES - 1);
    keep(&ext[1].ecx, EXT1_ECX);
    keep(&ext[1].edx, EXT1_EDX);
    ext[7] = (struct cpuid){ .edx = BIT(8) }; /* invariant TSC */
    keep(&ext[8].ebx, EXT8_EBX);

    hv[0] = (struct cpuid){ HV_BASE + 1, 0x4B4D564B, 0x564B4D56, 0x4D }; /* "KVMKVMKVM" */
    hv[1] = (struct cpuid){ .eax = KVM_FEATURES };
}

static struct cpuid topology(const struct vcpu *v, uint32_t level)
{
    switch (level) {
    case 0: return (struct cpuid){ 0, 1, 0x100, v->id };                      /* one thread to a core */
    case 1: return (struct cpuid){ 4, v->vm->nvcpus, 0x201, v->id };          /* all cores in one package */
    default: return (struct cpuid){ .ecx = level, .edx = v->id };
    }
}

/* Bytes of an XSAVE area that holds every state of mask. */
static uint32_t xsave_size(uint64_t mask)
{
    uint64_t size = 512 + 64; /* legacy region and header */

    for (uint32_t i = 2; i < 63; i++)
        if (mask >> i & 1) {
            struct cpuid r = cpu_id(0xD, i);
            size = max_u64(size, (uint64_t)r.eax + r.ebx);
        }
    return (uint32_t)size;
}

/* The sizes come from the machine: the guest's own XCR0 is in force while its exits are handled. */
static struct cpuid xsave_state(uint32_t sub)
{
    uint64_t mask = cpuid_xcr0_mask();
    struct cpuid r = { 0 };

    if (!(std[1].ecx & BIT(26)))
        return r;
    if (sub > 1 && (sub > 62 || !(mask >> sub & 1)))
        return r;
    r = cpu_id(0xD, sub);
    if (sub == 0) {
        r.eax = (uint32_t)mask;
        r.edx = 0;
        r.ecx = xsave_size(mask);
    } else if (sub == 1) {
        r = (struct cpuid){ .eax = r.eax & XSAVE_OPT_COMPACT_XGETBV1, .ebx = r.ebx };
    }
    return r;
}

static struct cpuid patched(const struct vcpu *v, uint32_t leaf, uint32_t sub)
{
    struct cpuid r = leaf >= EXT_BASE ? ext[leaf - EXT_BASE] : std[leaf];
    struct sys_regs sys;

    switch (leaf) {
    case 1:
        cpu->sys_get(v, &sys);
        r.ebx = (r.ebx & 0xFFFF) | v->vm->nvcpus << 16 | v->id << 24;
        if (sys.cr4 & CR4_OSXSAVE)
            r.ecx |= LEAF1_ECX_OSXSAVE;
        if (v->vm->nvcpus > 1)
            r.edx |= LEAF1_EDX_HTT;
        if (!(v->apic.base & APIC_BASE_ENABLE))
            r.edx &= ~LEAF1_EDX_APIC;
        break;
    case 7:
        if (sub)
            r = (struct cpuid){ 0 };
        break;
    case 0xB:
        r = topology(v, sub);
        break;
    case 0xD:
        r = xsave_state(sub);
        break;
    case EXT_BASE + 1:
        if (v->vm->nvcpus > 1)
            r.ecx |= EXT1_ECX_CMP_LEGACY;
        break;
    case EXT_BASE + 8:
        r.ecx = v->vm->nvcpus - 1;
        break;
    }
    return r;
}

void cpuid_exit(struct vcpu *v)
{
    uint32_t leaf = (uint32_t)v->r.gpr[REG_RAX], sub = (uint32_t)v->r.gpr[REG_RCX];
    struct cpuid r = { 0 };

    if (leaf == 0)
        r = std[0];
    else if (leaf < STD_LEAVES || leaf - EXT_BASE < EXT_LEAVES)
        r = patched(v, leaf, sub);
    else if (leaf - HV_BASE < ARRAY_LEN(hv))
        r = hv[leaf - HV_BASE];
    v->r.gpr[REG_RAX] = r.eax;
    v->r.gpr[REG_RBX] = r.ebx;
    v->r.gpr[REG_RCX] = r.ecx;
    v->r.gpr[REG_RDX] = r.edx;
}
