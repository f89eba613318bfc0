#pragma once
/* The ways into the libos, for entry.S. */
#include "libos/thread.h"

bool syscall_enter(struct regs *);
void upcall_program(struct regs *);
void upcall_libos(struct regs *);
void syscall_trace(bool on);
