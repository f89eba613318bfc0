#pragma once
/* The part of UEFI this program uses: types, tables and protocols, by the UEFI specification 2.10 (section numbers
 * beside them). Slots nobody calls are `void *`. The compile target is x86_64-unknown-windows, so the calling
 * convention is UEFI's own. A BOOLEAN is one byte: bool. */
#include "base/types.h"

typedef uint64_t efi_status; /* 2.3.1: 0 is success, the top bit marks an error */
typedef void *efi_handle;
typedef void *efi_event;

#define EFI_SUCCESS 0ull
#define EFI_ERROR(n) ((n) | BIT64(63)) /* appendix D */
#define EFI_LOAD_ERROR EFI_ERROR(1)
#define EFI_INVALID_PARAMETER EFI_ERROR(2)
#define EFI_UNSUPPORTED EFI_ERROR(3)
#define EFI_BUFFER_TOO_SMALL EFI_ERROR(5)
#define EFI_DEVICE_ERROR EFI_ERROR(7)
#define EFI_OUT_OF_RESOURCES EFI_ERROR(9)
#define EFI_NOT_FOUND EFI_ERROR(14)
#define EFI_ACCESS_DENIED EFI_ERROR(15)
#define EFI_SECURITY_VIOLATION EFI_ERROR(26)

struct efi_guid {
    uint32_t a;
    uint16_t b, c;
    uint8_t d[8];
};

/* clang-format off */
#define EFI_GUID(a, b, c, ...) { a, b, c, { __VA_ARGS__ } }
/* clang-format on */
#define EFI_GUID_LOADED_IMAGE EFI_GUID(0x5b1b31a1, 0x9562, 0x11d2, 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b)
#define EFI_GUID_DEVICE_PATH EFI_GUID(0x09576e91, 0x6d3f, 0x11d2, 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b)
#define EFI_GUID_SIMPLE_FS EFI_GUID(0x964e5b22, 0x6459, 0x11d2, 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b)
#define EFI_GUID_FILE_INFO EFI_GUID(0x09576e92, 0x6d3f, 0x11d2, 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b)
#define EFI_GUID_GOP EFI_GUID(0x9042a9de, 0x23dc, 0x4a38, 0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a)
#define EFI_GUID_LOAD_FILE2 EFI_GUID(0x4006c0c1, 0xfcb3, 0x403e, 0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d)
#define EFI_GUID_RNG EFI_GUID(0x3152bca5, 0xeade, 0x433d, 0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44)
#define EFI_GUID_ACPI_20 EFI_GUID(0x8868e871, 0xe4f1, 0x11d3, 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81)
#define EFI_GUID_ACPI_10 EFI_GUID(0xeb9d2d30, 0x2d88, 0x11d3, 0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d)
#define EFI_GUID_PCI_ROOT EFI_GUID(0x2f707ebb, 0x4a1a, 0x11d4, 0x9a, 0x38, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d)
#define EFI_GUID_GLOBAL_VARIABLE EFI_GUID(0x8be4df61, 0x93ca, 0x11d2, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c)

/* 4.2 */
struct efi_header {
    uint64_t signature;
    uint32_t revision, header_size, crc32, reserved;
};

/* --- 7.2 memory --- */
enum efi_allocate { EFI_ALLOCATE_ANY, EFI_ALLOCATE_MAX, EFI_ALLOCATE_AT };

/* clang-format off */
enum efi_memory {
    EFI_MEM_RESERVED, EFI_MEM_LOADER_CODE, EFI_MEM_LOADER_DATA, EFI_MEM_BOOT_CODE, EFI_MEM_BOOT_DATA,
    EFI_MEM_RUNTIME_CODE, EFI_MEM_RUNTIME_DATA, EFI_MEM_CONVENTIONAL, EFI_MEM_UNUSABLE, EFI_MEM_ACPI_RECLAIM,
    EFI_MEM_ACPI_NVS, EFI_MEM_MMIO, EFI_MEM_MMIO_PORTS, EFI_MEM_PAL_CODE, EFI_MEM_PERSISTENT, EFI_MEM_UNACCEPTED,
};
/* clang-format on */
#define EFI_MEM_ATTR_WB BIT64(3)

