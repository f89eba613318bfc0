/* Control registers, EFER, XCR0, debug registers with values they must refuse, and instructions a guest must not have. Each
 * must raise its exception. Rows marked CPU_ONLY are the processor's own checks; QEMU's emulation leaves some out, so they
 * are only counted, unless the argument strict=1 is given. */
#include "test/guest/guest.h"

const char guest_name[] = "crs";

static uint64_t cr0, cr3, cr4, efer;

#define WRITER(name, text)                                                                     \
    static void name(uint64_t val, uint64_t b)                                                 \
    {                                                                                          \
        (void)b;                                                                               \
        __asm__ volatile(text ::"r"(val) : "memory");                                          \
    }
WRITER(to_cr0, "mov %0, %%cr0")
WRITER(to_cr3, "mov %0, %%cr3")
WRITER(to_cr4, "mov %0, %%cr4")
WRITER(to_cr8, "mov %0, %%cr8")
WRITER(to_dr6, "mov %0, %%dr6")
WRITER(to_dr7, "mov %0, %%dr7")
#define RUNNER(name, text)                                                                     \
    static void name(uint64_t a, uint64_t b)                                                   \
    {                                                                                          \
        (void)b;                                                                               \
        __asm__ volatile(text ::"a"(a), "c"(0), "d"(0) : "memory", "rbx");                     \
    }
RUNNER(vmrun, "vmrun")
RUNNER(vmload, "vmload")
RUNNER(vmsave, "vmsave")
RUNNER(clgi, "clgi")
RUNNER(stgi, "stgi")
RUNNER(skinit, "skinit")
RUNNER(invlpga, "invlpga")
RUNNER(monitor, "monitor")
RUNNER(mwait, "mwait")
RUNNER(rsm, "rsm")
RUNNER(rdpmc_junk, "movl $0x7FFFFFFF, %%ecx; rdpmc")
static void to_efer(uint64_t val, uint64_t b)
{
    (void)b;
    cpu_wrmsr(MSR_EFER, val);
}
static void to_xcr(uint64_t val, uint64_t reg) { cpu_xsetbv((uint32_t)reg, val); }
static void xgetbv_of(uint64_t reg, uint64_t b)
{
    (void)b;
    (void)cpu_xgetbv((uint32_t)reg);
}

static unsigned refused, lax;
enum { CPU_ONLY = 1 };

static void must(int vector, const char *what, void (*fn)(uint64_t, uint64_t), uint64_t a, uint64_t b, int how)
{
    int got = try_call(fn, a, b);

    if (got == vector) {
        refused++;
        return;
    }
    if (got == -1 && how == CPU_ONLY && !arg("strict", 0)) {
        lax++;
        say("crs: this CPU lets %s pass", what);
        cpu_write_cr0(cr0);
        cpu_write_cr4(cr4);
        cpu_write_cr3(cr3);
        to_cr8(0, 0);
        return;
    }
    fail("%s: vector %d instead of %d", what, got, vector);
}

/* MOV to CR8 is emulated from its bytes: one that ends, with its RET, where a page and all that is mapped ends, one that crosses into another
 * page. */
static uint8_t code[2 * PAGE_SIZE] ALIGNED(PAGE_SIZE);

static void cr8_from(uint64_t at, uint64_t val)
{
    static const uint8_t text[] = { 0x44, 0x0F, 0x22, 0xC7, 0xC3 }; /* mov %rdi, %cr8; ret */
    uint64_t is;

    memcpy(code + at, text, sizeof text);
    ((void (*)(uint64_t))(SCRATCH_VA + at))(val);
    __asm__ volatile("mov %%cr8, %0" : "=r"(is));
    CHECK(is == val);
}

static void cr8_at_page_ends(void)
{
    map_page(SCRATCH_VA, (uint64_t)code | PTE_P);
    cr8_from(PAGE_SIZE - 5, 5);
    map_page(SCRATCH_VA + PAGE_SIZE, (uint64_t)(code + PAGE_SIZE) | PTE_P);
    cr8_from(PAGE_SIZE - 2, 0);
}

