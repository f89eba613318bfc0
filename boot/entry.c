/* Entry files: one table row for each key. The ground reads the file and calls entry_parse(); nothing here does I/O.
 * Format: UAPI group, "Boot Loader Specification", type 1; our own keys: docs/boot-entries.md. */
#include <stdarg.h>
#include "base/fmt.h"
#include "base/str.h"
#include "boot/entry.h"
#include "boot/text.h"

#define MEMORY_MIN MIB(32)
#define MEMORY_MAX (GIB(1) << 14)
#define MEMORY_APP MIB(64) /* an app's, if nothing is said */
#define MEMORY_UNIT MIB(2) /* a guest's memory is made of 2 MiB pages */

struct parse {
    struct entry *e;
    unsigned line;
    const struct key *key; /* of this line */
    unsigned seen;         /* bit for each key */
    bool dropped_options;
};

struct key {
    const char *name;
    void (*set)(struct parse *, char *value);
    unsigned flags;
    unsigned detail; /* set_string: offset of the field; set_start: enum entry_kind; set_switch: which */
};
#define KEY_OURS 1u  /* only goblin knows it: checked strictly */
#define KEY_ONCE 2u  /* a second one is a mistake */
#define KEY_SHOWN 4u /* only shown: what is not UTF-8 is replaced */
#define KEY_MAY_BE_EMPTY 8u

void entry_note(struct entry *e, unsigned line, unsigned forbids, const char *fmt, ...)
{
    struct entry_note *n = &e->note[e->nnotes];
    va_list ap;

    if (e->nnotes == ENTRY_NOTES) {
        e->note[ENTRY_NOTES - 1].forbids |= forbids;
        return;
    }
    e->nnotes++;
    n->line = line;
    n->forbids = forbids;
    va_start(ap, fmt);
    (void)fmt_vtext(n->text, sizeof n->text, fmt, ap);
    va_end(ap);
}

void entry_note_text(const struct entry *e, const struct entry_note *n, char *buf, size_t size)
{
    if (n->line)
        (void)fmt_text(buf, size, "%s:%u: %s", e->file, n->line, n->text);
    else
        (void)fmt_text(buf, size, "%s: %s", *e->file ? e->file : e->id, n->text);
}

unsigned entry_forbids(const struct entry *e)
{
    unsigned all = 0;

    for (unsigned i = 0; i < e->nnotes; i++)
        all |= e->note[i].forbids;
    return all;
}

bool entry_blocked(const struct entry *e)
{
    return entry_forbids(e) & (e->guest ? ENTRY_NO_GUEST : ENTRY_NO_NATIVE);
}

/* A mistake on the current line, told as "key: what is wrong and how to put it right". */
#define MISTAKE(p, fmt, ...) entry_note((p)->e, (p)->line, ENTRY_BLOCKED, "%s: " fmt, (p)->key->name, __VA_ARGS__)

static void set_string(struct parse *p, char *value)
{
    *(const char **)(void *)((char *)p->e + p->key->detail) = value;
}

static bool path_ok(struct parse *p, const char *path)
{
    if (strlen(path) > ENTRY_PATH_MAX) {
        MISTAKE(p, "the file name is longer than %u bytes; move the file", ENTRY_PATH_MAX);
        return false;
    }
    return true;
}

static void set_start(struct parse *p, char *value)
{
    struct entry *e = p->e;

    if (*e->start.path)
        MISTAKE(p, "line %u already says what to start; keep one of linux, efi, uki, app", e->start.line);
    else if (path_ok(p, value)) {
        e->kind = (enum entry_kind)p->key->detail;
        e->start = (struct entry_file){ value, p->line };
    }
}

/* Fedora's entries have words like $tuned_initrd behind the file's name, which GRUB replaces, mostly by nothing. */
static void add_initrd(struct parse *p, char *value)
{
    struct entry *e = p->e;

    for (char *c = value; *c; c++)
        if (*c == '$' && (c == value || c[-1] == ' ' || c[-1] == '\t'))
            *c = 0;
    value = text_flat(value);
    if (!*value)
        return;
    if (e->ninitrd == ENTRY_INITRDS)
        MISTAKE(p, "more than %u; join some with cat", ENTRY_INITRDS);
    else if (path_ok(p, value))
        e->initrd[e->ninitrd++] = (struct entry_file){ value, p->line };
}

