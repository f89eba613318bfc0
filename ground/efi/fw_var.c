/* The firmware's own variables (UEFI 2.10, 3.3 and 8.5.4): its set-up, and its boot entries. */
#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"
#include "ground/efi/fw.h"

#define OS_INDICATIONS_BOOT_TO_SETUP BIT64(0)
#define FOR_EVER (EFI_VAR_BOOT_SERVICE | EFI_VAR_RUNTIME | EFI_VAR_NON_VOLATILE)
#define BOOT_OPTIONS 64
/* a device path's node for a partition (10.3.5.1): bytes, and where they are */
#define DRIVE_NODE 42
#define DRIVE_SIGNATURE 24
#define DRIVE_SIGNATURE_TYPE 41
#define SIGNATURE_GUID 2
#define PATH_BYTES 4096 /* longer than any volume's path; its end node comes first */

static const struct efi_guid global_guid = EFI_GUID_GLOBAL_VARIABLE;
/* --- firmware set-up --- */

static uint64_t indications(const uint16_t *name)
{
    uint64_t v = 0, size = sizeof v;

    return fw.rt->get_variable(name, &global_guid, NULL, &size, &v) ? 0 : v;
}

bool fw_setup_available(void)
{
    return indications(u"OsIndicationsSupported") & OS_INDICATIONS_BOOT_TO_SETUP;
}

efi_status fw_setup_request(void)
{
    uint64_t v = indications(u"OsIndications") | OS_INDICATIONS_BOOT_TO_SETUP;

    return fw.rt->set_variable(u"OsIndications", &global_guid, FOR_EVER, sizeof v, &v);
}

/* --- the firmware's boot entries --- */

/* The path from its disk partition on: a boot entry may leave out what stands before (3.1.2). NULL if there is none. */
static const uint8_t *from_partition(const uint8_t *n, const uint8_t *end)
{
    while (end - n >= DRIVE_NODE && n[0] != EFI_DP_END && get_le16(n + 2) >= 4) {
        if (n[0] == EFI_DP_MEDIA && n[1] == EFI_DP_MEDIA_DRIVE)
            return n;
        n += get_le16(n + 2) <= end - n ? get_le16(n + 2) : end - n;
    }
    return NULL;
}

/* Same partition and file. Letters of the file's name count without regard to case. */
static bool same_file(const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end)
{
    a = from_partition(a, a_end);
    b = from_partition(b, b_end);
    if (!a || !b || a_end - a != b_end - b || memcmp(a, b, DRIVE_NODE))
        return false;
    for (a += DRIVE_NODE, b += DRIVE_NODE; a < a_end; a++, b++)
        if (char_lower((char)*a) != char_lower((char)*b))
            return false;
    return true;
}

bool fw_own_partition(uint8_t guid[16])
{
    static const struct efi_guid guid_device_path = EFI_GUID_DEVICE_PATH;
    const uint8_t *path = fw_protocol(fw.self->device, &guid_device_path),
                  *node = path ? from_partition(path, path + PATH_BYTES) : NULL;

    if (!node || node[DRIVE_SIGNATURE_TYPE] != SIGNATURE_GUID)
        return false;
    memcpy(guid, node + DRIVE_SIGNATURE, 16);
    return true;
}

bool fw_boot_next(const void *file, size_t file_size)
{
    static uint8_t option[1024] ALIGNED(8);
    uint16_t order[BOOT_OPTIONS], name[9];
    uint64_t order_size = sizeof order;

    if (fw.rt->get_variable(u"BootOrder", &global_guid, NULL, &order_size, order))
        return false;
    for (unsigned i = 0; i < order_size / 2; i++) {
        uint64_t size = sizeof option, at = 6, path_len;
        char text[9];

        (void)fmt_text(text, sizeof text, "Boot%04X", order[i]);
        (void)utf8_to_utf16(name, ARRAY_LEN(name), text);
        if (fw.rt->get_variable(name, &global_guid, NULL, &size, option) || size < 8)
            continue;
        path_len = get_le16(option + 4);
        while (at + 2 <= size && get_le16(option + at)) /* its title */
            at += 2;
        at += 2;
        if (at + path_len <= size &&
            same_file(file, (const uint8_t *)file + file_size, option + at, option + at + path_len))
            return !fw.rt->set_variable(u"BootNext", &global_guid, FOR_EVER, 2, &order[i]);
    }
    return false;
}
