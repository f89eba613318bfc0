/* The program's mappings: an array in order of addresses, and the gate's calls that make them true. What is not in the array is not
 * mapped in the monitor either, so new memory is always zero. */
#include "libos/vma.h"
#include "libos/elf.h"
#include "libos/file.h"

static struct vma *vmas;
static unsigned nvmas, room;
static bool lacking; /* some mapping of a file is longer than the file */
static uint64_t mmap_top, brk_start, brk_now, brk_mapped;

#define MAPPINGS_MAX 65530u /* as many as on Linux */

/* The heap behind the program is mapped ahead, since each step costs a call; a large one in steps that may get huge pages. */
#define BRK_STEP KIB(512)
#define BRK_LARGE MIB(8)
#define BRK_LARGE_STEP MIB(4)

void vma_init(uint64_t top)
{
    mmap_top = top;
}

/* The first that ends above addr. */
static unsigned index_of(uint64_t addr)
{
    unsigned low = 0, high = nvmas;

    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (vmas[mid].end > addr)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

const struct vma *vma_find(uint64_t addr)
{
    unsigned i = index_of(addr);

    return i < nvmas && vmas[i].start <= addr ? &vmas[i] : NULL;
}

const struct vma *vma_at(unsigned i, unsigned *count)
{
    *count = nvmas;
    return i < nvmas ? &vmas[i] : NULL;
}

uint64_t vma_bytes(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < nvmas; i++)
        n += vmas[i].end - vmas[i].start;
    return n;
}

/* Room for n more, so that what follows cannot fail. */
static bool reserve(unsigned n)
{
    struct vma *more;

    if (nvmas + n <= room)
        return true;
    more = mem_grow(vmas, nvmas * sizeof *vmas, (room * 2 + 64) * sizeof *vmas);
    if (!more)
        return false;
    vmas = more;
    room = room * 2 + 64;
    return true;
}

static void insert(unsigned i, struct vma v)
{
    memmove(&vmas[i + 1], &vmas[i], (nvmas - i) * sizeof *vmas);
    vmas[i] = v;
    nvmas++;
}

static void delete(unsigned i)
{
    if (vmas[i].file)
        file_put(vmas[i].file);
    memmove(&vmas[i], &vmas[i + 1], (nvmas - i - 1) * sizeof *vmas);
    nvmas--;
}

static bool alike(const struct vma *a, const struct vma *b)
{
    return a->end == b->start && a->prot == b->prot && a->shared == b->shared && !a->file && !b->file && a->stack == b->stack && a->brk == b->brk && a->reserved == b->reserved;
}

static void merge(unsigned i)
{
    if (i + 1 < nvmas && alike(&vmas[i], &vmas[i + 1])) {
        vmas[i].end = vmas[i].lack = vmas[i + 1].end;
        delete(i + 1);
    }
    if (i && alike(&vmas[i - 1], &vmas[i])) {
        vmas[i - 1].end = vmas[i - 1].lack = vmas[i].end;
        delete(i);
    }
}

/* Makes addr a border between two, if it lies in one. reserve(1) was asked. */
static void split(uint64_t addr)
{
    unsigned i = index_of(addr);
    struct vma v;

    if (i == nvmas || vmas[i].start >= addr)
        return;
    v = vmas[i];
    vmas[i].end = addr;
    vmas[i].lack = min_u64(v.lack, addr);
    v.lack = max_u64(v.lack, addr);
    v.offset += addr - v.start;
    v.start = addr;
    if (v.file)
        file_get(v.file);
    insert(i + 1, v);
}

/* --- places ---------------------------------------------------------------------------------------------------------- */
/* The highest gap of that length below an address, at a multiple of `step`; 0: none. */
static uint64_t gap_find(uint64_t len, uint64_t below, uint64_t step)
{
    uint64_t high = below;

    for (unsigned i = nvmas; i-- > 0;) {
        if (vmas[i].start >= high)
            continue;
        if (vmas[i].end < high && high - vmas[i].end >= len && align_down(high - len, step) >= vmas[i].end)
            return align_down(high - len, step);
        high = vmas[i].start;
    }
    return high > len && align_down(high - len, step) >= APP_PROGRAM ? align_down(high - len, step) : 0;
}

