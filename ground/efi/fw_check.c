/* What an entry needs: its files, and for a guest what the machine must have. Each lack becomes a note on the entry. */
#include "abi/app.h"
#include "base/bytes.h"
#include "base/str.h"
#include "boot/appimage.h"
#include "boot/image.h"
#include "boot/linux.h"
#include "ground/efi/drivers.h"
#include "ground/efi/fw.h"

static void check_file(struct entry *e, const char *key, const struct entry_file *f, unsigned forbids)
{
    struct fw_file file;
    err_t err = fw_file_open(e->volume, f->path, &file);

    if (!err)
        fw_file_close(&file);
    else if (err == ERR_NOTFOUND)
        entry_note(e, f->line, forbids, "%s: there is no file %.80s on this volume; copy it there or correct the line",
                   key, f->path);
    else
        entry_note(e, f->line, forbids, "%s: %.80s cannot be read: %s", key, f->path, err_text(err));
}

void fw_check_files(struct entry *e)
{
    static const char *const keys[] = { [ENTRY_LINUX] = "linux", [ENTRY_APP] = "app", [ENTRY_EFI] = "efi" };

    if (*e->start.path && e->kind <= ENTRY_EFI)
        check_file(e, keys[e->kind], &e->start, ENTRY_BLOCKED);
    for (unsigned i = 0; i < e->ninitrd; i++)
        check_file(e, "initrd", &e->initrd[i], ENTRY_BLOCKED);
    if (e->guest && !(entry_forbids(e) & ENTRY_NO_GUEST))
        fw_check_guest(e);
}

/* --- the machine --- */

/* What is free now or will be when the firmware has gone. */
#define FREE_LATER                                                                                                     \
    (BIT(EFI_MEM_LOADER_CODE) | BIT(EFI_MEM_LOADER_DATA) | BIT(EFI_MEM_BOOT_CODE) | BIT(EFI_MEM_BOOT_DATA) |           \
     BIT(EFI_MEM_CONVENTIONAL))

/* Bytes of it. 0: not known. */
static uint64_t machine_memory(void)
{
    static uint8_t map[KIB(64)] ALIGNED(8);
    uint64_t size = sizeof map, key, step, total = 0;
    uint32_t version;

    if (fw.bs->get_memory_map(&size, map, &key, &step, &version))
        return 0;
    for (uint64_t at = 0; at < size; at += step) {
        const struct efi_memory_desc *d = (const void *)(map + at);
        if (d->type <= EFI_MEM_CONVENTIONAL && FREE_LATER & BIT(d->type))
            total += d->pages * PAGE_SIZE;
    }
    return total;
}

/* --- what starts --- */

static void check_kernel(struct entry *e, struct fw_file *file, uint8_t *head, size_t len)
{
    struct image_span span = { 0, file->size };
    struct linux_image image;
    char why[100] = "cannot be read";

    if (e->kind != ENTRY_LINUX && image_section(head, len, file->size, e->profile, ".linux", &span)) {
        entry_note(e, e->start.line, ENTRY_NO_GUEST, "not a unified kernel image; it can only start natively");
        return;
    }
    len = (size_t)min_u64(IMAGE_HEAD, span.size);
    memset(head, 0, IMAGE_HEAD);
    if (fw_file_read(file, span.offset, head, len) || linux_parse(head, span.size, &image, why, sizeof why))
        entry_note(e, e->start.line, ENTRY_NO_GUEST, "linux: %.40s: %s", e->start.path, why);
}

/* An image, or a bare libos. */
static void check_app(struct entry *e, const struct fw_file *file, const uint8_t *head, size_t len)
{
    bool libos = len >= sizeof(struct app_image) && get_le32(head) == APP_MAGIC;
    struct appimage image;
    const char *why;

    if (!libos && appimage_read(head, len, file->size, &image, &why))
        entry_note(e, e->start.line, ENTRY_NO_GUEST, "app: %.40s: %s", e->start.path, why);
}

static void check_start(struct entry *e)
{
    static uint8_t head[IMAGE_HEAD_MAX];
    struct fw_file file;
    size_t len;

    _Static_assert(IMAGE_HEAD <= IMAGE_HEAD_MAX, "one buffer for both");
    if (fw_file_open(e->volume, e->start.path, &file))
        return; /* told already */
    len = (size_t)min_u64(e->kind == ENTRY_APP ? IMAGE_HEAD_MAX : IMAGE_HEAD, file.size);
    if (fw_file_read(&file, 0, head, len))
        entry_note(e, e->start.line, ENTRY_BLOCKED, "%.80s cannot be read", e->start.path);
    else if (e->kind == ENTRY_APP)
        check_app(e, &file, head, len);
    else
        check_kernel(e, &file, head, len);
    fw_file_close(&file);
}

void fw_check_guest(struct entry *e)
{
    bool app = e->kind == ENTRY_APP;
    const char *lack = app ? drivers_user(false) : drivers_cpu(), *no_vm = e->isolate ? drivers_user(true) : NULL;
    uint64_t memory = machine_memory();

    if (e->kind >= ENTRY_LOADER)
        return; /* the menu says so */
    if (lack && app)
        entry_note(e, e->start.line, ENTRY_NO_GUEST, "app: %s", lack);
    else if (lack)
        entry_note(e, e->guest_line, ENTRY_NO_GUEST, "run: %s; it can only start natively, with n", lack);
    if (no_vm)
        entry_note(e, e->isolate_line, ENTRY_NO_GUEST, "isolate: %s; remove the line to run the app without a VM", no_vm);
    if (memory && e->memory > memory)
        entry_note(e, e->memory_line, ENTRY_NO_GUEST,
                   "memory: %" PRIu64 "M is more than the %" PRIu64 "M this machine has free; write less",
                   e->memory >> 20, memory >> 20);
    for (unsigned i = 0; i < e->ndisks; i++)
        if (*e->disk[i].path == '/')
            check_file(e, "disk", &e->disk[i], ENTRY_NO_GUEST);
    check_start(e);
}
