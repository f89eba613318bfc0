/* Starts all other CPUs (16 in the full test) and has every one interrupt every other, in all the ways there are. */
#include "test/guest/guest.h"

const char guest_name[] = "cpu16";

enum { IPI_PAIR = 0x50, IPI_ALL = 0x51, CPUS = 16 };

static volatile uint8_t mail[CPUS][CPUS]; /* [from][to]: 1 sent, 0 taken */
static volatile uint32_t received[CPUS], broadcasts[CPUS], nmis[CPUS];
static volatile uint32_t started, finished, stop;
static unsigned ncpus;
static uint64_t rounds;

static void on_pair(struct trap *t)
{
    unsigned me = cpu_number();

    (void)t;
    for (unsigned from = 0; from < ncpus; from++)
        if (mail[from][me]) {
            mail[from][me] = 0;
            received[me]++;
        }
    apic_eoi();
}

static void on_all(struct trap *t)
{
    (void)t;
    broadcasts[cpu_number()]++;
    apic_eoi();
}

static void on_nmi(struct trap *t)
{
    (void)t;
    nmis[cpu_number()]++;
}

/* Physical and logical destination by turns. */
static void send(unsigned to, unsigned vector, bool logical)
{
    uint64_t dest = logical ? (uint64_t)(to >> 4) << 16 | 1u << (to & 15) : to;

    apic_write(APIC_ICR, dest << 32 | (logical ? 0x800u : 0u) | vector);
}

static void talk_to_all(unsigned me)
{
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned to = 0; to < ncpus; to++) {
            if (to == me)
                continue;
            mail[me][to] = 1;
            send(to, IPI_PAIR, (round + to) & 1);
            for (uint64_t end = now_ns() + MS(60000); mail[me][to];) {
                if (now_ns() > end)
                    fail("CPU %u got no answer from %u in round %u", me, to, round);
                cpu_relax();
            }
        }
}

static void on_cpu(unsigned me)
{
    __asm__ volatile("sti" ::: "memory");
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    while (started < ncpus)
        cpu_relax();
    talk_to_all(me);
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    while (!stop)
        __asm__ volatile("cli; cmpl $0, %0; jne 1f; sti; hlt; 1: sti" ::"m"(stop));
    __asm__ volatile("cli");
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
}

void guest_main(void)
{
    uint64_t begin = now_ns(), sum = 0;

    ncpus = cpu_count();
    rounds = arg("rounds", 2);
    CHECK(ncpus <= CPUS);
    trap_handler[IPI_PAIR] = on_pair;
    trap_handler[IPI_ALL] = on_all;
    trap_handler[VEC_NMI] = on_nmi;
    cpus_start(on_cpu);
    say("cpu16: %u CPUs started in %" PRIu64 " ms", ncpus, (now_ns() - begin) / MS(1));

    __asm__ volatile("sti");
    __atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
    talk_to_all(0);
    if (!wait_for(&finished, ncpus - 1, MS(120000)))
        fail("%u of %u CPUs finished", finished, ncpus - 1);
    apic_write(APIC_ICR, 0xC0000 | IPI_ALL); /* wakes them from HLT */
    for (unsigned i = 1; i < ncpus; i++)
        if (!wait_for(&broadcasts[i], 1, MS(20000)))
            fail("CPU %u missed the broadcast", i);
    CHECK(!broadcasts[0]);
    for (unsigned i = 1; i < ncpus; i++)
        apic_write(APIC_ICR, (uint64_t)i << 32 | 0x400);
    for (unsigned i = 1; i < ncpus; i++)
        if (!wait_for(&nmis[i], 1, MS(20000)))
            fail("CPU %u missed its NMI", i);
    stop = 1;
    apic_write(APIC_ICR, 0xC0000 | IPI_ALL);
    if (!wait_for(&finished, 2 * (ncpus - 1), MS(20000)))
        fail("not all CPUs stopped");
    for (unsigned i = 0; i < ncpus; i++) {
        if (received[i] != rounds * (ncpus - 1))
            fail("CPU %u took %u of %" PRIu64 " IPIs", i, received[i], rounds * (ncpus - 1));
        sum += received[i];
    }
    pass("cpus %u ipis %" PRIu64 " ms %" PRIu64, ncpus, sum, (now_ns() - begin) / MS(1));
}
