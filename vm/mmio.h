#pragma once
/* Finishes instructions that the hardware gives up on: memory operands outside RAM, and string port I/O. The run loop
 * calls one of these on such an exit, on the vCPU's own thread, with no lock held. 64-bit code only. */
#include "vm/vcpu.h"

/* Emulates the instruction at RIP, whose access to v->x.gpa caused EXIT_MMIO (not a fetch), or which caused EXIT_PIO with
 * v->x.string: device access, registers, flags, RIP. A repeated string instruction makes one step, or moves PIO_STRING_MAX bytes at
 * most to or from a port, and is then run again by the guest. OK also when the guest is to take an exception instead (vcpu_raise).
 * ERR_GUEST: the guest has been stopped, with the reason. */
#define PIO_STRING_MAX 4096u
MUST_USE err_t mmio_exit(struct vcpu *, const struct sys_regs *);
