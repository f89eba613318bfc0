/* virtio-rng. The smallest device: docs/add-a-device.md walks through it. */
#include "dev/virtio/rng.h"

#include "base/str.h"
#include "ground/ground.h"

enum { QUEUE_SIZE = 8, BUFS_MAX = 8 };
enum { FILL_MAX = 256 }; /* bytes per request; the driver takes less than it asked for and asks again */

static err_t requests_serve(struct virtq *q)
{
    struct virtq_buf bufs[BUFS_MAX];
    struct virtq_chain c = { .buf = bufs, .max = BUFS_MAX };
    uint8_t random[FILL_MAX];
    err_t e = virtq_arm(q);

    while (!e && !(e = virtq_pop(q, &c))) {
        uint32_t n = (uint32_t)min_u64(c.write_len, sizeof random);

        ground_entropy(random, n);
        e = virtq_write(q, &c, 0, random, n);
        virtq_push(q, c.head, n);
    }
    virtq_flush(q);
    return e == ERR_GUEST ? e : OK;
}

static err_t rng_notify(struct virtio_dev *d, unsigned queue)
{
    err_t e;

    lock_take(&d->lock);
    e = requests_serve(&d->queue[queue]);
    lock_drop(&d->lock);
    return e;
}

static const struct virtio_ops rng_ops = {
    .type = VIRTIO_TYPE_RNG,
    .class_code = 0x00FF00, /* unclassified, other */
    .queue_size = QUEUE_SIZE,
    .notify = rng_notify,
};

err_t virtio_rng_init(struct virtio_rng *r, struct vm *vm, struct pci_host *host, unsigned slot)
{
    *r = (struct virtio_rng){ .dev = { .ops = &rng_ops, .nqueues = 1 } };
    str_copy(r->dev.name, sizeof r->dev.name, "virtio-rng");
    return virtio_init(&r->dev, vm, host, slot);
}
