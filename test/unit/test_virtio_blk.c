/* dev/virtio/blk.c over a fake disk. */
#include "test/unit/unit.h"
#include "dev/virtio/blk.h"
#include "test/unit/fake_disk.h"

#define SLOT 4
#define HEAD(i) (0x60000u + (i)*64u) /* request i's header, its status at + 32 */
#define STATUS(i) (HEAD(i) + 32)
#define DATA 0x100000u
#define TABLE 0x90000u
static struct virtio_blk vda;

static void make(unsigned vcpus)
{
    guest_start(vcpus);
    assert_int_equal(virtio_blk_init(&vda, &vm, &host, SLOT, &disk.blk, "serial-0123456789-too-long"), OK);
}

static int setup(void **state)
{
    (void)state;
    disk_make();
    make(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (disk_finish())
        ;
    assert_true(virtio_idle(&vda.dev));
    virtio_blk_fini(&vda);
    guest_end();
    return 0;
}

/* With another disk or number of vCPUs than setup() has made. */
static void remake(unsigned vcpus)
{
    virtio_blk_fini(&vda);
    guest_end();
    make(vcpus);
}

static void head_put(unsigned i, uint32_t type, uint64_t sector)
{
    struct virtio_blk_head h = { .type = type, .sector = sector };
    uint8_t status = 0xEE;

    ram_write(HEAD(i), &h, sizeof h);
    ram_write(STATUS(i), &status, 1);
}

static uint16_t request_chain(unsigned q, unsigned i, uint32_t type, uint64_t sector, uint64_t at, uint32_t len)
{
    struct piece p[] = { { HEAD(i), 16, false },
                         { at, len, type == VIRTIO_BLK_IN || type == VIRTIO_BLK_GET_ID },
                         { STATUS(i), 1, true } };

    head_put(i, type, sector);
    if (len)
        return chain_put(q, p, 3);
    p[1] = p[2];
    return chain_put(q, p, 2);
}

/* Sends request i on queue 0 and kicks; its head. */
static uint16_t request(unsigned i, uint32_t type, uint64_t sector, uint64_t at, uint32_t len)
{
    uint16_t head = request_chain(0, i, type, sector, at, len);

    assert_int_equal(submit(0, head), OK);
    return head;
}

static void expect_used(unsigned q, uint16_t head, uint32_t written)
{
    struct virtq_used_elem e;
    assert_true(used_take(q, &e));
    assert_int_equal(e.id, head);
    assert_int_equal(e.len, written);
}

static void expect_none(unsigned q)
{
    struct virtq_used_elem e;
    assert_false(used_take(q, &e));
}

/* One request from start to end on an idle device. */
static uint8_t run(uint32_t type, uint64_t sector, uint64_t at, uint32_t len)
{
    struct virtq_used_elem e;
    uint16_t head = request(0, type, sector, at, len);

    assert_true(used_take(0, &e));
    assert_int_equal(e.id, head);
    assert_int_equal(stopped.count, 0);
    return ram_get8(STATUS(0));
}

static void expect_sectors(uint64_t at, unsigned sector, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(ram_get8(at + i * 512), (sector + i) % 251 + 1);
        assert_int_equal(ram_get8(at + i * 512 + 511), (sector + i) % 251 + 1);
    }
}

/* --- what the driver is told --- */

static void configuration_describes_the_disk(void **state)
{
    struct virtio_blk_config c;
    (void)state;
    disk.blk.block_size = 4096;
    remake(1);
    drv_find(SLOT);
    for (unsigned i = 0; i < sizeof c; i += 4) {
        uint32_t v = (uint32_t)mmio_get(drv.config + i, 4);
        memcpy((uint8_t *)&c + i, &v, 4);
    }
    assert_int_equal(cfg_get(SLOT, 2, 2), 0x1042);
    assert_int_equal(c.capacity, DISK_SECTORS);
    assert_int_equal(mmio_get(drv.config, 8), DISK_SECTORS);
    assert_int_equal(c.blk_size, 4096);
    assert_int_equal(c.seg_max, 254);
    assert_int_equal(c.num_queues, 1);
    assert_int_equal(c.max_discard_sectors, DISK_SECTORS);
    assert_int_equal(c.discard_alignment, 8);
    assert_int_equal(mmio_get(drv.config + sizeof c, 4), 0); /* behind it */
    assert_int_equal(mmio_get(drv.config + sizeof c - 4, 8), 0);
    mmio_put(drv.config, 8, 1); /* read only */
    assert_int_equal(mmio_get(drv.config, 8), DISK_SECTORS);
    assert_true(features_offered() & VIRTIO_BLK_F_DISCARD);
    assert_true(features_offered() & VIRTIO_BLK_F_FLUSH);
    assert_false(features_offered() & (VIRTIO_BLK_F_RO | VIRTIO_BLK_F_MQ));
    disk.blk.read_only = true;
    remake(3);
    drv_find(SLOT);
    assert_true(features_offered() & VIRTIO_BLK_F_RO);
    assert_false(features_offered() & VIRTIO_BLK_F_DISCARD);
    assert_true(features_offered() & VIRTIO_BLK_F_MQ);
    assert_int_equal(mmio_get(drv.config + 34, 2), 3);
}

