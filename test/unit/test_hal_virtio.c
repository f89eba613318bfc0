/* hal/virtio_blk and hal/virtq against a model of the device that checks what it is given. */
#include "test/unit/disk_kit.h"
#include "test/unit/fake_pci.h"
#include "base/bytes.h"
#include "base/str.h"
#include "hal/virtio_blk.h"
#include "hal/virtq.h"

/* --- the device --- */

enum { AT_COMMON = 0, AT_NOTIFY = 0x1000, AT_CONFIG = 0x2000 };
#define SECTORS 4096u
#define F(n) BIT64(n)
#define ALL_FEATURES (F(2) | F(6) | F(9) | F(12) | F(13) | F(28) | F(29) | F(32))

static struct {
    uint64_t features, accepted;
    uint32_t feature_select, driver_select;
    uint8_t status, config[64];
    bool refuse_features, never_reset;
    uint16_t queue_select, queue_max;
    struct {
        uint16_t size, vector, enable, seen, used;
        uint64_t desc, driver, device;
    } q[4];
    /* how it behaves */
    bool sleepless;  /* it looks at the rings by itself and wants no notifications */
    uint16_t lie;    /* not 0: completes with this id */
    unsigned fail_at, done, interrupts, kicks;
    uint8_t fail_status;
} hw;
static uint8_t image[SECTORS * 512];
static uint64_t last_discard, discards;

static uint64_t hw_read(uint64_t off, unsigned size)
{
    uint64_t v = 0;

    switch (off) {
    case 0x04: return (uint32_t)(hw.features >> 32 * hw.feature_select);
    case 0x12: return ARRAY_LEN(hw.q);
    case 0x14: return hw.status;
    case 0x15: return 0;
    case 0x18: return hw.q[hw.queue_select].size;
    case 0x1A: return hw.q[hw.queue_select].vector;
    case 0x1E: return hw.queue_select;
    }
    assert_in_range(off, AT_CONFIG, AT_CONFIG + sizeof hw.config - size);
    memcpy(&v, hw.config + (off - AT_CONFIG), size);
    return v;
}

static void hw_reset(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(hw.q); i++) {
        memset(&hw.q[i], 0, sizeof hw.q[i]);
        hw.q[i].size = hw.queue_max;
        hw.q[i].vector = 0xFFFF;
        put_le16(fake_pci.bar + AT_NOTIFY + 4 * i, 0xFFFF);
    }
}

static void half_set(uint64_t *to, bool high, uint64_t val)
{
    *to = high ? (uint32_t)*to | val << 32 : (*to & 0xFFFFFFFF00000000) | val;
}

static void hw_write(uint64_t off, unsigned size, uint64_t val)
{
    (void)size;
    switch (off) {
    case 0x00: hw.feature_select = (uint32_t)val; return;
    case 0x08: hw.driver_select = (uint32_t)val; return;
    case 0x0C: half_set(&hw.accepted, hw.driver_select, val); return;
    case 0x10: return;
    case 0x14:
        if (!val && hw.never_reset)
            return;
        if (!val)
            hw_reset();
        hw.status = (uint8_t)(hw.refuse_features ? val & ~8u : val);
        return;
    case 0x16: hw.queue_select = (uint16_t)val; return;
    case 0x18: assert_in_range(val, 1, hw.queue_max); hw.q[hw.queue_select].size = (uint16_t)val; return;
    case 0x1A: hw.q[hw.queue_select].vector = (uint16_t)val; return;
    case 0x1C: assert_true(hw.status & 8); hw.q[hw.queue_select].enable = 1; return;
    }
    assert_in_range(off, 0x20, 0x34);
    half_set(off < 0x28 ? &hw.q[hw.queue_select].desc : off < 0x30 ? &hw.q[hw.queue_select].driver :
             &hw.q[hw.queue_select].device, off % 8, val);
}

static uint16_t *ring16(uint64_t base, unsigned off) { return (uint16_t *)(uintptr_t)(base + off); }

