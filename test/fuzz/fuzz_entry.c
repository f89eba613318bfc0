/* The text parsers of boot/ against any file. First byte: 'e' an entry file, whose entry is then shown in a menu; 'l' a
 * loader.conf; 'o' an os-release; 'p' the head of a program; 'v' two versions or a pattern and a name, split by a line
 * end. The rest is the file. */
#include <stdlib.h>
#include "base/panic.h"
#include "base/str.h"
#include "base/utf.h"
#include "boot/config.h"
#include "boot/image.h"
#include "boot/menu.h"
#include "boot/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s)
{
    while (*s)
        ASSERT(utf8_next(&s) >= 0);
}

static void take_line(struct screen *s, unsigned row, const char *text, bool highlight)
{
    unsigned columns = 0;

    (void)highlight;
    check_text(text);
    for (; *text; text++) {
        ASSERT((uint8_t)*text >= ' ');
        columns += (*text & 0xc0) != 0x80;
    }
    ASSERT(row < s->rows && columns < s->columns);
}

static void take_cursor(struct screen *s, bool visible, unsigned row, unsigned column)
{
    ASSERT(!visible || (row < s->rows && column < s->columns));
}

static void check_menu(struct entry *e)
{
    static const uint32_t keys[] = { 'n',      'g',           'o', '?',      '?',        'e',
                                     KEY_LEFT, KEY_BACKSPACE, 'x', KEY_HOME, KEY_DELETE, KEY_ENTER };
    static struct menu m;
    struct screen screen = { .columns = 60, .rows = 16, .line = take_line, .cursor = take_cursor };
    struct entry *list[] = { e, e };
    struct menu_choice choice;

    menu_init(&m, list, 2, 1, 3, true);
    menu_draw(&m, &screen);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        if (menu_key(&m, keys[i], &choice) && choice.verb == MENU_START)
            ASSERT(!(entry_forbids(e) & (choice.how == MENU_GUEST ? ENTRY_NO_GUEST : ENTRY_NO_NATIVE)));
        menu_draw(&m, &screen);
    }
}

static void check_entry(char *text, size_t len)
{
    static struct entry e;

    entry_init(&e, ENTRY_LINUX, "fuzz+1.conf", "/loader/entries/fuzz.conf");
    entry_parse(&e, text, len);
    check_text(e.title);
    check_text(e.sort_key);
    for (unsigned i = 0; i < e.nnotes; i++) {
        ASSERT(*e.note[i].text);
        check_text(e.note[i].text);
    }
    if (!(entry_forbids(&e) & ENTRY_NO_NATIVE)) {
        ASSERT(*e.start.path && e.kind <= ENTRY_EFI);
        ASSERT(e.memory >= MIB(32) && e.memory % MIB(2) == 0 && e.cpus >= 1 && e.cpus <= ENTRY_CPUS);
        check_text(e.options);
        check_text(e.start.path);
    }
    check_menu(&e);
}

static void check_image(const uint8_t *head, size_t len)
{
    static const char *const names[] = { ".linux", ".osrel", ".cmdline" };
    struct image_span s;

    (void)image_is_efi_program(head, len);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (!image_section(head, len, 1 << 20, i, names[i], &s))
            ASSERT(s.offset <= 1 << 20 && s.size <= (1 << 20) - s.offset);
}

static void check_pair(char *text)
{
    char *rest = text, *a = text_line(&rest), *b = a ? text_line(&rest) : NULL;
    int order;

    if (!b)
        return;
    order = text_version_cmp(a, b);
    ASSERT((order < 0) == (text_version_cmp(b, a) > 0));
    ASSERT(text_version_cmp(a, a) == 0);
    ASSERT(text_one_slip(a, b) == text_one_slip(b, a) && !text_one_slip(a, a));
    (void)text_glob(a, b);
    ASSERT(text_glob("*", b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct entry e;
    struct config c;
    char title[ENTRY_TITLE_MAX];
    size_t len = size ? size - 1 : 0;
    char *text;

    if (!size || size > ENTRY_TEXT_MAX)
        return 0;
    text = malloc(len + 1);
    memcpy(text, data + 1, len);
    text[len] = 'x';
    switch (data[0]) {
    case 'e':
        check_entry(text, len);
        break;
    case 'l':
        config_init(&c);
        config_parse(&c, text, len);
        check_text(c.fallback);
        check_text(c.problem);
        break;
    case 'o':
        entry_init(&e, ENTRY_UKI, "a.efi", "/EFI/Linux/a.efi");
        entry_parse_osrel(&e, text, len);
        check_text(e.title);
        break;
    case 'r':
        entry_init(&e, ENTRY_UKI, "a.efi", "/EFI/Linux/a.efi");
        entry_set_profile(&e, 1, text, len, title);
        check_text(e.title);
        check_text(e.id);
        break;
    case 'p':
        check_image(data + 1, len);
        break;
    case 'v':
        text[len] = 0;
        check_pair(text);
        break;
    }
    free(text);
    return 0;
}
