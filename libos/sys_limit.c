/* System calls about limits, accounts, priorities and what else a process can be set to. */
#include <linux/prctl.h>
#include <linux/sched.h>
#include "libos/sys.h"
#include "libos/user.h"
#include "libos/vma.h"

/* --- limits and accounts -------------------------------------------------------------------------------------------------------- */
void limits_init(void)
{
    for (unsigned i = 0; i < RLIMITS; i++)
        limits[i][0] = limits[i][1] = UINT64_MAX;
    limits[RLIMIT_STACK][0] = MIB(8);
    limits[RLIMIT_CORE][0] = 0;
    limits[RLIMIT_NOFILE][0] = 1024;
    limits[RLIMIT_NOFILE][1] = FILES_MAX;
    limits[RLIMIT_NPROC][0] = limits[RLIMIT_NPROC][1] = 32768;
    for (unsigned i = RLIMIT_NICE; i <= RLIMIT_RTPRIO; i++)
        limits[i][0] = limits[i][1] = 0;
}

SYS(prlimit64)
{
    uint64_t new[2], old[2];
    uint32_t which = (uint32_t)a[1];

    if (which >= RLIMITS)
        return -EINVAL;
    if ((uint32_t)a[0] && (uint32_t)a[0] != boot->pid)
        return -ESRCH;
    memcpy(old, limits[which], sizeof old);
    if (a[2] && user_read(new, a[2], sizeof new))
        return -EFAULT;
    if (a[2] && new[0] > new[1])
        return -EINVAL;
    if (a[2] && new[1] > old[1] && (user_id.effective || which == RLIMIT_NOFILE))
        return -EPERM;
    if (a[2])
        memcpy(limits[which], new, sizeof new);
    return a[3] ? user_write(a[3], old, sizeof old) : 0;
}

SYS(getrusage)
{
    enum { CHILDREN = -1, SELF, THREAD };
    uint64_t r[18] = { 0 }, ns = 0;
    int32_t who = (int32_t)a[0];

    if (who != SELF && who != CHILDREN && who != THREAD)
        return -EINVAL;
    if (who != CHILDREN) {
        ns = cpu_time(who == SELF ? NULL : current);
        r[4] = vma_bytes() / 1024;
    }
    r[0] = ns / 1000000000u;
    r[1] = ns % 1000000000u / 1000;
    return user_write(a[1], r, sizeof r);
}

SYS(times)
{
    int64_t t[4] = { (int64_t)(cpu_time(NULL) / 10000000) };

    return a[0] && user_write(a[0], t, sizeof t) ? -EFAULT : (int64_t)(time_mono() / 10000000);
}

/* --- scheduling ------------------------------------------------------------------------------------------------------------------ */
/* One policy, SCHED_OTHER, and one priority: the libos' turns. */
static int64_t sched_one(uint64_t pid)
{
    return (int32_t)pid < 0 ? -EINVAL : is_known(pid) ? 0 : -ESRCH;
}

static int64_t sched_param(uint64_t pid, uint32_t policy, user_t param)
{
    int32_t priority;
    int64_t e = !param || (int32_t)policy < 0 ? -EINVAL : sched_one(pid);

    policy &= ~(uint32_t)SCHED_RESET_ON_FORK;
    if (e || user_read(&priority, param, sizeof priority))
        return e ? e : -EFAULT;
    if (policy > SCHED_DEADLINE || policy == 4)
        return -EINVAL;
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        return priority < 1 || priority > 99 ? -EINVAL : -EPERM;
    return priority ? -EINVAL : 0;
}

SYS(sched_getscheduler) { return sched_one(a[0]); }
SYS(sched_setscheduler) { return sched_param(a[0], (uint32_t)a[1], a[2]); }
SYS(sched_setparam) { return sched_param(a[0], 0, a[1]); }
SYS(sched_getparam) { return !a[1] ? -EINVAL : sched_one(a[0]) ? sched_one(a[0]) : user_write(a[1], &(int32_t){ 0 }, 4); }

static int64_t priority_of(uint64_t policy, int64_t real_time)
{
    return policy == SCHED_FIFO || policy == SCHED_RR ? real_time : policy > SCHED_DEADLINE || policy == 4 ? -EINVAL : 0;
}

