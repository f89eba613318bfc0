/* hal/ahci and hal/ahciport against a model of the controller that checks what it is given. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include "test/unit/disk_kit.h"
#include "test/unit/fake_pci.h"
#include "base/bytes.h"
#include "base/str.h"
#include "hal/ahci.h"
#include "hal/ahciport.h"

/* --- the controller --- */

#define SECTORS 16384u
#define PORTS 4u
#define DISK 0x101u
#define OPTICAL 0xEB140101u
#define FAILED BIT(30)

enum { CMD = 0x18, IDENTIFY = 0xEC, FLUSH = 0xEA, TRIM = 0x06 };

struct port {
    uint64_t list, received;
    uint32_t events, enabled, command, task, signature, link, control, errors, queued, issued;
    uint32_t found; /* what the signature is once the port may receive */
    uint32_t block; /* bytes */
    unsigned depth; /* 0: no NCQ */
    bool aborted;   /* an error in a queue: nothing but a reset helps */
    unsigned resets, at_once;
    uint8_t image[SECTORS * 512];
};

static struct {
    uint32_t cap, control, events, cap2, handoff;
    struct port port[PORTS];
    bool stuck, mute, never_ready, no_link_again, fail_identify, old;
    unsigned io, fail_at;
    unsigned commands[256];
    uint64_t discarded;
} hw;

static uint8_t *at_pa(uint64_t pa) { return (uint8_t *)(uintptr_t)pa; }

static uint32_t moved(const struct ahci_header *h)
{
    const struct ahci_table *t = (const void *)at_pa(h->table);
    uint32_t n = 0;

    assert_int_equal(h->table % 128, 0);
    for (uint32_t i = 0; i < h->info >> 16; i++) {
        assert_int_equal(t->seg[i].pa % 2, 0);
        assert_int_equal(t->seg[i].last % 2, 1);
        assert_in_range(t->seg[i].last, 1, MIB(4) - 1);
        n += t->seg[i].last + 1;
    }
    return n;
}

static void copy(const struct ahci_header *h, uint8_t *disk, uint32_t len, bool to_disk)
{
    const struct ahci_table *t = (const void *)at_pa(h->table);

    assert_int_equal(moved(h), len);
    assert_int_equal(!!(h->info & BIT(6)), to_disk);
    for (uint32_t i = 0; i < h->info >> 16; i++) {
        uint32_t n = t->seg[i].last + 1;
        if (to_disk)
            memcpy(disk, at_pa(t->seg[i].pa), n);
        else
            memcpy(at_pa(t->seg[i].pa), disk, n);
        disk += n;
    }
}

static void identify(const struct port *p, const struct ahci_header *h)
{
    uint8_t w[512] = { 0 };

    put_le16(w + 2 * 83, hw.old ? 0 : BIT(10));
    put_le64(w + 2 * 100, SECTORS * 512u / p->block);
    if (p->block != 512) {
        put_le16(w + 2 * 106, BIT(14) | BIT(12));
        put_le32(w + 2 * 117, p->block / 2);
    }
    if (p->depth) {
        put_le16(w + 2 * 75, (uint16_t)(p->depth - 1));
        put_le16(w + 2 * 76, BIT(8));
    }
    put_le16(w + 2 * 169, 1);
    copy(h, w, 512, false);
}

static void trim(const struct port *p, const struct ahci_header *h, const uint8_t *fis)
{
    uint8_t ranges[512];
    uint64_t next = 0;

    assert_int_equal(fis[3], 1);
    assert_int_equal(get_le16(fis + 12), 1);
    copy(h, ranges, 512, true);
    for (unsigned i = 0; i < 64; i++) {
        uint64_t at = get_le64(ranges + 8 * i) & (BIT64(48) - 1), n = get_le64(ranges + 8 * i) >> 48;
        if (n && i)
            assert_int_equal(at, next);
        next = at + n;
        hw.discarded += n * (p->block / 512);
    }
}

