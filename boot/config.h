#pragma once
/* loader.conf, and which entry starts when nobody presses a key. */
#include "boot/entry.h"

#define CONFIG_WAIT UINT32_MAX /* no countdown: the menu waits for a key */

enum config_menu {
    CONFIG_MENU_SHOWN,
    CONFIG_MENU_HIDDEN,   /* shown only if a key is held */
    CONFIG_MENU_DISABLED, /* never shown */
};

#define CONFIG_MODE_KEEP (-1)
#define CONFIG_MODE_MAX (-2)

struct config {
    uint32_t timeout; /* seconds, or CONFIG_WAIT */
    enum config_menu menu;
    const char *fallback; /* the default: a pattern on entry ids; "" if none */
    int console_mode;     /* a text mode's number, or CONFIG_MODE_ */
    bool editor, auto_entries, auto_firmware, auto_reboot, auto_poweroff;
    char problem[160]; /* the first mistake with file, line and cure; "" if none */
};

void config_init(struct config *);
/* Reads loader.conf; text has room for len + 1 bytes, is changed and kept. A line with a mistake has no effect. */
void config_parse(struct config *, char *text, size_t len);
/* A timeout as loader.conf and the LoaderConfigTimeout variable have it: a number or menu-... False if it is neither.
 */
bool config_set_timeout(struct config *, const char *value);

/* The first entry whose id (or id without suffix) matches the pattern; `count` if none does. */
unsigned config_find(struct entry *const *, unsigned count, const char *pattern);
/* Where the menu stands at first: the default, else the first entry, if possible one that is not blocked. */
unsigned config_default(const struct config *, struct entry *const *, unsigned count);
