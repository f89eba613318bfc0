#pragma once
/* loader.conf, and which entry starts when nobody presses a key. */
#include "boot/entry.h"

#define CONFIG_WAIT UINT32_MAX /* no countdown: the menu waits for a key */

struct config {
    uint32_t timeout;     /* seconds; 0: the menu is shown only if a key is held; or CONFIG_WAIT */
    const char *fallback; /* the default: a pattern on entry ids; "" if none */
    const char *preferred; /* the same, before it, but not for an entry whose boot counter has run out */
    bool no_menu;         /* no key shows it; only if nothing could start it comes */
    bool editor;          /* options may be edited */
    bool loaders;         /* other loaders that were found are shown */
    bool setup;           /* so is the firmware's set-up */
    char problem[160]; /* the first mistake with file, line and cure; "" if none */
};

void config_init(struct config *);
/* Reads loader.conf; text has room for len + 1 bytes, is changed and kept. A line with a mistake has no effect. */
void config_parse(struct config *, char *text, size_t len);
bool config_timeout(struct config *, const char *value); /* false, and nothing done: not a timeout */

/* The first entry whose id (or id without suffix) matches the pattern; `count` if none does. */
unsigned config_find(struct entry *const *, unsigned count, const char *pattern);
/* What starts when nobody presses a key: the preferred one, the default, else the first that is not blocked and no verb of the machine,
 * which nobody asked for; `count` if there is none. */
unsigned config_default(const struct config *, struct entry *const *, unsigned count);
