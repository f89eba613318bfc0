/* dev/virtio/pci.c, queue.c: registers and rings, seen through the simplest device, virtio-rng. */
#include "test/unit/unit.h"
#include "dev/virtio/rng.h"
#include "test/unit/virtio_driver.h"

#define SLOT 5
#define BUF 0x80000u
#define TABLE 0x90000u
#define HIGH (MEM_HIGH_START + 0x1000)
static struct virtio_rng rng;

static int setup(void **)
{
    guest_start(1);
    assert_int_equal(virtio_rng_init(&rng, &vm, &host, SLOT), OK);
    return 0;
}

static int teardown(void **)
{
    assert_true(virtio_idle(&rng.dev));
    guest_end();
    return 0;
}

/* A request of one writable buffer. */
static uint16_t ask(uint32_t len)
{
    struct piece p = { BUF, len, true };
    return chain_put(0, &p, 1);
}

static void expect_used(uint32_t id, uint32_t len)
{
    struct virtq_used_elem e;
    assert_true(used_take(0, &e));
    assert_int_equal(e.id, id);
    assert_int_equal(e.len, len);
}

static void expect_none(void)
{
    struct virtq_used_elem e;
    assert_false(used_take(0, &e));
}

/* --- registers --- */

static void device_is_modern_virtio(void **)
{
    unsigned notify = cap_find(SLOT, PCI_CAP_VENDOR, VIRTIO_CAP_NOTIFY);
    drv_find(SLOT);
    assert_int_equal(cfg_get(SLOT, 0, 4), 0x1044 << 16 | 0x1AF4);
    assert_int_equal(cfg_get(SLOT, 8, 1), 1);
    assert_int_equal(cfg_get(SLOT, 0x3D, 1), 0);
    assert_int_equal(cfg_get(SLOT, CFG_BAR + 4 * cfg_get(SLOT, notify + 4, 1), 4) & 1, 1); /* kicked by port */
    assert_int_equal(drv.stride, 2);
    assert_int_equal(cfg_get(SLOT, notify + 12, 4), 2);
    assert_int_equal(common_get(VIRTIO_COMMON_NUM_QUEUES, 2), 1);
    assert_int_equal(features_offered(), VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC);
    common_put(VIRTIO_COMMON_DEVICE_FEATURE_SELECT, 4, 2);
    assert_int_equal(common_get(VIRTIO_COMMON_DEVICE_FEATURE, 4), 0);
}

static void features_it_does_not_have_are_refused(void **)
{
    drv_find(SLOT);
    assert_false(drv_negotiate(VIRTIO_F_EVENT_IDX)); /* legacy */
    assert_false(drv_negotiate(VIRTIO_F_VERSION_1 | BIT64(0)));
    assert_false(drv_negotiate(VIRTIO_F_VERSION_1 | BIT64(40)));
    assert_false(drv_negotiate(0));
    status_add(VIRTIO_DRIVER_OK);
    assert_false(status_get() & VIRTIO_DRIVER_OK);
    assert_true(drv_negotiate(VIRTIO_F_VERSION_1));
    common_put(VIRTIO_COMMON_DRIVER_FEATURE, 4, 0); /* too late */
    assert_int_equal(common_get(VIRTIO_COMMON_DRIVER_FEATURE, 4), 1);
}

