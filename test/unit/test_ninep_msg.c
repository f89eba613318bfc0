/* 9P messages to and from bytes: every message both ways, known bytes, and everything malformed refused. */
#include <stdlib.h>
#include <string.h>
#include "test/unit/unit.h"
#include "base/bytes.h"
#include "ninep/msg.h"

static uint8_t buf[16384], again[16384];

static uint64_t any(void)
{
    return (uint64_t)(unsigned)rand() << 42 ^ (uint64_t)(unsigned)rand() << 21 ^ (uint64_t)(unsigned)rand();
}

/* Every field that is not a pointer is random; what a message does not carry must not matter. */
static struct ninep_msg any_message(uint8_t type)
{
    static const char *const names[] = { "a", "file.txt", "with space", "...", "\xc3\xa4" };
    static const char data[] = "some data with a \0 in it";
    struct ninep_msg m;
    uint8_t *bytes = (uint8_t *)&m;

    for (size_t i = 0; i < sizeof m; i++)
        bytes[i] = (uint8_t)any();
    m.type = type;
    m.name = names[any() % ARRAY_LEN(names)];
    m.text = names[any() % ARRAY_LEN(names)];
    m.data = data;
    m.count = (uint32_t)(any() % sizeof data);
    m.nwalk = (uint16_t)(any() % (NINEP_WALK_MAX + 1));
    if (type == NINEP_TWALK)
        for (unsigned i = 0; i < NINEP_WALK_MAX; i++)
            m.wname[i] = i & 1 ? ".." : names[any() % ARRAY_LEN(names)];
    return m;
}

static bool exists(uint8_t type)
{
    uint8_t head[NINEP_HEADER] = { NINEP_HEADER, [4] = type };
    struct ninep_msg m;

    return ninep_decode(head, sizeof head, &m) != ERR_UNSUPPORTED;
}

static void every_message_comes_back_as_it_was(void **)
{
    unsigned seen = 0;

    for (unsigned round = 0; round < 50; round++) {
        for (uint8_t type = 0; type < 255; type++) {
            struct ninep_msg m = any_message(type), back;
            uint32_t len, len2;
            if (!exists(type)) {
                assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), ERR_UNSUPPORTED);
                continue;
            }
            seen++;
            assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
            memcpy(again, buf, len);
            assert_int_equal(ninep_decode(again, len, &back), OK);
            assert_int_equal(back.type, m.type);
            assert_int_equal(back.tag, m.tag);
            assert_int_equal(ninep_encode(&back, again + 8000, 8000, &len2), OK);
            assert_int_equal(len2, len);
            assert_memory_equal(again + 8000, buf, len);
        }
    }
    assert_int_equal(seen, 50 * 53);
}

static void fields_arrive_in_the_struct(void **)
{
    struct ninep_msg m = { .type = NINEP_TRENAMEAT, .tag = 7, .fid = 1, .name = "old", .dfid = 2, .text = "new" }, b;
    uint32_t len;

    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
    assert_int_equal(ninep_decode(buf, len, &b), OK);
    assert_int_equal(b.fid, 1);
    assert_int_equal(b.dfid, 2);
    assert_string_equal(b.name, "old");
    assert_string_equal(b.text, "new");

    m = (struct ninep_msg){ .type = NINEP_TWRITE, .fid = 3, .offset = 1ull << 40, .data = "abc", .count = 3 };
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
    assert_int_equal(len, NINEP_WRITE_HEADER + 3);
    assert_int_equal(ninep_decode(buf, len, &b), OK);
    assert_true(b.offset == 1ull << 40);
    assert_int_equal(b.count, 3);
    assert_memory_equal(b.data, "abc", 3);
}

