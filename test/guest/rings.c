/* Virtio rings that break the rules. Argument case: a row of cases[] below; 0 is a well-behaved request.
 * A case either ends with an error status that the guest sees, then it prints PASS; or
 * the monitor stops the guest, then `BEGIN rings ...` is the last line. Still running without either is FAIL. */
#include "test/guest/guest.h"

const char guest_name[] = "rings";

enum { STATUS_OK, STATUS_IOERR, STATUS_UNSUPP, STATUS_NONE = 0xFF };

static struct virtio v;
static struct queue q;
static struct {
    uint32_t type, reserved;
    uint64_t sector;
} head;
static volatile uint8_t status;
static uint8_t *data; /* two pages */
static uint32_t used_len;

/* --- building requests --- */

static void desc(unsigned i, uint64_t addr, uint64_t len, unsigned flags, unsigned next)
{
    q.desc[i] = (struct ring_desc){ addr, (uint32_t)len, (uint16_t)flags, (uint16_t)next };
}
static uint64_t addr_of(const volatile void *p) { return (uintptr_t)p; }

/* A read of one sector, to be spoiled by the case. */
static void good_request(void)
{
    head.type = DISK_READ;
    head.sector = 0;
    status = STATUS_NONE;
    desc(0, addr_of(&head), 16, DESC_NEXT, 1);
    desc(1, addr_of(data), 512, DESC_NEXT | DESC_WRITE, 2);
    desc(2, addr_of(&status), 1, DESC_WRITE, 0);
}

/* Offers chain 0 and returns its status; STATUS_NONE if the device has refused to go on. */
static uint8_t offered(void)
{
    queue_offer(&q, 0);
    if (!queue_wait(&q, MS(3000), NULL, &used_len) && !(virtio_status(&v) & 64))
        fail("neither an answer nor the end");
    return status;
}

static void expect(uint8_t want)
{
    uint8_t got = offered();

    if (got != want)
        fail("status %u instead of %u", got, want);
}

/* The device may answer with any error, or say that it needs a reset. */
static void expect_error(void)
{
    if (offered() == STATUS_OK)
        fail("was done as if it were right");
}

static uint64_t last_ram(void) { return ram_end_low(); }

/* --- cases --- */

