#pragma once
/* An app image: one file that holds a whole app. docs/image.md explains it; this header is the law, boot/appimage.h reads it.
 *
 *     0            struct image_head, then its strings: together head_size bytes
 *     libos_at     the libos, flat bytes as abi/app.h says
 *     fs_at        an EROFS file system without compression
 *
 * The parts begin at multiples of 4 KiB, in this order, and do not overlap. All numbers are little-endian. */
#include "base/types.h"

#define IMAGE_MAGIC 0x6E696C626F47FFF9ull /* "\xF9\xFFGoblin" */
#define IMAGE_VERSION 1u
#define IMAGE_PAGE 4096u
#define IMAGE_HEAD_MAX 0x10000u /* head_size at most */
#define IMAGE_SUFFIX ".img"

#define IMAGE_REWRITTEN 0x1u /* `syscall` sites in the file system's programs are `call *%rax` already */
#define IMAGE_FLAGS 0x1u     /* those that version 1 knows; others are refused */

struct image_head {
    uint64_t magic;        /*   0 */
    uint32_t version;      /*   8 */
    uint32_t head_size;    /*  12 head and strings; a multiple of IMAGE_PAGE */
    uint32_t flags;        /*  16 IMAGE_* */
    uint32_t app_version;  /*  20 of the libos inside: APP_VERSION */
    uint64_t libos_at;     /*  24 */
    uint64_t libos_size;   /*  32 */
    uint64_t fs_at;        /*  40 */
    uint64_t fs_size;      /*  48 a multiple of IMAGE_PAGE: the file ends here */
    uint64_t memory;       /*  56 bytes the app may have if nobody says otherwise; 0: the monitor's choice */
    uint32_t argc;         /*  64 at least 1: the program's name as it sees it */
    uint32_t envc;         /*  68 */
    uint32_t strings_size; /*  72 bytes of the strings behind the head, with their ending zeros */
    uint32_t checksum;     /*  76 CRC-32 of the first head_size bytes with this field 0 */
    uint64_t made;         /*  80 seconds since 1970 */
    uint32_t drivers;      /*  88 CRC-32 of the programs that the goblin that made it has for images; only goblin looks at it */
    uint8_t reserved[36];  /*  92 zeros */
};                         /* 128 */
_Static_assert(sizeof(struct image_head) == 128, "image_head");
/* The strings, each ending with 0, in this order: the image's name, the program's path, the working directory, the user's line about it
 * (may be empty), argc arguments, envc "NAME=VALUE". */
#define IMAGE_TEXTS 4u /* before the arguments */