/* Bytes written down by hand from the protocol's description. */
static void known_bytes(void **)
{
    static const struct {
        struct ninep_msg m;
        uint32_t len;
        const char *bytes;
    } known[] = {
        { { .type = NINEP_TVERSION, .tag = NINEP_NOTAG, .msize = 0x10000, .text = "9P2000.L" },
          21,
          "\x15\0\0\0\x64\xff\xff\0\0\x01\0\x08\0"
          "9P2000.L" },
        { { .type = NINEP_TATTACH, .tag = 1, .fid = 2, .dfid = NINEP_NOFID, .name = "root", .text = "/x", .uid = 5 },
          29,
          "\x1d\0\0\0\x68\x01\0\x02\0\0\0\xff\xff\xff\xff\x04\0root\x02\0/x\x05\0\0\0" },
        { { .type = NINEP_TWALK, .tag = 3, .fid = 1, .dfid = 4, .nwalk = 2, .wname = { "ab", "c" } },
          24,
          "\x18\0\0\0\x6e\x03\0\x01\0\0\0\x04\0\0\0\x02\0\x02\0ab\x01\0c" },
        { { .type = NINEP_TLINK, .tag = 3, .dfid = 1, .fid = 2, .name = "n" },
          18,
          "\x12\0\0\0\x46\x03\0\x01\0\0\0\x02\0\0\0\x01\0n" },
        { { .type = NINEP_RLERROR, .tag = 9, .ecode = 2 }, 11, "\x0b\0\0\0\x07\x09\0\x02\0\0\0" },
        { { .type = NINEP_TLOPEN + 1, .tag = 9, .qid = { 0x80, 0x01020304, 0x05060708090a0b0cull }, .iounit = 0x1000 },
          24,
          "\x18\0\0\0\x0d\x09\0\x80\x04\x03\x02\x01\x0c\x0b\x0a\x09\x08\x07\x06\x05\0\x10\0\0" },
        { { .type = NINEP_TLOCK,
            .tag = 1,
            .fid = 2,
            .kind = 1,
            .flags = 3,
            .offset = 4,
            .size = 5,
            .pid = 6,
            .text = "me" },
          40,
          "\x28\0\0\0\x34\x01\0\x02\0\0\0\x01\x03\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\x02\0me" },
        { { .type = NINEP_TREAD + 1, .tag = 1, .count = 2, .data = "hi" }, 13, "\x0d\0\0\0\x75\x01\0\x02\0\0\0hi" },
    };

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        uint32_t len;
        assert_int_equal(ninep_encode(&known[i].m, buf, sizeof buf, &len), OK);
        assert_int_equal(len, known[i].len);
        assert_memory_equal(buf, known[i].bytes, len);
    }
}

static void sizes_of_the_long_ones(void **)
{
    static const struct {
        uint8_t type;
        uint32_t len;
    } sizes[] = {
        { NINEP_TGETATTR, 19 }, { NINEP_TGETATTR + 1, 160 }, { NINEP_TSETATTR, 67 },   { NINEP_TSTATFS + 1, 67 },
        { NINEP_TREAD, 23 },    { NINEP_TREADDIR, 23 },      { NINEP_TMKDIR + 1, 20 }, { NINEP_TWRITE + 1, 11 },
    };

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct ninep_msg m = { .type = sizes[i].type };
        uint32_t len;
        assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
        assert_int_equal(len, sizes[i].len);
    }
}

static void every_cut_or_stretched_message_is_refused(void **)
{
    for (uint8_t type = 0; type < NINEP_TYPES; type++) {
        struct ninep_msg m = any_message(type), back;
        uint32_t len;
        if (!exists(type))
            continue;
        m.nwalk = NINEP_WALK_MAX;
        m.count = 4;
        assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
        for (uint32_t cut = 0; cut <= len + 8; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1); /* so that the sanitizer sees one byte too far */
            memcpy(copy, buf, cut);
            if (cut >= 4)
                put_le32(copy, cut);
            bool may = cut == len || (type == NINEP_TFSYNC && cut == len + 4);
            err_t e = ninep_decode(copy, cut, &back);
            assert_int_equal(e == OK, may);
            free(copy);
        }
    }
}

