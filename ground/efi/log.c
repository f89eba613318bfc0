/* Log lines: to the console once it has taken over, before that to COM1, polled. `lock` keeps early lines whole. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "base/fmt.h"
#include "ground/efi/machine.h"
#include "ground/efi/platform.h"

#define LINE_MAX 256
#define COM1 0x3F8u
#define LINE_STATUS (COM1 + 5)
#define CAN_SEND BIT(5)
#define SEND_TRIES 100000u /* a port that is there sends a byte in 87 us */

static struct lock lock;
static void (*_Atomic sink)(const char *line);

void platform_log_to(void (*to)(const char *line)) { atomic_store(&sink, to); }

static void send(char c)
{
    for (unsigned i = 0; i < SEND_TRIES && !(cpu_in8(LINE_STATUS) & CAN_SEND); i++)
        cpu_pause();
    cpu_out8(COM1, (uint8_t)c);
}

void log_raw(const char *text)
{
    if (cpu_in8(LINE_STATUS) == 0xFF)
        return; /* no port */
    for (; *text; text++) {
        if (*text == '\n')
            send('\r');
        send(*text);
    }
}

void ground_log(const char *fmt, ...)
{
    char line[LINE_MAX];
    void (*to)(const char *) = atomic_load(&sink);
    va_list ap;

    va_start(ap, fmt);
    fmt_vtext(line, sizeof line, fmt, ap);
    va_end(ap);
    if (to) {
        to(line);
        return;
    }
    lock_take(&lock);
    log_raw(line);
    log_raw("\n");
    lock_drop(&lock);
}
