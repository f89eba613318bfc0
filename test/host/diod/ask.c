/* Our 9P client against a server that is not ours: a list of checks over a socket. The server serves a directory that
 * we see too, so that what it did is looked at from the other side. usage: ask PATH|PORT ANAME DIRECTORY */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include "base/bytes.h"
#include "ninep/client.h"
#include "test/host/diod/sock.h"

#define MSIZE 65536u
#define CALLS 16u

static struct ninep_client c;
static struct ninep_call calls[CALLS];
static uint64_t fids[2];
static uint8_t out[MSIZE], in[MSIZE];
static int sock, dir;
static struct ninep_answer got;
static unsigned checks, failures;
static uint32_t root;

static void check_at(bool good, const char *what, int line)
{
    checks++;
    if (good)
        return;
    failures++;
    printf("FAILED line %d: %s (answer %u, error %u)\n", line, what, got.msg.type,
           (unsigned)got.msg.ecode);
}
#define CHECK(x) check_at((x), #x, __LINE__)

static void die(const char *why)
{
    printf("FAILED: %s after %u checks\n", why, checks);
    exit(1);
}

static void read_all(uint8_t *p, size_t n)
{
    while (n) {
        ssize_t k = read(sock, p, n);
        if (k <= 0)
            die("the server hung up");
        p += k;
        n -= (size_t)k;
    }
}

static void receive(void)
{
    uint32_t size;

    read_all(in, 4);
    size = get_le32(in);
    if (size < NINEP_HEADER || size > MSIZE)
        die("a size that cannot be");
    read_all(in + 4, size - 4);
    if (ninep_client_take(&c, in, size, &got))
        die("an answer our client does not believe");
}

static struct ninep_call *ask_only(const struct ninep_msg *q)
{
    struct ninep_call *call;
    uint32_t len;

    if (ninep_client_ask(&c, q, out, sizeof out, &len, &call) || write(sock, out, len) != (ssize_t)len)
        die("cannot ask");
    return call;
}

/* 0, or the error number of the answer. */
static uint32_t ask(struct ninep_msg q)
{
    struct ninep_call *call = ask_only(&q);

    receive();
    if (got.call != call)
        die("the answer to another question");
    return got.msg.type == NINEP_RLERROR ? got.msg.ecode : 0;
}
#define ASK(...) ask((struct ninep_msg){ __VA_ARGS__ })

static uint32_t walk(uint32_t from, const char *name)
{
    uint32_t fid, e;

    if (ninep_client_fid(&c, &fid))
        die("no fid");
    e = ASK(.type = NINEP_TWALK, .fid = from, .dfid = fid, .nwalk = name ? 1 : 0, .wname = { name });
    return e ? NINEP_NOFID : fid;
}

static uint32_t opened(const char *name, uint32_t flags)
{
    uint32_t fid = walk(root, name);

    CHECK(ASK(.type = NINEP_TLOPEN, .fid = fid, .flags = flags) == 0);
    return fid;
}

static void clunk(uint32_t fid)
{
    CHECK(ASK(.type = NINEP_TCLUNK, .fid = fid) == 0);
}

static void files(void)
{
    static uint8_t data[1 << 20], back[1 << 20];
    uint32_t fid = walk(root, NULL), max = ninep_client_io_max(&c);
    struct stat st;

    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    CHECK(ASK(.type = NINEP_TLCREATE, .fid = fid, .name = "big", .flags = NINEP_RDWR | NINEP_CREAT, .mode = 0644) == 0);
    for (uint32_t at = 0; at < sizeof data; at += got.msg.count)
        if (ASK(.type = NINEP_TWRITE, .fid = fid, .offset = at, .data = data + at,
                .count = (uint32_t)min_u64(max, sizeof data - at)) ||
            !got.msg.count)
            die("a write failed");
    CHECK(ASK(.type = NINEP_TFSYNC, .fid = fid) == 0);
    CHECK(fstatat(dir, "big", &st, 0) == 0 && st.st_size == sizeof data);
    for (uint32_t at = 0; at < sizeof data; at += got.msg.count) {
        if (ASK(.type = NINEP_TREAD, .fid = fid, .offset = at, .count = max) || !got.msg.count)
            die("a read failed");
        memcpy(back + at, got.msg.data, got.msg.count);
    }
    CHECK(memcmp(data, back, sizeof data) == 0);
    CHECK(ASK(.type = NINEP_TREAD, .fid = fid, .offset = sizeof data, .count = 10) == 0 && got.msg.count == 0);
    clunk(fid);

    fid = opened("big", NINEP_RDONLY);
    for (uint32_t i = 0; i < CALLS; i++)
        ask_only(&(struct ninep_msg){ .type = NINEP_TREAD, .fid = fid, .offset = i * 1000, .count = 1000 })->owner =
            &data[i * 1000];
    for (uint32_t i = 0; i < CALLS; i++) {
        receive();
        CHECK(got.msg.count == 1000 && memcmp(got.msg.data, got.call->owner, 1000) == 0);
    }
    clunk(fid);
}

