/* vm/mmio: whole instructions against a device that notes every access. */
#include "test/unit/unit.h"
#include <stdio.h>
#include <string.h>
#include "ground/fake/fake.h"
#include "vm/apic.h"
#include "vm/mmio.h"
#include "vm/ram.h"
#include "vm/vm.h"

/* --- a guest: code, data, page tables in RAM, and a device mapped --- */

#define CODE 0x10000ull        /* virtual = physical, as all RAM */
#define DATA 0x20000ull
#define DEV_GPA 0xD0000000ull
#define DEV 0xFFFF800000000000ull /* where it is mapped: two pages, the second read-only, both for users too */
#define HOLE 0x60000ull           /* not present */

static struct vm vm;
static struct vcpu v;
static struct sys_regs sys;
static char stop_text[96];
static int raised;
static int64_t raised_error;

void vm_stop(struct vm *m, enum vm_why why, const char *fmt, ...)
{
    va_list ap;

    assert_ptr_equal(m, &vm);
    assert_int_equal(why, VM_FAULTED);
    va_start(ap, fmt);
    vsnprintf(stop_text, sizeof stop_text, fmt, ap);
    va_end(ap);
}
void vcpu_raise(struct vcpu *c, unsigned vec, int64_t err)
{
    assert_ptr_equal(c, &v);
    raised = (int)vec;
    raised_error = err;
}

/* The device: memory of two pages, and a list of what happened as text: "r8@10 w4@0=1 " */
static uint8_t dev_mem[0x2000];
static char trace[512];
static err_t dev_answer;

static void note(char dir, unsigned size, uint64_t off, uint64_t val)
{
    size_t n = strlen(trace);

    assert_true(vm.lock.held);
    if (dir == 'r')
        snprintf(trace + n, sizeof trace - n, "r%u@%llx ", size, (unsigned long long)off);
    else
        snprintf(trace + n, sizeof trace - n, "w%u@%llx=%llx ", size, (unsigned long long)off, (unsigned long long)val);
}
static err_t dev_read(void *, uint64_t off, unsigned size, uint64_t *val)
{
    note('r', size, off, 0);
    *val = 0xDEADDEADDEADDEAD; /* upper bits are to be ignored */
    memcpy(val, dev_mem + off, size);
    return dev_answer;
}
static err_t dev_write(void *, uint64_t off, unsigned size, uint64_t val)
{
    note('w', size, off, val);
    memcpy(dev_mem + off, &val, size);
    return dev_answer;
}
static const struct bus_ops dev_ops = { dev_read, dev_write };

/* The local APIC's page, in the place of the device's first if it is there. */
static bool has_apic;
static unsigned begun, ended;

bool apic_in_page(const struct vcpu *c, uint64_t at) { return c == &v && has_apic && at - DEV_GPA < PAGE_SIZE; }
uint64_t apic_page_read(struct vcpu *, uint64_t at, unsigned size)
{
    note('r', size, at, 0);
    return 0x55;
}
void apic_page_write(struct vcpu *c, uint64_t at, unsigned size, uint64_t val)
{
    note('w', size, at, val);
    c->apic.eoi_waits = true;
}
void apic_page_begin(struct vcpu *)
{
    assert_false(vm.lock.held);
    begun++;
}
void apic_page_end(struct vcpu *c)
{
    assert_false(vm.lock.held);
    c->apic.eoi_waits = false;
    ended++;
}

static void put64(uint64_t at, uint64_t val) { assert_int_equal(mem_write(&vm, gpa(at), &val, 8), OK); }

