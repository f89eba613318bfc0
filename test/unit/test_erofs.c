#include "test/unit/unit.h"
#include <string.h>
#include "base/bytes.h"
#include "libos/erofs.h"

/* A file system of four blocks: superblock and inodes; a directory's block; a file's first block; one more.
 *   nid 36 /            directory, plain, block 1
 *   nid 38 big          5000 bytes: block 2, and a tail behind the inode; an extended inode
 *   nid 80 link         -> target, inline
 *   nid 84 chunks       three chunks of 4 KiB: block 3, a hole, block 2 */
#define BLOCKS 4u
static uint8_t fs_bytes[BLOCKS * EROFS_BLOCK];
static struct erofs fs;
static struct erofs_inode inode;
static const char *why;

static uint8_t *at_nid(unsigned nid)
{
    return fs_bytes + nid * 32;
}

static void inode_put(unsigned nid, unsigned layout, unsigned mode, uint32_t size, uint32_t u)
{
    uint8_t *p = at_nid(nid);

    put_le16(p, (uint16_t)(layout << 1));
    put_le16(p + 4, (uint16_t)mode);
    put_le16(p + 6, 1);
    put_le32(p + 8, size);
    put_le32(p + 16, u);
}

static void dirent_put(unsigned i, uint64_t nid, unsigned name_at, unsigned type, const char *name)
{
    uint8_t *block = fs_bytes + EROFS_BLOCK;

    put_le64(block + 12 * i, nid);
    put_le16(block + 12 * i + 8, (uint16_t)name_at);
    block[12 * i + 10] = (uint8_t)type;
    memcpy(block + name_at, name, strlen(name));
}

static int good(void **)
{
    uint8_t *s = fs_bytes + 1024, *big = at_nid(38);

    memset(fs_bytes, 0, sizeof fs_bytes);
    put_le32(s, 0xE0F5E1E2);
    s[12] = 12;
    put_le16(s + 14, 36);
    put_le64(s + 24, 1000);
    put_le32(s + 36, BLOCKS);
    inode_put(36, 0, 0040755, 100, 1);
    dirent_put(0, 36, 60, 2, ".");
    dirent_put(1, 36, 61, 2, "..");
    dirent_put(2, 38, 63, 1, "big");
    dirent_put(3, 84, 66, 1, "chunks");
    dirent_put(4, 80, 72, 7, "link");
    put_le16(big, 2 << 1 | 1);
    put_le16(big + 4, 0100644);
    put_le64(big + 8, 5000);
    put_le32(big + 16, 2);
    put_le32(big + 24, 70000);
    put_le64(big + 32, 1700000000);
    memset(big + 64, 'T', 5000 - 4096);
    memset(fs_bytes + 2 * EROFS_BLOCK, 'B', EROFS_BLOCK);
    memset(fs_bytes + 3 * EROFS_BLOCK, 'C', EROFS_BLOCK);
    inode_put(80, 2, 0120777, 6, 0);
    memcpy(at_nid(81), "target", 6);
    inode_put(84, 4, 0100755, 3 * EROFS_BLOCK, 0);
    put_le32(at_nid(85), 3);
    put_le32(at_nid(85) + 4, UINT32_MAX);
    put_le32(at_nid(85) + 8, 2);
    return erofs_open(&fs, fs_bytes, sizeof fs_bytes, &why) ? -1 : 0;
}

static void refuses_what_it_cannot_read(void **)
{
    static const struct {
        unsigned at, value;
        err_t error;
        const char *why;
    } spoils[] = {
        { 0, 1, ERR_FORMAT, "superblock" },     { 80, 2, ERR_UNSUPPORTED, "compressed" }, { 80, 0x80, ERR_UNSUPPORTED, "feature" },
        { 12, 9, ERR_UNSUPPORTED, "4 KiB" },    { 86, 1, ERR_UNSUPPORTED, "device" },     { 36, BLOCKS + 1, ERR_FORMAT, "longer" },
        { 40, BLOCKS, ERR_FORMAT, "longer" },
    };

    for (size_t i = 0; i < ARRAY_LEN(spoils); i++) {
        good(NULL);
        fs_bytes[1024 + spoils[i].at] = (uint8_t)spoils[i].value;
        assert_int_equal(erofs_open(&fs, fs_bytes, sizeof fs_bytes, &why), spoils[i].error);
        assert_non_null(strstr(why, spoils[i].why));
    }
    assert_int_equal(erofs_open(&fs, fs_bytes, 1100, &why), ERR_FORMAT);
}

static void finds_names_by_halving(void **)
{
    uint64_t nid;

    assert_int_equal(erofs_inode(&fs, fs.root, &inode), OK);
    assert_int_equal(erofs_lookup(&fs, &inode, "big", 3, &nid), OK);
    assert_int_equal(nid, 38);
    assert_int_equal(erofs_lookup(&fs, &inode, "link", 4, &nid), OK);
    assert_int_equal(nid, 80);
    assert_int_equal(erofs_lookup(&fs, &inode, "bi", 2, &nid), ERR_NOTFOUND);
    assert_int_equal(erofs_lookup(&fs, &inode, "bigger", 6, &nid), ERR_NOTFOUND);
    assert_int_equal(erofs_lookup(&fs, &inode, "zebra", 5, &nid), ERR_NOTFOUND);
}

