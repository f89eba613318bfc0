/* boot/entry.c, boot/config.c, boot/image.c: what files of others say, and what is wrong with them. */
#include "test/unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "boot/config.h"
#include "boot/image.h"

static struct entry e;
static char *kept; /* the text lives as long as the entry */

static void parse_bytes(const char *name, const char *text, size_t len)
{
    free(kept);
    kept = malloc(len + 1); /* so that one byte too far is seen */
    memcpy(kept, text, len);
    entry_init(&e, ENTRY_LINUX, name, "/loader/entries/x.conf");
    entry_parse(&e, kept, len);
}

static void parse(const char *text)
{
    parse_bytes("x.conf", text, strlen(text));
}

static void expect_note(unsigned i, unsigned line, unsigned forbids, const char *part)
{
    char text[256];

    assert_true(i < e.nnotes);
    entry_note_text(&e, &e.note[i], text, sizeof text);
    if (e.note[i].line != line || e.note[i].forbids != forbids || !strstr(text, part))
        fail_msg("line %u forbids %u: %s", e.note[i].line, e.note[i].forbids, text);
}

static void a_guest_entry_says_all_it_needs(void **)
{
    parse("title    Debian 12\nversion  6.1\nmachine-id abc\nsort-key debian\n"
          "linux    /debian/vmlinuz\ninitrd   /ucode.img\ninitrd   /debian/initrd.img $tuned_initrd\ninitrd $more\n"
          "options  console=ttyS0\noptions  root=/dev/vda\n"
          "run      vm\nmemory   512M\ncpus     2\ndisk     PARTLABEL=debian\ndisk /img/file.raw\nautostart yes\n");
    assert_int_equal(e.nnotes, 0);
    assert_string_equal(e.title, "Debian 12");
    assert_string_equal(e.start.path, "/debian/vmlinuz");
    assert_int_equal(e.start.line, 5);
    assert_int_equal(e.ninitrd, 2);
    assert_string_equal(e.initrd[1].path, "/debian/initrd.img");
    assert_string_equal(e.options, "console=ttyS0 root=/dev/vda");
    assert_true(e.guest && e.autostart);
    assert_int_equal(e.memory, MIB(512));
    assert_int_equal(e.cpus, 2);
    assert_int_equal(e.ndisks, 2);
    assert_string_equal(e.disk[1].path, "/img/file.raw");
    assert_false(entry_blocked(&e));
}

static void without_run_it_is_native_with_defaults_for_a_guest(void **)
{
    parse("linux /vmlinuz\nmemory 1G\n");
    assert_false(e.guest);
    assert_int_equal(e.memory, GIB(1));
    assert_int_equal(e.cpus, 1);
    assert_int_equal(e.nnotes, 0);
    assert_string_equal(e.title, "x.conf");
}

static void files_of_other_loaders_are_accepted(void **)
{
    parse("\xef\xbb\xbf# Boot Loader Specification\r\n\r\n"
          "title Fedora\r\nid fedora\r\ngrub_users $u\r\ngrub_arg --x\r\ngrub_class kernel\r\ndevicetree /d\r\n"
          "devicetree-overlay /o\r\narchitecture x64\r\nprofile 1\r\nblscfg-x y\r\noptions\r\nlinux /v");
    assert_int_equal(e.nnotes, 0);
    assert_false(e.hidden);
    assert_string_equal(e.start.path, "/v");
    parse("title \"Arch Linux\"\nlinux \"/v\"\noptions \"a b\"\nversion \"\noptions c=\"d e\"\nargs \"f\"");
    assert_string_equal(e.title, "Arch Linux");
    assert_string_equal(e.start.path, "/v");
    assert_string_equal(e.version, "\"");
    assert_string_equal(e.options, "a b c=\"d e\" \"f\"");
    parse("linux /v\narchitecture aa64\n");
    assert_true(e.hidden);
}

struct mistake {
    const char *text;
    unsigned line;
    const char *says;
};

