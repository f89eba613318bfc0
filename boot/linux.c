/* The Linux boot protocol: boot/linux.h. */
#include "boot/linux.h"

#include "base/bytes.h"
#include "base/fmt.h"
#include "base/str.h"

/* Offsets in the file, and the same in the zero page. */
enum {
    ZP_RSDP = 0x070,
    ZP_E820_COUNT = 0x1E8,
    HDR_SETUP_SECTS = 0x1F1,
    HDR_SYSSIZE = 0x1F4, /* units of 16 bytes */
    HDR_BOOT_FLAG = 0x1FE,
    HDR_JUMP_LENGTH = 0x201, /* the header ends that far behind 0x202 */
    HDR_MAGIC = 0x202,
    HDR_VERSION = 0x206,
    HDR_LOADER = 0x210,
    HDR_LOADFLAGS = 0x211,
    HDR_INITRD = 0x218,
    HDR_INITRD_SIZE = 0x21C,
    HDR_CMDLINE = 0x228,
    HDR_INITRD_MAX = 0x22C,
    HDR_XLOADFLAGS = 0x236,
    HDR_CMDLINE_SIZE = 0x238,
    HDR_SETUP_DATA = 0x250,
    HDR_PREF_ADDRESS = 0x258,
    HDR_INIT_SIZE = 0x260,
    HDR_NEEDED = 0x264, /* the last field that is read ends here */
    HDR_MAX = 0x290,    /* the zero page has other fields from here on */
    ZP_E820 = 0x2D0,
    E820_ENTRY = 20,
};

enum {
    SECTOR = 512,
    BOOT_FLAG = 0xAA55,
    VERSION_MIN = 0x20C, /* 2.12: the first with xloadflags */
    XLF_KERNEL_64 = 1,
    LOADED_HIGH = 1,
    LOADER_UNKNOWN = 0xFF,
    ENTRY_64 = 0x200,
    SETUP_RNG_SEED = 9,
    SETUP_DATA_HEADER = 16,
};

#define MAGIC 0x53726448u /* "HdrS" */
#define HIGH_RAM GIB(4)
#define KERNEL_MIN MIB(1)
#define LOW_RAM_MAX GIB(4) /* everything the kernel is handed lies below */

/* --- the header --- */

static err_t size_check(const struct linux_image *im, char *why, size_t why_size)
{
    uint64_t kernel = im->size - im->setup_size, said = (uint64_t)get_le32(im->file + HDR_SYSSIZE) * 16;

    /* the last unit may be counted although the file ends inside it */
    if (im->size < im->setup_size || kernel <= ENTRY_64 || kernel + 15 < said) {
        fmt_text(why, why_size, "the file is cut short: it has %" PRIu64 " bytes of %" PRIu64, im->size,
                 im->setup_size + max_u64(said, ENTRY_64 + 1));
        return ERR_FORMAT;
    }
    if (im->load < KERNEL_MIN || im->load >= LOW_RAM_MAX || kernel > LOW_RAM_MAX) {
        fmt_text(why, why_size, "its load address 0x%" PRIx64 " is not between 1 MiB and 4 GiB", im->load);
        return ERR_UNSUPPORTED;
    }
    return OK;
}

static err_t header_check(const uint8_t *f, uint64_t size, char *why, size_t why_size)
{
    unsigned version;

    if (size < HDR_NEEDED || get_le32(f + HDR_MAGIC) != MAGIC || get_le16(f + HDR_BOOT_FLAG) != BOOT_FLAG) {
        fmt_text(why, why_size, "not a Linux bzImage: no HdrS at 0x202");
        return ERR_FORMAT;
    }
    version = get_le16(f + HDR_VERSION);
    if (version < VERSION_MIN) {
        fmt_text(why, why_size, "boot protocol %u.%02u is too old: Linux 3.8 or newer is needed", version >> 8,
                 version & 0xFF);
        return ERR_UNSUPPORTED;
    }
    if (!(get_le16(f + HDR_XLOADFLAGS) & XLF_KERNEL_64)) {
        fmt_text(why, why_size, "a 32-bit kernel: only 64-bit ones can be started");
        return ERR_UNSUPPORTED;
    }
    return OK;
}

