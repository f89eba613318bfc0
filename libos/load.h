#pragma once
/* Puts a program, and the interpreter it asks for, into memory, and its first stack. */
#include "libos/thread.h"

struct program {
    uint64_t entry, sp;
};
/* path, argv and envp as the monitor gave them. 0, or -errno: ENOEXEC, ENOENT ... */
int program_load(const char *path, struct program *);
extern char program_path[]; /* absolute, for /proc/self/exe */
extern uint64_t program_auxv[], program_args, program_args_end, program_env_end, program_stack;
