#pragma once
/* Reading an EROFS file system that lies in memory, without compression. The memory may be hostile but does not change. Nothing is
 * allocated and nothing kept but what the caller owns. Format: Linux, Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h.
 * ERR_FORMAT: what was looked at is broken; ERR_UNSUPPORTED: it is of a kind not read here. */
#include "base/err.h"

#define EROFS_BLOCK 4096u

struct erofs {
    const uint8_t *at;
    uint64_t size, meta; /* meta: bytes from the start to inode number 0 */
    uint64_t root;       /* its nid */
    int64_t made;        /* seconds since 1970: the time of inodes without one */
};

struct erofs_inode {
    uint64_t nid, size;
    uint32_t mode, uid, gid, nlink, rdev, mtime_nsec;
    int64_t mtime;
    uint8_t layout, chunk_bits;
    bool chunk_wide;  /* the table of chunks has entries of 8 bytes, not 4 */
    uint64_t data;    /* bytes from the start: of the blocks, or of the table of chunks */
    uint64_t inlined; /* bytes from the start: of a tail behind the inode */
};

/* *why (never NULL) says what is wrong. */
MUST_USE err_t erofs_open(struct erofs *, const void *at, uint64_t size, const char **why);
MUST_USE err_t erofs_inode(const struct erofs *, uint64_t nid, struct erofs_inode *);
/* The contents at an offset below i->size: *len bytes from there lie one after the other, at *from; NULL: they are zeros. */
MUST_USE err_t erofs_extent(const struct erofs *, const struct erofs_inode *, uint64_t offset, const uint8_t **from, uint64_t *len);
/* A name in a directory. ERR_NOTFOUND. */
MUST_USE err_t erofs_lookup(const struct erofs *, const struct erofs_inode *dir, const char *name, size_t len, uint64_t *nid);

struct erofs_name {
    const char *text; /* len bytes, no ending 0 */
    size_t len;
    uint64_t nid;
    uint8_t type; /* 1 file, 2 directory, 3 character, 4 block device, 5 pipe, 6 socket, 7 link */
};
/* Lists a directory: begin with *at = 0. ERR_NOTFOUND: no more. */
MUST_USE err_t erofs_list(const struct erofs *, const struct erofs_inode *dir, uint64_t *at, struct erofs_name *);