static void a_mistake_blocks_the_entry_and_names_line_and_cure(void **)
{
    static const struct mistake rows[] = {
        { "linux /v\n\n\n\n\n\nmemory 5 apples", 7, "x.conf:7: memory: '5 apples' is not a size; write e.g. 512M" },
        { "linux /v\nmemory 0", 2, "cannot be a guest's; write a multiple of 2M, at least 32M" },
        { "linux /v\nmemory 33M\n", 2, "write a multiple of 2M" },
        { "linux /v\nmemory 99999999999999999999", 2, "more than any machine has" },
        { "linux /v\nmemory 17000G", 2, "more than any machine has" },
        { "linux /v\nmemory 64M\nmemory 64M", 3, "given twice" },
        { "linux /v\nmemory", 2, "nothing follows" },
        { "linux /v\ncpus 0", 2, "write 1 to 16" },
        { "linux /v\ncpus 17", 2, "write 1 to 16" },
        { "linux /v\ncpus two", 2, "write 1 to 16" },
        { "linux /v\nrun lxc", 2, "neither vm nor native; write one of them" },
        { "linux /v\nrun vm\nautostart maybe", 3, "neither yes nor no" },
        { "app /a.img\ntemplate sure", 2, "neither yes nor no" },
        { "linux /v\nrun vm\ntemplate yes", 3, "only an app" },
        { "linux /v\nautostart yes", 2, "add run vm" },
        { "linux /v\ndisk PARTLABEL=", 2, "names no disk" },
        { "linux /v\ndisk PARTLABLE=x", 2, "names no disk" },
        { "linux /v\ndisk /0123456789012345678901234567890123456789012345678901234567890123", 2, "longer than 63" },
        { "linux /v\nmemroy 64M", 2, "did you mean memory?" },
        { "linux /v\nautostrat yes", 2, "did you mean autostart?" },
        { "linux /v\ncpu 2", 2, "did you mean cpus?" },
        { "linux /v\ndisks vda", 2, "did you mean disk?" },
        { "linux /v\nrunn vm", 2, "did you mean run?" },
        { "linux /v\nefi /x.efi", 2, "line 1 already says what to start" },
        { "uki-url http://a/u.efi", 1, "cannot be started; copy it here" },
        { "title nothing", 0, "says nothing to start" },
        { "", 0, "says nothing to start" },
        { "linux /v\noptions caf\xe9", 2, "not plain UTF-8" },
        { "linux /v\x1b[2J", 1, "not plain UTF-8" },
        { "app /a.img\nnamespace /dev /vm\nargs x\nrun native", 4, "an app always runs as a guest" },
        { "app /a.img\ndisk vda", 1, "no initrd and no disk" },
        { "app /a.img\nisolate box", 2, "isolate: 'box' is neither vm nor none; write one of them" },
        { "app /a.img\nisolate vm\nisolate vm", 3, "given twice" },
        { "linux /v\nisolate vm", 2, "isolate: only for apps" },
        { "isolate none\nefi /x.efi", 1, "isolate: only for apps" },
        { "app /a.img\nisolat vm", 2, "did you mean isolate?" },
        { "app /a.img\nlinux /v", 2, "line 1 already says what to start" },
        { "linux /v\ndisk a\ndisk a\ndisk a\ndisk a\ndisk a\ndisk a\ndisk a\ndisk a\ndisk a", 10, "more than 8" },
        { "linux /v\ninitrd a\ninitrd a\ninitrd a\ninitrd a\ninitrd a\ninitrd a\ninitrd a\ninitrd a\ninitrd a", 10,
          "more than 8" },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        parse(rows[i].text);
        expect_note(0, rows[i].line, ENTRY_BLOCKED, rows[i].says);
        assert_int_equal(e.nnotes, 1);
        assert_true(entry_blocked(&e));
    }
}

