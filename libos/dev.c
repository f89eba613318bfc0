/* /dev, and the standard files: terminals, pipes and files of whoever started the guest, behind the monitor's stdin, stdout, stderr. */
#include "libos/file.h"

static struct mount *devices;

/* --- simple ones ------------------------------------------------------------------------------------------------------- */
enum { NULL_DEV = 1, ZERO_DEV, FULL_DEV, RANDOM_DEV, TTY_DEV };

static int64_t simple_read(struct file *f, user_t to, uint64_t len, uint64_t *)
{
    uint8_t part[256];

    if (f->node->arg == NULL_DEV)
        return 0;
    memset(part, 0, sizeof part);
    for (uint64_t done = 0, n; done < len; done += n) {
        n = min_u64(len - done, sizeof part);
        if (f->node->arg == RANDOM_DEV)
            random_bytes(part, n);
        if (user_write(to + done, part, n))
            return done ? (int64_t)done : -EFAULT;
    }
    return (int64_t)len;
}

static int64_t simple_write(struct file *f, user_t, uint64_t len, uint64_t *)
{
    return f->node->arg == FULL_DEV ? -ENOSPC : (int64_t)len;
}

static const struct file_ops simple_ops = { .read = simple_read, .write = simple_write };

bool file_is_zero(const struct file *f) { return f->ops == &simple_ops && f->node->arg == ZERO_DEV; }

static int simple_open(struct node *, struct file *f)
{
    f->ops = &simple_ops;
    return 0;
}

/* --- the standard files --------------------------------------------------------------------------------------------------- */
#define INPUT 4096u
static struct input {
    struct rpc rpc;
    struct waitq wait;
    bool asked, end;
    uint8_t bytes[INPUT];
    uint32_t have, taken;
    int error;
} input;
static uint32_t std_fid[3], ctl_fid;

static void input_came(struct rpc *r)
{
    input.asked = false;
    input.error = r->error;
    input.taken = 0;
    input.have = r->error ? 0 : r->a.msg.count;
    input.end = !r->error && !input.have;
    if (input.have)
        memcpy(input.bytes, r->a.msg.data, input.have);
    waitq_wake(&input.wait);
}

/* There is always one question under way while somebody is interested. */
static void input_ask(void)
{
    struct ninep_msg q = { .type = NINEP_TREAD, .fid = std_fid[0], .count = INPUT };

    if (input.asked || input.have > input.taken || input.end)
        return;
    input.asked = true;
    input.error = 0;
    input.rpc = (struct rpc){ .notify = input_came };
    if (p9_post(devices, &q, &input.rpc))
        input.asked = false;
    else
        p9_kick(devices);
}

static int64_t std_read(struct file *f, user_t to, uint64_t len, uint64_t *)
{
    uint32_t n;

    while (len && input.have == input.taken) {
        int e;
        if (input.end) {
            input.end = false; /* a terminal may go on after an end */
            return 0;
        }
        input_ask();
        if (input.have > input.taken || input.end)
            continue;
        if (input.error)
            return input.error;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        e = waitq_wait(&input.wait, 0);
        if (e == -EINTR)
            return -ERESTARTSYS;
    }
    n = (uint32_t)min_u64(len, input.have - input.taken);
    if (user_write(to, input.bytes + input.taken, n))
        return -EFAULT;
    input.taken += n;
    return n;
}

static int64_t std_write(struct file *f, user_t from, uint64_t len, uint64_t *)
{
    uint32_t which = f->data == (void *)2 ? 2 : 1;
    uint64_t done = 0;
    uint8_t *copy;

    while (done < len) {
        struct rpc r = { 0 };
        uint32_t n = (uint32_t)min_u64(len - done, 32768);
        int e = -ENOMEM;
        copy = mem_get(n);
        if (copy) {
            e = user_read(copy, from + done, n);
            if (!e)
                e = p9_call(devices, &(struct ninep_msg){ .type = NINEP_TWRITE, .fid = std_fid[which], .count = n, .data = copy }, &r);
            mem_put(copy);
        }
        if (e == -EPIPE)
            signal_post(current, SIGPIPE, NULL);
        if (e)
            return done ? (int64_t)done : e;
        done += r.a.msg.count;
    }
    return (int64_t)done;
}

static uint32_t std_poll(struct file *f)
{
    uint32_t in = 0;

    if (!f->data || f->node) {
        input_ask();
        in = input.have > input.taken || input.end || input.error ? POLLIN | POLLRDNORM : 0;
    }
    return in | POLLOUT | POLLWRNORM;
}

#define TERMIOS 36u

