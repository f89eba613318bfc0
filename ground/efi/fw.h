#pragma once
/* The boot-services half of the EFI program: everything that runs while the firmware still owns the machine. One
 * thread, no locks. Only main.c and the fw_ files include this; the monitor half knows none of it. */
#include "boot/config.h"
#include "boot/entry.h"
#include "boot/menu.h"
#include "ground/efi/efi.h"

struct fw {
    efi_handle image;
    struct efi_system_table *st;
    struct efi_boot_services *bs;
    struct efi_runtime_services *rt;
    struct efi_loaded_image *self;
};
extern struct fw fw;

/* --- fw.c: memory, status codes --- */
/* Zeroed memory that lives until fw_free_all(); NULL when there is none. */
void *fw_alloc(size_t bytes);
void fw_free_all(void);
char *fw_strdup(const char *); /* NULL when out of memory */
const char *fw_status_text(efi_status);
/* The interface a handle has, or NULL. */
void *fw_protocol(efi_handle, const struct efi_guid *);

/* --- fw_file.c: volumes (numbered from 0, our own first) and files on them --- */
unsigned fw_volumes_open(void); /* how many there are */
void fw_volumes_close(void);
struct fw_file {
    struct efi_file *f;
    uint64_t size;
};
/* Paths are UTF-8 with '/' or '\'. ERR_NOTFOUND (also for a folder), ERR_IO. */
MUST_USE err_t fw_file_open(unsigned volume, const char *path, struct fw_file *out);
void fw_file_close(struct fw_file *);
/* Reads exactly len bytes from offset, in one call to the firmware. */
MUST_USE err_t fw_file_read(struct fw_file *, uint64_t offset, void *buf, uint64_t len);
/* The whole file as text: fw_alloc'd, with room for one byte more. ERR_RANGE: larger than max. */
MUST_USE err_t fw_text_read(unsigned volume, const char *path, uint64_t max, char **out, size_t *len);
/* Calls fn for everything in a folder but what is hidden by a dot; nothing if there is no such folder. */
void fw_dir_each(unsigned volume, const char *path, void (*fn)(void *arg, const char *name, bool is_dir), void *arg);
/* The file's full device path of *size bytes, fw_alloc'd; NULL when out of memory. */
struct efi_device_path *fw_file_device_path(unsigned volume, const char *path, size_t *size);

/* --- fw_var.c: the firmware's variables --- */
bool fw_setup_available(void);
efi_status fw_setup_request(void);
/* The firmware's own boot entry for this file starts next, once. False if it has none. */
bool fw_boot_next(const void *device_path, size_t size);
/* The GPT partition we were started from. False if it was none. */
bool fw_own_partition(uint8_t guid[16]);

/* --- fw_scan.c: what there is to start --- */
#define FW_ENTRIES 128
struct fw_list {
    struct entry *entry[FW_ENTRIES];
    unsigned count;
    bool cut; /* there were more */
};
void fw_scan(struct fw_list *, struct config *);

/* --- fw_bli.c: the Boot Loader Interface --- */
/* The entry marked for one start, and forgets it. False if there is none. */
bool fw_one_shot_take(char *id, size_t size);
bool fw_one_shot_set(const char *id); /* false: the firmware keeps no variables */
/* Default and timeout, where an operating system has set them. */
void fw_bli_config(struct config *, const struct fw_list *);
void fw_bli_tell(const struct fw_list *); /* who we are, and what there is to start */
void fw_bli_selected(const char *id);     /* what is about to start natively */
void fw_bli_starting(const char *id);     /* it is the next default, where that is @saved */

/* --- fw_check.c: what an entry needs and this machine has not --- */
void fw_check_files(struct entry *);
void fw_check_guest(struct entry *);

/* --- fw_screen.c: the firmware's text console --- */
struct screen *fw_screen_open(void); /* NULL if there is no console */
void fw_screen_close(void);          /* leaves it as a fresh program expects it */
void fw_print(const char *text);     /* a line, where the cursor is */
bool fw_key(uint32_t *key);
/* Until a key (true) or a second is over (false). */
bool fw_key_wait(uint32_t *key);

/* --- fw_machine.c --- */
struct launch;
void fw_machine(struct launch *);

/* --- fw_native.c, fw_guests.c: starting. Both return only if nothing runs, and say why in `why` --- */
void fw_start_native(const struct entry *, const char *options, char *why, size_t size);
/* Loads all guests. chosen < count: that one starts (with options if not NULL), else those marked autostart. */
void fw_start_guests(struct fw_list *, unsigned chosen, const char *options, char *why, size_t size);