static void remarks_do_not_block(void **)
{
    parse("linux /v\nintird /i\n");
    expect_note(0, 2, 0, "did you mean initrd?");
    assert_false(entry_blocked(&e));
    parse("title caf\xe9 \x1b[31m\nlinux /v");
    assert_int_equal(e.nnotes, 0);
    assert_string_equal(e.title, "caf? ?[31m");
    parse("linux /v\ninitrd\n");
    expect_note(0, 2, 0, "initrd: nothing follows");
    parse("linux /v\ngrub_arg caf\xe9\ndevicetree-overlay /a.dtbo\n");
    assert_int_equal(e.nnotes, 0);
    parse("uki /u.efi\nprofile two\nextra /x.cred\n");
    expect_note(0, 2, 0, "profile: 'two' is not a number");
    expect_note(1, 3, 0, "starts without /x.cred");
    assert_false(entry_blocked(&e));
    parse("uki '/u.efi'\nprofile 2\n");
    assert_string_equal(e.start.path, "/u.efi");
    assert_int_equal(e.profile, 2);
}

static void a_zero_byte_does_not_hide_the_rest(void **)
{
    static const char text[] = "linux /v\0x\nmemory apples\n";

    parse_bytes("x.conf", text, sizeof text - 1);
    expect_note(0, 1, ENTRY_BLOCKED, "not plain UTF-8");
    expect_note(1, 2, ENTRY_BLOCKED, "is not a size");
}

static void options_that_are_too_long_block(void **)
{
    char text[3 * ENTRY_OPTIONS];
    int n = sprintf(text, "linux /v\noptions a\noptions ");

    memset(text + n, 'x', ENTRY_OPTIONS);
    strcpy(text + n + ENTRY_OPTIONS, "\noptions b\n");
    parse(text);
    expect_note(0, 3, ENTRY_BLOCKED, "more than 2046 bytes together");
    assert_int_equal(e.nnotes, 1);
    text[n + ENTRY_OPTIONS - 4] = 0; /* with "a " before it, 2046: as much as there may be */
    parse(text);
    assert_int_equal(e.nnotes, 0);
    assert_int_equal(strlen(e.options), ENTRY_OPTIONS - 2);
}

static void too_long_a_path_blocks(void **)
{
    char text[400] = "linux /";

    memset(text + 7, 'p', 300);
    parse(text);
    expect_note(0, 1, ENTRY_BLOCKED, "longer than 255 bytes");
}

static void more_notes_than_room_still_block(void **)
{
    parse("linux /v\nintird /i\nintird /i\nintird /i\nintird /i\nmemory x\n");
    assert_int_equal(e.nnotes, ENTRY_NOTES);
    assert_int_equal(entry_forbids(&e), ENTRY_BLOCKED);
}

static void boot_counters_are_no_part_of_the_id(void **)
{
    static const struct {
        const char *name, *id;
        bool bad;
    } rows[] = {
        { "debian.conf", "debian.conf", false },
        { "debian+3.conf", "debian.conf", false },
        { "debian+3-0.conf", "debian.conf", false },
        { "debian+0-3.conf", "debian.conf", true },
        { "debian+0.conf", "debian.conf", true },
        { "a+b.conf", "a+b.conf", false },
        { "a+.conf", "a+.conf", false },
        { "a+03-00.conf", "a.conf", false },
        { "a+00-3.conf", "a.conf", true },
        { "+3.conf", "+3.conf", false },
        { "noext", "noext", false },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        parse_bytes(rows[i].name, "linux /v", 8);
        assert_string_equal(e.id, rows[i].id);
        assert_int_equal(e.bad, rows[i].bad);
    }
}

static struct entry *made(enum entry_kind kind, const char *name, const char *sort_key, const char *version)
{
    struct entry *n = malloc(sizeof *n);

    entry_init(n, kind, name, "");
    n->sort_key = sort_key;
    n->version = version;
    return n;
}

