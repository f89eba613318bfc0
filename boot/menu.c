/* The boot menu's behaviour and its picture. Pure: called by the ground's loop with keys and seconds, tested on the
 * host. */
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"
#include "boot/config.h"
#include "boot/menu.h"
#include "boot/text.h"

#define LINE_BYTES 480 /* of one row in UTF-8 */
#define NAME_BYTES 400 /* of an entry's name */
#define HEAD_ROWS 2    /* heading and an empty row */
#define FOOT_ROWS 4    /* empty, message, countdown or editor, keys */
#define DETAIL_ROWS 6
#define TAG_COLUMNS 18 /* "guest, autostart" at the right */
#define FAR 0x10000    /* a step over more entries than there can be */

/* Entries of the same title are told apart by their versions, else by their files, else by their volumes. */
static void name_of(const struct menu *m, const struct entry *e, char name[NAME_BYTES])
{
    bool same_title = false, same_version = false, same_id = false;
    size_t at = fmt_text(name, NAME_BYTES, "%s", e->title);

    for (unsigned i = 0; i < m->count; i++) {
        const struct entry *other = m->entry[i];
        if (other == e || !str_eq(other->title, e->title))
            continue;
        same_title = true;
        same_version |= str_eq(other->version, e->version);
        same_id |= str_eq(other->id, e->id);
    }
    if (same_title && *e->version && at < NAME_BYTES)
        at += fmt_text(name + at, NAME_BYTES - at, " %s", e->version);
    if (same_version && at < NAME_BYTES && same_id)
        (void)fmt_text(name + at, NAME_BYTES - at, " (volume %u)", e->volume);
    else if (same_version && at < NAME_BYTES)
        (void)fmt_text(name + at, NAME_BYTES - at, " (%s)", e->id);
    (void)text_clean(name);
}

static bool starts_itself(const struct entry *e)
{
    return e->guest && e->autostart && !entry_blocked(e);
}

void menu_init(struct menu *m, struct entry *const *list, unsigned count, unsigned target, uint32_t timeout,
               bool may_autostart)
{
    memset(m, 0, sizeof *m);
    m->entry = list;
    m->count = m->edited = count;
    m->target = target;
    m->selected = target < count ? target : 0;
    m->may_edit = true;
    m->left = timeout;
    for (unsigned i = 0; i < count; i++) {
        char name[NAME_BYTES];
        unsigned columns;

        m->autostart |= may_autostart && starts_itself(list[i]);
        name_of(m, list[i], name);
        columns = utf8_cut(name, UINT32_MAX);
        m->widest = columns > m->widest ? columns : m->widest;
    }
    m->counting = timeout != CONFIG_WAIT && (m->autostart || target < count);
}

/* --- what may be started --- */

static enum menu_how resolve(const struct entry *e, enum menu_how how)
{
    return how != MENU_AS_WRITTEN ? how : e->guest ? MENU_GUEST : MENU_NATIVE;
}

bool menu_forbidden(const struct entry *e, enum menu_how how, char *buf, size_t size)
{
    unsigned bit = resolve(e, how) == MENU_GUEST ? ENTRY_NO_GUEST : ENTRY_NO_NATIVE;

    for (unsigned i = 0; i < e->nnotes; i++) {
        if (e->note[i].forbids & bit) {
            entry_note_text(e, &e->note[i], buf, size);
            return true;
        }
    }
    if (bit == ENTRY_NO_GUEST && e->kind >= ENTRY_LOADER) {
        (void)fmt_text(buf, size, "%s: not a Linux system; it cannot run as a guest", e->title);
        return true;
    }
    if (bit == ENTRY_NO_NATIVE && e->kind == ENTRY_APP) {
        (void)fmt_text(buf, size, "%s: an app only runs as a guest", e->title);
        return true;
    }
    return false;
}

static bool choose(struct menu *m, unsigned entry, enum menu_how how, struct menu_choice *out)
{
    if (entry >= m->count || menu_forbidden(m->entry[entry], how, m->message, sizeof m->message))
        return false;
    *out = (struct menu_choice){ .verb = MENU_START, .how = resolve(m->entry[entry], how), .entry = entry };
    if (m->edited == entry)
        out->options = m->line.text;
    return true;
}

bool menu_expire(struct menu *m, struct menu_choice *out)
{
    m->counting = false;
    if (!m->autostart)
        return choose(m, m->target, MENU_AS_WRITTEN, out);
    *out = (struct menu_choice){ .verb = MENU_AUTOSTART, .how = MENU_GUEST };
    return true;
}

