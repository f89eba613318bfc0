/* Synthetic trees: a small /vm with directories that come and go, texts, commands and a stream that waits. */
#include <stdio.h>
#include "test/unit/unit.h"
#include "ninep/tree.h"
#include "test/unit/ninep_wire.h"

enum { ROOT, VERSION, LONG, VM, VM_ONE, VM_CTL, VM_STATUS, VM_CONS, VM_DISK, VM_DISK_ONE, VM_DISK_SIZE, ROWS };

static struct wire w;
static uint32_t root;
static struct ninep_msg a;

/* the machines: key 1 to 4, a name or NULL */
static const char *names[5];
static char last_command[300], cons[64];
static size_t cons_len;
static struct ninep_req *cons_reader;
static unsigned opened_now, cancelled;

static err_t version_print(struct tree *, uint64_t, struct tree_text *x)
{
    tree_print(x, "goblin %d\n", 1);
    return OK;
}

static err_t long_print(struct tree *, uint64_t, struct tree_text *x)
{
    for (int i = 0; i < 1000; i++)
        tree_print(x, "line %d\n", i);
    return OK;
}

static err_t vm_next(struct tree *, uint64_t parent, uint64_t after, uint64_t *key, char *name)
{
    assert_int_equal(parent, 0);
    for (*key = after + 1; *key < 5; ++*key) {
        if (!names[*key])
            continue;
        strcpy(name, names[*key]);
        return OK;
    }
    return ERR_NOTFOUND;
}

static err_t vm_find(struct tree *, uint64_t, const char *name, uint64_t *key)
{
    for (*key = 1; *key < 5; ++*key)
        if (names[*key] && !strcmp(names[*key], name))
            return OK;
    return ERR_NOTFOUND;
}

static err_t vm_command(struct tree *, uint64_t key, const char *line)
{
    snprintf(last_command, sizeof last_command, "%d:%s", (int)key, line);
    return !strcmp(line, "start") ? OK : ERR_INVAL;
}

static err_t vm_status(struct tree *, uint64_t key, struct tree_text *x)
{
    if (!names[key])
        return ERR_NOTFOUND;
    tree_print(x, "%s runs\n", names[key]);
    return OK;
}

static void cons_cancel(struct ninep_req *r)
{
    assert_ptr_equal(r, cons_reader);
    cons_reader = NULL;
    cancelled++;
}

static err_t cons_read(struct ninep_req *r)
{
    if (!cons_len) {
        cons_reader = r;
        r->cancel = cons_cancel;
        return ERR_AGAIN;
    }
    r->out->count = (uint32_t)min_size(r->room, cons_len);
    memcpy(r->data, cons, r->out->count);
    cons_len = 0;
    cons_reader = NULL;
    return OK;
}

static err_t cons_write(struct ninep_req *r)
{
    cons_len = min_size(r->in.count, sizeof cons);
    memcpy(cons, r->in.data, cons_len);
    r->out->count = (uint32_t)cons_len;
    if (cons_reader)
        ninep_req_ready(cons_reader);
    return OK;
}

static err_t cons_open(struct ninep_req *r)
{
    if (r->fid->key == 2)
        return ERR_BUSY;
    opened_now++;
    return OK;
}

static void cons_close(struct tree *, struct ninep_fid *)
{
    opened_now--;
}

/* Each machine has two disks; a disk's key is the machine's and its own number. */
static err_t disk_next(struct tree *, uint64_t parent, uint64_t after, uint64_t *key, char *name)
{
    *key = after ? after + 1 : parent << 8 | 1;
    sprintf(name, "%d", (int)(*key & 0xFF));
    return (*key & 0xFF) > 2 ? ERR_NOTFOUND : OK;
}

static uint64_t disk_up(struct tree *, uint64_t key)
{
    return key >> 8;
}

