/* The EFI program's entry: finds what there is to start, shows the menu, starts it. Everything here runs under boot
 * services; from monitor_start() on the other half of the program owns the machine. */
#include "base/fmt.h"
#include "base/str.h"
#include "ground/efi/fw.h"

/* The section tells other copies of this program from other loaders. */
static const char marker[] __attribute__((section(".goblin"), used)) = "Goblin 1";

#define HIDDEN_WAIT_US 50000u /* so long a key may be held to see a menu that would stay hidden */
#define NO_KEYS_SECONDS 10u   /* instead of waiting for a key that cannot come */

static struct menu menu;
static struct fw_list list;
static struct config config;
static char news[240];    /* what became of the last start; shown in the menu */
static char last_id[128]; /* where the menu stood; its entry is looked for again after a new scan */

/* One-shot (only when we have just been started: later ones are for the next time), else loader.conf's default. True if
 * it is a one-shot. */
static bool pick_target(bool first, unsigned *target)
{
    char id[128];

    if (first && fw_one_shot_take(id, sizeof id)) {
        *target = config_find(list.entry, list.count, id);
        if (*target < list.count)
            return true;
        (void)fmt_text(news, sizeof news, "There is no entry %.80s to start once.", id);
    }
    *target = config_default(&config, list.entry, list.count);
    return false;
}

/* Returns when there is something to do. */
static void choose(bool first, struct menu_choice *choice)
{
    unsigned target;
    bool one_shot = pick_target(first, &target);
    struct screen *screen;
    uint32_t key;

    if (!fw.st->con_in && config.timeout == CONFIG_WAIT)
        config.timeout = NO_KEYS_SECONDS;
    menu_init(&menu, list.entry, list.count, target, first ? config.timeout : CONFIG_WAIT, first && !one_shot);
    menu.may_edit = config.editor;
    for (unsigned i = 0; !first && i < list.count; i++)
        if (str_eq(list.entry[i]->id, last_id))
            menu.selected = i;
    if (first && !config.timeout) {
        if (!config.no_menu)
            (void)fw.bs->stall(HIDDEN_WAIT_US);
        if ((config.no_menu || !fw_key(&key)) && menu_expire(&menu, choice))
            return;
        menu.counting = false;
    }
    if (!*menu.message)
        (void)str_copy(menu.message, sizeof menu.message, *news ? news : config.problem);
    if (list.cut && !*menu.message)
        (void)fmt_text(menu.message, sizeof menu.message, "There are more than %u entries; the rest is not shown.",
                       list.count);
    news[0] = 0;
    screen = fw_screen_open();
    for (;;) {
        bool pressed;

        if (screen)
            menu_draw(&menu, screen);
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
    size_t size = 0;
    void *path = e->kind == ENTRY_LOADER ? fw_file_device_path(e->volume, e->start.path, &size) : NULL;

    if (path && fw_boot_next(path, size)) {
        fw_screen_close();
        fw_print("Restarting through the firmware's own boot entry.");
        fw.rt->reset_system(EFI_RESET_COLD, EFI_SUCCESS, 0, NULL);
    }
    if (fw_one_shot_set(e->id))
        (void)fmt_text(news, sizeof news, "Once only, at the next start of the machine: %.80s", e->title);
    else
        (void)fmt_text(news, sizeof news, "The firmware does not keep variables: nothing was remembered.");
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
    fw_bli_starting(e->id);
    if (c->how == MENU_NATIVE) {
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

    fw = (struct fw){ .image = image, .st = st, .bs = st->bs, .rt = st->rt };
    fw.self = fw_protocol(image, &guid_loaded_image);
    if (!fw.self)
        return EFI_UNSUPPORTED;
    (void)fw.bs->set_watchdog(0, 0x10000, 0, NULL);
    for (bool first = true;; first = false) {
        struct menu_choice choice = { 0 };

        fw_scan(&list, &config);
        if (first) {
            fw_bli_config(&config, &list);
            fw_bli_tell(&list);
        }
        choose(first, &choice);
        (void)str_copy(last_id, sizeof last_id, list.entry[menu.selected]->id);
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
