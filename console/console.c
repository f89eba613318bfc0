/* The console: keys, what they do, and when what runs. */
#include "console/console.h"
#include "base/fmt.h"
#include "base/str.h"
#include "console/output.h"
#include "console/status.h"
#include "ground/ground.h"
#include "vm/vm.h"

#define COLS 80u
#define ROWS 24u
#define VIEW_BYTES MIB(1) /* of a guest: about 3,200 lines of 80 columns */
#define CLONE_BYTES KIB(32) /* of a template's clone: there may be many */
#define KEYS 1024u        /* power of two */
#define DRAW_PERIOD_NS 20000000u
#define DRAW_AHEAD_NS 100000000u
#define POLL_PERIOD_NS 10000000u
#define REFRESH_NS 1000000000u
#define CHORD 0x1Du /* Ctrl-] */

enum key { KEY_NONE = 0, KEY_ENTER = '\r', KEY_UP = 256, KEY_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_OTHER };

static struct console_config cfg;
static struct status status;
static struct view log;
static struct view *guest[CONSOLE_GUESTS];
static struct view *last_guest;              /* the chord goes back to it */
static _Atomic uint64_t run_at = UINT64_MAX; /* when console_run() will be called; UINT64_MAX: nobody has asked */
static _Atomic bool waits; /* there is more to draw, but not before run_at; cleared before it is looked for */
static bool running; /* console_run() has been called; before, CPU 0 starts the machine and shows lines of the log as they come */
static uint64_t refresh_at, draw_due; /* the latter: when the pictures that there were should have come */

/* input: filled by drivers' handlers, emptied by console_run(), both on CPU 0 */
static struct ring keys;
static uint8_t key_bytes[KEYS];
static bool serial_used; /* somebody is there: a terminal that answers the guest's questions itself */
static struct {
    uint8_t state; /* 0: none, else how many bytes of ESC [ were read */
    uint16_t param;
} escape;
static unsigned asked; /* the key whose question waits */

/* --- waking --- */

void console_wake_now(void)
{
    if (atomic_exchange(&run_at, 0))
        cfg.wake();
}

void console_wake(void)
{
    if (!atomic_load(&waits))
        console_wake_now();
}

/* --- log --- */

void console_log(const char *line)
{
    char text[256];
    size_t n;

    n = min_size(fmt_text(text, sizeof text - 2, "%s", line), sizeof text - 3);
    str_tame(text); /* it may quote a guest */
    str_copy(text + n, 3, "\r\n");
    view_text(&log, text);
    view_text(&status.view, text);
    if (!running && ground_cpu() == 0) /* another one's comes with CPU 0's next */
        output_run(&(bool){ false });
}

static void PRINTF(1, 2) say(const char *fmt, ...)
{
    char line[200];
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(line, sizeof line, fmt, ap);
    va_end(ap);
    console_log(line);
}

void console_print_status(void)
{
    char line[256];

    status_sample(&status, ground_tsc());
    console_log("NAME STATE VCPUS MEMORY CPU% EXITS/S WHY");
    for (unsigned i = 0; i < status.nguests; i++) {
        status_plain_row(guest[i], line, sizeof line);
        console_log(line);
    }
    if (status.unlisted)
        say("and %u more guests: only in /vm", status.unlisted);
    say("free pages: %" PRIu64, ground_pages_free());
}

/* --- what is shown --- */

static void refresh(uint64_t now)
{
    refresh_at = now + ground_ns_to_tsc(REFRESH_NS);
    status_refresh(&status, &log, now);
}

static void show(struct view *v, uint32_t back)
{
    if (v->vm)
        last_guest = v;
    if (v == &status.view)
        refresh(ground_tsc());
    escape.state = 0;
    output_show(v, back);
}

static void scroll(struct view *v, bool up)
{
    uint32_t page = v->term.rows - 1u, now = output_shown() == v ? output_back() : 0;

    show(v, up ? now + page : now > page ? now - page : 0);
}

/* --- keys on the status screen --- */

