/* Fuzzes what a guest can reach of PCI and virtio: the input is a list of register accesses, ring contents, completions
 * of the disk, typed keys and 9P messages against a real bridge, disk, console, entropy and 9P device. Nothing may crash, leave the
 * guest's RAM (the address sanitizer and the fake disk watch), break what a disk driver relies on, or leave a request
 * behind. */
#define RAM_LOW MIB(2)
#define DISK_SECTORS 256u
#include "test/unit/fake_disk.h"

#include "dev/virtio/9p.h"
#include "dev/virtio/blk.h"
#include "dev/virtio/console.h"
#include "dev/virtio/rng.h"
#include "ninep/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Instead of vm/panic.c's. */
void vm_hear(struct vm *v, unsigned *matched, const uint8_t *bytes, size_t n) { (void)v, (void)matched, (void)bytes, (void)n; }

/* --- the input, read from the front; zeros at its end --- */

static const uint8_t *in;
static size_t in_left;

static uint8_t u8(void)
{
    if (!in_left)
        return 0;
    in_left--;
    return *in++;
}
static uint16_t u16(void)
{
    uint16_t v = u8();
    return (uint16_t)(v | u8() << 8);
}
static uint32_t u32(void)
{
    uint32_t v = u16();
    return v | (uint32_t)u16() << 16;
}

/* A guest address: mostly around the rings and buffers, sometimes at the edges of RAM, sometimes anything. */
static uint64_t address(void)
{
    uint16_t v = u16();

    switch (u8() % 8) {
    case 0:
        return RAM_LOW - (v & 0xFFF);
    case 1:
        return MEM_HIGH_START + v;
    case 2:
        return MEM_HIGH_START + RAM_HIGH - v;
    case 3:
        return UINT64_MAX - v;
    case 4:
        return (uint64_t)u32() << 32 | u32();
    }
    return 0x10000 + v * 4ull;
}

/* --- the devices --- */

static struct virtio_blk blk;
static struct virtio_console con;
static struct virtio_rng rng;
static struct virtio_9p nine;
static struct virtio_dev *const devs[] = { &blk.dev, &con.dev, &rng.dev, &nine.dev };

/* vm/work.c's part: what the 9P device asks for is done in steps of their own. */
static bool work_wanted;
void work_add(struct work *w) { (void)w; }
void work_remove(struct work *w) { (void)w; }
void work_ask(struct work *w) { work_wanted = w == &nine.work; }

/* A tree with a text, and a file that waits for the odd times it is looked at. */
static unsigned looks;
static err_t fuzz_print(struct tree *t, uint64_t key, struct tree_text *x)
{
    (void)t, (void)key;
    if (looks++ & 1)
        return ERR_AGAIN;
    tree_print(x, "some text %u\n", looks);
    return OK;
}
static err_t fuzz_command(struct tree *t, uint64_t key, const char *line)
{
    (void)t, (void)key;
    return strlen(line) > 3 ? ERR_INVAL : OK;
}
static const struct tree_row tree_rows[] = {
    { .name = "", .parent = 0, .mode = TREE_DIR | 0755 },
    { .name = "f", .parent = 0, .mode = 0666, .print = fuzz_print, .command = fuzz_command },
};
static struct tree tree = { .rows = tree_rows, .nrows = 2 };

static void put(enum bus_kind kind, uint64_t at, unsigned bytes, uint64_t v)
{
    err_t e = bus_write(&vm, kind, at, bytes, v);

    MUST(e == OK || (e == ERR_GUEST && stopped.count) || (e == ERR_AGAIN && kind == BUS_PIO));
}

static uint64_t ring_area(unsigned dev, unsigned queue)
{
    return 0x10000 + (dev * 4 + queue) * 0x1000;
}
enum { AVAIL = 0x400, USED = 0x800 };

/* What an honest driver does, up to DRIVER_OK; so that the fuzzer need not find this out by itself. */
static void start(unsigned dev, unsigned log_size, uint64_t without)
{
    unsigned slot = dev + 1;
    uint64_t common = virtio_cap_at(slot, VIRTIO_CAP_COMMON);
    uint64_t features =
        (devs[dev]->offered | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX) & ~without;

    put(BUS_MMIO, cfg_at(slot, CFG_COMMAND), 2, 7);
    put(BUS_MMIO, cfg_at(slot, cap_find(slot, PCI_CAP_MSIX, 0) + 2), 2, MSIX_ENABLE);
    put(BUS_MMIO, common + VIRTIO_COMMON_STATUS, 1, 0);
    put(BUS_MMIO, common + VIRTIO_COMMON_STATUS, 1, 3);
    for (unsigned i = 0; i < 2; i++) {
        put(BUS_MMIO, common + VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 4, i);
        put(BUS_MMIO, common + VIRTIO_COMMON_DRIVER_FEATURE, 4, features >> 32 * i & 0xFFFFFFFF);
    }
    put(BUS_MMIO, common + VIRTIO_COMMON_STATUS, 1, 11);
    for (unsigned q = 0; q < devs[dev]->nqueues; q++) {
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_SELECT, 2, q);
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_SIZE, 2, 1u << log_size);
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_VECTOR, 2, q + 1);
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_DESC, 4, ring_area(dev, q));
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_DRIVER, 4, ring_area(dev, q) + AVAIL);
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_DEVICE, 4, ring_area(dev, q) + USED);
        put(BUS_MMIO, common + VIRTIO_COMMON_QUEUE_ENABLE, 2, 1);
    }
    put(BUS_MMIO, common + VIRTIO_COMMON_STATUS, 1, 15);
}

