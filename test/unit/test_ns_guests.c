/* The monitor's guests as files: made, defined, cloned, commanded, removed, on a fake machine. */
#include "test/unit/vmkit.h"
#include "io/blk.h"
#include "ns/files.h"
#include "ns/ns.h"
#include "test/unit/ns_files.h"
#include "vm/work.h"

static uint8_t kernel_bytes[0x400], other_bytes[16];
static const struct ns_file boot_files[] = {
    { "/linux/vmlinuz", { kernel_bytes, sizeof kernel_bytes } },
    { "/linux/initrd.img", { other_bytes, sizeof other_bytes } },
    { "/note", { other_bytes, 5 } },
};
static struct blk disk_a = { .name = "vda", .sectors = 100, .block_size = 512 };
static unsigned added, removed;
static struct tty line;
static const struct machine *pc;
static struct files f;
static struct vm *boss;

static struct blk *disk_find(const char *name) { return str_eq(name, "vda") ? &disk_a : NULL; }
static void on_added(struct vm *vm) { (void)vm, added++; }
static void on_removed(struct vm *vm) { (void)vm, removed++; }

static char typed[64];
static size_t line_input(struct tty *, const uint8_t *bytes, size_t n)
{
    snprintf(typed, sizeof typed, "%.*s", (int)n, (const char *)bytes);
    return n;
}

/* Machines of this test have one line each, `line`, if they are the only one. */
static err_t pc_build(struct vm *vm)
{
    static const struct tty_dev_ops ops = { .input = line_input };

    line = (struct tty){ .dev = &ops };
    tty_open(&line, vm->tty_user, vm->tty_user_data);
    return kit_build(vm);
}

static void pc_destroy(struct vm *)
{
    tty_close(&line);
}

static unsigned buttons;
static void pc_button(struct vm *vm) { (void)vm, buttons++; }

static const struct machine pc_machine = { .name = "pc", .build = pc_build, .idle = kit_idle, .destroy = pc_destroy, .power_button = pc_button };

static struct ninep_fs *share_of(const struct vm *vm, const char *name)
{
    for (unsigned i = 0; i < vm->nshares; i++)
        if (str_eq(vm->share[i].name, name))
            return vm->share[i].fs;
    return NULL;
}

/* Until every guest that is to end has ended. */
static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        fake_set_tsc(ground_tsc() + 10000000);
        sched_step();
        vm_reap();
    }
}

static struct ns_setup setup = { .file = boot_files, .nfiles = ARRAY_LEN(boot_files), .disk = disk_find, .added = on_added, .removed = on_removed };

static int begin(void **)
{
    struct vm_config cfg = { .name = "boss", .memory = MIB(4), .vcpus = 1, .spaces = "/dev /vm /img /boot:ro" };

    memcpy(kernel_bytes + 0x202, "HdrS", 4);
    pc = setup.pc = &pc_machine;
    cpu = &cpu_fake;
    fake_set_cpus(1, 0);
    sched_init();
    work_init();
    ns_init(&setup);
    added = removed = buttons = 0;
    assert_int_equal(ns_guest_add(&cfg, pc, &boss), OK);
    files_attach(&f, share_of(boss, "vm"));
    return 0;
}

static int begin_with_apps(void **state)
{
    static const struct machine app_machine = { .name = "app" };

    setup.app = &app_machine;
    return begin(state);
}

static int begin_without_vms(void **state)
{
    setup.no_isolation = "the CPU has no AMD-V (SVM)";
    return begin_with_apps(state);
}

static int end(void **)
{
    static char path[64];

    for (struct vm *vm = vm_next(NULL); vm; vm = vm_next(NULL)) {
        vm_stop(vm, VM_STOPPED, "%s", "");
        settle();
        snprintf(path, sizeof path, "remove %s", vm->cfg.name);
        assert_int_equal(files_write(&f, "ctl", path), 0);
    }
    setup.app = NULL;
    setup.no_isolation = NULL;
    files_detach(&f);
    assert_int_equal(fake_pages_in_use(), 0);
    return 0;
}

