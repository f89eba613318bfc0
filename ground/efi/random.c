/* Random bytes: a ChaCha20 generator whose key is replaced by its own output after each use, so that what was given out
 * cannot be computed again. Fed by the firmware's generator, the CPU's, and the jitter of the TSC. `lock` guards it. */
#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "base/chacha.h"
#include "base/str.h"
#include "ground/efi/launch.h"
#include "ground/efi/machine.h"

#define JITTER_ROUNDS 64
#define FEED_EVERY 256 /* requests */
#define RDRAND_TRIES 10

static struct lock lock;
static uint8_t key[CHACHA_KEY];
static unsigned requests;
static bool has_rdrand, has_rdseed;

/* The next block of the generator; the first half of it becomes the key, the other half is for the caller. */
static void turn(uint8_t out[CHACHA_BLOCK - CHACHA_KEY])
{
    uint8_t block[CHACHA_BLOCK];
    uint32_t state[16];

    chacha_init(state, key, 0);
    state[14] = (uint32_t)cpu_tsc(); /* the nonce need not be secret; a repeated seed gives other bytes */
    chacha_block(state, block);
    memcpy(key, block, CHACHA_KEY);
    if (out)
        memcpy(out, block + CHACHA_KEY, CHACHA_BLOCK - CHACHA_KEY);
}

static void feed(const void *data, size_t n)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i++) {
        key[i % CHACHA_KEY] ^= p[i];
        if (i % CHACHA_KEY == CHACHA_KEY - 1 || i == n - 1)
            turn(NULL);
    }
}

#define CPU_RANDOM(name)                                                                                               \
    static bool name(uint64_t *v)                                                                                      \
    {                                                                                                                  \
        bool ok = false;                                                                                               \
        for (unsigned i = 0; !ok && i < RDRAND_TRIES; i++)                                                             \
            __asm__ volatile(#name " %0" : "=r"(*v), "=@ccc"(ok));                                                     \
        return ok;                                                                                                     \
    }
CPU_RANDOM(rdrand)
CPU_RANDOM(rdseed)

static void feed_from_cpu(void)
{
    uint64_t v[4];

    for (unsigned i = 0; i < ARRAY_LEN(v); i++)
        if (!(has_rdseed && rdseed(&v[i])) && !(has_rdrand && rdrand(&v[i])))
            v[i] = cpu_tsc();
    feed(v, sizeof v);
}

/* How long a port takes to answer differs by a few ticks each time. */
static void feed_from_jitter(void)
{
    uint64_t v[JITTER_ROUNDS];

    for (unsigned i = 0; i < JITTER_ROUNDS; i++) {
        cpu_in8(0x61);
        v[i] = cpu_tsc();
    }
    feed(v, sizeof v);
}

void random_init(const struct launch *l)
{
    has_rdrand = cpu_id(1, 0).ecx >> 30 & 1;
    has_rdseed = cpu_id(0, 0).eax >= 7 && cpu_id(7, 0).ebx >> 18 & 1;
    feed(l->seed, sizeof l->seed);
    feed(&l->wall_ns, sizeof l->wall_ns);
    feed_from_jitter();
    feed_from_cpu();
}

void ground_entropy(void *buf, size_t n)
{
    uint8_t part[CHACHA_BLOCK - CHACHA_KEY], *p = buf;

    lock_take(&lock);
    if (requests++ % FEED_EVERY == 0)
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
