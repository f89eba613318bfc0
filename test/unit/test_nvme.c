/* hal/nvme and hal/nvmeq against a model of the controller that checks what it is given. */
#include "test/unit/disk_kit.h"
#include "test/unit/fake_pci.h"
#include "base/bytes.h"
#include "base/str.h"
#include "hal/nvme.h"
#include "hal/nvmeq.h"

/* --- the controller --- */

#define QUEUES 4u
#define BLOCKS 2048u

static struct {
    uint64_t cap;
    uint32_t config, status, admin_sizes;
    uint64_t admin_sq, admin_cq;
    uint16_t sq_head[QUEUES + 1], cq_tail[QUEUES + 1];
    uint64_t sq[QUEUES + 1], cq[QUEUES + 1];
    uint32_t size[QUEUES + 1], vector[QUEUES + 1];
    unsigned queues_given;
    uint8_t shift[4];    /* log2 of the block size of namespaces 1 to 3 */
    uint16_t metadata[4];
    bool old, never_ready, fatal_at_start, mute; /* old: no list of active namespaces; mute: admin commands are not answered */
    uint8_t mdts, cache, protect;
    unsigned io, fail_at, admin_fail_at, admins, lie;
    uint16_t fail_status;
    uint64_t discarded; /* blocks */
    unsigned commands[16];
} hw;
static uint8_t image[BLOCKS * 4096];

static uint8_t *at_pa(uint64_t pa) { return (uint8_t *)(uintptr_t)pa; }

static void complete(unsigned q, uint16_t cid, uint16_t code, uint32_t dw0)
{
    uint16_t depth = (uint16_t)(q ? hw.size[q] : (hw.admin_sizes >> 16) + 1), n = hw.cq_tail[q]++;
    uint8_t *c = at_pa(hw.cq[q]) + 16 * (n % depth);

    put_le32(c, dw0);
    put_le16(c + 8, hw.sq_head[q]);
    put_le16(c + 10, (uint16_t)q);
    put_le16(c + 12, cid);
    put_le16(c + 14, (uint16_t)(code << 1 | !(n / depth % 2)));
}

static void identify(const struct nvme_cmd *c)
{
    uint8_t *p = at_pa(c->prp1);

    assert_int_equal(c->prp1 % 4096, 0);
    if (c->cdw10 == 1) {
        p[77] = hw.mdts;
        put_le32(p + 516, 3);
        p[520] = 4;
        p[525] = hw.cache;
    } else if (c->cdw10 == 2) {
        put_le32(p, 1);
        put_le32(p + 4, 3);
    } else if (hw.shift[c->nsid]) {
        put_le64(p, (uint64_t)BLOCKS * 4096 >> hw.shift[c->nsid]);
        p[26] = 2;
        p[99] = hw.protect;
        put_le16(p + 128 + 8, hw.metadata[c->nsid]);
        p[128 + 8 + 2] = hw.shift[c->nsid];
    }
}

static uint16_t admin_do(const struct nvme_cmd *c, uint32_t *dw0)
{
    unsigned q = c->cdw10 & 0xFFFF;

    if (++hw.admins == hw.admin_fail_at)
        return 6;
    switch (c->cdw0 & 0xFF) {
    case 6:
        if (c->cdw10 == 2 && hw.old)
            return 2;
        identify(c);
        return 0;
    case 9:
        assert_int_equal(c->cdw10, 7);
        *dw0 = (hw.queues_given - 1) << 16 | (hw.queues_given - 1);
        return 0;
    case 5:
        assert_in_range(q, 1, hw.queues_given);
        assert_int_equal(c->cdw11 & 0xFFFF, 3);
        hw.size[q] = (c->cdw10 >> 16) + 1;
        hw.vector[q] = c->cdw11 >> 16;
        hw.cq[q] = c->prp1;
        hw.cq_tail[q] = 0;
        return 0;
    case 1:
        assert_int_equal(c->cdw11, q << 16 | 1);
        assert_int_equal((c->cdw10 >> 16) + 1, hw.size[q]);
        hw.sq[q] = c->prp1;
        hw.sq_head[q] = 0;
        return 0;
    }
    return 1;
}

