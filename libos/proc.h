#pragma once
/* What proc.c (the tree) and proc_text.c (what stands in its files) share. */
#include "base/types.h"

struct text {
    char *to;
    size_t room, used;
    uint32_t tid; /* of whom a file below task/ tells; 0: the process */
};
struct proc_row {
    const char *path; /* from the root; "self" stands for the process' own directory */
    void (*make)(struct text *);
    const char *fixed; /* or this */
};
extern const struct proc_row proc_rows[];
extern const unsigned proc_row_count;
