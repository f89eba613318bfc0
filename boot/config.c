/* loader.conf of the Boot Loader Specification's loaders, as far as it makes sense here (docs/boot-entries.md). */
#include "base/fmt.h"
#include "base/str.h"
#include "boot/config.h"
#include "boot/text.h"

#define TIMEOUT_DEFAULT 5u
#define TIMEOUT_MAX 86400u

void config_init(struct config *c)
{
    *c = (struct config){ .timeout = TIMEOUT_DEFAULT, .fallback = "", .preferred = "", .editor = true, .loaders = true, .setup = true };
}

bool config_timeout(struct config *c, const char *value)
{
    uint64_t seconds;

    if (str_eq(value, "menu-force"))
        c->timeout = CONFIG_WAIT;
    else if (str_eq(value, "menu-hidden") || str_eq(value, "menu-disabled"))
        c->timeout = 0;
    else if (str_to_u64(value, &seconds) || seconds > TIMEOUT_MAX)
        return false;
    else
        c->timeout = (uint32_t)seconds;
    c->no_menu = str_eq(value, "menu-disabled");
    return true;
}

static bool set_default(struct config *c, const char *value)
{
    c->fallback = value;
    return *value;
}

static bool set_preferred(struct config *c, const char *value)
{
    c->preferred = value;
    return *value;
}

static bool set_switch(bool *on, const char *value)
{
    static const char *const words[] = { "no", "yes", "n", "y", "false", "true", "f", "t", "off", "on", "0", "1" };

    for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(value, words[i])) {
            *on = i & 1;
            return true;
        }
    }
    return false;
}

static bool set_editor(struct config *c, const char *value)
{
    return set_switch(&c->editor, value);
}

static bool set_loaders(struct config *c, const char *value)
{
    return set_switch(&c->loaders, value);
}

static bool set_setup(struct config *c, const char *value)
{
    return set_switch(&c->setup, value);
}

static const struct {
    const char *name;
    bool (*set)(struct config *, const char *value);
    const char *want; /* what set() accepts */
} keys[] = {
    { "timeout", config_timeout, "seconds, menu-force or menu-hidden" },
    { "default", set_default, "an entry's name, e.g. debian.conf or debian-*" },
    { "preferred", set_preferred, "an entry's name, e.g. debian.conf or debian-*" },
    { "editor", set_editor, "yes or no" },
    { "auto-entries", set_loaders, "yes or no" },
    { "auto-firmware", set_setup, "yes or no" },
};

void config_parse(struct config *c, char *text, size_t len)
{
    char *rest = text, *line;

    text[len] = 0;
    for (unsigned number = 1; (line = text_line(&rest)); number++) {
        char *value = text_after_word(line);

        (void)text_clean(value);
        for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
            if (str_eq(line, keys[i].name) && !keys[i].set(c, value) && !*c->problem)
                (void)fmt_text(c->problem, sizeof c->problem, "/loader/loader.conf:%u: %s: '%.40s' is not %s", number,
                               line, value, keys[i].want);
    }
}

static bool matches(const struct entry *e, const char *pattern)
{
    char stem[sizeof e->id];

    (void)str_copy(stem, text_stem(e->id) + 1, e->id);
    return text_glob(pattern, e->id) || text_glob(pattern, stem);
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
    unsigned at = 0;

    while (at < count && (list[at]->bad || !matches(list[at], c->preferred)))
        at++;
    if (at == count)
        at = config_find(list, count, c->fallback);
    for (unsigned i = 0; at == count && i < count; i++)
        if (!entry_blocked(list[i]) && list[i]->kind < ENTRY_SETUP)
            at = i;
    return at;
}