/* False: it fails. */
static bool command_do(struct port *p, unsigned slot)
{
    const struct ahci_header *h = (const struct ahci_header *)(void *)at_pa(p->list) + slot;
    const uint8_t *fis = ((const struct ahci_table *)(void *)at_pa(h->table))->fis;
    uint64_t lba = (get_le32(fis + 4) & 0xFFFFFF) | (uint64_t)(get_le32(fis + 8) & 0xFFFFFF) << 24;
    uint32_t count = get_le16(fis + 12);
    bool queued = fis[2] == 0x60 || fis[2] == 0x61;

    assert_int_equal(get_le16(fis), 0x8027);
    assert_int_equal(h->info & 0x1F, 5);
    assert_int_equal(queued, p->queued >> slot & 1);
    hw.commands[fis[2]]++;
    if (fis[2] == IDENTIFY) {
        identify(p, h);
        return !hw.fail_identify;
    }
    if (++hw.io == hw.fail_at)
        return false;
    if (fis[2] == TRIM)
        trim(p, h, fis);
    else if (fis[2] != FLUSH) {
        if (queued) {
            assert_int_equal(count >> 3, slot);
            count = fis[3] | (uint32_t)fis[11] << 8;
        } else {
            assert_true(fis[2] == 0x25 || fis[2] == 0x35);
        }
        assert_int_equal(fis[7], 0x40);
        count = count ? count : 65536;
        assert_true((lba + count) * p->block <= sizeof p->image);
        copy(h, p->image + lba * p->block, count * p->block, fis[2] == 0x61 || fis[2] == 0x35);
    }
    return true;
}

static void command_end(struct port *p, unsigned slot, bool ok)
{
    if (ok || p->queued >> slot & 1)
        p->issued &= ~BIT(slot);
    if (ok)
        p->queued &= ~BIT(slot);
    p->events |= ok ? BIT(0) | BIT(3) : FAILED;
    p->aborted = !ok;
}

static void port_write(struct port *p, uint64_t reg, uint32_t val)
{
    uint64_t *base = reg < 8 ? &p->list : &p->received;

    switch (reg) {
    case 0x00: case 0x08: *base = (*base & ~(uint64_t)UINT32_MAX) | val; break;
    case 0x04: case 0x0C: *base = (uint32_t)*base | (uint64_t)val << 32; break;
    case 0x10: p->events &= ~val; break;
    case 0x14: p->enabled = val; break;
    case CMD:
        if (val & BIT(4) && !(p->command & BIT(4))) {
            assert_true(p->list && p->list % 1024 == 0 && p->received && p->received % 256 == 0);
            p->signature = p->found;
            p->task = hw.never_ready ? 0x80 : 0x50;
        }
        if (val & BIT(0))
            assert_true(val & BIT(4) && !(p->task & 0x88));
        else
            p->issued = p->queued = 0;
        p->command = val & ~(BIT(14) | BIT(15));
        p->command |= (val & BIT(4) ? BIT(14) : 0) | (val & BIT(0) || hw.stuck ? BIT(15) : 0);
        break;
    case 0x2C:
        if (p->control & 1 && !(val & 1)) {
            assert_false(p->command & BIT(0));
            p->resets++;
            p->aborted = false;
            p->link = hw.no_link_again ? 0 : 0x113;
        }
        p->control = val;
        break;
    case 0x30: p->errors &= ~val; break;
    case 0x34: assert_true(p->command & BIT(0)); p->queued |= val; break;
    case 0x38:
        assert_true(p->command & BIT(0));
        p->issued |= val;
        p->at_once = (unsigned)max_u64(p->at_once, (unsigned)__builtin_popcount(p->issued | p->queued));
        assert_true(p->issued == p->queued || !(p->issued & (p->issued - 1))); /* either queued ones, or one alone */
        if (val == 1 && !hw.mute && at_pa(((struct ahci_header *)(void *)at_pa(p->list))->table)[2] == IDENTIFY)
            command_end(p, 0, command_do(p, 0));
        break;
    default: fail_msg("register 0x%x of a port is written", (unsigned)reg);
    }
}

