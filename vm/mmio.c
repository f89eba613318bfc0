/* Emulation of the one instruction that made a vCPU exit. Permission to touch memory is checked as the CPU would, since
 * another vCPU of the guest may have changed the instruction after the exit. */
#include "vm/mmio.h"
#include "base/bytes.h"
#include "base/fmt.h"
#include "vm/insn.h"
#include "vm/vm.h"
#include "vm/walk.h"

/* The instruction at work. Its functions return ERR_AGAIN once the guest is to take an exception instead. */
struct emu {
    struct vcpu *v;
    const struct sys_regs *s;
    enum insn_mode mode;
    uint8_t bytes[INSN_MAX];
    unsigned nbytes;
    struct insn in;
};

/* A memory operand, found: it may lie in two pages. */
struct span {
    uint64_t at[2];
    unsigned first, width; /* bytes in the first page, bytes in all */
};

static struct emu emu_begin(struct vcpu *v, const struct sys_regs *s)
{
    bool lma = s->efer & EFER_LMA;

    return (struct emu){ .v = v, .s = s, .mode = lma && s->cs_long ? INSN_64 : s->cs_big ? INSN_32 : INSN_16 };
}

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

static void skip(const struct emu *m)
{
    static const uint8_t ip_width[] = { [INSN_16] = 2, [INSN_32] = 4, [INSN_64] = 8 };

    m->v->r.rip = insn_trim(m->v->r.rip + m->in.len, ip_width[m->mode]);
}

/* --- addresses --- */

/* Linear addresses outside 64-bit mode have 32 bits. */
static uint64_t linear(const struct emu *m, unsigned seg, uint64_t offset)
{
    const struct sys_regs *s = m->s;
    const uint64_t base[] = { s->es_base, s->cs_base, s->ss_base, s->ds_base, s->fs_base, s->gs_base };

    if (m->mode == INSN_64)
        return seg >= SEG_FS ? base[seg] + offset : offset;
    return (base[seg] + offset) & UINT32_MAX;
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
    if (in->op >= INSN_BT && in->op <= INSN_BTC && in->form == FORM_M_R) { /* any bit of a string of bits */
        int64_t bit = (int64_t)insn_extend(operand_get(m), in->width);
        at += (uint64_t)(bit >> 3) & ~(uint64_t)(in->width - 1);
    }
    return linear(m, in->seg, insn_trim(at, in->addr_size));
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
    struct walk w;
    err_t e = page_find(m, va, how, &w);

    if (e)
        return e;
    *out = (struct span){ .at = { w.gpa.v }, .first = (unsigned)min_u64(m->in.width, w.run), .width = m->in.width };
    if (out->first == out->width)
        return OK;
    va += out->first;
    e = page_find(m, m->mode == INSN_64 ? va : va & UINT32_MAX, how, &w);
    out->at[1] = w.gpa.v;
    return e;
}

/* The operand whose access caused the exit has been translated and allowed by the CPU, unless this is not the instruction,
 * or not the page, that exited. */
static err_t span_of_exit(const struct emu *m, uint64_t va, unsigned how, struct span *out)
{
    const struct exit *x = &m->v->x;
    uint64_t off = va & (PAGE_SIZE - 1);

    if (x->kind != EXIT_MMIO || (x->gpa.v & (PAGE_SIZE - 1)) != off || x->write != (how == WALK_WRITE) ||
        off + m->in.width > PAGE_SIZE)
        return span_find(m, va, how, out);
    *out = (struct span){ .at = { x->gpa.v }, .first = m->in.width, .width = m->in.width };
    return OK;
}

/* --- memory, RAM or device; under vm->lock --- */

enum direction { LOAD, STORE };

/* size bytes within a page. */
static err_t place_access(struct vm *vm, enum direction dir, uint64_t at, unsigned size, uint64_t *val)
{
    uint8_t raw[8];

    put_le64(raw, dir == STORE ? *val : 0);
    if (dir == STORE)
        return mem_write(vm, gpa(at), raw, size) ? bus_write(vm, BUS_MMIO, at, size, *val) : OK;
    if (mem_read(vm, gpa(at), raw, size))
        return bus_read(vm, BUS_MMIO, at, size, val);
    *val = get_le64(raw);
    return OK;
}

