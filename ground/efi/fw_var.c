/* The firmware's variables: its own (UEFI 2.10, 3.3 and 8.5.4) and those of the Boot Loader Interface of systemd, so
 * that bootctl and systemctl work with this menu as with others. */
#include "arch/x86/cpu.h"
#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"
#include "boot/text.h"
#include "ground/efi/fw.h"

#define OS_INDICATIONS_BOOT_TO_SETUP BIT64(0)
#define FOR_NOW (EFI_VAR_BOOT_SERVICE | EFI_VAR_RUNTIME)
#define FOR_EVER (FOR_NOW | EFI_VAR_NON_VOLATILE)
#define BOOT_OPTIONS 64

static const struct efi_guid loader_guid = {
    0x4a67b082, 0x0a4c, 0x41cf, { 0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f }
};
static const struct efi_guid global_guid = EFI_GUID_GLOBAL_VARIABLE;

bool fw_var_text(const uint16_t *name, char *buf, size_t size)
{
    uint16_t text[160];
    uint64_t bytes = sizeof text;

    if (fw.rt->get_variable(name, &loader_guid, NULL, &bytes, text))
        return false;
    text_from_utf16(buf, size, text, bytes / 2);
    return *buf;
}

void fw_var_delete(const uint16_t *name)
{
    (void)fw.rt->set_variable(name, &loader_guid, 0, 0, NULL);
}

efi_status fw_var_set_text(const uint16_t *name, const char *text, bool for_ever)
{
    uint16_t wide[160];
    size_t n = text_to_utf16(wide, ARRAY_LEN(wide), text);

    return fw.rt->set_variable(name, &loader_guid, for_ever ? FOR_EVER : FOR_NOW, 2 * (n + 1), wide);
}

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

/* The node behind, or NULL at the end or where lengths make no sense. */
static const uint8_t *node_next(const uint8_t *n, const uint8_t *end)
{
    size_t left = (size_t)(end - n), len = left < 4 ? 0 : get_le16(n + 2);

    return len < 4 || len + 4 > left ? NULL : n + len;
}

/* The path from its disk partition on: a boot entry may leave out what stands before (3.1.2). NULL if there is none. */
static const uint8_t *from_partition(const uint8_t *n, const uint8_t *end)
{
    while (n && n + 4 <= end && !(n[0] == EFI_DP_MEDIA && n[1] == EFI_DP_MEDIA_DRIVE))
        n = n[0] == EFI_DP_END ? NULL : node_next(n, end);
    return n && n + 4 <= end ? n : NULL;
}

/* Same partition and file. Letters of file names count without regard to case. */
static bool same_file(const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end)
{
    char name_a[ENTRY_PATH_MAX + 1], name_b[ENTRY_PATH_MAX + 1];
    const uint8_t *file_a, *file_b;

    a = from_partition(a, a_end);
    b = from_partition(b, b_end);
    file_a = a ? node_next(a, a_end) : NULL;
    file_b = b ? node_next(b, b_end) : NULL;
    if (!file_a || !file_b || file_a - a != file_b - b || memcmp(a, b, (size_t)(file_a - a)))
        return false;
    if (file_a[1] != EFI_DP_MEDIA_FILE || file_b[1] != EFI_DP_MEDIA_FILE || !node_next(file_a, a_end) ||
        !node_next(file_b, b_end))
        return false;
    text_from_utf16(name_a, sizeof name_a, (const uint16_t *)(const void *)(file_a + 4), get_le16(file_a + 2) / 2u - 2);
    text_from_utf16(name_b, sizeof name_b, (const uint16_t *)(const void *)(file_b + 4), get_le16(file_b + 2) / 2u - 2);
    return str_eq_nocase(name_a, name_b);
}

bool fw_boot_next(struct efi_device_path *file)
{
    static uint8_t option[1024] ALIGNED(8);
    uint16_t order[BOOT_OPTIONS], name[9];
    uint64_t order_size = sizeof order;
    const uint8_t *want = (const uint8_t *)file, *want_end = want;

    while (want_end[0] != EFI_DP_END)
        want_end += get_le16(want_end + 2);
    want_end += 4;
    if (fw.rt->get_variable(u"BootOrder", &global_guid, NULL, &order_size, order))
        return false;
    for (unsigned i = 0; i < order_size / 2; i++) {
        uint64_t size = sizeof option, at = 6, path_len;
        char text[9];

        (void)fmt_text(text, sizeof text, "Boot%04X", order[i]);
        (void)text_to_utf16(name, ARRAY_LEN(name), text);
        if (fw.rt->get_variable(name, &global_guid, NULL, &size, option) || size < 8)
            continue;
        path_len = get_le16(option + 4);
        while (at + 2 <= size && get_le16(option + at))
            at += 2;
        at += 2;
        if (at + path_len <= size && same_file(want, want_end, option + at, option + at + path_len))
            return !fw.rt->set_variable(u"BootNext", &global_guid, FOR_EVER, 2, &order[i]);
    }
    return false;
}

/* --- what the started system may want to know --- */

void fw_export(const char *selected, uint64_t start_tsc, uint64_t menu_tsc)
{
    uint64_t now = cpu_tsc(), per_ms;
    struct {
        const uint16_t *name;
        uint64_t tsc;
    } times[] = { { u"LoaderTimeInitUSec", start_tsc },
                  { u"LoaderTimeMenuUSec", menu_tsc },
                  { u"LoaderTimeExecUSec", now } };

    (void)fw.bs->stall(1000);
    per_ms = cpu_tsc() - now;
    for (unsigned i = 0; i < ARRAY_LEN(times); i++) {
        char text[24];
        (void)fmt_text(text, sizeof text, "%" PRIu64, times[i].tsc * 1000 / (per_ms ? per_ms : 1));
        if (times[i].tsc)
            (void)fw_var_set_text(times[i].name, text, false);
    }
    (void)fw_var_set_text(u"LoaderEntrySelected", selected, false);
}
