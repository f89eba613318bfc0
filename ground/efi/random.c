/* Random bytes: a ChaCha20 generator whose key is replaced by its own output after each use, so that what was given out
 * cannot be computed again. Fed by the firmware's generator, the CPU's, and the jitter of the TSC. `lock` guards it. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "base/chacha.h"
#include "base/str.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"

#define JITTER_ROUNDS 64
#define RDRAND_TRIES 10
#define PART (CHACHA_BLOCK - CHACHA_KEY)

static struct lock lock;
static uint8_t key[CHACHA_KEY];

/* The next block of the generator; the first half of it becomes the key, the other half is for the caller. */
static void turn(uint8_t out[PART])
{
    const uint32_t at[4] = { 0 }; /* no counter, no nonce: no key is used twice */
    uint8_t block[CHACHA_BLOCK];

    chacha_block(key, at, block);
    memcpy(key, block, CHACHA_KEY);
    memcpy(out, block + CHACHA_KEY, PART);
}

static void feed(const void *data, size_t n)
{
    uint8_t unused[PART];

    for (const uint8_t *p = data; n; n--, p++) {
        key[n % CHACHA_KEY] ^= *p;
        if (n % CHACHA_KEY == 1)
            turn(unused);
    }
}

/* The CPU's generator where it has one and it works. The time in any case: a repeated seed gives other bytes. */
static void feed_from_cpu(void)
{
    uint64_t v[2] = { cpu_tsc(), 0 };
    bool ok = !(cpu_id(1, 0).ecx >> 30 & 1);

    for (unsigned i = 0; !ok && i < RDRAND_TRIES; i++)
        __asm__ volatile("rdrand %0" : "=r"(v[1]), "=@ccc"(ok));
    feed(v, sizeof v);
}

void random_init(const struct launch *l)
{
    feed(l->seed, sizeof l->seed);
    feed(&l->wall_ns, sizeof l->wall_ns);
    for (unsigned i = 0; i < JITTER_ROUNDS; i++) {
        cpu_in8(0x61); /* how long a port takes to answer differs by a few ticks each time */
        feed_from_cpu();
    }
}

void ground_entropy(void *buf, size_t n)
{
    uint8_t part[PART], *p = buf;

    lock_take(&lock);
    feed_from_cpu();
    while (n) {
        size_t some = min_size(n, sizeof part);

        turn(part);
        memcpy(p, part, some);
        p += some;
        n -= some;
    }
    memset(part, 0, sizeof part);
    lock_drop(&lock);
}