static void entries_stand_in_the_order_of_the_specification(void **)
{
    struct entry *want[] = {
        made(ENTRY_LINUX, "z.conf", "arch", "1"),       made(ENTRY_UKI, "b.efi", "debian", "6.10"),
        made(ENTRY_LINUX, "c.conf", "debian", "6.9"),   made(ENTRY_LINUX, "linux-6.10.conf", "", ""),
        made(ENTRY_APP, "linux-6.9.conf", "", ""),      made(ENTRY_LINUX, "linux-9+0.conf", "", ""),
        made(ENTRY_LOADER, "auto-windows", "", ""),     made(ENTRY_LOADER, "auto-a", "", ""),
        made(ENTRY_SETUP, "auto-setup", "", ""),        made(ENTRY_REBOOT, "auto-reboot", "", ""),
        made(ENTRY_POWER_OFF, "auto-poweroff", "", ""),
    };
    struct entry *list[ARRAY_LEN(want)];

    for (unsigned shift = 0; shift < ARRAY_LEN(want); shift += 3) { /* 3, not more: loaders keep their order */
        for (unsigned i = 0; i < ARRAY_LEN(want); i++)
            list[i] = want[i];
        for (unsigned i = 0; i + 1 < ARRAY_LEN(want) && shift; i++) {
            unsigned j = (i * 7 + shift) % 6;
            struct entry *swap = list[j];
            list[j] = list[i % 6];
            list[i % 6] = swap;
        }
        entry_sort(list, ARRAY_LEN(list));
        for (unsigned i = 0; i < ARRAY_LEN(want); i++)
            assert_ptr_equal(list[i], want[i]);
    }
    for (unsigned i = 0; i < ARRAY_LEN(want); i++)
        free(want[i]);
}

static void os_release_gives_the_best_names_it_has(void **)
{
    char text[] = "NAME=Plain\nPRETTY_NAME=\"Pretty 1 \xff\"\nID=plain\nVERSION_ID='12'\nPRETTY_NAMES=no\n"
                  "ID=\nVERSION_ID=\"\n";
    char image[] = "ID=arch\nVERSION_ID=1\nIMAGE_VERSION=7\nIMAGE_ID=particle\nNAME=no\n";
    char rolling[] = "BUILD_ID=rolling\nID=arch\nNAME=\"Arch Linux\"\n";
    char empty[1] = "";

    entry_init(&e, ENTRY_UKI, "a.efi", "/EFI/Linux/a.efi");
    entry_parse_osrel(&e, text, sizeof text - 1);
    assert_string_equal(e.title, "Pretty 1 ?");
    assert_string_equal(e.version, "12");
    assert_string_equal(e.sort_key, "plain");
    entry_parse_osrel(&e, image, sizeof image - 1);
    assert_string_equal(e.title, "particle");
    assert_string_equal(e.version, "7");
    assert_string_equal(e.sort_key, "particle");
    entry_parse_osrel(&e, rolling, sizeof rolling - 1);
    assert_string_equal(e.title, "Arch Linux");
    assert_string_equal(e.version, "rolling");
    entry_parse_osrel(&e, empty, 0);
    assert_string_equal(e.version, "rolling");
}

static void a_profile_is_an_entry_of_its_own(void **)
{
    static const struct {
        unsigned profile;
        const char *text, *id, *title;
    } rows[] = {
        { 0, "ID=main\n", "a.efi", "Debian" },
        { 0, "ID=main\nTITLE=\"As always\"\n", "a.efi", "Debian (As always)" },
        { 1, "TITLE='Factory reset'\nID=reset", "a.efi@reset", "Debian (Factory reset)" },
        { 2, "ID=safe\nFOO=bar\n", "a.efi@safe", "Debian (safe)" },
        { 12, "", "a.efi@12", "Debian (12)" },
    };
    char text[64], title[ENTRY_TITLE_MAX];

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        entry_init(&e, ENTRY_UKI, "a+3.efi", "/EFI/Linux/a+3.efi");
        e.title = "Debian";
        strcpy(text, rows[i].text);
        entry_set_profile(&e, rows[i].profile, text, strlen(text), title);
        assert_string_equal(e.id, rows[i].id);
        assert_string_equal(e.title, rows[i].title);
        assert_int_equal(e.profile, rows[i].profile);
    }
}

