#pragma once
/* How a machine sets its vCPUs going. */
#include "base/err.h"

struct vcpu;

/* The state in which a vCPU begins in 64-bit mode: flat segments, paging on, interrupts off. */
struct vcpu_start {
    uint64_t rip, rsp, rsi;
    uint64_t cr3;      /* guest page tables the machine has written into guest memory */
    uint64_t gdt_base; /* guest-physical = linear address of a GDT the machine has written: */
    uint16_t gdt_limit, cs, ds; /* selectors in it; their descriptors must be flat 64-bit code and data */
};

/* Makes vCPU 0 begin there when the VM runs. Only from machine->build. */
void vcpu_start_at(struct vcpu *, const struct vcpu_start *);