static bool is_free(uint64_t addr, uint64_t len)
{
    unsigned i = index_of(addr);

    return addr >= 0x1000 && addr + len <= mmap_top && (i == nvmas || vmas[i].start >= addr + len) &&
           (addr + len <= APP_SLED + PAGE_SIZE || addr >= APP_PROGRAM) && (addr + len <= HEAP2 || addr >= OBJECTS_END);
}

/* Large memory goes where the monitor can give it as huge pages from its first byte to its last. */
static uint64_t place(uint64_t addr, uint64_t len, uint32_t flags, bool memory)
{
    uint64_t at, step = memory && len >= MIB(2) ? MIB(2) : PAGE_SIZE;

    if (addr && is_free(addr, len))
        return addr;
    if (flags & MAP_32BIT)
        return gap_find(len, 0x80000000, step);
    at = gap_find(len, mmap_top, step);
    if (at && at < OBJECTS_END && at + len > HEAP2)
        at = gap_find(len, HEAP2, step);
    return at;
}

/* --- the calls --------------------------------------------------------------------------------------------------------- */
static int64_t error_of(int64_t e)
{
    return e >= 0 ? e : e == APP_NOMEM ? -ENOMEM : e == APP_UNSUPPORTED ? -ENODEV : e == APP_BUSY ? -EPERM : -EINVAL;
}

static unsigned app_prot(uint32_t prot)
{
    return prot & (PROT_READ | PROT_WRITE | PROT_EXEC) ? APP_READ | (prot & PROT_WRITE ? APP_WRITE : 0) | (prot & PROT_EXEC ? APP_EXEC : 0) : 0;
}

/* The runtimes of Go, Java and .NET take a fault for a check of NULL: for them page 0 must be empty, whatever a system call costs then. */
static bool null_matters(struct file *f, uint64_t addr)
{
    static uint8_t head[ELF_HEADER];
    const char *name = f->node ? f->node->name : "";

    if (str_eq(name, "libjvm.so") || str_eq(name, "libcoreclr.so"))
        return true;
    return addr < PIE_AT + GIB(1) && file_read_at(f, head, sizeof head, 0) > 0 && elf_note(head, sizeof head, "Go\0");
}

/* System-call sites in fresh text become calls, unless that was done when the image was made. */
static void rewrite(struct file *f, uint64_t addr, uint64_t len)
{
    if (file_rewritten(f))
        return;
    maps_flush();
    gate(addr, len, 0, 0, 0, APP_REWRITE);
}

/* How much of that range of a file there is to be mapped: whole pages. */
static uint64_t there(struct file *f, uint64_t offset, uint64_t len)
{
    uint64_t end;

    if (!f->node || (f->node->mode & S_IFMT) != S_IFREG || f->node->ops)
        return len;
    node_refresh(f->node);
    end = align_up(f->node->size, PAGE_SIZE);
    return end > offset ? min_u64(len, end - offset) : 0;
}

/* A private copy of a file's bytes, or the file itself if the monitor can map it. */
static int64_t file_map(struct file *f, uint64_t addr, uint64_t len, uint32_t prot, bool shared, uint64_t offset)
{
    unsigned p = app_prot(prot);
    int64_t e;

    if (!len)
        return 0;
    e = file_map_direct(f, addr, len, p ? p : APP_READ, shared, offset);

    if (e == -ENODEV && !(shared && prot & PROT_WRITE)) {
        e = error_of(maps_call(APP_MAP, addr, len, APP_READ | APP_WRITE, 0, 0));
        if (!e)
            e = file_read_at(f, (void *)addr, len, offset);
        if (e >= 0 && !(prot & PROT_WRITE))
            e = error_of(maps_call(APP_PROTECT, addr, len, p, 0, 0));
    } else if (!e && !p) {
        e = error_of(maps_call(APP_PROTECT, addr, len, 0, 0, 0));
    }
    if (e >= 0 && prot & PROT_EXEC && !shared) {
        rewrite(f, addr, len);
        if (null_matters(f, addr))
            sled_drop();
    }
    return e < 0 ? e : 0;
}

