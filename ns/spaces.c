/* Namespace lines: which trees a guest is given, "/dev /vm:ro". */
#include "base/fmt.h"
#include "base/str.h"
#include "ns/guests.h"

static const char *const trees[NS_TREES] = { "dev", "vm", "img", "blk", "boot" };
_Static_assert(NS_TREES <= VM_SHARES_MAX, "a guest may have them all");

/* One word of the line, "/vm" or "/vm:ro", to a share; the number of its tree. ERR_INVAL. */
static err_t space_read(const char *word, size_t n, unsigned *which, bool *read_only)
{
    size_t colon = 0;

    while (colon < n && word[colon] != ':')
        colon++;
    *read_only = n - colon == 3 && !strncmp(word + colon, ":ro", 3);
    if (word[0] != '/' || (colon < n && !*read_only))
        return ERR_INVAL;
    for (*which = 0; *which < NS_TREES; ++*which)
        if (strlen(trees[*which]) == colon - 1 && !strncmp(trees[*which], word + 1, colon - 1))
            return OK;
    return ERR_INVAL;
}

err_t ns_spaces_read(struct ninep_fs *const *fs, const char *line, struct vm_share *share, unsigned *count, char *why, size_t size)
{
    unsigned seen = 0, which = 0;
    bool read_only = false;

    *count = 0;
    for (size_t n; *line; line += n) {
        for (n = 0; line[n] && line[n] != ' ' && line[n] != '\t'; n++)
            ;
        if (n && (space_read(line, n, &which, &read_only) || seen & BIT(which))) {
            (void)fmt_text(why, size, "namespace: '%.*s' is no tree, or there twice; write e.g. /dev /vm:ro /img /blk /boot",
                           (int)min_size(n, 40), line);
            return ERR_INVAL;
        }
        if (n) {
            seen |= BIT(which);
            share[*count] = (struct vm_share){ .fs = fs ? fs[which] : NULL, .read_only = read_only };
            (void)str_copy(share[(*count)++].name, sizeof share->name, trees[which]);
        }
        n += line[n] != 0;
    }
    return OK;
}

err_t ns_check(const char *line, char *why, size_t size)
{
    struct vm_share share[NS_TREES];
    unsigned count;

    return ns_spaces_read(NULL, line, share, &count, why, size);
}