/* Step through a map by the descriptor size the firmware gives, not by this struct's. */
struct efi_memory_desc {
    uint32_t type; /* enum efi_memory, or a maker's own */
    uint32_t pad;
    uint64_t physical, virtual, pages, attributes;
};
_Static_assert(sizeof(struct efi_memory_desc) == 40, "7.2.3");

/* --- 10 device paths: nodes of header + data, in sequence --- */
struct efi_device_path {
    uint8_t type, subtype;
    uint8_t length[2]; /* little endian, header included */
};
#define EFI_DP_MEDIA 0x04
#define EFI_DP_END 0x7f
#define EFI_DP_MEDIA_DRIVE 0x01  /* 10.3.5.1 */
#define EFI_DP_MEDIA_VENDOR 0x03 /* 10.3.5.3 */
#define EFI_DP_MEDIA_FILE 0x04   /* 10.3.5.4 */
#define EFI_DP_END_ALL 0xff

/* --- 12.3, 12.4 text console --- */
struct efi_key {
    uint16_t scan, unicode;
};
/* clang-format off */
enum {
    EFI_SCAN_UP = 1, EFI_SCAN_DOWN, EFI_SCAN_RIGHT, EFI_SCAN_LEFT, EFI_SCAN_HOME, EFI_SCAN_END, EFI_SCAN_INSERT,
    EFI_SCAN_DELETE, EFI_SCAN_PAGE_UP, EFI_SCAN_PAGE_DOWN, EFI_SCAN_ESC = 0x17,
};
/* clang-format on */

struct efi_text_in {
    void *reset;
    efi_status (*read)(struct efi_text_in *, struct efi_key *); /* EFI_NOT_READY: no key */
    efi_event wait;
};

struct efi_text_mode {
    int32_t max_mode, mode, attribute, column, row;
    bool cursor_visible;
};
struct efi_text_out {
    void *reset;
    efi_status (*output)(struct efi_text_out *, const uint16_t *text);
    void *test_string;
    efi_status (*query_mode)(struct efi_text_out *, uint64_t mode, uint64_t *columns, uint64_t *rows);
    void *set_mode;
    efi_status (*set_attribute)(struct efi_text_out *, uint64_t attribute);
    efi_status (*clear)(struct efi_text_out *);
    efi_status (*set_cursor)(struct efi_text_out *, uint64_t column, uint64_t row);
    efi_status (*enable_cursor)(struct efi_text_out *, bool visible);
    const struct efi_text_mode *mode;
};
#define EFI_TEXT_ATTR(fg, bg) ((uint64_t)((fg) | (bg) << 4)) /* foreground 0-15, background 0-7 */

/* --- 12.9 graphics output --- */
enum efi_pixel_format { EFI_PIXEL_RGBX, EFI_PIXEL_BGRX }; /* and others, without a frame buffer we could use */

struct efi_gop_info {
    uint32_t version, width, height;
    uint32_t format; /* enum efi_pixel_format */
    uint32_t red_mask, green_mask, blue_mask, reserved_mask;
    uint32_t pixels_per_line;
};
struct efi_gop_mode {
    uint32_t max_mode, mode;
    const struct efi_gop_info *info;
    uint64_t info_size, base, size;
};
struct efi_gop {
    void *query_mode, *set_mode, *blt;
    const struct efi_gop_mode *mode;
};

