/* hal/uart.c on a model of a 16550, hal/fb.c on a buffer in memory. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "hal/fb.h"
#include "hal/font.h"
#include "hal/uart.h"

/* --- a 16550 --- */

static struct {
    bool absent, no_fifo;
    uint8_t ier, lcr, mcr, fcr, scratch, divisor[2];
    char sent[8192];
    size_t nsent;
    unsigned queued, capacity; /* bytes in the transmit FIFO; capacity 0: sends at once, as emulators do */
    bool thre;                 /* its interrupt is pending */
    const char *input;
    bool stuck; /* always has a byte */
} chip;

static unsigned depth(void)
{
    return chip.no_fifo ? 1 : 16;
}
static uint8_t chip_in(uint16_t port)
{
    uint8_t v = 0;

    if (chip.absent)
        return 0xFF;
    switch (port - 0x3F8) {
    case 0:
        return chip.stuck ? 'x' : *chip.input ? (uint8_t)*chip.input++ : 0;
    case 1:
        return chip.ier;
    case 2:
        v = chip.fcr & 1 && !chip.no_fifo ? 0xC0 : 0;
        if (chip.ier & 1 && (*chip.input || chip.stuck))
            return v | 4;
        if (chip.ier & 2 && chip.thre) {
            chip.thre = false;
            return v | 2;
        }
        return v | 1;
    case 5:
        return (uint8_t)((*chip.input || chip.stuck ? 1 : 0) | (chip.queued ? 0 : 0x60));
    case 7:
        return chip.scratch;
    }
    return 0;
}
static void chip_out(uint16_t port, uint8_t v)
{
    switch (port - 0x3F8) {
    case 0:
        if (chip.lcr & 0x80) {
            chip.divisor[0] = v;
            break;
        }
        assert_true(chip.queued < depth()); /* never more than fits */
        chip.sent[chip.nsent++] = (char)v;
        chip.queued += chip.capacity ? 1 : 0;
        chip.thre = !chip.capacity;
        break;
    case 1:
        if (chip.lcr & 0x80) {
            chip.divisor[1] = v;
            break;
        }
        chip.thre |= v & 2 && !(chip.ier & 2) && !chip.queued; /* enabling it reports an empty transmitter */
        chip.ier = v;
        break;
    case 2:
        chip.fcr = v;
        break;
    case 3:
        chip.lcr = v;
        break;
    case 4:
        chip.mcr = v;
        break;
    case 7:
        chip.scratch = v;
    }
}
static const struct port_ops chip_ports = { .in8 = chip_in, .out8 = chip_out };

static struct uart uart;
static char got[4096];
static size_t ngot;
static const char *to_send;

static void received(const uint8_t *bytes, size_t n)
{
    assert_true(ngot + n < sizeof got);
    memcpy(got + ngot, bytes, n);
    ngot += n;
}
static void has_room(void)
{
    to_send += uart.serial.ops->write(&uart.serial, (const uint8_t *)to_send, strlen(to_send));
}
/* The line raises its interrupt: fake grounds number handlers in the order they were registered. */
static unsigned irqs;
static void interrupt(void)
{
    const struct irq_msi line = { .data = irqs - 1 };
    assert_true(fake_irq_fire(&line));
}

static int fresh_chip(void **)
{
    memset(&chip, 0, sizeof chip);
    chip.input = "";
    chip.ier = 0x0F;
    chip.lcr = 0x83; /* the firmware left the divisor latch open */
    ngot = 0;
    to_send = "";
    assert_int_equal(uart_init(&uart, &chip_ports, UART_COM1), OK);
    uart.serial.received = received;
    uart.serial.has_room = has_room;
    uart_start(&uart, UART_COM1_IRQ);
    irqs++;
    return 0;
}