bool menu_second(struct menu *m, struct menu_choice *out)
{
    if (!m->counting)
        return false;
    if (m->left)
        m->left--;
    return !m->left && menu_expire(m, out);
}

/* --- keys --- */

static void start_editing(struct menu *m)
{
    const struct entry *e = m->entry[m->selected];

    if (!m->may_edit || e->kind >= ENTRY_SETUP) {
        (void)fmt_text(m->message, sizeof m->message, "%s",
                       m->may_edit ? "This entry has no options." : "loader.conf forbids editing.");
        return;
    }
    if (m->edited != m->selected)
        line_set(&m->line, e->options);
    m->edited = m->selected;
    m->editing = true;
}

static bool key_editing(struct menu *m, uint32_t key, struct menu_choice *out)
{
    switch (key) {
    case KEY_ESC:
        m->editing = false;
        m->edited = m->count;
        return false;
    case KEY_TAB:
        m->editing = false;
        return false;
    case KEY_ENTER:
        m->editing = false;
        return choose(m, m->selected, MENU_AS_WRITTEN, out);
    }
    (void)line_key(&m->line, key);
    return false;
}

/* How far a key moves the selection; 0 if it does not. */
static int step_of(uint32_t key)
{
    static const struct {
        uint32_t key;
        int by;
    } steps[] = { { KEY_UP, -1 },        { KEY_DOWN, 1 },    { KEY_PAGE_UP, -10 },
                  { KEY_PAGE_DOWN, 10 }, { KEY_HOME, -FAR }, { KEY_END, FAR } };

    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        if (steps[i].key == key)
            return steps[i].by;
    return 0;
}

bool menu_key(struct menu *m, uint32_t key, struct menu_choice *out)
{
    int to = (int)m->selected + step_of(key), last = (int)m->count - 1;

    m->counting = false;
    m->message[0] = 0;
    if (!m->count)
        return false;
    if (m->editing)
        return key_editing(m, key, out);
    if (key >= 'A' && key <= 'Z')
        key += 'a' - 'A';
    m->selected = (unsigned)(to < 0 ? 0 : to > last ? last : to);
    switch (key) {
    case KEY_ENTER:
        return choose(m, m->selected, MENU_AS_WRITTEN, out);
    case 'n':
        return choose(m, m->selected, MENU_NATIVE, out);
    case 'g':
        return choose(m, m->selected, MENU_GUEST, out);
    case 'o':
        *out = (struct menu_choice){ .verb = MENU_ONE_SHOT, .entry = m->selected };
        return true;
    case 'e':
        start_editing(m);
        return false;
    case '?':
        m->help = !m->help;
        return false;
    }
    return false;
}

/* --- the picture --- */

/* Draws text cut to the screen, with nothing in it that a terminal would obey. */
static void put(struct screen *s, unsigned row, const char *text, bool highlight)
{
    char line[LINE_BYTES];

    if (row >= s->rows)
        return;
    (void)str_copy(line, sizeof line, text);
    (void)text_clean(line);
    for (char *tab = line; (tab = strchr(tab, '\t'));)
        *tab = ' ';
    (void)utf8_cut(line, s->columns - 1); /* writing the last column makes some screens scroll */
    s->line(s, row, line, highlight);
}

/* Draws text over several rows, broken at spaces; returns the row behind. */
static unsigned put_wrapped(struct screen *s, unsigned row, unsigned end, const char *text)
{
    for (unsigned indent = 2; *text && row < end; indent = 6) {
        char line[LINE_BYTES];
        size_t n, space;

        (void)str_copy(line, sizeof line, text);
        (void)utf8_cut(line, s->columns - indent - 1);
        n = space = strlen(line);
        while (text[n] && space && text[space] != ' ')
            space--;
        if (space)
            n = space;
        (void)fmt_text(line, sizeof line, "%*s%.*s", (int)indent, "", (int)n, text);
        put(s, row++, line, false);
        for (text += n; *text == ' ';)
            text++;
    }
    return row;
}

static const char *tag_of(const struct entry *e)
{
    if (entry_blocked(e))
        return "blocked";
    if (e->kind > ENTRY_LOADER)
        return "";
    if (e->kind == ENTRY_LOADER)
        return "loader";
    return !e->guest ? "native" : e->autostart ? "guest, autostart" : "guest";
}