/* Each gets the guest that is selected, NULL if there is none. */
static void do_up(struct view *v) { status.selected -= v && status.selected; }
static void do_down(struct view *v) { status.selected += v && status.selected + 1 < status.nguests; }
static void do_attach(struct view *v) { show(v, 0); }
static void do_start(struct view *v)
{
    if (vm_start(v->vm) == ERR_BUSY)
        say("%s: runs already", v->vm->cfg.name);
}
static void do_button(struct view *v)
{
    if (!v->vm->machine->power_button)
        say("%s: has no power button", v->vm->cfg.name);
    else if (atomic_load(&v->vm->state) == VM_RUNNING)
        v->vm->machine->power_button(v->vm);
}
static void do_kill(struct view *v) { vm_stop(v->vm, VM_STOPPED, "%s", ""); }
static void do_reset(struct view *v) { vm_stop(v->vm, VM_RESET, "%s", ""); }
static void do_page_up(struct view *v) { scroll(last_guest ? last_guest : v, true); }
static void do_back(struct view *v) { show(last_guest ? last_guest : v, 0); }
static void do_send_chord(struct view *v)
{
    do_back(v);
    view_type(last_guest, &(uint8_t){ CHORD }, 1);
}
static void do_log(struct view *) { show(&log, 0); }
static void do_table(struct view *) { console_print_status(); }

static void ask(unsigned key)
{
    static char text[80];

    asked = key;
    fmt_text(text, sizeof text, "%s the machine with %u guests running? Press y, or any other key for no.",
             key == 'R' ? "Reboot" : "Power off", vm_running());
    status.question = text;
}

static const struct {
    unsigned key;
    bool needs_guest;
    void (*fn)(struct view *selected);
} status_keys[] = {
    { KEY_UP, true, do_up },  { KEY_DOWN, true, do_down },  { KEY_ENTER, true, do_attach },
    { CHORD, true, do_back }, { ']', true, do_send_chord }, { KEY_PAGE_UP, true, do_page_up },
    { 's', true, do_start },  { 'b', true, do_button },     { 'k', true, do_kill },
    { 'r', true, do_reset },  { 'l', false, do_log },       { 't', false, do_table },
};

static void answer(unsigned key)
{
    unsigned what = asked;

    asked = 0;
    status.question = NULL;
    if (key != 'y')
        return;
    say("console: the user asked to %s", what == 'R' ? "reboot" : "power off");
    output_run(&(bool){ false });
    if (what == 'R')
        ground_reset();
    ground_power_off();
}

static void status_key(unsigned key)
{
    if (asked)
        answer(key);
    else if (key == 'R' || key == 'P')
        ask(key);
    else if (key >= '1' && key <= '9' && key - '1' < status.nguests)
        show(guest[status.selected = key - '1'], 0);
    else
        for (unsigned i = 0; i < ARRAY_LEN(status_keys); i++)
            if (status_keys[i].key == key && (status.nguests || !status_keys[i].needs_guest))
                status_keys[i].fn(guest[status.selected]);
    if (output_shown() == &status.view)
        refresh(ground_tsc());
}

/* --- input --- */

/* Bytes to keys; KEY_NONE in the middle of an escape sequence. A lone ESC is taken for the beginning of one; a control
 * character ends one that was cut short. */
static unsigned key_of(uint8_t b)
{
    static const struct {
        uint8_t final;
        uint16_t param, key;
    } sequences[] = { { 'A', 0, KEY_UP }, { 'B', 0, KEY_DOWN }, { '~', 5, KEY_PAGE_UP }, { '~', 6, KEY_PAGE_DOWN } };

    if (escape.state == 0 || b < 0x20) {
        escape.state = b == 0x1B;
        return b == 0x1B ? KEY_NONE : b == '\n' ? KEY_ENTER : b;
    }
    if (escape.state == 1) {
        escape.state = b == '[' || b == 'O' ? 2 : 0;
        escape.param = 0;
        return escape.state ? KEY_NONE : b;
    }
    if (b < 0x40) {
        if (b >= '0' && b <= '9' && escape.state == 2 && escape.param < 1000)
            escape.param = (uint16_t)(escape.param * 10 + b - '0');
        else
            escape.state = 3; /* modifiers: not looked at */
        return KEY_NONE;
    }
    escape.state = 0;
    for (unsigned i = 0; i < ARRAY_LEN(sequences); i++)
        if (sequences[i].final == b && sequences[i].param == escape.param)
            return sequences[i].key;
    return KEY_OTHER;
}

