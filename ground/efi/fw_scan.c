/* Finds everything that can be started, on every volume: entry files, unified kernel images, other loaders; then adds
 * the machine's own verbs. Reads no more of a program than its head. */
#include "base/fmt.h"
#include "base/str.h"
#include "boot/image.h"
#include "boot/text.h"
#include "ground/efi/fw.h"

#define OSREL_MAX 4096u

struct scan {
    struct fw_list *list;
    unsigned volume;
    const char *folder; /* being read */
};

/* NULL when the list is full or memory is out. The texts are copied; without a title the id is shown. */
static struct entry *add(struct scan *s, enum entry_kind kind, const char *id, const char *title, const char *file)
{
    struct entry *e = s->list->count < FW_ENTRIES ? fw_alloc(sizeof *e) : NULL;
    char *file_copy = e ? fw_strdup(file) : NULL, *title_copy = file_copy ? fw_strdup(title) : NULL;

    if (!title_copy) {
        s->list->cut = true;
        return NULL;
    }
    entry_init(e, kind, id, file_copy);
    e->title = *title ? title_copy : e->id;
    e->volume = s->volume;
    s->list->entry[s->list->count++] = e;
    return e;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);

    return n > k && str_eq_nocase(name + n - k, suffix);
}

/* Ids that begin so are those of a loader's own entries; systemd-boot, too, reads no such file. */
static bool is_ours(const char *name)
{
    return str_starts(name, "auto-");
}

/* --- entry files --- */

static void found_conf(void *arg, const char *name, bool is_dir)
{
    struct scan *s = arg;
    char path[ENTRY_PATH_MAX + 32], *text = NULL;
    size_t len = 0;
    struct entry *e;
    err_t err;

    if (is_dir || is_ours(name) || !has_suffix(name, ".conf"))
        return;
    (void)fmt_text(path, sizeof path, "/loader/entries/%s", name);
    e = add(s, ENTRY_LINUX, name, "", path);
    if (!e)
        return;
    err = fw_text_read(s->volume, path, ENTRY_TEXT_MAX, &text, &len);
    if (!err) {
        entry_parse(e, text, len);
        fw_check_files(e);
    } else {
        entry_note(e, 0, ENTRY_BLOCKED,
                   err == ERR_RANGE ? "larger than 64 KiB; no entry needs that" : "cannot be read");
    }
    if (e->hidden)
        s->list->count--;
}

/* --- programs --- */

/* A section's bytes, as text. NULL if there is none or it is too large. */
static char *section_text(struct fw_file *file, const uint8_t *head, size_t head_len, unsigned profile, const char *name, size_t max,
                          size_t *len)
{
    struct image_span span;
    char *text;

    if (image_section(head, head_len, file->size, profile, name, &span) || span.size > max)
        return NULL;
    text = fw_alloc(span.size + 1);
    *len = span.size;
    return text && !fw_file_read(file, span.offset, text, span.size) ? text : NULL;
}

/* What a unified kernel image says of one of its profiles. */
static void read_uki(struct entry *e, struct fw_file *file, const uint8_t *head, size_t head_len, unsigned profile)
{
    struct image_span span;
    size_t len;
    char *text = section_text(file, head, head_len, profile, ".osrel", OSREL_MAX, &len), *title;

    if (text)
        entry_parse_osrel(e, text, len);
    text = section_text(file, head, head_len, profile, ".profile", OSREL_MAX, &len);
    title = text ? fw_alloc(ENTRY_TITLE_MAX) : NULL;
    if (title)
        entry_set_profile(e, profile, text, len, title);
    text = section_text(file, head, head_len, profile, ".cmdline", ENTRY_OPTIONS - 1, &len);
    if (text)
        (void)str_copy(e->options, sizeof e->options, text_flat(text));
    if (image_section(head, head_len, file->size, profile, ".linux", &span))
        entry_note(e, 0, ENTRY_NO_GUEST, "not a unified kernel image; it can only start natively");
}

