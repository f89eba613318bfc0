/* Who answers at an I/O address. */
#include "vm/bus.h"
#include "base/str.h"
#include "vm/vm.h"

static struct bus_space *space(struct vm *vm, enum bus_kind kind)
{
    return kind == BUS_PIO ? &vm->pio : &vm->mmio;
}

/* Index of the first range that ends behind addr. */
static unsigned first_behind(const struct bus_space *s, uint64_t addr)
{
    unsigned lo = 0, hi = s->count;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        if (s->range[mid].base + (s->range[mid].len - 1) < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool in_ram(struct vm *vm, uint64_t base, uint64_t last)
{
    return base < mem_low_size(vm) || (last >= MEM_HIGH_START && base < MEM_HIGH_START + mem_high_size(vm));
}

err_t bus_add(struct vm *vm, enum bus_kind kind, uint64_t base, uint64_t len, const struct bus_ops *ops, void *dev)
{
    struct bus_space *s = space(vm, kind);
    uint64_t last = base + len - 1;

    if (!len || last < base || (kind == BUS_PIO && last > 0xFFFF) || (kind == BUS_MMIO && in_ram(vm, base, last)))
        return ERR_RANGE;
    unsigned at = first_behind(s, base);
    if (at < s->count && s->range[at].base <= last)
        return ERR_EXISTS;
    if (s->count == BUS_RANGES)
        return ERR_FULL;
    memmove(&s->range[at + 1], &s->range[at], (s->count - at) * sizeof s->range[0]);
    s->range[at] = (struct bus_range){ base, len, ops, dev };
    s->count++;
    return OK;
}

void bus_remove(struct vm *vm, enum bus_kind kind, uint64_t base)
{
    struct bus_space *s = space(vm, kind);
    unsigned at = first_behind(s, base);

    if (at == s->count || s->range[at].base != base)
        return;
    s->count--;
    memmove(&s->range[at], &s->range[at + 1], (s->count - at) * sizeof s->range[0]);
}

static bool holds(const struct bus_range *r, uint64_t addr, unsigned size)
{
    return addr - r->base < r->len && size <= r->len - (addr - r->base);
}

static const struct bus_range *find(struct vm *vm, enum bus_kind kind, uint64_t addr, unsigned size)
{
    struct bus_space *s = space(vm, kind);
    unsigned at = s->last;

    if (at < s->count && holds(&s->range[at], addr, size))
        return &s->range[at];
    at = first_behind(s, addr);
    if (at == s->count || !holds(&s->range[at], addr, size))
        return NULL;
    s->last = at;
    return &s->range[at];
}

err_t bus_read(struct vm *vm, enum bus_kind kind, uint64_t addr, unsigned size, uint64_t *val)
{
    const struct bus_range *r = find(vm, kind, addr, size);

    if (!r) {
        *val = UINT64_MAX;
        return OK;
    }
    return r->ops->read(r->dev, addr - r->base, size, val);
}

err_t bus_write(struct vm *vm, enum bus_kind kind, uint64_t addr, unsigned size, uint64_t val)
{
    const struct bus_range *r = find(vm, kind, addr, size);

    return r ? r->ops->write(r->dev, addr - r->base, size, val) : OK;
}
