/* dev/pc: a whole guest on the fake ground and the fake CPU: what it finds in its memory and at its ports, how it ends, and
 * that every failed start gives everything back. The power registers are tested here too. */
#define _GNU_SOURCE
#include "test/unit/unit.h"
#include <string.h>
#include "base/bytes.h"
#include "base/str.h"
#include "boot/linux.h"
#include "cpu/fake/fake.h"
#include "dev/pc.h"
#include "dev/pc_map.h"
#include "ground/fake/fake.h"
#include "io/ramdisk.h"
#include "io/tty.h"
#include "vm/irq.h"
#include "vm/sched.h"

enum { SETUP = 1024, PAYLOAD = 0x4000 };

static uint8_t kernel[SETUP + PAYLOAD], initrd[2][5000], disk_bytes[2][4096];
static struct ramdisk disk[2];
static struct vm *vm;
static struct vm_config cfg;
static unsigned opened, closed, name_count;
static char typed_out[64];
static struct tty *lines[4];
static uint64_t pages_before;

static void on_opened(struct tty *t) { lines[opened++ % 4] = t; }
static void on_closed(struct tty *t) { (void)t; closed++; }
static void on_output(struct tty *, const uint8_t *bytes, size_t n)
{
    strncat(typed_out, (const char *)bytes, n);
}
static void on_drained(struct tty *t) { (void)t; }
static const struct tty_user_ops user = { on_opened, on_closed, on_output, on_drained };

static void make_kernel(void)
{
    memset(kernel, 0, sizeof kernel);
    memset(kernel + SETUP, 0xC4, PAYLOAD);
    kernel[0x1F1] = 1;
    put_le32(kernel + 0x1F4, PAYLOAD / 16);
    put_le16(kernel + 0x1FE, 0xAA55);
    kernel[0x201] = 0x6A;
    memcpy(kernel + 0x202, "HdrS", 4);
    put_le16(kernel + 0x206, 0x20F);
    put_le32(kernel + 0x22C, 0x7FFFFFFF);
    put_le16(kernel + 0x236, 1);
    put_le32(kernel + 0x238, 2047);
    put_le64(kernel + 0x258, MIB(2));
    put_le32(kernel + 0x260, (uint32_t)MIB(3));
}

static int set_up(void **)
{
    make_kernel();
    memset(initrd[0], 0x11, sizeof initrd[0]);
    memset(initrd[1], 0x22, sizeof initrd[1]);
    cpu = &cpu_fake;
    fake_script(NULL);
    fake_fail_alloc(0);
    sched_init();
    opened = closed = 0;
    typed_out[0] = 0;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ramdisk_init(&disk[i], i ? "ram1" : "ram0", disk_bytes[i], sizeof disk_bytes[i]), OK);
    cfg = (struct vm_config){ .kernel = { kernel, sizeof kernel }, .ninitrd = 2, .memory = MIB(8), .vcpus = 2,
        .ndisks = 2, .cmdline = "console=ttyS0" };
    cfg.name[0] = 'g'; /* a new name for each test: guests stay registered */
    cfg.name[1] = (char)('a' + name_count++);
    cfg.initrd[0] = (struct blob){ initrd[0], 4999 };
    cfg.initrd[1] = (struct blob){ initrd[1], 5000 };
    for (unsigned i = 0; i < 2; i++) {
        cfg.blk[i] = &disk[i].blk;
        strcpy(cfg.disk[i], i ? "/img/b.raw" : "PARTLABEL=root");
    }
    return 0;
}

/* Registers the guest; from here on all its pages are counted. */
static void add(void)
{
    assert_int_equal(vm_add(&cfg, &machine_pc, &vm), OK);
    vm->tty_user = &user;
    pages_before = fake_pages_in_use();
}

static void start(void)
{
    add();
    assert_int_equal(vm_start(vm), OK);
}

static void reap(void)
{
    for (int i = 0; i < 20; i++) {
        sched_step();
        vm_reap();
    }
}

