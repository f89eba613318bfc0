/* Native start: the firmware loads and starts an EFI program; a Linux kernel is one, too. When the
 * program runs, all that is left of us is what it was handed: its options and the initrd's open files. */
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"
#include "ground/efi/fw.h"

#define WATCHDOG_SECONDS 300 /* as the firmware sets it before it starts us (UEFI 3.1.2) */

/* --- the initrd: Linux asks a vendor device path of its own for it, by the LoadFile2 protocol (UEFI 13.2) --- */

static const struct efi_guid guid_load_file2 = EFI_GUID_LOAD_FILE2;
static const struct efi_guid guid_device_path = EFI_GUID_DEVICE_PATH;

static const struct PACKED {
    struct efi_device_path vendor;
    struct efi_guid guid; /* LINUX_EFI_INITRD_MEDIA_GUID */
    struct efi_device_path end;
} initrd_path = {
    { EFI_DP_MEDIA, EFI_DP_MEDIA_VENDOR, { 20, 0 } },
    { 0x5568e427, 0x68fc, 0x4f3d, { 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 } },
    { EFI_DP_END, EFI_DP_END_ALL, { 4, 0 } },
};

static struct {
    struct efi_load_file2 protocol;
    efi_handle handle;
    struct fw_file file[ENTRY_INITRDS];
    unsigned files;
} initrd;

/* All files in a row, each padded to 4 bytes. */
static efi_status initrd_load(struct efi_load_file2 *self, struct efi_device_path *, bool boot_policy,
                              uint64_t *size, void *buf)
{
    uint64_t need = 0, room;
    uint8_t *out = buf;

    if (self != &initrd.protocol || !size)
        return EFI_INVALID_PARAMETER;
    if (boot_policy)
        return EFI_UNSUPPORTED;
    for (unsigned i = 0; i < initrd.files; i++)
        need += align_up(initrd.file[i].size, 4);
    room = *size;
    *size = need;
    if (!out || room < need)
        return EFI_BUFFER_TOO_SMALL;
    for (unsigned i = 0; i < initrd.files; i++) {
        struct fw_file *f = &initrd.file[i];
        if (fw_file_read(f, 0, out, f->size))
            return EFI_DEVICE_ERROR;
        memset(out + f->size, 0, align_up(f->size, 4) - f->size);
        out += align_up(f->size, 4);
    }
    return EFI_SUCCESS;
}

static void initrd_remove(void)
{
    if (initrd.handle)
        (void)fw.bs->uninstall_protocols(initrd.handle, &guid_load_file2, &initrd.protocol, &guid_device_path,
                                         &initrd_path, NULL);
    initrd.handle = NULL;
    while (initrd.files)
        fw_file_close(&initrd.file[--initrd.files]);
}

static bool initrd_offer(const struct entry *e, char *why, size_t size)
{
    if (!e->ninitrd)
        return true;
    for (; initrd.files < e->ninitrd; initrd.files++) {
        err_t err = fw_file_open(e->volume, e->initrd[initrd.files].path, &initrd.file[initrd.files]);
        if (err) {
            (void)fmt_text(why, size, "%s: %s: %s", e->id, e->initrd[initrd.files].path, err_text(err));
            return false;
        }
    }
    initrd.protocol.load = initrd_load;
    if (!fw.bs->install_protocols(&initrd.handle, &guid_load_file2, &initrd.protocol, &guid_device_path, &initrd_path,
                                  NULL))
        return true;
    initrd.handle = NULL;
    (void)fmt_text(why, size, "%s: the firmware does not take the initrd", e->id);
    return false;
}

/* --- start --- */

static void set_options(const struct entry *e, const char *options, struct efi_loaded_image *image)
{
    static char text[ENTRY_OPTIONS + 16];
    static uint16_t wide[sizeof text];

    if (!options)
        options = e->kind == ENTRY_UKI ? "" : e->options; /* a unified kernel image uses those inside it */
    if (e->profile) /* systemd-stub(7) */
        (void)fmt_text(text, sizeof text, "@%u%s%s", e->profile, *options ? " " : "", options);
    else
        (void)str_copy(text, sizeof text, options);
    if (!*text)
        return;
    image->options = wide;
    image->options_size = (uint32_t)(2 * (utf8_to_utf16(wide, ARRAY_LEN(wide), text) + 1));
}

static efi_handle load(const struct entry *e, char *why, size_t size)
{
    size_t path_size;
    struct efi_device_path *path = fw_file_device_path(e->volume, e->start.path, &path_size);
    efi_handle image = NULL;
    efi_status s = path ? fw.bs->load_image(false, fw.image, path, NULL, 0, &image) : EFI_OUT_OF_RESOURCES;

    if (!s)
        return image;
    if (s == EFI_SECURITY_VIOLATION && image)
        (void)fw.bs->unload_image(image);
    (void)fmt_text(why, size, "%s: %s could not be loaded: %s (0x%" PRIx64 ")", e->id, e->start.path, fw_status_text(s),
                   s);
    return NULL;
}

void fw_start_native(const struct entry *e, const char *options, char *why, size_t size)
{
    static const struct efi_guid guid_loaded_image = EFI_GUID_LOADED_IMAGE;
    efi_handle image = load(e, why, size);
    char id[sizeof e->id];
    uint16_t *exit_data = NULL;
    uint64_t exit_size;
    efi_status s;

    if (!image)
        return;
    if (!initrd_offer(e, why, size)) {
        (void)fw.bs->unload_image(image);
        goto remove_initrd;
    }
    set_options(e, options, fw_protocol(image, &guid_loaded_image));
    (void)str_copy(id, sizeof id, e->id);
    fw_bli_selected(id);
    fw_volumes_close();
    fw_free_all();
    fw_screen_close();
    (void)fw.bs->set_watchdog(WATCHDOG_SECONDS, 0x10000, 0, NULL);
    s = fw.bs->start_image(image, &exit_size, &exit_data);
    (void)fw.bs->set_watchdog(0, 0x10000, 0, NULL);
    if (exit_data)
        (void)fw.bs->free_pool(exit_data);
    (void)fmt_text(why, size, "%s returned: %s (0x%" PRIx64 ")", id, fw_status_text(s), s);
remove_initrd:
    initrd_remove();
}
