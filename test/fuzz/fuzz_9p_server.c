/* Fuzzes the 9P server over a file system in memory. The input is one byte of settings (1: read-only) and then records:
 * a type, a length n and n bytes, which become a message with a right header; type 255 sends the n bytes as they are.
 * Every message must be answered once, by its own answer or an error, and the end must leave nothing held. */
#include <stdlib.h>
#include "base/bytes.h"
#include "base/panic.h"
#include "test/unit/ninep_memfs.h"

#define MSIZE 1024u
#define FIDS 12u
#define REQS 4u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static struct memfs m;
static struct ninep_server s;
static struct ninep_fid fids[FIDS];
static struct ninep_req reqs[REQS];
static uint8_t answer[MSIZE];
static uint8_t *waiting[17]; /* what has no answer yet, and stays until then: tags 0 to 15 and NOTAG */

static uint8_t **waiting_of(uint16_t tag)
{
    ASSERT(tag < 16 || tag == NINEP_NOTAG);
    return &waiting[tag < 16 ? tag : 16];
}

static void forget_all_but(uint8_t **keep)
{
    for (uint8_t **w = waiting; w < waiting + ARRAY_LEN(waiting); w++) {
        if (w == keep)
            continue;
        free(*w);
        *w = NULL;
    }
}

static void check_answers(uint32_t n)
{
    for (uint32_t at = 0; at < n;) {
        struct ninep_msg a;
        uint32_t size = get_le32(answer + at);
        ASSERT(size >= NINEP_HEADER && size <= n - at);
        ASSERT(ninep_decode(answer + at, size, &a) == OK);
        uint8_t **w = waiting_of(a.tag);
        ASSERT(*w);
        ASSERT(a.type == NINEP_RLERROR ? a.ecode != 0 : a.type == (*w)[4] + 1);
        free(*w);
        *w = NULL;
        at += size;
    }
}

/* t is on the heap. A tag that is in use is refused with an error of the same tag. */
static void send(uint8_t *t, uint32_t n)
{
    uint8_t **w = waiting_of(n >= NINEP_HEADER ? get_le16(t + 5) : 0);
    bool in_use = n < NINEP_HEADER || *w;
    uint32_t len_r;
    err_t e;

    if (!in_use)
        *w = t;
    e = ninep_server_take(&s, t, n, answer, &len_r);
    if (in_use) {
        ASSERT(e == ERR_FORMAT || answer[4] == NINEP_RLERROR);
        free(t);
    } else if (e) {
        free(t);
        *w = NULL;
    } else {
        if (t[4] == NINEP_TVERSION && len_r && answer[4] == NINEP_TVERSION + 1)
            forget_all_but(w);
        check_answers(len_r);
    }
}

static void message(uint8_t type, uint16_t tag, const uint8_t *payload, uint32_t n)
{
    uint8_t *t = malloc(n + NINEP_HEADER);

    put_le32(t, n + NINEP_HEADER);
    t[4] = type;
    put_le16(t + 5, tag);
    memcpy(t + NINEP_HEADER, payload, n);
    send(t, n + NINEP_HEADER);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
    uint16_t tag = 0;
    uint32_t n;

    if (len < 1)
        return 0;
    memfs_init(&m);
    m.hold = true;
    s = (struct ninep_server){ .fs = &m.fs,
                               .fids = fids,
                               .nfids = FIDS,
                               .reqs = reqs,
                               .nreqs = REQS,
                               .msize_max = MSIZE,
                               .read_only = in[0] & 1 };
    ninep_server_init(&s);
    message(NINEP_TVERSION, NINEP_NOTAG,
            (const uint8_t *)"\0\4\0\0\10\0"
                             "9P2000.L",
            14);
    message(NINEP_TATTACH, 0, (const uint8_t *)"\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16);
    for (size_t at = 1; at + 2 <= len;) {
        uint32_t size = in[at + 1] < len - at - 2 ? in[at + 1] : (uint32_t)(len - at - 2);
        const uint8_t *payload = in + at + 2;
        if (in[at] == 255) {
            uint8_t *t = malloc(size ? size : 1);
            memcpy(t, payload, size);
            if (size >= NINEP_HEADER)
                put_le16(t + 5, t[5] & 15);
            send(t, size);
        } else
            message(in[at], tag++ % 16, payload, size);
        at += 2 + size;
        while ((n = ninep_server_poll(&s, answer)))
            check_answers(n);
    }
    ninep_server_fini(&s);
    ASSERT(memfs_holds(&m) == 0 && !m.held);
    forget_all_but(NULL);
    return 0;
}
