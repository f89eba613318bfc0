/* dev/serial: the UART as drivers probe and use it. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "dev/serial.h"
#include "ground/fake/fake.h"
#include "vm/vm.h"

enum { BASE = 0x3F8, GSI = 4 };
enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

static struct vm vm;
static struct serial uart;
static char out[256];
static size_t out_len;
static unsigned drained, opened, closed, edges;
static bool line;

static void on_opened(struct tty *t) { (void)t; opened++; }
static void on_closed(struct tty *t) { (void)t; closed++; }
static void on_drained(struct tty *t) { (void)t; drained++; }
static void on_output(struct tty *, const uint8_t *bytes, size_t n)
{
    assert_true(out_len + n < sizeof out);
    memcpy(out + out_len, bytes, n);
    out_len += n;
}
static const struct tty_user_ops user = { on_opened, on_closed, on_output, on_drained };

static void on_line(void *, unsigned gsi, bool level)
{
    assert_int_equal(gsi, GSI);
    assert_true(level != line);
    line = level;
    edges += level;
}

static unsigned in(unsigned reg)
{
    uint64_t v;
    assert_int_equal(bus_read(&vm, BUS_PIO, BASE + reg, 1, &v), OK);
    return v & 0xFF;
}
static void outb(unsigned reg, unsigned val) { assert_int_equal(bus_write(&vm, BUS_PIO, BASE + reg, 1, val), OK); }
static size_t type(const char *s) { return uart.tty.dev->input(&uart.tty, (const uint8_t *)s, strlen(s)); }

static int set_up(void **)
{
    memset(&vm, 0, sizeof vm);
    vm.irq_line = on_line;
    out_len = drained = opened = closed = edges = 0;
    line = false;
    assert_int_equal(serial_init(&uart, &vm, BASE, GSI), OK);
    tty_open(&uart.tty, &user, NULL);
    return 0;
}

/* The steps of Linux's 8250 autoconfig. */
static void linux_finds_a_16550a(void **)
{
    outb(IER, 0);
    assert_int_equal(in(IER), 0);
    outb(IER, 0x0F);
    assert_int_equal(in(IER), 0x0F);
    outb(IER, 0xFF);
    assert_int_equal(in(IER), 0x0F);
    outb(IER, 0);
    outb(MCR, 0x1A); /* loopback: RTS and OUT2 come back as CTS and carrier */
    assert_int_equal(in(MSR) & 0xF0, 0x90);
    outb(MCR, 0x15);
    assert_int_equal(in(MSR) & 0xF0, 0x60);
    outb(MCR, 0);
    assert_int_equal(in(MSR) & 0xF0, 0xB0);
    assert_int_equal(in(IIR) >> 6, 0);
    outb(FCR, 1);
    assert_int_equal(in(IIR) >> 6, 3);
    outb(FCR, 0);
    assert_int_equal(in(IIR) >> 6, 0);
    outb(SCR, 0x5A);
    assert_int_equal(in(SCR), 0x5A);
    outb(LCR, 0x83);
    outb(DATA, 1);
    outb(IER, 2);
    assert_int_equal(in(DATA), 1);
    assert_int_equal(in(IER), 2);
    assert_int_equal(in(LCR), 0x83);
    outb(LCR, 3);
    assert_int_equal(in(IER), 0);
    assert_int_equal(out_len, 0);
}

/* The THRE and TXEN tests of Linux's serial8250_do_startup. */
static void enabling_thre_reports_it_every_time(void **)
{
    outb(MCR, 8);
    for (int i = 0; i < 3; i++) {
        outb(IER, 2);
        assert_true(line);
        assert_int_equal(in(LSR) & 0x60, 0x60);
        assert_int_equal(in(IIR), 2);
        assert_false(line);
        assert_int_equal(in(IIR), 1);
        outb(IER, 0);
    }
    assert_int_equal(edges, 3);
}

static void every_byte_written_asks_for_more(void **)
{
    outb(MCR, 8);
    outb(FCR, 1);
    outb(IER, 2);
    assert_int_equal(in(IIR), 0xC2);
    for (int i = 0; i < 16; i++)
        outb(DATA, 'a' + i);
    assert_memory_equal(out, "abcdefghijklmnop", 16);
    assert_true(line);
    assert_int_equal(edges, 17); /* each an edge: a driver that never reads IIR does not hang */
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(IIR), 0xC2);
    outb(IER, 0);
    assert_int_equal(in(IIR), 0xC1);
    assert_false(line);
}