static void end(void)
{
    vm_stop(vm, VM_STOPPED, "by the test");
    reap();
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(fake_pages_in_use(), pages_before);
    assert_int_equal(opened, closed);
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint64_t v;
    assert_int_equal(bus_read(vm, BUS_PIO, port, size, &v), OK);
    return (uint32_t)(v & (BIT64(8 * size) - 1));
}
static void out(uint16_t port, unsigned size, uint32_t v) { assert_int_equal(bus_write(vm, BUS_PIO, port, size, v), OK); }

static uint8_t byte_at(uint64_t at)
{
    uint8_t b;
    assert_int_equal(mem_read(vm, gpa(at), &b, 1), OK);
    return b;
}

static void memory_holds_what_the_kernel_needs(void **)
{
    uint8_t zero[4096], text[16];
    uint64_t at;

    start();
    assert_int_equal(mem_read(vm, gpa(vm->vcpu[0]->r.gpr[REG_RSI]), zero, sizeof zero), OK);
    assert_int_equal(vm->vcpu[0]->r.rip, MIB(2) + 0x200);
    assert_true(fake_of(vm->vcpu[0])->started);
    assert_false(fake_of(vm->vcpu[1])->started);
    assert_memory_equal(zero + 0x202, "HdrS", 4);
    assert_int_equal(byte_at(MIB(2)), 0xC4);
    assert_int_equal(byte_at(MIB(2) + PAYLOAD - 1), 0xC4);
    assert_int_equal(byte_at(MIB(2) + PAYLOAD), 0);
    assert_int_equal(mem_read(vm, gpa(get_le32(zero + 0x228)), text, 14), OK);
    assert_string_equal((char *)text, "console=ttyS0");
    assert_int_equal(mem_read(vm, gpa(get_le64(zero + 0x70)), text, 8), OK);
    assert_memory_equal(text, "RSD PTR ", 8);
    assert_int_equal(get_le32(zero + 0x21C), 10000);
    at = get_le32(zero + 0x218);
    assert_int_equal(byte_at(at), 0x11);
    assert_int_equal(byte_at(at + 4998), 0x11);
    assert_int_equal(byte_at(at + 4999), 0); /* the padding between two archives */
    assert_int_equal(byte_at(at + 5000), 0x22);
    assert_int_equal(byte_at(at + 9999), 0x22);
    end();
}

static void pci_has_disks_console_and_entropy_in_order(void **)
{
    static const uint32_t ids[] = { 0x00081B36, 0x10421AF4, 0x10421AF4, 0x10431AF4, 0x10441AF4, 0xFFFFFFFF };

    start();
    for (uint32_t slot = 0; slot < ARRAY_LEN(ids); slot++) {
        uint64_t v;

        out(0xCF8, 4, 0x80000000 | slot << 11);
        assert_int_equal(in(0xCFC, 4), ids[slot]);
        assert_int_equal(bus_read(vm, BUS_MMIO, PC_ECAM_BASE + (slot << 15), 4, &v), OK);
        assert_int_equal((uint32_t)v, ids[slot]);
    }
    end();
}

static void most_disks_fit(void **)
{
    cfg.ndisks = VM_DISKS_MAX;
    cfg.vcpus = VM_VCPUS_MAX;
    for (unsigned i = 0; i < VM_DISKS_MAX; i++)
        cfg.blk[i] = &disk[0].blk;
    start();
    end();
}

static void a_guest_without_disk_initrd_and_user_runs(void **)
{
    cfg.ndisks = cfg.ninitrd = 0;
    add();
    vm->tty_user = NULL;
    assert_int_equal(vm_start(vm), OK);
    out(PC_COM1_PORT, 1, 'x');
    assert_int_equal(opened, 0);
    end();
}

static void both_serial_lines_open_and_close(void **)
{
    start();
    assert_int_equal(opened, 2);
    assert_ptr_not_equal(lines[0], lines[1]);
    out(PC_COM1_PORT, 1, 'h');
    out(PC_COM1_PORT, 1, 'i');
    assert_string_equal(typed_out, "hi");
    end();
    assert_int_equal(closed, 2);
}