static void tables(void)
{
    const uint64_t rwu = PTE_P | PTE_W | PTE_U;

    put64(0x1000, 0x2000 | rwu);
    put64(0x2000, 0x3000 | rwu);
    put64(0x3000, 0x4000 | rwu);
    for (uint64_t i = 0; i < 512; i++)
        put64(0x4000 + 8 * i, i * PAGE_SIZE == HOLE ? 0 : i * PAGE_SIZE | rwu);
    put64(0x1000 + 8 * 256, 0x5000 | rwu);
    put64(0x5000, 0x6000 | rwu);
    put64(0x6000, 0x7000 | rwu);
    put64(0x7000, DEV_GPA | rwu);
    put64(0x7008, (DEV_GPA + PAGE_SIZE) | PTE_P | PTE_U);
}

static int set_up(void **)
{
    memset(&vm, 0, sizeof vm);
    memset(&v, 0, sizeof v);
    memset(dev_mem, 0, sizeof dev_mem);
    vm.cfg.memory = MEM_CHUNK;
    if (ram_get(&vm) || bus_add(&vm, BUS_MMIO, DEV_GPA, sizeof dev_mem, &dev_ops, NULL) ||
        bus_add(&vm, BUS_PIO, 0x100, 8, &dev_ops, NULL))
        return -1;
    tables();
    sys = (struct sys_regs){ .cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LME | EFER_LMA,
                             .cs_long = true };
    v.vm = &vm;
    v.id = 3;
    v.r.rip = CODE;
    v.r.rflags = RFLAGS_FIXED;
    trace[0] = stop_text[0] = 0;
    raised = -1;
    has_apic = false;
    begun = ended = 0;
    dev_answer = OK;
    return 0;
}
static int tear_down(void **)
{
    ram_put(&vm);
    return fake_pages_in_use() != 0 || vm.lock.held;
}

static void load_code(const char *bytes, size_t n) { assert_int_equal(mem_write(&vm, gpa(v.r.rip), bytes, n), OK); }

/* One instruction that has exited for an access to DEV + off. */
static err_t run(const char *bytes, size_t n, uint64_t off, bool write)
{
    trace[0] = 0;
    v.r.rip = CODE;
    load_code(bytes, n);
    v.x = (struct exit){ .kind = EXIT_MMIO, .gpa = gpa(DEV_GPA + off), .write = write };
    return mmio_exit(&v, &sys);
}
#define READS(bytes, off)                                                  \
    do {                                                                   \
        assert_int_equal(run(bytes, sizeof bytes - 1, off, false), OK);    \
        assert_int_equal(v.r.rip, CODE + sizeof bytes - 1);                \
        assert_int_equal(raised, -1);                                      \
    } while (0)
#define WRITES(bytes, off)                                                 \
    do {                                                                   \
        assert_int_equal(run(bytes, sizeof bytes - 1, off, true), OK);     \
        assert_int_equal(v.r.rip, CODE + sizeof bytes - 1);                \
        assert_int_equal(raised, -1);                                      \
    } while (0)

static void set_dev(uint64_t off, uint64_t val) { memcpy(dev_mem + off, &val, 8); }
/* --- moves --- */

static void loads_fill_registers_as_the_cpu_does(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    set_dev(0x10, 0x8877665544332211);
    v.r.gpr[REG_RAX] = UINT64_MAX;
    READS("\x8A\x43\x10", 0x10); /* mov 0x10(%rbx),%al */
    assert_string_equal(trace, "r1@10 ");
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFFFFFFFFFFFF11);
    READS("\x8A\x63\x11", 0x11); /* ah */
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFFFFFFFFFF2211);
    READS("\x66\x8B\x43\x12", 0x12);
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFFFFFFFFFF4433);
    READS("\x8B\x43\x10", 0x10);
    assert_int_equal(v.r.gpr[REG_RAX], 0x44332211);
    READS("\x4C\x8B\x4B\x10", 0x10); /* r9 */
    assert_int_equal(v.r.gpr[REG_R9], 0x8877665544332211);
    READS("\x0F\xB6\x43\x17", 0x17); /* movzx */
    assert_int_equal(v.r.gpr[REG_RAX], 0x88);
    READS("\x48\x0F\xBE\x43\x17", 0x17); /* movsx */
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFFFFFFFFFFFF88);
    READS("\x0F\xBF\x43\x16", 0x16);
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFF8877);
    READS("\x48\x63\x43\x14", 0x14); /* movsxd */
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFFFFFF88776655);
    READS("\xA1\x10\0\0\0\0\x80\xFF\xFF", 0x10); /* movabs */
    assert_int_equal(v.r.gpr[REG_RAX], 0x44332211);
}

