/* The 9P server over a file system in memory: what it refuses, how requests wait and end, and that nothing is left
 * behind. */
#include "test/unit/unit.h"
#include "base/bytes.h"
#include "test/unit/ninep_memfs.h"
#include "test/unit/ninep_wire.h"

static struct wire w;
static struct memfs m;
static uint32_t root;
static struct ninep_msg a;

static int setup(void **)
{
    memfs_init(&m);
    root = wire_init(&w, &m.fs);
    return 0;
}

static int teardown(void **)
{
    ninep_server_fini(&w.server);
    assert_int_equal(memfs_holds(&m), 0);
    return 0;
}

static uint32_t opened(const char *path, uint32_t flags)
{
    uint32_t fid;

    assert_int_equal(wire_walk(&w, root, path, &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = flags), 0);
    return fid;
}

static void write_and_read_back(void **)
{
    char text[64];

    assert_int_equal(wire_put(&w, root, "hello", "hello, world\n"), 0);
    assert_int_equal(wire_cat(&w, root, "hello", text, sizeof text), 0);
    assert_string_equal(text, "hello, world\n");
    assert_int_equal(wire_cat(&w, root, "nothing", text, sizeof text), NINEP_ENOENT);
    assert_int_equal(memfs_holds(&m), 1);
}

static void walk_goes_all_the_way_or_makes_no_fid(void **)
{
    uint32_t fid;

    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKDIR, .fid = root, .name = "d", .mode = 0755), 0);
    assert_int_equal(wire_walk(&w, root, "d/../d/..", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), 0);
    assert_int_equal(wire_clunk(&w, fid), 0);
    /* half a walk: the first qid is told, and there is no fid */
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = root, .dfid = 50, .nwalk = 2, .wname = { "d", "x" }), 0);
    assert_int_equal(a.nwalk, 1);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = 50), NINEP_EBADF);
    /* not even the first */
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = root, .dfid = 50, .nwalk = 1, .wname = { "x" }),
                     NINEP_ENOENT);
    assert_int_equal(memfs_holds(&m), 1);
}

static void walk_in_place_moves_the_fid_only_if_it_succeeds(void **)
{
    uint32_t fid;

    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKDIR, .fid = root, .name = "d"), 0);
    assert_int_equal(wire_walk(&w, root, "", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid, .nwalk = 2, .wname = { "d", "x" }), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), 0);
    assert_int_equal(a.qid.path, 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid, .nwalk = 1, .wname = { "d" }), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), 0);
    assert_int_equal(a.qid.path, 1);
    assert_int_equal(memfs_holds(&m), 2);
}

static void an_open_directory_can_be_walked_from(void **)
{
    uint32_t fid = opened("", NINEP_RDONLY), f;

    assert_int_equal(wire_put(&w, root, "f", "x"), 0);
    assert_int_equal(wire_walk(&w, fid, "f", &f), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = f), 0);
    assert_int_equal(wire_walk(&w, fid, "././..", &f), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREADDIR, .fid = f, .count = 100),
                     NINEP_EBADF); /* the new fid is not open */
}

static void walk_from_a_file_or_to_a_taken_fid_is_refused(void **)
{
    uint32_t fid;

    assert_int_equal(wire_put(&w, root, "f", "x"), 0);
    assert_int_equal(wire_walk(&w, root, "f", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = 50, .nwalk = 1, .wname = { "x" }),
                     NINEP_ENOTDIR);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = root, .dfid = fid), NINEP_EBUSY);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = root, .dfid = NINEP_NOFID), NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid), NINEP_EBADF); /* it is open */
}