static void good(void)
{
    expect(STATUS_OK);
    CHECK(used_len == 513);
}
static void loop_one(void)
{
    desc(1, addr_of(data), 512, DESC_NEXT | DESC_WRITE, 1);
    expect_error();
}
static void loop_two(void)
{
    desc(2, addr_of(&status), 1, DESC_NEXT | DESC_WRITE, 1);
    expect_error();
}
static void loop_all(void)
{
    for (unsigned i = 1; i < q.size; i++)
        desc(i, addr_of(data), 1, DESC_NEXT | DESC_WRITE, i + 1 < q.size ? i + 1 : 0);
    expect_error();
}
static void data_outside_ram(void)
{
    desc(1, 0xF0000000, 512, DESC_NEXT | DESC_WRITE, 2);
    expect_error();
}
static void data_at_end_of_ram(void)
{
    desc(1, last_ram() - 256, 512, DESC_NEXT | DESC_WRITE, 2);
    expect_error();
}
static void head_outside_ram(void)
{
    desc(0, BIT64(63), 16, DESC_NEXT, 1);
    expect_error();
}
static void status_outside_ram(void)
{
    desc(2, last_ram(), 1, DESC_WRITE, 0);
    expect_error();
}
static void length_wraps(void)
{
    desc(1, UINT64_MAX - 255, 512, DESC_NEXT | DESC_WRITE, 2);
    expect_error();
}
static void length_huge(void)
{
    desc(1, addr_of(data), 0xFFFFFE00, DESC_NEXT | DESC_WRITE, 2);
    expect_error();
}
/* Many long buffers: their sum passes 32 bits, each is inside RAM. */
static void sum_wraps(void)
{
    uint32_t len = (uint32_t)align_down(last_ram() - MIB(2), MIB(1));
    unsigned n = 1;

    for (uint64_t sum = 0; sum < GIB(4) + 512 && n + 2 < q.size; sum += len)
        desc(n, MIB(1), len, DESC_NEXT, n + 1), n++;
    head.type = DISK_WRITE;
    head.sector = 1ull << 62; /* so that nothing is overwritten */
    desc(n, addr_of(&status), 1, DESC_WRITE, 0);
    expect_error();
}
static void next_outside_table(void)
{
    desc(0, addr_of(&head), 16, DESC_NEXT, q.size);
    expect_error();
}
static void next_far_outside(void)
{
    desc(1, addr_of(data), 512, DESC_NEXT | DESC_WRITE, 0xFFFF);
    expect_error();
}
static void head_index_outside(void)
{
    queue_offer(&q, 0xFFF0);
    wait_ns(MS(500));
    expect_error();
}
static void avail_jumps(void)
{
    q.avail[1] = (uint16_t)(q.avail[1] + q.size + 1);
    expect_error();
}
static void avail_goes_back(void)
{
    expect(STATUS_OK);
    q.avail[1] = (uint16_t)(q.avail[1] - 2);
    expect_error();
}
static void write_before_read(void)
{
    desc(0, addr_of(&status), 1, DESC_NEXT | DESC_WRITE, 1);
    desc(1, addr_of(&head), 16, DESC_NEXT, 2);
    desc(2, addr_of(data), 512, DESC_WRITE, 0);
    expect_error();
}
static void no_buffers(void)
{
    desc(0, 0, 0, 0, 0);
    expect_error();
}
static void empty_buffers(void)
{
    desc(1, addr_of(data), 0, DESC_NEXT | DESC_WRITE, 2);
    expect_error();
}
static void only_status(void)
{
    desc(0, addr_of(&status), 1, DESC_WRITE, 0);
    expect_error();
}
static void no_status(void)
{
    desc(0, addr_of(&head), 16, 0, 0);
    expect_error();
}
static void short_head(void)
{
    desc(0, addr_of(&head), 8, DESC_NEXT, 1);
    expect_error();
}
static void odd_length(void)
{
    desc(1, addr_of(data), 511, DESC_NEXT | DESC_WRITE, 2);
    expect_error();
}
static void odd_address(void)
{
    desc(1, addr_of(data) + 3, 512, DESC_NEXT | DESC_WRITE, 2);
    (void)offered(); /* allowed: either way is right */
}
static void read_into_readable(void)
{
    desc(1, addr_of(data), 512, DESC_NEXT, 2);
    (void)offered(); /* a read of nothing: either way is right */
}
static void sector_outside(void)
{
    head.sector = UINT64_MAX;
    expect(STATUS_IOERR);
    good_request();
    head.sector = UINT64_MAX / 512 + 1; /* wraps to 0 in bytes */
    expect(STATUS_IOERR);
    good_request();
    expect(STATUS_OK);
}
static void unknown_type(void)
{
    head.type = 0x12345678;
    expect(STATUS_UNSUPP);
    good_request();
    expect(STATUS_OK);
}

/* Indirect tables: the chain is in data. */
static void indirect(uint64_t table, uint32_t len)
{
    volatile struct ring_desc *t = (volatile struct ring_desc *)data;

    t[0] = (struct ring_desc){ addr_of(&head), 16, DESC_NEXT, 1 };
    t[1] = (struct ring_desc){ addr_of(data + PAGE_SIZE), 512, DESC_NEXT | DESC_WRITE, 2 };
    t[2] = (struct ring_desc){ addr_of(&status), 1, DESC_WRITE, 0 };
    desc(0, table, len, DESC_INDIRECT, 0);
}
static void indirect_good(void)
{
    indirect(addr_of(data), 48);
    expect(STATUS_OK);
}
static void indirect_odd_size(void)
{
    indirect(addr_of(data), 47);
    expect_error();
}
static void indirect_empty(void)
{
    indirect(addr_of(data), 0);
    expect_error();
}
static void indirect_huge(void)
{
    indirect(addr_of(data), 0xFFFFFFF0);
    expect_error();
}
static void indirect_outside_ram(void)
{
    indirect(0xFFFFFFFFFFFFFFF0, 48);
    expect_error();
}
static void indirect_nested(void)
{
    indirect(addr_of(data), 48);
    ((volatile struct ring_desc *)data)[1].flags = DESC_INDIRECT | DESC_NEXT;
    expect_error();
}
static void indirect_with_next(void)
{
    indirect(addr_of(data), 48);
    q.desc[0].flags = DESC_INDIRECT | DESC_NEXT;
    q.desc[0].next = 1;
    expect_error();
}
static void indirect_loop(void)
{
    indirect(addr_of(data), 48);
    ((volatile struct ring_desc *)data)[2].flags = DESC_NEXT | DESC_WRITE;
    expect_error();
}
static void indirect_next_outside(void)
{
    indirect(addr_of(data), 48);
    ((volatile struct ring_desc *)data)[1].next = 3;
    expect_error();
}