/* One request: a chain in t, of which the first is at. */
static void hw_request(const struct virtq_desc *t, unsigned at, unsigned limit)
{
    uint32_t type = get_le32((void *)(uintptr_t)t[at].addr), count = 0;
    uint64_t sector = get_le64((uint8_t *)(uintptr_t)t[at].addr + 8), byte = sector * 512;
    bool fails = ++hw.done == hw.fail_at;

    assert_int_equal(t[at].len, 16);
    assert_int_equal(t[at].flags, VIRTQ_DESC_NEXT);
    for (at = t[at].next; t[at].flags & VIRTQ_DESC_NEXT; at = t[at].next) {
        void *mem = (void *)(uintptr_t)t[at].addr;

        assert_true(++count < limit && at < limit);
        assert_int_equal(t[at].flags & VIRTQ_DESC_WRITE, type == 0 ? VIRTQ_DESC_WRITE : 0);
        if (type == 11) {
            assert_int_equal(t[at].len, 16);
            last_discard = get_le64(mem) + get_le32((uint8_t *)mem + 8);
            discards++;
            assert_true(get_le32((uint8_t *)mem + 8) <= get_le32(hw.config + 36));
            continue;
        }
        assert_true(type < 2 && byte + t[at].len <= sizeof image);
        if (type == 0 && !fails)
            memcpy(mem, image + byte, t[at].len);
        else if (!fails)
            memcpy(image + byte, mem, t[at].len);
        byte += t[at].len;
    }
    assert_int_equal(t[at].flags, VIRTQ_DESC_WRITE);
    assert_int_equal(t[at].len, 1);
    *(uint8_t *)(uintptr_t)t[at].addr = fails ? hw.fail_status : 0;
}

static void hw_queue(unsigned n)
{
    uint16_t size = hw.q[n].size, *avail = ring16(hw.q[n].driver, 0), *used = ring16(hw.q[n].device, 0);
    const struct virtq_desc *ring = (void *)(uintptr_t)hw.q[n].desc;
    uint16_t before = hw.q[n].used, event = avail[2 + size];

    for (; hw.q[n].seen != avail[1]; hw.q[n].seen++) {
        unsigned at = avail[2 + hw.q[n].seen % size];
        uint32_t *slot = (uint32_t *)(void *)(used + 2) + 2 * (hw.q[n].used % size);

        assert_true(at < size);
        if (ring[at].flags & VIRTQ_DESC_INDIRECT) {
            assert_true(hw.accepted & F(28));
            hw_request((void *)(uintptr_t)ring[at].addr, 0, ring[at].len / 16);
        } else {
            hw_request(ring, at, size);
        }
        slot[0] = hw.lie ? hw.lie : at;
        used[1] = ++hw.q[n].used;
    }
    if (hw.accepted & F(29))
        used[2 + 4 * size] = (uint16_t)(hw.sleepless ? hw.q[n].seen - 1000 : hw.q[n].seen);
    else
        used[0] = hw.sleepless;
    if (hw.q[n].used == before)
        return;
    if (hw.accepted & F(29) ? (uint16_t)(hw.q[n].used - event - 1) < (uint16_t)(hw.q[n].used - before) : !avail[0]) {
        hw.interrupts++;
        assert_true(fake_pci_interrupt(hw.q[n].vector));
    }
}

/* The device works: on what it was notified of or, if it is sleepless, on whatever there is. */
static void hw_run(void)
{
    for (unsigned n = 0; n < ARRAY_LEN(hw.q); n++) {
        uint8_t *bell = fake_pci.bar + AT_NOTIFY + 4 * n;
        bool kicked = get_le16(bell) != 0xFFFF;

        if (!hw.q[n].enable || !(hw.status & 4) || !fake_pci_may_dma())
            continue;
        if (kicked) {
            assert_int_equal(get_le16(bell), n);
            put_le16(bell, 0xFFFF);
            hw.kicks++;
        }
        if (kicked || hw.sleepless)
            hw_queue(n);
    }
}

/* --- the driver's surroundings --- */

static void vendor_cap(uint8_t type, uint32_t off, uint32_t len)
{
    fake_pci_cap(HAL_PCI_CAP_VENDOR, (uint32_t[]){ (uint32_t)type << 24 | 20 << 16, 0, off, len, 4 }, 5);
}

