/* The head of an app image, checked. Pure functions on the caller's memory. */
#include "boot/appimage.h"
#include "abi/app.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/str.h"

#define NAME_MAX_BYTES 63u

bool appimage_is(const void *bytes, size_t n)
{
    return n >= 8 && get_le64(bytes) == IMAGE_MAGIC;
}

uint32_t appimage_checksum(const void *bytes, size_t head_size)
{
    const size_t at = offsetof(struct image_head, checksum), end = at + sizeof(uint32_t);
    const uint8_t *b = bytes;
    uint32_t crc = crc32_add(0, b, at);

    crc = crc32_add(crc, "\0\0\0", 4);
    return crc32_add(crc, b + end, head_size - end);
}

static bool misaligned(uint64_t v)
{
    return v % IMAGE_PAGE != 0;
}

/* The rules of abi/image.h, each with what to say when it is broken. */
static const char *head_wrong(const struct image_head *h, uint64_t file_size)
{
    const struct {
        bool wrong;
        const char *why;
    } rules[] = {
        { h->flags & ~IMAGE_FLAGS, "byte 16: a flag that this version does not know" },
        { misaligned(h->libos_at) || h->libos_at < h->head_size, "byte 24: the libos does not begin at a page behind the head" },
        { h->libos_size < sizeof(struct app_image) || h->libos_size > APP_PROGRAM - APP_LIBOS, "byte 32: the libos has an impossible size" },
        { misaligned(h->fs_at) || h->fs_at < h->libos_at || h->fs_at - h->libos_at < h->libos_size,
          "byte 40: the file system does not begin at a page behind the libos" },
        { misaligned(h->fs_size) || h->fs_size < IMAGE_PAGE, "byte 48: the file system's size is not in whole pages" },
        { h->fs_at > file_size || h->fs_size > file_size - h->fs_at, "byte 48: the file is shorter than it says; was it copied completely?" },
        { h->fs_size > APP_TOP / 4, "byte 48: the file system is too large" },
        { h->argc < 1 || h->argc > h->strings_size, "byte 64: an impossible number of arguments" },
        { h->envc > h->strings_size, "byte 68: an impossible number of variables" },
        { h->strings_size > h->head_size - sizeof *h, "byte 72: the strings are longer than the head" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (rules[i].wrong)
            return rules[i].why;
    return NULL;
}

/* The next string, NULL if it does not end where the strings do. */
static const char *text_take(const char **at, const char *end)
{
    const char *s = *at;

    for (const char *p = s; p < end; p++)
        if (!*p) {
            *at = p + 1;
            return s;
        }
    return NULL;
}

static const char *strings_wrong(const char *at, const char *end, struct appimage *i)
{
    const char **texts[IMAGE_TEXTS] = { &i->name, &i->program, &i->cwd, &i->about };

    for (unsigned n = 0; n < IMAGE_TEXTS; n++) {
        *texts[n] = text_take(&at, end);
        if (!*texts[n])
            return "byte 128: strings are missing";
    }
    i->args = at;
    i->args_size = (uint32_t)(end - at);
    for (uint64_t n = 0; n < (uint64_t)i->head.argc + i->head.envc; n++)
        if (!text_take(&at, end))
            return "byte 128: strings are missing";
    if (at != end)
        return "byte 72: there are more strings than arguments and variables";
    if (!i->name[0] || strlen(i->name) > NAME_MAX_BYTES || strchr(i->name, '/'))
        return "byte 128: the name is empty, too long, or has a / in it";
    if (i->program[0] != '/' || strlen(i->program) >= sizeof(((struct app_boot *)0)->program))
        return "byte 128: the program's path does not begin with / or is too long";
    if (i->cwd[0] != '/' || strlen(i->cwd) >= sizeof(((struct app_boot *)0)->cwd))
        return "byte 128: the working directory does not begin with / or is too long";
    return NULL;
}

err_t appimage_read(const void *bytes, size_t n, uint64_t file_size, struct appimage *out, const char **why)
{
    struct image_head *h = &out->head;
    const char *strings = (const char *)bytes + sizeof *h;

    *out = (struct appimage){ 0 };
    *why = "byte 0: not an app image";
    if (n < sizeof *h || !appimage_is(bytes, n))
        return ERR_FORMAT;
    memcpy(h, bytes, sizeof *h);
    *why = "byte 8: an app image of another version: make it anew with this goblin";
    if (h->version != IMAGE_VERSION || h->app_version != APP_VERSION)
        return ERR_UNSUPPORTED;
    *why = "byte 12: the head has an impossible size";
    if (h->head_size < sizeof *h || misaligned(h->head_size) || h->head_size > IMAGE_HEAD_MAX || h->head_size > file_size)
        return ERR_FORMAT;
    *why = "byte 12: the head reaches behind what was read";
    if (h->head_size > n)
        return ERR_FORMAT;
    *why = "byte 76: the checksum of the head is wrong: the file is damaged";
    if (appimage_checksum(bytes, h->head_size) != h->checksum)
        return ERR_FORMAT;
    *why = head_wrong(h, file_size);
    if (!*why)
        *why = strings_wrong(strings, strings + h->strings_size, out);
    if (*why)
        return ERR_FORMAT;
    *why = "";
    return OK;
}
