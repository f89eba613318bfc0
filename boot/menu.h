#pragma once
/* The boot menu: a state machine between keys and a text screen. The ground reads keys, counts seconds, draws lines,
 * and does what menu_key() or menu_second() decided. Texts and keys: docs/menu.md. */
#include "boot/entry.h"
#include "boot/line.h"

/* A text screen of at least 40 columns and 10 rows. The ground repeats no line that has not changed. */
struct screen {
    unsigned columns, rows;
    /* Makes `text` (UTF-8, not wider than the screen) the whole of a row. */
    void (*line)(struct screen *, unsigned row, const char *text, bool highlight);
    void (*cursor)(struct screen *, bool visible, unsigned row, unsigned column);
};

enum menu_verb {
    MENU_START,     /* start `entry` in the way `how` says */
    MENU_AUTOSTART, /* start all guests that are marked so */
    MENU_ONE_SHOT,  /* remember `entry` for the next start of the machine */
};
enum menu_how { MENU_AS_WRITTEN, MENU_NATIVE, MENU_GUEST };

struct menu_choice {
    enum menu_verb verb;
    enum menu_how how; /* never MENU_AS_WRITTEN when returned */
    unsigned entry;
    const char *options; /* as edited; NULL: the entry's own */
};

struct menu {
    struct entry *const *entry; /* in the order shown; fixed after menu_init */
    unsigned count;
    unsigned widest; /* columns of the longest name */
    bool may_edit;
    unsigned selected, top; /* top: the first entry on the screen */
    uint32_t left;          /* seconds to go, if counting */
    bool counting;
    bool autostart; /* at the end of the countdown the marked guests start, not `target` */
    unsigned target;
    bool editing, help;
    unsigned edited; /* whose options `line` holds; count: nobody's */
    struct line line;
    char message[240]; /* one line of news */
};

/* list stays as it is for the menu's life. `target` is selected; it starts after `timeout` seconds (CONFIG_WAIT, or
 * target is `count`: never), or, if may_autostart and there are any, the guests marked autostart do. */
void menu_init(struct menu *, struct entry *const *list, unsigned count, unsigned target, uint32_t timeout,
               bool may_autostart);
/* A key was pressed. True if the user has chosen. */
bool menu_key(struct menu *, uint32_t key, struct menu_choice *);
/* A second has gone by. True if the time is up and something is to be started. */
bool menu_second(struct menu *, struct menu_choice *);
/* What starts when the time is up, at once: for a menu that is not shown. False if that is blocked. */
bool menu_expire(struct menu *, struct menu_choice *);
void menu_draw(struct menu *, struct screen *);
/* What forbids this start: the note's text with file and line. False if nothing does. */
bool menu_forbidden(const struct entry *, enum menu_how, char *buf, size_t size);
