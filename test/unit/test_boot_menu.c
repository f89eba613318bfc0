/* boot/menu.c: what keys and seconds do, and what stands on the screen. */
#include "test/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "boot/config.h"
#include "boot/menu.h"

#define ENTRIES 40

static struct entry pool[ENTRIES];
static struct entry *list[ENTRIES];
static unsigned count;
static struct menu m;
static struct menu_choice got;

/* --- a screen in memory --- */

static char rows[64][512];
static bool bright[64];
static bool cursor_on;
static unsigned cursor_row, cursor_column, drawn;

static void take_line(struct screen *s, unsigned row, const char *text, bool highlight)
{
    unsigned columns = 0;

    assert_true(row < s->rows);
    for (const char *p = text; *p; p++) {
        columns += (*p & 0xc0) != 0x80;
        assert_true((uint8_t)*p >= ' ');
    }
    assert_true(columns < s->columns);
    strcpy(rows[row], text);
    bright[row] = highlight;
    drawn++;
}

static void take_cursor(struct screen *s, bool visible, unsigned row, unsigned column)
{
    assert_true(!visible || (row < s->rows && column < s->columns));
    cursor_on = visible;
    cursor_row = row;
    cursor_column = column;
}

static struct screen screen = { .columns = 80, .rows = 25, .line = take_line, .cursor = take_cursor };

static void draw(void)
{
    memset(rows, 0, sizeof rows);
    drawn = 0;
    menu_draw(&m, &screen);
}

static int row_of(const char *part)
{
    for (int i = 0; i < 64; i++)
        if (strstr(rows[i], part))
            return i;
    return -1;
}

static void expect_shown(const char *part)
{
    if (row_of(part) >= 0)
        return;
    for (unsigned i = 0; i < screen.rows; i++)
        print_message("%2u|%s\n", i, rows[i]);
    fail_msg("not on the screen: %s", part);
}

/* --- entries --- */

static struct entry *add(enum entry_kind kind, const char *title)
{
    struct entry *e = &pool[count];

    entry_init(e, kind, title, "/loader/entries/f.conf");
    e->title = title;
    list[count++] = e;
    return e;
}

/* 0 native, 1 and 2 guests that start by themselves, 3 blocked, 4 a loader, 5 reboot. */
static void usual(void)
{
    count = 0;
    strcpy(add(ENTRY_LINUX, "Native")->options, "root=/dev/vda");
    for (unsigned i = 1; i < 3; i++) {
        struct entry *e = add(ENTRY_LINUX, i == 1 ? "Guest A" : "Guest B");
        e->guest = e->autostart = true;
    }
    entry_note(add(ENTRY_LINUX, "Broken"), 7, ENTRY_BLOCKED, "memory: '5 apples' is not a size; write e.g. 512M");
    add(ENTRY_LOADER, "Windows");
    add(ENTRY_REBOOT, "Reboot")->file = "";
}

static void begin(unsigned target, uint32_t timeout, bool may_autostart)
{
    usual();
    memset(&got, 0xee, sizeof got);
    menu_init(&m, list, count, target, timeout, may_autostart);
}

static bool key(uint32_t k)
{
    return menu_key(&m, k, &got);
}

static void type(const char *s)
{
    while (*s)
        assert_false(key((uint8_t)*s++));
}

static void expect_start(unsigned entry, enum menu_how how)
{
    assert_int_equal(got.verb, MENU_START);
    assert_int_equal(got.entry, entry);
    assert_int_equal(got.how, how);
}

/* --- time --- */

static void when_time_is_up_the_marked_guests_start(void **)
{
    begin(0, 2, true);
    assert_false(menu_second(&m, &got));
    assert_true(menu_second(&m, &got));
    assert_int_equal(got.verb, MENU_AUTOSTART);
}

static void without_marked_guests_the_default_starts(void **)
{
    begin(0, 1, true);
    list[1]->autostart = list[2]->autostart = false;
    menu_init(&m, list, count, 0, 1, true);
    assert_true(menu_second(&m, &got));
    expect_start(0, MENU_NATIVE);
}

static void a_blocked_guest_does_not_start_by_itself(void **)
{
    begin(0, 1, true);
    entry_note(list[1], 1, ENTRY_NO_GUEST, "no");
    entry_note(list[2], 1, ENTRY_NO_GUEST, "no");
    menu_init(&m, list, count, 0, 1, true);
    assert_true(menu_second(&m, &got));
    expect_start(0, MENU_NATIVE);
}