static void every_message_on_an_unknown_fid_is_refused(void **)
{
    static const uint8_t types[] = {
        NINEP_TSTATFS,   NINEP_TLOPEN,   NINEP_TLCREATE, NINEP_TSYMLINK,   NINEP_TMKNOD,       NINEP_TRENAME,
        NINEP_TREADLINK, NINEP_TGETATTR, NINEP_TSETATTR, NINEP_TREADDIR,   NINEP_TLINK,        NINEP_TMKDIR,
        NINEP_TFSYNC,    NINEP_TLOCK,    NINEP_TGETLOCK, NINEP_TRENAMEAT,
        NINEP_TUNLINKAT, NINEP_TWALK,    NINEP_TREAD,    NINEP_TWRITE,     NINEP_TCLUNK,       NINEP_TREMOVE,
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        assert_int_equal(ASK(&w, &a, .type = types[i], .fid = 40, .dfid = 41, .name = "n", .text = "t"), NINEP_EBADF);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TRENAMEAT, .fid = root, .dfid = 41, .name = "n", .text = "t"),
                     NINEP_EBADF);
}

static void open_and_closed_fids_are_told_apart(void **)
{
    uint32_t fid;

    assert_int_equal(wire_put(&w, root, "f", "x"), 0);
    assert_int_equal(wire_walk(&w, root, "f", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = fid, .count = 1), NINEP_EBADF);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TFSYNC, .fid = fid), NINEP_EBADF);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = 3), NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_DIRECTORY), NINEP_ENOTDIR);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY), NINEP_EBADF);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = "x", .count = 1), NINEP_EBADF);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREADDIR, .fid = fid, .count = 100), NINEP_ENOTDIR);
    fid = opened("f", NINEP_WRONLY);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = fid, .count = 1), NINEP_EBADF);
    fid = opened("", NINEP_RDONLY);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = fid, .count = 1), NINEP_EISDIR);
    assert_int_equal(wire_walk(&w, root, "", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDWR), NINEP_EISDIR);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_TRUNC), NINEP_EISDIR);
}

static void a_missing_operation_is_not_supported(void **)
{
    assert_int_equal(ASK(&w, &a, .type = NINEP_TAUTH, .dfid = 9), NINEP_ENOENT); /* not needed */
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKNOD, .fid = root, .name = "n"), NINEP_EOPNOTSUPP);
    uint8_t xattrwalk[] = { 17, 0, 0, 0, 30, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0 }, out[64]; /* nobody has extended attributes */
    uint32_t len;
    assert_int_equal(ninep_server_take(&w.server, xattrwalk, sizeof xattrwalk, out, &len), OK);
    assert_int_equal(len, 11);
    assert_int_equal(out[4], NINEP_RLERROR);
    assert_int_equal(get_le32(out + 7), NINEP_EOPNOTSUPP);
}

static void a_read_only_server_changes_nothing(void **)
{
    uint32_t fid;

    assert_int_equal(wire_put(&w, root, "f", "x"), 0);
    w.server.read_only = true;
    assert_int_equal(wire_put(&w, root, "g", "x"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKDIR, .fid = root, .name = "n"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSYMLINK, .fid = root, .name = "n"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKNOD, .fid = root, .name = "n"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "f"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TRENAMEAT, .fid = root, .dfid = root, .name = "f", .text = "g"),
                     NINEP_EROFS);
    assert_int_equal(wire_walk(&w, root, "f", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLINK, .fid = fid, .dfid = root, .name = "g"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TRENAME, .fid = fid, .dfid = root, .name = "g"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_WRONLY), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY | NINEP_TRUNC), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = fid), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), NINEP_EBADF); /* clunked all the same */
    assert_int_equal(m.inode[1].size, 1);
}

static void the_fid_table_fills_and_empties(void **)
{
    /* numbers that collide in the table, and numbers that do not */
    for (uint32_t step = 1; step <= WIRE_FIDS; step *= WIRE_FIDS) {
        for (uint32_t i = 1; i < WIRE_FIDS; i++)
            assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = root, .dfid = 1000 + i * step), 0);
        assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = root, .dfid = 999), NINEP_ENFILE);
        assert_int_equal(memfs_holds(&m), WIRE_FIDS);
        for (uint32_t i = 1; i < WIRE_FIDS; i += 2)
            assert_int_equal(wire_clunk(&w, 1000 + i * step), 0);
        for (uint32_t i = 1; i < WIRE_FIDS; i++)
            assert_int_equal(wire_clunk(&w, 1000 + i * step), i & 1 ? NINEP_EBADF : 0);
        assert_int_equal(memfs_holds(&m), 1);
    }
}

