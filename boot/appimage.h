#pragma once
/* Reading the head of an app image (abi/image.h): for `goblin`, its Linux ground and the EFI program alike. */
#include "abi/image.h"
#include "base/err.h"

struct appimage {
    struct image_head head;                      /* a checked copy */
    const char *name, *program, *cwd, *about;    /* point into the bytes given */
    const char *args;                            /* argc strings, then envc: args_size bytes with their ending zeros */
    uint32_t args_size;
};

/* Checks the first n bytes of a file of file_size bytes. n must reach to head_size: IMAGE_HEAD_MAX bytes, or all of a shorter file, do.
 * ERR_FORMAT: it is no image, or a broken one; ERR_UNSUPPORTED: of a version this program cannot run. *why (never NULL) says what is
 * wrong at which byte. bytes must stay as long as *out is used. */
MUST_USE err_t appimage_read(const void *bytes, size_t n, uint64_t file_size, struct appimage *out, const char **why);

/* True if a file that begins with these bytes means to be an image. */
bool appimage_is(const void *bytes, size_t n);

/* The checksum that head_size bytes of head and strings must have in their checksum field; the field itself counts as 0. */
uint32_t appimage_checksum(const void *bytes, size_t head_size);
