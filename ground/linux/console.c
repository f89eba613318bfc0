/* The monitor's own device files: stdin, stdout, stderr of the `goblin` command; ttyctl, which asks for and changes the terminal they
 * are on; mem, memory that can be mapped in several places. Reads of stdin wait without holding anybody up. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "ground/linux/guest.h"

enum { ROOT, STDIN, STDOUT, STDERR, TTYCTL, MEM, ROWS };

static struct termios saved;
static bool changed;

/* One process has one console. */
static struct ninep_req *reader; /* waits for input */

static void read_cancel(struct ninep_req *r)
{
    if (reader == r)
        reader = NULL;
}

static err_t read_stdin(struct ninep_req *r)
{
    struct pollfd p = { .fd = 0, .events = POLLIN };
    ssize_t n;

    if (poll(&p, 1, 0) == 0) {
        if (reader && reader != r)
            return ERR_BUSY;
        reader = r;
        r->cancel = read_cancel;
        return ERR_AGAIN;
    }
    if (reader == r)
        reader = NULL;
    n = read(0, r->data, r->room);
    if (n < 0)
        return ninep_fail(r, (uint32_t)errno);
    r->out->count = (uint32_t)n;
    return OK;
}

static err_t write_fd(struct ninep_req *r, int fd)
{
    const char *from = r->in.data;
    uint32_t done = 0;

    while (done < r->in.count) {
        ssize_t n = write(fd, from + done, r->in.count - done);
        if (n < 0 && errno == EAGAIN) { /* the terminal was made non-blocking by someone else */
            struct pollfd p = { .fd = fd, .events = POLLOUT };
            poll(&p, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return ninep_fail(r, (uint32_t)errno);
        } else if (n > 0) {
            done += (uint32_t)n;
        }
    }
    r->out->count = done;
    return OK;
}

static err_t write_stdout(struct ninep_req *r)
{
    return write_fd(r, 1);
}

static err_t write_stderr(struct ninep_req *r)
{
    return write_fd(r, 2);
}

/* ttyctl is read as two structs of Linux: struct winsize of 8 bytes, struct termios (the kernel's, 36 bytes); a write of
 * 36 bytes sets the latter. */
#define KERNEL_TERMIOS 36u

static err_t ctl_read(struct ninep_req *r)
{
    uint8_t answer[8 + KERNEL_TERMIOS] = { 0 };

    if (ioctl(0, TIOCGWINSZ, answer) && ioctl(1, TIOCGWINSZ, answer) && ioctl(2, TIOCGWINSZ, answer))
        return ninep_fail(r, ENOTTY);
    (void)!ioctl(0, TCGETS, answer + 8);
    if (r->room < sizeof answer)
        return ERR_INVAL;
    memcpy(r->data, answer, sizeof answer);
    r->out->count = sizeof answer;
    return OK;
}

static err_t ctl_write(struct ninep_req *r)
{
    if (r->in.count != KERNEL_TERMIOS)
        return ERR_INVAL;
    if (!changed && tcgetattr(0, &saved) == 0)
        changed = true;
    if (ioctl(0, TCSETS, r->in.data))
        return ninep_fail(r, (uint32_t)errno);
    r->out->count = KERNEL_TERMIOS;
    return OK;
}

/* --- mem: each open one is an object of its own, its fid's key its descriptor + 1. A write of 8 bytes is its new size; it never shrinks.
 * All of them together may have what the guest may map, and each mapping counts as any other does. */
static struct app *guest_of(struct tree *t)
{
    return container_of(t, struct app, devices);
}

static err_t mem_open(struct ninep_req *r)
{
    int fd = memfd_create("goblin", MFD_CLOEXEC);

    if (fd < 0)
        return ninep_fail(r, (uint32_t)errno);
    r->fid->key = (uint64_t)fd + 1;
    return OK;
}

static uint64_t mem_size(const struct ninep_fid *f)
{
    struct stat st;

    return fstat(mem_fd(f), &st) ? 0 : (uint64_t)st.st_size;
}

static void mem_close(struct tree *t, struct ninep_fid *f)
{
    guest_of(t)->objects -= mem_size(f);
    close(mem_fd(f));
}

static err_t mem_write(struct ninep_req *r)
{
    struct app *g = guest_of(container_of(r->server->fs, struct tree, fs));
    uint64_t had = mem_size(r->fid), size;

    if (r->in.count != sizeof size)
        return ERR_INVAL;
    memcpy(&size, r->in.data, sizeof size);
    if (size < had || size % PAGE_SIZE)
        return ERR_INVAL;
    if (size - had > g->space.limit - g->objects)
        return ninep_fail(r, ENOMEM);
    if (ftruncate(mem_fd(r->fid), (off_t)size))
        return ninep_fail(r, (uint32_t)errno);
    g->objects += size - had;
    r->out->count = sizeof size;
    return OK;
}

int mem_fd(const struct ninep_fid *f)
{
    return (int)f->key - 1;
}

void console_restore(void)
{
    if (changed)
        tcsetattr(0, TCSANOW, &saved);
    changed = false;
}

static const struct tree_row rows[ROWS] = {
    [ROOT] = { .name = "", .parent = ROOT, .mode = TREE_DIR | 0555 },
    [STDIN] = { .name = "stdin", .parent = ROOT, .mode = 0444, .read = read_stdin },
    [STDOUT] = { .name = "stdout", .parent = ROOT, .mode = 0222, .write = write_stdout },
    [STDERR] = { .name = "stderr", .parent = ROOT, .mode = 0222, .write = write_stderr },
    [TTYCTL] = { .name = "ttyctl", .parent = ROOT, .mode = 0666, .read = ctl_read, .write = ctl_write },
    [MEM] = { .name = "mem", .parent = ROOT, .mode = 0666, .open = mem_open, .close = mem_close, .write = mem_write },
};

void console_init(struct app *g)
{
    g->devices = (struct tree){ .rows = rows, .nrows = ROWS };
    tree_init(&g->devices);
    reader = NULL;
}

int console_wanted(struct app *)
{
    return reader ? 0 : -1;
}

void console_ready(struct app *)
{
    if (reader) {
        struct ninep_req *r = reader;
        reader = NULL;
        ninep_req_ready(r);
    }
}