static void admin_ring(uint16_t tail)
{
    while (hw.sq_head[0] != tail && !hw.mute) {
        struct nvme_cmd c;
        uint32_t dw0 = 0;
        uint16_t code;

        memcpy(&c, at_pa(hw.sq[0]) + 64 * hw.sq_head[0], 64);
        hw.sq_head[0] = (uint16_t)((hw.sq_head[0] + 1u) % ((hw.admin_sizes & 0xFFF) + 1));
        code = admin_do(&c, &dw0);
        complete(0, (uint16_t)(c.cdw0 >> 16), code, dw0);
    }
}

static uint64_t hw_read(uint64_t off, unsigned size)
{
    assert_int_equal(size, 4);
    fake_set_tsc(ground_tsc() + 1000000); /* time passes while the driver looks */
    switch (off) {
    case 0x00: return (uint32_t)hw.cap;
    case 0x04: return hw.cap >> 32;
    case 0x1C: return hw.status;
    }
    fail_msg("register 0x%x is read", (unsigned)off);
    return 0;
}

static void hw_write(uint64_t off, unsigned size, uint64_t val)
{
    assert_int_equal(size, 4);
    if (off == 0x14) {
        hw.config = (uint32_t)val;
        if (!(val & 1)) {
            hw.status = 0;
            return;
        }
        assert_int_equal(val, 0x460001);
        hw.sq[0] = hw.admin_sq;
        hw.cq[0] = hw.admin_cq;
        hw.sq_head[0] = hw.cq_tail[0] = 0;
        hw.status = hw.fatal_at_start ? 2 : !hw.never_ready;
    } else if (off == 0x24) {
        hw.admin_sizes = (uint32_t)val;
    } else if (off >= 0x28 && off < 0x38) {
        uint64_t *reg = off < 0x30 ? &hw.admin_sq : &hw.admin_cq;
        *reg = off % 8 ? (uint32_t)*reg | val << 32 : val;
    } else if (off == 0x1000) {
        admin_ring((uint16_t)val);
    } else {
        assert_int_equal(off, 0x1004);
    }
}

/* The data of a command as the controller sees it: page by page. */
static void transfer(const struct nvme_cmd *c, uint8_t *disk, uint64_t len, bool to_disk)
{
    uint64_t pa = c->prp1, pages = (pa % 4096 + len + 4095) / 4096;

    for (uint64_t i = 0; i < pages; i++) {
        uint64_t n;

        if (i == 1)
            pa = c->prp2;
        if (i && pages > 2) {
            assert_true(c->prp2 % 8 == 0 && c->prp2 % 4096 + 8 * (pages - 1) <= 4096);
            pa = get_le64(at_pa(c->prp2) + 8 * (i - 1));
        }
        assert_int_equal(pa % (i ? 4096 : 4), 0);
        n = min_u64(4096 - pa % 4096, len);
        if (to_disk)
            memcpy(disk, at_pa(pa), n);
        else
            memcpy(at_pa(pa), disk, n);
        disk += n;
        len -= n;
    }
}

static uint16_t io_do(const struct nvme_cmd *c)
{
    unsigned op = c->cdw0 & 0xFF, shift = hw.shift[c->nsid];
    uint64_t lba = c->cdw10 | (uint64_t)c->cdw11 << 32, len = (uint64_t)(c->cdw12 + 1) << shift;

    hw.commands[op]++;
    if (++hw.io == hw.fail_at)
        return hw.fail_status;
    if (op == 9) {
        assert_int_equal(c->cdw10, 0);
        assert_int_equal(c->cdw11, 4);
        hw.discarded += get_le32(at_pa(c->prp1) + 4);
        return 0;
    }
    if (op == 1 || op == 2) {
        assert_true((lba << shift) + len <= sizeof image);
        assert_true(!hw.mdts || len <= (4096u << hw.mdts));
        transfer(c, image + (lba << shift), len, op == 1);
    }
    return 0;
}

