/* app/: a guest on a scripted user-mode CPU: what it finds at its start, the gate, upcalls, events, channels, its end. */
#include "test/unit/unit.h"
#include <string.h>
#include "abi/image.h"
#include "app/app.h"
#include "base/fmt.h"
#include "base/str.h"
#include "boot/appimage.h"
#include "ground/fake/fake.h"
#include "vm/cpu.h"
#include "vm/run.h"
#include "vm/sched.h"
#include "vm/work.h"

#define MS 1000000u
#define HEAP 0x10000000ull
#define STACK_TOP (APP_LIBOS + 0x1800)

/* --- the CPU: runs a script instead of a guest --------------------------------------------------------------------------- */
static void (*script)(struct vcpu *, struct user_exit *);
static unsigned steps, loads, unloads, inits;

static const char *lacks(void) { return NULL; }
static err_t cpu_start(void) { return OK; }
static uint64_t top_entry(void) { return 0; }
static err_t init(struct vcpu *, struct space *, uint64_t gate)
{
    assert_int_equal(gate, APP_AREA_GATE);
    inits++;
    return OK;
}
static void fini(struct vcpu *)
{
    inits--;
}
static void reset(struct vcpu *, uint64_t gs)
{
    assert_int_not_equal(gs, 0);
}
static void load(struct vcpu *v) { (void)v, loads++; }
static void unload(struct vcpu *v) { (void)v, unloads++; }
static void run(struct vcpu *v, struct user_exit *x)
{
    *x = (struct user_exit){ .kind = USER_IRQ };
    if (script)
        script(v, x);
    steps++;
}
static const struct user_ops fake_user = { .name = "fake", .lacks = lacks, .cpu_start = cpu_start, .top_entry = top_entry, .gate = { 0xC3 },
    .init = init, .fini = fini, .reset = reset, .load = load, .unload = unload, .run = run };

/* --- the guest ----------------------------------------------------------------------------------------------------------- */
#define LIBOS_BYTES (2 * PAGE_SIZE)
#define FS_BYTES (3 * PAGE_SIZE)
static uint8_t file[PAGE_SIZE + LIBOS_BYTES + FS_BYTES] ALIGNED(PAGE_SIZE);
static struct vm *vm;
static struct app *app;

static const char strings[] = "calc\0/bin/calc\0/work\0adds\0calc\0-q\0HOME=/root";

static void image_make(void)
{
    struct app_image libos = { .magic = APP_MAGIC, .version = APP_VERSION, .entry = APP_LIBOS + 0x100, .missed = APP_LIBOS + 0x200,
        .upcalls = APP_LIBOS + 0x400, .stack = APP_LIBOS + 0x2000, .cpu0 = APP_LIBOS + 0x1000, .text_end = APP_LIBOS + 0x1000,
        .data_end = APP_LIBOS + 0x4000 };
    struct app_cpu cpu = { .masked = 1, .stack_top = STACK_TOP, .stack_size = 1024 };
    struct image_head head = { .magic = IMAGE_MAGIC, .version = IMAGE_VERSION, .head_size = PAGE_SIZE, .flags = IMAGE_REWRITTEN,
        .app_version = APP_VERSION, .libos_at = PAGE_SIZE, .libos_size = LIBOS_BYTES, .fs_at = PAGE_SIZE + LIBOS_BYTES, .fs_size = FS_BYTES,
        .argc = 2, .envc = 1, .strings_size = sizeof strings };

    memset(file, 0, sizeof file);
    memcpy(file + sizeof head, strings, sizeof strings);
    memcpy(file, &head, sizeof head);
    head.checksum = appimage_checksum(file, PAGE_SIZE);
    memcpy(file, &head, sizeof head);
    memcpy(file + PAGE_SIZE, &libos, sizeof libos);
    memcpy(file + 2 * PAGE_SIZE, &cpu, sizeof cpu);
    memset(file + PAGE_SIZE + LIBOS_BYTES, 'F', FS_BYTES);
}

static struct app_boot record(void)
{
    struct app_boot b;

    assert_int_equal(space_read(&app->space, APP_AREA, &b, sizeof b), OK);
    return b;
}