static uint32_t port_read(const struct port *p, uint64_t reg)
{
    switch (reg) {
    case 0x10: return p->events;
    case CMD: return p->command;
    case 0x20: return p->task;
    case 0x24: return p->signature;
    case 0x28: return p->link;
    case 0x2C: return p->control;
    case 0x34: return p->queued;
    case 0x38: return p->issued;
    }
    fail_msg("register 0x%x of a port is read", (unsigned)reg);
    return 0;
}

static uint64_t hw_read(uint64_t off, unsigned size)
{
    assert_int_equal(size, 4);
    fake_set_tsc(ground_tsc() + 1000000); /* time passes while the driver looks */
    if (off >= 0x100)
        return port_read(&hw.port[(off - 0x100) / 0x80], off % 0x80);
    switch (off) {
    case 0x00: return hw.cap;
    case 0x0C: return BIT(PORTS) - 1;
    case 0x24: return hw.cap2;
    case 0x28: return hw.handoff;
    }
    fail_msg("register 0x%x is read", (unsigned)off);
    return 0;
}

static void hw_write(uint64_t off, unsigned size, uint64_t val)
{
    assert_int_equal(size, 4);
    if (off >= 0x100)
        port_write(&hw.port[(off - 0x100) / 0x80], off % 0x80, (uint32_t)val);
    else if (off == 0x04)
        hw.control = (uint32_t)val;
    else if (off == 0x08)
        hw.events &= ~(uint32_t)val;
    else if (off == 0x28)
        hw.handoff = (uint32_t)val & ~BIT(0); /* the firmware lets go at once */
    else
        fail_msg("register 0x%x is written", (unsigned)off);
}

static void interrupt(unsigned number)
{
    const struct port *p = &hw.port[number];

    if (!(p->events & p->enabled) || !(hw.control & BIT(1)))
        return;
    hw.events |= BIT(number);
    assert_true(fake_pci_interrupt(0));
    assert_int_equal(hw.events, 0);
}

/* The disks do what they were told, the last slot first. */
static void hw_run(void)
{
    for (unsigned n = 0; n < PORTS; n++) {
        struct port *p = &hw.port[n];
        for (unsigned slot = 32; slot-- > 0 && fake_pci_may_dma();)
            if (p->issued & BIT(slot) && !p->aborted && !hw.mute)
                command_end(p, slot, command_do(p, slot));
        interrupt(n);
    }
}

/* --- the driver's surroundings --- */

static err_t probe(void)
{
    ndisks = 0;
    return hal_ahci_probe(&fake_pci.dev, 0);
}

static struct port *disk_make(unsigned n, uint32_t block, unsigned depth)
{
    struct port *p = &hw.port[n];

    p->found = DISK;
    p->link = 0x113;
    p->block = block;
    p->depth = depth;
    p->command = BIT(0) | BIT(4) | BIT(1) | BIT(2) | BIT(14) | BIT(15); /* as the firmware left it */
    for (size_t i = 0; i < sizeof p->image; i++)
        p->image[i] = (uint8_t)(i / 512 + i + n);
    return p;
}

/* Port 0: a disk with a queue. 1: nothing. 2: an optical drive. 3: a disk of 4 KiB blocks without a queue. */
static void hw_make(unsigned vectors)
{
    memset(&hw, 0, sizeof hw);
    fake_pci_init(0x29228086, 0x010601, vectors);
    fake_pci.read = hw_read;
    fake_pci.write = hw_write;
    hw.cap = BIT(31) | BIT(30) | 31u << 8 | (PORTS - 1);
    disk_make(0, 512, 16);
    hw.port[1].command = BIT(1) | BIT(2);
    disk_make(2, 2048, 0)->found = OPTICAL;
    disk_make(3, 4096, 0);
}