static void queue_registers_keep_what_they_may(void **)
{
    drv_find(SLOT);
    assert_true(drv_negotiate(VIRTIO_F_VERSION_1));
    common_put(VIRTIO_COMMON_QUEUE_SELECT, 2, 1);
    common_put(VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
    for (unsigned off = VIRTIO_COMMON_QUEUE_SIZE; off < VIRTIO_COMMON_QUEUE_DESC; off += 2)
        assert_int_equal(common_get(off, 2), 0); /* no such queue */
    common_put(VIRTIO_COMMON_QUEUE_SELECT, 2, 0);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_SIZE, 2), 8);
    common_put(VIRTIO_COMMON_QUEUE_VECTOR, 2, 1);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_VECTOR, 2), 1);
    common_put(VIRTIO_COMMON_QUEUE_VECTOR, 2, 2); /* there are two vectors */
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
    common_put(VIRTIO_COMMON_CONFIG_VECTOR, 2, 0);
    assert_int_equal(common_get(VIRTIO_COMMON_CONFIG_VECTOR, 2), 0);
    common_put(VIRTIO_COMMON_CONFIG_VECTOR, 2, 7);
    assert_int_equal(common_get(VIRTIO_COMMON_CONFIG_VECTOR, 2), VIRTIO_NO_VECTOR);
    mmio_put(drv.common + VIRTIO_COMMON_QUEUE_DESC, 8, 1); /* to be written by halves */
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_DESC, 4), 0);
    common_put64(VIRTIO_COMMON_QUEUE_DESC, 0x1122334455667780);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_DESC, 4), 0x55667780);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_DESC + 4, 4), 0x11223344);
    queue_up(0, 4);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_ENABLE, 2), 1);
    common_put(VIRTIO_COMMON_QUEUE_SIZE, 2, 8); /* fixed now */
    common_put(VIRTIO_COMMON_QUEUE_DESC, 4, 0);
    common_put(VIRTIO_COMMON_QUEUE_ENABLE, 2, 0);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_SIZE, 2), 4);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_DESC, 4), QUEUE_AREA(0));
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_ENABLE, 2), 1);
    common_put(VIRTIO_COMMON_STATUS, 1, 0);
    assert_int_equal(status_get(), 0);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
    assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_SIZE, 2), 8);
    assert_int_equal(common_get(VIRTIO_COMMON_DRIVER_FEATURE, 4), 0);
}

static void wrong_sizes_do_nothing(void **)
{
    drv_find(SLOT);
    common_put(VIRTIO_COMMON_STATUS, 4, 1);
    common_put(VIRTIO_COMMON_QUEUE_SELECT + 1, 1, 1);
    common_put(VIRTIO_COMMON_QUEUE_DESC + 2, 4, 1);
    assert_int_equal(status_get(), 0);
    assert_int_equal(common_get(VIRTIO_COMMON_STATUS, 2), 0);
    for (uint64_t off = 0; off < 4096; off++)
        for (unsigned size = 1; size <= 8 && off + size <= 4096; size *= 2) {
            if (off != VIRTIO_COMMON_QUEUE_ENABLE)
                mmio_put(drv.common + off, size, 0);
            mmio_get(drv.common + off, size);
        }
    assert_int_equal(stopped.count, 0);
}

/* --- the window through configuration space, and polling --- */

static void window_set(unsigned at, uint8_t bar, uint32_t off, uint32_t len)
{
    cfg_put(SLOT, at + 4, 1, bar);
    cfg_put(SLOT, at + 8, 4, off);
    cfg_put(SLOT, at + 12, 4, len);
}

static void the_window_reaches_the_registers(void **)
{
    unsigned at = cap_find(SLOT, PCI_CAP_VENDOR, VIRTIO_CAP_PCI), common = cap_find(SLOT, PCI_CAP_VENDOR, VIRTIO_CAP_COMMON);
    uint8_t bar = (uint8_t)cfg_get(SLOT, common + 4, 1);
    uint32_t base = cfg_get(SLOT, common + 8, 4);
    assert_int_equal(cfg_get(SLOT, at + 2, 1), 20);
    window_set(at, bar, base + VIRTIO_COMMON_STATUS, 1);
    cfg_put(SLOT, at + 16, 1, VIRTIO_ACKNOWLEDGE);
    assert_int_equal(mmio_get(drv.common + VIRTIO_COMMON_STATUS, 1), VIRTIO_ACKNOWLEDGE);
    cfg_put(SLOT, at + 16, 4, 0xFFFFFF00 | VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER); /* the window's length counts, not the access's */
    assert_int_equal(cfg_get(SLOT, at + 16, 1), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    window_set(at, bar, base + VIRTIO_COMMON_NUM_QUEUES, 2);
    port_put(0xCF8, 4, 0x80000000 | SLOT << 11 | (at + 16));
    assert_int_equal(port_get(0xCFC, 2), mmio_get(drv.common + VIRTIO_COMMON_NUM_QUEUES, 2));
}

static void a_window_to_nowhere_does_nothing(void **)
{
    static const struct { uint8_t bar; uint32_t off, len; } bad[] = { { 1, 0x14, 0 }, { 1, 0x14, 3 }, { 1, 0x14, 8 }, { 1, 0x15, 2 },
        { 1, 0x1000, 1 }, { 1, UINT32_MAX, 1 }, { 3, 0x14, 1 }, { 6, 0x14, 1 }, { 255, 0x14, 1 }, { 1, 0x14, UINT32_MAX } };
    unsigned at = cap_find(SLOT, PCI_CAP_VENDOR, VIRTIO_CAP_PCI);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        window_set(at, bad[i].bar, bad[i].off, bad[i].len);
        cfg_put(SLOT, at + 16, 4, 0x5A5A5A5A);
        assert_int_equal(cfg_get(SLOT, at + 16, 4), 0x5A5A5A5A);
    }
    assert_int_equal(mmio_get(drv.common + VIRTIO_COMMON_STATUS, 1), 0);
    assert_int_equal(stopped.count, 0);
}