/* The controller works on what the doorbells say. */
static void hw_run(void)
{
    for (unsigned q = 1; q <= QUEUES; q++) {
        uint32_t tail = get_le32(fake_pci.bar + 0x1000 + 8 * q);
        bool news = false;

        if (!hw.size[q] || !fake_pci_may_dma() || !(hw.status & 1))
            continue;
        assert_true(tail < hw.size[q]);
        for (; hw.sq_head[q] != tail; news = true) {
            struct nvme_cmd c;

            memcpy(&c, at_pa(hw.sq[q]) + 64 * hw.sq_head[q], 64);
            hw.sq_head[q] = (uint16_t)((hw.sq_head[q] + 1u) % hw.size[q]);
            complete(q, hw.lie ? (uint16_t)hw.lie : (uint16_t)(c.cdw0 >> 16), io_do(&c), 0);
        }
        if (news)
            assert_true(fake_pci_interrupt(hw.vector[q]));
        /* the driver tells what it has taken: all */
        assert_int_equal(get_le32(fake_pci.bar + 0x1004 + 8 * q), hw.cq_tail[q] % hw.size[q]);
    }
}

/* --- the driver's surroundings --- */

static err_t probe(void)
{
    ndisks = 0;
    return hal_nvme_probe(&fake_pci.dev, 0);
}

static void hw_make(unsigned vectors)
{
    memset(&hw, 0, sizeof hw);
    fake_pci_init(0x00101B36, 0x010802, vectors);
    fake_pci.read = hw_read;
    fake_pci.write = hw_write;
    hw.cap = 2047 | 1u << 16 | 2u << 24 | BIT64(37);
    hw.queues_given = QUEUES;
    hw.shift[1] = 9;
    hw.shift[3] = 12;
    hw.cache = 1;
    hw.mdts = 5;
    hw.fail_status = 0x281;
}

static int setup(void **state)
{
    (void)state;
    fake_set_cpus(1, 0);
    fake_set_tsc(1000000);
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i / 512 + i);
    hw_make(8);
    return 0;
}

/* --- tests --- */

static void one_kick_tells_of_many(void **state)
{
    static uint8_t buf[4096] ALIGNED(4096);
    struct blk_seg seg = { hpa_of(buf), 4096 };
    (void)state;

    assert_int_equal(probe(), OK);
    dones = 0;
    struct blk_req r[2] = { make(BLK_READ, 0, &seg, 1), make(BLK_READ, 8, &seg, 1) };
    for (unsigned i = 0; i < 2; i++) {
        r[i].more = true;
        disk[0]->ops->submit(disk[0], &r[i]);
        hw_run();
    }
    assert_int_equal(dones, 0);
    disk[0]->ops->kick(disk[0]);
    hw_run();
    assert_int_equal(dones, 2);
}

static void namespaces_become_disks(void **state)
{
    (void)state;
    for (int old = 0; old < 2; old++) { /* an old controller cannot list them; the second does not exist */
        hw.old = old;
        assert_int_equal(probe(), OK);
        assert_int_equal(ndisks, 2);
        assert_string_equal(disk[0]->name, "nvme0n1");
        assert_int_equal(disk[0]->sectors, BLOCKS * 8);
        assert_int_equal(disk[0]->block_size, 512);
        assert_int_equal(disk[0]->max_bytes, 4096 << 5);
        assert_string_equal(disk[1]->name, "nvme0n3");
        assert_int_equal(disk[1]->sectors, BLOCKS * 8);
        assert_int_equal(disk[1]->block_size, 4096);
        assert_true(disk[1]->can_discard && !disk[1]->read_only);
        hw_make(8);
    }
    hw.mdts = 0;
    hw.protect = 1;
    assert_int_equal(probe(), OK);
    assert_int_equal(disk[0]->max_bytes, NVMEQ_MAX_BYTES);
    assert_true(disk[0]->read_only && !disk[0]->can_discard);
}

static void namespaces_of_other_formats_are_left_out(void **state)
{
    (void)state;
    hw.metadata[1] = 8;
    assert_int_equal(probe(), OK);
    assert_int_equal(ndisks, 1);
    hw_make(8);
    hw.shift[1] = 11;
    assert_int_equal(probe(), OK);
    assert_int_equal(ndisks, 1);
}

