/* The 9P client against a server that is a liar: what it asks, which answers it believes, which fids it takes for used.
 */
#include "test/unit/unit.h"
#include <string.h>
#include "base/bytes.h"
#include "ninep/client.h"

#define CALLS 4u

static struct ninep_client c;
static struct ninep_call calls[CALLS], *call;
static uint64_t fids[1];
static uint8_t t[1024], r[1024];
static struct ninep_answer a;
static uint32_t len;

static err_t ask(struct ninep_msg q)
{
    return ninep_client_ask(&c, &q, t, sizeof t, &len, &call);
}

static err_t answer(struct ninep_msg m)
{
    uint32_t n;

    assert_int_equal(ninep_encode(&m, r, sizeof r, &n), OK);
    return ninep_client_take(&c, r, n, &a);
}

#define ASK(...) ask((struct ninep_msg){ __VA_ARGS__ })
#define ANSWER(...) answer((struct ninep_msg){ __VA_ARGS__ })

static int setup(void **)
{
    c = (struct ninep_client){ .calls = calls, .ncalls = CALLS, .fids = fids, .nfids = 64, .msize = 1024 };
    ninep_client_init(&c);
    assert_int_equal(ASK(.type = NINEP_TVERSION), OK);
    assert_memory_equal(t,
                        "\x15\0\0\0\x64\xff\xff\0\4\0\0\x08\0"
                        "9P2000.L",
                        21);
    assert_int_equal(ANSWER(.type = NINEP_TVERSION + 1, .tag = NINEP_NOTAG, .msize = 1000, .text = NINEP_VERSION), OK);
    assert_int_equal(c.msize, 1000);
    return 0;
}

static void nothing_is_asked_before_the_version(void **)
{
    c.msize = 1024;
    ninep_client_init(&c);
    assert_int_equal(ASK(.type = NINEP_TCLUNK), ERR_INVAL);
    assert_int_equal(ASK(.type = NINEP_TVERSION), OK);
    assert_int_equal(ASK(.type = NINEP_TCLUNK), ERR_INVAL);
    assert_int_equal(ASK(.type = NINEP_TVERSION), ERR_INVAL);
    /* a version that is not ours, a size that is too large or too small, the wrong tag */
    assert_int_equal(ANSWER(.type = NINEP_TVERSION + 1, .tag = NINEP_NOTAG, .msize = 1000, .text = "9P2000"),
                     ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TVERSION + 1, .tag = NINEP_NOTAG, .msize = 1025, .text = NINEP_VERSION),
                     ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TVERSION + 1, .tag = NINEP_NOTAG, .msize = 100, .text = NINEP_VERSION),
                     ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TVERSION + 1, .tag = 0, .msize = 1000, .text = NINEP_VERSION), ERR_FORMAT);
    assert_false(c.ready);
}

static void answers_may_come_in_any_order(void **)
{
    int who[3];
    struct ninep_call *asked[3];

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ASK(.type = NINEP_TREAD, .fid = i, .count = 10), OK);
        asked[i] = call;
        call->owner = &who[i];
        assert_int_equal(get_le16(t + 5), call - calls);
    }
    for (unsigned i = 3; i-- > 0;) {
        assert_int_equal(ANSWER(.type = NINEP_TREAD + 1, .tag = (uint16_t)(asked[i] - calls), .data = "x", .count = 1),
                         OK);
        assert_ptr_equal(a.call->owner, &who[i]);
        assert_int_equal(a.msg.count, 1);
    }
}

static void the_table_of_calls_can_be_full(void **)
{
    for (unsigned i = 0; i < CALLS; i++)
        assert_int_equal(ASK(.type = NINEP_TCLUNK), OK);
    assert_int_equal(ASK(.type = NINEP_TCLUNK), ERR_FULL);
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK + 1, .tag = 2), OK);
    assert_int_equal(ASK(.type = NINEP_TCLUNK), OK);
    assert_ptr_equal(call, &calls[2]);
}