static void hw_make(uint64_t features, unsigned vectors)
{
    memset(&hw, 0, sizeof hw);
    fake_pci_init(0x10421AF4, 0x010000, vectors);
    fake_pci.read = hw_read;
    fake_pci.write = hw_write;
    vendor_cap(1, AT_COMMON, 0x38);
    vendor_cap(2, AT_NOTIFY, 0x100);
    vendor_cap(3, 0x3000, 1);
    vendor_cap(4, AT_CONFIG, sizeof hw.config);
    hw.features = features;
    hw.queue_max = 256;
    hw.fail_status = 1;
    put_le64(hw.config, SECTORS);
    put_le32(hw.config + 12, 254);
    put_le32(hw.config + 20, 512);
    put_le16(hw.config + 34, ARRAY_LEN(hw.q));
    put_le32(hw.config + 36, 100);
    discards = 0;
    disk[0] = NULL;
    ndisks = 0;
    hw_reset();
}

static err_t probe(void) { return hal_virtio_blk_probe(&fake_pci.dev, 0); }

static int setup(void **state)
{
    (void)state;
    fake_set_cpus(1, 0);
    fake_set_tsc(1000000);
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i / 512 + i);
    hw_make(ALL_FEATURES, 4);
    return 0;
}

static void submit(struct blk_req *r) { disk[0]->ops->submit(disk[0], r); }

static err_t run(enum blk_op op, uint64_t sector, struct blk_seg *seg, uint32_t nseg)
{
    return disk_run(disk[0], op, sector, seg, nseg);
}

/* --- tests --- */

static void scattered_reads_and_writes_reach_the_disk(void **state)
{
    static const uint64_t without[] = { 0, F(28), F(29), F(28) | F(29) };
    static uint8_t buf[4096] ALIGNED(16), back[4096] ALIGNED(16);
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        struct blk_seg out[] = { { hpa_of(buf), 4 }, { hpa_of(buf + 4), 2044 }, { hpa_of(buf + 2048), 2048 } };
        struct blk_seg in[] = { { hpa_of(back), 1000 }, { hpa_of(back + 1000), 3096 } };

        hw_make(ALL_FEATURES & ~without[i], 4);
        assert_int_equal(probe(), OK);
        assert_int_equal(hw.accepted, hw.features);
        assert_string_equal(disk[0]->name, "vda");
        assert_int_equal(disk[0]->sectors, SECTORS);
        assert_int_equal(disk[0]->max_segs, without[i] & F(28) ? 14 : 254);
        for (unsigned k = 0; k < 1000; k++) { /* the indexes go round many times */
            memset(buf, (int)k, sizeof buf);
            assert_int_equal(run(BLK_WRITE, k, out, 3), OK);
            assert_memory_equal(image + 512 * k, buf, sizeof buf);
            assert_int_equal(run(BLK_READ, k, in, 2), OK);
            assert_memory_equal(back, buf, sizeof buf);
        }
        assert_int_equal(run(BLK_FLUSH, 0, NULL, 0), OK);
        assert_int_equal(hw.done, 2001);
        assert_int_equal(hw.interrupts, 2001);
    }
}

static void each_cpu_has_its_queue_and_its_interrupt(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    (void)state;

    fake_set_cpus(3, 0);
    hw_make(ALL_FEATURES, 4);
    assert_int_equal(probe(), OK);
    for (unsigned cpu = 0; cpu < 3; cpu++) {
        fake_set_cpus(3, cpu);
        assert_true(hw.q[cpu].enable);
        assert_int_equal(hw.q[cpu].vector, cpu);
        /* the message goes to that CPU: the fake ground puts its number into the address */
        assert_int_equal(get_le32(fake_pci.bar + FAKE_MSIX_TABLE + 16 * cpu) >> 12 & 0xFF, cpu);
        assert_int_equal(run(BLK_READ, 1, &seg, 1), OK);
        assert_int_equal(hw.q[cpu].used, 1);
    }
    assert_false(hw.q[3].enable);
}