/* As Linux does: the older messages where the server has not the newer ones (diod 1.0.24). */
static uint32_t move(uint32_t from, const char *name, uint32_t to, const char *new_name)
{
    uint32_t e = ASK(.type = NINEP_TRENAMEAT, .fid = from, .name = name, .dfid = to, .text = new_name), fid;

    if (e != EOPNOTSUPP)
        return e;
    fid = walk(from, name);
    if (fid == NINEP_NOFID)
        return got.msg.ecode;
    e = ASK(.type = NINEP_TRENAME, .fid = fid, .dfid = to, .name = new_name);
    clunk(fid);
    return e;
}

static uint32_t unlink_name(uint32_t from, const char *name, uint32_t flags)
{
    uint32_t e = ASK(.type = NINEP_TUNLINKAT, .fid = from, .name = name, .flags = flags), fid;

    if (e != EOPNOTSUPP)
        return e;
    fid = walk(from, name);
    return fid == NINEP_NOFID ? got.msg.ecode : ASK(.type = NINEP_TREMOVE, .fid = fid);
}

static void names(void)
{
    uint32_t d, f;
    struct stat st;
    char target[64] = "";

    CHECK(ASK(.type = NINEP_TMKDIR, .fid = root, .name = "dir", .mode = 0755) == 0);
    CHECK(got.msg.qid.type == NINEP_QTDIR);
    CHECK(ASK(.type = NINEP_TMKDIR, .fid = root, .name = "dir", .mode = 0755) == EEXIST);
    CHECK(ASK(.type = NINEP_TSYMLINK, .fid = root, .name = "link", .text = "dir/target") == 0);
    CHECK(readlinkat(dir, "link", target, sizeof target - 1) == 10 && !strcmp(target, "dir/target"));
    f = walk(root, "link");
    CHECK(ASK(.type = NINEP_TREADLINK, .fid = f) == 0 && !strcmp(got.msg.text, "dir/target"));
    clunk(f);
    d = walk(root, "dir");
    f = walk(root, "big");
    CHECK(ASK(.type = NINEP_TLINK, .fid = f, .dfid = d, .name = "hard") == 0);
    CHECK(fstatat(dir, "dir/hard", &st, 0) == 0 && st.st_nlink == 2);
    CHECK(move(d, "hard", root, "moved") == 0);
    CHECK(faccessat(dir, "moved", F_OK, 0) == 0);
    clunk(f);
    f = walk(root, "moved");
    CHECK(ASK(.type = NINEP_TRENAME, .fid = f, .dfid = d, .name = "again") == 0);
    CHECK(faccessat(dir, "dir/again", F_OK, 0) == 0);
    CHECK(unlink_name(root, "dir", NINEP_REMOVEDIR) == ENOTEMPTY);
    CHECK(ASK(.type = NINEP_TREMOVE, .fid = f) == 0);
    CHECK(unlink_name(root, "dir", NINEP_REMOVEDIR) == 0);
    CHECK(unlink_name(root, "link", 0) == 0);
    CHECK(unlink_name(root, "none", 0) == ENOENT);
    CHECK(ASK(.type = NINEP_TMKNOD, .fid = root, .name = "fifo", .mode = S_IFIFO | 0644) == 0);
    CHECK(fstatat(dir, "fifo", &st, 0) == 0 && S_ISFIFO(st.st_mode));
    CHECK(unlink_name(root, "fifo", 0) == 0);
    clunk(d);
    CHECK(ASK(.type = NINEP_TWALK, .fid = root, .dfid = 90, .nwalk = 2, .wname = { "big", "x" }) == 0
              ? got.msg.nwalk == 1
              : got.msg.ecode > 0);
    CHECK(walk(root, "none") == NINEP_NOFID && got.msg.ecode == ENOENT);
}