static uint32_t make(const char *name)
{
    struct ninep_msg a;

    return ASK(&f.w, &a, .type = NINEP_TMKDIR, .dfid = f.root, .fid = f.root, .name = name, .mode = 0755);
}

#define SAYS(path, words) assert_non_null(strstr(files_read(&f, path), words))

static void a_guest_is_made_defined_started_and_stopped(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(added, 2);
    SAYS("new/status", "kind none\nstate off\nwhy not started\n");
    assert_int_equal(files_write(&f, "new/ctl", "start"), NINEP_EINVAL);
    SAYS("new/ctl", "nothing to start");
    assert_int_equal(files_write(&f, "new/ctl", "linux /LINUX/vmlinuz memory=64M cpus=2 initrd=/linux/initrd.img disk=vda options=a=b memory=5\n"), 0);
    const struct vm *vm = vm_find("new");
    assert_int_equal(vm->cfg.memory, MIB(64));
    assert_int_equal(vm->cfg.vcpus, 2);
    assert_int_equal(vm->cfg.ninitrd, 1);
    assert_ptr_equal(vm->cfg.blk[0], &disk_a);
    assert_string_equal(vm->cfg.cmdline, "a=b memory=5");
    SAYS("new/status", "image /linux/vmlinuz\nvcpus 2\nmemory 67108864\nused 0\n");
    assert_int_equal(files_write(&f, "new/ctl", "start"), 0);
    SAYS("new/status", "kind linux\nstate running\nwhy -\n");
    SAYS("new/status", "used 67108864\n");
    assert_int_equal(files_write(&f, "new/ctl", "start"), NINEP_EBUSY);
    assert_int_equal(files_write(&f, "new/ctl", "memory 32M"), NINEP_EBUSY);
    assert_int_equal(files_write(&f, "new/ctl", "power"), 0);
    assert_int_equal(buttons, 1);
    assert_int_equal(files_write(&f, "new/ctl", "stop"), 0);
    settle();
    SAYS("new/status", "state off\nwhy stopped by the user: by its ctl file\n");
    assert_string_equal(files_read(&f, "new/wait"), "stopped by the user: by its ctl file\n");
    assert_int_equal(files_write(&f, "new/ctl", "stop"), NINEP_EINVAL);
    assert_int_equal(files_write(&f, "new/ctl", "power"), NINEP_EINVAL);
}

static void a_reset_guest_runs_again(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "start"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "reset"), 0);
    settle();
    SAYS("new/status", "state running");
    SAYS("new/status", "starts 2\n");
}

static void lines_may_come_one_by_one_and_change_what_they_name(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz\ninitrd /linux/initrd.img\nmemory 64M\noptions one two"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "memory 128M"), 0);
    const struct vm *vm = vm_find("new");
    assert_int_equal(vm->cfg.memory, MIB(128));
    assert_int_equal(vm->cfg.ninitrd, 1);
    assert_string_equal(vm->cfg.cmdline, "one two");
    assert_int_equal(files_write(&f, "new/ctl", "options three"), 0);
    assert_int_equal(vm->cfg.memory, MIB(128));
    assert_string_equal(vm->cfg.cmdline, "three");
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz"), 0); /* a new definition */
    assert_int_equal(vm->cfg.ninitrd, 0);
    assert_string_equal(vm->cfg.cmdline, "");
    assert_int_equal(files_write(&f, "new/ctl", "namespace /vm:ro"), 0);
    assert_string_equal(files_read(&f, "new/namespace"), "/vm:ro\n");
    assert_int_equal(vm->nshares, 1);
    assert_true(vm->share[0].read_only);
}

