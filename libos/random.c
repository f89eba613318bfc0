/* Random bytes: ChaCha20 from the monitor's seed; the key is replaced after each use, so that what was given out stays secret. */
#include "base/chacha.h"
#include "libos/libos.h"

static uint8_t key[CHACHA_KEY];
static uint64_t uses;

void random_init(const uint8_t *seed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        key[i % CHACHA_KEY] ^= seed[i];
}

void random_bytes(void *to, size_t n)
{
    uint32_t at[4] = { 1, 0, (uint32_t)uses++, 0 };
    uint8_t block[CHACHA_BLOCK], *out = to;

    for (; n; at[0]++) {
        size_t m = min_size(n, sizeof block);
        chacha_block(key, at, block);
        memcpy(out, block, m);
        out += m;
        n -= m;
    }
    at[0] = 0;
    chacha_block(key, at, block);
    memcpy(key, block, sizeof key);
}