/* --- requests --- */

static void reads_and_writes(bool later)
{
    uint8_t b[1024];
    uint16_t head;

    disk.later = later;
    drv_start(SLOT, 16, 0);
    head = request(0, VIRTIO_BLK_IN, 7, DATA, 1024);
    if (later) {
        expect_none(0);
        assert_int_equal(msi.count, 0);
        assert_true(disk_finish());
    }
    expect_used(0, head, 1025);
    assert_int_equal(ram_get8(STATUS(0)), VIRTIO_BLK_OK);
    assert_int_equal(msi.count, 1);
    expect_sectors(DATA, 7, 2);
    memset(b, 0x77, sizeof b);
    ram_write(DATA, b, sizeof b);
    head = request(0, VIRTIO_BLK_OUT, DISK_SECTORS - 2, DATA, 1024);
    if (later)
        assert_true(disk_finish());
    expect_used(0, head, 1);
    assert_int_equal(ram_get8(STATUS(0)), VIRTIO_BLK_OK);
    assert_memory_equal(&disk.data[(DISK_SECTORS - 2) * 512], b, sizeof b);
}
static void a_disk_that_completes_at_once(void **state)
{
    (void)state;
    reads_and_writes(false);
}
static void a_disk_that_completes_later(void **state)
{
    (void)state;
    reads_and_writes(true);
}

static void flush_id_and_discard(void **state)
{
    struct virtio_blk_range r = { .sector = 8, .nsectors = 16 };
    char serial[21] = { 0 };
    (void)state;
    drv_start(SLOT, 16, 0);
    assert_int_equal(run(VIRTIO_BLK_FLUSH, 0, 0, 0), VIRTIO_BLK_OK);
    assert_int_equal(disk.flushes, 1);
    assert_int_equal(run(VIRTIO_BLK_GET_ID, 0, DATA, 20), VIRTIO_BLK_OK);
    ram_read(DATA, serial, 20);
    assert_string_equal(serial, "serial-0123456789-to");
    ram_write(DATA, &r, sizeof r);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, sizeof r), VIRTIO_BLK_OK);
    assert_int_equal(disk.discards, 1);
    assert_int_equal(disk.discard_sector, 8);
    assert_int_equal(disk.discard_nsectors, 16);
    r.flags = 1;
    ram_write(DATA, &r, sizeof r);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, sizeof r), VIRTIO_BLK_UNSUPP);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, 8), VIRTIO_BLK_IOERR);
    r = (struct virtio_blk_range){ .sector = DISK_SECTORS - 1, .nsectors = 2 };
    ram_write(DATA, &r, sizeof r);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, sizeof r), VIRTIO_BLK_IOERR);
    r = (struct virtio_blk_range){ .sector = UINT64_MAX, .nsectors = 2 };
    ram_write(DATA, &r, sizeof r);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, sizeof r), VIRTIO_BLK_IOERR);
    r = (struct virtio_blk_range){ .sector = 0 };
    ram_write(DATA, &r, sizeof r);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, sizeof r), VIRTIO_BLK_IOERR);
    assert_int_equal(disk.discards, 1);
    assert_int_equal(run(2, 0, 0, 0), VIRTIO_BLK_UNSUPP);
    assert_int_equal(run(0x80000000, 0, 0, 0), VIRTIO_BLK_UNSUPP);
}