static void input_interrupts_at_the_trigger_or_by_timeout(void **)
{
    outb(MCR, 8);
    outb(FCR, 0x41); /* 4 bytes */
    outb(IER, 5);
    assert_int_equal(in(LSR) & 1, 0);
    assert_int_equal(type("abc"), 3);
    assert_true(line);
    assert_int_equal(in(IIR), 0xCC);
    assert_int_equal(type("d"), 1);
    assert_int_equal(in(IIR), 0xC4);
    assert_int_equal(in(DATA), 'a');
    assert_int_equal(in(IIR), 0xCC);
    assert_int_equal(in(LSR) & 1, 1);
    assert_int_equal(in(DATA), 'b');
    assert_int_equal(in(DATA), 'c');
    assert_int_equal(in(DATA), 'd');
    assert_false(line);
    assert_int_equal(in(IIR), 0xC1);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(DATA), 0);
    assert_int_equal(edges, 1);
}

static void receive_comes_before_transmit(void **)
{
    outb(IER, 3);
    type("x");
    assert_int_equal(in(IIR), 4);
    assert_int_equal(in(DATA), 'x');
    assert_int_equal(in(IIR), 2);
    assert_int_equal(in(IIR), 1);
}

static void nothing_reaches_the_wire_without_out2(void **)
{
    outb(IER, 0x0F);
    type("x");
    assert_false(line);
    outb(MCR, 8);
    assert_true(line);
    outb(MCR, 0x18);
    assert_false(line);
}

static void a_full_fifo_takes_no_more_and_says_when_it_has_room(void **)
{
    char many[101];

    memset(many, 'z', sizeof many - 1);
    many[100] = 0;
    assert_int_equal(type(many), SERIAL_RX);
    assert_int_equal(type("a"), 0);
    for (int i = 0; i < SERIAL_RX / 2 - 1; i++)
        in(DATA);
    assert_int_equal(drained, 0);
    in(DATA);
    assert_int_equal(drained, 1);
    for (int i = 0; i < SERIAL_RX / 2; i++)
        assert_int_equal(in(DATA), 'z');
    assert_int_equal(drained, 1);
    assert_int_equal(type(many), SERIAL_RX);
    outb(FCR, 1);
    outb(FCR, 3); /* clearing makes room too */
    assert_int_equal(drained, 2);
    assert_int_equal(in(LSR) & 1, 0);
}

static void loopback_receives_what_it_sends(void **)
{
    outb(FCR, 1);
    outb(MCR, 0x10);
    outb(DATA, 'q');
    assert_int_equal(in(LSR) & 1, 1);
    assert_int_equal(in(DATA), 'q');
    assert_int_equal(out_len, 0);
    outb(IER, 4);
    for (int i = 0; i <= SERIAL_RX; i++)
        outb(DATA, i);
    assert_int_equal(in(IIR), 0xC6);
    assert_int_equal(in(LSR) & 3, 3); /* overrun, once */
    assert_int_equal(in(LSR) & 3, 1);
    assert_int_equal(in(IIR), 0xC1);
}

static void modem_changes_are_reported_once(void **)
{
    outb(IER, 8);
    outb(MCR, 0x1C); /* loopback with OUT1 and OUT2: ring and carrier; CTS and DSR fall */
    assert_int_equal(in(IIR), 0);
    assert_int_equal(in(MSR), 0xC3);
    assert_int_equal(in(IIR), 1);
    outb(MCR, 0x18);
    assert_int_equal(in(MSR), 0x84); /* the ring's trailing edge */
    outb(MCR, 0x1C);
    assert_int_equal(in(MSR), 0xC0); /* its leading edge does not count */
}

static void wide_accesses_are_ignored(void **)
{
    uint64_t v;

    assert_int_equal(bus_write(&vm, BUS_PIO, BASE, 2, 0x4141), OK);
    assert_int_equal(out_len, 0);
    assert_int_equal(bus_read(&vm, BUS_PIO, BASE + 4, 4, &v), OK);
    assert_int_equal((uint32_t)v, UINT32_MAX);
}

static void the_line_opens_and_closes(void **)
{
    struct serial other;

    assert_int_equal(serial_init(&other, &vm, BASE + 4, GSI), ERR_EXISTS);
    assert_int_equal(opened, 1);
    tty_close(&uart.tty);
    assert_int_equal(closed, 1);
    outb(DATA, 'x'); /* nobody listens: dropped */
    assert_int_equal(out_len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(linux_finds_a_16550a, set_up),
        cmocka_unit_test_setup(enabling_thre_reports_it_every_time, set_up),
        cmocka_unit_test_setup(every_byte_written_asks_for_more, set_up),
        cmocka_unit_test_setup(input_interrupts_at_the_trigger_or_by_timeout, set_up),
        cmocka_unit_test_setup(receive_comes_before_transmit, set_up),
        cmocka_unit_test_setup(nothing_reaches_the_wire_without_out2, set_up),
        cmocka_unit_test_setup(a_full_fifo_takes_no_more_and_says_when_it_has_room, set_up),
        cmocka_unit_test_setup(loopback_receives_what_it_sends, set_up),
        cmocka_unit_test_setup(modem_changes_are_reported_once, set_up),
        cmocka_unit_test_setup(wide_accesses_are_ignored, set_up),
        cmocka_unit_test_setup(the_line_opens_and_closes, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