err_t linux_parse(const void *file, uint64_t size, struct linux_image *im, char *why, size_t why_size)
{
    const uint8_t *f = file;
    err_t e = header_check(f, size, why, why_size);
    uint32_t cmdline_size;

    if (e)
        return e;
    *im = (struct linux_image){ .file = f, .size = size, .load = get_le64(f + HDR_PREF_ADDRESS) };
    im->setup_size = (f[HDR_SETUP_SECTS] ? f[HDR_SETUP_SECTS] + 1u : 5u) * SECTOR;
    e = size_check(im, why, why_size);
    if (e)
        return e;
    im->span = max_u64(get_le32(f + HDR_INIT_SIZE), size - im->setup_size);
    im->header_end = HDR_MAGIC + f[HDR_JUMP_LENGTH];
    if (im->header_end < HDR_NEEDED || im->header_end > HDR_MAX)
        im->header_end = HDR_MAX; /* inside the file: set-up code has at least two sectors */
    im->initrd_end_max = (uint64_t)get_le32(f + HDR_INITRD_MAX) + 1;
    cmdline_size = get_le32(f + HDR_CMDLINE_SIZE);
    im->cmdline_max = (uint32_t)min_u64(cmdline_size ? cmdline_size : 255, PAGE_SIZE - 1);
    return OK;
}

/* --- the plan --- */

static void map_add(struct linux_plan *p, uint64_t base, uint64_t size, enum linux_e820_type type)
{
    if (size)
        p->map[p->nmap++] = (struct linux_e820){ base, size, type };
}

static void map_fill(struct linux_plan *p, const struct linux_room *room)
{
    map_add(p, 0, LINUX_LOW_END, LINUX_RAM);
    map_add(p, room->firmware, room->firmware_size, LINUX_RESERVED);
    map_add(p, KERNEL_MIN, room->low - KERNEL_MIN, LINUX_RAM);
    map_add(p, room->device, room->device_size, LINUX_RESERVED);
    map_add(p, HIGH_RAM, room->high, LINUX_RAM);
}

static uint64_t mib_up(uint64_t bytes)
{
    return align_up(bytes, MIB(2)) >> 20;
}

/* The initrd lies as high as it may, to leave the kernel the choice of the rest. */
static err_t initrd_place(const struct linux_image *im, const struct linux_room *room, uint64_t size,
                          struct linux_plan *p, char *why, size_t why_size)
{
    uint64_t top = min_u64(room->low, im->initrd_end_max), bottom = align_up(p->kernel_end, PAGE_SIZE);
    uint64_t need = size > LOW_RAM_MAX ? UINT64_MAX : bottom + align_up(size, PAGE_SIZE);

    if (need <= align_down(top, PAGE_SIZE)) {
        p->initrd = align_down(top, PAGE_SIZE) - align_up(size, PAGE_SIZE);
        p->initrd_size = size;
        return OK;
    }
    if (need <= LOW_RAM_MAX && need <= im->initrd_end_max)
        fmt_text(why, why_size, "kernel and initrd need at least %" PRIu64 " MiB of memory, not %" PRIu64, mib_up(need),
                 room->low >> 20);
    else
        fmt_text(why, why_size, "the initrd of %" PRIu64 " MiB must end below %" PRIu64 " MiB and cannot", mib_up(size),
                 im->initrd_end_max >> 20);
    return ERR_RANGE;
}