static int setup(void **)
{
    fake_set_cpus(1, 0);
    fake_set_tsc(1000000);
    hw_make(1);
    return 0;
}

/* --- tests --- */

static void disks_are_found_and_the_rest_is_left_out(void **)
{
    hw.cap2 = 1; /* the firmware has the controller */
    hw.handoff = 1;
    hw.port[3].command = 0; /* and has never looked at this port */
    assert_int_equal(probe(), OK);
    assert_int_equal(hw.handoff, 2);
    assert_int_equal(hw.port[3].command & 6, 6);
    assert_int_equal(ndisks, 2);
    assert_string_equal(disk[0]->name, "sda");
    assert_int_equal(disk[0]->sectors, SECTORS);
    assert_int_equal(disk[0]->block_size, 512);
    assert_int_equal(disk[1]->sectors, SECTORS);
    assert_int_equal(disk[1]->block_size, 4096);
    assert_true(disk[0]->can_discard && !disk[0]->read_only);
    assert_int_equal(hw.control, BIT(31) | BIT(1));
    assert_int_equal(hw.port[2].command & (BIT(0) | BIT(4)), 0); /* the optical drive's port writes nowhere */
}

static void every_shape_of_buffer_is_transferred(void **)
{
    static uint8_t mem[200 * 8192] ALIGNED(4096), want[AHCI_SEGS * 4096];
    struct blk_seg seg[AHCI_SEGS];

    assert_int_equal(probe(), OK);
    for (unsigned d = 0; d < 2; d++)
        for (uint32_t n = 1; n <= AHCI_SEGS; n += 37)
            for (uint32_t off = 0; off <= 4092; off += 1364) {
                uint8_t *flat = hw.port[d ? 3 : 0].image + 800 * 512;
                for (uint32_t i = 0; i < n; i++)
                    seg[i] = (struct blk_seg){ hpa_of(mem + i * 8192 + off), 4096 };
                for (size_t i = 0; i < sizeof mem; i++)
                    mem[i] = (uint8_t)(i * 7 + n + off);
                for (uint32_t i = 0; i < n; i++)
                    memcpy(want + i * 4096, mem + i * 8192 + off, 4096);
                assert_int_equal(disk_run(disk[d], BLK_WRITE, 800, seg, n), OK);
                assert_memory_equal(flat, want, n * 4096);
                memset(mem, 0, sizeof mem);
                assert_int_equal(disk_run(disk[d], BLK_READ, 800, seg, n), OK);
                for (uint32_t i = 0; i < n; i++)
                    assert_memory_equal(mem + i * 8192 + off, want + i * 4096, 4096);
            }
    assert_int_equal(disk_run(disk[0], BLK_READ, SECTORS - 1, &(struct blk_seg){ hpa_of(mem), 1024 }, 1), ERR_RANGE);
    assert_true(hw.commands[0x60] && hw.commands[0x61] && hw.commands[0x25] && hw.commands[0x35]);
}

static void requests_beyond_the_queue_wait_their_turn(void **)
{
    static struct blk_req r[100];
    static uint8_t buf[100][4096] ALIGNED(4096);
    static struct blk_seg seg[100];

    assert_int_equal(probe(), OK);
    for (unsigned d = 0; d < 2; d++) {
        dones = failed = 0;
        for (unsigned i = 0; i < 100; i++) {
            seg[i] = (struct blk_seg){ hpa_of(buf[i]), 4096 };
            r[i] = make(BLK_READ, 8 * i, &seg[i], 1);
            disk[d]->ops->submit(disk[d], &r[i]);
        }
        hw_run();
        assert_int_equal(dones, d ? 1 : 16);
        for (unsigned i = 0; i < 100; i++)
            hw_run();
        assert_int_equal(dones, 100);
        assert_int_equal(failed, 0);
        for (unsigned i = 0; i < 100; i++)
            assert_memory_equal(buf[i], hw.port[d ? 3 : 0].image + 4096 * i, 4096);
        assert_int_equal(hw.port[d ? 3 : 0].at_once, d ? 1 : 16);
    }
}