/* Takes what is mapped there out of the array; *any: the monitor has memory there. reserve(2) was asked. */
static void forget(uint64_t addr, uint64_t len, bool *any)
{
    unsigned i;

    split(addr);
    split(addr + len);
    for (i = index_of(addr); i < nvmas && vmas[i].start < addr + len;) {
        *any = *any || !vmas[i].reserved;
        delete(i);
    }
}

int64_t vma_mmap(uint64_t addr, uint64_t len, uint32_t prot, uint32_t flags, struct file *f, uint64_t offset)
{
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE, any = false;
    uint64_t have = len;
    int64_t e = 0;

    if (!len || offset % PAGE_SIZE || (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) && addr % PAGE_SIZE))
        return -EINVAL;
    if (len > APP_TOP)
        return -ENOMEM;
    len = align_up(len, PAGE_SIZE);
    addr = align_down(addr, PAGE_SIZE);
    if (nvmas >= MAPPINGS_MAX || !reserve(3))
        return -ENOMEM;
    if (flags & MAP_FIXED_NOREPLACE && addr < mmap_top && !is_free(addr, len))
        return -EEXIST;
    if (flags & MAP_FIXED) {
        if (addr < PAGE_SIZE || addr > mmap_top - len || (addr < APP_PROGRAM && addr + len > APP_LIBOS))
            return -ENOMEM;
        forget(addr, len, &any);
        if (any && !f && !app_prot(prot)) /* other calls replace what is there */
            maps_call(APP_UNMAP, addr, len, 0, 0, 0);
    } else {
        uint64_t want = addr;
        addr = place(addr, len, flags, !f && prot & PROT_WRITE && !(flags & MAP_STACK));
        if (!addr || (flags & MAP_FIXED_NOREPLACE && addr != want))
            return -ENOMEM;
    }
    have = f ? there(f, offset, len) : len;
    if (any && have < len)
        maps_call(APP_UNMAP, addr + have, len - have, 0, 0, 0);
    maps_may_wait = (!any || maps_wait(addr, len)) && (f ? file_in_image(f) && !shared : flags & MAP_FIXED) &&
                    vma_bytes() + len < boot->mem_limit / 2; /* where memory is scarce, who asks is told at once */
    if (f)
        e = file_map(f, addr, have, prot, shared, offset);
    else if (app_prot(prot))
        e = error_of(maps_call(APP_MAP, addr, len, app_prot(prot) | (flags & MAP_STACK ? APP_SMALL : 0), 0, 0));
    maps_may_wait = false;
    if (e < 0) {
        maps_call(APP_UNMAP, addr, len, 0, 0, 0);
        return e;
    }
    if (f)
        file_get(f);
    insert(index_of(addr), (struct vma){ .start = addr, .end = addr + len, .prot = prot, .shared = shared, .stack = flags & MAP_STACK,
                                      .reserved = !f && !app_prot(prot),
                                      .file = f, .offset = offset, .lack = addr + have });
    lacking = lacking || have < len;
    merge(index_of(addr));
    return (int64_t)addr;
}

/* Maps what the file has got since. */
static int64_t lack_fill(struct vma *v)
{
    uint64_t at = v->lack, have = there(v->file, v->offset + at - v->start, v->end - at);
    int64_t e = file_map(v->file, at, have, v->prot, v->shared, v->offset + at - v->start);

    v->lack += e ? 0 : have;
    return e;
}

void vma_grown(const struct node *n)
{
    for (unsigned i = 0; lacking && i < nvmas; i++)
        if (vmas[i].lack < vmas[i].end && vmas[i].file && vmas[i].file->node == n)
            lack_fill(&vmas[i]);
}

int vma_fault(uint64_t addr)
{
    unsigned i = index_of(addr);

    if (i == nvmas || addr < vmas[i].lack)
        return 0;
    return lack_fill(&vmas[i]) || addr >= vmas[i].lack ? SIGBUS : 0;
}