static void posted_is(unsigned vcpu, unsigned vector, bool yes)
{
    assert_int_equal(vm->vcpu[vcpu]->apic.posted[vector / 32] >> vector % 32 & 1, yes);
}

static void route(unsigned pin, unsigned vector, unsigned dest)
{
    const uint64_t io = PC_IOAPIC_BASE;

    assert_int_equal(bus_write(vm, BUS_MMIO, io, 4, 0x11 + 2 * pin), OK);
    assert_int_equal(bus_write(vm, BUS_MMIO, io + 0x10, 4, dest << 24), OK);
    assert_int_equal(bus_write(vm, BUS_MMIO, io, 4, 0x10 + 2 * pin), OK);
    assert_int_equal(bus_write(vm, BUS_MMIO, io + 0x10, 4, vector), OK);
}

static void typing_interrupts_the_right_cpu(void **)
{
    start();
    route(PC_COM1_GSI, 0x34, 1);
    out(PC_COM1_PORT + 4, 1, 8);
    out(PC_COM1_PORT + 1, 1, 1);
    posted_is(1, 0x34, false);
    assert_int_equal(lines[0]->dev->input(lines[0], (const uint8_t *)"k", 1), 1);
    posted_is(1, 0x34, true);
    posted_is(0, 0x34, false);
    assert_int_equal(in(PC_COM1_PORT, 1), 'k');
    end();
}

static void the_power_button_is_an_event(void **)
{
    start();
    route(PC_EVENT_GSI, 0x55, 0);
    assert_int_equal(in(PC_EVENT_PORT, 1), 0);
    out(PC_EVENT_PORT, 1, 0xFF); /* read only */
    machine_pc.power_button(vm);
    posted_is(0, 0x55, true);
    assert_int_equal(in(PC_EVENT_PORT, 1), PC_EVENT_POWER_BUTTON);
    assert_int_equal(in(PC_EVENT_PORT, 1), 0);
    assert_int_equal(vm->state, VM_RUNNING);
    end();
    machine_pc.power_button(vm); /* too late: nothing happens */
}

static void sleeping_deepest_is_power_off(void **)
{
    start();
    assert_int_equal(in(PC_SLEEP_PORT, 1), 0);
    assert_int_equal(in(PC_SLEEP_PORT + 1, 1), 0);
    out(PC_SLEEP_PORT + 1, 1, 0x34);           /* the status register */
    out(PC_SLEEP_PORT, 1, 5 << 2);             /* no enable bit */
    out(PC_SLEEP_PORT, 1, 0x20 | 3 << 2);      /* S3: not offered */
    out(PC_SLEEP_PORT, 2, 0x34);
    assert_int_equal(vm->state, VM_RUNNING);
    out(PC_SLEEP_PORT, 1, 0x20 | 5 << 2);
    reap();
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(vm->why, VM_POWERED_OFF);
    assert_int_equal(fake_pages_in_use(), pages_before);
}

static void panic_is_told_from_a_crash_kernel(void **)
{
    start();
    assert_int_equal(in(PC_PVPANIC_PORT, 1), 3);
    out(PC_PVPANIC_PORT, 1, 0);
    out(PC_PVPANIC_PORT, 1, 2);
    assert_non_null(strstr(fake_last_log(), "crash kernel"));
    assert_int_equal(vm->state, VM_RUNNING);
    out(PC_PVPANIC_PORT, 1, 1);
    reap();
    assert_int_equal(vm->state, VM_OFF);
    assert_int_equal(vm->why, VM_PANICKED);
}

static void every_reset_starts_it_again(void **)
{
    static const struct { uint16_t port; uint8_t val; } resets[] = { { PC_RESET_PORT, PC_RESET_VALUE }, { PC_KBD_PORT, 0xFE } };

    start();
    assert_int_equal(in(PC_KBD_PORT, 1), 0); /* "ready": Linux waits for this before its command */
    out(PC_KBD_PORT, 1, 0xFF);               /* pulses nothing */
    out(PC_KBD_PORT, 1, 0xAA);
    assert_int_equal(vm->state, VM_RUNNING);
    for (unsigned i = 0; i < ARRAY_LEN(resets); i++) {
        out(resets[i].port, 1, resets[i].val);
        assert_int_equal(vm->state, VM_STOPPING);
        reap();
        assert_int_equal(vm->state, VM_RUNNING);
        assert_int_equal(vm->why, VM_REBOOTED);
        assert_int_equal(vm->starts, i + 2);
        assert_int_equal(opened, 2 * (i + 2));
    }
    end();
}