static void attributes(void)
{
    uint32_t f = walk(root, "big");
    struct stat st;

    CHECK(fstatat(dir, "big", &st, 0) == 0);
    CHECK(ASK(.type = NINEP_TGETATTR, .fid = f, .attr.valid = NINEP_GETATTR_BASIC) == 0);
    const struct ninep_attr *a = &got.msg.attr;
    CHECK((a->valid & NINEP_GETATTR_BASIC) == NINEP_GETATTR_BASIC);
    CHECK(a->mode == st.st_mode && a->uid == st.st_uid && a->gid == st.st_gid && a->nlink == st.st_nlink);
    CHECK(a->size == (uint64_t)st.st_size && a->blocks == (uint64_t)st.st_blocks);
    CHECK(a->mtime.sec == (uint64_t)st.st_mtim.tv_sec && a->mtime.nsec == (uint64_t)st.st_mtim.tv_nsec);
    CHECK(a->ctime.sec == (uint64_t)st.st_ctim.tv_sec && a->ctime.nsec == (uint64_t)st.st_ctim.tv_nsec);
    CHECK(ASK(.type = NINEP_TSETATTR, .fid = f,
              .flags = NINEP_SET_MODE | NINEP_SET_SIZE | NINEP_SET_ATIME | NINEP_SET_ATIME_TO | NINEP_SET_MTIME |
                       NINEP_SET_MTIME_TO,
              .attr = { .mode = 0600, .size = 1234, .atime = { 1111, 11 }, .mtime = { 2222, 22 } }) == 0);
    CHECK(fstatat(dir, "big", &st, 0) == 0);
    CHECK((st.st_mode & 0777) == 0600 && st.st_size == 1234);
    CHECK(st.st_atim.tv_sec == 1111 && st.st_mtim.tv_sec == 2222 && st.st_mtim.tv_nsec == 22);
    CHECK(ASK(.type = NINEP_TSTATFS, .fid = f) == 0 && got.msg.statfs.bsize > 0 && got.msg.statfs.namelen == 255);
    clunk(f);
}

static void directory(void)
{
    struct ninep_dirent d = { 0 };
    unsigned seen = 0, pieces = 0;
    uint32_t f = walk(root, NULL);

    CHECK(ASK(.type = NINEP_TMKDIR, .fid = root, .name = "many", .mode = 0755) == 0);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "many/file%d", i);
        close(openat(dir, name, O_CREAT | O_WRONLY, 0644));
    }
    clunk(f);
    f = opened("many", NINEP_RDONLY | NINEP_DIRECTORY);
    do {
        CHECK(ASK(.type = NINEP_TREADDIR, .fid = f, .offset = d.offset, .count = 1000) == 0);
        for (uint32_t at = 0; at < got.msg.count; seen += !strncmp(d.name, "file", 4))
            if (ninep_dirent_get(got.msg.data, got.msg.count, &at, &d))
                die("a damaged directory entry");
        pieces++;
    } while (got.msg.count);
    CHECK(seen == 100 && pieces > 3);
    clunk(f);
}

static void locks(void)
{
    uint32_t f = opened("big", NINEP_RDWR);

    CHECK(ASK(.type = NINEP_TLOCK, .fid = f, .kind = NINEP_LOCK_WRITE, .size = 10, .pid = 1, .text = "one") == 0);
    CHECK(got.msg.status == NINEP_LOCK_OK);
    CHECK(ASK(.type = NINEP_TGETLOCK, .fid = f, .kind = NINEP_LOCK_READ, .size = 10, .pid = 1, .text = "one") == 0);
    CHECK(got.msg.kind == NINEP_LOCK_NONE);
    CHECK(ASK(.type = NINEP_TLOCK, .fid = f, .kind = NINEP_LOCK_NONE, .pid = 1, .text = "one") == 0);
    clunk(f);
}

static void flush(void)
{
    struct ninep_call *call = ask_only(&(struct ninep_msg){ .type = NINEP_TGETATTR, .fid = root }), *f;
    unsigned answers = 0;
    uint32_t len;

    if (ninep_client_flush(&c, call, out, sizeof out, &len, &f) || write(sock, out, len) != (ssize_t)len)
        die("cannot flush");
    do {
        receive();
        answers++;
    } while (got.call != f);
    CHECK(answers == (got.ended ? 1 : 2));
    CHECK(ASK(.type = NINEP_TGETATTR, .fid = root) == 0);
}

int main(int argc, char **argv)
{
    union sock_address a;
    socklen_t len;

    if (argc != 4)
        return fprintf(stderr, "usage: ask PATH|PORT ANAME DIRECTORY\n"), 2;
    umask(0);
    dir = open(argv[3], O_RDONLY | O_DIRECTORY);
    sock = sock_open(argv[1], &a, &len);
    if (dir < 0 || sock < 0 || connect(sock, &a.any, len) < 0)
        return perror(argv[1]), 1;
    c = (struct ninep_client){ .calls = calls, .ncalls = CALLS, .fids = fids, .nfids = 128, .msize = MSIZE };
    ninep_client_init(&c);
    CHECK(ASK(.type = NINEP_TVERSION) == 0);
    CHECK(ninep_client_fid(&c, &root) == OK);
    CHECK(ASK(.type = NINEP_TATTACH, .fid = root, .dfid = NINEP_NOFID, .name = "", .text = argv[2], .uid = geteuid()) ==
          0);
    if (failures)
        die("cannot attach");
    files();
    names();
    directory();
    locks();
    flush();
    attributes();
    clunk(root);
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