static void a_driver_without_msix_can_poll(void **)
{
    drv_start(SLOT, 8, 0);
    msix_control(SLOT, 0);
    assert_int_equal(submit(0, ask(64)), OK);
    expect_used(0, 64);
    assert_int_equal(msi.count, 0);
    assert_int_equal(mmio_get(drv.isr, 1), VIRTIO_ISR_QUEUE);
    assert_int_equal(mmio_get(drv.isr, 1), 0);
}

/* --- rings --- */

static void requests_are_served(void **)
{
    struct piece two[] = { { BUF, 10, true }, { HIGH, 20, true } };
    uint8_t b[300] = { 0 };
    drv_start(SLOT, 8, 0);
    assert_int_equal(submit(0, ask(64)), OK);
    expect_used(0, 64);
    ram_read(BUF, b, 64);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(b[i], (uint8_t)(b[0] + i)); /* the fake ground's entropy counts */
    assert_int_equal(msi.count, 1);
    assert_int_equal(msi.data, 0x41);
    assert_int_equal(mmio_get(drv.isr, 1), 0); /* it got a message */
    assert_int_equal(submit(0, chain_put(0, two, 2)), OK);
    expect_used(1, 30);
    ram_read(HIGH, b, 20);
    assert_int_equal((uint8_t)(b[19] - b[0]), 19);
    assert_int_equal(submit(0, ask(100000)), OK); /* fills a part of it */
    expect_used(3, 256);
    expect_none();
}

static void buffers_may_cross_ram_chunks_that_are_apart(void **)
{
    struct piece p = { MEM_CHUNK - 7, 256, true };
    uint8_t b[256];
    drv_start(SLOT, 8, 0);
    assert_int_equal(submit(0, chain_put(0, &p, 1)), OK);
    ram_read(p.at, b, sizeof b);
    assert_int_equal((uint8_t)(b[255] - b[0]), 255);
}

static void rings_may_cross_ram_chunks_and_lie_high(void **)
{
    drv_find(SLOT);
    assert_true(drv_negotiate(VIRTIO_F_VERSION_1));
    drv.q[0] = (struct drvq){
        .size = 8, .desc = MEM_CHUNK - 32, .driver = MEM_HIGH_START + MEM_CHUNK - 22, .device = RAM_LOW - 72
    };
    assert_int_equal(queue_enable_at(0, 8, drv.q[0].desc, drv.q[0].driver, drv.q[0].device), OK);
    status_add(VIRTIO_DRIVER_OK);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(submit(0, ask(i + 1)), OK);
        expect_used(i % 8, i + 1);
    }
}

static void chains_added_before_driver_ok_are_found(void **)
{
    drv_find(SLOT);
    assert_true(drv_negotiate(features_offered()));
    queue_up(0, 8);
    avail_put(0, ask(5));
    assert_int_equal(kick(0), OK); /* too early */
    expect_none();
    status_add(VIRTIO_DRIVER_OK);
    expect_used(0, 5);
}

