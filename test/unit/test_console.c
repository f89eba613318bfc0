/* console/: switching, scrollback, serial lines, slow outputs, the status screen. Guests, serial port, screen and
 * keyboard are fakes. What the console sends to the serial port goes into a terminal emulator, "the user's terminal",
 * whose grid must be what the console means to show. The console is one per program: tests share it and begin on the
 * status screen. */
#include "test/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fmt.h"
#include "base/str.h"
#include "console/console.h"
#include "console/term.h"
#include "ground/fake/fake.h"
#include "io/tty.h"
#include "vm/vm.h"

#define COLS 80u
#define ROWS 24u
#define GUESTS 3u

/* --- guests --- */

static struct vm vms[GUESTS];
static struct vm_stats stats[GUESTS];
static unsigned buttons, starts;
static struct {
    struct vm *vm;
    enum vm_why why;
} stopped;

const char *vm_why_text(enum vm_why why)
{
    return why == VM_POWERED_OFF ? "powered off" : why == VM_PANICKED ? "panicked" : "not started";
}
err_t vm_start(struct vm *vm)
{
    if (atomic_load(&vm->state) != VM_OFF)
        return ERR_BUSY;
    starts++;
    atomic_store(&vm->state, VM_RUNNING);
    return OK;
}
void vm_stop(struct vm *vm, enum vm_why why, const char *, ...)
{
    stopped.vm = vm;
    stopped.why = why;
}
unsigned vm_running(void)
{
    return 2;
}
void vm_stats(struct vm *vm, struct vm_stats *s)
{
    *s = vm >= vms && vm < vms + GUESTS ? stats[vm - vms] : (struct vm_stats){ 0 };
}
static void press_button(struct vm *)
{
    buttons++;
}
static const struct machine machine = { .name = "pc", .power_button = press_button };
static const struct machine machine_without_button = { .name = "box" };

struct line {
    struct tty tty;
    char got[4096];
    size_t n, room;
};
static size_t line_input(struct tty *t, const uint8_t *bytes, size_t n)
{
    struct line *l = container_of(t, struct line, tty);

    n = min_size(n, l->room);
    memcpy(l->got + l->n, bytes, n);
    l->n += n;
    l->got[l->n] = 0;
    l->room -= n;
    return n;
}
static const struct tty_dev_ops line_ops = { .input = line_input };
static struct line com[GUESTS], hvc[GUESTS];

static void line_open(struct line *l, struct vm *vm)
{
    *l = (struct line){ .tty.dev = &line_ops, .room = sizeof l->got - 1 };
    tty_open(&l->tty, vm->tty_user, vm->tty_user_data);
}
static void line_print(struct line *l, const char *text)
{
    tty_output(&l->tty, (const uint8_t *)text, strlen(text));
}

/* --- the machine --- */

static struct cell user_mem[200 * COLS];
static struct term user;              /* the user's terminal on the serial port */
static size_t serial_room = SIZE_MAX; /* what the port takes before it is full */
static char sent[1 << 20];            /* what it was given since the test began */
static size_t nsent;

static size_t port_write(struct serial_port *, const uint8_t *bytes, size_t n)
{
    n = min_size(n, serial_room);
    serial_room -= n;
    term_write(&user, bytes, n);
    memcpy(sent + nsent, bytes, min_size(n, sizeof sent - 1 - nsent));
    nsent += min_size(n, sizeof sent - 1 - nsent);
    sent[nsent] = 0;
    return n;
}
static void port_poll(struct serial_port *)
{
}
static const struct serial_port_ops port_ops = { .write = port_write, .poll = port_poll };
static struct serial_port port = { .ops = &port_ops };

static struct cell shown[ROWS][COLS];
static void screen_draw(struct screen *, unsigned y, const struct cell *cells, unsigned n)
{
    assert_true(y < ROWS && n == COLS);
    memcpy(shown[y], cells, n * sizeof *cells);
}
static const struct screen_ops screen_ops = { .draw = screen_draw };
static struct screen screen = { .ops = &screen_ops };
static void keyboard_poll(struct keyboard *)
{
}
static struct keyboard keyboard = { .poll = keyboard_poll };

static uint64_t now = 1000000000;
static unsigned wakes;
static void wake(void)
{
    wakes++;
}