static void fewer_vectors_than_cpus_share_queues(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    (void)state;

    fake_set_cpus(5, 0);
    hw_make(ALL_FEATURES, 2);
    assert_int_equal(probe(), OK);
    assert_true(hw.q[1].enable && !hw.q[2].enable);
    fake_set_cpus(5, 3);
    assert_int_equal(run(BLK_READ, 1, &seg, 1), OK);
    assert_int_equal(hw.q[1].used, 1);
}

static void requests_beyond_the_queue_wait_their_turn(void **state)
{
    static struct blk_req r[500];
    static uint8_t buf[500][512] ALIGNED(16);
    static struct blk_seg seg[500];
    (void)state;

    for (int indirect = 0; indirect < 2; indirect++) {
        hw_make(indirect ? ALL_FEATURES : ALL_FEATURES & ~F(28), 4);
        assert_int_equal(probe(), OK);
        dones = failed = 0;
        for (unsigned i = 0; i < 500; i++) {
            seg[i] = (struct blk_seg){ hpa_of(buf[i]), 512 };
            r[i] = make(BLK_READ, 3 * i, &seg[i], 1);
            submit(&r[i]);
        }
        assert_int_equal(dones, 0);
        hw_run();
        assert_int_equal(dones, indirect ? VIRTQ_SLOTS : 8);
        for (unsigned i = 0; i < 100; i++)
            hw_run();
        assert_int_equal(dones, 500);
        assert_int_equal(failed, 0);
        for (unsigned i = 0; i < 500; i++)
            assert_memory_equal(buf[i], image + 512 * 3 * i, 512);
    }
}

/* Each completion submits the next request, as a guest's would. */
static unsigned again;
static void on_done_again(struct blk_req *r, err_t e)
{
    assert_int_equal(e, OK);
    if (again) {
        again--;
        submit(r);
    }
}
static void done_may_submit_again(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct blk_req r = make(BLK_READ, 1, &seg, 1);
    (void)state;

    assert_int_equal(probe(), OK);
    r.done = on_done_again;
    again = 50;
    submit(&r);
    for (unsigned i = 0; i < 60; i++)
        hw_run();
    assert_int_equal(again, 0);
    assert_int_equal(hw.done, 51);
}

static void an_error_hits_only_its_own_request(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct blk_req r[10];
    err_t result[10];
    (void)state;

    assert_int_equal(probe(), OK);
    for (unsigned n = 0; n < 10; n++) {
        hw.done = 0;
        hw.fail_at = n + 1;
        hw.fail_status = n % 2 ? 2 : 1;
        for (unsigned i = 0; i < 10; i++) {
            r[i] = make(BLK_READ, i, &seg, 1);
            r[i].owner = &result[i];
            submit(&r[i]);
        }
        hw_run();
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(result[i], i != n ? OK : n % 2 ? ERR_UNSUPPORTED : ERR_IO);
    }
}

static void every_failed_allocation_leaves_nothing_behind(void **state)
{
    uint64_t before = fake_pages_in_use();
    unsigned n = 1;
    (void)state;

    fake_set_cpus(3, 0);
    for (;; n++) {
        hw_make(ALL_FEATURES, 4);
        fake_fail_alloc(n);
        if (!probe())
            break;
        assert_int_equal(fake_pages_in_use(), before);
        assert_null(disk[0]);
        assert_false(fake_pci_may_dma());
        for (unsigned i = 0; i < ARRAY_LEN(hw.q); i++)
            assert_false(hw.q[i].enable);
        assert_non_null(strstr(fake_last_log(), "left out"));
    }
    fake_fail_alloc(0);
    assert_int_equal(n, 1 + 4); /* the disk and three queues */
}

static void a_device_that_looks_itself_is_not_notified(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    (void)state;

    for (int event_idx = 0; event_idx < 2; event_idx++) {
        hw_make(event_idx ? ALL_FEATURES : ALL_FEATURES & ~F(29), 4);
        assert_int_equal(probe(), OK);
        hw.sleepless = true;
        assert_int_equal(run(BLK_READ, 1, &seg, 1), OK); /* notified: it did not know yet */
        hw.kicks = 0;
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(run(BLK_READ, 1, &seg, 1), OK);
        assert_int_equal(hw.kicks, 0);
        hw.sleepless = false;
        hw_queue(0);
        assert_int_equal(run(BLK_READ, 1, &seg, 1), OK);
        assert_int_equal(hw.kicks, 1);
    }
}