static void stores_have_the_operands_width(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    v.r.gpr[REG_RCX] = 0x8877665544332211;
    WRITES("\x88\x4B\x01", 1);
    assert_string_equal(trace, "w1@1=11 ");
    WRITES("\x88\x6B\x01", 1); /* ch */
    assert_string_equal(trace, "w1@1=22 ");
    WRITES("\x66\x89\x4B\x02", 2);
    assert_string_equal(trace, "w2@2=2211 ");
    WRITES("\x48\x89\x0B", 0);
    assert_string_equal(trace, "w8@0=8877665544332211 ");
    WRITES("\x48\x0F\xC3\x0B", 0); /* movnti */
    assert_string_equal(trace, "w8@0=8877665544332211 ");
    WRITES("\x48\xC7\x03\xFE\xFF\xFF\xFF", 0); /* movq $-2 */
    assert_string_equal(trace, "w8@0=fffffffffffffffe ");
    WRITES("\x66\xC7\x03\x34\x12", 0);
    assert_string_equal(trace, "w2@0=1234 ");
}

static void addresses_are_computed_in_full(void **)
{
    v.r.gpr[REG_RBX] = DEV - 0x1000;
    v.r.gpr[REG_RDX] = 0x200;
    WRITES("\xC7\x84\xD3\x08\0\0\0\1\0\0\0", 8); /* movl $1,8(%rbx,%rdx,8) */
    assert_string_equal(trace, "w4@8=1 ");
    sys.gs_base = DEV - 0x55;
    WRITES("\x65\xC6\x04\x25\x55\0\0\0\7", 0); /* movb $7,%gs:0x55 */
    assert_string_equal(trace, "w1@0=7 ");
    v.r.gpr[REG_RBX] = 0xABCDABCD00000000;
    sys.fs_base = DEV;
    WRITES("\x64\x67\xC6\x43\x04\x07", 4); /* 32-bit address: the upper half of rbx does not count */
    assert_string_equal(trace, "w1@4=7 ");
    v.r.gpr[REG_RBX] = DEV;
    WRITES("\x3E\xC6\x03\x09", 0);
    assert_string_equal(trace, "w1@0=9 ");
}

static void rip_relative_counts_from_the_next_instruction(void **)
{
    put64(0x7000, DEV_GPA | PTE_P | PTE_W);
    put64(0x4000 + 8 * (0x30000 >> 12), DEV_GPA | PTE_P | PTE_W); /* the device, near the code */
    /* movl $5, d(%rip): 10 bytes. The exit's address is wrong on purpose, so that ours is used */
    assert_int_equal(run("\xC7\x05\x0A\0\x02\0\5\0\0\0", 10, 0xFF, true), OK);
    assert_string_equal(trace, "w4@14=5 "); /* 0x10000 + 10 + 0x2000a - 0x30000 */
}

/* --- read, change, write --- */