static void a_mistake_is_told_and_changes_nothing(void **)
{
    static const struct {
        const char *text, *why;
        uint32_t error;
    } rows[] = {
        { "memory 3M", "multiple of 2M", NINEP_EINVAL },
        { "memory 5 apples", "is not a size", NINEP_EINVAL },
        { "memroy 64M", "'memroy 64M' is no command", NINEP_EINVAL },
        { "cpus 99", "1 to 16", NINEP_EINVAL },
        { "linux /linux/none", "not among the loaded files", NINEP_ENOENT },
        { "linux /linux/vmlinuz initrd=/none", "/none is not among", NINEP_ENOENT },
        { "linux /linux/vmlinuz disk=vdz", "no vdz", NINEP_ENOENT },
        { "efi /linux/vmlinuz", "is no command", NINEP_EINVAL },
        { "app /linux/vmlinuz", "runs no apps", NINEP_EOPNOTSUPP },
        { "namespace /etc", "names no trees", NINEP_EINVAL },
        { "namespace /vm /vm", "twice", NINEP_EINVAL },
        { "nonsense", "is no command", NINEP_EINVAL },
        { "stop now", "is no command", NINEP_EINVAL },
        { "memory 64M\nmachine-id x", "is no command", NINEP_EINVAL }, /* what an entry file may have */
        { "memory", "nothing follows", NINEP_EINVAL },
    };

    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M"), 0);
    struct vm_config before = vm_find("new")->cfg;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t e = files_write(&f, "new/ctl", rows[i].text);
        const char *why = files_read(&f, "new/ctl");
        if (e != rows[i].error || !strstr(why, rows[i].why))
            fail_msg("%s: error %u, %s", rows[i].text, e, why);
        assert_memory_equal(&before, &vm_find("new")->cfg, sizeof before);
    }
}

static void an_app_may_be_put_into_a_vm(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "isolate vm"), NINEP_EINVAL);
    SAYS("new/ctl", "isolate: only for apps");
    assert_int_equal(files_write(&f, "new/ctl", "app /note isolate=vm args=one"), 0);
    SAYS("new/status", "\nisolate vm\n");
    assert_string_equal(vm_find("new")->cfg.cmdline, "one");
    assert_int_equal(files_write(&f, "new/ctl", "memory 64M"), 0);
    assert_int_equal(files_write(&f, "ctl", "clone new two"), 0);
    SAYS("two/status", "\nisolate vm\n");
    assert_int_equal(files_write(&f, "new/ctl", "isolate none"), 0);
    SAYS("new/status", "\nisolate none\n");
    assert_int_equal(files_write(&f, "new/ctl", "isolate vm"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "isolate"), NINEP_EINVAL);
    assert_int_equal(files_write(&f, "new/ctl", "isolate box"), NINEP_EINVAL);
    SAYS("new/ctl", "neither vm nor none");
    assert_true(vm_find("new")->cfg.isolate);
    assert_int_equal(files_write(&f, "new/ctl", "app /note"), 0); /* a new definition */
    assert_false(vm_find("new")->cfg.isolate);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz isolate=vm"), NINEP_EINVAL);
    assert_null(strstr(files_read(&f, "boss/status"), "isolate"));
}

static void without_virtualisation_an_app_is_not_isolated(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "app /note isolate=vm"), NINEP_EOPNOTSUPP);
    SAYS("new/ctl", "isolate: the CPU has no AMD-V (SVM); write isolate none");
    SAYS("new/status", "kind none\n");
    assert_int_equal(files_write(&f, "new/ctl", "app /note isolate=none"), 0);
}

static void names_are_checked(void **)
{
    static const char *const bad[] = { "a b", "ctl", ".hidden", "a:b", "0123456789012345678901234567890123456789", "\xc3\xa4" };

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        char text[80];
        assert_int_equal(make(bad[i]), str_eq(bad[i], "ctl") ? NINEP_EEXIST : NINEP_EINVAL);
        snprintf(text, sizeof text, "clone boss %s", bad[i]);
        assert_int_equal(files_write(&f, "ctl", text), NINEP_EINVAL);
        assert_non_null(strstr(files_read(&f, "ctl"), "cannot be a guest's name"));
    }
    assert_int_equal(make("boss"), NINEP_EEXIST);
    assert_int_equal(files_write(&f, "ctl", "create boss"), NINEP_EEXIST);
    SAYS("ctl", "there is a guest of that name");
    assert_int_equal(files_write(&f, "ctl", "create"), NINEP_EINVAL);
    assert_int_equal(files_write(&f, "ctl", "clone none new"), NINEP_ENOENT);
    assert_int_equal(files_write(&f, "ctl", "remove none"), NINEP_ENOENT);
    assert_int_equal(files_write(&f, "ctl", "destroy boss"), NINEP_EINVAL);
    assert_string_equal(files_list(&f, ""), "ctl boss ");
}