static void a_size_field_that_lies_is_refused(void **)
{
    struct ninep_msg m = { .type = NINEP_TCLUNK, .fid = 1, .tag = 77 }, back;
    uint32_t len = 0;

    for (uint32_t lie = 0; lie < 40; lie++) {
        assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
        put_le32(buf, lie);
        assert_int_equal(ninep_decode(buf, len, &back), lie == len ? OK : ERR_FORMAT);
        assert_int_equal(back.tag, 77);
    }
    put_le32(buf, 0xFFFFFFFF);
    assert_int_equal(ninep_decode(buf, len, &back), ERR_FORMAT);
}

/* Tmkdir with a name of n bytes as it stands in memory. */
static err_t decode_name(uint8_t type, const char *name, uint32_t n)
{
    struct ninep_msg back;
    uint32_t head = type == NINEP_TWALK ? 17 : 11;
    uint32_t tail = type == NINEP_TMKDIR ? 8 : 0, len = head + 2 + n + tail;

    memset(buf, 0, len);
    put_le32(buf, len);
    buf[4] = type;
    if (type == NINEP_TWALK)
        put_le16(buf + 15, 1);
    put_le16(buf + head, (uint16_t)n);
    memcpy(buf + head + 2, name, n);
    return ninep_decode(buf, len, &back);
}

static void bad_names_are_refused(void **)
{
    char name[5000];

    assert_int_equal(decode_name(NINEP_TMKDIR, "good", 4), OK);
    assert_int_equal(decode_name(NINEP_TMKDIR, "..x", 3), OK);
    assert_int_equal(decode_name(NINEP_TMKDIR, "", 0), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TMKDIR, ".", 1), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TMKDIR, "..", 2), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TMKDIR, "a/b", 3), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TMKDIR, "/", 1), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TMKDIR, "a\0b", 3), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TWALK, "..", 2), OK);
    assert_int_equal(decode_name(NINEP_TWALK, ".", 1), OK);
    assert_int_equal(decode_name(NINEP_TWALK, "", 0), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TWALK, "../x", 4), ERR_INVAL);
    assert_int_equal(decode_name(NINEP_TWALK, "..\0", 3), ERR_INVAL);
    memset(name, 'x', sizeof name);
    assert_int_equal(decode_name(NINEP_TMKDIR, name, NINEP_NAME_MAX), OK);
    assert_int_equal(decode_name(NINEP_TMKDIR, name, NINEP_NAME_MAX + 1), ERR_RANGE);
    assert_int_equal(decode_name(NINEP_TREADLINK, name, 1), ERR_FORMAT);
}

static void long_texts_and_lists_are_refused(void **)
{
    static char text[70000];
    struct ninep_msg m = { .type = NINEP_TSYMLINK, .name = "l", .text = text }, back;
    uint32_t len;

    memset(text, 't', sizeof text - 1);
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), ERR_RANGE);
    text[NINEP_TEXT_MAX + 1] = 0;
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), ERR_RANGE);
    text[NINEP_TEXT_MAX] = 0;
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
    m.name = "a/b";
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), ERR_INVAL);
    m.name = NULL;
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), ERR_INVAL);

    m = (struct ninep_msg){ .type = NINEP_TWALK, .nwalk = NINEP_WALK_MAX + 1 };
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), ERR_INVAL);
    m = (struct ninep_msg){ .type = NINEP_TWALK + 1, .nwalk = NINEP_WALK_MAX };
    assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
    put_le16(buf + NINEP_HEADER, NINEP_WALK_MAX + 1);
    put_le32(buf, len + 13);
    assert_int_equal(ninep_decode(buf, len + 13, &back), ERR_FORMAT);
    put_le16(buf + NINEP_HEADER, 0xFFFF);
    assert_int_equal(ninep_decode(buf, len + 13, &back), ERR_FORMAT);
}

