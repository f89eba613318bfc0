#pragma once
/* What a file is, judged from its first bytes: PE programs and their sections.
 * Everything is checked against the sizes given; nothing outside the bytes given is read. */
#include "base/err.h"

#define IMAGE_HEAD 4096u /* so much of the beginning is enough for every function here */

/* A part of a file. */
struct image_span {
    uint64_t offset, size;
};

/* True for an EFI application for x86-64; not for a driver. */
bool image_is_efi_program(const void *head, size_t len);
/* Finds a section (".linux") and makes sure that it lies inside a file of file_size bytes. What a unified kernel image's profile
 * has stands behind the profile's own section ".profile", what is common to all before the first; a profile has what is common and
 * nothing of its own says otherwise. Without any ".profile" all is common. (UAPI group, "Unified Kernel Image", multi-profile.)
 * ERR_FORMAT: not a PE program, or the section lies outside; ERR_NOTFOUND. */
MUST_USE err_t image_section(const void *head, size_t len, uint64_t file_size, unsigned profile, const char *name,
                             struct image_span *out);
