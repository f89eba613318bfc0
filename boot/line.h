#pragma once
/* A line being edited: text, cursor, and the part of it that is on the screen. Also names the keys. */
#include "boot/entry.h"

/* Characters are themselves; keys without one lie above Unicode. */
enum {
    KEY_BACKSPACE = 8,
    KEY_TAB = 9,
    KEY_ENTER = 13,
    KEY_ESC = 27,
    KEY_UP = 0x110000,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
};
#define KEY_CTRL(letter) ((letter)&0x1fu)

struct line {
    char text[ENTRY_OPTIONS]; /* UTF-8 */
    size_t len, at;           /* bytes; at: the cursor */
};

void line_set(struct line *, const char *text); /* cursor at its end */
/* False if the key means nothing to a line. */
bool line_key(struct line *, uint32_t key);
/* Writes what fits into `columns` and returns the cursor's column. */
unsigned line_view(const struct line *, unsigned columns, char *buf, size_t size);
