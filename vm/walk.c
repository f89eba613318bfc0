/* The guest's page-table walk. */
#include "vm/walk.h"
#include "base/bytes.h"
#include "vm/mem.h"

enum { PF_P = BIT(0), PF_W = BIT(1), PF_U = BIT(2), PF_FETCH = BIT(4) };

/* A kind of page table: how an address is cut up. */
struct shape {
    uint8_t levels, index_bits, entry_size;
    uint8_t top_bits;    /* of the index into the top table: PAE has four entries there */
    uint8_t large;       /* bit n: an entry at level n (0: the last) may be a page of its own */
    bool plain_top;      /* the top entries have no permission bits (PAE) */
    uint64_t cr3_mask;
};
static const struct shape shape_32 = { 2, 10, 4, 10, BIT(1), false, 0xFFFFF000 };
static const struct shape shape_pae = { 3, 9, 8, 2, BIT(1), true, 0xFFFFFFE0 };
static const struct shape shape_4 = { 4, 9, 8, 9, BIT(1) | BIT(2), false, PTE_ADDR };
static const struct shape shape_5 = { 5, 9, 8, 9, BIT(1) | BIT(2), false, PTE_ADDR };

static const struct shape *shape_of(const struct sys_regs *s)
{
    if (s->efer & EFER_LMA)
        return s->cr4 & CR4_LA57 ? &shape_5 : &shape_4;
    return s->cr4 & CR4_PAE ? &shape_pae : &shape_32;
}

static bool canonical(uint64_t va, unsigned bits)
{
    return (uint64_t)((int64_t)(va << (64 - bits)) >> (64 - bits)) == va;
}

static err_t read_entry(struct vm *vm, uint64_t at, unsigned size, uint64_t *pte)
{
    uint8_t raw[8] = { 0 };
    err_t e = mem_read(vm, gpa(at), raw, size);

    *pte = get_le64(raw);
    return e;
}

/* Whether the AND of the permission bits of all levels admits the access. */
static bool allowed(const struct sys_regs *s, uint64_t bits, unsigned how)
{
    bool user_page = bits & PTE_U, user = s->cpl == 3;

    if (how & WALK_FETCH)
        return true;
    if (user && !user_page)
        return false;
    if (!user && user_page && s->cr4 & CR4_SMAP && !(how & WALK_AC))
        return false;
    return !(how & WALK_WRITE) || bits & PTE_W || (!user && !(s->cr0 & CR0_WP));
}

/* The page's address: 4 MiB pages of 32-bit paging keep bits 32-39 in bits 13-20 (PSE-36). */
static uint64_t page_base(const struct shape *sh, uint64_t pte, uint64_t size)
{
    uint64_t base = pte & PTE_ADDR & ~(size - 1);

    return sh->entry_size == 4 && size > PAGE_SIZE ? base | (pte >> 13 & 0xFF) << 32 : base;
}

err_t walk_page(struct vm *vm, const struct sys_regs *s, uint64_t va, unsigned how, struct walk *out)
{
    const struct shape *sh = shape_of(s);
    unsigned top_shift = PAGE_SHIFT + (sh->levels - 1) * sh->index_bits, shift = top_shift;
    uint64_t table = s->cr3 & sh->cr3_mask, bits = PTE_W | PTE_U, pte = 0;

    if (!(s->cr0 & CR0_PG)) {
        *out = (struct walk){ gpa(va & UINT32_MAX), PAGE_SIZE - (va & (PAGE_SIZE - 1)), 0 };
        return OK;
    }
    if (s->efer & EFER_LMA ? !canonical(va, top_shift + 9) : va > UINT32_MAX)
        return ERR_RANGE;
    out->pf_error = (how & WALK_WRITE ? PF_W : 0u) | (how & WALK_FETCH ? PF_FETCH : 0u) | (s->cpl == 3 ? PF_U : 0u);
    for (unsigned level = sh->levels; level--; shift -= sh->index_bits) {
        unsigned index_bits = shift == top_shift ? sh->top_bits : sh->index_bits;
        uint64_t index = va >> shift & (BIT64(index_bits) - 1);
        err_t e = read_entry(vm, table + index * sh->entry_size, sh->entry_size, &pte);

        if (e)
            return e;
        if (!(pte & PTE_P))
            return ERR_NOTFOUND;
        if (!(sh->plain_top && shift == top_shift))
            bits &= pte;
        if (level == 0 || (pte & PTE_PS && sh->large & BIT(level) && (sh->entry_size == 8 || s->cr4 & CR4_PSE)))
            break;
        table = pte & PTE_ADDR;
    }
    if (!allowed(s, bits, how)) {
        out->pf_error |= PF_P;
        return ERR_NOTFOUND;
    }
    uint64_t size = BIT64(shift);
    out->gpa = gpa(page_base(sh, pte, size) + (va & (size - 1)));
    out->run = size - (va & (size - 1));
    return OK;
}
