/* Fuzzes the 9P client with answers from a server that lies. The input is records of a byte: with its top bit set, it
 * asks the question of that number; else it is the tag of an answer (63: no tag) whose type, length n and n bytes
 * follow. */
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/panic.h"
#include "ninep/client.h"

#define MSIZE 1024u
#define CALLS 8u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static struct ninep_client c;
static struct ninep_call calls[CALLS];
static uint64_t fids[1];

static const struct ninep_msg questions[] = {
    { .type = NINEP_TVERSION },
    { .type = NINEP_TATTACH, .fid = 0, .dfid = NINEP_NOFID },
    { .type = NINEP_TWALK, .fid = 0, .dfid = 1, .nwalk = 2, .wname = { "a", "b" } },
    { .type = NINEP_TWALK, .fid = 0, .dfid = 0, .nwalk = 1, .wname = { "a" } },
    { .type = NINEP_TLOPEN, .fid = 1 },
    { .type = NINEP_TREAD, .fid = 1, .count = 100 },
    { .type = NINEP_TREADDIR, .fid = 1, .count = 500 },
    { .type = NINEP_TWRITE, .fid = 1, .data = "data", .count = 4 },
    { .type = NINEP_TGETATTR, .fid = 1 },
    { .type = NINEP_TREADLINK, .fid = 1 },
    { .type = NINEP_TSTATFS, .fid = 1 },
    { .type = NINEP_TGETLOCK, .fid = 1, .text = "me" },
    { .type = NINEP_TLCREATE, .fid = 1, .name = "x" },
    { .type = NINEP_TCLUNK, .fid = 1 },
    { .type = NINEP_TREMOVE, .fid = 1 },
    { .type = NINEP_TFLUSH },
};

static void ask(unsigned n)
{
    static uint8_t t[MSIZE];
    struct ninep_call *call = NULL, *of = &calls[n / ARRAY_LEN(questions) % CALLS];
    const struct ninep_msg *q = &questions[n % ARRAY_LEN(questions)];
    struct ninep_msg back;
    uint32_t len = 0;
    err_t e = q->type == NINEP_TFLUSH ? ninep_client_flush(&c, of, t, sizeof t, &len, &call)
                                      : ninep_client_ask(&c, q, t, sizeof t, &len, &call);

    if (e)
        return;
    ASSERT(call >= calls && call < calls + CALLS && call->type == q->type);
    call->owner = call;
    ASSERT(len <= MSIZE && ninep_decode(t, len, &back) == OK && back.type == q->type);
}

static void believe(const struct ninep_answer *a)
{
    struct ninep_dirent d;
    uint8_t sum = 0;

    ASSERT(a->call && a->call->owner == a->call && (!a->ended || a->ended != a->call));
    if (a->msg.type == NINEP_TREAD + 1)
        ASSERT(a->msg.count <= 100);
    if (a->msg.type == NINEP_TREAD + 1 || a->msg.type == NINEP_TREADDIR + 1)
        for (uint32_t i = 0; i < a->msg.count; i++)
            sum ^= ((const uint8_t *)a->msg.data)[i];
    if (a->msg.type == NINEP_TREADDIR + 1)
        for (uint32_t at = 0; at < a->msg.count;) {
            uint32_t before = at;
            if (ninep_dirent_get(a->msg.data, a->msg.count, &at, &d) != OK)
                break;
            ASSERT(at > before && strlen(d.name) > 0 && !strchr(d.name, '/'));
        }
    if (a->msg.type == NINEP_TREADLINK + 1)
        sum ^= (uint8_t)strlen(a->msg.text);
    if (a->msg.type == NINEP_TWALK + 1)
        ASSERT(a->msg.nwalk <= 2);
    __asm__ volatile("" ::"r"(sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
    uint32_t fid;

    c = (struct ninep_client){ .calls = calls, .ncalls = CALLS, .fids = fids, .nfids = 64, .msize = MSIZE };
    ninep_client_init(&c);
    for (size_t at = 0; at < len;) {
        uint8_t head = in[at++];
        static struct ninep_answer a;
        if (head & 0x80) {
            ask(head & 0x7F);
            if (ninep_client_fid(&c, &fid) == OK && fid > 8)
                ninep_client_fid_put(&c, fid);
            continue;
        }
        if (len - at < 2)
            break;
        uint32_t n = in[at + 1] < len - at - 2 ? in[at + 1] : (uint32_t)(len - at - 2);
        uint8_t *r = malloc(n + NINEP_HEADER);
        put_le32(r, n + NINEP_HEADER);
        r[4] = in[at];
        put_le16(r + 5, head == 63 ? NINEP_NOTAG : head);
        memcpy(r + NINEP_HEADER, in + at + 2, n);
        if (ninep_client_take(&c, r, n + NINEP_HEADER, &a) == OK)
            believe(&a);
        free(r);
        at += 2 + n;
    }
    ASSERT(c.msize >= NINEP_MSIZE_MIN && c.msize <= MSIZE);
    return 0;
}