/* Byte by byte if it lies in two pages. */
static err_t span_access(struct vm *vm, enum direction dir, const struct span *sp, uint64_t *val)
{
    uint64_t all = insn_trim(*val, sp->width), byte;
    err_t e = OK;

    if (sp->first == sp->width)
        e = place_access(vm, dir, sp->at[0], sp->width, &all);
    for (unsigned i = 0; sp->first != sp->width && !e && i < sp->width; i++) {
        byte = all >> 8 * i & 0xFF;
        e = place_access(vm, dir, i < sp->first ? sp->at[0] + i : sp->at[1] + (i - sp->first), 1, &byte);
        all = (all & ~(0xFFull << 8 * i)) | (byte & 0xFF) << 8 * i;
    }
    *val = insn_trim(all, sp->width);
    return e;
}

static err_t span_read(struct vm *vm, const struct span *sp, uint64_t *val)
{
    *val = 0;
    return span_access(vm, LOAD, sp, val);
}

static err_t span_write(struct vm *vm, const struct span *sp, uint64_t val)
{
    return span_access(vm, STORE, sp, &val);
}

/* --- fetch --- */

/* Adds the instruction's bytes up to the end of the page. */
static err_t fetch_page(struct emu *m)
{
    struct walk w;
    err_t e = page_find(m, linear(m, SEG_CS, m->v->r.rip + m->nbytes), WALK_FETCH, &w);

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
    err_t e = fetch_page(m);

    if (e)
        return e;
    e = insn_decode(m->bytes, m->nbytes, m->mode, &m->in);
    if (e != ERR_FORMAT || m->nbytes == INSN_MAX)
        return e;
    e = fetch_page(m);
    return e ? e : insn_decode(m->bytes, m->nbytes, m->mode, &m->in);
}

/* --- execution; under vm->lock --- */

static err_t do_load(const struct emu *m, const struct span *at)
{
    uint64_t val;
    err_t e = span_read(m->v->vm, at, &val);

    if (e)
        return e;
    if (m->in.op == INSN_MOVSX)
        val = insn_extend(val, m->in.width);
    if (m->in.op == INSN_MOVBE)
        val = __builtin_bswap64(val) >> (64 - 8 * m->in.width);
    operand_set(m, val);
    return OK;
}

static err_t do_store(const struct emu *m, const struct span *at)
{
    uint64_t val = m->in.form == FORM_M_I ? (uint64_t)m->in.imm : operand_get(m);

    if (m->in.op == INSN_MOVBE)
        val = __builtin_bswap64(val) >> (64 - 8 * m->in.width);
    return span_write(m->v->vm, at, val);
}

/* XCHG, XADD, CMPXCHG: memory and registers both change. */
static err_t do_exchange(const struct emu *m, const struct span *at)
{
    struct vcpu *v = m->v;
    unsigned width = m->in.width;
    uint64_t old, val = operand_get(m), flags = v->r.rflags, acc = reg_get(m, REG_RAX, width);
    bool store = true;
    err_t e = span_read(v->vm, at, &old);

    if (e)
        return e;
    if (m->in.op == INSN_XADD)
        val = insn_alu(INSN_ADD, width, old, val, &flags);
    if (m->in.op == INSN_CMPXCHG) {
        insn_alu(INSN_CMP, width, acc, old, &flags);
        store = flags & RFLAGS_ZF;
    }
    e = store ? span_write(v->vm, at, val) : OK;
    if (e)
        return e;
    if (m->in.op != INSN_CMPXCHG)
        operand_set(m, old);
    else if (!store)
        reg_set(m, REG_RAX, width, old);
    v->r.rflags = flags;
    return OK;
}

static bool alu_stores(enum insn_op op) { return op != INSN_CMP && op != INSN_TEST && op != INSN_BT; }

static err_t do_alu(const struct emu *m, const struct span *at)
{
    struct vcpu *v = m->v;
    const struct insn *in = &m->in;
    uint64_t mem, flags = v->r.rflags, result;
    err_t e = span_read(v->vm, at, &mem);

    if (e)
        return e;
    if (in->form == FORM_R_M) {
        result = insn_alu(in->op, in->width, operand_get(m), mem, &flags);
        if (alu_stores(in->op))
            operand_set(m, result);
    } else {
        uint64_t src = in->form == FORM_M_R ? operand_get(m) : insn_trim((uint64_t)in->imm, in->width);
        result = insn_alu(in->op, in->width, mem, src, &flags);
        if (alu_stores(in->op))
            e = span_write(v->vm, at, result);
    }
    if (!e)
        v->r.rflags = flags;
    return e;
}