static void flush_and_discard_have_the_disk_for_themselves(void **)
{
    uint8_t buf[512] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 512 };
    struct blk_req r[3] = { make(BLK_READ, 0, &seg, 1), make(BLK_FLUSH, 0, NULL, 0), make(BLK_READ, 1, &seg, 1) }, big = make(BLK_DISCARD, 0, NULL, 0);

    assert_int_equal(probe(), OK);
    dones = failed = 0;
    for (unsigned i = 0; i < 3; i++)
        disk[0]->ops->submit(disk[0], &r[i]); /* the model fails if they mix */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(dones, i);
        hw_run();
    }
    assert_int_equal(hw.commands[FLUSH], 1);
    big.nsectors = 64;
    disk[1]->ops->submit(disk[1], &big);
    hw_run();
    assert_int_equal(hw.discarded, 64);
    disk[0]->sectors = BIT64(33); /* a large disk: several commands */
    big.nsectors = BIT64(24);
    hw.discarded = 0;
    disk[0]->ops->submit(disk[0], &big);
    for (unsigned i = 0; i < 5; i++)
        hw_run();
    assert_int_equal(dones, 5);
    assert_int_equal(failed, 0);
    assert_int_equal(hw.discarded, BIT64(24));
    assert_int_equal(hw.commands[TRIM], 1 + 5);
}

static void an_error_hits_only_its_own_request(void **)
{
    uint8_t buf[4096] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 4096 };
    struct blk_req r[10];
    err_t result[10];

    for (unsigned d = 0; d < 2; d++)
        for (unsigned n = 0; n < 10; n++) {
            unsigned bad = 0;
            hw_make(1);
            assert_int_equal(probe(), OK);
            dones = 0;
            hw.fail_at = n + 1;
            for (unsigned i = 0; i < 10; i++) {
                r[i] = make(BLK_READ, 8 * i, &seg, 1);
                r[i].owner = &result[i];
                disk[d]->ops->submit(disk[d], &r[i]);
            }
            hw_run();
            if (!d) /* of those that go once more, each alone, the third fails again, if there are as many */
                hw.fail_at = 10 - n < 3 ? 0 : hw.io + 3;
            for (unsigned i = 0; i < 12; i++)
                hw_run();
            assert_int_equal(dones, 10);
            for (unsigned i = 0; i < 10; i++)
                bad += result[i] != OK;
            assert_int_equal(bad, d || 10 - n >= 3); /* in a queue what fails is tried again */
            assert_int_equal(hw.port[d ? 3 : 0].resets, d ? 1 : 1 + (10 - n >= 3));
            hw.fail_at = 0;
            assert_int_equal(disk_run(disk[d], BLK_READ, 0, &seg, 1), OK);
        }
}