/* Anything but live text: the log, or a view that is scrolled back. */
static void scroll_key(struct view *v, unsigned key)
{
    if (key == KEY_PAGE_UP || key == KEY_PAGE_DOWN)
        scroll(v, key == KEY_PAGE_UP);
    else if (v->vm && key != CHORD)
        show(v, 0);
    else
        show(&status.view, 0);
}

/* Shift-PgUp as it lies in the ring. */
static bool take_scroll_key(void)
{
    static const char wanted[] = "\33[5;2~";

    for (uint32_t i = 0; i < sizeof wanted - 1; i++)
        if (ring_used(&keys) <= i || keys.buf[(keys.tail + i) & keys.mask] != (uint8_t)wanted[i])
            return false;
    keys.tail += sizeof wanted - 1;
    return true;
}

static void take_input(void)
{
    uint8_t b;
    unsigned key;

    while (ring_used(&keys)) {
        struct view *v = output_shown();
        bool live = v->vm && !output_scrolled();
        if (live && take_scroll_key()) {
            scroll(v, true);
            continue;
        }
        ring_take(&keys, &b);
        if (live && b != CHORD)
            view_type(v, &b, 1);
        else if (live)
            show(&status.view, 0);
        else if ((key = key_of(b)) != KEY_NONE && v == &status.view)
            status_key(key);
        else if (key != KEY_NONE)
            scroll_key(v, key);
    }
}

static void keys_put(const uint8_t *bytes, size_t n)
{
    if (ring_room(&keys) < n)
        return;
    while (n--)
        ring_put(&keys, *bytes++);
    console_wake_now();
}

static void received(const uint8_t *bytes, size_t n)
{
    serial_used = true;
    for (; n; n--)
        keys_put(bytes++, 1);
}

static void typed(const uint8_t *bytes, size_t n)
{
    struct view *v = output_shown();
    uint8_t app[3] = { 0x1B, 'O' };

    /* the cursor keys say ESC O A where the guest asked for it; a real terminal does this by itself */
    if (n == 3 && bytes[1] == '[' && bytes[2] <= 'H' && v->vm && v->term.modes & TERM_APP_KEYS) {
        app[2] = bytes[2];
        bytes = app;
    }
    keys_put(bytes, n);
}

static void has_room(void) { output_pump(); }

/* --- running --- */

static bool poll_devices(void)
{
    bool polled = false;

    if (cfg.serial) {
        cfg.serial->ops->poll(cfg.serial);
        polled = cfg.serial->polled;
    }
    if (cfg.keyboard) {
        cfg.keyboard->poll(cfg.keyboard);
        polled |= cfg.keyboard->polled;
    }
    return polled;
}

/* A flooding guest must not take CPU 0 for itself: at most one time in five goes into drawing, and there are so many pictures a second. But
 * what comes after some quiet is shown at once: a few pictures may come ahead of their time. Returns when to go on; UINT64_MAX: all is shown. */
static uint64_t draw(uint64_t now)
{
    uint64_t period = ground_ns_to_tsc(DRAW_PERIOD_NS), ahead = ground_ns_to_tsc(DRAW_AHEAD_NS);
    bool more = false;

    if (draw_due > now + ahead)
        return draw_due - ahead;
    if (output_run(&more))
        draw_due = max_u64(draw_due, now) + max_u64(period, 5 * (max_u64(ground_tsc(), now) - now));
    return more ? now + period : UINT64_MAX;
}

