/* Reads and writes a disk and checks what it finds, also what an earlier run has left: it writes a pattern with a
 * generation number, and a run that finds one checks it before it writes the next.
 * Arguments: mb (how much, default 8), disk (which, default 0), readonly=1. Destroys what is on the disk. */
#include "test/guest/guest.h"

const char guest_name[] = "blkio";

#define MAGIC 0x6E696C626F67ull
#define CHUNK 0x10000u

static struct disk d;
static uint8_t *buf;
static uint64_t sum;

static uint64_t word_at(uint64_t generation, uint64_t sector, unsigned i)
{
    uint64_t x = (generation << 40) ^ (sector << 8) ^ i;

    x *= 0x9E3779B97F4A7C15;
    return x ^ x >> 29;
}

static void check_status(unsigned status, const char *what, uint64_t sector)
{
    if (status)
        fail("%s of sector %" PRIu64 ": status %u", what, sector, status);
}

static void fill(uint64_t generation, uint64_t sector, uint32_t len)
{
    for (uint32_t i = 0; i < len / 8; i++)
        put_le64(buf + 8 * i, word_at(generation, sector + i / 64, i % 64));
}

static void compare(uint64_t generation, uint64_t sector, uint32_t len)
{
    for (uint32_t i = 0; i < len / 8; i++) {
        uint64_t got = get_le64(buf + 8 * i), want = word_at(generation, sector + i / 64, i % 64);
        if (got != want)
            fail("sector %" PRIu64 " word %u: %" PRIx64 " instead of %" PRIx64 " (generation %" PRIu64 ")", sector + i / 64,
                 i % 64, got, want, generation);
        sum += got;
    }
}

/* The pattern lies from sector 8 on; sector 0 holds magic, generation and size. Pieces of all sizes. */
static void pattern(unsigned type, uint64_t generation, uint64_t sectors)
{
    for (uint64_t at = 8; at < sectors;) {
        uint32_t len = (uint32_t)min_u64(512 << (at / 8 % 8), (sectors - at) * 512);

        if (type == DISK_WRITE)
            fill(generation, at, len);
        else
            memset(buf, 0xEE, len);
        check_status(disk_do(&d, type, at, buf, len), type == DISK_WRITE ? "write" : "read", at);
        if (type == DISK_READ)
            compare(generation, at, len);
        at += len / 512;
    }
}

static void refused(void)
{
    char id[21] = "";

    CHECK(disk_do(&d, DISK_READ, d.sectors, buf, 512) == 1);
    CHECK(disk_do(&d, DISK_READ, d.sectors - 1, buf, 1024) == 1);
    CHECK(disk_do(&d, DISK_WRITE, UINT64_MAX, buf, 512) == 1);
    CHECK(disk_do(&d, DISK_WRITE, UINT64_MAX / 512, buf, 512) == 1);
    CHECK(disk_do(&d, 99, 0, buf, 512) == 2);
    check_status(disk_do(&d, DISK_ID, 0, id, 20), "identification", 0);
    say("blkio: disk %s, %" PRIu64 " sectors", id, d.sectors);
}

void guest_main(void)
{
    uint64_t sectors, generation = 0;

    if (!disk_open(&d, (unsigned)arg("disk", 0)))
        fail("no disk");
    buf = page_get();
    for (unsigned i = 1; i < CHUNK / PAGE_SIZE; i++)
        page_get();
    refused();
    check_status(disk_do(&d, DISK_READ, 0, buf, 512), "read", 0);
    if (get_le64(buf) == MAGIC) {
        generation = get_le64(buf + 8);
        sectors = get_le64(buf + 16);
        CHECK(sectors <= d.sectors);
        pattern(DISK_READ, generation, sectors);
        say("blkio: found generation %" PRIu64 ", %" PRIu64 " sectors", generation, sectors);
    }
    if (arg("readonly", 0)) {
        CHECK(generation);
        pass("generation %" PRIu64 " sum %" PRIx64, generation, sum);
    }
    sectors = min_u64(d.sectors, MIB(arg("mb", 8)) / 512);
    generation++;
    pattern(DISK_WRITE, generation, sectors);
    sum = 0;
    pattern(DISK_READ, generation, sectors);
    memset(buf, 0, 512);
    put_le64(buf, MAGIC), put_le64(buf + 8, generation), put_le64(buf + 16, sectors);
    check_status(disk_do(&d, DISK_WRITE, 0, buf, 512), "write", 0);
    check_status(disk_do(&d, DISK_FLUSH, 0, NULL, 0), "flush", 0);
    pass("generation %" PRIu64 " sectors %" PRIu64 " sum %" PRIx64, generation, sectors, sum);
}
