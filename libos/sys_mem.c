/* System calls on the address space. */
#include "libos/load.h"
#include "libos/sys.h"
#include "libos/vma.h"

/* Is all of the range mapped? */
static bool mapped(uint64_t addr, uint64_t len)
{
    uint64_t end = addr + align_up(len, PAGE_SIZE);
    const struct vma *v;

    for (addr = align_down(addr, PAGE_SIZE); addr < end; addr = v->end) {
        v = vma_find(addr);
        if (!v)
            return false;
    }
    return true;
}

static bool wild(uint64_t addr, uint64_t len) { return len > APP_TOP || addr > APP_TOP - len; }

SYS(mprotect)
{
    const struct vma *v = vma_find(a[0]);
    int64_t e;

    if (v && v->shared && v->file && a[2] & PROT_WRITE && (v->file->flags & O_ACCMODE) != O_RDWR)
        return -EACCES;
    maps_may_wait = v && v->file && !v->shared && a[2] == PROT_READ && program_loads(current->regs->rip);
    e = vma_mprotect(a[0], a[1], (uint32_t)a[2]);
    maps_may_wait = false;
    return e;
}

SYS(mmap)
{
    struct file *f = a[3] & MAP_ANONYMOUS ? NULL : fd_file((uint32_t)a[4]);
    uint64_t type = a[3] & MAP_TYPE;

    if (!(a[3] & MAP_ANONYMOUS) && (!f || f->flags & O_PATH))
        return -EBADF;
    if (type < MAP_SHARED || type > MAP_SHARED_VALIDATE || (type == MAP_SHARED_VALIDATE && a[3] & MAP_ANONYMOUS))
        return -EINVAL;
    if (a[3] & MAP_HUGETLB)
        return f ? -EINVAL : -ENOMEM; /* there is no pool of huge pages */
    if (type == MAP_SHARED_VALIDATE && a[3] & MAP_SYNC)
        return -EOPNOTSUPP;
    if (f && a[1] && (a[5] > INT64_MAX || (a[1] < APP_TOP && align_up(a[1], PAGE_SIZE) > INT64_MAX - a[5])))
        return -EOVERFLOW;
    if (f && ((f->flags & O_ACCMODE) == O_WRONLY || (type != MAP_PRIVATE && a[2] & PROT_WRITE && (f->flags & O_ACCMODE) != O_RDWR)))
        return -EACCES;
    if (f && f->node && type != MAP_PRIVATE && a[2] & PROT_WRITE && f->node->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return -EPERM;
    if (limits[RLIMIT_AS][0] != UINT64_MAX && a[1] > limits[RLIMIT_AS][0] - min_u64(vma_bytes(), limits[RLIMIT_AS][0]))
        return -ENOMEM;
    if (f && file_is_zero(f))
        return vma_mmap(a[0], a[1], (uint32_t)a[2], (uint32_t)a[3] | MAP_ANONYMOUS, NULL, 0);
    return vma_mmap(a[0], a[1], (uint32_t)a[2], (uint32_t)a[3], f, f ? a[5] : 0);
}

/* What is shared is shared with the file at once. */
SYS(msync)
{
    if (a[0] % PAGE_SIZE || a[2] & ~7ull || (a[2] & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    return wild(a[0], a[1]) || !mapped(a[0], a[1]) ? -ENOMEM : 0;
}

/* All memory is there, and stays. */
SYS(mlock) { return wild(a[0], a[1]) || !mapped(a[0], a[1] + a[0] % PAGE_SIZE) ? -ENOMEM : 0; }
SYS(mlock2) { return a[2] & ~1ull ? -EINVAL : sys_mlock(a); }
SYS(mlockall) { return !a[0] || a[0] & ~7ull || a[0] == 4 ? -EINVAL : 0; }

SYS(mincore)
{
    uint8_t here[256];
    uint64_t pages = (a[1] + PAGE_SIZE - 1) / PAGE_SIZE;

    if (a[0] % PAGE_SIZE)
        return -EINVAL;
    if (wild(a[0], a[1]) || !mapped(a[0], a[1]))
        return -ENOMEM;
    memset(here, 1, sizeof here);
    for (uint64_t done = 0, n; done < pages; done += n) {
        n = min_u64(pages - done, sizeof here);
        if (user_write(a[2] + done, here, n))
            return -EFAULT;
    }
    return 0;
}