static void a_clone_is_like_its_origin_but_for_its_name(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M\nnamespace /dev"), 0);
    assert_int_equal(files_write(&f, "ctl", "clone new two"), 0);
    SAYS("two/status", "name two\nkind linux\nstate off\n");
    SAYS("two/status", "memory 67108864\n");
    assert_string_equal(files_read(&f, "two/namespace"), "/dev\n");
    assert_ptr_not_equal(share_of(vm_find("two"), "dev"), share_of(vm_find("new"), "dev")); /* each has its own console */
    assert_int_equal(files_write(&f, "two/ctl", "start"), 0);
    assert_int_equal(files_write(&f, "ctl", "remove two"), NINEP_EBUSY);
    SAYS("ctl", "stop it first");
    assert_int_equal(files_write(&f, "two/ctl", "memory 32M"), NINEP_EBUSY);
    SAYS("two/ctl", "stop it first");
    assert_int_equal(files_write(&f, "two/ctl", "stpo"), NINEP_EINVAL);
    SAYS("two/ctl", "'stpo' is no command");
    assert_int_equal(files_write(&f, "two/ctl", "stop"), 0);
    settle();
    assert_int_equal(files_write(&f, "ctl", "remove two"), 0);
    assert_int_equal(removed, 1);
    assert_null(files_read(&f, "two/status"));
}

static void a_template_is_cloned_and_the_clone_runs(void **)
{
    struct vm *new;

    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M\ntemplate yes"), NINEP_EINVAL);
    SAYS("new/ctl", "only an app can become one");
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M"), 0);
    new = vm_find("new");
    new->cfg.template = true; /* as an app's would be */
    assert_int_equal(files_write(&f, "new/ctl", "start"), 0);
    assert_int_equal(files_write(&f, "ctl", "clone new two"), NINEP_EBUSY);
    SAYS("ctl", "not a template yet");
    assert_true(vm_freeze(new));
    settle();
    assert_true(vm_is_template(new));
    SAYS("new/status", "state template\n");
    assert_int_equal(files_write(&f, "ctl", "clone new two  a 'b c'"), 0);
    SAYS("two/status", "state running\n");
    SAYS("two/status", "template new\n");
    assert_string_equal(vm_find("two")->cfg.cmdline, "a 'b c'");
    assert_false(vm_find("two")->cfg.template);
    assert_int_equal(files_write(&f, "new/ctl", "clone three"), 0);
    assert_int_equal(files_write(&f, "ctl", "clone new three"), NINEP_EEXIST);
    assert_int_equal(files_write(&f, "ctl", "clone two four x"), NINEP_EINVAL);
    SAYS("ctl", "only clones of templates");
    assert_int_equal(files_write(&f, "ctl", "clone two four"), 0); /* a definition: to be cloned when it is started */
    SAYS("four/status", "state off\n");
    SAYS("four/status", "template new\n");
    assert_int_equal(files_write(&f, "ctl", "remove new"), NINEP_EBUSY);
    assert_int_equal(files_write(&f, "new/ctl", "stop"), 0);
    settle();
    SAYS("new/status", "state off\n");
    assert_int_equal(files_write(&f, "ctl", "remove new"), 0);
}