/* --- 8.3 time --- */
struct efi_time {
    uint16_t year;                            /* 1900 - 9999 */
    uint8_t month, day, hour, minute, second; /* month and day from 1 */
    uint8_t pad1;
    uint32_t nanosecond;
    int16_t zone; /* minutes west: local + zone = UTC; or EFI_ZONE_UNSPECIFIED */
    uint8_t daylight, pad2;
};
_Static_assert(sizeof(struct efi_time) == 16, "8.3");
#define EFI_ZONE_UNSPECIFIED 0x7ff

/* --- 13.4, 13.5 files --- */
#define EFI_FILE_READ 1ull
#define EFI_FILE_DIRECTORY 0x10ull

struct efi_file_info {
    uint64_t size, file_size, physical_size;
    struct efi_time created, accessed, modified;
    uint64_t attributes;
    uint16_t name[];
};
struct efi_file {
    uint64_t revision;
    efi_status (*open)(struct efi_file *, struct efi_file **, const uint16_t *path, uint64_t mode, uint64_t attributes);
    efi_status (*close)(struct efi_file *);
    void *remove;
    /* On a directory: one efi_file_info; size 0 at its end. */
    efi_status (*read)(struct efi_file *, uint64_t *size, void *);
    void *write, *get_position;
    efi_status (*set_position)(struct efi_file *, uint64_t);
    efi_status (*get_info)(struct efi_file *, const struct efi_guid *, uint64_t *size, void *);
    void *set_info, *flush;
};
struct efi_simple_fs {
    uint64_t revision;
    efi_status (*open_volume)(struct efi_simple_fs *, struct efi_file **root);
};

/* --- 13.2 load file 2 --- */
struct efi_load_file2 {
    efi_status (*load)(struct efi_load_file2 *, struct efi_device_path *, bool boot_policy, uint64_t *size, void *);
};

/* --- 14.2 PCI root bridges --- */
struct efi_pci_root {
    efi_handle parent;
    void *poll[2], *mem[2], *io[2], *pci[2], *copy, *map, *unmap, *allocate, *free, *flush, *get_attributes, *set_attributes;
    efi_status (*configuration)(struct efi_pci_root *, void **resources); /* ACPI descriptors, the protocol's own */
    uint32_t segment;
};
_Static_assert(offsetof(struct efi_pci_root, segment) == 144, "14.2");

/* --- 37.5 random numbers --- */
struct efi_rng {
    void *get_info;
    /* algorithm NULL: its default */
    efi_status (*get)(struct efi_rng *, const struct efi_guid *algorithm, uint64_t size, void *);
};

/* --- 9.1 loaded image --- */
struct efi_system_table;
struct efi_loaded_image {
    uint32_t revision;
    efi_handle parent;
    struct efi_system_table *system_table;
    efi_handle device;
    struct efi_device_path *file_path; /* inside the device */
    void *reserved;
    uint32_t options_size; /* bytes */
    void *options;
    void *base;
    uint64_t size;
    uint32_t code_type, data_type;
    void *unload;
};

/* --- 7 boot services --- */
enum efi_timer { EFI_TIMER_CANCEL, EFI_TIMER_PERIODIC, EFI_TIMER_RELATIVE };
#define EFI_EVENT_TIMER 0x80000000u
enum efi_search { EFI_ALL_HANDLES, EFI_BY_NOTIFY, EFI_BY_PROTOCOL };

