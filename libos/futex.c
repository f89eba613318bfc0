/* Futexes of one process: threads that sleep at an address. */
#include "libos/futex.h"
#include "libos/sys.h"

#define BUCKETS 64u
static struct list buckets[BUCKETS];

static struct list *bucket(user_t at)
{
    struct list *b = &buckets[(at >> 2 ^ at >> 10) % BUCKETS];

    if (!b->next)
        list_init(b);
    return b;
}

static int64_t wait(user_t at, uint32_t want, uint64_t deadline, uint32_t bits)
{
    uint32_t now;
    int e;

    if (!bits || at % 4)
        return -EINVAL;
    if (user_read(&now, at, sizeof now))
        return -EFAULT;
    if (now != want)
        return -EAGAIN;
    current->futex_at = at;
    current->futex_bits = bits;
    list_push_back(bucket(at), &current->futex_link);
    e = thread_block(deadline);
    if (list_empty(&current->futex_link))
        return 0; /* woken, whatever else happened */
    list_remove(&current->futex_link);
    return e == -EINTR ? -ERESTARTSYS : e ? e : -EAGAIN;
}

int64_t futex_wake(user_t at, uint32_t count, uint32_t bits)
{
    int64_t n = 0;

    list_each_safe (l, next, bucket(at)) {
        struct thread *t = container_of(l, struct thread, futex_link);
        if (n && n >= count) /* as on Linux, 0 wakes one, too */
            break;
        if (t->futex_at != at || !(t->futex_bits & bits))
            continue;
        list_remove(l);
        thread_ready(t);
        n++;
    }
    return n;
}

static int64_t requeue(user_t from, user_t to, uint32_t wake, uint32_t move)
{
    int64_t n = wake ? futex_wake(from, wake, UINT32_MAX) : 0;

    list_each_safe (l, next, bucket(from)) {
        struct thread *t = container_of(l, struct thread, futex_link);
        if (!move)
            break;
        if (t->futex_at != from)
            continue;
        list_remove(l);
        t->futex_at = to;
        list_push_back(bucket(to), l);
        move--;
        n++;
    }
    return n;
}

/* --- locks whose word is the owner's number: PI without the priorities, of which there is one. Who sleeps for such a lock has no bits. ---- */
static struct thread *heir(user_t at, const struct thread *but)
{
    list_each (l, bucket(at)) {
        struct thread *t = container_of(l, struct thread, futex_link);
        if (t->futex_at == at && !t->futex_bits && t != but)
            return t;
    }
    return NULL;
}

static uint32_t owned_by(user_t at, const struct thread *t)
{
    return t ? t->tid | (heir(at, t) ? FUTEX_WAITERS : 0) : 0;
}

/* The lock goes to who waits first, or becomes free. */
static int64_t lock_pass(user_t at, uint32_t mark)
{
    struct thread *next = heir(at, NULL);
    uint32_t now, was;

    if (user_read(&now, at, sizeof now))
        return -EFAULT;
    do {
        was = now;
        if ((now & FUTEX_TID_MASK) != current->tid)
            return -EPERM;
        if (user_cas((uint32_t *)at, &now, owned_by(at, next) | mark))
            return -EFAULT;
    } while (now != was);
    if (next) {
        list_remove(&next->futex_link);
        thread_ready(next);
    }
    return 0;
}

static int64_t lock_take(user_t at, uint64_t deadline, bool wait)
{
    uint32_t now, was, new;
    int e;

    if (at % 4)
        return -EINVAL;
    if (user_read(&now, at, sizeof now))
        return -EFAULT;
    do {
        was = now;
        if ((now & FUTEX_TID_MASK) == current->tid)
            return -EDEADLK;
        if (now & FUTEX_TID_MASK && !thread_by(now & FUTEX_TID_MASK))
            return -ESRCH;
        if (now & FUTEX_TID_MASK && !wait)
            return -EAGAIN;
        new = now & FUTEX_TID_MASK ? now | FUTEX_WAITERS : owned_by(at, current) | (now & FUTEX_OWNER_DIED);
        if (user_cas((uint32_t *)at, &now, new))
            return -EFAULT;
    } while (now != was);
    if (!(was & FUTEX_TID_MASK))
        return 0;
    current->futex_at = at;
    current->futex_bits = 0;
    list_push_back(bucket(at), &current->futex_link);
    e = thread_block(deadline);
    if (list_empty(&current->futex_link))
        return 0; /* lock_pass() made it this thread's */
    list_remove(&current->futex_link);
    return e == -EINTR ? -ERESTARTSYS : e ? e : -EAGAIN;
}