static void directories_are_read_in_pieces(void **)
{
    char names[256];

    for (char name[] = "a"; name[0] < 'k'; name[0]++)
        assert_int_equal(wire_put(&w, root, name, ""), 0);
    for (uint32_t count = 25; count < 400; count += 50) {
        assert_int_equal(wire_ls(&w, root, "", count, names), 0);
        assert_string_equal(names, "a b c d e f g h i j ");
    }
    assert_int_equal(wire_ls(&w, root, "", 24, names), NINEP_EINVAL);
}

/* --- waiting --- */

static struct ninep_call *wait_read(uint32_t fid)
{
    struct ninep_call *call;

    assert_int_equal(wire_send(&w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .count = 100 }, &call), 0);
    return call;
}

static void a_read_waits_until_there_is_something(void **)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t in, out, len;

    assert_int_equal(wire_put(&w, root, "cons", ""), 0);
    in = opened("cons", NINEP_RDONLY);
    out = opened("cons", NINEP_WRONLY);
    m.hold = true;
    call = wait_read(in);
    assert_int_equal(ninep_server_poll(&w.server, w.r), 0);
    ninep_req_ready(m.held); /* a false alarm: it waits on */
    assert_int_equal(w.wakes, 1);
    assert_int_equal(ninep_server_poll(&w.server, w.r), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = out, .data = "key", .count = 3), 0);
    assert_int_equal(w.wakes, 2);
    len = ninep_server_poll(&w.server, w.r);
    assert_int_equal(ninep_client_take(&w.client, w.r, len, &got), OK);
    assert_ptr_equal(got.call, call);
    assert_int_equal(got.msg.count, 3);
    assert_memory_equal(got.msg.data, "key", 3);
    assert_int_equal(ninep_server_poll(&w.server, w.r), 0);
    assert_int_equal(m.cancelled, 0);
}

static void flush_ends_what_waits_and_answers_both(void **)
{
    struct ninep_answer got;
    struct ninep_call *call, *flush;
    uint8_t t[64];
    uint32_t in, len, n;

    assert_int_equal(wire_put(&w, root, "cons", ""), 0);
    in = opened("cons", NINEP_RDONLY);
    m.hold = true;
    call = wait_read(in);
    assert_int_equal(ninep_client_flush(&w.client, call, t, sizeof t, &len, &flush), OK);
    assert_int_equal(ninep_server_take(&w.server, t, len, w.r, &n), OK);
    assert_int_equal(n, 11 + 7);
    assert_int_equal(m.cancelled, 1);
    assert_int_equal(ninep_client_take(&w.client, w.r, 11, &got), OK);
    assert_ptr_equal(got.call, call);
    assert_int_equal(got.msg.ecode, NINEP_EINTR);
    assert_int_equal(ninep_client_take(&w.client, w.r + 11, 7, &got), OK);
    assert_ptr_equal(got.call, flush);
    assert_null(got.ended);
    /* a flush of what does not wait (any more) is answered too */
    assert_int_equal(ASK(&w, &a, .type = NINEP_TFLUSH, .oldtag = 5), 0);
}

static void clunk_ends_what_waits_on_the_fid(void **)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t in, len;

    assert_int_equal(wire_put(&w, root, "cons", ""), 0);
    in = opened("cons", NINEP_RDONLY);
    m.hold = true;
    call = wait_read(in);
    assert_int_equal(wire_clunk(&w, in), 0);
    assert_int_equal(m.cancelled, 1);
    assert_int_equal(w.wakes, 1);
    len = ninep_server_poll(&w.server, w.r);
    assert_int_equal(ninep_client_take(&w.client, w.r, len, &got), OK);
    assert_ptr_equal(got.call, call);
    assert_int_equal(got.msg.ecode, NINEP_EINTR);
}

