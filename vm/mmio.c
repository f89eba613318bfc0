/* Emulation of the one instruction that made a vCPU exit, in 64-bit code: an operating system touches devices in no other.
 * Permission to touch memory is checked as the CPU would, since another vCPU of the guest may have changed the
 * instruction after the exit. */
#include "vm/mmio.h"
#include "base/bytes.h"
#include "base/fmt.h"
#include "vm/apic.h"
#include "vm/insn.h"
#include "vm/vm.h"
#include "vm/walk.h"

/* The instruction at work. Its functions return ERR_AGAIN once the guest is to take an exception instead. */
struct emu {
    struct vcpu *v;
    const struct sys_regs *s;
    uint8_t bytes[INSN_MAX];
    unsigned nbytes;
    struct insn in;
};

/* A memory operand, found: it may lie in two pages. */
struct span {
    uint64_t at[2];
    unsigned first, width; /* bytes in the first page, bytes in all */
};

/* --- registers --- */

static uint64_t reg_get(const struct emu *m, unsigned reg, unsigned width)
{
    return insn_trim(m->v->r.gpr[reg], width);
}

static void reg_set(const struct emu *m, unsigned reg, unsigned width, uint64_t val)
{
    uint64_t *r = &m->v->r.gpr[reg], mask = width < 4 ? BIT64(8 * width) - 1 : UINT64_MAX;

    *r = (*r & ~mask) | insn_trim(val, width); /* 32-bit results clear the upper half */
}

/* The register operand, which may be AH, CH, DH or BH. */
static uint64_t operand_get(const struct emu *m)
{
    if (m->in.reg_high)
        return m->v->r.gpr[m->in.reg] >> 8 & 0xFF;
    return reg_get(m, m->in.reg, m->in.reg_width);
}

static void operand_set(const struct emu *m, uint64_t val)
{
    uint64_t *r = &m->v->r.gpr[m->in.reg];

    if (m->in.reg_high)
        *r = (*r & ~0xFF00ull) | (val & 0xFF) << 8;
    else
        reg_set(m, m->in.reg, m->in.reg_width, val);
}

/* --- addresses --- */

static uint64_t linear(const struct emu *m, enum insn_seg seg, uint64_t offset)
{
    return insn_trim(offset, m->in.addr_size) + (seg == SEG_FS ? m->s->fs_base : seg == SEG_GS ? m->s->gs_base : 0);
}

static uint64_t operand_address(const struct emu *m)
{
    const struct insn *in = &m->in;
    const uint64_t *gpr = m->v->r.gpr;
    uint64_t at = (uint64_t)in->disp;

    if (in->base != INSN_NO_REG)
        at += gpr[in->base];
    if (in->index != INSN_NO_REG)
        at += gpr[in->index] << in->scale;
    if (in->rip_relative)
        at += m->v->r.rip + in->len;
    return linear(m, in->seg, at);
}

static err_t page_find(const struct emu *m, uint64_t va, unsigned how, struct walk *w)
{
    err_t e;

    if (m->v->r.rflags & RFLAGS_AC)
        how |= WALK_AC;
    e = walk_page(m->v->vm, m->s, va, how, w);
    if (e == ERR_NOTFOUND) {
        m->v->fault_va = va;
        vcpu_raise(m->v, VEC_PF, w->pf_error);
        return ERR_AGAIN;
    }
    if (e == ERR_RANGE) {
        vcpu_raise(m->v, VEC_GP, 0);
        return ERR_AGAIN;
    }
    return e;
}

static err_t span_find(const struct emu *m, uint64_t va, unsigned how, struct span *out)
{
    const struct exit *x = &m->v->x;
    uint64_t off = va & (PAGE_SIZE - 1);
    unsigned width = m->in.width, first = (unsigned)min_u64(width, PAGE_SIZE - off);
    struct walk w;
    err_t e;

    *out = (struct span){ .at = { x->gpa.v }, .first = first, .width = width };
    /* The operand whose access caused the exit has been translated and allowed by the CPU, unless this is not the
     * instruction, or not the page, that exited. */
    if (x->kind == EXIT_MMIO && (x->gpa.v & (PAGE_SIZE - 1)) == off && x->write == (how == WALK_WRITE) && first == width)
        return OK;
    e = page_find(m, va, how, &w);
    out->at[0] = w.gpa.v;
    if (e || first == width)
        return e;
    e = page_find(m, va + first, how, &w);
    out->at[1] = w.gpa.v;
    return e;
}