SYS(sched_get_priority_max) { return priority_of(a[0], 99); }
SYS(sched_get_priority_min) { return priority_of(a[0], 1); }

SYS(sched_rr_get_interval)
{
    struct timespec t = { 0, 5000000 };

    return sched_one(a[0]) ? sched_one(a[0]) : user_write(a[1], &t, sizeof t);
}

/* Niceness is kept, and changes nothing: whoever is in a guest is in it together. */
static int32_t nice;

static int64_t whose(uint64_t which, uint64_t who)
{
    if ((uint32_t)which > 2)
        return -EINVAL;
    return which == 2 ? ((uint32_t)who && (uint32_t)who != user_id.real ? -ESRCH : 0) : (which ? is_self(who) : is_known(who)) ? 0 : -ESRCH;
}

SYS(getpriority) { return whose(a[0], a[1]) ? whose(a[0], a[1]) : 20 - nice; }

SYS(setpriority)
{
    int32_t to = (int32_t)a[2] < -20 ? -20 : (int32_t)a[2] > 19 ? 19 : (int32_t)a[2];
    int64_t e = whose(a[0], a[1]);

    if (!e && to < nice && user_id.effective)
        e = -EACCES;
    if (!e)
        nice = to;
    return e;
}

/* --- settings -------------------------------------------------------------------------------------------------------------------- */
/* Settings that are kept and mean nothing more here. */
static const struct prctl_row {
    uint8_t set, get; /* numbers; 0: there is none */
    bool by_address;  /* get writes an int */
    uint32_t max, first;
} prctl_rows[] = {
    { PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, true, SIGNALS - 1, 0 }, /* there is no parent that could die */
    { PR_SET_DUMPABLE, PR_GET_DUMPABLE, false, 1, 1 },
    { PR_SET_KEEPCAPS, PR_GET_KEEPCAPS, false, 1, 0 },
    { PR_SET_TIMING, PR_GET_TIMING, false, 0, 0 },
    { 0, PR_GET_SECCOMP, false, 0, 0 }, /* none */
    { 0, PR_GET_SECUREBITS, false, 0, 0 },
    { PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, false, UINT32_MAX, 50000 },
    { PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, true, UINT32_MAX, 0 },
    { PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, false, 1, 0 },
    { PR_SET_THP_DISABLE, PR_GET_THP_DISABLE, false, 1, 0 },
};
static uint32_t prctl_values[ARRAY_LEN(prctl_rows)]; /* less their first ones */

static int64_t prctl_kept(const uint64_t a[6])
{
    uint32_t n = (uint32_t)a[0];

    for (unsigned i = 0; i < ARRAY_LEN(prctl_rows); i++) {
        const struct prctl_row *r = &prctl_rows[i];
        if (n == r->get)
            return r->by_address ? user_write(a[1], &(uint32_t){ r->first + prctl_values[i] }, 4) : r->first + prctl_values[i];
        if (n != r->set)
            continue;
        if (a[1] > r->max || (n == PR_SET_NO_NEW_PRIVS && (a[1] != 1 || a[2] || a[3] || a[4])))
            return -EINVAL;
        prctl_values[i] = n == PR_SET_TIMERSLACK && !a[1] ? 0 : (uint32_t)a[1] - r->first;
        return 0;
    }
    return -EINVAL;
}

SYS(prctl)
{
    char name[16] = { 0 };

    switch ((uint32_t)a[0]) {
    case 0: return -EINVAL;
    case PR_SET_NAME:
        if (user_text(name, a[1], 15) == -EFAULT)
            return -EFAULT;
        memcpy(current->name, name, 16);
        return 0;
    case PR_GET_NAME: return user_write(a[1], current->name, 16);
    case PR_CAPBSET_READ: return a[1] > 40 ? -EINVAL : 0;
    case PR_GET_TID_ADDRESS: return user_write(a[1], &current->clear_tid, 8);
    case PR_SET_VMA: return 0; /* a name for memory: for people only */
    }
    return prctl_kept(a);
}