static void kick_queue(unsigned dev, unsigned queue)
{
    put(BUS_PIO, virtio_cap_at(dev + 1, VIRTIO_CAP_NOTIFY) + queue * 2, 2, queue);
}

/* Makes head available in the area where start() puts the ring. */
static void offer(unsigned dev, unsigned queue, uint16_t head)
{
    uint64_t at = ring_area(dev, queue) + AVAIL;
    uint16_t n = devs[dev]->queue[queue].size, idx = ram_get16(at + 2);

    if (n && n <= VIRTQ_SIZE_MAX)
        ram_put16(at + VIRTQ_AVAIL_RING(idx % n), head);
    ram_put16(at + 2, (uint16_t)(idx + 1));
}

/* --- one step of the input --- */

static void access_anything(void)
{
    static const uint64_t bases[] = { PC_ECAM_BASE, PC_WINDOW_BASE, PC_WINDOW_BASE + PC_WINDOW_SIZE - 0x8000,
                                      0xFFFF0000 };
    unsigned how = u8(), bytes = 1u << (how & 3);
    uint64_t at = bases[how >> 2 & 3] + u16() + (how & 0x10 ? 0x10000 : 0), v;

    if (how & 0x20)
        MUST(!bus_read(&vm, BUS_MMIO, at, bytes, &v));
    else
        put(BUS_MMIO, at, bytes, (uint64_t)u32() << 32 | u32());
}

static void access_port(void)
{
    unsigned how = u8(), bytes = 1u << (how & 3) % 3;
    uint64_t at = how & 4 ? 0xCF8u + (how >> 5) : PC_IO_WINDOW + u8(), v;

    if (how & 8)
        MUST(!bus_read(&vm, BUS_PIO, at, bytes, &v));
    else
        put(BUS_PIO, at, bytes, u32());
}

static void put_bytes(void)
{
    uint64_t at = address();
    uint8_t b[64];
    unsigned n = u8() % sizeof b;

    for (unsigned i = 0; i < n; i++)
        b[i] = u8();
    if (mem_write(&vm, gpa(at), b, n)) /* outside RAM: nobody's business */
        return;
}

static void put_desc(unsigned dev)
{
    unsigned queue = u8() % devs[dev]->nqueues, i = u8() % 64;
    struct virtq_desc d = { .addr = address(), .len = u16(), .flags = u8(), .next = u8() };

    if (d.flags & 0x80)
        d.len <<= 12;
    d.flags &= 7;
    ram_write(ring_area(dev, queue) + i * 16, &d, sizeof d);
}

/* A whole, honest disk request, through three descriptors from i on. */
static void put_disk_request(void)
{
    unsigned queue = u8() % blk.dev.nqueues, i = u8() % 60;
    struct virtio_blk_head h = { .type = u8() % 16, .sector = u16() };
    uint64_t data = address(), ring = ring_area(0, queue) + i * 16;
    uint32_t len = u8() * 256u;
    bool writable = h.type == VIRTIO_BLK_IN || h.type == VIRTIO_BLK_GET_ID;
    struct virtq_desc d[3] = { { 0x40000 + i * 32, sizeof h, VIRTQ_DESC_NEXT, (uint16_t)(i + (len ? 1 : 2)) },
                               { data, len, VIRTQ_DESC_NEXT | (writable ? VIRTQ_DESC_WRITE : 0), (uint16_t)(i + 2) },
                               { 0x40000 + i * 32 + 16, 1, VIRTQ_DESC_WRITE, 0 } };

    ram_write(d[0].addr, &h, sizeof h);
    ram_write(ring, d, sizeof d);
    offer(0, queue, (uint16_t)i);
}

