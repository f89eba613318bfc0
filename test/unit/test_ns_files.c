/* The trees of bytes: /img, /boot and /blk. */
#include "test/unit/unit.h"
#include "base/str.h"
#include "ground/fake/fake.h"
#include "io/blk.h"
#include "ns/files.h"
#include "test/unit/ns_files.h"
#include "vm/work.h"

static uint8_t kernel[0x400], app[4096], other[100];
static const struct ns_file all[] = {
    { "/debian/vmlinuz", { kernel, sizeof kernel } },
    { "/debian/deep/er/initrd", { other, sizeof other } },
    { "/top", { other, 3 } },
    { "/Debian/second", { other, 50 } },
    { "/apps/lua.img", { app, sizeof app } },
    { "/other/vmlinuz", { kernel, sizeof kernel } },
    { "/debian/vmlinuz", { other, 1 } }, /* on another volume */
};
static const struct ns_setup setup = { .file = all, .nfiles = ARRAY_LEN(all) };
static struct files f;

/* --- a disk whose requests are finished by hand --- */

static struct blk_req *under_way;
static unsigned submitted, changes;
void work_changed(void) { changes++; }

static void disk_submit(struct blk *b, struct blk_req *r)
{
    uint64_t n;

    assert_int_equal(blk_check(b, r, &n), OK);
    assert_null(under_way);
    under_way = r;
    submitted++;
}
static const struct blk_ops disk_ops = { .submit = disk_submit };
static struct blk disk = { .ops = &disk_ops, .name = "vda", .sectors = 1000, .block_size = 4096, .max_segs = 4, .max_bytes = 1 << 20 };
static struct blk part = { .ops = &disk_ops, .name = "vda1", .sectors = 80, .block_size = 512, .max_segs = 4, .max_bytes = 8192, .whole = &disk,
                           .partlabel = "first", .partuuid = "1-2", .read_only = true };

/* Sectors hold their numbers. */
static void disk_done(err_t e)
{
    struct blk_req *r = under_way;

    under_way = NULL;
    for (uint32_t i = 0; !e && i < r->seg->len; i++)
        ((uint8_t *)hpa_ptr(r->seg->pa))[i] = (uint8_t)(r->sector + i / BLK_SECTOR);
    r->done(r, e);
}

static int group_setup(void **)
{
    memcpy(kernel + 0x202, "HdrS", 4);
    memcpy(app, "\xF9\xFFGoblin", 8);
    memcpy(other, "other bytes", 11);
    ns_files_init(&setup);
    blk_register(&disk);
    blk_register(&part);
    return 0;
}

static int end(void **)
{
    files_detach(&f);
    return 0;
}

static void images_are_kernels_and_apps(void **)
{
    files_attach(&f, ns_img_fs());
    assert_string_equal(files_list(&f, ""), "vmlinuz lua.img ");
    assert_memory_equal(files_read(&f, "lua.img"), app, sizeof app);
    assert_int_equal(files_write(&f, "lua.img", "x"), NINEP_EACCES);
    assert_null(files_read(&f, "top"));
}

static void a_file_has_its_length(void **)
{
    struct ninep_msg a;
    uint32_t fid;

    files_attach(&f, ns_boot_fs());
    assert_int_equal(files_walk(&f, "apps/lua.img", &fid), 0);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TGETATTR, .fid = fid), 0);
    assert_int_equal(a.attr.size, sizeof app);
    assert_int_equal(a.attr.mode, NINEP_S_IFREG | 0444);
}

static void boot_has_every_file_in_its_folder(void **)
{
    files_attach(&f, ns_boot_fs());
    assert_string_equal(files_list(&f, ""), "debian apps other top ");
    assert_string_equal(files_list(&f, "debian"), "deep vmlinuz second ");
    assert_string_equal(files_list(&f, "DEBIAN/deep"), "er ");
    assert_string_equal(files_list(&f, "debian/deep/er"), "initrd ");
    assert_string_equal(files_read(&f, "top"), "oth");
    assert_int_equal(strlen(files_read(&f, "debian/second")), 11);
    assert_memory_equal(files_read(&f, "debian/vmlinuz"), kernel, sizeof kernel); /* the first volume's */
    assert_null(files_read(&f, "debian/none"));
    assert_null(files_read(&f, "deep"));
}

static void dot_dot_leads_up_folder_by_folder(void **)
{
    struct ninep_msg a, q = { .type = NINEP_TWALK, .nwalk = 5, .wname = { "debian", "deep", "er", "..", ".." } };
    uint32_t fid;

    files_attach(&f, ns_boot_fs());
    assert_int_equal(ninep_client_fid(&f.w.client, &fid), OK);
    q.fid = f.root;
    q.dfid = fid;
    assert_int_equal(wire_ask(&f.w, &q, &a), 0);
    assert_int_equal(a.nwalk, 5);
    assert_int_equal(a.wqid[4].path, a.wqid[0].path);
    assert_int_equal(a.wqid[3].path, a.wqid[1].path);
    assert_int_not_equal(a.wqid[0].path, a.wqid[1].path);
    assert_int_equal(ASK(&f.w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid, .nwalk = 2, .wname = { "..", ".." }), 0);
    assert_int_equal(a.wqid[0].path, 0);
    assert_int_equal(a.wqid[1].path, 0);
}

static void files_are_found_for_definitions(void **)
{
    assert_ptr_equal(ns_file_find("/DEBIAN/vmlinuz"), &all[0]);
    assert_null(ns_file_find("vmlinuz"));
    assert_ptr_equal(ns_file_of(&all[4].blob), &all[4]);
    assert_null(ns_file_of(&(struct blob){ 0 }));
    files_attach(&f, ns_img_fs());
}

