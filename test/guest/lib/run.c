/* Text, arguments, memory, and how a guest ends. */
#include "test/guest/guest.h"
#include "test/guest/lib/lib.h"

const uint8_t *boot_params;

static void put_char(char c)
{
    while (!(cpu_in8(0x3FD) & 0x20))
        ;
    cpu_out8(0x3F8, (uint8_t)c);
}

/* A whole line at a time, so that CPUs do not mix theirs. */
static void put_line(const char *s)
{
    static _Atomic bool busy;

    while (__c11_atomic_exchange(&busy, true, __ATOMIC_ACQUIRE))
        cpu_relax();
    for (; *s; s++)
        put_char(*s);
    put_char('\r');
    put_char('\n');
    __c11_atomic_store(&busy, false, __ATOMIC_RELEASE);
}

void say(const char *fmt, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(line, sizeof line, fmt, ap);
    va_end(ap);
    put_line(line);
}

void pass(const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(text, sizeof text, fmt, ap);
    va_end(ap);
    say("PASS %s%s%s", guest_name, text[0] ? ": " : "", text);
    power_off();
}

void fail(const char *fmt, ...)
{
    char text[200];
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(text, sizeof text, fmt, ap);
    va_end(ap);
    say("FAIL %s: %s", guest_name, text);
    power_off();
}

void halt(void) { cpu_halt_forever(); }

/* ACPI S5: sleep type 5, enable. On QEMU's own PC it is another port, where Goblin's has nothing. */
void power_off(void)
{
    cpu_out8(0x600, 5 << 2 | 0x20);
    cpu_out16(0x604, 0x2000);
    halt();
}

static const char *command_line(void)
{
    uint32_t at = get_le32(boot_params + 0x228);

    return at ? (const char *)(uintptr_t)at : "";
}

uint64_t arg(const char *key, uint64_t otherwise)
{
    size_t n = strlen(key);

    for (const char *s = command_line(); *s; s++) {
        char word[32];
        size_t len = 0;
        uint64_t v;

        while (*s == ' ')
            s++;
        while (s[len] && s[len] != ' ')
            len++;
        if (len > n && len - n <= sizeof word && !strncmp(s, key, n) && s[n] == '=') {
            memcpy(word, s + n + 1, len - n - 1);
            word[len - n - 1] = 0;
            if (str_to_u64(word, &v))
                fail("%s: not a number: %s", key, word);
            return v;
        }
        s += len;
        if (!*s)
            break;
    }
    return otherwise;
}

bool ram_range(unsigned i, uint64_t *base, uint64_t *size)
{
    for (unsigned e = 0; e < boot_params[0x1E8]; e++) {
        const uint8_t *entry = boot_params + 0x2D0 + 20 * e;

        if (get_le32(entry + 16) == 1 && !i--) {
            *base = get_le64(entry);
            *size = get_le64(entry + 8);
            return true;
        }
    }
    return false;
}

uint64_t ram_end_low(void)
{
    uint64_t end = MIB(16), base, size;

    for (unsigned i = 0; ram_range(i, &base, &size); i++)
        if (base < GIB(4))
            end = max_u64(end, base + size);
    return end;
}

void *page_get(void)
{
    extern uint8_t guest_end[];
    static uint64_t next;

    if (!next)
        next = (uintptr_t)guest_end;
    if (next + PAGE_SIZE > ram_end_low())
        fail("out of memory");
    void *p = (void *)(uintptr_t)next;
    next += PAGE_SIZE;
    memset(p, 0, PAGE_SIZE);
    return p;
}

uint64_t rnd(void)
{
    static uint64_t seed;

    if (!seed)
        seed = arg("seed", 0x9E3779B97F4A7C15);
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545F4914F6CDD1D;
}

NORETURN void guest_begin(const uint8_t *params)
{
    boot_params = params;
    cpu_out8(0x3F9, 0);    /* no interrupts */
    cpu_out8(0x3FB, 3);    /* 8 bits, no parity */
    cpu_out8(0x3FA, 7);    /* FIFOs on and empty */
    cpu_write_cr0(cpu_read_cr0() | CR0_WP);
    trap_init();
    guest_main();
    fail("guest_main returned");
}
