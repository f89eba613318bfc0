/* The guest's page-table walk. */
#include "vm/walk.h"
#include "vm/mem.h"

enum { PF_P = BIT(0), PF_W = BIT(1), PF_U = BIT(2), PF_FETCH = BIT(4) };
enum { INDEX_BITS = 9, LARGEST_PAGE = 30 };

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

err_t walk_page(struct vm *vm, const struct sys_regs *s, uint64_t va, unsigned how, struct walk *out)
{
    unsigned shift = s->cr4 & CR4_LA57 ? 57 : 48;
    uint64_t pte = s->cr3, bits = PTE_W | PTE_U, offset;

    if ((uint64_t)((int64_t)(va << (64 - shift)) >> (64 - shift)) != va)
        return ERR_RANGE;
    out->pf_error = (how & WALK_WRITE ? PF_W : 0u) | (how & WALK_FETCH ? PF_FETCH : 0u) | (s->cpl == 3 ? PF_U : 0u);
    do {
        shift -= INDEX_BITS;
        uint64_t index = va >> shift & (BIT(INDEX_BITS) - 1);
        err_t e = mem_read(vm, gpa((pte & PTE_ADDR) + index * sizeof pte), &pte, sizeof pte);

        if (e)
            return e;
        if (!(pte & PTE_P))
            return ERR_NOTFOUND;
        bits &= pte;
    } while (shift > PAGE_SHIFT && !(pte & PTE_PS && shift <= LARGEST_PAGE));
    if (!allowed(s, bits, how)) {
        out->pf_error |= PF_P;
        return ERR_NOTFOUND;
    }
    offset = va & (BIT64(shift) - 1);
    out->gpa = gpa((pte & PTE_ADDR & ~(BIT64(shift) - 1)) + offset);
    out->run = BIT64(shift) - offset;
    return OK;
}
