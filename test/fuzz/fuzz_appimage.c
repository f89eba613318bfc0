/* Heads of app images from a hostile file: whatever is accepted must be consistent. The checksum is mended first, or nothing would get past it. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "boot/appimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[IMAGE_HEAD_MAX];
    const size_t head = 2 * IMAGE_PAGE;
    struct appimage i;
    const char *why;
    uint32_t sum;

    memset(file, 0, head);
    memcpy(file, data, size < head ? size : head);
    memcpy(&sum, file + offsetof(struct image_head, head_size), sizeof sum);
    if (sum >= sizeof(struct image_head) && sum <= head)
        sum = appimage_checksum(file, sum), memcpy(file + offsetof(struct image_head, checksum), &sum, sizeof sum);
    if (appimage_read(file, head, 1 << 20, &i, &why)) {
        assert(why[0]);
        return 0;
    }
    assert(i.head.fs_at + i.head.fs_size <= 1 << 20 && i.head.libos_at + i.head.libos_size <= i.head.fs_at);
    assert(i.args + i.args_size <= (const char *)file + i.head.head_size && !i.args[i.args_size - 1]);
    assert(i.program[0] == '/' && i.cwd[0] == '/' && i.name[0]);
    return 0;
}