static void what_cannot_be_is_an_io_error(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t sector;
        uint32_t at, len;
    } bad[] = {
        { VIRTIO_BLK_IN, DISK_SECTORS - 1, DATA, 1024 },
        { VIRTIO_BLK_IN, DISK_SECTORS, DATA, 512 },
        { VIRTIO_BLK_IN, DISK_SECTORS + 1, DATA, 512 },
        { VIRTIO_BLK_OUT, UINT64_MAX, DATA, 512 },
        { VIRTIO_BLK_OUT, UINT64_MAX >> 9, DATA, 512 },
        { VIRTIO_BLK_IN, 1ull << 55, DATA, 512 },
        { VIRTIO_BLK_IN, 0, DATA, 511 },
        { VIRTIO_BLK_IN, 0, DATA, 0 },
        { VIRTIO_BLK_OUT, 0, DATA, 4 },
        { VIRTIO_BLK_IN, 0, DATA + 2, 512 }, /* no disk's DMA can do that */
        { VIRTIO_BLK_IN, 0, 0, RAM_LOW },    /* larger than the disk */
    };
    (void)state;
    drv_start(SLOT, 16, 0);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t status = run(bad[i].type, bad[i].sector, bad[i].at, bad[i].len);
        if (status != VIRTIO_BLK_IOERR)
            fail_msg("row %u: status %u", i, status);
    }
    assert_int_equal(disk.submits, 0);
    assert_int_equal(run(VIRTIO_BLK_IN, 0, DATA, 512), VIRTIO_BLK_OK);
}

static void the_disks_errors_reach_the_driver(void **state)
{
    (void)state;
    drv_start(SLOT, 16, 0);
    disk.fail = ERR_IO;
    assert_int_equal(run(VIRTIO_BLK_IN, 0, DATA, 512), VIRTIO_BLK_IOERR);
    assert_int_equal(run(VIRTIO_BLK_FLUSH, 0, 0, 0), VIRTIO_BLK_IOERR);
    disk.fail = ERR_UNSUPPORTED;
    assert_int_equal(run(VIRTIO_BLK_FLUSH, 0, 0, 0), VIRTIO_BLK_UNSUPP);
    disk.fail = OK;
    assert_int_equal(run(VIRTIO_BLK_IN, 0, DATA, 512), VIRTIO_BLK_OK);
}

static void a_read_only_disk_is_not_written(void **state)
{
    (void)state;
    disk.blk.read_only = true;
    remake(1);
    drv_start(SLOT, 16, 0);
    assert_int_equal(run(VIRTIO_BLK_OUT, 0, DATA, 512), VIRTIO_BLK_IOERR);
    assert_int_equal(run(VIRTIO_BLK_DISCARD, 0, DATA, 16), VIRTIO_BLK_UNSUPP);
    assert_int_equal(run(VIRTIO_BLK_IN, 0, DATA, 512), VIRTIO_BLK_OK);
    assert_int_equal(disk.submits, 1);
}

static void large_blocks_are_kept_whole(void **state)
{
    (void)state;
    disk.blk.block_size = 4096;
    remake(1);
    drv_start(SLOT, 16, 0);
    assert_int_equal(run(VIRTIO_BLK_IN, 8, DATA, 4096), VIRTIO_BLK_OK);
    assert_int_equal(run(VIRTIO_BLK_IN, 1, DATA, 4096), VIRTIO_BLK_IOERR);
    assert_int_equal(run(VIRTIO_BLK_IN, 8, DATA, 512), VIRTIO_BLK_IOERR);
}

/* 2.7.4: the layout of descriptors means nothing. Header and data in one, header in pieces, status behind data. */
static void any_layout_works(void **state)
{
    struct piece split[] = { { HEAD(0), 1, false },
                             { HEAD(0) + 1, 9, false },
                             { HEAD(0) + 10, 6, false },
                             { DATA, 512, true },
                             { STATUS(0), 1, true } };
    struct piece joined[] = { { DATA, 16 + 512, false }, { STATUS(0), 1, true } };
    struct piece tail[] = { { HEAD(0), 16, false }, { DATA, 100, true }, { DATA + 100, 413, true } };
    struct virtio_blk_head h = { .type = VIRTIO_BLK_OUT, .sector = 20 };
    (void)state;
    drv_start(SLOT, 16, 0);
    head_put(0, VIRTIO_BLK_IN, 9);
    submit(0, chain_put(0, split, 5));
    expect_used(0, 0, 513);
    expect_sectors(DATA, 9, 1);
    head_put(0, VIRTIO_BLK_IN, 10);
    submit(0, chain_put(0, tail, 3));
    expect_used(0, 5, 513);
    expect_sectors(DATA, 10, 1);
    assert_int_equal(ram_get8(DATA + 512), VIRTIO_BLK_OK);
    head_put(0, 0, 0); /* for the status byte */
    ram_write(DATA, &h, sizeof h);
    submit(0, chain_put(0, joined, 2));
    expect_used(0, 8, 1);
    assert_int_equal(ram_get8(STATUS(0)), VIRTIO_BLK_OK);
    assert_int_equal(disk.data[20 * 512 + 495], 11); /* DATA + 511: was read from sector 10 */
}

