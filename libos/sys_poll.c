/* poll and select: a look at all files; if none is ready, a place in the queue of each. A deadline of UINT64_MAX is none, 0 does not wait. */
#include "libos/signal.h"
#include "libos/sock.h"
#include "libos/sys.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)
#define SET_WORDS (FILES_MAX / 64)

/* A place in a file's queue; it holds the file, which may be closed meanwhile. */
struct place {
    struct waiter waiter;
    struct file *file;
};

static void place_take(struct place *p, struct file *f)
{
    list_init(&p->waiter.link);
    p->file = f && f->wait ? f : NULL;
    if (p->file) {
        file_get(f);
        waitq_add(f->wait, &p->waiter);
    }
}

static void place_leave(struct place *p)
{
    waitq_remove(&p->waiter);
    if (p->file)
        file_put(p->file);
}

static int64_t look(struct pollfd *p, uint32_t n)
{
    int64_t ready = 0;

    for (uint32_t i = 0; i < n; i++) {
        struct file *f = p[i].fd < 0 ? NULL : fd_file((uint64_t)p[i].fd);
        uint32_t now = p[i].fd < 0 ? 0 : f ? file_poll(f) : POLLNVAL;
        p[i].revents = (int16_t)(now & ((uint16_t)p[i].events | ALWAYS));
        ready += p[i].revents != 0;
    }
    return ready;
}

/* Sleeps until one of them may be ready. */
static int64_t poll_wait(struct pollfd *p, uint32_t n, uint64_t deadline)
{
    struct place *w = mem_get((n + 1) * sizeof *w);
    int64_t ready;
    int e = 0;

    if (!w)
        return -ENOMEM;
    while (!(ready = look(p, n)) && !e && deadline && deadline > time_mono()) {
        for (uint32_t i = 0; i < n; i++)
            place_take(&w[i], p[i].fd < 0 ? NULL : fd_file((uint64_t)p[i].fd));
        net_push();
        e = thread_block(deadline == UINT64_MAX ? 0 : deadline);
        for (uint32_t i = 0; i < n; i++)
            place_leave(&w[i]);
    }
    mem_put(w);
    return ready ? ready : e == -EINTR ? -EINTR : 0;
}

static int deadline_read(user_t at, uint64_t *deadline)
{
    uint64_t ns = UINT64_MAX;
    int e = at ? timespec_read(at, &ns) : 0;

    *deadline = ns > UINT64_MAX / 2 ? UINT64_MAX : ns ? time_mono() + ns : 0;
    return e;
}

/* The time that is left: a timespec, or a timeval if one has 1,000 ns to a unit. What cannot be written is not told. */
static void left_write(user_t at, uint64_t deadline, uint64_t unit)
{
    uint64_t now = time_mono(), ns = deadline > now ? deadline - now : 0;

    if (at && deadline != UINT64_MAX)
        (void)user_write(at, (const uint64_t[2]){ ns / 1000000000u, ns % 1000000000u / unit }, 16);
}

static int64_t poll_user(user_t at, uint32_t n, uint64_t deadline)
{
    struct pollfd *p;
    int64_t ready;

    if (n > limits[RLIMIT_NOFILE][0])
        return -EINVAL;
    p = mem_get(n * sizeof *p + 1);
    if (!p)
        return -ENOMEM;
    ready = user_read(p, at, n * sizeof *p) ? -EFAULT : poll_wait(p, n, deadline);
    if (ready >= 0 && user_write(at, p, n * sizeof *p))
        ready = -EFAULT;
    mem_put(p);
    return ready;
}

SYS(poll)
{
    int32_t ms = (int32_t)a[2];

    return poll_user(a[0], (uint32_t)a[1], ms < 0 ? UINT64_MAX : ms ? time_mono() + (uint64_t)ms * 1000000 : 0);
}

