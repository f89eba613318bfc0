#pragma once
/* 9P2000.L messages as structs, and to and from bytes. The field names of the protocol's documents are kept where a
 * message has one thing of a kind; the rows at the top of msg.c say which field of struct ninep_msg each message uses,
 * in wire order.
 *
 * Decoding changes the bytes it reads: every string is moved over its own length field and gets an ending 0, so that it
 * is a C string without a copy. So decode a private copy of what a guest may still be writing, and only once. */
#include "ninep/errno.h"

#define NINEP_VERSION "9P2000.L"
#define NINEP_NOTAG 0xFFFFu
#define NINEP_NOFID 0xFFFFFFFFu
#define NINEP_NAME_MAX 255u  /* bytes of one name, the ending 0 not counted */
#define NINEP_TEXT_MAX 4095u /* of a symbolic link's target and other texts */
#define NINEP_WALK_MAX 16u   /* names in one Twalk */
#define NINEP_HEADER 7u      /* size[4] type[1] tag[2] */
#define NINEP_IO_HEADER 11u  /* what stands before the data of Rread and Rreaddir */
#define NINEP_WRITE_HEADER 23u
#define NINEP_MSIZE_MIN 512u /* holds every answer but a long link's */

/* Each answer is its question + 1. */
enum ninep_type {
    NINEP_RLERROR = 7,
    NINEP_TSTATFS = 8,
    NINEP_TLOPEN = 12,
    NINEP_TLCREATE = 14,
    NINEP_TSYMLINK = 16,
    NINEP_TMKNOD = 18,
    NINEP_TRENAME = 20,
    NINEP_TREADLINK = 22,
    NINEP_TGETATTR = 24,
    NINEP_TSETATTR = 26,
    NINEP_TREADDIR = 40,
    NINEP_TFSYNC = 50,
    NINEP_TLOCK = 52,
    NINEP_TGETLOCK = 54,
    NINEP_TLINK = 70,
    NINEP_TMKDIR = 72,
    NINEP_TRENAMEAT = 74,
    NINEP_TUNLINKAT = 76,
    NINEP_TVERSION = 100,
    NINEP_TAUTH = 102,
    NINEP_TATTACH = 104,
    NINEP_TFLUSH = 108,
    NINEP_TWALK = 110,
    NINEP_TREAD = 116,
    NINEP_TWRITE = 118,
    NINEP_TCLUNK = 120,
    NINEP_TREMOVE = 122,
    NINEP_TYPES = 124,
};

/* qid.type */
#define NINEP_QTDIR 0x80u
#define NINEP_QTSYMLINK 0x02u
#define NINEP_QTFILE 0x00u

/* flags of Tlopen and Tlcreate: Linux' numbers on x86 */
#define NINEP_ACCMODE 3u
#define NINEP_RDONLY 0u
#define NINEP_WRONLY 1u
#define NINEP_RDWR 2u
#define NINEP_CREAT 0100u
#define NINEP_EXCL 0200u
#define NINEP_TRUNC 01000u
#define NINEP_APPEND 02000u
#define NINEP_DSYNC 010000u
#define NINEP_DIRECTORY 0200000u
#define NINEP_SYNC 04000000u
#define NINEP_REMOVEDIR 0x200u /* flags of Tunlinkat */

/* file kinds in mode */
#define NINEP_S_IFMT 0170000u
#define NINEP_S_IFDIR 0040000u
#define NINEP_S_IFREG 0100000u
#define NINEP_S_IFLNK 0120000u
#define NINEP_DT(mode) ((uint8_t)(((mode)&NINEP_S_IFMT) >> 12)) /* type of a directory entry */

/* attr.valid of Tgetattr and Rgetattr */
#define NINEP_GETATTR_BASIC 0x7FFull /* mode, nlink, uid, gid, rdev, three times, inode, size, blocks */
#define NINEP_GETATTR_BTIME 0x800ull
/* flags of Tsetattr: which of attr are to be set */
#define NINEP_SET_MODE 0x1u
#define NINEP_SET_UID 0x2u
#define NINEP_SET_GID 0x4u
#define NINEP_SET_SIZE 0x8u
#define NINEP_SET_ATIME 0x10u
#define NINEP_SET_MTIME 0x20u
#define NINEP_SET_ATIME_TO 0x80u /* to the time given, else to now */
#define NINEP_SET_MTIME_TO 0x100u

