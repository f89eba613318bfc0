#pragma once
/* The ways into the libos, for entry.S, and what they share. */
#include "libos/thread.h"

bool syscall_enter(struct regs *);
void upcall_program(struct regs *);
void upcall_libos(struct regs *);
void syscall_run(struct regs *); /* the call whose number is in r->error */
/* What there is to do before the program goes on. True: not only rax has changed, and so `leave` will bring it back. */
bool program_resume(struct regs *, bool full);
extern bool tracing; /* calls and exceptions are logged */
void syscall_trace(bool on);
/* Notes the answers that never change, for entry.S to give. While calls are traced there are none. */
void syscall_plain(void);
#define SLED_END 633u /* of the sled in entry.S: behind it are traps */