/* Where the rings are. */
static void rings_at(unsigned size, uint64_t d, uint64_t a, uint64_t u)
{
    virtio_begin(&v, 0);
    virtio_queue_raw(&v, 0, size, d, a, u);
    virtio_go(&v);
    q.seen = 0;
    virtio_kick(&v, 0);
    wait_ns(MS(300));
}
static void rings_outside_ram(void) { rings_at(64, 0xF0000000, 0xF0001000, 0xF0002000); }
static void rings_wrap(void) { rings_at(64, UINT64_MAX & ~0xFFFull, UINT64_MAX & ~0xFFull, UINT64_MAX & ~0xFFull); }
static void rings_cross_end(void) { rings_at(64, last_ram() - 256, addr_of(q.avail), addr_of(q.used)); }
static void rings_misaligned(void) { rings_at(64, addr_of(q.desc) + 1, addr_of(q.avail) + 1, addr_of(q.used) + 1); }
static void size_zero(void) { rings_at(0, addr_of(q.desc), addr_of(q.avail), addr_of(q.used)); }
static void size_odd(void) { rings_at(65, addr_of(q.desc), addr_of(q.avail), addr_of(q.used)); }
static void size_huge(void) { rings_at(0x8000, addr_of(q.desc), addr_of(q.avail), addr_of(q.used)); }
static void all_in_one_page(void)
{
    rings_at(64, addr_of(data), addr_of(data), addr_of(data));
    for (unsigned i = 0; i < 2000; i++) {
        put_le16(data + 2, (uint16_t)rnd());
        virtio_kick(&v, 0);
    }
}
static void read_onto_the_rings(void)
{
    for (unsigned i = 0; i < 3; i++) {
        good_request();
        desc(1, addr_of(i == 0 ? (volatile void *)q.desc : i == 1 ? (volatile void *)q.avail : (volatile void *)q.used), 512,
             DESC_NEXT | DESC_WRITE, 2);
        queue_offer(&q, 0);
        wait_ns(MS(200));
    }
}

/* --- abuse of the registers --- */

static void kick_everything(void)
{
    for (unsigned i = 0; i < 1000; i++)
        virtio_kick(&v, i % 8);
    expect(STATUS_OK);
}
static void reset_in_flight(void)
{
    for (unsigned i = 0; i < 50; i++) {
        good_request();
        for (unsigned k = 0; k < 16; k++)
            queue_offer(&q, 0);
        virtio_begin(&v, 0);
        virtio_queue(&v, &q, 0, 16);
        virtio_go(&v);
    }
    good_request();
    expect(STATUS_OK);
}
static void junk_registers(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        unsigned off = (unsigned)(rnd() % 64);
        volatile uint8_t *p = v.common + off;

        if (off == 28 && rnd() % 4) /* enabling a junk queue stops the guest; that is another case */
            continue;
        switch (rnd() % 4) {
        case 0: *p = off == 28 ? 0 : (uint8_t)rnd(); break;
        case 1: *(volatile uint16_t *)p = off == 28 ? 0 : (uint16_t)rnd(); break;
        case 2: (void)*(volatile uint32_t *)p; break;
        case 3: (void)*(volatile uint64_t *)p; break;
        }
    }
    virtio_begin(&v, 0);
    virtio_queue(&v, &q, 0, 16);
    virtio_go(&v);
    good_request();
    expect(STATUS_OK);
}
static void no_driver_ok(void)
{
    virtio_begin(&v, 0);
    virtio_queue(&v, &q, 0, 16);
    good_request();
    queue_offer(&q, 0);
    wait_ns(MS(300));
    virtio_go(&v);
    if (!queue_wait(&q, MS(3000), NULL, NULL) || status)
        fail("not found at DRIVER_OK");
}
/* BARs moved onto each other, onto RAM, away; configuration space written with junk. */
static void junk_pci(void)
{
    unsigned slot = (unsigned)v.slot;

    for (unsigned i = 0; i < 5000; i++) {
        unsigned reg = (unsigned)(rnd() % 64) * 4;
        uint32_t old = pci_read(slot, reg);
        static const uint32_t places[] = { 0, 0x100000, 0xE0000000, 0xFEE00000, 0xFEC00000, 0xFFFFFFFF, 0x3F9, 0xCF9, 0x601 };

        pci_write(slot, reg, rnd() & 1 ? (uint32_t)rnd() : places[rnd() % ARRAY_LEN(places)]);
        virtio_kick(&v, 0);
        pci_write(slot, reg, old);
    }
    if (!virtio_find(&v, 2, 0))
        fail("the device is gone");
    virtio_begin(&v, 0);
    virtio_queue(&v, &q, 0, 16);
    virtio_go(&v);
    good_request();
    expect(STATUS_OK);
}