static void without_bus_master_there_is_no_dma(void **)
{
    drv_start(SLOT, 8, 0);
    cfg_put(SLOT, CFG_COMMAND, 2, 3);
    avail_put(0, ask(5));
    assert_int_equal(kick(0), OK);
    expect_none();
    cfg_put(SLOT, CFG_COMMAND, 2, 7);
    assert_int_equal(kick(0), OK);
    expect_used(0, 5);
}

/* Indices wrap at 65,536; each run of k requests is kicked once and interrupts once. */
static void indices_wrap(uint64_t without)
{
    unsigned kicks = 0, done = 0;
    drv_start(SLOT, 8, without);
    for (unsigned round = 0; done < 70000; round++) {
        unsigned k = 1 + round % 8, before = msi.count;
        for (unsigned i = 0; i < k; i++)
            if (avail_put(0, ask(1 + i)) && !(without & VIRTIO_F_EVENT_IDX))
                kicks++;
        assert_int_equal(kick(0), OK);
        for (unsigned i = 0; i < k; i++)
            expect_used((done + i) % 8, 1 + i);
        expect_none();
        assert_int_equal(msi.count, before + 1);
        done += k;
        if (!(without & VIRTIO_F_EVENT_IDX))
            assert_int_equal(kicks, round + 1);
    }
    assert_int_equal(stopped.count, 0);
}
static void indices_wrap_with_event_idx(void **)
{
    indices_wrap(0);
}
static void indices_wrap_without_event_idx(void **)
{
    indices_wrap(VIRTIO_F_EVENT_IDX);
}

static void interrupts_are_left_out_on_request(void **)
{
    drv_start(SLOT, 8, VIRTIO_F_EVENT_IDX);
    ram_put16(drv.q[0].driver, VIRTQ_AVAIL_NO_INTERRUPT);
    submit(0, ask(1));
    expect_used(0, 1);
    assert_int_equal(msi.count, 0);
    drv_start(SLOT, 8, 0);
    ram_put16(drv.q[0].driver + VIRTQ_AVAIL_RING(8), 2); /* at the third */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(msi.count, 0);
        avail_put(0, ask(1));
        assert_int_equal(kick(0), OK);
    }
    assert_int_equal(msi.count, 1);
    common_put(VIRTIO_COMMON_QUEUE_VECTOR, 2, VIRTIO_NO_VECTOR);
    expect_used(0, 1), expect_used(1, 1), expect_used(2, 1);
    submit(0, ask(1));
    expect_used(3, 1);
    assert_int_equal(msi.count, 1);
}

static void indirect_tables_work(void **)
{
    struct piece p[] = { { BUF, 3, true }, { BUF + 100, 4, true }, { BUF + 200, 5, true } };
    drv_start(SLOT, 2, 0); /* the table may hold more than the queue */
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(submit(0, indirect_put(0, TABLE, p, 3)), OK);
        expect_used(i % 2, 12);
    }
    desc_put(0, 1, BUF, 1, VIRTQ_DESC_WRITE | VIRTQ_DESC_NEXT, 0); /* a plain one first, then the table */
    desc_put(0, 0, TABLE, 48, VIRTQ_DESC_INDIRECT | VIRTQ_DESC_WRITE, 0);
    assert_int_equal(submit(0, 1), OK);
    expect_used(1, 13);
}

static void reset_forgets_everything(void **)
{
    drv_start(SLOT, 8, 0);
    avail_put(0, ask(5));
    common_put(VIRTIO_COMMON_STATUS, 1, 0);
    assert_int_equal(kick(0), OK);
    expect_none();
    drv_start(SLOT, 8, 0);
    assert_int_equal(submit(0, ask(6)), OK);
    expect_used(0, 6);
}

static void init_fails_where_there_is_no_room(void **)
{
    static struct virtio_rng second;
    assert_int_equal(virtio_rng_init(&second, &vm, &host, SLOT), ERR_EXISTS);
    host.next_mmio = PC_WINDOW_BASE + PC_WINDOW_SIZE - 4096; /* room for the registers, none for MSI-X */
    assert_int_equal(virtio_rng_init(&second, &vm, &host, 6), ERR_FULL);
}