/* --- memory, RAM or device; under vm->lock --- */

enum direction { LOAD, STORE };

/* size bytes within a page. */
static err_t place_access(struct vcpu *v, enum direction dir, uint64_t at, unsigned size, uint64_t *val)
{
    struct vm *vm = v->vm;
    uint8_t raw[8];

    if (__builtin_expect(apic_in_page(v, at), 0)) {
        if (dir == STORE)
            apic_page_write(v, at, size, *val);
        else
            *val = apic_page_read(v, at, size);
        return OK;
    }
    put_le64(raw, dir == STORE ? *val : 0);
    if (dir == STORE)
        return mem_write(vm, gpa(at), raw, size) ? bus_write(vm, BUS_MMIO, at, size, *val) : OK;
    if (mem_read(vm, gpa(at), raw, size))
        return bus_read(vm, BUS_MMIO, at, size, val);
    *val = get_le64(raw);
    return OK;
}

/* Byte by byte if it lies in two pages. */
static err_t span_access(struct vcpu *v, enum direction dir, const struct span *sp, uint64_t *val)
{
    uint64_t all = insn_trim(*val, sp->width), byte;
    err_t e = OK;

    if (sp->first == sp->width)
        e = place_access(v, dir, sp->at[0], sp->width, &all);
    for (unsigned i = 0; sp->first != sp->width && !e && i < sp->width; i++) {
        byte = all >> 8 * i & 0xFF;
        e = place_access(v, dir, i < sp->first ? sp->at[0] + i : sp->at[1] + (i - sp->first), 1, &byte);
        all = (all & ~(0xFFull << 8 * i)) | (byte & 0xFF) << 8 * i;
    }
    *val = insn_trim(all, sp->width);
    return e;
}

/* --- fetch --- */

/* Adds the instruction's bytes up to the end of the page. */
static err_t fetch_page(struct emu *m)
{
    struct walk w;
    err_t e = page_find(m, m->v->r.rip + m->nbytes, WALK_FETCH, &w);

    if (e)
        return e;
    unsigned n = (unsigned)min_u64(INSN_MAX - m->nbytes, w.run);
    e = mem_read(m->v->vm, w.gpa, m->bytes + m->nbytes, n);
    if (!e)
        m->nbytes += n;
    return e;
}

static err_t fetch(struct emu *m)
{
    err_t e = m->s->efer & EFER_LMA && m->s->cs_long ? ERR_FORMAT : ERR_UNSUPPORTED;

    for (unsigned pages = 0; e == ERR_FORMAT && pages < 2 && m->nbytes < INSN_MAX; pages++) {
        e = fetch_page(m);
        if (!e)
            e = insn_decode(m->bytes, m->nbytes, &m->in);
    }
    return e;
}

/* --- execution; under vm->lock --- */

/* CMPXCHG; mem is what it found in memory. */
static err_t do_compare(const struct emu *m, const struct span *at, uint64_t mem)
{
    struct regs *r = &m->v->r;
    uint64_t new = operand_get(m), flags = r->rflags;
    err_t e = OK;

    insn_alu(INSN_CMP, m->in.width, reg_get(m, REG_RAX, m->in.width), mem, &flags);
    if (!(flags & RFLAGS_ZF))
        reg_set(m, REG_RAX, m->in.width, mem);
    else
        e = span_access(m->v, STORE, at, &new);
    if (!e)
        r->rflags = flags;
    return e;
}

/* All operations but strings: what insn_alu() computes goes to the first operand. */
static err_t do_operand(const struct emu *m)
{
    const struct insn *in = &m->in;
    struct vcpu *v = m->v;
    bool to_reg = in->form == FORM_R_M, test = in->op == INSN_CMP || in->op == INSN_TEST || in->op == INSN_BT;
    uint64_t mem = 0, other = in->form == FORM_M_I ? insn_trim((uint64_t)in->imm, in->width) : operand_get(m);
    uint64_t flags = v->r.rflags, result;
    struct span at;
    err_t e = span_find(m, operand_address(m), to_reg || test ? WALK_READ : WALK_WRITE, &at);

    if (!e && (to_reg || in->op != INSN_MOV))
        e = span_access(v, LOAD, &at, &mem);
    if (e)
        return e;
    if (in->op == INSN_CMPXCHG)
        return do_compare(m, &at, mem);
    result = insn_alu(in->op, in->width, to_reg ? other : mem, to_reg ? mem : other, &flags);
    if (!to_reg && !test)
        e = span_access(v, STORE, &at, &result);
    if (e)
        return e;
    if (in->op == INSN_XCHG)
        operand_set(m, mem);
    else if (to_reg && !test)
        operand_set(m, result);
    v->r.rflags = flags;
    return OK;
}