static void a_new_version_forgets_everything(void **)
{
    uint8_t t[32];
    uint32_t len, n;
    struct ninep_msg q = { .type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = 4096, .text = NINEP_VERSION };

    assert_int_equal(wire_put(&w, root, "cons", ""), 0);
    m.hold = true;
    wait_read(opened("cons", NINEP_RDONLY));
    assert_int_equal(ninep_encode(&q, t, sizeof t, &len), OK);
    assert_int_equal(ninep_server_take(&w.server, t, len, w.r, &n), OK);
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.msize, 4096);
    assert_int_equal(m.cancelled, 1);
    assert_int_equal(memfs_holds(&m), 0);
    assert_int_equal(ninep_server_poll(&w.server, w.r), 0);
}

static void too_many_waiting_requests_are_refused_and_flush_still_works(void **)
{
    uint8_t t[WIRE_REQS][64], flush[16];
    uint32_t len, n = 0, fid;

    assert_int_equal(wire_put(&w, root, "cons", ""), 0);
    fid = opened("cons", NINEP_RDONLY);
    m.hold = true;
    for (uint16_t i = 0; i < WIRE_REQS; i++) {
        struct ninep_msg q = { .type = NINEP_TREAD, .tag = (uint16_t)(100 + i), .fid = fid, .count = 1 };
        m.held = NULL; /* memfs knows only one */
        assert_int_equal(ninep_encode(&q, t[i], sizeof t[i], &len), OK);
        assert_int_equal(ninep_server_take(&w.server, t[i], len, w.r, &n), OK);
        assert_int_equal(n, i < WIRE_REQS - 1 ? 0 : 11);
    }
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.ecode, NINEP_EAGAIN);
    for (uint16_t i = 0; i < WIRE_REQS - 1; i++) {
        struct ninep_msg q = { .type = NINEP_TFLUSH, .tag = 3, .oldtag = (uint16_t)(100 + i) };
        assert_int_equal(ninep_encode(&q, flush, sizeof flush, &len), OK);
        assert_int_equal(ninep_server_take(&w.server, flush, len, w.r, &n), OK);
        assert_int_equal(n, 18);
    }
    assert_int_equal(m.cancelled, WIRE_REQS);
}

/* --- what is not 9P --- */

static err_t take_raw(const void *bytes, uint32_t n, uint32_t *answer)
{
    static uint8_t t[2 * WIRE_MSIZE];

    memcpy(t, bytes, n);
    return ninep_server_take(&w.server, t, n, w.r, answer);
}

static void damaged_messages_are_answered_or_end_the_connection(void **)
{
    static uint8_t big[2 * WIRE_MSIZE];
    uint32_t n;

    assert_int_equal(take_raw("", 0, &n), ERR_FORMAT);
    assert_int_equal(take_raw("\7\0\0\0\x78\0", 6, &n), ERR_FORMAT);
    assert_int_equal(take_raw("\x8\0\0\0\x78\0\0", 7, &n), ERR_FORMAT);
    assert_int_equal(take_raw("\7\0\0\0\x78\1\2", 7, &n), OK); /* Tclunk without a fid */
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.ecode, NINEP_EPROTO);
    assert_int_equal(a.tag, 0x0201);
    assert_int_equal(take_raw("\7\0\0\0\xff\1\2", 7, &n), OK); /* no such type */
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.ecode, NINEP_EOPNOTSUPP);
    assert_int_equal(take_raw("\7\0\0\0\x79\1\2", 7, &n), OK); /* an answer */
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.ecode, NINEP_EOPNOTSUPP);
    put_le32(big, WIRE_MSIZE + 1);
    assert_int_equal(take_raw(big, WIRE_MSIZE + 1, &n), ERR_FORMAT);
}

static void one_tag_is_one_request(void **)
{
    uint32_t fid, n;
    struct ninep_call *call;
    uint8_t clunk[11] = { 11, 0, 0, 0, NINEP_TCLUNK };

    assert_int_equal(wire_put(&w, root, "cons", ""), 0);
    fid = opened("cons", NINEP_RDONLY);
    m.hold = true;
    call = wait_read(fid);
    put_le16(clunk + 5, (uint16_t)(call - w.calls));
    assert_int_equal(take_raw(clunk, 11, &n), OK);
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.ecode, NINEP_EINVAL);
}