static void indirect_requests_of_many_segments(void **state)
{
    struct piece p[256] = { { HEAD(0), 16, false } };
    (void)state;
    for (unsigned i = 0; i < 254; i++)
        p[1 + i] = (struct piece){ DATA + i * 1024, 512, true };
    p[255] = (struct piece){ STATUS(0), 1, true };
    drv_start(SLOT, 16, 0);
    head_put(0, VIRTIO_BLK_IN, 100);
    assert_int_equal(submit(0, indirect_put(0, TABLE, p, 256)), OK);
    expect_used(0, 0, 254 * 512 + 1);
    assert_int_equal(ram_get8(STATUS(0)), VIRTIO_BLK_OK);
    for (unsigned i = 0; i < 254; i++)
        expect_sectors(DATA + i * 1024, 100 + i, 1);
    assert_int_equal(disk.submits, 4); /* the fake takes 64 segments at a time */
}

/* Every combination of limits gives the same bytes. */
static void requests_are_split_to_the_disks_limits(void **state)
{
    static const uint32_t segs[] = { 1, 2, 3, 64 }, bytes[] = { 512, 1024, 1500, 4096, 1 << 20 };
    struct piece p[] = { { HEAD(0), 16, false },          { DATA, 512, true },           { DATA + 0x1000, 1024, true },
                         { MEM_CHUNK - 516, 1536, true }, { DATA + 0x2000, 4096, true }, { STATUS(0), 1, true } };
    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(segs) * ARRAY_LEN(bytes) * 2; k++) {
        disk.blk.max_segs = segs[k / 2 % ARRAY_LEN(segs)];
        disk.blk.max_bytes = bytes[k / 2 / ARRAY_LEN(segs)];
        disk.later = k & 1;
        drv_start(SLOT, 16, 0);
        guest_zero(DATA, 0x4000);
        head_put(0, VIRTIO_BLK_IN, 30);
        submit(0, chain_put(0, p, 6));
        while (disk_finish())
            ;
        /* one piece at a time cannot carry the block that lies across two RAM chunks */
        bool can = disk.blk.max_segs > 1;
        expect_used(0, 0, can ? 14 * 512 + 1 : 1);
        assert_int_equal(ram_get8(STATUS(0)), can ? VIRTIO_BLK_OK : VIRTIO_BLK_IOERR);
        if (!can)
            continue;
        expect_sectors(DATA, 30, 1);
        expect_sectors(DATA + 0x1000, 31, 2);
        expect_sectors(MEM_CHUNK - 516, 33, 3);
        expect_sectors(DATA + 0x2000, 36, 8);
    }
}

static void a_part_that_fails_fails_the_request(void **state)
{
    (void)state;
    disk.blk.max_bytes = 512;
    disk.later = true;
    drv_start(SLOT, 16, 0);
    request(0, VIRTIO_BLK_IN, 0, DATA, 2048);
    assert_true(disk_finish());
    disk.fail = ERR_IO;
    assert_true(disk_finish());
    assert_false(disk_finish());
    expect_used(0, 0, 1);
    assert_int_equal(ram_get8(STATUS(0)), VIRTIO_BLK_IOERR);
}

/* --- many at a time --- */