static int64_t tty_ioctl(struct file *f, uint64_t request, user_t arg)
{
    struct rpc r = { 0 };
    uint8_t termios[TERMIOS];
    int32_t n;
    int e;

    if (request == FIONREAD) {
        input_ask();
        n = (int32_t)(input.have - input.taken);
        return user_write(arg, &n, sizeof n);
    }
    if (!(boot->tty & BIT((uint64_t)f->data)))
        return -ENOTTY;
    switch (request) {
    case TCGETS:
    case TIOCGWINSZ:
        e = p9_call(devices, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = ctl_fid, .count = 8 + TERMIOS }, &r);
        if (e || r.a.msg.count != 8 + TERMIOS)
            return e ? e : -ENOTTY;
        return request == TCGETS ? user_write(arg, (const uint8_t *)r.a.msg.data + 8, TERMIOS) : user_write(arg, r.a.msg.data, 8);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        if (user_read(termios, arg, TERMIOS))
            return -EFAULT;
        return p9_call(devices, &(struct ninep_msg){ .type = NINEP_TWRITE, .fid = ctl_fid, .count = TERMIOS, .data = termios }, &r);
    case TIOCGPGRP:
        n = (int32_t)boot->pid;
        return user_write(arg, &n, sizeof n);
    case TIOCSPGRP: return 0;
    }
    return -ENOTTY;
}

static const struct file_ops std_ops = { .read = std_read, .write = std_write, .poll = std_poll, .ioctl = tty_ioctl };

static struct node *std_node[3];

struct file *tty_file(unsigned fd)
{
    struct file *f = file_new(&std_ops, O_RDWR);

    if (f) {
        f->data = (void *)(uint64_t)fd;
        f->wait = &input.wait;
        f->node = std_node[fd];
        node_get(f->node);
    }
    return f;
}

static int tty_open(struct node *n, struct file *f)
{
    if (n->arg == TTY_DEV && !(boot->tty & APP_TTY_IN))
        return -ENXIO;
    f->ops = &std_ops;
    f->data = (void *)(n->arg == TTY_DEV ? 0 : n->arg - 16);
    f->wait = &input.wait;
    return 0;
}

static const struct node_ops simple_node = { .open = simple_open };
static const struct node_ops tty_node = { .open = tty_open };

struct mount *dev_mount(void)
{
    return devices;
}

static const struct row {
    const char *name;
    uint32_t major, minor;
    uint64_t arg;
    const struct node_ops *ops;
} rows[] = {
    { "null", 1, 3, NULL_DEV, &simple_node },     { "zero", 1, 5, ZERO_DEV, &simple_node },     { "full", 1, 7, FULL_DEV, &simple_node },
    { "random", 1, 8, RANDOM_DEV, &simple_node }, { "urandom", 1, 9, RANDOM_DEV, &simple_node }, { "tty", 5, 0, TTY_DEV, &tty_node },
};

static struct node *link_add(struct node *dir, const char *name, const char *target)
{
    struct node *n = node_add(dir, name, S_IFLNK | 0777);

    if (n)
        n->link = mem_text(target, strlen(target));
    return n;
}

static const char *const std_names[3] = { "stdin", "stdout", "stderr" };

void dev_terminals(void)
{
    for (unsigned i = 0; i < 3; i++) {
        std_node[i]->mode = boot->tty & BIT(i) ? S_IFCHR | 0620 : S_IFIFO | 0600;
        std_node[i]->rdev = boot->tty & BIT(i) ? 136 << 8 : 0;
    }
}

int dev_attach(void)
{
    static struct opening o[4];
    int e = 0;

    devices = &mounts[nmounts - 1];
    input.asked = input.end = false;
    input.have = input.taken = 0;
    input.error = 0;
    for (unsigned i = 0; i < 3 && !e; i++)
        e = p9_open_post(devices, &o[i], std_names[i], i ? O_WRONLY : O_RDONLY, &std_fid[i]);
    if (!e)
        e = p9_open_post(devices, &o[3], "ttyctl", O_RDWR, &ctl_fid);
    if (e)
        return e;
    p9_kick(devices);
    e = p9_mounted(devices);
    for (unsigned i = 0; i < ARRAY_LEN(o) && !e; i++)
        e = p9_open_finish(&o[i]);
    return e;
}

int dev_init(void)
{
    static const struct node_ops template_node = { .open = template_open };
    struct node *dev = node_cover(root_node, "dev"), *template;

    waitq_init(&input.wait);
    if (!dev)
        return -ENOMEM;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct node *n = node_add(dev, rows[i].name, S_IFCHR | 0666);
        if (!n)
            return -ENOMEM;
        n->rdev = rows[i].major << 8 | rows[i].minor;
        n->arg = rows[i].arg;
        n->ops = rows[i].ops;
    }
    template = node_add(dev, "template", S_IFREG | 0444);
    if (!template)
        return -ENOMEM;
    template->ops = &template_node;
    link_add(dev, "fd", "/proc/self/fd");
    node_add(dev, "shm", S_IFDIR | 01777);
    for (unsigned i = 0; i < 3; i++) {
        char target[20] = "/proc/self/fd/0";
        target[14] = (char)('0' + i);
        link_add(dev, std_names[i], target);
        std_node[i] = node_add(NULL, std_names[i], 0);
        if (!std_node[i])
            return -ENOMEM;
        node_get(std_node[i]);
        std_node[i]->arg = 16 + i;
        std_node[i]->ops = &tty_node;
    }
    dev_terminals();
    return dev_attach();
}