/* Lets ms milliseconds pass; the console runs when it wants to. */
static uint64_t run(unsigned ms)
{
    uint64_t end = now + ms * 1000000ull, next = 0;

    do {
        fake_set_tsc(now);
        next = console_run(now);
        now = next > now && next < end ? next : next <= now ? now + 1000 : end;
    } while (now < end);
    fake_set_tsc(now);
    return next;
}
static void serial_types(const char *text)
{
    port.received((const uint8_t *)text, strlen(text));
    run(50);
}
static void keyboard_types(const char *text)
{
    keyboard.typed((const uint8_t *)text, strlen(text));
    run(50);
}

static const char *text_of(const struct cell *c)
{
    static char text[COLS + 1];
    size_t keep = 0;

    for (unsigned x = 0; x < COLS; x++) {
        text[x] = c[x].ch > 0x7E ? '#' : (char)c[x].ch;
        if (c[x].ch != ' ')
            keep = x + 1;
    }
    text[keep] = 0;
    return text;
}
static const char *user_row(unsigned y)
{
    return text_of(term_row(&user, y, 0));
}
static const char *screen_row(unsigned y)
{
    return text_of(shown[y]);
}

static bool user_sees(const char *text)
{
    for (unsigned y = 0; y < ROWS; y++)
        if (strstr(user_row(y), text))
            return true;
    return false;
}

/* The user's terminal and the screen show the same (but for the cursor, which only the screen draws). */
static void assert_same(void)
{
    for (unsigned y = 0; y < ROWS; y++)
        for (unsigned x = 0; x < COLS; x++) {
            struct cell s = shown[y][x], u = term_row(&user, y, 0)[x];
            if (s.ch != u.ch || s.color != u.color || (s.flags ^ u.flags) & ~CELL_REVERSE)
                fail_msg("row %u column %u: screen '%c', serial '%c'; rows \"%s\"", y, x, s.ch, u.ch, user_row(y));
        }
}

static void go_status(void)
{
    serial_types("\x1d");
    if (!user_sees("--- log ---"))
        serial_types("\x1d");
    if (!user_sees("--- log ---"))
        serial_types("\x1d");
    assert_true(user_sees("--- log ---"));
}
static void go_guest(unsigned i)
{
    go_status();
    serial_types((char[]){ (char)('1' + i), 0 });
}

static int before(void **)
{
    serial_room = SIZE_MAX;
    for (unsigned i = 0; i < GUESTS; i++) {
        tty_close(&com[i].tty);
        tty_close(&hvc[i].tty);
        vms[i].machine = &machine;
        vms[i].why = VM_NEVER_RAN;
        vms[i].why_text[0] = 0;
        atomic_store(&vms[i].state, VM_RUNNING);
        line_open(&com[i], &vms[i]);
    }
    run(100);
    go_status();
    run(1000);
    nsent = 0;
    return 0;
}

/* --- tests --- */

static void init_refuses_and_needs_memory(void **)
{
    struct console_config c = {
        .serial = &port, .screen = &screen, .keyboard = &keyboard, .build_id = "test", .wake = wake
    };
    term_init(&user, COLS, ROWS, user_mem, sizeof user_mem);
    c.cols = TERM_COLS_MAX + 1;
    assert_int_equal(console_init(&c), ERR_INVAL);
    c.cols = 0;
    c.rows = 3;
    assert_int_equal(console_init(&c), ERR_INVAL);
    c.rows = 0;
    fake_fail_alloc(1);
    assert_int_equal(console_init(&c), ERR_NOMEM);
    assert_int_equal(console_init(&c), OK);
    fake_set_cpus(2, 1);
    nsent = 0;
    console_log("told by another CPU"); /* which leaves the serial port to CPU 0 */
    assert_int_equal(nsent, 0);
    fake_set_cpus(2, 0);
    console_log("told by CPU 0");
    assert_true(user_sees("told by another CPU"));
    assert_true(user_sees("told by CPU 0"));
    fake_set_cpus(1, 0);
    assert_true(user_sees("")); /* no crash without guests: keys do nothing */
    serial_types("\rsbkr12\x1d]t\33[A\33[B\33[5~");
    assert_true(user_sees("free pages: "));
    for (unsigned i = 0; i < GUESTS; i++) {
        fmt_text(vms[i].cfg.name, sizeof vms[i].cfg.name, "guest%u", i + 1);
        vms[i].cfg.vcpus = i + 1;
        vms[i].cfg.memory = MIB(256) << i;
        fake_fail_alloc(1);
        assert_int_equal(console_add_vm(&vms[i]), ERR_NOMEM);
        assert_null(vms[i].tty_user);
        console_remove_vm(&vms[i]);
        assert_int_equal(console_add_vm(&vms[i]), OK);
    }
    fake_fail_alloc(0);
}

