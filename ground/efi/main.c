/* The EFI program's entry: finds what there is to start, shows the menu, starts it. Everything here runs under boot
 * services; from monitor_start() on the other half of the program owns the machine. */
#include "arch/x86/cpu.h"
#include "base/fmt.h"
#include "base/str.h"
#include "boot/text.h"
#include "ground/efi/fw.h"

/* The section tells other copies of this program from other loaders; the text goes to LoaderInfo. */
static const char marker[] __attribute__((section(".goblin"), used)) = "Goblin 1";

#define HIDDEN_WAIT_US 50000u /* so long a key may be held to see a menu that would stay hidden */
#define NO_KEYS_SECONDS 10u   /* instead of waiting for a key that cannot come */

static struct menu menu;
static struct fw_list list;
static struct config config;
static char news[240];    /* what became of the last start; shown in the menu */
static char last_id[128]; /* where the menu stood; its entry is looked for again after a new scan */
static unsigned last_volume;
static uint64_t start_tsc, menu_tsc;

/* One-shot (only when we have just been started: later ones are for the next time), then the user's default by
 * variable, then loader.conf's. True if it is a one-shot. */
static bool pick_target(bool first, unsigned *target)
{
    char id[128];

    *target = config_default(&config, list.entry, list.count);
    if (first && fw_var_text(u"LoaderEntryOneShot", id, sizeof id)) {
        unsigned at = config_find(list.entry, list.count, id);
        fw_var_delete(u"LoaderEntryOneShot");
        if (at < list.count) {
            *target = at;
            return true;
        }
        (void)fmt_text(news, sizeof news, "There is no entry %.80s to start once.", id);
    }
    if (fw_var_text(u"LoaderEntryDefault", id, sizeof id)) {
        unsigned at = config_find(list.entry, list.count, id);
        if (at < list.count)
            *target = at;
    }
    return false;
}

/* True if a hidden menu is to be shown after all. */
static bool key_held(void)
{
    uint32_t key;

    if (config.menu == CONFIG_MENU_DISABLED)
        return false;
    if (fw_key(&key))
        return true;
    (void)fw.bs->stall(HIDDEN_WAIT_US);
    return fw_key(&key);
}

/* Returns when there is something to do. */
static void choose(bool first, struct menu_choice *choice)
{
    unsigned target;
    bool one_shot = pick_target(first, &target);
    struct screen *screen;
    uint32_t key;

    if (!fw.st->con_in && config.timeout == CONFIG_WAIT) {
        config.timeout = NO_KEYS_SECONDS;
        (void)fmt_text(news, sizeof news, "The firmware offers no keyboard: the menu cannot wait for a key.");
    }
    menu_init(&menu, list.entry, list.count, target, first ? config.timeout : CONFIG_WAIT, first && !one_shot);
    menu.may_edit = config.editor;
    for (unsigned i = 0; !first && i < list.count; i++)
        if (str_eq(list.entry[i]->id, last_id) && list.entry[i]->volume == last_volume)
            menu.selected = i;
    if (first && config.menu != CONFIG_MENU_SHOWN) {
        if (!key_held() && menu_expire(&menu, choice))
            return;
        menu.counting = false;
    }
    if (!*menu.message)
        (void)str_copy(menu.message, sizeof menu.message, *news ? news : config.problem);
    if (list.cut && !*menu.message)
        (void)fmt_text(menu.message, sizeof menu.message, "There are more than %u entries; the rest is not shown.",
                       list.count);
    news[0] = 0;
    screen = fw_screen_open(config.console_mode);
    for (;;) {
        bool pressed;

        if (screen)
            menu_draw(&menu, screen);
        if (!menu_tsc)
            menu_tsc = cpu_tsc();
        pressed = fw_key_wait(&key);
        do { /* all keys that are there, before the next picture */
            if (pressed ? menu_key(&menu, key, choice) : menu_second(&menu, choice))
                return;
            pressed = fw_key(&key);
        } while (pressed);
    }
}

/* The firmware's own entry if it has one for this loader: then it starts at once. Else we remember it ourselves. */
static void one_shot(const struct entry *e)
{
    struct efi_device_path *path = e->kind == ENTRY_LOADER ? fw_file_device_path(e->volume, e->start.path) : NULL;

    if (path && fw_boot_next(path)) {
        fw_screen_close();
        fw_print("Restarting through the firmware's own boot entry.");
        fw.rt->reset_system(EFI_RESET_COLD, EFI_SUCCESS, 0, NULL);
    }
    if (fw_var_set_text(u"LoaderEntryOneShot", e->id, true))
        (void)fmt_text(news, sizeof news, "The firmware does not keep variables: nothing was remembered.");
    else
        (void)fmt_text(news, sizeof news, "Once only, at the next start of the machine: %.80s", e->title);
}

static void start(const struct menu_choice *c)
{
    struct entry *e = list.entry[c->entry];

    if (e->kind == ENTRY_REBOOT)
        fw.rt->reset_system(EFI_RESET_COLD, EFI_SUCCESS, 0, NULL);
    if (e->kind == ENTRY_POWER_OFF)
        fw.rt->reset_system(EFI_RESET_SHUTDOWN, EFI_SUCCESS, 0, NULL);
    if (e->kind == ENTRY_SETUP) {
        if (!fw_setup_request())
            fw.rt->reset_system(EFI_RESET_COLD, EFI_SUCCESS, 0, NULL);
        (void)fmt_text(news, sizeof news, "The firmware refuses to open its set-up.");
        return;
    }
    if (c->how == MENU_NATIVE) {
        fw_export(e->id, start_tsc, menu_tsc);
        fw_start_native(e, c->options, news, sizeof news);
        return;
    }
    if (!e->guest)
        fw_check_guest(e); /* until now nobody wanted it to be one */
    if (!menu_forbidden(e, MENU_GUEST, news, sizeof news))
        fw_start_guests(&list, c->entry, c->options, news, sizeof news);
}

efi_status efi_main(efi_handle image, struct efi_system_table *st)
{
    static const struct efi_guid guid_loaded_image = EFI_GUID_LOADED_IMAGE;

    start_tsc = cpu_tsc();
    fw = (struct fw){ .image = image, .st = st, .bs = st->bs, .rt = st->rt };
    fw.self = fw_protocol(image, &guid_loaded_image);
    if (!fw.self)
        return EFI_UNSUPPORTED;
    (void)fw.bs->set_watchdog(0, 0x10000, 0, NULL);
    (void)fw_var_set_text(u"LoaderInfo", marker, false);
    for (bool first = true;; first = false) {
        struct menu_choice choice = { 0 };

        fw_scan(&list, &config);
        choose(first, &choice);
        (void)str_copy(last_id, sizeof last_id, list.entry[menu.selected]->id);
        last_volume = list.entry[menu.selected]->volume;
        if (choice.verb == MENU_ONE_SHOT)
            one_shot(list.entry[choice.entry]);
        else if (choice.verb == MENU_START)
            start(&choice);
        else
            fw_start_guests(&list, list.count, NULL, news, sizeof news);
        fw_volumes_close();
        fw_free_all();
    }
}