static void data_longer_than_the_message_is_refused(void **)
{
    static const uint32_t counts[] = { 5, 4096, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0 };
    struct ninep_msg m = { .type = NINEP_TWRITE, .data = "four", .count = 4 }, back;
    uint32_t len = 0;

    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
        put_le32(buf + 19, counts[i]);
        assert_int_equal(ninep_decode(buf, len, &back), ERR_FORMAT);
    }
    put_le32(buf + 19, 3);
    assert_int_equal(ninep_decode(buf, len, &back), ERR_FORMAT);
}

static void encoding_needs_exactly_the_room_it_takes(void **)
{
    for (uint8_t type = 0; type < NINEP_TYPES; type++) {
        struct ninep_msg m = any_message(type);
        uint32_t len, len2;
        if (!exists(type))
            continue;
        assert_int_equal(ninep_encode(&m, buf, sizeof buf, &len), OK);
        for (uint32_t room = 0; room <= len; room++) {
            uint8_t *tight = malloc(room ? room : 1);
            assert_int_equal(ninep_encode(&m, tight, room, &len2), room == len ? OK : ERR_FULL);
            free(tight);
        }
    }
}

static void directory_entries_come_back(void **)
{
    static const char *const names[] = { "a", "..", "somewhat longer", "." };
    struct ninep_dirent d;
    uint32_t used = 0, at = 0, n = 0;

    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct ninep_qid q = { .type = NINEP_QTDIR, .version = i, .path = 100 + i };
        assert_true(ninep_dirent_put(buf, 200, &used, &q, i + 1, 4, names[i]));
    }
    assert_int_equal(used, 4 * 24 + 1 + 2 + 15 + 1);
    while (at < used) {
        assert_int_equal(ninep_dirent_get(buf, used, &at, &d), OK);
        assert_string_equal(d.name, names[n]);
        assert_int_equal(d.qid.path, 100 + n);
        assert_int_equal(d.offset, ++n);
        assert_int_equal(d.type, 4);
    }
    assert_int_equal(n, 4);
}

static void bad_directory_entries_are_refused(void **)
{
    const struct ninep_qid q = { 0 };
    char name[300];
    struct ninep_dirent d;
    uint32_t used = 0, at;

    memset(name, 'n', sizeof name);
    name[256] = 0;
    assert_false(ninep_dirent_put(buf, sizeof buf, &used, &q, 1, 8, name));
    assert_false(ninep_dirent_put(buf, 26, &used, &q, 1, 8, "abc"));
    assert_int_equal(used, 0);
    assert_true(ninep_dirent_put(buf, 27, &used, &q, 1, 8, "abc"));
    for (uint32_t cut = 0; cut < used; cut++) {
        at = 0;
        assert_int_equal(ninep_dirent_get(buf, cut, &at, &d), ERR_FORMAT);
    }
    buf[24] = '/';
    at = 0;
    assert_int_equal(ninep_dirent_get(buf, used, &at, &d), ERR_INVAL);
    buf[24] = 0;
    at = 0;
    assert_int_equal(ninep_dirent_get(buf, used, &at, &d), ERR_INVAL);
    put_le16(buf + 22, 0xFFFF);
    at = 0;
    assert_int_equal(ninep_dirent_get(buf, used, &at, &d), ERR_FORMAT);
}

static void errors_become_linux_numbers(void **)
{
    for (err_t e = OK; e <= ERR_AGAIN; e++)
        assert_int_not_equal(ninep_errno(e), 0);
    assert_int_equal(ninep_errno(ERR_NOTFOUND), 2);
    assert_int_equal(ninep_errno((err_t)99), NINEP_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_as_it_was),
        cmocka_unit_test(fields_arrive_in_the_struct),
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(sizes_of_the_long_ones),
        cmocka_unit_test(every_cut_or_stretched_message_is_refused),
        cmocka_unit_test(a_size_field_that_lies_is_refused),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(long_texts_and_lists_are_refused),
        cmocka_unit_test(data_longer_than_the_message_is_refused),
        cmocka_unit_test(encoding_needs_exactly_the_room_it_takes),
        cmocka_unit_test(directory_entries_come_back),
        cmocka_unit_test(bad_directory_entries_are_refused),
        cmocka_unit_test(errors_become_linux_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
