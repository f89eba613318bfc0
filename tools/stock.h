#pragma once
/* Images by name: those in the user's cache, and those that goblin can make for a language. */
#include "boot/appimage.h"
#include "tools/language.h"

struct image_file {
    int fd;
    uint8_t *bytes;       /* of the head, never freed */
    struct appimage image;
};

/* Opens an image and checks its head; false: told, with the file and the byte. */
bool image_open(const char *path, struct image_file *);
/* True if path is a file that begins as an image does. */
bool image_looks(const char *path);
/* The path of the stock image of a language, with more packages (words, or NULL) in it; made now if it is not in the cache or of
 * another version. NULL: told. */
char *stock_image(const struct language *, const char *more);
/* The path of an image of that name in the cache; NULL: there is none. */
char *image_named(const char *name);
