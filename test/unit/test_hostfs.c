/* The host directory server on a temporary directory: that it does its work, and that nobody gets out of it. The place
 * is T/share      what is served          T/outside/secret   what must never be read or changed */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "test/unit/unit.h"
#include "ground/linux/hostfs.h"
#include "test/unit/ninep_wire.h"

static struct hostfs h;
static struct wire w;
static uint32_t root;
static struct ninep_msg a;
static char top[64];
static int share; /* for looking in from the host's side */

static void host_write(const char *path, const char *text)
{
    int fd = openat(share, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void host_is(const char *path, const char *want)
{
    char text[256] = "";
    int fd = openat(share, path, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) >= 0);
    close(fd);
    assert_string_equal(text, want);
}

static unsigned open_fds(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static unsigned fds_before;

static int setup(void **)
{
    char path[128];

    strcpy(top, "/tmp/hostfs.XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof path, "%s/share", top);
    assert_int_equal(mkdir(path, 0755), 0);
    share = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdirat(share, "../outside", 0755), 0);
    host_write("../outside/secret", "secret");
    fds_before = open_fds();
    assert_int_equal(hostfs_open(&h, path), OK);
    root = wire_init(&w, &h.fs);
    return 0;
}

static int teardown(void **)
{
    char cmd[128];

    ninep_server_fini(&w.server);
    hostfs_close(&h);
    assert_int_equal(open_fds(), fds_before);
    host_is("../outside/secret", "secret");
    close(share);
    snprintf(cmd, sizeof cmd, "chmod -R u+rwx %s; rm -rf %s", top, top);
    return system(cmd);
}

static uint32_t opened(const char *path, uint32_t flags)
{
    uint32_t fid;

    assert_int_equal(wire_walk(&w, root, path, &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = flags), 0);
    return fid;
}

static uint32_t open_error(const char *path, uint32_t flags)
{
    uint32_t fid, e;

    assert_int_equal(wire_walk(&w, root, path, &fid), 0);
    e = ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = flags);
    wire_clunk(&w, fid);
    return e;
}

/* --- it works --- */

static void files_are_made_written_and_read(void **)
{
    char text[64];

    assert_int_equal(wire_put(&w, root, "f", "made by the guest"), 0);
    host_is("f", "made by the guest");
    host_write("g", "made by the host");
    assert_int_equal(wire_cat(&w, root, "g", text, sizeof text), 0);
    assert_string_equal(text, "made by the host");
    assert_int_equal(wire_put(&w, root, "f", "M"), 0); /* create of a file that is there opens it */
    host_is("f", "Made by the guest");
    assert_int_equal(wire_cat(&w, root, "none", text, sizeof text), NINEP_ENOENT);
}

static void flags_of_open_count(void **)
{
    uint32_t fid;

    host_write("f", "0123456789");
    fid = opened("f", NINEP_WRONLY | NINEP_APPEND);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWRITE, .fid = fid, .data = "ab", .count = 2), 0);
    host_is("f", "0123456789ab");
    opened("f", NINEP_RDWR | NINEP_TRUNC);
    host_is("f", "");
    assert_int_equal(wire_walk(&w, root, "", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLCREATE, .fid = fid, .name = "f", .flags = NINEP_RDWR | NINEP_EXCL),
                     NINEP_EEXIST);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), 0); /* and the fid is the directory still */
    assert_int_equal(a.qid.type, NINEP_QTDIR);
}

static void directories_with_many_files_are_read_in_pieces(void **)
{
    static char names[300 * 12];
    char name[32];
    unsigned seen = 0;

    for (unsigned i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "file%u", i);
        host_write(name, "");
    }
    for (uint32_t count = 300; count < 8000; count += 3000) {
        assert_int_equal(wire_ls(&w, root, "", count, names), 0);
        seen = 0;
        for (char *s = strtok(names, " "); s; s = strtok(NULL, " "))
            seen++;
        assert_int_equal(seen, 202); /* with . and .. */
    }
}