static void turn(void)
{
    fake_set_tsc(ground_tsc() + 1000);
    sched_step();
}

/* Long enough for all to have had their turn. */
static void turns(void)
{
    for (unsigned i = 0; i < 6; i++) {
        fake_set_tsc(ground_tsc() + 10 * MS);
        sched_step();
    }
}

static bool isolate;
static err_t start(unsigned cpus)
{
    static unsigned count;
    struct vm_config cfg = { .memory = MIB(4), .vcpus = cpus, .app = true, .isolate = isolate, .kernel = { file, sizeof file }, .cmdline = " one 'two  words'" };
    err_t e;

    fmt_text(cfg.name, sizeof cfg.name, "app%u", count++);
    assert_int_equal(vm_add(&cfg, &machine_app, &vm), OK);
    e = vm_start(vm);
    app = vm->pc;
    return e;
}

static void end(void)
{
    vm_stop(vm, VM_STOPPED, "%s", "");
    for (unsigned i = 0; i < 100 && atomic_load(&vm->state) != VM_OFF; i++) {
        fake_set_tsc(ground_tsc() + 20 * MS);
        sched_step();
        vm_reap();
    }
    assert_int_equal(atomic_load(&vm->state), VM_OFF);
    assert_int_equal(vm_remove(vm), OK);
}

static uint64_t pages;

static int setup(void **)
{
    user = &fake_user;
    user_vm = NULL;
    isolate = false;
    cpu = NULL;
    script = NULL;
    steps = loads = unloads = 0;
    fake_set_tsc(10 * MS);
    fake_set_cpus(1, 0);
    assert_int_equal(app_init(), OK);
    sched_init();
    work_init();
    image_make();
    pages = fake_pages_in_use();
    return 0;
}

static int teardown(void **)
{
    assert_int_equal(inits, 0);
    assert_int_equal(fake_pages_in_use(), pages);
    return 0;
}

/* One gate call by the boot CPU. */
static int64_t call(uint64_t n, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4)
{
    struct app_vcpu *c = app->cpu[0];
    uint64_t *r = c->v.r.gpr;

    r[REG_RAX] = n;
    r[REG_RDI] = a0, r[REG_RSI] = a1, r[REG_RDX] = a2, r[REG_R8] = a3, r[REG_R9] = a4;
    app_gate(c);
    return (int64_t)r[REG_RAX];
}

/* --- start --------------------------------------------------------------------------------------------------------------- */
static void it_finds_its_image_arguments_and_environment(void **)
{
    char text[64];
    uint8_t byte;

    assert_int_equal(start(2), OK);
    struct app_boot b = record();
    assert_int_equal(b.magic, APP_MAGIC);
    assert_int_equal(b.ncpus, 2);
    assert_int_equal(b.mem_limit, MIB(4));
    assert_string_equal(b.program, "/bin/calc");
    assert_string_equal(b.cwd, "/work");
    assert_string_equal(b.host, vm->cfg.name);
    assert_int_equal(b.argc, 4);
    assert_int_equal(b.envc, 1);
    assert_int_equal(b.image_flags, IMAGE_REWRITTEN);
    static const char want[] = "calc\0-q\0one\0two  words\0HOME=/root";
    assert_int_equal(b.strings_size, sizeof want);
    assert_int_equal(space_read(&app->space, b.strings, text, sizeof want), OK);
    assert_memory_equal(text, want, sizeof want);
    assert_int_equal(space_read(&app->space, b.image + FS_BYTES - 1, &byte, 1), OK);
    assert_int_equal(byte, 'F');
    assert_true(b.image >= b.free && b.free % PAGE_SIZE == 0);
    assert_int_equal(app->cpu[0]->v.r.rip, APP_LIBOS + 0x100);
    assert_int_equal(app->cpu[0]->v.r.gpr[REG_RDI], APP_AREA);
    end();
}