static void lists_all_names_in_order(void **)
{
    static const char *const names[] = { ".", "..", "big", "chunks", "link" };
    struct erofs_name n;
    uint64_t at = 0;

    assert_int_equal(erofs_inode(&fs, fs.root, &inode), OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(erofs_list(&fs, &inode, &at, &n), OK);
        assert_int_equal(n.len, strlen(names[i]));
        assert_memory_equal(n.text, names[i], n.len);
    }
    assert_int_equal(erofs_list(&fs, &inode, &at, &n), ERR_NOTFOUND);
}

static void reads_blocks_and_the_tail_behind_the_inode(void **)
{
    const uint8_t *from;
    uint64_t len;

    assert_int_equal(erofs_inode(&fs, 38, &inode), OK);
    assert_int_equal(inode.size, 5000);
    assert_int_equal(inode.uid, 70000);
    assert_int_equal(inode.mtime, 1700000000);
    assert_int_equal(erofs_extent(&fs, &inode, 10, &from, &len), OK);
    assert_int_equal(len, 4086);
    assert_int_equal(from[0], 'B');
    assert_int_equal(erofs_extent(&fs, &inode, 4096, &from, &len), OK);
    assert_int_equal(len, 904);
    assert_int_equal(from[903], 'T');
    assert_int_equal(erofs_extent(&fs, &inode, 5000, &from, &len), ERR_RANGE);
}

static void reads_chunks_and_holes(void **)
{
    const uint8_t *from;
    uint64_t len;

    assert_int_equal(erofs_inode(&fs, 84, &inode), OK);
    assert_int_equal(inode.mtime, 1000); /* the file system's own */
    assert_int_equal(erofs_extent(&fs, &inode, 1, &from, &len), OK);
    assert_int_equal(from[0], 'C');
    assert_int_equal(len, 4095);
    assert_int_equal(erofs_extent(&fs, &inode, 4096, &from, &len), OK);
    assert_null(from);
    assert_int_equal(erofs_extent(&fs, &inode, 8192, &from, &len), OK);
    assert_int_equal(from[0], 'B');
    put_le32(at_nid(85) + 8, BLOCKS);
    assert_int_equal(erofs_extent(&fs, &inode, 8192, &from, &len), ERR_FORMAT);
}

static void refuses_inodes_outside_of_it(void **)
{
    assert_int_equal(erofs_inode(&fs, BLOCKS * EROFS_BLOCK / 32, &inode), ERR_FORMAT);
    assert_int_equal(erofs_inode(&fs, UINT64_MAX, &inode), ERR_FORMAT);
    put_le16(at_nid(BLOCKS * EROFS_BLOCK / 32 - 1), 1); /* an extended one that does not fit */
    assert_int_equal(erofs_inode(&fs, BLOCKS * EROFS_BLOCK / 32 - 1, &inode), ERR_FORMAT);
}

static void refuses_contents_outside_of_it(void **)
{
    put_le64(at_nid(38) + 8, GIB(1));
    assert_int_equal(erofs_inode(&fs, 38, &inode), ERR_FORMAT);
    put_le64(at_nid(38) + 8, UINT64_MAX);
    assert_int_equal(erofs_inode(&fs, 38, &inode), ERR_FORMAT);
    inode_put(80, 0, 0100644, 100, 0xFFFFFFFF);
    assert_int_equal(erofs_inode(&fs, 80, &inode), ERR_FORMAT);
    inode_put(80, 1, 0100644, 100, 1);
    assert_int_equal(erofs_inode(&fs, 80, &inode), ERR_UNSUPPORTED); /* compressed */
    put_le16(at_nid(80) + 2, 0xFFFF);                                /* attributes up to behind the end */
    inode_put(80, 2, 0100644, 100, 0);
    assert_int_equal(erofs_inode(&fs, 80, &inode), ERR_FORMAT);
}

static void refuses_directories_that_contradict_themselves(void **)
{
    struct erofs_name n;
    uint64_t nid, at = 0;

    assert_int_equal(erofs_inode(&fs, fs.root, &inode), OK);
    put_le16(fs_bytes + EROFS_BLOCK + 8, 13); /* the first name's place tells how many entries there are */
    assert_int_equal(erofs_lookup(&fs, &inode, "big", 3, &nid), ERR_FORMAT);
    assert_int_equal(erofs_list(&fs, &inode, &at, &n), ERR_FORMAT);
    put_le16(fs_bytes + EROFS_BLOCK + 8, 0);
    assert_int_equal(erofs_lookup(&fs, &inode, "big", 3, &nid), ERR_FORMAT);
    put_le16(fs_bytes + EROFS_BLOCK + 8, 60);
    put_le16(fs_bytes + EROFS_BLOCK + 2 * 12 + 8, 0xFFFF);
    assert_int_equal(erofs_lookup(&fs, &inode, "big", 3, &nid), ERR_FORMAT);
    assert_int_equal(erofs_inode(&fs, 38, &inode), OK); /* a file is no directory */
    assert_int_equal(erofs_lookup(&fs, &inode, "big", 3, &nid), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(refuses_what_it_cannot_read, good),
        cmocka_unit_test_setup(finds_names_by_halving, good),
        cmocka_unit_test_setup(lists_all_names_in_order, good),
        cmocka_unit_test_setup(reads_blocks_and_the_tail_behind_the_inode, good),
        cmocka_unit_test_setup(reads_chunks_and_holes, good),
        cmocka_unit_test_setup(refuses_inodes_outside_of_it, good),
        cmocka_unit_test_setup(refuses_contents_outside_of_it, good),
        cmocka_unit_test_setup(refuses_directories_that_contradict_themselves, good),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