static void attributes_are_shown_and_set(void **)
{
    struct stat st;
    uint32_t fid;

    host_write("f", "0123456789");
    assert_int_equal(wire_walk(&w, root, "f", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid, .attr.valid = NINEP_GETATTR_BASIC), 0);
    assert_int_equal(fstatat(share, "f", &st, 0), 0);
    assert_int_equal(a.attr.mode, st.st_mode);
    assert_int_equal(a.attr.uid, st.st_uid);
    assert_int_equal(a.attr.size, 10);
    assert_int_equal(a.attr.mtime.sec, st.st_mtim.tv_sec);
    assert_int_equal(a.attr.mtime.nsec, st.st_mtim.tv_nsec);
    assert_int_equal(a.qid.path, st.st_ino);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid,
                         .flags = NINEP_SET_MODE | NINEP_SET_SIZE | NINEP_SET_MTIME | NINEP_SET_MTIME_TO,
                         .attr = { .mode = 0600, .size = 4, .mtime = { 1000, 5 } }),
                     0);
    assert_int_equal(fstatat(share, "f", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(st.st_mtim.tv_sec, 1000);
    assert_int_equal(st.st_mtim.tv_nsec, 5);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_ATIME | NINEP_SET_ATIME_TO,
                         .attr = { .atime = { 1, 5000000000 } }),
                     NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE, .attr.size = UINT64_MAX),
                     NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSTATFS, .fid = fid), 0);
    assert_true(a.statfs.blocks > 0);
}

static void set_id_bits_are_never_set(void **)
{
    struct stat st;
    uint32_t fid;

    assert_int_equal(wire_walk(&w, root, "", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLCREATE, .fid = fid, .name = "f", .flags = NINEP_RDWR, .mode = 06755),
                     0);
    assert_int_equal(fstatat(share, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07000, 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_MODE, .attr.mode = 06755), 0);
    assert_int_equal(fstatat(share, "f", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0755);
}

static void names_are_linked_moved_and_removed(void **)
{
    uint32_t f, d;

    host_write("f", "text");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKDIR, .fid = root, .name = "d", .mode = 0755), 0);
    assert_int_equal(a.qid.type, NINEP_QTDIR);
    assert_int_equal(wire_walk(&w, root, "f", &f), 0);
    assert_int_equal(wire_walk(&w, root, "d", &d), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLINK, .fid = f, .dfid = d, .name = "l"), 0);
    host_is("d/l", "text");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLINK, .fid = d, .dfid = d, .name = "l2"), NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TRENAMEAT, .fid = d, .name = "l", .dfid = root, .text = "m"), 0);
    host_is("m", "text");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TRENAME, .fid = f, .dfid = d, .name = "n"), 0);
    host_is("d/n", "text");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "d"), NINEP_EISDIR);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "d", .flags = NINEP_REMOVEDIR),
                     NINEP_ENOTEMPTY);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = f), 0); /* the fid knows where it was moved to */
    assert_int_equal(faccessat(share, "d/n", F_OK, 0), -1);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = d), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "m"), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = root), NINEP_EBUSY);
}

static void remove_misses_what_was_moved_away_under_it(void **)
{
    uint32_t f;

    host_write("f", "mine");
    assert_int_equal(wire_walk(&w, root, "f", &f), 0);
    assert_int_equal(renameat(share, "f", share, "g"), 0);
    host_write("f", "another");
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = f), NINEP_ENOENT);
    host_is("f", "another");
    host_is("g", "mine");
}

static void an_open_file_lives_on_without_its_name(void **)
{
    uint32_t f;

    host_write("f", "text");
    f = opened("f", NINEP_RDWR);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "f"), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREAD, .fid = f, .count = 10), 0);
    assert_memory_equal(a.data, "text", 4);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TFSYNC, .fid = f), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = f, .attr.valid = NINEP_GETATTR_BASIC), 0);
    assert_int_equal(a.attr.nlink, 0);
}

static void locks_of_two_fids_stand_against_each_other(void **)
{
    uint32_t f, g;

    host_write("f", "text");
    f = opened("f", NINEP_RDWR);
    g = opened("f", NINEP_RDWR);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOCK, .fid = f, .kind = NINEP_LOCK_WRITE, .size = 2), 0);
    assert_int_equal(a.status, NINEP_LOCK_OK);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOCK, .fid = g, .kind = NINEP_LOCK_READ, .offset = 1, .size = 5), 0);
    assert_int_equal(a.status, NINEP_LOCK_BLOCKED);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETLOCK, .fid = g, .kind = NINEP_LOCK_READ, .offset = 1, .size = 5), 0);
    assert_int_equal(a.kind, NINEP_LOCK_WRITE);
    assert_int_equal(a.size, 2);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOCK, .fid = g, .kind = 3), NINEP_EINVAL);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOCK, .fid = f, .kind = NINEP_LOCK_NONE), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLOCK, .fid = g, .kind = NINEP_LOCK_WRITE), 0);
    assert_int_equal(a.status, NINEP_LOCK_OK);
}

