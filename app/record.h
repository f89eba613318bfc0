#pragma once
/* What an app guest finds at its start, as far as it is the same on all grounds: the libos, the strings, the boot record. */
#include "app/memory.h"

/* The head of a libos of `size` bytes says where things are; false: it is none, or of another version. */
bool libos_sound(const struct app_image *, uint64_t size);
/* Maps one part of it: len bytes of its file from `from` on, as the guest's own; zeros behind the file's end. */
typedef err_t libos_part(void *owner, uint64_t at, uint64_t len, unsigned prot, uint64_t from);
MUST_USE err_t libos_map(struct space *, const struct app_image *, uint64_t size, libos_part *, void *owner);

/* Strings one behind the other, mapped as they come. */
struct record_strings {
    struct space *space;
    uint64_t at; /* where the next one goes; APP_AREA_STRINGS at first */
    uint32_t count;
    err_t e;     /* the first error: ERR_FULL, or space_map()'s */
};
void record_string(struct record_strings *, const char *text, uint64_t n);

/* All that does not depend on the ground, and a seed. */
void record_fill(struct app_boot *, const char *program, const char *cwd, const char *host);
/* Maps it where the libos looks for it. */
MUST_USE err_t record_write(struct space *, const struct app_boot *);
