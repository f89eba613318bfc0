/* Every CPUID leaf with junk subleaves: answers are the same each time, and none offers what a guest cannot have. */
#include "test/guest/guest.h"

const char guest_name[] = "cpuid";

static const struct {
    uint32_t first, last;
} ranges[] = {
    { 0, 0x40 }, { 0x80, 0x82 }, { 0x20000000, 0x20000002 }, { 0x3FFFFFFF, 0x40000110 }, { 0x4FFFFFFF, 0x50000001 },
    { 0x7FFFFFFF, 0x80000040 }, { 0x80860000, 0x80860004 }, { 0x8C860000, 0x8C860002 }, { 0xC0000000, 0xC0000005 },
    { 0xFFFFFFF0, 0xFFFFFFFF },
};
static const uint32_t subleaves[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 19, 31, 32, 61, 62, 63, 64, 65, 0x80, 0xFF, 0x100,
                                      0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF };

static bool same(struct cpuid a, struct cpuid b) { return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx; }

static void basic(void)
{
    struct cpuid r0 = cpu_id(0, 0), r1 = cpu_id(1, 0), e0 = cpu_id(0x80000000, 0), e1 = cpu_id(0x80000001, 0);

    CHECK(r0.eax >= 0xB && r0.eax <= 0x40);
    CHECK(e0.eax >= 0x80000008 && e0.eax <= 0x80000040);
    CHECK(r1.ecx & BIT(31)); /* hypervisor */
    CHECK(r1.ecx & BIT(21)); /* x2APIC */
    CHECK(r1.ecx & BIT(24)); /* TSC deadline */
    CHECK(!(r1.ecx & BIT(3)) && !(r1.ecx & BIT(5))); /* MONITOR, VMX */
    CHECK(!(r1.edx & BIT(7)) && !(r1.edx & BIT(12)) && !(r1.edx & BIT(14))); /* MCE, MTRR, MCA */
    CHECK(!(e1.ecx & BIT(2))); /* SVM */
    CHECK(e1.edx & BIT(29));   /* long mode */
    CHECK(!(cpu_id(7, 0).ecx & BIT(16))); /* LA57 */
    CHECK(!cpu_id(0x8000000A, 0).eax && !cpu_id(0x8000000A, 0).edx);
    CHECK(!cpu_id(0x8000001F, 0).eax); /* SEV */
    CHECK(cpu_id(0x80000007, 0).edx & BIT(8)); /* invariant TSC */
    CHECK(cpu_id(6, 0).eax & BIT(2)); /* ARAT */
    CHECK(r1.ebx >> 24 == cpu_number());
    CHECK(cpu_id(0xB, 0).edx == cpu_number() && cpu_id(0xB, 77).edx == cpu_number());
}

/* The size of an XSAVE area holds each of its parts. */
static void xsave(void)
{
    struct cpuid all = cpu_id(0xD, 0);

    if (!(cpu_id(1, 0).ecx & BIT(26)))
        return;
    CHECK(all.eax & 1 && all.eax & 2 && all.ecx >= 576 && all.ecx <= 16384);
    for (unsigned i = 2; i < 32; i++) {
        struct cpuid part = cpu_id(0xD, i);
        if (all.eax >> i & 1)
            CHECK(part.eax && part.ebx >= 576 && part.eax + part.ebx <= all.ecx);
        else
            CHECK(!part.eax && !part.ebx && !part.ecx && !part.edx);
    }
}

void guest_main(void)
{
    unsigned n = 0;

    apic_on();
    basic();
    xsave();
    for (unsigned i = 0; i < ARRAY_LEN(ranges); i++)
        for (uint32_t leaf = ranges[i].first;; leaf++) {
            for (unsigned s = 0; s < ARRAY_LEN(subleaves); s++, n++)
                if (!same(cpu_id(leaf, subleaves[s]), cpu_id(leaf, subleaves[s])))
                    fail("leaf %x subleaf %x is not the same twice", leaf, subleaves[s]);
            if (leaf == ranges[i].last)
                break;
        }
    pass("%u leaves and subleaves", n);
}