static void a_broken_image_does_not_start_and_says_why(void **)
{
    file[20]++; /* the head's app_version: the checksum is wrong now, too */
    assert_int_not_equal(start(1), OK);
    assert_true(strlen(vm->why_text) > 10);
    assert_int_equal(vm_remove(vm), OK);
    image_make();
    ((struct app_image *)(void *)(file + PAGE_SIZE))->upcalls = ~0ull;
    assert_int_equal(start(1), ERR_FORMAT);
    assert_int_equal(vm_remove(vm), OK);
    image_make();
    ((struct app_cpu *)(void *)(file + 2 * PAGE_SIZE))->stack_top = 8; /* smaller than the stack */
    assert_int_equal(start(1), ERR_RANGE);
    assert_int_equal(vm_remove(vm), OK);
}

/* Address 0 has a page of the libos, or nothing. */
static void the_sled_is_a_page_of_the_text(void **)
{
    struct app_image *libos = (struct app_image *)(void *)(file + PAGE_SIZE);
    const uint64_t wild[] = { APP_LIBOS + 8, APP_LIBOS - PAGE_SIZE, libos->text_end, PAGE_SIZE, ~0ull, ~0ull - PAGE_SIZE + 1 };
    uint32_t magic = 0;

    assert_int_equal(start(1), OK);
    assert_int_equal(space_read(&app->space, APP_SLED, &magic, sizeof magic), ERR_RANGE);
    end();
    libos->sled = APP_LIBOS;
    assert_int_equal(start(1), OK);
    assert_int_equal(space_read(&app->space, APP_SLED, &magic, sizeof magic), OK);
    assert_int_equal(magic, APP_MAGIC);
    assert_int_not_equal(space_write(&app->space, APP_SLED, &magic, sizeof magic), OK);
    end();
    for (unsigned i = 0; i < ARRAY_LEN(wild); i++) {
        libos->sled = wild[i];
        assert_int_equal(start(1), ERR_FORMAT);
        assert_int_equal(vm_remove(vm), OK);
    }
    image_make();
}

static unsigned vm_inits;
static err_t vm_init(struct vcpu *v, struct space *s, uint64_t gate)
{
    vm_inits++;
    return init(v, s, gate);
}

/* Each guest has the backend it was made with, and that one's gate. */
static void an_isolated_app_runs_on_the_other_backend(void **)
{
    struct user_ops other = fake_user;
    struct app *plain;
    uint8_t byte = 0;

    isolate = true;
    assert_int_equal(start(1), ERR_UNSUPPORTED);
    assert_non_null(strstr(vm->why_text, "inside a VM"));
    assert_int_equal(vm_remove(vm), OK);
    other.init = vm_init;
    other.gate[0] = 0xF4;
    user_vm = &other;
    assert_int_equal(start(2), OK);
    assert_int_equal(vm_inits, 2);
    struct vm *isolated = vm;
    isolate = false;
    assert_int_equal(start(1), OK);
    plain = app;
    assert_int_equal(vm_inits, 2);
    assert_ptr_equal(plain->user, &fake_user);
    assert_int_equal(space_read(&plain->space, APP_AREA_GATE, &byte, 1), OK);
    assert_int_equal(byte, 0xC3);
    vm_stop(vm, VM_STOPPED, "%s", "");
    struct vm *first = vm;
    vm = isolated;
    app = vm->pc;
    assert_int_equal(space_read(&app->space, APP_AREA_GATE, &byte, 1), OK);
    assert_int_equal(byte, 0xF4);
    end();
    assert_int_equal(vm_remove(first), OK);
}

static void whatever_allocation_fails_nothing_is_lost(void **)
{
    err_t e = ERR_NOMEM;
    unsigned n;

    for (n = 2; e && n < 200; n++) { /* the first is vm_add's */
        fake_fail_alloc(n);
        e = start(2);
        fake_fail_alloc(0);
        if (e) {
            assert_int_equal(e, ERR_NOMEM);
            assert_int_equal(vm_remove(vm), OK);
            assert_int_equal(fake_pages_in_use(), pages);
        }
    }
    assert_in_range(n, 10, 190);
    end();
}

/* --- templates -------------------------------------------------------------------------------------------------------------- */
static struct vm *template;