uint64_t console_run(uint64_t now)
{
    uint64_t next = UINT64_MAX, expected = UINT64_MAX;

    atomic_store(&run_at, UINT64_MAX);
    atomic_store(&waits, false);
    if (!running)
        show(&status.view, 0);
    running = true;
    bool polled = poll_devices();
    take_input();
    for (unsigned i = 0; i < status.nguests; i++)
        view_send(guest[i], !(output_live(guest[i]) && serial_used));
    if (output_shown() == &status.view) {
        if (now >= refresh_at)
            refresh(now);
        next = refresh_at;
    }
    uint64_t drawn = draw(now);
    atomic_store(&waits, drawn != UINT64_MAX);
    next = min_u64(next, drawn);
    if (polled)
        next = min_u64(next, now + ground_ns_to_tsc(POLL_PERIOD_NS));
    /* whoever woke us meanwhile has set it to 0, and CPU 0's loop will come again at once */
    atomic_compare_exchange_strong(&run_at, &expected, next);
    return next;
}

/* Not zeroed, unlike ground_alloc()'s: a terminal erases a line before it shows it. */
static void *memory_get(size_t bytes)
{
    hpa_t at;

    return ground_pages_get(page_order(bytes), &at) ? NULL : hpa_ptr(at);
}

err_t console_add_vm(struct vm *vm)
{
    size_t bytes = *vm->cfg.from && cfg.cols == COLS && cfg.rows == ROWS ? CLONE_BYTES : VIEW_BYTES;
    struct view *v;

    v = status.nguests < CONSOLE_GUESTS ? memory_get(bytes) : NULL;
    if (!v) {
        status.unlisted++;
        return status.nguests < CONSOLE_GUESTS ? ERR_NOMEM : ERR_FULL;
    }
    view_init(v, cfg.cols, cfg.rows, v + 1, bytes - sizeof *v);
    v->vm = vm;
    v->bytes = bytes;
    vm->tty_user = &view_tty_ops;
    vm->tty_user_data = v;
    guest[status.nguests++] = v;
    console_wake();
    return OK;
}

void console_remove_vm(struct vm *vm)
{
    unsigned i = 0;

    while (i < status.nguests && guest[i]->vm != vm)
        i++;
    if (i == status.nguests) {
        status.unlisted--;
        return;
    }
    struct view *v = guest[i];
    if (output_shown() == v) {
        show(&status.view, 0);
        output_run(&(bool){ false }); /* the serial port lets go of it here */
    }
    if (last_guest == v)
        last_guest = NULL;
    memmove(&guest[i], &guest[i + 1], (--status.nguests - i) * sizeof guest[0]);
    if (status.selected > i || status.selected == status.nguests)
        status.selected -= status.selected != 0;
    ground_free(v, v->bytes);
    console_wake();
}

err_t console_init(const struct console_config *config)
{
    unsigned cols = config->cols ? config->cols : COLS, rows = config->rows ? config->rows : ROWS;
    uint8_t *mem;

    if (cols < COLS || cols > TERM_COLS_MAX || rows < ROWS || rows > TERM_ROWS_MAX)
        return ERR_INVAL;
    mem = memory_get(VIEW_BYTES);
    if (!mem)
        return ERR_NOMEM;
    cfg = *config;
    cfg.cols = cols;
    cfg.rows = rows;
    output_init(cfg.serial, cfg.screen, mem);
    mem += OUTPUT_RING;
    status_init(&status, cols, rows, mem, cfg.build_id);
    mem += STATUS_BYTES;
    view_init(&log, cols, rows, mem, VIEW_BYTES - OUTPUT_RING - STATUS_BYTES);
    status.guest = guest;
    ring_init(&keys, key_bytes, KEYS);
    if (cfg.serial) {
        cfg.serial->received = received;
        cfg.serial->has_room = has_room;
    }
    if (cfg.keyboard)
        cfg.keyboard->typed = typed;
    running = false;
    show(&log, 0);
    output_run(&(bool){ false });
    return OK;
}
