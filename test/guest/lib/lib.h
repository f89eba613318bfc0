#pragma once
/* Between the parts of lib, start.S included. */
#include "test/guest/guest.h"

NORETURN void guest_begin(const uint8_t *params);
NORETURN void guest_ap_begin(void);
void guest_trap(struct trap *);
void trap_init(void);
void trap_load(void); /* the IDT, on this CPU */
extern uint8_t guest_stubs[256][16];
extern uint64_t try_rsp;
extern uint8_t try_resume[];
extern uint64_t guest_tables[512];
extern uint8_t guest_ap_stacks[16][PAGE_SIZE];
extern const uint8_t ap_code[], ap_code_end[];
extern volatile uint32_t ap_count;