err_t linux_place(const struct linux_image *im, const struct linux_room *room, uint64_t initrd_size, size_t cmdline_len,
                  struct linux_plan *p, char *why, size_t why_size)
{
    *p = (struct linux_plan){
        .kernel = im->load, .kernel_end = im->load + im->span, .entry = im->load + ENTRY_64, .rsdp = room->rsdp
    };
    if (cmdline_len > im->cmdline_max) {
        fmt_text(why, why_size, "the options have %zu characters, this kernel takes %u", cmdline_len, im->cmdline_max);
        return ERR_INVAL;
    }
    if (p->kernel_end > room->low) {
        fmt_text(why, why_size, "the kernel needs at least %" PRIu64 " MiB of memory, not %" PRIu64,
                 mib_up(p->kernel_end), room->low >> 20);
        return ERR_RANGE;
    }
    map_fill(p, room);
    return initrd_size ? initrd_place(im, room, initrd_size, p, why, why_size) : OK;
}

/* --- the bytes --- */

/* Maps the first 4 GiB one to one with 2 MiB pages: level 4, level 3, then four tables of level 2. */
static void page_tables_write(uint8_t *t)
{
    enum { PRESENT_WRITABLE = 3, LARGE = 0x80, LEVEL2 = 4 };

    put_le64(t, (LINUX_PAGE_TABLES + PAGE_SIZE) | PRESENT_WRITABLE);
    for (uint64_t i = 0; i < LEVEL2; i++)
        put_le64(t + PAGE_SIZE + i * 8, (LINUX_PAGE_TABLES + (2 + i) * PAGE_SIZE) | PRESENT_WRITABLE);
    for (uint64_t i = 0; i < LEVEL2 * 512; i++)
        put_le64(t + 2 * PAGE_SIZE + i * 8, i << 21 | LARGE | PRESENT_WRITABLE);
}

static void zero_page_write(const struct linux_image *im, const struct linux_plan *p, uint8_t *z)
{
    memcpy(z + LINUX_HEADER, im->file + LINUX_HEADER, im->header_end - LINUX_HEADER);
    z[HDR_LOADER] = LOADER_UNKNOWN;
    z[HDR_LOADFLAGS] |= LOADED_HIGH;
    put_le32(z + HDR_INITRD, (uint32_t)p->initrd);
    put_le32(z + HDR_INITRD_SIZE, (uint32_t)p->initrd_size);
    put_le32(z + HDR_CMDLINE, LINUX_CMDLINE);
    put_le64(z + HDR_SETUP_DATA, LINUX_SEED);
    put_le64(z + ZP_RSDP, p->rsdp);
    z[ZP_E820_COUNT] = (uint8_t)p->nmap;
    for (unsigned i = 0; i < p->nmap; i++) {
        uint8_t *entry = z + ZP_E820 + i * E820_ENTRY;

        put_le64(entry, p->map[i].base);
        put_le64(entry + 8, p->map[i].size);
        put_le32(entry + 16, p->map[i].type);
    }
}

void linux_area(const struct linux_image *im, const struct linux_plan *p, const char *cmdline,
                const uint8_t seed[LINUX_SEED_SIZE], uint8_t area[LINUX_AREA_SIZE])
{
    uint8_t *gdt = area + (LINUX_GDT - LINUX_AREA), *rng = area + (LINUX_SEED - LINUX_AREA);

    memset(area, 0, LINUX_AREA_SIZE);
    page_tables_write(area + (LINUX_PAGE_TABLES - LINUX_AREA));
    zero_page_write(im, p, area + (LINUX_ZERO_PAGE - LINUX_AREA));
    put_le64(gdt + LINUX_CS, 0x00AF9B000000FFFF); /* 64-bit code, flat */
    put_le64(gdt + LINUX_DS, 0x00CF93000000FFFF); /* data, flat */
    memcpy(area + (LINUX_CMDLINE - LINUX_AREA), cmdline, strlen(cmdline));
    put_le32(rng + 8, SETUP_RNG_SEED);
    put_le32(rng + 12, LINUX_SEED_SIZE);
    memcpy(rng + SETUP_DATA_HEADER, seed, LINUX_SEED_SIZE);
}
