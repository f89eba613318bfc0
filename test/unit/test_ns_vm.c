/* The /vm tree over guests that are only acted: texts, commands, waiting, names that come and go. */
#include "ns/vm.h"
#include "base/fmt.h"
#include "base/str.h"
#include "test/unit/ns_files.h"

struct actor {
    struct ns_guest g;
    bool on;
    char last[64], typed[64];
    const char *text; /* its console's */
    size_t takes;     /* bytes it takes when somebody types */
};

static struct ns_vm vm;
static struct actor ann, bob;
static struct files f;

static void act_status(struct ns_guest *g, struct ns_status *s)
{
    struct actor *a = container_of(g, struct actor, g);

    s->on = a->on;
    s->state = a->on ? "running" : "off";
    if (!a->on)
        str_copy(s->why, sizeof s->why, "powered off");
    s->memory = 4096;
    s->used = a->on ? 4096 : 0;
}

static err_t act_command(struct ns_guest *g, char *text, char *why)
{
    struct actor *a = container_of(g, struct actor, g);

    snprintf(a->last, sizeof a->last, "%s", text);
    if (str_eq(text, "good"))
        return OK;
    fmt_text(why, NS_WHY_MAX, "%s is not good", text);
    return ERR_INVAL;
}

static uint64_t act_oldest(struct ns_guest *g) { return (void)g, 2; }

static err_t act_read(struct ns_guest *g, uint64_t *at, void *to, uint32_t n, uint32_t *got)
{
    struct actor *a = container_of(g, struct actor, g);
    uint64_t len = strlen(a->text);

    *got = *at < len ? (uint32_t)min_u64(n, len - *at) : 0;
    memcpy(to, a->text + min_u64(*at, len), *got);
    *at += *got;
    return *got ? OK : ERR_AGAIN;
}

static size_t act_type(struct ns_guest *g, const uint8_t *bytes, size_t n)
{
    struct actor *a = container_of(g, struct actor, g);

    n = min_size(n, a->takes);
    snprintf(a->typed, sizeof a->typed, "%.*s", (int)n, (const char *)bytes);
    return n;
}

static const char *act_spaces(struct ns_guest *g) { return (void)g, "/dev /vm:ro"; }

static const struct ns_guest_ops full_ops = { .status = act_status, .command = act_command, .spaces = act_spaces, .oldest = act_oldest,
                                              .read = act_read, .type = act_type };
static const struct ns_guest_ops bare_ops = { .status = act_status, .command = act_command };

static int begin(void **)
{
    vm = (struct ns_vm){ 0 };
    ns_vm_init(&vm);
    ann = (struct actor){ .g = { .ops = &full_ops, .name = "ann", .key = 1 }, .on = true, .text = "0123456789", .takes = 100 };
    bob = (struct actor){ .g = { .ops = &bare_ops, .name = "bob", .key = 7 } };
    ns_vm_add(&vm, &ann.g);
    ns_vm_add(&vm, &bob.g);
    files_attach(&f, &vm.tree.fs);
    return 0;
}

static int end(void **)
{
    files_detach(&f);
    return 0;
}

static void each_guest_is_a_directory(void **)
{
    assert_string_equal(files_list(&f, ""), "ctl ann bob ");
    assert_string_equal(files_list(&f, "bob"), "ctl status cons log wait mem namespace ");
    ns_vm_remove(&ann.g);
    assert_string_equal(files_list(&f, ""), "ctl bob ");
}

static void status_is_a_word_and_its_value_a_line(void **)
{
    const char *text = files_read(&f, "ann/status");
    assert_non_null(strstr(text, "name ann\n"));
    assert_non_null(strstr(text, "\nstate running\n"));
    assert_non_null(strstr(text, "\nwhy -\n"));
    assert_non_null(strstr(text, "\nmemory 4096\n"));
    assert_non_null(strstr(files_read(&f, "bob/status"), "\nwhy powered off\n"));
    assert_string_equal(files_read(&f, "ann/mem"), "limit 4096\nused 4096\n");
    assert_string_equal(files_read(&f, "ann/namespace"), "/dev /vm:ro\n");
    assert_string_equal(files_read(&f, "bob/namespace"), "");
    assert_string_equal(files_read(&f, "bob/log"), "");
}