static void arithmetic_reads_and_writes_once(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    set_dev(0, 0xFFFFFFFF);
    v.r.gpr[REG_RCX] = 1;
    WRITES("\x01\x0B", 0); /* add %ecx,(%rbx) */
    assert_string_equal(trace, "r4@0 w4@0=0 ");
    assert_int_equal(v.r.rflags, RFLAGS_FIXED | RFLAGS_ZF | RFLAGS_CF | RFLAGS_PF | RFLAGS_AF);
    WRITES("\xF0\x83\x0B\xF0", 0); /* lock orl $-16 */
    assert_string_equal(trace, "r4@0 w4@0=fffffff0 ");
    assert_int_equal(v.r.rflags, RFLAGS_FIXED | RFLAGS_SF | RFLAGS_PF);
    WRITES("\xF7\x13", 0); /* notl */
    assert_string_equal(trace, "r4@0 w4@0=f ");
    WRITES("\xFE\x0B", 0); /* decb */
    assert_string_equal(trace, "r1@0 w1@0=e ");
    READS("\x3B\x0B", 0); /* cmp (%rbx),%ecx */
    assert_string_equal(trace, "r4@0 ");
    assert_true(v.r.rflags & RFLAGS_CF);
    READS("\xF6\x03\x02", 0); /* testb $2 */
    assert_string_equal(trace, "r1@0 ");
    assert_false(v.r.rflags & (RFLAGS_ZF | RFLAGS_CF));
    READS("\x2B\x0B", 0); /* sub (%rbx),%ecx */
    assert_int_equal(v.r.gpr[REG_RCX], 0xFFFFFFF3);
}

static void exchanges_change_both_sides(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    set_dev(0, 0x10);
    v.r.gpr[REG_RCX] = 0x20;
    WRITES("\x87\x0B", 0); /* xchg */
    assert_string_equal(trace, "r4@0 w4@0=20 ");
    assert_int_equal(v.r.gpr[REG_RCX], 0x10);
    v.r.gpr[REG_RAX] = 0x31;
    WRITES("\xF0\x0F\xB1\x0B", 0); /* cmpxchg, unequal */
    assert_string_equal(trace, "r4@0 ");
    assert_int_equal(v.r.gpr[REG_RAX], 0x20);
    assert_false(v.r.rflags & RFLAGS_ZF);
    WRITES("\xF0\x0F\xB1\x0B", 0); /* equal */
    assert_string_equal(trace, "r4@0 w4@0=10 ");
    assert_true(v.r.rflags & RFLAGS_ZF);
}

static void bits_are_tested_and_changed(void **)
{
    v.r.gpr[REG_RBX] = DEV + 0x100;
    WRITES("\x0F\xBA\x2B\x25", 0x100); /* btsl $37: 5 of 32 */
    assert_string_equal(trace, "r4@100 w4@100=20 ");
    assert_false(v.r.rflags & RFLAGS_CF);
    set_dev(0x100, BIT64(63));
    WRITES("\x48\x0F\xBA\x33\x3F", 0x100); /* btrq $63 */
    assert_string_equal(trace, "r8@100 w8@100=0 ");
    assert_true(v.r.rflags & RFLAGS_CF);
    READS("\x0F\xBA\x23\x1F", 0x100); /* btl $31 */
    assert_string_equal(trace, "r4@100 ");
}

/* --- pages --- */

static void an_operand_may_lie_in_two_pages(void **)
{
    put64(0x7008, 0x31000 | PTE_P | PTE_W); /* RAM behind the device's first page */
    v.r.gpr[REG_RBX] = DEV;
    WRITES("\xC7\x83\xFE\x0F\0\0\x44\x33\x22\x11", 0xFFE);
    assert_string_equal(trace, "w1@ffe=44 w1@fff=33 ");
    uint16_t ram;
    assert_int_equal(mem_read(&vm, gpa(0x31000), &ram, 2), OK);
    assert_int_equal(ram, 0x1122);
    v.r.gpr[REG_RAX] = 0;
    READS("\x8B\x83\xFE\x0F\0\0", 0xFFE);
    assert_int_equal(v.r.gpr[REG_RAX], 0x11223344);
    put64(0x7008, 0);
    assert_int_equal(run("\x8B\x83\xFE\x0F\0\0", 6, 0xFFE, false), OK);
    assert_int_equal(raised, VEC_PF);
    assert_int_equal(v.fault_va, DEV + 0x1000);
    assert_string_equal(trace, "");
    assert_int_equal(v.r.rip, CODE);
}

