/* The /dev tree: ns/dev.h. The terminal part follows termios(3): the user's bytes become input lines (or single bytes in raw
 * mode), echo, and signals; the guest's newlines get a carriage return. */
#include "ns/dev.h"
#include "base/bytes.h"
#include "base/str.h"
#include "ground/ground.h"
#include "vm/space.h"
#include "vm/vm.h"
#include "vm/work.h"

#define COLS 80u /* of every terminal of the monitor's console */
#define ROWS_SHOWN 24u

/* struct termios: four words of flags, a byte, control characters */
enum { INPUT_FLAGS = 0, OUTPUT_FLAGS = 4, CONTROL_FLAGS = 8, LOCAL_FLAGS = 12, CHARS = 17 };
enum { CHAR_INTR, CHAR_QUIT, CHAR_ERASE, CHAR_KILL, CHAR_EOF };
#define IN_CR_TO_NL 0x100u
#define OUT_POST 0x1u
#define OUT_NL_TO_CRNL 0x4u
#define LOCAL_SIGNALS 0x1u
#define LOCAL_CANON 0x2u
#define LOCAL_ECHO 0x8u
#define SIGNAL_INT 2u
#define SIGNAL_QUIT 3u

static struct ns_dev *dev_of(struct tree *t) { return container_of(t, struct ns_dev, tree); }
static struct ns_dev *dev_of_req(struct ninep_req *r) { return dev_of(container_of(r->server->fs, struct tree, fs)); }

static bool flag(const struct ns_dev *d, unsigned word, uint32_t bit) { return get_le32(d->termios + word) & bit; }

static void flag_set(struct ns_dev *d, unsigned word, uint32_t bits, bool on)
{
    uint32_t old = get_le32(d->termios + word);

    put_le32(d->termios + word, on ? old | bits : old & ~bits);
}

static void renew(struct ns_dev *d);

/* Takes the lock. A guest that was started again finds the terminal as new. */
static void dev_lock(struct ns_dev *d)
{
    lock_take(&d->lock);
    if (d->starts != d->vm->starts)
        renew(d);
}

/* --- from the user; all under lock --- */

static void echo(struct ns_dev *d, const char *text)
{
    if (flag(d, LOCAL_FLAGS, LOCAL_ECHO))
        tty_output(&d->tty, (const uint8_t *)text, strlen(text));
}

static void echo_byte(struct ns_dev *d, uint8_t b)
{
    char text[3] = { (char)b, 0, 0 };

    if (b < 0x20 && b != '\t') {
        text[0] = '^';
        text[1] = (char)(b + '@');
    }
    echo(d, b == '\n' ? "\r\n" : text);
}

/* Takes the last character of the line being typed back, in UTF-8 all its bytes. */
static bool rub_out(struct ns_dev *d)
{
    bool any = d->input.head != d->ready;

    while (d->input.head != d->ready)
        if ((d->bytes[--d->input.head & d->input.mask] & 0xC0) != 0x80)
            break;
    if (any)
        echo(d, "\b \b");
    return any;
}

static unsigned signal_of(const struct ns_dev *d, uint8_t b)
{
    if (!flag(d, LOCAL_FLAGS, LOCAL_SIGNALS) || !b)
        return 0;
    return b == d->termios[CHARS + CHAR_INTR] ? SIGNAL_INT : b == d->termios[CHARS + CHAR_QUIT] ? SIGNAL_QUIT : 0;
}

/* A byte in line mode. */
static void edit(struct ns_dev *d, uint8_t b)
{
    const uint8_t *chars = d->termios + CHARS;

    if (b == chars[CHAR_ERASE] || b == '\b') {
        (void)rub_out(d);
    } else if (b == chars[CHAR_KILL]) {
        while (rub_out(d))
            ;
    } else if (b == chars[CHAR_EOF]) {
        d->end = d->end || d->input.head == d->ready;
        d->ready = d->input.head;
    } else if (b == '\n' || ring_room(&d->input) > 1) { /* there is always room for the end of a line */
        if (ring_put(&d->input, b))
            echo_byte(d, b);
        if (b == '\n')
            d->ready = d->input.head;
    }
}

/* One byte the user typed; the signal that it means, or 0. */
static unsigned type(struct ns_dev *d, uint8_t b)
{
    unsigned signal = signal_of(d, b);

    if (b == '\r' && flag(d, INPUT_FLAGS, IN_CR_TO_NL))
        b = '\n';
    if (signal) {
        d->input.head = d->input.tail = d->ready = 0;
        echo_byte(d, b);
    } else if (flag(d, LOCAL_FLAGS, LOCAL_CANON)) {
        edit(d, b);
    } else {
        if (ring_put(&d->input, b))
            echo_byte(d, b);
        d->ready = d->input.head;
    }
    return signal;
}