static void status_screen_shows_machine_guests_and_log(void **)
{
    console_log("disk: vda has 10 GiB");
    run(1100);
    assert_true(strstr(user_row(0), "Goblin test"));
    assert_true(strstr(user_row(0), "1 CPUs"));
    assert_true(strstr(user_row(3), "guest1"));
    assert_true(strstr(user_row(3), "running"));
    assert_true(strstr(user_row(4), "512M"));
    assert_true(user_sees("disk: vda has 10 GiB"));
    assert_true(strstr(sent, "disk: vda has 10 GiB\r\n")); /* whole, for those who read the line with a program */
    assert_same();
}

static void guests_without_a_place_are_counted(void **)
{
    static struct vm more[CONSOLE_GUESTS + 2 - GUESTS];

    for (unsigned i = 0; i < ARRAY_LEN(more); i++)
        assert_int_equal(console_add_vm(&more[i]), i < CONSOLE_GUESTS - GUESTS ? OK : ERR_FULL);
    run(1100);
    assert_true(strstr(user_row(1), "pages   2 more guests: only in /vm"));
    for (unsigned i = ARRAY_LEN(more); i-- > 0;)
        console_remove_vm(&more[i]);
    run(1100);
    assert_null(strstr(user_row(1), "more guests"));
    assert_true(strstr(user_row(3), "guest1"));
}

static void log_lines_cannot_carry_escapes(void **)
{
    console_log("guest1: says \33[2J\a");
    run(50);
    assert_true(user_sees("guest1: says ?[2J?"));
}

static void rates_are_over_the_last_second(void **)
{
    run(1100);
    stats[0].cpu_tsc += 500000000;
    stats[0].exits += 1234;
    run(1000);
    assert_true(strstr(user_row(3), " 50    1234"));
    stats[0] = (struct vm_stats){ 250000000, 10 }; /* started anew: counts from 0 */
    run(1000);
    assert_true(strstr(user_row(3), " 25      10"));
}

static void why_a_guest_stopped_is_shown(void **)
{
    atomic_store(&vms[0].state, VM_OFF);
    vms[0].why = VM_PANICKED;
    str_copy(vms[0].why_text, sizeof vms[0].why_text, "its last words are on its console");
    serial_types("\33[A\33[A\33[A");
    assert_true(strstr(user_row(3), "off"));
    assert_true(strstr(user_row(3), "panicked"));
    assert_true(user_sees("guest1: panicked: its last words are on its console"));
}

static void table_can_be_parsed(void **)
{
    atomic_store(&vms[2].state, VM_OFF);
    vms[2].why = VM_POWERED_OFF;
    str_copy(vms[1].cfg.name, sizeof vms[1].cfg.name, "my guest");
    stats[1] = (struct vm_stats){ 0, 0 };
    run(2000);
    nsent = 0;
    serial_types("t");
    str_copy(vms[1].cfg.name, sizeof vms[1].cfg.name, "guest2");
    assert_non_null(strstr(sent,
                           "NAME STATE VCPUS MEMORY CPU% EXITS/S WHY\r\nguest1 running 1 256M 0 0 -\r\n"
                           "my_guest running 2 512M 0 0 -\r\nguest3 off 3 1024M 0 0 powered off\r\nfree pages: "));
}

