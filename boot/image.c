/* Headers of PE programs. Microsoft, "PE Format". */
#include "base/bytes.h"
#include "base/str.h"
#include "boot/image.h"

#define PE_OFFSET 0x3c  /* in the DOS header: where the PE header is */
#define PE_COFF_SIZE 24 /* signature and COFF header */
#define PE_MACHINE_X64 0x8664
#define PE32_PLUS 0x20b
#define PE_SUBSYSTEM_EFI_APPLICATION 10
#define PE_SECTION_SIZE 40

/* The PE header, with the optional header's fixed part behind it; NULL if these bytes hold none for x86-64. */
static const uint8_t *pe_header(const void *head, size_t len)
{
    const uint8_t *b = head;
    uint32_t at;

    if (len < 64 || get_le16(b) != 0x5a4d)
        return NULL;
    at = get_le32(b + PE_OFFSET);
    if (at > len || len - at < PE_COFF_SIZE + 112 || get_le32(b + at) != 0x4550)
        return NULL;
    b += at;
    if (get_le16(b + 4) != PE_MACHINE_X64 || get_le16(b + 20) < 112 || get_le16(b + PE_COFF_SIZE) != PE32_PLUS)
        return NULL;
    return b;
}

bool image_is_efi_program(const void *head, size_t len)
{
    const uint8_t *pe = pe_header(head, len);

    return pe && get_le16(pe + PE_COFF_SIZE + 68) == PE_SUBSYSTEM_EFI_APPLICATION;
}

err_t image_section(const void *head, size_t len, uint64_t file_size, unsigned profile, const char *name, struct image_span *out)
{
    const uint8_t *pe = pe_header(head, len), *s, *found = NULL;
    char want[8] = { 0 };
    unsigned count, profiles = 0; /* begun so far */
    size_t room;

    if (!pe)
        return ERR_FORMAT;
    s = pe + PE_COFF_SIZE + get_le16(pe + 20);
    if ((size_t)(s - (const uint8_t *)head) > len)
        return ERR_FORMAT;
    room = len - (size_t)(s - (const uint8_t *)head);
    memcpy(want, name, min_size(strlen(name), sizeof want));
    for (count = get_le16(pe + 6); count && room >= PE_SECTION_SIZE; count--, room -= PE_SECTION_SIZE) {
        profiles += !memcmp(s, ".profile", sizeof want);
        if (!memcmp(s, want, sizeof want) && (profiles ? profiles == profile + 1 : !found)) {
            found = s;
            if (profiles)
                break;
        }
        s += PE_SECTION_SIZE;
    }
    if (!found)
        return ERR_NOTFOUND;
    /* virtual size is the content's, raw size is padded in the file: what counts is the smaller */
    out->size = min_u64(get_le32(found + 8), get_le32(found + 16));
    out->offset = get_le32(found + 20);
    return out->offset + out->size <= file_size ? OK : ERR_FORMAT;
}