static void more_requests_than_the_pool_holds(void **state)
{
    struct virtq_used_elem e;
    uint8_t seen[128] = { 0 };
    unsigned n = 0;
    (void)state;
    disk.later = true;
    drv_start(SLOT, 128, 0);
    for (unsigned i = 0; i < 100; i++) {
        struct piece p[] = { { HEAD(i), 16, false }, { DATA + i * 512, 512, true }, { STATUS(i), 1, true } };
        head_put(i, VIRTIO_BLK_IN, i);
        submit(0, indirect_put(0, TABLE + i * 64, p, 3));
    }
    virtio_blk_halts(&vda); /* looks at what was added without a kick */
    assert_int_equal(disk.held, VIRTIO_BLK_INFLIGHT);
    while (disk_finish())
        while (used_take(0, &e)) {
            assert_int_equal(seen[e.id]++, 0);
            assert_int_equal(e.len, 513);
            n++;
        }
    assert_int_equal(n, 100);
    for (unsigned i = 0; i < 100; i++)
        expect_sectors(DATA + i * 512, i, 1);
}

static void one_interrupt_until_the_driver_looks(void **state)
{
    (void)state;
    disk.later = true;
    drv_start(SLOT, 64, 0);
    for (unsigned i = 0; i < 8; i++)
        request(i, VIRTIO_BLK_IN, i, DATA + i * 512, 512);
    while (disk_finish())
        ;
    assert_int_equal(msi.count, 1);
}

static enum blk_pace pace;
static unsigned polls_left;

static void polled(struct blk *b)
{
    (void)b;
    assert_int_equal(pace, BLK_NONE);
    if (!--polls_left)
        assert_true(disk_finish());
}

static void pace_set(struct blk *b, enum blk_pace p)
{
    (void)b;
    pace = p;
}

static const struct blk_ops polled_ops = { .submit = disk_submit, .kick = disk_kick, .poll = polled, .pace = pace_set };

static void paced_start(void)
{
    disk.later = true;
    disk.blk.ops = &polled_ops;
    pace = BLK_EACH;
    atomic_store(&vm.exit_tsc, 1000);
    drv_start(SLOT, 64, 0);
}

static void a_short_wait_for_the_disk_needs_no_interrupt(void **state)
{
    (void)state;
    paced_start();
    uint16_t head = request(0, VIRTIO_BLK_IN, 7, DATA, 512);
    assert_null(vm.wish.poll); /* the driver may have more to send */
    assert_int_equal(pace, BLK_HALF);
    virtio_blk_halts(&vda); /* but it waits for its block */
    assert_int_equal(pace, BLK_EACH);
    assert_true(disk_finish());
    expect_used(0, head, 513);
    head = request(0, VIRTIO_BLK_IN, 7, DATA, 512);
    assert_non_null(vm.wish.poll);
    assert_int_equal(pace, BLK_NONE);
    polls_left = 2;
    assert_false(vm.wish.poll(vm.wish.dev, VM_POLL_LOOK));
    expect_none(0);
    assert_true(vm.wish.poll(vm.wish.dev, VM_POLL_LOOK));
    assert_int_equal(pace, BLK_HALF);
    expect_used(0, head, 513);
    vm.wish = (struct vm_wish){ 0 };
    head = request(1, VIRTIO_BLK_IN, 8, DATA, 512);
    polls_left = 9;
    assert_false(vm.wish.poll(vm.wish.dev, VM_POLL_END)); /* too long: the interrupt will tell */
    assert_int_equal(pace, BLK_EACH);
    vm.wish = (struct vm_wish){ 0 };
    request(2, VIRTIO_BLK_IN, 9, DATA, 512); /* the disk is busy anyway: nobody waits */
    assert_null(vm.wish.poll);
    assert_true(disk_finish());
    assert_true(disk_finish());
    expect_used(0, head, 513);
}

static void a_driver_that_sends_several_and_halts_is_waited_for(void **state)
{
    (void)state;
    paced_start();
    avail_put(0, request_chain(0, 0, VIRTIO_BLK_IN, 7, DATA, 512));
    avail_put(0, request_chain(0, 1, VIRTIO_BLK_IN, 8, DATA, 512));
    assert_int_equal(kick(0), OK);
    assert_int_equal(disk.held, 2);
    virtio_blk_halts(&vda);
    while (disk_finish())
        ;
    request(2, VIRTIO_BLK_IN, 9, DATA, 512);
    assert_non_null(vm.wish.poll);
    assert_false(vm.wish.poll(vm.wish.dev, VM_POLL_SLEEP));
    assert_int_equal(pace, BLK_EACH);
    assert_true(disk_finish());
    assert_true(vm.wish.poll(vm.wish.dev, VM_POLL_SLEEP));
    assert_int_equal(pace, BLK_HALF);
}