static void nothing_goes_before_the_version(void **)
{
    uint8_t t[64];
    uint32_t len, n;
    struct ninep_msg q = { .type = NINEP_TVERSION, .msize = 100, .text = NINEP_VERSION };

    ninep_server_fini(&w.server);
    q.type = NINEP_TATTACH;
    q.dfid = NINEP_NOFID;
    assert_int_equal(ninep_encode(&q, t, sizeof t, &len), OK);
    assert_int_equal(take_raw(t, len, &n), OK);
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.ecode, NINEP_EPROTO);
    q.type = NINEP_TVERSION; /* too small a size */
    assert_int_equal(ninep_encode(&q, t, sizeof t, &len), OK);
    assert_int_equal(take_raw(t, len, &n), OK);
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_int_equal(a.type, NINEP_RLERROR);
    q.msize = 1 << 30;
    q.text = "9P2000.u";
    assert_int_equal(ninep_encode(&q, t, sizeof t, &len), OK);
    assert_int_equal(take_raw(t, len, &n), OK);
    assert_int_equal(ninep_decode(w.r, n, &a), OK);
    assert_string_equal(a.text, "unknown");
    assert_int_equal(a.msize, WIRE_MSIZE);
    assert_int_equal(w.server.msize, 0);
}

static void a_target_that_does_not_fit_is_an_error(void **)
{
    char target[1500];
    uint32_t fid;

    memset(target, 't', sizeof target);
    target[sizeof target - 1] = 0;
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSYMLINK, .fid = root, .name = "l", .text = target), 0);
    assert_int_equal(wire_walk(&w, root, "l", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREADLINK, .fid = fid), 0);
    assert_string_equal(a.text, target);
    w.server.msize = NINEP_MSIZE_MIN;
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREADLINK, .fid = fid), NINEP_ENAMETOOLONG);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid), NINEP_ELOOP);
}

static void attach_needs_no_auth_and_a_free_fid(void **)
{
    assert_int_equal(ASK(&w, &a, .type = NINEP_TATTACH, .fid = 9, .dfid = 1), NINEP_EBADF);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TATTACH, .fid = root, .dfid = NINEP_NOFID), NINEP_EBUSY);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TATTACH, .fid = NINEP_NOFID, .dfid = NINEP_NOFID), NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TATTACH, .fid = 9, .dfid = NINEP_NOFID, .text = "other"), NINEP_ENOENT);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TATTACH, .fid = 9, .dfid = NINEP_NOFID), 0);
    assert_int_equal(memfs_holds(&m), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(write_and_read_back),
        TEST(walk_goes_all_the_way_or_makes_no_fid),
        TEST(walk_in_place_moves_the_fid_only_if_it_succeeds),
        TEST(an_open_directory_can_be_walked_from),
        TEST(walk_from_a_file_or_to_a_taken_fid_is_refused),
        TEST(every_message_on_an_unknown_fid_is_refused),
        TEST(open_and_closed_fids_are_told_apart),
        TEST(a_missing_operation_is_not_supported),
        TEST(a_read_only_server_changes_nothing),
        TEST(the_fid_table_fills_and_empties),
        TEST(directories_are_read_in_pieces),
        TEST(a_read_waits_until_there_is_something),
        TEST(flush_ends_what_waits_and_answers_both),
        TEST(clunk_ends_what_waits_on_the_fid),
        TEST(a_new_version_forgets_everything),
        TEST(too_many_waiting_requests_are_refused_and_flush_still_works),
        TEST(damaged_messages_are_answered_or_end_the_connection),
        TEST(one_tag_is_one_request),
        TEST(nothing_goes_before_the_version),
        TEST(a_target_that_does_not_fit_is_an_error),
        TEST(attach_needs_no_auth_and_a_free_fid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