static void a_one_shot_starts_before_the_marked_guests(void **)
{
    begin(2, 1, false);
    assert_true(menu_second(&m, &got));
    expect_start(2, MENU_GUEST);
    assert_null(got.options);
}

static void a_blocked_default_starts_nothing_and_says_why(void **)
{
    begin(3, 1, false);
    assert_false(menu_second(&m, &got));
    assert_false(menu_second(&m, &got));
    draw();
    expect_shown("/loader/entries/f.conf:7: memory: '5 apples'");
}

static void with_nothing_to_start_the_menu_waits(void **)
{
    usual();
    menu_init(&m, list, count, count, 1, false);
    draw();
    assert_int_equal(row_of("Starting in"), -1);
    assert_false(menu_second(&m, &got));
    assert_false(menu_expire(&m, &got));
    assert_int_equal(m.selected, 0);
    menu_init(&m, list, count, count, 1, true);
    assert_true(menu_second(&m, &got));
    assert_int_equal(got.verb, MENU_AUTOSTART);
}

static void any_key_stops_the_countdown(void **)
{
    begin(0, 1, true);
    draw();
    expect_shown("Starting in 1 s: Guest A, Guest B. Any key stops the countdown.");
    assert_false(key(' '));
    assert_false(menu_second(&m, &got));
    draw();
    assert_int_equal(row_of("Starting in"), -1);
}

static void a_forced_menu_waits_for_ever(void **)
{
    begin(0, CONFIG_WAIT, true);
    for (unsigned i = 0; i < 1000; i++)
        assert_false(menu_second(&m, &got));
}

/* --- keys --- */

static void enter_starts_as_written(void **)
{
    begin(0, 5, true);
    assert_true(key(KEY_ENTER));
    expect_start(0, MENU_NATIVE);
    key(KEY_DOWN);
    assert_true(key(KEY_ENTER));
    expect_start(1, MENU_GUEST);
}

static void n_and_g_choose_the_other_way(void **)
{
    begin(0, 5, true);
    assert_true(key('g'));
    expect_start(0, MENU_GUEST);
    key(KEY_DOWN);
    assert_true(key('N')); /* caps lock is no trap */
    expect_start(1, MENU_NATIVE);
}

static void a_blocked_entry_is_refused_with_line_and_cure(void **)
{
    static const uint32_t keys[] = { KEY_ENTER, 'n', 'g' };

    begin(3, CONFIG_WAIT, true);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        assert_false(key(keys[i]));
        assert_string_equal(m.message, "/loader/entries/f.conf:7: memory: '5 apples' is not a size; write e.g. 512M");
    }
    key(KEY_UP);
    assert_string_equal(m.message, "");
}

static void what_forbids_a_guest_does_not_forbid_native(void **)
{
    begin(1, CONFIG_WAIT, true);
    entry_note(list[1], 5, ENTRY_NO_GUEST, "this machine's CPU has no SVM (AMD-V)");
    assert_false(key(KEY_ENTER));
    assert_false(key('g'));
    assert_true(key('n'));
    expect_start(1, MENU_NATIVE);
}

static void loaders_and_verbs_are_no_guests(void **)
{
    begin(4, CONFIG_WAIT, true);
    assert_false(key('g'));
    assert_non_null(strstr(m.message, "cannot run as a guest"));
    key(KEY_DOWN);
    assert_false(key('g'));
    assert_true(key(KEY_ENTER));
    expect_start(5, MENU_NATIVE);
}

static void the_selection_stays_in_the_list(void **)
{
    begin(0, CONFIG_WAIT, true);
    key(KEY_UP);
    assert_int_equal(m.selected, 0);
    key(KEY_END);
    key(KEY_DOWN);
    key(KEY_PAGE_DOWN);
    assert_int_equal(m.selected, count - 1);
    key(KEY_PAGE_UP);
    assert_int_equal(m.selected, 0);
    key(KEY_END);
    key(KEY_HOME);
    assert_int_equal(m.selected, 0);
}

static void o_asks_for_the_next_start_only(void **)
{
    begin(4, 5, true);
    assert_true(key('o'));
    assert_int_equal(got.verb, MENU_ONE_SHOT);
    assert_int_equal(got.entry, 4);
}