static void draw_entry(struct menu *m, struct screen *s, unsigned row, unsigned index)
{
    const struct entry *e = m->entry[index];
    unsigned room = s->columns > TAG_COLUMNS + 10 ? s->columns - TAG_COLUMNS - 5 : 10, columns;
    bool selected = index == m->selected;
    char name[NAME_BYTES], line[LINE_BYTES];

    name_of(m, e, name);
    room = room < m->widest ? room : m->widest; /* the fewer characters, the sooner the menu stands */
    columns = utf8_cut(name, room);
    (void)fmt_text(line, sizeof line, "%c %s%*s   %s", selected ? '>' : ' ', name, (int)(room - columns), "",
                   tag_of(e));
    put(s, row, line, selected);
}

static void draw_details(struct menu *m, struct screen *s, unsigned row, unsigned end)
{
    static const char *const help[] = {
        "Up, Down, Home, End: select     Enter: start as the entry is written",
        "n: start natively, without the monitor     g: start as a guest of the monitor",
        "e: edit the options for this start (Enter starts, Tab keeps them, Esc drops them)",
        "o: once only, at the next start of the machine     ?: close this help",
    };
    const struct entry *e = m->entry[m->selected];
    char text[LINE_BYTES];

    for (unsigned i = 0; m->help && i < ARRAY_LEN(help); i++)
        row = put_wrapped(s, row, end, help[i]);
    for (unsigned i = 0; !m->help && i < e->nnotes; i++) {
        entry_note_text(e, &e->note[i], text, sizeof text);
        row = put_wrapped(s, row, end, text);
    }
    if (!m->help && *e->file) {
        (void)fmt_text(text, sizeof text, "%s on volume %u", e->file, e->volume);
        row = put_wrapped(s, row, end, text);
    }
    if (!m->help && *e->options) {
        (void)fmt_text(text, sizeof text, "options: %.400s", m->edited == m->selected ? m->line.text : e->options);
        row = put_wrapped(s, row, end, text);
    }
    while (row < end)
        put(s, row++, "", false);
}

static void draw_countdown(struct menu *m, struct screen *s, unsigned row)
{
    char names[160] = "", line[LINE_BYTES] = "";
    size_t at = 0;

    for (unsigned i = 0; m->autostart && i < m->count; i++)
        if (starts_itself(m->entry[i]) && at < sizeof names)
            at += fmt_text(names + at, sizeof names - at, "%s%s", at ? ", " : "", m->entry[i]->title);
    if (m->counting)
        (void)fmt_text(line, sizeof line, "Starting in %u s: %s. Any key stops the countdown.", m->left,
                       m->autostart ? names : m->entry[m->target]->title);
    put(s, row, line, false);
}

static void draw_editor(struct menu *m, struct screen *s, unsigned row)
{
    static const char prompt[] = "options> ";
    char line[LINE_BYTES];
    unsigned room = s->columns - (unsigned)sizeof prompt, cursor;

    (void)str_copy(line, sizeof line, prompt);
    cursor = line_view(&m->line, room, line + sizeof prompt - 1, sizeof line - sizeof prompt);
    put(s, row, line, false);
    s->cursor(s, true, row, (unsigned)sizeof prompt - 1 + cursor);
}

void menu_draw(struct menu *m, struct screen *s)
{
    unsigned details = s->rows >= 20 ? DETAIL_ROWS : 2, row = HEAD_ROWS, end;
    unsigned room = s->rows > HEAD_ROWS + FOOT_ROWS + details ? s->rows - HEAD_ROWS - FOOT_ROWS - details - 1 : 1;

    if (!m->count)
        return;
    room = room < m->count ? room : m->count;
    if (m->selected < m->top)
        m->top = m->selected;
    if (m->selected >= m->top + room)
        m->top = m->selected - room + 1;
    if (!m->editing)
        s->cursor(s, false, 0, 0);
    put(s, 0, "Goblin boot menu", false);
    for (unsigned i = m->top; i < m->top + room; i++)
        draw_entry(m, s, row++, i);
    put(s, row++, m->top + room < m->count ? "  ... (more below)" : "", false);
    end = row + details;
    draw_details(m, s, row, end);
    put(s, end, "", false);
    put(s, end + 1, m->message, false);
    put(s, end + 3,
        m->editing ? "Enter start  Tab keep  Esc drop"
                   : "Enter start  n native  g guest  e edit  o next time only  ? help",
        false);
    if (m->editing)
        draw_editor(m, s, end + 2);
    else
        draw_countdown(m, s, end + 2);
}