int64_t vma_munmap(uint64_t addr, uint64_t len)
{
    bool any = false;

    if (addr % PAGE_SIZE || !len || len > APP_TOP || addr > APP_TOP - len)
        return -EINVAL;
    len = align_up(len, PAGE_SIZE);
    if (!reserve(3))
        return -ENOMEM;
    forget(addr, len, &any);
    if (any)
        maps_call(APP_UNMAP, addr, len, 0, 0, 0);
    return 0;
}

int64_t vma_mprotect(uint64_t addr, uint64_t len, uint32_t prot)
{
    uint64_t at = addr, end;
    int64_t e;

    if (addr % PAGE_SIZE || prot & ~7u)
        return -EINVAL;
    if (len > APP_TOP || addr > APP_TOP - len)
        return -ENOMEM;
    end = addr + align_up(len, PAGE_SIZE);
    for (unsigned i = index_of(addr); at < end; at = vmas[i++].end)
        if (i == nvmas || vmas[i].start > at)
            return -ENOMEM;
    if (at == addr)
        return 0;
    if (!reserve(3))
        return -ENOMEM;
    e = error_of(maps_call(APP_PROTECT, addr, end - addr, app_prot(prot), 0, 0));
    if (e)
        return e;
    split(addr);
    split(end);
    for (unsigned i = index_of(addr); i < nvmas && vmas[i].start < end; i++) {
        if (prot & PROT_EXEC && !(vmas[i].prot & PROT_EXEC) && vmas[i].file)
            rewrite(vmas[i].file, vmas[i].start, vmas[i].end - vmas[i].start);
        if (vmas[i].lack < vmas[i].end) /* the gate has put zeros there */
            maps_call(APP_UNMAP, vmas[i].lack, vmas[i].end - vmas[i].lack, 0, 0, 0);
        vmas[i].prot = prot;
        vmas[i].reserved = false;
    }
    merge(index_of(addr));
    return 0;
}

/* Puts the mapping's first bytes, or its file's, at another place. */
static int64_t move(const struct vma *was, uint64_t addr, uint64_t old, uint64_t len, uint32_t flags, uint64_t to)
{
    bool copy = !was->file || !was->shared;
    uint32_t prot = was->prot | (copy ? PROT_READ | PROT_WRITE : 0);
    uint64_t offset = was->file ? was->offset + addr - was->start : 0, kept = min_u64(min_u64(old, len), was->lack > addr ? was->lack - addr : 0);
    int64_t at = vma_mmap(to, len, prot, flags | (was->shared ? MAP_SHARED : MAP_PRIVATE) | (was->file ? 0 : MAP_ANONYMOUS), was->file, offset);

    if (at < 0)
        return at;
    if (copy && was->prot && user_copy((void *)at, (void *)addr, kept)) {
        vma_munmap((uint64_t)at, len);
        return -EFAULT;
    }
    if (was->prot != prot)
        vma_mprotect((uint64_t)at, len, was->prot);
    vma_munmap(addr, old);
    return at;
}

int64_t vma_mremap(uint64_t addr, uint64_t old, uint64_t len, uint32_t flags, uint64_t to)
{
    const struct vma *v = vma_find(addr);
    struct vma was;
    int64_t at;

    old = align_up(old, PAGE_SIZE);
    len = align_up(len, PAGE_SIZE);
    if (addr % PAGE_SIZE || !len || flags & ~3u || (flags & MREMAP_FIXED && (!(flags & MREMAP_MAYMOVE) || to % PAGE_SIZE)))
        return -EINVAL;
    if (flags & MREMAP_FIXED && to < addr + old && addr < to + len)
        return -EINVAL;
    if (!v || addr + old > v->end || !old)
        return -EFAULT;
    was = *v;
    if (!(flags & MREMAP_FIXED) && len <= old) {
        if (len < old)
            vma_munmap(addr + len, old - len);
        return (int64_t)addr;
    }
    if (!(flags & MREMAP_FIXED) && addr + old == was.end && is_free(addr + old, len - old)) {
        at = vma_mmap(addr + old, len - old, was.prot, MAP_FIXED | (was.shared ? MAP_SHARED : MAP_PRIVATE) | (was.file ? 0 : MAP_ANONYMOUS), was.file,
                      was.file ? was.offset + addr + old - was.start : 0);
        return at < 0 ? at : (int64_t)addr;
    }
    return flags & MREMAP_MAYMOVE ? move(&was, addr, old, len, flags & MREMAP_FIXED ? MAP_FIXED : 0, to) : -ENOMEM;
}

