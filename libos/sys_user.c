/* System calls about the program's user and groups. Root may become anybody, and others only whom they have been, as on Linux. */
#include "libos/user.h"
#include "libos/sys.h"
#include "libos/syscall.h"

#define GROUPS_MAX 65536u

struct id user_id, group_id;
uint32_t *groups, ngroups;

void user_init(void)
{
    user_id = (struct id){ boot->uid, boot->uid, boot->uid };
    group_id = (struct id){ boot->gid, boot->gid, boot->gid };
    groups = mem_get(sizeof *groups);
    if (groups)
        groups[ngroups++] = boot->gid;
}

static int64_t answer(const uint64_t a[6], const struct id *id)
{
    return user_write(a[0], &id->real, 4) || user_write(a[1], &id->effective, 4) || user_write(a[2], &id->saved, 4) ? -EFAULT : 0;
}

SYS(getresuid) { return answer(a, &user_id); }
SYS(getresgid) { return answer(a, &group_id); }

static int64_t become(struct id *id, struct id new)
{
    *id = new;
    syscall_plain();
    return 0;
}

/* UINT32_MAX: stays as it is. */
static bool may(const struct id *id, uint32_t to, bool as_saved)
{
    return to == UINT32_MAX || !user_id.effective || to == id->real || to == id->effective || (as_saved && to == id->saved);
}

static int64_t set(struct id *id, uint32_t to)
{
    if (to == UINT32_MAX)
        return -EINVAL;
    if (!user_id.effective)
        return become(id, (struct id){ to, to, to });
    return to == id->real || to == id->saved ? become(id, (struct id){ id->real, to, id->saved }) : -EPERM;
}

static int64_t set_two(struct id *id, uint32_t real, uint32_t effective)
{
    struct id new = *id;

    if (!may(id, real, false) || !may(id, effective, true))
        return -EPERM;
    if (real != UINT32_MAX)
        new.real = real;
    if (effective != UINT32_MAX)
        new.effective = effective;
    if (real != UINT32_MAX || (effective != UINT32_MAX && effective != id->real))
        new.saved = new.effective;
    return become(id, new);
}

static int64_t set_three(struct id *id, uint32_t real, uint32_t effective, uint32_t saved)
{
    if (!may(id, real, true) || !may(id, effective, true) || !may(id, saved, true))
        return -EPERM;
    return become(id, (struct id){ real == UINT32_MAX ? id->real : real, effective == UINT32_MAX ? id->effective : effective,
                                   saved == UINT32_MAX ? id->saved : saved });
}

SYS(setuid) { return set(&user_id, (uint32_t)a[0]); }
SYS(setgid) { return set(&group_id, (uint32_t)a[0]); }
SYS(setreuid) { return set_two(&user_id, (uint32_t)a[0], (uint32_t)a[1]); }
SYS(setregid) { return set_two(&group_id, (uint32_t)a[0], (uint32_t)a[1]); }
SYS(setresuid) { return set_three(&user_id, (uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]); }
SYS(setresgid) { return set_three(&group_id, (uint32_t)a[0], (uint32_t)a[1], (uint32_t)a[2]); }

SYS(getgroups)
{
    if ((int32_t)a[0] < 0 || ((int32_t)a[0] && (uint32_t)a[0] < ngroups))
        return -EINVAL;
    return (int32_t)a[0] && user_write(a[1], groups, ngroups * sizeof *groups) ? -EFAULT : (int64_t)ngroups;
}

SYS(setgroups)
{
    uint32_t n = (uint32_t)a[0], *new;

    if (user_id.effective || n > GROUPS_MAX)
        return user_id.effective ? -EPERM : -EINVAL;
    new = mem_get(n * sizeof *new + 1);
    if (!new || user_read(new, a[1], n * sizeof *new)) {
        mem_put(new);
        return new ? -EFAULT : -ENOMEM;
    }
    mem_put(groups);
    groups = new;
    ngroups = n;
    return 0;
}
