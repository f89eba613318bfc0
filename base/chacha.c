#include "base/chacha.h"
#include "base/bytes.h"

static uint32_t rotate(uint32_t v, unsigned n) { return v << n | v >> (32 - n); }

static void quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b, *d = rotate(*d ^ *a, 16);
    *c += *d, *b = rotate(*b ^ *c, 12);
    *a += *b, *d = rotate(*d ^ *a, 8);
    *c += *d, *b = rotate(*b ^ *c, 7);
}

void chacha_block(const uint8_t *key, const uint32_t *at, uint8_t *out)
{
    static const uint32_t constant[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
    uint32_t state[16], x[16];

    for (unsigned i = 0; i < 16; i++)
        x[i] = state[i] = i < 4 ? constant[i] : i < 12 ? get_le32(key + 4 * (i - 4)) : at[i - 12];
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 4; i++)
            quarter(&x[i], &x[4 + i], &x[8 + i], &x[12 + i]);
        for (unsigned i = 0; i < 4; i++)
            quarter(&x[i], &x[4 + (i + 1) % 4], &x[8 + (i + 2) % 4], &x[12 + (i + 3) % 4]);
    }
    for (unsigned i = 0; i < 16; i++)
        put_le32(out + 4 * i, x[i] + state[i]);
}
