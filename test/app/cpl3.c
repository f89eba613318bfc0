/* What a guest at CPL 3 must not be able to do: privileged instructions, ports, memory that is not its own, the monitor's part of the
 * address space. Each attempt is an exception of its own, and the guest goes on. With an argument it is inside a VM, where
 * reading what an old CPU shows of its tables is refused, too. */
#include "test/app/app.h"

const char app_name[] = "cpl3";

#define TRY(name, code, ...) static void try_##name(void) { __asm__ volatile(code ::: "memory", ##__VA_ARGS__); }
TRY(hlt, "hlt")
TRY(cli, "cli")
TRY(sti, "sti")
TRY(in, "inb $0x60, %%al", "rax")
TRY(out, "outb %%al, $0x80", "rax")
TRY(out_dx, "movw $0xCF8, %%dx; outl %%eax, %%dx", "rax", "rdx")
TRY(rdmsr, "movl $0xC0000080, %%ecx; rdmsr", "rax", "rcx", "rdx")
TRY(wrmsr, "movl $0xC0000082, %%ecx; wrmsr", "rax", "rcx", "rdx")
TRY(read_cr0, "mov %%cr0, %%rax", "rax")
TRY(read_cr3, "mov %%cr3, %%rax", "rax")
TRY(write_cr3, "mov %%rax, %%cr3", "rax")
TRY(read_dr7, "mov %%dr7, %%rax", "rax")
TRY(write_dr7, "mov %%rax, %%dr7", "rax")
TRY(lgdt, "lgdt (%%rsp)")
TRY(lidt, "lidt (%%rsp)")
TRY(lldt, "xor %%eax, %%eax; lldt %%ax", "rax")
TRY(ltr, "xor %%eax, %%eax; ltr %%ax", "rax")
TRY(invlpg, "invlpg (%%rsp)")
TRY(wbinvd, "wbinvd")
TRY(swapgs, "swapgs")
TRY(sysret, "sysretq")
TRY(clts, "clts")
TRY(rdpmc, "xor %%ecx, %%ecx; rdpmc", "rax", "rcx", "rdx")
TRY(xsetbv, "xor %%ecx, %%ecx; xsetbv", "rax", "rcx", "rdx")
TRY(int_nmi, "int $2")
TRY(int_df, "int $8")
TRY(int_pf, "int $14")
TRY(int_80, "int $0x80")
TRY(int_f0, "int $0xF0")
TRY(int_ff, "int $0xFF")
TRY(iret_0, "pushq $0x10; pushq %%rsp; pushfq; pushq $8; leaq 1f(%%rip), %%rax; push %%rax; iretq; 1: nop", "rax")
TRY(far_0, "pushq $8; leaq 1f(%%rip), %%rax; push %%rax; lretq; 1: nop", "rax")
TRY(mov_ss, "movl $0x10, %%eax; movw %%ax, %%ss", "rax")
TRY(mov_ds, "movl $0x10, %%eax; movw %%ax, %%ds", "rax")
TRY(far_tss, "pushq $0x40; pushq $0; lretq")
TRY(ud2, "ud2")
TRY(int3, "int3")
TRY(int_3, ".byte 0xCD, 3")
TRY(divide, "xor %%eax, %%eax; xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx", "rax", "rcx", "rdx")
TRY(single_step, "pushfq; orl $0x100, (%%rsp); popfq; nop; nop")
TRY(vmmcall, "vmmcall")
TRY(vmrun, "vmrun %%rax")
TRY(clgi, "clgi")
TRY(sysenter, "sysenter")
TRY(wild_jump, "movabs $0x8000000000000000, %%rax; jmp *%%rax", "rax")
TRY(wild_stack, "mov %%rsp, %%rbx; movabs $0x7000000000, %%rsp; push %%rax; mov %%rbx, %%rsp", "rax", "rbx")

TRY(sgdt, "sub $16, %%rsp; sgdt (%%rsp); add $16, %%rsp")
TRY(sidt, "sub $16, %%rsp; sidt (%%rsp); add $16, %%rsp")
TRY(sldt, "sldt %%eax", "rax")
TRY(str, "str %%eax", "rax")
TRY(smsw, "smsw %%eax", "rax")