/* Descriptors that change while the device looks at them: another CPU writes good and bad by turns. */
static volatile uint32_t race_on;
static void racer(unsigned cpu)
{
    while (race_on) {
        q.desc[1].addr = addr_of(data);
        q.desc[1].len = 512;
        q.desc[1].addr = rnd() & 1 ? 0xF0000000 : last_ram() - 8;
        q.desc[1].len = (uint32_t)rnd();
        q.desc[0].next = (uint16_t)(rnd() & 1 ? 1 : cpu);
        q.desc[2].flags = (uint16_t)rnd();
    }
}
static void race(void)
{
    race_on = 1;
    if (cpu_count() < 2)
        fail("needs two CPUs");
    cpus_start(racer);
    for (unsigned i = 0; i < 5000 && !(virtio_status(&v) & 64); i++)
        queue_offer(&q, 0);
}

/* Rings full of noise. */
static void noise(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < q.size; i++)
            desc(i, rnd() % 3 ? addr_of(data) + rnd() % PAGE_SIZE : rnd(), rnd() % 4 ? rnd() % 2048 : rnd(), (unsigned)rnd() & 7,
                 (unsigned)(rnd() % (q.size + 1)));
        for (unsigned i = 0; i < q.size; i++)
            q.avail[2 + i] = (uint16_t)(rnd() % (q.size + 1));
        q.avail[1] = (uint16_t)(q.avail[1] + rnd() % 4);
        virtio_kick(&v, 0);
    }
}

/* Console: everything that can be sent is one stream of bytes. */
static void console_good(void)
{
    struct queue tx;
    static const char text[] = "rings: this line came through virtio-console\r\n";

    virtio_begin(&v, 0);
    virtio_queue(&v, &q, 0, 16);
    virtio_queue(&v, &tx, 1, 16);
    virtio_go(&v);
    tx.desc[0] = (struct ring_desc){ addr_of(text), sizeof text - 1, 0, 0 };
    queue_offer(&tx, 0);
    CHECK(queue_wait(&tx, MS(3000), NULL, NULL));
}
static void console_bad(uint64_t addr, uint32_t len, unsigned flags)
{
    struct queue tx;

    virtio_begin(&v, 0);
    virtio_queue(&v, &q, 0, 16);
    virtio_queue(&v, &tx, 1, 16);
    virtio_go(&v);
    tx.desc[0] = (struct ring_desc){ addr, len, (uint16_t)flags, 0 };
    queue_offer(&tx, 0);
    wait_ns(MS(1000));
    if (!(virtio_status(&v) & 64) && tx.used[1] == 0)
        fail("neither an answer nor the end");
}
static void console_loop(void) { console_bad(addr_of(data), 1, DESC_NEXT); }
static void console_outside_ram(void) { console_bad(0xF0000000, 100, 0); }
static void console_wraps(void) { console_bad(UINT64_MAX - 10, 100, 0); }
static void console_all_of_ram(void) { console_bad(0, 0xFFFFFFFF, 0); }
static void console_writable(void) { console_bad(addr_of(data), 100, DESC_WRITE); }