static void an_instruction_may_lie_in_two_pages(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    v.r.rip = HOLE + 0xFFD - PAGE_SIZE; /* three of its bytes before the hole */
    load_code("\xC7\x43\x08", 3);
    v.x = (struct exit){ .kind = EXIT_MMIO, .gpa = gpa(DEV_GPA + 8), .write = true };
    assert_int_equal(mmio_exit(&v, &sys), OK);
    assert_int_equal(raised, VEC_PF);
    assert_int_equal(raised_error, 0x10);
    assert_int_equal(v.fault_va, HOLE);
    put64(0x4000 + 8 * (HOLE >> 12), 0x40000 | PTE_P);
    put64(0x40000, 0x11223344);
    assert_int_equal(mmio_exit(&v, &sys), OK);
    assert_string_equal(trace, "w4@8=11223344 ");
    assert_int_equal(v.r.rip, HOLE + 4);
}

/* Another vCPU changed the instruction after the exit: a store where only loads are allowed. */
static void a_changed_instruction_gets_no_more_than_the_tables_allow(void **)
{
    sys.cpl = 3;
    v.r.gpr[REG_RBX] = DEV + PAGE_SIZE;
    assert_int_equal(run("\x89\x03", 2, PAGE_SIZE, false), OK);
    assert_int_equal(raised, VEC_PF);
    assert_int_equal(raised_error, 7);
    assert_int_equal(v.fault_va, DEV + PAGE_SIZE);
    assert_string_equal(trace, "");
    v.r.gpr[REG_RBX] = BIT64(60);
    assert_int_equal(run("\x89\x03", 2, 4, false), OK);
    assert_int_equal(raised, VEC_GP);
}

/* --- strings --- */

static void repeated_stores_go_one_by_one(void **)
{
    v.r.gpr[REG_RDI] = DEV + 8;
    v.r.gpr[REG_RCX] = 2;
    v.r.gpr[REG_RAX] = 0x1234;
    assert_int_equal(run("\xF3\xAB", 2, 8, true), OK);
    assert_string_equal(trace, "w4@8=1234 ");
    assert_int_equal(v.r.rip, CODE);
    assert_int_equal(v.r.gpr[REG_RDI], DEV + 12);
    v.r.rflags |= RFLAGS_DF;
    WRITES("\xF3\xAB", 12);
    assert_int_equal(v.r.gpr[REG_RDI], DEV + 8);
    assert_int_equal(v.r.gpr[REG_RCX], 0);
    WRITES("\xF3\xAB", 8); /* count 0: nothing */
    assert_string_equal(trace, "");
    WRITES("\xAA", 8); /* without REP the count does not matter */
    assert_string_equal(trace, "w1@8=34 ");
    assert_int_equal(v.r.gpr[REG_RCX], 0);
}

static void moves_between_ram_and_device(void **)
{
    put64(DATA, 0xAABBCCDD11223344);
    v.r.gpr[REG_RSI] = DATA;
    v.r.gpr[REG_RDI] = DEV;
    v.r.gpr[REG_RCX] = 1;
    WRITES("\xF3\x48\xA5", 0);
    assert_string_equal(trace, "w8@0=aabbccdd11223344 ");
    assert_int_equal(v.r.gpr[REG_RSI], DATA + 8);
    v.r.gpr[REG_RSI] = DEV + 1;
    v.r.gpr[REG_RDI] = DATA + 0x100;
    READS("\xA4", 1);
    assert_string_equal(trace, "r1@1 ");
    v.r.gpr[REG_RSI] = DEV;
    v.r.gpr[REG_RDI] = DEV + 0x10;
    READS("\x66\xA5", 0);
    assert_string_equal(trace, "r2@0 w2@10=3344 ");
    v.r.gpr[REG_RSI] = DEV;
    v.r.gpr[REG_RAX] = UINT64_MAX;
    READS("\xAC", 0);
    assert_int_equal(v.r.gpr[REG_RAX], 0xFFFFFFFFFFFFFF44);
    v.r.gpr[REG_RSI] = HOLE;
    assert_int_equal(run("\xA4", 1, 0x10, true), OK);
    assert_int_equal(raised, VEC_PF);
    assert_int_equal(v.r.gpr[REG_RSI], HOLE);
}