struct attempt {
    const char *name;
    void (*fn)(void);
    uint32_t vectors; /* which exceptions would be right */
};
static const struct attempt attempts[] = {
#define GP BIT(VEC_GP)
#define ROW(name, vectors) { #name, try_##name, vectors }
    ROW(hlt, GP), ROW(cli, GP), ROW(sti, GP), ROW(in, GP), ROW(out, GP), ROW(out_dx, GP), ROW(rdmsr, GP), ROW(wrmsr, GP), ROW(read_cr0, GP),
    ROW(read_cr3, GP), ROW(write_cr3, GP), ROW(read_dr7, GP), ROW(write_dr7, GP), ROW(lgdt, GP), ROW(lidt, GP), ROW(lldt, GP), ROW(ltr, GP),
    ROW(invlpg, GP), ROW(wbinvd, GP), ROW(swapgs, GP), ROW(sysret, GP | BIT(VEC_UD)), ROW(clts, GP), ROW(rdpmc, GP), ROW(xsetbv, GP | BIT(VEC_UD)),
    ROW(int_nmi, GP), ROW(int_df, GP), ROW(int_pf, GP), ROW(int_80, GP), ROW(int_f0, GP), ROW(int_ff, GP), ROW(iret_0, GP), ROW(far_0, GP),
    ROW(mov_ss, GP), ROW(mov_ds, GP), ROW(far_tss, GP), ROW(ud2, BIT(VEC_UD)), ROW(int3, BIT(VEC_BP)), ROW(int_3, BIT(VEC_BP)), ROW(divide, BIT(VEC_DE)),
    ROW(single_step, BIT(VEC_DB)), ROW(vmmcall, GP | BIT(VEC_UD)), ROW(vmrun, GP | BIT(VEC_UD)), ROW(clgi, GP | BIT(VEC_UD)),
    ROW(sysenter, GP | BIT(VEC_UD)), ROW(wild_jump, GP), ROW(wild_stack, BIT(VEC_PF)),
};
static const struct attempt inside_vm[] = { ROW(sgdt, GP), ROW(sidt, GP), ROW(sldt, GP), ROW(str, GP), ROW(smsw, GP) };

static void make_all(const struct attempt *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (probe(a[i].fn, 0, 0))
            fail("%s was let through", a[i].name);
        if (!(a[i].vectors >> last.vector & 1))
            fail("%s: exception %u", a[i].name, (unsigned)last.vector);
        CHECK(last.cs == 0x33 && last.ss == 0x2B);
    }
    say("%u attempts were refused", n);
}

/* Exceptions are the CPU's own in all they tell. QEMU 7.2 has 16, not 8, times the number for an INT n at CPL 3. */
static void details(void)
{
    CHECK(!probe(try_int_80, 0, 0) && (last.error == 0x80 * 8 + 2 || last.error == 0x80 * 16 + 2) && !memcmp((const void *)last.rip, "\xCD\x80", 2));
    CHECK(!probe(try_int3, 0, 0) && *(const uint8_t *)(last.rip - 1) == 0xCC);
    CHECK(!probe(try_int_3, 0, 0) && !memcmp((const void *)(last.rip - 2), "\xCD\x03", 2));
    CHECK(!probe(try_mov_ss, 0, 0) && last.error == 0x10);
    CHECK(!probe(try_hlt, 0, 0) && !last.error && *(const uint8_t *)last.rip == 0xF4);
}

static void peek(uint64_t at, uint64_t b) { (void)b; (void)*(volatile uint8_t *)at; }
static void poke(uint64_t at, uint64_t value) { *(volatile uint8_t *)at = (uint8_t)value; }
static void jump(uint64_t at, uint64_t b) { (void)b; ((void (*)(void))at)(); }

/* Steps through the whole address range; nothing but what was given may answer. */
static void sweep(void)
{
    static const uint64_t from[] = { 0x400000, 0x100000000, 0x4000000000, 0x7FFF00000000, 0xFFFF800000000000, 0xFFFFFF7000000000,
        0xFFFFFF8000000000, 0xFFFFFFFF80000000, 0xFFFFFFFFFFFF0000 };
    unsigned tries = 0;

    for (unsigned i = 0; i < ARRAY_LEN(from); i++)
        for (unsigned k = 0; k < 16; k++, tries++) {
            uint64_t at = from[i] + k * 0x1000;
            CHECK(!probe(peek, at, 0) && !probe(poke, at, 1) && !probe(jump, at, 0));
            CHECK(last.vector == VEC_PF && last_address == at);
        }
    for (uint64_t at = 0; at < APP_TOP - MIB(64); at += GIB(1), tries++)
        CHECK(!probe(peek, at + 0x5000000, 0));
    CHECK(!probe(poke, app_boot->time, 1) && !probe(poke, app_boot->gate, 1) && !probe(poke, APP_LIBOS, 1));
    CHECK(!probe(jump, app_boot->time, 0) && !probe(jump, (uint64_t)app_boot, 0));
    say("%u addresses are not there", tries);
}

static uint64_t flags(void)
{
    uint64_t f;

    __asm__ volatile("pushfq; pop %0" : "=r"(f));
    return f;
}

int app_main(void)
{
    make_all(attempts, ARRAY_LEN(attempts));
    if (app_boot->argc > 1)
        make_all(inside_vm, ARRAY_LEN(inside_vm));
    details();
    __asm__ volatile("pushfq; orl $0x3000, (%%rsp); popfq" ::: "memory", "cc"); /* IOPL does not change */
    CHECK(!(flags() & 0x3000) && flags() & RFLAGS_IF);
    sweep();
    pass();
}
