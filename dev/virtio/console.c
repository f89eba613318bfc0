/* virtio-console: text between the guest's hvc0 and a struct tty. */
#include "dev/virtio/console.h"

#include "base/str.h"
#include "vm/vm.h"

/* One kick prints about KICK_MAX bytes, then others get their turn. A single chain's text is cut at TEXT_MAX: hvc
 * writes 16 bytes at a time, the largest known driver 32 KiB. */
enum { QUEUE_SIZE = 64, BUFS_MAX = 32, COPY_BYTES = 256, KICK_MAX = 4096, TEXT_MAX = 65536 };

/* --- guest to user --- */

static err_t text_out(struct virtio_console *c, struct virtq *q, const struct virtq_chain *chain)
{
    uint64_t len = min_u64(chain->read_len, TEXT_MAX), take;
    uint8_t text[COPY_BYTES];

    for (uint64_t at = 0; at < len; at += take) {
        take = min_u64(len - at, sizeof text);
        err_t e = virtq_read(q, chain, at, text, take);
        if (e)
            return e;
        tty_output(&c->tty, text, take);
        vm_hear(c->dev.vm, &c->heard, text, take);
    }
    return OK;
}

static err_t transmit(struct virtio_console *c)
{
    struct virtq *q = &c->dev.queue[VIRTIO_CONSOLE_TX];
    struct virtq_buf bufs[BUFS_MAX];
    struct virtq_chain chain = { .buf = bufs, .max = BUFS_MAX };
    err_t e = virtq_arm(q);
    uint64_t printed = 0;

    while (!e && printed < KICK_MAX && !(e = virtq_pop(q, &chain))) {
        e = text_out(c, q, &chain);
        printed += chain.read_len;
        virtq_push(q, chain.head, 0);
    }
    virtq_flush(q);
    if (e == ERR_GUEST)
        return e;
    return virtq_left(q) ? ERR_AGAIN : OK;
}

/* --- user to guest --- */

/* Fills the driver's buffers with the n bytes; *took says how many went. */
static err_t text_in(struct virtio_console *c, const uint8_t *bytes, size_t n, size_t *took)
{
    struct virtq *q = &c->dev.queue[VIRTIO_CONSOLE_RX];
    struct virtq_buf bufs[BUFS_MAX];
    struct virtq_chain chain = { .buf = bufs, .max = BUFS_MAX };
    err_t e = virtq_arm(q);

    *took = 0;
    while (*took < n && !e && !(e = virtq_pop(q, &chain))) {
        uint32_t take = (uint32_t)min_u64(n - *took, chain.write_len);

        e = virtq_write(q, &chain, 0, bytes + *took, take);
        virtq_push(q, chain.head, take);
        *took += take;
    }
    virtq_flush(q);
    return e;
}

static size_t console_input(struct tty *t, const uint8_t *bytes, size_t n)
{
    struct virtio_console *c = container_of(t, struct virtio_console, tty);
    size_t took;

    lock_take(&c->dev.lock);
    if (text_in(c, bytes, n, &took) == ERR_GUEST)
        took = n; /* the guest is being stopped: nobody will ever read this */
    c->refused = took < n;
    lock_drop(&c->dev.lock);
    return took;
}

static err_t console_notify(struct virtio_dev *d, unsigned queue)
{
    struct virtio_console *c = container_of(d, struct virtio_console, dev);
    bool room = false;
    err_t e;

    lock_take(&d->lock);
    if (queue == VIRTIO_CONSOLE_TX) {
        e = transmit(c);
    } else {
        e = virtq_arm(&d->queue[queue]);
        room = !e && c->refused;
        c->refused &= !room;
    }
    lock_drop(&d->lock);
    if (room)
        tty_drained(&c->tty);
    return e;
}

static const struct virtio_ops console_ops = {
    .type = VIRTIO_TYPE_CONSOLE,
    .class_code = 0x078000, /* simple communication controller, other */
    .queue_size = QUEUE_SIZE,
    .notify = console_notify,
};

err_t virtio_console_init(struct virtio_console *c, struct vm *vm, struct pci_host *host, unsigned slot)
{
    static const struct tty_dev_ops tty = { .input = console_input };

    *c = (struct virtio_console){ .tty.dev = &tty, .dev = { .ops = &console_ops, .nqueues = 2 } };
    str_copy(c->dev.name, sizeof c->dev.name, "virtio-console");
    return virtio_init(&c->dev, vm, host, slot);
}
