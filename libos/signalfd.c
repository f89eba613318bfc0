/* signalfd: signals that are read as a file. They must be masked, else they go to handlers. */
#include <linux/signalfd.h>
#include "libos/signal.h"
#include "libos/sys.h"

static struct waitq posted = { LIST_INIT(posted.list) };

void signalfd_tell(void) { waitq_tell(&posted, POLLIN | POLLRDNORM); }

static struct signalfd_siginfo record_of(const struct siginfo *i)
{
    struct signalfd_siginfo r = { .ssi_signo = (uint32_t)i->signo, .ssi_errno = i->error, .ssi_code = i->code, .ssi_ptr = i->field[1],
                                  .ssi_int = (int32_t)i->field[1] };

    if (i->code == SI_TIMER) {
        r.ssi_tid = (uint32_t)i->field[0];
        r.ssi_overrun = (uint32_t)(i->field[0] >> 32);
    } else {
        r.ssi_pid = (uint32_t)i->field[0];
        r.ssi_uid = (uint32_t)(i->field[0] >> 32);
    }
    return r;
}

static int64_t signal_read(struct file *f, user_t to, uint64_t len, UNUSED uint64_t *pos)
{
    const uint64_t *mask = f->data;
    struct siginfo info;
    uint64_t done = 0;
    int64_t e = len < sizeof(struct signalfd_siginfo) ? -EINVAL : file_await(f, POLLIN);

    if (e)
        return e;
    while (done + sizeof(struct signalfd_siginfo) <= len && signal_take(*mask, &info)) {
        struct signalfd_siginfo r = record_of(&info);
        if (user_write(to + done, &r, sizeof r))
            return done ? (int64_t)done : -EFAULT;
        done += sizeof r;
    }
    return (int64_t)done;
}

static uint32_t signal_poll(struct file *f)
{
    return signal_pending(current) & *(const uint64_t *)f->data ? POLLIN | POLLRDNORM : 0;
}

static void signal_close(struct file *f) { mem_put(f->data); }

static const struct file_ops signal_ops = { .read = signal_read, .poll = signal_poll, .close = signal_close };

SYS(signalfd4)
{
    struct file *f = (int32_t)a[0] == -1 ? NULL : fd_file(a[0]);
    uint64_t mask, *kept;

    if (a[3] & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) || a[2] != sizeof mask)
        return -EINVAL;
    if (user_read(&mask, a[1], sizeof mask))
        return -EFAULT;
    if ((int32_t)a[0] != -1 && (!f || f->ops != &signal_ops))
        return f ? -EINVAL : -EBADF;
    kept = f ? f->data : mem_get(sizeof *kept);
    if (!kept)
        return -ENOMEM;
    *kept = mask & ~UNBLOCKABLE;
    if (!f)
        return fd_special(&signal_ops, kept, &posted, O_RDWR | (uint32_t)a[3]);
    signalfd_tell();
    return (int32_t)a[0];
}