static void profiles_stand_behind_each_other(void **)
{
    struct entry *want[] = { made(ENTRY_UKI, "b.efi", "", ""), made(ENTRY_UKI, "a.efi", "", ""), made(ENTRY_UKI, "a.efi", "", ""),
                             made(ENTRY_UKI, "a.efi", "", "") };
    char title[ENTRY_TITLE_MAX], z[] = "ID=z", y[] = "ID=y";
    struct entry *list[] = { want[3], want[1], want[0], want[2] };

    entry_set_profile(want[2], 1, z, 4, title);
    entry_set_profile(want[3], 2, y, 4, title);
    entry_sort(list, ARRAY_LEN(list));
    for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
        assert_ptr_equal(list[i], want[i]);
        free(want[i]);
    }
}

/* --- loader.conf --- */

static struct config config_of(const char *text)
{
    static char buf[512];
    struct config c;

    strcpy(buf, text);
    config_init(&c);
    config_parse(&c, buf, strlen(buf));
    return c;
}

static void loader_conf_sets_what_it_names(void **)
{
    struct config c = config_of("timeout 0\ndefault debian-*\nconsole-mode max\neditor no\nbeep yes\n");

    assert_int_equal(c.timeout, 0);
    assert_string_equal(c.fallback, "debian-*");
    assert_false(c.editor);
    assert_string_equal(c.problem, "");
    assert_int_equal(config_of("timeout menu-force").timeout, CONFIG_WAIT);
    assert_int_equal(config_of("timeout menu-hidden").timeout, 0);
    assert_true(config_of("timeout menu-disabled").no_menu && !config_of("timeout menu-disabled\ntimeout 0").no_menu);
    assert_true(config_of("editor 1").editor && !config_of("editor f").editor);
    assert_false(config_of("auto-entries no").loaders);
    assert_false(config_of("auto-firmware 0").setup);
    assert_true(c.loaders && c.setup);
    assert_int_equal(config_of("").timeout, 5);
}

static void a_mistake_in_loader_conf_is_told_and_has_no_effect(void **)
{
    static const struct mistake rows[] = {
        { "\ntimeout soon", 2, "/loader/loader.conf:2: timeout: 'soon' is not seconds" },
        { "timeout -1", 1, "loader.conf:1: timeout" },
        { "timeout 4294967296", 1, "loader.conf:1: timeout" },
        { "default", 1, "loader.conf:1: default: '' is not an entry's name" },
        { "editor perhaps\ntimeout x", 1, "loader.conf:1: editor" },
    };

    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct config c = config_of(rows[i].text);
        assert_non_null(strstr(c.problem, rows[i].says));
        assert_int_equal(c.timeout, 5);
        assert_true(c.editor);
    }
}

static void the_default_is_the_first_match_else_the_first_that_can_start(void **)
{
    struct entry *list[] = { made(ENTRY_LINUX, "b.conf", "", ""), made(ENTRY_LINUX, "a-2.conf", "", ""),
                             made(ENTRY_LINUX, "a-1.conf", "", "") };
    struct config c = config_of("default a-*");

    assert_int_equal(config_default(&c, list, 3), 1);
    c = config_of("default A-1");
    assert_int_equal(config_default(&c, list, 3), 2);
    c = config_of("default nothing");
    entry_note(list[0], 0, ENTRY_BLOCKED, "broken");
    assert_int_equal(config_default(&c, list, 3), 1);
    assert_int_equal(config_default(&c, list, 1), 1);
    assert_int_equal(config_default(&c, list, 0), 0);
    list[1]->kind = ENTRY_SETUP; /* nobody asked for that */
    list[2]->kind = ENTRY_REBOOT;
    assert_int_equal(config_default(&c, list, 3), 3);
    c = config_of("default a-2");
    assert_int_equal(config_default(&c, list, 3), 1);
    c = config_of("default a-2\npreferred b*");
    assert_int_equal(config_default(&c, list, 3), 0);
    list[0]->bad = true; /* its boots are counted out: what follows is the default */
    assert_int_equal(config_default(&c, list, 3), 1);
    assert_int_equal(config_find(list, 3, "c*"), 3);
    for (unsigned i = 0; i < 3; i++)
        free(list[i]);
}

