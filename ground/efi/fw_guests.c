/* Start of the monitor: loads the files of all guests into memory that stays, and hands everything over. */
#include "base/fmt.h"
#include "base/str.h"
#include "boot/image.h"
#include "boot/text.h"
#include "ground/efi/fw.h"
#include "ground/efi/launch.h"

_Static_assert(ENTRY_INITRDS <= VM_INITRDS_MAX && ENTRY_DISKS <= VM_DISKS_MAX && ENTRY_OPTIONS <= VM_CMDLINE_MAX &&
                   ENTRY_CPUS <= VM_VCPUS_MAX,
               "a guest can be all an entry may ask for");
_Static_assert(ENTRY_PATH_MAX + 2 <= LAUNCH_PATH_MAX && ENTRY_SPACES_MAX < VM_NAMESPACE_MAX, "paths and namespaces fit");
_Static_assert(ENTRY_DISK_MAX < sizeof((struct vm_config *)0)->disk[0], "disk names fit");

/* --- files, each loaded once --- */

static uint64_t pages_for(uint64_t bytes)
{
    return bytes ? (bytes + PAGE_SIZE - 1) / PAGE_SIZE : 1;
}

static err_t file_load(struct fw_file *f, struct blob *out)
{
    uint64_t at;

    if (fw.bs->allocate_pages(EFI_ALLOCATE_ANY, EFI_MEM_LOADER_DATA, pages_for(f->size), &at))
        return ERR_NOMEM;
    if (fw_file_read(f, 0, (void *)(uintptr_t)at, f->size)) {
        (void)fw.bs->free_pages(at, pages_for(f->size));
        return ERR_IO;
    }
    *out = (struct blob){ (const uint8_t *)(uintptr_t)at, f->size };
    memset((uint8_t *)(uintptr_t)at + f->size, 0, pages_for(f->size) * PAGE_SIZE - f->size); /* apps see whole pages */
    return OK;
}

/* With / between folders, and one in front, however the entry has it. */
static void path_tidy(char *to, size_t size, const char *path)
{
    size_t n = 0;

    for (; *path && n + 2 < size; path++) {
        char c = *path == '\\' ? '/' : *path;
        if (!n && c != '/')
            to[n++] = '/';
        if (c != '/' || !n || to[n - 1] != '/')
            to[n++] = c;
    }
    to[n] = 0;
}

/* A failure becomes a note on the entry. */
static bool file_get(struct launch *l, struct entry *e, const struct entry_file *want, struct blob *out)
{
    struct launch_file *file = &l->file[l->nfiles];
    char path[LAUNCH_PATH_MAX + 1];
    struct fw_file f;
    err_t err;

    path_tidy(path, sizeof path, want->path);
    for (unsigned i = 0; i < l->nfiles; i++) {
        if (l->file[i].volume == e->volume && str_eq_nocase(l->file[i].path, path)) {
            *out = l->file[i].blob;
            return true;
        }
    }
    err = l->nfiles < LAUNCH_FILES ? fw_file_open(e->volume, path, &f) : ERR_FULL;
    if (!err) {
        err = file_load(&f, out);
        fw_file_close(&f);
    }
    if (err) {
        entry_note(e, want->line, ENTRY_NO_GUEST, "%.80s cannot be loaded: %s", want->path, err_text(err));
        return false;
    }
    file->volume = e->volume;
    (void)str_copy(file->path, sizeof file->path, path);
    file->blob = *out;
    l->nfiles++;
    return true;
}

static void files_drop(struct launch *l)
{
    while (l->nfiles) {
        struct blob *b = &l->file[--l->nfiles].blob;
        (void)fw.bs->free_pages((uintptr_t)b->data, pages_for(b->size));
    }
}

/* --- guests --- */

/* The file name without suffix, made to fit and to differ from all others. */
static void name_guest(const struct launch *l, const struct entry *e, struct vm_config *vm)
{
    size_t stem = text_stem(e->id);
    unsigned again = 1, i;

    (void)str_copy(vm->name, min_size(stem + 1, sizeof vm->name), e->id);
    do {
        for (i = 0; i < l->nvms && !str_eq(l->vm[i].name, vm->name);)
            i++;
        if (i < l->nvms)
            (void)fmt_text(vm->name, sizeof vm->name, "%.*s~%u", (int)min_size(stem, VM_NAME_MAX - 4), e->id, ++again);
    } while (i < l->nvms);
}