static void template_make(void)
{
    assert_int_equal(start(2), OK);
    vm->cfg.template = true;
    assert_int_equal(call(APP_MAP, HEAP, MIB(1), 3, 0, 0), 0);
    assert_int_equal(space_write(&app->space, HEAP, "warm", 5), OK);
    app->cpu[0]->v.r.rip = 0x5000;
    app->cpu[0]->v.r.gpr[REG_RBX] = 4711;
    assert_int_equal(call(APP_TEMPLATE, 0, 0, 0, 0, 0), 1);
    assert_false(vm_is_template(vm)); /* its CPUs have not left */
    turns();
    assert_true(vm_is_template(vm));
    template = vm;
}

static err_t clone_start(const char *name)
{
    struct vm_config cfg = template->cfg;
    err_t e;

    cfg.template = false;
    str_copy(cfg.name, sizeof cfg.name, name);
    str_copy(cfg.from, sizeof cfg.from, template->cfg.name);
    str_copy(cfg.cmdline, sizeof cfg.cmdline, "run 'it now'");
    e = vm_add(&cfg, &machine_app, &vm);
    if (!e)
        e = vm_start(vm);
    app = e ? NULL : vm->pc;
    return e;
}

static void template_end(void)
{
    vm = template;
    end();
}

static void a_guest_that_is_to_become_no_template_goes_on(void **)
{
    assert_int_equal(start(1), OK);
    assert_int_equal(record().flags, 0);
    assert_int_equal(call(APP_TEMPLATE, 0, 0, 0, 0, 0), 0);
    turn();
    assert_int_equal(atomic_load(&vm->state), VM_RUNNING);
    end();
}

static void a_clone_goes_on_where_its_template_stopped_as_somebody_else(void **)
{
    struct app_boot first, second;
    uint64_t before;
    char text[32];

    template_make();
    before = fake_pages_in_use();
    assert_int_equal(clone_start("one"), OK);
    first = record();
    struct vm *one = vm;
    const struct regs *r = &app->cpu[0]->v.r;
    assert_int_equal(r->rip, 0x5000);
    assert_int_equal(r->gpr[REG_RBX], 4711);
    assert_int_equal(r->gpr[REG_RAX], 1);
    assert_int_equal(app->cpu[0]->shared, APP_LIBOS + 0x1000);
    assert_ptr_not_equal(app->cpu[0]->head, ((struct app *)template->pc)->cpu[0]->head);
    assert_int_equal(clone_start("two"), OK);
    second = record();
    assert_string_equal(first.host, "one");
    assert_string_equal(second.host, "two");
    assert_int_not_equal(first.pid, second.pid);
    assert_int_not_equal(first.pid, 1);
    assert_int_equal(first.flags, 0);
    assert_int_equal(first.argc, 3);
    assert_memory_not_equal(first.seed, second.seed, sizeof first.seed);
    static const char want[] = "two\0run\0it now";
    assert_int_equal(second.strings_size, sizeof want);
    assert_int_equal(space_read(&app->space, second.strings, text, sizeof want), OK);
    assert_memory_equal(text, want, sizeof want);
    assert_int_equal(machine_app.shared(vm), PAGE_SIZE);
    assert_int_equal(space_write(&app->space, HEAP, "cold", 5), OK);
    assert_int_equal(machine_app.shared(vm), 0);
    assert_int_equal(space_read(&((struct app *)one->pc)->space, HEAP, text, 5), OK);
    assert_string_equal(text, "warm");
    end();
    vm = one;
    end();
    assert_int_equal(fake_pages_in_use(), before);
    template_end();
}

static void a_clone_outlives_its_template_and_cannot_be_made_again(void **)
{
    char text[8], why[64];

    template_make();
    assert_int_equal(clone_start("one"), OK);
    struct vm *one = vm;
    fmt_text(why, sizeof why, "there is no template %s", template->cfg.name);
    template_end();
    vm = one;
    app = one->pc;
    assert_int_equal(space_read(&app->space, HEAP, text, 5), OK);
    assert_string_equal(text, "warm");
    assert_int_equal(space_write(&app->space, HEAP, "cold", 5), OK);
    vm_stop(vm, VM_RESET, "%s", "");
    for (unsigned i = 0; i < 20 && atomic_load(&vm->state) != VM_OFF; i++) {
        turns();
        vm_reap();
    }
    assert_string_equal(vm->why_text, why);
    assert_int_equal(vm_remove(vm), OK);
}