/* Asks for bytes of a disk; finishes its request with e. The answer's error; the data in *a. */
static uint32_t disk_read(const char *path, uint64_t at, uint32_t n, err_t e, struct ninep_msg *a)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t fid, len;

    assert_int_equal(files_open(&f, path, NINEP_RDONLY, &fid), 0);
    len = wire_send(&f.w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .offset = at, .count = n }, &call);
    if (!len) {
        disk_done(e);
        assert_true(changes > 0);
        ninep_server_retry(&f.w.server);
        len = ninep_server_poll(&f.w.server, f.w.r);
    }
    assert_int_equal(ninep_client_take(&f.w.client, f.w.r, len, &got), OK);
    *a = got.msg;
    return a->type == NINEP_RLERROR ? a->ecode : 0;
}

static void disks_tell_what_they_are(void **)
{
    files_attach(&f, ns_blk_fs());
    assert_string_equal(files_list(&f, ""), "vda vda1 ");
    assert_string_equal(files_read(&f, "vda/info"), "name vda\nbytes 512000\nblock_size 4096\nread_only no\n");
    assert_string_equal(files_read(&f, "vda1/info"),
                        "name vda1\nbytes 40960\nblock_size 512\nread_only yes\ndisk vda\npartlabel first\npartuuid 1-2\n");
    assert_int_equal(files_write(&f, "vda/data", "x"), NINEP_EACCES);
}

static void disks_are_read_by_whole_blocks(void **)
{
    struct ninep_msg a;

    files_attach(&f, ns_blk_fs());
    assert_int_equal(disk_read("vda/data", 5000, 600, OK, &a), 0);
    assert_int_equal(a.count, 600);
    assert_int_equal(((const uint8_t *)a.data)[0], 5000 / 512);
    assert_int_equal(((const uint8_t *)a.data)[599], 5599 / 512);
    assert_int_equal(disk_read("vda1/data", 0, 4000, OK, &a), 0);
    assert_int_equal(disk_read("vda1/data", 40950, 4000, OK, &a), 0); /* up to its end */
    assert_int_equal(a.count, 10);
    unsigned before = submitted;
    assert_int_equal(disk_read("vda1/data", 40960, 10, OK, &a), 0);
    assert_int_equal(a.count, 0);
    assert_int_equal(submitted, before);
}

static void every_read_asks_the_disk(void **)
{
    struct ninep_msg a;
    unsigned before = submitted;

    files_attach(&f, ns_blk_fs());
    assert_int_equal(disk_read("vda/data", 0, 10, OK, &a), 0);
    assert_int_equal(disk_read("vda/data", 0, 10, OK, &a), 0);
    assert_int_equal(submitted, before + 2);
    assert_int_equal(disk_read("vda/data", 0, 10, ERR_IO, &a), NINEP_EIO);
}

static void a_wait_for_the_disk_is_no_end(void **)
{
    struct ninep_answer got;
    struct ninep_call *call;
    uint32_t fid, len;

    files_attach(&f, ns_blk_fs());
    f.w.server.refills = true; /* a client that asks for the rest of a short answer */
    assert_int_equal(files_open(&f, "vda/data", NINEP_RDONLY, &fid), 0);
    for (uint64_t at = 0; at < 8000; at += 4000) {
        const struct ninep_msg q = { .type = NINEP_TREAD, .fid = fid, .offset = at, .count = ninep_client_io_max(&f.w.client) };
        assert_int_equal(wire_send(&f.w, &q, &call), 0); /* no answer yet, not even one of 0 bytes */
        disk_done(OK);
        ninep_server_retry(&f.w.server);
        len = ninep_server_poll(&f.w.server, f.w.r);
        assert_int_equal(ninep_client_take(&f.w.client, f.w.r, len, &got), OK);
        assert_true(got.msg.count >= 4000);
    }
}

static void a_reader_that_went_away_leaves_no_old_bytes(void **)
{
    struct ninep_call *call;
    struct ninep_msg a;
    uint32_t fid, len;

    files_attach(&f, ns_blk_fs());
    assert_int_equal(files_open(&f, "vda/data", NINEP_RDONLY, &fid), 0);
    assert_int_equal(wire_send(&f.w, &(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .offset = 0, .count = 10 }, &call), 0);
    assert_int_equal(ninep_client_flush(&f.w.client, call, f.w.t[7], WIRE_MSIZE, &len, &call), OK);
    assert_int_equal(ninep_server_take(&f.w.server, f.w.t[7], len, f.w.r, &len), OK);
    disk_done(OK);
    fake_set_tsc(ground_tsc() + 2000000000);
    wire_init(&f.w, ns_blk_fs()); /* a new session */
    f.root = 0;
    unsigned before = submitted;
    files_attach(&f, ns_blk_fs());
    assert_int_equal(disk_read("vda/data", 0, 10, OK, &a), 0);
    assert_int_equal(submitted, before + 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(images_are_kernels_and_apps),
        TEST(a_file_has_its_length),
        TEST(boot_has_every_file_in_its_folder),
        TEST(dot_dot_leads_up_folder_by_folder),
        TEST(files_are_found_for_definitions),
        TEST(disks_tell_what_they_are),
        TEST(disks_are_read_by_whole_blocks),
        TEST(every_read_asks_the_disk),
        TEST(a_wait_for_the_disk_is_no_end),
        TEST(a_reader_that_went_away_leaves_no_old_bytes),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