/* Lengths and offsets around every case of page lists, on both block sizes. */
static void every_shape_of_buffer_is_transferred(void **state)
{
    static uint8_t mem[64 * 4096] ALIGNED(4096), want[64 * 4096] ALIGNED(4096);
    (void)state;

    assert_int_equal(probe(), OK);
    for (unsigned d = 0; d < 2; d++)
        for (unsigned pages = 1; pages <= 32; pages += pages < 4 ? 1 : 14)
            for (unsigned off = 0; off <= 4092; off += 1364) {
                struct blk_seg seg = { hpa_of(mem + off), pages * 4096 };

                for (size_t i = 0; i < sizeof mem; i++)
                    mem[i] = (uint8_t)(i * 7 + pages + off);
                memcpy(want, mem + off, pages * 4096);
                assert_int_equal(disk_run(disk[d], BLK_WRITE, 800, &seg, 1), OK);
                assert_memory_equal(image + 800 * 512, want, pages * 4096);
                memset(mem, 0, sizeof mem);
                assert_int_equal(disk_run(disk[d], BLK_READ, 800, &seg, 1), OK);
                assert_memory_equal(mem + off, want, pages * 4096);
                assert_int_equal(mem[off ? off - 1 : off + pages * 4096], 0);
            }
    assert_int_equal(hw.commands[1], 2 * 4 * 6); /* one command each: none was bounced */
}

static void pages_that_meet_need_one_command(void **state)
{
    static uint8_t mem[8 * 4096] ALIGNED(4096);
    struct blk_seg seg[] = { { hpa_of(mem + 4096 - 512), 512 }, { hpa_of(mem + 8192), 8192 }, { hpa_of(mem + 5 * 4096), 100 },
                             { hpa_of(mem + 6 * 4096), 412 } };
    (void)state;

    assert_int_equal(probe(), OK);
    assert_int_equal(disk_run(disk[0], BLK_READ, 100, seg, 2), OK);
    assert_int_equal(hw.commands[2], 1);
    assert_memory_equal(mem + 4096 - 512, image + 100 * 512, 512);
    assert_memory_equal(mem + 8192, image + 101 * 512, 8192);
    assert_int_equal(disk_run(disk[0], BLK_READ, 100, seg + 2, 2), OK); /* these do not meet */
    assert_memory_equal(mem + 5 * 4096, image + 100 * 512, 100);
    assert_memory_equal(mem + 6 * 4096, image + 100 * 512 + 100, 412);
    seg[2] = (struct blk_seg){ hpa_of(mem + 5 * 4096 - 512), 512 }; /* ends on a page, and the next starts inside one */
    seg[3] = (struct blk_seg){ hpa_of(mem + 6 * 4096 + 512), 1024 };
    assert_int_equal(disk_run(disk[0], BLK_READ, 200, seg + 2, 2), OK);
    assert_memory_equal(mem + 5 * 4096 - 512, image + 200 * 512, 512);
    assert_memory_equal(mem + 6 * 4096 + 512, image + 201 * 512, 1024);
}

static void scattered_pieces_go_through_the_bounce_buffer(void **state)
{
    static uint8_t mem[64 * 4096] ALIGNED(4096);
    struct blk_seg seg[20];
    struct blk_req r[3];
    uint8_t *flat = image + 3000 * 512;
    uint32_t total = 0;
    (void)state;

    assert_int_equal(probe(), OK);
    for (unsigned i = 0; i < 20; i++) { /* 122,880 bytes: three commands */
        seg[i] = (struct blk_seg){ hpa_of(mem + i * 12000 + 4), i % 2 ? 2000 : 10288 };
        memset(mem + i * 12000 + 4, (int)i + 1, seg[i].len);
        total += seg[i].len;
    }
    assert_int_equal(disk_run(disk[0], BLK_WRITE, 3000, seg, 20), OK);
    assert_int_equal(hw.commands[1], 3);
    for (unsigned i = 0, at = 0; i < 20; at += seg[i++].len) {
        assert_int_equal(flat[at], i + 1);
        assert_int_equal(flat[at + seg[i].len - 1], i + 1);
    }
    assert_true(total <= disk[0]->max_bytes);
    /* three at a time share the one buffer, and an ordinary one overtakes them */
    memset(mem, 0, sizeof mem);
    dones = failed = 0;
    for (unsigned i = 0; i < 3; i++) {
        r[i] = make(BLK_READ, 3000, seg, 20);
        disk[i % 2]->ops->submit(disk[i % 2], &r[i]);
    }
    assert_int_equal(disk_run(disk[0], BLK_READ, 0, &(struct blk_seg){ hpa_of(mem + 63 * 4096), 4096 }, 1), OK);
    assert_int_equal(dones, 1);
    for (unsigned i = 0; i < 20; i++)
        hw_run();
    assert_int_equal(dones, 4);
    assert_int_equal(failed, 0);
    for (unsigned i = 0; i < 20; i++)
        assert_true(mem[i * 12000 + 4] == i + 1 && mem[i * 12000 + 3 + seg[i].len] == i + 1);
}