static size_t dev_input(struct tty *t, const uint8_t *bytes, size_t n)
{
    struct ns_dev *d = container_of(t, struct ns_dev, tty);
    unsigned signal = 0;
    size_t took = 0;

    dev_lock(d);
    while (took < n && ring_room(&d->input) && !signal)
        signal = type(d, bytes[took++]);
    lock_drop(&d->lock);
    if (signal && d->vm->machine->signal)
        d->vm->machine->signal(d->vm, signal);
    work_changed();
    return took;
}

/* --- the console's files --- */

/* In line mode a read ends with a line. */
static err_t cons_read(struct ninep_req *r)
{
    struct ns_dev *d = dev_of_req(r);
    uint8_t *to = r->data, b = 0;
    bool lines, ended = false;

    dev_lock(d);
    lines = flag(d, LOCAL_FLAGS, LOCAL_CANON);
    while (r->out->count < r->room && d->input.tail != d->ready && !(lines && b == '\n') && ring_take(&d->input, &b))
        to[r->out->count++] = b;
    if (!r->out->count && r->room) {
        ended = d->end;
        d->end = false;
    }
    lock_drop(&d->lock);
    if (r->out->count)
        tty_drained(&d->tty);
    return r->out->count || ended || !r->room ? OK : ERR_AGAIN;
}

static err_t cons_write(struct ninep_req *r)
{
    struct ns_dev *d = dev_of_req(r);
    const uint8_t *p = r->in.data, *end = p + r->in.count;

    dev_lock(d);
    bool crnl = flag(d, OUTPUT_FLAGS, OUT_POST) && flag(d, OUTPUT_FLAGS, OUT_NL_TO_CRNL);
    while (p < end) {
        const uint8_t *from = p;
        while (p < end && !(crnl && *p == '\n'))
            p++;
        tty_output(&d->tty, from, (size_t)(p - from));
        if (p < end)
            tty_output(&d->tty, (const uint8_t *)"\r\n", 2), p++;
    }
    lock_drop(&d->lock);
    r->out->count = r->in.count;
    return OK;
}

static err_t consctl_print(struct tree *t, uint64_t, struct tree_text *x)
{
    const struct ns_dev *d = dev_of(t);

    tree_print(x, "size %u %u\nraw %s\necho %s\n", COLS, ROWS_SHOWN, flag(d, LOCAL_FLAGS, LOCAL_CANON) ? "off" : "on",
               flag(d, LOCAL_FLAGS, LOCAL_ECHO) ? "on" : "off");
    return OK;
}

static err_t consctl_command(struct tree *t, uint64_t, const char *line)
{
    static const struct {
        const char *line;
        uint32_t local, input, output;
        bool on;
    } commands[] = {
        { "raw on", LOCAL_CANON | LOCAL_SIGNALS | LOCAL_ECHO, IN_CR_TO_NL, OUT_POST, false },
        { "raw off", LOCAL_CANON | LOCAL_SIGNALS | LOCAL_ECHO, IN_CR_TO_NL, OUT_POST, true },
        { "echo on", LOCAL_ECHO, 0, 0, true },
        { "echo off", LOCAL_ECHO, 0, 0, false },
    };
    struct ns_dev *d = dev_of(t);

    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        if (!str_eq(line, commands[i].line))
            continue;
        dev_lock(d);
        flag_set(d, LOCAL_FLAGS, commands[i].local, commands[i].on);
        flag_set(d, INPUT_FLAGS, commands[i].input, commands[i].on);
        flag_set(d, OUTPUT_FLAGS, commands[i].output, commands[i].on);
        d->ready = d->input.head;
        lock_drop(&d->lock);
        return OK;
    }
    return ERR_INVAL;
}

/* What the libos asks a terminal: struct winsize, then struct termios; a write sets the latter. */
static err_t ttyctl_read(struct ninep_req *r)
{
    static const uint8_t size[8] = { ROWS_SHOWN, 0, COLS, 0 };
    struct ns_dev *d = dev_of_req(r);

    if (r->room < sizeof size + NS_DEV_TERMIOS)
        return ERR_INVAL;
    memcpy(r->data, size, sizeof size);
    dev_lock(d);
    memcpy((uint8_t *)r->data + sizeof size, d->termios, NS_DEV_TERMIOS);
    lock_drop(&d->lock);
    r->out->count = sizeof size + NS_DEV_TERMIOS;
    return OK;
}

static err_t ttyctl_write(struct ninep_req *r)
{
    struct ns_dev *d = dev_of_req(r);

    if (r->in.count != NS_DEV_TERMIOS)
        return ERR_INVAL;
    dev_lock(d);
    memcpy(d->termios, r->in.data, NS_DEV_TERMIOS);
    if (!flag(d, LOCAL_FLAGS, LOCAL_CANON))
        d->ready = d->input.head; /* what is typed already can be read now */
    lock_drop(&d->lock);
    work_changed();
    r->out->count = NS_DEV_TERMIOS;
    return OK;
}

/* --- mem: each open one is an object of the guest's memory, its fid's key the object's number + 1. A write of 8 bytes is its new size; it
 * never shrinks. --- */