static void a_dead_disk_ends_every_request(void **)
{
    static struct blk_req r[200];
    static uint8_t buf[4096] ALIGNED(4);
    struct blk_seg seg = { hpa_of(buf), 4096 };

    for (int how = 0; how < 3; how++) {
        setup(NULL);
        assert_int_equal(probe(), OK);
        dones = failed = 0;
        for (unsigned i = 0; i < 200; i++) {
            r[i] = make(BLK_READ, 8 * i, &seg, 1);
            disk[0]->ops->submit(disk[0], &r[i]);
        }
        disk[0]->ops->poll(disk[0]);
        assert_int_equal(dones, 0);
        if (how == 0) { /* silence, and it does not even stop */
            hw.stuck = true;
            fake_set_tsc(ground_tsc() + HAL_DISK_TIMEOUT_NS);
        } else if (how == 1) { /* it was pulled out */
            hw.port[0].link = 0;
            fake_set_tsc(ground_tsc() + HAL_DISK_SUSPECT_NS);
        } else { /* it fails and does not come back */
            hw.no_link_again = true;
            hw.fail_at = 1;
            hw_run();
        }
        disk[0]->ops->poll(disk[0]);
        assert_int_equal(dones, 200);
        assert_int_equal(failed, 200);
        assert_non_null(strstr(fake_last_log(), "sda: "));
        assert_non_null(strstr(fake_last_log(), "given up"));
        assert_int_equal(fake_pci_may_dma(), how != 0);
        assert_int_equal(disk_run(disk[0], BLK_READ, 0, &seg, 1), ERR_IO);
        if (how) /* the other one lives */
            assert_int_equal(disk_run(disk[1], BLK_READ, 0, &seg, 1), OK);
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
}

static void what_cannot_be_driven_is_left_out(void **)
{
    hw_make(0); /* neither MSI-X nor MSI */
    refused(ERR_UNSUPPORTED);
    hw_make(1);
    hw.cap &= ~BIT(31);
    refused(ERR_UNSUPPORTED);
    hw_make(1);
    hw.stuck = true;
    refused(ERR_IO);
    hw_make(1);
    hw.never_ready = true;
    refused(ERR_NOTFOUND);
    hw_make(1);
    hw.mute = true;
    refused(ERR_NOTFOUND);
    hw_make(1);
    hw.fail_identify = true;
    refused(ERR_NOTFOUND);
    hw_make(1);
    hw.old = true;
    refused(ERR_NOTFOUND);
    hw_make(1);
    hw.port[0].block = hw.port[3].block = 8192;
    refused(ERR_NOTFOUND);
}

/* The controller; then two for each of three ports, of which the second has no disk. */
static void a_failed_allocation_costs_no_more_than_its_port(void **)
{
    static const unsigned found[] = { 0, 1, 1, 2, 2, 1, 1, 2 };

    for (unsigned n = 0; n < ARRAY_LEN(found); n++) {
        uint64_t before = fake_pages_in_use();
        hw_make(1);
        fake_fail_alloc(n + 1);
        assert_int_equal(probe(), n ? OK : ERR_NOMEM);
        fake_fail_alloc(0);
        assert_int_equal(ndisks, found[n]);
        assert_int_equal(fake_pages_in_use() - before, n ? 1 + ndisks * (1 + (1u << AHCI_ORDER)) : 0);
    }
}

static void nothing(void *arg) { (void)arg; }
static void without_a_vector_the_controller_is_left_out(void **)
{
    struct irq_msi m;

    while (!ground_irq_msi(0, nothing, NULL, &m)) { }
    refused(ERR_FULL);
}

/* The controller's registers are where 32 bits reach. */
static void bar_make(void)
{
    void *low = mmap(NULL, 2 * FAKE_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    if (low == MAP_FAILED)
        abort();
    fake_pci.bar = (uint8_t *)align_up((uintptr_t)low, FAKE_BAR_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(disks_are_found_and_the_rest_is_left_out, setup),
        cmocka_unit_test_setup(every_shape_of_buffer_is_transferred, setup),
        cmocka_unit_test_setup(requests_beyond_the_queue_wait_their_turn, setup),
        cmocka_unit_test_setup(flush_and_discard_have_the_disk_for_themselves, setup),
        cmocka_unit_test_setup(an_error_hits_only_its_own_request, setup),
        cmocka_unit_test_setup(a_dead_disk_ends_every_request, setup),
        cmocka_unit_test_setup(what_cannot_be_driven_is_left_out, setup),
        cmocka_unit_test_setup(a_failed_allocation_costs_no_more_than_its_port, setup),
        cmocka_unit_test_setup(without_a_vector_the_controller_is_left_out, setup), /* last: takes all vectors */
    };

    bar_make();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