static void questions_must_fit_the_agreed_size(void **)
{
    static const char data[1000];

    assert_int_equal(ASK(.type = NINEP_TREAD, .count = 990), ERR_FULL);
    assert_int_equal(ASK(.type = NINEP_TREAD, .count = 989), OK);
    assert_int_equal(ASK(.type = NINEP_TREADDIR, .count = 0xFFFFFFFF), ERR_FULL);
    assert_int_equal(ASK(.type = NINEP_TWRITE, .data = data, .count = 978), ERR_FULL);
    assert_int_equal(ASK(.type = NINEP_TWRITE, .data = data, .count = 977), OK);
    assert_int_equal(ASK(.type = NINEP_TREAD, .count = ninep_client_io_max(&c)), OK);
    assert_int_equal(ASK(.type = NINEP_TREAD + 1), ERR_INVAL);
    assert_int_equal(ASK(.type = NINEP_TMKDIR, .name = "a/b"), ERR_INVAL);
}

static void answers_that_fit_no_question_are_refused(void **)
{
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK + 1, .tag = 0), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK + 1, .tag = 100), ERR_FORMAT);
    assert_int_equal(ASK(.type = NINEP_TCLUNK), OK);
    assert_int_equal(ANSWER(.type = NINEP_TREMOVE + 1, .tag = 0), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK, .tag = 0), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_RLERROR, .tag = 0, .ecode = 0), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK + 1, .tag = NINEP_NOTAG), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK + 1, .tag = 0), OK);
    assert_int_equal(ANSWER(.type = NINEP_TCLUNK + 1, .tag = 0), ERR_FORMAT);
}

static void answers_larger_than_asked_for_are_refused(void **)
{
    assert_int_equal(ASK(.type = NINEP_TREAD, .count = 3), OK);
    assert_int_equal(ANSWER(.type = NINEP_TREAD + 1, .data = "four", .count = 4), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TREAD + 1, .data = "thr", .count = 3), OK);
    assert_int_equal(ASK(.type = NINEP_TWRITE, .data = "abc", .count = 3), OK);
    assert_int_equal(ANSWER(.type = NINEP_TWRITE + 1, .count = 4), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TWRITE + 1, .count = 2), OK);
    assert_int_equal(ASK(.type = NINEP_TWALK, .nwalk = 1, .wname = { "x" }), OK);
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .nwalk = 2), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .nwalk = 0), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .nwalk = 1), OK);
    memset(r, 0, sizeof r);
    put_le32(r, 1001);
    assert_int_equal(ninep_client_take(&c, r, 1001, &a), ERR_FORMAT);
}

static void fids_follow_the_answers(void **)
{
    uint32_t root, f;

    assert_int_equal(ninep_client_fid(&c, &root), OK);
    assert_int_equal(ASK(.type = NINEP_TATTACH, .fid = root, .dfid = NINEP_NOFID), OK);
    assert_int_equal(ANSWER(.type = NINEP_TATTACH + 1), OK);
    assert_int_equal(fids[0], 1);
    assert_int_equal(ninep_client_fid(&c, &f), OK);
    assert_int_equal(ASK(.type = NINEP_TWALK, .fid = root, .dfid = f, .nwalk = 2, .wname = { "a", "b" }), OK);
    assert_int_equal(fids[0], 3);
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .nwalk = 1), OK); /* half a walk makes no fid */
    assert_int_equal(fids[0], 1);
    assert_int_equal(ninep_client_fid(&c, &f), OK);
    assert_int_equal(ASK(.type = NINEP_TWALK, .fid = root, .dfid = f), OK);
    assert_int_equal(ANSWER(.type = NINEP_RLERROR, .ecode = 5), OK);
    assert_int_equal(fids[0], 1);
    assert_int_equal(ASK(.type = NINEP_TWALK, .fid = root, .dfid = root, .nwalk = 1, .wname = { "a" }), OK);
    assert_int_equal(ANSWER(.type = NINEP_RLERROR, .ecode = 2), OK); /* a failed walk in place keeps the fid */
    assert_int_equal(fids[0], 1);
    assert_int_equal(ASK(.type = NINEP_TREMOVE, .fid = root), OK);
    assert_int_equal(ANSWER(.type = NINEP_RLERROR, .ecode = 1), OK); /* clunked all the same */
    assert_int_equal(fids[0], 0);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(ninep_client_fid(&c, &f), OK);
    assert_int_equal(f, 63);
    assert_int_equal(ninep_client_fid(&c, &f), ERR_FULL);
    ninep_client_fid_put(&c, 7);
    assert_int_equal(ninep_client_fid(&c, &f), OK);
    assert_int_equal(f, 7);
}