static void the_console_is_kept_and_can_be_typed_on(void **)
{
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M"), 0);
    assert_int_equal(files_write(&f, "new/cons", "x"), NINEP_EIO);
    assert_int_equal(files_write(&f, "new/ctl", "start"), 0);
    f.w.server.refills = true; /* so that the end of what is there is an answer */
    tty_output(&line, (const uint8_t *)"hello\r\n", 7);
    assert_string_equal(files_read(&f, "new/cons"), "hello\r\n");
    for (int i = 0; i < 3000; i++)
        tty_output(&line, (const uint8_t *)"0123456789", 10);
    assert_int_equal(strlen(files_read(&f, "new/cons")), 8192);
    assert_int_equal(files_write(&f, "new/cons", "ls\n"), 0);
    assert_string_equal(typed, "ls\n");
}

static void the_log_of_a_guest_has_its_own_lines(void **)
{
    assert_int_equal(make("a"), 0);
    assert_int_equal(make("ab"), 0);
    ns_log("a: one");
    ns_log("ab: two");
    ns_log("a: three");
    assert_string_equal(files_read(&f, "a/log"), "a: one\na: three\n");
    assert_string_equal(files_read(&f, "ab/log"), "ab: two\n");
    for (int i = 0; i < 2000; i++)
        ns_log("somebody: talks");
    ns_log("a: four");
    assert_string_equal(files_read(&f, "a/log"), "a: four\n");
}

static void a_namespace_line_gives_these_trees_and_no_others(void **)
{
    char why[160];

    assert_int_equal(boss->nshares, 4);
    assert_null(share_of(boss, "blk"));
    assert_ptr_equal(boss->line->dev != NULL, true);
    assert_false(boss->share[1].read_only);
    assert_true(boss->share[3].read_only);
    assert_int_equal(ns_check("/dev\t/blk:ro  /vm", why, sizeof why), OK);
    assert_int_equal(ns_check("", why, sizeof why), OK);
    static const char *const bad[] = { "vm", "/vm:rw", "/vm:", "/", "/vmx", "/v", "/dev,/vm", "/vm /vm:ro", "/vm:ro:ro" };
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(ns_check(bad[i], why, sizeof why), ERR_INVAL);
    const struct vm_config cfg = { .name = "bad", .memory = MIB(4), .vcpus = 1, .spaces = "/etc" };
    struct vm *vm;
    assert_int_equal(ns_guest_add(&cfg, pc, &vm), ERR_INVAL);
    assert_null(vm_find("bad"));
}

static void no_memory_for_a_guest_leaves_nothing_behind(void **)
{
    uint64_t before = fake_pages_in_use();

    for (unsigned n = 1; n <= 2; n++) {
        fake_fail_alloc(n);
        assert_int_equal(make("new"), NINEP_ENOMEM);
        SAYS("ctl", "no memory");
        assert_int_equal(fake_pages_in_use(), before);
    }
    fake_fail_alloc(0);
    assert_int_equal(make("new"), 0);
    assert_int_equal(files_write(&f, "new/ctl", "linux /linux/vmlinuz memory=64M"), 0);
    fake_fail_alloc(1);
    assert_int_equal(files_write(&f, "new/ctl", "start"), NINEP_ENOMEM);
    fake_fail_alloc(0);
    SAYS("new/ctl", "not enough memory");
    SAYS("new/status", "why failed to start: ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_guest_is_made_defined_started_and_stopped),
        TEST(a_reset_guest_runs_again),
        TEST(lines_may_come_one_by_one_and_change_what_they_name),
        TEST(a_mistake_is_told_and_changes_nothing),
        cmocka_unit_test_setup_teardown(an_app_may_be_put_into_a_vm, begin_with_apps, end),
        cmocka_unit_test_setup_teardown(without_virtualisation_an_app_is_not_isolated, begin_without_vms, end),
        TEST(names_are_checked),
        TEST(a_clone_is_like_its_origin_but_for_its_name),
        TEST(a_template_is_cloned_and_the_clone_runs),
        TEST(the_console_is_kept_and_can_be_typed_on),
        TEST(the_log_of_a_guest_has_its_own_lines),
        TEST(a_namespace_line_gives_these_trees_and_no_others),
        TEST(no_memory_for_a_guest_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