static void one_file_can_be_served(void **)
{
    char path[128], text[32];
    static struct hostfs one;
    static struct wire w1;

    host_write("f", "alone");
    snprintf(path, sizeof path, "%s/share/f", top);
    assert_int_equal(hostfs_open(&one, path), OK);
    w1.server = (struct ninep_server){
        .fs = &one.fs, .fids = w1.fids, .nfids = WIRE_FIDS, .reqs = w1.reqs, .nreqs = WIRE_REQS, .msize_max = WIRE_MSIZE
    };
    w1.client = (struct ninep_client){
        .calls = w1.calls, .ncalls = WIRE_REQS, .fids = w1.client_fids, .nfids = WIRE_FIDS, .msize = WIRE_MSIZE
    };
    ninep_server_init(&w1.server);
    ninep_client_init(&w1.client);
    assert_int_equal(ASK(&w1, &a, .type = NINEP_TVERSION), 0);
    assert_int_equal(ASK(&w1, &a, .type = NINEP_TATTACH, .fid = 1, .dfid = NINEP_NOFID), 0);
    assert_int_equal(a.qid.type, NINEP_QTFILE);
    assert_int_equal(wire_cat(&w1, 1, "", text, sizeof text), 0);
    assert_string_equal(text, "alone");
    assert_int_equal(ASK(&w1, &a, .type = NINEP_TWALK, .fid = 1, .dfid = 2, .nwalk = 1, .wname = { ".." }),
                     NINEP_ENOTDIR);
    ninep_server_fini(&w1.server);
    hostfs_close(&one);
}

static void what_is_not_there_cannot_be_served(void **)
{
    static struct hostfs no;

    assert_int_equal(hostfs_open(&no, "/nowhere/at/all"), ERR_NOTFOUND);
    assert_int_equal(hostfs_open(&no, "/dev/null"), ERR_INVAL);
    assert_int_equal(hostfs_open(&no, "/proc/self"), ERR_INVAL);
}

/* Whoever is served the whole machine gets no file of it that is our own memory. */
static void there_is_no_way_into_proc(void **)
{
    static struct hostfs all;
    static struct wire w1;
    uint32_t fid, top_fid;

    assert_int_equal(hostfs_open(&all, "/"), OK);
    top_fid = wire_init(&w1, &all.fs);
    assert_int_equal(wire_walk(&w1, top_fid, "tmp", &fid), 0);
    assert_int_equal(wire_walk(&w1, top_fid, "proc", &fid), NINEP_EACCES);
    assert_int_equal(wire_walk(&w1, top_fid, "tmp/../proc/self/mem", &fid), NINEP_ENOENT); /* half a walk */
    ninep_server_fini(&w1.server);
    hostfs_close(&all);
}

/* --- nobody gets out --- */

static void dotdot_ends_at_the_root(void **)
{
    struct stat st;
    uint32_t fid;

    assert_int_equal(fstat(share, &st), 0);
    assert_int_equal(mkdirat(share, "d", 0755), 0);
    assert_int_equal(mkdirat(share, "d/e", 0755), 0);
    assert_int_equal(wire_walk(&w, root, "../../../d/e/../../../..", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TGETATTR, .fid = fid), 0);
    assert_int_equal(a.qid.path, st.st_ino);
    assert_int_equal(wire_walk(&w, root, "d/../../outside/secret", &fid), NINEP_ENOENT);
    assert_int_equal(wire_walk(&w, root, "../outside", &fid), NINEP_ENOENT);
}

/* The host moves a directory, in which the client stands, out of the share. */
static void dotdot_from_a_directory_that_was_moved_out_stays_in(void **)
{
    struct stat st;
    uint32_t fid;

    assert_int_equal(mkdirat(share, "d", 0755), 0);
    assert_int_equal(mkdirat(share, "d/e", 0755), 0);
    assert_int_equal(wire_walk(&w, root, "d/e", &fid), 0);
    assert_int_equal(renameat(share, "d", share, "../outside/d"), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid, .nwalk = 1, .wname = { ".." }),
                     NINEP_ENOENT);
    assert_int_equal(mkdirat(share, "d", 0700), 0);
    assert_int_equal(fstatat(share, "d", &st, 0), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid, .nwalk = 1, .wname = { ".." }), 0);
    assert_int_equal(a.wqid[0].path, st.st_ino);
}

