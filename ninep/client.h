#pragma once
/* The client's side of one 9P connection: a state machine that gives questions tags, knows which fids are in use, and
 * checks that each answer fits its question. The caller moves the bytes:
 *   ninep_client_fid(c, &fid)                                 a free number for a new fid
 *   ninep_client_ask(c, &(struct ninep_msg){ .type = NINEP_TWALK, .fid = dir, .dfid = fid, .nwalk = 1,
 *                    .wname = { "name" } }, buf, sizeof buf, &len, &call)
 *   ... send len bytes of buf; receive n bytes of an answer ...
 *   ninep_client_take(c, in, n, &answer)                      answer.call is the question's, answer.msg what it says
 * Many calls may be outstanding. Tables are the caller's; one caller at a time. The first question must be Tversion. */
#include "ninep/msg.h"

struct ninep_call {
    void *owner; /* the caller's, while the call is under way */
    /* the client's */
    uint8_t type;   /* of the question; 0: free */
    uint16_t nwalk; /* what the answer is checked against, and done with */
    uint32_t fid, dfid, count;
    uint16_t flushes; /* Tflush: the call it flushes */
    bool flushed;     /* a Tflush for it is under way: its tag stays taken until that is answered */
    bool answered;
};

struct ninep_client {
    /* set by the caller before ninep_client_init(), kept */
    struct ninep_call *calls; /* the tag is the index */
    uint32_t ncalls;          /* up to 65535 */
    uint64_t *fids;           /* one bit for each fid in use */
    uint32_t nfids;           /* a multiple of 64 */
    uint32_t msize;           /* in: the largest message the caller can handle; then what was agreed on */
    bool ready;               /* a version is agreed on */
};

void ninep_client_init(struct ninep_client *);

/* A number for a new fid: it is taken from now on, and free again when the walk or attach that was to make
 * it fails, or when it is clunked or removed. ERR_FULL. */
MUST_USE err_t ninep_client_fid(struct ninep_client *, uint32_t *fid);
/* Gives a number back that no question was asked with. */
void ninep_client_fid_put(struct ninep_client *, uint32_t fid);

/* Writes the question q, whose tag is chosen here, to bytes. q->data may stand at its place in bytes already. ERR_FULL:
 * too many calls are outstanding, or room or the agreed size are too small; ERR_INVAL: not a question, before the
 * version is agreed on, or as ninep_encode(). In *call, owner is NULL; the caller may set it. */
MUST_USE err_t ninep_client_ask(struct ninep_client *, const struct ninep_msg *q, void *bytes, uint32_t room,
                                uint32_t *len, struct ninep_call **call);
/* The same for a Tflush of that call. Afterwards either call may be answered first, or the flushed one never. When
 * `ended` of the flush's answer names it, it was cancelled. */
MUST_USE err_t ninep_client_flush(struct ninep_client *, struct ninep_call *of, void *bytes, uint32_t room,
                                  uint32_t *len, struct ninep_call **call);

struct ninep_answer {
    struct ninep_msg msg;     /* an Rlerror has type NINEP_RLERROR; strings and data point into the bytes taken */
    struct ninep_call *call;  /* of the question; free for the next question already: use its owner at once */
    struct ninep_call *ended; /* with Rflush: the flushed call, if it will never be answered; else NULL */
};
/* Takes one whole answer; the bytes are changed. ERR_FORMAT: it is damaged, fits no question or tells the impossible (a
 * server must not be believed): end the connection. */
MUST_USE err_t ninep_client_take(struct ninep_client *, void *bytes, uint32_t len, struct ninep_answer *);

/* The most bytes one read, readdir or write can move. */
static inline uint32_t ninep_client_io_max(const struct ninep_client *c)
{
    return c->msize - NINEP_WRITE_HEADER - 1;
}
