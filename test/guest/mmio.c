/* Physical addresses that are no RAM: touched sparsely from end to end, and with every kind of instruction the monitor
 * emulates, compared with the same instruction on RAM. Where nobody answers, reads are all ones and writes are lost.
 * Argument case: 0 all that must work; others must be stopped by the monitor: 1 an SSE access, 2 a jump there, 3 page tables
 * there, 4 a stack there, 5 an interrupt table there. Argument hole: two pages where nobody answers. */
#include "test/guest/guest.h"

const char guest_name[] = "mmio";

#define DEV (SCRATCH_VA + 0x10000)  /* two pages where nobody answers */
#define RAM (SCRATCH_VA + 0x20000)  /* two pages of RAM, all ones before each instruction */

/* --- instructions: rbx points at the operand, rax and rcx are data; results are rax, rcx, rdx and flags --- */

struct outcome {
    uint64_t rax, rcx, rdx, flags, rbx, rsi, rdi;
};

#define ARITH (RFLAGS_ARITH & ~RFLAGS_AF) /* AF is undefined after AND, OR, XOR, TEST */

#define INSN(name, text)                                                                                             \
    static void name(uint64_t at, uint64_t to)                                                                       \
    {                                                                                                                \
        struct outcome *o = (struct outcome *)(uintptr_t)to;                                                         \
        uint64_t a = 0x1122334455667788, b = at, c = 0x0102030405060708, d = 0, s = at, e = at, f;                   \
        __asm__ volatile("pushq $2; popfq; " text "; pushfq; popq %[f]; cld"                                         \
                         : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "+S"(s), "+D"(e), [f] "=r"(f)::"memory", "cc");       \
        *o = (struct outcome){ a, c, d, f & ARITH, b - at, s - at, e - at };                                         \
    }
INSN(load8, "movb (%%rbx), %%al")
INSN(load_ah, "movb (%%rbx), %%ah")
INSN(load16, "movw (%%rbx), %%ax")
INSN(load32, "movl (%%rbx), %%eax")
INSN(load64, "movq (%%rbx), %%rax")
INSN(load_sib, "movl $3, %%ecx; movl -24(%%rbx,%%rcx,8), %%eax")
INSN(store8, "movb %%al, (%%rbx)")
INSN(store_ch, "movb %%ch, (%%rbx)")
INSN(store16, "movw %%ax, (%%rbx)")
INSN(store32, "movl %%eax, (%%rbx)")
INSN(store64, "movq %%rax, (%%rbx)")
INSN(store_imm8, "movb $0x12, (%%rbx)")
INSN(store_imm16, "movw $0x1234, (%%rbx)")
INSN(store_imm64, "movq $-5, (%%rbx)")
INSN(movzx8, "movzbl (%%rbx), %%eax")
INSN(movzx16, "movzwq (%%rbx), %%rax")
INSN(movsx8, "movsbw (%%rbx), %%ax")
INSN(movsx16, "movswl (%%rbx), %%eax")
INSN(movsxd, "movslq (%%rbx), %%rax")
INSN(movnti, "movntiq %%rax, (%%rbx)")
INSN(add_to, "addl %%eax, (%%rbx)")
INSN(add_from, "addq (%%rbx), %%rax")
INSN(adc_to, "stc; adcb $0, (%%rbx)")
INSN(sbb_from, "stc; sbbw (%%rbx), %%ax")
INSN(sub_imm, "subl $0x12345678, (%%rbx)")
INSN(and_from, "andl (%%rbx), %%eax")
INSN(or_to, "lock orb $1, (%%rbx)")
INSN(xor_from, "xorq (%%rbx), %%rcx")
INSN(cmp_to, "cmpl %%eax, (%%rbx)")
INSN(cmp_from, "cmpw (%%rbx), %%ax")
INSN(cmp_imm, "cmpq $-1, (%%rbx)")
INSN(test_reg, "testl %%eax, (%%rbx)")
INSN(test_imm, "testb $0x80, (%%rbx)")
INSN(not8, "notb (%%rbx)")
INSN(neg64, "negq (%%rbx)")
INSN(inc16, "incw (%%rbx)")
INSN(dec32, "lock decl (%%rbx)")
INSN(xchg32, "xchgl %%eax, (%%rbx)")
INSN(cmpxchg_no, "lock cmpxchgl %%ecx, (%%rbx)")
INSN(cmpxchg_yes, "movq $-1, %%rax; lock cmpxchgq %%rcx, (%%rbx)")
INSN(bt_imm, "btl $31, (%%rbx); setc %%dl")
INSN(bts_imm, "lock btsl $5, (%%rbx); setc %%dl")
INSN(btr_imm, "btrq $40, (%%rbx); setc %%dl")
INSN(btc16, "btcw $7, (%%rbx); setc %%dl")
INSN(stos, "movl $5, %%ecx; rep stosw")
INSN(lods, "movl $3, %%ecx; rep lodsb")
INSN(lods_down, "addq $64, %%rsi; movl $3, %%ecx; std; rep lodsq")
INSN(movs, "lea 256(%%rdi), %%rdi; movl $4, %%ecx; rep movsl")

