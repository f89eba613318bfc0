#pragma once
/* The ways into the libos, for entry.S. */
#include "libos/thread.h"

bool syscall_enter(struct regs *);
void upcall_program(struct regs *);
void upcall_libos(struct regs *);
void syscall_trace(bool on);
/* Notes the answers that never change, for entry.S to give. While calls are traced there are none. */
void syscall_plain(void);
#define SLED_JUMPS 513u /* see sled_make() */
#define SLED_END (SLED_JUMPS + 120u)
