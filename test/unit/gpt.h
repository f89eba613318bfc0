#pragma once
/* Builds GPT disks for the tests and the fuzzer of io/partition.c, with a CRC-32 of its own. */
#include <string.h>
#include "base/bytes.h"
#include "base/types.h"

#define GPT_TABLE_BLOCKS 4u /* of entries, on the disks built here */

static inline uint32_t gpt_crc(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < n * 8; i++) {
        uint32_t bit = (p[i / 8] >> i % 8 ^ crc) & 1;
        crc = crc >> 1 ^ (bit ? 0xEDB88320u : 0);
    }
    return ~crc;
}

/* Makes the sums of the header at that block right, if its numbers allow it. */
static inline void gpt_seal(uint8_t *disk, uint64_t blocks, uint32_t bs, uint64_t lba)
{
    uint8_t *h = disk + lba * bs;
    uint64_t table = get_le64(h + 72), bytes = (uint64_t)get_le32(h + 80) * get_le32(h + 84);
    uint32_t len = get_le32(h + 12);

    if (table < blocks && bytes <= (blocks - table) * bs)
        put_le32(h + 88, gpt_crc(disk + table * bs, bytes));
    put_le32(h + 16, 0);
    if (len <= bs)
        put_le32(h + 16, gpt_crc(h, len));
}

static inline void gpt_header(uint8_t *disk, uint64_t blocks, uint32_t bs, uint64_t lba)
{
    uint8_t *h = disk + lba * bs;

    memset(h, 0, bs);
    memcpy(h, "EFI PART", 8);
    put_le32(h + 8, 0x10000);
    put_le32(h + 12, 92);
    put_le64(h + 24, lba);
    put_le64(h + 32, lba == 1 ? blocks - 1 : 1);
    put_le64(h + 40, 2 + GPT_TABLE_BLOCKS);
    put_le64(h + 48, blocks - 2 - GPT_TABLE_BLOCKS);
    put_le64(h + 72, lba == 1 ? 2 : blocks - 1 - GPT_TABLE_BLOCKS);
    put_le32(h + 80, GPT_TABLE_BLOCKS * bs / 128);
    put_le32(h + 84, 128);
}

/* Entry n (from 0) in both tables; the name is ASCII. */
static inline void gpt_entry(uint8_t *disk, uint64_t blocks, uint32_t bs, unsigned n, uint64_t first, uint64_t last,
                             const char *name)
{
    uint64_t tables[] = { 2, blocks - 1 - GPT_TABLE_BLOCKS };

    for (unsigned t = 0; t < 2; t++) {
        uint8_t *e = disk + tables[t] * bs + n * 128;

        memset(e, 0, 128);
        memset(e, 0xAF, 16);
        for (unsigned i = 0; i < 16; i++)
            e[16 + i] = (uint8_t)(n * 16 + i);
        put_le64(e + 32, first);
        put_le64(e + 40, last);
        for (unsigned i = 0; name[i] && i < 36; i++)
            put_le16(e + 56 + 2 * i, (uint8_t)name[i]);
    }
}

static inline void gpt_seal_both(uint8_t *disk, uint64_t blocks, uint32_t bs)
{
    gpt_seal(disk, blocks, bs, 1);
    gpt_seal(disk, blocks, bs, blocks - 1);
}

/* Protective MBR, both headers, empty tables; seal after adding entries. */
static inline void gpt_format(uint8_t *disk, uint64_t blocks, uint32_t bs)
{
    memset(disk, 0, blocks * bs);
    put_le16(disk + 510, 0xAA55);
    disk[446 + 4] = 0xEE;
    gpt_header(disk, blocks, bs, 1);
    gpt_header(disk, blocks, bs, blocks - 1);
    gpt_seal_both(disk, blocks, bs);
}
