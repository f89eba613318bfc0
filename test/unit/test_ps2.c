/* hal/ps2.c: scan codes to bytes, and the controller's start on a model of it. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "hal/ps2.h"

static struct ps2 ps2;
static char typed[256];
static size_t ntyped, nkeys;

static void on_typed(const uint8_t *bytes, size_t n)
{
    assert_true(n > 0 && ntyped + n < sizeof typed);
    memcpy(typed + ntyped, bytes, n);
    ntyped += n;
    nkeys++;
}

/* --- a model of the controller --- */

static struct {
    bool absent, dead; /* all ones; always busy */
    uint8_t config, queue[64], command;
    bool mouse[64]; /* the byte is the mouse's */
    unsigned head, tail;
    bool scanning, mouse_on, keyboard_on, silent;
} kbc;

static void kbc_say(uint8_t b, bool mouse)
{
    kbc.mouse[kbc.head % 64] = mouse;
    kbc.queue[kbc.head++ % 64] = b;
}
static uint8_t kbc_in(uint16_t port)
{
    if (kbc.absent)
        return 0xFF;
    if (port == 0x64)
        return (uint8_t)((kbc.dead ? 2 : 0) | (kbc.head != kbc.tail ? 1 | (kbc.mouse[kbc.tail % 64] ? 0x20 : 0) : 0));
    assert_int_equal(port, 0x60);
    return kbc.head != kbc.tail ? kbc.queue[kbc.tail++ % 64] : 0;
}
static void kbc_out(uint16_t port, uint8_t b)
{
    if (port == 0x64) {
        kbc.command = b;
        if (b == 0x20)
            kbc_say(kbc.config, false);
        kbc.mouse_on &= b != 0xA7;
        kbc.keyboard_on |= b == 0xAE;
        return;
    }
    if (kbc.command == 0x60) {
        kbc.config = b;
    } else if (b == 0xF4) {
        kbc.scanning = true;
        if (!kbc.silent)
            kbc_say(0xFA, false);
    }
    kbc.command = 0;
}
static const struct port_ops ports = { .in8 = kbc_in, .out8 = kbc_out };

static int fresh(void **)
{
    memset(&kbc, 0, sizeof kbc);
    kbc.config = 0x33; /* translation off, keyboard and mouse off, both interrupts on */
    kbc.mouse_on = true;
    assert_int_equal(ps2_init(&ps2, &ports), OK);
    ps2.keyboard.typed = on_typed;
    ntyped = nkeys = 0;
    return 0;
}

static const char *type(const char *codes, size_t n)
{
    ntyped = nkeys = 0;
    for (size_t i = 0; i < n; i++)
        ps2_scan(&ps2, (uint8_t)codes[i]);
    typed[ntyped] = 0;
    return typed;
}
#define TYPE(codes) type(codes, sizeof codes - 1)

/* --- keys --- */

