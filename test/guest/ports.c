/* All 65,536 ports, reads and writes of all sizes with junk, but for those that end the machine or take this program's
 * output away. Then string I/O, with counts, directions and faults. Argument step (1): only every n-th port. */
#include "test/guest/guest.h"

const char guest_name[] = "ports";

/* Not written to: they reset, power off or panic, or are the serial port. */
static const struct {
    uint16_t first, last;
} spared[] = { { 0x64, 0x64 }, { 0x92, 0x92 }, { 0xB2, 0xB3 }, { 0x3F8, 0x3FF }, { 0x505, 0x505 }, { 0x600, 0x607 }, { 0xCF9, 0xCF9 } };

static bool is_spared(uint32_t port, unsigned size)
{
    for (unsigned i = 0; i < ARRAY_LEN(spared); i++)
        if (port <= spared[i].last && port + size > spared[i].first)
            return true;
    return false;
}

static uint64_t accesses;

static void one(uint32_t port)
{
    uint16_t p = (uint16_t)port;

    (void)cpu_in8(p), (void)cpu_in16(p), (void)cpu_in32(p);
    accesses += 3;
    if (!is_spared(port, 1))
        cpu_out8(p, (uint8_t)rnd());
    if (!is_spared(port, 2))
        cpu_out16(p, (uint16_t)rnd());
    if (!is_spared(port, 4))
        cpu_out32(p, (uint32_t)rnd());
    accesses += 3;
}

/* INS or OUTS of size bytes, with REP; returns what is left of the count. */
static uint64_t strings(bool in, unsigned size, uint16_t port, void *buf, uint64_t count, bool down)
{
    void *at = buf;

    if (down)
        __asm__ volatile("std");
    switch (size + (in ? 8 : 0)) {
    case 1: __asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"(port) : "memory"); break;
    case 2: __asm__ volatile("rep outsw" : "+S"(at), "+c"(count) : "d"(port) : "memory"); break;
    case 4: __asm__ volatile("rep outsl" : "+S"(at), "+c"(count) : "d"(port) : "memory"); break;
    case 9: __asm__ volatile("rep insb" : "+D"(at), "+c"(count) : "d"(port) : "memory"); break;
    case 10: __asm__ volatile("rep insw" : "+D"(at), "+c"(count) : "d"(port) : "memory"); break;
    case 12: __asm__ volatile("rep insl" : "+D"(at), "+c"(count) : "d"(port) : "memory"); break;
    }
    __asm__ volatile("cld");
    return count;
}

static void all_strings(void)
{
    uint8_t *buf = page_get();

    for (unsigned i = 0; i < 15; i++)
        page_get();
    for (unsigned size = 1; size <= 4; size *= 2)
        for (unsigned in = 0; in < 2; in++)
            for (unsigned down = 0; down < 2; down++) {
                memset(buf, 0x5A, 0x10000);
                CHECK(!strings(in, size, 0x1234, buf + 0x8000, 0, down));
                CHECK(buf[0x8000] == 0x5A);
                CHECK(!strings(in, size, 0x1234, buf + 0x8000, 0x5000 / size, down)); /* nobody is there: all ones */
                for (unsigned at = 0x4000; at < 0xC000; at++) {
                    unsigned first = down ? 0x8000 + size - 0x5000 : 0x8000;
                    bool hit = in && at >= first && at < first + 0x5000;
                    if (buf[at] != (hit ? 0xFF : 0x5A))
                        fail("string I/O: in %u size %u down %u: byte %x is %x", in, size, down, at, buf[at]);
                }
            }
    cpu_out8(0x3FF, 0x77); /* the scratch register keeps the last byte of a string */
    memcpy(buf, "abcd", 4);
    strings(false, 1, 0x3FF, buf, 4, false);
    CHECK(cpu_in8(0x3FF) == 'd');
}

static void ins_at(uint64_t va, uint64_t count)
{
    __asm__ volatile("rep insb" : "+D"(va), "+c"(count) : "d"(0x1234) : "memory");
}
static void outs_at(uint64_t va, uint64_t count)
{
    __asm__ volatile("rep outsb" : "+S"(va), "+c"(count) : "d"(0x1234) : "memory");
}

static void faults(void)
{
    map_page(SCRATCH_VA, (uintptr_t)page_get() | PTE_P | PTE_W);
    CHECK(try_call(ins_at, SCRATCH_VA + 0xF00, 0x200) == VEC_PF);
    CHECK(try_cr2 == SCRATCH_VA + 0x1000 && try_error == 2);
    CHECK(try_call(outs_at, SCRATCH_VA + 0xF00, 0x200) == VEC_PF);
    CHECK(try_cr2 == SCRATCH_VA + 0x1000 && try_error == 0);
    map_page(SCRATCH_VA, (uintptr_t)page_get() | PTE_P);
    CHECK(try_call(ins_at, SCRATCH_VA, 1) == VEC_PF && try_error == 3);
    CHECK(try_call(ins_at, BIT64(62), 1) == VEC_GP);
    CHECK(try_call(outs_at, BIT64(62), 1) == VEC_GP);
}

void guest_main(void)
{
    uint32_t step = (uint32_t)max_u64(arg("step", 1), 1);

    all_strings();
    faults();
    for (uint32_t port = 0; port < 0x10000; port += step)
        one(port);
    one(0xFFFF);
    pass("%" PRIu64 " accesses", accesses);
}