static void keys_act_on_the_selected_guest(void **)
{
    serial_types("\33[A\33[A\33[A\33[B"); /* the second */
    assert_int_equal(user_row(4)[0], '>');
    stopped.vm = NULL;
    serial_types("k");
    assert_ptr_equal(stopped.vm, &vms[1]);
    assert_int_equal(stopped.why, VM_STOPPED);
    serial_types("r");
    assert_int_equal(stopped.why, VM_RESET);
    buttons = starts = 0;
    serial_types("b");
    assert_int_equal(buttons, 1);
    vms[1].machine = &machine_without_button;
    serial_types("b");
    assert_true(user_sees("guest2: has no power button"));
    serial_types("s");
    assert_int_equal(starts, 0);
    assert_true(user_sees("guest2: runs already"));
    atomic_store(&vms[1].state, VM_OFF);
    serial_types("bs");
    assert_int_equal(starts, 1);
    serial_types("\33[1;\35"); /* the chord ends the sequence that was cut short, and is a key */
    assert_false(user_sees("Enter: attach"));
    serial_types("\35");
    assert_true(user_sees("Enter: attach"));
    assert_int_equal(buttons, 1);
    keyboard_types("\33[B");
    keyboard_types("\33[B"); /* stays on the last */
    assert_int_equal(screen_row(5)[0], '>');
}

static void reboot_and_power_off_ask_first(void **)
{
    serial_types("P");
    assert_true(user_sees("Power off the machine with 2 guests running?"));
    serial_types("n");
    assert_false(user_sees("Power off the machine"));
    serial_types("R");
    assert_true(user_sees("Reboot the machine"));
    fake_expect_panic();
    if (setjmp(fake_panic)) {
        assert_string_equal(fake_last_log(), "ground_reset");
        return;
    }
    serial_types("y");
    fail();
}

static void a_guest_passes_through_and_input_goes_to_it(void **)
{
    line_print(&com[0], "\33[2J\33[Hlogin: ");
    go_guest(0);
    assert_string_equal(user_row(0), "login:");
    assert_string_equal(screen_row(0), "login:");
    nsent = 0;
    line_print(&com[0], "\33[1mro\33[38;5;200mot\a");
    run(50);
    assert_string_equal(sent, "\33[1mro\33[38;5;200mot\a"); /* as it is: the user's terminal knows 256 colours */
    assert_same();
    serial_types("abc\33[A\33OP");
    keyboard_types("\r");
    assert_string_equal(com[0].got, "abc\33[A\33OP\r");
    assert_int_equal(com[1].n, 0);
}

static void guests_that_are_not_shown_disturb_nobody(void **)
{
    go_guest(0);
    run(100);
    nsent = 0;
    wakes = 0;
    line_print(&com[1], "noise");
    console_log("more noise");
    run(100);
    assert_int_equal(nsent, 0);
    assert_int_equal(wakes, 0);
    go_guest(1);
    assert_true(user_sees("noise"));
}

static void the_chord_goes_back_and_forth(void **)
{
    line_print(&com[1], "\33[2J\33[H\33[31mred prompt$ \33[44m");
    go_guest(1);
    assert_same();
    serial_types("\x1d");
    assert_true(user_sees("--- log ---"));
    line_print(&com[1], "while away");
    serial_types("\x1d");
    assert_string_equal(user_row(0), "red prompt$ while away");
    assert_same();
    assert_int_equal(user.cur.pen.color, 0x41);
    serial_types("\x1d]"); /* the chord itself, for the guest */
    assert_string_equal(com[1].got, "\x1d");
    assert_string_equal(user_row(0), "red prompt$ while away");
}

static void full_screen_programs_survive_switching(void **)
{
    line_print(&com[0], "\33[m\33[2J\33[Hshell$ vi\33[?1049h\33[?1h\33=\33[2;23r\33[H\33[44mfile\33[5;5Hx");
    go_guest(0);
    assert_same();
    assert_int_equal(user.modes & TERM_APP_KEYS, TERM_APP_KEYS);
    go_status();
    assert_int_equal(user.modes, TERM_MODES_DEFAULT & ~TERM_CURSOR);
    go_guest(0);
    assert_int_equal(user.region_top, 1);
    assert_int_equal(user.region_end, 23);
    keyboard_types("\33[A"); /* what the PS/2 driver says for the up key */
    assert_string_equal(com[0].got, "\33OA");
    line_print(&com[0], "\33[?1049l\33[?1l\33[r\33[m");
    run(50);
    assert_string_equal(user_row(0), "shell$ vi");
    assert_same();
}

static void a_switch_waits_for_the_end_of_a_sequence(void **)
{
    line_print(&com[0], "\33c1\33[3");
    go_guest(0);
    assert_string_equal(user_row(0), "1");
    line_print(&com[0], "1mred");
    run(50);
    assert_string_equal(user_row(0), "1red");
    assert_same();
}