SYS(ppoll)
{
    uint64_t deadline;
    int64_t e = deadline_read(a[2], &deadline);

    if (!e)
        e = mask_swap(a[3], a[4]);
    if (e)
        return e;
    e = poll_user(a[0], (uint32_t)a[1], deadline);
    left_write(a[2], deadline, 1);
    return e;
}

/* --- select ------------------------------------------------------------------------------------------------------------------ */
/* What each of the three sets asks poll for, and what of its answers counts. */
static const struct { uint16_t ask, counts; } sets[3] = {
    { POLLIN, POLLIN | POLLHUP | POLLERR }, { POLLOUT, POLLOUT | POLLERR }, { POLLPRI, POLLPRI },
};

/* The sets as rows for poll. Their number, or -EBADF. */
static int64_t sets_to_rows(uint64_t (*bits)[SET_WORDS], uint32_t n, struct pollfd *p)
{
    int64_t count = 0;

    for (uint32_t fd = 0; fd < n; fd++) {
        uint32_t events = 0;
        for (unsigned s = 0; s < 3; s++)
            events |= bits[s][fd / 64] & BIT64(fd % 64) ? sets[s].ask : 0;
        if (!events)
            continue;
        if (!fd_file(fd))
            return -EBADF;
        p[count++] = (struct pollfd){ .fd = (int32_t)fd, .events = (int16_t)events };
    }
    return count;
}

/* And back. The number of bits. */
static int64_t rows_to_sets(const struct pollfd *p, int64_t count, uint64_t (*bits)[SET_WORDS])
{
    int64_t total = 0;

    memset(bits, 0, 3 * sizeof *bits);
    for (int64_t i = 0; i < count; i++)
        for (unsigned s = 0; s < 3; s++)
            if (p[i].events & sets[s].ask && p[i].revents & sets[s].counts)
                bits[s][p[i].fd / 64] |= BIT64(p[i].fd % 64), total++;
    return total;
}

static int64_t select_user(uint32_t n, const user_t set[3], uint64_t deadline)
{
    uint64_t(*bits)[SET_WORDS] = mem_get(3 * sizeof *bits);
    struct pollfd *p = mem_get((n + 1) * sizeof *p);
    size_t bytes = (n + 63) / 64 * 8;
    int64_t e = bits && p ? 0 : -ENOMEM, count;

    for (unsigned s = 0; !e && s < 3; s++)
        e = set[s] ? user_read(bits[s], set[s], bytes) : 0;
    count = e ? e : sets_to_rows(bits, n, p);
    e = count < 0 ? count : poll_wait(p, (uint32_t)count, deadline);
    if (e >= 0)
        e = rows_to_sets(p, count, bits);
    for (unsigned s = 0; e >= 0 && s < 3; s++)
        if (set[s] && user_write(set[s], bits[s], bytes))
            e = -EFAULT;
    mem_put(bits);
    mem_put(p);
    return e;
}

SYS(select)
{
    struct timeval t = { 0 };
    uint64_t deadline = a[4] ? 0 : UINT64_MAX;
    int64_t n;

    if (a[0] > FILES_MAX)
        return -EINVAL;
    if (a[4] && user_read(&t, a[4], sizeof t))
        return -EFAULT;
    if (t.tv_sec || t.tv_usec)
        deadline = time_mono() + (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_usec * 1000;
    n = select_user((uint32_t)a[0], a + 1, deadline);
    left_write(a[4], deadline, 1000);
    return n;
}

SYS(pselect6)
{
    uint64_t deadline, mask[2] = { 0 };
    int64_t e = deadline_read(a[4], &deadline);

    if (e || a[0] > FILES_MAX)
        return e ? e : -EINVAL;
    if (a[5])
        e = user_read(mask, a[5], sizeof mask);
    if (!e)
        e = mask_swap(mask[0], mask[1]);
    if (e)
        return e;
    e = select_user((uint32_t)a[0], a + 1, deadline);
    left_write(a[4], deadline, 1);
    return e;
}