static void add_options(struct parse *p, char *value)
{
    char *all = p->e->options;
    size_t at = strlen(all);

    if (p->dropped_options || !*value)
        return;
    if (at + 1 + strlen(value) >= ENTRY_OPTIONS) {
        MISTAKE(p, "more than %u bytes together; make them shorter", ENTRY_OPTIONS - 2);
        p->dropped_options = true;
        return;
    }
    (void)fmt_text(all + at, ENTRY_OPTIONS - at, "%s%s", at ? " " : "", value);
}

/* Which profile of a unified kernel image: a number. What is none counts for nothing, as for systemd-boot. */
static void set_profile(struct parse *p, char *value)
{
    uint64_t n;

    if (str_to_u64(value, &n) || n > UINT32_MAX)
        entry_note(p->e, p->line, 0, "profile: '%.40s' is not a number; the first one starts", value);
    else
        p->e->profile = (unsigned)n;
}

static void set_url(struct parse *p, char *)
{
    MISTAKE(p, "%s", "a kernel from the network cannot be started; copy it here and write uki /FILE");
}

/* Files that a loader hands to the system beside the initrd: it starts without them, too. */
static void set_extra(struct parse *p, char *value)
{
    entry_note(p->e, p->line, 0, "%s: not handed over; the system starts without %.80s", p->key->name, value);
}

static void set_architecture(struct parse *p, char *value)
{
    p->e->hidden = !str_eq_nocase(value, "x64");
}

/* Keys that are one of two words. */
enum { SWITCH_RUN, SWITCH_AUTOSTART, SWITCH_ISOLATE, SWITCH_TEMPLATE };
#define SWITCH(field) offsetof(struct entry, field), offsetof(struct entry, field##_line)
static const struct {
    const char *on, *off;
    size_t field, line;
} switches[] = {
    [SWITCH_RUN] = { "vm", "native", SWITCH(guest) },
    [SWITCH_AUTOSTART] = { "yes", "no", SWITCH(autostart) },
    [SWITCH_ISOLATE] = { "vm", "none", SWITCH(isolate) },
    [SWITCH_TEMPLATE] = { "yes", "no", SWITCH(template) },
};

static void set_switch(struct parse *p, char *value)
{
    const char *on = switches[p->key->detail].on, *off = switches[p->key->detail].off;
    char *e = (char *)p->e;
    bool is_on = str_eq(value, on);

    *(bool *)(e + switches[p->key->detail].field) = is_on;
    *(unsigned *)(void *)(e + switches[p->key->detail].line) = p->line;
    if (!is_on && !str_eq(value, off))
        MISTAKE(p, "'%.40s' is neither %s nor %s; write one of them", value, on, off);
}

static void set_memory(struct parse *p, char *value)
{
    uint64_t size = 0;
    err_t e = str_to_size(value, &size);

    p->e->memory_line = p->line;
    if (e == ERR_RANGE || size > MEMORY_MAX)
        MISTAKE(p, "'%.40s' is more than any machine has; write e.g. 512M", value);
    else if (e)
        MISTAKE(p, "'%.40s' is not a size; write e.g. 512M", value);
    else if (size < MEMORY_MIN || size % MEMORY_UNIT)
        MISTAKE(p, "'%.40s' cannot be a guest's; write a multiple of 2M, at least %uM", value,
                (unsigned)(MEMORY_MIN >> 20));
    else
        p->e->memory = size;
}

static void set_cpus(struct parse *p, char *value)
{
    uint64_t n;

    if (str_to_u64(value, &n) || n < 1 || n > ENTRY_CPUS)
        MISTAKE(p, "'%.40s' is not a number of CPUs; write 1 to %u", value, ENTRY_CPUS);
    else
        p->e->cpus = (unsigned)n;
}

static bool disk_ok(const char *s)
{
    if (*s == '/')
        return true;
    if (str_starts(s, "PARTLABEL=") || str_starts(s, "PARTUUID="))
        return strchr(s, '=')[1];
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9')))
            return false;
    return true;
}