/* The same file stands inside and outside; a link comes in the way by which the client reached it. */
static void a_link_put_into_a_known_way_is_not_followed(void **)
{
    uint32_t dir, file;

    assert_int_equal(mkdirat(share, "d", 0755), 0);
    assert_int_equal(mkdirat(share, "d/e", 0755), 0);
    assert_int_equal(mkdirat(share, "d/e/f", 0755), 0);
    assert_int_equal(mkdirat(share, "../outside/e", 0755), 0);
    host_write("d/e/file", "x");
    assert_int_equal(linkat(share, "d/e/file", share, "../outside/e/file", 0), 0);
    assert_int_equal(wire_walk(&w, root, "d/e/f", &dir), 0);
    assert_int_equal(wire_walk(&w, root, "d/e/file", &file), 0);
    assert_int_equal(renameat(share, "d", share, "moved"), 0);
    assert_int_equal(symlinkat("../outside", share, "d"), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TWALK, .fid = dir, .dfid = dir, .nwalk = 1, .wname = { ".." }),
                     NINEP_ELOOP);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TRENAME, .fid = file, .dfid = root, .name = "stolen"), NINEP_ELOOP);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREMOVE, .fid = file), NINEP_ELOOP);
    host_is("../outside/e/file", "x");
}

static void symbolic_links_are_told_but_never_followed(void **)
{
    char target[128];
    uint32_t fid;
    struct stat st;

    snprintf(target, sizeof target, "%s/outside", top);
    assert_int_equal(symlinkat(target, share, "abs"), 0);
    assert_int_equal(symlinkat("../outside/secret", share, "rel"), 0);
    assert_int_equal(symlinkat("/proc/self/root", share, "magic"), 0);
    assert_int_equal(wire_walk(&w, root, "abs/secret", &fid), NINEP_ENOENT); /* half a walk: the link is no directory */
    assert_int_equal(wire_walk(&w, root, "magic/etc", &fid), NINEP_ENOENT);
    assert_int_equal(open_error("rel", NINEP_RDONLY), NINEP_ELOOP);
    assert_int_equal(open_error("abs", NINEP_RDONLY), NINEP_ELOOP);
    assert_int_equal(wire_walk(&w, root, "rel", &fid), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREADLINK, .fid = fid), 0);
    assert_string_equal(a.text, "../outside/secret");
    /* neither size, mode nor times reach through */
    assert_int_not_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE), 0);
    assert_int_not_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_MODE, .attr.mode = 0777),
                         0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_MTIME | NINEP_SET_MTIME_TO), 0);
    assert_int_equal(fstatat(share, "../outside/secret", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_not_equal(st.st_mtim.tv_sec, 0);
    /* nor creating, nor linking */
    assert_int_equal(wire_put(&w, root, "rel", "overwritten"), NINEP_ELOOP);
    assert_int_equal(symlinkat("../outside/new", share, "dangling"), 0);
    assert_int_equal(wire_put(&w, root, "dangling", "made"), NINEP_ELOOP);
    assert_int_equal(faccessat(share, "../outside/new", F_OK, 0), -1);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLINK, .fid = fid, .dfid = root, .name = "hard"), 0);
    assert_int_equal(fstatat(share, "hard", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(ASK(&w, &a, .type = NINEP_TREADLINK, .fid = root), NINEP_EINVAL);
}

static void only_files_and_directories_are_opened(void **)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_int_equal(mkfifoat(share, "fifo", 0666), 0);
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/share/sock", top);
    assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof sun), 0);
    close(s);
    for (uint32_t mode = NINEP_RDONLY; mode <= NINEP_RDWR; mode++) {
        assert_int_equal(open_error("fifo", mode), NINEP_EACCES);
        assert_int_equal(open_error("sock", mode), NINEP_EACCES);
    }
    assert_int_equal(wire_put(&w, root, "fifo", "x"), NINEP_EACCES); /* this would wait for ever */
    if (mknodat(share, "null", S_IFCHR | 0666, makedev(1, 3)) == 0) {
        assert_int_equal(open_error("null", NINEP_RDWR), NINEP_EACCES);
        assert_int_equal(wire_put(&w, root, "null", "x"), NINEP_EACCES);
    }
    assert_int_equal(
        ASK(&w, &a, .type = NINEP_TMKNOD, .fid = root, .name = "mem", .mode = S_IFCHR | 0666, .major = 1, .minor = 1),
        NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKNOD, .fid = root, .name = "disk", .mode = S_IFBLK | 0666),
                     NINEP_EPERM);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKNOD, .fid = root, .name = "fifo2", .mode = S_IFIFO | 0666), 0);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TMKNOD, .fid = root, .name = "reg", .mode = S_IFREG | 0666), 0);
}

