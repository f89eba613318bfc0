/* The firmware's text console: the menu's screen and keys, on everything the firmware has joined to it (display,
 * serial). */
#include "base/fmt.h"
#include "base/str.h"
#include "base/utf.h"
#include "ground/efi/fw.h"

#define ROWS 64
#define COLUMNS 120
#define ROW_BYTES 256
#define NORMAL EFI_TEXT_ATTR(7, 0)
#define HIGHLIGHT EFI_TEXT_ATTR(0, 7)

/* What each row shows: a row is written only when it changes, since both a serial line and a frame buffer are slow. */
static struct {
    char text[ROW_BYTES];
    bool highlight;
} shown[ROWS];
static bool open;
static efi_event second; /* periodic timer */

static void output(const char *text)
{
    uint16_t wide[ROW_BYTES];

    (void)utf8_to_utf16(wide, ARRAY_LEN(wide), text);
    (void)fw.st->con_out->output(fw.st->con_out, wide);
}

static void show_cursor(struct screen *, bool visible, unsigned row, unsigned column)
{
    struct efi_text_out *out = fw.st->con_out;

    if (visible)
        (void)out->set_cursor(out, column, row);
    if (out->mode->cursor_visible != visible)
        (void)out->enable_cursor(out, visible);
}

static void show_line(struct screen *, unsigned row, const char *text, bool highlight)
{
    struct efi_text_out *out = fw.st->con_out;
    unsigned columns, before;
    char padded[ROW_BYTES];

    if (row >= ROWS || (str_eq(shown[row].text, text) && shown[row].highlight == highlight))
        return;
    before = utf8_cut(shown[row].text, UINT32_MAX);
    (void)str_copy(shown[row].text, ROW_BYTES, text);
    columns = utf8_cut(shown[row].text, UINT32_MAX);
    shown[row].highlight = highlight;
    (void)fmt_text(padded, sizeof padded, "%s%*s", text, before > columns ? (int)(before - columns) : 0, "");
    (void)out->set_cursor(out, 0, row);
    if (highlight)
        (void)out->set_attribute(out, HIGHLIGHT);
    output(padded);
    if (highlight)
        (void)out->set_attribute(out, NORMAL);
}

struct screen *fw_screen_open(void)
{
    static struct screen screen = { .line = show_line, .cursor = show_cursor };
    struct efi_text_out *out = fw.st->con_out;
    uint64_t columns = 80, rows = 25;

    if (!out)
        return NULL;
    if (out->query_mode(out, (uint64_t)out->mode->mode, &columns, &rows) || columns < 40 || rows < 12)
        columns = 80, rows = 25;
    screen.columns = (unsigned)min_u64(columns, COLUMNS);
    screen.rows = (unsigned)min_u64(rows, ROWS);
    memset(shown, 0, sizeof shown);
    (void)out->set_attribute(out, NORMAL);
    (void)out->clear(out);
    open = true;
    return &screen;
}

void fw_screen_close(void)
{
    if (second)
        (void)fw.bs->close_event(second);
    second = NULL;
    if (!open)
        return;
    (void)fw.st->con_out->enable_cursor(fw.st->con_out, true);
    (void)fw.st->con_out->clear(fw.st->con_out);
    open = false;
}

void fw_print(const char *text)
{
    if (!fw.st->con_out)
        return;
    output(text);
    output("\r\n");
}

/* --- keys --- */

static uint32_t key_of(const struct efi_key *k)
{
    static const uint32_t scan[] = {
        [EFI_SCAN_UP] = KEY_UP,         [EFI_SCAN_DOWN] = KEY_DOWN,       [EFI_SCAN_RIGHT] = KEY_RIGHT,
        [EFI_SCAN_LEFT] = KEY_LEFT,     [EFI_SCAN_HOME] = KEY_HOME,       [EFI_SCAN_END] = KEY_END,
        [EFI_SCAN_DELETE] = KEY_DELETE, [EFI_SCAN_PAGE_UP] = KEY_PAGE_UP, [EFI_SCAN_PAGE_DOWN] = KEY_PAGE_DOWN,
        [EFI_SCAN_ESC] = KEY_ESC,
    };

    if (k->unicode)
        return k->unicode == '\n' ? KEY_ENTER : k->unicode;
    return k->scan < ARRAY_LEN(scan) ? scan[k->scan] : 0;
}

bool fw_key(uint32_t *key)
{
    struct efi_key k;

    if (!fw.st->con_in || fw.st->con_in->read(fw.st->con_in, &k))
        return false;
    *key = key_of(&k);
    return true;
}

bool fw_key_wait(uint32_t *key)
{
    efi_event events[2];
    uint64_t index;

    if (fw_key(key))
        return true;
    if (!second && !fw.bs->create_event(EFI_EVENT_TIMER, 0, NULL, NULL, &second))
        (void)fw.bs->set_timer(second, EFI_TIMER_PERIODIC, 10000000);
    events[0] = second;
    if (fw.st->con_in)
        events[1] = fw.st->con_in->wait;
    if (!second || fw.bs->wait_for_event(fw.st->con_in ? 2 : 1, events, &index)) {
        (void)fw.bs->stall(1000000); /* a firmware that cannot wait */
        index = 0;
    }
    return index && fw_key(key);
}