/* --- what ends the guest --- */

static void unknown_instructions_stop_the_guest_and_are_shown(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    assert_int_equal(run("\x0F\x11\x03\x90\x90\x90\x90\x90", 8, 0, true), ERR_GUEST); /* movups */
    assert_string_equal(stop_text, "vcpu 3: cannot emulate instruction at 0x10000: 0f 11 03 90 90 90 90 90");
    assert_string_equal(trace, "");
}

static void code_that_is_not_64_bit_stops_the_guest(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    sys.cs_long = false; /* a 32-bit program under a 64-bit kernel */
    assert_int_equal(run("\x89\x03", 2, 0, true), ERR_GUEST);
    assert_string_equal(stop_text, "vcpu 3: cannot emulate instruction at 0x10000: code is no RAM, or not 64-bit");
    sys.cs_long = true; /* means nothing outside long mode */
    sys.efer = 0;
    assert_int_equal(run("\x89\x03", 2, 0, true), ERR_GUEST);
    assert_string_equal(trace, "");
}

static void a_device_may_refuse(void **)
{
    v.r.gpr[REG_RBX] = DEV;
    dev_answer = ERR_GUEST;
    assert_int_equal(run("\x01\x03", 2, 0, true), ERR_GUEST);
    assert_string_equal(trace, "r4@0 ");
    assert_int_equal(v.r.rip, CODE);
}

static void code_outside_ram_stops_the_guest(void **)
{
    v.r.rip = DEV;
    v.x = (struct exit){ .kind = EXIT_MMIO, .gpa = gpa(DEV_GPA) };
    assert_int_equal(mmio_exit(&v, &sys), ERR_GUEST);
    sys.cr3 = DEV_GPA;
    v.r.rip = CODE;
    assert_int_equal(mmio_exit(&v, &sys), ERR_GUEST);
}

/* --- string port I/O --- */

static err_t string_io(const char *bytes, size_t n, bool in, uint8_t size)
{
    trace[0] = 0;
    v.r.rip = CODE;
    load_code(bytes, n);
    v.x = (struct exit){ .kind = EXIT_PIO, .port = 0x104, .size = size, .in = in, .string = true };
    return mmio_exit(&v, &sys);
}

static void outs_sends_memory_to_the_port(void **)
{
    put64(DATA, 0x4433221144332211);
    v.r.gpr[REG_RSI] = DATA;
    v.r.gpr[REG_RCX] = 3;
    assert_int_equal(string_io("\xF3\x6E", 2, false, 1), OK);
    assert_string_equal(trace, "w1@4=11 w1@4=22 w1@4=33 ");
    assert_int_equal(v.r.gpr[REG_RSI], DATA + 3);
    assert_int_equal(v.r.gpr[REG_RCX], 0);
    assert_int_equal(v.r.rip, CODE + 2);
    sys.gs_base = DATA;
    v.r.gpr[REG_RSI] = 4;
    assert_int_equal(string_io("\x65\x66\x6F", 3, false, 2), OK);
    assert_string_equal(trace, "w2@4=2211 ");
    assert_int_equal(v.r.gpr[REG_RSI], 6);
    assert_int_equal(string_io("\xF3\x6E", 2, false, 1), OK); /* count 0 */
    assert_string_equal(trace, "");
    assert_int_equal(v.r.rip, CODE + 2);
}