static void a_flushed_call_ends_with_the_flush(void **)
{
    struct ninep_call *walk, *flush, *other;
    uint32_t f;

    assert_int_equal(ninep_client_fid(&c, &f), OK);
    assert_int_equal(ASK(.type = NINEP_TWALK, .fid = 9, .dfid = f), OK);
    walk = call;
    assert_int_equal(ninep_client_flush(&c, walk, t, sizeof t, &len, &flush), OK);
    assert_int_equal(get_le16(t + 7), walk - calls);
    assert_int_equal(ninep_client_flush(&c, walk, t, sizeof t, &len, &other), ERR_INVAL);
    assert_int_equal(ninep_client_flush(&c, flush, t, sizeof t, &len, &other), ERR_INVAL);
    assert_int_equal(ANSWER(.type = NINEP_TFLUSH + 1, .tag = (uint16_t)(flush - calls)), OK);
    assert_ptr_equal(a.call, flush);
    assert_ptr_equal(a.ended, walk);
    assert_int_equal(fids[0], 0); /* the walk did not happen */
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .tag = (uint16_t)(walk - calls)), ERR_FORMAT);
}

static void an_answer_that_overtakes_the_flush_counts(void **)
{
    struct ninep_call *walk, *flush;
    uint32_t f;

    assert_int_equal(ninep_client_fid(&c, &f), OK);
    assert_int_equal(ASK(.type = NINEP_TWALK, .fid = 9, .dfid = f), OK);
    walk = call;
    assert_int_equal(ninep_client_flush(&c, walk, t, sizeof t, &len, &flush), OK);
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .tag = (uint16_t)(walk - calls)), OK);
    assert_ptr_equal(a.call, walk);
    assert_int_equal(ANSWER(.type = NINEP_TWALK + 1, .tag = (uint16_t)(walk - calls)), ERR_FORMAT); /* but once */
    /* the tag stays taken until the flush is answered */
    assert_int_equal(ASK(.type = NINEP_TCLUNK, .fid = 3), OK);
    assert_ptr_not_equal(call, walk);
    assert_int_equal(ANSWER(.type = NINEP_RLERROR, .tag = (uint16_t)(flush - calls), .ecode = 5), ERR_FORMAT);
    assert_int_equal(ANSWER(.type = NINEP_TFLUSH + 1, .tag = (uint16_t)(flush - calls)), OK);
    assert_null(a.ended);
    assert_int_equal(fids[0], 1);
    assert_int_equal(ASK(.type = NINEP_TCLUNK, .fid = 3), OK);
    assert_ptr_equal(call, walk);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_asked_before_the_version),
        TEST(answers_may_come_in_any_order),
        TEST(the_table_of_calls_can_be_full),
        TEST(questions_must_fit_the_agreed_size),
        TEST(answers_that_fit_no_question_are_refused),
        TEST(answers_larger_than_asked_for_are_refused),
        TEST(fids_follow_the_answers),
        TEST(a_flushed_call_ends_with_the_flush),
        TEST(an_answer_that_overtakes_the_flush_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
