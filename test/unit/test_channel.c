/* app/channel.c: questions out of the ring in a guest's memory and answers into it, small ones and large ones; rings that break the rules. */
#include "test/unit/unit.h"
#include <string.h>
#include "app/app.h"
#include "app/channel.h"
#include "ground/fake/fake.h"
#include "ninep/client.h"
#include "test/unit/ninep_memfs.h"

#define AT 0x10000000ull
#define CALLS APP_CHANNEL_SLOTS
#define DATA 1500u /* bytes of a question that is large, and that the file takes */

static struct memfs files;
static struct space space;
static struct channel channel;
static struct ninep_client client;
static struct ninep_call calls[CALLS];
static uint64_t fids[1];
static struct ninep_msg a;
static uint32_t root, file, asked, answered;
static uint64_t pages;
static char data[DATA];

static void nobody(struct ninep_server *) {}

static void ring_put(uint32_t offset, const void *from, size_t n) { assert_int_equal(space_write(&space, AT + offset, from, n), OK); }

/* Puts a question into the ring, as the guest would; its tag. */
static uint16_t put(const struct ninep_msg *q)
{
    static uint8_t text[APP_CHANNEL_MSIZE];
    struct ninep_call *call;
    uint32_t len, at = asked++ % APP_CHANNEL_SLOTS;

    assert_int_equal(ninep_client_ask(&client, q, text, sizeof text, &len, &call), OK);
    uint16_t slot = q->type == NINEP_TVERSION ? NINEP_NOTAG % APP_CHANNEL_SLOTS : (uint16_t)(call - calls);
    ring_put(offsetof(struct app_channel, asks) + slot * APP_CHANNEL_MSIZE, text, len);
    ring_put(offsetof(struct app_ring, tag) + at * 2, &slot, sizeof slot);
    ring_put(offsetof(struct app_ring, len) + at * 4, &len, sizeof len);
    ring_put(offsetof(struct app_ring, head), &asked, sizeof asked);
    return slot;
}

/* The next answer out of the ring; 0 or its error number. */
static uint32_t take(void)
{
    static uint8_t text[APP_CHANNEL_MSIZE];
    struct ninep_answer got;
    struct app_ring ring;
    uint32_t at = answered++ % APP_CHANNEL_SLOTS;

    assert_int_equal(space_read(&space, AT + offsetof(struct app_channel, answer), &ring, sizeof ring), OK);
    assert_in_range(ring.head - answered, 0, APP_CHANNEL_SLOTS);
    assert_int_equal(space_read(&space, AT + offsetof(struct app_channel, answers) + ring.tag[at] * (uint64_t)APP_CHANNEL_MSIZE, text, ring.len[at]), OK);
    assert_int_equal(ninep_client_take(&client, text, ring.len[at], &got), OK);
    a = got.msg;
    return a.type == NINEP_RLERROR ? a.ecode : 0;
}

static uint32_t ask(const struct ninep_msg *q)
{
    put(q);
    assert_int_equal(channel_kick(&channel), OK);
    return take();
}
#define ASK(...) ask(&(struct ninep_msg){ __VA_ARGS__ })
#define WRITE(at, n) { .type = NINEP_TWRITE, .fid = file, .offset = (at), .data = data, .count = (n) }

static int setup(void **)
{
    assert_int_equal(app_init(), OK);
    pages = fake_pages_in_use();
    asked = answered = 0;
    memset(data, 'd', sizeof data);
    memfs_init(&files);
    assert_int_equal(space_init(&space, 1000, 0), OK);
    channel = (struct channel){ .space = &space, .at = AT, .server = { .fs = &files.fs, .nfids = 8, .wake = nobody } };
    assert_int_equal(channel_init(&channel), OK);
    client = (struct ninep_client){ .calls = calls, .ncalls = CALLS, .fids = fids, .nfids = 64, .msize = APP_CHANNEL_MSIZE };
    ninep_client_init(&client);
    assert_int_equal(ASK(.type = NINEP_TVERSION), 0);
    assert_int_equal(ninep_client_fid(&client, &root), OK);
    assert_int_equal(ASK(.type = NINEP_TATTACH, .fid = root, .dfid = NINEP_NOFID, .name = "user"), 0);
    assert_int_equal(ninep_client_fid(&client, &file), OK);
    assert_int_equal(ASK(.type = NINEP_TWALK, .fid = root, .dfid = file), 0);
    assert_int_equal(ASK(.type = NINEP_TLCREATE, .fid = file, .name = "f", .flags = NINEP_RDWR, .mode = 0644), 0);
    return 0;
}