static err_t disk_size(struct tree *, uint64_t key, struct tree_text *x)
{
    tree_print(x, "%s disk %d\n", names[key >> 8], (int)(key & 0xFF));
    return OK;
}

static const struct tree_row rows[ROWS] = {
    [ROOT] = { "", ROOT, .mode = TREE_DIR | 0555 },
    [VERSION] = { "version", ROOT, .mode = 0444, .print = version_print },
    [LONG] = { "long", ROOT, .mode = 0444, .print = long_print },
    [VM] = { "vm", ROOT, .mode = TREE_DIR | 0555 },
    [VM_ONE] = { NULL, VM, .mode = TREE_DIR | 0555, .next = vm_next, .find = vm_find },
    [VM_CTL] = { "ctl", VM_ONE, .mode = 0200, .command = vm_command },
    [VM_STATUS] = { "status", VM_ONE, .mode = 0444, .print = vm_status },
    [VM_CONS] = { "cons", VM_ONE, .mode = 0600, .read = cons_read, .write = cons_write, .open = cons_open,
                  .close = cons_close },
    [VM_DISK] = { "disk", VM_ONE, .mode = TREE_DIR | 0555 },
    [VM_DISK_ONE] = { NULL, VM_DISK, .mode = TREE_DIR | 0555, .next = disk_next, .up = disk_up },
    [VM_DISK_SIZE] = { "size", VM_DISK_ONE, .mode = 0444, .print = disk_size },
};
static struct tree tree = { .rows = rows, .nrows = ROWS, .uid = 5, .gid = 6, .time = 1000 };

static int setup(void **)
{
    memcpy(names, (const char *[5]){ NULL, "debian", "tiny", NULL, "hello" }, sizeof names);
    cons_len = 0;
    tree_init(&tree);
    root = wire_init(&w, &tree.fs);
    return 0;
}

static int teardown(void **)
{
    ninep_server_fini(&w.server);
    assert_int_equal(opened_now, 0);
    return 0;
}

static uint32_t opened(const char *path, uint32_t flags)
{
    uint32_t fid;

    assert_int_equal(wire_walk(&w, root, path, &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = flags), 0);
    return fid;
}

static void directories_list_rows_and_keys(void **)
{
    char text[256];

    for (uint32_t count = 40; count < 400; count += 60) {
        assert_int_equal(wire_ls(&w, root, "", count, text), 0);
        assert_string_equal(text, "version long vm ");
        assert_int_equal(wire_ls(&w, root, "vm", count, text), 0);
        assert_string_equal(text, "debian tiny hello ");
        assert_int_equal(wire_ls(&w, root, "vm/tiny", count, text), 0);
        assert_string_equal(text, "ctl status cons disk ");
        assert_int_equal(wire_ls(&w, root, "vm/tiny/disk", count, text), 0);
        assert_string_equal(text, "1 2 ");
    }
    assert_int_equal(wire_ls(&w, root, "", 30, text), NINEP_EINVAL);
}

static void texts_are_made_when_read(void **)
{
    char text[256];

    assert_int_equal(wire_cat(&w, root, "version", text, sizeof text), 0);
    assert_string_equal(text, "goblin 1\n");
    assert_int_equal(wire_cat(&w, root, "vm/hello/status", text, sizeof text), 0);
    assert_string_equal(text, "hello runs\n");
    assert_int_equal(wire_cat(&w, root, "vm/hello/disk/2/size", text, sizeof text), 0);
    assert_string_equal(text, "hello disk 2\n");
    assert_int_equal(wire_cat(&w, root, "vm/nobody/status", text, sizeof text), NINEP_ENOENT);
}

static void a_long_text_comes_whole_in_pieces(void **)
{
    static char text[16384], want[16384];
    uint32_t fid = opened("long", NINEP_RDONLY), at = 0;
    size_t n = 0;

    for (int i = 0; i < 1000; i++)
        n += (size_t)sprintf(want + n, "line %d\n", i);
    do {
        assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = fid, .offset = at, .count = 777), 0);
        memcpy(text + at, a.data, a.count);
        at += a.count;
    } while (a.count);
    assert_int_equal(at, n);
    assert_memory_equal(text, want, n);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = fid, .offset = UINT64_MAX, .count = 7), 0);
    assert_int_equal(a.count, 0);
}