static void the_port_is_set_up(void **)
{
    assert_int_equal(chip.lcr, 3);
    assert_int_equal(chip.divisor[0], 1);
    assert_int_equal(chip.divisor[1], 0);
    assert_int_equal(chip.ier, 1);
    assert_int_equal(chip.mcr & 8, 8);
    assert_true(uart.fifo);
    assert_false(uart.serial.polled);
}

static void no_port_is_found_out(void **)
{
    chip.absent = true;
    assert_int_equal(uart_init(&uart, &chip_ports, UART_COM1), ERR_NOTFOUND);
}

static void a_fast_port_takes_all_and_raises_no_interrupt(void **)
{
    char text[1000];
    memset(text, 'a', sizeof text);
    assert_int_equal(uart.serial.ops->write(&uart.serial, (uint8_t *)text, sizeof text), sizeof text);
    assert_int_equal(chip.nsent, sizeof text);
    assert_int_equal(chip.ier, 1);
}

static void a_slow_port_is_fed_by_its_interrupts(void **)
{
    chip.capacity = 16;
    to_send = "forty bytes that need three loads of FIFO";
    has_room();
    assert_int_equal(chip.nsent, 16);
    assert_int_equal(chip.ier, 3);
    for (int i = 0; i < 2; i++) {
        chip.queued = 0;
        chip.thre = true;
        interrupt();
    }
    assert_memory_equal(chip.sent, "forty bytes that need three loads of FIFO", 41);
    assert_int_equal(chip.ier, 1); /* nothing waits: quiet again */
}

static void a_16450_gets_one_byte_at_a_time(void **)
{
    chip.no_fifo = true;
    assert_int_equal(uart_init(&uart, &chip_ports, UART_COM1), OK);
    chip.capacity = 1;
    assert_int_equal(uart.serial.ops->write(&uart.serial, (const uint8_t *)"ab", 2), 1);
}

static void input_is_handed_on_whole(void **)
{
    chip.input = "a line that is longer than the sixty-four bytes that the driver collects at a time";
    interrupt();
    got[ngot] = 0;
    assert_string_equal(got, "a line that is longer than the sixty-four bytes that the driver collects at a time");
}

static void a_stuck_port_does_not_hold_the_cpu(void **)
{
    chip.stuck = true;
    uart.serial.ops->poll(&uart.serial);
    assert_true(ngot <= 256);
}

/* --- frame buffer --- */

#define WIDTH 700u
#define HEIGHT 410u
#define PITCH 712u /* pixels */
static uint32_t pixels[HEIGHT * PITCH];
static const struct fb_mode mode = { pixels, WIDTH, HEIGHT, PITCH * 4, 16, 8, 0 };
static struct fb fb;

static int fresh_fb(void **)
{
    memset(pixels, 0xEE, sizeof pixels);
    assert_int_equal(fb_init(&fb, &mode, 80, 24), OK);
    return 0;
}
static int drop_fb(void **)
{
    ground_free(fb.drawn, fb.cols * fb.rows * sizeof *fb.drawn);
    return 0;
}

/* The 16 rows of pixels of a cell, as the font has them, for a foreground colour. */
static void read_cell(unsigned x, unsigned y, uint32_t fg, uint8_t rows[FONT_HEIGHT])
{
    for (unsigned i = 0; i < FONT_HEIGHT; i++) {
        rows[i] = 0;
        for (unsigned j = 0; j < FONT_WIDTH; j++)
            if (pixels[(fb.top + y * FONT_HEIGHT + i) * PITCH + fb.left + x * FONT_WIDTH + j] == fg)
                rows[i] |= (uint8_t)(0x80 >> j);
    }
}
static const uint8_t *glyph_of(uint16_t ch)
{
    for (unsigned i = 0; i < font_glyphs; i++)
        if (font_code[i] == ch)
            return font_rows[i];
    fail_msg("no U+%04X in the font", ch);
    return NULL;
}