static void control_registers(void)
{
    cr8_at_page_ends();
    unsigned width = cpu_id(0x80000008, 0).eax & 0xFF;

    if (arg("strict", 0)) { /* QEMU's emulation lets these pass and the guest dies of them, or it hangs itself */
        must(VEC_GP, "CR0 NW without CD", to_cr0, cr0 | CR0_NW, 0, 0);
        must(VEC_GP, "CR0 bit 32", to_cr0, cr0 | BIT64(32), 0, 0);
        must(VEC_GP, "CR0 bit 63", to_cr0, cr0 | BIT64(63), 0, 0);
        must(VEC_GP, "CR3 bit 62", to_cr3, cr3 | BIT64(62), 0, 0);
        if (width < 52)
            must(VEC_GP, "CR3 bit 51", to_cr3, cr3 | BIT64(51), 0, 0);
        for (unsigned bit = 26; bit < 64; bit++)
            must(VEC_GP, "a reserved bit of CR4", to_cr4, cr4 | BIT64(bit), 0, 0);
        must(VEC_GP, "CR4 VMXE", to_cr4, cr4 | BIT64(13), 0, 0);
        must(VEC_GP, "CR4 SMXE", to_cr4, cr4 | BIT64(14), 0, 0);
        must(VEC_GP, "CR4 without PAE", to_cr4, cr4 & ~CR4_PAE, 0, 0);
        must(VEC_GP, "CR4 LA57", to_cr4, cr4 | CR4_LA57, 0, 0);
    }
    must(VEC_GP, "CR8 above 15", to_cr8, 16, 0, CPU_ONLY);
    must(VEC_GP, "CR8 all ones", to_cr8, UINT64_MAX, 0, CPU_ONLY);
    must(VEC_GP, "DR6 bit 63", to_dr6, BIT64(63), 0, CPU_ONLY);
    must(VEC_GP, "DR7 bit 63", to_dr7, BIT64(63) | 0x400, 0, CPU_ONLY);
    CHECK(try_call(to_cr8, 15, 0) == -1);
    CHECK(try_call(to_cr8, 0, 0) == -1);
}

static void extended_features(void)
{
    static const uint8_t free_bits[] = { 0, 8, 10, 11, 13, 14, 15, 18, 20, 21 };

    must(VEC_GP, "EFER SVME", to_efer, efer | EFER_SVME, 0, 0);
    must(VEC_GP, "EFER without LME", to_efer, efer & ~EFER_LME, 0, 0);
    for (unsigned bit = 1; bit < 64; bit++) {
        bool is_free = false;
        for (unsigned i = 0; i < ARRAY_LEN(free_bits); i++)
            is_free |= free_bits[i] == bit;
        if (!is_free && bit != 12)
            must(VEC_GP, "a reserved bit of EFER", to_efer, efer | BIT64(bit), 0, 0);
    }
    CHECK(cpu_rdmsr(MSR_EFER) == efer);
    CHECK(try_call(to_efer, efer | EFER_NXE | EFER_SCE, 0) == -1);
    CHECK(cpu_rdmsr(MSR_EFER) == (efer | EFER_NXE | EFER_SCE));
    cpu_wrmsr(MSR_EFER, efer);
}

static void xcr0(void)
{
    uint64_t all, old;

    if (!(cpu_id(1, 0).ecx & BIT(26)))
        return;
    must(VEC_UD, "XSETBV without OSXSAVE", to_xcr, 1, 0, 0);
    cpu_write_cr4(cr4 | CR4_OSXSAVE);
    all = cpu_id(0xD, 0).eax | (uint64_t)cpu_id(0xD, 0).edx << 32;
    old = cpu_xgetbv(0);
    must(VEC_GP, "XCR0 = 0", to_xcr, 0, 0, 0);
    must(VEC_GP, "XCR0 without x87", to_xcr, 2, 0, 0);
    if (all & 4) /* QEMU's emulation has XSETBV without an exit, and lets this pass */
        must(VEC_GP, "XCR0 AVX without SSE", to_xcr, 5, 0, CPU_ONLY);
    for (unsigned bit = 2; bit < 64; bit++)
        if (!(all >> bit & 1))
            must(VEC_GP, "an XCR0 bit that is not offered", to_xcr, 3 | BIT64(bit), 0, 0);
    must(VEC_GP, "XCR0 all ones", to_xcr, UINT64_MAX, 0, 0);
    for (uint64_t reg = 1; reg < 64; reg++)
        must(VEC_GP, "an XCR that is none", to_xcr, 1, reg, 0);
    must(VEC_GP, "XGETBV of an XCR that is none", xgetbv_of, 0x80000000, 0, CPU_ONLY);
    CHECK(try_call(to_xcr, all & 7 ? all & 7 : 3, 0) == -1);
    cpu_xsetbv(0, old);
    cpu_write_cr4(cr4);
}

void guest_main(void)
{
    static void (*const forbidden[])(uint64_t, uint64_t) = { vmrun, vmload, vmsave, clgi, stgi, skinit, invlpga, monitor, mwait, rsm };

    cr0 = cpu_read_cr0();
    cr3 = cpu_read_cr3();
    cr4 = cpu_read_cr4();
    efer = cpu_rdmsr(MSR_EFER);
    control_registers();
    extended_features();
    xcr0();
    for (unsigned i = 0; i < ARRAY_LEN(forbidden); i++)
        must(VEC_UD, "an instruction for monitors", forbidden[i], 0x5000, 0, 0);
    if (arg("strict", 0)) /* QEMU's emulation has no RDPMC */
        must(VEC_GP, "RDPMC of a counter that is none", rdpmc_junk, 0, 0, 0);
    __asm__ volatile("wbinvd; invd" ::: "memory");
    CHECK(cpu_read_cr0() == cr0 && cpu_read_cr3() == cr3 && cpu_read_cr4() == cr4);
    pass("%u refused, %u not checked by this CPU", refused, lax);
}