/* --- programs --- */

#define PE_AT 0x80u
#define SECTIONS (PE_AT + 24 + 240)

/* A PE program for x86-64 with the sections .text and .linux; returns the bytes it has. */
static size_t make_pe(uint8_t pe[1024])
{
    memset(pe, 0, 1024);
    put_le16(pe, 0x5a4d);
    put_le32(pe + 0x3c, PE_AT);
    put_le32(pe + PE_AT, 0x4550);
    put_le16(pe + PE_AT + 4, 0x8664);
    put_le16(pe + PE_AT + 6, 2);
    put_le16(pe + PE_AT + 20, 240);
    put_le16(pe + PE_AT + 24, 0x20b);
    put_le16(pe + PE_AT + 24 + 68, 10);
    memcpy(pe + SECTIONS, ".text", 5);
    memcpy(pe + SECTIONS + 40, ".linux", 6);
    put_le32(pe + SECTIONS + 48, 500); /* virtual size */
    put_le32(pe + SECTIONS + 56, 512); /* size in the file */
    put_le32(pe + SECTIONS + 60, 1024);
    return SECTIONS + 80;
}

static void sections_are_found_and_kept_inside_the_file(void **)
{
    uint8_t pe[1024];
    struct image_span s;
    size_t len = make_pe(pe);

    assert_true(image_is_efi_program(pe, len));
    assert_int_equal(image_section(pe, len, 1536, 0, ".linux", &s), OK);
    assert_int_equal(s.offset, 1024);
    assert_int_equal(s.size, 500);
    assert_int_equal(image_section(pe, len, 1523, 0, ".linux", &s), ERR_FORMAT);
    assert_int_equal(image_section(pe, len, 1536, 0, ".initrd", &s), ERR_NOTFOUND);
    assert_int_equal(image_section(pe, len, 1536, 0, ".linuxes", &s), ERR_NOTFOUND);
}

static void a_profile_has_what_is_common_and_its_own(void **)
{
    static const struct {
        const char *name;
        uint32_t offset;
    } section[] = { { ".linux", 512 }, { ".cmdline", 520 }, { ".profile", 530 }, { ".profile", 540 }, { ".cmdline", 550 }, { ".profile", 560 },
                    { ".initrd", 570 } };
    static const struct {
        unsigned profile;
        const char *name;
        uint64_t offset; /* 0: not found */
    } rows[] = { { 0, ".linux", 512 },   { 0, ".cmdline", 520 }, { 0, ".profile", 530 }, { 0, ".initrd", 0 },  { 1, ".linux", 512 }, { 1, ".cmdline", 550 },
                 { 1, ".profile", 540 }, { 1, ".initrd", 0 },    { 2, ".cmdline", 520 }, { 2, ".initrd", 570 }, { 3, ".profile", 0 } };
    uint8_t pe[1024];
    struct image_span s;

    make_pe(pe);
    put_le16(pe + PE_AT + 6, ARRAY_LEN(section));
    for (unsigned i = 0; i < ARRAY_LEN(section); i++) {
        uint8_t *at = pe + SECTIONS + i * 40;
        memset(at, 0, 40);
        memcpy(at, section[i].name, strlen(section[i].name));
        put_le32(at + 8, 1);
        put_le32(at + 16, 1);
        put_le32(at + 20, section[i].offset);
    }
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        err_t e = image_section(pe, sizeof pe, sizeof pe, rows[i].profile, rows[i].name, &s);
        assert_int_equal(e, rows[i].offset ? OK : ERR_NOTFOUND);
        assert_true(e || s.offset == rows[i].offset);
    }
}

