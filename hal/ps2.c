/* i8042 and keyboard: scan codes to the bytes xterm sends for a key. IBM PS/2 technical reference, keyboard and
 * auxiliary device controller; scan code set 1. */
#include "hal/ps2.h"
#include "base/fmt.h"
#include "ground/ground.h"

#define DATA 0x60u
#define STATUS 0x64u  /* read */
#define COMMAND 0x64u /* write */
enum { STATUS_FULL = 1, STATUS_BUSY = 2, STATUS_MOUSE = 0x20 };
enum { CMD_READ_CONFIG = 0x20, CMD_WRITE_CONFIG = 0x60, CMD_MOUSE_OFF = 0xA7, CMD_KEYBOARD_ON = 0xAE };
enum { CONFIG_IRQ1 = 1, CONFIG_IRQ12 = 2, CONFIG_KEYBOARD_OFF = 0x10, CONFIG_TRANSLATE = 0x40 };
enum { KEYBOARD_SCAN = 0xF4, KEYBOARD_ACK = 0xFA };
enum { SHIFT = 1, ALT = 2, CTRL = 4 }; /* in the order of xterm's modifier numbers */

#define TRIES 50000u /* a port read takes about a microsecond */
#define AT_ONCE 64u  /* bytes; more than any keyboard stores */

/* --- scan codes --- */

/* 0x00-0x39. 0: not a character. */
static const char plain[] = "\0\33"
                            "1234567890-=\x7F"
                            "\tqwertyuiop[]\r"
                            "\0asdfghjkl;'`"
                            "\0\\zxcvbnm,./"
                            "\0*\0 ";
static const char shifted[] = "\0\33"
                              "!@#$%^&*()_+\x7F"
                              "\tQWERTYUIOP{}\r"
                              "\0ASDFGHJKL:\"~"
                              "\0|ZXCVBNM<>?"
                              "\0*\0 ";
_Static_assert(sizeof plain == 0x3A + 1 && sizeof shifted == sizeof plain, "scan codes 0x00-0x39");

static const struct {
    uint8_t code, modifier;
} modifiers[] = { { 0x1D, CTRL }, { 0x2A, SHIFT }, { 0x36, SHIFT }, { 0x38, ALT } };

/* Keys that send ESC [ letter, ESC O letter (F1-F4), or ESC [ number ~. With modifiers ESC [ 1 ; m letter, ESC [ number
 * ; m ~. The keypad's are the same without the prefix 0xE0; digit: what it types with Num Lock. */
static const struct {
    uint8_t code, number;
    char letter, digit;
    bool ss3;
} functions[] = {
    { 0x48, 1, 'A', '8', false }, { 0x50, 1, 'B', '2', false }, { 0x4D, 1, 'C', '6', false },
    { 0x4B, 1, 'D', '4', false }, { 0x47, 1, 'H', '7', false }, { 0x4F, 1, 'F', '1', false },
    { 0x4C, 1, 'E', '5', false }, { 0x52, 2, '~', '0', false }, { 0x53, 3, '~', '.', false },
    { 0x49, 5, '~', '9', false }, { 0x51, 6, '~', '3', false }, { 0x3B, 1, 'P', 0, true },
    { 0x3C, 1, 'Q', 0, true },    { 0x3D, 1, 'R', 0, true },    { 0x3E, 1, 'S', 0, true },
    { 0x3F, 15, '~', 0, false },  { 0x40, 17, '~', 0, false },  { 0x41, 18, '~', 0, false },
    { 0x42, 19, '~', 0, false },  { 0x43, 20, '~', 0, false },  { 0x44, 21, '~', 0, false },
    { 0x57, 23, '~', 0, false },  { 0x58, 24, '~', 0, false },
};

static void type(struct ps2 *p, const char *text, size_t n) { p->keyboard.typed((const uint8_t *)text, n); }

static void type_char(struct ps2 *p, char c)
{
    char text[2] = { 0x1B, c };

    if (p->held & CTRL) {
        if ((c >= '@' && c <= '~') || c == ' ')
            text[1] = (char)(c & 0x1F);
        else if (c >= '2' && c <= '8') /* as on a VT220: Ctrl-2 is NUL, Ctrl-3 to Ctrl-7 are 0x1B-0x1F, Ctrl-8 is DEL */
            text[1] = "\0\33\34\35\36\37\x7F"[c - '2'];
        else if (c == '/')
            text[1] = 0x1F;
    }
    type(p, p->held & ALT ? text : text + 1, p->held & ALT ? 2 : 1);
}

static bool type_function(struct ps2 *p, uint8_t code, bool keypad)
{
    char text[16];

    for (unsigned i = 0; i < ARRAY_LEN(functions); i++) {
        if (functions[i].code != code)
            continue;
        if (keypad && functions[i].digit && p->num != !!(p->held & SHIFT)) {
            type_char(p, functions[i].digit);
            return true;
        }
        unsigned number = functions[i].number, m = p->held;
        char letter = functions[i].letter;
        if (m)
            fmt_text(text, sizeof text, "\33[%u;%u%c", number, m + 1u, letter);
        else if (letter == '~')
            fmt_text(text, sizeof text, "\33[%u~", number);
        else
            fmt_text(text, sizeof text, "\33%c%c", functions[i].ss3 ? 'O' : '[', letter);
        size_t n = 0;
        while (text[n])
            n++;
        type(p, text, n);
        return true;
    }
    return false;
}

