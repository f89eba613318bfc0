#pragma once
/* One guest's serial line, seen from both ends. A guest has several (16550 UART, virtio-console); the console joins
 * them in one terminal and sends typed keys to the one that wrote last. */
#include "base/types.h"

struct tty;

/* The guest's end: a device model. Input is pushed; the device keeps it in its own FIFO. */
struct tty_dev_ops {
    /* Takes up to n bytes typed by the user and returns how many it took; the rest is offered again after
     * tty_drained(). Raises the device's interrupt. Called with no lock held; takes the guest's device lock itself. */
    size_t (*input)(struct tty *, const uint8_t *bytes, size_t n);
};
/* The user's end: the console. */
struct tty_user_ops {
    /* The line exists from opened() to closed(), and may be used between them. Both on CPU 0's loop, where the console
     * also sends its input, so a line never goes away under it. */
    void (*opened)(struct tty *);
    void (*closed)(struct tty *);
    /* The guest wrote n bytes. Called from an exit, under the guest's device lock: must not call back into the device. */
    void (*output)(struct tty *, const uint8_t *bytes, size_t n);
    /* The device has room for input again. Same rules. */
    void (*drained)(struct tty *);
};

struct tty {
    const struct tty_dev_ops *dev;   /* set by the device model's init */
    const struct tty_user_ops *user; /* NULL: output is dropped */
    void *user_data;
};

/* user may be NULL. The device model has set t->dev before. */
static inline void tty_open(struct tty *t, const struct tty_user_ops *user, void *user_data)
{
    t->user = user;
    t->user_data = user_data;
    if (user)
        user->opened(t);
}
static inline void tty_close(struct tty *t)
{
    if (t->user)
        t->user->closed(t);
    t->user = NULL;
}
static inline void tty_output(struct tty *t, const uint8_t *bytes, size_t n)
{
    if (t->user)
        t->user->output(t, bytes, n);
}
static inline void tty_drained(struct tty *t)
{
    if (t->user)
        t->user->drained(t);
}