static void whatever_allocation_fails_a_clone_leaves_nothing(void **)
{
    err_t e = ERR_NOMEM;
    uint64_t before;
    unsigned n;

    template_make();
    before = fake_pages_in_use();
    for (n = 2; e && n < 200; n++) {
        fake_fail_alloc(n);
        e = clone_start("one");
        fake_fail_alloc(0);
        if (e) {
            assert_int_equal(e, ERR_NOMEM);
            assert_int_equal(vm_remove(vm), OK);
            assert_int_equal(fake_pages_in_use(), before);
        }
    }
    assert_in_range(n, 5, 190);
    end();
    template_end();
}

/* --- the gate -------------------------------------------------------------------------------------------------------------- */
static void memory_calls_check_their_arguments(void **)
{
    assert_int_equal(start(1), OK);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, APP_READ | APP_WRITE, 0, 0), 0);
    assert_int_equal(call(APP_MAP, HEAP + 1, PAGE_SIZE, 3, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, BIT64(32) | 3, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_MAP, APP_TOP, PAGE_SIZE, 3, 0, 0), APP_RANGE);
    assert_int_equal(call(APP_MAP, HEAP, MIB(5), 3, 0, 0), APP_NOMEM);
    assert_int_equal(call(APP_MAP, APP_LIBOS + 0x1000, PAGE_SIZE, 3, 0, 0), APP_BUSY);
    assert_int_equal(call(APP_UNMAP, 0, APP_TOP, 0, 0, 0), APP_BUSY);
    assert_int_equal(call(APP_PROTECT, 0, ~0xFFFull, 1, 0, 0), APP_BUSY);
    assert_int_equal(call(APP_UNMAP, HEAP, PAGE_SIZE, 0, 0, 0), 0);
    assert_int_equal(call(99, 0, 0, 0, 0, 0), APP_INVAL);
    assert_int_equal(call(~0ull, 0, 0, 0, 0, 0), APP_INVAL);
    end();
}

static void a_batch_of_memory_calls_ends_at_the_first_that_fails(void **)
{
    struct app_batched b[3] = { { APP_MAP, { HEAP + PAGE_SIZE, PAGE_SIZE, 3 } }, { APP_MAP, { HEAP + 1, PAGE_SIZE, 3 } }, { APP_MAP, { HEAP + 2 * PAGE_SIZE, PAGE_SIZE, 3 } } };

    assert_int_equal(start(1), OK);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, 3, 0, 0), 0);
    assert_int_equal(space_write(&app->space, HEAP, b, sizeof b), OK);
    assert_int_equal(call(APP_BATCH, HEAP, 3, 0, 0, 0), APP_INVAL);
    assert_true(space_mapped(&app->space, HEAP + PAGE_SIZE, PAGE_SIZE));
    assert_false(space_mapped(&app->space, HEAP + 2 * PAGE_SIZE, PAGE_SIZE));
    b[1] = (struct app_batched){ APP_UNMAP, { HEAP, PAGE_SIZE } }; /* where the list is */
    assert_int_equal(space_write(&app->space, HEAP, b, sizeof b), OK);
    assert_int_equal(call(APP_BATCH, HEAP, 3, 0, 0, 0), APP_RANGE);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, 3, 0, 0), 0);
    b[1].call = APP_EXIT;
    assert_int_equal(space_write(&app->space, HEAP, b, sizeof b), OK);
    assert_int_equal(call(APP_BATCH, HEAP, 3, 0, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_BATCH, HEAP, APP_BATCH_MAX + 1, 0, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_BATCH, HEAP, 0, 0, 0, 0), 0);
    assert_int_equal(call(APP_BATCH, ~0ull, 1, 0, 0, 0), APP_RANGE);
    end();
}