static void add_disk(struct parse *p, char *value)
{
    struct entry *e = p->e;

    if (e->ndisks == ENTRY_DISKS)
        MISTAKE(p, "more than %u; leave some out", ENTRY_DISKS);
    else if (strlen(value) > ENTRY_DISK_MAX)
        MISTAKE(p, "longer than %u bytes; use PARTUUID= or a shorter file name", ENTRY_DISK_MAX);
    else if (!disk_ok(value))
        MISTAKE(p, "'%.40s' names no disk; write e.g. vda2, PARTLABEL=root, PARTUUID=..., /img/root.raw", value);
    else
        e->disk[e->ndisks++] = (struct entry_file){ value, p->line };
}

/* Trees of files that a guest can be given, each perhaps ":ro": docs/ns.md. */
static bool spaces_ok(const char *s)
{
    static const char *const trees[] = { "/dev", "/vm", "/img", "/blk", "/boot" };
    unsigned seen = 0, i;

    for (size_t n; *s; s += n + (s[n] != 0)) {
        for (n = 0; s[n] && s[n] != ' ' && s[n] != '\t';)
            n++;
        for (i = 0; n && i < ARRAY_LEN(trees); i++) {
            size_t name = strlen(trees[i]);
            if (str_starts(s, trees[i]) && (n == name || (n == name + 3 && str_starts(s + name, ":ro"))))
                break;
        }
        if (n && (i == ARRAY_LEN(trees) || seen & BIT(i)))
            return false;
        seen |= n ? BIT(i) : 0;
    }
    return true;
}

static void set_spaces(struct parse *p, char *value)
{
    if (strlen(value) > ENTRY_SPACES_MAX || !spaces_ok(value))
        MISTAKE(p, "'%.40s' names no trees, or one twice; write e.g. /dev /vm:ro /img /blk /boot", value);
    else
        p->e->spaces = value;
}

static const struct key keys[] = {
    { "title", set_string, KEY_SHOWN, offsetof(struct entry, title) },
    { "version", set_string, KEY_SHOWN, offsetof(struct entry, version) },
    { "machine-id", set_string, KEY_SHOWN, offsetof(struct entry, machine_id) },
    { "sort-key", set_string, KEY_SHOWN, offsetof(struct entry, sort_key) },
    { "linux", set_start, 0, ENTRY_LINUX },
    { "efi", set_start, 0, ENTRY_EFI },
    { "uki", set_start, 0, ENTRY_EFI },
    { "uki-url", set_url, 0, 0 },
    { "profile", set_profile, 0, 0 },
    { "extra", set_extra, 0, 0 },
    { "initrd", add_initrd, 0, 0 },
    { "options", add_options, KEY_MAY_BE_EMPTY, 0 },
    { "architecture", set_architecture, 0, 0 },
    { "run", set_switch, KEY_OURS | KEY_ONCE, SWITCH_RUN },
    { "memory", set_memory, KEY_OURS | KEY_ONCE, 0 },
    { "cpus", set_cpus, KEY_OURS | KEY_ONCE, 0 },
    { "disk", add_disk, KEY_OURS, 0 },
    { "namespace", set_spaces, KEY_OURS | KEY_ONCE, 0 },
    { "autostart", set_switch, KEY_OURS | KEY_ONCE, SWITCH_AUTOSTART },
    { "app", set_start, KEY_OURS, ENTRY_APP },
    { "isolate", set_switch, KEY_OURS | KEY_ONCE, SWITCH_ISOLATE },
    { "args", add_options, KEY_OURS | KEY_MAY_BE_EMPTY, 0 },
    { "template", set_switch, KEY_OURS | KEY_ONCE, SWITCH_TEMPLATE },
};
_Static_assert(ARRAY_LEN(keys) <= 32, "one bit of struct parse's seen for each key");

/* Keys of other programs are theirs; but what looks like a slip of the pen for one of ours would be lost silently. */
static void unknown_key(struct parse *p, const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        if (!text_one_slip(name, keys[i].name))
            continue;
        entry_note(p->e, p->line, keys[i].flags & KEY_OURS ? ENTRY_BLOCKED : 0, "%s: unknown key; did you mean %s?",
                   name, keys[i].name);
        return;
    }
}

/* What systemd-boot reads without its quotes, so do we. */
static char *unquoted(char *value)
{
    size_t n = strlen(value);

    if (n < 2 || (*value != '"' && *value != '\'') || value[n - 1] != *value)
        return value;
    value[n - 1] = 0;
    return value + 1;
}