static void string_step(const struct emu *m, unsigned reg)
{
    uint64_t step = m->v->r.rflags & RFLAGS_DF ? -(uint64_t)m->in.width : m->in.width;

    reg_set(m, reg, m->in.addr_size, m->v->r.gpr[reg] + step);
}

/* One element. All memory is looked up before anything is read: reading a port or a device cannot be undone. */
static err_t do_string(const struct emu *m)
{
    struct vcpu *v = m->v;
    enum insn_op op = m->in.op;
    bool load = op == INSN_MOVS || op == INSN_LODS || op == INSN_OUTS;
    bool store = op == INSN_MOVS || op == INSN_STOS || op == INSN_INS;
    uint64_t val = v->r.gpr[REG_RAX];
    struct span from, to;
    err_t e = OK;

    if (load)
        e = span_find(m, linear(m, m->in.seg, v->r.gpr[REG_RSI]), WALK_READ, &from);
    if (!e && store)
        e = span_find(m, linear(m, SEG_FLAT, v->r.gpr[REG_RDI]), WALK_WRITE, &to);
    if (!e && load)
        e = span_access(v, LOAD, &from, &val);
    if (!e && op == INSN_INS)
        e = bus_read(v->vm, BUS_PIO, v->x.port, m->in.width, &val);
    if (!e && store)
        e = span_access(v, STORE, &to, &val);
    if (!e && op == INSN_OUTS)
        e = bus_write(v->vm, BUS_PIO, v->x.port, m->in.width, val);
    if (e)
        return e;
    if (load)
        string_step(m, REG_RSI);
    if (store)
        string_step(m, REG_RDI);
    if (op == INSN_LODS)
        reg_set(m, REG_RAX, m->in.width, val);
    return OK;
}

/* Goes on to the next instruction, unless elements of a repeated one are left. */
static err_t execute(const struct emu *m)
{
    const struct insn *in = &m->in;
    bool repeated = in->form == FORM_STR && in->rep;
    uint64_t left = repeated ? reg_get(m, REG_RCX, in->addr_size) : 1;
    err_t e = OK;

    if (in->form != FORM_STR)
        e = do_operand(m);
    else if (left)
        e = do_string(m);
    if (e)
        return e;
    if (repeated && left)
        reg_set(m, REG_RCX, in->addr_size, --left);
    if (!repeated || !left)
        m->v->r.rip += in->len;
    return OK;
}

/* --- the exit --- */

static err_t finish(const struct emu *m, err_t e)
{
    char hex[8 * 3 + 1] = "";

    if (e == OK || e == ERR_AGAIN)
        return OK;
    for (unsigned i = 0; i < m->nbytes && i < 8; i++)
        fmt_text(hex + 3 * i, sizeof hex - 3 * i, " %02x", m->bytes[i]);
    vm_stop(m->v->vm, VM_FAULTED, "vcpu %u: cannot emulate instruction at 0x%" PRIx64 ":%s", m->v->id, m->v->r.rip,
            m->nbytes ? hex : " code is no RAM, or not 64-bit");
    return ERR_GUEST;
}

err_t mmio_exit(struct vcpu *v, const struct sys_regs *s)
{
    struct emu m = { .v = v, .s = s };
    bool ports = v->x.kind == EXIT_PIO;
    uint64_t rip = v->r.rip;
    err_t e = fetch(&m);

    if (!e && ports && (m.in.op != (v->x.in ? INSN_INS : INSN_OUTS) || m.in.width != v->x.size))
        e = ERR_UNSUPPORTED;
    if (!e && !ports && (m.in.op == INSN_INS || m.in.op == INSN_OUTS))
        e = ERR_UNSUPPORTED; /* they exit as port I/O */
    if (e)
        return finish(&m, e);
    apic_page_begin(v);
    lock_take(&v->vm->lock);
    for (unsigned done = 0; done < (ports ? PIO_STRING_MAX : 1) && !e && v->r.rip == rip; done += m.in.width)
        e = execute(&m);
    lock_drop(&v->vm->lock);
    if (v->apic.eoi_waits)
        apic_page_end(v);
    return finish(&m, e);
}