static void start_fails(err_t expect, const char *why)
{
    add();
    assert_int_equal(vm_start(vm), expect);
    assert_string_equal(vm->why_text, why);
    assert_int_equal(vm->state, VM_OFF);
    assert_null(vm->pc);
    assert_int_equal(vm->pio.count + vm->mmio.count, 0);
    assert_int_equal(fake_pages_in_use(), pages_before);
    assert_int_equal(opened, 0);
    assert_int_equal(vm_add(&cfg, &machine_pc, &vm), ERR_EXISTS);
}

static void what_is_wrong_is_said_with_its_cure(void **)
{
    cfg.blk[1] = NULL;
    strcpy(cfg.name, "debian");
    start_fails(ERR_NOTFOUND, "disk /img/b.raw is not there: correct `disk` in debian.conf");
    set_up(NULL);
    cfg.kernel = (struct blob){ NULL, 0 };
    strcpy(cfg.name, "tiny");
    start_fails(ERR_FORMAT, "not a Linux bzImage: no HdrS at 0x202: correct `linux` in tiny.conf");
    set_up(NULL);
    cfg.memory = MIB(4);
    strcpy(cfg.name, "small");
    start_fails(ERR_RANGE, "the kernel needs at least 6 MiB of memory, not 4: raise `memory` in small.conf");
    set_up(NULL);
    cfg.initrd[0].size = MIB(16);
    strcpy(cfg.name, "big");
    start_fails(ERR_RANGE, "kernel and initrd need at least 22 MiB of memory, not 8: raise `memory` in big.conf");
    set_up(NULL);
    put_le32(kernel + 0x238, 4);
    strcpy(cfg.name, "long");
    start_fails(ERR_INVAL, "the options have 13 characters, this kernel takes 4: shorten `options` in long.conf");
}

static void running_out_of_memory_anywhere_leaves_nothing(void **)
{
    unsigned n = 0;
    err_t e;

    add();
    do {
        assert_int_equal(fake_pages_in_use(), pages_before);
        assert_int_equal(opened, closed);
        fake_fail_alloc(++n);
        e = vm_start(vm);
        if (e) {
            assert_int_equal(e, ERR_NOMEM);
            assert_true(vm->why_text[0]);
            assert_null(vm->pc);
            assert_int_equal(vm->why, VM_FAILED);
            assert_int_equal(vm->pio.count + vm->mmio.count, 0);
        }
    } while (e);
    fake_fail_alloc(0);
    assert_in_range(n, 10, 100);
    assert_int_equal(opened, 2);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(memory_holds_what_the_kernel_needs, set_up),
        cmocka_unit_test_setup(pci_has_disks_console_and_entropy_in_order, set_up),
        cmocka_unit_test_setup(most_disks_fit, set_up),
        cmocka_unit_test_setup(a_guest_without_disk_initrd_and_user_runs, set_up),
        cmocka_unit_test_setup(both_serial_lines_open_and_close, set_up),
        cmocka_unit_test_setup(typing_interrupts_the_right_cpu, set_up),
        cmocka_unit_test_setup(the_power_button_is_an_event, set_up),
        cmocka_unit_test_setup(sleeping_deepest_is_power_off, set_up),
        cmocka_unit_test_setup(panic_is_told_from_a_crash_kernel, set_up),
        cmocka_unit_test_setup(every_reset_starts_it_again, set_up),
        cmocka_unit_test_setup(what_is_wrong_is_said_with_its_cure, set_up),
        cmocka_unit_test_setup(running_out_of_memory_anywhere_leaves_nothing, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