/* --- a guest that breaks the rules is stopped, with a text that says why --- */

#define W VIRTQ_DESC_WRITE
#define N VIRTQ_DESC_NEXT
#define I VIRTQ_DESC_INDIRECT

static const struct hostile {
    const char *text;
    struct virtq_desc desc[4];  /* the table from 0 */
    struct virtq_desc table[3]; /* at TABLE */
    uint16_t head;
    uint64_t without;
} hostile[] = {
    { .text = "past the table", .head = 8 },
    { .text = "past the table", .head = 0xFFFF },
    { .text = "past the table", .desc = { { BUF, 1, W | N, 8 } } },
    { .text = "past the table", .desc = { { BUF, 1, W | N, 0xFFFF } } },
    { .text = "loop", .desc = { { BUF, 1, W | N, 0 } } },
    { .text = "loop", .desc = { { BUF, 1, W | N, 1 }, { BUF, 1, W | N, 2 }, { BUF, 1, W | N, 0 } } },
    { .text = "loop", .desc = { { TABLE, 32, I, 0 } }, .table = { { BUF, 1, W | N, 1 }, { BUF, 1, W | N, 0 } } },
    { .text = "too long", .desc = { { TABLE, 160, I, 0 } }, .table = { { BUF, 1, W | N, 1 }, { BUF, 1, W | N, 0 } } },
    { .text = "empty", .desc = { { BUF, 0, W, 0 } } },
    { .text = "outside memory", .desc = { { RAM_LOW, 1, W, 0 } } },
    { .text = "outside memory", .desc = { { RAM_LOW - 1, 2, W, 0 } } },
    { .text = "outside memory", .desc = { { 0, 0xFFFFFFFF, W, 0 } } },
    { .text = "outside memory", .desc = { { MEM_HIGH_START + RAM_HIGH, 1, W, 0 } } },
    { .text = "outside memory", .desc = { { MEM_HIGH_START + RAM_HIGH - 16, 17, W, 0 } } },
    { .text = "outside memory", .desc = { { MEM_HIGH_START - 1, 2, W, 0 } } },
    { .text = "outside memory", .desc = { { UINT64_MAX, 1, W, 0 } } },
    { .text = "outside memory", .desc = { { UINT64_MAX - 15, 32, W, 0 } } },
    { .text = "outside memory", .desc = { { PC_WINDOW_BASE, 1, W, 0 } } },
    { .text = "readable descriptor after", .desc = { { BUF, 1, W | N, 1 }, { BUF, 1, 0, 0 } } },
    { .text = "without the feature",
      .desc = { { TABLE, 16, I, 0 } },
      .table = { { BUF, 1, W, 0 } },
      .without = VIRTIO_F_INDIRECT_DESC },
    { .text = "inside or before",
      .desc = { { TABLE, 16, I | N, 1 }, { BUF, 1, W, 0 } },
      .table = { { BUF, 1, W, 0 } } },
    { .text = "inside or before", .desc = { { TABLE, 16, I, 0 } }, .table = { { TABLE, 16, I, 0 } } },
    { .text = "inside or before", .desc = { { QUEUE_AREA(0), 128, I, 0 } } }, /* the queue's own table */
    { .text = "odd length", .desc = { { TABLE, 0, I, 0 } } },
    { .text = "odd length", .desc = { { TABLE, 17, I, 0 } } },
    { .text = "table outside", .desc = { { RAM_LOW - 16, 32, I, 0 } } },
    { .text = "table outside", .desc = { { UINT64_MAX - 15, 16, I, 0 } } },
    { .text = "table outside", .desc = { { 0, 0xFFFFFFF0, I, 0 } } },
    { .text = "past the table", .desc = { { TABLE, 32, I, 0 } }, .table = { { BUF, 1, W | N, 2 } } },
};