static void (*const insns[])(uint64_t, uint64_t) = {
    load8, load_ah, load16, load32, load64, load_sib, store8, store_ch, store16, store32, store64, store_imm8, store_imm16,
    store_imm64, movzx8, movzx16, movsx8, movsx16, movsxd, movnti, add_to, add_from, adc_to, sbb_from, sub_imm, and_from, or_to,
    xor_from, cmp_to, cmp_from, cmp_imm, test_reg, test_imm, not8, neg64, inc16, dec32, xchg32, cmpxchg_no,
    cmpxchg_yes, bt_imm, bts_imm, btr_imm, btc16, stos, lods, lods_down, movs,
};

static void map(uint64_t va, uint64_t pa) { map_page(va, pa | PTE_P | PTE_W); }

/* Every instruction at every kind of place: aligned, odd, across the page boundary. */
static unsigned compare_with_ram(uint64_t hole)
{
    static const uint32_t offsets[] = { 0, 8, 1, 0x123, 0xFFF, 0xFFD, 0xFFA };
    void *ram[2] = { page_get(), page_get() };
    unsigned n = 0;

    for (unsigned i = 0; i < 2; i++) {
        map(DEV + i * PAGE_SIZE, hole + i * PAGE_SIZE);
        map(RAM + i * PAGE_SIZE, (uintptr_t)ram[i]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(insns); i++)
        for (unsigned o = 0; o < ARRAY_LEN(offsets); o++, n++) {
            struct outcome dev = { 0 }, mem = { 0 };

            memset(ram[0], 0xFF, PAGE_SIZE);
            memset(ram[1], 0xFF, PAGE_SIZE);
            insns[i](RAM + offsets[o], (uintptr_t)&mem);
            insns[i](DEV + offsets[o], (uintptr_t)&dev);
            if (memcmp(&dev, &mem, sizeof dev))
                fail("instruction %u at %x: rax %" PRIx64 "/%" PRIx64 " rcx %" PRIx64 "/%" PRIx64 " rdx %" PRIx64 "/%" PRIx64
                     " flags %" PRIx64 "/%" PRIx64, i, offsets[o], dev.rax, mem.rax, dev.rcx, mem.rcx, dev.rdx, mem.rdx,
                     dev.flags, mem.flags);
        }
    return n;
}

/* An operand half in RAM, half where nobody is. */
static void half_and_half(uint64_t hole)
{
    uint8_t *ram = page_get();

    map(DEV, (uintptr_t)ram);
    map(DEV + PAGE_SIZE, hole);
    *(volatile uint64_t *)(DEV + 0xFFC) = 0x8877665544332211;
    CHECK(get_le32(ram + 0xFFC) == 0x44332211);
    CHECK(*(volatile uint64_t *)(DEV + 0xFFC) == 0xFFFFFFFF44332211);
    map(DEV, hole);
    map(DEV + PAGE_SIZE, (uintptr_t)ram);
    *(volatile uint64_t *)(DEV + 0xFFC) = 0x8877665544332211;
    CHECK(get_le32(ram) == 0x88776655);
    CHECK(*(volatile uint64_t *)(DEV + 0xFFC) == 0x88776655FFFFFFFF);
}

/* All sizes at one address. Writes junk only where told. */
static void touch(uint64_t pa, bool write)
{
    uint64_t page = pa & ~0xFFFull;
    volatile uint8_t *p = (volatile uint8_t *)(SCRATCH_VA + (pa & 0xFFF));

    map(SCRATCH_VA, page);
    map(SCRATCH_VA + PAGE_SIZE, page);
    (void)*p;
    (void)*(volatile uint16_t *)p;
    (void)*(volatile uint32_t *)p;
    (void)*(volatile uint64_t *)p;
    if (!write)
        return;
    *p = (uint8_t)rnd();
    *(volatile uint16_t *)p = (uint16_t)rnd();
    *(volatile uint32_t *)p = (uint32_t)rnd();
    *(volatile uint64_t *)p = rnd();
}

static bool is_ram(uint64_t pa)
{
    uint64_t base, size;

    for (unsigned i = 0; ram_range(i, &base, &size); i++)
        if (pa + 2 * PAGE_SIZE > base && pa < base + size)
            return true;
    return pa < ram_end_low();
}

/* From the end of low RAM up to 4 GiB densely, then up to the last physical address by powers of two. */
static unsigned everywhere(void)
{
    unsigned width = cpu_id(0x80000008, 0).eax & 0xFF, n = 0;

    for (uint64_t pa = ram_end_low(); pa < GIB(4); pa += 0x11F000 + (n % 7), n++)
        touch(pa, pa < 0xE0000000 || pa >= 0xE0100000);
    for (uint64_t slot = 0; slot < 256; slot++, n++) /* configuration space: read only, or our own devices move away */
        touch(0xE0000000 + slot * 0x1000 + (slot * 4 & 0xFFC), false);
    for (unsigned bit = 32; bit < width && bit < 52; bit++)
        for (int off = -2; off <= 2; off++, n++) {
            uint64_t pa = BIT64(bit) + (uint64_t)(int64_t)off * 0x1000 + 0xFF9;
            if (!is_ram(pa & ~0xFFFull))
                touch(pa, true);
        }
    touch(0xFEC00000, true);
    touch(0xFEC00010, true);
    touch(0xFEE00020, true);
    touch(0xFEE00FFD, true);
    touch(0xFFFFFFF8, true);
    return n;
}

static void must_stop(uint64_t which, uint64_t hole)
{
    static const char *const what[] = { "", "an SSE access", "a jump", "page tables", "a stack", "an interrupt table" };
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } idtr = { 0xFFF, DEV };

    CHECK(which < ARRAY_LEN(what));
    map(DEV, hole);
    say("BEGIN mmio %s where no RAM is", what[which]);
    switch (which) {
    case 1:
        __asm__ volatile("mov %%cr4, %%rax; or $0x600, %%rax; mov %%rax, %%cr4; movups %%xmm0, (%0)" ::"r"(DEV) : "rax");
        break;
    case 2:
        __asm__ volatile("jmp *%0" ::"r"(DEV));
        break;
    case 3:
        cpu_write_cr3(hole);
        break;
    case 4:
        __asm__ volatile("mov %0, %%rsp; push %%rax" ::"r"(DEV + 0x800));
        break;
    case 5:
        __asm__ volatile("lidt %0; int3" ::"m"(idtr));
        break;
    }
    fail("still running after %s", what[which]);
}