struct efi_boot_services {
    struct efi_header header;
    void *raise_tpl, *restore_tpl;
    efi_status (*allocate_pages)(enum efi_allocate, enum efi_memory, uint64_t pages, uint64_t *at);
    efi_status (*free_pages)(uint64_t at, uint64_t pages);
    efi_status (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *desc_size, uint32_t *desc_version);
    efi_status (*allocate_pool)(enum efi_memory, uint64_t size, void **);
    efi_status (*free_pool)(void *);
    efi_status (*create_event)(uint32_t type, uint64_t tpl, void *notify, void *context, efi_event *);
    efi_status (*set_timer)(efi_event, enum efi_timer, uint64_t units_100ns);
    efi_status (*wait_for_event)(uint64_t count, efi_event *, uint64_t *index);
    void *signal_event;
    efi_status (*close_event)(efi_event);
    void *check_event, *install_protocol, *reinstall_protocol, *uninstall_protocol;
    efi_status (*handle_protocol)(efi_handle, const struct efi_guid *, void **);
    void *reserved, *register_protocol_notify, *locate_handle, *locate_device_path, *install_configuration_table;
    efi_status (*load_image)(bool boot_policy, efi_handle parent, struct efi_device_path *, void *source, uint64_t size,
                             efi_handle *);
    efi_status (*start_image)(efi_handle, uint64_t *exit_data_size, uint16_t **exit_data);
    void *exit;
    efi_status (*unload_image)(efi_handle);
    efi_status (*exit_boot_services)(efi_handle, uint64_t map_key);
    void *get_next_monotonic_count;
    efi_status (*stall)(uint64_t microseconds);
    efi_status (*set_watchdog)(uint64_t seconds, uint64_t code, uint64_t data_size, uint16_t *data);
    void *connect_controller, *disconnect_controller, *open_protocol, *close_protocol, *open_protocol_information,
        *protocols_per_handle;
    efi_status (*locate_handle_buffer)(enum efi_search, const struct efi_guid *, void *key, uint64_t *count,
                                       efi_handle **); /* pool memory: free_pool() */
    efi_status (*locate_protocol)(const struct efi_guid *, void *registration, void **);
    efi_status (*install_protocols)(efi_handle *, ...); /* (guid, interface)..., NULL */
    efi_status (*uninstall_protocols)(efi_handle, ...);
    void *calculate_crc32, *copy_mem, *set_mem, *create_event_ex;
};

/* --- 8 runtime services --- */
enum efi_reset { EFI_RESET_COLD, EFI_RESET_WARM, EFI_RESET_SHUTDOWN };
#define EFI_VAR_NON_VOLATILE 1u
#define EFI_VAR_BOOT_SERVICE 2u
#define EFI_VAR_RUNTIME 4u

struct efi_runtime_services {
    struct efi_header header;
    efi_status (*get_time)(struct efi_time *, void *capabilities);
    void *set_time, *get_wakeup_time, *set_wakeup_time, *set_virtual_address_map, *convert_pointer;
    efi_status (*get_variable)(const uint16_t *name, const struct efi_guid *, uint32_t *attributes, uint64_t *size,
                               void *);
    void *get_next_variable_name;
    efi_status (*set_variable)(const uint16_t *name, const struct efi_guid *, uint32_t attributes, uint64_t size,
                               const void *);
    void *get_next_high_monotonic_count;
    void (*reset_system)(enum efi_reset, efi_status, uint64_t data_size, const void *);
    void *update_capsule, *query_capsule_capabilities, *query_variable_info;
};

/* --- 4.3, 4.6 system table --- */
struct efi_config_table {
    struct efi_guid guid;
    void *table; /* a physical address */
};
struct efi_system_table {
    struct efi_header header;
    uint16_t *vendor;
    uint32_t revision;
    efi_handle con_in_handle;
    struct efi_text_in *con_in;
    efi_handle con_out_handle;
    struct efi_text_out *con_out;
    efi_handle std_err_handle;
    struct efi_text_out *std_err;
    struct efi_runtime_services *rt;
    struct efi_boot_services *bs;
    uint64_t config_count;
    struct efi_config_table *config;
};
_Static_assert(offsetof(struct efi_system_table, config) == 112, "4.3");
_Static_assert(sizeof(struct efi_boot_services) == 24 + 44 * 8, "4.4");
_Static_assert(sizeof(struct efi_runtime_services) == 24 + 14 * 8, "4.5");

/* The program's entry (ground/efi/main.c). */
efi_status efi_main(efi_handle image, struct efi_system_table *);