static struct space *space_of(struct ns_dev *d)
{
    return d->vm->machine->space ? d->vm->machine->space(d->vm) : NULL;
}

static err_t object_open(struct ninep_req *r)
{
    struct space *s = space_of(dev_of_req(r));
    unsigned n;

    if (!s)
        return ERR_UNSUPPORTED;
    err_t e = space_object_open(s, &n);
    if (!e)
        r->fid->key = n + 1;
    return e;
}

static void object_close(struct tree *t, struct ninep_fid *f)
{
    space_object_close(space_of(dev_of(t)), (unsigned)f->key - 1);
}

static err_t object_write(struct ninep_req *r)
{
    if (r->in.count != 8)
        return ERR_INVAL;
    r->out->count = 8;
    return space_object_grow(space_of(dev_of_req(r)), (unsigned)r->fid->key - 1, get_le64(r->in.data));
}

/* --- the others --- */

static err_t time_print(struct tree *t, uint64_t, struct tree_text *x)
{
    const struct vm *vm = dev_of(t)->vm;

    tree_print(x, "wall_ns %" PRIu64 "\nup_ns %" PRIu64 "\n", ground_wall_ns(), ground_tsc_to_ns(ground_tsc() - vm->tsc_start));
    return OK;
}

static err_t random_read(struct ninep_req *r)
{
    ground_entropy(r->data, r->room);
    r->out->count = r->room;
    return OK;
}

static err_t null_read(struct ninep_req *)
{
    return OK;
}

static err_t zero_read(struct ninep_req *r)
{
    memset(r->data, 0, r->room);
    r->out->count = r->room;
    return OK;
}

static err_t null_write(struct ninep_req *r)
{
    r->out->count = r->in.count;
    return OK;
}

static err_t full_write(struct ninep_req *r) { return ninep_fail(r, NINEP_ENOSPC); }

enum { ROOT, CONS, CONSCTL, STDIN, STDOUT, STDERR, TTYCTL, MEM, TIME, RANDOM, NULL_, ZERO, FULL, ROWS };
static const struct tree_row rows[ROWS] = {
    [ROOT] = { .name = "", .parent = ROOT, .mode = TREE_DIR | 0555 },
    [CONS] = { .name = "cons", .parent = ROOT, .mode = 0666, .read = cons_read, .write = cons_write },
    [CONSCTL] = { .name = "consctl", .parent = ROOT, .mode = 0666, .print = consctl_print, .command = consctl_command },
    [STDIN] = { .name = "stdin", .parent = ROOT, .mode = 0444, .read = cons_read },
    [STDOUT] = { .name = "stdout", .parent = ROOT, .mode = 0222, .write = cons_write },
    [STDERR] = { .name = "stderr", .parent = ROOT, .mode = 0222, .write = cons_write },
    [TTYCTL] = { .name = "ttyctl", .parent = ROOT, .mode = 0666, .read = ttyctl_read, .write = ttyctl_write },
    [MEM] = { .name = "mem", .parent = ROOT, .mode = 0666, .open = object_open, .close = object_close, .write = object_write },
    [TIME] = { .name = "time", .parent = ROOT, .mode = 0444, .print = time_print },
    [RANDOM] = { .name = "random", .parent = ROOT, .mode = 0666, .read = random_read, .write = null_write },
    [NULL_] = { .name = "null", .parent = ROOT, .mode = 0666, .read = null_read, .write = null_write },
    [ZERO] = { .name = "zero", .parent = ROOT, .mode = 0666, .read = zero_read, .write = null_write },
    [FULL] = { .name = "full", .parent = ROOT, .mode = 0666, .read = zero_read, .write = full_write },
};

/* As Linux sets a new terminal up. */
static const uint8_t termios_new[NS_DEV_TERMIOS] = {
    [INPUT_FLAGS] = 0x00, 0x05, [OUTPUT_FLAGS] = 0x05, [CONTROL_FLAGS] = 0xBF, [LOCAL_FLAGS] = 0x3B, 0x8A,
    [CHARS + CHAR_INTR] = 0x03, [CHARS + CHAR_QUIT] = 0x1C, [CHARS + CHAR_ERASE] = 0x7F, [CHARS + CHAR_KILL] = 0x15,
    [CHARS + CHAR_EOF] = 0x04, [CHARS + 6] = 1, /* at least one byte */
};

static void renew(struct ns_dev *d)
{
    d->starts = d->vm->starts;
    memcpy(d->termios, termios_new, sizeof d->termios);
    ring_init(&d->input, d->bytes, NS_DEV_INPUT);
    d->ready = 0;
    d->end = false;
}

void ns_dev_init(struct ns_dev *d, struct vm *vm)
{
    static const struct tty_dev_ops tty = { .input = dev_input };

    *d = (struct ns_dev){ .vm = vm, .tty.dev = &tty, .tree = { .rows = rows, .nrows = ROWS } };
    tree_init(&d->tree);
    renew(d);
}