/* --- editing --- */

static void edited_options_hold_for_this_start(void **)
{
    begin(0, 5, true);
    assert_false(key('e'));
    type(" single");
    draw();
    expect_shown("options> root=/dev/vda single");
    assert_true(cursor_on);
    assert_int_equal(cursor_row, row_of("options> "));
    assert_int_equal(cursor_column, strlen("options> root=/dev/vda single"));
    assert_true(key(KEY_ENTER));
    expect_start(0, MENU_NATIVE);
    assert_string_equal(got.options, "root=/dev/vda single");
    assert_string_equal(list[0]->options, "root=/dev/vda");
}

static void esc_drops_what_was_edited(void **)
{
    begin(0, 5, true);
    key('e');
    type("x");
    assert_false(key(KEY_ESC));
    assert_true(key(KEY_ENTER));
    assert_null(got.options);
}

static void tab_keeps_it_for_another_way_to_start(void **)
{
    begin(0, 5, true);
    key('e');
    type("x");
    assert_false(key(KEY_TAB));
    draw();
    expect_shown("options: root=/dev/vdax");
    assert_true(key('g'));
    expect_start(0, MENU_GUEST);
    assert_string_equal(got.options, "root=/dev/vdax");
    key(KEY_DOWN);
    assert_true(key('n'));
    assert_null(got.options); /* they are the other entry's */
}

static void loader_conf_can_forbid_editing(void **)
{
    begin(0, 5, true);
    m.may_edit = false;
    key('e');
    assert_false(m.editing);
    begin(5, 5, true);
    key('e'); /* a verb has no options */
    assert_false(m.editing);
}

/* --- the picture --- */

static void the_menu_shows_titles_and_what_they_are(void **)
{
    begin(0, 5, true);
    draw();
    assert_string_equal(rows[0], "Goblin boot menu");
    assert_string_equal(rows[2], "> Native    native");
    assert_string_equal(rows[3], "  Guest A   guest, autostart");
    assert_string_equal(rows[5], "  Broken    blocked");
    assert_string_equal(rows[6], "  Windows   loader");
    assert_true(bright[2] && !bright[3] && !cursor_on);
    expect_shown("/loader/entries/f.conf on volume 0");
    expect_shown("options: root=/dev/vda");
    expect_shown("Enter start  n native  g guest  e edit  o next time only  ? help");
}

static void problems_of_the_selected_entry_are_shown_whole(void **)
{
    begin(3, 5, true);
    entry_note(list[3], 9, 0, "%s",
               "a remark that is too long for one row of the screen and so goes on in another row, indented");
    draw();
    expect_shown("/loader/entries/f.conf:7: memory: '5 apples' is not a size; write e.g. 512M");
    expect_shown("/loader/entries/f.conf:9: a remark");
    expect_shown("row, indented");
}

static void help_is_shown_and_closed(void **)
{
    begin(0, 5, true);
    key('?');
    draw();
    expect_shown("n: start natively");
    key('?');
    draw();
    assert_int_equal(row_of("n: start natively"), -1);
}

static void same_titles_and_versions_are_told_apart_by_file_or_volume(void **)
{
    count = 0;
    strcpy(add(ENTRY_LINUX, "Same")->id, "a.conf");
    strcpy(add(ENTRY_LINUX, "Same")->id, "b.conf");
    strcpy(add(ENTRY_LOADER, "grubx64.efi (debian)")->id, "auto-grub");
    strcpy(add(ENTRY_LOADER, "grubx64.efi (debian)")->id, "auto-grub");
    list[3]->volume = 2;
    add(ENTRY_LINUX, "Fedora")->version = "38";
    add(ENTRY_LINUX, "Fedora")->version = "38";
    list[4]->version = list[5]->version = "38";
    strcpy(list[5]->id, "new.conf");
    menu_init(&m, list, count, 0, CONFIG_WAIT, true);
    draw();
    expect_shown("> Same (a.conf)");
    expect_shown("  Same (b.conf)");
    expect_shown("  grubx64.efi (debian) (volume 0)");
    expect_shown("  grubx64.efi (debian) (volume 2)");
    expect_shown("  Fedora 38 (new.conf)");
}