static void parse_line(struct parse *p, char *line)
{
    bool clean = text_clean(line);
    char *value = text_after_word(line);
    unsigned i = 0;

    while (i < ARRAY_LEN(keys) && !str_eq(keys[i].name, line))
        i++;
    if (i == ARRAY_LEN(keys)) {
        unknown_key(p, line);
        return;
    }
    if (!clean && !(keys[i].flags & KEY_SHOWN)) {
        entry_note(p->e, p->line, ENTRY_BLOCKED, "%.24s: not plain UTF-8 text; write the line again", line);
        return;
    }
    p->key = &keys[i];
    if (!(keys[i].flags & KEY_OURS))
        value = unquoted(value);
    if (!*value && !(keys[i].flags & KEY_MAY_BE_EMPTY)) {
        if (!(keys[i].flags & KEY_SHOWN)) /* of the specification's: counts for nothing, as for systemd-boot */
            entry_note(p->e, p->line, keys[i].flags & KEY_OURS ? ENTRY_BLOCKED : 0,
                       "%s: nothing follows; write a value, or remove the line", line);
        return;
    }
    if (p->seen & BIT(i) && keys[i].flags & KEY_ONCE)
        MISTAKE(p, "%s", "given twice; remove one of them");
    else
        keys[i].set(p, value);
    p->seen |= BIT(i);
}

/* An app is a guest and nothing else. */
static void check_app(struct entry *e)
{
    if (e->guest_line && !e->guest)
        entry_note(e, e->guest_line, ENTRY_BLOCKED, "run: an app always runs as a guest; write vm, or remove the line");
    if (e->ninitrd || e->ndisks)
        entry_note(e, e->start.line, ENTRY_BLOCKED, "app: it has no initrd and no disk; remove those lines");
    e->guest = true;
    if (!e->memory_line)
        e->memory = MEMORY_APP;
}

/* What can only be judged when the whole file has been read. */
static void check_whole(struct entry *e)
{
    if (e->kind == ENTRY_APP)
        check_app(e);
    else if (e->template && *e->start.path)
        entry_note(e, e->template_line, ENTRY_BLOCKED, "template: only an app can become one; remove the line");
    if (entry_forbids(e))
        return; /* more would only be the consequence of what was said */
    if (!*e->start.path)
        entry_note(e, 0, ENTRY_BLOCKED, "says nothing to start; add e.g. linux /FILE");
    else if (e->isolate_line && e->kind != ENTRY_APP)
        entry_note(e, e->isolate_line, ENTRY_BLOCKED, "isolate: only for apps; a system that runs as a guest is isolated; remove the line");
    else if (e->autostart && !e->guest)
        entry_note(e, e->autostart_line, ENTRY_BLOCKED, "autostart: only guests start by themselves; add run vm, or remove autostart");
}

void entry_parse(struct entry *e, char *text, size_t len)
{
    struct parse p = { .e = e };
    char *rest = text, *line;

    for (size_t i = 0; i < len; i++)
        if (!text[i])
            text[i] = 1; /* a byte 0 must not hide the rest of the file; text_clean() finds this one */
    text[len] = 0;
    if (str_starts(text, "\xef\xbb\xbf"))
        rest += 3; /* a byte order mark */
    while ((line = text_line(&rest))) {
        p.line++;
        if (*line && *line != '#')
            parse_line(&p, line);
    }
    check_whole(e);
    if (!*e->title)
        e->title = e->id;
}

/* "+LEFT-DONE" or "+LEFT" before the suffix counts boots; it is no part of the id. */
static void set_id(struct entry *e, const char *name)
{
    size_t stem, count, left;

    (void)str_copy(e->id, sizeof e->id, name);
    (void)text_clean(e->id);
    stem = count = text_stem(e->id);
    while (count && strchr("0123456789-", e->id[count - 1]))
        count--;
    if (count < 2 || count == stem || e->id[count - 1] != '+')
        return;
    for (left = count; e->id[left] == '0';)
        left++;
    e->bad = left > count && (left == stem || e->id[left] == '-');
    memmove(e->id + count - 1, e->id + stem, strlen(e->id + stem) + 1);
}