static bool get_uki(struct entry *e, struct vm_config *vm)
{
    struct blob file = vm->kernel;
    struct image_span span;
    size_t head = (size_t)min_u64(IMAGE_HEAD, file.size);

    if (image_section(file.data, head, file.size, e->profile, ".linux", &span)) {
        entry_note(e, e->start.line, ENTRY_NO_GUEST, "not a unified kernel image; it can only start natively");
        return false;
    }
    vm->kernel = (struct blob){ file.data + span.offset, span.size };
    if (!image_section(file.data, head, file.size, e->profile, ".initrd", &span))
        vm->initrd[vm->ninitrd++] = (struct blob){ file.data + span.offset, span.size };
    if (!*vm->cmdline && !image_section(file.data, head, file.size, e->profile, ".cmdline", &span)) {
        size_t n = (size_t)min_u64(span.size, sizeof vm->cmdline - 1);
        memcpy(vm->cmdline, file.data + span.offset, n);
    }
    return true;
}

/* A disk of the machine is found by the monitor; a file becomes RAM disk n, which the monitor calls ramN. */
static bool get_disk(struct launch *l, struct entry *e, const struct entry_file *want, struct vm_config *vm)
{
    char *name = vm->disk[vm->ndisks++];
    struct blob file;
    unsigned n = 0;

    (void)str_copy(name, sizeof vm->disk[0], want->path);
    if (*want->path != '/')
        return true;
    if (!file_get(l, e, want, &file))
        return false;
    while (n < l->nram_disks && l->ram_disk[n].file.data != file.data)
        n++;
    if (n == ARRAY_LEN(l->ram_disk)) {
        entry_note(e, want->line, ENTRY_NO_GUEST, "disk: more than %u disk files; leave some out", n);
        return false;
    }
    if (n == l->nram_disks) {
        l->ram_disk[l->nram_disks++].file = file;
        (void)str_copy(l->ram_disk[n].path, sizeof l->ram_disk[n].path, want->path);
    }
    (void)fmt_text(name, sizeof vm->disk[0], "ram%u", n);
    return true;
}

/* Adds one guest, whose kernel fw_check_guest() has looked at. False with a note on the entry if that cannot be. */
static bool add_guest(struct launch *l, struct entry *e, const char *options, bool autostart)
{
    struct vm_config *vm = &l->vm[l->nvms];

    if (l->nvms == LAUNCH_VMS) {
        entry_note(e, e->guest_line, ENTRY_NO_GUEST, "more than %u guests; remove some", LAUNCH_VMS);
        return false;
    }
    memset(vm, 0, sizeof *vm);
    name_guest(l, e, vm);
    (void)str_copy(vm->title, sizeof vm->title, e->title);
    (void)str_copy(vm->cmdline, sizeof vm->cmdline, options ? options : e->options);
    vm->memory = e->memory;
    vm->vcpus = e->cpus;
    vm->autostart = autostart;
    vm->template = e->template;
    (void)str_copy(vm->spaces, sizeof vm->spaces, e->spaces);
    vm->app = e->kind == ENTRY_APP;
    vm->isolate = e->isolate;
    if (!file_get(l, e, &e->start, &vm->kernel) || (e->kind >= ENTRY_EFI && !get_uki(e, vm)))
        return false;
    for (unsigned i = 0; e->kind == ENTRY_LINUX && i < e->ninitrd; i++)
        if (!file_get(l, e, &e->initrd[i], &vm->initrd[vm->ninitrd++]))
            return false;
    for (unsigned i = 0; i < e->ndisks; i++)
        if (!get_disk(l, e, &e->disk[i], vm))
            return false;
    l->nvms++;
    return true;
}

/* --- start --- */

static void tell_skipped(const struct entry *e)
{
    char text[240];

    if (!menu_forbidden(e, MENU_GUEST, text, sizeof text))
        return;
    fw_print("Left out:");
    fw_print(text);
}

void fw_start_guests(struct fw_list *list, unsigned chosen, const char *options, char *why, size_t size)
{
    uint64_t at, pages = pages_for(sizeof(struct launch));
    unsigned starting = 0;
    struct launch *l;

    (void)fmt_text(why, size, "no memory to start guests");
    if (fw.bs->allocate_pages(EFI_ALLOCATE_ANY, EFI_MEM_LOADER_DATA, pages, &at))
        return;
    l = memset((void *)(uintptr_t)at, 0, pages * PAGE_SIZE);
    fw_screen_close();
    for (unsigned i = 0; i < list->count; i++) {
        struct entry *e = list->entry[i];
        bool start = chosen < list->count ? i == chosen : e->autostart;

        if (!(i == chosen || e->guest))
            continue;
        if (!(entry_forbids(e) & ENTRY_NO_GUEST) && add_guest(l, e, i == chosen ? options : NULL, start))
            starting += start;
        else
            tell_skipped(e);
    }
    if (starting) {
        fw_machine(l);
        fw_volumes_close();
        fw_free_all();
        monitor_start(l);
    }
    (void)fmt_text(why, size, "no guest could be loaded");
    if (chosen < list->count)
        (void)menu_forbidden(list->entry[chosen], MENU_GUEST, why, size);
    files_drop(l);
    (void)fw.bs->free_pages(at, pages);
}
