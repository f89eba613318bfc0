#pragma once
/* Registers of the local APIC, by x2APIC MSR number less MSR_X2APIC; the xAPIC has them in memory, 16 bytes apart. Intel SDM
 * volume 3, table 11-6. */
enum { R_ID = 0x02, R_VERSION = 0x03, R_TPR = 0x08, R_PPR = 0x0A, R_EOI = 0x0B, R_LDR = 0x0D, R_DFR = 0x0E /* xAPIC */, R_SVR = 0x0F, R_ISR = 0x10,
    R_TMR = 0x18, R_IRR = 0x20, R_ESR = 0x28, R_CMCI = 0x2F, R_ICR = 0x30, R_ICR_HIGH = 0x31 /* xAPIC */, R_LVT = 0x32,
    R_LVT_LINT0 = 0x35, R_LVT_LINT1 = 0x36, R_LVT_ERROR = 0x37, R_LVT_LAST = 0x37, R_INITIAL = 0x38, R_CURRENT = 0x39,
    R_DIVIDE = 0x3E, R_SELF = 0x3F };
