/* loader.conf of the Boot Loader Specification's loaders, as far as it makes sense here (docs/boot-entries.md). */
#include "base/fmt.h"
#include "base/str.h"
#include "boot/config.h"
#include "boot/text.h"

#define TIMEOUT_DEFAULT 5u
#define TIMEOUT_MAX 86400u

struct key {
    const char *name;
    bool (*set)(struct config *, const struct key *, const char *value);
    size_t field;
    const char *want; /* what set() accepts */
};

void config_init(struct config *c)
{
    *c = (struct config){ .timeout = TIMEOUT_DEFAULT,
                          .fallback = "",
                          .console_mode = CONFIG_MODE_KEEP,
                          .editor = true,
                          .auto_entries = true,
                          .auto_firmware = true,
                          .auto_reboot = true,
                          .auto_poweroff = true };
}

bool config_set_timeout(struct config *c, const char *value)
{
    static const struct {
        const char *name;
        enum config_menu menu;
        uint32_t timeout;
    } words[] = {
        { "menu-force", CONFIG_MENU_SHOWN, CONFIG_WAIT },
        { "menu-hidden", CONFIG_MENU_HIDDEN, 0 },
        { "menu-disabled", CONFIG_MENU_DISABLED, 0 },
    };
    uint64_t seconds;

    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq(value, words[i].name)) {
            c->menu = words[i].menu;
            c->timeout = words[i].timeout;
            return true;
        }
    }
    if (str_to_u64(value, &seconds) || seconds > TIMEOUT_MAX)
        return false;
    c->menu = seconds ? CONFIG_MENU_SHOWN : CONFIG_MENU_HIDDEN;
    c->timeout = (uint32_t)seconds;
    return true;
}

static bool set_timeout(struct config *c, const struct key *k, const char *value)
{
    (void)k;
    return config_set_timeout(c, value);
}

static bool set_default(struct config *c, const struct key *k, const char *value)
{
    (void)k;
    c->fallback = value;
    return *value;
}

static bool set_console_mode(struct config *c, const struct key *k, const char *value)
{
    uint64_t mode;

    (void)k;
    if (str_eq(value, "keep") || str_eq(value, "auto"))
        c->console_mode = CONFIG_MODE_KEEP;
    else if (str_eq(value, "max"))
        c->console_mode = CONFIG_MODE_MAX;
    else if (!str_to_u64(value, &mode) && mode < 256)
        c->console_mode = (int)mode;
    else
        return false;
    return true;
}

/* The words systemd takes for a truth value. */
static bool set_bool(struct config *c, const struct key *k, const char *value)
{
    static const char *const words[] = { "no", "yes", "false", "true", "n", "y", "f", "t", "0", "1", "off", "on" };

    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(value, words[i])) {
            *((bool *)c + k->field) = i & 1;
            return true;
        }
    }
    return false;
}

static const struct key keys[] = {
    { "timeout", set_timeout, 0, "seconds, menu-force, menu-hidden or menu-disabled" },
    { "default", set_default, 0, "an entry's name, e.g. debian.conf or debian-*" },
    { "console-mode", set_console_mode, 0, "a number, keep, auto or max" },
    { "editor", set_bool, offsetof(struct config, editor), "yes or no" },
    { "auto-entries", set_bool, offsetof(struct config, auto_entries), "yes or no" },
    { "auto-firmware", set_bool, offsetof(struct config, auto_firmware), "yes or no" },
    { "auto-reboot", set_bool, offsetof(struct config, auto_reboot), "yes or no" },
    { "auto-poweroff", set_bool, offsetof(struct config, auto_poweroff), "yes or no" },
};

void config_parse(struct config *c, char *text, size_t len)
{
    char *rest = text, *line;

    text[len] = 0;
    for (unsigned number = 1; (line = text_line(&rest)); number++) {
        char *value = text_after_word(line);

        (void)text_clean(value);
        for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
            if (str_eq(line, keys[i].name) && !keys[i].set(c, &keys[i], value) && !*c->problem)
                (void)fmt_text(c->problem, sizeof c->problem, "/loader/loader.conf:%u: %s: '%.40s' is not %s", number,
                               line, value, keys[i].want);
    }
}

static bool matches(const struct entry *e, const char *pattern)
{
    char stem[sizeof e->id];
    size_t dot = strlen(e->id);

    if (text_glob(pattern, e->id))
        return true;
    (void)str_copy(stem, sizeof stem, e->id);
    while (dot && stem[dot] != '.')
        dot--;
    stem[dot] = 0;
    return dot && text_glob(pattern, stem);
}

unsigned config_find(struct entry *const *list, unsigned count, const char *pattern)
{
    unsigned i = 0;

    while (i < count && !matches(list[i], pattern))
        i++;
    return i;
}

unsigned config_default(const struct config *c, struct entry *const *list, unsigned count)
{
    unsigned at = config_find(list, count, c->fallback);

    if (at < count)
        return at;
    for (at = 0; at < count; at++)
        if (!entry_blocked(list[at]))
            return at;
    return 0;
}