static void files_of_the_image_are_mapped_and_copied_on_write(void **)
{
    uint8_t byte = 'x';

    assert_int_equal(start(1), OK);
    uint64_t image = (uint64_t)APP_IMAGE << 32;
    assert_int_equal(call(APP_MAP_FILE, HEAP, 2 * PAGE_SIZE, APP_READ | APP_WRITE, image, PAGE_SIZE), 0);
    assert_int_equal(space_write(&app->space, HEAP, &byte, 1), OK);
    assert_int_equal(file[PAGE_SIZE + LIBOS_BYTES + PAGE_SIZE], 'F');
    assert_int_equal(call(APP_MAP_FILE, HEAP, 3 * PAGE_SIZE, APP_READ, image, PAGE_SIZE), APP_RANGE);
    assert_int_equal(call(APP_MAP_FILE, HEAP, PAGE_SIZE, APP_READ, image, ~0xFFFull), APP_RANGE);
    assert_int_equal(call(APP_MAP_FILE, HEAP, PAGE_SIZE, APP_READ, image, 5), APP_INVAL);
    assert_int_equal(call(APP_MAP_FILE, HEAP, PAGE_SIZE, APP_READ | APP_SHARED, image, 0), APP_INVAL);
    assert_int_equal(call(APP_MAP_FILE, HEAP, PAGE_SIZE, APP_READ, image | 7, 0), APP_INVAL);
    assert_int_equal(call(APP_MAP_FILE, HEAP, PAGE_SIZE, APP_READ, 0, 0), APP_INVAL); /* it has no channel */
    end();
}

static void log_lines_are_cleaned_and_bounded(void **)
{
    assert_int_equal(start(1), OK);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, 3, 0, 0), 0);
    assert_int_equal(space_write(&app->space, HEAP, "a\033[2Jb", 6), OK);
    assert_int_equal(call(APP_LOG, HEAP, 6, 0, 0, 0), 0);
    assert_non_null(strstr(fake_last_log(), ": a?[2Jb"));
    assert_int_equal(call(APP_LOG, HEAP, 1025, 0, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_LOG, HEAP + PAGE_SIZE - 2, 6, 0, 0, 0), APP_RANGE);
    assert_int_equal(call(APP_LOG, ~0ull, 6, 0, 0, 0), APP_RANGE);
    end();
}

static void exit_ends_the_guest_with_its_status(void **)
{
    assert_int_equal(start(1), OK);
    call(APP_EXIT, 7, 0, 0, 0, 0);
    assert_int_equal(vm->why, VM_EXITED);
    assert_string_equal(vm->why_text, "status 7");
    end();
    assert_int_equal(start(1), OK);
    call(APP_EXIT, APP_EXIT_SIGNAL + 11, 0, 0, 0, 0);
    assert_string_equal(vm->why_text, "killed by signal 11");
    end();
}

/* --- faults and events ------------------------------------------------------------------------------------------------------- */
static uint64_t fault_at;
static uint32_t fault_error;

static void fault_once(struct vcpu *, struct user_exit *x)
{
    if (steps == 0)
        *x = (struct user_exit){ USER_EXCEPTION, VEC_PF, true, fault_error, fault_at };
}

static void a_fault_of_its_own_enters_the_libos(void **)
{
    uint64_t frame[6];

    assert_int_equal(start(1), OK);
    script = fault_once;
    fault_at = HEAP + 123, fault_error = 6;
    app->cpu[0]->v.r.gpr[REG_RSP] = 0x12345678;
    turn();
    assert_int_equal(app->cpu[0]->v.r.rip, APP_LIBOS + 0x400 + 14 * APP_STUB);
    assert_int_equal(app->cpu[0]->v.r.gpr[REG_RSP], STACK_TOP - 48);
    assert_int_equal(space_read(&app->space, STACK_TOP - 48, frame, sizeof frame), OK);
    assert_int_equal(frame[0], 6);
    assert_int_equal(frame[1], APP_LIBOS + 0x100);
    assert_int_equal(frame[2], 0x33);
    assert_int_equal(frame[4], 0x12345678);
    assert_int_equal(call(APP_FAULT, 0, 0, 0, 0, 0), HEAP + 123);
    end();
}

static void a_first_touch_is_served_without_the_libos(void **)
{
    assert_int_equal(start(1), OK);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, 3, 0, 0), 0);
    script = fault_once;
    fault_at = HEAP, fault_error = 6;
    turn();
    assert_int_equal(app->cpu[0]->v.r.rip, APP_LIBOS + 0x100);
    end();
}