/* The local APIC's page is answered before any device: by every instruction, at every offset, in every width. The ICR is left out, which
 * could end this CPU. */
static unsigned apic_page(void)
{
    enum { PAGE = 0xFEE00000, ICR = 0x300, INITIAL = 0x380, ROUNDS = 2000 };
    volatile uint32_t *id = (volatile uint32_t *)(uintptr_t)(PAGE + 0x20);
    struct outcome o;

    CHECK((cpu_rdmsr(MSR_APIC_BASE) & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) == APIC_BASE_ENABLE);
    for (unsigned i = 0; i < ARRAY_LEN(insns); i++)
        insns[i](PAGE + INITIAL, (uintptr_t)&o);
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t val = rnd(), off = val >> 8 & 0xFF8, at = PAGE + off;

        if ((off & 0xFF0) == ICR)
            continue;
        switch (val & 7) {
        case 0: *(volatile uint8_t *)(uintptr_t)(at + (val >> 4 & 7)) = (uint8_t)(val >> 32); break;
        case 1: *(volatile uint16_t *)(uintptr_t)at = (uint16_t)(val >> 32); break;
        case 2: *(volatile uint64_t *)(uintptr_t)at = val; break;
        case 3: (void)*(volatile uint8_t *)(uintptr_t)(at + (val >> 4 & 7)); break;
        case 4: (void)*(volatile uint64_t *)(uintptr_t)at; break;
        case 5: (void)*(volatile uint32_t *)(uintptr_t)at; break;
        default: *(volatile uint32_t *)(uintptr_t)at = (uint32_t)(val >> 32); break;
        }
        CHECK(*id == 0);
    }
    return ARRAY_LEN(insns);
}

void guest_main(void)
{
    uint64_t which = arg("case", 0), hole = arg("hole", 0xF8000000);
    unsigned touched, compared;

    if (which)
        must_stop(which, hole);
    compared = compare_with_ram(hole);
    half_and_half(hole);
    touched = everywhere();
    compared += apic_page();
    if (!arg("hole", 0))
        compared += compare_with_ram(BIT64(38));
    pass("%u addresses, %u instructions", touched, compared);
}