static void one_kick_tells_of_many(void **state)
{
    uint8_t buf[2][512] ALIGNED(4);
    struct blk_seg seg[2] = { { hpa_of(buf[0]), 512 }, { hpa_of(buf[1]), 512 } };
    (void)state;

    assert_int_equal(probe(), OK);
    dones = hw.kicks = 0;
    struct blk_req r[2] = { make(BLK_READ, 1, &seg[0], 1), make(BLK_READ, 2, &seg[1], 1) };
    for (unsigned i = 0; i < 2; i++) {
        r[i].more = true;
        disk[0]->ops->submit(disk[0], &r[i]);
        hw_run();
    }
    assert_int_equal(hw.kicks, 0);
    disk[0]->ops->kick(disk[0]);
    hw_run();
    assert_int_equal(hw.kicks, 1);
    assert_int_equal(dones, 2);
}

static void one_interrupt_serves_many(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct blk_req r[20];
    (void)state;

    assert_int_equal(probe(), OK);
    dones = 0;
    for (unsigned i = 0; i < 20; i++) {
        r[i] = make(BLK_READ, i, &seg, 1);
        submit(&r[i]);
    }
    hw_run();
    assert_int_equal(dones, 20);
    assert_int_equal(hw.interrupts, 1);
}

static void half_of_what_is_in_flight_is_one_interrupt(void **state)
{
    static uint8_t buf[16 * 512] ALIGNED(4);
    struct blk_seg seg[16];
    struct blk_req r[16];
    (void)state;

    assert_int_equal(probe(), OK);
    dones = 0;
    disk[0]->ops->pace(disk[0], BLK_HALF);
    for (unsigned i = 0; i < 16; i++) {
        seg[i] = (struct blk_seg){ hpa_of(buf + i * 512), 512 };
        r[i] = make(BLK_READ, i, &seg[i], 1);
        submit(&r[i]);
    }
    disk[0]->ops->pace(disk[0], BLK_HALF); /* 16 are in flight now */
    struct virtq_mem *mem = (void *)(uintptr_t)hw.q[0].desc;
    assert_int_equal(mem->avail.ring[hw.q[0].size], hw.q[0].used + 7);
    hw_run();
    assert_int_equal(hw.interrupts, 1);
    assert_int_equal(dones, 16);
    disk[0]->ops->pace(disk[0], BLK_NONE);
    submit(&r[0]);
    hw_run();
    assert_int_equal(hw.interrupts, 1);
    assert_int_equal(dones, 16);
    disk[0]->ops->pace(disk[0], BLK_EACH); /* looks by itself */
    assert_int_equal(dones, 17);
}

static void poll_finds_what_no_interrupt_told(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct blk_req r = make(BLK_READ, 1, &seg, 1);
    struct virtq_mem *mem;
    (void)state;

    assert_int_equal(probe(), OK);
    dones = 0;
    mem = (void *)(uintptr_t)hw.q[0].desc;
    mem->avail.ring[hw.q[0].size] = 100; /* the device believes nobody wants to hear */
    submit(&r);
    hw_run();
    assert_int_equal(hw.interrupts, 0);
    assert_int_equal(dones, 0);
    disk[0]->ops->poll(disk[0]);
    assert_int_equal(dones, 1);
}