static err_t do_operand(const struct emu *m)
{
    const struct insn *in = &m->in;
    bool move = in->op >= INSN_MOV && in->op <= INSN_MOVBE;
    struct span at;
    err_t e = span_of_exit(m, operand_address(m),
                           in->form == FORM_R_M || !alu_stores(in->op) ? WALK_READ : WALK_WRITE, &at);

    if (e)
        return e;
    if (move)
        e = in->form == FORM_R_M ? do_load(m, &at) : do_store(m, &at);
    else
        e = in->op >= INSN_XCHG ? do_exchange(m, &at) : do_alu(m, &at);
    if (!e)
        skip(m);
    return e;
}

/* --- string instructions: one element at a time --- */

static uint64_t string_address(const struct emu *m, unsigned seg, unsigned reg)
{
    return linear(m, seg, reg_get(m, reg, m->in.addr_size));
}

static void string_step(const struct emu *m, unsigned reg)
{
    uint64_t step = m->v->r.rflags & RFLAGS_DF ? -(uint64_t)m->in.width : m->in.width;

    reg_set(m, reg, m->in.addr_size, m->v->r.gpr[reg] + step);
}

/* Counts the element that was done; goes on to the next instruction if it was the last. */
static void string_count(const struct emu *m)
{
    if (m->in.rep)
        reg_set(m, REG_RCX, m->in.addr_size, m->v->r.gpr[REG_RCX] - 1);
    if (!m->in.rep || !reg_get(m, REG_RCX, m->in.addr_size))
        skip(m);
}

/* All memory is looked up before anything is read: reading a port or a device cannot be undone. */
static err_t do_string(const struct emu *m)
{
    struct vcpu *v = m->v;
    enum insn_op op = m->in.op;
    bool load = op == INSN_MOVS || op == INSN_LODS || op == INSN_OUTS;
    bool store = op == INSN_MOVS || op == INSN_STOS || op == INSN_INS;
    uint64_t val = v->r.gpr[REG_RAX];
    struct span from, to;
    err_t e = OK;

    if (m->in.rep && !reg_get(m, REG_RCX, m->in.addr_size)) {
        skip(m);
        return OK;
    }
    if (load)
        e = span_of_exit(m, string_address(m, m->in.seg, REG_RSI), WALK_READ, &from);
    if (!e && store)
        e = span_of_exit(m, string_address(m, SEG_ES, REG_RDI), WALK_WRITE, &to);
    if (!e && load)
        e = span_read(v->vm, &from, &val);
    if (!e && op == INSN_INS)
        e = bus_read(v->vm, BUS_PIO, v->x.port, m->in.width, &val);
    if (!e && store)
        e = span_write(v->vm, &to, val);
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
    string_count(m);
    return OK;
}

/* --- the exits --- */

static err_t give_up(const struct emu *m)
{
    char hex[8 * 3 + 1] = "";

    for (unsigned i = 0; i < m->nbytes && i < 8; i++)
        fmt_text(hex + 3 * i, sizeof hex - 3 * i, " %02x", m->bytes[i]);
    vm_stop(m->v->vm, VM_FAULTED, "vcpu %u: cannot emulate instruction at 0x%" PRIx64 ":%s", m->v->id, m->v->r.rip, hex);
    return ERR_GUEST;
}

static err_t finish(const struct emu *m, err_t e)
{
    return e == OK || e == ERR_AGAIN ? OK : give_up(m);
}

err_t mmio_exit(struct vcpu *v, const struct sys_regs *s)
{
    struct emu m = emu_begin(v, s);
    err_t e = fetch(&m);

    if (!e && (m.in.op == INSN_INS || m.in.op == INSN_OUTS))
        e = ERR_UNSUPPORTED; /* they exit as port I/O */
    if (e)
        return finish(&m, e);
    lock_take(&v->vm->lock);
    e = m.in.form == FORM_STR ? do_string(&m) : do_operand(&m);
    lock_drop(&v->vm->lock);
    return finish(&m, e);
}

err_t pio_string_exit(struct vcpu *v, const struct sys_regs *s)
{
    struct emu m = emu_begin(v, s);
    uint64_t rip = v->r.rip;
    err_t e = fetch(&m);

    if (!e && (m.in.op != (v->x.in ? INSN_INS : INSN_OUTS) || m.in.width != v->x.size))
        e = ERR_UNSUPPORTED;
    if (e)
        return finish(&m, e);
    lock_take(&v->vm->lock);
    for (unsigned done = 0; done < PIO_STRING_MAX && !e && v->r.rip == rip; done += m.in.width)
        e = do_string(&m);
    lock_drop(&v->vm->lock);
    return finish(&m, e);
}