static void a_bounced_request_that_fails_frees_the_buffer(void **state)
{
    static uint8_t mem[64 * 4096] ALIGNED(4096);
    struct blk_seg seg[] = { { hpa_of(mem + 4), 60004 }, { hpa_of(mem + 70000), 61440 - 60004 + 61440 } };
    (void)state;

    assert_int_equal(probe(), OK);
    for (unsigned n = 1; n <= 3; n++) {
        hw.io = 0;
        hw.fail_at = n;
        assert_int_equal(disk_run(disk[0], BLK_READ, 8, seg, 2), ERR_IO);
        hw.fail_at = 0;
        assert_int_equal(disk_run(disk[0], BLK_READ, 8, seg, 2), OK);
        assert_memory_equal(mem + 4, image + 8 * 512, 60004);
        assert_memory_equal(mem + 70000, image + 8 * 512 + 60004, seg[1].len);
    }
}

static void requests_beyond_the_queue_wait_their_turn(void **state)
{
    static struct blk_req r[600];
    static uint8_t buf[600][512] ALIGNED(4096);
    static struct blk_seg seg[600];
    (void)state;

    hw.cap = (hw.cap & ~0xFFFFull) | 15; /* 16 entries: 15 requests at a time */
    assert_int_equal(probe(), OK);
    dones = failed = 0;
    for (unsigned i = 0; i < 600; i++) {
        seg[i] = (struct blk_seg){ hpa_of(buf[i]), 512 };
        r[i] = make(BLK_READ, 3 * i, &seg[i], 1);
        disk[0]->ops->submit(disk[0], &r[i]);
    }
    hw_run();
    assert_int_equal(dones, 15);
    for (unsigned i = 0; i < 50; i++)
        hw_run();
    assert_int_equal(dones, 600);
    assert_int_equal(failed, 0);
    for (unsigned i = 0; i < 600; i++)
        assert_memory_equal(buf[i], image + 512 * 3 * i, 512);
}

static void each_cpu_has_its_queue_and_its_interrupt(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    (void)state;

    fake_set_cpus(3, 0);
    assert_int_equal(probe(), OK);
    for (unsigned cpu = 0; cpu < 3; cpu++) {
        fake_set_cpus(3, cpu);
        assert_int_equal(get_le32(fake_pci.bar + FAKE_MSIX_TABLE + 16 * hw.vector[cpu + 1]) >> 12 & 0xFF, cpu);
        assert_int_equal(disk_run(disk[0], BLK_READ, 1, &seg, 1), OK);
        assert_int_equal(hw.cq_tail[cpu + 1], 1);
    }
    hw_make(8);
    hw.queues_given = 2; /* the controller has fewer */
    assert_int_equal(probe(), OK);
    fake_set_cpus(3, 2);
    assert_int_equal(disk_run(disk[0], BLK_READ, 1, &seg, 1), OK);
    assert_int_equal(hw.cq_tail[1], 1);
}

static void an_error_hits_only_its_own_request(void **state)
{
    static const struct {
        uint16_t code;
        err_t e;
    } codes[] = { { 0x281, ERR_IO }, { 0x80, ERR_RANGE }, { 0x01, ERR_UNSUPPORTED }, { 0x20, ERR_UNSUPPORTED }, { 0x180, ERR_IO } };
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct blk_req r[10];
    err_t result[10];
    (void)state;

    assert_int_equal(probe(), OK);
    for (unsigned n = 0; n < 10; n++) {
        hw.io = 0;
        hw.fail_at = n + 1;
        hw.fail_status = codes[n % ARRAY_LEN(codes)].code;
        for (unsigned i = 0; i < 10; i++) {
            r[i] = make(BLK_READ, i, &seg, 1);
            r[i].owner = &result[i];
            disk[0]->ops->submit(disk[0], &r[i]);
        }
        hw_run();
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(result[i], i == n ? codes[n % ARRAY_LEN(codes)].e : OK);
    }
}