static void both_lines_share_the_terminal_and_the_last_writer_gets_the_keys(void **)
{
    line_open(&hvc[0], &vms[0]);
    line_print(&com[0], "\33ckernel\r\n");
    line_print(&hvc[0], "login: ");
    go_guest(0);
    assert_string_equal(user_row(0), "kernel");
    assert_string_equal(user_row(1), "login:");
    serial_types("a");
    line_print(&com[0], "x");
    serial_types("b");
    assert_string_equal(hvc[0].got, "a");
    assert_string_equal(com[0].got, "b");
    line_print(&hvc[0], "y");
    tty_close(&hvc[0].tty);
    serial_types("c");
    assert_string_equal(com[0].got, "bc");
}

static void input_waits_until_the_device_has_room(void **)
{
    go_guest(0);
    com[0].room = 2;
    serial_types("12345");
    assert_string_equal(com[0].got, "12");
    com[0].room = 2;
    wakes = 0;
    run(100);
    tty_drained(&com[0].tty);
    assert_true(wakes);
    run(1);
    assert_string_equal(com[0].got, "1234");
    com[0].room = 10;
    tty_drained(&com[0].tty);
    run(1);
    assert_string_equal(com[0].got, "12345");
    wakes = 0;
    run(100);
    tty_drained(&com[0].tty); /* nothing waits: nobody is woken */
    assert_int_equal(wakes, 0);
}

static void typing_to_a_guest_that_is_off_is_dropped(void **)
{
    go_guest(0);
    tty_close(&com[0].tty);
    serial_types("lost");
    line_open(&com[0], &vms[0]);
    run(100);
    assert_int_equal(com[0].n, 0);
}

static void the_end_of_a_guest_is_written_into_its_terminal(void **)
{
    line_print(&com[0], "\33c\33[?1049h\33[41mvi\33[5");
    go_guest(0);
    vms[0].why = VM_POWERED_OFF;
    tty_close(&com[0].tty);
    run(50);
    assert_true(user_sees("--- guest1: powered off ---"));
    assert_int_equal(user.modes, TERM_MODES_DEFAULT);
    assert_same();
}

static void scrollback_shows_old_lines_and_any_key_returns(void **)
{
    char line[32];
    line_print(&com[0], "\33c");
    for (unsigned i = 0; i < 100; i++) {
        fmt_text(line, sizeof line, "line %u\r\n", i);
        line_print(&com[0], line);
    }
    go_guest(0);
    assert_string_equal(user_row(22), "line 99");
    keyboard_types("\33[5;2~"); /* Shift-PgUp */
    assert_string_equal(user_row(0), "line 54");
    assert_same();
    line_print(&com[0], "newer\r\n"); /* does not move what is read */
    run(50);
    assert_string_equal(user_row(0), "line 54");
    assert_string_equal(screen_row(0), "line 54");
    serial_types("\33[5~");
    assert_string_equal(user_row(0), "line 31");
    serial_types("\33[6~");
    assert_string_equal(user_row(0), "line 54");
    serial_types("x");
    assert_string_equal(user_row(22), "newer");
    assert_int_equal(com[0].n, 0);
    assert_same();
    serial_types("\x1d\33[5~"); /* the same by the chord, for those without a PS/2 keyboard */
    assert_string_equal(user_row(22), "line 77");
    serial_types("\33[6~");
    assert_string_equal(user_row(22), "newer");
    serial_types("y");
    assert_string_equal(com[0].got, "y");
}

static void keys_may_come_in_pieces(void **)
{
    serial_types("\33[A\33[A\33[A");
    serial_types("\33");
    serial_types("[");
    serial_types("B");
    assert_int_equal(user_row(4)[0], '>');
    serial_types("\33[1;5A\33OB\33\33[A\33[<0;1;1M"); /* modified: ignored; ESC O B: down; up; a mouse: ignored */
    assert_int_equal(user_row(4)[0], '>');
}

