/* dev/virtio/9p.c: questions in a ring, answers served by work that CPU 0 does; drivers that break rules. */
#include "test/unit/unit.h"
#include "base/bytes.h"
#include "dev/virtio/9p.h"
#include "ninep/tree.h"
#include "test/unit/virtio_driver.h"

#define SLOT 3
#define ASK_AT(i) (0x80000u + (i)*0x4000u) /* a question's bytes in the guest; its answer 0x2000 behind */
#define ANSWER_AT(i) (ASK_AT(i) + 0x2000u)

/* vm/work.c's part: what was asked for is done by run_work(). */
static struct work *the_work;
static bool asked;
void work_add(struct work *w) { the_work = w; }
void work_remove(struct work *w)
{
    assert_ptr_equal(w, the_work);
    the_work = NULL;
}
void work_ask(struct work *w)
{
    assert_ptr_equal(w, the_work);
    asked = true;
}

static struct virtio_9p dev;

/* --- a tree with a file that waits --- */

static bool news;
static unsigned opened;

static err_t text_print(struct tree *, uint64_t, struct tree_text *x)
{
    tree_print(x, "hello\n");
    return OK;
}

static err_t wait_print(struct tree *, uint64_t, struct tree_text *x)
{
    if (!news)
        return ERR_AGAIN;
    tree_print(x, "news\n");
    return OK;
}

static err_t wait_open(struct ninep_req *r) { return (void)r, opened++, OK; }
static void wait_close(struct tree *t, struct ninep_fid *f) { (void)t, (void)f, opened--; }

static const struct tree_row rows[] = {
    { .name = "", .parent = 0, .mode = TREE_DIR | 0755 },
    { .name = "text", .parent = 0, .mode = 0644, .print = text_print },
    { .name = "wait", .parent = 0, .mode = 0444, .print = wait_print, .open = wait_open, .close = wait_close },
};
static struct tree tree = { .rows = rows, .nrows = 3 };

static int setup(void **)
{
    static struct vm_share share = { .name = "tree" };

    guest_start(1);
    tree_init(&tree);
    share.fs = &tree.fs;
    news = asked = false;
    opened = 0;
    assert_int_equal(virtio_9p_init(&dev, &vm, &host, SLOT, &share), OK);
    return 0;
}

static int teardown(void **)
{
    assert_true(virtio_idle(&dev.dev));
    virtio_9p_fini(&dev);
    assert_int_equal(opened, 0);
    guest_end();
    return 0;
}

static bool run_work(void)
{
    bool waits = true;

    while (asked) {
        asked = false;
        waits = the_work->run(the_work);
    }
    return waits;
}

/* Puts a message into place i and offers it with that much room for the answer, the message and the room each in two pieces. */
static uint16_t offer(unsigned i, const struct ninep_msg *m, uint32_t room)
{
    uint8_t bytes[8192];
    uint32_t len;

    assert_int_equal(ninep_encode(m, bytes, sizeof bytes, &len), OK);
    ram_write(ASK_AT(i), bytes, len);
    struct piece p[] = { { ASK_AT(i), 5, false }, { ASK_AT(i) + 5, len - 5, false }, { ANSWER_AT(i), 7, true }, { ANSWER_AT(i) + 7, room - 7, true } };
    uint16_t head = chain_put(0, p, room > 7 ? 4 : 3);
    assert_int_equal(submit(0, head), OK);
    return head;
}

static struct ninep_msg answer;
static uint8_t answer_bytes[8192];

/* The next finished chain, which must be `head`; decodes its answer from place i. */
static void expect(unsigned i, uint16_t head)
{
    struct virtq_used_elem e;

    assert_true(used_take(0, &e));
    assert_int_equal(e.id, head);
    ram_read(ANSWER_AT(i), answer_bytes, e.len);
    assert_int_equal(get_le32(answer_bytes), e.len);
    assert_int_equal(ninep_decode(answer_bytes, e.len, &answer), OK);
}

static void ask(const struct ninep_msg *m)
{
    uint16_t head = offer(0, m, 4096);

    (void)run_work();
    expect(0, head);
}
#define ASK(...) ask(&(struct ninep_msg){ __VA_ARGS__ })

/* Version, attach (fid 0), and fid 1 on the file, opened. */
static void session(const char *file)
{
    ASK(.type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = 8192, .text = NINEP_VERSION);
    assert_int_equal(answer.type, NINEP_TVERSION + 1);
    ASK(.type = NINEP_TATTACH, .fid = 0, .dfid = NINEP_NOFID, .name = "root");
    ASK(.type = NINEP_TWALK, .fid = 0, .dfid = 1, .nwalk = 1, .wname = { file });
    ASK(.type = NINEP_TLOPEN, .fid = 1);
    assert_int_equal(answer.type, NINEP_TLOPEN + 1);
}

static void the_tag_names_the_tree(void **)
{
    drv_start(SLOT, 16, 0);
    assert_int_equal(mmio_get(drv.config, 2), 4);
    assert_int_equal(mmio_get(drv.config + 2, 4), 0x65657274); /* "tree" */
    assert_true(features_offered() & VIRTIO_9P_F_MOUNT_TAG);
    assert_int_equal(cfg_get(SLOT, 2, 2), 0x1049);
}

