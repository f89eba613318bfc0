/* Reads and writes MSRs that a guest has no business with: each access must work or raise #GP, and do no harm.
 * Arguments: n (random ones, 2000), seed. */
#include "test/guest/guest.h"

const char guest_name[] = "msrs";

/* What is tried whole. */
static const struct {
    uint32_t first, last;
} ranges[] = {
    { 0, 0x7FF },
    { 0x800, 0x82F }, /* not the ICR and the self IPI: guest apic has them */
    { 0x831, 0x83E },
    { 0x840, 0x1FFF },
    { 0x40000000, 0x400001FF },
    { 0x4B564D00, 0x4B564D1F },
    { 0xC0000000, 0xC0000FFF },
    { 0xC0010000, 0xC0012000 },
    { 0xFFFFFFF0, 0xFFFFFFFF },
};

/* Whose value the rest of this program needs as it is: only junk that must be refused. */
static bool needed(uint32_t msr) { return msr == MSR_EFER || msr == MSR_APIC_BASE || msr == MSR_X2APIC + APIC_SVR; }

static unsigned readable, writable, tried;

static void one(uint32_t msr)
{
    static const uint64_t junk[] = { 0, 1, UINT64_MAX, 0x8000000000000000, 0x00007FFFFFFFFFFF, 0x0000800000000000,
                                     0xFFFFFFFFFFFFFFF8, 0xFEE00900, 0xFFFFFFFF, 0x1F1F1F1F1F1F1F1F };
    uint64_t old = 0, val;
    bool reads = try_rdmsr(msr, &old);

    tried++;
    readable += reads;
    if (needed(msr)) {
        if (try_wrmsr(msr, UINT64_MAX))
            fail("MSR %x takes all ones", msr);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(junk); i++)
        if (try_wrmsr(msr, junk[i]) && !i)
            writable++;
    if (!try_wrmsr(msr, rnd()) && reads)
        (void)try_wrmsr(msr, old);
    if (reads && !(try_rdmsr(msr, &val)))
        fail("MSR %x can no longer be read", msr);
    (void)try_wrmsr(msr, old);
}

void guest_main(void)
{
    uint64_t val;

    apic_on();
    for (unsigned i = 0; i < ARRAY_LEN(ranges); i++)
        for (uint32_t msr = ranges[i].first;; msr++) {
            one(msr);
            if (msr == ranges[i].last)
                break;
        }
    for (uint64_t i = arg("n", 2000); i--;)
        one((uint32_t)rnd() | 0x2000000);
    CHECK(!try_rdmsr(0xC0010117, &val) || !val); /* VM_HSAVE_PA: there is no SVM here */
    CHECK(!(cpu_rdmsr(MSR_EFER) & EFER_SVME));
    pass("%u tried, %u readable, %u writable", tried, readable, writable);
}