static void a_driver_that_goes_on_is_not_disturbed(void **state)
{
    (void)state;
    paced_start();
    request(0, VIRTIO_BLK_IN, 7, DATA, 512);
    assert_true(vm.wish.quiet);
    assert_false(avail_put(0, request_chain(0, 1, VIRTIO_BLK_IN, 8, DATA, 512)));
    vm.wish.quiet = false;
    virtio_blk_halts(&vda); /* in time: it may sleep until half of them are back */
    assert_int_equal(disk.held, 2);
    assert_int_equal(pace, BLK_HALF);
    assert_true(vm.wish.quiet);
    vm.wish.quiet = false;
    fake_set_tsc(ground_tsc() + 1000 * VM_QUIET_EXITS + 1);
    virtio_blk_halts(&vda); /* that is too long: each of them counts now */
    assert_int_equal(pace, BLK_EACH);
    assert_false(vm.wish.quiet);
    while (disk_finish())
        ;
    for (unsigned i = 0; i < 3; i++) { /* and for some time */
        request(2, VIRTIO_BLK_IN, 9, DATA, 512);
        assert_false(vm.wish.quiet);
        assert_null(vm.wish.poll);
        assert_true(disk_finish());
    }
    request(2, VIRTIO_BLK_IN, 9, DATA, 512);
    assert_true(vm.wish.quiet);
    assert_true(disk_finish());
}

static void what_is_added_while_the_disk_works_needs_no_kick(void **state)
{
    (void)state;
    paced_start();
    uint16_t head[4];
    head[0] = request(0, VIRTIO_BLK_IN, 0, DATA, 512);
    for (unsigned i = 1; i < 4; i++)
        head[i] = request_chain(0, i, VIRTIO_BLK_IN, i, DATA + i * 512, 512);
    assert_false(avail_put(0, head[1])); /* no kick is wanted */
    assert_false(avail_put(0, head[2]));
    assert_int_equal(disk.held, 1);
    assert_true(disk_finish());
    assert_int_equal(disk.held, 2);
    assert_false(avail_put(0, head[3]));
    virtio_blk_halts(&vda);
    assert_int_equal(disk.held, 3);
    while (disk_finish())
        ;
    for (unsigned i = 0; i < 4; i++)
        expect_used(0, head[i], 513);
    uint16_t flush = request(0, VIRTIO_BLK_FLUSH, 0, 0, 0); /* nothing was in flight */
    assert_int_equal(disk.held, 1);
    assert_true(avail_put(0, request_chain(0, 1, VIRTIO_BLK_IN, 0, DATA, 512))); /* a read does not wait for a flush */
    assert_true(disk_finish());
    expect_used(0, flush, 1);
}

static void the_disk_is_told_once_of_all_that_a_kick_brings(void **state)
{
    (void)state;
    disk.later = true;
    drv_start(SLOT, 64, 0);
    for (unsigned i = 0; i < 3; i++)
        avail_put(0, request_chain(0, i, VIRTIO_BLK_IN, i, DATA + i * 512, 512));
    avail_put(0, request_chain(0, 3, VIRTIO_BLK_IN, DISK_SECTORS, DATA, 512)); /* the last one never gets there */
    assert_int_equal(kick(0), OK);
    assert_int_equal(disk.held, 3);
    assert_int_equal(disk.untold, 0);
    while (disk_finish())
        ;
    assert_int_equal(ram_get8(STATUS(0)), VIRTIO_BLK_OK);
    assert_int_equal(ram_get8(STATUS(3)), VIRTIO_BLK_IOERR);
}

static void queues_starved_of_the_pool_go_on(void **state)
{
    (void)state;
    remake(4);
    disk.later = true;
    drv_start(SLOT, 128, 0);
    assert_int_equal(common_get(VIRTIO_COMMON_NUM_QUEUES, 2), 4);
    for (unsigned q = 0; q < 4; q++)
        for (unsigned i = 0; i < 40; i++)
            submit(q, request_chain(q, q * 40 + i, VIRTIO_BLK_IN, i, DATA + (q * 40 + i) * 512, 512));
    virtio_blk_halts(&vda);
    assert_int_equal(disk.held, VIRTIO_BLK_INFLIGHT);
    disk_finish();
    disk.later = false; /* now the rest completes inside submit() */
    while (disk_finish())
        ;
    for (unsigned q = 0; q < 4; q++) {
        struct virtq_used_elem e;
        for (unsigned i = 0; i < 40; i++)
            assert_true(used_take(q, &e));
        expect_none(q);
    }
    for (unsigned i = 0; i < 160; i++)
        assert_int_equal(ram_get8(STATUS(i)), VIRTIO_BLK_OK);
}