static void keys_become_bytes(void **)
{
    static const struct {
        const char *codes, *bytes;
    } cases[] = {
        { "\x1E\x9E", "a" },
        { "\x02\x0B\x0C\x0D\x1A\x1B\x27\x28\x29\x2B\x33\x34\x35\x39", "10-=[];'`\\,./ " },
        { "\x1C", "\r" },
        { "\x0E", "\x7F" },
        { "\x0F", "\t" },
        { "\x01", "\33" },
        { "\x2A\x1E\xAA\x1E", "Aa" },
        { "\x36\x03\xB6", "@" },
        { "\x2A\x0F\xAA", "\33[Z" },
        { "\x3A\xBA\x1E\x02\x2A\x1E\xAA\x3A\xBA\x1E", "A1aa" }, /* Caps Lock: letters only; shift undoes it */
        { "\x1D\x2E\x9D\x2E", "\3c" },
        { "\x1D\x1B\x9D", "\x1D" }, /* Ctrl-] */
        { "\x1D\x2B\x9D", "\x1C" },
        { "\x1D\x35\x9D", "\x1F" },
        { "\x1D\x04\x09\x9D", "\33\x7F" }, /* Ctrl-3, Ctrl-8 */
        { "\xE0\x1D\x20\xE0\x9D", "\4" },  /* right Ctrl */
        { "\x38\x30\xB8", "\33b" },
        { "\xE0\x38\x30\xE0\xB8", "\33b" },
        { "\x38\x1D\x30\x9D\xB8", "\33\2" },
        { "\xE0\x48\xE0\x50\xE0\x4D\xE0\x4B", "\33[A\33[B\33[C\33[D" },
        { "\xE0\x47\xE0\x4F\xE0\x52\xE0\x53\xE0\x49\xE0\x51", "\33[H\33[F\33[2~\33[3~\33[5~\33[6~" },
        { "\xE0\x2A\xE0\x48\xE0\xAA", "\33[A" }, /* a made-up shift */
        { "\x2A\xE0\x49\xAA", "\33[5;2~" },
        { "\x2A\xE0\x51\xAA", "\33[6;2~" },
        { "\x1D\xE0\x4D\x9D", "\33[1;5C" },
        { "\x1D\x38\xE0\x53\xB8\x9D", "\33[3;7~" },
        { "\x3B\x3C\x3D\x3E", "\33OP\33OQ\33OR\33OS" },
        { "\x3F\x40\x41\x42\x43\x44\x57\x58", "\33[15~\33[17~\33[18~\33[19~\33[20~\33[21~\33[23~\33[24~" },
        { "\x2A\x3B\xAA", "\33[1;2P" },
        { "\x47\x4B\x52", "\33[H\33[D\33[2~" }, /* keypad without Num Lock */
        { "\x45\xC5\x47\x4C\x53\xE0\x47\x45\xC5\x4C", "75.\33[H\33[E" },
        { "\x37\x4A\x4E\xE0\x35\xE0\x1C", "*-+/\r" },
        { "\x56\x2A\x56\xAA", "\\|" },
        { "\xE1\x1D\x45\xE1\x9D\xC5\x1E", "a" }, /* Pause is no key, and leaves no Ctrl behind */
        { "\x2A\xFF\x1E", "a" },                 /* overrun: nothing is held any more */
        { "\xE0\xE0\x48\xE0", "\33[A" },
        { "\x54\x59\x7F\x5B\xE0\x5B\xE0\x00\xFA\xEE\xAB", "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fresh(NULL);
        type(cases[i].codes, strlen(cases[i].codes) + (i + 1 == ARRAY_LEN(cases) ? 4 : 0));
        if (!str_eq(typed, cases[i].bytes))
            fail_msg("case %zu: \"%s\" not \"%s\"", i, typed, cases[i].bytes);
    }
}

static void a_key_is_one_call(void **)
{
    TYPE("\xE0\x49\x1E\x38\x1E");
    assert_int_equal(nkeys, 3);
}

static void control_space_is_a_zero_byte(void **)
{
    TYPE("\x1D\x39\x9D");
    assert_int_equal(ntyped, 1);
    assert_int_equal(typed[0], 0);
}

static void garbage_types_no_nonsense(void **)
{
    uint32_t seed = 1;
    for (unsigned i = 0; i < 100000; i++) {
        seed = seed * 1664525 + 1013904223;
        ntyped = 0;
        ps2_scan(&ps2, (uint8_t)(seed >> 24));
        assert_true(ntyped < 16);
    }
    TYPE("\x00\x9D\xAA\xB6\xB8");
    ps2.caps = ps2.num = false;
    assert_string_equal(TYPE("\x1E"), "a");
}

/* --- controller --- */

static void start_turns_the_keyboard_on_and_the_mouse_off(void **)
{
    assert_int_equal(kbc.config & 0x73, 0x61); /* translation, second port as it was, both IRQ bits: keyboard's only */
    assert_true(kbc.scanning && kbc.keyboard_on && !kbc.mouse_on);
    assert_int_equal(kbc.head, kbc.tail);
    ps2_start(&ps2, PS2_IRQ);
    assert_false(ps2.keyboard.polled);
}

static void no_controller_is_found_out(void **)
{
    kbc.absent = true;
    assert_int_equal(ps2_init(&ps2, &ports), ERR_NOTFOUND);
    kbc.absent = false;
    kbc.dead = true;
    assert_int_equal(ps2_init(&ps2, &ports), ERR_NOTFOUND);
}

static void old_bytes_and_a_silent_keyboard_do_not_stop_the_start(void **)
{
    memset(&kbc, 0, sizeof kbc);
    for (int i = 0; i < 10; i++)
        kbc_say(0x1E, false);
    kbc.config = 0x65;
    kbc.silent = true;
    assert_int_equal(ps2_init(&ps2, &ports), OK);
    assert_int_equal(kbc.config, 0x65);
}

static void bytes_of_the_mouse_are_dropped(void **)
{
    kbc_say(0x1E, true);
    kbc_say(0x30, false);
    ps2.keyboard.poll(&ps2.keyboard);
    typed[ntyped] = 0;
    assert_string_equal(typed, "b");
    kbc.absent = true; /* gone: all ones, for ever */
    ps2.keyboard.poll(&ps2.keyboard);
    assert_int_equal(ntyped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_become_bytes),
        cmocka_unit_test_setup(a_key_is_one_call, fresh),
        cmocka_unit_test_setup(control_space_is_a_zero_byte, fresh),
        cmocka_unit_test_setup(garbage_types_no_nonsense, fresh),
        cmocka_unit_test_setup(start_turns_the_keyboard_on_and_the_mouse_off, fresh),
        cmocka_unit_test_setup(no_controller_is_found_out, fresh),
        cmocka_unit_test_setup(old_bytes_and_a_silent_keyboard_do_not_stop_the_start, fresh),
        cmocka_unit_test_setup(bytes_of_the_mouse_are_dropped, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