static void a_bad_command_is_an_error_whose_reason_ctl_tells(void **)
{
    assert_int_equal(files_write(&f, "ann/ctl", "evil\n"), NINEP_EINVAL);
    assert_string_equal(ann.last, "evil");
    assert_string_equal(files_read(&f, "ann/ctl"), "evil is not good\n");
    assert_string_equal(files_read(&f, "bob/ctl"), "");
    assert_int_equal(files_write(&f, "ann/ctl", "good"), 0);
    assert_string_equal(files_read(&f, "ann/ctl"), "");
    assert_int_equal(files_write(&f, "ann/ctl", "\n"), 0);
    assert_string_equal(ann.last, "good");
}

static void too_much_text_and_zero_bytes_are_refused(void **)
{
    static char text[NS_TEXT_MAX + 2];
    struct ninep_msg a;
    uint32_t fid;

    memset(text, 'x', NS_TEXT_MAX + 1);
    assert_int_equal(files_write(&f, "ann/ctl", text), NINEP_EINVAL);
    assert_non_null(strstr(files_read(&f, "ann/ctl"), "4095 bytes"));
    text[NS_TEXT_MAX] = 0;
    assert_int_equal(files_write(&f, "ann/ctl", text), NINEP_EINVAL);
    assert_non_null(strstr(files_read(&f, "ann/ctl"), "xxxxxx"));
    assert_int_equal(files_open(&f, "ann/ctl", NINEP_WRONLY, &fid), 0);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TWRITE, .fid = fid, .count = 4, .data = "go\0d"), NINEP_EINVAL);
    assert_non_null(strstr(files_read(&f, "ann/ctl"), "0 byte"));
    files_close(&f, fid);
}

/* Asks to read; true if there was an answer at once. */
static bool read_now(uint32_t fid, uint64_t offset, struct ninep_msg *a)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t len = wire_send(&f.w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .offset = offset, .count = 100 }, &call);

    if (!len)
        return false;
    assert_int_equal(ninep_client_take(&f.w.client, f.w.r, len, &got), OK);
    *a = got.msg;
    return true;
}

/* The answer of a question that waits, if there is one now. */
static bool answered(struct ninep_msg *a)
{
    struct ninep_answer got;
    uint32_t len;

    ninep_server_retry(&f.w.server);
    len = ninep_server_poll(&f.w.server, f.w.r);
    if (!len)
        return false;
    assert_int_equal(ninep_client_take(&f.w.client, f.w.r, len, &got), OK);
    *a = got.msg;
    return true;
}

static void wait_is_read_when_the_guest_has_ended(void **)
{
    struct ninep_msg a;
    uint32_t fid;

    assert_string_equal(files_read(&f, "bob/wait"), "powered off\n");
    assert_int_equal(files_open(&f, "ann/wait", NINEP_RDONLY, &fid), 0);
    assert_false(read_now(fid, 0, &a));
    assert_false(answered(&a));
    assert_true(ninep_server_waits(&f.w.server));
    ann.on = false;
    assert_true(answered(&a));
    assert_int_equal(a.count, 12);
    assert_false(ninep_server_waits(&f.w.server));
    ann.on = true; /* started again meanwhile: the end of the file stays the end */
    assert_true(read_now(fid, 12, &a));
    assert_int_equal(a.count, 0);
    files_close(&f, fid);
}

static void a_reader_of_a_guest_that_is_removed_is_told(void **)
{
    struct ninep_msg a;
    uint32_t fid;

    assert_int_equal(files_open(&f, "ann/wait", NINEP_RDONLY, &fid), 0);
    assert_false(read_now(fid, 0, &a));
    ns_vm_remove(&ann.g);
    assert_true(answered(&a));
    assert_int_equal(a.type, NINEP_RLERROR);
    assert_int_equal(a.ecode, NINEP_ENOENT);
    assert_true(read_now(fid, 0, &a));
    assert_int_equal(a.ecode, NINEP_ENOENT);
    files_close(&f, fid);
}