static void blocks_of_4_kib_are_kept_to(void **state)
{
    static uint8_t buf[4096] ALIGNED(16);
    struct blk_seg seg = { hpa_of(buf), 4096 }, half = { hpa_of(buf), 512 };
    (void)state;

    put_le32(hw.config + 20, 4096);
    put_le64(hw.config, SECTORS - 3);
    assert_int_equal(probe(), OK);
    assert_int_equal(disk[0]->block_size, 4096);
    assert_int_equal(disk[0]->sectors, SECTORS - 8); /* whole blocks only */
    assert_int_equal(run(BLK_READ, 8, &seg, 1), OK);
    assert_memory_equal(buf, image + 4096, 4096);
    assert_int_equal(run(BLK_READ, 8, &half, 1), ERR_INVAL);
    assert_int_equal(run(BLK_READ, 1, &seg, 1), ERR_INVAL);
    assert_int_equal(run(BLK_READ, SECTORS - 8, &seg, 1), ERR_RANGE);
    assert_int_equal(hw.done, 1);
}

static void what_the_device_lacks_is_not_asked_of_it(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    (void)state;

    hw_make(F(5) | F(13) | F(32), 4); /* read-only; no flush, no sizes, no queues, no ring features */
    assert_int_equal(probe(), OK);
    assert_true(disk[0]->read_only);
    assert_false(disk[0]->can_discard);
    assert_int_equal(disk[0]->max_segs, 1);
    assert_int_equal(run(BLK_FLUSH, 0, NULL, 0), OK);
    assert_int_equal(run(BLK_WRITE, 0, &seg, 1), ERR_UNSUPPORTED);
    assert_int_equal(hw.done, 0);
    assert_int_equal(run(BLK_READ, 0, &seg, 1), OK);
}

static void long_discards_take_several_commands(void **state)
{
    struct blk_req r = make(BLK_DISCARD, 8, NULL, 0);
    (void)state;

    assert_int_equal(probe(), OK);
    assert_true(disk[0]->can_discard);
    dones = 0;
    r.nsectors = 250; /* the device takes 100 */
    submit(&r);
    for (unsigned i = 0; i < 5; i++)
        hw_run();
    assert_int_equal(dones, 1);
    assert_int_equal(last, OK);
    assert_int_equal(discards, 3);
    assert_int_equal(last_discard, 258);
    hw.done = 0;
    hw.fail_at = 2;
    submit(&r);
    for (unsigned i = 0; i < 5; i++)
        hw_run();
    assert_int_equal(dones, 2);
    assert_int_equal(last, ERR_IO);
}

static void a_dead_device_ends_every_request(void **state)
{
    static struct blk_req r[200];
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    (void)state;

    for (int how = 0; how < 3; how++) {
        setup(NULL);
        assert_int_equal(probe(), OK);
        dones = failed = 0;
        for (unsigned i = 0; i < 200; i++) {
            r[i] = make(BLK_READ, i, &seg, 1);
            submit(&r[i]);
        }
        disk[0]->ops->poll(disk[0]);
        assert_int_equal(dones, 0);
        if (how == 0) { /* silence */
            fake_set_tsc(1000000 + HAL_DISK_TIMEOUT_NS - 1);
            disk[0]->ops->poll(disk[0]);
            assert_int_equal(dones, 0);
            fake_set_tsc(1000000 + HAL_DISK_TIMEOUT_NS);
        } else if (how == 1) { /* it says so itself */
            hw.status |= 0x40;
            fake_set_tsc(1000000 + HAL_DISK_SUSPECT_NS);
        } else { /* it completes what nobody asked */
            hw.lie = 125;
            hw_run();
        }
        disk[0]->ops->poll(disk[0]);
        assert_int_equal(dones, 200);
        assert_int_equal(failed, 200);
        assert_false(fake_pci_may_dma());
        assert_int_equal(hw.status, 0);
        assert_non_null(strstr(fake_last_log(), "given up"));
        assert_int_equal(run(BLK_READ, 0, &seg, 1), ERR_IO);
        disk[0]->ops->poll(disk[0]);
        assert_true(fake_pci_interrupt(0)); /* a late one harms nobody */
    }
}

static void refused(err_t expected)
{
    uint64_t before = fake_pages_in_use();

    assert_int_equal(probe(), expected);
    assert_non_null(strstr(fake_last_log(), "it is left out"));
    assert_int_equal(fake_pages_in_use(), before);
    assert_null(disk[0]);
}

