/* Power-management registers with values that mean nothing: the machine must go on. Ends with the one that powers off. */
#include "test/guest/guest.h"

const char guest_name[] = "acpi";

void guest_main(void)
{
    for (unsigned type = 0; type < 8; type++) {
        cpu_out8(0x600, (uint8_t)(type << 2)); /* without SLP_EN */
        if (type != 5)
            cpu_out8(0x600, (uint8_t)(type << 2 | 0x20 | 0x80)); /* sleep states that do not exist */
    }
    for (unsigned i = 0; i < 256; i++) {
        cpu_out8(0x601, (uint8_t)i); /* sleep status */
        cpu_out8(0x602, (uint8_t)i); /* event port */
        (void)cpu_in8(0x602);
        if ((i & 0xF1) != 0xF0) /* pulses of the reset line */
            cpu_out8(0x64, (uint8_t)i);
        if (!(i & 4))
            cpu_out8(0xCF9, (uint8_t)i);
        if (!(i & 1))
            cpu_out8(0x505, (uint8_t)i);
    }
    cpu_out16(0x600, 0x34); /* wrong sizes */
    cpu_out32(0x600, 0x34);
    cpu_out16(0x5FF, 0x3434);
    cpu_out32(0x5FD, 0x34343434);
    cpu_out16(0x504, 0x0101);
    cpu_out32(0x502, 0x01010101);
    cpu_out16(0x601, 0xFFFF);
    cpu_out32(0xCF8, 0xFFFFFFFF);
    cpu_out16(0xCF9, 0x0606);
    cpu_out32(0xCF6, 0x06060606);
    CHECK(cpu_in8(0x600) != 0xFF || cpu_in8(0x601) != 0xFF); /* somebody is there */
    for (unsigned port = 0x600; port < 0x608; port++) {
        (void)cpu_in8((uint16_t)port);
        (void)cpu_in16((uint16_t)port);
        (void)cpu_in32((uint16_t)port);
    }
    wait_ns(MS(200)); /* a stop that was ordered would have come */
    pass("still running");
}
