#pragma once
/* A synthetic file tree from a const table: one row for each file and directory, callbacks that make and take text.
 * What /dev, /vm and their like are built with.
 *
 *     enum { ROOT, VERSION, VM, VM_ONE, VM_CTL, ROWS };
 *     static const struct tree_row rows[ROWS] = {
 *         [ROOT]    = { "", ROOT, .mode = TREE_DIR | 0555 },
 *         [VERSION] = { "version", ROOT, .mode = 0444, .print = version_print },
 *         [VM]      = { "vm", ROOT, .mode = TREE_DIR | 0555 },
 *         [VM_ONE]  = { NULL, VM, .mode = TREE_DIR | 0555, .next = vm_next },
 *         [VM_CTL]  = { "ctl", VM_ONE, .mode = 0200, .command = vm_command },
 *     };
 *
 * A row without a name stands for any number of directories (or files), told apart by a key that the owner chooses, never 0, and
 * does not use again for something else. All rows below it get the key. A callback whose thing has gone away returns
 * ERR_NOTFOUND. */
#include "ninep/server.h"

#define TREE_DIR NINEP_S_IFDIR
#define TREE_COMMAND_MAX 255u /* bytes of one command */

struct tree;
struct tree_row;

/* Where a text callback prints to; only the part that was asked for is kept. */
struct tree_text {
    char *at;
    size_t room;
    uint64_t skip; /* bytes of the whole text that still lie before the part */
};

struct tree_row {
    const char *name; /* NULL: one for each key */
    uint16_t parent;  /* its row's index; the root, row 0, is its own */
    bool nests;       /* a row without a name: its directories lie in each other too */
    uint32_t mode;    /* permission bits, which are kept: opening for more than they say is refused */
    /* a file has either of these to be read ... */
    err_t (*print)(struct tree *, uint64_t key, struct tree_text *); /* its whole text, made anew at each read */
    ninep_op *read; /* a stream: as the server's operation; req->fid->key; may wait */
    /* ... and either of these to be written */
    err_t (*command)(struct tree *, uint64_t key, const char *line); /* one write, a newline at its end cut off */
    ninep_op *write;
    /* may be NULL: called after the checks when a file is opened; when an opened file is given up */
    ninep_op *open;
    void (*close)(struct tree *, struct ninep_fid *);
    /* a row without a name: the first key above `after` (0: the first of all) in the directory with key `parent`, and
     * its name; ERR_NOTFOUND at the end. And the key of a name; NULL: by the names that `next` gives. */
    err_t (*next)(struct tree *, uint64_t parent, uint64_t after, uint64_t *key, char name[NINEP_NAME_MAX + 1]);
    err_t (*find)(struct tree *, uint64_t parent, const char *name, uint64_t *key);
    uint64_t (*up)(struct tree *, uint64_t key); /* the parent's key; NULL: 0 */
    /* may be NULL: a row without a name: mkdir of that name in the directory with key `parent`; rmdir of one of them */
    err_t (*make)(struct tree *, uint64_t parent, const char *name);
    err_t (*drop)(struct tree *, uint64_t key);
    uint64_t (*size)(struct tree *, uint64_t key); /* bytes of a file with a length; NULL: 0, as for all texts */
};

struct tree {
    struct ninep_fs fs; /* give &tree.fs to the server; several servers may share it */
    const struct tree_row *rows;
    uint16_t nrows;
    uint32_t uid, gid;
    uint64_t time; /* of all files, seconds since 1970 */
};

/* All but fs set by the caller, kept. */
void tree_init(struct tree *);
/* What a write brings as one command, for a row that takes writes itself. ERR_INVAL: it is too long, or has a 0 in it. */
MUST_USE err_t tree_line(const struct ninep_req *, char line[TREE_COMMAND_MAX + 1]);
void tree_print(struct tree_text *, const char *fmt, ...) PRINTF(2, 3); /* up to 511 bytes at a time */
void tree_put(struct tree_text *, const void *bytes, size_t n);
