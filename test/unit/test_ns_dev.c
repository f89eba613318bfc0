/* A guest's own devices: the terminal's line editing, echo and signals; clock, random numbers and the rest. */
#include "ns/dev.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "test/unit/ns_files.h"
#include "vm/space.h"
#include "vm/vm.h"
#include "vm/work.h"

static struct vm vm;
static struct ns_dev dev;
static struct files f;
static char shown[4096];
static unsigned signal_seen, changes;

void work_changed(void) { changes++; }

static void on_opened(struct tty *t) { (void)t; }
static void on_output(struct tty *, const uint8_t *bytes, size_t n)
{
    snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%.*s", (int)n, (const char *)bytes);
}
static const struct tty_user_ops user = { .opened = on_opened, .closed = on_opened, .output = on_output, .drained = on_opened };

static void on_signal(struct vm *v, unsigned signal)
{
    assert_ptr_equal(v, &vm);
    signal_seen = signal;
}
static const struct machine machine = { .signal = on_signal };

static int begin(void **)
{
    vm = (struct vm){ .machine = &machine, .starts = 1 };
    signal_seen = changes = 0;
    shown[0] = 0;
    ns_dev_init(&dev, &vm);
    tty_open(&dev.tty, &user, NULL);
    files_attach(&f, &dev.tree.fs);
    f.w.server.refills = true; /* so that the end of what is there is an answer */
    return 0;
}

static int end(void **)
{
    files_detach(&f);
    return 0;
}

static size_t type(const char *text) { return dev.tty.dev->input(&dev.tty, (const uint8_t *)text, strlen(text)); }

/* Reads the console once: -1: it would wait. */
static int read_once(char *to, uint32_t n)
{
    struct ninep_answer got;
    struct ninep_call *call;
    struct ninep_msg a;
    uint32_t fid, len;

    f.w.server.refills = false;
    assert_int_equal(files_open(&f, "cons", NINEP_RDONLY, &fid), 0);
    len = wire_send(&f.w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .count = n }, &call);
    if (!len) {
        assert_int_equal(ninep_client_flush(&f.w.client, call, f.w.t[7], WIRE_MSIZE, &len, &call), OK);
        assert_int_equal(ninep_server_take(&f.w.server, f.w.t[7], len, f.w.r, &len), OK);
        uint32_t first = f.w.r[0];
        assert_int_equal(ninep_client_take(&f.w.client, f.w.r, first, &got), OK);
        assert_int_equal(ninep_client_take(&f.w.client, f.w.r + first, len - first, &got), OK);
        files_close(&f, fid);
        return -1;
    }
    assert_int_equal(ninep_client_take(&f.w.client, f.w.r, len, &got), OK);
    a = got.msg;
    assert_int_equal(a.type, NINEP_TREAD + 1);
    memcpy(to, a.data, a.count);
    to[a.count] = 0;
    files_close(&f, fid);
    return (int)a.count;
}

static void a_line_is_read_when_it_is_finished(void **)
{
    char text[100];

    type("hel");
    assert_int_equal(read_once(text, 99), -1);
    type("lo\rmore\r");
    assert_true(changes > 0);
    assert_int_equal(read_once(text, 99), 6);
    assert_string_equal(text, "hello\n");
    assert_int_equal(read_once(text, 3), 3);
    assert_string_equal(text, "mor");
    assert_int_equal(read_once(text, 99), 2);
    assert_string_equal(text, "e\n");
    assert_string_equal(shown, "hello\r\nmore\r\n");
}

static void a_line_can_be_edited(void **)
{
    char text[100];

    type("ab\x7f"
         "c\x7f\x7f\x7f\x7f" /* one more than there are */
         "d\xc3\xa4\x7f\r");
    assert_int_equal(read_once(text, 99), 2);
    assert_string_equal(text, "d\n");
    type("junk\x15good\r"); /* ^U */
    assert_int_equal(read_once(text, 99), 5);
    assert_string_equal(text, "good\n");
}

static void end_of_file_ends_one_read(void **)
{
    char text[100];

    type("\x04");
    assert_int_equal(read_once(text, 99), 0);
    assert_int_equal(read_once(text, 99), -1);
    type("part\x04");
    assert_int_equal(read_once(text, 99), 4);
    assert_int_equal(read_once(text, 99), -1);
}

static void interrupt_and_quit_are_signals(void **)
{
    char text[100];

    type("half a line\x03");
    assert_int_equal(signal_seen, 2);
    assert_string_equal(shown, "half a line^C");
    assert_int_equal(read_once(text, 99), -1);
    type("\x1c");
    assert_int_equal(signal_seen, 3);
}

static void raw_mode_gives_bytes_as_they_come(void **)
{
    char text[100];

    assert_int_equal(files_write(&f, "consctl", "raw on\n"), 0);
    assert_string_equal(files_read(&f, "consctl"), "size 80 24\nraw on\necho off\n");
    type("a\x03\r\x7f");
    assert_int_equal(read_once(text, 99), 4);
    assert_memory_equal(text, "a\x03\r\x7f", 4);
    assert_int_equal(signal_seen, 0);
    assert_string_equal(shown, "");
    assert_int_equal(files_write(&f, "cons", "x\ny"), 0);
    assert_string_equal(shown, "x\ny");
    assert_int_equal(files_write(&f, "consctl", "raw off"), 0);
    assert_int_equal(files_write(&f, "consctl", "echo off"), 0);
    type("secret\r");
    assert_string_equal(shown, "x\ny");
    assert_int_equal(files_write(&f, "consctl", "size 5 5"), NINEP_EINVAL);
}