static const struct {
    const char *name;
    void (*run)(void);
    unsigned type;
} cases[] = {
    { "good", good, 2 },
    { "loop_one", loop_one, 2 },
    { "loop_two", loop_two, 2 },
    { "loop_all", loop_all, 2 },
    { "data_outside_ram", data_outside_ram, 2 },
    { "data_at_end_of_ram", data_at_end_of_ram, 2 },
    { "head_outside_ram", head_outside_ram, 2 },
    { "status_outside_ram", status_outside_ram, 2 },
    { "length_wraps", length_wraps, 2 },
    { "length_huge", length_huge, 2 },
    { "sum_wraps", sum_wraps, 2 },
    { "next_outside_table", next_outside_table, 2 },
    { "next_far_outside", next_far_outside, 2 },
    { "head_index_outside", head_index_outside, 2 },
    { "avail_jumps", avail_jumps, 2 },
    { "avail_goes_back", avail_goes_back, 2 },
    { "write_before_read", write_before_read, 2 },
    { "no_buffers", no_buffers, 2 },
    { "empty_buffers", empty_buffers, 2 },
    { "only_status", only_status, 2 },
    { "no_status", no_status, 2 },
    { "short_head", short_head, 2 },
    { "odd_length", odd_length, 2 },
    { "odd_address", odd_address, 2 },
    { "read_into_readable", read_into_readable, 2 },
    { "sector_outside", sector_outside, 2 },
    { "unknown_type", unknown_type, 2 },
    { "indirect_good", indirect_good, 2 },
    { "indirect_odd_size", indirect_odd_size, 2 },
    { "indirect_empty", indirect_empty, 2 },
    { "indirect_huge", indirect_huge, 2 },
    { "indirect_outside_ram", indirect_outside_ram, 2 },
    { "indirect_nested", indirect_nested, 2 },
    { "indirect_with_next", indirect_with_next, 2 },
    { "indirect_loop", indirect_loop, 2 },
    { "indirect_next_outside", indirect_next_outside, 2 },
    { "rings_outside_ram", rings_outside_ram, 2 },
    { "rings_wrap", rings_wrap, 2 },
    { "rings_cross_end", rings_cross_end, 2 },
    { "rings_misaligned", rings_misaligned, 2 },
    { "size_zero", size_zero, 2 },
    { "size_odd", size_odd, 2 },
    { "size_huge", size_huge, 2 },
    { "all_in_one_page", all_in_one_page, 2 },
    { "read_onto_the_rings", read_onto_the_rings, 2 },
    { "kick_everything", kick_everything, 2 },
    { "reset_in_flight", reset_in_flight, 2 },
    { "junk_registers", junk_registers, 2 },
    { "no_driver_ok", no_driver_ok, 2 },
    { "junk_pci", junk_pci, 2 },
    { "race", race, 2 },
    { "noise", noise, 2 },
    { "console_good", console_good, 3 },
    { "console_loop", console_loop, 3 },
    { "console_outside_ram", console_outside_ram, 3 },
    { "console_wraps", console_wraps, 3 },
    { "console_all_of_ram", console_all_of_ram, 3 },
    { "console_writable", console_writable, 3 },
};

void guest_main(void)
{
    uint64_t i = arg("case", 0);

    if (i >= ARRAY_LEN(cases))
        fail("there are cases 0 to %zu", ARRAY_LEN(cases) - 1);
    if (!virtio_find(&v, cases[i].type, 0))
        fail("no virtio device of type %u", cases[i].type);
    data = page_get();
    page_get();
    virtio_begin(&v, BIT64(28)); /* indirect */
    virtio_queue(&v, &q, 0, 16);
    virtio_go(&v);
    good_request();
    say("BEGIN rings %" PRIu64 " %s", i, cases[i].name);
    cases[i].run();
    pass("%" PRIu64 " %s", i, cases[i].name);
}
