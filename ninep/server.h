#pragma once
/* The server's side of one 9P connection: fids, tags, version, flush and all checks that need no knowledge of the
 * files. Bytes in, bytes out; the transport (a ring, a virtqueue, a socket) brings whole messages and carries the
 * answers away. The files are a backend's: a const table of operations. Tables and buffers are the caller's; one caller
 * at a time. */
#include "ninep/msg.h"

struct ninep_server;
struct ninep_fid;
struct ninep_req;

/* An operation reads the question req->in, works on req->fid, and fills req->out; type and tag of that are set already.
 * The checks named in server.c's rows have been made. An error is answered with Rlerror; ninep_fail() chooses a number
 * that err_t has not. ERR_AGAIN means that nothing has happened yet and the answer comes later: the operation has noted
 * req and set req->cancel, and it, or anyone, calls ninep_req_ready(req) when it is worth being called anew. */
typedef err_t ninep_op(struct ninep_req *);

/* What serves the files. A slot that is NULL answers EOPNOTSUPP. */
struct ninep_fs {
    const struct ninep_fs_ops *ops;
};

struct ninep_fs_ops {
    ninep_op *attach; /* makes req->fid the root that in.text (aname) names: node and qid */
    /* Makes to what from is, with its own hold on the node; qid is copied already. from may be open, to is not. */
    err_t (*clone)(struct ninep_fs *, const struct ninep_fid *from, struct ninep_fid *to);
    /* Makes to the entry of that name in the directory from: node and qid. The name is never "."; ".." leads up, and
     * from the root to the root. from may be open. May return ERR_AGAIN, but must keep neither. */
    err_t (*walk)(struct ninep_req *, const struct ninep_fid *from, struct ninep_fid *to, const char *name);
    /* Gives back all that the fid holds; it is forgotten whatever the result. */
    err_t (*clunk)(struct ninep_fs *, struct ninep_fid *);
    ninep_op *open; /* in.flags; out.qid is preset, out.iounit may be set */
    /* in.name, flags, mode, gid in the directory fid, which becomes the new file: node, qid and open */
    ninep_op *create;
    ninep_op *read;    /* up to req->room bytes from in.offset to req->data; out.count */
    ninep_op *write;   /* in.count bytes at in.data to in.offset; out.count */
    ninep_op *readdir; /* as read; whole entries by ninep_dirent_put() */
    ninep_op *getattr; /* out.attr, out.qid is preset */
    ninep_op *setattr; /* in.flags, in.attr */
    ninep_op *mkdir;   /* these three: in.name in the directory fid; out.qid */
    ninep_op *symlink; /* in.text is the target */
    ninep_op *mknod;
    ninep_op *readlink; /* out.text; may use room bytes at data */
    ninep_op *link;     /* in.name in the directory dfid becomes another name of fid */
    ninep_op *rename;   /* fid becomes in.name in the directory dfid */
    ninep_op *renameat; /* in.name in fid becomes in.text in dfid */
    ninep_op *unlinkat; /* in.name in fid; in.flags */
    ninep_op *remove;   /* fid itself, which is clunked afterwards whatever the result */
    ninep_op *statfs;   /* out.statfs */
    ninep_op *fsync;
    ninep_op *lock;    /* in.kind, flags, offset, size, pid, text; out.status */
    ninep_op *getlock; /* the same; out is preset to them */
};

struct ninep_fid {
    uint32_t id;
    /* the table is a hash of chains: this place's chain, and the next on the one this fid is on; index + 1, 0: end */
    uint16_t first, next;
    bool used; /* false: free */
    bool open;
    bool sized;     /* the open operation's: the file has a length and is no stream, its reads wait for a device only */
    bool gave;      /* a read gave data, and the client may ask for more to fill its buffer (server.refills) */
    uint32_t flags; /* of the open */
    struct ninep_qid qid;
    /* the backend's; 0 in a new fid */
    void *node;
    uint64_t key;
    uint64_t start; /* set at open: where a stream's reader began */
};

struct ninep_req {
    struct ninep_msg in;
    struct ninep_msg *out;
    struct ninep_server *server;
    struct ninep_fid *fid, *dfid;
    void *data; /* the answer's data, and how many bytes of it there may be */
    uint32_t room;
    uint32_t ecode;                     /* by ninep_fail() */
    void (*cancel)(struct ninep_req *); /* set with ERR_AGAIN: called if it is not tried again; may be NULL */
    void *owner;                        /* the operation's, while it waits */
    uint8_t state;                      /* the server's from here */
    uint64_t order;
};

struct ninep_server {
    /* set by the caller before ninep_server_init(), all kept; fids and reqs are zeros, or what a server that has ended left */
    struct ninep_fs *fs;
    struct ninep_fid *fids; /* how many files the client may hold: up to 65534 */
    uint32_t nfids;
    struct ninep_req *reqs; /* one more than may wait for their answers */
    uint32_t nreqs;
    uint32_t msize_max; /* the largest message, either way; at least NINEP_MSIZE_MIN */
    bool read_only;     /* whatever would change a file is answered with EROFS */
    /* The client asks again after a short answer until its reader's buffer is full, as Linux' v9fs does: behind data from a stream
     * that then has nothing, it is told 0 bytes once before a read waits, or its reader would see nothing of them. */
    bool refills;
    /* Told when ninep_server_poll() has something to give: call it soon, but not from in here. May be NULL. */
    void (*wake)(struct ninep_server *);
    /* the server's */
    uint32_t msize; /* agreed on; 0: no Tversion yet */
    uint32_t held;  /* fids in use */
    uint64_t order;
    struct ninep_msg out;
};

void ninep_server_init(struct ninep_server *);
/* Ends the session: waiting requests are cancelled, all fids clunked. The transport has gone away. */
void ninep_server_fini(struct ninep_server *);

/* Serves the message of len bytes at t, which is changed and must stay until it is answered. The answer is written to r
 * (room for msize_max bytes) and *len_r says how long it is; 0: it comes later, from ninep_server_poll(). A Tflush may
 * yield two messages, one behind the other: the end (EINTR) of what it cancelled, and its own answer. So every message
 * is answered exactly once, but for those that wait when a new Tversion comes: they are forgotten. ERR_FORMAT: not a
 * message and cannot be answered; hang up. */
MUST_USE err_t ninep_server_take(struct ninep_server *, void *t, uint32_t len, void *r, uint32_t *len_r);
/* The next answer, by its tag, of a request that had to wait; its length, or 0: no more now. Retries what is ready. */
uint32_t ninep_server_poll(struct ninep_server *, void *r);
/* For owners whose operations do not say what they wait for: makes every waiting request worth trying again; call
 * ninep_server_poll() afterwards. */
void ninep_server_retry(struct ninep_server *);
/* A file that the client holds, or NULL. */
struct ninep_fid *ninep_server_fid(struct ninep_server *, uint32_t id);
bool ninep_server_waits(const struct ninep_server *); /* whether a request waits for its answer */

/* For backends. The request is worth trying again; calls wake. */
void ninep_req_ready(struct ninep_req *);
/* return ninep_fail(req, NINEP_ENOTEMPTY); */
err_t ninep_fail(struct ninep_req *, uint32_t ecode);