static void queues_interrupt_by_their_own_vector(void **state)
{
    (void)state;
    remake(2);
    drv_start(SLOT, 16, 0);
    submit(1, request_chain(1, 0, VIRTIO_BLK_FLUSH, 0, 0, 0));
    assert_int_equal(msi.data, 0x42);
    expect_used(1, 0, 1);
    submit(0, request_chain(0, 0, VIRTIO_BLK_FLUSH, 0, 0, 0));
    assert_int_equal(msi.data, 0x41);
    expect_none(1);
}

static void a_disk_that_copies_gives_others_their_turn(void **state)
{
    (void)state;
    drv_start(SLOT, 128, 0);
    kicks_repeated = 0;
    for (unsigned i = 0; i < 10; i++) /* 5 MiB */
        avail_put(0, request_chain(0, i, VIRTIO_BLK_IN, 0, DATA, 512 * 1024));
    assert_int_equal(bus_write(&vm, BUS_PIO, drv.notify, 2, 0), ERR_AGAIN);
    assert_int_equal(disk.submits, 2);
    for (unsigned i = 0; i < 2; i++)
        expect_used(0, (uint16_t)(i * 3), 512 * 1024 + 1);
    expect_none(0);
    assert_int_equal(kick(0), OK);
    assert_int_equal(kicks_repeated, 3);
    for (unsigned i = 2; i < 10; i++)
        expect_used(0, (uint16_t)(i * 3), 512 * 1024 + 1);
    expect_none(0);
}

/* --- reset, stop --- */

static void reset_waits_for_the_disk_and_drops_its_answers(void **state)
{
    (void)state;
    disk.later = true;
    disk.blk.max_bytes = 512;
    drv_start(SLOT, 16, 0);
    request(0, VIRTIO_BLK_IN, 0, DATA, 1024); /* two parts: the second is never sent */
    request(1, VIRTIO_BLK_IN, 0, DATA, 512);
    virtio_blk_halts(&vda);
    common_put(VIRTIO_COMMON_STATUS, 1, 0);
    assert_int_not_equal(status_get(), 0); /* the disk still writes to memory */
    assert_true(disk_finish());
    assert_int_not_equal(status_get(), 0);
    assert_true(disk_finish());
    assert_int_equal(status_get(), 0);
    assert_false(disk_finish());
    expect_none(0);
    assert_int_equal(ram_get8(STATUS(0)), 0xEE);
    assert_int_equal(ram_get8(STATUS(1)), 0xEE);
    assert_int_equal(msi.count, 0);
}