static void press(struct ps2 *p, uint8_t code, bool extended)
{
    bool shift = p->held & SHIFT;
    char c;

    if (code == 0x3A) {
        p->caps = !p->caps;
    } else if (code == 0x45 && !extended) {
        p->num = !p->num;
    } else if (code == 0x0F && shift) {
        type(p, "\33[Z", 3);
    } else if (code == 0x4A || code == 0x4E) { /* keypad - + */
        type_char(p, code == 0x4A ? '-' : '+');
    } else if (code == 0x56) { /* the key beside the left shift of 102-key keyboards */
        type_char(p, shift ? '|' : '\\');
    } else if (code < sizeof plain - 1 && plain[code] && (!extended || code == 0x1C || code == 0x35)) {
        c = shift ? shifted[code] : plain[code];
        if (p->caps && plain[code] >= 'a' && plain[code] <= 'z')
            c ^= 0x20;
        type_char(p, c);
    } else {
        type_function(p, code, !extended);
    }
}

static bool modifier(struct ps2 *p, uint8_t code, bool down)
{
    for (unsigned i = 0; i < ARRAY_LEN(modifiers); i++)
        if (modifiers[i].code == code) {
            p->held = (uint8_t)(down ? p->held | modifiers[i].modifier : p->held & ~modifiers[i].modifier);
            return true;
        }
    return false;
}

void ps2_scan(struct ps2 *p, uint8_t byte)
{
    bool extended = p->prefix == 0xE0, down = !(byte & 0x80);
    uint8_t code = byte & 0x7F;

    if (p->skip) {
        p->skip--;
        return;
    }
    p->prefix = 0;
    if (byte == 0xE0)
        p->prefix = byte;
    else if (byte == 0xE1)
        p->skip = 2; /* Pause: E1 1D 45, E1 9D C5 */
    else if (byte == 0 || byte >= 0xF0)
        p->held = 0; /* error, overrun, an answer: keys may have been lost */
    else if (extended && (code == 0x2A || code == 0x36))
        return; /* shifts that keyboards make up around the grey keys */
    else if (!modifier(p, code, down) && down)
        press(p, code, extended);
}

/* --- controller --- */

static void ps2_poll(struct keyboard *k)
{
    struct ps2 *p = container_of(k, struct ps2, keyboard);

    for (unsigned i = 0; i < AT_ONCE; i++) {
        uint8_t status = p->port->in8(STATUS);
        if (status == 0xFF || !(status & STATUS_FULL))
            return;
        uint8_t byte = p->port->in8(DATA);
        if (!(status & STATUS_MOUSE))
            ps2_scan(p, byte);
    }
}

static void ps2_irq(void *arg)
{
    struct ps2 *p = arg;
    ps2_poll(&p->keyboard);
}

static bool wait(struct ps2 *p, uint8_t bits, uint8_t want)
{
    for (unsigned i = 0; i < TRIES; i++)
        if ((p->port->in8(STATUS) & bits) == want)
            return true;
    return false;
}

static bool send(struct ps2 *p, uint16_t port, uint8_t byte)
{
    if (!wait(p, STATUS_BUSY, 0))
        return false;
    p->port->out8(port, byte);
    return true;
}

static bool receive(struct ps2 *p, uint8_t *byte)
{
    if (!wait(p, STATUS_FULL, STATUS_FULL))
        return false;
    *byte = p->port->in8(DATA);
    return true;
}

static void drain(struct ps2 *p)
{
    for (unsigned i = 0; i < AT_ONCE && p->port->in8(STATUS) & STATUS_FULL; i++)
        p->port->in8(DATA);
}

err_t ps2_init(struct ps2 *p, const struct port_ops *port)
{
    uint8_t config, ack = 0;

    *p = (struct ps2){ .keyboard = { .poll = ps2_poll, .polled = true }, .port = port };
    if (port->in8(STATUS) == 0xFF)
        return ERR_NOTFOUND;
    if (!send(p, COMMAND, CMD_MOUSE_OFF)) /* its bytes would come through the same port */
        return ERR_NOTFOUND;
    drain(p);
    if (!send(p, COMMAND, CMD_READ_CONFIG) || !receive(p, &config))
        return ERR_NOTFOUND;
    config = (uint8_t)((config | CONFIG_IRQ1 | CONFIG_TRANSLATE) & ~(CONFIG_IRQ12 | CONFIG_KEYBOARD_OFF));
    if (!send(p, COMMAND, CMD_WRITE_CONFIG) || !send(p, DATA, config) || !send(p, COMMAND, CMD_KEYBOARD_ON))
        return ERR_IO;
    /* The keyboard may be scanning already and a key may come first; without an answer it may still work. */
    send(p, DATA, KEYBOARD_SCAN);
    for (unsigned i = 0; i < AT_ONCE && ack != KEYBOARD_ACK; i++)
        if (!receive(p, &ack))
            break;
    return OK;
}

void ps2_start(struct ps2 *p, unsigned irq) { p->keyboard.polled = ground_irq_isa(irq, ps2_irq, p) != OK; }
