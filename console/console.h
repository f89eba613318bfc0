#pragma once
/* The user's side of the monitor once guests run: one terminal per guest, the monitor's log, and a status screen, all
 * on the screen and the serial port at once; Ctrl-] goes from one to another. docs/console.md is the user's page.
 * Everything here is CPU 0's, at its loop, unless it says otherwise. */
#include "base/err.h"

struct keyboard;
struct screen;
struct serial_port;
struct vm;

#define CONSOLE_GUESTS 64u

struct console_config {
    struct serial_port *serial; /* each may be NULL; their callbacks are set here, so start them afterwards */
    struct screen *screen;
    struct keyboard *keyboard;
    unsigned cols, rows; /* of every terminal; 0: 80 x 24, which is what guests take a serial line for */
    const char *build_id;
    void (*wake)(void); /* makes CPU 0's loop call console_run() soon. Any CPU, any lock */
};

/* Shows the status screen. Before anything else here, once. ERR_NOMEM, ERR_INVAL. */
MUST_USE err_t console_init(const struct console_config *);
/* Gives a guest its terminal: sets tty_user and tty_user_data. Before its first start. ERR_NOMEM, ERR_FULL: it has none, and is only counted. */
MUST_USE err_t console_add_vm(struct vm *);
/* Takes it away: of a guest that does not run, before it is freed; also of one that got none. */
void console_remove_vm(struct vm *);
/* One line to the monitor's log, without a newline. Any CPU, any lock but the page allocator's. */
void console_log(const char *line);
/* Logs the table of guests, for programs to read: a head line, a row per guest, the count of free pages. */
void console_print_status(void);
/* Takes input, draws, sends, refreshes. now: TSC. Returns when it must be called again at the latest, UINT64_MAX: only
 * after wake(). Calling it earlier does no harm. */
uint64_t console_run(uint64_t now);

/* For console/ itself; any CPU: something is to be done, soon; at once. */
void console_wake(void);
void console_wake_now(void);