static void hostile_chains_stop_the_guest(void **)
{
    for (unsigned i = 0; i < ARRAY_LEN(hostile); i++) {
        const struct hostile *h = &hostile[i];
        uint8_t before[64], after[64];

        drv_start(SLOT, 8, h->without);
        stopped.count = 0;
        ram_write(drv.q[0].desc, h->desc, sizeof h->desc);
        ram_write(TABLE, h->table, sizeof h->table);
        ram_read(BUF, before, sizeof before);
        avail_put(0, h->head);
        assert_int_equal(kick(0), ERR_GUEST);
        assert_int_equal(stopped.count, 1);
        assert_int_equal(stopped.why, VM_FAULTED);
        if (!strstr(stopped.text, h->text) || strncmp(stopped.text, "virtio-rng: ", 12) ||
            !strstr(stopped.text, "in queue 0"))
            fail_msg("row %u: %s", i, stopped.text);
        expect_none();
        ram_read(BUF, after, sizeof after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(kick(0), OK); /* it is being stopped: nothing more is done for it */
        rng.dev.broken = false;
    }
}

static void available_index_may_not_jump(void **)
{
    static const uint16_t idx[] = { 9, 100, 0x8000, 0xFFFF };
    for (unsigned i = 0; i < ARRAY_LEN(idx); i++) {
        drv_start(SLOT, 8, 0);
        stopped.count = 0;
        ram_put16(drv.q[0].driver + VIRTQ_AVAIL_IDX, idx[i]);
        assert_int_equal(kick(0), ERR_GUEST);
        assert_string_equal(stopped.text, "virtio-rng: available index jumps in queue 0");
        rng.dev.broken = false;
    }
}

static void impossible_queues_are_refused(void **)
{
    static const struct {
        uint16_t size;
        uint64_t desc, driver, device;
    } bad[] = {
        { 0, 0x1000, 0x2000, 0x3000 },
        { 3, 0x1000, 0x2000, 0x3000 },
        { 16, 0x1000, 0x2000, 0x3000 },
        { 0x8000, 0x1000, 0x2000, 0x3000 },
        { 0xFFFF, 0x1000, 0x2000, 0x3000 },
        { 8, 0x1008, 0x2000, 0x3000 },
        { 8, 0x1000, 0x2001, 0x3000 },
        { 8, 0x1000, 0x2000, 0x3002 },
        { 8, RAM_LOW - 112, 0x2000, 0x3000 },
        { 8, 0x1000, RAM_LOW - 20, 0x3000 },
        { 8, 0x1000, 0x2000, RAM_LOW - 68 },
        { 8, UINT64_MAX - 15, 0x2000, 0x3000 },
        { 8, 0x1000, UINT64_MAX - 1, 0x3000 },
        { 8, 0x1000, 0x2000, UINT64_MAX - 3 },
        { 8, MEM_HIGH_START + RAM_HIGH, 0x2000, 0x3000 },
    };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        drv_find(SLOT);
        assert_true(drv_negotiate(VIRTIO_F_VERSION_1));
        stopped.count = 0;
        assert_int_equal(queue_enable_at(0, bad[i].size, bad[i].desc, bad[i].driver, bad[i].device), ERR_GUEST);
        assert_int_equal(stopped.why, VM_FAULTED);
        assert_int_equal(common_get(VIRTIO_COMMON_QUEUE_ENABLE, 2), 0);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(device_is_modern_virtio),
        T(features_it_does_not_have_are_refused),
        T(queue_registers_keep_what_they_may),
        T(wrong_sizes_do_nothing),
        T(the_window_reaches_the_registers), T(a_window_to_nowhere_does_nothing), T(a_driver_without_msix_can_poll),
        T(requests_are_served),
        T(buffers_may_cross_ram_chunks_that_are_apart),
        T(rings_may_cross_ram_chunks_and_lie_high),
        T(chains_added_before_driver_ok_are_found),
        T(without_bus_master_there_is_no_dma),
        T(indices_wrap_with_event_idx),
        T(indices_wrap_without_event_idx),
        T(interrupts_are_left_out_on_request),
        T(indirect_tables_work),
        T(reset_forgets_everything),
        T(init_fails_where_there_is_no_room),
        T(hostile_chains_stop_the_guest),
        T(available_index_may_not_jump),
        T(impossible_queues_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