static void the_console_gives_what_is_kept_and_then_waits(void **)
{
    struct ninep_msg a;
    uint32_t fid;

    assert_int_equal(files_open(&f, "ann/cons", NINEP_RDONLY, &fid), 0);
    assert_true(read_now(fid, 0, &a));
    assert_int_equal(a.count, 8);
    assert_memory_equal(a.data, "23456789", 8);
    assert_false(read_now(fid, 8, &a));
    ann.text = "0123456789abc";
    assert_true(answered(&a));
    assert_int_equal(a.count, 3);
    assert_memory_equal(a.data, "abc", 3);
    files_close(&f, fid);
    assert_int_equal(files_open(&f, "bob/cons", NINEP_RDONLY, &fid), NINEP_EOPNOTSUPP);
}

static void a_client_that_fills_its_buffer_is_told_once_that_there_is_no_more(void **)
{
    struct ninep_msg a;
    uint32_t fid;

    f.w.server.refills = true;
    assert_int_equal(files_open(&f, "ann/cons", NINEP_RDONLY, &fid), 0);
    assert_true(read_now(fid, 0, &a));
    assert_int_equal(a.count, 8);
    assert_true(read_now(fid, 8, &a));
    assert_int_equal(a.count, 0);
    assert_false(read_now(fid, 8, &a));
    ann.text = "0123456789abc";
    assert_true(answered(&a));
    assert_int_equal(a.count, 3);
    assert_true(read_now(fid, 11, &a));
    assert_int_equal(a.count, 0);
    files_close(&f, fid);
}

static void typing_waits_for_room_and_fails_when_nobody_is_there(void **)
{
    struct ninep_answer got;
    struct ninep_call *call;
    struct ninep_msg a;
    uint32_t fid;

    assert_int_equal(files_write(&f, "ann/cons", "hello"), 0);
    assert_string_equal(ann.typed, "hello");
    ann.takes = 0;
    assert_int_equal(files_open(&f, "ann/cons", NINEP_WRONLY, &fid), 0);
    assert_int_equal(wire_send(&f.w, &(struct ninep_msg){ .type = NINEP_TWRITE, .fid = fid, .count = 3, .data = "abc" }, &call), 0);
    ann.takes = 2;
    ninep_server_retry(&f.w.server);
    uint32_t len = ninep_server_poll(&f.w.server, f.w.r);
    assert_int_equal(ninep_client_take(&f.w.client, f.w.r, len, &got), OK);
    assert_int_equal(got.msg.count, 2);
    assert_string_equal(ann.typed, "ab");
    ann.on = false;
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TWRITE, .fid = fid, .count = 3, .data = "abc"), NINEP_EIO);
    files_close(&f, fid);
}

static void where_nothing_can_be_made_making_is_refused(void **)
{
    struct ninep_msg a;

    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TMKDIR, .dfid = f.root, .fid = f.root, .name = "new", .mode = 0755), NINEP_EPERM);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TMKDIR, .dfid = f.root, .fid = f.root, .name = "ann", .mode = 0755), NINEP_EEXIST);
    assert_int_equal(files_write(&f, "ctl", "create x"), NINEP_EOPNOTSUPP);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TUNLINKAT, .dfid = f.root, .fid = f.root, .name = "ann", .flags = NINEP_REMOVEDIR),
                     NINEP_EOPNOTSUPP);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TUNLINKAT, .dfid = f.root, .fid = f.root, .name = "ctl"), NINEP_EPERM);
}

static void words_are_told_apart(void **)
{
    char line[] = "clone  a\tb", one[] = "word", none[] = "";

    char *rest = ns_word(line);
    assert_string_equal(line, "clone");
    assert_string_equal(rest, "a\tb");
    assert_string_equal(ns_word(rest), "b");
    assert_string_equal(ns_word(one), "");
    assert_string_equal(ns_word(none), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_guest_is_a_directory),
        TEST(status_is_a_word_and_its_value_a_line),
        TEST(a_bad_command_is_an_error_whose_reason_ctl_tells),
        TEST(too_much_text_and_zero_bytes_are_refused),
        TEST(wait_is_read_when_the_guest_has_ended),
        TEST(a_reader_of_a_guest_that_is_removed_is_told),
        TEST(the_console_gives_what_is_kept_and_then_waits),
        TEST(a_client_that_fills_its_buffer_is_told_once_that_there_is_no_more),
        TEST(typing_waits_for_room_and_fails_when_nobody_is_there),
        TEST(where_nothing_can_be_made_making_is_refused),
        TEST(words_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