static void files_are_read_through_the_ring(void **)
{
    drv_start(SLOT, 16, 0);
    session("text");
    unsigned interrupts = msi.count;
    ASK(.type = NINEP_TREAD, .tag = 5, .fid = 1, .count = 100);
    assert_int_equal(answer.tag, 5);
    assert_int_equal(answer.count, 6);
    assert_memory_equal(answer.data, "hello\n", 6);
    assert_int_equal(msi.count, interrupts + 1);
    ASK(.type = NINEP_TREAD, .fid = 77, .count = 100);
    assert_int_equal(answer.ecode, NINEP_EBADF);
}

static void nothing_is_served_in_the_exit(void **)
{
    struct virtq_used_elem e;

    drv_start(SLOT, 16, 0);
    (void)offer(0, &(struct ninep_msg){ .type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = 8192, .text = NINEP_VERSION }, 100);
    assert_true(asked);
    assert_false(used_take(0, &e));
    (void)run_work();
    assert_true(used_take(0, &e));
}

static void a_question_may_wait_while_others_are_answered(void **)
{
    struct virtq_used_elem e;

    drv_start(SLOT, 16, 0);
    session("wait");
    uint16_t waits = offer(1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    assert_true(run_work());
    assert_false(used_take(0, &e));
    uint16_t head = offer(0, &(struct ninep_msg){ .type = NINEP_TGETATTR, .tag = 3, .fid = 1, .size = NINEP_GETATTR_BASIC }, 4096);
    assert_true(run_work());
    expect(0, head);
    news = true;
    work_ask(the_work);
    assert_false(run_work());
    expect(1, waits);
    assert_int_equal(answer.tag, 9);
    assert_memory_equal(answer.data, "news\n", 5);
}

static void a_flush_ends_what_waits_and_then_answers(void **)
{
    drv_start(SLOT, 16, 0);
    session("wait");
    uint16_t waits = offer(1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    (void)run_work();
    uint16_t flush = offer(0, &(struct ninep_msg){ .type = NINEP_TFLUSH, .tag = 4, .oldtag = 9 }, 100);
    assert_false(run_work());
    expect(1, waits);
    assert_int_equal(answer.ecode, NINEP_EINTR);
    expect(0, flush);
    assert_int_equal(answer.type, NINEP_TFLUSH + 1);
}

static void there_is_always_room_for_a_flush(void **)
{
    struct virtq_used_elem e;

    drv_start(SLOT, 128, 0);
    session("wait");
    for (unsigned i = 0; i < VIRTIO_9P_SLOTS; i++)
        (void)offer(i + 1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = (uint16_t)(100 + i), .fid = 1, .count = 10 }, 200);
    (void)run_work();
    assert_true(used_take(0, &e)); /* one too many: told to try again later */
    assert_false(used_take(0, &e));
    (void)offer(0, &(struct ninep_msg){ .type = NINEP_TFLUSH, .tag = 4, .oldtag = 100 }, 100);
    (void)run_work();
    assert_true(used_take(0, &e));
    assert_true(used_take(0, &e));
}

static void a_tag_in_use_is_refused_and_both_chains_come_back(void **)
{
    drv_start(SLOT, 16, 0);
    session("wait");
    uint16_t first = offer(1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    uint16_t second = offer(0, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    (void)run_work();
    expect(0, second);
    assert_int_equal(answer.ecode, NINEP_EINVAL);
    news = true;
    work_ask(the_work);
    (void)run_work();
    expect(1, first);
}

static void a_new_version_gives_all_chains_back(void **)
{
    struct virtq_used_elem e;

    drv_start(SLOT, 16, 0);
    session("wait");
    uint16_t waits = offer(1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    (void)run_work();
    uint16_t head = offer(0, &(struct ninep_msg){ .type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = 8192, .text = NINEP_VERSION }, 100);
    assert_false(run_work());
    assert_true(used_take(0, &e));
    assert_int_equal(e.id, waits);
    assert_int_equal(e.len, 0);
    expect(0, head);
    assert_int_equal(opened, 0);
}

static void a_reset_ends_the_session(void **)
{
    struct virtq_used_elem e;

    drv_start(SLOT, 16, 0);
    session("wait");
    (void)offer(1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    (void)run_work();
    drv_start(SLOT, 16, 0); /* resets, and sets the ring up again */
    news = true;
    ASK(.type = NINEP_TREAD, .tag = 1, .fid = 1, .count = 10);
    assert_int_equal(answer.ecode, NINEP_EPROTO); /* no version yet */
    assert_int_equal(opened, 0);
    assert_false(used_take(0, &e));
    session("text");
}

static void an_answer_that_does_not_fit_is_an_error(void **)
{
    struct virtq_used_elem e;

    drv_start(SLOT, 16, 0);
    session("text");
    uint16_t head = offer(0, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 2, .fid = 1, .count = 100 }, 12);
    (void)run_work();
    expect(0, head);
    assert_int_equal(answer.ecode, NINEP_ENOBUFS);
    (void)offer(0, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 2, .fid = 1, .count = 100 }, 7); /* not even that */
    (void)run_work();
    assert_true(used_take(0, &e));
    assert_int_equal(e.len, 0);
}

static void nonsense_is_answered(void **)
{
    static const uint8_t bad[][16] = { { 7, 0, 0, 0, 99, 3, 0 }, { 200, 0, 0, 0, 100, 3, 0 }, { 0, 0, 0, 0, 100, 3, 0 }, { 7, 0, 0, 0, 101, 3, 0 },
                                       { 11, 0, 0, 0, 120, 3, 0, 1, 2, 3, 4 } };

    drv_start(SLOT, 16, 0);
    session("text");
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct piece p[] = { { ASK_AT(0), 11, false }, { ANSWER_AT(0), 100, true } };
        ram_write(ASK_AT(0), bad[i], 16);
        uint16_t head = chain_put(0, p, 2);
        assert_int_equal(submit(0, head), OK);
        (void)run_work();
        expect(0, head);
        assert_int_equal(answer.type, NINEP_RLERROR);
        assert_int_equal(answer.tag, 3);
    }
    assert_int_equal(stopped.count, 0);
}

/* What stops the guest: a chain that can be no message. */
static void broken(const struct piece *p, unsigned n, const char *text)
{
    assert_int_equal(submit(0, chain_put(0, p, n)), OK);
    (void)run_work();
    assert_int_equal(stopped.count, 1);
    assert_int_equal(stopped.why, VM_FAULTED);
    assert_non_null(strstr(stopped.text, "virtio-9p tree"));
    assert_non_null(strstr(stopped.text, text));
    asked = true; /* nothing more is taken from it */
    (void)run_work();
    assert_int_equal(stopped.count, 1);
}

static void a_message_longer_than_any_stops_the_guest(void **)
{
    const struct piece p[] = { { 0x100000, VIRTIO_9P_MSIZE + 1, false }, { ANSWER_AT(0), 100, true } };

    drv_start(SLOT, 16, 0);
    broken(p, 2, "too long");
}

static void a_message_without_a_header_stops_the_guest(void **)
{
    const struct piece p[] = { { ASK_AT(0), 6, false }, { ANSWER_AT(0), 100, true } };

    drv_start(SLOT, 16, 0);
    broken(p, 2, "whole header");
}

static void a_chain_of_too_many_pieces_stops_the_guest(void **)
{
    struct piece p[VIRTIO_9P_BUFS + 1];

    for (unsigned i = 0; i < ARRAY_LEN(p); i++)
        p[i] = (struct piece){ ASK_AT(0) + i, 1, false };
    drv_start(SLOT, 32, 0);
    broken(p, ARRAY_LEN(p), "too long");
}

static void a_chain_outside_memory_stops_the_guest(void **)
{
    const struct piece p[] = { { RAM_LOW - 3, 11, false }, { ANSWER_AT(0), 100, true } };

    drv_start(SLOT, 16, 0);
    broken(p, 2, "outside memory");
}

static void questions_are_copied_before_they_are_read(void **)
{
    drv_start(SLOT, 16, 0);
    session("wait");
    uint16_t waits = offer(1, &(struct ninep_msg){ .type = NINEP_TREAD, .tag = 9, .fid = 1, .count = 100 }, 200);
    (void)run_work();
    guest_zero(ASK_AT(1), 64); /* too late */
    news = true;
    work_ask(the_work);
    (void)run_work();
    expect(1, waits);
    assert_memory_equal(answer.data, "news\n", 5);
}

static void no_memory_is_an_error(void **)
{
    static struct virtio_9p other;
    const struct vm_share share = { .name = "x", .fs = &tree.fs };
    uint64_t before = fake_pages_in_use();

    fake_fail_alloc(1);
    assert_int_equal(virtio_9p_init(&other, &vm, &host, SLOT + 1, &share), ERR_NOMEM);
    fake_fail_alloc(0);
    assert_int_equal(virtio_9p_init(&other, &vm, &host, SLOT, &share), ERR_EXISTS);
    assert_int_equal(fake_pages_in_use(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_tag_names_the_tree),
        TEST(files_are_read_through_the_ring),
        TEST(nothing_is_served_in_the_exit),
        TEST(a_question_may_wait_while_others_are_answered),
        TEST(a_flush_ends_what_waits_and_then_answers),
        TEST(there_is_always_room_for_a_flush),
        TEST(a_tag_in_use_is_refused_and_both_chains_come_back),
        TEST(a_new_version_gives_all_chains_back),
        TEST(a_reset_ends_the_session),
        TEST(an_answer_that_does_not_fit_is_an_error),
        TEST(nonsense_is_answered),
        TEST(a_message_longer_than_any_stops_the_guest),
        TEST(a_message_without_a_header_stops_the_guest),
        TEST(a_chain_of_too_many_pieces_stops_the_guest),
        TEST(a_chain_outside_memory_stops_the_guest),
        TEST(questions_are_copied_before_they_are_read),
        TEST(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