static void the_log_has_scrollback_of_its_own(void **)
{
    char line[32];
    for (unsigned i = 0; i < 50; i++) {
        fmt_text(line, sizeof line, "event %u", i);
        console_log(line);
    }
    serial_types("l");
    assert_string_equal(user_row(22), "event 49");
    serial_types("\33[5~");
    assert_string_equal(user_row(22), "event 26");
    assert_same();
    serial_types("q");
    assert_true(user_sees("--- log ---"));
}

static void a_slow_line_holds_nobody_up_and_ends_up_right(void **)
{
    char text[64];
    go_guest(0);
    run(100);
    serial_room = 100;
    for (unsigned i = 0; i < 5000; i++) { /* 200 KB */
        fmt_text(text, sizeof text, "\33[%um%u: what floods %08x\r\n", 31 + i % 7, i, i * 0x9E3779B1u);
        line_print(&com[0], text);
        if (i % 100 == 0) {
            serial_room += 30;
            run(20);
        }
    }
    run(50);
    assert_true(nsent < 20000);
    assert_string_equal(screen_row(22) + 6, "what floods 8d494f57");         /* the screen is there at once */
    for (unsigned i = 0; i < 2000 && !user_sees("4999: what floods"); i++) { /* 11 bytes a millisecond */
        serial_room += 230;
        run(20);
    }
    serial_room += 5000;
    run(200);
    assert_same();
    nsent = 0;
    line_print(&com[0], "live again");
    serial_room = SIZE_MAX;
    run(50);
    assert_string_equal(sent, "live again");
    assert_same();
    assert_true(nsent < 100);
}

static void switching_is_quick_on_a_slow_line(void **)
{
    go_guest(0);
    serial_room = 0;
    for (unsigned i = 0; i < 1000; i++)
        line_print(&com[0], "sixty thousand bytes wait for the line, which has stopped\r\n");
    port.received((const uint8_t *)"\x1d", 1);
    run(20);
    for (unsigned i = 0; i < 50; i++) { /* a second */
        serial_room += 230;
        run(20);
    }
    assert_true(user_sees("--- log ---"));
    serial_room = SIZE_MAX;
    run(100);
}

static void screens_full_of_colour_are_painted_right(void **)
{
    char text[64];
    line_print(&com[0], "\33c\33[?7l");
    for (unsigned y = 0; y < ROWS; y++)
        for (unsigned x = 0; x < COLS; x++) {
            fmt_text(text, sizeof text, "\33[%u;%uH\33[0;%u;%u;%um\342\224\200", y + 1, x + 1, x % 8, 30 + y % 8,
                     40 + x % 7);
            line_print(&com[0], text);
        }
    go_guest(0);
    assert_same();
}

static void questions_are_answered_once(void **)
{
    line_print(&com[1], "\33c\33[6n"); /* not shown: nobody else would answer */
    run(50);
    assert_string_equal(com[1].got, "\33[1;1R");
    go_guest(0);
    line_print(&com[0], "\33[6n"); /* shown to a real terminal, which answers itself */
    run(50);
    assert_int_equal(com[0].n, 0);
}

static void an_idle_console_wants_nothing(void **)
{
    go_guest(0);
    run(100);
    assert_int_equal(run(100), UINT64_MAX);
    wakes = 0;
    line_print(&com[0], "a");
    assert_int_equal(wakes, 1);
    line_print(&com[0], "b"); /* it knows already */
    assert_int_equal(wakes, 1);
    fake_set_tsc(now);
    size_t had = nsent;
    assert_int_equal(console_run(now), UINT64_MAX);
    assert_true(nsent > had);
    line_print(&com[0], "c"); /* after some quiet a few pictures may follow at once */
    assert_int_equal(wakes, 2);
    uint64_t next = 0;
    while ((next = console_run(now)) == UINT64_MAX)
        line_print(&com[0], "d");
    wakes = 0;
    line_print(&com[0], "e"); /* it will look again by itself */
    assert_int_equal(wakes, 0);
    assert_true(next > now && next <= now + 20000000);
    had = nsent;
    run(21);
    assert_true(nsent > had);
    go_status();
    run(100);
    assert_true(run(100) <= now + 1000000000); /* the status screen is refreshed each second */
}

static void a_flood_is_drawn_at_most_fifty_times_a_second(void **)
{
    go_guest(0);
    run(100);
    unsigned runs = 0;
    uint64_t end = now + 1000000000;
    while (now < end) { /* a guest that never stops writing, for a second */
        line_print(&com[0], "y\r\n");
        fake_set_tsc(now);
        size_t had = nsent;
        console_run(now);
        runs += nsent != had;
        now += 1000000;
    }
    assert_in_range(runs, 10, 55);
}