static void where_the_machine_has_no_page_only_that_guest_ends(void **)
{
    assert_int_equal(start(1), OK);
    assert_int_equal(call(APP_MAP, HEAP, PAGE_SIZE, 3, 0, 0), 0);
    script = fault_once;
    fault_at = HEAP, fault_error = 6;
    fake_fail_alloc(1);
    turn();
    fake_fail_alloc(0);
    assert_int_equal(vm->why, VM_FAILED);
    assert_non_null(strstr(vm->why_text, "memory"));
    end();
}

static void without_a_page_for_its_write_only_the_clone_ends(void **)
{
    template_make();
    assert_int_equal(clone_start("one"), OK);
    script = fault_once;
    steps = 0;
    fault_at = HEAP, fault_error = 7;
    fake_fail_alloc(1);
    turn();
    fake_fail_alloc(0);
    assert_int_equal(vm->why, VM_FAILED);
    assert_true(vm_is_template(template));
    end();
    template_end();
}

static void stray(struct vcpu *, struct user_exit *x)
{
    if (steps == 0)
        x->kind = USER_SYSCALL;
}

static void a_stray_system_call_arrives_at_missed(void **)
{
    assert_int_equal(start(1), OK);
    script = stray;
    turn();
    assert_int_equal(app->cpu[0]->v.r.rip, APP_LIBOS + 0x200);
    end();
}
static void unclear(struct vcpu *, struct user_exit *x)
{
    if (steps == 0)
        x->kind = USER_UNCLEAR;
}

static void explain(struct vcpu *v, struct user_exit *x)
{
    uint8_t byte;

    assert_false(atomic_load(&app_vcpu_of(v)->inside)); /* or who waits for that under the space's lock would for ever */
    assert_int_equal(space_read(&app->space, APP_LIBOS, &byte, 1), OK);
    x->kind = USER_SYSCALL;
}

static void what_is_unclear_is_explained_outside_the_guest(void **)
{
    struct user_ops other = fake_user;

    other.explain = explain;
    user = &other;
    assert_int_equal(start(1), OK);
    script = unclear;
    turn();
    assert_int_equal(app->cpu[0]->v.r.rip, APP_LIBOS + 0x200);
    end();
}

static void events_wait_for_the_mask_and_the_stack(void **)
{
    struct app_vcpu *c;

    assert_int_equal(start(1), OK);
    c = app->cpu[0];
    app_event(c, APP_EVENT_WAKE);
    turn();
    assert_int_equal(c->head->pending, 1);
    assert_int_equal(c->head->events, APP_EVENT_WAKE);
    assert_int_equal(c->v.r.rip, APP_LIBOS + 0x100); /* masked */
    c->head->masked = 0;
    c->v.r.gpr[REG_RSP] = STACK_TOP - 100;
    turn();
    assert_int_equal(c->v.r.rip, APP_LIBOS + 0x100); /* on its upcall stack */
    c->v.r.gpr[REG_RSP] = 0x1000;
    turn();
    assert_int_equal(c->v.r.rip, APP_LIBOS + 0x400 + 32 * APP_STUB);
    end();
}

static void a_wait_ends_with_an_event_or_its_deadline(void **)
{
    struct app_vcpu *c;
    unsigned before;

    assert_int_equal(start(1), OK);
    c = app->cpu[0];
    turn();
    assert_int_equal(call(APP_WAIT, 0, 0, 0, 0, 0), 0);
    before = steps;
    turn(), turn();
    assert_int_equal(steps, before);
    machine_app.signal(vm, 15);
    turn();
    assert_int_equal(steps, before + 1);
    assert_int_equal(c->head->events, APP_EVENT_SIGNAL);
    assert_int_equal(*c->signals, 1u << 14);
    c->head->pending = 0;
    call(APP_WAIT, ground_tsc() + 5 * MS, 0, 0, 0, 0);
    turn(), turn();
    assert_int_equal(steps, before + 1);
    assert_in_range(fake_timer(), ground_tsc(), ground_tsc() + 6 * MS);
    fake_set_tsc(ground_tsc() + 6 * MS);
    turn();
    assert_int_equal(steps, before + 2);
    end();
}