static void a_guest_that_starts_again_finds_the_terminal_as_new(void **)
{
    char text[100];

    assert_int_equal(files_write(&f, "consctl", "raw on"), 0);
    type("left over");
    vm.starts++;
    assert_int_equal(read_once(text, 99), -1);
    type("x\r");
    assert_int_equal(read_once(text, 99), 2);
}

static void too_long_a_line_can_still_be_ended(void **)
{
    static char many[3000];
    char text[2000];

    memset(many, 'x', sizeof many - 1);
    size_t took = type(many);
    assert_true(took >= NS_DEV_INPUT - 1);
    type("\r");
    assert_int_equal(read_once(text, 1999), NS_DEV_INPUT);
    assert_int_equal(text[NS_DEV_INPUT - 1], '\n');
}

static void newlines_get_a_carriage_return(void **)
{
    assert_int_equal(files_write(&f, "stdout", "one\n\ntwo"), 0);
    assert_int_equal(files_write(&f, "stderr", "\n"), 0);
    assert_string_equal(shown, "one\r\n\r\ntwo\r\n");
}

static void the_terminal_is_what_the_libos_expects(void **)
{
    struct ninep_msg a;
    uint8_t termios[NS_DEV_TERMIOS];
    uint32_t fid;

    assert_int_equal(files_open(&f, "ttyctl", NINEP_RDWR, &fid), 0);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TREAD, .fid = fid, .count = 100), 0);
    assert_int_equal(a.count, 8 + NS_DEV_TERMIOS);
    assert_memory_equal(a.data, "\x18\0\x50\0\0\0\0\0", 8);
    memcpy(termios, (const uint8_t *)a.data + 8, sizeof termios);
    assert_int_equal(termios[17], 3);
    termios[12] &= (uint8_t)~2u; /* not by lines */
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TWRITE, .fid = fid, .count = sizeof termios, .data = termios), 0);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TWRITE, .fid = fid, .count = 5, .data = termios), NINEP_EINVAL);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TREAD, .fid = fid, .count = 20), NINEP_EINVAL);
    files_close(&f, fid);
    assert_non_null(strstr(files_read(&f, "consctl"), "raw on"));
}

static void the_other_devices_do_what_their_names_say(void **)
{
    struct ninep_msg a;
    uint32_t fid;

    assert_string_equal(files_list(&f, ""), "cons consctl stdin stdout stderr ttyctl mem time random null zero full ");
    assert_string_equal(files_read(&f, "null"), "");
    assert_int_equal(files_write(&f, "null", "x"), 0);
    assert_int_equal(files_write(&f, "full", "x"), NINEP_ENOSPC);
    assert_int_equal(files_write(&f, "stdin", "x"), NINEP_EACCES);
    assert_null(files_read(&f, "stdout"));
    assert_int_equal(files_open(&f, "zero", NINEP_RDONLY, &fid), 0);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TREAD, .fid = fid, .count = 4), 0);
    assert_memory_equal(a.data, "\0\0\0\0", 4);
    files_close(&f, fid);
    assert_int_equal(files_open(&f, "random", NINEP_RDONLY, &fid), 0);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TREAD, .fid = fid, .count = 4), 0);
    assert_int_equal(a.count, 4);
    files_close(&f, fid);
    assert_non_null(strstr(files_read(&f, "time"), "wall_ns 1700000"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
static struct space space;
static struct space *space_of(struct vm *v)
{
    assert_ptr_equal(v, &vm);
    return &space;
}

static uint32_t mem_size(uint32_t fid, const void *size, uint32_t n)
{
    struct ninep_msg a;

    return ASK(&f.w, &a, .type = NINEP_TWRITE, .fid = fid, .count = n, .data = size);
}

static void each_open_mem_is_memory_of_its_own(void **)
{
    static const struct machine with_space = { .space = space_of };
    uint64_t size = 2 * PAGE_SIZE, less = PAGE_SIZE, more = MIB(5);
    uint32_t fid, other;

    assert_int_equal(files_open(&f, "mem", NINEP_RDWR, &fid), NINEP_EOPNOTSUPP); /* a guest whose memory is no space */
    vm.machine = &with_space;
    assert_int_equal(space_init(&space, 1024, 0), OK);
    assert_int_equal(files_open(&f, "mem", NINEP_RDWR, &fid), 0);
    assert_int_equal(files_open(&f, "mem", NINEP_RDWR, &other), 0);
    assert_int_equal(space.objects, 2);
    assert_int_equal(mem_size(fid, &size, 8), 0);
    assert_int_equal(space.object[0].pages, 2);
    assert_int_equal(space.object[1].pages, 0);
    assert_int_equal(mem_size(fid, &size, 7), NINEP_EINVAL);
    assert_int_equal(mem_size(fid, &less, 8), NINEP_EINVAL);
    assert_int_equal(mem_size(fid, &more, 8), NINEP_ENOMEM);
    files_close(&f, fid);
    assert_int_equal(space.objects, 1);
    files_detach(&f); /* the guest ends: what it has open is closed */
    assert_int_equal(space.objects, 0);
    space_fini(&space);
    files_attach(&f, &dev.tree.fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_is_read_when_it_is_finished),
        TEST(a_line_can_be_edited),
        TEST(end_of_file_ends_one_read),
        TEST(interrupt_and_quit_are_signals),
        TEST(raw_mode_gives_bytes_as_they_come),
        TEST(a_guest_that_starts_again_finds_the_terminal_as_new),
        TEST(too_long_a_line_can_still_be_ended),
        TEST(newlines_get_a_carriage_return),
        TEST(the_terminal_is_what_the_libos_expects),
        TEST(the_other_devices_do_what_their_names_say),
        TEST(each_open_mem_is_memory_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