static void random_output_ends_the_same_on_screen_and_serial(void **)
{
    static const char *const bits[] = {
        "text ",        "\r\n",       "\33[H",      "\33[2J",        "\33[31m",
        "\33[m",        "\33[K",      "\33[5;10r",  "\33[r",         "\n\n",
        "\33M",         "\33[?1049h", "\33[?1049l", "\33[10;70H",    "wraps around the end of the line",
        "\346\274\242", "\33[L",      "\33[2P",     "\33(0qqx\33(B", "\33[7mreverse\33[27m",
        "\33[?7l",      "\33[?7h",    "\33[4h",     "\33[4l",        "\0337",
        "\0338",        "\b\b\b",     "\t"
    };
    srand(1);
    line_print(&com[0], "\33c");
    go_guest(0);
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned n = (unsigned)rand() % 200; n; n--)
            line_print(&com[0], bits[(unsigned)rand() % ARRAY_LEN(bits)]);
        if (rand() % 4 == 0)
            go_guest(0);
        serial_room = rand() % 3 ? SIZE_MAX : (size_t)rand() % 3000;
        run((unsigned)rand() % 40);
        serial_room = SIZE_MAX;
        if (rand() % 4 == 0) {
            run(100);
            for (unsigned y = 0; y < ROWS; y++)
                for (unsigned x = 0; x < COLS; x++)
                    if (shown[y][x].ch == 0x6F22 ||
                        !shown[y][x].ch) /* halves of wide characters are blanks on the serial side */
                        shown[y][x].ch = term_row(&user, y, 0)[x].ch;
            assert_same();
            line_print(&com[0], "\33[m\33[2J");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_refuses_and_needs_memory),
        cmocka_unit_test_setup(status_screen_shows_machine_guests_and_log, before),
        cmocka_unit_test_setup(log_lines_cannot_carry_escapes, before),
        cmocka_unit_test_setup(guests_without_a_place_are_counted, before),
        cmocka_unit_test_setup(rates_are_over_the_last_second, before),
        cmocka_unit_test_setup(why_a_guest_stopped_is_shown, before),
        cmocka_unit_test_setup(table_can_be_parsed, before),
        cmocka_unit_test_setup(keys_act_on_the_selected_guest, before),
        cmocka_unit_test_setup(reboot_and_power_off_ask_first, before),
        cmocka_unit_test_setup(a_guest_passes_through_and_input_goes_to_it, before),
        cmocka_unit_test_setup(guests_that_are_not_shown_disturb_nobody, before),
        cmocka_unit_test_setup(the_chord_goes_back_and_forth, before),
        cmocka_unit_test_setup(full_screen_programs_survive_switching, before),
        cmocka_unit_test_setup(a_switch_waits_for_the_end_of_a_sequence, before),
        cmocka_unit_test_setup(both_lines_share_the_terminal_and_the_last_writer_gets_the_keys, before),
        cmocka_unit_test_setup(input_waits_until_the_device_has_room, before),
        cmocka_unit_test_setup(typing_to_a_guest_that_is_off_is_dropped, before),
        cmocka_unit_test_setup(the_end_of_a_guest_is_written_into_its_terminal, before),
        cmocka_unit_test_setup(scrollback_shows_old_lines_and_any_key_returns, before),
        cmocka_unit_test_setup(keys_may_come_in_pieces, before),
        cmocka_unit_test_setup(the_log_has_scrollback_of_its_own, before),
        cmocka_unit_test_setup(a_slow_line_holds_nobody_up_and_ends_up_right, before),
        cmocka_unit_test_setup(switching_is_quick_on_a_slow_line, before),
        cmocka_unit_test_setup(screens_full_of_colour_are_painted_right, before),
        cmocka_unit_test_setup(questions_are_answered_once, before),
        cmocka_unit_test_setup(an_idle_console_wants_nothing, before),
        cmocka_unit_test_setup(a_flood_is_drawn_at_most_fifty_times_a_second, before),
        cmocka_unit_test_setup(random_output_ends_the_same_on_screen_and_serial, before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
