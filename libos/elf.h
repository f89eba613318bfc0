#pragma once
/* Reads the headers of an ELF program: pure, for a file that may be hostile. */
#include "base/err.h"

#define ELF_SEGMENTS 16
#define ELF_HEADER 4096u /* bytes of the file's start that elf_parse() wants, or all of a smaller file */

struct elf_segment {
    uint64_t offset, vaddr, filesz, memsz;
    bool read, write, exec;
};
struct elf {
    bool dynamic;    /* may be loaded anywhere: ET_DYN */
    uint64_t entry;
    uint64_t phdr;   /* address of the program headers as loaded, before any bias; 0: not loaded */
    uint16_t phnum;
    unsigned count;
    struct elf_segment seg[ELF_SEGMENTS]; /* in order of addresses, page-disjoint */
    uint64_t low, high;                   /* of all segments, page-aligned */
    char interp[256];
    bool exec_stack;
};

/* ERR_FORMAT: not an ELF program of x86-64, or one that contradicts itself; ERR_UNSUPPORTED: more segments than we take. */
MUST_USE err_t elf_parse(const void *bytes, size_t n, struct elf *);
/* Has one of its notes that owner, of 3 letters and a 0? Only notes within the n bytes are seen. */
bool elf_note(const void *bytes, size_t n, const char *owner);