static void flush_and_discard(void **state)
{
    struct blk_req r = make(BLK_DISCARD, 0, NULL, 0);
    (void)state;

    assert_int_equal(probe(), OK);
    assert_int_equal(disk_run(disk[0], BLK_FLUSH, 0, NULL, 0), OK);
    assert_int_equal(hw.commands[0], 1);
    r.nsectors = 64;
    dones = 0;
    disk[1]->ops->submit(disk[1], &r);
    hw_run();
    assert_int_equal(dones, 1);
    assert_int_equal(hw.discarded, 8);
    disk[0]->sectors = BIT64(33); /* a large disk: several commands */
    r.nsectors = BIT64(32);
    hw.discarded = 0;
    disk[0]->ops->submit(disk[0], &r);
    for (unsigned i = 0; i < 5; i++)
        hw_run();
    assert_int_equal(dones, 2);
    assert_int_equal(hw.discarded, BIT64(32));
    hw_make(8);
    hw.cache = 0;
    assert_int_equal(probe(), OK);
    assert_int_equal(disk_run(disk[0], BLK_FLUSH, 0, NULL, 0), OK);
    assert_int_equal(hw.commands[0], 0); /* nothing to flush */
}

static void a_dead_controller_ends_every_request(void **state)
{
    static struct blk_req r[200];
    static uint8_t buf[8192] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 }, odd[] = { { hpa_of(buf), 256 }, { hpa_of(buf + 512), 256 } };
    (void)state;

    for (int how = 0; how < 4; how++) {
        setup(NULL);
        assert_int_equal(probe(), OK);
        dones = failed = 0;
        for (unsigned i = 0; i < 200; i++) {
            r[i] = i % 3 ? make(BLK_READ, i, &seg, 1) : make(BLK_READ, i, odd, 2);
            disk[0]->ops->submit(disk[0], &r[i]);
        }
        disk[0]->ops->poll(disk[0]);
        assert_int_equal(dones, 0);
        if (how == 0) { /* silence */
            fake_set_tsc(ground_tsc() + HAL_DISK_TIMEOUT_NS);
        } else if (how == 1) { /* it says so itself */
            hw.status |= 2;
            fake_set_tsc(ground_tsc() + HAL_DISK_SUSPECT_NS);
        } else if (how == 2) { /* it was pulled out */
            hw.status = UINT32_MAX;
            fake_set_tsc(ground_tsc() + HAL_DISK_SUSPECT_NS);
        } else { /* it completes what nobody asked */
            complete(1, 127, 0, 0);
        }
        disk[0]->ops->poll(disk[0]);
        assert_int_equal(dones, 200);
        assert_int_equal(failed, 200);
        assert_false(fake_pci_may_dma());
        assert_non_null(strstr(fake_last_log(), "given up"));
        assert_int_equal(disk_run(disk[1], BLK_READ, 0, &(struct blk_seg){ hpa_of(buf), 4096 }, 1), ERR_IO);
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
    assert_int_equal(ndisks, 0);
    assert_false(fake_pci_may_dma());
    assert_int_equal(hw.config & 1, 0);
}

static void controllers_we_cannot_drive_are_left_out(void **state)
{
    (void)state;
    hw_make(0); /* neither MSI-X nor MSI */
    refused(ERR_UNSUPPORTED);
    hw_make(8);
    hw.never_ready = true;
    refused(ERR_IO);
    hw_make(8);
    hw.fatal_at_start = true;
    refused(ERR_IO);
    hw_make(8);
    hw.mute = true;
    refused(ERR_IO);
    hw_make(8);
    hw.cap &= ~BIT64(37);
    refused(ERR_UNSUPPORTED);
    hw_make(8);
    hw.cap |= BIT64(48); /* pages of 8 KiB at least */
    refused(ERR_UNSUPPORTED);
    hw_make(8);
    hw.shift[1] = hw.shift[3] = 0;
    refused(ERR_NOTFOUND);
    hw_make(8);
    hw.cap &= ~0xFFFFull; /* queues of one entry */
    refused(ERR_UNSUPPORTED);
    hw_make(8);
    hw.cap |= 15ull << 32; /* doorbells beyond its BAR */
    refused(ERR_RANGE);
}

