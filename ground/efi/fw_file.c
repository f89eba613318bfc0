/* Volumes the firmware has a file system for, and files on them. UEFI 2.10, 13.4 and 13.5. */
#include "base/bytes.h"
#include "base/str.h"
#include "base/utf.h"
#include "ground/efi/fw.h"

#define VOLUMES 32
#define PATH_UNITS (ENTRY_PATH_MAX + 3) /* a leading backslash and the ending 0 */

static const struct efi_guid guid_fs = EFI_GUID_SIMPLE_FS;
static const struct efi_guid guid_info = EFI_GUID_FILE_INFO;
static const struct efi_guid guid_device_path = EFI_GUID_DEVICE_PATH;

static struct {
    efi_handle handle;
    struct efi_file *root;
} volume_table[VOLUMES];
static unsigned volumes;

static void volume_open(efi_handle h)
{
    struct efi_simple_fs *fs = fw_protocol(h, &guid_fs);
    struct efi_file *root;

    if (!fs || volumes == VOLUMES || fs->open_volume(fs, &root))
        return;
    volume_table[volumes].handle = h;
    volume_table[volumes++].root = root;
}

unsigned fw_volumes_open(void)
{
    uint64_t count = 0;
    efi_handle *all;

    volume_open(fw.self->device);
    if (fw.bs->locate_handle_buffer(EFI_BY_PROTOCOL, &guid_fs, NULL, &count, &all))
        return volumes;
    for (uint64_t i = 0; i < count; i++)
        if (all[i] != fw.self->device)
            volume_open(all[i]);
    (void)fw.bs->free_pool(all);
    return volumes;
}

void fw_volumes_close(void)
{
    while (volumes) {
        struct efi_file *root = volume_table[--volumes].root;
        (void)root->close(root);
    }
}

/* "/a//b" and "a\b" become "\a\b". Returns units without the ending 0. */
static size_t path_to_efi(uint16_t out[PATH_UNITS], const char *path)
{
    uint16_t raw[PATH_UNITS];
    size_t n = utf8_to_utf16(raw, ARRAY_LEN(raw) - 1, path), len = 0;

    out[len++] = '\\';
    for (size_t i = 0; i < n; i++) {
        bool slash = raw[i] == '/' || raw[i] == '\\';
        if (!slash || out[len - 1] != '\\')
            out[len++] = slash ? '\\' : raw[i];
    }
    out[len] = 0;
    return len;
}

/* A file's information with the longest name. */
union info {
    struct efi_file_info i;
    uint8_t bytes[sizeof(struct efi_file_info) + 2 * 260];
};

err_t fw_file_open(unsigned volume, const char *path, struct fw_file *out)
{
    struct efi_file *root = volume_table[volume].root, *f;
    uint16_t name[PATH_UNITS];
    union info info;
    uint64_t size = sizeof info;
    efi_status s;

    (void)path_to_efi(name, path);
    s = root->open(root, &f, name, EFI_FILE_READ, 0);
    if (s) /* an invalid parameter: no file can have this name */
        return s == EFI_NOT_FOUND || s == EFI_INVALID_PARAMETER ? ERR_NOTFOUND : ERR_IO;
    s = f->get_info(f, &guid_info, &size, &info);
    if (s || info.i.attributes & EFI_FILE_DIRECTORY) {
        (void)f->close(f);
        return s ? ERR_IO : ERR_NOTFOUND;
    }
    *out = (struct fw_file){ f, info.i.file_size };
    return OK;
}

void fw_file_close(struct fw_file *file)
{
    (void)file->f->close(file->f);
}

err_t fw_file_read(struct fw_file *file, uint64_t offset, void *buf, uint64_t len)
{
    uint64_t got = len;

    if (offset > file->size || len > file->size - offset)
        return ERR_RANGE;
    if (file->f->set_position(file->f, offset) || file->f->read(file->f, &got, buf) || got != len)
        return ERR_IO;
    return OK;
}

err_t fw_text_read(unsigned volume, const char *path, uint64_t max, char **out, size_t *len)
{
    struct fw_file file;
    err_t e = fw_file_open(volume, path, &file);

    if (e)
        return e;
    e = ERR_RANGE;
    if (file.size > max)
        goto close;
    e = ERR_NOMEM;
    *out = fw_alloc(file.size + 1);
    if (!*out)
        goto close;
    *len = file.size;
    e = fw_file_read(&file, 0, *out, file.size);
close:
    fw_file_close(&file);
    return e;
}

void fw_dir_each(unsigned volume, const char *path, void (*fn)(void *arg, const char *name, bool is_dir), void *arg)
{
    struct efi_file *root = volume_table[volume].root, *dir;
    uint16_t name[PATH_UNITS];
    char text[ENTRY_PATH_MAX + 1];
    union info info;

    (void)path_to_efi(name, path);
    if (root->open(root, &dir, name, EFI_FILE_READ, 0))
        return;
    for (;;) {
        uint64_t size = sizeof info;
        if (dir->read(dir, &size, &info) || size < sizeof info.i)
            break;
        utf8_from_utf16(text, sizeof text, info.i.name, (size - sizeof info.i) / 2);
        if (*text != '.') /* the folder itself, its parent, and what is hidden: e.g. "._a.conf", written by a Mac */
            fn(arg, text, info.i.attributes & EFI_FILE_DIRECTORY);
    }
    (void)dir->close(dir);
}

struct efi_device_path *fw_file_device_path(unsigned volume, const char *path, size_t *size)
{
    static const struct efi_device_path end = { EFI_DP_END, EFI_DP_END_ALL, { sizeof end, 0 } };
    const uint8_t *device = fw_protocol(volume_table[volume].handle, &guid_device_path);
    uint16_t name[PATH_UNITS];
    size_t bytes = 2 * (path_to_efi(name, path) + 1), before = 0;
    uint8_t *out;

    if (!device)
        return NULL;
    while (device[before] != EFI_DP_END && get_le16(device + before + 2) >= sizeof end)
        before += get_le16(device + before + 2);
    *size = before + sizeof end + bytes + sizeof end;
    out = fw_alloc(*size);
    if (!out)
        return NULL;
    memcpy(out, device, before);
    out[before] = EFI_DP_MEDIA;
    out[before + 1] = EFI_DP_MEDIA_FILE;
    put_le16(out + before + 2, (uint16_t)(sizeof end + bytes));
    memcpy(out + before + sizeof end, name, bytes);
    memcpy(out + before + sizeof end + bytes, &end, sizeof end);
    return (struct efi_device_path *)out;
}