static void a_read_only_share_is_not_written(void **)
{
    char text[16];

    host_write("f", "text");
    w.server.read_only = true;
    assert_int_equal(open_error("f", NINEP_WRONLY), NINEP_EROFS);
    assert_int_equal(wire_put(&w, root, "f", "x"), NINEP_EROFS);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "f"), NINEP_EROFS);
    assert_int_equal(wire_cat(&w, root, "f", text, sizeof text), 0);
    assert_string_equal(text, "text");
}

static void paths_cannot_grow_for_ever(void **)
{
    char name[201];
    uint32_t fid, e = 0;
    int depth = 0;

    memset(name, 'n', 200);
    name[200] = 0;
    assert_int_equal(wire_walk(&w, root, "", &fid), 0);
    for (; depth < 100 && !e; depth++) {
        assert_int_equal(ASK(&w, &a, .type = NINEP_TMKDIR, .fid = fid, .name = name, .mode = 0755), 0);
        e = ASK(&w, &a, .type = NINEP_TWALK, .fid = fid, .dfid = fid, .nwalk = 1, .wname = { name });
    }
    assert_int_equal(e, NINEP_ENAMETOOLONG);
    assert_in_range(depth, 15, 30);
    assert_int_equal(ASK(&w, &a, .type = NINEP_TLCREATE, .fid = fid, .name = name, .flags = NINEP_RDWR),
                     NINEP_ENAMETOOLONG);
}

/* The host runs out of descriptors at every possible place: an error each time, and none is lost (teardown counts). */
static void running_out_of_descriptors_is_an_error(void **)
{
    struct rlimit old, few;
    uint32_t fid, errors = 0;

    assert_int_equal(mkdirat(share, "d", 0755), 0);
    host_write("d/f", "x");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    for (rlim_t spare = 0; spare < 6; spare++) {
        few.rlim_cur = (rlim_t)dup(share) + spare; /* the lowest number that is free */
        close((int)(few.rlim_cur - spare));
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        uint32_t e = wire_walk(&w, root, "d/f", &fid);
        errors += e != 0;
        if (!e) {
            errors += ASK(&w, &a, .type = NINEP_TLOPEN, .fid = fid, .flags = NINEP_RDWR) != 0;
            (void)ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE, .attr.size = 1);
            wire_clunk(&w, fid);
        }
        errors += wire_put(&w, root, "d", "x") != NINEP_EISDIR;
        (void)ASK(&w, &a, .type = NINEP_TMKDIR, .fid = root, .name = "new");
        (void)ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "new", .flags = NINEP_REMOVEDIR);
        if (!wire_walk(&w, root, "d", &fid))
            (void)ASK(&w, &a, .type = NINEP_TREMOVE, .fid = fid);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    }
    assert_in_range(errors, 3, 11);
}

static atomic_bool stop;

/* Exchanges T/share/d, a directory, and T/share/l, a symbolic link to T/outside, as fast as it can. */
static void *swapper(void *)
{
    while (!atomic_load(&stop))
        renameat2(share, "d", share, "l", RENAME_EXCHANGE);
    return NULL;
}

static void no_race_with_a_link_gets_out(void **)
{
    static const char *const paths[] = { "d/secret", "l/secret", "d/e/../secret", "d/e/../../l/secret",
                                         "l/e/../../../outside/secret" };
    pthread_t thread;
    char text[64];
    unsigned inside = 0, refused = 0;
    uint32_t fid;

    assert_int_equal(mkdirat(share, "d", 0755), 0);
    assert_int_equal(mkdirat(share, "d/e", 0755), 0);
    assert_int_equal(mkdirat(share, "../outside/e", 0755), 0);
    host_write("d/secret", "inside");
    assert_int_equal(symlinkat("../outside", share, "l"), 0);
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&thread, NULL, swapper, NULL), 0);
    for (unsigned i = 0; i < 6000; i++) {
        uint32_t e = wire_cat(&w, root, paths[i % ARRAY_LEN(paths)], text, sizeof text);
        inside += !e;
        refused += e != 0;
        if (!e)
            assert_string_equal(text, "inside");
        if (wire_walk(&w, root, i & 1 ? "d" : "l", &fid))
            continue;
        (void)ASK(&w, &a, .type = NINEP_TMKDIR, .fid = fid, .name = "made", .mode = 0755);
        (void)ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = fid, .name = "secret2");
        (void)ASK(&w, &a, .type = NINEP_TREMOVE, .fid = fid);
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    assert_true(inside > 100 && refused > 100);
    assert_int_equal(faccessat(share, "../outside/made", F_OK, 0), -1);
    assert_int_equal(faccessat(share, "../outside/e", F_OK, 0), 0);
}