/* FUTEX_WAKE_OP: changes the second word as the operation says and wakes its sleepers if the old value compares. */
static int64_t wake_op(user_t a, user_t b, uint32_t wake_a, uint32_t wake_b, uint32_t op)
{
    uint32_t old, want, new, arg = op >> 12 & 0xFFF, cmp = op & 0xFFF;
    int64_t n;
    bool hit;

    if (op >> 28 & 8)
        arg = 1u << (arg & 31);
    if (b % 4)
        return -EINVAL;
    if (user_read(&old, b, sizeof old))
        return -EFAULT;
    do { /* the program's other threads may change it meanwhile */
        want = old;
        switch (op >> 28 & 7) {
        case 0: new = arg; break;
        case 1: new = old + arg; break;
        case 2: new = old | arg; break;
        case 3: new = old & ~arg; break;
        case 4: new = old ^ arg; break;
        default: return -ENOSYS;
        }
        if (user_cas((uint32_t *)b, &old, new))
            return -EFAULT;
    } while (old != want);
    switch (op >> 24 & 15) {
    case 0: hit = old == cmp; break;
    case 1: hit = old != cmp; break;
    case 2: hit = (int32_t)old < (int32_t)cmp; break;
    case 3: hit = (int32_t)old <= (int32_t)cmp; break;
    case 4: hit = (int32_t)old > (int32_t)cmp; break;
    case 5: hit = (int32_t)old >= (int32_t)cmp; break;
    default: return -ENOSYS;
    }
    n = futex_wake(a, wake_a, UINT32_MAX);
    return hit ? n + futex_wake(b, wake_b, UINT32_MAX) : n;
}

int64_t futex_call(user_t at, uint32_t op, uint32_t val, user_t timeout, user_t at2, uint32_t val3)
{
    uint32_t cmd = op & FUTEX_CMD_MASK, now, val2 = (uint32_t)timeout;
    uint64_t ns = 0;

    if ((cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2) && timeout) {
        int e = timespec_read(timeout, &ns);
        if (e)
            return e;
        if (cmd == FUTEX_WAIT)
            ns = ns > UINT64_MAX - time_mono() ? 0 : ns + time_mono();
        else if (op & FUTEX_CLOCK_REALTIME || cmd == FUTEX_LOCK_PI)
            ns = ns > time_wall() ? ns - time_wall() + time_mono() : 1;
        ns = ns ? ns : 1;
    }
    switch (cmd) {
    case FUTEX_WAIT: return wait(at, val, ns, UINT32_MAX);
    case FUTEX_WAIT_BITSET: return wait(at, val, ns, val3);
    case FUTEX_WAKE: return futex_wake(at, val, UINT32_MAX);
    case FUTEX_WAKE_BITSET: return val3 ? futex_wake(at, val, val3) : -EINVAL;
    case FUTEX_REQUEUE: return requeue(at, at2, val, val2);
    case FUTEX_CMP_REQUEUE:
        if (user_read(&now, at, sizeof now))
            return -EFAULT;
        return now == val3 ? requeue(at, at2, val, val2) : -EAGAIN;
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2: return lock_take(at, ns, true);
    case FUTEX_TRYLOCK_PI: return lock_take(at, 0, false);
    case FUTEX_UNLOCK_PI: return lock_pass(at, 0);
    case FUTEX_WAKE_OP: return wake_op(at, at2, val, val2, val3);
    }
    return -ENOSYS;
}

/* A thread ends: the locks on its robust list become free, marked so that the next owner knows. */
void futex_robust(user_t head)
{
    struct { uint64_t next; int64_t offset; uint64_t pending; } h;
    uint64_t at;

    if (!head || user_read(&h, head, sizeof h))
        return;
    at = h.next;
    for (unsigned limit = 2048; at != head && limit; limit--) {
        user_t word = (at & ~1ull) + (uint64_t)h.offset;
        uint32_t now, mark;
        uint64_t next;
        if (user_read(&now, word, sizeof now) || user_read(&next, at & ~1ull, sizeof next))
            return;
        while ((now & FUTEX_TID_MASK) == current->tid) {
            uint32_t was = now;
            if (heir(word, NULL)) {
                (void)lock_pass(word, FUTEX_OWNER_DIED);
                break;
            }
            mark = (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
            if (user_cas((uint32_t *)word, &now, mark))
                return;
            if (now == was && now & FUTEX_WAITERS)
                futex_wake(word, 1, UINT32_MAX);
            if (now == was)
                break;
        }
        at = next;
    }
}
