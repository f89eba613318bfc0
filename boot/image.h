#pragma once
/* What a file is, judged from its first bytes: PE programs and their sections, unified kernel images, Linux kernels.
 * Everything is checked against the sizes given; nothing outside the bytes given is read. */
#include "base/err.h"

#define IMAGE_HEAD 4096u /* so much of the beginning is enough for every function here */

/* A part of a file. */
struct image_span {
    uint64_t offset, size;
};

/* True for a PE program for x86-64. */
bool image_is_pe_x64(const void *head, size_t len);
/* Major image version of a PE program, 0 if it is none: Linux has the version of its EFI stub there. */
unsigned image_pe_version(const void *head, size_t len);
/* Finds a section (".linux") and makes sure that it lies inside a file of file_size bytes.
 * ERR_FORMAT: not a PE program, or the section lies outside; ERR_NOTFOUND. */
MUST_USE err_t image_section(const void *head, size_t len, uint64_t file_size, const char *name,
                             struct image_span *out);
/* NULL if this is a kernel that can be entered in 64-bit mode as a guest; else what it is not. `head` begins the
 * kernel. */
const char *image_not_linux64(const void *head, size_t len);
