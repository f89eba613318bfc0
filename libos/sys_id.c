/* System calls about the process and the machine: one process, with no special rights. */
#include <linux/capability.h>
#include "libos/sys.h"
#include "libos/vma.h"

bool is_self(uint64_t pid) { return !(uint32_t)pid || (uint32_t)pid == boot->pid; }
bool is_known(uint64_t pid) { return is_self(pid) || (uint32_t)pid == PARENT || thread_by(pid); }

SYS(getpgid) { return is_self(a[0]) ? (int64_t)boot->pid : (uint32_t)a[0] == PARENT ? PARENT : -ESRCH; }

SYS(setpgid)
{
    if ((int32_t)a[1] < 0)
        return -EINVAL;
    return !is_self(a[0]) ? -ESRCH : is_self(a[1]) ? 0 : -EPERM;
}

/* Capabilities: none, since nothing they allow can be done in a guest. */
static int64_t caps_version(user_t header, uint32_t h[2])
{
    if (user_read(h, header, 8))
        return -EFAULT;
    if (h[0] != _LINUX_CAPABILITY_VERSION_1 && h[0] != _LINUX_CAPABILITY_VERSION_2 && h[0] != _LINUX_CAPABILITY_VERSION_3)
        return user_write(header, &(uint32_t){ _LINUX_CAPABILITY_VERSION_3 }, 4) ? -EFAULT : -EINVAL;
    return (int32_t)h[1] < 0 ? -EINVAL : is_known(h[1]) ? (h[0] == _LINUX_CAPABILITY_VERSION_1 ? 12 : 24) : -ESRCH;
}

SYS(capget)
{
    uint32_t h[2], none[6] = { 0 };
    int64_t n = caps_version(a[0], h);

    if (n == -EINVAL && !a[1])
        return 0; /* only the version was asked for */
    return n < 0 ? n : user_write(a[1], none, (size_t)n);
}

SYS(capset)
{
    uint32_t h[2], set[6] = { 0 };
    int64_t n = caps_version(a[0], h);

    if (n < 0 || user_read(set, a[1], (size_t)n))
        return n < 0 ? n : -EFAULT;
    for (unsigned i = 0; i < 6; i++)
        if (set[i])
            return -EPERM;
    return 0;
}

SYS(personality)
{
    static uint32_t personality;
    uint32_t old = personality;

    if ((uint32_t)a[0] != UINT32_MAX)
        personality = (uint32_t)a[0];
    return old;
}

SYS(uname)
{
    char u[6][65] = { "Linux", "", "6.1.0-goblin", "#1 SMP", "x86_64", "(none)" };

    str_copy(u[1], sizeof u[1], boot->host);
    return user_write(a[0], u, sizeof u);
}

SYS(sysinfo)
{
    struct {
        int64_t uptime;
        uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
        uint16_t procs, pad;
        uint32_t pad2;
        uint64_t totalhigh, freehigh;
        uint32_t unit, pad3;
    } s = { .uptime = (int64_t)(time_mono() / 1000000000u), .totalram = boot->mem_limit, .procs = (uint16_t)thread_count, .unit = 1 };

    s.freeram = boot->mem_limit > vma_bytes() ? boot->mem_limit - vma_bytes() : 0;
    return user_write(a[0], &s, sizeof s);
}
