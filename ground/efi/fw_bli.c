/* The Boot Loader Interface (systemd.io/BOOT_LOADER_INTERFACE): variables by which an operating system learns what
 * started it and says what to start next. bootctl and `systemctl reboot --boot-loader-entry` use them. */
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"
#include "ground/efi/fw.h"

#define UNTIL_RESET (EFI_VAR_BOOT_SERVICE | EFI_VAR_RUNTIME)
#define FOR_EVER (UNTIL_RESET | EFI_VAR_NON_VOLATILE)
#define LIST_UNITS 8192 /* UTF-16 units of LoaderEntries */
#define UNITS 160       /* of any other text */

/* what LoaderFeatures says we do */
#define CONFIG_TIMEOUT BIT64(0)
#define CONFIG_TIMEOUT_ONE_SHOT BIT64(1)
#define ENTRY_DEFAULT BIT64(2)
#define ENTRY_ONE_SHOT BIT64(3)
#define XBOOTLDR BIT64(5)
#define SORT_KEY BIT64(8)
#define SAVED_ENTRY BIT64(9)
#define MENU_DISABLE BIT64(13)
#define MULTI_PROFILE_UKI BIT64(14)
#define TYPE1_UKI BIT64(16)

#define SAVED "@saved" /* as a default */

extern const char build_id[];
static bool saved; /* the default is what was started last */
static const struct efi_guid guid = { 0x4a67b082, 0x0a4c, 0x41cf, { 0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f } };

static bool set(const uint16_t *name, uint32_t how, const char *value)
{
    uint16_t text[UNITS];
    size_t n = utf8_to_utf16(text, UNITS, value);

    return !fw.rt->set_variable(name, &guid, how, 2 * (n + 1), text);
}

static bool get(const uint16_t *name, char *value, size_t size)
{
    uint16_t text[UNITS];
    uint64_t bytes = sizeof text;

    if (fw.rt->get_variable(name, &guid, NULL, &bytes, text))
        return false;
    utf8_from_utf16(value, size, text, bytes / 2);
    return *value;
}

/* A variable for one start: read, and gone. */
static bool take(const uint16_t *name, char *value, size_t size)
{
    bool there = get(name, value, size);

    if (there)
        (void)fw.rt->set_variable(name, &guid, 0, 0, NULL); /* no bytes: deletes it */
    return there;
}

bool fw_one_shot_take(char *id, size_t size)
{
    return take(u"LoaderEntryOneShot", id, size);
}

bool fw_one_shot_set(const char *id)
{
    return set(u"LoaderEntryOneShot", FOR_EVER, id);
}

void fw_bli_config(struct config *c, const struct fw_list *list)
{
    static char pattern[UNITS], preferred[UNITS], timeout[UNITS];

    if (get(u"LoaderEntryDefault", pattern, sizeof pattern) &&
        (str_eq(pattern, SAVED) || config_find(list->entry, list->count, pattern) < list->count))
        c->fallback = pattern;
    saved = str_eq(c->fallback, SAVED);
    if (saved)
        c->fallback = get(u"LoaderEntryLastBooted", pattern, sizeof pattern) ? pattern : "";
    if (get(u"LoaderEntryPreferred", preferred, sizeof preferred))
        c->preferred = preferred;
    if (take(u"LoaderConfigTimeoutOneShot", timeout, sizeof timeout) ||
        get(u"LoaderConfigTimeout", timeout, sizeof timeout))
        (void)config_timeout(c, timeout);
}

static void tell_entries(const struct fw_list *list)
{
    static uint16_t text[LIST_UNITS];
    size_t n = 0;

    for (unsigned i = 0; i < list->count && LIST_UNITS - n > sizeof list->entry[i]->id; i++)
        n += utf8_to_utf16(text + n, LIST_UNITS - n, list->entry[i]->id) + 1;
    (void)fw.rt->set_variable(u"LoaderEntries", &guid, UNTIL_RESET, 2 * n, text);
}

void fw_bli_tell(const struct fw_list *list)
{
    const uint64_t features =
        CONFIG_TIMEOUT | CONFIG_TIMEOUT_ONE_SHOT | ENTRY_DEFAULT | ENTRY_ONE_SHOT | XBOOTLDR | SORT_KEY | SAVED_ENTRY |
        MENU_DISABLE | MULTI_PROFILE_UKI | TYPE1_UKI;
    uint8_t part[16];
    char text[UNITS];

    (void)fmt_text(text, sizeof text, "goblin %s", build_id);
    (void)set(u"LoaderInfo", UNTIL_RESET, text);
    (void)fw.rt->set_variable(u"LoaderFeatures", &guid, UNTIL_RESET, sizeof features, &features);
    if (fw_own_partition(part)) {
        fmt_guid(text, sizeof text, part);
        (void)set(u"LoaderDevicePartUUID", UNTIL_RESET, text);
    }
    tell_entries(list);
}

void fw_bli_selected(const char *id)
{
    (void)set(u"LoaderEntrySelected", UNTIL_RESET, id);
}

void fw_bli_starting(const char *id)
{
    if (saved)
        (void)set(u"LoaderEntryLastBooted", FOR_EVER, id);
}