int64_t vma_madvise(uint64_t addr, uint64_t len, uint32_t advice)
{
    uint64_t end, next;
    bool hole = false;

    if (addr % PAGE_SIZE || len > APP_TOP || addr > APP_TOP - len)
        return -EINVAL;
    if (advice != MADV_DONTNEED)
        return advice <= 25 ? 0 : -EINVAL; /* hints */
    end = addr + align_up(len, PAGE_SIZE);
    for (unsigned i = index_of(addr); i < nvmas && addr < end && vmas[i].start < end; i++, addr = next) {
        struct vma *v = &vmas[i];
        hole = hole || addr < v->start;
        addr = max_u64(addr, v->start);
        next = min_u64(end, v->end);
        if (v->shared)
            continue;
        if (v->file) {
            int64_t e = file_map(v->file, addr, there(v->file, v->offset + addr - v->start, next - addr), v->prot, false, v->offset + addr - v->start);
            if (e)
                return e;
        } else if (app_prot(v->prot)) {
            maps_call(APP_MAP, addr, next - addr, app_prot(v->prot) | (v->stack ? APP_SMALL : 0), 0, 0); /* of a thread that ends */
        } else if (!v->reserved) {
            maps_call(APP_UNMAP, addr, next - addr, 0, 0, 0);
        }
    }
    return hole || addr < end ? -ENOMEM : 0;
}

/* --- the heap that grows behind the program ------------------------------------------------------------------------------------ */
void vma_brk_start(uint64_t at)
{
    const struct vma *v = vma_find(align_up(at, PAGE_SIZE));

    brk_start = brk_now = align_up(at, PAGE_SIZE);
    brk_mapped = v && v->brk ? v->end : brk_start;
}

int64_t vma_bss(uint64_t addr, uint64_t len)
{
    const uint32_t flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    bool room = is_free(addr, len + BRK_STEP) && reserve(3);
    int64_t e = room ? vma_mmap(addr, len + BRK_STEP, PROT_READ | PROT_WRITE, flags, NULL, 0) : -ENOMEM;

    if (e < 0)
        return vma_mmap(addr, len, PROT_READ | PROT_WRITE, flags, NULL, 0);
    split(addr + len);
    vmas[index_of(addr + len)].brk = true;
    return e;
}

int64_t vma_brk(uint64_t to)
{
    uint64_t end = align_up(to, PAGE_SIZE), more;
    unsigned i;

    if (to < brk_start || to > APP_TOP)
        return (int64_t)brk_now;
    if (to <= brk_now) { /* what is given back must be zero when it comes again */
        if (end < brk_mapped && brk_now - to >= BRK_STEP) {
            vma_munmap(end, brk_mapped - end);
            brk_mapped = end;
        } else {
            user_clear(to, brk_now - to); /* the program may have unmapped it */
        }
        brk_now = to;
        return (int64_t)to;
    }
    if (end > brk_mapped) {
        more = end - brk_start < BRK_LARGE ? align_up(end - brk_mapped, BRK_STEP) : align_up(end, BRK_LARGE_STEP) - brk_mapped;
        if (!is_free(brk_mapped, more))
            more = end - brk_mapped;
        if (!is_free(brk_mapped, more) || !reserve(2) || maps_call(APP_MAP, brk_mapped, more, APP_READ | APP_WRITE, 0, 0) < 0)
            return (int64_t)brk_now;
        i = index_of(brk_mapped);
        insert(i, (struct vma){ .start = brk_mapped, .end = brk_mapped + more, .prot = PROT_READ | PROT_WRITE, .brk = true,
                              .lack = brk_mapped + more });
        merge(i);
        brk_mapped += more;
    }
    brk_now = to;
    return (int64_t)to;
}