static void same_titles_are_told_apart_by_version(void **)
{
    count = 0;
    add(ENTRY_LINUX, "Debian")->version = "6.1";
    add(ENTRY_LINUX, "Debian")->version = "6.2";
    add(ENTRY_LINUX, "Fedora")->version = "6.3";
    menu_init(&m, list, count, 0, CONFIG_WAIT, true);
    draw();
    expect_shown("> Debian 6.1");
    expect_shown("  Debian 6.2");
    assert_int_equal(row_of("6.3"), -1);
}

static void a_long_list_scrolls(void **)
{
    count = 0;
    for (unsigned i = 0; i < ENTRIES; i++) {
        static char titles[ENTRIES][16];
        sprintf(titles[i], "Entry %u.", i);
        add(ENTRY_LINUX, titles[i]);
    }
    menu_init(&m, list, count, 0, CONFIG_WAIT, true);
    draw();
    expect_shown("more below");
    for (unsigned i = 1; i < ENTRIES; i++) {
        char want[24];
        key(KEY_DOWN);
        draw();
        sprintf(want, "> Entry %u.", i);
        expect_shown(want);
        assert_int_equal(drawn, row_of("Enter start")); /* all rows but the empty one under the heading */
    }
    assert_int_equal(row_of("more below"), -1);
}

/* take_line() and take_cursor() check that nothing leaves the screen and no control byte reaches it. */
static void any_screen_and_hostile_text_are_survived(void **)
{
    char wild[300];

    for (unsigned i = 0; i + 1 < sizeof wild; i++)
        wild[i] = (char)(i % 255 + 1);
    wild[sizeof wild - 1] = 0;
    begin(0, 5, true);
    list[0]->title = list[1]->title = list[0]->version = list[1]->version = wild;
    list[0]->file = wild;
    memset(list[0]->options, 0xe2, ENTRY_OPTIONS - 1);
    menu_init(&m, list, count, 0, 5, true);
    for (screen.rows = 10; screen.rows < 60; screen.rows += 3)
        for (screen.columns = 40; screen.columns < 120; screen.columns += 7) {
            draw();
            key('e');
            draw();
            key(KEY_ESC);
            key('?');
        }
    screen.rows = 25;
    screen.columns = 80;
}

static void an_empty_list_is_harmless(void **)
{
    menu_init(&m, list, 0, 0, 1, true);
    draw();
    assert_false(key(KEY_ENTER));
    assert_false(key('o'));
    assert_false(menu_second(&m, &got));
    assert_false(menu_expire(&m, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_time_is_up_the_marked_guests_start),
        cmocka_unit_test(without_marked_guests_the_default_starts),
        cmocka_unit_test(a_blocked_guest_does_not_start_by_itself),
        cmocka_unit_test(a_one_shot_starts_before_the_marked_guests),
        cmocka_unit_test(a_blocked_default_starts_nothing_and_says_why),
        cmocka_unit_test(with_nothing_to_start_the_menu_waits),
        cmocka_unit_test(any_key_stops_the_countdown),
        cmocka_unit_test(a_forced_menu_waits_for_ever),
        cmocka_unit_test(enter_starts_as_written),
        cmocka_unit_test(n_and_g_choose_the_other_way),
        cmocka_unit_test(a_blocked_entry_is_refused_with_line_and_cure),
        cmocka_unit_test(what_forbids_a_guest_does_not_forbid_native),
        cmocka_unit_test(loaders_and_verbs_are_no_guests),
        cmocka_unit_test(the_selection_stays_in_the_list),
        cmocka_unit_test(o_asks_for_the_next_start_only),
        cmocka_unit_test(edited_options_hold_for_this_start),
        cmocka_unit_test(esc_drops_what_was_edited),
        cmocka_unit_test(tab_keeps_it_for_another_way_to_start),
        cmocka_unit_test(loader_conf_can_forbid_editing),
        cmocka_unit_test(the_menu_shows_titles_and_what_they_are),
        cmocka_unit_test(problems_of_the_selected_entry_are_shown_whole),
        cmocka_unit_test(help_is_shown_and_closed),
        cmocka_unit_test(same_titles_are_told_apart_by_version),
        cmocka_unit_test(same_titles_and_versions_are_told_apart_by_file_or_volume),
        cmocka_unit_test(a_long_list_scrolls),
        cmocka_unit_test(any_screen_and_hostile_text_are_survived),
        cmocka_unit_test(an_empty_list_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