/* lock.kind, and the status in Rlock */
enum { NINEP_LOCK_READ, NINEP_LOCK_WRITE, NINEP_LOCK_NONE };
enum { NINEP_LOCK_OK, NINEP_LOCK_BLOCKED, NINEP_LOCK_ERROR };

struct ninep_qid {
    uint8_t type;
    uint32_t version;
    uint64_t path; /* unique in its tree */
};

struct ninep_time {
    uint64_t sec, nsec;
};

struct ninep_attr {
    uint64_t valid; /* NINEP_GETATTR_*; not used in Tsetattr */
    uint32_t mode, uid, gid;
    uint64_t nlink, rdev, size, blksize, blocks;
    struct ninep_time atime, mtime, ctime, btime;
    uint64_t gen, data_version;
};

struct ninep_statfs {
    uint32_t type, bsize, namelen;
    uint64_t blocks, bfree, bavail, files, ffree, fsid;
};

struct ninep_msg {
    uint8_t type; /* enum ninep_type, or that + 1 */
    uint16_t tag;
    uint16_t oldtag;
    uint16_t nwalk; /* how many of wname or wqid */
    uint32_t fid;   /* the file or directory acted on; Tlink: the existing file */
    uint32_t dfid;  /* the second fid: newfid, afid, or the directory a thing is linked or moved to */
    uint32_t flags, mode, uid, gid, major, minor;
    uint32_t count, iounit, msize, ecode;
    uint32_t pid; /* proc_id of a lock */
    uint8_t kind; /* of a lock */
    uint8_t status;
    uint64_t offset;  /* of a lock: its start */
    uint64_t size;    /* of a lock: its length */
    const char *name; /* Tattach, Tauth: uname */
    const char *text; /* a link's target, the new name, aname, a version, a lock's client_id */
    const void *data; /* count bytes */
    struct ninep_qid qid;
    union {
        const char *wname[NINEP_WALK_MAX];
        struct ninep_qid wqid[NINEP_WALK_MAX];
        struct ninep_attr attr;
        struct ninep_statfs statfs;
    };
};

/* Reads the one message that fills exactly len bytes at bytes, which must be writable and stay while m is used: strings
 * and data point into them. Fields that the message has not are 0. All lengths, counts and names are checked. m->type
 * and m->tag are set whenever len >= NINEP_HEADER, whatever the outcome. ERR_FORMAT: lengths do not add up; ERR_INVAL:
 * a string with a 0 byte, or not a name ('/', "", ".", ".." where nothing is walked); ERR_RANGE: a name or text too
 * long; ERR_UNSUPPORTED: no such message. */
MUST_USE err_t ninep_decode(void *bytes, uint32_t len, struct ninep_msg *m);
/* Writes m, size field included. A NULL string is empty; data that is already in its place in bytes is not copied.
 * ERR_FULL: room is too small; else as ninep_decode. */
MUST_USE err_t ninep_encode(const struct ninep_msg *m, void *bytes, uint32_t room, uint32_t *len);

/* One entry in the data of Rreaddir. */
struct ninep_dirent {
    struct ninep_qid qid;
    uint64_t offset; /* where to go on reading behind this entry */
    uint8_t type;    /* NINEP_DT() */
    char name[NINEP_NAME_MAX + 1];
};
/* Appends an entry at *used and moves *used; false if it does not fit in room or name is too long. */
MUST_USE bool ninep_dirent_put(void *data, uint32_t room, uint32_t *used, const struct ninep_qid *, uint64_t offset,
                               uint8_t type, const char *name);
/* Takes the entry at *used, which is less than count, and moves *used. "." and ".." are entries. Errors as
 * ninep_decode. */
MUST_USE err_t ninep_dirent_get(const void *data, uint32_t count, uint32_t *used, struct ninep_dirent *);