/* Adds an EFI program for this machine that is not one of us. */
static void add_program(struct scan *s, enum entry_kind kind, const char *id, const char *title, const char *path)
{
    static uint8_t head[IMAGE_HEAD];
    struct entry *e;
    struct image_span span;
    struct fw_file file;
    unsigned profile = 0;
    size_t len;

    if (fw_file_open(s->volume, path, &file))
        return;
    len = (size_t)min_u64(IMAGE_HEAD, file.size);
    if (fw_file_read(&file, 0, head, len) || !image_is_efi_program(head, len) ||
        image_section(head, len, file.size, 0, ".goblin", &span) != ERR_NOTFOUND)
        goto close;
    do { /* an entry for each profile */
        e = add(s, kind, id, title, path);
        if (!e)
            break;
        e->start.path = e->file;
        if (kind == ENTRY_UKI)
            read_uki(e, &file, head, len, profile);
    } while (kind == ENTRY_UKI && !image_section(head, len, file.size, ++profile, ".profile", &span));
close:
    fw_file_close(&file);
}

static void found_uki(void *arg, const char *name, bool is_dir)
{
    char path[ENTRY_PATH_MAX + 32];

    (void)fmt_text(path, sizeof path, "/EFI/Linux/%s", name);
    if (!is_dir && !is_ours(name) && has_suffix(name, ".efi"))
        add_program(arg, ENTRY_UKI, name, "", path);
}

static void found_loader(void *arg, const char *name, bool is_dir)
{
    struct scan *s = arg;
    char path[ENTRY_PATH_MAX + 32], id[128], title[96];

    if (is_dir || !has_suffix(name, ".efi") || str_eq_nocase(name, "mmx64.efi") || str_eq_nocase(name, "fbx64.efi"))
        return; /* the last two are shim's helpers, which start nothing by themselves */
    (void)fmt_text(path, sizeof path, "/EFI/%s/%s", s->folder, name);
    (void)fmt_text(title, sizeof title, "%.40s (%.40s)", name, s->folder);
    (void)fmt_text(id, sizeof id, "auto-%.50s-%.70s", s->folder, name);
    add_program(s, ENTRY_LOADER, id, title, path);
}

static void found_vendor(void *arg, const char *name, bool is_dir)
{
    struct scan *s = arg;
    char path[ENTRY_PATH_MAX + 8];

    if (!is_dir || str_eq_nocase(name, "Linux"))
        return;
    if (str_eq_nocase(name, "Microsoft")) {
        add_program(s, ENTRY_LOADER, "auto-windows", "Windows Boot Manager", "/EFI/Microsoft/Boot/bootmgfw.efi");
        return;
    }
    (void)fmt_text(path, sizeof path, "/EFI/%s", name);
    s->folder = name;
    fw_dir_each(s->volume, path, found_loader, s);
}

/* --- all of it --- */

void fw_scan(struct fw_list *list, struct config *c)
{
    struct scan s = { .list = list };
    unsigned volumes = fw_volumes_open();
    char *text = NULL;
    size_t len = 0;

    list->count = 0;
    list->cut = false;
    config_init(c);
    if (volumes && !fw_text_read(0, "/loader/loader.conf", ENTRY_TEXT_MAX, &text, &len))
        config_parse(c, text, len);
    for (s.volume = 0; s.volume < volumes; s.volume++) {
        fw_dir_each(s.volume, "/loader/entries", found_conf, &s);
        fw_dir_each(s.volume, "/EFI/Linux", found_uki, &s);
        if (!c->loaders)
            continue;
        fw_dir_each(s.volume, "/EFI", found_vendor, &s);
        add_program(&s, ENTRY_LOADER, "auto-efi-shell", "EFI Shell", "/shellx64.efi");
    }
    s.volume = 0;
    if (list->count > FW_ENTRIES - 3)
        list->count = FW_ENTRIES - 3;
    if (c->setup && fw_setup_available())
        (void)add(&s, ENTRY_SETUP, "auto-reboot-to-firmware-setup", "Firmware set-up", "");
    (void)add(&s, ENTRY_REBOOT, "auto-reboot", "Reboot", "");
    (void)add(&s, ENTRY_POWER_OFF, "auto-poweroff", "Power off", "");
    entry_sort(list->entry, list->count);
}
