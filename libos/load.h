#pragma once
/* Puts a program, and the interpreter it asks for, into memory, and its first stack. */
#include "libos/elf.h"
#include "libos/thread.h"

/* What a program is given: argc arguments, then envc variables, each ending with 0, in size bytes. */
struct program_args {
    const char *text;
    uint32_t size, argc, envc;
};

/* A program that can be loaded: found, opened, its headers checked. Large: not for the stack. */
struct program {
    struct program_args args;    /* as the program will see them */
    char *owned;                 /* args.text, if a script's interpreter came in front */
    struct file *file, *loader;  /* loader: the interpreter it asks for, or NULL */
    struct elf elf, loader_elf;
};

/* path: of a program, or of a script. args.text must stay. 0, or -errno: ENOEXEC, ENOENT, ELOOP (scripts of scripts) ...; program_free() it. */
int program_find(const char *path, const struct program_args *, struct program *);
/* Maps it into an empty address space, and its first stack. Fills the registers it starts with. */
int program_map(struct program *, struct regs *);
void program_free(struct program *);
/* The program's loader is at work: up to the first system call of other code. */
extern bool program_loading;
bool program_loads(uint64_t rip); /* and code at rip is its */

/* Of the program that runs. */
extern char program_path[]; /* absolute, for /proc/self/exe */
extern uint64_t program_auxv[], program_args, program_args_end, program_env_end, program_stack;