static void the_font_has_what_consoles_need(void **)
{
    static const uint16_t need[] = { ' ',    '~',    0xA0,   0xFF,   0x2500, 0x253C, 0x2551,
                                     0x2588, 0x2591, 0x2190, 0x25CF, 0x2022, 0x20AC };
    for (unsigned i = 0; i < ARRAY_LEN(need); i++)
        assert_non_null(glyph_of(need[i]));
    for (unsigned i = 1; i < font_glyphs; i++)
        assert_true(font_code[i - 1] < font_code[i]);
    assert_true(font_glyphs * (FONT_HEIGHT + 2) < 8192);
}

static void the_screen_is_cleared_and_the_text_in_the_middle(void **)
{
    assert_int_equal(fb.scale, 1);
    assert_int_equal(fb.left, (WIDTH - 640) / 2);
    assert_int_equal(fb.top, (HEIGHT - 384) / 2);
    assert_int_equal(pixels[0], 0);
    assert_int_equal(pixels[WIDTH - 1], 0);
    assert_int_equal(pixels[WIDTH], 0xEEEEEEEE); /* between the lines: not ours */
}

static void cells_are_drawn_with_their_colours(void **)
{
    struct cell line[3] = { { 'A', 0, 0 }, { 0x2500, 0x21, CELL_FG | CELL_BG | CELL_BOLD }, { '_', 0, CELL_REVERSE } };
    uint8_t rows[FONT_HEIGHT];
    fb.screen.ops->draw(&fb.screen, 2, line, 3);
    read_cell(0, 2, 0xAAAAAA, rows);
    assert_memory_equal(rows, glyph_of('A'), FONT_HEIGHT);
    read_cell(1, 2, 0xFF5555, rows);
    assert_memory_equal(rows, glyph_of(0x2500), FONT_HEIGHT);
    assert_int_equal(pixels[(fb.top + 32) * PITCH + fb.left + 8], 0x00AA00);
    read_cell(2, 2, 0, rows);
    assert_memory_equal(rows, glyph_of('_'), FONT_HEIGHT);
}

static void unknown_characters_are_question_marks(void **)
{
    struct cell line[2] = { { 0x6F22, 0, 0 }, { 0, 0, 0 } };
    uint8_t rows[FONT_HEIGHT];
    fb.screen.ops->draw(&fb.screen, 0, line, 2);
    read_cell(0, 0, 0xAAAAAA, rows);
    assert_memory_equal(rows, glyph_of('?'), FONT_HEIGHT);
    read_cell(1, 0, 0xAAAAAA, rows);
    assert_memory_equal(rows, glyph_of(' '), FONT_HEIGHT);
}

static void only_changed_cells_are_drawn(void **)
{
    struct cell line[2] = { { 'a', 0, 0 }, { 'b', 0, 0 } };
    fb.screen.ops->draw(&fb.screen, 0, line, 2);
    pixels[fb.top * PITCH + fb.left] = 0x123456;
    pixels[fb.top * PITCH + fb.left + 8] = 0x123456;
    line[1].ch = 'c';
    fb.screen.ops->draw(&fb.screen, 0, line, 2);
    assert_int_equal(pixels[fb.top * PITCH + fb.left], 0x123456);
    assert_int_not_equal(pixels[fb.top * PITCH + fb.left + 8], 0x123456);
}

static void what_does_not_fit_is_cut(void **)
{
    struct cell line[80];
    struct fb small;
    const struct fb_mode m = { pixels, 100, 100, PITCH * 4, 16, 8, 0 };
    for (unsigned i = 0; i < 80; i++)
        line[i] = (struct cell){ 0x2588, 0, 0 };
    memset(pixels, 0xEE, sizeof pixels);
    assert_int_equal(fb_init(&small, &m, 80, 24), OK);
    for (unsigned y = 0; y < 30; y++)
        small.screen.ops->draw(&small.screen, y, line, 80);
    for (unsigned i = 0; i < HEIGHT * PITCH; i++)
        if (i / PITCH >= 100 || i % PITCH >= 100)
            assert_int_equal(pixels[i], 0xEEEEEEEE);
    ground_free(small.drawn, small.cols * small.rows * sizeof *small.drawn);
}