static void every_failed_command_and_allocation_leaves_nothing_behind(void **state)
{
    uint64_t before;
    unsigned n;
    (void)state;

    fake_set_cpus(3, 0);
    before = fake_pages_in_use();
    for (n = 1;; n++) {
        hw_make(8);
        fake_fail_alloc(n);
        if (!probe())
            break;
        assert_int_equal(fake_pages_in_use(), before);
        assert_int_equal(ndisks, 0);
        assert_false(fake_pci_may_dma());
    }
    fake_fail_alloc(0);
    assert_int_equal(n, 1 + 5); /* the controller, its admin queue, three queues */
    before = fake_pages_in_use();
    for (n = 1;; n++) {
        hw_make(8);
        hw.admin_fail_at = n;
        if (!probe() && hw.admins < n)
            break;
        if (!ndisks)
            assert_int_equal(fake_pages_in_use(), before);
        before = fake_pages_in_use();
    }
    assert_int_equal(n, 11 + 1); /* identify 4, number of queues, two for each of three queues */
}

static void msi_serves_where_there_is_no_msix(void **state)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct irq_msi m;
    unsigned cap;
    (void)state;

    fake_set_cpus(3, 2);
    hw_make(0);
    cap = fake_pci_cap(HAL_PCI_CAP_MSI, (uint32_t[]){ 0x008A0000, 0, 0, 0 }, 4);
    assert_int_equal(probe(), OK);
    assert_int_equal(fake_pci.cfg[cap / 4] >> 16, 0x0081 | 0x000A); /* on, 64-bit, one message */
    m = (struct irq_msi){ .data = fake_pci.cfg[cap / 4 + 3] };
    dones = 0;
    put_le32(fake_pci.bar + FAKE_MSIX_TABLE + 8, m.data); /* so that the model's interrupts arrive */
    assert_int_equal(disk_run(disk[0], BLK_READ, 1, &seg, 1), OK);
    assert_int_equal(hw.cq_tail[1], 1);
}

static void nothing(void *arg) { (void)arg; }
static void without_a_vector_the_controller_is_left_out(void **state)
{
    struct irq_msi m;
    (void)state;

    while (!ground_irq_msi(0, nothing, NULL, &m)) { }
    refused(ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(namespaces_become_disks, setup),
        cmocka_unit_test_setup(namespaces_of_other_formats_are_left_out, setup),
        cmocka_unit_test_setup(every_shape_of_buffer_is_transferred, setup),
        cmocka_unit_test_setup(pages_that_meet_need_one_command, setup),
        cmocka_unit_test_setup(scattered_pieces_go_through_the_bounce_buffer, setup),
        cmocka_unit_test_setup(a_bounced_request_that_fails_frees_the_buffer, setup),
        cmocka_unit_test_setup(requests_beyond_the_queue_wait_their_turn, setup),
        cmocka_unit_test_setup(one_kick_tells_of_many, setup),
        cmocka_unit_test_setup(each_cpu_has_its_queue_and_its_interrupt, setup),
        cmocka_unit_test_setup(an_error_hits_only_its_own_request, setup),
        cmocka_unit_test_setup(flush_and_discard, setup),
        cmocka_unit_test_setup(a_dead_controller_ends_every_request, setup),
        cmocka_unit_test_setup(controllers_we_cannot_drive_are_left_out, setup),
        cmocka_unit_test_setup(every_failed_command_and_allocation_leaves_nothing_behind, setup),
        cmocka_unit_test_setup(msi_serves_where_there_is_no_msix, setup),
        cmocka_unit_test_setup(without_a_vector_the_controller_is_left_out, setup), /* last: takes all vectors */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