static void ins_fills_memory_up_to_the_fault(void **)
{
    uint32_t ram[2];

    set_dev(4, 0x55667788);
    v.r.gpr[REG_RDI] = HOLE - 8;
    v.r.gpr[REG_RCX] = 5;
    assert_int_equal(string_io("\xF3\x6D", 2, true, 4), OK);
    assert_string_equal(trace, "r4@4 r4@4 "); /* nothing is read from the port that has no place */
    assert_int_equal(raised, VEC_PF);
    assert_int_equal(raised_error, 2);
    assert_int_equal(v.fault_va, HOLE);
    assert_int_equal(v.r.gpr[REG_RDI], HOLE);
    assert_int_equal(v.r.gpr[REG_RCX], 3);
    assert_int_equal(v.r.rip, CODE);
    assert_int_equal(mem_read(&vm, gpa(HOLE - 8), ram, 8), OK);
    assert_int_equal(ram[1], 0x55667788);
}

static void string_io_is_done_in_portions(void **)
{
    v.r.gpr[REG_RDI] = DATA + 0x4000;
    v.r.gpr[REG_RCX] = UINT64_MAX;
    v.r.rflags |= RFLAGS_DF;
    v.x.port = 0x200;
    load_code("\xF3\x6D", 2);
    v.x = (struct exit){ .kind = EXIT_PIO, .port = 0x200, .size = 4, .in = true, .string = true };
    assert_int_equal(mmio_exit(&v, &sys), OK);
    assert_int_equal(v.r.gpr[REG_RCX], UINT64_MAX - PIO_STRING_MAX / 4);
    assert_int_equal(v.r.gpr[REG_RDI], DATA + 0x4000 - PIO_STRING_MAX);
    assert_int_equal(v.r.rip, CODE);
    uint32_t ram;
    assert_int_equal(mem_read(&vm, gpa(DATA + 0x4000), &ram, 4), OK);
    assert_int_equal(ram, UINT32_MAX); /* nobody at that port */
}

static void string_io_that_is_none_stops_the_guest(void **)
{
    assert_int_equal(string_io("\x90", 1, true, 1), ERR_GUEST);
    assert_int_equal(string_io("\x6C", 1, false, 1), ERR_GUEST);
    assert_int_equal(string_io("\x6C", 1, true, 4), ERR_GUEST);
    assert_int_equal(run("\x6C", 1, 0, true), ERR_GUEST);
}

static void the_local_apic_comes_before_any_device(void **)
{
    has_apic = true;
    v.r.gpr[REG_RBX] = DEV;
    READS("\x8B\x43\x20", 0x20);
    assert_string_equal(trace, "r4@d0000020 ");
    assert_int_equal(v.r.gpr[REG_RAX], 0x55);
    assert_int_equal(ended, 0);
    WRITES("\x89\x43\x30", 0x30);
    assert_string_equal(trace, "w4@d0000030=55 ");
    assert_true(begun == 2 && ended == 1 && !v.apic.eoi_waits);
    assert_int_equal(dev_mem[0x30], 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(loads_fill_registers_as_the_cpu_does), TEST(stores_have_the_operands_width),
        TEST(addresses_are_computed_in_full), TEST(rip_relative_counts_from_the_next_instruction),
        TEST(arithmetic_reads_and_writes_once), TEST(exchanges_change_both_sides),
        TEST(bits_are_tested_and_changed), TEST(an_operand_may_lie_in_two_pages),
        TEST(an_instruction_may_lie_in_two_pages), TEST(a_changed_instruction_gets_no_more_than_the_tables_allow),
        TEST(repeated_stores_go_one_by_one), TEST(moves_between_ram_and_device),
        TEST(code_that_is_not_64_bit_stops_the_guest),
        TEST(unknown_instructions_stop_the_guest_and_are_shown), TEST(a_device_may_refuse),
        TEST(code_outside_ram_stops_the_guest), TEST(outs_sends_memory_to_the_port),
        TEST(ins_fills_memory_up_to_the_fault), TEST(string_io_is_done_in_portions),
        TEST(string_io_that_is_none_stops_the_guest), TEST(the_local_apic_comes_before_any_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