static void large_screens_are_scaled(void **)
{
    struct cell c = { 0x2588, 0, 0 };
    struct fb big;
    assert_int_equal(fb_init(&big, &mode, 40, 12), OK);
    assert_int_equal(big.scale, 2);
    big.screen.ops->draw(&big.screen, 0, &c, 1);
    assert_int_equal(pixels[(big.top + 31) * PITCH + big.left + 15], 0xAAAAAA);
    assert_int_equal(pixels[(big.top + 31) * PITCH + big.left + 16], 0);
    ground_free(big.drawn, big.cols * big.rows * sizeof *big.drawn);
}

static void modes_we_cannot_draw_in_are_refused(void **)
{
    struct fb_mode m = mode;
    struct fb f;
    m.base = NULL;
    assert_int_equal(fb_init(&f, &m, 80, 24), ERR_INVAL);
    m = mode;
    m.pitch = WIDTH; /* bytes: too few */
    assert_int_equal(fb_init(&f, &m, 80, 24), ERR_INVAL);
    m = mode;
    m.width = 0;
    assert_int_equal(fb_init(&f, &m, 80, 24), ERR_INVAL);
    m = mode;
    m.red_shift = 30;
    assert_int_equal(fb_init(&f, &m, 80, 24), ERR_INVAL);
    m = mode;
    fake_fail_alloc(1);
    assert_int_equal(fb_init(&f, &m, 80, 24), ERR_NOMEM);
}

static void a_panic_is_printed_over_everything(void **)
{
    struct cell line[80];
    uint8_t rows[FONT_HEIGHT];
    for (unsigned i = 0; i < 80; i++)
        line[i] = (struct cell){ 'x', 0, 0 };
    fb.screen.ops->draw(&fb.screen, 0, line, 80);
    fb_print(&fb, "P\nQ");
    read_cell(0, 0, 0xAAAAAA, rows);
    assert_memory_equal(rows, glyph_of('P'), FONT_HEIGHT);
    read_cell(79, 0, 0xAAAAAA, rows);
    assert_memory_equal(rows, glyph_of(' '), FONT_HEIGHT);
    read_cell(0, 1, 0xAAAAAA, rows);
    assert_memory_equal(rows, glyph_of('Q'), FONT_HEIGHT);
    for (unsigned i = 0; i < 10000; i++)
        fb_print(&fb, "round and round ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_port_is_set_up, fresh_chip),
        cmocka_unit_test_setup(no_port_is_found_out, fresh_chip),
        cmocka_unit_test_setup(a_fast_port_takes_all_and_raises_no_interrupt, fresh_chip),
        cmocka_unit_test_setup(a_slow_port_is_fed_by_its_interrupts, fresh_chip),
        cmocka_unit_test_setup(a_16450_gets_one_byte_at_a_time, fresh_chip),
        cmocka_unit_test_setup(input_is_handed_on_whole, fresh_chip),
        cmocka_unit_test_setup(a_stuck_port_does_not_hold_the_cpu, fresh_chip),
        cmocka_unit_test(the_font_has_what_consoles_need),
        cmocka_unit_test_setup_teardown(the_screen_is_cleared_and_the_text_in_the_middle, fresh_fb, drop_fb),
        cmocka_unit_test_setup_teardown(cells_are_drawn_with_their_colours, fresh_fb, drop_fb),
        cmocka_unit_test_setup_teardown(unknown_characters_are_question_marks, fresh_fb, drop_fb),
        cmocka_unit_test_setup_teardown(only_changed_cells_are_drawn, fresh_fb, drop_fb),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_cut, fresh_fb, drop_fb),
        cmocka_unit_test(large_screens_are_scaled),
        cmocka_unit_test(modes_we_cannot_draw_in_are_refused),
        cmocka_unit_test_setup_teardown(a_panic_is_printed_over_everything, fresh_fb, drop_fb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