static void what_is_no_program_for_this_machine_is_refused(void **)
{
    static const struct {
        unsigned at;
        uint16_t value;
    } damage[] = { { 0, 0x5a4e },         { 0x3c, 0xffff },    { 0x3e, 0xffff },     { PE_AT, 1 },
                   { PE_AT + 4, 0xaa64 }, { PE_AT + 20, 100 }, { PE_AT + 24, 0x10b } };
    uint8_t pe[1024];
    struct image_span s;

    for (unsigned i = 0; i < ARRAY_LEN(damage); i++) {
        size_t len = make_pe(pe);
        put_le16(pe + damage[i].at, damage[i].value);
        assert_false(image_is_efi_program(pe, len));
        assert_int_equal(image_section(pe, len, 1536, 0, ".linux", &s), ERR_FORMAT);
    }
    make_pe(pe);
    put_le16(pe + PE_AT + 24 + 68, 11); /* a driver */
    assert_false(image_is_efi_program(pe, 1024));
}

static void a_head_cut_anywhere_is_never_read_beyond(void **)
{
    uint8_t pe[1024], *exact;
    struct image_span s;

    for (size_t len = make_pe(pe); len-- > 0;) {
        exact = malloc(len ? len : 1);
        memcpy(exact, pe, len);
        assert_int_not_equal(image_section(exact, len, 1536, 0, ".linux", &s), OK);
        image_is_efi_program(exact, len);
        free(exact);
    }
}

static int teardown(void **)
{
    free(kept);
    return 0;
}

static void an_app_is_a_guest_with_arguments(void **)
{
    static const char text[] = "app /apps/lua.img\nargs /demo.lua 'a b'\nargs --x\nautostart yes\nnamespace /dev\ntemplate yes\n";

    parse(text);
    assert_int_equal(e.kind, ENTRY_APP);
    assert_int_equal(e.nnotes, 0);
    assert_true(e.guest && e.autostart && e.template);
    assert_string_equal(e.start.path, "/apps/lua.img");
    assert_string_equal(e.options, "/demo.lua 'a b' --x");
    assert_int_equal(e.memory, MIB(64));
    parse("app /a.img\nmemory 128M\nrun vm\n");
    assert_false(entry_blocked(&e));
    assert_int_equal(e.memory, MIB(128));
    assert_false(e.isolate);
    parse("isolate vm\napp /a.img\n");
    assert_true(e.isolate && !e.nnotes);
    parse("app /a.img\nisolate none\n");
    assert_true(!e.isolate && !e.nnotes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_entry_says_all_it_needs),
        cmocka_unit_test(without_run_it_is_native_with_defaults_for_a_guest),
        cmocka_unit_test(files_of_other_loaders_are_accepted),
        cmocka_unit_test(an_app_is_a_guest_with_arguments),
        cmocka_unit_test(a_mistake_blocks_the_entry_and_names_line_and_cure),
        cmocka_unit_test(remarks_do_not_block),
        cmocka_unit_test(a_zero_byte_does_not_hide_the_rest),
        cmocka_unit_test(options_that_are_too_long_block),
        cmocka_unit_test(too_long_a_path_blocks),
        cmocka_unit_test(more_notes_than_room_still_block),
        cmocka_unit_test(boot_counters_are_no_part_of_the_id),
        cmocka_unit_test(entries_stand_in_the_order_of_the_specification),
        cmocka_unit_test(os_release_gives_the_best_names_it_has),
        cmocka_unit_test(a_profile_is_an_entry_of_its_own),
        cmocka_unit_test(profiles_stand_behind_each_other),
        cmocka_unit_test(loader_conf_sets_what_it_names),
        cmocka_unit_test(a_mistake_in_loader_conf_is_told_and_has_no_effect),
        cmocka_unit_test(the_default_is_the_first_match_else_the_first_that_can_start),
        cmocka_unit_test(sections_are_found_and_kept_inside_the_file),
        cmocka_unit_test(a_profile_has_what_is_common_and_its_own),
        cmocka_unit_test(what_is_no_program_for_this_machine_is_refused),
        cmocka_unit_test(a_head_cut_anywhere_is_never_read_beyond),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
