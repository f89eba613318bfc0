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

/* NULL when the list is full or memory is out. `file` is copied. */
static struct entry *add(struct scan *s, enum entry_kind kind, const char *id, const char *file)
{
    struct entry *e = s->list->count < FW_ENTRIES ? fw_alloc(sizeof *e) : NULL;
    char *copy = e ? fw_strdup(file) : NULL;

    if (!copy) {
        s->list->cut = true;
        return NULL;
    }
    entry_init(e, kind, id, copy);
    e->volume = s->volume;
    s->list->entry[s->list->count++] = e;
    return e;
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);

    return n > k && str_eq_nocase(name + n - k, suffix);
}

/* Reads the beginning of a file. False if it is no EFI program for this machine, or is one of us. */
static bool program_head(struct scan *s, const char *path, struct fw_file *file, uint8_t head[IMAGE_HEAD], size_t *len)
{
    struct image_span span;

    if (fw_file_open(s->volume, path, file))
        return false;
    *len = (size_t)min_u64(IMAGE_HEAD, file->size);
    if (!fw_file_read(file, 0, head, *len) && image_is_efi_program(head, *len) &&
        image_section(head, *len, file->size, ".goblin", &span) == ERR_NOTFOUND)
        return true;
    fw_file_close(file);
    return false;
}

static uint8_t head[IMAGE_HEAD];

/* --- entry files --- */

static void found_conf(void *arg, const char *name, bool is_dir)
{
    struct scan *s = arg;
    char path[ENTRY_PATH_MAX + 32], *text = NULL;
    size_t len = 0;
    struct entry *e;
    err_t err;

    if (is_dir || !has_suffix(name, ".conf"))
        return;
    (void)fmt_text(path, sizeof path, "/loader/entries/%s", name);
    e = add(s, ENTRY_LINUX, name, path);
    if (!e)
        return;
    err = fw_text_read(s->volume, path, ENTRY_TEXT_MAX, &text, &len);
    if (!err) {
        entry_parse(e, text, len);
        fw_check_files(e);
    } else {
        e->title = e->id;
        entry_note(e, 0, ENTRY_BLOCKED,
                   err == ERR_RANGE ? "larger than 64 KiB; no entry needs that" : "cannot be read");
    }
    if (e->hidden)
        s->list->count--;
}

/* --- unified kernel images --- */

/* A section's bytes, as text. NULL if there is none or it is too large. */
static char *section_text(struct fw_file *file, const uint8_t *h, size_t h_len, const char *name, size_t max,
                          size_t *len)
{
    struct image_span span;
    char *text;

    if (image_section(h, h_len, file->size, name, &span) || span.size > max)
        return NULL;
    text = fw_alloc(span.size + 1);
    *len = span.size;
    return text && !fw_file_read(file, span.offset, text, span.size) ? text : NULL;
}

static void found_uki(void *arg, const char *name, bool is_dir)
{
    struct scan *s = arg;
    char path[ENTRY_PATH_MAX + 32], *text;
    struct image_span span;
    struct fw_file file;
    size_t head_len, len;
    struct entry *e;

    (void)fmt_text(path, sizeof path, "/EFI/Linux/%s", name);
    if (is_dir || !has_suffix(name, ".efi") || !program_head(s, path, &file, head, &head_len))
        return;
    e = add(s, ENTRY_UKI, name, path);
    if (e) {
        e->title = e->id;
        e->start.path = e->file;
        text = section_text(&file, head, head_len, ".osrel", OSREL_MAX, &len);
        if (text)
            entry_parse_osrel(e, text, len);
        text = section_text(&file, head, head_len, ".cmdline", ENTRY_OPTIONS - 1, &len);
        if (text && text_line(&(char *){ text }))
            (void)str_copy(e->options, sizeof e->options, text);
        if (image_section(head, head_len, file.size, ".linux", &span))
            entry_note(e, 0, ENTRY_NO_GUEST, "not a unified kernel image; it can only start natively");
    }
    fw_file_close(&file);
}

/* --- other loaders --- */

static void add_loader(struct scan *s, const char *path, const char *id, const char *title)
{
    struct fw_file file;
    struct entry *e;
    size_t len;

    if (!program_head(s, path, &file, head, &len))
        return;
    fw_file_close(&file);
    e = add(s, ENTRY_LOADER, id, path);
    if (!e)
        return;
    e->start.path = e->file;
    e->title = fw_strdup(title);
    if (!e->title)
        e->title = e->id;
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
    add_loader(s, path, id, title);
}

static void found_vendor(void *arg, const char *name, bool is_dir)
{
    struct scan *s = arg;
    char path[ENTRY_PATH_MAX + 8];

    if (!is_dir || str_eq_nocase(name, "Linux"))
        return;
    if (str_eq_nocase(name, "Microsoft")) {
        add_loader(s, "/EFI/Microsoft/Boot/bootmgfw.efi", "auto-windows", "Windows Boot Manager");
        return;
    }
    (void)fmt_text(path, sizeof path, "/EFI/%s", name);
    s->folder = name;
    fw_dir_each(s->volume, path, found_loader, s);
}

/* --- all of it --- */

static void add_verb(struct scan *s, enum entry_kind kind, const char *id, const char *title)
{
    struct entry *e = add(s, kind, id, "");

    if (e)
        e->title = title;
}

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
        fw_dir_each(s.volume, "/EFI", found_vendor, &s);
    }
    s.volume = 0;
    if (list->count > FW_ENTRIES - 3)
        list->count = FW_ENTRIES - 3;
    if (fw_setup_available())
        add_verb(&s, ENTRY_SETUP, "auto-reboot-to-firmware-setup", "Firmware set-up");
    add_verb(&s, ENTRY_REBOOT, "auto-reboot", "Reboot");
    add_verb(&s, ENTRY_POWER_OFF, "auto-poweroff", "Power off");
    entry_sort(list->entry, list->count);
}