/* --- whose rights count --- */

/* In a child that is nobody: the kernel's answer is the client's. */
static int as_nobody(void)
{
    char path[128];
    uint32_t fid;
    int bad = 0;

    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 100;
    snprintf(path, sizeof path, "%s/share", top);
    if (hostfs_open(&h, path) != OK)
        return 101;
    root = wire_init(&w, &h.fs);
    bad += open_error("private", NINEP_RDONLY) != NINEP_EACCES;
    bad += open_error("public", NINEP_RDONLY) != 0;
    bad += open_error("public", NINEP_WRONLY) != NINEP_EACCES;
    bad += wire_put(&w, root, "new", "x") != NINEP_EACCES;
    bad += wire_walk(&w, root, "closed/f", &fid) != NINEP_ENOENT; /* half a walk */
    assert_int_equal(wire_walk(&w, root, "public", &fid), 0);
    bad += ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_MODE, .attr.mode = 0777) != NINEP_EPERM;
    bad += ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_UID, .attr.uid = 0) != NINEP_EPERM;
    bad += ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_SIZE, .attr.size = 0) != NINEP_EACCES;
    bad += ASK(&w, &a, .type = NINEP_TUNLINKAT, .fid = root, .name = "public") != NINEP_EACCES;
    bad += wire_walk(&w, root, "own", &fid) || wire_put(&w, fid, "new", "x"); /* and without root it works */
    bad += wire_walk(&w, root, "own/new", &fid) != 0;
    bad += ASK(&w, &a, .type = NINEP_TSETATTR, .fid = fid, .flags = NINEP_SET_MODE, .attr.mode = 0600) != 0;
    bad += ASK(&w, &a, .type = NINEP_TLINK, .fid = fid, .dfid = root, .name = "link") != NINEP_EACCES;
    return bad;
}

static void it_acts_as_the_user_who_runs_it(void **)
{
    int status = 0;
    pid_t child;

    if (geteuid() != 0)
        skip(); /* only root can become another user */
    host_write("private", "p");
    host_write("public", "p");
    assert_int_equal(fchmodat(share, "private", 0600, 0), 0);
    assert_int_equal(mkdirat(share, "closed", 0700), 0);
    assert_int_equal(mkdirat(share, "own", 0777), 0);
    assert_int_equal(fchmodat(share, "own", 0777, 0), 0);
    host_write("closed/f", "x");
    assert_int_equal(chmod(top, 0755), 0);
    child = fork();
    if (child == 0)
        _exit(as_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_are_made_written_and_read),
        TEST(flags_of_open_count),
        TEST(directories_with_many_files_are_read_in_pieces),
        TEST(attributes_are_shown_and_set),
        TEST(set_id_bits_are_never_set),
        TEST(names_are_linked_moved_and_removed),
        TEST(remove_misses_what_was_moved_away_under_it),
        TEST(an_open_file_lives_on_without_its_name),
        TEST(locks_of_two_fids_stand_against_each_other),
        TEST(one_file_can_be_served),
        TEST(what_is_not_there_cannot_be_served),
        TEST(there_is_no_way_into_proc),
        TEST(dotdot_ends_at_the_root),
        TEST(dotdot_from_a_directory_that_was_moved_out_stays_in),
        TEST(a_link_put_into_a_known_way_is_not_followed),
        TEST(symbolic_links_are_told_but_never_followed),
        TEST(only_files_and_directories_are_opened),
        TEST(a_read_only_share_is_not_written),
        TEST(paths_cannot_grow_for_ever),
        TEST(running_out_of_descriptors_is_an_error),
        TEST(no_race_with_a_link_gets_out),
        TEST(it_acts_as_the_user_who_runs_it),
    };

    umask(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