/* A whole 9P message with the input's payload, and room for an answer; through two descriptors from i on. */
static void put_9p_request(void)
{
    unsigned i = u8() % 60, n = u8() % 64, type = u8();
    uint64_t at = 0x50000 + i * 0x200, ring = ring_area(3, 0) + i * 16;
    uint8_t m[7 + 64] = { (uint8_t)(7 + n), 0, 0, 0, (uint8_t)type, (uint8_t)(type == NINEP_TVERSION ? 0xFF : u8() % 8), type == NINEP_TVERSION ? 0xFF : 0 };
    struct virtq_desc d[2] = { { at, 7 + n, VIRTQ_DESC_NEXT, (uint16_t)(i + 1) }, { at + 0x80, 0x180, VIRTQ_DESC_WRITE, 0 } };

    for (unsigned k = 0; k < n; k++)
        m[7 + k] = u8();
    if (type == NINEP_TVERSION) /* or the fuzzer would have to find it */
        memcpy(m, "\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\0" "9P2000.L", n = 21), d[0].len = 21;
    ram_write(at, m, d[0].len);
    ram_write(ring, d, sizeof d);
    offer(3, 0, (uint16_t)i);
}

static void step(void)
{
    static const err_t fails[] = { OK, OK, ERR_IO, ERR_UNSUPPORTED };
    uint8_t op = u8(), keys[16];
    unsigned dev = op >> 4 & 3;
    uint64_t common;

    dev = dev < ARRAY_LEN(devs) ? dev : 0;
    switch (op & 15) {
    case 0:
        access_anything();
        break;
    case 1:
        access_port();
        break;
    case 2:
        put_bytes();
        break;
    case 3:
        put_desc(dev);
        break;
    case 4:
        offer(dev, u8() % devs[dev]->nqueues, u8());
        break;
    case 5:
        kick_queue(dev, u8() & 3);
        break;
    case 6:
        op = u8();
        start(dev, op & 7, (op & 8 ? VIRTIO_F_EVENT_IDX : 0) | (op & 16 ? VIRTIO_F_INDIRECT_DESC : 0));
        break;
    case 7:
        put_disk_request();
        break;
    case 8:
        disk_finish();
        break;
    case 9:
        op = u8();
        disk.later = op & 4;
        disk.fail = fails[op & 3];
        break;
    case 10:
        memset(keys, 'k', sizeof keys);
        MUST(con.tty.dev->input(&con.tty, keys, op >> 4) <= (op >> 4));
        break;
    case 11:
        common = virtio_cap_at(dev + 1, VIRTIO_CAP_COMMON);
        op = u8();
        put(BUS_MMIO, common + op % VIRTIO_COMMON_BYTES, 1u << (op >> 6), u32());
        break;
    case 12:
        pci_msix_raise(&devs[dev]->pci, u8());
        break;
    case 13:
        put(BUS_MMIO, cfg_at(dev + 1, u8()), 1u << u8() % 4, u32());
        break;
    case 14:
        ram_put16(ring_area(dev, u8() % devs[dev]->nqueues) + AVAIL + 2, u16());
        break;
    case 15:
        if (op & 0x80)
            put_9p_request();
        if (op & 0x40)
            kick_queue(3, 0);
        if (op & 0x20)
            work_wanted = true;
        for (unsigned i = 0; work_wanted && i < 8; i++) {
            work_wanted = false;
            (void)nine.work.run(&nine.work);
        }
        break;
    }
}

/* The same guest for every input, for speed: only the part of its RAM that matters is cleared. */
static void again(void)
{
    if (!vm.low) {
        guest_start(2);
        return;
    }
    stopped.count = 0;
    guest_zero(0, 0x60000);
    MUST(!pci_host_init(&host, &vm));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t limits;

    in = data;
    in_left = size;
    again();
    disk_make();
    limits = u8();
    disk.blk.block_size = limits & 1 ? 4096 : 512;
    disk.blk.max_segs = 1 + (limits >> 1 & 3) * 3;
    disk.blk.max_bytes = limits & 8 ? 8192 + 512 : UINT64_MAX;
    MUST(!virtio_blk_init(&blk, &vm, &host, 1, &disk.blk, "fuzz"));
    MUST(!virtio_console_init(&con, &vm, &host, 2));
    MUST(!virtio_rng_init(&rng, &vm, &host, 3));
    tree_init(&tree);
    MUST(!virtio_9p_init(&nine, &vm, &host, 4, &(struct vm_share){ .name = "tree", .fs = &tree.fs }));
    looks = 0;
    while (in_left)
        step();
    virtio_idle(&blk.dev);
    while (disk_finish())
        ;
    MUST(virtio_idle(&blk.dev));
    MUST(virtio_idle(&con.dev) && virtio_idle(&rng.dev) && virtio_idle(&nine.dev));
    virtio_9p_fini(&nine);
    virtio_blk_fini(&blk);
    bus_end();
    return 0;
}