static void an_impatient_driver_gets_no_old_answers(void **state)
{
    (void)state;
    disk.later = true;
    drv_start(SLOT, 16, 0);
    request(0, VIRTIO_BLK_IN, 0, DATA, 512);
    common_put(VIRTIO_COMMON_STATUS, 1, 0);
    status_add(VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    common_put(VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, 1);
    common_put(VIRTIO_COMMON_DRIVER_FEATURE, 4, 1);
    status_add(VIRTIO_FEATURES_OK);
    drv.features = VIRTIO_F_VERSION_1;
    queue_up(0, 16);
    status_add(VIRTIO_DRIVER_OK);
    request(1, VIRTIO_BLK_IN, 5, DATA + 0x1000, 512);
    assert_int_equal(disk.held, 2);
    assert_true(disk_finish());
    expect_none(0);
    assert_int_equal(ram_get8(STATUS(0)), 0xEE);
    assert_true(disk_finish());
    expect_used(0, 0, 513);
    assert_int_equal(ram_get8(STATUS(1)), VIRTIO_BLK_OK);
}

static void a_stopping_guest_becomes_idle(void **state)
{
    (void)state;
    disk.later = true;
    drv_start(SLOT, 128, 0);
    assert_true(vda.dev.inflight == 0);
    for (unsigned i = 0; i < 40; i++)
        request(i, VIRTIO_BLK_IN, 0, DATA, 512);
    assert_false(virtio_idle(&vda.dev));
    for (unsigned left = disk.held; left; left--) {
        assert_false(virtio_idle(&vda.dev));
        assert_true(disk_finish());
    }
    assert_true(virtio_idle(&vda.dev)); /* and nothing new was sent */
    assert_int_equal(disk.held, 0);
}

static void hostile_requests_stop_the_guest(void **state)
{
    static const struct {
        const char *text;
        struct piece p[3];
        unsigned n;
    } bad[] = {
        { "whole header", { { HEAD(0), 15, false }, { STATUS(0), 1, true } }, 2 },
        { "whole header", { { STATUS(0), 1, true } }, 1 },
        { "status byte", { { HEAD(0), 16, false } }, 1 },
        { "status byte", { { HEAD(0), 16, false }, { DATA, 512, false } }, 2 },
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        drv_start(SLOT, 16, 0);
        stopped.count = 0;
        head_put(0, VIRTIO_BLK_IN, 0);
        assert_int_equal(submit(0, chain_put(0, bad[i].p, bad[i].n)), ERR_GUEST);
        assert_int_equal(stopped.why, VM_FAULTED);
        assert_non_null(strstr(stopped.text, bad[i].text));
        assert_non_null(strstr(stopped.text, "virtio-blk ram0: "));
        expect_none(0);
        vda.dev.broken = false;
    }
    assert_int_equal(disk.submits, 0);
}

static void a_fault_found_in_a_completion_stops_the_guest_too(void **state)
{
    (void)state;
    disk.later = true;
    drv_start(SLOT, 128, 0);
    for (unsigned i = 0; i < VIRTIO_BLK_INFLIGHT; i++) {
        struct piece p[] = { { HEAD(i), 16, false }, { DATA, 512, true }, { STATUS(i), 1, true } };
        head_put(i, VIRTIO_BLK_IN, i);
        submit(0, indirect_put(0, TABLE + i * 64, p, 3));
    }
    avail_put(0, 200);
    assert_int_equal(kick(0), OK); /* not looked at yet */
    assert_int_equal(stopped.count, 0);
    assert_true(disk_finish());
    assert_int_equal(stopped.count, 1);
    assert_non_null(strstr(stopped.text, "past the table"));
}

static void init_fails_cleanly(void **state)
{
    static struct virtio_blk second;
    uint64_t before = fake_pages_in_use();
    (void)state;
    fake_fail_alloc(1);
    assert_int_equal(virtio_blk_init(&second, &vm, &host, 9, &disk.blk, ""), ERR_NOMEM);
    fake_fail_alloc(0);
    assert_int_equal(virtio_blk_init(&second, &vm, &host, SLOT, &disk.blk, ""), ERR_EXISTS);
    assert_int_equal(fake_pages_in_use(), before);
    assert_int_equal(virtio_blk_init(&second, &vm, &host, 9, &disk.blk, ""), OK);
    assert_true(virtio_idle(&second.dev));
    virtio_blk_fini(&second);
    assert_int_equal(fake_pages_in_use(), before);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(configuration_describes_the_disk),
        T(a_disk_that_completes_at_once),
        T(a_disk_that_completes_later),
        T(flush_id_and_discard),
        T(what_cannot_be_is_an_io_error),
        T(the_disks_errors_reach_the_driver),
        T(a_read_only_disk_is_not_written),
        T(large_blocks_are_kept_whole),
        T(any_layout_works),
        T(indirect_requests_of_many_segments),
        T(requests_are_split_to_the_disks_limits),
        T(a_part_that_fails_fails_the_request),
        T(more_requests_than_the_pool_holds),
        T(one_interrupt_until_the_driver_looks),
        T(a_short_wait_for_the_disk_needs_no_interrupt),
        T(a_driver_that_sends_several_and_halts_is_waited_for), T(a_driver_that_goes_on_is_not_disturbed),
        T(what_is_added_while_the_disk_works_needs_no_kick),
        T(the_disk_is_told_once_of_all_that_a_kick_brings), T(queues_starved_of_the_pool_go_on),
        T(queues_interrupt_by_their_own_vector),
        T(a_disk_that_copies_gives_others_their_turn),
        T(reset_waits_for_the_disk_and_drops_its_answers),
        T(an_impatient_driver_gets_no_old_answers),
        T(a_stopping_guest_becomes_idle),
        T(hostile_requests_stop_the_guest),
        T(a_fault_found_in_a_completion_stops_the_guest_too),
        T(init_fails_cleanly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
