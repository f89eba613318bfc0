/* Memory and status codes of the boot-services half. */
#include "base/list.h"
#include "base/str.h"
#include "ground/efi/fw.h"

struct fw fw;

/* In front of each piece of pool memory. */
struct piece {
    struct list link;
};
static struct list pieces = LIST_INIT(pieces);

void *fw_alloc(size_t bytes)
{
    void *p;

    if (fw.bs->allocate_pool(EFI_MEM_LOADER_DATA, sizeof(struct piece) + bytes, &p))
        return NULL;
    list_push_back(&pieces, &((struct piece *)p)->link);
    return memset((struct piece *)p + 1, 0, bytes);
}

void fw_free_all(void)
{
    struct list *n;

    while ((n = list_pop_front(&pieces)))
        (void)fw.bs->free_pool(container_of(n, struct piece, link));
}

char *fw_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = fw_alloc(n);

    return copy ? memcpy(copy, s, n) : NULL;
}

const char *fw_status_text(efi_status s)
{
    static const struct {
        efi_status status;
        const char *text;
    } texts[] = {
        { EFI_SUCCESS, "success" },
        { EFI_LOAD_ERROR, "load error" },
        { EFI_INVALID_PARAMETER, "invalid parameter" },
        { EFI_UNSUPPORTED, "not a program for this machine" },
        { EFI_DEVICE_ERROR, "device error" },
        { EFI_OUT_OF_RESOURCES, "out of memory" },
        { EFI_NOT_FOUND, "not found" },
        { EFI_ACCESS_DENIED, "access denied" },
        { EFI_SECURITY_VIOLATION, "refused by Secure Boot" },
    };

    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        if (texts[i].status == s)
            return texts[i].text;
    return "an error";
}

void *fw_protocol(efi_handle h, const struct efi_guid *guid)
{
    void *p;

    return h && !fw.bs->handle_protocol(h, guid, &p) ? p : NULL;
}