static void a_timer_is_an_event(void **)
{
    assert_int_equal(start(1), OK);
    turn();
    call(APP_TIMER, ground_tsc() + 3 * MS, 0, 0, 0, 0);
    turn();
    assert_int_equal(app->cpu[0]->head->pending, 0);
    fake_set_tsc(ground_tsc() + 4 * MS);
    turn();
    assert_int_equal(app->cpu[0]->head->events, APP_EVENT_TIMER);
    end();
}

static void cpus_start_and_stop(void **)
{
    struct app_cpu second = { .masked = 1, .id = 1, .stack_top = HEAP + 0x1000, .stack_size = 2048 };

    assert_int_equal(start(2), OK);
    assert_int_equal(call(APP_MAP, HEAP, 2 * PAGE_SIZE, 3, 0, 0), 0);
    assert_int_equal(space_write(&app->space, HEAP + 0x1000, &second, sizeof second), OK);
    assert_int_equal(call(APP_CPU_START, 2, 0, 0, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_CPU_START, 0, APP_LIBOS, 0, HEAP + 0x1000, 0), APP_BUSY);
    assert_int_equal(call(APP_CPU_START, 1, APP_LIBOS, 0, HEAP + 0x1008, 0), APP_RANGE);
    assert_int_equal(call(APP_CPU_START, 1, APP_TOP, 0, HEAP + 0x1000, 0), APP_RANGE);
    assert_int_equal(call(APP_CPU_START, 1, APP_LIBOS, 0, HEAP + MIB(64), 0), APP_RANGE);
    assert_int_equal(call(APP_WAKE, 1, 0, 0, 0, 0), APP_INVAL);
    assert_int_equal(call(APP_CPU_START, 1, APP_LIBOS + 0x300, 0x7000, HEAP + 0x1000, 0), 0);
    assert_int_equal(call(APP_CPU_START, 1, APP_LIBOS, 0, HEAP + 0x1000, 0), APP_BUSY);
    assert_int_equal(call(APP_UNMAP, HEAP + 0x1000, PAGE_SIZE, 0, 0, 0), APP_BUSY);
    assert_int_equal(call(APP_WAKE, 1, 0, 0, 0, 0), 0);
    turns();
    assert_int_equal(app->cpu[1]->head->events, APP_EVENT_WAKE);
    assert_int_equal(call(APP_CPU_STOP, 0, 0, 0, 0, 0), APP_INVAL);
    app->cpu[1]->v.r.gpr[REG_RAX] = APP_CPU_STOP;
    app_gate(app->cpu[1]);
    turns();
    assert_int_equal(atomic_load(&app->cpu[1]->v.state), VCPU_OFF);
    assert_int_equal(call(APP_UNMAP, HEAP + 0x1000, PAGE_SIZE, 0, 0, 0), 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(it_finds_its_image_arguments_and_environment),
        T(the_sled_is_a_page_of_the_text),
        T(a_broken_image_does_not_start_and_says_why),
        T(an_isolated_app_runs_on_the_other_backend),
        T(whatever_allocation_fails_nothing_is_lost),
        T(a_guest_that_is_to_become_no_template_goes_on),
        T(a_clone_goes_on_where_its_template_stopped_as_somebody_else),
        T(a_clone_outlives_its_template_and_cannot_be_made_again),
        T(whatever_allocation_fails_a_clone_leaves_nothing),
        T(without_a_page_for_its_write_only_the_clone_ends),
        T(memory_calls_check_their_arguments),
        T(a_batch_of_memory_calls_ends_at_the_first_that_fails), T(files_of_the_image_are_mapped_and_copied_on_write),
        T(log_lines_are_cleaned_and_bounded),
        T(exit_ends_the_guest_with_its_status),
        T(a_fault_of_its_own_enters_the_libos),
        T(a_first_touch_is_served_without_the_libos),
        T(where_the_machine_has_no_page_only_that_guest_ends),
        T(a_stray_system_call_arrives_at_missed),
        T(what_is_unclear_is_explained_outside_the_guest),
        T(events_wait_for_the_mask_and_the_stack),
        T(a_wait_ends_with_an_event_or_its_deadline),
        T(a_timer_is_an_event),
        T(cpus_start_and_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