static void devices_we_cannot_drive_are_left_out(void **state)
{
    (void)state;
    hw_make(ALL_FEATURES, 0); /* no MSI-X */
    refused(ERR_UNSUPPORTED);
    assert_int_equal(hw.status, 0x80);
    hw_make(ALL_FEATURES & ~F(32), 4); /* not version 1 */
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES, 4);
    hw.refuse_features = true;
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES, 4);
    put_le32(hw.config + 20, 8192);
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES, 4);
    put_le64(hw.config, 0);
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES | F(1), 4);
    put_le32(hw.config + 8, 512); /* the longest segment */
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES, 4);
    hw.queue_max = 0;
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES, 4);
    fake_pci_init(0x10011AF4, 0x010000, 4); /* a legacy device: no vendor capabilities */
    refused(ERR_UNSUPPORTED);
    hw_make(ALL_FEATURES, 4);
    fake_pci.cfg[5] = fake_pci.cfg[4] = 0; /* no address assigned */
    refused(ERR_UNSUPPORTED);
}

static void broken_capability_lists_end(void **state)
{
    (void)state;
    fake_pci.cfg[0x40 / 4] = (fake_pci.cfg[0x40 / 4] & 0xFFFF00FF) | 0x6000; /* the last one points back */
    assert_int_equal(probe(), OK);
    fake_pci_init(0x10421AF4, 0x010000, 0);
    fake_pci_cap(HAL_PCI_CAP_VENDOR, (uint32_t[]){ 0x01000000, 0, 0, 0xFFFFFFFF }, 4); /* larger than its BAR */
    fake_pci.cfg[0x40 / 4] |= 0x4000;                                                  /* and its own successor */
    disk[0] = NULL;
    ndisks = 0;
    refused(ERR_UNSUPPORTED);
}

/* Moves the clock on with each look at a device that never becomes ready. */
static uint64_t slow_read(uint64_t off, unsigned size)
{
    fake_set_tsc(ground_tsc() + 1000000);
    return hw_read(off, size);
}

static void a_device_that_never_resets_is_left_out(void **state)
{
    (void)state;
    hw.never_reset = true;
    hw.status = 7;
    fake_pci.read = slow_read;
    refused(ERR_IO);
}

static void nothing(void *arg) { (void)arg; }
static void without_a_vector_the_disk_is_left_out(void **state)
{
    struct irq_msi m;
    (void)state;

    while (!ground_irq_msi(0, nothing, NULL, &m)) { }
    refused(ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(scattered_reads_and_writes_reach_the_disk, setup),
        cmocka_unit_test_setup(each_cpu_has_its_queue_and_its_interrupt, setup),
        cmocka_unit_test_setup(fewer_vectors_than_cpus_share_queues, setup),
        cmocka_unit_test_setup(requests_beyond_the_queue_wait_their_turn, setup),
        cmocka_unit_test_setup(done_may_submit_again, setup),
        cmocka_unit_test_setup(an_error_hits_only_its_own_request, setup),
        cmocka_unit_test_setup(every_failed_allocation_leaves_nothing_behind, setup),
        cmocka_unit_test_setup(a_device_that_looks_itself_is_not_notified, setup),
        cmocka_unit_test_setup(one_kick_tells_of_many, setup),
        cmocka_unit_test_setup(one_interrupt_serves_many, setup),
        cmocka_unit_test_setup(half_of_what_is_in_flight_is_one_interrupt, setup),
        cmocka_unit_test_setup(poll_finds_what_no_interrupt_told, setup),
        cmocka_unit_test_setup(blocks_of_4_kib_are_kept_to, setup),
        cmocka_unit_test_setup(what_the_device_lacks_is_not_asked_of_it, setup),
        cmocka_unit_test_setup(long_discards_take_several_commands, setup),
        cmocka_unit_test_setup(a_dead_device_ends_every_request, setup),
        cmocka_unit_test_setup(devices_we_cannot_drive_are_left_out, setup),
        cmocka_unit_test_setup(broken_capability_lists_end, setup),
        cmocka_unit_test_setup(a_device_that_never_resets_is_left_out, setup),
        cmocka_unit_test_setup(without_a_vector_the_disk_is_left_out, setup), /* last: takes all vectors */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