void entry_init(struct entry *e, enum entry_kind kind, const char *name, const char *file)
{
    static const struct entry_file none = { "", 0 };

    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->file = file;
    e->title = e->version = e->machine_id = e->sort_key = e->spaces = "";
    e->start = none;
    e->memory = MIB(512);
    e->cpus = 1;
    set_id(e, name);
    e->id_file = strlen(e->id);
}

/* os-release(5): NAME=value, the value perhaps in quotes. Of the names of one field the first here counts, as the
 * specification has it for type 2 entries. */
void entry_parse_osrel(struct entry *e, char *text, size_t len)
{
    static const struct {
        const char *name;
        size_t field;
    } names[] = {
        { "PRETTY_NAME=", offsetof(struct entry, title) },     { "IMAGE_ID=", offsetof(struct entry, title) },
        { "NAME=", offsetof(struct entry, title) },            { "ID=", offsetof(struct entry, title) },
        { "IMAGE_VERSION=", offsetof(struct entry, version) }, { "VERSION=", offsetof(struct entry, version) },
        { "VERSION_ID=", offsetof(struct entry, version) },    { "BUILD_ID=", offsetof(struct entry, version) },
        { "IMAGE_ID=", offsetof(struct entry, sort_key) },     { "ID=", offsetof(struct entry, sort_key) },
    };
    const char *found[ARRAY_LEN(names)] = { 0 };
    char *rest = text, *line;

    text[len] = 0;
    while ((line = text_line(&rest))) {
        char *value = strchr(line, '=');

        if (!value)
            continue;
        value++;
        if (*value == '"' || *value == '\'') {
            value++;
            value[strlen(value) ? strlen(value) - 1 : 0] = 0;
        }
        (void)text_clean(value);
        for (unsigned i = 0; *value && i < ARRAY_LEN(names); i++)
            if (str_starts(line, names[i].name))
                found[i] = value;
    }
    for (unsigned i = ARRAY_LEN(names); i--;)
        if (found[i])
            *(const char **)(void *)((char *)e + names[i].field) = found[i];
}

void entry_set_profile(struct entry *e, unsigned profile, char *text, size_t len, char title[ENTRY_TITLE_MAX])
{
    const char *id = "", *name = "";
    char *rest = text, *line, number[16];

    text[len] = 0;
    while ((line = text_line(&rest))) {
        (void)text_clean(line);
        if (str_starts(line, "ID="))
            id = unquoted(line + 3);
        else if (str_starts(line, "TITLE="))
            name = unquoted(line + 6);
    }
    e->profile = profile;
    (void)fmt_text(number, sizeof number, "%u", profile);
    if (profile)
        (void)fmt_text(e->id + e->id_file, sizeof e->id - e->id_file, "@%s", *id ? id : number);
    if (profile || *name) {
        (void)fmt_text(title, ENTRY_TITLE_MAX, "%.90s (%.60s)", e->title, *name ? name : *id ? id : number);
        e->title = title;
    }
}

/* Entry files and unified kernel images stand together; then loaders that were found; then the machine's verbs. */
static int group(const struct entry *e)
{
    return e->kind < ENTRY_LOADER ? 0 : (int)e->kind;
}

static const char *file_name(const struct entry *e, char name[sizeof e->id])
{
    (void)str_copy(name, e->id_file + 1, e->id);
    return name;
}

int entry_order(const struct entry *a, const struct entry *b)
{
    char name[sizeof a->id], other[sizeof a->id];
    int order = group(a) - group(b);

    if (order || group(a))
        return order;
    if (a->bad != b->bad)
        return a->bad - b->bad;
    if (!*a->sort_key != !*b->sort_key)
        return *a->sort_key ? -1 : 1;
    if (*a->sort_key) {
        order = strcmp(a->sort_key, b->sort_key);
        if (!order)
            order = strcmp(a->machine_id, b->machine_id);
        if (!order)
            order = text_version_cmp(b->version, a->version);
        if (order)
            return order;
    }
    order = text_version_cmp(file_name(b, name), file_name(a, other));
    return order ? order : (a->profile > b->profile) - (a->profile < b->profile);
}

void entry_sort(struct entry **list, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct entry *e = list[i];
        unsigned at = i;

        for (; at && entry_order(e, list[at - 1]) < 0; at--)
            list[at] = list[at - 1];
        list[at] = e;
    }
}
