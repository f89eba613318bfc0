/* vm/insn and vm/mmio: any bytes as an instruction, any registers; first how it runs, then register seeds, then the bytes.
 * What is decoded must be consistent; what is executed must leave the monitor unharmed, and nothing but the noted registers
 * changed. */
#include <stdlib.h>
#include <string.h>
#include "ground/fake/fake.h"
#include "vm/insn.h"
#include "vm/apic.h"
#include "vm/mmio.h"
#include "vm/ram.h"
#include "vm/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEV 0xD0000000ull
#define CODE 0x20FF8ull /* so that instructions cross a page */

static struct vm vm;

void vm_stop(struct vm *m, enum vm_why why, const char *fmt, ...)
{
    (void)m, (void)why, (void)fmt;
}
void vcpu_raise(struct vcpu *c, unsigned vec, int64_t err)
{
    if (vec != VEC_PF && vec != VEC_GP)
        abort();
    c->has_exception = true;
    c->exception_error = (uint32_t)err;
}

/* no local APIC: vm/apic.c would bring the scheduler */
bool apic_in_page(const struct vcpu *, uint64_t) { return false; }
uint64_t apic_page_read(struct vcpu *, uint64_t, unsigned) { abort(); }
void apic_page_write(struct vcpu *, uint64_t, unsigned, uint64_t) { abort(); }
void apic_page_begin(struct vcpu *) {}
void apic_page_end(struct vcpu *) { abort(); }

static err_t dev_read(void *dev, uint64_t off, unsigned size, uint64_t *val)
{
    (void)dev;
    if (size > 8 || off + size > 0x1000 || !vm.lock.held)
        abort();
    *val = off * 0x0101010101010101;
    return OK;
}
static err_t dev_write(void *dev, uint64_t off, unsigned size, uint64_t val)
{
    (void)dev;
    if (size > 8 || off + size > 0x1000 || !vm.lock.held || insn_trim(val, size) != val)
        abort();
    return OK;
}
static const struct bus_ops ops = { dev_read, dev_write };

/* The first page of 2 MiB of RAM one to one, by 4 KiB pages; the device at 1 MiB; every 16th page absent,
 * those of the page tables read-only. */
static void set_up(void)
{
    uint64_t pte;

    vm.cfg.memory = MEM_CHUNK;
    if (ram_get(&vm) || bus_add(&vm, BUS_MMIO, DEV, 0x1000, &ops, NULL) || bus_add(&vm, BUS_PIO, 0x10, 4, &ops, NULL))
        abort();
    for (unsigned level = 0; level < 3; level++) {
        pte = (0x2000 + 0x1000 * level) | PTE_P | PTE_W | PTE_U;
        if (mem_write(&vm, gpa(0x1000 + 0x1000 * level), &pte, 8))
            abort();
    }
    for (uint64_t i = 0; i < 512; i++) {
        pte = (i == 256 ? DEV : i << 12) | (i % 16 == 5 ? 0 : PTE_P) | (i < 8 ? 0 : PTE_W) | PTE_U;
        if (mem_write(&vm, gpa(0x4000 + 8 * i), &pte, 8))
            abort();
    }
}

static void check_decoding(const uint8_t *bytes, unsigned n)
{
    struct insn in;
    err_t e = insn_decode(bytes, n, &in);

    if (e != OK && e != ERR_FORMAT && e != ERR_UNSUPPORTED)
        abort();
    if (e)
        return;
    if (!in.len || in.len > INSN_MAX || in.len > n || in.op == INSN_NONE || in.reg >= REG_COUNT || in.seg > SEG_GS)
        abort();
    if ((in.base != INSN_NO_REG && in.base >= REG_COUNT) || (in.index != INSN_NO_REG && in.index >= REG_COUNT))
        abort();
    if ((in.width & (in.width - 1)) || in.width > 8 || !in.width)
        abort();
    for (unsigned less = 0; less < in.len; less++) /* no shorter piece of it is an instruction */
        if (insn_decode(bytes, less, &in) != ERR_FORMAT)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vcpu v;
    struct sys_regs sys = { .cr0 = CR0_PE | CR0_PG | CR0_WP, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LMA };
    uint8_t code[INSN_MAX + 1] = { 0 };

    if (size < 20)
        return 0;
    if (!vm.low)
        set_up();
    unsigned n = (unsigned)min_size(size - 20, INSN_MAX);
    memcpy(code, data + 20, n);
    check_decoding(data + 20, n);

    memset(&v, 0, sizeof v);
    v.vm = &vm;
    v.r.rip = CODE;
    v.r.rflags = RFLAGS_FIXED | (data[1] & 4 ? RFLAGS_DF : 0);
    sys.cs_long = data[0] != 1;
    sys.cpl = data[1] & 3;
    sys.gs_base = data[1] & 8 ? 0x1000 : 0;
    for (unsigned i = 0; i < REG_COUNT; i++)
        v.r.gpr[i] = data[4 + i] & 0x80 ? (uint64_t)(int8_t)data[4 + i] : 0x100000 + (uint64_t)(data[4 + i] & 0x7F) * 0x21;
    v.x = (struct exit){ .kind = data[1] & 64 ? EXIT_PIO : EXIT_MMIO, .gpa = gpa(DEV + data[2] * 16u),
                         .write = data[1] & 16, .in = data[1] & 32, .port = 0x10, .size = (uint8_t)(1 << data[3] % 3) };
    if (mem_write(&vm, gpa(CODE), code, sizeof code))
        abort();
    struct regs before = v.r;
    err_t e = mmio_exit(&v, &sys);
    if (vm.lock.held || (e && e != ERR_GUEST))
        abort();
    if ((e || v.has_exception) && v.r.rip != before.rip)
        abort();
    if ((v.r.rflags ^ before.rflags) & ~RFLAGS_ARITH)
        abort();
    if (v.r.rip - before.rip > INSN_MAX)
        abort();
    return 0;
}