/* Whatever a test did, every page has come back. */
static int teardown(void **)
{
    fake_fail_alloc(0);
    channel_fini(&channel);
    space_fini(&space);
    assert_int_equal(fake_pages_in_use(), pages);
    return 0;
}

static void small_and_large_questions_are_answered(void **)
{
    for (uint32_t n = 1; n <= DATA; n = n * 2 + 1) {
        assert_int_equal(ask(&(struct ninep_msg)WRITE(0, n)), 0);
        assert_int_equal(a.count, n);
    }
    assert_int_equal(ASK(.type = NINEP_TREAD, .fid = file, .count = DATA), 0);
    assert_int_equal(a.count, 1023);
    assert_memory_equal(a.data, data, a.count);
}

static void several_are_answered_at_one_kick(void **)
{
    for (uint32_t i = 0; i < 4; i++)
        put(&(struct ninep_msg)WRITE(i, DATA - 100 * i));
    assert_int_equal(channel_kick(&channel), OK);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(take(), 0);
        assert_int_equal(a.count, DATA - 100 * i);
    }
}

static void a_large_question_needs_no_memory_but_the_first(void **)
{
    assert_int_equal(ask(&(struct ninep_msg)WRITE(0, DATA)), 0);
    fake_fail_alloc(1);
    assert_int_equal(ask(&(struct ninep_msg)WRITE(0, DATA)), 0);
    assert_int_equal(ask(&(struct ninep_msg)WRITE(0, 300)), 0);
}

static void without_memory_for_the_question_the_channel_is_dead(void **)
{
    put(&(struct ninep_msg)WRITE(0, DATA));
    fake_fail_alloc(1);
    assert_int_equal(channel_kick(&channel), ERR_GUEST);
    assert_true(channel.dead);
}

static void a_ring_that_breaks_the_rules_is_dead(void **state)
{
    const uint16_t tag = APP_CHANNEL_SLOTS;
    const uint32_t lens[] = { 0, NINEP_HEADER - 1, APP_CHANNEL_MSIZE + 1, UINT32_MAX };

    for (unsigned i = 0; i < 1 + sizeof lens / sizeof *lens; i++) {
        uint32_t at = asked % APP_CHANNEL_SLOTS;
        put(&(struct ninep_msg)WRITE(0, 1));
        if (i == 0)
            ring_put(offsetof(struct app_ring, tag) + at * 2, &tag, sizeof tag);
        else
            ring_put(offsetof(struct app_ring, len) + at * 4, &lens[i - 1], sizeof lens[0]);
        assert_int_equal(channel_kick(&channel), ERR_GUEST);
        assert_true(channel.dead);
        teardown(state);
        setup(state);
    }
    asked += APP_CHANNEL_SLOTS + 1;
    ring_put(offsetof(struct app_ring, head), &asked, sizeof asked);
    assert_int_equal(channel_kick(&channel), ERR_GUEST);
}

static void a_question_in_the_place_of_one_that_waits_breaks_the_rules(void **)
{
    uint32_t at = (asked + 1) % APP_CHANNEL_SLOTS, len = NINEP_HEADER;

    files.hold = true;
    uint16_t slot = put(&(struct ninep_msg){ .type = NINEP_TREAD, .fid = file, .count = 1 });
    assert_int_equal(channel_kick(&channel), OK);
    assert_int_equal(channel.answered, answered);
    asked++;
    ring_put(offsetof(struct app_ring, tag) + at * 2, &slot, sizeof slot);
    ring_put(offsetof(struct app_ring, len) + at * 4, &len, sizeof len);
    ring_put(offsetof(struct app_ring, head), &asked, sizeof asked);
    assert_int_equal(channel_kick(&channel), ERR_GUEST);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_and_large_questions_are_answered),
        TEST(several_are_answered_at_one_kick),
        TEST(a_large_question_needs_no_memory_but_the_first),
        TEST(without_memory_for_the_question_the_channel_is_dead),
        TEST(a_ring_that_breaks_the_rules_is_dead),
        TEST(a_question_in_the_place_of_one_that_waits_breaks_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