static void one_write_is_one_command(void **)
{
    uint32_t fid = opened("vm/tiny/ctl", NINEP_WRONLY | NINEP_TRUNC);
    char big[300];

    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = "start\n", .count = 6), 0);
    assert_int_equal(a.count, 6);
    assert_string_equal(last_command, "2:start");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = "dance", .count = 5), NINEP_EINVAL);
    assert_string_equal(last_command, "2:dance");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = "a\0b", .count = 3), NINEP_EINVAL);
    memset(big, 'x', sizeof big);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = big, .count = 300), NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = big, .count = 0), NINEP_EINVAL);
    assert_string_equal(last_command, "2:");
}

static void modes_are_kept(void **)
{
    uint32_t fid;

    assert_int_equal(wire_walk(&w, root, "version", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDWR), NINEP_EACCES);
    assert_int_equal(wire_walk(&w, root, "vm/tiny/ctl", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDONLY), NINEP_EACCES);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), 0);
    assert_int_equal(a.attr.mode, NINEP_S_IFREG | 0200);
    assert_int_equal(a.attr.uid, 5);
    assert_int_equal(a.attr.mtime.sec, 1000);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_MODE), NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKDIR, .fid = root, .name = "x"), NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "version"), NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLCREATE, .fid = root, .name = "new"), NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = fid), NINEP_EPERM);
}

static void dotdot_finds_the_way_up_through_keys(void **)
{
    char text[64];
    uint32_t one, two;
    uint64_t path;

    assert_int_equal(wire_cat(&w, root, "vm/hello/disk/1/../../../tiny/../hello/status", text, sizeof text), 0);
    assert_string_equal(text, "hello runs\n");
    assert_int_equal(wire_cat(&w, root, "../../vm/../version", text, sizeof text), 0);
    assert_int_equal(wire_walk(&w, root, "vm/hello/disk", &one), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = one), 0);
    path = a.qid.path;
    assert_int_equal(wire_walk(&w, root, "vm/hello/disk/2/..", &two), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = two), 0);
    assert_true(a.qid.path == path);
}

static void a_machine_that_went_away_is_not_found(void **)
{
    uint32_t fid = opened("vm/tiny/status", NINEP_RDONLY);

    names[2] = NULL;
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = fid, .count = 10), NINEP_ENOENT);
}

static void a_console_waits_and_opens_as_it_likes(void **)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t fid = opened("vm/debian/cons", NINEP_RDWR), other, len;

    assert_int_equal(opened_now, 1);
    assert_int_equal(wire_walk(&w, root, "vm/tiny/cons", &other), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = other), NINEP_EBUSY);
    assert_int_equal(wire_send(&w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .count = 9 }, &call), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = "hi", .count = 2), 0);
    len = ninep_server_poll(&w.server, w.r);
    assert_int_equal(ninep_client_take(&w.client, w.r, len, &got), OK);
    assert_int_equal(got.msg.count, 2);
    assert_int_equal(wire_send(&w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .count = 9 }, &call), 0);
    cancelled = 0;
    assert_int_equal(wire_clunk(&w, fid), 0);
    assert_int_equal(cancelled, 1);
    assert_int_equal(opened_now, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(directories_list_rows_and_keys),
        TEST(texts_are_made_when_read),
        TEST(a_long_text_comes_whole_in_pieces),
        TEST(one_write_is_one_command),
        TEST(modes_are_kept),
        TEST(dotdot_finds_the_way_up_through_keys),
        TEST(a_machine_that_went_away_is_not_found),
        TEST(a_console_waits_and_opens_as_it_likes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
